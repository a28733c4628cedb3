//! One connection after login: frames out, messages in.
//!
//! Rules that keep it correct:
//! - **Listen before writing.** Every write first takes in what the server has said and leaves the
//!   read waker registered. So an ErrorResponse wakes a blocked writer, and a flood of notices
//!   cannot fill both directions of the socket.
//! - **Yield.** A socket that never blocks never lets the reactor look, so a writer yields after
//!   each MiB; otherwise an error would be seen far too late.
//! - **A write error does not end the reading.** The server's last word (57P01, say) is still in the
//!   receive buffer.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use postgres_protocol::message::backend::Message;
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use super::error::{ServerMessage, WireError};
use super::socket::Socket;

/// Bytes asked of the socket in one read.
const READ_SIZE: usize = 64 * 1024;
/// Bytes written before the reactor gets a turn.
const YIELD_EVERY: usize = 1024 * 1024;
/// Notices kept until someone asks for them; later ones are counted only.
const NOTICES_KEPT: usize = 100;
/// The longest message taken whole, in bytes. COPY data is streamed and has no limit.
const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;

const COPY_DATA: u8 = b'd';

/// What ReadyForQuery said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No transaction.
    Idle,
    /// In a transaction.
    InTransaction,
    /// In a transaction that an error has aborted.
    Aborted,
}

/// What is under way on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The server waits for a statement.
    Ready,
    /// A statement was sent; the server owes messages up to ReadyForQuery.
    Busy,
    /// The server takes COPY data.
    CopyIn,
    /// The server sends COPY data.
    CopyOut,
}

/// Counts the transactions that SQL has ended.
///
/// The status after a query cannot tell: behind `COMMIT; BEGIN` and `COMMIT AND CHAIN` another
/// transaction is open.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) count: u64,
    /// A savepoint may be what a ROLLBACK went back to: the tag of `ROLLBACK TO` is the same.
    savepoint: bool,
}

impl Ended {
    /// Takes note of the command tag of a statement that is done.
    pub(super) fn note(&mut self, tag: &str) {
        match tag {
            "SAVEPOINT" => self.savepoint = true,
            "ROLLBACK" if self.savepoint => {}
            "COMMIT" | "ROLLBACK" | "PREPARE TRANSACTION" => {
                self.count += 1;
                self.savepoint = false;
            }
            _ => {}
        }
    }
}

/// A connection after login.
#[derive(Debug)]
pub(super) struct Channel {
    socket: Socket,
    inbox: BytesMut,
    /// Bytes of a CopyData message from the server that are still to come.
    data_left: usize,
    /// Bytes of the frame we are writing that are still to go; a dropped future leaves them.
    frame_left: usize,
    since_yield: usize,
    pub(super) phase: Phase,
    pub(super) status: Status,
    /// Transactions that SQL has ended, by the command tags.
    pub(super) ended: Ended,
    pub(super) parameters: BTreeMap<String, String>,
    notices: VecDeque<ServerMessage>,
    notices_dropped: usize,
    /// The first ErrorResponse of the statement under way.
    pub(super) refusal: Option<Box<ServerMessage>>,
    /// The statement it answers had been sent with all its data.
    pub(super) refused_whole: bool,
    /// The statement under way is a COPY FROM whose data has not been sent to its end.
    pub(super) lacks_data: bool,
    /// Why the connection is unusable.
    pub(super) dead: Option<io::ErrorKind>,
}

impl Channel {
    /// Takes over `socket` just after ReadyForQuery; `inbox` holds what was read beyond it.
    pub(super) fn new(
        socket: Socket,
        inbox: BytesMut,
        parameters: BTreeMap<String, String>,
    ) -> Self {
        Self {
            socket,
            inbox,
            data_left: 0,
            frame_left: 0,
            since_yield: 0,
            phase: Phase::Ready,
            status: Status::Idle,
            ended: Ended::default(),
            parameters,
            notices: VecDeque::new(),
            notices_dropped: 0,
            refusal: None,
            refused_whole: false,
            lacks_data: false,
            dead: None,
        }
    }

    /// Notices that came since the last call, oldest first, and how many more were not kept.
    pub(super) fn take_notices(&mut self) -> (VecDeque<ServerMessage>, usize) {
        (
            std::mem::take(&mut self.notices),
            std::mem::take(&mut self.notices_dropped),
        )
    }

    /// Writes one frame, `head` then `payload`, without copying the payload.
    ///
    /// Always the whole frame, also when the server refuses meanwhile: only then can the next one
    /// follow. Look at `refusal` behind it.
    pub(super) async fn write_frame(
        &mut self,
        head: &[u8],
        payload: &[u8],
    ) -> Result<(), WireError> {
        self.frame_left = head.len() + payload.len();
        let written = poll_fn(|cx| self.poll_write(cx, head, payload)).await;
        if let Err(error) = written {
            return Err(self.last_words(error).await);
        }
        self.since_yield += head.len() + payload.len();
        if self.since_yield >= YIELD_EVERY {
            self.since_yield = 0;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Gives the connection up when a dropped future left a frame other than CopyData half
    /// written: nothing sensible can complete it.
    pub(super) fn check_frame_boundary(&mut self) -> Result<(), WireError> {
        if self.frame_left == 0 {
            return Ok(());
        }
        self.dead = Some(io::ErrorKind::Interrupted);
        Err(WireError::Lost(io::Error::new(
            io::ErrorKind::Interrupted,
            "a statement was dropped while it was sent",
        )))
    }

    /// Completes a frame that a dropped future left half written, with blanks. May itself be
    /// dropped and called again.
    pub(super) async fn complete_frame(&mut self) -> Result<(), WireError> {
        match poll_fn(|cx| self.poll_complete(cx)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.last_words(error).await),
        }
    }

    fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        const BLANKS: [u8; 4096] = [b' '; 4096];
        self.poll_listen(cx)?;
        while self.frame_left > 0 {
            let part = self.frame_left.min(BLANKS.len());
            let socket = Pin::new(&mut self.socket);
            let written = ready!(socket.poll_write(cx, &BLANKS[..part]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.frame_left -= written;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        payload: &[u8],
    ) -> Poll<io::Result<()>> {
        self.poll_listen(cx)?;
        let total = head.len() + payload.len();
        while self.frame_left > 0 {
            let done = total - self.frame_left;
            let socket = Pin::new(&mut self.socket);
            let written = match head.get(done..) {
                Some(rest) if !rest.is_empty() => ready!(
                    socket.poll_write_vectored(cx, &[IoSlice::new(rest), IoSlice::new(payload)])
                )?,
                _ => ready!(socket.poll_write(cx, &payload[done - head.len()..]))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.frame_left -= written;
        }
        // TLS keeps bytes back until it is told to send them.
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Takes in whatever the server has said, until reading would block.
    fn poll_listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.phase == Phase::CopyOut {
            return Ok(());
        }
        loop {
            self.take_refusal_behind_asides()?;
            // An unread answer is left in the inbox; only a refusal matters to a writer. The rest
            // of a long notice is taken in: the server reads nothing until it has sent it.
            if self.inbox.len() >= READ_SIZE && !self.is_amid_aside()? {
                return Ok(());
            }
            self.inbox.reserve(READ_SIZE);
            match poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.inbox) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(hung_up()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    /// Whether the inbox begins with a part of an error or of what is taken aside.
    fn is_amid_aside(&self) -> io::Result<bool> {
        let is_aside = matches!(self.inbox.first(), Some(b'E' | b'N' | b'S' | b'A'));
        Ok(is_aside && !self.complete()?)
    }

    /// Takes in what the server has said since the last statement, without waiting.
    ///
    /// # Errors
    /// The connection has ended; nothing was sent.
    pub(super) async fn listen(&mut self) -> Result<(), WireError> {
        // The reactor looks at the socket first.
        tokio::task::yield_now().await;
        if let Err(error) = poll_fn(|cx| Poll::Ready(self.poll_listen(cx))).await {
            return Err(self.lost(error));
        }
        // An error that answers no statement is the last thing a server says.
        match self.refusal.take() {
            Some(said) => {
                self.dead = Some(io::ErrorKind::ConnectionAborted);
                Err(WireError::Refused(said))
            }
            None => Ok(()),
        }
    }

    /// After a failed write: what the server still had to say, or else the failure itself.
    async fn last_words(&mut self, error: io::Error) -> WireError {
        self.dead = Some(error.kind());
        // They may have been read before the failure was met.
        while self.take_refusal_behind_asides().is_ok() && self.refusal.is_none() {
            if !matches!(self.read_more().await, Ok(true)) {
                break;
            }
        }
        match self.refusal.take() {
            Some(said) => WireError::Refused(said),
            None => WireError::Lost(error),
        }
    }

    /// The next message that matters, waiting for it. Notices, parameters and notifications are
    /// taken aside; ReadyForQuery updates the status and is returned too.
    pub(super) async fn next_message(&mut self) -> Result<Message, WireError> {
        loop {
            match self.take_message() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => return Err(self.garbled(&error)),
            }
            self.wait_for_more().await?;
        }
    }

    fn lost(&mut self, error: io::Error) -> WireError {
        self.dead = Some(error.kind());
        // A FATAL error comes before the end: it is the better reason.
        match self.refusal.take() {
            Some(said) => WireError::Refused(said),
            None => WireError::Lost(error),
        }
    }

    /// What came is no message: nobody knows where the next one begins.
    fn garbled(&mut self, error: &io::Error) -> WireError {
        self.dead = Some(io::ErrorKind::InvalidData);
        WireError::Protocol(error.to_string())
    }

    /// Reads once.
    async fn wait_for_more(&mut self) -> Result<(), WireError> {
        match self.read_more().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.lost(hung_up())),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Reads once; `false` at the end of the stream.
    async fn read_more(&mut self) -> io::Result<bool> {
        self.inbox.reserve(READ_SIZE);
        let (socket, inbox) = (&mut self.socket, &mut self.inbox);
        let read = poll_fn(|cx| poll_read_buf(Pin::new(&mut *socket), cx, inbox)).await?;
        Ok(read > 0)
    }

    /// Appends COPY data that the server sends to `block`, waiting for it, until it holds `limit`
    /// bytes. `false` when another message than CopyData is next.
    pub(super) async fn read_copy_data(
        &mut self,
        block: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, WireError> {
        loop {
            match self.drain_copy_data(block, limit) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(self.garbled(&error)),
            }
            if block.len() >= limit {
                return Ok(true);
            }
            self.wait_for_more().await?;
        }
    }

    /// Drops what is left of the COPY data that the server sends, up to the next other message.
    pub(super) async fn skip_copy_data(&mut self) -> Result<(), WireError> {
        let mut block = Vec::new();
        while self.read_copy_data(&mut block, READ_SIZE).await? {
            block.clear();
        }
        Ok(())
    }

    /// Moves CopyData payloads out of the inbox. `false` when a complete header of another message
    /// is next. A payload need not be there whole: rows of any size pass through.
    fn drain_copy_data(&mut self, block: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        while block.len() < limit {
            if self.data_left == 0 {
                if self.inbox.len() < 5 {
                    return Ok(true);
                }
                self.skip_asides()?;
                match self.inbox.first() {
                    Some(&COPY_DATA) if self.inbox.len() >= 5 => {
                        self.data_left = frame_length(&self.inbox)? - 4;
                        self.inbox.advance(5);
                    }
                    None | Some(&COPY_DATA | b'N' | b'S' | b'A') => return Ok(true),
                    Some(_) => return Ok(false),
                }
            }
            let part = self.data_left.min(self.inbox.len());
            block.extend_from_slice(&self.inbox[..part]);
            self.inbox.advance(part);
            self.data_left -= part;
            if self.data_left > 0 {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// A complete message from the inbox, asides taken aside.
    fn take_message(&mut self) -> io::Result<Option<Message>> {
        self.skip_asides()?;
        if !self.complete()? {
            return Ok(None);
        }
        let message = Message::parse(&mut self.inbox)?;
        if let Some(Message::ReadyForQuery(ready)) = &message {
            self.phase = Phase::Ready;
            self.status = match ready.status() {
                b'I' => Status::Idle,
                b'T' => Status::InTransaction,
                _ => Status::Aborted,
            };
            if self.status == Status::Idle {
                self.ended.savepoint = false;
            }
        }
        Ok(message)
    }

    /// Takes notices, parameter changes and notifications off the front of the inbox: they can
    /// come at any time and belong to no statement.
    fn skip_asides(&mut self) -> io::Result<()> {
        while matches!(self.inbox.first(), Some(b'N' | b'S' | b'A')) && self.complete()? {
            match Message::parse(&mut self.inbox)? {
                Some(Message::NoticeResponse(notice)) if self.notices.len() < NOTICES_KEPT => {
                    self.notices
                        .push_back(ServerMessage::read(notice.fields())?.shortened());
                }
                Some(Message::NoticeResponse(_)) => self.notices_dropped += 1,
                Some(Message::ParameterStatus(parameter)) => {
                    self.parameters
                        .insert(parameter.name()?.to_owned(), parameter.value()?.to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes a first refusal off the front of the inbox, and what belongs to no statement before it
    /// and behind it: an idle session is ended with a warning and then the error.
    fn take_refusal_behind_asides(&mut self) -> io::Result<()> {
        self.skip_asides()?;
        if self.refusal.is_none() && self.peek_is(b'E')? {
            self.take_refusal()?;
            self.skip_asides()?;
        }
        Ok(())
    }

    fn peek_is(&self, tag: u8) -> io::Result<bool> {
        Ok(self.inbox.first() == Some(&tag) && self.complete()?)
    }

    fn take_refusal(&mut self) -> io::Result<()> {
        if let Some(Message::ErrorResponse(error)) = Message::parse(&mut self.inbox)? {
            self.refuse(ServerMessage::read(error.fields())?);
        }
        Ok(())
    }

    /// Remembers an error; the first one counts.
    pub(super) fn refuse(&mut self, said: ServerMessage) {
        if self.refusal.is_none() {
            self.refused_whole = self.phase == Phase::Busy && !self.lacks_data;
            self.refusal = Some(Box::new(said));
        }
    }

    /// Whether the inbox begins with a whole message.
    fn complete(&self) -> io::Result<bool> {
        if self.inbox.len() < 5 {
            return Ok(false);
        }
        let length = frame_length(&self.inbox)?;
        if length > MESSAGE_LIMIT {
            let megabytes = length / (1024 * 1024);
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a message of {megabytes} MiB, where at most 64 MiB is taken"),
            ));
        }
        Ok(self.inbox.len() > length)
    }
}

/// The error of a read at the end of the stream.
fn hung_up() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the server closed the connection",
    )
}

/// The length field of the frame at the start of `inbox`, which holds at least 5 bytes: the body
/// and the 4 bytes of the field itself.
fn frame_length(inbox: &[u8]) -> io::Result<usize> {
    let length = i32::from_be_bytes([inbox[1], inbox[2], inbox[3], inbox[4]]);
    match usize::try_from(length) {
        Ok(length) if length >= 4 => Ok(length),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message length of {length}"),
        )),
    }
}
