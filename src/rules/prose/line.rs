//! A line of text in which names are told from words.

use serde::{Serialize, Serializer};

use crate::diagnostic::one_line;

/// Words and names, in order. What a person wrote into a rule file comes in here and nowhere else: on one line, without
/// characters that a reader would obey and not see. Each form escapes what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(Vec<Span>);

/// A stretch of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// Words.
    Words(String),
    /// Words that matter.
    Strong(String),
    /// A name as a datastore, a rule file or the command line has it.
    Name(String),
    /// Where a promise was found kept.
    Kept,
    /// Words that lead to a section of this document.
    To {
        /// The section's id.
        id: String,
        /// The words.
        words: String,
    },
}

impl Span {
    /// Its text, without marks.
    pub fn text(&self) -> &str {
        match self {
            Self::Words(text) | Self::Strong(text) | Self::Name(text) | Self::To { words: text, .. } => text,
            Self::Kept => "kept",
        }
    }
}

impl Line {
    /// A line that begins with these words.
    pub fn words(words: impl AsRef<str>) -> Self {
        Self::default().and(words)
    }

    /// A line that begins with this name.
    pub fn name(name: impl AsRef<str>) -> Self {
        Self::default().called(name)
    }

    /// Goes on with words.
    pub fn and(self, words: impl AsRef<str>) -> Self {
        self.with(Span::Words(one_line(words.as_ref())))
    }

    /// Goes on with words that matter.
    pub fn strong(self, words: impl AsRef<str>) -> Self {
        self.with(Span::Strong(one_line(words.as_ref())))
    }

    /// Goes on with a name.
    pub fn called(self, name: impl AsRef<str>) -> Self {
        self.with(Span::Name(one_line(name.as_ref())))
    }

    /// Says that a promise is kept.
    pub fn kept(self) -> Self {
        self.with(Span::Kept)
    }

    /// Goes on with words that lead to a section.
    pub fn to(self, id: &str, words: impl AsRef<str>) -> Self {
        self.with(Span::To { id: id.to_owned(), words: one_line(words.as_ref()) })
    }

    /// Goes on with another line.
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Text with names between backticks, as messages have them.
    pub fn marked(text: &str) -> Self {
        let mut line = Self::default();
        for (at, part) in text.split('`').enumerate() {
            line = if at % 2 == 0 { line.and(part) } else { line.called(part) };
        }
        line
    }

    /// Lines one after the other, with commas between them.
    pub fn list(lines: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(lines, ", ")
    }

    /// Lines that hold together.
    pub fn all(lines: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(lines, " and ")
    }

    fn joined(lines: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let join = |all: Self, line: Self| all.and(between).then(line);
        lines.into_iter().reduce(join).unwrap_or_default()
    }

    /// Names, with commas between them.
    pub fn names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::list(names.into_iter().map(Self::name))
    }

    /// Its stretches, for a form to write.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Its text with names between backticks, as messages have them.
    pub fn ticked(&self) -> String {
        let span = |span: &Span| match span {
            Span::Name(name) => format!("`{name}`"),
            Span::Words(_) | Span::Strong(_) | Span::To { .. } | Span::Kept => span.text().to_owned(),
        };
        self.0.iter().map(span).collect()
    }

    fn with(mut self, span: Span) -> Self {
        let empty = matches!(&span, Span::Words(words) if words.is_empty());
        if !empty {
            self.0.push(span);
        }
        self
    }
}

/// Its text alone, names without marks.
impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|span| f.write_str(span.text()))
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_or_turn_it_round_does_neither() {
        let line = Line::words("a\r\n\t b\u{2028}c\u{202e}d\u{0}").called("e\nf");
        assert_eq!(line.to_string(), "a b c\u{fffd}d\u{fffd}e f");
    }

    #[test]
    fn backticks_mark_names() {
        let spans = [Span::Name("retain".into()), Span::Words(" 1 day ≥ 1 day".into())];
        assert_eq!(Line::marked("`retain` 1 day ≥ 1 day").spans(), spans);
    }
}
