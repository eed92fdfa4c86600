//! A rule as far as it can be known offline. Every value here has been parsed; nothing is checked again above.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use chrono::{DateTime, TimeDelta, Utc};

use crate::diagnostic::reader::Places;
use crate::model::calendar::{Calendar, Zone};
use crate::model::level::Level;
use crate::model::name::{
    ClassName, ColumnName, DatastoreName, LocalId, PromiseId, RuleId, ServiceId, TableName,
};
use crate::model::orders::SubjectId;
use crate::model::pattern::{KeyPattern, Pattern};
use crate::model::period::{DeleteBy, Retain};
use crate::model::schedule::Schedule;
pub use crate::model::strategy::Strategy;
use crate::model::value::Value;

/// Every service whose rules were loaded together.
#[derive(Debug)]
pub struct RuleSet {
    /// In the order of their files' names.
    pub services: Vec<Service>,
}

impl RuleSet {
    /// Every rule with its service.
    pub fn rules(&self) -> impl Iterator<Item = (&Service, &Rule)> {
        self.services.iter().flat_map(|s| s.rules.iter().map(move |r| (s, r)))
    }

    /// The rule of this name, `service/rule`.
    pub fn find(&self, name: &str) -> Option<(&Service, &Rule)> {
        self.rules().find(|(_, rule)| rule.id.to_string() == name)
    }
}

/// One product or site whose data is governed.
#[derive(Debug)]
pub struct Service {
    /// The stem of its file.
    pub id: ServiceId,
    /// What people call it.
    pub name: String,
    /// Whom to ask.
    pub owner: String,
    /// The zone of every civil day in its rules and promises.
    pub calendar: Calendar,
    /// What the published policy says.
    pub promises: Vec<Promise>,
    /// What keeps it.
    pub rules: Vec<Rule>,
    /// What no rule needs to cover.
    pub waivers: Vec<Waiver>,
}

/// Records that no rule needs to cover.
#[derive(Debug)]
pub struct Waiver {
    /// Where they are.
    pub datastore: DatastoreName,
    /// What they are there.
    pub dataset: WaivedDataset,
    /// Why nothing of them has to go.
    pub reason: String,
    /// Where its keys stand in the file.
    pub places: Places,
}

/// What a waiver is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaivedDataset {
    /// Every row of a table.
    Table(TableName),
    /// Files, objects or keys.
    Pattern(Pattern),
}

impl WaivedDataset {
    /// As written.
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => table.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }
}

/// What the published policy says, restated.
#[derive(Debug)]
pub struct Promise {
    /// Its name within the service.
    pub id: PromiseId,
    /// In our own words.
    pub text: String,
    /// The policy, its date and section.
    pub source: String,
    /// The event it speaks of.
    pub trigger: String,
    /// Not before.
    pub not_before: Option<Retain>,
    /// No later than; for `on_request`, one month.
    pub no_later_than: Option<DeleteBy>,
    /// Whether the data subject's request starts it.
    pub on_request: bool,
    /// Who decided which figure, and when, where the policy gives none.
    pub decision: Option<String>,
    /// What the promise leaves out, word for word as its rules say it.
    pub except: Option<String>,
    /// The classes of records it is about.
    pub covers: Vec<ClassName>,
    /// Where its keys stand in the file.
    pub places: Places,
}

/// Which records, when, and what is done with them.
#[derive(Debug)]
pub struct Rule {
    /// `service/rule`.
    pub id: RuleId,
    /// The class of the records it selects.
    pub class: ClassName,
    /// The promises it keeps.
    pub keeps: Vec<PromiseId>,
    /// Of these, those that say by when, ascending.
    pub promised: Vec<Promised>,
    /// What it leaves out, word for word as its promise says it.
    pub except: Option<String>,
    /// Where the records are.
    pub datastore: DatastoreName,
    /// What they are there.
    pub dataset: Dataset,
    /// What its files are copies of, where they are backups.
    pub backup: Option<Backup>,
    /// Whose data it is.
    pub subject: Option<Subject>,
    /// What starts the clock.
    pub trigger: Trigger,
    /// Not before.
    pub retain: Retain,
    /// No later than.
    pub delete_by: DeleteBy,
    /// When it is swept.
    pub schedule: Schedule,
    /// What a sweep does.
    pub mode: Mode,
    /// What is done with a due record.
    pub action: Action,
    /// How thoroughly: what the engine of the rule's own datastore is asked for afterwards, about the records and about those
    /// dependents that it holds.
    pub then: Level,
    /// Narrows the dataset by value.
    pub only: Vec<Condition>,
    /// Keeps a record while a matching row exists.
    pub unless: Vec<Unless>,
    /// Records that go with it; each after the one it names in `of`.
    pub dependents: Vec<Dependent>,
    /// What the author says it does.
    pub tests: Vec<RuleTest>,
    /// The service's zone.
    pub calendar: Calendar,
    /// Where its keys stand in the file, such as `trigger.column` or `only.status`.
    pub places: Places,
}

/// What a sweep of a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It disposes of what is due.
    Enforce,
    /// It counts what is due, and never disposes of anything.
    Observe,
}

impl Mode {
    /// The word for it in the rule file and in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// By when a promise wants records gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// The promise.
    pub promise: PromiseId,
    /// No later than; for `on_request`, one month.
    pub no_later_than: DeleteBy,
}

/// The records a rule selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dataset {
    /// Rows.
    Table {
        /// Of this table.
        table: TableName,
        /// What identifies one of them.
        key: Vec<ColumnName>,
    },
    /// Files with these paths, relative to the datastore's root. A file's key is its path.
    Files(Pattern),
    /// Objects with these keys. An object's key is its own, and its version.
    Objects(Pattern),
    /// Keys of a key-value store.
    Keys(KeyPattern),
}

impl Dataset {
    /// As the ledger names it: the table, or the pattern as written.
    pub fn name(&self) -> &str {
        match self {
            Self::Table { table, .. } => table.as_str(),
            Self::Files(pattern) | Self::Objects(pattern) => pattern.as_str(),
            Self::Keys(pattern) => pattern.as_str(),
        }
    }
}

/// What the files of a backup rule are copies of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The datastores they hold, ascending.
    pub of: Vec<DatastoreName>,
    /// How often one is made. None takes longer than that.
    pub every: TimeDelta,
    /// How many the operator wants to have; the promise goes first.
    pub keep_at_least: Option<NonZeroU32>,
}

impl Rule {
    /// Every datastore it disposes of something in, its own first; one may come more than once.
    pub fn datastores(&self) -> impl Iterator<Item = &DatastoreName> {
        std::iter::once(&self.datastore).chain(self.dependents.iter().map(|d| &d.datastore))
    }

    /// Where an `unless` stands: it is written as a table, or as one of an array of them.
    pub fn unless_at(&self, number: usize) -> String {
        let numbered = format!("unless.{number}");
        if self.places.has(&numbered) { numbered } else { "unless".to_owned() }
    }
}

/// Where the data subject's id stands, and what an erasure request means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The column that holds the id.
    pub column: ColumnName,
    /// What a request does.
    pub on_erasure: OnErasure,
}

/// What an erasure request does to a subject's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnErasure {
    /// They go.
    Dispose,
    /// They stay, for the legal reason given.
    Keep(String),
}

/// The event that starts the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Where its time is read.
    pub place: TriggerPlace,
    /// How the stored value is to be understood.
    pub reading: Reading,
    /// Which states are normal for it.
    pub pending: Pending,
}

impl Trigger {
    /// Whether nothing but a data subject's demand starts the clock.
    pub fn is_request(&self) -> bool {
        self.place == TriggerPlace::Request
    }
}

/// Where a trigger's time is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerPlace {
    /// In the record.
    Column(ColumnName),
    /// In other rows.
    Rows {
        /// Their table.
        table: TableName,
        /// How they belong to the record.
        matches: Vec<Match>,
        /// The column that holds the time.
        column: ColumnName,
        /// Which of them counts.
        pick: Pick,
    },
    /// When the file's content was last modified.
    Modified,
    /// In the file's name.
    Name,
    /// When the object's version was last modified.
    ObjectModified,
    /// In this field of a hash.
    Field(String),
    /// When the key was last used.
    Idle,
    /// Nowhere: a data subject's request starts the clock.
    Request,
}

impl TriggerPlace {
    /// Of a time in other rows: their table, how they belong to the record, and which of them counts; none: it is not there.
    pub fn rows(&self) -> Option<(&TableName, &[Match], Pick)> {
        match self {
            Self::Rows { table, matches, pick, .. } => Some((table, matches, *pick)),
            Self::Column(_)
            | Self::Modified
            | Self::Name
            | Self::ObjectModified
            | Self::Field(_)
            | Self::Idle
            | Self::Request => None,
        }
    }
}

/// Which of several times counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The latest: a renewal moves it.
    Latest,
    /// The earliest: the first request counts.
    Earliest,
}

/// How a stored trigger value is to be understood, as far as the rule says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// For integer columns.
    pub unit: Option<Unit>,
    /// For text columns, in chrono's `strftime` notation.
    pub format: Option<String>,
    /// For values without an offset.
    pub time_zone: Option<Zone>,
}

/// The unit of an integer that counts from 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

/// States in which a trigger has simply not happened yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// The column is NULL.
    pub null: bool,
    /// The time lies ahead.
    pub future: bool,
    /// No row matches.
    pub no_row: bool,
}

impl Pending {
    /// Whether it calls something normal that the other does not.
    pub fn names_more_than(self, other: Self) -> bool {
        (self.null && !other.null) || (self.future && !other.future) || (self.no_row && !other.no_row)
    }
}

/// `their` column of another table equals `our` column of the record. NULL never matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// In the other table.
    pub theirs: ColumnName,
    /// In the record, or in the dependent named by `of`.
    pub ours: ColumnName,
}

/// One condition of `only`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column it looks at.
    pub column: ColumnName,
    /// What must hold.
    pub test: Test,
}

/// What must hold of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It equals one of these; NULL equals none. Never empty, never holds NULL.
    In(Vec<Value>),
    /// It equals none of these; NULL qualifies. Never empty, never holds NULL.
    NotIn(Vec<Value>),
    /// It is NULL.
    Null,
    /// It is not NULL.
    NotNull,
}

/// Keeps a record while a matching row exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Unless {
    /// Where the row is looked for.
    pub table: TableName,
    /// How it belongs to the record.
    pub matches: Vec<Match>,
    /// Narrows the rows that count.
    pub only: Vec<Condition>,
}

/// What is done with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The row is deleted.
    Delete,
    /// Columns are replaced, and the mark is set.
    Pseudonymize {
        /// Which columns, and with what.
        columns: Vec<(ColumnName, Strategy)>,
        /// Set when done, and part of the predicate, so nothing is rewritten twice.
        mark: ColumnName,
    },
}

impl Action {
    /// The word for it in the rule file and the ledger.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Pseudonymize { .. } => "pseudonymize",
        }
    }
}

/// Records that go with the one a rule selects, before it.
#[derive(Debug)]
pub struct Dependent {
    /// Its name within the rule.
    pub id: LocalId,
    /// The class of these records.
    pub class: ClassName,
    /// The dependent it hangs on; none: the rule's record.
    pub of: Option<LocalId>,
    /// Where they are.
    pub datastore: DatastoreName,
    /// What they are there, and how they belong to what they hang on.
    pub dataset: DependentDataset,
    /// What is done with it.
    pub action: Action,
    /// Where its keys stand in the file, such as `match.author_id`.
    pub places: Places,
}

/// The records of a dependent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependentDataset {
    /// Rows that match.
    Rows {
        /// Their table.
        table: TableName,
        /// What identifies one; none: the catalogue's primary key.
        key: Option<Vec<ColumnName>>,
        /// How they belong to what they hang on.
        matches: Vec<Match>,
    },
    /// Files whose path holds columns of what they hang on.
    Files {
        /// Relative to the datastore's root.
        pattern: Pattern,
        /// Whether those whose record no longer exists are listed.
        orphans: Orphans,
    },
    /// Keys of a key-value store that hold columns of what they hang on.
    Keys(KeyPattern),
}

impl DependentDataset {
    /// As the ledger names it: the table, or the pattern as written.
    pub fn name(&self) -> &str {
        match self {
            Self::Rows { table, .. } => table.as_str(),
            Self::Files { pattern, .. } => pattern.as_str(),
            Self::Keys(pattern) => pattern.as_str(),
        }
    }
}

/// What happens to files whose record no longer exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// Nobody looks for them.
    Ignored,
    /// They are counted and listed; never disposed of.
    Listed,
}

/// One `[[rule.test]]`.
#[derive(Debug)]
pub struct RuleTest {
    /// What it shows, as a sentence.
    pub name: String,
    /// Where it stands: `file:line`.
    pub place: String,
    /// The records of the rule's dataset.
    pub records: TestRecords,
    /// Rows of other tables.
    pub rows: Vec<(TableName, Vec<Row>)>,
    /// Paths of files, by datastore.
    pub files: Vec<(DatastoreName, Vec<String>)>,
    /// Whether a hold covers every record.
    pub held: bool,
    /// When data subjects request erasure.
    pub requests: BTreeMap<SubjectId, DateTime<Utc>>,
    /// What is expected when; `at` never goes back.
    pub steps: Vec<Step>,
    /// What each table holds after a sweep at the last step, as far as the columns are named.
    pub after: Vec<(TableName, Vec<Row>)>,
    /// The paths of the files that each datastore holds then, all of them.
    pub after_files: Vec<(DatastoreName, Vec<String>)>,
}

/// The records of a test.
#[derive(Debug)]
pub enum TestRecords {
    /// Rows, values as the datastore holds them.
    Rows(Vec<Row>),
    /// Files.
    Files(Vec<TestFile>),
}

impl TestRecords {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Files(files) => files.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file of a test.
#[derive(Debug)]
pub struct TestFile {
    /// Relative to the root.
    pub path: String,
    /// When it was last modified, where the rule's trigger is that.
    pub modified: Option<DateTime<Utc>>,
}

/// Column values by name.
pub type Row = Vec<(ColumnName, Value)>;

/// One instant of a test and the verdicts expected at it, one a record.
#[derive(Debug)]
pub struct Step {
    /// Both eligible and late.
    pub at: DateTime<Utc>,
    /// What other tables hold from then on, such as a licence that was renewed; those that are not named stay as they are.
    pub rows: Vec<(TableName, Vec<Row>)>,
    /// In the records' order.
    pub expect: Vec<Expected>,
    /// What follows the verdicts.
    pub then: Then,
}

/// What follows the verdicts of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the next step looks at the same world.
    Look,
    /// A sweep: the next step looks at what it left.
    Sweep,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Due => "due",
            Self::Overdue => "overdue",
            Self::Held => "held",
            Self::Undated => "undated",
            Self::Gone => "gone",
        })
    }
}

/// The verdict a test names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing happens to it yet.
    Kept,
    /// Its period has passed.
    Due,
    /// Its deadline has passed.
    Overdue,
    /// It would be due, but for a hold.
    Held,
    /// Its trigger gives no plausible instant.
    Undated,
    /// The sweep of an earlier step disposed of it.
    Gone,
}
