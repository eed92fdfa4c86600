//! A difference for a comment on a pull request, as GitHub renders it.

use std::fmt::Write as _;

use super::super::markdown::{code, message, plain};
use super::{Part, parts, summary};
use crate::rules::diff::{Change, Difference, Look, effects};

/// How many changes of one part stand in the table; all of them are in the details.
const SHOWN: usize = 4;

/// One line, one table, and the details folded.
pub fn page(difference: &Difference) -> String {
    let parts = parts(difference);
    let mut page = format!("**{}**\n", plain(&summary(difference)));
    if parts.is_empty() {
        return page;
    }
    page.push_str("\n| look | what | effect | what changes |\n|---|---|---|---|\n");
    for part in &parts {
        let mut cells: Vec<String> = part.changes.iter().take(SHOWN).map(figures).collect();
        let more = part.changes.len().saturating_sub(SHOWN);
        if more > 0 {
            cells.push(format!("and {more} more"));
        }
        if part.changes.is_empty() {
            cells.extend(part.notes.iter().map(|note| message(&note.text)));
        }
        let look = match part.look {
            Look::Second => "second look",
            Look::Enough => "",
        };
        let _ = writeln!(
            page,
            "| {look} | {} {} | {} | {} |",
            part.what,
            code(&part.name),
            words(part),
            cells.join("<br>")
        );
    }
    page.push_str("\n<details><summary>Details</summary>\n");
    for part in &parts {
        details(part, &mut page);
    }
    page + "\n</details>\n"
}

fn words(part: &Part<'_>) -> String {
    effects(part.changes).iter().map(|effect| effect.as_str()).collect::<Vec<_>>().join(", ")
}

fn details(part: &Part<'_>, page: &mut String) {
    let _ = writeln!(page, "\n{} {}\n", part.what, code(&part.name));
    for change in part.changes {
        let look = match change.look {
            Look::Second => " (second look)",
            Look::Enough => "",
        };
        let _ = writeln!(page, "- **{}**{look} {}", change.effect.as_str(), figures(change));
    }
    for note in &part.notes {
        let _ = writeln!(page, "- {}", message(&note.text));
        for reason in note.reasons {
            let _ = writeln!(page, "  - {}", message(reason));
        }
    }
}

fn figures(change: &Change) -> String {
    let key = code(&change.key);
    let figures = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("{key} {} → {}", code(old), code(new)),
        (Some(old), None) => format!("{key} {} → nothing", code(old)),
        (None, Some(new)) => format!("{key} nothing → {}", code(new)),
        (None, None) => key,
    };
    let why = change.why.as_deref().map(|why| format!(": {}", message(why)));
    figures + &why.unwrap_or_default()
}
