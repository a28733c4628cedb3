//! What a failure is, to a loader: whether the same work may succeed later, and whether a COMMIT
//! that fails so may have taken place.
//!
//! One function decides, [`Condition::of`]. Sources: the SQLSTATE tables of the `PostgreSQL` manual;
//! for Gauss servers the DWS manual ("Automatic Retry upon SQL Statement Execution Errors", the
//! error code list) and the messages of openGauss' `poolmgr.cpp`, `pgxcnode.cpp` and `copy.cpp`.

use super::error::ServerMessage;

/// What a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The connection fell or could not be made, between us and the server or inside a cluster.
    Connection,
    /// A coordinator got no connection to a node, so the statement did not begin there.
    Pool,
    /// The server is stopping, starting, or has given this session up.
    Stopping,
    /// There are too many connections.
    Crowded,
    /// A node of the cluster failed and is being replaced, or the cluster is being changed.
    Cluster,
    /// A lock was not given, or two transactions were in each other's way.
    Lock,
    /// Memory was short.
    Memory,
    /// The cluster takes no writes; on DWS because a disk is nearly full.
    ReadOnly,
    /// A disk or a limit of the server was full.
    Full,
    /// Anything else: the same again would fail again.
    Lasting,
}

/// How the next attempt waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait before the second attempt, in units of the job's; it doubles from attempt to
    /// attempt.
    pub units: u32,
    /// The most attempts, where a condition deserves fewer than the job grants.
    pub attempts: u32,
}

impl Condition {
    /// What `said` is, by its SQLSTATE and, where that says too little, by its words. Gauss servers
    /// do not translate them.
    pub fn of(said: &ServerMessage) -> Self {
        match said.code.as_str() {
            // A coordinator that reaches no data node says so with these codes, among others.
            "08000" | "08006" | "53000" if is_of_pool(&said.message) => Self::Pool,
            "57P01" | "57P02" | "57P03" | "57P05" | "57015" => Self::Stopping,
            "53300" => Self::Crowded,
            "YY003" | "40001" | "40P01" | "55P03" => Self::Lock,
            "YY006" | "53200" => Self::Memory,
            "40003" => Self::Connection,
            "XX003" | "XX009" | "DS002" | "CG003" | "CG004" | "F0011" | "F0012" | "45003" => {
                Self::Cluster
            }
            "25006" => Self::ReadOnly,
            "53100" | "53400" => Self::Full,
            "D0011" if said.message.contains("is redistributing") => Self::Cluster,
            "08P01" => Self::Lasting,
            _ if said.class() == "08" => Self::Connection,
            _ if said.class() == "YY" => Self::Cluster,
            // What the same again would bring about again, whatever the words.
            _ if is_about_us(said.class()) => Self::Lasting,
            _ => by_words(&said.message),
        }
    }

    /// How to try again; `None` where that is of no use.
    pub fn pace(self) -> Option<Pace> {
        let pace = |units, attempts| Some(Pace { units, attempts });
        match self {
            Self::Connection | Self::Pool | Self::Stopping | Self::Cluster | Self::Lock => {
                pace(1, u32::MAX)
            }
            Self::Crowded | Self::Memory => pace(5, u32::MAX),
            Self::ReadOnly => pace(60, u32::MAX),
            Self::Full => pace(30, 2),
            Self::Lasting => None,
        }
    }

    /// Whether a COMMIT that is answered so may have taken place: the answer is about a connection
    /// or a node that fell, not about the transaction.
    pub fn leaves_commit_in_doubt(self) -> bool {
        matches!(
            self,
            Self::Connection | Self::Pool | Self::Stopping | Self::Cluster
        )
    }
}

/// The classes of errors that belong to the statement, the data, the rights or the login.
fn is_about_us(class: &str) -> bool {
    matches!(
        class,
        "0A" | "21" | "22" | "23" | "25" | "26" | "28" | "34" | "3D" | "3F" | "42" | "44" | "54"
    )
}

fn is_of_pool(message: &str) -> bool {
    [
        "pooler: failed to create",
        "pooler: failed to acquire connection",
        "Failed to get pooled connections",
    ]
    .iter()
    .any(|words| message.contains(words))
}

fn by_words(message: &str) -> Condition {
    const CONNECTION: [&str; 9] = [
        "to COMMIT the transaction on one or more nodes",
        "Communication failure",
        "Failed to read response from",
        "Failed to fetch from Datanode",
        "could not connect to server",
        "Connection reset by peer",
        "Connection timed out",
        "stream closed",
        "due to failover",
    ];
    if is_of_pool(message) {
        Condition::Pool
    } else if CONNECTION.iter().any(|words| message.contains(words)) {
        Condition::Connection
    } else if ["Too many clients", "too many clients"]
        .iter()
        .any(|words| message.contains(words))
    {
        Condition::Crowded
    } else if message.contains("memory is temporarily unavailable") {
        Condition::Memory
    } else {
        Condition::Lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, message: &str) -> ServerMessage {
        ServerMessage {
            code: code.into(),
            message: message.into(),
            ..ServerMessage::default()
        }
    }

    #[test]
    fn every_code_of_the_retry_table_is_known() {
        use Condition::*;
        for (codes, condition) in [
            ("08000 08001 08003 08004 08006 08007 40003", Connection),
            ("57P01 57P02 57P03 57P05 57015", Stopping),
            ("53300", Crowded),
            (
                "YY001 YY002 YY004 YY005 YY007 YY008 YY009 YY010 YY011 YY012 YY013 YY014 YY015 YY016 \
                 XX003 XX009 DS002 CG003 CG004 F0011 F0012 45003",
                Cluster,
            ),
            ("40001 40P01 55P03 YY003", Lock),
            ("53200 YY006", Memory),
            ("25006", ReadOnly),
            ("53100 53400", Full),
            (
                "22P02 23505 42P01 42P30 0A000 28P01 28000 3D000 3F000 21000 26000 34000 54000 \
                 58P01 XX000 XX001 XX002 57014 08P01 D0011",
                Lasting,
            ),
        ] {
            for code in codes.split_whitespace() {
                assert_eq!(Condition::of(&said(code, "any")), condition, "{code}");
            }
        }
    }

    #[test]
    fn what_a_coordinator_says_of_its_nodes_is_known_by_its_words() {
        use Condition::*;
        let pooler = "pooler: failed to create 1 connections, Error Message: remote node \
                      dn_6003_6004, detail: could not connect to server: Operation now in progress";
        for (code, message, condition) in [
            ("08006", pooler, Pool),
            ("XX000", pooler, Pool),
            ("53000", "Failed to get pooled connections", Pool),
            ("08000", "Communication failure, failed to send", Connection),
            (
                "XX000",
                "Failed to read response from Datanodes",
                Connection,
            ),
            ("XX000", "Failed to fetch from Datanode 3", Connection),
            (
                "XX000",
                "Too many clients already, current: 60, max_connections/reserved: 60/3.",
                Crowded,
            ),
            ("XX000", "memory is temporarily unavailable", Memory),
            (
                "D0011",
                "\"t\" is redistributing, please retry later.",
                Cluster,
            ),
            // A value that quotes such words is a value.
            (
                "22P02",
                "invalid input syntax for integer: \"Connection reset by peer\"",
                Lasting,
            ),
        ] {
            assert_eq!(
                Condition::of(&said(code, message)),
                condition,
                "{code} {message}"
            );
        }
    }

    #[test]
    fn only_a_failed_connection_or_node_leaves_a_commit_in_doubt() {
        use Condition::*;
        for (condition, doubt, retry) in [
            (Connection, true, true),
            (Pool, true, true),
            (Stopping, true, true),
            (Cluster, true, true),
            (Crowded, false, true),
            (Lock, false, true),
            (Memory, false, true),
            (ReadOnly, false, true),
            (Full, false, true),
            (Lasting, false, false),
        ] {
            assert_eq!(condition.leaves_commit_in_doubt(), doubt, "{condition:?}");
            assert_eq!(condition.pace().is_some(), retry, "{condition:?}");
        }
    }
}
