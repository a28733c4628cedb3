//! `mode: replace`: the table is emptied in the transaction that fills it.

use crate::error::{Error, ErrorKind, Result};
use crate::job::CopyFrom;
use crate::name::literal;
use crate::run::Stage;
use crate::wire::error::WireError;

/// Empties the table. Whoever reads it waits until the transaction ends, and then sees the new rows, or
/// the old ones.
///
/// # Errors
/// The server refuses: a right is missing, or a foreign key points at the table.
pub(super) async fn empty(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<()> {
    let sql = format!("TRUNCATE TABLE {}", step.table);
    let Err(error) = stage.session.run(&sql).await else {
        return Ok(());
    };
    Err(refused(step, error))
}

/// Whether the table may be emptied, as far as the catalog tells.
///
/// # Errors
/// As [`empty`].
pub(super) async fn check(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<()> {
    let scs = stage.session.standard_conforming_strings();
    let sql = format!(
        "SELECT pg_catalog.has_table_privilege(c.oid, 'TRUNCATE'), \
         (SELECT pg_catalog.quote_ident(k.conname) || ' of ' || k.conrelid::pg_catalog.regclass FROM pg_catalog.pg_constraint k \
         WHERE k.confrelid = c.oid AND k.conrelid <> c.oid AND k.contype = 'f' ORDER BY 1 LIMIT 1) \
         FROM pg_catalog.pg_class c WHERE c.oid = {}::pg_catalog.regclass",
        literal(&step.table.to_string(), scs)
    );
    let rows = stage.session.rows(&sql).await;
    let rows = rows.map_err(|error| refused(step, error))?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (code, what) = if row.bytes(0) == Some(b"f") {
        ("42501", "the right to TRUNCATE it is missing".to_owned())
    } else if let Some(key) = row.text(1) {
        ("0A000", format!("the foreign key {key} points at it"))
    } else {
        return Ok(());
    };
    let error = Error::new(ErrorKind::Server, what);
    Err(advised(step, error, code))
}

fn refused(step: &CopyFrom, error: WireError) -> Error {
    let code = error.server().map(|said| said.code.clone());
    advised(step, error.into(), &code.unwrap_or_default())
}

/// The error of a table that cannot be emptied, with what to do about this SQLSTATE.
fn advised(step: &CopyFrom, error: Error, code: &str) -> Error {
    let table = &step.table;
    let hint = match code {
        "42501" => Some(format!(
            "`GRANT TRUNCATE ON {table} TO ...`; with DELETE alone, put `sql: DELETE FROM {}` before an append",
            table.plain()
        )),
        "0A000" => Some(
            "rows of other tables point here: name the key and use `mode: upsert`, or drop the foreign keys for the load"
                .into(),
        ),
        "42P01" | "3F000" => Some(format!(
            "the job names the table {table}; a name with a dot in it is written `\"a.b\"`, and upper case counts"
        )),
        _ => None,
    };
    let error = error.within(format!(
        "cannot empty `{}` to replace its rows",
        table.plain()
    ));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
