//! Whether the root of a files datastore is the directory that it was. One that is not mounted is another one, mostly without an
//! entry, and what is not seen there is not gone.

use crate::datastore::files::{Tree, root_of};
use crate::model::datastore::{Datastore, DatastoreKind};
use crate::model::name::DatastoreName;
use crate::state::State;

use super::error::SweepError;

/// What is known of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the one that it was.
    Known,
    /// Nobody has seen it before.
    New,
}

/// Refuses the root of a datastore, if it has one, that is another directory than it was.
pub async fn same_root(
    state: &mut State,
    name: &DatastoreName,
    datastore: &Datastore,
) -> Result<(), SweepError> {
    if datastore.kind() == DatastoreKind::Files {
        compare(state, name, &Tree::open(root_of(datastore)?)?).await?;
    }
    Ok(())
}

async fn compare(state: &mut State, name: &DatastoreName, tree: &Tree) -> Result<Standing, SweepError> {
    let observed = tree.identity();
    match state.known_root(name.as_str()).await? {
        None => Ok(Standing::New),
        Some(known) if tree.is_recorded(&known) => Ok(Standing::Known),
        Some(expected) => Err(SweepError::OtherRoot { datastore: name.clone(), expected, observed }),
    }
}

/// The same before a sweep, of the tree that it goes through: one that is seen for the first time is known from then on, unless it is
/// bare. So looks one that is not mounted.
pub(super) async fn recognise(
    state: &mut State,
    name: &DatastoreName,
    tree: &Tree,
) -> Result<Standing, SweepError> {
    let standing = compare(state, name, tree).await?;
    if standing == Standing::New && !tree.is_bare()? {
        state.know_root(name.as_str(), &tree.identity()).await?;
        return Ok(Standing::Known);
    }
    Ok(standing)
}
