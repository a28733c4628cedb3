//! What the server says.

use std::io;
use std::net::Shutdown;
use std::time::Instant;

use super::super::entrance::is_reported;
use super::super::error::{as_gauss, field};
use super::super::faults::{Manner, Point};
use super::super::frames::{Frame, Frames};
use super::super::lock;
use super::{Line, MARK};

/// Bytes that are sent to the client in one go.
const BLOCK: usize = 64 * 1024;

impl Line {
    /// Passes answers on until the server or the session ends.
    pub(super) fn answers(&self) -> io::Result<()> {
        let mut frames = Frames::new(self.server.try_clone()?);
        let mut block = Vec::new();
        while let Some(frame) = frames.next()? {
            if self.talk().ended {
                return Ok(());
            }
            if self.is_lost(&frame, &mut block)? {
                continue;
            }
            self.answer(&frame, &mut block)?;
            if block.len() >= BLOCK || !frames.has_next() {
                self.say(&block)?;
                block.clear();
            }
        }
        self.say(&block)
    }

    /// Takes a message of an answer that the client is not to get. At its end something else comes.
    fn is_lost(&self, frame: &Frame, block: &mut Vec<u8>) -> io::Result<bool> {
        let mut talk = self.talk();
        // A COPY waits for the client here: there is no more of an answer.
        let is_end = matches!(frame.tag(), b'Z' | b'G');
        let Some(manner) = talk.lost.take() else {
            return Ok(false);
        };
        if !is_end {
            talk.lost = Some(manner);
            return Ok(true);
        }
        drop(talk);
        match manner {
            Manner::Error(error) => {
                block.extend(error.frame("ERROR").bytes());
                // ReadyForQuery is passed on.
                Ok(false)
            }
            ending => {
                self.end(&ending)?;
                Ok(true)
            }
        }
    }

    /// Tells the client a message in the way of a Gauss server.
    fn answer(&self, frame: &Frame, block: &mut Vec<u8>) -> io::Result<()> {
        match frame.tag() {
            b'E' => block.extend(self.error(frame).bytes()),
            b'N' => block.extend(as_gauss(frame).bytes()),
            b'S' => {
                let name = frame.texts().next().unwrap_or_default();
                if is_reported(name) {
                    block.extend(frame.bytes());
                }
            }
            b'C' => {
                if frame.body() == b"DO\0" {
                    block.extend(Frame::new(b'C', b"ANONYMOUS BLOCK EXECUTE\0").bytes());
                } else {
                    block.extend(frame.bytes());
                }
            }
            b'G' => return self.copy_begins(frame, block),
            b'Z' => {
                let mut talk = self.talk();
                talk.status = frame.body().first().copied().unwrap_or(b'I');
                talk.copy_fault = None;
                talk.copy_may_doom = false;
                talk.idle_since = Some(Instant::now());
                block.extend(frame.bytes());
            }
            _ => block.extend(frame.bytes()),
        }
        Ok(())
    }

    /// An error of the server, or the one that was meant by it.
    fn error(&self, frame: &Frame) -> Frame {
        let mut talk = self.talk();
        talk.copy_fault = None;
        talk.doomed |= std::mem::take(&mut talk.copy_may_doom);
        let message = field(frame, b'M').unwrap_or_default();
        let number = memchr::memmem::find(message, MARK.as_bytes()).and_then(|at| {
            let digits = message[at + MARK.len()..].iter();
            let digits = digits.take_while(|byte| byte.is_ascii_digit()).copied();
            String::from_utf8(digits.collect()).ok()?.parse().ok()
        });
        match number.and_then(|number: u32| talk.meant.remove(&number)) {
            Some(meant) => meant.frame("ERROR"),
            None => as_gauss(frame),
        }
    }

    /// The server waits for COPY data. From here on the COPY may be one that is to fail.
    fn copy_begins(&self, frame: &Frame, block: &mut Vec<u8>) -> io::Result<()> {
        let fault = lock(&self.shared.plan).reach(|point| {
            matches!(
                point,
                Point::AfterCopyResponse
                    | Point::DuringCopy(_)
                    | Point::AfterCopyData
                    | Point::AfterCopy
            )
        });
        let mut talk = self.talk();
        if let Some((Point::DuringCopy(bytes), _)) = &fault {
            talk.copy_left = *bytes;
        }
        block.extend(frame.bytes());
        match fault {
            // The server first: what the client sends on its CopyInResponse comes too late.
            Some((Point::AfterCopyResponse, Manner::Error(error))) => {
                drop(talk);
                self.pass_on(&Frame::copy_fail(&self.mark(error)))
            }
            Some((Point::AfterCopyResponse, ending)) => {
                talk.ended = true;
                drop(talk);
                let _ = self.server.shutdown(Shutdown::Both);
                self.say(block)?;
                block.clear();
                self.end(&ending)
            }
            fault => {
                talk.copy_fault = fault;
                Ok(())
            }
        }
    }

    /// Fails the COPY under way: the server undoes it.
    pub(super) fn fail_copy(&self, manner: Manner) -> io::Result<()> {
        match manner {
            Manner::Error(error) => self.pass_on(&Frame::copy_fail(&self.mark(error))),
            ending => self.end(&ending),
        }
    }
}
