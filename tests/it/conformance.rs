//! What every kind of datastore has to do: asked once, and answered by each. A new kind brings its own [`Kind`] and a line at
//! the end of this file.

mod cases;
mod cut;
mod files;
mod keys;
mod mariadb;
mod postgres;
mod rows;
mod served;
mod session;
mod sqlite;
mod tls;
mod transaction;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::world::World;

/// What identifies a record: the bytes of a text, or of a path.
type Key = Vec<u8>;

/// What a record's trigger reads.
#[derive(Debug, Clone, Copy)]
enum Trigger {
    At(DateTime<Utc>),
    /// No plausible time.
    Undated,
}

/// What the application found when it changed a record.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Done,
    /// The sweep holds the record.
    Locked,
}

/// A kind of datastore, with a world of its own: the rule `site/account` over it is due after 50 years, by UTC's calendar.
trait Kind: Sized {
    /// How `sweep` ends where it may read everything and dispose of nothing.
    const DENIED: i32;
    /// What becomes of a sweep whose first records, of which there are three, are about to be judged when one is renewed: its exit
    /// code, how many it found changed, and how many it had intended. A kind that lists ahead has listed the record as it was.
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64);

    /// An empty datastore.
    fn new() -> Self;
    fn world(&self) -> &World;
    fn put(&self, key: &Key, trigger: Trigger);
    /// The keys of all that is left.
    fn left(&self) -> BTreeSet<Key>;
    /// Places that hold no record any more, and yet are there.
    fn hollow(&self) -> BTreeSet<Key>;
    /// A key as a person types it.
    fn typed(key: &Key) -> String;
    /// What the application does so that a record is not due any more, without waiting.
    fn renew(&self, key: &Key) -> Change;
    /// Makes the datastore refuse this record and no other.
    fn poison(&self, key: &Key);
    fn cure(&self, key: &Key);
    /// Takes the permission to dispose of anything, and gives it back.
    fn deny(&self);
    fn allow(&self);
    /// Keys that break what is careless with them.
    fn from_hell() -> Vec<Key>;
    /// Points that a sweep of this kind alone passes.
    fn points() -> BTreeSet<String>;
}

macro_rules! cases {
    ($cases:ident, $($of:ty),+; $($case:ident),* $(,)?) => {
        cases!(@each $cases, ($($of),+); $($case),*);
    };
    (@each $cases:ident, $of:tt; $($case:ident),*) => {
        $(cases!(@one $cases, $of, $case);)*
    };
    (@one $cases:ident, ($($of:ty),+), $case:ident) => {
        #[test]
        fn $case() {
            super::$cases::$case::<$($of),+>();
        }
    };
}

/// What every kind is asked.
macro_rules! conformance {
    ($kind:ty) => {
        cases!(cases, $kind;
            exactly_the_due_set_goes_and_each_of_it_can_be_proved,
            a_second_sweep_does_nothing_and_proves_nothing_twice,
            a_record_renewed_before_the_decision_survives,
            a_record_renewed_after_the_intent_survives_or_could_not_be_renewed,
            without_permission_nothing_goes_and_nothing_is_claimed,
            a_crash_at_any_point_in_any_turn_loses_nothing_and_proves_nothing_twice,
            names_and_keys_from_hell_are_told_apart,
            what_is_on_hold_stays_even_when_overdue,
            a_hold_that_comes_before_the_intent_keeps_what_was_judged,
            a_pause_stops_before_the_next_intent,
            a_batch_that_the_state_does_not_take_stays,
            a_record_that_the_datastore_refuses_keeps_no_other,
        );
    };
}

/// What a server is asked besides.
macro_rules! conformance_of_a_server {
    ($engine:ty, $place:ty) => {
        conformance!(Served<$engine, $place>);
        cases!(cut, $engine, $place;
            a_commit_that_does_not_reach_the_server_is_rolled_back_and_done_again,
            a_commit_whose_answer_is_lost_is_found_done,
            a_connection_that_ends_behind_a_commit_loses_nothing,
            a_commit_that_is_still_on_its_way_is_waited_for,
            a_commit_that_is_still_on_its_way_at_the_restart_is_waited_for,
            a_server_killed_within_a_batch_and_started_again_loses_nothing,
            a_batch_stays_in_doubt_while_its_server_is_away,
            where_only_the_records_can_tell_a_batch_in_flight_is_waited_for,
        );
        cases!(session, $engine, $place;
            a_sweep_takes_one_connection_and_another_to_count_what_is_left,
            an_account_that_the_server_has_only_read_disposes_of_nothing,
        );
    };
}

/// And what a server is whose build knows TLS: the newest PostgreSQL's does not.
macro_rules! protection {
    ($engine:ty) => {
        cases!(tls, $engine, Standing;
            a_server_that_proves_who_it_is_is_swept_and_no_other,
            a_server_without_tls_is_swept_only_where_the_configuration_says_so,
        );
    };
}

/// And what PostgreSQL is, which remembers transactions.
macro_rules! conformance_of_postgres {
    ($place:ty) => {
        conformance_of_a_server!(Postgres, $place);
        cases!(transaction, $place;
            the_server_remembers_what_became_of_a_batch,
            a_number_that_the_server_lost_in_a_crash_says_nothing_of_a_batch,
            a_record_that_looks_like_one_of_a_batch_proves_nothing_where_the_server_remembers,
            a_transaction_in_flight_is_waited_for,
            a_transaction_that_does_not_end_leaves_its_batch_in_doubt,
        );
        cases!(session, $place; a_session_that_waits_longer_than_the_server_lets_it_goes_on);
    };
}

mod rows_in_sqlite {
    conformance!(super::sqlite::Sqlite);
}

mod rows_in_postgres {
    use super::served::{Served, Standing};
    use crate::servers::postgres::Postgres;
    conformance_of_postgres!(Standing);
    protection!(Postgres);
}

mod rows_in_the_newest_postgres {
    use super::served::{Newest, Served};
    use crate::servers::postgres::Postgres;
    conformance_of_postgres!(Newest);
}

mod rows_in_mariadb {
    use super::served::{Served, Standing};
    use crate::servers::mariadb::MariaDb;
    conformance_of_a_server!(MariaDb, Standing);
    protection!(MariaDb);
    cases!(session, Standing;
        a_server_that_commits_nothing_by_itself_is_swept,
        a_session_that_begins_as_one_that_only_reads_disposes_of_nothing,
    );
}

mod files_in_a_tree {
    conformance!(super::files::Files);
}
