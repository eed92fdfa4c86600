//! One batch: selected, judged by the caller, disposed of inside an open transaction, committed with an intent.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::connection::{Access, Connection, IN_ORDER, Layout, Transaction, open_again, promote};
use super::cursor::{Order, Place, Side, columns_of};
use super::dialect::{Dialect, Expression, Wait};
use super::filter::not_held;
use super::identity::{Identities, Identity};
use super::layer::{Held, Layer, layers};
use super::marker::{self, Evidence, Incarnation};
use super::prepared::{FileIdentity, Prepared, Witness};
use super::read::{self, Reader};
use super::scout::{Seen, Watermark};
use super::selection::{Page, Range, page, sources};
use super::share::{Extent, Links};
use super::statement::Sql;
use super::trigger::TriggerSql;
use super::way::{self, Ahead, Axis, Line, Reading, Span, Way};
use super::{Cursor, Phase, level, postgres, selection, share, sqlite};
use crate::datastore::PreparedPart;
use crate::datastore::error::{DatastoreError, EngineError};
use crate::hook;
use crate::model::catalogue::Catalogue;
use crate::model::datastore::Datastore;
use crate::model::level::Level;
use crate::model::name::TableName;
use crate::model::value::Values;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::Due;
use crate::rules::rule::Action;

/// A connection that may dispose of records.
pub struct Writer {
    connection: Connection,
    dialect: Dialect,
    incarnation: Incarnation,
    /// Which PostgreSQL cluster this is; none: another engine, or one that may not be asked.
    cluster: Option<String>,
    /// The file as it was opened; none for a world in memory, and for a server.
    file: Option<FileIdentity>,
    /// Batches whose markers the next commit takes along.
    sealed: Vec<String>,
}

/// So many markers wait for a commit, and so many go in one statement.
const MOST_SEALED: usize = 100;

impl Writer {
    /// Opens the datastore for a sweep and sets up its marker.
    pub async fn open(datastore: &Datastore) -> Result<Self, DatastoreError> {
        Self::open_again(datastore, None).await
    }

    /// The same, where another connection of the sweep's may have opened it.
    pub async fn open_again(datastore: &Datastore, layout: Option<&Layout>) -> Result<Self, DatastoreError> {
        let file = datastore.location.path().and_then(FileIdentity::of);
        let (connection, dialect) = open_again(datastore, Access::Write, layout).await?;
        Ok(Self { file, ..Self::over(connection, dialect).await? })
    }

    /// The same over the connection that a sweep has read by, where the engine lets it go on with that. `tables`: those that its rule is bound to,
    /// which have to be what they were.
    pub async fn succeeding(
        reader: Reader,
        datastore: &Datastore,
        tables: &[TableName],
    ) -> Result<Self, DatastoreError> {
        let file = datastore.location.path().and_then(FileIdentity::of);
        let (connection, dialect) = reader.into_connection();
        let (connection, dialect) = promote(connection, &dialect, datastore, tables).await?;
        Ok(Self { file, ..Self::over(connection, dialect).await? })
    }

    /// What the tables look like to it.
    pub fn layout(&self) -> Layout {
        Layout(self.dialect.clone())
    }

    pub(super) async fn over(mut connection: Connection, dialect: Dialect) -> Result<Self, DatastoreError> {
        let incarnation = marker::ensure(&mut connection.handle(), &dialect).await?;
        let cluster = match &mut connection {
            Connection::Postgres(connection) => postgres::evidence::cluster(connection).await.ok(),
            Connection::Sqlite(_) | Connection::MariaDb(_) => None,
        };
        Ok(Self { connection, dialect, incarnation, cluster, file: None, sealed: Vec::new() })
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The schema.
    pub async fn catalogue(&mut self) -> Result<Catalogue, DatastoreError> {
        read::catalogue(&mut self.connection.handle(), &self.dialect).await
    }

    /// Whether a batch of an earlier run was committed. It is forgotten only by [`Self::sealed`] and [`Self::forget`].
    pub async fn evidence(
        &mut self,
        incarnation: &Incarnation,
        batch: &str,
    ) -> Result<Evidence, DatastoreError> {
        marker::evidence(&mut self.connection, &self.dialect, incarnation, batch).await
    }

    /// Counts the records of a batch that are there as they were: for where the marker is lost.
    pub async fn survivors(&mut self, identities: &Identities) -> Result<u64, DatastoreError> {
        self.connection.be_patient(marker::IN_FLIGHT).await?;
        identities.survivors(&mut self.connection.handle(), &self.dialect).await
    }

    /// How long a batch may keep the application waiting: on SQLite, whoever wants to write; elsewhere, whoever wants the same rows, and
    /// the disk.
    pub fn longest(&self) -> Duration {
        match self.dialect {
            Dialect::Sqlite => Duration::from_millis(250),
            Dialect::Postgres(_) | Dialect::MariaDb(_) => Duration::from_millis(50),
        }
    }

    /// Says that a batch's outcome is in the ledger, or will be before the next commit: its marker goes with that, or with
    /// [`Self::close`].
    pub fn sealed(&mut self, batch: &str) {
        // A turn that came to nothing says it again.
        if self.incarnation.marker.is_some() && !self.sealed.iter().any(|sealed| sealed == batch) {
            self.sealed.push(batch.to_owned());
        }
    }

    /// The batches whose markers are there, whoever's ledger they are in.
    pub async fn marked(&mut self) -> Result<Vec<String>, DatastoreError> {
        if self.incarnation.marker.is_none() {
            return Ok(Vec::new());
        }
        marker::all(&mut self.connection.handle(), &self.dialect).await
    }

    /// Forgets the markers of batches whose outcomes are in the ledger. A crash leaves those that say nothing wrong.
    pub async fn forget(&mut self, batches: &[String]) -> Result<(), DatastoreError> {
        for batches in batches.chunks(MOST_SEALED) {
            marker::forget(&mut self.connection.handle(), &self.dialect, batches).await?;
        }
        Ok(())
    }

    /// Where batch after batch comes to nothing, no commit takes along what waits for one.
    async fn forget_in_time(&mut self) -> Result<(), DatastoreError> {
        if self.sealed.len() <= MOST_SEALED {
            return Ok(());
        }
        // The last may be sealed only right before the commit.
        let settled = self.sealed[..self.sealed.len() - 1].to_vec();
        self.forget(&settled).await?;
        self.sealed.drain(..settled.len());
        Ok(())
    }

    /// Forgets the last marker and closes the connection. A failure leaves a marker that says nothing wrong.
    pub async fn close(mut self) -> Result<(), DatastoreError> {
        let sealed = std::mem::take(&mut self.sealed);
        self.forget(&sealed).await?;
        self.connection.close().await
    }

    /// Disposes of what hangs on the records of a batch, inside a transaction that is left open: the dependents of a share, by the
    /// values that lead to them. Nothing is irreversible yet: dropping what this returns rolls back.
    pub async fn dispose_linked<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        share: usize,
        links: Links<'_>,
        at: DateTime<Utc>,
        pseudonyms: Option<&PseudonymKey>,
    ) -> Result<Prepared<'w>, DatastoreError> {
        let (witness, incarnation) = (self.witness(), self.incarnation.clone());
        let (sealed, file, dialect) = (&mut self.sealed, self.file.clone(), self.dialect.clone());
        let transaction = self.connection.begin("begin a share of a batch").await?;
        let held = layers(rule, share).into_iter().map(Held::none).collect();
        let mut prepared = Prepared {
            transaction,
            dialect,
            held,
            parts: Vec::new(),
            identities: None,
            sealed,
            marked: None,
            witness,
            incarnation,
            file,
        };
        let disposed = match prepared.dispose_linked(links, at, pseudonyms).await {
            Ok(()) => prepared.witnessed().await,
            Err(error) => Err(error),
        };
        match disposed {
            Ok(()) => Ok(prepared),
            Err(error) => {
                prepared.transaction.undo().await?;
                Err(error)
            }
        }
    }

    /// The fastest way through the rule's records that is exact.
    pub async fn way(
        &mut self,
        rule: RowRule<'_>,
        cutoffs: &Cutoffs,
        phase: Phase,
        ahead: Ahead,
    ) -> Result<Way, DatastoreError> {
        way::of(&mut self.connection, &self.dialect, rule, cutoffs, phase, ahead).await
    }

    /// Whether a batch may be disposed of before the one before it is committed.
    pub fn disposes_ahead(&self) -> bool {
        self.dialect.disposes_ahead()
    }

    /// Whether some of the rule's records may be due and only the judge can tell.
    pub fn leaves_to_the_judge(&self, rule: RowRule<'_>) -> bool {
        way::leaves_to_the_judge(&self.dialect, rule)
    }

    /// Selects up to `limit` records, in the walk's order after the cursor (on a line, in any), and locks them, on SQLite the datastore, against every
    /// other writer until the batch ends. What somebody else has locked is passed over where the records are listed, and a conflict
    /// elsewhere. Where the way is by snapshots, nothing is locked yet.
    pub async fn select<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        cursor: &Cursor,
        limit: u32,
        way: Way,
    ) -> Result<Selected<'w>, DatastoreError> {
        self.selected(rule, cutoffs, phase, (cursor, limit, way), None).await
    }

    /// The same of records that a [`Scout`](super::Scout) has read ahead, and up to as many: unless another connection than this has changed
    /// anything since, they are not read again.
    pub async fn select_seen<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        mut seen: Seen,
        (limit, way): (u32, Way),
    ) -> Result<Selected<'w>, DatastoreError> {
        let (from, limit) = (seen.from.clone(), limit.min(seen.limit));
        seen.rows.truncate(limit as usize);
        // A name may lead to one file and to another.
        let seen = (seen.file == self.file).then_some(seen);
        self.selected(rule, cutoffs, phase, (&from, limit, way), seen).await
    }

    async fn selected<'w>(
        &'w mut self,
        rule: RowRule<'w>,
        cutoffs: &'w Cutoffs,
        phase: Phase,
        (cursor, limit, way): (&Cursor, u32, Way),
        seen: Option<Seen>,
    ) -> Result<Selected<'w>, DatastoreError> {
        self.forget_in_time().await?;
        let (witness, incarnation) = (self.witness(), self.incarnation.clone());
        let (sealed, file, dialect) = (&mut self.sealed, self.file.clone(), self.dialect.clone());
        let operation = "select a batch";
        let reading = way.at(cursor).line().map_or(Reading::InOrder, Line::reading);
        let transaction = if way.at(cursor).is_snapshot() {
            self.connection.begin_snapshot(reading, operation).await?
        } else {
            self.connection.begin(operation).await?
        };
        let mut selected = Selected {
            transaction,
            dialect,
            rule,
            cutoffs,
            phase,
            held: layers(rule, 0).into_iter().map(Held::none).collect(),
            from: cursor.clone(),
            limit,
            way: way.at(cursor),
            snapshot: way.at(cursor).is_snapshot(),
            reading,
            span: way.at(cursor).line().map(|line| cursor.span(line, limit)),
            page: Page::empty(),
            beside: None,
            watermark: None,
            taken: false,
            sealed,
            witness,
            incarnation,
            file,
        };
        match selected.read_page(seen).await {
            Ok(()) => Ok(selected),
            Err(error) => {
                selected.transaction.undo().await?;
                Err(error)
            }
        }
    }

    fn witness(&self) -> Witness {
        Witness(self.cluster.clone())
    }
}

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

impl<'w> Selected<'w> {
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

    /// Reads the records, and locks them. Those that were read ahead are as they were if nobody else has written since.
    async fn read_page(&mut self, seen: Option<Seen>) -> Result<(), DatastoreError> {
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

/// What a batch of a phase reads of each record: so many columns for the judge, and behind them what else it needs.
pub(super) fn columns_read(
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

fn at_places<T: Clone>(all: &[T], places: &[usize]) -> Option<Vec<T>> {
    places.iter().map(|at| all.get(*at).cloned()).collect()
}

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
