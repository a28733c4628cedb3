//! What passes between the server and tokio-postgres during a login, and what we make of it.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWrite, ReadBuf};
use tokio_postgres::config::ChannelBinding as Binding;
use tokio_util::io::poll_read_buf;

use super::{Credentials, LoggedIn, LoginError, LoginFailure, Method, Proof, Version};
use crate::wire::auth::{Answering, AuthError, Challenge};
use crate::wire::error::ServerMessage;
use crate::wire::socket::Socket;

/// The minor version with which Gauss servers tell most.
const GAUSS_MINOR: u16 = 51;

/// The newest minor version of PostgreSQL that is known here: 3.2 has longer cancel keys.
const NEWEST_MINOR: u32 = 2;

/// How far the login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The server has not yet said how the password is to be proven, if at all.
    Opening,
    /// It has, and waits for the proof or judges it.
    Proving,
    /// It has let us in, and tells of itself.
    Welcome,
    /// The login is over.
    Ready,
}

/// A login under way.
pub(super) struct State<'a> {
    credentials: &'a Credentials<'a>,
    version: Version,
    phase: Phase,
    /// Taken when the login is over.
    socket: Option<Socket>,
    /// What the server sent and nobody has looked at.
    inbox: BytesMut,
    /// Messages for tokio-postgres.
    released: BytesMut,
    /// What is to be sent.
    outbox: BytesMut,
    /// Our own answer to a Gauss server, while it is worked out.
    answering: Option<Answering>,
    method: Option<Method>,
    /// The minor version that is spoken: ours, unless the server talks it down.
    minor: u32,
    parameters: BTreeMap<String, String>,
    process_id: i32,
    secret_key: Bytes,
    /// Whether the server sent anything.
    heard: bool,
    refusal: Option<Box<ServerMessage>>,
    declined: Option<AuthError>,
    other_version: bool,
}

impl<'a> State<'a> {
    pub(super) fn new(socket: Socket, credentials: &'a Credentials<'a>, version: Version) -> Self {
        Self {
            credentials,
            version,
            phase: Phase::Opening,
            socket: Some(socket),
            inbox: BytesMut::new(),
            released: BytesMut::new(),
            outbox: BytesMut::new(),
            answering: None,
            method: None,
            minor: match version {
                Version::Gauss => GAUSS_MINOR.into(),
                Version::Plain => 0,
            },
            parameters: BTreeMap::new(),
            process_id: 0,
            secret_key: Bytes::new(),
            heard: false,
            refusal: None,
            declined: None,
            other_version: false,
        }
    }

    /// Takes what tokio-postgres sends; its first message is the start-up message. It is sent by
    /// [`State::poll_send`].
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let first = !self.heard && self.outbox.is_empty();
        self.outbox.extend_from_slice(bytes);
        // Length, version 3.0, parameters.
        let minor = self.outbox.get_mut(6..8).filter(|_| first);
        if let (Version::Gauss, Some(minor)) = (self.version, minor) {
            minor.copy_from_slice(&GAUSS_MINOR.to_be_bytes());
        }
        // The SASLInitialResponse begins with the mechanism that was chosen.
        let bound = self
            .outbox
            .get(5..)
            .is_some_and(|body| body.starts_with(b"SCRAM-SHA-256-PLUS\0"));
        if let Some(method) = self
            .method
            .as_mut()
            .filter(|method| method.proof == Proof::Sasl)
        {
            method.bound |= bound;
        }
    }

    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        while !self.outbox.is_empty() {
            match ready!(Pin::new(&mut *socket).poll_write(cx, &self.outbox))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.outbox.advance(sent),
            }
        }
        Pin::new(socket).poll_flush(cx)
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.released.is_empty() {
            if self.phase == Phase::Ready {
                // After ReadyForQuery nothing more is handed out; nobody waits for it.
                return Poll::Pending;
            }
            ready!(self.poll_answer(cx))?;
            // Our own answer has to be out before the server says more.
            ready!(self.poll_send(cx))?;
            let Some(socket) = &mut self.socket else {
                return Poll::Ready(Ok(()));
            };
            let read = ready!(poll_read_buf(Pin::new(socket), cx, &mut self.inbox))?;
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            self.heard = true;
            self.release()?;
        }
        let part = self.released.len().min(buf.remaining());
        buf.put_slice(&self.released[..part]);
        self.released.advance(part);
        Poll::Ready(Ok(()))
    }

    /// Works on our own answer, if there is one to give, and queues it.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(answering) = &mut self.answering else {
            return Poll::Ready(Ok(()));
        };
        match answering.advance() {
            Ok(Some(answer)) => {
                self.answering = None;
                frontend::password_message(answer.as_bytes(), &mut self.outbox)?;
                Poll::Ready(Ok(()))
            }
            Ok(None) => {
                // Others first: a time-out, a signal.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Err(reason) => Poll::Ready(Err(self.decline(reason))),
        }
    }

    /// Releases every whole message up to ReadyForQuery that is for tokio-postgres, having read it
    /// ourselves.
    fn release(&mut self) -> io::Result<()> {
        while self.phase != Phase::Ready && self.answering.is_none() {
            let Some(length) = whole_frame(&self.inbox)? else {
                return Ok(());
            };
            let frame = self.inbox.split_to(length);
            let is_for_tokio_postgres = match frame[0] {
                b'R' => self.request(&frame[5..])?,
                b'v' if self.phase == Phase::Opening => self.negotiate(&frame[5..])?,
                b'K' => self.keep_key(&frame[5..])?,
                _ => true,
            };
            if is_for_tokio_postgres {
                self.note(&frame)?;
                self.released.extend_from_slice(&frame);
            }
        }
        Ok(())
    }

    /// Reads an authentication request; `true` if it is PostgreSQL's own.
    fn request(&mut self, body: &[u8]) -> io::Result<bool> {
        let Some((&code, body)) = body.split_first_chunk() else {
            return Ok(true);
        };
        match (self.phase, i32::from_be_bytes(code)) {
            (Phase::Opening | Phase::Proving, 0) => {
                self.phase = Phase::Welcome;
                Ok(true)
            }
            (Phase::Opening, code) => self.open(code, body),
            // A second proof would be a second guess; only SASL takes several steps.
            (Phase::Proving, _) if self.method.is_none_or(|method| method.proof != Proof::Sasl) => {
                Err(self.decline(AuthError::AskedTwice))
            }
            _ => Ok(true),
        }
    }

    /// Reads the first authentication request, and begins the answer if it is a Gauss server's.
    fn open(&mut self, code: i32, body: &[u8]) -> io::Result<bool> {
        let challenge = match Challenge::read(code, body) {
            Ok(challenge) => challenge,
            Err(reason) => return Err(self.decline(reason)),
        };
        let proof = match (&challenge, code) {
            (Some(_), code) => Proof::Gauss(code),
            (None, 3) => Proof::Clear,
            (None, 5) => Proof::Md5,
            (None, 10) => Proof::Sasl,
            // Not by password; tokio-postgres says what it thinks of it.
            (None, _) => return Ok(true),
        };
        let Some(password) = self.credentials.password else {
            return Err(self.decline(AuthError::NoPassword));
        };
        let bound = self.credentials.channel_binding == Binding::Require;
        if bound && proof != Proof::Sasl {
            return Err(self.decline(AuthError::Unbound));
        }
        self.phase = Phase::Proving;
        self.method = Some(Method::new(proof, challenge.as_ref()));
        let user = self.credentials.user;
        self.answering = challenge.map(|challenge| challenge.answer(user, password));
        Ok(self.answering.is_none())
    }

    /// PostgreSQL's answer to a version that it does not have: the one that it has. Never for
    /// tokio-postgres, which did not ask.
    fn negotiate(&mut self, body: &[u8]) -> io::Result<bool> {
        let offer = body.first_chunk().map(|&offer| u32::from_be_bytes(offer));
        // A bare minor version in the manual's words, with the major one in truth.
        let minor = offer.map(|offer| offer & 0xffff);
        if let Some(minor) = minor.filter(|minor| *minor <= NEWEST_MINOR) {
            self.minor = minor;
            return Ok(false);
        }
        self.other_version = true;
        Err(io::Error::other("the server offers a later protocol"))
    }

    /// Keeps the key that cancels this session's statements.
    fn keep_key(&mut self, body: &[u8]) -> io::Result<bool> {
        let Some((&process_id, key)) = body.split_first_chunk() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.process_id = i32::from_be_bytes(process_id);
        self.secret_key = Bytes::copy_from_slice(key);
        Ok(false)
    }

    fn note(&mut self, frame: &BytesMut) -> io::Result<()> {
        if !matches!(frame[0], b'E' | b'S' | b'Z') {
            return Ok(());
        }
        match Message::parse(&mut frame.clone())? {
            Some(Message::ErrorResponse(error)) => {
                self.refusal = Some(Box::new(ServerMessage::read(error.fields())?));
            }
            Some(Message::ParameterStatus(status)) => {
                self.parameters
                    .insert(status.name()?.to_owned(), status.value()?.to_owned());
            }
            Some(Message::ReadyForQuery(_)) => self.phase = Phase::Ready,
            _ => {}
        }
        Ok(())
    }

    /// Ends the login from our side; tokio-postgres is given an error that nobody reads.
    fn decline(&mut self, reason: AuthError) -> io::Error {
        self.declined = Some(reason);
        io::Error::other("declined")
    }

    /// What the login leaves behind. Called once, after tokio-postgres has succeeded.
    pub(super) fn logged_in(&mut self) -> LoggedIn {
        LoggedIn {
            socket: self.socket.take().expect("the socket is taken once, here"),
            inbox: std::mem::take(&mut self.inbox),
            parameters: std::mem::take(&mut self.parameters),
            process_id: self.process_id,
            secret_key: std::mem::take(&mut self.secret_key),
            method: self.method,
            minor: self.minor,
        }
    }

    /// What went wrong, by whoever knows it best. `failed` is what tokio-postgres says.
    pub(super) fn failure(&mut self, failed: tokio_postgres::Error) -> LoginFailure {
        let error = match (self.declined, self.refusal.take()) {
            (_, said) if self.is_other_version(said.as_deref(), &failed) => {
                LoginError::OtherVersion
            }
            (Some(reason), _) => LoginError::Declined(reason),
            (None, Some(said)) => LoginError::Refused(said),
            (None, None) => LoginError::Failed(failed),
        };
        LoginFailure {
            error,
            method: self.method,
        }
    }

    /// Whether the server would rather be spoken to in version 3.0. Servers refuse an unknown
    /// version as a missing feature (0A000), poolers as a breach of the protocol (08P01), and some
    /// hang up without a word.
    fn is_other_version(
        &self,
        said: Option<&ServerMessage>,
        failed: &tokio_postgres::Error,
    ) -> bool {
        let refused = match said {
            Some(said) => matches!(said.code.as_str(), "0A000" | "08P01"),
            None => self.other_version || !self.heard && is_hang_up(failed),
        };
        self.version == Version::Gauss && self.phase == Phase::Opening && refused
    }
}

/// Whether the other side has ended the connection.
fn is_hang_up(error: &tokio_postgres::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    let kind = cause.map(io::Error::kind);
    error.is_closed()
        || matches!(
            kind,
            Some(BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        )
}

/// The length of the frame at the start of `bytes`, tag included, if all of it is there.
fn whole_frame(bytes: &[u8]) -> io::Result<Option<usize>> {
    /// No message of a login is longer, in bytes: what is, is no PostgreSQL server.
    const LOGIN_MESSAGE_LIMIT: usize = 64 * 1024;
    let Some(&[a, b, c, d]) = bytes.get(1..5).and_then(|length| length.first_chunk()) else {
        return Ok(None);
    };
    match usize::try_from(i32::from_be_bytes([a, b, c, d])) {
        Ok(length) if (4..=LOGIN_MESSAGE_LIMIT).contains(&length) => {
            Ok((bytes.len() > length).then_some(length + 1))
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "what answers is not a PostgreSQL server",
        )),
    }
}
