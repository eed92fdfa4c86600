//! The canonical text of a record's key: the same on every engine, so that a proof made today can be found again.

use super::value::{Value, rfc3339};

/// What identifies one record of a dataset, as canonical text: a JSON array of strings with minimal escaping.
///
/// Integers are decimal, bytes `hex:…` in lower case, text stands as stored. Never printed by `Debug`: a key may be
/// personal data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A key that cannot identify a record.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// NULL equals nothing, not even itself.
    #[error("a key column holds NULL, which identifies no record")]
    Null,
    /// Two different numbers may share one printed form.
    #[error("a key column holds a floating-point number, which has no canonical text")]
    Real,
    /// It could not be told from another.
    #[error("a key column holds text that is not UTF-8, which has no canonical text")]
    NotUtf8,
}

/// Stands for bytes that are not UTF-8 in text that has to be read all the same. Unicode keeps it out of every text.
pub const NOT_UTF8: char = '\u{ffff}';

impl Key {
    /// The canonical text of the key columns' values, in the order the rule names them.
    pub fn from_values(values: &[Value]) -> Result<Self, KeyError> {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(24 * values.len() + 2);
        text.push('[');
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            match value {
                Value::Null => return Err(KeyError::Null),
                Value::Real(_) => return Err(KeyError::Real),
                Value::Integer(n) => {
                    let _ = write!(text, "\"{n}\"");
                }
                Value::Text(s) if s.contains(NOT_UTF8) => return Err(KeyError::NotUtf8),
                Value::Text(s) => push_json_string(&mut text, s),
                Value::Instant(at) => push_json_string(&mut text, &rfc3339(*at)),
                Value::Blob(bytes) => {
                    text.push_str("\"hex:");
                    for byte in bytes {
                        for nibble in [byte >> 4, byte & 15] {
                            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
                        }
                    }
                    text.push('"');
                }
            }
        }
        text.push(']');
        Ok(Self(text))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<key>")
    }
}

/// Minimal escaping (RFC 8785 §3.2.2.2): the quote, the backslash and the control characters, nothing else.
fn push_json_string(out: &mut String, s: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_text_is_a_json_array_of_strings() {
        let key = Key::from_values(&[
            Value::Integer(-7),
            Value::Text("a\"\\\n\u{1}é".into()),
            Value::Blob(vec![0, 0xab]),
        ]);
        let text = key.map(|k| k.as_str().to_owned()).unwrap_or_default();
        assert_eq!(text, "[\"-7\",\"a\\\"\\\\\\n\\u0001é\",\"hex:00ab\"]");
        let parsed: Vec<String> = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(parsed[1], "a\"\\\n\u{1}é");
    }

    #[test]
    fn null_and_real_identify_nothing() {
        assert_eq!(Key::from_values(&[Value::Null]), Err(KeyError::Null));
        assert_eq!(Key::from_values(&[Value::Real(1.0)]), Err(KeyError::Real));
    }
}
