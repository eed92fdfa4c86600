//! The digest of a rule: what it does, in canonical JSON, with defaults filled in.
//!
//! It changes with what is disposed of, when or how, and with nothing else: not with names, tests, schedule, pace or the
//! layout of the file. The first sweep of a new digest is guarded, so a needless change costs an approval, and a missed
//! one an unguarded sweep.

use ring::digest::{SHA256, digest};
use serde_json::{Value as Json, json};

use super::rule::{
    Action, Backup, Condition, Dataset, Dependent, DependentDataset, Match, OnErasure, Orphans, Pick,
    Promise, Reading, Rule, Service, Strategy, Test, Trigger, TriggerPlace, Unit, Unless,
};
use crate::model::datastore::DatastoreIdentity;
use crate::model::name::{ColumnName, DatastoreName, LocalId};
use crate::model::value::{Value, rfc3339};

/// A rule as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVersion {
    /// SHA-256 of [`canonical`](Self::canonical), in lower-case hexadecimal.
    pub sha256: String,
    /// The canonical text: keys sorted by their bytes, no white space.
    pub canonical: String,
    /// The same as a value, to embed in a `rule.version` entry.
    pub json: Json,
}

/// Which datastore a name of the configuration stands for.
pub type Identities<'a> = &'a dyn Fn(&DatastoreName) -> DatastoreIdentity;

/// The version of a rule that is bound to these datastores.
pub fn version(service: &Service, rule: &Rule, identity: Identities<'_>) -> RuleVersion {
    let (table, key, pattern) = match &rule.dataset {
        Dataset::Table { table, key } => (Some(table.as_str()), Some(columns(key)), None),
        Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_) => (None, None, Some(rule.dataset.name())),
    };
    let mut json = json!({
        "time_zone": service.calendar.zone().to_string(),
        "promises": promises(service, rule),
        "datastore": datastore(&identity(&rule.datastore)),
        "table": table,
        "key": key,
        "pattern": pattern,
        "backup": rule.backup.as_ref().map(|b| backup(b, identity)),
        "subject": rule.subject.as_ref().map(|s| json!({
            "column": s.column.as_str(),
            "on_erasure": on_erasure(&s.on_erasure),
        })),
        "trigger": trigger(&rule.trigger),
        "retain": rule.retain.to_string(),
        "delete_by": rule.delete_by.to_string(),
        "only": only(&rule.only),
        "unless": sorted(rule.unless.iter().map(unless).collect()),
        "action": action(&rule.action),
        "dependents": dependents(&rule.dependents, None, identity),
    });
    // Part of what is done. Left out where nothing is asked for: every rule would get another digest, and wait for an approval.
    if let Some(then) = rule.then.then() {
        json["then"] = json!(then);
    }
    let mut canonical = String::new();
    write_canonical(&json, &mut canonical);
    let sha256 = sha256(canonical.as_bytes());
    RuleVersion { sha256, canonical, json }
}

/// In lower-case hexadecimal, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn datastore(identity: &DatastoreIdentity) -> Json {
    json!({ "kind": identity.kind.as_str(), "location": identity.location })
}

fn backup(backup: &Backup, identity: Identities<'_>) -> Json {
    json!({
        "of": sorted(backup.of.iter().map(|name| datastore(&identity(name))).collect()),
        "every_seconds": backup.every.num_seconds(),
        "keep_at_least": backup.keep_at_least,
    })
}

fn promises(service: &Service, rule: &Rule) -> Json {
    let kept = service.promises.iter().filter(|p| rule.keeps.contains(&p.id));
    sorted(kept.map(promise).collect())
}

pub(super) fn promise(promise: &Promise) -> Json {
    let mut covers: Vec<&str> = promise.covers.iter().map(crate::model::name::ClassName::as_str).collect();
    covers.sort_unstable();
    json!({
        "text": promise.text,
        "source": promise.source,
        "trigger": promise.trigger,
        "not_before": promise.not_before.map(|p| p.to_string()),
        "no_later_than": promise.no_later_than.map(|p| p.to_string()),
        "on_request": promise.on_request,
        "decision": promise.decision,
        "except": promise.except,
        "covers": covers,
    })
}

fn on_erasure(on_erasure: &OnErasure) -> Json {
    match on_erasure {
        OnErasure::Dispose => json!("dispose"),
        OnErasure::Keep(reason) => json!({ "keep": reason }),
    }
}

fn trigger(trigger: &Trigger) -> Json {
    let Reading { unit, format, time_zone } = &trigger.reading;
    let unit = unit.map(|unit| match unit {
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
    });
    let place = match &trigger.place {
        TriggerPlace::Column(column) => json!({ "column": column.as_str() }),
        TriggerPlace::Rows { table, matches, column, pick } => json!({
            "table": table.as_str(),
            "match": self::matches(matches),
            "column": column.as_str(),
            "pick": match pick { Pick::Latest => "latest", Pick::Earliest => "earliest" },
        }),
        TriggerPlace::Modified => json!({ "file": "modified" }),
        TriggerPlace::Name => json!({ "file": "name" }),
        TriggerPlace::ObjectModified => json!({ "object": "modified" }),
        TriggerPlace::Field(field) => json!({ "field": field }),
        TriggerPlace::Idle => json!({ "idle": true }),
        TriggerPlace::Request => json!({ "request": true }),
    };
    let pending = trigger.pending;
    json!({
        "place": place,
        "unit": unit,
        "format": format,
        "time_zone": time_zone.map(|zone| zone.to_string()),
        "pending": { "null": pending.null, "future": pending.future, "no_row": pending.no_row },
    })
}

fn only(conditions: &[Condition]) -> Json {
    sorted(conditions.iter().map(condition).collect())
}

fn condition(condition: &Condition) -> Json {
    let (test, values) = match &condition.test {
        Test::In(values) => ("in", sorted(values.iter().map(literal).collect())),
        Test::NotIn(values) => ("not_in", sorted(values.iter().map(literal).collect())),
        Test::Null => ("null", Json::Null),
        Test::NotNull => ("not_null", Json::Null),
    };
    json!({ "column": condition.column.as_str(), "test": test, "values": values })
}

/// Typed text: an integer may exceed what JSON readers keep exact, and `1` is not `"1"`.
fn literal(value: &Value) -> Json {
    match value {
        Value::Null => json!({ "null": true }),
        Value::Integer(n) => json!({ "integer": n.to_string() }),
        Value::Real(x) => json!({ "real": x.to_string() }),
        Value::Text(text) => json!({ "text": text }),
        Value::Instant(at) => json!({ "text": rfc3339(*at) }),
        Value::Blob(bytes) => json!({ "bytes": bytes }),
    }
}

pub(super) fn unless(unless: &Unless) -> Json {
    json!({ "table": unless.table.as_str(), "match": matches(&unless.matches), "only": only(&unless.only) })
}

fn action(action: &Action) -> Json {
    match action {
        Action::Delete => json!({ "do": "delete" }),
        Action::Pseudonymize { columns, mark } => {
            let columns =
                columns.iter().map(|(c, s)| json!({ "column": c.as_str(), "with": strategy(s) })).collect();
            json!({ "do": "pseudonymize", "columns": sorted(columns), "mark": mark.as_str() })
        }
    }
}

/// Whether an `action` of a version, or one of its `dependents`, replaces a value by a keyed pseudonym.
pub fn uses_key(json: &Json) -> bool {
    match json {
        Json::Object(members) => {
            members.get("with").is_some_and(|with| *with == strategy(&Strategy::Keyed))
                || members.values().any(uses_key)
        }
        Json::Array(items) => items.iter().any(uses_key),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

fn strategy(strategy: &Strategy) -> Json {
    match strategy {
        Strategy::Random => json!("random"),
        Strategy::Keyed => json!("keyed"),
        Strategy::Null => json!("null"),
        Strategy::Fixed(text) => json!({ "fixed": text }),
        Strategy::TruncateIp => json!("truncate-ip"),
        Strategy::TruncateDate => json!("truncate-date"),
    }
}

/// As a tree, so that the ids that `of` refers to, which are only names, do not count.
fn dependents(all: &[Dependent], of: Option<&LocalId>, identity: Identities<'_>) -> Json {
    let here = all.iter().filter(|d| d.of.as_ref() == of);
    sorted(here.map(|d| dependent(d, all, identity)).collect())
}

pub(super) fn dependent(dependent: &Dependent, all: &[Dependent], identity: Identities<'_>) -> Json {
    let dataset = match &dependent.dataset {
        DependentDataset::Rows { table, key, matches } => json!({
            "table": table.as_str(),
            "key": key.as_ref().map(|key| columns(key)),
            "match": self::matches(matches),
        }),
        // Looking for orphans disposes of nothing.
        DependentDataset::Files { pattern, orphans: Orphans::Ignored | Orphans::Listed } => {
            json!({ "pattern": pattern.as_str() })
        }
        DependentDataset::Keys(keys) => json!({ "pattern": keys.as_str() }),
    };
    json!({
        "datastore": datastore(&identity(&dependent.datastore)),
        "dataset": dataset,
        "action": action(&dependent.action),
        "dependents": dependents(all, Some(&dependent.id), identity),
    })
}

fn matches(matches: &[Match]) -> Json {
    sorted(matches.iter().map(|m| json!([m.theirs.as_str(), m.ours.as_str()])).collect())
}

fn columns(columns: &[ColumnName]) -> Json {
    columns.iter().map(ColumnName::as_str).collect()
}

/// A set, in the order of its canonical texts.
fn sorted(mut values: Vec<Json>) -> Json {
    values.sort_by_cached_key(|value| {
        let mut text = String::new();
        write_canonical(value, &mut text);
        text
    });
    Json::Array(values)
}

/// Not left to `serde_json`, whose order of keys another crate's feature can change.
fn write_canonical(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            enclosed('{', '}', keys, out, |key, out| {
                out.push_str(&Json::String(key.clone()).to_string());
                out.push(':');
                write_canonical(&map[key.as_str()], out);
            });
        }
        Json::Array(items) => enclosed('[', ']', items.iter().collect(), out, write_canonical),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => out.push_str(&value.to_string()),
    }
}

fn enclosed<T>(open: char, close: char, items: Vec<T>, out: &mut String, write: impl Fn(T, &mut String)) {
    out.push(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Source, SourceKind};
    use crate::model::datastore::{DatastoreKind, Defaults};
    use crate::rules::document::parse;

    const WRITTEN: &str = r#"
[service]
name = "Site"
owner = "site@example.com"
time_zone = "Europe/Moscow"

[[promise]]
id = "account"
text = "Gone within 24 hours."
source = "Policy, 2020-04-28"
trigger = "account deleted"
no_later_than = "24 hours"
covers = ["account", "comments"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "site"
table = "account"
key = ["id"]
subject = "id"
on_erasure = "dispose"
trigger = { column = "deleted_at", pending = ["null", "future"] }
retain = "0 hours"
delete_by = "24 hours"
action = "delete"
only = { plan = ["free", "trial"], closed = true }

[[rule.dependent]]
id = "comments"
class = "comments"
table = "comment"
match = { author_id = "id" }
action = "pseudonymize"
columns = { author_id = "null", author_name = "random" }
mark = "pseudonymized_at"

[[rule.test]]
name = "a living account is kept"
record = { id = 1, deleted_at = { null = true } }
at = "2026-03-02T10:00:00+03:00"
expect = "kept"
"#;

    fn sha256(text: &str, location: &str) -> String {
        let source = Source::new(SourceKind::Rules, "site.toml", text);
        let service = parse(&source, "site", &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
        let identity = |_: &DatastoreName| DatastoreIdentity {
            kind: DatastoreKind::Sqlite,
            location: location.to_owned(),
        };
        version(&service, &service.rules[0], &identity).sha256
    }

    #[test]
    fn what_a_rule_does_changes_its_digest() {
        let original = sha256(WRITTEN, "/a.db");
        assert_eq!(original.len(), 64);
        assert_ne!(sha256(WRITTEN, "/b.db"), original);
        let mut seen = std::collections::BTreeSet::from([original]);
        for (from, to) in [
            ("Europe/Moscow", "Europe/Minsk"),
            ("no_later_than = \"24 hours\"", "no_later_than = \"25 hours\""),
            ("text = \"Gone", "text = \"Really gone"),
            ("table = \"account\"", "table = \"accounts\""),
            ("key = [\"id\"]", "key = [\"id\", \"shard\"]"),
            ("\"dispose\"", "{ keep = \"tax law\" }"),
            ("deleted_at\", pending", "closed_at\", pending"),
            ("[\"null\", \"future\"]", "[\"null\"]"),
            ("pending = [\"null\"", "unit = \"s\", pending = [\"null\""),
            ("\"0 hours\"", "\"0 days\""),
            ("delete_by = \"24 hours\"", "delete_by = \"23 hours\""),
            ("[\"free\", \"trial\"]", "[\"free\"]"),
            ("[\"free\", \"trial\"]", "{ not = [\"free\", \"trial\"] }"),
            ("closed = true", "closed = \"1\""),
            ("author_name = \"random\"", "author_name = \"keyed\""),
            ("author_id = \"id\"", "author_id = \"number\""),
            ("mark = \"pseudonymized_at\"", "mark = \"done_at\""),
            ("table = \"comment\"", "table = \"comment\"\nkey = [\"id\"]"),
            ("action = \"delete\"", "action = \"delete\"\nthen = \"vacuum\""),
            ("action = \"delete\"", "action = \"delete\"\nthen = \"rewrite\""),
        ] {
            assert_eq!(WRITTEN.matches(from).count(), 1, "`{from}`");
            assert!(seen.insert(sha256(&WRITTEN.replace(from, to), "/a.db")), "`{from}` → `{to}`");
        }
    }

    #[test]
    fn names_layout_and_tests_do_not_change_a_digest() {
        let original = sha256(WRITTEN, "/a.db");
        for (from, to) in [
            ("name = \"Site\"", "name = \"The site\"   # renamed"),
            ("a living account is kept", "nothing happens to the living"),
            ("expect = \"kept\"", "expect = \"due\""),
            ("datastore = \"site\"", "datastore = \"primary\"\nschedule = \"0 0 3 * * *\""),
            ("id = \"comments\"", "id = \"remarks\""),
            ("[\"null\", \"future\"]", "[\"future\", \"null\"]"),
            ("[\"free\", \"trial\"]", "[\n  \"trial\",\n  \"free\",\n]"),
            ("[\"account\", \"comments\"]", "[\"comments\", \"account\"]"),
            ("delete_by = \"24 hours\"", "delete_by = \"PT24H\""),
            ("closed = true", "closed = 1"),
        ] {
            assert_eq!(WRITTEN.matches(from).count(), 1, "`{from}`");
            assert_eq!(sha256(&WRITTEN.replace(from, to), "/a.db"), original, "`{from}` → `{to}`");
        }
    }

    #[test]
    fn canonical_text_sorts_keys_by_their_bytes() {
        let mut text = String::new();
        write_canonical(&json!({ "b": [1, null], "a": { "é": "\"", "Z": true } }), &mut text);
        assert_eq!(text, "{\"a\":{\"Z\":true,\"é\":\"\\\"\"},\"b\":[1,null]}");
    }
}
