//! Which server it is: its kind, version, compatibility mode and nodes, and what it can.
//!
//! The login tells most of it (PostgreSQL manual, "Asynchronous Operations" of the protocol: the
//! parameters that a server reports). The rest is asked for by [`identify`], once per connection.

mod ability;
mod version;

use std::collections::BTreeMap;
use std::fmt;

use super::error::WireError;
use super::session::{Row, Session};

pub use ability::{Ability, Answer, Finding, Source};
pub use version::Version;

/// The kinds of server that dwsload knows apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// PostgreSQL, and what answers like one.
    PostgreSql,
    /// Huawei DWS, GaussDB(DWS) by its old name.
    Dws,
    /// GaussDB, the transactional one ("GaussDB Kernel").
    GaussDb,
    /// openGauss and servers made from it.
    OpenGauss,
    /// Greenplum, Cloudberry and their relatives.
    Greenplum,
}

impl Kind {
    /// Every kind, and its word in a job file.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("postgresql", Self::PostgreSql),
        ("dws", Self::Dws),
        ("gaussdb", Self::GaussDb),
        ("opengauss", Self::OpenGauss),
        ("greenplum", Self::Greenplum),
    ];

    /// The kind that people mean by `word`, in upper or lower case.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        match word.as_str() {
            "postgres" | "pg" => return Some(Self::PostgreSql),
            "gaussdb(dws)" | "gaussdb_dws" => return Some(Self::Dws),
            "cloudberry" => return Some(Self::Greenplum),
            _ => {}
        }
        let known = Self::WORDS.iter().find(|(known, _)| *known == word);
        known.map(|(_, kind)| *kind)
    }

    /// Whether it descends from the PostgreSQL 9.2 that openGauss, GaussDB and DWS share.
    pub fn is_gauss(self) -> bool {
        matches!(self, Self::Dws | Self::GaussDb | Self::OpenGauss)
    }

    /// Its name for people.
    fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "PostgreSQL",
            Self::Dws => "GaussDB(DWS)",
            Self::GaussDb => "GaussDB",
            Self::OpenGauss => "openGauss",
            Self::Greenplum => "Greenplum",
        }
    }
}

/// Whose rules a Gauss database follows (`pg_database.datcompatibility`). It decides what an empty
/// string, a bad number and a length mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Oracle's: `A`, on DWS `ORA`. The default of both.
    Ora,
    /// That of `MySQL`: `B`, on DWS `MYSQL`.
    MySql,
    /// Teradata's: `C`, on DWS `TD`.
    Td,
    /// PostgreSQL's: `PG`.
    Pg,
}

impl Mode {
    fn read(word: &str) -> Option<Self> {
        match word {
            "A" | "ORA" => Some(Self::Ora),
            "B" | "MYSQL" => Some(Self::MySql),
            "C" | "TD" => Some(Self::Td),
            "PG" => Some(Self::Pg),
            _ => None,
        }
    }
}

/// The nodes of a distributed server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nodes {
    /// Nodes that take connections.
    pub coordinators: u32,
    /// Nodes that hold the rows; standbys do not count.
    pub data_nodes: u32,
}

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its kind.
    pub kind: Kind,
    /// The version of the product, such as 15.18, and 8.2.1 for a DWS; `None` where it does not
    /// tell one that can be compared.
    pub version: Option<Version>,
    /// The PostgreSQL it is made from, by its `server_version`: 9.4 for Greenplum 6, 9.2.4 for
    /// every Gauss server.
    pub base: Option<Version>,
    /// The compatibility mode of the database; `None` where there is no such thing, or one that is
    /// not known here.
    pub mode: Option<Mode>,
    /// Its nodes; `None` where it is not distributed, or does not show them.
    pub nodes: Option<Nodes>,
    /// Product and version as people know them.
    product: String,
}

impl Server {
    /// What the parameters of the login tell.
    ///
    /// Gauss servers report `is_sysadmin` where PostgreSQL has `is_superuser` (openGauss `guc.cpp`;
    /// seen on openGauss 3.0.6), and the version 9.2.4 all of them.
    pub(super) fn reported(parameters: &BTreeMap<String, String>) -> Self {
        let reported = parameters.get("server_version").map(String::as_str);
        let gauss = parameters.contains_key("is_sysadmin");
        let base = reported.and_then(Version::read);
        Self {
            kind: if gauss { Kind::Dws } else { Kind::PostgreSql },
            version: base.filter(|_| !gauss),
            base,
            mode: None,
            nodes: None,
            product: format!("PostgreSQL {}", reported.unwrap_or("of unknown version")),
        }
    }

    /// One of this kind and mode, for tests.
    #[cfg(test)]
    pub(crate) fn example(kind: Kind, mode: Option<Mode>) -> Self {
        Self {
            kind,
            mode,
            ..Self::reported(&BTreeMap::new())
        }
    }

    /// Whether only its `version()` tells what it is.
    ///
    /// A Gauss server always; of those that report like a PostgreSQL, the ones whose version a
    /// Greenplum has too: Greenplum 5, 6, 7 are made from 8.3, 9.4, 12, and Cloudberry 1, 2 from
    /// 14. So PostgreSQL 15 and later is asked nothing.
    fn must_be_asked(&self) -> bool {
        self.kind != Kind::PostgreSql || self.base.is_none_or(|base| base < Version::new(15, 0, 0))
    }

    /// Takes note of what `SELECT version()` returned.
    fn read_version(&mut self, text: &str) {
        let said = version::Said::read(text);
        self.kind = match (said.kind, self.kind) {
            // Some other product that is made from openGauss.
            (None, kind) if kind.is_gauss() && said.product.is_some() => Kind::OpenGauss,
            (said, kind) => said.unwrap_or(kind),
        };
        // What stands in the parentheses of a PostgreSQL is its package.
        if self.kind == Kind::PostgreSql {
            return;
        }
        self.version = said.version;
        self.product = match (said.kind, said.number, said.product) {
            (Some(Kind::Dws), Some(number), _) => format!("{} {number}", Kind::Dws.name()),
            (_, _, Some(product)) => product,
            _ => self.kind.name().to_owned(),
        };
    }

    /// Takes the word of the job for its kind.
    fn declare(&mut self, kind: Kind) {
        if self.product == self.kind.name() {
            kind.name().clone_into(&mut self.product);
        }
        self.kind = kind;
    }

    /// Whether it is older than PostgreSQL 9.2, the oldest that dwsload is made for.
    pub fn is_too_old(&self) -> bool {
        self.base.is_some_and(|base| base < Version::new(9, 2, 0))
    }

    /// `ORA-compatible`, or in the word of openGauss `A-compatible`; `None` without a mode.
    pub fn compatible(&self) -> Option<String> {
        let dws = self.kind == Kind::Dws;
        let word = match self.mode? {
            Mode::Ora if dws => "ORA",
            Mode::MySql if dws => "MYSQL",
            Mode::Td if dws => "TD",
            Mode::Ora => "A",
            Mode::MySql => "B",
            Mode::Td => "C",
            Mode::Pg => "PG",
        };
        Some(format!("{word}-compatible"))
    }

    /// Everything that is known, in a line: `GaussDB(DWS) 8.2.1, ORA-compatible, 3 coordinators,
    /// 6 data nodes`.
    pub fn described(&self) -> String {
        let mut text = self.product.clone();
        if let Some(compatible) = self.compatible() {
            text.push_str(&format!(", {compatible}"));
        }
        if let Some(nodes) = self.nodes {
            let count = |count: u32, what: &str| {
                let s = if count == 1 { "" } else { "s" };
                format!(", {count} {what}{s}")
            };
            text.push_str(&count(nodes.coordinators, "coordinator"));
            text.push_str(&count(nodes.data_nodes, "data node"));
        }
        text
    }
}

impl fmt::Display for Server {
    /// Product and version: `PostgreSQL 15.18`, `openGauss 3.0.6`, `GaussDB(DWS) 8.2.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.product)
    }
}

/// Finds out what `session` is connected to, and lets it know. A kind that is `declared` is not
/// doubted. PostgreSQL 15 and later is asked nothing; another server up to three things.
///
/// # Errors
/// The connection fell, or the server refuses to answer: an expired password, say. A catalog that is
/// not there, or not shown to this user, is no error: then that much is not known.
///
/// # Cancel safety
/// May be dropped: the session settles the query before its next one.
pub async fn identify(session: &mut Session, declared: Option<Kind>) -> Result<Server, WireError> {
    let mut server = session.server().clone();
    if declared.map_or(server.must_be_asked(), |kind| kind != Kind::PostgreSql) {
        let rows = asked(session, "SELECT pg_catalog.version()").await?;
        let version = rows.first().and_then(|row| row.text(0));
        server.read_version(&version.unwrap_or_default());
    }
    if let Some(kind) = declared {
        server.declare(kind);
    }
    if server.kind.is_gauss() {
        let rows = asked(
            session,
            "SELECT datcompatibility FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
        )
        .await?;
        server.mode = rows
            .first()
            .and_then(|row| row.text(0))
            .and_then(|word| Mode::read(&word));
        let rows = asked(
            session,
            "SELECT node_type, count(*) FROM pg_catalog.pgxc_node GROUP BY node_type",
        )
        .await?;
        server.nodes = nodes(&rows);
    }
    session.know(server.clone());
    Ok(server)
}

/// The rows of `sql`; none where what it reads is not there (42703, 42P01), or not shown (42501).
async fn asked(session: &mut Session, sql: &str) -> Result<Vec<Row>, WireError> {
    match session.rows(sql).await {
        Err(WireError::Refused(said))
            if matches!(said.code.as_str(), "42703" | "42P01" | "42501") =>
        {
            Ok(Vec::new())
        }
        answer => answer,
    }
}

/// The counts of `pgxc_node` by type: `C` is a coordinator, `D` a data node (DWS manual,
/// `pgxc_node`); a server that is not distributed has none.
fn nodes(rows: &[Row]) -> Option<Nodes> {
    let of = |kind: &str| {
        rows.iter()
            .find(|row| row.text(0).as_deref() == Some(kind))
            .and_then(|row| row.text(1)?.parse().ok())
            .unwrap_or(0)
    };
    let nodes = Nodes {
        coordinators: of("C"),
        data_nodes: of("D"),
    };
    (nodes != Nodes::default()).then_some(nodes)
}

#[cfg(test)]
mod tests;
