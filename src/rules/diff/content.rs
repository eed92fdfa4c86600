//! What a rule does, key by key, as its digest has it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::model::datastore::{DatastoreIdentity, DatastoreKind};
use crate::model::name::DatastoreName;
use crate::rules::digest::{self, RuleVersion};
use crate::rules::rule::{Dependent, Promise, Rule, Service};

/// Datastores are told apart by their names: both sides are read under one configuration, or under none.
fn named(name: &DatastoreName) -> DatastoreIdentity {
    DatastoreIdentity { kind: DatastoreKind::Sqlite, location: name.to_string() }
}

/// A rule's version, as far as its file says it.
pub fn version(service: &Service, rule: &Rule) -> RuleVersion {
    digest::version(service, rule, &named)
}

/// A dependent without its name, and with what hangs on it.
pub fn dependent(dependent: &Dependent, all: &[Dependent]) -> Json {
    digest::dependent(dependent, all, &named)
}

/// A promise without its name.
pub fn promise(promise: &Promise) -> Json {
    digest::promise(promise)
}

/// The keys whose values differ.
pub fn differing<'j>(old: &'j Json, new: &'j Json) -> BTreeSet<&'j str> {
    let keys = [old, new].into_iter().filter_map(Json::as_object).flat_map(|map| map.keys());
    keys.map(String::as_str).filter(|key| old.get(key) != new.get(key)).collect()
}
