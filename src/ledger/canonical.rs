//! The one way JSON is written in the ledger: RFC 8785 (JCS) without floats, with ASCII keys and with integers
//! of less than 2^53 in magnitude, so that every JSON parser reads the same numbers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bytes::{bytes_newtype, debug_as_text};
use super::error::CanonicalError;
use super::hash::sha256;

/// The first integer that a double no longer tells from its neighbour.
const TOO_LARGE: u64 = 1 << 53;

bytes_newtype! {
    /// The SHA-256 of a rule's canonical JSON.
    RuleDigest, 32
}
debug_as_text!(RuleDigest);

/// A rule as canonical JSON with its defaults filled in: what its digest covers and `rule.version` embeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct RuleDocument(Value);

impl RuleDocument {
    /// Takes the canonical text only; any other spelling of the same object would have another digest.
    pub fn parse(text: &str) -> Result<Self, CanonicalError> {
        Self::try_from(parse(text.as_bytes())?)
    }

    /// The canonical text.
    pub fn to_text(&self) -> String {
        write(&self.0)
    }

    /// One of its own fields; none where it has no such field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The SHA-256 of the canonical text.
    pub fn digest(&self) -> RuleDigest {
        RuleDigest::from_bytes(*sha256(&[self.to_text().as_bytes()]).as_bytes())
    }
}

impl TryFrom<Value> for RuleDocument {
    type Error = CanonicalError;

    fn try_from(value: Value) -> Result<Self, CanonicalError> {
        check(&value)?;
        if value.is_object() { Ok(Self(value)) } else { Err(CanonicalError::NotAnObject) }
    }
}

/// Reads JSON that is already canonical, and nothing else: duplicate keys, spaces, other escapes, floats and
/// trailing bytes are refused.
pub fn parse(text: &[u8]) -> Result<Value, CanonicalError> {
    let value: Value = serde_json::from_slice(text).map_err(|source| CanonicalError::NotJson { source })?;
    check(&value)?;
    if write(&value).as_bytes() == text { Ok(value) } else { Err(CanonicalError::NotCanonical) }
}

/// Writes canonical JSON: keys sorted, no spaces, the shortest escapes. What has no canonical form is written
/// all the same, and [`parse`] will refuse it.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    append(&mut text, value);
    text
}

fn append(text: &mut String, value: &Value) {
    match value {
        // serde_json escapes as RFC 8785 demands: the two-character escapes, else \u00xx in lower case.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                text.push(if n == 0 { '[' } else { ',' });
                append(text, item);
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(members) => {
            // Sorted here and not left to the map: a feature of serde_json, set by any crate, unsorts it.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.as_str());
            for (n, (key, member)) in members.iter().enumerate() {
                text.push(if n == 0 { '{' } else { ',' });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                append(text, member);
            }
            text.push_str(if members.is_empty() { "{}" } else { "}" });
        }
    }
}

/// Refuses what has no canonical form: floats, integers of 2^53 and more in magnitude, keys that are not ASCII.
fn check(value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|magnitude| magnitude < TOO_LARGE) {
                Ok(())
            } else {
                Err(CanonicalError::Number { observed: number.to_string() })
            }
        }
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(members) => members.iter().try_for_each(|(key, member)| {
            if key.is_ascii() { check(member) } else { Err(CanonicalError::Key { observed: key.clone() }) }
        }),
    }
}
