//! What a batch reads: its records, for the judge.

use super::Selected;
use crate::datastore::error::DatastoreError;
use crate::datastore::sql::connection::{IN_ORDER, Transaction};
use crate::datastore::sql::cursor::{Place, Side, columns_of};
use crate::datastore::sql::dialect::{Dialect, Expression, Wait};
use crate::datastore::sql::layer::Layer;
use crate::datastore::sql::scout::{Seen, Watermark};
use crate::datastore::sql::selection::{Range, page, sources};
use crate::datastore::sql::statement::Sql;
use crate::datastore::sql::way::{self, Reading, Way};
use crate::datastore::sql::{Cursor, Phase, selection, sqlite};
use crate::hook;
use crate::model::value::Values;
use crate::rules::bind::RowRule;

impl Selected<'_> {
    /// Reads the records, and locks them. Those that were read ahead are as they were if nobody else has written since.
    pub(super) async fn read_page(&mut self, seen: Option<Seen>) -> Result<(), DatastoreError> {
        let operation = "select a batch";
        let key = self.rule.table().key.len();
        let (columns, width) = columns_read(&self.dialect, self.rule, &self.held[0].layer, self.phase);
        let lock = match self.way {
            Way::Listed => Some(Wait::Skip),
            Way::Stretches => Some(Wait::Never),
            Way::Index | Way::Keys | Way::Measured(_) => None,
        };
        if let Transaction::Sqlite(transaction) = &mut self.transaction {
            self.watermark = Some(Watermark(sqlite::connect::watermark(transaction).await?));
        }
        let mut rows = match seen {
            Some(seen) if self.watermark == Some(seen.watermark) => {
                hook::note("taken as it was read ahead");
                self.taken = true;
                seen.rows
            }
            Some(_) | None => {
                let range = Range { lock, ..self.range() };
                let select = self
                    .dialect
                    .select(&columns, |sql| selection::selection(sql, self.rule, self.cutoffs, range));
                self.transaction.handle().rows(&select, operation).await?
            }
        };
        // It holds more than a batch takes: less of it will do.
        while let Some(span) = self.span
            && rows.len() >= self.range().limit as usize
        {
            if self.reading == Reading::Mapped {
                // Which of them come first, only the index says.
                self.reading = Reading::InOrder;
                self.transaction.handle().run(&self.dialect.sql(IN_ORDER), operation).await?;
            } else {
                let half = rows.get(rows.len() / 2).and_then(|row| way::mark_of(row.get(key)?));
                let Some(shorter) = span.shorter(half) else {
                    return Err(DatastoreError::Crowded { within: Cursor(Place::Within(span, None)) });
                };
                self.span = Some(shorter);
            }
            let range = self.range();
            let select = self
                .dialect
                .select(&columns, |sql| selection::selection(sql, self.rule, self.cutoffs, range));
            rows = self.transaction.handle().rows(&select, operation).await?;
        }
        let next = self.page_of(&mut rows, width)?;
        let skipped = lock == Some(Wait::Skip) && !self.has_locked_everybody_out();
        let passed_over = if skipped { self.passed_over().await? } else { 0 };
        if self.reads_other_tables() && !self.has_locked_everybody_out() && !self.page.keys.is_empty() {
            // The records are locked. What tells that they are due is read again, as it is now.
            let keys = std::mem::take(&mut self.page.keys);
            let select = self.dialect.select(&columns, |sql| self.again(sql, &keys));
            let mut rows = self.transaction.handle().rows(&select, operation).await?;
            let last = self.page.last;
            self.page_of(&mut rows, width)?;
            self.page.last = last;
            // The walk goes on behind the last that was locked, whatever is left of them.
            self.page.next = next;
        }
        self.page.passed_over = passed_over;
        Ok(())
    }

    /// How many records lie in the stretch and were locked by somebody else when it was read. Who has given a record back, or changed it,
    /// since then may make it one more or less.
    async fn passed_over(&mut self) -> Result<u64, DatastoreError> {
        let range = self.range();
        let is_full = u32::try_from(self.page.selected()).is_ok_and(|n| n >= range.limit);
        let select = self.dialect.select(&[Expression::integer("count(*)")], |sql| {
            let own = self.dialect.table(self.rule.table().name);
            sql.push(&format!(" FROM {own} AS t WHERE "));
            selection::condition(sql, self.rule, self.cutoffs, self.phase);
            let order = columns_of(&self.dialect, self.rule, range.order);
            self.from.push(sql, &order, Side::After);
            if is_full {
                self.page.next.push(sql, &order, Side::UpTo);
            }
        });
        let there = self.transaction.handle().number(&select, "count what somebody has locked").await?;
        Ok(there.saturating_sub(self.page.selected() as u64))
    }

    /// Keeps what was read; where the walk goes on behind it.
    fn page_of(&mut self, rows: &mut Vec<Values>, width: usize) -> Result<Cursor, DatastoreError> {
        let all_told = rows.iter().all(|row| row.len() == width);
        self.beside = (!all_told).then(|| rows.iter_mut().map(|row| row.drain(width..).collect()).collect());
        self.page = page(&self.dialect, self.rule, self.range(), std::mem::take(rows))?;
        if let (Way::Measured(line), Some(span)) = (&mut self.way, self.span) {
            (self.page.next, self.page.last) = (self.from.behind_span(span), span.until >= line.end);
            line.learn(self.from.span(*line, self.limit), span, self.page.selected());
        }
        Ok(self.page.next.clone())
    }

    /// The rest of a selection of these records by their keys, with the whole predicate.
    fn again(&self, sql: &mut Sql, keys: &[Values]) {
        let layer = &self.held[0].layer;
        let own = self.dialect.table(layer.table);
        sql.push(" FROM ").bulk(&layer.carried_key(&self.dialect), keys);
        sql.push(&format!(" JOIN {own} AS t ON {} WHERE ", layer.is_carried(&self.dialect)));
        selection::condition(sql, self.rule, self.cutoffs, self.phase);
        let order = columns_of(&self.dialect, self.rule, self.range().order);
        let order: Vec<&str> = order.iter().map(|x| x.sql.as_str()).collect();
        sql.push(&format!(" ORDER BY {}", order.join(", ")));
    }
}

/// What a batch of a phase reads of each record: so many columns for the judge, and behind them what else it needs.
pub(in crate::datastore::sql) fn columns_read(
    dialect: &Dialect,
    rule: RowRule<'_>,
    own: &Layer<'_>,
    phase: Phase,
) -> (Vec<Expression>, usize) {
    let told = sources(dialect, rule, Some(phase));
    let width = told.len();
    let beside = own.columns(dialect).split_off(own.key.len());
    ([told, beside].concat(), width)
}
