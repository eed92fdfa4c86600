//! `expunged demo`: a world of records around one frozen now, swept before your eyes.
//!
//! The services' tables lie in `SQLite` files, their uploads and backups in directories; rules, limits, approval, sweep, ledger
//! and proofs are the real ones. The world knows by construction what must be left ([`world`]); the demo ends with 0 only if
//! exactly that is left and every promise was kept. A world that stays keeps a copy of its datastores as they were before.
//!
//! # JSON
//!
//! `--format json` prints one object at the end:
//!
//! | field | holds |
//! |---|---|
//! | `now` | `eligible` and `late`, the instants that decided, RFC 3339 |
//! | `promises` | one object a promise: `service`, `promise`, `rules` that keep it, `kept` |
//! | `rules` | one object a rule: `service`, `rule`, `disposed_of`, `dependents`, `kept`, `undated`, `longest_wait_seconds` (null: nothing went), `level` (`logical`, `rewritten`), `in_time` |
//! | `survivors` | `rows` and `files` that had to be left, `as_expected`, and `differences`, one text a table or tree |
//! | `paths` | `directory`, `config`, `verifier_key`, `datastores` and `before` (null: removed) |
//! | `commands` | for a shell: `prove`, `verify`, `report`, `explain` (null: no datastores), `remove` |
//! | `seconds` | how long it took |

mod home;
mod report;
mod shell;
mod steps;
mod survivors;
pub mod world;

use std::io::Write;
use std::path::PathBuf;

use super::output::Stdout;
use super::{Exit, Format, Outcome};
use crate::clock::{self, Stopwatch};
use crate::model::now::Now;
use home::Home;
use world::World;

pub use home::RULES;
pub use report::{PromiseResult, Results, RuleResult};
pub use survivors::Survivors;

/// Where the world is built, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Under the system's temporary directory; the datastores are removed at the end, the evidence stays.
    Temporary,
    /// Under the system's temporary directory; everything stays.
    Kept,
    /// In this directory, which must be new or empty; everything stays.
    At(PathBuf),
}

impl Place {
    fn new(directory: Option<PathBuf>, keep: bool) -> Self {
        match (directory, keep) {
            (Some(directory), _) => Self::At(directory),
            (None, true) => Self::Kept,
            (None, false) => Self::Temporary,
        }
    }
}

/// Runs the demo and prints it.
pub async fn run(directory: Option<PathBuf>, keep: bool, format: Format) -> Outcome {
    let place = Place::new(directory, keep);
    let results = match format {
        Format::Text => perform(place, &mut Stdout).await?,
        Format::Json => perform(place, &mut std::io::sink()).await?,
    };
    if format == Format::Json {
        println!("{:#}", results.to_json());
    }
    Ok(if results.as_promised() { Exit::Done } else { Exit::Finding })
}

/// Builds the world, sweeps it, compares what is left; `out` is told for a person what happens.
pub async fn perform(place: Place, out: &mut (dyn Write + Send)) -> Result<Results, super::Failure> {
    let watch = Stopwatch::start();
    // The world is built around this now, and its sweeps use it: the boundaries stand still while both happen.
    let world = World::around(Now::from_clocks(clock::now(), None));
    let home = Home::create(place, &world).await?;
    report::opening(out, &world, &home)?;
    let deployment = home.deployment()?;
    report::promises(out, &deployment)?;
    let rules = steps::sweep_all(&deployment, &world, out).await?;
    let survivors = Survivors::of(&world, &home.datastores()).await?;
    let commands = shell::Commands::of(&world, &home)?;
    let paths = home.close()?;
    let promises = report::PromiseResult::all(&deployment, &rules);
    let results =
        Results { now: world.now, promises, rules, survivors, paths, commands, took: watch.elapsed() };
    report::closing(out, &results)?;
    Ok(results)
}
