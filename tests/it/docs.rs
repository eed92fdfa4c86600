//! What the documents say twice, held against where it is said first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expunged::config::Config;
use expunged::diagnostic::{Paint, Source, SourceKind};

use crate::architecture::source::{root, rust_files};

fn read(file: impl AsRef<Path>) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every Markdown file of ours.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in [".", "docs", "docs/decisions"] {
        for entry in std::fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// What stands between two marks, each time.
fn between<'t>(text: &'t str, open: &'t str, close: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

#[test]
fn the_configuration_in_the_readme_serves_the_shipped_rules() {
    let readme = read("README.md");
    let text = between(&readme, "```toml\n", "```").next().expect("README.md shows a configuration");
    let source = Source::new(SourceKind::Configuration, "expunged.toml", text);
    let config = Config::parse(&source).unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)));
    for service in ["motorsport", "security-for-office-365"] {
        let rules = read(format!("rules/{service}.toml"));
        for name in between(&rules, "\ndatastore = \"", "\"") {
            assert!(
                config.datastores.keys().any(|d| d.as_str() == name),
                "README.md has no datastore `{name}`"
            );
        }
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in between(&text, "](", ")").filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: `{link}` leads nowhere", document.display());
            if !heading.is_empty() {
                let headings = std::fs::read_to_string(&target).unwrap();
                let found = headings.lines().filter(|l| l.starts_with('#')).any(|l| anchor(l) == heading);
                assert!(found, "{}: `{link}` names no heading", document.display());
            }
        }
    }
}

/// As the common renderers of Markdown make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars();
    kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>()
        .to_lowercase()
        .replace(' ', "-")
}

#[test]
fn the_walkthrough_of_a_crash_names_every_kill_point() {
    let architecture = read("docs/architecture.md");
    let table = architecture.split("| dies at |").nth(1).unwrap().split("\n\n").next().unwrap();
    let cells = table.lines().filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<&str> = cells.flat_map(in_backticks).collect();
    let sources = rust_files("src");
    let points: BTreeSet<&str> =
        sources.iter().flat_map(|(_, text)| between(text, "hook::reach(\"", "\")")).collect();
    assert_eq!(named, points);
}

fn in_backticks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_of_exit_codes_has_each_of_them() {
    let operating = read("docs/operating.md");
    let table = operating.split("| code |").nth(1).unwrap().split("\n\n").next().unwrap();
    let named: BTreeSet<u8> =
        table.lines().filter_map(|row| row.split('|').nth(1)?.trim().parse().ok()).collect();
    let source = read("src/deployment/exit.rs");
    let codes: BTreeSet<u8> = source
        .split("pub enum Exit {")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').split(" = ").nth(1)?.parse().ok())
        .collect();
    assert_eq!(named, codes);
}
