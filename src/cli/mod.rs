//! The command line: one file a command. Prints for people, or JSON whose fields stay.

// First: its macros stand in for those of the standard library in all modules below.
#[macro_use]
mod output;

mod approve;
mod check;
mod concept;
pub mod demo;
mod diff;
mod directory;
mod erase;
mod explain;
mod grants;
mod hold;
mod key;
mod ledger;
mod log;
mod markdown;
mod pause;
mod plan;
mod prove;
mod reload;
mod report;
mod run;
mod schema;
mod status;
mod sweep;
mod table;
mod test;
mod verify;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::deployment::{Deployment, open_state};
use crate::ledger::name::{CaseReference, RoleName};
use crate::state::{Role, State};

pub use crate::deployment::{Exit, Failure};
pub use output::tell;

/// What every command returns.
pub type Outcome = Result<Exit, Failure>;

/// Retention enforcement: what is due is disposed of, on time, and an outsider can verify it.
#[derive(Debug, Parser)]
#[command(name = "expunged", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command accepts.
#[derive(Debug, Args)]
pub struct Global {
    /// The main configuration.
    #[arg(
        long,
        global = true,
        env = "EXPUNGED_CONFIG",
        value_name = "FILE",
        default_value = "/etc/expunged/expunged.toml"
    )]
    config: PathBuf,
    /// The rule files, instead of the configuration's; not for what disposes of records.
    #[arg(long, global = true, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// How much is logged to standard error: error, warn, info, debug [default: warn; for `run`: info].
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<tracing::Level>,
    /// For people, or for programs; a page, a table and Markdown are forms of `report`, `concept` and `diff`.
    #[arg(long = "format", global = true, value_enum, default_value_t = Form::Text)]
    form: Form,
    /// The same, of whatever is no page, no table and no Markdown.
    #[arg(skip)]
    format: Format,
}

impl Global {
    /// The configuration and the rules, each proved by itself.
    fn deployment(&self) -> Result<Deployment, Failure> {
        Deployment::load(&self.config, self.rules.as_deref())
    }

    /// The state alone, for orders that go by no rule: they must not wait until somebody has mended one.
    async fn state(&self, role: Role) -> Result<State, Failure> {
        open_state(&Config::load(&self.config)?, role).await
    }

    /// The same beside a disposer; none: nobody has made it yet.
    async fn state_if_any(&self) -> Result<Option<State>, Failure> {
        let config = Config::load(&self.config)?;
        Ok(if config.state.exists() { Some(open_state(&config, Role::Beside).await?) } else { None })
    }
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; documented and stable.
    Json,
}

/// What `--format` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// For programs; documented and stable.
    Json,
    /// `report`, `concept`: one page, to be read or printed.
    Html,
    /// `concept`, `diff`: text for people and for renderers.
    Markdown,
    /// `report`: one table, a row a figure.
    Csv,
    /// `check`: annotations of a pull request on GitHub.
    Github,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a demo world, sweep it, and show what happened.
    Demo {
        /// Where to build it; a temporary directory without it.
        directory: Option<PathBuf>,
        /// Leave the whole world for playing.
        #[arg(long)]
        keep: bool,
    },
    /// Prove the rules: every promise kept for every class, every window wide enough.
    Check {
        /// Prove them against the datastores too: names, types, indexes, privileges, and that nothing there is forgotten.
        #[arg(long)]
        connect: bool,
    },
    /// Run the tests inside the rule files.
    Test {
        /// Only tests with one of these texts in their `service/rule: name`.
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Show what a change of the rules does to records and promises; ends with 1 where a person should look.
    Diff {
        /// The directory of the rules as they were.
        old: PathBuf,
        /// The directory of the rules as they shall be.
        new: PathBuf,
    },
    /// Print the JSON Schema (draft 2020-12) of a TOML format, for editors.
    Schema {
        /// Which format.
        format: schema::Schema,
    },
    /// Show what a sweep would do; write nothing.
    Plan {
        /// SERVICE/RULE or SERVICE; all rules without it.
        #[arg(value_name = "RULE")]
        patterns: Vec<String>,
        /// As if it were then (RFC 3339).
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<Utc>>,
        /// Name the files whose record no longer exists, where a dependent says `orphans = true`: their paths may be personal.
        #[arg(long)]
        orphans: bool,
    },
    /// Explain the verdict on one record, or what a rule does.
    Explain {
        /// SERVICE/RULE.
        rule: String,
        /// The values of the record's key, in the rule's order; without them, the rule is explained.
        key: Vec<String>,
        /// As if it were then (RFC 3339).
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<Utc>>,
    },
    /// Print what the daemon's account needs in each datastore, for an administrator to run; ask nothing, change nothing.
    Grants {
        /// SERVICE/RULE or SERVICE; all rules without it.
        #[arg(value_name = "RULE")]
        patterns: Vec<String>,
    },
    /// Sweep every rule on its schedule, until told to stop: the daemon.
    Run,
    /// Let the daemon read configuration and rules again; prints what it thinks of them.
    Reload,
    /// Sweep now, once.
    Sweep {
        /// SERVICE/RULE or SERVICE; all rules without it.
        #[arg(value_name = "RULE")]
        patterns: Vec<String>,
    },
    /// Show every rule: last sweep, backlog, oldest due, time to the deadline.
    Status,
    /// Let a parked rule dispose of up to N records until its next completed sweep; or confirm a clock or a root.
    Approve {
        #[command(flatten)]
        what: Approvable,
        /// In which role you approve; a role, never a name: it goes into the ledger.
        #[arg(long, value_name = "ROLE", default_value = "operator", value_parser = RoleParser, conflicts_with_all = ["clock", "root"])]
        by: RoleName,
    },
    /// Legal holds: what they cover is not disposed of, whatever a rule says.
    Hold {
        #[command(subcommand)]
        command: HoldCommand,
    },
    /// Erasure requests of data subjects.
    Erase {
        #[command(subcommand)]
        command: EraseCommand,
    },
    /// Stop all disposal from the next batch on, also that of a running daemon.
    Pause {
        #[command(flatten)]
        by: By,
    },
    /// Let disposal go on.
    Resume {
        #[command(flatten)]
        by: By,
    },
    /// Write the proof that one record was disposed of.
    Prove {
        /// SERVICE/RULE.
        rule: String,
        /// The values of the record's key, in the rule's order.
        #[arg(required = true)]
        key: Vec<String>,
        /// The dependent's table, where the record is a dependent's.
        #[arg(long, value_name = "TABLE")]
        dataset: Option<String>,
        /// Where to write it; `-` is standard output. Without it, a name of its own, of a file that must not exist.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify proofs offline, with nothing but the public key.
    Verify {
        /// The verifier key: `FILE.vkey` as `key generate` wrote it.
        #[arg(long, value_name = "VKEY")]
        key: PathBuf,
        /// Proofs.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Report what was disposed of in a period, and how every promise stands.
    Report {
        /// The first instant that counts: a date (midnight, UTC) or an RFC 3339 time; without it, 30 days before the end.
        #[arg(long, value_name = "DATE|TIME", value_parser = report::instant)]
        from: Option<DateTime<Utc>>,
        /// The first instant that no longer counts; now without it.
        #[arg(long, value_name = "DATE|TIME", value_parser = report::instant)]
        to: Option<DateTime<Utc>>,
        /// Only this service.
        #[arg(long, value_name = "ID")]
        service: Option<String>,
        /// Where to write it; replaces a file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the deletion concept: what the rules demand, for whoever answers for it.
    Concept {
        /// Only this service.
        #[arg(long, value_name = "ID")]
        service: Option<String>,
        /// Where to write it; replaces a file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify the whole ledger, or write it as files.
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Make signing keys.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

/// In which role a person orders something.
#[derive(Debug, Args)]
struct By {
    /// In which role you order it; a role, never a name: it goes into the ledger.
    #[arg(long, value_name = "ROLE", default_value = "operator", value_parser = RoleParser)]
    by: RoleName,
}

#[derive(Debug, Subcommand)]
enum HoldCommand {
    /// Place a hold, and say for each rule what it found.
    Place {
        /// SERVICE, or SERVICE/RULE for one of its rules alone.
        #[arg(value_name = "SCOPE")]
        scope: String,
        /// Only the records of this data subject; `-` reads the id from standard input.
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        /// Under which reference the order is filed; never a person's name: it goes into the ledger.
        #[arg(long, value_name = "REFERENCE", value_parser = ReferenceParser)]
        reference: CaseReference,
        #[command(flatten)]
        by: By,
        /// How many seconds to wait for batches that were intended before the hold came.
        #[arg(long, value_name = "SECONDS", default_value_t = 15)]
        wait: u64,
    },
    /// End a hold.
    Release {
        /// The hold, as `place` printed it.
        hold: String,
        #[command(flatten)]
        by: By,
    },
    /// Show the holds in force.
    List,
}

#[derive(Debug, Subcommand)]
enum EraseCommand {
    /// Record a data subject's demand: the next sweep of each rule disposes of what it reaches.
    Request {
        /// The service that is asked.
        service: String,
        /// The data subject's id; `-` reads it from standard input.
        #[arg(value_name = "SUBJECT")]
        subject: String,
        /// When the demand was received (RFC 3339); now without it.
        #[arg(long, value_name = "TIME")]
        received: Option<DateTime<Utc>>,
        #[command(flatten)]
        by: By,
    },
    /// Show every request, and when it was answered.
    List,
    /// Take a request back, for instance because the id was wrong: nothing more goes on it.
    Withdraw {
        /// The request, as `request` printed it.
        request: String,
        #[command(flatten)]
        by: By,
    },
    /// Show one request, and what it reaches.
    Show {
        /// The request, as `request` printed it.
        request: String,
    },
}

/// What a person approves: a rule's sweep, a datastore's clock, or its root; never two of them.
#[derive(Debug, Args)]
struct Approvable {
    /// SERVICE/RULE.
    #[arg(required_unless_present_any = ["clock", "root"], requires = "up_to", conflicts_with_all = ["clock", "root"])]
    rule: Option<String>,
    /// How many of the rule's own records.
    #[arg(long, value_name = "N", requires = "rule", value_parser = clap::value_parser!(u64).range(1..))]
    up_to: Option<u64>,
    /// The datastore whose clock you have looked at.
    #[arg(long, value_name = "DATASTORE", conflicts_with_all = ["up_to", "root"])]
    clock: Option<String>,
    /// The datastore of files whose root you have looked at: it is the directory that is meant.
    #[arg(long, value_name = "DATASTORE", conflicts_with = "up_to")]
    root: Option<String>,
}

/// Parses a reference without printing back what is none: it could be a person's name.
#[derive(Debug, Clone)]
struct ReferenceParser;

impl TypedValueParser for ReferenceParser {
    type Value = CaseReference;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<CaseReference, clap::Error> {
        value.to_str().and_then(|text| CaseReference::parse(text).ok()).ok_or_else(|| {
            let what =
                "`--reference` is a file's number and never a person's name: 1 to 64 of `A-Z a-z 0-9 . _ -`\n";
            clap::Error::raw(ErrorKind::ValueValidation, what).with_cmd(command)
        })
    }
}

/// Parses a role without printing back what is none: it could be a person's name.
#[derive(Debug, Clone)]
struct RoleParser;

impl TypedValueParser for RoleParser {
    type Value = RoleName;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<RoleName, clap::Error> {
        value.to_str().and_then(|text| RoleName::parse(text).ok()).ok_or_else(|| {
            let what = "`--by` is a role and never a person's name: 1 to 64 of `A-Z a-z 0-9 . _ -`\n";
            clap::Error::raw(ErrorKind::ValueValidation, what).with_cmd(command)
        })
    }
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Check the tree, the published checkpoint, the commitments and every invariant.
    Verify {
        /// What `ledger export` wrote, instead of the configuration's ledger: needs nothing else but the key.
        #[arg(long, value_name = "DIR", requires = "key")]
        exported: Option<PathBuf>,
        /// The verifier key, for `--exported`.
        #[arg(long, value_name = "VKEY", requires = "exported")]
        key: Option<PathBuf>,
        /// A checkpoint kept from earlier, which this ledger has to continue; may be repeated.
        #[arg(long, value_name = "CHECKPOINT")]
        since: Vec<PathBuf>,
    },
    /// Write the ledger as static C2SP tlog-tiles: checkpoint, tiles, entries.
    Export {
        /// A new or empty directory.
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Write a new signing key (mode 0600), and FILE.vkey for whoever verifies.
    Generate {
        /// Where to write it.
        file: PathBuf,
        /// The ledger it signs for; the configuration's without it.
        #[arg(long, value_name = "NAME")]
        origin: Option<String>,
    },
}

/// Runs one command to its end.
pub fn run(cli: Cli) -> Outcome {
    let Cli { mut global, command } = cli;
    global.format = format(&global, &command)?;
    let runtime = if matches!(command, Command::Run) {
        log::of_the_daemon(global.log_level.unwrap_or(tracing::Level::INFO));
        // The loop has the first thread; monitoring and reloads are answered while it computes.
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?
    } else {
        log::of_a_command(global.log_level.unwrap_or(tracing::Level::WARN));
        // One rule at a time: the drivers bring their own threads.
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    };
    output::handed_over(runtime.block_on(dispatch(&global, command)))
}

/// Only what is handed on has other forms than text and JSON.
fn format(global: &Global, command: &Command) -> Result<Format, Failure> {
    match (global.form, command) {
        (Form::Json, _) => Ok(Format::Json),
        (Form::Text, _)
        | (Form::Html | Form::Csv, Command::Report { .. })
        | (Form::Html | Form::Markdown, Command::Concept { .. })
        | (Form::Markdown, Command::Diff { .. })
        | (Form::Github, Command::Check { .. }) => Ok(Format::Text),
        (Form::Html, _) => Err(refused("html", "`report` and `concept`")),
        (Form::Csv, _) => Err(refused("csv", "`report`")),
        (Form::Markdown, _) => Err(refused("markdown", "`concept` and `diff`")),
        (Form::Github, _) => Err(refused("github", "`check`")),
    }
}

/// A form that the command does not have.
fn refused(form: &str, of: &str) -> Failure {
    let what = format!("`--format {form}` is a form of {of} alone: expected `text` or `json`");
    Failure::new(Exit::Usage, anyhow::anyhow!(what))
}

/// A sweep by other rules than the configuration's would be a trap, and so would an approval of one.
fn refuse_other_rules(global: &Global, command: &Command) -> Result<(), Failure> {
    let instead = "goes by the configuration's rules alone; try others with `check`, `test` or `plan`";
    let (name, why) = match command {
        Command::Demo { .. } => ("demo", "brings its own rules"),
        Command::Diff { .. } => ("diff", "compares the two directories that it is given"),
        Command::Sweep { .. } => ("sweep", instead),
        Command::Run => ("run", instead),
        Command::Reload => ("reload", instead),
        Command::Approve { .. } => ("approve", instead),
        Command::Hold { .. } => ("hold", instead),
        Command::Erase { .. } => ("erase", instead),
        Command::Pause { .. } => ("pause", instead),
        Command::Resume { .. } => ("resume", instead),
        Command::Check { .. }
        | Command::Test { .. }
        | Command::Schema { .. }
        | Command::Plan { .. }
        | Command::Explain { .. }
        | Command::Grants { .. }
        | Command::Status
        | Command::Prove { .. }
        | Command::Verify { .. }
        | Command::Report { .. }
        | Command::Concept { .. }
        | Command::Ledger { .. }
        | Command::Key { .. } => return Ok(()),
    };
    if global.rules.is_none() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, anyhow::anyhow!("`{name}` takes no `--rules`: it {why}")))
}

async fn dispatch(global: &Global, command: Command) -> Outcome {
    refuse_other_rules(global, &command)?;
    match command {
        Command::Demo { directory, keep } => demo::run(directory, keep, global.format).await,
        Command::Check { connect } => {
            let against = if connect { check::Against::Datastores } else { check::Against::Themselves };
            check::run(global, global.form, against).await
        }
        Command::Test { filters } => test::run(global, &filters),
        Command::Diff { old, new } => diff::run(global, &old, &new),
        Command::Schema { format } => Ok(schema::run(format)),
        Command::Plan { patterns, at, orphans } => {
            let named = if orphans { plan::Named::Listed } else { plan::Named::Counted };
            plan::run(global, &patterns, at, named).await
        }
        Command::Explain { rule, key, at } => explain::run(global, &rule, &key, at).await,
        Command::Grants { patterns } => grants::run(global, &patterns),
        Command::Sweep { patterns } => sweep::run(global, &patterns).await,
        Command::Run => run::run(global).await,
        Command::Reload => reload::run(global).await,
        Command::Status => status::run(global).await,
        Command::Approve { what, by } => approve(global, what, &by).await,
        Command::Hold { command } => hold(global, command).await,
        Command::Erase { command } => erase(global, command).await,
        Command::Pause { by } => pause::pause(global, &by.by).await,
        Command::Resume { by } => pause::resume(global, &by.by).await,
        Command::Prove { rule, key, dataset, out } => {
            prove::run(global, &rule, &key, dataset.as_deref(), out).await
        }
        Command::Verify { key, files } => verify::run(global, &key, &files),
        Command::Report { from, to, service, out } => {
            report::run(global, report::Asked { from, to, service, out }).await
        }
        Command::Concept { service, out } => concept::run(global, service.as_deref(), out),
        Command::Ledger { command } => match command {
            LedgerCommand::Verify { exported: Some(directory), key: Some(key), since } => {
                ledger::verify_exported(global, (&directory, &key), &since)
            }
            LedgerCommand::Verify { exported: _, key: _, since } => ledger::verify(global, &since).await,
            LedgerCommand::Export { directory } => ledger::export(global, &directory).await,
        },
        Command::Key { command: KeyCommand::Generate { file, origin } } => {
            key::generate(global, &file, origin)
        }
    }
}

async fn hold(global: &Global, command: HoldCommand) -> Outcome {
    match command {
        HoldCommand::Place { scope, subject, reference, by, wait } => {
            let wait = std::time::Duration::from_secs(wait);
            hold::place(global, &hold::Order { scope, subject, reference, by: by.by, wait }).await
        }
        HoldCommand::Release { hold, by } => hold::release(global, &hold, &by.by).await,
        HoldCommand::List => hold::list(global).await,
    }
}

async fn erase(global: &Global, command: EraseCommand) -> Outcome {
    match command {
        EraseCommand::Request { service, subject, received, by } => {
            erase::request(global, &service, &subject, received, &by.by).await
        }
        EraseCommand::Withdraw { request, by } => erase::withdraw(global, &request, &by.by).await,
        EraseCommand::List => erase::list(global).await,
        EraseCommand::Show { request } => erase::show(global, &request).await,
    }
}

async fn approve(global: &Global, what: Approvable, by: &RoleName) -> Outcome {
    match what {
        Approvable { clock: Some(datastore), .. } => approve::clock(global, &datastore).await,
        Approvable { root: Some(datastore), .. } => approve::root(global, &datastore).await,
        Approvable { rule: Some(rule), up_to: Some(up_to), clock: None, root: None } => {
            approve::run(global, &rule, up_to, by.as_str()).await
        }
        // The definition above lets none of these pass; an approval is not the place for a guess.
        Approvable { rule: _, up_to: _, clock: None, root: None } => Err(Failure::new(
            Exit::Usage,
            anyhow::anyhow!("say `RULE --up-to N`, `--clock DATASTORE` or `--root DATASTORE`"),
        )),
    }
}

/// A panic says where it happened and nothing else: its text could hold a record.
pub fn hide_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        eprintln!(
            "error: a bug at {place}: please report it; what was in flight is settled at the next start"
        );
        std::process::exit(i32::from(Exit::Bug as u8));
    }));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
