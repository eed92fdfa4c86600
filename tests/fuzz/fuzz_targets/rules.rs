//! The rule parser against a plain reading of the same file: what it accepts is never wider than what the file says.
//!
//! The file is read once more as a table of TOML values, and every rule that was accepted is held against it: nothing that the
//! file does not say, nothing left out, every filter as written, no key that means nothing.

#![no_main]

use std::collections::BTreeMap;

use chrono::TimeDelta;
use expunged::diagnostic::{Paint, Source, SourceKind};
use expunged::model::calendar::Zone;
use expunged::model::datastore::{DatastoreIdentity, DatastoreKind, Defaults};
use expunged::model::period::{DeleteBy, Period};
use expunged::model::value::Value as Held;
use expunged::rules::check::check;
use expunged::rules::digest::version;
use expunged::rules::document::parse;
use expunged::rules::rule::{
    Action, Condition, Dataset, Dependent, DependentDataset, Match, Mode, OnErasure, Pending, Pick, Reading, Rule, RuleSet,
    Service, Strategy, Test, Trigger, TriggerPlace, Unit, Unless, WaivedDataset,
};
use libfuzzer_sys::fuzz_target;
use toml::{Table, Value};

fuzz_target!(|text: &str| {
    // A rule file is a few kibibytes; what is larger only takes the fuzzer's time.
    if text.len() > 1 << 16 {
        return;
    }
    let Some(service) = read(text) else { return };
    let file: Table = toml::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).expect("accepted, and no TOML");
    as_written(&service, &file);
    let again = read(text).expect("accepted once, refused the second time");
    assert_eq!(digests(&service), digests(&again));
    let set = RuleSet { services: vec![service] };
    if let Err(found) = check(&set, &Defaults::default()) {
        assert!(!found.render(Paint::Plain).is_empty());
    }
});

fn read(text: &str) -> Option<Service> {
    let source = Source::new(SourceKind::Rules, "rules/fuzz.toml", text);
    match parse(&source, "fuzz", &Defaults::default()) {
        Ok(service) => Some(service),
        Err(found) => {
            let shown = found.render(Paint::Plain);
            assert!(!shown.is_empty() && shown.len() < 1 << 20, "{} bytes", shown.len());
            None
        }
    }
}

fn digests(service: &Service) -> Vec<String> {
    let identity = |name: &expunged::model::name::DatastoreName| DatastoreIdentity {
        kind: DatastoreKind::Sqlite,
        location: name.as_str().to_owned(),
    };
    service.rules.iter().map(|rule| version(service, rule, &identity).canonical).collect()
}

fn as_written(service: &Service, file: &Table) {
    known(file, &["service", "promise", "rule", "waiver"]);
    let header = table(&file["service"]);
    known(header, &["name", "owner", "time_zone"]);
    assert_eq!(service.calendar.zone().name(), text(&header["time_zone"]));
    let rules = tables(file.get("rule"));
    assert_eq!(service.rules.len(), rules.len(), "every rule is there once");
    for (rule, written) in service.rules.iter().zip(&rules) {
        this_rule(rule, written);
    }
    let promises = tables(file.get("promise"));
    assert_eq!(service.promises.len(), promises.len());
    for (promise, written) in service.promises.iter().zip(&promises) {
        known(
            written,
            &["id", "text", "source", "trigger", "covers", "no_later_than", "not_before", "on_request", "decision", "except"],
        );
        assert_eq!(promise.id.as_str(), text(&written["id"]));
        assert_eq!(promise.except.as_deref(), written.get("except").map(text));
        assert_eq!(promise.covers.iter().map(|c| c.as_str()).collect::<Vec<_>>(), texts(&written["covers"]));
        let period = |key: &str| written.get(key).map(|figure| text(figure).parse().expect("accepted as a period"));
        assert_eq!(promise.not_before.map(|bound| bound.period()), period("not_before"));
        let on_request = written.contains_key("on_request").then(|| DeleteBy::on_request().period());
        assert_eq!(promise.no_later_than.map(|bound| bound.period()), period("no_later_than").or(on_request));
        assert_eq!(promise.on_request, on_request.is_some());
    }
    let waivers = tables(file.get("waiver"));
    assert_eq!(service.waivers.len(), waivers.len(), "nothing is waived that the file does not waive");
    for (waiver, written) in service.waivers.iter().zip(&waivers) {
        known(written, &["datastore", "table", "pattern", "reason"]);
        assert_eq!((waiver.datastore.as_str(), waiver.reason.as_str()), (text(&written["datastore"]), text(&written["reason"])));
        let key = if matches!(waiver.dataset, WaivedDataset::Table(_)) { "table" } else { "pattern" };
        assert_eq!(waiver.dataset.name(), text(&written[key]));
    }
}

const RULE: [&str; 24] = [
    "id", "class", "keeps", "datastore", "table", "key", "pattern", "subject", "on_erasure", "trigger", "retain", "delete_by",
    "schedule", "mode", "action", "columns", "mark", "then", "only", "unless", "except", "backup", "dependent",
    "test",
];

fn this_rule(rule: &Rule, written: &Table) {
    known(written, &RULE);
    assert_eq!(rule.id.local.as_str(), text(&written["id"]));
    assert_eq!(rule.class.as_str(), text(&written["class"]));
    assert_eq!(rule.keeps.iter().map(|k| k.as_str()).collect::<Vec<_>>(), texts(&written["keeps"]));
    assert_eq!(rule.datastore.as_str(), text(&written["datastore"]));
    assert_eq!(rule.except.as_deref(), written.get("except").map(text));
    assert_eq!(rule.mode == Mode::Observe, written.get("mode").map(text) == Some("observe"));
    assert_eq!(rule.then.then(), written.get("then").map(text));
    assert_eq!(Ok(rule.retain.period()), text(&written["retain"]).parse());
    assert_eq!(Ok(rule.delete_by.period()), text(&written["delete_by"]).parse());
    assert_eq!(written.get("schedule").map(text).map(str::to_owned), written.get("schedule").map(|_| rule.schedule.to_string()));
    dataset(&rule.dataset, written);
    trigger(&rule.trigger, table(&written["trigger"]));
    subject(rule, written);
    action(&rule.action, written);
    only(&rule.only, written.get("only"));
    let unless: Vec<&Table> = match written.get("unless") {
        Some(Value::Table(one)) => vec![one],
        several => tables(several),
    };
    assert_eq!(rule.unless.len(), unless.len(), "every `unless` is there");
    for (unless, written) in rule.unless.iter().zip(unless) {
        this_unless(unless, written);
    }
    dependents(&rule.dependents, rule.datastore.as_str(), &tables(written.get("dependent")));
    assert_eq!(rule.tests.len(), tables(written.get("test")).len());
    assert_eq!(rule.backup.is_some(), written.contains_key("backup"));
    if let Some(backup) = &rule.backup {
        let written = table(&written["backup"]);
        known(written, &["of", "every", "keep_at_least"]);
        let mut of = texts(&written["of"]);
        of.sort_unstable();
        assert_eq!(backup.of.iter().map(|name| name.as_str()).collect::<Vec<_>>(), of);
        let every = match text(&written["every"]).parse().expect("accepted as a rhythm") {
            Period::Elapsed(elapsed) => elapsed.length(),
            Period::Civil(civil) => TimeDelta::days(i64::from(civil.days)),
        };
        assert_eq!(backup.every, every);
        let keep = written.get("keep_at_least").map(|n| n.as_integer().expect("accepted as a number"));
        assert_eq!(backup.keep_at_least.map(|n| i64::from(n.get())), keep);
    }
}

fn dataset(dataset: &Dataset, written: &Table) {
    match dataset {
        Dataset::Table { table, key } => {
            assert_eq!(table.as_str(), text(&written["table"]));
            assert_eq!(key.iter().map(|c| c.as_str()).collect::<Vec<_>>(), texts(&written["key"]));
            assert!(!key.is_empty() && !written.contains_key("pattern"));
        }
        Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_) => {
            assert_eq!(dataset.name(), text(&written["pattern"]));
            assert!(!written.contains_key("table") && !written.contains_key("key"));
        }
    }
}

fn trigger(trigger: &Trigger, written: &Table) {
    known(
        written,
        &["column", "table", "match", "pick", "file", "name", "object", "field", "idle", "request", "unit", "format", "time_zone",
            "pending"],
    );
    let place_of = ["table", "file", "name", "object", "field", "idle", "request", "column"];
    let stands = place_of.into_iter().find(|key| written.contains_key(*key)).expect("a trigger without a place");
    reading(trigger, written);
    match &trigger.place {
        TriggerPlace::Column(column) => {
            assert_eq!((stands, column.as_str()), ("column", text(&written["column"])));
        }
        TriggerPlace::Rows { table, matches, column, pick } => {
            assert_eq!((table.as_str(), column.as_str()), (text(&written["table"]), text(&written["column"])));
            let latest = matches!(pick, Pick::Latest);
            assert_eq!(text(&written["pick"]), if latest { "latest" } else { "earliest" });
            matched(matches, &written["match"]);
        }
        TriggerPlace::Modified => assert_eq!(stands, "file"),
        TriggerPlace::Name => assert_eq!(stands, "name"),
        TriggerPlace::ObjectModified => assert_eq!(stands, "object"),
        TriggerPlace::Field(field) => assert_eq!((stands, field.as_str()), ("field", text(&written["field"]))),
        TriggerPlace::Idle => assert_eq!(stands, "idle"),
        TriggerPlace::Request => assert_eq!(stands, "request"),
    }
}

/// How its value is read, and what is normal for it: `ms` read as `s` would make a record due 50 years too early.
fn reading(trigger: &Trigger, written: &Table) {
    let Reading { unit, format, time_zone } = &trigger.reading;
    let unit = unit.map(|unit| match unit {
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
    });
    assert_eq!(unit, written.get("unit").map(text));
    let named = trigger.place == TriggerPlace::Name;
    assert_eq!(format.as_deref(), written.get(if named { "name" } else { "format" }).map(text));
    match written.get("time_zone") {
        Some(zone) => assert_eq!(time_zone.map(|zone| zone.name()), Some(text(zone))),
        // A name whose time ends with `Z`.
        None => assert!(time_zone.is_none_or(|zone| named && zone == Zone::utc())),
    }
    let Pending { null, future, no_row } = trigger.pending;
    let mut expected = written.get("pending").map(texts).unwrap_or_default();
    if trigger.place == TriggerPlace::Request {
        expected.push("null");
    }
    let read = [(null, "null"), (future, "future"), (no_row, "no_row")];
    for (normal, state) in read {
        assert_eq!(normal, expected.contains(&state), "{state}");
    }
}

fn subject(rule: &Rule, written: &Table) {
    let Some(subject) = &rule.subject else {
        return assert!(!written.contains_key("subject") && !written.contains_key("on_erasure"));
    };
    assert_eq!(subject.column.as_str(), text(&written["subject"]));
    match &subject.on_erasure {
        OnErasure::Dispose => assert_eq!(text(&written["on_erasure"]), "dispose"),
        OnErasure::Keep(reason) => assert_eq!(reason, text(&table(&written["on_erasure"])["keep"])),
    }
}

fn action(action: &Action, written: &Table) {
    assert_eq!(action.as_str(), text(&written["action"]));
    match action {
        Action::Delete => assert!(!written.contains_key("columns") && !written.contains_key("mark")),
        Action::Pseudonymize { columns, mark } => {
            assert_eq!(mark.as_str(), text(&written["mark"]));
            let replaced = table(&written["columns"]);
            assert_eq!(columns.len(), replaced.len());
            for (column, strategy) in columns {
                let written = &replaced[column.as_str()];
                match strategy {
                    Strategy::Random => assert_eq!(text(written), "random"),
                    Strategy::Keyed => assert_eq!(text(written), "keyed"),
                    Strategy::Null => assert_eq!(text(written), "null"),
                    Strategy::TruncateIp => assert_eq!(text(written), "truncate-ip"),
                    Strategy::TruncateDate => assert_eq!(text(written), "truncate-date"),
                    Strategy::Fixed(fixed) => assert_eq!(fixed, text(&table(written)["fixed"])),
                }
            }
        }
    }
}

fn only(conditions: &[Condition], written: Option<&Value>) {
    let Some(written) = written.map(table) else { return assert!(conditions.is_empty(), "a filter nobody wrote") };
    assert_eq!(conditions.len(), written.len(), "every key of `only` is a condition");
    for condition in conditions {
        let value = &written[condition.column.as_str()];
        match &condition.test {
            Test::In(values) => assert_eq!(*values, literals(value)),
            Test::NotIn(values) => {
                known(table(value), &["not"]);
                assert_eq!(*values, literals(&table(value)["not"]));
            }
            Test::Null | Test::NotNull => {
                known(table(value), &["null"]);
                assert_eq!(table(value)["null"].as_bool(), Some(condition.test == Test::Null));
            }
        }
    }
}

/// What a filter compares with: one value or a list, never empty.
fn literals(value: &Value) -> Vec<Held> {
    let one = |value: &Value| match value {
        Value::String(text) => Held::Text(text.clone()),
        Value::Integer(n) => Held::Integer(*n),
        Value::Boolean(b) => Held::Integer(i64::from(*b)),
        other => panic!("{other:?} is nothing to compare with"),
    };
    let all = value.as_array().map_or_else(|| vec![one(value)], |list| list.iter().map(one).collect());
    assert!(!all.is_empty());
    all
}

fn this_unless(unless: &Unless, written: &Table) {
    known(written, &["table", "match", "only"]);
    assert_eq!(unless.table.as_str(), text(&written["table"]));
    matched(&unless.matches, &written["match"]);
    only(&unless.only, written.get("only"));
}

fn matched(matches: &[Match], written: &Value) {
    let expected: BTreeMap<&str, &str> = table(written).iter().map(|(theirs, ours)| (theirs.as_str(), text(ours))).collect();
    let read: BTreeMap<&str, &str> = matches.iter().map(|m| (m.theirs.as_str(), m.ours.as_str())).collect();
    assert_eq!(read, expected);
    assert!(read.len() == matches.len() && !matches.is_empty());
}

fn dependents(read: &[Dependent], own: &str, written: &[&Table]) {
    assert_eq!(read.len(), written.len(), "every dependent is there once");
    for dependent in read {
        let mut same = written.iter().filter(|w| text(&w["id"]) == dependent.id.as_str());
        let written = same.next().expect("a dependent nobody wrote");
        assert!(same.next().is_none());
        known(
            written,
            &["id", "class", "of", "datastore", "table", "key", "match", "pattern", "orphans", "action", "columns", "mark"],
        );
        assert_eq!(dependent.class.as_str(), text(&written["class"]));
        assert_eq!(dependent.of.as_ref().map(|of| of.as_str()), written.get("of").map(text));
        let parent = dependent.of.as_ref().map_or(own, |of| {
            read.iter().find(|d| d.id == *of).expect("what it hangs on is there").datastore.as_str()
        });
        assert_eq!(dependent.datastore.as_str(), written.get("datastore").map_or(parent, text));
        match &dependent.dataset {
            DependentDataset::Rows { table, key, matches } => {
                assert_eq!(table.as_str(), text(&written["table"]));
                let key = key.as_ref().map(|key| key.iter().map(|c| c.as_str()).collect::<Vec<_>>());
                assert_eq!(key, written.get("key").map(texts));
                matched(matches, &written["match"]);
            }
            DependentDataset::Files { .. } | DependentDataset::Keys(_) => {
                assert_eq!(dependent.dataset.name(), text(&written["pattern"]));
            }
        }
        action(&dependent.action, written);
    }
}

fn known(table: &Table, keys: &[&str]) {
    for key in table.keys() {
        assert!(keys.contains(&key.as_str()), "`{key}` was accepted");
    }
}

fn table(value: &Value) -> &Table {
    value.as_table().expect("accepted as a table")
}

fn tables(value: Option<&Value>) -> Vec<&Table> {
    value.map_or(Vec::new(), |list| list.as_array().expect("accepted as a list").iter().map(table).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().expect("accepted as text")
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("accepted as a list").iter().map(text).collect()
}
