//! A statement under construction: text in one engine's SQL, and every value bound with its column's type.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::dialect::{Class, Dialect, Expression, Type};
use super::rows::{Carry, json};
use crate::model::value::{Value, Values, of_date_time, of_rfc3339, rfc3339};

/// A statement, with the values it binds.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    pub(super) dialect: Dialect,
    pub(super) text: String,
    pub(super) args: Vec<Arg>,
}

/// A value as the driver takes it.
#[derive(Clone, PartialEq)]
pub(super) enum Arg {
    Null,
    Integer(i64),
    Unsigned(u64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Instant(DateTime<Utc>),
    Naive(NaiveDateTime),
    Date(NaiveDate),
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Blobs(Vec<Option<Vec<u8>>>),
}

impl std::fmt::Debug for Arg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may be personal data.
        f.write_str("<value>")
    }
}

impl Dialect {
    /// The beginning of a statement, or all of one.
    pub(super) fn sql(&self, text: impl Into<String>) -> Sql {
        Sql { dialect: self.clone(), text: text.into(), args: Vec::new() }
    }

    /// A column of the rows that [`Sql::bulk`] carries, as its own column holds it.
    pub(super) fn carried(&self, name: &str, ty: &Type) -> Expression {
        let x = format!("b.{name}");
        let sql = match (self, ty.class) {
            (Self::MariaDb(_), Class::Text) if !ty.name.is_empty() => {
                let charset = ty.name.split('_').next().unwrap_or("utf8mb4");
                format!("CONVERT({x} USING {charset}) COLLATE {}", ty.name)
            }
            (Self::MariaDb(_), Class::Bytes) => format!("UNHEX({x})"),
            (Self::MariaDb(_), Class::Instant | Class::Naive) => format!("CAST({x} AS DATETIME(6))"),
            (Self::MariaDb(_), Class::Date) => format!("CAST({x} AS DATE)"),
            (Self::Sqlite | Self::Postgres(_) | Self::MariaDb(_), _) => x,
        };
        Expression::new(sql, ty)
    }
}

impl Sql {
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A value that stands beside a column of this type.
    pub(super) fn bind(&mut self, value: &Value, ty: &Type) -> &mut Self {
        let (arg, cast) = match self.dialect {
            Dialect::Sqlite => (natural(value), String::new()),
            Dialect::Postgres(_) => postgres(value, ty),
            Dialect::MariaDb(_) => mariadb(value, ty),
        };
        let place = self.place(arg);
        let text = match (&self.dialect, cast.as_str()) {
            (_, "") => place,
            (_, "boolean") => format!("({place} <> 0)"),
            (Dialect::MariaDb(_), cast) => format!("CAST({place} AS {cast})"),
            (Dialect::Sqlite | Dialect::Postgres(_), cast) => format!("{place}::{cast}"),
        };
        self.push(&text)
    }

    pub(super) fn bind_integer(&mut self, n: i64) -> &mut Self {
        self.bind(&Value::Integer(n), Type::INTEGER)
    }

    pub(super) fn bind_text(&mut self, text: &str) -> &mut Self {
        self.bind(&Value::Text(text.to_owned()), Type::TEXT)
    }

    /// Keeps a value, and says how the statement refers to it.
    fn place(&mut self, arg: Arg) -> String {
        self.args.push(arg);
        match self.dialect {
            Dialect::Sqlite => format!("?{}", self.args.len()),
            Dialect::Postgres(_) => format!("${}", self.args.len()),
            Dialect::MariaDb(_) => "?".to_owned(),
        }
    }

    /// ` IN (…)` over texts, however many there are, as one value.
    pub(super) fn among(&mut self, texts: &[String]) -> &mut Self {
        let json = || Arg::Text(serde_json::json!(texts).to_string());
        let list = match self.dialect {
            Dialect::Sqlite => format!(" IN (SELECT value FROM json_each({}))", self.place(json())),
            Dialect::Postgres(_) => {
                let texts = texts.iter().cloned().map(Some).collect();
                format!(" = ANY ({}::text[])", self.place(Arg::Texts(texts)))
            }
            Dialect::MariaDb(_) => format!(
                " IN (SELECT j.v FROM JSON_TABLE({}, '$[*]' COLUMNS (v LONGTEXT PATH '$')) AS j)",
                self.place(json())
            ),
        };
        self.push(&list)
    }

    /// Rows of values as a source of the statement, named `b`, however many there are: a value a column, or one for all.
    pub(super) fn bulk(&mut self, columns: &[(String, Type)], rows: &[Values]) -> &mut Self {
        let source = match self.dialect {
            Dialect::Sqlite => self.each_of_json(columns, rows),
            Dialect::Postgres(_) => self.unnested(columns, rows),
            Dialect::MariaDb(_) => self.json_table(columns, rows),
        };
        self.push(&source)
    }

    fn each_of_json(&mut self, columns: &[(String, Type)], rows: &[Values]) -> String {
        // One value a row needs no list of its own, which would be read anew for each look into it.
        let flat = columns.len() == 1;
        let text = if flat {
            json(&rows.iter().map(|row| row.first().map(Carry)).collect::<Vec<_>>())
        } else {
            json(&rows.iter().map(|row| row.iter().map(Carry).collect()).collect::<Vec<Vec<_>>>())
        };
        let place = self.place(Arg::Text(text));
        let listed: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(i, (name, _))| {
                let (x, kind) = if flat {
                    ("j.value".to_owned(), "j.type".to_owned())
                } else {
                    (format!("json_extract(j.value, '$[{i}]')"), format!("json_type(j.value, '$[{i}]')"))
                };
                let as_it_is = |row: &Values| !matches!(row.get(i), Some(Value::Real(_) | Value::Blob(_)));
                // Each look into the JSON reads it anew.
                if rows.iter().all(as_it_is) {
                    return format!("{x} AS {name}");
                }
                let other = format!(
                    "coalesce(unhex(json_extract({x}, '$.b')), CAST(json_extract({x}, '$.r') AS REAL))"
                );
                format!("CASE {kind} WHEN 'object' THEN {other} ELSE {x} END AS {name}")
            })
            .collect();
        format!("(SELECT {} FROM json_each({place}) AS j) AS b", listed.join(", "))
    }

    fn unnested(&mut self, columns: &[(String, Type)], rows: &[Values]) -> String {
        let mut arrays = Vec::new();
        for (i, (_, ty)) in columns.iter().enumerate() {
            let values = rows.iter().map(|row| row.get(i).unwrap_or(&Value::Null));
            let place = match ty.class {
                Class::Integer => {
                    let values = values
                        .map(|v| if let Value::Integer(n) = v { Some(*n) } else { text_of(v)?.parse().ok() });
                    self.place(Arg::Integers(values.collect()))
                }
                Class::Bytes => {
                    let values =
                        values.map(|v| if let Value::Blob(bytes) = v { Some(bytes.clone()) } else { None });
                    self.place(Arg::Blobs(values.collect()))
                }
                Class::Boolean => {
                    let values = values.map(|v| text_of(v).map(|v| (v != "0" && v != "false").to_string()));
                    self.place(Arg::Texts(values.collect())) + "::text[]::boolean[]"
                }
                _ => {
                    let place = self.place(Arg::Texts(values.map(text_of).collect()));
                    if matches!(ty.name.as_str(), "" | "text") {
                        place
                    } else {
                        format!("{place}::text[]::{}[]", ty.name)
                    }
                }
            };
            arrays.push(place);
        }
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        format!("unnest({}) AS b({})", arrays.join(", "), names.join(", "))
    }

    fn json_table(&mut self, columns: &[(String, Type)], rows: &[Values]) -> String {
        let value = |v: &Value, ty: &Type| match (v, ty.class) {
            (Value::Null, _) => serde_json::Value::Null,
            (Value::Blob(bytes), _) => serde_json::Value::from(hex(bytes)),
            (v, Class::Instant | Class::Naive) => text_of(v).map(|t| date_time(&t)).into(),
            (v, _) => text_of(v).into(),
        };
        let listed: Vec<Vec<serde_json::Value>> = rows
            .iter()
            .map(|row| row.iter().zip(columns).map(|(v, (_, ty))| value(v, ty)).collect())
            .collect();
        let place = self.place(Arg::Text(serde_json::json!(listed).to_string()));
        let columns: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(i, (name, ty))| {
                let held = match ty.class {
                    Class::Integer | Class::Boolean => {
                        // What does not fit is no error there, and would become another number.
                        let beyond = |row: &Values| match row.get(i) {
                            Some(Value::Text(text)) => text.parse::<i64>().is_err(),
                            Some(
                                Value::Null
                                | Value::Integer(_)
                                | Value::Real(_)
                                | Value::Instant(_)
                                | Value::Blob(_),
                            )
                            | None => false,
                        };
                        if rows.iter().any(beyond) { "DECIMAL(20,0)" } else { "BIGINT" }
                    }
                    Class::Decimal => "DECIMAL(65,30)",
                    Class::Real => "DOUBLE",
                    _ => "LONGTEXT",
                };
                format!("{name} {held} PATH '$[{i}]'")
            })
            .collect();
        format!("JSON_TABLE({place}, '$[*]' COLUMNS ({})) AS b", columns.join(", "))
    }
}

/// A value as SQLite takes it: it has a type of its own.
pub(super) fn natural(value: &Value) -> Arg {
    match value {
        Value::Null => Arg::Null,
        Value::Integer(n) => Arg::Integer(*n),
        Value::Real(n) => Arg::Real(*n),
        Value::Text(text) => Arg::Text(text.clone()),
        Value::Instant(at) => Arg::Text(rfc3339(*at)),
        Value::Blob(bytes) => Arg::Bytes(bytes.clone()),
    }
}

/// A value of PostgreSQL's, and the type it is cast to; none: its own.
fn postgres(value: &Value, ty: &Type) -> (Arg, String) {
    let texts = |cast: &str| (text_of(value).map_or(Arg::Null, Arg::Text), cast.to_owned());
    match (ty.class, value) {
        (Class::Integer, Value::Integer(_))
        | (Class::Bytes, Value::Blob(_))
        | (Class::Any | Class::Rows, _) => (natural(value), String::new()),
        (Class::Integer, Value::Text(text)) => match text.parse() {
            Ok(n) => (Arg::Integer(n), String::new()),
            Err(_) => texts("numeric"),
        },
        (Class::Integer | Class::Decimal, _) => texts("numeric"),
        (Class::Boolean, _) => {
            let truth = text_of(value).map(|v| i64::from(v != "0" && v != "false"));
            (
                truth.map_or(Arg::Null, Arg::Integer),
                if truth.is_some() { "boolean" } else { "bool" }.to_owned(),
            )
        }
        (Class::Real, _) => texts("float8"),
        (Class::Bytes, _) => texts("bytea"),
        (Class::Text, _) if matches!(ty.name.as_str(), "" | "text") => texts(""),
        // With a type of their own: what is cast from text is cast for every row.
        (Class::Instant, Value::Instant(at)) => (Arg::Instant(*at), String::new()),
        (Class::Instant, Value::Text(text)) => {
            of_rfc3339(text).map_or_else(|| texts(&ty.name), |at| (Arg::Instant(at), String::new()))
        }
        (Class::Naive, Value::Text(text)) => {
            of_date_time(text).map_or_else(|| texts(&ty.name), |at| (Arg::Naive(at), String::new()))
        }
        (Class::Date, Value::Text(text)) => match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(date) => (Arg::Date(date), String::new()),
            Err(_) => texts(&ty.name),
        },
        (Class::Text | Class::Instant | Class::Naive | Class::Date | Class::Uuid | Class::Other, _) => {
            texts(&ty.name)
        }
    }
}

/// The same for MariaDB.
fn mariadb(value: &Value, ty: &Type) -> (Arg, String) {
    let own = String::new;
    match (ty.class, value) {
        (Class::Integer | Class::Boolean, Value::Text(text)) => match text.parse() {
            Ok(n) => (Arg::Unsigned(n), own()),
            Err(_) => (Arg::Text(text.clone()), "DECIMAL(65,30)".to_owned()),
        },
        (Class::Instant | Class::Naive, Value::Text(text)) => (Arg::Text(date_time(text)), own()),
        (Class::Instant | Class::Naive, Value::Instant(at)) => (Arg::Text(date_time(&rfc3339(*at))), own()),
        (Class::Decimal, Value::Text(text)) => (Arg::Text(text.clone()), "DECIMAL(65,30)".to_owned()),
        _ => (natural(value), own()),
    }
}

/// RFC 3339 in UTC, or without a zone, as MariaDB writes it.
fn date_time(text: &str) -> String {
    text.strip_suffix('Z').unwrap_or(text).replacen('T', " ", 1)
}

/// Any value but NULL as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Integer(n) => Some(n.to_string()),
        Value::Real(n) => Some(n.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Instant(at) => Some(rfc3339(*at)),
        Value::Blob(bytes) => Some(format!("\\x{}", hex(bytes))),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}
