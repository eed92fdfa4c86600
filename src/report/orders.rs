//! What people ordered: holds, erasure requests, pauses, approvals.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::period::Place;
use crate::ledger::entry::{Approval, Body, ErasureAnswered, ErasureRequested, HoldPlaced, RoleName};
use crate::ledger::tree::EntryIndex;

/// Orders that were in force in the period, or given in it; by the entry that gave them.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) holds: BTreeMap<EntryIndex, Order<HoldPlaced, RoleName>>,
    pub(super) requests: BTreeMap<EntryIndex, Order<ErasureRequested, RequestEnd>>,
    pub(super) pauses: BTreeMap<EntryIndex, Order<RoleName, RoleName>>,
    /// Given in the period.
    pub(super) approvals: Vec<(EntryIndex, DateTime<Utc>, Approval)>,
}

/// What ended a request.
#[derive(Debug)]
pub(super) enum RequestEnd {
    Answered(ErasureAnswered),
    /// By whom.
    Withdrawn(RoleName),
}

/// An order, and what ended it.
#[derive(Debug)]
pub(super) struct Order<T, E> {
    pub(super) at: DateTime<Utc>,
    pub(super) given: T,
    pub(super) end: Option<End<E>>,
}

#[derive(Debug)]
pub(super) struct End<E> {
    pub(super) entry: EntryIndex,
    pub(super) at: DateTime<Utc>,
    pub(super) by: E,
}

impl<T, E> Order<T, E> {
    fn new(at: DateTime<Utc>, given: T) -> Self {
        Self { at, given, end: None }
    }
}

/// What ended before the period is no part of it; what nobody gave is the audit's finding.
fn end<T, E>(
    orders: &mut BTreeMap<EntryIndex, Order<T, E>>,
    given: EntryIndex,
    (entry, at): (EntryIndex, DateTime<Utc>),
    place: Place,
    by: E,
) {
    match place {
        Place::Before => {
            orders.remove(&given);
        }
        Place::Within | Place::After => {
            if let Some(order) = orders.get_mut(&given) {
                order.end = Some(End { entry, at, by });
            }
        }
    }
}

impl Orders {
    pub(super) fn read(&mut self, entry: EntryIndex, at: DateTime<Utc>, place: Place, body: &Body) {
        let here = (entry, at);
        match body {
            Body::HoldPlaced(placed) => {
                self.holds.insert(entry, Order::new(at, placed.clone()));
            }
            Body::HoldReleased(released) => {
                end(&mut self.holds, released.placed, here, place, released.by.clone());
            }
            Body::ErasureRequested(requested) => {
                self.requests.insert(entry, Order::new(at, requested.clone()));
            }
            Body::ErasureAnswered(answered) => {
                end(
                    &mut self.requests,
                    answered.requested,
                    here,
                    place,
                    RequestEnd::Answered(answered.clone()),
                );
            }
            Body::ErasureWithdrawn(withdrawn) => {
                let end_of_it = RequestEnd::Withdrawn(withdrawn.by.clone());
                end(&mut self.requests, withdrawn.requested, here, place, end_of_it);
            }
            Body::Pause(pause) => {
                self.pauses.insert(entry, Order::new(at, pause.by.clone()));
            }
            Body::Resume(resume) => end(&mut self.pauses, resume.pause, here, place, resume.by.clone()),
            Body::Approval(approval) => {
                if place == Place::Within {
                    self.approvals.push((entry, at, approval.clone()));
                }
            }
            Body::Genesis(_)
            | Body::Open(_)
            | Body::KeyEpoch(_)
            | Body::RuleVersion(_)
            | Body::SweepStarted(_)
            | Body::SweepFinished(_)
            | Body::BatchIntent(_)
            | Body::BatchCommitted(_)
            | Body::BatchAborted(_)
            | Body::Residue(_)
            | Body::BackupExpired(_)
            | Body::ErasureLevel(_) => {}
        }
    }

    /// Since when nothing may be disposed of, where that is so at the end of the period.
    pub(super) fn paused(&self) -> Option<DateTime<Utc>> {
        self.pauses.values().find(|pause| pause.end.is_none()).map(|pause| pause.at)
    }
}
