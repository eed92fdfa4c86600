//! What people have ordered about records: it stands above every rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::key::Key;
use super::value::Value;

/// A data subject's id within one service, as the canonical text of a key of one value. `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectId(Key);

impl SubjectId {
    /// As a person types it, `hex:…` for bytes; none: no text, or one that no record can hold.
    pub fn typed(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("hex:").unwrap_or_default();
        // Bytes have one text, in lower case. The same in upper case may be meant for them, or be a text: nobody can tell.
        let ambiguous =
            hex.bytes().all(|b| b.is_ascii_hexdigit()) && hex.bytes().any(|b| b.is_ascii_uppercase());
        if text.is_empty() || ambiguous { None } else { Self::stored(&Value::Text(text.to_owned())) }
    }

    /// As a record holds it; none: NULL, or a value without a canonical text.
    pub fn stored(value: &Value) -> Option<Self> {
        Key::from_values(std::slice::from_ref(value)).ok().map(Self)
    }

    /// From its canonical text; none: it is none.
    pub fn canonical(text: &str) -> Option<Self> {
        let values: Vec<String> = serde_json::from_str(text).ok()?;
        let [value] = <[String; 1]>::try_from(values).ok()?;
        Self::stored(&Value::Text(value)).filter(|subject| subject.as_str() == text)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The key of a record that is identified by its data subject alone.
    pub fn key(&self) -> &Key {
        &self.0
    }

    /// The value as text: what SQL compares a column with.
    pub fn text(&self) -> String {
        let values: Vec<String> = serde_json::from_str(self.0.as_str()).unwrap_or_default();
        values.into_iter().next().unwrap_or_default()
    }
}

/// Whose a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Nobody looked: no order asked for it.
    NotRead,
    /// Nobody's that an order could name: its rule knows no data subjects, or the column holds NULL.
    Nobody,
    /// This person's.
    Subject(SubjectId),
    /// Somebody's: the value has no canonical text.
    Unreadable,
}

impl Whose {
    /// From the value of the rule's `subject` column.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nobody,
            Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Instant(_) | Value::Blob(_) => {
                SubjectId::stored(value).map_or(Self::Unreadable, Self::Subject)
            }
        }
    }
}

/// The place in the ledger of the newest order, whatever it is about. It grows with every order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// The orders in force for the records of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Up to which order they are known.
    pub generation: Generation,
    /// Whether a hold covers every record of the rule.
    pub all_held: bool,
    /// Whose records are held.
    pub held: BTreeSet<SubjectId>,
    /// Who demands erasure, and when the demand was received; of rules that dispose of records on demand.
    pub asked: BTreeMap<SubjectId, DateTime<Utc>>,
}

impl Orders {
    /// A hold on every record of the rule.
    pub fn hold_on_all() -> Self {
        Self { all_held: true, ..Self::default() }
    }

    /// One person's demand.
    pub fn demand(subject: SubjectId, received: DateTime<Utc>) -> Self {
        Self { asked: BTreeMap::from([(subject, received)]), ..Self::default() }
    }

    /// Whether it has to be read whose a record is.
    pub fn name_people(&self) -> bool {
        !self.held.is_empty() || !self.asked.is_empty()
    }

    /// The same without the demands: what the rule's own trigger decides.
    pub fn without_requests(&self) -> Self {
        Self { asked: BTreeMap::new(), ..self.clone() }
    }

    /// Whether a hold covers a record. One that may be anybody's is held with everybody's.
    pub fn hold(&self, whose: &Whose) -> bool {
        let one = match whose {
            Whose::NotRead | Whose::Unreadable => !self.held.is_empty(),
            Whose::Nobody => false,
            Whose::Subject(subject) => self.held.contains(subject),
        };
        self.all_held || one
    }

    /// When the erasure of a record was demanded.
    pub fn demanded(&self, whose: &Whose) -> Option<DateTime<Utc>> {
        match whose {
            Whose::Subject(subject) => self.asked.get(subject).copied(),
            Whose::NotRead | Whose::Nobody | Whose::Unreadable => None,
        }
    }
}

/// Why nothing is disposed of at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// `expunged pause`, with the entry that says so.
    Paused(u64),
    /// Somebody made the stop file, or it cannot be told whether it is there.
    StopFile(PathBuf),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(entry) => write!(f, "disposal is paused (entry {entry}): `expunged resume`"),
            Self::StopFile(path) => {
                write!(f, "the stop file `{}` is there, or cannot be looked for: remove it", path.display())
            }
        }
    }
}
