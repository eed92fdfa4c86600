//! What goes over the wire, as far as a proxy has to know: where a message ends, which is a COMMIT, and which its answer.

/// A protocol. A message is told by its length wherever the network splits or joins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Postgres,
    MariaDb,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// What a client's message means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Asks for a connection that nobody can listen to; only before anything else.
    Encryption,
    Commit,
    Other,
}

/// What a server's message is to a COMMIT that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Something else, before it.
    Before,
    Part,
    Last,
}

/// One direction of one connection.
pub struct Stream {
    wire: Wire,
    side: Side,
    unread: Vec<u8>,
    /// Whether a `PostgreSQL` client has said who it is: what it says before has no type.
    introduced: bool,
    /// Whether a statement that is a COMMIT was prepared: it is one when it is executed.
    prepared: bool,
    /// Whether the answer to COMMIT has begun.
    answering: bool,
}

impl Stream {
    pub fn new(wire: Wire, side: Side) -> Self {
        let introduced = wire == Wire::MariaDb || side == Side::Server;
        Self { wire, side, unread: Vec::new(), introduced, prepared: false, answering: false }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let byte = |at: usize| self.unread.get(at).copied();
        let length = match self.wire {
            Wire::MariaDb => 4 + u32::from_le_bytes([byte(0)?, byte(1)?, byte(2)?, 0]),
            Wire::Postgres => {
                let typed = usize::from(self.introduced);
                let at = [byte(typed)?, byte(typed + 1)?, byte(typed + 2)?, byte(typed + 3)?];
                u32::from_be_bytes(at) + u32::from(self.introduced)
            }
        };
        let length = usize::try_from(length).unwrap();
        if self.unread.len() < length {
            return None;
        }
        let rest = self.unread.split_off(length);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// What a client's message means. Each is shown once, in order.
    pub fn said(&mut self, message: &[u8]) -> Said {
        assert_eq!(self.side, Side::Client);
        if !self.introduced {
            // The protocol's numbers for the requests of TLS and of GSSAPI.
            let asks = [80_877_103_u32, 80_877_104].iter().any(|code| message[4..] == code.to_be_bytes());
            self.introduced = !asks;
            return if asks { Said::Encryption } else { Said::Other };
        }
        let body = &message[message.len().min(5)..];
        let (query, prepare, execute) = match self.wire {
            Wire::Postgres => (message[0] == b'Q', message[0] == b'P', message[0] == b'E'),
            // Only the first packet of a client's turn is a command.
            Wire::MariaDb if message[3] != 0 => (false, false, false),
            Wire::MariaDb => {
                let command = message.get(4);
                (command == Some(&3), command == Some(&0x16), command == Some(&0x17))
            }
        };
        if prepare {
            self.prepared = body.split(|byte| *byte == 0).any(is_commit);
        }
        let commits = query && is_commit(body.split(|byte| *byte == 0).next().unwrap_or_default());
        if commits || execute && self.prepared { Said::Commit } else { Said::Other }
    }

    /// What a server's message is to a COMMIT that has been sent. Each is shown once, in order.
    pub fn answer(&mut self, message: &[u8]) -> Answer {
        assert_eq!(self.side, Side::Server);
        if self.wire == Wire::MariaDb {
            return Answer::Last;
        }
        // A command's tag says COMMIT, or ROLLBACK where the transaction had failed.
        let done = message[0] == b'C' && [&b"COMMIT\0"[..], b"ROLLBACK\0"].contains(&&message[5..]);
        self.answering |= done || message[0] == b'E';
        match (self.answering, message[0]) {
            (true, b'Z') => Answer::Last,
            (true, _) => Answer::Part,
            (false, _) => Answer::Before,
        }
    }
}

fn is_commit(statement: &[u8]) -> bool {
    let end = statement.trim_ascii().strip_suffix(b";").unwrap_or(statement).trim_ascii();
    end.eq_ignore_ascii_case(b"COMMIT")
}

/// A message of each protocol that says this.
#[cfg(test)]
fn messages(text: &str) -> [(Wire, Vec<u8>); 2] {
    let length = u32::try_from(text.len()).unwrap();
    let postgres = [b"Q", &(length + 5).to_be_bytes()[..], text.as_bytes(), b"\0"].concat();
    let mariadb = [&(length + 1).to_le_bytes()[..3], b"\0\x03", text.as_bytes()].concat();
    [(Wire::Postgres, postgres), (Wire::MariaDb, mariadb)]
}

#[test]
fn messages_are_told_apart_however_the_network_splits_and_joins_them() {
    let texts = ["BEGIN", "COMMIT", "SELECT 'COMMIT'", "commit ;", &"x".repeat(70_000)];
    for which in [0, 1] {
        let wire = messages("")[which].0;
        let sent: Vec<Vec<u8>> = texts.iter().map(|text| messages(text)[which].1.clone()).collect();
        let bytes = sent.concat();
        for step in [1, 2, 5, 7, 1_000, bytes.len()] {
            let mut stream = Stream { introduced: true, ..Stream::new(wire, Side::Client) };
            let mut heard = Vec::new();
            for piece in bytes.chunks(step) {
                stream.push(piece);
                heard.extend(std::iter::from_fn(|| {
                    let message = stream.next()?;
                    Some((stream.said(&message), message))
                }));
            }
            let (said, messages): (Vec<Said>, Vec<Vec<u8>>) = heard.into_iter().unzip();
            assert!(messages == sent, "{wire:?} in pieces of {step}");
            assert_eq!(said, [Said::Other, Said::Commit, Said::Other, Said::Commit, Said::Other], "{wire:?}");
        }
    }
}

#[test]
fn a_prepared_commit_is_one_when_it_is_executed() {
    let mut postgres = Stream { introduced: true, ..Stream::new(Wire::Postgres, Side::Client) };
    let parse = b"P\0\0\0\x12name\0COMMIT\0\0\0";
    let said =
        [&parse[..], b"D\0\0\0\x06S\0", b"E\0\0\0\x09\0\0\0\0\0"].map(|message| postgres.said(message));
    assert_eq!(said, [Said::Other, Said::Other, Said::Commit]);
    let mut mariadb = Stream::new(Wire::MariaDb, Side::Client);
    let said = [&b"\x07\0\0\0\x16COMMIT"[..], b"\x01\0\0\0\x17"].map(|message| mariadb.said(message));
    assert_eq!(said, [Said::Other, Said::Commit]);
}
