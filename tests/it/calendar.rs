//! When a period ends: tables at the boundary, then properties, then every date of 131 years.

mod agreement;
mod comparison;
mod every_date;
mod hours;
mod period;
mod steps;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use expunged::model::calendar::{Calendar, Cutoff, Moment, MomentKind, Zone, tzdb_version};
use expunged::model::period::{DeleteBy, Retain};

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

fn calendar(name: &str) -> Calendar {
    Calendar::new(zone(name))
}

fn retain(words: &str) -> Retain {
    Retain::new(words.parse().unwrap())
}

fn delete_by(words: &str) -> DeleteBy {
    DeleteBy::new(words.parse().unwrap()).unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn naive(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn instant(text: &str) -> Moment {
    Moment::Instant(utc(text))
}

/// What a query with this cut-off would select.
fn is_past(trigger: &Moment, cutoff: Option<Cutoff>) -> bool {
    match (trigger, cutoff) {
        (_, None) => false,
        (Moment::Instant(at), Some(Cutoff::Instant(bound))) => *at < bound,
        (Moment::Local(at, _), Some(Cutoff::Local(bound))) => *at < bound,
        (Moment::Date(at), Some(Cutoff::Date(bound))) => *at < bound,
        (trigger, cutoff) => panic!("{cutoff:?} is no bound for {trigger:?}"),
    }
}

/// One second before, at, and one second after: kept, due, due; by the judge and by the cut-off.
#[track_caller]
fn assert_due(calendar: Calendar, trigger: Moment, retain: &Retain, expected: &str) {
    let expected = utc(expected);
    assert_eq!(calendar.due(&trigger, retain), Some(expected), "{trigger:?} + {retain}");
    for (seconds, past) in [(-1, false), (0, true), (1, true)] {
        let now = expected + TimeDelta::seconds(seconds);
        let cutoff = calendar.due_cutoff(now, retain, trigger.kind());
        assert_eq!(is_past(&trigger, cutoff), past, "{trigger:?} + {retain}: {cutoff:?} at {now}");
    }
}

#[track_caller]
fn assert_deadline(calendar: Calendar, trigger: Moment, delete_by: &DeleteBy, expected: &str) {
    let expected = utc(expected);
    assert_eq!(calendar.deadline(&trigger, delete_by), Some(expected), "{trigger:?} + {delete_by}");
    for (seconds, past) in [(-1, false), (0, true), (1, true)] {
        let now = expected + TimeDelta::seconds(seconds);
        let cutoff = calendar.deadline_cutoff(now, delete_by, trigger.kind());
        assert_eq!(is_past(&trigger, cutoff), past, "{trigger:?} + {delete_by}: {cutoff:?} at {now}");
    }
}

#[test]
fn hours_run_from_the_trigger_whatever_the_clocks_do() {
    for (trigger, period, end) in [
        ("2026-03-01T10:00:00Z", "24 hours", "2026-03-02T10:00:00Z"),
        ("2026-03-01T10:00:00.000001Z", "90 minutes", "2026-03-01T11:30:00.000001Z"),
        // Over both changes of 2026.
        ("2026-03-28T12:00:00Z", "24 hours", "2026-03-29T12:00:00Z"),
        ("2026-10-24T12:00:00Z", "24 hours", "2026-10-25T12:00:00Z"),
    ] {
        assert_due(calendar("Europe/Berlin"), instant(trigger), &retain(period), end);
        assert_deadline(calendar("Europe/Berlin"), instant(trigger), &delete_by(period), end);
    }
}

#[test]
fn zero_hours_are_due_at_the_trigger_and_zero_days_the_day_after() {
    let moscow = calendar("Europe/Moscow");
    assert_due(moscow, instant("2026-03-01T10:00:00Z"), &retain("0 hours"), "2026-03-01T10:00:00Z");
    assert_due(moscow, instant("2026-03-01T10:00:00Z"), &retain("0 days"), "2026-03-01T21:00:00Z");
}

#[test]
fn civil_periods_end_with_their_last_day() {
    for (zone, trigger, period, due, deadline) in [
        ("Europe/Moscow", "2026-03-01T10:00:00Z", "21 days", "2026-03-22T21:00:00Z", "2026-03-21T21:00:00Z"),
        // The last second of a local day, and the first of the next.
        ("Europe/Moscow", "2026-03-01T20:59:59Z", "1 day", "2026-03-02T21:00:00Z", "2026-03-01T21:00:00Z"),
        ("Europe/Moscow", "2026-03-01T21:00:00Z", "1 day", "2026-03-03T21:00:00Z", "2026-03-02T21:00:00Z"),
        // Days of 23 and of 25 hours.
        ("Europe/Berlin", "2026-03-28T12:00:00Z", "1 day", "2026-03-29T22:00:00Z", "2026-03-28T23:00:00Z"),
        ("Europe/Berlin", "2026-10-24T12:00:00Z", "1 day", "2026-10-25T23:00:00Z", "2026-10-24T22:00:00Z"),
        // 29 February.
        ("Europe/Berlin", "2024-02-29T12:00:00Z", "1 year", "2025-02-28T23:00:00Z", "2025-02-27T23:00:00Z"),
        ("Europe/Berlin", "2024-02-29T12:00:00Z", "4 years", "2028-02-29T23:00:00Z", "2028-02-28T23:00:00Z"),
        ("Europe/Berlin", "2023-02-28T12:00:00Z", "1 year", "2024-02-28T23:00:00Z", "2024-02-27T23:00:00Z"),
        // The month's end, always from the first day and never stepwise; then the days.
        ("Europe/Berlin", "2026-01-31T12:00:00Z", "1 month", "2026-02-28T23:00:00Z", "2026-02-27T23:00:00Z"),
        ("Europe/Berlin", "2026-01-31T12:00:00Z", "2 months", "2026-03-31T22:00:00Z", "2026-03-30T22:00:00Z"),
        (
            "Europe/Berlin",
            "2026-01-31T12:00:00Z",
            "1 month 1 day",
            "2026-03-01T23:00:00Z",
            "2026-02-28T23:00:00Z",
        ),
        // The clocks of Sao Paulo went from 23:59:59 on 3 November to 01:00 on the 4th.
        (
            "America/Sao_Paulo",
            "2018-11-02T12:00:00Z",
            "1 day",
            "2018-11-04T03:00:00Z",
            "2018-11-03T03:00:00Z",
        ),
        (
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            "1 day",
            "2018-11-05T02:00:00Z",
            "2018-11-04T03:00:00Z",
        ),
        // Apia had no 30 December 2011: it begins, and ends, where the 31st begins.
        ("Pacific/Apia", "2011-12-28T22:00:00Z", "1 day", "2011-12-30T10:00:00Z", "2011-12-29T10:00:00Z"),
        ("Pacific/Apia", "2011-12-28T22:00:00Z", "2 days", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-28T22:00:00Z", "3 days", "2011-12-31T10:00:00Z", "2011-12-30T10:00:00Z"),
        // St John's at 00:01 on 7 November 2010 went back to 23:01 on the 6th; the 7th had begun at 02:30 UTC.
        ("America/St_Johns", "2010-11-05T12:00:00Z", "1 day", "2010-11-07T02:30:00Z", "2010-11-06T02:30:00Z"),
        ("America/St_Johns", "2010-11-07T02:29:59Z", "1 day", "2010-11-08T03:30:00Z", "2010-11-07T02:30:00Z"),
        ("America/St_Johns", "2010-11-07T02:45:00Z", "1 day", "2010-11-09T03:30:00Z", "2010-11-08T03:30:00Z"),
    ] {
        assert_due(calendar(zone), instant(trigger), &retain(period), due);
        assert_deadline(calendar(zone), instant(trigger), &delete_by(period), deadline);
    }
}

#[test]
fn a_local_date_never_goes_back() {
    let st_johns = calendar("America/St_Johns");
    for (at, expected) in [
        ("2010-11-07T02:29:59Z", "2010-11-06"),
        ("2010-11-07T02:30:00Z", "2010-11-07"),
        // From here the clocks show 23:01 on the 6th again.
        ("2010-11-07T02:31:00Z", "2010-11-07"),
        ("2010-11-07T03:29:59Z", "2010-11-07"),
        ("2010-11-08T03:29:59Z", "2010-11-07"),
        ("2010-11-08T03:30:00Z", "2010-11-08"),
    ] {
        assert_eq!(st_johns.local_date(utc(at)), date(expected), "{at}");
    }
}

#[test]
fn the_first_instant_of_a_day_is_found_where_there_is_no_midnight() {
    for (zone, day, expected) in [
        ("Europe/Moscow", "2026-03-01", "2026-02-28T21:00:00Z"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-11-05", "2018-11-05T02:00:00Z"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00:00Z"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z"),
        // Havana shows midnight twice: the first counts.
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
        // Before there were zones, the sun.
        ("Europe/Berlin", "1850-01-01", "1849-12-31T23:06:32Z"),
    ] {
        assert_eq!(calendar(zone).first_instant(date(day)), Some(utc(expected)), "{zone} {day}");
    }
}

#[test]
fn a_moment_begins_with_the_first_instant_that_it_may_mean() {
    let berlin = calendar("Europe/Berlin");
    for (moment, expected) in [
        (instant("2026-03-01T10:00:00.000001Z"), "2026-03-01T10:00:00.000001Z"),
        // Shown twice, and never.
        (Moment::Local(naive("2026-10-25T02:30:00"), berlin.zone()), "2026-10-25T00:30:00Z"),
        (Moment::Local(naive("2026-03-29T02:30:00"), berlin.zone()), "2026-03-29T01:00:00Z"),
        (Moment::Date(date("2026-07-01")), "2026-06-30T22:00:00Z"),
    ] {
        assert_eq!(berlin.earliest(&moment), Some(utc(expected)), "{moment:?}");
    }
    assert_eq!(berlin.earliest(&Moment::Date(NaiveDate::MAX)), None);
}

#[test]
fn the_version_of_the_zones_is_the_databases_own() {
    assert_eq!(tzdb_version(), chrono_tz::IANA_TZDB_VERSION);
}

#[test]
fn a_date_column_is_the_day_itself() {
    let apia = calendar("Pacific/Apia");
    // Also a day that was skipped.
    assert_due(apia, Moment::Date(date("2011-12-30")), &retain("1 day"), "2011-12-31T10:00:00Z");
    assert_deadline(apia, Moment::Date(date("2011-12-30")), &delete_by("1 day"), "2011-12-30T10:00:00Z");
    let berlin = calendar("Europe/Berlin");
    assert_due(berlin, Moment::Date(date("2026-03-28")), &retain("1 month"), "2026-04-28T22:00:00Z");
    assert_deadline(berlin, Moment::Date(date("2026-03-28")), &delete_by("1 month"), "2026-04-27T22:00:00Z");
}

#[test]
fn hours_on_a_date_take_the_latest_reading_for_due_and_the_earliest_for_the_deadline() {
    let berlin = calendar("Europe/Berlin");
    assert_due(berlin, Moment::Date(date("2026-03-28")), &retain("24 hours"), "2026-03-29T23:00:00Z");
    assert_deadline(berlin, Moment::Date(date("2026-03-28")), &delete_by("24 hours"), "2026-03-28T23:00:00Z");
}

#[test]
fn a_naive_time_in_a_fold_is_later_for_due_and_earlier_for_the_deadline() {
    let berlin = calendar("Europe/Berlin");
    let fold = Moment::Local(naive("2026-10-25T02:30:00"), berlin.zone());
    assert_due(berlin, fold, &retain("0 hours"), "2026-10-25T01:30:00Z");
    assert_deadline(berlin, fold, &delete_by("24 hours"), "2026-10-26T00:30:00Z");
    // During the first showing nothing in the fold is due, though the clocks are past half past two.
    let cutoff = berlin.due_cutoff(utc("2026-10-25T00:45:00Z"), &retain("0 hours"), fold.kind());
    assert_eq!(cutoff, Some(Cutoff::Local(naive("2026-10-25T02:00:00"))));
    // During the second all of it is overdue, also what the clocks have yet to show again.
    let cutoff = berlin.deadline_cutoff(utc("2026-10-26T01:15:00Z"), &delete_by("24 hours"), fold.kind());
    assert_eq!(cutoff, Some(Cutoff::Local(naive("2026-10-25T03:00:00"))));
    // The fold of another zone can fall on two days of this one:
    // 23:30 in Scoresbysund is 23:30 on the 24th and 00:30 on the 25th in Cape Verde.
    let cape_verde = calendar("Atlantic/Cape_Verde");
    let fold = Moment::Local(naive("2026-10-24T23:30:00"), zone("America/Scoresbysund"));
    assert_due(cape_verde, fold, &retain("0 hours"), "2026-10-25T01:30:00Z");
    assert_due(cape_verde, fold, &retain("0 days"), "2026-10-26T01:00:00Z");
    assert_deadline(cape_verde, fold, &delete_by("1 hour"), "2026-10-25T01:30:00Z");
    assert_deadline(cape_verde, fold, &delete_by("1 day"), "2026-10-25T01:00:00Z");
}

#[test]
fn a_naive_time_in_a_gap_is_the_instant_of_the_transition() {
    let berlin = calendar("Europe/Berlin");
    for time in ["2026-03-29T02:00:00", "2026-03-29T02:30:00", "2026-03-29T02:59:59.999999"] {
        let gap = Moment::Local(naive(time), berlin.zone());
        assert_due(berlin, gap, &retain("0 hours"), "2026-03-29T01:00:00Z");
        assert_deadline(berlin, gap, &delete_by("24 hours"), "2026-03-30T01:00:00Z");
    }
    // A whole day can be one gap.
    let skipped = Moment::Local(naive("2011-12-30T15:00:00"), zone("Pacific/Apia"));
    assert_due(calendar("Pacific/Apia"), skipped, &retain("0 hours"), "2011-12-30T10:00:00Z");
}

#[test]
fn a_clock_finer_than_a_microsecond_is_read_in_favour_of_safety() {
    let moscow = calendar("Europe/Moscow");
    let fine = instant("2026-03-01T10:00:00.000000001Z");
    assert_eq!(moscow.due(&fine, &retain("0 hours")), Some(utc("2026-03-01T10:00:00.000001Z")));
    assert_eq!(moscow.deadline(&fine, &delete_by("1 hour")), Some(utc("2026-03-01T11:00:00Z")));
}

#[test]
fn what_lies_beyond_the_calendar_is_never_due() {
    let berlin = calendar("Europe/Berlin");
    for words in ["4294967295 months", "4294967295 days", "2562047788015 hours"] {
        for trigger in [instant("2026-03-01T10:00:00Z"), Moment::Date(date("2026-03-01"))] {
            assert_eq!(berlin.due(&trigger, &retain(words)), None);
            assert_eq!(berlin.deadline(&trigger, &delete_by(words)), None);
            let now = DateTime::<Utc>::MAX_UTC;
            assert_eq!(berlin.due_cutoff(now, &retain(words), trigger.kind()), None);
            assert_eq!(berlin.deadline_cutoff(now, &delete_by(words), trigger.kind()), None);
        }
    }
    assert_eq!(berlin.due(&Moment::Date(NaiveDate::MAX), &retain("0 days")), None);
}

#[test]
fn a_zone_is_read_by_its_exact_name_and_a_wrong_one_is_met_with_the_nearest() {
    assert_eq!(zone("Europe/Moscow").to_string(), "Europe/Moscow");
    assert!(format!("{:?}", zone("Europe/Moscow")).contains("Europe/Moscow"));
    assert_ne!(zone("Europe/Moscow"), zone("Europe/Minsk"));
    for (written, nearest) in [
        ("Europe/Moskow", Some("Europe/Moscow")),
        ("europe/berlin", Some("Europe/Berlin")),
        ("Sao Paulo", Some("America/Sao_Paulo")),
        ("St_Johns", Some("America/St_Johns")),
        ("zzzEurope/Moscow", Some("Europe/Moscow")),
        ("zzzzEurope/Moscow", None),
        ("Europe/Mzzzoscow", Some("Europe/Moscow")),
        ("Europe/Mzzzzoscow", None),
        ("Eure/Moscow", Some("Europe/Moscow")),
        ("E/Moscow", None),
        (&format!("{:64}", "Europe/Berlin"), Some("Europe/Berlin")),
        (&format!("{:65}", "Europe/Berlin"), None),
        ("Middle Earth/Rivendell", None),
        ("", None),
    ] {
        assert_eq!(written.parse::<Zone>().unwrap_err().nearest, nearest, "{written}");
    }
    let error = "Europe/Moskow".parse::<Zone>().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "time zone `Europe/Moskow` is not in the IANA database {}: write `Europe/Moscow` if that is meant",
            chrono_tz::IANA_TZDB_VERSION
        )
    );
}

#[test]
fn nothing_ends_before_the_calendars_first_day_and_what_ends_on_it_does() {
    let first = NaiveDate::MIN.and_time(NaiveTime::MIN).and_utc();
    // West of Greenwich it is still the day before, which no date stands for.
    let west = calendar("America/New_York");
    for kind in [MomentKind::Instant, MomentKind::Local(zone("Asia/Tokyo")), MomentKind::Date] {
        assert_eq!(west.deadline_cutoff(first, &delete_by("1 day"), kind), None, "{kind:?}");
    }
    // The first day is over: what is to be kept for none is due.
    let (utc, none) = (calendar("Etc/UTC"), retain("0 days"));
    let over = first + TimeDelta::days(1);
    assert_eq!(
        utc.due_cutoff(over, &none, MomentKind::Date),
        Some(Cutoff::Date(NaiveDate::MIN.succ_opt().unwrap()))
    );
    assert_eq!(utc.due_cutoff(over - TimeDelta::microseconds(1), &none, MomentKind::Date), None);
}

#[test]
fn days_long_ago_begin_when_they_began() {
    // By the sun over Berlin, 53 minutes and 28 seconds ahead.
    let berlin = calendar("Europe/Berlin");
    assert_eq!(berlin.first_instant(date("1850-01-01")), Some(utc("1849-12-31T23:06:32Z")));
    assert_eq!(calendar("Etc/UTC").first_instant(date("1920-06-01")), Some(utc("1920-06-01T00:00:00Z")));
    assert_eq!(
        calendar("Europe/Moscow").first_instant(date("1969-12-31")),
        Some(utc("1969-12-30T21:00:00Z"))
    );
}

/// In Beirut midnight of 25 October 2026 never came the first time: at that instant it was 23 o'clock once more.
#[test]
fn a_day_that_the_clocks_were_about_to_reach_has_not_begun() {
    let beirut = calendar("Asia/Beirut");
    let day = |at: &str| beirut.due_cutoff(utc(at), &retain("0 days"), MomentKind::Date);
    assert_eq!(day("2026-10-24T21:30:00Z"), Some(Cutoff::Date(date("2026-10-24"))));
    assert_eq!(day("2026-10-24T22:00:00Z"), Some(Cutoff::Date(date("2026-10-25"))));
}
