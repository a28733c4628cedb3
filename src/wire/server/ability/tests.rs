use std::collections::BTreeMap;

use super::*;

fn server(kind: Kind, base: &str, version: Option<Version>) -> Server {
    let parameters = [("server_version".to_owned(), base.to_owned())];
    Server {
        kind,
        version,
        ..Server::reported(&BTreeMap::from(parameters))
    }
}

fn postgresql(version: &str) -> Server {
    server(Kind::PostgreSql, version, Version::read(version))
}

fn gauss(kind: Kind, version: &str) -> Server {
    server(kind, "9.2.4", Version::read(version))
}

#[test]
fn every_ability_has_an_answer_for_every_kind_whatever_the_version() {
    for (word, kind) in Kind::WORDS {
        for entry in TABLE {
            let without_version = entry
                .rules
                .iter()
                .any(|rule| rule.whom.from == ALWAYS && rule.whom.kinds.contains(&kind));
            assert!(without_version, "{word}: {:?}", entry.ability);
        }
    }
}

#[test]
fn every_ability_stands_once_and_no_rule_is_hidden_by_one_before_it() {
    for (index, entry) in TABLE.iter().enumerate() {
        assert!(
            TABLE[..index]
                .iter()
                .all(|other| other.ability != entry.ability),
            "{:?}",
            entry.ability
        );
        for (index, rule) in entry.rules.iter().enumerate() {
            let seen = |kind: &Kind| {
                let before = &entry.rules[..index];
                before.iter().any(|other| {
                    other.whom.from <= rule.whom.from && other.whom.kinds.contains(kind)
                })
            };
            assert!(
                !rule.whom.kinds.iter().all(seen),
                "{:?}, rule {index}",
                entry.ability
            );
        }
    }
}

#[test]
fn versions_decide_where_they_matter() {
    use Ability::*;
    for (server, ability, can) in [
        (postgresql("9.2.24"), OnConflict, false),
        (postgresql("9.5.25"), OnConflict, true),
        (postgresql("14.13"), Merge, false),
        (postgresql("15.18"), MergeDelete, true),
        (postgresql("17.1"), CsvEndMarker, true),
        (postgresql("18.1"), CsvEndMarker, false),
        (postgresql("nobody knows"), CsvEndMarker, true),
        (postgresql("9.2.24"), LockTimeout, false),
        (
            server(Kind::Greenplum, "9.4.26", Some(Version::new(6, 26, 1))),
            OnConflict,
            false,
        ),
        (
            server(Kind::Greenplum, "12.12", Some(Version::new(7, 0, 0))),
            OnConflict,
            true,
        ),
        (gauss(Kind::Dws, "8.1.0"), OnConflict, false),
        (gauss(Kind::Dws, "8.1.1"), OnConflict, true),
        // A DWS that does not tell its version is a new one.
        (gauss(Kind::Dws, ""), OnConflict, true),
        (gauss(Kind::OpenGauss, "3.0.6"), OnConflict, false),
        (gauss(Kind::OpenGauss, "3.0.6"), OnDuplicateKey, true),
        (gauss(Kind::OpenGauss, "3.0.6"), SavepointAroundCopy, true),
        (gauss(Kind::Dws, "8.2.1"), SavepointAroundCopy, false),
    ] {
        assert_eq!(server.can(ability), can, "{server}: {ability:?}");
    }
}

#[test]
fn a_dws_answers_with_words_and_sources() {
    let lines: Vec<String> = gauss(Kind::Dws, "8.2.1")
        .abilities()
        .map(|finding| format!("{}: {} ({})", finding.words, finding.answer, finding.source))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    a savepoint saves the transaction from a refused COPY: no: the whole transaction is rolled back (DWS manual, SAVEPOINT)
    INSERT ... ON CONFLICT: yes: the key holds the distribution column (DWS manual, UPSERT)
    INSERT ... ON DUPLICATE KEY UPDATE: yes: the key holds the distribution column (DWS manual, UPSERT)
    MERGE: yes: WHEN MATCHED THEN UPDATE [WHERE ...], WHEN NOT MATCHED THEN INSERT (DWS manual, MERGE INTO)
    MERGE ... WHEN MATCHED AND: no: WHERE behind UPDATE SET (DWS manual, MERGE INTO)
    MERGE ... THEN DELETE: no: DELETE ... USING (DWS manual, MERGE INTO)
    INSERT OVERWRITE: yes (DWS manual, INSERT)
    COPY in binary format: yes: FORMAT 'binary' (by descent, not checked)
    COPY with FORCE NULL: no (DWS manual, COPY)
    COPY with ON_ERROR: no (DWS manual, COPY)
    COPY with LOG ERRORS, REJECT LIMIT: yes: values and records that do not fit; not constraints (DWS manual, COPY)
    COPY with HEADER MATCH: no (DWS manual, COPY)
    COPY with FREEZE: no: ignored without a word unless the table was made or emptied in the same transaction (DWS manual, COPY)
    a line `\.` ends csv data: yes (by descent, not checked)
    the error of a duplicate key names its line: no: look for the key in DETAIL (by descent, not checked)
    temporary tables with ON COMMIT DROP: no: ON COMMIT DELETE ROWS, or DROP TABLE (DWS manual, CREATE TABLE)
    LIKE ... INCLUDING DISTRIBUTION: yes (DWS manual, CREATE TABLE)
    LIKE ... INCLUDING RELOPTIONS: yes (DWS manual, CREATE TABLE)
    CREATE TABLE AS with a distribution: yes: DISTRIBUTE BY HASH, before the query (DWS manual, CREATE TABLE AS)
    UPDATE of distribution columns: no: DELETE and INSERT (DWS manual, UPDATE)
    a table keeps the order of a COPY: no (by descent, not checked)
    ANALYZE in a transaction: yes (DWS manual, ANALYZE)
    an upsert tells its inserts: no (by descent, not checked)
    rows compared byte by byte: no (by descent, not checked)
    generated columns: no (by descent, not checked)
    identity columns: no (by descent, not checked)
    indexes with INCLUDE: no (by descent, not checked)
    a table takes the place of another: no: TRUNCATE (by descent, not checked)
    ROLLBACK undoes TRUNCATE: yes (by descent, not checked)
    TRUNCATE ... RESTART IDENTITY: no (by descent, not checked)
    PREPARE TRANSACTION: no (DWS manual, page on psycopg2)
    advisory locks: no: lock a row of a control table (DWS manual, Advisory Lock Functions)
    a limit for the wait for a lock: no: lockwait_timeout, which needs a system administrator (DWS manual, Lock Management)
    a limit for idle sessions that can be switched off: yes: session_timeout (DWS manual, Security and Authentication (postgresql.conf))
    SET default_transaction_read_only: no: SET TRANSACTION READ ONLY (DWS manual, page on psycopg2)
    a used session made like new: yes: SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; CLOSE ALL; SELECT pg_advisory_unlock_all() (DWS manual, page on psycopg2)
    cursors WITH HOLD: no: close it before COMMIT (DWS manual, page on psycopg2)
    SCROLL cursors: no (DWS manual, page on psycopg2)
    pg_export_snapshot(): no (by descent, not checked)
    to_regclass(): no: a join of pg_class and pg_namespace (by descent, not checked)
    LISTEN and NOTIFY: no (DWS manual, page on psycopg2)
    the server repeats a statement when a node fails: yes: a single statement outside a transaction; never COPY (DWS manual, Automatic Retry upon SQL Statement Execution Errors)
    ");
}
