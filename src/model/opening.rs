//! When a rule may be swept: while every datastore that it disposes in is open.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::Hours;
use super::name::DatastoreName;

/// The hours of a rule's datastores that have any; of none: always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpeningHours(BTreeMap<DatastoreName, Hours>);

/// Datastores whose hours never meet within a year's change of clocks and a month never will.
const LONGEST_SEARCH: TimeDelta = TimeDelta::days(400);

impl OpeningHours {
    /// Those of these datastores, as `hours` knows them.
    pub fn of<'n>(
        datastores: impl IntoIterator<Item = &'n DatastoreName>,
        hours: impl Fn(&DatastoreName) -> Option<Hours>,
    ) -> Self {
        Self(datastores.into_iter().filter_map(|name| Some((name.clone(), hours(name)?))).collect())
    }

    /// Whether no datastore is ever closed.
    pub fn is_always(&self) -> bool {
        self.0.is_empty()
    }

    /// A datastore that is closed at this instant; none: the rule may be swept.
    pub fn closed(&self, at: DateTime<Utc>) -> Option<(&DatastoreName, &Hours)> {
        self.0.iter().find(|(_, hours)| !hours.is_open(at))
    }

    /// The first instant from this one on at which all are open; `None`: never.
    pub fn opens(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut when = at;
        // Ends because every turn moves the instant to where another datastore opens, and those are a day apart at most.
        while let Some((_, hours)) = self.closed(when) {
            when = hours.opens(when)?;
            if when - at > LONGEST_SEARCH {
                return None;
            }
        }
        Some(when)
    }

    /// When all are open within this time, in order.
    pub fn openings(&self, within: &Range<DateTime<Utc>>) -> Vec<Range<DateTime<Utc>>> {
        let mut common = vec![within.clone()];
        for hours in self.0.values() {
            let mut own =
                hours.openings(within.start).take_while(|opening| opening.start < within.end).peekable();
            let mut both = Vec::new();
            for opening in common {
                while let Some(next) = own.peek() {
                    let (start, end) = (opening.start.max(next.start), opening.end.min(next.end));
                    if start < end {
                        both.push(start..end);
                    }
                    // One that reaches further goes on into the next.
                    if next.end > opening.end {
                        break;
                    }
                    own.next();
                }
            }
            common = both;
        }
        common
    }
}

impl fmt::Display for OpeningHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(name, hours)| format!("`{name}`: {hours}")).collect();
        f.write_str(&all.join(", "))
    }
}
