//! The judge alone: tables at one second to either side of due and of the deadline, and everything that is no time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use expunged::diagnostic::{Source, SourceKind};
use expunged::model::catalogue::{Catalogue, Column, ColumnKind, Table, Takes};
use expunged::model::datastore::Defaults;
use expunged::model::key::Key;
use expunged::model::name::{ColumnName, TableName};
use expunged::model::now::Now;
use expunged::model::orders::{Orders, SubjectId, Whose};
use expunged::model::value::Value;
use expunged::rules::bind::{BoundRule, bind};
use expunged::rules::cutoff::Cutoffs;
use expunged::rules::decide::{Kept, Record, Times, TriggerValue, Verdict, decide};
use expunged::rules::document;

use crate::world::at;

const OWN: &str = "column = \"at\"";

/// A rule and the type of its trigger's column, in `account` itself or in `license`.
#[derive(Clone, Copy)]
struct Case<'a> {
    trigger: &'a str,
    kind: ColumnKind,
    zone: &'a str,
    bounds: (&'a str, &'a str),
}

impl Case<'_> {
    fn judge(&self, value: TriggerValue, now: Now, held: bool) -> String {
        let orders = if held { Orders::hold_on_all() } else { Orders::default() };
        self.judge_under(value, Whose::Nobody, &orders, now)
    }

    fn judge_under(&self, value: TriggerValue, whose: Whose, orders: &Orders, now: Now) -> String {
        self.bound(|bound| word(&decide(bound, record(value, whose), orders, now)))
    }

    /// Asks the rule, bound to its table.
    fn bound<T>(&self, ask: impl FnOnce(&BoundRule<'_>) -> T) -> T {
        let text = format!(
            "[service]\nname = \"Site\"\nowner = \"o\"\ntime_zone = \"{}\"\n[[rule]]\nid = \"account\"\nclass = \"account\"\n\
             keeps = []\ndatastore = \"site\"\ntable = \"account\"\nkey = [\"id\"]\ntrigger = {{ {} }}\nretain = \"{}\"\n\
             delete_by = \"{}\"\naction = \"delete\"\n",
            self.zone, self.trigger, self.bounds.0, self.bounds.1
        );
        let source = Source::new(SourceKind::Rules, "rules/site.toml", &text);
        let service =
            document::parse(&source, "site", &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
        let rule = &service.rules[0];
        let catalogue = catalogue(self.kind);
        let bound =
            bind(rule, &[(rule.datastore.clone(), catalogue)].into()).unwrap_or_else(|e| panic!("{e}"));
        ask(&bound)
    }

    fn cutoffs(&self, now: &str) -> Cutoffs {
        self.bound(|bound| Cutoffs::of(bound, Now::given(at(now))))
    }

    /// The same where one person is held, and one demands erasure.
    fn ordered(&self, value: Value, whose: Whose, now: DateTime<Utc>) -> String {
        let person = |name: &str| SubjectId::typed(name).unwrap();
        let orders = Orders {
            held: [person("held"), person("both")].into(),
            asked: [(person("asked"), at(ASKED)), (person("both"), at(ASKED))].into(),
            ..Orders::default()
        };
        self.judge_under(TriggerValue::Own(value), whose, &orders, Now::given(now))
    }

    fn own(&self, value: Value, now: DateTime<Utc>) -> String {
        self.judge(TriggerValue::Own(value), Now::given(now), false)
    }

    /// What is said of the value one second before, at, and one second after each instant.
    fn around(&self, value: &Value, instants: [&str; 2]) -> Vec<String> {
        instants
            .iter()
            .flat_map(|instant| [-1, 0, 1].map(|s| at(instant) + TimeDelta::seconds(s)))
            .map(|now| self.own(value.clone(), now))
            .collect()
    }

    #[track_caller]
    fn turns(&self, value: impl Into<TestValue>, due: &str, deadline: &str) {
        let value = value.into().0;
        let expected = ["kept", "due", "due", "due", "overdue", "overdue"];
        assert_eq!(self.around(&value, [due, deadline]), expected, "due {due}, deadline {deadline}");
    }
}

struct TestValue(Value);

impl From<&str> for TestValue {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.to_owned()))
    }
}

impl From<i64> for TestValue {
    fn from(n: i64) -> Self {
        Self(Value::Integer(n))
    }
}

fn record(trigger: TriggerValue, whose: Whose) -> Record {
    Record { key: Key::from_values(&[Value::Integer(1)]).unwrap(), trigger, whose, position: 7 }
}

fn catalogue(kind: ColumnKind) -> Catalogue {
    let name = |text: &str| ColumnName::new(text).unwrap();
    let column = |text: &str, kind, not_null| Column {
        name: name(text),
        kind,
        declared: "made by hand".to_owned(),
        not_null,
        takes: Takes::Unknown,
    };
    let table = |other: &str| Table {
        columns: vec![
            column("id", ColumnKind::Integer, true),
            column(other, ColumnKind::Integer, false),
            column("at", kind, false),
        ],
        primary_key: vec![name("id")],
        unique: vec![BTreeSet::from([name("id")])],
        ..Table::default()
    };
    let tables = [("account", "tenant"), ("license", "tenant_id")];
    let tables: BTreeMap<TableName, Table> =
        tables.iter().map(|(t, c)| (TableName::new(t).unwrap(), table(c))).collect();
    Catalogue { tables, ..Catalogue::default() }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Kept(Kept::NotStarted(why)) => format!("not started: {}", why.as_str()),
        Verdict::Kept(Kept::BeyondCalendar) => "beyond the calendar".to_owned(),
        Verdict::Kept(Kept::Until(_)) => "kept".to_owned(),
        Verdict::Due(_) => "due".to_owned(),
        Verdict::Overdue(_) => "overdue".to_owned(),
        Verdict::Held(_) => "held".to_owned(),
        Verdict::Undated(why) => format!("undated: {}", why.as_str()),
    }
}

const HOURS: (&str, &str) = ("24 hours", "48 hours");
const INSTANT: Case<'_> =
    Case { trigger: OWN, kind: ColumnKind::Instant, zone: "Europe/Moscow", bounds: HOURS };

#[test]
fn hours_count_from_the_instant() {
    for text in [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.000Z",
        "2026-03-01T10:00:00.000000Z",
        "2026-03-01T13:00:00+03:00",
        "2026-03-01 10:00:00z",
        "2026-02-28T22:00:00-12:00",
    ] {
        INSTANT.turns(text, "2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z");
    }
}

#[test]
fn days_of_an_instant_are_those_of_the_services_zone() {
    let days = Case { bounds: ("1 day", "3 days"), ..INSTANT };
    // 23:30 in Moscow, still 1 March; half an hour later it is the 2nd.
    days.turns("2026-03-01T20:30:00Z", "2026-03-02T21:00:00Z", "2026-03-03T21:00:00Z");
    days.turns("2026-03-01T21:00:00Z", "2026-03-03T21:00:00Z", "2026-03-04T21:00:00Z");
}

#[test]
fn a_month_from_the_31st_is_clamped() {
    let month = Case { bounds: ("21 days", "1 month"), zone: "Etc/UTC", ..INSTANT };
    month.turns("2026-01-31T12:00:00Z", "2026-02-22T00:00:00Z", "2026-02-28T00:00:00Z");
    month.turns("2024-01-31T12:00:00Z", "2024-02-22T00:00:00Z", "2024-02-29T00:00:00Z");
}

#[test]
fn an_integer_counts_in_its_unit() {
    for (unit, n) in [("s", 1_772_359_200), ("ms", 1_772_359_200_000), ("us", 1_772_359_200_000_000)] {
        let trigger = format!("column = \"at\", unit = \"{unit}\"");
        let case = Case { trigger: &trigger, kind: ColumnKind::Integer, ..INSTANT };
        case.turns(n, "2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z");
    }
}

#[test]
fn a_date_is_the_day_itself() {
    let case =
        Case { kind: ColumnKind::Date, bounds: ("21 days", "1 month"), zone: "Europe/Berlin", ..INSTANT };
    case.turns("2026-02-10", "2026-03-03T23:00:00Z", "2026-03-09T23:00:00Z");
    // Over the change to summer time: midnight moves.
    case.turns("2026-03-10", "2026-03-31T22:00:00Z", "2026-04-09T22:00:00Z");
}

const NAIVE: Case<'_> = Case {
    trigger: "column = \"at\", time_zone = \"Europe/Berlin\"",
    kind: ColumnKind::Naive,
    zone: "Europe/Berlin",
    bounds: HOURS,
};

#[test]
fn a_naive_time_is_read_in_its_zone() {
    NAIVE.turns("2026-02-10 12:00:00", "2026-02-11T11:00:00Z", "2026-02-12T11:00:00Z");
    NAIVE.turns("2026-07-10T12:00:00.000", "2026-07-11T10:00:00Z", "2026-07-12T10:00:00Z");
}

#[test]
fn in_a_fold_due_is_the_later_instant_and_the_deadline_the_earlier() {
    NAIVE.turns("2025-10-26 02:30:00", "2025-10-27T01:30:00Z", "2025-10-28T00:30:00Z");
}

#[test]
fn in_a_gap_the_transition_counts() {
    NAIVE.turns("2026-03-29 02:30:00", "2026-03-30T01:00:00Z", "2026-03-31T01:00:00Z");
}

#[test]
fn text_is_read_in_its_format() {
    let offset = Case {
        trigger: "column = \"at\", format = \"%d.%m.%Y %H:%M:%S %z\"",
        kind: ColumnKind::Text,
        ..INSTANT
    };
    offset.turns("01.03.2026 13:00:00 +0300", "2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z");
    let zone = Case {
        trigger: "column = \"at\", format = \"%d.%m.%Y %H:%M:%S\", time_zone = \"Europe/Berlin\"",
        ..offset
    };
    zone.turns("26.10.2025 02:30:00", "2025-10-27T01:30:00Z", "2025-10-28T00:30:00Z");
    assert_eq!(zone.own(text("2025-10-26 02:30:00"), at("2027-01-01T00:00:00Z")), "undated: unreadable");
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

const NOW: &str = "2026-06-15T12:00:00Z";

#[test]
fn what_is_no_plausible_time_is_never_due() {
    let unit = |unit: &'static str| match unit {
        "s" => Case { trigger: "column = \"at\", unit = \"s\"", kind: ColumnKind::Integer, ..INSTANT },
        "ms" => Case { trigger: "column = \"at\", unit = \"ms\"", kind: ColumnKind::Integer, ..INSTANT },
        _ => Case { trigger: "column = \"at\", unit = \"us\"", kind: ColumnKind::Integer, ..INSTANT },
    };
    let date = Case { kind: ColumnKind::Date, bounds: ("1 day", "3 days"), ..INSTANT };
    let formatted =
        Case { trigger: "column = \"at\", format = \"%Y%m%d%H%M%S%z\"", kind: ColumnKind::Text, ..INSTANT };
    let table: &[(&Case<'_>, Value, &str)] = &[
        (&INSTANT, Value::Null, "null"),
        (&INSTANT, text(""), "unreadable"),
        (&INSTANT, text("yesterday"), "unreadable"),
        (&INSTANT, text("infinity"), "unreadable"),
        (&INSTANT, text("-infinity"), "unreadable"),
        (&INSTANT, text("0000-00-00T00:00:00Z"), "unreadable"),
        (&INSTANT, text("2026-02-31T10:00:00Z"), "unreadable"),
        (&INSTANT, text("2026-01-01T24:00:00Z"), "unreadable"),
        (&INSTANT, text("2026-01-01T10:00:00"), "unreadable"),
        (&INSTANT, text("2026-01-01"), "unreadable"),
        (&INSTANT, text("1970-01-01T00:00:00Z"), "before_1970"),
        (&INSTANT, text("1970-01-01T03:00:00+03:00"), "before_1970"),
        (&INSTANT, text("1969-12-31T23:59:59Z"), "before_1970"),
        (&INSTANT, text("0001-01-01T00:00:00Z"), "before_1970"),
        (&INSTANT, text("2026-06-15T12:01:00.000001Z"), "future"),
        (&INSTANT, text("9999-12-31T23:59:59Z"), "future"),
        (&INSTANT, Value::Integer(1_000_000_000), "unreadable"),
        (&INSTANT, Value::Real(1.5), "unreadable"),
        (&INSTANT, Value::Blob(b"2026-01-01T10:00:00Z".to_vec()), "unreadable"),
        (&NAIVE, text("1970-01-01 00:00:00"), "before_1970"),
        (&NAIVE, text("2026-06-15 14:01:01"), "future"),
        (&NAIVE, text("2026-02-30 10:00:00"), "unreadable"),
        (&NAIVE, text("2026-01-01T10:00:00Z"), "unreadable"),
        (&date, text("1970-01-01"), "before_1970"),
        (&date, text("2026-06-16"), "future"),
        (&date, text("2026-6-1"), "unreadable"),
        (&date, text("2026-02-29"), "unreadable"),
        (&date, text("2026-01-01T00:00:00Z"), "unreadable"),
        (&date, text("infinity"), "unreadable"),
        (&unit("s"), Value::Integer(0), "before_1970"),
        (&unit("s"), Value::Integer(-1), "before_1970"),
        (&unit("s"), Value::Integer(i64::MAX), "unreadable"),
        (&unit("s"), Value::Integer(i64::MIN), "unreadable"),
        // Milliseconds in a column of seconds.
        (&unit("s"), Value::Integer(1_772_359_200_000), "future"),
        (&unit("ms"), Value::Integer(i64::MAX), "unreadable"),
        (&unit("us"), Value::Integer(i64::MAX), "unreadable"),
        (&unit("us"), Value::Integer(0), "before_1970"),
        (&unit("s"), Value::Real(1_772_359_200.5), "unreadable"),
        (&unit("s"), text("1772359200"), "unreadable"),
        (&formatted, text("2026-01-01T10:00:00Z"), "unreadable"),
        (&formatted, text("19700101000000+0000"), "before_1970"),
        (&formatted, Value::Null, "null"),
    ];
    for (number, (case, value, why)) in table.iter().enumerate() {
        let observed = case.own(value.clone(), at(NOW));
        assert_eq!(observed, format!("undated: {why}"), "row {number}");
    }
}

#[test]
fn a_clock_a_minute_fast_is_tolerated() {
    assert_eq!(INSTANT.own(text("2026-06-15T12:01:00Z"), at(NOW)), "kept");
    assert_eq!(INSTANT.own(text("2026-06-15T12:01:01Z"), at(NOW)), "undated: future");
}

#[test]
fn what_a_rule_calls_normal_is_kept_and_nothing_else() {
    let pending = |states: &str| format!("column = \"at\", pending = [{states}]");
    let (null, future) = (pending("\"null\""), pending("\"future\""));
    let table = [
        (&null, Value::Null, "not started: null"),
        (&null, text("2027-01-01T00:00:00Z"), "undated: future"),
        (&null, text(""), "undated: unreadable"),
        (&null, text("1970-01-01T00:00:00Z"), "undated: before_1970"),
        (&future, Value::Null, "undated: null"),
        (&future, text("2027-01-01T00:00:00Z"), "not started: future"),
        (&future, text("9999-12-31T23:59:59Z"), "not started: future"),
        (&future, text("infinity"), "undated: unreadable"),
    ];
    for (trigger, value, expected) in table {
        assert_eq!(Case { trigger, ..INSTANT }.own(value, at(NOW)), expected, "{trigger}");
    }
}

#[test]
fn a_period_that_ends_beyond_the_calendar_never_ends() {
    let long = Case { bounds: ("262000 years", "262100 years"), ..INSTANT };
    assert_eq!(long.own(text("2020-01-01T00:00:00Z"), at(NOW)), "beyond the calendar");
}

fn rows(values: &[&str]) -> TriggerValue {
    let value = |text: &&str| if text.is_empty() { Value::Null } else { self::text(text) };
    TriggerValue::Rows(values.iter().map(value).collect())
}

#[test]
fn of_several_rows_the_picked_one_counts() {
    let trigger = |pick: &str, pending: &str| {
        format!(
            "table = \"license\", match = {{ tenant_id = \"tenant\" }}, column = \"at\", pick = \"{pick}\", pending = [{pending}]"
        )
    };
    let (latest, earliest) = (trigger("latest", ""), trigger("earliest", ""));
    let (l_null, e_null) = (trigger("latest", "\"null\""), trigger("earliest", "\"null\""));
    let l_no_row = trigger("latest", "\"no_row\"");
    let l_future = trigger("latest", "\"future\"");
    let (old, young, future, bad, zero) = (
        "2026-06-01T00:00:00Z",
        "2026-06-15T00:00:00Z",
        "2027-01-01T00:00:00Z",
        "2026-02-31T00:00:00Z",
        "1970-01-01T00:00:00Z",
    );
    let table: &[(&str, &[&str], &str)] = &[
        (&latest, &[old], "overdue"),
        (&latest, &[old, young], "kept"),
        (&latest, &[young, old], "kept"),
        (&earliest, &[old, young], "overdue"),
        (&earliest, &[young, old], "overdue"),
        (&earliest, &[young], "kept"),
        // No end is later than every end; not yet asked is no earliest request.
        (&latest, &[old, ""], "undated: null"),
        (&l_null, &[old, ""], "not started: null"),
        (&earliest, &[old, ""], "undated: null"),
        (&e_null, &[old, ""], "overdue"),
        (&e_null, &["", ""], "not started: null"),
        (&latest, &[""], "undated: null"),
        // Nobody knows whether the unreadable one is the one that counts.
        (&latest, &[old, bad], "undated: unreadable"),
        (&earliest, &[old, bad], "undated: unreadable"),
        (&e_null, &["", bad, old], "undated: unreadable"),
        (&latest, &[old, zero], "undated: before_1970"),
        (&earliest, &[zero, young], "undated: before_1970"),
        (&latest, &[old, future], "undated: future"),
        (&l_future, &[old, future], "not started: future"),
        (&earliest, &[old, future], "overdue"),
        (&latest, &[], "undated: no_row"),
        (&l_no_row, &[], "not started: no_row"),
        (&l_null, &[], "undated: no_row"),
    ];
    for (number, (trigger, values, expected)) in table.iter().enumerate() {
        let case = Case { trigger, ..INSTANT };
        assert_eq!(case.judge(rows(values), Now::given(at(NOW)), false), *expected, "row {number}");
    }
}

/// Times of the other kinds are picked by their own order.
#[test]
fn of_several_rows_dates_and_times_of_day_are_picked_too() {
    let (old, young) = ("2026-06-01", "2026-06-15");
    for (kind, time) in [(ColumnKind::Date, ""), (ColumnKind::Naive, " 00:00:00")] {
        for (pick, expected) in [("latest", "kept"), ("earliest", "overdue")] {
            let zone = if time.is_empty() { "" } else { ", time_zone = \"Europe/Berlin\"" };
            let trigger = format!(
                "table = \"license\", match = {{ tenant_id = \"tenant\" }}, column = \"at\", pick = \"{pick}\"{zone}"
            );
            let case = Case { trigger: &trigger, kind, bounds: ("2 days", "4 days"), ..INSTANT };
            let (old, young) = (format!("{old}{time}"), format!("{young}{time}"));
            for values in [[&*old, &*young], [&*young, &*old]] {
                let verdict = case.judge(rows(&values), Now::given(at(NOW)), false);
                assert_eq!(verdict, expected, "{pick} of {values:?}");
            }
        }
    }
}

#[test]
fn a_hold_stands_above_the_bounds_and_below_the_doubt() {
    let now = Now::given(at(NOW));
    for (value, expected) in [
        ("2026-06-15T00:00:00Z", "kept"),
        ("2026-06-14T12:00:00Z", "held"),
        ("2026-01-01T00:00:00Z", "held"),
        ("2027-01-01T00:00:00Z", "undated: future"),
        ("nonsense", "undated: unreadable"),
    ] {
        assert_eq!(INSTANT.judge(TriggerValue::Own(text(value)), now, true), expected, "{value}");
    }
}

#[test]
fn due_is_decided_by_the_slow_clock_and_overdue_by_the_fast_one() {
    let now = Now::from_clocks(at(NOW), Some(at("2026-06-15T12:00:20Z")));
    let judge = |text: &str| INSTANT.judge(TriggerValue::Own(self::text(text)), now, false);
    assert_eq!(judge("2026-06-14T11:59:55Z"), "due");
    assert_eq!(judge("2026-06-14T11:59:56Z"), "kept");
    assert_eq!(judge("2026-06-13T12:00:25Z"), "overdue");
    assert_eq!(judge("2026-06-13T12:00:26Z"), "due");
}

/// When the erasure was demanded.
const ASKED: &str = "2026-01-31T12:00:00Z";

#[test]
fn a_demand_makes_due_at_once_and_overdue_after_a_month_or_at_the_rules_deadline() {
    let case = Case { bounds: ("50 years", "200 years"), zone: "Etc/UTC", ..INSTANT };
    let asked = || Whose::Subject(SubjectId::typed("asked").unwrap());
    let text = |text: &str| Value::Text(text.to_owned());
    // The month of 31 January is over with 28 February, and the deadline is that day's first instant.
    let deadline = at("2026-02-28T00:00:00Z");
    let seconds = [-1, 0, 1].map(|s| deadline + TimeDelta::seconds(s));
    for value in [Value::Null, text("yesterday"), text("2020-01-01T00:00:00Z"), text("9999-01-01T00:00:00Z")]
    {
        let verdicts = seconds.map(|now| case.ordered(value.clone(), asked(), now));
        assert_eq!(verdicts, ["due", "overdue", "overdue"], "{value:?}");
        // The demand is on record: no clock can be too early for it.
        assert_eq!(case.ordered(value, asked(), at("2026-01-31T11:00:00Z")), "due");
    }
    // Due by its trigger too: the earlier of both deadlines counts.
    let soon = Case { bounds: ("0 hours", "24 hours"), zone: "Etc/UTC", ..INSTANT };
    let verdict = |now| soon.ordered(text("2026-01-31T18:00:00Z"), asked(), at(now));
    assert_eq!([verdict("2026-02-01T17:59:59Z"), verdict("2026-02-01T18:00:00Z")], ["due", "overdue"]);
    let late = |now| case.ordered(text("1900-01-01T00:00:00Z"), asked(), at(now));
    assert_eq!(late("2026-02-28T00:00:00Z"), "overdue");
}

#[test]
fn a_hold_goes_before_a_demand_and_keeps_whoever_it_may_be_about() {
    let case = Case { bounds: ("0 hours", "24 hours"), zone: "Etc/UTC", ..INSTANT };
    let person = |name: &str| Whose::Subject(SubjectId::typed(name).unwrap());
    let due = || Value::Text("2026-01-01T00:00:00Z".to_owned());
    let now = at("2026-06-01T00:00:00Z");
    for (whose, expected) in [
        (person("held"), "held"),
        (person("both"), "held"),
        (person("asked"), "overdue"),
        (person("other"), "overdue"),
        (Whose::Nobody, "overdue"),
        (Whose::NotRead, "held"),
        (Whose::Unreadable, "held"),
    ] {
        assert_eq!(case.ordered(due(), whose.clone(), now), expected, "{whose:?}");
    }
    assert_eq!(case.ordered(Value::Null, person("both"), now), "held");
    assert_eq!(case.ordered(Value::Null, person("held"), now), "undated: null");
}

/// The times of what became due because somebody demanded it.
fn demanded(bounds: (&str, &str), trigger: &str, now: &str) -> Times {
    let asked = SubjectId::typed("asked").unwrap();
    let orders = Orders { asked: [(asked.clone(), at(ASKED))].into(), ..Orders::default() };
    let case = Case { bounds, zone: "Etc/UTC", ..INSTANT };
    let record = record(TriggerValue::Own(text(trigger)), Whose::Subject(asked));
    match case.bound(|bound| decide(bound, record, &orders, Now::given(at(now)))) {
        Verdict::Due(due) | Verdict::Overdue(due) => due.times(),
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn a_demand_makes_due_at_once_and_overdue_after_a_month_or_by_the_rules_own_deadline() {
    let (asked, month) = (at(ASKED), at("2026-02-28T00:00:00Z"));
    for (bounds, trigger, due, deadline, by_demand) in [
        // Running: due from the demand on.
        (("2 years", "3 years"), "2026-01-10T10:00:00Z", asked, month, Some(asked)),
        (("20 days", "25 days"), "2026-01-20T10:00:00Z", asked, at("2026-02-14T00:00:00Z"), Some(asked)),
        // Due already: the month may come before the rule's own deadline, never after it.
        (("1 day", "3 years"), "2026-01-10T10:00:00Z", at("2026-01-12T00:00:00Z"), month, None),
        (
            ("1 day", "30 days"),
            "2026-01-10T10:00:00Z",
            at("2026-01-12T00:00:00Z"),
            at("2026-02-09T00:00:00Z"),
            None,
        ),
    ] {
        let times = demanded(bounds, trigger, "2026-02-01T00:00:00Z");
        assert_eq!((times.due, times.deadline, times.demanded), (due, deadline, by_demand), "{bounds:?}");
    }
}

#[test]
fn what_is_due_says_where_it_stood_among_the_records_it_came_with() {
    let record = record(TriggerValue::Own(text("2026-01-01T10:00:00Z")), Whose::Nobody);
    let now = Now::given(at("2026-01-02T10:00:00Z"));
    let verdict = INSTANT.bound(|bound| decide(bound, record, &Orders::default(), now));
    assert!(matches!(verdict, Verdict::Due(due) if due.position() == 7));
}

#[test]
fn a_minute_ahead_is_a_clock_a_little_fast_and_the_next_tick_is_the_future() {
    let date = Case { kind: ColumnKind::Date, bounds: ("1 day", "3 days"), ..INSTANT };
    for (case, last, first) in [
        (&INSTANT, "2026-06-15T12:01:00Z", "2026-06-15T12:01:00.000001Z"),
        (&NAIVE, "2026-06-15 14:01:00", "2026-06-15 14:01:00.000001"),
        // 15:00 in Moscow: today is a date that has begun, tomorrow one that has not.
        (&date, "2026-06-15", "2026-06-16"),
    ] {
        assert_eq!(case.own(text(last), at(NOW)), "kept", "{last}");
        assert_eq!(case.own(text(first), at(NOW)), "undated: future", "{first}");
    }
}

#[test]
fn the_cutoff_of_an_integer_is_the_next_whole_unit() {
    // 24 hours after the trigger, to the microsecond, and one microsecond earlier.
    for (unit, trigger) in [("s", 1_772_359_200), ("ms", 1_772_359_200_000), ("us", 1_772_359_200_000_000)] {
        let written = format!("column = \"at\", unit = \"{unit}\"");
        let case = Case { trigger: &written, kind: ColumnKind::Integer, ..INSTANT };
        let cut = |now: &str| case.cutoffs(now).due;
        assert_eq!(cut("2026-03-02T10:00:00Z"), Some(Value::Integer(trigger + 1)), "{unit}");
        assert_eq!(cut("2026-03-02T09:59:59.999999Z"), Some(Value::Integer(trigger)), "{unit}");
    }
}

/// What the comparison with the cut-off says of a value; none: it has not the form that compares as it sorts.
fn compared(case: &Case<'_>, now: &str, value: &Value) -> Option<bool> {
    case.bound(|bound| Cutoffs::of(bound, Now::given(at(now))).compare(bound.trigger(), value))
}

#[test]
fn a_text_is_compared_with_the_cutoff_where_it_has_the_one_form_that_sorts() {
    let date = Case { kind: ColumnKind::Date, bounds: ("21 days", "1 month"), zone: "Etc/UTC", ..INSTANT };
    let instant = (&INSTANT, "2026-03-02T10:00:00Z");
    let naive = (&NAIVE, "2026-02-11T11:00:00Z");
    let date = (&date, "2026-03-04T00:00:00Z");
    for ((case, now), value, expected) in [
        (instant, "2026-03-01T10:00:00Z", Some(true)),
        (instant, "2026-03-01T10:00:00.000Z", Some(true)),
        (instant, "2026-03-01T10:00:00.000000Z", Some(true)),
        (instant, "2026-03-01T10:00:00.000001Z", Some(false)),
        (instant, "2026-03-01T10:00:00.001Z", Some(false)),
        (instant, "1970-01-01T00:00:00Z", Some(false)),
        (instant, "1970-01-01T00:00:00.000001Z", Some(true)),
        (instant, "1969-12-31T23:59:59Z", Some(false)),
        (instant, "2026-03-01T10:00:00.0000Z", None),
        (instant, "2026-03-01T10:00:00.00000Z", None),
        (instant, "2026-03-01T10:00:00,000Z", None),
        (instant, "2026-03-01 10:00:00Z", None),
        (instant, "2026-03-01T10:00:00", None),
        (instant, "2026-03-01T10:00:00+00:00", None),
        (instant, "", None),
        (naive, "2026-02-10 12:00:00", Some(true)),
        (naive, "2026-02-10T12:00:00", Some(true)),
        (naive, "2026-02-10 12:00:00.000", Some(true)),
        (naive, "2026-02-10T12:00:00.000000", Some(true)),
        (naive, "2026-02-10 12:00:00.000001", Some(false)),
        (naive, "1970-01-01 00:00:00", Some(false)),
        (naive, "1970-01-01 00:00:00.001", Some(true)),
        (naive, "2026-02-10 12:00:00Z", None),
        (naive, "2026-02-10 12:00:00.0", None),
        (naive, "2026-02-10", None),
        (date, "2026-02-10", Some(true)),
        (date, "2026-02-11", Some(false)),
        (date, "1970-01-01", Some(false)),
        (date, "1970-01-02", Some(true)),
        (date, "2026-2-10", None),
        (date, "2026-02-10T00:00:00", None),
    ] {
        assert_eq!(compared(case, now, &text(value)), expected, "{value:?} at {now}");
    }
    for other in
        [Value::Null, Value::Integer(1), Value::Real(1.0), Value::Blob(b"2026-03-01T10:00:00Z".to_vec())]
    {
        assert_eq!(compared(&INSTANT, instant.1, &other), None, "{other:?}");
    }
    // What is written in a form of the rule's own sorts as it likes.
    let written =
        Case { trigger: "column = \"at\", format = \"%Y-%m-%d\"", kind: ColumnKind::Text, ..*date.0 };
    assert_eq!(compared(&written, date.1, &text("2026-02-10")), None);
    // Where nothing can be due, nothing is.
    let long = Case { bounds: ("264200 years", "264300 years"), ..INSTANT };
    assert_eq!(compared(&long, instant.1, &text("2026-03-01T10:00:00Z")), Some(false));
    assert_eq!(compared(&long, instant.1, &text("whatever")), Some(false));
}

#[test]
fn an_integer_is_compared_with_the_cutoff_in_its_unit() {
    for (unit, trigger) in [("s", 1_772_359_200), ("ms", 1_772_359_200_000), ("us", 1_772_359_200_000_000)] {
        let written = format!("column = \"at\", unit = \"{unit}\"");
        let case = Case { trigger: &written, kind: ColumnKind::Integer, ..INSTANT };
        let compared = |n: i64| compared(&case, "2026-03-02T10:00:00Z", &Value::Integer(n));
        for (n, expected) in
            [(trigger, true), (trigger + 1, false), (1, true), (0, false), (-1, false), (i64::MIN, false)]
        {
            assert_eq!(compared(n), Some(expected), "{n} {unit}");
        }
        assert_eq!(self::compared(&case, NOW, &text("1772359200")), None);
    }
}

/// Each cut-off by itself, a tick from where it turns.
#[test]
fn the_cutoffs_stand_where_the_bounds_turn() {
    let date =
        Case { kind: ColumnKind::Date, bounds: ("21 days", "1 month"), zone: "Europe/Moscow", ..INSTANT };
    let seconds = Case { trigger: "column = \"at\", unit = \"s\"", kind: ColumnKind::Integer, ..INSTANT };
    let of = |case: &Case<'_>, now: &str| {
        let Cutoffs { due, overdue, future, epoch, instant } = case.cutoffs(now);
        let shown = |value: Value| match value {
            Value::Text(text) => text,
            Value::Integer(n) => n.to_string(),
            other => panic!("{other:?}"),
        };
        let [due, overdue] = [due, overdue].map(|value| value.map_or_else(|| "none".to_owned(), shown));
        [due, overdue, shown(future), shown(epoch), instant.to_rfc3339()]
    };
    let midnight = "1970-01-01T00:00:00.000000";
    assert_eq!(
        of(&INSTANT, "2026-03-03T10:00:00.5Z"),
        [
            "2026-03-02T10:00:00.500001Z",
            "2026-03-01T10:00:00.500001Z",
            "2026-03-03T10:01:00.500001Z",
            &format!("{midnight}Z"),
            "2026-03-02T10:00:00.500001+00:00"
        ]
    );
    // The hour that comes twice ends the retain period when it is over for the second time, the deadline when it begins.
    assert_eq!(
        of(&NAIVE, "2025-10-27T00:30:00Z"),
        [
            "2025-10-26T02:00:00.000000",
            "2025-10-25T02:30:00.000001",
            "2025-10-27T01:31:00.000001",
            midnight,
            "2025-10-26T01:00:00+00:00"
        ]
    );
    assert_eq!(
        of(&date, "2026-03-03T21:00:00Z"),
        ["2026-02-11", "2026-02-05", "2026-03-05", "1970-01-01", "2026-02-10T21:00:00+00:00"]
    );
    assert_eq!(
        of(&seconds, "2026-03-03T10:00:00.5Z"),
        ["1772445601", "1772359201", "1772532061", "0", "2026-03-02T10:00:00.500001+00:00"]
    );
    let long = Case { bounds: ("264200 years", "264300 years"), ..INSTANT };
    assert_eq!(of(&long, NOW)[0..2], ["none", "none"]);
    assert_eq!(of(&long, NOW)[4], "1970-01-01T00:00:00+00:00");
}
