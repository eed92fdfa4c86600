//! Which rule is swept next, and when: pure.
//!
//! 1. A rule is due when its schedule has fired after its last start: however often it fired, it is swept once.
//! 2. A rule that was never swept, or not to the end, is due at once.
//! 3. Of several that are due, the one that has waited longest goes first.
//! 4. A start that comes while a datastore of the rule is closed waits until it opens, and keeps its place in the queue.
//! 5. A last start that the clock has not reached yet counts as now: a clock that was set back must not silence a rule, and the
//!    sweep itself refuses what the clock does not allow.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::name::RuleId;
use crate::model::opening::OpeningHours;
use crate::model::schedule::Schedule;

/// When each rule was last started.
#[derive(Debug, Default)]
pub struct Plan {
    /// None: never.
    last: BTreeMap<RuleId, Option<DateTime<Utc>>>,
}

/// What the schedules ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This rule, now.
    Due(RuleId),
    /// This rule, then.
    At(RuleId, DateTime<Utc>),
    /// No schedule fires any more, or there is no rule.
    Never,
}

impl Plan {
    /// Whether it is known when the rule was last started.
    pub fn knows(&self, rule: &RuleId) -> bool {
        self.last.contains_key(rule)
    }

    /// The rule was last started then; none: never, or its sweep was cut off.
    pub fn remember(&mut self, rule: &RuleId, start: Option<DateTime<Utc>>) {
        self.last.insert(rule.clone(), start);
    }

    /// What is to be done at this moment, by the schedule of each rule and the hours of its datastores. Of rules that wait equally long, the first comes first.
    pub fn next<'r>(
        &mut self,
        rules: impl Iterator<Item = (&'r RuleId, &'r Schedule, OpeningHours)>,
        now: DateTime<Utc>,
    ) -> Next {
        let starts = rules.filter_map(|(rule, schedule, hours)| {
            let start = self.start(rule, schedule, now)?;
            let from = start.max(now);
            let opens = hours.opens(from)?;
            Some((if opens == from { start } else { opens }, rule))
        });
        match starts.min_by_key(|(start, _)| *start) {
            Some((start, rule)) if start <= now => Next::Due(rule.clone()),
            Some((start, rule)) => Next::At(rule.clone(), start),
            None => Next::Never,
        }
    }

    /// The first start that the rule has not had.
    fn start(&mut self, rule: &RuleId, schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Some(Some(last)) = self.last.get_mut(rule) else { return Some(DateTime::<Utc>::MIN_UTC) };
        *last = now.min(*last);
        schedule.next_after(*last)
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;
    use crate::model::calendar::Hours;
    use crate::model::name::{DatastoreName, LocalId, ServiceId};

    fn rule(name: &str) -> RuleId {
        RuleId { service: ServiceId::new("site").unwrap(), local: LocalId::new(name).unwrap() }
    }

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-03-01T{time}Z").parse().unwrap()
    }

    /// Rules by name and schedule; what is next for them.
    fn next(plan: &mut Plan, rules: &[(&str, &str)], now: DateTime<Utc>) -> Next {
        let rules: Vec<(RuleId, Schedule)> =
            rules.iter().map(|(name, cron)| (rule(name), cron.parse().unwrap())).collect();
        plan.next(rules.iter().map(|(id, schedule)| (id, schedule, OpeningHours::default())), now)
    }

    const HOURLY: [(&str, &str); 1] = [("a", "0 0 * * * *")];

    fn started(starts: &[(&str, DateTime<Utc>)]) -> Plan {
        let mut plan = Plan::default();
        for (name, start) in starts {
            plan.remember(&rule(name), Some(*start));
        }
        plan
    }

    #[test]
    fn a_rule_is_due_at_the_second_at_which_its_schedule_fires() {
        let mut plan = started(&[("a", at("10:00:00"))]);
        let waits = Next::At(rule("a"), at("11:00:00"));
        assert_eq!(next(&mut plan, &HOURLY, at("10:00:00")), waits);
        assert_eq!(next(&mut plan, &HOURLY, at("10:59:59")), waits);
        assert_eq!(next(&mut plan, &HOURLY, at("11:00:00")), Next::Due(rule("a")));
        assert_eq!(next(&mut plan, &HOURLY, at("11:00:01")), Next::Due(rule("a")));
    }

    #[test]
    fn missed_starts_are_one_sweep() {
        let mut plan = started(&[("a", at("01:00:05"))]);
        assert_eq!(next(&mut plan, &HOURLY, at("09:30:00")), Next::Due(rule("a")));
        plan.remember(&rule("a"), Some(at("09:30:00")));
        assert_eq!(next(&mut plan, &HOURLY, at("09:30:00")), Next::At(rule("a"), at("10:00:00")));
    }

    #[test]
    fn a_rule_that_was_never_swept_goes_at_once_and_first() {
        let mut plan = started(&[("a", at("01:00:00"))]);
        let rules = [("a", "0 0 * * * *"), ("b", "0 0 0 1 1 *")];
        assert_eq!(next(&mut plan, &rules, at("09:00:00")), Next::Due(rule("b")));
        plan.remember(&rule("b"), None);
        assert_eq!(next(&mut plan, &rules, at("09:00:00")), Next::Due(rule("b")));
    }

    #[test]
    fn the_rule_that_has_waited_longest_goes_first() {
        let mut plan = started(&[("a", at("08:59:00")), ("b", at("08:10:00"))]);
        let rules = [("a", "0 0 * * * *"), ("b", "0 30 * * * *")];
        assert_eq!(next(&mut plan, &rules, at("09:05:00")), Next::Due(rule("b")));
        plan.remember(&rule("b"), Some(at("09:05:00")));
        assert_eq!(next(&mut plan, &rules, at("09:05:00")), Next::Due(rule("a")));
        plan.remember(&rule("a"), Some(at("09:05:01")));
        assert_eq!(next(&mut plan, &rules, at("09:05:01")), Next::At(rule("b"), at("09:30:00")));
    }

    #[test]
    fn a_start_waits_until_the_datastore_opens_and_keeps_its_place() {
        let time = |text: &str| text.parse::<NaiveTime>().unwrap();
        let window = Hours::new(time("20:00:00"), time("04:00:00"), "Etc/UTC".parse().unwrap()).unwrap();
        let site = DatastoreName::new("site").unwrap();
        let hours = |closes: bool| OpeningHours::of([&site], |_| closes.then_some(window));
        let [a, b] = [rule("a"), rule("b")];
        let hourly: Schedule = HOURLY[0].1.parse().unwrap();
        let next = |plan: &mut Plan, now| {
            plan.next([(&a, &hourly, hours(true)), (&b, &hourly, hours(false))].into_iter(), now)
        };
        let mut plan = started(&[("a", at("03:00:00")), ("b", at("08:00:00"))]);
        // Missed at 04:00, when it closed; the other rule's datastore is always open.
        assert_eq!(next(&mut plan, at("08:00:01")), Next::At(b.clone(), at("09:00:00")));
        plan.remember(&b, Some(at("19:30:00")));
        assert_eq!(next(&mut plan, at("19:59:59")), Next::At(a.clone(), at("20:00:00")));
        assert_eq!(next(&mut plan, at("20:00:00")), Next::Due(a.clone()));
        plan.remember(&a, Some(at("20:00:00")));
        assert_eq!(next(&mut plan, at("20:00:00")), Next::Due(b.clone()));
        // Never swept: at once, but not before it opens.
        plan.remember(&a, None);
        plan.remember(&b, Some(at("10:00:00")));
        assert_eq!(next(&mut plan, at("10:00:00")), Next::At(b.clone(), at("11:00:00")));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_a_rule() {
        let mut plan = started(&[("a", at("20:00:00"))]);
        assert_eq!(next(&mut plan, &HOURLY, at("10:30:00")), Next::At(rule("a"), at("11:00:00")));
        assert_eq!(next(&mut plan, &HOURLY, at("11:00:00")), Next::Due(rule("a")));
    }

    #[test]
    fn where_no_schedule_fires_any_more_nothing_is_due() {
        let mut plan = started(&[("a", "2149-01-01T00:00:00Z".parse().unwrap())]);
        assert_eq!(next(&mut plan, &[HOURLY[0]], "2150-01-01T00:00:00Z".parse().unwrap()), Next::Never);
        assert_eq!(next(&mut plan, &[], at("12:00:00")), Next::Never);
    }
}
