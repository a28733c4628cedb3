//! Where a check stands: transactions in which the server lets nothing be changed.

use crate::error::Result;
use crate::wire::server::{Kind, Version};
use crate::wire::session::{Session, Status};

/// Begins one.
pub(super) async fn enter(session: &mut Session) -> Result<()> {
    session.run("START TRANSACTION READ ONLY").await?;
    let server = session.server();
    let limits_idleness = server.kind == Kind::PostgreSql
        && server
            .base
            .is_some_and(|base| base >= Version::new(9, 6, 0));
    if limits_idleness {
        // A large file may be read between two statements.
        session
            .run("SET LOCAL idle_in_transaction_session_timeout = 0")
            .await?;
    }
    Ok(())
}

/// Begins anew where a statement was refused.
pub(super) async fn firm(session: &mut Session) -> Result<()> {
    if session.status() != Status::InTransaction {
        leave(session).await?;
        enter(session).await?;
    }
    Ok(())
}

/// Ends it.
pub(super) async fn leave(session: &mut Session) -> Result<()> {
    session.run("ROLLBACK").await?;
    Ok(())
}
