//! The test bed: a server, a table for each client, and their ways to load a file.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::client::{self, Cost};
use crate::proxy;
use crate::server::{Options, Server};

const DATABASE: &str = "postgres";

const COLUMNS: &str = "l_orderkey bigint, l_partkey integer, l_suppkey integer, l_linenumber integer, \
    l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), \
    l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, \
    l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44)";

/// Who loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Psql,
    Dwsload,
}

impl Side {
    /// Its lineitem.
    fn table(self) -> &'static str {
        match self {
            Self::Psql => "lineitem_psql",
            Self::Dwsload => "lineitem_dwsload",
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Text,
}

/// A server that is gone with it, and a folder for jobs.
pub(crate) struct Bed {
    server: Server,
    /// The real one: Debian's in PATH is a script, which takes longer than the job of one row.
    psql: PathBuf,
    scratch: TempDir,
}

impl Bed {
    /// Starts the server and makes the tables.
    pub(crate) fn new() -> Result<Self> {
        let server = Server::start(&Options {
            // No checkpoint, no vacuum: they would hit one client and not the other.
            config: [
                "max_wal_size = 16GB",
                "checkpoint_timeout = 1h",
                "autovacuum = off",
                "shared_buffers = 512MB",
            ]
            .map(String::from)
            .into(),
            ..Options::default()
        });
        for side in [Side::Psql, Side::Dwsload] {
            server.psql(
                DATABASE,
                &format!("CREATE TABLE {} ({COLUMNS})", side.table()),
            );
        }
        server.psql(DATABASE, "CREATE TABLE one (id integer, name text)");
        let scratch = tempfile::tempdir()?;
        fs::write(scratch.path().join("one.txt"), "1\tnumber1\n")?;
        let folder = server.psql(
            DATABASE,
            "SELECT setting FROM pg_config WHERE name = 'BINDIR'",
        );
        Ok(Self {
            server,
            psql: Path::new(&folder).join("psql"),
            scratch,
        })
    }

    /// What the figures depend on.
    pub(crate) fn describe(&self) -> String {
        let version = self.server.psql(DATABASE, "SHOW server_version");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        format!(
            "PostgreSQL {version} and its psql on the same machine ({cores} cores), fsync off, Unix socket"
        )
    }

    /// Loads a file of csv into an empty table, as one transaction.
    pub(crate) fn load(&self, side: Side, file: &Path) -> Result<Cost> {
        self.server
            .psql(DATABASE, &format!("TRUNCATE {}", side.table()));
        // What the last load left to write is written now.
        self.server.psql(DATABASE, "CHECKPOINT");
        let url = self.server.url(DATABASE, self.server.user());
        let cost = self.run(side, &url, side.table(), file, Format::Csv, true)?;
        succeeded(side, cost)
    }

    /// Loads one row: BEGIN, COPY, COMMIT.
    pub(crate) fn one_row(&self, side: Side) -> Result<Cost> {
        let url = self.server.url(DATABASE, self.server.user());
        let file = self.scratch.path().join("one.txt");
        let cost = self.run(side, &url, "one", &file, Format::Text, true)?;
        succeeded(side, cost)
    }

    /// Bytes that the client sends of a file whose first record is refused, after the server has
    /// said so.
    pub(crate) fn bytes_after_error(&self, side: Side, file: &Path) -> Result<u64> {
        let here = tempfile::tempdir()?;
        let socket = format!(".s.PGSQL.{}", self.server.port());
        let url = format!(
            "postgresql://{}@/{DATABASE}?host={}&port={}",
            self.server.user(),
            here.path().display(),
            self.server.port()
        );
        let there = Path::new(self.server.host()).join(&socket);
        let (cost, counts) = proxy::between(&here.path().join(&socket), &there, || {
            self.run(side, &url, side.table(), file, Format::Csv, false)
        })?;
        if cost.success || !counts.failed || counts.sent == 0 {
            return Err(format!("{side:?} did not fail as it should: {counts:?}").into());
        }
        Ok(counts.after_error)
    }

    /// Checks that both tables hold the same rows, in any order, and some; returns how many.
    pub(crate) fn check_equal(&self) -> Result<String> {
        let content = |side: Side| {
            let sum = format!(
                "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {} t",
                side.table()
            );
            self.server.psql(DATABASE, &sum)
        };
        let (psql, dwsload) = (content(Side::Psql), content(Side::Dwsload));
        match psql.split_once('|') {
            Some((rows, _)) if psql == dwsload && rows != "0" => Ok(rows.to_owned()),
            _ => Err(format!("the tables differ: {psql} by psql, {dwsload} by dwsload").into()),
        }
    }

    fn run(
        &self,
        side: Side,
        url: &str,
        table: &str,
        file: &Path,
        format: Format,
        errors: bool,
    ) -> Result<Cost> {
        let scratch = self.scratch.path();
        let path = file.to_str().ok_or("the path of the file is not UTF-8")?;
        match side {
            Side::Psql => {
                let format = if format == Format::Csv { "csv" } else { "" };
                let copy = format!(r"\copy {table} from '{path}' {format}");
                let arguments = [
                    "-X",
                    "-q",
                    "-1",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-d",
                    url,
                    "-c",
                    &copy,
                ];
                client::run(&self.psql, &arguments, scratch, errors)
            }
            Side::Dwsload => {
                let format = if format == Format::Csv { "csv" } else { "text" };
                let job = scratch.join("job.yaml");
                let yaml = format!(
                    "connection: {url}\nsteps:\n  - copy_from: {{file: '{path}', table: {table}, format: {format}}}\n"
                );
                fs::write(&job, yaml)?;
                let job = job.to_str().ok_or("the path of the job is not UTF-8")?;
                client::run(
                    Path::new(env!("CARGO_BIN_EXE_dwsload")),
                    &[job, "--quiet"],
                    scratch,
                    errors,
                )
            }
        }
    }
}

fn succeeded(side: Side, cost: Cost) -> Result<Cost> {
    if cost.success {
        Ok(cost)
    } else {
        Err(format!("{side:?} failed").into())
    }
}
