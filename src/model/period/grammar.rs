//! The two spellings of a period, read into the same list of amounts and units.

use chrono::TimeDelta;

use super::{Civil, Elapsed, Period, PeriodError};

/// Largest first, so that the derived order is the order in which units must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Years,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
}

/// Each unit with its words and the abbreviations seen in other programs' configuration, which are refused by name.
/// `m` stands in neither: it has an error of its own.
const UNITS: [(Unit, &str, &str, &[&str]); 7] = [
    (Unit::Years, "year", "years", &["y", "yr", "yrs", "a"]),
    (Unit::Months, "month", "months", &["mo", "mos", "mon", "mth", "mths"]),
    (Unit::Weeks, "week", "weeks", &["w", "wk", "wks"]),
    (Unit::Days, "day", "days", &["d"]),
    (Unit::Hours, "hour", "hours", &["h", "hr", "hrs"]),
    (Unit::Minutes, "minute", "minutes", &["mi", "min", "mins"]),
    (Unit::Seconds, "second", "seconds", &["s", "sec", "secs"]),
];

type Parts = Vec<(u64, Unit)>;

pub(super) fn parse(text: &str) -> Result<Period, PeriodError> {
    let text = text.trim();
    // No unit and no number starts with a P, so it is only ever ISO 8601; a small one is refused as such.
    let parts = match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(text, rest)?,
        None => words(text)?,
    };
    fold(text, &parts)
}

fn words(text: &str) -> Result<Parts, PeriodError> {
    let mut parts = Parts::new();
    let mut tokens = text.split_whitespace();
    while let Some(token) = tokens.next() {
        let amount = number(token)?;
        let word = tokens.next().ok_or(PeriodError::NoUnit { amount })?;
        if word.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PeriodError::NoUnit { amount });
        }
        parts.push((amount, unit(word, amount, word)?));
    }
    Ok(parts)
}

/// A whole number; anything else is refused with the most likely reason.
fn number(token: &str) -> Result<u64, PeriodError> {
    let written = token.to_owned();
    if token.starts_with(['-', '\u{2212}']) {
        return Err(PeriodError::Negative { written });
    }
    if token.starts_with(['.', '½', '¼', '¾']) {
        return Err(PeriodError::Fraction { written });
    }
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    let (figure, rest) = token.split_at(digits);
    if figure.is_empty() {
        return Err(PeriodError::NoNumber { written });
    }
    if rest.starts_with(['.', ',', '/', '½', '¼', '¾']) {
        return Err(PeriodError::Fraction { written });
    }
    let amount = figure.parse().map_err(|_| PeriodError::TooLong { written: written.clone() })?;
    if rest.is_empty() {
        return Ok(amount);
    }
    // A number glued to its unit: the unit's own complaint comes first, then the missing space.
    let unit = unit(rest, amount, token)?;
    Err(PeriodError::NotInFull { written, instead: in_full(amount, unit) })
}

/// The unit called `word`, in the singular or plural; `written` is what an error shows.
fn unit(word: &str, amount: u64, written: &str) -> Result<Unit, PeriodError> {
    let written = || written.to_owned();
    if let Some((unit, ..)) = UNITS.iter().find(|(_, one, many, _)| word == *one || word == *many) {
        return Ok(*unit);
    }
    let lower = word.to_ascii_lowercase();
    if lower == "m" {
        return Err(PeriodError::Ambiguous { written: written(), amount });
    }
    let meant = UNITS
        .iter()
        .find(|(_, one, many, short)| lower == *one || lower == *many || short.contains(&lower.as_str()));
    Err(match meant {
        Some((unit, ..)) => PeriodError::NotInFull { written: written(), instead: in_full(amount, *unit) },
        None => PeriodError::UnknownUnit { written: written() },
    })
}

/// `PnYnMnWnDTnHnMnS`, whole numbers only. Weeks beside other units are accepted, as ISO 8601-2 does.
fn iso(text: &str, rest: &str) -> Result<Parts, PeriodError> {
    let malformed = || PeriodError::Iso { written: text.to_owned() };
    let mut parts = Parts::new();
    let (date, time) = match rest.split_once('T') {
        // `P1DT` announces a time and gives none.
        Some((_, "")) if rest != "T" => return Err(malformed()),
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if !text.starts_with('P') {
        return Err(malformed());
    }
    let designators = [
        (date, &[('Y', Unit::Years), ('M', Unit::Months), ('W', Unit::Weeks), ('D', Unit::Days)][..]),
        (time, &[('H', Unit::Hours), ('M', Unit::Minutes), ('S', Unit::Seconds)][..]),
    ];
    for (mut left, units) in designators {
        while !left.is_empty() {
            let end = left.find(|c: char| c.is_ascii_uppercase()).ok_or_else(malformed)?;
            let (figure, designator) = left.split_at(end);
            let (_, unit) = units.iter().find(|(c, _)| designator.starts_with(*c)).ok_or_else(malformed)?;
            parts.push((iso_number(figure, malformed)?, *unit));
            // A designator is one ASCII letter, so this stays on a character boundary.
            left = &designator[1..];
        }
    }
    Ok(parts)
}

fn iso_number(figure: &str, malformed: impl Fn() -> PeriodError) -> Result<u64, PeriodError> {
    number(figure).map_err(|error| match error {
        PeriodError::Fraction { .. } | PeriodError::Negative { .. } | PeriodError::TooLong { .. } => error,
        // The advice for words does not fit here.
        _ => malformed(),
    })
}

/// Adds the parts up, after the checks that are the same for both spellings.
fn fold(text: &str, parts: &[(u64, Unit)]) -> Result<Period, PeriodError> {
    let too_long = || PeriodError::TooLong { written: text.to_owned() };
    let (Some((_, first)), Some((_, last))) = (parts.first(), parts.last()) else {
        return Err(PeriodError::Empty);
    };
    let elapsed = |unit: &Unit| *unit >= Unit::Hours;
    if parts.iter().any(|(_, unit)| elapsed(unit) != elapsed(first)) {
        return Err(PeriodError::Mixed { written: text.to_owned() });
    }
    for (at, (_, unit)) in parts.iter().enumerate() {
        if parts[..at].iter().any(|(_, before)| before == unit) {
            return Err(PeriodError::Repeated { unit: plural(*unit) });
        }
        if let Some((_, before)) = parts[..at].iter().find(|(_, before)| before > unit) {
            return Err(PeriodError::Misordered { unit: plural(*unit), after: plural(*before) });
        }
    }
    if elapsed(last) {
        let seconds = sum(parts, &[(Unit::Hours, 3600), (Unit::Minutes, 60), (Unit::Seconds, 1)])
            .and_then(|seconds| i64::try_from(seconds).ok())
            .and_then(TimeDelta::try_seconds);
        return Ok(Period::Elapsed(Elapsed::new(seconds.ok_or_else(too_long)?)?));
    }
    let civil = |factors| sum(parts, factors).and_then(|n| u32::try_from(n).ok()).ok_or_else(too_long);
    Ok(Period::Civil(Civil {
        months: civil(&[(Unit::Years, 12), (Unit::Months, 1)])?,
        days: civil(&[(Unit::Weeks, 7), (Unit::Days, 1)])?,
    }))
}

/// The parts whose unit has a factor, in the factors' common unit. `None` on overflow.
fn sum(parts: &[(u64, Unit)], factors: &[(Unit, u64)]) -> Option<u64> {
    let mut total: u64 = 0;
    for (amount, unit) in parts {
        if let Some((_, factor)) = factors.iter().find(|(of, _)| of == unit) {
            total = total.checked_add(amount.checked_mul(*factor)?)?;
        }
    }
    Some(total)
}

fn plural(unit: Unit) -> &'static str {
    match unit {
        Unit::Years => "years",
        Unit::Months => "months",
        Unit::Weeks => "weeks",
        Unit::Days => "days",
        Unit::Hours => "hours",
        Unit::Minutes => "minutes",
        Unit::Seconds => "seconds",
    }
}

fn in_full(amount: u64, unit: Unit) -> String {
    let many = plural(unit);
    let word = if amount == 1 { many.trim_end_matches('s') } else { many };
    format!("{amount} {word}")
}
