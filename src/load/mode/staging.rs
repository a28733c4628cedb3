//! The staging table of a mode that goes by a key: temporary, the session's own, with the columns that
//! are loaded. It takes the files of the step as the table would, type for type.

mod definition;
mod finish;

use super::merge::Merge;
use super::target::{Column, Target, listed};
use super::{double, renamed};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{ByKey, Change, CopyFrom, Duplicates, Header};
use crate::load::origin::{Numbering, Origin};
use crate::load::sieve::Fault;
use crate::load::sift;
use crate::name::{Identifier, TableName};
use crate::run::Stage;
use crate::source::{Source, Stamp};
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};

/// Its name. It lives no longer than its step, so that one name is enough.
pub(super) const NAME: &str = "dwsload_staging";
/// The name of the column of numbers, where the target has no such column.
const NUMBER: &str = "dwsload_record";

/// A staging table, made with the first file.
#[derive(Debug)]
pub(in crate::load) struct Staging {
    target: Target,
    by_key: ByKey,
    table: TableName,
    /// A column for the numbers of the records, where these are made anew.
    number: Option<Identifier>,
    made: Option<Made>,
    /// What is in it, in order.
    files: Vec<Filed>,
    /// What the file under way was like when it was opened.
    stamp: Option<Stamp>,
    /// The table that people know, where another takes its place.
    stands_for: Option<TableName>,
}

/// A file that is in.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) source: Source,
    /// Its rows.
    pub(super) rows: u64,
    /// Records of it before those.
    pub(super) before: u64,
    /// What it was like when it was opened.
    pub(super) stamp: Option<Stamp>,
    /// Its records that the merge has refused.
    refused: u64,
}

impl Filed {
    /// Its records that the merge has refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

/// What is known once the columns are: the table is made of them.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) columns: Vec<Identifier>,
    pub(super) key: Vec<Identifier>,
}

impl Staging {
    /// Checks what can be checked before the columns of the files are known.
    pub(super) async fn prepare(
        step: &CopyFrom,
        by_key: &ByKey,
        stage: &mut Stage<'_>,
    ) -> Result<Self> {
        let target = Target::read(&step.table, stage.session).await?;
        // Where records are made anew, these are their fields.
        if let (Some(columns), None) = (&step.columns, &step.shaping) {
            target.check_columns(columns, "`columns`")?;
        }
        if let Some(key) = &by_key.key {
            target.check_columns(key, "`key`")?;
        } else if target.primary().is_none() {
            return Err(Error::new(
                ErrorKind::Server,
                format!(
                    "`mode: {}` needs a key, and `{}` has no primary key",
                    by_key.change.word(),
                    target.called
                ),
            )
            .hint("`key: [a, b]` names the columns by which records and rows are compared"));
        }
        if !target.may_stage {
            return Err(
                lacks(&target, by_key.change, "TEMP on the database").hint(format!(
                    "`GRANT TEMP ON DATABASE {} TO {}`",
                    target.database, target.user
                )),
            );
        }
        let server = stage.session.server();
        if by_key.duplicates != Duplicates::Error && !server.can(Ability::CopyOrder) {
            return Err(Error::new(
                ErrorKind::Server,
                format!("{server} does not keep the order of the records, so it cannot tell the first of a key from the last"),
            )
            .hint("use `duplicates: error`, and let each key stand once in the input"));
        }
        let number = if sift::is_needed(step) {
            Some(target.free_name(NUMBER)?)
        } else {
            None
        };
        Ok(Self {
            target,
            number,
            by_key: by_key.clone(),
            table: TableName::new(None, name()?),
            made: None,
            files: Vec::new(),
            stamp: None,
            stands_for: None,
        })
    }

    /// The table and the column list of a COPY. The first file decides which columns are loaded; the
    /// others have the same, in an order of their own.
    pub(super) async fn columns(
        &mut self,
        step: &CopyFrom,
        source: &Source,
        named: Vec<Identifier>,
        stage: &mut Stage<'_>,
    ) -> Result<(TableName, Vec<Identifier>)> {
        self.stamp = source.stamp();
        let had_a_table = self.made.is_some();
        let columns = self.listed(step, source, named)?;
        if self.decide(&columns, source, stage)? {
            // What is empty can be made again.
            if had_a_table {
                self.drop(stage).await?;
            }
            self.make(stage).await?;
        }
        Ok((self.table.clone(), columns))
    }

    /// The same, where nothing is to be made: the column list.
    pub(super) fn plan(
        &mut self,
        step: &CopyFrom,
        source: &Source,
        named: Vec<Identifier>,
        stage: &Stage<'_>,
    ) -> Result<Vec<Identifier>> {
        let columns = self.listed(step, source, named)?;
        self.decide(&columns, source, stage)?;
        Ok(columns)
    }

    /// The columns of a file that names these.
    fn listed(
        &self,
        step: &CopyFrom,
        source: &Source,
        named: Vec<Identifier>,
    ) -> Result<Vec<Identifier>> {
        if !named.is_empty() {
            if step.header == Header::Map {
                let whose = format!("the header of `{source}`");
                self.target.check_columns(&named, &whose)?;
            }
            return Ok(named);
        }
        Ok(if step.header == Header::Map {
            // Not even a header: a file that says nothing of columns.
            let made = self.made.as_ref().map(|made| made.columns.clone());
            made.unwrap_or_else(|| self.named_key().0.to_vec())
        } else {
            self.target.all()
        })
    }

    /// Decides on the columns of the table. `true` where it is to be made of them.
    fn decide(
        &mut self,
        columns: &[Identifier],
        source: &Source,
        stage: &Stage<'_>,
    ) -> Result<bool> {
        match &self.made {
            Some(made) if made.has_same(columns) => return Ok(false),
            Some(made) if self.rows() > 0 => {
                return Err(other_columns(made, columns, source, &self.files));
            }
            _ => {}
        }
        let key = self.key(columns)?;
        self.made = Some(Made {
            columns: columns.to_vec(),
            key,
        });
        let merge = self.merge(stage.session.server())?;
        merge.check()?;
        if let Some(price) = merge.price().filter(|_| self.files.is_empty()) {
            stage.warn(&price);
        }
        Ok(true)
    }

    /// The column of the numbers, where records are numbered.
    pub(super) fn number(&self) -> Option<&Identifier> {
        self.number.as_ref()
    }

    /// How the records of the next file are numbered, where they are.
    pub(super) fn numbering(&self) -> Option<Numbering> {
        Some(Numbering {
            column: self.number.clone()?,
            file: self.files.len(),
        })
    }

    /// The records that are in it, those that are taken out again included.
    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    async fn drop(&self, stage: &mut Stage<'_>) -> Result<()> {
        let dropped = stage
            .session
            .run(&format!("DROP TABLE {}", self.table))
            .await;
        dropped.map_err(|error| self.refused("cannot drop the staging table of", error))?;
        Ok(())
    }

    async fn make(&self, stage: &mut Stage<'_>) -> Result<()> {
        let merge = self.merge(stage.session.server())?;
        let statements = self.definition(&merge, stage.session.server());
        let rehearsal = merge.statements.rehearse();
        for sql in statements {
            let made = stage.session.run(&sql).await;
            made.map_err(|error| self.refused("cannot make a staging table for", error))?;
        }
        let rehearsed = stage.session.run(&rehearsal).await;
        rehearsed.map_err(|error| {
            self.refused("the types of the columns do not allow this mode for", error)
        })?;
        Ok(())
    }

    /// The key's columns, all of them among `columns`.
    fn key(&self, columns: &[Identifier]) -> Result<Vec<Identifier>> {
        let (key, whose) = self.named_key();
        match key.iter().find(|name| !columns.contains(name)) {
            None => Ok(key.to_vec()),
            Some(name) => Err(Error::new(
                ErrorKind::Server,
                format!(
                    "the records for `{}` have no `{}`, a column {whose}",
                    self.target.called,
                    name.as_str()
                ),
            )
            .hint(format!("they have: {}", listed(columns)))),
        }
    }

    /// The key that the job names, or else that of the table, and whose it is.
    fn named_key(&self) -> (&[Identifier], &'static str) {
        match &self.by_key.key {
            Some(key) => (key, "of `key`"),
            None => (
                self.target.primary().unwrap_or_default(),
                "of the primary key",
            ),
        }
    }

    /// The merge of what is in the table.
    pub(super) fn merge(&self, server: &Server) -> Result<Merge<'_>> {
        let made = self.made.as_ref();
        let made = made.ok_or_else(|| Error::new(ErrorKind::Server, "nothing was loaded"))?;
        Ok(Merge::new(
            &self.target,
            &self.table,
            made,
            self.by_key.change,
            server,
        ))
    }

    /// How the records come into the target, in words.
    pub(super) fn words(&self, server: &Server) -> String {
        let merge = self.merge(server).ok();
        let how = merge.map_or("merged by the key", |merge| merge.words());
        let key = listed(self.named_key().0);
        format!("COPY into a temporary table, then by key ({key}): {how}")
    }

    /// Whether each record becomes a row with its values as they are.
    fn becomes_row(&self) -> bool {
        self.by_key.change == Change::Upsert
            && self.by_key.duplicates == Duplicates::Error
            && !self.target.changes_rows
    }

    /// Whether NULL is refused in this column.
    pub(super) fn demands(&self, name: &Identifier) -> bool {
        let of_key = |made: &Made| made.key.contains(name);
        let not_null = |column: &Column| column.not_null;
        self.made.as_ref().is_some_and(of_key)
            || self.becomes_row() && self.target.column(name).is_some_and(not_null)
    }

    /// Takes note of rows.
    pub(super) fn copied(&mut self, source: &Source, rows: u64, before: u64) {
        self.files.push(Filed {
            source: source.clone(),
            rows,
            before,
            stamp: self.stamp.take(),
            refused: 0,
        });
    }

    /// A file that failed is undone, and the table with it if it was the first.
    pub(super) fn undone(&mut self) {
        if self.files.is_empty() {
            self.made = None;
        }
    }

    /// What is in it, in order.
    pub(super) fn files(&self) -> &[Filed] {
        &self.files
    }

    /// What is known once there is a table.
    pub(super) fn made(&self) -> Option<&Made> {
        self.made.as_ref()
    }

    /// Records of `source` that the merge has refused.
    pub(super) fn refused_of(&self, source: &Source) -> u64 {
        let filed = self.files.iter().find(|filed| filed.source == *source);
        filed.map_or(0, |filed| filed.refused)
    }

    /// The file that a record comes from.
    pub(super) fn file(&self, origin: Origin) -> Option<&Filed> {
        self.files.get(origin.file())
    }

    /// The table that the records are for.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The table that they are in.
    pub(super) fn table(&self) -> &TableName {
        &self.table
    }

    /// What they do to the rows of their keys.
    pub(super) fn change(&self) -> Change {
        self.by_key.change
    }

    fn within(&self, error: Error) -> Error {
        error.within(format!(
            "cannot do `mode: {}` on `{}`",
            self.by_key.change.word(),
            self.target.called
        ))
    }

    /// Why the records cannot be merged.
    pub(super) fn explain(&self, refused: Refused) -> Error {
        match refused {
            Refused::Record(fault, hint) => {
                self.within(Error::new(ErrorKind::Data, fault.reason).hint(hint))
            }
            Refused::Wire(error) => self.refused("cannot merge the records into", error),
        }
    }

    fn refused(&self, what: &str, error: WireError) -> Error {
        let called = &self.target.called;
        Error::from(self.in_words_of_target(error)).within(format!("{what} `{called}`"))
    }

    /// The error as it is about the target.
    pub(super) fn in_words_of_target(&self, error: WireError) -> WireError {
        let target = self.stands_for.as_ref().unwrap_or(&self.target.table);
        let called = target.name().as_str();
        renamed(error, &[(NAME, called), (double::NAME, called)])
    }

    /// What to do about the refusal of a record.
    pub(super) fn hint(&self, error: &WireError) -> Option<String> {
        let said = error.server()?;
        let key = &self.made.as_ref()?.key;
        let names = |name: &Identifier| said.message.contains(&format!("\"{}\"", name.as_str()));
        (said.code == "23502" && key.iter().any(names)).then(|| {
            format!(
                "the key is ({}), and NULL in it is the key of no row",
                listed(key)
            )
        })
    }
}

/// Why a merge did not succeed.
pub(super) enum Refused {
    /// We say so, of a record; and what to do.
    Record(Box<Fault>, &'static str),
    /// The server says so, in its words.
    Wire(WireError),
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The loader has not the rights for a mode.
pub(super) fn lacks(target: &Target, change: Change, what: &str) -> Error {
    Error::new(
        ErrorKind::Server,
        format!(
            "`mode: {}` on `{}` needs rights that `{}` does not have: {what}",
            change.word(),
            target.called,
            target.user.as_str()
        ),
    )
}

impl Made {
    /// Whether its columns are these, in any order.
    fn has_same(&self, columns: &[Identifier]) -> bool {
        self.columns.len() == columns.len()
            && columns.iter().all(|name| self.columns.contains(name))
    }
}

fn other_columns(made: &Made, columns: &[Identifier], source: &Source, files: &[Filed]) -> Error {
    let before = files
        .first()
        .map_or(String::new(), |first| format!(" of `{}`", first.source));
    Error::new(
        ErrorKind::Data,
        format!("the header of `{source}` names other columns than that{before}"),
    )
    .line("columns", listed(columns))
    .line("before", listed(&made.columns))
    .hint("the files of a step are merged as one; put those with other columns into a step of their own")
}

fn name() -> Result<Identifier> {
    Identifier::new(NAME).map_err(|what| Error::new(ErrorKind::Server, what))
}
