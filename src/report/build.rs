//! From what was read to the view.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::known::{Known, KnownPromise, KnownRule};
use super::orders::{Order, RequestEnd};
use super::reading::Reading;
use super::standing::{Facts, Reason, Soundness, Standing, VersionNow, reasons};
use super::tally::{Left, Of, Tally, Used};
use super::unit::{Moment, Seconds};
use super::view::{
    Answer, Approval, Disposal, Evidence, Hold, Keeper, OpenIntent, Outcomes, Pause, Promise, Remaining,
    Report, Request, RequestStanding, Service, Summary, Sweeps, Thoroughness, Version, Wait, Why,
};
use crate::ledger::entry::{ErasureRequested, HoldPlaced, RoleName, RuleId};
use crate::ledger::tree::EntryIndex;
use crate::model::level::Level;

/// What the report is to be about.
struct Scope<'a> {
    reading: &'a Reading,
    known: &'a Known,
    service: Option<&'a str>,
    sound: Soundness,
}

impl Reading {
    /// The report of one service, or of all.
    pub fn report(&self, known: &Known, service: Option<&str>, evidence: Evidence) -> Report {
        let sound = if evidence.sound { Soundness::Sound } else { Soundness::Unsound };
        let scope = Scope { reading: self, known, service, sound };
        let (promises, disposals, requests) = (scope.promises(), scope.disposals(), scope.requests());
        Report {
            format: "expunged-report/1",
            from: Moment(self.period.from),
            to: Moment(self.period.to),
            until: Moment(self.period.until),
            service: service.map(str::to_owned),
            ledger_begins: self.begins.map(Moment),
            summary: summary(&promises, &disposals, &requests),
            services: scope.services(),
            promises,
            disposals,
            levels: scope.levels(),
            waits: scope.waits(),
            remaining: scope.remaining(),
            sweeps: scope.sweeps(),
            open_intents: scope.open_intents(),
            versions: scope.versions(),
            holds: scope.holds(),
            requests,
            pauses: self.orders.pauses.iter().map(pause).collect(),
            approvals: scope.approvals(),
            evidence,
        }
    }
}

fn summary(promises: &[Promise], disposals: &[Disposal], requests: &[Request]) -> Summary {
    let standing = |wanted| promises.iter().filter(|p| p.standing == wanted).count() as u64;
    let disposed = |of| disposals.iter().filter(|d| d.of == of).map(|d| d.outcomes.disposed).sum();
    let late = |r: &&Request| matches!(r.standing, RequestStanding::Late | RequestStanding::Overdue);
    Summary {
        broken: standing(Standing::Broken),
        unknown: standing(Standing::Unknown),
        at_risk: standing(Standing::AtRisk),
        kept: standing(Standing::Kept),
        no_deadline: standing(Standing::NoDeadline),
        disposed: disposed(Of::Rule),
        dependents: disposed(Of::Dependent),
        requests_late: requests.iter().filter(late).count() as u64,
    }
}

impl Scope<'_> {
    fn is_about(&self, service: &str) -> bool {
        self.service.is_none_or(|only| only == service)
    }

    fn services(&self) -> Vec<Service> {
        let known = self.known.services.iter().filter(|service| self.is_about(&service.id));
        known.map(|s| Service { service: s.id.clone(), name: s.name.clone() }).collect()
    }

    /// Every rule of the rule files in their order, then those that only the ledger knows.
    fn rules(&self) -> Vec<(String, Option<&Tally>)> {
        let tally = |id: &str| RuleId::parse(id).ok().and_then(|id| self.reading.rules.get(&id));
        let known: Vec<&str> = self.known.rules().map(|rule| rule.id.as_str()).collect();
        let named: BTreeSet<&str> = known.iter().copied().collect();
        let gone = self.reading.rules.keys().map(RuleId::as_str).filter(|id| !named.contains(id));
        let all = known.iter().copied().chain(gone);
        let all = all.filter(|id| self.is_about(id.split('/').next().unwrap_or_default()));
        all.map(|id| (id.to_owned(), tally(id))).collect()
    }

    /// Those of which the ledger says something.
    fn tallies(&self) -> impl Iterator<Item = (String, &Tally)> {
        self.rules().into_iter().filter_map(|(id, tally)| tally.map(|tally| (id, tally)))
    }

    fn promises(&self) -> Vec<Promise> {
        let services = self.known.services.iter().filter(|service| self.is_about(&service.id));
        let promises = services.flat_map(|s| s.promises.iter().map(|p| self.promise(&s.id, p)));
        promises.collect()
    }

    fn promise(&self, service: &str, known: &KnownPromise) -> Promise {
        let keepers: Vec<Keeper> = known
            .keepers
            .iter()
            .filter_map(|(rule, classes)| Some(self.keeper(self.known.rule(rule)?, known, classes)))
            .collect();
        let margins = keepers.iter().flat_map(|k| [k.margin_disposed_seconds, k.margin_remaining_seconds]);
        Promise {
            service: service.to_owned(),
            promise: known.id.clone(),
            text: known.text.clone(),
            source: known.source.clone(),
            trigger: known.trigger.clone(),
            deadline: known.deadline.clone(),
            except: known.except.clone(),
            decision: known.decision.clone(),
            // A promise that nothing keeps is refused by `check`; here it would be one that nobody can vouch for.
            standing: keepers.iter().map(|k| k.standing).max().unwrap_or(Standing::Unknown),
            margin_seconds: margins.flatten().min(),
            keepers,
        }
    }

    fn keeper(&self, rule: &KnownRule, promise: &KnownPromise, classes: &[String]) -> Keeper {
        let none = Tally::default();
        let id = RuleId::parse(&rule.id).ok();
        let tally = id.as_ref().and_then(|id| self.reading.rules.get(id)).unwrap_or(&none);
        let is_ours = |name: &Option<_>| {
            name.as_ref().is_some_and(|n: &crate::ledger::name::PromiseName| n.as_str() == promise.id)
        };
        let bound = tally.bounds.iter().find(|(name, _)| is_ours(name)).map(|(_, b)| *b).unwrap_or_default();
        let left = tally.last.as_ref();
        let left_bound = left.and_then(|l| l.residue.bounds.iter().find(|b| is_ours(&b.promise)));
        let facts = Facts {
            sound: self.sound,
            until: self.reading.period.until,
            late: bound.late,
            last: left.map(|l| (&l.residue, l.late)),
            bound: left_bound,
            last_result: tally.last_result,
            last_completed: tally.last_completed,
            two_gaps: rule.two_gaps,
            two_sweeps: rule.two_sweeps,
            paused: self.reading.orders.paused(),
            open_intents: self.open(&rule.id),
            version: self.version_now(rule, tally),
            promised: self.promised(promise, tally),
        };
        let reasons = if promise.deadline.is_some() { reasons(&facts) } else { Vec::new() };
        let judged = reasons.iter().map(Reason::standing).max().unwrap_or(Standing::Kept);
        let standing = if promise.deadline.is_some() { judged } else { Standing::NoDeadline };
        Keeper {
            rule: rule.id.clone(),
            classes: classes.to_vec(),
            standing,
            late: bound.late,
            overdue: left_bound.map(|b| b.late),
            margin_disposed_seconds: bound.left.map(Seconds),
            margin_remaining_seconds: left_bound.and_then(|b| b.margin).map(Seconds),
            two_sweeps_seconds: rule.two_sweeps,
            two_gaps_seconds: rule.two_gaps,
            reasons,
        }
    }

    fn open(&self, rule: &str) -> u64 {
        self.reading.intents.values().filter(|i| i.intent.rule.as_str() == rule).count() as u64
    }

    fn version_now(&self, rule: &KnownRule, tally: &Tally) -> VersionNow {
        let swept = tally.version.and_then(|entry| self.reading.versions.get(&entry));
        match (swept, rule.digest) {
            (Some(swept), Some(now)) if swept.rule_sha256 == now => VersionNow::Same,
            (Some(_), Some(_)) => VersionNow::Other,
            (None, _) | (_, None) => VersionNow::Unknown,
        }
    }

    /// A promise has no id in a rule's canonical form: it is known by its words, or else by its deadline.
    fn promised(&self, promise: &KnownPromise, tally: &Tally) -> VersionNow {
        let swept = tally.version.and_then(|entry| self.reading.versions.get(&entry));
        let Some(Value::Array(then)) = swept.and_then(|version| version.rule_json.field("promises")) else {
            return VersionNow::Unknown;
        };
        let Some(deadline) = &promise.deadline else { return VersionNow::Unknown };
        let says =
            |then: &Value, field: &str, now: &str| then.get(field).and_then(Value::as_str) == Some(now);
        let (same_words, others): (Vec<&Value>, Vec<&Value>) =
            then.iter().partition(|then| says(then, "text", &promise.text));
        let counted = if same_words.is_empty() { others } else { same_words };
        let same = counted.iter().any(|then| says(then, "no_later_than", deadline));
        if same { VersionNow::Same } else { VersionNow::Other }
    }

    fn disposals(&self) -> Vec<Disposal> {
        let mut all = Vec::new();
        for (rule, tally) in self.tallies() {
            let known = self.known.rule(&rule);
            all.extend(tally.parts.iter().map(|(key, outcomes)| Disposal {
                rule: rule.clone(),
                of: key.of,
                class: known.and_then(|k| k.class(key.of, key.datastore.as_str(), key.dataset.as_str())),
                datastore: key.datastore.to_string(),
                dataset: key.dataset.to_string(),
                action: key.action(),
                outcomes: Outcomes {
                    disposed: outcomes.disposed,
                    already_gone: outcomes.already_gone,
                    changed: outcomes.changed,
                    refused: outcomes.refused,
                    unknown: outcomes.unknown,
                    untouched: outcomes.untouched,
                },
            }));
        }
        all
    }

    fn levels(&self) -> Vec<Thoroughness> {
        let mut all = Vec::new();
        for (rule, tally) in self.tallies() {
            all.extend(tally.levels.iter().map(|(datastore, levels)| {
                let of = |level| levels.records.get(&level).copied().unwrap_or(0);
                Thoroughness {
                    rule: rule.clone(),
                    datastore: datastore.to_string(),
                    logical: of(Level::Logical),
                    vacuumed: of(Level::Vacuumed),
                    rewritten: of(Level::Rewritten),
                    remains: levels.remains.clone(),
                }
            }));
        }
        all
    }

    fn waits(&self) -> Vec<Wait> {
        self.tallies().filter_map(|(rule, tally)| self.wait(rule, tally)).collect()
    }

    /// Of a rule some of whose records went.
    fn wait(&self, rule: String, tally: &Tally) -> Option<Wait> {
        let own = tally.bounds.get(&None).copied().unwrap_or_default();
        let mut deadlines: Vec<String> = Vec::new();
        for (entry, _) in in_force(tally) {
            let said = self.reading.versions.get(entry).and_then(|v| told(&v.rule_json, "delete_by"));
            deadlines.extend(said.filter(|said| !deadlines.contains(said)));
        }
        Some(Wait {
            rule,
            records: tally.waits.records(),
            stayed: tally.stayed,
            median_seconds: Seconds(tally.waits.percentile(50)?),
            p99_seconds: Seconds(tally.waits.percentile(99)?),
            worst_seconds: Seconds(tally.waits.percentile(100)?),
            deadlines,
            late: own.late,
            margin_seconds: own.left.map(Seconds),
            gone_everywhere_by: tally.gone_everywhere_by.map(Moment),
        })
    }

    fn remaining(&self) -> Vec<Remaining> {
        let all = self.tallies().filter_map(|(rule, tally)| {
            let before = tally.before.as_ref().map(|left| Box::new(remaining(&rule, left, None)));
            tally.last.as_ref().map(|left| remaining(&rule, left, before))
        });
        all.collect()
    }

    fn sweeps(&self) -> Vec<Sweeps> {
        let none = Tally::default();
        let all = self.rules().into_iter().map(|(rule, tally)| {
            let tally = tally.unwrap_or(&none);
            Sweeps {
                rule,
                ended: tally.sweeps,
                last_result: tally.last_result,
                last_completed: tally.last_completed.map(Moment),
                committed: tally.committed,
                aborted: tally.aborted,
                recovered: tally.recovered,
                unattributed: tally.unattributed,
            }
        });
        all.collect()
    }

    fn open_intents(&self) -> Vec<OpenIntent> {
        let about = self.reading.intents.values().filter(|i| self.is_about(i.intent.rule.service()));
        let mut open: Vec<OpenIntent> = about
            .map(|i| OpenIntent {
                entry: i.entry.get(),
                at: Moment(i.at),
                rule: i.intent.rule.to_string(),
                records: i.intent.parts.iter().map(|part| part.n).fold(0, u64::saturating_add),
            })
            .collect();
        open.sort_by_key(|i| i.entry);
        open
    }

    fn versions(&self) -> Vec<Version> {
        let mut all = Vec::new();
        for (rule, tally) in self.tallies() {
            let now = self.known.rule(&rule).and_then(|known| known.digest);
            for (entry, used) in in_force(tally) {
                // A sweep that names another entry than a version is the audit's finding.
                let Some(version) = self.reading.versions.get(entry) else { continue };
                all.push(Version {
                    rule: rule.clone(),
                    entry: entry.get(),
                    sha256: version.rule_sha256.to_string(),
                    first_used: Moment(used.first),
                    sweeps: used.sweeps,
                    retain: told(&version.rule_json, "retain"),
                    delete_by: told(&version.rule_json, "delete_by"),
                    time_zone: told(&version.rule_json, "time_zone"),
                    tzdb: version.tzdb.to_string(),
                    current: now.map(|now| now == version.rule_sha256),
                });
            }
        }
        all
    }

    fn holds(&self) -> Vec<Hold> {
        let all = self.reading.orders.holds.iter();
        all.filter(|(_, hold)| self.is_about(hold.given.service.as_str())).map(hold).collect()
    }

    fn requests(&self) -> Vec<Request> {
        let all = self.reading.orders.requests.iter();
        let until = self.reading.period.until;
        let ours = all.filter(|(_, request)| self.is_about(request.given.service.as_str()));
        ours.map(|(entry, order)| request(*entry, order, until)).collect()
    }

    fn approvals(&self) -> Vec<Approval> {
        let all = self.reading.orders.approvals.iter();
        let ours = all.filter(|(_, _, approval)| self.is_about(approval.rule.service()));
        let view = ours.map(|(entry, at, approval)| Approval {
            entry: entry.get(),
            at: Moment(*at),
            rule: approval.rule.to_string(),
            sha256: approval.rule_sha256.to_string(),
            up_to: approval.up_to,
            by: approval.by.to_string(),
        });
        view.collect()
    }
}

/// The versions that sweeps of the period applied, and the one that was in force when it began.
fn in_force(tally: &Tally) -> impl Iterator<Item = (&EntryIndex, &Used)> {
    tally.versions.iter().filter(|(entry, used)| used.sweeps > 0 || tally.carried == Some(**entry))
}

/// A text of the rule's canonical form, as it stands there.
fn told(rule: &crate::ledger::canonical::RuleDocument, field: &str) -> Option<String> {
    rule.field(field).and_then(Value::as_str).map(str::to_owned)
}

fn remaining(rule: &str, left: &Left, before: Option<Box<Remaining>>) -> Remaining {
    let residue = &left.residue;
    let own = residue.bounds.first();
    let why = residue.why.iter().map(|w| Why { of: w.of, reason: w.reason.to_string(), n: w.n });
    Remaining {
        rule: rule.to_owned(),
        entry: left.entry.get(),
        at: Moment(left.at),
        overdue: own.map(|b| b.late),
        margin_seconds: own.and_then(|b| b.margin).map(Seconds),
        remaining: residue.remaining,
        held: residue.held,
        undated: residue.undated,
        refused: residue.refused,
        changed: residue.changed,
        locked: residue.locked,
        stranded: residue.stranded,
        why: why.collect(),
        before,
    }
}

fn hold((entry, order): (&EntryIndex, &Order<HoldPlaced, RoleName>)) -> Hold {
    let placed = &order.given;
    Hold {
        hold: placed.hold.to_string(),
        service: placed.service.to_string(),
        rule: placed.rule.as_ref().map(ToString::to_string),
        one_subject: placed.subject.is_some(),
        reference: placed.reference.to_string(),
        by: placed.by.to_string(),
        entry: entry.get(),
        placed: Moment(order.at),
        released: order.end.as_ref().map(|end| Moment(end.at)),
        released_by: order.end.as_ref().map(|end| end.by.to_string()),
        released_entry: order.end.as_ref().map(|end| end.entry.get()),
    }
}

fn request(entry: EntryIndex, order: &Order<ErasureRequested, RequestEnd>, until: DateTime<Utc>) -> Request {
    let requested = &order.given;
    let (answered, withdrawn) = match &order.end {
        None => (None, None),
        Some(end) => match &end.by {
            RequestEnd::Answered(answered) => (Some((end, answered)), None),
            RequestEnd::Withdrawn(by) => (None, Some((end, by))),
        },
    };
    // Late from the deadline on, as a record is, whatever ended it.
    let in_time = order.end.as_ref().map_or(until, |end| end.at) < requested.deadline;
    let standing = match &order.end {
        Some(_) if !in_time => RequestStanding::Late,
        Some(_) if withdrawn.is_some() => RequestStanding::Withdrawn,
        Some(_) => RequestStanding::InTime,
        None if in_time => RequestStanding::Open,
        None => RequestStanding::Overdue,
    };
    let answers = answered.into_iter().flat_map(|(_, answered)| &answered.answers).map(|a| Answer {
        rule: a.rule.to_string(),
        left: a.left,
        kept: a.kept.as_ref().map(ToString::to_string),
    });
    Request {
        request: requested.request.to_string(),
        service: requested.service.to_string(),
        entry: entry.get(),
        received: Moment(requested.received),
        deadline: Moment(requested.deadline),
        by: requested.by.to_string(),
        answered: answered.map(|(end, _)| Moment(end.at)),
        answered_entry: answered.map(|(end, _)| end.entry.get()),
        withdrawn: withdrawn.map(|(end, _)| Moment(end.at)),
        withdrawn_by: withdrawn.map(|(_, by)| by.to_string()),
        withdrawn_entry: withdrawn.map(|(end, _)| end.entry.get()),
        standing,
        answers: answers.collect(),
    }
}

fn pause((entry, order): (&EntryIndex, &Order<RoleName, RoleName>)) -> Pause {
    Pause {
        entry: entry.get(),
        from: Moment(order.at),
        by: order.given.to_string(),
        to: order.end.as_ref().map(|end| Moment(end.at)),
        ended_by: order.end.as_ref().map(|end| end.by.to_string()),
        ended_entry: order.end.as_ref().map(|end| end.entry.get()),
    }
}
