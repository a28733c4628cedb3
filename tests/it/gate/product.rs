//! Which server the gate plays.

/// A server of the Gauss family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// DWS 8.2.1: a cluster of coordinators and data nodes.
    Dws,
    /// DWS 8.1.3, the same but older: it has no DISCARD.
    Dws81,
    /// openGauss 3.0.6, the server that was recorded: one node.
    OpenGauss,
}

impl Product {
    /// Whether it is DWS, of any version.
    pub(crate) fn is_dws(self) -> bool {
        self != Self::OpenGauss
    }

    /// What `version()` says, unless a test says otherwise: in DWS as its manual has it, in
    /// openGauss as recorded.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Dws => {
                "PostgreSQL 9.2.4 (GaussDB 8.2.1 build 39137c2d) compiled at 2022-09-23 17:28:28 \
                 commit 3629 last mr 5138 release on x86_64-unknown-linux-gnu, compiled by g++ \
                 (GCC) 5.4.0, 64-bit"
            }
            Self::Dws81 => {
                "PostgreSQL 9.2.4 (GaussDB 8.1.3 build 29bfd1a4) compiled at 2022-01-11 10:02:11 \
                 commit 2629 last mr 3811 release on x86_64-unknown-linux-gnu, compiled by g++ \
                 (GCC) 5.4.0, 64-bit"
            }
            Self::OpenGauss => {
                "(openGauss 3.0.6 build ) compiled at 2026-11-23 07:55:18 commit 0 last mr  release"
            }
        }
    }

    /// The compatibility mode that it has by default, as `pg_database.datcompatibility` says it.
    pub(super) fn compatibility(self) -> &'static str {
        if self.is_dws() { "ORA" } else { "A" }
    }
}

/// What becomes of a COPY FROM behind a SAVEPOINT of the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subtransactions {
    /// It is refused, and the transaction is lost: only its end is accepted. The default of DWS.
    Refused,
    /// It is done; but where it fails the transaction is lost, and ROLLBACK TO does not save it,
    /// as the DWS manual says of a COPY that meets a table of another shape or a lost node.
    LostOnFailure,
    /// It is done, and ROLLBACK TO undoes its failure: openGauss, as recorded. The default there.
    Allowed,
}
