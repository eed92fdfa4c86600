//! Rules → the view.

use std::collections::BTreeMap;

use super::action::action;
use super::start::start;
use super::view::{
    BackedUp, Backup, Concept, Dataset, Datastore, Dependent, Holds, Keeper, OnErasure, Promise, Rule,
    Service, Waiver,
};
use super::{classes, view};
use crate::model::datastore::Defaults;
use crate::model::name::{ColumnName, DatastoreName, ServiceId};
use crate::rules::check::{self, PromiseStanding, ProvedPromise};
use crate::rules::digest::sha256;
use crate::rules::prose::{self, Line, matched};
use crate::rules::rule::{self, DependentDataset, RuleSet};

/// What a concept is written from.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The rules.
    pub rules: &'a RuleSet,
    /// What `check` proved of them.
    pub promises: &'a [ProvedPromise],
    /// What the rules inherit, and when their datastores are open.
    pub defaults: &'a Defaults,
    /// The datastores of the configuration; none: there is no configuration.
    pub datastores: Option<&'a BTreeMap<DatastoreName, crate::model::datastore::Datastore>>,
}

impl Concept {
    /// The concept of one service, or of all. Backups of its datastores count, whichever service's rules they are under.
    pub fn of(given: &Given<'_>, only: Option<&ServiceId>) -> Self {
        let services: Vec<&rule::Service> =
            given.rules.services.iter().filter(|s| only.is_none_or(|only| s.id == *only)).collect();
        Self {
            format: "expunged-concept/1",
            program: env!("CARGO_PKG_VERSION"),
            service: only.map(ToString::to_string),
            services: services.iter().map(|s| service(s)).collect(),
            promises: services.iter().flat_map(|s| promises(s, given.promises)).collect(),
            rules: services.iter().flat_map(|s| s.rules.iter().map(|r| rule(s, r, given.defaults))).collect(),
            classes: services.iter().flat_map(|s| classes::of_service(s)).collect(),
            deletion_classes: classes::deletion_classes(&services),
            datastores: datastores(&services, given),
        }
    }
}

fn service(service: &rule::Service) -> Service {
    let places = service.rules.iter().map(|r| &r.places).chain(service.promises.iter().map(|p| &p.places));
    let text = places.map(|places| places.of("")).next();
    Service {
        service: service.id.to_string(),
        name: service.name.clone(),
        owner: service.owner.clone(),
        time_zone: service.calendar.zone().to_string(),
        file: format!("{}.toml", service.id),
        waivers: service.waivers.iter().map(waiver).collect(),
        sha256: text.map(|place| sha256(place.source().text().as_bytes())),
    }
}

fn waiver(waiver: &rule::Waiver) -> Waiver {
    Waiver {
        datastore: waiver.datastore.to_string(),
        dataset: waiver.dataset.name().to_owned(),
        reason: waiver.reason.clone(),
    }
}

fn promises<'a>(
    service: &'a rule::Service,
    kept: &'a [ProvedPromise],
) -> impl Iterator<Item = Promise> + use<'a> {
    let proved =
        |promise: &rule::Promise| kept.iter().find(|k| k.service == service.id && k.promise == promise.id);
    service.promises.iter().map(move |promise| Promise {
        service: service.id.to_string(),
        promise: promise.id.to_string(),
        text: promise.text.clone(),
        source: promise.source.clone(),
        trigger: promise.trigger.clone(),
        not_before: promise.not_before.map(|period| period.to_string()),
        no_later_than: promise.no_later_than.map(|period| period.to_string()),
        on_request: promise.on_request,
        decision: promise.decision.clone(),
        except: promise.except.clone(),
        classes: texts(&promise.covers),
        kept: proved(promise).is_some_and(|k| k.standing == PromiseStanding::Kept),
        keepers: proved(promise).map_or(Vec::new(), |k| k.keepers.iter().map(keeper).collect()),
    })
}

fn keeper(keeper: &check::Keeper) -> Keeper {
    Keeper {
        rule: keeper.rule.to_string(),
        classes: texts(&keeper.classes),
        arithmetic: keeper.arithmetic.clone(),
    }
}

fn rule(service: &rule::Service, rule: &rule::Rule, defaults: &Defaults) -> Rule {
    Rule {
        service: service.id.to_string(),
        rule: rule.id.to_string(),
        class: rule.class.to_string(),
        promises: texts(&rule.keeps),
        dataset: dataset(rule),
        subject: rule.subject.as_ref().map(|subject| subject.column.to_string()),
        on_erasure: on_erasure(rule),
        start: start(rule),
        retain: rule.retain.to_string(),
        delete_by: rule.delete_by.to_string(),
        schedule: rule.schedule.to_string(),
        longest_gap_seconds: defaults
            .longest_gap(rule.datastores(), &rule.schedule)
            .unwrap_or(chrono::TimeDelta::MAX)
            .num_seconds(),
        mode: rule.mode.as_str(),
        action: action(&rule.action),
        then: prose::then(rule.then),
        only: rule.only.iter().map(prose::condition).collect(),
        unless: rule.unless.iter().map(prose::unless).collect(),
        except: rule.except.clone(),
        backup: rule.backup.as_ref().map(|backup| Backup {
            of: texts(&backup.of),
            every: check::words(backup.every),
            keep_at_least: backup.keep_at_least.map(std::num::NonZeroU32::get),
        }),
        dependents: rule.dependents.iter().map(dependent).collect(),
    }
}

fn dataset(rule: &rule::Rule) -> Dataset {
    let (holds, key) = match &rule.dataset {
        rule::Dataset::Table { key, .. } => (Holds::Rows, texts(key)),
        rule::Dataset::Files(_) => (Holds::Files, Vec::new()),
        rule::Dataset::Objects(_) => (Holds::Objects, Vec::new()),
        rule::Dataset::Keys(_) => (Holds::Keys, Vec::new()),
    };
    Dataset { datastore: rule.datastore.to_string(), holds, dataset: rule.dataset.name().to_owned(), key }
}

fn on_erasure(rule: &rule::Rule) -> OnErasure {
    match rule.subject.as_ref().map(|subject| &subject.on_erasure) {
        None => OnErasure::NotReached,
        Some(rule::OnErasure::Dispose) => OnErasure::Dispose,
        Some(rule::OnErasure::Keep(reason)) => OnErasure::Keep { reason: reason.clone() },
    }
}

fn dependent(dependent: &rule::Dependent) -> Dependent {
    let whose = if dependent.of.is_some() { "the dependent’s" } else { "the record’s" };
    let (holds, key, belongs) = match &dependent.dataset {
        DependentDataset::Rows { key, matches, .. } => {
            (Holds::Rows, key.as_deref().unwrap_or_default(), matched(matches, whose))
        }
        DependentDataset::Files { pattern, .. } => {
            let columns = Line::names(pattern.columns().map(ColumnName::as_str));
            (Holds::Files, &[][..], Line::words(format!("the path holds {whose} ")).then(columns))
        }
        DependentDataset::Keys(pattern) => {
            let columns = Line::names(pattern.columns().map(ColumnName::as_str));
            (Holds::Keys, &[][..], Line::words("the key holds the record’s ").then(columns))
        }
    };
    Dependent {
        dependent: dependent.id.to_string(),
        of: dependent.of.as_ref().map(ToString::to_string),
        class: dependent.class.to_string(),
        dataset: Dataset {
            datastore: dependent.datastore.to_string(),
            holds,
            dataset: dependent.dataset.name().to_owned(),
            key: texts(key),
        },
        belongs,
        action: action(&dependent.action),
    }
}

/// Every datastore in which these services' rules dispose of something, in the order in which the rules name them.
fn datastores(services: &[&rule::Service], given: &Given<'_>) -> Vec<Datastore> {
    let mut all: Vec<Datastore> = Vec::new();
    for rule in services.iter().flat_map(|s| &s.rules).map(|r| (dataset(r), &r.dependents)) {
        let (own, dependents) = rule;
        for place in std::iter::once(own).chain(dependents.iter().map(|d| dependent(d).dataset)) {
            if all.iter().any(|known| known.datastore == place.datastore) {
                continue;
            }
            all.push(datastore(&place, given));
        }
    }
    all
}

fn datastore(place: &Dataset, given: &Given<'_>) -> Datastore {
    let configured =
        given.datastores.and_then(|all| all.iter().find(|(name, _)| name.as_str() == place.datastore));
    Datastore {
        datastore: place.datastore.clone(),
        kind: configured.map(|(_, datastore)| datastore.kind().as_str()),
        holds: place.holds,
        holds_backups: given
            .rules
            .rules()
            .any(|(_, r)| r.backup.is_some() && r.datastore.as_str() == place.datastore),
        backups: given
            .rules
            .rules()
            .filter(|(_, r)| r.mode == rule::Mode::Enforce)
            .filter_map(|(s, r)| backed_up(s, r, &place.datastore))
            .collect(),
    }
}

fn backed_up(service: &rule::Service, rule: &rule::Rule, datastore: &str) -> Option<BackedUp> {
    let backup = rule.backup.as_ref()?;
    backup.of.iter().any(|of| of.as_str() == datastore).then(|| BackedUp {
        rule: rule.id.to_string(),
        owner: service.owner.clone(),
        datastore: rule.datastore.to_string(),
        dataset: rule.dataset.name().to_owned(),
        every: check::words(backup.every),
        delete_by: rule.delete_by.to_string(),
    })
}

pub(super) fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// What the rest of the concept asks of the view.
impl Concept {
    pub(super) fn rule(&self, id: &str) -> Option<&view::Rule> {
        self.rules.iter().find(|rule| rule.rule == id)
    }

    pub(super) fn rules_of<'c>(&'c self, service: &'c str) -> impl Iterator<Item = &'c view::Rule> {
        self.rules.iter().filter(move |rule| rule.service == service)
    }

    pub(super) fn classes_of<'c>(&'c self, service: &'c str) -> impl Iterator<Item = &'c view::Class> {
        self.classes.iter().filter(move |class| class.service == service)
    }

    pub(super) fn promises_of<'c>(&'c self, service: &'c str) -> impl Iterator<Item = &'c view::Promise> {
        self.promises.iter().filter(move |promise| promise.service == service)
    }

    /// What people call a service.
    pub(super) fn name_of<'c>(&'c self, service: &'c str) -> &'c str {
        let found = self.services.iter().find(|known| known.service == service);
        found.map_or(service, |known| known.name.as_str())
    }

    pub(super) fn datastore(&self, name: &str) -> Option<&view::Datastore> {
        self.datastores.iter().find(|datastore| datastore.datastore == name)
    }
}
