//! A gate: a server that stands before a real PostgreSQL and behaves like GaussDB(DWS) or openGauss
//! on the wire.
//!
//! Behind it statements are run and rows are kept by PostgreSQL; the gate does what is different.
//! Logins by the methods and with the refusals of Gauss servers, checked here by what a server keeps
//! of a password. Their ParameterStatus, and their fields of errors. `version()`,
//! `pg_database.datcompatibility`, `pgxc_node`, `pgxc_class` and `pg_class.reloptions`. Refusals of
//! the statements that they do not have, by Query and by Parse. COPY in subtransactions. The idle
//! session that is ended. And failures, at the point and in the manner that a test asks for.
//!
//! ```ignore
//! let scene = Scene::new("CREATE TABLE t (a int)");
//! let pooler = ServerError::new("08006", "pooler: failed to create 1 connections");
//! let gate = Gate::before(&scene.database)
//!     .playing(Product::Dws)                                       // the default
//!     .fault(Fault::error(Point::AfterCopyResponse, pooler))       // the first COPY only
//!     .fault(Fault::cut(Point::AfterCommit).nth(2))                // done, but not told
//!     .open();
//! let ran = scene.place.run(&job(&gate.url(), &[step("copy_from", &keys)]));
//! assert_eq!(gate.refused(), [] as [&str; 0]);                     // nothing that DWS does not have
//! assert_eq!(gate.faults_fired(), 2);
//! assert_eq!((gate.connections(), gate.failed_logins()), (2, 0));
//! ```
//!
//! Limits, all known: faults of COMMIT and of whole answers are for simple queries, not for the
//! extended protocol. Positions of PostgreSQL's own syntax errors are those in the text that the
//! gate passes on. Texts are read as if in an encoding that keeps ASCII apart, which GBK does not.
//! PostgreSQL words many errors, and tags some results, in another way than Gauss servers; only few
//! are put right. What PostgreSQL itself does not have (`LOG ERRORS`, `ON DUPLICATE KEY UPDATE`) it
//! refuses here too, but for `DISTRIBUTE BY HASH`, which is passed over.
//!
//! [`recorded`] compares the gate with what an openGauss was recorded saying, and [`clients`] has
//! independent clients of Gauss servers log in and load through it.

#![allow(
    dead_code,
    reason = "several tests use the gate, each another part of it"
)]

mod accounts;
#[cfg(test)]
mod clients;
mod entrance;
mod error;
#[cfg(test)]
mod failing;
mod faults;
mod frames;
mod login;
#[cfg(test)]
mod ourselves;
mod product;
#[cfg(test)]
mod recorded;
mod refusals;
mod relay;
mod settings;
mod shim;
mod statements;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::accounts::Verifier;
use self::faults::Plan;
use self::login::Drawn;
use self::shim::Identity;
use crate::support::server::{Database, Server};

pub(crate) use self::accounts::{Account, Hba, Legacy, Stored};
pub(crate) use self::error::ServerError;
pub(crate) use self::faults::{Fault, Point};
pub(crate) use self::product::{Product, Subtransactions};
pub(crate) use self::shim::Placement;

/// A gate that is being set up.
#[derive(Debug)]
pub(crate) struct Opening {
    shared: Shared,
    placements: Vec<(String, bool, Vec<String>, bool)>,
    subtransactions: Option<Subtransactions>,
}

/// An open gate, at a port of 127.0.0.1. Dropped, it closes with all its sessions.
#[derive(Debug)]
pub(crate) struct Gate {
    port: u16,
    shared: Arc<Shared>,
}

/// What all sessions of a gate share.
#[derive(Debug)]
struct Shared {
    identity: Identity,
    backend: Backend,
    /// In the order in which they were named; the first is that of [`Gate::url`].
    names: Vec<String>,
    accounts: BTreeMap<String, (Account, Verifier)>,
    aliases: Vec<String>,
    drawn: Drawn,
    tls_is_broken: bool,
    session_timeout: Option<Duration>,
    subtransactions: Subtransactions,
    plan: Mutex<Plan>,
    seen: Mutex<Seen>,
    /// Those that are served, by number.
    clients: Mutex<BTreeMap<usize, TcpStream>>,
    is_closing: AtomicBool,
}

/// The PostgreSQL behind a gate.
#[derive(Debug)]
struct Backend {
    server: Arc<Server>,
    database: String,
    user: String,
}

impl Backend {
    fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(format!(
            "{}/.s.PGSQL.{}",
            self.server.host(),
            self.server.port()
        ))
    }
}

/// What a gate has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: u32,
    sessions: u32,
    /// Since the last login that succeeded, by user.
    failed_logins: BTreeMap<String, u32>,
    all_failed_logins: u32,
    statements: VecDeque<String>,
    refused: VecDeque<String>,
}

impl Seen {
    /// Statements that are kept, and bytes of each.
    const KEPT: usize = 10_000;
    const LONGEST: usize = 10_000;

    fn statement(&mut self, text: &str, is_refused: bool) {
        Self::keep(&mut self.statements, text);
        if is_refused {
            self.refuse(text);
        }
    }

    fn refuse(&mut self, text: &str) {
        Self::keep(&mut self.refused, text);
    }

    fn keep(kept: &mut VecDeque<String>, text: &str) {
        if kept.len() == Self::KEPT {
            kept.pop_front();
        }
        kept.push_back(text.chars().take(Self::LONGEST).collect());
    }
}

impl Shared {
    /// Settings that only Gauss servers have, and what they are in a new session.
    fn settings(&self) -> Vec<(String, String)> {
        let own = |name: &str, value: &str| match name {
            "sql_compatibility" => self.identity.compatibility.clone(),
            "session_timeout" => {
                let limit = self.session_timeout.unwrap_or_default();
                format!("{}ms", limit.as_millis())
            }
            _ => value.to_owned(),
        };
        settings::GAUSS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), own(name, value)))
            .collect()
    }
}

impl Gate {
    /// A gate before a database of a server that trusts its users on its Unix socket. By default it
    /// plays [`Product::Dws`], and has one account, `loader` with the password `Loader@2024`.
    ///
    /// Several gates may stand before one database, as coordinators do. They share what the database
    /// says of the server: the one that was opened last decides it.
    pub(crate) fn before(database: &Database) -> Opening {
        let product = Product::Dws;
        let server = Arc::clone(database.server());
        let shared = Shared {
            identity: Identity {
                product,
                version: product.version().to_owned(),
                compatibility: product.compatibility().to_owned(),
                coordinators: 3,
                data_nodes: 6,
            },
            backend: Backend {
                database: database.name().to_owned(),
                user: server.user().to_owned(),
                server,
            },
            names: Vec::new(),
            accounts: BTreeMap::new(),
            aliases: Vec::new(),
            drawn: Drawn::default(),
            tls_is_broken: false,
            session_timeout: None,
            subtransactions: Subtransactions::Refused,
            plan: Mutex::default(),
            seen: Mutex::default(),
            clients: Mutex::default(),
            is_closing: AtomicBool::new(false),
        };
        Opening {
            shared,
            placements: Vec::new(),
            subtransactions: None,
        }
    }

    /// The port, at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the database through the gate, for the first account and with its password.
    pub(crate) fn url(&self) -> String {
        self.url_for(&self.shared.names[0])
    }

    /// The same for another account.
    ///
    /// # Panics
    /// There is no such account.
    pub(crate) fn url_for(&self, user: &str) -> String {
        let (account, _) = &self.shared.accounts[user];
        self.url_with(user, &account.password)
    }

    /// The same with any user and password.
    pub(crate) fn url_with(&self, user: &str, password: &str) -> String {
        format!(
            "postgresql://{}:{}@127.0.0.1:{}/{}",
            percent_encoded(user),
            percent_encoded(password),
            self.port,
            self.shared.backend.database
        )
    }

    /// Every statement that was asked for, as it was written, in order: each of a Query, and that
    /// of a Parse. The last 10000.
    pub(crate) fn statements(&self) -> Vec<String> {
        lock(&self.shared.seen).statements.iter().cloned().collect()
    }

    /// The statements among them that the server does not have, and refused. Faults do not count.
    pub(crate) fn refused(&self) -> Vec<String> {
        lock(&self.shared.seen).refused.iter().cloned().collect()
    }

    /// How many logins failed by a wrong answer, of all users.
    pub(crate) fn failed_logins(&self) -> u32 {
        lock(&self.shared.seen).all_failed_logins
    }

    /// How many connections came with a start-up message that the server knows.
    pub(crate) fn connections(&self) -> u32 {
        lock(&self.shared.seen).connections
    }

    /// How many of them became sessions.
    pub(crate) fn sessions(&self) -> u32 {
        lock(&self.shared.seen).sessions
    }

    /// How many faults have come to pass. One that comes twice counts twice.
    pub(crate) fn faults_fired(&self) -> u32 {
        lock(&self.shared.plan).fired()
    }

    /// Plans one more fault, from now on.
    pub(crate) fn inject(&self, fault: Fault) {
        lock(&self.shared.plan).add(fault);
    }

    /// Says how a table is kept, as [`Opening::place`].
    pub(crate) fn place(&self, table: &str, placement: &Placement<'_>) {
        let backend = &self.shared.backend;
        shim::place(&backend.server, &backend.database, table, placement);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::SeqCst);
        // The listener wakes up, and sees.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        for client in lock(&self.shared.clients).values() {
            let _ = client.shutdown(Shutdown::Both);
        }
        shim::closed(&self.shared.backend.database);
    }
}

impl Opening {
    /// Plays this server: its version, compatibility mode and refusals.
    #[must_use]
    pub(crate) fn playing(mut self, product: Product) -> Self {
        let identity = &mut self.shared.identity;
        identity.product = product;
        product.version().clone_into(&mut identity.version);
        product
            .compatibility()
            .clone_into(&mut identity.compatibility);
        self
    }

    /// Says this as its `version()`.
    #[must_use]
    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.shared.identity.version);
        self
    }

    /// Has this compatibility mode: ORA, TD, MYSQL in DWS, A, B, C, PG in openGauss.
    #[must_use]
    pub(crate) fn compatibility(mut self, mode: &str) -> Self {
        mode.clone_into(&mut self.shared.identity.compatibility);
        self
    }

    /// Has so many nodes in `pgxc_node`, where it plays DWS; 3 and 6 by default.
    #[must_use]
    pub(crate) fn nodes(mut self, coordinators: u32, data_nodes: u32) -> Self {
        self.shared.identity.coordinators = coordinators;
        self.shared.identity.data_nodes = data_nodes;
        self
    }

    /// Keeps a table so, by `pg_class.reloptions` and `pgxc_class`. It may be made later; its name
    /// is as `::regclass` takes it. Any other is a row store, distributed by the first column of
    /// its primary key, or else by its first column.
    #[must_use]
    pub(crate) fn place(mut self, table: &str, placement: &Placement<'_>) -> Self {
        let columns = placement.hash.unwrap_or_default().iter();
        self.placements.push((
            table.to_owned(),
            placement.column_store,
            columns.map(|name| (*name).to_owned()).collect(),
            placement.replicated,
        ));
        self
    }

    /// Treats a COPY behind a SAVEPOINT so, whichever product it plays.
    #[must_use]
    pub(crate) fn subtransactions(mut self, manner: Subtransactions) -> Self {
        self.subtransactions = Some(manner);
        self
    }

    /// Has this account. The first is that of [`Gate::url`].
    #[must_use]
    pub(crate) fn account(mut self, account: Account) -> Self {
        let verifier = account.verifier();
        let name = account.name.clone();
        if !self.shared.names.contains(&name) {
            self.shared.names.push(name.clone());
        }
        self.shared.accounts.insert(name, (account, verifier));
        self
    }

    /// Fails so. Any number of faults can be planned; of those that are due at one event, the first
    /// comes.
    #[must_use]
    pub(crate) fn fault(self, fault: Fault) -> Self {
        lock(&self.shared.plan).add(fault);
        self
    }

    /// Ends sessions that are idle for so long, unless they `SET session_timeout` to another value.
    /// Never by default. A bare number in SET is one of seconds; units such as `300ms` work.
    #[must_use]
    pub(crate) fn session_timeout(mut self, limit: Duration) -> Self {
        self.shared.session_timeout = Some(limit);
        self
    }

    /// Takes this name of a database for its own too.
    #[must_use]
    pub(crate) fn also_called(mut self, database: &str) -> Self {
        self.shared.aliases.push(database.to_owned());
        self
    }

    /// Draws this as the token, or MD5 salt, of every challenge.
    #[must_use]
    pub(crate) fn token(mut self, token: [u8; 4]) -> Self {
        self.shared.drawn.token = Some(token);
        self
    }

    /// Draws this as the salt of challenges that no password answers.
    #[must_use]
    pub(crate) fn fake_salt(mut self, salt: [u8; 32]) -> Self {
        self.shared.drawn.fake_salt = Some(salt);
        self
    }

    /// Says yes to TLS, and then in plain text that it is not set up. By default it says no.
    #[must_use]
    pub(crate) fn tls_is_broken(mut self) -> Self {
        self.shared.tls_is_broken = true;
        self
    }

    /// Opens it, on a free port.
    ///
    /// # Panics
    /// There is no free port, or the server does not take the objects of the gate.
    pub(crate) fn open(mut self) -> Gate {
        if self.shared.names.is_empty() {
            self = self.account(Account::new("loader", "Loader@2024"));
        }
        let mut shared = self.shared;
        shared.subtransactions = self.subtransactions.unwrap_or({
            if shared.identity.product.is_dws() {
                Subtransactions::Refused
            } else {
                Subtransactions::Allowed
            }
        });
        let backend = &shared.backend;
        shared.identity.install(&backend.server, &backend.database);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let gate = Gate {
            port,
            shared: Arc::new(shared),
        };
        for (table, column_store, columns, replicated) in &self.placements {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let placement = Placement {
                column_store: *column_store,
                hash: (!columns.is_empty()).then_some(&columns),
                replicated: *replicated,
            };
            gate.place(table, &placement);
        }
        let shared = Arc::clone(&gate.shared);
        thread::spawn(move || listen(&listener, &shared));
        gate
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, client) in listener.incoming().flatten().enumerate() {
        if shared.is_closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(handle) = client.try_clone() else {
            continue;
        };
        lock(&shared.clients).insert(number, handle);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A client that breaks off is no failure of the gate.
            let _ = entrance::serve(&shared, client);
            if let Some(handle) = lock(&shared.clients).remove(&number) {
                let _ = handle.shutdown(Shutdown::Both);
            }
        });
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
