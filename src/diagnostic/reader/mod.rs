//! TOML read key by key: every problem is collected with its place, and what nobody asked for is an error.

mod cursor;
mod entry;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::shape::Shape;
use super::{Code, Diagnostic, Diagnostics, Place, Source};
pub use cursor::Cursor;
pub use entry::Entry;

/// One file under the eyes of a reader: its text, and the problems found so far.
pub struct File {
    source: Arc<Source>,
    shape: &'static Shape,
    found: RefCell<Vec<Diagnostic>>,
    /// Paths through a name that holds a dot: they cannot be told from deeper ones.
    dotted: RefCell<Vec<String>>,
}

/// Where the keys of one table stood, by dotted path, for what is found out later.
///
/// Every rule keeps its own, and few are ever asked: one text and one list, where a tree of strings would be larger than the
/// rule itself.
#[derive(Clone)]
pub struct Places {
    source: Arc<Source>,
    /// One after the other.
    paths: Box<str>,
    /// In the order of their paths, the table's own empty one first.
    spots: Box<[Spot]>,
}

/// One key. 32 bits: no source is larger than [`super::source`] lets in.
#[derive(Clone, Copy)]
struct Spot {
    path: (u32, u32),
    span: (u32, u32),
}

impl Places {
    /// What a table's own keys lead to, but for those of `others`, which stands at `own`.
    fn of_table(source: Arc<Source>, table: &DeTable<'_>, own: &Range<usize>, others: &[&str]) -> Self {
        let mut collected = Collected::default();
        collected.add("", own);
        for (name, value) in table.iter().filter(|(name, _)| !others.contains(&name.get_ref().as_ref())) {
            collected.walk(&mut name.get_ref().to_string(), &span_of(name, value), value.get_ref());
        }
        let Collected { paths, mut spots } = collected;
        let path_of = |spot: &Spot| &paths[spot.path.0 as usize..spot.path.1 as usize];
        spots.sort_by(|a, b| path_of(a).cmp(path_of(b)));
        Self { source, paths: paths.into(), spots: spots.into() }
    }

    fn path_of(&self, spot: &Spot) -> &str {
        &self.paths[spot.path.0 as usize..spot.path.1 as usize]
    }

    fn span(&self, path: &str) -> Option<Range<usize>> {
        let found = self.spots.binary_search_by(|spot| self.path_of(spot).cmp(path)).ok()?;
        let (start, end) = self.spots[found].span;
        Some(start as usize..end as usize)
    }

    /// The keys whose paths begin with this, without it, and where their values begin.
    fn beginning<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = (&'p str, usize)> {
        let first = self.spots.partition_point(|spot| self.path_of(spot) < prefix);
        let keys = self.spots[first..].iter().map(|spot| (self.path_of(spot), spot.span.0 as usize));
        keys.map_while(move |(path, start)| Some((path.strip_prefix(prefix)?, start)))
    }

    /// Whether the key was written.
    pub fn has(&self, path: &str) -> bool {
        self.span(path).is_some()
    }

    /// The place of a key such as `trigger.column`; where that was not written, of what encloses it.
    pub fn of(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(span) = self.span(path) {
                return Place::new(Arc::clone(&self.source), span);
            }
            // Ends: the path gets shorter each time, and the empty path is the last.
            match path.rsplit_once('.') {
                Some((outer, _)) => path = outer,
                None if path.is_empty() => return Place::new(Arc::clone(&self.source), 0..0),
                None => path = "",
            }
        }
    }

    /// A key's value as it was written, in one line and without comments; `None`: it was not written.
    pub fn written(&self, path: &str) -> Option<String> {
        let span = self.span(path)?;
        let prefix = format!("{path}.");
        let mut parts: Vec<(&str, usize)> = Vec::new();
        for (rest, start) in self.beginning(&prefix) {
            // What a part encloses is written with it.
            if !parts.iter().any(|(part, _)| encloses(part, rest)) {
                parts.push((rest, start));
            }
        }
        if parts.is_empty() {
            let text = self.source.text().get(span).unwrap_or_default();
            return Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        parts.sort_by_key(|(_, start)| *start);
        let list = parts.iter().all(|(part, _)| part.bytes().all(|b| b.is_ascii_digit()));
        let shown = parts.iter().filter_map(|(part, _)| {
            let value = self.written(&format!("{prefix}{part}"))?;
            Some(if list { value } else { format!("{} = {value}", bare(part)) })
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        Some(if list { format!("[{shown}]") } else { format!("{{ {shown} }}") })
    }
}

/// Places on their way into one text and one list.
#[derive(Default)]
struct Collected {
    paths: String,
    spots: Vec<Spot>,
}

impl Collected {
    fn add(&mut self, path: &str, span: &Range<usize>) {
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = short(self.paths.len());
        self.paths.push_str(path);
        let path = (start, short(self.paths.len()));
        self.spots.push(Spot { path, span: (short(span.start), short(span.end)) });
    }

    /// The value at `path` and all that it holds. No deeper than the parser lets anything nest.
    fn walk(&mut self, path: &mut String, span: &Range<usize>, value: &DeValue<'_>) {
        self.add(path, span);
        let here = path.len();
        match value {
            DeValue::Table(table) => {
                for (name, value) in table {
                    path.push('.');
                    path.push_str(name.get_ref());
                    self.walk(path, &span_of(name, value), value.get_ref());
                    path.truncate(here);
                }
            }
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let _ = write!(path, ".{i}");
                    self.walk(path, &item.span(), item.get_ref());
                    path.truncate(here);
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

/// A value that recovery made up stands nowhere; its key does.
fn span_of(name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    if value.span().is_empty() { name.span() } else { value.span() }
}

fn encloses(outer: &str, path: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}

/// A key, quoted where TOML wants it.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { key.to_owned() } else { format!("\"{}\"", key.escape_debug()) }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.of(""))
    }
}

impl File {
    fn new(source: Arc<Source>, shape: &'static Shape) -> Self {
        Self { source, shape, found: RefCell::default(), dotted: RefCell::default() }
    }

    /// Whether a path can be followed through the shape.
    fn followed(&self, path: &str) -> bool {
        !self.dotted.borrow().iter().any(|dotted| path.starts_with(dotted.as_str()))
    }

    /// Parses the whole file and hands its root table to `read`; `Err` if anything at all was found wrong.
    ///
    /// A file with errors of syntax is read as far as it can be recovered, so that its other problems show too;
    /// what may only be a consequence of the first (missing keys, anything on the same line) is left out.
    pub fn read<T>(
        source: &Arc<Source>,
        shape: &'static Shape,
        read: impl FnOnce(Cursor<'_>) -> Option<T>,
    ) -> Result<T, Diagnostics> {
        let file = Self::new(Arc::clone(source), shape);
        let (table, errors) = DeTable::parse_recoverable(source.text());
        if errors.is_empty() && table.get_ref().is_empty() {
            file.report(
                0..0,
                Code::Unreadable,
                "the file says nothing",
                "write its first section, or remove the file",
            );
            return Err(Diagnostics::new(file.found.into_inner()));
        }
        let value = read(Cursor::new(&file, table.get_ref(), 0..0, String::new()));
        let mut found = file.found.into_inner();
        if !errors.is_empty() {
            let syntax = syntax_errors(source, &errors);
            let lines: Vec<usize> = syntax.iter().map(|d| source.position(d.place.span.start).line).collect();
            found.retain(|d| {
                d.code != Code::MissingKey && !lines.contains(&source.position(d.place.span.start).line)
            });
            found.extend(syntax);
        }
        if let Some(value) = value
            && found.is_empty()
        {
            return Ok(value);
        }
        if found.is_empty() {
            // A refusal without a word would be taken for success by whoever counts words.
            let place = Place::new(Arc::clone(source), 0..0);
            let message = "the file cannot be read, and the reason was lost: a defect of this program";
            found.push(Diagnostic::error(Code::Unreadable, place, message, "report it, with the file"));
        }
        Err(Diagnostics::new(found))
    }

    fn report(&self, span: Range<usize>, code: Code, message: impl Into<String>, help: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < MOST_PROBLEMS {
            let place = Place::new(Arc::clone(&self.source), span);
            found.push(Diagnostic::error(code, place, message, help));
        }
    }
}

/// A megabyte can hold a hundred thousand problems, each of which costs a look at the whole text to number its line.
const MOST_PROBLEMS: usize = 500;
/// After the first dozen, a parser that has lost its way says nothing that helps.
const MOST_SYNTAX_ERRORS: usize = 12;

fn syntax_errors(source: &Arc<Source>, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    errors
        .iter()
        .take(MOST_SYNTAX_ERRORS)
        .map(|e| {
            let place = Place::new(Arc::clone(source), e.span().unwrap_or(0..0));
            let message = format!("this is not TOML: {}", e.message());
            Diagnostic::error(Code::Syntax, place, message, "see https://toml.io/en/v1.0.0")
        })
        .collect()
}

/// The last part that is a key, not the index of an element.
fn last_key(path: &str) -> Option<&str> {
    path.rsplit('.').find(|part| !part.is_empty() && !part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::SourceKind;
    use super::super::shape::{Key, Text, Type};
    use super::*;

    const TEXT: Type = Type::Text(Text { what: "a text", pattern: None, example: "a" });
    static PART: Shape = Shape::of("A part.", &[Key::required("id", TEXT, "its name")]);
    static SHAPE: Shape = Shape::of(
        "A file.",
        &[
            Key::required("name", TEXT, "its name"),
            Key::optional("count", Type::Integer(0), "how many"),
            Key::optional("part", Type::List(&Type::Table(&PART)), "its parts"),
        ],
    );

    fn problems(text: &str) -> Vec<String> {
        let source = Source::new(SourceKind::Rules, "a.toml", text);
        let read = File::read(&source, &SHAPE, |mut root| {
            let name = root.required("name").and_then(|e| e.sentence());
            let count = root.optional("count").and_then(|e| e.integer());
            let parts = root.tables("part");
            for mut part in parts {
                part.required("id");
                part.later(&["pattern"]);
                part.finish();
            }
            root.finish();
            Some((name?, count))
        });
        let lines = |d: &Diagnostic| d.render(super::super::Paint::Plain).lines().next().map(str::to_owned);
        read.err().unwrap_or_default().iter().filter_map(lines).collect()
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        assert_eq!(
            problems("nmae = 'a'\ncount = 'b'\n[[part]]\npattern = 'x'\n[[part]]\nid = 1\n"),
            [
                "a.toml:1:1: error[R003]: the file has no key `nmae`",
                "a.toml:1:1: error[R004]: the file has no `name`, which is required",
                "a.toml:2:9: error[R005]: `count` is a string, expected an integer",
                "a.toml:3:1: error[R004]: `part` has no `id`, which is required",
                "a.toml:4:11: error[R008]: `pattern` is not supported yet",
            ]
        );
    }

    #[test]
    fn an_error_of_syntax_does_not_hide_the_others() {
        let found = problems("name = 'a\ncount = 'b'\nother = 1\n");
        assert!(found[0].starts_with("a.toml:1:10: error[R002]: this is not TOML"), "{found:?}");
        assert!(found.iter().any(|l| l.contains("a.toml:3:1: error[R003]")), "{found:?}");
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        assert_eq!(problems("\u{feff}# later\n"), ["a.toml:1:1: error[R001]: the file says nothing"]);
    }

    #[test]
    fn a_mebibyte_of_brackets_ends_at_once() {
        for text in ["[".repeat(1 << 20), "a=".to_owned() + &"{a=".repeat(1 << 18), "[[".repeat(1 << 19)] {
            assert!(!problems(&text).is_empty());
        }
    }
}
