//! What everything above speaks of: periods and the calendar, names, values, keys, catalogues, the present.
//! No I/O, no clock.

pub mod calendar;
pub mod catalogue;
pub mod key;
pub mod name;
pub mod now;
pub mod orders;
pub mod period;
pub mod strategy;
pub mod value;
