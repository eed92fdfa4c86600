//! A value being read.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::super::shape::Type;
use super::super::{Code, Place};
use super::{Cursor, File, last_key};

/// A key's value, not yet of any type.
#[derive(Clone)]
pub struct Entry<'a> {
    file: &'a File,
    value: &'a DeValue<'a>,
    span: Range<usize>,
    path: String,
}

impl<'a> Entry<'a> {
    pub(super) fn new(file: &'a File, value: &'a DeValue<'a>, span: Range<usize>, path: String) -> Self {
        Self { file, value, span, path }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&'a str> {
        self.shaped(|t| matches!(t, Type::Text(_) | Type::Word(_) | Type::Instant));
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    /// The text of a string that says something.
    pub fn sentence(&self) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.refuse(Code::BadValue, format!("`{}` is empty", self.key()), "say it in a few words");
            return None;
        }
        Some(text.to_owned())
    }

    /// A string that means a value of another type; its error's own words are the message.
    pub fn parsed<T, E: std::error::Error>(
        &self,
        code: Code,
        help: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.text()?) {
            Ok(value) => Some(value),
            Err(e) => {
                self.refuse(code, format!("`{}`: {e}", self.key()), help);
                None
            }
        }
    }

    /// An integer.
    pub fn integer(&self) -> Option<i64> {
        self.shaped(|t| matches!(t, Type::Integer(_)));
        match self.value {
            DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => Some(n),
                Err(_) => self.wrong_type("an integer of 64 bits"),
            },
            _ => self.wrong_type("an integer"),
        }
    }

    /// A number with or without a fraction.
    pub fn number(&self) -> Option<f64> {
        self.shaped(|t| matches!(t, Type::Number));
        let text = match self.value {
            DeValue::Integer(n) if n.radix() == 10 => n.as_str(),
            DeValue::Float(n) => n.as_str(),
            _ => return self.wrong_type("a number"),
        };
        text.parse().ok().or_else(|| self.wrong_type("a number of 64 bits"))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        self.shaped(|t| matches!(t, Type::Boolean | Type::True));
        match self.value {
            DeValue::Boolean(b) => Some(*b),
            _ => self.wrong_type("true or false"),
        }
    }

    /// The elements of an array.
    pub fn list(&self) -> Option<Vec<Entry<'a>>> {
        self.shaped(|t| matches!(t, Type::List(_) | Type::Any(_)));
        match self.value {
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| {
                        Entry::new(self.file, item.get_ref(), item.span(), format!("{}.{i}", self.path))
                    })
                    .collect(),
            ),
            _ => self.wrong_type("an array"),
        }
    }

    /// The keys of a table.
    pub fn table(&self) -> Option<Cursor<'a>> {
        self.shaped(|t| matches!(t, Type::Table(_)));
        match self.value {
            DeValue::Table(table) => {
                Some(Cursor::new(self.file, table, self.span.clone(), self.path.clone()))
            }
            _ => self.wrong_type("a table"),
        }
    }

    /// Whether it is an array or a table without elements.
    pub fn is_empty(&self) -> bool {
        match self.value {
            DeValue::Array(items) => items.is_empty(),
            DeValue::Table(table) => table.is_empty(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => false,
        }
    }

    /// Whoever takes what the shape does not have would have editors refuse what the program accepts.
    fn shaped(&self, test: impl Fn(&Type) -> bool) {
        debug_assert!(
            !self.file.followed(&self.path) || self.file.shape.allows(&self.path, test),
            "`{}` is of another type in its shape",
            self.path
        );
    }

    /// The value without a type, for what accepts several.
    pub fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// A problem of this value.
    pub fn refuse(&self, code: Code, message: impl Into<String>, help: impl Into<String>) {
        self.file.report(self.span.clone(), code, message, help);
    }

    /// A value of another type than `expected`.
    pub fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let message = format!("`{}` is {}, expected {expected}", self.key(), type_name(self.value));
        self.refuse(Code::WrongType, message, format!("write {expected}"));
        None
    }

    /// The last key of its path.
    pub fn key(&self) -> &str {
        last_key(&self.path).unwrap_or_default()
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place::new(Arc::clone(&self.file.source), self.span.clone())
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
