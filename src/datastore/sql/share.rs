//! The rows of dependents, on their way within one transaction: gathered from what they hang on, and disposed of from the
//! lowest up.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::connection::{Changed, Handle};
use super::dialect::{Class, Dialect, Expression, Type, Wait};
use super::filter::is_uuid;
use super::layer::{HangsOn, Held, Layer};
use super::statement::{Sql, text_of};
use crate::datastore::error::{DatastoreError, EngineError};
use crate::datastore::{MOST_DEPENDENTS, PreparedPart, TOO_MANY_DEPENDENTS};
use crate::model::name::TableName;
use crate::model::value::{Value, Values, date_time, of_date_time, of_rfc3339, rfc3339};
use crate::pseudonym::PseudonymKey;
use crate::rules::rule::Action;

/// Values that lead to a dependent from another datastore, by the dependent's position in the rule.
pub(super) type Links<'l> = &'l [(usize, Vec<Values>)];

/// Finds the rows of every dependent, each from what it hangs on, and locks them.
pub(super) async fn gather(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    held: &mut [Held<'_>],
    links: Links<'_>,
) -> Result<(), DatastoreError> {
    let mut gathered = 0;
    for at in 0..held.len() {
        let layer = &held[at].layer;
        let leading = match layer.hangs_on {
            HangsOn::Nothing => continue,
            HangsOn::Layer(parent) => {
                let leading = held[parent].leading(layer.matches.iter().map(|m| &m.ours))?;
                keep_others_out(handle, dialect, (&held[parent].layer, layer), &leading).await?;
                leading
            }
            HangsOn::Links => links
                .iter()
                .find(|(of, _)| Some(*of) == layer.at)
                .map(|(_, rows)| rows.clone())
                .unwrap_or_default(),
        };
        let rows = led_to(handle, dialect, layer, leading).await?;
        held[at].put(rows);
        // One row may belong to several records of the batch; it goes once.
        held[at].once();
        gathered += held[at].len();
        if held[at].layer.hangs_on == HangsOn::Links && gathered > MOST_DEPENDENTS {
            return Err(refused(GATHER, TOO_MANY_DEPENDENTS));
        }
    }
    Ok(())
}

const GATHER: &str = "gather the dependents of a batch";

/// Why a record is kept, where an engine would do what the rule does not say.
const UNDECLARED: &str = "a trigger or a foreign key would change rows that no dependent declares";

fn refused(operation: &'static str, why: &'static str) -> DatastoreError {
    DatastoreError::Statement { operation, source: EngineError::Refused(why) }
}

/// Locks what a foreign key of MariaDB's looks at, which goes by an index of its own, where it takes along rows of a layer: until the batch ends, the
/// application adds none.
async fn keep_others_out(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    (above, layer): (&Layer<'_>, &Layer<'_>),
    leading: &[Values],
) -> Result<(), DatastoreError> {
    if !layer.followed || !matches!(dialect, Dialect::MariaDb(_)) || leading.is_empty() {
        return Ok(());
    }
    let ours = || layer.matches.iter().map(|m| &m.ours);
    let carried: Vec<(String, Type)> = ours()
        .enumerate()
        .map(|(i, name)| (format!("m{i}"), dialect.type_of(above.table, name).clone()))
        .collect();
    let same = dialect.is_carried(above.table, ours(), &carried);
    let select = dialect.select(&[Expression::integer("count(*)")], |sql| {
        sql.push(" FROM ").bulk(&carried, leading);
        sql.push(&format!(" STRAIGHT_JOIN {} AS t ON {same}", dialect.table(above.table)));
        sql.push(dialect.lock(Wait::Briefly));
    });
    handle.number(&select, GATHER).await.map(drop)
}

/// Whether a foreign key of MariaDB's takes more rows for a match than these values lead to: it goes by the columns' collation, and by no mark, and
/// what it takes along, the server counts nowhere.
async fn takes_more(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    layer: &Layer<'_>,
    (carried, leading): (&[(String, Type)], &[Values]),
    exactly: &str,
) -> Result<bool, DatastoreError> {
    if !layer.followed || !matches!(dialect, Dialect::MariaDb(_)) {
        return Ok(false);
    }
    let alike = dialect.is_carried(layer.table, layer.matches.iter().map(|m| &m.theirs), carried);
    let select = dialect.select(&[Expression::integer("count(*)")], |sql| {
        sql.push(" FROM ").bulk(carried, leading);
        let table = dialect.table(layer.table);
        sql.push(&format!(" STRAIGHT_JOIN {table} AS t ON {alike} WHERE (NOT ({exactly})"));
        if let Action::Pseudonymize { mark, .. } = layer.action {
            sql.push(&format!(" OR {} IS NOT NULL", dialect.column("t", layer.table, mark).sql));
        }
        sql.push(")");
    });
    Ok(handle.number(&select, GATHER).await? > 0)
}

async fn led_to(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    layer: &Layer<'_>,
    mut leading: Vec<Values>,
) -> Result<Vec<Values>, DatastoreError> {
    let types: Vec<&Type> = layer.matches.iter().map(|m| dialect.type_of(layer.table, &m.theirs)).collect();
    let text = Type::TEXT.clone();
    // A value that is none of the column's type belongs to no row there.
    let all = leading.len();
    leading.retain(|row| row.iter().zip(&types).all(|(value, ty)| held_by(dialect, ty, value)));
    if layer.followed && leading.len() < all {
        return Err(refused(GATHER, UNDECLARED));
    }
    if leading.is_empty() {
        return Ok(Vec::new());
    }
    let carried: Vec<(String, Type)> = types
        .iter()
        .enumerate()
        .map(|(i, ty)| (format!("m{i}"), if ty.class == Class::Other { text.clone() } else { (*ty).clone() }))
        .collect();
    let on: Vec<String> = layer
        .matches
        .iter()
        .zip(&carried)
        .map(|(m, (name, ty))| dialect.same_carried(&dialect.column("t", layer.table, &m.theirs), name, ty))
        .collect();
    let on = on.join(" AND ");
    if takes_more(handle, dialect, layer, (&carried, &leading), &on).await? {
        return Err(refused(GATHER, UNDECLARED));
    }
    let join = match dialect {
        Dialect::Sqlite => "CROSS JOIN",
        Dialect::Postgres(_) => "JOIN",
        Dialect::MariaDb(_) => "STRAIGHT_JOIN",
    };
    let select = dialect.select(&layer.columns(dialect), |sql| {
        sql.push(" FROM ").bulk(&carried, &leading);
        sql.push(&format!(" {join} {} AS t ON {on}", dialect.table(layer.table)));
        if let Action::Pseudonymize { mark, .. } = layer.action {
            sql.push(&format!(" WHERE {} IS NULL", dialect.column("t", layer.table, mark).sql));
        }
        sql.push(dialect.lock(Wait::Briefly));
    });
    handle.rows(&select, GATHER).await
}

/// Whether a column of this type can hold the value at all: what it cannot hold would not even be compared.
fn held_by(dialect: &Dialect, ty: &Type, value: &Value) -> bool {
    if let Dialect::Sqlite = dialect {
        return true;
    }
    let Some(text) = text_of(value).filter(|_| !matches!(value, Value::Real(_))) else { return false };
    // Only in the form that the column itself would show: what a cast makes equal is not the same.
    match ty.class {
        Class::Integer => Value::whole(&text).is_some_and(|number| number.is_written(&text)),
        Class::Boolean => matches!(value, Value::Integer(0 | 1)),
        Class::Decimal => is_decimal(&text),
        Class::Bytes => matches!(value, Value::Blob(_)),
        Class::Uuid => is_uuid(&text),
        Class::Instant => of_rfc3339(&text).is_some_and(|at| rfc3339(at) == text),
        Class::Naive => of_date_time(&text).is_some_and(|at| date_time(at) == text),
        Class::Date => chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d")
            .is_ok_and(|date| date.format("%Y-%m-%d").to_string() == text),
        Class::Any | Class::Text | Class::Other | Class::Rows => !matches!(value, Value::Blob(_)),
        Class::Real => false,
    }
}

/// Digits without a zero too many, with so many behind the point as every engine keeps.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "1"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    are_digits(whole)
        && are_digits(part)
        && (whole == "0" || !whole.starts_with('0'))
        && !part.ends_with('0')
        && part.len() <= 30
        && whole.len() <= 35
        && text != "-0"
}

/// Takes a row that several layers of one table lead to out of all but one: out of those that would replace its columns,
/// where another deletes it; else out of the one that is disposed of first, so that nothing below it is left.
pub(super) fn name_once(held: &mut [Held<'_>]) {
    for upper in 0..held.len() {
        for lower in upper + 1..held.len() {
            if held[lower].layer.table != held[upper].layer.table {
                continue;
            }
            let (out, of) = match (held[upper].layer.action, held[lower].layer.action) {
                (Action::Delete, _) => (lower, upper),
                (Action::Pseudonymize { .. }, Action::Delete) => (upper, lower),
                // Each replaces its own columns and sets its own mark.
                (Action::Pseudonymize { .. }, Action::Pseudonymize { .. }) => continue,
            };
            let named: BTreeSet<String> = held[of].identities().into_iter().collect();
            let identities = held[out].identities();
            held[out].retain(|at| !named.contains(&identities[at]));
        }
    }
}

/// One dependent of the batch; none: it has no rows.
pub(super) async fn dispose(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    held: &Held<'_>,
    at: DateTime<Utc>,
    pseudonyms: Option<&PseudonymKey>,
) -> Result<Option<PreparedPart>, DatastoreError> {
    if held.is_empty() {
        return Ok(None);
    }
    let layer = &held.layer;
    let sql = match layer.action {
        Action::Delete => layer.delete(dialect, &held.key_values(), None),
        Action::Pseudonymize { mark, .. } => layer.update(dialect, mark, at, &held.replacements(pseudonyms)?),
    };
    let keys = held.keys()?;
    change(handle, layer, &sql, (keys.len(), Extent::Named)).await?;
    let fields = layer.replaced().iter().map(|(name, _)| name.as_str().to_owned()).collect();
    let dataset = layer.table.as_str().to_owned();
    Ok(Some(PreparedPart { dataset, action: layer.action.into(), fields, keys }))
}

/// How a statement says which rows it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// By their keys.
    Named,
    /// From one to another.
    Stretch,
}

/// Runs the statement that disposes of a layer's rows, and makes sure that it changed these rows and no others.
pub(super) async fn change(
    handle: &mut Handle<'_>,
    layer: &Layer<'_>,
    sql: &Sql,
    (expected, extent): (usize, Extent),
) -> Result<(), DatastoreError> {
    let operation = "dispose of a batch";
    let deletes = *layer.action == Action::Delete;
    let Changed { itself: changed, reached } =
        handle.changing(sql, (layer.table, deletes), operation).await?;
    let refused = |why| Err(refused(operation, why));
    match changed.cmp(&(expected as u64)) {
        // On SQLite nobody else can have written: the transaction has held the lock since the selection. Elsewhere the rows are locked,
        // but not what the predicate looks at beside them.
        Ordering::Less if matches!(sql.dialect, Dialect::Sqlite) => refused("a trigger keeps it"),
        Ordering::Less => refused("a trigger keeps it, or it is not due any more"),
        // A stretch is locked row by row: another may have come into it since it was read.
        Ordering::Greater if extent == Extent::Stretch && !matches!(sql.dialect, Dialect::Sqlite) => {
            let source = EngineError::Conflict("a row came into the stretch after it was read");
            Err(DatastoreError::Statement { operation, source })
        }
        Ordering::Greater => Err(unexpected(operation, expected, changed, layer.table)),
        Ordering::Equal if reached > changed => refused(UNDECLARED),
        Ordering::Equal => Ok(()),
    }
}

/// Makes sure that what the application's triggers have put off to the commit changes nothing: there, nobody would count it.
pub(super) async fn settle(
    handle: &mut Handle<'_>,
    dialect: &Dialect,
    held: &[Held<'_>],
) -> Result<(), DatastoreError> {
    let operation = "run what is put off to the end of a batch";
    if held.iter().any(|held| dialect.puts_off(held.layer.table))
        && handle.put_off(dialect, operation).await? > 0
    {
        return Err(refused(operation, UNDECLARED));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_one_form() {
        for good in ["0", "7", "-7", "0.5", "-0.25", "10", "1.5"] {
            assert!(is_decimal(good), "{good}");
        }
        for other in ["", "-", "007", "7.0", "1.50", "1e3", "+1", ".5", "5.", "-0", "NaN"] {
            assert!(!is_decimal(other), "{other}");
        }
    }

    #[test]
    fn what_only_a_cast_makes_equal_is_held_by_no_column() {
        let dialect = Dialect::Postgres(std::sync::Arc::default());
        let held = |class, value: &str| {
            held_by(&dialect, &Type { class, name: String::new() }, &Value::Text(value.to_owned()))
        };
        assert!(held(Class::Integer, "-5") && held(Class::Integer, "18446744073709551615"));
        for (class, value) in [
            (Class::Integer, "007"),
            (Class::Integer, "1.0"),
            (Class::Integer, "+1"),
            (Class::Decimal, "1.50"),
            (Class::Instant, "2026-01-01T00:00:00+03:00"),
            (Class::Date, "2026-1-1"),
            (Class::Real, "1"),
        ] {
            assert!(!held(class, value), "{value}");
        }
        assert!(held(Class::Instant, "2026-01-01T00:00:00.000000Z"));
    }
}
