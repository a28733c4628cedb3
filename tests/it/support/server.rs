//! A real PostgreSQL for tests and benchmarks, thrown away with its last user.
//!
//! This file needs nothing but std and tempfile, so that a benchmark can take it by `#[path]`.
//!
//! The server listens on a Unix socket in its own short folder; no port, unless asked for. Run by
//! root it becomes user `postgres`, since PostgreSQL refuses to run as root.
//!
//! `DWSLOAD_TEST_PG=<conninfo>` makes [`Server::shared`] use a given server instead, as a user who
//! may create databases and roles; a password comes from `PGPASSWORD`.

#![allow(
    dead_code,
    reason = "several programs use this file, each another part of it"
)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The server of this test binary, as long as any test holds it.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// Numbers the databases, so that each has its own name.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// What a server does beyond the default: a Unix socket, everyone trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Listen on 127.0.0.1 as well, on a free port.
    pub(crate) listen: bool,
    /// Lines for `postgresql.conf`.
    pub(crate) config: Vec<String>,
    /// Lines for `pg_hba.conf`, before those that trust every local user: the first that fits wins.
    pub(crate) hba: Vec<String>,
    /// Environment variables of its processes.
    pub(crate) environment: Vec<(String, String)>,
    /// Files for the data folder, name and content, readable by the server alone. A `config` line
    /// names them without a folder.
    pub(crate) files: Vec<(String, String)>,
}

impl Options {
    /// Listens on TCP and offers TLS, with this certificate and key (PEM).
    pub(crate) fn tls(certificate: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            listen: true,
            config: [
                "ssl=on",
                "ssl_cert_file='server.crt'",
                "ssl_key_file='server.key'",
            ]
            .map(String::from)
            .into(),
            hba: Vec::new(),
            environment: Vec::new(),
            files: vec![
                ("server.crt".into(), certificate.into()),
                ("server.key".into(), key.into()),
            ],
        }
    }
}

/// A PostgreSQL server. Dropped, it is stopped and its folder removed.
#[derive(Debug)]
pub(crate) struct Server {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    psql: PathBuf,
    own: Option<Own>,
}

/// What belongs to a server that was started here.
#[derive(Debug)]
struct Own {
    /// Holds socket, log and data.
    dir: PathBuf,
    binaries: PathBuf,
    keeper: Child,
}

impl Server {
    /// The server that all tests of this binary share.
    ///
    /// # Panics
    /// There is no PostgreSQL, or it does not start: the message says what to do. A test without
    /// a server fails; it is never skipped.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(match std::env::var("DWSLOAD_TEST_PG") {
            Ok(conninfo) => Self::given(&conninfo),
            Err(_) => Self::start(&Options::default()),
        });
        *shared = Arc::downgrade(&server);
        server
    }

    /// Starts a server of one's own.
    ///
    /// # Panics
    /// As [`Server::shared`].
    pub(crate) fn start(options: &Options) -> Self {
        let binaries = binaries();
        let dir = tempfile::Builder::new()
            .prefix("dwsload-pg-")
            // Not TMPDIR: the path of a socket has about 100 bytes, and the server's user must
            // be able to reach it.
            .tempdir_in("/tmp")
            .expect("cannot make a folder in /tmp")
            .keep();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("chmod of our folder");
        let account = Account::of_the_server();
        account.owns(&dir);
        let keeper = keep(&account, &binaries, &dir);
        let port = if options.listen { free_port() } else { 5432 };
        let server = Self {
            host: dir.display().to_string(),
            port,
            user: "test".into(),
            password: None,
            psql: psql(&binaries),
            own: Some(Own {
                dir: dir.clone(),
                binaries: binaries.clone(),
                keeper,
            }),
        };
        let data = dir.join("data");
        run(account
            .command(&binaries.join("initdb"), &dir)
            .args(["--no-sync", "-A", "trust", "-U", "test", "-E", "UTF8"])
            .args(["--locale=C", "-D"])
            .arg(&data));
        configure(options, &account, &dir, port);
        let log = dir.join("log");
        let started = account
            .command(&binaries.join("pg_ctl"), &dir)
            .envs(options.environment.iter().cloned())
            .args(["start", "-w", "-s", "-l"])
            .arg(&log)
            .arg("-D")
            .arg(&data)
            .status()
            .expect("pg_ctl runs");
        let log = fs::read_to_string(&log).unwrap_or_default();
        assert!(started.success(), "the server does not start:\n{log}");
        server
    }

    /// The server named by the environment.
    fn given(conninfo: &str) -> Self {
        let psql = PathBuf::from("psql");
        // psql reads both forms of a conninfo, and tells what it found.
        let told = Command::new(&psql)
            .args(["-XAtq", "-d", conninfo])
            .args([
                "-c",
                r"\echo :HOST",
                "-c",
                r"\echo :PORT",
                "-c",
                r"\echo :USER",
            ])
            .output()
            .expect("psql runs");
        let lines = String::from_utf8_lossy(&told.stdout).into_owned();
        let mut lines = lines.lines();
        let (Some(host), Some(port), Some(user)) = (lines.next(), lines.next(), lines.next())
        else {
            panic!(
                "cannot connect to the server of DWSLOAD_TEST_PG:\n{}",
                String::from_utf8_lossy(&told.stderr)
            );
        };
        Self {
            host: host.into(),
            port: port.parse().expect("psql tells a port"),
            user: user.into(),
            password: std::env::var("PGPASSWORD").ok(),
            psql,
            own: None,
        }
    }

    /// A new, empty database, for one test. It keeps the server alive.
    pub(crate) fn database(self: &Arc<Self>) -> Database {
        self.database_with("")
    }

    /// A new database with `options` for CREATE DATABASE, such as `ENCODING 'LATIN1' TEMPLATE template0`.
    pub(crate) fn database_with(self: &Arc<Self>, options: &str) -> Database {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("dwsload_{}_{number}", std::process::id());
        self.psql("postgres", &format!("CREATE DATABASE {name} {options}"));
        Database {
            server: Arc::clone(self),
            name,
        }
    }

    /// The `postgresql://` URL of one of its databases, for `user`, over the Unix socket.
    pub(crate) fn url(&self, database: &str, user: &str) -> String {
        let password = match &self.password {
            Some(password) => format!(":{}", percent_encoded(password)),
            None => String::new(),
        };
        format!(
            "postgresql://{}{password}@/{}?host={}&port={}",
            percent_encoded(user),
            percent_encoded(database),
            percent_encoded(&self.host),
            self.port
        )
    }

    /// The host, which for a server started here is the folder of its socket.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port. TCP clients reach a server started with [`Options::listen`] at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The user that owns every database.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// What the server wrote into its log; empty for a given server.
    pub(crate) fn log(&self) -> String {
        let Some(own) = &self.own else {
            return String::new();
        };
        fs::read_to_string(own.dir.join("log")).unwrap_or_default()
    }

    /// Stops the server at once, as a crash does, and starts it again.
    ///
    /// # Panics
    /// The server was given, not started here, or does not come back.
    pub(crate) fn crash_and_restart(&self) {
        let own = self
            .own
            .as_ref()
            .expect("a given server is not ours to stop");
        run(Account::of_the_server()
            .command(&own.binaries.join("pg_ctl"), &own.dir)
            .args(["restart", "-w", "-s", "-m", "immediate", "-l"])
            .arg(own.dir.join("log"))
            .arg("-D")
            .arg(own.dir.join("data")));
    }

    /// Runs `sql` in `database` and returns what it prints: rows as lines, fields divided by `|`.
    ///
    /// # Panics
    /// At the first error of the server.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.psql_output(database, sql);
        assert!(
            output.status.success(),
            "{sql}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Whether it takes a statement in `database` now.
    pub(crate) fn answers(&self, database: &str) -> bool {
        self.psql_output(database, "SELECT 1").status.success()
    }

    fn psql_output(&self, database: &str, sql: &str) -> Output {
        Command::new(&self.psql)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url(database, &self.user))
            .args(["-c", sql])
            .stdin(Stdio::null())
            .output()
            .expect("psql runs")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The keeper sees the end of its input and does the rest.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A database of its own. On a given server it is dropped at the end; a server started here goes
/// away as a whole.
#[derive(Debug)]
pub(crate) struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where it is, for the user who owns it.
    pub(crate) fn url(&self) -> String {
        self.url_for(&self.server.user)
    }

    /// Where it is, for another user.
    pub(crate) fn url_for(&self, user: &str) -> String {
        self.server.url(&self.name, user)
    }

    /// Runs SQL and returns what it prints: rows as lines, fields divided by `|`.
    ///
    /// # Panics
    /// At the first error of the server.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.server.own.is_none() {
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            self.server.psql_output("postgres", &sql);
        }
    }
}

/// The operating system's user the server runs as.
#[derive(Debug, Clone, Copy)]
struct Account(Option<(u32, u32)>);

impl Account {
    /// Ours; for root, that of `postgres`, or else `nobody`.
    fn of_the_server() -> Self {
        let ours = fs::metadata("/proc/self").map_or(1, |process| process.uid());
        if ours != 0 {
            return Self(None);
        }
        let id = |option, user| {
            let output = Command::new("id").args([option, user]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        let found = ["postgres", "nobody"]
            .into_iter()
            .find_map(|user| Some((id("-u", user)?, id("-g", user)?)));
        assert!(
            found.is_some(),
            "PostgreSQL refuses to run as root, and there is no user `postgres`"
        );
        Self(found)
    }

    /// A program run by this user, in `dir`, with nothing of our environment but PATH.
    fn command(self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn owns(self, path: &Path) {
        if let Some((uid, gid)) = self.0 {
            chown(path, Some(uid), Some(gid)).expect("root may give files away");
        }
    }
}

/// Starts the process that ends the server. It waits for the end of its input, which comes when
/// the server is dropped and also when this process is killed; a server never outlives its tests.
fn keep(account: &Account, binaries: &Path, dir: &Path) -> Child {
    account
        .command(Path::new("/bin/sh"), dir)
        .args([
            "-c",
            r#"read -r _; "$0" stop -s -m immediate -D "$1/data"; cd /; rm -rf "$1""#,
        ])
        .arg(binaries.join("pg_ctl"))
        .arg(dir)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        // Not to be ended by the same Ctrl-C as the tests.
        .process_group(0)
        .spawn()
        .expect("sh runs")
}

fn configure(options: &Options, account: &Account, dir: &Path, port: u16) {
    let data = dir.join("data");
    for (name, content) in &options.files {
        let path = data.join(name);
        fs::write(&path, content).expect("a file in the data folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod of our file");
        account.owns(&path);
    }
    let mut config = fs::read_to_string(data.join("postgresql.conf")).expect("initdb wrote it");
    config.push_str(&format!(
        "listen_addresses = '{}'\nport = {port}\nunix_socket_directories = '{}'\nfsync = off\n\
         synchronous_commit = off\nfull_page_writes = off\n",
        if options.listen { "127.0.0.1" } else { "" },
        dir.display(),
    ));
    config.extend(options.config.iter().map(|line| format!("{line}\n")));
    fs::write(data.join("postgresql.conf"), config).expect("a file in the data folder");
    let trust = fs::read_to_string(data.join("pg_hba.conf")).expect("initdb wrote it");
    let hba = [options.hba.as_slice(), &[trust]].concat().join("\n");
    fs::write(data.join("pg_hba.conf"), hba).expect("a file in the data folder");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// The folder of the server's programs: where PATH leads to, links followed, or Debian's place,
/// the newest version first.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let linked = std::env::split_paths(&path)
        .filter_map(|dir| fs::canonicalize(dir.join("pg_ctl")).ok())
        .filter_map(|program| Some(program.parent()?.to_owned()));
    let found = linked.chain(debian()).find(|dir| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| dir.join(program).exists())
    });
    found.unwrap_or_else(|| {
        panic!(
            "these tests need a PostgreSQL server: `make setup` installs it, or `apt-get install postgresql`; \
             DWSLOAD_TEST_PG=<conninfo> names a running one"
        )
    })
}

fn debian() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, dir)| dir).collect()
}

/// The psql beside the server's programs, or that of PATH.
fn psql(binaries: &Path) -> PathBuf {
    let beside = binaries.join("psql");
    if beside.exists() {
        beside
    } else {
        "psql".into()
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program of PostgreSQL runs");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
