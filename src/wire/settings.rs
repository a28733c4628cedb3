//! Connection settings by libpq's keywords, as written in a job file, a URL or a service file.
//!
//! Names, values and their meaning are those of the `PostgreSQL` manual, "Parameter Key Words". A
//! value is checked as soon as it is set, as far as that needs nothing but the value.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use super::target::{ChannelBinding, HostOrder, SslMode};
use super::url;

/// Connection settings by libpq keyword (`host`, `port`, `sslmode`, ...), not yet interpreted.
///
/// An empty value means the default, whatever the environment says. `Debug` shows no password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, String>);

/// Keywords whose value is a path.
const PATHS: [&str; 5] = [
    "passfile",
    "servicefile",
    "sslrootcert",
    "sslcert",
    "sslkey",
];

/// Keywords that libpq (version 18) knows and dwsload does not.
const OTHERS_OF_LIBPQ: [&str; 25] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives_count",
    "keepalives_interval",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_issuer",
    "replication",
    "require_auth",
    "requirepeer",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslpassword",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
];

impl Settings {
    /// The keywords that are understood, in the order in which people write them.
    pub const KEYWORDS: &'static [&'static str] = &[
        "host",
        "hostaddr",
        "port",
        "user",
        "password",
        "passfile",
        "dbname",
        "service",
        "servicefile",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "channel_binding",
        "load_balance_hosts",
        "connect_timeout",
        "application_name",
        "options",
        "keepalives",
        "keepalives_idle",
    ];

    /// Reads `postgresql://user:password@host:port,host2/dbname?keyword=value&...`.
    ///
    /// The rules are libpq's ("Connection URIs"): every part may be percent-encoded, an IPv6
    /// address stands in brackets, an encoded folder (`%2Fvar%2Frun`) is a Unix socket. The scheme
    /// may also be `postgres`, `gaussdb` or `opengauss`.
    ///
    /// # Errors
    /// Says what is wrong; never repeats the password, nor anything that may be a part of it.
    pub fn from_url(url: &str) -> Result<Self, String> {
        url::read(url)
    }

    /// Sets one keyword. `database` is another name of `dbname`, as in psycopg2.
    ///
    /// # Errors
    /// The keyword is not known, or the value cannot be a value of it. Never repeats a password.
    pub fn set(&mut self, keyword: &str, value: impl Into<String>) -> Result<(), String> {
        let value = value.into();
        let known = known(keyword)?;
        check(known, &value)?;
        self.0.insert(known, value);
        Ok(())
    }

    /// The value of a keyword, where it is set; empty for one that is set to its default.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str)
    }

    /// The keywords that are set here.
    pub(super) fn keywords(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Whether a password is written here.
    pub fn holds_password(&self) -> bool {
        self.get("password").is_some_and(|text| !text.is_empty())
    }

    /// Makes the paths written here (certificates, key, password and service file) relative to
    /// `folder` instead of the current directory. `~/...` and `sslrootcert=system` stay.
    pub fn relative_to(&mut self, folder: &Path) {
        for keyword in PATHS {
            let Some(value) = self.0.get_mut(keyword) else {
                continue;
            };
            let names_no_file = value.is_empty() || (keyword == "sslrootcert" && value == "system");
            if names_no_file || value.starts_with("~/") {
                continue;
            }
            // A folder that is not UTF-8 cannot be written in a setting; the path stays as it is.
            if let Some(joined) = folder.join(value.as_str()).to_str() {
                joined.clone_into(value);
            }
        }
    }

    /// Sets `keyword` where it is not set yet.
    pub(super) fn set_default(&mut self, keyword: &str, value: &str) -> Result<(), String> {
        if self.get(known(keyword)?).is_some() {
            return Ok(());
        }
        self.set(keyword, value)
    }

    /// The value of a keyword, where it is set and not empty.
    pub(super) fn filled(&self, keyword: &str) -> Option<&str> {
        self.get(keyword).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(keyword, value)| match *keyword {
            "password" => (keyword, "****"),
            _ => (keyword, value.as_str()),
        });
        f.debug_map().entries(shown).finish()
    }
}

/// Whether a setting of libpq that dwsload does not know may be left out: the connection is as safe
/// without it, and the same server answers.
pub(super) fn is_dispensable(keyword: &str, value: &str) -> bool {
    match keyword {
        "fallback_application_name"
        | "gssdelegation"
        | "gsslib"
        | "keepalives_count"
        | "keepalives_interval"
        | "krbsrvname"
        | "max_protocol_version"
        | "ssl_max_protocol_version"
        | "sslcompression"
        | "sslsni"
        | "tcp_user_timeout" => true,
        "client_encoding" => matches!(
            value.to_ascii_lowercase().as_str(),
            "utf8" | "utf-8" | "unicode" | "auto"
        ),
        "gssencmode" => matches!(value, "disable" | "prefer"),
        "target_session_attrs" => value == "any",
        // TLS before 1.2 is never offered.
        "ssl_min_protocol_version" => matches!(value, "TLSv1" | "TLSv1.1" | "TLSv1.2"),
        _ => OTHERS_OF_LIBPQ.contains(&keyword) && value.is_empty(),
    }
}

/// The keyword as it is kept, for one as it is written.
fn known(keyword: &str) -> Result<&'static str, String> {
    let name = if keyword == "database" {
        "dbname"
    } else {
        keyword
    };
    if let Some(known) = Settings::KEYWORDS.iter().find(|known| **known == name) {
        return Ok(known);
    }
    if OTHERS_OF_LIBPQ.contains(&name) {
        return Err(format!(
            "`{keyword}` is a connection setting of libpq that dwsload does not support"
        ));
    }
    Err(format!("`{keyword}` is not a connection setting"))
}

/// Checks what can be checked of a value alone. An empty value is the default and always good.
fn check(keyword: &'static str, value: &str) -> Result<(), String> {
    if value.contains('\0') {
        return Err(format!("`{keyword}` contains a zero byte"));
    }
    if value.is_empty() {
        return Ok(());
    }
    match keyword {
        "host" => value.split(',').try_for_each(check_host),
        "hostaddr" => value.split(',').map(str::trim).try_for_each(|part| {
            // An empty one leaves it to the name.
            if part.is_empty() || part.parse::<IpAddr>().is_ok() {
                return Ok(());
            }
            Err(format!("`hostaddr` must be an IP address, not `{part}`"))
        }),
        "port" => value.split(',').try_for_each(|part| {
            port(part).map(drop).ok_or_else(|| {
                format!(
                    "`port` must be a number from 1 to 65535, not `{}`",
                    part.trim()
                )
            })
        }),
        "sslmode" => ssl_mode(value).map(drop),
        "channel_binding" => channel_binding(value).map(drop),
        "load_balance_hosts" => host_order(value).map(drop),
        "keepalives" => whole_number(keyword, value).map(drop),
        "connect_timeout" | "keepalives_idle" => whole_seconds(keyword, value).map(drop),
        _ => Ok(()),
    }
}

/// Refuses what cannot be one host. Does not repeat it: behind a mistake in a URL it may be a part
/// of the password.
fn check_host(host: &str) -> Result<(), String> {
    if host.starts_with('@') {
        return Err(
            "`host` names an abstract socket (`@...`); dwsload knows socket folders only".into(),
        );
    }
    if host.is_empty() || host.starts_with('/') {
        return Ok(());
    }
    if host.contains('@') {
        return Err(
            "`host` contains `@`; in a URL, a `@` in a user or password is written `%40`".into(),
        );
    }
    if host.contains("://") {
        return Err("`host` is a URL; a URL stands in place of the whole connection".into());
    }
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#[]".contains(c)) {
        return Err(
            "`host` is not a host name, an IP address without brackets, or an absolute socket folder".into(),
        );
    }
    let address = host.split('%').next().unwrap_or(host);
    if host.contains(':') && address.parse::<Ipv6Addr>().is_err() {
        return Err("`host` contains `:`; a port is a setting of its own, `port`".into());
    }
    Ok(())
}

/// The port that an empty one stands for.
pub(super) const DEFAULT_PORT: u16 = 5432;

/// A port; the default for an empty one.
pub(super) fn port(text: &str) -> Option<u16> {
    match text.trim() {
        "" => Some(DEFAULT_PORT),
        text => text.parse().ok().filter(|port| *port > 0),
    }
}

/// What `sslmode` says.
pub(super) fn ssl_mode(text: &str) -> Result<SslMode, String> {
    match text {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        "allow" => Err(
            "`sslmode` `allow` is not supported, because it sends the login in plain text first; use `prefer`".into(),
        ),
        other => Err(format!(
            "`sslmode` must be disable, prefer, require, verify-ca or verify-full, not `{other}`"
        )),
    }
}

/// What `channel_binding` says.
pub(super) fn channel_binding(text: &str) -> Result<ChannelBinding, String> {
    match text {
        "disable" => Ok(ChannelBinding::Disable),
        "prefer" => Ok(ChannelBinding::Prefer),
        "require" => Ok(ChannelBinding::Require),
        other => Err(format!(
            "`channel_binding` must be disable, prefer or require, not `{other}`"
        )),
    }
}

/// What `load_balance_hosts` says.
pub(super) fn host_order(text: &str) -> Result<HostOrder, String> {
    match text {
        "disable" => Ok(HostOrder::Given),
        "random" => Ok(HostOrder::Random),
        other => Err(format!(
            "`load_balance_hosts` must be disable or random, not `{other}`"
        )),
    }
}

/// A number of seconds; 0 for a negative one, as libpq.
pub(super) fn whole_seconds(keyword: &str, text: &str) -> Result<u64, String> {
    match whole_number(keyword, text) {
        Ok(number) => Ok(u64::try_from(number).unwrap_or(0)),
        Err(_) => Err(format!(
            "`{keyword}` must be a whole number of seconds, not `{text}`"
        )),
    }
}

/// A whole number in libpq's range.
pub(super) fn whole_number(keyword: &str, text: &str) -> Result<i32, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("`{keyword}` must be a whole number, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(keyword: &str, value: &str) -> String {
        Settings::default().set(keyword, value).unwrap_err()
    }

    #[test]
    fn every_keyword_takes_its_values_and_the_empty_one() {
        let good = [
            ("host", "dw.example.com"),
            ("host", "a,b,,/run/pg,::1,fe80::1%eth0"),
            ("hostaddr", "10.0.0.1,::1"),
            ("port", "1"),
            ("port", " 65535 "),
            ("port", "5432,,8000"),
            ("user", "O'Neil \"x\""),
            ("password", " p@ss:w/rd "),
            ("sslmode", "verify-full"),
            ("sslrootcert", "system"),
            ("channel_binding", "require"),
            ("load_balance_hosts", "disable"),
            ("connect_timeout", "10"),
            ("connect_timeout", "-1"),
            ("keepalives", "0"),
            ("keepalives_idle", "30"),
        ];
        for (keyword, value) in good {
            let mut settings = Settings::default();
            assert_eq!(settings.set(keyword, value), Ok(()), "{keyword}={value}");
            assert_eq!(settings.get(keyword), Some(value));
        }
        for keyword in Settings::KEYWORDS {
            assert_eq!(Settings::default().set(keyword, ""), Ok(()), "{keyword}");
        }
    }

    #[test]
    fn a_bad_value_is_refused_and_the_settings_stay() {
        let bad = [
            ("port", "0"),
            ("port", "65536"),
            ("port", "-5432"),
            ("port", "5432,x"),
            ("port", "5432 8000"),
            ("hostaddr", "dw.example.com"),
            ("hostaddr", "10.0.0.256"),
            ("host", "dw.example.com:8000"),
            ("host", "[::1]"),
            ("host", "postgresql://dw/sales"),
            ("host", "a b"),
            ("host", "@abstract"),
            ("host", "u:p@dw"),
            ("host", "run/postgresql"),
            ("host", "a\0b"),
            ("sslmode", "Require"),
            ("sslmode", "allow"),
            ("channel_binding", "on"),
            ("load_balance_hosts", "off"),
            ("connect_timeout", "10s"),
            ("connect_timeout", "99999999999"),
            ("keepalives", "true"),
            ("keepalives_idle", "1.5"),
            ("user", "a\0b"),
        ];
        for (keyword, value) in bad {
            let mut settings = Settings::default();
            let message = settings.set(keyword, value).unwrap_err();
            assert!(message.contains(&format!("`{keyword}`")), "{message}");
            assert_eq!(settings, Settings::default(), "{keyword}={value}");
        }
    }

    #[test]
    fn messages_say_what_a_value_must_be() {
        insta::assert_snapshot!(refusal("port", "99999"), @"`port` must be a number from 1 to 65535, not `99999`");
        insta::assert_snapshot!(refusal("sslmode", "allow"), @"`sslmode` `allow` is not supported, because it sends the login in plain text first; use `prefer`");
        insta::assert_snapshot!(refusal("connect_timeout", "10s"), @"`connect_timeout` must be a whole number of seconds, not `10s`");
        insta::assert_snapshot!(refusal("hots", "x"), @"`hots` is not a connection setting");
        insta::assert_snapshot!(refusal("sslcrl", "x"), @"`sslcrl` is a connection setting of libpq that dwsload does not support");
        insta::assert_snapshot!(refusal("host", "dw:8000"), @"`host` contains `:`; a port is a setting of its own, `port`");
    }

    #[test]
    fn database_is_dbname_and_no_other_alias_exists() {
        let mut settings = Settings::default();
        settings.set("database", "sales").unwrap();
        assert_eq!(settings.get("dbname"), Some("sales"));
        assert!(settings.set("username", "x").is_err());
        assert!(settings.set("HOST", "x").is_err());
    }

    #[test]
    fn no_password_is_shown_or_repeated() {
        let mut settings = Settings::default();
        settings.set("password", "hunter2").unwrap();
        settings.set("user", "loader").unwrap();
        assert_eq!(
            format!("{settings:?}"),
            r#"{"password": "****", "user": "loader"}"#
        );
        assert!(!refusal("password", "hunter2\0").contains("hunter2"));
    }

    #[test]
    fn an_empty_password_is_no_password() {
        let mut settings = Settings::default();
        assert!(!settings.holds_password());
        settings.set("password", "").unwrap();
        assert!(!settings.holds_password());
        settings.set("password", "x").unwrap();
        assert!(settings.holds_password());
    }

    #[test]
    fn paths_become_relative_to_the_job_file_and_nothing_else_does() {
        let pairs = [
            ("sslrootcert", "certs/root.crt", "/jobs/certs/root.crt"),
            ("sslcert", "/etc/c.crt", "/etc/c.crt"),
            ("sslkey", "~/c.key", "~/c.key"),
            ("passfile", "pass", "/jobs/pass"),
            ("servicefile", "", ""),
            ("dbname", "sales", "sales"),
        ];
        let mut settings = Settings::default();
        for (keyword, before, _) in pairs {
            settings.set(keyword, before).unwrap();
        }
        settings.relative_to(Path::new("/jobs"));
        for (keyword, _, after) in pairs {
            assert_eq!(settings.get(keyword), Some(after), "{keyword}");
        }
        settings.set("sslrootcert", "system").unwrap();
        settings.relative_to(Path::new("/jobs"));
        assert_eq!(settings.get("sslrootcert"), Some("system"));
    }

    #[test]
    fn no_keyword_is_both_known_and_unknown() {
        for other in OTHERS_OF_LIBPQ {
            assert!(!Settings::KEYWORDS.contains(&other), "{other}");
        }
        for path in PATHS {
            assert!(Settings::KEYWORDS.contains(&path), "{path}");
        }
    }
}
