//! What people have ordered about single records: it stands above every rule.

use super::name::RuleId;

/// The orders in force when a sweep looks.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Legal holds that have been placed and not released.
    pub holds: Vec<HoldScope>,
}

impl Orders {
    /// Whether a hold covers the records of this rule.
    pub fn hold(&self, rule: &RuleId) -> bool {
        self.holds.iter().any(|scope| match scope {
            HoldScope::Rule(held) => held == rule,
        })
    }
}

/// What a legal hold covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldScope {
    /// Every record of one rule.
    Rule(RuleId),
}
