//! Rules held against their schedules and promises.

use chrono::TimeDelta;

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
