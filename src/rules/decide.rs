//! The one judge: what happens to a record now, and why.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use super::bind::{BoundRule, TriggerKind, Written};
use super::rule::{Pick, Rule, Unit};
use crate::model::calendar::{Memo, Moment};
use crate::model::key::Key;
use crate::model::now::Now;
use crate::model::orders::{Orders, Whose};
use crate::model::period::DeleteBy;
use crate::model::value::Value;

/// How far ahead of the later clock a trigger may lie and still be taken for a clock a little fast.
pub const FUTURE: TimeDelta = TimeDelta::minutes(1);

/// One record as a datastore handed it over for judgement.
#[derive(Debug, Clone)]
pub struct Record {
    /// What identifies it.
    pub key: Key,
    /// What its trigger reads.
    pub trigger: TriggerValue,
    /// Whose it is.
    pub whose: Whose,
    /// Its place among the records that were handed over with it.
    pub position: u32,
}

/// What a trigger reads.
#[derive(Debug, Clone, PartialEq)]
pub enum TriggerValue {
    /// The value of the record's own column.
    Own(Value),
    /// The values of every matching row.
    Rows(Vec<Value>),
}

impl TriggerValue {
    /// The record's own value; that of other rows is none of its own.
    pub fn own(&self) -> &Value {
        match self {
            Self::Own(value) => value,
            Self::Rows(_) => &Value::Null,
        }
    }
}

/// The decision on one record, with its reason.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing happens to it yet.
    Kept(Kept),
    /// Its retain period has fully passed.
    Due(Due),
    /// Its deadline has passed, and it is still there.
    Overdue(Due),
    /// It would be disposed of, but a hold covers it.
    Held(Times),
    /// Its trigger gives no plausible instant: never due.
    Undated(Undated),
}

/// Why a record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The trigger has not happened, in a way the rule calls normal.
    NotStarted(Undated),
    /// Its period runs.
    Until(Times),
    /// Its period ends beyond the calendar.
    BeyondCalendar,
}

/// When a record becomes due and overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The trigger's moment.
    pub trigger: Moment,
    /// The first instant at which it may go, in UTC.
    pub due: DateTime<Utc>,
    /// The instant from which it is overdue, in UTC.
    pub deadline: DateTime<Utc>,
    /// When its erasure was demanded, where that alone makes it due.
    pub demanded: Option<DateTime<Utc>>,
}

/// Why a trigger gives no plausible instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Undated {
    /// NULL.
    Null,
    /// No row matches.
    NoRow,
    /// More than a minute ahead of the later clock.
    Future,
    /// Zero, or before 1970.
    BeforeEpoch,
    /// Not readable as the kind of time the rule expects.
    Unreadable,
}

impl Undated {
    /// The reason as it appears in tables and the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::NoRow => "no_row",
            Self::Future => "future",
            Self::BeforeEpoch => "before_1970",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A record that may be disposed of. Only [`decide`] builds one, and no datastore disposes of anything else.
///
/// ```compile_fail,E0451
/// use expunged::rules::decide::{Due, Record, Times};
///
/// fn forged(record: Record, times: Times) -> Due {
///     Due { record, times }
/// }
/// ```
#[derive(Debug)]
pub struct Due {
    record: Record,
    times: Times,
}

impl Due {
    /// What identifies the record.
    pub fn key(&self) -> &Key {
        &self.record.key
    }

    /// What the trigger read when it was judged.
    pub fn trigger(&self) -> &TriggerValue {
        &self.record.trigger
    }

    /// Its place among the records that were handed over with it.
    pub fn position(&self) -> u32 {
        self.record.position
    }

    /// When it became due and overdue.
    pub fn times(&self) -> Times {
        self.times
    }
}

/// Judges one record: [`Judge::decide`].
pub fn decide(rule: &BoundRule<'_>, record: Record, orders: &Orders, now: Now) -> Verdict {
    Judge::new(rule, orders, now).decide(record)
}

/// Judges the records of one rule, under the same orders and at the same frozen now.
pub struct Judge<'a> {
    rule: &'a BoundRule<'a>,
    orders: &'a Orders,
    now: Now,
    due: Memo,
    deadline: Memo,
}

impl<'a> Judge<'a> {
    /// Of this rule's records.
    pub fn new(rule: &'a BoundRule<'a>, orders: &'a Orders, now: Now) -> Self {
        let Rule { calendar, retain, delete_by, .. } = rule.rule();
        let (due, deadline) = (Memo::due(*calendar, *retain), Memo::deadline(*calendar, *delete_by));
        Self { rule, orders, now, due, deadline }
    }

    /// Judges one record; what was judged before changes nothing. The order of precedence is: undated or not started; held, if
    /// otherwise due; overdue; due; kept. A demand for erasure makes due what by itself is none of these.
    pub fn decide(&mut self, record: Record) -> Verdict {
        let (rule, orders, now) = (self.rule, self.orders, self.now);
        let by_trigger = self.by_trigger(&record.trigger);
        // No clock is asked when the demand was made: it is on record.
        let demanded = orders.demanded(&record.whose);
        let times = match demanded.and_then(|demanded| on_demand(rule, &by_trigger, demanded)) {
            Some(times) => times,
            None => match by_trigger {
                ByTrigger::Passed(times) => times,
                ByTrigger::Running(times) => return Verdict::Kept(Kept::Until(times)),
                ByTrigger::Beyond => return Verdict::Kept(Kept::BeyondCalendar),
                ByTrigger::Undated(why) => return undated(rule, why),
            },
        };
        if orders.hold(&record.whose) {
            return Verdict::Held(times);
        }
        if times.deadline <= now.late {
            return Verdict::Overdue(Due { record, times });
        }
        Verdict::Due(Due { record, times })
    }

    fn by_trigger(&mut self, value: &TriggerValue) -> ByTrigger {
        let moment = match trigger_moment(self.rule, value, self.now) {
            Ok(moment) => moment,
            Err(why) => return ByTrigger::Undated(why),
        };
        let (due, deadline) = (self.due.of(&moment), self.deadline.of(&moment));
        let (Some(due), Some(deadline)) = (due, deadline) else { return ByTrigger::Beyond };
        let times = Times { trigger: moment, due, deadline, demanded: None };
        if due > self.now.eligible { ByTrigger::Running(times) } else { ByTrigger::Passed(times) }
    }
}

/// What the trigger says, before anyone has ordered anything.
enum ByTrigger {
    Undated(Undated),
    Beyond,
    Running(Times),
    Passed(Times),
}

/// Due from the demand on; the deadline is the earlier of the rule's and one month (GDPR Art. 12(3)). Where the demand itself
/// is the trigger, the rule's counts from it too.
fn on_demand(rule: &BoundRule<'_>, by_trigger: &ByTrigger, demanded: DateTime<Utc>) -> Option<Times> {
    let moment = Moment::Instant(demanded);
    let calendar = rule.rule().calendar;
    let mut month = calendar.deadline(&moment, &DeleteBy::on_request())?;
    if rule.rule().trigger.is_request() {
        month = month.min(calendar.deadline(&moment, &rule.rule().delete_by)?);
    }
    Some(match by_trigger {
        ByTrigger::Passed(times) => Times { deadline: times.deadline.min(month), ..*times },
        ByTrigger::Running(times) => {
            Times { due: demanded, deadline: times.deadline.min(month), demanded: Some(demanded), ..*times }
        }
        ByTrigger::Undated(_) | ByTrigger::Beyond => {
            Times { trigger: moment, due: demanded, deadline: month, demanded: Some(demanded) }
        }
    })
}

fn undated(rule: &BoundRule<'_>, why: Undated) -> Verdict {
    let pending = rule.rule().trigger.pending;
    let normal = match why {
        Undated::Null => pending.null,
        Undated::Future => pending.future,
        Undated::NoRow => pending.no_row,
        Undated::BeforeEpoch | Undated::Unreadable => false,
    };
    if normal { Verdict::Kept(Kept::NotStarted(why)) } else { Verdict::Undated(why) }
}

/// The moment that counts, of one value or of several rows', or why there is none.
pub fn trigger_moment(rule: &BoundRule<'_>, value: &TriggerValue, now: Now) -> Result<Moment, Undated> {
    let limit = now.late + FUTURE;
    match value {
        TriggerValue::Own(value) => plausible(moment(rule.trigger(), value)?, rule, limit),
        TriggerValue::Rows(values) => {
            let pick = rule.rule().trigger.place.rows().map_or(Pick::Latest, |(.., pick)| pick);
            plausible(picked(rule, values, pick)?, rule, limit)
        }
    }
}

/// One row that cannot be read leaves the whole record undated: it might be the one that counts. For the latest, a
/// NULL has no end and outlasts all others; for the earliest, one that is normal has not happened and does not count.
fn picked(rule: &BoundRule<'_>, values: &[Value], pick: Pick) -> Result<Moment, Undated> {
    let mut best: Option<Moment> = None;
    let mut null = false;
    for value in values {
        let moment = match moment(rule.trigger(), value) {
            Err(Undated::Null) => {
                null = true;
                continue;
            }
            other => epoch_passed(other?)?,
        };
        let better = best.is_none_or(|b| match pick {
            Pick::Latest => before(&b, &moment),
            Pick::Earliest => before(&moment, &b),
        });
        if better {
            best = Some(moment);
        }
    }
    let null_counts = pick == Pick::Latest || !rule.rule().trigger.pending.null || best.is_none();
    match best {
        _ if null && null_counts => Err(Undated::Null),
        Some(moment) => Ok(moment),
        None => Err(Undated::NoRow),
    }
}

fn plausible(moment: Moment, rule: &BoundRule<'_>, limit: DateTime<Utc>) -> Result<Moment, Undated> {
    let moment = epoch_passed(moment)?;
    let ahead = match moment {
        Moment::Instant(at) => at > limit,
        Moment::Local(at, zone) => at > zone.wall_clock(limit),
        Moment::Date(date) => date > rule.rule().calendar.local_date(limit),
    };
    if ahead { Err(Undated::Future) } else { Ok(moment) }
}

/// 1970-01-01 itself is what a zero looks like once something has rendered it.
fn epoch_passed(moment: Moment) -> Result<Moment, Undated> {
    let passed = match moment {
        Moment::Instant(at) => at > DateTime::UNIX_EPOCH,
        Moment::Local(at, _) => at > DateTime::UNIX_EPOCH.naive_utc(),
        Moment::Date(date) => date > DateTime::UNIX_EPOCH.date_naive(),
    };
    if passed { Ok(moment) } else { Err(Undated::BeforeEpoch) }
}

fn moment(kind: &TriggerKind, value: &Value) -> Result<Moment, Undated> {
    let text = || match value {
        Value::Null => Err(Undated::Null),
        Value::Text(text) => Ok(text.as_str()),
        Value::Integer(_) | Value::Real(_) | Value::Instant(_) | Value::Blob(_) => Err(Undated::Unreadable),
    };
    let found = match kind {
        TriggerKind::Instant => match value {
            Value::Instant(at) => Some(Moment::Instant(*at)),
            _ => DateTime::parse_from_rfc3339(text()?).ok().map(|at| Moment::Instant(at.to_utc())),
        },
        TriggerKind::Naive(zone) => naive(text()?).map(|at| Moment::Local(at, *zone)),
        TriggerKind::Date => date(text()?).map(Moment::Date),
        TriggerKind::Integer(unit) => match value {
            Value::Null => return Err(Undated::Null),
            Value::Integer(n) => instant(*unit, *n).map(Moment::Instant),
            Value::Real(_) | Value::Text(_) | Value::Instant(_) | Value::Blob(_) => None,
        },
        TriggerKind::Text(format, Written::WithOffset) => {
            DateTime::parse_from_str(text()?, format).ok().map(|at| Moment::Instant(at.to_utc()))
        }
        TriggerKind::Text(format, Written::Local(zone)) => {
            let text = text()?;
            NaiveDateTime::parse_from_str(text, format).ok().map(|at| Moment::Local(at, *zone))
        }
        TriggerKind::Text(format, Written::Date) => {
            NaiveDate::parse_from_str(text()?, format).ok().map(Moment::Date)
        }
    };
    found.ok_or(Undated::Unreadable)
}

/// Moments of one column are of one kind.
fn before(a: &Moment, b: &Moment) -> bool {
    match (a, b) {
        (Moment::Instant(a), Moment::Instant(b)) => a < b,
        (Moment::Local(a, _), Moment::Local(b, _)) => a < b,
        (Moment::Date(a), Moment::Date(b)) => a < b,
        (Moment::Instant(_) | Moment::Local(..) | Moment::Date(_), _) => false,
    }
}

fn instant(unit: Unit, n: i64) -> Option<DateTime<Utc>> {
    match unit {
        Unit::Seconds => DateTime::from_timestamp(n, 0),
        Unit::Milliseconds => DateTime::from_timestamp_millis(n),
        Unit::Microseconds => DateTime::from_timestamp_micros(n),
    }
}

/// Digits where digits belong: the parser by itself also takes signs, spaces and single digits, which do not sort.
fn naive(text: &str) -> Option<NaiveDateTime> {
    let head = text.get(..19)?;
    if !is_shape(head, DATE_TIME) && !is_shape(head, "0000-00-00 00:00:00") {
        return None;
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
}

fn date(text: &str) -> Option<NaiveDate> {
    if is_shape(text, DATE) { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None }
}

/// The shape of a civil date.
pub(super) const DATE: &str = "0000-00-00";
/// The shape of a date and a time of day.
pub(super) const DATE_TIME: &str = "0000-00-00T00:00:00";

/// Whether the text has a digit where the shape has one, and the shape's own characters everywhere else.
pub(super) fn is_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(t, s)| if s == b'0' { t.is_ascii_digit() } else { t == s })
}
