//! A socket between a client and the server that counts what the client sends too late.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::Result;

/// What went through.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Bytes of the client, all of them.
    pub(crate) sent: u64,
    /// Those that were read from the client after the server's first error had come by.
    pub(crate) after_error: u64,
    /// An error came by.
    pub(crate) failed: bool,
}

/// Lets `client` connect once by the socket `here`, which leads to the server's socket `there`.
/// Returns when it has hung up, and `client` has returned.
pub(crate) fn between<T>(
    here: &Path,
    there: &Path,
    client: impl FnOnce() -> Result<T>,
) -> Result<(T, Counts)> {
    let listener = UnixListener::bind(here)?;
    thread::scope(|scope| {
        let counting = scope.spawn(move || -> std::io::Result<Counts> {
            let (client, _) = listener.accept()?;
            forward(&client, &UnixStream::connect(there)?)
        });
        let outcome = client();
        // A client that never connected would leave the proxy waiting. Fails when it did.
        drop(UnixStream::connect(here));
        let counts = counting.join().map_err(|_| "the proxy died")??;
        Ok((outcome?, counts))
    })
}

fn forward(client: &UnixStream, server: &UnixStream) -> std::io::Result<Counts> {
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| answers(server, client, &failed));
        let counts = requests(client, server, &failed);
        server.shutdown(Shutdown::Write)?;
        counts
    })
}

fn requests(
    mut client: &UnixStream,
    mut server: &UnixStream,
    failed: &AtomicBool,
) -> std::io::Result<Counts> {
    let mut counts = Counts::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = client.read(&mut buffer)?;
        counts.failed = failed.load(Ordering::SeqCst);
        if length == 0 {
            return Ok(counts);
        }
        counts.sent += length as u64;
        if counts.failed {
            counts.after_error += length as u64;
        }
        server.write_all(&buffer[..length])?;
    }
}

/// Passes on what the server says. The error is noted before the client can know of it.
fn answers(mut server: &UnixStream, mut client: &UnixStream, failed: &AtomicBool) {
    let mut frames = Frames::default();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        if frames.hold_an_error(&buffer[..length]) {
            failed.store(true, Ordering::SeqCst);
        }
        if client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Write);
}

/// The server's messages: one byte of type, four of length (which count themselves), the rest.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    rest: usize,
}

impl Frames {
    /// Whether an ErrorResponse begins in these bytes, which follow those of the last call.
    fn hold_an_error(&mut self, mut bytes: &[u8]) -> bool {
        let mut error = false;
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (5 - self.head.len()).min(bytes.len());
            if self.rest == 0 {
                self.head.extend_from_slice(&bytes[..wanted]);
                bytes = &bytes[wanted..];
            }
            if let [kind, a, b, c, d] = self.head[..] {
                error |= kind == b'E';
                self.rest = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                self.head.clear();
            }
        }
        error
    }
}
