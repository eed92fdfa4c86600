//! Markdown, page and JSON of one concept.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{RULES, concept, configured, markdown_shows, page_shows, rules, varied};
use crate::architecture::source::root;
use crate::report::forms::checked;

/// What each form says, but for digests.
fn said(text: &str) -> String {
    varied(&rules(text))
        .to_markdown()
        .lines()
        .filter(|l| !l.contains("SHA-256") && !l.contains("#service-site"))
        .collect()
}

/// A release changes no snapshot.
fn unversioned(text: &str) -> String {
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_concept_as_markdown() {
    insta::assert_snapshot!(unversioned(&configured(&rules(RULES)).to_markdown()));
}

#[test]
fn the_concept_as_json() {
    let json = serde_json::to_string_pretty(&configured(&rules(RULES))).unwrap();
    insta::assert_snapshot!(unversioned(&json));
}

#[test]
fn the_same_rules_give_the_same_bytes_and_name_their_file() {
    let first = concept(&rules(RULES));
    let second = varied(&rules(RULES));
    assert_eq!(first.to_markdown(), second.to_markdown());
    assert_eq!(first.to_html().unwrap(), second.to_html().unwrap());
    let digest = first.services[0].sha256.clone().unwrap();
    assert!(first.to_markdown().contains(&digest) && first.to_html().unwrap().contains(&digest));
    let other = varied(&rules(&format!("{RULES}# a word more\n")));
    assert_ne!(other.services[0].sha256.as_ref(), Some(&digest));
}

#[test]
fn whatever_a_rule_says_otherwise_the_concept_says_otherwise() {
    let original = said(RULES);
    let mut seen = BTreeSet::from([original]);
    for (from, to) in [
        ("delete_by = \"14 days\"", "delete_by = \"13 days\""),
        ("retain = \"7 days\"\ndelete_by = \"1 month\"", "retain = \"8 days\"\ndelete_by = \"1 month\""),
        ("delete_by = \"21 days\"", "delete_by = \"20 days\""),
        ("no_later_than = \"1 month\"", "no_later_than = \"2 months\""),
        ("not_before = \"10 years\"", "not_before = \"9 years\""),
        ("\"0 0 */6 * * *\"", "\"0 0 */4 * * *\""),
        ("column = \"deleted_at\"", "column = \"closed_at\""),
        ("pick = \"earliest\"", "pick = \"latest\""),
        ("unit = \"ms\"", "unit = \"us\""),
        ("\"paid\", \"gift\"", "\"paid\""),
        ("match = { account_id = \"id\" }", "match = { account_no = \"id\" }"),
        ("open = true", "open = false"),
        ("author_ip = \"truncate-ip\"", "author_ip = \"keyed\""),
        ("{ fixed = \"gone\" }", "{ fixed = \"deleted\" }"),
        ("mark = \"pseudonymized_at\"", "mark = \"done_at\""),
        ("pattern = \"images/{id}/**\"", "pattern = \"pictures/{id}/**\""),
        ("on_erasure = \"dispose\"", "on_erasure = { keep = \"GDPR Art. 17(3)(e)\" }"),
        ("every = \"1 day\"", "every = \"2 days\""),
        ("keep_at_least = 3", "keep_at_least = 4"),
        ("of = [\"site\"]", "of = [\"uploads\"]"),
        ("key = [\"tenant\", \"id\"]", "key = [\"id\"]"),
        ("region = \"eu\"", "region = 1"),
        ("pending = [\"future\"]", "pending = [\"future\", \"null\"]"),
        ("source = \"GDPR Art. 17\"", "source = \"GDPR Art. 17(1)\""),
        ("the board, 2026-02-16", "the board, 2026-02-17"),
        ("Europe/Berlin", "Europe/Paris"),
        ("owner = \"site@example.com\"", "owner = \"privacy@example.com\""),
        ("class = \"imports\"", "class = \"uploads\""),
        ("datastore = \"vault\"", "datastore = \"cellar\""),
    ] {
        assert_eq!(RULES.matches(from).count(), 1, "`{from}`");
        assert!(seen.insert(said(&RULES.replace(from, to))), "`{from}` → `{to}`");
    }
}

/// A date that may be unknown starts the clock when it comes, not when somebody writes it down.
#[test]
fn a_date_that_may_lie_ahead_is_a_date_also_where_it_may_be_unknown() {
    let text = RULES.replace("pending = [\"future\"]", "pending = [\"null\", \"future\"]");
    let concept = concept(&rules(&text));
    let rule = concept.rules.iter().find(|rule| rule.rule.ends_with("invoices")).unwrap();
    assert_eq!(rule.start.words.to_string(), "when invoice.paid_on is reached");
}

/// What nobody enforces is marked wherever a limit stands, not only where somebody looks for special cases.
#[test]
fn limits_that_are_only_observed_are_marked_as_such() {
    let text =
        RULES.replace("pattern = \"imports/*.csv\"", "mode = \"observe\"\npattern = \"imports/*.csv\"");
    let markdown = concept(&rules(&text)).to_markdown();
    let marked =
        markdown.lines().filter(|line| line.contains("imports") && line.contains("**Only observed**"));
    // Among the time limits, the rules, the datasets and the special cases.
    assert_eq!(marked.count(), 4, "{markdown}");
    assert!(!concept(&rules(RULES)).to_markdown().contains("Only observed"));
}

#[test]
fn a_class_whose_datastores_have_not_all_a_rule_over_their_backups_says_which() {
    let text = RULES.replace("[[rule]]\nid = \"letters\"", "[[rule]]\nid = \"archive\"\nclass = \"comments\"\nkeeps = []\ndatastore = \"site\"\ntable = \"archive\"\nkey = [\"id\"]\ntrigger = { column = \"at\" }\nretain = \"1 day\"\ndelete_by = \"9 days\"\naction = \"delete\"\n\n[[rule]]\nid = \"letters\"");
    let markdown = markdown_shows(&concept(&rules(&text)).to_markdown()).0;
    // The comments are in `site`, whose backups go, and their images in `uploads`.
    assert!(markdown.contains("atmost24hours+21dayslater,ofsite"), "{markdown}");
    assert!(markdown.contains("noruleisoverthem,ofuploads"), "{markdown}");
}

#[test]
fn markdown_and_the_page_say_the_same() {
    for concept in [concept(&rules(RULES)), configured(&rules(RULES))] {
        let page = page_shows(&concept.to_html().unwrap());
        assert!(page.len() > 5_000, "{page}");
        assert_eq!(markdown_shows(&concept.to_markdown()).0, page);
    }
}

#[test]
fn the_page_is_whole_accessible_and_needs_nothing_from_elsewhere() {
    let html = configured(&rules(RULES)).to_html().unwrap();
    assert_eq!(checked(&html), "");
    for text in
        ["prefers-color-scheme: dark", "@media print", "<div class=\"scroll\" role=\"region\" tabindex=\"0\""]
    {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn no_path_of_a_datastore_is_handed_on() {
    let concept = configured(&rules(RULES));
    let json = serde_json::to_string(&concept).unwrap();
    for form in [concept.to_markdown(), concept.to_html().unwrap(), json] {
        assert!(!form.contains("secret-path") && form.contains("sqlite"));
    }
}

/// What a person can write wherever a rule file lets them: as TOML, and as it is shown.
const HOSTILE: [(&str, &str); 11] = [
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("a | b \\\\| c", "a | b \\| c"),
    ("`code` and ``more`", "`code` and ``more`"),
    ("**bold** _slanted_ ~~gone~~ $x$", "**bold** _slanted_ ~~gone~~ $x$"),
    ("[here](javascript:alert) ![](x)", "[here](javascript:alert) ![](x)"),
    ("&lt;b&gt; &amp; &#60;", "&lt;b&gt; &amp; &#60;"),
    ("\\\" onload=x '", "\" onload=x '"),
    ("# heading", "# heading"),
    ("1. item", "1. item"),
    ("Größe 名前 🗑 e\\u0301", "Größe 名前 🗑 e\u{301}"),
    ("back\\\\slash \\\\", "back\\slash \\"),
];

/// HTML that Markdown needs, and no other.
fn is_ours(tag: &str) -> bool {
    matches!(tag, "<br>" | "<code>" | "</code>" | "</a>")
        || tag.starts_with("<a id=\"") && tag.matches('"').count() == 2
}

/// Places of a rule file that hold words, and those that hold names of a datastore.
const WORDS: [&str; 8] = [
    "Site & friends",
    "site@example.com",
    "Gone when a person asks.",
    "GDPR Art. 17\"",
    "erasure request",
    "paid plans",
    "the board, 2026-02-16.",
    "{ keep = \"Tax code, § 147\"",
];
const NAMES: [&str; 6] =
    ["\"comment\"", "\"deleted_at\"", "\"gift\"", "\"tenant\"", "author_name", "\"pseudonymized_at\""];

#[test]
fn whatever_words_a_person_writes_show_as_written_and_become_no_markup() {
    for (toml, shown) in HOSTILE {
        for place in WORDS.iter().chain(&NAMES) {
            let plain = place.trim_start_matches("{ keep = ").trim_matches('"');
            let written = if *place == "author_name" { format!("\"{toml}\"") } else { toml.to_owned() };
            let text = RULES.replace(place, &place.replace(plain, &written));
            assert_ne!(text, RULES, "{place}");
            let concept = varied(&rules(&text));
            let (markdown, tags) = markdown_shows(&concept.to_markdown());
            let page = concept.to_html().unwrap();
            let wanted: String = shown.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
            assert!(markdown.contains(&wanted), "{place}: `{shown}` is not in\n{markdown}");
            assert_eq!(markdown, page_shows(&page), "{place}: {shown}");
            assert!(tags.iter().all(|tag| is_ours(tag)), "{place}: {tags:?}");
            assert!(!page.contains("<script") && !page.contains("\" onload"), "{place}: {shown}");
        }
    }
}

#[test]
fn what_would_break_a_line_or_turn_it_round_does_neither() {
    let evil = "a\\nb\\r\\n# c\\n\\n| d |\\u001b[31m\\u202Ee\\u2028f\\u0000";
    for place in WORDS {
        let plain = place.trim_start_matches("{ keep = ").trim_matches('"');
        // A legal reason stands in the ledger, where the file's reader lets no such thing in.
        if place.starts_with('{') {
            continue;
        }
        let concept = varied(&rules(&RULES.replace(place, &place.replace(plain, evil))));
        let markdown = concept.to_markdown();
        assert!(markdown.contains("a b # c \\| d \\|\u{fffd}\\[31m\u{fffd}e f\u{fffd}"), "{markdown}");
        let hidden = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
        for form in [markdown.clone(), concept.to_html().unwrap()] {
            assert_eq!(form.chars().find(hidden), None, "{place}");
        }
        assert_eq!(markdown_shows(&markdown).0, page_shows(&concept.to_html().unwrap()));
    }
}

#[test]
fn every_field_of_the_json_is_documented() {
    let documentation = std::fs::read_to_string(root().join("docs/commands.md")).unwrap();
    let part = documentation.split("### The deletion concept\n").nth(1).expect("a heading of its own");
    let part = part.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let documented: BTreeSet<&str> =
        part.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches("[]")).collect();
    let mut fields = BTreeSet::new();
    collect(&serde_json::to_value(configured(&rules(RULES))).unwrap(), &mut fields);
    let missing: Vec<&String> = fields.iter().filter(|field| !documented.contains(field.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn collect(value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                fields.insert(name.clone());
                collect(value, fields);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
