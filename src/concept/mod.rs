//! The deletion concept: what the rules demand, for people who answer for it. In the manner of DIN 66398, and the retention
//! part of a record of processing activities (GDPR Art. 30(1)(f)).
//!
//! ```text
//! RuleSet, which check has proved ──▶ Concept (the view, JSON) ──▶ Document ──┬──▶ Markdown
//!                                                                             └──▶ page
//! ```
//!
//! Both forms are written from one document, so that neither says what the other does not. Pure: no I/O, no clock; the same
//! rules give the same bytes.
//!
//! **Invariant:** every figure comes from the [`RuleSet`](crate::rules::rule::RuleSet) that a sweep goes by.

mod action;
mod build;
mod chapter;
mod classes;
mod document;
mod general;
mod html;
mod markdown;
mod overview;
mod start;
mod view;

pub use build::Given;
pub use html::PageError;
pub use view::{
    Action, BackedUp, Backup, Class, ClassUnderRule, Concept, Dataset, Datastore, DeletionClass, Dependent,
    Holds, Keeper, Member, OnErasure, Place, Promise, PromiseRef, Replaced, Rule, Service, Start,
};
