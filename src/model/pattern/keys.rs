//! Patterns of keys: which keys of a key-value store are meant.
//!
//! `*` is any run of characters, as the store itself understands it; `{column}` is the value of that column of the record
//! the keys hang on, taken literally. Nothing else is special, and what a store would take for more is refused.

use std::fmt;

use super::super::name::ColumnName;

/// A pattern as a rule writes it, such as `session:{id}:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    text: String,
    columns: Vec<ColumnName>,
}

/// A pattern of keys that cannot be used as it is written.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum KeyPatternError {
    /// Nothing is written.
    #[error("the pattern is empty: expected keys, such as `session:{{id}}:*`")]
    Empty,
    /// It cannot be read in a report.
    #[error("the pattern holds a control character: expected printable text")]
    Control,
    /// The store would read more into it.
    #[error("the pattern holds `{0}`, which a key-value store reads as a wildcard: expected `*` alone")]
    Wildcard(char),
    /// A brace without its other half, or inside another pair.
    #[error("the pattern has a brace without its pair: expected `{{column}}`")]
    Brace,
    /// What stands between the braces cannot be a column.
    #[error(
        "`{{{observed}}}` in the pattern names no column: expected 1 to 128 bytes without control characters"
    )]
    Column {
        /// As written.
        observed: String,
    },
    /// `session:{id}*` would reach the keys of 12 for 1.
    #[error("`{{{column}}}` touches another column or `*`: expected a separator such as `:` between them")]
    Touching {
        /// The column.
        column: ColumnName,
    },
}

impl KeyPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, KeyPatternError> {
        if text.is_empty() {
            return Err(KeyPatternError::Empty);
        }
        if text.contains(char::is_control) {
            return Err(KeyPatternError::Control);
        }
        if let Some(wildcard) = text.chars().find(|c| matches!(c, '?' | '[' | ']' | '\\' | '^')) {
            return Err(KeyPatternError::Wildcard(wildcard));
        }
        let mut columns = Vec::new();
        let (mut before, mut rest) = (None, text);
        // Ends: each turn takes a pair of braces off the text.
        while let Some((literal, column)) = rest.split_once('{') {
            if literal.contains('}') {
                return Err(KeyPatternError::Brace);
            }
            let (name, behind) = column.split_once('}').ok_or(KeyPatternError::Brace)?;
            if name.contains('{') {
                return Err(KeyPatternError::Brace);
            }
            let column = ColumnName::new(name)
                .map_err(|_| KeyPatternError::Column { observed: name.escape_debug().to_string() })?;
            let touches =
                (before.is_some() && literal.is_empty()) || literal.ends_with('*') || behind.starts_with('*');
            if touches {
                return Err(KeyPatternError::Touching { column });
            }
            before = Some(());
            columns.push(column);
            rest = behind;
        }
        if rest.contains('}') {
            return Err(KeyPatternError::Brace);
        }
        Ok(Self { text: text.to_owned(), columns })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The columns, as they stand: one that stands twice comes twice.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnName> {
        self.columns.iter()
    }

    /// Whether a key may be meant by both, as far as that can be told from what stands before the first `*` or column.
    /// Never a wrong no.
    pub fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.head(), other.head());
        a.starts_with(b) || b.starts_with(a)
    }

    fn head(&self) -> &str {
        self.text.split(['*', '{']).next().unwrap_or_default()
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_between_separators() {
        let pattern = KeyPattern::parse("session:{id}:*").unwrap();
        assert_eq!(pattern.columns().map(ColumnName::as_str).collect::<Vec<_>>(), ["id"]);
        assert!(KeyPattern::parse("{a}:{b}").is_ok());
        for wrong in
            ["", "a\u{0}b", "a?b", "a[1]", "a}b", "a{b", "{a{b}}", "{}", "s:{id}*", "s:*{id}", "{a}{b}"]
        {
            assert!(KeyPattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn patterns_with_different_heads_never_meet() {
        let meets = |a: &str, b: &str| KeyPattern::parse(a).unwrap().meets(&KeyPattern::parse(b).unwrap());
        assert!(meets("session:*", "session:{id}:cart"));
        assert!(meets("*", "session:1"));
        assert!(!meets("session:*", "cart:*"));
    }
}
