//! `sql` and `expect` steps.

use super::Stage;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Expect, Sql};
use crate::progress::{Event, Outcome, Table};
use crate::wire::error::{ServerMessage, WireError};
use crate::wire::session::{Column, Reply, Row};

/// Rows of a result that are kept to be shown.
const ROWS_SHOWN: usize = 1000;
/// The OID of type boolean.
const BOOL: u32 = 16;
/// Characters of a statement quoted in an error.
const QUOTED: usize = 200;

/// Runs the statements of a `sql` step, one string at a time.
pub(super) async fn statements(step: &Sql, stage: &mut Stage<'_>) -> Result<Outcome> {
    for sql in step.statements.iter().skip(stage.parts.statements) {
        let mut tags = Vec::new();
        let ran = one(sql, step.show, stage, &mut tags).await;
        stage.notices();
        ran.map_err(|error| match error {
            Failed::Wire(error) => refused(error, sql, step),
            Failed::Copy => {
                Error::new(ErrorKind::Server, "a COPY with data cannot be run by `sql`")
                    .hint("use a `copy_expert` step, which names the file beside the SQL")
            }
        })?;
        stage.parts.tags.append(&mut tags);
        stage.parts.statements += 1;
        stage.part_done();
    }
    Ok(Outcome::Sql(std::mem::take(&mut stage.parts.tags)))
}

enum Failed {
    Wire(WireError),
    Copy,
}

impl From<WireError> for Failed {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

async fn one(
    sql: &str,
    show: bool,
    stage: &mut Stage<'_>,
    tags: &mut Vec<String>,
) -> Result<(), Failed> {
    let mut exchange = stage.session.query(sql).await?;
    let mut table: Option<Table> = None;
    let mut copy = false;
    loop {
        match exchange.next().await {
            Ok(Some(Reply::Columns(columns))) if show => {
                table = Some(Table {
                    columns,
                    rows: Vec::new(),
                    total: 0,
                });
            }
            Ok(Some(Reply::Row(row))) => table.iter_mut().for_each(|table| add(table, &row)),
            Ok(Some(Reply::Done(tag))) => {
                stage.observer.observe(Event::Tag(&tag));
                tags.push(tag);
                if let Some(table) = table.take() {
                    stage.observer.observe(Event::Table(&table));
                    stage
                        .obstacle
                        .get_or_insert("rows of its result have been printed");
                }
            }
            Ok(Some(Reply::CopyIn)) => {
                copy = true;
                exchange.fail_data("a sql step has no data").await?;
            }
            Ok(Some(Reply::CopyOut)) => copy = true,
            Ok(Some(Reply::Columns(_))) => {}
            Ok(None) | Err(_) if copy => return Err(Failed::Copy),
            Ok(None) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn add(table: &mut Table, row: &Row) {
    table.total += 1;
    if table.rows.len() < ROWS_SHOWN {
        table.rows.push(
            (0..row.len())
                .map(|index| row.text(index).map(String::from))
                .collect(),
        );
    }
}

fn refused(error: WireError, sql: &str, step: &Sql) -> Error {
    let code = error
        .server()
        .map(|said| said.code.clone())
        .unwrap_or_default();
    let place = error.server().and_then(|said| excerpt(sql, said));
    let mut error = Error::from(error);
    if let Some(place) = place {
        error = error.line("statement", place);
    } else {
        error = error.line("statement", clipped(sql));
    }
    if let Some(file) = &step.file {
        error = error.line("file", file.display().to_string());
    }
    // 25001: CREATE DATABASE, VACUUM and the like inside a transaction.
    if code == "25001" {
        error.hint("give the job `transaction: none`")
    } else {
        error
    }
}

/// The line of `sql` the server points at, with a caret under the place.
pub(crate) fn excerpt(sql: &str, said: &ServerMessage) -> Option<String> {
    let before: String = sql.chars().take(said.position?.checked_sub(1)?).collect();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let number = before.matches('\n').count() + 1;
    let line = sql.get(line_start..)?.lines().next().unwrap_or_default();
    let column = before[line_start..].chars().count();
    if line.chars().count() > QUOTED {
        return None;
    }
    let pad: String = line
        .chars()
        .take(column)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    Some(format!("line {number}\n{line}\n{pad}^"))
}

/// The first characters of a long statement.
pub(crate) fn clipped(sql: &str) -> String {
    let sql = sql.trim();
    if sql.chars().count() <= QUOTED {
        return sql.to_owned();
    }
    let start: String = sql.chars().take(QUOTED).collect();
    format!("{start} ...")
}

/// The error of an expectation that does not hold.
fn broken(query: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Expect,
        format!("the expectation does not hold: {what}"),
    )
    .line("query", clipped(query))
}

/// Whether a query with these columns can hold.
///
/// # Errors
/// [`ErrorKind::Expect`] when it cannot.
pub(crate) fn expected(columns: &[Column], query: &str) -> Result<()> {
    match columns.first() {
        Some(column) if column.type_oid != BOOL => {
            let what = format!("its first column, `{}`, is not a boolean", column.name);
            Err(broken(query, &what)
                .hint("write a comparison, for example `SELECT count(*) > 0 FROM t`"))
        }
        _ => Ok(()),
    }
}

/// Runs an `expect` step.
pub(super) async fn expect(step: &Expect, stage: &mut Stage<'_>) -> Result<Outcome> {
    let failed = |error: WireError| {
        let place = error
            .server()
            .and_then(|said| excerpt(&step.query, said))
            .unwrap_or_else(|| clipped(&step.query));
        Error::from(error).line("query", place)
    };
    let mut exchange = stage.session.query(&step.query).await.map_err(failed)?;
    let (mut rows, mut untrue, mut found) = (0, None, Vec::new());
    while let Some(reply) = exchange.next().await.map_err(failed)? {
        match reply {
            Reply::Columns(columns) => found = columns,
            Reply::Row(row) => {
                rows += 1;
                if row.bytes(0) != Some(b"t") {
                    untrue.get_or_insert_with(|| (rows, row_text(&row)));
                }
            }
            Reply::CopyIn => exchange
                .fail_data("an expect step has no data")
                .await
                .map_err(failed)?,
            Reply::CopyOut | Reply::Done(_) => {}
        }
    }
    expected(&found, &step.query)?;
    if rows == 0 {
        return Err(broken(&step.query, "it returns no row"));
    }
    match untrue {
        Some((row, text)) => Err(broken(&step.query, &format!("row {row} is ({text})"))),
        None => Ok(Outcome::Holds(rows)),
    }
}

fn row_text(row: &Row) -> String {
    let fields: Vec<String> = (0..row.len())
        .map(|index| {
            row.text(index)
                .map_or_else(|| "NULL".to_owned(), |text| clipped(&text))
        })
        .collect();
    fields.join(", ")
}
