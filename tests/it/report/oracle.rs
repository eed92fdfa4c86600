//! A second reader of the ledger, in another language, comes to the same numbers; and to no others.

use std::path::Path;
use std::process::Command;

use expunged::cli::demo::{Place, Results, perform};
use serde_json::{Value, json};

use super::command;
use crate::architecture::source::root;

fn expunged(config: &Path, arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_expunged");
    let ran = Command::new(program).arg("--config").arg(config).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// What it said of this report, and whether it agreed.
fn asked(directory: &Path, report: &Value) -> (bool, String) {
    let file = directory.join("report-to-check.json");
    std::fs::write(&file, report.to_string()).unwrap();
    let script = root().join("tests/report_oracle.py");
    let ran = Command::new("python3").arg(script).arg(directory.join("exported")).arg(file).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (ran.status.success(), said)
}

async fn demo() -> (tempfile::TempDir, Results) {
    let home = tempfile::tempdir().unwrap();
    let place = Place::At(home.path().join("world"));
    let results = perform(place, &mut std::io::sink()).await.unwrap_or_else(|e| panic!("{}", e.message()));
    (home, results)
}

#[tokio::test]
async fn the_report_of_the_demo_says_what_its_table_says() {
    let (home, results) = demo().await;
    let report = expunged(&results.paths.config, &["report", "--format", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let rows = |section: &str| report[section].as_array().unwrap().clone();
    for rule in &results.rules {
        let name = format!("{}/{}", rule.service, rule.rule);
        let disposed = |of: &str| -> u64 {
            let ours = |row: &&Value| row["rule"] == name.as_str() && row["of"] == of;
            rows("disposals")
                .iter()
                .filter(ours)
                .map(|row| row["outcomes"]["disposed"].as_u64().unwrap())
                .sum()
        };
        assert_eq!((disposed("rule"), disposed("dependent")), (rule.disposed_of, rule.dependents), "{name}");
        let left = rows("remaining").into_iter().find(|row| row["rule"] == name.as_str()).unwrap();
        assert_eq!((left["undated"].as_u64(), &left["remaining"]), (rule.undated, &json!(0)), "{name}");
        let wait = rows("waits").into_iter().find(|row| row["rule"] == name.as_str()).unwrap();
        assert_eq!(wait["late"]["at_most"] == 0, rule.in_time, "{name}: {wait}");
    }
    let promises = rows("promises");
    assert_eq!(promises.len(), results.promises.len());
    for promise in &results.promises {
        let named = |row: &&Value| {
            row["service"] == promise.service.as_str() && row["promise"] == promise.promise.as_str()
        };
        let row = promises.iter().find(named).unwrap();
        let judged = row["standing"] == "kept" || row["standing"] == "at_risk";
        assert_eq!(judged, promise.kept, "{row}");
    }
    // Every class of the rule files is found again.
    assert!(rows("disposals").iter().all(|row| row["class"].is_string()));

    let directory = home.path().join("exported");
    expunged(&results.paths.config, &["ledger", "export", directory.to_str().unwrap()]);
    let (agrees, said) = asked(home.path(), &report);
    assert!(agrees && said.contains("promises: 23\n"), "{said}");
    for place in [
        "/summary/disposed",
        "/summary/at_risk",
        "/disposals/7/outcomes/disposed",
        "/disposals/0/outcomes/refused",
        "/waits/3/worst_seconds",
        "/waits/3/late/at_most",
        "/waits/0/margin_seconds",
        "/remaining/5/undated",
        "/sweeps/2/completed",
        "/versions/4/entry",
        "/approvals/1/up_to",
        "/promises/3/margin_seconds",
        "/promises/3/keepers/0/reasons/0/n",
        "/evidence/size",
    ] {
        let mut changed = report.clone();
        let figure = changed.pointer_mut(place).unwrap_or_else(|| panic!("{place} is not there"));
        *figure = json!(figure.as_u64().unwrap() + 1);
        let (agrees, said) = asked(home.path(), &changed);
        assert!(!agrees && (said.contains("DIFFERENCE") || place == "/evidence/size"), "{place}: {said}");
    }
    let mut changed = report.clone();
    changed["promises"][0]["standing"] = json!("kept");
    changed["promises"][0]["keepers"][0]["standing"] = json!("kept");
    assert!(!asked(home.path(), &changed).0);
}

#[test]
fn the_oracle_agrees_on_late_undated_held_refused_and_demanded_records() {
    let world = command::world();
    world.ran(&["erase", "request", "site", "canary-living"], 0);
    world.ran(&["erase", "request", "site", "canary-refused"], 0);
    world.ran(&["sweep"], 1);
    let [first, second] = ["report", "exported"].map(|name| world.path(name));
    world.ran(&["report", "--format", "json", "--out", "report"], 0);
    world.ran(&["ledger", "export", "exported"], 0);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(first).unwrap()).unwrap();
    let (agrees, said) = asked(second.parent().unwrap(), &report);
    assert!(agrees, "{said}");
    // The ledger has grown since: the report is still that of its beginning.
    world.ran(&["sweep", "site/account"], 1);
    std::fs::rename(&second, world.path("older")).unwrap();
    world.ran(&["ledger", "export", "exported"], 0);
    let (agrees, said) = asked(second.parent().unwrap(), &report);
    assert!(agrees, "{said}");
    // And of the time before the period.
    let report = world.run(&["report", "--format", "json", "--from", report["until"].as_str().unwrap()]);
    let (agrees, said) = asked(second.parent().unwrap(), &command::json(&report));
    assert!(agrees, "{said}{}", report.text());
}

#[test]
fn the_oracle_finds_a_changed_file_of_the_export() {
    let world = command::world();
    world.ran(&["ledger", "export", "exported"], 0);
    let report = command::json(&world.ran(&["report", "--format", "json"], 0));
    let home = world.path("exported").parent().unwrap().to_owned();
    assert!(asked(&home, &report).0);
    let size = report["evidence"]["size"].as_u64().unwrap();
    for file in
        ["checkpoint".to_owned(), format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")]
    {
        let path = world.path("exported").join(&file);
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        // Of the checkpoint, the root: who signed it is for others to verify.
        let place = changed.len() / 4;
        changed[place] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(!asked(&home, &report).0, "{file}");
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::write(world.path("exported/more"), "").unwrap();
    assert!(!asked(&home, &report).0, "a file that belongs to no tile");
}
