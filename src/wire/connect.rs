//! From a [`Target`] to a [`Session`]: name, socket, TLS, login.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rand::seq::SliceRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::cancel::Canceller;
use super::channel::Channel;
use super::condition::Condition;
use super::login::{Credentials, LoggedIn, LoginError, LoginFailure, Proof, Version, log_in};
use super::refusal;
use super::session::Session;
use super::socket::Socket;
use super::target::{Address, ChannelBinding, Host, HostOrder, SslMode, Target, TlsSettings};
use super::tls;
use crate::error::{Error, ErrorKind, Result, in_one_line};
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

/// Connects and logs in: the target's hosts in random order, or in theirs where it says so; the
/// first that answers.
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
    for host in ordered(&target.hosts, target.order) {
        match connect_host(target, host, application_name).await {
            Ok(session) => return Ok(session.at(target.place(host))),
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

/// The hosts, in the order in which they are tried.
fn ordered(hosts: &[Host], order: HostOrder) -> Vec<&Host> {
    let mut hosts: Vec<&Host> = hosts.iter().collect();
    if order == HostOrder::Random {
        hosts.shuffle(&mut rand::rng());
    }
    hosts
}

/// The addresses of one name, in the order in which they are tried. At random, but for the kind of
/// address: the system puts the kind first that is more likely to get through (RFC 6724).
fn spread(mut addresses: Vec<SocketAddr>, order: HostOrder) -> Vec<SocketAddr> {
    if order == HostOrder::Random {
        for kind in addresses.chunk_by_mut(|a, b| a.is_ipv4() == b.is_ipv4()) {
            kind.shuffle(&mut rand::rng());
        }
    }
    addresses
}

/// One error of all: the first failure, with the others as lines of their own.
fn all_failed(failures: Vec<Error>) -> Error {
    let mut failures = failures.into_iter();
    let Some(mut first) = failures.next() else {
        return Error::new(ErrorKind::Connect, "there is no address to connect to");
    };
    for other in failures {
        first = first.line("also", in_one_line(&other));
    }
    first
}

/// Connects to the first address of a host that answers. Each address has the whole time, as in
/// libpq: one that swallows packets does not take it from the next.
async fn connect_host(target: &Target, host: &Host, application_name: &str) -> Result<Session> {
    let patience = target.connect_timeout.unwrap_or(PATIENCE);
    let mut failures = Vec::new();
    for place in within(
        patience,
        "the look-up of its name",
        places(host, target.order),
    )
    .await?
    {
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
        )
        .under(Condition::Connection)),
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
        return plain.error.line("with TLS", in_one_line(&encrypted.error));
    }
    encrypted.error
}

#[derive(Debug)]
struct Failure {
    error: Error,
    encrypted: bool,
    /// The SQLSTATE of a refusal; empty for another failure of the login; `None` before it.
    code: Option<String>,
    /// What the server had asked of the password.
    proof: Option<Proof>,
}

impl Failure {
    /// A failed handshake, or a server whose rules admit this login without TLS only. Never after
    /// a password was asked for: each try counts against the account.
    fn may_pass_in_plain(&self) -> bool {
        self.encrypted
            && self.proof.is_none()
            && self.code.as_deref().is_none_or(|code| code == "28000")
    }

    fn of_login(failure: LoginFailure, encrypted: bool) -> Self {
        let code = match &failure.error {
            LoginError::Refused(said) => said.code.clone(),
            _ => String::new(),
        };
        Self {
            error: refusal::explain(failure.error, failure.proof),
            encrypted,
            code: Some(code),
            proof: failure.proof,
        }
    }
}

async fn attempt(
    target: &Target,
    host: &Host,
    endpoint: &Endpoint,
    application_name: &str,
) -> Result<Session, Failure> {
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
    match attempt_in(Version::Gauss, endpoint, &credentials).await? {
        Some(session) => Ok(session),
        // Nothing but the version was said, so this is no second try of a password.
        None => match attempt_in(Version::Plain, endpoint, &credentials).await? {
            Some(session) => Ok(session),
            None => unreachable!("a login in version 3.0 has no other version"),
        },
    }
}

/// Connects and logs in; `None` when the server does not know this version of the protocol.
async fn attempt_in(
    version: Version,
    endpoint: &Endpoint,
    credentials: &Credentials<'_>,
) -> Result<Option<Session>, Failure> {
    let failed = |encrypted| {
        move |error| Failure {
            error,
            encrypted,
            code: None,
            proof: None,
        }
    };
    let socket = reach(endpoint).await.map_err(failed(false))?;
    let socket = encrypt(socket, endpoint).await.map_err(failed(true))?;
    let encrypted = matches!(socket, Socket::Tls(_));
    let end_point = match &socket {
        Socket::Tls(stream) => tls::end_point(stream),
        Socket::Unix(_) | Socket::Tcp(_) => None,
    };
    match log_in(socket, end_point, credentials, version).await {
        Ok(done) => Ok(Some(session(done, endpoint))),
        Err(LoginFailure {
            error: LoginError::OtherVersion,
            ..
        }) => Ok(None),
        Err(failure) => Err(Failure::of_login(failure, encrypted)),
    }
}

/// The session of a login that has succeeded.
fn session(done: LoggedIn, endpoint: &Endpoint) -> Session {
    let encrypted = matches!(done.socket, Socket::Tls(_));
    let warning = done
        .proof
        .and_then(|proof| exposure(proof, encrypted, endpoint));
    let canceller = Canceller::new(endpoint.clone(), done.process_id, done.secret_key);
    let channel = Channel::new(done.socket, done.inbox, done.parameters);
    Session::new(channel, canceller, warning)
}

/// What people should know when the password, or a proof from which it can be guessed, went over
/// a network where others may listen, or to a server that may be another.
fn exposure(proof: Proof, encrypted: bool, endpoint: &Endpoint) -> Option<String> {
    let addr = match &endpoint.place {
        Place::Unix(_) => return None,
        Place::Tcp { addr, .. } => addr,
    };
    let verified = encrypted && endpoint.tls.mode >= SslMode::VerifyCa;
    if verified || addr.ip().to_canonical().is_loopback() {
        return None;
    }
    let sent = match proof {
        Proof::Sasl => return None,
        Proof::Clear => "the password was sent",
        Proof::Md5 | Proof::Gauss(_) => {
            "the password was proven in a way from which it can be guessed,"
        }
    };
    let weakness = if encrypted {
        "to a server whose certificate was not checked"
    } else {
        "without encryption"
    };
    Some(format!(
        "{sent} to {addr} {weakness}; set sslmode=verify-full, or verify-ca, and sslrootcert"
    ))
}

async fn places(host: &Host, order: HostOrder) -> Result<Vec<Place>> {
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
                    .under(Condition::Connection)
                    .because(cause)
                    .hint("check the host's name")
                })?;
            Ok(spread(found.collect(), order)
                .into_iter()
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
            let failed = |cause| {
                unreachable_at(&addr.to_string(), cause)
                    .hint("is the server running, and are its host and port right?")
            };
            let stream = TcpStream::connect(addr).await.map_err(failed)?;
            tune(&stream, endpoint.keepalive).map_err(failed)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

fn unreachable_at(place: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Connect, format!("nobody answers at {place}"))
        .under(Condition::Connection)
        .because(cause)
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
        b'E' => Err(tls::plain_error(&mut stream).await.map_or_else(
            || Error::new(ErrorKind::Connect, "the server refused to talk about TLS"),
            |said| refusal::refused(said, None),
        )),
        _ => Err(Error::new(
            ErrorKind::Connect,
            "what answers is not a PostgreSQL server",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: ErrorKind, message: &str, code: Option<&str>) -> Failure {
        Failure {
            error: Error::new(kind, message),
            encrypted: true,
            code: code.map(str::to_owned),
            proof: None,
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
    fn a_password_that_was_asked_for_is_not_sent_again_in_plain_text() {
        let cases = [
            // A failed handshake, and a server that admits this login without TLS only.
            (None, None, true),
            (Some("28000"), None, true),
            (Some("28P01"), None, false),
            (Some(""), None, false),
            // A locked account, or one without the right to log in.
            (Some("28000"), Some(Proof::Gauss(10)), false),
            (Some("28000"), Some(Proof::Md5), false),
            (Some("28000"), Some(Proof::Sasl), false),
        ];
        for (code, proof, expected) in cases {
            let mut failure = failure(ErrorKind::Login, "tls", code);
            failure.proof = proof;
            assert_eq!(failure.may_pass_in_plain(), expected, "{code:?} {proof:?}");
            failure.encrypted = false;
            assert!(!failure.may_pass_in_plain(), "{code:?} {proof:?}");
        }
    }

    #[test]
    fn a_password_in_reach_of_others_is_worth_a_warning() {
        let gauss = Proof::Gauss(10);
        let far = "10.0.0.5:8000";
        let cases = [
            (far, SslMode::Disable, gauss, Some("without encryption")),
            (far, SslMode::Prefer, gauss, Some("not checked")),
            (far, SslMode::Require, Proof::Md5, Some("not checked")),
            (
                far,
                SslMode::Require,
                Proof::Clear,
                Some("the password was sent to 10.0.0.5:8000"),
            ),
            (far, SslMode::VerifyCa, gauss, None),
            (far, SslMode::VerifyFull, Proof::Clear, None),
            (far, SslMode::Disable, Proof::Sasl, None),
            ("127.0.0.1:8000", SslMode::Disable, Proof::Clear, None),
            ("[::1]:8000", SslMode::Disable, gauss, None),
            ("[::ffff:127.0.0.1]:8000", SslMode::Disable, gauss, None),
        ];
        for (addr, mode, proof, expected) in cases {
            let endpoint = endpoint(
                Place::Tcp {
                    name: "dw".into(),
                    addr: addr.parse().unwrap(),
                },
                mode,
            );
            let warning = exposure(proof, mode != SslMode::Disable, &endpoint);
            match expected {
                Some(part) => assert!(warning.unwrap().contains(part), "{addr} {mode:?}"),
                None => assert_eq!(warning, None, "{addr} {mode:?}"),
            }
        }
        let socket = endpoint(Place::Unix("/run/pg".into()), SslMode::Disable);
        assert_eq!(exposure(Proof::Clear, false, &socket), None);
    }

    fn endpoint(place: Place, mode: SslMode) -> Endpoint {
        Endpoint {
            place,
            tls: TlsSettings {
                mode,
                root: crate::wire::target::RootCerts::None,
                client: None,
            },
            keepalive: None,
        }
    }

    #[test]
    fn the_addresses_of_a_name_are_spread_and_their_kinds_stay_in_order() {
        let addresses: Vec<SocketAddr> = ["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1"]
            .map(|text| text.parse().unwrap())
            .into();
        let given = spread(addresses.clone(), HostOrder::Given);
        assert_eq!(given, addresses);
        let mut seen = std::collections::BTreeSet::new();
        // One order of the four fails to come up once in 10^12 times.
        for _ in 0..100 {
            let found = spread(addresses.clone(), HostOrder::Random);
            assert!(found[1].is_ipv6() && found[2].is_ipv4(), "{found:?}");
            seen.insert(found);
        }
        assert_eq!(seen.len(), 4);
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
