//! The way in: start-up message, login, and the start of the session behind the gate.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::{Account, Hba, Verifier};
use super::error::{ServerError, as_gauss};
use super::faults::{Manner, Point};
use super::frames::{Frame, Frames, texts};
use super::login::{Asked, Challenge};
use super::relay::{Line, Who};
use super::settings;
use super::{Shared, lock};

const SSL_REQUEST: (u16, u16) = (1234, 5679);
const CANCEL_REQUEST: (u16, u16) = (1234, 5678);

/// Failed logins after which an account is locked (`failed_login_attempts`).
const FAILURES_ALLOWED: u32 = 10;

/// How long a client that was told of its end may take to go.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a Gauss server reports at the start of a session, in its order; `None` is taken from the
/// PostgreSQL behind the gate.
const PARAMETERS: &[(&str, Option<&str>)] = &[
    ("a_format_dev_version", Some("")),
    ("a_format_version", Some("")),
    ("application_name", None),
    ("behavior_compat_options", Some("")),
    ("cgroup_name", Some("")),
    ("client_encoding", None),
    ("connection_info", Some("")),
    ("DateStyle", None),
    ("integer_datetimes", None),
    ("IntervalStyle", None),
    ("is_sysadmin", Some("off")),
    ("memory_detail_tracking", Some("")),
    ("plsql_compile_check_options", Some("")),
    ("query_band", Some("")),
    ("server_encoding", None),
    ("server_version", Some("9.2.4")),
    ("session_authorization", None),
    ("session_respool", Some("invalid_pool")),
    ("standard_conforming_strings", None),
    ("TimeZone", None),
    ("uppercase_attribute_name", Some("off")),
];

/// Whether a Gauss server reports this setting when it changes, and PostgreSQL too.
pub(super) fn is_reported(name: &[u8]) -> bool {
    let relayed = |parameter: &&(&str, Option<&str>)| {
        parameter.1.is_none() && parameter.0 != "session_authorization"
    };
    PARAMETERS
        .iter()
        .filter(relayed)
        .any(|(known, _)| known.as_bytes() == name)
}

/// Serves a client from its first byte to its last.
pub(super) fn serve(shared: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut frames = Frames::new(client.try_clone()?);
    let mut entrance = Entrance { shared, client };
    let Some(start) = entrance.start(&mut frames)? else {
        return Ok(());
    };
    lock(&shared.seen).connections += 1;
    if let Some((_, manner)) = lock(&shared.plan).reach(|point| *point == Point::Start) {
        return entrance.fail(&manner);
    }
    let Some(account) = entrance.log_in(&start, &mut frames)? else {
        return Ok(());
    };
    let Some(server) = entrance.open(&start, &account)? else {
        return Ok(());
    };
    lock(&shared.seen).sessions += 1;
    let who = Who {
        user: account.name.clone(),
        administrator: account.administrator,
        expired: account.expired,
    };
    Line::new(Arc::clone(shared), entrance.client, server, who)?.relay(frames)
}

/// A start-up message.
#[derive(Debug)]
struct Start {
    minor: u16,
    parameters: Vec<(String, String)>,
}

impl Start {
    fn read(minor: u16, body: &[u8]) -> Self {
        let mut words = texts(body).map(|word| String::from_utf8_lossy(word).into_owned());
        let mut parameters = Vec::new();
        while let Some(name) = words.next().filter(|name| !name.is_empty()) {
            parameters.push((name, words.next().unwrap_or_default()));
        }
        Self { minor, parameters }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

struct Entrance<'a> {
    shared: &'a Shared,
    client: TcpStream,
}

impl Entrance<'_> {
    /// The start-up message; `None` for a client that came for something else, or was refused.
    fn start(&mut self, frames: &mut Frames<TcpStream>) -> io::Result<Option<Start>> {
        while let Some(message) = frames.next_start()? {
            let word = |at: usize| {
                let bytes = message.get(at..at + 2).and_then(<[u8]>::first_chunk);
                bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
            };
            match (word(4), word(6)) {
                SSL_REQUEST if self.shared.tls_is_broken => {
                    self.client.write_all(b"S")?;
                    let mut hello = [0; 5];
                    self.client.read_exact(&mut hello)?;
                    let message = "ca certificate file \"cacert.pem\" has group or world access";
                    let error = ServerError::new("F0000", message)
                        .detail("Permissions should be u=rw (0600) or less.");
                    return self.refuse(&error);
                }
                SSL_REQUEST => self.client.write_all(b"N")?,
                CANCEL_REQUEST => {
                    // Answered by the end of the connection, as the server does.
                    let mut server = self.shared.backend.connect()?;
                    server.write_all(&message)?;
                    io::copy(&mut server, &mut io::sink())?;
                    return Ok(None);
                }
                (3, minor @ (0 | 50 | 51)) => {
                    let start = Start::read(minor, &message[8..]);
                    if start.get("user").is_none() {
                        let message = "no openGauss user name specified in startup packet";
                        return self.refuse(&ServerError::new("28000", message));
                    }
                    return Ok(Some(start));
                }
                (major, minor) => {
                    let message = format!("unsupported frontend protocol {major}.{minor}.");
                    return self.refuse(&ServerError::new("0A000", message));
                }
            }
        }
        Ok(None)
    }

    /// Asks for the password; the account, if the answer is right and it may come in.
    fn log_in(
        &mut self,
        start: &Start,
        frames: &mut Frames<TcpStream>,
    ) -> io::Result<Option<Account>> {
        const DENIED: &str = "Invalid username/password,login denied.";
        let user = start.get("user").unwrap_or_default();
        let known = self.shared.accounts.get(user);
        let challenge = Challenge::new(&Asked {
            user,
            verifier: known.map(|(_, verifier): &(Account, Verifier)| verifier),
            hba: known.map_or(Hba::Sha256, |(account, _)| account.hba),
            legacy: known.and_then(|(account, _)| account.legacy),
            minor: start.minor,
            drawn: self.shared.drawn,
        });
        let Some(challenge) = challenge else {
            return self.refuse(&ServerError::new("28000", DENIED));
        };
        self.client.write_all(challenge.frame.bytes())?;
        let Some(frame) = frames.next()?.filter(|frame| frame.tag() == b'p') else {
            return Ok(None);
        };
        // One of the clients leaves the closing NUL out.
        let answer = frame.texts().next().unwrap_or_default();
        if answer.is_empty() {
            let message = "empty password returned by client";
            return self.refuse(&ServerError::new("28P01", message).number(9314));
        }
        match self.check(user, challenge.is_answered_by(answer)) {
            Check::Locked => {
                let message = "The account has been locked.";
                return self.refuse(&ServerError::new("28000", message));
            }
            Check::Wrong => return self.refuse(&ServerError::new("28P01", DENIED)),
            Check::Right => {}
        }
        let (account, _) = known.expect("no answer is right for a user who is not there");
        self.client.write_all(Frame::new(b'R', &[0; 4]).bytes())?;
        if !account.may_log_in {
            let message = format!("role \"{user}\" is not permitted to login");
            return self.refuse(&ServerError::new("28000", message));
        }
        if let Some((_, manner)) = lock(&self.shared.plan).reach(|point| *point == Point::Login) {
            self.fail(&manner)?;
            return Ok(None);
        }
        Ok(Some(account.clone()))
    }

    /// Counts an answer. A right one opens the count again, unless the account is locked.
    fn check(&self, user: &str, is_right: bool) -> Check {
        let mut seen = lock(&self.shared.seen);
        let failures = seen.failed_logins.entry(user.to_owned()).or_default();
        if *failures >= FAILURES_ALLOWED && self.shared.accounts.contains_key(user) {
            return Check::Locked;
        }
        if is_right {
            *failures = 0;
            return Check::Right;
        }
        *failures += 1;
        seen.all_failed_logins += 1;
        Check::Wrong
    }

    /// Starts the session behind the gate, and tells the client of it as a Gauss server does.
    fn open(&mut self, start: &Start, account: &Account) -> io::Result<Option<UnixStream>> {
        let unknown = start
            .parameters
            .iter()
            .find(|(name, _)| settings::is_missing(name));
        if let Some((name, _)) = unknown {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            return self.refuse(&ServerError::new("42704", message));
        }
        let mut server = self.shared.backend.connect()?;
        server.write_all(&self.start_behind(start, account))?;
        // Read to the last byte and no further: the session begins with the next one.
        let mut frames = Frames::new(server.try_clone()?);
        let mut parameters = BTreeMap::new();
        let mut end: Vec<u8> = Vec::new();
        while let Some(frame) = frames.next()? {
            match frame.tag() {
                b'R' => assert_eq!(
                    frame.body(),
                    [0; 4],
                    "the PostgreSQL behind a gate trusts its users"
                ),
                b'S' => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let mut words = frame.texts().map(text);
                    if let (Some(name), Some(value)) = (words.next(), words.next()) {
                        parameters.insert(name, value);
                    }
                }
                b'E' => {
                    self.client.write_all(as_gauss(&frame).bytes())?;
                    self.wait_for_the_end()?;
                    return Ok(None);
                }
                b'N' => end.extend(as_gauss(&frame).bytes()),
                _ => end.extend(frame.bytes()),
            }
            if frame.tag() == b'Z' {
                break;
            }
        }
        assert!(
            !frames.has_next(),
            "the server says nothing behind ReadyForQuery"
        );
        parameters.insert("session_authorization".into(), account.name.clone());
        let mut welcome = Vec::new();
        for (name, fixed) in PARAMETERS {
            let value = fixed.or(parameters.get(*name).map(String::as_str));
            let body = format!("{name}\0{}\0", value.unwrap_or_default());
            welcome.extend(Frame::new(b'S', body.as_bytes()).bytes());
        }
        welcome.extend(end);
        self.client.write_all(&welcome)?;
        Ok(Some(server))
    }

    /// The start-up message for the PostgreSQL behind the gate: in version 3.0, for its own user.
    fn start_behind(&self, start: &Start, account: &Account) -> Vec<u8> {
        let backend = &self.shared.backend;
        let user = account.role.as_deref().unwrap_or(&backend.user);
        let named = start.get("database").unwrap_or(&account.name);
        let is_alias = self.shared.aliases.iter().any(|alias| alias == named);
        let database = if is_alias { &backend.database } else { named };
        let mut parameters = vec![("user".to_owned(), user.to_owned())];
        parameters.push(("database".to_owned(), database.to_owned()));
        for (name, value) in self.shared.settings() {
            parameters.push((format!("gauss.{name}"), value));
        }
        for (name, value) in &start.parameters {
            match name.as_str() {
                "user"
                | "database"
                | "connect_timeout"
                | "backend_version"
                | "enable_full_encryption" => {}
                name if name.starts_with("_pq_.") => {}
                "options" => parameters.push((name.clone(), options_behind(value))),
                _ if settings::is_gauss(name) => {
                    parameters.push((format!("gauss.{name}"), value.clone()));
                }
                _ => parameters.push((name.clone(), value.clone())),
            }
        }
        let mut message = vec![0, 0, 0, 0, 0, 3, 0, 0];
        for (name, value) in parameters {
            message.extend(format!("{name}\0{value}\0").bytes());
        }
        message.push(0);
        let length = u32::try_from(message.len()).expect("a start-up message is short");
        message[..4].copy_from_slice(&length.to_be_bytes());
        message
    }

    /// Refuses the client and closes its connection.
    fn refuse<T>(&mut self, error: &ServerError) -> io::Result<Option<T>> {
        self.client.write_all(error.frame("FATAL").bytes())?;
        self.wait_for_the_end()?;
        Ok(None)
    }

    /// Fails as a fault says.
    fn fail(&mut self, manner: &Manner) -> io::Result<()> {
        match manner {
            Manner::Error(error) | Manner::Fatal(error) => self.refuse::<()>(error).map(drop),
            Manner::Cut => self.client.shutdown(Shutdown::Both),
        }
    }

    /// Ends what we say, and hears the client out: what is left unread would cost it our last words.
    fn wait_for_the_end(&mut self) -> io::Result<()> {
        self.client.shutdown(Shutdown::Write)?;
        self.client.set_read_timeout(Some(PATIENCE))?;
        let _ = io::copy(&mut self.client, &mut io::sink());
        Ok(())
    }
}

enum Check {
    Right,
    Wrong,
    Locked,
}

/// `-c NAME=VALUE` options, with settings that only Gauss servers have turned to the gate's.
fn options_behind(options: &str) -> String {
    let mut options = options.to_owned();
    for (name, _) in settings::GAUSS {
        for before in ["-c ", "-c", "--"] {
            options = options.replace(
                &format!("{before}{name}="),
                &format!("{before}gauss.{name}="),
            );
        }
    }
    options
}
