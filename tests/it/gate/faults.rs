//! Failures on demand: at which point, how often, and in what manner.

use super::error::ServerError;

/// A point of a conversation at which something may fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Point {
    /// A start-up message has come; nothing is answered yet.
    Start,
    /// The password was right and `AuthenticationOk` is sent; the session does not begin.
    Login,
    /// A COPY FROM STDIN has come. It is not passed on, and there is no CopyInResponse.
    BeforeCopy,
    /// The client got its CopyInResponse. No data is taken.
    AfterCopyResponse,
    /// So many bytes of COPY data were taken, or all if there are fewer.
    DuringCopy(u64),
    /// The end of the COPY data has come. It is not passed on: the server undoes the COPY.
    AfterCopyData,
    /// The COPY is done on the server; the client does not get its answer. Not for errors that
    /// leave the connection: a server undoes what it reports so.
    AfterCopy,
    /// A COMMIT has come. The server does a ROLLBACK instead.
    AtCommit,
    /// The COMMIT is done on the server; the client does not get its answer.
    AfterCommit,
    /// A statement that begins so has come, in any case of its letters. It is not passed on.
    OnStatement(&'static str),
    /// A statement that begins so is done on the server; the client does not get its answer. Not
    /// for errors that leave the connection.
    AfterStatement(&'static str),
}

/// How something fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manner {
    /// An ERROR; the connection goes on, its transaction in the state that the server has.
    Error(ServerError),
    /// A FATAL error and the end of the connection. The server has rolled back what was open.
    Fatal(ServerError),
    /// The socket is cut without a word.
    Cut,
}

/// What is to fail, and when. By default the first time that its point is reached, and then never
/// again; times are counted over all connections.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    point: Point,
    manner: Manner,
    passes: u32,
    times: u32,
}

impl Fault {
    /// An error that leaves the connection.
    ///
    /// # Panics
    /// The point does not allow it: see [`Point`].
    pub(crate) fn error(point: Point, error: ServerError) -> Self {
        let lost = matches!(
            point,
            Point::Start | Point::Login | Point::AfterCopy | Point::AfterStatement(_)
        );
        assert!(
            !lost,
            "{point:?} is the end of a connection, or of an answer"
        );
        Self::new(point, Manner::Error(error))
    }

    /// An error that ends the connection.
    pub(crate) fn fatal(point: Point, error: ServerError) -> Self {
        Self::new(point, Manner::Fatal(error))
    }

    /// The end of the connection, without a word.
    pub(crate) fn cut(point: Point) -> Self {
        Self::new(point, Manner::Cut)
    }

    fn new(point: Point, manner: Manner) -> Self {
        Self {
            point,
            manner,
            passes: 0,
            times: 1,
        }
    }

    /// Not the first time but the `n`-th; 1 is the first.
    #[must_use]
    pub(crate) fn nth(mut self, n: u32) -> Self {
        self.passes = n - 1;
        self
    }

    /// So many times, one after the other.
    #[must_use]
    pub(crate) fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Every time.
    #[must_use]
    pub(crate) fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

/// All faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
    fired: u32,
}

impl Plan {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// How many have come to pass.
    pub(super) fn fired(&self) -> u32 {
        self.fired
    }

    /// A point that `reached` accepts is reached: how it fails, if it does, and where exactly.
    pub(super) fn reach(&mut self, reached: impl Fn(&Point) -> bool) -> Option<(Point, Manner)> {
        let mut due = None;
        for fault in self.faults.iter_mut().filter(|fault| reached(&fault.point)) {
            if fault.passes > 0 {
                fault.passes -= 1;
            } else if fault.times > 0 && due.is_none() {
                fault.times -= 1;
                due = Some((fault.point.clone(), fault.manner.clone()));
            }
        }
        self.fired += u32::from(due.is_some());
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_when_it_is_due_and_no_more() {
        let mut plan = Plan::default();
        plan.add(Fault::cut(Point::AtCommit).nth(2).times(2));
        let mut reach = || plan.reach(|point| *point == Point::AtCommit).is_some();
        assert_eq!([(); 5].map(|()| reach()), [false, true, true, false, false]);
        assert_eq!(plan.fired(), 2);
        assert!(plan.reach(|point| *point == Point::AfterCommit).is_none());
    }
}
