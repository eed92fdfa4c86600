//! `business-hub`: an administrator's data, gone within a month of the account's deletion; backups no older than a month.

use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Zone, days, months};
use super::cases::{Empty, backups, own};
use super::people::Person;
use super::{Database, Selected, Service, Tree};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 4] = [
    (
        "account",
        &[
            "email text NOT NULL",
            "password_hash text NOT NULL",
            "security_question text",
            "security_answer text",
            "mobile text",
            "country text NOT NULL",
            "deleted_at timestamptz",
        ],
    ),
    ("licence", &["account_id integer NOT NULL REFERENCES account (id)", "seats integer NOT NULL"]),
    ("support_request", &["account_id integer NOT NULL REFERENCES account (id)", "question text NOT NULL"]),
    ("browser_statistic", &["account_id integer NOT NULL REFERENCES account (id)", "browser text NOT NULL"]),
];

pub(super) fn service(now: Now) -> Service {
    let bounds = Bounds::of(now, Zone::Moscow, AT_ONCE, months(1));
    let mut rows = Database::new("business-hub", &ROWS);
    let mut accounts = Selected::by("account");
    for (number, case) in own(&bounds, Empty::Normal, 300).into_iter().enumerate() {
        let person = Person::new(number);
        let mobile = format!("+44 7700 900{:03}", number % 1000);
        let account = json!([
            person.email(),
            person.password_hash(),
            "The name of your first pet?",
            person.first,
            mobile,
            "GB",
            case.own(),
        ]);
        let after = case.fate.after();
        let id = rows.add("account", after, account);
        rows.add("licence", accounts.hang(after), json!([id, 10 + number % 90]));
        for _ in 0..number % 3 {
            let question = format!("{} asks for an invoice", person.company());
            rows.add("support_request", accounts.hang(after), json!([id, question]));
        }
        for browser in ["Firefox", "Chromium"].iter().take(number % 2 + 1) {
            rows.add("browser_statistic", accounts.hang(after), json!([id, browser]));
        }
        accounts.case(&id, case);
    }
    let bounds = Bounds::of(now, Zone::Moscow, days(21), months(1));
    let (tree, copies) = Tree::of_backups("business-hub-backups", backups(&bounds), now);
    let name = "business-hub";
    Service { name, databases: vec![rows], trees: vec![tree], rules: vec![accounts, copies] }
}
