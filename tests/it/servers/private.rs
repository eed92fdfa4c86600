//! A server of a test's own, which it may stop, kill and start again.

use std::marker::PhantomData;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::database::{Database, Session};
use super::process::Process;
use super::{Address, Engine, run};

/// One installation of a server.
pub struct Programs {
    /// With its version: what one version made is not for another.
    pub name: String,
    pub bin: PathBuf,
    /// Holds the programs, where they had to be put somewhere that the server's account can read.
    #[expect(dead_code, reason = "they are removed with it")]
    pub copy: Option<TempDir>,
}

/// Listens on 127.0.0.1 only, lets its administrator in without a password, and syncs what it commits. It is killed, and all it
/// wrote removed, with this value, and when the thread that started it ends.
pub struct Private<E: Engine> {
    server: Option<Process>,
    port: u16,
    dir: TempDir,
    programs: Programs,
    /// What the server is started with beside the usual.
    settings: Vec<String>,
    engine: PhantomData<E>,
}

/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 5;

impl<E: Engine> Private<E> {
    pub fn start() -> Self {
        Self::start_set(&[])
    }

    /// With these arguments more.
    pub fn start_set(settings: &[String]) -> Self {
        Self::start_with(E::programs(), settings)
    }

    pub fn start_with(programs: Programs, settings: &[String]) -> Self {
        Self::start_on(programs, settings, copy::<E>)
    }

    /// Over data that are made where it is told.
    pub(super) fn start_on(
        programs: Programs,
        settings: &[String],
        make: impl FnOnce(&Programs, &Path),
    ) -> Self {
        let dir = accessible(&place());
        make(&programs, &dir.path().join("data"));
        let settings = settings.to_vec();
        let mut private = Self { server: None, port: 0, dir, programs, settings, engine: PhantomData };
        for _ in 0..ATTEMPTS {
            private.port = free_port();
            if private.try_serve().is_some() {
                return private;
            }
        }
        panic!("{} does not start:\n{}", E::NAME, private.log());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The administrator's, in the database that is there from the start.
    pub fn session(&self) -> Session<E> {
        Session::open(&Address::own::<E>(self.port).url::<E>(E::FIRST_DATABASE)).unwrap()
    }

    /// A database on it.
    pub fn database(&self) -> Database<E> {
        Database::on(Address::own::<E>(self.port))
    }

    /// Starts it again where it was, after a [`Private::kill`] or a [`Private::stop`].
    pub fn restart(&mut self) {
        assert!(self.server.is_none(), "{} runs", E::NAME);
        assert!(self.try_serve().is_some(), "{} does not start again:\n{}", E::NAME, self.log());
    }

    /// Kills every process of it at once.
    pub fn kill(&mut self) {
        drop(self.server.take().expect("a server that runs"));
    }

    /// Ends it in order, without waiting for connections.
    pub fn stop(&mut self) {
        self.server.take().expect("a server that runs").stop(E::STOP);
    }

    fn try_serve(&mut self) -> Option<()> {
        let mut command = E::serve(&self.programs, &self.dir.path().join("data"), self.port);
        let mut server = Process::start(command.args(&self.settings), &self.dir.path().join("log"));
        let url = Address::own::<E>(self.port).url::<E>(E::FIRST_DATABASE);
        server.ready(|| Session::<E>::open(&url).is_ok())?;
        self.server = Some(server);
        Some(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl<E: Engine> Drop for Private<E> {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.discard(E::DISCARD);
        }
    }
}

/// A directory that the server's account can go through.
pub fn accessible(parent: &Path) -> TempDir {
    let dir = tempfile::tempdir_in(parent).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Where data are: in memory, where that has the room. What a process has written outlives its being killed there as well as on a
/// disk, and a sync takes no time.
fn place() -> PathBuf {
    const ROOM: u64 = 1 << 30;
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize >= ROOM);
    if has_room { memory.to_owned() } else { std::env::temp_dir() }
}

fn copy<E: Engine>(programs: &Programs, data: &Path) {
    run(Command::new("cp").arg("-a").arg(template::<E>(programs)).arg(data));
}

/// An empty server's data. Making it takes seconds and copying it does not: it is made once, for all tests to come.
fn template<E: Engine>(programs: &Programs) -> PathBuf {
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&programs.name);
    if !template.exists() {
        let made = accessible(&place());
        let data = made.path().join("data");
        std::fs::create_dir(&data).unwrap();
        run(Command::new("chown").arg(E::OWNER).arg(&data));
        run(&mut E::initialise(programs, &data));
        let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        run(Command::new("cp").arg("-a").arg(&data).arg(beside.path()));
        // Whole or not at all. Who comes second finds the first one's, as good as this.
        let moved = std::fs::rename(beside.path().join("data"), &template);
        assert!(moved.is_ok() || template.exists(), "{}: {moved:?}", template.display());
    }
    template
}

/// Below those that the system gives to outgoing connections: a server that was killed finds its port free.
fn free_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = || 20_000 + u16::try_from(RandomState::new().hash_one(0) % 12_000).unwrap();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(random).take(1_000).find(free).expect("a free port")
}
