//! TLS, logins and the many places where connection settings come from, on a server that listens
//! on TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod doctor;
mod jobs;
mod logins;
mod servers;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::{fs, os::unix::fs::PermissionsExt};

use dwsload::error::Result;
use dwsload::wire::settings::Settings;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

use crate::support::Workplace;
use crate::support::server::{Database, Options, Server};
use crate::support::session::{block_on, log_in};

/// Somebody who certifies. Every authority has the same name; keys tell them apart.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

/// A certificate and its key, PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    fn certify(&self, common_name: &str, names: &[SanType]) -> Identity {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.subject_alt_names = names.to_vec();
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// The server that the tests of TLS share, certified for `dw.example.com` and 127.0.0.1.
///
/// How a role logs in is decided by the group it is in: see [`HBA`].
pub(crate) struct Shared {
    pub(crate) server: Arc<Server>,
    ours: Authority,
}

/// For each group of roles, how it logs in by TCP. Other roles are trusted.
const HBA: [&str; 8] = [
    "hostssl all +tls_only 127.0.0.1/32 trust",
    "host all +tls_only 127.0.0.1/32 reject",
    "hostnossl all +plain_only 127.0.0.1/32 trust",
    "host all +plain_only 127.0.0.1/32 reject",
    "hostssl all +by_certificate 127.0.0.1/32 trust clientcert=verify-full",
    "host all +by_certificate 127.0.0.1/32 reject",
    "host all +by_scram 127.0.0.1/32 scram-sha-256",
    "host all +by_md5 127.0.0.1/32 md5",
];

static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
static ROLES: AtomicU32 = AtomicU32::new(0);

impl Shared {
    /// It runs as long as a test holds it.
    pub(crate) fn server() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    fn start() -> Self {
        let ours = Authority::new();
        let names = [
            SanType::DnsName("dw.example.com".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        let identity = ours.certify("dw", &names);
        let mut options = Options::tls(identity.certificate, identity.key);
        options.hba = HBA.map(String::from).into();
        options.config.push("ssl_ca_file='root.crt'".into());
        options.files.push(("root.crt".into(), ours.root.clone()));
        let server = Arc::new(Server::start(&options));
        let groups = [
            "tls_only",
            "plain_only",
            "by_certificate",
            "by_scram",
            "by_md5",
        ];
        for group in groups {
            server.psql("postgres", &format!("CREATE ROLE {group}"));
        }
        Self { server, ours }
    }

    /// The URL of a database by TCP, with more `parameters`.
    pub(crate) fn url(&self, database: &Database, user: &str, parameters: &str) -> String {
        format!(
            "postgresql://{user}@127.0.0.1:{}/{}?{parameters}",
            self.server.port(),
            database.name()
        )
    }

    /// A new role in a group, with the password [`PASSWORD`].
    fn role(&self, group: &str) -> String {
        let role = format!("{group}_{}", ROLES.fetch_add(1, Ordering::Relaxed));
        let encryption = if group == "by_md5" {
            "md5"
        } else {
            "scram-sha-256"
        };
        self.server.psql(
            "postgres",
            &format!(
                "SET password_encryption = '{encryption}'; \
                 CREATE ROLE {role} LOGIN IN ROLE {group} PASSWORD '{PASSWORD}'"
            ),
        );
        role
    }

    /// Logs in as `user` by TCP, and says whether that is encrypted.
    fn log_in(&self, user: &str, more: &[(&str, &str)], home: &Path) -> Result<bool> {
        let port = self.server.port().to_string();
        let all = [
            ("host", "127.0.0.1"),
            ("port", &port),
            ("user", user),
            ("dbname", "postgres"),
        ];
        is_encrypted(&[&all, more].concat(), home)
    }

    /// How many logins of `user` failed by their password.
    fn wrong_passwords(&self, user: &str) -> usize {
        let line = format!("FATAL:  password authentication failed for user \"{user}\"");
        self.server.log().matches(&line).count()
    }
}

/// Of the roles that have one. Nothing else may look like it.
const PASSWORD: &str = "Geheim/42 ñ";

/// Connects by these settings, and says whether that is encrypted.
fn is_encrypted(settings: &[(&str, &str)], home: &Path) -> Result<bool> {
    let mut all = Settings::default();
    for (keyword, value) in settings {
        all.set(keyword, *value).unwrap();
    }
    block_on(async {
        let mut session = log_in(&all, home).await?;
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let rows = session.rows(sql).await.unwrap();
        session.close().await;
        Ok(rows[0].bytes(0) == Some(b"t"))
    })
}

/// Writes a file that its owner alone may read.
fn private(place: &Workplace, name: &str, content: &str) -> PathBuf {
    let path = place.file(name, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A path as the value of a setting.
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
