//! What the rule files say, as far as a report needs it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::tally::Of;
use super::unit::Seconds;
use crate::ledger::canonical::RuleDigest;
use crate::model::datastore::Defaults;
use crate::rules::rule::{Promise, Rule, RuleSet};

/// The services whose rules are loaded.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) services: Vec<KnownService>,
}

#[derive(Debug)]
pub(super) struct KnownService {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) promises: Vec<KnownPromise>,
    pub(super) rules: Vec<KnownRule>,
}

#[derive(Debug)]
pub(super) struct KnownPromise {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) source: String,
    pub(super) trigger: String,
    /// In words; none: it names none.
    pub(super) deadline: Option<String>,
    pub(super) except: Option<String>,
    pub(super) decision: Option<String>,
    /// The rules that keep it, and the classes of it that each reaches.
    pub(super) keepers: Vec<(String, Vec<String>)>,
}

/// A rule of the rule files.
#[derive(Debug)]
pub(super) struct KnownRule {
    pub(super) id: String,
    pub(super) class: String,
    /// The classes of the dependents, by datastore and dataset.
    pub(super) dependents: BTreeMap<(String, String), BTreeSet<String>>,
    /// Twice the longest time between two starts.
    pub(super) two_gaps: Seconds,
    /// The same, and one run: what `check` wants to fit between due and deadline.
    pub(super) two_sweeps: Seconds,
    /// As the ledger would know it now; none: it could not be worked out.
    pub(super) digest: Option<RuleDigest>,
}

impl Known {
    /// Of these rules, swept as `defaults` has it; `digest` is asked for each rule's version.
    pub fn of(set: &RuleSet, defaults: &Defaults, digest: &dyn Fn(&Rule) -> Option<RuleDigest>) -> Self {
        let services = set.services.iter().map(|service| KnownService {
            id: service.id.to_string(),
            name: service.name.clone(),
            promises: service.promises.iter().map(|p| promise(p, &service.rules)).collect(),
            rules: service.rules.iter().map(|r| rule(r, defaults, digest(r))).collect(),
        });
        Self { services: services.collect() }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &KnownRule> {
        self.services.iter().flat_map(|service| &service.rules)
    }

    pub(super) fn rule(&self, id: &str) -> Option<&KnownRule> {
        self.rules().find(|rule| rule.id == id)
    }

    /// The services, by their ids.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.id.as_str())
    }
}

impl KnownRule {
    /// The class of the rule's own records, or of a dependent's; none: the rule as it is now has no such dataset.
    pub(super) fn class(&self, of: Of, datastore: &str, dataset: &str) -> Option<String> {
        match of {
            Of::Rule => Some(self.class.clone()),
            Of::Dependent => {
                let classes = self.dependents.get(&(datastore.to_owned(), dataset.to_owned()))?;
                Some(classes.iter().cloned().collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn promise(promise: &Promise, rules: &[Rule]) -> KnownPromise {
    let keepers = rules.iter().filter(|rule| rule.keeps.contains(&promise.id)).map(|rule| {
        let reached: BTreeSet<_> = rule.dependents.iter().map(|d| &d.class).chain([&rule.class]).collect();
        let classes = promise.covers.iter().filter(|class| reached.contains(class));
        (rule.id.to_string(), classes.map(ToString::to_string).collect())
    });
    KnownPromise {
        id: promise.id.to_string(),
        text: promise.text.clone(),
        source: promise.source.clone(),
        trigger: promise.trigger.clone(),
        deadline: promise.no_later_than.map(|by| by.to_string()),
        except: promise.except.clone(),
        decision: promise.decision.clone(),
        keepers: keepers.collect(),
    }
}

fn rule(rule: &Rule, defaults: &Defaults, digest: Option<RuleDigest>) -> KnownRule {
    let mut dependents: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for dependent in &rule.dependents {
        let place = (dependent.datastore.to_string(), dependent.dataset.name().to_owned());
        dependents.entry(place).or_default().insert(dependent.class.to_string());
    }
    let gap = defaults.longest_gap(rule.datastores(), &rule.schedule).unwrap_or(TimeDelta::MAX);
    let two_gaps = gap.checked_mul(2).unwrap_or(TimeDelta::MAX);
    KnownRule {
        id: rule.id.to_string(),
        class: rule.class.to_string(),
        dependents,
        two_gaps: seconds(two_gaps),
        two_sweeps: seconds(two_gaps.checked_add(&defaults.run_cap).unwrap_or(TimeDelta::MAX)),
        digest,
    }
}

fn seconds(length: TimeDelta) -> Seconds {
    Seconds(length.num_seconds().unsigned_abs())
}
