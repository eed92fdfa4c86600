//! The view: what every form of the concept is written from. As JSON it is documented in `docs/commands.md`.

use serde::Serialize;

use crate::rules::prose::{Line, StartKind};

/// A deletion concept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concept {
    /// `expunged-concept/1`.
    pub format: &'static str,
    /// The version of the program that wrote it.
    pub program: &'static str,
    /// The only service it is about; none: all.
    pub service: Option<String>,
    /// The services.
    pub services: Vec<Service>,
    /// Their promises, all of which are kept.
    pub promises: Vec<Promise>,
    /// Their rules.
    pub rules: Vec<Rule>,
    /// Their data classes.
    pub classes: Vec<Class>,
    /// Periods by kinds of start events.
    pub deletion_classes: Vec<DeletionClass>,
    /// Where the records are.
    pub datastores: Vec<Datastore>,
}

/// One product or site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its id.
    pub service: String,
    /// What people call it.
    pub name: String,
    /// Whom to ask.
    pub owner: String,
    /// The calendar of its periods.
    pub time_zone: String,
    /// The name of its rule file.
    pub file: String,
    /// SHA-256 of that file, in lower-case hexadecimal; none: the rules were not read from a file.
    pub sha256: Option<String>,
    /// What no rule governs, and why.
    pub waivers: Vec<Waiver>,
}

/// Records that no rule governs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// Where they are.
    pub datastore: String,
    /// The table, or the pattern.
    pub dataset: String,
    /// Why nothing of them has to go.
    pub reason: String,
}

/// What the published policy says, and what keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Whose.
    pub service: String,
    /// Its id there.
    pub promise: String,
    /// In the operator's words.
    pub text: String,
    /// The policy, its date and section.
    pub source: String,
    /// The event it speaks of.
    pub trigger: String,
    /// Not before.
    pub not_before: Option<String>,
    /// No later than; for `on_request`, one month.
    pub no_later_than: Option<String>,
    /// Whether the data subject's request starts it.
    pub on_request: bool,
    /// Who decided which figure, and when, where the policy gives none.
    pub decision: Option<String>,
    /// What it leaves out.
    pub except: Option<String>,
    /// The data classes it is about.
    pub classes: Vec<String>,
    /// Whether it is kept; if not, rules that only observe would keep it.
    pub kept: bool,
    /// The rules that keep it.
    pub keepers: Vec<Keeper>,
}

/// A rule that keeps a promise, as `check` proved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keeper {
    /// The rule.
    pub rule: String,
    /// The promise's classes that it reaches.
    pub classes: Vec<String>,
    /// The figures, one comparison a line.
    pub arithmetic: Vec<String>,
}

/// A deletion rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Whose.
    pub service: String,
    /// `service/rule`.
    pub rule: String,
    /// The class of its own records.
    pub class: String,
    /// The promises it keeps.
    pub promises: Vec<String>,
    /// Its own records.
    pub dataset: Dataset,
    /// The column of the data subject's id.
    pub subject: Option<String>,
    /// What an erasure request does.
    pub on_erasure: OnErasure,
    /// What starts the clock.
    pub start: Start,
    /// Not before.
    pub retain: String,
    /// No later than.
    pub delete_by: String,
    /// When it is enforced: cron with seconds, in UTC.
    pub schedule: String,
    /// The longest time between two starts.
    pub longest_gap_seconds: i64,
    /// `enforce`, or `observe`: it counts, and disposes of nothing.
    pub mode: &'static str,
    /// What is done with a due record.
    pub action: Action,
    /// What the engine of its datastore is asked for afterwards.
    pub then: Option<Line>,
    /// Narrows the records to those of which all of this holds.
    pub only: Vec<Line>,
    /// Keeps a record while one of these holds.
    pub unless: Vec<Line>,
    /// The same as the promise says it.
    pub except: Option<String>,
    /// What its files are copies of, where they are backups.
    pub backup: Option<Backup>,
    /// What goes with its records, and before them.
    pub dependents: Vec<Dependent>,
}

/// Records of one kind in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dataset {
    /// The connection.
    pub datastore: String,
    /// Rows or files.
    pub holds: Holds,
    /// The table, or the pattern of the files' paths.
    pub dataset: String,
    /// The columns that identify a row; empty: the path of a file, or the catalogue's primary key.
    pub key: Vec<String>,
}

/// What a datastore holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Rows of tables.
    Rows,
    /// Files.
    Files,
    /// Objects, each with its versions.
    Objects,
    /// Keys of a key-value store.
    Keys,
}

/// What an erasure request does to a rule's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum OnErasure {
    /// They go.
    Dispose,
    /// They stay.
    Keep {
        /// The legal reason.
        reason: String,
    },
    /// The rule does not know whose they are: a request does not reach them.
    NotReached,
}

/// A start event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Start {
    /// Of which kind.
    pub kind: StartKind,
    /// In words.
    pub words: Line,
    /// The table in which its time is read; none: it is read of a file.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// States in which it has simply not happened yet; in any other without a plausible time a record is undated.
    pub not_started: Vec<&'static str>,
    /// How the stored value is understood, where the rule has to say so.
    pub read_as: Option<Line>,
}

/// What is done with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    /// `delete` or `pseudonymize`.
    pub action: &'static str,
    /// Which columns are replaced.
    pub columns: Vec<Replaced>,
    /// The column that is set when it is done.
    pub mark: Option<String>,
}

/// A column that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// The column.
    pub column: String,
    /// How, in words.
    pub with: Line,
}

/// What the files of a backup rule are copies of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The datastores.
    pub of: Vec<String>,
    /// How often one is made.
    pub every: String,
    /// How many the operator wants to have; the promise goes first.
    pub keep_at_least: Option<u32>,
}

/// Records that go with those of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependent {
    /// Its id within the rule.
    pub dependent: String,
    /// The dependent it hangs on; none: the rule's record.
    pub of: Option<String>,
    /// The class of these records.
    pub class: String,
    /// Where they are.
    pub dataset: Dataset,
    /// How they belong to what they hang on.
    pub belongs: Line,
    /// What is done with them.
    pub action: Action,
}

/// A data class: records that promises and rules call by one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Class {
    /// Of which service.
    pub service: String,
    /// Its name.
    pub class: String,
    /// The rules that reach it.
    pub rules: Vec<ClassUnderRule>,
}

/// A data class, as far as one rule reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassUnderRule {
    /// The rule.
    pub rule: String,
    /// The promises about this class that the rule keeps.
    pub promises: Vec<PromiseRef>,
    /// Where these records are.
    pub records: Vec<Place>,
}

/// What justifies a rule for a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromiseRef {
    /// The promise.
    pub promise: String,
    /// The policy, its date and section.
    pub source: String,
}

/// Where records of a class are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The dependent that they are; none: they are the rule's own.
    pub dependent: Option<String>,
    /// The connection.
    pub datastore: String,
    /// The dataset on it.
    pub dataset: String,
    /// What is done with them.
    pub action: Action,
}

/// A deletion class: what has the same period from the same kind of start event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeletionClass {
    /// No later than.
    pub delete_by: String,
    /// From which kind of start event on.
    pub start: StartKind,
    /// The data classes in it, by service.
    pub members: Vec<Member>,
}

/// The data classes of one service in a deletion class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The service.
    pub service: String,
    /// Its data classes.
    pub classes: Vec<String>,
}

/// A datastore in which the rules dispose of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Datastore {
    /// Its name.
    pub datastore: String,
    /// Which engine; none: no configuration says.
    pub kind: Option<&'static str>,
    /// What it holds.
    pub holds: Holds,
    /// Whether a rule is over it because it holds backups itself.
    pub holds_backups: bool,
    /// The rules over backups of it, of any service.
    pub backups: Vec<BackedUp>,
}

/// A rule over backups of a datastore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// The rule.
    pub rule: String,
    /// Whom to ask.
    pub owner: String,
    /// Where the backups are.
    pub datastore: String,
    /// The pattern of their paths.
    pub dataset: String,
    /// How often one is made.
    pub every: String,
    /// A backup is gone no later than so long after it was begun.
    pub delete_by: String,
}
