//! Records that go with a rule's own.

use std::collections::BTreeMap;

use super::pairs::{Pair, pairs};
use super::{Change, Effect, Look, action, content, records};
use crate::model::name::LocalId;
use crate::rules::rule::{Dependent, DependentDataset, Orphans, Rule};

/// One more dependent is wider: more records go. One less is narrower: what it disposed of stays.
pub fn changes(old: &Rule, new: &Rule) -> Vec<Change> {
    let pairs = paired(old, new);
    let names: BTreeMap<&LocalId, &LocalId> = pairs
        .iter()
        .filter_map(|pair| match pair {
            Pair::Both(old, new) | Pair::Renamed(old, new) => Some((&old.id, &new.id)),
            Pair::New(_) | Pair::Removed(_) => None,
        })
        .collect();
    let mut found = Vec::new();
    for pair in pairs {
        let (part, changes) = match pair {
            Pair::Both(before, after) => (&after.id, both((before, old), (after, new), &names)),
            Pair::Renamed(before, after) => {
                let renamed = Change::new(Effect::Renamed, "id", Look::Enough);
                let renamed = renamed.from(before.id.to_string()).to(after.id.to_string());
                let rest = both((before, old), (after, new), &names);
                (&after.id, std::iter::once(renamed).chain(rest).collect())
            }
            Pair::New(after) => {
                let all = Change::new(Effect::Wider, "all", Look::Second).to(words(after));
                (&after.id, vec![all.why("these records now go too")])
            }
            Pair::Removed(before) => {
                let all = Change::new(Effect::Narrower, "all", Look::Second).from(words(before));
                (&before.id, vec![all.why("these records now stay")])
            }
        };
        let part = format!("dependent.{part}");
        found.extend(changes.into_iter().map(|change| match change.key.as_str() {
            "all" => Change { key: part.clone(), ..change },
            _ => change.within(&part),
        }));
    }
    found
}

/// A dependent's content has what hangs on it; its class has a name of its own.
fn paired<'r>(old: &'r Rule, new: &'r Rule) -> Vec<Pair<&'r Dependent>> {
    let all = |dependent: &Dependent| {
        let of =
            [old, new].into_iter().find(|rule| rule.dependents.iter().any(|d| std::ptr::eq(d, dependent)));
        of.map_or(&[][..], |rule| rule.dependents.as_slice())
    };
    pairs(
        old.dependents.iter().collect(),
        new.dependents.iter().collect(),
        |dependent| dependent.id.to_string(),
        |dependent| format!("{} {}", dependent.class, content::dependent(dependent, all(dependent))),
    )
}

fn words(dependent: &Dependent) -> String {
    let action = action::words(&dependent.action);
    format!("{action} of `{}` in `{}`", dependent.dataset.name(), dependent.datastore)
}

type Side<'r> = (&'r Dependent, &'r Rule);

fn both(
    (old, of_old): Side<'_>,
    (new, of_new): Side<'_>,
    names: &BTreeMap<&LocalId, &LocalId>,
) -> Vec<Change> {
    let mut found = Vec::new();
    if let (DependentDataset::Files { orphans: before, .. }, DependentDataset::Files { orphans: after, .. }) =
        (&old.dataset, &new.dataset)
        && before != after
    {
        let (effect, look, why) = match after {
            Orphans::Listed => (Effect::Stricter, Look::Enough, "files without a record are listed"),
            Orphans::Ignored => {
                (Effect::Weaker, Look::Second, "nobody is told of files without a record any more")
            }
        };
        let [before, after] = [old, new].map(|dependent| dependent.places.written("orphans"));
        found.push(Change::new(effect, "orphans", look).from(before).to(after).why(why));
    }
    let contents = [(old, of_old), (new, of_new)].map(|(d, rule)| content::dependent(d, &rule.dependents));
    for key in content::differing(&contents[0], &contents[1]) {
        match key {
            "datastore" => {
                let change = Change::new(Effect::Changed, key, Look::Second);
                found.push(change.from(old.datastore.to_string()).to(new.datastore.to_string()));
            }
            "dataset" => found.extend(dataset(old, new)),
            "action" => found.extend(action::changes((&old.action, &old.places), (&new.action, &new.places))),
            // Each of them is looked at by itself.
            "dependents" => {}
            other => found.push(written(old, new, other, Look::Second)),
        }
    }
    if old.of.as_ref().map(|of| *names.get(of).unwrap_or(&of)) != new.of.as_ref() {
        found.push(written(old, new, "of", Look::Second));
    }
    if old.class != new.class {
        found.push(written(old, new, "class", Look::Enough));
    }
    found
}

fn written(old: &Dependent, new: &Dependent, key: &str, look: Look) -> Change {
    Change::new(Effect::Changed, key, look).from(old.places.written(key)).to(new.places.written(key))
}

fn dataset(old: &Dependent, new: &Dependent) -> Vec<Change> {
    let keys: &[&str] = match (&old.dataset, &new.dataset) {
        (DependentDataset::Files { pattern: before, .. }, DependentDataset::Files { pattern: after, .. }) => {
            return records::pattern(before, after).into_iter().collect();
        }
        (DependentDataset::Rows { .. }, DependentDataset::Rows { .. }) => &["table", "key", "match"],
        (DependentDataset::Keys(_), DependentDataset::Keys(_)) => &["pattern"],
        (DependentDataset::Rows { .. } | DependentDataset::Files { .. } | DependentDataset::Keys(_), _) => {
            let change = Change::new(Effect::Changed, "dataset", Look::Second);
            return vec![change.from(old.dataset.name().to_owned()).to(new.dataset.name().to_owned())];
        }
    };
    let changed = keys.iter().filter(|key| old.places.written(key) != new.places.written(key));
    changed.map(|key| written(old, new, key, Look::Second)).collect()
}
