//! How long due records have waited, and how they stand to the rule's bound and to its promises'.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ledger::entry::{Bound, Ceilings, MINUTE, Timing, Waited, floor};
use crate::ledger::error::NameError;
use crate::ledger::name::PromiseName;
use crate::model::calendar::{Calendar, Memo};
use crate::model::name::PromiseId;
use crate::model::now::Now;
use crate::rules::decide::{Due, Times};
use crate::rules::rule::{Promised, Rule};

use super::Report;

/// How records stand to the bounds that a rule has to keep: its own, and its promises'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    calendar: Calendar,
    /// The clock that decides what is overdue.
    late: DateTime<Utc>,
    own: Tally,
    promised: Vec<Promise>,
}

/// A promise that the rule keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Promise {
    id: PromiseId,
    /// None: that of the rule.
    deadline: Option<Memo>,
    tally: Tally,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    late: u64,
    /// Of those that are not late, the first deadline.
    next: Option<DateTime<Utc>>,
    /// Whether that of some is beyond the calendar.
    beyond: bool,
}

impl Standing {
    /// Of no records yet; `late`: the clock that decides what is overdue.
    pub(super) fn new(rule: &Rule, late: DateTime<Utc>) -> Self {
        let promise = |promised: &Promised| Promise {
            id: promised.promise.clone(),
            deadline: (promised.no_later_than != rule.delete_by)
                .then(|| Memo::deadline(rule.calendar, promised.no_later_than)),
            tally: Tally::default(),
        };
        let promised = rule.promised.iter().map(promise).collect();
        Self { calendar: rule.calendar, late, own: Tally::default(), promised }
    }

    pub(super) fn add(&mut self, times: &Times) {
        self.own.add(Some(times.deadline), self.late);
        for Promise { deadline, tally, .. } in &mut self.promised {
            let deadline = deadline.as_mut().map_or(Some(times.deadline), |bound| bound.of(&times.trigger));
            tally.add(deadline, self.late);
        }
    }

    /// As the ledger says it.
    pub(super) fn bounds(&self) -> Result<Vec<Bound>, NameError> {
        let own = std::iter::once((None, &self.own));
        let all = own.chain(self.promised.iter().map(|promise| (Some(&promise.id), &promise.tally)));
        let bound = |(name, tally): (Option<&PromiseId>, &Tally)| {
            Ok(Bound {
                promise: name.map(|name| PromiseName::parse(name.as_str())).transpose()?,
                late: tally.late,
                margin: tally.margin(self.late).map(floor),
            })
        };
        all.map(bound).collect()
    }
}

impl Tally {
    fn add(&mut self, deadline: Option<DateTime<Utc>>, late: DateTime<Utc>) {
        match deadline {
            Some(deadline) if deadline <= late => self.late += 1,
            Some(deadline) => self.next = least(self.next, Some(deadline)),
            None => self.beyond = true,
        }
    }

    /// What is left to the first deadline that has not passed, in seconds; none: all are late.
    fn margin(&self, late: DateTime<Utc>) -> Option<u64> {
        let left = self.next.map(|next| minute(next) - late.timestamp() - begun(late));
        left.or(self.beyond.then_some(i64::MAX)).map(storable)
    }
}

/// How long records had waited when they went, for the report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Waits {
    /// Past their deadline.
    overdue: u64,
    /// By how many seconds, rounded up to two digits: so many records.
    lateness: BTreeMap<u64, u64>,
    /// Of the others, the longest wait.
    worst: Option<TimeDelta>,
    /// Of the others, what was left to the deadline at the least.
    least: Option<TimeDelta>,
}

impl Waits {
    pub(super) fn of(due: &[Due], now: Now) -> Self {
        let (mut overdue, mut lateness) = (0, Ceilings::default());
        let (mut first, mut next) = (None, None);
        for record in due {
            let times = record.times();
            if times.deadline <= now.late {
                overdue += 1;
                lateness.add((now.late - times.deadline).num_seconds().unsigned_abs());
                continue;
            }
            first = least(first, Some(times.due));
            next = least(next, Some(times.deadline));
        }
        Self {
            overdue,
            lateness: lateness.counts(),
            worst: first.map(|due| (now.eligible - due).max(TimeDelta::zero())),
            least: next.map(|deadline| deadline - now.late),
        }
    }
}

/// The lesser of those that there are.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

impl Report {
    /// Adds those of records that went.
    pub(super) fn add(&mut self, waits: &Waits) {
        self.overdue += waits.overdue;
        for (late, n) in &waits.lateness {
            *self.lateness.entry(*late).or_default() += n;
        }
        self.worst_wait = self.worst_wait.max(waits.worst);
        self.least_margin = least(self.least_margin, waits.least);
    }
}

/// Of the records of a batch, whose intent is drawn up at this instant of the host's clock.
pub(super) fn timing(mut standing: Standing, due: &[Due], at: DateTime<Utc>) -> Result<Timing, NameError> {
    let mut waited = Ceilings::default();
    for record in due {
        let times = record.times();
        let since = standing.calendar.earliest(&times.trigger).unwrap_or(times.due);
        let wait = at.timestamp() - minute(since);
        waited.add(storable(wait + begun(at)).max(MINUTE));
        standing.add(&times);
    }
    let waited = waited.counts().into_iter().map(|(within, n)| Waited { within, n }).collect();
    Ok(Timing { at, waited, bounds: standing.bounds()? })
}

/// The beginning of its minute, in seconds since 1970 (UTC). A length is measured from there, never from the instant itself: rounded from a now that
/// moves, a record measured often enough would be told by the lengths that its rounding changes at.
fn minute(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60) * 60
}

/// One where a second has begun that is not over.
fn begun(at: DateTime<Utc>) -> i64 {
    i64::from(at.timestamp_subsec_nanos() > 0)
}

/// Before zero is zero; the end of time is a number that an entry can hold.
fn storable(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).min(1 << 52)
}
