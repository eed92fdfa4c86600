//! How a walk goes through a table: the fastest way that is exact, chosen once a sweep from what the engine knows of the table.

use std::fmt;

use super::connection::Connection;
use super::dialect::{Class, Dialect};
use super::layer::layers;
use super::trigger::TriggerSql;
use super::{Cursor, Phase, Place, mariadb, postgres};
use crate::datastore::error::DatastoreError;
use crate::model::datastore::Pace;
use crate::rules::bind::{Reads, RowRule, TriggerKind};
use crate::rules::rule::Action;

/// How a walk goes through a dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// Its records are listed and locked, judged, and go by their keys: what depends on other rows, or leads on to some, goes no other
    /// way, and what any other way stumbles over goes this one.
    Listed,
    /// Stretch by stretch of the walk's order: each is read and locked, judged, and goes as that stretch.
    Stretches,
    /// By ranges of the trigger's index: each is read in a snapshot, judged, and goes as that range of the same snapshot. What somebody
    /// else has changed meanwhile is a conflict.
    Index,
    /// By ranges of the primary key, which the table itself is kept in the order of, in the same manner.
    Keys,
    /// By the table's own pages, from the first to the last that there is now, in the same manner.
    Pages {
        /// How many there are.
        end: u64,
        /// So many records that may be due are on each, by estimate.
        density: f64,
    },
}

/// What a walk has before it.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// So many records may be due.
    pub due: u64,
    /// How fast it may go.
    pub pace: Pace,
}

impl Way {
    /// The way on from a cursor.
    pub(super) fn at(self, cursor: &Cursor) -> Self {
        if cursor.is_within() { Self::Listed } else { self }
    }

    /// The same stretch, to be looked at record by record: where that begins, and ends.
    pub fn closer(self, cursor: &Cursor, limit: u32) -> Cursor {
        cursor.closer(self, limit)
    }

    /// Sets the pages of the next batch apart before they are read, and says where the walk goes on behind them; none: only reading
    /// tells, or nothing is behind them.
    pub fn set_apart(self, cursor: &Cursor, limit: u32) -> Option<(Cursor, Cursor)> {
        let Self::Pages { end, .. } = self else { return None };
        let (start, until) = cursor.pages(self, limit);
        let (apart, behind) = (Place::Page(start, Some(until)), Place::Page(until, None));
        (until < end).then_some((Cursor(apart), Cursor(behind)))
    }

    /// So many pages hold about so many records that may be due.
    pub(super) fn stride(self, limit: u32) -> u64 {
        let Self::Pages { density, .. } = self else { return 1 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate, and in bounds"
        )]
        let pages = (f64::from(limit) / density.max(SPARSE)).min(LONGEST) as u64;
        pages.max(1)
    }

    /// Whether a batch is what one snapshot shows, and nothing is locked before it goes: no two have a record in common, so that one may
    /// go while the one before is not committed yet. Where they meet all the same (a foreign key of the table to itself), it is a conflict.
    pub fn is_snapshot(self) -> bool {
        match self {
            Self::Index | Self::Keys | Self::Pages { .. } => true,
            Self::Listed | Self::Stretches => false,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed => "record by record: listed, locked, judged, and named by their keys",
            Self::Stretches => "by stretches of the walk's order",
            Self::Index => "by ranges of the trigger's index",
            Self::Keys => "by ranges of the primary key",
            Self::Pages { .. } => "by ranges of the table's pages",
        })
    }
}

/// The fastest way through a rule's records that is exact.
pub(super) async fn of(
    connection: &mut Connection,
    dialect: &Dialect,
    rule: RowRule<'_>,
    phase: Phase,
    Ahead { due, pace }: Ahead,
) -> Result<Way, DatastoreError> {
    let Reads::Own(trigger) = rule.table().reads else { return Ok(Way::Listed) };
    // What hangs on the records, what they become and what keeps them is read record by record.
    let by_itself = layers(rule, 0).len() == 1
        && rule.bound().shares().len() == 1
        && phase == Phase::Exact
        // What a pseudonym stands for is read row by row, which PostgreSQL's ways do anyway.
        && (rule.rule().action == Action::Delete || matches!(dialect, Dialect::Postgres(_)))
        && rule.rule().unless.is_empty()
        && TriggerSql::of(dialect, rule).is_compared();
    match connection {
        _ if !by_itself => Ok(Way::Listed),
        Connection::Sqlite(_) if rule.table().integer_key => Ok(Way::Stretches),
        Connection::Sqlite(_) => Ok(Way::Listed),
        Connection::MariaDb(connection) => {
            let ty = |name| dialect.type_of(rule.table().name, name).class;
            let ordered = rule.table().key.iter().all(|name| ty(name) != Class::Other);
            if !ordered {
                return Ok(Way::Listed);
            }
            if !dialect.has_snapshots() {
                return Ok(Way::Stretches);
            }
            let size = mariadb::size::estimate(connection, dialect.schema_name(), rule.table().name).await?;
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let share = due as f64 / size.map_or(0, |size| size.rows).max(1) as f64;
            Ok(match rule.table().trigger_indexed {
                // It locks what it looks at between those that go: not where a sweep is asked to be invisible.
                _ if share >= LARGE && pace == Pace::Unlimited => Way::Keys,
                true => Way::Index,
                // It would lock what it only looks at.
                false => Way::Stretches,
            })
        }
        Connection::Postgres(connection) => {
            let (name, indexed) = (rule.table().name, rule.table().trigger_indexed);
            let facts =
                postgres::facts::of(connection, dialect.schema_name(), name, trigger, indexed).await?;
            Ok(choose(facts, due))
        }
    }
}

/// Whether some of a rule's records may be due and only the judge can tell: of what has the type of a time or of a number, it reads
/// nothing that SQL cannot compare.
pub(super) fn leaves_to_the_judge(dialect: &Dialect, rule: RowRule<'_>) -> bool {
    matches!(dialect, Dialect::Sqlite) || matches!(rule.trigger(), TriggerKind::Text(..))
}

/// What the engine knows of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Facts {
    /// Whether it stores its rows itself: those of partitions, and of tables that inherit, share their places.
    pub(super) plain: bool,
    /// Pages of the table; none: it has none that a statement can name.
    pub(super) pages: Option<u64>,
    /// Rows by estimate.
    pub(super) rows: f64,
    /// How the trigger's order follows that of the pages, from -1 to 1; none: the engine does not know.
    pub(super) correlation: Option<f64>,
    /// Whether an index leads with the trigger.
    pub(super) indexed: bool,
}

/// A walk finds its stride again, however long it has found nothing.
const SPARSE: f64 = 0.01;

/// No batch reads more pages: of 8 KiB, 128 MiB.
const LONGEST: f64 = 16_384.0;

/// From this part of a table on, its pages are read no more often than rows go (docs/measurements.md: the crossover lies between a
/// tenth and a half).
const LARGE: f64 = 0.25;

/// The same where the index leads all over the table, and each row costs a page of its own.
const SCATTERED: f64 = 0.02;

/// Below this, an order does not follow the pages.
const FOLLOWS: f64 = 0.5;

/// The way for so many records that may be due.
pub(super) fn choose(facts: Facts, due: u64) -> Way {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let due = due as f64;
    let share = due / facts.rows.max(1.0);
    if !facts.plain {
        return Way::Listed;
    }
    let Some(end) = facts.pages else { return if facts.indexed { Way::Index } else { Way::Listed } };
    let scattered = facts.correlation.is_some_and(|c| c.abs() < FOLLOWS);
    if facts.indexed && share < if scattered { SCATTERED } else { LARGE } {
        return Way::Index;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let density = due / (end.max(1) as f64);
    Way::Pages { end, density }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts =
        Facts { plain: true, pages: Some(1_000), rows: 100_000.0, correlation: Some(1.0), indexed: true };

    #[test]
    fn what_little_is_due_goes_by_the_index_and_much_by_the_pages() {
        assert_eq!(choose(FACTS, 1_000), Way::Index);
        assert_eq!(choose(FACTS, 24_999), Way::Index);
        assert_eq!(choose(FACTS, 25_000), Way::Pages { end: 1_000, density: 25.0 });
    }

    #[test]
    fn an_index_that_leads_all_over_the_table_is_left_sooner() {
        let scattered = Facts { correlation: Some(0.01), ..FACTS };
        assert_eq!(choose(scattered, 1_999), Way::Index);
        assert!(matches!(choose(scattered, 2_000), Way::Pages { .. }));
    }

    #[test]
    fn pages_are_set_apart_until_the_last_and_none_is_left_out() {
        let way = Way::Pages { end: 1_000, density: 25.0 };
        let (apart, behind) = way.set_apart(&Cursor::default(), 10_000).unwrap();
        assert_eq!((apart.pages(way, 10_000), behind.pages(way, 10_000)), ((0, 400), (400, 800)));
        // Fewer of them are read at once: the rest of them comes before those behind.
        assert_eq!(apart.pages(way, 2_500), (0, 100));
        let rest = apart.behind_pages(100);
        assert_eq!((rest.is_apart(), rest.pages(way, 10_000)), (true, (100, 400)));
        // What is looked at record by record ends where they end.
        assert!(matches!(rest.closer(way, 10_000), Cursor(Place::Within(100, 400, None))));
        let whole = rest.behind_pages(400);
        assert_eq!((whole.is_apart(), whole.pages(way, 10_000)), (false, (400, 800)));
        // Behind the last pages there is nothing, and what has come to be there is read with them.
        let last = behind.behind_pages(800);
        assert!(way.set_apart(&last, 10_000).is_none());
        assert_eq!(last.pages(way, 10_000), (800, 1_200));
        // Only reading tells where a range of an index ends.
        assert!(Way::Index.set_apart(&Cursor::default(), 10_000).is_none());
    }

    #[test]
    fn without_an_index_or_without_pages_the_other_is_what_there_is() {
        assert!(matches!(choose(Facts { indexed: false, ..FACTS }, 1), Way::Pages { .. }));
        assert_eq!(choose(Facts { plain: false, ..FACTS }, 90_000), Way::Listed);
        assert_eq!(choose(Facts { pages: None, ..FACTS }, 90_000), Way::Index);
        assert_eq!(choose(Facts { pages: None, indexed: false, ..FACTS }, 90_000), Way::Listed);
    }
}
