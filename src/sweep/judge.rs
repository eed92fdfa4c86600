//! The judge and the query, held against each other.

use std::sync::Arc;

use super::Target;
use super::error::SweepError;
use crate::datastore::sql::Phase;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::BoundRule;
use crate::rules::cutoff::Cutoffs;
use crate::rules::decide::{Due, Judge, Record, TriggerValue, Undated, Verdict};

/// What the records of a batch are judged by: it stands still while the batch before is committed.
pub(super) struct Grounds<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) bound: &'a BoundRule<'a>,
    pub(super) cutoffs: &'a Cutoffs,
    pub(super) orders: Arc<Orders>,
    pub(super) now: Now,
}

/// Asks the judge about every record. What a query compared is compared again here, value by value with the cut-off: where
/// that and the judge differ, one of two independent derivations is wrong, and nothing goes.
pub(super) fn judge(
    grounds: &Grounds<'_>,
    mut records: Vec<Record>,
    phase: Phase,
    threads: Threads,
) -> Result<Vec<Due>, SweepError> {
    let Grounds { bound, cutoffs, now, .. } = *grounds;
    let orders = &*grounds.orders;
    let judge_all = |records| due_among(bound, cutoffs, orders, now, phase, records);
    let alone = threads == Threads::One || records.len() < WORTH_A_THREAD;
    let second = records.split_off(if alone { records.len() } else { records.len() / 2 });
    let ((mut due, mut disagreed), (more, others)) = if second.is_empty() {
        (judge_all(records), (Vec::new(), 0))
    } else {
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| judge_all(second));
            let here = judge_all(records);
            // A panic in the judge is a bug wherever it happens.
            (here, beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    };
    due.extend(more);
    disagreed += others;
    if disagreed > 0 {
        return Err(SweepError::Disagreement { rule: grounds.target.rule.id.clone(), records: disagreed });
    }
    Ok(due)
}

/// On how many threads the judge sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// The datastore works meanwhile.
    One,
    /// The datastore waits meanwhile, so its processor is free.
    Two,
}

/// Below this, starting a thread takes longer than it saves.
const WORTH_A_THREAD: usize = 1_000;

/// The due among the records, in their order, and on how many the two derivations differ.
pub(super) fn due_among(
    bound: &BoundRule<'_>,
    cutoffs: &Cutoffs,
    orders: &Orders,
    now: Now,
    phase: Phase,
    records: Vec<Record>,
) -> (Vec<Due>, u64) {
    let mut due = Vec::with_capacity(records.len());
    let mut disagreed: u64 = 0;
    let mut judge = Judge::new(bound, orders, now);
    for record in records {
        let compared = match &record.trigger {
            // Not their trigger was compared, but whose they are; the query said that these are demanded.
            _ if phase == Phase::Demanded => Some(true),
            TriggerValue::Own(value) => cutoffs.compare(bound.trigger(), value),
            // The query looked at every row, and said that all of them can be compared.
            TriggerValue::Rows(_) => (phase == Phase::Exact).then_some(true),
        };
        let verdict = judge.decide(record);
        disagreed += u64::from(!agree(compared, &verdict));
        if let Verdict::Due(record) | Verdict::Overdue(record) = verdict {
            due.push(record);
        }
    }
    (due, disagreed)
}

/// Whether the comparison with the cut-off, where there was one, and the judge say the same.
pub(super) fn agree(compared: Option<bool>, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Due(_) | Verdict::Overdue(_) | Verdict::Held(_) => compared != Some(false),
        // What is compared has the shape of a time; only the judge knows that 31 February is none.
        Verdict::Undated(Undated::Unreadable) => true,
        Verdict::Kept(_) | Verdict::Undated(_) => compared != Some(true),
    }
}
