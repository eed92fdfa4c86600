//! What the SQL of the engines differs in: identifiers quoted in one place, columns with what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::datastore::Location;
use crate::model::name::{ColumnName, TableName};

/// The SQL of one datastore.
#[derive(Debug, Clone)]
pub(super) enum Dialect {
    /// Values have types, columns do not.
    Sqlite,
    Postgres(Arc<Schema>),
    MariaDb(Arc<Schema>),
}

/// Where a server's tables are, and what their columns hold.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) columns: BTreeMap<String, BTreeMap<String, Type>>,
    /// Tables of PostgreSQL's with triggers of the application's, or with rules: what these write, only counting shows.
    pub(super) triggered: BTreeSet<String>,
    /// Those of them with triggers that may wait for the end of the transaction.
    pub(super) deferred: BTreeSet<String>,
    /// Tables of PostgreSQL's whose rows a foreign key points to: for each that goes, the server looks for those.
    pub(super) pointed_to: BTreeSet<String>,
    /// Those of them whose foreign keys take rows along, or change them, once rows there are deleted: what the server takes for a match, it takes.
    pub(super) followed_where_deleted: BTreeSet<String>,
    /// The same where rows there are changed.
    pub(super) followed_where_changed: BTreeSet<String>,
    /// Tables of MariaDB's in partitions, where it counts each change twice.
    pub(super) partitioned: BTreeSet<String>,
    /// Whether the server of MariaDB logs into tables, which it counts as rows of the session's.
    pub(super) logs_into_tables: bool,
    /// Whether a transaction may go by one snapshot, where what others have changed since is a conflict.
    pub(super) snapshots: bool,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) class: Class,
    /// As a cast of PostgreSQL names it; nothing elsewhere.
    pub(super) name: String,
}

/// How the values of a column are read, bound and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Any value: SQLite's columns.
    Any,
    Integer,
    Boolean,
    Decimal,
    Real,
    Text,
    Bytes,
    Instant,
    Naive,
    Date,
    Uuid,
    /// Anything else, by its text.
    Other,
    /// A JSON array of the values of several rows.
    Rows,
}

impl Class {
    fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Real)
    }
}

/// What PostgreSQL calls the types of times.
pub(super) const TIMES: [(Class, &str); 3] =
    [(Class::Instant, "timestamptz"), (Class::Naive, "timestamp"), (Class::Date, "date")];

impl Type {
    pub(super) const ANY: &'static Self = &Self::plain(Class::Any);
    pub(super) const INTEGER: &'static Self = &Self::plain(Class::Integer);
    pub(super) const TEXT: &'static Self = &Self::plain(Class::Text);
    pub(super) const ROWS: &'static Self = &Self::plain(Class::Rows);

    const fn plain(class: Class) -> Self {
        Self { class, name: String::new() }
    }
}

/// A column, or another expression, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    pub(super) sql: String,
    pub(super) ty: Type,
    /// Whether it is never NULL where it is read, or nothing can be done with the row if it is.
    pub(super) filled: bool,
    /// The column whose values it hands over, one or several: what has its type, as SQL, and the type. None: it hands over something else.
    pub(super) column: Option<(String, Type)>,
}

impl Expression {
    pub(super) fn new(sql: impl Into<String>, ty: &Type) -> Self {
        Self { sql: sql.into(), ty: ty.clone(), filled: false, column: None }
    }

    pub(super) fn integer(sql: impl Into<String>) -> Self {
        Self::new(sql, Type::INTEGER)
    }

    pub(super) fn text(sql: impl Into<String>) -> Self {
        Self::new(sql, Type::TEXT)
    }

    pub(super) fn filled(self, filled: bool) -> Self {
        Self { filled, ..self }
    }
}

impl Dialect {
    /// Where a server's tables are.
    pub(super) fn schema_name(&self) -> &str {
        match self {
            Self::Sqlite => "main",
            Self::Postgres(schema) | Self::MariaDb(schema) => &schema.name,
        }
    }

    /// One of these tables whose columns it has other than another look at the same datastore; none: it has them all alike.
    pub(super) fn altered<'t>(&self, other: &Self, tables: &'t [TableName]) -> Option<&'t TableName> {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) | (Self::MariaDb(one), Self::MariaDb(other)) => {
                tables
                    .iter()
                    .find(|table| one.columns.get(table.as_str()) != other.columns.get(table.as_str()))
            }
            (Self::Sqlite | Self::Postgres(_) | Self::MariaDb(_), _) => None,
        }
    }

    /// For statements that are only written: nothing is known of any column. None: the datastore holds no rows.
    pub(super) fn unseen(location: &Location) -> Option<Self> {
        let of = |name: &str| Arc::new(Schema { name: name.to_owned(), ..Schema::default() });
        match location {
            Location::Sqlite(_) => Some(Self::Sqlite),
            Location::Postgres(server) => Some(Self::Postgres(of(&server.schema))),
            Location::MariaDb(server) => Some(Self::MariaDb(of(&server.database))),
            Location::Files(_) => None,
        }
    }

    /// An identifier as SQL: the only function that quotes.
    pub(super) fn quote(&self, name: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres(_) => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::MariaDb(_) => format!("`{}`", name.replace('`', "``")),
        }
    }

    pub(super) fn table(&self, name: &TableName) -> String {
        self.named(name.as_str())
    }

    pub(super) fn named(&self, table: &str) -> String {
        match self {
            Self::Sqlite => format!("main.{}", self.quote(table)),
            Self::Postgres(schema) | Self::MariaDb(schema) => {
                format!("{}.{}", self.quote(&schema.name), self.quote(table))
            }
        }
    }

    pub(super) fn column(&self, alias: &str, table: &TableName, name: &ColumnName) -> Expression {
        let sql = format!("{alias}.{}", self.quote(name.as_str()));
        let ty = self.type_of(table, name);
        Expression { column: Some((sql.clone(), ty.clone())), ..Expression::new(sql, ty) }
    }

    pub(super) fn type_of(&self, table: &TableName, name: &ColumnName) -> &Type {
        match self {
            Self::Sqlite => Type::ANY,
            Self::Postgres(schema) | Self::MariaDb(schema) => schema
                .columns
                .get(table.as_str())
                .and_then(|columns| columns.get(name.as_str()))
                // Binding has found the column: a schema that has changed since is refused by the engine.
                .unwrap_or(Type::TEXT),
        }
    }

    /// The type of a value that is compared as text, or, on SQLite, as what it is.
    pub(super) fn text_or_any(&self) -> &'static Type {
        if let Self::Sqlite = self { Type::ANY } else { Type::TEXT }
    }

    /// Whether a transaction may go by one snapshot, where what others have changed since is a conflict.
    pub(super) fn has_snapshots(&self) -> bool {
        match self {
            Self::Sqlite => false,
            Self::Postgres(schema) | Self::MariaDb(schema) => schema.snapshots,
        }
    }

    /// What a statement begins with that waits for no lock.
    pub(super) fn at_once(&self) -> &'static str {
        match self {
            Self::MariaDb(_) => "SET STATEMENT innodb_lock_wait_timeout = 0 FOR ",
            // Where one waits for nobody, or only briefly by its session's own limit.
            Self::Sqlite | Self::Postgres(_) => "",
        }
    }

    /// Whether a batch may be disposed of before the one before it is committed: MariaDB locks the row behind a range too.
    pub(super) fn disposes_ahead(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether triggers of the application stand on a table of PostgreSQL's, or rules.
    pub(super) fn has_triggers(&self, table: &TableName) -> bool {
        match self {
            Self::Postgres(schema) => schema.triggered.contains(table.as_str()),
            Self::Sqlite | Self::MariaDb(_) => false,
        }
    }

    /// Whether triggers of the application stand on a table of PostgreSQL's that may wait for the end of the transaction.
    pub(super) fn puts_off(&self, table: &TableName) -> bool {
        match self {
            Self::Postgres(schema) => schema.deferred.contains(table.as_str()),
            Self::Sqlite | Self::MariaDb(_) => false,
        }
    }

    /// Whether a statement that deletes, or changes, rows of the table may change others, so that all have to be counted, which costs.
    pub(super) fn reaches_others(&self, table: &TableName, deletes: bool) -> bool {
        match self {
            // The engine counts what they change by itself.
            Self::Sqlite => false,
            Self::Postgres(schema) => {
                let followed =
                    if deletes { &schema.followed_where_deleted } else { &schema.followed_where_changed };
                self.has_triggers(table) || followed.contains(table.as_str())
            }
            // Which triggers there are, it shows to whoever may make some.
            Self::MariaDb(_) => true,
        }
    }

    /// So often a row of the table that is deleted, or changed, is counted, if nothing else is.
    pub(super) fn counts_of_a_row(&self, table: &TableName) -> u64 {
        match self {
            Self::MariaDb(schema) if schema.partitioned.contains(table.as_str()) => 2,
            Self::Sqlite | Self::Postgres(_) | Self::MariaDb(_) => 1,
        }
    }

    /// Whether a foreign key of PostgreSQL's points to rows of the table.
    pub(super) fn is_pointed_to(&self, table: &TableName) -> bool {
        match self {
            Self::Postgres(schema) => schema.pointed_to.contains(table.as_str()),
            Self::Sqlite | Self::MariaDb(_) => false,
        }
    }

    /// A column as it is handed over: in a form that [`super::rows`] reads.
    pub(super) fn read(&self, x: &Expression) -> String {
        let Expression { sql, ty, .. } = x;
        match (self, ty.class) {
            (Self::Sqlite, _) => encoded(sql),
            (Self::Postgres(_), Class::Boolean) => format!("{sql}::int4"),
            (Self::Postgres(_), Class::Real) => format!("{sql}::float8"),
            (Self::Postgres(_), Class::Decimal) => format!("trim_scale({sql})::text"),
            (Self::Postgres(_), Class::Other) if ty.name == "inet" => format!("abbrev({sql})"),
            // A text of a fixed length without its padding.
            (Self::Postgres(_), Class::Uuid | Class::Other) => format!("{sql}::text"),
            (Self::Postgres(_), Class::Text) if ty.name == "bpchar" || ty.name == "name" => {
                format!("{sql}::text")
            }
            (Self::Postgres(_), _) | (Self::MariaDb(_), Class::Bytes | Class::Text | Class::Rows) => {
                sql.clone()
            }
            (Self::MariaDb(_), _) => self.shown(x),
        }
    }

    /// A column as text: the canonical text of an instant, a date or a number, whatever else holds it.
    pub(super) fn shown(&self, x: &Expression) -> String {
        let Expression { sql, ty, .. } = x;
        let within = format!("{sql} >= '0001-01-01' AND {sql} < '10000-01-01'");
        match (self, ty.class) {
            (Self::Sqlite, _) => encoded(sql),
            (Self::Postgres(_), Class::Instant) => format!(
                "CASE WHEN {within} THEN to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') ELSE {sql}::text END"
            ),
            (Self::Postgres(_), Class::Naive) => {
                format!(
                    "CASE WHEN {within} THEN to_char({sql}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') ELSE {sql}::text END"
                )
            }
            (Self::Postgres(_), Class::Date) => {
                format!("CASE WHEN {within} THEN to_char({sql}, 'YYYY-MM-DD') ELSE {sql}::text END")
            }
            (Self::Postgres(_), Class::Boolean) => format!("{sql}::int4::text"),
            (Self::Postgres(_), Class::Bytes) => format!("'hex:' || encode({sql}, 'hex')"),
            (Self::Postgres(_), Class::Decimal | Class::Other) => self.read(x),
            (Self::Postgres(_), _) => format!("{sql}::text"),
            (Self::MariaDb(_), Class::Instant) => format!("DATE_FORMAT({sql}, '%Y-%m-%dT%H:%i:%s.%fZ')"),
            (Self::MariaDb(_), Class::Naive) => format!("DATE_FORMAT({sql}, '%Y-%m-%dT%H:%i:%s.%f')"),
            (Self::MariaDb(_), Class::Date) => format!("DATE_FORMAT({sql}, '%Y-%m-%d')"),
            (Self::MariaDb(_), Class::Bytes) => format!("CONCAT('hex:', LOWER(HEX({sql})))"),
            (Self::MariaDb(_), Class::Text | Class::Rows) => sql.clone(),
            // Reckoned with, a bit field is a number, and a number has no zeros before it.
            (Self::MariaDb(_), Class::Integer) => format!("CAST({sql} + 0 AS CHAR)"),
            // Without the zeros that its scale puts behind it; in such a session a backslash is one.
            (Self::MariaDb(_), Class::Decimal) => {
                format!("REGEXP_REPLACE(CAST({sql} AS CHAR), '[.]0*$|([.][0-9]*[1-9])0*$', '\\1')")
            }
            (Self::MariaDb(_), _) => format!("CAST({sql} AS CHAR)"),
        }
    }

    /// The id of a data subject as its canonical text, apart from the column's collation and type.
    pub(super) fn subject(&self, x: &Expression) -> String {
        let sql = &x.sql;
        match self {
            Self::Sqlite => {
                format!(
                    "CASE typeof({sql}) WHEN 'blob' THEN 'hex:'||lower(hex({sql})) ELSE CAST({sql} AS TEXT) END"
                )
            }
            Self::Postgres(_) | Self::MariaDb(_) => self.exact_text(x),
        }
    }

    /// The text of a column, compared to the byte.
    pub(super) fn exact_text(&self, x: &Expression) -> String {
        match self {
            Self::Sqlite => format!("{} COLLATE BINARY", x.sql),
            Self::Postgres(_) => format!("({}) COLLATE \"C\"", self.shown(x)),
            Self::MariaDb(_) => format!("CONVERT({} USING utf8mb4) COLLATE utf8mb4_nopad_bin", self.shown(x)),
        }
    }

    /// Two columns that hold the same value, to the byte, whatever collation and type they have. The plain comparison is there for
    /// the index.
    pub(super) fn same(&self, x: &Expression, y: &Expression) -> String {
        let (a, b) = (&x.sql, &y.sql);
        match self {
            Self::Sqlite => {
                format!("{a} = {b} AND typeof({a}) = typeof({b}) AND CAST({a} AS BLOB) = CAST({b} AS BLOB)")
            }
            Self::Postgres(_) | Self::MariaDb(_)
                if x.ty.class != y.ty.class || (x.ty.class == Class::Other && x.ty.name != y.ty.name) =>
            {
                format!("{} = {}", self.exact_text(x), self.exact_text(y))
            }
            Self::Postgres(_) | Self::MariaDb(_) if matches!(x.ty.class, Class::Text | Class::Other) => {
                format!("{a} = {b} AND {} = {}", self.exact_text(x), self.exact_text(y))
            }
            Self::Postgres(_) | Self::MariaDb(_) => format!("{a} = {b}"),
        }
    }

    /// A record `t` of the table that the engine takes for one of the rows that [`Sql::bulk`](super::statement::Sql::bulk) carries, by these columns.
    pub(super) fn is_carried<'n>(
        &self,
        table: &TableName,
        columns: impl Iterator<Item = &'n ColumnName>,
        carried: &[(String, Type)],
    ) -> String {
        let pairs = columns.zip(carried).map(|(name, (carried, ty))| {
            format!("{} = {}", self.column("t", table, name).sql, self.carried(carried, ty).sql)
        });
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    /// A column that holds the same value, to the byte, as one of the rows that [`Sql::bulk`](super::statement::Sql::bulk) carries. What the column's
    /// charset has no letter for would be `?` once it is converted: that is for the index alone.
    pub(super) fn same_carried(&self, x: &Expression, name: &str, ty: &Type) -> String {
        let carried = self.carried(name, ty);
        if let (Self::MariaDb(_), Class::Text) = (self, ty.class) {
            let as_it_came = Expression::text(format!("b.{name}"));
            let exactly = format!("{} = {}", self.exact_text(x), self.exact_text(&as_it_came));
            return format!("{} = {} AND {exactly}", x.sql, carried.sql);
        }
        self.same(x, &carried)
    }

    /// Two columns that belong together as the engine compares them: perhaps without regard to case. Only where more matches keep
    /// more.
    pub(super) fn equal(&self, x: &Expression, y: &Expression) -> String {
        match self {
            Self::Sqlite => format!("{} = {}", x.sql, y.sql),
            Self::Postgres(_) | Self::MariaDb(_)
                if x.ty == y.ty || x.ty.class == y.ty.class && x.ty.class != Class::Other =>
            {
                format!("{} = {}", x.sql, y.sql)
            }
            // What one shows of 0.1 in less digits, the other takes for another number.
            Self::Postgres(_) | Self::MariaDb(_) if x.ty.class.is_number() && y.ty.class.is_number() => {
                format!("({} = {} OR {})", x.sql, y.sql, self.same(x, y))
            }
            Self::Postgres(_) | Self::MariaDb(_) => self.same(x, y),
        }
    }

    /// Two values that are the same, NULL included.
    pub(super) fn not_distinct(&self, a: &str, b: &str) -> String {
        match self {
            Self::Sqlite => format!("{a} IS {b}"),
            Self::Postgres(_) => format!("{a} IS NOT DISTINCT FROM {b}"),
            Self::MariaDb(_) => format!("{a} <=> {b}"),
        }
    }

    /// Records locked by the statement that selects them, and nobody waited for; nothing where the transaction has locked everybody out.
    pub(super) fn lock(&self, wait: Wait) -> &'static str {
        match (self, wait) {
            (Self::Sqlite, _) => "",
            // Its shortest wait is a second.
            (Self::MariaDb(_), Wait::Never | Wait::Briefly) => " FOR UPDATE NOWAIT",
            (Self::Postgres(_), Wait::Skip) => " FOR UPDATE OF t SKIP LOCKED",
            (Self::Postgres(_), Wait::Briefly | Wait::Never) => " FOR UPDATE OF t",
            (Self::MariaDb(_), Wait::Skip) => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// What becomes of rows that somebody else has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// They are passed over.
    Skip,
    /// They are waited for, up to the session's lock timeout.
    Briefly,
    /// They are a conflict.
    Never,
}

/// A value of SQLite's as JSON can carry it: text behind `t`, bytes in hex behind `b`, a real behind `r`, the rest as it is.
pub(super) fn encoded(x: &str) -> String {
    format!(
        "CASE typeof({x}) WHEN 'text' THEN 't'||{x} WHEN 'blob' THEN 'b'||hex({x}) WHEN 'real' THEN 'r'||printf('%!.17g',{x}) ELSE {x} END"
    )
}
