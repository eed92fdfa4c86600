//! `trigger = { … }`: the event that starts the clock, and where its time is read.

use chrono::format::{Item, StrftimeItems};

use super::word;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::diagnostic::{Code, quoted};
use crate::model::calendar::Zone;
use crate::rules::reading::{Clock, clock};
use crate::rules::rule::{Pending, Pick, Reading, Trigger, TriggerPlace, Unit};

pub fn trigger(mut table: Cursor<'_>) -> Option<Trigger> {
    if let Some(place) = PLACES.into_iter().find(|key| table.has(key)) {
        return match place {
            "file" | "name" => of_a_file(table),
            "object" | "field" | "idle" => of_a_key(table, place),
            _ => on_request(table),
        };
    }
    let place = place(&mut table);
    let reading = reading(&mut table);
    let in_rows = table.has("table");
    let pending = table.optional("pending").map_or(Pending::default(), |e| pending(&e, in_rows));
    table.finish();
    Some(Trigger { place: place?, reading, pending })
}

/// The keys that by themselves say where a trigger is read, where that is no column.
const PLACES: [&str; 6] = ["request", "object", "field", "idle", "file", "name"];

/// `{ request = true }`: nothing but a data subject's demand starts the clock, and until then it has not started.
fn on_request(mut table: Cursor<'_>) -> Option<Trigger> {
    let said = table.required("request").and_then(|e| only_true(&e));
    table.finish();
    let pending = Pending { null: true, ..Pending::default() };
    said.map(|()| Trigger { place: TriggerPlace::Request, reading: Reading::default(), pending })
}

/// `{ object = "modified" }`, `{ field = "deleted_at" }`, `{ idle = true }`.
fn of_a_key(mut table: Cursor<'_>, place: &'static str) -> Option<Trigger> {
    let entry = table.required(place)?;
    let read = match place {
        "object" => word::one_of(&entry, &[("modified", ())]).map(|()| TriggerPlace::ObjectModified),
        "idle" => only_true(&entry).map(|()| TriggerPlace::Idle),
        _ => entry.sentence().map(TriggerPlace::Field),
    };
    // A field holds text or a number, as a column does; the others are instants of the store itself.
    let reading = if place == "field" { reading(&mut table) } else { Reading::default() };
    let pending = table.optional("pending").map_or(Pending::default(), |e| pending(&e, false));
    if pending.null && place != "field" {
        table.refuse(Code::Conflict, "`null` is no state of this trigger", "remove it from `pending`");
    }
    table.finish();
    Some(Trigger { place: read?, reading, pending })
}

fn only_true(entry: &Entry<'_>) -> Option<()> {
    if entry.boolean()? {
        return Some(());
    }
    let message = format!("`{}` is false, which says nothing", entry.key());
    entry.refuse(Code::BadValue, message, "write `true`, or another trigger");
    None
}

/// `{ file = "modified" }`, or `{ name = "backup-%Y%m%dT%H%M%SZ.tar.zst" }`.
fn of_a_file(mut table: Cursor<'_>) -> Option<Trigger> {
    let (file, name) = (table.optional("file"), table.optional("name"));
    let pending = table.optional("pending").map_or(Pending::default(), |e| pending(&e, false));
    let trigger = match (file, name) {
        (Some(file), None) => word::one_of(&file, &[("modified", ())]).map(|()| Trigger {
            place: TriggerPlace::Modified,
            reading: Reading::default(),
            pending,
        }),
        (None, Some(name)) => {
            in_name(&mut table, &name).map(|reading| Trigger { place: TriggerPlace::Name, reading, pending })
        }
        (Some(_), Some(name)) => {
            name.refuse(Code::Conflict, "`file` and `name` exclude each other", "keep one of them");
            None
        }
        (None, None) => None,
    };
    if pending.null {
        table.refuse(Code::Conflict, "`null` is no state of a file", "remove it from `pending`");
    }
    table.finish();
    trigger
}

/// `%Y%m%dT%H%M%SZ` in a name says its zone by itself.
fn in_name(table: &mut Cursor<'_>, name: &Entry<'_>) -> Option<Reading> {
    let zone = table.optional("time_zone");
    let format = format(name)?;
    let time_zone = match zone_of(name, &format, zone.as_ref()).ok()? {
        None if clock(&format) == Clock::Utc => word::utc().map(|calendar| calendar.zone()),
        zone => zone,
    };
    Some(Reading { unit: None, format: Some(format), time_zone })
}

/// What is wrong has been said.
struct Refused;

/// A time of day needs a zone, unless its format says it; a date needs none.
fn zone_of(entry: &Entry<'_>, format: &str, zone: Option<&Entry<'_>>) -> Result<Option<Zone>, Refused> {
    match (zone, clock(format)) {
        (None, Clock::Utc | Clock::Offset | Clock::None) => Ok(None),
        (Some(zone), Clock::Local) => word::zone(zone).map(Some).ok_or(Refused),
        (Some(zone), Clock::Utc | Clock::Offset | Clock::None) => {
            let message = "`time_zone` says what the format says already, or what no date needs";
            zone.refuse(Code::Conflict, message, "remove it");
            Err(Refused)
        }
        (None, Clock::Local) => {
            let message = format!("{} has a time of day and does not say in which zone", quoted(format));
            let help = "add `time_zone`, or end the time with a literal `Z` for UTC";
            entry.refuse(Code::MissingKey, message, help);
            Err(Refused)
        }
    }
}

fn place(table: &mut Cursor<'_>) -> Option<TriggerPlace> {
    let column = table.required("column").and_then(|e| word::column(&e));
    if table.has("table") {
        let name = table.required("table").and_then(|e| word::table(&e));
        let matches = table.required("match").and_then(|e| word::matches(&e));
        let picks = [("latest", Pick::Latest), ("earliest", Pick::Earliest)];
        let pick = table.required("pick").and_then(|e| word::one_of(&e, &picks));
        return Some(TriggerPlace::Rows { table: name?, matches: matches?, column: column?, pick: pick? });
    }
    for key in ["match", "pick"] {
        if let Some(entry) = table.optional(key) {
            let message = format!("`{key}` belongs to a trigger in other rows");
            entry.refuse(Code::Conflict, message, "add `table`, or remove it");
        }
    }
    // Known here, so that a misspelled `table` finds its suggestion.
    table.optional("table");
    column.map(TriggerPlace::Column)
}

fn reading(table: &mut Cursor<'_>) -> Reading {
    let units = [("s", Unit::Seconds), ("ms", Unit::Milliseconds), ("us", Unit::Microseconds)];
    let (unit, format) = (table.optional("unit"), table.optional("format"));
    let time_zone = table.optional("time_zone");
    let conflict = match (&unit, &format, &time_zone) {
        (Some(_), Some(entry), _) => Some((entry, "`unit` is for integers and `format` for text")),
        (Some(_), None, Some(entry)) => {
            Some((entry, "an integer counts from 1970 in UTC and has no time zone"))
        }
        (Some(_) | None, None, None | Some(_)) | (None, Some(_), _) => None,
    };
    if let Some((entry, message)) = conflict {
        entry.refuse(Code::Conflict, message, "keep the one that fits the column's type");
    }
    let unit = unit.and_then(|e| word::one_of(&e, &units));
    let Some(entry) = format else {
        return Reading { unit, format: None, time_zone: time_zone.and_then(|e| word::zone(&e)) };
    };
    let format = self::format(&entry);
    let zone = format.as_ref().and_then(|format| zone_of(&entry, format, time_zone.as_ref()).ok());
    Reading { unit, format, time_zone: zone.flatten() }
}

/// chrono's `strftime` notation; a format it cannot read would make every record undated.
fn format(entry: &Entry<'_>) -> Option<String> {
    let text = entry.sentence()?;
    let items: Vec<Item<'_>> = StrftimeItems::new(&text).collect();
    let holds_a_field = items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)));
    if items.contains(&Item::Error) || !holds_a_field {
        let message = format!("{} is no date format", quoted(&text));
        entry.refuse(Code::BadValue, message, "write fields such as `%Y-%m-%d %H:%M:%S`");
        return None;
    }
    Some(text)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Null,
    Future,
    NoRow,
}

fn pending(entry: &Entry<'_>, in_rows: bool) -> Pending {
    let words = [("null", State::Null), ("future", State::Future), ("no_row", State::NoRow)];
    let mut states = Vec::new();
    for item in entry.list().unwrap_or_default() {
        let Some(state) = word::one_of(&item, &words) else { continue };
        if states.contains(&state) {
            item.refuse(Code::Duplicate, "this state stands twice", "remove one of them");
        }
        states.push(state);
    }
    let no_row = states.contains(&State::NoRow);
    if no_row && !in_rows {
        entry.refuse(
            Code::Conflict,
            "`no_row` belongs to a trigger in other rows",
            "remove it, or add `table`",
        );
    }
    Pending { null: states.contains(&State::Null), future: states.contains(&State::Future), no_row }
}
