//! The demo: its world is swept, and exactly those are left that the world says.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use expunged::cli::demo::world::{Case, Fate, Service, World};
use expunged::cli::demo::{Place, Results, perform};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// A world that was swept in a directory of its own, and what was printed.
async fn swept() -> (tempfile::TempDir, Results, World, String) {
    let home = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let place = Place::At(home.path().join("a world"));
    let results = perform(place, &mut out).await.unwrap_or_else(|e| panic!("{}", e.message()));
    let world = World::around(results.now);
    (home, results, world, String::from_utf8(out).unwrap())
}

async fn open(results: &Results, service: &Service) -> SqliteConnection {
    let path = results.paths.datastores.as_ref().unwrap().join(format!("{}.db", service.name));
    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap()
}

async fn ids(connection: &mut SqliteConnection, sql: &str) -> BTreeSet<i64> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn exactly_those_survive_that_the_world_says() {
    let (_home, results, world, out) = swept().await;
    assert!(results.as_promised(), "{out}");
    for service in &world.services {
        let mut connection = open(&results, service).await;
        for table in &service.tables {
            let left = ids(&mut connection, &format!("SELECT id FROM {}", table.name)).await;
            assert_eq!(left, table.survivors(), "{}.{}", service.name, table.name);
        }
        let result = results.rules.iter().find(|r| r.service == service.name).unwrap();
        let (due, overdue) = (service.count(Fate::Due), service.count(Fate::Overdue));
        assert_eq!((result.disposed_of, result.found_overdue), (due + overdue, overdue));
        assert_eq!(result.kept, Some(service.count(Fate::Kept)));
        assert_eq!(result.undated, Some(service.count(Fate::Undated)));
        let gone = service.tables.iter().skip(1).flat_map(|t| &t.rows).filter(|r| touched(r.after)).count();
        assert_eq!(result.dependents, gone as u64);
        assert!(result.deadline_kept && result.lateness > Some(TimeDelta::zero()));
    }
    for word in ["motorsport", "security-for-office-365", "Survivors as expected"] {
        assert!(out.contains(word), "{out}");
    }
    let widest = out.lines().filter(|line| !line.contains(" --")).map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{out}");
}

fn touched(after: expunged::cli::demo::world::After) -> bool {
    after != expunged::cli::demo::world::After::Kept
}

#[tokio::test]
async fn a_pseudonymized_comment_stays_readable_and_says_nothing_of_its_author() {
    let (_home, results, world, _) = swept().await;
    let service = &world.services[0];
    let comments = service.tables.iter().find(|t| t.name == "comment").unwrap();
    let stripped = comments.pseudonymized();
    assert!(stripped.len() > 100);
    let mut connection = open(&results, service).await;
    let rows =
        sqlx::query("SELECT id, author_id, author_name, author_ip, body, pseudonymized_at FROM comment");
    let mut pseudonyms = BTreeSet::new();
    for row in rows.fetch_all(&mut connection).await.unwrap() {
        let (id, author): (i64, Option<i64>) = (row.get(0), row.get(1));
        let (name, ip, body): (String, String, String) = (row.get(2), row.get(3), row.get(4));
        let mark: Option<String> = row.get(5);
        let before = &comments.rows[usize::try_from(id).unwrap() - 1].values;
        assert_eq!(before[4], body);
        if stripped.contains(&id) {
            assert!(author.is_none() && mark.is_some(), "comment {id}");
            assert!(before[2] != name && name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
            assert!(ip.ends_with(".0") || ip.ends_with("::"), "{ip}");
            assert!(pseudonyms.insert(name), "comment {id} shares its pseudonym");
        } else {
            assert_eq!((&before[1], &before[2], &before[3]), (&author.into(), &name.into(), &ip.into()));
            assert!(mark.is_none());
        }
    }
    assert_eq!(pseudonyms.len(), stripped.len());
}

/// The case whose only trigger is this instant.
fn at(service: &Service, instant: DateTime<Utc>) -> &Case {
    let text = instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let found = service.cases.iter().find(|c| c.triggers == [Some(text.clone())]);
    found.unwrap_or_else(|| panic!("no record of {} at {text}", service.name))
}

#[test]
fn the_world_stands_on_every_boundary() {
    let instant: DateTime<Utc> = "2026-03-02T10:00:00.25Z".parse().unwrap();
    let world = World::around(expunged::model::now::Now::from_clocks(instant, None));
    let (second, day) = (TimeDelta::seconds(1), TimeDelta::hours(24));
    let [motorsport, office365] = &world.services[..] else { panic!("two services") };
    let (due, deadline) = (world.now.eligible, world.now.late - day);
    for (instant, fates) in
        [(due, [Fate::Due, Fate::Due, Fate::Kept]), (deadline, [Fate::Overdue, Fate::Overdue, Fate::Due])]
    {
        let around = [instant - second, instant, instant + second];
        assert_eq!(around.map(|at_| at(motorsport, at_).fate), fates);
    }
    // 2 March: 1 September + 6 months ended with 1 March; 26 August + 6 months 7 days is 5 March, 23 August's is 2 March.
    for (instant, fates) in [
        ("2025-09-02T00:00:00Z", [Fate::Due, Fate::Kept, Fate::Kept]),
        ("2025-08-24T00:00:00Z", [Fate::Overdue, Fate::Due, Fate::Due]),
    ] {
        let instant: DateTime<Utc> = instant.parse().unwrap();
        let around = [instant - second, instant, instant + second];
        assert_eq!(around.map(|at_| at(office365, at_).fate), fates);
    }
    for service in &world.services {
        assert!(service.cases.len() > 1_900);
        for fate in [Fate::Kept, Fate::Due, Fate::Overdue, Fate::Undated] {
            assert!(service.count(fate) >= 8, "{} has few {fate:?}", service.name);
        }
    }
}

#[tokio::test]
async fn a_temporary_world_leaves_the_evidence_and_no_datastore() {
    let results =
        perform(Place::Temporary, &mut std::io::sink()).await.unwrap_or_else(|e| panic!("{}", e.message()));
    assert!(results.as_promised() && results.paths.datastores.is_none());
    let left = |name: &str| results.paths.directory.join(name);
    assert!(left("expunged.toml").exists() && left("state.db").exists() && left("ledger.key.vkey").exists());
    assert!(!left("datastores").exists());
    let program = Path::new(env!("CARGO_BIN_EXE_expunged"));
    let proof = left("1.tlog-proof");
    let run = |args: &[&std::ffi::OsStr]| std::process::Command::new(program).args(args).output().unwrap();
    let os = std::ffi::OsStr::new;
    let config = left("expunged.toml");
    let proved = run(&[
        os("--config"),
        config.as_os_str(),
        os("prove"),
        os("motorsport/account"),
        os("1"),
        os("--out"),
        proof.as_os_str(),
    ]);
    assert!(proved.status.success(), "{}", String::from_utf8_lossy(&proved.stderr));
    let key = left("ledger.key.vkey");
    let verified = run(&[os("verify"), os("--key"), key.as_os_str(), proof.as_os_str()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    std::process::Command::new("rm").arg("-r").arg(&results.paths.directory).status().unwrap();
}

#[tokio::test]
async fn a_directory_that_holds_something_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mine.txt"), "").unwrap();
    let refused = perform(Place::At(home.path().to_owned()), &mut std::io::sink()).await;
    assert!(refused.unwrap_err().message().contains("is not empty"));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

/// As a person would paste them, in a world whose name a shell takes apart unless it is quoted.
#[test]
fn the_printed_commands_work_as_pasted() {
    let home = tempfile::tempdir().unwrap();
    let demo = std::process::Command::new(env!("CARGO_BIN_EXE_expunged"))
        .current_dir(home.path())
        .args(["demo", "a world's end"])
        .output()
        .unwrap();
    let out = String::from_utf8(demo.stdout).unwrap();
    assert!(demo.status.success(), "{out}{}", String::from_utf8_lossy(&demo.stderr));
    for (word, answer) in
        [(" prove ", "proof of disposal"), (" verify ", ": verified"), (" explain ", ": undated")]
    {
        let printed =
            |line: &&str| line.starts_with("  ") && line.contains(word) && line.contains("expunged ");
        let lines: Vec<&str> = out.lines().filter(printed).collect();
        let [line] = lines[..] else { panic!("{word}: {lines:?}\n{out}") };
        let pasted = std::process::Command::new("sh")
            .current_dir(home.path())
            .args(["-c", line])
            .env_remove("EXPUNGED_CONFIG")
            .output()
            .unwrap();
        let said = String::from_utf8(pasted.stdout).unwrap();
        assert!(
            pasted.status.success() && said.contains(answer),
            "{line}\n{said}{}",
            String::from_utf8_lossy(&pasted.stderr)
        );
    }
}
