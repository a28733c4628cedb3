//! What SQL leaves in a session, which the next session would lack.

/// Words that begin a statement whose effect ends with the session.
const STATEMENTS: [&str; 7] = [
    "set", "reset", "prepare", "declare", "listen", "load", "discard",
];

/// What `sql` may leave behind in its session beside its data; `None` for nothing.
///
/// By its words, so it errs on the side of finding something.
pub(super) fn leaves(sql: &str) -> Option<&'static str> {
    let lower = sql.to_lowercase();
    let words = || lower.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    if words().any(|word| matches!(word, "temp" | "temporary" | "volatile" | "pg_temp")) {
        return Some("a temporary table");
    }
    if words().any(|word| word == "set_config") {
        return Some("a setting");
    }
    if words().any(|word| {
        word.starts_with("pg_advisory_lock") || word.starts_with("pg_try_advisory_lock")
    }) {
        return Some("a lock");
    }
    let begins = |statement: &str| {
        let first = statement.split_whitespace().next().unwrap_or_default();
        STATEMENTS.contains(&first)
    };
    lower
        .split(';')
        .any(begins)
        .then_some("a setting, a cursor or the like")
}

/// Whether `sql`, sent alone, may commit in its middle: a procedure or a block may.
pub(super) fn may_commit_inside(sql: &str) -> bool {
    let lower = sql.to_lowercase();
    lower
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|word| {
            matches!(
                word,
                "call" | "do" | "begin" | "start" | "commit" | "end" | "exec" | "execute"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_with_a_session_is_found() {
        for sql in [
            "CREATE TEMP TABLE t (n int)",
            "create local temporary table t as select 1",
            "SELECT set_config('search_path', 'a', false)",
            "SELECT 1; SET search_path = a",
            "\n  set role loader",
            "PREPARE p AS SELECT 1",
            "SELECT pg_advisory_lock(7)",
            "SELECT 1 INTO pg_temp.t",
        ] {
            assert!(leaves(sql).is_some(), "{sql}");
        }
        for sql in [
            "UPDATE t SET a = 1",
            "CREATE TABLE t (n int)",
            "SELECT pg_advisory_xact_lock(7)",
            "INSERT INTO settings VALUES (1)",
        ] {
            assert_eq!(leaves(sql), None, "{sql}");
        }
    }

    #[test]
    fn what_may_commit_in_its_middle_is_found() {
        for sql in [
            "CALL p()",
            "do $$ begin commit; end $$",
            "BEGIN; SELECT 1; COMMIT",
        ] {
            assert!(may_commit_inside(sql), "{sql}");
        }
        for sql in ["UPDATE t SET a = 1", "SELECT done FROM t"] {
            assert!(!may_commit_inside(sql), "{sql}");
        }
    }
}
