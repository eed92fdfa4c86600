//! When what was disposed of is gone from the backups too.

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::{Calendar, Moment};
use super::period::DeleteBy;

/// The backup rules that cover one datastore.
#[derive(Debug, Clone, Default)]
pub struct Horizon(Vec<(Calendar, DeleteBy, TimeDelta)>);

impl Horizon {
    /// No backup rule covers the datastore.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds backups that are made every so often, none taking longer than that, and gone by a deadline of their own.
    pub fn add(&mut self, calendar: Calendar, delete_by: DeleteBy, every: TimeDelta) {
        self.0.push((calendar, delete_by, every));
    }

    /// The instant by which every backup that may hold what was disposed of at `disposed_at` has reached its deadline.
    /// None: no backup rule covers the datastore, or the deadline lies beyond the calendar.
    ///
    /// A backup under way at the disposal may hold the record and be dated up to `every` later.
    pub fn gone_by(&self, disposed_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let deadline = |(calendar, delete_by, every): &(Calendar, DeleteBy, TimeDelta)| {
            calendar.deadline(&Moment::Instant(disposed_at.checked_add_signed(*every)?), delete_by)
        };
        let all: Option<Vec<DateTime<Utc>>> = self.0.iter().map(deadline).collect();
        all?.into_iter().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn backups(zone: &str, delete_by: &str, every: TimeDelta) -> (Calendar, DeleteBy, TimeDelta) {
        let delete_by = DeleteBy::new(delete_by.parse().expect("a period")).expect("a bound");
        (Calendar::new(zone.parse().expect("a zone")), delete_by, every)
    }

    #[test]
    fn the_last_backup_that_may_hold_the_record_decides() {
        let mut horizon = Horizon::default();
        assert_eq!(horizon.gone_by(at("2026-01-30T12:00:00Z")), None, "nobody says anything of backups");
        let (calendar, delete_by, every) = backups("Etc/UTC", "1 month", TimeDelta::days(1));
        horizon.add(calendar, delete_by, every);
        // A backup of 31 January, and a month without a 31st.
        assert_eq!(horizon.gone_by(at("2026-01-30T12:00:00Z")), Some(at("2026-02-28T00:00:00Z")));
        let (calendar, delete_by, every) = backups("Etc/UTC", "90 days", TimeDelta::hours(1));
        horizon.add(calendar, delete_by, every);
        assert_eq!(horizon.gone_by(at("2026-01-30T12:00:00Z")), Some(at("2026-04-30T00:00:00Z")));
    }
}
