//! Erasure requests: what people demand goes in a sweep of its own, behind the same guards, and is answered once nothing of it is
//! left.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::guard::Parked;
use super::{Brake, Mandate, Progress, Report, SweepError, Target, orders, standing, sweep};
use crate::datastore::catalogues;
use crate::datastore::sql::Reader;
use crate::ledger::entry::{Answer, Cause, ReasonText, RuleId as EntryRuleId};
use crate::ledger::error::NameError;
use crate::model::catalogue::Catalogues;
use crate::model::datastore::Datastore;
use crate::model::name::DatastoreName;
use crate::model::now::Now;
use crate::model::orders::{Orders, SubjectId};
use crate::rules::bind::{BoundRule, bind};
use crate::rules::rule::{Mode, OnErasure, Rule};
use crate::state::{Request, State, StateError, VersionStanding};

/// By the names that rules use.
type Datastores = BTreeMap<DatastoreName, Datastore>;

/// What the guard of [`erase`] goes by: read before the schedule's sweep, which ends an approval.
pub async fn standing_of_requests(
    state: &mut State,
    target: &Target<'_>,
) -> Result<VersionStanding, SweepError> {
    standing(state, target, Cause::Request).await
}

/// Disposes of what people demand of one rule, whatever its trigger says; none: nobody demands anything of it.
pub async fn erase(
    state: &mut State,
    target: &Target<'_>,
    (now, standing): (Now, VersionStanding),
    brake: &Brake,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Option<Report>, SweepError> {
    if target.rule.mode == Mode::Observe {
        // The request stays open, and the schedule's sweep has counted what it is about.
        return Ok(None);
    }
    let orders = orders(state, target, Cause::Request).await?;
    if orders.asked.is_empty() {
        return Ok(None);
    }
    let bound = Asked::of(target.rule, target.datastores).await?;
    if bound.demanded(&orders).await? == 0 {
        return Ok(None);
    }
    let mandate = Mandate { cause: Cause::Request, orders, standing, now, brake };
    sweep(state, target, mandate, progress).await.map(Some)
}

/// By the limit of a first sweep, always: what people usually demand, nobody knows.
pub(super) async fn guard(
    target: &Target<'_>,
    bound: &BoundRule<'_>,
    orders: &Orders,
    now: Now,
    standing: &VersionStanding,
    reader: Option<&mut Reader>,
) -> Result<(u64, Result<u64, Parked>), SweepError> {
    let (Some(rows), Some(reader)) = (bound.rows(), reader) else { return Ok((0, Ok(0))) };
    let due = reader.count_demanded(rows.heeding(orders)).await?;
    let standing = VersionStanding { usual: None, ..*standing };
    let counted = target.guard.depends_on_size(&standing, due);
    let all = if counted { Some(reader.count_all(rows).await?) } else { None };
    Ok((due, target.guard.allowance(&standing, due, all, now.eligible)))
}

/// A rule's records, asked whose they are.
struct Asked<'r> {
    rule: &'r Rule,
    datastore: &'r Datastore,
    catalogues: Catalogues,
}

impl<'r> Asked<'r> {
    async fn of(rule: &'r Rule, datastores: &'r Datastores) -> Result<Self, SweepError> {
        let missing = || SweepError::NoDatastore { datastore: rule.datastore.clone() };
        let datastore = datastores.get(&rule.datastore).ok_or_else(missing)?;
        Ok(Self { rule, datastore, catalogues: catalogues(rule, &|name| datastores.get(name)).await? })
    }

    /// How many records a sweep for these demands would put before the judge.
    async fn demanded(&self, orders: &Orders) -> Result<u64, SweepError> {
        let bound = bind(self.rule, &self.catalogues).map_err(SweepError::Bind)?;
        let Some(rows) = bound.rows() else { return Ok(0) };
        Ok(Reader::open(self.datastore).await?.count_demanded(rows.heeding(orders)).await?)
    }

    /// How many are one person's, those that a matching row keeps for now among them.
    async fn theirs(&self, subject: &SubjectId) -> Result<u64, SweepError> {
        let orders = Orders::demand(subject.clone(), DateTime::UNIX_EPOCH);
        let bound = bind(self.rule, &self.catalogues).map_err(SweepError::Bind)?;
        let Some(rows) = bound.rows() else { return Ok(0) };
        Ok(Reader::open(self.datastore).await?.count_theirs(rows.heeding(&orders)).await?)
    }
}

/// How many of a rule's records belong to one person, whatever its trigger says.
pub async fn left(rule: &Rule, datastores: &Datastores, subject: &SubjectId) -> Result<u64, SweepError> {
    Asked::of(rule, datastores).await?.theirs(subject).await
}

/// What a request reaches under one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// How many records are there.
    pub left: u64,
    /// The legal reason for which the rule keeps them; none: it disposes of them.
    pub kept: Option<String>,
}

/// Looks what of one person is there under each of these rules that knows its data subjects.
pub async fn reached<'r>(
    rules: &[&'r Rule],
    datastores: &Datastores,
    subject: &SubjectId,
) -> Result<Vec<(&'r Rule, Reached)>, SweepError> {
    let mut reached = Vec::new();
    for rule in rules {
        let Some(about) = &rule.subject else { continue };
        let kept = match &about.on_erasure {
            OnErasure::Dispose => None,
            OnErasure::Keep(reason) => Some(reason.clone()),
        };
        reached.push((*rule, Reached { left: left(rule, datastores, subject).await?, kept }));
    }
    Ok(reached)
}

/// Answers an open request, if nothing is left that it could dispose of and no batch is in doubt. `rules`: every rule of its
/// service. Whether it was answered.
pub async fn answer(
    state: &mut State,
    request: &Request,
    rules: &[&Rule],
    datastores: &Datastores,
) -> Result<bool, SweepError> {
    let Some(subject) = state.subject(request)? else { return Ok(false) };
    let of_service = |rule: &EntryRuleId| rule.service() == request.service;
    if state.open_intents().await?.iter().any(|open| of_service(open.sweep.rule())) {
        return Ok(false);
    }
    let reached = reached(rules, datastores, &subject).await?;
    if reached.is_empty() || reached.iter().any(|(_, reached)| reached.kept.is_none() && reached.left > 0) {
        return Ok(false);
    }
    let answers = reached.iter().map(|(rule, reached)| reached.answer(rule)).collect::<Result<Vec<_>, _>>();
    let mut answers = answers.map_err(StateError::from)?;
    answers.sort_by(|a, b| a.rule.cmp(&b.rule));
    Ok(state.answer_erasure(request, answers).await?)
}

impl Reached {
    fn answer(&self, rule: &Rule) -> Result<Answer, NameError> {
        Ok(Answer {
            rule: EntryRuleId::parse(&rule.id.to_string())?,
            left: self.left,
            kept: self.kept.as_deref().map(ReasonText::parse).transpose()?,
        })
    }
}
