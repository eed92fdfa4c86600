//! Names: one type for each thing that is named, so that a table cannot stand where a rule is meant.

use std::fmt;

/// A name that does not have the form its kind requires.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a valid {what}: expected {expected}")]
pub struct NameError {
    what: &'static str,
    text: String,
    expected: &'static str,
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text, lower-case letters, digits, `-` and `_`, starting with a letter or digit, at most 64 bytes.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let valid = text.len() <= 64
                    && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                    && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
                if valid {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError {
                        what: $what,
                        text: text.to_owned(),
                        expected: "lower-case letters, digits, `-` and `_`, at most 64 of them",
                    })
                }
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug!(
    /// A service: the stem of its file in `rules/`.
    ServiceId, "service id"
);
slug!(
    /// A rule's or a dependent's name within its service or rule.
    LocalId, "id"
);
slug!(
    /// A promise within its service.
    PromiseId, "promise id"
);
slug!(
    /// A class of records, as promises and rules name it.
    ClassName, "class"
);
slug!(
    /// A `[datastore.*]` of the main configuration.
    DatastoreName, "datastore name"
);

/// A rule, everywhere outside its own file: `service/rule`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The service the rule belongs to.
    pub service: ServiceId,
    /// Its name there.
    pub local: LocalId,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.local)
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Any text that can stand in the ledger: not empty, no control character, at most 128 bytes. It is quoted
            /// where SQL is built.
            pub fn new(text: &str) -> Result<Self, NameError> {
                if text.is_empty() || text.len() > 128 || text.contains(char::is_control) {
                    let text = text.escape_debug().to_string();
                    return Err(NameError { what: $what, text, expected: "1 to 128 bytes without control characters" });
                }
                Ok(Self(text.to_owned()))
            }

            /// The identifier as the catalogue spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// A table, as the datastore's catalogue spells it.
    TableName, "table name"
);
identifier!(
    /// A column, as the datastore's catalogue spells it.
    ColumnName, "column name"
);
