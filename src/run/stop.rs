//! Stopping a run from outside: a signal, a timeout.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};
use crate::wire::cancel::Canceller;

/// Why a run is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A signal; its number.
    Signal(i32),
    /// The job's timeout, which was this long.
    Timeout(Duration),
    /// No byte of a file has moved for this long.
    Idle(Duration),
}

impl Reason {
    /// The error of a run that stopped for this reason.
    pub fn error(self) -> Error {
        match self {
            Self::Signal(signal) => {
                let name = match signal {
                    1 => "SIGHUP",
                    2 => "SIGINT",
                    15 => "SIGTERM",
                    _ => "a signal",
                };
                Error::new(ErrorKind::Stopped(signal), format!("stopped by {name}"))
            }
            Self::Timeout(limit) => Error::new(
                ErrorKind::Timeout,
                format!(
                    "the job's timeout of {} has passed",
                    humantime::format_duration(limit)
                ),
            ),
            Self::Idle(limit) => Error::new(
                ErrorKind::Timeout,
                format!(
                    "no byte has moved for {}, the job's idle_timeout",
                    humantime::format_duration(limit)
                ),
            ),
        }
    }
}

/// What both ends share.
#[derive(Debug, Default)]
struct Shared {
    canceller: Mutex<Option<Canceller>>,
    committing: Mutex<bool>,
}

/// The end that stops a run.
#[derive(Debug)]
pub struct Stopper {
    reason: watch::Sender<Option<Reason>>,
    shared: Arc<Shared>,
}

/// The run's end: it looks here while it waits.
#[derive(Debug, Clone)]
pub struct Stop {
    reason: watch::Receiver<Option<Reason>>,
    shared: Arc<Shared>,
}

/// Two ends that belong together.
pub fn stop() -> (Stopper, Stop) {
    let (send, reason) = watch::channel(None);
    let shared = Arc::new(Shared::default());
    (
        Stopper {
            reason: send,
            shared: Arc::clone(&shared),
        },
        Stop { reason, shared },
    )
}

impl Stopper {
    /// Stops the run: a statement on the server is cancelled, a COPY is failed. The run then ends
    /// by itself, rolled back. The first reason counts.
    pub async fn stop(&self, reason: Reason) {
        self.reason.send_if_modified(|now| {
            let first = now.is_none();
            if first {
                *now = Some(reason);
            }
            first
        });
        let canceller = self
            .shared
            .canceller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(canceller) = canceller {
            // A server that does not listen is left by closing the connection.
            let _ = canceller.cancel().await;
        }
    }

    /// Why the run was stopped, if it was.
    pub fn reason(&self) -> Option<Reason> {
        *self.reason.borrow()
    }

    /// Whether a COMMIT is on its way: a run dropped now has an unknown outcome.
    pub fn committing(&self) -> bool {
        *self
            .shared
            .committing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stop {
    /// Waits until the run is to stop.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn wait(&mut self) -> Reason {
        loop {
            if let Some(reason) = *self.reason.borrow_and_update() {
                return reason;
            }
            if self.reason.changed().await.is_err() {
                // Nobody is left who could stop the run.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why the run is to stop, if it is.
    pub fn reason(&self) -> Option<Reason> {
        *self.reason.borrow()
    }

    /// Names the connection whose statement a stop must cancel.
    pub(crate) fn watch(&self, canceller: Option<Canceller>) {
        *self
            .shared
            .canceller
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = canceller;
    }

    pub(super) fn set_committing(&self, committing: bool) {
        *self
            .shared
            .committing
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = committing;
    }
}
