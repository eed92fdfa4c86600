//! `motorsport`: gone within 24 hours of the account being deleted, its comments without their author.

use chrono::{DateTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Span, Zone};
use super::cases::{Empty, own};
use super::people::Person;
use super::{After, Case, Database, Fate, Selected, Service, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 4] = [
    (
        "account",
        &[
            "user_name text NOT NULL UNIQUE",
            "password_hash text NOT NULL",
            "first_name text",
            "last_name text",
            "email text NOT NULL",
            "preferences text",
            "created_at timestamptz NOT NULL",
            "deleted_at timestamptz",
        ],
    ),
    (
        "comment",
        &[
            "author_id integer REFERENCES account (id)",
            "author_name text",
            "author_ip text",
            "body text NOT NULL",
            "created_at timestamptz NOT NULL",
            "pseudonymized_at timestamptz",
        ],
    ),
    (
        "newsletter_subscription",
        &[
            "account_id integer NOT NULL REFERENCES account (id) ON DELETE CASCADE",
            "email text NOT NULL",
            "language text NOT NULL",
        ],
    ),
    (
        "newsletter_delivery",
        &["subscription_id integer NOT NULL REFERENCES newsletter_subscription (id)", "issue text NOT NULL"],
    ),
];

const BODIES: [&str; 6] = [
    "What a lap!",
    "@greta He braked far too late into the chicane.",
    "I was there. The rain came one lap too early for him.",
    "@boris Thanks for the link, the onboard is worth it.",
    "Medium tyres, one stop. You will see.",
    "Who else drove home with no voice left?",
];

/// The same instants in forms that do not compare as text, and clocks that are a little fast: each goes through the judge.
fn spellings(bounds: &Bounds) -> Vec<Case> {
    let whole = |at: DateTime<Utc>| at.trunc_subsecs(0).to_rfc3339_opts(SecondsFormat::Secs, true);
    let nano = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%S%.6f001Z").to_string();
    let plausible = bounds.now.late + TimeDelta::minutes(1);
    let second = TimeDelta::seconds(1);
    let undated = |what, text: &str| Case::new(what, Fate::Undated, Some(text.to_owned()));
    vec![
        // Cut to the second, an instant moves back: what was due is due.
        Case::new("due, in whole seconds", Fate::Due, Some(whole(bounds.due))),
        Case::new("a nanosecond after the last that is due", Fate::Kept, Some(nano(bounds.due))),
        Case::at("a clock a minute fast, just plausible", Fate::Kept, plausible),
        Case::at("a second beyond plausible", Fate::Undated, plausible + second),
        Case::at("deleted in ten years", Fate::Undated, bounds.due + TimeDelta::days(3_652)),
        undated("before the epoch", "1969-12-31T23:59:59.999999Z"),
        undated("a date without a time", "2025-06-01"),
        undated("a time without an offset", "2025-06-01T12:00:00"),
        undated("a date as people write it", "1.6.2025"),
        undated("infinity", "infinity"),
    ]
}

pub(super) fn service(now: Now) -> Service {
    let bounds = Bounds::of(now, Zone::Moscow, AT_ONCE, Span::Hours(24));
    let mut rows = Database::new("motorsport", &ROWS);
    let mut accounts = Selected::by("account");
    let cases = spellings(&bounds).into_iter().chain(own(&bounds, Empty::Normal, 1_500));
    for (number, case) in cases.enumerate() {
        let person = Person::new(number);
        let created = stamp(person.registered(now.eligible));
        let (name, hash, email) = (person.user_name(), person.password_hash(), person.email());
        let preferences = r#"{"language":"en","spoilers":false}"#;
        let account = json!([name, hash, person.first, person.last, email, preferences, created, case.own()]);
        let after = case.fate.after();
        let id = rows.add("account", after, account);
        let stripped = if after == After::Gone { After::Pseudonymized } else { After::Kept };
        for comment in 0..(number + 1) % 4 {
            let body = BODIES[(number + comment) % BODIES.len()];
            let comment = json!([id, person.full_name(), person.address(), body, created, null]);
            rows.add("comment", accounts.hang(stripped), comment);
        }
        if number % 2 == 0 {
            let subscription = json!([id, email, "en"]);
            let subscription = rows.add("newsletter_subscription", accounts.hang(after), subscription);
            for issue in 0..number % 3 {
                let delivery = json!([subscription, format!("2025-{:02}", issue + 1)]);
                rows.add("newsletter_delivery", accounts.hang(after), delivery);
            }
        }
        accounts.case(&id, case);
    }
    Service { name: "motorsport", databases: vec![rows], trees: Vec::new(), rules: vec![accounts] }
}
