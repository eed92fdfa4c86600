//! The sessions of a sweep: how many it opens, and whatever a server has set for them.

use super::Kind as _;
use super::cases::{due, key, set};
use super::cut::{PACES, SWEEP, of_small_batches, whole};
use super::served::{Place, Served, Spoken};
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::servers::{Private, poll};

fn small<E: Spoken, P: Place<E>>() -> Served<E, P> {
    of_small_batches(Served::on(P::database()), PACES[0])
}

pub fn a_sweep_takes_one_connection_and_another_to_count_what_is_left<E: Spoken, P: Place<E>>() {
    let served = small::<E, P>();
    let proxy = served.through();
    served.world().ran(&SWEEP, 0);
    assert_eq!((proxy.connections(), served.left()), (2, set(&["kept"])));
}

/// A server that has every session of the program's account begin so.
fn beginning<P: Place<MariaDb>>(with: &str) -> Private<MariaDb> {
    P::private(&[format!("--init-connect={with}")])
}

/// While others count, or the ledger is written, a session of a sweep's has nothing to do.
pub fn a_session_that_waits_longer_than_the_server_lets_it_goes_on<P: Place<Postgres>>() {
    let served: Served<Postgres, P> = Served::on(P::database());
    served.put(&key("due"), due());
    served.database.sql(&format!("ALTER ROLE {} SET idle_session_timeout = '100ms'", served.role()));
    let others = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' \
         AND NOT (state = 'idle' AND clock_timestamp() - state_change > interval '300 ms')",
        served.role()
    );
    let ran = served.world().run_paused("prepare.before:1", &SWEEP, || {
        poll("its sessions to have waited", || (served.database.texts(&others) == ["0"]).then_some(()));
    });
    assert_eq!((ran.code, served.left()), (0, set(&[])), "{}", ran.text());
}

/// A sweep reads first, over a session that can do nothing else: what it does afterwards over the same is not more than the server lets it.
pub fn an_account_that_the_server_has_only_read_disposes_of_nothing<E: Spoken, P: Place<E>>() {
    let private = P::private(&[]);
    let served: Served<E, P> = Served::on(private.database());
    served.put(&key("due"), due());
    served.database.sql(&E::only_read(served.role(), "ON"));
    let ran = served.world().run(&SWEEP);
    assert_eq!(ran.code, 77, "{}", ran.text());
    assert_eq!(served.left(), set(&["due"]), "{}", ran.text());
    served.database.sql(&E::only_read(served.role(), "OFF"));
    served.world().ran(&SWEEP, 0);
    assert_eq!(served.left(), set(&[]));
}

/// Outside of a transaction a statement would begin one, which nobody ends: a forgotten marker would be there still.
pub fn a_server_that_commits_nothing_by_itself_is_swept<P: Place<MariaDb>>() {
    let private = beginning::<P>("SET autocommit = 0");
    let served: Served<MariaDb, P> = of_small_batches(Served::on(private.database()), PACES[0]);
    whole(&served);
    let marked = served.database.texts("SELECT name FROM expunged_marker WHERE name LIKE 'batch:%'");
    assert!(marked.is_empty(), "{marked:?}");
    assert_eq!(served.database.texts("SELECT count(*) FROM expunged_marker"), ["1"]);
}

pub fn a_session_that_begins_as_one_that_only_reads_disposes_of_nothing<P: Place<MariaDb>>() {
    let private = beginning::<P>("SET SESSION TRANSACTION READ ONLY");
    let served: Served<MariaDb, P> = Served::on(private.database());
    served.put(&key("due"), due());
    let ran = served.world().run(&SWEEP);
    assert_eq!((ran.code, served.left()), (77, set(&["due"])), "{}", ran.text());
}
