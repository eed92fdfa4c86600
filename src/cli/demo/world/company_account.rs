//! `company-account`: personal and company accounts, held for three years after their deletion.

use chrono::TimeDelta;
use serde_json::json;

use super::bounds::{Bounds, Span, Zone, months};
use super::cases::{Empty, own};
use super::people::Person;
use super::{After, Database, Selected, Service, Tree};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 6] = [
    ("company_account", &["name text NOT NULL", "deleted_at timestamptz"]),
    (
        "additional_email",
        &["company_account_id integer NOT NULL REFERENCES company_account (id)", "email text NOT NULL"],
    ),
    (
        "licence",
        &["company_account_id integer NOT NULL REFERENCES company_account (id)", "product text NOT NULL"],
    ),
    (
        "contract",
        &["company_account_id integer NOT NULL REFERENCES company_account (id)", "number text NOT NULL"],
    ),
    (
        "personal_account",
        &[
            "company_account_id integer NOT NULL REFERENCES company_account (id)",
            "email text NOT NULL",
            "first_name text NOT NULL",
            "last_name text NOT NULL",
            "deleted_at timestamptz",
        ],
    ),
    (
        "support_request",
        &["personal_account_id integer NOT NULL REFERENCES personal_account (id)", "question text NOT NULL"],
    ),
];

struct World {
    rows: Database,
    attachments: Tree,
    now: Now,
}

pub(super) fn service(now: Now) -> Service {
    let bounds = Bounds::of(now, Zone::Moscow, months(36), Span::Civil { months: 36, days: 14 });
    let mut world = World {
        rows: Database::new("company-account", &ROWS),
        attachments: Tree::new("company-account-attachments"),
        now,
    };
    let (mut people, mut companies) = (Selected::by("personal-account"), Selected::by("company-account"));
    // One company that lives, for people who left it.
    let living = world.company(&mut companies, 0, After::Kept, None);
    companies.besides += 1;
    for (number, case) in own(&bounds, Empty::Normal, 200).into_iter().enumerate() {
        let id = world.person(&mut people, number, living, case.fate.after(), case.own());
        people.case(&id, case);
    }
    for (number, case) in own(&bounds, Empty::Normal, 100).into_iter().enumerate() {
        let after = case.fate.after();
        let id = world.company(&mut companies, number, after, case.own());
        for colleague in 0..number % 3 {
            companies.hang(after);
            world.person(&mut companies, 500 + number + colleague, id, after, None);
            // Its own clock has not begun: only the company's takes it.
            people.besides += 1;
        }
        companies.case(&id, case);
    }
    let name = "company-account";
    let World { rows, attachments, .. } = world;
    Service { name, databases: vec![rows], trees: vec![attachments], rules: vec![people, companies] }
}

impl World {
    fn company(&mut self, rule: &mut Selected, number: usize, after: After, deleted_at: Option<&str>) -> i64 {
        let person = Person::new(number);
        let id = self.rows.add("company_account", after, json!([person.company(), deleted_at]));
        self.rows.add("additional_email", rule.hang(after), json!([id, person.email()]));
        self.rows.add("licence", rule.hang(after), json!([id, "Endpoint Security"]));
        self.rows.add("contract", rule.hang(after), json!([id, format!("2021/{number:04}")]));
        id
    }

    /// With a support request and its attachment for some.
    fn person(
        &mut self,
        rule: &mut Selected,
        number: usize,
        company: i64,
        after: After,
        deleted_at: Option<&str>,
    ) -> i64 {
        let person = Person::new(number);
        let row = json!([company, person.email(), person.first, person.last, deleted_at]);
        let id = self.rows.add("personal_account", after, row);
        if number % 3 != 1 {
            let question = format!("{} cannot update", person.full_name());
            let request = self.rows.add("support_request", rule.hang(after), json!([id, question]));
            if number.is_multiple_of(2) {
                let written = self.now.eligible - TimeDelta::days(1_200);
                self.attachments.add(rule.hang(after), format!("{request}/screenshot.png"), written);
            }
        }
        id
    }
}
