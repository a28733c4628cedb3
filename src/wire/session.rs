//! A logged-in connection that runs statements and COPY in the simple query protocol, as psycopg2
//! does.
//!
//! A statement is an [`Exchange`]: send it, then take what the server says, one [`Reply`] at a
//! time. COPY data flows inside the exchange, in either direction. An exchange that is dropped
//! halfway is settled before the session's next use: a COPY in is failed, anything else is
//! cancelled, and the rest is read.

mod describe;

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;

use super::cancel::Canceller;
use super::channel::{Channel, Phase};
use super::error::{ServerMessage, WireError};
use super::server::Server;

pub use super::channel::Status;

/// One connection to a server, ready for statements.
#[derive(Debug)]
pub struct Session {
    channel: Channel,
    canceller: Canceller,
    warning: Option<String>,
    place: String,
    server: Server,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The OID of its type; 16 is boolean.
    pub type_oid: u32,
}

/// A row of a result, in text form.
#[derive(Debug, Clone)]
pub struct Row {
    storage: Bytes,
    fields: Vec<Option<std::ops::Range<usize>>>,
}

impl Row {
    fn read(body: &DataRowBody) -> io::Result<Self> {
        Ok(Self {
            storage: body.buffer_bytes().clone(),
            fields: body.ranges().collect()?,
        })
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether the row has no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The bytes of field `index` (0 is the first); `None` for NULL or where there is no such field.
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        let range = self.fields.get(index)?.clone()?;
        self.storage.get(range)
    }

    /// The text of field `index`; bytes that are not UTF-8 are replaced.
    pub fn text(&self, index: usize) -> Option<std::borrow::Cow<'_, str>> {
        self.bytes(index).map(String::from_utf8_lossy)
    }
}

/// What the server says in an exchange.
#[derive(Debug)]
pub enum Reply {
    /// A result begins; these are its columns.
    Columns(Vec<Column>),
    /// A row of it.
    Row(Row),
    /// A statement is done; its command tag, such as `UPDATE 1` or `COPY 3`.
    Done(String),
    /// The server waits for COPY data: [`Exchange::send`], then [`Exchange::end_data`].
    CopyIn,
    /// The server sends COPY data: [`Exchange::receive`].
    CopyOut,
}

impl Session {
    pub(super) fn new(channel: Channel, canceller: Canceller, warning: Option<String>) -> Self {
        Self {
            server: Server::reported(&channel.parameters),
            channel,
            canceller,
            warning,
            place: String::new(),
        }
    }

    /// Which server it is: what the login told, and once [`identify`](super::server::identify) has
    /// run, everything.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Takes note of which server it is.
    pub(super) fn know(&mut self, server: Server) {
        self.server = server;
    }

    /// The same session, which knows where it is.
    pub(super) fn at(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// The host that was reached, of those that the target names, and the database:
    /// `dw.example.com:8000/sales`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Sends `sql`, one or several statements, as one simple query.
    ///
    /// # Errors
    /// The connection is lost or was lost before.
    ///
    /// # Cancel safety
    /// A dropped exchange is settled before the next one; an open transaction stays open, aborted.
    pub async fn query(&mut self, sql: &str) -> Result<Exchange<'_>, WireError> {
        self.settle().await?;
        let mut frame = BytesMut::new();
        frontend::query(sql, &mut frame).map_err(|error| WireError::Protocol(error.to_string()))?;
        self.send_query(&frame).await
    }

    /// Sends what a server answers with a ReadyForQuery at its end.
    async fn send_query(&mut self, frames: &[u8]) -> Result<Exchange<'_>, WireError> {
        self.channel.refusal = None;
        self.channel.refused_whole = false;
        self.channel.lacks_data = false;
        self.channel.phase = Phase::Busy;
        self.channel.write_frame(frames, &[]).await?;
        Ok(Exchange {
            session: self,
            copies: 0,
        })
    }

    /// Runs `sql` to its end and returns the command tags. Rows are dropped; a COPY is refused.
    ///
    /// # Errors
    /// The server's first error, or a lost connection.
    pub async fn run(&mut self, sql: &str) -> Result<Vec<String>, WireError> {
        let mut exchange = self.query(sql).await?;
        let mut tags = Vec::new();
        while let Some(reply) = exchange.next().await? {
            match reply {
                Reply::Done(tag) => tags.push(tag),
                Reply::CopyIn => {
                    exchange
                        .fail_data("this statement is run without data")
                        .await?;
                }
                Reply::Columns(_) | Reply::Row(_) | Reply::CopyOut => {}
            }
        }
        Ok(tags)
    }

    /// Runs `sql` to its end and returns its rows. For queries whose result is small.
    ///
    /// # Errors
    /// The server's first error, or a lost connection.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, WireError> {
        let mut exchange = self.query(sql).await?;
        let mut rows = Vec::new();
        while let Some(reply) = exchange.next().await? {
            match reply {
                Reply::Row(row) => rows.push(row),
                Reply::CopyIn => exchange.fail_data("this query is run without data").await?,
                Reply::Columns(_) | Reply::Done(_) | Reply::CopyOut => {}
            }
        }
        Ok(rows)
    }

    /// Starts a COPY FROM STDIN: [`Exchange::send`], [`Exchange::end_data`], [`Exchange::finish`].
    ///
    /// # Errors
    /// The server's refusal (the connection stays usable), a lost connection, or SQL that is no
    /// COPY FROM STDIN.
    ///
    /// # Cancel safety
    /// Dropped before the end of the data is sent, nothing of it is loaded. Dropped after that, it
    /// may have been: treat it like a COMMIT in doubt.
    pub async fn copy_in(&mut self, sql: &str) -> Result<Exchange<'_>, WireError> {
        self.copy_in_behind(&[], sql).await
    }

    /// The same, with statements that return no rows sent along before it: one round trip.
    ///
    /// # Errors
    /// As [`copy_in`](Self::copy_in); the statements before it may be refused too.
    ///
    /// # Cancel safety
    /// As [`copy_in`](Self::copy_in).
    pub async fn copy_in_behind(
        &mut self,
        statements: &[&str],
        sql: &str,
    ) -> Result<Exchange<'_>, WireError> {
        let mut exchange = self
            .query(&[statements, &[sql]].concat().join("; "))
            .await?;
        exchange.session.channel.lacks_data = true;
        let mut begun = exchange.next().await?;
        for _ in statements {
            if matches!(begun, Some(Reply::Done(_))) {
                begun = exchange.next().await?;
            }
        }
        match begun {
            Some(Reply::CopyIn) => Ok(exchange),
            other => Err(WireError::Protocol(format!(
                "{other:?} where a COPY FROM STDIN begins"
            ))),
        }
    }

    /// Starts a COPY TO STDOUT: [`Exchange::receive`] to the end, then [`Exchange::finish`].
    ///
    /// # Errors
    /// The server's refusal (the connection stays usable), a lost connection, or SQL that is no
    /// COPY TO STDOUT.
    ///
    /// # Cancel safety
    /// A dropped COPY TO is cancelled before the session's next use.
    pub async fn copy_out(&mut self, sql: &str) -> Result<Exchange<'_>, WireError> {
        let mut exchange = self.query(sql).await?;
        match exchange.next().await? {
            Some(Reply::CopyOut) => Ok(exchange),
            other => Err(WireError::Protocol(format!(
                "{other:?} where a COPY TO STDOUT begins"
            ))),
        }
    }

    /// What the last ReadyForQuery said of the transaction.
    pub fn status(&self) -> Status {
        self.channel.status
    }

    /// How many transactions COMMIT, ROLLBACK and PREPARE TRANSACTION have ended so far, one that
    /// another has followed at once among them. A ROLLBACK behind a SAVEPOINT is taken for a
    /// `ROLLBACK TO`, which has the same command tag.
    pub fn transactions_ended(&self) -> u64 {
        self.channel.ended.count
    }

    /// Whether a statement was sent, with all its data, and the server has not said how it ended.
    pub fn awaits_answer(&self) -> bool {
        self.channel.phase == Phase::Busy && !self.channel.lacks_data
    }

    /// Whether the statement that the server refused last had been sent with all its data: nothing
    /// but the server stood in the way of its taking place.
    pub fn refused_whole(&self) -> bool {
        self.channel.refused_whole
    }

    /// A parameter the server reported, such as `server_version`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.channel.parameters.get(name).map(String::as_str)
    }

    /// Whether string literals take backslashes as they are.
    pub fn standard_conforming_strings(&self) -> bool {
        self.parameter("standard_conforming_strings") != Some("off")
    }

    /// Notices since the last call, oldest first, and how many more there were.
    pub fn take_notices(&mut self) -> (VecDeque<ServerMessage>, usize) {
        self.channel.take_notices()
    }

    /// What people should know about the way this session was logged in, such as a password that
    /// others could read; once.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    /// The number of the server's process behind this session, as the login told.
    pub fn process_id(&self) -> i32 {
        self.canceller.process_id()
    }

    /// Something that can cancel this session's statement from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Looks whether the connection has ended while nothing was under way. It does not wait: one
    /// that falls later is still thought to be good.
    ///
    /// # Errors
    /// The server's last word (it is shutting down, say), or a lost connection. Nothing was sent.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn listen(&mut self) -> Result<(), WireError> {
        self.settle().await?;
        self.channel.listen().await
    }

    /// Says goodbye. The server rolls back what is not committed.
    pub async fn close(mut self) {
        let mut frame = BytesMut::new();
        frontend::terminate(&mut frame);
        // Nothing is owed to a server that is already gone.
        if self.settle().await.is_ok() {
            let _ = self.channel.write_frame(&frame, &[]).await;
        }
    }

    /// Ends what a dropped exchange left under way. May itself be dropped and called again.
    async fn settle(&mut self) -> Result<(), WireError> {
        if let Some(kind) = self.channel.dead {
            return Err(WireError::Lost(io::Error::new(
                kind,
                "the connection was lost before",
            )));
        }
        match self.channel.phase {
            Phase::Ready => return Ok(()),
            Phase::CopyIn => {
                self.channel.complete_frame().await?;
                self.channel.fail_copy("the load was dropped").await?;
            }
            Phase::Busy | Phase::CopyOut => {
                self.channel.check_frame_boundary()?;
                // Best effort: without the cancel, reading to the end only takes longer.
                let _ = self.canceller.cancel().await;
            }
        }
        let mut exchange = Exchange {
            session: self,
            copies: 0,
        };
        loop {
            match exchange.next().await {
                Ok(Some(Reply::CopyIn)) => exchange.fail_data("the load was dropped").await?,
                Ok(Some(_)) | Err(WireError::Refused(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(error),
            }
            if exchange.session.channel.phase == Phase::Ready {
                return Ok(());
            }
        }
    }
}

impl Channel {
    async fn fail_copy(&mut self, reason: &str) -> Result<(), WireError> {
        let mut frame = BytesMut::new();
        let reason = reason.replace('\0', " ");
        frontend::copy_fail(&reason, &mut frame)
            .map_err(|error| WireError::Protocol(error.to_string()))?;
        self.phase = Phase::Busy;
        self.write_frame(&frame, &[]).await
    }
}

/// One simple query under way.
#[derive(Debug)]
pub struct Exchange<'a> {
    session: &'a mut Session,
    copies: usize,
}

impl Exchange<'_> {
    /// What the server says next; `None` when it is ready for another statement.
    ///
    /// COPY data that was not received is skipped.
    ///
    /// # Errors
    /// The server's first error, once the server is ready again; or a lost connection.
    pub async fn next(&mut self) -> Result<Option<Reply>, WireError> {
        loop {
            if self.session.channel.phase == Phase::Ready {
                return Ok(None);
            }
            if self.session.channel.phase == Phase::CopyOut {
                self.session.channel.skip_copy_data().await?;
            }
            let message = self.session.channel.next_message().await?;
            if let Some(reply) = self.understand(message)? {
                return Ok(Some(reply));
            }
            if self.session.channel.phase == Phase::Ready {
                return match self.session.channel.refusal.take() {
                    Some(said) => Err(WireError::Refused(said)),
                    None => Ok(None),
                };
            }
        }
    }

    fn understand(&mut self, message: Message) -> Result<Option<Reply>, WireError> {
        let channel = &mut self.session.channel;
        let broken = |error: io::Error| WireError::Protocol(error.to_string());
        Ok(match message {
            Message::ErrorResponse(error) => {
                channel.refuse(ServerMessage::read(error.fields()).map_err(broken)?);
                None
            }
            Message::RowDescription(body) => Some(Reply::Columns(columns(&body).map_err(broken)?)),
            Message::DataRow(body) => Some(Reply::Row(Row::read(&body).map_err(broken)?)),
            Message::CommandComplete(body) => {
                channel.phase = Phase::Busy;
                let tag = body.tag().map_err(broken)?.to_owned();
                channel.ended.note(&tag);
                Some(Reply::Done(tag))
            }
            Message::CopyInResponse(_) => {
                channel.phase = Phase::CopyIn;
                self.copies += 1;
                Some(Reply::CopyIn)
            }
            Message::CopyOutResponse(_) => {
                channel.phase = Phase::CopyOut;
                self.copies += 1;
                Some(Reply::CopyOut)
            }
            Message::CopyDone => {
                channel.phase = Phase::Busy;
                None
            }
            Message::EmptyQueryResponse
            | Message::CopyData(_)
            | Message::ReadyForQuery(_)
            | Message::ParseComplete
            | Message::ParameterDescription(_)
            | Message::NoData => None,
            _ => {
                return Err(WireError::Protocol(
                    "a message that belongs to another protocol".into(),
                ));
            }
        })
    }

    /// How many COPY statements this exchange has begun.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// Sends one CopyData message with `data`. Larger is better: 64 KiB to 1 MiB.
    ///
    /// # Errors
    /// The server's refusal, as soon as it is seen; what was not sent need not be.
    pub async fn send(&mut self, data: &[u8]) -> Result<(), WireError> {
        if data.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(data.len() + 4)
            .map_err(|_| WireError::Protocol("a block over 4 GiB".into()))?;
        let mut head = [b'd', 0, 0, 0, 0];
        head[1..].copy_from_slice(&length.to_be_bytes());
        self.session.channel.write_frame(&head, data).await?;
        if self.session.channel.refusal.is_some() {
            return Err(self.refused().await);
        }
        Ok(())
    }

    /// Waits for the server's refusal while there is nothing to send. Never returns while the
    /// server is content; a lost connection is a refusal too.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn refused(&mut self) -> WireError {
        loop {
            match self.next().await {
                Err(error) => return error,
                Ok(Some(_)) => {}
                Ok(None) => return WireError::Protocol("the server ended a COPY by itself".into()),
            }
        }
    }

    /// Ends the data of a COPY in; then [`Exchange::next`] tells the outcome.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn end_data(&mut self) -> Result<(), WireError> {
        let mut frame = BytesMut::new();
        frontend::copy_done(&mut frame);
        self.session.channel.lacks_data = false;
        self.session.channel.phase = Phase::Busy;
        self.session.channel.write_frame(&frame, &[]).await
    }

    /// Ends a COPY in by failing it; the server answers with an error that names `reason`.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn fail_data(&mut self, reason: &str) -> Result<(), WireError> {
        self.session.channel.fail_copy(reason).await
    }

    /// Appends COPY data from the server to `block`, until it holds `limit` bytes. `false` at the
    /// end of the data; then [`Exchange::next`] tells the outcome.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn receive(&mut self, block: &mut Vec<u8>, limit: usize) -> Result<bool, WireError> {
        self.session.channel.read_copy_data(block, limit).await
    }

    /// Runs the exchange to its end. `Ok(rows)`: what the last command tag counts.
    ///
    /// # Errors
    /// The server's refusal, or a lost connection.
    pub async fn finish(mut self) -> Result<u64, WireError> {
        let mut rows = 0;
        while let Some(reply) = self.next().await? {
            match reply {
                Reply::Done(tag) => rows = rows_of(&tag),
                Reply::CopyIn => self.fail_data("a second COPY has no data").await?,
                Reply::CopyOut | Reply::Columns(_) | Reply::Row(_) => {}
            }
        }
        Ok(rows)
    }

    /// Fails a COPY in for `reason`; returns when the server is ready again. Its error about the
    /// failed COPY is expected and dropped.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn abort(mut self, reason: &str) -> Result<(), WireError> {
        self.fail_data(reason).await?;
        match self.finish().await {
            Ok(_) | Err(WireError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The row count at the end of a command tag: 3 in `COPY 3` and in `INSERT 0 3`; 0 where the tag
/// has none.
pub fn rows_of(tag: &str) -> u64 {
    tag.rsplit(' ')
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

fn columns(body: &RowDescriptionBody) -> io::Result<Vec<Column>> {
    body.fields()
        .map(|field| {
            Ok(Column {
                name: field.name().to_owned(),
                type_oid: field.type_oid(),
            })
        })
        .collect()
}
