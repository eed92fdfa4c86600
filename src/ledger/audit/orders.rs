//! Orders: each is given once, and ended at most once, by an entry that names it; between the two, intents heed it.

use std::collections::BTreeMap;

use super::super::entry::{BatchIntent, Body, ErasureRequested, HoldPlaced};
use super::super::tree::EntryIndex;
use super::{Audit, Violation, name};

/// The orders in force, by the entry that gave each.
#[derive(Debug, Default)]
pub struct Orders {
    /// Legal holds.
    pub holds: BTreeMap<EntryIndex, HoldPlaced>,
    /// Erasure requests without an answer.
    pub requests: BTreeMap<EntryIndex, ErasureRequested>,
    /// The `pause`, if disposal is paused.
    pub pause: Option<EntryIndex>,
}

impl Orders {
    /// What an intent breaks. A hold on a data subject does not tell: whose its records are is in no entry.
    pub(super) fn forbid(&self, intent: &BatchIntent) -> Vec<Violation> {
        let batch = &intent.batch;
        let paused = self.pause.map(|_| Violation::Paused { batch: batch.clone() });
        let covers = |hold: &HoldPlaced| {
            hold.subject.is_none()
                && hold.service.as_str() == intent.rule.service()
                && hold.rule.as_ref().is_none_or(|only| *only == intent.rule)
        };
        let held = self.holds.iter().filter(|(_, hold)| covers(hold));
        let held = held.map(|(placed, _)| Violation::Held { batch: batch.clone(), placed: *placed });
        paused.into_iter().chain(held).collect()
    }

    /// Whether somebody demands erasure of this service.
    pub(super) fn demand(&self, service: &str) -> bool {
        self.requests.values().any(|request| request.service.as_str() == service)
    }
}

impl Audit {
    /// Reads an order, or the end of one.
    pub(super) fn order(&mut self, index: EntryIndex, body: &Body) -> Option<Violation> {
        let ended = |known: bool, entry| (!known).then_some(Violation::UnknownOrder { entry });
        match body {
            Body::HoldPlaced(placed) => {
                let repeated = self.repeated(b"hold", placed.hold.as_str());
                self.orders.holds.insert(index, placed.clone());
                repeated
            }
            Body::HoldReleased(released) => {
                let known = self.orders.holds.remove(&released.placed);
                ended(known.is_some_and(|known| known.hold == released.hold), released.placed)
            }
            Body::ErasureRequested(requested) => {
                let repeated = self.repeated(b"request", requested.request.as_str());
                self.orders.requests.insert(index, requested.clone());
                repeated
            }
            Body::ErasureAnswered(answered) => {
                let known = self.orders.requests.remove(&answered.requested);
                ended(known.is_some_and(|known| known.request == answered.request), answered.requested)
            }
            Body::ErasureWithdrawn(withdrawn) => {
                let known = self.orders.requests.remove(&withdrawn.requested);
                ended(known.is_some_and(|known| known.request == withdrawn.request), withdrawn.requested)
            }
            Body::Pause(_) => self.orders.pause.replace(index).map(|_| Violation::PausedTwice),
            Body::Resume(resume) => ended(self.orders.pause.take() == Some(resume.pause), resume.pause),
            Body::Genesis(_)
            | Body::Open(_)
            | Body::KeyEpoch(_)
            | Body::RuleVersion(_)
            | Body::SweepStarted(_)
            | Body::SweepFinished(_)
            | Body::BatchIntent(_)
            | Body::BatchCommitted(_)
            | Body::BatchAborted(_)
            | Body::Approval(_)
            | Body::Residue(_)
            | Body::BackupExpired(_)
            | Body::ErasureLevel(_) => None,
        }
    }

    fn repeated(&mut self, kind: &[u8], order: &str) -> Option<Violation> {
        let new = self.names.insert(name(kind, order));
        (!new).then(|| Violation::RepeatedOrder { name: order.to_owned() })
    }
}
