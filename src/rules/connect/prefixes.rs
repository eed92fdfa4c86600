//! Files that no pattern covers, gathered by the directories they lie in, as far as those may be named.
//!
//! A path may be personal data. A directory's name is shown only where the patterns that lead there name directories
//! themselves: below `uploads/{id}/**`, names at the top are the application's own words, and those beneath are people.

use std::collections::BTreeMap;

use super::{NamedAt, are, waiver};
use crate::diagnostic::{Code, Diagnostic, counted, quoted};
use crate::model::name::DatastoreName;
use crate::model::pattern::{Asked, Glob, Pattern};
use crate::rules::rule::{Dataset, DependentDataset, RuleSet, WaivedDataset};

/// How many prefixes are reported one by one.
const SHOWN: usize = 5;
/// How many are told apart while counting.
const MOST: usize = 1000;

/// The files of one datastore, told apart by what covers them.
#[derive(Debug)]
pub struct Prefixes {
    /// Of rules and dependents.
    rules: Vec<Glob>,
    waivers: Vec<Waived>,
    open: BTreeMap<Vec<u8>, Uncovered>,
    /// In prefixes beyond [`MOST`].
    rest: u64,
    files: u64,
}

/// What a waiver's pattern has met.
#[derive(Debug)]
struct Waived {
    glob: Glob,
    /// Files.
    met: u64,
    /// Of these, those that no rule covers.
    alone: u64,
}

/// Files below one prefix that nothing covers.
#[derive(Debug, Default)]
struct Uncovered {
    files: u64,
    /// Of these, those that lie deeper than directly in it.
    deeper: u64,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covered {
    /// A rule or a dependent disposes of it, or will.
    ByRule,
    /// A waiver names it.
    ByWaiver,
    /// Nothing does.
    Not,
}

impl Prefixes {
    /// What the rules say of a datastore of files; no file has been seen yet.
    pub fn new(set: &RuleSet, datastore: &DatastoreName) -> Self {
        let mut rules = Vec::new();
        for (_, rule) in set.rules() {
            if let Dataset::Files(pattern) = &rule.dataset
                && rule.datastore == *datastore
            {
                rules.push(pattern.open());
            }
            for dependent in rule.dependents.iter().filter(|d| d.datastore == *datastore) {
                if let DependentDataset::Files { pattern, .. } = &dependent.dataset {
                    rules.push(pattern.open());
                }
            }
        }
        let waivers =
            patterns(set, datastore).map(|pattern| Waived { glob: pattern.open(), met: 0, alone: 0 });
        let waivers = waivers.collect();
        Self { rules, waivers, open: BTreeMap::new(), rest: 0, files: 0 }
    }

    /// Counts a file by its path relative to the root.
    pub fn file(&mut self, path: &[u8]) -> Covered {
        self.files += 1;
        let by_rule = self.rules.iter().any(|glob| glob.matches(path));
        let mut waived = false;
        for waiver in self.waivers.iter_mut().filter(|waiver| waiver.glob.matches(path)) {
            waiver.met += 1;
            waiver.alone += u64::from(!by_rule);
            waived = true;
        }
        if by_rule || waived {
            return if by_rule { Covered::ByRule } else { Covered::ByWaiver };
        }
        let shown = self.shown(path);
        let deeper = path[shown..].contains(&b'/');
        let prefix = &path[..shown];
        if !self.open.contains_key(prefix) && self.open.len() >= MOST {
            self.rest += 1;
            return Covered::Not;
        }
        let uncovered = self.open.entry(prefix.to_vec()).or_default();
        uncovered.files += 1;
        uncovered.deeper += u64::from(deeper);
        Covered::Not
    }

    /// How many files were counted.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// How much of a path may be shown: whole directories, each with its `/`.
    fn shown(&self, path: &[u8]) -> usize {
        let mut leading: Vec<&Glob> =
            self.rules.iter().chain(self.waivers.iter().map(|waiver| &waiver.glob)).collect();
        let mut shown = 0;
        for (depth, name) in path.split(|b| *b == b'/').enumerate() {
            let is_directory = shown + name.len() < path.len();
            let directories = leading.iter().filter(|glob| !glob.ends(depth) || is_everything(glob, depth));
            let named = directories.clone().any(|glob| matches!(glob.asked(depth), Asked::Name(_)));
            let personal = directories.clone().any(|glob| !matches!(glob.asked(depth), Asked::Name(_)));
            if !is_directory || !named || personal {
                break;
            }
            shown += name.len() + 1;
            leading.retain(|glob| !glob.ends(depth) && glob.fits(depth, name));
        }
        shown
    }

    /// What nothing covers, the most first; of a datastore that no rule file names, one for all of it.
    pub fn findings(&self, datastore: &DatastoreName, at: &NamedAt) -> Vec<Diagnostic> {
        let place = match at {
            NamedAt::Rules(place) => place,
            NamedAt::Configuration(place) => {
                let what = format!(
                    "no rule file names datastore `{datastore}`: its {} {} covered by no rule and no waiver",
                    counted(self.files, "file"),
                    are(self.files)
                );
                let help = "write rules about it, waive in a rule file what never has to go, or take the datastore out of the configuration";
                let found = Diagnostic::error(Code::NotCovered, place.clone(), what, help);
                return if self.files > 0 { vec![found] } else { Vec::new() };
            }
        };
        let mut open: Vec<(&Vec<u8>, &Uncovered)> = self.open.iter().collect();
        open.sort_by(|a, b| (b.1.files, a.0).cmp(&(a.1.files, b.0)));
        let mut found: Vec<Diagnostic> = Vec::new();
        for (prefix, uncovered) in open.iter().take(SHOWN) {
            let what = format!(
                "{} below {} of datastore `{datastore}` {} covered by no rule and no waiver",
                counted(uncovered.files, "file"),
                if prefix.is_empty() {
                    "the root".to_owned()
                } else {
                    quoted(&String::from_utf8_lossy(prefix))
                },
                are(uncovered.files)
            );
            let block = paste(prefix, uncovered).map(|pattern| waiver(datastore, "pattern", &pattern));
            let finding = Diagnostic::error(Code::NotCovered, place.clone(), what, help(block.is_some()));
            found.push(match block {
                Some(block) => finding.pasting(&block),
                None => finding,
            });
        }
        let more: u64 =
            open.iter().skip(SHOWN).map(|(_, uncovered)| uncovered.files).sum::<u64>() + self.rest;
        if more > 0 {
            let what = format!(
                "{} below other directories of datastore `{datastore}` {} covered by no rule and no waiver",
                counted(more, "more file"),
                are(more)
            );
            found.push(Diagnostic::error(
                Code::NotCovered,
                place.clone(),
                what,
                "mend those above; then these are shown",
            ));
        }
        found
    }

    /// For each waiver of a pattern, in the order of the rule files: how many files it names, and how many of these nothing else covers.
    pub(super) fn waived(&self) -> impl Iterator<Item = (u64, u64)> {
        self.waivers.iter().map(|waiver| (waiver.met, waiver.alone))
    }
}

/// The waivers of files in a datastore, in the order of the rule files.
fn patterns<'s>(set: &'s RuleSet, datastore: &DatastoreName) -> impl Iterator<Item = &'s Pattern> {
    let waivers = set.services.iter().flat_map(|s| &s.waivers);
    let here: Vec<&Pattern> = waivers
        .filter(|waiver| waiver.datastore == *datastore)
        .filter_map(|waiver| match &waiver.dataset {
            WaivedDataset::Pattern(pattern) => Some(pattern),
            WaivedDataset::Table(_) => None,
        })
        .collect();
    here.into_iter()
}

fn is_everything(glob: &Glob, depth: usize) -> bool {
    matches!(glob.asked(depth), Asked::Everything)
}

/// The pattern of a prefix, where one can say it and nothing more.
fn paste(prefix: &[u8], uncovered: &Uncovered) -> Option<String> {
    let text = std::str::from_utf8(prefix).ok()?;
    let literal = !text.contains(|c: char| "*{}".contains(c) || c.is_control());
    // All that lies below a root is more than anybody looked at.
    let names = !text.is_empty() || uncovered.deeper == 0;
    (literal && names).then(|| format!("{text}{}", if uncovered.deeper == 0 { "*" } else { "**" }))
}

fn help(pasted: bool) -> &'static str {
    if pasted {
        "write the rule or the dependent that disposes of them; where they never have to go, say why in a waiver:"
    } else {
        "write the rule or the dependent that disposes of them, or a `[[waiver]]` whose `pattern` names their directories; their names are not shown: they may be personal, or no pattern can write them"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(patterns: &[&str]) -> Prefixes {
        let rules = patterns.iter().map(|p| Pattern::parse(p).unwrap().open()).collect();
        Prefixes { rules, waivers: Vec::new(), open: BTreeMap::new(), rest: 0, files: 0 }
    }

    #[test]
    fn names_are_shown_only_where_every_pattern_that_leads_there_names_directories() {
        let shown = |patterns: &[&str], path: &str| {
            let shown = prefixes(patterns).shown(path.as_bytes());
            path[..shown].to_owned()
        };
        assert_eq!(shown(&["up/{id}/**"], "other/bob/x"), "other/");
        assert_eq!(shown(&["up/{id}/mail"], "up/bob/x"), "up/");
        assert_eq!(shown(&["up/{id}/**", "up/shared/x"], "up/bob"), "up/");
        assert_eq!(shown(&["{id}/a/**", "shared/**"], "bob/x"), "");
        assert_eq!(shown(&["*.zst"], "bob/x"), "");
        assert_eq!(shown(&["a/b/{id}", "a/*.zst"], "a/c/bob/x"), "a/c/");
        assert_eq!(shown(&["a/b/{id}"], "bob"), "");
        assert_eq!(shown(&[], "bob/x"), "");
    }

    #[test]
    fn so_many_prefixes_that_no_memory_could_hold_them_are_counted_together() {
        let mut prefixes = prefixes(&["a/{id}/**"]);
        for number in 0..MOST + 200 {
            assert_eq!(prefixes.file(format!("d{number}/x").as_bytes()), Covered::Not);
        }
        assert_eq!(prefixes.file(b"a/1/x"), Covered::ByRule);
        assert_eq!((prefixes.open.len(), prefixes.rest, prefixes.files()), (MOST, 200, 1201));
    }
}
