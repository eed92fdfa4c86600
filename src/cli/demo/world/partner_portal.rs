//! `partner-portal`: kept while it is used, deleted after the first request.

use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Zone, months};
use super::cases::requests;
use super::people::Person;
use super::{Database, Selected, Service};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 4] = [
    (
        "partner",
        &[
            "name text NOT NULL",
            "email text NOT NULL",
            "password_hash text NOT NULL",
            "address text NOT NULL",
            "telephone text",
        ],
    ),
    ("partner_order", &["partner_id integer NOT NULL REFERENCES partner (id)", "placed_on text NOT NULL"]),
    (
        "partner_order_item",
        &["order_id integer NOT NULL REFERENCES partner_order (id)", "product text NOT NULL"],
    ),
    ("erasure_request", &["partner_id integer NOT NULL REFERENCES partner (id)", "requested_at timestamptz"]),
];

pub(super) fn service(now: Now) -> Service {
    let bounds = Bounds::of(now, Zone::Moscow, AT_ONCE, months(1));
    let mut rows = Database::new("partner-portal", &ROWS);
    let mut partners = Selected::by("partner");
    for (number, case) in requests(&bounds, 250).into_iter().enumerate() {
        let person = Person::new(number);
        let address = format!("{} Harbour Street", number + 1);
        let (name, email, hash) = (person.full_name(), person.email(), person.password_hash());
        let after = case.fate.after();
        let id = rows.add("partner", after, json!([name, email, hash, address, null]));
        for order in 0..number % 3 {
            let placed = json!([id, format!("2025-{:02}-01", order + 1)]);
            let order = rows.add("partner_order", partners.hang(after), placed);
            for product in ["Standard", "Plus"].iter().take(number % 2 + 1) {
                rows.add("partner_order_item", partners.hang(after), json!([order, product]));
            }
        }
        for request in &case.triggers {
            rows.add("erasure_request", partners.hang(after), json!([id, request]));
        }
        partners.case(&id, case);
    }
    Service { name: "partner-portal", databases: vec![rows], trees: Vec::new(), rules: vec![partners] }
}
