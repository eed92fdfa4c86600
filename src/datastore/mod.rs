//! The datastores: where records are, how they are read, how they go.
//!
//! **Contract.** A datastore selects candidates and hands them to the judge; it disposes only of records that come
//! back as [`Due`](crate::rules::decide::Due); it makes nothing irreversible before it is shown the committed intent;
//! and it can say afterwards, from evidence of its own, whether a batch was committed.

pub mod error;
pub mod files;
pub mod sqlite;

pub use error::DatastoreError;
