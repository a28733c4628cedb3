//! What a server can: one table, a line for each kind of server that answers differently.

use std::fmt;

use super::{Kind, Server, Version};

/// Something that decides how dwsload talks with a server, or that a job may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// A transaction goes on behind a COPY that was refused, after ROLLBACK TO a savepoint.
    SavepointAroundCopy,
    /// INSERT ... ON CONFLICT.
    OnConflict,
    /// INSERT ... ON DUPLICATE KEY UPDATE.
    OnDuplicateKey,
    /// MERGE, with the clauses that the answer names.
    Merge,
    /// MERGE ... WHEN MATCHED AND condition.
    MergeCondition,
    /// MERGE ... THEN DELETE.
    MergeDelete,
    /// INSERT OVERWRITE.
    InsertOverwrite,
    /// COPY in binary format; the answer says how the option is written.
    BinaryCopy,
    /// COPY's FORCE NULL.
    CopyForceNull,
    /// COPY's `ON_ERROR ignore`.
    CopyOnError,
    /// COPY's LOG ERRORS and REJECT LIMIT.
    CopyLogErrors,
    /// COPY's `HEADER MATCH`.
    CopyHeaderMatch,
    /// COPY's FREEZE has its effect, or is refused.
    CopyFreeze,
    /// A line `\.` ends csv data.
    CsvEndMarker,
    /// The line number of a duplicate key's error is that of the record.
    DuplicateKeyLine,
    /// CREATE TEMP TABLE ... ON COMMIT DROP.
    TempOnCommitDrop,
    /// CREATE TABLE (LIKE ... INCLUDING DISTRIBUTION).
    LikeDistribution,
    /// CREATE TABLE (LIKE ... INCLUDING RELOPTIONS).
    LikeReloptions,
    /// CREATE TABLE AS with the columns that decide on the node of a row; the answer is the clause.
    DistributeBy,
    /// UPDATE of the columns that decide on the node of a row.
    DistributionUpdate,
    /// The rows that COPY brings into a new table lie in the order of its data, by their `ctid`.
    CopyOrder,
    /// ANALYZE of a table inside a transaction.
    AnalyzeInTransaction,
    /// `xmax = 0` in RETURNING tells the rows that an INSERT ... ON CONFLICT has inserted.
    UpsertOutcome,
    /// The operator `*<>`: whether two rows differ in any byte.
    ImageComparison,
    /// Generated columns; the answer says which column of the catalog tells them.
    GeneratedColumns,
    /// Identity columns.
    IdentityColumns,
    /// Indexes with INCLUDE columns.
    IncludeColumns,
    /// Everything that hangs on a table is in catalogs that dwsload knows, so that another can take
    /// its place.
    SwapTables,
    /// TRUNCATE is undone by ROLLBACK.
    TransactionalTruncate,
    /// TRUNCATE ... RESTART IDENTITY.
    TruncateRestartIdentity,
    /// Two-phase commit by hand.
    PrepareTransaction,
    /// Advisory locks, of the session and of the transaction.
    AdvisoryLocks,
    /// A setting that limits the wait for a lock; the answer is its name.
    LockTimeout,
    /// A setting that ends idle sessions and that every user may switch off; the answer is its name.
    SessionTimeout,
    /// `SET default_transaction_read_only`.
    ReadOnlySession,
    /// A used session made like new; the answer has the statements.
    ResetSession,
    /// DECLARE ... WITH HOLD, open beyond its transaction.
    HoldCursor,
    /// DECLARE ... SCROLL.
    ScrollCursor,
    /// `pg_export_snapshot()`.
    ExportSnapshot,
    /// `to_regclass()`.
    ToRegclass,
    /// LISTEN and NOTIFY.
    Notify,
    /// The server repeats a statement by itself when a node fails (CN Retry).
    StatementRetry,
}

/// Whether a server can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It can.
    Yes,
    /// It can, in this way: SQL, or a condition.
    How(&'static str),
    /// It cannot.
    No,
    /// It cannot; this is what to use.
    Instead(&'static str),
}

impl Answer {
    /// Whether it can, one way or the other.
    pub fn can(self) -> bool {
        matches!(self, Self::Yes | Self::How(_))
    }

    /// The way, or what to use instead.
    pub fn how(self) -> Option<&'static str> {
        match self {
            Self::How(text) | Self::Instead(text) => Some(text),
            Self::Yes | Self::No => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::How(how) => write!(f, "yes: {how}"),
            Self::No => f.write_str("no"),
            Self::Instead(instead) => write!(f, "no: {instead}"),
        }
    }
}

/// How an answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The PostgreSQL manual, or its release notes.
    Postgres,
    /// A page of the DWS manual.
    Dws(&'static str),
    /// The DWS manual's page on psycopg2, table of interfaces.
    Psycopg2Page,
    /// Seen on an openGauss 3.0.6.
    Observed,
    /// By what it descends from; not checked on a server of the kind.
    Descent,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str("PostgreSQL manual"),
            Self::Dws(page) => write!(f, "DWS manual, {page}"),
            Self::Psycopg2Page => f.write_str("DWS manual, page on psycopg2"),
            Self::Observed => f.write_str("seen on openGauss 3.0.6"),
            Self::Descent => f.write_str("by descent, not checked"),
        }
    }
}

/// An ability, and how a server answers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The ability.
    pub ability: Ability,
    /// The ability in words, to be followed by the answer: `MERGE`.
    pub words: &'static str,
    /// Whether the server can.
    pub answer: Answer,
    /// How that is known.
    pub source: Source,
}

impl Server {
    /// How it answers to `ability`.
    pub fn answer(&self, ability: Ability) -> Answer {
        let finding = TABLE
            .iter()
            .find(|entry| entry.ability == ability)
            .map(|entry| self.finding(entry));
        finding.map_or(Answer::No, |finding| finding.answer)
    }

    /// Whether it can.
    pub fn can(&self, ability: Ability) -> bool {
        self.answer(ability).can()
    }

    /// Every ability and its answer, in the order of the table.
    pub fn abilities(&self) -> impl Iterator<Item = Finding> + '_ {
        TABLE.iter().map(|entry| self.finding(entry))
    }

    fn finding(&self, entry: &Entry) -> Finding {
        let rule = entry.rules.iter().find(|rule| rule.whom.includes(self));
        let (answer, source) = rule.map_or((Answer::No, Source::Descent), |rule| {
            (rule.answer, rule.source)
        });
        Finding {
            ability: entry.ability,
            words: entry.words,
            answer,
            source,
        }
    }
}

/// A line of the table. The first rule that includes the server answers.
#[derive(Debug)]
struct Entry {
    ability: Ability,
    words: &'static str,
    rules: &'static [Rule],
}

#[derive(Debug)]
struct Rule {
    whom: Whom,
    answer: Answer,
    source: Source,
}

/// Some servers, from a version on.
#[derive(Debug, Clone, Copy)]
struct Whom {
    kinds: &'static [Kind],
    from: Version,
}

impl Whom {
    fn includes(self, server: &Server) -> bool {
        self.kinds.contains(&server.kind)
            && (self.from == ALWAYS
                || if server.kind.is_gauss() {
                    // One that does not tell its version any more is a new one.
                    server.version.is_none_or(|version| version >= self.from)
                } else {
                    // Greenplum has what the PostgreSQL had that it is made from.
                    server.base.is_some_and(|base| base >= self.from)
                })
    }

    /// The same servers, from `major.minor.patch` on.
    const fn from(self, major: u32, minor: u32, patch: u32) -> Self {
        Self {
            kinds: self.kinds,
            from: Version::new(major, minor, patch),
        }
    }
}

const ALWAYS: Version = Version::new(0, 0, 0);

const fn all(kinds: &'static [Kind]) -> Whom {
    Whom {
        kinds,
        from: ALWAYS,
    }
}

const EVERY: Whom = all(&[
    Kind::PostgreSql,
    Kind::Dws,
    Kind::GaussDb,
    Kind::OpenGauss,
    Kind::Greenplum,
]);
/// PostgreSQL, and Greenplum by the PostgreSQL it is made from.
const PG: Whom = all(&[Kind::PostgreSql, Kind::Greenplum]);
const GREENPLUM: Whom = all(&[Kind::Greenplum]);
const DWS: Whom = all(&[Kind::Dws]);
const GAUSSDB: Whom = all(&[Kind::GaussDb]);
const OPENGAUSS: Whom = all(&[Kind::OpenGauss]);
const GAUSS: Whom = all(&[Kind::Dws, Kind::GaussDb, Kind::OpenGauss]);

const fn rule(whom: Whom, answer: Answer, source: Source) -> Rule {
    Rule {
        whom,
        answer,
        source,
    }
}

use Answer::{How, Instead, No, Yes};
use Source::{Descent, Observed, Postgres, Psycopg2Page};

const COPY_PAGE: Source = Source::Dws("COPY");
const MERGE_PAGE: Source = Source::Dws("MERGE INTO");
const UPSERT_PAGE: Source = Source::Dws("UPSERT");
const CREATE_TABLE_PAGE: Source = Source::Dws("CREATE TABLE");

/// What a MERGE of PostgreSQL 15 has.
const MERGE_OF_POSTGRES: &str =
    "WHEN [NOT] MATCHED [AND ...] THEN UPDATE, INSERT, DELETE or DO NOTHING";
/// What a MERGE of Gauss servers has. The columns of ON, and on DWS those of the distribution key,
/// cannot be set; two source rows for one target row are an error (P0003).
const MERGE_OF_GAUSS: &str = "WHEN MATCHED THEN UPDATE [WHERE ...], WHEN NOT MATCHED THEN INSERT";
const CONTROL_TABLE: &str = "lock a row of a control table";
/// DISCARD is refused by openGauss, and by DWS according to its page on psycopg2. Temporary tables
/// stay.
const RESET_BY_HAND: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; CLOSE ALL; SELECT pg_advisory_unlock_all()";

#[rustfmt::skip]
const TABLE: &[Entry] = &[
    Entry { ability: Ability::SavepointAroundCopy, words: "a savepoint saves the transaction from a refused COPY", rules: &[
        rule(DWS, Instead("the whole transaction is rolled back"), Source::Dws("SAVEPOINT")),
        rule(GAUSSDB, No, Descent),
        rule(OPENGAUSS, Yes, Observed),
        rule(GREENPLUM, Yes, Descent),
        rule(PG, Yes, Postgres),
    ] },
    Entry { ability: Ability::OnConflict, words: "INSERT ... ON CONFLICT", rules: &[
        rule(PG.from(9, 5, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS.from(8, 1, 1), How("the key holds the distribution column"), UPSERT_PAGE),
        rule(DWS, No, UPSERT_PAGE),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::OnDuplicateKey, words: "INSERT ... ON DUPLICATE KEY UPDATE", rules: &[
        rule(PG, No, Postgres),
        rule(DWS.from(8, 1, 1), How("the key holds the distribution column"), UPSERT_PAGE),
        rule(DWS, No, UPSERT_PAGE),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSSDB, Yes, Descent),
    ] },
    Entry { ability: Ability::Merge, words: "MERGE", rules: &[
        rule(PG.from(15, 0, 0), How(MERGE_OF_POSTGRES), Postgres),
        rule(PG, No, Postgres),
        rule(DWS, How(MERGE_OF_GAUSS), MERGE_PAGE),
        rule(OPENGAUSS, How(MERGE_OF_GAUSS), Observed),
        rule(GAUSSDB, How(MERGE_OF_GAUSS), Descent),
    ] },
    Entry { ability: Ability::MergeCondition, words: "MERGE ... WHEN MATCHED AND", rules: &[
        rule(PG.from(15, 0, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS, Instead("WHERE behind UPDATE SET"), MERGE_PAGE),
        rule(OPENGAUSS, Instead("WHERE behind UPDATE SET"), Observed),
        rule(GAUSSDB, Instead("WHERE behind UPDATE SET"), Descent),
    ] },
    Entry { ability: Ability::MergeDelete, words: "MERGE ... THEN DELETE", rules: &[
        rule(PG.from(15, 0, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS, Instead("DELETE ... USING"), MERGE_PAGE),
        rule(OPENGAUSS, Instead("DELETE ... USING"), Observed),
        rule(GAUSSDB, Instead("DELETE ... USING"), Descent),
    ] },
    Entry { ability: Ability::InsertOverwrite, words: "INSERT OVERWRITE", rules: &[
        rule(PG, No, Postgres),
        rule(DWS, Yes, Source::Dws("INSERT")),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    // Without quotes, `FORMAT binary` is a syntax error on openGauss; with them PostgreSQL takes it too.
    Entry { ability: Ability::BinaryCopy, words: "COPY in binary format", rules: &[
        rule(GREENPLUM, How("FORMAT 'binary'"), Descent),
        rule(PG, How("FORMAT 'binary'"), Postgres),
        rule(OPENGAUSS, How("FORMAT 'binary'"), Observed),
        rule(GAUSS, How("FORMAT 'binary'"), Descent),
    ] },
    Entry { ability: Ability::CopyForceNull, words: "COPY with FORCE NULL", rules: &[
        rule(PG.from(9, 4, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS, No, COPY_PAGE),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::CopyOnError, words: "COPY with ON_ERROR", rules: &[
        rule(PG.from(17, 0, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS, No, COPY_PAGE),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::CopyLogErrors, words: "COPY with LOG ERRORS, REJECT LIMIT", rules: &[
        rule(GREENPLUM, How("LOG ERRORS SEGMENT REJECT LIMIT n"), Descent),
        rule(PG, No, Postgres),
        rule(DWS, How("values and records that do not fit; not constraints"), COPY_PAGE),
        rule(OPENGAUSS, How("values and records that do not fit; not constraints"), Observed),
        rule(GAUSSDB, How("values and records that do not fit; not constraints"), Descent),
    ] },
    Entry { ability: Ability::CopyHeaderMatch, words: "COPY with HEADER MATCH", rules: &[
        rule(PG.from(15, 0, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS, No, COPY_PAGE),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::CopyFreeze, words: "COPY with FREEZE", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG.from(9, 3, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(DWS, Instead("ignored without a word unless the table was made or emptied in the same transaction"), COPY_PAGE),
        rule(OPENGAUSS, Instead("ignored without a word unless the table was made or emptied in the same transaction"), Observed),
        rule(GAUSSDB, Instead("ignored without a word unless the table was made or emptied in the same transaction"), Descent),
    ] },
    // One that does not tell its version is taken to be older: an error is better than rows that vanish.
    Entry { ability: Ability::CsvEndMarker, words: "a line `\\.` ends csv data", rules: &[
        rule(PG.from(18, 0, 0), No, Postgres),
        rule(PG, Yes, Postgres),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSS, Yes, Descent),
    ] },
    // Gauss servers check keys when a buffer of rows is full, and name the line they are at then.
    Entry { ability: Ability::DuplicateKeyLine, words: "the error of a duplicate key names its line", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG, Yes, Postgres),
        rule(OPENGAUSS, Instead("look for the key in DETAIL"), Observed),
        rule(GAUSS, Instead("look for the key in DETAIL"), Descent),
    ] },
    Entry { ability: Ability::TempOnCommitDrop, words: "temporary tables with ON COMMIT DROP", rules: &[
        rule(PG, Yes, Postgres),
        rule(DWS, Instead("ON COMMIT DELETE ROWS, or DROP TABLE"), CREATE_TABLE_PAGE),
        rule(OPENGAUSS, Instead("ON COMMIT DELETE ROWS, or DROP TABLE"), Observed),
        rule(GAUSSDB, Instead("ON COMMIT DELETE ROWS, or DROP TABLE"), Descent),
    ] },
    Entry { ability: Ability::LikeDistribution, words: "LIKE ... INCLUDING DISTRIBUTION", rules: &[
        rule(GREENPLUM, Instead("DISTRIBUTED BY"), Descent),
        rule(PG, No, Postgres),
        rule(DWS, Yes, CREATE_TABLE_PAGE),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::LikeReloptions, words: "LIKE ... INCLUDING RELOPTIONS", rules: &[
        rule(PG, No, Postgres),
        rule(DWS, Yes, CREATE_TABLE_PAGE),
        rule(OPENGAUSS, Yes, Descent),
        rule(GAUSSDB, Yes, Descent),
    ] },
    Entry { ability: Ability::DistributeBy, words: "CREATE TABLE AS with a distribution", rules: &[
        rule(GREENPLUM, How("DISTRIBUTED BY, behind the query"), Descent),
        rule(PG, No, Postgres),
        rule(DWS, How("DISTRIBUTE BY HASH, before the query"), Source::Dws("CREATE TABLE AS")),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::DistributionUpdate, words: "UPDATE of distribution columns", rules: &[
        rule(DWS, Instead("DELETE and INSERT"), Source::Dws("UPDATE")),
        rule(EVERY, Yes, Descent),
    ] },
    Entry { ability: Ability::CopyOrder, words: "a table keeps the order of a COPY", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG, Yes, Postgres),
        rule(OPENGAUSS, Yes, Descent),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::AnalyzeInTransaction, words: "ANALYZE in a transaction", rules: &[
        rule(PG, Yes, Postgres),
        rule(DWS.from(8, 1, 1), Yes, Source::Dws("ANALYZE")),
        rule(DWS, No, Source::Dws("ANALYZE")),
        rule(GAUSS, Yes, Descent),
    ] },
    Entry { ability: Ability::UpsertOutcome, words: "an upsert tells its inserts", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG.from(9, 5, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::ImageComparison, words: "rows compared byte by byte", rules: &[
        rule(PG.from(9, 4, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::GeneratedColumns, words: "generated columns", rules: &[
        rule(PG.from(12, 0, 0), How("pg_attribute.attgenerated"), Postgres),
        rule(PG, No, Postgres),
        rule(OPENGAUSS, How("pg_attrdef.adgencol"), Observed),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::IdentityColumns, words: "identity columns", rules: &[
        rule(PG.from(10, 0, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::IncludeColumns, words: "indexes with INCLUDE", rules: &[
        rule(PG.from(11, 0, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::SwapTables, words: "a table takes the place of another", rules: &[
        rule(GREENPLUM, Instead("TRUNCATE"), Descent),
        rule(PG.from(12, 0, 0), Yes, Postgres),
        rule(PG, Instead("TRUNCATE"), Descent),
        rule(GAUSS, Instead("TRUNCATE"), Descent),
    ] },
    Entry { ability: Ability::TransactionalTruncate, words: "ROLLBACK undoes TRUNCATE", rules: &[
        rule(GREENPLUM, Yes, Descent),
        rule(PG, Yes, Postgres),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSS, Yes, Descent),
    ] },
    Entry { ability: Ability::TruncateRestartIdentity, words: "TRUNCATE ... RESTART IDENTITY", rules: &[
        rule(GREENPLUM, Yes, Descent),
        rule(PG, Yes, Postgres),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::PrepareTransaction, words: "PREPARE TRANSACTION", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG, How("max_prepared_transactions is not 0"), Postgres),
        rule(DWS, No, Psycopg2Page),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::AdvisoryLocks, words: "advisory locks", rules: &[
        rule(GREENPLUM, Instead(CONTROL_TABLE), Descent),
        rule(PG, Yes, Postgres),
        // They exist, "for internal use", and are taken on every coordinator.
        rule(DWS, Instead(CONTROL_TABLE), Source::Dws("Advisory Lock Functions")),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSSDB, Instead(CONTROL_TABLE), Descent),
    ] },
    Entry { ability: Ability::LockTimeout, words: "a limit for the wait for a lock", rules: &[
        rule(PG.from(9, 3, 0), How("lock_timeout"), Postgres),
        rule(PG, No, Postgres),
        rule(OPENGAUSS, Instead("lockwait_timeout, which needs a system administrator"), Observed),
        rule(GAUSS, Instead("lockwait_timeout, which needs a system administrator"), Source::Dws("Lock Management")),
    ] },
    Entry { ability: Ability::SessionTimeout, words: "a limit for idle sessions that can be switched off", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG.from(14, 0, 0), How("idle_session_timeout"), Postgres),
        rule(PG, No, Postgres),
        rule(OPENGAUSS, How("session_timeout"), Observed),
        rule(GAUSS, How("session_timeout"), Source::Dws("Security and Authentication (postgresql.conf)")),
    ] },
    Entry { ability: Ability::ReadOnlySession, words: "SET default_transaction_read_only", rules: &[
        rule(PG, Yes, Postgres),
        rule(DWS, Instead("SET TRANSACTION READ ONLY"), Psycopg2Page),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSSDB, Yes, Descent),
    ] },
    Entry { ability: Ability::ResetSession, words: "a used session made like new", rules: &[
        rule(GREENPLUM, How("DISCARD ALL"), Descent),
        rule(PG, How("DISCARD ALL"), Postgres),
        rule(DWS, How(RESET_BY_HAND), Psycopg2Page),
        rule(OPENGAUSS, How(RESET_BY_HAND), Observed),
        rule(GAUSSDB, How(RESET_BY_HAND), Descent),
    ] },
    Entry { ability: Ability::HoldCursor, words: "cursors WITH HOLD", rules: &[
        rule(GREENPLUM, Yes, Descent),
        rule(PG, Yes, Postgres),
        rule(DWS, Instead("close it before COMMIT"), Psycopg2Page),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::ScrollCursor, words: "SCROLL cursors", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG, Yes, Postgres),
        rule(DWS, No, Psycopg2Page),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::ExportSnapshot, words: "pg_export_snapshot()", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG.from(9, 2, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(OPENGAUSS, Yes, Observed),
        rule(GAUSS, No, Descent),
    ] },
    Entry { ability: Ability::ToRegclass, words: "to_regclass()", rules: &[
        rule(PG.from(9, 4, 0), Yes, Postgres),
        rule(PG, No, Postgres),
        rule(OPENGAUSS, Instead("a join of pg_class and pg_namespace"), Observed),
        rule(GAUSS, Instead("a join of pg_class and pg_namespace"), Descent),
    ] },
    Entry { ability: Ability::Notify, words: "LISTEN and NOTIFY", rules: &[
        rule(GREENPLUM, No, Descent),
        rule(PG, Yes, Postgres),
        rule(DWS, No, Psycopg2Page),
        rule(OPENGAUSS, No, Observed),
        rule(GAUSSDB, No, Descent),
    ] },
    Entry { ability: Ability::StatementRetry, words: "the server repeats a statement when a node fails", rules: &[
        rule(DWS, How("a single statement outside a transaction; never COPY"), Source::Dws("Automatic Retry upon SQL Statement Execution Errors")),
        rule(EVERY, No, Descent),
    ] },
];

#[cfg(test)]
mod tests;
