//! The daemon: the real program, in virtual time.

mod handle;
mod reload;
mod stop;
mod ticks;
