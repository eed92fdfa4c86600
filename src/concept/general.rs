//! The parts that are the same for every service, because the program is: special cases, enforcement, limits; and whom to ask.

use super::document::{Block, Section};
use super::view::Concept;
use crate::rules::prose::Line;

pub(super) fn sections(concept: &Concept) -> Vec<Section> {
    vec![special_cases(), enforcement(), limits(concept), responsibilities(concept)]
}

fn section(id: &str, title: &str, blocks: Vec<Block>) -> Section {
    Section { id: id.to_owned(), title: Line::words(title), blocks }
}

fn special_cases() -> Section {
    let cases = [
        (
            "Legal hold",
            "an order that suspends disposal for a service, a rule or one data subject until it is released, past the deadline if \
             need be.",
        ),
        (
            "Erasure request",
            "a data subject’s demand, to be answered within a month (Art. 12(3) GDPR). Each rule does what the part about its service \
             says, at its next sweep; a legal hold goes first.",
        ),
        (
            "No plausible start",
            "a record whose start event gives no plausible time is undated: its period disposes of nothing, and it is counted \
             until somebody has looked. Where the start event has normally not happened yet, the clock does not run.",
        ),
        (
            "Refused",
            "a record that its datastore does not let go, because of a constraint for instance, is set aside and counted. It is still \
             there.",
        ),
        (
            "New or changed rule",
            "where its first sweep would dispose of more than the configuration allows, the rule waits for an approval. Deadlines go \
             on meanwhile.",
        ),
        (
            "Backups",
            "a backup that is begun before a disposal is over may hold what goes. It is gone when its own rule’s deadline has passed; \
             where no rule is over the backups of a datastore, nothing is said of them.",
        ),
    ];
    let terms = cases.map(|(word, what)| (Line::words(word), Line::words(what)));
    section("special-cases", "Special cases in every service", vec![Block::Terms(terms.into())])
}

fn enforcement() -> Section {
    let text = "The program sweeps each rule on its schedule or on command, and disposes of a record only once its period has fully \
                passed, or on an erasure request, where no hold covers it, and with the intent on the disk in an append-only ledger \
                before. The ledger then takes the outcome of every batch; its tree head is signed, and `expunged prove` writes for one \
                record a proof of disposal that anybody verifies offline with the public key. `expunged report` says of a period what \
                was disposed of, what was late, and what could not be counted.";
    section("enforcement", "Enforcement and evidence", vec![Block::Text(Line::marked(text))])
}

fn limits(concept: &Concept) -> Section {
    let said = [
        "This text says what the rules demand. Whether it happened is in the deletion report and in the ledger.",
        "Deleted means gone from the dataset. Write-ahead logs, free pages, snapshots, replicas, caches, search indexes, exports, \
         logs and mail are not reached, nor are copies that others were given.",
        "Pseudonymized records are still personal data while a key or another dataset leads back to the person.",
        "Which tables, files or systems no rule names cannot be seen from here.",
        "Weekends and holidays do not move a deadline, nor the end of a period.",
    ];
    let mut list: Vec<Line> = said.into_iter().map(Line::words).collect();
    list.insert(2, backups(concept));
    list.push(
        Line::words("More in the program’s documentation: ").called("docs/known-limitations.md").and("."),
    );
    section("limits", "Limits", vec![Block::List(list)])
}

/// Datastores whose backups nobody sweeps, but for those that hold the backups themselves.
fn backups(concept: &Concept) -> Line {
    let without = concept.datastores.iter().filter(|d| d.backups.is_empty() && !d.holds_backups);
    let names: Vec<&str> = without.map(|datastore| datastore.datastore.as_str()).collect();
    if names.is_empty() {
        return Line::words(
            "Backups are reached where a rule is over them: here, over those of every datastore.",
        );
    }
    Line::words("Backups are reached only where a rule is over them. None is over those of ")
        .then(Line::names(names))
        .and(".")
}

fn responsibilities(concept: &Concept) -> Section {
    let text = "Questions about a service’s promises, data classes and periods go to its owner. Who decided a figure that the policy \
                does not give is named with the promise. The rule files do not say who runs the program and reads its alarms, who \
                orders holds, and who answers data subjects: the operator does. A period changes by a change of the rule file, \
                which changes this text.";
    let owners = concept.services.iter().map(|s| (Line::words(&s.name), Line::words(&s.owner))).collect();
    section(
        "responsibilities",
        "Responsibilities",
        vec![Block::Text(Line::words(text)), Block::Terms(owners)],
    )
}
