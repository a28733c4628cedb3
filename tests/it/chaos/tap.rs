//! A TCP port in front of a server where a connection fails at the byte, or at the COMMIT, that is
//! asked for.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// How long a server does not learn that the other end of a black hole has gone.
const DARK: Duration = Duration::from_millis(400);

/// The server behind a tap.
#[derive(Debug, Clone)]
pub(super) enum Upstream {
    Socket(PathBuf),
    Port(u16),
}

/// Where a connection fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// After so many bytes of the client, those of earlier connections included.
    Byte(usize),
    /// Before the server sees its nth COMMIT.
    Commit(usize),
    /// When the server has answered its nth COMMIT: the client does not see it.
    Answer(usize),
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Both ends are told.
    Cut,
    /// Nobody is: nothing comes through any more.
    BlackHole,
}

/// A failure that is to come, once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) at: At,
    pub(super) how: How,
    /// How long no connection is taken behind it.
    pub(super) refusing: Duration,
}

#[derive(Debug, Default)]
struct State {
    next: Option<Failure>,
    fired: bool,
    refuses_until: Option<Instant>,
}

/// A port at 127.0.0.1. It serves until the process ends.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

impl Tap {
    pub(super) fn before(upstream: Upstream) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let refuses = with(&shared, |state| state.refuses_until);
                if refuses.is_some_and(|until| Instant::now() < until) {
                    continue;
                }
                let state = Arc::clone(&shared);
                // Where the server is down, the client is told.
                let _ = match &upstream {
                    Upstream::Socket(path) => {
                        UnixStream::connect(path).and_then(|server| serve(client, server, state))
                    }
                    Upstream::Port(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port))
                        .and_then(|server| serve(client, server, state)),
                };
            }
        });
        Self { port, state }
    }

    /// Has a connection fail.
    pub(super) fn arm(&self, failure: Failure) {
        with(&self.state, |state| {
            *state = State {
                next: Some(failure),
                ..State::default()
            };
        });
    }

    /// Whether the failure has come; it will not come any more.
    pub(super) fn disarm(&self) -> bool {
        with(&self.state, |state| std::mem::take(state).fired)
    }
}

fn with<T>(state: &Mutex<State>, of: impl FnOnce(&mut State) -> T) -> T {
    of(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One end of a connection.
trait End: Read + Write + Send + Sized + 'static {
    fn again(&self) -> io::Result<Self>;
    fn close(&self);
}

impl End for TcpStream {
    fn again(&self) -> io::Result<Self> {
        self.set_nodelay(true)?;
        self.try_clone()
    }

    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl End for UnixStream {
    fn again(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// What has become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// The next answer fails.
    AnswerFails(How),
    Dark,
}

fn serve<S: End>(client: TcpStream, server: S, state: Arc<Mutex<State>>) -> io::Result<()> {
    let line = Arc::new(Mutex::new(Line::Open));
    let (from, to) = (client.again()?, server.again()?);
    let other = Arc::clone(&line);
    thread::spawn(move || {
        let _ = requests(from, to, &state, &line);
    });
    thread::spawn(move || {
        let _ = answers(server, client, &other);
    });
    Ok(())
}

fn requests<S: End>(
    mut client: TcpStream,
    mut server: S,
    state: &Mutex<State>,
    line: &Mutex<Line>,
) -> io::Result<()> {
    const COMMIT: &[u8] = b"COMMIT\0";
    let mut buffer = vec![0; 16 * 1024];
    let ended = loop {
        let length = match client.read(&mut buffer) {
            Ok(length @ 1..) => length,
            ended => break ended,
        };
        if *lock(line) == Line::Dark {
            continue;
        }
        let data = &buffer[..length];
        // One comes by itself: the client waits for the answer.
        let commits = memchr::memmem::find(data, COMMIT).is_some();
        let Some((failure, passes)) = with(state, |state| state.comes(length, commits)) else {
            if server.write_all(data).is_err() {
                break Ok(0);
            }
            continue;
        };
        if matches!(failure.at, At::Answer(_)) {
            *lock(line) = Line::AnswerFails(failure.how);
        }
        let _ = server.write_all(&data[..passes]);
        match (failure.at, failure.how) {
            (At::Answer(_), _) => {}
            (_, How::Cut) => break Ok(0),
            (_, How::BlackHole) => *lock(line) = Line::Dark,
        }
    };
    if *lock(line) == Line::Dark {
        sleep(DARK);
    }
    client.close();
    server.close();
    ended.map(drop)
}

impl State {
    /// So many bytes of a client come: the failure that is due, and how many of them pass.
    fn comes(&mut self, length: usize, commits: bool) -> Option<(Failure, usize)> {
        let failure = self.next.as_mut()?;
        let passes = match &mut failure.at {
            At::Byte(left) if *left >= length => {
                *left -= length;
                return None;
            }
            At::Byte(left) => *left,
            At::Commit(left) | At::Answer(left) => {
                *left -= usize::from(commits);
                if *left > 0 {
                    return None;
                }
                length
            }
        };
        let failure = *failure;
        self.next = None;
        self.fired = true;
        self.refuses_until = Some(Instant::now() + failure.refusing);
        let passes = if matches!(failure.at, At::Commit(_)) {
            0
        } else {
            passes
        };
        Some((failure, passes))
    }
}

fn answers<S: End>(mut server: S, mut client: TcpStream, line: &Mutex<Line>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let ended = loop {
        let length = match server.read(&mut buffer) {
            Ok(length @ 1..) => length,
            ended => break ended,
        };
        let now = *lock(line);
        match now {
            Line::Open => {
                if client.write_all(&buffer[..length]).is_err() {
                    break Ok(0);
                }
            }
            Line::AnswerFails(How::Cut) => break Ok(0),
            Line::AnswerFails(How::BlackHole) => *lock(line) = Line::Dark,
            Line::Dark => {}
        }
    };
    if *lock(line) != Line::Dark {
        client.close();
    }
    server.close();
    ended.map(drop)
}

fn lock(line: &Mutex<Line>) -> std::sync::MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
