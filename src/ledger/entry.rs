//! Files in the ledger: what makes one the same, and whether it is in.

use std::collections::HashMap;

use super::batch::{Unfinished, id_of_batches};
use super::{Ledger, digest, text};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::source::{Content, Source, name_in};
use crate::wire::session::Session;

/// Files asked for in one query.
const AT_ONCE: usize = 500;

/// A table that files are loaded into, as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its schema and its name.
    schema: String,
    name: String,
    /// It ends with the session.
    pub(crate) is_temporary: bool,
}

/// A file that is to be loaded into a table by a job.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(super) id: String,
    pub(super) step: usize,
    pub(super) target: String,
    pub(super) source: String,
    /// What it holds; `None` where the job says what identifies it.
    pub(crate) content: Option<Content>,
}

/// What the ledger says of a file that is in.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The run that has loaded it.
    pub(crate) run: String,
    /// When, in the server's words.
    pub(crate) at: String,
    /// Rows that came out of it.
    pub(crate) rows: u64,
}

impl Target {
    /// Asks the server for `table`.
    ///
    /// # Errors
    /// There is no such table; or the server refuses.
    pub(crate) async fn of(table: &TableName, session: &mut Session) -> Result<Self> {
        let sql = format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {}::regclass",
            text(&table.to_string(), session)
        );
        let rows = session.rows(&sql).await.map_err(|error| {
            Error::from(error).within(format!("cannot load into {}", table.plain()))
        })?;
        let part = |index| {
            let text = rows.first().and_then(|row| row.text(index));
            text.unwrap_or_default().into_owned()
        };
        let schema = part(0);
        let is_temporary = schema.starts_with("pg_temp");
        Ok(Self {
            // Its number is another one in each session.
            schema: if is_temporary {
                "pg_temp".into()
            } else {
                schema
            },
            name: part(1),
            is_temporary,
        })
    }

    pub(super) fn plain(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

impl Ledger {
    /// The entry of `source`, by its name and `content`, or by what the job calls it (`source_id`).
    pub(crate) fn entry(
        &self,
        step: usize,
        target: &Target,
        source: &Source,
        content: Option<Content>,
        called: Option<&str>,
    ) -> Entry {
        let name = match source {
            Source::File(path) => name_in(&self.run.folder, path),
            Source::Stdin => "-".into(),
        };
        let (kind, name_bytes, held) = match (called, content) {
            (Some(called), _) => ("source_id", called.as_bytes(), String::new()),
            (None, content) => (
                "file",
                name.as_os_str().as_encoded_bytes(),
                content.map_or(String::new(), |content| content.to_string()),
            ),
        };
        let id = digest(&[
            kind.as_bytes(),
            self.run.job.as_bytes(),
            target.schema.as_bytes(),
            target.name.as_bytes(),
            name_bytes,
            held.as_bytes(),
        ]);
        Entry {
            id,
            step,
            target: target.plain(),
            source: called.map_or_else(|| name.to_string_lossy().into_owned(), str::to_owned),
            content: content.filter(|_| called.is_none()),
        }
    }

    /// Those of `entries` that are in, by their place in the list.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn known(
        &self,
        entries: &[Entry],
        session: &mut Session,
    ) -> Result<HashMap<usize, Known>> {
        let mut known = HashMap::new();
        for (chunk, entries) in entries.chunks(AT_ONCE).enumerate() {
            let sql = format!(
                "SELECT id, run_id, loaded_at, loaded FROM {} WHERE start_offset = 0 AND end_offset IS NOT NULL AND id IN ({})",
                self.table,
                ids(entries)
            );
            let rows = session.rows(&sql).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            let by_id: HashMap<_, _> = rows.iter().map(|row| (row.text(0), row)).collect();
            for (index, entry) in entries.iter().enumerate() {
                let Some(row) = by_id.get(&Some(entry.id.as_str().into())) else {
                    continue;
                };
                let text = |index| row.text(index).unwrap_or_default();
                let found = Known {
                    run: text(1).into_owned(),
                    at: text(2).into_owned(),
                    rows: text(3).parse().unwrap_or_default(),
                };
                known.insert(chunk * AT_ONCE + index, found);
            }
        }
        Ok(known)
    }

    /// Inserts the row of a file, before its first record is sent; `false`: it is in. Waits for another
    /// transaction that loads the same.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn claim(&self, entry: &Entry, session: &mut Session) -> Result<bool> {
        let insert = self.insert(&entry.whole().row(session), session);
        self.insert_once(&insert, session).await
    }

    /// Completes the row of a file that has been loaded: `end` is where its data ended, and then the
    /// records that were loaded, rejected and filtered.
    ///
    /// # Errors
    /// The server refuses, or the connection fell; or the row is not there any more.
    pub(crate) async fn complete(
        &self,
        entry: &Entry,
        end: u64,
        [loaded, rejected, filtered]: [u64; 3],
        session: &mut Session,
    ) -> Result<()> {
        let sql = format!(
            "UPDATE {} SET end_offset = {end}, loaded = {loaded}, rejected = {rejected}, filtered = {filtered}, \
             loaded_at = clock_timestamp() WHERE id = '{}' AND start_offset = 0",
            self.table, entry.id
        );
        let tags = session.run(&sql).await;
        let tags = tags.map_err(|error| self.failed(error))?;
        if tags == ["UPDATE 1"] {
            return Ok(());
        }
        Err(self.lost_row(&entry.source))
    }

    /// Takes the rows of `entries` out, and those of their batches, so that these files can be loaded
    /// again.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn strike(&self, entries: &[Entry], session: &mut Session) -> Result<()> {
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        self.strike_ids(&ids, session).await
    }

    /// The same for files of which a part is in.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn strike_parts(
        &self,
        files: &[&Unfinished],
        session: &mut Session,
    ) -> Result<()> {
        let ids: Vec<&str> = files.iter().map(|file| file.id.as_str()).collect();
        self.strike_ids(&ids, session).await
    }

    async fn strike_ids(&self, ids: &[&str], session: &mut Session) -> Result<()> {
        for ids in ids.chunks(AT_ONCE) {
            let both = ids
                .iter()
                .flat_map(|id| [(*id).to_owned(), id_of_batches(id)]);
            let both: Vec<String> = both.map(|id| format!("'{id}'")).collect();
            let sql = format!(
                "DELETE FROM {} WHERE id IN ({})",
                self.table,
                both.join(", ")
            );
            let struck = session.run(&sql).await;
            struck.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Takes note that `target` is replaced by `entries`, before it is; `false`: it was these files
    /// that it was replaced with last, by whatever job. Others who replace it wait.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn replace(
        &self,
        target: &Target,
        entries: &[Entry],
        session: &mut Session,
    ) -> Result<bool> {
        let id = digest(&[b"replace", target.schema.as_bytes(), target.name.as_bytes()]);
        let mut files: Vec<&[u8]> = entries.iter().map(|entry| entry.id.as_bytes()).collect();
        files.sort_unstable();
        let files = digest(&files);
        let changed = if self.again {
            String::new()
        } else {
            format!(" AND content <> '{files}'")
        };
        let run = &self.run;
        let update = format!(
            "UPDATE {} SET content = '{files}', job = {}, run_id = {}, loaded_at = clock_timestamp() \
             WHERE id = '{id}' AND start_offset = 0{changed}",
            self.table,
            text(&run.job, session),
            text(&run.id, session),
        );
        let row = [
            ("id", format!("'{id}'")),
            ("start_offset", "0".into()),
            ("kind", "'replace'".into()),
            ("target", text(&target.plain(), session)),
            ("content", format!("'{files}'")),
            ("loaded_at", "clock_timestamp()".into()),
        ];
        let insert = self.insert(&row, session);
        // The second time around, the row of another is there.
        for _ in 0..2 {
            let tags = session.run(&update).await;
            let tags = tags.map_err(|error| self.failed(error))?;
            if tags == ["UPDATE 1"] || self.insert_once(&insert, session).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn ids(entries: &[Entry]) -> String {
    let ids: Vec<String> = entries
        .iter()
        .map(|entry| format!("'{}'", entry.id))
        .collect();
    ids.join(", ")
}
