//! Aligned tables and times for people.

use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, Table, presets};

use crate::model::calendar::Zone;
use crate::model::now::Now;
use crate::sweep::Backlog;

pub(super) use crate::model::length::length;

/// A table without lines; the first columns are text, the rest numbers.
pub(super) fn table(header: &[&str], text_columns: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(ToString::to_string).collect::<Vec<_>>());
    for at in text_columns..header.len() {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table's lines without the spaces that pad them.
pub(super) fn print(table: &Table) {
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// Rows of text as lines, each cell under the one above.
pub(super) fn aligned(rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_rows(rows);
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// An instant on the wall of a zone, with its offset.
pub(super) fn local(at: DateTime<Utc>, zone: Zone) -> String {
    let wall = zone.wall_clock(at);
    let offset = wall - at.naive_utc();
    let minutes = offset.num_minutes();
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{}{sign}{:02}:{:02}", wall.format("%Y-%m-%d %H:%M:%S"), minutes.abs() / 60, minutes.abs() % 60)
}

/// How long the oldest of the due has waited.
pub(super) fn oldest_due(backlog: &Backlog, now: Now) -> String {
    backlog.oldest_due.map_or_else(|| "-".to_owned(), |due| length(now.eligible - due))
}
