//! A table being read.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::super::nearest::did_you_mean;
use super::super::{Code, Place, Source, quoted};
use super::{Entry, File, Places, last_key, span_of};

/// A table being read. Ask for every key it may have, then [`finish`](Self::finish).
pub struct Cursor<'a> {
    file: &'a File,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: String,
    asked: Vec<&'a str>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a File, table: &'a DeTable<'a>, span: Range<usize>, path: String) -> Self {
        Self { file, table, span, path, asked: Vec::new() }
    }

    /// The file's path.
    pub fn source(&self) -> &'a Source {
        &self.file.source
    }

    /// Where the table's header, or its braces, stand.
    pub fn place(&self) -> Place {
        Place::new(Arc::clone(&self.file.source), self.span.clone())
    }

    /// Whether the key is written, without asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key that may be absent.
    pub fn optional(&mut self, key: &'static str) -> Option<Entry<'a>> {
        debug_assert!(
            !self.file.followed(&self.path) || self.file.shape.has(&self.path, key),
            "`{}` has no `{key}` in its shape",
            self.path
        );
        self.ask(key)
    }

    fn ask(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.asked.push(key);
        self.table.get_key_value(key).map(|(name, value)| self.entry(name, value))
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<Entry<'a>> {
        let entry = self.optional(key);
        if entry.is_none() {
            let help = format!("add `{key} = …`");
            self.refuse(Code::MissingKey, format!("{} has no `{key}`, which is required", self.name()), help);
        }
        entry
    }

    /// The tables of `[[key]]`; none where it is absent.
    pub fn tables(&mut self, key: &'static str) -> Vec<Cursor<'a>> {
        let entries = self.optional(key).and_then(|e| e.list()).unwrap_or_default();
        entries.iter().filter_map(Entry::table).collect()
    }

    /// Every key, for tables whose keys are names; nothing is unknown then.
    pub fn entries(&mut self) -> Vec<(&'a str, Entry<'a>)> {
        self.table
            .iter()
            .map(|(name, value)| {
                self.asked.push(name.get_ref().as_ref());
                (name.get_ref().as_ref(), self.entry(name, value))
            })
            .collect()
    }

    /// Refuses keys that the design knows and this version does not.
    pub fn later(&mut self, keys: &[&'static str]) {
        for key in keys {
            if let Some(entry) = self.ask(key) {
                entry.refuse(
                    Code::NotSupported,
                    format!("`{key}` is not supported yet"),
                    "remove it: this version governs rows of SQL tables and files, and never ignores what it cannot do",
                );
            }
        }
    }

    /// A problem of the table as a whole.
    pub fn refuse(&self, code: Code, message: impl Into<String>, help: impl Into<String>) {
        self.file.report(self.span.clone(), code, message, help);
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for (name, _) in self.table {
            let key = name.get_ref().as_ref();
            if !self.asked.contains(&key) {
                let message = format!("{} has no key {}", self.name(), quoted(key));
                self.file.report(name.span(), Code::UnknownKey, message, self.suggestion(key));
            }
        }
    }

    /// Where its keys stood.
    pub fn places(&self) -> Places {
        self.places_without(&[])
    }

    /// The same without those below some keys, for tables that are large because of them.
    pub fn places_without(&self, others: &[&str]) -> Places {
        Places::of_table(Arc::clone(&self.file.source), self.table, &self.span, others)
    }

    fn entry(&self, name: &Spanned<DeString<'a>>, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
        let key = name.get_ref();
        let path = if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) };
        if key.contains('.') {
            self.file.dotted.borrow_mut().push(path.clone());
        }
        Entry::new(self.file, value.get_ref(), span_of(name, value), path)
    }

    fn name(&self) -> String {
        match last_key(&self.path) {
            Some(key) => quoted(key),
            None => "the file".to_owned(),
        }
    }

    fn suggestion(&self, key: &str) -> String {
        let mut known = self.asked.clone();
        known.sort_unstable();
        known.dedup();
        did_you_mean(key, &known, format!("the keys here are {}", known.join(", ")))
    }
}
