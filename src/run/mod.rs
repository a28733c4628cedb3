//! A job on a session: its steps in order, in the transactions it asks for.

mod expert;
mod sql;
mod stop;

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::job::{Action, Job, Step, Transaction};
use crate::name::literal;
use crate::progress::{Event, Observer, Outcome};
use crate::sink::Outputs;
use crate::wire::error::WireError;
use crate::wire::session::{Session, Status};
use crate::{load, unload};

pub use stop::{Reason, Stop, Stopper, stop};

/// What a step works with.
pub(crate) struct Stage<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) stop: Stop,
    /// Files that appear under their names when the transaction commits.
    pub(crate) outputs: &'a mut Outputs,
}

impl Stage<'_> {
    /// Passes on what the server said aside.
    pub(crate) fn notices(&mut self) {
        let (notices, dropped) = self.session.take_notices();
        for notice in &notices {
            self.observer.observe(Event::Notice(notice));
        }
        if dropped > 0 {
            self.observer.observe(Event::Warning(&format!(
                "{dropped} more notices of the server are not shown"
            )));
        }
    }

    pub(crate) fn warn(&self, text: &str) {
        self.observer.observe(Event::Warning(text));
    }
}

/// What a job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Rows loaded.
    pub loaded: u64,
    /// Rows unloaded.
    pub unloaded: u64,
}

/// Runs `job` on `session`, from its session settings to the last COMMIT.
///
/// # Errors
/// The first failure. What the job's transaction promises has been done: a line `state` of the
/// error says what is committed and what is not.
///
/// # Cancel safety
/// Dropped, the connection closes and the server rolls back, unless a COMMIT was on its way
/// ([`Stopper::committing`]).
pub async fn run(
    job: &Job,
    session: &mut Session,
    observer: &dyn Observer,
    stop: Stop,
) -> Result<Totals> {
    stop.watch(Some(session.canceller()));
    let mut run = Run {
        job,
        session,
        observer,
        stop,
        outputs: Outputs::default(),
        totals: Totals::default(),
        committed: 0,
        open: false,
        ended_before: 0,
        ended_by_sql: false,
    };
    let outcome = run.all().await;
    let outcome = match outcome {
        Ok(()) => Ok(run.totals),
        Err(error) => Err(run.failed(error).await),
    };
    run.stop.watch(None);
    outcome
}

struct Run<'a> {
    job: &'a Job,
    session: &'a mut Session,
    observer: &'a dyn Observer,
    stop: Stop,
    outputs: Outputs,
    totals: Totals,
    /// Steps that are committed.
    committed: usize,
    /// We have begun a transaction and not tried to commit it.
    open: bool,
    /// Transactions of the session that had ended when ours began.
    ended_before: u64,
    /// A step's own SQL has ended that transaction.
    ended_by_sql: bool,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<()> {
        self.settings().await?;
        if self.job.transaction == Transaction::Job {
            self.begin().await?;
        }
        for (index, step) in self.job.steps.iter().enumerate() {
            if let Some(reason) = self.stop.reason() {
                return Err(reason.error());
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
        Ok(())
    }

    /// Settings by `set_config`: its value is one literal, whatever the setting's syntax is.
    async fn settings(&mut self) -> Result<()> {
        // As psycopg2 does: dates are read and written the ISO way, whatever the server's default.
        if !self
            .session
            .parameter("DateStyle")
            .is_some_and(|style| style.starts_with("ISO"))
        {
            self.session.run("SET DATESTYLE TO 'ISO'").await?;
        }
        for (name, value) in &self.job.session {
            let scs = self.session.standard_conforming_strings();
            let sql = format!(
                "SELECT set_config({}, {}, false)",
                literal(name.as_str(), scs),
                literal(value, scs)
            );
            let set = self.session.run(&sql).await;
            set.map_err(|error| {
                Error::from(error).within(format!(
                    "cannot set `session.{}` to `{value}`",
                    name.as_str()
                ))
            })?;
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        self.session.run("BEGIN").await?;
        self.open = true;
        self.ended_before = self.session.transactions_ended();
        Ok(())
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
        match outcome {
            Outcome::Loaded { rows, .. } => self.totals.loaded += rows,
            Outcome::Unloaded { rows, .. } => self.totals.unloaded += rows,
            Outcome::Sql(_) | Outcome::Holds(_) => {}
        }
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
        let by_step = self.job.transaction == Transaction::Step;
        if by_step {
            self.begin().await?;
        }
        let outcome = self.act(&step.action).await?;
        if self.has_lost_its_transaction() {
            self.ended_by_sql = true;
            return Err(Error::new(
                ErrorKind::Server,
                "the step's own SQL ended the transaction around it",
            )
            .hint("leave COMMIT, ROLLBACK and END out, or use `transaction: none`"));
        }
        if by_step {
            self.commit(nth).await?;
        }
        Ok(outcome)
    }

    async fn act(&mut self, action: &Action) -> Result<Outcome> {
        let mut stage = Stage {
            session: self.session,
            observer: self.observer,
            stop: self.stop.clone(),
            outputs: &mut self.outputs,
        };
        let outcome = match action {
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
        self.open = false;
        self.stop.set_committing(true);
        let outcome = self.session.run("COMMIT").await;
        self.stop.set_committing(false);
        match outcome {
            Ok(tags) if tags.iter().any(|tag| tag == "ROLLBACK") => {
                Err(Error::new(ErrorKind::Server, "the server answered COMMIT with ROLLBACK"))
            }
            Ok(_) => self.publish(upto),
            Err(WireError::Refused(said)) if !said.is_connection_end() => {
                Err(said.into_error(ErrorKind::Server).within("the server refused the COMMIT"))
            }
            Err(error) => Err(Error::from(error)
                .with_kind(ErrorKind::Unknown)
                .within("the connection fell while COMMIT was on its way: nobody knows whether it took place")
                .hint("look into the tables before you run the job again")),
        }
    }

    fn publish(&mut self, upto: usize) -> Result<()> {
        self.committed = upto;
        for pending in self.outputs.take() {
            pending.publish()?;
        }
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

    /// Ends the transaction, and says in the error where that leaves the database.
    async fn failed(&mut self, error: Error) -> Error {
        let error = self.in_doubt(self.meant(error));
        self.ended_by_sql |= self.has_lost_its_transaction();
        // The connection may be gone; then the server has rolled back by itself.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.session.run("ROLLBACK")).await;
        let state = if error.kind() == ErrorKind::Unknown {
            self.known()
        } else {
            self.state()
        };
        error.line("state", state)
    }

    /// Without a transaction, a statement that was under way when the connection fell may have
    /// taken place: a COPY that still lacked data has not, everything else is a COMMIT in doubt.
    fn in_doubt(&self, error: Error) -> Error {
        let alone = self.job.transaction == Transaction::None;
        if !(alone && error.kind() == ErrorKind::Lost && self.session.awaits_answer()) {
            return error;
        }
        error
            .with_kind(ErrorKind::Unknown)
            .within("the connection fell while a statement was under way: nobody knows whether it took place")
            .hint("look into the tables before you run the job again")
    }

    /// The steps that are committed, in words.
    fn done(&self) -> String {
        let done = &self.job.steps[..self.committed];
        let numbers: Vec<String> = done.iter().map(|step| step.number.to_string()).collect();
        match numbers.as_slice() {
            [] => "no earlier step is committed".into(),
            [one] => format!("step {one} is committed"),
            several => format!("steps {} are committed", several.join(", ")),
        }
    }

    /// What is known where the outcome of the last statement is not.
    fn known(&self) -> String {
        match self.job.transaction {
            Transaction::Job => "either everything is committed or nothing is".into(),
            Transaction::Step | Transaction::None => {
                format!("{}; what came after is in doubt", self.done())
            }
        }
    }

    fn state(&self) -> String {
        let done = &self.job.steps[..self.committed];
        if self.ended_by_sql {
            return "what the job's own SQL committed is in the database; the rest is rolled back"
                .into();
        }
        let steps = self.done();
        match self.job.transaction {
            _ if done.len() == self.job.steps.len() => "everything is committed".into(),
            Transaction::Job => "rolled back; nothing of this run is in the database".into(),
            Transaction::Step if done.is_empty() => {
                "rolled back; nothing of this run is in the database".into()
            }
            Transaction::Step => format!("{steps}; what came after is rolled back"),
            Transaction::None if done.is_empty() => {
                "each statement that succeeded is committed (`transaction: none`)".into()
            }
            Transaction::None => format!(
                "{steps}, and so is each later statement that succeeded (`transaction: none`)"
            ),
        }
    }
}
