//! The arithmetic that is shown leads to the bound that is applied.

use chrono::{DateTime, NaiveDate, Utc};
use expunged::model::calendar::{Calendar, Moment, Showing, Step, Working};
use expunged::model::period::{DeleteBy, Period, Retain};
use proptest::prelude::*;

use super::agreement::{any_instant, any_period, instants, kinds, periods, zones};
use super::{calendar, date, delete_by, instant, naive, retain, utc, zone};

/// The instant of the last step, where it is one that gives the bound.
fn last(working: &Working) -> Option<DateTime<Utc>> {
    match working.steps.last()? {
        Step::First { at, .. } | Step::Elapsed { at, .. } => Some(*at),
        Step::Read { .. } | Step::Day { .. } | Step::Months { .. } | Step::Days { .. } => None,
    }
}

/// Each step takes up what the one before it left.
fn holds_together(working: &Working, trigger: Moment, period: Period) {
    let mut day: Option<NaiveDate> = None;
    let mut first: Option<NaiveDate> = None;
    for step in &working.steps {
        match *step {
            Step::Read { shown, zone, .. } => assert_eq!(trigger, Moment::Local(shown, zone)),
            Step::Day { day: d, .. } => (day, first) = (Some(d), Some(d)),
            Step::Months { from, to, .. } => {
                assert_eq!(Some(from), first);
                day = Some(to);
            }
            Step::Days { days, to, .. } => {
                assert_eq!(
                    day.and_then(|day| day.checked_add_days(chrono::Days::new(days.into()))),
                    Some(to)
                );
                day = Some(to);
            }
            Step::First { last, of, .. } => {
                assert_eq!(day, Some(last));
                assert!(of == last || Some(of) == last.succ_opt());
            }
            Step::Elapsed { from, length, at, .. } => {
                assert_eq!(period, Period::Elapsed(length));
                // What lies before chrono's first instant is shown as that one.
                assert!(from == DateTime::<Utc>::MIN_UTC || at - from == length.length());
            }
        }
    }
}

fn check(calendar: Calendar, trigger: Moment, period: Period) {
    let retain = Retain::new(period);
    let due = calendar.due_working(&trigger, &retain);
    assert_eq!(due.end, calendar.due(&trigger, &retain), "{trigger:?} + {period}");
    let mut workings = vec![due];
    if let Ok(delete_by) = DeleteBy::new(period) {
        let deadline = calendar.deadline_working(&trigger, &delete_by);
        assert_eq!(deadline.end, calendar.deadline(&trigger, &delete_by), "{trigger:?} + {period}");
        workings.push(deadline);
    }
    for working in workings {
        // chrono's last day is followed by none that a step could name.
        let breaks_off = matches!(working.steps.last(), Some(Step::Days { to, .. } | Step::Months { to, .. }) if *to == NaiveDate::MAX);
        if !breaks_off {
            assert_eq!(last(&working), working.end, "{trigger:?} + {period}: {working:?}");
        }
        holds_together(&working, trigger, period);
    }
}

proptest! {
    #[test]
    fn the_last_step_is_the_bound(home in zones(), local in zones(), at in instants(), period in periods()) {
        for trigger in kinds(at, local) {
            check(Calendar::new(home), trigger, period);
        }
    }

    #[test]
    fn the_last_step_is_the_bound_at_the_ends_of_the_calendar(
        home in zones(),
        local in zones(),
        at in any_instant(),
        period in any_period(),
    ) {
        for trigger in kinds(at, local) {
            check(Calendar::new(home), trigger, period);
        }
    }
}

fn due(zone: &str, trigger: Moment, words: &str) -> Vec<String> {
    calendar(zone).due_working(&trigger, &retain(words)).lines()
}

#[test]
fn each_step_is_said() {
    assert_eq!(
        due("Europe/Moscow", instant("2026-01-31T20:59:59Z"), "1 month 3 days"),
        [
            "D = 2026-01-31 (Europe/Moscow)",
            "D + 1 month = 2026-02-28 (the month's last day)",
            "D + 1 month 3 days = 2026-03-03",
            "first instant of the next day: 2026-03-04T00:00:00+03:00 = 2026-03-03T21:00:00Z",
        ]
    );
    let deadline = calendar("Europe/Moscow")
        .deadline_working(&Moment::Date(date("2026-01-30")), &delete_by("1 year"))
        .lines();
    assert_eq!(
        deadline,
        [
            "D = 2026-01-30 (the trigger is a date)",
            "D + 1 year = 2027-01-30",
            "first instant of that day: 2027-01-30T00:00:00+03:00 = 2027-01-29T21:00:00Z",
        ]
    );
    assert_eq!(
        due("Europe/Berlin", instant("2026-03-28T23:30:00Z"), "12 hours"),
        ["2026-03-29T00:30:00+01:00 + 12 hours = 2026-03-29T13:30:00+02:00 = 2026-03-29T11:30:00Z"]
    );
}

#[test]
fn days_without_a_midnight_and_days_that_were_skipped_are_said() {
    let havana = due("America/Havana", instant("2026-03-07T12:00:00Z"), "0 days");
    assert_eq!(
        havana.last().unwrap(),
        "first instant of the next day: 2026-03-08T01:00:00-04:00 = 2026-03-08T05:00:00Z (there was no midnight)"
    );
    let apia = due("Pacific/Apia", instant("2011-12-29T12:00:00Z"), "0 days");
    assert_eq!(
        apia.last().unwrap(),
        "first instant of the next day: 2011-12-31T00:00:00+14:00 = 2011-12-30T10:00:00Z (2011-12-30 was skipped there)"
    );
}

#[test]
fn times_that_come_twice_or_never_are_said_for_either_bound() {
    let berlin = || zone("Europe/Berlin");
    let twice = Moment::Local(naive("2026-10-25T02:30:00"), berlin());
    let never = Moment::Local(naive("2026-03-29T02:30:00"), berlin());
    let read = |working: Working| match working.steps[0] {
        Step::Read { showing, at, .. } => (showing, at),
        ref step => panic!("{step:?}"),
    };
    let calendar = calendar("Europe/Berlin");
    for (trigger, showing, first, latest) in [
        (twice, Showing::Twice, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        (never, Showing::Never, "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    ] {
        assert_eq!(read(calendar.due_working(&trigger, &retain("1 hour"))), (showing, utc(latest)));
        assert_eq!(read(calendar.deadline_working(&trigger, &delete_by("1 hour"))), (showing, utc(first)));
    }
    let once = Moment::Local(naive("2026-06-01T02:30:00"), berlin());
    assert_eq!(read(calendar.due_working(&once, &retain("1 hour"))).0, Showing::Once);
}

#[test]
fn what_ends_beyond_the_calendar_breaks_off_and_says_so() {
    let lines = due("Etc/UTC", instant("2026-01-31T20:59:59Z"), "4294967295 months");
    assert_eq!(lines, ["D = 2026-01-31 (Etc/UTC)", "beyond the calendar: never"]);
}

#[test]
fn each_kind_of_step_is_told_where_it_is_taken_and_only_there() {
    let moscow = calendar("Europe/Moscow");
    let trigger = Moment::Instant(utc("2026-01-31T10:00:00Z"));
    let lines = |words: &str| moscow.deadline_working(&trigger, &delete_by(words)).lines();
    let from = "D = 2026-01-31 (Europe/Moscow)";
    let first =
        |day: &str, at: &str| format!("first instant of that day: {day}T00:00:00+03:00 = {at}T21:00:00Z");
    assert_eq!(lines("7 days"), [from, "D + 7 days = 2026-02-07", &first("2026-02-07", "2026-02-06")]);
    assert_eq!(
        lines("1 month"),
        [from, "D + 1 month = 2026-02-28 (the month's last day)", &first("2026-02-28", "2026-02-27")]
    );
    assert_eq!(
        lines("1 month 1 day"),
        [
            from,
            "D + 1 month = 2026-02-28 (the month's last day)",
            "D + 1 month 1 day = 2026-03-01",
            &first("2026-03-01", "2026-02-28")
        ]
    );
}

#[test]
fn an_offset_of_nothing_is_plus_nothing() {
    assert_eq!(zone("Etc/UTC").rfc3339(utc("2026-01-31T10:00:00Z")), "2026-01-31T10:00:00+00:00");
    assert_eq!(zone("America/New_York").rfc3339(utc("2026-01-31T10:00:00Z")), "2026-01-31T05:00:00-05:00");
}
