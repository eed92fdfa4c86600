//! The main configuration: what it says, and what bad input says.

use std::path::Path;

use expunged::config::{Config, Listen, Pace, SecretSource};
use expunged::diagnostic::{Paint, Source, SourceKind};
use proptest::prelude::*;

const GOOD: &str = r#"rules = "rules"
state = "sqlite:///var/lib/expunged/state.db"

[ledger]
origin = "expunged.example.com/ledger"
key = { credential = "ledger-key" }
keys = "/var/lib/expunged-keys"

[defaults]
schedule = "0 0 * * * *"
batch = 500
rows_per_second = "unlimited"
run_cap = "10 minutes"

[limits]
first_sweep = 100
first_fraction = 0.1

[datastore.motorsport]
kind = "sqlite"
url = "sqlite://data/motorsport.db"
rows_per_second = 5000
"#;

fn parse(text: &str) -> Result<Config, expunged::diagnostic::Diagnostics> {
    Config::parse(&Source::new(SourceKind::Configuration, "/etc/expunged/expunged.toml", text))
}

fn refused(text: &str) -> String {
    parse(text).expect_err("the file was accepted").render(Paint::Plain)
}

fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "`{from}`");
    GOOD.replace(from, to)
}

#[test]
fn paths_are_relative_to_the_file_they_stand_in() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.rules_dir, Path::new("/etc/expunged/rules"));
    assert_eq!(config.state, Path::new("/var/lib/expunged/state.db"));
    let (name, datastore) = config.datastores.iter().next().unwrap();
    assert_eq!(name.as_str(), "motorsport");
    assert_eq!(datastore.location.path(), Some(Path::new("/etc/expunged/data/motorsport.db")));
    assert_eq!(datastore.pace.to_string(), "5000 rows a second");
    assert_eq!(config.ledger.key, SecretSource::Credential("ledger-key".to_owned()));
    assert_eq!(config.defaults.pace, Pace::Unlimited);
}

#[test]
fn numbers_may_be_written_as_toml_allows() {
    let config =
        parse(&with("0.1", "0.0_5").replace("= 500\n", "= 0x1F4\n").replace("= 100\n", "= 1_0_0\n")).unwrap();
    assert_eq!(
        (config.limits.first_fraction, config.defaults.batch.get(), config.limits.first_sweep),
        (0.05, 500, 100)
    );
}

#[test]
fn what_is_not_said_has_a_default() {
    let config = parse(
        "state = 'sqlite://state.db'\nledger = { origin = 'o', key = { file = 'k' }, keys = 'keys' }\n\
         datastore.site = { kind = 'sqlite', url = 'sqlite://site.db' }\n",
    )
    .unwrap();
    assert_eq!(config.rules_dir, Path::new("/etc/expunged/rules"));
    assert_eq!(config.limits.first_sweep, 1000);
    assert_eq!(config.defaults.batch.get(), 2000);
    assert!(config.datastores.values().all(|d| d.pace == config.defaults.pace));
}

#[test]
fn bad_input_is_refused_with_its_place_and_remedy() {
    for (text, expected) in [
        (String::new(), "expunged.toml:1:1: error[C001]: the file says nothing"),
        (with("run_cap", "run_caps"), "expunged.toml:13:1: error[C003]: `defaults` has no key `run_caps`"),
        (with("run_cap", "run_caps"), "did you mean `run_cap`?"),
        (
            with("batch = 500", "batch = \"500\""),
            "expunged.toml:11:9: error[C005]: `batch` is a string, expected an integer",
        ),
        (with("batch = 500", "batch = 0"), "`batch` is 0, expected 1 to 4294967295"),
        (with("\"unlimited\"", "\"fast\""), "expected an integer or \"unlimited\""),
        (with("0.1", "5"), "`first_fraction` is 5, expected a part of the whole"),
        (with("0.1", "nan"), "error[C006]"),
        (with("0.1", "0x1"), "`first_fraction` is an integer, expected a number"),
        (with("10 minutes", "1 day"), "`run_cap` is 1 day, expected hours or minutes"),
        (with("0 0 * * * *", "0 * * * *"), "error[C012]"),
        (with("sqlite:///var", "postgres:///var"), "`postgres` is not supported yet"),
        (with("kind = \"sqlite\"", "kind = \"redis\""), "datastores of kind `redis` are not supported yet"),
        (with("kind = \"sqlite\"", "kind = \"oracle\""), "there is no datastore of kind `oracle`"),
        (
            with("[datastore.motorsport]", "[datastore.Motorsport]"),
            "`Motorsport` is not a valid datastore name",
        ),
        (
            with("{ credential = \"ledger-key\" }", "{ credential = \"../key\" }"),
            "is a path, not a credential's name",
        ),
        (with("{ credential = \"ledger-key\" }", "{}"), "exactly one of `file` and `credential`"),
        (with("example.com/ledger", "example.com/the ledger"), "cannot stand in a checkpoint"),
        (http("0.0.0.0:8642"), "`listen`: 0.0.0.0:8642 can be reached from other hosts"),
        (http("[::]:8642"), "`listen`: [::]:8642 can be reached from other hosts"),
        (http("192.0.2.1:8642"), "can be reached from other hosts"),
        (http("127.0.0.1"), "neither an address with a port nor `unix:` and a path"),
        (http("localhost:8642"), "neither an address with a port nor `unix:` and a path"),
        (http("unix:"), "`listen`: it names no file"),
        (format!("{GOOD}\n[http]\n"), "`http` has no `listen`, which is required"),
        (format!("{GOOD}\n[control]\nsockets = \"a\"\n"), "did you mean `socket`?"),
        (
            with("state = \"sqlite:///var/lib/expunged/state.db\"\n", ""),
            "the file has no `state`, which is required",
        ),
        ("[".repeat(1 << 20), "error[C002]"),
    ] {
        let text = refused(&text);
        assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
        assert!(text.contains("help: "), "{text}");
    }
}

/// With a listener.
fn http(listen: &str) -> String {
    format!("{GOOD}\n[http]\nlisten = \"{listen}\"\n")
}

#[test]
fn a_daemon_listens_on_this_host_alone() {
    for (text, expected) in [
        ("127.0.0.1:8642", Listen::Tcp("127.0.0.1:8642".parse().unwrap())),
        ("127.1.2.3:0", Listen::Tcp("127.1.2.3:0".parse().unwrap())),
        ("[::1]:8642", Listen::Tcp("[::1]:8642".parse().unwrap())),
        ("unix:/run/expunged/http.sock", Listen::Unix("/run/expunged/http.sock".into())),
        ("unix:http.sock", Listen::Unix("/etc/expunged/http.sock".into())),
    ] {
        assert_eq!(parse(&http(text)).unwrap().http, Some(expected));
    }
    assert_eq!(parse(GOOD).unwrap().http, None);
    assert_eq!(parse(GOOD).unwrap().control, Path::new("/var/lib/expunged/state.db.control"));
    let given = parse(&format!("{GOOD}\n[control]\nsocket = \"/run/expunged/control.sock\"\n")).unwrap();
    assert_eq!(given.control, Path::new("/run/expunged/control.sock"));
}

#[test]
fn a_socket_does_not_stand_where_files_are_swept() {
    let files =
        with("kind = \"sqlite\"\nurl = \"sqlite://data/motorsport.db\"", "kind = \"files\"\nroot = \"/srv\"");
    let text = format!(
        "{files}\n[control]\nsocket = \"/srv/control.sock\"\n[http]\nlisten = \"unix:/srv/http.sock\"\n"
    );
    let refused = refused(&text);
    for key in ["control.socket", "http.listen"] {
        assert!(
            refused.contains(&format!("`{key}` lies below the root of datastore `motorsport`")),
            "{refused}"
        );
    }
}

#[test]
fn a_state_that_is_a_datastore_is_refused() {
    let text = with("sqlite:///var/lib/expunged/state.db", "sqlite://data/../data/motorsport.db");
    // Neither exists, so the paths themselves are all there is to compare; the directory does not exist either.
    let same = text.replace("data/../data", "data");
    assert!(refused(&same).contains("error[C030]: `state` is the same file as datastore `motorsport`"));

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("motorsport.db"), "").unwrap();
    std::os::unix::fs::symlink("motorsport.db", dir.path().join("state.db")).unwrap();
    let text = with("sqlite:///var/lib/expunged/state.db", "sqlite://state.db").replace("data/", "");
    let path = dir.path().join("expunged.toml");
    std::fs::write(&path, text).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("error[C030]"));
}

#[test]
fn a_missing_file_is_named() {
    let text = Config::load(Path::new("/nonexistent/expunged.toml")).unwrap_err().to_string();
    assert!(
        text.starts_with("/nonexistent/expunged.toml:1:1: error[C001]: the file cannot be read"),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_damage_makes_the_parser_panic(at in 0..GOOD.len(), length in 0_usize..40, put in "[\\[\\]{}\"'=,.a-z0-9 \n\u{e9}-]{0,12}") {
        let end = (at + length).min(GOOD.len());
        let _ = parse(&format!("{}{put}{}", &GOOD[..at], &GOOD[end..])).map_err(|found| found.to_string());
    }
}
