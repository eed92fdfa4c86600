//! Rows as the engines hand them over, read into values.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::connection::failed;
use super::dialect::{Class, Dialect, Expression, TIMES, Type};
use super::statement::hex;
use crate::datastore::error::DatastoreError;
use crate::model::key::{KeyError, NOT_UTF8};
use crate::model::value::{Value, Values, date_time, rfc3339};
use crate::rules::bind::TriggerKind;

/// What a statement of SQLite's returned as one JSON text.
pub(super) fn parse(json: &str) -> Result<Vec<Values>, DatastoreError> {
    let rows: Vec<Row> = serde_json::from_str(json).map_err(|_| garbled())?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The values of one row, from an array of encoded ones.
struct Row(Values);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of encoded values")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut array: A) -> Result<Values, A::Error> {
                let mut values = Values::new();
                while let Some(Encoded(value)) = array.next_element()? {
                    values.push(value);
                }
                Ok(values)
            }
        }
        deserializer.deserialize_seq(Visitor).map(Row)
    }
}

/// What stands for the values of a trigger in other rows where their column is of another type by now.
pub(super) const ALTERED: &str = "false";

/// The values of a trigger in other rows, from the JSON array that a statement reads them as.
pub(super) fn several(
    dialect: &Dialect,
    kind: &TriggerKind,
    json: &Value,
) -> Result<Vec<Value>, DatastoreError> {
    let Value::Text(json) = json else { return Err(garbled()) };
    if let Dialect::Sqlite = dialect {
        let values: Vec<Encoded> = serde_json::from_str(json).map_err(|_| garbled())?;
        return Ok(values.into_iter().map(|e| e.0).collect());
    }
    if json == ALTERED {
        return Err(undecodable("read the rows that a trigger is in"));
    }
    let values: Vec<Option<String>> = serde_json::from_str(json).map_err(|_| garbled())?;
    let value = |text: Option<String>| match (text, kind) {
        (None, _) => Value::Null,
        (Some(text), TriggerKind::Integer(_)) => text.parse().map_or(Value::Text(text), Value::Integer),
        (Some(text), _) => Value::Text(text),
    };
    Ok(values.into_iter().map(value).collect())
}

/// As [`parse`] reads them.
pub(super) struct Encode<'v>(pub(super) &'v Value);

impl Serialize for Encode<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Integer(n) => serializer.serialize_i64(*n),
            Value::Real(n) => serializer.collect_str(&format_args!("r{n:e}")),
            Value::Text(text) => serializer.collect_str(&format_args!("t{text}")),
            Value::Instant(at) => serializer.collect_str(&format_args!("t{}", rfc3339(*at))),
            Value::Blob(bytes) => serializer.collect_str(&format_args!("b{}", hex(bytes))),
        }
    }
}

/// A value as a statement of SQLite's is given it in JSON: text as it is, since the engine's functions would cut it at a NUL; what JSON has no
/// value for in an object, bytes in hex under `b`, a real under `r`.
pub(super) struct Carry<'v>(pub(super) &'v Value);

impl Serialize for Carry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Integer(n) => serializer.serialize_i64(*n),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Instant(at) => serializer.serialize_str(&rfc3339(*at)),
            // The engine reads no word for what is infinite: a number beyond all that it has is.
            Value::Real(n) if n.is_infinite() => {
                serializer.collect_map([("r", if *n > 0.0 { "9e999" } else { "-9e999" })])
            }
            Value::Real(n) => serializer.collect_map([("r", format!("{n:e}"))]),
            Value::Blob(bytes) => serializer.collect_map([("b", hex(bytes))]),
        }
    }
}

/// As JSON; of a batch, a tree of its values would cost more than the text.
pub(super) fn json(values: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(values).expect("names, numbers and texts are always JSON")
}

/// Text, where what is not UTF-8 becomes U+FFFF: no time, and no key.
pub(super) fn lossy(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend((!chunk.invalid().is_empty()).then_some(NOT_UTF8));
    }
    text
}

/// The rows of PostgreSQL's, in its binary format: an array a column, and no array where there are no rows.
pub(super) fn of_postgres(
    row: &PgRow,
    types: &[Type],
    operation: &'static str,
) -> Result<Vec<Values>, DatastoreError> {
    // A row without columns has one nevertheless.
    let arrays = types.len().max(1);
    check_types(row, arrays, operation)?;
    let mut columns = Vec::with_capacity(arrays);
    for at in 0..arrays {
        let raw = row.try_get_raw(at).map_err(failed(operation))?;
        if raw.is_null() {
            return Ok(Vec::new());
        }
        let bytes = raw.as_bytes().map_err(|_| undecodable(operation))?;
        let ty = types.get(at).unwrap_or(Type::INTEGER);
        columns.push(Elements::of(bytes, ty.class).ok_or_else(|| undecodable(operation))?);
    }
    let count = columns.iter().map(|column| column.left).min().unwrap_or(0);
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        let mut values = Values::new();
        for (column, ty) in columns.iter_mut().zip(types) {
            values.push(column.next(ty.class).ok_or_else(|| undecodable(operation))?);
        }
        rows.push(values);
    }
    Ok(rows)
}

/// The `SELECT` of rows that are packed: all as bytes of one length, in PostgreSQL's binary format, and how many there are. None: values of one
/// of the classes have no one length.
pub(super) fn packed(classes: impl Iterator<Item = Class>) -> Option<String> {
    // No cast: a column of another type by now is refused, or widened without loss, or is a time of another kind.
    let sent = |(at, class)| Some(format!("pg_catalog.{}(b.c{at})", sent(class)?.0));
    let row: Vec<String> = classes.enumerate().map(sent).collect::<Option<_>>()?;
    let row = row.join(" OPERATOR(pg_catalog.||) ");
    (!row.is_empty()).then(|| format!("pg_catalog.string_agg({row}, ''::bytea), pg_catalog.count(*)"))
}

/// Whether columns that held times or whole numbers hold none of another kind by now: a date would be taken for its midnight, a time without a
/// zone for one in UTC, milliseconds for seconds. None: none of them holds any. The least of no rows has their type: to ask each row for it took a
/// tenth of the statement.
pub(super) fn same_types(columns: &[Expression]) -> Option<String> {
    let of_none = |at| format!("pg_catalog.min(b.c{at}) FILTER (WHERE FALSE)");
    // What is reckoned from a column need not have its type.
    let own = columns.iter().enumerate().filter(|(_, x)| x.column.is_some());
    let same: Vec<String> = own.filter_map(|(at, x)| same_type(&of_none(at), &x.ty)).collect();
    (!same.is_empty()).then(|| same.join(" AND "))
}

/// Whether what has the type of such a column is of no other; none: it held something else.
pub(super) fn same_type(sql: &str, ty: &Type) -> Option<String> {
    let of = format!("pg_catalog.pg_typeof({sql})");
    match ty.class {
        Class::Instant | Class::Naive | Class::Date => {
            let others = TIMES.iter().filter(|(other, _)| *other != ty.class);
            let none: Vec<String> =
                others.map(|(_, other)| format!("{of} <> 'pg_catalog.{other}'::regtype")).collect();
            Some(none.join(" AND "))
        }
        Class::Integer => Some(format!("{of} = '{}'::regtype", ty.name)),
        Class::Any
        | Class::Boolean
        | Class::Decimal
        | Class::Real
        | Class::Text
        | Class::Bytes
        | Class::Uuid
        | Class::Other
        | Class::Rows => None,
    }
}

/// Refuses rows whose columns are of another type by now, as the statement tells behind all else, where it reads any that it has to tell of.
fn check_types(row: &PgRow, at: usize, operation: &'static str) -> Result<(), DatastoreError> {
    let same = row.len() <= at || row.try_get(at).map_err(failed(operation))?;
    if same { Ok(()) } else { Err(undecodable(operation)) }
}

/// The function that writes the values of a class as bytes, and how many bytes they are.
fn sent(class: Class) -> Option<(&'static str, usize)> {
    match class {
        Class::Integer => Some(("int8send", 8)),
        Class::Instant => Some(("timestamptz_send", 8)),
        Class::Naive => Some(("timestamp_send", 8)),
        Class::Date => Some(("date_send", 4)),
        Class::Uuid => Some(("uuid_send", 16)),
        Class::Any
        | Class::Boolean
        | Class::Decimal
        | Class::Real
        | Class::Text
        | Class::Bytes
        | Class::Other
        | Class::Rows => None,
    }
}

/// The rows that a statement has packed, and counted: one with NULL in it is missing.
pub(super) fn unpacked(
    row: &PgRow,
    types: &[Type],
    operation: &'static str,
) -> Result<Vec<Values>, DatastoreError> {
    let bytes: Option<&[u8]> = row.try_get(0).map_err(failed(operation))?;
    let count: i64 = row.try_get(1).map_err(failed(operation))?;
    check_types(row, 2, operation)?;
    let bytes = bytes.unwrap_or_default();
    let columns: Option<Vec<(Class, usize)>> =
        types.iter().map(|ty| sent(ty.class).map(|(_, width)| (ty.class, width))).collect();
    let columns = columns.ok_or_else(|| undecodable(operation))?;
    let width = columns.iter().map(|(_, width)| width).sum::<usize>().max(1);
    if usize::try_from(count) != Ok(bytes.len() / width) {
        return Err(KeyError::Null.into());
    }
    let read = |mut row: &[u8]| {
        let mut values = Values::new();
        for (class, width) in &columns {
            let (value, rest) = row.split_at_checked(*width)?;
            row = rest;
            values.push(if *class == Class::Uuid {
                Value::Text(uuid(value))
            } else {
                postgres_value(value, *class)?
            });
        }
        Some(values)
    };
    let rows: Option<Vec<Values>> = bytes.chunks_exact(width).map(read).collect();
    rows.ok_or_else(|| undecodable(operation))
}

/// As the server writes it.
fn uuid(bytes: &[u8]) -> String {
    let mut text = hex(bytes);
    for at in [8, 13, 18, 23] {
        text.insert(at, '-');
    }
    text
}

/// The elements of an array of one dimension, in PostgreSQL's binary format.
struct Elements<'b> {
    bytes: &'b [u8],
    left: usize,
}

impl<'b> Elements<'b> {
    /// Behind the header: dimensions, flags, the elements' type, and for each dimension its length and its first index. None: its elements are of
    /// one of the engine's own types, and none in which values of the class are handed over. A domain has a type of its own.
    fn of(bytes: &'b [u8], class: Class) -> Option<Self> {
        let (header, elements) = bytes.split_first_chunk::<20>()?;
        let word = |at: usize| header.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes);
        let left = usize::try_from(word(12)?).ok()?;
        let ty = word(8)?;
        let is_another = BUILT_IN.contains(&ty) && !handed_over(class).contains(&ty);
        (word(0)? == 1 && !is_another).then_some(Self { bytes: elements, left })
    }

    fn next(&mut self, class: Class) -> Option<Value> {
        let (length, rest) = self.bytes.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            self.bytes = rest;
            return Some(Value::Null);
        }
        let (element, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        postgres_value(element, class)
    }
}

/// What PostgreSQL numbers by hand (below `FirstGenbkiObjectId`): all of its own types but the domains of `information_schema`.
const BUILT_IN: Range<i32> = 1..10_000;

/// What PostgreSQL numbers the types by in which values of a class are handed over ([`Dialect::read`]). Its own types' numbers never change.
fn handed_over(class: Class) -> &'static [i32] {
    const BYTEA: i32 = 17;
    const INT8: i32 = 20;
    const INT2: i32 = 21;
    const INT4: i32 = 23;
    const TEXT: i32 = 25;
    const FLOAT8: i32 = 701;
    const VARCHAR: i32 = 1043;
    const DATE: i32 = 1082;
    const TIMESTAMP: i32 = 1114;
    const TIMESTAMPTZ: i32 = 1184;
    match class {
        Class::Integer => &[INT2, INT4, INT8],
        Class::Boolean => &[INT4],
        Class::Real => &[FLOAT8],
        Class::Bytes => &[BYTEA],
        Class::Instant => &[TIMESTAMPTZ],
        Class::Naive => &[TIMESTAMP],
        Class::Date => &[DATE],
        Class::Text => &[TEXT, VARCHAR],
        Class::Any | Class::Decimal | Class::Uuid | Class::Other | Class::Rows => &[TEXT],
    }
}

fn postgres_value(bytes: &[u8], class: Class) -> Option<Value> {
    Some(match class {
        Class::Integer | Class::Boolean => Value::Integer(match bytes.len() {
            2 => i16::from_be_bytes(bytes.try_into().ok()?).into(),
            4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
            _ => i64::from_be_bytes(bytes.try_into().ok()?),
        }),
        Class::Real => Value::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
        Class::Bytes => Value::Blob(bytes.to_vec()),
        Class::Instant => instant(i64::from_be_bytes(bytes.try_into().ok()?)),
        Class::Naive => naive(i64::from_be_bytes(bytes.try_into().ok()?)),
        Class::Date => Value::Text(date(i32::from_be_bytes(bytes.try_into().ok()?))),
        Class::Any | Class::Text | Class::Decimal | Class::Uuid | Class::Other | Class::Rows => {
            Value::Text(lossy(bytes))
        }
    })
}

/// PostgreSQL counts from 2000.
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");
const EPOCH_MICROS: i64 = EPOCH.and_time(NaiveTime::MIN).and_utc().timestamp_micros();

/// Microseconds since then; the greatest and the smallest are infinite.
fn moment(micros: i64) -> Result<NaiveDateTime, &'static str> {
    let at = match micros {
        i64::MIN => return Err("-infinity"),
        i64::MAX => None,
        _ => micros.checked_add(EPOCH_MICROS).and_then(DateTime::from_timestamp_micros),
    };
    at.map(|at| at.naive_utc()).ok_or("infinity")
}

/// An instant; as the server writes it, where it is no time to the judge.
fn instant(micros: i64) -> Value {
    match moment(micros) {
        Ok(at) if is_usual(at.year()) => Value::Instant(at.and_utc()),
        Ok(at) => Value::Text(as_written(at, "+00")),
        Err(infinite) => Value::Text(infinite.to_owned()),
    }
}

/// The same of a time without a zone.
fn naive(micros: i64) -> Value {
    Value::Text(match moment(micros) {
        Ok(at) if is_usual(at.year()) => date_time(at),
        Ok(at) => as_written(at, ""),
        Err(infinite) => infinite.to_owned(),
    })
}

/// A year that is written with four digits and nothing else.
fn is_usual(year: i32) -> bool {
    (1..=9999).contains(&year)
}

/// As the engine writes it: no time to the judge, and the same text to whoever compares it.
fn as_written(at: NaiveDateTime, zone: &str) -> String {
    let fraction = format!("{:06}", at.and_utc().timestamp_subsec_micros());
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let (year, era) = outlandish(at.year());
    format!("{year}-{}{dot}{fraction}{zone}{era}", at.format("%m-%d %H:%M:%S"))
}

/// Days since then.
fn date(days: i32) -> String {
    let at = match days {
        i32::MAX => None,
        i32::MIN => return "-infinity".to_owned(),
        _ => EPOCH.checked_add_signed(TimeDelta::days(days.into())),
    };
    match at {
        Some(at) if is_usual(at.year()) => at.format("%Y-%m-%d").to_string(),
        Some(at) => {
            let (year, era) = outlandish(at.year());
            format!("{year}-{}{era}", at.format("%m-%d"))
        }
        None => "infinity".to_owned(),
    }
}

/// A year of more than four digits, or before the first.
fn outlandish(year: i32) -> (String, &'static str) {
    if year > 0 { (year.to_string(), "") } else { (format!("{:04}", 1 - year), " BC") }
}

/// Rows of MariaDB's, whose columns are all text or bytes. Behind them stands what has the types of as many columns, which were of these classes:
/// what has been altered meanwhile, the server prepares anew, and says with every result what it is by now.
pub(super) fn of_mariadb(
    rows: &[MySqlRow],
    types: &[Type],
    columns: &[Class],
    operation: &'static str,
) -> Result<Vec<Values>, DatastoreError> {
    let is_as_it_was = |row: &MySqlRow| {
        let named = row.columns().iter().skip(types.len().max(1)).map(|column| column.type_info().name());
        named.len() == columns.len() && named.zip(columns).all(|(name, class)| is_of_mariadb(*class, name))
    };
    if !rows.first().is_none_or(is_as_it_was) {
        return Err(undecodable(operation));
    }
    let value = |row: &MySqlRow| {
        let mut values = Values::with_capacity(types.len());
        for (at, ty) in types.iter().enumerate() {
            let bytes: Option<Vec<u8>> = row.try_get_unchecked(at).map_err(failed(operation))?;
            values.push(bytes.map_or(Value::Null, |bytes| mariadb_value(bytes, ty.class)));
        }
        Ok(values)
    };
    rows.iter().map(value).collect()
}

/// Whether a column of the class may have a type of this name, as the driver has it. It cannot tell texts of some collations from bytes.
fn is_of_mariadb(class: Class, name: &str) -> bool {
    match class {
        Class::Instant => name == "TIMESTAMP",
        Class::Naive => name == "DATETIME",
        Class::Date => name == "DATE",
        Class::Integer => name.contains("INT") || ["BIT", "BOOLEAN"].contains(&name),
        Class::Decimal => name == "DECIMAL",
        Class::Real => ["FLOAT", "DOUBLE"].contains(&name),
        Class::Text | Class::Bytes => {
            ["CHAR", "TEXT", "BINARY", "BLOB"].iter().any(|kind| name.ends_with(kind))
        }
        Class::Any | Class::Boolean | Class::Uuid | Class::Other | Class::Rows => true,
    }
}

fn mariadb_value(bytes: Vec<u8>, class: Class) -> Value {
    if class == Class::Bytes {
        return Value::Blob(bytes);
    }
    let text = String::from_utf8(bytes).unwrap_or_else(|error| lossy(error.as_bytes()));
    match class {
        // An unsigned one may be beyond: its digits stand for it.
        Class::Integer | Class::Boolean => text.parse().map_or(Value::Text(text), Value::Integer),
        Class::Real => text.parse().map_or(Value::Text(text), Value::Real),
        Class::Decimal if text.contains('.') => {
            Value::Text(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        _ => Value::Text(text),
    }
}

fn garbled() -> DatastoreError {
    DatastoreError::Unexpected {
        operation: "read records",
        expected: "rows of encoded values".to_owned(),
        observed: "text that is not (it may hold bytes that are not UTF-8)".to_owned(),
    }
}

fn undecodable(operation: &'static str) -> DatastoreError {
    DatastoreError::Unexpected {
        operation,
        expected: "values of the columns' types".to_owned(),
        observed: "a value of another type: the table may have been altered meanwhile".to_owned(),
    }
}

/// A value as it is read from its encoding.
#[derive(Clone)]
pub(super) struct Encoded(pub(super) Value);

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Encode(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EncodedVisitor).map(Encoded)
    }
}

struct EncodedVisitor;

impl de::Visitor<'_> for EncodedVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoded value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Integer(n))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
        i64::try_from(n).map(Value::Integer).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        let wrong = || E::custom("unknown encoding");
        let (tag, rest) = text.split_at_checked(1).ok_or_else(wrong)?;
        match tag {
            "t" => Ok(Value::Text(rest.to_owned())),
            "b" => unhex(rest).map(Value::Blob).ok_or_else(wrong),
            "r" => Ok(Value::Real(rest.parse().unwrap_or(f64::NAN))),
            _ => Err(wrong()),
        }
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: &Value) -> String {
        super::super::statement::text_of(value).unwrap_or_default()
    }

    #[test]
    fn times_of_postgresql_are_written_as_the_judge_reads_them() {
        assert_eq!(text_of(&instant(0)), "2000-01-01T00:00:00.000000Z");
        assert_eq!(text_of(&naive(-1)), "1999-12-31T23:59:59.999999");
        assert_eq!(text_of(&instant(839_590_923_004_005)), "2026-08-09T11:42:03.004005Z");
        assert_eq!(date(-1), "1999-12-31");
        assert_eq!(text_of(&instant(i64::MAX)), "infinity");
        assert_eq!(
            (text_of(&naive(i64::MIN)), date(i32::MIN)),
            ("-infinity".to_owned(), "-infinity".to_owned())
        );
    }

    #[test]
    fn times_that_no_judge_reads_are_written_as_the_server_writes_them() {
        // 10000-01-01, and the last day before the first year.
        assert_eq!(text_of(&instant(252_455_616_000_000_000)), "10000-01-01 00:00:00+00");
        assert_eq!(text_of(&naive(252_455_616_000_500_000)), "10000-01-01 00:00:00.5");
        assert_eq!(date(-730_120), "0001-12-31 BC");
    }
}
