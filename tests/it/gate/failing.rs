//! dwsload where the gate fails on purpose.

use dwsload::wire::session::{Session, Status};

use super::ourselves::{TABLE, code, codes, rows, sqlstate};
use super::{Fault, Gate, Point, ServerError, Subtransactions};
use crate::support::job;
use crate::support::scene::Scene;
use crate::support::session::{block_on, session};

const POOLER: &str = "pooler: failed to create 1 connections, Error Message: remote node \
                      dn_6003_6004, detail: could not connect to server: Operation now in progress";

fn pooler() -> ServerError {
    ServerError::new("08006", POOLER)
}

fn administrator_command() -> ServerError {
    let message = "terminating connection due to administrator command";
    ServerError::new("57P01", message)
}

/// A COPY of one row; its SQLSTATE, empty where it succeeds.
async fn copy(session: &mut Session, row: &'static [u8]) -> String {
    let done = async {
        let mut exchange = session.copy_in("COPY t FROM STDIN").await?;
        exchange.send(row).await?;
        exchange.end_data().await?;
        exchange.finish().await
    };
    match done.await {
        Ok(_) => String::new(),
        Err(error) => sqlstate(&error.into()),
    }
}

#[test]
fn a_copy_behind_a_savepoint_costs_the_transaction_or_does_not() {
    let scene = Scene::new(TABLE);
    for (manner, good, bad) in [
        (Subtransactions::Refused, "0A000", "0A000"),
        (Subtransactions::LostOnFailure, "", "22P02"),
        (Subtransactions::Allowed, "", "22P02"),
    ] {
        scene.database.psql("TRUNCATE t");
        let gate = Gate::before(&scene.database).subtransactions(manner).open();
        block_on(async {
            let mut session = session(&gate.url()).await;
            assert_eq!(codes(&mut session, &["BEGIN"]).await, [""]);
            assert_eq!(copy(&mut session, b"1\ta\n").await, "");
            assert_eq!(
                codes(&mut session, &["SAVEPOINT s", "RELEASE s"]).await,
                ["", ""]
            );
            assert_eq!(copy(&mut session, b"2\tb\n").await, "");
            assert_eq!(codes(&mut session, &["SAVEPOINT s"]).await, [""]);
            assert_eq!(copy(&mut session, b"3\tb\n").await, good, "{manner:?}");
            if good.is_empty() {
                assert_eq!(copy(&mut session, b"x\tb\n").await, bad, "{manner:?}");
            }
            assert_eq!(session.status(), Status::Aborted);
            let saved = code(&mut session, "ROLLBACK TO SAVEPOINT s").await;
            let tags = session.run("COMMIT").await.unwrap();
            let (expected, tag, count) = match manner {
                Subtransactions::Allowed => ("", "COMMIT", "2"),
                _ => ("25P02", "ROLLBACK", "0"),
            };
            assert_eq!(
                (saved.as_str(), tags[0].as_str()),
                (expected, tag),
                "{manner:?}"
            );
            assert_eq!(rows(&scene.database), count, "{manner:?}");
            // The next transaction is another one.
            assert_eq!(copy(&mut session, b"4\tb\n").await, "");
        });
    }
}

/// Where a COPY in a transaction fails with an error, the transaction is there and has failed; with
/// anything else, the connection is gone. Nothing of it is in the table.
#[test]
fn a_copy_fails_where_and_how_it_is_asked_to() {
    let scene = Scene::new(TABLE);
    for point in [
        Point::OnStatement("copy t"),
        Point::BeforeCopy,
        Point::AfterCopyResponse,
        Point::DuringCopy(2),
        Point::AfterCopyData,
    ] {
        for fault in [
            Fault::error(point.clone(), pooler()),
            Fault::fatal(point.clone(), administrator_command()),
            Fault::cut(point.clone()),
        ] {
            scene.database.psql("TRUNCATE t");
            let shown = format!("{fault:?}");
            let expected = match () {
                () if shown.contains("manner: Error") => "08006",
                () if shown.contains("manner: Fatal") => "57P01",
                () => "",
            };
            let gate = Gate::before(&scene.database).fault(fault).open();
            block_on(async {
                let mut session = session(&gate.url()).await;
                code(&mut session, "BEGIN").await;
                let found = copy(&mut session, b"1\tabc\n2\txyz\n").await;
                assert_eq!(gate.faults_fired(), 1, "{shown}");
                if expected.is_empty() {
                    assert!(found.len() > 5, "{shown}: {found}");
                } else {
                    assert_eq!(found, expected, "{shown}");
                }
                if expected == "08006" {
                    assert_eq!(session.status(), Status::Aborted, "{shown}");
                    assert_eq!(
                        codes(&mut session, &["SELECT 1", "ROLLBACK"]).await,
                        ["25P02", ""]
                    );
                    // Outside of a transaction too, and once only.
                    assert_eq!(copy(&mut session, b"3\tabc\n").await, "", "{shown}");
                    assert_eq!(session.status(), Status::Idle, "{shown}");
                } else {
                    assert_ne!(code(&mut session, "SELECT 1").await, "", "{shown}");
                }
            });
            let count = if expected == "08006" { "1" } else { "0" };
            assert_eq!(rows(&scene.database), count, "{shown}");
        }
    }
}

#[test]
fn a_commit_fails_before_it_is_done_or_after() {
    let scene = Scene::new(TABLE);
    for (point, is_done) in [(Point::AtCommit, false), (Point::AfterCommit, true)] {
        for fault in [
            Fault::error(point.clone(), pooler()),
            Fault::fatal(point.clone(), administrator_command()),
            Fault::cut(point.clone()),
        ] {
            scene.database.psql("TRUNCATE t");
            let shown = format!("{fault:?}");
            let gate = Gate::before(&scene.database).fault(fault.nth(2)).open();
            block_on(async {
                let mut session = session(&gate.url()).await;
                assert_eq!(
                    codes(&mut session, &["BEGIN", "COMMIT", "BEGIN"]).await,
                    ["", "", ""]
                );
                assert_eq!(copy(&mut session, b"1\tabc\n").await, "");
                let found = code(&mut session, "COMMIT").await;
                if shown.contains("manner: Error") {
                    assert_eq!(found, "08006", "{shown}");
                    assert_eq!(session.status(), Status::Idle, "{shown}");
                    assert_eq!(code(&mut session, "SELECT 1").await, "", "{shown}");
                } else {
                    assert_ne!(found, "", "{shown}");
                    assert_ne!(code(&mut session, "SELECT 1").await, "", "{shown}");
                }
            });
            assert_eq!(gate.faults_fired(), 1, "{shown}");
            assert_eq!(
                rows(&scene.database),
                if is_done { "1" } else { "0" },
                "{shown}"
            );
        }
    }
}

#[test]
fn an_answer_is_lost_behind_what_is_done() {
    let scene = Scene::new(TABLE);
    for point in [Point::AfterCopy, Point::AfterStatement("insert")] {
        for fault in [
            Fault::fatal(point.clone(), administrator_command()),
            Fault::cut(point.clone()),
        ] {
            scene.database.psql("TRUNCATE t");
            let gate = Gate::before(&scene.database).fault(fault).open();
            block_on(async {
                let mut session = session(&gate.url()).await;
                let found = match point {
                    Point::AfterCopy => copy(&mut session, b"1\tabc\n").await,
                    _ => code(&mut session, "INSERT INTO t VALUES (1)").await,
                };
                assert_ne!(found, "", "{point:?}");
                assert_ne!(code(&mut session, "SELECT 1").await, "", "{point:?}");
            });
            assert_eq!(rows(&scene.database), "1", "{point:?}");
        }
    }
}

#[test]
fn a_server_refuses_connections_as_often_as_it_is_asked_to() {
    let scene = Scene::new(TABLE);
    let starting = ServerError::new("57P03", "the database system is starting up");
    let full = ServerError::new("53300", "Too many clients already, current: 60");
    let gate = Gate::before(&scene.database)
        .fault(Fault::fatal(Point::Start, starting).times(2))
        .fault(Fault::fatal(Point::Login, full))
        .open();
    let once = format!("retry: none\n{}", job(&gate.url(), &[]));
    let states: Vec<_> = (0..4)
        .map(|_| scene.place.run(&format!("{once}  - sql: SELECT 1\n")))
        .map(|ran| (ran.code, ran.sqlstate().map(str::to_owned)))
        .collect();
    let refused = |code: &str| (Some(5), Some(code.to_owned()));
    let expected = [
        refused("57P03"),
        refused("57P03"),
        refused("53300"),
        (Some(0), None),
    ];
    assert_eq!(states, expected);
    assert_eq!(
        (gate.connections(), gate.sessions(), gate.failed_logins()),
        (4, 1, 0)
    );
}
