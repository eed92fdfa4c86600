//! The start event: what a rule's trigger is in words, and of which kind.

use serde::Serialize;

use super::line::Line;
use crate::rules::rule::{Match, Pick, Rule, TriggerPlace, Unit};

/// Kinds of start events, in the order of a matrix's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// A time that every record has, such as when it was collected.
    Recorded,
    /// Something that may never happen: its column has no value until then.
    Event,
    /// A date that may lie ahead.
    Date,
    /// The latest of several times in other records.
    Latest,
    /// The earliest of several times in other records.
    Earliest,
    /// When a file was last modified.
    FileModified,
    /// A time in a file's name.
    FileName,
    /// When an object's version was last modified.
    ObjectModified,
    /// A time in a field of a key.
    Field,
    /// When a key was last used.
    Idle,
    /// The demand of a data subject.
    Request,
}

impl StartKind {
    /// In words, as the head of a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "a time that every record has",
            Self::Event => "an event, recorded when it happens",
            Self::Date => "a date, which may lie ahead",
            Self::Latest => "the latest time in other records",
            Self::Earliest => "the earliest time in other records",
            Self::FileModified => "the file’s modification",
            Self::FileName => "the time in the file’s name",
            Self::ObjectModified => "the object’s modification",
            Self::Field => "the time in a field",
            Self::Idle => "the key’s last use",
            Self::Request => "an erasure request",
        }
    }

    /// Of a rule's trigger.
    pub fn of(rule: &Rule) -> Self {
        let pending = rule.trigger.pending;
        match &rule.trigger.place {
            // Also where it may be unknown: the clock starts at the date, not when somebody writes it down.
            TriggerPlace::Column(_) if pending.future => StartKind::Date,
            TriggerPlace::Column(_) if pending.null => StartKind::Event,
            TriggerPlace::Column(_) => StartKind::Recorded,
            TriggerPlace::Rows { pick: Pick::Latest, .. } => StartKind::Latest,
            TriggerPlace::Rows { pick: Pick::Earliest, .. } => StartKind::Earliest,
            TriggerPlace::Modified => StartKind::FileModified,
            TriggerPlace::Name => StartKind::FileName,
            TriggerPlace::ObjectModified => StartKind::ObjectModified,
            TriggerPlace::Field(_) => StartKind::Field,
            TriggerPlace::Idle => StartKind::Idle,
            TriggerPlace::Request => StartKind::Request,
        }
    }
}

/// When the clock starts.
pub fn event(rule: &Rule) -> Line {
    match &rule.trigger.place {
        TriggerPlace::Column(column) => {
            let name = format!("{}.{column}", rule.dataset.name());
            let kind = StartKind::of(rule);
            if kind == StartKind::Date {
                Line::words("when ").called(name).and(" is reached")
            } else if kind == StartKind::Event {
                Line::words("when ").called(name).and(" is set")
            } else {
                Line::words("the time in ").called(name)
            }
        }
        TriggerPlace::Rows { table, matches, column, pick } => {
            let which = match pick {
                Pick::Latest => "the latest ",
                Pick::Earliest => "the earliest ",
            };
            let of = Line::words(" of the rows with ").then(matched(matches, "the record’s"));
            Line::words(which).called(format!("{table}.{column}")).then(of)
        }
        TriggerPlace::Modified => Line::words("when the file was last modified"),
        TriggerPlace::Name => {
            let format = rule.trigger.reading.format.as_deref().unwrap_or_default();
            Line::words("the time in the file’s name, ").called(format)
        }
        TriggerPlace::ObjectModified => Line::words("when the object’s version was last modified"),
        TriggerPlace::Field(field) => Line::words("the time in the field ").called(field),
        TriggerPlace::Idle => Line::words("when the key was last used"),
        TriggerPlace::Request => Line::words("when the data subject demands erasure"),
    }
}

/// How rows of another table belong to what they are looked up for, such as `the record’s`.
pub fn matched(matches: &[Match], whose: &str) -> Line {
    let each = |pair: &Match| {
        Line::name(pair.theirs.as_str()).and(format!(" = {whose} ")).called(pair.ours.as_str())
    };
    Line::all(matches.iter().map(each))
}

/// The states in which the clock has simply not been started.
pub fn not_started(rule: &Rule) -> Vec<&'static str> {
    if rule.trigger.is_request() {
        return Vec::new();
    }
    let pending = rule.trigger.pending;
    let states = [
        (pending.null, "while it has no value"),
        (pending.future, "while it lies ahead"),
        (pending.no_row, "while there is no such row"),
    ];
    states.into_iter().filter(|(normal, _)| *normal).map(|(_, state)| state).collect()
}

/// How its value is read, as far as the rule says so.
pub fn read_as(rule: &Rule) -> Option<Line> {
    let reading = &rule.trigger.reading;
    let unit = reading.unit.map(|unit| {
        Line::words(match unit {
            Unit::Seconds => "seconds since 1970",
            Unit::Milliseconds => "milliseconds since 1970",
            Unit::Microseconds => "microseconds since 1970",
        })
    });
    let format = reading.format.as_ref().filter(|_| rule.trigger.place != TriggerPlace::Name);
    let format = format.map(|format| Line::words("text of the form ").called(format));
    let zone = reading.time_zone.map(|zone| Line::words("the local time of ").and(zone.name()));
    let said: Vec<Line> = [unit, format, zone].into_iter().flatten().collect();
    (!said.is_empty()).then(|| Line::list(said))
}
