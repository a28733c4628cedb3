//! Every way in which a COPY does not come to its end: the connection is usable, and the
//! transaction is where the server says it is.

use dwsload::wire::error::WireError;
use dwsload::wire::session::{Session, Status};

use super::{code, load, one, tables};
use crate::support::session::{block_on, session};

/// Looks whether a failed statement left the connection usable, its transaction aborted, and the
/// savepoint `s` there to go back to.
async fn assert_usable(session: &mut Session, after: &str) {
    // The first use settles what was left under way.
    let aborted = session.run("SELECT 1").await.unwrap_err();
    assert_eq!(code(&aborted), "25P02", "{after}");
    assert_eq!(session.status(), Status::Aborted, "{after}");
    session.run("ROLLBACK TO s").await.unwrap();
    assert_eq!(session.status(), Status::InTransaction, "{after}");
    let rows = load(session, "COPY t FROM STDIN", &[b"1\n", b"2"]).await;
    assert_eq!(rows.unwrap(), 2, "{after}");
    assert_eq!(one(session, "SELECT count(*) FROM t").await, "2", "{after}");
}

#[test]
fn a_refused_copy_leaves_connection_and_savepoint_usable() {
    let database = tables();
    let many = b"1\n".repeat(500_000);
    block_on(async {
        let mut session = session(&database.url()).await;
        for (role, sql, data, expected) in [
            ("NONE", "COPY nowhere FROM STDIN", "", "42P01"),
            ("NONE", "COPY t FROM STDIN WITH (FORMAT", "", "42601"),
            ("NONE", "COPY t (m) FROM STDIN", "", "42703"),
            ("weak", "COPY nobodys FROM STDIN", "", "42501"),
            ("NONE", "COPY t FROM STDIN", "1\nx\n", "22P02"),
            ("NONE", "COPY u FROM STDIN", "1\n", "P0042"),
            ("NONE", "COPY u FROM STDIN", "", "P0042"),
            ("NONE", "COPY nowhere TO STDOUT", "", "42P01"),
            (
                "NONE",
                "COPY (SELECT 1 / (2000 - n) FROM generate_series(1, 3000) n) TO STDOUT",
                "",
                "22012",
            ),
        ] {
            let what = format!("{sql} with {data:?} as {role}");
            let begin = format!("BEGIN; SAVEPOINT s; SET LOCAL ROLE {role}");
            session.run(&begin).await.unwrap();
            let refused = if sql.contains("TO STDOUT") {
                match session.copy_out(sql).await {
                    Ok(copy) => copy.finish().await.map(drop),
                    Err(error) => Err(error),
                }
            } else {
                let blocks = [data.as_bytes(), &many, &many];
                load(&mut session, sql, &blocks).await.map(drop)
            };
            assert_eq!(code(&refused.unwrap_err()), expected, "{what}");
            assert_eq!(session.status(), Status::Aborted, "{what}");
            assert_usable(&mut session, &what).await;
            session.run("ROLLBACK").await.unwrap();
            assert_eq!(session.status(), Status::Idle, "{what}");
        }
        assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
    });
}

#[test]
fn a_refusal_outside_of_a_transaction_leaves_none() {
    let database = tables();
    block_on(async {
        let mut session = session(&database.url()).await;
        let refused = load(&mut session, "COPY t FROM STDIN", &[b"1\nx\n"]).await;
        let said = refused.unwrap_err();
        assert_eq!(code(&said), "22P02");
        assert_eq!(
            said.server().unwrap().context.as_deref(),
            Some("COPY t, line 2, column n: \"x\"")
        );
        assert_eq!(session.status(), Status::Idle);
        assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
    });
}

#[test]
fn a_copy_dropped_midway_loads_nothing_and_leaves_the_connection_usable() {
    let database = tables();
    let rows = "SELECT n, repeat('x', 700) FROM generate_series(1, 100000) n";
    block_on(async {
        let mut session = session(&database.url()).await;
        // How many blocks are received before the drop; 0 is a COPY in.
        for blocks in 0..5 {
            session.run("BEGIN; SAVEPOINT s").await.unwrap();
            if blocks == 0 {
                let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
                copy.send(b"1\n2\n").await.unwrap();
            } else {
                let sql = format!("COPY ({rows}) TO STDOUT");
                let mut copy = session.copy_out(&sql).await.unwrap();
                let mut block = Vec::new();
                for count in 1..=blocks {
                    // Of an odd size, to stop within a row.
                    assert!(copy.receive(&mut block, count * 7777).await.unwrap());
                }
            }
            assert_usable(&mut session, &format!("{blocks} blocks")).await;
            session.run("ROLLBACK").await.unwrap();
        }
        assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
    });
}

#[test]
fn data_that_nobody_receives_is_skipped() {
    let database = tables();
    let sql = "COPY (SELECT repeat('x', 100000) FROM generate_series(1, 50)) TO STDOUT";
    block_on(async {
        let mut session = session(&database.url()).await;
        for limit in [0, 1, 150_000] {
            let mut copy = session.copy_out(sql).await.unwrap();
            copy.receive(&mut Vec::new(), limit).await.unwrap();
            assert_eq!(copy.finish().await.unwrap(), 50, "{limit}");
        }
        assert_eq!(one(&mut session, "SELECT 1").await, "1");
    });
}

#[test]
fn a_copy_that_is_aborted_loads_nothing() {
    let database = tables();
    block_on(async {
        let mut session = session(&database.url()).await;
        session.run("BEGIN; SAVEPOINT s").await.unwrap();
        let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.send(b"1\n2\n").await.unwrap();
        copy.abort("the reason, with a \0 in it").await.unwrap();
        assert_eq!(session.status(), Status::Aborted);
        assert_usable(&mut session, "abort").await;
    });
}

#[test]
fn a_failed_copy_names_the_reason_that_was_given() {
    let database = tables();
    block_on(async {
        let mut session = session(&database.url()).await;
        let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.fail_data("no more input").await.unwrap();
        let said = copy.finish().await.unwrap_err();
        assert_eq!(code(&said), "57014");
        assert!(
            said.server().unwrap().message.ends_with("no more input"),
            "{said:?}"
        );
        assert_eq!(session.status(), Status::Idle);
    });
}

#[test]
fn a_second_copy_in_the_same_string_is_failed_and_takes_the_first_with_it() {
    let database = tables();
    let both = "COPY t FROM STDIN; COPY t FROM STDIN";
    block_on(async {
        let mut session = session(&database.url()).await;
        session.run("BEGIN; SAVEPOINT s").await.unwrap();
        let refused = load(&mut session, both, &[b"1\n"]).await.unwrap_err();
        assert_eq!(code(&refused), "57014");
        assert_usable(&mut session, both).await;
        session.run("ROLLBACK").await.unwrap();
        let refused = load(&mut session, both, &[b"1\n"]).await.unwrap_err();
        assert_eq!(code(&refused), "57014");
        assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
    });
}

#[test]
fn sql_of_another_kind_than_expected_is_settled() {
    let database = tables();
    block_on(async {
        let mut session = session(&database.url()).await;
        for (out, sql) in [
            (true, "COPY t FROM STDIN"),
            (true, "SELECT n FROM generate_series(1, 100000) n"),
            (true, ""),
            (
                false,
                "COPY (SELECT n FROM generate_series(1, 100000) n) TO STDOUT",
            ),
            (false, "SELECT 1"),
            (false, "COPY (SELECT 1) TO STDOUT; COPY t FROM STDIN"),
            (false, "INSERT INTO t VALUES (1); SELECT 1 / 0"),
        ] {
            session.run("BEGIN; SAVEPOINT s").await.unwrap();
            let began = if out {
                session.copy_out(sql).await
            } else {
                session.copy_in(sql).await
            };
            assert!(matches!(began, Err(WireError::Protocol(_))), "{sql}");
            // A statement may have come to its end before it could be cancelled.
            session.run("ROLLBACK TO s").await.unwrap();
            assert_eq!(session.status(), Status::InTransaction, "{sql}");
            assert_eq!(
                one(&mut session, "SELECT count(*) FROM t").await,
                "0",
                "{sql}"
            );
            session.run("ROLLBACK").await.unwrap();
        }
    });
}

#[test]
fn a_statement_without_data_ends_by_itself_when_it_asks_for_some() {
    let database = tables();
    block_on(async {
        let mut session = session(&database.url()).await;
        let refused = session.run("COPY t FROM STDIN").await.unwrap_err();
        assert_eq!(code(&refused), "57014");
        let tags = session.run("COPY (SELECT 1) TO STDOUT; SELECT 2").await;
        assert_eq!(tags.unwrap(), ["COPY 1", "SELECT 1"]);
        let rows = session.rows("COPY t FROM STDIN").await;
        assert_eq!(code(&rows.unwrap_err()), "57014");
        assert_eq!(one(&mut session, "SELECT 1").await, "1");
    });
}
