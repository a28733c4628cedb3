//! dwsload through the gate.

use std::time::{Duration, Instant};

use dwsload::wire::session::Session;

use super::{Account, Gate, Hba, Legacy, Opening, Placement, Product, Stored};
use crate::support::running::until;
use crate::support::scene::Scene;
use crate::support::server::Database;
use crate::support::session::{block_on, session};
use crate::support::{Ran, job, step};

pub(super) const TABLE: &str = "CREATE TABLE t (a int, b text)";
/// Loads a file of two rows into `t`.
fn load(scene: &Scene, url: &str) -> Ran {
    scene.file("f", "1\tx\n2\ty\n");
    let keys = [("file", "f".into()), ("table", "t".into())];
    scene.place.run(&job(url, &[step("copy_from", &keys)]))
}

pub(super) fn rows(database: &Database) -> String {
    database.psql("SELECT count(*) FROM t")
}

#[test]
fn a_file_is_loaded_after_a_login_of_every_kind() {
    let scene = Scene::new(TABLE);
    let account = |name: &str| Account::new(name, "Loader@2024 é");
    let accounts = [
        account("sha256"),
        account("few").rounds(2048),
        account("many").rounds(50_000),
        account("combined").stored(Stored::Combined),
        account("combined_md5")
            .stored(Stored::Combined)
            .hba(Hba::Md5),
        account("md5").stored(Stored::Md5),
        account("sm3").stored(Stored::Sm3).hba(Hba::Sm3),
        account("code11").hba(Hba::Md5),
        account("plain").legacy(Legacy::Plain),
        account("legacy_md5")
            .stored(Stored::Md5)
            .legacy(Legacy::Md5),
        account("administrator").administrator(),
    ];
    let names: Vec<String> = accounts
        .iter()
        .map(|account| account.name.clone())
        .collect();
    let gate = accounts
        .into_iter()
        .fold(Gate::before(&scene.database), Opening::account)
        .open();
    for (index, name) in names.iter().enumerate() {
        let ran = load(&scene, &gate.url_for(name));
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        assert_eq!(
            rows(&scene.database),
            (2 * (index + 1)).to_string(),
            "{name}"
        );
    }
    assert_eq!(gate.failed_logins(), 0);
    assert_eq!(gate.refused(), [] as [&str; 0]);
    let logins = u32::try_from(names.len()).unwrap();
    assert_eq!((gate.connections(), gate.sessions()), (logins, logins));
}

#[test]
fn a_wrong_password_is_tried_once() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).open();
    let ran = load(&scene, &gate.url_with("loader", "wrong"));
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert_eq!(ran.sqlstate(), Some("28P01"));
    assert_eq!((gate.failed_logins(), gate.connections()), (1, 1));
    assert_eq!(rows(&scene.database), "0");
}

#[test]
fn ten_wrong_passwords_lock_the_account() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).account(Account::new("loader", "right").rounds(2048));
    let gate = gate
        .account(Account::new("other", "right").rounds(2048))
        .open();
    let code = |user, password| {
        let ran = load(&scene, &gate.url_with(user, password));
        ran.sqlstate().map(str::to_owned)
    };
    assert_eq!(code("loader", "wrong").as_deref(), Some("28P01"));
    // A right one opens the count again.
    assert_eq!(code("loader", "right"), None);
    for _ in 0..10 {
        assert_eq!(code("loader", "wrong").as_deref(), Some("28P01"));
    }
    assert_eq!(code("loader", "wrong").as_deref(), Some("28000"));
    assert_eq!(code("loader", "right").as_deref(), Some("28000"));
    assert_eq!(code("other", "right"), None);
    assert_eq!(gate.failed_logins(), 11);
}

/// Runs statements on a session; the SQLSTATE of each, empty where it succeeds.
pub(super) async fn codes(session: &mut Session, statements: &[&str]) -> Vec<String> {
    let mut codes = Vec::new();
    for statement in statements {
        codes.push(code(session, statement).await);
    }
    codes
}

pub(super) async fn code(session: &mut Session, statement: &str) -> String {
    match session.run(statement).await {
        Ok(_) => String::new(),
        Err(error) => sqlstate(&error.into()),
    }
}

pub(super) fn sqlstate(error: &dwsload::error::Error) -> String {
    let text = dwsload::error::render(error);
    let code = text
        .rsplit_once("(SQLSTATE ")
        .map(|(_, after)| after[..5].to_owned());
    code.unwrap_or(text)
}

#[test]
fn a_server_says_what_it_is() {
    let scene =
        Scene::new("CREATE TABLE t (a int, b int PRIMARY KEY); CREATE TABLE c (a int, b int)");
    let column_store = Placement {
        column_store: true,
        hash: Some(&["b", "a"]),
        replicated: false,
    };
    let dws = Gate::before(&scene.database)
        .nodes(2, 3)
        .place("c", &column_store)
        .open();
    let other =
        Scene::new("CREATE TABLE t (a int, b int PRIMARY KEY); CREATE TABLE c (a int, b int)");
    let open_gauss = Gate::before(&other.database)
        .playing(Product::OpenGauss)
        .compatibility("PG");
    let ask = |gate: &Gate, sql: &str| {
        block_on(async {
            let mut session = session(&gate.url()).await;
            assert_eq!(session.parameter("server_version"), Some("9.2.4"));
            assert_eq!(session.parameter("is_sysadmin"), Some("off"));
            assert_eq!(session.parameter("is_superuser"), None);
            assert_eq!(session.parameter("session_authorization"), Some("loader"));
            let rows = session.rows(sql).await.unwrap();
            let text = |row: &dwsload::wire::session::Row| {
                let fields = (0..row.len()).map(|at| row.text(at).unwrap_or("-".into()));
                fields.collect::<Vec<_>>().join("|")
            };
            rows.iter().map(text).collect::<Vec<_>>().join(" ")
        })
    };
    let version = "SELECT version() = pg_catalog.version(), version()";
    let compatibility = "SELECT datcompatibility FROM pg_catalog.pg_database \
                         WHERE datname = current_database()";
    let nodes =
        "SELECT node_name, node_type FROM pg_catalog.pgxc_node ORDER BY node_type, node_name";
    let hash = "SELECT pcrelid::regclass, pclocatortype, pcattnum FROM pgxc_class \
                ORDER BY pcrelid::regclass::text";
    let options = "SELECT relname, reloptions FROM pg_catalog.pg_class WHERE relname IN ('t', 'c') ORDER BY 1";
    assert!(ask(&dws, version).starts_with("t|PostgreSQL 9.2.4 (GaussDB 8.2.1 build"));
    assert_eq!(ask(&dws, compatibility), "ORA");
    assert_eq!(
        ask(&dws, nodes),
        "cn_5001|C cn_5002|C dn_6001_6002|D dn_6003_6004|D dn_6005_6006|D"
    );
    assert_eq!(ask(&dws, hash), "c|H|2 1 t|H|2");
    assert_eq!(
        ask(&dws, options),
        "c|{orientation=column,compression=low} t|{orientation=row,compression=no}"
    );
    assert_eq!(ask(&dws, "SHOW sql_compatibility"), "ORA");
    let replicated = Placement {
        replicated: true,
        ..Placement::default()
    };
    dws.place("c", &replicated);
    assert_eq!(ask(&dws, hash), "c|R| t|H|2");
    assert_eq!(
        ask(&dws, options),
        "c|{orientation=row,compression=no} t|{orientation=row,compression=no}"
    );
    let open_gauss = open_gauss.open();
    assert!(ask(&open_gauss, version).starts_with("t|(openGauss 3.0.6 build )"));
    assert_eq!(ask(&open_gauss, compatibility), "PG");
    assert_eq!(ask(&open_gauss, nodes), "");
    assert_eq!(ask(&open_gauss, hash), "");
}

/// Whom the server behind the gate lets do less.
#[test]
fn an_account_may_work_as_a_role_of_few_rights() {
    let scene = Scene::new(TABLE);
    let role = format!("{}_role", scene.database.name());
    scene.database.psql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}"
    ));
    let gate = Gate::before(&scene.database)
        .account(Account::new("reader", "Loader@2024").role(&role))
        .open();
    block_on(async {
        let mut session = session(&gate.url()).await;
        let statements = [
            "SELECT * FROM t",
            "INSERT INTO t VALUES (1)",
            "SELECT version(), node_name, pcrelid, reloptions \
             FROM pgxc_node, pgxc_class, pg_class, pg_database",
            "SET lockwait_timeout = 1000",
        ];
        let expected = ["", "42501", "", "42501"];
        assert_eq!(codes(&mut session, &statements).await, expected);
        session.close().await;
    });
    drop(gate);
    scene
        .database
        .psql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn what_the_server_does_not_have_is_refused_and_the_rest_is_not() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database)
        .playing(Product::OpenGauss)
        .open();
    block_on(async {
        let mut session = session(&gate.url()).await;
        let statements = [
            "DISCARD ALL",
            "LISTEN x; SELECT 1",
            "SELECT 1; INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "SET lock_timeout = 1000",
            "SET session_timeout = 0; SELECT set_config('session_timeout', '0', false)",
            "BEGIN",
            "TRUNCATE t RESTART IDENTITY",
            "UNLISTEN *",
            "COPY t FROM STDIN (FORMAT binary)",
            "ROLLBACK",
            "SELECT 'LISTEN x'",
        ];
        let expected = [
            "0A000", "0A000", "42601", "42704", "", "", "0A000", "25P02", "42601", "", "",
        ];
        assert_eq!(codes(&mut session, &statements).await, expected);
        let error = session.run("NOTIFY ch").await.unwrap_err();
        let text = dwsload::error::render(&error.into());
        assert!(
            text.contains("NOFITY statement is not yet supported."),
            "{text}"
        );
        let error = session.run("COPY t TO '/tmp/x'").await.unwrap_err();
        let text = dwsload::error::render(&error.into());
        assert!(text.contains("prohibited for security concerns"), "{text}");
    });
    assert_eq!(gate.refused().len(), 9);
    assert_eq!(gate.refused()[1], "LISTEN x");
    assert_eq!(gate.statements().len(), 16);
    assert_eq!(rows(&scene.database), "0");
}

#[test]
fn a_session_that_is_idle_too_long_is_ended_unless_it_asked_for_more() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database)
        .session_timeout(Duration::from_millis(400))
        .open();
    block_on(async {
        let mut patient = session(&gate.url()).await;
        assert_eq!(code(&mut patient, "SET session_timeout = 0").await, "");
        let mut idle = session(&gate.url()).await;
        let mut busy = session(&gate.url()).await;
        // What takes its time is not idle.
        assert_eq!(code(&mut busy, "SELECT pg_sleep(0.9)").await, "");
        assert_eq!(code(&mut idle, "SELECT 1").await, "57P01");
        assert_eq!(code(&mut patient, "SELECT 1").await, "");
    });
}

#[test]
fn a_cancel_request_reaches_the_server() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).open();
    let started = Instant::now();
    block_on(async {
        let mut session = session(&gate.url()).await;
        let canceller = session.canceller();
        let (found, cancelled) = futures::join!(code(&mut session, "SELECT pg_sleep(20)"), async {
            until("the statement to run", || {
                let sql =
                    "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(20)'";
                (scene.database.psql(sql) == "1").then_some(())
            });
            canceller.cancel().await
        });
        cancelled.unwrap();
        assert_eq!(found, "57014");
    });
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_closed_gate_leaves_no_session_behind() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).open();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dwsload:test' \
               AND datname = current_database()";
    block_on(async {
        let _session = session(&gate.url()).await;
        assert_eq!(scene.database.psql(sql), "1");
        drop(gate);
        until("the session to end", || {
            (scene.database.psql(sql) == "0").then_some(())
        });
    });
}
