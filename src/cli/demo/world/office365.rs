//! `security-for-office-365/tenant`: kept for six months after the latest licence expires, then deleted.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::json;

use super::people::Person;
use super::{After, Case, Fate, Service, Table, stamp};
use crate::model::now::Now;

const SCHEMA: &str = "
CREATE TABLE tenant (
    id integer PRIMARY KEY,
    email text NOT NULL,
    company_name text NOT NULL,
    password_hash text NOT NULL,
    preferences text,
    created_at timestamptz NOT NULL
);
CREATE TABLE license (
    id integer PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenant (id),
    product text NOT NULL,
    seats integer NOT NULL,
    expires_at timestamptz
);
CREATE INDEX license_tenant_id ON license (tenant_id, expires_at);
CREATE INDEX license_expires_at ON license (expires_at);
CREATE TABLE detection (
    id integer PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenant (id),
    mailbox text NOT NULL,
    kind text NOT NULL,
    detected_at timestamptz NOT NULL
);
CREATE INDEX detection_tenant_id ON detection (tenant_id);
CREATE TABLE notification (
    id integer PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    recipient text NOT NULL,
    subject text NOT NULL,
    sent_at timestamptz NOT NULL
);
CREATE INDEX notification_tenant_id ON notification (tenant_id);
";

const SECOND: TimeDelta = TimeDelta::seconds(1);
const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// How many ordinary tenants there are beside the special cases.
const CROWD: usize = 1_980;

/// The last days of expiry on each side of a boundary, in UTC.
struct Boundaries {
    now: Now,
    /// The last day D that is due: the day after D + 6 months has begun by the eligible clock.
    due: NaiveDate,
    /// The last day D that is overdue: D + 6 months 7 days has begun by the late clock.
    overdue: NaiveDate,
}

impl Boundaries {
    fn of(now: Now) -> Self {
        let (today, late) = (now.eligible.date_naive(), now.late.date_naive());
        Self {
            now,
            due: last_day(today, |day| day + Months::new(6) + Days::new(1) <= today),
            overdue: last_day(late, |day| day + Months::new(6) + Days::new(7) <= late),
        }
    }
}

/// The latest day up to `today` of which it is true; each bound above is true of every day a year back.
fn last_day(today: NaiveDate, has_ended: impl Fn(NaiveDate) -> bool) -> NaiveDate {
    let mut day = today;
    // Ends within a year: six months have 184 days at most.
    while !has_ended(day) {
        day = day - Days::new(1);
    }
    day
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The first instant that no longer belongs to the day.
fn end(day: NaiveDate) -> DateTime<Utc> {
    midnight(day + Days::new(1))
}

pub(super) fn service(now: Now) -> Service {
    let at = Boundaries::of(now);
    let mut cases = one_licence(&at);
    cases.extend(several_licences(&at));
    cases.extend(without_a_time(&at));
    cases.extend((0..CROWD).map(|number| ordinary(&at, number)));
    let tables = tables(&at, &cases);
    Service { name: "security-for-office-365", rule: "tenant", schema: SCHEMA, cases, tables }
}

fn one_licence(at: &Boundaries) -> Vec<Case> {
    let running = at.now.late + TimeDelta::minutes(1);
    vec![
        Case::at("the last second that is due", Fate::Due, end(at.due) - SECOND),
        Case::at("the last microsecond that is due", Fate::Due, end(at.due) - MICROSECOND),
        Case::at("due from tomorrow", Fate::Kept, end(at.due)),
        Case::at("due from tomorrow, a second into its day", Fate::Kept, end(at.due) + SECOND),
        Case::at("the first second of the last day that is due", Fate::Due, midnight(at.due)),
        Case::at("the last second that is overdue", Fate::Overdue, end(at.overdue) - SECOND),
        Case::at("the first second with a day left", Fate::Due, end(at.overdue)),
        Case::at("the second second with a day left", Fate::Due, end(at.overdue) + SECOND),
        Case::at("expires now", Fate::Kept, at.now.eligible),
        Case::at("expires in a minute", Fate::Kept, running),
        Case::at("expires in a minute and a second", Fate::Kept, running + SECOND),
    ]
}

fn several_licences(at: &Boundaries) -> Vec<Case> {
    let old = end(at.overdue) - TimeDelta::days(400);
    let case = |what, fate, expiries: &[DateTime<Utc>]| Case {
        what,
        fate,
        triggers: expiries.iter().map(|expiry| Some(stamp(*expiry))).collect(),
    };
    let (due, kept) = (end(at.due) - SECOND, end(at.due));
    vec![
        case(
            "renewed: one long expired, one running",
            Fate::Kept,
            &[old, at.now.late + TimeDelta::days(200)],
        ),
        case("renewed, entered in the other order", Fate::Kept, &[at.now.late + TimeDelta::days(200), old]),
        case("renewed, and the renewal is not over for six months", Fate::Kept, &[old, kept]),
        case("renewed, and the renewal is due", Fate::Due, &[old, due]),
        case("renewed, and the renewal is overdue", Fate::Overdue, &[old, end(at.overdue) - SECOND]),
        case(
            "renewed, with a second that tells due from overdue",
            Fate::Due,
            &[end(at.overdue) - SECOND, end(at.overdue)],
        ),
        case("renewed, with a second that tells kept from due", Fate::Kept, &[due, kept]),
        case("two side by side that expired together", Fate::Overdue, &[old, old]),
    ]
}

fn without_a_time(at: &Boundaries) -> Vec<Case> {
    let old = Some(stamp(end(at.overdue) - TimeDelta::days(30)));
    let text = |text: &str| Some(text.to_owned());
    let undated = |what, triggers| Case { what, fate: Fate::Undated, triggers };
    vec![
        Case { what: "registered, never bought", fate: Fate::Kept, triggers: Vec::new() },
        undated("no expiry", vec![None]),
        undated("an expired licence and one without expiry", vec![old.clone(), None]),
        undated("an empty expiry", vec![text("")]),
        undated("an expired licence and an empty expiry", vec![old.clone(), text("")]),
        undated("a zero expiry", vec![text("1970-01-01T00:00:00.000000Z")]),
        undated("an expired licence and a zero expiry", vec![old.clone(), text("0000-00-00T00:00:00Z")]),
        undated("30 February", vec![text("2025-02-30T12:00:00.000000Z")]),
        undated("a licence for life", vec![old, text("perpetual")]),
    ]
}

/// Of eleven, six run, one was never bought, two are within their six months, one is due, one is backlog. The older
/// ones were renewed.
fn ordinary(at: &Boundaries, number: usize) -> Case {
    let n = i64::try_from(number).unwrap_or(i64::MAX);
    let within = |first: DateTime<Utc>, until: DateTime<Utc>| {
        let seconds = (until - first).num_seconds().max(1);
        first + TimeDelta::seconds(n * 104_729 % seconds)
    };
    let (due, overdue, now) = (end(at.due), end(at.overdue), at.now.late);
    let (what, fate, expiry) = match number % 11 {
        0..=5 => ("running", Fate::Kept, within(now + TimeDelta::minutes(2), now + TimeDelta::days(1_000))),
        6 => return Case { what: "registered, never bought", fate: Fate::Kept, triggers: Vec::new() },
        7 | 8 => ("expired in the last six months", Fate::Kept, within(due, at.now.eligible)),
        9 => ("expired more than six months ago", Fate::Due, within(overdue, due)),
        _ => ("a backlog", Fate::Overdue, within(overdue - TimeDelta::days(300), overdue)),
    };
    let terms = i32::try_from(number % 3).unwrap_or_default();
    // One licence a year, the last of them the one that counts.
    let triggers = (0..=terms).rev().map(|back| Some(stamp(expiry - TimeDelta::days(365) * back))).collect();
    Case { what, fate, triggers }
}

const KINDS: [&str; 5] = ["phishing", "malware", "spam", "suspicious attachment", "spoofed sender"];

fn tables(at: &Boundaries, cases: &[Case]) -> Vec<Table> {
    let mut tenants =
        Table::new("tenant", &["id", "email", "company_name", "password_hash", "preferences", "created_at"]);
    let mut licences = Table::new("license", &["id", "tenant_id", "product", "seats", "expires_at"]);
    let mut detections = Table::new("detection", &["id", "tenant_id", "mailbox", "kind", "detected_at"]);
    let mut notifications =
        Table::new("notification", &["id", "tenant_id", "recipient", "subject", "sent_at"]);
    for (number, case) in cases.iter().enumerate() {
        let person = Person::new(number);
        let created = stamp(person.registered(at.now.eligible));
        let tenant = tenants.next();
        let after = if case.fate.gone() { After::Gone } else { After::Kept };
        tenants.add(
            after,
            json!([
                tenant,
                person.email(),
                person.company(),
                person.password_hash(),
                r#"{"digest":"weekly"}"#,
                created,
            ]),
        );
        for expiry in &case.triggers {
            let seats = 5 + number % 60;
            licences.add(after, json!([licences.next(), tenant, "Security for Office 365", seats, expiry]));
        }
        for detection in 0..number % 5 {
            let (mailbox, kind) =
                (Person::new(number + detection).email(), KINDS[(number + detection) % KINDS.len()]);
            detections.add(after, json!([detections.next(), tenant, mailbox, kind, created]));
        }
        for _ in 0..(number + 1) % 3 {
            let subject = "Your weekly report";
            notifications.add(after, json!([notifications.next(), tenant, person.email(), subject, created]));
        }
    }
    vec![tenants, licences, detections, notifications]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_every_day_there_are_days_between_overdue_and_due() {
        let mut at = DateTime::UNIX_EPOCH + TimeDelta::days(365 * 54);
        for _ in 0..1_461 {
            let boundaries = Boundaries::of(Now::from_clocks(at, None));
            assert!(boundaries.overdue < boundaries.due, "{at}");
            at += TimeDelta::days(1);
        }
    }
}
