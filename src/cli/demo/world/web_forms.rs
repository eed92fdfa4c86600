//! `web-forms`: on request, when a subscription or a trial ends, when somebody unsubscribes. A registration has its own copy of whose it
//! is, and names a person only if there is one.

use chrono::TimeDelta;
use serde_json::{Value as Json, json};

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
        &[
            "person_id integer REFERENCES person (id)",
            "first_name text NOT NULL",
            "last_name text NOT NULL",
            "email text NOT NULL",
            "unsubscribed_at timestamptz",
        ],
    ),
    (
        "trial_registration",
        &[
            "person_id integer REFERENCES person (id)",
            "first_name text NOT NULL",
            "last_name text NOT NULL",
            "email text NOT NULL",
            "ends_at timestamptz",
            "opted_out_at timestamptz",
            "converted boolean NOT NULL",
        ],
    ),
    (
        "newsletter_subscription",
        &[
            "person_id integer REFERENCES person (id)",
            "name text NOT NULL",
            "email text NOT NULL",
            "unsubscribed_at timestamptz",
        ],
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
    // What follows are registrations, whose own clocks run: of people who have done nothing else.
    let Forms { rows, premium, newsletter, .. } = &mut forms;
    for (number, case) in own(&bounds(AT_ONCE, days(7)), Empty::Normal, 150).into_iter().enumerate() {
        let row = premium_registration(None, &Person::new(1_000 + number), case.own());
        let id = rows.add("premium_registration", case.fate.after(), row);
        premium.case(&id, case);
    }
    for (number, case) in own(&bounds(AT_ONCE, days(3)), Empty::Normal, 200).into_iter().enumerate() {
        let row = newsletter_subscription(None, &Person::new(2_000 + number), case.own());
        let id = rows.add("newsletter_subscription", case.fate.after(), row);
        newsletter.case(&id, case);
    }
    forms.trials(now);
    let Forms { rows, people, premium, ended, opted_out, newsletter, .. } = forms;
    let rules = vec![people, premium, ended, opted_out, newsletter];
    Service { name: "web-forms", databases: vec![rows], trees: Vec::new(), rules }
}

/// A registration's own copy of whose it is, behind the person, and its trigger.
fn premium_registration(person: Option<i64>, whose: &Person, unsubscribed_at: Option<&str>) -> Json {
    json!([person, whose.first, whose.last, whose.email(), unsubscribed_at])
}

fn newsletter_subscription(person: Option<i64>, whose: &Person, unsubscribed_at: Option<&str>) -> Json {
    json!([person, whose.full_name(), whose.email(), unsubscribed_at])
}

/// When it ends, when it was opted out of, and whether a full licence was bought.
fn trial_registration(
    person: Option<i64>,
    whose: &Person,
    (ends_at, opted_out_at, converted): (Option<&str>, Option<&str>, bool),
) -> Json {
    json!([person, whose.first, whose.last, whose.email(), ends_at, opted_out_at, converted])
}

impl Forms {
    fn person(&mut self, person: &Person, after: After) -> i64 {
        let row = json!([person.first, person.last, person.email(), null, person.address()]);
        self.rows.add("person", after, row)
    }

    /// A person, with a row of each form whose own clock has not begun.
    fn somebody(&mut self, number: usize, case: Case) {
        let after = case.fate.after();
        let person = Person::new(number);
        let id = self.person(&person, after);
        let stays = u64::from(after == After::Kept);
        let Self { rows, people, premium, ended, opted_out, newsletter, running } = self;
        for request in &case.triggers {
            rows.add("erasure_request", people.hang(after), json!([id, request]));
        }
        rows.add("form_submission", people.hang(after), json!([id, "Please call me back."]));
        if number.is_multiple_of(2) {
            rows.add("survey_answer", people.hang(after), json!([id, number % 5 + 1]));
            let row = premium_registration(Some(id), &person, None);
            rows.add("premium_registration", people.hang(after), row);
            premium.besides += stays;
        }
        if number.is_multiple_of(3) {
            let row = trial_registration(Some(id), &person, (Some(running), None, false));
            rows.add("trial_registration", people.hang(after), row);
            ended.besides += stays;
            opted_out.besides += stays;
            let row = newsletter_subscription(Some(id), &person, None);
            rows.add("newsletter_subscription", people.hang(after), row);
            newsletter.besides += stays;
        }
        people.case(&id, case);
    }

    /// Trials that ended, trials that were opted out of, and both for people who bought a full licence.
    fn trials(&mut self, now: Now) {
        let Self { rows, ended, opted_out, running, .. } = self;
        let over = Bounds::of(now, Zone::Moscow, days(14), days(21));
        let whose = |number: usize| Person::new(3_000 + number);
        for (number, case) in own(&over, Empty::Undated, 150).into_iter().enumerate() {
            let after = case.fate.after();
            let row = trial_registration(None, &whose(number), (case.own(), None, false));
            let id = rows.add("trial_registration", after, row);
            // What the first rule leaves has not been opted out of.
            opted_out.besides += u64::from(after == After::Kept);
            ended.case(&id, case);
        }
        let left = Bounds::of(now, Zone::Moscow, AT_ONCE, days(7));
        for (number, case) in own(&left, Empty::Normal, 100).into_iter().enumerate() {
            let row = trial_registration(None, &whose(300 + number), (Some(running), case.own(), false));
            let id = rows.add("trial_registration", case.fate.after(), row);
            ended.besides += 1;
            opted_out.case(&id, case);
        }
        let both = Case::at("ended, due, and opted out of", Fate::Due, over.due);
        let row = trial_registration(None, &whose(600), (both.own(), Some(&stamp(left.due)), false));
        let id = rows.add("trial_registration", After::Gone, row);
        ended.case(&id, both);
        for number in 0..40 {
            let [ended, opted_out] = [&over, &left].map(|bounds| stamp(bounds.between(number, 40)));
            let row = trial_registration(None, &whose(700 + number), (Some(&ended), Some(&opted_out), true));
            rows.add("trial_registration", After::Kept, row);
        }
    }
}
