//! `[[rule]]`.

use std::str::FromStr as _;

use toml::de::DeValue;

use super::{action, backup, dependent, filter, test, trigger, word};
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, quoted};
use crate::model::calendar::Calendar;
use crate::model::datastore::Defaults;
use crate::model::level::Level;
use crate::model::name::{ClassName, ColumnName, DatastoreName, LocalId, PromiseId, RuleId, ServiceId};
use crate::model::period::{DeleteBy, Period, Retain};
use crate::model::schedule::Schedule;
use crate::rules::reading::{Clock, clock};
use crate::rules::rule::{
    Action, Dataset, Mode, OnErasure, Promise, Promised, Rule, RuleTest, Subject, Trigger, TriggerPlace,
};

pub fn rule(
    mut table: Cursor<'_>,
    service: &ServiceId,
    promises: &[Promise],
    calendar: Calendar,
    defaults: &Defaults,
) -> Option<Rule> {
    let names = names(&mut table, service);
    let datastore = table.required("datastore").and_then(|e| word::name(&e, DatastoreName::new));
    let bounds = bounds(&mut table, defaults);
    let dataset = dataset(&mut table, bounds.as_ref().map(|b| &b.trigger.place));
    let subject = subject(&mut table);
    let mode = table.optional("mode").map_or(Some(Mode::Enforce), |e| word::one_of(&e, &MODES));
    let except = table.optional("except").and_then(|e| e.sentence());
    let action = action::action(&mut table);
    let then = then(&mut table, dataset.as_ref());
    let only = filter::only(&mut table);
    let unless = filter::unless(&mut table);
    let backup = table.optional("backup").and_then(|e| backup::backup(e.table()?));
    // Dependents keep their own, and of tests nothing is found out later: they are most of a file.
    let places = table.places_without(&["dependent", "test"]);
    let dependents = dependent::dependents(table.tables("dependent"), datastore.as_ref());
    let tests = tests(&mut table, dataset.as_ref());
    let rule = (|| {
        let (names, bounds) = (names?, bounds?);
        Some(Rule {
            id: names.id,
            class: names.class,
            promised: promised(&names.keeps, promises),
            keeps: names.keeps,
            except,
            datastore: datastore?,
            dataset: dataset?,
            backup,
            subject,
            trigger: bounds.trigger,
            retain: bounds.retain,
            delete_by: bounds.delete_by,
            schedule: bounds.schedule,
            mode: mode?,
            action: action?,
            then: then?,
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
        refuse_another_kind(&mut table, rule);
        refuse_unasked(&mut table, rule);
        refuse_hours_on_a_date(&mut table, rule);
    }
    table.finish();
    rule
}

const MODES: [(&str, Mode); 2] =
    [(Mode::Enforce.as_str(), Mode::Enforce), (Mode::Observe.as_str(), Mode::Observe)];

const THEN: [(&str, Level); 2] = [("vacuum", Level::Vacuumed), ("rewrite", Level::Rewritten)];

/// Rows have versions, and what holds them is the engine's; files and the rest are gone with the call that removes them.
fn then(table: &mut Cursor<'_>, dataset: Option<&Dataset>) -> Option<Level> {
    let Some(entry) = table.optional("then") else { return Some(Level::Logical) };
    let level = word::one_of(&entry, &THEN);
    match dataset {
        Some(Dataset::Table { .. }) | None => {}
        Some(Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_)) => entry.refuse(
            Code::Conflict,
            "`then` does not fit this dataset: only rows have versions that an engine could be asked to remove",
            "remove it: what stays of a file stands in docs/known-limitations.md",
        ),
    }
    level
}

/// The bounds of the promises that are kept; what is no promise is found when the rules are checked.
fn promised(keeps: &[PromiseId], promises: &[Promise]) -> Vec<Promised> {
    let kept = promises.iter().filter(|promise| keeps.contains(&promise.id));
    let bounds = kept.filter_map(|promise| {
        let no_later_than = promise.no_later_than?;
        Some(Promised { promise: promise.id.clone(), no_later_than })
    });
    let mut bounds: Vec<Promised> = super::kept(bounds);
    bounds.sort_by(|a, b| a.promise.cmp(&b.promise));
    bounds
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

/// The trigger says what a pattern names: files, unless it is read in an object or a key.
fn dataset(table: &mut Cursor<'_>, trigger: Option<&TriggerPlace>) -> Option<Dataset> {
    let Some(pattern) = table.optional("pattern") else {
        let (name, key) = (table.required("table"), table.required("key"));
        let name = name.and_then(|e| word::table(&e));
        let key = key.and_then(|e| word::some_names(&e, ColumnName::new));
        return Some(Dataset::Table { table: name?, key: key? });
    };
    for key in ["table", "key"] {
        if let Some(entry) = table.optional(key) {
            let message = format!("`{key}` and `pattern` exclude each other: a file's key is its path");
            entry.refuse(Code::Conflict, message, "keep `table` and `key` for rows, `pattern` for files");
        }
    }
    let dataset = match trigger {
        Some(TriggerPlace::Field(_) | TriggerPlace::Idle) => Dataset::Keys(word::keys(&pattern)?),
        Some(TriggerPlace::ObjectModified) => Dataset::Objects(word::pattern(&pattern)?),
        Some(
            TriggerPlace::Modified
            | TriggerPlace::Name
            | TriggerPlace::Column(_)
            | TriggerPlace::Rows { .. }
            | TriggerPlace::Request,
        )
        | None => Dataset::Files(word::pattern(&pattern)?),
    };
    let column = match &dataset {
        Dataset::Files(pattern) | Dataset::Objects(pattern) => pattern.columns().next(),
        Dataset::Keys(keys) => keys.columns().next(),
        Dataset::Table { .. } => None,
    };
    if let Some(column) = column {
        let message = format!("`{{{column}}}` has no record whose column it could be");
        pattern.refuse(Code::Conflict, message, "write `*`, or make it a dependent of the record");
    }
    Some(dataset)
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

/// It will stand in the ledger, in the answer to a request: as much as an entry's names may hold.
fn reason(entry: &Entry<'_>) -> Option<String> {
    let text = entry.sentence()?;
    if text.len() <= 512 && !text.contains(char::is_control) {
        return Some(text);
    }
    let message = format!("the reason has {} bytes, or holds a control character", text.len());
    entry.refuse(Code::BadValue, message, "name the law in one line of at most 512 bytes");
    None
}

fn on_erasure(entry: &Entry<'_>) -> Option<OnErasure> {
    match entry.value() {
        DeValue::String(text) if text == "dispose" => Some(OnErasure::Dispose),
        DeValue::Table(_) => {
            let mut table = entry.table()?;
            let keep = table.required("keep").and_then(|e| reason(&e));
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
    super::kept(table.tables("test").into_iter().filter_map(|t| test::test(t, dataset)))
}

/// What only rows have, on files, and the reverse.
fn refuse_another_kind(table: &mut Cursor<'_>, rule: &Rule) {
    let in_row = match rule.trigger.place {
        TriggerPlace::Column(_) | TriggerPlace::Rows { .. } | TriggerPlace::Request => true,
        TriggerPlace::Modified
        | TriggerPlace::Name
        | TriggerPlace::ObjectModified
        | TriggerPlace::Field(_)
        | TriggerPlace::Idle => false,
    };
    let (foreign, what, help): (&[&str], _, _) = match &rule.dataset {
        Dataset::Files(_) if in_row => (
            &["trigger"],
            "it is read in a row",
            "write `{ file = \"modified\" }`, `{ name = \"…\" }`, or how objects or keys tell their time",
        ),
        Dataset::Files(_) => (
            &["subject", "only", "unless", "columns", "dependent"],
            "columns are needed",
            "a file has none; make the row that names it the record, and the file its dependent",
        ),
        Dataset::Objects(_) | Dataset::Keys(_) => (
            &["subject", "only", "unless", "columns", "dependent", "backup"],
            "rows have it, or files",
            "make the row that names the object or the key the record, and that its dependent",
        ),
        Dataset::Table { .. } if !in_row => (
            &["trigger"],
            "it is read outside a row",
            "write `{ column = \"…\" }`, or `pattern` instead of `table`",
        ),
        Dataset::Table { .. } => {
            (&["backup"], "the dataset is rows", "`backup` says what the files of a `pattern` hold")
        }
    };
    for key in foreign {
        if table.has(key) {
            let entry = table.optional(key);
            let message = format!("`{key}` does not fit this dataset: {what}");
            match entry {
                Some(entry) => entry.refuse(Code::Conflict, message, help),
                None => table.refuse(Code::Conflict, message, help),
            }
        }
    }
}

/// A pseudonymized record must still be found under its key, and must still say when its clock started.
fn refuse_lost_identity(table: &mut Cursor<'_>, rule: &Rule) {
    let Action::Pseudonymize { columns, mark } = &rule.action else { return };
    let trigger = match &rule.trigger.place {
        TriggerPlace::Column(column) => Some(column),
        TriggerPlace::Rows { .. }
        | TriggerPlace::Modified
        | TriggerPlace::Name
        | TriggerPlace::ObjectModified
        | TriggerPlace::Field(_)
        | TriggerPlace::Idle
        | TriggerPlace::Request => None,
    };
    let key: &[ColumnName] = match &rule.dataset {
        Dataset::Table { key, .. } => key,
        Dataset::Files(_) | Dataset::Objects(_) | Dataset::Keys(_) => &[],
    };
    let Some(entry) = table.optional("columns") else { return };
    for column in columns.iter().map(|(column, _)| column).chain([mark]) {
        let what = match column {
            _ if key.contains(column) => "the record's key",
            _ if Some(column) == trigger => "the record's trigger",
            _ => continue,
        };
        let message = format!("`{column}` is {what} and cannot be replaced");
        entry.refuse(Code::Conflict, message, "replace the other columns, or delete the record");
    }
}

/// Whose clock only a request starts: somebody must be able to make one, and it is due at once.
fn refuse_unasked(table: &mut Cursor<'_>, rule: &Rule) {
    if !rule.trigger.is_request() {
        return;
    }
    let disposes = rule.subject.as_ref().is_some_and(|s| s.on_erasure == OnErasure::Dispose);
    if let Some(entry) = table.optional("trigger").filter(|_| !disposes) {
        let message = "the trigger is a request, and no request would dispose of these records";
        entry.refuse(Code::Conflict, message, "add `subject` and `on_erasure = \"dispose\"`");
    }
    if let Some(entry) = table.optional("retain").filter(|_| rule.retain != Retain::none()) {
        let message = format!("`retain` is {}, and what is requested is due at once", rule.retain);
        entry.refuse(Code::Conflict, message, "write `retain = \"0 hours\"`");
    }
}

/// Where the trigger's format has no time of day, a period in hours begins at no instant.
fn refuse_hours_on_a_date(table: &mut Cursor<'_>, rule: &Rule) {
    let is_date = rule.trigger.reading.format.as_ref().is_some_and(|format| clock(format) == Clock::None);
    for (key, period) in [("retain", rule.retain.period()), ("delete_by", rule.delete_by.period())] {
        let Some(entry) = table.optional(key).filter(|_| is_date && matches!(period, Period::Elapsed(_)))
        else {
            continue;
        };
        let message = format!(
            "`{key}` is {period}, and the trigger's format is a date, on which hours cannot be counted"
        );
        let help = "write days, weeks, months or years, or a format with a time of day";
        entry.refuse(Code::Period, message, help);
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
