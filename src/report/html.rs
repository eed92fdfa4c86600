//! The report as one page: no script, nothing from elsewhere, to be printed or read on a screen.

use askama::Template;

use super::lateness::Lateness;
use super::standing::Standing;
use super::tally::Of;
use super::unit::Seconds;
use super::view::{Disposal, Promise, Report, RequestStanding};
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

/// What the template asks for. It escapes every text; what [`Page::cell`] and [`Page::counted`] write is made of digits.
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

    fn class(&self, standing: &Standing) -> String {
        standing.as_str().replace(' ', "-")
    }

    fn request_class(&self, standing: &RequestStanding) -> &'static str {
        match standing {
            RequestStanding::InTime => "kept",
            RequestStanding::Open => "at-risk",
            RequestStanding::Late | RequestStanding::Overdue => "broken",
        }
    }

    fn holds_in_force(&self) -> usize {
        self.report.holds.iter().filter(|hold| hold.released.is_none()).count()
    }

    fn promises(&self, service: &str) -> impl Iterator<Item = &Promise> {
        self.report.promises.iter().filter(move |promise| promise.service == service)
    }

    /// Each rule with what it disposed of; a rule's rows stand together in the view.
    fn by_rule(&self) -> impl Iterator<Item = (&str, &[Disposal])> {
        self.report
            .disposals
            .chunk_by(|a, b| a.rule == b.rule)
            .filter_map(|rows| Some((rows.first()?.rule.as_str(), rows)))
    }

    fn class_of(&self, disposal: &Disposal) -> String {
        disposal.class.clone().unwrap_or_else(|| "unknown class".to_owned())
    }

    fn is_dependent(&self, disposal: &Disposal) -> bool {
        disposal.of == Of::Dependent
    }

    fn did(&self, disposal: &Disposal) -> &'static str {
        match disposal.action {
            Action::Delete => "deleted",
            Action::Pseudonymize => "pseudonymized",
        }
    }

    fn left(&self, left: &Left) -> &'static str {
        match left {
            Left::Undated => "undated",
            Left::Refused => "refused",
            Left::Obstacle => "no record",
        }
    }

    /// Reasons are words with underscores; one is a word of databases.
    fn words(&self, reason: &str) -> String {
        match reason {
            "null" => "no value".to_owned(),
            reason => reason.replace('_', " "),
        }
    }

    fn unattributed(&self) -> u64 {
        self.report.sweeps.iter().map(|sweeps| sweeps.unattributed).sum()
    }

    fn maybe(&self, seconds: &Option<Seconds>) -> String {
        seconds.map_or_else(|| "–".to_owned(), |seconds| seconds.to_string())
    }

    fn said(&self, text: &Option<String>) -> String {
        text.clone().unwrap_or_else(|| "–".to_owned())
    }

    fn current(&self, current: &Option<bool>) -> &'static str {
        match current {
            Some(true) => "yes",
            Some(false) => "another version",
            None => "not there",
        }
    }

    fn range(&self, late: &Lateness) -> String {
        if late.at_least == late.at_most {
            return grouped(late.at_most);
        }
        format!("{} to {}", grouped(late.at_least), grouped(late.at_most))
    }

    fn question(&self, n: &Option<u64>) -> String {
        n.map_or_else(|| "?".to_owned(), grouped)
    }

    fn count(&self, n: &u64) -> String {
        grouped(*n)
    }

    fn many<T>(&self, things: &[T]) -> String {
        grouped(things.len() as u64)
    }

    fn not_reached(&self, disposal: &Disposal) -> String {
        self.cell(&disposal.outcomes.untouched.saturating_add(disposal.outcomes.unknown))
    }

    fn cell(&self, n: &u64) -> String {
        let class = if *n == 0 { "n zero" } else { "n" };
        format!("<td class=\"{class}\">{}</td>", grouped(*n))
    }

    fn counted(&self, n: &Option<u64>) -> String {
        n.as_ref().map_or_else(|| "<td class=\"n\">?</td>".to_owned(), |n| self.cell(n))
    }

    fn program(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// With a comma before every third digit from the right.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
    }
}
