//! The shipped rule of `my-kaspersky` over the demo's world: rows beside the account, devices and sessions in databases of their own,
//! uploads on the disk. Killed at every point that its sweep passes, in one turn each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use expunged::cli::demo::world::{Service, Table, World as Demo};
use expunged::model::now::Now;

use crate::listing;
use crate::world::{Ran, World, at};

const SERVICE: &str = "my-kaspersky";
const UPLOADS: &str = "datastores/my-kaspersky-uploads";

type Rows = BTreeMap<String, Vec<String>>;

/// The demo's world as it was before its sweep, and what the world itself says of it.
struct Origin {
    home: tempfile::TempDir,
    service: Service,
    /// All of it happens around one noon: at midnight something else becomes due.
    offset: String,
}

impl Origin {
    fn new() -> Self {
        let now = expunged::clock::now();
        let noon = now.date_naive().and_hms_opt(12, 0, 0).unwrap().and_utc();
        let offset = (noon - now).num_seconds().to_string();
        let home = tempfile::tempdir().unwrap();
        let demo = Command::new(env!("CARGO_BIN_EXE_expunged"))
            .env("EXPUNGED_CLOCK_OFFSET", &offset)
            .args(["demo".as_ref(), home.path().as_os_str(), "--format".as_ref(), "json".as_ref()])
            .output()
            .unwrap();
        assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
        let told: serde_json::Value = serde_json::from_slice(&demo.stdout).unwrap();
        let instant = |name: &str| at(told["now"][name].as_str().unwrap());
        let now = Now { eligible: instant("eligible"), late: instant("late") };
        let service = Demo::around(now).services.into_iter().find(|service| service.name == SERVICE);
        Self { home, service: service.unwrap(), offset }
    }

    /// A copy with this service's datastores and rules, and a ledger that begins.
    fn copy(&self) -> World {
        let rules = format!("rules/{SERVICE}.toml");
        let from = |path: &str| std::fs::read_to_string(self.home.path().join(path)).unwrap();
        let world = World::new("", "");
        crate::files::world::remove(&world.path("rules/site.toml"));
        world.write(&rules, &from(&rules));
        let limits = "\n[limits]\nfirst_sweep = 1000000\nfirst_fraction = 1.0\n";
        world.write(
            "expunged.toml",
            &(from("expunged.toml").replace("demo.expunged.example", "expunged.example.com") + limits),
        );
        std::fs::create_dir(world.path("datastores")).unwrap();
        let of_service = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(SERVICE);
        let before =
            std::fs::read_dir(self.home.path().join("before")).unwrap().map(|entry| entry.unwrap().path());
        let copied = Command::new("cp")
            .arg("-a")
            .args(before.filter(|path| of_service(path)))
            .arg(world.path("datastores"))
            .status();
        assert!(copied.unwrap().success());
        world
    }

    fn environment<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("EXPUNGED_CLOCK_OFFSET", self.offset.as_str())], more].concat()
    }

    fn sweep(&self, world: &World, more: &[(&str, &str)]) -> Ran {
        world.run_with(&self.environment(more), &["sweep"])
    }

    fn tables(&self) -> impl Iterator<Item = (String, &Table)> {
        let databases = self.service.databases.iter();
        databases.flat_map(|d| d.tables.iter().map(|t| (format!("datastores/{}.db", d.name), t)))
    }

    /// Every row, by its table.
    fn rows(&self, world: &World) -> Rows {
        let rows = |(file, table): (String, &Table)| {
            let query = format!("SELECT * FROM {} ORDER BY id", table.name);
            (table.name.to_owned(), world.list_on(&file, &query))
        };
        self.tables().map(rows).collect()
    }

    /// Every row that has to be left, as it is before a sweep; and how many records have to go, by dataset.
    fn expected(&self, world: &World) -> (Rows, BTreeMap<String, u64>) {
        let (mut left, mut gone) = (Rows::new(), BTreeMap::new());
        for (file, table) in self.tables() {
            let ids: Vec<String> = table.survivors().iter().map(ToString::to_string).collect();
            let query = format!("SELECT * FROM {} WHERE id IN ({}) ORDER BY id", table.name, ids.join(", "));
            gone.insert(table.name.to_owned(), (table.rows.len() - ids.len()) as u64);
            left.insert(table.name.to_owned(), world.list_on(&file, &query));
        }
        let [uploads] = &self.service.trees[..] else { panic!("one tree") };
        let files = uploads.survivors().iter().filter(|path| !path.ends_with('/')).count();
        gone.insert("{id}/**".to_owned(), (uploads.files.len() - files) as u64);
        (left, gone)
    }
}

/// How many records the ledger says were disposed of, by dataset.
fn claimed(world: &World) -> BTreeMap<String, u64> {
    let mut claimed = BTreeMap::new();
    for entry in world.entries("batch.committed") {
        for part in entry["parts"].as_array().unwrap() {
            *claimed.entry(part["dataset"].as_str().unwrap().to_owned()).or_default() +=
                part["n"].as_u64().unwrap();
        }
    }
    claimed
}

/// Directories that hold no file, and those on the way to them: what a crash leaves keeps what is above it.
fn hollow(tree: &Path) -> BTreeSet<String> {
    let hollow = listing::hollow(tree).into_iter().map(|path| String::from_utf8(path).unwrap());
    hollow
        .flat_map(|path| path.match_indices('/').map(|(end, _)| path[..=end].to_owned()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_shipped_rule_disposes_of_exactly_the_due_in_the_demos_world_whatever_kills_it() {
    let origin = Origin::new();
    let traced = origin.copy();
    let (rows, gone) = origin.expected(&traced);
    assert!(gone.len() >= 7 && gone.values().all(|n| *n > 10), "the world shows little: {gone:?}");
    let reached = traced.path("reached");
    let ran = origin.sweep(&traced, &[("EXPUNGED_REACHED", reached.to_str().unwrap())]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let passed = super::points::passed(&reached);
    for (point, turns) in &passed {
        // In the middle, where something is done and something is left; the small worlds are killed in every turn.
        let place = format!("{point}:{}", turns.div_ceil(2));
        let world = origin.copy();
        let died = origin.sweep(&world, &[("EXPUNGED_KILL_AT", &place)]);
        assert_eq!(died.code, -1, "`{place}` was not hit: {}", died.text());
        let tree = world.path(UPLOADS);
        let stays = hollow(&tree);
        let swept = origin.sweep(&world, &[]);
        let stranded = swept.stdout.contains("records whose dependents in another datastore are gone");
        assert_eq!(swept.code, i32::from(stranded), "after `{place}`: {}", swept.text());
        assert_eq!(origin.rows(&world), rows, "after `{place}`");
        let files: BTreeSet<String> =
            origin.service.trees[0].survivors().into_iter().map(str::to_owned).collect();
        assert_eq!(listing::texts(&tree), &files | &stays, "after `{place}`");
        assert_eq!(claimed(&world), gone, "each once, after `{place}`");
        let again = origin.sweep(&world, &[]);
        assert_eq!(again.code, 0, "after `{place}`: {}", again.text());
        assert_eq!(claimed(&world), gone, "nothing twice, after `{place}`");
        let verified = world.run_with(&origin.environment(&[]), &["ledger", "verify"]);
        assert_eq!(verified.code, 0, "after `{place}`: {}", verified.text());
    }
    println!("{} crashes: {passed:?}", passed.len());
}
