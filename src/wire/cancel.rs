//! Cancelling a statement from outside its connection.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::endpoint::{Endpoint, open};
use crate::error::Result;

/// How long a cancel may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cancels the statement of one session. Cheap to clone; does not keep the session alive.
#[derive(Clone)]
pub struct Canceller {
    endpoint: Endpoint,
    process_id: i32,
    secret_key: Bytes,
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller")
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

impl Canceller {
    pub(super) fn new(endpoint: Endpoint, process_id: i32, secret_key: Bytes) -> Self {
        Self {
            endpoint,
            process_id,
            secret_key,
        }
    }

    /// The process that is cancelled.
    pub(super) fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The CancelRequest. postgres-protocol's has room for four bytes of key, as they were before
    /// protocol 3.2.
    fn request(&self) -> BytesMut {
        /// In place of a protocol version.
        const CANCEL: i32 = 80_877_102;
        let mut body = BytesMut::new();
        body.put_i32(CANCEL);
        body.put_i32(self.process_id);
        body.put_slice(&self.secret_key);
        let mut frame = BytesMut::new();
        frame.put_u32(u32::try_from(4 + body.len()).unwrap_or(u32::MAX));
        frame.put_slice(&body);
        frame
    }

    /// Asks the server to cancel whatever the session runs, and waits until it has looked: a
    /// statement sent after that is not hit. Nothing happens when the session is idle.
    ///
    /// # Errors
    /// No connection within a second.
    pub async fn cancel(&self) -> Result<()> {
        let ask = async {
            let mut socket = open(&self.endpoint).await?;
            let frame = self.request();
            let sent = async {
                socket.write_all(&frame).await?;
                socket.flush().await?;
                // The server closes without an answer, after it has passed the cancel on.
                socket.read(&mut [0]).await
            };
            // A close that looks rude (a reset, TLS without a goodbye) is an answer too.
            let _ = sent.await;
            Ok(())
        };
        match timeout(PATIENCE, ask).await {
            Ok(done) => done,
            Err(_) => Err(crate::error::Error::new(
                crate::error::ErrorKind::Lost,
                "the server did not take the cancel request within a second",
            )),
        }
    }
}
