//! `mode: replace`: the table is emptied in the transaction that fills it.

use crate::error::{Error, Result};
use crate::job::CopyFrom;
use crate::run::Stage;

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
    let table = &step.table;
    let hint = match error.server().map(|said| said.code.as_str()) {
        Some("42501") => Some(format!(
            "`GRANT TRUNCATE ON {table} TO ...`; with DELETE alone, put `sql: DELETE FROM {}` before an append",
            table.plain()
        )),
        Some("0A000") => Some(
            "rows of other tables point here: name the key and use `mode: upsert`, or drop the foreign keys for the load"
                .into(),
        ),
        Some("42P01" | "3F000") => Some(format!(
            "the job names the table {table}; a name with a dot in it is written `\"a.b\"`, and upper case counts"
        )),
        _ => None,
    };
    let error = Error::from(error).within(format!(
        "cannot empty `{}` to replace its rows",
        table.plain()
    ));
    Err(match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}
