//! Which records a rule is about: its dataset and its filters.

use super::{Change, Effect, Look};
use crate::model::pattern::Pattern;
use crate::rules::check::filters::{Beyond, beyond};
use crate::rules::digest;
use crate::rules::rule::{Condition, Dataset, Rule, Unless};

/// Another table or another key has no order; a pattern may take in more files, or fewer.
pub fn dataset(old: &Rule, new: &Rule) -> Vec<Change> {
    let keys: &[&str] = match (&old.dataset, &new.dataset) {
        (Dataset::Files(before), Dataset::Files(after))
        | (Dataset::Objects(before), Dataset::Objects(after)) => {
            return pattern(before, after).into_iter().collect();
        }
        (Dataset::Table { .. }, Dataset::Table { .. }) => &["table", "key"],
        (Dataset::Keys(_), Dataset::Keys(_)) => &["pattern"],
        (Dataset::Table { .. } | Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_), _) => {
            let change = Change::new(Effect::Changed, "dataset", Look::Second);
            return vec![change.from(old.dataset.name().to_owned()).to(new.dataset.name().to_owned())];
        }
    };
    keys.iter().filter_map(|key| written(old, new, key)).collect()
}

fn written(old: &Rule, new: &Rule, key: &str) -> Option<Change> {
    let (before, after) = (old.places.written(key), new.places.written(key));
    (before != after).then(|| Change::new(Effect::Changed, key, Look::Second).from(before).to(after))
}

/// Files under another pattern. What columns hold is not known here, so that patterns with columns have no order.
pub fn pattern(old: &Pattern, new: &Pattern) -> Option<Change> {
    if old == new {
        return None;
    }
    let (effect, look) = match (old.glob(), new.glob()) {
        (Some(old), Some(new)) => match (new.includes(&old), old.includes(&new)) {
            // `a/` is `a/**`.
            (true, true) => (Effect::Changed, Look::Enough),
            (true, false) => (Effect::Wider, Look::Second),
            (false, true) => (Effect::Narrower, Look::Second),
            (false, false) => (Effect::Changed, Look::Second),
        },
        (None, _) | (_, None) => (Effect::Changed, Look::Second),
    };
    let change =
        Change::new(effect, "pattern", look).from(old.as_str().to_owned()).to(new.as_str().to_owned());
    Some(if look == Look::Enough { change.why("the same files") } else { change })
}

/// `only`, by what it admits. More are disposed of, or what was disposed of stays: a second look in either case.
pub fn only(old: &Rule, new: &Rule) -> Vec<Change> {
    let change = |effect| {
        let (before, after) = (old.places.written("only"), new.places.written("only"));
        Change::new(effect, "only", Look::Second).from(before).to(after)
    };
    let [more, less] = [(&new.only, &old.only), (&old.only, &new.only)].map(|(a, b)| beyond(a, b));
    let mut found = Vec::new();
    for (effect, word, beyond) in [(Effect::Wider, "takes", more), (Effect::Narrower, "leaves", less)] {
        match beyond {
            Beyond::Nothing => {}
            Beyond::Such(record) => {
                found.push(change(effect).why(format!("now {word} a record whose {record}")));
            }
            // Once is enough.
            Beyond::Unknown if effect == Effect::Narrower => {}
            Beyond::Unknown => {
                found.push(change(Effect::Changed).why(UNKNOWN));
            }
        }
    }
    if found.is_empty() {
        found.push(Change { look: Look::Enough, ..change(Effect::Changed).why("the same records") });
    }
    found
}

const UNKNOWN: &str = "they cannot be compared: too many values, or values that only the column tells apart, such as 1 and \"1\"";

/// `unless`: each one keeps records, so that one more is narrower and one less is wider.
pub fn unless(old: &Rule, new: &Rule) -> Vec<Change> {
    let before: Vec<Kept<'_>> = kept(old).filter(|a| !new.unless.iter().any(|b| same(a.unless, b))).collect();
    let mut after: Vec<Kept<'_>> =
        kept(new).filter(|a| !old.unless.iter().any(|b| same(a.unless, b))).collect();
    let mut found = Vec::new();
    for old in before {
        let change = |effect| Change::new(effect, "unless", Look::Second).from(old.written.clone());
        let rows = |other: &Kept<'_>| {
            other.unless.table == old.unless.table && other.unless.matches == old.unless.matches
        };
        let Some(at) = after.iter().position(rows) else {
            found.push(change(Effect::Wider).why("no longer keeps a record"));
            continue;
        };
        let new = after.remove(at);
        let changed = |effect| change(effect).to(new.written.clone());
        found.extend(
            counted(&old.unless.only, &new.unless.only)
                .into_iter()
                .map(|(effect, why)| changed(effect).why(why)),
        );
    }
    for new in after {
        let change = Change::new(Effect::Narrower, "unless", Look::Second).to(new.written);
        found.push(change.why("keeps records that were disposed of"));
    }
    found
}

/// The rows that count: the more of them, the more records they keep.
fn counted(old: &[Condition], new: &[Condition]) -> Vec<(Effect, String)> {
    let [more, less] = [(new, old), (old, new)].map(|(a, b)| beyond(a, b));
    let mut found = Vec::new();
    for (effect, word, beyond) in [(Effect::Narrower, "now", more), (Effect::Wider, "no longer", less)] {
        match beyond {
            Beyond::Nothing => {}
            Beyond::Such(row) => found.push((effect, format!("a row whose {row} {word} keeps a record"))),
            Beyond::Unknown if effect == Effect::Wider => {}
            Beyond::Unknown => {
                found.push((Effect::Changed, UNKNOWN.to_owned()));
            }
        }
    }
    if found.is_empty() {
        found.push((Effect::Changed, "the same rows".to_owned()));
    }
    found
}

/// One `unless`, and how it is written.
struct Kept<'r> {
    unless: &'r Unless,
    written: Option<String>,
}

fn kept(rule: &Rule) -> impl Iterator<Item = Kept<'_>> {
    rule.unless.iter().enumerate().map(|(at, unless)| {
        // One may stand by itself, without a list.
        let places = &rule.places;
        let written = places.written(&format!("unless.{at}")).or_else(|| places.written("unless"));
        Kept { unless, written }
    })
}

fn same(a: &Unless, b: &Unless) -> bool {
    digest::unless(a) == digest::unless(b)
}
