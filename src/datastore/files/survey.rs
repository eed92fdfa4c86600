//! A walk through all of a tree that counts what is covered, and what may be removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustix::fd::AsFd as _;

use super::access::closed_below;
use super::listed::split;
use super::{Obstacle, Seen, Tree};
use crate::datastore::DatastoreError;
use crate::model::pattern::{Glob, Pattern};
use crate::rules::connect::prefixes::{Covered, Prefixes};

/// What a tree holds.
#[derive(Debug)]
pub struct Survey {
    /// Its files, told apart by what covers them.
    pub prefixes: Prefixes,
    /// By the reason why not: how many directories hold files that a rule would remove, and do not let it.
    pub closed: BTreeMap<&'static str, u64>,
    /// What stands in the way, and how often; what is beneath was not seen.
    pub unseen: BTreeMap<Obstacle, u64>,
}

/// Goes through all of a tree. Blocking; follows no link, crosses no mount, and changes nothing.
pub fn survey(root: &Path, prefixes: Prefixes) -> Result<Survey, DatastoreError> {
    let tree = Arc::new(Tree::open(root)?);
    let mut survey = Survey { prefixes, closed: BTreeMap::new(), unseen: BTreeMap::new() };
    // The files of a directory mostly come together.
    let mut asked: Option<Vec<u8>> = None;
    for seen in tree.walk(everything().into_iter().collect()) {
        let found = match seen? {
            Seen::File(found) => found,
            Seen::Obstacle(obstacle) => {
                *survey.unseen.entry(obstacle).or_default() += 1;
                continue;
            }
        };
        if survey.prefixes.file(&found.listed.path) != Covered::ByRule {
            continue;
        }
        let (directory, _) = split(&found.listed.path);
        if asked.as_deref() != Some(directory) {
            if let Some(why) = closed_below(tree.root.as_fd(), directory) {
                *survey.closed.entry(why).or_default() += 1;
            }
            asked = Some(directory.to_vec());
        }
    }
    Ok(survey)
}

fn everything() -> Option<Glob> {
    Pattern::parse("**").ok()?.glob()
}
