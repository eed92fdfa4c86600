//! Foreign keys, those of other databases too, and what goes through them. `InnoDB` fires no triggers on the way.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, MySqlConnection};

use super::{OPERATION, Server, failed, optional, text};
use crate::datastore::error::DatastoreError;
use crate::model::catalogue::{OnDelete, Reference};
use crate::model::name::{ColumnName, TableName};

/// Stands for a table that a deletion reaches, and that no rule can name.
const NAMELESS: &str = "(a table whose name no rule can write)";

/// A table of the server: its database and its name, as the server compares them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    database: String,
    table: String,
}

/// A foreign key.
struct Key {
    from: Place,
    /// The columns of `from`, and those they equal.
    columns: Vec<(String, String)>,
    on_delete: OnDelete,
    on_update: OnDelete,
}

/// Every foreign key that the account can see, by the table it points to.
pub(super) struct Keys<'s> {
    server: &'s Server,
    /// As the server compares it.
    database: String,
    to: BTreeMap<Place, Vec<Key>>,
    /// The database's tables, by what the server compares.
    own: BTreeMap<String, TableName>,
    /// Tables that hold keys, as they are spelled, with their database.
    spelled: BTreeMap<Place, (String, String)>,
}

/// What is done to a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Deleted,
    /// In these columns.
    Updated(BTreeSet<String>),
}

impl<'s> Keys<'s> {
    pub(super) async fn read<'t>(
        connection: &mut MySqlConnection,
        server: &'s Server,
        database: &str,
        own: impl Iterator<Item = &'t TableName>,
    ) -> Result<Self, DatastoreError> {
        let own = own.map(|name| (server.fold(name.as_str()), name.clone())).collect();
        let rules = rules(connection, server).await?;
        // Which databases lead here is not known before all have been looked at.
        let listed = "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, \
                      REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
                      FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL \
                      ORDER BY ORDINAL_POSITION";
        let mut spelled = BTreeMap::new();
        let mut found: BTreeMap<(Place, String), (Place, Key)> = BTreeMap::new();
        for row in
            sqlx::query(AssertSqlSafe(listed)).fetch_all(connection).await.map_err(failed(OPERATION))?
        {
            let names = (text(&row, 0)?, text(&row, 1)?);
            let from = Place { database: server.fold(&names.0), table: server.fold(&names.1) };
            let to = Place { database: server.fold(&text(&row, 4)?), table: server.fold(&text(&row, 5)?) };
            spelled.insert(from.clone(), names);
            let columns = (text(&row, 3)?, optional(&row, 6)?.unwrap_or_default());
            let id = (from, text(&row, 2)?);
            // The account may see a key and not its rule: then it may do the most that a key can.
            let (on_delete, on_update) =
                rules.get(&id).copied().unwrap_or((OnDelete::Cascade, OnDelete::Cascade));
            let from = id.0.clone();
            let key = || (to, Key { from, columns: Vec::new(), on_delete, on_update });
            found.entry(id).or_insert_with(key).1.columns.push(columns);
        }
        let mut to: BTreeMap<Place, Vec<Key>> = BTreeMap::new();
        for (target, key) in found.into_values() {
            to.entry(target).or_default().push(key);
        }
        Ok(Self { server, database: server.fold(database), own, to, spelled })
    }

    /// The foreign keys on one of the database's tables.
    pub(super) fn references(&self, name: &TableName) -> Vec<Reference> {
        let reference = |key: &Key| {
            let from = self.name(&key.from).ok()?;
            let columns = key
                .columns
                .iter()
                .map(|(theirs, ours)| Some((ColumnName::new(theirs).ok()?, ColumnName::new(ours).ok()?)));
            Some(Reference { from, columns: columns.collect::<Option<_>>()?, on_delete: key.on_delete })
        };
        self.on(&self.place(name)).filter_map(reference).collect()
    }

    /// The tables that are written when one row of this one is deleted.
    pub(super) fn writes_of_delete(&self, name: &TableName) -> BTreeSet<TableName> {
        self.writes(name, vec![(self.place(name), Done::Deleted)])
    }

    /// The same when all columns outside the primary key are updated.
    pub(super) fn writes_of_update(
        &self,
        name: &TableName,
        primary_key: &[ColumnName],
    ) -> BTreeSet<TableName> {
        let place = self.place(name);
        let pointed_to = self.on(&place).flat_map(|key| &key.columns).map(|(_, ours)| ours);
        let in_key = |column: &String| primary_key.iter().any(|c| same(c.as_str(), column));
        let updated = pointed_to.filter(|column| !in_key(column)).cloned().collect();
        self.writes(name, vec![(place, Done::Updated(updated))])
    }

    fn writes(&self, name: &TableName, mut open: Vec<(Place, Done)>) -> BTreeSet<TableName> {
        let mut seen: BTreeSet<(Place, Done)> = BTreeSet::new();
        // Ends: there are as many things to do to a table as it has foreign keys, and each is done once.
        while let Some((place, done)) = open.pop() {
            if !seen.insert((place.clone(), done.clone())) {
                continue;
            }
            for key in self.on(&place) {
                let action = match &done {
                    Done::Deleted => Some(key.on_delete),
                    Done::Updated(columns) => {
                        let touched = |(_, ours): &(_, String)| columns.iter().any(|c| same(c, ours));
                        key.columns.iter().any(touched).then_some(key.on_update)
                    }
                };
                let columns = || key.columns.iter().map(|(theirs, _)| theirs.clone()).collect();
                let next = match (action, &done) {
                    (None | Some(OnDelete::Refuse), _) => continue,
                    (Some(OnDelete::Cascade), Done::Deleted) => Done::Deleted,
                    (Some(OnDelete::Cascade | OnDelete::SetNull | OnDelete::SetDefault), _) => {
                        Done::Updated(columns())
                    }
                };
                open.push((key.from.clone(), next));
            }
        }
        let reached = seen.into_iter().map(|(place, _)| self.name(&place));
        let nameless = || TableName::new(NAMELESS).into_iter();
        let mut written: BTreeSet<TableName> = BTreeSet::from([name.clone()]);
        for reached in reached {
            match reached {
                Ok(name) => drop(written.insert(name)),
                Err(Nameless) => written.extend(nameless()),
            }
        }
        written
    }

    fn on(&self, place: &Place) -> impl Iterator<Item = &Key> {
        self.to.get(place).into_iter().flatten()
    }

    fn place(&self, name: &TableName) -> Place {
        Place { database: self.database.clone(), table: self.server.fold(name.as_str()) }
    }

    /// What a rule calls a table; with its database, where that is another one.
    fn name(&self, place: &Place) -> Result<TableName, Nameless> {
        let spelled = self.spelled.get(place);
        if place.database == self.database {
            let table = spelled.map_or(&place.table, |(_, table)| table);
            return match self.own.get(&place.table) {
                Some(name) => Ok(name.clone()),
                None => TableName::new(table).map_err(|_| Nameless),
            };
        }
        let (database, table) =
            spelled.map_or((&place.database, &place.table), |(database, table)| (database, table));
        let name = format!("{database}.{table}");
        // A table may be called `a.b`, and must not be taken for the table `b` of `a`.
        if self.own.contains_key(&self.server.fold(&name)) {
            return Err(Nameless);
        }
        TableName::new(&name).map_err(|_| Nameless)
    }
}

/// No rule can name it.
struct Nameless;

/// What each foreign key does when its target goes, and when it changes.
async fn rules(
    connection: &mut MySqlConnection,
    server: &Server,
) -> Result<BTreeMap<(Place, String), (OnDelete, OnDelete)>, DatastoreError> {
    let listed = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE \
                  FROM information_schema.REFERENTIAL_CONSTRAINTS";
    let mut rules = BTreeMap::new();
    for row in sqlx::query(AssertSqlSafe(listed)).fetch_all(connection).await.map_err(failed(OPERATION))? {
        let from = Place { database: server.fold(&text(&row, 0)?), table: server.fold(&text(&row, 1)?) };
        let name = text(&row, 2)?;
        rules.insert((from, name), (rule(&text(&row, 3)?), rule(&text(&row, 4)?)));
    }
    Ok(rules)
}

fn rule(written: &str) -> OnDelete {
    match written {
        "RESTRICT" | "NO ACTION" => OnDelete::Refuse,
        "SET NULL" => OnDelete::SetNull,
        "SET DEFAULT" => OnDelete::SetDefault,
        // What is not known may do the most.
        _ => OnDelete::Cascade,
    }
}

/// Columns are compared without regard to case, whatever tables are.
fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
