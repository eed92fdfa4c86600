//! What the daemon and most commands start from: the configuration, the rules, the state; and how each failure ends a process.

mod connect;
mod exit;
mod opening;
mod turn;

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Config;
use crate::datastore::catalogues;
use crate::datastore::sql::Backlogged;
use crate::diagnostic::nearest::did_you_mean;
use crate::ledger::canonical::RuleDocument;
use crate::ledger::entry::Cause;
use crate::ledger::key::SigningKey;
use crate::model::catalogue::Catalogues;
use crate::model::datastore::{Datastore, DatastoreIdentity, DatastoreKind, Defaults, Location};
use crate::model::name::DatastoreName;
use crate::model::now::Now;
use crate::model::orders::Orders;
use crate::rules::bind::{BoundRule, bind};
use crate::rules::check::{Proof, ProvedPromise, check, datastores};
use crate::rules::cutoff::Cutoffs;
use crate::rules::digest::version;
use crate::rules::document::{holds_none, load, of_directory};
use crate::rules::rule::{Mode, Rule, RuleSet, Service};
use crate::rules::shared::shared;
use crate::state::{Role, State, StateError};
use crate::sweep::{
    Backlog, Counts, Guard, Horizons, Parked, Places, SweepError, Target, answer, backlog, count, parked,
    same_root,
};

pub use connect::{Connected, Looked, Seen, connect};
pub use exit::{Exit, Failure};
pub use opening::open_state;
pub use turn::{Swept, Turn, sweep_rule};

/// The rules alone, for what needs no datastore; without a configuration, with built-in defaults.
pub fn rules_only(config: &Path, rules: Option<&Path>) -> Result<(RuleSet, Defaults), Failure> {
    let (directory, defaults) = match rules {
        Some(directory) if !config.exists() => (directory.to_owned(), Defaults::default()),
        given => {
            let config = Config::load(config)?;
            (given.map_or(config.rules_dir, Path::to_owned), config.defaults)
        }
    };
    Ok((load(&directory, &defaults)?, defaults))
}

/// The service of this name.
pub fn service<'r>(rules: &'r RuleSet, name: &str) -> Result<&'r Service, Failure> {
    rules.services.iter().find(|service| service.id.as_str() == name).ok_or_else(|| {
        let names: Vec<&str> = rules.services.iter().map(|service| service.id.as_str()).collect();
        let help = did_you_mean(name, &names, format!("the services are {}", names.join(", ")));
        Failure::new(Exit::Usage, anyhow::anyhow!("there is no service `{name}`: {help}"))
    })
}

/// Two directories of rules, read with the same defaults: what was, and what shall be. Everything wrong in either is reported
/// at once, and which of the two cannot be read.
///
/// No rules at all are something to compare with, but nothing that shall be.
pub fn two_rules(config: &Path, old: &Path, new: &Path) -> Result<(RuleSet, RuleSet, Defaults), Failure> {
    let defaults = if config.exists() { Config::load(config)?.defaults } else { Defaults::default() };
    let before = if holds_none(old) { Ok(RuleSet { services: Vec::new() }) } else { load(old, &defaults) };
    let sides =
        [(before, "OLD", old), (load(new, &defaults), "NEW", new)].map(|(loaded, side, directory)| {
            loaded.map_err(|found| {
                let message = format!(
                    "{side}, `{}`, cannot be read, so there is nothing to compare",
                    directory.display()
                );
                of_directory(
                    directory,
                    message,
                    "mend its rules, listed with this, or name another directory",
                )
                .merged(found)
            })
        });
    match sides {
        [Ok(old), Ok(new)] => Ok((old, new, defaults)),
        [Err(old), Err(new)] => Err(old.merged(new).into()),
        [Err(found), Ok(_)] | [Ok(_), Err(found)] => Err(found.into()),
    }
}

/// The configuration and the rules, each proved by itself.
pub struct Deployment {
    /// The configuration.
    pub config: Config,
    /// The rules, which [`check`] has proved.
    pub rules: RuleSet,
    /// Every promise, and what keeps it.
    pub promises: Vec<ProvedPromise>,
    horizons: Horizons,
}

/// The rule of this name, `service/rule`, with its service.
pub fn find_rule<'r>(rules: &'r RuleSet, name: &str) -> Result<(&'r Service, &'r Rule), Failure> {
    rules.find(name).ok_or_else(|| unknown_rule(rules, name))
}

fn unknown_rule(rules: &RuleSet, name: &str) -> Failure {
    let names: Vec<String> = rules.rules().map(|(_, r)| r.id.to_string()).collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let help = did_you_mean(name, &known, format!("the rules are {}", names.join(", ")));
    Failure::new(Exit::Usage, anyhow::anyhow!("there is no rule `{name}`: {help}"))
}

/// The backup rules that cover each datastore. Where one of them only observes, nobody can say when its backups are gone.
fn horizons(rules: &RuleSet) -> Horizons {
    let mut horizons = Horizons::new();
    let mut observed = BTreeSet::new();
    for (_, rule) in rules.rules() {
        let Some(backup) = &rule.backup else { continue };
        if rule.mode == Mode::Observe {
            observed.extend(&backup.of);
            continue;
        }
        for name in &backup.of {
            horizons.entry(name.clone()).or_default().push(rule.calendar, rule.delete_by, backup.every);
        }
    }
    horizons.retain(|name, _| !observed.contains(name));
    horizons
}

impl Deployment {
    /// Reads both; every problem in them is reported at once. `rules`: another directory than the configuration's.
    pub fn load(config: &Path, rules: Option<&Path>) -> Result<Self, Failure> {
        let config = Config::load(config)?;
        let rules = load(rules.unwrap_or(&config.rules_dir), &config.defaults)?;
        datastores(&rules, &config.datastores).or(())?;
        let Proof { promises, warnings } = check(&rules, &config.defaults)?;
        for warning in &warnings {
            let (code, at) = (warning.code_text(), warning.place.file_line());
            tracing::warn!(code, at, "{}", warning.message);
        }
        let horizons = horizons(&rules);
        Ok(Self { config, rules, promises, horizons })
    }

    /// The rules that the patterns name, `service/rule` or `service`; all without a pattern.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<(&Service, &Rule)>, Failure> {
        let all: Vec<(&Service, &Rule)> = self.rules.rules().collect();
        let mut chosen: Vec<(&Service, &Rule)> = Vec::new();
        for pattern in patterns {
            let matching: Vec<_> = all
                .iter()
                .filter(|(s, r)| r.id.to_string() == *pattern || s.id.as_str() == pattern)
                .copied()
                .collect();
            if matching.is_empty() {
                return Err(unknown_rule(&self.rules, pattern));
            }
            for (service, rule) in matching {
                if !chosen.iter().any(|(_, r)| r.id == rule.id) {
                    chosen.push((service, rule));
                }
            }
        }
        Ok(if patterns.is_empty() { all } else { chosen })
    }

    /// The rule of this name, `service/rule`.
    pub fn one(&self, name: &str) -> Result<(&Service, &Rule), Failure> {
        find_rule(&self.rules, name)
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Result<&Service, Failure> {
        service(&self.rules, name)
    }

    /// Where the rule's own records are.
    pub fn datastore(&self, rule: &Rule) -> Result<&Datastore, Failure> {
        self.config.datastores.get(&rule.datastore).ok_or_else(|| {
            Failure::new(
                Exit::Configuration,
                anyhow::anyhow!("datastore `{}` is not configured", rule.datastore),
            )
        })
    }

    /// Where recovery finds what it needs.
    pub fn places(&self) -> Places<'_> {
        Places { datastores: &self.config.datastores, horizons: &self.horizons }
    }

    /// A rule proved against the schemas of its datastores.
    pub async fn bind<'r>(&self, rule: &'r Rule) -> Result<(BoundRule<'r>, Catalogues), Failure> {
        let catalogues = catalogues(rule, &|name| self.config.datastores.get(name)).await?;
        let bound = bind(rule, &catalogues).map_err(SweepError::Bind)?;
        Ok((bound, catalogues))
    }

    /// The rule's canonical form, bound to its datastores.
    pub fn document(&self, service: &Service, rule: &Rule) -> Result<RuleDocument, Failure> {
        let identity = |name: &DatastoreName| match self.config.datastores.get(name) {
            Some(datastore) => {
                DatastoreIdentity { kind: datastore.kind(), location: place(&datastore.location) }
            }
            // Loading refused it.
            None => DatastoreIdentity { kind: DatastoreKind::Sqlite, location: String::new() },
        };
        Ok(RuleDocument::try_from(version(service, rule, &identity).json)?)
    }

    /// The orders in force for a rule; none, where there is no state yet to hold any.
    pub async fn orders(&self, state: Option<&mut State>, rule: &Rule) -> Result<Orders, Failure> {
        match state {
            Some(state) => Ok(state.orders(rule, &shared(&self.rules, rule)).await?),
            None => Ok(Orders::default()),
        }
    }

    /// The state beside a disposer; none: nobody has made it yet.
    pub async fn state_if_any(&self) -> Result<Option<State>, Failure> {
        Ok(if self.config.state.exists() { Some(self.state(Role::Beside).await?) } else { None })
    }

    /// Orders in force that cover what no rule has any more, and what is to be done about each.
    pub async fn lost_orders(&self, state: &mut State) -> Result<Vec<String>, Failure> {
        let mut lost = Vec::new();
        for hold in state.holds().await?.into_iter().filter(|hold| hold.is_lost(&self.rules)) {
            let on = hold.on().to_owned();
            lost.push(SweepError::LostHold { hold: hold.id.to_string(), on }.to_string());
        }
        let open = state.requests().await?.into_iter().filter(|request| request.end.is_none());
        for request in open.filter(|request| request.is_lost(&self.rules)) {
            lost.push(format!(
                "erasure request {} to `{}` reached records that no rule finds any more, and stays open: give the rules back their \
                 names and `subject` columns, or `expunged erase withdraw {}` and record it anew",
                request.id, request.service, request.id
            ));
        }
        Ok(lost)
    }

    /// Answers every open erasure request of a service of which nothing is left that a rule could dispose of. Where a datastore
    /// cannot be asked, its requests stay open.
    async fn answer_requests(&self, state: &mut State, service: &Service) -> Result<(), SweepError> {
        let rules: Vec<&Rule> = service.rules.iter().collect();
        let open = state.open_requests(&service.id).await?;
        for request in open.into_iter().filter(|request| !request.is_lost(&self.rules)) {
            match answer(state, &request, &rules, &self.config.datastores).await {
                Ok(true) => tracing::info!(request = %request.id, "erasure request answered"),
                Ok(false) => {}
                Err(SweepError::State(error)) if !matches!(error, StateError::Subject { .. }) => {
                    return Err(error.into());
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(request = %request.id, error, "erasure request cannot be answered yet");
                }
            }
        }
        Ok(())
    }

    /// What a rule's dataset holds now, counted on a connection of its own.
    pub async fn counts(&self, rule: &Rule, state: Option<&mut State>, now: Now) -> Result<Counts, Failure> {
        let (orders, bound, cutoffs) = self.to_count(rule, state, now).await?;
        Ok(count(self.datastore(rule)?, &bound, &cutoffs, &orders, now).await?.whole()?)
    }

    /// The same of all that is not kept: an index spares a look at the rest.
    pub async fn backlog(
        &self,
        rule: &Rule,
        state: Option<&mut State>,
        now: Now,
    ) -> Result<Backlog, Failure> {
        let (orders, bound, cutoffs) = self.to_count(rule, state, now).await?;
        let own = (self.datastore(rule)?, None);
        Ok(backlog(own, &bound, &cutoffs, (&orders, now), Backlogged::All, None).await?)
    }

    /// Why the rule's turn would wait for a person if it came now, where these counts were just taken: for what its schedule asks for,
    /// and for what people demand.
    pub async fn parked(
        &self,
        (service, rule): (&Service, &Rule),
        mut state: Option<&mut State>,
        counts: &Counts,
        now: Now,
    ) -> Result<Vec<(Cause, Parked)>, Failure> {
        let document = self.document(service, rule)?;
        let target = self.target(rule, &document)?;
        let backlog = &counts.backlog;
        let mut waiting = Vec::new();
        // Nothing to dispose of is stopped by no guard.
        if backlog.due + backlog.overdue > 0 {
            let found = parked(state.as_deref_mut(), &target, Cause::Schedule, now).await?;
            waiting.extend(found.map(|parked| (Cause::Schedule, parked)));
        }
        if backlog.demanded > 0 {
            let found = parked(state, &target, Cause::Request, now).await?;
            // What is due by itself as well is gone when the demands have their turn.
            let left = found.map(|parked| Parked { due: backlog.demanded, ..parked });
            waiting.extend(left.filter(|p| p.due > p.allowed).map(|parked| (Cause::Request, parked)));
        }
        Ok(waiting)
    }

    /// The orders in force for a rule that is about to be counted; refused where what the count would see is not what was swept.
    pub async fn vouched(&self, rule: &Rule, mut state: Option<&mut State>) -> Result<Orders, Failure> {
        if let Some(state) = state.as_deref_mut() {
            same_root(state, &rule.datastore, self.datastore(rule)?).await?;
        }
        self.orders(state, rule).await
    }

    async fn to_count<'r>(
        &self,
        rule: &'r Rule,
        state: Option<&mut State>,
        now: Now,
    ) -> Result<(Orders, BoundRule<'r>, Cutoffs), Failure> {
        let orders = self.vouched(rule, state).await?;
        let (bound, _) = self.bind(rule).await?;
        let cutoffs = Cutoffs::of(&bound, now);
        Ok((orders, bound, cutoffs))
    }

    /// The rule as a sweep wants it.
    pub fn target<'a>(&'a self, rule: &'a Rule, document: &'a RuleDocument) -> Result<Target<'a>, Failure> {
        Ok(Target {
            rule,
            document,
            datastores: &self.config.datastores,
            horizons: &self.horizons,
            rules: &self.rules,
            pace: self.datastore(rule)?.pace,
            guard: Guard {
                first_sweep: self.config.limits.first_sweep,
                first_fraction: self.config.limits.first_fraction,
            },
            batch: self.config.defaults.batch.get(),
            run_cap: self.config.defaults.run_cap.to_std().unwrap_or_default(),
        })
    }

    /// The key that signs the ledger, from its file or credential.
    pub fn signing_key(&self) -> Result<SigningKey, Failure> {
        opening::signing_key(&self.config)
    }

    /// Opens the state.
    pub async fn state(&self, role: Role) -> Result<State, Failure> {
        open_state(&self.config, role).await
    }
}

/// Where a datastore is, as far as a rule's digest cares: whichever way leads there.
fn place(location: &Location) -> String {
    match location {
        Location::Sqlite(path) | Location::Files(path) => {
            std::path::absolute(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned()
        }
        Location::Postgres(server) => format!("{server}/{}", server.schema),
        Location::MariaDb(server) => server.to_string(),
    }
}
