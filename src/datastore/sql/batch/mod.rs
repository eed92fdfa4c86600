//! One batch: selected, judged by the caller, disposed of inside an open transaction, committed with an intent.

mod disposal;
mod reading;
mod writer;

pub use disposal::Judged;
pub(super) use reading::columns_read;
pub use writer::Writer;

use super::connection::Transaction;
use super::cursor::Order;
use super::dialect::Dialect;
use super::filter::not_held;
use super::layer::Held;
use super::marker::Incarnation;
use super::prepared::{FileIdentity, Witness};
use super::scout::Watermark;
use super::selection::{Page, Range};
use super::statement::Sql;
use super::trigger::TriggerSql;
use super::way::{Axis, Reading, Span, Way};
use super::{Cursor, Phase, selection};
use crate::datastore::error::DatastoreError;
use crate::model::value::Values;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::Action;

/// Records that wait for the judge: locked, or as one snapshot shows them.
pub struct Selected<'w> {
    transaction: Transaction<'w>,
    dialect: Dialect,
    rule: RowRule<'w>,
    cutoffs: &'w Cutoffs,
    phase: Phase,
    held: Vec<Held<'w>>,
    /// Where the selection starts, and how many it takes.
    from: Cursor,
    limit: u32,
    way: Way,
    /// Whether the transaction goes by one snapshot.
    snapshot: bool,
    /// How an index leads its statements to the records.
    reading: Reading,
    /// On which stretch of a line it is; none: the way is another.
    span: Option<Span>,
    /// The records, for the judge, and where the walk goes on.
    pub page: Page,
    /// Of each record, what the batch needs beside its key; none: nothing.
    beside: Option<Vec<Values>>,
    /// By which it is known whether another has written since; none: an engine where others go on writing.
    watermark: Option<Watermark>,
    /// Whether its records were taken as they had been read ahead.
    taken: bool,
    /// The batches before, whose markers go with this one's commit.
    sealed: &'w mut Vec<String>,
    witness: Witness,
    incarnation: Incarnation,
    file: Option<FileIdentity>,
}

impl Selected<'_> {
    /// Ends the transaction; everything is as it was before it.
    pub async fn rollback(self) -> Result<(), DatastoreError> {
        self.transaction.rollback().await
    }

    /// Whether others may stand in it, or come into it, that a list of its records would leave alone.
    pub fn is_loose(&self) -> bool {
        self.way != Way::Listed && !self.has_locked_everybody_out()
    }

    /// What a [`Scout`](super::Scout) needs to read ahead of the batch behind this one; none: it cannot.
    pub fn watermark(&self) -> Option<Watermark> {
        self.watermark.filter(|_| self.way == Way::Stretches)
    }

    /// Whether it was read ahead, and nobody has written since.
    pub fn is_taken(&self) -> bool {
        self.taken
    }

    /// The way that the batch went, with what it has shown of the table.
    pub fn way(&self) -> Way {
        self.way
    }

    fn range(&self) -> Range<'_> {
        let by = if self.way == Way::Keys { Order::Key } else { Order::of(self.rule, self.phase) };
        let order = self.from.order(by);
        Range {
            phase: self.phase,
            cursor: &self.from,
            order,
            limit: match self.span {
                None => self.limit,
                // It goes as a whole, and no page holds many.
                Some(Span { axis: Axis::Pages, from, until }) if until - from <= 1 => u32::MAX,
                Some(_) => self.limit.saturating_add(1),
            },
            lock: None,
            span: self.span,
            reading: self.reading,
        }
    }

    /// Whether the predicate looks at rows that may go with the batch as dependents.
    fn reads_other_tables(&self) -> bool {
        TriggerSql::of(&self.dialect, self.rule).own_column().is_none() || !self.rule.rule().unless.is_empty()
    }

    /// Whether the statement that disposes of the records names each of them.
    fn names_records(&self) -> bool {
        self.way == Way::Listed || self.held[0].layer.action != &Action::Delete
    }

    /// Whether nobody else can write until the batch ends, so that what was read is what is there.
    fn has_locked_everybody_out(&self) -> bool {
        matches!(self.dialect, Dialect::Sqlite)
    }

    /// The records that may go: the whole predicate of the phase, or a stretch that implies it, and nobody who is held. Every statement that
    /// decides repeats it.
    fn push_due(&self, sql: &mut Sql) {
        match self.span {
            Some(span) => selection::on_span(sql, self.rule, self.cutoffs, span),
            None => selection::condition(sql, self.rule, self.cutoffs, self.phase),
        }
        if let Some(people) = self.rule.people() {
            sql.push(" AND ");
            not_held(sql, self.rule, people);
        }
    }
}
