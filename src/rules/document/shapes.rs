//! The keys of a rule file. What they mean together is the reader's; what each is for stands here, for editors and for
//! `docs/rules.md`.

use crate::diagnostic::shape::{self, Key, SCHEDULE, Shape, Text, Type};

/// A rule file.
pub static FILE: Shape = Shape::of(
    "The rules of one service: what its policy promises, and what keeps it. The file's name is the service's id.",
    &[
        Key::required("service", Type::Table(&SERVICE), "whose rules these are"),
        Key::optional("promise", Type::Any(&Type::Table(&PROMISE)), "what the published policy says"),
        Key::required("rule", Type::List(&Type::Table(&RULE)), "which records go, when and how"),
        Key::optional("waiver", Type::Any(&Type::Table(&WAIVER)), "what no rule needs to cover"),
    ],
);

static SERVICE: Shape = Shape::of(
    "One product or site whose data is governed.",
    &[
        Key::required("name", WORDS, "what people call it"),
        Key::required("owner", WORDS, "whom to ask"),
        Key::required("time_zone", ZONE, "the calendar of every period in this file"),
    ],
);

static PROMISE: Shape = Shape::of(
    "What the published policy says, restated.",
    &[
        Key::required("id", ID, "its name within the service"),
        Key::required("text", WORDS, "the promise, in your own words"),
        Key::required("source", WORDS, "the policy, its date and section"),
        Key::required("trigger", WORDS, "the event it speaks of, in words"),
        Key::required("covers", Type::List(&ID), "the classes of records it is about"),
        Key::optional("no_later_than", PERIOD, "the deadline it gives"),
        Key::optional("not_before", PERIOD, "the minimum keep it gives"),
        Key::optional("on_request", Type::True, "a data subject's request starts it; compares as 1 month"),
        Key::optional("decision", WORDS, "where the policy gives no figure: who decided which, and when"),
        Key::optional("except", WORDS, "what it leaves out, word for word as the rules say it"),
    ],
)
.choosing(&[&[&["no_later_than"], &["not_before"], &["on_request"]]]);

static RULE: Shape = Shape::of(
    "Which records, from which trigger, between which bounds, and what is done with them.",
    &[
        Key::required("id", ID, "its name within the service"),
        Key::required("class", ID, "the class of these records"),
        Key::required("keeps", Type::Any(&ID), "the promises it keeps; may be empty"),
        Key::required("datastore", ID, "a `[datastore.*]` of the configuration"),
        Key::optional("table", NAME, "the table of its records"),
        Key::optional("key", Type::List(&NAME), "the columns that identify one of them"),
        Key::optional("pattern", PATTERN, "instead of a table: files, objects or keys, as `trigger` says"),
        Key::optional("subject", NAME, "the column of the data subject's id, for holds and erasure requests"),
        Key::optional("on_erasure", ON_ERASURE, "what a request does; required with `subject`"),
        Key::required("trigger", TRIGGER, "what starts the clock, and where its time is read"),
        Key::required("retain", PERIOD, "not before; may be zero"),
        Key::required("delete_by", PERIOD, "no later than"),
        Key::optional("schedule", Type::Text(SCHEDULE), "when it is swept, in UTC; else `defaults.schedule`"),
        Key::optional("mode", Type::Word(&["enforce", "observe"]), "`observe` counts and never disposes"),
        Key::required("action", ACTION, "what is done with a due record"),
        Key::optional("then", THEN, "what the engine is asked for afterwards, beyond logical erasure"),
        Key::optional("columns", Type::Table(&COLUMNS), "for `pseudonymize`: a strategy for each column"),
        Key::optional("mark", NAME, "for `pseudonymize`: the column that is set when it is done"),
        Key::optional("only", Type::Table(&ONLY), "narrows the records by value"),
        Key::optional("unless", UNLESS_ANY, "keeps a record while a matching row exists"),
        Key::optional("except", WORDS, "what the filters leave out, word for word as the promise says it"),
        Key::optional("backup", Type::Table(&BACKUP), "what the files are copies of"),
        Key::optional("dependent", Type::Any(&Type::Table(&DEPENDENT)), "records that go with it, before it"),
        Key::optional("test", Type::Any(&Type::Table(&TEST)), "what the author says it does"),
    ],
)
.choosing(&[&[&["table", "key"], &["pattern"]]]);

static DEPENDENT: Shape = Shape::of(
    "Records that go with the one the rule selects, before it.",
    &[
        Key::required("id", ID, "its name within the rule"),
        Key::required("class", ID, "the class of these records"),
        Key::optional("of", ID, "the dependent it hangs on; else the rule's record"),
        Key::optional("datastore", ID, "where they are; else where what it hangs on is"),
        Key::optional("table", NAME, "the table of its rows"),
        Key::optional("key", Type::List(&NAME), "what identifies one; else the catalogue's primary key"),
        Key::optional("match", Type::Table(&MATCH), "its column = the column of what it hangs on"),
        Key::optional(
            "pattern",
            PATTERN,
            "instead of a table: files or keys, with `{column}` of what it hangs on",
        ),
        Key::optional(
            "orphans",
            Type::Boolean,
            "list the files whose record no longer exists; never disposes of them",
        ),
        Key::required("action", ACTION, "what is done with them"),
        Key::optional("columns", Type::Table(&COLUMNS), "for `pseudonymize`: a strategy for each column"),
        Key::optional("mark", NAME, "for `pseudonymize`: the column that is set when it is done"),
    ],
)
.choosing(&[&[&["table", "match"], &["pattern"]]]);

static TEST: Shape = Shape::of(
    "What the author says the rule does: `expunged test` runs it.",
    &[
        Key::required("name", WORDS, "what it shows, as a sentence"),
        Key::optional("record", RECORD, "the record it is about; values as the datastore holds them"),
        Key::optional("records", Type::List(&RECORD), "several of them"),
        Key::optional("rows", Type::Table(&ROWS), "rows of other tables, by table"),
        Key::optional("files", Type::Table(&PATHS), "paths of files, by datastore"),
        Key::optional("held", Type::Boolean, "whether a hold covers every record"),
        Key::optional(
            "requests",
            Type::Table(&REQUESTS),
            "when a data subject requests erasure, by their id",
        ),
        Key::optional("at", Type::Instant, "when it is looked at, with an offset"),
        Key::optional("expect", VERDICTS, "the verdict; a list for several records"),
        Key::optional("steps", Type::List(&Type::Table(&STEP)), "several instants, each with its verdicts"),
        Key::optional(
            "after",
            Type::Table(&ROWS),
            "the rows that each table holds after a sweep at the last instant",
        ),
        Key::optional("after_files", Type::Table(&PATHS), "the files that each datastore holds then"),
    ],
)
.choosing(&[&[&["record"], &["records"]], &[&["at", "expect"], &["steps"]]]);

static STEP: Shape = Shape::of(
    "One instant of a test.",
    &[
        Key::required("at", Type::Instant, "when, never before the step above"),
        Key::optional("rows", Type::Table(&ROWS), "what other tables hold from now on, by table"),
        Key::required("expect", VERDICTS, "the verdict; a list for several records"),
        Key::optional(
            "sweep",
            Type::Boolean,
            "whether a sweep then disposes of what is due, for the steps below",
        ),
    ],
);

static WAIVER: Shape = Shape::of(
    "Records that no rule needs to cover: `check --connect` does not ask for one.",
    &[
        Key::required("datastore", ID, "where they are"),
        Key::optional("table", NAME, "the table"),
        Key::optional("pattern", PATTERN, "or the files, objects or keys"),
        Key::required("reason", WORDS, "why nothing of them has to go"),
    ],
)
.choosing(&[&[&["table"], &["pattern"]]]);

static BACKUP: Shape = Shape::of(
    "What the files of a backup rule hold.",
    &[
        Key::required("of", Type::List(&ID), "the datastores that they are copies of"),
        Key::required("every", PERIOD, "how often one is made: hours, days or weeks"),
        Key::optional("keep_at_least", Type::Integer(1), "how many you want to have; the promise goes first"),
    ],
);

static KEEP: Shape = Shape::of(
    "Records that a request does not reach.",
    &[Key::required("keep", WORDS, "the legal reason, in one line")],
);

static COLUMN_TRIGGER: Shape = Shape::of(
    "The time stands in a column of the record.",
    &[Key::required("column", NAME, "the column"), UNIT, FORMAT, TRIGGER_ZONE, NULL_OR_FUTURE],
);

static ROWS_TRIGGER: Shape = Shape::of(
    "The time stands in other rows.",
    &[
        Key::required("table", NAME, "their table"),
        Key::required("match", Type::Table(&MATCH), "their column = the record's column"),
        Key::required("column", NAME, "the column of the time"),
        Key::required("pick", Type::Word(&["latest", "earliest"]), "which of several counts"),
        UNIT,
        FORMAT,
        TRIGGER_ZONE,
        Key::optional(
            "pending",
            Type::Any(&Type::Word(&["null", "future", "no_row"])),
            "states in which it has not happened yet",
        ),
    ],
);

static FILE_TRIGGER: Shape = Shape::of(
    "When the file's content was last modified.",
    &[Key::required("file", Type::Word(&["modified"]), "what counts"), FUTURE_ONLY],
);

static NAME_TRIGGER: Shape = Shape::of(
    "The time stands in the name of the file or object.",
    &[
        Key::required("name", DATE_FORMAT, "the name, with the time in strftime notation"),
        TRIGGER_ZONE,
        FUTURE_ONLY,
    ],
);

static OBJECT_TRIGGER: Shape = Shape::of(
    "When the object's version was last modified.",
    &[Key::required("object", Type::Word(&["modified"]), "what counts"), FUTURE_ONLY],
);

static FIELD_TRIGGER: Shape = Shape::of(
    "The time stands in a field of a Redis hash.",
    &[Key::required("field", WORDS, "the field"), UNIT, FORMAT, TRIGGER_ZONE, NULL_OR_FUTURE],
);

static IDLE_TRIGGER: Shape = Shape::of(
    "When the Redis key was last used.",
    &[Key::required("idle", Type::True, "nothing else can be said"), FUTURE_ONLY],
);

static REQUEST_TRIGGER: Shape = Shape::of(
    "A data subject's erasure request starts the clock, and nothing else.",
    &[Key::required("request", Type::True, "nothing else can be said")],
);

static UNLESS: Shape = Shape::of(
    "A row that keeps the record while it exists.",
    &[
        Key::required("table", NAME, "where it is looked for"),
        Key::required("match", Type::Table(&MATCH), "its column = the record's column"),
        Key::optional("only", Type::Table(&ONLY), "narrows the rows that count"),
    ],
);

static MATCH: Shape = Shape::by_name("Their column = our column; NULL never matches.", &NAME);
static COLUMNS: Shape = Shape::by_name("A strategy for each column that is replaced.", &STRATEGY);
static ONLY: Shape = Shape::by_name("A condition for each column.", &CONDITION);
static ROWS: Shape = Shape::by_name("Rows by table.", &ROW_LIST);
static PATHS: Shape = Shape::by_name("Paths by datastore.", &PATH_LIST);
static REQUESTS: Shape =
    Shape::by_name("When each requests erasure, by the data subject's id.", &Type::Instant);
static ROW: Shape = Shape::by_name("Values by column.", &HELD);

static NULL_CONDITION: Shape = Shape::of(
    "Whether the column is NULL.",
    &[Key::required("null", Type::Boolean, "true: it is NULL; false: it is not")],
);

static NOT_CONDITION: Shape = Shape::of(
    "The column holds none of these; NULL qualifies.",
    &[Key::required(
        "not",
        Type::OneOf(&[LITERAL_LIST, TEXT_LITERAL, INTEGER_LITERAL, Type::Boolean]),
        "the values",
    )],
);

static FIXED: Shape =
    Shape::of("The same text for all.", &[Key::required("fixed", TEXT_LITERAL, "the text")]);

static NULL_VALUE: Shape = Shape::of(
    "NULL, which TOML has no word for.",
    &[Key::required("null", Type::True, "the column is NULL")],
);

const UNIT: Key =
    Key::optional("unit", Type::Word(&["s", "ms", "us"]), "for integers: what they count since 1970-01-01");
const FORMAT: Key =
    Key::optional("format", DATE_FORMAT, "for text: how the time is written, in strftime notation");
const TRIGGER_ZONE: Key =
    Key::optional("time_zone", ZONE, "for times without an offset: where their clock stands");
const NULL_OR_FUTURE: Key = Key::optional(
    "pending",
    Type::Any(&Type::Word(&["null", "future"])),
    "states in which it has not happened yet",
);
const FUTURE_ONLY: Key =
    Key::optional("pending", Type::Any(&Type::Word(&["future"])), "states in which it has not happened yet");

const TRIGGER: Type = Type::OneOf(&[
    Type::Table(&COLUMN_TRIGGER),
    Type::Table(&ROWS_TRIGGER),
    Type::Table(&FILE_TRIGGER),
    Type::Table(&NAME_TRIGGER),
    Type::Table(&OBJECT_TRIGGER),
    Type::Table(&FIELD_TRIGGER),
    Type::Table(&IDLE_TRIGGER),
    Type::Table(&REQUEST_TRIGGER),
]);
const ON_ERASURE: Type = Type::OneOf(&[Type::Word(&["dispose"]), Type::Table(&KEEP)]);
const UNLESS_ANY: Type = Type::OneOf(&[Type::Table(&UNLESS), Type::Any(&Type::Table(&UNLESS))]);
const THEN: Type = Type::Word(&["vacuum", "rewrite"]);
const ACTION: Type = Type::Word(&["delete", "pseudonymize"]);
static STRATEGY: Type = Type::OneOf(&[
    Type::Word(&["random", "keyed", "null", "truncate-ip", "truncate-date"]),
    Type::Table(&FIXED),
]);
static CONDITION: Type = Type::OneOf(&[
    TEXT_LITERAL,
    INTEGER_LITERAL,
    Type::Boolean,
    LITERAL_LIST,
    Type::Table(&NULL_CONDITION),
    Type::Table(&NOT_CONDITION),
]);
const LITERAL_LIST: Type = Type::List(&Type::OneOf(&[TEXT_LITERAL, INTEGER_LITERAL, Type::Boolean]));
static ROW_LIST: Type = Type::Any(&RECORD);
static PATH_LIST: Type = Type::Any(&WORDS);
const RECORD: Type = Type::Table(&ROW);
static HELD: Type = Type::OneOf(&[
    TEXT_LITERAL,
    INTEGER_LITERAL,
    Type::Number,
    Type::Boolean,
    Type::Instant,
    Type::Table(&NULL_VALUE),
]);
const VERDICT: Type = Type::Word(&["kept", "due", "overdue", "held", "undated", "gone"]);
const VERDICTS: Type = Type::OneOf(&[VERDICT, Type::List(&VERDICT)]);
const INTEGER_LITERAL: Type = Type::Integer(i64::MIN);
const TEXT_LITERAL: Type = Type::Text(Text { what: "a text", pattern: Some("^"), example: "closed" });
const WORDS: Type = Type::Text(Text { what: "a few words", pattern: None, example: "a few words" });
const NAME: Type = Type::Text(Text {
    what: "a name as the catalogue spells it",
    pattern: Some("^[^\\u0000-\\u001f\\u007f]{1,128}$"),
    example: "deleted_at",
});
const ID: Type = Type::Text(Text {
    what: "a name of `a-z 0-9 - _`, at most 64 of them",
    pattern: Some("^[a-z0-9][a-z0-9_-]{0,63}$"),
    example: "account",
});
const ZONE: Type = Type::Text(shape::ZONE);
const PATTERN: Type = Type::Text(Text {
    what: "a pattern",
    pattern: Some("^[^/\\u0000-\\u001f\\u007f][^\\u0000-\\u001f\\u007f]*$"),
    example: "uploads/*.zip",
});
const DATE_FORMAT: Type =
    Type::Text(Text { what: "a strftime format", pattern: Some("%"), example: "%Y-%m-%d" });
const PERIOD: Type = Type::Text(Text {
    what: "a period in words or ISO 8601",
    pattern: Some(
        "^\\s*([Pp].+|[0-9]+ +(year|month|week|day|hour|minute|second)s?( +[0-9]+ +(year|month|week|day|hour|minute|second)s?)*)\\s*$",
    ),
    example: "1 month",
});
