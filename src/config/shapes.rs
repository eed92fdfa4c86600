//! The keys of the main configuration.

use crate::diagnostic::shape::{Key, SCHEDULE, Shape, Text, Type, ZONE};

/// `expunged.toml`.
pub static FILE: Shape = Shape::of(
    "The main configuration: where everything is, and the limits under which rules may act.",
    &[
        Key::optional("rules", PATH, "the directory of the rule files; relative to this file"),
        Key::required("state", SQLITE_URL, "the state database: a file of its own, never a datastore"),
        Key::required("ledger", Type::Table(&LEDGER), "what the ledger is called, and where its keys are"),
        Key::optional("http", Type::Table(&HTTP), "where the daemon answers monitoring"),
        Key::optional("control", Type::Table(&CONTROL), "where the daemon answers `expunged reload`"),
        Key::optional("defaults", Type::Table(&DEFAULTS), "what rules and datastores inherit"),
        Key::optional("limits", Type::Table(&LIMITS), "what may happen without approval"),
        Key::optional("datastore", Type::Table(&DATASTORES), "by the names that rules use"),
    ],
);

static LEDGER: Shape = Shape::of(
    "What the ledger is called, and where its keys are.",
    &[
        Key::required("origin", ORIGIN, "this ledger's name, for good"),
        Key::required("key", SECRET, "the signing key"),
        Key::required("keys", PATH, "the directory of the epoch and pseudonymization keys"),
    ],
);

static KEY_FILE: Shape = Shape::of("A file.", &[Key::required("file", PATH, "its path")]);
static KEY_CREDENTIAL: Shape = Shape::of(
    "A systemd credential.",
    &[Key::required("credential", CREDENTIAL, "the name that LoadCredential= gives it")],
);

static HTTP: Shape = Shape::of(
    "Where the daemon answers monitoring.",
    &[Key::required("listen", LISTEN, "a loopback address with a port, or `unix:` and a path")],
);

static CONTROL: Shape = Shape::of(
    "Where the daemon answers `expunged reload`.",
    &[Key::required("socket", PATH, "a path; else beside the state")],
);

static DEFAULTS: Shape = Shape::of(
    "What rules and datastores inherit.",
    &[
        Key::optional("schedule", Type::Text(SCHEDULE), "when a rule is swept, in UTC"),
        Key::optional(
            "batch",
            Type::Integer(1),
            "records under one intent, at most; without a rate, where batches are quick, up to 15,000",
        ),
        Key::optional("rows_per_second", PACE, "how fast a datastore may be swept"),
        Key::optional("run_cap", DURATION, "how long one sweep may take"),
    ],
);

static LIMITS: Shape = Shape::of(
    "What a rule digest may dispose of before someone approves, until a completed sweep has shown what it does.",
    &[
        Key::optional("first_sweep", Type::Integer(0), "records"),
        Key::optional("first_fraction", Type::Number, "part of a dataset above 200 records, from 0 to 1"),
    ],
);

static DATASTORES: Shape = Shape::by_name("Datastores by name.", &DATASTORE_ANY);
static DATASTORE_ANY: Type =
    Type::OneOf(&[Type::Table(&SQLITE), Type::Table(&POSTGRES), Type::Table(&MARIADB), Type::Table(&FILES)]);

static SQLITE: Shape = Shape::of(
    "A database in a file.",
    &[
        Key::required("kind", Type::Word(&["sqlite"]), "which engine"),
        Key::required("url", SQLITE_URL, "the file"),
        Key::optional("rows_per_second", PACE, "how fast it may be swept"),
        WINDOW_KEY,
    ],
);

static POSTGRES: Shape = Shape::of(
    "A database on a PostgreSQL server.",
    &[
        Key::required("kind", Type::Word(&["postgres"]), "which engine"),
        Key::required("url", POSTGRES_URL, "the server, the account and the database"),
        Key::optional("password", SECRET, "the account's password; else the server asks for none"),
        Key::optional("schema", SCHEMA, "what holds the tables; else `public`"),
        Key::optional("tls", TLS, "else `verify`, and `off` for this host itself"),
        Key::optional("tls_ca", CERTIFICATE, "who vouches for the server, beside whom the system trusts"),
        Key::optional("rows_per_second", PACE, "how fast it may be swept"),
        LAG_KEY,
        WINDOW_KEY,
    ],
);

static MARIADB: Shape = Shape::of(
    "A database on a MariaDB server.",
    &[
        Key::required("kind", Type::Word(&["mariadb"]), "which engine"),
        Key::required("url", MARIADB_URL, "the server, the account and the database"),
        Key::optional("password", SECRET, "the account's password; else the server asks for none"),
        Key::optional("tls", TLS, "else `verify`, and `off` for this host itself"),
        Key::optional("tls_ca", CERTIFICATE, "who vouches for the server, beside whom the system trusts"),
        Key::optional("rows_per_second", PACE, "how fast it may be swept"),
        LAG_KEY,
        Key::optional(
            "replicas",
            REPLICAS,
            "where its replicas answer, with the same password and protection",
        ),
        WINDOW_KEY,
    ],
);

static FILES: Shape = Shape::of(
    "A tree of files.",
    &[
        Key::required("kind", Type::Word(&["files"]), "which engine"),
        Key::required("root", PATH, "the directory; relative to this file"),
        Key::optional("rows_per_second", PACE, "how fast it may be swept"),
        WINDOW_KEY,
    ],
);

static WINDOW: Shape = Shape::of(
    "The hours of each day in which it may be swept; they may go over midnight.",
    &[
        Key::required("from", TIME, "from then on"),
        Key::required("to", TIME, "until then, itself excluded"),
        Key::required("time_zone", Type::Text(ZONE), "on whose clocks"),
    ],
);
const WINDOW_KEY: Key = Key::optional(
    "window",
    Type::Table(&WINDOW),
    "when it may be swept; else always. `check` counts with it",
);
const LAG_KEY: Key =
    Key::optional("pause_on_replica_lag", LAG, "a sweep waits while a replica is further behind");

const TIME: Type = Type::Text(Text {
    what: "a time of day",
    pattern: Some("^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    example: "22:00",
});
const LAG: Type =
    Type::Text(Text { what: "hours, minutes or seconds", pattern: None, example: "10 seconds" });
const REPLICAS: Type = Type::List(&MARIADB_URL);
const PACE: Type = Type::OneOf(&[Type::Integer(1), Type::Word(&["unlimited"])]);
const TLS: Type = Type::Word(&["verify", "unverified", "off"]);
const SECRET: Type = Type::OneOf(&[Type::Table(&KEY_FILE), Type::Table(&KEY_CREDENTIAL)]);
const PATH: Type = Type::Text(Text { what: "a path", pattern: None, example: "/var/lib/expunged-keys" });
const SQLITE_URL: Type = Type::Text(Text {
    what: "the URL of a SQLite file",
    pattern: Some("^sqlite://"),
    example: "sqlite:///var/lib/expunged/state.db",
});
const POSTGRES_URL: Type = Type::Text(Text {
    what: "the URL of a PostgreSQL database",
    pattern: Some("^postgres(ql)?://[^:@/?#\\s]+@[^@/?#\\s]+/[^@/?#\\s]+$"),
    example: "postgres://expunged@db.example.com/motorsport",
});
const MARIADB_URL: Type = Type::Text(Text {
    what: "the URL of a MariaDB database",
    pattern: Some("^(mariadb|mysql)://[^:@/?#\\s]+@[^@/?#\\s]+/[^@/?#\\s]+$"),
    example: "mariadb://expunged@db.example.com/forum",
});
const SCHEMA: Type = Type::Text(Text { what: "a schema", pattern: None, example: "public" });
const CERTIFICATE: Type =
    Type::Text(Text { what: "the path of a PEM file", pattern: None, example: "/etc/expunged/db-ca.pem" });
const ORIGIN: Type = Type::Text(Text {
    what: "a name without a scheme",
    pattern: Some("^[^\\s+]+$"),
    example: "expunged.example.com/ledger",
});
const CREDENTIAL: Type = Type::Text(Text { what: "a name", pattern: Some("^[^/]+$"), example: "ledger-key" });
const LISTEN: Type = Type::Text(Text {
    what: "a loopback address or a Unix socket",
    pattern: Some("^(unix:.+|.+:[0-9]+)$"),
    example: "127.0.0.1:8642",
});
const DURATION: Type = Type::Text(Text { what: "hours or minutes", pattern: None, example: "30 minutes" });
