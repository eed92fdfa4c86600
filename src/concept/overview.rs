//! The parts about all services: scope, deletion classes, time limits; and how the parts are put together.

use std::collections::BTreeSet;

use super::document::{Block, Cell, Document, Section, Table, TableKind};
use super::view::{BackedUp, ClassUnderRule, Concept, Datastore, DeletionClass, Member, Rule, Service};
use super::{chapter, general};
use crate::rules::prose::{Line, StartKind};

/// The whole concept, put into words.
pub(super) fn document(concept: &Concept) -> Document {
    let chapters = concept.services.iter().map(|service| chapter::of(concept, service));
    let sections = [scope(concept), deletion_classes(concept), time_limits(concept)];
    Document {
        title: Line::words(about(concept)),
        written: vec![Line::words(format!(
            "Written by expunged {} from the rule files by which the same program disposes of records. The same files, \
             configuration and program give the same text, so that it bears no date.",
            concept.program
        ))],
        sections: sections.into_iter().chain(chapters).chain(general::sections(concept)).collect(),
    }
}

fn about(concept: &Concept) -> String {
    match &concept.services[..] {
        [service] => service.name.clone(),
        services => format!("{} services", services.len()),
    }
}

fn scope(concept: &Concept) -> Section {
    let covers = "This concept covers the records that the rules of these services name, in the datastores that they name. \
                  What no rule names is outside it. It is divided as DIN 66398 divides a deletion concept, and holds what \
                  Art. 30(1)(f) GDPR asks of a record of processing activities, not the rest of that record. It claims \
                  neither certification nor conformity.";
    let proved = "Before it was written, every promise below that is called kept was proved so, for every data class it covers: \
                  no rule is weaker than its promise on any day, and sweeps come often enough to meet its deadline. Rules that \
                  fail this proof get no concept.";
    let note = Line::words("A digest is the SHA-256 of the rule file, as ")
        .called("sha256sum")
        .and(" prints it: it tells whether this text is about the file at hand.");
    let blocks = vec![
        Block::Text(Line::words(covers)),
        Block::Table(services(concept)),
        Block::Note(note),
        Block::Text(Line::words(proved)),
        Block::Heading(Line::words("Words")),
        Block::Terms(words()),
    ];
    Section { id: "scope".to_owned(), title: Line::words("Scope and responsibilities"), blocks }
}

fn services(concept: &Concept) -> Table {
    let row = |service: &Service| {
        let id = service.service.as_str();
        let counts =
            [concept.classes_of(id).count(), concept.promises_of(id).count(), concept.rules_of(id).count()];
        let name = Cell::of(Line::default().to(&chapter::id(id), &service.name)).beside(Line::name(id));
        let digest = service.sha256.as_deref().map_or_else(Cell::none, |digest| Cell::of(Line::name(digest)));
        let before = [name, Cell::words(&service.owner), Cell::words(&service.time_zone)];
        let counted = counts.map(|count| Cell::words(count.to_string()));
        before.into_iter().chain(counted).chain([digest]).collect()
    };
    Table {
        kind: TableKind::Services,
        caption: Line::words("Services, and whom to ask about each"),
        head: head(&[
            "Service",
            "Owner",
            "Calendar",
            "Data classes",
            "Promises",
            "Rules",
            "Digest of the rule file",
        ]),
        rows: concept.services.iter().map(row).collect(),
    }
}

fn words() -> Vec<(Line, Line)> {
    let words = [
        ("Data class (Datenart)", "records that promises and rules call by one name."),
        ("Start event (Startzeitpunkt)", "what starts the clock of a record, and where its time is read."),
        ("Not before", "the least time a record is kept: `retain` in the rule file."),
        ("No later than (Löschfrist)", "the deadline by which it is gone: `delete_by` in the rule file."),
        ("Deletion rule (Löschregel)", "a data class, its start event and its two bounds."),
        ("Deletion class (Löschklasse)", "all data classes with one deadline from one kind of start event."),
        ("Dependent", "records that go with a record, and before it."),
        (
            "Periods",
            "days, months and years are civil days of the service’s time zone. “Not before” ends when its last day is over, “no later \
             than” when its last day begins. Hours are elapsed time.",
        ),
    ];
    words.into_iter().map(|(word, what)| (Line::words(word), Line::marked(what))).collect()
}

fn deletion_classes(concept: &Concept) -> Section {
    let text = "A row is a deadline, counted from the start event; a column is a kind of start event. What goes with a record \
                stands where the record stands.";
    let all: Vec<&DeletionClass> = concept.deletion_classes.iter().collect();
    let caption = Line::words("Data classes by deadline and kind of start event");
    let blocks =
        vec![Block::Text(Line::words(text)), Block::Table(matrix(concept, &all, caption, Named::Service))];
    Section { id: "deletion-classes".to_owned(), title: Line::words("Deletion classes"), blocks }
}

/// Whether the cells of a matrix say whose classes they hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    /// They do.
    Service,
    /// There is only one service.
    Alone,
}

/// Deadlines by kinds of start events, without rows and columns that nothing is in.
pub(super) fn matrix(concept: &Concept, all: &[&DeletionClass], caption: Line, named: Named) -> Table {
    let kinds: BTreeSet<StartKind> = all.iter().map(|class| class.start).collect();
    let cell = |deadline: &str, kind: StartKind| {
        let here = all.iter().find(|class| class.delete_by == deadline && class.start == kind);
        Cell::lines(here.into_iter().flat_map(|class| &class.members).map(|m| member(concept, m, named)))
    };
    let rows = all.chunk_by(|a, b| a.delete_by == b.delete_by).filter_map(|row| {
        let deadline = &row.first()?.delete_by;
        let cells = kinds.iter().map(|kind| cell(deadline, *kind));
        Some([Cell::words(deadline)].into_iter().chain(cells).collect())
    });
    let starts = kinds.iter().map(|kind| Line::words(format!("From {}", kind.as_str())));
    Table {
        kind: TableKind::Matrix,
        caption,
        head: [Line::words("No later than")].into_iter().chain(starts).collect(),
        rows: rows.collect(),
    }
}

fn member(concept: &Concept, member: &Member, named: Named) -> Line {
    let classes = Line::names(&member.classes);
    match named {
        Named::Alone => classes,
        Named::Service => Line::words(concept.name_of(&member.service)).and(": ").then(classes),
    }
}

fn time_limits(concept: &Concept) -> Section {
    let text = "For the record of processing activities: the envisaged time limits for the erasure of the different categories of \
                data, Art. 30(1)(f) GDPR. Each counts from its start event, and holds for the datastore. Backups are gone later, as \
                the table says.";
    let table = Table {
        kind: TableKind::Limits,
        caption: Line::words("Envisaged time limits for erasure"),
        head: head(&["Category of data", "Time limit", "Start event", "In backups", "Source"]),
        rows: concept.rules.iter().flat_map(|rule| limits(concept, rule)).collect(),
    };
    let blocks = vec![Block::Text(Line::words(text)), Block::Table(table)];
    Section { id: "time-limits".to_owned(), title: Line::words("Time limits for erasure"), blocks }
}

/// The limits of what a rule reaches: classes of which all the rest is the same share a row.
fn limits(concept: &Concept, rule: &Rule) -> Vec<Vec<Cell>> {
    let mut rows: Vec<(Vec<&str>, Vec<Cell>)> = Vec::new();
    for class in concept.classes_of(&rule.service) {
        let Some(under) = class.rules.iter().find(|under| under.rule == rule.rule) else { continue };
        let rest = limit(concept, under, rule);
        match rows.iter_mut().find(|(_, known)| *known == rest) {
            Some((classes, _)) => classes.push(&class.class),
            None => rows.push((vec![&class.class], rest)),
        }
    }
    let service = Line::words(concept.name_of(&rule.service));
    let category = |classes| Cell::of(Line::names::<&str>(classes)).beside(service.clone());
    rows.into_iter().map(|(classes, rest)| [category(classes)].into_iter().chain(rest).collect()).collect()
}

fn limit(concept: &Concept, under: &ClassUnderRule, rule: &Rule) -> Vec<Cell> {
    let pseudonymized = under.records.iter().filter(|place| place.action.mark.is_some());
    let pseudonymized = pseudonymized.map(|place| Line::words("pseudonymized: ").called(&place.dataset));
    let sources: BTreeSet<Line> = under.promises.iter().map(|promise| Line::words(&promise.source)).collect();
    vec![
        Cell::words(&rule.delete_by).beside_all(chapter::only_observed(rule)).beside_all(pseudonymized),
        Cell::of(rule.start.words.clone()),
        if rule.backup.is_some() { Cell::words("these are backups") } else { in_backups(concept, under) },
        if sources.is_empty() { Cell::of(unpromised(rule)) } else { Cell::lines(sources) },
    ]
}

/// Why a rule reaches a class that none of its promises names.
pub(super) fn unpromised(rule: &Rule) -> Line {
    if rule.promises.is_empty() {
        return Line::words("no promise: the operator’s own rule");
    }
    Line::words("named by no promise of the rule, but goes with what ")
        .then(Line::names(&rule.promises))
        .and(" names")
}

fn in_backups(concept: &Concept, under: &ClassUnderRule) -> Cell {
    let names: BTreeSet<&str> = under.records.iter().map(|place| place.datastore.as_str()).collect();
    let known: Vec<&Datastore> = names.iter().filter_map(|name| concept.datastore(name)).collect();
    if known.iter().all(|datastore| datastore.backups.is_empty()) {
        return Cell::words("no rule is over them");
    }
    let each = known.iter().flat_map(|datastore| {
        let of = |line: Line| line.and(", of ").called(&datastore.datastore);
        let none = datastore.backups.is_empty().then(|| of(Line::words("no rule is over them")));
        none.into_iter().chain(datastore.backups.iter().map(move |backup| of(gone(backup))))
    });
    let lines: BTreeSet<Line> = each.collect();
    Cell::lines(lines)
}

/// When the last backup that may hold a record is gone.
pub(super) fn gone(backup: &BackedUp) -> Line {
    Line::words(format!("at most {} + {} later", backup.every, backup.delete_by))
}

pub(super) fn head(words: &[&str]) -> Vec<Line> {
    words.iter().map(Line::words).collect()
}
