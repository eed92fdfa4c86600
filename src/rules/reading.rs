//! What a `strftime` format says of a time: whether it has a time of day, and in which zone that is.

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};

/// How much of an instant a format holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// A date alone.
    None,
    /// A time of day without a zone.
    Local,
    /// A time of day directly followed by a literal `Z`.
    Utc,
    /// A time of day with its offset, or a count of seconds.
    Offset,
}

/// What a format holds.
pub fn clock(format: &str) -> Clock {
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    if items.iter().any(has_offset) {
        return Clock::Offset;
    }
    let Some(last) = items.iter().rposition(is_time_of_day) else { return Clock::None };
    match items.get(last + 1) {
        Some(Item::Literal(text)) if text.starts_with('Z') => Clock::Utc,
        _ => Clock::Local,
    }
}

fn has_offset(item: &Item<'_>) -> bool {
    matches!(
        item,
        Item::Numeric(Numeric::Timestamp, _)
            | Item::Fixed(
                Fixed::TimezoneOffset
                    | Fixed::TimezoneOffsetZ
                    | Fixed::TimezoneOffsetColon
                    | Fixed::TimezoneOffsetColonZ
                    | Fixed::TimezoneOffsetDoubleColon
                    | Fixed::TimezoneOffsetTripleColon
                    | Fixed::RFC2822
                    | Fixed::RFC3339
            )
    )
}

fn is_time_of_day(item: &Item<'_>) -> bool {
    matches!(
        item,
        Item::Numeric(
            Numeric::Hour | Numeric::Hour12 | Numeric::Minute | Numeric::Second | Numeric::Nanosecond,
            _
        ) | Item::Fixed(
            Fixed::LowerAmPm
                | Fixed::UpperAmPm
                | Fixed::Nanosecond
                | Fixed::Nanosecond3
                | Fixed::Nanosecond6
                | Fixed::Nanosecond9
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_says_how_much_of_an_instant_it_holds() {
        for (format, holds) in [
            ("backup-%Y%m%dT%H%M%SZ.tar.zst", Clock::Utc),
            ("backup-%Y%m%dT%H%M%S.tar.zst", Clock::Local),
            ("%Y-%m-%d %H:%M:%S%z", Clock::Offset),
            ("%+", Clock::Offset),
            ("%s", Clock::Offset),
            ("dump-%Y-%m-%d.sql.gz", Clock::None),
            ("%F-Zip", Clock::None),
            ("%TZ", Clock::Utc),
        ] {
            assert_eq!(clock(format), holds, "{format}");
        }
    }
}
