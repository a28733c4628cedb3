//! A TCP port in front of a server's socket that passes bytes on in small pieces, or cuts the
//! connection at a chosen byte.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::server::Database;

/// What a proxy does to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Passes 1 to 9 bytes at a time, both ways.
    Trickle,
    /// Cuts when the client sends this: the server never sees it, nor anything after it.
    CutBefore(&'static [u8]),
    /// Passes this of the client on, waits for the server's answer, and cuts instead of
    /// passing the answer on.
    CutAnswer(&'static [u8]),
    /// Leaves the client when it sends this; the server, which never sees it, is not told so.
    LeaveBefore(&'static [u8]),
    /// Takes no connection.
    Refuse,
    /// Cuts when the server sends this.
    CutWhenServerSays(&'static [u8]),
    /// Passes the second on where the server says the first, which is as long.
    Misquote(&'static [u8], &'static [u8]),
    /// Passes everything on. The server's socket is a Unix socket, so it offers no TLS.
    Straight,
}

/// A proxy in front of the server of a database. It serves connections until the process ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
}

impl Proxy {
    /// Begins to listen.
    ///
    /// # Panics
    /// There is no free port.
    pub(crate) fn new(database: &Database, manner: Manner) -> Self {
        Self::changing(database, move |_| manner)
    }

    /// Begins to listen; the first connection goes in `manner`, later ones straight.
    ///
    /// # Panics
    /// There is no free port.
    pub(crate) fn at_first(database: &Database, manner: Manner) -> Self {
        Self::changing(
            database,
            move |nth| {
                if nth == 0 { manner } else { Manner::Straight }
            },
        )
    }

    /// Begins to listen; the first connection goes in `manner`, later ones are refused.
    ///
    /// # Panics
    /// There is no free port.
    pub(crate) fn once(database: &Database, manner: Manner) -> Self {
        Self::changing(
            database,
            move |nth| if nth == 0 { manner } else { Manner::Refuse },
        )
    }

    /// Begins to listen at `port`; every connection goes straight.
    ///
    /// # Panics
    /// The port is taken.
    pub(crate) fn on_port(database: &Database, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        Self::serving(database, listener, |_| Manner::Straight)
    }

    /// Begins to listen; `manner` says how each connection goes, by its number, 0 for the first.
    fn changing(database: &Database, manner: impl Fn(usize) -> Manner + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Self::serving(database, listener, manner)
    }

    fn serving(
        database: &Database,
        listener: TcpListener,
        manner: impl Fn(usize) -> Manner + Send + 'static,
    ) -> Self {
        let server = database.server();
        let socket = format!("{}/.s.PGSQL.{}", server.host(), server.port());
        let port = listener.local_addr().expect("a bound port").port();
        thread::spawn(move || {
            for (nth, client) in listener.incoming().flatten().enumerate() {
                let manner = manner(nth);
                if matches!(manner, Manner::Refuse) {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&socket) else {
                    continue;
                };
                let line = Line {
                    client,
                    server,
                    manner,
                    answer_is_lost: AtomicBool::new(false),
                };
                line.open();
            }
        });
        Self { port }
    }

    /// The port, at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of `database` through this proxy.
    pub(crate) fn url(&self, database: &Database) -> String {
        format!(
            "postgresql://{}@127.0.0.1:{}/{}",
            database.server().user(),
            self.port,
            database.name()
        )
    }
}

/// One connection through the proxy.
struct Line {
    client: TcpStream,
    server: UnixStream,
    manner: Manner,
    answer_is_lost: AtomicBool,
}

impl Line {
    fn open(self) {
        let line = Arc::new(self);
        let other = Arc::clone(&line);
        thread::spawn(move || {
            let _ = other.requests();
            other.cut();
        });
        thread::spawn(move || {
            let _ = line.answers();
            line.cut();
        });
    }

    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn requests(&self) -> io::Result<()> {
        self.client.set_nodelay(true)?;
        let cut = match self.manner {
            Manner::CutBefore(mark) | Manner::CutAnswer(mark) | Manner::LeaveBefore(mark) => {
                Some(mark)
            }
            _ => None,
        };
        let mut seen = Seen::new(cut);
        let mut buffer = vec![0; 64 * 1024];
        while let length @ 1.. = (&self.client).read(&mut buffer)? {
            let data = &buffer[..length];
            match seen.at(data) {
                Some(at) if matches!(self.manner, Manner::CutBefore(_)) => {
                    return (&self.server).write_all(&data[..at]);
                }
                Some(at) if matches!(self.manner, Manner::LeaveBefore(_)) => {
                    (&self.server).write_all(&data[..at])?;
                    self.client.shutdown(Shutdown::Both)?;
                    // Until the server ends the session by itself.
                    loop {
                        thread::park();
                    }
                }
                Some(_) => self.answer_is_lost.store(true, Ordering::SeqCst),
                None => {}
            }
            self.pass(data, &self.server)?;
        }
        Ok(())
    }

    fn answers(&self) -> io::Result<()> {
        let cut = match self.manner {
            Manner::CutWhenServerSays(mark) => Some(mark),
            _ => None,
        };
        let mut seen = Seen::new(cut);
        let mut buffer = vec![0; 64 * 1024];
        while let length @ 1.. = (&self.server).read(&mut buffer)? {
            if self.answer_is_lost.load(Ordering::SeqCst) {
                return Ok(());
            }
            if let Manner::Misquote(said, instead) = self.manner {
                if let Some(at) = memchr::memmem::find(&buffer[..length], said) {
                    buffer[at..at + said.len()].copy_from_slice(instead);
                }
            }
            let data = &buffer[..length];
            if let Some(at) = seen.at(data) {
                return (&self.client).write_all(&data[..at]);
            }
            self.pass(data, &self.client)?;
        }
        Ok(())
    }

    fn pass(&self, mut data: &[u8], mut to: impl Write) -> io::Result<()> {
        if !matches!(self.manner, Manner::Trickle) {
            return to.write_all(data);
        }
        for size in (1..=9).cycle() {
            let (piece, rest) = data.split_at(size.min(data.len()));
            to.write_all(piece)?;
            data = rest;
            if data.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

/// Looks for a mark in a stream, which may come in pieces.
struct Seen {
    mark: Option<&'static [u8]>,
    tail: Vec<u8>,
}

impl Seen {
    fn new(mark: Option<&'static [u8]>) -> Self {
        Self {
            mark,
            tail: Vec::new(),
        }
    }

    /// Where in `data`, which follows that of the last call, the mark begins; 0 where it began
    /// before.
    fn at(&mut self, data: &[u8]) -> Option<usize> {
        let mark = self.mark?;
        let before = self.tail.len();
        self.tail.extend_from_slice(data);
        let found = memchr::memmem::find(&self.tail, mark);
        let keep = self.tail.len().min(mark.len() - 1);
        self.tail.drain(..self.tail.len() - keep);
        found.map(|at| at.saturating_sub(before))
    }
}
