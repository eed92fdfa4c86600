//! Where a walk through a dataset stands, and how a statement is bounded by that.

use super::Phase;
use super::dialect::{Class, Dialect, Expression, Type};
use super::statement::Sql;
use super::trigger::TriggerSql;
use super::way::{Axis, Line, Span, Way, at_mark};
use crate::model::value::Value;
use crate::rules::bind::RowRule;

/// Where a walk through a dataset goes on.
#[derive(Clone, Default, PartialEq)]
pub struct Cursor(pub(super) Place);

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What a record's key or trigger reads may be personal data.
        f.write_str("<cursor>")
    }
}

/// Where that is.
#[derive(Clone, Default, PartialEq)]
pub(super) enum Place {
    #[default]
    Start,
    /// At the start of a walk in this order.
    StartOf(Order),
    /// Behind this record, by the values of the walk's own order.
    Behind(Order, Vec<Value>),
    /// On a line, from here; up to the second and without it, where somebody else takes what is there.
    On(Axis, i64, Option<i64>),
    /// Within this stretch of a line, behind the record with these values of the walk's own order.
    Within(Span, Option<Vec<Value>>),
}

/// What a walk goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The trigger's index, and the key among those that share a trigger.
    Trigger,
    /// The key.
    Key,
}

impl Order {
    /// The one that finds what a phase is after with the fewest looks.
    pub(super) fn of(rule: RowRule<'_>, phase: Phase) -> Self {
        let indexed = matches!(phase, Phase::Exact | Phase::Regular) && rule.table().trigger_indexed;
        if indexed { Self::Trigger } else { Self::Key }
    }
}

/// The columns a walk goes by; together they tell any two records apart.
pub(super) fn columns_of(dialect: &Dialect, rule: RowRule<'_>, order: Order) -> Vec<Expression> {
    let trigger = TriggerSql::of(dialect, rule);
    let mut columns: Vec<Expression> =
        trigger.own_column().filter(|_| order == Order::Trigger).cloned().into_iter().collect();
    columns.extend(rule.table().key.iter().map(|name| {
        let x = dialect.column("t", rule.table().name, name);
        match (dialect, x.ty.class) {
            // MariaDB sorts an enumeration by its places, and compares it by its texts.
            (Dialect::MariaDb(_), Class::Other) => Expression::text(dialect.shown(&x)),
            (Dialect::Sqlite | Dialect::Postgres(_) | Dialect::MariaDb(_), _) => x,
        }
    }));
    columns
}

/// Which side of the record that a cursor stands on.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    /// Those behind it.
    After,
    /// Those up to it.
    UpTo,
}

impl Cursor {
    /// Bounds a statement by where the cursor stands; the start of a walk bounds nothing.
    pub(super) fn push(&self, sql: &mut Sql, order: &[Expression], side: Side) {
        let Cursor(place) = self;
        match place {
            Place::Start | Place::StartOf(_) => {}
            Place::On(axis, from, None) => push_mark(sql, *axis, &order[0], ">=", *from),
            Place::On(axis, from, Some(until)) => {
                push_span(sql, &order[0], Span { axis: *axis, from: *from, until: *until });
            }
            Place::Behind(_, values) => push_row(sql, order, values, side),
            Place::Within(span, after) => {
                push_span(sql, &order[0], *span);
                if let Some(after) = after {
                    push_row(sql, order, after, side);
                }
            }
        }
    }

    /// Behind the last record of a page that a walk in this order has read.
    pub(super) fn behind(&self, order: Order, values: Vec<Value>) -> Self {
        Self(match self.0 {
            Place::Within(span, _) => Place::Within(span, Some(values)),
            Place::Start | Place::StartOf(_) | Place::Behind(..) | Place::On(..) => {
                Place::Behind(order, values)
            }
        })
    }

    /// The next stretch of a walk along a line, for about so many records.
    pub(super) fn span(&self, line: Line, limit: u32) -> Span {
        let (from, most) = match self.0 {
            Place::On(_, from, most) => (from, most),
            Place::Start | Place::StartOf(_) | Place::Behind(..) | Place::Within(..) => (line.floor, None),
        };
        let until = from.max(line.first).saturating_add(line.stride(aim(limit)));
        let most = match (most, line.axis) {
            (Some(most), _) => most,
            (None, Axis::Trigger) => line.end,
            // What has come to be behind the last page is read with it.
            (None, Axis::Pages) => i64::MAX,
        };
        Span { axis: line.axis, from, until: until.min(most) }
    }

    /// Where a walk goes on behind this stretch of a line.
    pub(super) fn behind_span(&self, Span { axis, until, .. }: Span) -> Self {
        Self(match self.0 {
            Place::On(_, _, Some(most)) if until < most => Place::On(axis, until, Some(most)),
            _ => Place::On(axis, until, None),
        })
    }

    /// Whether something is left of a stretch that is set apart.
    pub fn is_apart(&self) -> bool {
        matches!(self.0, Place::On(_, _, Some(_)))
    }

    /// The same stretch, to be looked at record by record.
    pub(super) fn closer(&self, way: Way, limit: u32) -> Self {
        match (way, &self.0) {
            (Way::Measured(line), Place::Start | Place::On(..)) => {
                Self(Place::Within(self.span(line, limit), None))
            }
            (Way::Keys, Place::Start) => Self(Place::StartOf(Order::Key)),
            _ => self.clone(),
        }
    }

    /// Whether only a list leads on from here.
    pub fn is_within(&self) -> bool {
        matches!(self.0, Place::Within(..))
    }

    /// Where the walk goes on when nothing is left of what it stands in; none: the walk ends.
    pub(super) fn beyond(&self) -> Option<Self> {
        match self.0 {
            Place::Within(Span { axis, until, .. }, _) => Some(Self(Place::On(axis, until, None))),
            Place::Start | Place::StartOf(_) | Place::Behind(..) | Place::On(..) => None,
        }
    }

    /// The order that the walk has to have here, whatever it would go by from the start.
    pub(super) fn order(&self, otherwise: Order) -> Order {
        match self.0 {
            Place::On(Axis::Trigger, ..) | Place::Within(Span { axis: Axis::Trigger, .. }, _) => {
                Order::Trigger
            }
            Place::Within(Span { axis: Axis::Pages, .. }, _) => Order::Key,
            Place::StartOf(order) | Place::Behind(order, _) => order,
            Place::Start | Place::On(Axis::Pages, ..) => otherwise,
        }
    }
}

/// A batch that is measured is to hold this many, so that one that holds half as many again is no larger than it may be.
fn aim(limit: u32) -> u32 {
    (limit - limit / 3).max(1)
}

/// The rows on a stretch of a line; where that is the trigger's, it is this column.
pub(super) fn push_span(sql: &mut Sql, trigger: &Expression, Span { axis, from, until }: Span) {
    push_mark(sql, axis, trigger, ">=", from);
    push_mark(sql, axis, trigger, "<", until);
}

fn push_mark(sql: &mut Sql, axis: Axis, trigger: &Expression, operator: &str, mark: i64) {
    match axis {
        Axis::Pages => {
            let tid = Type { class: Class::Other, name: "tid".to_owned() };
            sql.push(&format!(" AND t.ctid {operator} ")).bind(&Value::Text(format!("({mark},0)")), &tid);
        }
        Axis::Trigger => {
            let value = at_mark(mark, trigger.ty.class).expect("a line is made of what its column can hold");
            sql.push(&format!(" AND {} {operator} ", trigger.sql)).bind(&value, &trigger.ty);
        }
    }
}

fn push_row(sql: &mut Sql, order: &[Expression], values: &[Value], side: Side) {
    let (strictly, at_last) = if side == Side::After { (">", ">") } else { ("<", "<=") };
    if !matches!(sql.dialect, Dialect::Sqlite) {
        // MariaDB makes no range of a row value, and PostgreSQL starts from one only where it is the only bound.
        sql.push(&format!(" AND {} {}= ", order[0].sql, &strictly[..1])).bind(&values[0], &order[0].ty);
    }
    if let Dialect::MariaDb(_) = &sql.dialect {
        sql.push(" AND (");
        for last in 0..order.len() {
            sql.push(if last > 0 { " OR (" } else { "(" });
            for (at, x) in order.iter().enumerate().take(last + 1) {
                let operator = match at {
                    at if at < last => "=",
                    _ if last + 1 < order.len() => strictly,
                    _ => at_last,
                };
                sql.push(&format!("{}{} {operator} ", if at > 0 { " AND " } else { "" }, x.sql));
                sql.bind(&values[at], &x.ty);
            }
            sql.push(")");
        }
        sql.push(")");
        return;
    }
    let names: Vec<&str> = order.iter().map(|x| x.sql.as_str()).collect();
    sql.push(&format!(" AND ({}) {at_last} (", names.join(", ")));
    for (i, (value, x)) in values.iter().zip(order).enumerate() {
        sql.push(if i > 0 { ", " } else { "" }).bind(value, &x.ty);
    }
    sql.push(")");
}
