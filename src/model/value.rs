//! One value of a record, as the datastore holds it.

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
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// What kind of value this is, for messages that must not show the value itself.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a floating-point number",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A value may be personal data; a derived Debug would carry it into logs and panics.
        write!(f, "<{}>", self.kind())
    }
}
