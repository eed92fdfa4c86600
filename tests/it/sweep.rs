//! Sweeps on a real datastore: exactly the due set goes, and the survivors are asserted as a set.

mod agreement;
mod dependents;
mod filters;
mod guards;
mod observe;
mod poison;
mod proofs;
mod pseudonyms;
mod reach;
mod shapes;
mod timing;
mod triggers;
#[cfg(feature = "test-hooks")]
mod unsealed;
mod window;
