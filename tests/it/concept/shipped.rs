//! The shipped rules: nothing of them is missing from their concept.

use std::path::Path;

use expunged::model::datastore::Defaults;
use expunged::rules::document;
use expunged::rules::rule::{Dataset, DependentDataset, RuleSet, TriggerPlace};

use super::{concept, markdown_shows, page_shows, written};
use crate::report::forms::checked;

fn shipped() -> RuleSet {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    document::load(&directory, &Defaults::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// What each form has to show of these rules.
fn wanted(set: &RuleSet) -> Vec<String> {
    let mut all = Vec::new();
    for service in &set.services {
        let zone = service.calendar.zone().to_string();
        all.extend([service.id.to_string(), service.name.clone(), service.owner.clone(), zone]);
        for promise in &service.promises {
            all.extend([
                promise.id.to_string(),
                promise.text.clone(),
                promise.source.clone(),
                promise.trigger.clone(),
            ]);
            all.extend(promise.decision.clone());
            all.extend(promise.except.clone());
            all.extend(promise.not_before.map(|period| format!("not before {period}")));
            all.extend(promise.no_later_than.map(|period| format!("no later than {period}")));
            all.extend(promise.covers.iter().map(ToString::to_string));
        }
    }
    for (_, rule) in set.rules() {
        all.extend([rule.id.to_string(), rule.class.to_string(), rule.datastore.to_string()]);
        all.extend([rule.retain.to_string(), rule.delete_by.to_string(), rule.schedule.to_string()]);
        all.push(rule.dataset.name().to_owned());
        if let Dataset::Table { key, .. } = &rule.dataset {
            all.extend(key.iter().map(ToString::to_string));
        }
        all.extend(match &rule.trigger.place {
            TriggerPlace::Column(column) => vec![format!("{}.{column}", rule.dataset.name())],
            TriggerPlace::Rows { table, column, .. } => vec![format!("{table}.{column}")],
            TriggerPlace::Name => rule.trigger.reading.format.clone().into_iter().collect(),
            TriggerPlace::Modified | TriggerPlace::ObjectModified => vec!["last modified".to_owned()],
            TriggerPlace::Field(field) => vec![field.clone()],
            TriggerPlace::Idle => vec!["last used".to_owned()],
            TriggerPlace::Request => vec!["demands erasure".to_owned()],
        });
        for dependent in &rule.dependents {
            all.extend([
                dependent.id.to_string(),
                dependent.class.to_string(),
                dependent.datastore.to_string(),
            ]);
            all.push(dependent.dataset.name().to_owned());
            if let DependentDataset::Rows { matches, .. } = &dependent.dataset {
                let whose = if dependent.of.is_some() { "dependent" } else { "record" };
                all.extend(
                    matches.iter().map(|pair| format!("{} = the {whose}’s {}", pair.theirs, pair.ours)),
                );
            }
        }
    }
    all
}

#[test]
fn nothing_of_the_shipped_rules_is_missing_from_their_concept() {
    let set = shipped();
    let concept = concept(&set);
    let (markdown, page) = (concept.to_markdown(), concept.to_html().unwrap());
    let (markdown, page) = (markdown_shows(&markdown).0, page_shows(&page));
    let wanted = wanted(&set);
    assert!(wanted.len() > 300, "{}", wanted.len());
    for text in wanted {
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        assert!(markdown.contains(&squeezed) && page.contains(&squeezed), "{text}");
    }
    assert_eq!(markdown, page);
    assert_eq!(checked(&concept.to_html().unwrap()), "");
}

/// The figures stand where they belong: each rule's row for each of its classes has that rule's bounds and no other's.
#[test]
fn each_class_stands_with_the_bounds_of_its_own_rule() {
    let set = shipped();
    let markdown = written(&set, &[]).to_markdown();
    for (service, rule) in set.rules() {
        let classes = rule.dependents.iter().map(|d| &d.class).chain([&rule.class]);
        for class in classes {
            let part = markdown.split(&format!("<a id=\"service-{}\">", service.id)).nth(1).unwrap();
            let row = format!("| `{class}`<br>rule `{}` |", rule.id);
            let cells: Vec<&str> =
                part.lines().find(|line| line.starts_with(&row)).unwrap().split(" | ").collect();
            assert_eq!(cells[2..4], [rule.retain.to_string(), rule.delete_by.to_string()], "{row}");
        }
    }
}

#[test]
fn every_class_is_in_the_matrix_under_its_deadline() {
    let set = shipped();
    let concept = written(&set, &[]);
    for (service, rule) in set.rules() {
        let classes = rule.dependents.iter().map(|d| &d.class).chain([&rule.class]);
        for class in classes {
            let here =
                concept.deletion_classes.iter().filter(|cell| cell.delete_by == rule.delete_by.to_string());
            let found = here.flat_map(|cell| &cell.members).any(|member| {
                member.service == service.id.as_str() && member.classes.iter().any(|c| c == class.as_str())
            });
            assert!(found, "{}: {class}", rule.id);
        }
    }
}
