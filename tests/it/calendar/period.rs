//! The two spellings of a period, and what is refused.

use chrono::TimeDelta;
use expunged::model::period::{Civil, DeleteBy, Elapsed, Period, PeriodError, Retain};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Period, PeriodError> {
    text.parse()
}

fn civil(months: u32, days: u32) -> Period {
    Period::Civil(Civil { months, days })
}

fn seconds(seconds: i64) -> Period {
    Period::Elapsed(Elapsed::new(TimeDelta::seconds(seconds)).unwrap())
}

#[test]
fn words_and_iso_8601_are_read_and_written_canonically() {
    for (text, period, canonical) in [
        ("24 hours", seconds(86_400), "24 hours"),
        ("1 hour", seconds(3600), "1 hour"),
        ("90 minutes", seconds(5400), "1 hour 30 minutes"),
        ("1 hour 30 minutes 1 second", seconds(5401), "1 hour 30 minutes 1 second"),
        ("0 minutes", seconds(0), "0 hours"),
        ("0 days", civil(0, 0), "0 days"),
        ("0 years", civil(0, 0), "0 days"),
        ("90 days", civil(0, 90), "90 days"),
        ("2 weeks", civil(0, 14), "14 days"),
        ("1 week 1 day", civil(0, 8), "8 days"),
        ("1 month", civil(1, 0), "1 month"),
        ("12 months", civil(12, 0), "1 year"),
        ("1 year 6 months", civil(18, 0), "1 year 6 months"),
        ("  1   year 2 months  3 days ", civil(14, 3), "1 year 2 months 3 days"),
        ("P1M", civil(1, 0), "1 month"),
        ("PT1M", seconds(60), "1 minute"),
        ("P1Y6M", civil(18, 0), "1 year 6 months"),
        ("P2W", civil(0, 14), "14 days"),
        ("P0D", civil(0, 0), "0 days"),
        ("PT0S", seconds(0), "0 hours"),
        ("PT24H", seconds(86_400), "24 hours"),
        ("PT1H30M", seconds(5400), "1 hour 30 minutes"),
        ("P1Y2M3W4D", civil(14, 25), "1 year 2 months 25 days"),
    ] {
        assert_eq!(parse(text), Ok(period), "{text}");
        assert_eq!(period.to_string(), canonical, "{text}");
        assert_eq!(parse(canonical), Ok(period), "{canonical}");
    }
}

#[test]
fn iso_8601_has_capitals_only() {
    for written in ["pT4H", "p1m", "P1m", "PT4h", "Pt4H"] {
        assert_eq!(parse(written), Err(PeriodError::Iso { written: written.to_owned() }), "{written}");
    }
}

#[test]
fn every_refusal_says_why_and_what_to_write() {
    let refusals: Vec<String> = [
        "",
        "   ",
        "P",
        "PT",
        "1m",
        "5 m",
        "30M",
        "24h",
        "1 min",
        "24 Hours",
        "1d",
        "7days",
        "1 fortnight",
        "1 year,",
        "24",
        "24 7",
        "days",
        "one day",
        "1 year and 6 months",
        "+1 day",
        "1.5 days",
        "1,5 days",
        "½ day",
        "1½ days",
        "-1 day",
        "\u{2212}1 day",
        "1 day 12 hours",
        "P1DT1H",
        "1 day 2 days",
        "6 months 1 year",
        "P1D1Y",
        "P1M1M",
        "P1.5D",
        "P-1D",
        "-P1D",
        "P1",
        "PM",
        "P1H",
        "P1DT",
        "PT1D",
        "p1m",
        "Pfoo",
        "P1M T1H",
        "1 mm",
        "9999999999 days",
        "400000000 years",
        "99999999999999999999 hours",
        "9223372036854775 hours",
    ]
    .iter()
    .map(|text| format!("{text:?}: {}", parse(text).unwrap_err()))
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_deadline_of_zero_is_refused_and_a_minimum_of_zero_is_not() {
    for zero in ["0 hours", "0 days"] {
        assert_eq!(DeleteBy::new(parse(zero).unwrap()), Err(PeriodError::Zero));
        assert!(Retain::new(parse(zero).unwrap()).period().is_zero());
    }
    assert_eq!(DeleteBy::new(seconds(1)).unwrap().to_string(), "1 second");
}

#[test]
fn elapsed_time_is_whole_seconds_and_runs_forward() {
    assert!(matches!(Elapsed::new(TimeDelta::seconds(-1)), Err(PeriodError::Negative { .. })));
    assert!(matches!(Elapsed::new(TimeDelta::milliseconds(1500)), Err(PeriodError::Fraction { .. })));
    assert!(matches!(Elapsed::new(TimeDelta::MIN), Err(PeriodError::Negative { .. })));
}

proptest! {
    #[test]
    fn a_period_is_read_back_from_its_own_words(months: u32, days: u32, length in 0..=i64::MAX / 1000) {
        for period in [civil(months, days), seconds(length)] {
            prop_assert_eq!(parse(&period.to_string()), Ok(period));
        }
    }

    #[test]
    fn an_iso_duration_and_its_words_are_one_period(years in 0u32..900, months in 0u32..900, days in 0u32..90_000) {
        let words = format!("{years} years {months} months {days} days");
        prop_assert_eq!(parse(&format!("P{years}Y{months}M{days}D")), parse(&words));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), almost in "P?[-+0-9.,YMWDTHS ½a-z]{0,24}") {
        for text in [text.as_str(), almost.as_str()] {
            if let Ok(period) = parse(text) {
                prop_assert_eq!(parse(&period.to_string()), Ok(period));
            }
        }
    }
}
