//! What the clocks of one time zone show, and when they showed it.
//!
//! A wall clock is not monotone: it is set forward over hours (a gap), set back over them (a fold), and has skipped
//! and repeated whole days. Every question about it is answered from one table of the spans during which a zone's
//! offset from UTC did not change. Each span knows the furthest the clock had gone by its end (`reach`) and the least
//! it shows from its start on (`dip`); both only grow, so all searches are binary and exact in gaps and folds alike.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{IANA_TZDB_VERSION, TZ_VARIANTS, Tz};

use super::error::ZoneError;

/// A time zone of the IANA database: the calendar in which days begin and end.
///
/// Cheap to copy and to compare. The first `Zone` of a name in a process costs some milliseconds: its table is built
/// then.
#[derive(Clone, Copy)]
pub struct Zone {
    tz: Tz,
    table: &'static Table,
}

/// What is known of one zone.
#[derive(Debug)]
struct Table {
    /// In order; never empty.
    spans: Vec<Span>,
    /// The first instants of the days from [`FIRST_LISTED`] on, for whoever asks about all of them.
    firsts: OnceLock<Vec<Tick>>,
}

/// An instant, in whole microseconds since 1970-01-01T00:00Z. The sum of any chrono instant and a day fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(pub i64);

/// What a wall clock shows, in whole microseconds since it would have shown 1970-01-01 00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wall(pub i64);

/// A civil day, counted from 1970-01-01. Reaches one day further than [`NaiveDate`] at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub i64);

/// A stretch of time during which the zone's offset from UTC does not change.
#[derive(Debug)]
struct Span {
    /// Its first instant. It ends where the next one starts.
    start: Tick,
    /// Microseconds to add to UTC.
    offset: i64,
    /// The furthest any clock had gone by the end of this span, itself not shown.
    reach: Wall,
    /// The least a clock shows from this span's start to the end of time.
    dip: Wall,
}

/// What the clocks show twice when they are set back.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    /// The end excluded.
    pub shown: Range<Wall>,
    /// Microseconds to add to UTC, the first time and the second.
    pub offsets: [i64; 2],
}

impl Fold {
    /// The first instant at which any of it is shown, and the end of the last, itself excluded.
    pub fn instants(&self) -> [Tick; 2] {
        [Tick(self.shown.start.0 - self.offsets[0]), Tick(self.shown.end.0 - self.offsets[1])]
    }
}

const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;

/// 2024-01-01, from when on rules are compared, and for 40 years: 28 of triggers, and 12 that their periods reach.
const FIRST_LISTED: Day = Day(19_723);
const LISTED: i64 = 40 * 365 + 10;

impl Zone {
    /// The zone of a literal `Z`.
    pub fn utc() -> Self {
        Self::from(chrono_tz::Etc::UTC)
    }

    /// What the clock on the wall shows at an instant.
    pub fn wall_clock(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.tz).naive_local()
    }

    /// The name in the IANA database.
    pub fn name(&self) -> &'static str {
        self.tz.name()
    }

    fn spans(&self) -> &'static [Span] {
        &self.table.spans
    }

    /// The least instant whose local date is `day` or later.
    pub(super) fn first(&self, day: Day) -> Tick {
        let worked_out = |day: Day| self.earliest(day.midnight());
        let listed = || (0..LISTED).map(|n| worked_out(Day(FIRST_LISTED.0 + n))).collect();
        let firsts = self.table.firsts.get_or_init(listed);
        let known = usize::try_from(day.0 - FIRST_LISTED.0).ok().and_then(|at| firsts.get(at));
        known.copied().unwrap_or_else(|| worked_out(day))
    }

    /// How much further from UTC its clocks are at one time than at another, from [`FIRST_LISTED`] on. No first instants of
    /// two days are nearer or further from each other than whole days and this.
    pub(super) fn swing(&self) -> i64 {
        let from = self.span_at(FIRST_LISTED.previous().midnight_in_utc());
        let offsets = || self.spans()[from..].iter().map(|span| span.offset);
        offsets().max().unwrap_or(0) - offsets().min().unwrap_or(0)
    }

    /// When the clocks were set back, from one day in UTC to another.
    pub(super) fn folds(self, days: Range<Day>) -> impl Iterator<Item = Fold> {
        let set = self.spans().windows(2).filter(move |spans| {
            let at = spans[1].start;
            spans[1].offset < spans[0].offset
                && (days.start.midnight_in_utc()..days.end.midnight_in_utc()).contains(&at)
        });
        set.map(|spans| {
            let (at, offsets) = (spans[1].start.0, [spans[0].offset, spans[1].offset]);
            Fold { shown: Wall(at + offsets[1])..Wall(at + offsets[0]), offsets }
        })
    }

    /// From an instant on, how long which offset from UTC stands, in microseconds; the last to the end of the calendar.
    pub(super) fn offsets(self, from: Tick) -> impl Iterator<Item = (Range<Tick>, i64)> {
        let end = Tick(DateTime::<Utc>::MAX_UTC.timestamp_micros());
        let spans = &self.spans()[self.span_at(from)..];
        (0..spans.len()).map(move |i| {
            let until = spans.get(i + 1).map_or(end, |next| next.start);
            (spans[i].start..until, spans[i].offset)
        })
    }

    /// The greatest day the zone's clocks have shown up to and including `at`.
    pub(super) fn day(&self, at: Tick) -> Day {
        let i = self.span_at(at);
        let now = at.0 + self.spans()[i].offset;
        let before = i.checked_sub(1).map_or(i64::MIN, |i| self.spans()[i].reach.0 - 1);
        Day(now.max(before).div_euclid(DAY))
    }

    /// The least instant at which a clock shows `wall` or more. In a gap, the transition; in a fold, the first time.
    pub(super) fn earliest(&self, wall: Wall) -> Tick {
        // The last span reaches to the end of time, so there is always one.
        let span = &self.spans()[self.spans().partition_point(|span| span.reach <= wall)];
        Tick((wall.0 - span.offset).max(span.start.0))
    }

    /// The instant after which every clock shows more than `wall`. In a gap, the transition; in a fold, the last time.
    pub(super) fn latest(&self, wall: Wall) -> Tick {
        // The first span dips to the beginning of time, so there is always one before the partition point.
        let i = self.spans().partition_point(|span| span.dip <= wall) - 1;
        let end = self.spans().get(i + 1).map_or(i64::MAX, |next| next.start.0);
        Tick((wall.0 - self.spans()[i].offset).min(end))
    }

    /// The least wall-clock time whose [`earliest`](Self::earliest) instant is after `at`: all below it have begun.
    pub(super) fn not_begun(&self, at: Tick) -> Wall {
        let i = self.span_at(at);
        let shown = Wall(at.0 + self.spans()[i].offset + 1);
        i.checked_sub(1).map_or(shown, |i| shown.max(self.spans()[i].reach))
    }

    /// The least wall-clock time whose [`latest`](Self::latest) instant is after `at`: all below it are over.
    pub(super) fn not_over(&self, at: Tick) -> Wall {
        let i = self.span_at(at);
        let shown = Wall(at.0 + self.spans()[i].offset + 1);
        self.spans().get(i + 1).map_or(shown, |next| shown.min(next.dip))
    }

    fn span_at(&self, at: Tick) -> usize {
        self.spans().partition_point(|span| span.start <= at) - 1
    }
}

impl Tick {
    /// The microsecond that `at` falls into.
    pub(super) fn floor(at: DateTime<Utc>) -> Tick {
        Tick(at.timestamp_micros())
    }

    /// The first microsecond that is not before `at`.
    pub(super) fn ceil(at: DateTime<Utc>) -> Tick {
        Tick(at.timestamp_micros() + i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1000)))
    }

    /// `None` after chrono's last instant. Before its first it is that one: there is nothing to tell them apart.
    pub(super) fn instant(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0.max(DateTime::<Utc>::MIN_UTC.timestamp_micros()))
    }
}

impl Wall {
    /// See [`Tick::floor`].
    pub(super) fn floor(at: NaiveDateTime) -> Wall {
        Wall(Tick::floor(at.and_utc()).0)
    }

    /// See [`Tick::ceil`].
    pub(super) fn ceil(at: NaiveDateTime) -> Wall {
        Wall(Tick::ceil(at.and_utc()).0)
    }

    /// See [`Tick::instant`].
    pub(super) fn date_time(self) -> Option<NaiveDateTime> {
        Some(Tick(self.0).instant()?.naive_utc())
    }
}

impl Day {
    pub(super) fn of(date: NaiveDate) -> Day {
        Day(i64::from(date.to_epoch_days()))
    }

    /// `None` after chrono's last date. Before its first it is that one.
    pub(super) fn date(self) -> Option<NaiveDate> {
        NaiveDate::from_epoch_days(i32::try_from(self.max(Day::of(NaiveDate::MIN)).0).ok()?)
    }

    pub(super) fn midnight(self) -> Wall {
        Wall(self.0 * DAY)
    }

    /// The same in UTC: within a day of midnight in any zone.
    pub(super) fn midnight_in_utc(self) -> Tick {
        Tick(self.0 * DAY)
    }

    pub(super) fn next(self) -> Day {
        Day(self.0 + 1)
    }

    pub(super) fn previous(self) -> Day {
        Day(self.0 - 1)
    }
}

impl From<Tz> for Zone {
    fn from(tz: Tz) -> Zone {
        // One table per zone and process, never dropped: there are some 600 zones, and a daemon uses a handful.
        static KNOWN: Mutex<Option<HashMap<Tz, &'static Table>>> = Mutex::new(None);
        // A panic while it was held cannot have left half an entry.
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().as_ref().and_then(|known| known.get(&tz).copied());
        let table = found.unwrap_or_else(|| {
            // Built while nobody waits for another zone. Of two that were built at once, the first to be there stays.
            let built = Box::new(Table { spans: spans(tz), firsts: OnceLock::new() });
            known().get_or_insert_default().entry(tz).or_insert_with(|| Box::leak(built))
        });
        Zone { tz, table }
    }
}

/// Finds the changes of offset by looking at every sixth day and halving where two differ: chrono-tz does not
/// publish its table.
fn spans(tz: Tz) -> Vec<Span> {
    // The first change in the database is Manila's, in 1844; it works rules out until 2100, and the last offset stands
    // from then on. The two closest changes of one zone are just under seven days apart (Boa Vista, October 2000,
    // and Gaza's Ramadans to come, in 2025b), so a step of six days passes over none
    // (`tests/it/calendar/every_date.rs` holds a new database to that).
    const FIRST_DAY: i64 = -62_091; // 1800-01-01
    const LAST_DAY: i64 = 84_371; // 2201-01-01
    const STEP: u8 = 6;

    let offset = |second: i64| {
        let at = DateTime::from_timestamp(second, 0).unwrap_or_default();
        i64::from(tz.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
    };
    let mut changes = vec![(i64::MIN, offset(FIRST_DAY * 86_400) * SECOND)];
    let mut new = offset(FIRST_DAY * 86_400);
    for day in (FIRST_DAY..LAST_DAY).step_by(usize::from(STEP)) {
        let (mut before, mut after) = (day * 86_400, (day + i64::from(STEP)) * 86_400);
        let old = std::mem::replace(&mut new, offset(after));
        if old == new {
            continue;
        }
        while after - before > 1 {
            let middle = before.midpoint(after);
            if offset(middle) == old { before = middle } else { after = middle }
        }
        changes.push((after * SECOND, new * SECOND));
    }

    let mut reach = Wall(i64::MIN);
    let mut table: Vec<Span> = Vec::with_capacity(changes.len());
    for (i, &(start, offset)) in changes.iter().enumerate() {
        reach = match changes.get(i + 1) {
            Some((end, _)) => reach.max(Wall(end + offset)),
            None => Wall(i64::MAX),
        };
        table.push(Span { start: Tick(start), offset, reach, dip: Wall(i64::MIN) });
    }
    let mut dip = Wall(i64::MAX);
    for span in table.iter_mut().skip(1).rev() {
        dip = dip.min(Wall(span.start.0 + span.offset));
        span.dip = dip;
    }
    table
}

impl FromStr for Zone {
    type Err = ZoneError;

    /// Reads an IANA name exactly as the database spells it.
    fn from_str(name: &str) -> Result<Zone, ZoneError> {
        match name.parse::<Tz>() {
            Ok(tz) => Ok(Zone::from(tz)),
            Err(_) => {
                Err(ZoneError { name: name.to_owned(), version: IANA_TZDB_VERSION, nearest: nearest(name) })
            }
        }
    }
}

/// The existing name that was most likely meant: another spelling of it, its city alone, or up to three typing errors.
fn nearest(name: &str) -> Option<&'static str> {
    const CLOSE: usize = 3;
    // No name is longer than 32 characters; a pasted document is not compared with 600 of them.
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let plain = name.trim().replace(' ', "_").to_lowercase();
    let names = || TZ_VARIANTS.iter().map(|tz| tz.name());
    let city = |full: &str| full.to_lowercase().rsplit('/').next().is_some_and(|city| city == plain);
    names().find(|full| full.to_lowercase() == plain).or_else(|| names().find(|full| city(full))).or_else(
        || {
            let distance = |full: &&str| edits(&plain, &full.to_lowercase());
            names()
                .map(|full| (distance(&full), full))
                .filter(|(n, _)| *n <= CLOSE)
                .min()
                .map(|(_, full)| full)
        },
    )
}

/// Levenshtein's distance: insertions, deletions and replacements that turn one text into the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[to.len()]
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.tz == other.tz
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tz.hash(state);
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
