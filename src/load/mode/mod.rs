//! The modes of a load: where its records go first, and what they do to the table then.
//!
//! An append and a replacement go into the table itself. What goes by a key is gathered in a staging
//! table, all files of the step, and merged from there once. A swap fills a new table, which takes the
//! place of the old one.

mod double;
mod duplicates;
mod isolate;
mod locate;
mod merge;
mod rejected;
mod replace;
mod staging;
mod statements;
mod swap;
mod target;

use super::catalog::Column;
use super::origin::Numbering;
use crate::error::Result;
use crate::job::{CopyFrom, Earlier, Mode};
use crate::name::{Identifier, TableName};
use crate::progress::Changes;
use crate::run::Stage;
use crate::source::Source;
use crate::wire::error::WireError;
use crate::wire::server::Server;

use double::Double;
pub(crate) use double::Judged;
use staging::Staging;
use swap::Swap;

/// Where the records of a step go.
#[derive(Debug)]
pub(super) enum Destination {
    /// Into the table.
    Table,
    /// Into a staging table, to be merged into the table.
    Staging(Box<Staging>),
    /// Into a new table, to take the place of the table.
    Swap(Box<Swap>),
    /// Nowhere: it is to be known what a staging table would be like.
    Planned(Box<Staging>),
    /// Into a double of the table, to be thrown away.
    Double(Box<Double>),
}

impl Destination {
    /// Makes ready for the files of `step`, before any of them is opened.
    ///
    /// # Errors
    /// The table does not allow what the step wants, or the server refuses it.
    pub(super) async fn prepare(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Self> {
        match &step.mode {
            Mode::Append => Ok(Self::Table),
            Mode::Replace { swap: true } => {
                let swap = Swap::prepare(step, stage).await?;
                Ok(Self::Swap(Box::new(swap)))
            }
            Mode::Replace { swap: false } => {
                replace::empty(step, stage).await?;
                Ok(Self::Table)
            }
            Mode::ByKey(by_key) => {
                let staging = Staging::prepare(step, by_key, stage).await?;
                Ok(Self::Staging(Box::new(staging)))
            }
        }
    }

    /// Finds out what [`prepare`](Self::prepare) would, and makes and changes nothing. What goes
    /// there is to be thrown away.
    ///
    /// # Errors
    /// The table does not allow what the step wants.
    pub(super) async fn plan(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Self> {
        match &step.mode {
            Mode::Append => {}
            Mode::Replace { swap: true } => {
                Swap::check(step, stage).await?;
            }
            Mode::Replace { swap: false } => replace::check(step, stage).await?,
            Mode::ByKey(by_key) => {
                let staging = Staging::prepare(step, by_key, stage).await?;
                return Ok(Self::Planned(Box::new(staging)));
            }
        }
        Ok(Self::Table)
    }

    /// Where the records of a step go that is rehearsed: into temporary tables alone.
    ///
    /// # Errors
    /// The table does not allow what the step wants, or the server refuses it.
    pub(super) async fn rehearse(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Self> {
        if let Mode::ByKey(by_key) = &step.mode {
            let staging = Staging::prepare(step, by_key, stage).await?;
            return Ok(Self::Staging(Box::new(staging)));
        }
        Self::plan(step, stage).await?;
        Ok(Self::Double(Box::new(Double::make(step, stage).await?)))
    }

    /// What the rehearsed records come to, all files of the step: for other rows, and by their keys.
    ///
    /// # Errors
    /// A key stands twice, or the server refuses.
    pub(super) async fn judge(
        &mut self,
        step: &CopyFrom,
        earlier: &Earlier<'_>,
        stage: &mut Stage<'_>,
    ) -> Result<Judged> {
        match self {
            Self::Double(double) => double.judge(step, earlier, stage).await,
            Self::Staging(staging) => double::judge_merge(staging, step, earlier, stage).await,
            Self::Table | Self::Swap(_) | Self::Planned(_) => Ok(Judged::default()),
        }
    }

    /// The table whose triggers may fill or change the records, where they go `into` a table:
    /// temporary ones have none.
    pub(super) fn triggered<'a>(
        &self,
        step: &'a CopyFrom,
        into: &'a TableName,
    ) -> Option<&'a TableName> {
        match self {
            Self::Table => Some(into),
            Self::Double(_) => Some(&step.table),
            Self::Staging(_) | Self::Swap(_) | Self::Planned(_) => None,
        }
    }

    /// A column of the table as it takes records there, found as the catalog has it.
    pub(super) fn taking(&self, column: &Column) -> Column {
        let not_null = match self {
            Self::Planned(staging) => staging.demands(&column.name),
            Self::Double(double) => double.demands(column),
            _ => column.not_null,
        };
        Column {
            not_null,
            ..column.clone()
        }
    }

    /// How the records come into the table, in words, once [`columns`](Self::columns) are known.
    pub(super) fn words(&self, step: &CopyFrom, server: &Server) -> String {
        match (self, &step.mode) {
            (Self::Planned(staging) | Self::Staging(staging), _) => staging.words(server),
            (_, Mode::Replace { swap: true }) => {
                "COPY into a new table, which takes the place of the old one".into()
            }
            (_, Mode::Replace { swap: false }) => "TRUNCATE, then COPY straight into it".into(),
            _ => "COPY straight into it".into(),
        }
    }

    /// The table that the COPY of a file fills, and the column list of it. `columns` are those that
    /// the file or the job names; none for all.
    ///
    /// # Errors
    /// The columns do not fit the table, the key or the files before.
    pub(super) async fn columns(
        &mut self,
        step: &CopyFrom,
        source: &Source,
        columns: Vec<Identifier>,
        stage: &mut Stage<'_>,
    ) -> Result<(TableName, Vec<Identifier>)> {
        match self {
            Self::Table => Ok((step.table.clone(), columns)),
            Self::Staging(staging) => staging.columns(step, source, columns, stage).await,
            Self::Swap(swap) => Ok((swap.table(), columns)),
            Self::Double(double) => Ok(double.columns(columns)),
            Self::Planned(staging) => {
                let columns = staging.plan(step, source, columns, stage)?;
                Ok((step.table.clone(), columns))
            }
        }
    }

    /// Whether the table that is filled has a column for the numbers of the records.
    pub(super) fn numbers(&self) -> bool {
        match self {
            Self::Staging(staging) | Self::Planned(staging) => staging.number().is_some(),
            Self::Double(_) => true,
            Self::Table | Self::Swap(_) => false,
        }
    }

    /// How the records of the next file are numbered, where they are.
    pub(super) fn numbering(&self) -> Option<Numbering> {
        match self {
            Self::Table | Self::Swap(_) | Self::Planned(_) => None,
            Self::Staging(staging) => staging.numbering(),
            Self::Double(double) => Some(double.numbering()),
        }
    }

    /// Takes note that `rows` came from `source`, from behind its first `before` records.
    pub(super) fn copied(&mut self, source: &Source, rows: u64, before: u64) {
        match self {
            Self::Table | Self::Swap(_) => {}
            Self::Staging(staging) | Self::Planned(staging) => staging.copied(source, rows, before),
            Self::Double(double) => double.copied(source),
        }
    }

    /// Takes note that a file which failed is undone.
    pub(super) fn undone(&mut self) {
        if let Self::Staging(staging) = self {
            staging.undone();
        }
    }

    /// Does with the records what the mode says. `None` where they are in the table already.
    ///
    /// # Errors
    /// A key stands twice, or the server refuses.
    pub(super) async fn finish(
        &mut self,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<Option<Changes>> {
        match self {
            Self::Table | Self::Planned(_) | Self::Double(_) => Ok(None),
            Self::Staging(staging) => staging.finish(step, stage).await,
            Self::Swap(swap) => swap.finish(stage).await.map(|()| None),
        }
    }

    /// Records of `source` that came in, and were refused then by what [`finish`](Self::finish) does.
    pub(super) fn refused_of(&self, source: &Source) -> u64 {
        match self {
            Self::Table | Self::Swap(_) | Self::Planned(_) | Self::Double(_) => 0,
            Self::Staging(staging) => staging.refused_of(source),
        }
    }

    /// The error as it is about the table that people know.
    pub(super) fn in_words_of(&self, error: WireError) -> WireError {
        match self {
            Self::Table | Self::Planned(_) => error,
            Self::Staging(staging) => staging.in_words_of_target(error),
            Self::Swap(swap) => swap.in_words_of(error),
            Self::Double(double) => double.in_words_of_target(error),
        }
    }

    /// What to do about `error`, where the mode knows it.
    pub(super) fn hint(&self, error: &WireError) -> Option<String> {
        match self {
            Self::Table | Self::Swap(_) | Self::Planned(_) | Self::Double(_) => None,
            Self::Staging(staging) => staging.hint(error),
        }
    }
}

/// The error with names of ours replaced: pairs of ours and theirs.
fn renamed(error: WireError, names: &[(&str, &str)]) -> WireError {
    let WireError::Refused(mut said) = error else {
        return error;
    };
    let parts = &mut *said;
    let texts = [
        &mut parts.detail,
        &mut parts.hint,
        &mut parts.context,
        &mut parts.constraint,
    ];
    for text in texts.into_iter().flatten().chain([&mut parts.message]) {
        for (ours, theirs) in names {
            if text.contains(ours) {
                *text = text.replace(ours, theirs);
            }
        }
    }
    WireError::Refused(said)
}
