//! One run of a client, and what it cost.
//!
//! The system tells the CPU time and the peak memory of children that have ended, all of them
//! together. So each client runs as the only child of a small process: this program once more.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::Result;

/// The first argument that makes this program the parent of a client.
const FLAG: &str = "--as-parent-of";

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From before the program is started until it has ended.
    pub(crate) wall: Duration,
    /// User and system time of the client process.
    pub(crate) cpu: Duration,
    /// The most memory it had in use (resident), in KiB.
    peak: u32,
    /// Whether it succeeded.
    pub(crate) success: bool,
}

impl Cost {
    /// Peak memory in MiB.
    pub(crate) fn mebibytes(&self) -> f64 {
        f64::from(self.peak) / 1024.0
    }
}

/// Runs a client with nothing of our environment but PATH, its output thrown away but for errors.
pub(crate) fn run(
    program: &Path,
    arguments: &[&str],
    scratch: &Path,
    errors: bool,
) -> Result<Cost> {
    let note = scratch.join("cost");
    let status = Command::new(env::current_exe()?)
        .arg(FLAG)
        .arg(&note)
        .arg(program)
        .args(arguments)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(if errors {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .status()?;
    if !status.success() {
        return Err(format!("cannot measure `{}`", program.display()).into());
    }
    let note = fs::read_to_string(note)?;
    let numbers: Vec<u64> = note
        .split(' ')
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    let [wall, cpu, peak, success] = numbers[..] else {
        return Err("the measurement was not written".into());
    };
    Ok(Cost {
        wall: Duration::from_nanos(wall),
        cpu: Duration::from_micros(cpu),
        peak: u32::try_from(peak)?,
        success: success == 1,
    })
}

/// What a parent of a client is told: which client, and where to note its cost.
pub(crate) struct Order {
    note: PathBuf,
    client: Command,
}

impl Order {
    /// The order this process was started with, if it was.
    pub(crate) fn of_this_process() -> Option<Self> {
        let mut arguments = env::args_os().skip(1);
        if arguments.next()? != FLAG {
            return None;
        }
        let note = arguments.next()?.into();
        let mut client = Command::new(arguments.next()?);
        client.args(arguments);
        Some(Self { note, client })
    }

    /// Runs the client and notes wall time (ns), CPU time (µs), peak memory (KiB) and success.
    pub(crate) fn carry_out(mut self) -> Result<()> {
        let started = Instant::now();
        let status = self.client.status()?;
        let wall = started.elapsed().as_nanos();
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let cpu = (usage.user_time() + usage.system_time()).num_microseconds();
        let success = u8::from(status.success());
        fs::write(
            self.note,
            format!("{wall} {cpu} {} {success}", usage.max_rss()),
        )?;
        Ok(())
    }
}
