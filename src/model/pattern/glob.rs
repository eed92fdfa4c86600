//! Which paths a pattern stands for, once no column is left in it.

/// A pattern without columns: matches paths, and tells a walk where anything can match.
///
/// Its `Debug` prints nothing: values of a record may stand in it.
#[derive(Clone)]
pub struct Glob {
    pub(super) components: Vec<Component>,
    /// Whether everything beneath the last component matches (`**`), and only that.
    pub(super) everything: bool,
}

/// One component of a path.
#[derive(Clone)]
pub(super) enum Component {
    /// The rule's own word.
    Literal(Vec<u8>),
    /// The value of a column, with the text around it.
    Bound(Vec<u8>),
    /// `*`: what stands before, between and behind the runs of any characters.
    Star(Vec<Vec<u8>>),
    /// A column left open: what stands before and behind a run of at least one character.
    Open(Vec<u8>, Vec<u8>),
}

/// What a glob asks of the names in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'g> {
    /// This name and no other: it can be opened without a search.
    Name(&'g [u8]),
    /// Names that [`Glob::fits`] accepts.
    Some,
    /// Every name, of files and directories alike, at any depth.
    Everything,
    /// None: the directory is deeper than anything that matches.
    Nothing,
}

impl Glob {
    /// Whether it stands for this path, relative to the root.
    pub fn matches(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let count = self.components.len();
        let depth_fits = if self.everything { names.len() > count } else { names.len() == count };
        let whole = names.iter().all(|name| !name.is_empty());
        depth_fits
            && whole
            && names.iter().zip(&self.components).all(|(name, component)| component.fits(name))
    }

    /// Whether some path matches both.
    pub fn meets(&self, other: &Self) -> bool {
        let (own, others) = (self.components.len(), other.components.len());
        let depth = match (self.everything, other.everything) {
            (true, true) => true,
            (true, false) => others > own,
            (false, true) => own > others,
            (false, false) => own == others,
        };
        depth && self.components.iter().zip(&other.components).all(|(a, b)| meet(&a.symbols(), &b.symbols()))
    }

    /// Whether every path that matches the other matches this one. For patterns without columns.
    pub fn includes(&self, other: &Self) -> bool {
        // No pattern can say this byte, so that only a run of any characters takes it; and what takes it takes every run.
        const ANY: &[u8] = &[0xff];
        let mut path: Vec<Vec<u8>> = other
            .components
            .iter()
            .map(|component| match component {
                Component::Literal(own) | Component::Bound(own) => own.clone(),
                Component::Star(parts) => parts.join(ANY),
                Component::Open(before, behind) => [before, ANY, behind].concat(),
            })
            .collect();
        if other.everything {
            path.push(ANY.to_vec());
        }
        (self.everything || !other.everything) && self.matches(&path.join(&b'/'))
    }

    /// What it asks of the names in a directory that lies `depth` directories below the root, and that itself fits.
    pub fn asked(&self, depth: usize) -> Asked<'_> {
        match self.components.get(depth) {
            Some(Component::Literal(name) | Component::Bound(name)) => Asked::Name(name),
            Some(Component::Star(_) | Component::Open(..)) => Asked::Some,
            None if self.everything => Asked::Everything,
            None => Asked::Nothing,
        }
    }

    /// Whether this name may stand in a directory that lies `depth` directories below the root.
    pub fn fits(&self, depth: usize, name: &[u8]) -> bool {
        self.components.get(depth).map_or(self.everything, |component| component.fits(name))
    }

    /// Whether a name in a directory that lies `depth` directories below the root ends a path that matches.
    pub fn ends(&self, depth: usize) -> bool {
        if self.everything { depth >= self.components.len() } else { depth + 1 == self.components.len() }
    }

    /// How many leading directories of a path stay when they become empty: down to the last one that the rule names
    /// itself, since whoever wrote that word counts on the directory.
    pub fn keep(&self) -> usize {
        let directories = self.components.len() - usize::from(!self.everything);
        let named = |component: &Component| matches!(component, Component::Literal(_));
        self.components[..directories].iter().rposition(named).map_or(0, |last| last + 1)
    }
}

impl std::fmt::Debug for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<glob>")
    }
}

impl Component {
    fn fits(&self, name: &[u8]) -> bool {
        match self {
            Self::Literal(own) | Self::Bound(own) => own == name,
            Self::Star(parts) => fits_parts(parts, name),
            Self::Open(before, behind) => held(before, behind, name).is_some(),
        }
    }

    /// The same, symbol by symbol.
    fn symbols(&self) -> Vec<Symbol> {
        let bytes = |text: &[u8]| text.iter().copied().map(Symbol::Byte).collect::<Vec<_>>();
        match self {
            Self::Literal(own) | Self::Bound(own) => bytes(own),
            Self::Star(parts) => {
                let parts: Vec<Vec<Symbol>> = parts.iter().map(|part| bytes(part)).collect();
                parts.join(&Symbol::Run)
            }
            Self::Open(before, behind) => {
                [bytes(before), vec![Symbol::Any, Symbol::Run], bytes(behind)].concat()
            }
        }
    }
}

/// What a name consists of.
#[derive(Clone, Copy, PartialEq)]
enum Symbol {
    Byte(u8),
    /// One byte.
    Any,
    /// Any run of bytes, an empty one too.
    Run,
}

/// Whether some name is both.
fn meet(a: &[Symbol], b: &[Symbol]) -> bool {
    // `reached[j]`: whether what is left of `a` from here may still be met by `b[j..]`. Filled from the ends.
    let mut reached: Vec<bool> = (0..=b.len()).map(|j| b[j..].iter().all(|s| *s == Symbol::Run)).collect();
    for symbol in a.iter().rev() {
        let behind = reached.clone();
        for j in (0..=b.len()).rev() {
            reached[j] = match (symbol, b.get(j)) {
                (Symbol::Run, None) => behind[j],
                // Either run ends here, or it takes what the other one stands for.
                (Symbol::Run, Some(_)) => behind[j] || reached[j + 1],
                (_, Some(Symbol::Run)) => reached[j + 1] || behind[j],
                (_, None) => false,
                (Symbol::Byte(own), Some(Symbol::Byte(other))) => own == other && behind[j + 1],
                (Symbol::Byte(_) | Symbol::Any, Some(Symbol::Byte(_) | Symbol::Any)) => behind[j + 1],
            };
        }
    }
    reached[0]
}

/// What stands between two texts that enclose it, unless that is nothing.
pub(super) fn held<'n>(before: &[u8], behind: &[u8], name: &'n [u8]) -> Option<&'n [u8]> {
    name.strip_prefix(before)?.strip_suffix(behind).filter(|held| !held.is_empty())
}

/// Each part in its order, the first at the start and the last at the end. The leftmost place of each is always good
/// enough, since it leaves the most to the rest.
fn fits_parts(parts: &[Vec<u8>], name: &[u8]) -> bool {
    let [first, middle @ .., last] = parts else { return false };
    let Some(mut rest) = name.strip_prefix(first.as_slice()).and_then(|r| r.strip_suffix(last.as_slice()))
    else {
        return false;
    };
    for part in middle.iter().filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part.as_slice()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}
