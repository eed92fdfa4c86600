//! Every kind of trigger, at its boundary.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::world::{World, at, rules, set};

/// Rows of `account`: id and the trigger as an SQL literal.
type Rows<'a> = &'a [(&'a str, &'a str)];

struct Case<'a> {
    trigger: &'a str,
    declared: &'a str,
    bounds: (&'a str, &'a str),
    zone: &'a str,
    rows: Rows<'a>,
}

impl Case<'_> {
    fn world(&self, index: bool) -> World {
        let text = rules(self.trigger, "")
            .replace("50 years", self.bounds.0)
            .replace("200 years", self.bounds.1)
            .replace("Etc/UTC", self.zone);
        let mut schema =
            format!("CREATE TABLE account (id TEXT NOT NULL PRIMARY KEY, at {});", self.declared);
        if index {
            schema += "CREATE INDEX by_at ON account (at);";
        }
        for (id, literal) in self.rows {
            let _ = write!(schema, "INSERT INTO account VALUES ('{id}', {literal});");
        }
        World::new(&text, &schema)
    }

    /// With and without an index on the trigger: the walk takes another path.
    #[track_caller]
    fn goes(&self, now: &str, gone: &[&str], undated: u64) {
        let all: BTreeSet<String> = self.rows.iter().map(|(id, _)| (*id).to_owned()).collect();
        for index in [false, true] {
            let world = self.world(index);
            let report = world.sweep(at(now)).unwrap();
            let left = world.ids("SELECT id FROM account");
            assert_eq!(&all - &left, set(gone), "what went; index: {index}");
            assert_eq!(report.disposed, gone.len() as u64);
            let residue = report.residue.unwrap();
            assert_eq!((residue.past_due(), residue.undated_total()), (0, undated), "{residue:?}");
            let again = world.sweep(at(now)).unwrap();
            assert_eq!((again.disposed, world.ids("SELECT id FROM account")), (0, left));
        }
    }
}

const NOW: &str = "2026-06-15T12:00:00Z";

#[test]
fn instants_in_every_form_go_at_the_same_second() {
    let case = Case {
        trigger: r#"{ column = "at", pending = ["null"] }"#,
        declared: "timestamptz",
        bounds: ("24 hours", "48 hours"),
        zone: "Europe/Moscow",
        rows: &[
            ("20-before", "'2026-06-14T11:59:59Z'"),
            ("20-at", "'2026-06-14T12:00:00Z'"),
            ("20-after", "'2026-06-14T12:00:01Z'"),
            ("24-before", "'2026-06-14T11:59:59.999Z'"),
            ("24-at", "'2026-06-14T12:00:00.000Z'"),
            ("24-after", "'2026-06-14T12:00:00.001Z'"),
            ("27-before", "'2026-06-14T11:59:59.999999Z'"),
            ("27-at", "'2026-06-14T12:00:00.000000Z'"),
            ("27-after", "'2026-06-14T12:00:00.000001Z'"),
            ("offset-before", "'2026-06-14T14:59:59+03:00'"),
            ("offset-at", "'2026-06-14T15:00:00+03:00'"),
            ("offset-after", "'2026-06-14T15:00:01+03:00'"),
            ("west-at", "'2026-06-14T00:00:00.0-12:00'"),
            ("zero-offset-at", "'2026-06-14T12:00:00+00:00'"),
            ("z-at", "'2026-06-14t12:00:00z'"),
            ("z-after", "'2026-06-14T12:00:01z'"),
            ("space-at", "'2026-06-14 12:00:00Z'"),
            ("space-after", "'2026-06-14 12:00:01Z'"),
            ("nanos-at", "'2026-06-14T12:00:00.000000000Z'"),
            ("overdue", "'2026-01-01T00:00:00Z'"),
            ("long-overdue", "'1970-01-01T00:00:01Z'"),
            ("u-31-february", "'2026-02-31T10:00:00Z'"),
            ("u-hour-24", "'2026-02-01T24:00:00Z'"),
            ("u-minute-60", "'2026-02-01T10:60:00Z'"),
            ("u-empty", "''"),
            ("u-word", "'yesterday'"),
            ("u-zeros", "'0000-00-00T00:00:00Z'"),
            ("u-1970", "'1970-01-01T00:00:00Z'"),
            ("u-1969", "'1969-12-31T23:59:59.999999Z'"),
            ("u-9999", "'9999-12-31T23:59:59Z'"),
            ("u-infinity", "'infinity'"),
            ("u-minus-infinity", "'-infinity'"),
            ("u-naive", "'2026-01-01T10:00:00'"),
            ("u-date", "'2026-01-01'"),
            ("u-blob", "x'323032362d30312d30315431303a30303a30305a'"),
            ("u-integer", "1767261600"),
            ("u-zero", "0"),
            ("u-real", "1.5"),
            ("u-trailing", "'2026-01-01T10:00:00Z '"),
            ("u-nul", "'2026-01-01T10:00:00Z' || char(0)"),
            ("u-not-utf-8", "CAST(x'32303236ff' AS TEXT)"),
            ("u-arabic-digits", "'٢٠٢٦-01-01T10:00:00Z'"),
            ("null", "NULL"),
        ],
    };
    case.goes(
        NOW,
        &[
            "20-before",
            "20-at",
            "24-before",
            "24-at",
            "27-before",
            "27-at",
            "offset-before",
            "offset-at",
            "west-at",
            "zero-offset-at",
            "z-at",
            "space-at",
            "nanos-at",
            "overdue",
            "long-overdue",
        ],
        21,
    );
}

const BERLIN: Case<'_> = Case {
    trigger: r#"{ column = "at", time_zone = "Europe/Berlin", pending = ["future"] }"#,
    declared: "timestamp",
    bounds: ("24 hours", "48 hours"),
    zone: "Europe/Berlin",
    rows: &[
        ("fold-before", "'2025-10-26 01:59:59'"),
        ("fold-first", "'2025-10-26 02:00:00'"),
        ("fold-middle", "'2025-10-26T02:30:00.000'"),
        ("fold-middle-offset", "'2025-10-26 02:30:00.0000001'"),
        ("fold-last", "'2025-10-26 02:59:59.999999'"),
        ("fold-after", "'2025-10-26 03:00:00'"),
        ("gap-before", "'2026-03-29 01:59:59'"),
        ("gap-first", "'2026-03-29 02:00:00'"),
        ("gap-middle", "'2026-03-29 02:30:00'"),
        ("gap-last", "'2026-03-29T02:59:59'"),
        ("gap-after", "'2026-03-29 03:00:00'"),
        ("u-z", "'2026-01-01T10:00:00Z'"),
        ("u-null", "NULL"),
    ],
};

#[test]
fn naive_times_in_a_fold_wait_for_its_second_pass() {
    // The clock shows 02:30 at 00:30Z and again at 01:30Z: only the later one counts for due.
    BERLIN.goes("2025-10-27T00:00:00Z", &["fold-before"], 2);
    BERLIN.goes("2025-10-27T01:29:59Z", &["fold-before", "fold-first"], 2);
    BERLIN.goes("2025-10-27T01:30:00Z", &["fold-before", "fold-first", "fold-middle"], 2);
    let fold = ["fold-before", "fold-first", "fold-middle", "fold-middle-offset", "fold-last"];
    BERLIN.goes("2025-10-27T01:59:59.999999Z", &fold, 2);
    BERLIN.goes("2025-10-27T02:00:00Z", &[&fold[..], &["fold-after"]].concat(), 2);
}

#[test]
fn naive_times_in_a_gap_mean_its_transition() {
    let before = [
        "fold-before",
        "fold-first",
        "fold-middle",
        "fold-middle-offset",
        "fold-last",
        "fold-after",
        "gap-before",
    ];
    BERLIN.goes("2026-03-30T00:59:59Z", &before, 2);
    let all = [&before[..], &["gap-first", "gap-middle", "gap-last", "gap-after"]].concat();
    BERLIN.goes("2026-03-30T01:00:00Z", &all, 2);
}

#[test]
fn dates_go_on_the_day_after_their_period() {
    let case = Case {
        trigger: r#"{ column = "at" }"#,
        declared: "date",
        bounds: ("21 days", "1 month"),
        zone: "Europe/Berlin",
        rows: &[
            ("day-before", "'2026-05-23'"),
            ("day", "'2026-05-24'"),
            ("day-after", "'2026-05-25'"),
            ("u-short", "'2026-5-1'"),
            ("u-29-february", "'2026-02-29'"),
            ("u-time", "'2026-05-01T00:00:00Z'"),
            ("u-1970", "'1970-01-01'"),
            ("u-tomorrow", "'2026-06-17'"),
            ("u-null", "NULL"),
        ],
    };
    // 24 May and 21 days is 14 June; the 15th begins at 22:00Z of the 14th.
    case.goes("2026-06-14T21:59:59Z", &["day-before"], 6);
    case.goes("2026-06-14T22:00:00Z", &["day-before", "day"], 6);
}

#[test]
fn integers_go_at_their_unit() {
    // 2026-06-14T12:00:00Z
    for (unit, one, at) in [
        ("s", 1, 1_781_438_400_i64),
        ("ms", 1000, 1_781_438_400_000),
        ("us", 1_000_000, 1_781_438_400_000_000),
    ] {
        let literals: Vec<(&str, String)> = vec![
            ("before", (at - one).to_string()),
            ("just-before", (at - 1).to_string()),
            ("at", at.to_string()),
            ("just-after", (at + 1).to_string()),
            ("after", (at + one).to_string()),
            ("u-zero", "0".to_owned()),
            ("u-minus", "-1".to_owned()),
            ("u-min", "-9223372036854775808".to_owned()),
            ("u-max", "9223372036854775807".to_owned()),
            ("u-real", "1000000000.5".to_owned()),
            ("u-text", "'soon'".to_owned()),
            ("u-blob", "x'00'".to_owned()),
            ("u-null", "NULL".to_owned()),
        ];
        let rows: Vec<(&str, &str)> = literals.iter().map(|(id, l)| (*id, l.as_str())).collect();
        let trigger = format!(r#"{{ column = "at", unit = "{unit}" }}"#);
        let case = Case {
            trigger: &trigger,
            declared: "INTEGER",
            bounds: ("24 hours", "48 hours"),
            zone: "Etc/UTC",
            rows: &rows,
        };
        case.goes(NOW, &["before", "just-before", "at"], 8);
    }
}

#[test]
fn text_goes_in_its_format() {
    let case = Case {
        trigger: r#"{ column = "at", format = "%d.%m.%Y %H:%M:%S %z" }"#,
        declared: "TEXT",
        bounds: ("24 hours", "48 hours"),
        zone: "Etc/UTC",
        rows: &[
            ("before", "'14.06.2026 14:59:59 +0300'"),
            ("at", "'14.06.2026 12:00:00 +0000'"),
            ("after", "'14.06.2026 12:00:01 +0000'"),
            ("u-iso", "'2026-01-01T00:00:00Z'"),
            ("u-empty", "''"),
            ("u-null", "NULL"),
        ],
    };
    case.goes(NOW, &["before", "at"], 3);
    let naive = Case {
        trigger: r#"{ column = "at", format = "%Y%m%d%H%M%S", time_zone = "Europe/Berlin", pending = ["null"] }"#,
        rows: &[
            ("before", "'20260614135959'"),
            ("at", "'20260614140000'"),
            ("after", "'20260614140001'"),
            ("null", "NULL"),
        ],
        ..case
    };
    naive.goes(NOW, &["before", "at"], 0);
}

fn renewals(pick: &str, pending: &str, index: bool) -> World {
    let trigger = format!(
        r#"{{ table = "license", match = {{ tenant_id = "id" }}, column = "expires_at", pick = "{pick}", pending = [{pending}] }}"#
    );
    let text = rules(&trigger, "").replace("50 years", "24 hours").replace("200 years", "48 hours");
    let mut schema = "CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL);
        CREATE TABLE license (number INTEGER PRIMARY KEY, tenant_id TEXT, expires_at timestamptz);
        INSERT INTO account VALUES ('one-old'), ('one-young'), ('renewed'), ('renewed-far'), ('none'), ('open-end'),
          ('unreadable'), ('impossible'), ('zero'), ('both-old'), ('offset');
        INSERT INTO license (tenant_id, expires_at) VALUES
          ('one-old', '2026-06-14T12:00:00Z'), ('one-young', '2026-06-14T12:00:01Z'),
          ('renewed', '2026-06-01T00:00:00Z'), ('renewed', '2026-06-15T00:00:00Z'),
          ('renewed-far', '2026-06-01T00:00:00Z'), ('renewed-far', '2027-06-15T00:00:00Z'),
          ('open-end', '2026-06-01T00:00:00Z'), ('open-end', NULL),
          ('unreadable', '2026-06-01T00:00:00Z'), ('unreadable', 'next week'),
          ('impossible', '2026-06-01T00:00:00Z'), ('impossible', '2026-02-31T00:00:00Z'),
          ('zero', '2026-06-01T00:00:00Z'), ('zero', '1970-01-01T00:00:00Z'),
          ('both-old', '2026-06-01T00:00:00Z'), ('both-old', '2026-06-14T12:00:00.000Z'),
          ('offset', '2026-06-01T00:00:00Z'), ('offset', '2026-06-14T15:00:00+03:00'),
          (NULL, '2026-06-01T00:00:00Z');"
        .to_owned();
    if index {
        schema += "CREATE INDEX by_tenant ON license (tenant_id, expires_at);";
    }
    World::new(&text, &schema)
}

#[test]
fn a_renewed_license_moves_the_trigger() {
    for index in [false, true] {
        let world = renewals("latest", "", index);
        let report = world.sweep(at(NOW)).unwrap();
        let left = world.ids("SELECT id FROM account");
        let expected =
            ["one-young", "renewed", "renewed-far", "none", "open-end", "unreadable", "impossible", "zero"];
        assert_eq!(left, set(&expected));
        // No row, no end, two that cannot be read, a zero, and one that ends a year ahead.
        assert_eq!(report.residue.unwrap().undated_total(), 6);
        assert_eq!(world.sweep(at(NOW)).unwrap().disposed, 0);
    }
}

#[test]
fn the_earliest_request_counts_and_those_not_made_do_not() {
    let world = renewals("earliest", r#""null", "no_row""#, true);
    let report = world.sweep(at(NOW)).unwrap();
    let left = world.ids("SELECT id FROM account");
    assert_eq!(left, set(&["one-young", "none", "unreadable", "impossible", "zero"]));
    assert_eq!(report.residue.unwrap().undated_total(), 3);

    let strict = renewals("earliest", "", false);
    strict.sweep(at(NOW)).unwrap();
    let left = strict.ids("SELECT id FROM account");
    assert_eq!(left, set(&["one-young", "none", "open-end", "unreadable", "impossible", "zero"]));
}

#[test]
fn what_is_renewed_between_two_sweeps_stays() {
    let world = renewals("latest", "", false);
    world.sql("INSERT INTO license (tenant_id, expires_at) VALUES ('one-old', '2026-06-15T11:00:00Z')");
    world.sweep(at(NOW)).unwrap();
    assert!(world.ids("SELECT id FROM account").contains("one-old"));
    world.sweep(at("2026-06-16T11:00:00Z")).unwrap();
    assert!(!world.ids("SELECT id FROM account").contains("one-old"));
}

#[test]
fn a_hold_keeps_everything_and_says_how_much() {
    let world = renewals("latest", "", false);
    world.ran(&["hold", "place", "site/account", "--reference", "CASE-1"], 0);
    let before = world.contents();
    let report = world.sweep(at(NOW)).unwrap();
    assert_eq!((report.disposed, report.residue.unwrap().held), (0, 3));
    assert_eq!(world.contents(), before);
}
