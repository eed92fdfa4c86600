//! A sweep in a test's world, by the statements of every sweep. Its transactions are rolled back, there being no intent to
//! commit them with; where it is to last, the world is made to hold what they left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::world::{Contents, World, fillings};
use crate::datastore::sql::{self, Ahead, Cursor, Phase, TrialTable};
use crate::datastore::{DatastoreError, Prepared, Writer, files};
use crate::diagnostic::chain;
use crate::ledger::entry::Cause;
use crate::model::datastore::Pace;
use crate::model::name::{ColumnName, DatastoreName};
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::pseudonym::PseudonymKey;
use crate::rules::bind::{BoundDataset, BoundRule, RowRule};
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Due, Verdict, decide};
use crate::rules::rule::{Row, Then};
use crate::sweep::batches::phases;
use crate::sweep::judge::due_among;
use crate::sweep::shares::{Remote, give_up};

/// A test's world holds no more records than this; one selection sees them all.
const WORLD: u32 = 10_000;

/// What a sweep disposed of.
#[derive(Default)]
pub(super) struct Swept {
    /// The keys of the rule's own records.
    pub keys: BTreeSet<String>,
    /// On how many records the comparison with the cut-off and the judge differ.
    pub disagreed: u64,
}

/// Who judges, by which orders, and when.
#[derive(Clone, Copy)]
pub(super) struct Court<'c> {
    pub bound: &'c BoundRule<'c>,
    pub orders: &'c Orders,
    pub now: Now,
}

impl<'c> Court<'c> {
    /// The rule, where its records are rows, reading what the orders ask for.
    pub(super) fn rows(self) -> Option<RowRule<'c>> {
        self.bound.rows().map(|rows| rows.heeding(self.orders))
    }
}

/// Sweeps the world once; [`Then::Sweep`]: for good.
pub(super) async fn sweep(world: &mut World, court: Court<'_>, then: Then) -> Result<Swept, String> {
    let mut swept = Swept::default();
    if let BoundDataset::Files(pattern) = court.bound.dataset() {
        let datastore = &court.bound.rule().datastore;
        let Some(tree) = world.trees.get_mut(datastore) else { return Ok(swept) };
        let wrong = |error| chain(&error);
        let mut pages = files::Pages::open(tree.path(), pattern, WORLD).map_err(wrong)?;
        while let Some(page) = pages.next().await.map_err(wrong)? {
            for found in &page.files {
                let record = files::record(court.bound, found, 0).map_err(wrong)?;
                let due = due(decide(court.bound, record, court.orders, court.now));
                swept.keys.extend(due.map(|due| due.key().as_str().to_owned()));
            }
        }
        if then == Then::Sweep {
            tree.without(&swept.keys)?;
        }
    } else if let Some(rows) = court.rows() {
        let cutoffs = Cutoffs::of(court.bound, court.now);
        let datastore = &rows.rule().datastore;
        let Some(own) = world.writers.get_mut(datastore) else { return Ok(swept) };
        let by_trigger = court.orders.without_requests();
        // What one phase takes for good may be what kept a record of the next.
        let mut walks = phases(Cause::Schedule).to_vec();
        if !court.orders.asked.is_empty() {
            walks.extend(phases(Cause::Request));
        }
        if then == Then::Look {
            walks = own.busy(rows, &cutoffs, walks).await.map_err(|error| chain(&error))?;
        }
        for phase in walks {
            let demanded = phases(Cause::Request).contains(&phase);
            let court = Court { orders: if demanded { court.orders } else { &by_trigger }, ..court };
            let left = batch(world, court, rows, &cutoffs, phase, then, &mut swept)
                .await
                .map_err(|error| chain(&error))?;
            left.enter(world).await?;
        }
    }
    Ok(swept)
}

/// What a batch leaves, where it is to last.
#[derive(Default)]
struct Left {
    contents: BTreeMap<DatastoreName, Contents>,
    gone: BTreeMap<DatastoreName, BTreeSet<String>>,
}

impl Left {
    async fn enter(self, world: &mut World) -> Result<(), String> {
        for (name, contents) in &self.contents {
            world.fill(name, &fillings(contents)).await?;
        }
        for (name, gone) in &self.gone {
            if let Some(tree) = world.trees.get_mut(name) {
                tree.without(gone)?;
            }
        }
        Ok(())
    }
}

async fn batch(
    world: &mut World,
    court: Court<'_>,
    rows: RowRule<'_>,
    cutoffs: &Cutoffs,
    phase: Phase,
    then: Then,
    swept: &mut Swept,
) -> Result<Left, DatastoreError> {
    let mut left = Left::default();
    let datastore = &rows.rule().datastore;
    let mut remote = Remote::over(elsewhere(world, court.bound)?);
    let Some(own) = world.writers.get_mut(datastore) else { return Ok(left) };
    let mut selected = {
        let way = own.way(rows, cutoffs, phase, Ahead { due: 0, pace: Pace::Unlimited }).await?;
        own.select(rows, cutoffs, phase, &Cursor::default(), WORLD, way).await?
    };
    let records = std::mem::take(&mut selected.page.records);
    let (due, disagreed) = due_among(court.bound, cutoffs, court.orders, court.now, phase, records);
    swept.disagreed += disagreed;
    if due.is_empty() {
        selected.rollback().await?;
    } else {
        swept.keys.extend(due.iter().map(|due| due.key().as_str().to_owned()));
        // A test's key: pseudonyms of a trial join with nothing outside it.
        let pseudonyms = PseudonymKey::from_bytes(zeroize::Zeroizing::new([7; 32]));
        let at = court.now.eligible;
        let judged = selected.keep_only(due)?;
        let mut own = Prepared::Rows(Box::new(judged.dispose(at, Some(&pseudonyms)).await?));
        let mut others = remote.prepare(rows, &own, at, Some(&pseudonyms)).await?;
        if then == Then::Sweep {
            let shares = std::iter::once(&mut own).chain(others.iter_mut());
            for (share, prepared) in court.bound.shares().iter().zip(shares) {
                left.capture(share.datastore, prepared, &world.tables).await?;
            }
        }
        give_up(others).await?;
        own.rollback().await?;
    }
    for (share, writer) in court.bound.shares().iter().skip(1).zip(remote.into_writers()) {
        if let Writer::Rows(writer) = writer {
            world.writers.insert(share.datastore.clone(), *writer);
        }
    }
    Ok(left)
}

/// The other datastores of the rule, in the order of its shares.
fn elsewhere(world: &mut World, bound: &BoundRule<'_>) -> Result<Vec<Writer>, DatastoreError> {
    let mut writers = Vec::new();
    for share in bound.shares().iter().skip(1) {
        match (world.writers.remove(share.datastore), world.trees.get(share.datastore)) {
            (Some(database), _) => writers.push(Writer::Rows(Box::new(database))),
            (None, Some(tree)) => writers.push(Writer::Files(Arc::new(files::Tree::open(tree.path())?))),
            (None, None) => {}
        }
    }
    Ok(writers)
}

fn due(verdict: Verdict) -> Option<Due> {
    match verdict {
        Verdict::Due(due) | Verdict::Overdue(due) => Some(due),
        Verdict::Kept(_) | Verdict::Held(_) | Verdict::Undated(_) => None,
    }
}

impl Left {
    /// What the open transaction of a share holds.
    async fn capture(
        &mut self,
        datastore: &DatastoreName,
        prepared: &mut Prepared<'_>,
        tables: &BTreeMap<DatastoreName, Vec<TrialTable>>,
    ) -> Result<(), DatastoreError> {
        match prepared {
            Prepared::Rows(prepared) => {
                let contents = self.contents.entry(datastore.clone()).or_default();
                for table in tables.get(datastore).into_iter().flatten() {
                    contents.push((table.name.clone(), rows(prepared, table).await?));
                }
            }
            Prepared::Files(_) => {
                let keys = prepared.parts().iter().flat_map(|part| &part.keys);
                let gone = self.gone.entry(datastore.clone()).or_default();
                gone.extend(keys.map(|key| key.as_str().to_owned()));
            }
        }
        Ok(())
    }
}

async fn rows(prepared: &mut sql::Prepared<'_>, table: &TrialTable) -> Result<Vec<Row>, DatastoreError> {
    let columns: Vec<ColumnName> = table.columns.iter().map(|(name, _)| name.clone()).collect();
    let held = prepared.holds(&table.name, &columns).await?;
    Ok(held.into_iter().map(|values| columns.iter().cloned().zip(values).collect()).collect())
}
