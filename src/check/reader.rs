//! The files of a step, read one after the other, and loaded where they are rehearsed.

use std::io::{IsTerminal, stdin};

use super::looked::{File, Looked, State};
use super::{ground, is_over};
use crate::arrival::Arrived;
use crate::doctor::{Table, header_fits};
use crate::error::{Error, Result};
use crate::job::{CopyFrom, Earlier, Job, Step, Transaction};
use crate::load::{Inspected, Inspection};
use crate::run::Stage;
use crate::source::{Begin, Source};
use crate::wire::error::WireError;
use crate::wire::server::Ability;
use crate::wire::session::Status;

/// Reads the files of a step.
pub(super) struct Reader<'a> {
    pub(super) job: &'a Job,
    pub(super) step: &'a Step,
    pub(super) load: &'a CopyFrom,
    /// The table that takes the records as they are.
    pub(super) relation: Option<&'a Table>,
    /// What is known of files that a run waits for.
    pub(super) arrived: Option<Arrived>,
    pub(super) stage: Stage<'a>,
    pub(super) errors: Vec<Error>,
}

impl<'a> Reader<'a> {
    /// Makes ready; the files can be read whatever comes of that.
    pub(super) async fn begin(&mut self, known: bool, rehearses: bool) -> Result<Inspection<'a>> {
        if rehearses {
            ground::leave(self.stage.session).await?;
            self.stage.session.run("BEGIN").await?;
            match Inspection::rehearse(self.load, &mut self.stage).await {
                Ok(inspection) => return Ok(inspection),
                Err(error) if is_over(&error) => return Err(error),
                Err(error) => self.errors.push(error),
            }
            ground::leave(self.stage.session).await?;
            ground::enter(self.stage.session).await?;
        }
        let (inspection, planned) = Inspection::new(self.load, known, &mut self.stage).await?;
        ground::firm(self.stage.session).await?;
        if self.errors.is_empty() {
            self.errors.extend(planned.err());
        }
        Ok(inspection)
    }

    pub(super) async fn files(
        &mut self,
        sources: &[Source],
        inspection: &mut Inspection<'_>,
        looked: &mut Looked,
    ) -> Result<()> {
        let mut is_spoiled = false;
        for source in sources {
            let state = match unread(self.job, self.step, source) {
                Some(why) => State::Unread(why),
                None if is_spoiled => {
                    State::Unread("not read, since one before it cannot be loaded".into())
                }
                None => match self.file(source, inspection).await {
                    Ok(read) => {
                        if let Some(arrived) = &self.arrived {
                            let said = arrived.check_rows(source, read.records);
                            self.errors.extend(said.err());
                        }
                        State::Read(read)
                    }
                    Err(error) if is_over(&error) => return Err(error),
                    Err(error) => {
                        self.errors.push(error);
                        is_spoiled = !self.recover(inspection).await?;
                        State::Failed
                    }
                },
            };
            looked.files.push(File {
                name: source.to_string(),
                state,
            });
        }
        Ok(())
    }

    async fn file(
        &mut self,
        source: &Source,
        inspection: &mut Inspection<'_>,
    ) -> Result<Inspected> {
        let (load, relation) = (self.load, self.relation);
        let fits = |begin: &Begin| match relation {
            Some(relation) => header_fits(load, source, begin, relation),
            None => Ok(()),
        };
        let survives = self
            .stage
            .session
            .server()
            .can(Ability::SavepointAroundCopy);
        if !(inspection.is_rehearsal() && survives) {
            return inspection.file(source, &mut self.stage, fits).await;
        }
        self.stage.session.run("SAVEPOINT dwsload_file").await?;
        let read = inspection.file(source, &mut self.stage, fits).await?;
        self.stage
            .session
            .run("RELEASE SAVEPOINT dwsload_file")
            .await?;
        Ok(read)
    }

    /// Makes ready for the next file, behind one that failed. `false` where nothing can follow.
    async fn recover(&mut self, inspection: &mut Inspection<'_>) -> Result<bool> {
        let session = &mut *self.stage.session;
        if !inspection.is_rehearsal() {
            ground::firm(session).await?;
            return Ok(true);
        }
        let survives = session.server().can(Ability::SavepointAroundCopy);
        if !survives || session.status() == Status::Idle {
            return Ok(false);
        }
        let back = "ROLLBACK TO SAVEPOINT dwsload_file; RELEASE SAVEPOINT dwsload_file";
        match session.run(back).await {
            Ok(_) => {
                inspection.undone();
                Ok(true)
            }
            Err(WireError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What the records come to that were loaded, for other rows.
    pub(super) async fn judge(
        &mut self,
        inspection: &mut Inspection<'_>,
        looked: &mut Looked,
    ) -> Result<()> {
        if self.stage.session.status() != Status::InTransaction {
            return Ok(());
        }
        let earlier = Earlier::than(self.step, self.job);
        match inspection.judge(&earlier, &mut self.stage).await {
            Ok(judged) => {
                let files = looked.files.iter_mut();
                let read = files.filter_map(|file| match &mut file.state {
                    State::Read(read) => Some(read),
                    State::Failed | State::Unread(_) => None,
                });
                for (read, refused) in read.zip(judged.refused) {
                    read.rejected += refused;
                }
                if !judged.unchecked.is_empty() {
                    looked.fact("unchecked", judged.unchecked.join("; "));
                }
                self.errors.extend(judged.errors);
                Ok(())
            }
            Err(error) if is_over(&error) => Err(error),
            Err(error) => {
                self.errors.push(error);
                Ok(())
            }
        }
    }
}

/// Why a file is not read, where it is not.
fn unread(job: &Job, step: &Step, source: &Source) -> Option<String> {
    match source {
        Source::Stdin if stdin().is_terminal() => Some("not read, it is a terminal".into()),
        Source::Stdin => None,
        Source::File(path) => match job.writer_of(path, step) {
            Some(writer) if job.transaction != Transaction::Job => {
                Some(format!("not read, step {writer} writes it"))
            }
            _ if source.can_be_read_again() => None,
            _ => Some("not read, which would use it up".into()),
        },
    }
}
