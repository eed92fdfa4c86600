//! The cut-off and the record's own decision are two derivations of one rule: they must never disagree.

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use expunged::model::calendar::{Calendar, Cutoff, Moment, MomentKind, Zone};
use expunged::model::period::{Civil, DeleteBy, Elapsed, Period, Retain};
use proptest::prelude::*;

use super::is_past;

/// Folds and gaps at midnight, over it and around it; half hours; skipped and repeated days; days in Ramadan.
const ZONES: [&str; 16] = [
    "America/Havana",
    "America/Juneau",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Casey",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Asia/Manila",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Moscow",
    "Pacific/Apia",
    "Pacific/Kwajalein",
];

const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

pub(super) fn zones() -> impl Strategy<Value = Zone> {
    prop::sample::select(&ZONES[..]).prop_map(|name| name.parse().unwrap())
}

pub(super) fn periods() -> impl Strategy<Value = Period> {
    let elapsed = prop_oneof![0..200_000i64, 0..100_000_000i64];
    prop_oneof![
        elapsed.prop_map(|s| Period::Elapsed(Elapsed::new(TimeDelta::seconds(s)).unwrap())),
        (0..30u32, 0..70u32).prop_map(|(months, days)| Period::Civil(Civil { months, days })),
        (0..30u32).prop_map(|months| Period::Civil(Civil { months, days: 0 })),
    ]
}

/// Any microsecond of 300 years, and those around midnight and an hour from it, where clocks change.
pub(super) fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    let years = -4_100_000_000_000_000..5_400_000_000_000_000i64;
    let near = (
        zones(),
        -47_500..62_500i32,
        -3..=3i64,
        prop_oneof![Just(0), Just(1), Just(-1), -70_000_000..70_000_000i64],
    );
    prop_oneof![
        years.prop_map(|us| DateTime::from_timestamp_micros(us).unwrap()),
        near.prop_map(|(zone, day, half_hours, us)| {
            let first = Calendar::new(zone).first_instant(NaiveDate::from_epoch_days(day).unwrap()).unwrap();
            first + TimeDelta::minutes(30 * half_hours) + TimeDelta::microseconds(us)
        }),
    ]
}

/// Every change of the clocks in these zones, 1900–2100, to the second.
static CHANGES: LazyLock<Vec<(Zone, DateTime<Utc>)>> = LazyLock::new(|| {
    let changes = |name: &&str| {
        let tz: Tz = name.parse().unwrap();
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let offset = |second: i64| tz.offset_from_utc_datetime(&at(second).naive_utc()).fix();
        let in_one_day = |day: i64| {
            let (mut before, mut after) = (day * 86_400, (day + 1) * 86_400);
            let (old, new) = (offset(before), offset(after));
            while after - before > 1 {
                let middle = before.midpoint(after);
                if offset(middle) == old { before = middle } else { after = middle }
            }
            (old != new).then(|| (Zone::from(tz), at(after)))
        };
        (-25_567..47_482).filter_map(in_one_day).collect::<Vec<_>>()
    };
    ZONES.iter().flat_map(changes).collect()
});

/// A zone, the instant at which its clocks are changed, and two times up to three hours from there.
fn changes() -> impl Strategy<Value = (Zone, DateTime<Utc>, TimeDelta, TimeDelta)> {
    let hours = 3 * 3_600_000_000i64;
    let near = || prop_oneof![-1..=1i64, -hours..hours, (-6..=6i64).prop_map(|n| n * 1_800_000_000)];
    (prop::sample::select(&CHANGES[..]), near(), near()).prop_map(|((zone, at), one, two)| {
        (zone, at, TimeDelta::microseconds(one), TimeDelta::microseconds(two))
    })
}

pub(super) fn any_instant() -> impl Strategy<Value = DateTime<Utc>> {
    let (min, max) =
        (DateTime::<Utc>::MIN_UTC.timestamp_micros(), DateTime::<Utc>::MAX_UTC.timestamp_micros());
    let days = 3 * 86_400_000_000;
    prop_oneof![min..=max, min..min + days, max - days..=max]
        .prop_map(|us| DateTime::from_timestamp_micros(us).unwrap())
}

pub(super) fn any_period() -> impl Strategy<Value = Period> {
    prop_oneof![
        (0..=i64::MAX / 1000).prop_map(|s| Period::Elapsed(Elapsed::new(TimeDelta::seconds(s)).unwrap())),
        (any::<u32>(), any::<u32>()).prop_map(|(months, days)| Period::Civil(Civil { months, days })),
        (0..7_000_000u32, 0..200_000_000u32).prop_map(|(months, days)| Period::Civil(Civil { months, days })),
        periods(),
    ]
}

/// The same time as each kind of trigger; the naive one in a zone that may be another than the service's.
pub(super) fn kinds(at: DateTime<Utc>, local: Zone) -> [Moment; 3] {
    [Moment::Instant(at), Moment::Local(at.naive_utc(), local), Moment::Date(at.date_naive())]
}

/// The last trigger below the cut-off and the first that is not. A bound at the end of the calendar ends in .999999999,
/// which is no trigger.
fn around(cutoff: Cutoff, kind: MomentKind) -> Vec<Moment> {
    let sides: [Option<Moment>; 2] = match (cutoff, kind) {
        (Cutoff::Instant(at), MomentKind::Instant) => {
            let whole = Some(at).filter(|at| at.timestamp_subsec_nanos() % 1000 == 0);
            [whole.and_then(|at| at.checked_sub_signed(MICROSECOND)), whole].map(|at| at.map(Moment::Instant))
        }
        (Cutoff::Local(at), MomentKind::Local(zone)) => {
            let whole = Some(at).filter(|at| at.nanosecond() % 1000 == 0);
            [whole.and_then(|at| at.checked_sub_signed(MICROSECOND)), whole]
                .map(|at| at.map(|at| Moment::Local(at, zone)))
        }
        (Cutoff::Date(at), MomentKind::Date) => [at.pred_opt(), Some(at)].map(|at| at.map(Moment::Date)),
        (cutoff, kind) => panic!("{cutoff:?} is no bound for {kind:?}"),
    };
    sides.into_iter().flatten().collect()
}

/// Holds both derivations against each other: at a given trigger, and on both sides of the cut-off itself.
fn check(
    calendar: Calendar,
    trigger: Moment,
    period: Period,
    now: DateTime<Utc>,
) -> Result<(), TestCaseError> {
    let retain = Retain::new(period);
    let cutoff = calendar.due_cutoff(now, &retain, trigger.kind());
    let sides = cutoff.map(|cutoff| around(cutoff, trigger.kind())).unwrap_or_default();
    for moment in sides.iter().chain([&trigger]) {
        let due = calendar.due(moment, &retain);
        prop_assert_eq!(
            is_past(moment, cutoff),
            due.is_some_and(|due| due <= now),
            "{:?} of {:?} + {}: due {:?}, cut-off {:?} at {:?}",
            moment,
            calendar,
            period,
            due,
            cutoff,
            now
        );
    }
    let Ok(delete_by) = DeleteBy::new(period) else { return Ok(()) };
    let cutoff = calendar.deadline_cutoff(now, &delete_by, trigger.kind());
    let sides = cutoff.map(|cutoff| around(cutoff, trigger.kind())).unwrap_or_default();
    for moment in sides.iter().chain([&trigger]) {
        let deadline = calendar.deadline(moment, &delete_by);
        prop_assert_eq!(
            is_past(moment, cutoff),
            deadline.is_some_and(|deadline| deadline <= now),
            "{:?} of {:?} + {}: deadline {:?}, cut-off {:?} at {:?}",
            moment,
            calendar,
            period,
            deadline,
            cutoff,
            now
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_trigger_is_below_the_cutoff_exactly_when_it_is_past(
        zone in zones(), local in zones(), at in instants(), period in periods(), now in instants(),
    ) {
        let calendar = Calendar::new(zone);
        for trigger in kinds(at, local) {
            check(calendar, trigger, period, now)?;
            // And at the very instant where the decision turns, and the microsecond before it.
            if let Some(due) = calendar.due(&trigger, &Retain::new(period)) {
                check(calendar, trigger, period, due)?;
                check(calendar, trigger, period, due - MICROSECOND)?;
            }
            if let Some(deadline) = DeleteBy::new(period).ok().and_then(|by| calendar.deadline(&trigger, &by)) {
                check(calendar, trigger, period, deadline)?;
                check(calendar, trigger, period, deadline - MICROSECOND)?;
            }
        }
    }

    #[test]
    fn a_naive_trigger_agrees_with_its_cutoff_where_the_clocks_are_changed(
        (local, change, near, now) in changes(), zone in zones(), same: bool, period in periods(), before: bool,
    ) {
        let calendar = Calendar::new(if same { local } else { zone });
        // What the clocks showed, by their offset before or after the change: in a fold both, in a gap neither.
        let tz: Tz = local.name().parse().unwrap();
        let offset_at = if before { change - MICROSECOND } else { change };
        let offset = tz.offset_from_utc_datetime(&offset_at.naive_utc()).fix();
        let trigger = Moment::Local((change + near).naive_utc() + offset, local);
        let elapsed = match period {
            Period::Elapsed(elapsed) => elapsed.length(),
            Period::Civil(_) => TimeDelta::zero(),
        };
        check(calendar, trigger, period, change + now + elapsed)?;
    }

    #[test]
    fn the_ends_of_the_calendar_neither_panic_nor_disagree(
        zone in zones(), local in zones(), at in any_instant(), period in any_period(), now in any_instant(),
    ) {
        let calendar = Calendar::new(zone);
        for trigger in kinds(at, local) {
            check(calendar, trigger, period, now)?;
        }
        calendar.local_date(at);
        calendar.first_instant(at.date_naive());
    }

    #[test]
    fn a_later_trigger_is_never_due_earlier(
        zone in zones(), local in zones(), one in instants(), apart in prop_oneof![0..9_000_000_000i64, 0..9_000_000_000_000i64],
        period in periods(),
    ) {
        let calendar = Calendar::new(zone);
        let later = one + TimeDelta::microseconds(apart);
        for (one, later) in kinds(one, local).iter().zip(kinds(later, local).iter()) {
            prop_assert!(calendar.due(one, &Retain::new(period)) <= calendar.due(later, &Retain::new(period)));
            if let Ok(by) = DeleteBy::new(period) {
                prop_assert!(calendar.deadline(one, &by) <= calendar.deadline(later, &by));
            }
        }
    }

    #[test]
    fn a_day_has_begun_exactly_from_its_first_instant(zone in zones(), at in instants(), day in -47_500..62_500i32) {
        let calendar = Calendar::new(zone);
        for day in [NaiveDate::from_epoch_days(day).unwrap(), calendar.local_date(at), at.date_naive()] {
            let first = calendar.first_instant(day).unwrap();
            prop_assert_eq!(calendar.local_date(at) >= day, at >= first);
            prop_assert!(calendar.local_date(first) >= day && calendar.local_date(first - MICROSECOND) < day);
        }
    }
}
