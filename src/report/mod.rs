//! The deletion report: what the ledger says of a period, for people who hand it on.
//!
//! Entries are read once, in order ([`Reading`]); with what the rule files say ([`Known`]) and what verifies the ledger
//! ([`Evidence`]) they become one view ([`Report`]), which is written as a page, a table or JSON. Pure: no I/O, no clock.
//!
//! **Invariant:** every figure comes from entries; the rule files add words, classes and the time between sweeps.
//!
//! **Invariant:** nothing of a record: no key, no instant of its own, no commitment.
//!
//! What each figure means, and what it cannot know, is in `docs/report.md`.

mod build;
mod csv;
mod html;
mod known;
mod lateness;
mod orders;
mod period;
mod reading;
mod standing;
mod tally;
mod unit;
mod view;
mod waits;

pub use csv::TableError;
pub use html::PageError;
pub use known::Known;
pub use lateness::Lateness;
pub use period::{Period, PeriodError};
pub use reading::Reading;
pub use standing::{Reason, Standing};
pub use tally::{Of, SweepCounts};
pub use unit::{Moment, Seconds};
pub use view::{
    Answer, Approval, Disposal, Evidence, Hold, Keeper, OpenIntent, Outcomes, Pause, Promise, Remaining,
    Report, Request, RequestStanding, Service, Summary, Sweeps, Version, Wait, Why,
};
