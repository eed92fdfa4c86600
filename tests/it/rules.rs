//! The rule language: shipped files, and what every kind of bad input says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chrono::{NaiveTime, TimeDelta};
use expunged::diagnostic::{Diagnostic, Diagnostics, Paint, Source, SourceKind};
use expunged::model::calendar::Hours;
use expunged::model::datastore::{Datastore, Defaults, Location, Pace};
use expunged::model::name::DatastoreName;
use expunged::rules::check::{PromiseStanding, ProvedPromise};
use expunged::rules::diff::{self, Standing};
use expunged::rules::rule::{DependentDataset, Expected, RuleSet, RuleTest, Service, Step};
use expunged::rules::{check, document};
use proptest::prelude::*;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

fn parse(text: &str) -> Result<Service, Diagnostics> {
    document::parse(&Source::new(SourceKind::Rules, "rules/site.toml", text), "site", &Defaults::default())
}

fn check_all(services: Vec<Service>) -> Result<Vec<ProvedPromise>, Diagnostics> {
    check::check(&RuleSet { services }, &Defaults::default()).map(|proof| proof.promises)
}

/// What a person is told about this file, by the parser or by `check`.
fn refused(text: &str) -> String {
    let found = match parse(text) {
        Ok(service) => check_all(vec![service]).expect_err("the file was accepted"),
        Err(found) => found,
    };
    found.render(Paint::Plain)
}

/// A small whole file that is right.
const GOOD: &str = r#"[service]
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
action = "pseudonymize"
columns = { author_id = "null", author_name = "random" }
mark = "pseudonymized_at"
"#;

/// [`GOOD`] with one thing changed, which must be there exactly once.
fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "`{from}`");
    GOOD.replace(from, to)
}

#[test]
fn shipped_rules_load_and_every_promise_is_kept() {
    let set = document::load(&shipped(), &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    let proof = check::check(&set, &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(proof.warnings.is_empty(), "{}", proof.warnings.render(Paint::Plain));
    let kept = proof.promises;
    let mut lines = String::new();
    for promise in &kept {
        writeln!(lines, "{}/{}: {}", promise.service, promise.promise, promise.text).unwrap();
        for keeper in &promise.keepers {
            let classes: Vec<_> = keeper.classes.iter().map(ToString::to_string).collect();
            writeln!(lines, "  {} ({})", keeper.rule, classes.join(", ")).unwrap();
            for figures in &keeper.arithmetic {
                writeln!(lines, "    {figures}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(lines);
}

/// Engineers copy these: each rule shows both its bounds to the second, what is no plausible time, and what is left.
#[test]
fn every_shipped_rule_is_tested_at_both_its_bounds_to_the_second() {
    let set = document::load(&shipped(), &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    for (_, rule) in set.rules() {
        let steps = || rule.tests.iter().flat_map(|test| test.steps.windows(2));
        for (before, after) in [(Expected::Kept, Expected::Due), (Expected::Due, Expected::Overdue)] {
            let turns = |pair: &[Step]| {
                (pair[0].expect[0], pair[1].expect[0]) == (before, after)
                    && pair[1].at - pair[0].at == TimeDelta::seconds(1)
            };
            assert!(steps().any(turns), "{} from {before} to {after}", rule.id);
        }
        let undated = |test: &RuleTest| test.steps.iter().any(|s| s.expect.contains(&Expected::Undated));
        assert!(rule.tests.iter().any(undated), "{}", rule.id);
        let after = |test: &RuleTest| !test.after.is_empty() || !test.after_files.is_empty();
        assert!(rule.tests.iter().any(after), "{}", rule.id);
    }
}

#[test]
fn every_promise_of_the_shipped_services_says_where_it_comes_from() {
    let set = document::load(&shipped(), &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    for promise in set.services.iter().flat_map(|s| &s.promises) {
        assert!(promise.source.contains("2020-04-28"), "{}", promise.id);
    }
}

#[test]
fn the_small_file_is_right() {
    let kept = check_all(vec![parse(GOOD).unwrap()]).unwrap();
    assert_eq!(kept[0].keepers[0].classes.len(), 2);
    let bom = format!("\u{feff}{GOOD}");
    assert!(parse(&bom).is_ok(), "a byte order mark is no reason to refuse a file");
}

/// A rule over files by their time of modification.
fn files(id: &str, pattern: &str, retain: &str, delete_by: &str) -> String {
    format!(
        "\n[[rule]]\nid = \"{id}\"\nclass = \"files\"\nkeeps = []\ndatastore = \"tree\"\npattern = \"{pattern}\"\n\
         trigger = {{ file = \"modified\" }}\nretain = \"{retain}\"\ndelete_by = \"{delete_by}\"\naction = \"delete\"\n"
    )
}

/// A rule over objects or keys.
fn keyed(trigger: &str, pattern: &str, rest: &str) -> String {
    GOOD.to_owned()
        + &files("keyed", pattern, "1 day", "3 days").replace("file = \"modified\"", trigger)
        + rest
}

#[test]
fn rules_over_objects_and_keys_and_on_request_are_proved_offline() {
    for (trigger, pattern) in [
        ("object = \"modified\"", "exports/**"),
        ("field = \"deleted_at\", unit = \"s\", pending = [\"null\"]", "account:*"),
        ("idle = true", "session:*"),
    ] {
        let text = keyed(trigger, pattern, "");
        let service = parse(&text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(service.rules[1].dataset.name(), pattern);
        check_all(vec![service]).unwrap_or_else(|e| panic!("{e}"));
    }
    let dependent = "\n[[rule.dependent]]\nid = \"sessions\"\nclass = \"account\"\ndatastore = \"sessions\"\n\
                     pattern = \"session:{id}:*\"\naction = \"delete\"\n";
    let service = parse(&format!("{GOOD}{dependent}")).unwrap_or_else(|e| panic!("{e}"));
    assert!(matches!(service.rules[0].dependents[1].dataset, DependentDataset::Keys(_)));
}

/// The design's own example of a rule that is only observed, and of what no rule covers.
#[test]
fn an_observing_rule_keeps_no_promise_and_a_waiver_is_read() {
    let text = with("action = \"delete\"", "mode = \"observe\"\naction = \"delete\"")
        + "\n[[waiver]]\ndatastore = \"site\"\ntable = \"country\"\nreason = \"names of countries\"\n";
    let service = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(service.waivers[0].dataset.name(), "country");
    let proof = check::check(&RuleSet { services: vec![service] }, &Defaults::default()).unwrap();
    assert_eq!(proof.promises[0].standing, PromiseStanding::OnlyObserved);
    let said = proof.warnings.render(Paint::Plain);
    assert!(said.contains("warning[R027]: promise `account` is not kept for class `account`"), "{said}");
}

/// One enforced rule of a class says nothing about another place where it is only observed.
#[test]
fn a_promise_is_kept_where_each_of_its_datasets_is_enforced() {
    let copies = "\n[[rule]]\nid = \"copies\"\nclass = \"account\"\nkeeps = [\"account\"]\ndatastore = \"site\"\ntable = \"copy\"\n\
                  key = [\"id\"]\ntrigger = { column = \"deleted_at\", pending = [\"null\"] }\nretain = \"0 hours\"\n\
                  delete_by = \"24 hours\"\nschedule = \"0 */15 * * * *\"\naction = \"delete\"\n";
    let proof = |text: &str| {
        let service = parse(text).unwrap_or_else(|e| panic!("{e}"));
        check::check(&RuleSet { services: vec![service] }, &Defaults::default()).unwrap()
    };
    assert_eq!(proof(&format!("{GOOD}{copies}")).promises[0].standing, PromiseStanding::Kept);
    let observed = proof(&format!("{GOOD}{copies}mode = \"observe\"\n"));
    assert_eq!(observed.promises[0].standing, PromiseStanding::OnlyObserved);
    let said = observed.warnings.render(Paint::Plain);
    assert!(said.contains("in `copy`: rule `copies` only observes"), "{said}");
}

/// A name that holds a dot stands beside the shapes of what is deeper, and is a name all the same.
#[test]
fn names_with_dots_are_read() {
    for only in
        ["\"x.null\" = 3", "\"x.0\" = [\"a\"]", "\"x.null\" = { null = true }", "\"\" = 1, \"a.\" = 1"]
    {
        let text = with("action = \"delete\"", &format!("only = {{ {only} }}\naction = \"delete\""));
        if let Ok(service) = parse(&text) {
            assert_eq!(service.rules[0].only.len(), 1, "{only}");
        } else {
            assert!(only.starts_with("\"\""), "{only}");
        }
    }
}

/// Whoever deletes first leaves nothing; a record that is pseudonymized first can still be deleted.
#[test]
fn a_rule_that_finds_nothing_is_a_warning() {
    let later = |action: &str| {
        format!(
            "{GOOD}\n[[rule]]\nid = \"later\"\nclass = \"account\"\nkeeps = []\ndatastore = \"site\"\ntable = \"account\"\n\
             key = [\"id\"]\ntrigger = {{ column = \"deleted_at\", pending = [\"null\"] }}\nretain = \"1 hour\"\n\
             delete_by = \"24 hours\"\n{action}\n"
        )
    };
    let warnings = |text: &str| {
        let service = parse(text).unwrap_or_else(|e| panic!("{e}"));
        check::check(&RuleSet { services: vec![service] }, &Defaults::default()).unwrap().warnings
    };
    let said = warnings(&later("action = \"delete\"")).render(Paint::Plain);
    assert!(said.contains("warning[R026]: rule `site/later` finds nothing"), "{said}");
    let pseudonymized = "action = \"pseudonymize\"\ncolumns = { name = \"null\" }\nmark = \"done_at\"";
    let both = later("action = \"delete\"").replacen("action = \"delete\"", pseudonymized, 1);
    assert!(warnings(&both).is_empty(), "{}", warnings(&both));
    assert!(!warnings(&later("only = { plan = [\"free\"] }\naction = \"delete\"")).is_empty());
}

/// One snapshot a bad input; what matters is asserted too, so that an accepted snapshot cannot lose it.
macro_rules! bad_input {
    ($($name:ident: $text:expr => $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            let text = refused($text.as_ref());
            for expected in $expected {
                assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
            }
            insta::assert_snapshot!(text);
        }
    )*};
}

bad_input! {
    an_unknown_key_is_refused_with_the_nearest_one: with("delete_by =", "deleteby =") =>
        ["site.toml:23:1: error[R003]", "did you mean `delete_by`?", "error[R004]"];
    a_value_of_the_wrong_type_is_refused: with("key = [\"id\"]", "key = 7") =>
        ["site.toml:20:7: error[R005]: `key` is an integer, expected an array"];
    an_empty_file_is_refused: "" => ["site.toml:1:1: error[R001]: the file says nothing"];
    brackets_without_end_are_refused: "[".repeat(1 << 20) => ["error[R002]"];
    a_rule_id_that_stands_twice_is_refused: format!("{GOOD}{}", &GOOD[GOOD.find("[[rule]]").unwrap()..]) =>
        ["site.toml:36:6: error[R007]: id `account` stands twice"];
    one_m_is_no_period: with("delete_by = \"24 hours\"", "delete_by = \"1m\"") =>
        ["site.toml:23:13: error[R010]", "ambiguous", "1 minute", "1 month"];
    a_deadline_of_zero_is_refused: with("delete_by = \"24 hours\"", "delete_by = \"0 days\"") =>
        ["site.toml:23:13: error[R010]"];
    a_zone_that_does_not_exist_is_refused: with("Europe/Moscow", "Europe/Moskow") =>
        ["site.toml:4:13: error[R011]", "`Europe/Moscow`"];
    a_schedule_on_30_february_is_refused: with("0 */15 * * * *", "0 0 0 30 2 *") =>
        ["site.toml:24:12: error[R012]", "never fires"];
    a_schedule_of_five_fields_is_refused: with("0 */15 * * * *", "*/15 * * * *") =>
        ["site.toml:24:12: error[R012]", "5 fields", "put `0` in front"];
    a_daily_schedule_cannot_keep_24_hours: with("0 */15 * * * *", "0 0 3 * * *") =>
        ["site.toml:24:12: error[R024]", "shortest window 24 hours on 2024-01-01", "2 × 24 hours + 30 minutes"];
    a_start_waits_for_the_run_before_it: with("delete_by = \"24 hours\"", "delete_by = \"1 hour\"") =>
        ["error[R024]", "shortest window 1 hour", "2 × 30 minutes + 30 minutes", "lower `defaults.run_cap` to at most 20 minutes"];
    a_promise_nobody_keeps_is_found: with("keeps = [\"account\"]", "keeps = []") =>
        ["site.toml:7:6: error[R020]: no rule keeps promise `account`"];
    a_class_nobody_reaches_is_found: with("covers = [\"account\", \"comments\"]", "covers = [\"account\", \"photos\"]") =>
        ["site.toml:12:22: error[R021]: no rule or dependent reaches class `photos`"];
    a_rule_weaker_than_its_promise_is_found: with("delete_by = \"24 hours\"", "delete_by = \"25 hours\"") =>
        ["site.toml:23:13: error[R022]", "`delete_by` is 25 hours, promised is no later than 24 hours"];
    a_day_does_not_keep_24_hours: with("delete_by = \"24 hours\"", "delete_by = \"1 day\"") =>
        ["error[R022]", "`delete_by` is 1 day, promised is no later than 24 hours", "23 or 25 hours", "error[R024]"];
    a_day_does_not_keep_24_hours_where_the_clocks_change:
        with("delete_by = \"24 hours\"", "delete_by = \"1 day\"").replace("Moscow", "Berlin") =>
        ["error[R022]", "a trigger on 2024-10-27 would break the promise"];
    a_rule_that_disposes_too_early_is_found:
        with("no_later_than = \"24 hours\"", "not_before = \"6 months\"")
            .replace("\"0 hours\"", "\"180 days\"").replace("delete_by = \"24 hours\"", "delete_by = \"1 year\"") =>
        ["error[R022]", "`retain` is 180 days, promised is not before 6 months"];
    many_errors_are_reported_at_once:
        GOOD.replace("time_zone = \"Europe/Moscow\"", "time_zone = \"Moscow\"\ntime-zone = \"x\"")
            .replace("covers", "cover").replace("\"0 hours\"", "\"soon\"").replace("\"random\"", "\"sha256\"")
            .replace("mark =", "marker =").replace("table = \"comment\"", "table = 1") =>
        ["R003", "R004", "R005", "R010", "R011", "R015", "7 days"][..6].iter().copied();
    a_plain_hash_is_refused_with_the_reason: with("\"random\"", "\"sha256\"") =>
        ["error[R015]", "plain hash", "write `keyed`"];
    a_subject_without_an_answer_to_erasure_requests_is_refused: with("key = [\"id\"]", "key = [\"id\"]\nsubject = \"id\"") =>
        ["error[R004]", "on_erasure"];
    dependents_in_a_circle_are_refused:
        format!("{}of = \"photos\"\n\n[[rule.dependent]]\nid = \"photos\"\nclass = \"comments\"\nof = \"comments\"\n\
            table = \"photo\"\nmatch = {{ comment_id = \"id\" }}\naction = \"delete\"\n", GOOD) =>
        ["dependent `comments` hangs on itself", "dependent `photos` hangs on itself"];
    a_dependent_of_nothing_is_refused: format!("{GOOD}of = \"photos\"\n") =>
        ["error[R013]: `of` names `photos`, which is no dependent of this rule"];
    what_is_asked_of_the_engine_is_asked_by_the_rule: format!("{GOOD}then = \"vacuum\"\n") =>
        ["error[R003]", "has no key `then`"];
    files_have_no_versions_that_an_engine_could_remove: keyed("file = \"modified\"", "uploads/*", "then = \"vacuum\"\n") =>
        ["error[R009]: `then` does not fit this dataset"];
    an_engine_is_asked_for_one_of_two: with("action = \"delete\"", "action = \"delete\"\nthen = \"vacum\"") =>
        ["`then` is `vacum`, expected one of `vacuum`, `rewrite`", "did you mean `vacuum`?"];
    a_request_that_nobody_can_make_is_refused:
        with("trigger = { column = \"deleted_at\", pending = [\"null\"] }", "trigger = { request = true }") =>
        ["no request would dispose of these records"];
    what_is_requested_does_not_wait:
        with("trigger = { column = \"deleted_at\", pending = [\"null\"] }", "trigger = { request = true }\nsubject = \"id\"\non_erasure = \"dispose\"")
            .replace("retain = \"0 hours\"", "retain = \"1 hours\"") =>
        ["`retain` is 1 hour, and what is requested is due at once"];
    a_request_keeps_no_promise_about_something_else:
        with("trigger = { column = \"deleted_at\", pending = [\"null\"] }", "trigger = { request = true }\nsubject = \"id\"\non_erasure = \"dispose\"") =>
        ["error[R022]: rule `account` starts with a request, and promise `account` with something else"];
    a_promise_on_request_needs_a_rule_that_a_request_reaches:
        with("no_later_than = \"24 hours\"", "on_request = true") =>
        ["error[R022]: rule `account` is reached by no request, which promise `account` is about"];
    what_is_normal_for_a_trigger_makes_no_other_event_of_it:
        format!("{GOOD}\n[[rule]]\nid = \"longer\"\nclass = \"account\"\nkeeps = []\ndatastore = \"site\"\n\
            table = \"Account\"\nkey = [\"id\"]\ntrigger = {{ column = \"Deleted_at\" }}\n\
            retain = \"30 days\"\ndelete_by = \"60 days\"\naction = \"delete\"\n") =>
        ["error[R025]: rules `site/account` and `site/longer` contradict each other"];
    a_request_is_or_is_not:
        with("trigger = { column = \"deleted_at\", pending = [\"null\"] }", "trigger = { request = false, idle = 1 }") =>
        ["`request` is false, which says nothing", "error[R003]: `trigger` has no key `idle`"];
    an_object_has_no_columns: keyed("object = \"modified\"", "backups/*.tar", "only = { plan = \"free\" }\n") =>
        ["error[R009]: `only` does not fit this dataset: rows have it, or files"];
    a_key_pattern_is_no_glob_of_the_store: keyed("idle = true", "session:[0-9]*", "") =>
        ["the pattern holds `[`, which a key-value store reads as a wildcard"];
    a_mode_is_one_of_two: with("action = \"delete\"", "mode = \"observer\"\naction = \"delete\"") =>
        ["`mode` is `observer`, expected one of `enforce`, `observe`", "did you mean `observe`?"];
    a_waiver_says_what_and_why: format!("{GOOD}\n[[waiver]]\ndatastore = \"site\"\npattern = \"{{id}}/**\"\ntable = \"x\"\n") =>
        ["a waiver names exactly one of `table` and `pattern`", "`waiver` has no `reason`"];
    a_waiver_is_about_no_record: format!("{GOOD}\n[[waiver]]\ndatastore = \"site\"\npattern = \"{{id}}/**\"\nreason = \"x\"\n") =>
        ["`{id}` has no record whose column it could be"];
    rows_have_no_backups_and_no_orphans:
        format!("{}orphans = true\n", with("keeps = [\"account\"]", "keeps = [\"account\"]\nbackup = { of = [\"a\"], every = \"1 day\" }")) =>
        ["`backup` does not fit this dataset: the dataset is rows", "`orphans` belongs to files"];
    the_files_of_all_do_not_go_with_one_record:
        format!("{GOOD}\n[[rule.dependent]]\nid = \"uploads\"\nclass = \"comments\"\npattern = \"uploads/**\"\naction = \"delete\"\n") =>
        ["the pattern names no column, so what it matches would go with the first record"];
    a_narrowed_rule_does_not_keep_a_whole_promise: with("action = \"delete\"", "only = { plan = [\"free\"] }\naction = \"delete\"") =>
        ["error[R023]: rule `account` leaves out records of class `account`"];
    a_promise_that_does_not_exist_cannot_be_kept: with("keeps = [\"account\"]", "keeps = [\"account\", \"photos\"]") =>
        ["error[R013]: rule `account` keeps promise `photos`, which this service does not make"];
    a_rule_that_reaches_nothing_of_its_promise_is_found:
        format!("{}\n[[promise]]\nid = \"photos\"\ntext = \"t\"\nsource = \"s\"\ntrigger = \"e\"\nno_later_than = \"1 month\"\ncovers = [\"photos\"]\n",
            with("keeps = [\"account\"]", "keeps = [\"account\", \"photos\"]")) =>
        ["none of which promise `photos` covers"];
    two_rules_that_contradict_each_other_are_found:
        format!("{GOOD}\n[[rule]]\nid = \"longer\"\nclass = \"account\"\nkeeps = []\ndatastore = \"site\"\n\
            table = \"account\"\nkey = [\"id\"]\ntrigger = {{ column = \"deleted_at\", pending = [\"null\"] }}\n\
            retain = \"30 days\"\ndelete_by = \"60 days\"\naction = \"delete\"\n") =>
        ["error[R025]: rules `site/account` and `site/longer` contradict each other over `account`"];
    patterns_that_meet_cannot_contradict_each_other:
        format!("{GOOD}{}{}", files("all", "**", "1 day", "3 days"), files("old", "old/*", "30 days", "60 days")) =>
        ["error[R025]: rules `site/all` and `site/old` contradict each other over `**` and `old/*`: gone by 3 days, kept for 30 days",
            "help: narrow one of the patterns, or correct a bound"];
    a_promise_without_a_figure_is_refused: with("no_later_than = \"24 hours\"\n", "") =>
        ["site.toml:6:1: error[R004]: the promise gives no bound", "decision"];
    a_mark_cannot_be_missing: with("mark = \"pseudonymized_at\"\n", "") =>
        ["error[R004]: `pseudonymize` has no `mark`"];
    a_test_must_name_a_verdict_a_record:
        format!("{GOOD}\n[[rule.test]]\nname = \"n\"\nrecords = [{{ id = 1 }}, {{ id = 2 }}]\nat = \"yesterday\"\nexpect = [\"due\"]\n") =>
        ["verdicts in `expect`: 1, records in the test: 2", "expected an instant in RFC 3339"];
}

#[test]
fn a_file_over_a_mebibyte_is_refused_before_it_is_parsed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("site.toml"), "[".repeat(10 << 20)).unwrap();
    std::fs::write(dir.path().join("other.toml"), "").unwrap();
    let found = document::load(dir.path(), &Defaults::default()).unwrap_err();
    let messages: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "one bad file does not hide the other: {messages:?}");
    assert_eq!(messages[0], "the file says nothing");
    assert!(messages[1].starts_with("the file is larger than 1048576 bytes"), "{messages:?}");
    assert!(found.to_string().len() < 1000);
}

#[test]
fn a_megabyte_of_anything_is_answered_in_time_and_in_few_words() {
    let numbered = |line: &str| (0..30_000).map(|i| line.replace('#', &i.to_string())).collect::<String>();
    for text in [
        numbered("[[rule]]\nid = \"r#\"\n"),
        numbered("key_# = 1\n"),
        numbered("key_# = \n"),
        format!("[[rule]]\nid = \"{}\"", "\\u001b".repeat(100_000)),
        format!("[[rule]]\nonly = {{ {} }}", numbered("c# = [1], ")),
        format!("[[rule]]\nretain = \"{}\"", "1 day ".repeat(100_000)),
    ] {
        let shown = refused(&text);
        assert!(shown.len() < 100_000 && !shown.contains('\u{1b}'), "{} bytes", shown.len());
    }
}

#[test]
fn a_directory_without_rules_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        assert!(document::load(&path, &Defaults::default()).is_err());
    }
}

#[test]
fn what_a_rule_leaves_out_may_be_its_promises_own_exception() {
    let narrowed = with(
        "action = \"delete\"",
        "only = { plan = { not = [\"paid\"] } }\nexcept = \"paid plans\"\naction = \"delete\"",
    );
    assert!(refused(&narrowed).contains("leaves out \"paid plans\", which promise `account` does not"));
    let agreed = narrowed.replace("covers =", "except = \"paid plans\"\ncovers =");
    assert!(check_all(vec![parse(&agreed).unwrap()]).is_ok());
    let other = narrowed.replace("covers =", "except = \"Paid plans\"\ncovers =");
    assert!(refused(&other).contains("error[R023]"), "word for word");
}

#[test]
fn sibling_rules_share_a_promise_by_a_list_and_its_not() {
    let rule = &GOOD[GOOD.find("[[rule]]").unwrap()..];
    let narrow =
        |text: &str, only: &str| text.replace("action = \"delete\"", &format!("{only}\naction = \"delete\""));
    let first = narrow(GOOD, "only = { plan = [\"paid\", \"gift\"] }");
    let second = |only: &str| narrow(&rule.replace("id = \"account\"", "id = \"rest\""), only);
    let whole = format!("{first}{}", second("only = { plan = { not = [\"gift\", \"paid\"] } }"));
    assert!(check_all(vec![parse(&whole).unwrap()]).is_ok());
    let holey = format!("{first}{}", second("only = { plan = { not = [\"gift\", \"paid\", \"trial\"] } }"));
    assert!(refused(&holey).contains("error[R023]"));
    // Whether the number 1 and the text are one value, the column decides.
    let siblings = |list: &str, not: &str| {
        let first = narrow(GOOD, &format!("only = {{ plan = {list} }}"));
        format!("{first}{}", second(&format!("only = {{ plan = {{ not = {not} }} }}")))
    };
    for (list, not) in [
        ("1", "\"1\""),
        ("[\"1\", \"01\"]", "[\"1\", \"01\"]"),
        ("true", "\"1\""),
        ("\" 1e3\"", "1000"),
        ("\"-0\"", "0"),
        ("[\"1.5\", \"1.50\"]", "[\"1.5\", \"1.50\"]"),
    ] {
        let said = refused(&siblings(list, not));
        assert!(said.contains("error[R023]"), "{list} {not}");
        assert!(said.contains("only the column knows whether two of the values of `plan` are one"), "{said}");
    }
    // Neither are these one value in any column, nor does it matter where one rule takes everything.
    for one in [
        "[1, \"2\", \"1.5\", \"2.5\"]",
        "[9007199254740992, 9007199254740993]",
        "[\"true\", \"1\", \"t\"]",
        "[\"inf\", \"Infinity\", \"nan\", \"NaN\"]",
        "[\"1\", \"\\u00a01\"]",
    ] {
        let both = siblings(one, one);
        assert!(check_all(vec![parse(&both).unwrap()]).is_ok(), "{one}");
    }
    let both = format!("{GOOD}{}", second("only = { plan = [\"1\", \"01\"] }"));
    assert!(check_all(vec![parse(&both).unwrap()]).is_ok());
}

#[test]
fn dependents_stand_after_the_one_they_hang_on() {
    let text = GOOD.replace("[[rule.dependent]]\n", "[[rule.dependent]]\nof = \"posts\"\n")
        + "\n[[rule.dependent]]\nid = \"posts\"\nclass = \"comments\"\ntable = \"post\"\nmatch = { author_id = \"id\" }\naction = \"delete\"\n";
    let service = parse(&text).unwrap();
    let order: Vec<_> = service.rules[0].dependents.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(order, ["posts", "comments"]);
    assert_eq!(service.rules[0].dependents[1].places.of("match.author_id").file_line(), "rules/site.toml:32");
}

#[test]
fn an_on_request_promise_compares_as_a_month() {
    let text = GOOD.replace("no_later_than = \"24 hours\"", "on_request = true").replace(
        "trigger = { column = \"deleted_at\", pending = [\"null\"] }",
        "trigger = { table = \"request\", match = { account_id = \"id\" }, column = \"at\", pick = \"earliest\", pending = [\"no_row\"] }",
    );
    let kept = check_all(vec![parse(&text).unwrap()]).unwrap();
    assert_eq!(
        kept[0].keepers[0].arithmetic[0],
        "`delete_by` 24 hours ≤ no later than 1 month after the request"
    );
    assert!(
        refused(&text.replace("delete_by = \"24 hours\"", "delete_by = \"31 days\"")).contains("error[R022]")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = parse(&text).map_err(|found| found.render(Paint::Plain));
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_parser_panic(at in 0..GOOD.len(), length in 0_usize..40, put in "[\\[\\]{}\"'=,.a-z0-9 \n\u{e9}-]{0,12}") {
        let (start, end) = (GOOD.floor_char_boundary(at), GOOD.floor_char_boundary((at + length).min(GOOD.len())));
        let text = format!("{}{put}{}", &GOOD[..start], &GOOD[end..]);
        match parse(&text) {
            Ok(service) => { let _ = check_all(vec![service]).map_err(|found| found.to_string()); }
            Err(found) => prop_assert!(!found.to_string().is_empty()),
        }
    }
}

/// Three datastores: `site` holds rows, `tree` and `dumps` hold files.
fn known() -> BTreeMap<DatastoreName, Datastore> {
    let path = || PathBuf::from("/nowhere");
    let places = [
        ("site", Location::Sqlite(path())),
        ("tree", Location::Files(path())),
        ("dumps", Location::Files(path())),
    ];
    let of = |(name, location): (&str, Location)| {
        (
            DatastoreName::new(name).unwrap(),
            Datastore { location, pace: Pace::Unlimited, window: None, lag: None },
        )
    };
    places.map(of).into()
}

/// What is said of the datastores that a file names, without its help.
fn misplaced(text: &str) -> Vec<String> {
    let service = parse(text).unwrap_or_else(|e| panic!("{e}"));
    let found = check::datastores(&RuleSet { services: vec![service] }, &known());
    found.into_iter().map(|problem| format!("{}: {}", problem.place.file_line(), problem.message)).collect()
}

#[test]
fn a_rule_names_datastores_that_can_hold_what_it_says() {
    let tree = files("files", "**", "1 day", "3 days");
    let file = "\n[[rule.dependent]]\nid = \"pictures\"\nclass = \"comments\"\ndatastore = \"tree\"\npattern = \"{id}/*\"\n\
                action = \"delete\"\n";
    let waivers = "\n[[waiver]]\ndatastore = \"site\"\ntable = \"country\"\nreason = \"countries\"\n\
                   \n[[waiver]]\ndatastore = \"tree\"\npattern = \"public/**\"\nreason = \"nobody's\"\n";
    assert_eq!(misplaced(&format!("{GOOD}{file}{tree}{waivers}")), [""; 0]);
    let rows = "holds rows: `table` names them; expected one that holds";
    let held = "holds files: `pattern` names them; expected one that holds rows";
    for (text, said) in [
        (
            with("datastore = \"site\"", "datastore = \"sit\""),
            "18: the configuration has no datastore `sit`".to_owned(),
        ),
        (with("datastore = \"site\"", "datastore = \"tree\""), format!("18: datastore `tree` {held}")),
        (
            GOOD.to_owned() + &tree.replace("\"tree\"", "\"site\""),
            format!("40: datastore `site` {rows} files"),
        ),
        (
            keyed("object = \"modified\"", "exports/**", "").replace("\"tree\"", "\"site\""),
            format!("40: datastore `site` {rows} objects"),
        ),
        (
            keyed("idle = true", "session:*", "").replace("\"tree\"", "\"site\""),
            format!("40: datastore `site` {rows} keys"),
        ),
        (
            GOOD.to_owned() + &file.replace("\"tree\"", "\"site\""),
            format!("39: datastore `site` {rows} files"),
        ),
        (GOOD.to_owned() + &waivers.replace("\"site\"", "\"tree\""), format!("37: datastore `tree` {held}")),
        (
            GOOD.to_owned() + &waivers.replace("\"tree\"", "\"site\""),
            format!("42: datastore `site` {rows} files"),
        ),
        (
            GOOD.to_owned() + &tree + "\n[rule.backup]\nof = [\"site\", \"lost\"]\nevery = \"1 day\"\n",
            "48: the configuration has no datastore `lost`".to_owned(),
        ),
    ] {
        let found: Vec<String> = misplaced(&text)
            .iter()
            .map(|line| line.trim_start_matches("rules/site.toml:").to_owned())
            .collect();
        assert!(found.contains(&said), "{found:?} lack {said}\n{text}");
    }
    // What a dependent inherits is told once, where it stands.
    let found = misplaced(&with("datastore = \"site\"", "datastore = \"tree\""));
    assert_eq!(found.len(), 2, "{found:?}");
}

/// What `diff` says of the promise of the small file, before and after.
fn standings(old: &str, new: &str) -> Option<(Standing, Standing)> {
    let set = |text: &str| RuleSet { services: vec![parse(text).unwrap_or_else(|e| panic!("{e}"))] };
    let found = diff::diff(&set(old), &set(new), &Defaults::default());
    let mut affected = found.rules.into_iter().flat_map(|rule| rule.promises);
    affected.next().map(|promise| (promise.before, promise.after))
}

#[test]
fn a_difference_says_which_promises_no_longer_hold() {
    let broken = |text: &str| match standings(GOOD, text) {
        Some((Standing::Kept, Standing::Broken(why))) => why,
        other => panic!("{other:?}"),
    };
    insta::assert_debug_snapshot!([
        broken(&with("delete_by = \"24 hours\"", "delete_by = \"48 hours\"")),
        broken(&with("0 */15 * * * *", "0 0 0 * * *")),
        broken(&with("id = \"comments\"\nclass = \"comments\"", "id = \"comments\"\nclass = \"others\"")),
        broken(&with("keeps = [\"account\"]", "keeps = []")),
    ]);
    let shorter = standings(GOOD, &with("delete_by = \"24 hours\"", "delete_by = \"20 hours\""));
    assert_eq!(shorter, Some((Standing::Kept, Standing::Kept)));
}

/// How long the sweeps of the small file may take, given this deadline and this reading of the trigger; else what to do.
fn window(delete_by: &str, reading: &str) -> Result<Vec<String>, String> {
    let text = with("delete_by = \"24 hours\"", &format!("delete_by = \"{delete_by}\""))
        .replace("column = \"deleted_at\",", &format!("column = \"deleted_at\", {reading}"));
    let service = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    match check::check(&RuleSet { services: vec![service] }, &Defaults::default()) {
        Ok(proof) => Ok(proof.promises[0].keepers[0].arithmetic.clone()),
        Err(found) => {
            let said = |problem: Diagnostic| format!("{} {}", problem.message, problem.help);
            Err(found.into_iter().map(said).collect::<Vec<_>>().concat())
        }
    }
}

/// Two gaps of a quarter of an hour and a run of half an hour are an hour.
#[test]
fn sweeps_fit_into_the_window_to_the_second_and_lose_an_hour_where_clocks_are_set_back() {
    let fits = |delete_by: &str, reading: &str| window(delete_by, reading).is_ok();
    assert!(fits("90 minutes", ""));
    assert!(!fits("89 minutes 59 seconds", ""));
    let (uniform, folds) = ("time_zone = \"Etc/UTC\",", "time_zone = \"Europe/Berlin\",");
    assert!(fits("90 minutes", uniform));
    assert!(!fits("90 minutes", folds));
    assert!(fits("150 minutes", folds));
    assert!(!fits("149 minutes 59 seconds", folds));
    let said = window("90 minutes", "").unwrap();
    assert!(
        said.contains(
            &"2 × 30 minutes + 30 minutes ≤ shortest window 1 hour 30 minutes on 2024-01-01".to_owned()
        ),
        "{said:?}"
    );
    let refused = |delete_by: &str| window(delete_by, "").unwrap_err();
    let cannot = "sweeps of rule `account` cannot meet the deadline: shortest window 59 minutes on 2024-01-01, needed \
                  2 × 30 minutes + 30 minutes";
    let help =
        "lower `defaults.run_cap` to at most 19 minutes 40 seconds: a start waits for the run before it";
    assert_eq!(refused("59 minutes"), format!("{cannot} {help}"));
    // Three runs; a window of not more than three minutes has no time for them.
    assert!(refused("4 minutes").contains("to at most 1 minute 20 seconds"));
    assert!(refused("3 minutes").contains("leave no time between them"));
}

/// Longer than anything that can be counted, and still an answer.
#[test]
fn a_bound_beyond_the_calendar_leaves_no_window_and_no_panic() {
    for retain in ["300000 years", "4294967295 days", "2562047788015 hours"] {
        let text = with("retain = \"0 hours\"", &format!("retain = \"{retain}\""));
        let said = refused(&text);
        assert!(
            said.contains(
                "error[R024]: sweeps of rule `account` cannot meet the deadline: shortest window none"
            ),
            "{said}"
        );
    }
    let defaults = Defaults { run_cap: TimeDelta::MAX, ..Defaults::default() };
    let rules = RuleSet { services: vec![parse(GOOD).unwrap()] };
    let said = check::check(&rules, &defaults).unwrap_err().render(Paint::Plain);
    assert!(said.contains("cannot meet the deadline: shortest window 24 hours"), "{said}");
}

/// What `check` says of the second rule and the first, errors and warnings, a line each.
fn between(text: &str) -> Vec<String> {
    let service = parse(text).unwrap_or_else(|e| panic!("{e}"));
    let found = match check::check(&RuleSet { services: vec![service] }, &Defaults::default()) {
        Ok(proof) => proof.warnings,
        Err(found) => found,
    };
    found.into_iter().map(|problem| problem.message).collect()
}

/// A rule over `account` by a time in other rows.
fn by_rows(id: &str, place: &str, retain: &str, delete_by: &str) -> String {
    format!(
        "\n[[rule]]\nid = \"{id}\"\nclass = \"{id}\"\nkeeps = []\ndatastore = \"site\"\ntable = \"account\"\nkey = [\"id\"]\n\
         trigger = {{ match = {{ owner = \"id\" }}, {place} }}\nretain = \"{retain}\"\ndelete_by = \"{delete_by}\"\naction = \"delete\"\n"
    )
}

#[test]
fn rules_contradict_each_other_over_one_event_and_not_over_two() {
    let first = ("table = \"licence\", column = \"until\", pick = \"latest\"", "1 day", "3 days");
    let pair = |place: &str| {
        let rules =
            by_rows("soon", first.0, first.1, first.2) + &by_rows("late", place, "30 days", "40 days");
        between(&format!("{GOOD}{rules}"))
    };
    let said = [
        "rules `site/soon` and `site/late` contradict each other over `account`: gone by 3 days, kept for 30 days \
                 (trigger on 2024-01-01)",
    ];
    assert_eq!(pair(first.0), said);
    assert_eq!(pair("table = \"LICENCE\", column = \"Until\", pick = \"latest\""), said);
    for other in [
        "table = \"invoice\", column = \"until\", pick = \"latest\"",
        "table = \"licence\", column = \"since\", pick = \"latest\"",
        "table = \"licence\", column = \"until\", pick = \"earliest\"",
    ] {
        assert_eq!(pair(other), [""; 0], "{other}");
    }
    // A licence of one's own and a licence that one was given.
    let soon = by_rows("soon", first.0, first.1, first.2);
    let late = by_rows("late", first.0, "30 days", "40 days");
    assert_eq!(between(&format!("{GOOD}{soon}{}", late.replace("{ owner =", "{ OWNER ="))), said);
    assert_eq!(between(&format!("{GOOD}{soon}{}", late.replace("{ owner =", "{ holder ="))), [""; 0]);
    // One pattern is named once.
    let twice = files("soon", "**", "1 day", "3 days") + &files("late", "**", "30 days", "40 days");
    let over = "rules `site/soon` and `site/late` contradict each other over `**`: gone by 3 days, kept for 30 days \
                (trigger on 2024-01-01)";
    assert_eq!(between(&format!("{GOOD}{twice}")), [over]);
}

#[test]
fn every_pair_that_contradicts_is_told_and_of_very_many_the_first() {
    let rules = |count: usize, of: &dyn Fn(usize) -> (String, String)| {
        let rule = |n: usize| {
            let (retain, delete_by) = of(n);
            files(&format!("r{n}"), "**", &retain, &delete_by)
        };
        between(&(GOOD.to_owned() + &(0..count).map(rule).collect::<Vec<_>>().concat()))
    };
    // Each is to be gone before the next may go.
    let apart = |n: usize| (format!("{} days", n * 10 + 1), format!("{} days", n * 10 + 5));
    assert_eq!(rules(3, &apart).len(), 3);
    assert_eq!(rules(33, &apart).len(), 500, "of 528 pairs");
    // Each deletes what the next ones would.
    let idle = |n: usize| (format!("{} days", n + 1), "100 days".to_owned());
    assert_eq!(rules(3, &idle).len(), 3);
    assert_eq!(rules(33, &idle).len(), 500, "of 528 pairs");
}

#[test]
fn what_keeps_a_record_leaves_it_out_unless_the_promise_says_so_too() {
    let unless = "unless = { table = \"invoice\", match = { owner = \"id\" } }\naction = \"delete\"";
    let alone = refused(&with("action = \"delete\"", unless));
    assert!(alone.contains("error[R023]: rule `account` leaves out records of class `account`"), "{alone}");
    let named = with("action = \"delete\"", &format!("except = \"unpaid\"\n{unless}"));
    assert!(
        refused(&named).contains("leaves out \"unpaid\", which promise `account` does not"),
        "{}",
        refused(&named)
    );
    let promised = named.replacen("covers =", "except = \"unpaid\"\ncovers =", 1);
    assert!(check_all(vec![parse(&promised).unwrap()]).is_ok());
    let other = promised.replacen("except = \"unpaid\"", "except = \"disputed\"", 1);
    assert!(refused(&other).contains("leaves out \"unpaid\", promise `account` leaves out \"disputed\""));
}

#[test]
fn a_promise_on_request_is_kept_where_a_request_disposes() {
    let text = |on_erasure: &str| {
        with("no_later_than = \"24 hours\"", "on_request = true").replace(
            "key = [\"id\"]",
            &format!("key = [\"id\"]\nsubject = \"id\"\non_erasure = {on_erasure}"),
        )
    };
    assert!(check_all(vec![parse(&text("\"dispose\"")).unwrap()]).is_ok());
    let kept = refused(&text("{ keep = \"tax law\" }"));
    assert!(kept.contains("rule `account` is reached by no request"), "{kept}");
}

#[test]
fn a_promise_whose_own_bounds_leave_no_time_cannot_be_kept() {
    let said = |not_before: &str, no_later_than: &str| {
        let bounds = format!("no_later_than = \"{no_later_than}\"\nnot_before = \"{not_before}\"");
        refused(&with("no_later_than = \"24 hours\"", &bounds).replace("keeps = [\"account\"]", "keeps = []"))
    };
    let cannot = "error[R025]: promise `account` cannot be kept: for a trigger on";
    assert!(said("24 hours", "24 hours").contains(cannot), "{}", said("24 hours", "24 hours"));
    assert!(said("1 month", "1 month").contains(cannot));
    assert!(!said("24 hours", "24 hours 1 second").contains(cannot));
}

/// What the one has marked as done is done for the other too, which then never replaces its own columns.
/// A format tells by itself whether there is a time of day, and whether it needs a zone: long before a datastore is asked.
#[test]
fn a_format_says_what_its_periods_and_its_zone_can_be() {
    let said = |reading: &str, retain: &str, delete_by: &str| {
        let text = with("column = \"deleted_at\",", &format!("column = \"deleted_at\", {reading}"))
            .replace("retain = \"0 hours\"", &format!("retain = \"{retain}\""))
            .replace("delete_by = \"24 hours\"", &format!("delete_by = \"{delete_by}\""))
            .replace("keeps = [\"account\"]", "keeps = []");
        parse(&text).map(drop).map_err(|e| e.render(Paint::Plain)).err().unwrap_or_default()
    };
    let date = "format = \"%d.%m.%Y\",";
    assert_eq!(said(date, "2 days", "5 days"), "");
    let hours = said(date, "2 hours", "5 days");
    assert!(
        hours.contains("error[R010]: `retain` is 2 hours, and the trigger's format is a date"),
        "{hours}"
    );
    assert!(
        said(date, "2 days", "500 hours")
            .contains("`delete_by` is 500 hours, and the trigger's format is a date")
    );
    assert!(
        said("format = \"%d.%m.%Y\", time_zone = \"Etc/UTC\",", "2 days", "5 days")
            .contains("error[R009]: `time_zone` says")
    );
    assert!(
        said("format = \"%FT%TZ\", time_zone = \"Etc/UTC\",", "2 hours", "5 days")
            .contains("error[R009]: `time_zone` says")
    );
    let local = said("format = \"%F %T\",", "2 hours", "5 days");
    assert!(
        local.contains("error[R004]: `%F %T` has a time of day and does not say in which zone"),
        "{local}"
    );
    for right in [
        "format = \"%F %T\", time_zone = \"Etc/UTC\",",
        "format = \"%FT%TZ\",",
        "format = \"%+\",",
        "unit = \"s\",",
    ] {
        assert_eq!(said(right, "2 hours", "5 days"), "", "{right}");
    }
}

/// What is pseudonymized is still there to be deleted; what is deleted is not.
#[test]
fn a_record_may_be_pseudonymized_first_and_deleted_later() {
    let rule = |id: &str, retain: &str, delete_by: &str, action: &str| {
        by_rows(id, "table = \"visit\", column = \"at\", pick = \"latest\"", retain, delete_by)
            .replace("action = \"delete\"\n", action)
    };
    let cut = "action = \"pseudonymize\"\ncolumns = { ip = \"truncate-ip\" }\nmark = \"cut_at\"\n";
    let cut_first =
        rule("cut", "2 days", "5 days", cut) + &rule("gone", "60 days", "3 months", "action = \"delete\"\n");
    assert_eq!(between(&format!("{GOOD}{cut_first}")), [""; 0]);
    let gone_first =
        rule("cut", "60 days", "3 months", cut) + &rule("gone", "2 days", "5 days", "action = \"delete\"\n");
    assert!(between(&format!("{GOOD}{gone_first}"))[0].contains("contradict each other"));
    // One column is replaced for the one before the other may touch it; with other columns both can be kept.
    let later = cut.replace("cut_at", "named_at");
    let twice =
        |other: &str| rule("cut", "2 days", "5 days", cut) + &rule("later", "60 days", "3 months", other);
    assert!(between(&format!("{GOOD}{}", twice(&later)))[0].contains("contradict each other"));
    let names = later.replace("ip = \"truncate-ip\"", "name = \"random\"");
    assert_eq!(between(&format!("{GOOD}{}", twice(&names))), [""; 0]);
}

/// One mistake in a dependent is one mistake.
#[test]
fn what_hangs_on_a_dependent_that_cannot_be_read_is_not_blamed() {
    let chain = GOOD.to_owned()
        + "\n[[rule.dependent]]\nid = \"likes\"\nclass = \"comments\"\nof = \"comments\"\ntable = \"like\"\nmatch = { comment_id = \"id\" }\naction = \"delete\"\n";
    parse(&chain).unwrap_or_else(|e| panic!("{e}"));
    let broken = chain.replacen("id = \"comments\"\nclass = \"comments\"", "id = \"comments\"", 1);
    let said = refused(&broken);
    assert!(said.contains("error[R004]") && !said.contains("hangs on itself"), "{said}");
    let circle = chain.replacen("id = \"comments\"\nclass", "id = \"comments\"\nof = \"likes\"\nclass", 1);
    assert!(refused(&circle).contains("hangs on itself"));
}

#[test]
fn two_rules_with_one_mark_replace_the_same_columns() {
    let action =
        |columns: &str| format!("action = \"pseudonymize\"\ncolumns = {{ {columns} }}\nmark = \"done\"");
    let rule = &GOOD[GOOD.find("[[rule]]").unwrap()..GOOD.find("[[rule.dependent]]").unwrap()];
    let second = rule
        .replace("id = \"account\"", "id = \"second\"")
        .replace("column = \"deleted_at\"", "column = \"closed_at\"");
    let both = |one: &str, other: &str| {
        let first = GOOD.replacen("action = \"delete\"", &action(one), 1);
        format!("{first}\n{}", second.replace("action = \"delete\"", &action(other)))
    };
    let said = refused(&both("name = \"random\"", "email = \"null\""));
    assert!(
        said.contains("error[R025]: rule `site/second` and rule `site/account` mark in `done` of `account` what they have done"),
        "{said}"
    );
    assert!(refused(&both("name = \"random\"", "name = \"null\"")).contains("error[R025]"));
    let same = both("name = \"random\"", "name = \"random\"");
    check_all(vec![parse(&same).unwrap()]).unwrap_or_else(|e| panic!("{e}"));
    // Neither where they share no record, nor where one of them only looks.
    let different = both("name = \"random\"", "email = \"null\"");
    let (head, tail) = different.rsplit_once("mark = \"done\"").unwrap();
    let first = head.replacen("mark = \"done\"", "only = { kind = \"a\" }\nmark = \"done\"", 1);
    for apart in [
        format!("{first}only = {{ kind = {{ not = [\"a\"] }} }}\nmark = \"done\"{tail}"),
        format!("{head}mode = \"observe\"\nmark = \"done\"{tail}"),
    ] {
        let checked = check_all(vec![parse(&apart).unwrap_or_else(|e| panic!("{e}"))]);
        let said = checked.map(drop).map_err(|found| found.render(Paint::Plain)).err().unwrap_or_default();
        assert!(!said.contains("error[R025]"), "{said}");
    }
    let own =
        both("name = \"random\"", "email = \"null\"").replacen("mark = \"done\"", "mark = \"named\"", 1);
    check_all(vec![parse(&own).unwrap()]).unwrap_or_else(|e| panic!("{e}"));
}

/// Account 21 is not workspace 21, and an order names a service and an id alone.
#[test]
fn rules_that_find_people_by_ids_of_different_things_are_a_warning() {
    let rule = |id: &str, datastore: &str, table: &str, key: &str, subject: &str, rest: &str| {
        format!(
            "\n[[rule]]\nid = \"{id}\"\nclass = \"account\"\nkeeps = []\ndatastore = \"{datastore}\"\ntable = \"{table}\"\nkey = {key}\n\
             subject = \"{subject}\"\non_erasure = \"dispose\"\nretain = \"0 hours\"\ndelete_by = \"24 hours\"\n\
             schedule = \"0 */15 * * * *\"\naction = \"delete\"\n{rest}"
        )
    };
    let deleted = "trigger = { column = \"deleted_at\", pending = [\"null\"] }\n";
    let said = |rules: &[String]| {
        let head = &GOOD[..GOOD.find("[[promise]]").unwrap()];
        let service = parse(&format!("{head}{}", rules.concat())).unwrap_or_else(|e| panic!("{e}"));
        let proof = check::check(&RuleSet { services: vec![service] }, &Defaults::default()).unwrap();
        let found = proof.warnings.iter().filter(|found| found.code_text() == "R028");
        found.map(|found| found.message.clone()).collect::<Vec<_>>()
    };
    let account = rule("account", "site", "account", "[\"id\"]", "id", deleted);
    let other = |rest: &str| rule("other", "site", "profile", "[\"account_id\"]", "account_id", rest);
    let mistaken = "rules `site/account` and `site/other` find data subjects by `id` of `account` and by `account_id` of `profile`: \
                    an order for the one with an id reaches what has the same id there";
    assert_eq!(said(&[account.clone(), other(deleted)]), [mistaken]);
    let elsewhere = other(deleted).replace("\"site\"", "\"crm\"");
    assert_eq!(said(&[account.clone(), elsewhere]), [mistaken]);
    let numbered = rule("other", "site", "account", "[\"number\"]", "number", deleted);
    assert_eq!(said(&[account.clone(), numbered]).len(), 1);
    // One id of one table is one kind of thing, whatever its rules are about; and a row that only leads to a person says who it is.
    for apart in [
        rule("again", "site", "Account", "[\"id\"]", "ID", &deleted.replace("deleted", "closed")),
        rule("posts", "site", "post", "[\"id\"]", "account_id", deleted),
        rule("both", "site", "member", "[\"id\", \"group_id\"]", "id", deleted),
    ] {
        assert_eq!(said(&[account.clone(), apart]), [""; 0]);
    }
    // Whoever matches one id with the other says that they are the same, from either side.
    for same in [
        "trigger = { table = \"account\", match = { id = \"account_id\" }, column = \"deleted_at\", pick = \"latest\" }\n".to_owned(),
        format!("{deleted}unless = {{ table = \"account\", match = {{ id = \"account_id\" }} }}\n"),
    ] {
        assert_eq!(said(&[account.clone(), other(&same)]), [""; 0], "{same}");
    }
    let dependent = |key: &str| {
        format!(
            "\n[[rule.dependent]]\nid = \"profile\"\nclass = \"account\"\ntable = \"profile\"\nmatch = {{ {key} = \"id\" }}\naction = \"delete\"\n"
        )
    };
    assert_eq!(said(&[format!("{account}{}", dependent("account_id")), other(deleted)]), [""; 0]);
    assert_eq!(said(&[format!("{account}{}", dependent("owner_id")), other(deleted)]), [mistaken]);
    // What is the same as one is the same as what that one is; each further kind of thing is told once.
    let third = |rest: &str| rule("third", "site", "device", "[\"id\"]", "id", rest);
    let of_profile =
        format!("{deleted}unless = {{ table = \"profile\", match = {{ account_id = \"id\" }} }}\n");
    let linked = format!("{account}{}", dependent("account_id"));
    assert_eq!(said(&[linked, other(deleted), third(&of_profile)]), [""; 0]);
    assert_eq!(said(&[account.clone(), other(deleted), third(&of_profile)]), [mistaken]);
    assert_eq!(said(&[account, other(deleted), third(deleted)]).len(), 2);
}

#[test]
fn what_is_demanded_goes_at_once_and_a_promise_may_not_keep_it() {
    let text = with("no_later_than = \"24 hours\"", "on_request = true\nnot_before = \"7 days\"")
        .replace("key = [\"id\"]", "key = [\"id\"]\nsubject = \"id\"\non_erasure = \"dispose\"")
        .replace("retain = \"0 hours\"", "retain = \"7 days\"")
        .replace("delete_by = \"24 hours\"", "delete_by = \"1 month\"");
    let said = refused(&text);
    assert!(said.contains("rule `account` disposes at once of what a data subject demands, and promise `account` keeps it for 7 days"), "{said}");
    // An application that records requests itself has a clock of its own for them.
    let recorded = text
        .replace("subject = \"id\"\non_erasure = \"dispose\"\n", "")
        .replace(
            "trigger = { column = \"deleted_at\", pending = [\"null\"] }",
            "trigger = { table = \"request\", match = { account_id = \"id\" }, column = \"made_at\", pick = \"earliest\", pending = [\"no_row\"] }",
        );
    check_all(vec![parse(&recorded).unwrap_or_else(|e| panic!("{e}"))]).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_least_time_says_that_a_demand_ends_it() {
    let text = with("no_later_than = \"24 hours\"", "no_later_than = \"3 months\"\nnot_before = \"1 month\"")
        .replace("retain = \"0 hours\"", "retain = \"1 month\"")
        .replace("delete_by = \"24 hours\"", "delete_by = \"3 months\"");
    let line =
        |text: &str| check_all(vec![parse(text).unwrap()]).unwrap()[0].keepers[0].arithmetic[0].clone();
    assert_eq!(line(&text), "`retain` 1 month ≥ not before 1 month");
    let subject = |answer: &str| {
        text.replace("key = [\"id\"]", &format!("key = [\"id\"]\nsubject = \"id\"\non_erasure = {answer}"))
    };
    assert_eq!(line(&subject("{ keep = \"tax law\" }")), "`retain` 1 month ≥ not before 1 month");
    let demanded = "`retain` 1 month ≥ not before 1 month, unless a data subject demands erasure";
    assert_eq!(line(&subject("\"dispose\"")), demanded);
}

#[test]
fn a_bound_that_is_weaker_for_the_length_of_a_month_says_which() {
    let of = |promised: &str, retain: &str, delete_by: &str| {
        let text = with("no_later_than = \"24 hours\"", promised)
            .replace("retain = \"0 hours\"", &format!("retain = \"{retain}\""))
            .replace("delete_by = \"24 hours\"", &format!("delete_by = \"{delete_by}\""));
        refused(&text)
    };
    let late = of("no_later_than = \"1 month\"", "0 hours", "30 days");
    assert!(
        late.contains(
            "a trigger on 2024-01-31 would break the promise: promised is no later than 2024-02-29, in February of 29 days, \
             and the rule says 2024-03-01; write `delete_by = \"1 month\"` or stricter"
        ),
        "{late}"
    );
    let early = of("not_before = \"1 month\"", "30 days", "3 months");
    assert!(
        early.contains(
            "a trigger on 2024-01-01 would break the promise: promised is not before 2024-02-02, in February of 29 days, and \
             the rule says 2024-02-01; write `retain = \"1 month\"` or stricter"
        ),
        "{early}"
    );
}

/// The defaults with hours of these datastores.
fn open(windows: &[(&str, &str, &str)]) -> Defaults {
    let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
    let hours = |(name, from, to): &(&str, &str, &str)| {
        let zone = "Europe/Moscow".parse().unwrap();
        (DatastoreName::new(name).unwrap(), Hours::new(time(from), time(to), zone).unwrap())
    };
    Defaults { windows: windows.iter().map(hours).collect(), ..Defaults::default() }
}

/// How the sweeps of the small file fit into a deadline where its datastore has hours; else what is wrong, and what to do.
fn within(delete_by: &str, schedule: &str, windows: &[(&str, &str, &str)]) -> Result<String, String> {
    let text = GOOD
        .replace("delete_by = \"24 hours\"", &format!("delete_by = \"{delete_by}\""))
        .replace("no_later_than = \"24 hours\"", &format!("no_later_than = \"{delete_by}\""))
        .replace("0 */15 * * * *", schedule);
    let set = RuleSet { services: vec![parse(&text).unwrap_or_else(|e| panic!("{e}"))] };
    match check::check(&set, &open(windows)) {
        Ok(proof) => Ok(proof.promises[0].keepers[0].arithmetic.last().unwrap().clone()),
        Err(found) => {
            let said = |problem: Diagnostic| {
                format!("{}: {} {}", problem.place.file_line(), problem.message, problem.help)
            };
            Err(found.into_iter().map(said).collect::<Vec<_>>().concat())
        }
    }
}

#[test]
fn no_promise_of_24_hours_fits_into_a_window_of_eight() {
    let said = within("24 hours", "0 */15 * * * *", &[("site", "22:00", "06:00")]).unwrap_err();
    let expected = "sweeps of rule `account` cannot meet the deadline: shortest window 24 hours on 2024-01-01, needed \
                    2 × 16 hours 30 minutes + 30 minutes; swept only in `site`: 22:00 to 06:00 in Europe/Moscow \
                    no schedule does: widen the `window` of the datastore, or lengthen `delete_by`";
    assert!(said.contains(expected), "{said}");
    assert_eq!(
        within("24 hours", "0 */15 * * * *", &[("elsewhere", "22:00", "06:00")]).unwrap(),
        "2 × 30 minutes + 30 minutes ≤ shortest window 24 hours on 2024-01-01"
    );
}

#[test]
fn a_schedule_counts_only_the_starts_that_have_room_for_a_whole_run() {
    let night = [("site", "22:00", "06:00")];
    assert_eq!(
        within("34 hours", "0 */15 * * * *", &night).unwrap(),
        "2 × 16 hours 30 minutes + 30 minutes ≤ shortest window 34 hours on 2024-01-01; swept only in `site`: 22:00 to 06:00 in \
         Europe/Moscow"
    );
    assert!(within("33 hours 30 minutes", "0 */15 * * * *", &night).is_ok());
    assert!(within("33 hours 29 minutes", "0 */15 * * * *", &night).is_err());
    // Here another schedule helps: this one waits until ten every evening.
    let said = within("34 hours", "0 0 12 * * *", &night).unwrap_err();
    assert!(
        said.contains("needed 2 × 24 hours + 30 minutes") && said.contains("start a sweep at least every"),
        "{said}"
    );
}

#[test]
fn a_window_shorter_than_a_run_and_windows_that_never_meet_are_refused() {
    let expected = "sweeps of rule `account` cannot meet the deadline: no start has room for a run of 30 minutes; swept only in";
    for windows in
        [&[("site", "22:00", "22:29")][..], &[("site", "22:00", "06:00"), ("sessions", "10:00", "12:00")]]
    {
        let text = format!("{GOOD}{SESSIONS}");
        let set = RuleSet { services: vec![parse(&text).unwrap_or_else(|e| panic!("{e}"))] };
        let said = check::check(&set, &open(windows)).unwrap_err().render(Paint::Plain);
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("widen the `window` of the datastore, lower `defaults.run_cap`"), "{said}");
    }
    assert!(within("2 days", "0 */15 * * * *", &[("site", "22:00", "22:30")]).is_err());
    assert!(within("4 days", "0 */15 * * * *", &[("site", "22:00", "22:30")]).is_ok());
}

/// Files of another datastore that go with the record.
const SESSIONS: &str = "
[[rule.dependent]]
id = \"sessions\"
class = \"account\"
datastore = \"sessions\"
pattern = \"{id}/*\"
action = \"delete\"
";
