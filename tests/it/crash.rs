//! Crashes: the real binary, killed wherever something becomes durable and wherever chance will have it, and started again.
//!
//! In small worlds every point is hit in every turn, alone, and the world is checked after it. In a world of 200,000 accounts an
//! application goes on writing meanwhile. On every engine the program is killed by chance ([`kills`]). `EXPUNGED_CRASH_KILLS` is
//! the number of random kills, `EXPUNGED_CRASH_SEED` makes a run again.

mod kills;
mod marker;
mod model;
pub mod oracle;
pub mod points;
mod random;
mod shipped;
mod unit;
mod world;
mod writer;

use std::time::Duration;

use expunged::clock::Stopwatch;
use random::Random;
use sqlx::sqlite::SqliteJournalMode;
use world::{RULE, Size, World};
use writer::Writer;

/// As many as fit into CI beside the rest.
const KILLS: u64 = 40;

/// Between these the point of a kill in the large world is chosen.
const LATER: u64 = 5;

#[test]
fn two_hundred_thousand_accounts_are_swept_exactly_whatever_kills_the_sweep_while_the_application_writes() {
    let (kills, seed) = chance(KILLS, expunged::clock::now().timestamp_micros().unsigned_abs());
    let watch = Stopwatch::start();
    let size = Size {
        accounts: 200_000,
        batch: 25,
        rows_per_second: "unlimited",
        first_sweep: 1000,
        journal: SqliteJournalMode::Wal,
    };
    let world = World::new(&size);
    let model = world.model();
    world.run(&["sweep"]).expect(&[5]);
    world.approve();
    println!("{:6.1} s: built, approved", watch.elapsed().as_secs_f64());
    let writer = Writer::start(world.datastore(), model, seed);

    kill_at_every_point(&world);
    println!("{:6.1} s: killed at every point", watch.elapsed().as_secs_f64());
    let at_points = world.recovered();
    kill_at_random(&world, &writer, kills, seed);
    println!("{:6.1} s: killed at random", watch.elapsed().as_secs_f64());

    world.approve();
    // A sweep beside the writer may leave what became due behind its back.
    world.run(&["sweep"]).expect(&[0, 1]);
    println!("{:6.1} s: swept beside the writer", watch.elapsed().as_secs_f64());
    let (model, done) = writer.stop();
    println!("{done:?}");
    let all = [done.inserted, done.keys_used_again, done.undeleted, done.too_late, done.deleted];
    assert!(all.iter().chain([&done.hung_on, &done.renamed]).all(|n| *n > 0), "{done:?}");
    world.approve();
    world.sweep_to_the_end();
    let summary = oracle::check(&world, model);
    println!("{:6.1} s: {summary}", watch.elapsed().as_secs_f64());
    println!("open intents that random kills left: {}", world.recovered() - at_points);
    prove_some(&world, &summary.model, kills, seed);
    println!("{:6.1} s: proved", watch.elapsed().as_secs_f64());
}

/// How many random kills there are to be, and the seed of all that is random: these, where nobody says otherwise.
fn chance(kills: u64, seed: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let kills = number("EXPUNGED_CRASH_KILLS").unwrap_or(kills);
    let seed = number("EXPUNGED_CRASH_SEED").unwrap_or(seed);
    println!("EXPUNGED_CRASH_SEED={seed} EXPUNGED_CRASH_KILLS={kills}");
    (kills, seed)
}

/// Every point that a sweep of an existing state passes, in its first turn and in a later one.
fn kill_at_every_point(world: &World) {
    let before_points = ["commit.before", "commit.after"];
    let mut hit = Vec::new();
    for (number, point) in points::of_rows().iter().enumerate() {
        // What only a recovery passes needs something to recover, with one outcome or the other.
        let opened = world.run_killed_at(&["sweep"], before_points[number % 2], 1);
        assert!(opened.killed(), "{}", opened.stderr);
        if points::ONLY_ONCE.contains(&point.as_str()) {
            continue;
        }
        for turn in [1, LATER] {
            if turn == LATER && !points::in_every_batch(point) {
                continue;
            }
            let ran = world.run_killed_at(&["sweep"], point, turn);
            assert!(
                ran.killed(),
                "`{point}:{turn}` was not hit: {}\n{}{}",
                ran.status,
                ran.stdout,
                ran.stderr
            );
            hit.push(format!("{point}:{turn}"));
        }
    }
    println!("{} kills at points: {}", hit.len(), hit.join(" "));
}

fn kill_at_random(world: &World, writer: &Writer, kills: u64, seed: u64) {
    // Where kills are to land, measured: how long a sweep takes to begin, and a batch to go.
    let mut random = Random::new(seed ^ 1);
    let until = |turn| {
        let watch = Stopwatch::start();
        assert!(world.run_killed_at(&["sweep"], "prepare.before", turn).killed());
        watch.elapsed()
    };
    let begins = until(1);
    let batch = until(21).saturating_sub(begins) / 20;
    println!("a sweep begins after {begins:?}, a batch takes {batch:?}");
    let (mut killed, mut ended) = (0, 0);
    while killed < kills {
        let share =
            |of: Duration, random: &mut Random| of * u32::try_from(random.below(1000)).unwrap() / 1000;
        let delay = match random.below(4) {
            0 => share(begins, &mut random),
            _ => begins + share(batch * 16, &mut random),
        };
        let ran = world.run_killed_after(&["sweep"], delay);
        if ran.killed() {
            killed += 1;
        } else {
            ran.expect(&[0, 1]);
            ended += 1;
            // An approval ends with the sweep that it was for.
            world.approve();
            writer.make_due(10_000);
        }
        if killed % 8 == 0 {
            writer.make_due(1_000);
        }
        // The writer makes more due than this could sweep; that it does is not taken for granted.
        assert!(ended <= kills + 20, "sweeps end before they are killed: {ended} to {killed}");
    }
    println!("{killed} random kills; {ended} sweeps ended before theirs");
}

/// A person asks for proofs of records that are gone, and verifies them offline.
fn prove_some(world: &World, model: &model::Model, sample: u64, seed: u64) {
    let mut random = Random::new(seed ^ 2);
    let gone: Vec<(i64, u32)> = model.disposals.iter().map(|(id, n)| (*id, *n)).collect();
    let mut files = Vec::new();
    for number in 0..sample {
        let (id, times) = gone[random.below(gone.len())];
        let out = world.path(&format!("{number}.tlog-proof"));
        let out = out.to_str().unwrap().to_owned();
        let id = id.to_string();
        let proved = world.run(&["prove", RULE, &id, "--out", &out]).expect(&[0]);
        assert_eq!(proved.stdout.lines().count(), times as usize, "{}", proved.stdout);
        files.push(out);
    }
    let key = world.path("ledger.key.vkey");
    let mut arguments = vec!["verify", "--key", key.to_str().unwrap()];
    arguments.extend(files.iter().map(String::as_str));
    world.run(&arguments).expect(&[0]);
    for (id, _) in model.accounts.iter().filter(|(id, _)| model.life(**id) == 0).take(3) {
        world.run(&["prove", RULE, &id.to_string()]).expect(&[1]);
    }
}
