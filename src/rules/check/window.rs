//! Whether sweeps come often enough: `2·G + R` fits into the shortest window between due and deadline.
//!
//! A record may become due just after a sweep began (one gap G until the next starts), that sweep may fail (a second
//! gap), and the one after it may take its whole run cap R. A start waits for the run before it, so that G is R at the least. Where
//! datastores have hours, a start counts once all are open, and if they stay open for R.

use chrono::TimeDelta;

use crate::diagnostic::{Code, Diagnostic, counted};
use crate::model::calendar::Window;
use crate::model::datastore::Defaults;
use crate::model::opening::OpeningHours;
use crate::model::schedule::Schedule;
use crate::rules::rule::Rule;

/// The comparison in figures, or the finding where it does not hold.
pub fn fits(rule: &Rule, defaults: &Defaults) -> Result<String, Diagnostic> {
    let (window, run) = (shortest(rule), defaults.run_cap);
    let hours = defaults.opening(rule.datastores());
    let Some(gap) = defaults.longest_gap(rule.datastores(), &rule.schedule) else {
        return Err(no_run(rule, &hours, run));
    };
    let needed = needed(gap, run);
    let sum = format!("2 × {} + {}", words(gap), words(run));
    let only = if hours.is_always() { String::new() } else { format!("; swept only in {hours}") };
    if needed <= window.length {
        return Ok(format!("{sum} ≤ shortest window {} on {}{only}", words(window.length), window.on));
    }
    let message = format!(
        "sweeps of rule `{}` cannot meet the deadline: shortest window {} on {}, needed {sum}{only}",
        rule.id.local,
        words(window.length),
        window.on
    );
    let (key, help) = remedy(rule, window, &hours, run);
    let key = if rule.places.has(key) { key } else { "delete_by" };
    Err(Diagnostic::error(Code::WindowTooShort, rule.places.of(key), message, help))
}

/// Whether a third gap would fit as well: one more sweep may fail, and the deadline is met all the same. False where no start has room
/// for a run.
pub fn has_a_gap_to_spare(rule: &Rule, defaults: &Defaults) -> bool {
    let gap = defaults.longest_gap(rule.datastores(), &rule.schedule);
    gap.and_then(|gap| needed(gap, defaults.run_cap).checked_add(&gap))
        .is_some_and(|needed| needed <= shortest(rule).length)
}

/// What cannot be counted fits into nothing but a window without end.
fn needed(gap: TimeDelta, run: TimeDelta) -> TimeDelta {
    gap.checked_mul(2).and_then(|gaps| gaps.checked_add(&run)).unwrap_or(TimeDelta::MAX)
}

fn no_run(rule: &Rule, hours: &OpeningHours, run: TimeDelta) -> Diagnostic {
    let message = format!(
        "sweeps of rule `{}` cannot meet the deadline: no start has room for a run of {}; swept only in {hours}",
        rule.id.local,
        words(run)
    );
    let help = "widen the `window` of the datastore, lower `defaults.run_cap`, or start while there is time left in it";
    let key = if rule.places.has("datastore") { "datastore" } else { "delete_by" };
    Diagnostic::error(Code::WindowTooShort, rule.places.of(key), message, help)
}

/// The shortest time between due and deadline, however its trigger tells the time.
pub fn shortest(rule: &Rule) -> Window {
    let (calendar, retain, delete_by) = (rule.calendar, &rule.retain, &rule.delete_by);
    match rule.trigger.reading.time_zone {
        None => calendar.shortest_window(retain, delete_by),
        Some(zone) => calendar.shortest_window_on_clocks_of(zone, retain, delete_by),
    }
}

/// What to change: no schedule helps where even one run does not fit, or where it is the hours that are too few.
fn remedy(rule: &Rule, window: Window, hours: &OpeningHours, run: TimeDelta) -> (&'static str, String) {
    if needed(run, run) > window.length && window.length > TimeDelta::minutes(3) {
        return (
            "delete_by",
            format!(
                "lower `defaults.run_cap` to at most {}: a start waits for the run before it",
                words(window.length / 3)
            ),
        );
    }
    let room = window.length.checked_sub(&run).unwrap_or_default().max(TimeDelta::zero()) / 2;
    // The best that any schedule comes to: a start whenever it is open.
    let best = always().and_then(|schedule| schedule.longest_gap_within(hours, run));
    if !hours.is_always() && best.is_none_or(|gap| needed(gap, run) > window.length) {
        let help = "no schedule does: widen the `window` of the datastore, or lengthen `delete_by`";
        return ("datastore", help.to_owned());
    }
    if room > TimeDelta::minutes(1) {
        return (
            "schedule",
            format!("start a sweep at least every {}, or lower `defaults.run_cap`", words(room)),
        );
    }
    let help = format!(
        "due after {} and overdue after {} leave no time between them; lengthen `delete_by` (a civil bound ends with \
         the first instant of its day, an elapsed one with the hour)",
        rule.retain, rule.delete_by
    );
    ("delete_by", help)
}

/// A start at every second.
fn always() -> Option<Schedule> {
    "* * * * * *".parse().ok()
}

/// A length in figures: whole days from two days up, else hours, minutes, seconds.
pub fn words(length: TimeDelta) -> String {
    if length == TimeDelta::MAX {
        return "without end".to_owned();
    }
    if length <= TimeDelta::zero() {
        return "none".to_owned();
    }
    let seconds = length.num_seconds();
    let days = if seconds >= 172_800 { seconds / 86_400 } else { 0 };
    let rest = seconds - days * 86_400;
    let parts = [(days, "day"), (rest / 3600, "hour"), (rest / 60 % 60, "minute"), (rest % 60, "second")];
    let written: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| counted(*n, unit)).collect();
    if written.is_empty() { "under a second".to_owned() } else { written.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_exact_and_short() {
        for (length, text) in [
            (TimeDelta::hours(24), "24 hours"),
            (TimeDelta::hours(144), "6 days"),
            (TimeDelta::minutes(49 * 60 + 30), "2 days 1 hour 30 minutes"),
            (TimeDelta::nanoseconds(1), "under a second"),
            (TimeDelta::zero(), "none"),
            (TimeDelta::MIN, "none"),
            (TimeDelta::MAX, "without end"),
        ] {
            assert_eq!(words(length), text);
        }
    }
}
