//! What becomes of the records in a staging table when all are there.

use super::super::duplicates;
use super::super::isolate::Isolation;
use super::super::target::Target;
use super::Staging;
use crate::error::Result;
use crate::job::CopyFrom;
use crate::name::column_list;
use crate::progress::Changes;
use crate::run::Stage;
use crate::wire::server::Ability;

impl Staging {
    /// Leaves one record of each key. Returns how many it has taken out.
    pub(in crate::load::mode) async fn settle(
        &self,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<u64> {
        let Some(made) = &self.made else {
            return Ok(0);
        };
        if stage.session.server().can(Ability::AnalyzeInTransaction) {
            // Without figures the server would plan for a table of a few rows.
            let sql = format!("ANALYZE {} {}", self.table, column_list(&made.key));
            let analyzed = stage.session.run(&sql).await;
            analyzed.map_err(|error| self.refused("cannot look over the records for", error))?;
        }
        let records = duplicates::Records {
            table: &self.table,
            key: &made.key,
            number: self.number.as_ref(),
            files: &self.files,
        };
        records
            .settle(self.by_key.duplicates, step, stage)
            .await
            .map_err(|error| self.within(error))
    }

    /// Merges what is there into the target.
    pub(in crate::load::mode) async fn finish(
        &mut self,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<Option<Changes>> {
        if self.made.is_none() {
            return Ok(None);
        }
        let left_out = self.settle(step, stage).await?;
        let rows = self.rows().saturating_sub(left_out);
        let mut changes = self.merge_all(rows, step, stage).await?;
        changes.duplicates = left_out;
        self.drop(stage).await?;
        Ok(Some(changes))
    }

    /// Has a double take the place of the target.
    pub(in crate::load::mode) fn stand_in(&mut self, double: Target) {
        let target = std::mem::replace(&mut self.target, double);
        self.target.called.clone_from(&target.called);
        self.stands_for = Some(target.table);
    }

    /// Merges the `rows` that are there into the target.
    pub(in crate::load::mode) async fn merge_all(
        &mut self,
        rows: u64,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<Changes> {
        let server = stage.session.server().clone();
        let merge = self.merge(&server)?;
        let explained = |refused| self.explain(refused);
        merge.lock(stage.session).await.map_err(explained)?;
        let changes = match (&step.rejecting, &self.number) {
            (Some(rejecting), Some(number)) => {
                let isolation = Isolation::new(self, merge, number, step, rejecting);
                let merged = isolation.run(rows, stage).await?;
                for (filed, refused) in self.files.iter_mut().zip(merged.refused) {
                    filed.refused = refused;
                }
                merged.changes
            }
            _ => merge.run(rows, stage.session).await.map_err(explained)?,
        };
        Ok(changes)
    }
}
