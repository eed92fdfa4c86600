//! Levels of erasure: each is claimed of batches that went, and is higher than what was claimed of them before.

use std::collections::BTreeMap;

use super::super::entry::{BatchCommitted, DatastoreName, ErasureLevel, RuleId};
use super::super::tree::EntryIndex;
use super::Violation;
use crate::model::level::Level;

/// How thoroughly each batch is known to be gone.
#[derive(Default)]
pub(super) struct Levels {
    /// Whose batches there are: few, so that a batch needs no more than the number of its own.
    owners: Vec<(RuleId, DatastoreName)>,
    batches: BTreeMap<EntryIndex, (u32, Level)>,
}

impl Levels {
    /// Remembers a batch. One that disposed of nothing, or in several datastores, has no level to raise.
    pub(super) fn begin(&mut self, index: EntryIndex, committed: &BatchCommitted) {
        let Some((first, others)) = committed.parts.split_first() else { return };
        if committed.totals().disposed == 0 || others.iter().any(|part| part.datastore != first.datastore) {
            return;
        }
        let is_owner = |(rule, datastore): &(RuleId, DatastoreName)| {
            *rule == committed.rule && *datastore == first.datastore
        };
        let known = self.owners.iter().position(is_owner);
        let owner = known.unwrap_or_else(|| {
            self.owners.push((committed.rule.clone(), first.datastore.clone()));
            self.owners.len() - 1
        });
        // Of so many rules, the last could not be told from each other; there are dozens.
        let owner = u32::try_from(owner).unwrap_or(u32::MAX);
        self.batches.insert(index, (owner, Level::Logical));
    }

    /// Reads a claim.
    pub(super) fn raise(&mut self, claimed: &ErasureLevel) -> Vec<Violation> {
        let mut violations = Vec::new();
        for entry in &claimed.batches {
            let batch = self.batches.get_mut(entry).filter(|(owner, _)| {
                let owner = usize::try_from(*owner).ok().and_then(|at| self.owners.get(at));
                owner
                    .is_some_and(|(rule, datastore)| *rule == claimed.rule && *datastore == claimed.datastore)
            });
            match batch {
                None => violations.push(Violation::UnknownBatch {
                    entry: *entry,
                    rule: claimed.rule.clone(),
                    datastore: claimed.datastore.clone(),
                }),
                Some((_, level)) if *level >= claimed.level => {
                    violations.push(Violation::NoHigher { entry: *entry, level: level.as_str() });
                }
                Some((_, level)) => *level = claimed.level,
            }
        }
        violations
    }
}
