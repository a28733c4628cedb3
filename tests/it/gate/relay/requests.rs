//! What the client says.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::Duration;

use super::super::error::ServerError;
use super::super::faults::{Manner, Point};
use super::super::frames::{Frame, Frames, texts};
use super::super::lock;
use super::super::product::Subtransactions;
use super::super::refusals::{Asker, refusal};
use super::super::settings;
use super::super::shim::{Edit, edited, edits};
use super::super::statements::Statement;
use super::Line;

/// How often an idle session is looked at.
const TICK: Duration = Duration::from_millis(5);

/// What becomes of a text.
enum Verdict {
    /// This goes to the server in its place.
    Pass(Vec<u8>),
    /// The session ends.
    End(Manner),
}

impl Line {
    /// Passes requests on until the client goes.
    pub(super) fn requests(&self, frames: &mut Frames<TcpStream>) -> io::Result<()> {
        while let Some(frame) = self.next_request(frames)? {
            if self.talk().ended {
                continue;
            }
            match frame.tag() {
                b'Q' => {
                    let text = texts(frame.body()).next().unwrap_or_default();
                    match self.judge(text, true) {
                        Verdict::Pass(text) => self.pass_on(&Frame::query(&text))?,
                        Verdict::End(manner) => self.end(&manner)?,
                    }
                }
                b'P' => self.parse(&frame)?,
                b'd' => self.copy_data(&frame)?,
                b'c' => self.copy_done(&frame)?,
                _ => self.pass_on(&frame)?,
            }
        }
        Ok(())
    }

    /// The next message. An idle session is ended when its time is over.
    fn next_request(&self, frames: &mut Frames<TcpStream>) -> io::Result<Option<Frame>> {
        loop {
            let (ended, timeout) = {
                let talk = self.talk();
                (talk.ended, talk.session_timeout)
            };
            if !ended {
                self.client.set_read_timeout(timeout.map(|_| TICK))?;
            }
            match frames.next() {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if ended {
                        return Ok(None);
                    }
                    self.end_if_idle()?;
                }
                next => {
                    self.talk().idle_since = None;
                    return next;
                }
            }
        }
    }

    fn end_if_idle(&self) -> io::Result<()> {
        let is_over = {
            let talk = self.talk();
            let idle = talk.idle_since.map(|since| since.elapsed());
            matches!((idle, talk.session_timeout), (Some(idle), Some(limit)) if idle >= limit)
        };
        if !is_over {
            return Ok(());
        }
        let warning = ServerError::new("01000", "Session unused timeout.");
        let message = "terminating connection due to administrator command";
        let error = ServerError::new("57P01", message);
        let words = [warning.notice("WARNING"), error.frame("FATAL")];
        self.say_goodbye(&words.map(|frame| frame.bytes().to_vec()).concat())
    }

    /// A Parse: statement name, text, types of parameters.
    fn parse(&self, frame: &Frame) -> io::Result<()> {
        let mut words = texts(frame.body());
        let name = words.next().unwrap_or_default();
        let text = words.next().unwrap_or_default();
        let types = &frame.body()[(name.len() + text.len() + 2).min(frame.body().len())..];
        match self.judge(text, false) {
            Verdict::Pass(text) => {
                let body = [name, &[0], &text, &[0], types].concat();
                self.pass_on(&Frame::new(b'P', &body))
            }
            Verdict::End(manner) => self.end(&manner),
        }
    }

    fn copy_data(&self, frame: &Frame) -> io::Result<()> {
        let length = frame.body().len() as u64;
        let due = {
            let mut talk = self.talk();
            let left = talk.copy_left;
            match &talk.copy_fault {
                Some((Point::DuringCopy(_), _)) if left > length => {
                    talk.copy_left -= length;
                    None
                }
                Some((Point::DuringCopy(_), _)) => {
                    talk.copy_fault.take().map(|fault| (fault.1, left))
                }
                _ => None,
            }
        };
        let Some((manner, left)) = due else {
            return self.pass_on(frame);
        };
        let taken = &frame.body()[..usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(frame.body().len())];
        self.pass_on(&Frame::new(b'd', taken))?;
        self.fail_copy(manner)
    }

    fn copy_done(&self, frame: &Frame) -> io::Result<()> {
        let fault = self.talk().copy_fault.take();
        match fault {
            Some((Point::AfterCopy, manner)) => {
                self.talk().lost = Some(manner);
                self.pass_on(frame)
            }
            Some((_, manner)) => self.fail_copy(manner),
            None => self.pass_on(frame),
        }
    }

    /// What becomes of the text of a Query, or of a Parse: there the faults of whole answers and of
    /// COMMIT are not for.
    fn judge(&self, text: &[u8], is_query: bool) -> Verdict {
        let statements = Statement::of(text);
        let asker = Asker {
            product: self.shared.identity.product,
            administrator: self.who.administrator,
        };
        let refusals: Vec<_> = statements
            .iter()
            .map(|statement| refusal(statement, asker))
            .collect();
        {
            let mut seen = lock(&self.shared.seen);
            for (statement, refusal) in statements.iter().zip(&refusals) {
                seen.statement(&statement.own(), refusal.is_some());
            }
        }
        if self.who.expired && !statements.is_empty() {
            return Verdict::Pass(self.failing(self.expired()));
        }
        if let Some(refusal) = refusals.iter().flatten().find(|refusal| refusal.is_syntax) {
            return Verdict::Pass(self.mark(refusal.error.clone()).into_bytes());
        }
        if self.talk().status == b'I' {
            self.transaction_ends();
        }
        let mut changes = Vec::new();
        for (statement, refusal) in statements.iter().zip(refusals) {
            let error = match refusal {
                Some(refusal) => Some(Manner::Error(refusal.error)),
                None => self.fault(statement, is_query, &mut changes),
            };
            let error = error.or_else(|| self.subtransaction(statement, &mut changes));
            match error {
                // What follows is not done.
                Some(Manner::Error(error)) => {
                    let failing = String::from_utf8(self.failing(error)).expect("ASCII");
                    changes.push((statement.range(), failing));
                    break;
                }
                Some(ending) => return Verdict::End(ending),
                None => {}
            }
            self.time_out_changes(statement);
            if changes
                .last()
                .is_none_or(|(range, _)| *range != statement.range())
            {
                changes.extend(edits(statement));
            }
        }
        Verdict::Pass(edited(text, changes))
    }

    /// A statement that fails with this error, or, in a transaction that has failed before, as every
    /// statement does there.
    fn failing(&self, error: ServerError) -> Vec<u8> {
        format!("SELECT {}()", self.mark(error)).into_bytes()
    }

    fn expired(&self) -> ServerError {
        let message = format!(
            "Please use \"ALTER ROLE user_name IDENTIFIED BY 'password' REPLACE 'old password';\" \
             to modify the expired password of user {} before operation!",
            self.who.user
        );
        ServerError::new("28P02", message)
    }

    /// How a statement is to fail, by the plan.
    fn fault(
        &self,
        statement: &Statement<'_>,
        is_query: bool,
        changes: &mut Vec<Edit>,
    ) -> Option<Manner> {
        let mut plan = lock(&self.shared.plan);
        let own = statement.own();
        let begins = |prefix: &str| {
            own.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let is_copy = statement.is_copy_from_client();
        let due = plan.reach(|point| match point {
            Point::OnStatement(prefix) => begins(prefix),
            Point::BeforeCopy => is_copy,
            Point::AtCommit | Point::AfterCommit => is_query && statement.is_commit(),
            Point::AfterStatement(prefix) => is_query && begins(prefix),
            _ => false,
        });
        match due? {
            (Point::AfterCommit | Point::AfterStatement(_), manner) => {
                self.talk().lost = Some(manner);
                None
            }
            // The transaction is over after it, unlike after any other error.
            (Point::AtCommit, manner @ Manner::Error(_)) => {
                changes.push((statement.range(), "ROLLBACK".into()));
                self.talk().lost = Some(manner);
                None
            }
            (_, manner) => Some(manner),
        }
    }

    /// Follows the transaction; how a COPY in a subtransaction fails.
    fn subtransaction(&self, statement: &Statement<'_>, changes: &mut Vec<Edit>) -> Option<Manner> {
        let mut talk = self.talk();
        let name = statement
            .words
            .last()
            .map(|word| word.text.clone())
            .unwrap_or_default();
        let place = talk.savepoints.iter().rposition(|known| *known == name);
        if statement.begins(&["savepoint"]) {
            talk.savepoints.push(name);
        } else if statement.begins(&["release"]) {
            talk.savepoints.truncate(place.unwrap_or(usize::MAX));
        } else if statement.begins(&["rollback"]) && statement.find(&["to"]).is_some() {
            talk.savepoints
                .truncate(place.map_or(usize::MAX, |place| place + 1));
            if talk.doomed {
                changes.push((statement.range(), "SELECT 1".into()));
            }
        } else if statement.is_commit() || statement.is_rollback() {
            talk.savepoints.clear();
            talk.doomed = false;
        } else if statement.is_copy_from_client() && !talk.savepoints.is_empty() {
            match self.shared.subtransactions {
                Subtransactions::Allowed => {}
                Subtransactions::LostOnFailure => talk.copy_may_doom = true,
                Subtransactions::Refused => {
                    talk.doomed = true;
                    lock(&self.shared.seen).refuse(&statement.own());
                    let message = "COPY FROM is not supported in a subtransaction";
                    let error = ServerError::new("0A000", message)
                        .detail("The whole transaction is rolled back.");
                    return Some(Manner::Error(error));
                }
            }
        }
        None
    }

    fn transaction_ends(&self) {
        let mut talk = self.talk();
        talk.savepoints.clear();
        talk.doomed = false;
    }

    /// `SET session_timeout`.
    fn time_out_changes(&self, statement: &Statement<'_>) {
        let used = settings::used(statement);
        let changed = used.filter(|used| used.changes && used.name == "session_timeout");
        if let Some(changed) = changed {
            self.talk().session_timeout = match changed.value.as_deref() {
                None | Some("default") => self.shared.session_timeout,
                Some(value) => settings::time(value),
            };
        }
    }
}
