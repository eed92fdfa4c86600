//! What a walk looks for in one directory: which names, and which globs go on beneath each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::pattern::{Asked, Glob};

/// The globs that the path of a directory fits so far, sorted by what they ask of the names in it.
#[derive(Clone)]
pub(super) struct Plan {
    all: Arc<[Glob]>,
    depth: usize,
    /// By number in `all`: those that ask for one name.
    named: BTreeMap<Vec<u8>, Vec<usize>>,
    /// Those that ask for names of a form.
    formed: Vec<usize>,
    /// Those that ask for everything beneath.
    everything: Vec<usize>,
}

/// What a name in a directory means to a walk.
pub(super) struct Step {
    /// If it is a file, it is a record; so many directories above it stay.
    pub file: Option<usize>,
    /// If it is a directory, these globs go on in it.
    pub beneath: Vec<usize>,
}

impl Plan {
    /// For the root.
    pub fn root(globs: Vec<Glob>) -> Self {
        let all: Arc<[Glob]> = globs.into();
        let live: Vec<usize> = (0..all.len()).collect();
        Self::new(all, 0, &live)
    }

    /// For a directory beneath, in which these globs go on.
    pub fn beneath(&self, live: &[usize]) -> Self {
        Self::new(Arc::clone(&self.all), self.depth + 1, live)
    }

    fn new(all: Arc<[Glob]>, depth: usize, live: &[usize]) -> Self {
        let mut named: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        let (mut formed, mut everything) = (Vec::new(), Vec::new());
        for &number in live {
            match all[number].asked(depth) {
                Asked::Name(name) => named.entry(name.to_vec()).or_default().push(number),
                Asked::Some => formed.push(number),
                Asked::Everything => everything.push(number),
                Asked::Nothing => {}
            }
        }
        Self { all, depth, named, formed, everything }
    }

    /// The only names that are asked for; none if the directory has to be searched.
    pub fn names(&self) -> Option<impl Iterator<Item = &[u8]>> {
        let search = !self.formed.is_empty() || !self.everything.is_empty();
        (!search).then(|| self.named.keys().map(Vec::as_slice))
    }

    /// What this name means.
    pub fn step(&self, name: &[u8]) -> Step {
        let named = self.named.get(name).into_iter().flatten();
        let formed = self.formed.iter().filter(|number| self.all[**number].fits(self.depth, name));
        let mut step = Step { file: None, beneath: Vec::new() };
        for &number in named.chain(formed).chain(&self.everything) {
            let glob = &self.all[number];
            let ends = glob.ends(self.depth);
            if ends {
                step.file = step.file.max(Some(glob.keep()));
            }
            if !ends || matches!(glob.asked(self.depth + 1), Asked::Everything) {
                step.beneath.push(number);
            }
        }
        step
    }
}
