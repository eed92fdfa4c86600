//! An attacker beside the sweep, who may do in the root what they like: nothing outside of it is touched.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use expunged::clock::Stopwatch;
use expunged::datastore::files::{Listed, Seen};
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use super::world::{World, globs};

/// How long, in seconds: CI gives the 30 that the project promises.
const SECONDS: &str = "EXPUNGED_ATTACK_SECONDS";

const DIRECTORIES: usize = 4;

/// Beneath each of `d0` to `d3`, in the root and in the victim's tree: directories that are always there, and one that
/// is emptied, removed and made again.
const FILES: [&str; 4] = ["fixed/a.due", "fixed/b.due", "free/c.due", "e.due"];

/// What can be told of a file or a directory: its numbers, its change time, its content.
type State = (Vec<u64>, i64, i64, Vec<u8>);

fn snapshot(root: &Path) -> BTreeMap<PathBuf, State> {
    let below = crate::listing::below(root).into_iter().map(|path| root.join(OsStr::from_bytes(&path)));
    below.chain([root.to_owned()]).map(|path| (path.clone(), state(&path))).collect()
}

fn state(path: &Path) -> State {
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
    let numbers = vec![meta.dev(), meta.ino(), meta.nlink(), meta.size(), meta.mode().into()];
    // Nothing here reads, so nothing but a change moves the change time.
    (numbers, meta.ctime(), meta.ctime_nsec(), content)
}

/// The victim's tree: the same names, and an empty directory where the root's is emptied.
fn victim(world: &World) -> PathBuf {
    let victim = world.outside("victim");
    for n in 0..DIRECTORIES {
        for file in FILES.into_iter().filter(|f| !f.starts_with("free")) {
            let path = victim.join(format!("d{n}/{file}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{n} {file}")).unwrap();
        }
        std::fs::create_dir(victim.join(format!("d{n}/free"))).unwrap();
    }
    victim
}

/// A directory of the attacked tree, held open: a path to it may lead to the victim.
struct Held {
    directory: OwnedFd,
    fixed: OwnedFd,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

impl Held {
    fn new(world: &World, n: usize) -> Self {
        // What no pattern means keeps the fixed directories from being emptied.
        world.file(format!("d{n}/fixed/keeper"));
        world.file(format!("d{n}/keeper"));
        let directory = rustix::fs::open(world.path(format!("d{n}")), DIRECTORY, Mode::empty()).unwrap();
        let fixed = openat(&directory, "fixed", DIRECTORY, Mode::empty()).unwrap();
        Self { directory, fixed }
    }

    fn fill(&self) {
        // It is there, or it was just removed: both happen.
        let _ = mkdirat(&self.directory, "free", Mode::RWXU);
        let free = openat(&self.directory, "free", DIRECTORY, Mode::empty());
        for file in FILES {
            let (at, name) = match file.split_once('/') {
                Some(("fixed", name)) => (&self.fixed, name),
                Some((_, name)) => match &free {
                    Ok(free) => (free, name),
                    Err(_) => continue,
                },
                None => (&self.directory, file),
            };
            let _ = openat(at, name, OFlags::CREATE | OFlags::NOFOLLOW | OFlags::WRONLY, Mode::RUSR);
        }
    }
}

/// How often each outcome came.
type Count = BTreeMap<String, u64>;

fn sweep_beside(world: &World, held: &[Held], time: Duration) -> Count {
    let tree = world.tree();
    let mut count = Count::new();
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < time {
        held.iter().for_each(Held::fill);
        let mut listed: Vec<Listed> = Vec::new();
        for seen in tree.walk(globs(&["*/*/*.due", "*/e.due", "d0/**"])) {
            match seen.unwrap() {
                Seen::File(found) if !found.listed.path.ends_with(b"keeper") => listed.push(found.listed),
                Seen::File(_) => {}
                Seen::Obstacle(obstacle) => *count.entry(format!("{obstacle:?}")).or_default() += 1,
            }
        }
        for outcome in tree.dispose(&listed) {
            *count.entry(format!("{outcome:?}")).or_default() += 1;
        }
        tree.look(&listed);
    }
    count
}

#[test]
fn an_attacker_who_swaps_directories_for_links_gets_nothing_outside_touched() {
    let seconds = std::env::var(SECONDS).map_or(3, |s| s.parse().expect("a number of seconds"));
    let world = World::new();
    let outside = victim(&world);
    let before = snapshot(&outside);
    let held: Vec<Held> = (0..DIRECTORIES).map(|n| Held::new(&world, n)).collect();
    let side = world.outside("side");
    std::fs::create_dir(&side).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/files/attack.py");
    let mut attacker = Command::new("python3")
        .args([&script, &world.root(), &outside, &side])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let count = sweep_beside(&world, &held, Duration::from_secs(seconds));
    drop(attacker.stdin.take());
    let mut swaps = String::new();
    attacker.stdout.take().unwrap().read_to_string(&mut swaps).unwrap();
    assert!(attacker.wait().unwrap().success(), "the attacker fell: {count:?}");

    assert_eq!(before, snapshot(&outside), "{count:?}");
    let swaps: u64 = swaps.trim().parse().unwrap();
    println!("{swaps} swaps beside {count:?}");
    assert!(swaps > 0 && count.get("Disposed").is_some_and(|n| *n > 0), "{swaps} swaps, {count:?}");
    assert!(count.contains_key("Symlink") || count.contains_key("Changed"), "never met: {count:?}");
}
