//! Whether what was sent is what the server counts, before it is committed.

use super::file::Here;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{TableName, literal};
use crate::run::Stage;
use crate::wire::session::Session;

/// Compares the `records` that were sent of a file with the `rows` of the server's command tag.
///
/// # Errors
/// They differ, and no trigger of the table accounts for it.
pub(super) async fn reconcile(
    here: &Here<'_>,
    records: u64,
    rows: u64,
    stage: &mut Stage<'_>,
) -> Result<()> {
    if rows == records {
        return Ok(());
    }
    let counts = format!(
        "`{}` has {records} records, and the server counts {rows} rows",
        here.source
    );
    if has_triggers(&here.step.table, stage.session).await? {
        stage.warn(&counts);
        return Ok(());
    }
    Err(Error::new(ErrorKind::Data, counts)
        .hint("the table has no trigger that could have dropped any; please report this"))
}

/// Whether triggers of a table, or of one that inherits from it, may drop, add or change rows.
pub(super) async fn has_triggers(table: &TableName, session: &mut Session) -> Result<bool> {
    let name = literal(&table.to_string(), session.standard_conforming_strings());
    let rows = session
        .rows(&format!(
            "WITH RECURSIVE family(oid) AS (\
               SELECT {name}::pg_catalog.regclass::pg_catalog.oid \
               UNION ALL \
               SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid) \
             SELECT 1 FROM pg_catalog.pg_trigger t JOIN family f ON t.tgrelid = f.oid \
             WHERE NOT t.tgisinternal LIMIT 1"
        ))
        .await?;
    Ok(!rows.is_empty())
}
