//! `expunged diff`: what a change of the rules does, before it is merged.

mod markdown;
mod text;

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Exit, Form, Global, Outcome};
use crate::deployment::two_rules;
use crate::diagnostic::counted;
use crate::rules::diff::{
    Affected, Change, Difference, Effect, Look, PromiseDifference, RuleDifference, Standing, diff, effects,
    look,
};

/// What a version that the ledger does not know waits for.
const GUARDED: &str = "its first sweep waits for `approve` above the limits";

pub(super) fn run(global: &Global, old: &Path, new: &Path) -> Outcome {
    let (old, new, defaults) = two_rules(&global.config, old, new)?;
    let difference = diff(&old, &new, &defaults);
    match global.form {
        Form::Json => println!("{}", object(&difference)),
        Form::Markdown => print!("{}", markdown::page(&difference)),
        // The others are refused before.
        Form::Text | Form::Html | Form::Csv | Form::Github => print!("{}", text::page(&difference)),
    }
    Ok(match difference.look() {
        Look::Second => Exit::Finding,
        Look::Enough => Exit::Done,
    })
}

/// Everything in one line.
fn summary(difference: &Difference) -> String {
    if difference.is_empty() {
        let rules = counted(difference.unchanged_rules, "rule");
        return format!(
            "No difference: {rules} and {} are the same.",
            counted(difference.unchanged_promises, "promise")
        );
    }
    let look = match difference.look() {
        Look::Second => "Needs a second look.",
        Look::Enough => "Needs no second look.",
    };
    let changes = |all: Vec<Vec<Effect>>| {
        let count = |effect: &Effect| all.iter().filter(|effects| effects.contains(effect)).count();
        let counts = Effect::ALL.iter().map(|effect| (count(effect), effect.as_str()));
        counts.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect::<Vec<_>>()
    };
    let mut rules = changes(difference.rules.iter().map(RuleDifference::effects).collect());
    rules.push(format!("{} unchanged", difference.unchanged_rules));
    let mut promises = changes(difference.promises.iter().map(|p| effects(&p.changes)).collect());
    let broken = difference.promises.iter().filter(|p| matches!(p.after, Standing::Broken(_))).count();
    if broken > 0 {
        promises.push(format!("{broken} broken"));
    }
    promises.push(format!("{} unchanged", difference.unchanged_promises));
    let services = match difference.services.len() {
        0 => String::new(),
        n => format!("; services: {n} changed"),
    };
    format!("{look} Rules: {}; promises: {}{services}.", rules.join(", "), promises.join(", "))
}

/// One thing that differs, as people are told about it.
struct Part<'d> {
    /// `rule`, `promise` or `service`.
    what: &'static str,
    name: String,
    changes: &'d [Change],
    look: Look,
    /// What is to be said besides, a sentence each.
    notes: Vec<Note<'d>>,
}

/// A sentence, and reasons that come from the rule files.
struct Note<'d> {
    text: String,
    reasons: &'d [String],
}

fn parts(difference: &Difference) -> Vec<Part<'_>> {
    let services = difference.services.iter().map(|service| Part {
        what: "service",
        name: service.service.to_string(),
        changes: &service.changes,
        look: look(&service.changes),
        notes: Vec::new(),
    });
    let promises = difference.promises.iter().map(|promise| Part {
        what: "promise",
        name: format!("{}/{}", promise.service, promise.promise),
        changes: &promise.changes,
        look: look_of(promise),
        notes: vec![stands("it is", &promise.before, &promise.after)],
    });
    let rules = difference.rules.iter().map(|rule| Part {
        what: "rule",
        name: rule.rule.to_string(),
        changes: &rule.changes,
        look: look(&rule.changes),
        notes: notes(rule),
    });
    services.chain(promises).chain(rules).collect()
}

fn look_of(promise: &PromiseDifference) -> Look {
    match promise.after {
        Standing::Broken(_) => Look::Second,
        Standing::Kept | Standing::Absent => look(&promise.changes),
    }
}

fn notes<'d>(rule: &'d RuleDifference) -> Vec<Note<'d>> {
    let affected = |Affected { promise, before, after }: &'d Affected| {
        stands(&format!("promise {promise} is"), before, after)
    };
    let guarded = rule.guarded.then(|| Note { text: GUARDED.to_owned(), reasons: &[] });
    rule.promises.iter().map(affected).chain(guarded).collect()
}

fn stands<'d>(subject: &str, before: &Standing, after: &'d Standing) -> Note<'d> {
    let (old, new) = (word(before), word(after));
    let text = if old == new {
        format!("{subject} {new}, as before")
    } else {
        format!("{subject} {new}, it was {old}")
    };
    Note { text, reasons: reasons(after) }
}

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Absent => "not made",
        Standing::Kept => "kept",
        Standing::Broken(_) => "broken",
    }
}

fn reasons(standing: &Standing) -> &[String] {
    match standing {
        Standing::Absent | Standing::Kept => &[],
        Standing::Broken(reasons) => reasons,
    }
}

fn object(difference: &Difference) -> Json {
    json!({
        "needs_second_look": difference.look() == Look::Second,
        "services": difference.services.iter().map(|service| json!({
            "service": service.service.as_str(),
            "changes": changes(&service.changes),
        })).collect::<Vec<_>>(),
        "promises": difference.promises.iter().map(|promise| json!({
            "service": promise.service.as_str(),
            "promise": promise.promise.as_str(),
            "effects": words(&effects(&promise.changes)),
            "needs_second_look": look_of(promise) == Look::Second,
            "changes": changes(&promise.changes),
            "before": standing(&promise.before),
            "after": standing(&promise.after),
            "reasons": reasons(&promise.after),
        })).collect::<Vec<_>>(),
        "rules": difference.rules.iter().map(|rule| json!({
            "rule": rule.rule.to_string(),
            "effects": words(&rule.effects()),
            "needs_second_look": look(&rule.changes) == Look::Second,
            "guarded": rule.guarded,
            "changes": changes(&rule.changes),
            "promises": rule.promises.iter().map(|affected| json!({
                "promise": affected.promise.as_str(),
                "before": standing(&affected.before),
                "after": standing(&affected.after),
                "reasons": reasons(&affected.after),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "unchanged": { "rules": difference.unchanged_rules, "promises": difference.unchanged_promises },
    })
}

fn words(effects: &[Effect]) -> Vec<&'static str> {
    effects.iter().map(|effect| effect.as_str()).collect()
}

fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::Absent => "absent",
        Standing::Kept => "kept",
        Standing::Broken(_) => "broken",
    }
}

fn changes(changes: &[Change]) -> Vec<Json> {
    let object = |change: &Change| {
        json!({
            "effect": change.effect.as_str(),
            "key": change.key,
            "old": change.old,
            "new": change.new,
            "why": change.why,
            "needs_second_look": change.look == Look::Second,
        })
    };
    changes.iter().map(object).collect()
}
