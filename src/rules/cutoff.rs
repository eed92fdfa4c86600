//! A rule's bounds turned into values that a query compares with: derived the other way round than the judge's.

use chrono::{DateTime, TimeDelta, Utc};

use super::bind::{BoundRule, TriggerKind};
use super::decide::{DATE, DATE_TIME, FUTURE, is_shape};
use super::rule::Unit;
use crate::model::calendar::{Cutoff, Moment, MomentKind};
use crate::model::now::Now;
use crate::model::period::Retain;
use crate::model::value::{Value, rfc3339};

/// What the triggers of one rule are compared with, the same for a whole sweep.
#[derive(Debug, Clone)]
pub struct Cutoffs {
    /// A trigger strictly before it is due; none: nothing is.
    pub due: Option<Value>,
    /// A trigger strictly before it is overdue; none: nothing is.
    pub overdue: Option<Value>,
    /// A trigger at or after it lies too far ahead.
    pub future: Value,
    /// A trigger at or before it is a zero, or older than computers' time.
    pub epoch: Value,
    /// The due cut-off on the one time line, as the ledger shows it; 1970 where nothing can be due.
    pub instant: DateTime<Utc>,
}

impl Cutoffs {
    /// The cut-offs of a rule for one frozen now.
    pub fn of(rule: &BoundRule<'_>, now: Now) -> Self {
        let (calendar, kind) = (rule.rule().calendar, rule.trigger());
        let due = calendar.due_cutoff(now.eligible, &rule.rule().retain, kind.moment());
        let overdue = calendar.deadline_cutoff(now.late, &rule.rule().delete_by, kind.moment());
        let limit = now.late + FUTURE;
        let microsecond = TimeDelta::microseconds(1);
        let (future, epoch) = match kind.moment() {
            MomentKind::Instant => {
                (Cutoff::Instant(limit + microsecond), Cutoff::Instant(DateTime::UNIX_EPOCH))
            }
            MomentKind::Local(zone) => (
                Cutoff::Local(zone.wall_clock(limit) + microsecond),
                Cutoff::Local(DateTime::UNIX_EPOCH.naive_utc()),
            ),
            MomentKind::Date => (
                Cutoff::Date(calendar.local_date(limit) + TimeDelta::days(1)),
                Cutoff::Date(DateTime::UNIX_EPOCH.date_naive()),
            ),
        };
        Self {
            instant: due.and_then(|c| on_the_time_line(rule, c)).unwrap_or_default(),
            due: due.as_ref().map(|c| value(kind, c)),
            overdue: overdue.as_ref().map(|c| value(kind, c)),
            future: value(kind, &future),
            epoch: value(kind, &epoch),
        }
    }
}

impl Cutoffs {
    /// Whether a stored value is due by comparison with the cut-off alone, without computing when it is due. None where it has
    /// not the one form that compares as it sorts.
    pub fn compare(&self, kind: &TriggerKind, value: &Value) -> Option<bool> {
        let due = match (kind, value, self.due.as_ref(), &self.epoch) {
            (_, _, None, _) => false,
            (
                TriggerKind::Integer(_),
                Value::Integer(n),
                Some(Value::Integer(cut)),
                Value::Integer(epoch),
            ) => epoch < n && n < cut,
            (TriggerKind::Instant, Value::Instant(at), Some(_), _) => {
                DateTime::UNIX_EPOCH < *at && *at < self.instant
            }
            // Most are in the cut-off's own form already.
            (TriggerKind::Instant, Value::Text(text), Some(Value::Text(cut)), Value::Text(epoch))
                if is_shape(text, INSTANT) =>
            {
                epoch < text && text < cut
            }
            (_, Value::Text(text), Some(Value::Text(cut)), Value::Text(epoch)) => {
                let text = normal(kind, text)?;
                *epoch < text && text < *cut
            }
            _ => return None,
        };
        Some(due)
    }
}

/// The shape of an instant as a cut-off is written.
const INSTANT: &str = "0000-00-00T00:00:00.000000Z";

/// The text in the form the cut-off itself has; none where it has not one of the shapes that compare as they sort.
fn normal(kind: &TriggerKind, text: &str) -> Option<String> {
    let (date_time, fraction) = match kind {
        TriggerKind::Instant => (text.get(..19)?, text.get(19..)?.strip_suffix('Z')?),
        TriggerKind::Naive(_) => (text.get(..19)?, text.get(19..)?),
        TriggerKind::Date => return is_shape(text, DATE).then(|| text.to_owned()),
        TriggerKind::Integer(_) | TriggerKind::Text(..) => return None,
    };
    let separated = match kind {
        TriggerKind::Naive(_) => date_time.replacen(' ', "T", 1),
        _ => date_time.to_owned(),
    };
    let micros = match fraction {
        "" => ".000000".to_owned(),
        f if is_shape(f, ".000") => format!("{f}000"),
        f if is_shape(f, ".000000") => f.to_owned(),
        _ => return None,
    };
    let end = if matches!(kind, TriggerKind::Instant) { "Z" } else { "" };
    is_shape(&separated, DATE_TIME).then(|| format!("{separated}{micros}{end}"))
}

/// A local cut-off means its later instant; a date, the start of its day.
fn on_the_time_line(rule: &BoundRule<'_>, cutoff: Cutoff) -> Option<DateTime<Utc>> {
    let calendar = rule.rule().calendar;
    match (cutoff, rule.trigger().moment()) {
        (Cutoff::Instant(at), _) => Some(at),
        (Cutoff::Local(at), MomentKind::Local(zone)) => {
            calendar.due(&Moment::Local(at, zone), &Retain::none())
        }
        (Cutoff::Local(at), MomentKind::Instant | MomentKind::Date) => Some(at.and_utc()),
        (Cutoff::Date(date), _) => calendar.first_instant(date),
    }
}

fn shown(cutoff: &Cutoff) -> String {
    match cutoff {
        Cutoff::Instant(at) => instant(*at),
        Cutoff::Local(at) => at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        Cutoff::Date(date) => date.format("%Y-%m-%d").to_string(),
    }
}

fn instant(at: DateTime<Utc>) -> String {
    rfc3339(at)
}

/// The cut-off in the form the trigger's values have once they are normalised.
fn value(kind: &TriggerKind, cutoff: &Cutoff) -> Value {
    match (kind, cutoff) {
        (TriggerKind::Integer(unit), Cutoff::Instant(at)) => {
            let micros = at.timestamp_micros();
            // Rounded up: n units lie before the cut-off exactly when n is less than the next whole unit.
            Value::Integer(match unit {
                Unit::Seconds => micros.div_euclid(1_000_000) + i64::from(micros.rem_euclid(1_000_000) > 0),
                Unit::Milliseconds => micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) > 0),
                Unit::Microseconds => micros,
            })
        }
        (_, cutoff) => Value::Text(shown(cutoff)),
    }
}
