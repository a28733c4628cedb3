//! The login, as tokio-postgres does it, on a socket that is ours afterwards.
//!
//! tokio-postgres is given a [`LoginStream`]. It hands out the server's messages up to and
//! including the first ReadyForQuery and nothing beyond, so when the login is over every later
//! byte is still in our own buffer. On the way it reads what the session needs to know: the
//! parameters, the cancel key, and the server's error in full if the login is refused.
//!
//! What tokio-postgres does not know is settled here and never reaches it: a start with protocol
//! 3.51, which Gauss servers (DWS, openGauss, GaussDB) want and PostgreSQL talks down to its own;
//! the password methods of these servers ([`auth`](super::auth)); and cancel keys longer than four
//! bytes.

mod method;
mod state;

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{ChannelBinding as Binding, Config, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

pub use self::method::Method;
pub(super) use self::method::Proof;
use self::state::State;
use super::auth::AuthError;
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

/// The protocol version that a login starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.51: a Gauss server states the rounds of its password hash, and asks for SHA-256 rather
    /// than MD5 where it keeps both. PostgreSQL since 9.3 answers with the version it has.
    Gauss,
    /// 3.0, known to every server.
    Plain,
}

/// What a login leaves behind.
pub(super) struct LoggedIn {
    pub(super) socket: Socket,
    pub(super) inbox: BytesMut,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) process_id: i32,
    /// Four bytes, or more since protocol 3.2.
    pub(super) secret_key: Bytes,
    /// How the password was proven, where the server asked for it.
    pub(super) method: Option<Method>,
    /// The protocol that is spoken is 3.`minor`.
    pub(super) minor: u32,
}

/// Why a login failed, and whether the server had asked for the password by then: it may have been
/// sent, in some form, and counted.
#[derive(Debug)]
pub(super) struct LoginFailure {
    pub(super) error: LoginError,
    pub(super) method: Option<Method>,
}

#[derive(Debug)]
pub(super) enum LoginError {
    /// The server does not know the version that we started with. Nothing else was sent.
    OtherVersion,
    /// The server said no.
    Refused(Box<ServerMessage>),
    /// We do not answer what the server asks.
    Declined(AuthError),
    /// tokio-postgres could not go on: the socket fell, or a method is unknown.
    Failed(tokio_postgres::Error),
}

/// Logs in on `socket`. `end_point` is the hash of the server's certificate, under TLS.
pub(super) async fn log_in(
    socket: Socket,
    end_point: Option<Vec<u8>>,
    credentials: &Credentials<'_>,
    version: Version,
) -> Result<LoggedIn, LoginFailure> {
    let encrypted = matches!(socket, Socket::Tls(_));
    let state = Arc::new(Mutex::new(State::new(socket, credentials, version)));
    let stream = LoginStream {
        state: Arc::clone(&state),
        end_point,
    };
    let outcome = config(credentials, encrypted)
        .connect_raw(stream, AsItIs)
        .await
        .map(drop);
    // Client and Connection end here; they hold no byte that we need.
    let mut state = lock(&state);
    match outcome {
        Ok(()) => Ok(state.logged_in()),
        Err(error) => Err(state.failure(error)),
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

fn lock<'a, 'b>(state: &'b Mutex<State<'a>>) -> MutexGuard<'b, State<'a>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket as tokio-postgres sees it during the login.
struct LoginStream<'a> {
    state: Arc<Mutex<State<'a>>>,
    end_point: Option<Vec<u8>>,
}

impl AsyncRead for LoginStream<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.state).poll_read(cx, buf)
    }
}

impl AsyncWrite for LoginStream<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.state).write(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.state).poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for LoginStream<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        self.end_point
            .clone()
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Hands the stream through: it is encrypted already, or is not to be.
struct AsItIs;

impl<'a> TlsConnect<LoginStream<'a>> for AsItIs {
    type Stream = LoginStream<'a>;
    type Error = io::Error;
    type Future = Ready<io::Result<LoginStream<'a>>>;

    fn connect(self, stream: LoginStream<'a>) -> Self::Future {
        ready(Ok(stream))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    /// Logs in to a server that says `words` and hangs up.
    fn log_in_to(words: &[u8], version: Version) -> Result<LoggedIn, LoginFailure> {
        let credentials = Credentials {
            user: "loader",
            password: Some("hunter2"),
            dbname: "sales",
            application_name: "test",
            options: None,
            channel_binding: Binding::Prefer,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let server = async {
                theirs.write_all(words).await.unwrap();
                theirs.shutdown().await.unwrap();
                let mut start = [0; 8];
                theirs.read_exact(&mut start).await.unwrap();
                start
            };
            let client = log_in(Socket::Unix(ours), None, &credentials, version);
            let (outcome, start) = futures::join!(client, server);
            let minor = match version {
                Version::Gauss => [0, 51],
                Version::Plain => [0, 0],
            };
            assert_eq!(start[6..8], minor);
            outcome
        })
    }

    /// Frames that a server might send, of a likely tag and with any body.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let tag = prop::sample::select(b"RRRRvKESNZA1".to_vec());
        let code = prop::sample::select(vec![0, 3, 5, 10, 11, 12, 13, 14]);
        let rest = prop::collection::vec(any::<u8>(), 0..90);
        let frame = (tag, code, rest).prop_map(|(tag, code, rest)| {
            let mut frame = vec![tag];
            frame.extend(u32::try_from(rest.len() + 8).unwrap().to_be_bytes());
            frame.extend(i32::to_be_bytes(code));
            frame.extend(rest);
            frame
        });
        prop::collection::vec(frame, 0..6).prop_map(|frames| frames.concat())
    }

    proptest! {
        #[test]
        fn no_server_stops_the_program(
            words in frames(),
            cut in any::<prop::sample::Index>(),
            garbage in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for version in [Version::Gauss, Version::Plain] {
                let _ = log_in_to(&words, version);
                let _ = log_in_to(&words[..cut.index(words.len() + 1)], version);
                let _ = log_in_to(&garbage, version);
            }
        }
    }

    #[test]
    fn bytes_after_the_login_stay_for_the_session() {
        let mut words = Vec::new();
        for (tag, body) in [
            (b'R', &[0; 4][..]),
            (b'K', &[0, 0, 0, 7, 1, 2, 3, 4]),
            (b'Z', b"I"),
        ] {
            words.push(tag);
            words.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            words.extend(body);
        }
        words.extend(b"N and so on");
        let done = log_in_to(&words, Version::Gauss).map_err(|failure| failure.error);
        let done = done.expect("a login");
        assert_eq!(&done.inbox[..], b"N and so on");
        assert_eq!(
            (done.process_id, &done.secret_key[..]),
            (7, &[1, 2, 3, 4][..])
        );
        assert_eq!(done.method, None);
    }
}
