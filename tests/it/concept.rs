//! The deletion concept: what it says of rules, how its forms agree, and what it refuses.

mod command;
mod forms;
mod shipped;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use expunged::concept::{Concept, Given};
use expunged::diagnostic::{Paint, Source, SourceKind};
use std::path::PathBuf;

use expunged::model::datastore::{Datastore, Defaults, Location, Pace};
use expunged::model::name::DatastoreName;
use expunged::rules::check::{ProvedPromise, check};
use expunged::rules::document;
use expunged::rules::rule::RuleSet;
use pulldown_cmark::{Event, Options, Parser};

/// A service with everything that a concept has something to say of.
pub const RULES: &str = r#"[service]
name = "Site & friends"
owner = "site@example.com"
time_zone = "Europe/Berlin"

[[promise]]
id = "account"
text = "Gone within a month of the account's deletion, free plans alone."
source = "Policy, 2020-04-28, section 7"
trigger = "account deleted"
no_later_than = "1 month"
except = "paid plans"
decision = "The policy gives no figure: 1 month, the board, 2026-02-16."
covers = ["account", "comments"]

[[promise]]
id = "request"
text = "Gone when a person asks."
source = "GDPR Art. 17"
trigger = "erasure request"
on_request = true
covers = ["letters"]

[[promise]]
id = "invoices"
text = "Kept for ten years, gone soon after."
source = "Tax code, § 147"
trigger = "invoice paid"
not_before = "10 years"
no_later_than = "10 years 1 month"
covers = ["invoices"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
except = "paid plans"
datastore = "site"
table = "account"
key = ["tenant", "id"]
subject = "id"
on_erasure = "dispose"
trigger = { column = "deleted_at", pending = ["null"] }
retain = "7 days"
delete_by = "1 month"
only = { plan = { not = ["paid", "gift"] }, region = "eu", note = { null = false } }
unless = { table = "dispute", match = { account_id = "id" }, only = { open = true } }
action = "delete"

[[rule.dependent]]
id = "comments"
class = "comments"
table = "comment"
match = { author_id = "id" }
action = "pseudonymize"
columns = { author_id = "null", author_name = "random", author_ip = "truncate-ip", born_on = "truncate-date", handle = "keyed", title = { fixed = "gone" } }
mark = "pseudonymized_at"

[[rule.dependent]]
id = "images"
class = "comments"
of = "comments"
datastore = "uploads"
pattern = "images/{id}/**"
action = "delete"

[[rule]]
id = "letters"
class = "letters"
keeps = ["request"]
datastore = "site"
table = "letter"
key = ["id"]
trigger = { table = "request", match = { letter_id = "id" }, column = "made_at", pick = "earliest", pending = ["no_row"], unit = "ms" }
retain = "0 hours"
delete_by = "14 days"
schedule = "0 0 */6 * * *"
action = "delete"

[[rule]]
id = "invoices"
class = "invoices"
keeps = ["invoices"]
datastore = "site"
table = "invoice"
key = ["id"]
subject = "account_id"
on_erasure = { keep = "Tax code, § 147" }
trigger = { column = "paid_on", pending = ["future"] }
retain = "10 years"
delete_by = "10 years 1 month"
action = "delete"

[[rule]]
id = "imports"
class = "imports"
keeps = []
datastore = "uploads"
pattern = "imports/*.csv"
trigger = { file = "modified" }
retain = "1 day"
delete_by = "7 days"
action = "delete"

[[rule]]
id = "backups"
class = "backups"
keeps = []
datastore = "vault"
pattern = "site-*.tar"
trigger = { name = "site-%Y%m%dT%H%M%SZ.tar" }
retain = "7 days"
delete_by = "21 days"
backup = { of = ["site"], every = "1 day", keep_at_least = 3 }
action = "delete"
"#;

/// The rules of one file, `site.toml`.
pub fn rules(text: &str) -> RuleSet {
    let source = Source::new(SourceKind::Rules, "rules/site.toml", text);
    let service = document::parse(&source, "site", &Defaults::default());
    RuleSet { services: vec![service.unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)))] }
}

/// Their concept, without a configuration.
pub fn concept(set: &RuleSet) -> Concept {
    let promises = check(set, &Defaults::default()).unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)));
    written(set, &promises.promises)
}

/// The same, where what was proved of [`RULES`] stands for what would be proved of these: a proof looks at every day.
pub fn varied(set: &RuleSet) -> Concept {
    static PROVED: OnceLock<Vec<ProvedPromise>> = OnceLock::new();
    written(set, PROVED.get_or_init(|| check(&rules(RULES), &Defaults::default()).unwrap().promises))
}

/// The same, of what was proved of them.
pub fn written(set: &RuleSet, promises: &[ProvedPromise]) -> Concept {
    Concept::of(&Given { rules: set, promises, defaults: &Defaults::default(), datastores: None }, None)
}

/// The same, where a configuration says of which kind each datastore is.
pub fn configured(set: &RuleSet) -> Concept {
    let promises = check(set, &Defaults::default()).unwrap().promises;
    let path = || PathBuf::from("/srv/secret-path");
    let places = [
        ("site", Location::Sqlite(path())),
        ("uploads", Location::Files(path())),
        ("vault", Location::Files(path())),
    ];
    let datastores: BTreeMap<DatastoreName, Datastore> = places
        .map(|(name, location)| {
            (
                DatastoreName::new(name).unwrap(),
                Datastore { location, pace: Pace::Unlimited, window: None, lag: None },
            )
        })
        .into();
    Concept::of(
        &Given {
            rules: set,
            promises: &promises,
            defaults: &Defaults::default(),
            datastores: Some(&datastores),
        },
        None,
    )
}

/// What a reader of Markdown sees from the first part on, and every stretch of HTML in it.
pub fn markdown_shows(markdown: &str) -> (String, Vec<String>) {
    let (mut text, mut html) = (String::new(), Vec::new());
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(shown) | Event::Code(shown) => text.push_str(&shown),
            Event::InlineHtml(tag) | Event::Html(tag) => html.push(tag.to_string()),
            Event::Start(_) | Event::End(_) | Event::SoftBreak | Event::HardBreak | Event::Rule => {
                text.push(' ');
            }
            other => panic!("{other:?} in\n{markdown}"),
        }
    }
    (squeezed(&from_first_part(&text)), html)
}

/// What a reader of the page sees from the first part on.
pub fn page_shows(html: &str) -> String {
    let main = html.split("<main>").nth(1).unwrap().split("</main>").next().unwrap();
    let mut text = String::new();
    for (at, piece) in main.split('<').enumerate() {
        let shown = if at == 0 { piece } else { piece.split_once('>').unwrap().1 };
        text.push_str(shown);
    }
    squeezed(&from_first_part(&unescaped(&text)))
}

fn from_first_part(text: &str) -> String {
    text[text.find("1. Scope").unwrap()..].to_owned()
}

/// Without white space, and without the colon that Markdown puts behind a word that is explained.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect()
}

/// Askama writes numbers alone.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    for (at, piece) in text.split("&#").enumerate() {
        match piece.split_once(';').filter(|_| at > 0) {
            Some((number, rest)) => {
                let c = char::from_u32(number.parse().unwrap()).unwrap();
                write!(plain, "{c}{rest}").unwrap();
            }
            None => plain.push_str(piece),
        }
    }
    plain
}
