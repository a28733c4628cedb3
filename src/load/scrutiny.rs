//! A closer look at what a Gauss server makes of a load. Other servers are asked nothing.

use super::catalog::{self, Table};
use super::column_store;
use super::compatibility::Findings;
use crate::error::Result;
use crate::name::TableName;
use crate::progress::Event;
use crate::run::Stage;
use crate::wire::session::Session;

/// What is looked at in a step, over all its files.
pub(super) struct Scrutiny<'a> {
    name: &'a TableName,
    table: Option<Table>,
    /// Values that the server turns into others.
    pub(super) findings: Option<Findings>,
    /// Rows of the smallest COPY.
    fewest: Option<u64>,
}

impl<'a> Scrutiny<'a> {
    /// Looks up the table `name`, where that matters.
    pub(super) async fn new(name: &'a TableName, session: &mut Session) -> Result<Self> {
        let table = if session.server().kind.is_gauss() {
            // Without one, the COPY is refused in the server's own words.
            catalog::look_up(name, session).await?
        } else {
            None
        };
        let findings = table.as_ref();
        Ok(Self {
            name,
            findings: findings.and_then(|table| Findings::new(table, session.server())),
            table,
            fewest: None,
        })
    }

    /// Takes note of a COPY of so many rows. An empty file is another matter.
    pub(super) fn note(&mut self, rows: u64) {
        if rows == 0 {
            return;
        }
        let fewest = self.fewest.map_or(rows, |fewest| fewest.min(rows));
        self.fewest = Some(fewest);
    }

    /// Says what there is to say when every file is in; or read, where nothing is `stored`.
    pub(super) async fn report(self, stored: bool, stage: &mut Stage<'_>) -> Result<()> {
        let found = self.findings.iter();
        for warning in found.flat_map(|findings| findings.warnings(stored)) {
            stage.warn(&warning);
        }
        let column_store = self.table.filter(|table| table.column_store);
        if let (Some(table), Some(rows)) = (column_store, self.fewest) {
            let partitions = catalog::partitions(&table, stage.session).await?;
            let nodes = stage.session.server().nodes;
            let data_nodes = nodes.map_or(1, |nodes| nodes.data_nodes.into());
            let advice = column_store::advice(&self.name.plain(), rows, data_nodes, partitions);
            if let Some(advice) = advice {
                stage.observer.observe(Event::Advice(&advice));
            }
        }
        Ok(())
    }
}
