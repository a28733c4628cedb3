//! A session through the gate: what the client asks goes on or does not, and what the server
//! answers is told as a Gauss server tells it.
//!
//! Where the gate refuses a statement, or fails it on purpose, it lets the PostgreSQL behind it do
//! the failing: in the statement's place it sends one that cannot work and that names a number, and
//! puts the error that was meant in the place of the error that comes back. So answers keep their
//! order, the state of the transaction is told as it is, and the server has rolled back what the
//! client believes is rolled back.

mod answers;
mod requests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::error::ServerError;
use super::faults::{Manner, Point};
use super::frames::{Frame, Frames};
use super::{Shared, lock};

/// Begins the word that stands for a refused statement; a number ends it.
const MARK: &str = "dws_gate_error_";

/// Who has logged in.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) user: String,
    pub(super) administrator: bool,
    pub(super) expired: bool,
}

/// One session: the sockets of both sides, and where their conversation is.
pub(super) struct Line {
    shared: Arc<Shared>,
    who: Who,
    client: TcpStream,
    /// Written to by both threads.
    to_client: Mutex<TcpStream>,
    server: UnixStream,
    to_server: Mutex<UnixStream>,
    talk: Mutex<Talk>,
}

/// Where a conversation is.
#[derive(Debug)]
struct Talk {
    /// The transaction's state, as the last ReadyForQuery said it.
    status: u8,
    /// What fails in the COPY under way, and where.
    copy_fault: Option<(Point, Manner)>,
    /// Bytes of COPY data up to the point where it fails.
    copy_left: u64,
    /// Errors that were meant, by the number that stands for each.
    meant: BTreeMap<u32, ServerError>,
    marks: u32,
    /// The answer under way is lost: at its end comes this instead.
    lost: Option<Manner>,
    savepoints: Vec<String>,
    /// A failure of the COPY under way costs the whole transaction.
    copy_may_doom: bool,
    /// The transaction is lost: no ROLLBACK TO helps.
    doomed: bool,
    /// Since when the client has nothing under way.
    idle_since: Option<Instant>,
    session_timeout: Option<Duration>,
    /// The client was told of its end.
    ended: bool,
}

impl Line {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: TcpStream,
        server: UnixStream,
        who: Who,
    ) -> io::Result<Self> {
        let talk = Talk {
            status: b'I',
            copy_fault: None,
            copy_left: 0,
            meant: BTreeMap::new(),
            marks: 0,
            lost: None,
            savepoints: Vec::new(),
            copy_may_doom: false,
            doomed: false,
            idle_since: Some(Instant::now()),
            session_timeout: shared.session_timeout,
            ended: false,
        };
        Ok(Self {
            shared,
            who,
            to_client: Mutex::new(client.try_clone()?),
            client,
            to_server: Mutex::new(server.try_clone()?),
            server,
            talk: Mutex::new(talk),
        })
    }

    /// Passes messages both ways until one side goes.
    pub(super) fn relay(self, mut frames: Frames<TcpStream>) -> io::Result<()> {
        let line = Arc::new(self);
        let other = Arc::clone(&line);
        let answers = thread::spawn(move || {
            let _ = other.answers();
            if !other.talk().ended {
                let _ = other.client.shutdown(Shutdown::Both);
            }
        });
        let outcome = line.requests(&mut frames);
        let _ = line.server.shutdown(Shutdown::Both);
        let _ = line.client.shutdown(Shutdown::Both);
        answers
            .join()
            .expect("the answers are passed without a panic");
        outcome
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        lock(&self.talk)
    }

    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.to_client).write_all(bytes)
    }

    fn pass_on(&self, frame: &Frame) -> io::Result<()> {
        lock(&self.to_server).write_all(frame.bytes())
    }

    /// The word that stands for an error.
    fn mark(&self, error: ServerError) -> String {
        let mut talk = self.talk();
        talk.marks += 1;
        let number = talk.marks;
        talk.meant.insert(number, error);
        format!("{MARK}{number}")
    }

    /// Ends the session as a fault says. The server goes first, and rolls back.
    fn end(&self, manner: &Manner) -> io::Result<()> {
        match manner {
            Manner::Error(error) | Manner::Fatal(error) => {
                self.say_goodbye(error.frame("FATAL").bytes())
            }
            Manner::Cut => {
                let _ = self.server.shutdown(Shutdown::Both);
                self.client.shutdown(Shutdown::Both)
            }
        }
    }

    /// Says the last words to the client. It is heard out: what is left unread would cost it
    /// these words.
    fn say_goodbye(&self, words: &[u8]) -> io::Result<()> {
        self.talk().ended = true;
        let _ = self.server.shutdown(Shutdown::Both);
        self.say(words)?;
        self.client
            .set_read_timeout(Some(super::entrance::PATIENCE))?;
        self.client.shutdown(Shutdown::Write)
    }
}
