//! How a walk goes through a table: the fastest way that is exact, chosen once a sweep from what the engine knows of the table.

use std::fmt;

use chrono::DateTime;

use super::connection::Connection;
use super::cursor::Place;
use super::dialect::{Class, Dialect};
use super::layer::layers;
use super::trigger::TriggerSql;
use super::{Cursor, Phase, mariadb, postgres};
use crate::datastore::error::DatastoreError;
use crate::model::datastore::Pace;
use crate::model::value::{Value, date_time, of_date_time, of_rfc3339};
use crate::rules::bind::{Reads, RowRule, TriggerKind};
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::Action;

/// How a walk goes through a dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// Its records are listed and locked, judged, and go by their keys: what depends on other rows, or leads on to some, goes no other
    /// way, and what any other way stumbles over goes this one.
    Listed,
    /// Stretch by stretch of the walk's order: each is read and locked, judged, and goes as that stretch.
    Stretches,
    /// By ranges of the trigger's index, counted off: each is read in a snapshot, judged, and goes as that range of the same snapshot. What
    /// somebody else has changed meanwhile is a conflict.
    Index,
    /// By ranges of the primary key, which the table itself is kept in the order of, in the same manner.
    Keys,
    /// By stretches of a line, in the same manner: where each ends is known before it is read.
    Measured(Line),
}

/// A line that all records of a walk are on.
#[derive(Clone, Copy, PartialEq)]
pub struct Line {
    pub(super) axis: Axis,
    /// Nothing that may be due is before it.
    pub(super) floor: i64,
    /// Here the first record is, by estimate.
    pub(super) first: i64,
    /// Nothing that may be due when the walk begins is at it or behind it.
    pub(super) end: i64,
    /// So many records that may be due are on each unit, by estimate.
    pub(super) density: f64,
    /// Whether a stretch may be read by a map of the pages that hold it.
    pub(super) mappable: bool,
    /// Whether the last stretch of whoever goes along it held at least a quarter of what had been foretold, and was not cut.
    pub(super) foretold: bool,
}

/// How a stretch of an index leads to its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// From one to the next, and no further than is asked for.
    InOrder,
    /// All of it is read ahead of the table, each of whose pages is then read once, however often the index comes back to it.
    Mapped,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// The table's own pages, by their numbers.
    Pages,
    /// What the trigger reads, as [`mark_of`] numbers it: an index leads along it.
    Trigger,
}

/// A stretch of a line: from, and up to, without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) axis: Axis,
    pub(super) from: i64,
    pub(super) until: i64,
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

    /// Sets the stretch of the next batch apart before it is read, and says where the walk goes on behind it; none: only reading tells, or
    /// nothing is behind it.
    pub fn set_apart(self, cursor: &Cursor, limit: u32) -> Option<(Cursor, Cursor)> {
        let Self::Measured(line) = self else { return None };
        let Span { axis, from, until } = cursor.span(line, limit);
        let (apart, behind) = (Place::On(axis, from, Some(until)), Place::On(axis, until, None));
        (until < line.end).then_some((Cursor(apart), Cursor(behind)))
    }

    /// Whether where a batch ends is known before it is read, and how many it holds is not.
    pub fn is_measured(self) -> bool {
        self.line().is_some()
    }

    /// The line that it goes along.
    pub(super) fn line(self) -> Option<Line> {
        if let Self::Measured(line) = self { Some(line) } else { None }
    }

    /// Whether a batch is what one snapshot shows, and nothing is locked before it goes: no two have a record in common, so that one may
    /// go while the one before is not committed yet. Where they meet all the same (a foreign key of the table to itself), it is a conflict.
    pub fn is_snapshot(self) -> bool {
        match self {
            Self::Index | Self::Keys | Self::Measured(_) => true,
            Self::Listed | Self::Stretches => false,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed => "record by record: listed, locked, judged, and named by their keys",
            Self::Stretches => "by stretches of the walk's order",
            Self::Index => "by ranges of the trigger's index, counted off",
            Self::Keys => "by ranges of the primary key",
            Self::Measured(Line { axis: Axis::Pages, .. }) => "by ranges of the table's pages",
            Self::Measured(Line { axis: Axis::Trigger, .. }) => "by ranges of the trigger's index, measured",
        })
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a record's trigger reads may be personal data.
        write!(f, "<line of {:?}>", self.axis)
    }
}

impl Line {
    /// So much of it holds about so many records that may be due.
    pub(super) fn stride(self, limit: u32) -> i64 {
        let (sparse, longest) = match self.axis {
            Axis::Pages => (SPARSE, LONGEST),
            // An index leads past what is not there.
            Axis::Trigger => (0.0, self.end.saturating_sub(self.first)),
        };
        #[expect(clippy::cast_possible_truncation, reason = "an estimate: what is beyond the line is cut")]
        let stride = (f64::from(limit) / self.density.max(sparse)) as i64;
        stride.min(longest).max(1)
    }

    /// How the next stretch is read. Of one that holds far more than it is to hold, a map is drawn of all of it, and of what has been deleted
    /// and is in the index still: only behind one that was as it seemed.
    pub(super) fn reading(self) -> Reading {
        if self.mappable && self.foretold { Reading::Mapped } else { Reading::InOrder }
    }

    /// What a stretch of it has shown that was measured so, and may have been cut to the second.
    pub(super) fn learn(&mut self, measured: Span, span: Span, found: usize) {
        let length = span.until.saturating_sub(span.from.max(self.first)).max(1);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (length, found_there) = (length as f64, found as f64);
        let density = found_there / length;
        let (cut, moment) = (span != measured, length <= 1.0);
        self.foretold = !cut && !moment && found > 0 && found_there * 4.0 >= self.density * length;
        self.density = match self.axis {
            // What stands at one moment says nothing of those beside it, and they say nothing where it was cut before it.
            Axis::Trigger if moment || (cut && found == 0) => self.density,
            // To pass what is not there costs nothing but the turns.
            Axis::Trigger if found == 0 => self.density / 16.0,
            Axis::Trigger | Axis::Pages => f64::midpoint(self.density, density),
        };
    }
}

impl Span {
    /// Less of it, where it holds more than a batch takes: `half` is the trigger of the record in the middle of those that come first. None:
    /// there is no less.
    pub(super) fn shorter(self, half: Option<i64>) -> Option<Self> {
        let until = match (self.axis, half) {
            (Axis::Pages, _) => self.from + (self.until - self.from) / 4,
            (Axis::Trigger, Some(half)) => half,
            (Axis::Trigger, None) => self.from,
        };
        let until = until.max(self.from.saturating_add(1));
        (until < self.until).then_some(Self { until, ..self })
    }
}

/// Where a trigger stands on its line: whole numbers as they are, times in microseconds since 1970. None: nowhere.
pub(super) fn mark_of(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(n) => Some(*n),
        Value::Instant(at) => Some(at.timestamp_micros()),
        Value::Text(text) => {
            let at = of_rfc3339(text).or_else(|| of_date_time(text).map(|at| at.and_utc()));
            at.map(|at| at.timestamp_micros())
        }
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

/// The reverse of [`mark_of`], for a column of this class; none: it has no such values.
pub(super) fn at_mark(mark: i64, class: Class) -> Option<Value> {
    match class {
        Class::Integer => Some(Value::Integer(mark)),
        Class::Instant => DateTime::from_timestamp_micros(mark).map(Value::Instant),
        Class::Naive => {
            DateTime::from_timestamp_micros(mark).map(|at| Value::Text(date_time(at.naive_utc())))
        }
        Class::Any
        | Class::Boolean
        | Class::Real
        | Class::Decimal
        | Class::Text
        | Class::Bytes
        | Class::Date
        | Class::Uuid
        | Class::Rows
        | Class::Other => None,
    }
}

/// The fastest way through a rule's records that is exact.
pub(super) async fn of(
    connection: &mut Connection,
    dialect: &Dialect,
    rule: RowRule<'_>,
    cutoffs: &Cutoffs,
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
            let of = (trigger, dialect.type_of(name, trigger).class);
            let (facts, sample) =
                postgres::facts::of(connection, dialect.schema_name(), name, of, indexed).await?;
            let way = choose(facts, due);
            if way != Way::Index || !facts.is_told_apart() {
                return Ok(way);
            }
            let Some(line) = along_triggers(cutoffs, &sample, due) else {
                // Where nothing can be measured, the index is no shorter than it was.
                return Ok(choose(Facts { alike: None, ..facts }, due));
            };
            // What the application's triggers and rules run would be planned without its indexes too.
            Ok(Way::Measured(Line { mappable: facts.mappable && !dialect.has_triggers(name), ..line }))
        }
    }
}

/// Along the trigger's index to the cut-off, by a sample of what the triggers read; none: none of it may be due.
fn along_triggers(cutoffs: &Cutoffs, sample: &[i64], due: u64) -> Option<Line> {
    // What stands at the epoch itself is never due.
    let floor = mark_of(&cutoffs.epoch)?.saturating_add(1);
    let end = mark_of(cutoffs.due.as_ref()?)?;
    let of_due = || sample.iter().copied().filter(|mark| (floor..end).contains(mark));
    let (first, last) = (of_due().min()?, of_due().max()?);
    // One alone does not say how far the others reach.
    let last = if last > first { last } else { end };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let density = due as f64 / last.saturating_sub(first).max(1) as f64;
    Some(Line { axis: Axis::Trigger, floor, first, end, density, mappable: false, foretold: false })
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
    /// How many records share a trigger, NULL left out; none: the engine does not know.
    pub(super) alike: Option<f64>,
    /// Whether an index leads with the trigger.
    pub(super) indexed: bool,
    /// Whether no index of another kind would be taken for that one where it is read as a map, and no deletion reaches other tables by foreign
    /// keys, where whatever runs would be planned so too.
    pub(super) mappable: bool,
}

impl Facts {
    /// Whether few records share a trigger, so that a stretch of its line can hold as many as it is to hold.
    fn is_told_apart(&self) -> bool {
        self.alike.is_some_and(|alike| alike <= MOST_ALIKE)
    }

    /// Over how many pages the records of one time are spread, where each is early or late by as much as the correlation allows.
    fn spread(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let pages = self.pages.unwrap_or(0) as f64;
        self.correlation
            .map_or(pages, |c| pages * (1.0 / (c * c).max(f64::MIN_POSITIVE) - 1.0).max(0.0).sqrt())
    }
}

/// A walk by pages finds its stride again, however long it has found nothing.
const SPARSE: f64 = 0.01;

/// No batch reads more pages: of 8 KiB, 128 MiB.
const LONGEST: i64 = 16_384;

/// More records than these at one time, and a stretch of times may hold far more than it is to hold.
const MOST_ALIKE: f64 = 100.0;

/// An index that leads through the table in its own order reads every page once, if the pages that it goes back and forth between stay
/// where they were read to: of 8 KiB, 32 MiB.
const NEAR: f64 = 4_096.0;

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
    // What is not due lies on no page that it leads to.
    let straight = facts.is_told_apart() && facts.spread() <= NEAR;
    if facts.indexed && (straight || share < if scattered { SCATTERED } else { LARGE }) {
        return Way::Index;
    }
    let end = i64::try_from(end).unwrap_or(i64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let density = due / (end.max(1) as f64);
    let (mappable, foretold) = (false, false);
    Way::Measured(Line { axis: Axis::Pages, floor: 0, first: 0, end, density, mappable, foretold })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts {
        plain: true,
        pages: Some(100_000),
        rows: 10_000_000.0,
        correlation: Some(0.9),
        alike: None,
        indexed: true,
        mappable: true,
    };

    const PAGES: Line = Line {
        axis: Axis::Pages,
        floor: 0,
        first: 0,
        end: 1_000,
        density: 25.0,
        mappable: false,
        foretold: false,
    };
    const TIMES: Line = Line {
        axis: Axis::Trigger,
        floor: 1,
        first: 5_000,
        end: 9_000,
        density: 2.5,
        mappable: true,
        ..PAGES
    };

    fn axis(way: Way) -> Option<Axis> {
        way.line().map(|line| line.axis)
    }

    fn on(axis: Axis, from: i64, until: i64) -> Span {
        Span { axis, from, until }
    }

    #[test]
    fn what_little_is_due_goes_by_the_index_and_much_by_the_pages() {
        assert_eq!(choose(FACTS, 100_000), Way::Index);
        assert_eq!(choose(FACTS, 2_499_999), Way::Index);
        let line = Line { end: 100_000, ..PAGES };
        assert_eq!(choose(FACTS, 2_500_000), Way::Measured(line));
    }

    #[test]
    fn an_index_that_leads_all_over_the_table_is_left_sooner() {
        let scattered = Facts { correlation: Some(0.01), ..FACTS };
        assert_eq!(choose(scattered, 199_999), Way::Index);
        assert_eq!(axis(choose(scattered, 200_000)), Some(Axis::Pages));
    }

    #[test]
    fn an_index_that_leads_straight_through_the_table_is_never_left() {
        let straight = Facts { correlation: Some(-1.0), alike: Some(1.1), ..FACTS };
        assert_eq!(choose(straight, 9_000_000), Way::Index);
        // Spread over a thirtieth of the table, and over a tenth.
        assert_eq!(choose(Facts { correlation: Some(0.9995), ..straight }, 9_000_000), Way::Index);
        assert_eq!(
            axis(choose(Facts { correlation: Some(0.995), ..straight }, 9_000_000)),
            Some(Axis::Pages)
        );
        // Where many share a moment, or nobody knows, no stretch of times can be measured.
        for alike in [Some(100.1), None] {
            assert_eq!(axis(choose(Facts { alike, ..straight }, 9_000_000)), Some(Axis::Pages));
        }
        assert_eq!(axis(choose(Facts { correlation: None, ..straight }, 9_000_000)), Some(Axis::Pages));
        assert_eq!(axis(choose(Facts { correlation: Some(0.0), ..straight }, 9_000_000)), Some(Axis::Pages));
    }

    #[test]
    fn stretches_are_set_apart_until_the_last_and_nothing_is_left_out() {
        let way = Way::Measured(PAGES);
        let (apart, behind) = way.set_apart(&Cursor::default(), 15_000).unwrap();
        let pages = |from, until| on(Axis::Pages, from, until);
        assert_eq!((apart.span(PAGES, 15_000), behind.span(PAGES, 15_000)), (pages(0, 400), pages(400, 800)));
        // Less of it is read at once: the rest comes before what is behind.
        assert_eq!(apart.span(PAGES, 3_750), pages(0, 100));
        let rest = apart.behind_span(pages(0, 100));
        assert_eq!((rest.is_apart(), rest.span(PAGES, 15_000)), (true, pages(100, 400)));
        // What is looked at record by record ends where they end.
        assert!(
            matches!(rest.closer(way, 15_000), Cursor(Place::Within(span, None)) if span == pages(100, 400))
        );
        let whole = rest.behind_span(pages(100, 400));
        assert_eq!((whole.is_apart(), whole.span(PAGES, 15_000)), (false, pages(400, 800)));
        // Behind the last pages there is nothing, and what has come to be there is read with them.
        let last = behind.behind_span(pages(400, 800));
        assert!(way.set_apart(&last, 15_000).is_none());
        assert_eq!(last.span(PAGES, 15_000), pages(800, 1_200));
        // Only reading tells where a range that is counted off ends.
        assert!(Way::Index.set_apart(&Cursor::default(), 15_000).is_none());
    }

    #[test]
    fn a_walk_along_the_triggers_begins_behind_the_epoch_and_ends_at_the_cut_off() {
        let way = Way::Measured(TIMES);
        let times = |from, until| on(Axis::Trigger, from, until);
        // Measured from the first that is there, and nothing before it is left out.
        let (apart, behind) = way.set_apart(&Cursor::default(), 7_500).unwrap();
        assert_eq!(apart.span(TIMES, 7_500), times(1, 7_000));
        assert_eq!(behind.span(TIMES, 7_500), times(7_000, 9_000));
        // What comes to be at the cut-off, or behind it, is not read at all.
        assert!(way.set_apart(&behind, 7_500).is_none());
        assert_eq!(behind.span(TIMES, 150_000), times(7_000, 9_000));
        assert_eq!(Cursor(Place::On(Axis::Trigger, 9_000, None)).span(TIMES, 1), times(9_000, 9_000));
        // However long nothing has been found, a stretch is no longer than all of it.
        assert_eq!(Line { density: 0.0, ..TIMES }.stride(1), 4_000);
        assert_eq!(Line { density: f64::INFINITY, ..TIMES }.stride(1), 1);
        assert_eq!(Line { first: i64::MIN, end: i64::MAX, density: 0.0, ..TIMES }.stride(1), i64::MAX);
    }

    #[test]
    fn a_stretch_that_holds_too_much_ends_where_half_of_what_was_read_ends() {
        let times = on(Axis::Trigger, 10, 1_000);
        assert_eq!(times.shorter(Some(30)), Some(on(Axis::Trigger, 10, 30)));
        // Most of them at its beginning: as little as there is.
        assert_eq!(times.shorter(Some(10)), Some(on(Axis::Trigger, 10, 11)));
        assert_eq!(on(Axis::Trigger, 10, 11).shorter(Some(10)), None);
        assert_eq!(on(Axis::Pages, 8, 16).shorter(None), Some(on(Axis::Pages, 8, 10)));
        assert_eq!(on(Axis::Pages, 8, 9).shorter(None), None);
    }

    #[test]
    fn a_line_learns_from_each_stretch_how_much_the_next_holds() {
        let after = |line: Line, from, until, found| {
            let mut line = line;
            let span = on(line.axis, from, until);
            line.learn(span, span, found);
            line.density
        };
        assert!((after(PAGES, 0, 100, 3_500) - 30.0).abs() < 1e-9);
        assert!((after(PAGES, 0, 100, 0) - 12.5).abs() < 1e-9);
        // Measured from the first that is there.
        assert!((after(TIMES, 1, 6_000, 3_500) - 3.0).abs() < 1e-9);
        assert!((after(TIMES, 6_000, 7_000, 0) - 2.5 / 16.0).abs() < 1e-9);
        assert!((after(TIMES, 6_000, 6_001, 1_000_000) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn a_stretch_is_mapped_only_behind_one_that_held_what_was_foretold() {
        assert_eq!(TIMES.reading(), Reading::InOrder, "nothing has been read");
        let after = |line: Line, found| {
            let mut line = line;
            line.learn(on(line.axis, 6_000, 7_000), on(line.axis, 6_000, 7_000), found);
            line.reading()
        };
        // 2.5 on each of a thousand.
        assert_eq!((after(TIMES, 625), after(TIMES, 2_500)), (Reading::Mapped, Reading::Mapped));
        assert_eq!((after(TIMES, 624), after(TIMES, 0)), (Reading::InOrder, Reading::InOrder));
        assert_eq!(after(Line { density: 0.0, ..TIMES }, 0), Reading::InOrder);
        assert_eq!(after(Line { mappable: false, ..TIMES }, 2_500), Reading::InOrder);
    }

    #[test]
    fn a_stretch_that_was_cut_foretells_nothing() {
        let after = |from, until, found| {
            let mut line = TIMES;
            line.learn(on(Axis::Trigger, from, 7_000), on(Axis::Trigger, from, until), found);
            (line.reading(), line.density)
        };
        // However much it holds; before the first that was known of; before a moment that holds too much, and that moment itself.
        assert_eq!(after(6_000, 6_500, 7_500), (Reading::InOrder, 8.75));
        assert_eq!(after(1, 4_000, 7_500), (Reading::InOrder, 2.5));
        assert_eq!(after(6_000, 6_500, 0), (Reading::InOrder, 2.5));
        assert_eq!(after(6_500, 6_501, 7_500), (Reading::InOrder, 2.5));
    }

    #[test]
    fn a_sample_says_where_what_is_due_begins_and_how_dense_it_is() {
        let cutoffs = Cutoffs {
            due: Some(Value::Integer(1_000)),
            overdue: None,
            future: Value::Integer(2_000),
            epoch: Value::Integer(0),
            instant: DateTime::UNIX_EPOCH,
        };
        let line = |sample: &[i64]| along_triggers(&cutoffs, sample, 900);
        let found = line(&[-5, 0, 100, 250, 400, 1_000, 1_500]).unwrap();
        assert_eq!((found.floor, found.first, found.end), (1, 100, 1_000));
        assert!((found.density - 3.0).abs() < 1e-9);
        // One of them, and none.
        assert!((line(&[100, 1_000]).unwrap().density - 1.0).abs() < 1e-9);
        assert_eq!(line(&[0, 1_000]), None);
        assert_eq!(along_triggers(&Cutoffs { due: None, ..cutoffs }, &[100], 1), None);
    }

    #[test]
    fn a_mark_stands_for_one_value_of_a_class() {
        for mark in [0, 1, 1_704_067_200_000_001, -62_135_596_800_000_000] {
            for class in [Class::Integer, Class::Instant, Class::Naive] {
                let value = at_mark(mark, class).unwrap();
                assert_eq!(mark_of(&value), Some(mark));
            }
        }
        assert_eq!(mark_of(&Value::Text("2024-01-01T00:00:00.000001Z".into())), Some(1_704_067_200_000_001));
        assert_eq!(mark_of(&Value::Text("infinity".into())), None);
        assert!(at_mark(0, Class::Date).is_none() && at_mark(i64::MAX, Class::Instant).is_none());
    }

    #[test]
    fn without_an_index_or_without_pages_the_other_is_what_there_is() {
        assert_eq!(axis(choose(Facts { indexed: false, ..FACTS }, 1)), Some(Axis::Pages));
        assert_eq!(choose(Facts { plain: false, ..FACTS }, 9_000_000), Way::Listed);
        assert_eq!(choose(Facts { pages: None, ..FACTS }, 9_000_000), Way::Index);
        assert_eq!(choose(Facts { pages: None, indexed: false, ..FACTS }, 9_000_000), Way::Listed);
    }
}
