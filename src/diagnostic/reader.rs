//! TOML read key by key: every problem is collected with its place, and what nobody asked for is an error.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::{Code, Diagnostic, Diagnostics, Place, Source, quoted};

/// One file under the eyes of a reader: its text, the problems found so far, and where each key stood.
pub struct File {
    source: Arc<Source>,
    found: RefCell<Vec<Diagnostic>>,
    spans: RefCell<BTreeMap<String, Range<usize>>>,
}

/// Where the keys of one table stood, by dotted path, for what is found out later.
#[derive(Clone)]
pub struct Places {
    source: Arc<Source>,
    spans: BTreeMap<String, Range<usize>>,
}

impl Places {
    /// Whether the key was written.
    pub fn has(&self, path: &str) -> bool {
        self.spans.contains_key(path)
    }

    /// The place of a key such as `trigger.column`; where that was not written, of what encloses it.
    pub fn of(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return Place::new(Arc::clone(&self.source), span.clone());
            }
            // Ends: the path gets shorter each time, and the empty path is the last.
            match path.rsplit_once('.') {
                Some((outer, _)) => path = outer,
                None if path.is_empty() => return Place::new(Arc::clone(&self.source), 0..0),
                None => path = "",
            }
        }
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.of(""))
    }
}

impl File {
    /// Nothing read yet.
    pub fn new(source: Arc<Source>) -> Self {
        Self { source, found: RefCell::default(), spans: RefCell::default() }
    }

    /// Parses the whole file and hands its root table to `read`; `Err` if anything at all was found wrong.
    ///
    /// A file with errors of syntax is read as far as it can be recovered, so that its other problems show too;
    /// what may only be a consequence of the first (missing keys, anything on the same line) is left out.
    pub fn read<T>(
        source: &Arc<Source>,
        read: impl FnOnce(Cursor<'_>) -> Option<T>,
    ) -> Result<T, Diagnostics> {
        let file = Self::new(Arc::clone(source));
        let (table, errors) = DeTable::parse_recoverable(source.text());
        if errors.is_empty() && table.get_ref().is_empty() {
            file.report(
                0..0,
                Code::Unreadable,
                "the file says nothing",
                "write its first section, or remove the file",
            );
            return Err(Diagnostics::new(file.found.into_inner()));
        }
        let value = read(Cursor::new(&file, table.get_ref(), 0..0, String::new()));
        let mut found = file.found.into_inner();
        if !errors.is_empty() {
            let syntax = syntax_errors(source, &errors);
            let lines: Vec<usize> = syntax.iter().map(|d| source.position(d.place.span.start).line).collect();
            found.retain(|d| {
                d.code != Code::MissingKey && !lines.contains(&source.position(d.place.span.start).line)
            });
            found.extend(syntax);
        }
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => Err(Diagnostics::new(found)),
        }
    }

    fn report(&self, span: Range<usize>, code: Code, message: impl Into<String>, help: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < MOST_PROBLEMS {
            let place = Place::new(Arc::clone(&self.source), span);
            found.push(Diagnostic::error(code, place, message, help));
        }
    }
}

/// A megabyte can hold a hundred thousand problems, each of which costs a look at the whole text to number its line.
const MOST_PROBLEMS: usize = 500;
/// After the first dozen, a parser that has lost its way says nothing that helps.
const MOST_SYNTAX_ERRORS: usize = 12;

fn syntax_errors(source: &Arc<Source>, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    errors
        .iter()
        .take(MOST_SYNTAX_ERRORS)
        .map(|e| {
            let place = Place::new(Arc::clone(source), e.span().unwrap_or(0..0));
            let message = format!("this is not TOML: {}", e.message());
            Diagnostic::error(Code::Syntax, place, message, "see https://toml.io/en/v1.0.0")
        })
        .collect()
}

/// A table being read. Ask for every key it may have, then [`finish`](Self::finish).
pub struct Cursor<'a> {
    file: &'a File,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: String,
    asked: Vec<&'a str>,
}

/// A key's value, not yet of any type.
#[derive(Clone)]
pub struct Entry<'a> {
    file: &'a File,
    value: &'a DeValue<'a>,
    span: Range<usize>,
    path: String,
}

impl<'a> Cursor<'a> {
    fn new(file: &'a File, table: &'a DeTable<'a>, span: Range<usize>, path: String) -> Self {
        file.spans.borrow_mut().insert(path.clone(), span.clone());
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
            if let Some(entry) = self.optional(key) {
                entry.refuse(
                    Code::NotSupported,
                    format!("`{key}` is not supported yet"),
                    "remove it: this version governs rows of SQL tables only, and never ignores what it cannot do",
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
        let prefix = if self.path.is_empty() { String::new() } else { format!("{}.", self.path) };
        let all = self.file.spans.borrow();
        let inside = all
            .range(prefix.clone()..)
            .map_while(|(path, span)| path.strip_prefix(&prefix).map(|rest| (rest.to_owned(), span.clone())));
        let spans = inside.chain([(String::new(), self.span.clone())]).collect();
        Places { source: Arc::clone(&self.file.source), spans }
    }

    fn entry(&self, name: &Spanned<toml::de::DeString<'a>>, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
        let key = name.get_ref();
        let path = if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) };
        // A value that recovery made up stands nowhere; its key does.
        let span = if value.span().is_empty() { name.span() } else { value.span() };
        Entry::new(self.file, value.get_ref(), span, path)
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
        match nearest(key, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys here are {}", known.join(", ")),
        }
    }
}

impl<'a> Entry<'a> {
    fn new(file: &'a File, value: &'a DeValue<'a>, span: Range<usize>, path: String) -> Self {
        file.spans.borrow_mut().insert(path.clone(), span.clone());
        Self { file, value, span, path }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&'a str> {
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
        match self.value {
            DeValue::Integer(n) if n.radix() == 10 => n.as_str().parse().ok(),
            DeValue::Float(n) => n.as_str().parse().ok(),
            _ => self.wrong_type("a number"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(b) => Some(*b),
            _ => self.wrong_type("true or false"),
        }
    }

    /// The elements of an array.
    pub fn list(&self) -> Option<Vec<Entry<'a>>> {
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

/// The last part that is a key, not the index of an element.
fn last_key(path: &str) -> Option<&str> {
    path.rsplit('.').find(|part| !part.is_empty() && !part.bytes().all(|b| b.is_ascii_digit()))
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

#[cfg(test)]
mod tests {
    use super::super::SourceKind;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let source = Source::new(SourceKind::Rules, "a.toml", text);
        let read = File::read(&source, |mut root| {
            let name = root.required("name").and_then(|e| e.sentence());
            let count = root.optional("count").and_then(|e| e.integer());
            let parts = root.tables("part");
            for mut part in parts {
                part.required("id");
                part.later(&["pattern"]);
                part.finish();
            }
            root.finish();
            Some((name?, count))
        });
        let lines = |d: &Diagnostic| d.render(super::super::Paint::Plain).lines().next().map(str::to_owned);
        read.err().unwrap_or_default().iter().filter_map(lines).collect()
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        assert_eq!(
            problems("nmae = 'a'\ncount = 'b'\n[[part]]\npattern = 'x'\n[[part]]\nid = 1\n"),
            [
                "a.toml:1:1: error[R003]: the file has no key `nmae`",
                "a.toml:1:1: error[R004]: the file has no `name`, which is required",
                "a.toml:2:9: error[R005]: `count` is a string, expected an integer",
                "a.toml:3:1: error[R004]: `part` has no `id`, which is required",
                "a.toml:4:11: error[R008]: `pattern` is not supported yet",
            ]
        );
    }

    #[test]
    fn an_error_of_syntax_does_not_hide_the_others() {
        let found = problems("name = 'a\ncount = 'b'\nother = 1\n");
        assert!(found[0].starts_with("a.toml:1:10: error[R002]: this is not TOML"), "{found:?}");
        assert!(found.iter().any(|l| l.contains("a.toml:3:1: error[R003]")), "{found:?}");
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        assert_eq!(problems("\u{feff}# later\n"), ["a.toml:1:1: error[R001]: the file says nothing"]);
    }

    #[test]
    fn a_mebibyte_of_brackets_ends_at_once() {
        for text in ["[".repeat(1 << 20), "a=".to_owned() + &"{a=".repeat(1 << 18), "[[".repeat(1 << 19)] {
            assert!(!problems(&text).is_empty());
        }
    }
}
