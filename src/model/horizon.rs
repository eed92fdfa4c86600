//! How far backups reach beyond a disposal: when what is gone from a datastore is gone from its backups too.

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use super::calendar::{Calendar, Moment};
use super::period::DeleteBy;

/// The backup rules that cover one datastore.
#[derive(Debug, Clone, Default)]
pub struct Horizon(Vec<BackupRule>);

#[derive(Debug, Clone)]
struct BackupRule {
    calendar: Calendar,
    delete_by: DeleteBy,
    every: TimeDelta,
}

impl Horizon {
    /// Adds a rule by which backups begun at most `every` apart are gone by `delete_by` in the rule's own calendar.
    pub fn push(&mut self, calendar: Calendar, delete_by: DeleteBy, every: TimeDelta) {
        self.0.push(BackupRule { calendar, delete_by, every });
    }

    /// When the last backup that may hold it is gone; `None` without a backup rule, and past the year 9999, where entries of
    /// the ledger end.
    ///
    /// A backup that was under way at the disposal may hold the record, and is dated no later than the next one is begun.
    pub fn gone_by(&self, disposed_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // One rule beyond the calendar puts the whole beyond it: no date is better than one that is too early.
        let each = self.0.iter().map(|rule| {
            let begun = disposed_at.checked_add_signed(rule.every)?;
            rule.calendar.deadline(&Moment::Instant(begun), &rule.delete_by)
        });
        each.collect::<Option<Vec<_>>>()?.into_iter().max().filter(|by| by.year() <= 9999)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone_by(rules: &[(&str, &str, i64)], disposed_at: &str) -> Option<String> {
        let mut horizon = Horizon::default();
        for (zone, delete_by, every) in rules {
            let period = delete_by.parse().expect("a period");
            let delete_by = DeleteBy::new(period).expect("longer than zero");
            horizon.push(Calendar::new(zone.parse().expect("a zone")), delete_by, TimeDelta::hours(*every));
        }
        let by = horizon.gone_by(disposed_at.parse().expect("an instant"))?;
        Some(by.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn without_a_backup_rule_nothing_is_said() {
        assert_eq!(gone_by(&[], "2026-03-01T10:00:00Z"), None);
    }

    #[test]
    fn the_backup_after_the_disposal_counts_in_the_rules_own_calendar() {
        for (disposed_at, rule, expected) in [
            ("2026-03-01T10:00:00Z", ("Etc/UTC", "24 hours", 24), "2026-03-03T10:00:00Z"),
            ("2026-03-01T10:00:00.000001Z", ("Etc/UTC", "1 hour", 0), "2026-03-01T11:00:00.000001Z"),
            ("2026-03-01T10:00:00Z", ("Europe/Moscow", "30 days", 24), "2026-03-31T21:00:00Z"),
            // The last second of a local day, and the first of the next.
            ("2026-03-01T20:59:59Z", ("Europe/Moscow", "1 day", 0), "2026-03-01T21:00:00Z"),
            ("2026-03-01T21:00:00Z", ("Europe/Moscow", "1 day", 0), "2026-03-02T21:00:00Z"),
            ("2026-03-01T20:59:59Z", ("Europe/Moscow", "1 day", 1), "2026-03-02T21:00:00Z"),
            // The ends of months, 29 February, and the day on which the clocks change.
            ("2026-01-30T12:00:00Z", ("Etc/UTC", "1 month", 24), "2026-02-28T00:00:00Z"),
            ("2026-01-31T12:00:00Z", ("Etc/UTC", "1 month", 24), "2026-03-01T00:00:00Z"),
            ("2024-02-28T12:00:00Z", ("Etc/UTC", "1 year", 24), "2025-02-28T00:00:00Z"),
            ("2026-03-27T12:00:00Z", ("Europe/Berlin", "2 days", 24), "2026-03-29T22:00:00Z"),
        ] {
            assert_eq!(gone_by(&[rule], disposed_at).as_deref(), Some(expected), "{disposed_at} {rule:?}");
        }
    }

    #[test]
    fn the_latest_of_several_rules_counts() {
        let rules = [("Etc/UTC", "1 week", 1), ("Etc/UTC", "1 month", 24), ("Etc/UTC", "2 days", 24)];
        assert_eq!(gone_by(&rules, "2026-03-01T10:00:00Z").as_deref(), Some("2026-04-02T00:00:00Z"));
    }

    #[test]
    fn beyond_the_calendar_nothing_is_said_whatever_the_other_rules_say() {
        for far in ["4294967295 months", "7974 years", "2562047788015 hours"] {
            let rules = [("Etc/UTC", "1 day", 24), ("Etc/UTC", far, 24)];
            assert_eq!(gone_by(&rules, "2026-03-01T10:00:00Z"), None, "{far}");
        }
        let last = gone_by(&[("Etc/UTC", "7973 years", 0)], "2026-03-01T10:00:00Z");
        assert_eq!(last.as_deref(), Some("9999-03-01T00:00:00Z"));
        assert_eq!(gone_by(&[("Etc/UTC", "1 day", i64::MAX / 4_000_000)], "9999-03-01T10:00:00Z"), None);
    }
}
