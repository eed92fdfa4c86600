//! Problems as people and programs read them.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;

use super::{Diagnostic, Diagnostics, Severity, SourceKind, secrets};

/// Whether colours are wanted: a terminal wants them, a file does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text only.
    Plain,
    /// ANSI colours.
    Coloured,
}

/// What is shown in full; the rest is counted. A file with thousands of problems has one cause.
const MOST_SHOWN: usize = 100;
/// Characters of a source line shown before and after the place; a line of a megabyte is cut to this.
const CONTEXT: usize = 60;
/// Characters of a place that are underlined.
const LONGEST_UNDERLINE: usize = 60;

impl Diagnostics {
    /// For people: `file:line:column: error[R014]: what`, the line, the help.
    pub fn render(&self, paint: Paint) -> String {
        let mut out = String::new();
        for diagnostic in self.iter().take(MOST_SHOWN) {
            out.push_str(&diagnostic.render(paint));
            out.push_str("\n\n");
        }
        let more = self.iter().len().saturating_sub(MOST_SHOWN);
        if more > 0 {
            let _ = writeln!(out, "and {more} more");
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// For programs: one object a problem.
    pub fn to_json(&self) -> serde_json::Value {
        self.iter().map(Diagnostic::to_json).collect()
    }
}

impl Diagnostic {
    /// For people.
    pub fn render(&self, paint: Paint) -> String {
        let source = self.place.source();
        let at = source.position(self.place.span.start);
        let title = format!(
            "{}:{}:{}: {}[{}]: {}",
            source.path().display(),
            at.line,
            at.column,
            self.severity.as_str(),
            self.code_text(),
            self.message
        );
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Coloured => Renderer::styled(),
        };
        let (line, span) = self.excerpt();
        let mut group = Group::with_title(level.no_name().primary_title(title.as_str()));
        if self.is_confidential() {
            group = group.element(Level::NOTE.message("the line is not shown: it may hold a secret"));
        } else if !line.trim().is_empty() {
            let mark = AnnotationKind::Primary.span(span).label(self.label.as_deref());
            group = group.element(Snippet::source(line).line_start(at.line).annotation(mark));
        }
        group = group.element(Level::HELP.message(self.help.as_str()));
        renderer.term_width(usize::from(u16::MAX)).render(&[group])
    }

    /// Whether the first line of the place, of which an excerpt may show but a part, is not to be shown.
    fn is_confidential(&self) -> bool {
        let source = self.place.source();
        match source.kind() {
            SourceKind::Configuration => secrets::may_stand_in(&source.text()[self.line()]),
            // Rules name columns and words of the law: there is no secret to hide, and much to be seen.
            SourceKind::Rules => false,
        }
    }

    /// The first line of the place.
    fn line(&self) -> std::ops::Range<usize> {
        let text = self.place.source.text();
        let start = text.floor_char_boundary(self.place.span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        line_start..text[start..].find(['\n', '\r']).map_or(text.len(), |i| start + i)
    }

    /// That line, cut around the place, and what to underline in it.
    fn excerpt(&self) -> (String, std::ops::Range<usize>) {
        let (text, span) = (self.place.source.text(), self.place.span());
        let start = text.floor_char_boundary(span.start);
        let std::ops::Range { start: line_start, end: line_end } = self.line();
        let before = &text[line_start..start];
        let place = &text[start..text.floor_char_boundary(span.end.clamp(start, line_end))];
        let after = &text[start + place.len()..line_end];

        let cut = before.char_indices().rev().nth(CONTEXT).map(|(i, c)| i + c.len_utf8());
        let mut line = if cut.is_some() { "…".to_owned() } else { String::new() };
        line.push_str(&before[cut.unwrap_or(0)..]);
        let from = line.len();
        let (shown, cut_short) = first(place, LONGEST_UNDERLINE);
        line.push_str(shown);
        let to = line.len();
        if cut_short {
            line.push('…');
        } else {
            let (shown, cut_short) = first(after, CONTEXT);
            line.push_str(shown);
            line.push_str(if cut_short { "…" } else { "" });
        }
        (line, from..to)
    }

    /// For programs.
    pub fn to_json(&self) -> serde_json::Value {
        let source = self.place.source();
        let (start, end) = (source.position(self.place.span.start), source.position(self.place.span.end));
        serde_json::json!({
            "code": self.code_text(),
            "severity": self.severity.as_str(),
            "file": source.path().display().to_string(),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "message": self.message,
            "label": self.label,
            "help": self.help,
        })
    }
}

fn first(text: &str, characters: usize) -> (&str, bool) {
    match text.char_indices().nth(characters) {
        Some((i, _)) => (&text[..i], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, Place, Source, SourceKind};
    use super::*;

    fn at(text: &str, span: std::ops::Range<usize>) -> Diagnostic {
        let place = Place::new(Source::new(SourceKind::Rules, "rules/a.toml", text), span);
        Diagnostic::error(Code::BadValue, place, "`b` is no letter", "write a letter")
    }

    #[test]
    fn the_first_line_says_where_and_what() {
        let text = at("a = 1\nbé = 22\n", 12..14).labelled("here").render(Paint::Plain);
        insta::assert_snapshot!(text, @r"
        rules/a.toml:2:6: error[R006]: `b` is no letter
          |
        2 | bé = 22
          |      ^^ here
          |
          = help: write a letter
        ");
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut_around_the_place() {
        let text = "é".repeat(500_000);
        let shown = at(&text, 400_000..900_000).render(Paint::Plain);
        assert!(shown.len() < 1000, "{} bytes", shown.len());
    }

    #[test]
    fn colours_come_only_when_asked() {
        let diagnostic = at("b = 1", 0..1);
        assert!(!diagnostic.render(Paint::Plain).contains('\u{1b}'));
        assert!(diagnostic.render(Paint::Coloured).contains('\u{1b}'));
    }

    #[test]
    fn programs_get_the_same_facts() {
        let json = at("a = 1\nb = 2", 6..7).to_json();
        assert_eq!(
            (&json["code"], &json["line"], &json["end_column"]),
            (&"R006".into(), &2.into(), &2.into())
        );
    }
}
