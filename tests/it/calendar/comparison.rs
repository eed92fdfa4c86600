//! Rules held against their schedules and promises.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use expunged::model::calendar::{Calendar, Moment, Shift, Window, Zone};
use expunged::model::period::{DeleteBy, Retain};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::agreement::{periods, zones};
use super::{calendar, date, delete_by, retain};

#[test]
fn between_21_days_and_1_month_the_shortest_window_is_6_days_on_31_january() {
    for zone in ["Europe/Moscow", "UTC"] {
        let window = calendar(zone).shortest_window(&retain("21 days"), &delete_by("1 month"));
        // 2024 is a leap year, and has 7 days.
        assert_eq!((window.length, window.on), (TimeDelta::days(6), date("2025-01-31")), "{zone}");
    }
    // Where the clocks go forward at the end of March, it can be an hour less: 20 to 26 March 2029, over the 25th.
    let window = calendar("Europe/Berlin").shortest_window(&retain("21 days"), &delete_by("1 month"));
    let hours = TimeDelta::days(6) - TimeDelta::hours(1);
    assert_eq!((window.length, window.on), (hours, date("2029-02-26")));
}

#[test]
fn a_window_of_hours_is_the_same_on_every_day() {
    let window = calendar("Europe/Berlin").shortest_window(&retain("0 hours"), &delete_by("24 hours"));
    assert_eq!((window.length, window.on), (TimeDelta::hours(24), date("2024-01-01")));
}

#[test]
fn a_window_is_an_hour_shorter_where_the_clocks_go_forward_in_it() {
    let window = calendar("Europe/Berlin").shortest_window(&retain("1 day"), &delete_by("3 days"));
    // Kept over 30 March, gone by 1 April: between lies the 31st, which had 23 hours.
    assert_eq!((window.length, window.on), (TimeDelta::hours(23), date("2024-03-29")));
}

#[test]
fn a_window_is_negative_where_the_deadline_comes_first() {
    let moscow = calendar("Europe/Moscow");
    let same = moscow.shortest_window(&retain("1 month"), &delete_by("1 month"));
    assert_eq!(same.length, TimeDelta::days(-1));
    // Due the day after, up to a day from now; the deadline an hour from now.
    let mixed = moscow.shortest_window(&retain("0 days"), &delete_by("1 hour"));
    assert_eq!(mixed.length, TimeDelta::hours(-23));
    assert_eq!(
        moscow.shortest_window(&retain("4294967295 days"), &delete_by("1 day")).length,
        TimeDelta::MIN
    );
    assert_eq!(
        moscow.shortest_window(&retain("1 day"), &delete_by("4294967295 days")).length,
        TimeDelta::MAX
    );
}

/// Every microsecond that matters: each minute that the clocks of `zone` show twice, its last microsecond, and the day's own turns.
fn shortest_in_folds(calendar: Calendar, zone: Zone, retain: &Retain, delete_by: &DeleteBy) -> TimeDelta {
    let clocks = Calendar::new(zone);
    let mut shortest = TimeDelta::MAX;
    let noon = date("2024-01-01").and_hms_opt(12, 0, 0).unwrap();
    for days in 0..28 * 365 + 7 {
        let noon = noon + TimeDelta::days(days);
        let length = |at: NaiveDateTime| {
            let next = at + TimeDelta::days(1);
            clocks.earliest(&Moment::Local(next, zone)).unwrap()
                - clocks.earliest(&Moment::Local(at, zone)).unwrap()
        };
        if length(noon) <= TimeDelta::days(1) {
            continue;
        }
        for minutes in 0..24 * 60 {
            for at in [noon, noon - TimeDelta::microseconds(1)] {
                let trigger = Moment::Local(at + TimeDelta::minutes(minutes), zone);
                let due = calendar.due(&trigger, retain).unwrap();
                shortest = shortest.min(calendar.deadline(&trigger, delete_by).unwrap() - due);
            }
        }
    }
    shortest
}

#[test]
fn a_time_that_clocks_show_twice_has_the_shortest_window() {
    let length = |service: &str, clocks: &str, from: &str, to: &str| {
        let (calendar, zone) = (calendar(service), clocks.parse::<Zone>().unwrap());
        let (from, to) = (retain(from), delete_by(to));
        let window = calendar.shortest_window_on_clocks_of(zone, &from, &to).length;
        let elsewhere = calendar.shortest_window(&from, &to).length;
        assert_eq!(
            window,
            elsewhere.min(shortest_in_folds(calendar, zone, &from, &to)),
            "{service} {clocks}"
        );
        window
    };
    let (hours, days) = (TimeDelta::hours, TimeDelta::days);
    // The fold is an hour, and on this station two.
    assert_eq!(length("Etc/UTC", "Europe/Berlin", "0 hours", "24 hours"), hours(23));
    assert_eq!(length("Etc/UTC", "Antarctica/Troll", "0 hours", "24 hours"), hours(22));
    assert_eq!(
        length("Australia/Lord_Howe", "Australia/Lord_Howe", "0 hours", "24 hours"),
        TimeDelta::minutes(23 * 60 + 30)
    );
    // Both are of one day, as both zones count.
    assert_eq!(length("Europe/Berlin", "Europe/Berlin", "6 days", "8 days"), hours(23));
    assert_eq!(length("Etc/UTC", "Etc/UTC", "6 days", "8 days"), days(1));
    // 01:30 in Chicago is 23:30 in Phoenix, or 00:30 of the next day.
    assert_eq!(length("America/Phoenix", "America/Chicago", "6 days", "8 days"), days(0));
    assert_eq!(length("America/Phoenix", "America/Chicago", "6 days", "9 days"), days(1));
    // Of hours and days together.
    length("America/Phoenix", "America/Chicago", "24 hours", "8 days");
    length("America/Phoenix", "America/Chicago", "6 days", "200 hours");
    length("Europe/Moscow", "America/New_York", "1 month", "2 months");
    // Midnight in Darwin comes half an hour into the second showing: due goes a day further from there on, and the last that is shown
    // is the latest of its day.
    let least = TimeDelta::microseconds(1);
    assert_eq!(length("Australia/Darwin", "Pacific/Auckland", "6 days", "200 hours"), hours(31));
    assert_eq!(
        length("Australia/Darwin", "Pacific/Auckland", "24 hours", "8 days"),
        days(6) - TimeDelta::minutes(30) + least
    );
    // Midnight in Puerto Rico comes half an hour into the first: until then the deadline is a day nearer.
    assert_eq!(length("America/Puerto_Rico", "America/St_Johns", "24 hours", "8 days"), hours(143) + least);
    length("Asia/Kathmandu", "Africa/Casablanca", "3 days", "5 days");
    let never = calendar("Etc/UTC").shortest_window_on_clocks_of(
        "Europe/Berlin".parse().unwrap(),
        &retain("1 day"),
        &delete_by("4294967295 days"),
    );
    assert_eq!(never.length, TimeDelta::MAX);
}

#[test]
fn a_deadline_of_1_day_keeps_24_hours_only_where_no_day_is_longer() {
    let (day, hours) = (delete_by("1 day"), delete_by("24 hours"));
    // At the latest 24 hours after the trigger: the first instant of the next day.
    assert_eq!(calendar("Europe/Moscow").first_later_deadline(&day, &hours), None);
    // The day of 25 hours: from its first instant to the next day's is an hour too many.
    assert_eq!(calendar("Europe/Berlin").first_later_deadline(&day, &hours), Some(date("2024-10-27")));
    // And never the other way round: 24 hours run on into the next day.
    for zone in ["Europe/Moscow", "Europe/Berlin"] {
        assert_eq!(calendar(zone).first_later_deadline(&hours, &day), Some(date("2024-01-01")), "{zone}");
    }
}

#[test]
fn a_minimum_of_1_day_keeps_24_hours_only_where_no_day_is_shorter() {
    let (day, hours) = (retain("1 day"), retain("24 hours"));
    assert_eq!(calendar("Europe/Moscow").first_earlier_due(&day, &hours), None);
    // From the last instant of 30 March to the end of the 31st, a day of 23 hours.
    assert_eq!(calendar("Europe/Berlin").first_earlier_due(&day, &hours), Some(date("2024-03-30")));
    for zone in ["Europe/Moscow", "Europe/Berlin"] {
        assert_eq!(calendar(zone).first_earlier_due(&hours, &day), Some(date("2024-01-01")), "{zone}");
    }
}

#[test]
fn a_month_is_neither_30_days_nor_31() {
    let moscow = calendar("Europe/Moscow");
    let later = |rule, promise| moscow.first_later_deadline(&delete_by(rule), &delete_by(promise));
    let earlier = |rule, promise| moscow.first_earlier_due(&retain(rule), &retain(promise));
    assert_eq!(later("28 days", "1 month"), None);
    assert_eq!(later("30 days", "1 month"), Some(date("2024-01-31")));
    assert_eq!(later("1 month", "31 days"), None);
    assert_eq!(later("1 month", "30 days"), Some(date("2024-01-01")));
    assert_eq!(earlier("31 days", "1 month"), None);
    assert_eq!(earlier("30 days", "1 month"), Some(date("2024-01-01")));
    assert_eq!(earlier("1 month", "28 days"), None);
    assert_eq!(earlier("1 month", "29 days"), Some(date("2025-01-31")));
    assert_eq!(earlier("1 month", "30 days"), Some(date("2024-01-31")));
}

#[test]
fn what_lies_beyond_the_calendar_is_later_than_all_within_it() {
    let moscow = calendar("Europe/Moscow");
    let (never, soon) = ("4294967295 days", "1 day");
    assert!(moscow.first_later_deadline(&delete_by(never), &delete_by(soon)).is_some());
    assert!(moscow.first_later_deadline(&delete_by(soon), &delete_by(never)).is_none());
    assert!(moscow.first_later_deadline(&delete_by(never), &delete_by(never)).is_none());
    assert!(moscow.first_earlier_due(&retain(soon), &retain(never)).is_some());
    assert!(moscow.first_earlier_due(&retain(never), &retain(soon)).is_none());
}

/// The first and last microsecond of every local day of 2024–2051: nothing is left out.
fn triggers(calendar: Calendar) -> impl Iterator<Item = (NaiveDate, Moment)> {
    let days = date("2024-01-01").iter_days().take_while(|on| *on <= date("2051-12-31"));
    days.flat_map(move |on| {
        let first = calendar.first_instant(on).unwrap();
        let next = calendar.first_instant(on.succ_opt().unwrap()).unwrap();
        let ends = [first, next - TimeDelta::microseconds(1)];
        ends.into_iter().filter(move |_| first < next).map(move |at| (on, Moment::Instant(at)))
    })
}

fn shortest(calendar: Calendar, retain: &Retain, delete_by: &DeleteBy) -> Window {
    let mut shortest = Window { length: TimeDelta::MAX, on: date("2024-01-01") };
    for (on, trigger) in triggers(calendar) {
        let length = match (calendar.due(&trigger, retain), calendar.deadline(&trigger, delete_by)) {
            (Some(due), Some(deadline)) => deadline - due,
            (Some(_), None) => TimeDelta::MAX,
            (None, _) => TimeDelta::MIN,
        };
        if length < shortest.length {
            shortest = Window { length, on };
        }
    }
    shortest
}

/// Beyond the calendar is after everything within it.
fn compare(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Ordering {
    one.is_none().cmp(&other.is_none()).then(one.cmp(&other))
}

#[track_caller]
fn assert_exhaustive(calendar: Calendar, one: (Retain, DeleteBy), other: (Retain, DeleteBy)) {
    let zone = calendar.zone();
    assert_eq!(
        calendar.shortest_window(&one.0, &one.1),
        shortest(calendar, &one.0, &one.1),
        "{one:?} in {zone}"
    );
    let later = |(_, trigger): &(NaiveDate, Moment)| {
        compare(calendar.deadline(trigger, &one.1), calendar.deadline(trigger, &other.1)) == Ordering::Greater
    };
    let expected = triggers(calendar).find(later).map(|(on, _)| on);
    assert_eq!(calendar.first_later_deadline(&one.1, &other.1), expected, "{one:?}, {other:?} in {zone}");
    let earlier = |(_, trigger): &(NaiveDate, Moment)| {
        compare(calendar.due(trigger, &one.0), calendar.due(trigger, &other.0)) == Ordering::Less
    };
    let expected = triggers(calendar).find(earlier).map(|(on, _)| on);
    assert_eq!(calendar.first_earlier_due(&one.0, &other.0), expected, "{one:?}, {other:?} in {zone}");
}

#[test]
fn what_is_passed_over_is_what_every_single_day_shows() {
    let cases = if cfg!(debug_assertions) { 60 } else { 1000 };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let bounds = || (periods(), periods().prop_filter("no deadline is zero", |p| !p.is_zero()));
    runner
        .run(&(zones(), bounds(), bounds()), |(zone, one, other)| {
            let bounds = |(retain, delete_by)| (Retain::new(retain), DeleteBy::new(delete_by).unwrap());
            assert_exhaustive(Calendar::new(zone), bounds(one), bounds(other));
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_passed_over_is_what_every_single_day_shows_where_it_is_delicate() {
    let table = [
        // Both clamped, one clamped, neither; the same day, and a day apart.
        ("1 month", "1 month", "30 days", "31 days"),
        ("11 months", "1 year", "335 days", "366 days"),
        ("1 month 1 day", "2 months", "59 days", "1 month 28 days"),
        ("12 months", "13 months", "4 years", "48 months 1 day"),
        // Within a day of each other, in either kind.
        ("23 hours", "1 day", "0 days", "24 hours"),
        ("0 days", "24 hours", "25 hours", "1 day"),
        ("744 hours", "1 month", "1 month", "672 hours"),
        ("1 month", "743 hours", "31 days", "745 hours"),
        // Where the periods end after the days that are listed, after the rules for clocks, after the calendar.
        ("12 years", "13 years", "11 years 11 months", "150 months"),
        ("200 years", "201 years", "1753200 hours", "2401 months"),
        ("262000 years", "262100 years", "3145000 months", "95000000 days"),
        ("262000 years", "300000 years", "4294967295 months", "4294967295 days"),
        ("4294967295 months", "1 day", "2562047788015 hours", "2562047788014 hours"),
        ("2562047788015 hours", "1 hour", "1 month", "2562047788015 hours"),
        // The last year of chrono's: within it for some triggers, and beyond for the others.
        ("260090 years", "260100 years", "260091 years", "2279940000 hours"),
        ("260110 years", "1 day", "260105 years", "260110 years"),
    ];
    for (retained, gone, other_retained, other_gone) in table {
        for zone in ["Etc/UTC", "Europe/Berlin", "Africa/Casablanca"] {
            let one = (retain(retained), delete_by(gone));
            assert_exhaustive(calendar(zone), one, (retain(other_retained), delete_by(other_gone)));
        }
    }
}

/// Periods that end within the calendar for the triggers up to 2040, and beyond it for later ones, in both kinds.
#[test]
fn what_is_passed_over_is_what_every_single_day_shows_at_the_calendars_end() {
    let end = DateTime::<Utc>::MAX_UTC - date("2040-06-01").and_time(chrono::NaiveTime::MIN).and_utc();
    let hours = |fewer: i64| format!("{} hours", end.num_hours() - fewer);
    let words = [
        hours(0),
        hours(1),
        hours(24 * 400),
        format!("{} days", end.num_days()),
        format!("{} days", end.num_days() + 1_000),
        "260102 years".to_owned(),
        "260101 years 11 months".to_owned(),
        "1 month".to_owned(),
        "2562047788015 hours".to_owned(),
    ];
    for (one, other) in words.iter().flat_map(|one| words.iter().map(move |other| (one, other))) {
        for zone in ["Europe/Berlin", "Etc/UTC"] {
            let bounds = ((retain(one), delete_by(other)), (retain(other), delete_by(one)));
            assert_exhaustive(calendar(zone), bounds.0, bounds.1);
        }
    }
}

#[test]
fn a_bound_comes_after_another_from_the_first_day_on_which_it_does() {
    let (moscow, utc) = (calendar("Europe/Moscow"), calendar("Etc/UTC"));
    let later = |own: &str, theirs: &str| moscow.deadline_after(&delete_by(own), &moscow, &delete_by(theirs));
    let shift = |on: &str, by: TimeDelta| Some(Shift { on: date(on), by });
    assert_eq!(later("1 month", "1 month"), None);
    assert_eq!(later("1 month", "31 days"), None);
    assert_eq!(later("1 month", "30 days"), shift("2024-01-01", TimeDelta::days(1)));
    assert_eq!(later("30 days", "1 month"), shift("2024-01-31", TimeDelta::days(1)));
    assert_eq!(later("4294967295 days", "1 day"), shift("2024-01-01", TimeDelta::MAX));
    assert_eq!(later("1 day", "4294967295 days"), None);
    assert_eq!(later("4294967295 days", "4294967295 months"), None);
    let due = |own: &str, theirs: &str| moscow.due_after(&retain(own), &moscow, &retain(theirs));
    assert_eq!(due("1 month", "30 days"), shift("2024-01-01", TimeDelta::days(1)));
    assert_eq!(due("30 days", "31 days"), None);
    assert_eq!(due("0 days", "0 hours"), shift("2024-01-01", TimeDelta::days(1)));
    // The same words on two calendars: a day begins three hours earlier in Moscow.
    let day = delete_by("1 day");
    assert_eq!(utc.deadline_after(&day, &moscow, &day), shift("2024-01-01", TimeDelta::hours(3)));
    assert_eq!(moscow.deadline_after(&day, &utc, &day), shift("2024-01-01", TimeDelta::hours(21)));
    // Only in the last hours of the other calendar's day.
    let three = utc.deadline_after(&delete_by("3 hours"), &moscow, &day);
    assert_eq!(three, shift("2024-01-01", TimeDelta::hours(3) - TimeDelta::microseconds(1)));
}
