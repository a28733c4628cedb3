//! Records that are found to be refused once all are there: told with their places.

use super::definition::text;
use crate::error::Result;
use crate::job::CopyFrom;
use crate::load::file::reading;
use crate::load::mode::locate;
use crate::load::origin::Origin;
use crate::load::sieve::Fault;
use crate::name::Identifier;
use crate::record::position::{Position, Record};
use crate::run::Stage;
use crate::source::{Begin, Source};
use crate::wire::server::Ability;
use crate::wire::session::{Reply, Row};

/// A table of records with the numbers of what they are found to violate.
pub(super) struct Found<'a> {
    /// Its name.
    pub(super) table: &'a str,
    /// The column of the records' numbers.
    pub(super) number: &'a Identifier,
    /// The column of the faults.
    pub(super) fault: &'a Identifier,
    /// What the numbers in that stand for.
    pub(super) faults: &'a [Fault],
}

impl Found<'_> {
    /// Counts the records of a file, 0 for the first, that have a fault, and shows some of them. Returns
    /// how many they are. What is kept of them here does not grow with the file.
    ///
    /// # Errors
    /// The server refuses, or the file cannot be read again.
    pub(super) async fn tell(
        &self,
        file: usize,
        source: &Source,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<u64> {
        let Self {
            table,
            number,
            fault,
            ..
        } = self;
        let (first, behind) = (Origin::new(file, 0), Origin::new(file + 1, 0));
        let sql = format!(
            "SELECT {number}, {fault} FROM {table} WHERE {fault} IS NOT NULL \
             AND {number} >= {} AND {number} < {} ORDER BY {number}",
            first.number(),
            behind.number()
        );
        let (mut count, mut shown) = (0, Vec::new());
        let mut exchange = stage.session.query(&sql).await?;
        while let Some(reply) = exchange.next().await? {
            let Reply::Row(row) = reply else { continue };
            let Some((record, fault)) = self.read(&row) else {
                continue;
            };
            count += 1;
            if stage.rejects.shows(shown.len()) {
                shown.push((record, fault));
            } else {
                let reject = fault.reject(unknown(record), b"");
                stage.rejects.count_in(source, &reject);
            }
        }
        let places = places(&shown, source, step, stage).await?;
        for (index, (record, fault)) in shown.into_iter().enumerate() {
            let known = places.get(index).filter(|at| at.record == record);
            let at = known.copied().unwrap_or_else(|| unknown(record));
            stage.rejects.count_in(source, &fault.reject(at, b""));
        }
        Ok(count)
    }

    /// The number of a record in its file, and its fault.
    fn read(&self, row: &Row) -> Option<(u64, &Fault)> {
        let number = text(row, 0)?.parse().ok()?;
        let fault = self.faults.get(text(row, 1)?.parse::<usize>().ok()?)?;
        Some((Origin::of(number).record(), fault))
    }
}

/// Where records of a file are, if it can be read again.
async fn places(
    shown: &[(u64, &Fault)],
    source: &Source,
    step: &CopyFrom,
    stage: &mut Stage<'_>,
) -> Result<Vec<Position>> {
    let mut places = Vec::new();
    if shown.is_empty() || !source.can_be_read_again() {
        return Ok(places);
    }
    let numbers: Vec<u64> = shown.iter().map(|(record, _)| *record).collect();
    let markers = stage.session.server().can(Ability::CsvEndMarker);
    let take = |_: &Begin, record: Record<'_>| {
        places.push(record.at);
        Ok(())
    };
    let reading = reading(step, markers);
    locate::records(source, reading, &numbers, &mut stage.stop, take).await?;
    Ok(places)
}

/// The place of a record whose line is not known.
fn unknown(record: u64) -> Position {
    Position {
        record,
        line: 0,
        offset: 0,
    }
}
