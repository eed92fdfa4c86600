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
