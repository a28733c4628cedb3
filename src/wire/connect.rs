//! From a [`Target`] to a [`Session`]: name, socket, TLS, login.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use tokio::time::timeout;

use super::cancel::Canceller;
use super::channel::Channel;
use super::condition::Condition;
use super::endpoint::{Endpoint, Place, encrypt, places, reach};
use super::exposure::exposure;
use super::login::{self, Credentials, LoggedIn, LoginError, LoginFailure, Proof, Version};
use super::milestone::{Login, Milestone, Watch};
use super::refusal;
use super::session::Session;
use super::socket::Socket;
use super::target::{ChannelBinding, Host, HostOrder, SslMode, Target};
use super::tls;
use crate::error::{Error, ErrorKind, Result, chain};
use crate::secret::Secret;

/// The time one address may take from socket to login, where the settings name none.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// The hosts, in the order in which they are tried.
fn ordered(hosts: &[Host], order: HostOrder) -> Vec<&Host> {
    let mut hosts: Vec<&Host> = hosts.iter().collect();
    if order == HostOrder::Random {
        hosts.shuffle(&mut rand::rng());
    }
    hosts
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

/// Connects to the first address of a host that answers. Each address has the whole time, as in
/// libpq: one that swallows packets does not take it from the next.
async fn connect_host(target: &Target, host: &Host, application_name: &str) -> Result<Session> {
    let mut failures = Vec::new();
    for place in look_up(target, host).await? {
        match log_in(target, host, place, application_name, &mut |_| {}).await {
            Err(error) if error.kind() == ErrorKind::Connect => failures.push(error),
            outcome => return outcome,
        }
    }
    Err(all_failed(failures))
}

/// The time that one stage of `target`'s connection may take.
pub fn patience(target: &Target) -> Duration {
    target.connect_timeout.unwrap_or(PATIENCE)
}

/// The addresses of a host, in the order in which they are tried. The first stage of [`connect`].
///
/// # Errors
/// [`ErrorKind::Connect`] when its name has none, or nobody says so in time.
pub async fn look_up(target: &Target, host: &Host) -> Result<Vec<Place>> {
    let places = places(host, target.order);
    within(patience(target), "the look-up of its name", places).await
}

/// Whether somebody listens at `place`: connects and hangs up. Nothing is said.
///
/// # Errors
/// [`ErrorKind::Connect`] when nobody does, or nobody answers in time.
pub async fn knock(target: &Target, place: &Place) -> Result<()> {
    let endpoint = Endpoint::new(target, place.clone());
    let what = place.to_string();
    within(patience(target), &what, reach(&endpoint)).await?;
    Ok(())
}

/// Connects to one address of `host` and logs in: the other stages of [`connect`]. `watch` is told
/// of each that is over.
///
/// # Errors
/// As [`connect`], for this address.
///
/// # Cancel safety
/// Dropped, the socket closes and nothing is left behind.
pub async fn log_in(
    target: &Target,
    host: &Host,
    place: Place,
    application_name: &str,
    watch: Watch<'_>,
) -> Result<Session> {
    let what = place.to_string();
    let endpoint = Endpoint::new(target, place);
    let attempt = connect_endpoint(target, host, endpoint, application_name, watch);
    let session = within(patience(target), &what, attempt).await?;
    Ok(session.at(target.place(host)))
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
        .under(Condition::Connection)
        .hint("is the address right, and does every firewall or security group on the way let us through? connect_timeout says how long is waited")),
    }
}

/// Connects to one address. With `sslmode=prefer`, a server that refuses us under TLS is asked
/// once more in plain text, as libpq does.
async fn connect_endpoint(
    target: &Target,
    host: &Host,
    mut endpoint: Endpoint,
    application_name: &str,
    watch: Watch<'_>,
) -> Result<Session> {
    match attempt(target, host, &endpoint, application_name, watch).await {
        Err(failure) if endpoint.tls.mode == SslMode::Prefer && failure.may_pass_in_plain() => {
            watch(Milestone::AgainInPlain(&failure.error));
            endpoint.tls.mode = SslMode::Disable;
            attempt(target, host, &endpoint, application_name, watch)
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
        let proof = failure.method.map(|method| method.proof);
        let code = match &failure.error {
            LoginError::Refused(said) => said.code.clone(),
            _ => String::new(),
        };
        Self {
            error: refusal::explain(failure.error, proof),
            encrypted,
            code: Some(code),
            proof,
        }
    }
}

async fn attempt(
    target: &Target,
    host: &Host,
    endpoint: &Endpoint,
    application_name: &str,
    watch: Watch<'_>,
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
    match attempt_in(Version::Gauss, endpoint, &credentials, watch).await? {
        Some(session) => Ok(session),
        // Nothing but the version was said, so this is no second try of a password.
        None => match attempt_in(Version::Plain, endpoint, &credentials, watch).await? {
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
    watch: Watch<'_>,
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
    let socket = encrypt(socket, endpoint, watch)
        .await
        .map_err(failed(true))?;
    let encrypted = matches!(socket, Socket::Tls(_));
    let end_point = match &socket {
        Socket::Tls(stream) => tls::end_point(stream),
        Socket::Unix(_) | Socket::Tcp(_) => None,
    };
    let began = Instant::now();
    match login::log_in(socket, end_point, credentials, version).await {
        Ok(done) => {
            watch(Milestone::LoggedIn(Login {
                method: done.method,
                minor: done.minor,
                took: began.elapsed(),
            }));
            Ok(Some(session(done, endpoint)))
        }
        Err(LoginFailure {
            error: LoginError::OtherVersion,
            ..
        }) => Ok(None),
        Err(failure) => {
            if let Some(method) = failure.method {
                watch(Milestone::Asked(method));
            }
            Err(Failure::of_login(failure, encrypted))
        }
    }
}

/// The session of a login that has succeeded.
fn session(done: LoggedIn, endpoint: &Endpoint) -> Session {
    let encrypted = matches!(done.socket, Socket::Tls(_));
    let warning = done
        .method
        .and_then(|method| exposure(method.proof, encrypted, endpoint));
    let canceller = Canceller::new(endpoint.clone(), done.process_id, done.secret_key);
    let channel = Channel::new(done.socket, done.inbox, done.parameters);
    Session::new(channel, canceller, warning)
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
