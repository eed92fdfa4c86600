//! A wire between the program and a server that is cut at a COMMIT, or loses sight of one.
//!
//! It listens: where the client asks for TLS it answers that the server has none, and where a client insists there is no
//! connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::wire::{Answer, Said, Side, Stream, Wire};

/// Where the connection ends, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// COMMIT does not reach the server.
    BeforeCommit,
    /// The server has committed, its answer does not reach the client.
    AfterCommit,
    /// The client has its answer.
    AfterAnswer,
    /// The client's end only: the COMMIT is still on its way, until [`Proxy::end`].
    OnItsWay,
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    /// How many COMMITs there were, of all connections.
    commits: u64,
    /// What comes, and at which COMMIT.
    next: Option<(Cut, u64)>,
    /// A COMMIT whose client is gone, and its connection to the server.
    on_its_way: Option<(Vec<u8>, TcpStream)>,
    /// To end what waits for a message.
    sockets: Vec<TcpStream>,
    over: bool,
}

impl Shared {
    /// Counts a COMMIT; whether it is the one.
    fn commit(&mut self) -> Option<Cut> {
        self.commits += 1;
        let (cut, _) = self.next.filter(|(_, at)| *at == self.commits)?;
        self.next = None;
        Some(cut)
    }
}

pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    accepts: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Before the server at `host:port`; it cuts nothing yet.
    pub fn start(wire: Wire, server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Mutex<Shared>>::default();
        let (server, of_thread) = (server.to_owned(), Arc::clone(&shared));
        let accepts = std::thread::spawn(move || accept(wire, &listener, &server, &of_thread));
        Self { port, shared, accepts: Some(accepts) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts at the `nth` COMMIT from now, whichever connection it comes over. All others pass.
    pub fn cut(&self, cut: Cut, nth: u64) {
        assert!(nth > 0, "the first is 1");
        let mut shared = self.shared.lock().unwrap();
        shared.next = Some((cut, shared.commits + nth));
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        // Of each, both ends.
        self.shared.lock().unwrap().sockets.len() / 2
    }

    /// How many COMMITs there were, those that did not reach the server included.
    pub fn commits(&self) -> u64 {
        self.shared.lock().unwrap().commits
    }

    /// The COMMIT that is on its way reaches the server, or never does, and the server learns that its client is gone.
    pub fn end(&self, arrives: bool) {
        let on_its_way = self.shared.lock().unwrap().on_its_way.take();
        let (message, mut server) = on_its_way.expect("a COMMIT on its way");
        if arrives {
            server.write_all(&message).unwrap();
        } else {
            server.shutdown(Shutdown::Both).unwrap();
        }
    }

    /// Whether what was to be cut has been.
    pub fn has_cut(&self) -> bool {
        self.shared.lock().unwrap().next.is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().unwrap().over = true;
        // It wakes up, and sees that.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        let ended = self.accepts.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the proxy failed");
    }
}

fn accept(wire: Wire, listener: &TcpListener, server: &str, shared: &Arc<Mutex<Shared>>) {
    let mut connections = Vec::new();
    // Ends with the proxy, which connects once more for it.
    loop {
        let client = listener.accept().unwrap().0;
        if shared.lock().unwrap().over {
            break;
        }
        // A server that is down is one to the client, too.
        let Ok(server) = TcpStream::connect(server) else { continue };
        connections.extend(connect(wire, &client, &server, shared));
    }
    for socket in &shared.lock().unwrap().sockets {
        drop(socket.shutdown(Shutdown::Both));
    }
    for connection in connections {
        connection.join().unwrap();
    }
}

/// Both directions of a connection.
fn connect(
    wire: Wire,
    client: &TcpStream,
    server: &TcpStream,
    shared: &Arc<Mutex<Shared>>,
) -> [JoinHandle<()>; 2] {
    let copy = |socket: &TcpStream| socket.try_clone().unwrap();
    for socket in [client, server] {
        socket.set_nodelay(true).unwrap();
        shared.lock().unwrap().sockets.push(copy(socket));
    }
    let cut = Arc::<Mutex<Option<Cut>>>::default();
    let upwards = Upwards {
        stream: Stream::new(wire, Side::Client),
        shared: Arc::clone(shared),
        cut: Arc::clone(&cut),
        back: copy(client),
        on: copy(server),
    };
    let downwards = Downwards { stream: Stream::new(wire, Side::Server), cut };
    let there = (copy(client), copy(server));
    let back = (copy(server), copy(client));
    [
        std::thread::spawn(move || pass(there.0, there.1, upwards)),
        std::thread::spawn(move || pass(back.0, back.1, downwards)),
    ]
}

/// What becomes of a message.
enum Fate {
    Passed,
    Swallowed,
    /// The last that passes.
    PassedAndCut,
    Cut,
    /// Cut on the side where it came from.
    CutBehind,
}

trait Direction {
    fn stream(&mut self) -> &mut Stream;
    fn decide(&mut self, message: &[u8]) -> Fate;
}

/// Passes messages on until one side has ended, and ends the other with it.
fn pass(mut from: TcpStream, mut to: TcpStream, mut direction: impl Direction) {
    let mut bytes = vec![0; 64 * 1024];
    // Ends with either socket.
    'open: while let Ok(read @ 1..) = from.read(&mut bytes) {
        direction.stream().push(&bytes[..read]);
        while let Some(message) = direction.stream().next() {
            let fate = direction.decide(&message);
            let passes = matches!(fate, Fate::Passed | Fate::PassedAndCut);
            if passes && to.write_all(&message).is_err() || matches!(fate, Fate::Cut | Fate::PassedAndCut) {
                break 'open;
            }
            if matches!(fate, Fate::CutBehind) {
                drop(from.shutdown(Shutdown::Both));
                return;
            }
        }
    }
    for socket in [from, to] {
        // The other direction may have been first.
        drop(socket.shutdown(Shutdown::Both));
    }
}

struct Upwards {
    stream: Stream,
    shared: Arc<Mutex<Shared>>,
    cut: Arc<Mutex<Option<Cut>>>,
    back: TcpStream,
    on: TcpStream,
}

impl Direction for Upwards {
    fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn decide(&mut self, message: &[u8]) -> Fate {
        match self.stream.said(message) {
            Said::Other => Fate::Passed,
            Said::Encryption => {
                drop(self.back.write_all(b"N"));
                Fate::Swallowed
            }
            Said::Commit => {
                let mut shared = self.shared.lock().unwrap();
                let Some(cut) = shared.commit() else { return Fate::Passed };
                // Before the message is passed, so that its answer is recognised.
                *self.cut.lock().unwrap() = Some(cut);
                match cut {
                    Cut::BeforeCommit => Fate::Cut,
                    Cut::AfterCommit | Cut::AfterAnswer => Fate::Passed,
                    Cut::OnItsWay => {
                        shared.on_its_way = Some((message.to_vec(), self.on.try_clone().unwrap()));
                        Fate::CutBehind
                    }
                }
            }
        }
    }
}

struct Downwards {
    stream: Stream,
    cut: Arc<Mutex<Option<Cut>>>,
}

impl Direction for Downwards {
    fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn decide(&mut self, message: &[u8]) -> Fate {
        let Some(cut) = *self.cut.lock().unwrap() else { return Fate::Passed };
        match (self.stream.answer(message), cut) {
            // Nobody is there any more to hear it.
            (Answer::Before | Answer::Part, Cut::OnItsWay)
            | (Answer::Part, Cut::BeforeCommit | Cut::AfterCommit) => Fate::Swallowed,
            (Answer::Before, _) | (Answer::Part, Cut::AfterAnswer) => Fate::Passed,
            (Answer::Last, Cut::AfterAnswer) => Fate::PassedAndCut,
            (Answer::Last, Cut::BeforeCommit | Cut::AfterCommit | Cut::OnItsWay) => Fate::Cut,
        }
    }
}
