//! A rule file as written → a [`Service`]. Every problem in every file is reported at once.
//!
//! A reader in here reports a problem and goes on with what is left. [`File::read`] refuses a file of which anything was
//! reported, so a value that lost a part on the way never leaves this module.

mod action;
mod backup;
mod dependent;
mod filter;
mod promise;
mod rule;
mod shapes;
mod test;
mod trigger;
mod waiver;
mod word;

pub use shapes::FILE;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::rule::{RuleSet, Service, Waiver};
use crate::diagnostic::reader::{Cursor, File};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, Source, SourceKind};
use crate::model::calendar::Calendar;
use crate::model::datastore::Defaults;
use crate::model::name::ServiceId;

/// Every `*.toml` inside the directory, in the order of their names; names that begin with a dot are an editor's own.
pub fn load(dir: &Path, defaults: &Defaults) -> Result<RuleSet, Diagnostics> {
    let files = match toml_files(dir) {
        Ok(files) => files,
        Err(e) => {
            let help = "check `rules` in the configuration, and who may read the directory";
            return Err(of_directory(dir, format!("the rules directory cannot be read: {e}"), help));
        }
    };
    if files.is_empty() {
        let help = "write `<service>.toml` there, or point `rules` at the right directory";
        return Err(of_directory(dir, "the rules directory holds no *.toml".to_owned(), help));
    }
    let (mut services, mut problems) = (Vec::new(), Vec::new());
    for read in read_all(&files, defaults) {
        match read {
            Ok(service) => services.push(service),
            Err(found) => problems.extend(found),
        }
    }
    Diagnostics::new(problems).or(RuleSet { services })
}

/// In the order of the files. They say nothing of each other, so each core takes its share of them.
fn read_all(files: &[PathBuf], defaults: &Defaults) -> Vec<Result<Service, Diagnostics>> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let read = |share: &[PathBuf]| share.iter().map(|path| read(path, defaults)).collect::<Vec<_>>();
    thread::scope(|scope| {
        let shares = files.chunks(files.len().div_ceil(cores));
        let readers: Vec<_> = shares.map(|share| scope.spawn(move || read(share))).collect();
        readers
            .into_iter()
            .flat_map(|reader| reader.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

fn read(path: &Path, defaults: &Defaults) -> Result<Service, Diagnostics> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&Source::read(SourceKind::Rules, path)?, &stem, defaults)
}

/// Whether it is a directory that can be read and holds no `*.toml`.
pub fn holds_none(dir: &Path) -> bool {
    toml_files(dir).is_ok_and(|files| files.is_empty())
}

/// One file's text, as the service of that id.
pub fn parse(source: &Arc<Source>, service: &str, defaults: &Defaults) -> Result<Service, Diagnostics> {
    let id = match ServiceId::new(service) {
        Ok(id) => id,
        Err(e) => {
            let place = Place::new(Arc::clone(source), 0..0);
            let message = format!("the file's name is the service's id: {e}");
            return Err(Diagnostic::error(Code::BadValue, place, message, "rename the file").into());
        }
    };
    File::read(source, &shapes::FILE, |root| document(root, id, defaults))
}

fn document(mut root: Cursor<'_>, id: ServiceId, defaults: &Defaults) -> Option<Service> {
    let header = root.required("service").and_then(|e| e.table()).and_then(header);
    let promises = root.tables("promise");
    let rules = root.tables("rule");
    let waivers: Vec<Waiver> = root.tables("waiver").into_iter().filter_map(waiver::waiver).collect();
    if rules.is_empty() && !root.has("rule") {
        root.refuse(Code::MissingKey, "the file has no `[[rule]]`", "add the rule that keeps its promises");
    }
    let promises = all(promises, promise::promise, |p| p.id.as_str().to_owned());
    // Rules are read even where the header is wrong, so that their problems show too; UTC only stands in.
    let calendar = header.as_ref().map_or_else(word::utc, |h| Some(h.calendar));
    let read = |cursor| rule::rule(cursor, &id, &promises, calendar?, defaults);
    let rules = all(rules, read, |r| r.id.local.as_str().to_owned());
    root.finish();
    let header = header?;
    let Header { name, owner, calendar } = header;
    Some(Service { id, name, owner, calendar, promises, rules, waivers })
}

struct Header {
    name: String,
    owner: String,
    calendar: Calendar,
}

fn header(mut table: Cursor<'_>) -> Option<Header> {
    let name = table.required("name").and_then(|e| e.sentence());
    let owner = table.required("owner").and_then(|e| e.sentence());
    let zone = table.required("time_zone").and_then(|e| word::zone(&e));
    table.finish();
    Some(Header { name: name?, owner: owner?, calendar: Calendar::new(zone?) })
}

/// Reads each table and refuses an id that stands twice.
fn all<'a, T>(
    tables: Vec<Cursor<'a>>,
    read: impl Fn(Cursor<'a>) -> Option<T>,
    id: impl Fn(&T) -> String,
) -> Vec<T> {
    let (mut values, mut seen) = (Vec::new(), BTreeSet::new());
    for mut table in tables {
        let place = table.optional("id");
        let Some(value) = read(table) else { continue };
        if let Some(place) = place.filter(|_| !seen.insert(id(&value))) {
            let message = format!("id `{}` stands twice", id(&value));
            place.refuse(Code::Duplicate, message, "give each a name of its own: orders and reports name it");
        }
        values.push(value);
    }
    values.shrink_to_fit();
    values
}

/// In memory of their own: collecting what was read goes on using the reader's, which is several times as large, and rules stay
/// for as long as the program runs.
fn kept<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept: Vec<T> = values.collect();
    kept.shrink_to_fit();
    kept
}

fn toml_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A problem of the directory as a whole.
pub fn of_directory(dir: &Path, message: String, help: &str) -> Diagnostics {
    let place = Place::new(Source::new(SourceKind::Rules, dir, ""), 0..0);
    Diagnostic::error(Code::Unreadable, place, message, help).into()
}
