//! Clients of Gauss servers that are not ours, through the gate: what it asks and accepts is what
//! they know of the protocol too.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Account, Fault, Gate, Opening, Point, Product, ServerError, Stored};
use crate::support::python::python;
use crate::support::server::{Database, Server};
use crate::support::session::block_on;

/// Has a client log in and load two rows; what it says of that.
fn load(client: &str, how: &str, gate: &Gate, database: &Database, user: &str) -> Value {
    let mut process = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gate/clients.py"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python runs");
    let asked = json!({
        "client": client,
        "how": how,
        "host": "127.0.0.1",
        "port": gate.port(),
        "user": user,
        "password": "Loader@2024",
        "database": database.name(),
    });
    let mut stdin = process.stdin.take().expect("it is piped");
    writeln!(stdin, "{asked}").expect("clients.py reads");
    drop(stdin);
    let output = process.wait_with_output().expect("clients.py ends");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!(
            "{client} as {user}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A gate with an account for each way to keep a password that these clients know.
fn gate(database: &Database) -> Gate {
    let account = |name: &str| Account::new(name, "Loader@2024");
    let accounts = [
        account("u_sha"),
        account("u_comb").stored(Stored::Combined),
        account("u_md5").stored(Stored::Md5),
        account("u_2048").rounds(2048),
        account("u_50000").rounds(50_000),
    ];
    accounts
        .into_iter()
        .fold(
            Gate::before(database).playing(Product::OpenGauss),
            Opening::account,
        )
        .open()
}

#[test]
fn independent_clients_log_in_and_load() {
    const VERSION: &str = "(openGauss 3.0.6 build )";
    let database = Server::shared().database();
    database.psql("CREATE TABLE t (a int, b text)");
    for (client, how, users) in [
        (
            "py-opengauss",
            "stdin",
            &["u_sha", "u_comb", "u_md5", "u_2048", "u_50000"][..],
        ),
        // It takes every number of rounds for 10000.
        ("async-gaussdb", "csv", &["u_sha", "u_comb", "u_md5"]),
    ] {
        for user in users {
            database.psql("TRUNCATE t");
            let gate = gate(&database);
            let said = load(client, how, &gate, &database, user);
            let version = said["version"].as_str().unwrap_or_default();
            assert!(version.starts_with(VERSION), "{client} as {user}: {said}");
            assert_eq!(said["rows"], 2, "{client} as {user}");
            let rows = database.psql("SELECT a, b FROM t ORDER BY a");
            assert_eq!(rows, "1|x\n2|y", "{client} as {user}");
            assert_eq!((gate.sessions(), gate.failed_logins()), (1, 0), "{client}");
        }
    }
}

/// As recorded: it writes `FORMAT binary`, which a Gauss server does not parse.
#[test]
fn the_binary_copy_of_async_gaussdb_is_refused() {
    let database = Server::shared().database();
    database.psql("CREATE TABLE t (a int, b text)");
    let gate = gate(&database);
    let said = load("async-gaussdb", "binary", &gate, &database, "u_sha");
    assert_eq!(said["refused"], "42601", "{said}");
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
    let refused = gate.refused();
    assert!(
        refused.iter().any(|sql| sql.contains("(FORMAT binary)")),
        "{refused:?}"
    );
}

/// Which knows MD5 alone, and does all in the extended protocol.
#[test]
fn tokio_postgres_is_refused_and_fails_in_the_extended_protocol() {
    let database = Server::shared().database();
    database.psql("CREATE TABLE t (a int, b text)");
    let pooler = || ServerError::new("08006", "pooler: failed to create 1 connections");
    let gate = Gate::before(&database)
        .account(Account::new("loader", "Loader@2024").stored(Stored::Md5))
        .fault(Fault::error(Point::OnStatement("insert"), pooler()))
        .fault(Fault::error(Point::AfterCopyResponse, pooler()))
        .open();
    block_on(async {
        let tls = tokio_postgres::NoTls;
        let (client, connection) = tokio_postgres::connect(&gate.url(), tls)
            .await
            .expect("a login");
        tokio::spawn(connection);
        let code =
            |error: tokio_postgres::Error| error.code().expect("a refusal").code().to_owned();
        let nodes = "SELECT count(*) FROM pgxc_node WHERE node_type = $1::text::\"char\"";
        let row = client.query_one(nodes, &[&"D"]).await.expect("a row");
        assert_eq!(row.get::<_, i64>(0), 6);
        for (sql, expected) in [
            ("UNLISTEN *", Some("0A000")),
            ("INSERT INTO t VALUES (1)", Some("08006")),
            ("INSERT INTO t VALUES (1)", None),
        ] {
            let done = client.execute(sql, &[]).await;
            assert_eq!(done.err().map(code).as_deref(), expected, "{sql}");
        }
        let sink = client
            .copy_in::<_, bytes::Bytes>("COPY t FROM STDIN")
            .await
            .expect("a COPY");
        let mut sink = std::pin::pin!(sink);
        let done = sink.as_mut().finish().await;
        assert_eq!(done.err().map(code).as_deref(), Some("08006"));
    });
    assert_eq!(gate.refused(), ["UNLISTEN *"]);
    assert_eq!(gate.faults_fired(), 2);
    assert_eq!(database.psql("SELECT count(*) FROM t"), "1");
}
