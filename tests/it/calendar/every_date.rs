//! Every date of 1970–2100 in twelve zones, held against an oracle that shares no code with the calendar: it walks
//! through time hour by hour, asks chrono-tz what the clocks show, and counts months by hand.

use std::thread;

use chrono::{DateTime, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use expunged::model::calendar::{Calendar, Cutoff, Moment, MomentKind, Zone};
use expunged::model::period::{Civil, DeleteBy, Period, Retain};

use super::is_past;

const ZONES: [Tz; 12] = [
    Tz::Africa__Cairo,
    Tz::Africa__Casablanca,
    Tz::America__Havana,
    Tz::America__Sao_Paulo,
    Tz::America__St_Johns,
    Tz::Asia__Gaza,
    Tz::Asia__Tokyo,
    Tz::Australia__Lord_Howe,
    Tz::Europe__Berlin,
    Tz::Europe__Moscow,
    Tz::Pacific__Apia,
    Tz::Pacific__Kwajalein,
];

const MONTHS: [u32; 5] = [1, 3, 6, 12, 13];

/// 1970-01-01 to 2100-12-31, and what 13 months reach from there.
const DATES: usize = 47_847;
const REACHED: usize = DATES + 400;

const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// Day numbers to year, month and day, by counting.
struct Almanac {
    days: Vec<(usize, usize)>,
    months: Vec<(usize, usize)>,
}

impl Almanac {
    fn count() -> Almanac {
        let mut almanac = Almanac { days: Vec::new(), months: Vec::new() };
        for year in 1970.. {
            let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            for length in [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                almanac.months.push((almanac.days.len(), length));
                almanac.days.extend((0..length).map(|day| (almanac.months.len() - 1, day)));
            }
            if almanac.days.len() > REACHED {
                break;
            }
        }
        almanac
    }

    /// Regulation (EEC, Euratom) 1182/71, Art. 3(2)(c): the last day is the one that falls on the same date as the day
    /// of the event, or, where the last month has no such date, that month's last.
    fn last_day(&self, event: usize, months: usize) -> usize {
        let (month, day) = self.days[event];
        let (start, length) = self.months[month + months];
        start + day.min(length - 1)
    }
}

/// What the clocks of one zone showed, day by day since 1970-01-01.
struct Clocks {
    /// When a clock first showed the day or a later one.
    begins: Vec<DateTime<Utc>>,
    /// When a clock last stopped showing the day or an earlier one: the expiry of its last hour.
    expires: Vec<DateTime<Utc>>,
}

impl Clocks {
    fn watch(tz: Tz) -> Clocks {
        let epoch = DateTime::UNIX_EPOCH.timestamp();
        let wall = |second: i64| {
            let utc = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
            let offset = i64::from(tz.offset_from_utc_datetime(&utc).fix().local_minus_utc());
            (offset, second + offset)
        };
        let mut clocks = Clocks {
            begins: vec![DateTime::UNIX_EPOCH; REACHED],
            expires: vec![DateTime::UNIX_EPOCH; REACHED],
        };
        let mut greatest = -1;
        let mut before = wall(epoch - 86_400);
        let mut hour = epoch - 86_400;
        while greatest < i64::try_from(REACHED).unwrap() {
            let after = wall(hour + 3600);
            if before.0 == after.0 {
                let midnight = after.1.div_euclid(86_400) * 86_400 - before.0;
                clocks.shown(before.1, after.1, midnight, &mut greatest);
            } else {
                // The clocks were changed within this hour: go by the minute.
                let mut last = before.1;
                for minute in 1..=60 {
                    let now = wall(hour + minute * 60).1;
                    clocks.shown(last, now, hour + minute * 60, &mut greatest);
                    last = now;
                }
            }
            (hour, before) = (hour + 3600, after);
        }
        clocks
    }

    /// The clocks went from one time to the other; if the date changed forward, it was at this second.
    fn shown(&mut self, from: i64, to: i64, at: i64, greatest: &mut i64) {
        let (from, to) = (from.div_euclid(86_400), to.div_euclid(86_400));
        let at = DateTime::from_timestamp(at, 0).unwrap();
        for day in from..to {
            set(&mut self.expires, day, at);
        }
        for day in *greatest + 1..=to {
            set(&mut self.begins, day, at);
        }
        *greatest = to.max(*greatest);
    }
}

fn set(days: &mut [DateTime<Utc>], day: i64, at: DateTime<Utc>) {
    if let Some(day) = usize::try_from(day).ok().and_then(|day| days.get_mut(day)) {
        *day = at;
    }
}

fn date(day: usize) -> NaiveDate {
    NaiveDate::from_epoch_days(i32::try_from(day).unwrap()).unwrap()
}

/// Runs a check for every zone, on as many threads as there are zones, with what the oracle saw.
fn in_every_zone(check: impl Fn(Tz, Calendar, &Clocks, &Almanac) + Sync) {
    let almanac = &Almanac::count();
    assert_eq!(date(DATES - 1), NaiveDate::from_ymd_opt(2100, 12, 31).unwrap());
    let check = &check;
    thread::scope(|scope| {
        for tz in ZONES {
            scope.spawn(move || check(tz, Calendar::new(Zone::from(tz)), &Clocks::watch(tz), almanac));
        }
    });
}

#[test]
fn a_period_in_months_is_due_when_the_last_hour_of_its_last_day_has_expired() {
    in_every_zone(|tz, calendar, clocks, almanac| {
        for months in MONTHS {
            let retain = Retain::new(Period::Civil(Civil { months, days: 0 }));
            let mut latest = DateTime::UNIX_EPOCH;
            for day in 0..DATES {
                let (begins, ends) = (clocks.begins[day], clocks.begins[day + 1]);
                let last_day = almanac.last_day(day, months as usize);
                let due = calendar.due(&Moment::Date(date(day)), &retain).unwrap();
                assert_eq!(due, clocks.begins[last_day + 1], "{tz} {} + {months} months", date(day));
                assert!(latest <= due, "{tz} {} + {months} months: due before the day before", date(day));
                latest = due;
                if begins < ends {
                    for trigger in [begins, ends - MICROSECOND].map(Moment::Instant) {
                        assert_eq!(
                            calendar.due(&trigger, &retain),
                            Some(due),
                            "{tz} {trigger:?} + {months} months"
                        );
                    }
                }
                // A day that had ended is not opened again by a clock set back over midnight: the one place where due
                // is before the last time that the last day's date was shown, by the length of the fold (two hours
                // in 1988).
                let early = clocks.expires[last_day] - due;
                let set_back_over_midnight =
                    tz == Tz::America__St_Johns && date(last_day).to_string().as_str() < "2011";
                assert!(
                    early <= TimeDelta::zero() || (set_back_over_midnight && early <= TimeDelta::hours(2)),
                    "{tz} {} + {months} months: early by {early}",
                    date(day)
                );
            }
        }
    });
}

#[test]
fn the_cutoff_and_the_decision_agree_on_every_date() {
    in_every_zone(|tz, calendar, clocks, almanac| {
        for months in MONTHS {
            let period = Period::Civil(Civil { months, days: 0 });
            let (retain, delete_by) = (Retain::new(period), DeleteBy::new(period).unwrap());
            let due = |day: usize| clocks.begins[almanac.last_day(day, months as usize) + 1];
            let deadline = |day: usize| clocks.begins[almanac.last_day(day, months as usize)];
            for day in 1..DATES - 1 {
                for now in [due(day) - MICROSECOND, due(day)] {
                    let cutoff = |kind| calendar.due_cutoff(now, &retain, kind);
                    let past = |day| due(day) <= now;
                    agree(tz, clocks, day, cutoff(MomentKind::Instant), cutoff(MomentKind::Date), past);
                }
                for now in [deadline(day) - MICROSECOND, deadline(day)] {
                    let cutoff = |kind| calendar.deadline_cutoff(now, &delete_by, kind);
                    let past = |day| deadline(day) <= now;
                    agree(tz, clocks, day, cutoff(MomentKind::Instant), cutoff(MomentKind::Date), past);
                }
            }
        }
    });
}

/// The instants at and one microsecond around the day's first, and the dates around it.
fn agree(
    tz: Tz,
    clocks: &Clocks,
    day: usize,
    instants: Option<Cutoff>,
    dates: Option<Cutoff>,
    past: impl Fn(usize) -> bool,
) {
    let begins = clocks.begins[day];
    for near in day - 1..=day + 1 {
        let trigger = Moment::Date(date(near));
        assert_eq!(is_past(&trigger, dates), past(near), "{tz} {trigger:?}, cut-off {dates:?}");
    }
    // A skipped day has no instants: what begins there is the next.
    let skipped = |day: usize| clocks.begins[day] == clocks.begins[day + 1];
    if skipped(day) || skipped(day - 1) {
        return;
    }
    for (at, of) in [(begins - MICROSECOND, day - 1), (begins, day), (begins + MICROSECOND, day)] {
        let trigger = Moment::Instant(at);
        assert_eq!(is_past(&trigger, instants), past(of), "{tz} {trigger:?}, cut-off {instants:?}");
    }
}

/// The calendar finds changes of offset by looking once a day from 1800 to 2200. This guards the two assumptions
/// behind that against a new time-zone database.
#[test]
fn no_zone_changes_its_clocks_twice_within_six_days_or_outside_four_centuries() {
    let offset = |tz: Tz, at: DateTime<Utc>| tz.offset_from_utc_datetime(&at.naive_utc()).fix();
    let year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN).and_utc();
    let check = |tz: Tz| {
        for (one, other) in [(-200_000, 1000), (1000, 1800), (2200, 3000), (3000, 200_000)] {
            assert_eq!(
                offset(tz, year(one)),
                offset(tz, year(other)),
                "{tz} changed between {one} and {other}"
            );
        }
        // Six hours, for time's sake; the closest two changes known are just under seven days apart.
        let (step, mut at, mut changed) = (TimeDelta::hours(6), year(1960), year(1950));
        let mut before = offset(tz, at);
        while at < year(2100) {
            at += step;
            let now = offset(tz, at);
            if now != before {
                assert!(at - changed > TimeDelta::days(6) + step, "{tz} changed on {changed} and on {at}");
                (before, changed) = (now, at);
            }
        }
    };
    thread::scope(|scope| {
        for zones in TZ_VARIANTS.chunks(TZ_VARIANTS.len() / 4) {
            scope.spawn(move || zones.iter().copied().for_each(check));
        }
    });
}
