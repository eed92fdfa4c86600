//! What the house does without: unfinished code, silenced lints, skipped tests, a fat `main`.

use std::path::Path;

use crate::architecture::source::{Token, root, rust_files, tokens};

/// Every file of ours, with its path from the repository's root and its tokens.
fn files() -> Vec<(String, Vec<Token>)> {
    let mut all = Vec::new();
    for directory in ["src", "tests"] {
        for (file, text) in rust_files(directory) {
            all.push((format!("{directory}/{}", file.display()), tokens(&text)));
        }
    }
    all
}

/// What stands between the brackets of each `#[…]` and `#![…]`.
fn attributes(tokens: &[Token]) -> Vec<&[Token]> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let opens = matches!(&tokens[..i], [.., Token::Mark('#')] | [.., Token::Mark('#'), Token::Mark('!')]);
        if *token == Token::Mark('[') && opens {
            let mut depth = 1;
            let inside = tokens[i + 1..].iter().take_while(|t| {
                match t {
                    Token::Mark('[') => depth += 1,
                    Token::Mark(']') => depth -= 1,
                    Token::Word(_) | Token::Colons | Token::Mark(_) => {}
                }
                depth > 0
            });
            found.push(&tokens[i + 1..=i + inside.count()]);
        }
    }
    found
}

/// What is unfinished, silenced, skipped or hidden in a file.
fn smells(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        if let [Token::Word(name), Token::Mark('!')] = pair
            && ["todo", "unimplemented", "dbg", "include"].contains(&name.as_str())
        {
            found.push(format!("{name}!"));
        }
    }
    for attribute in attributes(tokens) {
        // `cfg_attr` puts an attribute behind a condition: it counts wherever it stands.
        if attribute.windows(2).any(|pair| pair[0].is("allow") && pair[1] == Token::Mark('(')) {
            found.push("#[allow]".to_owned());
        }
        if attribute.iter().any(|t| t.is("ignore")) {
            found.push("#[ignore]".to_owned());
        }
        // A module elsewhere than its name says would be on another floor than its folder.
        if attribute.first().is_some_and(|t| t.is("path")) {
            found.push("#[path]".to_owned());
        }
    }
    found
}

#[test]
fn nothing_is_unfinished_silenced_or_skipped() {
    let found: Vec<String> = files()
        .iter()
        .flat_map(|(file, tokens)| smells(tokens).into_iter().map(move |smell| format!("{file}: {smell}")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_smell_is_noticed() {
    for (source, smell) in [
        ("fn f() { todo!() }", "todo!"),
        ("fn f() { unimplemented!(\"later\") }", "unimplemented!"),
        ("#[ignore] fn f() {}", "#[ignore]"),
        ("#[ignore = \"slow\"] fn f() {}", "#[ignore]"),
        ("#[allow(dead_code)] fn f() {}", "#[allow]"),
        ("#![allow(dead_code)]", "#[allow]"),
        ("#[cfg_attr(test, allow(dead_code))] fn f() {}", "#[allow]"),
        ("#[path = \"elsewhere.rs\"] mod m;", "#[path]"),
    ] {
        assert_eq!(smells(&tokens(source)), [smell], "{source}");
    }
    assert_eq!(smells(&tokens("fn allow(path: &Path) -> bool { ignore[0] != path }")), [""; 0]);
}

/// Where a crate may be spoken to, so that what it is for stays in one place.
const CONFINED: [(&str, &[&str]); 8] = [
    ("sqlx", &["src/state/", "src/datastore/", "src/cli/demo/"]),
    ("rustix", &["src/datastore/files/", "src/sweep/trial/processor.rs", "src/clock.rs"]),
    ("anyhow", &["src/cli/", "src/deployment/", "src/main.rs"]),
    ("axum", &["src/daemon/http.rs"]),
    ("sd_notify", &["src/daemon/"]),
    ("tracing_journald", &["src/cli/log.rs"]),
    ("url", &["src/config/address.rs"]),
    ("percent_encoding", &["src/config/address.rs"]),
];

#[test]
fn a_crate_is_used_only_where_it_belongs() {
    for (file, tokens) in files().iter().filter(|(file, _)| file.starts_with("src/")) {
        for (name, places) in CONFINED {
            let used = tokens.windows(2).any(|pair| pair[0].is(name) && pair[1] == Token::Colons);
            let belongs = places.iter().any(|place| file.starts_with(place));
            assert!(belongs || !used, "{file} uses `{name}`, which belongs into {places:?}");
        }
    }
}

#[test]
fn main_only_calls_the_command_line() {
    let text = std::fs::read_to_string(root().join(Path::new("src/main.rs"))).unwrap();
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.trim().starts_with("//")).count();
    assert!(
        lines <= 40,
        "src/main.rs has {lines} lines of code; what is more than a call belongs into src/cli"
    );
    let tokens = tokens(&text);
    assert!(!tokens.iter().any(|t| t.is("mod")), "src/main.rs declares a module");
    for (i, token) in tokens.iter().enumerate() {
        let path = token.is("expunged") && tokens.get(i + 1) == Some(&Token::Colons);
        assert!(!path || tokens[i + 2].is("cli"), "src/main.rs goes past src/cli");
    }
}
