//! What a batch, or a page for the judge, is selected by, and the records that come of it.

use super::Phase;
use super::cursor::{Cursor, Order, Side, columns_of, push_span};
use super::dialect::{Dialect, Expression, Wait};
use super::filter::{demanded, filters};
use super::rows::several;
use super::statement::Sql;
use super::trigger::TriggerSql;
use super::way::{Axis, Reading, Span};
use crate::datastore::error::DatastoreError;
use crate::model::key::Key;
use crate::model::orders::Whose;
use crate::model::value::{Value, Values};
use crate::rules::bind::RowRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Record, TriggerValue};

/// A page of a walk through a dataset.
#[derive(Debug)]
pub struct Page {
    /// The records, in the walk's order; on a line, in any.
    pub records: Vec<Record>,
    /// Where the walk goes on.
    pub next: Cursor,
    /// Whether the page is the last.
    pub last: bool,
    /// How many more there are up to its end, which somebody else had locked.
    pub passed_over: u64,
    /// The values of the records' keys.
    pub(super) keys: Vec<Values>,
    /// What their triggers read, where only the judge can compare it.
    pub(super) readings: Vec<Value>,
    selected: usize,
}

impl Page {
    /// Of a walk that has not begun.
    pub(super) fn empty() -> Self {
        Self {
            records: Vec::new(),
            next: Cursor::default(),
            last: false,
            passed_over: 0,
            keys: Vec::new(),
            readings: Vec::new(),
            selected: 0,
        }
    }

    /// How many records were selected, whoever has taken them since.
    pub(super) fn selected(&self) -> usize {
        self.selected
    }
}

/// What the judge is told of a record: its key, its trigger and, where an order asks for it, the data subject. `phase`: whose condition
/// selects the records; none: another.
pub(super) fn sources(dialect: &Dialect, rule: RowRule<'_>, phase: Option<Phase>) -> Vec<Expression> {
    let own = rule.table().name;
    // A key that holds NULL identifies nothing: it is an error, also where it is read.
    let key = rule.table().key.iter().map(|name| dialect.column("t", own, name).filled(true));
    let mut sources: Vec<Expression> = key.collect();
    let trigger = TriggerSql::of(dialect, rule);
    // What is compared with a cut-off is not NULL.
    let compared = trigger.own_column().is_some() && matches!(phase, Some(Phase::Exact | Phase::Regular));
    sources.push(trigger.reading().filled(compared));
    sources.extend(rule.people().map(|people| dialect.column("t", own, people.column)));
    sources
}

/// The rule's table as `t`, and the beginning of its conditions.
pub(super) fn from(sql: &mut Sql, before: &str, rule: RowRule<'_>) {
    let table = sql.dialect.table(rule.table().name);
    sql.push(&format!("{before}{table} AS t WHERE "));
}

/// What a selection takes of the records that a phase is after.
#[derive(Clone, Copy)]
pub(super) struct Range<'c> {
    pub(super) phase: Phase,
    pub(super) cursor: &'c Cursor,
    pub(super) order: Order,
    pub(super) limit: u32,
    /// Whether they are locked, and what becomes of those that others have locked.
    pub(super) lock: Option<Wait>,
    /// All on this stretch of a line, whatever the order of the walk.
    pub(super) span: Option<Span>,
    /// How the index leads along that; in its order, those that come first are wanted where there are more than the limit.
    pub(super) reading: Reading,
}

impl<'c> Range<'c> {
    /// Unlocked, in the order that suits the phase.
    pub(super) fn of(rule: RowRule<'_>, phase: Phase, cursor: &'c Cursor, limit: u32) -> Self {
        let order = cursor.order(Order::of(rule, phase));
        Self { phase, cursor, order, limit, lock: None, span: None, reading: Reading::InOrder }
    }
}

/// All of a `SELECT` behind its columns.
pub(super) fn selection(sql: &mut Sql, rule: RowRule<'_>, cutoffs: &Cutoffs, range: Range<'_>) {
    let dialect = sql.dialect.clone();
    from(sql, " FROM ", rule);
    if let Some(span) = range.span {
        on_span(sql, rule, cutoffs, span);
        if let (Axis::Trigger, Reading::InOrder, Some(trigger)) =
            (span.axis, range.reading, TriggerSql::of(&dialect, rule).own_column())
        {
            // Of more than a batch takes, those that come first say where it may end.
            sql.push(&format!(" ORDER BY {}", trigger.sql));
        }
        sql.push(" LIMIT ").bind_integer(i64::from(range.limit));
        return;
    }
    condition(sql, rule, cutoffs, range.phase);
    let order = columns_of(&dialect, rule, range.order);
    range.cursor.push(sql, &order, Side::After);
    let order: Vec<&str> = order.iter().map(|x| x.sql.as_str()).collect();
    sql.push(&format!(" ORDER BY {} LIMIT ", order.join(", "))).bind_integer(i64::from(range.limit));
    sql.push(range.lock.map_or("", |wait| dialect.lock(wait)));
}

/// Which records a walk along a line is after on this stretch of it.
pub(super) fn on_span(sql: &mut Sql, rule: RowRule<'_>, cutoffs: &Cutoffs, span: Span) {
    match span.axis {
        Axis::Pages => {
            // What the planner cannot see through leads it to no index, and spares it a look at the ends of one, where the dead lie.
            sql.push("CASE WHEN ");
            condition(sql, rule, cutoffs, Phase::Exact);
            sql.push(" THEN TRUE END");
        }
        // No such stretch begins before what can be due, or goes beyond the cut-off: it is the rest of the predicate.
        Axis::Trigger => filters(sql, rule),
    }
    let dialect = sql.dialect.clone();
    let trigger = TriggerSql::of(&dialect, rule);
    let column = trigger.own_column().expect("a walk along a line goes by the record's own trigger");
    push_span(sql, column, span);
}

/// Which records a phase is after.
pub(super) fn condition(sql: &mut Sql, rule: RowRule<'_>, cutoffs: &Cutoffs, phase: Phase) {
    let dialect = sql.dialect.clone();
    let trigger = TriggerSql::of(&dialect, rule);
    filters(sql, rule);
    sql.push(" AND ");
    match phase {
        Phase::Exact => trigger.past(sql, cutoffs, cutoffs.due.as_ref()),
        Phase::Regular => {
            trigger.past(sql, cutoffs, cutoffs.due.as_ref());
            if !trigger.is_past_exactly() {
                sql.push(" AND ");
                trigger.class(sql, cutoffs);
                sql.push(" IN ('due', 'overdue')");
            }
        }
        Phase::Candidates => drop(sql.push(&trigger.candidate())),
        Phase::Demanded => match rule.people() {
            Some(people) => demanded(sql, rule, people),
            None => drop(sql.push("FALSE")),
        },
    }
}

/// The records of a page from the rows that a selection returned, which begin with [`sources`].
pub(super) fn page(
    dialect: &Dialect,
    rule: RowRule<'_>,
    range: Range<'_>,
    mut rows: Vec<Values>,
) -> Result<Page, DatastoreError> {
    let width = rule.table().key.len();
    let own = TriggerSql::of(dialect, rule).own_column().is_some();
    let mut records = Vec::with_capacity(rows.len());
    let mut readings = Vec::new();
    let count = rows.len();
    // Of each row, its key is left.
    for (position, key) in (0u32..).zip(&mut rows) {
        let whose = match (rule.people(), rule.rule().subject.is_none()) {
            (Some(_), _) => Whose::of(key.get(width + 1).unwrap_or(&Value::Null)),
            (None, true) => Whose::Nobody,
            (None, false) => Whose::NotRead,
        };
        key.truncate(width + 1);
        let trigger = key.pop().unwrap_or(Value::Null);
        if range.phase == Phase::Candidates {
            readings.push(trigger.clone());
        }
        let trigger = if own {
            TriggerValue::Own(trigger)
        } else {
            TriggerValue::Rows(several(dialect, rule.trigger(), &trigger)?)
        };
        records.push(Record { key: Key::from_values(key)?, trigger, whose, position });
    }
    let keys = rows;
    let next = records.last().zip(keys.last()).map(|(record, key)| {
        let trigger = match &record.trigger {
            TriggerValue::Own(value) if range.order == Order::Trigger => Some(value.clone()),
            TriggerValue::Own(_) | TriggerValue::Rows(_) => None,
        };
        range.cursor.behind(range.order, trigger.into_iter().chain(key.iter().cloned()).collect())
    });
    let exhausted = u32::try_from(count).is_ok_and(|n| n < range.limit);
    let beyond = if exhausted { range.cursor.beyond() } else { None };
    let last = exhausted && beyond.is_none();
    let next = beyond.or(next).unwrap_or_default();
    Ok(Page { records, next, last, passed_over: 0, keys, readings, selected: count })
}
