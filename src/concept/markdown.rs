//! The concept as Markdown (`CommonMark` with GitHub's tables).
//!
//! Whatever could be read as markup is escaped, so that each name and sentence shows as it was written. Of HTML there is only what
//! Markdown lacks: `<br>` in cells, `<code>` around names that backticks cannot hold, and the anchors of sections.

use super::document::{Block, Cell, CellLine, Document, Section, Table};
use super::overview::document;
use super::view::Concept;
use crate::rules::prose::{Line, Span};

impl Concept {
    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let document: Document = document(self);
        let mut out = format!("# Deletion concept: {}\n\n", written(&document.title));
        for line in &document.written {
            paragraph(&mut out, &written(line));
        }
        for (at, part) in document.sections.iter().enumerate() {
            section(&mut out, at + 1, part);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }
}

fn section(out: &mut String, number: usize, section: &Section) {
    paragraph(out, &format!("<a id=\"{}\"></a>\n\n## {number}. {}", section.id, written(&section.title)));
    for block in &section.blocks {
        match block {
            Block::Heading(line) => paragraph(out, &format!("### {}", written(line))),
            Block::Text(line) | Block::Note(line) => paragraph(out, &written(line)),
            Block::List(lines) => {
                let items: Vec<String> = lines.iter().map(|line| format!("- {}", written(line))).collect();
                paragraph(out, &items.join("\n"));
            }
            Block::Terms(terms) => {
                let item =
                    |(word, what): &(Line, Line)| format!("- **{}**: {}", written(word), written(what));
                paragraph(out, &terms.iter().map(item).collect::<Vec<_>>().join("\n"));
            }
            Block::Table(rows) => table(out, rows),
        }
    }
}

fn paragraph(out: &mut String, text: &str) {
    out.push_str(text);
    out.push_str("\n\n");
}

fn table(out: &mut String, table: &Table) {
    paragraph(out, &written(&table.caption));
    let head: Vec<String> = table.head.iter().map(written).collect();
    row(out, &head);
    row(out, &vec!["---".to_owned(); head.len()]);
    for cells in &table.rows {
        row(out, &cells.iter().map(cell).collect::<Vec<_>>());
    }
    out.push('\n');
}

fn row(out: &mut String, cells: &[String]) {
    out.push_str("| ");
    out.push_str(&cells.join(" | "));
    out.push_str(" |\n");
}

fn cell(cell: &Cell) -> String {
    let lines: Vec<String> =
        cell.0.iter().map(|(CellLine::Main(line) | CellLine::Beside(line))| written(line)).collect();
    lines.join("<br>")
}

fn written(line: &Line) -> String {
    let mut text = String::new();
    for span in line.spans() {
        let written = match span {
            Span::Words(words) if text.is_empty() => first(words),
            Span::Words(words) => escaped(words),
            Span::Strong(words) => format!("**{}**", escaped(words)),
            Span::Name(name) => named(name),
            Span::Kept => "**kept**".to_owned(),
            Span::To { id, words } => format!("[{}](#{id})", escaped(words)),
        };
        text.push_str(&written);
    }
    text
}

/// Words, with a backslash before each character that Markdown gives a meaning somewhere within a line.
fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for c in words.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' | '!') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// The same at the beginning of a line, where more has a meaning: `#`, `+`, `-` and `=`, and a number with a full stop.
fn first(words: &str) -> String {
    let digits = words.bytes().take_while(u8::is_ascii_digit).count();
    let marks = |rest: &str| {
        rest.starts_with(['.', ')']) && digits > 0 || rest.starts_with(['#', '+', '-', '=']) && digits == 0
    };
    let (number, rest) = words.split_at(digits);
    if marks(rest) { format!("{number}\\{}", escaped(rest)) } else { escaped(words) }
}

/// Between backticks; a name that these cannot hold, or that would break a table, as HTML.
fn named(name: &str) -> String {
    let plain = !name.is_empty()
        && !name.starts_with(' ')
        && !name.ends_with(' ')
        && !name.contains(['`', '|', '\\', '<', '>', '&']);
    if plain {
        return format!("`{name}`");
    }
    let held: String = name
        .chars()
        .map(|c| if c.is_ascii_punctuation() { format!("&#{};", u32::from(c)) } else { c.to_string() })
        .collect();
    format!("<code>{held}</code>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markdown_gives_a_meaning_is_escaped() {
        for (words, text) in [
            ("a | b", "a \\| b"),
            ("<script>x</script>", "\\<script\\>x\\</script\\>"),
            ("*a* _b_ `c` [d](e) ~f~ &lt; \\", "\\*a\\* \\_b\\_ \\`c\\` \\[d\\](e) \\~f\\~ \\&lt; \\\\"),
            ("# no heading", "# no heading"),
            ("Policy, 2020-04-28", "Policy, 2020-04-28"),
        ] {
            assert_eq!(escaped(words), text);
        }
    }

    #[test]
    fn what_begins_a_line_begins_nothing_else() {
        for (words, text) in [
            ("# no heading", "\\# no heading"),
            ("- no list", "\\- no list"),
            ("12. no list", "12\\. no list"),
            ("12 hours", "12 hours"),
            ("> no quotation", "\\> no quotation"),
        ] {
            assert_eq!(written(&Line::words(words)), text);
        }
        assert_eq!(written(&Line::name("a").and("- b")), "`a`- b");
    }

    #[test]
    fn a_name_is_between_backticks_or_in_entities() {
        assert_eq!(named("account.deleted_at"), "`account.deleted_at`");
        assert_eq!(named("a`b|c"), "<code>a&#96;b&#124;c</code>");
    }
}
