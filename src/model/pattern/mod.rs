//! Patterns: which files of a tree are meant, relative to its root.
//!
//! Components are separated by `/`. In a component, `*` is any run of characters; `{column}` is the value of that
//! column of the record the files hang on, taken literally; a last component `**`, or a `/` at the end, is everything
//! beneath. Nothing else is special. A component holds at most one column, and no `*` beside it: `{id}*` would reach the
//! files of 12 for 1.

mod error;
mod glob;
mod keys;

pub use error::{PatternError, UnusableValue};
pub use glob::{Asked, Glob};
pub use keys::{KeyPattern, KeyPatternError};

use self::glob::{Component, held};
use super::key::NOT_UTF8;
use super::name::ColumnName;
use super::value::{Value, rfc3339};

/// What Linux allows for one name (`NAME_MAX`).
const LONGEST: usize = 255;

/// A pattern as a rule writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
    everything: bool,
}

/// One component as written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Star(Vec<String>),
    Column { before: String, column: ColumnName, behind: String },
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.starts_with('/') {
            return Err(PatternError::Absolute);
        }
        if text.contains(char::is_control) {
            return Err(PatternError::Control);
        }
        let named = text.strip_suffix("/**").or_else(|| text.strip_suffix('/')).unwrap_or(text);
        if named == "**" {
            if named != text {
                return Err(PatternError::DoubleStar { position: 1, observed: named.to_owned() });
            }
            return Ok(Self { text: text.to_owned(), parts: Vec::new(), everything: true });
        }
        let components = named.split('/').enumerate();
        let parts = components.map(|(at, component)| part(at + 1, component)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), parts, everything: named != text })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The columns, as they stand: one that stands twice comes twice.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column { column, .. } => Some(column),
            Part::Literal(_) | Part::Star(_) => None,
        })
    }

    /// The directories that come before the first component that is not a plain word, as a path; empty where there are none.
    pub fn leading(&self) -> String {
        let directories = self.parts.len() - usize::from(!self.everything);
        let words = self.parts[..directories].iter().map_while(|part| match part {
            Part::Literal(word) => Some(word.as_str()),
            Part::Star(_) | Part::Column { .. } => None,
        });
        words.collect::<Vec<_>>().join("/")
    }

    /// What it stands for by itself; none if it has columns.
    pub fn glob(&self) -> Option<Glob> {
        self.columns().next().is_none().then(|| self.open())
    }

    /// What it stands for with these values; none if one of them is NULL, which never matches.
    pub fn bind(&self, value: &dyn Fn(&ColumnName) -> Option<Value>) -> Result<Option<Glob>, UnusableValue> {
        let mut components = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let Part::Column { before, column, behind } = part else {
                components.push(part.component());
                continue;
            };
            let held = value(column).ok_or_else(|| UnusableValue::new(column, "nothing that was read"))?;
            let Some(name) = name(&held).map_err(|observed| UnusableValue::new(column, observed))? else {
                return Ok(None);
            };
            components.push(Component::Bound([before, name.as_str(), behind].concat().into_bytes()));
        }
        Ok(Some(Glob { components, everything: self.everything }))
    }

    /// What it may stand for, whatever its columns hold: each is a run of at least one character.
    pub fn open(&self) -> Glob {
        Glob { components: self.parts.iter().map(Part::component).collect(), everything: self.everything }
    }

    /// What the columns hold if this path is meant, in their order and each once; none if no values can mean it.
    pub fn captures(&self, path: &[u8]) -> Option<Vec<(ColumnName, Vec<u8>)>> {
        if !self.open().matches(path) {
            return None;
        }
        let mut captured: Vec<(ColumnName, Vec<u8>)> = Vec::new();
        for (part, name) in self.parts.iter().zip(path.split(|b| *b == b'/')) {
            let Part::Column { before, column, behind } = part else { continue };
            let value = held(before.as_bytes(), behind.as_bytes(), name)?;
            match captured.iter().find(|(known, _)| known == column) {
                // One record has one value: no record means a path that holds two.
                Some((_, known)) if known != value => return None,
                Some(_) => {}
                None => captured.push((column.clone(), value.to_vec())),
            }
        }
        Some(captured)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Part {
    /// With every column open.
    fn component(&self) -> Component {
        match self {
            Self::Literal(text) => Component::Literal(text.clone().into_bytes()),
            Self::Star(parts) => Component::Star(parts.iter().map(|p| p.clone().into_bytes()).collect()),
            Self::Column { before, behind, .. } => {
                Component::Open(before.clone().into_bytes(), behind.clone().into_bytes())
            }
        }
    }
}

/// Reads one component; `position` counts from 1.
fn part(position: usize, text: &str) -> Result<Part, PatternError> {
    let observed = || text.to_owned();
    if text.is_empty() {
        return Err(PatternError::EmptyComponent { position });
    }
    if matches!(text, "." | "..") {
        return Err(PatternError::Dots { position, observed: observed() });
    }
    if text.contains("**") {
        return Err(PatternError::DoubleStar { position, observed: observed() });
    }
    let part = match (text.matches('{').count(), text.contains('*')) {
        (0, _) if text.contains('}') => return Err(PatternError::Brace { observed: observed() }),
        (0, false) => Part::Literal(text.to_owned()),
        (0, true) => Part::Star(text.split('*').map(str::to_owned).collect()),
        (1, star) => column(text, star)?,
        (count, _) => return Err(PatternError::Columns { observed: observed(), count }),
    };
    let bytes = match &part {
        Part::Literal(text) => text.len(),
        Part::Star(parts) => parts.iter().map(String::len).sum(),
        Part::Column { before, behind, .. } => before.len() + behind.len(),
    };
    if bytes > LONGEST {
        return Err(PatternError::Long { position, observed: bytes });
    }
    Ok(part)
}

/// Reads a component that holds one `{`.
fn column(text: &str, star: bool) -> Result<Part, PatternError> {
    let brace = || PatternError::Brace { observed: text.to_owned() };
    let (before, rest) = text.split_once('{').ok_or_else(brace)?;
    let (name, behind) = rest.split_once('}').ok_or_else(brace)?;
    if before.contains('}') || behind.contains('}') {
        return Err(brace());
    }
    if star {
        return Err(PatternError::ColumnAndStar { observed: text.to_owned() });
    }
    let column = ColumnName::new(name).map_err(|_| PatternError::Column {
        observed: name.to_owned(),
        expected: "1 to 128 bytes without control characters",
    })?;
    Ok(Part::Column { before: before.to_owned(), column, behind: behind.to_owned() })
}

/// The file name that a value is; none for NULL. What else it is, where it cannot be one.
fn name(value: &Value) -> Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Integer(n) => Ok(Some(n.to_string())),
        Value::Real(_) | Value::Blob(_) => Err(value.kind()),
        Value::Text(text) if text.is_empty() => Err("empty text"),
        Value::Text(text) if matches!(text.as_str(), "." | "..") => Err("`.` or `..`"),
        Value::Text(text) if text.contains('/') => Err("text with a `/`"),
        Value::Text(text) if text.contains('\0') => Err("text with a NUL"),
        Value::Text(text) if text.contains(NOT_UTF8) => Err("text that is not UTF-8"),
        Value::Text(text) if text.len() > LONGEST => Err("more than 255 bytes"),
        Value::Text(text) => Ok(Some(text.clone())),
        Value::Instant(at) => Ok(Some(rfc3339(*at))),
    }
}
