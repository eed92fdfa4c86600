//! A server's process, and all that it started. Whatever becomes of the test, they do not outlive it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use expunged::clock::Stopwatch;

/// Nothing here takes a tenth of it, on a machine that does nothing else.
const LONGEST: Duration = Duration::from_mins(1);

pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that says what it has to say in a file. It has to become the server, not to start one.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, log: log.to_owned() }
    }

    /// Asks until there is an answer. None: the server ended instead.
    pub fn ready(&mut self, mut answers: impl FnMut() -> bool) -> Option<()> {
        poll("the server to answer", || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(None);
            }
            answers().then_some(Some(()))
        })
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it in order.
    pub fn stop(mut self, signal: &str) {
        send(signal, &[self.child.id()]);
        let status = poll("the server to end", || self.child.try_wait().unwrap());
        assert!(status.success(), "the server ended with {status}\n{}", self.log());
    }

    /// Ends it somehow.
    pub fn discard(mut self, signal: &str) {
        send(signal, &[self.child.id()]);
        poll("the server to end", || self.child.try_wait().unwrap());
    }
}

/// As a power cut ends it: all at once, nothing in order.
impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        let id = self.child.id();
        // While it stands still it starts nothing that would be missed here.
        send("-STOP", &[id]);
        let mut all = descendants(id);
        all.push(id);
        send("-KILL", &all);
        self.child.wait().unwrap();
        poll("the server's processes to end", || all.iter().all(|id| parent(*id).is_none()).then_some(()));
    }
}

/// Who is already gone needs no signal.
fn send(signal: &str, processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    Command::new("kill").arg(signal).args(ids).stderr(Stdio::null()).status().unwrap();
}

/// Asks until there is an answer; what does not come fails.
pub fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const EVERY: Duration = Duration::from_millis(10);
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(watch.elapsed() < LONGEST, "waited {LONGEST:?} for {what}");
        std::thread::sleep(EVERY);
    }
}

/// Who started a process that runs; one that only waits for its parent to take note has ended.
fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may hold anything, spaces and brackets too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| state != "Z")
}

fn descendants(of: u32) -> Vec<u32> {
    let names = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let all: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    let family: Vec<(u32, u32)> = all.into_iter().filter_map(|id| Some((id, parent(id)?))).collect();
    let mut found = vec![of];
    let mut next = 0;
    // Ends: each process has one parent, and is found once.
    while let Some(above) = found.get(next).copied() {
        found.extend(family.iter().filter(|(_, parent)| *parent == above).map(|(id, _)| *id));
        next += 1;
    }
    found.split_off(1)
}
