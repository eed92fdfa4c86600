//! Instants in entries: RFC 3339 in UTC with exactly six decimals, `2026-11-23T14:15:00.000000Z`.

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _, Utc};
use serde::{Deserialize as _, Deserializer, Serializer};

use super::error::EntryError;

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// Below the microsecond everything is cut off, never rounded up: an instant must not move into the future.
pub(super) fn to_text(instant: &DateTime<Utc>) -> String {
    instant.format(FORMAT).to_string()
}

/// Refuses every spelling but the one of [`to_text`], years outside 0001 to 9999, and leap seconds, which no
/// clock that we read produces and few parsers agree on.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, EntryError> {
    let refused = || EntryError::Instant { observed: text.to_owned() };
    let instant = NaiveDateTime::parse_from_str(text, FORMAT).map_err(|_| refused())?.and_utc();
    let leap_second = instant.nanosecond() >= 1_000_000_000;
    // 27 characters: a year of five digits has 28 or more.
    if leap_second || instant.year() < 1 || text.len() != 27 || to_text(&instant) != text {
        return Err(refused());
    }
    Ok(instant)
}

/// For a field that may be missing; never `null`, which has no place in an entry where this is used.
pub(super) mod optional {
    use chrono::{DateTime, Utc};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(in super::super) fn serialize<S: Serializer>(
        instant: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match instant {
            Some(instant) => super::serialize(instant, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

pub(super) fn serialize<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(instant))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
