//! The ledger as static files: C2SP tlog-tiles, which programs nobody here wrote can read.
//!
//! `tile/<L>/<N>` holds up to 256 hashes of level L, each the root of a full tile of the level below; `tile/entries/<N>` the
//! entries under the `N`th tile of level 0. The last of a level may be narrower; it ends in `.p/<W>`.

use super::hash::{Hash, leaf_hash};
use super::tree;

/// How many hashes a full tile holds, and how many entries a full bundle.
pub const WIDTH: usize = 256;

/// A file below the ledger's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative, with `/` between its parts.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The files of a growing ledger. Memory: one tile a level, and one bundle.
#[derive(Debug, Default)]
pub struct Tiles {
    bundle: Vec<u8>,
    levels: Vec<Level>,
}

/// The tile of a level that is being filled.
#[derive(Debug, Default)]
struct Level {
    index: u64,
    hashes: Vec<Hash>,
}

/// An entry bundle that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bundle ends within an entry, after {entries} whole ones")]
pub struct BundleError {
    entries: usize,
}

impl Tiles {
    /// Appends an entry; hands over the files that it completes.
    pub fn push(&mut self, entry: &[u8]) -> Vec<File> {
        // An entry has at most 65,535 bytes: `Entry` refuses longer ones. One that is cut short here would not hash to its leaf.
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend(entry.iter().take(usize::from(length)));
        let mut files = Vec::new();
        let mut hash = leaf_hash(entry);
        for number in 0.. {
            if self.levels.len() == number {
                self.levels.push(Level::default());
            }
            let level = &mut self.levels[number];
            level.hashes.push(hash);
            // Ends at the latest at the level above the highest so far, which now holds one hash.
            if level.hashes.len() < WIDTH {
                break;
            }
            hash = tree::root(&level.hashes);
            if number == 0 {
                files.push(File {
                    path: bundle_path(level.index, WIDTH),
                    bytes: std::mem::take(&mut self.bundle),
                });
            }
            files.push(level.file(number));
            *level = Level { index: level.index + 1, hashes: Vec::new() };
        }
        files
    }

    /// The partial tiles that are left, and the partial bundle.
    pub fn finish(self) -> Vec<File> {
        let bundle = self.levels.first().filter(|level| !level.hashes.is_empty());
        let path = bundle.map(|level| bundle_path(level.index, level.hashes.len()));
        let bundle = path.map(|path| File { path, bytes: self.bundle });
        let partial = self.levels.iter().enumerate().filter(|(_, level)| !level.hashes.is_empty());
        bundle.into_iter().chain(partial.map(|(number, level)| level.file(number))).collect()
    }
}

impl Level {
    fn file(&self, number: usize) -> File {
        File {
            path: format!("tile/{number}/{}", numbered(self.index, self.hashes.len())),
            bytes: self.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect(),
        }
    }
}

/// Where the bundle of this index and number of entries is.
pub fn bundle_path(index: u64, width: usize) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// The entries of a bundle, in order.
pub fn entries(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut all = Vec::new();
    let mut rest = bundle;
    // Ends because each entry takes at least its length off the rest.
    while !rest.is_empty() {
        let cut = || BundleError { entries: all.len() };
        let (length, behind) = rest.split_first_chunk().ok_or_else(cut)?;
        let (entry, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into()).ok_or_else(cut)?;
        all.push(entry);
        rest = behind;
    }
    Ok(all)
}

/// `x001/x234/067` for 1,234,067, and `.p/112` behind it where it is 112 wide.
fn numbered(index: u64, width: usize) -> String {
    let mut path = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    // Ends because a number has a first digit.
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    if width < WIDTH { format!("{path}.p/{width}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_written_in_elements_of_three_digits() {
        for (index, width, path) in [
            (0, 256, "000"),
            (5, 1, "005.p/1"),
            (999, 256, "999"),
            (1_000, 256, "x001/000"),
            (1_234_067, 256, "x001/x234/067"),
            (1_234_067, 8, "x001/x234/067.p/8"),
        ] {
            assert_eq!(numbered(index, width), path);
        }
    }

    #[test]
    fn a_bundle_that_is_cut_off_is_refused() {
        assert_eq!(entries(&[0, 2, 7, 8, 0, 0]), Ok(vec![&[7, 8][..], &[]]));
        assert_eq!(entries(&[0, 2, 7, 8, 0]), Err(BundleError { entries: 1 }));
        assert_eq!(entries(&[0, 3, 7, 8]), Err(BundleError { entries: 0 }));
    }
}
