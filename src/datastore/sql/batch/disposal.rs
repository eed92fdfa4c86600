//! What becomes of a batch that was judged: disposed of inside its open transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Selected;
use crate::datastore::PreparedPart;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::sql::cursor::{Side, columns_of};
use crate::datastore::sql::dialect::{Dialect, Expression};
use crate::datastore::sql::identity::Identity;
use crate::datastore::sql::prepared::Prepared;
use crate::datastore::sql::share::Extent;
use crate::datastore::sql::trigger::TriggerSql;
use crate::datastore::sql::way::Way;
use crate::datastore::sql::{Phase, level, share};
use crate::hook;
use crate::model::level::Level;
use crate::model::value::Values;
use crate::pseudonym::PseudonymKey;
use crate::rules::decide::Due;
use crate::rules::rule::Action;

/// A batch that holds what the judge called due, and nothing else. Nothing has been changed yet.
pub struct Judged<'w> {
    selected: Selected<'w>,
    due: Arc<Vec<Due>>,
}

impl<'w> Judged<'w> {
    /// The records.
    pub fn due(&self) -> &Arc<Vec<Due>> {
        &self.due
    }

    /// Ends the transaction; everything is as it was before it.
    pub async fn rollback(self) -> Result<(), DatastoreError> {
        self.selected.rollback().await
    }

    /// Their keys: to be sealed with the intent, and kept nowhere else.
    pub fn identity(&mut self) -> Identity {
        let named = self.selected.names_records();
        let keys = &mut self.selected.page.keys;
        let keys = if named { keys.clone() } else { std::mem::take(keys) };
        Identity::of(self.selected.rule, keys)
    }

    /// Disposes of the records and their dependents inside the open transaction. Nothing is irreversible yet: dropping what this
    /// returns rolls back. `at` goes into the marks.
    ///
    /// An [`EngineError::Refused`] means that one of the rows cannot go; the transaction has been rolled back.
    pub async fn dispose(
        self,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        let Self { mut selected, due } = self;
        let disposed = match selected.dispose_layers(&due, at, pseudonyms).await {
            Ok(parts) => selected.remember_heaps(&parts).await.map(|()| parts),
            Err(error) => Err(error),
        };
        match disposed {
            Ok(parts) => Ok(Prepared {
                transaction: selected.transaction,
                dialect: selected.dialect,
                held: selected.held,
                parts,
                identities: None,
                sealed: selected.sealed,
                marked: None,
                witness: selected.witness,
                incarnation: selected.incarnation,
                file: selected.file,
            }),
            Err(error) => {
                selected.transaction.undo().await?;
                Err(error)
            }
        }
    }
}

impl<'w> Selected<'w> {
    /// Takes what was not judged due out of the batch.
    pub fn keep_only(mut self, due: Vec<Due>) -> Result<Judged<'w>, DatastoreError> {
        if due.len() < self.page.selected() {
            self.way = Way::Listed;
            let keep: Vec<usize> =
                due.iter().filter_map(|due| usize::try_from(due.position()).ok()).collect();
            let unexpected = || DatastoreError::Unexpected {
                operation: "narrow a batch to what is due",
                expected: "a place among its records for each that is due".to_owned(),
                observed: "another".to_owned(),
            };
            self.page.keys = at_places(&self.page.keys, &keep).ok_or_else(unexpected)?;
            if let Some(beside) = &mut self.beside {
                *beside = at_places(beside, &keep).ok_or_else(unexpected)?;
            }
            if self.phase == Phase::Candidates {
                self.page.readings = at_places(&self.page.readings, &keep).ok_or_else(unexpected)?;
            }
        }
        Ok(Judged { selected: self, due: Arc::new(due) })
    }

    /// Remembers what the server knows the heaps by that hold the records and these, where more than their deletion is asked for.
    async fn remember_heaps(&mut self, parts: &[PreparedPart]) -> Result<(), DatastoreError> {
        if self.rule.rule().then != Level::Logical {
            let parts = parts.iter().map(|part| part.dataset.as_str());
            let tables: Vec<&str> = parts.chain([self.rule.table().name.as_str()]).collect();
            self.incarnation.heaps =
                level::heaps(&mut self.transaction.handle(), &self.dialect, &tables).await?;
        }
        Ok(())
    }

    async fn dispose_layers(
        &mut self,
        due: &[Due],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Vec<PreparedPart>, DatastoreError> {
        if self.names_records() {
            let keys = &self.page.keys;
            self.held[0].put(match self.beside.take() {
                None => keys.clone(),
                Some(beside) => {
                    let rows = keys.iter().zip(beside);
                    rows.map(|(key, beside)| key.iter().cloned().chain(beside).collect()).collect()
                }
            });
        }
        share::gather(&mut self.transaction.handle(), &self.dialect, &mut self.held, &[]).await?;
        hook::pause("gathered");
        share::name_once(&mut self.held);
        if self.reads_other_tables() && !self.repeats_predicate() {
            self.confirm(due.len()).await?;
        }
        let mut parts = Vec::new();
        // What hangs lowest goes first, so that no foreign key ever points to nothing.
        for held in self.held[1..].iter().rev() {
            parts.extend(
                share::dispose(&mut self.transaction.handle(), &self.dialect, held, at, pseudonyms).await?,
            );
        }
        self.dispose_own(due, at, pseudonyms).await?;
        share::settle(&mut self.transaction.handle(), &self.dialect, &self.held).await?;
        parts.reverse();
        Ok(parts)
    }

    /// Whether the statement that disposes of the records repeats the whole predicate: not where rows that it looks at may have gone
    /// with the batch by then.
    fn repeats_predicate(&self) -> bool {
        // MariaDB would lock the other rows that it looks at, and wait for whoever has them.
        let looks_freely = !matches!(self.dialect, Dialect::MariaDb(_));
        !self.reads_other_tables() || (self.held.len() == 1 && looks_freely)
    }

    /// The records by their keys; where SQL could not compare their triggers, with what these read.
    fn named(&self) -> Vec<Values> {
        let keys = self.page.keys.iter();
        match self.phase {
            Phase::Candidates => keys
                .zip(&self.page.readings)
                .map(|(key, reading)| key.iter().chain([reading]).cloned().collect())
                .collect(),
            Phase::Exact | Phase::Regular | Phase::Demanded => keys.cloned().collect(),
        }
    }

    /// Asks once more whether every record of the batch is still due, before any of its dependents goes: afterwards the
    /// rows that tell would be gone.
    async fn confirm(&mut self, expected: usize) -> Result<(), DatastoreError> {
        let operation = "confirm that a batch is still due";
        let layer = &self.held[0].layer;
        let trigger = TriggerSql::of(&self.dialect, self.rule);
        let judged = (self.phase == Phase::Candidates).then_some(&trigger);
        let select = self.dialect.select(&[Expression::integer("count(*)")], |sql| {
            let mut columns = layer.carried_key(&self.dialect);
            columns.extend(judged.map(|_| ("trig".to_owned(), self.dialect.text_or_any().clone())));
            sql.push(" FROM ").bulk(&columns, &self.named());
            let own = self.dialect.table(layer.table);
            sql.push(&format!(" JOIN {own} AS t ON {} WHERE TRUE", layer.is_carried(&self.dialect)));
            if let Some(trigger) = judged {
                sql.push(&format!(" AND {}", trigger.unchanged()));
            }
            sql.push(" AND ");
            self.push_due(sql);
        });
        let confirmed = self.transaction.handle().number(&select, operation).await?;
        if usize::try_from(confirmed) == Ok(expected) {
            return Ok(());
        }
        if self.has_locked_everybody_out() {
            return Err(share::unexpected(operation, expected, confirmed, layer.table));
        }
        let source = EngineError::Refused("what it depends on has changed meanwhile");
        Err(DatastoreError::Statement { operation, source })
    }

    /// The rule's own records. Their keys are known to the caller.
    async fn dispose_own(
        &mut self,
        due: &[Due],
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<(), DatastoreError> {
        let layer = &self.held[0].layer;
        let trigger = TriggerSql::of(&self.dialect, self.rule);
        let mut sql = match layer.action {
            Action::Delete if self.way != Way::Listed => {
                let deleted = if let Dialect::MariaDb(_) = self.dialect { "t FROM" } else { "FROM" };
                let own = self.dialect.table(layer.table);
                let mut sql = self.dialect.sql(format!("DELETE {deleted} {own} AS t WHERE TRUE"));
                // Of a line, the predicate names the stretch.
                if self.span.is_none() {
                    let order = columns_of(&self.dialect, self.rule, self.range().order);
                    self.from.push(&mut sql, &order, Side::After);
                    self.page.next.push(&mut sql, &order, Side::UpTo);
                }
                sql
            }
            Action::Delete => {
                // What told may have gone with the batch by now: it was asked before.
                let judged = self.phase == Phase::Candidates && self.repeats_predicate();
                layer.delete(&self.dialect, &self.named(), judged.then_some(&trigger))
            }
            Action::Pseudonymize { mark, .. } => {
                layer.update(&self.dialect, mark, at, &self.held[0].replacements(pseudonyms)?)
            }
        };
        if self.repeats_predicate() {
            sql.push(" AND ");
            self.push_due(&mut sql);
        }
        drop(trigger);
        if self.snapshot {
            sql.text.insert_str(0, self.dialect.at_once());
        }
        let extent = if self.names_records() { Extent::Named } else { Extent::Stretch };
        share::change(&mut self.transaction.handle(), &self.held[0].layer, &sql, (due.len(), extent)).await
    }
}

fn at_places<T: Clone>(all: &[T], places: &[usize]) -> Option<Vec<T>> {
    places.iter().map(|at| all.get(*at).cloned()).collect()
}
