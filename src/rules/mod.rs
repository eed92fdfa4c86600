//! The rule language: TOML as a person wrote it becomes types that cannot be wrong, and `check` proves over them what
//! can be proved without a datastore.
//!
//! ```text
//! rules/*.toml ── document ──▶ Rule ── check ──▶ every promise kept, every window wide enough
//!                               │
//!                 Catalogue ── bind ──▶ BoundRule ── cutoff ──▶ what a query compares with
//!                                           └─────── decide ──▶ Verdict: the one judge
//!           what datastores say of themselves ── connect ──▶ what is not covered, not indexed, not permitted
//! ```
//!
//! Past [`document`] nothing looks at TOML again.

pub mod bind;
pub mod check;
pub mod connect;
pub mod cutoff;
pub mod decide;
pub mod diff;
pub mod digest;
pub mod document;
pub mod prose;
pub mod reading;
pub mod rule;
pub mod shared;
