//! The hours in which a datastore may be swept, at their boundaries and where clocks change.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use expunged::model::calendar::{Hours, Zone};
use proptest::prelude::*;

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn hours(from: &str, to: &str, zone: &str) -> Hours {
    Hours::new(time(from), time(to), zone.parse().unwrap()).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn the_first_second_is_open_and_the_last_is_not() {
    for (hours, opens, closes) in [
        (hours("22:00", "06:00", "Europe/Moscow"), "2026-06-01T19:00:00Z", "2026-06-02T03:00:00Z"),
        (hours("00:00", "06:00", "Europe/Moscow"), "2026-05-31T21:00:00Z", "2026-06-01T03:00:00Z"),
        (hours("22:00", "00:00", "Europe/Moscow"), "2026-06-01T19:00:00Z", "2026-06-01T21:00:00Z"),
        (hours("09:30", "17:45", "Asia/Kolkata"), "2026-06-01T04:00:00Z", "2026-06-01T12:15:00Z"),
    ] {
        let (opens, closes, second) = (at(opens), at(closes), TimeDelta::seconds(1));
        for (instant, open) in [
            (opens - second, false),
            (opens, true),
            (opens + second, true),
            (closes - second, true),
            (closes, false),
            (closes + second, false),
        ] {
            assert_eq!(hours.is_open(instant), open, "{hours} at {instant}");
        }
        assert_eq!(hours.opens(opens - second), Some(opens));
        assert_eq!(hours.opens(closes - second), Some(closes - second));
        assert_eq!(hours.opens(closes), Some(opens + TimeDelta::days(1)));
    }
}

#[test]
fn hours_without_a_length_are_refused() {
    let zone: Zone = "Europe/Moscow".parse().unwrap();
    let refused = Hours::new(time("22:00"), time("22:00"), zone).unwrap_err();
    assert_eq!(refused.to_string(), "it begins and ends at 22:00, and lasts no time at all or always");
}

#[test]
fn clocks_that_change_move_the_hours_with_them() {
    for (hours, from, expected) in [
        // Seven hours in spring, nine in autumn.
        (
            hours("22:00", "06:00", "Europe/Berlin"),
            "2026-03-28T12:00:00Z",
            vec!["2026-03-28T21:00:00Z/2026-03-29T04:00:00Z", "2026-03-29T20:00:00Z/2026-03-30T04:00:00Z"],
        ),
        (
            hours("22:00", "06:00", "Europe/Berlin"),
            "2026-10-24T12:00:00Z",
            vec!["2026-10-24T20:00:00Z/2026-10-25T05:00:00Z", "2026-10-25T21:00:00Z/2026-10-26T05:00:00Z"],
        ),
        // Nobody's clock shows half past two in spring.
        (
            hours("02:00", "03:00", "Europe/Berlin"),
            "2026-03-28T12:00:00Z",
            vec!["2026-03-30T00:00:00Z/2026-03-30T01:00:00Z"],
        ),
        (
            hours("02:30", "03:30", "Europe/Berlin"),
            "2026-03-28T12:00:00Z",
            vec!["2026-03-29T01:00:00Z/2026-03-29T01:30:00Z"],
        ),
        // In autumn everybody's shows it twice: without a break, or with one.
        (
            hours("02:00", "03:00", "Europe/Berlin"),
            "2026-10-24T12:00:00Z",
            vec!["2026-10-25T00:00:00Z/2026-10-25T02:00:00Z"],
        ),
        (
            hours("02:15", "02:45", "Europe/Berlin"),
            "2026-10-24T12:00:00Z",
            vec![
                "2026-10-25T00:15:00Z/2026-10-25T00:45:00Z",
                "2026-10-25T01:15:00Z/2026-10-25T01:45:00Z",
                "2026-10-26T01:15:00Z/2026-10-26T01:45:00Z",
            ],
        ),
        // Apia went from the 29th of December to the 31st: a night of eight hours all the same.
        (
            hours("22:00", "06:00", "Pacific/Apia"),
            "2011-12-29T20:00:00Z",
            vec!["2011-12-30T08:00:00Z/2011-12-30T16:00:00Z", "2011-12-31T08:00:00Z/2011-12-31T16:00:00Z"],
        ),
        (
            hours("10:00", "12:00", "Pacific/Apia"),
            "2011-12-29T19:00:00Z",
            vec!["2011-12-29T20:00:00Z/2011-12-29T22:00:00Z", "2011-12-30T20:00:00Z/2011-12-30T22:00:00Z"],
        ),
    ] {
        let openings = hours.openings(at(from)).take(expected.len());
        let shown = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let openings: Vec<String> =
            openings.map(|o| format!("{}/{}", shown(o.start), shown(o.end))).collect();
        assert_eq!(openings, expected, "{hours} from {from}");
    }
}

proptest! {
    /// The same from what the clock on the wall shows.
    #[test]
    fn it_is_open_while_the_clock_shows_one_of_the_hours(
        zone in prop::sample::select(vec![
            "Europe/Berlin", "Europe/Moscow", "Pacific/Apia", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca",
        ]),
        (from, to) in (0u32..1440, 0u32..1440).prop_filter("no length", |(from, to)| from != to),
        seconds in 1_000_000_000i64..2_000_000_000,
    ) {
        let zone: Zone = zone.parse().unwrap();
        let of = |minutes: u32| NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0).unwrap();
        let hours = Hours::new(of(from), of(to), zone).unwrap();
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        let shown = zone.wall_clock(at).time();
        let open = if from < to { of(from) <= shown && shown < of(to) } else { of(from) <= shown || shown < of(to) };
        prop_assert_eq!(hours.is_open(at), open);
        let opens = hours.opens(at).unwrap();
        prop_assert!(opens >= at && hours.is_open(opens));
        prop_assert!(opens == at || !hours.is_open(opens - TimeDelta::seconds(1)));
    }
}
