//! Text of the rule files in Markdown: shown as it is, whatever it holds.

use std::fmt::Write as _;

use crate::diagnostic::printable;
use crate::rules::prose::{Line, Span};

/// Text within a sentence. Where GitHub would find a person, an issue, a commit or an emoji in it, as code: it looks for them in the
/// text that it has rendered, but not in code.
pub(super) fn plain(text: &str) -> String {
    let emoji = text.as_bytes().windows(2).any(|pair| pair[0] == b':' && !pair[1].is_ascii_whitespace());
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let issue = text.to_ascii_lowercase().contains("gh-");
    let commit = words.any(|word| word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    if emoji || issue || commit || text.contains(['@', '#']) { code(text) } else { escaped(text) }
}

/// A message, in which names stand between backticks.
pub(super) fn message(text: &str) -> String {
    let span = |span: &Span| match span {
        Span::Name(name) => code(name),
        Span::Words(_) | Span::Strong(_) | Span::To { .. } | Span::Kept => plain(span.text()),
    };
    Line::marked(text).spans().iter().map(span).collect()
}

/// Text as code.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// One line that means nothing to Markdown or HTML: whatever could be markup, a link or a cell's end is written as a character
/// reference, which Markdown never takes for structure.
fn escaped(text: &str) -> String {
    let text = printable(text);
    let mut shown = String::new();
    let mut chars = text.chars().peekable();
    // Nothing but digits so far: a list could begin.
    let mut number = true;
    while let Some(c) = chars.next() {
        let ends = chars.peek().is_none_or(|next| *next == ' ');
        let harmless = match c {
            ' ' | ',' | ';' | '\'' | '"' | '/' => true,
            '(' | ')' | '-' | '=' => !number,
            // Else the beginning of an address.
            '.' | ':' => ends && !number,
            '_' => !ends && shown.ends_with(|before: char| before.is_ascii_alphanumeric()),
            c => c.is_ascii_alphanumeric() || (!c.is_ascii() && !c.is_whitespace()),
        };
        number &= c.is_ascii_digit();
        if harmless {
            shown.push(c);
        } else {
            let _ = write!(shown, "&#{};", u32::from(c));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        for (text, shown) in [
            ("a|b", "a&#124;b"),
            ("- item", "&#45; item"),
            ("12. item", "12&#46; item"),
            ("12) item", "12&#41; item"),
            ("www.example.com", "www&#46;example&#46;com"),
            ("two\nlines", "two\u{fffd}lines"),
            ("[x](y)", "&#91;x&#93;(y)"),
            ("_a_ b_c", "&#95;a&#95; b_c"),
            ("24 часа → ≤ 1 day.", "24 часа → ≤ 1 day."),
            ("a $x$ ~y~ \\|", "a &#36;x&#36; &#126;y&#126; &#92;&#124;"),
            ("for @team", "<code>for &#64;team</code>"),
            ("see #1", "<code>see &#35;1</code>"),
            ("see GH-1", "<code>see GH-1</code>"),
            ("as of 91e975a", "<code>as of 91e975a</code>"),
            (":tada:", "<code>&#58;tada:</code>"),
            ("https://example.com", "<code>https&#58;//example&#46;com</code>"),
        ] {
            assert_eq!(plain(text), shown, "{text}");
        }
        assert_eq!(code("`<b>&amp;"), "<code>&#96;&#60;b&#62;&#38;amp;</code>");
    }
}
