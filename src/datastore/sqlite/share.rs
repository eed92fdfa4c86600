//! The rows of dependents, on their way within one transaction: gathered from what they hang on, and disposed of from the
//! lowest up.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use super::connect::{Changed, changing, run};
use super::layer::{HangsOn, Layer, quoted_match, vector};
use super::sql::{Sql, column, same, table};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::{MOST_DEPENDENTS, PreparedPart, TOO_MANY_DEPENDENTS};
use crate::model::name::TableName;
use crate::pseudonym::PseudonymKey;
use crate::rules::rule::Action;

/// Fills the batch of every dependent, each from what it hangs on.
pub(super) async fn gather(
    connection: &mut SqliteConnection,
    layers: &[Layer<'_>],
) -> Result<(), DatastoreError> {
    let mut gathered = 0;
    for layer in layers.iter().filter(|layer| layer.hangs_on != HangsOn::Nothing) {
        let on: Vec<String> = layer
            .matches
            .iter()
            .map(|m| same(&column("t", &m.theirs), &format!("p.{}", quoted_match(&m.ours))))
            .collect();
        // One row may belong to several records of the batch; it goes once.
        let mut fill = Sql::new(format!(
            "INSERT INTO {} ({}) SELECT DISTINCT {} FROM {} AS p CROSS JOIN {} AS t WHERE {}",
            layer.temp(),
            layer.columns().join(", "),
            layer.distinct_sources().join(", "),
            layer.parents(),
            table(layer.table),
            on.join(" AND "),
        ));
        if let Action::Pseudonymize { mark, .. } = layer.action {
            fill.push(&format!(" AND {} IS NULL", column("t", mark)));
        }
        gathered += run(connection, &fill, "gather the dependents of a batch").await?;
        if layer.hangs_on == HangsOn::Links && gathered > MOST_DEPENDENTS {
            let source = EngineError::Refused(TOO_MANY_DEPENDENTS);
            return Err(DatastoreError::Statement { operation: "gather the dependents of a batch", source });
        }
    }
    Ok(())
}

/// Takes a row that several layers of one table lead to out of all but one: out of those that would replace its columns,
/// where another deletes it; else out of the one that is disposed of first, so that nothing below it is left.
pub(super) async fn name_once(
    connection: &mut SqliteConnection,
    layers: &[Layer<'_>],
) -> Result<(), DatastoreError> {
    for (upper, above) in layers.iter().enumerate() {
        for below in layers[upper + 1..].iter().filter(|l| l.table == above.table) {
            let (out, of) = match (above.action, below.action) {
                (Action::Delete, _) => (below, above),
                (Action::Pseudonymize { .. }, Action::Delete) => (above, below),
                // Each replaces its own columns and sets its own mark.
                (Action::Pseudonymize { .. }, Action::Pseudonymize { .. }) => continue,
            };
            let key: Vec<String> = out.key.iter().map(|c| column("t", c)).collect();
            let delete = Sql::new(format!(
                "DELETE FROM {} WHERE {} IN (SELECT {} FROM {} AS t WHERE {})",
                out.temp(),
                vector(&(0..out.key.len()).map(|i| format!("k{i}")).collect::<Vec<_>>()),
                key.join(", "),
                table(out.table),
                of.in_batch(),
            ));
            run(connection, &delete, "name each row of a batch once").await?;
        }
    }
    Ok(())
}

/// One dependent of the batch; none: it has no rows.
pub(super) async fn dispose(
    connection: &mut SqliteConnection,
    layer: &Layer<'_>,
    at: DateTime<Utc>,
    pseudonyms: Option<&PseudonymKey>,
) -> Result<Option<PreparedPart>, DatastoreError> {
    let (keys, values) = layer.read(connection).await?;
    if keys.is_empty() {
        return Ok(None);
    }
    let sql = match layer.action {
        Action::Delete => {
            Sql::new(format!("DELETE FROM {} AS t WHERE {}", table(layer.table), layer.in_batch()))
        }
        Action::Pseudonymize { mark, .. } => {
            layer.store_pseudonyms(connection, layer.replaced(), &values, pseudonyms).await?;
            layer.update(mark, at)
        }
    };
    change(connection, layer, &sql, keys.len()).await?;
    let fields = layer.replaced().iter().map(|(name, _)| name.as_str().to_owned()).collect();
    let dataset = layer.table.as_str().to_owned();
    Ok(Some(PreparedPart { dataset, action: layer.action.into(), fields, keys }))
}

/// Runs the statement that disposes of a layer's rows, and makes sure that it changed these rows and no others.
pub(super) async fn change(
    connection: &mut SqliteConnection,
    layer: &Layer<'_>,
    sql: &Sql,
    expected: usize,
) -> Result<(), DatastoreError> {
    let operation = "dispose of a batch";
    let Changed { itself: changed, reached } = changing(connection, sql, operation).await?;
    let refused = |why| Err(DatastoreError::Statement { operation, source: EngineError::Refused(why) });
    // Nobody else can have written: the transaction has held the lock since the selection.
    match changed.cmp(&(expected as u64)) {
        Ordering::Less => refused("a trigger keeps it"),
        Ordering::Greater => Err(unexpected(operation, expected, changed, layer.table)),
        Ordering::Equal if reached > changed => {
            refused("a trigger or a foreign key would change rows that no dependent declares")
        }
        Ordering::Equal => Ok(()),
    }
}

pub(super) fn unexpected(
    operation: &'static str,
    expected: usize,
    observed: u64,
    table: &TableName,
) -> DatastoreError {
    DatastoreError::Unexpected {
        operation,
        expected: format!("{expected} rows of `{table}`"),
        observed: observed.to_string(),
    }
}
