//! What is wrong in a file that a person wrote, where, and what to do about it.
//!
//! Whoever reads such a file collects every problem instead of stopping at the first: an engineer who mends a pull
//! request sees all of them at once. [`reader`] reads TOML that way, [`render`] prints the result.

pub mod github;
pub mod nearest;
pub mod reader;
pub mod render;
pub mod secrets;
pub mod shape;
pub mod source;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use render::Paint;
pub use source::{Source, SourceKind};

/// What is wrong, as a number that stays the same from release to release: `R014`, and `C014` in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The file cannot be read, is too large or is not text.
    Unreadable,
    /// The file is not TOML.
    Syntax,
    /// A key that means nothing here.
    UnknownKey,
    /// A required key is not there.
    MissingKey,
    /// A value of another type than expected.
    WrongType,
    /// A value of the right type that cannot be.
    BadValue,
    /// A name used twice.
    Duplicate,
    /// Known to the design, not to this version.
    NotSupported,
    /// Keys that exclude each other.
    Conflict,
    /// A period that says nothing definite.
    Period,
    /// A time zone that does not exist.
    Zone,
    /// A schedule that never fires, or not as written.
    Schedule,
    /// A name that nothing bears.
    UnknownName,
    /// The datastore's catalogue says otherwise.
    Catalogue,
    /// A plain hash of personal data.
    PlainHash,
    /// A promise that no rule keeps.
    PromiseNotKept,
    /// A class of records that no rule reaches.
    ClassNotReached,
    /// A rule whose bounds are weaker than its promise's.
    WeakerThanPromise,
    /// A rule that leaves out what its promise does not.
    Narrowed,
    /// Sweeps that cannot meet the deadline.
    WindowTooShort,
    /// Two rules that cannot both be kept.
    Contradiction,
    /// A rule that another leaves nothing to do.
    Idle,
    /// A promise that only observing rules would keep.
    OnlyObserved,
    /// Ids by which a data subject may be taken for another.
    AmbiguousSubject,
    /// The state is a datastore.
    StateIsDatastore,
    /// A disposal that writes what no dependent declares.
    UndeclaredReach,
    /// A search without an index.
    MissingIndex,
    /// Something that a sweep has to do and may not.
    TooFewPrivileges,
    /// Something that somebody may do and no sweep needs.
    TooManyPrivileges,
    /// Records that no rule covers and no waiver names.
    NotCovered,
    /// A waiver of nothing.
    IdleWaiver,
    /// Rows that decide about a record, and that no sweep sees before they are committed.
    NoForeignKey,
}

impl Code {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 32] = [
        Self::Unreadable,
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::BadValue,
        Self::Duplicate,
        Self::NotSupported,
        Self::Conflict,
        Self::Period,
        Self::Zone,
        Self::Schedule,
        Self::UnknownName,
        Self::Catalogue,
        Self::PlainHash,
        Self::PromiseNotKept,
        Self::ClassNotReached,
        Self::WeakerThanPromise,
        Self::Narrowed,
        Self::WindowTooShort,
        Self::Contradiction,
        Self::Idle,
        Self::OnlyObserved,
        Self::AmbiguousSubject,
        Self::StateIsDatastore,
        Self::UndeclaredReach,
        Self::MissingIndex,
        Self::TooFewPrivileges,
        Self::TooManyPrivileges,
        Self::NotCovered,
        Self::IdleWaiver,
        Self::NoForeignKey,
    ];

    /// The number after the letter.
    pub fn number(self) -> u16 {
        match self {
            Self::Unreadable => 1,
            Self::Syntax => 2,
            Self::UnknownKey => 3,
            Self::MissingKey => 4,
            Self::WrongType => 5,
            Self::BadValue => 6,
            Self::Duplicate => 7,
            Self::NotSupported => 8,
            Self::Conflict => 9,
            Self::Period => 10,
            Self::Zone => 11,
            Self::Schedule => 12,
            Self::UnknownName => 13,
            Self::Catalogue => 14,
            Self::PlainHash => 15,
            Self::PromiseNotKept => 20,
            Self::ClassNotReached => 21,
            Self::WeakerThanPromise => 22,
            Self::Narrowed => 23,
            Self::WindowTooShort => 24,
            Self::Contradiction => 25,
            Self::Idle => 26,
            Self::OnlyObserved => 27,
            Self::AmbiguousSubject => 28,
            Self::StateIsDatastore => 30,
            Self::UndeclaredReach => 31,
            Self::MissingIndex => 32,
            Self::TooFewPrivileges => 33,
            Self::TooManyPrivileges => 34,
            Self::NotCovered => 35,
            Self::IdleWaiver => 36,
            Self::NoForeignKey => 37,
        }
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is done with these rules until it is mended.
    Error,
    /// Something a person should look at.
    Warning,
}

impl Severity {
    /// The word for it in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A stretch of a file.
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    span: Range<usize>,
}

impl Place {
    /// Bytes of the source's text; what lies outside it is cut off.
    pub fn new(source: Arc<Source>, span: Range<usize>) -> Self {
        let end = span.end.min(source.text().len());
        Self { span: span.start.min(end)..end, source }
    }

    /// The file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Byte offsets into the source's text.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// `file:line`, for messages that name a place without showing it.
    pub fn file_line(&self) -> String {
        format!("{}:{}", self.source.path().display(), self.source.position(self.span.start).line)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_line())
    }
}

/// One problem, its place and its remedy.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// What kind of problem.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What, observed, expected.
    pub message: String,
    /// Said beside the underlined text.
    pub label: Option<String>,
    /// What to do.
    pub help: String,
}

impl Diagnostic {
    /// An error. Nobody is told what is wrong without being told what to do, so the help is not optional.
    pub fn error(code: Code, place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        let (message, help) = (printable(&message.into()), printable(&help.into()));
        Self { code, severity: Severity::Error, place, message, label: None, help }
    }

    /// The same, for something to look at.
    pub fn warning(code: Code, place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message, help) }
    }

    /// The same problem with a word beside the underlined text.
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(printable(&label.into()));
        self
    }

    /// The same problem with lines that a person may paste into the file, below its help.
    pub fn pasting(mut self, block: &str) -> Self {
        for line in block.lines() {
            self.help.push('\n');
            self.help.push_str(&printable(line));
        }
        self
    }

    /// The code as printed: `R014`.
    pub fn code_text(&self) -> String {
        format!("{}{:03}", self.place.source.kind().letter(), self.code.number())
    }
}

/// Every problem found, in the order of files and lines.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorted by file and place, without repetitions.
    pub fn new(mut found: Vec<Diagnostic>) -> Self {
        fn order(d: &Diagnostic) -> (&std::path::Path, usize, Code, &str) {
            (d.place.source.path(), d.place.span.start, d.code, &d.message)
        }
        found.sort_by(|a, b| order(a).cmp(&order(b)));
        found.dedup_by(|a, b| order(a) == order(b));
        Self(found)
    }

    /// The others, without those of a code.
    pub fn without(self, code: Code) -> Self {
        Self(self.0.into_iter().filter(|found| found.code != code).collect())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every problem.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether something was found that has to be mended first.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Both, in order.
    pub fn merged(self, other: Self) -> Self {
        Self::new(self.0.into_iter().chain(other.0).collect())
    }

    /// `value` where nothing was found, not even a warning.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Diagnostics {}

/// An error and everything it came from, in one line; no text twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Ends because a chain of sources is finite.
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

/// Messages repeat what stands in the file: a control character there must not reach a terminal, nor a megabyte a log.
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 600;
    let mut shown: String = text.chars().take(LONGEST).map(visible).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The character itself, or U+FFFD for one that a reader would obey and not see.
pub fn visible(c: char) -> char {
    match c {
        c if c.is_control() => '\u{fffd}',
        // These ranges turn the direction of writing, so that a line reads as something else than it says.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

/// A person's text within a line: what would end the line, or be obeyed and not seen, does neither.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_whitespace() {
            line.push(visible(c));
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line
}

/// `3 files`, `1 file`.
pub fn counted<N: Copy + std::fmt::Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    if count == N::from(1) { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// User text for a message: in backticks, without control characters, cut to a length a line can hold.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    // `escape_debug` also escapes quotes, which stand between backticks here and need no escape.
    let shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(LONGEST).is_some() { format!("`{shown}…`") } else { format!("`{shown}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands behind a code in [`Code::ALL`]; the compiler asks for every code here.
    fn next(code: Code) -> Option<Code> {
        Some(match code {
            Code::Unreadable => Code::Syntax,
            Code::Syntax => Code::UnknownKey,
            Code::UnknownKey => Code::MissingKey,
            Code::MissingKey => Code::WrongType,
            Code::WrongType => Code::BadValue,
            Code::BadValue => Code::Duplicate,
            Code::Duplicate => Code::NotSupported,
            Code::NotSupported => Code::Conflict,
            Code::Conflict => Code::Period,
            Code::Period => Code::Zone,
            Code::Zone => Code::Schedule,
            Code::Schedule => Code::UnknownName,
            Code::UnknownName => Code::Catalogue,
            Code::Catalogue => Code::PlainHash,
            Code::PlainHash => Code::PromiseNotKept,
            Code::PromiseNotKept => Code::ClassNotReached,
            Code::ClassNotReached => Code::WeakerThanPromise,
            Code::WeakerThanPromise => Code::Narrowed,
            Code::Narrowed => Code::WindowTooShort,
            Code::WindowTooShort => Code::Contradiction,
            Code::Contradiction => Code::Idle,
            Code::Idle => Code::OnlyObserved,
            Code::OnlyObserved => Code::AmbiguousSubject,
            Code::AmbiguousSubject => Code::StateIsDatastore,
            Code::StateIsDatastore => Code::UndeclaredReach,
            Code::UndeclaredReach => Code::MissingIndex,
            Code::MissingIndex => Code::TooFewPrivileges,
            Code::TooFewPrivileges => Code::TooManyPrivileges,
            Code::TooManyPrivileges => Code::NotCovered,
            Code::NotCovered => Code::IdleWaiver,
            Code::IdleWaiver => Code::NoForeignKey,
            Code::NoForeignKey => return None,
        })
    }

    #[test]
    fn every_code_is_listed_once_in_the_order_of_its_number() {
        let chain: Vec<Code> = std::iter::successors(Some(Code::Unreadable), |code| next(*code)).collect();
        assert_eq!(chain, Code::ALL);
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
    }
}
