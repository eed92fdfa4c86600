//! What a test is about: databases in memory, trees on the disk. Databases are used again from one test to the next.

use std::collections::BTreeMap;

use super::plan::{self, located};
use super::tree::{self, Tree};
use crate::datastore::sql::{self, Filling, TrialTable};
use crate::diagnostic::chain;
use crate::model::catalogue::{Catalogue, Catalogues};
use crate::model::name::{DatastoreName, TableName};
use crate::rules::rule::{Row, Rule, RuleTest, Step};

/// The world of one test.
pub(super) struct World {
    pub writers: BTreeMap<DatastoreName, sql::Writer>,
    pub tables: BTreeMap<DatastoreName, Vec<TrialTable>>,
    pub catalogues: Catalogues,
    pub trees: BTreeMap<DatastoreName, Tree>,
}

/// A database that no test uses at the moment.
struct Spare {
    writer: sql::Writer,
    tables: Vec<TrialTable>,
    catalogue: Catalogue,
}

/// Databases between two tests: most tests of a rule have the same tables, and reading their catalogue is what costs.
#[derive(Default)]
pub(super) struct Spares(Vec<Spare>);

/// A rule's tests have a few shapes, and a rule a few datastores.
const MOST_SPARES: usize = 8;

impl Spares {
    /// A database with these tables, whatever they hold.
    async fn take(&mut self, tables: Vec<TrialTable>) -> Result<Spare, String> {
        let wrong = |error| chain(&error);
        if let Some(at) = self.0.iter().position(|spare| spare.tables == tables) {
            return Ok(self.0.remove(at));
        }
        let (mut writer, last) = if self.0.len() < MOST_SPARES {
            (sql::Writer::trial().await.map_err(wrong)?, Vec::new())
        } else {
            let oldest = self.0.remove(0);
            (oldest.writer, oldest.tables)
        };
        writer.remake(&last, &tables).await.map_err(wrong)?;
        let catalogue = writer.catalogue().await.map_err(wrong)?;
        Ok(Spare { writer, tables, catalogue })
    }
}

impl World {
    pub(super) async fn of(spares: &mut Spares, rule: &Rule, test: &RuleTest) -> Result<Self, String> {
        let trees = tree::plant(rule, test)?;
        let (writers, tables) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { writers, tables, catalogues: Catalogues::new(), trees };
        for (name, planned) in plan::tables(rule, test) {
            let (tables, rows): (Vec<_>, Vec<_>) = planned.into_iter().map(|p| (p.table, p.rows)).unzip();
            let mut spare = spares.take(tables).await?;
            let names = spare.tables.iter().map(|table| &table.name);
            let fillings: Vec<Filling<'_>> = names.zip(rows.iter().map(Vec::as_slice)).collect();
            spare.writer.fill(&fillings).await.map_err(|error| chain(&error))?;
            world.writers.insert(name.clone(), spare.writer);
            world.tables.insert(name.clone(), spare.tables);
            world.catalogues.insert(name, spare.catalogue);
        }
        Ok(world)
    }

    /// Lets other tables hold what a step says.
    pub(super) async fn change(&mut self, rule: &Rule, step: &Step) -> Result<(), String> {
        for (table, rows) in &step.rows {
            let (datastore, table) = located(rule, table);
            self.fill(&datastore, &[(&table, rows)]).await?;
        }
        Ok(())
    }

    /// Lets tables hold exactly these rows.
    pub(super) async fn fill(
        &mut self,
        datastore: &DatastoreName,
        fillings: &[Filling<'_>],
    ) -> Result<(), String> {
        let Some(writer) = self.writers.get_mut(datastore) else { return Ok(()) };
        writer.fill(fillings).await.map_err(|error| chain(&error))
    }

    /// Gives the databases back. Whoever fails does not: what a failure leaves in them is nobody's world.
    pub(super) fn give_back(mut self, spares: &mut Spares) {
        for (name, writer) in self.writers {
            let (Some(tables), Some(catalogue)) = (self.tables.remove(&name), self.catalogues.remove(&name))
            else {
                continue;
            };
            spares.0.push(Spare { writer, tables, catalogue });
        }
        let surplus = spares.0.len().saturating_sub(MOST_SPARES);
        spares.0.drain(..surplus);
    }
}

/// The rows of some tables of one datastore.
pub(super) type Contents = Vec<(TableName, Vec<Row>)>;

/// Borrowed, as a database takes them.
pub(super) fn fillings(contents: &Contents) -> Vec<Filling<'_>> {
    contents.iter().map(|(name, rows)| (name, rows.as_slice())).collect()
}
