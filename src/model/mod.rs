//! What everything above speaks of: periods and the calendar, schedules, names, values, keys, catalogues, datastores
//! as described and when they are open, orders, the present. No I/O, no clock.

pub mod calendar;
pub mod catalogue;
pub mod credential;
pub mod datastore;
pub mod horizon;
pub mod key;
pub mod length;
pub mod level;
pub mod name;
pub mod now;
pub mod opening;
pub mod orders;
pub mod pattern;
pub mod period;
pub mod schedule;
pub mod strategy;
pub mod value;
