//! What belongs together on two sides.

use std::collections::BTreeMap;

/// One thing, on either side or on both.
#[derive(Debug, Clone, Copy)]
pub enum Pair<T> {
    /// Under the same id.
    Both(T, T),
    /// Under another id, with the same content.
    Renamed(T, T),
    /// On the new side alone.
    New(T),
    /// On the old side alone.
    Removed(T),
}

impl<T> Pair<T> {
    /// Both sides.
    pub fn sides(self) -> (Option<T>, Option<T>) {
        match self {
            Self::Both(old, new) | Self::Renamed(old, new) => (Some(old), Some(new)),
            Self::New(new) => (None, Some(new)),
            Self::Removed(old) => (Some(old), None),
        }
    }
}

/// Pairs by id, then what is left over by content: in the order of the new side, then what was removed. Ids are unique on a side.
pub fn pairs<T: Copy>(
    old: Vec<T>,
    new: Vec<T>,
    id: impl Fn(T) -> String,
    content: impl Fn(T) -> String,
) -> Vec<Pair<T>> {
    let mut left: BTreeMap<String, T> = old.iter().map(|one| (id(*one), *one)).collect();
    let same: Vec<Option<T>> = new.iter().map(|one| left.remove(&id(*one))).collect();
    let mut removed: Vec<(String, T)> =
        old.into_iter().filter(|one| left.contains_key(&id(*one))).map(|one| (content(one), one)).collect();
    let mut paired = Vec::new();
    for (new, same) in new.into_iter().zip(same) {
        if let Some(old) = same {
            paired.push(Pair::Both(old, new));
            continue;
        }
        let of_new = content(new);
        paired.push(match removed.iter().position(|(of_old, _)| *of_old == of_new) {
            Some(at) => Pair::Renamed(removed.remove(at).1, new),
            None => Pair::New(new),
        });
    }
    paired.extend(removed.into_iter().map(|(_, old)| Pair::Removed(old)));
    paired
}
