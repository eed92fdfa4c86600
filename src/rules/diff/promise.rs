//! What changes of the promises, and how they stand on both sides.

use super::bounds::{self, On};
use super::pairs::{Pair, pairs};
use super::{Affected, Change, Effect, Look, PromiseDifference, Standing, content};
use crate::model::datastore::Defaults;
use crate::model::name::ClassName;
use crate::rules::check::broken;
use crate::rules::rule::{Promise, Rule, RuleSet, Service};

/// A promise and who makes it.
type Side<'r> = (&'r Service, &'r Promise);

/// Every promise of either side.
pub struct Proofs<'r> {
    /// In the order of the new side, then what was removed.
    pairs: Vec<Pair<Side<'r>>>,
    /// How each stands, in the same order.
    standings: Vec<(Standing, Standing)>,
}

impl<'r> Proofs<'r> {
    /// Pairs them.
    pub fn new(old: &'r RuleSet, new: &'r RuleSet, defaults: &'r Defaults) -> Self {
        let pairs = pairs(
            all(old).collect(),
            all(new).collect(),
            |(service, promise)| format!("{}/{}", service.id, promise.id),
            // Another service's is another promise: other people rely on it, by another calendar.
            |(service, promise)| format!("{} {}", service.id, content::promise(promise)),
        );
        let standings = pairs.iter().map(|pair| standings(*pair, defaults)).collect();
        Self { pairs, standings }
    }

    /// Every promise that differs, or is broken.
    pub fn differences(&self) -> Vec<PromiseDifference> {
        self.pairs
            .iter()
            .zip(&self.standings)
            .filter_map(|(pair, stands)| Self::difference(*pair, stands))
            .collect()
    }

    /// How many promises there are.
    pub fn count(&self) -> usize {
        self.pairs.len()
    }

    /// `None`: the same, and kept.
    fn difference(pair: Pair<Side<'r>>, (before, after): &(Standing, Standing)) -> Option<PromiseDifference> {
        let changes = match pair {
            Pair::Both(old, new) => both(old, new),
            Pair::Renamed(old, new) => {
                let [before, after] = [old, new].map(|(service, p)| format!("{}/{}", service.id, p.id));
                vec![Change::new(Effect::Renamed, "id", Look::Enough).from(before).to(after)]
            }
            Pair::New((_, promise)) => {
                vec![Change::new(Effect::New, "promise", Look::Enough).to(promise.text.clone())]
            }
            Pair::Removed((_, promise)) => {
                vec![Change::new(Effect::Removed, "promise", Look::Second).from(promise.text.clone())]
            }
        };
        let (old, new) = pair.sides();
        let (service, promise) = new.or(old)?;
        let differs = !changes.is_empty() || matches!(after, Standing::Broken(_)) || before != after;
        differs.then(|| PromiseDifference {
            service: service.id.clone(),
            promise: promise.id.clone(),
            changes,
            before: before.clone(),
            after: after.clone(),
        })
    }

    /// The promises that a rule keeps or kept.
    pub fn affected(&self, old: Option<&Rule>, new: Option<&Rule>) -> Vec<Affected> {
        let kept = |rule: Option<&Rule>, side: Option<Side<'_>>| {
            let (Some(rule), Some((service, promise))) = (rule, side) else { return false };
            rule.id.service == service.id && rule.keeps.contains(&promise.id)
        };
        let mut affected = Vec::new();
        for (pair, (stood, stands)) in self.pairs.iter().zip(&self.standings) {
            let (before, after) = pair.sides();
            if kept(old, before) || kept(new, after) {
                let Some((_, promise)) = after.or(before) else { continue };
                let (before, after) = (stood.clone(), stands.clone());
                affected.push(Affected { promise: promise.id.clone(), before, after });
            }
        }
        affected
    }
}

/// On both sides. What nothing has touched is proved once: proofs go over years of days.
fn standings(pair: Pair<Side<'_>>, defaults: &Defaults) -> (Standing, Standing) {
    let (old, new) = pair.sides();
    let after = standing(new, defaults);
    let same = old.zip(new).is_some_and(|(old, new)| grounds(old) == grounds(new));
    (if same { after.clone() } else { standing(old, defaults) }, after)
}

fn standing(side: Option<Side<'_>>, defaults: &Defaults) -> Standing {
    let Some((service, promise)) = side else { return Standing::Absent };
    let found: Vec<String> =
        broken(service, promise, defaults).into_iter().map(|finding| finding.message).collect();
    if found.is_empty() { Standing::Kept } else { Standing::Broken(found) }
}

/// Everything that a proof of the promise goes by: itself, and all rules of its service.
fn grounds((service, promise): Side<'_>) -> Vec<String> {
    let rule = |rule: &Rule| {
        let classes: Vec<&ClassName> =
            rule.dependents.iter().map(|d| &d.class).chain([&rule.class]).collect();
        let Rule { id, keeps, except, mode, schedule, .. } = rule;
        let version = content::version(service, rule).canonical;
        format!("{:?}", (id, classes, keeps, except, mode, schedule.to_string(), version))
    };
    let itself = format!("{} {}", promise.id, content::promise(promise));
    std::iter::once(itself).chain(service.rules.iter().map(rule)).collect()
}

fn all(set: &RuleSet) -> impl Iterator<Item = Side<'_>> {
    set.services.iter().flat_map(|service| service.promises.iter().map(move |promise| (service, promise)))
}

fn both((of_old, old): Side<'_>, (of_new, new): Side<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    // Words: only a person can tell what they promise.
    for (key, before, after) in [
        ("text", &old.text, &new.text),
        ("source", &old.source, &new.source),
        ("trigger", &old.trigger, &new.trigger),
    ] {
        if before != after {
            found
                .push(Change::new(Effect::Changed, key, Look::Second).from(before.clone()).to(after.clone()));
        }
    }
    let calendars = (of_old.calendar, of_new.calendar);
    found.extend(one_bound(
        "not_before",
        old.not_before.map(|bound| On(calendars.0, bound)),
        new.not_before.map(|bound| On(calendars.1, bound)),
        |bound| bound.1.to_string(),
        bounds::not_before,
    ));
    found.extend(one_bound(
        "no_later_than",
        old.no_later_than.map(|bound| On(calendars.0, bound)),
        new.no_later_than.map(|bound| On(calendars.1, bound)),
        |bound| bound.1.to_string(),
        bounds::deadline,
    ));
    if old.on_request != new.on_request {
        let word = |promise: &Promise| promise.on_request.to_string();
        let change = Change::new(Effect::Changed, "on_request", Look::Second);
        found.push(change.from(word(old)).to(word(new)).why("another event starts it"));
    }
    if old.decision != new.decision {
        let change = Change::new(Effect::Changed, "decision", Look::Second);
        found.push(change.from(old.decision.clone()).to(new.decision.clone()));
    }
    found.extend(except(old, new));
    found.extend(covers(&old.covers, &new.covers));
    found
}

fn one_bound<B: Copy>(
    key: &str,
    old: Option<B>,
    new: Option<B>,
    words: impl Fn(B) -> String,
    compare: impl Fn(&str, B, B) -> Vec<Change>,
) -> Vec<Change> {
    match (old, new) {
        (None, None) => Vec::new(),
        (Some(old), Some(new)) => compare(key, old, new),
        (Some(old), None) => vec![Change::new(Effect::Weaker, key, Look::Second).from(words(old))],
        (None, Some(new)) => vec![Change::new(Effect::Stricter, key, Look::Enough).to(words(new))],
    }
}

/// What is left out is promised to nobody.
fn except(old: &Promise, new: &Promise) -> Option<Change> {
    let (effect, look) = match (&old.except, &new.except) {
        (before, after) if before == after => return None,
        (None, Some(_)) => (Effect::Weaker, Look::Second),
        (Some(_), None) => (Effect::Stricter, Look::Enough),
        (Some(_), Some(_)) | (None, None) => (Effect::Changed, Look::Second),
    };
    Some(Change::new(effect, "except", look).from(old.except.clone()).to(new.except.clone()))
}

fn covers(old: &[ClassName], new: &[ClassName]) -> Vec<Change> {
    let gone = old.iter().filter(|class| !new.contains(class));
    let gone = gone.map(|class| Change::new(Effect::Weaker, "covers", Look::Second).from(class.to_string()));
    let come = new.iter().filter(|class| !old.contains(class));
    let come = come.map(|class| Change::new(Effect::Stricter, "covers", Look::Enough).to(class.to_string()));
    gone.chain(come).collect()
}
