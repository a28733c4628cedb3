//! The table of the ledger: found, or made on first use.

use crate::error::{Error, ErrorKind, Result};
use crate::name::{Identifier, TableName};
use crate::wire::server::{Ability, Server};
use crate::wire::session::Session;

use super::{failed, text};

/// Its name, where the job gives it no other.
const NAME: &str = "dwsload_ledger";
/// What stands in the table's comment; the number of the format follows.
const COMMENT: &str = "dwsload ledger, format ";
/// The format that this dwsload reads and writes.
const FORMAT: u32 = 2;

/// The columns. Text may be NULL: where a database follows Oracle's rules, an empty one is. `kind` is
/// `file`, `batch` or `last` (a batch of a file, and its last one), `replace` (the files that a table was
/// replaced with last), or `unit` (a transaction).
const COLUMNS: &str = "\
    id varchar(64) NOT NULL, start_offset bigint NOT NULL, end_offset bigint, kind varchar(16) NOT NULL, \
    job text, step integer, target text, source text, bytes bigint, content text, \
    batch bigint, batches bigint, end_record bigint, end_line bigint, \
    loaded bigint, rejected bigint, filtered bigint, \
    run_id text, host text, pid integer, os_user text, \
    began timestamp with time zone, loaded_at timestamp with time zone, \
    PRIMARY KEY (id, start_offset)";

/// What format 1 lacks: bytes of a batch and how many batches there are, of a file; the records and the
/// lines up to the end, of a batch.
const SINCE_2: &str = "ADD COLUMN batch bigint, ADD COLUMN batches bigint, ADD COLUMN end_record bigint, ADD COLUMN end_line bigint";

/// A table that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: TableName,
    /// It has the columns of batches.
    pub(super) has_batches: bool,
}

/// Finds the table `named`, or else the one that the search path finds.
///
/// # Errors
/// It is of a format that this dwsload does not know; or the server refuses.
pub(super) async fn find(
    named: Option<&TableName>,
    session: &mut Session,
) -> Result<Option<Found>> {
    let asked = named.map_or(NAME, |table| table.name().as_str());
    let name = text(asked, session);
    let place = match named.and_then(TableName::schema) {
        Some(schema) => format!("n.nspname = {}", text(schema.as_str(), session)),
        None => "pg_catalog.pg_table_is_visible(c.oid)".into(),
    };
    let sql = format!(
        "SELECT n.nspname, c.relname, pg_catalog.obj_description(c.oid, 'pg_class'), \
         (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped \
          AND a.attname IN ('id', 'start_offset', 'run_id', 'loaded_at')), \
         (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped \
          AND a.attname IN ('batch', 'batches', 'end_record', 'end_line')) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = {name} AND c.relkind IN ('r', 'p') AND {place}"
    );
    let rows = session
        .rows(&sql)
        .await
        .map_err(|error| Error::from(error).within("cannot look for the ledger"))?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let part = |index| Identifier::new(row.text(index).unwrap_or_default());
    let (Ok(schema), Ok(name)) = (part(0), part(1)) else {
        return Ok(None);
    };
    let table = TableName::new(Some(schema), name);
    if row.bytes(3) != Some(b"4") {
        return Err(Error::new(
            ErrorKind::Server,
            format!(
                "`{}` is no ledger of dwsload: it has other columns",
                table.plain()
            ),
        )
        .hint("`ledger: schema.table` in the job file names another"));
    }
    check_format(&table, &row.text(2).unwrap_or_default())?;
    Ok(Some(Found {
        name: table,
        has_batches: row.bytes(4) == Some(b"4"),
    }))
}

/// One whose comment says nothing was commented on by somebody else.
fn check_format(table: &TableName, comment: &str) -> Result<()> {
    let format = comment.strip_prefix(COMMENT).and_then(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    match format {
        Some(format) if format > FORMAT => Err(Error::new(
            ErrorKind::Server,
            format!(
                "the ledger `{}` is of format {format}, and this dwsload knows {FORMAT}",
                table.plain()
            ),
        )
        .hint("a newer dwsload has made it: use that one, for every job of this database")),
        _ => Ok(()),
    }
}

/// Makes the table, in the first schema of the search path or as the job names it. It may be there by
/// then: another run has had the same thought.
///
/// # Errors
/// It cannot be made.
pub(super) async fn make(named: Option<&TableName>, session: &mut Session) -> Result<TableName> {
    let table = match named.filter(|table| table.schema().is_some()) {
        Some(table) => table.clone(),
        None => TableName::new(Some(current_schema(session).await?), name(named)?),
    };
    let comment = text(&format!("{COMMENT}{FORMAT}"), session);
    let (before, behind) = placed(session.server());
    // One query is one transaction.
    let sql = format!(
        "CREATE TABLE {table} ({COLUMNS}){before}{behind}; COMMENT ON TABLE {table} IS {comment}"
    );
    let made = session.run(&sql).await;
    // That an index comes with it is no news.
    session.take_notices();
    let Err(error) = made else {
        return Ok(table);
    };
    if error.server().is_some() {
        if let Some(found) = find(named, session).await? {
            return Ok(found.name);
        }
    }
    Err(failed(error, &table).hint(format!(
        "it is made once: an administrator can make it as a user who may, by any job with `exactly_once`, and then `GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO ...`"
    )))
}

/// Adds the columns of batches to a table that an earlier dwsload has made.
///
/// # Errors
/// They cannot be added: the table is another user's.
pub(super) async fn add_batches(table: &TableName, session: &mut Session) -> Result<()> {
    let comment = text(&format!("{COMMENT}{FORMAT}"), session);
    let sql = format!("ALTER TABLE {table} {SINCE_2}; COMMENT ON TABLE {table} IS {comment}");
    let Err(error) = session.run(&sql).await else {
        return Ok(());
    };
    // Another run has had the same thought.
    if error.server().is_some_and(|said| said.code == "42701") {
        return Ok(());
    }
    let error = failed(error, table);
    Err(error.hint(format!(
        "an earlier dwsload has made it, without what `transaction: batch` needs; let its owner run any job with `transaction: batch`, or `ALTER TABLE {table} {SINCE_2}`"
    )))
}

fn name(named: Option<&TableName>) -> Result<Identifier> {
    match named {
        Some(table) => Ok(table.name().clone()),
        None => Identifier::new(NAME).map_err(|what| Error::new(ErrorKind::Server, what)),
    }
}

async fn current_schema(session: &mut Session) -> Result<Identifier> {
    let sql = "SELECT pg_catalog.current_schema()";
    let rows = session
        .rows(sql)
        .await
        .map_err(|error| Error::from(error).within("cannot make the ledger"))?;
    let name = rows.first().and_then(|row| row.text(0));
    Identifier::new(name.unwrap_or_default()).map_err(|_| {
        Error::new(
            ErrorKind::Server,
            "cannot make the ledger: no schema of the search path is there",
        )
        .hint("`ledger: schema.table` in the job file says where it is to be, or `session: {search_path: ...}`")
    })
}

/// How its rows are stored and spread: by rows, so that the second of two equal ones waits, and by a
/// column of the key, as clusters want it.
fn placed(server: &Server) -> (&'static str, &'static str) {
    let stored = if server.kind.is_gauss() {
        " WITH (ORIENTATION = ROW)"
    } else {
        ""
    };
    let how = server.answer(Ability::DistributeBy).how();
    let spread = match how.unwrap_or_default() {
        how if how.starts_with("DISTRIBUTE BY HASH") => " DISTRIBUTE BY HASH (id)",
        how if how.starts_with("DISTRIBUTED BY") => " DISTRIBUTED BY (id)",
        _ => "",
    };
    (stored, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused() {
        let table = TableName::parse("s.l").unwrap();
        for (comment, good) in [
            ("", true),
            ("our own words", true),
            ("dwsload ledger, format 1", true),
            ("dwsload ledger, format 1; keep", true),
            ("dwsload ledger, format 2", true),
            ("dwsload ledger, format 3", false),
            ("dwsload ledger, format 12 of x", false),
        ] {
            assert_eq!(check_format(&table, comment).is_ok(), good, "{comment}");
        }
    }
}
