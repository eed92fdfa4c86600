//! The daemon: the real program, in virtual time.

mod handle;
mod monitoring;
mod reload;
mod stop;
mod sweep;
mod ticks;
mod trouble;
