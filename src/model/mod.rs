//! What everything above speaks of: periods and the calendar, records and their keys, verdicts' parts.
//! No I/O, no clock.

pub mod calendar;
pub mod period;
