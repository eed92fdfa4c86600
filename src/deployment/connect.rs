//! The rules proved against what every configured datastore says of itself. Reads, and writes nothing of its own; an engine may keep
//! files beside a database that is read (`-wal` and `-shm` of `SQLite`).

use std::collections::BTreeMap;

use super::{Exit, Failure};
use crate::config::Config;
use crate::datastore::inspection::{Holds, Inspection, inspect};
use crate::datastore::sql::Reader;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::model::catalogue::Catalogues;
use crate::model::datastore::{Datastore, DatastoreKind};
use crate::model::name::DatastoreName;
use crate::rules::bind::bind;
use crate::rules::check::subjects::mistaken;
use crate::rules::connect::constraint::checked;
use crate::rules::connect::in_flight::unmet;
use crate::rules::connect::index::{Scan, scans};
use crate::rules::connect::{NamedAt, coverage, named_at, waivers};
use crate::rules::rule::{Rule, RuleSet};

/// What the datastores say of the rules.
#[derive(Debug, Default)]
pub struct Connected {
    /// Of what the rules name: names, types, indexes, privileges, waivers.
    pub rules: Diagnostics,
    /// Of what they do not name.
    pub coverage: Diagnostics,
    /// Every configured datastore, by name.
    pub datastores: Vec<Looked>,
}

/// A datastore that was looked at, or could not be.
#[derive(Debug)]
pub struct Looked {
    /// Its name.
    pub name: DatastoreName,
    /// Which engine.
    pub kind: DatastoreKind,
    /// What was seen there.
    pub seen: Result<Seen, Failure>,
}

/// How much a datastore holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Tables.
    Tables(u64),
    /// Files.
    Files(u64),
    /// It was not looked at, and the privileges say why.
    Nothing,
}

impl Connected {
    /// How the check ends: with the greatest code of what was found. Warnings alone are none.
    pub fn exit(&self) -> Exit {
        let wrong = self.rules.has_errors() || self.coverage.has_errors();
        let found = if wrong { Exit::Rules } else { Exit::Done };
        let failed =
            self.datastores.iter().filter_map(|looked| looked.seen.as_ref().err()).map(Failure::exit);
        failed.chain([found]).max().unwrap_or(found)
    }
}

/// Looks at every configured datastore, one after the other; one that cannot be reached hides no other.
pub async fn connect(config: &Config, rules: &RuleSet) -> Connected {
    let named = named_at(rules, &config.places);
    let mut live = Live::default();
    for (name, datastore) in &config.datastores {
        if let Some(at) = named.get(name) {
            let looked = live.look(name, datastore, (rules, at)).await;
            live.looked.push(looked);
        }
    }
    let mut missing: Vec<Scan> = Vec::new();
    let known: Vec<&Rule> =
        rules.rules().map(|(_, rule)| rule).filter(|rule| live.knows(rule, config)).collect();
    for rule in known {
        live.found.extend(bind(rule, &live.catalogues).err().into_iter().flatten());
        missing.extend(scans(rule, &live.catalogues));
        live.found.extend(checked(rule, &live.catalogues));
        if config.datastores.get(&rule.datastore).is_some_and(|own| own.kind().locks_rows()) {
            live.found.extend(unmet(rule, &live.catalogues));
        }
    }
    live.found.extend(mistaken(rules, &live.catalogues));
    for scan in missing {
        let warning = live.cost(&scan).await;
        live.found.push(warning);
    }
    Connected {
        rules: Diagnostics::new(live.found),
        coverage: Diagnostics::new(live.uncovered),
        datastores: live.looked,
    }
}

/// What was read so far.
#[derive(Default)]
struct Live {
    catalogues: Catalogues,
    readers: BTreeMap<DatastoreName, Reader>,
    found: Vec<Diagnostic>,
    uncovered: Vec<Diagnostic>,
    looked: Vec<Looked>,
}

impl Live {
    async fn look(
        &mut self,
        name: &DatastoreName,
        datastore: &Datastore,
        (rules, at): (&RuleSet, &NamedAt),
    ) -> Looked {
        let seen = match inspect(name, datastore, rules).await {
            Ok(inspection) => Ok(self.judge(name, inspection, rules, at)),
            Err(error) => Err(Failure::from(error)),
        };
        Looked { name: name.clone(), kind: datastore.kind(), seen }
    }

    fn judge(&mut self, name: &DatastoreName, inspection: Inspection, rules: &RuleSet, at: &NamedAt) -> Seen {
        let place: Place = at.place();
        self.found.extend(inspection.privileges.iter().map(|finding| finding.diagnostic(place.clone())));
        match inspection.holds {
            Holds::Tables(catalogue, reader) => {
                self.found.extend(waivers::of_tables(rules, name, &catalogue));
                self.uncovered.extend(coverage::tables(rules, name, &catalogue, at));
                let tables = catalogue.tables.len() as u64;
                self.catalogues.insert(name.clone(), catalogue);
                self.readers.insert(name.clone(), reader);
                Seen::Tables(tables)
            }
            Holds::Files(prefixes) => {
                self.found.extend(waivers::of_files(rules, name, &prefixes));
                self.uncovered.extend(prefixes.findings(name, at));
                Seen::Files(prefixes.files())
            }
            Holds::Unseen => Seen::Nothing,
        }
    }

    /// Whether everything is known that the rule's tables are held against.
    fn knows(&self, rule: &Rule, config: &Config) -> bool {
        rule.datastores().all(|name| match config.datastores.get(name).map(Datastore::kind) {
            Some(DatastoreKind::Sqlite | DatastoreKind::Postgres | DatastoreKind::MariaDb) => {
                self.catalogues.contains_key(name)
            }
            Some(DatastoreKind::Files) => true,
            None => false,
        })
    }

    /// An estimate that fails leaves the warning without its figures.
    async fn cost(&mut self, scan: &Scan) -> Diagnostic {
        let size = match self.readers.get_mut(&scan.datastore) {
            Some(reader) => reader.size(&scan.table).await.ok().flatten(),
            None => None,
        };
        scan.warning(size)
    }
}
