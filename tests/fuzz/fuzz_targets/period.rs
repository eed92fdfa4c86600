//! The period parser against a second reading of the same text.
//!
//! What is accepted is one of the two spellings, in full: this grammar is written down once more below, from `docs/rules.md`, and
//! shares no code with the parser. Both must come to the same amounts; and the canonical words must mean the same again.

#![no_main]

use expunged::model::period::{DeleteBy, Period};
use libfuzzer_sys::fuzz_target;

/// Months, days and seconds, and whether a day or larger was named, an hour or smaller.
#[derive(Debug, PartialEq, Default)]
struct Amounts {
    months: u128,
    days: u128,
    seconds: u128,
    civil: bool,
    elapsed: bool,
}

impl Amounts {
    /// Adds so many of a unit, named by its word in the singular.
    fn add(&mut self, amount: u128, unit: &str) -> Option<()> {
        let (total, factor) = match unit {
            "year" => (&mut self.months, 12),
            "month" => (&mut self.months, 1),
            "week" => (&mut self.days, 7),
            "day" => (&mut self.days, 1),
            "hour" => (&mut self.seconds, 3600),
            "minute" => (&mut self.seconds, 60),
            "second" => (&mut self.seconds, 1),
            _ => return None,
        };
        *total += amount.checked_mul(factor)?;
        let smaller = matches!(unit, "hour" | "minute" | "second");
        self.elapsed |= smaller;
        self.civil |= !smaller;
        Some(())
    }

    fn of(period: Period) -> Self {
        match period {
            Period::Elapsed(elapsed) => {
                let seconds = u128::try_from(elapsed.length().num_seconds()).expect("no period is negative");
                Self { seconds, elapsed: true, ..Self::default() }
            }
            Period::Civil(civil) => {
                Self { months: civil.months.into(), days: civil.days.into(), civil: true, ..Self::default() }
            }
        }
    }
}

/// Digits and nothing else: no sign, no fraction, no exponent.
fn number(text: &str) -> Option<u128> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// `1 year 6 months`: pairs of a number and a word in full, singular or plural.
fn words(text: &str) -> Option<Amounts> {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut amounts = Amounts::default();
    for pair in tokens.chunks(2) {
        let [amount, unit] = pair else { return None };
        amounts.add(number(amount)?, unit.strip_suffix('s').unwrap_or(unit))?;
    }
    (!tokens.is_empty()).then_some(amounts)
}

/// `PnYnMnWnDTnHnMnS`.
fn iso(text: &str) -> Option<Amounts> {
    let mut rest = text.trim().strip_prefix('P')?;
    let (mut amounts, mut in_time, mut some) = (Amounts::default(), false, false);
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time {
                return None;
            }
            (in_time, rest) = (true, time);
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount = number(&rest[..digits])?;
        let unit = match (in_time, rest.as_bytes().get(digits)?) {
            (false, b'Y') => "year",
            (false, b'M') => "month",
            (false, b'W') => "week",
            (false, b'D') => "day",
            (true, b'H') => "hour",
            (true, b'M') => "minute",
            (true, b'S') => "second",
            _ => return None,
        };
        amounts.add(amount, unit)?;
        some = true;
        rest = &rest[digits + 1..];
    }
    (some && !text.trim_end().ends_with('T')).then_some(amounts)
}

/// The same period in the other spelling.
fn in_iso(period: Period) -> String {
    match period {
        Period::Elapsed(elapsed) => format!("PT{}S", elapsed.length().num_seconds()),
        Period::Civil(civil) => format!("P{}M{}D", civil.months, civil.days),
    }
}

fuzz_target!(|text: &str| {
    let period = match text.parse::<Period>() {
        Ok(period) => period,
        Err(refused) => {
            // What is said repeats what was written, and little more.
            assert!(refused.to_string().len() < 400 + 4 * text.len());
            return;
        }
    };
    let read = words(text).or_else(|| iso(text)).expect("only whole numbers with units in full are a period");
    assert!(read.civil != read.elapsed, "hours never mix with days");
    assert_eq!(read, Amounts::of(period), "the text says another length");
    let canonical = period.to_string();
    assert!(canonical.len() < 100, "{canonical}");
    assert_eq!(canonical.parse::<Period>().as_ref(), Ok(&period), "{canonical}");
    assert_eq!(canonical.parse::<Period>().map(|p| p.to_string()).as_ref(), Ok(&canonical));
    assert_eq!(in_iso(period).parse::<Period>(), Ok(period), "the two spellings agree");
    assert_eq!(DeleteBy::new(period).is_err(), period.is_zero());
});
