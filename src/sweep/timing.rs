//! How long due records have waited, and how they stand to the rule's bound and to its promises'.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};

use crate::ledger::entry::{Bound, MINUTE, Timing, Waited, ceiling, floor};
use crate::ledger::error::NameError;
use crate::ledger::name::PromiseName;
use crate::model::calendar::Calendar;
use crate::model::name::PromiseId;
use crate::model::period::DeleteBy;
use crate::rules::decide::{Due, Times};
use crate::rules::rule::{Promised, Rule};

/// How records stand to the bounds that a rule has to keep: its own, and its promises'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    calendar: Calendar,
    delete_by: DeleteBy,
    promised: Vec<Promised>,
    /// The clock that decides what is overdue.
    late: DateTime<Utc>,
    /// The rule's own first, then one a promise.
    tallies: Vec<Tally>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    late: u64,
    least: Option<TimeDelta>,
}

impl Standing {
    /// Of no records yet; `late`: the clock that decides what is overdue.
    pub(super) fn new(rule: &Rule, late: DateTime<Utc>) -> Self {
        Self {
            calendar: rule.calendar,
            delete_by: rule.delete_by,
            promised: rule.promised.clone(),
            late,
            tallies: vec![Tally::default(); rule.promised.len() + 1],
        }
    }

    pub(super) fn add(&mut self, times: &Times) {
        let own = std::iter::once(Some(times.deadline));
        let promised = self.promised.iter().map(|promised| {
            if promised.no_later_than == self.delete_by {
                return Some(times.deadline);
            }
            self.calendar.deadline(&times.trigger, &promised.no_later_than)
        });
        for (tally, deadline) in self.tallies.iter_mut().zip(own.chain(promised)) {
            match deadline {
                Some(deadline) if deadline <= self.late => tally.late += 1,
                Some(deadline) => {
                    let left = minute(deadline) - self.late;
                    tally.least = Some(tally.least.map_or(left, |least| least.min(left)));
                }
                // Beyond the calendar: all the time there is.
                None => tally.least = Some(tally.least.unwrap_or(TimeDelta::MAX)),
            }
        }
    }

    /// As the ledger says it.
    pub(super) fn bounds(&self) -> Result<Vec<Bound>, NameError> {
        let names = std::iter::once(None).chain(self.promised.iter().map(|p| Some(&p.promise)));
        let bound = |(name, tally): (Option<&PromiseId>, &Tally)| {
            Ok(Bound {
                promise: name.map(|name| PromiseName::parse(name.as_str())).transpose()?,
                late: tally.late,
                margin: tally.least.map(|least| floor(storable(least.num_seconds()))),
            })
        };
        names.zip(&self.tallies).map(bound).collect()
    }
}

/// Of the records of a batch, whose intent is drawn up at this instant of the host's clock.
pub(super) fn timing(mut standing: Standing, due: &[Due], at: DateTime<Utc>) -> Result<Timing, NameError> {
    let mut waited: BTreeMap<u64, u64> = BTreeMap::new();
    for record in due {
        let times = record.times();
        let since = standing.calendar.earliest(&times.trigger).unwrap_or(times.due);
        let wait = at - minute(since);
        let begun = i64::from(wait.subsec_nanos() > 0);
        let within = ceiling(storable(wait.num_seconds().saturating_add(begun)).max(MINUTE));
        *waited.entry(within).or_default() += 1;
        standing.add(&times);
    }
    let waited = waited.into_iter().map(|(within, n)| Waited { within, n }).collect();
    Ok(Timing { at, waited, bounds: standing.bounds()? })
}

/// The beginning of its minute (UTC). A length is measured from there, never from the instant itself: rounded from a now that
/// moves, a record measured often enough would be told by the lengths that its rounding changes at.
fn minute(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at)
}

/// Before zero is zero; the end of time is a number that an entry can hold.
fn storable(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).min(1 << 52)
}
