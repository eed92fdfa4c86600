//! What `check` proves without touching a datastore.
//!
//! 1. Every promise is kept, for every class it covers, by a rule that reaches the class.
//! 2. Each such rule is at least as strict as the promise, on every day (`strength`).
//! 3. What a rule leaves out, its promise leaves out in the same words, or sibling rules take it (`filters`).
//! 4. Sweeps are frequent enough: two gaps of the schedule and one run fit between due and deadline (`window`).
//! 5. No two rules over the same records contradict each other (`contradiction`), or take each other's mark for their own (`marks`).
//! 6. No two of a service find their data subjects by ids of different things (`subjects`): a warning.
//!
//! A rule that only observes keeps nothing: what hangs on it alone is a warning, and the promise is not called kept.

mod contradiction;
pub(super) mod filters;
mod marks;
mod strength;
pub mod subjects;
pub(super) mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

pub use window::{fits, shortest, words};

use super::rule::{Dataset, DependentDataset, Mode, Promise, Rule, RuleSet, Service, WaivedDataset};
use crate::diagnostic::nearest::did_you_mean;
use crate::diagnostic::reader::Places;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::catalogue::Catalogues;
use crate::model::datastore::{Datastore, DatastoreKind, Defaults};
use crate::model::name::{ClassName, DatastoreName, PromiseId, RuleId, ServiceId};

/// What was proved, and what a person should look at all the same.
#[derive(Debug)]
pub struct Proof {
    /// Every promise.
    pub promises: Vec<ProvedPromise>,
    /// No reason to refuse the rules.
    pub warnings: Diagnostics,
}

/// A promise, and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedPromise {
    /// Whether it is kept yet.
    pub standing: PromiseStanding,
    /// Whose promise.
    pub service: ServiceId,
    /// Which.
    pub promise: PromiseId,
    /// In our own words.
    pub text: String,
    /// The rules that keep it, in the order of the file.
    pub keepers: Vec<Keeper>,
    /// Who decided the figure, where the policy gives none.
    pub decision: Option<String>,
    /// What it leaves out.
    pub except: Option<String>,
}

/// Whether a promise is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseStanding {
    /// For every class it covers.
    Kept,
    /// Not before a rule that only observes is enforced.
    OnlyObserved,
}

/// A rule that keeps a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    /// The rule.
    pub rule: RuleId,
    /// The promise's classes that it reaches.
    pub classes: Vec<ClassName>,
    /// The figures, one comparison a line.
    pub arithmetic: Vec<String>,
}

/// Proves the rules; every finding is reported at once, warnings too where there is an error.
pub fn check(set: &RuleSet, defaults: &Defaults) -> Result<Proof, Diagnostics> {
    // Services say nothing of each other's promises, so each core takes its share of them.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let shares = set.services.chunks(set.services.len().div_ceil(cores).max(1));
    let (mut found, promises): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let provers: Vec<_> = shares.map(|share| scope.spawn(|| prove(share, defaults))).collect();
        let proved =
            provers.into_iter().map(|prover| prover.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let (found, promises): (Vec<_>, Vec<_>) = proved.unzip();
        (found.concat(), promises.into_iter().flatten().collect())
    });
    found.extend(contradiction::contradictions(set));
    found.extend(marks::shared(set));
    // What a foreign key says, only a catalogue does.
    found.extend(subjects::mistaken(set, &Catalogues::new()));
    let warnings = Diagnostics::new(found);
    if warnings.has_errors() { Err(warnings) } else { Ok(Proof { promises, warnings }) }
}

/// What is wrong with each service by itself, and its promises.
fn prove(services: &[Service], defaults: &Defaults) -> (Vec<Diagnostic>, Vec<ProvedPromise>) {
    let (mut found, mut promises) = (Vec::new(), Vec::new());
    for service in services {
        let fits: Vec<Fit<'_>> =
            service.rules.iter().map(|rule| (rule, window::fits(rule, defaults))).collect();
        for (rule, fit) in &fits {
            kept_promises_exist(service, rule, &mut found);
            found.extend(fit.as_ref().err().cloned());
        }
        for promise in &service.promises {
            found.extend(strength::possible(promise, service.calendar));
            every_class_is_kept(service, promise, &mut found);
            promises.push(summary(service, promise, &fits));
        }
    }
    (found, promises)
}

/// Why a service's rules do not keep a promise; empty: they do.
pub(super) fn broken(service: &Service, promise: &Promise, defaults: &Defaults) -> Diagnostics {
    let mut found: Vec<Diagnostic> = strength::possible(promise, service.calendar).into_iter().collect();
    every_class_is_kept(service, promise, &mut found);
    for rule in service.rules.iter().filter(|rule| rule.keeps.contains(&promise.id)) {
        found.extend(strength::weaker(rule, promise));
        found.extend(window::fits(rule, defaults).err());
    }
    Diagnostics::new(found)
}

/// What the rules say of datastores that the configuration does not have, or has as another kind.
pub fn datastores(set: &RuleSet, known: &BTreeMap<DatastoreName, Datastore>) -> Diagnostics {
    let mut found = Vec::new();
    for (_, rule) in set.rules() {
        let held = match rule.dataset {
            Dataset::Table { .. } => Held::Rows,
            Dataset::Files(_) => Held::Files,
            Dataset::Objects(_) => Held::Objects,
            Dataset::Keys(_) => Held::Keys,
        };
        found.extend(datastore(&rule.places, "datastore", &rule.datastore, Some(held), known));
        for dependent in &rule.dependents {
            let held = match dependent.dataset {
                DependentDataset::Rows { .. } => Held::Rows,
                DependentDataset::Files { .. } => Held::Files,
                DependentDataset::Keys(_) => Held::Keys,
            };
            // What it inherits has been looked at, but for whether it can hold this.
            let key = if dependent.places.has("datastore") { "datastore" } else { "" };
            found.extend(datastore(&dependent.places, key, &dependent.datastore, Some(held), known));
        }
        for (i, of) in rule.backup.iter().flat_map(|b| b.of.iter().enumerate()) {
            found.extend(datastore(&rule.places, &format!("backup.of.{i}"), of, None, known));
        }
    }
    for waiver in set.services.iter().flat_map(|service| &service.waivers) {
        let held = match waiver.dataset {
            WaivedDataset::Table(_) => Held::Rows,
            // Its `*` and `**` mean the same of files, objects and keys.
            WaivedDataset::Pattern(_) => Held::Files,
        };
        found.extend(datastore(&waiver.places, "datastore", &waiver.datastore, Some(held), known));
    }
    Diagnostics::new(found)
}

/// What a rule expects a datastore to hold.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    Rows,
    Files,
    Objects,
    Keys,
}

impl Held {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Files => "files",
            Self::Objects => "objects",
            Self::Keys => "keys",
        }
    }
}

fn datastore(
    places: &Places,
    key: &str,
    name: &DatastoreName,
    expected: Option<Held>,
    known: &BTreeMap<DatastoreName, Datastore>,
) -> Option<Diagnostic> {
    let Some(datastore) = known.get(name) else {
        return Some(Diagnostic::error(
            Code::UnknownName,
            places.of(key),
            format!("the configuration has no datastore `{name}`"),
            did_you_mean(
                name.as_str(),
                &known.keys().map(DatastoreName::as_str).collect::<Vec<_>>(),
                format!("add `[datastore.{name}]` to the configuration, or name one that is there"),
            ),
        ));
    };
    let (holds, kind) = match datastore.kind() {
        DatastoreKind::Sqlite | DatastoreKind::Postgres | DatastoreKind::MariaDb => {
            (Held::Rows, "rows: `table` names them")
        }
        DatastoreKind::Files => (Held::Files, "files: `pattern` names them"),
    };
    if expected.is_none_or(|expected| expected == holds) {
        return None;
    }
    let what = expected.map_or("", Held::as_str);
    let message = format!("datastore `{name}` holds {kind}; expected one that holds {what}");
    let help = "correct the datastore's name, or what is said of it";
    Some(Diagnostic::error(Code::Conflict, places.of(key), message, help))
}

/// The classes that a rule disposes of, its dependents' among them.
fn reached(rule: &Rule) -> BTreeSet<&ClassName> {
    rule.dependents.iter().map(|d| &d.class).chain([&rule.class]).collect()
}

fn kept_promises_exist(service: &Service, rule: &Rule, found: &mut Vec<Diagnostic>) {
    for (i, id) in rule.keeps.iter().enumerate() {
        let place = rule.places.of(&format!("keeps.{i}"));
        let Some(promise) = service.promises.iter().find(|p| p.id == *id) else {
            let message =
                format!("rule `{}` keeps promise `{id}`, which this service does not make", rule.id.local);
            let made: Vec<&str> = service.promises.iter().map(|p| p.id.as_str()).collect();
            let help = did_you_mean(id.as_str(), &made, "declare it as a `[[promise]]`");
            found.push(Diagnostic::error(Code::UnknownName, place, message, help));
            continue;
        };
        let reached = reached(rule);
        if !promise.covers.iter().any(|class| reached.contains(class)) {
            let message = format!(
                "rule `{}` reaches {}, none of which promise `{id}` covers: {}",
                rule.id.local,
                list(reached),
                list(&promise.covers)
            );
            let help = "correct the classes, or take the promise out of `keeps`";
            found.push(Diagnostic::error(Code::ClassNotReached, place, message, help));
        }
        found.extend(strength::weaker(rule, promise));
    }
}

fn every_class_is_kept(service: &Service, promise: &Promise, found: &mut Vec<Diagnostic>) {
    let keepers: Vec<&Rule> = service.rules.iter().filter(|r| r.keeps.contains(&promise.id)).collect();
    if keepers.is_empty() {
        let message = format!("no rule keeps promise `{}`", promise.id);
        let help =
            format!("add `{}` to the `keeps` of the rule that keeps it, or write that rule", promise.id);
        found.push(Diagnostic::error(Code::PromiseNotKept, promise.places.of("id"), message, help));
        return;
    }
    for (i, class) in promise.covers.iter().enumerate() {
        let place = promise.places.of(&format!("covers.{i}"));
        let of_class = keepers.iter().copied().filter(|r| reached(r).contains(class));
        let (enforcing, observing): (Vec<&Rule>, Vec<&Rule>) =
            of_class.partition(|r| r.mode == Mode::Enforce);
        let enforced: BTreeSet<_> = enforcing.iter().flat_map(|r| places_of(r, class)).collect();
        for rule in &observing {
            let Some((_, dataset)) = places_of(rule, class).find(|place| !enforced.contains(place)) else {
                continue;
            };
            let message = format!(
                "promise `{}` is not kept for class `{class}` in `{dataset}`: rule `{}` only observes",
                promise.id, rule.id.local
            );
            let help = "remove `mode` once its plan is right";
            found.push(Diagnostic::warning(Code::OnlyObserved, rule.places.of("mode"), message, help));
        }
        if !enforcing.is_empty() {
            found.extend(filters::gaps(promise, class, &enforcing));
        }
        if !enforcing.is_empty() || !observing.is_empty() {
            continue;
        }
        let elsewhere: Vec<_> = service.rules.iter().filter(|r| reached(r).contains(class)).collect();
        let (message, help) = if elsewhere.is_empty() {
            let message = format!("no rule or dependent reaches class `{class}` of promise `{}`", promise.id);
            let classes: Vec<&str> = service.rules.iter().flat_map(reached).map(ClassName::as_str).collect();
            let help = did_you_mean(
                class.as_str(),
                &classes,
                "write the rule or dependent that disposes of these records",
            );
            (message, help)
        } else {
            let names = list(elsewhere.iter().map(|r| &r.id.local));
            let message =
                format!("class `{class}` is reached by {names}, but not to keep promise `{}`", promise.id);
            (message, format!("add `{}` to its `keeps`", promise.id))
        };
        found.push(Diagnostic::error(Code::ClassNotReached, place, message, help));
    }
}

/// A rule, and whether sweeps come often enough for it.
type Fit<'r> = (&'r Rule, Result<String, Diagnostic>);

fn summary(service: &Service, promise: &Promise, fits: &[Fit<'_>]) -> ProvedPromise {
    let kept = |class| kept(service, promise, class);
    let keepers = fits.iter().filter(|(rule, _)| rule.keeps.contains(&promise.id));
    let keepers = keepers.map(|(rule, fit)| {
        let reached = reached(rule);
        let mut arithmetic = strength::arithmetic(rule, promise);
        arithmetic.extend(fit.as_ref().ok().cloned());
        Keeper {
            rule: rule.id.clone(),
            classes: promise.covers.iter().filter(|class| reached.contains(class)).cloned().collect(),
            arithmetic,
        }
    });
    ProvedPromise {
        standing: if promise.covers.iter().all(kept) {
            PromiseStanding::Kept
        } else {
            PromiseStanding::OnlyObserved
        },
        service: service.id.clone(),
        promise: promise.id.clone(),
        text: promise.text.clone(),
        keepers: keepers.collect(),
        decision: promise.decision.clone(),
        except: promise.except.clone(),
    }
}

/// Whether every place in which rules keep the promise for this class has one that is enforced.
fn kept(service: &Service, promise: &Promise, class: &ClassName) -> bool {
    let keepers = || service.rules.iter().filter(|r| r.keeps.contains(&promise.id));
    let enforced: BTreeSet<_> =
        keepers().filter(|r| r.mode == Mode::Enforce).flat_map(|r| places_of(r, class)).collect();
    !enforced.is_empty() && keepers().flat_map(|r| places_of(r, class)).all(|place| enforced.contains(&place))
}

/// Where a rule disposes of records of a class: datastores and datasets.
fn places_of<'r>(rule: &'r Rule, class: &'r ClassName) -> impl Iterator<Item = (&'r DatastoreName, &'r str)> {
    let own = (&rule.class, &rule.datastore, rule.dataset.name());
    let dependents = rule.dependents.iter().map(|d| (&d.class, &d.datastore, d.dataset.name()));
    let all = std::iter::once(own).chain(dependents);
    all.filter(move |(of, _, _)| *of == class).map(|(_, datastore, dataset)| (datastore, dataset))
}

fn list<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
