//! When a rule is swept: cron with seconds, evaluated in UTC.
//!
//! In UTC, because in a zone with daylight saving a daily 02:30 fires not at all on one day and twice on another.

mod open;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use cron::TimeUnitSpec as _;

/// A schedule that fires.
#[derive(Debug, Clone)]
pub struct Schedule {
    written: String,
    cron: cron::Schedule,
    longest_gap: TimeDelta,
}

/// A schedule that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not six fields. A seventh, for years, would make a schedule end while the rule goes on.
    #[error("it has {found} field{}, expected 6: second minute hour day month weekday{}", if *found == 1 { "" } else { "s" }, advice(*found))]
    Fields {
        /// How many it has.
        found: usize,
    },
    /// A field that cron does not understand.
    #[error("it is not a cron expression: {reason}")]
    Cron {
        /// The parser's reason.
        reason: String,
    },
    /// A weekday as a number.
    #[error(
        "the weekday `{written}` is a number, and cron programs disagree whether 1 is Sunday or Monday: write MON"
    )]
    NumberedWeekday {
        /// The field as written.
        written: String,
    },
    /// No such day, such as 30 February.
    #[error("it never fires in 2024–2031")]
    NeverFires,
}

/// The parser shows the text and points into it, on lines of their own; its bounds are the greatest that are allowed.
fn reason(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    last.trim_start_matches('^').replace("must be less than", "must be at most")
}

fn advice(found: usize) -> &'static str {
    match found {
        5 => "; five fields have no second: put `0` in front",
        7 => "; a schedule has no years: it would end while the rule goes on",
        _ => "",
    }
}

/// Eight years hold two leap days and every combination of weekday and date that a schedule can single out yearly.
const FIRST_YEAR: i32 = 2024;
const LAST_YEAR: i32 = 2031;
const DAY: i64 = 86_400;

impl Schedule {
    /// The longest time between two starts over 2024–2031, with those years' ends as if it fired there: what stops
    /// firing has a gap too.
    pub fn longest_gap(&self) -> TimeDelta {
        self.longest_gap
    }

    /// The first start after `instant`; `None` beyond the years that the parser knows, up to 2100.
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.after(&instant).next()
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != 6 {
            return Err(ScheduleError::Fields { found: fields.len() });
        }
        if fields[5].contains(|c: char| c.is_ascii_digit()) {
            return Err(ScheduleError::NumberedWeekday { written: fields[5].to_owned() });
        }
        let cron = cron::Schedule::from_str(text)
            .map_err(|e| ScheduleError::Cron { reason: reason(&e.to_string()) })?;
        let longest_gap = longest_gap(&cron).ok_or(ScheduleError::NeverFires)?;
        Ok(Self { written: text.to_owned(), cron, longest_gap })
    }
}

/// The times of day are the same on every day it fires, so at most 86,400 of them and 2,922 days are looked at, where a
/// schedule of every second has 250 million starts.
fn longest_gap(cron: &cron::Schedule) -> Option<TimeDelta> {
    let times = times_of_day(cron);
    let (first, last) = (*times.first()?, *times.last()?);
    let within_a_day = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);

    let midnight = |day: NaiveDate| i64::from(day.num_days_from_ce()) * DAY;
    let opens = midnight(NaiveDate::from_ymd_opt(FIRST_YEAR, 1, 1)?);
    let closes = midnight(NaiveDate::from_ymd_opt(LAST_YEAR + 1, 1, 1)?);
    if fires_every_day(cron) {
        return Some(TimeDelta::seconds(within_a_day.max(DAY + first - last)));
    }
    let (mut longest, mut previous, mut fired) = (within_a_day, opens, false);
    for day in firing_days(cron) {
        let start = day * DAY;
        longest = longest.max(start + first - previous);
        previous = start + last;
        fired = true;
    }
    fired.then(|| TimeDelta::seconds(longest.max(closes - previous)))
}

/// Most schedules do, and their days need not be looked at: no gap is longer than the one over midnight.
fn fires_every_day(cron: &cron::Schedule) -> bool {
    cron.months().is_all() && cron.days_of_month().is_all() && cron.days_of_week().is_all()
}

/// Seconds since midnight, ascending.
fn times_of_day(cron: &cron::Schedule) -> Vec<i64> {
    let listed = |ordinals: &mut dyn Iterator<Item = u32>| ordinals.map(i64::from).collect::<Vec<i64>>();
    let minutes = listed(&mut cron.minutes().iter());
    let seconds = listed(&mut cron.seconds().iter());
    let mut times = Vec::new();
    for hour in listed(&mut cron.hours().iter()) {
        for minute in &minutes {
            times.extend(seconds.iter().map(|second| hour * 3600 + minute * 60 + second));
        }
    }
    times
}

/// Days of the common era, ascending. Day of month *and* weekday must match, as the `cron` crate has it.
fn firing_days(cron: &cron::Schedule) -> impl Iterator<Item = i64> {
    // Asked once a number instead of once a day: cron's own sets are trees.
    let days: Vec<bool> = (0..=31).map(|n| cron.days_of_month().includes(n)).collect();
    let weekdays: Vec<bool> = (1..=7).map(|n| cron.days_of_week().includes(n)).collect();
    let months = (FIRST_YEAR..=LAST_YEAR)
        .flat_map(|year| (1..=12).filter_map(move |month| NaiveDate::from_ymd_opt(year, month, 1)));
    months.filter(|first| cron.months().includes(first.month())).flat_map(move |first| {
        let (start, weekday) = (i64::from(first.num_days_from_ce()), first.weekday().num_days_from_sunday());
        let fires = |n: &u8| {
            let weekday = (weekday + u32::from(*n)) % 7;
            days[usize::from(*n) + 1] && weekdays[weekday as usize]
        };
        (0..first.num_days_in_month()).filter(fires).map(|n| start + i64::from(n)).collect::<Vec<_>>()
    })
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.cron.timeunitspec_eq(&other.cron)
    }
}

impl Eq for Schedule {}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_gap_is_found() {
        for (text, gap) in [
            ("* * * * * *", TimeDelta::seconds(1)),
            ("0 */15 * * * *", TimeDelta::minutes(15)),
            ("0 */7 * * * *", TimeDelta::minutes(7)),
            ("0 0 3 * * *", TimeDelta::days(1)),
            ("0 0 9,17 * * *", TimeDelta::hours(16)),
            ("0 0 3 * * MON-FRI", TimeDelta::days(3)),
            ("0 0 0 31 * *", TimeDelta::days(61)),
            ("0 0 0 29 2 *", TimeDelta::days(1461)),
        ] {
            assert_eq!(schedule(text).longest_gap(), gap, "{text}");
        }
    }

    #[test]
    fn the_longest_gap_is_the_one_between_the_starts_that_cron_gives() {
        for text in ["0 5/20 1-4 1,15 * *", "30 0 22 * 1-3 SUN,WED", "0 0 12 13 * FRI"] {
            let schedule = schedule(text);
            let opens: DateTime<Utc> = "2023-12-31T23:59:59Z".parse().unwrap();
            let closes: DateTime<Utc> = "2032-01-01T00:00:00Z".parse().unwrap();
            let mut starts = vec![opens + TimeDelta::seconds(1)];
            starts.extend(schedule.cron.after(&opens).take_while(|at| *at < closes));
            starts.push(closes);
            let longest = starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert_eq!(schedule.longest_gap(), longest, "{text}");
        }
    }

    #[test]
    fn what_would_not_fire_as_written_is_refused() {
        let refused = |text: &str| text.parse::<Schedule>().unwrap_err();
        assert_eq!(refused("0 0 0 30 2 *"), ScheduleError::NeverFires);
        assert_eq!(refused("0 0 3 * * 1"), ScheduleError::NumberedWeekday { written: "1".into() });
        assert_eq!(
            refused("0 3 * * *").to_string(),
            "it has 5 fields, expected 6: second minute hour day month weekday; five fields have no second: put `0` in front"
        );
        assert_eq!(
            refused("@daily").to_string(),
            "it has 1 field, expected 6: second minute hour day month weekday"
        );
        assert_eq!(
            refused("0 0 0 1 1 * 2024-2031").to_string(),
            "it has 7 fields, expected 6: second minute hour day month weekday; a schedule has no years: it would end while the \
             rule goes on"
        );
        assert_eq!(
            refused("0 0 25 * * *").to_string(),
            "it is not a cron expression: Hours must be at most 23. ('25' specified.)"
        );
        for wrong in ["*/0 * * * * *", "0 0 5-3 * * *", "0 0 0 L * *"] {
            let said = refused(wrong).to_string();
            assert!(
                said.starts_with("it is not a cron expression: ") && !said.contains(['\n', '^']),
                "{said}"
            );
        }
    }

    #[test]
    fn the_next_start_is_after_the_instant() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let quarterly = schedule("0 */15 * * * *");
        assert_eq!(quarterly.next_after(at("2026-03-01T10:15:00Z")), Some(at("2026-03-01T10:30:00Z")));
        assert_eq!(quarterly.next_after(at("2150-01-01T00:00:00Z")), None, "the parser knows no later years");
        assert_eq!(quarterly, schedule("0 0,15,30,45 * * * *"));
        assert_eq!(quarterly.to_string(), "0 */15 * * * *");
    }
}
