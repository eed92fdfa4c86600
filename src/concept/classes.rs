//! Data classes, and the deletion classes they fall into.

use std::collections::BTreeMap;

use super::action::action;
use super::start::start;
use super::view::{Class, ClassUnderRule, DeletionClass, Member, Place, PromiseRef};
use crate::model::name::ClassName;
use crate::model::period::{DeleteBy, Period};
use crate::rules::prose::StartKind;
use crate::rules::rule::{Rule, Service};

/// The data classes of a service, in the order in which its rules reach them.
pub(super) fn of_service(service: &Service) -> Vec<Class> {
    let of_class = |class: &ClassName| Class {
        service: service.id.to_string(),
        class: class.to_string(),
        rules: service.rules.iter().filter_map(|rule| under(service, rule, class)).collect(),
    };
    reached(service.rules.iter()).into_iter().map(of_class).collect()
}

/// The classes that rules dispose of, their dependents' among them; each once.
fn reached<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<&'r ClassName> {
    let mut classes = Vec::new();
    for class in
        rules.flat_map(|rule| std::iter::once(&rule.class).chain(rule.dependents.iter().map(|d| &d.class)))
    {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes
}

fn under(service: &Service, rule: &Rule, class: &ClassName) -> Option<ClassUnderRule> {
    let own = (rule.class == *class).then(|| Place {
        dependent: None,
        datastore: rule.datastore.to_string(),
        dataset: rule.dataset.name().to_owned(),
        action: action(&rule.action),
    });
    let dependents = rule.dependents.iter().filter(|d| d.class == *class).map(|dependent| Place {
        dependent: Some(dependent.id.to_string()),
        datastore: dependent.datastore.to_string(),
        dataset: dependent.dataset.name().to_owned(),
        action: action(&dependent.action),
    });
    let records: Vec<Place> = own.into_iter().chain(dependents).collect();
    let about = service.promises.iter().filter(|p| rule.keeps.contains(&p.id) && p.covers.contains(class));
    let promises = about.map(|p| PromiseRef { promise: p.id.to_string(), source: p.source.clone() });
    (!records.is_empty()).then(|| ClassUnderRule {
        rule: rule.id.to_string(),
        promises: promises.collect(),
        records,
    })
}

/// Every class of these services by its period and the kind of its start event, the shortest period first.
pub(super) fn deletion_classes(services: &[&Service]) -> Vec<DeletionClass> {
    let mut cells: BTreeMap<(Rank, String, StartKind), Vec<Member>> = BTreeMap::new();
    for service in services {
        for rule in &service.rules {
            let at = (rank(&rule.delete_by), rule.delete_by.to_string(), start(rule).kind);
            add(cells.entry(at).or_default(), service, reached(std::iter::once(rule)));
        }
    }
    let class = |((_, delete_by, start), members)| DeletionClass { delete_by, start, members };
    cells.into_iter().map(class).collect()
}

fn add(members: &mut Vec<Member>, service: &Service, classes: Vec<&ClassName>) {
    let id = service.id.to_string();
    if members.last().is_none_or(|last| last.service != id) {
        members.push(Member { service: id, classes: Vec::new() });
    }
    let Some(member) = members.last_mut() else { return };
    for class in classes.into_iter().map(ToString::to_string) {
        if !member.classes.contains(&class) {
            member.classes.push(class);
        }
    }
}

/// Orders periods for the eye alone: a month counts as 30.44 days, in seconds.
type Rank = i64;

fn rank(delete_by: &DeleteBy) -> Rank {
    const DAY: i64 = 86_400;
    const MONTH: i64 = 2_629_746;
    match delete_by.period() {
        Period::Elapsed(elapsed) => elapsed.length().num_seconds(),
        Period::Civil(civil) => i64::from(civil.months) * MONTH + i64::from(civil.days) * DAY,
    }
}
