//! What is left after the last sweep, against `after` and `after_files`.

use super::plan::located;
use super::world::World;
use super::{Failure, Failures, tree};
use crate::diagnostic::chain;
use crate::model::name::{ColumnName, TableName};
use crate::model::value::Values;
use crate::rules::rule::{Row, Rule, RuleTest};

pub(super) async fn compare(
    world: &mut World,
    rule: &Rule,
    test: &RuleTest,
    failures: &mut Failures,
) -> Result<(), String> {
    for (table, expected) in &test.after {
        let (datastore, table) = located(rule, table);
        let mut columns: Vec<ColumnName> = expected.iter().flatten().map(|(name, _)| name.clone()).collect();
        columns.sort();
        columns.dedup();
        if let Some(database) = world.writers.get_mut(&datastore) {
            let left = database.holds(&table, &columns).await.map_err(|error| chain(&error))?;
            rows(&table, &columns, left, expected, failures);
        }
    }
    tree::compare(&world.trees, test, failures)
}

/// Each expected row takes one of those that are left.
fn rows(
    table: &TableName,
    columns: &[ColumnName],
    mut left: Vec<Values>,
    expected: &[Row],
    failures: &mut Failures,
) {
    for (number, row) in (1..).zip(expected) {
        let fits = |held: &Values| {
            row.iter().all(|(name, value)| {
                columns.iter().position(|c| c == name).is_some_and(|i| held.get(i) == Some(value))
            })
        };
        match left.iter().position(fits) {
            Some(at) => drop(left.remove(at)),
            None => failures.push(Failure::plain(format!(
                "after the sweep, `{table}` does not hold row {number} of `after`"
            ))),
        }
    }
    if !left.is_empty() {
        failures.push(Failure::plain(format!(
            "after the sweep, `{table}` holds {} that `after` does not name",
            if left.len() == 1 { "a row".to_owned() } else { format!("{} rows", left.len()) }
        )));
    }
}
