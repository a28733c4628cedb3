//! One attempt at a job, on one session: what is not done yet, step by step.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::batch::{self, Uncommitted};
use super::done::{Done, Doubt, Parts};
use super::{Stage, Stop, Totals, bound, expert, settings, sql};
use super::{settle, state};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Action, Job, Step, Transaction};
use crate::ledger::{Entered, Ledger};
use crate::progress::{Event, Observer, Outcome};
use crate::sink::{Outputs, Rejects};
use crate::wire::condition::Condition;
use crate::wire::error::WireError;
use crate::wire::session::{Session, Status};
use crate::{load, unload};

/// An attempt that failed. What its transaction promises has been done.
pub(super) struct Failure {
    /// Why.
    pub(super) error: Error,
    /// Where that leaves the database.
    pub(super) state: String,
    /// What stands against running the same again, even where the reason has passed.
    pub(super) obstacle: Option<String>,
}

/// An attempt under way.
pub(super) struct Attempt<'a> {
    pub(super) job: &'a Job,
    pub(super) session: &'a mut Session,
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: Stop,
    pub(super) done: &'a mut Done,
    pub(super) outputs: &'a mut Outputs,
    pub(super) rejects: &'a mut Rejects,
    /// What was moved since the last commit.
    pub(super) moved: Totals,
    /// What was done since the last commit that cannot be done again.
    pub(super) obstacle: Option<&'static str>,
    /// We have begun a transaction and not tried to commit it.
    open: bool,
    /// Transactions of the session that had ended when ours began.
    ended_before: u64,
    /// A step's own SQL has ended our transaction.
    ended_by_sql: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        job: &'a Job,
        session: &'a mut Session,
        observer: &'a dyn Observer,
        stop: Stop,
        done: &'a mut Done,
        outputs: &'a mut Outputs,
        rejects: &'a mut Rejects,
    ) -> Self {
        Self {
            job,
            session,
            observer,
            stop,
            done,
            outputs,
            rejects,
            moved: Totals::default(),
            obstacle: None,
            open: false,
            ended_before: 0,
            ended_by_sql: false,
        }
    }

    /// Runs every step that is not committed yet.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        match self.steps().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn steps(&mut self) -> Result<()> {
        settings::apply(self.job, self.session, self.observer).await?;
        if self.job.exactly_once && self.done.ledger.is_none() {
            self.done.ledger = Some(Ledger::open(self.job, self.session).await?);
        }
        self.settle().await?;
        if self.done.steps == self.job.steps.len() {
            // The COMMIT that was in doubt was the last.
            self.leave().await;
            return Ok(());
        }
        if self.job.transaction == Transaction::Job {
            self.begin().await?;
        }
        for (index, step) in self.job.steps.iter().enumerate().skip(self.done.steps) {
            if let Some(reason) = self.stop.reason() {
                return Err(reason.error());
            }
            if self.job.transaction != Transaction::Job {
                // With no transaction open: what earlier steps have written is there by now.
                self.arrive(index..index + 1).await?;
            }
            self.step(step, index + 1).await?;
            if self.job.transaction == Transaction::None {
                self.publish(index + 1)?;
            }
        }
        if self.job.transaction == Transaction::Job {
            self.commit(self.job.steps.len()).await?;
        }
        if self.session.status() != Status::Idle {
            return Err(Error::new(ErrorKind::Server, "the job ends inside a transaction that its own SQL began")
                .hint("add a COMMIT to its SQL, or let dwsload do it: `transaction: job` or `transaction: step`"));
        }
        self.leave().await;
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        self.session.run("BEGIN").await?;
        self.open = true;
        self.ended_before = self.session.transactions_ended();
        match self.enter().await? {
            Entered::New => Ok(()),
            Entered::Before => Err(settle::unexpected()),
        }
    }

    /// Whether the transaction that we have begun is over, and not by us. `COMMIT; BEGIN` has left
    /// another in its place.
    fn has_lost_its_transaction(&self) -> bool {
        self.open
            && (self.session.transactions_ended() != self.ended_before
                || self.session.status() == Status::Idle)
    }

    /// Runs one step, which is the `nth` of this run; 1 is the first.
    async fn step(&mut self, step: &Step, nth: usize) -> Result<()> {
        let total = self.job.step_count;
        let title = step.title();
        self.observer.observe(Event::StepStarted {
            number: step.number,
            total,
            title: &title,
        });
        let started = Instant::now();
        let outcome = self.transact(step, nth).await.map_err(|error| {
            self.meant(error).within(format!(
                "step {} ({title}) failed, {}:{}",
                step.number,
                self.job.file.display(),
                self.job.line_of(step)
            ))
        })?;
        let elapsed = started.elapsed();
        self.observer.observe(Event::StepDone {
            number: step.number,
            total,
            title: &title,
            outcome: &outcome,
            elapsed,
        });
        Ok(())
    }

    /// The step, in a transaction of its own where the job asks for that.
    async fn transact(&mut self, step: &Step, nth: usize) -> Result<Outcome> {
        let by_batch = self.by_batch(step);
        let by_step =
            !by_batch && matches!(self.job.transaction, Transaction::Step | Transaction::Batch);
        if by_step {
            self.begin().await?;
        }
        self.rejects.of_step(step.number);
        let outcome = self.act(step).await?;
        if self.has_lost_its_transaction() {
            self.ended_by_sql = true;
            return Err(Error::new(
                ErrorKind::Server,
                "the step's own SQL ended the transaction around it",
            )
            .hint("leave COMMIT, ROLLBACK and END out, or use `transaction: none`"));
        }
        match &outcome {
            Outcome::Loaded { rows, rejected, .. } => {
                self.moved.loaded += rows;
                self.moved.rejected += rejected;
            }
            Outcome::Unloaded { rows, .. } => self.moved.unloaded += rows,
            Outcome::Sql(_) | Outcome::Holds(_) => {}
        }
        if by_step {
            if let Err(error) = self.commit(nth).await {
                if let Some(doubt) = &mut self.done.doubt {
                    doubt.outcome = Some(outcome);
                }
                return Err(error);
            }
        }
        if by_batch {
            self.publish(nth)?;
            self.depart().await?;
        }
        Ok(outcome)
    }

    /// Whether a step has transactions of its own, one for each batch.
    fn by_batch(&self, step: &Step) -> bool {
        self.job.transaction == Transaction::Batch && matches!(step.action, Action::CopyFrom(_))
    }

    async fn act(&mut self, step: &Step) -> Result<Outcome> {
        if self.job.transaction != Transaction::None && !self.by_batch(step) {
            // What an earlier attempt had done of this step is rolled back.
            self.done.parts = Parts::default();
        }
        let mut stage = Stage {
            session: self.session,
            observer: self.observer,
            stop: self.stop.clone(),
            outputs: self.outputs,
            rejects: self.rejects,
            parts: &mut self.done.parts,
            step: step.number,
            transaction: self.job.transaction,
            ledger: self.done.ledger.as_ref(),
            arrived: self.done.arrivals.of(step.number),
            obstacle: &mut self.obstacle,
            shard: self.job.shard.as_ref(),
            doubt: &mut self.done.doubt,
            rehearsal: false,
        };
        let outcome = match &step.action {
            Action::Sql(step) => sql::statements(step, &mut stage).await,
            Action::Expect(step) => sql::expect(step, &mut stage).await,
            Action::CopyFrom(step) => load::copy_from(step, &mut stage).await,
            Action::CopyTo(step) => unload::copy_to(step, &mut stage).await,
            Action::CopyExpert(step) => expert::copy_expert(step, &mut stage).await,
        };
        stage.notices();
        outcome
    }

    /// Commits the first `upto` steps of this run, then lets their files appear.
    async fn commit(&mut self, upto: usize) -> Result<()> {
        // A connection that has fallen already takes no COMMIT: that is no doubt.
        self.session.listen().await?;
        self.rejects.sync()?;
        self.open = false;
        match batch::commit(self.session, &self.stop).await {
            Ok(()) => {
                self.publish(upto)?;
                self.depart().await
            }
            Err(Uncommitted::Refused(error)) => Err(error),
            Err(Uncommitted::Doubtful(error)) => Err(self.doubt(error, upto)),
        }
    }

    /// Nobody knows whether the COMMIT of the first `upto` steps took place. With a ledger, that can be
    /// settled.
    fn doubt(&mut self, error: WireError, upto: usize) -> Error {
        let with_ledger = self.done.ledger.is_some();
        if with_ledger {
            self.done.doubt = Some(Doubt {
                upto,
                moved: std::mem::take(&mut self.moved),
                outcome: None,
                obstacle: self.obstacle.take(),
                batch: None,
            });
        }
        batch::unknown(error, with_ledger)
    }

    /// Takes note that the first `upto` steps of this run are committed; their files appear.
    pub(super) fn publish(&mut self, upto: usize) -> Result<()> {
        for step in &self.job.steps[self.done.steps..upto] {
            self.done.arrivals.committed(step);
            if let Some(what) = left_in_session(step) {
                self.done.bound = Some(format!(
                    "step {} may have left {what} in the session, which a new connection would lack",
                    step.number
                ));
            }
        }
        self.done.steps = upto;
        if let Some(last) = upto
            .checked_sub(1)
            .and_then(|last| self.job.steps.get(last))
        {
            self.observer
                .observe(Event::Committed { step: last.number });
        }
        self.done.units += 1;
        self.done.parts = Parts::default();
        self.done.totals.add(std::mem::take(&mut self.moved));
        self.obstacle = None;
        self.rejects.sync()?;
        self.rejects.commit();
        for pending in self.outputs.take() {
            pending.publish()?;
        }
        Ok(())
    }

    /// Waits for the files of these steps of the run.
    async fn arrive(&mut self, steps: Range<usize>) -> Result<()> {
        let steps = &self.job.steps[steps];
        let arrivals = &mut self.done.arrivals;
        arrivals
            .wait(self.job, steps, self.observer, &mut self.stop)
            .await
    }

    /// Moves or deletes the files of what is committed. One that stays is no failure: it is loaded.
    pub(super) async fn depart(&mut self) -> Result<()> {
        let arrivals = &mut self.done.arrivals;
        if arrivals.are_leaving() {
            self.rejects.sync_names();
        }
        let unmoved = arrivals.depart(self.observer, &mut self.stop).await?;
        self.done.totals.unmoved += unmoved;
        Ok(())
    }

    /// The error of a run that was told to stop is that it was, not what the server said then.
    fn meant(&self, error: Error) -> Error {
        match self.stop.reason() {
            Some(reason)
                if !matches!(
                    error.kind(),
                    ErrorKind::Unknown | ErrorKind::Stopped(_) | ErrorKind::Timeout
                ) =>
            {
                reason.error()
            }
            _ => error,
        }
    }

    /// Ends the transaction, and says where that leaves the database.
    async fn failed(&mut self, error: Error) -> Failure {
        let error = self.in_doubt(self.meant(error));
        self.ended_by_sql |= self.has_lost_its_transaction();
        let obstacle = self.obstacle();
        // The connection may be gone; then the server has rolled back by itself.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.session.run("ROLLBACK")).await;
        let state = if error.kind() == ErrorKind::Unknown || self.done.doubt.is_some() {
            state::known(self.job, self.done)
        } else if self.ended_by_sql {
            state::ENDED_BY_SQL.into()
        } else {
            state::state(self.job, self.done)
        };
        Failure {
            error,
            state,
            obstacle,
        }
    }

    /// What stands against running the failed unit again.
    fn obstacle(&self) -> Option<String> {
        if let Some(obstacle) = self.obstacle {
            return Some(obstacle.into());
        }
        if self.ended_by_sql {
            return Some("the job's own SQL has committed a part of it".into());
        }
        if self.job.transaction != Transaction::None {
            return None;
        }
        if self.session.status() != Status::Idle {
            return Some("the job's own SQL had begun a transaction".into());
        }
        let step = self.job.steps.get(self.done.steps)?;
        may_commit_inside(step, self.done.parts.statements)
            .then(|| "the failed SQL may have committed a part of its work".into())
    }

    /// Without a transaction, a statement that was under way when the connection fell, ours to the
    /// server or the server's to its nodes, may have taken place: a COPY that still lacked data has
    /// not, everything else is a COMMIT in doubt.
    fn in_doubt(&self, error: Error) -> Error {
        let unanswered = error.kind() == ErrorKind::Lost && self.session.awaits_answer();
        // A coordinator that got no connection to a node has not begun.
        let half_answered = error.condition() != Condition::Pool
            && error.condition().leaves_commit_in_doubt()
            && self.session.refused_whole();
        if self.job.transaction != Transaction::None || !(unanswered || half_answered) {
            return error;
        }
        error
            .with_kind(ErrorKind::Unknown)
            .within("the connection fell while a statement was under way: nobody knows whether it took place")
            .hint("look into the tables before you run the job again")
    }
}

/// What a step's own SQL may leave in the session.
fn left_in_session(step: &Step) -> Option<&'static str> {
    match &step.action {
        Action::Sql(step) => step.statements.iter().find_map(|sql| bound::leaves(sql)),
        Action::CopyExpert(step) => bound::leaves(&step.sql),
        Action::Expect(step) => bound::leaves(&step.query),
        Action::CopyFrom(_) | Action::CopyTo(_) => None,
    }
}

/// Whether a step's own SQL, after so many statements of it, may commit in its middle.
fn may_commit_inside(step: &Step, done: usize) -> bool {
    match &step.action {
        Action::Sql(step) => step
            .statements
            .get(done)
            .is_some_and(|sql| bound::may_commit_inside(sql)),
        Action::CopyExpert(step) => bound::may_commit_inside(&step.sql),
        Action::Expect(step) => bound::may_commit_inside(&step.query),
        Action::CopyFrom(_) | Action::CopyTo(_) => false,
    }
}
