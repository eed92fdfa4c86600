//! `expunged diff`: what every kind of change is said to do, and what a person and a program are shown of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use expunged::diagnostic::{Source, SourceKind};
use expunged::model::datastore::Defaults;
use expunged::rules::diff::{Change, Difference, Effect, Look, Standing, diff};
use expunged::rules::document::{load, parse};
use expunged::rules::rule::RuleSet;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::architecture::source::root;

const BASE: &str = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Europe/Berlin"

[[promise]]
id = "account"
text = "Gone within a month of the account being closed."
source = "Policy, 2020-04-28"
trigger = "account closed"
no_later_than = "1 month"
not_before = "1 day"
covers = ["account", "comments"]
except = "with an open invoice"

[[promise]]
id = "logs"
text = "Logs are gone after three months."
source = "Policy, 2020-04-28"
trigger = "written"
no_later_than = "3 months"
covers = ["log"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
except = "with an open invoice"
datastore = "site"
table = "account"
key = ["id"]
subject = "person"
on_erasure = "dispose"
trigger = { column = "closed_at", pending = ["null"] }
retain = "7 days"
delete_by = "1 month"
schedule = "0 */15 * * * *"
only = { status = ["closed", "spam"] }
unless = { table = "invoice", match = { account_id = "id" }, only = { paid = false } }
action = "pseudonymize"
columns = { name = "random", ip = "truncate-ip", born = "keyed", note = "null" }
mark = "done_at"

[[rule.dependent]]
id = "comments"
class = "comments"
table = "comment"
match = { author_id = "id" }
action = "delete"

[[rule.dependent]]
id = "uploads"
class = "account"
datastore = "disk"
pattern = "uploads/{id}/**"
action = "delete"

[[rule]]
id = "log"
class = "log"
keeps = ["logs"]
datastore = "disk"
pattern = "logs/*.log"
trigger = { file = "modified" }
retain = "2 months"
delete_by = "3 months"
action = "delete"
"#;

fn set(text: &str) -> RuleSet {
    let source = Source::new(SourceKind::Rules, "site.toml", text);
    RuleSet {
        services: vec![
            parse(&source, "site", &Defaults::default()).unwrap_or_else(|e| panic!("{e}\n{text}")),
        ],
    }
}

fn between(old: &str, new: &str) -> Difference {
    diff(&set(old), &set(new), &Defaults::default())
}

/// Every change, a line each; `!` asks for a second look, `+` says that the rule's first sweep is guarded.
fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &difference.services {
        lines.extend(service.changes.iter().map(|change| line("service", change)));
    }
    for promise in &difference.promises {
        lines.extend(
            promise.changes.iter().map(|change| line(&format!("promise {}", promise.promise), change)),
        );
        if let Standing::Broken(reasons) = &promise.after {
            lines.push(format!("! promise {} broken: {}", promise.promise, reasons.join("; ")));
        }
    }
    for rule in &difference.rules {
        let guarded = if rule.guarded { "+" } else { "" };
        lines
            .extend(rule.changes.iter().map(|change| line(&format!("{}{guarded}", rule.rule.local), change)));
    }
    lines
}

fn line(of: &str, change: &Change) -> String {
    let mark = match change.look {
        Look::Second => "! ",
        Look::Enough => "",
    };
    let [old, new] = [&change.old, &change.new].map(|side| side.as_deref().unwrap_or("-"));
    let why = change.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{mark}{of} {} {}: {old} → {new}{why}", change.effect.as_str(), change.key)
}

fn replaced(from: &str, to: &str) -> String {
    assert_eq!(BASE.matches(from).count(), 1, "`{from}`");
    BASE.replace(from, to)
}

/// One mutation of the base a row: what is replaced, by what, and everything that is then said.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("delete_by = \"1 month\"", "delete_by = \"P1M\"", &[]),
    (
        "delete_by = \"1 month\"",
        "delete_by = \"20 days\"",
        &["account+ stricter delete_by: 1 month → 20 days (11 days earlier for a trigger on 2024-01-01)"],
    ),
    (
        "delete_by = \"1 month\"",
        "delete_by = \"30 days\"",
        &[
            "! promise account broken: rule `account` is weaker than promise `account`: `delete_by` is 30 days, promised is no later than 1 month",
            "! account+ weaker delete_by: 1 month → 30 days (24 hours later for a trigger on 2024-01-31)",
            "account+ stricter delete_by: 1 month → 30 days (24 hours earlier for a trigger on 2024-01-01)",
        ],
    ),
    (
        "delete_by = \"1 month\"",
        "delete_by = \"2 months\"",
        &[
            "! promise account broken: rule `account` is weaker than promise `account`: `delete_by` is 2 months, promised is no later than 1 month",
            "! account+ weaker delete_by: 1 month → 2 months (29 days later for a trigger on 2024-01-01)",
        ],
    ),
    (
        "retain = \"7 days\"",
        "retain = \"168 hours\"",
        &[
            "! account+ wider retain: 7 days → 168 hours (24 hours sooner for a trigger on 2024-01-01)",
            "! account+ narrower retain: 7 days → 168 hours (1 hour later for a trigger on 2024-03-24)",
        ],
    ),
    (
        "retain = \"7 days\"",
        "retain = \"8 days\"",
        &["! account+ narrower retain: 7 days → 8 days (24 hours later for a trigger on 2024-01-01)"],
    ),
    (
        "retain = \"7 days\"",
        "retain = \"6 days\"",
        &["! account+ wider retain: 7 days → 6 days (24 hours sooner for a trigger on 2024-01-01)"],
    ),
    (
        "time_zone = \"Europe/Berlin\"",
        "time_zone = \"Europe/Rome\"",
        &[
            "! service changed time_zone: Europe/Berlin → Europe/Rome",
            "account+ changed time_zone: Europe/Berlin → Europe/Rome (the service's)",
            "log+ changed time_zone: Europe/Berlin → Europe/Rome (the service's)",
        ],
    ),
    (
        "time_zone = \"Europe/Berlin\"",
        "time_zone = \"Etc/UTC\"",
        &[
            "! service changed time_zone: Europe/Berlin → Etc/UTC",
            "! promise account weaker not_before: 1 day (Europe/Berlin) → 1 day (Etc/UTC) (23 hours sooner for a trigger on 2024-01-01)",
            "promise account stricter not_before: 1 day (Europe/Berlin) → 1 day (Etc/UTC) (1 hour later for a trigger on 2024-01-01)",
            "! promise account weaker no_later_than: 1 month (Europe/Berlin) → 1 month (Etc/UTC) (1 hour later for a trigger on 2024-01-01)",
            "promise account stricter no_later_than: 1 month (Europe/Berlin) → 1 month (Etc/UTC) (23 hours earlier for a trigger on 2024-01-01)",
            "! promise logs weaker no_later_than: 3 months (Europe/Berlin) → 3 months (Etc/UTC) (2 hours later for a trigger on 2024-01-01)",
            "promise logs stricter no_later_than: 3 months (Europe/Berlin) → 3 months (Etc/UTC) (22 hours earlier for a trigger on 2024-01-01)",
            "account+ changed time_zone: Europe/Berlin → Etc/UTC (the service's)",
            "! account+ wider retain: 7 days (Europe/Berlin) → 7 days (Etc/UTC) (23 hours sooner for a trigger on 2024-01-01)",
            "! account+ narrower retain: 7 days (Europe/Berlin) → 7 days (Etc/UTC) (1 hour later for a trigger on 2024-01-01)",
            "! account+ weaker delete_by: 1 month (Europe/Berlin) → 1 month (Etc/UTC) (1 hour later for a trigger on 2024-01-01)",
            "account+ stricter delete_by: 1 month (Europe/Berlin) → 1 month (Etc/UTC) (23 hours earlier for a trigger on 2024-01-01)",
            "log+ changed time_zone: Europe/Berlin → Etc/UTC (the service's)",
            "! log+ wider retain: 2 months (Europe/Berlin) → 2 months (Etc/UTC) (23 hours sooner for a trigger on 2024-01-01)",
            "! log+ narrower retain: 2 months (Europe/Berlin) → 2 months (Etc/UTC) (1 hour later for a trigger on 2024-01-01)",
            "! log+ weaker delete_by: 3 months (Europe/Berlin) → 3 months (Etc/UTC) (2 hours later for a trigger on 2024-01-01)",
            "log+ stricter delete_by: 3 months (Europe/Berlin) → 3 months (Etc/UTC) (22 hours earlier for a trigger on 2024-01-01)",
        ],
    ),
    ("name = \"Site\"", "name = \"The site\"", &["service changed name: Site → The site"]),
    (
        "owner = \"site@example.com\"",
        "owner = \"other@example.com\"",
        &["service changed owner: site@example.com → other@example.com"],
    ),
    (
        "no_later_than = \"1 month\"",
        "no_later_than = \"2 weeks\"",
        &[
            "promise account stricter no_later_than: 1 month → 14 days (17 days earlier for a trigger on 2024-01-01)",
            "! promise account broken: rule `account` is weaker than promise `account`: `delete_by` is 1 month, promised is no later than 14 days",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "no_later_than = \"1 month\"",
        "no_later_than = \"6 weeks\"",
        &[
            "! promise account weaker no_later_than: 1 month → 42 days (11 days later for a trigger on 2024-01-01)",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "no_later_than = \"1 month\"",
        "on_request = true",
        &[
            "! promise account changed on_request: false → true (another event starts it)",
            "! promise account broken: rule `account` disposes at once of what a data subject demands, and promise `account` keeps it for 1 day after the request",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "no_later_than = \"1 month\"\n",
        "",
        &[
            "! promise account weaker no_later_than: 1 month → -",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "not_before = \"1 day\"",
        "not_before = \"2 days\"",
        &[
            "promise account stricter not_before: 1 day → 2 days (24 hours later for a trigger on 2024-01-01)",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "not_before = \"1 day\"\n",
        "",
        &[
            "! promise account weaker not_before: 1 day → -",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "covers = [\"account\", \"comments\"]",
        "covers = [\"account\"]",
        &[
            "! promise account weaker covers: comments → -",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "covers = [\"log\"]",
        "covers = [\"log\", \"trace\"]",
        &[
            "promise logs stricter covers: - → trace",
            "! promise logs broken: no rule or dependent reaches class `trace` of promise `logs`",
            "log+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "text = \"Gone within a month",
        "text = \"Gone within two months",
        &[
            "! promise account changed text: Gone within a month of the account being closed. → Gone within two months of the account being closed.",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "trigger = \"account closed\"",
        "trigger = \"account deleted\"",
        &[
            "! promise account changed trigger: account closed → account deleted",
            "account+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "covers = [\"log\"]",
        "covers = [\"log\"]\nexcept = \"security logs\"",
        &[
            "! promise logs weaker except: - → security logs",
            "log+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "covers = [\"log\"]",
        "covers = [\"log\"]\ndecision = \"the board, 3 months, 2026-01-01\"",
        &[
            "! promise logs changed decision: - → the board, 3 months, 2026-01-01",
            "log+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "keeps = [\"logs\"]",
        "keeps = []",
        &["! promise logs broken: no rule keeps promise `logs`", "! log+ weaker keeps: logs → -"],
    ),
    (
        "keeps = [\"logs\"]",
        "keeps = [\"logs\", \"account\"]",
        &[
            "! promise account broken: rule `log` is weaker than promise `account`: `delete_by` is 3 months, promised is no later than 1 month",
            "log+ stricter keeps: - → account",
        ],
    ),
    (
        "id = \"logs\"",
        "id = \"protocols\"",
        &[
            "promise protocols renamed id: site/logs → site/protocols",
            "! promise protocols broken: no rule keeps promise `protocols`",
            "log+ changed promises: - → - (a promise that it keeps differs)",
        ],
    ),
    (
        "class = \"log\"",
        "class = \"trace\"",
        &[
            "! promise logs broken: no rule or dependent reaches class `log` of promise `logs`",
            "log changed class: \"log\" → \"trace\"",
        ],
    ),
    (
        "except = \"with an open invoice\"\ndatastore",
        "datastore",
        &[
            "! promise account broken: rule `account` leaves out records of class `account` that promise `account` covers; rule `account` leaves out records of class `comments` that promise `account` covers",
            "! account changed except: with an open invoice → -",
        ],
    ),
    (
        "subject = \"person\"",
        "subject = \"owner\"",
        &["! account+ changed subject: person → owner (holds and erasure requests find records by it)"],
    ),
    (
        "on_erasure = \"dispose\"",
        "on_erasure = { keep = \"tax law\" }",
        &["! account+ weaker on_erasure: dispose → keep: tax law"],
    ),
    (
        "on_erasure = \"dispose\"",
        "on_erasure = \"dispose\"\nthen = \"vacuum\"",
        &["! account+ stricter then: - → \"vacuum\" (the engine is asked to remove what it keeps of them)"],
    ),
    (
        "on_erasure = \"dispose\"",
        "on_erasure = \"dispose\"\nthen = \"rewrite\"",
        &[
            "! account+ stricter then: - → \"rewrite\" (what holds the records is written anew, and locked meanwhile)",
        ],
    ),
    (
        "subject = \"person\"\non_erasure = \"dispose\"\n",
        "",
        &[
            "! account+ changed subject: person → - (holds and erasure requests find records by it)",
            "! account+ weaker on_erasure: dispose → -",
        ],
    ),
    (
        "datastore = \"site\"",
        "datastore = \"other\"",
        &[
            "! account+ changed datastore: site → other",
            "! account+ changed dependent.comments.datastore: site → other",
        ],
    ),
    (
        "table = \"account\"\n",
        "table = \"accounts\"\n",
        &["! account+ changed table: \"account\" → \"accounts\""],
    ),
    (
        "key = [\"id\"]",
        "key = [\"id\", \"shard\"]",
        &["! account+ changed key: [\"id\"] → [\"id\", \"shard\"]"],
    ),
    (
        "column = \"closed_at\", pending",
        "column = \"deleted_at\", pending",
        &[
            "! account+ changed trigger: { column = \"closed_at\", pending = [\"null\"] } → { column = \"deleted_at\", pending = [\"null\"] }",
        ],
    ),
    (
        "pending = [\"null\"]",
        "pending = [\"null\", \"future\"]",
        &[
            "! account+ changed trigger: { column = \"closed_at\", pending = [\"null\"] } → { column = \"closed_at\", pending = [\"null\", \"future\"] }",
        ],
    ),
    (
        "pending = [\"null\"] }",
        "pending = [] }",
        &[
            "account+ changed trigger: { column = \"closed_at\", pending = [\"null\"] } → { column = \"closed_at\", pending = [] }",
        ],
    ),
    (
        "pending = [\"null\"] }",
        "pending = [\"null\"], unit = \"s\" }",
        &[
            "! account+ changed trigger: { column = \"closed_at\", pending = [\"null\"] } → { column = \"closed_at\", pending = [\"null\"], unit = \"s\" }",
        ],
    ),
    (
        "schedule = \"0 */15 * * * *\"",
        "schedule = \"0 0 * * * *\"",
        &["account changed schedule: 0 */15 * * * * → 0 0 * * * * (longest gap 15 minutes → 1 hour)"],
    ),
    (
        "schedule = \"0 */15 * * * *\"",
        "schedule = \"0 0 0 1,7,13,19,25 * *\"",
        &[
            "! account changed schedule: 0 */15 * * * * → 0 0 0 1,7,13,19,25 * * (longest gap 15 minutes → 7 days; a third one would not fit before the deadline)",
        ],
    ),
    (
        "[[rule]]\nid = \"log\"\n",
        "[[rule.test]]\nname = \"closed\"\nrecord = { id = 1 }\nat = 2026-03-01T00:00:00Z\nexpect = \"undated\"\n\n[[rule]]\nid = \"log\"\n",
        &["account changed test: - → closed"],
    ),
    ("[\"closed\", \"spam\"]", "[\"spam\", \"closed\"]", &[]),
    (
        "[\"closed\", \"spam\"]",
        "[\"closed\"]",
        &[
            "! account+ narrower only: { status = [\"closed\", \"spam\"] } → { status = [\"closed\"] } (now leaves a record whose status is \"spam\")",
        ],
    ),
    (
        "[\"closed\", \"spam\"]",
        "[\"closed\", \"spam\", \"test\"]",
        &[
            "! account+ wider only: { status = [\"closed\", \"spam\"] } → { status = [\"closed\", \"spam\", \"test\"] } (now takes a record whose status is \"test\")",
        ],
    ),
    (
        "[\"closed\", \"spam\"]",
        "[\"closed\", \"test\"]",
        &[
            "! account+ wider only: { status = [\"closed\", \"spam\"] } → { status = [\"closed\", \"test\"] } (now takes a record whose status is \"test\")",
            "! account+ narrower only: { status = [\"closed\", \"spam\"] } → { status = [\"closed\", \"test\"] } (now leaves a record whose status is \"spam\")",
        ],
    ),
    (
        "only = { status = [\"closed\", \"spam\"] }\n",
        "",
        &[
            "! account+ wider only: { status = [\"closed\", \"spam\"] } → - (now takes a record whose status is NULL)",
        ],
    ),
    (
        "[\"closed\", \"spam\"]",
        "{ not = [\"open\"] }",
        &[
            "! account+ wider only: { status = [\"closed\", \"spam\"] } → { status = { not = [\"open\"] } } (now takes a record whose status is NULL)",
        ],
    ),
    (
        "only = { status = [\"closed\", \"spam\"] }",
        "only = { status = [\"closed\", \"spam\"], converted = false }",
        &[
            "! account+ narrower only: { status = [\"closed\", \"spam\"] } → { status = [\"closed\", \"spam\"], converted = false } (now leaves a record whose converted is NULL, status is \"closed\")",
        ],
    ),
    (
        "unless = { table = \"invoice\", match = { account_id = \"id\" }, only = { paid = false } }\n",
        "",
        &[
            "! account+ wider unless: { table = \"invoice\", match = { account_id = \"id\" }, only = { paid = false } } → - (no longer keeps a record)",
        ],
    ),
    (
        ", only = { paid = false } }",
        " }",
        &[
            "! account+ narrower unless: { table = \"invoice\", match = { account_id = \"id\" }, only = { paid = false } } → { table = \"invoice\", match = { account_id = \"id\" } } (a row whose paid is NULL now keeps a record)",
        ],
    ),
    (
        "unless = { table = \"invoice\", match = { account_id = \"id\" }, only = { paid = false } }",
        "unless = [{ table = \"invoice\", match = { account_id = \"id\" }, only = { paid = false } }, { table = \"complaint\", match = { account_id = \"id\" } }]",
        &[
            "! account+ narrower unless: - → { table = \"complaint\", match = { account_id = \"id\" } } (keeps records that were disposed of)",
        ],
    ),
    (
        "match = { account_id = \"id\" }, only",
        "match = { payer_id = \"id\" }, only",
        &[
            "! account+ wider unless: { table = \"invoice\", match = { account_id = \"id\" }, only = { paid = false } } → - (no longer keeps a record)",
            "! account+ narrower unless: - → { table = \"invoice\", match = { payer_id = \"id\" }, only = { paid = false } } (keeps records that were disposed of)",
        ],
    ),
    (
        "action = \"pseudonymize\"\ncolumns = { name = \"random\", ip = \"truncate-ip\", born = \"keyed\", note = \"null\" }\nmark = \"done_at\"",
        "action = \"delete\"",
        &["! account+ stricter action: pseudonymize born, ip, name, note → delete"],
    ),
    (
        "name = \"random\", ip",
        "name = \"keyed\", ip",
        &["! account+ weaker columns.name: \"random\" → \"keyed\""],
    ),
    ("ip = \"truncate-ip\", ", "", &["! account+ weaker columns.ip: \"truncate-ip\" → - (stays as it is)"]),
    (
        "name = \"random\", ip",
        "mail = \"null\", name = \"random\", ip",
        &["! account+ stricter columns.mail: - → \"null\" (is replaced as well)"],
    ),
    (
        "born = \"keyed\"",
        "born = \"truncate-date\"",
        &["! account+ changed columns.born: \"keyed\" → \"truncate-date\""],
    ),
    (
        "note = \"null\"",
        "note = { fixed = \"gone\" }",
        &["account+ changed columns.note: \"null\" → { fixed = \"gone\" }"],
    ),
    (
        "mark = \"done_at\"",
        "mark = \"marked_at\"",
        &["! account+ changed mark: done_at → marked_at (what the old mark names as done is done again)"],
    ),
    ("id = \"comments\"", "id = \"remarks\"", &["account renamed dependent.remarks.id: comments → remarks"]),
    (
        "class = \"comments\"\n",
        "class = \"account\"\n",
        &[
            "! promise account broken: no rule or dependent reaches class `comments` of promise `account`",
            "account changed dependent.comments.class: \"comments\" → \"account\"",
        ],
    ),
    (
        "match = { author_id = \"id\" }\naction = \"delete\"",
        "match = { author_id = \"id\" }\naction = \"pseudonymize\"\ncolumns = { text = \"null\" }\nmark = \"done_at\"",
        &["! account+ weaker dependent.comments.action: delete → pseudonymize text"],
    ),
    (
        "match = { author_id = \"id\" }\n",
        "match = { writer_id = \"id\" }\n",
        &["! account+ changed dependent.comments.match: { author_id = \"id\" } → { writer_id = \"id\" }"],
    ),
    (
        "table = \"comment\"",
        "table = \"remark\"",
        &["! account+ changed dependent.comments.table: \"comment\" → \"remark\""],
    ),
    (
        "[[rule.dependent]]\nid = \"uploads\"\nclass = \"account\"\ndatastore = \"disk\"\npattern = \"uploads/{id}/**\"\naction = \"delete\"\n",
        "",
        &[
            "! account+ narrower dependent.uploads: delete of `uploads/{id}/**` in `disk` → - (these records now stay)",
        ],
    ),
    (
        "pattern = \"uploads/{id}/**\"",
        "pattern = \"uploads/{id}/*.png\"",
        &["! account+ changed dependent.uploads.pattern: uploads/{id}/** → uploads/{id}/*.png"],
    ),
    (
        "datastore = \"disk\"\npattern = \"uploads",
        "datastore = \"cold\"\npattern = \"uploads",
        &["! account+ changed dependent.uploads.datastore: disk → cold"],
    ),
    (
        "[[rule.dependent]]\nid = \"uploads\"",
        "[[rule.dependent]]\nid = \"likes\"\nclass = \"comments\"\nof = \"comments\"\ntable = \"like\"\nmatch = { comment_id = \"id\" }\naction = \"delete\"\n\n[[rule.dependent]]\nid = \"uploads\"",
        &["! account+ wider dependent.likes: - → delete of `like` in `site` (these records now go too)"],
    ),
    (
        "pattern = \"uploads/{id}/**\"\n",
        "pattern = \"uploads/{id}/**\"\norphans = true\n",
        &["account stricter dependent.uploads.orphans: - → true (files without a record are listed)"],
    ),
    ("pattern = \"logs/*.log\"", "pattern = \"logs/**\"", &["! log+ wider pattern: logs/*.log → logs/**"]),
    (
        "pattern = \"logs/*.log\"",
        "pattern = \"logs/a*.log\"",
        &["! log+ narrower pattern: logs/*.log → logs/a*.log"],
    ),
    (
        "pattern = \"logs/*.log\"",
        "pattern = \"log/*.log\"",
        &["! log+ changed pattern: logs/*.log → log/*.log"],
    ),
    (
        "retain = \"2 months\"",
        "backup = { of = [\"site\"], every = \"1 day\" }\nretain = \"2 months\"",
        &["! log+ changed backup: - → { of = [\"site\"], every = \"1 day\" }"],
    ),
    (
        "id = \"log\"\n",
        "id = \"protocol\"\n",
        &[
            "! protocol+ renamed id: site/log → site/protocol (holds, approvals and finished sweeps of the old name do not count for the new one)",
        ],
    ),
    (
        "[[rule]]\nid = \"log\"\nclass = \"log\"\nkeeps = [\"logs\"]\ndatastore = \"disk\"\npattern = \"logs/*.log\"\ntrigger = { file = \"modified\" }\nretain = \"2 months\"\ndelete_by = \"3 months\"\naction = \"delete\"\n",
        "",
        &[
            "! promise logs broken: no rule keeps promise `logs`",
            "! log removed rule: delete of `logs/*.log` in `disk`, retain 2 months, delete_by 3 months → - (nothing disposes of these records any more)",
        ],
    ),
    (
        "[[rule]]\nid = \"log\"",
        "[[rule]]\nid = \"trace\"\nclass = \"trace\"\nkeeps = []\ndatastore = \"disk\"\npattern = \"traces/*\"\ntrigger = { file = \"modified\" }\nretain = \"1 day\"\ndelete_by = \"7 days\"\naction = \"delete\"\n\n[[rule]]\nid = \"log\"",
        &[
            "! trace+ new rule: - → delete of `traces/*` in `disk`, retain 1 day, delete_by 7 days (it will dispose of records)",
        ],
    ),
    (
        "except = \"with an open invoice\"\ndatastore",
        "except = \"with an open invoice or a complaint\"\ndatastore",
        &[
            "! promise account broken: rule `account` leaves out \"with an open invoice or a complaint\", promise `account` leaves out \"with an open invoice\"",
            "! account changed except: with an open invoice → with an open invoice or a complaint",
        ],
    ),
    (
        "delete_by = \"3 months\"\naction",
        "delete_by = \"3 months\"\nmode = \"observe\"\naction",
        &[
            "! promise logs broken: promise `logs` is not kept for class `log` in `logs/*.log`: rule `log` only observes",
            "! log weaker mode: - → \"observe\" (nothing is disposed of any more)",
        ],
    ),
    (
        "[[rule]]\nid = \"log\"\n",
        "[[waiver]]\ndatastore = \"site\"\ntable = \"country\"\nreason = \"names of countries\"\n\n[[rule]]\nid = \"log\"\n",
        &["! service weaker waiver: - → `country` in `site`: names of countries"],
    ),
    (
        "pattern = \"logs/*.log\"\ntrigger = { file",
        "pattern = \"logs/*.log\"\ntrigger = { name = \"%Y%m%d.log\" } # { file",
        &["! log+ changed trigger: { file = \"modified\" } → { name = \"%Y%m%d.log\" }"],
    ),
];

#[test]
fn every_kind_of_change_is_judged_with_its_figures() {
    let mut wrong = Vec::new();
    for (from, to, expected) in TABLE {
        let said = lines(&between(BASE, &replaced(from, to)));
        if said != *expected {
            wrong.push(format!("({from:?}, {to:?}, &{said:#?}),"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A rule does the same without its tests, and nobody but a person can tell whether they were wanted.
#[test]
fn a_test_that_is_gone_asks_for_a_second_look() {
    let test = |name: &str, at: &str| {
        format!(
            "\n[[rule.test]]\nname = \"{name}\"\nrecord = {{ path = \"logs/a.log\", modified = \"2026-03-01T00:00:00Z\" }}\nat = \"{at}\"\nexpect = \"kept\"\n"
        )
    };
    let [one, two] = ["at first", "still"].map(|name| test(name, "2026-03-02T00:00:00Z"));
    let both = format!("{BASE}{one}{two}");
    let gone = |names: &str| format!("! log changed test: {names} → - (no test says so any more)");
    assert_eq!(lines(&between(&both, BASE)), [gone("at first; still")]);
    assert_eq!(lines(&between(&both, &format!("{BASE}{two}"))), [gone("at first")]);
    assert_eq!(lines(&between(BASE, &both)), ["log changed test: - → at first; still"]);
    // As many as before, and others.
    let other = test("later", "2026-03-03T00:00:00Z");
    let swapped = lines(&between(&both, &format!("{BASE}{one}{other}")));
    assert_eq!(swapped, [gone("still"), "log changed test: - → later".to_owned()]);
    // In another order, or looked at on another day.
    let moved = test("still", "2026-03-04T00:00:00Z");
    assert_eq!(lines(&between(&both, &format!("{BASE}{moved}{one}"))), [""; 0]);
}

/// What a change is, seen from the other side.
fn reversed(effect: Effect) -> Effect {
    match effect {
        Effect::Removed => Effect::New,
        Effect::New => Effect::Removed,
        Effect::Weaker => Effect::Stricter,
        Effect::Stricter => Effect::Weaker,
        Effect::Wider => Effect::Narrower,
        Effect::Narrower => Effect::Wider,
        Effect::Renamed => Effect::Renamed,
        Effect::Changed => Effect::Changed,
    }
}

/// How often each effect is there, under which key, with which figures.
fn counted(
    difference: &Difference,
    side: impl Fn(&Change) -> (Effect, [Option<String>; 2]),
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let changes = difference.services.iter().flat_map(|s| &s.changes);
    let changes = changes.chain(difference.promises.iter().flat_map(|p| &p.changes));
    for change in changes.chain(difference.rules.iter().flat_map(|r| &r.changes)) {
        // What is renamed has its new name in its key.
        let key = change.key.replace("remarks", "comments");
        *counts.entry(format!("{key} {:?}", side(change))).or_default() += 1;
    }
    counts
}

fn assert_reversible(old: &str, new: &str) {
    let (there, back) = (between(old, new), between(new, old));
    let there = counted(&there, |c| (reversed(c.effect), [c.new.clone(), c.old.clone()]));
    let back = counted(&back, |c| (c.effect, [c.old.clone(), c.new.clone()]));
    assert_eq!(there, back);
}

#[test]
fn the_way_back_swaps_weaker_with_stricter_and_wider_with_narrower() {
    assert!(TABLE.len() > 50);
    for (from, to, _) in TABLE {
        assert_reversible(BASE, &replaced(from, to));
    }
}

fn period() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..2000_u32).prop_map(|n| format!("{n} hours")),
        (1..100_u32).prop_map(|n| format!("{n} days")),
        (1..24_u32, 0..40_u32).prop_map(|(months, days)| format!("{months} months {days} days")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn two_bounds_are_judged_alike_in_both_directions(a in period(), b in period(), zone in 0..3_usize) {
        let zone = ["Europe/Berlin", "Etc/UTC", "America/St_Johns"][zone];
        let with = |period: &str, zone: &str| {
            BASE.replace("Europe/Berlin", zone)
                .replace("delete_by = \"1 month\"", &format!("delete_by = \"{period}\""))
                .replace("retain = \"7 days\"", &format!("retain = \"{period}\""))
        };
        assert_reversible(&with(&a, "Europe/Berlin"), &with(&b, zone));
        prop_assert!(between(&with(&a, zone), &with(&a, zone)).rules.is_empty());
    }
}

#[test]
fn the_same_rules_do_not_differ() {
    let shipped = || load(&root().join("rules"), &Defaults::default()).unwrap();
    let difference = diff(&shipped(), &shipped(), &Defaults::default());
    assert!(difference.is_empty(), "{:?}", lines(&difference));
    assert_eq!(difference.look(), Look::Enough);
    let rules = shipped().rules().count();
    assert_eq!(difference.unchanged_rules, rules);
    assert_eq!(
        difference.unchanged_promises,
        shipped().services.iter().map(|s| s.promises.len()).sum::<usize>()
    );
}

/// Nothing a shipped rule says may be lost on the way: each key that is dropped or bent is told.
#[test]
fn every_shipped_rule_that_is_missing_is_removed_or_new() {
    let shipped = || load(&root().join("rules"), &Defaults::default()).unwrap();
    let none = RuleSet { services: Vec::new() };
    let (gone, come) =
        (diff(&shipped(), &none, &Defaults::default()), diff(&none, &shipped(), &Defaults::default()));
    let count = shipped().rules().count();
    assert_eq!(gone.rules.iter().filter(|r| r.effects() == [Effect::Removed] && !r.guarded).count(), count);
    assert_eq!(come.rules.iter().filter(|r| r.effects() == [Effect::New] && r.guarded).count(), count);
    assert_eq!((gone.look(), come.look()), (Look::Second, Look::Second));
}

/// A directory of rules.
fn directory(at: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(at).unwrap();
    for (name, text) in files {
        std::fs::write(at.join(name), text).unwrap();
    }
}

struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// `expunged diff old new`, in a directory that holds both, without a configuration.
fn run(at: &Path, arguments: &[&str]) -> Printed {
    let program = Command::new(env!("CARGO_BIN_EXE_expunged"))
        .current_dir(at)
        .env("EXPUNGED_CONFIG", at.join("none.toml"))
        .args(["diff", "old", "new"])
        .args(arguments)
        .output()
        .unwrap();
    Printed {
        code: program.status.code(),
        stdout: String::from_utf8(program.stdout).unwrap(),
        stderr: String::from_utf8(program.stderr).unwrap(),
    }
}

/// What a realistic pull request changes in the shipped rules.
fn pull_request(at: &Path) {
    for side in ["old", "new"] {
        std::fs::create_dir(at.join(side)).unwrap();
        for entry in std::fs::read_dir(root().join("rules")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, at.join(side).join(path.file_name().unwrap())).unwrap();
        }
    }
    let motorsport = at.join("new/motorsport.toml");
    let text = std::fs::read_to_string(&motorsport).unwrap();
    let mut changed = text.clone();
    for (from, to) in [
        ("delete_by = \"24 hours\"", "delete_by = \"2 days\""),
        ("author_name = \"random\"", "author_name = \"keyed\""),
        ("schedule = \"0 */15 * * * *\"", "schedule = \"0 0 * * * *\""),
        ("id = \"newsletter-delivery\"", "id = \"newsletter-mail\""),
    ] {
        assert_eq!(changed.matches(from).count(), 1, "{from}");
        changed = changed.replace(from, to);
    }
    changed.push_str(
        r#"
[[rule]]
id = "login"
class = "account"
keeps = []
datastore = "motorsport"
table = "login"
key = ["id"]
trigger = { column = "at" }
retain = "30 days"
delete_by = "2 months"
action = "delete"
"#,
    );
    std::fs::write(motorsport, changed).unwrap();
}

#[test]
fn a_pull_request_is_told_to_people_to_programs_and_to_reviewers() {
    let dir = tempfile::tempdir().unwrap();
    pull_request(dir.path());
    let text = run(dir.path(), &[]);
    insta::assert_snapshot!("pull_request_text", text.stdout);
    let json = run(dir.path(), &["--format", "json"]);
    let object: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    insta::assert_snapshot!("pull_request_json", format!("{object:#}"));
    let markdown = run(dir.path(), &["--format", "markdown"]);
    insta::assert_snapshot!("pull_request_markdown", markdown.stdout);
    assert_eq!([text.code, json.code, markdown.code], [Some(1); 3], "{}", text.stderr);
}

/// Read by a Markdown reader with GitHub's tables: every name is shown as the files have it, and nothing of them is obeyed.
#[test]
fn a_comment_shows_what_the_files_say_and_obeys_none_of_it() {
    const HOSTILE: &str =
        "a | b</code> <img src=x> [c](https://example.com) **d** # @all :e: ~~f~~ \\ &amp; g";
    let dir = tempfile::tempdir().unwrap();
    directory(&dir.path().join("old"), &[("site.toml", BASE)]);
    let changed = replaced(
        "only = { status = [\"closed\", \"spam\"] }",
        &format!("only = {{ status = ['{HOSTILE}'] }}"),
    );
    directory(&dir.path().join("new"), &[("site.toml", &changed)]);
    let markdown = run(dir.path(), &["--format", "markdown"]).stdout;
    let (mut shown, mut rows, mut cells, mut tags) = (String::new(), 0, 0, BTreeSet::new());
    for event in Parser::new_ext(&markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(text) => shown.push_str(&text),
            Event::InlineHtml(tag) | Event::Html(tag) => drop(tags.insert(tag.trim().to_owned())),
            Event::Start(Tag::TableRow) => rows += 1,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::Start(
                Tag::Paragraph
                | Tag::Strong
                | Tag::List(_)
                | Tag::Item
                | Tag::Table(_)
                | Tag::TableHead
                | Tag::HtmlBlock,
            )
            | Event::End(_)
            | Event::SoftBreak => shown.push(' '),
            other => panic!("{other:?} in\n{markdown}"),
        }
    }
    assert_eq!(shown.matches(HOSTILE).count(), 4, "twice in the table and in the details: {shown}");
    assert!(shown.contains("rule site/account"), "{shown}");
    assert_eq!(cells, 4 * (rows + 1), "{markdown}");
    let ours = ["<code>", "</code>", "<br>", "<details><summary>Details</summary>", "</details>"];
    assert!(tags.iter().all(|tag| ours.contains(&tag.as_str())), "{tags:?}");
}

/// Whoever relies on the one service's promise does not rely on the other's.
#[test]
fn a_promise_in_another_service_is_another_promise() {
    let dir = tempfile::tempdir().unwrap();
    let logs = BASE.find("[[promise]]\nid = \"logs\"").unwrap();
    let (before, rest) = BASE.split_at(logs);
    let (promise, after) = rest.split_at(rest.find("[[rule]]").unwrap());
    let without = format!("{before}{after}").replace("keeps = [\"logs\"]", "keeps = []");
    let other = "[service]\nname = \"Other\"\nowner = \"other@example.com\"\ntime_zone = \"Etc/UTC\"\n\n";
    let rule = after.split("[[rule]]\nid = \"log\"").nth(1).unwrap();
    let other =
        format!("{other}{promise}[[rule]]\nid = \"log\"{}", rule.replace("\"disk\"", "\"elsewhere\""));
    directory(&dir.path().join("old"), &[("site.toml", BASE)]);
    directory(&dir.path().join("new"), &[("site.toml", &without), ("other.toml", &other)]);
    let ran = run(dir.path(), &["--format", "json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut effects: Vec<String> = said["promises"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{}/{} {}", p["service"], p["promise"], p["changes"][0]["effect"]).replace('"', ""))
        .collect();
    effects.sort();
    assert_eq!(effects, ["other/logs new", "site/logs removed"]);
}

#[test]
fn the_exit_code_says_whether_a_person_should_look() {
    let dir = tempfile::tempdir().unwrap();
    directory(&dir.path().join("old"), &[("site.toml", BASE)]);
    let stricter = replaced("delete_by = \"1 month\"", "delete_by = \"20 days\"");
    let weaker = replaced("delete_by = \"1 month\"", "delete_by = \"40 days\"");
    let broken = replaced("delete_by = \"1 month\"", "delete_by = \"1m\"");
    for (new, code) in [(BASE, 0), (&stricter, 0), (&weaker, 1), (&broken, 65)] {
        directory(&dir.path().join("new"), &[("site.toml", new)]);
        for form in ["text", "json", "markdown"] {
            let ran = run(dir.path(), &["--format", form]);
            assert_eq!(ran.code, Some(code), "{form}: {}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.stdout.is_empty(), code == 65, "{}", ran.stdout);
        }
    }
}

#[test]
fn a_side_that_cannot_be_read_is_named_with_everything_wrong_in_it() {
    let dir = tempfile::tempdir().unwrap();
    directory(&dir.path().join("old"), &[("site.toml", &replaced("\"7 days\"", "\"7d\""))]);
    directory(
        &dir.path().join("new"),
        &[
            ("site.toml", &replaced("\"3 months\"\naction", "\"3 moons\"\naction")),
            ("other.toml", "service = 1\n"),
        ],
    );
    let ran = run(dir.path(), &[]);
    assert_eq!(ran.code, Some(65), "{}", ran.stderr);
    for said in [
        "OLD, `old`, cannot be read",
        "NEW, `new`, cannot be read",
        "old/site.toml:35:10",
        "new/site.toml:66:13",
        "new/other.toml:1:11",
    ] {
        assert!(ran.stderr.contains(said), "`{said}` is not in:\n{}", ran.stderr);
    }
}

#[test]
fn the_first_rules_of_a_repository_are_new_and_the_last_are_never_simply_gone() {
    let dir = tempfile::tempdir().unwrap();
    directory(&dir.path().join("old"), &[]);
    directory(&dir.path().join("new"), &[("site.toml", BASE)]);
    let first = run(dir.path(), &[]);
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    assert!(first.stdout.contains("Rules: 2 new, 0 unchanged"), "{}", first.stdout);
    std::fs::rename(dir.path().join("new/site.toml"), dir.path().join("moved")).unwrap();
    let last = run(dir.path(), &[]);
    assert_eq!(last.code, Some(65));
    assert!(last.stderr.contains("holds no *.toml"), "{}", last.stderr);
    std::fs::rename(dir.path().join("old"), dir.path().join("older")).unwrap();
    assert!(run(dir.path(), &[]).stderr.contains("OLD, `old`, cannot be read"));
}

#[test]
fn the_configuration_gives_both_sides_its_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let hourly = "delete_by = \"3 months\"\naction";
    let written = replaced(hourly, "delete_by = \"3 months\"\nschedule = \"0 30 4 * * *\"\naction");
    directory(&dir.path().join("old"), &[("site.toml", BASE)]);
    directory(&dir.path().join("new"), &[("site.toml", &written)]);
    assert!(run(dir.path(), &[]).stdout.contains("longest gap 1 hour → 24 hours"));
    let configuration = "rules = \"new\"\nstate = \"sqlite://state.db\"\n\n[ledger]\norigin = \"example.com/ledger\"\n\
                         key = { file = \"key\" }\nkeys = \"keys\"\n\n[defaults]\nschedule = \"0 30 4 * * *\"\n\n\
                         [datastore.site]\nkind = \"sqlite\"\nurl = \"sqlite://site.db\"\n";
    std::fs::write(dir.path().join("none.toml"), configuration).unwrap();
    let same = run(dir.path(), &[]);
    assert_eq!(
        (same.code, same.stdout.as_str()),
        (Some(0), "No difference: 2 rules and 2 promises are the same.\n"),
        "{}",
        same.stderr
    );
}

#[test]
fn what_it_does_not_take_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&["--rules", "old"][..], "`diff` takes no `--rules`"),
        (&["--format", "html"], "`--format html` is a form of `report`"),
        (&["third"], "unexpected argument 'third'"),
    ] {
        let ran = run(dir.path(), arguments);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    let check = Command::new(env!("CARGO_BIN_EXE_expunged"))
        .args(["check", "--format", "markdown"])
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&check.stderr).contains("`--format markdown` is a form of `"));
}
