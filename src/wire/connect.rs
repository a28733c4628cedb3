//! From a [`Target`] to a [`Session`]: name, socket, TLS, login.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::cancel::Canceller;
use super::channel::Channel;
use super::error::ServerMessage;
use super::login::{Credentials, LoginError, log_in};
use super::session::Session;
use super::socket::Socket;
use super::target::{Address, ChannelBinding, Host, SslMode, Target, TlsSettings};
use super::tls;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// The time one address may take from socket to login, where the settings name none.
const PATIENCE: Duration = Duration::from_secs(30);

/// One server address that was reached, and how to reach it again.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    place: Place,
    tls: TlsSettings,
    keepalive: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Place {
    Unix(PathBuf),
    Tcp { name: String, addr: SocketAddr },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "socket {}", path.display()),
            Self::Tcp { addr, .. } => write!(f, "{addr}"),
        }
    }
}

/// Connects and logs in: the target's hosts in their order, the first that answers.
///
/// `application_name` is what the server shows of us where the settings name nothing.
///
/// # Errors
/// [`ErrorKind::Connect`] when no host can be reached, with what each one said;
/// [`ErrorKind::Login`] as soon as one refuses the login: another host would only count a second
/// failure against the account.
///
/// # Cancel safety
/// Dropped, the socket closes and nothing is left behind.
pub async fn connect(target: &Target, application_name: &str) -> Result<Session> {
    let mut failures: Vec<Error> = Vec::new();
    for host in &target.hosts {
        match connect_host(target, host, application_name).await {
            Ok(session) => return Ok(session),
            Err(error) if error.kind() == ErrorKind::Login => {
                return Err(error.within(format!("cannot log in to {}", target.describe(host))));
            }
            Err(error) => {
                failures.push(error.within(format!("cannot connect to {}", target.describe(host))));
            }
        }
    }
    Err(all_failed(failures))
}

/// One error of all: the first failure, with the others as lines of their own.
fn all_failed(failures: Vec<Error>) -> Error {
    let mut failures = failures.into_iter();
    let Some(mut first) = failures.next() else {
        return Error::new(ErrorKind::Connect, "there is no address to connect to");
    };
    for other in failures {
        first = first.line("also", chain(&other));
    }
    first
}

/// An error and its causes in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(link) = cause {
        text.push_str(&format!(": {link}"));
        cause = link.source();
    }
    text
}

/// Connects to the first address of a host that answers. Each address has the whole time, as in
/// libpq: one that swallows packets does not take it from the next.
async fn connect_host(target: &Target, host: &Host, application_name: &str) -> Result<Session> {
    let patience = target.connect_timeout.unwrap_or(PATIENCE);
    let mut failures = Vec::new();
    for place in within(patience, "the look-up of its name", places(host)).await? {
        let what = place.to_string();
        let endpoint = Endpoint {
            place,
            tls: target.tls.clone(),
            keepalive: target.keepalive,
        };
        let attempt = connect_endpoint(target, host, endpoint, application_name);
        match within(patience, &what, attempt).await {
            Err(error) if error.kind() == ErrorKind::Connect => failures.push(error),
            outcome => return outcome,
        }
    }
    Err(all_failed(failures))
}

/// What `future` returns, or an error when that takes longer than `patience`.
async fn within<T>(
    patience: Duration,
    what: &str,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    match timeout(patience, future).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(
            ErrorKind::Connect,
            format!("no answer from {what} within {} s", patience.as_secs()),
        )),
    }
}

/// Connects to one address. With `sslmode=prefer`, a server that refuses us under TLS is asked
/// once more in plain text, as libpq does.
async fn connect_endpoint(
    target: &Target,
    host: &Host,
    mut endpoint: Endpoint,
    application_name: &str,
) -> Result<Session> {
    match attempt(target, host, &endpoint, application_name).await {
        Err(failure) if endpoint.tls.mode == SslMode::Prefer && failure.may_pass_in_plain() => {
            endpoint.tls.mode = SslMode::Disable;
            attempt(target, host, &endpoint, application_name)
                .await
                .map_err(|plain| worse(failure, plain))
        }
        outcome => outcome.map_err(|failure| failure.error),
    }
}

/// Which of two failures to report: the one under TLS, or that in plain text which followed. A
/// refused login in plain text must not pass for a failed connection: another address would be
/// tried, and count another wrong password against the account.
fn worse(encrypted: Failure, plain: Failure) -> Error {
    if plain.error.kind() == ErrorKind::Login && plain.code != encrypted.code {
        return plain.error.line("with TLS", chain(&encrypted.error));
    }
    encrypted.error
}

#[derive(Debug)]
struct Failure {
    error: Error,
    encrypted: bool,
    code: Option<String>,
}

impl Failure {
    /// A failed handshake, or a server whose rules admit this login without TLS only. Never after
    /// a wrong password: each try counts against the account.
    fn may_pass_in_plain(&self) -> bool {
        self.encrypted && self.code.as_deref().is_none_or(|code| code == "28000")
    }
}

async fn attempt(
    target: &Target,
    host: &Host,
    endpoint: &Endpoint,
    application_name: &str,
) -> Result<Session, Failure> {
    let failed = |encrypted| {
        move |error| Failure {
            error,
            encrypted,
            code: None,
        }
    };
    let socket = reach(endpoint).await.map_err(failed(false))?;
    let socket = encrypt(socket, endpoint).await.map_err(failed(true))?;
    let encrypted = matches!(socket, Socket::Tls(_));
    let end_point = match &socket {
        Socket::Tls(stream) => tls::end_point(stream),
        Socket::Unix(_) | Socket::Tcp(_) => None,
    };
    let credentials = Credentials {
        user: &target.user,
        password: host.password.as_ref().map(Secret::reveal),
        dbname: &target.dbname,
        application_name: target
            .application_name
            .as_deref()
            .unwrap_or(application_name),
        options: target.options.as_deref(),
        channel_binding: match target.channel_binding {
            ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
            ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
            ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
        },
    };
    match log_in(socket, end_point, &credentials).await {
        Ok(done) => {
            let canceller = Canceller::new(endpoint.clone(), done.process_id, done.secret_key);
            let channel = Channel::new(done.socket, done.inbox, done.parameters);
            Ok(Session::new(channel, canceller))
        }
        Err(LoginError::Refused(said)) => Err(Failure {
            encrypted,
            code: Some(said.code.clone()),
            error: refused(*said),
        }),
        Err(LoginError::Failed(cause)) => Err(Failure {
            encrypted,
            code: Some(String::new()),
            error: login_failed(&cause, credentials.password.is_none()),
        }),
    }
}

/// A refusal at login. A server that is starting, stopping or full may take us elsewhere or later;
/// anything else is about who we are.
fn refused(said: ServerMessage) -> Error {
    let kind = if matches!(said.class(), "57" | "53") {
        ErrorKind::Connect
    } else {
        ErrorKind::Login
    };
    let hint = match said.code.as_str() {
        "28P01" => Some(
            "check the user and the password; a password comes from the job file, PGPASSWORD or ~/.pgpass",
        ),
        "3D000" => Some("check the database name; without one, it is the user's name"),
        "28000" => Some(
            "the server's rules (pg_hba.conf) do not admit this user, host, database and encryption",
        ),
        _ => None,
    };
    let error = said.into_error(kind);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn login_failed(cause: &tokio_postgres::Error, no_password: bool) -> Error {
    let text =
        std::error::Error::source(cause).map_or_else(|| cause.to_string(), ToString::to_string);
    if no_password && text.contains("password missing") {
        return Error::new(
            ErrorKind::Login,
            "the server asks for a password, and there is none",
        )
        .hint("set PGPASSWORD, add a line to ~/.pgpass, or use a service file");
    }
    if text.contains("received fatal alert") {
        // In TLS 1.3 the server looks at our certificate after the handshake.
        return Error::new(
            ErrorKind::Login,
            format!("the server refuses our side of TLS: {text}"),
        )
        .hint("check sslcert and sslkey: the server must trust who signed the certificate");
    }
    let kind = if cause.is_closed() || text.contains("connection") {
        ErrorKind::Connect
    } else {
        ErrorKind::Login
    };
    Error::new(kind, format!("the login broke off: {text}"))
}

async fn places(host: &Host) -> Result<Vec<Place>> {
    match &host.address {
        Address::Unix(dir) => Ok(vec![Place::Unix(
            dir.join(format!(".s.PGSQL.{}", host.port)),
        )]),
        Address::Tcp {
            name,
            addr: Some(addr),
        } => Ok(vec![Place::Tcp {
            name: name.clone(),
            addr: SocketAddr::new(*addr, host.port),
        }]),
        Address::Tcp { name, addr: None } => {
            let found = lookup_host((name.as_str(), host.port))
                .await
                .map_err(|cause| {
                    Error::new(
                        ErrorKind::Connect,
                        format!("the name `{name}` has no address"),
                    )
                    .because(cause)
                })?;
            Ok(found
                .map(|addr| Place::Tcp {
                    name: name.clone(),
                    addr,
                })
                .collect())
        }
    }
}

/// Opens a stream to `endpoint`, encrypted as its settings ask.
pub(super) async fn open(endpoint: &Endpoint) -> Result<Socket> {
    encrypt(reach(endpoint).await?, endpoint).await
}

async fn reach(endpoint: &Endpoint) -> Result<Socket> {
    match &endpoint.place {
        Place::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Socket::Unix(stream)),
            Err(cause) => Err(unreachable_at(&endpoint.place.to_string(), cause)
                .hint("is the server running, and is this its socket? Set PGHOST or `connection: {host: ...}`")),
        },
        Place::Tcp { addr, .. } => {
            let failed = |cause| unreachable_at(&addr.to_string(), cause);
            let stream = TcpStream::connect(addr).await.map_err(failed)?;
            tune(&stream, endpoint.keepalive).map_err(failed)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

fn unreachable_at(place: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Connect, format!("nobody answers at {place}")).because(cause)
}

fn tune(stream: &TcpStream, keepalive: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(idle) = keepalive {
        let settings = socket2::TcpKeepalive::new()
            .with_time(idle)
            .with_interval(Duration::from_secs(10));
        socket2::SockRef::from(stream).set_tcp_keepalive(&settings)?;
    }
    Ok(())
}

/// TLS, where the settings ask for it and the stream is TCP; a Unix socket is left as it is.
async fn encrypt(socket: Socket, endpoint: &Endpoint) -> Result<Socket> {
    let settings = &endpoint.tls;
    let (mut stream, name) = match (socket, &endpoint.place) {
        (Socket::Tcp(stream), Place::Tcp { name, .. }) if settings.mode != SslMode::Disable => {
            (stream, name)
        }
        (socket, _) => return Ok(socket),
    };
    let broke = |cause| unreachable_at(name, cause);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(broke)?;
    // One byte and no more: whatever came behind it in plain text would pass for encrypted.
    match stream.read_u8().await.map_err(broke)? {
        b'S' => Ok(Socket::Tls(Box::new(
            tls::handshake(stream, name, settings).await?,
        ))),
        b'N' if settings.mode == SslMode::Prefer => Ok(Socket::Tcp(stream)),
        b'N' => Err(Error::new(
            ErrorKind::Connect,
            "the server does not offer TLS, and sslmode asks for it",
        )),
        b'E' => Err(plain_error(stream).await),
        _ => Err(Error::new(
            ErrorKind::Connect,
            "what answers is not a PostgreSQL server",
        )),
    }
}

/// The error a server sends in plain text instead of an answer about TLS, its tag already read.
async fn plain_error(mut stream: TcpStream) -> Error {
    let mut frame = BytesMut::from(&b"E"[..]);
    let mut rest = Vec::new();
    let broken = || Error::new(ErrorKind::Connect, "the server refused to talk about TLS");
    if (&mut stream)
        .take(64 * 1024)
        .read_to_end(&mut rest)
        .await
        .is_err()
    {
        return broken();
    }
    frame.extend_from_slice(&rest);
    match Message::parse(&mut frame) {
        Ok(Some(Message::ErrorResponse(error))) => {
            ServerMessage::read(error.fields()).map_or_else(|_| broken(), refused)
        }
        _ => broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: ErrorKind, message: &str, code: Option<&str>) -> Failure {
        Failure {
            error: Error::new(kind, message),
            encrypted: false,
            code: code.map(str::to_owned),
        }
    }

    #[test]
    fn a_login_refused_in_plain_text_is_not_taken_for_a_failed_connection() {
        let cases = [
            // A failed handshake, then a wrong password: no other address may be tried.
            (None, ErrorKind::Login, Some("28P01"), "plain"),
            (None, ErrorKind::Login, Some("28000"), "plain"),
            (None, ErrorKind::Connect, None, "tls"),
            (None, ErrorKind::Connect, Some("57P03"), "tls"),
            // Not admitted with TLS, then a wrong password without it.
            (Some("28000"), ErrorKind::Login, Some("28P01"), "plain"),
            (Some("28000"), ErrorKind::Login, Some("28000"), "tls"),
            (Some("28000"), ErrorKind::Connect, None, "tls"),
        ];
        for (first, kind, second, expected) in cases {
            let tls = failure(ErrorKind::Connect, "tls", first);
            let error = worse(tls, failure(kind, "plain", second));
            assert_eq!(error.to_string(), expected, "{first:?} {second:?}");
        }
    }

    #[test]
    fn what_takes_too_long_is_a_failed_connection() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let never = std::future::pending::<Result<()>>();
        let error = runtime
            .block_on(within(Duration::ZERO, "10.0.0.5:8000", never))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        insta::assert_snapshot!(error, @"no answer from 10.0.0.5:8000 within 0 s");
    }
}
