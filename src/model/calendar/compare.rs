//! Rules held against their schedule and against the promises they keep, over every local day of 2024–2051.
//!
//! Pointwise, because periods of the two kinds have no order of their own: "1 day" ends before "24 hours" on most days
//! and an hour after it on a day of 25 hours. Within one local day a civil bound stands still and an elapsed one moves
//! with the trigger, so the day's first and last instant decide for all between them.
//!
//! Every question is how far, at the least, one bound lies behind another, and from which day on. Months are gone
//! through in order, and every day of a month, unless the month's [`floor`](Comparison::floor) shows that none of its
//! days can lie below what was found before. `tests/it/calendar/comparison.rs` asks `due` and `deadline` about every
//! single day instead, and has to find the same.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};

use super::zone::{DAY, Day, Tick, Wall, Zone};
use super::{Calendar, Moment};
use crate::model::period::{Civil, DeleteBy, Period, Retain};

/// The shortest time in which a rule's records are due and not yet overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From due to the deadline: zero or negative where no sweep can be in time. [`TimeDelta::MAX`] where there is no
    /// deadline within the calendar, [`TimeDelta::MIN`] where a record never becomes due before its deadline.
    pub length: TimeDelta,
    /// The first local day of a trigger for which it is that short.
    pub on: NaiveDate,
}

// 28 years, after which weekdays and leap years repeat.
const FIRST_YEAR: i32 = 2024;
const MONTHS: i64 = 28 * 12;
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(FIRST_YEAR, 1, 1).expect("a date");

impl Calendar {
    /// The shortest window between due and the deadline, over the triggers of 2024–2051.
    ///
    /// For instants and dates; for the times of a wall clock there is [`Self::shortest_window_on_clocks_of`].
    pub fn shortest_window(&self, retain: &Retain, delete_by: &DeleteBy) -> Window {
        let bounds = (Bound::due(retain), Bound::deadline(delete_by));
        // What is never due has no window, whether or not there is a deadline.
        let shortest = Comparison::of(*self, bounds, i64::MIN).below(i64::MAX).last();
        let (length, on) = shortest.unwrap_or((i64::MAX, FIRST));
        let length = match length {
            i64::MIN => TimeDelta::MIN,
            i64::MAX => TimeDelta::MAX,
            microseconds => TimeDelta::microseconds(microseconds),
        };
        Window { length, on }
    }

    /// The same for triggers that say what a wall clock of `zone` showed. In a fold they are due by their later instant and overdue by
    /// their earlier: that takes the length of the fold off the window, and a whole day where these two are of different days here.
    pub fn shortest_window_on_clocks_of(&self, zone: Zone, retain: &Retain, delete_by: &DeleteBy) -> Window {
        let window = |trigger: Moment| {
            let length = match (self.due(&trigger, retain), self.deadline(&trigger, delete_by)) {
                (Some(due), Some(deadline)) => deadline - due,
                (Some(_), None) => TimeDelta::MAX,
                (None, _) => TimeDelta::MIN,
            };
            Some(Window { length, on: self.local_date(self.earliest(&trigger)?) })
        };
        let shortest = self.shortest_window(retain, delete_by);
        let all = self.folded(zone).filter_map(window).chain([shortest]);
        all.min_by_key(|window| (window.length, window.on)).unwrap_or(shortest)
    }

    /// Of the times that the clocks of `zone` show twice, those that decide for all between them: the ends of each fold, and where one
    /// of the two instants comes into another day here.
    fn folded(&self, zone: Zone) -> impl Iterator<Item = Moment> {
        let days = [0, MONTHS].map(|month| Month::at(month).map_or(i64::MAX, |month| month.first));
        zone.folds(Day(days[0])..Day(days[1])).flat_map(move |fold| {
            let [first, last] = fold.instants().map(|at| self.zone.day(at).0);
            let days = (first + 1..=last).map(|day| self.zone.first(Day(day)));
            let turns =
                days.flat_map(|at| fold.offsets.map(|offset| at.0 + offset)).flat_map(|at| [at - 1, at]);
            let shown = [fold.shown.start.0, fold.shown.end.0 - 1].into_iter().chain(turns).map(Wall);
            let shown: Vec<Wall> = shown.filter(|wall| fold.shown.contains(wall)).collect();
            shown.into_iter().filter_map(move |wall| Some(Moment::Local(wall.date_time()?, zone)))
        })
    }

    /// A local day on which the rule's deadline is after the promise's; `None`: the rule is at least as strict.
    pub fn first_later_deadline(&self, rule: &DeleteBy, promise: &DeleteBy) -> Option<NaiveDate> {
        if rule == promise {
            return None;
        }
        let bounds = (Bound::deadline(rule), Bound::deadline(promise));
        Comparison::of(*self, bounds, 0).below(0).next().map(|(_, on)| on)
    }

    /// A local day on which the rule's due is before the promise's; `None`: the rule is at least as strict.
    pub fn first_earlier_due(&self, rule: &Retain, promise: &Retain) -> Option<NaiveDate> {
        if rule == promise {
            return None;
        }
        let bounds = (Bound::due(promise), Bound::due(rule));
        Comparison::of(*self, bounds, 0).below(0).next().map(|(_, on)| on)
    }
}

/// What a period ends with.
#[derive(Clone, Copy)]
enum Bound {
    /// So many microseconds after the trigger; none: more than can be counted.
    After(Option<i64>),
    /// The first instant of a day: so many days after the one on which the period ends.
    FirstOf(Civil, i64),
}

impl Bound {
    fn due(retain: &Retain) -> Bound {
        Bound::of(retain.period(), 1)
    }

    fn deadline(delete_by: &DeleteBy) -> Bound {
        Bound::of(delete_by.period(), 0)
    }

    fn of(period: Period, days_after: i64) -> Bound {
        match period {
            Period::Elapsed(elapsed) => Bound::After(elapsed.length().num_microseconds()),
            Period::Civil(civil) => Bound::FirstOf(civil, days_after),
        }
    }

    /// Whether no month's length makes a difference to it, nor the calendar's end.
    fn is_alike_in_every_month(self) -> bool {
        match self {
            Bound::After(length) => length.is_some_and(|length| length < FAR),
            Bound::FirstOf(civil, _) => civil.months == 0 && civil.days < 1_000_000,
        }
    }

    /// The same for triggers of one month, counted from January 2024.
    fn in_month(self, month: i64) -> Reach {
        let (civil, days_after) = match self {
            Bound::After(length) => return Reach::After(length),
            Bound::FirstOf(civil, days_after) => (civil, days_after),
        };
        // A month beyond the calendar holds no end, however many days are added.
        let Some(ending) = Month::at(month + i64::from(civil.months)) else { return Reach::After(None) };
        let first = ending.first + i64::from(civil.days) + days_after;
        Reach::FirstOf(Days { first, length: ending.length, latest: LAST_DAY + days_after })
    }
}

/// A bound for the triggers of one month.
#[derive(Clone, Copy)]
enum Reach {
    /// See [`Bound::After`].
    After(Option<i64>),
    /// See [`Bound::FirstOf`].
    FirstOf(Days),
}

/// The days that a civil period reaches from the days of one month.
#[derive(Clone, Copy)]
struct Days {
    /// From the month's first day.
    first: i64,
    /// From this day of the month on it is always the same: the month that is reached has no more.
    length: i64,
    /// The last that counts. A period that ends later has no end.
    latest: i64,
}

impl Days {
    fn day(self, of_month: i64) -> i64 {
        self.first + of_month.min(self.length) - 1
    }

    /// Whether it is so from every day of the month, and a day or two to spare for the zone.
    fn is_within(self, month: Month) -> bool {
        self.day(month.length) < self.latest - 2
    }
}

/// A month: its first day, counted from 1970, and how many it has.
#[derive(Clone, Copy)]
struct Month {
    first: i64,
    length: i64,
}

impl Month {
    /// Counted from January 2024; `None`: beyond the calendar.
    fn at(number: i64) -> Option<Month> {
        // Until the end of the century they are looked up, later ones worked out.
        static KNOWN: LazyLock<Vec<Month>> =
            LazyLock::new(|| (0..77 * 12).map_while(Month::work_out).collect());
        let known = usize::try_from(number).ok().and_then(|number| KNOWN.get(number));
        known.copied().or_else(|| Month::work_out(number))
    }

    /// The least of what grows or shrinks evenly over its days, but for these turns.
    fn least(self, turns: [i64; 2], of: impl Fn(i64) -> i64) -> i64 {
        let inner = of(turns[0].min(self.length)).min(of(turns[1].min(self.length)));
        of(1).min(of(self.length)).min(inner)
    }

    fn work_out(number: i64) -> Option<Month> {
        let year = i32::try_from(i64::from(FIRST_YEAR) + number.div_euclid(12)).ok()?;
        let first = NaiveDate::from_ymd_opt(year, u32::try_from(number.rem_euclid(12) + 1).ok()?, 1)?;
        Some(Month { first: Day::of(first).0, length: i64::from(first.num_days_in_month()) })
    }
}

/// The last day that chrono represents.
const LAST_DAY: i64 = NaiveDate::MAX.to_epoch_days() as i64;

/// Two bounds in one zone: how far `to` lies behind `from`.
struct Comparison {
    zone: Zone,
    from: Bound,
    to: Bound,
    /// How far, where neither ever comes.
    never: i64,
    /// See [`Zone::swing`].
    swing: i64,
}

impl Comparison {
    fn of(calendar: Calendar, (from, to): (Bound, Bound), never: i64) -> Comparison {
        Comparison { zone: calendar.zone, from, to, never, swing: calendar.zone.swing() }
    }

    /// Each day on which `to` lies less far behind than `limit` and than on all days before, and how far, in microseconds;
    /// the greatest number where it never comes, the least where only `from` never does.
    fn below(self, limit: i64) -> impl Iterator<Item = (i64, NaiveDate)> {
        let (mut shortest, mut done) = (limit, false);
        let alike = self.from.is_alike_in_every_month() && self.to.is_alike_in_every_month();
        (0..MONTHS).flat_map(move |number| {
            let mut found = Vec::new();
            if done {
                return found;
            }
            let Some(month) = Month::at(number) else { return found };
            let (from, to) = (self.from.in_month(number), self.to.in_month(number));
            if self.floor(month, from, to) >= shortest {
                // The floor of one is that of all.
                done = alike;
                return found;
            }
            for of_month in 1..=month.length {
                let day = Day(month.first + of_month - 1);
                let (first, next) = (self.zone.first(day), self.zone.first(day.next()));
                if first == next {
                    // A skipped day has no triggers.
                    continue;
                }
                for trigger in [first, Tick(next.0 - 1)] {
                    let distance = self.distance(from, to, of_month, trigger);
                    if distance < shortest {
                        shortest = distance;
                        found.extend(day.date().map(|on| (distance, on)));
                    }
                }
            }
            found
        })
    }

    fn distance(&self, from: Reach, to: Reach, of_month: i64, trigger: Tick) -> i64 {
        match (self.tick(from, of_month, trigger), self.tick(to, of_month, trigger)) {
            (Some(from), Some(to)) => to.0 - from.0,
            (Some(_), None) => i64::MAX,
            (None, Some(_)) => i64::MIN,
            (None, None) => self.never,
        }
    }

    /// `None`: beyond the calendar.
    fn tick(&self, reach: Reach, of_month: i64, trigger: Tick) -> Option<Tick> {
        let tick = match reach {
            Reach::After(length) => Tick(trigger.0.checked_add(length?)?),
            Reach::FirstOf(days) => {
                let day = days.day(of_month);
                (day <= days.latest).then(|| self.zone.first(Day(day)))?
            }
        };
        (tick <= Tick::floor(DateTime::<Utc>::MAX_UTC)).then_some(tick)
    }

    /// No day of the month lies below this.
    ///
    /// Between two first instants lie whole days, but for the swing of the zone's clocks, and never less than nothing where
    /// the days are in order. How many grows or shrinks evenly from day to day of the month, and turns only where one of the
    /// two begins to stand still at its own month's end: the least stands at such a turn, or at the first or last day.
    fn floor(&self, month: Month, from: Reach, to: Reach) -> i64 {
        match (from, to) {
            (Reach::After(Some(from)), Reach::After(Some(to))) if from < FAR => to - from,
            (Reach::FirstOf(from), Reach::FirstOf(to)) if from.is_within(month) => {
                let days = month.least([from.length, to.length], |on| to.day(on) - from.day(on));
                let least = days.saturating_mul(DAY) - self.swing;
                if days < 0 { least } else { least.max(0) }
            }
            // From the last microsecond of the day on.
            (Reach::After(Some(from)), Reach::FirstOf(to)) if from < FAR => {
                let days = month.least([to.length; 2], |on| to.day(on) - (month.first + on));
                days.saturating_mul(DAY).saturating_sub(from - 1 + self.swing)
            }
            // To the first microsecond of the day.
            (Reach::FirstOf(from), Reach::After(Some(to))) if from.is_within(month) => {
                let days = month.least([from.length; 2], |on| month.first + on - 1 - from.day(on));
                days.saturating_mul(DAY).saturating_add(to - self.swing)
            }
            // Near the calendar's end, or beyond it.
            (Reach::After(_) | Reach::FirstOf(_), _) => i64::MIN,
        }
    }
}

/// A bound that begins no further behind its trigger comes within the calendar, whatever the trigger's month: 200,000 years.
const FAR: i64 = 200_000 * 366 * DAY;
