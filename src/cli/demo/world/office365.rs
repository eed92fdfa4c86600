//! `security-for-office-365`: kept for six months after the latest licence expires, then deleted.

use serde_json::json;

use super::bounds::{Bounds, Span, Zone, months};
use super::cases::licences;
use super::people::Person;
use super::{Database, Selected, Service, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 4] = [
    (
        "tenant",
        &[
            "email text NOT NULL",
            "company_name text NOT NULL",
            "password_hash text NOT NULL",
            "preferences text",
        ],
    ),
    (
        "license",
        &[
            "tenant_id integer NOT NULL REFERENCES tenant (id)",
            "seats integer NOT NULL",
            "expires_at timestamptz",
        ],
    ),
    (
        "detection",
        &[
            "tenant_id integer NOT NULL REFERENCES tenant (id)",
            "mailbox text NOT NULL",
            "kind text NOT NULL",
            "detected_at timestamptz NOT NULL",
        ],
    ),
    (
        "notification",
        &["tenant_id integer NOT NULL REFERENCES tenant (id) ON DELETE CASCADE", "recipient text NOT NULL"],
    ),
];

const KINDS: [&str; 5] = ["phishing", "malware", "spam", "suspicious attachment", "spoofed sender"];

pub(super) fn service(now: Now) -> Service {
    let delete_by = Span::Civil { months: 6, days: 7 };
    let bounds = Bounds::of(now, Zone::Utc, months(6), delete_by);
    let mut rows = Database::new("security-for-office-365", &ROWS);
    let mut tenants = Selected::by("tenant");
    for (number, case) in licences(&bounds, 900).into_iter().enumerate() {
        let person = Person::new(number);
        let created = stamp(person.registered(now.eligible));
        let (email, company, hash) = (person.email(), person.company(), person.password_hash());
        let after = case.fate.after();
        let id = rows.add("tenant", after, json!([email, company, hash, r#"{"digest":"weekly"}"#]));
        for expiry in &case.triggers {
            rows.add("license", tenants.hang(after), json!([id, 5 + number % 60, expiry]));
        }
        for detection in 0..number % 5 {
            let mailbox = Person::new(number + detection).email();
            let kind = KINDS[(number + detection) % KINDS.len()];
            rows.add("detection", tenants.hang(after), json!([id, mailbox, kind, created]));
        }
        for _ in 0..(number + 1) % 3 {
            rows.add("notification", tenants.hang(after), json!([id, email]));
        }
        tenants.case(&id, case);
    }
    let name = "security-for-office-365";
    Service { name, databases: vec![rows], trees: Vec::new(), rules: vec![tenants] }
}
