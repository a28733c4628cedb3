//! Where to connect and as whom: settings, interpreted.
use crate::secret::Secret;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
#[derive(Debug, Clone)]
pub struct Target {
    pub hosts: Vec<Host>,
    pub user: String,
    pub dbname: String,
    pub tls: TlsSettings,
    pub channel_binding: ChannelBinding,
    pub connect_timeout: Option<Duration>,
    pub application_name: Option<String>,
    pub options: Option<String>,
    pub keepalive: Option<Duration>,
}
impl Target {
    pub fn describe(&self, _h: &Host) -> String {
        String::new()
    }
}
#[derive(Debug, Clone)]
pub struct Host {
    pub address: Address,
    pub port: u16,
    pub password: Option<Secret>,
}
#[derive(Debug, Clone)]
pub enum Address {
    Unix(PathBuf),
    Tcp { name: String, addr: Option<IpAddr> },
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}
#[derive(Debug, Clone)]
pub enum RootCerts {
    None,
    File(PathBuf),
    System,
}
#[derive(Debug, Clone)]
pub struct TlsSettings {
    pub mode: SslMode,
    pub root: RootCerts,
    pub client: Option<(PathBuf, PathBuf)>,
}
