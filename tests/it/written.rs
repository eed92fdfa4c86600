//! Documents of which the program itself writes parts: tables of keys, messages, whole sessions. Where such a part is out of
//! date the test fails; `EXPUNGED_UPDATE_DOCS=1 tests/run written` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use expunged::config;
use expunged::diagnostic::Code;
use expunged::diagnostic::shape::{Need, Shape, Type};
use expunged::rules::document;
use tempfile::TempDir;

use crate::architecture::source::root;
use crate::servers::postgres::Database;
use crate::world::statements;

/// Lines of a document, and what stands between its fences.
struct Document {
    path: std::path::PathBuf,
    before: String,
    after: String,
}

impl Document {
    fn open(name: &str) -> Self {
        let path = root().join(name);
        let before = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        Self { path, before, after: String::new() }
    }

    /// Fails where the program would write something else, unless it is asked to write.
    fn close(self) {
        if self.before == self.after {
            return;
        }
        if std::env::var_os("EXPUNGED_UPDATE_DOCS").is_some() {
            return std::fs::write(&self.path, &self.after).unwrap();
        }
        let line = self.before.lines().zip(self.after.lines()).position(|(a, b)| a != b).unwrap_or(0);
        panic!(
            "{}:{}: out of date:\n  written  {:?}\n  now      {:?}\nrun `EXPUNGED_UPDATE_DOCS=1 tests/run written`",
            self.path.display(),
            line + 1,
            self.before.lines().nth(line),
            self.after.lines().nth(line)
        );
    }
}

/// The lines of a fenced block, without its fences.
fn block<'t>(lines: &mut impl Iterator<Item = &'t str>) -> String {
    let inside = lines.take_while(|line| *line != "```");
    inside.fold(String::new(), |text, line| text + line + "\n")
}

// Tables of keys.

#[test]
fn the_tables_of_keys_are_those_that_the_reader_obeys() {
    let mut document = Document::open("docs/rules.md");
    let text = document.before.clone();
    let mut lines = text.lines();
    let mut shown = BTreeSet::new();
    while let Some(line) = lines.next() {
        writeln!(document.after, "{line}").unwrap();
        let Some(path) = line.strip_prefix("<!-- keys ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let end = lines.by_ref().find(|line| *line == "<!-- end -->");
        assert!(end.is_some(), "docs/rules.md: no end after `{line}`");
        document.after.push('\n');
        for shape in shapes(path) {
            shown.insert(std::ptr::from_ref(shape));
            document.after.push_str(&keys(shape));
        }
        document.after.push_str("\n<!-- end -->\n");
    }
    let mut all = BTreeSet::new();
    for shape in [&document::FILE, &config::FILE] {
        with_keys(shape, &mut all);
    }
    let missing = all.iter().filter(|shape| !shown.contains(*shape)).count();
    document.close();
    assert_eq!(missing, 0, "docs/rules.md does not show {missing} tables of keys");
}

fn with_keys(shape: &'static Shape, all: &mut BTreeSet<*const Shape>) {
    let values = shape.keys.iter().map(|key| &key.value).chain(shape.names);
    if !shape.keys.is_empty() && !all.insert(std::ptr::from_ref(shape)) {
        return;
    }
    for value in values {
        for inner in tables(value) {
            with_keys(inner, all);
        }
    }
}

/// The tables that a value may be, or hold.
fn tables(value: &'static Type) -> Vec<&'static Shape> {
    let one = |value: &'static Type| match value {
        Type::Table(shape) => vec![*shape],
        Type::List(of) | Type::Any(of) => tables(of),
        _ => Vec::new(),
    };
    value.each().into_iter().flat_map(one).collect()
}

/// Every table at a dotted path, from the root of the rules or of the configuration.
fn shapes(path: &str) -> Vec<&'static Shape> {
    let (root, path): (&'static Shape, _) = match path.split_once(' ') {
        Some(("configuration", path)) => (&config::FILE, path),
        _ => (&document::FILE, path),
    };
    let mut here = vec![root];
    for segment in path.split('.').filter(|segment| *segment != "file") {
        let value = |shape: &&'static Shape| {
            let key = shape.keys.iter().find(|key| key.name == segment).map(|key| &key.value);
            key.or(shape.names.filter(|_| segment == "*"))
        };
        here = here.iter().filter_map(value).flat_map(tables).collect();
    }
    assert!(!here.is_empty(), "docs/rules.md: `{path}` is no table");
    here
}

fn keys(shape: &Shape) -> String {
    let mut out = format!("{}\n\n| key | | value | what for |\n|---|---|---|---|\n", shape.about);
    for key in shape.keys {
        let need = match key.need {
            Need::Required => "required",
            Need::Optional => "",
        };
        writeln!(out, "| `{}` | {need} | {} | {} |", key.name, value(&key.value), key.about).unwrap();
    }
    for choice in shape.choices {
        let groups: Vec<String> = choice
            .iter()
            .map(|keys| keys.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" and "))
            .collect();
        writeln!(out, "\nRequired: {}.", groups.join(", or ")).unwrap();
    }
    out.push('\n');
    out
}

fn value(of: &'static Type) -> String {
    let each: Vec<String> = of.each().into_iter().map(one_value).collect();
    let mut distinct: Vec<String> = Vec::new();
    for value in each {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct.join(", or ")
}

fn one_value(of: &'static Type) -> String {
    match of {
        Type::Text(text) => text.what.to_owned(),
        Type::Word(words) => words.iter().map(|w| format!("`\"{w}\"`")).collect::<Vec<_>>().join(", "),
        Type::Integer(i64::MIN) => "an integer".to_owned(),
        Type::Integer(least) => format!("an integer from {least}"),
        Type::Number => "a number".to_owned(),
        Type::Boolean => "`true` or `false`".to_owned(),
        Type::True => "`true`".to_owned(),
        Type::Instant => "an instant with its offset".to_owned(),
        Type::List(of) | Type::Any(of) => format!("a list of: {}", value(of)),
        Type::Table(_) => "a table".to_owned(),
        Type::OneOf(_) => value(of),
    }
}

// Messages.

/// The world of an example: the files that the document shows first, and what an example changes in them.
struct Example {
    files: Vec<(String, String)>,
}

impl Example {
    /// Several changes are told apart by a line `@@`.
    fn with(&self, diff: &str) -> Self {
        diff.split("@@\n").fold(Self { files: self.files.clone() }, |example, change| example.changed(change))
    }

    fn changed(&self, diff: &str) -> Self {
        let mut files = self.files.clone();
        if let Some((name, text)) = diff.strip_prefix("+++ ").and_then(|rest| rest.split_once('\n')) {
            let text = text.lines().filter_map(|line| line.strip_prefix('+')).collect::<Vec<_>>().join("\n");
            files.push((name.to_owned(), text + "\n"));
            return Self { files };
        }
        let (mut out, mut into) = (Vec::new(), Vec::new());
        for line in diff.lines() {
            match line.split_at_checked(1) {
                Some(("-", text)) => out.push(text.to_owned()),
                Some(("+", text)) => into.push(text.to_owned()),
                _ => {}
            }
        }
        let (out, into) =
            (out.join("\n") + "\n", into.iter().fold(String::new(), |text, line| text + line + "\n"));
        if out == "\n" {
            // Only new lines: they follow the rules.
            files[0].1.push_str(&into);
            return Self { files };
        }
        let (_, text) = files
            .iter_mut()
            .find(|(_, text)| text.matches(&out).count() == 1)
            .unwrap_or_else(|| panic!("no file of the example holds once:\n{out}"));
        *text = text.replacen(&out, &into, 1);
        Self { files }
    }

    /// What the program says of it, after the mode of one file was set.
    fn checked(&self, arguments: &[&str], mode: Option<(&str, &str)>) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match name.strip_suffix(".sql") {
                Some(database) => statements(&directory.path().join(format!("{database}.db")), text),
                None => std::fs::write(path, text).unwrap(),
            }
        }
        Self::said(&directory, arguments, mode)
    }

    /// The same with its database on PostgreSQL, under an account that may do what the rules need.
    fn checked_on_postgres(&self, arguments: &[&str]) -> String {
        let (database, directory) = (Database::new(), tempfile::tempdir().unwrap());
        let role = database.role("SELECT 1");
        for (name, text) in &self.files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let here = "kind = \"sqlite\"\nurl = \"sqlite://site.db\"\n";
            match name.strip_suffix(".sql") {
                Some(_) => database.sql(text),
                None => std::fs::write(path, text.replace(here, &database.datastore(&role))).unwrap(),
            }
        }
        let grants = Self::program(&directory, &["grants"]);
        database.sql(&String::from_utf8(grants.stdout).unwrap());
        Self::said(&directory, arguments, None)
    }

    fn program(directory: &TempDir, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_expunged"));
        program.args(["--config", "expunged.toml"]).args(arguments).current_dir(directory.path());
        program.output().unwrap()
    }

    fn said(directory: &TempDir, arguments: &[&str], mode: Option<(&str, &str)>) -> String {
        if let Some((mode, file)) = mode {
            let mode = std::fs::Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap());
            std::fs::set_permissions(directory.path().join(file), mode).unwrap();
        }
        let said = String::from_utf8(Self::program(directory, arguments).stderr).unwrap();
        said.trim().replace(&directory.path().display().to_string(), "…")
    }
}

#[test]
fn every_code_has_a_wrong_example_and_the_documents_say_what_the_program_says() {
    let mut document = Document::open("docs/rules.md");
    let text = document.before.clone();
    let mut lines = text.lines();
    let mut example = Example { files: Vec::new() };
    let mut code = String::new();
    let mut diff: Option<(String, String)> = None;
    let mut shown = BTreeSet::new();
    while let Some(line) = lines.next() {
        writeln!(document.after, "{line}").unwrap();
        if let Some(heading) = line.strip_prefix("### ") {
            code = heading.split(':').next().unwrap().to_owned();
            continue;
        }
        let Some(fence) = line.strip_prefix("```").filter(|fence| !fence.is_empty()) else { continue };
        let body = block(&mut lines);
        match fence.split_once(' ').unwrap_or((fence, "")) {
            (_, name) if name.starts_with("example/") => {
                let name = name.trim_start_matches("example/").to_owned();
                example.files.push((name, body.clone()));
            }
            ("diff", how) => diff = Some((body.clone(), how.to_owned())),
            ("text", "message") => {
                let (change, how) = diff.take().expect("a message follows a diff");
                let arguments: &[&str] =
                    if how.starts_with("connect") { &["check", "--connect"] } else { &["check"] };
                let mode = change.trim().strip_prefix("$ chmod ").and_then(|rest| rest.split_once(' '));
                let example = example.with(&change);
                let said = match how.as_str() {
                    "connect postgres" => example.checked_on_postgres(arguments),
                    _ => example.checked(arguments, mode),
                };
                let found = format!("[{code}]");
                assert!(said.contains(&found), "docs/rules.md: the example of {code} gives:\n{said}");
                shown.insert(code.clone());
                writeln!(document.after, "{said}\n```").unwrap();
                continue;
            }
            _ => {}
        }
        writeln!(document.after, "{body}```").unwrap();
    }
    document.close();
    // A code may be told of a rule file (R) and of a configuration (C); the document's headings say of which.
    let missing: Vec<String> = Code::ALL
        .iter()
        .flat_map(|code| {
            let number = format!("{:03}", code.number());
            let headed = ["R", "C"].map(|letter| format!("{letter}{number}")).into_iter();
            let headed: Vec<String> = headed.filter(|code| text.contains(&format!("### {code}:"))).collect();
            if headed.is_empty() { vec![format!("R{number}")] } else { headed }
        })
        .filter(|code| !shown.contains(code))
        .collect();
    assert!(missing.is_empty(), "docs/rules.md has no wrong example for {missing:?}");
}

// Sessions.

#[test]
fn the_walkthrough_of_a_pull_request_is_what_a_person_would_see() {
    session("docs/adding-a-rule.md");
}

/// Files are written as the document shows them, commands are run one after the other, and what they say is compared.
fn session(name: &str) {
    let mut document = Document::open(name);
    let text = document.before.clone();
    let mut lines = text.lines();
    let directory = tempfile::tempdir().unwrap();
    let mut commands = 0;
    while let Some(line) = lines.next() {
        writeln!(document.after, "{line}").unwrap();
        let Some(fence) = line.strip_prefix("```").filter(|fence| !fence.is_empty()) else { continue };
        let body = block(&mut lines);
        let (kind, file) = fence.split_once(' ').unwrap_or((fence, ""));
        if kind == "console" {
            for command in body.lines().filter_map(|line| line.strip_prefix("$ ")) {
                commands += 1;
                writeln!(document.after, "$ {command}").unwrap();
                document.after.push_str(&shell(directory.path(), command));
            }
            writeln!(document.after, "```").unwrap();
            continue;
        }
        if !file.is_empty() {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &body).unwrap();
        }
        writeln!(document.after, "{body}```").unwrap();
    }
    document.close();
    assert!(commands > 5, "{name} shows only {commands} commands");
}

/// What a command says, and its exit code where that is not 0.
fn shell(directory: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_expunged")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let ran = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(directory)
        .env("PATH", path)
        .env("EXPUNGED_CONFIG", "expunged.toml")
        .env("SHIPPED", root())
        .output()
        .unwrap();
    let mut said = String::from_utf8(ran.stdout).unwrap();
    if let Some(code) = ran.status.code().filter(|code| *code != 0) {
        writeln!(said, "(exit {code})").unwrap();
    }
    let said = said.replace(&directory.display().to_string(), "…");
    said.lines().map(timeless).fold(String::new(), |text, line| text + &line + "\n")
}

/// A line without the time that something took.
fn timeless(line: &str) -> String {
    match line.rsplit_once("; ") {
        Some((before, took)) if took.strip_suffix(" s").is_some_and(|n| n.parse::<f64>().is_ok()) => {
            format!("{before}; … s")
        }
        Some(_) | None => line.to_owned(),
    }
}
