//! What is done with a record.

use std::cmp::Ordering;

use super::{Change, Effect, Look};
use crate::diagnostic::reader::Places;
use crate::rules::rule::{Action, Strategy};

/// Deleting is stricter than pseudonymizing, more columns than fewer, and nothing left of a value than something. All but an
/// exchange of equals asks for a second look: a weaker action leaves data, a stricter one destroys more of it.
pub fn changes(old: (&Action, &Places), new: (&Action, &Places)) -> Vec<Change> {
    let change = |effect| {
        let whole = Change::new(effect, "action", Look::Second);
        vec![whole.from(words(old.0)).to(words(new.0))]
    };
    match (old.0, new.0) {
        (Action::Delete, Action::Delete) => Vec::new(),
        (Action::Delete, Action::Pseudonymize { .. }) => change(Effect::Weaker),
        (Action::Pseudonymize { .. }, Action::Delete) => change(Effect::Stricter),
        (
            Action::Pseudonymize { columns: before, mark: old_mark },
            Action::Pseudonymize { columns: after, mark: new_mark },
        ) => {
            let mut found = columns((before, old.1), (after, new.1));
            if old_mark != new_mark {
                let mark = Change::new(Effect::Changed, "mark", Look::Second);
                let mark = mark.from(old_mark.to_string()).to(new_mark.to_string());
                found.push(mark.why("what the old mark names as done is done again"));
            }
            found
        }
    }
}

/// An action in a few words.
pub fn words(action: &Action) -> String {
    match action {
        Action::Delete => "delete".to_owned(),
        Action::Pseudonymize { columns, .. } => {
            let columns: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
            format!("pseudonymize {}", columns.join(", "))
        }
    }
}

type Columns<'a> = (&'a [(crate::model::name::ColumnName, Strategy)], &'a Places);

fn columns((old, old_places): Columns<'_>, (new, new_places): Columns<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    let written = |places: &Places, key: &str| places.written(key);
    for (column, before) in old {
        let key = format!("columns.{column}");
        let change = |effect, look| Change::new(effect, key.clone(), look).from(written(old_places, &key));
        let Some((_, after)) = new.iter().find(|(other, _)| other == column) else {
            found.push(change(Effect::Weaker, Look::Second).why("stays as it is"));
            continue;
        };
        if before == after {
            continue;
        }
        let (effect, look) = match compare(before, after) {
            Some(Ordering::Less) => (Effect::Stricter, Look::Second),
            Some(Ordering::Greater) => (Effect::Weaker, Look::Second),
            Some(Ordering::Equal) => (Effect::Changed, Look::Enough),
            None => (Effect::Changed, Look::Second),
        };
        found.push(change(effect, look).to(written(new_places, &key)));
    }
    for (column, _) in new.iter().filter(|(column, _)| !old.iter().any(|(other, _)| other == column)) {
        let key = format!("columns.{column}");
        let change = Change::new(Effect::Stricter, key.clone(), Look::Second).to(written(new_places, &key));
        found.push(change.why("is replaced as well"));
    }
    found
}

/// What is left of a value; the less, the greater.
#[derive(PartialEq, PartialOrd)]
enum Left {
    /// An address without its last part.
    Address,
    /// A date without its day.
    Month,
    /// A pseudonym that leads back while the key exists.
    Pseudonym,
    /// Nothing.
    Nothing,
}

/// `None`: parts of a value and pseudonyms of it have no order.
fn compare(old: &Strategy, new: &Strategy) -> Option<Ordering> {
    let (old, new) = (left(old), left(new));
    match (old == Left::Nothing, new == Left::Nothing) {
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (false, false) => (old == new).then_some(Ordering::Equal),
    }
}

fn left(strategy: &Strategy) -> Left {
    match strategy {
        Strategy::Random | Strategy::Null | Strategy::Fixed(_) => Left::Nothing,
        Strategy::Keyed => Left::Pseudonym,
        Strategy::TruncateIp => Left::Address,
        Strategy::TruncateDate => Left::Month,
    }
}
