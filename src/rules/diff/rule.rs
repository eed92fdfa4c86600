//! What changes of one rule.

use super::bounds::{self, On};
use super::pairs::Pair;
use super::promise::Proofs;
use super::{Change, Effect, Look, RuleDifference, action, content, dependents, records};
use crate::diagnostic::counted;
use crate::model::datastore::Defaults;
use crate::model::level::Level;
use crate::rules::check::window;
use crate::rules::rule::{Mode, OnErasure, Pick, Rule, RuleTest, Service, Subject};

type Side<'r> = (&'r Service, &'r Rule);

/// `None`: nothing differs.
pub fn difference(pair: Pair<Side<'_>>, proofs: &Proofs<'_>, defaults: &Defaults) -> Option<RuleDifference> {
    let (changes, guarded) = match pair {
        Pair::Both(old, new) => {
            let (changes, version) = both(old, new, defaults);
            (changes, version == Version::Another)
        }
        Pair::Renamed(old, new) => {
            let named = Change::new(Effect::Renamed, "id", Look::Second);
            let named = named.from(old.1.id.to_string()).to(new.1.id.to_string());
            let named = named
                .why("holds, approvals and finished sweeps of the old name do not count for the new one");
            (std::iter::once(named).chain(both(old, new, defaults).0).collect(), true)
        }
        Pair::New((_, rule)) => (
            vec![Change::new(Effect::New, "rule", Look::Second).to(words(rule)).why(match rule.mode {
                Mode::Enforce => "it will dispose of records",
                Mode::Observe => "it observes, and will dispose of records once `mode` goes",
            })],
            true,
        ),
        Pair::Removed((_, rule)) => {
            let change = Change::new(Effect::Removed, "rule", Look::Second).from(words(rule));
            (vec![change.why("nothing disposes of these records any more")], false)
        }
    };
    let (old, new) = pair.sides();
    let (_, rule) = new.or(old)?;
    if changes.is_empty() {
        return None;
    }
    let promises = proofs.affected(old.map(|(_, rule)| rule), new.map(|(_, rule)| rule));
    Some(RuleDifference { rule: rule.id.clone(), changes, guarded, promises })
}

/// A rule in one line.
fn words(rule: &Rule) -> String {
    let dependents = match rule.dependents.len() {
        0 => String::new(),
        n => format!(", with {}", counted(n, "dependent")),
    };
    format!(
        "{} of `{}` in `{}`, retain {}, delete_by {}{dependents}",
        action::words(&rule.action),
        rule.dataset.name(),
        rule.datastore,
        rule.retain,
        rule.delete_by
    )
}

/// Whether the ledger takes it for the rule that it knows.
#[derive(PartialEq)]
enum Version {
    Same,
    Another,
}

fn both((of_old, old): Side<'_>, (of_new, new): Side<'_>, defaults: &Defaults) -> (Vec<Change>, Version) {
    let versions = [content::version(of_old, old), content::version(of_new, new)];
    let mut found = beside_the_digest(old, new, defaults);
    // Two keys that say one thing.
    let mut dataset = false;
    for key in content::differing(&versions[0].json, &versions[1].json) {
        match key {
            // Their own differences are told with the service and the promises.
            "time_zone" => found.push(zone(old, new)),
            "promises" => found.extend(promises(old, new)),
            "datastore" => {
                let change = Change::new(Effect::Changed, key, Look::Second);
                found.push(change.from(old.datastore.to_string()).to(new.datastore.to_string()));
            }
            "table" | "key" | "pattern" if dataset => {}
            "table" | "key" | "pattern" => {
                dataset = true;
                found.extend(records::dataset(old, new));
            }
            "subject" => found.extend(subject(old, new)),
            "trigger" => found.push(trigger(old, new)),
            // Told below: bounds also where they are the same, since another zone may have another first instant of a day.
            "retain" | "delete_by" | "dependents" => {}
            "only" => found.extend(records::only(old, new)),
            "unless" => found.extend(records::unless(old, new)),
            "action" => found.extend(action::changes((&old.action, &old.places), (&new.action, &new.places))),
            "then" => found.push(then(old, new)),
            // `backup`, and what nobody has told this module of.
            other => found.push(written(old, new, other, Look::Second)),
        }
    }
    let retain = (On(old.calendar, old.retain), On(new.calendar, new.retain));
    let delete_by = (On(old.calendar, old.delete_by), On(new.calendar, new.delete_by));
    found.extend(bounds::due("retain", retain.0, retain.1));
    found.extend(bounds::deadline("delete_by", delete_by.0, delete_by.1));
    found.extend(dependents::changes(old, new));
    let same = versions[0].sha256 == versions[1].sha256;
    if !same && found.is_empty() {
        // A difference that is not told would be taken for none.
        found.push(Change::new(Effect::Changed, "rule", Look::Second).why("its digest is another"));
    }
    let place = |change: &Change| {
        let key = change.key.split('.').next().unwrap_or_default();
        ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len())
    };
    found.sort_by_key(place);
    (found, if same { Version::Same } else { Version::Another })
}

/// How a rule file is commonly written; what is not named here comes last.
const ORDER: [&str; 27] = [
    "class",
    "keeps",
    "promises",
    "except",
    "time_zone",
    "datastore",
    "dataset",
    "table",
    "key",
    "pattern",
    "backup",
    "subject",
    "on_erasure",
    "trigger",
    "retain",
    "delete_by",
    "schedule",
    "mode",
    "only",
    "unless",
    "action",
    "columns",
    "mark",
    "then",
    "rule",
    "dependent",
    "test",
];

/// What the ledger does not call another version.
fn beside_the_digest(old: &Rule, new: &Rule, defaults: &Defaults) -> Vec<Change> {
    let mut found = Vec::new();
    if old.class != new.class {
        found.push(written(old, new, "class", Look::Enough));
    }
    for promise in old.keeps.iter().filter(|promise| !new.keeps.contains(promise)) {
        found.push(Change::new(Effect::Weaker, "keeps", Look::Second).from(promise.to_string()));
    }
    for promise in new.keeps.iter().filter(|promise| !old.keeps.contains(promise)) {
        found.push(Change::new(Effect::Stricter, "keeps", Look::Enough).to(promise.to_string()));
    }
    if old.except != new.except {
        let change = Change::new(Effect::Changed, "except", Look::Second);
        found.push(change.from(old.except.clone()).to(new.except.clone()));
    }
    let mode = match (old.mode, new.mode) {
        (Mode::Enforce, Mode::Observe) => Some((Effect::Weaker, "nothing is disposed of any more")),
        (Mode::Observe, Mode::Enforce) => Some((Effect::Stricter, "it begins to dispose of records")),
        (Mode::Enforce, Mode::Enforce) | (Mode::Observe, Mode::Observe) => None,
    };
    if let Some((effect, why)) = mode {
        let [before, after] = [old, new].map(|rule| rule.places.written("mode"));
        found.push(Change::new(effect, "mode", Look::Second).from(before).to(after).why(why));
    }
    if old.schedule != new.schedule {
        found.push(schedule(old, new, defaults));
    }
    found.extend(tests(&old.tests, &new.tests));
    found
}

/// That two gaps fit is proved. A person is asked where it has come to be no more than that.
fn schedule(old: &Rule, new: &Rule, defaults: &Defaults) -> Change {
    let gaps = [old, new].map(|rule| rule.schedule.longest_gap());
    let tight = gaps[0] < gaps[1] && !window::has_a_gap_to_spare(new, defaults);
    let look = if tight { Look::Second } else { Look::Enough };
    let [before, after] = gaps.map(window::words);
    let spare = if tight { "; a third one would not fit before the deadline" } else { "" };
    let change = Change::new(Effect::Changed, "schedule", look);
    let change = change.from(old.schedule.to_string()).to(new.schedule.to_string());
    change.why(format!("longest gap {before} → {after}{spare}"))
}

/// What a rule does is the same without them; what its next author may break unseen is more. By their names, which are sentences.
fn tests(old: &[RuleTest], new: &[RuleTest]) -> Vec<Change> {
    let beside = |these: &[RuleTest], those: &[RuleTest]| {
        let gone = these.iter().filter(|test| !those.iter().any(|other| other.name == test.name));
        let names: Vec<&str> = gone.map(|test| test.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join("; "))
    };
    let removed = beside(old, new).map(|names| {
        Change::new(Effect::Changed, "test", Look::Second).from(names).why("no test says so any more")
    });
    let added = beside(new, old).map(|names| Change::new(Effect::Changed, "test", Look::Enough).to(names));
    removed.into_iter().chain(added).collect()
}

fn written(old: &Rule, new: &Rule, key: &str, look: Look) -> Change {
    Change::new(Effect::Changed, key, look).from(old.places.written(key)).to(new.places.written(key))
}

fn zone(old: &Rule, new: &Rule) -> Change {
    let [before, after] = [old, new].map(|rule| rule.calendar.zone().to_string());
    Change::new(Effect::Changed, "time_zone", Look::Enough).from(before).to(after).why("the service's")
}

/// More is more thorough, and keeps the application from a table for as long as it is written anew; less leaves versions behind.
fn then(old: &Rule, new: &Rule) -> Change {
    let (effect, why) = match (old.then < new.then, new.then) {
        (true, Level::Rewritten) => {
            (Effect::Stricter, "what holds the records is written anew, and locked meanwhile")
        }
        (true, Level::Vacuumed | Level::Logical) => {
            (Effect::Stricter, "the engine is asked to remove what it keeps of them")
        }
        (false, Level::Logical) => {
            (Effect::Weaker, "what the engine keeps of them stays until it needs the room")
        }
        (false, Level::Vacuumed | Level::Rewritten) => {
            (Effect::Weaker, "what holds the records is not written anew any more")
        }
    };
    let [before, after] = [old, new].map(|rule| rule.places.written("then"));
    Change::new(effect, "then", Look::Second).from(before).to(after).why(why)
}

/// A promise that is kept on both sides and reads differently. Which promises are kept is a matter of `keeps`.
fn promises(old: &Rule, new: &Rule) -> Option<Change> {
    let kept = |rule: &Rule| {
        let mut kept: Vec<String> = rule.keeps.iter().map(ToString::to_string).collect();
        kept.sort_unstable();
        kept
    };
    let same = kept(old) == kept(new);
    same.then(|| {
        Change::new(Effect::Changed, "promises", Look::Enough).why("a promise that it keeps differs")
    })
}

/// `pending` says what is normal, and nothing is due by it or not; but for the earliest of several times it also says whether one that is
/// NULL counts.
fn trigger(old: &Rule, new: &Rule) -> Change {
    let counts = |rule: &Rule| {
        let earliest = rule.trigger.place.rows().is_some_and(|(.., pick)| pick == Pick::Earliest);
        earliest && rule.trigger.pending.null
    };
    let events = [old, new].map(|rule| (&rule.trigger.place, &rule.trigger.reading, counts(rule)));
    // What was undated, counted and shown, is passed over in silence from then on.
    let silenced = new.trigger.pending.names_more_than(old.trigger.pending);
    let look = if events[0] == events[1] && !silenced { Look::Enough } else { Look::Second };
    written(old, new, "trigger", look)
}

/// A request that is answered with "kept" leaves data; one that is carried out destroys it.
fn subject(old: &Rule, new: &Rule) -> Vec<Change> {
    let column = |subject: &Option<Subject>| subject.as_ref().map(|s| s.column.to_string());
    let answer = |rule: &Rule| match &rule.subject {
        Some(Subject { on_erasure: OnErasure::Dispose, .. }) => Some("dispose".to_owned()),
        Some(Subject { on_erasure: OnErasure::Keep(reason), .. }) => Some(format!("keep: {reason}")),
        None => None,
    };
    let disposes = |rule: &Rule| rule.subject.as_ref().is_some_and(|s| s.on_erasure == OnErasure::Dispose);
    let mut found = Vec::new();
    if column(&old.subject) != column(&new.subject) {
        let change = Change::new(Effect::Changed, "subject", Look::Second);
        let change = change.from(column(&old.subject)).to(column(&new.subject));
        found.push(change.why("holds and erasure requests find records by it"));
    }
    if answer(old) != answer(new) {
        let effect = match (disposes(old), disposes(new)) {
            (true, false) => Effect::Weaker,
            (false, true) => Effect::Stricter,
            (true, true) | (false, false) => Effect::Changed,
        };
        found.push(Change::new(effect, "on_erasure", Look::Second).from(answer(old)).to(answer(new)));
    }
    found
}
