//! From settings to a session: every stage of a connection, by the functions of a run.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::report::Report;
use super::took;
use crate::error::{Error, ErrorKind, Result, chain};
use crate::wire::connect::{knock, log_in, look_up};
use crate::wire::endpoint::Place;
use crate::wire::milestone::{Login, Method, Milestone, Peer, TlsSession};
use crate::wire::session::Session;
use crate::wire::target::{Address, Host, Origins, RootCerts, SslMode, Target};

/// What the server shows of us.
const APPLICATION: &str = "dwsload:doctor";

/// A certificate that is valid for less than this is worth a warning.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where the connection goes and as whom, and where that is said.
pub(super) fn settings(target: &Target, given_in: &str, report: &mut Report) {
    let hosts: Vec<String> = target.hosts.iter().map(ToString::to_string).collect();
    report.ok(
        "settings",
        &format!(
            "{} as {}, database {}; {}",
            hosts.join(", "),
            target.user,
            target.dbname,
            password(target, given_in)
        ),
    );
    for line in origins(&target.origins, given_in) {
        report.more(&line);
    }
    for warning in &target.warnings {
        report.warn("settings", warning, "");
    }
}

/// Where the password comes from.
fn password(target: &Target, given_in: &str) -> String {
    if target.hosts.iter().all(|host| host.password.is_none()) {
        return "no password".into();
    }
    let origins = &target.origins;
    let given = |keyword: &str| origins.given.iter().any(|given| given == keyword);
    let source = match (&origins.passfile, &origins.service) {
        (Some(path), _) => path.display().to_string(),
        _ if given("password") => given_in.into(),
        _ if origins.environment.iter().any(|name| name == "PGPASSWORD") => "PGPASSWORD".into(),
        (None, Some(service)) => format!("service `{service}`"),
        (None, None) => given_in.into(),
    };
    format!("password from {source}")
}

fn origins(origins: &Origins, given_in: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if !origins.given.is_empty() {
        lines.push(format!("from {given_in}: {}", origins.given.join(", ")));
    }
    if let Some(service) = &origins.service {
        lines.push(format!("from the connection service `{service}`"));
    }
    if !origins.environment.is_empty() {
        let names = origins.environment.join(", ");
        lines.push(format!("from the environment: {names}"));
    }
    if let Some(path) = &origins.passfile {
        lines.push(format!("from the password file: {}", path.display()));
    }
    lines
}

/// The session that a run would have; `None`, and everything said, where there is none.
pub(super) async fn connect(target: &Target, report: &mut Report) -> Option<Session> {
    let mut reached = Vec::new();
    let mut unreached = Vec::new();
    for host in &target.hosts {
        match addresses(target, host, report).await {
            Ok(places) => {
                let (good, bad) = reach(target, places, report).await;
                reached.extend(good.into_iter().map(|place| (host, place)));
                unreached.extend(bad);
            }
            Err(error) => unreached.push(("name", error)),
        }
    }
    // A run goes on with what it reaches.
    let dead = reached.is_empty();
    for (topic, error) in unreached {
        if dead {
            report.fail(topic, &error);
        } else {
            report.warn_of(topic, &error);
        }
    }
    let last = reached.len();
    for (nth, (host, place)) in reached.into_iter().enumerate() {
        match visit(target, host, place, report).await {
            Ok(session) => return Some(session),
            Err((topic, error)) => {
                let goes_on = error.kind() == ErrorKind::Connect && nth + 1 < last;
                if goes_on {
                    report.warn_of(topic, &error);
                } else {
                    report.fail(topic, &error);
                    return None;
                }
            }
        }
    }
    None
}

/// The addresses of a host; its name is worth a line where it had to be looked up.
async fn addresses(target: &Target, host: &Host, report: &mut Report) -> Result<Vec<Place>> {
    let began = Instant::now();
    let places = look_up(target, host).await?;
    if let Address::Tcp { name, addr: None } = &host.address {
        if name.parse::<std::net::IpAddr>().is_err() {
            let found: Vec<String> = places.iter().filter_map(ip).collect();
            report.ok(
                "name",
                &format!("{name}: {}, {}", found.join(", "), took(began.elapsed())),
            );
        }
    }
    Ok(places)
}

fn ip(place: &Place) -> Option<String> {
    match place {
        Place::Tcp { addr, .. } => Some(addr.ip().to_string()),
        Place::Unix(_) => None,
    }
}

/// Knocks at all places of a host at once: a dead one takes its time. Returns those that answer, in
/// their order, and what is wrong with the others.
async fn reach(
    target: &Target,
    places: Vec<Place>,
    report: &mut Report,
) -> (Vec<Place>, Vec<(&'static str, Error)>) {
    let knocks = places.iter().map(|place| async move {
        let began = Instant::now();
        (knock(target, place).await, began.elapsed())
    });
    let outcomes = join_all(knocks).await;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (place, (outcome, elapsed)) in places.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => {
                let shown = match &place {
                    Place::Unix(path) => path.display().to_string(),
                    Place::Tcp { addr, .. } => addr.to_string(),
                };
                let text = format!("{shown} reached in {}", took(elapsed));
                report.ok(topic(&place), &text);
                good.push(place);
            }
            Err(error) => bad.push((place, error)),
        }
    }
    // Servers often listen on IPv4 alone, and names often have both kinds.
    let any_v4 = good.iter().any(|place| is_v6(place) == Some(false));
    let mut wrong = Vec::new();
    for (place, error) in bad {
        if any_v4 && is_v6(&place) == Some(true) {
            report.skip(topic(&place), &format!("{place}: {}", chain(&error)));
        } else {
            wrong.push((topic(&place), error));
        }
    }
    (good, wrong)
}

fn topic(place: &Place) -> &'static str {
    match place {
        Place::Unix(_) => "socket",
        Place::Tcp { .. } => "tcp",
    }
}

fn is_v6(place: &Place) -> Option<bool> {
    match place {
        Place::Unix(_) => None,
        Place::Tcp { addr, .. } => Some(addr.is_ipv6()),
    }
}

/// Whether nobody is on the way to `place`.
fn is_here(place: &Place) -> bool {
    match place {
        Place::Unix(_) => true,
        Place::Tcp { addr, .. } => addr.ip().to_canonical().is_loopback(),
    }
}

/// TLS and login at one place. An error comes with the topic it belongs to.
async fn visit(
    target: &Target,
    host: &Host,
    place: Place,
    report: &mut Report,
) -> Result<Session, (&'static str, Error)> {
    let mut way = Way {
        target,
        here: is_here(&place),
        stage: match &place {
            Place::Tcp { .. } if target.tls.mode != SslMode::Disable => "tls",
            _ => "login",
        },
        asked: None,
        report,
    };
    if matches!(place, Place::Tcp { .. }) && target.tls.mode == SslMode::Disable {
        way.in_plain("not used (sslmode=disable)");
    }
    let done = log_in(target, host, place, APPLICATION, &mut |milestone| {
        way.passed(&milestone);
    })
    .await;
    match done {
        Ok(mut session) => {
            if let Some(warning) = session.take_warning() {
                way.report.warn("login", &warning, "");
            }
            Ok(session)
        }
        Err(error) => {
            let topic = if error.kind() == ErrorKind::Login {
                "login"
            } else {
                way.stage
            };
            Err((
                topic,
                match way.asked {
                    Some(method) => error.line("asked for", method.to_string()),
                    None => error,
                },
            ))
        }
    }
}

/// How far a connection is, and what there is to say on the way.
struct Way<'a> {
    target: &'a Target,
    /// Nobody is on the way.
    here: bool,
    /// The stage that comes next.
    stage: &'static str,
    /// How the server asked for the password that it refused.
    asked: Option<Method>,
    report: &'a mut Report,
}

impl Way<'_> {
    fn passed(&mut self, milestone: &Milestone<'_>) {
        match milestone {
            Milestone::Encrypted(tls) => self.encrypted(tls),
            Milestone::NoTls => self.in_plain("the server has none (sslmode=prefer)"),
            Milestone::AgainInPlain(error) => self.in_plain(&format!(
                "{}; asked again without it (sslmode=prefer)",
                chain(error)
            )),
            Milestone::Asked(method) => self.asked = Some(*method),
            Milestone::LoggedIn(login) => self.logged_in(login),
        }
    }

    fn in_plain(&mut self, text: &str) {
        self.stage = "login";
        if self.here {
            self.report.skip("tls", text);
        } else {
            self.report.warn(
                "tls",
                text,
                "everybody on the way can read along; switch TLS on at the server, and set sslmode=verify-full, or verify-ca, and sslrootcert",
            );
        }
    }

    fn encrypted(&mut self, tls: &TlsSession) {
        self.stage = "login";
        let (checked, how) = verification(self.target);
        let text = format!("{}, {}, {how}, {}", tls.version, tls.cipher, took(tls.took));
        if checked || self.here {
            self.report.ok("tls", &text);
        } else {
            self.report.warn(
                "tls",
                &text,
                "anybody could answer in the server's place; set sslmode=verify-full, or verify-ca, and sslrootcert",
            );
        }
        if let Some(peer) = &tls.peer {
            self.certificate(peer);
        }
    }

    fn certificate(&mut self, peer: &Peer) {
        let text = peer.to_string();
        match peer.left() {
            Some(left) if left >= RENEWAL => self.report.ok("certificate", &text),
            Some(_) => self.report.warn(
                "certificate",
                &text,
                "it ends soon; have it renewed where the server runs",
            ),
            None => self.report.warn(
                "certificate",
                &text,
                "nobody who checks certificates connects any more; have it renewed where the server runs",
            ),
        }
    }

    fn logged_in(&mut self, login: &Login) {
        let how = match login.method {
            Some(method) => method.to_string(),
            None => format!("no password asked for ({})", self.instead()),
        };
        self.report.ok(
            "login",
            &format!("{how}; protocol 3.{}, {}", login.minor, took(login.took)),
        );
    }

    /// What a server may go by in place of a password.
    fn instead(&self) -> &'static str {
        match (&self.target.tls.client, self.here) {
            (Some(_), _) => "client certificate or trust",
            (None, true) => "trust or peer",
            (None, false) => "trust",
        }
    }
}

/// Whether the server's certificate is checked, and how.
fn verification(target: &Target) -> (bool, String) {
    let roots = match &target.tls.root {
        RootCerts::File(path) => path.display().to_string(),
        RootCerts::System => "the system's roots".into(),
        RootCerts::None => "nothing".into(),
    };
    match target.tls.mode {
        SslMode::VerifyFull => (true, format!("verified by {roots}, name included")),
        SslMode::VerifyCa => (true, format!("verified by {roots}, without the name")),
        SslMode::Require => (false, "not verified (sslmode=require)".into()),
        SslMode::Prefer | SslMode::Disable => (false, "not verified (sslmode=prefer)".into()),
    }
}
