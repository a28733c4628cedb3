//! Steps that load nothing: what they read is looked up, and nothing of them is run.

use super::looked::Looked;
use super::{Check, ground};
use crate::doctor::{is_copy_in, may_unload};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyExpert, CopyTo, Expect, InputPattern, Step, Transaction, Unload};
use crate::run::{clipped, excerpt, expected};
use crate::wire::error::WireError;
use crate::wire::session::Column;
use crate::{load, unload};

impl Check<'_> {
    /// Checks a step that unloads.
    pub(super) async fn copy_to(
        &mut self,
        step: &Step,
        copy: &CopyTo,
        looked: &mut Looked,
    ) -> Result<()> {
        match &copy.what {
            Unload::Query(query) => {
                let query = unload::bare(query);
                self.describe(step, query, looked).await?;
            }
            Unload::Table(name, columns) => {
                if let Some(relation) = self.relation(step, name, "", looked).await? {
                    let columns = columns.as_deref().unwrap_or_default();
                    let may = may_unload(copy, columns, &relation, name);
                    self.take(step, name, may, looked);
                }
            }
        }
        Ok(())
    }

    /// Checks a query that is to hold.
    pub(super) async fn expect(
        &mut self,
        step: &Step,
        expect: &Expect,
        looked: &mut Looked,
    ) -> Result<()> {
        if let Some(columns) = self.describe(step, &expect.query, looked).await? {
            expected(&columns, &expect.query)?;
        }
        Ok(())
    }

    /// Has the server look a query over. `None`, and said, where it does not understand it.
    async fn describe(
        &mut self,
        step: &Step,
        query: &str,
        looked: &mut Looked,
    ) -> Result<Option<Vec<Column>>> {
        let error = match self.session.describe(query).await {
            Ok(columns) => {
                looked.what = looked.what.replace("not run", "prepared, not run");
                return Ok(Some(columns));
            }
            Err(error) => error,
        };
        ground::firm(self.session).await?;
        let changer = self.job.changer_before(step);
        match (error.server(), changer) {
            (Some(said), _) if said.code == "42601" && said.position.is_none() => {
                looked.fact("unchecked", format!("its query: {}", said.message));
            }
            // Names that are not there.
            (Some(said), Some(changer)) if said.class() == "42" && said.code != "42601" => {
                looked.fact(
                    "unchecked",
                    format!(
                        "its query, as long as step {changer} has not run: {}",
                        said.message
                    ),
                );
            }
            _ => looked.errors.push(refused(error, query)),
        }
        Ok(None)
    }

    /// Checks what is known without running a step of the user's own SQL: its file.
    #[expect(clippy::unnecessary_wraps, reason = "the steps of a check are alike")]
    pub(super) fn copy_expert(
        &self,
        step: &Step,
        expert: &CopyExpert,
        looked: &mut Looked,
    ) -> Result<()> {
        let Some(InputPattern::Path(path)) = expert.file.as_ref().filter(|_| is_copy_in(expert))
        else {
            return Ok(());
        };
        let writer = self.job.writer_of(path, step);
        if writer.is_some() && self.job.transaction != Transaction::Job {
            return Ok(());
        }
        if let Err(cause) = std::fs::metadata(path) {
            looked.errors.push(match cause.kind() {
                std::io::ErrorKind::NotFound => load::missing(path, writer.is_some()),
                _ => Error::new(
                    ErrorKind::Input,
                    format!("cannot read `{}`", path.display()),
                )
                .because(cause),
            });
        }
        Ok(())
    }
}

fn refused(error: WireError, query: &str) -> Error {
    let place = error
        .server()
        .and_then(|said| excerpt(query, said))
        .unwrap_or_else(|| clipped(query));
    Error::from(error).line("query", place)
}
