//! `action`, `columns` and `mark`: what is done with a record.

use toml::de::DeValue;

use super::word;
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, quoted};
use crate::model::name::ColumnName;
use crate::rules::rule::{Action, Strategy};

#[derive(Clone, Copy)]
enum Kind {
    Delete,
    Pseudonymize,
}

pub fn action(table: &mut Cursor<'_>) -> Option<Action> {
    let kinds = [("delete", Kind::Delete), ("pseudonymize", Kind::Pseudonymize)];
    let kind = table.required("action").and_then(|e| word::one_of(&e, &kinds));
    let (columns, mark) = (table.optional("columns"), table.optional("mark"));
    match kind? {
        Kind::Delete => {
            for entry in [columns, mark].into_iter().flatten() {
                let message =
                    format!("`{}` belongs to `pseudonymize`: a deleted row keeps nothing", entry.key());
                entry.refuse(Code::Conflict, message, "remove it, or write `action = \"pseudonymize\"`");
            }
            Some(Action::Delete)
        }
        Kind::Pseudonymize => pseudonymize(table, columns, mark),
    }
}

fn pseudonymize(table: &Cursor<'_>, columns: Option<Entry<'_>>, mark: Option<Entry<'_>>) -> Option<Action> {
    if columns.is_none() {
        let help = "add `columns = { author_name = \"random\" }`";
        table.refuse(Code::MissingKey, "`pseudonymize` has no `columns`, which is required", help);
    }
    if mark.is_none() {
        let message =
            "`pseudonymize` has no `mark`, which is required: without it every sweep rewrites every record";
        let help = "add `mark = \"pseudonymized_at\"`, a column that is NULL until then";
        table.refuse(Code::MissingKey, message, help);
    }
    let columns = columns.and_then(|e| strategies(&e));
    let mark_column = mark.as_ref().and_then(word::column);
    let (columns, mark_column) = (columns?, mark_column?);
    if columns.iter().any(|(column, _)| *column == mark_column) {
        let message = format!("`{mark_column}` cannot be both the mark and a replaced column");
        mark?.refuse(Code::Conflict, message, "use a column of its own for the mark");
    }
    Some(Action::Pseudonymize { columns, mark: mark_column })
}

fn strategies(entry: &Entry<'_>) -> Option<Vec<(ColumnName, Strategy)>> {
    if entry.is_empty() {
        entry.refuse(
            Code::BadValue,
            "`columns` is empty and replaces nothing",
            "name the identifying columns",
        );
    }
    let replaced = |(key, value): (&str, Entry<'_>)| {
        let (column, strategy) = (value.column_of(key), strategy(&value));
        Some((column?, strategy?))
    };
    Some(super::kept(entry.table()?.entries().into_iter().filter_map(replaced)))
}

const STRATEGIES: &str =
    "write `random`, `keyed`, `null`, `truncate-ip`, `truncate-date` or `{ fixed = \"…\" }`";

fn strategy(entry: &Entry<'_>) -> Option<Strategy> {
    if let DeValue::Table(_) = entry.value() {
        let mut table = entry.table()?;
        let fixed = table.required("fixed").and_then(|e| e.text());
        table.finish();
        return fixed.map(|text| Strategy::Fixed(text.to_owned()));
    }
    let text = entry.text()?;
    match text {
        "random" => return Some(Strategy::Random),
        "keyed" => return Some(Strategy::Keyed),
        "null" => return Some(Strategy::Null),
        "truncate-ip" => return Some(Strategy::TruncateIp),
        "truncate-date" => return Some(Strategy::TruncateDate),
        _ if is_plain_hash(text) => entry.refuse(
            Code::PlainHash,
            format!(
                "{} is a plain hash, which is not pseudonymization: whoever tries candidates (all telephone numbers, \
                 a list of addresses) finds the person again, and no key can be destroyed",
                quoted(text)
            ),
            "write `keyed` where joins must survive, else `random`",
        ),
        _ => {
            let names = ["random", "keyed", "null", "truncate-ip", "truncate-date"];
            let help = did_you_mean(text, &names, STRATEGIES);
            entry.refuse(Code::BadValue, format!("there is no strategy {}", quoted(text)), help);
        }
    }
    None
}

/// The names under which plain hashes go, with any digits and hyphens.
fn is_plain_hash(text: &str) -> bool {
    let name: String =
        text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let hashes = [
        "sha", "md", "hash", "hashed", "crc", "blake", "blakeb", "blakes", "ripemd", "xxhash", "bcrypt",
        "murmur", "keccak", "digest",
    ];
    hashes.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_hashes_are_known_by_name() {
        for name in ["sha256", "SHA-1", "md5", "hash", "blake3", "blake2b-256", "crc32"] {
            assert!(is_plain_hash(name), "{name}");
        }
        for name in ["random", "keyed", "shadow", ""] {
            assert!(!is_plain_hash(name), "{name}");
        }
    }
}
