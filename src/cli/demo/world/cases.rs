//! Lists of cases that every service has.

use chrono::{DateTime, TimeDelta, Utc};

use super::bounds::{Bounds, in_moscow};
use super::{Case, Fate, stamp};

const SECOND: TimeDelta = TimeDelta::seconds(1);
const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// What an empty column means.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Empty {
    /// Nothing has happened yet.
    Normal,
    /// Something went wrong.
    Undated,
}

/// A trigger of the record's own: both sides of each boundary, what is no time, and so many ordinary ones.
pub(super) fn own(bounds: &Bounds, empty: Empty, ordinary: usize) -> Vec<Case> {
    let mut cases = boundaries(bounds);
    cases.extend(no_time(empty));
    cases.extend((0..ordinary).map(|number| match number % 5 {
        0 | 1 if empty == Empty::Normal => Case::new("nothing has happened", Fate::Kept, None),
        2 | 3 => Case::at("due, and in time", Fate::Due, bounds.between(number, ordinary)),
        _ => Case::at("its period runs", Fate::Kept, running(bounds, number)),
    }));
    cases
}

/// Between the boundary and now; where nothing is waited for, just after it.
fn running(bounds: &Bounds, number: usize) -> DateTime<Utc> {
    let span = (bounds.now.eligible - bounds.due).num_seconds().max(2);
    let step = i64::try_from(number).unwrap_or_default() * 104_729 % span;
    bounds.due + SECOND + TimeDelta::seconds(step.max(1))
}

pub(super) fn boundaries(bounds: &Bounds) -> Vec<Case> {
    vec![
        Case::at("due since a second", Fate::Due, bounds.due - SECOND),
        Case::at("due now", Fate::Due, bounds.due),
        Case::at("due a microsecond from now", Fate::Kept, bounds.due + MICROSECOND),
        Case::at("due a second from now", Fate::Kept, bounds.due + SECOND),
        Case::at("minutes before its deadline", Fate::Due, bounds.tight),
        Case::at("a second more than minutes before its deadline", Fate::Due, bounds.tight + SECOND),
        Case::new("due now, written in Moscow time", Fate::Due, Some(in_moscow(bounds.due))),
        Case::new(
            "due in a second, written in Moscow time",
            Fate::Kept,
            Some(in_moscow(bounds.due + SECOND)),
        ),
    ]
}

fn no_time(empty: Empty) -> Vec<Case> {
    let undated = |what, text: &str| Case::new(what, Fate::Undated, Some(text.to_owned()));
    let nothing = match empty {
        Empty::Normal => Case::new("it was taken back", Fate::Kept, None),
        Empty::Undated => Case::new("no time at all", Fate::Undated, None),
    };
    vec![
        nothing,
        undated("empty", ""),
        undated("a zero date", "0000-00-00T00:00:00Z"),
        undated("the epoch itself", "1970-01-01T00:00:00.000000Z"),
        undated("a day that February never has", "2025-02-31T12:00:00.000000Z"),
        undated("a word", "yesterday"),
    ]
}

/// Licences, the latest of which counts: a renewal moves it.
pub(super) fn licences(bounds: &Bounds, ordinary: usize) -> Vec<Case> {
    let late = bounds.now.late;
    let old = bounds.tight - TimeDelta::days(400);
    let several = |what, fate, expiries: &[DateTime<Utc>]| Case {
        what,
        fate,
        triggers: expiries.iter().map(|expiry| Some(stamp(*expiry))).collect(),
    };
    let mut cases = boundaries(bounds);
    cases.extend([
        several("expires now", Fate::Kept, &[bounds.now.eligible]),
        several("expires in a minute and a second", Fate::Kept, &[late + TimeDelta::seconds(61)]),
        several("renewed: one long expired, one running", Fate::Kept, &[old, late + TimeDelta::days(200)]),
        several("renewed, entered in the other order", Fate::Kept, &[late + TimeDelta::days(200), old]),
        several("renewed, and the renewal's period runs", Fate::Kept, &[old, bounds.due + MICROSECOND]),
        several("renewed, and the renewal is due", Fate::Due, &[old, bounds.due - SECOND]),
        several("two side by side, a second tells", Fate::Kept, &[bounds.due, bounds.due + SECOND]),
        Case { what: "registered, never bought", fate: Fate::Kept, triggers: Vec::new() },
    ]);
    let undated = |what, triggers| Case { what, fate: Fate::Undated, triggers };
    cases.extend([
        undated("no expiry", vec![None]),
        undated("an expired licence and one without expiry", vec![Some(stamp(old)), None]),
        undated("an expired licence and an empty expiry", vec![Some(stamp(old)), Some(String::new())]),
        undated("a licence for life", vec![Some(stamp(old)), Some("perpetual".to_owned())]),
    ]);
    cases.extend((0..ordinary).map(|number| {
        let year = TimeDelta::days(365);
        let (what, fate, expiry) = match number % 4 {
            0 | 1 => ("running", Fate::Kept, late + TimeDelta::hours(2 + 7 * hours(number))),
            2 => ("expired, and its period runs", Fate::Kept, running(bounds, number)),
            _ => ("expired, due", Fate::Due, bounds.between(number, ordinary)),
        };
        // One licence a year, the last of which counts.
        let terms = i32::try_from(number % 3).unwrap_or_default();
        several(what, fate, &(0..=terms).rev().map(|back| expiry - year * back).collect::<Vec<_>>())
    }));
    cases
}

fn hours(number: usize) -> i64 {
    i64::try_from(number).unwrap_or_default()
}

/// Erasure requests, the earliest of which counts.
pub(super) fn requests(bounds: &Bounds, ordinary: usize) -> Vec<Case> {
    let mut cases = boundaries(bounds);
    let again = |what, triggers: &[DateTime<Utc>]| Case {
        what,
        fate: Fate::Due,
        triggers: triggers.iter().map(|at| Some(stamp(*at))).collect(),
    };
    cases.extend([
        Case { what: "nobody has asked", fate: Fate::Kept, triggers: Vec::new() },
        again("asked twice: the first counts", &[bounds.tight + SECOND, bounds.due - SECOND]),
        again("asked again while the first is open", &[bounds.due - SECOND, bounds.due + SECOND]),
        Case { what: "a request without a time", fate: Fate::Undated, triggers: vec![None] },
        Case { what: "an empty time", fate: Fate::Undated, triggers: vec![Some(String::new())] },
    ]);
    cases.extend((0..ordinary).map(|number| match number % 4 {
        3 => Case::at("asked, due", Fate::Due, bounds.between(number, ordinary)),
        _ => Case { what: "nobody has asked", fate: Fate::Kept, triggers: Vec::new() },
    }));
    cases
}

/// Daily backups by the date in their names, the youngest an hour old; whole seconds, as a name has them.
pub(super) fn backups(bounds: &Bounds) -> Vec<Case> {
    let name = |at: DateTime<Utc>| Some(at.format("backup-%Y%m%dT%H%M%SZ.tar.zst").to_string());
    let first_kept = bounds.due + MICROSECOND;
    let mut cases = vec![
        Case::new("minutes before its deadline", Fate::Due, name(bounds.tight)),
        Case::new("due since a second", Fate::Due, name(first_kept - SECOND)),
        Case::new("due from its next day on", Fate::Kept, name(first_kept)),
        Case::new("a second into that day", Fate::Kept, name(first_kept + SECOND)),
    ];
    let mut at = bounds.now.eligible - TimeDelta::hours(1);
    while at > bounds.tight + TimeDelta::hours(1) {
        let fate = if at <= bounds.due { Fate::Due } else { Fate::Kept };
        cases.push(Case::new("one a day", fate, name(at)));
        at -= TimeDelta::days(1);
    }
    cases
}
