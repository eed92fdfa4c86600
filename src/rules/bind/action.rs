//! What a pseudonymization writes, against the columns that have to take it.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::{Binder, Side, list};
use crate::model::catalogue::{Column, ColumnKind, Takes};
use crate::model::name::{ColumnName, TableName};
use crate::model::strategy::PSEUDONYM;
use crate::rules::bind::MarkKind;
use crate::rules::rule::{Action, Strategy};

impl<'c> Binder<'_, 'c> {
    /// How the mark is written, where the action sets one.
    pub(super) fn action(
        &mut self,
        of: Side<'_, 'c>,
        key: &[ColumnName],
        action: &Action,
    ) -> Option<MarkKind> {
        let Action::Pseudonymize { columns, mark } = action else { return None };
        for (name, strategy) in columns {
            let at = format!("columns.{name}");
            let Some(column) = self.column(&at, of, name) else { continue };
            if key.contains(name) {
                self.problem(
                    &at,
                    format!(
                        "column `{name}` of `{}` is part of the key and cannot be pseudonymized",
                        of.name
                    ),
                    "delete the record instead, or choose a key that says nothing of the person",
                );
            }
            self.fits(&at, (of, column), strategy);
            self.keeps_distinct(&at, (of, name), strategy);
            self.keeps_references(&at, (of, name), strategy);
        }
        let column = self.column("mark", of, mark)?;
        self.mark(of, column)
    }

    /// The column takes what the strategy makes.
    fn fits(&mut self, at: &str, (of, column): (Side<'_, 'c>, &Column), strategy: &Strategy) {
        let name = &column.name;
        if *strategy == Strategy::Null && column.not_null {
            self.problem(
                at,
                format!("column `{name}` of `{}` is NOT NULL and cannot be set to NULL", of.name),
                "use `random` or `{ fixed = \"...\" }` where the type takes it, or delete the record",
            );
        }
        if let Some(misfit) = misfit(&column.takes, strategy) {
            let of = format!("column `{name}` of `{}` is declared `{}`", of.name, column.declared);
            let word = word(strategy);
            let (what, help) = match misfit {
                Misfit::Kind => (
                    format!("{of}, and `{word}` makes {}", makes(strategy)),
                    "use `null` where the column may be NULL, or delete the record",
                ),
                Misfit::Value => (
                    format!("{of}, which does not take the text of `{word}`"),
                    "write a value of its type, use `null` where the column may be NULL, or delete the record",
                ),
                Misfit::Length { most, made } => (
                    format!("{of} and takes {most} characters, and `{word}` makes {made}"),
                    "widen the column, use `null` where it may be NULL, or delete the record",
                ),
            };
            self.problem(at, what, help);
        }
    }

    /// Where no value may stand twice, the second person's record would be refused.
    fn keeps_distinct(&mut self, at: &str, (of, name): (Side<'_, 'c>, &ColumnName), strategy: &Strategy) {
        let repeats = match strategy {
            Strategy::Fixed(_) | Strategy::TruncateIp | Strategy::TruncateDate => true,
            Strategy::Random | Strategy::Keyed | Strategy::Null => false,
        };
        if repeats && of.table.distinct.contains(name) {
            let what = format!(
                "column `{name}` of `{}` is UNIQUE, and `{}` makes the same value for several records",
                of.name,
                word(strategy)
            );
            self.problem(at, what, "use `random`, or `null` where the column may be NULL");
        }
    }

    /// A pseudonym leads to no row, and no row leads to a pseudonym.
    fn keeps_references(&mut self, at: &str, (of, name): (Side<'_, 'c>, &ColumnName), strategy: &Strategy) {
        let invents = match strategy {
            Strategy::Random | Strategy::Keyed | Strategy::TruncateIp | Strategy::TruncateDate => true,
            // It may be the row of nobody, which the application keeps for this.
            Strategy::Fixed(_) | Strategy::Null => false,
        };
        if let Some(target) = self.target_of(of, name).filter(|_| invents) {
            let what = format!(
                "column `{name}` of `{}` is a foreign key to `{target}`, and `{}` makes a value that leads to no row there",
                of.name,
                word(strategy)
            );
            self.problem(
                at,
                what,
                "use `null` where the column may be NULL, or `{ fixed = \"...\" }` for the row of nobody",
            );
        }
        let pointing: Vec<&TableName> = of
            .table
            .referenced_by
            .iter()
            .filter(|r| r.columns.iter().any(|(_, ours)| ours == name))
            .map(|r| &r.from)
            .collect();
        if !pointing.is_empty() {
            let what = format!(
                "column `{name}` of `{}` is what a foreign key of {} points to, and cannot be replaced",
                of.name,
                list(pointing.iter())
            );
            self.problem(
                at,
                what,
                "delete the record, or let the foreign key point to a key that says nothing",
            );
        }
    }

    /// The table that a foreign key of this column points to.
    fn target_of(&self, of: Side<'_, 'c>, name: &ColumnName) -> Option<&'c TableName> {
        let tables = &self.catalogues.get(of.datastore)?.tables;
        let points = |(_, table): &(&TableName, &crate::model::catalogue::Table)| {
            let own = table.referenced_by.iter().filter(|r| r.from == *of.name);
            own.flat_map(|r| &r.columns).any(|(theirs, _)| theirs == name)
        };
        tables.iter().find(points).map(|(target, _)| target)
    }

    fn mark(&mut self, of: Side<'_, 'c>, column: &Column) -> Option<MarkKind> {
        let mark = &column.name;
        if column.not_null {
            let what =
                format!("mark `{mark}` of `{}` is NOT NULL, so every record would count as done", of.name);
            self.problem("mark", what, "let the column be NULL until the record has been pseudonymized");
            return None;
        }
        if of.table.distinct.contains(mark) {
            let what = format!("mark `{mark}` of `{}` is UNIQUE, and a batch has one mark", of.name);
            self.problem("mark", what, "let several records bear the same time");
            return None;
        }
        match column.kind {
            ColumnKind::Text | ColumnKind::Other if !takes_marks(column) => {
                let what = format!(
                    "mark `{mark}` of `{}` is declared `{}`, which holds no time",
                    of.name, column.declared
                );
                let help = format!(
                    "use a column of a date or timestamp type, an integer, or a text of {MARK} characters"
                );
                self.problem("mark", what, help);
                None
            }
            ColumnKind::Instant | ColumnKind::Text | ColumnKind::Other | ColumnKind::Naive => {
                Some(MarkKind::Instant)
            }
            ColumnKind::Date => Some(MarkKind::Date),
            ColumnKind::Integer => Some(MarkKind::Integer),
        }
    }
}

/// Characters of a mark: an instant in RFC 3339, with microseconds.
const MARK: u32 = 27;

fn takes_marks(column: &Column) -> bool {
    match column.takes {
        Takes::Text(most) => most.is_none_or(|most| most >= MARK),
        Takes::Moments | Takes::Unknown => true,
        Takes::Addresses | Takes::Uuids | Takes::Json | Takes::OneOf(_) | Takes::Some | Takes::Nothing => {
            false
        }
    }
}

/// Why a column does not take what a strategy makes.
enum Misfit {
    /// It holds something else.
    Kind,
    /// It holds texts, and not this one.
    Value,
    /// It is too short.
    Length { most: u32, made: usize },
}

/// None: it takes it, or only the engine knows.
fn misfit(takes: &Takes, strategy: &Strategy) -> Option<Misfit> {
    let within = |most: &Option<u32>, made: usize| {
        most.filter(|most| made as u64 > u64::from(*most)).map(|most| Misfit::Length { most, made })
    };
    let value = |fits: bool| (!fits).then_some(Misfit::Value);
    match (strategy, takes) {
        (Strategy::Random | Strategy::Keyed, Takes::Text(most)) => within(most, PSEUDONYM),
        (Strategy::Fixed(text), Takes::Text(most)) => within(most, text.chars().count()),
        (Strategy::TruncateDate, Takes::Text(most)) => within(most, "2026-03-01".len()),
        (Strategy::Null, _)
        | (_, Takes::Unknown)
        // No network is longer than the addresses in it.
        | (Strategy::TruncateIp, Takes::Text(_) | Takes::Addresses)
        | (Strategy::TruncateDate, Takes::Moments)
        | (Strategy::Fixed(_), Takes::Some) => None,
        (Strategy::Fixed(text), Takes::Moments) => value(is_moment(text)),
        (Strategy::Fixed(text), Takes::Addresses) => value(is_address(text)),
        (Strategy::Fixed(text), Takes::Uuids) => value(is_uuid(text)),
        (Strategy::Fixed(text), Takes::Json) => {
            value(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
        }
        (Strategy::Fixed(text), Takes::OneOf(words)) => value(words.contains(text)),
        (
            Strategy::Random
            | Strategy::Keyed
            | Strategy::Fixed(_)
            | Strategy::TruncateIp
            | Strategy::TruncateDate,
            Takes::Moments
            | Takes::Addresses
            | Takes::Uuids
            | Takes::Json
            | Takes::OneOf(_)
            | Takes::Some
            | Takes::Nothing,
        ) => Some(Misfit::Kind),
    }
}

fn is_moment(text: &str) -> bool {
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        || DateTime::parse_from_rfc3339(text).is_ok()
        || naive.iter().any(|format| NaiveDateTime::parse_from_str(text, format).is_ok())
}

fn is_address(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok() && prefix.parse::<u8>().is_ok()
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// In words.
fn makes(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::Null => "NULL",
        Strategy::Random | Strategy::Keyed | Strategy::Fixed(_) => "text",
        Strategy::TruncateIp => "the text of an IP address",
        Strategy::TruncateDate => "the text of a date",
    }
}

/// As the rule file writes it.
fn word(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::Random => "random",
        Strategy::Keyed => "keyed",
        Strategy::Null => "null",
        Strategy::Fixed(_) => "fixed",
        Strategy::TruncateIp => "truncate-ip",
        Strategy::TruncateDate => "truncate-date",
    }
}
