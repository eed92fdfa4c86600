//! SQL text for `SQLite`: identifiers quoted in one place, every value bound, no date arithmetic.

use crate::model::name::{ColumnName, TableName};
use crate::model::orders::SubjectId;
use crate::model::value::Value;
use crate::rules::bind::{People, Reads, RowRule, TriggerKind};
use crate::rules::cutoff::Cutoffs;
use crate::rules::rule::{Condition, Match, Pick, Test, Trigger, Unit};

/// A statement under construction, with the values it binds.
#[derive(Debug, Default, Clone)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) args: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), args: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn bind(&mut self, value: Value) -> &mut Self {
        self.args.push(value);
        self.text.push('?');
        self.text.push_str(&self.args.len().to_string());
        self
    }
}

/// An identifier as SQL: the only function that quotes.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn table(name: &TableName) -> String {
    format!("main.{}", quote(name.as_str()))
}

pub(super) fn column(alias: &str, name: &ColumnName) -> String {
    format!("{alias}.{}", quote(name.as_str()))
}

/// A value as JSON can carry it: text behind `t`, bytes in hex behind `b`, a real behind `r`, the rest as it is.
pub(super) fn encoded(x: &str) -> String {
    format!(
        "CASE typeof({x}) WHEN 'text' THEN 't'||{x} WHEN 'blob' THEN 'b'||hex({x}) WHEN 'real' THEN 'r'||{x} ELSE {x} END"
    )
}

/// The reverse of [`encoded`].
pub(super) fn decoded(x: &str) -> String {
    format!(
        "CASE WHEN typeof({x}) <> 'text' THEN {x} WHEN substr({x},1,1) = 't' THEN substr({x},2) \
         WHEN substr({x},1,1) = 'b' THEN unhex(substr({x},2)) ELSE CAST(substr({x},2) AS REAL) END"
    )
}

/// Rows that belong together as the columns compare: perhaps without regard to case. Only where more matches keep more.
pub(super) fn joined(theirs: &str, ours: &str, matches: &[Match]) -> String {
    let pairs = matches.iter().map(|m| format!("{} = {}", column(theirs, &m.theirs), column(ours, &m.ours)));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// Two values that are the same to the byte, whatever collation and affinity their columns have. The plain comparison is there
/// for the index.
pub(super) fn same(theirs: &str, ours: &str) -> String {
    format!(
        "{theirs} = {ours} AND typeof({theirs}) = typeof({ours}) AND CAST({theirs} AS BLOB) = CAST({ours} AS BLOB)"
    )
}

/// Rows that belong together exactly.
pub(super) fn joined_exactly(theirs: &str, ours: &str, matches: &[Match]) -> String {
    let pairs = matches.iter().map(|m| same(&column(theirs, &m.theirs), &column(ours, &m.ours)));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// What more rows that match a condition do.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum More {
    /// They are disposed of. Values compare to the byte, whatever their column's collation: no row goes that the file does not name, and
    /// a proof that rules leave nothing out goes by that.
    Disposes,
    /// They keep records: a listed value may also be what the column takes for it.
    Keeps,
}

pub(super) fn conditions(sql: &mut Sql, alias: &str, conditions: &[Condition], more: More) {
    for condition in conditions {
        let x = column(alias, &condition.column);
        sql.push(" AND ");
        match &condition.test {
            Test::Null => drop(sql.push(&format!("{x} IS NULL"))),
            Test::NotNull => drop(sql.push(&format!("{x} IS NOT NULL"))),
            Test::In(values) => {
                sql.push(&format!("{x}{} IN (", if more == More::Disposes { " COLLATE BINARY" } else { "" }));
                listed(sql, values);
            }
            Test::NotIn(values) => {
                sql.push(&format!("({x} IS NULL OR {x} COLLATE BINARY NOT IN ("));
                listed(sql, values);
                sql.push(")");
            }
        }
    }
}

fn listed(sql: &mut Sql, values: &[Value]) {
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            sql.push(",");
        }
        sql.bind(value.clone());
    }
    sql.push(")");
}

/// What narrows a rule's dataset, whatever its trigger says: `only`, `unless`, and the mark of what is done.
pub(super) fn filters(sql: &mut Sql, rule: RowRule<'_>) {
    selected(sql, rule);
    for unless in &rule.rule().unless {
        sql.push(&format!(
            " AND NOT EXISTS (SELECT 1 FROM {} AS u WHERE {}",
            table(&unless.table),
            joined("u", "t", &unless.matches)
        ));
        conditions(sql, "u", &unless.only, More::Keeps);
        sql.push(")");
    }
}

/// The records a rule is about, whether or not a matching row keeps them for now, but for those that are done.
pub(super) fn selected(sql: &mut Sql, rule: RowRule<'_>) {
    use crate::rules::rule::Action;
    sql.push("1");
    if let Action::Pseudonymize { mark, .. } = &rule.rule().action {
        sql.push(&format!(" AND {} IS NULL", column("t", mark)));
    }
    conditions(sql, "t", &rule.rule().only, More::Disposes);
}

/// A data subject's id as [`SubjectId`] has it: apart from its column's collation and affinity.
fn canonical(x: &str) -> String {
    format!("CASE typeof({x}) WHEN 'blob' THEN 'hex:'||lower(hex({x})) ELSE CAST({x} AS TEXT) END")
}

/// The records of nobody whose hold is in force: the judge's answer once more, from the engine.
pub(super) fn not_held(sql: &mut Sql, people: People<'_>) {
    let held = subjects(people.orders.held.iter());
    sql.push(&format!(
        " AND coalesce({} NOT IN (SELECT value FROM json_each(",
        canonical(&column("t", people.column))
    ));
    sql.bind(held).push(")), 1)");
}

/// The records of those who demand their erasure. The plain comparison is there for the index; it meets an id in each form in which a
/// column may hold it. A number with a fraction is nobody's id: it has no one text.
pub(super) fn demanded(sql: &mut Sql, people: People<'_>) {
    let x = column("t", people.column);
    let asked = subjects(people.orders.asked.keys());
    sql.push(&format!("{x} IN (SELECT value FROM json_each(")).bind(asked.clone());
    sql.push(") UNION ALL SELECT CAST(value AS INTEGER) FROM json_each(").bind(asked.clone());
    sql.push(") WHERE CAST(CAST(value AS INTEGER) AS TEXT) = value");
    sql.push(" UNION ALL SELECT unhex(substr(value, 5)) FROM json_each(").bind(asked.clone());
    sql.push(&format!(") WHERE value LIKE 'hex:%') AND typeof({x}) <> 'real'"));
    sql.push(&format!(" AND {} IN (SELECT value FROM json_each(", canonical(&x))).bind(asked).push("))");
}

fn subjects<'s>(subjects: impl Iterator<Item = &'s SubjectId>) -> Value {
    let texts: Vec<String> = subjects.map(SubjectId::text).collect();
    Value::Text(serde_json::json!(texts).to_string())
}

/// How one trigger value is compared in SQL.
struct Form<'a> {
    kind: &'a TriggerKind,
    x: String,
}

impl Form<'_> {
    /// Whether the value has the one shape that compares as it sorts. What has not is a candidate for the judge.
    fn regular(&self) -> String {
        let x = &self.x;
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
            TriggerKind::Text(..) => "0".to_owned(),
        }
    }

    /// In bytes, since a NUL and what follows it are invisible to `length` and `GLOB`: no fraction of a second, or one of three or six digits, and then `end`.
    fn fraction(&self, end: &str) -> String {
        let x = &self.x;
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
        let (x, regular) = (&self.x, self.regular());
        match self.kind {
            TriggerKind::Instant | TriggerKind::Naive(_) => {
                let end = if matches!(self.kind, TriggerKind::Instant) { "Z" } else { "" };
                format!(
                    "({regular} AND {} AND substr({x},12,2) < '24' AND strftime('%Y-%m-%dT%H:%M:%S', substr({x},1,19)) \
                     IS substr({x},1,10)||'T'||substr({x},12,8))",
                    self.fraction(end)
                )
            }
            TriggerKind::Date => format!("({regular} AND date({x}) IS {x})"),
            TriggerKind::Integer(unit) => {
                // Beyond the calendar's year 262142 the judge cannot read it either.
                let limit: i64 = match unit {
                    Unit::Seconds => 8_210_266_876_799,
                    Unit::Milliseconds => 8_210_266_876_799_999,
                    Unit::Microseconds => 8_210_266_876_799_999_999,
                };
                format!("({regular} AND {x} <= {limit})")
            }
            TriggerKind::Text(..) => regular,
        }
    }

    /// The value in the one form that compares as it sorts.
    fn norm(&self) -> String {
        let x = &self.x;
        match self.kind {
            TriggerKind::Instant => format!(
                "CASE length({x}) WHEN 27 THEN {x} WHEN 20 THEN substr({x},1,19)||'.000000Z' ELSE substr({x},1,23)||'000Z' END"
            ),
            TriggerKind::Naive(_) => {
                format!(
                    "substr({x},1,10)||'T'||substr({x},12,8)||substr(substr({x},20)||substr('.000000',length({x})-18),1,7)"
                )
            }
            TriggerKind::Date | TriggerKind::Integer(_) | TriggerKind::Text(..) => x.clone(),
        }
    }

    fn past(&self, sql: &mut Sql, cutoffs: &Cutoffs, cut: &Value) {
        sql.push(&format!("({} AND {} > ", self.regular(), self.norm()));
        sql.bind(cutoffs.epoch.clone()).push(&format!(" AND {} < ", self.norm()));
        sql.bind(cut.clone()).push(")");
    }
}

/// A trigger and the rows it reads, as SQL over the record `t`.
pub(super) struct TriggerSql<'a> {
    trigger: &'a Trigger,
    form: Form<'a>,
    rows: Option<(String, Pick)>,
}

impl<'a> TriggerSql<'a> {
    pub(super) fn of(rule: RowRule<'a>) -> Self {
        let trigger = &rule.rule().trigger;
        let (x, rows) = match rule.table().reads {
            Reads::Own(name) => (column("t", name), None),
            Reads::Others { table: theirs, matches, column: name, pick } => {
                let from = format!("FROM {} AS l WHERE {}", table(theirs), joined_exactly("l", "t", matches));
                (column("l", name), Some((from, pick)))
            }
            // A clock that has not started, for the judge as for the engine.
            Reads::Nothing => ("NULL".to_owned(), None),
        };
        Self { trigger, form: Form { kind: rule.trigger(), x }, rows }
    }

    /// What the record's trigger reads, for the judge: one value, or a JSON array of encoded ones.
    pub(super) fn reading(&self) -> String {
        match &self.rows {
            None => self.form.x.clone(),
            Some((from, _)) => format!("(SELECT json_group_array({}) {from})", encoded(&self.form.x)),
        }
    }

    /// The column that a range scan can start from.
    pub(super) fn own_column(&self) -> Option<&str> {
        self.rows.is_none().then_some(self.form.x.as_str())
    }

    /// Whether the record may be past a cut-off: every one that is and that SQL can compare is among them, and no regular
    /// one that is not, but for those within the cut-off's own second (naive: day), which the judge sorts out.
    pub(super) fn past(&self, sql: &mut Sql, cutoffs: &Cutoffs, cut: Option<&Value>) {
        let Some(cut) = cut else {
            sql.push("0");
            return;
        };
        match &self.rows {
            // A plain range, which an index serves: it holds every regular value before the cut-off, and with them the odd ones
            // that happen to sort there. A pattern a row would cost a third of the sweep; the judge reads them all anyway.
            None => drop(sql.push(&format!("{} < ", self.form.x)).bind(ceiling(self.form.kind, cut))),
            Some((from, Pick::Latest)) => {
                sql.push(&format!(
                    "(EXISTS (SELECT 1 {from}) AND NOT EXISTS (SELECT 1 {from} AND NOT coalesce("
                ));
                self.form.past(sql, cutoffs, cut);
                sql.push(",0)))");
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

    /// A row that leaves the whole record undated or not started.
    fn spoils(&self, sql: &mut Sql, cutoffs: &Cutoffs) {
        let x = &self.form.x;
        let null = if self.trigger.pending.null { "0".to_owned() } else { format!("{x} IS NULL") };
        sql.push(&format!(
            "({null} OR ({x} IS NOT NULL AND (NOT {} OR {} <= ",
            self.form.regular(),
            self.form.norm()
        ));
        sql.bind(cutoffs.epoch.clone()).push(")))");
    }

    /// Whether SQL cannot compare the record's trigger, so that the judge has to.
    pub(super) fn candidate(&self) -> String {
        let x = &self.form.x;
        let odd = format!("{x} IS NOT NULL AND NOT {}", self.form.valid());
        match &self.rows {
            None => format!("({odd})"),
            Some((from, _)) => format!("EXISTS (SELECT 1 {from} AND {odd})"),
        }
    }

    /// The record's class as a word: `null`, `no_row`, `candidate`, `before_1970`, `future`, `overdue`, `due`, `kept`.
    pub(super) fn class(&self, sql: &mut Sql, cutoffs: &Cutoffs) {
        sql.push("CASE");
        let moment = match &self.rows {
            None => {
                sql.push(&format!(" WHEN {} IS NULL THEN 'null'", self.form.x));
                sql.push(&format!(" WHEN {} THEN 'candidate'", self.candidate()));
                sql.push(&format!(" WHEN {} <= ", self.form.norm()))
                    .bind(cutoffs.epoch.clone())
                    .push(" THEN 'before_1970'");
                self.form.norm()
            }
            Some((from, pick)) => {
                sql.push(&format!(" WHEN NOT EXISTS (SELECT 1 {from}) THEN 'no_row'"));
                sql.push(&format!(" WHEN {} THEN 'candidate'", self.candidate()));
                sql.push(&format!(" WHEN EXISTS (SELECT 1 {from} AND {} <= ", self.form.norm()));
                sql.bind(cutoffs.epoch.clone()).push(") THEN 'before_1970'");
                let null_counts = *pick == Pick::Latest || !self.trigger.pending.null;
                if null_counts {
                    sql.push(&format!(
                        " WHEN EXISTS (SELECT 1 {from} AND {} IS NULL) THEN 'null'",
                        self.form.x
                    ));
                }
                let aggregate = if *pick == Pick::Latest { "max" } else { "min" };
                let moment = format!(
                    "(SELECT {aggregate}({}) {from} AND {} IS NOT NULL)",
                    self.form.norm(),
                    self.form.x
                );
                sql.push(&format!(" WHEN {moment} IS NULL THEN 'null'"));
                moment
            }
        };
        sql.push(&format!(" WHEN {moment} >= ")).bind(cutoffs.future.clone()).push(" THEN 'future'");
        for (cut, word) in [(&cutoffs.due, "kept"), (&cutoffs.overdue, "due")] {
            match cut {
                None => drop(sql.push(" WHEN 1")),
                Some(cut) => drop(sql.push(&format!(" WHEN {moment} >= ")).bind(cut.clone())),
            }
            sql.push(&format!(" THEN '{word}'"));
        }
        sql.push(" ELSE 'overdue' END");
    }
}

/// A value no regular trigger before the cut-off exceeds, in the form the column itself holds: the date, or the second,
/// and then the highest character that a timestamp never has.
fn ceiling(kind: &TriggerKind, cut: &Value) -> Value {
    let Value::Text(text) = cut else { return cut.clone() };
    let keep = match kind {
        TriggerKind::Instant => 19,
        TriggerKind::Naive(_) => 10,
        TriggerKind::Date | TriggerKind::Integer(_) | TriggerKind::Text(..) => return cut.clone(),
    };
    Value::Text(format!("{}~", text.get(..keep).unwrap_or(text)))
}
