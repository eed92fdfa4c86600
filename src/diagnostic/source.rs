//! A file's text, read with care.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{Code, Diagnostic, Diagnostics, Place};

/// Over a hundred times the largest file that anyone has written by hand; what is larger is not parsed.
const LARGEST: u64 = 1 << 20;

/// Which language a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// `rules/<service>.toml`.
    Rules,
    /// The main configuration.
    Configuration,
}

impl SourceKind {
    /// The letter its codes begin with.
    pub fn letter(self) -> char {
        match self {
            Self::Rules => 'R',
            Self::Configuration => 'C',
        }
    }
}

/// A file and its text, without a byte order mark.
#[derive(Debug)]
pub struct Source {
    kind: SourceKind,
    path: PathBuf,
    text: String,
    /// Where each line begins; found when somebody first asks.
    lines: OnceLock<Box<[usize]>>,
}

/// Both count from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Of the file.
    pub line: usize,
    /// Of the line.
    pub column: usize,
}

impl Source {
    /// Text that is already at hand. A byte order mark, which some editors write, is left out.
    pub fn new(kind: SourceKind, path: impl Into<PathBuf>, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        Arc::new(Self { kind, path: path.into(), text, lines: OnceLock::new() })
    }

    /// The file's text. Refuses what is not a regular file, not UTF-8, or over 1 MiB, before anything is parsed.
    pub fn read(kind: SourceKind, path: &Path) -> Result<Arc<Self>, Diagnostics> {
        let refuse = |message: String, help: &str| Err(unreadable(kind, path, "", message, help));
        let bytes = match read_at_most(path, LARGEST + 1) {
            Ok(bytes) => bytes,
            Err(e) => {
                return refuse(format!("the file cannot be read: {e}"), "check the path and who may read it");
            }
        };
        if bytes.len() as u64 > LARGEST {
            return refuse(
                format!("the file is larger than {LARGEST} bytes, which no rule file or configuration is"),
                "check that this is the file you mean; one file per service keeps each small",
            );
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(kind, path, &text)),
            Err(e) => {
                let good = String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]);
                let help = "save the file as UTF-8";
                Err(unreadable(kind, path, &good, "the file is not UTF-8 from here on".to_owned(), help))
            }
        }
    }

    /// The language.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        });
        let line = lines.partition_point(|start| *start <= offset);
        Position { line, column: self.text[lines[line - 1]..offset].chars().count() + 1 }
    }
}

fn read_at_most(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    // A pipe or a device could block or never end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(kind: SourceKind, path: &Path, text: &str, message: String, help: &str) -> Diagnostics {
    let source = Source::new(kind, path, text);
    let end = source.text().len();
    Diagnostic::error(Code::Unreadable, Place::new(source, end..end), message, help).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_left_out_and_not_counted() {
        let source = Source::new(SourceKind::Rules, "a.toml", "\u{feff}é = 1\nb = 2");
        assert_eq!(source.position(3), Position { line: 1, column: 3 });
        assert_eq!(source.position(7), Position { line: 2, column: 1 });
        assert_eq!(source.position(99), Position { line: 2, column: 6 });
    }

    #[test]
    fn a_large_file_is_refused_before_it_is_parsed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large.toml");
        std::fs::write(&path, vec![b'['; 10 << 20]).unwrap();
        let refused = Source::read(SourceKind::Rules, &path).unwrap_err().to_string();
        assert!(refused.contains("error[R001]: the file is larger than 1048576 bytes"), "{refused}");
    }

    #[test]
    fn text_in_another_encoding_is_refused_where_it_begins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latin.toml");
        std::fs::write(&path, b"a = 1\nb = \"\xe9\"\n").unwrap();
        let refused = Source::read(SourceKind::Configuration, &path).unwrap_err().to_string();
        assert!(refused.contains("latin.toml:2:6: error[C001]: the file is not UTF-8"), "{refused}");
        assert!(
            Source::read(SourceKind::Rules, dir.path())
                .unwrap_err()
                .to_string()
                .contains("not a regular file")
        );
    }
}
