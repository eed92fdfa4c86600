//! `check --connect` with the real program on real datastores: each thing it can find, and that it finds nothing else.

mod coverage;
mod privileges;
mod schema;
mod served;

use crate::world::{DELETED_AT, Ran, World, rules};

/// A table that the rule of [`rules`] fits, with the index that its trigger wants.
pub const ACCOUNT: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, deleted_at timestamptz, name TEXT);
    CREATE INDEX account_deleted_at ON account (deleted_at);
    INSERT INTO account VALUES (1, '1971-01-01T00:00:00Z', 'canary'), (2, NULL, 'canary');";

/// Checked, it ends so, and nothing has changed.
#[track_caller]
pub fn check(world: &World, code: i32) -> Ran {
    let (before, files) = (world.contents(), crate::listing::below(&world.path("")));
    let ran = world.ran(&["check", "--connect"], code);
    assert_eq!(world.contents(), before);
    assert_eq!(crate::listing::below(&world.path("")), files, "something was written");
    assert!(!ran.text().contains("canary"), "{}", ran.text());
    ran
}

/// The first line of each problem, in their order.
pub fn problems(ran: &Ran) -> Vec<&str> {
    ran.stderr.lines().filter(|line| line.contains(": error[") || line.contains(": warning[")).collect()
}

/// Checked with one rule, whose other keys these are, on this schema; the problems.
#[track_caller]
pub fn found(rest: &str, schema: &str, code: i32) -> Vec<String> {
    let world = World::new(&rules(DELETED_AT, rest), &format!("{ACCOUNT}{schema}"));
    problems(&check(&world, code)).into_iter().map(str::to_owned).collect()
}

/// Adds a datastore to the configuration.
pub fn configure(world: &World, section: &str) {
    world.configure("[datastore.site]\n", &format!("{section}\n\n[datastore.site]\n"));
}

#[test]
fn rules_that_cover_everything_there_pass_before_and_after_a_sweep() {
    let world = World::new(&rules(DELETED_AT, ""), ACCOUNT);
    let ran = check(&world, 0);
    assert_eq!(ran.stderr, "");
    assert!(
        ran.stdout.ends_with("1 of 1 datastores looked at, 1 table, 0 files: 0 errors, 0 warnings\n"),
        "{}",
        ran.stdout
    );
    world.ran(&["sweep"], 0);
    world.fold();
    // The marker of a sweep is no record.
    assert_eq!(check(&world, 0).stderr, "");
}

#[test]
fn the_shipped_rules_pass_on_the_world_of_the_demo() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let around = expunged::model::now::Now::from_clocks(expunged::clock::now(), None);
    let datastores = home.join("datastores");
    std::fs::create_dir(&datastores).unwrap();
    for service in &expunged::cli::demo::world::World::around(around).services {
        crate::world::block(expunged::cli::demo::world::build(service, &datastores)).unwrap();
    }
    std::fs::create_dir(home.join("rules")).unwrap();
    for (name, text) in expunged::cli::demo::RULES {
        std::fs::write(home.join("rules").join(name), text).unwrap();
    }
    let config = home.join("expunged.toml");
    std::fs::copy(crate::architecture::source::root().join("src/cli/demo/expunged.toml"), &config).unwrap();
    let check = || {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_expunged"));
        program.env_remove("EXPUNGED_CONFIG").arg("--config").arg(&config);
        program.args(["check", "--connect"]).output().unwrap()
    };
    let checked = check();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&checked.stderr), "");
    assert!(text.contains("19 of 19 datastores looked at"), "{text}");
    assert!(text.ends_with(": 0 errors, 0 warnings\n"), "{text}");
    assert!(checked.status.success());
    // Not because nothing would be found there.
    let forgotten = home.join("datastores/my-kaspersky-uploads/forgotten");
    std::fs::write(forgotten, "").unwrap();
    let checked = check();
    assert_eq!(checked.status.code(), Some(65));
    let text = String::from_utf8(checked.stderr).unwrap();
    assert!(
        text.contains("error[R035]: 1 file below the root of datastore `my-kaspersky-uploads` is covered"),
        "{text}"
    );
}

#[test]
fn every_problem_of_every_rule_is_shown_at_once_and_what_is_forgotten_after_them() {
    let world = World::new(&rules(DELETED_AT, "only = { state = [\"x\"] }\n"), ACCOUNT);
    world.write(
        "rules/other.toml",
        &rules("{ column = \"closed_at\" }", "").replace("\"account\"", "\"person\""),
    );
    world.sql("CREATE TABLE forgotten (id INTEGER PRIMARY KEY)");
    let ran = check(&world, 65);
    assert_eq!(
        problems(&ran),
        [
            "rules/other.toml:11:9: error[R014]: table `person` does not exist in datastore `site`",
            "rules/site.toml:17:18: error[R014]: column `state` does not exist in `account`",
            "rules/other.toml:10:13: error[R035]: table `forgotten` of datastore `site` is covered by no rule and no waiver",
        ]
    );
    assert!(
        ran.stdout.ends_with("1 of 1 datastores looked at, 2 tables, 0 files: 3 errors, 0 warnings\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn rules_that_cannot_be_read_are_all_that_is_shown() {
    let world = World::new(&rules(DELETED_AT, "colour = 1\n"), "CREATE TABLE forgotten (id)");
    let ran = world.ran(&["check", "--connect"], 65);
    assert_eq!(problems(&ran), ["rules/site.toml:17:1: error[R003]: `rule` has no key `colour`"]);
}

#[test]
fn a_broken_promise_hides_nothing_of_the_datastores() {
    let promise = "\n[[promise]]\nid = \"gone\"\ntext = \"gone\"\nsource = \"policy\"\ntrigger = \"deleted\"\nno_later_than = \"1 day\"\ncovers = [\"account\"]\n";
    let world = World::new(&rules(DELETED_AT, promise), ACCOUNT);
    world.sql("CREATE TABLE forgotten (id INTEGER PRIMARY KEY)");
    let ran = check(&world, 65);
    let problems = problems(&ran);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("error[R020]: no rule keeps promise `gone`"), "{problems:?}");
    assert!(problems[1].contains("error[R035]"), "{problems:?}");
    assert!(ran.stdout.starts_with("the promises are not proved; 1 of 1"), "{}", ran.stdout);
}

#[test]
fn a_datastore_that_cannot_be_reached_hides_no_other() {
    let world = World::new(&rules(DELETED_AT, ""), ACCOUNT);
    world.write(
        "rules/lost.toml",
        &rules(DELETED_AT, "").replace("datastore = \"site\"", "datastore = \"lost\""),
    );
    world.sql("CREATE TABLE forgotten (id INTEGER PRIMARY KEY)");
    configure(&world, "[datastore.lost]\nkind = \"sqlite\"\nurl = \"sqlite://lost.db\"");
    let ran = check(&world, 69);
    assert_eq!(problems(&ran).len(), 1, "{}", ran.text());
    assert!(problems(&ran)[0].contains("table `forgotten`"), "{}", ran.text());
    assert!(
        ran.stderr
            .contains("\nerror: datastore `lost` was not checked: datastore at `lost.db` cannot be opened"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("; 1 of 2 datastores looked at, 2 tables"), "{}", ran.stdout);
    let json = world.ran(&["check", "--connect", "--format", "json"], 69);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["diagnostics"][0]["code"], "R035");
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 1);
    assert_eq!(json["datastores"][0]["datastore"], "lost");
    assert!(json["datastores"][0]["error"].as_str().unwrap().contains("cannot be opened"));
    assert_eq!(
        json["datastores"][1],
        serde_json::json!({ "datastore": "site", "kind": "sqlite", "tables": 2, "files": null, "error": null })
    );
    let github = world.ran(&["check", "--connect", "--format", "github"], 69).stdout;
    assert!(github.contains("::error file=rules/site.toml,line=10,endLine=10,col=13,endColumn=19,title=R035::table `forgotten`"), "{github}");
    assert!(github.contains("\n::error title=datastore::datastore `lost` was not checked: "), "{github}");
}

#[test]
fn other_rules_than_the_configurations_are_checked_against_its_datastores() {
    let world = World::new(&rules(DELETED_AT, ""), ACCOUNT);
    std::fs::create_dir(world.path("proposed")).unwrap();
    world.write("proposed/site.toml", &rules("{ column = \"deletedat\" }", ""));
    let ran = world.ran(&["check", "--connect", "--rules", "proposed"], 65);
    assert_eq!(
        problems(&ran),
        ["proposed/site.toml:13:22: error[R014]: column `deletedat` does not exist in `account`"]
    );
    assert!(ran.stderr.contains("help: did you mean `deleted_at`?"), "{}", ran.stderr);
}
