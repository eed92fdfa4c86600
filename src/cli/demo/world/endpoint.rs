//! `endpoint-security-cloud`: a workspace goes 30 days after its licence expired, or as soon as its owner deletes it.

use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Zone, days};
use super::cases::{Empty, licences, own};
use super::people::Person;
use super::{Case, Database, Selected, Service, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 4] = [
    ("workspace", &["name text NOT NULL", "owner_email text NOT NULL", "deleted_at timestamptz"]),
    (
        "workspace_licence",
        &["workspace_id integer NOT NULL REFERENCES workspace (id)", "expires_at timestamptz"],
    ),
    (
        "managed_device",
        &[
            "workspace_id integer NOT NULL REFERENCES workspace (id)",
            "host text NOT NULL",
            "user_name text NOT NULL",
        ],
    ),
    ("device_event", &["device_id integer NOT NULL REFERENCES managed_device (id)", "event text NOT NULL"]),
];

pub(super) fn service(now: Now) -> Service {
    let mut rows = Database::new("endpoint-security-cloud", &ROWS);
    let (mut expired, mut deleted) = (Selected::by("licence-expired"), Selected::by("workspace-deleted"));
    let cases = licences(&Bounds::of(now, Zone::Utc, days(30), days(37)), 300);
    for (number, case) in cases.into_iter().enumerate() {
        let id = workspace(&mut rows, &mut expired, number, &case, None, &case.triggers);
        // What the first rule leaves, its owner has not deleted.
        deleted.besides += u64::from(case.fate.after() == super::After::Kept);
        expired.case(&id, case);
    }
    let cases = own(&Bounds::of(now, Zone::Utc, AT_ONCE, days(7)), Empty::Normal, 150);
    let running = [Some(stamp(now.late + chrono::TimeDelta::days(90)))];
    for (number, case) in cases.into_iter().enumerate() {
        let id = workspace(&mut rows, &mut deleted, 1_000 + number, &case, case.own(), &running);
        // Deleted before its licence expired: the first rule has no reason to take it.
        expired.besides += 1;
        deleted.case(&id, case);
    }
    let name = "endpoint-security-cloud";
    Service { name, databases: vec![rows], trees: Vec::new(), rules: vec![expired, deleted] }
}

fn workspace(
    rows: &mut Database,
    rule: &mut Selected,
    number: usize,
    case: &Case,
    deleted_at: Option<&str>,
    expiries: &[Option<String>],
) -> i64 {
    let person = Person::new(number);
    let after = case.fate.after();
    let id = rows.add("workspace", after, json!([person.company(), person.email(), deleted_at]));
    for expiry in expiries {
        rows.add("workspace_licence", rule.hang(after), json!([id, expiry]));
    }
    for device in 0..number % 4 {
        let user = Person::new(number + device);
        let host = format!("{}-{device}", user.last.to_lowercase());
        let device = rows.add("managed_device", rule.hang(after), json!([id, host, user.user_name()]));
        for event in ["started", "scanned"].iter().take(number % 3) {
            rows.add("device_event", rule.hang(after), json!([device, event]));
        }
    }
    id
}
