//! What a rule says, in words.

mod action;
mod filter;
mod line;
mod trigger;

pub use action::{strategy, then};
pub use filter::{condition, unless};
pub use line::{Line, Span};
pub use trigger::{StartKind, event, matched, not_started, read_as};
