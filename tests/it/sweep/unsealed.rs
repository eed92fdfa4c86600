//! A batch that is committed and cannot be sealed: whatever fails behind the commit, its marker stays until the ledger knows.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::world::{DELETED_AT, World, block, rules};

#[test]
fn a_seal_that_fails_leaves_the_marker_that_tells_the_next_start_what_was_committed() {
    let world = World::new(
        &rules(DELETED_AT, ""),
        "CREATE TABLE account (id INTEGER NOT NULL PRIMARY KEY, deleted_at timestamptz); \
         INSERT INTO account VALUES (1, '1971-01-01T00:00:00.000000Z'), (2, '1971-01-01T00:00:00.000000Z'), \
         (3, '1971-01-01T00:00:00.000000Z')",
    );
    world.configure("[defaults]\n", "[defaults]\nbatch = 1\n");
    // Somebody else has the state, as a full disk would.
    let mut other = None;
    let ran = world.run_paused("commit.after:1", &["sweep"], || {
        other = Some(block(async {
            let options = SqliteConnectOptions::new().filename(world.path("state.db"));
            let mut connection = options.connect().await.unwrap();
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            connection
        }));
    });
    assert_ne!(ran.code, 0, "{}", ran.text());
    block(async { other.unwrap().close().await }).unwrap();
    let gone = 3 - world.ids("SELECT id FROM account").len() as u64;
    assert_eq!(
        (gone, world.entries("batch.committed").len()),
        (1, 0),
        "committed, and not sealed: {}",
        ran.text()
    );
    world.ran(&["sweep"], 0);
    assert_eq!(world.records("batch.committed"), 3, "each that went has its entry");
    assert!(world.entries("batch.aborted").is_empty());
    world.ran(&["ledger", "verify"], 0);
}
