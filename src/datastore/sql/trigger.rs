//! A trigger in SQL: whether it is past a cut-off, and what of it only the judge can read. No date arithmetic.

use super::dialect::{Dialect, Expression, Type};
use super::filter::joined_exactly;
use super::read::Backlogged;
use super::rows::{ALTERED, same_type};
use super::statement::Sql;
use crate::model::value::Value;
use crate::rules::bind::{Reads, RowRule, TriggerKind};
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::{Pick, Trigger, Unit};

/// How one trigger value is compared in SQL.
struct Form<'a> {
    dialect: &'a Dialect,
    kind: &'a TriggerKind,
    x: Expression,
}

impl Form<'_> {
    /// Whether the value has the one shape that compares as it sorts. What has not is a candidate for the judge.
    fn regular(&self) -> String {
        let x = &self.x.sql;
        if let Dialect::Sqlite = self.dialect {
            return self.regular_text();
        }
        match self.kind {
            // Not infinite, and of a year that the judge reads.
            TriggerKind::Instant | TriggerKind::Naive(_) | TriggerKind::Date => {
                let whole = match self.dialect {
                    // A date may lack its month or its day.
                    Dialect::MariaDb(_) => format!(" AND MONTH({x}) > 0 AND DAYOFMONTH({x}) > 0"),
                    Dialect::Sqlite | Dialect::Postgres(_) => String::new(),
                };
                format!("({x} >= '0001-01-01' AND {x} < '{}'{whole})", self.end())
            }
            TriggerKind::Integer(_) => format!("{x} IS NOT NULL"),
            TriggerKind::Text(..) => "FALSE".to_owned(),
        }
    }

    /// Beyond the last year that the judge reads; MariaDB's types end with it.
    fn end(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite | Dialect::Postgres(_) => "10000-01-01",
            Dialect::MariaDb(_) => "9999-12-31 23:59:59.999999",
        }
    }

    /// The same where a column holds text.
    fn regular_text(&self) -> String {
        let x = &self.x.sql;
        let digits = |n: usize| "[0-9]".repeat(n);
        let date = format!("{}-{}-{}", digits(4), digits(2), digits(2));
        let time = format!("{}:{}:{}", digits(2), digits(2), digits(2));
        match self.kind {
            // Of these lengths, with these two letters, the judge reads only what has digits everywhere else; what it cannot
            // read it sets aside. A pattern over all characters would cost a tenth of the sweep.
            TriggerKind::Instant => format!(
                "(octet_length({x}) IN (20,24,27) AND substr({x},11,1) = 'T' AND substr({x},-1) = 'Z' AND typeof({x}) = 'text')"
            ),
            TriggerKind::Naive(_) => {
                format!("(typeof({x}) = 'text' AND {x} GLOB '{date}[ T]{time}*' AND {})", self.fraction(""))
            }
            TriggerKind::Date => {
                format!("(typeof({x}) = 'text' AND {x} GLOB '{date}' AND octet_length({x}) = 10)")
            }
            TriggerKind::Integer(_) => format!("typeof({x}) = 'integer'"),
            TriggerKind::Text(..) => "FALSE".to_owned(),
        }
    }

    /// Valid at a glance: digits where they belong, and a day that every month has. In bytes, for the same reason as [`Self::fraction`].
    fn plain(&self) -> String {
        let x = &self.x.sql;
        let digits = |n: usize| "[0-9]".repeat(n);
        let day = format!("substr({x},6,2) BETWEEN '01' AND '12' AND substr({x},9,2) BETWEEN '01' AND '28'");
        let date = format!("{}-[01][0-9]-[0-2][0-9]", digits(4));
        let of_length = |end: &str| {
            let time = "[0-2][0-9]:[0-5][0-9]:[0-5][0-9]";
            let lengths =
                [(19, String::new()), (23, format!(".{}", digits(3))), (26, format!(".{}", digits(6)))];
            let when = |(length, fraction): (usize, String)| {
                format!(" WHEN {} THEN {x} GLOB '{date}[ T]{time}{fraction}{end}'", length + end.len())
            };
            let all: String = lengths.into_iter().map(when).collect();
            format!("CASE octet_length({x}){all} ELSE FALSE END AND {day} AND substr({x},12,2) < '24'")
        };
        match self.kind {
            TriggerKind::Instant => {
                format!("typeof({x}) = 'text' AND substr({x},11,1) = 'T' AND {}", of_length("Z"))
            }
            TriggerKind::Naive(_) => format!("typeof({x}) = 'text' AND {}", of_length("")),
            TriggerKind::Date => {
                format!("typeof({x}) = 'text' AND octet_length({x}) = 10 AND {x} GLOB '{date}' AND {day}")
            }
            TriggerKind::Integer(_) => format!("typeof({x}) = 'integer'"),
            TriggerKind::Text(..) => "FALSE".to_owned(),
        }
    }

    /// In bytes, since a NUL and what follows it are invisible to `length` and `GLOB`: no fraction of a second, or one of three or six digits, and then `end`.
    fn fraction(&self, end: &str) -> String {
        let x = &self.x.sql;
        let of = |n: usize| format!("'.{}{end}'", "[0-9]".repeat(n));
        format!(
            "(octet_length({x}) = {l0} AND substr({x},20) = '{end}' OR octet_length({x}) = {l1} AND substr({x},20) GLOB {} OR octet_length({x}) = {l2} AND substr({x},20) GLOB {})",
            of(3),
            of(6),
            l0 = 19 + end.len(),
            l1 = 23 + end.len(),
            l2 = 26 + end.len(),
        )
    }

    /// Regular, and a time that exists: `2026-02-31` has the shape. The engine knows an hour 24, the judge does not.
    fn valid(&self) -> String {
        let (x, regular) = (&self.x.sql, self.regular());
        match (self.dialect, self.kind) {
            (Dialect::Sqlite, TriggerKind::Instant | TriggerKind::Naive(_)) => {
                let end = if matches!(self.kind, TriggerKind::Instant) { "Z" } else { "" };
                format!(
                    "({regular} AND {} AND substr({x},12,2) < '24' AND strftime('%Y-%m-%dT%H:%M:%S', substr({x},1,19)) \
                     IS substr({x},1,10)||'T'||substr({x},12,8))",
                    self.fraction(end)
                )
            }
            (Dialect::Sqlite, TriggerKind::Date) => format!("({regular} AND date({x}) IS {x})"),
            (_, TriggerKind::Integer(unit)) => {
                // Beyond the calendar's year 262142 the judge cannot read it either.
                let limit: i64 = match unit {
                    Unit::Seconds => 8_210_266_876_799,
                    Unit::Milliseconds => 8_210_266_876_799_999,
                    Unit::Microseconds => 8_210_266_876_799_999_999,
                };
                format!("({regular} AND {x} <= {limit})")
            }
            (_, TriggerKind::Instant | TriggerKind::Naive(_) | TriggerKind::Date | TriggerKind::Text(..)) => {
                regular
            }
        }
    }

    /// The value in the one form that compares as it sorts.
    fn norm(&self) -> String {
        let x = &self.x.sql;
        match (self.dialect, self.kind) {
            (Dialect::Sqlite, TriggerKind::Instant) => format!(
                "CASE length({x}) WHEN 27 THEN {x} WHEN 20 THEN substr({x},1,19)||'.000000Z' ELSE substr({x},1,23)||'000Z' END"
            ),
            (Dialect::Sqlite, TriggerKind::Naive(_)) => {
                format!(
                    "substr({x},1,10)||'T'||substr({x},12,8)||substr(substr({x},20)||substr('.000000',length({x})-18),1,7)"
                )
            }
            _ => x.clone(),
        }
    }

    /// The type that a cut-off is compared as.
    fn ty(&self) -> &Type {
        &self.x.ty
    }

    fn past(&self, sql: &mut Sql, cutoffs: &Cutoffs, cut: &Value) {
        sql.push(&format!("({} AND {} > ", self.regular(), self.norm()));
        sql.bind(&cutoffs.epoch, self.ty()).push(&format!(" AND {} < ", self.norm()));
        sql.bind(cut, self.ty()).push(")");
    }

    /// The same as a range that an index serves.
    fn range(&self, sql: &mut Sql, cutoffs: &Cutoffs, cut: &Value) {
        let x = &self.x.sql;
        match (self.dialect, self.kind) {
            (_, TriggerKind::Text(..)) => {
                sql.push("FALSE");
            }
            // It holds every regular value before the cut-off, and with them the odd ones that happen to sort there. A pattern a row
            // would cost a third of the sweep; the judge reads them all anyway.
            (Dialect::Sqlite, _) => {
                sql.push(&format!("{x} < ")).bind(&ceiling(self.kind, cut), self.ty());
            }
            (Dialect::Postgres(_) | Dialect::MariaDb(_), _) => {
                sql.push(&format!("{x} > ")).bind(&cutoffs.epoch, self.ty());
                sql.push(&format!(" AND {x} < ")).bind(cut, self.ty());
            }
        }
    }
}

/// A trigger and the rows it reads, as SQL over the record `t`.
pub(super) struct TriggerSql<'a> {
    trigger: &'a Trigger,
    form: Form<'a>,
    rows: Option<(String, Pick)>,
}

impl<'a> TriggerSql<'a> {
    pub(super) fn of(dialect: &'a Dialect, rule: RowRule<'a>) -> Self {
        let trigger = &rule.rule().trigger;
        let own = rule.table().name;
        let (x, rows) = match rule.table().reads {
            Reads::Own(name) => (dialect.column("t", own, name), None),
            Reads::Others { table: theirs, matches, column: name, pick } => {
                let joined = joined_exactly(dialect, ("l", theirs), ("t", own), matches);
                let from = format!("FROM {} AS l WHERE {joined}", dialect.table(theirs));
                (dialect.column("l", theirs, name), Some((from, pick)))
            }
            // A clock that has not started, for the judge as for the engine.
            Reads::Nothing => (Expression::text("NULL"), None),
        };
        let x = match (dialect, rule.trigger()) {
            // Compared by its text, whatever its type makes of a time.
            (Dialect::Postgres(_) | Dialect::MariaDb(_), TriggerKind::Text(..)) => {
                Expression { column: x.column.clone(), ..Expression::text(dialect.shown(&x)) }
            }
            _ => x,
        };
        Self { trigger, form: Form { dialect, kind: rule.trigger(), x }, rows }
    }

    /// What the record's trigger reads, for the judge: one value, or a JSON array of them.
    pub(super) fn reading(&self) -> Expression {
        let Some((from, _)) = &self.rows else { return self.form.x.clone() };
        let shown = self.form.dialect.shown(&self.form.x);
        let column = self.form.x.column.as_ref();
        let sql = match self.form.dialect {
            Dialect::Sqlite => format!("(SELECT json_group_array({shown}) {from})"),
            Dialect::Postgres(_) => {
                let same = column.and_then(|(x, ty)| same_type(&format!("pg_catalog.min({x})"), ty));
                let same = same.unwrap_or_else(|| "TRUE".to_owned());
                format!(
                    "coalesce((SELECT CASE WHEN {same} THEN json_agg({shown}) ELSE '{ALTERED}' END {from}), '[]')::text"
                )
            }
            Dialect::MariaDb(_) => format!("coalesce((SELECT JSON_ARRAYAGG({shown}) {from}), '[]')"),
        };
        let column = column.map(|(x, ty)| (format!("(SELECT {x} {from} LIMIT 0)"), ty.clone()));
        Expression { column, ..Expression::new(sql, Type::ROWS) }
    }

    /// Whether SQL compares it at all.
    pub(super) fn is_compared(&self) -> bool {
        !matches!(self.form.kind, TriggerKind::Text(..))
    }

    /// The column that a range scan can start from.
    pub(super) fn own_column(&self) -> Option<&Expression> {
        self.rows.is_none().then_some(&self.form.x)
    }

    /// Whether the record's trigger still reads what it did, which the statement carries as `trig`.
    pub(super) fn unchanged(&self) -> String {
        Self::is_carried(self.form.dialect, &self.reading())
    }

    /// The same of any column. By its text, which is the same to the byte.
    pub(super) fn is_carried(dialect: &Dialect, reading: &Expression) -> String {
        match dialect {
            Dialect::Sqlite => dialect.not_distinct(&reading.sql, "b.trig"),
            Dialect::Postgres(_) | Dialect::MariaDb(_) => dialect
                .not_distinct(&dialect.exact_text(reading), &dialect.exact_text(&Expression::text("b.trig"))),
        }
    }

    /// Whether the record may be past a cut-off: every one that is and that SQL can compare is among them, and no regular
    /// one that is not, but for those within the cut-off's own second (naive: day) on SQLite, which the judge sorts out.
    pub(super) fn past(&self, sql: &mut Sql, cutoffs: &Cutoffs, cut: Option<&Value>) {
        let Some(cut) = cut else {
            sql.push("FALSE");
            return;
        };
        match &self.rows {
            None => self.form.range(sql, cutoffs, cut),
            Some((from, Pick::Latest)) => {
                sql.push(&format!(
                    "(EXISTS (SELECT 1 {from}) AND NOT EXISTS (SELECT 1 {from} AND NOT coalesce("
                ));
                self.form.past(sql, cutoffs, cut);
                sql.push(", FALSE)))");
            }
            Some((from, Pick::Earliest)) => {
                sql.push(&format!("(EXISTS (SELECT 1 {from} AND "));
                self.form.past(sql, cutoffs, cut);
                sql.push(&format!(") AND NOT EXISTS (SELECT 1 {from} AND "));
                self.spoils(sql, cutoffs);
                sql.push("))");
            }
        }
    }

    /// Whether only what is due or overdue is past the cut-off: a planner that has to guess how much of it is goes through the whole table
    /// for every page.
    pub(super) fn is_past_exactly(&self) -> bool {
        matches!(self.form.dialect, Dialect::Postgres(_)) && self.rows.is_none() && self.is_compared()
    }

    /// A row that leaves the whole record undated or not started.
    fn spoils(&self, sql: &mut Sql, cutoffs: &Cutoffs) {
        let x = &self.form.x.sql;
        let null = if self.trigger.pending.null { "FALSE".to_owned() } else { format!("{x} IS NULL") };
        sql.push(&format!(
            "({null} OR ({x} IS NOT NULL AND (NOT {} OR {} <= ",
            self.form.regular(),
            self.form.norm()
        ));
        sql.bind(&cutoffs.epoch, self.form.ty()).push(")))");
    }

    /// Whether SQL cannot compare the record's trigger, so that the judge has to.
    pub(super) fn candidate(&self) -> String {
        let x = &self.form.x.sql;
        let odd = format!("{x} IS NOT NULL AND NOT {}", self.form.valid());
        match &self.rows {
            None => format!("({odd})"),
            Some((from, _)) => format!("EXISTS (SELECT 1 {from} AND {odd})"),
        }
    }

    /// The records whose period runs, as far as a comparison of their own column tells; whether it tells of any.
    pub(super) fn plainly_kept(&self, sql: &mut Sql, cutoffs: &Cutoffs) -> bool {
        let Some(cut) = self.plain_cut(cutoffs) else { return false };
        let (x, ty) = (&self.form.x.sql, self.form.ty());
        if let Dialect::Sqlite = self.form.dialect {
            // Behind whatever sorts to the cut-off, and before whatever sorts to the future: in between, the shape tells the rest.
            let (from, epoch) = (ceiling(self.form.kind, cut), ceiling(self.form.kind, &cutoffs.epoch));
            sql.push(&format!("({x} >= ")).bind(&from, ty).push(&format!(" AND {x} > ")).bind(&epoch, ty);
            sql.push(&format!(" AND {x} < ")).bind(&floor(self.form.kind, &cutoffs.future), ty);
            sql.push(&format!(" AND {})", self.form.plain()));
        } else {
            sql.push(&format!("{x} >= "))
                .bind(cut, ty)
                .push(&format!(" AND {x} > "))
                .bind(&cutoffs.epoch, ty);
            sql.push(&format!(" AND {x} < ")).bind(&cutoffs.future, ty);
        }
        true
    }

    /// All others: where columns have types, as ranges that an index serves.
    pub(super) fn not_plainly_kept(&self, sql: &mut Sql, cutoffs: &Cutoffs, of: Backlogged) {
        let Some(cut) = self.plain_cut(cutoffs) else { return };
        if let Dialect::Sqlite = self.form.dialect {
            sql.push(" AND NOT coalesce(");
            self.plainly_kept(sql, cutoffs);
            sql.push(", FALSE)");
            return;
        }
        let (x, ty) = (&self.form.x.sql, self.form.ty());
        sql.push(&format!(" AND ({x} <= ")).bind(&cutoffs.epoch, ty);
        if of == Backlogged::All {
            sql.push(&format!(" OR {x} < ")).bind(cut, ty);
        }
        sql.push(&format!(" OR {x} >= ")).bind(&cutoffs.future, ty);
        sql.push(&format!(" OR {x} IS NULL)"));
    }

    /// The cut-off, where comparing the record's own column with it tells most.
    fn plain_cut<'c>(&self, cutoffs: &'c Cutoffs) -> Option<&'c Value> {
        cutoffs
            .due
            .as_ref()
            .filter(|_| self.is_compared() && self.rows.is_none() && !self.trigger.is_request())
    }

    /// The record's class as a word: `null`, `no_row`, `candidate`, `before_1970`, `future`, `overdue`, `due`, `kept`.
    pub(super) fn class(&self, sql: &mut Sql, cutoffs: &Cutoffs) {
        sql.push("CASE");
        let moment = match &self.rows {
            None => {
                sql.push(&format!(" WHEN {} IS NULL THEN 'null'", self.form.x.sql));
                sql.push(&format!(" WHEN {} THEN 'candidate'", self.candidate()));
                sql.push(&format!(" WHEN {} <= ", self.form.norm()))
                    .bind(&cutoffs.epoch, self.form.ty())
                    .push(" THEN 'before_1970'");
                self.form.norm()
            }
            Some((from, pick)) => {
                sql.push(&format!(" WHEN NOT EXISTS (SELECT 1 {from}) THEN 'no_row'"));
                sql.push(&format!(" WHEN {} THEN 'candidate'", self.candidate()));
                sql.push(&format!(" WHEN EXISTS (SELECT 1 {from} AND {} <= ", self.form.norm()));
                sql.bind(&cutoffs.epoch, self.form.ty()).push(") THEN 'before_1970'");
                let null_counts = *pick == Pick::Latest || !self.trigger.pending.null;
                if null_counts {
                    sql.push(&format!(
                        " WHEN EXISTS (SELECT 1 {from} AND {} IS NULL) THEN 'null'",
                        self.form.x.sql
                    ));
                }
                let aggregate = if *pick == Pick::Latest { "max" } else { "min" };
                let moment = format!(
                    "(SELECT {aggregate}({}) {from} AND {} IS NOT NULL)",
                    self.form.norm(),
                    self.form.x.sql
                );
                sql.push(&format!(" WHEN {moment} IS NULL THEN 'null'"));
                moment
            }
        };
        sql.push(&format!(" WHEN {moment} >= ")).bind(&cutoffs.future, self.form.ty()).push(" THEN 'future'");
        for (cut, word) in [(&cutoffs.due, "kept"), (&cutoffs.overdue, "due")] {
            match cut {
                None => drop(sql.push(" WHEN TRUE")),
                Some(cut) => drop(sql.push(&format!(" WHEN {moment} >= ")).bind(cut, self.form.ty())),
            }
            sql.push(&format!(" THEN '{word}'"));
        }
        sql.push(" ELSE 'overdue' END");
    }
}

/// A value no regular trigger before the cut-off exceeds, in the form the column itself holds: the date, or the second,
/// and then the highest character that a timestamp never has.
fn ceiling(kind: &TriggerKind, cut: &Value) -> Value {
    match floor(kind, cut) {
        Value::Text(text) if matches!(kind, TriggerKind::Instant | TriggerKind::Naive(_)) => {
            Value::Text(format!("{text}~"))
        }
        other => other,
    }
}

/// A value that no regular trigger at or after the cut-off, or within its second (its day), is before.
fn floor(kind: &TriggerKind, cut: &Value) -> Value {
    let Value::Text(text) = cut else { return cut.clone() };
    let keep = match kind {
        TriggerKind::Instant => 19,
        TriggerKind::Naive(_) => 10,
        TriggerKind::Date | TriggerKind::Integer(_) | TriggerKind::Text(..) => return cut.clone(),
    };
    Value::Text(text.get(..keep).unwrap_or(text).to_owned())
}
