//! `expunged explain`: why one record stays or goes, or what a rule does.

mod record;
mod rule;
mod words;

use chrono::{DateTime, Utc};

use super::{Global, Outcome};
use crate::clock;
use crate::model::calendar::{Calendar, Moment};
use crate::model::now::Now;

pub(super) use record::{check_key, typed};

/// Without a key, the rule.
pub(super) async fn run(global: &Global, name: &str, key: &[String], at: Option<DateTime<Utc>>) -> Outcome {
    let now = at.map_or_else(|| Now::from_clocks(clock::now(), None), Now::given);
    if key.is_empty() {
        rule::run(global, name, now).await
    } else {
        record::run(global, name, key, now).await
    }
}

/// What is said, each under its head; a head without a line is not shown.
#[derive(Default)]
struct Sections(Vec<(&'static str, Vec<String>)>);

impl Sections {
    fn add(&mut self, head: &'static str, lines: impl IntoIterator<Item = String>) {
        self.0.push((head, lines.into_iter().collect()));
    }

    fn print(&self) {
        let width = self.0.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
        for (head, lines) in &self.0 {
            for (number, line) in lines.iter().enumerate() {
                let head = if number == 0 { head } else { "" };
                println!("  {head:width$}  {line}");
            }
        }
    }
}

/// What a moment says, and the same on the service's wall.
fn told(moment: &Moment, calendar: Calendar) -> String {
    let zone = calendar.zone();
    match moment {
        Moment::Instant(at) => format!("{} = {} in {zone}", utc(*at), zone.rfc3339(*at)),
        Moment::Local(at, of) => format!("{} on the clocks of {of}", at.format("%Y-%m-%dT%H:%M:%S%.f")),
        Moment::Date(date) => format!("{date}, a date of {zone}"),
    }
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
