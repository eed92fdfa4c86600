//! `security-center-cloud-console`: accounts, backups, and workspaces that go after their licence or on request.

use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Zone, days, months};
use super::cases::{Empty, backups, licences, own, requests};
use super::people::Person;
use super::{After, Case, Database, Fate, Selected, Service, Tree, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 7] = [
    ("account", &["email text NOT NULL", "password_hash text NOT NULL", "deleted_at timestamptz"]),
    ("console_entry", &["account_id integer NOT NULL REFERENCES account (id)", "entry text NOT NULL"]),
    ("workspace", &["name text NOT NULL"]),
    (
        "workspace_licence",
        &["workspace_id integer NOT NULL REFERENCES workspace (id)", "expires_at timestamptz"],
    ),
    (
        "managed_device",
        &["workspace_id integer NOT NULL REFERENCES workspace (id)", "user_name text NOT NULL"],
    ),
    ("device_event", &["device_id integer NOT NULL REFERENCES managed_device (id)", "event text NOT NULL"]),
    (
        "erasure_request",
        &["workspace_id integer NOT NULL REFERENCES workspace (id)", "requested_at timestamptz"],
    ),
];

pub(super) fn service(now: Now) -> Service {
    let mut rows = Database::new("security-center-cloud-console", &ROWS);
    let accounts = accounts(&mut rows, now);
    let bounds = Bounds::of(now, Zone::Utc, days(21), months(1));
    let (tree, copies) = Tree::of_backups("security-center-cloud-console-backups", backups(&bounds), now);
    let (mut expired, mut requested) = (Selected::by("licence-expired"), Selected::by("workspace-request"));
    let bounds = Bounds::of(now, Zone::Utc, days(90), days(97));
    let mut cases: Vec<_> = licences(&bounds, 250).into_iter().map(|case| (case, Vec::new())).collect();
    // Both rules may have it; the first one does.
    let asked = vec![Some(stamp(now.eligible - chrono::TimeDelta::days(2)))];
    cases.push((Case::at("expired, and asked for as well", Fate::Due, bounds.due), asked));
    for (number, (case, requests)) in cases.into_iter().enumerate() {
        let id = workspace(&mut rows, &mut expired, number, &case, &case.triggers, &requests);
        requested.besides += u64::from(case.fate.after() == After::Kept);
        expired.case(&id, case);
    }
    let running = [Some(stamp(now.late + chrono::TimeDelta::days(60)))];
    for (number, case) in
        requests(&Bounds::of(now, Zone::Utc, AT_ONCE, months(1)), 150).into_iter().enumerate()
    {
        let id = workspace(&mut rows, &mut requested, 1_000 + number, &case, &running, &case.triggers);
        expired.besides += 1;
        requested.case(&id, case);
    }
    let name = "security-center-cloud-console";
    let rules = vec![accounts, copies, expired, requested];
    Service { name, databases: vec![rows], trees: vec![tree], rules }
}

fn accounts(rows: &mut Database, now: Now) -> Selected {
    let mut accounts = Selected::by("account");
    let bounds = Bounds::of(now, Zone::Utc, AT_ONCE, months(1));
    for (number, case) in own(&bounds, Empty::Normal, 200).into_iter().enumerate() {
        let person = Person::new(number);
        let after = case.fate.after();
        let id = rows.add("account", after, json!([person.email(), person.password_hash(), case.own()]));
        for entry in ["a note on a policy", "a saved filter"].iter().take(number % 3) {
            rows.add("console_entry", accounts.hang(after), json!([id, entry]));
        }
        accounts.case(&id, case);
    }
    accounts
}

fn workspace(
    rows: &mut Database,
    rule: &mut Selected,
    number: usize,
    case: &Case,
    expiries: &[Option<String>],
    requests: &[Option<String>],
) -> i64 {
    let after = case.fate.after();
    let id = rows.add("workspace", after, json!([Person::new(number).company()]));
    for expiry in expiries {
        rows.add("workspace_licence", rule.hang(after), json!([id, expiry]));
    }
    for request in requests {
        rows.add("erasure_request", rule.hang(after), json!([id, request]));
    }
    for device in 0..number % 3 {
        let user = Person::new(number + device).user_name();
        let device = rows.add("managed_device", rule.hang(after), json!([id, user]));
        rows.add("device_event", rule.hang(after), json!([device, "enrolled"]));
    }
    id
}
