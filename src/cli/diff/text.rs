//! A difference for a terminal.

use std::fmt::Write as _;

use super::super::table::aligned;
use super::{Part, parts, summary};
use crate::diagnostic::printable;
use crate::rules::diff::{Change, Difference, Look, effects};

/// What asks for a second look is marked with `!`.
pub fn page(difference: &Difference) -> String {
    let mut page = String::new();
    for part in parts(difference) {
        let Part { what, name, changes, look: _, notes } = part;
        let words: Vec<&str> = effects(changes).iter().map(|effect| effect.as_str()).collect();
        let _ = writeln!(page, "{}", format!("{what} {name}: {}", words.join(", ")).trim_end_matches(": "));
        for line in aligned(changes.iter().map(row).collect()) {
            let _ = writeln!(page, "  {line}");
        }
        for note in notes {
            let mark = if note.reasons.is_empty() { " " } else { "!" };
            let _ = writeln!(page, "   {mark} {}", note.text);
            for reason in note.reasons {
                let _ = writeln!(page, "       {}", printable(reason));
            }
        }
        page.push('\n');
    }
    page + &summary(difference) + "\n"
}

fn row(change: &Change) -> Vec<String> {
    let mark = match change.look {
        Look::Second => "!",
        Look::Enough => "",
    };
    let figures = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("{} → {}", printable(old), printable(new)),
        (Some(old), None) => format!("{} → nothing", printable(old)),
        (None, Some(new)) => format!("nothing → {}", printable(new)),
        (None, None) => String::new(),
    };
    let why = change.why.as_deref().map(printable).unwrap_or_default();
    vec![mark.to_owned(), change.effect.as_str().to_owned(), printable(&change.key), figures, why]
}
