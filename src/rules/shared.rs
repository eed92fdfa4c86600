//! Which rules are about the same records.

use super::rule::{Dataset, DependentDataset, Match, Rule, RuleSet};
use crate::model::name::{ColumnName, DatastoreName, RuleId};
use crate::model::pattern::{KeyPattern, Pattern};

/// Another rule over records that a rule may dispose of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The other rule.
    pub rule: RuleId,
    /// Whose the records are that both are about.
    pub people: SharedPeople,
}

/// Whose records two rules share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedPeople {
    /// Each shared record belongs to the same data subject in both.
    Same,
    /// It may belong to one here and to another there.
    Others,
    /// The other rule does not know its data subjects.
    Nobody,
}

/// Every other rule of the set over records that this one disposes of as well, either as its own or as dependents. Their filters
/// may keep them apart; a hold goes by what might meet.
pub fn shared(set: &RuleSet, rule: &Rule) -> Vec<Shared> {
    let others = set.rules().map(|(_, other)| other).filter(|other| other.id != rule.id);
    others.filter_map(|other| Some(Shared { rule: other.id.clone(), people: people(rule, other)? })).collect()
}

/// Whose records both are about; none: they have none in common.
fn people(rule: &Rule, other: &Rule) -> Option<SharedPeople> {
    let mut met = false;
    let mut same = true;
    for mine in reached(rule) {
        for theirs in reached(other) {
            if mine.datastore == theirs.datastore && mine.what.meets(&theirs.what) {
                met = true;
                same &= mine.owner.is_some() && mine.owner == theirs.owner;
            }
        }
    }
    let people = match (&other.subject, same) {
        (None, _) => SharedPeople::Nobody,
        (Some(_), true) => SharedPeople::Same,
        (Some(_), false) => SharedPeople::Others,
    };
    met.then_some(people)
}

/// What a rule disposes of in one dataset.
struct Reached<'r> {
    datastore: &'r DatastoreName,
    what: What<'r>,
    /// The column of these records that holds the data subject's id; none: it leads there only through others, or nobody knows.
    owner: Option<&'r ColumnName>,
}

/// The records of a dataset, wherever a rule speaks of it.
enum What<'r> {
    Table(&'r str),
    Files(&'r Pattern),
    Objects(&'r Pattern),
    Keys(&'r KeyPattern),
}

impl What<'_> {
    /// Whether a record may be in both. Names of tables are the same in any case.
    fn meets(&self, other: &What<'_>) -> bool {
        match (self, other) {
            (What::Table(a), What::Table(b)) => a.eq_ignore_ascii_case(b),
            (What::Files(a), What::Files(b)) | (What::Objects(a), What::Objects(b)) => {
                a.open().meets(&b.open())
            }
            (What::Keys(a), What::Keys(b)) => a.meets(b),
            (What::Table(_) | What::Files(_) | What::Objects(_) | What::Keys(_), _) => false,
        }
    }
}

fn reached(rule: &Rule) -> impl Iterator<Item = Reached<'_>> {
    let subject = rule.subject.as_ref().map(|subject| &subject.column);
    let own = Reached { datastore: &rule.datastore, what: what(&rule.dataset), owner: subject };
    let dependents = rule.dependents.iter().map(move |dependent| {
        let (what, matches) = match &dependent.dataset {
            DependentDataset::Rows { table, matches, .. } => {
                (What::Table(table.as_str()), matches.as_slice())
            }
            DependentDataset::Files { pattern, .. } => (What::Files(pattern), &[][..]),
            DependentDataset::Keys(keys) => (What::Keys(keys), &[][..]),
        };
        let owner = subject.filter(|_| dependent.of.is_none()).and_then(|subject| led_by(matches, subject));
        Reached { datastore: &dependent.datastore, what, owner }
    });
    std::iter::once(own).chain(dependents)
}

/// The dependent's column that equals this column of the record.
fn led_by<'m>(matches: &'m [Match], subject: &ColumnName) -> Option<&'m ColumnName> {
    matches.iter().find(|pair| pair.ours == *subject).map(|pair| &pair.theirs)
}

fn what(dataset: &Dataset) -> What<'_> {
    match dataset {
        Dataset::Table { table, .. } => What::Table(table.as_str()),
        Dataset::Files(pattern) => What::Files(pattern),
        Dataset::Objects(pattern) => What::Objects(pattern),
        Dataset::Keys(keys) => What::Keys(keys),
    }
}

/// Whether two rules of one datastore may be about one record. Files have no filters: their patterns say whether two rules meet.
pub(super) fn same_dataset(a: &Dataset, b: &Dataset) -> bool {
    what(a).meets(&what(b))
}
