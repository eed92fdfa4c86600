//! The shipped rules against the policy: no row of its table without a promise, no promise without a row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use expunged::model::datastore::Defaults;
use expunged::model::level::Level;
use expunged::model::name::ClassName;
use expunged::rules::check::{self, ProvedPromise};
use expunged::rules::document;
use expunged::rules::rule::{Dataset, Promise, Rule, RuleSet, Service};

const FIXTURE: &str = include_str!("../fixtures/policy-promises.md");

/// Words of the policy that are no figure, so that somebody has to decide one.
const NO_FIGURE: [&str; 3] = ["decided by the operator", "promptly", "without delay"];

/// What the fixture says.
struct Policy {
    /// The policy's own table.
    rows: BTreeMap<u8, Row>,
    /// Its rows' promises in `rules/`.
    promises: Vec<Declared>,
    /// The classes of the policy's words for records, by row.
    classes: BTreeMap<(u8, String), Vec<String>>,
}

/// One row of the policy's table.
struct Row {
    service: String,
    promise: String,
    bound: String,
    records: Vec<String>,
}

/// One promise as `rules/` has to declare it.
struct Declared {
    row: u8,
    id: String,
    bound: String,
}

fn policy(text: &str) -> Policy {
    let mut policy = Policy { rows: BTreeMap::new(), promises: Vec::new(), classes: BTreeMap::new() };
    let mut section = "";
    for line in text.lines() {
        section = line.strip_prefix("## ").unwrap_or(section);
        let Some((number, cells)) = cells(line) else { continue };
        match (section, cells.as_slice()) {
            ("The policy", [service, promise, _trigger, bound, records]) => {
                let [service, promise, bound] = [first_code(service), plain(promise), plain(bound)];
                let row = Row { service, promise, bound, records: phrases(records) };
                assert!(policy.rows.insert(number, row).is_none(), "row {number} stands twice");
            }
            ("Its promises in `rules/`", [id, bound]) => {
                policy.promises.push(Declared { row: number, id: first_code(id), bound: plain(bound) });
            }
            ("Its records in `rules/`", [records, classes]) => {
                let classes = classes.split(", ").map(first_code).collect();
                policy.classes.insert((number, plain(records)), classes);
            }
            _ => panic!("the line belongs to no table: {line}"),
        }
    }
    policy
}

/// The number and the further cells of a table's line; none where it is another line, or a head.
fn cells(line: &str) -> Option<(u8, Vec<&str>)> {
    let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    Some((number, cells.collect()))
}

fn plain(cell: &str) -> String {
    cell.replace("**", "")
}

/// What stands between the first two backticks.
fn first_code(cell: &str) -> String {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no name in `{cell}`")).to_owned()
}

/// Splits at commas and semicolons, but for those within parentheses.
fn phrases(cell: &str) -> Vec<String> {
    let mut depth = 0;
    let between = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0 && matches!(c, ',' | ';')
    };
    plain(cell).split(between).map(|phrase| phrase.trim().to_owned()).collect()
}

/// The periods a text names, such as `24 hours`; a calendar month is a month.
fn figures(text: &str) -> BTreeSet<String> {
    let text = text.replace("calendar ", "").replace("six ", "6 ");
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let unit = |word: &str| ["hour", "day", "month", "year"].contains(&word.trim_end_matches('s'));
    let periods = words.windows(2).filter(|pair| pair[0].parse::<u32>().is_ok() && unit(pair[1]));
    periods.map(|pair| pair.join(" ")).collect()
}

impl Policy {
    /// What the fixture's own tables leave out or add.
    fn slips(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (number, row) in &self.rows {
            let of_row: Vec<&str> =
                self.promises.iter().filter(|p| p.row == *number).map(|p| p.bound.as_str()).collect();
            let (policy, ours) =
                (figures(&format!("{} {}", row.promise, row.bound)), figures(&of_row.join("; ")));
            if policy != ours {
                found.push(format!(
                    "row {number}: the policy's figures are {policy:?}, declared are {ours:?}"
                ));
            }
            let says = |word: &str| row.bound.contains(word);
            for (said, word) in [
                (says("no later than"), "no later than"),
                (says("not before"), "not before"),
                (says("request"), "on request"),
                (NO_FIGURE.iter().any(|word| says(word)), "decided"),
            ] {
                if said != of_row.iter().any(|bound| bound.contains(word)) {
                    found.push(format!("row {number}: `{}` and {of_row:?}", row.bound));
                }
            }
            let unmapped =
                row.records.iter().filter(|words| !self.classes.contains_key(&(*number, (*words).clone())));
            found.extend(unmapped.map(|words| format!("row {number}: `{words}` has no class")));
        }
        found
    }

    fn service(&self, declared: &Declared) -> &str {
        &self.rows[&declared.row].service
    }

    fn classes(&self, row: u8) -> BTreeSet<&str> {
        let of_row = self.classes.iter().filter(|((number, _), _)| *number == row);
        of_row.flat_map(|(_, classes)| classes).map(String::as_str).collect()
    }

    /// What the rules fail to say or keep of the policy, and what they promise beside it.
    fn differences(&self, set: &RuleSet, kept: &[ProvedPromise]) -> Vec<String> {
        let mut found = self.slips();
        for service in &set.services {
            for promise in &service.promises {
                let same =
                    |d: &&Declared| self.service(d) == service.id.as_str() && d.id == promise.id.as_str();
                if !self.promises.iter().any(|d| same(&d)) {
                    found.push(format!("{}/{} stands in no row", service.id, promise.id));
                }
            }
        }
        for declared in &self.promises {
            let (service, id) = (self.service(declared), &declared.id);
            let rules = set.services.iter().find(|s| s.id.as_str() == service);
            let promise = rules.and_then(|s| s.promises.iter().find(|p| p.id.as_str() == id));
            let kept = kept.iter().find(|p| p.service.as_str() == service && p.promise.as_str() == id);
            let problems = match (promise, kept) {
                (Some(promise), Some(kept)) => {
                    [self.broken(declared, promise, kept), self.restorable(declared, promise, rules)].concat()
                }
                (Some(_), None) => vec!["not kept".to_owned()],
                (None, _) => vec!["not declared".to_owned()],
            };
            found.extend(problems.into_iter().map(|problem| format!("{service}/{id}: {problem}")));
        }
        found
    }

    /// Rules that leave to the engine what the policy wants physically gone. Files have no versions that one could be asked about.
    fn restorable(&self, declared: &Declared, promise: &Promise, service: Option<&Service>) -> Vec<String> {
        let wanted = self.rows[&declared.row].bound.contains("physically gone");
        let rules = service.into_iter().flat_map(|service| &service.rules).filter(|_| wanted);
        let of_rows = rules.filter(|rule| matches!(rule.dataset, Dataset::Table { .. }));
        let reaches = |rule: &&Rule| {
            let mut classes = rule.dependents.iter().map(|d| &d.class).chain([&rule.class]);
            classes.any(|class| promise.covers.contains(class))
        };
        let left = of_rows.filter(reaches).filter(|rule| rule.then != Level::Rewritten);
        left.map(|rule| format!("what {} disposes of could be restored", rule.id.local)).collect()
    }

    fn broken(&self, declared: &Declared, promise: &Promise, kept: &ProvedPromise) -> Vec<String> {
        let mut found = Vec::new();
        let bound = bound(promise);
        // A figure the operator decided alone is not the policy's to repeat, nor how long it waits.
        if bound != declared.bound && !(declared.bound == "decided" && bound.ends_with("then decided")) {
            found.push(format!("declared is {bound}, the policy says {}", declared.bound));
        }
        for part in ["Web privacy policy", "2020-04-28"] {
            if !promise.source.contains(part) {
                found.push(format!("the source does not name {part}"));
            }
        }
        let covers: BTreeSet<&str> = promise.covers.iter().map(ClassName::as_str).collect();
        let reached = kept.keepers.iter().flat_map(|keeper| &keeper.classes).map(ClassName::as_str).collect();
        let classes = self.classes(declared.row);
        for (what, observed) in [("covers", covers), ("reached by its rules", reached)] {
            if observed != classes {
                found.push(format!("{what}: {observed:?}, the policy's records: {classes:?}"));
            }
        }
        found
    }
}

/// A promise's bound in the words of the fixture.
fn bound(promise: &Promise) -> String {
    let then = match (&promise.no_later_than, &promise.decision) {
        _ if promise.on_request => "on request".to_owned(),
        (Some(_), Some(_)) => "decided".to_owned(),
        (Some(period), None) => format!("no later than {period}"),
        (None, _) => "without end".to_owned(),
    };
    let not_before = promise.not_before.as_ref().map(|period| format!("not before {period}, then {then}"));
    not_before.unwrap_or(then)
}

fn shipped() -> (RuleSet, Vec<ProvedPromise>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let set = document::load(&directory, &Defaults::default()).unwrap_or_else(|e| panic!("{e}"));
    let kept = check::check(&set, &Defaults::default()).unwrap_or_else(|e| panic!("{e}")).promises;
    (set, kept)
}

#[test]
fn every_promise_of_the_policy_is_declared_and_kept_for_all_its_records() {
    let (set, kept) = shipped();
    let policy = policy(FIXTURE);
    assert_eq!(policy.rows.keys().copied().collect::<Vec<_>>(), (1..=19).collect::<Vec<_>>());
    assert_eq!(policy.rows.values().map(|row| &row.service).collect::<BTreeSet<_>>().len(), 11);
    assert_eq!(policy.differences(&set, &kept), [""; 0]);
}

#[test]
fn a_promise_or_a_row_that_was_taken_away_is_found() {
    let (mut set, kept) = shipped();
    let mut policy = policy(FIXTURE);
    let last = policy.promises.pop().unwrap();
    assert_eq!(policy.differences(&set, &kept), ["website-statistics/evaluated stands in no row"]);
    policy.promises.push(last);
    let service = set.services.iter_mut().find(|s| s.id.as_str() == "gsi-parser").unwrap();
    service.promises.retain(|p| p.id.as_str() != "report");
    assert_eq!(policy.differences(&set, &kept), ["gsi-parser/report: not declared"]);
}

#[test]
fn another_figure_a_missing_decision_and_a_missing_class_are_found() {
    let found = |from: &str, to: &str| {
        assert_eq!(FIXTURE.matches(from).count(), 1, "`{from}`");
        let (set, kept) = shipped();
        policy(&FIXTURE.replace(from, to)).differences(&set, &kept).join("\n")
    };
    assert!(
        found("longer than **90 days**", "longer than **60 days**")
            .starts_with("row 12: the policy's figures")
    );
    let declared =
        found("| 12 | `report` | no later than 90 days |", "| 12 | `report` | no later than 60 days |");
    assert!(declared.contains("gsi-parser/report: declared is no later than 90 days"), "{declared}");
    let decided = found("| 4 | `backups` | no later than 1 month |", "| 4 | `backups` | decided |");
    assert!(decided.contains("business-hub/backups: declared is no later than 1 month"), "{decided}");
    let class = found(", support requests and attachments |", ", support requests, attachments |");
    assert!(class.contains("row 10: `attachments` has no class"), "{class}");
    let (mut set, kept) = shipped();
    let newsletter =
        set.services.iter_mut().flat_map(|s| &mut s.promises).find(|p| p.id.as_str() == "newsletter");
    newsletter.unwrap().decision = None;
    let undecided = policy(FIXTURE).differences(&set, &kept);
    assert_eq!(
        undecided,
        ["web-forms/newsletter: declared is no later than 3 days, the policy says decided"]
    );
    let (mut set, kept) = shipped();
    for rule in set.services.iter_mut().flat_map(|s| &mut s.rules) {
        rule.then = Level::Logical;
    }
    let restorable = ["report", "account"]
        .map(|rule| format!("gsi-parser/report: what {rule} disposes of could be restored"));
    assert_eq!(policy(FIXTURE).differences(&set, &kept), restorable);
    let reached = found("`reports`, `report-files`", "`reports`, `report-files`, `copies`");
    assert_eq!(reached.matches("gsi-parser/report: ").count(), 2, "{reached}");
}
