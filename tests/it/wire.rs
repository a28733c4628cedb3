//! The connection: usable after whatever goes wrong in a COPY, never deadlocked, and honest about
//! its end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod copy;
mod describe;
mod flow;
mod lost;

use dwsload::wire::error::WireError;
use dwsload::wire::session::Session;

use crate::support::server::{Database, Server};

/// A table `t (n int)`; one `u` that refuses every COPY once it has begun; one `nobodys` that the
/// role `weak` may not touch.
fn tables() -> Database {
    let database = Server::shared().database();
    database.psql(
        "CREATE TABLE t (n int); CREATE TABLE u (n int); CREATE TABLE nobodys (n int);
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'P0042'; END$$;
         CREATE TRIGGER refuse BEFORE INSERT ON u FOR EACH STATEMENT EXECUTE FUNCTION refuse();
         DO $$BEGIN CREATE ROLE weak; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$",
    );
    database
}

/// The first field of a query's first row.
async fn one(session: &mut Session, sql: &str) -> String {
    let rows = session.rows(sql).await.unwrap();
    rows[0].text(0).unwrap().into_owned()
}

/// The SQLSTATE of a refusal.
fn code(error: &WireError) -> &str {
    match error {
        WireError::Refused(said) => &said.code,
        other => panic!("no refusal: {other:?}"),
    }
}

/// A COPY in of `blocks`, to its end.
async fn load(session: &mut Session, sql: &str, blocks: &[&[u8]]) -> Result<u64, WireError> {
    let mut copy = session.copy_in(sql).await?;
    for block in blocks {
        copy.send(block).await?;
    }
    copy.end_data().await?;
    copy.finish().await
}
