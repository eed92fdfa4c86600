//! Whether a rule's bounds are at least as strict as its promise's: its deadline never after, its due never before.

use chrono::{Datelike as _, NaiveDate};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::calendar::{Calendar, Moment, Zone};
use crate::model::period::{DeleteBy, Period, Retain};
use crate::rules::rule::{OnErasure, Promise, Rule, TriggerPlace};

/// A zone whose clocks are set forward and back every year. A civil bound is held against an elapsed one there too:
/// elsewhere no day of 25 hours may be known until 2051, but a law can make one within months (Moscow had them until
/// 2014), and a promise of 24 hours does not end with the time-zone database.
const CLOCKS_CHANGE: &str = "Europe/Berlin";

/// Where a rule is weaker than its promise.
enum Weaker {
    /// For a trigger on this day.
    On(NaiveDate),
    /// Nowhere yet, but wherever the clocks change, such as on this day in [`CLOCKS_CHANGE`].
    WhereClocksChange(NaiveDate),
}

/// The bounds of a rule that are weaker than the promise it keeps.
pub fn weaker(rule: &Rule, promise: &Promise) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = another_event(rule, promise).into_iter().collect();
    found.extend(at_once(rule, promise));
    if let Some(promised) = &promise.no_later_than {
        let mixed = mixed(rule.delete_by.period(), promised.period());
        let later = |calendar: Calendar| calendar.first_later_deadline(&rule.delete_by, promised);
        if let Some(weaker) = pointwise(rule.calendar, mixed, later) {
            let bounds = (rule.delete_by.period(), promised.period());
            let ends =
                |at: &Moment| Some((deadline(rule, at, promised)?, deadline(rule, at, &rule.delete_by)?));
            found.push(finding(rule, promise, "delete_by", "no later than", bounds, (&weaker, &ends)));
        }
    }
    if let Some(promised) = &promise.not_before {
        let mixed = mixed(rule.retain.period(), promised.period());
        let earlier = |calendar: Calendar| calendar.first_earlier_due(&rule.retain, promised);
        if let Some(weaker) = pointwise(rule.calendar, mixed, earlier) {
            let bounds = (rule.retain.period(), promised.period());
            let ends = |at: &Moment| Some((due(rule, at, promised)?, due(rule, at, &rule.retain)?));
            found.push(finding(rule, promise, "retain", "not before", bounds, (&weaker, &ends)));
        }
    }
    found
}

/// What is demanded is due at once, and the promise keeps it for a time after the request.
fn at_once(rule: &Rule, promise: &Promise) -> Option<Diagnostic> {
    let not_before = promise.not_before.filter(|_| promise.on_request && disposes_on_request(rule))?;
    let message = format!(
        "rule `{}` disposes at once of what a data subject demands, and promise `{}` keeps it for {not_before} after the request",
        rule.id.local, promise.id
    );
    let help = "take `not_before` out of the promise, or the promise out of `keeps`";
    Some(Diagnostic::error(Code::WeakerThanPromise, rule.places.of("on_erasure"), message, help))
}

fn disposes_on_request(rule: &Rule) -> bool {
    rule.subject.as_ref().is_some_and(|subject| subject.on_erasure == OnErasure::Dispose)
}

/// A request and a promise that speaks of none, or the reverse. Other rows may be the requests that an application records itself.
fn another_event(rule: &Rule, promise: &Promise) -> Option<Diagnostic> {
    let by_request = rule.trigger.is_request();
    let disposes = disposes_on_request(rule);
    let recorded = matches!(rule.trigger.place, TriggerPlace::Rows { .. });
    let (what, key, help) = match promise.on_request {
        false if by_request => (
            format!(
                "starts with a request, and promise `{}` with something else: {}",
                promise.id, promise.trigger
            ),
            "trigger",
            "name the trigger of the promise, or take it out of `keeps`",
        ),
        true if !disposes && !recorded => (
            format!("is reached by no request, which promise `{}` is about", promise.id),
            "on_erasure",
            "add `subject` and `on_erasure = \"dispose\"`, or take the promise out of `keeps`",
        ),
        true | false => return None,
    };
    let message = format!("rule `{}` {what}", rule.id.local);
    let key = if rule.places.has(key) { key } else { "trigger" };
    Some(Diagnostic::error(Code::WeakerThanPromise, rule.places.of(key), message, help))
}

/// A promise whose own bounds leave no time between them.
pub fn possible(promise: &Promise, calendar: Calendar) -> Option<Diagnostic> {
    let (not_before, no_later_than) = (promise.not_before.as_ref()?, promise.no_later_than.as_ref()?);
    let window = calendar.shortest_window(not_before, no_later_than);
    if window.length > chrono::TimeDelta::zero() {
        return None;
    }
    let message = format!(
        "promise `{}` cannot be kept: for a trigger on {}, no later than {no_later_than} comes before not before \
         {not_before}",
        promise.id, window.on
    );
    let place = promise.places.of("no_later_than");
    Some(Diagnostic::error(Code::Contradiction, place, message, "correct one of the two bounds"))
}

/// The comparisons that hold, for display.
pub fn arithmetic(rule: &Rule, promise: &Promise) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(promised) = &promise.not_before {
        let demanded = if disposes_on_request(rule) { ", unless a data subject demands erasure" } else { "" };
        lines.push(format!("`retain` {} ≥ not before {promised}{demanded}", rule.retain));
    }
    if let Some(promised) = &promise.no_later_than {
        let on_request = if promise.on_request { " after the request" } else { "" };
        lines.push(format!("`delete_by` {} ≤ no later than {promised}{on_request}", rule.delete_by));
    }
    lines
}

fn pointwise(
    calendar: Calendar,
    mixed: bool,
    weaker_in: impl Fn(Calendar) -> Option<NaiveDate>,
) -> Option<Weaker> {
    if let Some(on) = weaker_in(calendar) {
        return Some(Weaker::On(on));
    }
    let elsewhere = CLOCKS_CHANGE.parse::<Zone>().ok().filter(|_| mixed)?;
    weaker_in(Calendar::new(elsewhere)).map(Weaker::WhereClocksChange)
}

/// When what is promised ends for a trigger, and when the rule does.
type Ends<'a> = dyn Fn(&Moment) -> Option<(NaiveDate, NaiveDate)> + 'a;

fn deadline(rule: &Rule, trigger: &Moment, bound: &DeleteBy) -> Option<NaiveDate> {
    rule.calendar.deadline(trigger, bound).map(|at| rule.calendar.local_date(at))
}

fn due(rule: &Rule, trigger: &Moment, bound: &Retain) -> Option<NaiveDate> {
    rule.calendar.due(trigger, bound).map(|at| rule.calendar.local_date(at))
}

/// Both days, and how long the month of the promised one is, which is what people overlook; none where they are the same: it
/// is a matter of hours.
fn figures(calendar: Calendar, day: NaiveDate, word: &str, ends: &Ends<'_>) -> Option<String> {
    let (promised, ruled) = ends(&Moment::Instant(calendar.first_instant(day)?))?;
    let (month, length) = (promised.format("%B"), promised.num_days_in_month());
    let said =
        format!(": promised is {word} {promised}, in {month} of {length} days, and the rule says {ruled}");
    (promised != ruled).then_some(said)
}

fn mixed(a: Period, b: Period) -> bool {
    matches!((a, b), (Period::Civil(_), Period::Elapsed(_)) | (Period::Elapsed(_), Period::Civil(_)))
}

fn finding(
    rule: &Rule,
    promise: &Promise,
    key: &str,
    word: &str,
    (ruled, promised): (Period, Period),
    (weaker, ends): (&Weaker, &Ends<'_>),
) -> Diagnostic {
    let message = format!(
        "rule `{}` is weaker than promise `{}`: `{key}` is {ruled}, promised is {word} {promised}",
        rule.id.local, promise.id
    );
    let help = match weaker {
        Weaker::On(day) => {
            // Of hours and days only the clocks could tell more.
            let civil = !mixed(ruled, promised);
            let figures =
                civil.then(|| figures(rule.calendar, *day, word, ends)).flatten().unwrap_or_default();
            format!(
                "a trigger on {day} would break the promise{figures}; write `{key} = \"{promised}\"` or stricter"
            )
        }
        Weaker::WhereClocksChange(day) => format!(
            "a civil day has 23 or 25 hours where the clocks change (such as {day} in {CLOCKS_CHANGE}), which a law \
             may bring to {} too; write `{key} = \"{promised}\"`",
            rule.calendar.zone()
        ),
    };
    Diagnostic::error(Code::WeakerThanPromise, rule.places.of(key), message, help)
        .labelled(format!("promised: {word} {promised}"))
}
