//! The main configuration: what it says, and what bad input says.

use std::path::Path;

use expunged::config::{Config, Listen, Pace, SecretSource};
use expunged::diagnostic::{Paint, Source, SourceKind};
use expunged::model::datastore::{Address, Datastore, Location, Server, Tls};
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
        (
            with("sqlite:///var", "postgres:///var"),
            "`state`: `postgres` is not supported here: this has to be a SQLite file",
        ),
        (with("kind = \"sqlite\"", "kind = \"redis\""), "datastores of kind `redis` are not supported yet"),
        (
            with("kind = \"sqlite\"", "kind = \"redis\""),
            "this version sweeps `sqlite`, `postgres`, `mariadb` and `files`",
        ),
        (with("kind = \"sqlite\"", "kind = \"oracle\""), "there is no datastore of kind `oracle`"),
        (with("kind = \"sqlite\"", "kind = \"postgresql\""), "did you mean `postgres`?"),
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

/// With a datastore on a server.
fn on_server(kind: &str, keys: &str) -> String {
    format!("{GOOD}\n[datastore.forum]\nkind = \"{kind}\"\n{keys}\n")
}

fn server(kind: &str, keys: &str) -> Server {
    let text = on_server(kind, keys);
    let config = parse(&text).unwrap_or_else(|e| panic!("{keys}\n{}", e.render(Paint::Plain)));
    match config.datastores.into_iter().find(|(name, _)| name.as_str() == "forum").unwrap().1.location {
        Location::Postgres(server) if kind == "postgres" => server,
        Location::MariaDb(server) if kind == "mariadb" => server,
        other => panic!("{other:?}"),
    }
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp(host.to_owned(), port)
}

fn socket(path: &str, port: Option<u16>) -> Address {
    Address::Socket(path.into(), port)
}

const SYSTEM: Tls = Tls::Verified { authority: None };

#[test]
fn a_url_names_a_database_on_a_server() {
    for (kind, url, address, user, database, tls) in [
        ("postgres", "postgres://expunged@db1/forum", tcp("db1", 5432), "expunged", "forum", SYSTEM),
        ("postgres", "postgresql://expunged@db1:5433/forum", tcp("db1", 5433), "expunged", "forum", SYSTEM),
        ("postgres", "postgres://u@DB1.example.com/d", tcp("db1.example.com", 5432), "u", "d", SYSTEM),
        ("postgres", "postgres://u@192.0.2.1/d", tcp("192.0.2.1", 5432), "u", "d", SYSTEM),
        ("postgres", "postgres://u@[2001:DB8::1]:5433/d", tcp("2001:db8::1", 5433), "u", "d", SYSTEM),
        ("postgres", "postgres://a%40b%3Ac@h/%D1%84%2F%231", tcp("h", 5432), "a@b:c", "ф/#1", SYSTEM),
        ("postgres", "postgres://u@localhost/d", tcp("localhost", 5432), "u", "d", Tls::Off),
        ("postgres", "postgres://u@127.0.0.2/d", tcp("127.0.0.2", 5432), "u", "d", Tls::Off),
        ("postgres", "postgres://u@[::1]:5433/d", tcp("::1", 5433), "u", "d", Tls::Off),
        ("postgres", "postgres://u@[::ffff:127.0.0.1]/d", tcp("::ffff:127.0.0.1", 5432), "u", "d", Tls::Off),
        // Only a resolver knows where these lead.
        ("postgres", "postgres://u@127.1/d", tcp("127.1", 5432), "u", "d", SYSTEM),
        (
            "postgres",
            "postgres://u@localhost.example.com/d",
            tcp("localhost.example.com", 5432),
            "u",
            "d",
            SYSTEM,
        ),
        (
            "postgres",
            "postgres://u@%2Fvar%2Frun%2Fpostgresql/d",
            socket("/var/run/postgresql", Some(5432)),
            "u",
            "d",
            Tls::Off,
        ),
        ("postgres", "postgres://u@%2frun:5433/d", socket("/run", Some(5433)), "u", "d", Tls::Off),
        ("mariadb", "mariadb://u@db1/d", tcp("db1", 3306), "u", "d", SYSTEM),
        ("mariadb", "mysql://u@127.0.0.1:3307/d", tcp("127.0.0.1", 3307), "u", "d", Tls::Off),
        (
            "mariadb",
            "mariadb://u@%2Frun%2Fmysqld%2Fmysqld.sock/d",
            socket("/run/mysqld/mysqld.sock", None),
            "u",
            "d",
            Tls::Off,
        ),
    ] {
        let schema = if kind == "postgres" { "public" } else { database };
        let (user, database, schema) = (user.to_owned(), database.to_owned(), schema.to_owned());
        let expected = Server { address, user, database, schema, password: None, tls };
        assert_eq!(server(kind, &format!("url = \"{url}\"")), expected, "{url}");
    }
}

#[test]
fn a_server_has_a_password_a_schema_and_a_protection() {
    let keys = |more: &str| server("postgres", &format!("url = \"postgres://u@db1/d\"\n{more}"));
    let file = keys("password = { file = \"forum.password\" }").password;
    assert_eq!(file, Some(SecretSource::File("/etc/expunged/forum.password".into())));
    let credential = keys("password = { credential = \"forum-db\" }").password;
    assert_eq!(credential, Some(SecretSource::Credential("forum-db".to_owned())));
    assert_eq!(keys("schema = \"Forum data\"").schema, "Forum data");
    let authority = |path: &str| Tls::Verified { authority: Some(path.into()) };
    for (written, tls) in [
        ("tls = \"verify\"", SYSTEM),
        ("tls = \"unverified\"", Tls::Unverified),
        ("tls = \"off\"", Tls::Off),
        ("tls_ca = \"ca.pem\"", authority("/etc/expunged/ca.pem")),
        ("tls = \"verify\"\ntls_ca = \"/etc/ssl/ca.pem\"", authority("/etc/ssl/ca.pem")),
    ] {
        assert_eq!(keys(written).tls, tls, "{written}");
    }
    let loopback = |more: &str| server("mariadb", &format!("url = \"mariadb://u@[::1]/d\"\n{more}")).tls;
    assert_eq!(loopback("tls = \"verify\""), SYSTEM);
    assert_eq!(server("mariadb", "url = \"mariadb://u@%2Fs/d\"\ntls = \"off\"").tls, Tls::Off);
    let text = on_server("mariadb", "url = \"mariadb://u@h/d\"\nrows_per_second = 7");
    assert!(parse(&text).unwrap().datastores.values().any(|d| d.pace.to_string() == "7 rows a second"));
}

#[test]
fn a_url_that_names_no_database_on_a_server_is_refused_with_its_remedy() {
    let postgres =
        "write `postgres://user@host:5432/database`, or `postgres://user@%2Fvar%2Frun%2Fpostgresql/database`";
    let mariadb = "write `mariadb://user@host:3306/database`, or `mariadb://user@%2Frun%2Fmysqld%2Fmysqld.sock/database`";
    let tls = "write `tls = \"verify\"`, `tls = \"unverified\"` or `tls = \"off\"`";
    for (kind, url, message, help) in [
        ("postgres", "", "it does not begin with `postgres://` or `postgresql://`", postgres),
        ("postgres", "u@h/d", "it does not begin with", postgres),
        ("postgres", "mysql://u@h/d", "it does not begin with", postgres),
        ("postgres", "sqlite:///d", "it does not begin with", postgres),
        ("mariadb", "postgres://u@h/d", "it does not begin with `mariadb://` or `mysql://`", mariadb),
        ("postgres", "postgres://h/d", "`url`: it names no user\n", postgres),
        ("postgres", "postgres://u@h", "`url`: it names no database\n", postgres),
        ("postgres", "postgres://u@h/", "`url`: it names no database\n", postgres),
        ("postgres", "postgres://u@/d", "`url`: it names no host\n", postgres),
        ("mariadb", "mysql:///d", "`url`: it names no user and no host\n", mariadb),
        ("mariadb", "mysql://", "`url`: it names no user and no host and no database\n", mariadb),
        ("postgres", "postgres://u@h:65536/d", "its port is not a number from 1 to 65535", postgres),
        ("postgres", "postgres://u@h:0/d", "its port is not a number from 1 to 65535", postgres),
        ("postgres", "postgres://u@h:x/d", "its port is not a number from 1 to 65535", postgres),
        ("postgres", "postgres://u@[::g]/d", "`url`: it is not a URL: invalid IPv6 address", postgres),
        ("postgres", "postgres://u@h h/d", "it holds white space", postgres),
        ("postgres", "postgres://u@h/d%00", "its database is not text", postgres),
        ("postgres", "postgres://%ff@h/d", "its user is not text", postgres),
        ("postgres", "postgres://u@a%2Fb/d", "its socket is not an absolute path", postgres),
        ("postgres", "postgres://u@h/d/e", "its database holds a `/`", "a `/` in it is written `%2F`"),
        ("postgres", "postgres://a@b@h/d", "it holds a second `@`", "`%40`"),
        ("postgres", "postgres://u@h/d@e", "it holds a second `@`", "`%40`"),
        ("postgres", "postgres://u@h/d#e", "what follows its `#`", "`%23`"),
        ("mariadb", "mariadb://u@%2Fs:3306/d", "it gives a socket a port", "remove the port"),
        ("postgres", "postgres://u@h/d?sslmode=disable", "it has the parameter `sslmode`", tls),
        ("mariadb", "mariadb://u@h/d?ssl-mode=DISABLED", "it has the parameter `ssl-mode`", tls),
        ("postgres", "postgres://u@h/d?sslrootcert=/a", "`sslrootcert`", "write `tls_ca = \"…\"`"),
        ("mariadb", "mariadb://u@h/d?ssl-ca=/a", "`ssl-ca`", "write `tls_ca = \"…\"`"),
        ("postgres", "postgres://u@h/d?options=-c%20search_path%3Da", "`options`", "write `schema = \"…\"`"),
        ("postgres", "postgres://u@h/d?search_path=a", "`search_path`", "write `schema = \"…\"`"),
        ("mariadb", "mariadb://u@h/d?options=a", "`options`", "remove it: no key says this"),
        (
            "postgres",
            "postgres://u@h/d?application_name=a",
            "not supported in a URL",
            "remove it: no key says this",
        ),
    ] {
        let text = refused(&on_server(kind, &format!("url = \"{url}\"")));
        assert!(text.contains(":26:7: error[C006]: `url`: "), "{text}");
        assert!(text.contains(message), "`{message}` is not in:\n{text}");
        assert!(text.contains(help), "`{help}` is not in:\n{text}");
        assert_eq!(text.matches("error[").count(), 1, "{text}");
    }
}

#[test]
fn keys_that_a_datastore_cannot_have_are_refused() {
    let postgres = "url = \"postgres://u@db1/d\"";
    let mariadb = "url = \"mariadb://u@db1/d\"";
    for (kind, keys, expected) in [
        ("postgres", format!("{postgres}\nroot = \"/srv\""), "error[C009]: a tree of files has a `root`"),
        ("mariadb", format!("{mariadb}\nroot = \"/srv\""), "error[C009]: a tree of files has a `root`"),
        ("mariadb", format!("{mariadb}\nschema = \"s\""), "error[C009]: `schema` is PostgreSQL's"),
        ("postgres", String::new(), "`forum` has no `url`, which is required"),
        ("postgres", format!("{postgres}\nschema = \"\""), "`schema` is empty"),
        (
            "postgres",
            format!("{postgres}\ntls = \"prefer\""),
            "`tls` is `prefer`, which is no protection known here",
        ),
        ("postgres", format!("{postgres}\ntls = \"verfy\""), "did you mean `verify`?"),
        (
            "postgres",
            format!("{postgres}\ntls = \"off\"\ntls_ca = \"a\""),
            "error[C009]: `tls_ca` vouches for a server",
        ),
        (
            "postgres",
            format!("{postgres}\ntls = \"unverified\"\ntls_ca = \"a\""),
            "write `tls = \"verify\"`, or remove",
        ),
        (
            "mariadb",
            "url = \"mariadb://u@localhost/d\"\ntls_ca = \"a\"".to_owned(),
            "write `tls = \"verify\"`, or remove",
        ),
        (
            "postgres",
            "url = \"postgres://u@%2Frun/d\"\ntls = \"verify\"".to_owned(),
            "goes through a Unix socket",
        ),
        (
            "mariadb",
            "url = \"mariadb://u@%2Fs/d\"\ntls = \"unverified\"".to_owned(),
            "goes through a Unix socket",
        ),
        (
            "postgres",
            format!("{postgres}\npassword = {{}}"),
            "`password` names exactly one of `file` and `credential`",
        ),
        (
            "postgres",
            format!("{postgres}\npassword = {{ credential = \"../a\" }}"),
            "is a path, not a credential's name",
        ),
        (
            "sqlite",
            "url = \"sqlite://a\"\npassword = { file = \"a\" }".to_owned(),
            "a database on a server has `password`",
        ),
        ("sqlite", "url = \"sqlite://a\"\nschema = \"a\"".to_owned(), "a database on a server has `schema`"),
        ("sqlite", "url = \"sqlite://a\"\nroot = \"a\"".to_owned(), "a tree of files has a `root`"),
        ("sqlite", "url = \"postgres://u@h/d\"".to_owned(), "`postgres` is not supported here"),
        ("files", "root = \"/srv\"\ntls = \"off\"".to_owned(), "a database on a server has `tls`"),
        ("files", "root = \"/srv\"\ntls_ca = \"a\"".to_owned(), "a database on a server has `tls_ca`"),
        ("files", "root = \"/srv\"\nurl = \"postgres://u@h/d\"".to_owned(), "a database has a `url`"),
    ] {
        let text = refused(&on_server(kind, &keys));
        assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
        assert_eq!(text.matches("error[").count(), 1, "{text}");
    }
    // Of a datastore of no known kind nothing else is said.
    let all =
        format!("{postgres}\nroot = \"a\"\npassword = {{}}\nschema = \"a\"\ntls = \"a\"\ntls_ca = \"a\"");
    let text = refused(&on_server("oracle", &all));
    assert_eq!(text.matches("error[").count(), 1, "{text}");
}

#[test]
fn two_names_of_one_database_on_a_server_are_refused() {
    let pair = |kind: &str, a: &str, b: &str| {
        on_server(kind, &format!("{a}\n[datastore.twin]\nkind = \"{kind}\"\n{b}"))
    };
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("link")).unwrap();
    let sockets = dir.path().to_str().unwrap().replace('/', "%2F");
    let direct = format!("url = \"postgres://u@{sockets}/d\"");
    let linked = format!("url = \"postgres://v@{sockets}%2Flink/d\"");
    for (kind, a, b) in [
        (
            "postgres",
            "url = \"postgres://u@db1/d\"",
            "url = \"postgresql://v@DB1:5432/d\"\nschema = \"public\"",
        ),
        ("postgres", "url = \"postgres://u@localhost/d\"", "url = \"postgres://u@127.0.0.1/d\""),
        ("postgres", "url = \"postgres://u@[::1]/d\"", "url = \"postgres://u@127.0.0.1/d\""),
        ("mariadb", "url = \"mysql://u@localhost/d\"", "url = \"mariadb://u@[::1]/d\""),
        ("postgres", &direct, &linked),
    ] {
        let text = refused(&pair(kind, a, b));
        assert!(text.contains("error[C009]: datastores `twin` and `forum` overlap"), "{text}");
    }
    for (kind, a, b) in [
        ("postgres", "url = \"postgres://u@db1/d\"", "url = \"postgres://u@db1/d\"\nschema = \"s\""),
        ("postgres", "url = \"postgres://u@db1/d\"", "url = \"postgres://u@db1/e\""),
        ("postgres", "url = \"postgres://u@db1/d\"", "url = \"postgres://u@db2/d\""),
        ("postgres", "url = \"postgres://u@localhost/d\"", "url = \"postgres://u@localhost:5433/d\""),
        ("postgres", "url = \"postgres://u@db1/d\"", "url = \"postgres://u@localhost/d\""),
        ("mariadb", "url = \"mariadb://u@%2Fa/d\"", "url = \"mariadb://u@%2Fb/d\""),
    ] {
        assert!(parse(&pair(kind, a, b)).is_ok(), "{a} and {b}");
    }
}

/// With its line, with that of another problem beside it, and where the file is no TOML at all.
#[test]
fn a_secret_in_the_configuration_is_printed_nowhere() {
    let long = "s3cr3t".repeat(30);
    for secret in [
        "s3cr3t",
        "s3cr3t%21",
        "s3c/r3t",
        "12/s3cr3t",
        "12?s3cr3t",
        "s3c#r3t",
        "s3c@r3t",
        "s3c:r3t",
        "s3cr3t://",
        &long,
    ] {
        for keys in [
            format!("url = \"postgres://u:{secret}@h/d\""),
            format!("url = \"postgres://u:{secret}@h:5432/d?sslmode=off\""),
            format!("url = \"postgres://u:{secret}@h/d"),
            format!("url = postgres://u:{secret}@h/d"),
            format!("url = [\"postgres://u:{secret}@h/d\"]"),
            format!("url = \"mysql://u:{secret}@h/d\""),
            format!("url = \"u:{secret}@h/d\""),
            format!("url = \"postgres:u:{secret}@h/d\""),
            format!("uri = \"postgres://u:{secret}@h/d\""),
            format!("password = \"{secret}\""),
            format!("pasword = \"{secret}\""),
            format!("password = {{ value = \"{secret}\" }}"),
            format!("url = \"postgres://u@h/d\"\npassword = [\"{secret}\"]"),
            format!("url = \"postgres://u@h/d?password={secret}\""),
        ] {
            let inline = keys.replace('\n', ", ");
            let inline =
                format!("{GOOD}\n[datastore]\nforum = {{ kind = \"postgres\", tsl = \"off\", {inline} }}\n");
            for text in
                [on_server("postgres", &keys), on_server("sqlite", &keys), on_server("oracle", &keys), inline]
            {
                let found = parse(&text).expect_err("the file was accepted");
                let said = [
                    found.render(Paint::Plain),
                    found.render(Paint::Coloured),
                    found.to_json().to_string(),
                    found.to_github(),
                    format!("{found:?}"),
                ];
                for said in said {
                    for part in secret.split(['/', '?', '#', '@', ':']).filter(|part| part.len() > 2) {
                        assert!(!said.contains(part), "`{part}` of `{keys}` is printed:\n{said}");
                    }
                }
            }
        }
    }
    let text = refused(&on_server("postgres", "url = \"postgres://u:s3cr3t@h/d\""));
    assert!(
        text.contains(":26:7: error[C006]: `url`: it holds a password, which has no place in a URL"),
        "{text}"
    );
    assert!(text.contains("note: the line is not shown: it may hold a secret"), "{text}");
    assert!(text.contains("`password = { file = \"…\" }` or `password = { credential = \"…\" }`"), "{text}");
    let text = refused(&on_server("postgres", "url = \"postgres://u@h/d\"\npassword = \"s3cr3t\""));
    assert!(text.contains("`password` is a string, expected `{ file = \"…\" }` or `{ credential"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_damage_makes_the_parser_panic(at in 0..GOOD.len(), length in 0_usize..40, put in "[\\[\\]{}\"'=,.a-z0-9 \n\u{e9}-]{0,12}") {
        let end = (at + length).min(GOOD.len());
        let _ = parse(&format!("{}{put}{}", &GOOD[..at], &GOOD[end..])).map_err(|found| found.to_string());
    }
}

fn forum(kind: &str, keys: &str) -> Datastore {
    let text = on_server(kind, keys);
    let mut config = parse(&text).unwrap_or_else(|e| panic!("{keys}\n{}", e.render(Paint::Plain)));
    let name = config.datastores.keys().find(|name| name.as_str() == "forum").unwrap().clone();
    let datastore = config.datastores.remove(&name).unwrap();
    assert_eq!(config.defaults.windows.get(&name), datastore.window.as_ref());
    datastore
}

#[test]
fn every_kind_of_datastore_has_a_window() {
    let window = "window = { from = \"22:00\", to = \"06:00\", time_zone = \"Europe/Moscow\" }";
    for (kind, place) in [
        ("sqlite", "url = \"sqlite://forum.db\""),
        ("postgres", "url = \"postgres://u@h/d\""),
        ("mariadb", "url = \"mariadb://u@h/d\""),
        ("files", "root = \"/srv\""),
    ] {
        let hours = forum(kind, &format!("{place}\n{window}")).window.unwrap();
        assert_eq!(hours.to_string(), "22:00 to 06:00 in Europe/Moscow");
        assert_eq!(forum(kind, place).window, None);
    }
}

#[test]
fn replicas_are_waited_for() {
    let postgres = forum("postgres", "url = \"postgres://u@h/d\"\npause_on_replica_lag = \"10 seconds\"");
    let lag = postgres.lag.unwrap();
    assert_eq!((lag.longest.to_string(), lag.replicas), ("10 seconds".to_owned(), Vec::new()));
    let replicas = |tls: &str, primary: &str| {
        let keys = format!(
            "url = \"mariadb://u@{primary}/d\"\npause_on_replica_lag = \"1 minute 30 seconds\"\n{tls}\n\
             password = {{ file = \"forum.password\" }}\nreplicas = [\"mariadb://r@h2/d\", \"mariadb://r@localhost:3307/d\", \
             \"mariadb://r@%2Frun%2Fr.sock/d\"]"
        );
        let datastore = forum("mariadb", &keys);
        let Location::MariaDb(server) = datastore.location else { panic!("{keys}") };
        let lag = datastore.lag.unwrap();
        assert!(
            lag.replicas.iter().all(|replica| replica.user == "r" && replica.password == server.password)
        );
        assert_eq!(lag.longest.to_string(), "1 minute 30 seconds");
        lag.replicas.into_iter().map(|replica| replica.tls).collect::<Vec<_>>()
    };
    // As the datastore's own connection; nothing that goes through a socket leaves this host.
    assert_eq!(replicas("", "h1"), [SYSTEM, SYSTEM, Tls::Off]);
    assert_eq!(replicas("tls = \"unverified\"", "h1"), [Tls::Unverified, Tls::Unverified, Tls::Off]);
    assert_eq!(replicas("tls = \"off\"", "h1"), [Tls::Off, Tls::Off, Tls::Off]);
    // Off because it is on this host, where not every replica is.
    assert_eq!(replicas("", "localhost"), [SYSTEM, Tls::Off, Tls::Off]);
}

#[test]
fn what_a_datastore_cannot_wait_for_is_refused() {
    let (postgres, mariadb) = ("url = \"postgres://u@h/d\"", "url = \"mariadb://u@h/d\"");
    let window = |from: &str, to: &str, zone: &str| {
        format!("{postgres}\nwindow = {{ from = \"{from}\", to = \"{to}\", time_zone = \"{zone}\" }}")
    };
    let lag = |more: &str| format!("{mariadb}\npause_on_replica_lag = \"10 seconds\"\n{more}");
    for (kind, keys, expected) in [
        ("postgres", window("22:00", "22:00", "Etc/UTC"), "`window`: it begins and ends at 22:00"),
        (
            "postgres",
            window("24:00", "06:00", "Etc/UTC"),
            "`from` is `24:00`, expected a time from 00:00 to 23:59",
        ),
        ("postgres", window("22:00", "6:00", "Etc/UTC"), "`to` is `6:00`, expected a time"),
        ("postgres", window("22:00", "06:60", "Etc/UTC"), "`to` is `06:60`, expected a time"),
        ("postgres", window("22:00", "06:00:00", "Etc/UTC"), "`to` is `06:00:00`, expected a time"),
        ("postgres", window("22:00", "06:00", "Europe/Moskow"), "Europe/Moscow"),
        ("postgres", format!("{postgres}\nwindow = {{}}"), "`window` has no `from`, which is required"),
        ("postgres", format!("{postgres}\nwindow = \"22:00\""), "`window` is a string, expected a table"),
        (
            "postgres",
            format!("{postgres}\npause_on_replica_lag = \"1 day\""),
            "`pause_on_replica_lag` is 1 day, expected hours, minutes or seconds, more than zero",
        ),
        ("postgres", format!("{postgres}\npause_on_replica_lag = \"0 seconds\""), "more than zero"),
        ("postgres", format!("{postgres}\npause_on_replica_lag = \"10s\""), "write `10 seconds`"),
        (
            "postgres",
            format!("{postgres}\npause_on_replica_lag = \"10 seconds\"\nreplicas = [\"postgres://u@h2/d\"]"),
            "`replicas` is MariaDB's",
        ),
        ("mariadb", lag(""), "`pause_on_replica_lag` needs `replicas`"),
        ("mariadb", lag("replicas = []"), "`replicas` is empty"),
        (
            "mariadb",
            lag("replicas = [\"mariadb://u@h/other\"]"),
            "`replicas` names the datastore's own server",
        ),
        (
            "mariadb",
            lag("replicas = [\"mariadb://u@h2/d\", \"mariadb://v@H2:3306/e\"]"),
            "`replicas` names this server twice",
        ),
        ("mariadb", lag("replicas = [\"mariadb://h2/d\"]"), "a URL of `replicas`: it names no user"),
        ("mariadb", lag("replicas = [\"mariadb://u:p@h2/d\"]"), "it holds a password"),
        (
            "mariadb",
            format!("{mariadb}\nreplicas = [\"mariadb://u@h2/d\"]"),
            "`replicas` says nothing without `pause_on_replica_lag`",
        ),
        (
            "sqlite",
            "url = \"sqlite://a\"\npause_on_replica_lag = \"10 seconds\"".to_owned(),
            "a database on a server has `pause_on_replica_lag`",
        ),
        ("files", "root = \"/srv\"\nreplicas = []".to_owned(), "a database on a server has `replicas`"),
    ] {
        let text = refused(&on_server(kind, &keys));
        assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
        assert!(text.contains("help: "), "{text}");
    }
}
