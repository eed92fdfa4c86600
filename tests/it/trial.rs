//! The tests inside rule files: those that are shipped pass, and one that expects the wrong thing is told so.

use std::path::Path;

use expunged::diagnostic::{Source, SourceKind};
use expunged::model::datastore::Defaults;
use expunged::rules::document;
use expunged::rules::rule::{Rule, RuleTest};
use expunged::sweep::trial;

/// One rule with a dependent; a test goes behind it.
const SITE: &str = r#"[service]
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
trigger = { column = "deleted_at", pending = ["null"] }
retain = "0 hours"
delete_by = "24 hours"
schedule = "0 */15 * * * *"
action = "delete"

[[rule.dependent]]
id = "comments"
class = "comments"
table = "comment"
match = { author_id = "id" }
action = "delete"

[[rule.test]]
name = "the one"
"#;

/// What is wrong with one test.
fn tried(rule: &Rule, test: &RuleTest) -> trial::Failures {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(trial::run(rule, test))
}

/// What failed, without why.
fn tried_on_the_site(test: &str) -> Vec<String> {
    failures_on_the_site(test).into_iter().map(|failure| failure.what).collect()
}

fn failures_on_the_site(test: &str) -> trial::Failures {
    let source = Source::new(SourceKind::Rules, "rules/site.toml", &format!("{SITE}{test}"));
    let service =
        document::parse(&source, "site", &Defaults::default()).unwrap_or_else(|found| panic!("{found}"));
    let [rule] = service.rules.as_slice() else { panic!("one rule") };
    let [test] = rule.tests.as_slice() else { panic!("one test") };
    tried(rule, test)
}

#[test]
fn every_test_of_the_shipped_rules_passes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let rules = document::load(&directory, &Defaults::default()).unwrap_or_else(|found| panic!("{found}"));
    let mut failed = Vec::new();
    let mut ran = 0;
    for (_, rule) in rules.rules() {
        for test in &rule.tests {
            ran += 1;
            let failures = tried(rule, test);
            failed.extend(failures.iter().map(|f| format!("{}, \"{}\": {f:?}", rule.id, test.name)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran >= 10, "{ran} tests");
}

#[test]
fn a_test_that_expects_the_wrong_verdict_is_told_the_right_one() {
    let failures = tried_on_the_site(
        r#"record = { id = 1, deleted_at = "2026-03-01T10:00:00Z" }
at = "2026-03-01T12:00:00Z"
expect = "kept"
"#,
    );
    assert_eq!(failures, ["at 2026-03-01T15:00:00+03:00, record 1 (id = 1): expected kept, observed due"]);
}

#[test]
fn a_test_that_expects_the_wrong_survivors_is_told_of_them() {
    let failures = tried_on_the_site(
        r#"record = { id = 1, deleted_at = "2026-03-01T10:00:00Z" }
at = "2026-03-01T12:00:00Z"
expect = "due"
after = { account = [{ id = 1 }] }
"#,
    );
    assert_eq!(failures, ["after the sweep, `account` does not hold row 1 of `after`"]);
}

/// One trigger that SQL compares, and one that only the judge can read.
#[test]
fn what_is_held_is_still_there_after_the_sweep_and_so_is_what_hangs_on_it() {
    for deleted_at in ["2026-03-01T10:00:00Z", "2026-03-01T13:00:00+03:00"] {
        let failures = tried_on_the_site(&format!(
            r#"record = {{ id = 1, deleted_at = "{deleted_at}" }}
rows = {{ comment = [{{ id = 7, author_id = 1 }}] }}
held = true
at = "2026-03-01T12:00:00Z"
expect = "held"
after = {{ account = [{{ id = 1 }}], comment = [{{ id = 7, author_id = 1 }}] }}
"#
        ));
        assert_eq!(failures, [""; 0], "{deleted_at}");
    }
}

/// 31 February sorts where a due record sorts, so that one selection holds both.
#[test]
fn what_is_undated_is_still_there_after_the_sweep_that_takes_its_neighbour() {
    let failures = tried_on_the_site(
        r#"records = [
    { id = 1, deleted_at = "2026-03-01T10:00:00Z" },
    { id = 2, deleted_at = "2026-02-31T10:00:00Z" },
]
rows = { comment = [{ id = 7, author_id = 1 }, { id = 8, author_id = 2 }] }
at = "2026-03-01T12:00:00Z"
expect = ["due", "undated"]
after = { account = [{ id = 2 }], comment = [{ id = 8, author_id = 2 }] }
"#,
    );
    assert_eq!(failures, [""; 0]);
}

/// A rule whose trigger is in other rows.
const LICENCES: &str = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Europe/Moscow"

[[rule]]
id = "licence"
class = "account"
keeps = []
datastore = "site"
table = "account"
key = ["id"]
trigger = { table = "licence", match = { owner = "id" }, column = "until", pick = "latest", pending = ["future", "no_row"] }
unless = { table = "invoice", match = { owner = "id" }, only = { paid = false } }
except = "open invoices"
retain = "7 days"
delete_by = "1 month"
schedule = "0 0 * * * *"
action = "delete"

[[rule.test]]
name = "the one"
"#;

fn failures_of(file: &str) -> trial::Failures {
    let source = Source::new(SourceKind::Rules, "rules/site.toml", file);
    let service =
        document::parse(&source, "site", &Defaults::default()).unwrap_or_else(|found| panic!("{found}"));
    let [rule] = service.rules.as_slice() else { panic!("one rule") };
    let [test] = rule.tests.as_slice() else { panic!("one test") };
    tried(rule, test)
}

fn whats(failures: trial::Failures) -> Vec<String> {
    failures.into_iter().map(|failure| failure.what).collect()
}

const RENEWAL: &str = r#"records = [{ id = 1 }, { id = 2 }, { id = 3 }]
steps = [
    { at = "2026-03-20T00:00:00Z", expect = ["due", "due", "kept"] },
    { at = "2026-03-20T00:00:00Z", rows = { licence = [{ owner = 1, until = "2027-03-01T10:00:00Z" }, { owner = 2, until = "2026-03-01T10:00:00Z" }] }, expect = ["kept", "due", "kept"], sweep = true },
    { at = "2026-03-21T00:00:00Z", expect = ["kept", "gone", "kept"] },
    { at = "2027-03-21T00:00:00Z", expect = ["due", "gone", "kept"], rows = { invoice = [{ owner = 2, paid = false }] } },
    { at = "2027-03-21T00:00:00Z", expect = ["kept", "gone", "kept"], rows = { invoice = [{ owner = 1, paid = false }] } },
]

[rule.test.rows]
licence = [{ owner = 1, until = "2026-03-01T10:00:00Z" }, { owner = 2, until = "2026-03-01T10:00:00Z" }]
"#;

#[test]
fn a_renewal_moves_a_record_and_what_a_sweep_disposed_of_is_gone() {
    assert_eq!(failures_of(&format!("{LICENCES}{RENEWAL}")), []);
}

#[test]
fn without_the_renewal_the_same_scenario_fails() {
    let stays = RENEWAL.replace("until = \"2027-03-01T10:00:00Z\"", "until = \"2026-03-01T10:00:00Z\"");
    let failed = whats(failures_of(&format!("{LICENCES}{stays}")));
    assert_eq!(failed[0], "at 2026-03-20T03:00:00+03:00, record 1 (id = 1): expected kept, observed due");
    assert_eq!(failed[1], "at 2026-03-21T03:00:00+03:00, record 1 (id = 1): expected kept, observed gone");
}

#[test]
fn a_step_that_only_looks_leaves_the_world_as_it_is() {
    let looks = RENEWAL.replace(", sweep = true", "");
    let source = Source::new(SourceKind::Rules, "rules/site.toml", &format!("{LICENCES}{looks}"));
    let refused = document::parse(&source, "site", &Defaults::default()).unwrap_err().to_string();
    assert!(refused.contains("nothing is `gone` before a sweep"), "{refused}");
    let due = looks.replace("\"gone\"", "\"overdue\"");
    let failed = whats(failures_of(&format!("{LICENCES}{due}")));
    assert_eq!(
        failed,
        [
            "at 2026-03-21T03:00:00+03:00, record 2 (id = 2): expected overdue, observed due",
            "at 2027-03-21T03:00:00+03:00, record 2 (id = 2): expected overdue, observed kept",
        ]
    );
}

/// Both phases of a sweep take effect, and what goes along stays gone.
#[test]
fn a_sweep_takes_what_sql_compares_and_what_only_the_judge_reads_with_what_hangs_on_them() {
    let failures = tried_on_the_site(
        r#"records = [{ id = 1, deleted_at = "2026-03-01T10:00:00Z" }, { id = 2, deleted_at = "2026-03-01T13:00:00+03:00" }]
steps = [
    { at = "2026-03-01T12:00:00Z", expect = ["due", "due"], sweep = true },
    { at = "2026-03-09T12:00:00Z", expect = ["gone", "gone"] },
]

[rule.test.rows]
comment = [{ id = 7, author_id = 1 }, { id = 8, author_id = 2 }, { id = 9, author_id = 3 }]

[rule.test.after]
account = []
comment = [{ id = 9 }]
"#,
    );
    assert_eq!(failures, [""; 0]);
}

#[test]
fn a_failure_says_how_the_judge_came_to_its_verdict() {
    let renewed = r#"record = { id = 1 }
at = "2026-02-27T21:00:00Z"
expect = "due"

[rule.test.rows]
licence = [{ owner = 1, until = "2026-01-31T20:59:59Z" }]
"#;
    let [failure] = <[trial::Failure; 1]>::try_from(failures_of(&format!("{LICENCES}{renewed}"))).unwrap();
    assert_eq!(
        failure.what,
        "at 2026-02-28T00:00:00+03:00, record 1 (id = 1): expected due, observed overdue"
    );
    assert_eq!(
        failure.why,
        [
            "due 2026-02-08T00:00:00+03:00, 20 days earlier",
            "  D = 2026-01-31 (Europe/Moscow)",
            "  D + 7 days = 2026-02-07",
            "  first instant of the next day: 2026-02-08T00:00:00+03:00 = 2026-02-07T21:00:00Z",
            "deadline 2026-02-28T00:00:00+03:00, at that instant",
            "  D = 2026-01-31 (Europe/Moscow)",
            "  D + 1 month = 2026-02-28 (the month's last day)",
            "  first instant of that day: 2026-02-28T00:00:00+03:00 = 2026-02-27T21:00:00Z",
        ]
    );
}

#[test]
fn what_is_wrong_with_the_world_of_a_test_is_said_with_the_remedy() {
    let at = "at = \"2026-03-01T12:00:00Z\"\nexpect = \"kept\"\n";
    for (test, what, help) in [
        (
            format!("record = {{ until = 1 }}\n{at}"),
            "record 1 lacks `id`, expected the whole key of `account`",
            "add `id` to the record",
        ),
        (
            format!("record = {{ id = 1 }}\nrows = {{ licenc = [] }}\n{at}"),
            "`rows` names table `licenc`, which the rule neither looks at nor disposes of",
            "did you mean `licence`?",
        ),
        (
            format!("record = {{ id = 1 }}\n{at}after = {{ licence = [{{ untl = 1 }}] }}\n"),
            "`after` names column `untl` of `licence`, which neither the rule nor a row of the test has",
            "did you mean `until`?",
        ),
    ] {
        let [failure] = <[trial::Failure; 1]>::try_from(failures_of(&format!("{LICENCES}{test}"))).unwrap();
        assert_eq!((failure.what.as_str(), failure.why), (what, vec![help.to_owned()]));
    }
    let twice =
        "records = [{ id = 1 }, { id = 1 }]\nat = \"2026-03-01T12:00:00Z\"\nexpect = [\"kept\", \"kept\"]\n";
    let failed = whats(failures_of(&format!("{LICENCES}{twice}")));
    assert_eq!(failed, ["records 1 and 2 have the same key, expected one record a key"]);
}

/// Databases go from test to test: nothing of one may be seen in another, whatever the shapes and the order.
#[test]
fn tests_that_run_beside_and_after_each_other_have_worlds_of_their_own() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let rules = document::load(&directory, &Defaults::default()).unwrap_or_else(|found| panic!("{found}"));
    let cases: Vec<trial::Case<'_>> =
        rules.rules().flat_map(|(_, rule)| rule.tests.iter().map(move |test| (rule, test))).collect();
    let mixed: Vec<_> = cases.iter().rev().chain(&cases).copied().collect();
    for threads in [1, 3] {
        let failures = trial::run_all(&mixed, threads.try_into().unwrap()).unwrap();
        assert_eq!(failures, vec![Vec::new(); mixed.len()]);
    }
}

/// A rule whose records have somebody, with this trigger and this answer to a request; a test goes behind it.
fn people(trigger: &str, retain: &str, on_erasure: &str) -> String {
    SITE.replace(
        "trigger = { column = \"deleted_at\", pending = [\"null\"] }",
        &format!("trigger = {trigger}"),
    )
    .replace("retain = \"0 hours\"", &format!("retain = \"{retain}\""))
    .replace("delete_by = \"24 hours\"", "delete_by = \"10 days\"")
    .replace("no_later_than = \"24 hours\"", "no_later_than = \"10 days\"")
    .replace("key = [\"id\"]", &format!("key = [\"id\"]\nsubject = \"who\"\non_erasure = {on_erasure}"))
}

const ON_REQUEST: &str = "{ request = true }";
const ON_DELETION: &str = "{ column = \"deleted_at\", pending = [\"null\"] }";

/// Two people; one asks on 1 March.
const ONE_ASKS: &str = r#"
records = [{ id = 1, who = "anna" }, { id = 2, who = "boris" }, { id = 3, who = { null = true } }]
rows = { comment = [{ id = 10, author_id = 1 }, { id = 20, author_id = 2 }] }
requests = { anna = 2026-03-01T12:00:00Z }
"#;

/// The promise of a rule on request is one on request.
fn on_request(test: &str) -> trial::Failures {
    let file = people(ON_REQUEST, "0 hours", "\"dispose\"")
        .replace("no_later_than = \"10 days\"", "on_request = true");
    failures_of(&format!("{file}{test}"))
}

#[test]
fn a_request_makes_due_what_is_its_subjects_from_that_instant_on() {
    let steps = r#"
steps = [
    { at = 2026-03-01T11:59:59Z, expect = ["kept", "kept", "kept"], sweep = true },
    { at = 2026-03-01T12:00:00Z, expect = ["due", "kept", "kept"] },
    { at = 2026-03-10T20:59:59Z, expect = ["due", "kept", "kept"] },
    { at = 2026-03-10T21:00:00Z, expect = ["overdue", "kept", "kept"], sweep = true },
    { at = 2026-03-11T13:00:00Z, expect = ["gone", "kept", "kept"] },
]
after = { account = [{ id = 2 }, { id = 3 }], comment = [{ id = 20 }] }
"#;
    assert_eq!(on_request(&format!("{ONE_ASKS}{steps}")), []);
}

#[test]
fn a_request_ends_a_period_that_runs_and_starts_one_that_has_not_begun() {
    let test = r#"
records = [
    { id = 1, who = 7, deleted_at = "2026-03-01T00:00:00Z" },
    { id = 2, who = 7, deleted_at = { null = true } },
    { id = 3, who = 8, deleted_at = "2026-03-01T00:00:00Z" },
]
requests = { 7 = "2026-03-02T00:00:00Z" }
steps = [
    { at = "2026-03-01T23:59:59Z", expect = ["kept", "kept", "kept"] },
    { at = "2026-03-02T00:00:00Z", expect = ["due", "due", "kept"], sweep = true },
    { at = "2026-03-09T00:00:00Z", expect = ["gone", "gone", "due"] },
]
after = { account = [] }
"#;
    assert_eq!(failures_of(&format!("{}{test}", people(ON_DELETION, "7 days", "\"dispose\""))), []);
    // A legal reason keeps them.
    let kept = test
        .replace("[\"due\", \"due\", \"kept\"], sweep", "[\"kept\", \"kept\", \"kept\"], sweep")
        .replace("[\"gone\", \"gone\", \"due\"]", "[\"due\", \"kept\", \"due\"]")
        .replace("account = []", "account = [{ id = 2 }]");
    let keeps = people(ON_DELETION, "7 days", "{ keep = \"tax law\" }");
    assert_eq!(failures_of(&format!("{keeps}{kept}")), []);
    // And so does a hold.
    let held = "held = true\nsteps = [{ at = 2026-03-02T12:00:00Z, expect = [\"held\", \"kept\", \"kept\"], sweep = true }, \
                { at = 2026-03-02T13:00:00Z, expect = [\"held\", \"kept\", \"kept\"] }]\n";
    assert_eq!(on_request(&format!("{ONE_ASKS}{held}")), []);
}

/// The child goes by its own time; then nothing keeps the parent, whose erasure is demanded.
#[test]
fn what_one_walk_takes_may_be_what_kept_a_record_of_the_next() {
    let file = people(ON_DELETION, "7 days", "\"dispose\"")
        .replace(
            "[[rule.dependent]]",
            "unless = { table = \"account\", match = { parent = \"id\" } }\n\n[[rule.dependent]]",
        )
        .replace("covers =", "except = \"parents\"\ncovers =")
        .replace("subject = \"who\"", "except = \"parents\"\nsubject = \"who\"");
    let test = r#"
records = [
    { id = 1, who = 7, deleted_at = "2026-03-09T00:00:00Z", parent = { null = true } },
    { id = 2, who = 7, deleted_at = "2026-03-01T00:00:00Z", parent = 1 },
]
requests = { 7 = "2026-03-10T00:00:00Z" }
at = "2026-03-10T12:00:00Z"
expect = ["kept", "due"]
after = { account = [] }
"#;
    assert_eq!(failures_of(&format!("{file}{test}")), []);
}

/// What a test says of another datastore's files, it says of none.
#[test]
fn a_datastore_without_files_of_the_rule_is_refused() {
    let record = "records = [{ id = 1, deleted_at = \"2026-03-01T00:00:00Z\" }]\nat = \"2026-03-02T00:00:00Z\"\nexpect = [\"overdue\"]\n";
    for key in ["files", "after_files"] {
        let said = failures_of(&format!("{SITE}{record}{key} = {{ disc = [] }}\n"));
        assert_eq!(
            said[0].what,
            format!("`{key}` names datastore `disc`, in which the rule disposes of no files")
        );
        let uploads = "[[rule.dependent]]\nid = \"uploads\"\nclass = \"account\"\ndatastore = \"disk\"\npattern = \"{id}/*\"\naction = \"delete\"\n\n[[rule.test]]";
        let file = SITE.replace("[[rule.test]]", uploads);
        let said = failures_of(&format!("{file}{record}{key} = {{ disc = [] }}\n"));
        assert_eq!(said[0].why, ["did you mean `disk`?"]);
        assert_eq!(failures_of(&format!("{file}{record}{key} = {{ disk = [] }}\n")), []);
    }
}

/// Whatever names the files, its test need not say what it is.
#[test]
fn files_are_named_by_texts_and_numbers_alike() {
    for (key, id) in [("id", "\"3f2a\""), ("id", "7"), ("slug", "7")] {
        let uploads = format!(
            "[[rule.dependent]]\nid = \"uploads\"\nclass = \"account\"\ndatastore = \"disk\"\npattern = \"{{{key}}}/*\"\naction = \"delete\"\n\n[[rule.test]]"
        );
        let file =
            SITE.replace("[[rule.test]]", &uploads).replace("key = [\"id\"]", &format!("key = [\"{key}\"]"));
        let name = id.trim_matches('"');
        let test = format!(
            "records = [{{ {key} = {id}, deleted_at = \"2026-03-01T00:00:00Z\" }}]\nat = \"2026-03-02T00:00:00Z\"\nexpect = [\"overdue\"]\n\
             files = {{ disk = [\"{name}/x\"] }}\nafter_files = {{ disk = [] }}\n"
        );
        assert_eq!(failures_of(&format!("{file}{test}")), [], "{key} = {id}");
    }
}

/// What the rule and its test's tables say of each other is told with what to do.
#[test]
fn a_rule_that_does_not_fit_its_test_is_told_with_the_remedy() {
    let test = "records = [{ id = 1, deleted_at = 5 }]\nat = \"2026-03-02T00:00:00Z\"\nexpect = [\"kept\"]\n";
    let file = SITE.replace(
        "{ column = \"deleted_at\", pending = [\"null\"] }",
        "{ column = \"deleted_at\", time_zone = \"Etc/UTC\" }",
    );
    let said = failures_of(&format!("{file}{test}"));
    assert!(said.iter().all(|failure| !failure.what.is_empty() && !failure.why.is_empty()), "{said:?}");
}

/// Neither a key of several columns nor their order makes a difference.
#[test]
fn records_with_keys_of_several_columns_are_tried() {
    let file = SITE.replace("key = [\"id\"]", "key = [\"number\", \"id\"]");
    let test = r#"
records = [
    { id = 1, number = "a", deleted_at = "2026-03-01T00:00:00Z" },
    { id = 1, number = "b", deleted_at = { null = true } },
    { id = 2, number = "a", deleted_at = "2026-03-01T00:00:00Z" },
]
at = "2026-03-02T00:00:00Z"
expect = ["overdue", "kept", "overdue"]
after = { account = [{ id = 1, number = "b" }] }
"#;
    assert_eq!(failures_of(&format!("{file}{test}")), []);
    let wrong = test.replace("\"kept\"", "\"due\"");
    let said = whats(failures_of(&format!("{file}{wrong}")));
    assert!(said[0].contains("record 2 (number = b, id = 1): expected due, observed kept"), "{said:?}");
}

#[test]
fn a_failure_says_what_a_request_has_to_do_with_it() {
    let at = "at = 2026-03-02T12:00:00Z\nexpect = [\"kept\", \"due\", \"kept\"]\n";
    let failed = on_request(&format!("{ONE_ASKS}{at}"));
    assert_eq!(
        whats(failed.clone()),
        [
            "at 2026-03-02T15:00:00+03:00, record 1 (id = 1): expected kept, observed due",
            "at 2026-03-02T15:00:00+03:00, record 2 (id = 2): expected due, observed kept"
        ]
    );
    assert_eq!(
        failed[0].why[0],
        "its erasure was demanded 2026-03-01T15:00:00+03:00, 24 hours earlier: due from then on, if not before"
    );
    assert_eq!(failed[1].why, ["nobody has demanded its erasure by then"]);
}

#[test]
fn a_request_that_can_reach_nothing_is_refused() {
    let at = "at = 2026-03-02T12:00:00Z\nexpect = [\"due\", \"kept\", \"kept\"]\n";
    for (from, to, what, why) in [
        (
            "anna = 2026-03-01T12:00:00Z",
            "ana = 2026-03-01T12:00:00Z",
            "`requests` names `ana`, and no record is theirs",
            "did you mean `anna`?",
        ),
        (
            "anna = 2026-03-01T12:00:00Z",
            "anna = 2026-03-02T12:00:01Z",
            "`anna` requests erasure after the last instant of the test",
            "look at the records at that instant, or later",
        ),
    ] {
        let failed = on_request(&format!("{}{at}", ONE_ASKS.replace(from, to)));
        assert_eq!(failed, [trial::Failure { what: what.to_owned(), why: vec![why.to_owned()] }]);
    }
    let nobodys = "record = { id = 1 }\nrequests = { anna = 2026-03-01T12:00:00Z }\nat = 2026-03-02T12:00:00Z\nexpect = \"kept\"\n";
    let failed = tried_on_the_site(nobodys);
    assert_eq!(
        failed,
        ["`requests` names data subjects, but the rule has no `subject`: no request reaches its records"]
    );
}

/// Tests on several threads would wait for each other (`.cargo/config.toml`).
#[test]
fn the_engine_counts_no_memory() {
    let world = crate::world::World::new("", "CREATE TABLE t (x)");
    assert!(world.ids("SELECT compile_options FROM pragma_compile_options").contains("DEFAULT_MEMSTATUS=0"));
}
