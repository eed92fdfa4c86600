//! Why a period was refused, and what to write instead.

/// A period that was refused. Every message ends in what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Nothing but white space, or ISO 8601's `P` with nothing after it.
    #[error("the period is empty: write a number and a unit, such as `90 days`")]
    Empty,
    /// `m`: the abbreviation that started this grammar.
    #[error(
        "`{written}` is ambiguous, `m` is a minute in one program and a month in the next: \
         write `{amount} minute{s}` or `{amount} month{s}`",
        s = if *amount == 1 { "" } else { "s" }
    )]
    Ambiguous {
        /// As written, with the number where it was glued on.
        written: String,
        /// The number before the unit.
        amount: u64,
    },
    /// An abbreviation, a capital, or a number glued to its unit.
    #[error("`{written}` is not a number and a unit in full: write `{instead}`")]
    NotInFull {
        /// As written.
        written: String,
        /// The same in this grammar.
        instead: String,
    },
    /// A word where a unit was expected.
    #[error("`{written}` is not a unit: write years, months, weeks, days, hours, minutes or seconds")]
    UnknownUnit {
        /// As written.
        written: String,
    },
    /// A number at the end, or followed by another number.
    #[error("`{amount}` has no unit: write `{amount} days` or `{amount} hours`, whichever is meant")]
    NoUnit {
        /// The number.
        amount: u64,
    },
    /// A unit, or another word, where a number was expected.
    #[error("expected a number before `{written}`: write digits and a unit, such as `90 days`")]
    NoNumber {
        /// The word found.
        written: String,
    },
    /// `1.5 days`, `P0.5Y`.
    #[error(
        "`{written}` is not whole: write whole numbers of a smaller unit, such as `36 hours` or `18 months`"
    )]
    Fraction {
        /// The number as written.
        written: String,
    },
    /// `-1 day`.
    #[error("`{written}` is negative: a period runs forward from its trigger, write it without the sign")]
    Negative {
        /// The number as written.
        written: String,
    },
    /// `1 day 12 hours`: a stopwatch and a calendar at once.
    #[error(
        "`{written}` mixes elapsed time with calendar days, and a day is not always 24 hours: \
         write it in hours alone or in days alone"
    )]
    Mixed {
        /// The whole period as written.
        written: String,
    },
    /// `1 day 2 days`.
    #[error("`{unit}` stands twice: write each unit once, with the sum")]
    Repeated {
        /// The unit, in the plural.
        unit: &'static str,
    },
    /// `6 months 1 year`.
    #[error("`{unit}` stands after `{after}`: write the larger unit first")]
    Misordered {
        /// The larger unit, in the plural.
        unit: &'static str,
        /// The smaller one it follows.
        after: &'static str,
    },
    /// More than the arithmetic holds: over 2^32 months or days, or over 2^63 milliseconds.
    #[error("`{written}` is longer than any calendar: write a period that ends, such as `10 years`")]
    TooLong {
        /// As written.
        written: String,
    },
    /// Text that starts with ISO 8601's `P` and goes on otherwise.
    #[error(
        "`{written}` is not an ISO 8601 duration: write `P1Y6M`, `P90D` or `PT24H`, or words such as `90 days`"
    )]
    Iso {
        /// As written.
        written: String,
    },
    /// A deadline of zero.
    #[error("a deadline of zero has passed before any sweep can start: write `1 hour` or more")]
    Zero,
}
