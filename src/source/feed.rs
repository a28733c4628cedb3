//! An input as the lane sees it: what comes next, without blocking the lane.
//!
//! A plain file is read where it is used, so that its bytes stay in one processor's cache from the
//! disk to the socket. Whatever may wait or work (pipes, decompressors) gets a thread of its own;
//! a few blocks go round between the two, so memory does not depend on the input, and a slow lane
//! makes the thread wait.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as blocking;
use std::thread;

use tokio::sync::mpsc;

use super::Source;
use super::producer::{Block, Fed, Producer, Reading};
use crate::error::Result;
use crate::record::splitter::LineEnd;

/// Blocks that wait for the lane.
const WAITING: usize = 4;

/// An input being read.
pub struct Feed {
    reader: Reader,
    taken: Arc<AtomicU64>,
}

enum Reader {
    Here {
        producer: Box<Producer>,
        free: Option<Block>,
    },
    Thread {
        fed: mpsc::Receiver<Result<Fed>>,
        free: blocking::Sender<Block>,
    },
}

/// Opens `source` and starts to read it.
///
/// # Errors
/// [`ErrorKind::Input`](crate::error::ErrorKind::Input) when it cannot be opened.
pub fn feed(source: Source, reading: Reading) -> Result<Feed> {
    let taken = Arc::new(AtomicU64::new(0));
    if may_wait(&source) {
        let counter = Arc::clone(&taken);
        return Ok(Feed {
            reader: on_thread(move || Producer::open(source, reading, counter)),
            taken,
        });
    }
    let producer = Producer::open(source, reading, Arc::clone(&taken))?;
    let reader = if producer.is_plain_file() {
        Reader::Here {
            producer: Box::new(producer),
            free: None,
        }
    } else {
        on_thread(move || Ok(producer))
    };
    Ok(Feed { reader, taken })
}

/// Whether opening `source` may take long: a named pipe waits for its writer, and the first bytes of
/// a pipe, which tell its compression, may be long in coming.
fn may_wait(source: &Source) -> bool {
    match source {
        Source::Stdin => true,
        Source::File(path) => {
            fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
        }
    }
}

/// The thread is not joined: a read that blocks for ever, on a terminal say, must not keep the
/// process.
fn on_thread(open: impl FnOnce() -> Result<Producer> + Send + 'static) -> Reader {
    let (send, fed) = mpsc::channel(WAITING);
    let (free, returned) = blocking::channel();
    thread::spawn(move || {
        let mut producer = match open() {
            Ok(producer) => producer,
            Err(error) => return drop(send.blocking_send(Err(error))),
        };
        while let Some(fed) = producer.next(returned.try_recv().ok()) {
            // Ends when nobody listens any more.
            if send.blocking_send(fed).is_err() {
                return;
            }
        }
    });
    Reader::Thread { fed, free }
}

impl Feed {
    /// What comes next; `None` after the end.
    ///
    /// # Errors
    /// [`ErrorKind::Input`](crate::error::ErrorKind::Input) when the input cannot be opened,
    /// [`ErrorKind::Data`](crate::error::ErrorKind::Data) when its bytes cannot be used. Nothing
    /// comes after an error.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Result<Fed>> {
        match &mut self.reader {
            Reader::Here { producer, free } => producer.next(free.take()),
            Reader::Thread { fed, .. } => fed.recv().await,
        }
    }

    /// Goes on with the record that begins at `offset`, and with a batch; what ends records there. `None`
    /// where the input can only be read on.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::error::ErrorKind::Data) when it cannot be read there.
    pub fn seek(&mut self, offset: u64) -> Result<Option<LineEnd>> {
        match &mut self.reader {
            Reader::Here { producer, .. } => producer.seek(offset).map(Some),
            Reader::Thread { .. } => Ok(None),
        }
    }

    /// Gives a block back for reuse.
    pub fn give_back(&mut self, block: Block) {
        match &mut self.reader {
            Reader::Here { free, .. } => *free = Some(block),
            Reader::Thread { free, .. } => {
                // The thread may be done already.
                let _ = free.send(block);
            }
        }
    }

    /// Bytes read so far, as they are on disk.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}
