//! What narrows a rule's dataset: `only`, `unless`, the mark of what is done, and whose records they are.

use super::dialect::{Class, Dialect, Expression, Type};
use super::statement::Sql;
use crate::model::name::TableName;
use crate::model::orders::SubjectId;
use crate::model::value::{Value, Values};
use crate::rules::bind::{People, RowRule};
use crate::rules::rule::{Action, Condition, Match, Test};

/// What more rows that match a condition do.
#[derive(Clone, Copy, PartialEq)]
enum More {
    /// They are disposed of. Values compare to the byte, whatever their column's collation: no row goes that the file does not name, and
    /// a proof that rules leave nothing out goes by that.
    Disposes,
    /// They keep records: a listed value may also be what the column takes for it.
    Keeps,
}

/// What narrows a rule's dataset, whatever its trigger says: `only`, `unless`, and the mark of what is done.
pub(super) fn filters(sql: &mut Sql, rule: RowRule<'_>) {
    selected(sql, rule);
    for unless in &rule.rule().unless {
        let dialect = sql.dialect.clone();
        let own = rule.table().name;
        let pairs = unless.matches.iter().map(|m| {
            dialect.equal(&dialect.column("u", &unless.table, &m.theirs), &dialect.column("t", own, &m.ours))
        });
        let joined = pairs.collect::<Vec<_>>().join(" AND ");
        sql.push(&format!(
            " AND NOT EXISTS (SELECT 1 FROM {} AS u WHERE {joined}",
            dialect.table(&unless.table)
        ));
        conditions(sql, ("u", &unless.table), &unless.only, More::Keeps);
        sql.push(")");
    }
}

/// The records a rule is about, whether or not a matching row keeps them for now, but for those that are done.
pub(super) fn selected(sql: &mut Sql, rule: RowRule<'_>) {
    sql.push("TRUE");
    let own = rule.table().name;
    if let Action::Pseudonymize { mark, .. } = &rule.rule().action {
        let mark = sql.dialect.column("t", own, mark);
        sql.push(&format!(" AND {} IS NULL", mark.sql));
    }
    conditions(sql, ("t", own), &rule.rule().only, More::Disposes);
}

/// Rows that belong together exactly.
pub(super) fn joined_exactly(
    dialect: &Dialect,
    (theirs, of): (&str, &TableName),
    (ours, own): (&str, &TableName),
    matches: &[Match],
) -> String {
    let pairs = matches
        .iter()
        .map(|m| dialect.same(&dialect.column(theirs, of, &m.theirs), &dialect.column(ours, own, &m.ours)));
    pairs.collect::<Vec<_>>().join(" AND ")
}

fn conditions(sql: &mut Sql, (alias, table): (&str, &TableName), conditions: &[Condition], more: More) {
    for condition in conditions {
        let x = sql.dialect.column(alias, table, &condition.column);
        sql.push(" AND ");
        match &condition.test {
            Test::Null => drop(sql.push(&format!("{} IS NULL", x.sql))),
            Test::NotNull => drop(sql.push(&format!("{} IS NOT NULL", x.sql))),
            Test::In(values) => listed(sql, &x, values, more),
            Test::NotIn(values) => {
                sql.push(&format!("({} IS NULL OR NOT (", x.sql));
                listed(sql, &x, values, More::Disposes);
                sql.push("))");
            }
        }
    }
}

/// Whether the column holds one of the values. By its text, where no value but its own can be cast to its type; and besides the plain
/// comparison, which is there for the index, where the column takes for the same what is not.
fn listed(sql: &mut Sql, x: &Expression, values: &[Value], more: More) {
    let exact = sql.dialect.exact_text(x);
    match (&sql.dialect, x.ty.class) {
        (Dialect::Sqlite, _) => {
            let x = if more == More::Disposes { exact } else { x.sql.clone() };
            any_of(sql, &x, values, Type::ANY);
        }
        (_, Class::Integer | Class::Boolean | Class::Decimal | Class::Real) => {
            any_of(sql, &x.sql, values, &x.ty);
        }
        (_, Class::Text) => {
            any_of(sql, &x.sql, values, &x.ty);
            if more == More::Disposes {
                sql.push(" AND ");
                any_of(sql, &exact, values, Type::TEXT);
            }
        }
        (_, Class::Bytes | Class::Instant | Class::Naive | Class::Date | Class::Uuid | Class::Other) => {
            any_of(sql, &exact, values, Type::TEXT);
        }
        (_, Class::Any | Class::Rows) => any_of(sql, &x.sql, values, &x.ty),
    }
}

fn any_of(sql: &mut Sql, x: &str, values: &[Value], ty: &Type) {
    sql.push(&format!("{x} IN ("));
    for (i, value) in values.iter().enumerate() {
        sql.push(if i > 0 { "," } else { "" }).bind(value, ty);
    }
    sql.push(")");
}

/// The records of nobody whose hold is in force: the judge's answer once more, from the engine.
pub(super) fn not_held(sql: &mut Sql, rule: RowRule<'_>, people: People<'_>) {
    let x = sql.dialect.column("t", rule.table().name, people.column);
    let subject = sql.dialect.subject(&x);
    sql.push(&format!("NOT coalesce({subject}")).among(&texts(people.orders.held.iter()));
    sql.push(", FALSE)");
}

/// The records of those who demand their erasure. The plain comparison is there for the index; it meets an id in each form in which a
/// column may hold it. A number with a fraction is nobody's id: it has no one text.
pub(super) fn demanded(sql: &mut Sql, rule: RowRule<'_>, people: People<'_>) {
    let x = sql.dialect.column("t", rule.table().name, people.column);
    let asked = texts(people.orders.asked.keys());
    match (&sql.dialect, x.ty.class) {
        (Dialect::Sqlite, _) => {
            let x = &x.sql;
            sql.push(x).among(&asked);
            // In place of the closing bracket.
            sql.text.pop();
            let json = serde_json::json!(asked).to_string();
            sql.push(" UNION ALL SELECT CAST(value AS INTEGER) FROM json_each(").bind_text(&json);
            sql.push(") WHERE CAST(CAST(value AS INTEGER) AS TEXT) = value");
            sql.push(" UNION ALL SELECT unhex(substr(value, 5)) FROM json_each(").bind_text(&json);
            sql.push(&format!(") WHERE value LIKE 'hex:%') AND typeof({x}) <> 'real' AND "));
        }
        (_, Class::Integer) => {
            let numbers: Vec<Value> = asked.iter().filter_map(|id| Value::whole(id)).collect();
            indexed(sql, &x, &numbers);
        }
        (_, Class::Text) => {
            let texts: Vec<Value> = asked.iter().cloned().map(Value::Text).collect();
            indexed(sql, &x, &texts);
        }
        (_, Class::Uuid) => {
            let ids: Vec<Value> = asked.iter().filter(|id| is_uuid(id)).cloned().map(Value::Text).collect();
            indexed(sql, &x, &ids);
        }
        _ => {}
    }
    let subject = sql.dialect.subject(&x);
    sql.push(&subject).among(&asked);
}

/// A comparison that an index serves, with nothing where nothing can be found.
fn indexed(sql: &mut Sql, x: &Expression, values: &[Value]) {
    if values.is_empty() {
        sql.push("FALSE AND ");
        return;
    }
    let rows: Vec<Values> = values.iter().map(|value| Values::from_elem(value.clone(), 1)).collect();
    let carried = sql.dialect.carried("id", &x.ty);
    sql.push(&format!("{} IN (SELECT {} FROM ", x.sql, carried.sql));
    sql.bulk(&[("id".to_owned(), x.ty.clone())], &rows).push(") AND ");
}

/// The canonical form, which is the one that a column of this type shows.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

fn texts<'s>(subjects: impl Iterator<Item = &'s SubjectId>) -> Vec<String> {
    subjects.map(SubjectId::text).collect()
}
