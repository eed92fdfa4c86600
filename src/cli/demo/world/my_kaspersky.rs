//! `my-kaspersky`: everything about a person, wherever it lies, gone within a month of the account's deletion.

use chrono::TimeDelta;
use serde_json::json;

use super::bounds::{Bounds, Zone, days, months};
use super::cases::{Empty, own};
use super::people::Person;
use super::{After, Database, Selected, Service, Tree, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 5] = [
    (
        "account",
        &[
            "email text NOT NULL",
            "password_hash text NOT NULL",
            "mobile text",
            "created_at timestamptz NOT NULL",
            "deleted_at timestamptz",
        ],
    ),
    ("licence", &["account_id integer NOT NULL REFERENCES account (id)", "product text NOT NULL"]),
    (
        "bank_card",
        &[
            "account_id integer NOT NULL REFERENCES account (id)",
            "last_four text NOT NULL",
            "expires text NOT NULL",
        ],
    ),
    ("support_request", &["account_id integer NOT NULL REFERENCES account (id)", "question text NOT NULL"]),
    ("web_statistic", &["page text NOT NULL", "collected_at timestamptz"]),
];

const DEVICES: [(&str, &[&str]); 1] =
    [("device", &["account_id integer NOT NULL", "name text NOT NULL", "seen_at timestamptz NOT NULL"])];

const SESSIONS: [(&str, &[&str]); 1] = [("session", &["account_id integer NOT NULL", "token text NOT NULL"])];

pub(super) fn service(now: Now) -> Service {
    let bounds = Bounds::of(now, Zone::Moscow, days(7), months(1));
    let mut rows = Database::new("my-kaspersky", &ROWS);
    let mut devices = Database::new("my-kaspersky-devices", &DEVICES);
    let mut sessions = Database::new("my-kaspersky-sessions", &SESSIONS);
    let mut uploads = Tree::new("my-kaspersky-uploads");
    let mut accounts = Selected::by("account");
    for (number, case) in own(&bounds, Empty::Normal, 400).into_iter().enumerate() {
        let person = Person::new(number);
        let created = person.registered(now.eligible);
        let mobile = format!("+7 900 555 {:02} {:02}", number / 100 % 100, number % 100);
        let account = json!([person.email(), person.password_hash(), mobile, stamp(created), case.own()]);
        let after = case.fate.after();
        let id = rows.add("account", after, account);
        for product in ["Standard", "Plus", "Password Manager"].iter().take(number % 3 + 1) {
            rows.add("licence", accounts.hang(after), json!([id, product]));
        }
        if number % 2 == 0 {
            let four = format!("{:04}", number * 37 % 10_000);
            rows.add("bank_card", accounts.hang(after), json!([id, four, "2029-08"]));
        }
        if number % 4 == 1 {
            let question = format!("{} cannot activate it", person.full_name());
            rows.add("support_request", accounts.hang(after), json!([id, question]));
        }
        for device in ["phone", "laptop", "tablet"].iter().take(number % 4) {
            let name = format!("{}'s {device}", person.first);
            devices.add("device", accounts.hang(after), json!([id, name, stamp(created)]));
        }
        if number % 3 == 0 {
            let token = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a));
            sessions.add("session", accounts.hang(after), json!([id, token]));
        }
        // Every case that is told by a boundary has files, so that they go, or stay, to the second with their account.
        if number < 20 || number % 4 == 2 {
            for file in ["trace.log", "screens/first.png"].iter().take(1 + number % 2) {
                uploads.add(accounts.hang(after), format!("{id}/{file}"), created + TimeDelta::days(1));
            }
        }
        accounts.case(&id, case);
    }
    // Of an account that is in no backup any more: it leads to nobody, so nobody knows whether its time has come.
    uploads.add(After::Kept, "990001/trace.log", now.eligible - TimeDelta::days(900));
    let mut statistics = Selected::by("web-statistics");
    let bounds = Bounds::of(now, Zone::Moscow, days(7), days(21));
    for (number, case) in own(&bounds, Empty::Undated, 300).into_iter().enumerate() {
        let page = ["/", "/devices", "/licences"][number % 3];
        let id = rows.add("web_statistic", case.fate.after(), json!([page, case.own()]));
        statistics.case(&id, case);
    }
    Service {
        name: "my-kaspersky",
        databases: vec![rows, devices, sessions],
        trees: vec![uploads],
        rules: vec![accounts, statistics],
    }
}
