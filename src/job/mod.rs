//! A job: what to run, against which server, in which transactions.
//!
//! [`load`] reads a job file. A [`Job`] is valid by construction: the engine sees nothing else
//! and checks nothing again.

mod amount;
mod arrival;
mod bytes;
mod diagnose;
mod earlier;
mod given;
mod lock;
mod mode;
mod raw;
mod reader;
mod resolve;
mod shaping;
mod shard;
mod step;
mod template;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::name::{Identifier, TableName};
use crate::record::charset::Charset;
use crate::record::cut::Cut;
use crate::record::dialect::{Dialect, Format};
use crate::secret::Secrets;
use crate::wire::server::Kind;
use crate::wire::settings::Settings;

pub use arrival::{After, Arrival, Expected, Marker};
pub use bytes::{Bytes, Eol, Nul};
pub(crate) use diagnose::nearest;
pub(crate) use earlier::Earlier;
pub use lock::{Lock, Overlap};
pub use mode::{ByKey, Change, Duplicates, Mode};
pub use resolve::load;
pub use shaping::{Fill, Layout, Shaping};
pub use shard::Shard;

/// A job file, read, checked and with every default filled in.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job's name: `job`, or the file's name without its ending.
    pub name: String,
    /// What tells this run from others: when it began, and a random number.
    pub run_id: String,
    /// The job file, as named on the command line.
    pub file: PathBuf,
    /// The server.
    pub connection: Connection,
    /// The kind of server, where the job says it: then it is not found out.
    pub server: Option<Kind>,
    /// Settings sent with SET after login, in the order of the file: name, value.
    pub session: Vec<(Identifier, String)>,
    /// What commits together.
    pub transaction: Transaction,
    /// Files that are in are not loaded again: what is loaded is kept in a ledger.
    pub exactly_once: bool,
    /// The ledger's table, where the job names it.
    pub ledger: Option<TableName>,
    /// `--again`: files that are in are loaded all the same.
    pub again: bool,
    /// What keeps two runs of the job apart.
    pub lock: Lock,
    /// `--shard`: the share of the files that this run loads, where several share them.
    pub shard: Option<Shard>,
    /// How often work that failed for a reason that passes is tried.
    pub retry: Retry,
    /// The most time the whole job may take.
    pub timeout: Option<Duration>,
    /// The longest that a step may move files without a byte moving.
    pub idle_timeout: Option<Duration>,
    /// What to do, in order; at least one.
    pub steps: Vec<Step>,
    /// Steps in the job file, chosen or not.
    pub step_count: usize,
    /// What must not be shown: passwords, and variables that are called so.
    pub secrets: Secrets,
    /// Things worth a warning before the run, such as a password written in the file.
    pub warnings: Vec<String>,
    /// Variables of the job that the command line has set, in the order of their names.
    pub given: BTreeMap<String, String>,
    /// Variables that the command line has set for other jobs.
    pub unused: Vec<String>,
    lines: raw::Lines,
}

impl Job {
    /// The line of the job file where `step` begins; 1 is the first.
    pub fn line_of(&self, step: &Step) -> usize {
        self.lines.of_item(step.number.saturating_sub(1))
    }

    /// Whether a step reads standard input.
    pub fn reads_stdin(&self) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::CopyFrom(step) => step.input.contains(&InputPattern::Stdin),
            Action::CopyExpert(step) => step.file == Some(InputPattern::Stdin),
            Action::Sql(_) | Action::Expect(_) | Action::CopyTo(_) => false,
        })
    }
}

/// What the command line adds to a job file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--var name=value`: wins over the file's `vars`.
    pub vars: BTreeMap<String, String>,
    /// `--only`: run just these steps, by name or number (1 is the first).
    pub only: Vec<String>,
    /// `--input`: files that take the place of `file` of the one step that loads files; relative to
    /// the current folder, `-` for standard input.
    pub inputs: Vec<PathBuf>,
    /// `--again`: load files again that are in, by the ledger.
    pub again: bool,
    /// They are for several jobs, and one need not have all the variables.
    pub shared: bool,
    /// `--shard`: which of how many runs this is; 0 is the first.
    pub shard: Option<(u32, u32)>,
}

/// Where the job runs.
#[derive(Debug, Clone)]
pub enum Connection {
    /// A private PostgreSQL that dwsload starts.
    Embedded,
    /// A server, by the settings of the job file; what they leave open comes from the
    /// environment, as for psql.
    Server(Settings),
}

/// What commits together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// Every step: all or nothing.
    Job,
    /// Each step by itself.
    Step,
    /// Each batch of a file that is loaded; other steps by themselves.
    Batch,
    /// Each statement by itself; no BEGIN is ever sent.
    None,
}

/// How often work that failed for a reason that passes is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The most attempts with nothing committed between them, the first included; at least 1.
    pub attempts: u32,
    /// No attempt begins later than this after the first of them failed.
    pub within: Duration,
    /// The unit of waiting: the wait before the second attempt, of a failure that passes quickly.
    pub wait: Duration,
    /// The job asks for it: also a server that does not answer at all is waited for.
    pub is_explicit: bool,
}

impl Default for Retry {
    /// Enough for a failover, which DWS states to take 60 seconds (DWS manual, "Technical
    /// Specifications").
    fn default() -> Self {
        Self {
            attempts: 10,
            within: Duration::from_secs(600),
            wait: Duration::from_secs(1),
            is_explicit: false,
        }
    }
}

/// One step of a job.
#[derive(Debug, Clone)]
pub struct Step {
    /// 1 for the first.
    pub number: usize,
    /// The step's own name, where it has one.
    pub name: Option<String>,
    /// What it does.
    pub action: Action,
}

impl Step {
    /// The key that it is written with.
    pub fn kind(&self) -> &'static str {
        match self.action {
            Action::Sql(_) => "sql",
            Action::Expect(_) => "expect",
            Action::CopyFrom(_) => "copy_from",
            Action::CopyTo(_) => "copy_to",
            Action::CopyExpert(_) => "copy_expert",
        }
    }

    /// The step's name, or what it does.
    pub fn title(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match &self.action {
            Action::Sql(_) => "sql".into(),
            Action::Expect(_) => "expect".into(),
            Action::CopyFrom(step) => format!("copy_from {}", step.table.plain()),
            Action::CopyTo(step) => format!("copy_to {}", step.output),
            Action::CopyExpert(_) => "copy_expert".into(),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Statements, with their command tags printed.
    Sql(Sql),
    /// A query that must hold.
    Expect(Expect),
    /// Files into a table.
    CopyFrom(CopyFrom),
    /// A table or query into a file.
    CopyTo(CopyTo),
    /// Any COPY, or any SQL, as written.
    CopyExpert(CopyExpert),
}

/// `sql`: statements.
#[derive(Debug, Clone)]
pub struct Sql {
    /// Each string is sent by itself; one string may hold several statements.
    pub statements: Vec<String>,
    /// The file the SQL was read from, for messages.
    pub file: Option<PathBuf>,
    /// Print the rows of a SELECT as a table on stdout.
    pub show: bool,
}

/// `expect`: holds when the query returns at least one row and the first column of every row
/// is true.
#[derive(Debug, Clone)]
pub struct Expect {
    /// The query.
    pub query: String,
}

/// `copy_from`: files into a table.
#[derive(Debug, Clone)]
pub struct CopyFrom {
    /// The files, in order.
    pub input: Vec<InputPattern>,
    /// The target.
    pub table: TableName,
    /// The target's columns in the order of the fields; `None` for all.
    pub columns: Option<Vec<Identifier>>,
    /// How the bytes become records.
    pub bytes: Bytes,
    /// How records are read.
    pub dialect: Dialect,
    /// What the first record is.
    pub header: Header,
    /// Whether the bytes are compressed.
    pub compression: Compression,
    /// Bytes read at once; `None` for dwsload's own choice. Never 0.
    pub size: Option<usize>,
    /// What the records do to the table. Anything but an append needs a transaction.
    pub mode: Mode,
    /// Bytes of a batch, where each batch commits by itself. Never 0.
    pub batch: u64,
    /// What identifies the input, where that is not its name and what it holds.
    pub source_id: Option<String>,
    /// No file found.
    pub on_missing: Policy,
    /// A file without a record.
    pub on_empty: Policy,
    /// Records that cannot be loaded are set aside; `None`: the first of them stops the job.
    pub rejecting: Option<Rejecting>,
    /// What becomes of records on their way; `None`: they are sent as they are.
    pub shaping: Option<Box<Shaping>>,
    /// What is asked of the files and done with them; `None`: nothing.
    pub arrival: Option<Box<Arrival>>,
}

impl CopyFrom {
    /// Where records end.
    pub(crate) fn cut(&self) -> Cut {
        match &self.shaping {
            Some(shaping) if shaping.layout != Layout::Delimited => self.bytes.cut_lines(),
            _ => self.bytes.cut(&self.dialect),
        }
    }

    /// How records are sent: as they are in the file, or as text where they are made anew.
    pub(crate) fn sent_dialect(&self) -> Dialect {
        match self.shaping {
            None => self.dialect.clone(),
            Some(_) => Dialect::new(Format::Text),
        }
    }
}

/// `on_error: reject`: what becomes of records that cannot be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejecting {
    /// The most of them in the step's files together.
    pub most: MostRejects,
    /// The folder under which they are kept.
    pub folder: PathBuf,
}

/// How many records may be rejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MostRejects {
    /// Any number, but not all.
    Any,
    /// So many.
    Count(u64),
    /// So many of a hundred that are read.
    Percent(f64),
}

impl MostRejects {
    /// Whether so many of so many records may be rejected.
    pub(crate) fn allow(self, rejected: u64, records: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
        let share = 100.0 * rejected as f64 / records.max(1) as f64;
        match self {
            Self::Any => records == 0 || rejected < records,
            Self::Count(most) => rejected <= most,
            Self::Percent(most) => share <= most,
        }
    }
}

impl std::fmt::Display for MostRejects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("100%"),
            Self::Count(most) => write!(f, "{most}"),
            Self::Percent(most) => write!(f, "{most}%"),
        }
    }
}

/// Where input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputPattern {
    /// `-`
    Stdin,
    /// A path or a pattern (`*`, `?`, `[...]`), already relative to the job file's folder.
    /// A file that has exactly this name wins over the pattern's meaning.
    Path(PathBuf),
}

/// What the first record of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Data.
    None,
    /// Names; skipped unread.
    Skip,
    /// Names; must equal the target columns, in order.
    Match,
    /// Names; they are the target columns, in the file's order.
    Map,
}

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Reading: by the first bytes. Writing: by the name's ending.
    Auto,
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// What to do about something that may or may not be a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Stop the job.
    Fail,
    /// Say so and go on.
    Warn,
    /// Go on.
    Ok,
}

/// `copy_to`: a table or query into a file.
#[derive(Debug, Clone)]
pub struct CopyTo {
    /// What is read.
    pub what: Unload,
    /// Where it goes.
    pub output: Output,
    /// How it is written. `header` is separate.
    pub dialect: Dialect,
    /// Begin with a line of column names.
    pub header: bool,
    /// What its text is written in.
    pub charset: Charset,
    /// Whether the file is compressed.
    pub compression: Compression,
    /// Where it is written what the file is, for whoever loads it.
    pub manifest: Option<PathBuf>,
}

/// What `copy_to` reads.
#[derive(Debug, Clone)]
pub enum Unload {
    /// A table, and the columns of it (`None` for all).
    Table(TableName, Option<Vec<Identifier>>),
    /// The rows of a query.
    Query(String),
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// `-`
    Stdout,
    /// A file, already relative to the job file's folder.
    Path(PathBuf),
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// `copy_expert`: SQL sent as it is, with a file for the data of a COPY.
#[derive(Debug, Clone)]
pub struct CopyExpert {
    /// The SQL.
    pub sql: String,
    /// The file to read or write, whichever way the COPY goes; `None` where the SQL needs none.
    pub file: Option<InputPattern>,
    /// Bytes read at once. Never 0.
    pub size: Option<usize>,
}
