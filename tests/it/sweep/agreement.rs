//! Two derivations of the same boundary: what a sweep disposes of is what the judge, asked about every record by itself,
//! calls due.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use expunged::diagnostic::{Source, SourceKind};
use expunged::model::calendar::{Cutoff, Zone};
use expunged::model::catalogue::{Catalogue, Column, ColumnKind, Table, Takes};
use expunged::model::datastore::Defaults;
use expunged::model::key::Key;
use expunged::model::name::{ColumnName, TableName};
use expunged::model::now::Now;
use expunged::model::orders::{Orders, Whose};
use expunged::model::value::Value;
use expunged::rules::bind::bind;
use expunged::rules::decide::{Record, TriggerValue, Verdict, decide};
use expunged::rules::document;
use proptest::prelude::*;

use crate::world::{World, rules};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Instant,
    Naive,
    Date,
    Integer(&'static str),
    Text,
    Latest,
    Earliest,
}

#[derive(Debug, Clone)]
struct Case {
    kind: Kind,
    zone: &'static str,
    bounds: (&'static str, &'static str),
    now: DateTime<Utc>,
    pending: &'static str,
    index: bool,
    batch: u32,
    /// For each record its rows: the distance from the boundary in microseconds, and the form.
    records: Vec<Vec<(i64, u8)>>,
}

const ZONES: [&str; 8] = [
    "Etc/UTC",
    "Europe/Berlin",
    "Europe/Moscow",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/St_Johns",
    "Asia/Tokyo",
    "Africa/Casablanca",
];
const HOURS: [(&str, &str); 3] =
    [("0 hours", "24 hours"), ("24 hours", "48 hours"), ("90 minutes", "1 month")];
const DAYS: [(&str, &str); 5] = [
    ("1 day", "3 days"),
    ("21 days", "1 month"),
    ("1 month", "2 months"),
    ("1 year", "2 years"),
    ("0 days", "1 week"),
];

fn cases() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![
        3 => Just(Kind::Instant),
        3 => Just(Kind::Naive),
        2 => Just(Kind::Date),
        1 => Just(Kind::Integer("s")),
        1 => Just(Kind::Integer("ms")),
        1 => Just(Kind::Integer("us")),
        2 => Just(Kind::Text),
        2 => Just(Kind::Latest),
        2 => Just(Kind::Earliest),
    ];
    let bounds = (any::<bool>(), 0..HOURS.len(), 0..DAYS.len());
    // 2005 to 2026, so that Apia's lost day and the old clock changes of St John's and Sao Paulo are among them; near a
    // clock change as often as not.
    let changes = [
        1_130_029_200_i64,
        1_300_000_000,
        1_325_239_200,
        1_320_550_260,
        1_521_350_000,
        1_743_296_400,
        1_761_438_600,
    ];
    let now = prop_oneof![
        1_110_000_000_i64..1_780_000_000,
        (0..changes.len(), -400_000_i64..400_000).prop_map(move |(i, d)| changes[i] + d),
    ];
    let near = prop_oneof![
        Just(0_i64),
        Just(-1),
        Just(1),
        Just(-1_000),
        Just(1_000),
        Just(-1_000_000),
        Just(1_000_000),
        (-90_000_i64..90_000).prop_map(|s| s * 1_000_000),
        (-400_i64..400).prop_map(|d| d * 86_400_000_000),
    ];
    let record = prop::collection::vec((near, 0_u8..16), 0..4);
    let records = prop::collection::vec(record, 1..25);
    let pending = prop::sample::select(vec!["", "\"null\"", "\"future\"", "\"null\", \"future\""]);
    (
        kind,
        prop::sample::select(ZONES.to_vec()),
        bounds,
        now,
        0_i64..1_000_000,
        pending,
        any::<bool>(),
        1_u32..9,
        records,
    )
        .prop_map(|(kind, zone, (hours, h, d), now, micros, pending, index, batch, records)| Case {
            kind,
            zone,
            bounds: if hours && kind != Kind::Date { HOURS[h] } else { DAYS[d] },
            now: DateTime::from_timestamp_micros(now * 1_000_000 + if batch % 2 == 0 { micros } else { 0 })
                .unwrap(),
            pending,
            index,
            batch,
            records,
        })
}

impl Case {
    fn in_rows(&self) -> bool {
        matches!(self.kind, Kind::Latest | Kind::Earliest)
    }

    fn declared(&self) -> (&'static str, ColumnKind) {
        match self.kind {
            Kind::Instant | Kind::Latest | Kind::Earliest => ("timestamptz", ColumnKind::Instant),
            Kind::Naive => ("timestamp", ColumnKind::Naive),
            Kind::Date => ("date", ColumnKind::Date),
            Kind::Integer(_) => ("integer", ColumnKind::Integer),
            Kind::Text => ("text", ColumnKind::Text),
        }
    }

    fn rules(&self) -> String {
        let pending = self.pending;
        let zone = self.zone;
        let trigger = match self.kind {
            Kind::Instant | Kind::Date => format!(r#"{{ column = "at", pending = [{pending}] }}"#),
            Kind::Naive => format!(r#"{{ column = "at", time_zone = "{zone}", pending = [{pending}] }}"#),
            Kind::Integer(unit) => format!(r#"{{ column = "at", unit = "{unit}", pending = [{pending}] }}"#),
            Kind::Text => format!(
                r#"{{ column = "at", format = "%d.%m.%Y %H:%M:%S%.f", time_zone = "{zone}", pending = [{pending}] }}"#
            ),
            Kind::Latest | Kind::Earliest => format!(
                r#"{{ table = "other", match = {{ account = "id" }}, column = "at", pick = "{}", pending = [{pending}] }}"#,
                if self.kind == Kind::Latest { "latest" } else { "earliest" }
            ),
        };
        rules(&trigger, "")
            .replace("50 years", self.bounds.0)
            .replace("200 years", self.bounds.1)
            .replace("Etc/UTC", zone)
    }

    /// The value at a distance from the boundary, in one of the forms that a column of this type may hold.
    fn value(&self, boundary: &Cutoff, distance: i64, form: u8) -> Value {
        let text = |text: String| Value::Text(text);
        let micros = Duration::microseconds(distance);
        match (form, self.kind, boundary) {
            (0, ..) => Value::Null,
            (1, ..) => text(String::new()),
            (2, Kind::Date, _) => text("2015-02-31".into()),
            (2, ..) => text("2015-02-31T10:00:00Z".into()),
            (3, Kind::Integer(_), _) => Value::Integer(0),
            (3, ..) => text("1970-01-01T00:00:00Z".into()),
            (_, Kind::Integer(unit), Cutoff::Instant(at)) => {
                let micros = (*at + micros).timestamp_micros();
                Value::Integer(match unit {
                    "s" => micros.div_euclid(1_000_000),
                    "ms" => micros.div_euclid(1_000),
                    _ => micros,
                })
            }
            (_, _, Cutoff::Instant(at)) => {
                let at = *at + micros;
                text(match form {
                    4 | 5 => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    6 | 7 => at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
                    8 => at.format("%Y-%m-%dT%H:%M:%S%.6fz").to_string(),
                    9 => at.format("%Y-%m-%d %H:%M:%S%.6fZ").to_string(),
                    10 => (at + Duration::minutes(210)).format("%Y-%m-%dT%H:%M:%S%.6f+03:30").to_string(),
                    _ => at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
                })
            }
            (_, Kind::Text, Cutoff::Local(at)) => {
                text((*at + micros).format("%d.%m.%Y %H:%M:%S%.6f").to_string())
            }
            (_, _, Cutoff::Local(at)) => {
                let at: NaiveDateTime = *at + micros;
                text(match form {
                    4 | 5 => at.format("%Y-%m-%d %H:%M:%S").to_string(),
                    6 | 7 => at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
                    8 => at.format("%Y-%m-%dT%H:%M:%S%.9f").to_string(),
                    _ => at.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
                })
            }
            (_, _, Cutoff::Date(date)) => {
                let days = distance.div_euclid(86_400_000_000)
                    + distance.signum() * i64::from(form.is_multiple_of(3));
                text((*date + Duration::days(days)).format("%Y-%m-%d").to_string())
            }
        }
    }

    fn catalogue(&self) -> Catalogue {
        let name = |text: &str| ColumnName::new(text).unwrap();
        let column = |text: &str, kind, not_null| Column {
            name: name(text),
            kind,
            declared: String::new(),
            not_null,
            takes: Takes::Unknown,
        };
        let table = || Table {
            columns: vec![
                column("id", ColumnKind::Integer, true),
                column("account", ColumnKind::Integer, false),
                column("at", self.declared().1, false),
            ],
            unique: vec![BTreeSet::from([name("id")])],
            ..Table::default()
        };
        let tables = ["account", "other"].map(|t| (TableName::new(t).unwrap(), table()));
        Catalogue { tables: BTreeMap::from(tables), ..Catalogue::default() }
    }

    /// Sweeps, and asks the judge by itself.
    fn run(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let text = self.rules();
        let source = Source::new(SourceKind::Rules, "rules/site.toml", &text);
        let service =
            document::parse(&source, "site", &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
        let rule = &service.rules[0];
        let catalogue = self.catalogue();
        let bound =
            bind(rule, &[(rule.datastore.clone(), catalogue)].into()).unwrap_or_else(|e| panic!("{e}"));
        let now = Now::given(self.now);
        let kind = bound.trigger().moment();
        let due = rule.calendar.due_cutoff(now.eligible, &rule.retain, kind).unwrap();
        let declared = self.declared().0;
        let mut schema = format!(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, account INTEGER, at {declared});
             CREATE TABLE other (id INTEGER PRIMARY KEY, account INTEGER, at {declared});"
        );
        if self.index {
            schema += "CREATE INDEX a ON account (at); CREATE INDEX o ON other (account, at);";
        }
        let mut expected = BTreeSet::new();
        for (id, rows) in (1..).zip(&self.records) {
            let values: Vec<Value> = rows.iter().map(|(d, form)| self.value(&due, *d, *form)).collect();
            let own = values.first().cloned().unwrap_or(Value::Null);
            let _ = write!(schema, "INSERT INTO account VALUES ({id}, NULL, {});", literal(&own));
            for value in &values {
                let _ = write!(schema, "INSERT INTO other (account, at) VALUES ({id}, {});", literal(value));
            }
            let trigger = if self.in_rows() { TriggerValue::Rows(values) } else { TriggerValue::Own(own) };
            let key = Key::from_values(&[Value::Integer(id)]).unwrap();
            let record = Record { key, trigger, whose: Whose::Nobody, position: 0 };
            if let Verdict::Due(_) | Verdict::Overdue(_) = decide(&bound, record, &Orders::default(), now) {
                expected.insert(id.to_string());
            }
        }
        let world = World::new(&text, &schema);
        world.configure("[defaults]\n", &format!("[defaults]\nbatch = {}\n", self.batch));
        let report = world.sweep(self.now).unwrap_or_else(|e| panic!("{}", expunged::diagnostic::chain(&e)));
        assert_eq!(report.residue.unwrap().past_due(), 0);
        let all: BTreeSet<String> = (1..=self.records.len()).map(|n| n.to_string()).collect();
        (&all - &world.ids("SELECT id FROM account"), expected)
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Real(_) | Value::Instant(_) | Value::Blob(_) => unreachable!("no such value is made here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sweep_disposes_of_exactly_what_the_judge_calls_due(case in cases()) {
        let (swept, judged) = case.run();
        prop_assert_eq!(swept, judged);
    }
}

#[test]
fn the_zones_exist() {
    for zone in ZONES {
        assert!(zone.parse::<Zone>().is_ok(), "{zone}");
    }
}
