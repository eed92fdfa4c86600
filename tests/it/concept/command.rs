//! `concept` as people type it.

use super::RULES;
use crate::world::{Ran, World};

/// Datastores that nobody opens: none of the files is there.
const DATASTORES: &str = r#"
[datastore.uploads]
kind = "files"
root = "/nowhere/uploads"

[datastore.vault]
kind = "files"
root = "/nowhere/vault"
"#;

fn world() -> World {
    World::new(RULES, "")
}

/// Without a configuration.
fn from_rules(world: &World, arguments: &[&str], code: i32) -> Ran {
    world.ran(&[&["concept", "--rules", "rules", "--config", "missing.toml"], arguments].concat(), code)
}

#[test]
fn rules_alone_are_enough_and_nothing_is_made() {
    let world = world();
    let first = from_rules(&world, &[], 0);
    assert!(
        first.stdout.starts_with("# Deletion concept: Site & friends\n".replace('&', "\\&").as_str()),
        "{}",
        first.text()
    );
    assert_eq!(first.stdout, from_rules(&world, &["--format", "markdown"], 0).stdout);
    assert!(from_rules(&world, &["--format", "html"], 0).stdout.starts_with("<!DOCTYPE html>"));
    let json: serde_json::Value =
        serde_json::from_str(&from_rules(&world, &["--format", "json"], 0).stdout).unwrap();
    assert_eq!(json["format"], "expunged-concept/1");
    assert!(!world.path("state.db").exists() && !world.path("keys").exists());
    let digest = json["services"][0]["sha256"].as_str().unwrap();
    let summed = std::process::Command::new("sha256sum").arg(world.path("rules/site.toml")).output().unwrap();
    assert!(String::from_utf8(summed.stdout).unwrap().starts_with(digest), "as `sha256sum` prints it");
}

#[test]
fn a_configuration_tells_the_kinds_of_datastores() {
    let world = world();
    world.configure("[datastore.site]", &format!("{DATASTORES}\n[datastore.site]"));
    let ran = world.ran(&["concept"], 0);
    for kind in ["Datastore `site` (sqlite: rows)", "Datastore `vault` (files)"] {
        assert!(ran.stdout.contains(kind), "{}", ran.text());
    }
    world.configure("[datastore.vault]", "[datastore.cellar]");
    let refused = world.ran(&["concept"], 65);
    assert!(
        refused.stderr.contains("no datastore `vault`") && refused.stdout.is_empty(),
        "{}",
        refused.text()
    );
}

#[test]
fn no_concept_is_issued_for_a_promise_that_is_not_kept() {
    let world = world();
    let good = "retain = \"0 hours\"\ndelete_by = \"14 days\"";
    assert!(RULES.contains(good));
    for (form, from, to, finding) in [
        ("text", good, "retain = \"0 hours\"\ndelete_by = \"2 months\"", "weaker than promise `request`"),
        ("html", "keeps = [\"request\"]", "keeps = []", "no rule keeps promise `request`"),
        ("json", "covers = [\"letters\"]", "covers = [\"letters\", \"photos\"]", "reaches class `photos`"),
        ("markdown", "\"0 0 */6 * * *\"", "\"0 0 0 1 * *\"", "cannot meet the deadline"),
    ] {
        world.rules(&RULES.replace(from, to));
        world.write("concept.html", "the one before");
        let checked = world.ran(&["check", "--rules", "rules", "--config", "missing.toml"], 65);
        let ran = from_rules(&world, &["--format", form, "--out", "concept.html"], 65);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(finding), "{}", ran.text());
        assert_eq!(ran.stderr, checked.stderr, "as `check` says it");
        assert_eq!(std::fs::read_to_string(world.path("concept.html")).unwrap(), "the one before");
    }
}

#[test]
fn one_service_has_a_concept_of_its_own_with_the_backups_of_all() {
    let world = world();
    let split = RULES.rfind("[[rule]]").unwrap();
    let (rest, backups) = RULES.split_at(split);
    world.rules(rest);
    let header = "[service]\nname = \"Vault\"\nowner = \"ops@example.com\"\ntime_zone = \"Etc/UTC\"\n\n";
    world.write("rules/vault.toml", &format!("{header}{backups}"));
    let site = from_rules(&world, &["--service", "site"], 0).stdout;
    assert!(!site.contains("vault.toml") && !site.contains("## 5. Vault"), "{site}");
    assert!(site.contains("under rule `vault/backups` (ops@example.com)"), "{site}");
    let all = from_rules(&world, &[], 0).stdout;
    assert!(all.contains("# Deletion concept: 2 services") && all.contains("vault.toml"), "{all}");
    let unknown = from_rules(&world, &["--service", "sight"], 2);
    assert!(
        unknown.stderr.contains("there is no service `sight`: the services are site, vault"),
        "{}",
        unknown.text()
    );
}

#[test]
fn a_file_is_replaced_and_a_form_that_it_does_not_have_is_refused() {
    let world = world();
    world.write("concept.md", &"longer than the concept ".repeat(10_000));
    let written = from_rules(&world, &["--out", "concept.md"], 0);
    assert!(written.stdout.is_empty());
    let printed = from_rules(&world, &[], 0).stdout;
    assert_eq!(std::fs::read_to_string(world.path("concept.md")).unwrap(), printed);
    let nowhere = from_rules(&world, &["--out", "nowhere/concept.md"], 2);
    assert!(
        nowhere.stderr.contains("cannot write the concept to `nowhere/concept.md`"),
        "{}",
        nowhere.text()
    );
    let csv = from_rules(&world, &["--format", "csv"], 2);
    assert!(csv.stderr.contains("`--format csv` is a form of `report` alone"), "{}", csv.text());
    let markdown = world.ran(&["check", "--format", "markdown"], 2);
    assert!(
        markdown.stderr.contains("`--format markdown` is a form of `concept` and `diff` alone"),
        "{}",
        markdown.text()
    );
}
