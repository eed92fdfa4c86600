//! `motorsport/account`: gone within 24 hours of the account being deleted, its comments without their author.

use chrono::{DateTime, FixedOffset, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use serde_json::json;

use super::people::Person;
use super::{After, Case, Fate, Service, Table, stamp};
use crate::model::now::Now;

const SCHEMA: &str = "
CREATE TABLE account (
    id integer PRIMARY KEY,
    user_name text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    first_name text,
    last_name text,
    email text NOT NULL,
    preferences text,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX account_deleted_at ON account (deleted_at);
CREATE TABLE comment (
    id integer PRIMARY KEY,
    author_id integer REFERENCES account (id),
    author_name text,
    author_ip text,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    pseudonymized_at timestamptz
);
CREATE INDEX comment_author_id ON comment (author_id);
CREATE TABLE newsletter_subscription (
    id integer PRIMARY KEY,
    account_id integer NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    email text NOT NULL,
    language text NOT NULL,
    confirmed_at timestamptz
);
CREATE INDEX newsletter_subscription_account_id ON newsletter_subscription (account_id);
CREATE TABLE newsletter_delivery (
    id integer PRIMARY KEY,
    subscription_id integer NOT NULL REFERENCES newsletter_subscription (id),
    issue text NOT NULL,
    sent_at timestamptz NOT NULL
);
CREATE INDEX newsletter_delivery_subscription_id ON newsletter_delivery (subscription_id);
";

const SECOND: TimeDelta = TimeDelta::seconds(1);
const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// How many ordinary accounts there are beside the special cases.
const CROWD: usize = 2_750;

/// The instants from which each side of a boundary is told.
struct Boundaries {
    /// `retain = "0 hours"`: due when trigger + 0 h <= eligible, so up to this instant, and with it.
    due: DateTime<Utc>,
    /// `delete_by = "24 hours"`: overdue when trigger + 24 h <= late, so up to this instant, and with it.
    overdue: DateTime<Utc>,
    /// A deletion more than a minute ahead of the late clock is no plausible time.
    plausible: DateTime<Utc>,
}

pub(super) fn service(now: Now) -> Service {
    let at = Boundaries {
        due: now.eligible,
        overdue: now.late - TimeDelta::hours(24),
        plausible: now.late + TimeDelta::minutes(1),
    };
    let mut cases = around_due(&at);
    cases.extend(around_the_deadline(&at));
    cases.extend(without_a_time(&at));
    cases.extend(other_spellings(&at));
    cases.extend((0..CROWD).map(|number| ordinary(&at, number)));
    let tables = tables(now, &cases);
    Service { name: "motorsport", rule: "account", schema: SCHEMA, cases, tables }
}

fn around_due(at: &Boundaries) -> Vec<Case> {
    vec![
        Case::at("deleted a second before it is due at the latest", Fate::Due, at.due - SECOND),
        Case::at("deleted a microsecond before", Fate::Due, at.due - MICROSECOND),
        Case::at("due to the microsecond", Fate::Due, at.due),
        Case::at("due a microsecond from now", Fate::Kept, at.due + MICROSECOND),
        Case::at("due a second from now", Fate::Kept, at.due + SECOND),
    ]
}

fn around_the_deadline(at: &Boundaries) -> Vec<Case> {
    vec![
        Case::at("deadline passed a second ago", Fate::Overdue, at.overdue - SECOND),
        Case::at("deadline passed a microsecond ago", Fate::Overdue, at.overdue - MICROSECOND),
        Case::at("deadline now", Fate::Overdue, at.overdue),
        Case::at("a microsecond left", Fate::Due, at.overdue + MICROSECOND),
        Case::at("a second left", Fate::Due, at.overdue + SECOND),
    ]
}

fn without_a_time(at: &Boundaries) -> Vec<Case> {
    let undated = |what, text: &str| Case::new(what, Fate::Undated, Some(text.to_owned()));
    vec![
        Case::new("alive", Fate::Kept, None),
        undated("empty", ""),
        undated("a zero date", "0000-00-00T00:00:00Z"),
        undated("the epoch itself", "1970-01-01T00:00:00.000000Z"),
        undated("before the epoch", "1969-12-31T23:59:59.999999Z"),
        undated("a number", "0"),
        undated("a day that February never has", "2025-02-31T12:00:00.000000Z"),
        undated("a thirteenth month", "2025-13-01T00:00:00.000000Z"),
        undated("a date without a time", "2025-06-01"),
        undated("a time without an offset", "2025-06-01T12:00:00"),
        undated("a date as people write it", "1.6.2025"),
        undated("infinity", "infinity"),
        undated("a word", "yesterday"),
        // These become plausible as time goes by.
        Case::at("a clock a minute fast, just plausible", Fate::Kept, at.plausible),
        Case::at("a microsecond beyond plausible", Fate::Undated, at.plausible + MICROSECOND),
        Case::at("a second beyond plausible", Fate::Undated, at.plausible + SECOND),
        Case::at("deleted in ten years", Fate::Undated, at.due + TimeDelta::days(3_652)),
    ]
}

/// The same instants in forms that do not compare as text: each goes through the judge.
fn other_spellings(at: &Boundaries) -> Vec<Case> {
    let moscow = |instant: DateTime<Utc>| match FixedOffset::east_opt(3 * 3600) {
        Some(offset) => instant.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Micros, false),
        None => stamp(instant),
    };
    let whole = |instant: DateTime<Utc>| instant.trunc_subsecs(0).to_rfc3339_opts(SecondsFormat::Secs, true);
    let nano = |instant: DateTime<Utc>| instant.format("%Y-%m-%dT%H:%M:%S%.6f001Z").to_string();
    let case = |what, fate, text| Case::new(what, fate, Some(text));
    vec![
        case("due now, written in Moscow time", Fate::Due, moscow(at.due)),
        case("due in a second, written in Moscow time", Fate::Kept, moscow(at.due + SECOND)),
        case("deadline now, written in Moscow time", Fate::Overdue, moscow(at.overdue)),
        case("a second left, written in Moscow time", Fate::Due, moscow(at.overdue + SECOND)),
        // Cut to the second, an instant moves back: what was due is due, what was overdue is overdue.
        case("due, in whole seconds", Fate::Due, whole(at.due)),
        case("overdue, in whole seconds", Fate::Overdue, whole(at.overdue)),
        case("a nanosecond after the last that is due", Fate::Kept, nano(at.due)),
    ]
}

/// Six of eleven live; three were deleted in the last 24 hours; two are a backlog that reaches back two months.
fn ordinary(at: &Boundaries, number: usize) -> Case {
    let n = i32::try_from(number).unwrap_or(i32::MAX);
    match number % 11 {
        0..=5 => Case::new("alive", Fate::Kept, None),
        6..=8 => {
            // Evenly over the time between the two boundaries, and never on one of them.
            let step = (at.due - at.overdue - SECOND * 4) / i32::try_from(CROWD).unwrap_or(i32::MAX);
            Case::at("deleted in the last 24 hours", Fate::Due, at.overdue + SECOND * 2 + step * n)
        }
        _ => {
            let age = TimeDelta::seconds(2) + TimeDelta::minutes(1) * n * (n / 89);
            Case::at("a backlog", Fate::Overdue, at.overdue - age)
        }
    }
}

const BODIES: [&str; 6] = [
    "What a lap!",
    "@greta He braked far too late into the chicane.",
    "I was there. The rain came one lap too early for him.",
    "@boris Thanks for the link, the onboard is worth it.",
    "Medium tyres, one stop. You will see.",
    "Who else drove home with no voice left?",
];

fn tables(now: Now, cases: &[Case]) -> Vec<Table> {
    let mut accounts = Table::new(
        "account",
        &[
            "id",
            "user_name",
            "password_hash",
            "first_name",
            "last_name",
            "email",
            "preferences",
            "created_at",
            "deleted_at",
        ],
    );
    let mut comments =
        Table::new("comment", &["id", "author_id", "author_name", "author_ip", "body", "created_at"]);
    let mut subscriptions =
        Table::new("newsletter_subscription", &["id", "account_id", "email", "language", "confirmed_at"]);
    let mut deliveries = Table::new("newsletter_delivery", &["id", "subscription_id", "issue", "sent_at"]);
    for (number, case) in cases.iter().enumerate() {
        let person = Person::new(number);
        let created = stamp(person.registered(now.eligible));
        let account = accounts.next();
        let after = if case.fate.gone() { After::Gone } else { After::Kept };
        accounts.add(
            after,
            json!([
                account,
                person.user_name(),
                person.password_hash(),
                person.first,
                person.last,
                person.email(),
                r#"{"language":"en","spoilers":false}"#,
                created,
                case.triggers.first(),
            ]),
        );
        let stripped = if case.fate.gone() { After::Pseudonymized } else { After::Kept };
        for comment in 0..(number + 1) % 4 {
            let body = BODIES[(number + comment) % BODIES.len()];
            comments.add(
                stripped,
                json!([comments.next(), account, person.full_name(), person.address(), body, created]),
            );
        }
        if number % 2 == 0 {
            let subscription = subscriptions.next();
            subscriptions.add(after, json!([subscription, account, person.email(), "en", created]));
            for issue in 0..number % 3 {
                deliveries.add(
                    after,
                    json!([deliveries.next(), subscription, format!("2025-{:02}", issue + 1), created]),
                );
            }
        }
    }
    vec![accounts, comments, subscriptions, deliveries]
}
