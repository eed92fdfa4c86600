//! `website-statistics`: under pseudonyms within a day, deleted once they are evaluated.

use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Span, Zone, days};
use super::cases::{Empty, own};
use super::people::Person;
use super::{After, Case, Database, Fate, Selected, Service, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 1] = [(
    "visit",
    &[
        "visitor_id text",
        "ip text",
        "collected_at timestamptz",
        "evaluated_at timestamptz",
        "pseudonymized_at timestamptz",
    ],
)];

pub(super) fn service(now: Now) -> Service {
    let mut rows = Database::new("website-statistics", &ROWS);
    let (mut fresh, mut evaluated) = (Selected::by("pseudonymize"), Selected::by("evaluated"));
    let bounds = Bounds::of(now, Zone::Moscow, AT_ONCE, Span::Hours(24));
    for (number, case) in own(&bounds, Empty::Undated, 400).into_iter().enumerate() {
        let person = Person::new(number);
        let after = if case.fate == Fate::Due { After::Pseudonymized } else { After::Kept };
        let visit = json!([format!("v-{number}"), person.address(), case.own(), null, null]);
        let id = rows.add("visit", after, visit);
        // Not evaluated yet.
        evaluated.besides += 1;
        fresh.case(&id, case);
    }
    // Evaluated before its pseudonyms came: the first rule gives it some, the second takes it.
    let both = Case::at("evaluated within the hour", Fate::Due, bounds.due);
    let visit = json!(["v-0", "198.51.100.7", both.own(), stamp(bounds.due), null]);
    let id = rows.add("visit", After::Gone, visit);
    evaluated.case(&id, Case::at("evaluated within the hour", Fate::Due, bounds.due));
    fresh.case(&id, both);
    let done = Bounds::of(now, Zone::Moscow, AT_ONCE, days(7));
    for (number, case) in own(&done, Empty::Normal, 400).into_iter().enumerate() {
        // Under pseudonyms for a week already.
        let collected = stamp(done.tight - chrono::TimeDelta::days(2));
        let visit = json!([format!("{number:032x}"), "198.51.100.0", collected, case.own(), collected]);
        let id = rows.add("visit", case.fate.after(), visit);
        evaluated.case(&id, case);
    }
    let name = "website-statistics";
    Service { name, databases: vec![rows], trees: Vec::new(), rules: vec![fresh, evaluated] }
}
