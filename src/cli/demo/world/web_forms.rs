//! `web-forms`: on request, when a subscription or a trial ends, when somebody unsubscribes.

use chrono::TimeDelta;
use serde_json::json;

use super::bounds::{AT_ONCE, Bounds, Zone, days, months};
use super::cases::{Empty, own, requests};
use super::people::Person;
use super::{After, Case, Database, Fate, Selected, Service, stamp};
use crate::model::now::Now;

const ROWS: [(&str, &[&str]); 7] = [
    (
        "person",
        &[
            "first_name text NOT NULL",
            "last_name text NOT NULL",
            "email text NOT NULL",
            "telephone text",
            "ip text",
        ],
    ),
    ("form_submission", &["person_id integer NOT NULL REFERENCES person (id)", "message text NOT NULL"]),
    ("survey_answer", &["person_id integer NOT NULL REFERENCES person (id)", "rating integer NOT NULL"]),
    (
        "premium_registration",
        &["person_id integer NOT NULL REFERENCES person (id)", "unsubscribed_at timestamptz"],
    ),
    (
        "trial_registration",
        &[
            "person_id integer NOT NULL REFERENCES person (id)",
            "ends_at timestamptz",
            "opted_out_at timestamptz",
            "converted boolean NOT NULL",
        ],
    ),
    (
        "newsletter_subscription",
        &["person_id integer NOT NULL REFERENCES person (id)", "unsubscribed_at timestamptz"],
    ),
    ("erasure_request", &["person_id integer NOT NULL REFERENCES person (id)", "requested_at timestamptz"]),
];

struct Forms {
    rows: Database,
    people: Selected,
    premium: Selected,
    ended: Selected,
    opted_out: Selected,
    newsletter: Selected,
    running: String,
}

pub(super) fn service(now: Now) -> Service {
    let mut forms = Forms {
        rows: Database::new("web-forms", &ROWS),
        people: Selected::by("person"),
        premium: Selected::by("premium"),
        ended: Selected::by("trial-ended"),
        opted_out: Selected::by("trial-opted-out"),
        newsletter: Selected::by("newsletter"),
        running: stamp(now.late + TimeDelta::days(20)),
    };
    let bounds = |retain, delete_by| Bounds::of(now, Zone::Moscow, retain, delete_by);
    for (number, case) in requests(&bounds(AT_ONCE, months(1)), 200).into_iter().enumerate() {
        forms.somebody(number, case);
    }
    // Somebody who never asked for anything; what follows are registrations, whose own clocks run.
    let person = forms.person(&Person::new(5_000), After::Kept);
    forms.people.besides += 1;
    let Forms { rows, premium, newsletter, .. } = &mut forms;
    for case in own(&bounds(AT_ONCE, days(7)), Empty::Normal, 150) {
        let id = rows.add("premium_registration", case.fate.after(), json!([person, case.own()]));
        premium.case(&id, case);
    }
    for case in own(&bounds(AT_ONCE, days(3)), Empty::Normal, 200) {
        let id = rows.add("newsletter_subscription", case.fate.after(), json!([person, case.own()]));
        newsletter.case(&id, case);
    }
    forms.trials(person, now);
    let Forms { rows, people, premium, ended, opted_out, newsletter, .. } = forms;
    let rules = vec![people, premium, ended, opted_out, newsletter];
    Service { name: "web-forms", databases: vec![rows], trees: Vec::new(), rules }
}

impl Forms {
    fn person(&mut self, person: &Person, after: After) -> i64 {
        let row = json!([person.first, person.last, person.email(), null, person.address()]);
        self.rows.add("person", after, row)
    }

    /// A person, with a row of each form whose own clock has not begun.
    fn somebody(&mut self, number: usize, case: Case) {
        let after = case.fate.after();
        let id = self.person(&Person::new(number), after);
        let stays = u64::from(after == After::Kept);
        let Self { rows, people, premium, ended, opted_out, newsletter, running } = self;
        for request in &case.triggers {
            rows.add("erasure_request", people.hang(after), json!([id, request]));
        }
        rows.add("form_submission", people.hang(after), json!([id, "Please call me back."]));
        if number.is_multiple_of(2) {
            rows.add("survey_answer", people.hang(after), json!([id, number % 5 + 1]));
            rows.add("premium_registration", people.hang(after), json!([id, null]));
            premium.besides += stays;
        }
        if number.is_multiple_of(3) {
            rows.add("trial_registration", people.hang(after), json!([id, running, null, false]));
            ended.besides += stays;
            opted_out.besides += stays;
            rows.add("newsletter_subscription", people.hang(after), json!([id, null]));
            newsletter.besides += stays;
        }
        people.case(&id, case);
    }

    /// Trials that ended, trials that were opted out of, and both for people who bought a full licence.
    fn trials(&mut self, person: i64, now: Now) {
        let Self { rows, ended, opted_out, running, .. } = self;
        let over = Bounds::of(now, Zone::Moscow, days(14), days(21));
        for case in own(&over, Empty::Undated, 150) {
            let after = case.fate.after();
            let id = rows.add("trial_registration", after, json!([person, case.own(), null, false]));
            // What the first rule leaves has not been opted out of.
            opted_out.besides += u64::from(after == After::Kept);
            ended.case(&id, case);
        }
        let left = Bounds::of(now, Zone::Moscow, AT_ONCE, days(7));
        for case in own(&left, Empty::Normal, 100) {
            let trial = json!([person, running, case.own(), false]);
            let id = rows.add("trial_registration", case.fate.after(), trial);
            ended.besides += 1;
            opted_out.case(&id, case);
        }
        let both = Case::at("ended, due, and opted out of", Fate::Due, over.due);
        let trial = json!([person, both.own(), stamp(left.due), false]);
        let id = rows.add("trial_registration", After::Gone, trial);
        ended.case(&id, both);
        for number in 0..40 {
            let trial =
                json!([person, stamp(over.between(number, 40)), stamp(left.between(number, 40)), true]);
            rows.add("trial_registration", After::Kept, trial);
        }
    }
}
