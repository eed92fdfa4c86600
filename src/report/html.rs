//! The report as one page: no script, nothing from elsewhere, to be printed or read on a screen.

use askama::Template;

use super::lateness::Lateness;
use super::standing::Standing;
use super::tally::Of;
use super::unit::Seconds;
use super::view::{Disposal, Promise, Report, RequestStanding, Thoroughness, Why};
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
    program: &'static str,
}

impl Report {
    /// As one file of HTML.
    pub fn to_html(&self) -> Result<String, PageError> {
        let page = Page { report: self, program: env!("CARGO_PKG_VERSION") };
        page.render().map_err(|source| PageError { source })
    }
}

/// What the template asks of the whole report.
impl Page<'_> {
    fn about(&self) -> String {
        match (&self.report.service, &self.report.services[..]) {
            (_, [service]) => service.name.clone(),
            (Some(id), _) => id.clone(),
            (None, []) => "No services".to_owned(),
            (None, services) => format!("{} services", services.len()),
        }
    }

    fn begins_within(&self) -> bool {
        self.report.ledger_begins.is_some_and(|begins| begins > self.report.from)
    }

    fn found(&self) -> String {
        match &self.report.evidence.findings[..] {
            [] => "Its root is not the one that was signed.".to_owned(),
            [entry] => format!("The audit found something in entry {entry}."),
            [entry, more @ ..] => {
                format!("The audit found something in entry {entry} and {} more.", more.len())
            }
        }
    }

    fn standings(&self) -> impl Iterator<Item = (u64, Standing)> {
        let sums = &self.report.summary;
        let all = [
            (sums.broken, Standing::Broken),
            (sums.unknown, Standing::Unknown),
            (sums.at_risk, Standing::AtRisk),
            (sums.kept, Standing::Kept),
            (sums.no_deadline, Standing::NoDeadline),
        ];
        all.into_iter().filter(|(n, _)| *n > 0)
    }

    fn holds_in_force(&self) -> usize {
        self.report.holds.iter().filter(|hold| hold.released.is_none()).count()
    }

    fn promises(&self, service: &str) -> impl Iterator<Item = &Promise> {
        self.report.promises.iter().filter(move |promise| promise.service == service)
    }

    /// Each rule with what it disposed of; a rule's rows stand together in the view.
    fn by_rule(&self) -> impl Iterator<Item = (&str, &[Disposal])> {
        let rules = self.report.disposals.chunk_by(|a, b| a.rule == b.rule);
        rules.filter_map(|rows| Some((rows.first()?.rule.as_str(), rows)))
    }

    fn unattributed(&self) -> u64 {
        self.report.sweeps.iter().map(|sweeps| sweeps.unattributed).sum()
    }
}

impl Standing {
    fn class(self) -> String {
        self.as_str().replace(' ', "-")
    }
}

impl RequestStanding {
    fn class(self) -> &'static str {
        match self {
            Self::InTime | Self::Withdrawn => "kept",
            Self::Open => "at-risk",
            Self::Late | Self::Overdue => "broken",
        }
    }
}

impl Disposal {
    fn class_name(&self) -> &str {
        self.class.as_deref().unwrap_or("unknown class")
    }

    fn is_dependent(&self) -> bool {
        self.of == Of::Dependent
    }

    fn not_reached(&self) -> u64 {
        self.outcomes.untouched.saturating_add(self.outcomes.unknown)
    }
}

impl Thoroughness {
    fn remaining(&self) -> String {
        let remains: Vec<&str> = self.remains.iter().map(|remains| remains.as_str()).collect();
        if remains.is_empty() { "–".to_owned() } else { remains.join(", ") }
    }
}

impl Why {
    /// What is undated stands in the column before.
    fn is_named(&self) -> bool {
        self.of != Left::Undated
    }

    /// Reasons are words with underscores; one is a word of databases.
    fn words(&self) -> String {
        match self.reason.as_str() {
            "null" => "no value".to_owned(),
            reason => reason.replace('_', " "),
        }
    }
}

/// How a person reads it.
trait Told {
    fn told(&self) -> String;

    /// A cell of figures. Nothing in it has to be escaped: only figures and question marks are told of what has cells.
    fn cell(&self) -> String {
        let told = self.told();
        let class = if told == "0" { "n zero" } else { "n" };
        format!("<td class=\"{class}\">{told}</td>")
    }
}

/// With a comma before every third digit from the right.
impl Told for u64 {
    fn told(&self) -> String {
        let digits = self.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }
}

impl Told for usize {
    fn told(&self) -> String {
        (*self as u64).told()
    }
}

/// What could not be counted is a question mark, never zero.
impl Told for Option<u64> {
    fn told(&self) -> String {
        self.as_ref().map_or_else(|| "?".to_owned(), Told::told)
    }
}

impl Told for Option<Seconds> {
    fn told(&self) -> String {
        self.map_or_else(|| "–".to_owned(), |seconds| seconds.to_string())
    }
}

impl Told for Option<String> {
    fn told(&self) -> String {
        self.clone().unwrap_or_else(|| "–".to_owned())
    }
}

/// Whether the rule files hold a version.
impl Told for Option<bool> {
    fn told(&self) -> String {
        let told = match self {
            Some(true) => "yes",
            Some(false) => "another version",
            None => "not there",
        };
        told.to_owned()
    }
}

impl Told for Lateness {
    fn told(&self) -> String {
        if self.at_least == self.at_most {
            return self.at_most.told();
        }
        format!("{} to {}", self.at_least.told(), self.at_most.told())
    }
}

impl Told for Action {
    fn told(&self) -> String {
        let told = match self {
            Self::Delete => "deleted",
            Self::Pseudonymize => "pseudonymized",
        };
        told.to_owned()
    }
}

impl Told for Left {
    fn told(&self) -> String {
        let told = match self {
            Self::Undated => "undated",
            Self::Refused => "refused",
            Self::Obstacle => "in the way",
        };
        told.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Told as _;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (n, text) in [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(n.told(), text);
        }
        assert_eq!(None::<u64>.cell(), "<td class=\"n\">?</td>");
    }
}
