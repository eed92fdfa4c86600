//! What a schedule comes to where a sweep may run only at some hours.
//!
//! 1. A start while it is closed waits until it opens; however many wait, they are one.
//! 2. A start counts if a whole run ends before it closes: whatever began later is cut off, and may have done nothing.
//! 3. The gap is the longest time between two starts that count, over 2024–2031, with those years' ends as if there were one.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{DAY, FIRST_YEAR, LAST_YEAR, Schedule, firing_days, times_of_day};
use crate::model::opening::OpeningHours;

/// A day and the hours by which any clock has been set back.
const LONGEST_OPENING: TimeDelta = TimeDelta::days(2);

impl Schedule {
    /// The longest time between two starts that have room for a run of this length; `None`: no start has.
    pub fn longest_gap_within(&self, hours: &OpeningHours, run: TimeDelta) -> Option<TimeDelta> {
        if hours.is_always() {
            return Some(self.longest_gap());
        }
        let years = years()?;
        let fires = Fires::of(self);
        let (first_second, last_second) = (years.start.timestamp(), years.end.timestamp());
        let (mut longest, mut previous, mut over, mut counted) = (0, first_second, first_second, false);
        let mut within = BTreeMap::new();
        // What is open at the end of these years closes after it.
        for opening in hours.openings(&(years.start..years.end + LONGEST_OPENING)) {
            let (opens, closes) = (opening.start.timestamp(), opening.end.timestamp());
            if opens >= last_second {
                break;
            }
            let waits = fires.from(over).is_some_and(|fire| fire <= opens);
            over = closes;
            let first = if waits { Some(opens) } else { fires.from(opens) };
            let last_whole = closes.saturating_sub(run.num_seconds());
            let Some(first) = first.filter(|first| *first <= last_whole) else { continue };
            longest = longest.max(first - previous);
            // Within an opening, no two starts are further apart than the schedule's own.
            let own = if self.longest_gap().num_seconds() > longest {
                fires.gap(first, last_whole, &mut within)
            } else {
                (0, fires.until(last_whole).max(first))
            };
            (longest, previous) = (longest.max(own.0), own.1);
            counted = true;
        }
        counted.then(|| TimeDelta::seconds(longest.max(last_second - previous)))
    }
}

fn years() -> Option<Range<DateTime<Utc>>> {
    let first = |year| Some(NaiveDate::from_ymd_opt(year, 1, 1)?.and_time(NaiveTime::MIN).and_utc());
    Some(first(FIRST_YEAR)?..first(LAST_YEAR + 1)?)
}

/// When a schedule fires, in seconds since 1970.
struct Fires {
    /// Ascending.
    days: Vec<i64>,
    /// Seconds since midnight, ascending.
    times: Vec<i64>,
}

impl Fires {
    fn of(schedule: &Schedule) -> Self {
        let epoch = i64::from(DateTime::<Utc>::UNIX_EPOCH.num_days_from_ce());
        let days = firing_days(&schedule.cron).map(|day| day - epoch).collect();
        Self { days, times: times_of_day(&schedule.cron) }
    }

    /// The first at or after an instant.
    fn from(&self, at: i64) -> Option<i64> {
        let (day, time) = (at.div_euclid(DAY), at.rem_euclid(DAY));
        let index = self.days.partition_point(|known| *known < day);
        if self.days.get(index) == Some(&day) {
            let later = self.times.partition_point(|known| *known < time);
            if let Some(time) = self.times.get(later) {
                return Some(day * DAY + time);
            }
            return Some(self.days.get(index + 1)? * DAY + self.times.first()?);
        }
        Some(self.days.get(index)? * DAY + self.times.first()?)
    }

    /// The last at or before an instant; where there is none, the least of numbers.
    fn until(&self, at: i64) -> i64 {
        let (day, time) = (at.div_euclid(DAY), at.rem_euclid(DAY));
        let index = self.days.partition_point(|known| *known <= day);
        let Some(before) = index.checked_sub(1) else { return i64::MIN };
        let same_day = self.days[before] == day;
        let earlier = self.times.partition_point(|known| *known <= time);
        match (same_day, earlier.checked_sub(1), before.checked_sub(1), self.times.last()) {
            (true, Some(index), _, _) => day * DAY + self.times[index],
            (true, None, Some(before), Some(last)) => self.days[before] * DAY + last,
            (false, _, _, Some(last)) => self.days[before] * DAY + last,
            (_, _, _, None) | (true, None, None, _) => i64::MIN,
        }
    }

    /// The longest time between two starts from `first`, which is one, to `last`, and the last of them. The times of day repeat
    /// themselves: `known` keeps what was found for a stretch of them.
    fn gap(&self, first: i64, last: i64, known: &mut BTreeMap<(usize, usize), i64>) -> (i64, i64) {
        let (mut longest, mut at) = (0, first);
        for day in first.div_euclid(DAY)..=last.div_euclid(DAY) {
            let from = self.times.partition_point(|time| day * DAY + time < first);
            let to = self.times.partition_point(|time| day * DAY + time <= last);
            if from >= to || self.days.binary_search(&day).is_err() {
                continue;
            }
            let between = known.entry((from, to)).or_insert_with(|| {
                self.times[from..to].windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
            });
            longest = longest.max(*between).max(day * DAY + self.times[from] - at);
            at = day * DAY + self.times[to - 1];
        }
        (longest, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::calendar::Hours;
    use crate::model::name::DatastoreName;

    fn hours(windows: &[(&str, &str, &str)]) -> OpeningHours {
        let time = |text: &str| text.parse::<NaiveTime>().unwrap();
        let windows: BTreeMap<DatastoreName, Hours> = (0..)
            .zip(windows)
            .map(|(n, (from, to, zone))| {
                let hours = Hours::new(time(from), time(to), zone.parse().unwrap()).unwrap();
                (DatastoreName::new(&format!("d{n}")).unwrap(), hours)
            })
            .collect();
        OpeningHours::of(windows.keys(), |name| windows.get(name).copied())
    }

    const MOSCOW: (&str, &str, &str) = ("22:00:00", "06:00:00", "Europe/Moscow");
    const BERLIN: (&str, &str, &str) = ("22:00:00", "06:00:00", "Europe/Berlin");

    #[test]
    fn a_start_counts_if_a_whole_run_ends_before_it_closes() {
        let gap = |cron: &str, windows: &[(&str, &str, &str)], run| {
            let schedule: Schedule = cron.parse().unwrap();
            schedule.longest_gap_within(&hours(windows), TimeDelta::minutes(run))
        };
        let minutes = |n| Some(TimeDelta::minutes(n));
        // The last quarter of an hour that leaves half of one, and the first of the next night.
        assert_eq!(gap("0 */15 * * * *", &[MOSCOW], 30), minutes(16 * 60 + 30));
        assert_eq!(gap("0 */15 * * * *", &[MOSCOW], 16), minutes(16 * 60 + 30));
        assert_eq!(gap("0 */15 * * * *", &[MOSCOW], 15), minutes(16 * 60 + 15));
        // All starts of a day are one, where it opens, and it may be swept to the end.
        assert_eq!(gap("0 0 12 * * *", &[MOSCOW], 480), minutes(24 * 60));
        assert_eq!(gap("0 0 12 * * *", &[MOSCOW], 481), None);
        // Half past two is missing on one day in March, and an hour earlier from then on.
        assert_eq!(gap("0 0 12 * * *", &[("02:30:00", "03:00:00", "Europe/Berlin")], 30), minutes(47 * 60));
        // In winter both are open from 21:00 to 03:00 in UTC, in summer from 20:00 on.
        assert_eq!(gap("0 0 * * * *", &[MOSCOW, BERLIN], 60), minutes(19 * 60));
        // They never meet.
        assert_eq!(gap("0 0 * * * *", &[MOSCOW, ("10:00:00", "12:00:00", "Europe/Moscow")], 1), None);
        // Without hours it is the schedule's own, however long a run may take.
        assert_eq!(gap("0 0 * * * *", &[], 600_000), minutes(60));
    }

    /// Start by start, as the daemon would give them.
    fn simulated(schedule: &Schedule, hours: &OpeningHours, run: TimeDelta) -> Option<TimeDelta> {
        let years = years().unwrap();
        let openings = hours.openings(&(years.start..years.end + LONGEST_OPENING));
        let fires = schedule.cron.after(&(years.start - TimeDelta::seconds(1)));
        let mut starts: Vec<DateTime<Utc>> =
            fires.take_while(|fire| *fire < years.end).filter_map(|fire| hours.opens(fire)).collect();
        starts.dedup();
        starts.retain(|start| *start < years.end);
        let whole = |start: &DateTime<Utc>| {
            openings.iter().any(|opening| opening.contains(start) && *start + run <= opening.end)
        };
        starts.retain(whole);
        if starts.is_empty() {
            return None;
        }
        let all: Vec<DateTime<Utc>> = [years.start].into_iter().chain(starts).chain([years.end]).collect();
        all.windows(2).map(|pair| pair[1] - pair[0]).max()
    }

    #[test]
    fn the_longest_gap_is_the_one_between_the_starts_that_the_daemon_gives() {
        for cron in ["0 0 12 * * *", "0 0 4 1,15 * *", "0 30 1-3 * * MON-FRI", "0 0 */9 * * SUN"] {
            for windows in [&[MOSCOW][..], &[BERLIN], &[("06:00:00", "05:59:00", "America/St_Johns")]] {
                for run in [1, 120] {
                    let (schedule, run): (Schedule, _) = (cron.parse().unwrap(), TimeDelta::minutes(run));
                    let hours = hours(windows);
                    let simulated = simulated(&schedule, &hours, run);
                    assert_eq!(
                        schedule.longest_gap_within(&hours, run),
                        simulated,
                        "{cron} {windows:?} {run}"
                    );
                }
            }
        }
    }
}
