//! The rules against what their datastores say of themselves, beyond what a sweep itself insists on.
//!
//! 1. What a sweep searches for has an index, or is said with its cost ([`index`]).
//! 2. Rows that decide about a record are seen in time ([`in_flight`]), and constraints admit what is written ([`constraint`]).
//! 3. Everything that is there is covered by a rule or named by a waiver ([`coverage`], [`prefixes`]).
//! 4. Every waiver names something that is there and that no rule covers ([`waivers`]).
//! 5. What may be done there is what a sweep has to do ([`privilege`]).
//!
//! Pure: whoever reads the datastores hands over what they hold.

pub mod constraint;
pub mod coverage;
pub mod in_flight;
pub mod index;
pub mod prefixes;
pub mod privilege;
pub mod waivers;

use std::collections::BTreeMap;

use super::rule::{Rule, RuleSet};
use crate::diagnostic::Place;
use crate::model::name::DatastoreName;

/// Where each datastore is first named: in a rule, in a dependent, in a waiver; else in the configuration.
pub fn named_at(
    set: &RuleSet,
    configured: &BTreeMap<DatastoreName, Place>,
) -> BTreeMap<DatastoreName, NamedAt> {
    let mut places: BTreeMap<DatastoreName, NamedAt> = BTreeMap::new();
    let own = set.rules().map(|(_, rule)| (&rule.datastore, &rule.places));
    let dependents = set.rules().flat_map(|(_, rule)| of_dependents(rule));
    let waivers = set.services.iter().flat_map(|s| &s.waivers).map(|w| (&w.datastore, &w.places));
    for (name, at) in own.chain(dependents).chain(waivers) {
        places.entry(name.clone()).or_insert_with(|| NamedAt::Rules(at.of("datastore")));
    }
    for (name, place) in configured {
        places.entry(name.clone()).or_insert_with(|| NamedAt::Configuration(place.clone()));
    }
    places
}

fn of_dependents(rule: &Rule) -> impl Iterator<Item = (&DatastoreName, &crate::diagnostic::reader::Places)> {
    let written = rule.dependents.iter().filter(|d| d.places.has("datastore"));
    written.map(|dependent| (&dependent.datastore, &dependent.places))
}

/// Where a datastore is named.
#[derive(Debug, Clone)]
pub enum NamedAt {
    /// In a rule file.
    Rules(Place),
    /// Only where it is configured.
    Configuration(Place),
}

impl NamedAt {
    /// The place.
    pub fn place(&self) -> Place {
        match self {
            Self::Rules(place) | Self::Configuration(place) => place.clone(),
        }
    }
}

/// A waiver to paste; its reason is for a person to write, and no rule file is read before that.
fn waiver(datastore: &DatastoreName, key: &str, dataset: &str) -> String {
    let text = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[[waiver]]\ndatastore = \"{}\"\n{key} = \"{}\"\nreason = \"\"",
        text(datastore.as_str()),
        text(dataset)
    )
}

/// How many of them there are, for a verb.
fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
