//! What a pseudonymization writes, against the columns that have to take it.

use super::{Binder, Side, list};
use crate::model::catalogue::{Column, ColumnKind};
use crate::model::name::{ColumnName, TableName};
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
                "use `random` or `{ fixed = \"...\" }`",
            );
        }
        let is_time = matches!(column.kind, ColumnKind::Instant | ColumnKind::Naive | ColumnKind::Date);
        let (makes, takes) = match strategy {
            Strategy::Null => return,
            Strategy::Random | Strategy::Keyed => ("text", !column.is_number() && !is_time),
            Strategy::Fixed(_) => ("text", !column.is_number()),
            Strategy::TruncateIp => ("the text of an IP address", !column.is_number() && !is_time),
            Strategy::TruncateDate => ("the text of a date", !column.is_number()),
        };
        if !takes {
            let what = format!(
                "column `{name}` of `{}` is declared `{}`, and `{}` makes {makes}",
                of.name,
                column.declared,
                word(strategy)
            );
            let help = "use `null` where the column may be NULL, or delete the record";
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
            ColumnKind::Other if column.is_number() => {
                let what = format!(
                    "mark `{mark}` of `{}` is declared `{}`, which holds no time",
                    of.name, column.declared
                );
                self.problem("mark", what, "use a column of a date or timestamp type, a text or an integer");
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
