//! The command line: types and help, nothing else.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  dwsload jobs/orders.yaml                   run a job
  dwsload jobs/orders.yaml --var day=2026-01-31
  dwsload jobs/a.yaml jobs/b.yaml            run several, one after the other, whatever one comes to
  dwsload jobs/orders.yaml --only load       run one step, by name or number
  dwsload jobs/orders.yaml --only load --input fixed.csv
                                             load this file in place of the step's own
  cat new.csv | dwsload jobs/stdin.yaml      feed a step that reads `file: \"-\"`
  dwsload jobs/orders.yaml --quiet           for cron: nothing is printed unless something is wrong
  dwsload check jobs/orders.yaml             read everything, change nothing, say what would come of it
  dwsload doctor jobs/orders.yaml            find out why a connection or a job fails
  dwsload schedule jobs/orders.yaml --at '5 2 * * *'
                                             a line of crontab, and a timer of systemd
  dwsload history jobs/orders.yaml           what is in, of a job with `exactly_once`
  dwsload local psql                         look into the embedded server

Exit codes:
  0  done          1  failed, rolled back      2  usage or job file, nothing was opened
  3  done, with rejected records
  4  another run of the job is under way
  5  no connection or login                    6  input missing or empty
  7  outcome unknown: the connection fell during COMMIT
  8  done, but input files could not be moved or deleted
  129, 130, 143  stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM; rolled back
Of several jobs the worst: 7, a signal, 1, 2, 5, 6, 4, 8, 3, 0";

/// Loads files into PostgreSQL-wire warehouses, and unloads them, by declarative job files.
#[derive(Debug, Parser)]
#[command(name = "dwsload", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, disable_help_subcommand = true)]
#[command(arg_required_else_help = true)]
#[command(override_usage = "dwsload [OPTIONS] JOB.yaml...\n       dwsload <COMMAND>")]
pub struct Cli {
    /// What to do instead of running a job
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The job to run
    #[command(flatten)]
    pub run: Option<Run>,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job (the long form of `dwsload JOB.yaml`)
    Run(Run),
    /// Do everything a run does but write: read every record, and say what would come of it
    Check(Check),
    /// Look at a connection or a job, stage by stage, and say what is wrong
    Doctor(Doctor),
    /// What is in, by the ledger of jobs that are `exactly_once`
    History(History),
    /// Print what runs a job at a time: a line of crontab, and units of systemd
    Schedule(Schedule),
    /// The embedded PostgreSQL server, by hand
    Local {
        /// What to do with it
        #[command(subcommand)]
        action: Local,
    },
}

/// `dwsload JOB.yaml`
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, as clap has them"
)]
pub struct Run {
    /// The job file; several run one after the other
    #[arg(value_name = "JOB.yaml", required = true, num_args = 1..)]
    pub jobs: Vec<PathBuf>,
    /// Set a variable of the job, over its own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Run only this step, by name or number; may be repeated
    #[arg(long, value_name = "STEP")]
    pub only: Vec<String>,
    /// Load this file in place of the step's own; may be repeated, `-` is stdin
    #[arg(long = "input", value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Load files again that the ledger of `exactly_once` says are in
    #[arg(long)]
    pub again: bool,
    /// Wait before the start, a random time up to this long, such as 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub jitter: Option<Duration>,
    /// Load the share I of N of the files, 0/4 to 3/4, where N runs share them
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<(u32, u32)>,
    /// Print problems only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print every command tag and the server's notices
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto, conflicts_with = "quiet")]
    pub progress: Progress,
    /// Say everything on stderr as JSON, an object a line; without bars
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Write what the run came to as JSON into this file
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
    /// Write the figures of the run for Prometheus into this file (the textfile collector)
    #[arg(long, value_name = "FILE.prom")]
    pub metrics: Option<PathBuf>,
    /// Of several jobs: stop after the first that fails
    #[arg(long)]
    pub fail_fast: bool,
    /// Change nothing: what `dwsload check` does
    #[arg(long, conflicts_with_all = ["report", "metrics", "log_format", "jitter"])]
    pub dry_run: bool,
}

const CHECK_EXAMPLES: &str = "\
Connects, looks at tables, columns and rights, and reads every file to its end: each record is cut and
judged as a load judges it. Nothing is changed: every statement is sent in a READ ONLY transaction that
is rolled back. `sql` and `copy_expert` are not run; queries of `expect` and `copy_to` are prepared.
With `--load`, the files are loaded into temporary doubles of the tables, which are rolled back, too: for
constraints, keys, foreign keys and partitions. What is still not checked is named.

Examples:
  dwsload check jobs/orders.yaml             the plan, and each file's first bad records
  dwsload check jobs/orders.yaml --load      constraints too: loads into temporary tables, rolled back
  dwsload check jobs/orders.yaml --verbose   all bad records
  dwsload check jobs/orders.yaml --only load --input fixed.csv
                                             whether corrected rejects can be loaded now
  dwsload check jobs/orders.yaml --quiet     problems only

Exit codes:
  0  nothing is wrong        3  records would be rejected, as many as the job allows
  1  a run would fail        2  usage or job file      5  no connection or login
  6  a run would fail, because input is missing or empty";

/// `dwsload check`
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, as clap has them"
)]
pub struct Check {
    /// The job file; several are checked one after the other
    #[arg(value_name = "JOB.yaml", required = true, num_args = 1..)]
    pub jobs: Vec<PathBuf>,
    /// Set a variable of the job, over its own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Check only this step, by name or number; may be repeated
    #[arg(long, value_name = "STEP")]
    pub only: Vec<String>,
    /// Read this file in place of the step's own; may be repeated, `-` is stdin
    #[arg(long = "input", value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Load the files, into temporary tables that are rolled back: for what only the server can say
    #[arg(long)]
    pub load: bool,
    /// Print problems only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print every bad record and every file
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto, conflicts_with = "quiet")]
    pub progress: Progress,
    /// Of several jobs: stop after the first that would fail
    #[arg(long)]
    pub fail_fast: bool,
}

const DOCTOR_EXAMPLES: &str = "\
Looks at: settings, host names, TCP, TLS and certificate, login (tried once), server, session, clock,
and with a job at its tables, columns, rights and input files. Nothing is changed, no step is run.

Examples:
  dwsload doctor jobs/orders.yaml            a job and its connection
  dwsload doctor jobs/orders.yaml --var day=2026-01-31
  dwsload doctor 'postgresql://loader@dw.example.com:8000/sales?sslmode=verify-full'
  PGSERVICE=warehouse dwsload doctor         what PG* variables, services and ~/.pgpass say
  dwsload doctor jobs/orders.yaml --quiet    problems only

Exit codes:
  0  nothing failed          2  job file or command line      6  input missing or unreadable
  5  no connection or login  1  anything else, such as a missing table or right";

/// `dwsload doctor`
#[derive(Debug, Args)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub struct Doctor {
    /// A job file or a connection URL; without it, the PG* environment
    #[arg(value_name = "JOB.yaml|URL")]
    pub subject: Option<String>,
    /// Set a variable of the job, over its own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Print problems only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print where settings come from and what the server can
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
}

const HISTORY_EXAMPLES: &str = "\
Prints the files that were loaded, the newest last. With a job its own, in the ledger that it writes; with
a URL, or the PG* environment, those of every job.

Examples:
  dwsload history jobs/orders.yaml           the last 50 files of a job
  dwsload history --limit 10 postgresql://loader@dw.example.com:8000/sales
  dwsload history jobs/orders.yaml --json    an object a line: job, step, file, table, size, hash,
                                             batches, batches_of, complete, end_offset, rows, rejected,
                                             filtered, loaded_at, run, host, pid, user
  dwsload history jobs/orders.yaml --forget 90d
                                             forget what is older: such a file would be loaded again

Exit codes:
  0  done          2  job file or command line      5  no connection or login
  1  anything else, such as a database without a ledger";

/// `dwsload history`
#[derive(Debug, Args)]
#[command(after_help = HISTORY_EXAMPLES)]
pub struct History {
    /// A job file or a connection URL; without it, the PG* environment
    #[arg(value_name = "JOB.yaml|URL")]
    pub subject: Option<String>,
    /// Set a variable of the job, over its own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Print so many files at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Take out what was loaded longer ago than this, such as 90d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration, conflicts_with_all = ["json", "limit"])]
    pub forget: Option<Duration>,
}

const SCHEDULE_EXAMPLES: &str = "\
Prints a line of crontab, and a service and a timer of systemd that run at the same times, to be pasted.
Nothing is installed.

Examples:
  dwsload schedule jobs/orders.yaml --at '5 2 * * *'
  dwsload schedule jobs/orders.yaml --at '*/15 8-18 * * mon-fri' --jitter 2m
  dwsload schedule jobs/orders.yaml --at @daily --var region=eu

Exit codes:
  0  done          2  the time, the job file or the command line";

/// `dwsload schedule`
#[derive(Debug, Args)]
#[command(after_help = SCHEDULE_EXAMPLES)]
pub struct Schedule {
    /// The job file
    #[arg(value_name = "JOB.yaml")]
    pub job: PathBuf,
    /// When: minute, hour, day of the month, month, day of the week, as in a crontab
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: String,
    /// Wait before each start, a random time up to this long, such as 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub jitter: Option<Duration>,
    /// Set a variable of the job, over its own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// A JSON object a line
    Json,
}

/// Styles of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, a line per step elsewhere
    Auto,
    /// Bars
    Bar,
    /// A line per step
    Plain,
    /// Nothing
    None,
}

/// `dwsload local ...`
#[derive(Debug, Subcommand)]
pub enum Local {
    /// Start the server and leave it running
    Start,
    /// Stop the server
    Stop {
        /// Even while a job uses it
        #[arg(long)]
        force: bool,
    },
    /// Say whether it runs, and where
    Status,
    /// Open psql on it
    Psql {
        /// Arguments for psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match numbers {
        Some((index, count)) if index < count => Ok((index, count)),
        Some((_, 0)) => Err("there is no share of none".into()),
        Some((_, count)) => Err(format!(
            "of {count} shares the first is 0/{count}, and the last {}/{count}",
            count - 1
        )),
        None => Err("expected a share and how many there are, such as 0/4".into()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}
