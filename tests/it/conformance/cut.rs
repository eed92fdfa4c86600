//! The wire between a sweep and its server is cut at a COMMIT, a COMMIT comes late, or the server dies. Whatever the sweep was told,
//! each batch has the outcome that it has on the server.

use super::Kind as _;
use super::cases::{claimed, due, kept, key, proofs, set};
use super::served::{Place, Served, Spoken};
use crate::crash::oracle::{self, Summary};
use crate::servers::proxy::{Cut, Proxy};
use crate::servers::{Database, poll};
use crate::world::Ran;

const DUE: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
pub const SWEEP: [&str; 1] = ["sweep"];

/// With a rate, batch after batch on one connection; without one, two connections in turn.
pub const PACES: [&str; 2] = ["1000000", "\"unlimited\""];

/// Six due, in batches of two.
pub fn of_small_batches<E: Spoken, P: Place<E>>(served: Served<E, P>, pace: &str) -> Served<E, P> {
    served.world().configure("\"unlimited\"", pace);
    served.world().configure("[defaults]\n", "[defaults]\nbatch = 2\n");
    for name in DUE {
        served.put(&key(name), due());
    }
    served.put(&key("kept"), kept());
    served
}

fn small<E: Spoken, P: Place<E>>(database: Database<E>, pace: &str) -> Served<E, P> {
    of_small_batches(Served::on(database), pace)
}

/// What the ledger says of the batches, when all that is due is gone, and each of it can be proved once.
pub fn whole<E: Spoken, P: Place<E>>(served: &Served<E, P>) -> Summary {
    served.world().ran(&SWEEP, 0);
    assert_eq!(served.left(), set(&["kept"]));
    assert_eq!(claimed(served), DUE.len() as u64);
    proofs(served, &set(&DUE), &set(&["kept"]));
    oracle::of_ledger(&served.world().path("state.db"))
}

/// Nothing is gone that is not in the ledger, and the other way round, while nothing is in doubt.
fn agrees<E: Spoken, P: Place<E>>(served: &Served<E, P>) {
    assert_eq!(served.left().len() as u64 + claimed(served), DUE.len() as u64 + 1);
    served.world().ran(&["ledger", "verify"], 0);
}

/// A sweep that lost its connection says so, unless nothing was left to do.
fn interrupted<E: Spoken, P: Place<E>>(served: &Served<E, P>, ran: &Ran) {
    let done = served.left() == set(&["kept"]);
    assert!(ran.code == 69 || (ran.code == 0 && done), "{}", ran.text());
    agrees(served);
}

/// A sweep while a COMMIT that is on its way keeps it waiting, until this has been done.
pub fn waits<E: Spoken, P: Place<E>>(
    served: &Served<E, P>,
    proxy: &Proxy,
    until: &str,
    then: impl FnOnce(),
) -> Ran {
    let world = served.world();
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| world.run(&SWEEP));
        poll("the sweep to wait", || {
            assert!(!sweep.is_finished(), "it did not wait");
            (proxy.has_cut() && served.database.texts(until) != ["0"]).then_some(())
        });
        then();
        sweep.join().unwrap()
    })
}

/// How many batches were found committed that nobody had confirmed, and how many rolled back.
fn in_doubt(summary: &Summary) -> (u64, u64) {
    let found = summary.committed.get("Marker, recovered: true").copied();
    (found.unwrap_or(0), summary.aborted.get("RolledBack").copied().unwrap_or(0))
}

fn each_cut<E: Spoken, P: Place<E>>(cut: Cut, came_to: (u64, u64)) {
    for (pace, nth) in PACES.into_iter().flat_map(|pace| [(pace, 1), (pace, 2)]) {
        let served: Served<E, P> = small(P::database(), pace);
        let proxy = served.through();
        proxy.cut(cut, nth);
        let ran = served.world().run(&SWEEP);
        assert!(proxy.has_cut(), "{}", ran.text());
        interrupted(&served, &ran);
        assert_eq!(in_doubt(&whole(&served)), came_to, "{}", ran.text());
        let marked = served.database.texts("SELECT name FROM expunged_marker WHERE name LIKE 'batch:%'");
        assert!(marked.is_empty(), "{marked:?}");
    }
}

pub fn a_commit_that_does_not_reach_the_server_is_rolled_back_and_done_again<E: Spoken, P: Place<E>>() {
    each_cut::<E, P>(Cut::BeforeCommit, (0, 1));
}

pub fn a_commit_whose_answer_is_lost_is_found_done<E: Spoken, P: Place<E>>() {
    each_cut::<E, P>(Cut::AfterCommit, (1, 0));
}

pub fn a_connection_that_ends_behind_a_commit_loses_nothing<E: Spoken, P: Place<E>>() {
    each_cut::<E, P>(Cut::AfterAnswer, (0, 0));
}

/// What a COMMIT on its way comes to.
fn arrived(arrives: bool) -> (u64, u64) {
    if arrives { (1, 0) } else { (0, 1) }
}

pub fn a_commit_that_is_still_on_its_way_is_waited_for<E: Spoken, P: Place<E>>() {
    for (pace, arrives) in PACES.into_iter().flat_map(|pace| [(pace, true), (pace, false)]) {
        let served: Served<E, P> = small(P::database(), pace);
        let proxy = served.through();
        proxy.cut(Cut::OnItsWay, 2);
        let ran = waits(&served, &proxy, E::WAITS, || proxy.end(arrives));
        interrupted(&served, &ran);
        assert_eq!(in_doubt(&whole(&served)), arrived(arrives), "{}", ran.text());
    }
}

/// Dead with its COMMIT on the way, and the server does not know that the host is gone.
pub fn dies_with_a_commit_on_its_way<E: Spoken, P: Place<E>>(served: &Served<E, P>) -> Proxy {
    let proxy = served.through();
    proxy.cut(Cut::OnItsWay, 2);
    let died = served.world().killed_at(&SWEEP, "commit.after", 2);
    assert_eq!((died.code, proxy.has_cut()), (-1, true), "{}", died.text());
    proxy
}

pub fn a_commit_that_is_still_on_its_way_at_the_restart_is_waited_for<E: Spoken, P: Place<E>>() {
    for (pace, arrives) in PACES.into_iter().flat_map(|pace| [(pace, true), (pace, false)]) {
        let served: Served<E, P> = small(P::database(), pace);
        let proxy = dies_with_a_commit_on_its_way(&served);
        let ran = waits(&served, &proxy, E::WAITS, || proxy.end(arrives));
        assert_eq!(ran.code, 0, "{}", ran.text());
        assert_eq!(in_doubt(&whole(&served)), arrived(arrives), "{}", ran.text());
    }
}

pub fn a_server_killed_within_a_batch_and_started_again_loses_nothing<E: Spoken, P: Place<E>>() {
    let mut private = P::private(&[]);
    for (point, cut, came_to) in [
        ("prepare.after:2", None, (0, 1)),
        ("commit.before:2", None, (0, 1)),
        ("commit.after:2", None, (0, 0)),
        ("commit.after:2", Some(Cut::AfterCommit), (1, 0)),
    ] {
        let served: Served<E, P> = small(private.database(), PACES[0]);
        let proxy = served.through();
        if let Some(cut) = cut {
            proxy.cut(cut, 2);
        }
        let ran = served.world().run_paused(point, &SWEEP, || {
            private.kill();
            private.restart();
        });
        interrupted(&served, &ran);
        assert_eq!(in_doubt(&whole(&served)), came_to, "at `{point}`: {}", ran.text());
    }
}

pub fn a_batch_stays_in_doubt_while_its_server_is_away<E: Spoken, P: Place<E>>() {
    let mut private = P::private(&[]);
    for (point, committed) in [("commit.before:2", false), ("commit.after:2", true)] {
        let served: Served<E, P> = small(private.database(), PACES[0]);
        let proxy = served.through();
        if committed {
            proxy.cut(Cut::AfterCommit, 2);
        }
        let ran = served.world().run_paused(point, &SWEEP, || private.kill());
        assert_eq!(ran.code, 69, "at `{point}`: {}", ran.text());
        for _ in 0..2 {
            let parked = served.world().ran(&SWEEP, 5);
            assert!(parked.stderr.contains("is in doubt"), "{}", parked.text());
            // One intent has no outcome yet, and nothing is wrong with the rest.
            let verified = served.world().ran(&["ledger", "verify"], 1);
            assert!(verified.stdout.contains("\nsound: "), "{}", verified.text());
        }
        private.restart();
        assert_eq!(in_doubt(&whole(&served)), arrived(committed), "at `{point}`");
    }
}

/// How the outcome of each batch is known that nobody had confirmed.
pub fn recovered(summary: &Summary) -> Vec<&str> {
    let found = summary.committed.keys().filter(|how| how.ends_with("recovered: true"));
    found.chain(summary.aborted.keys()).map(String::as_str).collect()
}

pub fn where_only_the_records_can_tell_a_batch_in_flight_is_waited_for<E: Spoken, P: Place<E>>() {
    for (pace, arrives) in PACES.into_iter().flat_map(|pace| [(pace, true), (pace, false)]) {
        let served: Served<E, P> = of_small_batches(Served::granted(P::database(), ""), pace);
        served.database.sql(E::FORGET);
        let proxy = dies_with_a_commit_on_its_way(&served);
        let ran = waits(&served, &proxy, E::WAITS, || proxy.end(arrives));
        assert_eq!(ran.code, 0, "{}", ran.text());
        let known = if arrives { "State, recovered: true" } else { "SurvivorFound" };
        assert_eq!(recovered(&whole(&served)), [known]);
    }
}
