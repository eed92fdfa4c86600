//! What a datastore's account may do, against what a sweep has to do.

mod needed;

pub use needed::{Columns, Needed, Right, Use, needed};

use crate::diagnostic::{Code, Diagnostic, Place, Severity};

/// Something about a datastore's privileges that should be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeFinding {
    /// In which direction.
    pub standing: Standing,
    /// Whether a sweep can go on with it.
    pub severity: Severity,
    /// What, observed, expected.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// How privileges stand to what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A sweep needs more.
    Insufficient,
    /// No sweep needs as much.
    Excessive,
}

impl PrivilegeFinding {
    /// As a problem at the place that names the datastore.
    pub fn diagnostic(&self, place: Place) -> Diagnostic {
        let code = match self.standing {
            Standing::Insufficient => Code::TooFewPrivileges,
            Standing::Excessive => Code::TooManyPrivileges,
        };
        let make = match self.severity {
            Severity::Error => Diagnostic::error,
            Severity::Warning => Diagnostic::warning,
        };
        make(code, place, self.message.clone(), self.help.clone())
    }
}
