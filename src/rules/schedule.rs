//! x
#[derive(Debug)]
pub struct Schedule;
