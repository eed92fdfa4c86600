//! The report as one page: no script, nothing from elsewhere, to be printed or read on a screen.

use askama::Template;

use super::standing::Standing;
use super::tally::Of;
use super::unit::{Moment, Seconds};
use super::view::{Disposal, Promise, Remaining, Report, RequestStanding, Summary};
use crate::ledger::entry::{Action, Left};

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report as a page")]
pub struct PageError {
    #[source]
    source: askama::Error,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/report/askama.toml")]
struct Page<'r> {
    report: &'r Report,
}

impl Report {
    /// As one file of HTML.
    pub fn to_html(&self) -> Result<String, PageError> {
        Page { report: self }.render().map_err(|source| PageError { source })
    }
}
