//! `gsi-parser`: reports and their files for no longer than 90 days; accounts on request; uploads that were never read.

use chrono::TimeDelta;
use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Zone, days, months};
use super::cases::{Empty, own, requests};
use super::people::Person;
use super::{After, Case, Database, Fate, Selected, Service, Tree, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 3] = [
    ("account", &["email text NOT NULL", "password_hash text NOT NULL"]),
    ("report", &["account_id integer REFERENCES account (id)", "uploaded_at timestamptz"]),
    ("erasure_request", &["account_id integer NOT NULL REFERENCES account (id)", "requested_at timestamptz"]),
];

pub(super) fn service(now: Now) -> Service {
    let mut rows = Database::new("gsi-parser", &ROWS);
    let mut uploads = Tree::new("gsi-parser-uploads");
    let (mut reports, mut accounts) = (Selected::by("report"), Selected::by("account"));
    let bounds = Bounds::of(now, Zone::Moscow, days(80), days(90));
    for (number, case) in own(&bounds, Empty::Undated, 200).into_iter().enumerate() {
        let after = case.fate.after();
        // By somebody without an account.
        let id = rows.add("report", after, json!([null, case.own()]));
        unpacked(&mut uploads, &mut reports, id, after, now, number % 2 + 1);
        reports.case(&id, case);
    }
    let bounds = Bounds::of(now, Zone::Moscow, AT_ONCE, months(1));
    for (number, case) in requests(&bounds, 120).into_iter().enumerate() {
        let person = Person::new(number);
        let after = case.fate.after();
        let id = rows.add("account", after, json!([person.email(), person.password_hash()]));
        for back in 0..number % 3 {
            let uploaded = stamp(now.eligible - TimeDelta::days(10) * i32::try_from(back + 1).unwrap_or(1));
            let report = rows.add("report", accounts.hang(after), json!([id, uploaded]));
            unpacked(&mut uploads, &mut accounts, report, after, now, 1);
            reports.besides += 1;
        }
        for request in &case.triggers {
            rows.add("erasure_request", accounts.hang(after), json!([id, request]));
        }
        accounts.case(&id, case);
    }
    let (incoming, unread) = incoming(now);
    let (name, trees) = ("gsi-parser", vec![uploads, incoming]);
    Service { name, databases: vec![rows], trees, rules: vec![reports, unread, accounts] }
}

/// The archive as uploaded, and what was unpacked from it.
fn unpacked(tree: &mut Tree, rule: &mut Selected, report: i64, after: After, now: Now, files: usize) {
    for file in ["report.zip", "unpacked/system/drivers.txt"].iter().take(files) {
        tree.add(rule.hang(after), format!("{report}/{file}"), now.eligible - TimeDelta::days(9));
    }
}

/// Uploads that were never read, by the time of their last byte: files have no other. A file can be younger than no second.
fn incoming(now: Now) -> (Tree, Selected) {
    let bounds = Bounds::of(now, Zone::Moscow, days(1), days(7));
    let (mut tree, mut unread) = (Tree::new("gsi-parser-incoming"), Selected::by("unread"));
    let second = TimeDelta::seconds(1);
    let boundaries = [
        ("a second before the last instant that is due", Fate::Due, bounds.due - second),
        ("the last instant that is due", Fate::Due, bounds.due),
        ("a second after it", Fate::Kept, bounds.due + second),
        ("minutes before its deadline", Fate::Due, bounds.tight),
        ("being written", Fate::Kept, now.eligible),
    ];
    let ordinary = (0..60).map(|number| ("never read", Fate::Due, bounds.between(number, 60)));
    for (number, (what, fate, written)) in boundaries.into_iter().chain(ordinary).enumerate() {
        let path = format!("{:02}/upload-{number:04}.part", number % 7);
        tree.add(fate.after(), path.clone(), written);
        unread.case(&path, Case::at(what, fate, written));
    }
    (tree, unread)
}
