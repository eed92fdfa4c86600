//! What a file may hold, declared once: the reader is held to it, and editors get it as JSON Schema.
//!
//! A [`Shape`] says which keys a table has and what may stand there. It does not say what keys mean together: that is the
//! reader's. In builds with debug assertions the reader fails when it asks for a key, or takes a type of value, that its
//! shape does not have; `tests/it/schema.rs` holds the reverse, that whatever a shape has is read and whatever it has not
//! is refused.

mod json;

/// The keys of a table.
#[derive(Debug)]
pub struct Shape {
    /// What the table is for, in a sentence.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Of each of these, one group of keys has to be there.
    pub choices: &'static [&'static [&'static [&'static str]]],
    /// What stands under every other key, where the keys are names; none: there is no other key.
    pub names: Option<&'static Type>,
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Whether it has to be there.
    pub need: Need,
    /// What may stand there.
    pub value: Type,
    /// What it is for, in a few words.
    pub about: &'static str,
}

/// Whether a key has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Always.
    Required,
    /// Not by itself; other keys may ask for it.
    Optional,
}

/// What may stand as a value.
#[derive(Debug)]
pub enum Type {
    /// A string.
    Text(Text),
    /// One of these strings.
    Word(&'static [&'static str]),
    /// An integer, of at least so much.
    Integer(i64),
    /// A number with or without a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `true`.
    True,
    /// A date and time, with or without quotes.
    Instant,
    /// An array of at least one.
    List(&'static Type),
    /// An array that may be empty.
    Any(&'static Type),
    /// A table; in an array of tables, one of them.
    Table(&'static Shape),
    /// One of several.
    OneOf(&'static [Type]),
}

/// A kind of string.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// What a string of this kind is called.
    pub what: &'static str,
    /// What it has to look like, as an ECMA regular expression; none: it only must not be empty.
    pub pattern: Option<&'static str>,
    /// One that is right.
    pub example: &'static str,
}

/// A schedule, which rules and the configuration write alike.
pub const SCHEDULE: Text = Text {
    what: "cron with seconds, in UTC",
    pattern: Some("^\\s*\\S+(\\s+\\S+){5,6}\\s*$"),
    example: "0 */15 * * * *",
};

/// A time zone, which rules and the configuration name alike.
pub const ZONE: Text = Text {
    what: "an IANA time zone",
    pattern: Some("^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"),
    example: "Europe/Berlin",
};

impl Shape {
    /// A table whose keys are all known.
    pub const fn of(about: &'static str, keys: &'static [Key]) -> Self {
        Self { about, keys, choices: &[], names: None }
    }

    /// A table whose keys are names.
    pub const fn by_name(about: &'static str, value: &'static Type) -> Self {
        Self { about, keys: &[], choices: &[], names: Some(value) }
    }

    /// The same, where one group of keys of each choice has to be there.
    pub const fn choosing(self, choices: &'static [&'static [&'static [&'static str]]]) -> Self {
        Self { choices, ..self }
    }

    /// Whether a table at this dotted path may have this key. What cannot be followed, since a name holds a dot, may.
    pub fn has(&'static self, path: &str, key: &str) -> bool {
        if path.is_empty() {
            return self.value(key).is_some();
        }
        let tables: Vec<&Shape> = self.at(path).into_iter().filter_map(Type::table).collect();
        tables.is_empty() || tables.iter().any(|shape| shape.value(key).is_some())
    }

    /// Whether a value at this dotted path may be of a kind that the test recognises.
    pub fn allows(&'static self, path: &str, test: impl Fn(&Type) -> bool) -> bool {
        let types = self.at(path);
        types.is_empty() || types.into_iter().any(test)
    }

    fn value(&'static self, key: &str) -> Option<&'static Type> {
        self.keys.iter().find(|k| k.name == key).map(|k| &k.value).or(self.names)
    }

    /// What may stand at a path; empty: it cannot be followed.
    fn at(&'static self, path: &str) -> Vec<&'static Type> {
        let mut segments = path.split('.');
        // An empty name is a name too, and no key of ours.
        let Some(first) = segments.next().filter(|_| !path.split('.').any(str::is_empty)) else {
            return Vec::new();
        };
        let mut here: Vec<&'static Type> = self.value(first).into_iter().flat_map(Type::each).collect();
        for segment in segments {
            here = here.into_iter().filter_map(|at| at.inside(segment)).flat_map(Type::each).collect();
        }
        here
    }
}

impl Type {
    /// The alternatives.
    pub fn each(&'static self) -> Vec<&'static Self> {
        match self {
            Self::OneOf(types) => types.iter().flat_map(Self::each).collect(),
            one => vec![one],
        }
    }

    /// The table that it is.
    pub fn table(&'static self) -> Option<&'static Shape> {
        match self {
            Self::Table(shape) => Some(shape),
            Self::Text(_)
            | Self::Word(_)
            | Self::Integer(_)
            | Self::Number
            | Self::Boolean
            | Self::True
            | Self::Instant
            | Self::List(_)
            | Self::Any(_)
            | Self::OneOf(_) => None,
        }
    }

    fn inside(&'static self, segment: &str) -> Option<&'static Self> {
        match self {
            Self::List(of) | Self::Any(of) => segment.bytes().all(|b| b.is_ascii_digit()).then_some(of),
            Self::Table(shape) => shape.value(segment),
            Self::Text(_)
            | Self::Word(_)
            | Self::Integer(_)
            | Self::Number
            | Self::Boolean
            | Self::True
            | Self::Instant
            | Self::OneOf(_) => None,
        }
    }
}

impl Key {
    /// A key that always has to be there.
    pub const fn required(name: &'static str, value: Type, about: &'static str) -> Self {
        Self { name, need: Need::Required, value, about }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, value: Type, about: &'static str) -> Self {
        Self { name, need: Need::Optional, value, about }
    }
}
