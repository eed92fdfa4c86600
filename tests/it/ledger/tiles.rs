//! The ledger as files, against `tlog_tiles`, which reads tiles and proves what it reads.

use std::collections::BTreeMap;

use expunged::ledger::hash::leaf_hash;
use expunged::ledger::tiles::{Tiles, entries};
use expunged::ledger::tree::Frontier;
use tlog_tiles::{Error, Hash, HashReader as _, Tile, TileHashReader, TileReader};

/// The files of a ledger of so many entries.
struct Files(BTreeMap<String, Vec<u8>>);

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

impl Files {
    fn of(size: u64) -> Self {
        let mut tiles = Tiles::default();
        let mut files: Vec<_> = (0..size).flat_map(|n| tiles.push(&entry(n))).collect();
        files.extend(tiles.finish());
        let all: BTreeMap<_, _> = files.iter().map(|f| (f.path.clone(), f.bytes.clone())).collect();
        assert_eq!(all.len(), files.len(), "a file is written once");
        Self(all)
    }
}

impl TileReader for Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        // The older form of the path names the height too.
        let name = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| self.0[&name(tile)].clone()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn another_program_reads_and_proves_every_tile() {
    for size in [1, 2, 255, 256, 257, 700, 65_536, 70_000] {
        let files = Files::of(size);
        let root = Frontier::from_leaves((0..size).map(|n| leaf_hash(&entry(n)))).root();
        let reader = TileHashReader::new(size, Hash(*root.as_bytes()), &files);
        for n in [0, size / 3, size - 1] {
            let read = reader.read_hashes(&[tlog_tiles::stored_hash_index(0, n)]).unwrap();
            assert_eq!(read, [tlog_tiles::record_hash(&entry(n))], "leaf {n} of {size}");
        }
        // It asks for whatever a tree of this size has, and nothing else is there.
        let expected = Tile::new_tiles(8, 0, size);
        let hashes = files.0.keys().filter(|path| !path.starts_with("tile/entries/")).count();
        assert_eq!(hashes, expected.len(), "{size}");
        for tile in expected {
            assert!(files.0.contains_key(&tile.path().replacen("tile/8/", "tile/", 1)), "{}", tile.path());
        }
    }
}

/// The example of the specification.
#[test]
fn a_tree_of_70_000_has_the_tiles_that_the_specification_counts() {
    let files = Files::of(70_000);
    let of = |prefix: &str| files.0.keys().filter(|path| path.starts_with(prefix)).count();
    assert_eq!((of("tile/0/"), of("tile/1/"), of("tile/2/"), of("tile/entries/")), (274, 2, 1, 274));
    for (path, hashes) in
        [("tile/0/272", 256), ("tile/0/273.p/112", 112), ("tile/1/001.p/17", 17), ("tile/2/000.p/1", 1)]
    {
        assert_eq!(files.0[path].len(), hashes * 32, "{path}");
    }
    let bundle = entries(&files.0["tile/entries/273.p/112"]).unwrap();
    assert_eq!((bundle.len(), bundle[111]), (112, &entry(69_999)[..]));
}

#[test]
fn a_ledger_of_nothing_has_no_files() {
    assert!(Files::of(0).0.is_empty());
}
