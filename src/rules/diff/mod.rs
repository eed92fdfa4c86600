//! What a change of the rules does to records and promises: the semantic difference of two rule directories.
//!
//! 1. Services, rules and promises are paired by their ids; what is left over is paired by its content, and is *renamed*.
//! 2. Bounds are compared pointwise over the calendar, filters cell by cell: `P1M` for `1 month` is no difference, `1 day`
//!    for `24 hours` is one.
//! 3. A difference has an [`Effect`], and asks for a second look or not: [`Look`].
//! 4. Whatever changes a rule's digest is a difference, also a key that nothing here knows.
//! 5. Every promise that a changed rule keeps, or kept, is proved on both sides.

mod action;
mod bounds;
mod content;
mod dependents;
mod pairs;
mod promise;
mod records;
mod rule;

use super::rule::{RuleSet, Service, Waiver};
use crate::model::datastore::Defaults;
use crate::model::name::{PromiseId, RuleId, ServiceId};
use pairs::{Pair, pairs};
use promise::Proofs;

/// What a difference does. `Stricter` and `Weaker` are about the promise: when and how thoroughly data goes. `Wider` and
/// `Narrower` are about the records: how many go, or how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It is no longer there.
    Removed,
    /// Later, or less thoroughly.
    Weaker,
    /// More records, or the same sooner.
    Wider,
    /// It was not there before.
    New,
    /// Fewer records, or the same only later.
    Narrower,
    /// The same under another name.
    Renamed,
    /// Earlier, or more thoroughly.
    Stricter,
    /// What has no order.
    Changed,
}

impl Effect {
    /// Every effect, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::Removed,
        Self::Weaker,
        Self::Wider,
        Self::New,
        Self::Narrower,
        Self::Renamed,
        Self::Stricter,
        Self::Changed,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Weaker => "weaker",
            Self::Wider => "wider",
            Self::New => "new",
            Self::Narrower => "narrower",
            Self::Renamed => "renamed",
            Self::Stricter => "stricter",
            Self::Changed => "changed",
        }
    }
}

/// Whether a person other than the author should look at a difference before it is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// More is disposed of than before, or something stays that was disposed of, or nobody but a person can tell.
    Second,
    /// The programs that prove the rules look closely enough.
    Enough,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it does.
    pub effect: Effect,
    /// Which key, as a path: `delete_by`, `dependent.comments.columns.author_ip`; `rule`, `promise`: all of it.
    pub key: String,
    /// What stood there; none: nothing.
    pub old: Option<String>,
    /// What stands there now.
    pub new: Option<String>,
    /// The figures, or what follows from it.
    pub why: Option<String>,
    /// Whether it asks for a second look.
    pub look: Look,
}

impl Change {
    fn new(effect: Effect, key: impl Into<String>, look: Look) -> Self {
        Self { effect, key: key.into(), old: None, new: None, why: None, look }
    }

    fn from(self, old: impl Into<Option<String>>) -> Self {
        Self { old: old.into(), ..self }
    }

    fn to(self, new: impl Into<Option<String>>) -> Self {
        Self { new: new.into(), ..self }
    }

    fn why(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// The same, about a part.
    fn within(self, part: &str) -> Self {
        Self { key: format!("{part}.{}", self.key), ..self }
    }
}

/// How a promise stands on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is not made.
    Absent,
    /// It was proved kept.
    Kept,
    /// It is not kept, and why.
    Broken(Vec<String>),
}

/// A promise that a changed rule keeps or kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Which.
    pub promise: PromiseId,
    /// In the old rules.
    pub before: Standing,
    /// In the new ones.
    pub after: Standing,
}

/// What changes of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDifference {
    /// The rule; its new name, where it has one.
    pub rule: RuleId,
    /// In the order of the file. Never empty.
    pub changes: Vec<Change>,
    /// Whether the ledger will know it as another version, or by another name: its first sweep waits for `approve` above the
    /// limits.
    pub guarded: bool,
    /// The promises it keeps or kept.
    pub promises: Vec<Affected>,
}

/// What changes of one promise; or that it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseDifference {
    /// Whose.
    pub service: ServiceId,
    /// Which; its new name, where it has one.
    pub promise: PromiseId,
    /// In the order of the file; empty, where it is only broken.
    pub changes: Vec<Change>,
    /// In the old rules.
    pub before: Standing,
    /// In the new ones.
    pub after: Standing,
}

/// What changes of a service besides its rules and promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDifference {
    /// Which.
    pub service: ServiceId,
    /// Never empty.
    pub changes: Vec<Change>,
}

/// Everything that differs, and how much does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Services whose own keys differ.
    pub services: Vec<ServiceDifference>,
    /// Promises that differ, and every one that the new rules break.
    pub promises: Vec<PromiseDifference>,
    /// Rules that differ.
    pub rules: Vec<RuleDifference>,
    /// How many promises are the same, and kept.
    pub unchanged_promises: usize,
    /// How many rules are the same.
    pub unchanged_rules: usize,
}

impl RuleDifference {
    /// What its changes do, each once.
    pub fn effects(&self) -> Vec<Effect> {
        effects(&self.changes)
    }
}

/// What changes do, each effect once, in the order in which they are told.
pub fn effects(changes: &[Change]) -> Vec<Effect> {
    Effect::ALL.into_iter().filter(|effect| changes.iter().any(|c| c.effect == *effect)).collect()
}

/// Whether one of them asks for a second look.
pub fn look(changes: &[Change]) -> Look {
    if changes.iter().any(|change| change.look == Look::Second) { Look::Second } else { Look::Enough }
}

impl Difference {
    /// Whether nothing differs, and nothing is broken.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.promises.is_empty() && self.rules.is_empty()
    }

    /// Whether anything asks for a second look: one of the changes, or a promise that the new rules break.
    pub fn look(&self) -> Look {
        let promises = self.promises.iter().map(|promise| match promise.after {
            Standing::Broken(_) => Look::Second,
            Standing::Kept | Standing::Absent => look(&promise.changes),
        });
        let services = self.services.iter().map(|service| look(&service.changes));
        let rules = self.rules.iter().map(|rule| look(&rule.changes));
        promises.chain(services).chain(rules).min().unwrap_or(Look::Enough)
    }
}

/// What changes between two sets of rules, both read with the same defaults. Neither has to pass `check`.
pub fn diff(old: &RuleSet, new: &RuleSet, defaults: &Defaults) -> Difference {
    let proofs = Proofs::new(old, new, defaults);
    let mut difference = Difference { services: services(old, new), ..Difference::default() };
    difference.promises = proofs.differences();
    difference.unchanged_promises = proofs.count() - difference.promises.len();
    let rules = pairs(
        old.rules().collect(),
        new.rules().collect(),
        |(_, rule)| rule.id.to_string(),
        |(service, rule)| content::version(service, rule).canonical,
    );
    for pair in rules {
        match rule::difference(pair, &proofs, defaults) {
            Some(rule) => difference.rules.push(rule),
            None => difference.unchanged_rules += 1,
        }
    }
    difference
}

/// What services say besides: of one that is on one side alone, its waivers.
fn services(old: &RuleSet, new: &RuleSet) -> Vec<ServiceDifference> {
    let paired = pairs(
        old.services.iter().collect(),
        new.services.iter().collect(),
        |service| service.id.to_string(),
        // Its rules and promises say whether a service has another name.
        |service| service.id.to_string(),
    );
    let mut differing = Vec::new();
    for pair in paired {
        let (old, new) = pair.sides();
        let Some(service) = new.or(old) else { continue };
        let keys = old.zip(new).map(|(old, new)| header(old, new)).unwrap_or_default();
        let [before, after] = [old, new].map(|side| side.map(|s| s.waivers.as_slice()).unwrap_or_default());
        let changes: Vec<Change> = keys.into_iter().chain(waived(before, after)).collect();
        if !changes.is_empty() {
            differing.push(ServiceDifference { service: service.id.clone(), changes });
        }
    }
    differing
}

fn header(old: &Service, new: &Service) -> Vec<Change> {
    let zone = |service: &Service| service.calendar.zone().to_string();
    let keys = [
        ("name", old.name.clone(), new.name.clone(), Look::Enough),
        ("owner", old.owner.clone(), new.owner.clone(), Look::Enough),
        ("time_zone", zone(old), zone(new), Look::Second),
    ];
    let changed = keys.into_iter().filter(|(_, old, new, _)| old != new);
    changed.map(|(key, old, new, look)| Change::new(Effect::Changed, key, look).from(old).to(new)).collect()
}

/// A waiver says that no rule has to dispose of something: one more asks for a second look.
fn waived(old: &[Waiver], new: &[Waiver]) -> Vec<Change> {
    let name = |waiver: &Waiver| format!("`{}` in `{}`", waiver.dataset.name(), waiver.datastore);
    let words = |waiver: &Waiver| format!("{}: {}", name(waiver), waiver.reason);
    let pairs = pairs(old.iter().collect(), new.iter().collect(), name, words);
    let change = |pair: Pair<&Waiver>| match pair {
        Pair::Both(old, new) | Pair::Renamed(old, new) => {
            let change = Change::new(Effect::Changed, "waiver", Look::Second);
            (old.reason != new.reason).then(|| change.from(words(old)).to(words(new)))
        }
        Pair::New(new) => Some(Change::new(Effect::Weaker, "waiver", Look::Second).to(words(new))),
        Pair::Removed(old) => Some(Change::new(Effect::Stricter, "waiver", Look::Enough).from(words(old))),
    };
    pairs.into_iter().filter_map(change).collect()
}
