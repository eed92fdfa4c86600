//! The part about one service: its promises, data classes, deletion classes, datastores and special cases.

use super::document::{Block, Cell, Section, Table, TableKind};
use super::overview::{Named, gone, head, matrix, unpromised};
use super::view::{
    Action, BackedUp, Class, ClassUnderRule, Concept, Datastore, DeletionClass, Dependent, Holds, OnErasure,
    Promise, Rule, Service, Waiver,
};
use crate::rules::check;
use crate::rules::prose::Line;
use crate::rules::rule::Mode;

/// What leads to the part about a service.
pub(super) fn id(service: &str) -> String {
    format!("service-{service}")
}

pub(super) fn of(concept: &Concept, service: &Service) -> Section {
    let mut blocks = vec![Block::Terms(facts(service))];
    blocks.push(heading("Promises"));
    blocks.push(promises(concept, service));
    blocks.push(heading("Data classes and deletion rules"));
    blocks.push(rules(concept, service));
    // Alone, its matrix is the one before.
    if concept.services.len() > 1 {
        blocks.push(heading("Deletion classes"));
        blocks.push(deletion_classes(concept, service));
    }
    blocks.push(heading("Implementation, by datastore"));
    blocks.extend(implementation(concept, service));
    blocks.push(heading("Special cases"));
    blocks.push(Block::List(special_cases(concept, service)));
    Section { id: id(&service.service), title: Line::words(&service.name), blocks }
}

fn heading(words: &str) -> Block {
    Block::Heading(Line::words(words))
}

fn facts(service: &Service) -> Vec<(Line, Line)> {
    let mut file = Line::name(&service.file);
    if let Some(digest) = &service.sha256 {
        file = file.and(", SHA-256 ").called(digest);
    }
    let facts = [
        ("Service", Line::name(&service.service)),
        ("Owner", Line::words(&service.owner)),
        ("Calendar", Line::words(&service.time_zone)),
        ("Rule file", file),
    ];
    facts.into_iter().map(|(word, what)| (Line::words(word), what)).collect()
}

fn promises(concept: &Concept, service: &Service) -> Block {
    let rows: Vec<Vec<Cell>> = concept.promises_of(&service.service).map(promise).collect();
    if rows.is_empty() {
        return Block::Text(Line::words("The rule file restates no promise."));
    }
    Block::Table(Table {
        kind: TableKind::Promises,
        caption: Line::words("What the published policy says, and what keeps it"),
        head: head(&["Promise", "Start event", "Bounds", "Data classes", "Kept by"]),
        rows,
    })
}

fn promise(promise: &Promise) -> Vec<Cell> {
    let except = promise.except.as_ref().map(|except| Line::words("Except: ").and(except));
    let decision = promise.decision.as_ref().map(|decision| Line::words("Figure: ").and(decision));
    let request = if promise.on_request { " after the request" } else { "" };
    let not_before = promise.not_before.as_ref().map(|period| Line::words("not before ").and(period));
    let no_later_than =
        promise.no_later_than.as_ref().map(|period| Line::words("no later than ").and(period).and(request));
    vec![
        Cell::of(Line::words(&promise.text))
            .beside(Line::words(&promise.source))
            .beside_all(except)
            .beside_all(decision)
            .beside(Line::name(&promise.promise)),
        Cell::words(&promise.trigger),
        Cell::lines([not_before, no_later_than].into_iter().flatten()),
        Cell::lines(promise.classes.iter().map(Line::name)),
        kept_by(promise),
    ]
}

fn kept_by(promise: &Promise) -> Cell {
    let not_yet = "NOT KEPT: what would keep it only observes";
    let standing = if promise.kept { Line::default().kept() } else { Line::default().strong(not_yet) };
    let mut cell = Cell::of(standing);
    for keeper in &promise.keepers {
        cell = cell.beside(Line::name(&keeper.rule).and(" for ").then(Line::names(&keeper.classes)));
        cell = cell.beside_all(keeper.arithmetic.iter().map(|line| Line::marked(line)));
    }
    cell
}

fn rules(concept: &Concept, service: &Service) -> Block {
    let each = concept.classes_of(&service.service).flat_map(|c| c.rules.iter().map(move |under| (c, under)));
    let row =
        |(class, under): (&Class, &ClassUnderRule)| Some(rule(class, under, concept.rule(&under.rule)?));
    Block::Table(Table {
        kind: TableKind::Rules,
        caption: Line::words("Data classes, and the rule by which each is disposed of"),
        head: head(&[
            "Data class",
            "Start event",
            "Not before",
            "No later than",
            "Because of",
            "What is done",
        ]),
        rows: each.filter_map(row).collect(),
    })
}

fn rule(class: &Class, under: &ClassUnderRule, rule: &Rule) -> Vec<Cell> {
    let start = &rule.start;
    let pending = start.not_started.iter().map(|state| Line::words("not started ").and(state));
    let read_as = start.read_as.as_ref().map(|how| Line::words("read as ").then(how.clone()));
    let promises = under.promises.iter();
    let because = promises.map(|p| Line::words("promise ").called(&p.promise).and(": ").and(&p.source));
    let because: Vec<Line> = because.collect();
    vec![
        Cell::of(Line::name(&class.class)).beside(Line::words("rule ").called(&rule.rule)),
        Cell::of(start.words.clone()).beside_all(pending).beside_all(read_as),
        Cell::words(&rule.retain),
        Cell::words(&rule.delete_by).beside_all(only_observed(rule)),
        if because.is_empty() { Cell::of(unpromised(rule)) } else { Cell::lines(because) },
        under.records.iter().fold(Cell::default(), |cell, place| {
            done(
                cell,
                &place.action,
                Line::name(&place.dataset).and(" in ").called(&place.datastore).and(": "),
            )
        }),
    ]
}

/// What is done, with the columns beside it.
fn done(mut cell: Cell, action: &Action, before: Line) -> Cell {
    let (what, columns) = action.told();
    cell.0.push(super::document::CellLine::Main(before.then(what)));
    cell.beside_all(columns)
}

fn deletion_classes(concept: &Concept, service: &Service) -> Block {
    let ours = |class: &DeletionClass| DeletionClass {
        members: class.members.iter().filter(|m| m.service == service.service).cloned().collect(),
        ..class.clone()
    };
    let ours: Vec<DeletionClass> =
        concept.deletion_classes.iter().map(ours).filter(|class| !class.members.is_empty()).collect();
    let caption = Line::words("Data classes of this service by deadline and kind of start event");
    Block::Table(matrix(concept, &ours.iter().collect::<Vec<_>>(), caption, Named::Alone))
}

fn implementation(concept: &Concept, service: &Service) -> Vec<Block> {
    let mut blocks = Vec::new();
    for datastore in &concept.datastores {
        let rules = concept.rules_of(&service.service);
        let rows: Vec<Vec<Cell>> = rules.flat_map(|rule| in_datastore(rule, &datastore.datastore)).collect();
        if rows.is_empty() {
            continue;
        }
        blocks.push(Block::Table(Table {
            kind: TableKind::Datasets,
            caption: Line::words("Datastore ").called(&datastore.datastore).and(kind(datastore)),
            head: head(&["Records", "Data class", "Rule", "What is done", "How often"]),
            rows,
        }));
        blocks.extend(backups(datastore).map(Block::Note));
    }
    blocks
}

fn kind(datastore: &Datastore) -> String {
    let holds = match datastore.holds {
        Holds::Rows => "rows",
        Holds::Files => "files",
        Holds::Objects => "objects",
        Holds::Keys => "keys",
    };
    match datastore.kind {
        Some(kind) if kind != holds => format!(" ({kind}: {holds})"),
        Some(_) | None => format!(" ({holds})"),
    }
}

/// What a rule disposes of in a datastore.
fn in_datastore(rule: &Rule, datastore: &str) -> Vec<Vec<Cell>> {
    let own = (rule.dataset.datastore == datastore).then(|| own_records(rule));
    let dependents = rule.dependents.iter().filter(|d| d.dataset.datastore == datastore);
    own.into_iter().chain(dependents.map(|dependent| with_records(rule, dependent))).collect()
}

fn own_records(rule: &Rule) -> Vec<Cell> {
    let key = &rule.dataset.key;
    let key = (!key.is_empty()).then(|| Line::words("key ").then(Line::names(key)));
    let only = (!rule.only.is_empty())
        .then(|| Line::words("only where ").then(Line::all(rule.only.iter().cloned())));
    let unless = rule.unless.iter().map(|unless| Line::words("kept while ").then(unless.clone()));
    vec![
        Cell::of(Line::name(&rule.dataset.dataset)).beside_all(key).beside_all(only).beside_all(unless),
        Cell::of(Line::name(&rule.class)),
        Cell::of(Line::name(&rule.rule)),
        done(Cell::default(), &rule.action, Line::default())
            .beside_all(rule.then.clone())
            .beside_all(only_observed(rule)),
        how_often(rule),
    ]
}

fn with_records(rule: &Rule, dependent: &Dependent) -> Vec<Cell> {
    let of = dependent.of.as_ref().map_or_else(
        || Line::words("go with the rule’s record"),
        |of| Line::words("go with dependent ").called(of),
    );
    let key = &dependent.dataset.key;
    let key = (!key.is_empty()).then(|| Line::words("key ").then(Line::names(key)));
    vec![
        Cell::of(Line::name(&dependent.dataset.dataset))
            .beside_all(key)
            .beside(of)
            .beside(dependent.belongs.clone()),
        Cell::of(Line::name(&dependent.class)),
        Cell::of(Line::name(&rule.rule)).beside(Line::words("dependent ").called(&dependent.dependent)),
        done(Cell::default(), &dependent.action, Line::default())
            .beside_all(rule.then.clone().filter(|_| dependent.dataset.datastore == rule.dataset.datastore))
            .beside_all(only_observed(rule)),
        how_often(rule),
    ]
}

fn how_often(rule: &Rule) -> Cell {
    let gap = check::words(chrono::TimeDelta::seconds(rule.longest_gap_seconds));
    Cell::words(format!("at most {gap} apart")).beside(Line::name(&rule.schedule).and(" UTC"))
}

/// What is said of the backups of a datastore; nothing, where it holds backups itself.
fn backups(datastore: &Datastore) -> Option<Line> {
    if let Some((first, more)) = datastore.backups.split_first() {
        let each = more.iter().fold(under(first), |line, backup| line.and(" ").then(under(backup)));
        return Some(Line::words("Backups: ").then(each));
    }
    let none = "Backups: no enforced rule is over backups of this datastore. What they hold is not reached.";
    (!datastore.holds_backups).then(|| Line::words(none))
}

/// A rule over backups.
fn under(backup: &BackedUp) -> Line {
    let BackedUp { rule, owner, datastore, dataset, every, delete_by } = backup;
    let place = Line::words("in ").called(datastore).and(", ").called(dataset);
    let answers = Line::words(", under rule ").called(rule).and(format!(" ({owner}): "));
    let ends = format!("one is begun every {every}, and gone no later than {delete_by} after. ");
    let reached = Line::words("What is disposed of here is gone from them ").then(gone(backup)).and(".");
    place.then(answers).and(ends).then(reached)
}

fn special_cases(concept: &Concept, service: &Service) -> Vec<Line> {
    let requests = concept.rules_of(&service.service).filter_map(on_erasure);
    let exceptions = concept.rules_of(&service.service).filter_map(exception);
    let backups = concept.rules_of(&service.service).filter_map(backup);
    let observed = concept.rules_of(&service.service).filter_map(observed);
    let waived = service.waivers.iter().map(waived);
    let reached = observed.chain(requests).chain(not_reached(concept, service));
    reached.chain(exceptions).chain(backups).chain(waived).collect()
}

/// What an erasure request does, where it reaches anything.
fn on_erasure(rule: &Rule) -> Option<Line> {
    let whose = format!("{}.{}", rule.dataset.dataset, rule.subject.as_ref()?);
    let records = Line::default()
        .strong("Erasure request")
        .and(", ")
        .called(&rule.rule)
        .and(": the records of the data subject (")
        .called(whose);
    match &rule.on_erasure {
        OnErasure::Dispose if rule.mode == Mode::Observe.as_str() => {
            Some(records.and(") stay, since the rule only observes. The request stays open."))
        }
        OnErasure::Dispose => {
            let selected = if rule.only.is_empty() { "" } else { ", as far as the rule selects them," };
            let line = records.and(format!(
                "){selected} go with the next sweep, with what hangs on them, whatever their periods."
            ));
            let kept = " What a matching row keeps (see what is left out) stays, and keeps the request open.";
            Some(if rule.unless.is_empty() { line } else { line.and(kept) })
        }
        OnErasure::Keep { reason } => Some(records.and(") are kept. ").and(reason)),
        OnErasure::NotReached => None,
    }
}

/// The rules that do not know whose records they dispose of.
fn not_reached(concept: &Concept, service: &Service) -> Option<Line> {
    let rules = concept.rules_of(&service.service).filter(|rule| rule.on_erasure == OnErasure::NotReached);
    let names: Vec<&str> = rules.map(|rule| rule.rule.as_str()).collect();
    (!names.is_empty()).then(|| {
        Line::default()
            .strong("Erasure request")
            .and(": none reaches the records of ")
            .then(Line::names(names))
            .and(", since nothing there says whose they are. They go by their period.")
    })
}

/// What a rule leaves out.
fn exception(rule: &Rule) -> Option<Line> {
    if rule.only.is_empty() && rule.unless.is_empty() {
        return None;
    }
    let mut line = Line::default().strong("Left out").and(", ").called(&rule.rule).and(": ");
    if !rule.only.is_empty() {
        line = line
            .and("records are disposed of only where ")
            .then(Line::all(rule.only.iter().cloned()))
            .and(". ");
    }
    for unless in &rule.unless {
        line = line.and("A record is kept while ").then(unless.clone()).and(". ");
    }
    Some(match &rule.except {
        Some(except) => line.and("The promise leaves out the same: ").and(except).and("."),
        None => line.and("No promise leaves these out."),
    })
}

fn observed(rule: &Rule) -> Option<Line> {
    let said = ": the rule counts what is due, and nothing is disposed of yet.";
    only_observed(rule).map(|word| word.and(", ").called(&rule.rule).and(said))
}

/// What stands beside everything that such a rule says of what it does and by when.
pub(super) fn only_observed(rule: &Rule) -> Option<Line> {
    (rule.mode == Mode::Observe.as_str()).then(|| Line::default().strong("Only observed"))
}

fn waived(waiver: &Waiver) -> Line {
    let Waiver { datastore, dataset, reason } = waiver;
    Line::default()
        .strong("Not governed")
        .and(", ")
        .called(dataset)
        .and(" in ")
        .called(datastore)
        .and(": ")
        .and(reason)
}

fn backup(rule: &Rule) -> Option<Line> {
    let backup = rule.backup.as_ref()?;
    let wanted = backup
        .keep_at_least
        .map(|n| format!(" The operator wants to have at least {n}; the deadline goes first."));
    Some(
        Line::default()
            .strong("Backups")
            .and(", ")
            .called(&rule.rule)
            .and(": these files are backups of ")
            .then(Line::names(&backup.of))
            .and(format!(", of which one is begun every {}.", backup.every))
            .and(wanted.unwrap_or_default()),
    )
}
