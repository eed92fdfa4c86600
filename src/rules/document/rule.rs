//! `[[rule]]`.

use std::str::FromStr as _;

use toml::de::DeValue;

use super::{action, dependent, filter, test, trigger, word};
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, quoted};
use crate::model::calendar::Calendar;
use crate::model::datastore::Defaults;
use crate::model::name::{
    ClassName, ColumnName, DatastoreName, LocalId, PromiseId, RuleId, ServiceId, TableName,
};
use crate::model::period::{DeleteBy, Retain};
use crate::model::schedule::Schedule;
use crate::rules::rule::{Action, OnErasure, Rule, RuleTest, Subject, Trigger, TriggerPlace};

/// What a later version does with files, objects, keys and backups.
const LATER: [&str; 4] = ["pattern", "backup", "then", "mode"];

pub fn rule(
    mut table: Cursor<'_>,
    service: &ServiceId,
    calendar: Calendar,
    defaults: &Defaults,
) -> Option<Rule> {
    let names = names(&mut table, service);
    let dataset = dataset(&mut table);
    let subject = subject(&mut table);
    let bounds = bounds(&mut table, defaults);
    let except = table.optional("except").and_then(|e| e.sentence());
    let action = action::action(&mut table);
    let only = filter::only(&mut table);
    let unless = filter::unless(&mut table);
    let dependents = dependent::dependents(table.tables("dependent"));
    let tests = tests(&mut table, dataset.as_ref());
    table.later(&LATER);
    let places = table.places();
    let rule = (|| {
        let (names, dataset, bounds) = (names?, dataset?, bounds?);
        Some(Rule {
            id: names.id,
            class: names.class,
            keeps: names.keeps,
            except,
            datastore: dataset.datastore,
            table: dataset.table,
            key: dataset.key,
            subject,
            trigger: bounds.trigger,
            retain: bounds.retain,
            delete_by: bounds.delete_by,
            schedule: bounds.schedule,
            action: action?,
            only,
            unless,
            dependents,
            tests,
            calendar,
            places,
        })
    })();
    if let Some(rule) = &rule {
        refuse_lost_identity(&mut table, rule);
        refuse_idle_exception(&mut table, rule);
    }
    table.finish();
    rule
}

struct Names {
    id: RuleId,
    class: ClassName,
    keeps: Vec<PromiseId>,
}

fn names(table: &mut Cursor<'_>, service: &ServiceId) -> Option<Names> {
    let id = table.required("id").and_then(|e| word::name(&e, LocalId::new));
    let class = table.required("class").and_then(|e| word::name(&e, ClassName::new));
    let keeps = table.required("keeps").and_then(|e| word::names(&e, PromiseId::new));
    Some(Names { id: RuleId { service: service.clone(), local: id? }, class: class?, keeps: keeps? })
}

struct Dataset {
    datastore: DatastoreName,
    table: TableName,
    key: Vec<ColumnName>,
}

fn dataset(table: &mut Cursor<'_>) -> Option<Dataset> {
    let datastore = table.required("datastore").and_then(|e| word::name(&e, DatastoreName::new));
    let (name, key) = if table.has("pattern") {
        // Files, objects and keys have neither; the pattern itself is refused as not supported yet.
        (table.optional("table"), table.optional("key"))
    } else {
        (table.required("table"), table.required("key"))
    };
    let name = name.and_then(|e| word::table(&e));
    let key = key.and_then(|e| word::some_names(&e, ColumnName::new));
    Some(Dataset { datastore: datastore?, table: name?, key: key? })
}

struct Bounds {
    trigger: Trigger,
    retain: Retain,
    delete_by: DeleteBy,
    schedule: Schedule,
}

fn bounds(table: &mut Cursor<'_>, defaults: &Defaults) -> Option<Bounds> {
    let trigger = table.required("trigger").and_then(|e| trigger::trigger(e.table()?));
    let retain = table.required("retain").and_then(|e| word::retain(&e));
    let delete_by = table.required("delete_by").and_then(|e| word::delete_by(&e));
    let schedule = match table.optional("schedule") {
        Some(entry) => {
            let help = "cron with seconds, in UTC: `0 */15 * * * *` is every quarter of an hour";
            entry.parsed(Code::Schedule, help, Schedule::from_str)
        }
        None => Some(defaults.schedule.clone()),
    };
    Some(Bounds { trigger: trigger?, retain: retain?, delete_by: delete_by?, schedule: schedule? })
}

fn subject(table: &mut Cursor<'_>) -> Option<Subject> {
    let (column, on_erasure) = (table.optional("subject"), table.optional("on_erasure"));
    match (column, on_erasure) {
        (None, None) => None,
        (Some(column), Some(on_erasure)) => {
            let (column, on_erasure) = (word::column(&column), self::on_erasure(&on_erasure));
            Some(Subject { column: column?, on_erasure: on_erasure? })
        }
        (Some(column), None) => {
            column.refuse(
                Code::MissingKey,
                "`subject` is there without `on_erasure`: someone will ask for erasure, and the answer must be written",
                "add `on_erasure = \"dispose\"`, or `{ keep = \"the legal reason\" }`",
            );
            None
        }
        (None, Some(entry)) => {
            entry.refuse(
                Code::MissingKey,
                "`on_erasure` is there without `subject`, so nobody's request could be matched",
                "add `subject`, the column of the data subject's id",
            );
            None
        }
    }
}

fn on_erasure(entry: &Entry<'_>) -> Option<OnErasure> {
    match entry.value() {
        DeValue::String(text) if text == "dispose" => Some(OnErasure::Dispose),
        DeValue::Table(_) => {
            let mut table = entry.table()?;
            let keep = table.required("keep").and_then(|e| e.sentence());
            table.finish();
            keep.map(OnErasure::Keep)
        }
        DeValue::String(text) => {
            let message =
                format!("`on_erasure` is {}, expected `dispose` or a legal reason to keep", quoted(text));
            entry.refuse(Code::BadValue, message, "write `dispose`, or `{ keep = \"the legal reason\" }`");
            None
        }
        _ => entry.wrong_type("`dispose` or `{ keep = \"the legal reason\" }`"),
    }
}

fn tests(table: &mut Cursor<'_>, dataset: Option<&Dataset>) -> Vec<RuleTest> {
    let own = dataset.map(|d| &d.table);
    table.tables("test").into_iter().filter_map(|t| test::test(t, own)).collect()
}

/// A pseudonymized record must still be found under its key, and must still say when its clock started.
fn refuse_lost_identity(table: &mut Cursor<'_>, rule: &Rule) {
    let Action::Pseudonymize { columns, mark } = &rule.action else { return };
    let trigger = match &rule.trigger.place {
        TriggerPlace::Column(column) => Some(column),
        TriggerPlace::Rows { .. } => None,
    };
    let Some(entry) = table.optional("columns") else { return };
    for column in columns.iter().map(|(column, _)| column).chain([mark]) {
        let what = match column {
            _ if rule.key.contains(column) => "the record's key",
            _ if Some(column) == trigger => "the record's trigger",
            _ => continue,
        };
        let message = format!("`{column}` is {what} and cannot be replaced");
        entry.refuse(Code::Conflict, message, "replace the other columns, or delete the record");
    }
}

/// An exception that nothing in the rule makes true would be believed by whoever reads the promise.
fn refuse_idle_exception(table: &mut Cursor<'_>, rule: &Rule) {
    let narrowed = !rule.only.is_empty() || !rule.unless.is_empty();
    if let Some(entry) = table.optional("except").filter(|_| !narrowed) {
        let message =
            "`except` says that records are left out, but neither `only` nor `unless` leaves any out";
        entry.refuse(Code::Conflict, message, "add the filter, or remove `except`");
    }
}
