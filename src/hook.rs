//! Named points at which a test kills the process, or holds it while the application goes on. In a build without the feature `test-hooks` this is nothing.

/// Dies here, as by `kill -9`, when `EXPUNGED_KILL_AT` names this point and its turn: `intent.after:3`. Waits here when
/// `EXPUNGED_PAUSE_AT` does, or one of several there (`intent.after:1,seal.after:2`): says so in the named pipe `EXPUNGED_PAUSE`, and goes on once somebody has opened that for writing.
/// Panics here when `EXPUNGED_PANIC_AT` does, with the text of `EXPUNGED_PANIC`. Where `EXPUNGED_REACHED` names a file, every point that is passed is appended to it, one a line.
///
/// # Panics
///
/// When it is asked to.
#[cfg(feature = "test-hooks")]
pub fn reach(point: &str) {
    use std::io::Write as _;
    use std::sync::Mutex;
    static REACHED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    if let Some(path) = std::env::var_os("EXPUNGED_REACHED") {
        let file = std::fs::File::options().create(true).append(true).open(path);
        // A line that cannot be written is a point that the test misses.
        drop(file.and_then(|mut file| writeln!(file, "{point}")));
    }
    let wanted = |name: &str| std::env::var(name).ok();
    let kill = wanted("EXPUNGED_KILL_AT");
    if kill.is_none() && wanted("EXPUNGED_PAUSE_AT").is_none() && wanted("EXPUNGED_PANIC_AT").is_none() {
        return;
    }
    let here = {
        let Ok(mut reached) = REACHED.lock() else { return };
        reached.push(point.to_owned());
        let turn = reached.iter().filter(|p| *p == point).count();
        Some(format!("{point}:{turn}"))
    };
    if let Some(here) = &here {
        pause(here);
    }
    assert!(wanted("EXPUNGED_PANIC_AT") != here, "{}", wanted("EXPUNGED_PANIC").unwrap_or_default());
    if kill == here {
        // No destructor, no flush, no exit handler: what a power cut leaves of a process.
        let own = std::process::id().to_string();
        let killed = std::process::Command::new("kill").args(["-9", &own]).status();
        eprintln!("kill -9 of this process did not end it: {killed:?}");
        std::process::abort();
    }
}

/// Nothing: this build has no kill points.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub fn reach(_point: &str) {}

/// Appends the name to the file that `EXPUNGED_NOTED` names, one a line, for a test that counts; nobody dies or waits here.
#[cfg(feature = "test-hooks")]
pub fn note(what: &str) {
    use std::io::Write as _;
    if let Some(path) = std::env::var_os("EXPUNGED_NOTED") {
        let file = std::fs::File::options().create(true).append(true).open(path);
        // A line that cannot be written is one that the test misses.
        drop(file.and_then(|mut file| writeln!(file, "{what}")));
    }
}

/// Nothing: this build is counted by no test.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub fn note(_what: &str) {}

/// Waits here when `EXPUNGED_PAUSE_AT` names it, as at a point of [`reach`], and dies nowhere: nothing has happened here.
#[cfg(feature = "test-hooks")]
pub fn pause(here: &str) {
    use std::io::Write as _;
    let named = std::env::var("EXPUNGED_PAUSE_AT").is_ok_and(|points| points.split(',').any(|at| at == here));
    if named && let Some(pipe) = std::env::var_os("EXPUNGED_PAUSE") {
        // Each opening waits for the other end. A pipe that cannot be opened is a point that the test misses.
        drop(std::fs::File::options().write(true).open(&pipe).and_then(|mut to| to.write_all(b"reached")));
        drop(std::fs::read(&pipe));
    }
}

/// Nothing: this build waits for no test.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub fn pause(_here: &str) {}

/// By how much a test wants SQL's derivation of the cut-off to be wrong.
#[cfg(feature = "test-hooks")]
pub fn skew() -> chrono::TimeDelta {
    let seconds = std::env::var("EXPUNGED_SKEW_CUTOFF").ok().and_then(|s| s.parse().ok());
    chrono::TimeDelta::seconds(seconds.unwrap_or(0))
}

/// Nothing: this build derives what it derives.
#[cfg(not(feature = "test-hooks"))]
pub fn skew() -> chrono::TimeDelta {
    chrono::TimeDelta::zero()
}

/// Whether a test wants a kernel without `openat2`.
#[cfg(feature = "test-hooks")]
pub fn without_openat2() -> bool {
    std::env::var_os("EXPUNGED_WITHOUT_OPENAT2").is_some()
}

/// No: the kernel is asked.
#[cfg(not(feature = "test-hooks"))]
pub fn without_openat2() -> bool {
    false
}
