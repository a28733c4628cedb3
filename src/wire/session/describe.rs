//! A statement looked over by the server and not run, by the extended protocol.

use std::io;

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::{Column, Reply, Session};
use crate::wire::error::WireError;

impl Session {
    /// Has the server read `sql`, one statement, and look up what it names: it is prepared and
    /// described by the extended protocol, and not run. Returns the columns of its rows.
    ///
    /// # Errors
    /// The server's refusal, or a lost connection.
    ///
    /// # Cancel safety
    /// As [`query`](Self::query).
    pub async fn describe(&mut self, sql: &str) -> Result<Vec<Column>, WireError> {
        self.settle().await?;
        let mut frames = BytesMut::new();
        let broken = |error: io::Error| WireError::Protocol(error.to_string());
        frontend::parse("", sql, [], &mut frames).map_err(broken)?;
        frontend::describe(b'S', "", &mut frames).map_err(broken)?;
        frontend::sync(&mut frames);
        let mut exchange = self.send_query(&frames).await?;
        let mut found = Vec::new();
        while let Some(reply) = exchange.next().await? {
            if let Reply::Columns(columns) = reply {
                found = columns;
            }
        }
        Ok(found)
    }
}
