//! The login, as tokio-postgres does it, on a socket that is ours afterwards.
//!
//! tokio-postgres is given a [`LoginStream`]. It hands out the server's messages up to and
//! including the first ReadyForQuery and nothing beyond, so when the login is over every later
//! byte is still in our own buffer. On the way it reads what the session needs to know: the
//! parameters, the cancel key, and the server's error in full if the login is refused.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use postgres_protocol::message::backend::Message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{ChannelBinding as Binding, Config, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_util::io::poll_read_buf;

use super::error::ServerMessage;
use super::socket::Socket;

/// Who logs in, and to what.
pub(super) struct Credentials<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a str>,
    pub(super) dbname: &'a str,
    pub(super) application_name: &'a str,
    pub(super) options: Option<&'a str>,
    pub(super) channel_binding: Binding,
}

/// What a login leaves behind.
pub(super) struct LoggedIn {
    pub(super) socket: Socket,
    pub(super) inbox: BytesMut,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) process_id: i32,
    pub(super) secret_key: i32,
}

/// Why a login failed.
#[derive(Debug)]
pub(super) enum LoginError {
    /// The server said no.
    Refused(Box<ServerMessage>),
    /// tokio-postgres could not go on: the socket fell, a password is missing, a method is unknown.
    Failed(tokio_postgres::Error),
}

/// Logs in on `socket`. `end_point` is the hash of the server's certificate, under TLS.
pub(super) async fn log_in(
    socket: Socket,
    end_point: Option<Vec<u8>>,
    credentials: &Credentials<'_>,
) -> Result<LoggedIn, LoginError> {
    let encrypted = matches!(socket, Socket::Tls(_));
    let state = Arc::new(Mutex::new(State::new(socket)));
    let stream = LoginStream {
        state: Arc::clone(&state),
        end_point,
    };
    let outcome = config(credentials, encrypted)
        .connect_raw(stream, AsItIs)
        .await;
    // Client and Connection end here; they hold no byte that we need.
    let failed = outcome.err();
    let mut state = lock(&state);
    match (failed, state.refusal.take(), state.socket.take()) {
        (None, _, Some(socket)) => Ok(LoggedIn {
            socket,
            inbox: std::mem::take(&mut state.inbox),
            parameters: std::mem::take(&mut state.parameters),
            process_id: state.process_id,
            secret_key: state.secret_key,
        }),
        (_, Some(refusal), _) => Err(LoginError::Refused(refusal)),
        (Some(error), None, _) => Err(LoginError::Failed(error)),
        (None, None, None) => unreachable!("the socket is taken once, here"),
    }
}

fn config(credentials: &Credentials<'_>, encrypted: bool) -> Config {
    let mut config = Config::new();
    config
        .user(credentials.user)
        .dbname(credentials.dbname)
        .application_name(credentials.application_name)
        .channel_binding(credentials.channel_binding);
    if let Some(password) = credentials.password {
        config.password(password);
    }
    if let Some(options) = credentials.options {
        config.options(options);
    }
    if encrypted {
        // TLS is done: `Direct` makes tokio-postgres take the stream without asking for it again.
        config
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    config
}

struct State {
    socket: Option<Socket>,
    inbox: BytesMut,
    /// Bytes at the front of the inbox that tokio-postgres may have.
    released: usize,
    finished: bool,
    parameters: BTreeMap<String, String>,
    process_id: i32,
    secret_key: i32,
    refusal: Option<Box<ServerMessage>>,
}

impl State {
    fn new(socket: Socket) -> Self {
        Self {
            socket: Some(socket),
            inbox: BytesMut::new(),
            released: 0,
            finished: false,
            parameters: BTreeMap::new(),
            process_id: 0,
            secret_key: 0,
            refusal: None,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.released == 0 && !self.finished {
            let Some(socket) = &mut self.socket else {
                return Poll::Ready(Ok(()));
            };
            let read = std::task::ready!(poll_read_buf(Pin::new(socket), cx, &mut self.inbox))?;
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            self.release()?;
        }
        let part = self.released.min(buf.remaining());
        if part == 0 {
            // After ReadyForQuery nothing more is handed out; nobody waits for it.
            return Poll::Pending;
        }
        buf.put_slice(&self.inbox[..part]);
        self.inbox.advance(part);
        self.released -= part;
        Poll::Ready(Ok(()))
    }

    /// Releases every whole message up to ReadyForQuery, having read it ourselves.
    fn release(&mut self) -> io::Result<()> {
        while !self.finished {
            let rest = &self.inbox[self.released..];
            let Some(length) = whole_frame(rest)? else {
                return Ok(());
            };
            let tag = rest[0];
            if matches!(tag, b'E' | b'S' | b'K') {
                let mut frame = BytesMut::from(&rest[..length]);
                if let Some(message) = Message::parse(&mut frame)? {
                    self.note(message)?;
                }
            }
            self.released += length;
            self.finished = tag == b'Z';
        }
        Ok(())
    }

    fn note(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::ErrorResponse(error) => {
                self.refusal = Some(Box::new(ServerMessage::read(error.fields())?));
            }
            Message::ParameterStatus(status) => {
                self.parameters
                    .insert(status.name()?.to_owned(), status.value()?.to_owned());
            }
            Message::BackendKeyData(key) => {
                self.process_id = key.process_id();
                self.secret_key = key.secret_key();
            }
            _ => {}
        }
        Ok(())
    }
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

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket as tokio-postgres sees it during the login.
struct LoginStream {
    state: Arc<Mutex<State>>,
    end_point: Option<Vec<u8>>,
}

impl LoginStream {
    fn write<T>(
        &self,
        write: impl FnOnce(Pin<&mut Socket>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut lock(&self.state).socket {
            Some(socket) => write(Pin::new(socket)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for LoginStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.state).poll_read(cx, buf)
    }
}

impl AsyncWrite for LoginStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(|socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for LoginStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.end_point
            .clone()
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Hands the stream through: it is encrypted already, or is not to be.
struct AsItIs;

impl TlsConnect<LoginStream> for AsItIs {
    type Stream = LoginStream;
    type Error = io::Error;
    type Future = Ready<io::Result<LoginStream>>;

    fn connect(self, stream: LoginStream) -> Self::Future {
        ready(Ok(stream))
    }
}
