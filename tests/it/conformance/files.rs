//! Files of a tree, by their time of modification.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Change, Key, Kind, Trigger};
use crate::crash::points;
use crate::files_rule;
use crate::listing;
use crate::world::World;

pub struct Files {
    world: World,
}

impl Files {
    fn path(&self, key: &Key) -> PathBuf {
        self.world.path("tree").join(OsStr::from_bytes(key))
    }

    /// Owned by root, who is bound by the bits like everyone once the capabilities are gone.
    fn mode(&self, mode: u32) {
        let root = self.world.path("tree");
        let directories = listing::below(&root).into_iter().filter(|path| path.ends_with(b"/"));
        for path in directories.map(|path| root.join(OsStr::from_bytes(&path))).chain([root.clone()]) {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    fn other_name(&self, key: &Key) -> PathBuf {
        self.world.path(&format!("other-name-{}", key.len()))
    }
}

fn modify(path: &Path, at: SystemTime) {
    std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

impl Kind for Files {
    /// What stays is there to be looked at; the sweep itself did what it could.
    const DENIED: i32 = 1;
    const RENEWED_BEFORE_THE_JUDGE: (i32, u64, u64) = (1, 1, 3);

    fn new() -> Self {
        Self { world: files_rule::world("**", files_rule::MODIFIED, "") }
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn put(&self, key: &Key, trigger: Trigger) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "content").unwrap();
        match trigger {
            Trigger::At(at) => modify(&path, SystemTime::from(at)),
            Trigger::Undated => modify(&path, SystemTime::UNIX_EPOCH),
        }
    }

    fn left(&self) -> BTreeSet<Key> {
        listing::below(&self.world.path("tree")).into_iter().filter(|path| !path.ends_with(b"/")).collect()
    }

    fn hollow(&self) -> BTreeSet<Key> {
        listing::hollow(&self.world.path("tree"))
    }

    fn typed(key: &Key) -> String {
        use std::fmt::Write as _;
        match std::str::from_utf8(key) {
            Ok(text) if !text.starts_with("hex:") => text.to_owned(),
            _ => key.iter().fold("hex:".to_owned(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
        }
    }

    fn renew(&self, key: &Key) -> Change {
        modify(&self.path(key), SystemTime::from(crate::world::at("2020-01-01T00:00:00Z")));
        Change::Done
    }

    fn poison(&self, key: &Key) {
        std::fs::hard_link(self.path(key), self.other_name(key)).unwrap();
    }

    fn cure(&self, key: &Key) {
        crate::files::world::remove(&self.other_name(key));
    }

    fn deny(&self) {
        self.mode(0o555);
    }

    fn allow(&self) {
        self.mode(0o755);
    }

    fn from_hell() -> Vec<Key> {
        let (long, deep) = ("x".repeat(255), format!("{}leaf", "d/".repeat(60)));
        let texts = [
            " ",
            "  ",
            "0",
            "00",
            "null",
            "it's",
            "\"",
            "\\",
            "\\0",
            "\n",
            "\r\n",
            "\t",
            "%",
            "_",
            "*",
            "**",
            "?",
            "{id}",
            "{}",
            "[\"1\"]",
            "hex:00",
            "hex:",
            "-",
            "--",
            "--format",
            "-rf",
            "$(id)",
            "...",
            ".hidden",
            "~",
            "é",
            "e\u{301}",
            "É",
            "Straße",
            "\u{202e}txt.exe",
            "\u{feff}",
            "😀",
            "\u{7f}",
            "\u{1}",
            "a",
            "A",
            "in/ ",
            "in/\n/x",
            &long,
            &deep,
        ];
        let bytes: [&[u8]; 4] = [b"\xff", b"\xfe\xff", b"in/\xc3\x28", b"caf\xe9"];
        texts.map(|key| key.as_bytes().to_vec()).into_iter().chain(bytes.map(<[u8]>::to_vec)).collect()
    }

    fn points() -> BTreeSet<String> {
        points::FILES.iter().flat_map(|name| [format!("{name}.before"), format!("{name}.after")]).collect()
    }
}
