//! `PostgreSQL` remembers what became of a transaction: an account that may not make the marker's table goes by that.

use super::Kind as _;
use super::cases::{due, set};
use super::cut::{PACES, SWEEP, dies_with_a_commit_on_its_way, of_small_batches, recovered, waits, whole};
use super::served::{Place, Served};
use crate::servers::poll;
use crate::servers::postgres::Postgres;

/// All that a sweep needs, but for the marker.
fn without_a_marker<P: Place<Postgres>>(pace: &str) -> Served<Postgres, P> {
    of_small_batches(Served::granted(P::database(), ""), pace)
}

const REMEMBERED: &str = "Transaction, recovered: true";

pub fn the_server_remembers_what_became_of_a_batch<P: Place<Postgres>>() {
    for (point, known) in [("commit.before", "RolledBack"), ("commit.after", REMEMBERED)] {
        for pace in PACES {
            let served = without_a_marker::<P>(pace);
            let died = served.world().killed_at(&SWEEP, point, 2);
            assert_eq!(died.code, -1, "{}", died.text());
            assert_eq!(served.database.texts("SELECT to_regclass('expunged_marker')::text"), ["NULL"]);
            assert_eq!(recovered(&whole(&served)), [known]);
        }
    }
}

/// The application uses a key of a batch again, with the trigger that it had, before anyone looks what became of that batch.
pub fn a_record_that_looks_like_one_of_a_batch_proves_nothing_where_the_server_remembers<
    P: Place<Postgres>,
>() {
    let served = without_a_marker::<P>(PACES[0]);
    let before = served.left();
    assert_eq!(served.world().killed_at(&SWEEP, "commit.after", 1).code, -1);
    let gone: Vec<_> = before.difference(&served.left()).cloned().collect();
    assert_eq!(gone.len(), 2);
    for again in &gone {
        served.put(again, due());
    }
    served.world().ran(&SWEEP, 0);
    assert_eq!(served.left(), set(&["kept"]));
    // Two lives of each of them were disposed of.
    assert_eq!(super::cases::claimed(&served), before.len() as u64 - 1 + gone.len() as u64);
    let world = served.world();
    let proved = |key: &[u8]| {
        let out = world.path("again.tlog-proof");
        let key = std::str::from_utf8(key).unwrap();
        let proved = world.ran(&["prove", "site/account", "--out", out.to_str().unwrap(), "--", key], 0);
        proved.stdout.lines().count()
    };
    assert!(gone.iter().all(|key| proved(key) == 2));
    world.ran(&["ledger", "verify"], 0);
}

/// A number that nothing has brought to the disk is given again after a crash, and whoever gets it may commit.
pub fn a_number_that_the_server_lost_in_a_crash_says_nothing_of_a_batch<P: Place<Postgres>>() {
    let settings = ["-cwal_writer_delay=10s", "-cbgwriter_delay=10s", "-cautovacuum=off"];
    let mut private = P::private(&settings.map(str::to_owned));
    let served: Served<Postgres, P> = of_small_batches(Served::granted(private.database(), ""), PACES[0]);
    let ran = served.world().run_paused("commit.before:2", &SWEEP, || {
        private.kill();
        private.restart();
    });
    assert_ne!(ran.code, 0, "{}", ran.text());
    for i in 0..50 {
        served.database.sql(&format!("CREATE TABLE another_{i} (id int)"));
    }
    assert_eq!(recovered(&whole(&served)), ["SurvivorFound"]);
}

/// By its number, which the program asks for again and again.
const ASKS: &str = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
     AND pid <> pg_backend_pid() AND query LIKE '%pg_xact_status%'";

pub fn a_transaction_in_flight_is_waited_for<P: Place<Postgres>>() {
    for (pace, arrives) in PACES.into_iter().flat_map(|pace| [(pace, true), (pace, false)]) {
        let served = without_a_marker::<P>(pace);
        let proxy = dies_with_a_commit_on_its_way(&served);
        let ran = waits(&served, &proxy, ASKS, || proxy.end(arrives));
        assert_eq!(ran.code, 0, "{}", ran.text());
        let known = if arrives { REMEMBERED } else { "RolledBack" };
        assert_eq!(recovered(&whole(&served)), [known]);
    }
}

/// Half a minute, and no longer: the sweep that waits in vain assumes nothing.
pub fn a_transaction_that_does_not_end_leaves_its_batch_in_doubt<P: Place<Postgres>>() {
    let served = without_a_marker::<P>(PACES[0]);
    let proxy = dies_with_a_commit_on_its_way(&served);
    let left = served.left();
    let parked = served.world().ran(&SWEEP, 5);
    assert!(parked.stderr.contains("is in doubt"), "{}", parked.text());
    assert_eq!(served.left(), left);
    served.world().ran(&["ledger", "verify"], 1);
    proxy.end(true);
    poll("the COMMIT to be done", || (served.left() != left).then_some(()));
    assert_eq!(recovered(&whole(&served)), [REMEMBERED]);
}
