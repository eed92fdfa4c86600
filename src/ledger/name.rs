//! Names as they stand in entries: text that is known to be safe in a line, a file name and a page.

use super::error::NameError;

/// A newtype over text of a closed syntax.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Takes ", $expected, ".")]
            pub fn parse(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { what: $what, observed: text, expected: $expected })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The identity of a ledger: the first line of its checkpoints and the name of its key, by custom a URL
    /// without its scheme (C2SP tlog-checkpoint). Narrower than the specification, which allows non-ASCII text.
    Origin, "origin", "1 to 128 printable ASCII characters, neither a space nor `+`",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'+')
}
name! {
    /// Which daemon wrote an entry.
    NodeName, "node name", "1 to 64 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 64, b"._-")
}
name! {
    /// Which program wrote an entry, `expunged 0.1.0`.
    Software, "software", "a name and a version of 1 to 64 of `A-Z a-z 0-9 . _ + -`, one space between",
    |text| text.split_once(' ').is_some_and(|(name, version)| {
        is_token(name, 64, b"._-") && is_token(version, 64, b"._+-")
    })
}
name! {
    /// A rule: its service and its id, `motorsport/account`.
    RuleId, "rule", "SERVICE/RULE, each 1 to 64 of `A-Z a-z 0-9 . _ -`",
    |text| text.split_once('/').is_some_and(|(service, rule)| {
        is_token(service, 64, b"._-") && is_token(rule, 64, b"._-")
    })
}
name! {
    /// One run of one rule.
    SweepId, "sweep", "1 to 64 of `A-Z a-z 0-9 -`", |text| is_token(text, 64, b"-")
}
name! {
    /// The records disposed of under one intent, `20261123T141500Z-000001-3f9a`; unique in its ledger.
    BatchId, "batch", "1 to 64 of `A-Z a-z 0-9 -`", |text| is_token(text, 64, b"-")
}
name! {
    /// The period of one commitment key, `2026-11`; also names the key's file.
    EpochId, "epoch", "1 to 32 of `A-Z a-z 0-9 -`", |text| is_token(text, 32, b"-")
}
name! {
    /// A connection of the main configuration.
    DatastoreName, "datastore", "1 to 64 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 64, b"._-")
}
name! {
    /// A table, directory, prefix or key pattern, as the rule names it.
    DatasetName, "dataset", "1 to 512 bytes of text without control characters", is_plain_text
}
name! {
    /// A field or column of a record.
    FieldName, "field", "1 to 512 bytes of text without control characters", is_plain_text
}
name! {
    /// What an operator acts as; never a person's name.
    RoleName, "role", "1 to 64 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 64, b"._-")
}
name! {
    /// A promise within its service.
    PromiseName, "promise", "1 to 64 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 64, b"._-")
}
name! {
    /// Why records are still there.
    ReasonText, "reason", "1 to 512 bytes of text without control characters", is_plain_text
}
name! {
    /// A service: the first half of its rules' ids.
    ServiceName, "service", "1 to 64 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 64, b"._-")
}
name! {
    /// A legal hold.
    HoldId, "hold", "1 to 64 of `A-Z a-z 0-9 -`", |text| is_token(text, 64, b"-")
}
name! {
    /// An erasure request.
    RequestId, "request", "1 to 64 of `A-Z a-z 0-9 -`", |text| is_token(text, 64, b"-")
}
name! {
    /// Under which a matter is filed elsewhere; never a person's name.
    CaseReference, "reference", "1 to 64 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 64, b"._-")
}
name! {
    /// The version of the time-zone database a rule was computed with, `2026a`.
    TzdbVersion, "time-zone database", "1 to 32 of `A-Z a-z 0-9 . _ -`", |text| is_token(text, 32, b"._-")
}

impl RuleId {
    /// The service's half.
    pub fn service(&self) -> &str {
        self.0.split_once('/').map_or("", |(service, _)| service)
    }
}

fn is_token(text: &str, longest: usize, punctuation: &[u8]) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || punctuation.contains(&b);
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

/// Without NUL, a dataset's name can be told from what follows it in a MAC's input.
fn is_plain_text(text: &str) -> bool {
    (1..=512).contains(&text.len()) && !text.chars().any(char::is_control)
}
