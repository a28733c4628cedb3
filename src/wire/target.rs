//! Where to connect and as whom: settings, interpreted.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::resolution;
use super::settings::Settings;
use crate::error::Result;
use crate::secret::Secret;

/// Where to connect and as whom. Everything is decided; only names are still to be looked up.
#[derive(Debug, Clone)]
pub struct Target {
    /// The servers, in the order of the settings; at least one.
    pub hosts: Vec<Host>,
    /// The order in which they are tried.
    pub order: HostOrder,
    /// Who logs in.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// Encryption of TCP connections. Unix sockets are never encrypted.
    pub tls: TlsSettings,
    /// Whether the login is bound to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// The time one address may take from socket to login; `None` for [`connect`](super::connect::connect)'s own limit.
    pub connect_timeout: Option<Duration>,
    /// What the server shows of this connection, where the settings say so.
    pub application_name: Option<String>,
    /// Options for the server at the start of the session, such as `-c work_mem=1GB`.
    pub options: Option<String>,
    /// How long a TCP connection is silent before it is probed; `None` for no probes.
    pub keepalive: Option<Duration>,
    /// What people should know about these settings, such as a password file that was left out.
    pub warnings: Vec<String>,
    /// Where the settings come from.
    pub origins: Origins,
}

/// Where the settings of a target come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Keywords that a job file or a URL has set.
    pub given: Vec<String>,
    /// The service that filled in some.
    pub service: Option<String>,
    /// The PG* variables that filled in some.
    pub environment: Vec<String>,
    /// The password file, where a password comes from it.
    pub passfile: Option<PathBuf>,
}

impl Target {
    /// One host, in plain text, with nothing set but who connects and to what.
    pub fn new(host: Host, user: impl Into<String>, dbname: impl Into<String>) -> Self {
        Self {
            hosts: vec![host],
            order: HostOrder::Random,
            user: user.into(),
            dbname: dbname.into(),
            tls: TlsSettings {
                mode: SslMode::Disable,
                root: RootCerts::None,
                client: None,
            },
            channel_binding: ChannelBinding::Prefer,
            connect_timeout: None,
            application_name: None,
            options: None,
            keepalive: None,
            warnings: Vec::new(),
            origins: Origins::default(),
        }
    }

    /// Interprets `settings`; what they leave open comes, in this order, from the connection
    /// service they name, from PG* variables, and from libpq's defaults ("Parameter Key Words" and
    /// "Environment Variables" of the `PostgreSQL` manual). Reads the password and service files,
    /// and looks whether certificates are there.
    ///
    /// Other than in libpq, several hosts are tried in random order (`load_balance_hosts`), TCP
    /// keepalive begins after 50 seconds, and a certificate or key that
    /// is set and missing is an error even where it might not be needed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage): a value that makes no sense, alone or
    /// with the others, or a file that is missing or may be read by others.
    pub fn resolve(settings: &Settings, environment: &Environment) -> Result<Self> {
        resolution::resolve(settings, environment)
    }

    /// One host of this target for people, without secrets:
    /// `dw.example.com:8000 as loader, database sales`.
    pub fn describe(&self, host: &Host) -> String {
        format!("{host} as {}, database {}", self.user, self.dbname)
    }

    /// One host of this target and the database, short: `dw.example.com:8000/sales`.
    pub fn place(&self, host: &Host) -> String {
        format!("{host}/{}", self.dbname)
    }
}

/// One server of a target.
///
/// `Display` is `name:port`, with the address in parentheses where one is set beside the name.
#[derive(Debug, Clone)]
pub struct Host {
    /// The socket or the name.
    pub address: Address,
    /// The TCP port, which is a part of a socket's name, too.
    pub port: u16,
    /// The password for this host.
    pub password: Option<Secret>,
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            Address::Unix(folder) => write!(f, "{}:{}", folder.display(), self.port),
            Address::Tcp { name, addr } => {
                if name.parse::<Ipv6Addr>().is_ok() {
                    write!(f, "[{name}]:{}", self.port)?;
                } else {
                    write!(f, "{name}:{}", self.port)?;
                }
                match addr {
                    Some(addr) if addr.to_string() != *name => write!(f, " ({addr})"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The folder of a Unix socket; the socket is `.s.PGSQL.<port>` in it.
    Unix(PathBuf),
    /// A TCP address.
    Tcp {
        /// The name, or an address, which the server's certificate must be for.
        name: String,
        /// The address, where `hostaddr` saves looking the name up.
        addr: Option<IpAddr>,
    },
}

/// `load_balance_hosts`: the order in which hosts, and the addresses of one, are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostOrder {
    /// That of the settings, and of the system's name service.
    Given,
    /// Another one each time, so that many clients spread over all coordinators of a cluster.
    Random,
}

/// `channel_binding`: whether the login is bound to the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server can.
    Prefer,
    /// Always, or there is no login.
    Require,
}

/// `sslmode`: whether a TCP connection is encrypted and the server checked. Weaker ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encrypted where the server can.
    Prefer,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, and the server's certificate is from someone we trust.
    VerifyCa,
    /// The same, and the certificate is for the name we asked for.
    VerifyFull,
}

/// Whom we trust to certify servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCerts {
    /// Nobody; good where the server is not checked.
    None,
    /// The certificates in a PEM file.
    File(PathBuf),
    /// The system's list.
    System,
}

/// How TLS is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whether, and what is checked.
    pub mode: SslMode,
    /// Whom we trust.
    pub root: RootCerts,
    /// Our certificate and its key, both PEM files.
    pub client: Option<(PathBuf, PathBuf)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: Host) -> Target {
        Target::new(host, "loader", "sales")
    }

    #[test]
    fn a_target_is_described_without_its_password() {
        let tcp = |name: &str, addr: Option<&str>| Address::Tcp {
            name: name.into(),
            addr: addr.map(|addr| addr.parse().unwrap()),
        };
        for (address, expected) in [
            (tcp("dw.example.com", None), "dw.example.com:8000"),
            (tcp("dw", Some("10.0.0.5")), "dw:8000 (10.0.0.5)"),
            (tcp("10.0.0.5", Some("10.0.0.5")), "10.0.0.5:8000"),
            (tcp("::1", None), "[::1]:8000"),
            (Address::Unix("/run/pg".into()), "/run/pg:8000"),
        ] {
            let target = target(Host {
                address,
                port: 8000,
                password: Some(Secret::new("hunter2")),
            });
            assert_eq!(
                target.describe(&target.hosts[0]),
                format!("{expected} as loader, database sales")
            );
            assert_eq!(target.place(&target.hosts[0]), format!("{expected}/sales"));
            assert!(!format!("{target:?}").contains("hunter2"));
        }
    }
}
