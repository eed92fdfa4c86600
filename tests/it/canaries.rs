//! Ten thousand strings, one of its own in every place where something of a person could stand: none of them may come out.

mod plant;

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::daemon::handle::{Daemon, get_unix};
use crate::servers::Engine as _;
use crate::servers::postgres::{self, Postgres};
use crate::world::{DELETED_AT, World, rules};
use plant::{MARK, Planted};

/// Where a canary could sing: a text, and what it was.
struct Heard(Vec<(String, Vec<u8>)>);

impl Heard {
    fn file(&mut self, world: &World, name: &str) {
        let bytes = std::fs::read(world.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        self.0.push((name.to_owned(), bytes));
    }

    /// Every file below a directory, and its name.
    fn tree(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.tree(&path);
            } else {
                self.0.push((path.display().to_string(), path.display().to_string().into_bytes()));
                self.0.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }

    /// What a command prints and logs, whatever it ends with.
    fn command(&mut self, world: &World, arguments: &[&str]) {
        let ran = world
            .run_with(&[("EXPUNGED_CLOCK_FILE", "clock")], &[&["--log-level", "trace"], arguments].concat());
        assert_ne!(ran.code, 70, "{}", ran.text());
        self.0.push((arguments.join(" "), ran.text().into_bytes()));
    }

    /// The canaries that are heard somewhere.
    fn singing(&self) -> BTreeSet<(String, String)> {
        self.0.iter().flat_map(|(place, bytes)| sung(bytes).into_iter().map(|s| (place.clone(), s))).collect()
    }
}

/// Every canary in these bytes, as it is, in hexadecimal or in base64.
fn sung(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let mut sung: BTreeSet<String> =
        text.match_indices(MARK).map(|(at, _)| text[at..].chars().take(MARK.len() + 8).collect()).collect();
    if text.contains(&hex(MARK)) {
        sung.insert("in hexadecimal".to_owned());
    }
    let raw = String::from_utf8_lossy(bytes);
    // At any of three places in a group of three bytes: the two groups that hold nothing else.
    for before in 0..3 {
        let encoded = STANDARD.encode(["x".repeat(before).as_str(), MARK].concat());
        let whole = if before == 0 { 0 } else { 4 };
        if raw.contains(&encoded[whole..whole + 8]) {
            sung.insert("in base64".to_owned());
        }
    }
    sung
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn the_ear_hears_a_canary_in_every_voice() {
    let one = format!("{MARK}0000002a");
    for before in ["", "a", "ab", "abc"] {
        let said = format!("{before}{one}{before}");
        assert_eq!(sung(said.as_bytes()), [one.clone()].into());
        assert_eq!(sung(STANDARD.encode(&said).as_bytes()), ["in base64".to_owned()].into(), "{before}");
        assert_eq!(sung(hex(&said).as_bytes()), ["in hexadecimal".to_owned()].into());
    }
    assert_eq!(sung(one.to_uppercase().as_bytes()), [one].into());
}

#[test]
fn no_canary_comes_out() {
    let planted = Planted::new();
    let world = &planted.world;
    assert!(planted.count >= 10_000, "{} planted", planted.count);
    let mut heard = Heard(Vec::new());
    let (held, asked, due) = (Planted::person(0), Planted::person(1), Planted::account(2));
    for arguments in [
        &["check"][..],
        &["plan"],
        &["plan", "--format", "json"],
        &["hold", "place", "site", "--subject", &held, "--reference", "C-1"],
        &["erase", "request", "site", &asked],
        &["explain", "site/account", &due],
        &["explain", "site/account", &Planted::person(3)],
        &["status"],
    ] {
        heard.command(world, arguments);
    }
    orders_end(&mut heard, world);
    // A batch by hand, with everything it says; the rest is the daemon's.
    heard.command(world, &["sweep", "site/account"]);
    let daemon = Daemon::start(world);
    for path in ["/metrics", "/healthz", "/readyz"] {
        heard.0.push((path.to_owned(), get_unix(&world.path("http.sock"), path).1.into_bytes()));
    }
    let reload = world.run_with(&[("EXPUNGED_CLOCK_FILE", "clock")], &["reload"]);
    heard.0.push(("reload".to_owned(), reload.text().into_bytes()));
    daemon.stop();
    heard.file(world, "daemon.log");
    for arguments in [
        &["status"][..],
        &["status", "--format", "json"],
        &["plan", "--format", "json"],
        &["hold", "list"],
        &["hold", "list", "--format", "json"],
        &["erase", "list"],
        &["erase", "list", "--format", "json"],
        &["report", "--out", "report.txt"],
        &["report", "--format", "html", "--out", "report.html"],
        &["report", "--format", "csv", "--out", "report.csv"],
        &["report", "--format", "json", "--out", "report.json"],
        &["ledger", "verify"],
        &["ledger", "export", "exported"],
        &["sweep"],
    ] {
        heard.command(world, arguments);
    }
    for file in ["report.txt", "report.html", "report.csv", "report.json", "state.db.checkpoint"] {
        heard.file(world, file);
    }
    heard.tree(&world.path("exported"));
    world.fold();
    heard.file(world, "state.db");
    heard.tree(&world.path("keys"));
    everything_happened(world);
    let all: usize = heard.0.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(all > 300_000, "only {all} bytes were listened to");
    assert_eq!(heard.singing(), BTreeSet::new());
    proofs_name_their_own_record_only(&planted);
    a_panic_says_where_and_nothing_else(world);
}

/// Orders of a person that are shown, withdrawn and released, or that cannot be opened.
fn orders_end(heard: &mut Heard, world: &World) {
    let person = Planted::person(5);
    heard.command(world, &["erase", "request", "site", &person]);
    heard.command(world, &["hold", "place", "site", "--subject", &person, "--reference", "C-2"]);
    let id = |entry: &serde_json::Value, kind: &str| entry[kind].as_str().unwrap().to_owned();
    let request = id(world.entries("erasure.requested").last().unwrap(), "request");
    heard.command(world, &["erase", "show", &request]);
    let (key, away) = (world.path("keys").join("orders.key"), world.path("away.key"));
    std::fs::rename(&key, &away).unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    for failing in [
        &["erase", "show", &request][..],
        &["plan"],
        &["sweep", "site/account"],
        &["hold", "place", "site", "--subject", &person, "--reference", "C-3"],
    ] {
        heard.command(world, failing);
    }
    std::fs::rename(&away, &key).unwrap();
    // The first is another's, and stays.
    for hold in &world.entries("hold.placed")[1..] {
        heard.command(world, &["hold", "release", &id(hold, "hold")]);
    }
    heard.command(world, &["erase", "withdraw", &request]);
    assert_eq!((world.entries("erasure.withdrawn").len(), world.entries("hold.released").len()), (1, 1));
}

/// Whoever has nothing to say cannot give anything away.
fn everything_happened(world: &World) {
    let sum = |field: &str| world.entries("residue").iter().filter_map(|r| r[field].as_u64()).sum::<u64>();
    for field in ["held", "refused", "undated"] {
        assert!(sum(field) > 0, "nothing is {field}");
    }
    let whys = world
        .entries("residue")
        .iter()
        .flat_map(|r| r["why"].as_array().cloned().unwrap_or_default())
        .count();
    assert!(whys > 3, "{whys} reasons");
    let committed = world.entries("batch.committed");
    let datasets: BTreeSet<String> = committed
        .iter()
        .flat_map(|b| b["parts"].as_array().unwrap().clone())
        .map(|p| p["dataset"].to_string())
        .collect();
    assert_eq!(datasets.len(), 5, "{datasets:?}");
    assert!(committed.iter().any(|b| b["cause"] == "request"));
    assert_eq!(world.entries("erasure.answered").len(), 1);
}

/// A proof is about one record, and names it; nobody else.
fn proofs_name_their_own_record_only(planted: &Planted) {
    let world = &planted.world;
    for number in [2, 4] {
        let account = Planted::account(number);
        world.ran(&["prove", "site/account", &account, "--out", "proof"], 0);
        let proof = std::fs::read_to_string(world.path("proof")).unwrap();
        let extra = proof.lines().find_map(|line| line.strip_prefix("extra ")).unwrap();
        let opened = STANDARD.decode(extra).unwrap();
        assert_eq!(sung(&opened), [account].into());
        let rest = proof.replace(extra, "");
        assert_eq!(sung(rest.as_bytes()), BTreeSet::new());
    }
}

fn a_panic_says_where_and_nothing_else(world: &World) {
    let text = format!("{MARK}00000001");
    let environment = [
        ("EXPUNGED_CLOCK_FILE", "clock"),
        ("EXPUNGED_PANIC_AT", "prepare.before:1"),
        ("EXPUNGED_PANIC", &text),
    ];
    let ran = world.run_with(&environment, &["--log-level", "trace", "sweep"]);
    assert_eq!(ran.code, 70, "{}", ran.text());
    assert!(ran.stderr.contains("src/hook.rs"), "{}", ran.text());
    assert_eq!(sung(ran.text().as_bytes()), BTreeSet::new(), "{}", ran.text());
}

/// A trigger of the application's may quote a record in what it says beside.
#[test]
fn what_a_trigger_on_postgres_says_stays_on_the_server() {
    for level in ["WARNING", "NOTICE", "INFO"] {
        let database = postgres::Database::new();
        database.sql(&format!(
            "CREATE TABLE account (id int PRIMARY KEY, email text, deleted_at timestamptz); \
             CREATE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE {level} 'gone: %', OLD.email; RETURN OLD; END $$; \
             CREATE TRIGGER says BEFORE DELETE ON account FOR EACH ROW EXECUTE FUNCTION says(); \
             INSERT INTO account VALUES (1, 'a canary', '1971-01-01Z')"
        ));
        let world = World::on(&database.datastore(Postgres::ADMINISTRATOR), &rules(DELETED_AT, ""));
        let ran = world.ran(&["--log-level", "trace", "sweep"], 0);
        assert_eq!(database.texts("SELECT count(*)::text FROM account"), ["0"]);
        assert!(!ran.text().contains("a canary"), "{level}: {}", ran.text());
    }
}
