//! Exit codes: what a script may rely on.

use std::process::ExitCode;

use crate::datastore::DatastoreError;
use crate::datastore::error::ReplicaError;
use crate::datastore::files::RootError;
use crate::diagnostic::{Diagnostics, SourceKind, chain};
use crate::model::name::RuleId;
use crate::state::StateError;
use crate::sweep::SweepError;

/// How the process ends. The numbers from 64 on are those of `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Some records were not disposed of, or something needs a look.
    Finding = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Evidence does not verify.
    Evidence = 4,
    /// Refused: a guard, a clock, an unknown state.
    Refused = 5,
    /// The rules are invalid.
    Rules = 65,
    /// A datastore cannot be reached.
    Unreachable = 69,
    /// A bug.
    Bug = 70,
    /// Another process holds the state.
    Locked = 75,
    /// Permission denied.
    Denied = 77,
    /// The configuration is invalid.
    Configuration = 78,
}

impl Exit {
    /// The exit that has this code.
    pub fn of(code: u8) -> Option<Self> {
        const ALL: [Exit; 11] = [
            Exit::Done,
            Exit::Finding,
            Exit::Usage,
            Exit::Evidence,
            Exit::Refused,
            Exit::Rules,
            Exit::Unreachable,
            Exit::Bug,
            Exit::Locked,
            Exit::Denied,
            Exit::Configuration,
        ];
        ALL.into_iter().find(|exit| *exit as u8 == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed, and the code that says how.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// A failure whose code the command itself knows.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// The code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether the state, and not a datastore or a rule, is at fault. An order that stops a rule is none of its faults, nor is a key that one rule needs.
    pub fn is_of_the_state(&self) -> bool {
        let error = self.error.chain().find_map(|error| error.downcast_ref::<StateError>());
        !matches!(
            error,
            None | Some(
                StateError::Subject { .. }
                    | StateError::PseudonymKeyMissing { .. }
                    | StateError::OrdersMoved
                    | StateError::Halted(_)
            )
        )
    }

    /// What is wrong in the files that people wrote, where that is what it failed for.
    pub fn diagnostics(&self) -> Option<&Diagnostics> {
        self.error.downcast_ref::<Diagnostics>()
    }

    /// The chain for programs, which know an error by its field.
    pub fn text(&self) -> String {
        self.message().trim_start_matches("error: ").to_owned()
    }

    /// The chain for one rule of several. Diagnostics name the rule's file and line first, for whoever clicks on them.
    pub fn about(&self, rule: &RuleId) -> String {
        let message = self.message();
        if message.starts_with("error: ") { format!("{rule}: {message}") } else { message }
    }

    /// The chain, printed once, here. Diagnostics carry their own `error:`.
    pub fn message(&self) -> String {
        if let Some(diagnostics) = self.diagnostics() {
            return diagnostics.to_string();
        }
        if let Some(SweepError::Bind(diagnostics)) = self.error.downcast_ref::<SweepError>() {
            return diagnostics.to_string();
        }
        format!("error: {}", chain(self.error.as_ref()))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { exit: code(&error), error }
    }
}

/// The code of a failure, from the first cause in its chain that has one of its own.
fn code(error: &anyhow::Error) -> Exit {
    error.chain().find_map(known).unwrap_or(Exit::Bug)
}

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(diagnostics) = error.downcast_ref::<Diagnostics>() {
        let rules = diagnostics.iter().any(|d| d.place.source().kind() == SourceKind::Rules);
        return Some(if rules { Exit::Rules } else { Exit::Configuration });
    }
    if let Some(error) = error.downcast_ref::<StateError>() {
        return Some(of_state(error));
    }
    if let Some(error) = error.downcast_ref::<DatastoreError>() {
        return Some(of_datastore(error));
    }
    match error.downcast_ref::<SweepError>()? {
        SweepError::Bind(_) => Some(Exit::Rules),
        SweepError::Clock { .. }
        | SweepError::Halted(_)
        | SweepError::LostHold { .. }
        | SweepError::OtherRoot { .. }
        | SweepError::BareRoot { .. } => Some(Exit::Refused),
        SweepError::NoDatastore { .. } => Some(Exit::Configuration),
        SweepError::Disagreement { .. } | SweepError::Hashing(_) | SweepError::NoIntent => Some(Exit::Bug),
        SweepError::RolledBack { .. } | SweepError::Commit { .. } | SweepError::InDoubt { .. } => {
            Some(Exit::Unreachable)
        }
        // Their cause knows.
        SweepError::State(_) | SweepError::Datastore(_) => None,
    }
}

fn of_state(error: &StateError) -> Exit {
    match error {
        StateError::Locked { .. } => Exit::Locked,
        StateError::Missing { .. }
        | StateError::Foreign { .. }
        | StateError::Version { .. }
        | StateError::Origin { .. } => Exit::Configuration,
        StateError::Unpublished { source, .. } => of_state(source),
        StateError::Regressed { .. } | StateError::Checkpoint { .. } => Exit::Evidence,
        StateError::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Exit::Denied
        }
        StateError::Open { .. }
        | StateError::Damaged { .. }
        | StateError::Full { .. }
        | StateError::Statement { .. }
        | StateError::File { .. }
        | StateError::WrongKey { .. }
        | StateError::KeyMissing { .. }
        | StateError::PseudonymKeyMissing { .. }
        | StateError::ClockAhead { .. }
        | StateError::Sealed { .. }
        | StateError::Subject { .. }
        | StateError::Halted(_) => Exit::Refused,
        StateError::Name(_)
        | StateError::Entry(_)
        | StateError::Tree(_)
        | StateError::Duplicate(_)
        | StateError::Sign(_)
        | StateError::Random(_)
        | StateError::OrdersMoved
        | StateError::Outcome { .. } => Exit::Bug,
    }
}

fn of_datastore(error: &DatastoreError) -> Exit {
    if error.denied() {
        return Exit::Denied;
    }
    match error {
        DatastoreError::Root { source: RootError::Unreachable(_), .. }
        | DatastoreError::Open { .. }
        | DatastoreError::Unreachable { .. }
        | DatastoreError::Statement { .. }
        | DatastoreError::Replicas {
            source:
                ReplicaError::Hidden(_) | ReplicaError::NoReplica | ReplicaError::Stopped | ReplicaError::Silent,
            ..
        } => Exit::Unreachable,
        DatastoreError::Root { source: RootError::NoDirectory { .. }, .. } => Exit::Refused,
        DatastoreError::Rights { .. } => Exit::Denied,
        DatastoreError::Password { source, .. } | DatastoreError::Authority { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Exit::Denied
        }
        DatastoreError::Root { .. }
        | DatastoreError::Replicas { source: ReplicaError::NoSource, .. }
        | DatastoreError::WrongKind { .. }
        | DatastoreError::Password { .. }
        | DatastoreError::Authority { .. }
        | DatastoreError::Credential(_) => Exit::Configuration,
        DatastoreError::Unexpected { .. }
        | DatastoreError::Hidden { .. }
        | DatastoreError::Crowded { .. }
        | DatastoreError::Key(_)
        | DatastoreError::Pseudonym(_) => Exit::Finding,
    }
}
