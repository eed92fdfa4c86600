//! `backup = { … }`: what the files of a rule are copies of.

use std::num::NonZeroU32;
use std::str::FromStr as _;

use chrono::TimeDelta;

use super::word;
use crate::diagnostic::Code;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::model::name::DatastoreName;
use crate::model::period::Period;
use crate::rules::rule::Backup;

pub fn backup(mut table: Cursor<'_>) -> Option<Backup> {
    let of = table.required("of").and_then(|e| word::some_names(&e, DatastoreName::new));
    let every = table.required("every").and_then(|e| every(&e));
    let keep_at_least = table.optional("keep_at_least").and_then(|e| count(&e));
    table.finish();
    let mut of = of?;
    of.sort();
    Some(Backup { of, every: every?, keep_at_least })
}

/// A day is 24 hours here: it is a rhythm, not a date.
fn every(entry: &Entry<'_>) -> Option<TimeDelta> {
    let help = "write a rhythm in hours, days or weeks, such as `1 day`";
    let length = match entry.parsed(Code::Period, help, Period::from_str)? {
        Period::Elapsed(elapsed) => Some(elapsed.length()),
        Period::Civil(civil) if civil.months == 0 => Some(TimeDelta::days(i64::from(civil.days))),
        Period::Civil(_) => None,
    };
    let length = length.filter(|length| *length > TimeDelta::zero());
    if length.is_none() {
        entry.refuse(
            Code::Period,
            "`every` is no rhythm: months differ in length, and zero never comes",
            help,
        );
    }
    length
}

fn count(entry: &Entry<'_>) -> Option<NonZeroU32> {
    let number = entry.integer()?;
    let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
    if count.is_none() {
        let message = format!("`{}` is {number}, expected a positive number of backups", entry.key());
        entry.refuse(Code::BadValue, message, "write 1 or more, or leave it out");
    }
    count
}
