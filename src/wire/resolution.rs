//! From [`Settings`] and an [`Environment`] to a [`Target`]: what wins over what, and defaults.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::certificates;
use super::environment::Environment;
use super::passfile;
use super::service;
use super::settings::{self, Settings};
use super::target::{Address, ChannelBinding, Host, HostOrder, Origins, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// Variables and the settings they stand for ("Environment Variables").
const VARIABLES: [(&str, &str); 16] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
];

/// Silence after which a connection is probed, where no setting says so: many firewalls and load
/// balancers forget a connection that has been silent for 60 seconds.
const KEEPALIVE: Duration = Duration::from_secs(50);

/// See [`Target::resolve`].
pub(super) fn resolve(settings: &Settings, environment: &Environment) -> Result<Target> {
    let mut warnings = Vec::new();
    let mut origins = Origins::default();
    let settings = &completed(settings, environment, &mut origins, &mut warnings)?;
    let user = user(settings, environment)?;
    let dbname = settings.filled("dbname").unwrap_or(&user).to_owned();
    let mut hosts = hosts(settings, environment)?;
    origins.passfile = fill_in_passwords(
        &mut hosts,
        &user,
        &dbname,
        settings,
        environment,
        &mut warnings,
    );
    let over_tcp = hosts
        .iter()
        .any(|host| matches!(host.address, Address::Tcp { .. }));
    let owned = |keyword| settings.filled(keyword).map(str::to_owned);
    Ok(Target {
        tls: certificates::resolve(settings, environment, over_tcp, &mut warnings)?,
        channel_binding: match settings.filled("channel_binding") {
            Some(text) => settings::channel_binding(text).map_err(usage)?,
            None => ChannelBinding::Prefer,
        },
        order: match settings.filled("load_balance_hosts") {
            Some(text) => settings::host_order(text).map_err(usage)?,
            None => HostOrder::Random,
        },
        connect_timeout: seconds(settings, "connect_timeout")?,
        application_name: owned("application_name"),
        options: owned("options"),
        keepalive: keepalive(settings)?,
        hosts,
        user,
        dbname,
        warnings,
        origins,
    })
}

pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// `settings` with what they leave open from the service and from PG* variables. As in libpq, a
/// variable counts only where nothing else speaks, so a bad one that does not matter is no error.
fn completed(
    settings: &Settings,
    environment: &Environment,
    origins: &mut Origins,
    warnings: &mut Vec<String>,
) -> Result<Settings> {
    let mut all = settings.clone();
    origins.given = settings.keywords().map(str::to_owned).collect();
    let service = match settings.get("service") {
        Some(name) => Some(name),
        None => environment.variable("PGSERVICE")?,
    };
    if let Some(name) = service.filter(|name| !name.is_empty()) {
        service::add(name, &mut all, environment, warnings)?;
        origins.service = Some(name.to_owned());
    }
    for (variable, keyword) in VARIABLES {
        if all.get(keyword).is_some() {
            continue;
        }
        if let Some(value) = environment.variable(variable)? {
            all.set(keyword, value).map_err(|message| {
                usage(format!(
                    "the environment variable `{variable}` cannot be used: {message}"
                ))
            })?;
            origins.environment.push(variable.to_owned());
        }
    }
    Ok(all)
}

fn user(settings: &Settings, environment: &Environment) -> Result<String> {
    match settings.filled("user").or(environment.user()) {
        Some(user) => Ok(user.to_owned()),
        None => Err(usage(
            "there is no user to log in as, and the system has no name for the user this runs as",
        )
        .hint("set `user` in the job's `connection`, or PGUSER")),
    }
}

/// The hosts of `host`, `hostaddr` and `port`, which are lists of the same length.
fn hosts(settings: &Settings, environment: &Environment) -> Result<Vec<Host>> {
    let list = |keyword| -> Vec<&str> {
        let filled = settings.filled(keyword);
        filled.map_or_else(Vec::new, |text| text.split(',').map(str::trim).collect())
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(counts("hostaddr", addresses.len(), names.len()));
    }
    let count = names.len().max(addresses.len()).max(1);
    if ports.len() > 1 && ports.len() != count {
        return Err(counts("port", ports.len(), count)
            .hint("write one port for all hosts, or one for each"));
    }
    (0..count)
        .map(|index| {
            let text = ports.get(index).or(ports.first()).copied().unwrap_or("");
            let port = settings::port(text).ok_or_else(|| usage("`port` is not a port"))?;
            let addr: Option<IpAddr> = addresses
                .get(index)
                .filter(|text| !text.is_empty())
                .map(|text| text.parse())
                .transpose()
                .map_err(|_| usage("`hostaddr` is not an IP address"))?;
            let address = match (names.get(index).copied().unwrap_or(""), addr) {
                ("", None) => Address::Unix(default_folder(port, environment)),
                ("", Some(addr)) => Address::Tcp {
                    name: addr.to_string(),
                    addr: Some(addr),
                },
                (folder, None) if folder.starts_with('/') => Address::Unix(folder.into()),
                (name, addr) => Address::Tcp {
                    name: name.to_owned(),
                    addr,
                },
            };
            Ok(Host {
                address,
                port,
                password: None,
            })
        })
        .collect()
}

fn counts(keyword: &str, found: usize, hosts: usize) -> Error {
    usage(format!(
        "the number of entries in `{keyword}` ({found}) is not the number of hosts ({hosts})"
    ))
}

/// The first of the usual folders that has the socket of this port, else the first.
fn default_folder(port: u16, environment: &Environment) -> PathBuf {
    let folders = &environment.socket_folders;
    let socket = format!(".s.PGSQL.{port}");
    folders
        .iter()
        .find(|folder| folder.join(&socket).exists())
        .or(folders.first())
        .cloned()
        .unwrap_or_default()
}

/// Gives each host the password that is set for all, or else that of the password file. Returns that
/// file, where it has one.
fn fill_in_passwords(
    hosts: &mut [Host],
    user: &str,
    dbname: &str,
    settings: &Settings,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Option<PathBuf> {
    if let Some(password) = settings.filled("password") {
        for host in hosts {
            host.password = Some(Secret::new(password));
        }
        return None;
    }
    let named = settings.filled("passfile");
    let path = match (named, environment.home()) {
        (Some(path), _) => environment.expand(path),
        (None, Some(home)) => home.join(".pgpass"),
        (None, None) => return None,
    };
    let file = passfile::read(&path, named.is_some(), warnings)?;
    for host in hosts.iter_mut() {
        host.password = file.password(
            &name_in_passfile(host, environment),
            host.port,
            dbname,
            user,
        );
    }
    let found = hosts.iter().any(|host| host.password.is_some());
    found.then_some(path)
}

/// The name under which a password file has a host: `localhost` for a socket in a default folder.
fn name_in_passfile(host: &Host, environment: &Environment) -> String {
    match &host.address {
        Address::Tcp { name, .. } => name.clone(),
        Address::Unix(folder) if environment.socket_folders.contains(folder) => "localhost".into(),
        Address::Unix(folder) => folder.display().to_string(),
    }
}

/// A number of seconds; `None` where nothing, or 0, is set.
fn seconds(settings: &Settings, keyword: &str) -> Result<Option<Duration>> {
    let seconds = match settings.filled(keyword) {
        Some(text) => settings::whole_seconds(keyword, text).map_err(usage)?,
        None => 0,
    };
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

fn keepalive(settings: &Settings) -> Result<Option<Duration>> {
    if let Some(text) = settings.filled("keepalives") {
        if settings::whole_number("keepalives", text).map_err(usage)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(
        seconds(settings, "keepalives_idle")?.unwrap_or(KEEPALIVE),
    ))
}

#[cfg(test)]
mod tests;
