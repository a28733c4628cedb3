//! A server that plays the server's part of a conversation, and keeps what the client says.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::recording::{Message, Start};

/// How long the player waits for the client to say something.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the player does next.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Takes a message without a tag: a start-up message, an SSLRequest, a CancelRequest.
    HearStart,
    /// Takes a message with a tag.
    Hear,
    /// Takes a TLS record.
    HearTls,
}

impl Turn {
    /// The server's part of recorded messages.
    pub(crate) fn of(messages: &[Message]) -> Vec<Self> {
        let turn = |message: &Message| match (message.from_client, message.name.as_str()) {
            (false, _) => Self::Say(message.bytes.clone()),
            (true, "StartupMessage" | "SSLRequest") => Self::HearStart,
            (true, "TLS ClientHello") => Self::HearTls,
            (true, _) => Self::Hear,
        };
        messages.iter().map(turn).collect()
    }
}

/// An ErrorResponse as a Gauss server sends it.
pub(crate) fn fatal(code: &str, message: &str) -> Vec<u8> {
    framed(
        b'E',
        format!("SFATAL\0c0\0M{message}\0C{code}\0dBACKEND\0\0").as_bytes(),
    )
}

/// A message: tag, length, body.
pub(crate) fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(u32::try_from(body.len() + 4).expect("short").to_be_bytes());
    message.extend(body);
    message
}

/// What a client said on one connection: each message that was waited for, and then all the rest.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) rest: Vec<u8>,
}

impl Heard {
    /// The start-up message.
    pub(crate) fn start(&self) -> Start {
        let start = |message: &&Vec<u8>| message.len() > 8 && message[4..6] == [0, 3];
        Start::read(
            self.messages
                .iter()
                .find(start)
                .expect("a start-up message"),
        )
    }

    /// The texts of all password messages, wherever they came.
    pub(crate) fn proofs(&self) -> Vec<&[u8]> {
        let waited = self.messages.iter().filter(|message| message[0] == b'p');
        let proofs = waited
            .map(|message| &message[5..message.len() - 1])
            .collect();
        assert_ne!(
            self.rest.first(),
            Some(&b'p'),
            "a proof that nobody asked for"
        );
        proofs
    }
}

/// A server on a port of its own.
pub(crate) struct Player {
    pub(crate) addr: SocketAddr,
    thread: JoinHandle<(TcpListener, Vec<Heard>)>,
}

impl Player {
    /// Plays one script per connection, in the order in which they come.
    pub(crate) fn new(scripts: Vec<Vec<Turn>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let addr = listener.local_addr().expect("an address");
        let thread = std::thread::spawn(move || {
            let heard = scripts
                .iter()
                .map(|script| play(&listener, script))
                .collect();
            (listener, heard)
        });
        Self { addr, thread }
    }

    /// What was said on each connection.
    ///
    /// # Panics
    /// The client made more connections than there are scripts.
    pub(crate) fn heard(self) -> Vec<Heard> {
        let (listener, heard) = self.thread.join().expect("the player has played");
        listener.set_nonblocking(true).expect("a socket");
        let more = listener.accept().map_err(|error| error.kind());
        assert!(
            matches!(more, Err(ErrorKind::WouldBlock)),
            "one connection too many"
        );
        heard
    }
}

fn play(listener: &TcpListener, script: &[Turn]) -> Heard {
    let (mut stream, _) = listener.accept().expect("a client");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    let mut heard = Heard::default();
    for turn in script {
        let message = match turn {
            Turn::Say(bytes) => {
                // A client that has had enough is heard below.
                let _ = stream.write_all(bytes);
                continue;
            }
            Turn::HearStart => hear(&mut stream, 0, 4),
            Turn::Hear => hear(&mut stream, 1, 5),
            Turn::HearTls => hear_tls(&mut stream),
        };
        match message {
            Some(message) => heard.messages.push(message),
            None => return heard,
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut heard.rest);
    heard
}

/// One message, whose length stands at `at`; `None` when the client has gone.
fn hear(stream: &mut TcpStream, at: usize, head: usize) -> Option<Vec<u8>> {
    let mut message = vec![0; head];
    stream.read_exact(&mut message).ok()?;
    let length = u32::from_be_bytes(*message[at..].first_chunk()?);
    message.resize(at + usize::try_from(length).ok()?, 0);
    stream.read_exact(&mut message[head..]).ok()?;
    Some(message)
}

fn hear_tls(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record).ok()?;
    assert_eq!(record[0], 22, "a TLS handshake");
    record.resize(
        5 + usize::from(u16::from_be_bytes([record[3], record[4]])),
        0,
    );
    stream.read_exact(&mut record[5..]).ok()?;
    Some(record)
}
