//! Civil days in a time zone: when a period ends, and which triggers it has ended for.
//!
//! 1. The local date of an instant is the greatest date that the zone's clocks have shown so far. It never goes back,
//!    also where the clock does: one set back across midnight (St John's until 2011) shows a date twice, and its second
//!    showing counts for the later date.
//! 2. The first instant of a day is the least instant whose local date is that day or a later one. It is found, not
//!    assumed: midnight does not exist everywhere, and whole days have been skipped (Apia, 2011-12-30).
//! 3. Hours: due and deadline are the trigger plus the period, exactly.
//! 4. Days, weeks, months, years: let D be the trigger's local date; add the months, clamped to the month's end, then
//!    the days, always from D and never stepwise. Due from the first instant of the day *after* the result: the period
//!    has ended in the sense of Regulation (EEC, Euratom) 1182/71, Art. 3, and BGB §188, with the last hour of its
//!    last day. Deadline at the first instant *of* the result: met under every reading.
//! 5. Zero has the kind it was written in: "0 hours" is due at the trigger, "0 days" from the day after D.
//! 6. A cut-off is the same rule solved for the trigger. It is worked out backwards from the present and never by
//!    trying `due`, so that a sweep can hold the two against each other.

mod compare;
mod error;
mod hours;
mod memo;
mod moment;
mod shift;
mod steps;
mod zone;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Utc};

use super::period::{Civil, DeleteBy, Elapsed, Period, Retain};
use steps::{Listener, Nobody, end_of, showing};
use zone::{Day, Tick, Wall};

pub use compare::Window;
pub use error::ZoneError;
pub use hours::{Hours, NoHours};
pub use memo::Memo;
pub use moment::{Cutoff, Moment, MomentKind};
pub use shift::Shift;
pub use steps::{Showing, Step, Working};
pub use zone::Zone;

/// The calendar of one service: every civil day in its periods begins and ends in this zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Calendar {
    zone: Zone,
}

/// Which of the instants that a moment may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// For the deadline.
    Earliest,
    /// For due.
    Latest,
}

/// The version of the IANA time-zone database that every calendar here is computed with.
pub fn tzdb_version() -> &'static str {
    chrono_tz::IANA_TZDB_VERSION
}

impl Calendar {
    /// The calendar of the service's time zone.
    pub fn new(zone: Zone) -> Calendar {
        Calendar { zone }
    }

    /// The zone whose days these are.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The greatest date that the zone's clocks have shown up to `at`; monotone in `at`.
    ///
    /// Within a day of chrono's first and last date, where the zone may be a day past them, it is that date.
    pub fn local_date(&self, at: DateTime<Utc>) -> NaiveDate {
        self.zone.day(Tick::floor(at)).date().unwrap_or(NaiveDate::MAX)
    }

    /// The least instant whose local date is `date` or later; `None` where chrono cannot represent it.
    ///
    /// A skipped day begins, and ends, at the first instant of the next.
    pub fn first_instant(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        self.first(Day::of(date)).instant()
    }

    /// The first instant that a moment can mean; `None`: beyond the calendar.
    pub fn earliest(&self, moment: &Moment) -> Option<DateTime<Utc>> {
        if let Moment::Instant(at) = moment {
            return Some(*at);
        }
        self.read(moment, Reading::Earliest, &mut Nobody)?.instant()
    }

    /// The instant from which a record with this trigger is due; `None`: beyond the calendar, so never.
    ///
    /// A date with an hour bound is refused when a rule is bound. Should one get here, the hours run from the first
    /// instant of the day *after* the date.
    pub fn due(&self, trigger: &Moment, retain: &Retain) -> Option<DateTime<Utc>> {
        self.due_heard(trigger, retain, &mut Nobody)
    }

    /// The instant from which a record with this trigger, if still there, is overdue; `None`: beyond the calendar.
    ///
    /// A date with an hour bound is refused when a rule is bound. Should one get here, the hours run from the first
    /// instant *of* the date.
    pub fn deadline(&self, trigger: &Moment, delete_by: &DeleteBy) -> Option<DateTime<Utc>> {
        self.deadline_heard(trigger, delete_by, &mut Nobody)
    }

    fn due_heard(
        &self,
        trigger: &Moment,
        retain: &Retain,
        heard: &mut impl Listener,
    ) -> Option<DateTime<Utc>> {
        match retain.period() {
            Period::Elapsed(elapsed) => self.elapsed(trigger, Reading::Latest, elapsed, heard),
            Period::Civil(civil) => {
                let last = end_of(self.day_of(trigger, Reading::Latest, heard)?, civil, heard)?;
                self.opening(last, Day::of(last).next(), heard)
            }
        }
    }

    fn deadline_heard(
        &self,
        trigger: &Moment,
        delete_by: &DeleteBy,
        heard: &mut impl Listener,
    ) -> Option<DateTime<Utc>> {
        match delete_by.period() {
            Period::Elapsed(elapsed) => self.elapsed(trigger, Reading::Earliest, elapsed, heard),
            Period::Civil(civil) => {
                let last = end_of(self.day_of(trigger, Reading::Earliest, heard)?, civil, heard)?;
                self.opening(last, Day::of(last), heard)
            }
        }
    }

    /// The trigger's instant and the period.
    fn elapsed(
        &self,
        trigger: &Moment,
        reading: Reading,
        length: Elapsed,
        heard: &mut impl Listener,
    ) -> Option<DateTime<Utc>> {
        let from = self.read(trigger, reading, heard)?;
        let at = after(from, length)?.instant()?;
        heard.hear(|| Some(Step::Elapsed { from: from.instant()?, length, at, zone: self.zone }));
        Some(at)
    }

    /// The first instant of a day on which, or before which, a period ends.
    fn opening(&self, last: NaiveDate, day: Day, heard: &mut impl Listener) -> Option<DateTime<Utc>> {
        let at = self.first(day).instant()?;
        heard.hear(|| Some(Step::First { last, of: day.date()?, zone: self.zone, at }));
        Some(at)
    }

    /// The bound below which triggers of this kind are due: for each of them, `trigger < cutoff` exactly when
    /// `due(trigger) <= eligible`. `None`: nothing is due.
    pub fn due_cutoff(&self, eligible: DateTime<Utc>, retain: &Retain, kind: MomentKind) -> Option<Cutoff> {
        let now = Tick::floor(eligible);
        match retain.period() {
            Period::Elapsed(elapsed) => Some(self.past(before(now, elapsed)?, kind, Reading::Latest)),
            // The day on which the period ends must itself be over.
            Period::Civil(civil) => {
                let last = last_ending(self.zone.day(now).previous(), civil)?;
                Some(self.past_day(last, kind, Reading::Latest))
            }
        }
    }

    /// The bound below which triggers of this kind are overdue: for each of them, `trigger < cutoff` exactly when
    /// `deadline(trigger) <= late`. `None`: nothing is overdue.
    pub fn deadline_cutoff(
        &self,
        late: DateTime<Utc>,
        delete_by: &DeleteBy,
        kind: MomentKind,
    ) -> Option<Cutoff> {
        let now = Tick::floor(late);
        match delete_by.period() {
            Period::Elapsed(elapsed) => Some(self.past(before(now, elapsed)?, kind, Reading::Earliest)),
            Period::Civil(civil) => {
                let last = last_ending(self.zone.day(now), civil)?;
                Some(self.past_day(last, kind, Reading::Earliest))
            }
        }
    }

    fn first(&self, day: Day) -> Tick {
        self.zone.earliest(day.midnight())
    }

    fn read(&self, moment: &Moment, reading: Reading, heard: &mut impl Listener) -> Option<Tick> {
        let tick = match (moment, reading) {
            (Moment::Instant(at), Reading::Earliest) => Tick::floor(*at),
            (Moment::Instant(at), Reading::Latest) => Tick::ceil(*at),
            (Moment::Local(at, zone), Reading::Earliest) => zone.earliest(Wall::floor(*at)),
            (Moment::Local(at, zone), Reading::Latest) => zone.latest(Wall::ceil(*at)),
            (Moment::Date(NaiveDate::MAX), _) => return None,
            (Moment::Date(date), Reading::Earliest) => self.first(Day::of(*date)),
            (Moment::Date(date), Reading::Latest) => self.first(Day::of(*date).next()),
        };
        if let Moment::Local(shown, zone) = *moment {
            let read =
                || Some(Step::Read { shown, zone, showing: showing(zone, shown), at: tick.instant()? });
            heard.hear(read);
        }
        Some(tick)
    }

    fn day_of(&self, moment: &Moment, reading: Reading, heard: &mut impl Listener) -> Option<NaiveDate> {
        let (day, zone) = match moment {
            Moment::Date(NaiveDate::MAX) => return None,
            Moment::Date(date) => (*date, None),
            Moment::Instant(_) | Moment::Local(..) => {
                (self.zone.day(self.read(moment, reading, heard)?).date()?, Some(self.zone))
            }
        };
        heard.hear(|| Some(Step::Day { day, zone }));
        Some(day)
    }

    /// The bound below which a moment's reading is at or before `until`.
    ///
    /// Beyond the end of the calendar it stands at its very end. chrono's last instant and date-time end in
    /// .999999999, after the last whole microsecond, and its last date is infinity: nothing is left out.
    fn past(&self, until: Tick, kind: MomentKind, reading: Reading) -> Cutoff {
        let instant = |bound: Tick| Cutoff::Instant(bound.instant().unwrap_or(DateTime::<Utc>::MAX_UTC));
        let local = |bound: Wall| Cutoff::Local(bound.date_time().unwrap_or(NaiveDateTime::MAX));
        match (kind, reading) {
            (MomentKind::Instant, _) => instant(Tick(until.0 + 1)),
            (MomentKind::Local(zone), Reading::Earliest) => local(zone.not_begun(until)),
            (MomentKind::Local(zone), Reading::Latest) => local(zone.not_over(until)),
            // A date begins with its first instant, and is over at that of the next.
            (MomentKind::Date, Reading::Earliest) => date_bound(self.zone.day(until).next()),
            (MomentKind::Date, Reading::Latest) => date_bound(self.zone.day(until)),
        }
    }

    /// The bound below which a moment's local date is `last` or before.
    fn past_day(&self, last: NaiveDate, kind: MomentKind, reading: Reading) -> Cutoff {
        let open = Day::of(last).next();
        match kind {
            MomentKind::Instant | MomentKind::Local(_) => {
                self.past(Tick(self.first(open).0 - 1), kind, reading)
            }
            MomentKind::Date => date_bound(open),
        }
    }
}

/// The last day from which a civil period ends on `limit` or before: [`end_of`] solved for its first argument.
///
/// After the days are taken off, months are whole: a start in the month that lies `months` back ends in the limit's own
/// month, on its own day of the month or, clamped, on the month's last. So the last day of a month is reached from
/// every day of the earlier one, and any other day from those up to the same number.
fn last_ending(limit: Day, civil: Civil) -> Option<NaiveDate> {
    if limit < Day::of(NaiveDate::MIN) {
        return None;
    }
    // A period that would end after chrono's last date has no end at all.
    let limit = limit.date().unwrap_or(NaiveDate::MAX).checked_sub_days(Days::new(u64::from(civil.days)))?;
    let months = i64::from(limit.year()) * 12 + i64::from(limit.month0()) - i64::from(civil.months);
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let first = NaiveDate::from_ymd_opt(year, u32::try_from(months.rem_euclid(12) + 1).ok()?, 1)?;
    let length = u32::from(first.num_days_in_month());
    let is_last = limit.day() == u32::from(limit.num_days_in_month());
    first.with_day(if is_last { length } else { limit.day().min(length) })
}

/// `None`: longer than the calendar.
fn after(from: Tick, elapsed: Elapsed) -> Option<Tick> {
    from.0.checked_add(elapsed.length().num_microseconds()?).map(Tick)
}

/// `None`: before the calendar began, in every zone.
fn before(from: Tick, elapsed: Elapsed) -> Option<Tick> {
    let until = Tick(from.0.checked_sub(elapsed.length().num_microseconds()?)?);
    (until >= Day::of(NaiveDate::MIN).previous().midnight_in_utc()).then_some(until)
}

fn date_bound(bound: Day) -> Cutoff {
    Cutoff::Date(bound.date().unwrap_or(NaiveDate::MAX))
}
