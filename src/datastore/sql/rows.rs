//! Rows as the engines hand them over, read into values.

use std::fmt;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _};
use serde::de::{self, Deserialize, Deserializer};
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::{Row as _, ValueRef as _};

use super::connection::failed;
use super::dialect::{Class, Dialect, Type};
use super::statement::hex;
use crate::datastore::error::DatastoreError;
use crate::model::key::NOT_UTF8;
use crate::model::value::Value;
use crate::rules::bind::TriggerKind;

/// What a statement of SQLite's returned as one JSON text.
pub(super) fn parse(json: &str) -> Result<Vec<Vec<Value>>, DatastoreError> {
    let rows: Vec<Vec<Encoded>> = serde_json::from_str(json).map_err(|_| garbled())?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(|e| e.0).collect()).collect())
}

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
    let values: Vec<Option<String>> = serde_json::from_str(json).map_err(|_| garbled())?;
    let value = |text: Option<String>| match (text, kind) {
        (None, _) => Value::Null,
        (Some(text), TriggerKind::Integer(_)) => text.parse().map_or(Value::Text(text), Value::Integer),
        (Some(text), _) => Value::Text(text),
    };
    Ok(values.into_iter().map(value).collect())
}

/// The reverse of what [`parse`] reads: what [`super::dialect::decoded`] takes.
pub(super) fn encode(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(n) => (*n).into(),
        Value::Real(n) => format!("r{n:e}").into(),
        Value::Text(text) => format!("t{text}").into(),
        Value::Blob(bytes) => format!("b{}", hex(bytes)).into(),
    }
}

/// The same, written: of a batch, the tree of its values costs more than the text.
pub(super) fn write_encoded(text: &mut String, value: &Value) {
    match value {
        Value::Text(own) if own.bytes().all(|b| (b' '..0x7f).contains(&b) && b != b'"' && b != b'\\') => {
            text.push_str("\"t");
            text.push_str(own);
            text.push('"');
        }
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
            text.push_str(&encode(value).to_string());
        }
    }
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

/// A row of PostgreSQL's, in its binary format.
pub(super) fn of_postgres(
    row: &PgRow,
    types: &[Type],
    operation: &'static str,
) -> Result<Vec<Value>, DatastoreError> {
    let mut values = Vec::with_capacity(types.len());
    for (at, ty) in types.iter().enumerate() {
        let raw = row.try_get_raw(at).map_err(failed(operation))?;
        if raw.is_null() {
            values.push(Value::Null);
            continue;
        }
        let bytes = raw.as_bytes().map_err(|_| undecodable(operation))?;
        values.push(postgres_value(bytes, ty.class).ok_or_else(|| undecodable(operation))?);
    }
    Ok(values)
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
        Class::Instant => Value::Text(date_time(i64::from_be_bytes(bytes.try_into().ok()?), "Z")),
        Class::Naive => Value::Text(date_time(i64::from_be_bytes(bytes.try_into().ok()?), "")),
        Class::Date => Value::Text(date(i32::from_be_bytes(bytes.try_into().ok()?))),
        Class::Any | Class::Text | Class::Decimal | Class::Uuid | Class::Other | Class::Rows => {
            Value::Text(lossy(bytes))
        }
    })
}

/// PostgreSQL counts from 2000.
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");

/// Microseconds since then; the greatest and the smallest are infinite.
fn date_time(micros: i64, zone: &str) -> String {
    let base = EPOCH.and_time(chrono::NaiveTime::MIN);
    let at = match micros {
        i64::MAX => None,
        i64::MIN => return "-infinity".to_owned(),
        _ => base.checked_add_signed(TimeDelta::microseconds(micros)),
    };
    match at {
        Some(at) if (1..=9999).contains(&at.year()) => written(at, zone),
        // As the engine writes it: no time to the judge, and the same text to whoever compares it.
        Some(at) => {
            let fraction = format!("{:06}", at.and_utc().timestamp_subsec_micros());
            let fraction = fraction.trim_end_matches('0');
            let dot = if fraction.is_empty() { "" } else { "." };
            let zone = if zone.is_empty() { "" } else { "+00" };
            let (year, era) = outlandish(at.year());
            format!("{year}-{}{dot}{fraction}{zone}{era}", at.format("%m-%d %H:%M:%S"))
        }
        None => "infinity".to_owned(),
    }
}

/// Days since then.
fn date(days: i32) -> String {
    let at = match days {
        i32::MAX => None,
        i32::MIN => return "-infinity".to_owned(),
        _ => EPOCH.checked_add_signed(TimeDelta::days(days.into())),
    };
    match at {
        Some(at) if (1..=9999).contains(&at.year()) => at.format("%Y-%m-%d").to_string(),
        Some(at) => {
            let (year, era) = outlandish(at.year());
            format!("{year}-{}{era}", at.format("%m-%d"))
        }
        None => "infinity".to_owned(),
    }
}

/// RFC 3339 with microseconds. By its digits: a format that is read for every row costs more than all else that is done to the row.
fn written(at: NaiveDateTime, zone: &str) -> String {
    let mut text = String::with_capacity(27);
    let mut digits = |mut n: u32, width: u32, before: &str| {
        text.push_str(before);
        for place in (0..width).rev() {
            let power = 10u32.pow(place);
            text.push(char::from(b'0' + u8::try_from(n / power).unwrap_or(9)));
            n %= power;
        }
    };
    digits(at.year().unsigned_abs(), 4, "");
    digits(at.month(), 2, "-");
    digits(at.day(), 2, "-");
    digits(at.hour(), 2, "T");
    digits(at.minute(), 2, ":");
    digits(at.second(), 2, ":");
    digits(at.nanosecond() / 1000, 6, ".");
    text.push_str(zone);
    text
}

/// A year of more than four digits, or before the first.
fn outlandish(year: i32) -> (String, &'static str) {
    if year > 0 { (year.to_string(), "") } else { (format!("{:04}", 1 - year), " BC") }
}

/// A row of MariaDB's, whose columns are all text or bytes.
pub(super) fn of_mariadb(
    row: &MySqlRow,
    types: &[Type],
    operation: &'static str,
) -> Result<Vec<Value>, DatastoreError> {
    let mut values = Vec::with_capacity(types.len());
    for (at, ty) in types.iter().enumerate() {
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(at).map_err(failed(operation))?;
        values.push(bytes.map_or(Value::Null, |bytes| mariadb_value(bytes, ty.class)));
    }
    Ok(values)
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

struct Encoded(Value);

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

    #[test]
    fn times_of_postgresql_are_written_as_the_judge_reads_them() {
        assert_eq!(date_time(0, "Z"), "2000-01-01T00:00:00.000000Z");
        assert_eq!(date_time(-1, ""), "1999-12-31T23:59:59.999999");
        assert_eq!(date_time(839_590_923_004_005, "Z"), "2026-08-09T11:42:03.004005Z");
        assert_eq!(date(-1), "1999-12-31");
        assert_eq!(date_time(i64::MAX, "Z"), "infinity");
        assert_eq!(
            (date_time(i64::MIN, ""), date(i32::MIN)),
            ("-infinity".to_owned(), "-infinity".to_owned())
        );
    }

    #[test]
    fn times_that_no_judge_reads_are_written_as_the_server_writes_them() {
        // 10000-01-01, and the last day before the first year.
        assert_eq!(date_time(252_455_616_000_000_000, "Z"), "10000-01-01 00:00:00+00");
        assert_eq!(date_time(252_455_616_000_500_000, ""), "10000-01-01 00:00:00.5");
        assert_eq!(date(-730_120), "0001-12-31 BC");
    }
}
