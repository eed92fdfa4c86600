//! The daemon: the real program, in virtual time.

pub mod handle;
mod monitoring;
mod reload;
mod stop;
mod story;
mod sweep;
mod ticks;
mod trouble;
