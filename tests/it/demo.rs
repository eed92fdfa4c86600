//! The demo: its world is swept, and exactly those are left that the world says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use expunged::cli::demo::world::{After, Case, Database, Fate, Selected, World};
use expunged::cli::demo::{Place, RULES, Results, perform};
use expunged::model::now::Now;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::files::world::remove;
use crate::listing;

/// A world that was swept in a directory of its own, and what was printed.
async fn swept() -> (tempfile::TempDir, Results, World, String) {
    let home = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let place = Place::At(home.path().join("a world"));
    let results = perform(place, &mut out).await.unwrap_or_else(|e| panic!("{}", e.message()));
    let world = World::around(results.now);
    (home, results, world, String::from_utf8(out).unwrap())
}

async fn open(results: &Results, database: &Database) -> SqliteConnection {
    let path = results.paths.datastores.as_ref().unwrap().join(format!("{}.db", database.name));
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
        for database in &service.databases {
            let mut connection = open(&results, database).await;
            for table in &database.tables {
                let left = ids(&mut connection, &format!("SELECT id FROM {}", table.name)).await;
                assert_eq!(left, table.survivors(), "{}.{}", database.name, table.name);
            }
        }
        for tree in &service.trees {
            let left = listing::texts(&results.paths.datastores.as_ref().unwrap().join(tree.name));
            assert_eq!(left, tree.survivors().into_iter().map(str::to_owned).collect(), "{}", tree.name);
        }
        for rule in &service.rules {
            let name = format!("{}/{}", service.name, rule.rule);
            let result = results.rules.iter().find(|r| r.service == service.name && r.rule == rule.rule);
            let result = result.unwrap_or_else(|| panic!("no result of {name}"));
            assert_eq!(result.disposed_of, rule.count(Fate::Due), "{name}");
            assert_eq!(result.kept, rule.count(Fate::Kept), "{name}");
            assert_eq!(result.undated, Some(rule.count(Fate::Undated)), "{name}");
            assert_eq!(result.dependents, rule.dependents, "{name}");
            assert!(result.in_time && result.longest_wait > Some(TimeDelta::zero()), "{name}");
        }
    }
    let rules = world.services.iter().map(|service| service.rules.len()).sum::<usize>();
    assert_eq!(results.rules.len(), rules, "every rule has its records in the world");
    for service in &world.services {
        assert!(out.lines().any(|line| line == service.name), "{} is not in:\n{out}", service.name);
    }
    assert!(out.contains("Promises kept: 23 of 23.") && out.contains("Survivors as expected"), "{out}");
    // "Cannot be restored" is more than logical erasure.
    assert!(
        out.contains("beyond logical erasure: gsi-parser/report rewritten, gsi-parser/account rewritten\n"),
        "{out}"
    );
    let widest = out.lines().filter(|line| !line.contains(" --")).map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{out}");
}

#[test]
fn every_shipped_rule_file_is_in_the_demo() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let shipped: BTreeSet<(String, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let embedded = RULES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(BTreeSet::from(embedded), shipped);
}

#[tokio::test]
async fn a_pseudonymized_comment_stays_readable_and_says_nothing_of_its_author() {
    let (_home, results, world, _) = swept().await;
    let database = world.services.iter().flat_map(|s| &s.databases).find(|d| d.name == "motorsport").unwrap();
    let comments = database.tables.iter().find(|t| t.name == "comment").unwrap();
    let stripped = comments.pseudonymized();
    assert!(stripped.len() > 100);
    let mut connection = open(&results, database).await;
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

/// The case one of whose triggers is this instant.
fn at(rule: &Selected, instant: DateTime<Utc>) -> &Case {
    let written = [
        instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        instant.format("backup-%Y%m%dT%H%M%SZ.tar.zst").to_string(),
    ];
    let is = |case: &&Case| case.triggers.iter().flatten().any(|text| written.contains(text));
    let found = rule.cases.iter().map(|(_, case)| case).find(is);
    found.unwrap_or_else(|| panic!("no record of {} at {instant}", rule.rule))
}

/// On 2 March 2026, a quarter of a second past one in the afternoon by Moscow's clocks. The boundaries are counted by hand.
#[test]
fn the_world_stands_on_every_boundary() {
    let world = World::around(Now::from_clocks("2026-03-02T10:00:00.25Z".parse().unwrap(), None));
    let now = "2026-03-02T09:59:55.25Z";
    for (service, rule, last_due) in [
        ("business-hub", "account", now),
        // The last day whose three weeks are over is 8 February; it ends at nine in the evening by UTC.
        ("business-hub", "backups", "2026-02-08T20:59:59Z"),
        ("company-account", "personal-account", "2023-03-01T20:59:59.999999Z"),
        ("company-account", "company-account", "2023-03-01T20:59:59.999999Z"),
        ("endpoint-security-cloud", "licence-expired", "2026-01-30T23:59:59.999999Z"),
        ("endpoint-security-cloud", "workspace-deleted", now),
        ("gsi-parser", "report", "2025-12-11T20:59:59.999999Z"),
        ("gsi-parser", "unread", "2026-02-28T20:59:59.999999Z"),
        ("gsi-parser", "account", now),
        ("motorsport", "account", now),
        ("my-kaspersky", "account", "2026-02-22T20:59:59.999999Z"),
        ("my-kaspersky", "web-statistics", "2026-02-22T20:59:59.999999Z"),
        ("partner-portal", "partner", now),
        ("security-center-cloud-console", "account", now),
        ("security-center-cloud-console", "backups", "2026-02-08T23:59:59Z"),
        ("security-center-cloud-console", "licence-expired", "2025-12-01T23:59:59.999999Z"),
        ("security-center-cloud-console", "workspace-request", now),
        // 1 September + 6 months ended with 1 March.
        ("security-for-office-365", "tenant", "2025-09-01T23:59:59.999999Z"),
        ("web-forms", "person", now),
        ("web-forms", "premium", now),
        ("web-forms", "trial-ended", "2026-02-15T20:59:59.999999Z"),
        ("web-forms", "trial-opted-out", now),
        ("web-forms", "newsletter", now),
        ("website-statistics", "pseudonymize", now),
        ("website-statistics", "evaluated", now),
    ] {
        let selected = world.rule(service, rule).unwrap_or_else(|| panic!("no rule {service}/{rule}"));
        let last: DateTime<Utc> = last_due.parse().unwrap();
        let fates = [last, last + TimeDelta::seconds(1)].map(|instant| at(selected, instant).fate);
        assert_eq!(fates, [Fate::Due, Fate::Kept], "{service}/{rule}");
        for fate in [Fate::Kept, Fate::Due] {
            assert!(selected.count(fate) >= 2, "{service}/{rule} has few {fate:?}");
        }
        let undated = selected.count(Fate::Undated);
        assert!(undated >= 2 || matches!(rule, "backups" | "unread"), "{service}/{rule} has {undated}");
    }
}

/// Renewed and un-deleted, converted and opted out, deleted before its licence expired, asked for twice.
#[test]
fn the_cases_that_make_it_hard_are_in_the_world() {
    let world = World::around(Now::from_clocks("2026-03-02T10:00:00.25Z".parse().unwrap(), None));
    let told: BTreeSet<&str> = world
        .services
        .iter()
        .flat_map(|service| &service.rules)
        .flat_map(|rule| rule.cases.iter().map(|(_, case)| case.what))
        .collect();
    for what in [
        "renewed: one long expired, one running",
        "renewed, and the renewal is due",
        "it was taken back",
        "asked twice: the first counts",
        "expired, and asked for as well",
        "ended, due, and opted out of",
        "evaluated within the hour",
        "never read",
        "minutes before its deadline",
    ] {
        assert!(told.contains(what), "`{what}` is not in the world: {told:?}");
    }
    let table = |name: &str| {
        let tables = world.services.iter().flat_map(|s| &s.databases).flat_map(|d| &d.tables);
        tables.into_iter().find(|t| t.name == name).unwrap()
    };
    // Whoever has done no more than register is nobody in `person`, and yet the row says whose it is.
    let forms = world.services.iter().find(|s| s.name == "web-forms").unwrap();
    for (registrations, email) in
        [("premium_registration", 4), ("trial_registration", 4), ("newsletter_subscription", 3)]
    {
        let table = forms.databases[0].tables.iter().find(|t| t.name == registrations);
        let rows = &table.unwrap().rows;
        assert!(rows.iter().all(|row| row.values[email].as_str().is_some_and(|email| email.contains('@'))));
        let alone = |row: &&expunged::cli::demo::world::Row| row.values[1].is_null();
        assert!(rows.iter().filter(alone).any(|row| row.after == After::Gone), "{registrations}");
        assert!(!rows.iter().all(|row| alone(&row)), "{registrations}");
    }
    let converted = table("trial_registration").rows.iter().filter(|row| row.values[7] == true);
    assert!(converted.clone().count() >= 10 && converted.clone().all(|row| row.after == After::Kept));
    let uploads =
        world.services.iter().flat_map(|s| &s.trees).find(|t| t.name == "my-kaspersky-uploads").unwrap();
    let orphan = uploads.files.iter().find(|file| file.path == "990001/trace.log").unwrap();
    assert_eq!(orphan.after, After::Kept, "nobody knows whose it was");
    assert!(uploads.files.iter().filter(|file| file.after == After::Gone).count() > 20);
}

/// A second derivation, in another language and from the published policy, over the world as it was.
#[test]
fn an_independent_oracle_agrees_and_would_not_agree_to_anything_else() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("world");
    let demo = Command::new(env!("CARGO_BIN_EXE_expunged"))
        .args(["demo".as_ref(), place.as_os_str(), "--format".as_ref(), "json".as_ref()])
        .output()
        .unwrap();
    assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
    let result = home.path().join("result.json");
    std::fs::write(&result, demo.stdout).unwrap();
    let oracle = |code: i32| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo_oracle.py");
        let ran = Command::new("python3").arg(script).arg(&place).arg(&result).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        said
    };
    assert_eq!(oracle(0).lines().count(), 19, "a line a datastore");
    let world = Swept::kept(&place);
    let absent = "SELECT min(id) FROM before.session WHERE id NOT IN (SELECT id FROM session)";
    let ours = "SELECT min(id) FROM visit JOIN before.visit AS b USING (id) WHERE visit.pseudonymized_at IS NOT NULL \
        AND b.pseudonymized_at IS NULL";
    let sessions = "my-kaspersky-sessions.session";
    for (table, chosen, statement, difference) in [
        (sessions, "SELECT max(id) FROM session", "DELETE FROM session WHERE id = ?", "had to stay"),
        (sessions, absent, "INSERT INTO session SELECT * FROM before.session WHERE id = ?", "had to go"),
        (
            sessions,
            "SELECT max(id) FROM session",
            "UPDATE session SET token = 'x' WHERE id = ?",
            "was changed",
        ),
        (
            "website-statistics.visit",
            ours,
            "UPDATE visit SET visitor_id = (SELECT visitor_id FROM before.visit AS b WHERE b.id = visit.id) WHERE id = ?",
            "still says whose it was",
        ),
    ] {
        let (database, _) = table.split_once('.').unwrap();
        let id = world.change_row(database, chosen, statement);
        assert_eq!(differences(&oracle(1)), [format!("DIFFERENCE {table}: {id} {difference}")]);
        world.restore();
    }
    let (uploads, backups, stray) = ("my-kaspersky-uploads", "business-hub-backups", "990001/trace.log");
    let (backup, person) =
        (world.gone(backups, |path| !path.ends_with('/')), world.gone(uploads, |path| path.ends_with('/')));
    let path = |tree: &str, below: &str| place.join("datastores").join(tree).join(below);
    let changes: [(&str, &str, &str, &dyn Fn()); 4] = [
        (uploads, stray, "had to stay", &|| remove(&path(uploads, stray))),
        (uploads, stray, "was changed", &|| {
            let modified = path(uploads, stray).metadata().unwrap().modified().unwrap();
            std::fs::write(path(uploads, stray), "of somebody else\n").unwrap();
            std::fs::File::options()
                .append(true)
                .open(path(uploads, stray))
                .unwrap()
                .set_modified(modified)
                .unwrap();
        }),
        (backups, &backup, "had to go", &|| {
            std::fs::copy(place.join("before").join(backups).join(&backup), path(backups, &backup))
                .map(drop)
                .unwrap();
        }),
        (uploads, &person, "had to go", &|| std::fs::create_dir(path(uploads, &person)).unwrap()),
    ];
    for (tree, below, difference, change) in changes {
        change();
        assert_eq!(differences(&oracle(1)), [format!("DIFFERENCE {tree}: {below} {difference}")]);
        world.restore();
    }
    oracle(0);
}

fn differences(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("DIFFERENCE")).collect()
}

/// A world that was swept, to be changed in one thing at a time.
struct Swept<'p> {
    place: &'p Path,
}

impl<'p> Swept<'p> {
    fn kept(place: &'p Path) -> Self {
        let swept = Self { place };
        swept.shell("cp -a datastores kept");
        swept
    }

    fn restore(&self) {
        self.shell("rm -r datastores && cp -a kept datastores");
    }

    fn shell(&self, command: &str) {
        let ran = Command::new("sh").current_dir(self.place).args(["-c", command]).status();
        assert!(ran.unwrap().success(), "{command}");
    }

    /// Does the statement to the row with the id that is chosen, and says which; `before` is the database as it was.
    fn change_row(&self, database: &str, chosen: &str, statement: &str) -> String {
        let script = "import sqlite3, sys; file, before, chosen, statement = sys.argv[1:]; c = sqlite3.connect(file); \
            c.execute('ATTACH ? AS before', (before,)); id, = c.execute(chosen).fetchone(); \
            assert c.execute(statement, (id,)).rowcount == 1; c.commit(); print(id, end='')";
        let of = |directory: &str| self.place.join(directory).join(format!("{database}.db"));
        let mut command = Command::new("python3");
        let ran = command
            .args(["-c", script])
            .args([of("datastores"), of("before")])
            .args([chosen, statement])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// The first path in a tree that is not there any more.
    fn gone(&self, tree: &str, wanted: impl Fn(&str) -> bool) -> String {
        let [before, now] =
            ["before", "datastores"].map(|of| listing::texts(&self.place.join(of).join(tree)));
        before.difference(&now).find(|path| wanted(path)).unwrap().clone()
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
        os("my-kaspersky/account"),
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
    for (word, answer) in [
        (" prove ", "proof of disposal"),
        (" verify ", ": verified"),
        (" report ", ""),
        (" explain ", ": undated"),
    ] {
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
