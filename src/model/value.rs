//! One value of a record, as the datastore holds it.

use smallvec::SmallVec;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _, Utc};

/// A value as it came from, or goes to, a column. Never printed: it may be personal data.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A 64-bit integer; booleans are 0 and 1.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text, as stored, without normalisation.
    Text(String),
    /// An instant, to the microsecond: what a column holds whose type is one.
    Instant(DateTime<Utc>),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The values of a row's columns. Most rows that are read have few, and a batch of them is one allocation.
pub type Values = SmallVec<[Value; 3]>;

impl Value {
    /// What kind of value this is, for messages that must not show the value itself.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a floating-point number",
            Self::Text(_) => "text",
            Self::Instant(_) => "an instant",
            Self::Blob(_) => "bytes",
        }
    }

    /// A whole number as a column may hold it: of one beyond what a signed one holds, the digits stand for it. None: it is none.
    pub fn whole(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(n) => Some(Self::Integer(n)),
            Err(_) => text.parse::<u64>().ok().map(|n| Self::Text(n.to_string())),
        }
    }

    /// Whether such a number is written like this, and not as `007`.
    pub fn is_written(&self, text: &str) -> bool {
        match self {
            Self::Integer(n) => n.to_string() == text,
            Self::Text(digits) => digits == text,
            Self::Null | Self::Real(_) | Self::Instant(_) | Self::Blob(_) => false,
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A value may be personal data; a derived Debug would carry it into logs and panics.
        write!(f, "<{}>", self.kind())
    }
}

/// An instant as every engine's is written here: RFC 3339 in UTC, with microseconds.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    let mut text = date_time(at.naive_utc());
    text.push('Z');
    text
}

/// The reverse of [`rfc3339`], with whatever offset; none: it is no such text.
pub fn of_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// The reverse of [`date_time`]; none: it is no such text.
pub fn of_date_time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

/// The same of a time without a zone. By its digits: a format that is read for every row costs more than all else that is done to the
/// row.
pub fn date_time(at: NaiveDateTime) -> String {
    let Some(year) = u32::try_from(at.year()).ok().filter(|year| *year <= 9999) else {
        return at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    };
    let mut text = String::with_capacity(27);
    let mut digits = |mut n: u32, width: u32, before: &str| {
        text.push_str(before);
        for place in (0..width).rev() {
            let power = 10u32.pow(place);
            text.push(char::from(b'0' + u8::try_from(n / power).unwrap_or(9)));
            n %= power;
        }
    };
    digits(year, 4, "");
    digits(at.month(), 2, "-");
    digits(at.day(), 2, "-");
    digits(at.hour(), 2, "T");
    digits(at.minute(), 2, ":");
    digits(at.second(), 2, ":");
    digits(at.nanosecond() / 1000, 6, ".");
    text
}
