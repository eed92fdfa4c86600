//! Bounds, held against each other on every day of the calendar.

use chrono::TimeDelta;

use super::{Change, Effect, Look};
use crate::model::calendar::{Calendar, Shift};
use crate::model::period::{DeleteBy, Retain};
use crate::rules::check::window;

const SAME: &str = "the same instant for every trigger of 2024–2051";

/// A bound and the calendar it is counted on.
#[derive(Clone, Copy, PartialEq)]
pub struct On<B>(pub Calendar, pub B);

/// A deadline: earlier is stricter, later is weaker.
pub fn deadline(key: &str, old: On<DeleteBy>, new: On<DeleteBy>) -> Vec<Change> {
    changes(key, old, new, |old, new| {
        [
            (Effect::Weaker, "later", new.0.deadline_after(&new.1, &old.0, &old.1)),
            (Effect::Stricter, "earlier", old.0.deadline_after(&old.1, &new.0, &new.1)),
        ]
    })
}

/// When a record becomes due: sooner is wider, later is narrower.
pub fn due(key: &str, old: On<Retain>, new: On<Retain>) -> Vec<Change> {
    changes(key, old, new, |old, new| {
        [
            (Effect::Wider, "sooner", old.0.due_after(&old.1, &new.0, &new.1)),
            (Effect::Narrower, "later", new.0.due_after(&new.1, &old.0, &old.1)),
        ]
    })
}

/// A promise's "not before", which its rules have to reach: later is stricter.
pub fn not_before(key: &str, old: On<Retain>, new: On<Retain>) -> Vec<Change> {
    let promised = |change: Change| match change.effect {
        Effect::Wider => Change { effect: Effect::Weaker, ..change },
        Effect::Narrower => Change { effect: Effect::Stricter, look: Look::Enough, ..change },
        Effect::Removed
        | Effect::Weaker
        | Effect::New
        | Effect::Renamed
        | Effect::Stricter
        | Effect::Changed => change,
    };
    due(key, old, new).into_iter().map(promised).collect()
}

/// A bound may be later on some days and earlier on others: then both are said.
fn changes<B: Copy + PartialEq + ToString>(
    key: &str,
    old: On<B>,
    new: On<B>,
    compare: impl Fn(On<B>, On<B>) -> [(Effect, &'static str, Option<Shift>); 2],
) -> Vec<Change> {
    if old == new {
        return Vec::new();
    }
    // The same period on two calendars is told apart by their zones.
    let same = old.1 == new.1;
    let words = |On(calendar, bound): On<B>| {
        let period = bound.to_string();
        if same { format!("{period} ({})", calendar.zone()) } else { period }
    };
    let change = |effect, look| Change::new(effect, key, look).from(words(old)).to(words(new));
    let found = compare(old, new).into_iter().filter_map(|(effect, word, shift)| {
        let Shift { on, by } = shift?;
        let look = match effect {
            Effect::Stricter => Look::Enough,
            // Later due keeps longer, within whatever is promised.
            Effect::Narrower
            | Effect::Removed
            | Effect::Weaker
            | Effect::Wider
            | Effect::New
            | Effect::Renamed
            | Effect::Changed => Look::Second,
        };
        let why = match length(by) {
            Some(by) => format!("{by} {word} for a trigger on {on}"),
            None => format!("without end for a trigger on {on}"),
        };
        Some(change(effect, look).why(why))
    });
    let found: Vec<Change> = found.collect();
    if found.is_empty() && !same {
        return vec![change(Effect::Changed, Look::Enough).why(SAME)];
    }
    found
}

/// The ends of a day are a microsecond apart from the next one's beginning: whole seconds, upwards. `None`: beyond the calendar.
fn length(by: TimeDelta) -> Option<String> {
    let part = by.subsec_nanos();
    let whole = if part == 0 {
        by
    } else {
        by.checked_add(&TimeDelta::nanoseconds(1_000_000_000 - i64::from(part)))?
    };
    (by != TimeDelta::MAX).then(|| window::words(whole))
}
