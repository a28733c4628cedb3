//! The signals that end a command.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, ErrorKind, Result};

/// The number of SIGHUP.
const HANG_UP: i32 = 1;
/// The number of SIGINT.
pub(super) const INTERRUPT: i32 = 2;
/// The number of SIGTERM.
const TERMINATE: i32 = 15;

/// SIGINT, SIGTERM, and SIGHUP: a terminal that is closed must leave nothing half done.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where it is ignored, as under nohup: listening would undo that.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system does not let us.
    pub(super) fn listen() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|cause| {
                Error::new(ErrorKind::Connect, "cannot listen for signals").because(cause)
            })
        };
        Ok(Self {
            hang_up: (!is_ignored(HANG_UP))
                .then(|| listen(SignalKind::hangup()))
                .transpose()?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub(super) async fn next(&mut self) -> i32 {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.terminate.recv() => TERMINATE,
            _ = hang_up => HANG_UP,
        }
    }
}

/// Whether the process was started with this signal ignored (proc(5), `SigIgn`: a bit each).
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
