//! Logins on a real PostgreSQL, which must not notice that dwsload also knows Gauss servers.

use dwsload::secret::Secret;
use dwsload::wire::connect::connect;
use dwsload::wire::session::Session;
use dwsload::wire::target::{Address, ChannelBinding, Host, SslMode, Target};
use rcgen::{CertificateParams, KeyPair};

use crate::support::server::{Options, Server};
use crate::support::session::block_on;

/// A server that offers TLS, asks by every method, and logs who connects.
fn server() -> Server {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let mut options = Options::tls(certificate.pem(), key.serialize_pem());
    options.config.push("log_connections=on".into());
    let line = |method: &str| {
        format!(
            "host all u_{} 127.0.0.1/32 {method}",
            method.replace('-', "_")
        )
    };
    options.hba = ["trust", "password", "md5", "scram-sha-256", "reject"]
        .map(line)
        .into();
    let server = Server::start(&options);
    for (user, stored) in [
        ("u_trust", "md5"),
        ("u_password", "md5"),
        ("u_md5", "md5"),
        ("u_scram_sha_256", "scram-sha-256"),
        ("u_reject", "md5"),
    ] {
        let sql = format!(
            "SET password_encryption = '{stored}'; CREATE ROLE {user} LOGIN PASSWORD 'hunter2'"
        );
        server.psql("postgres", &sql);
    }
    server
}

fn target(server: &Server, user: &str, password: &str, mode: SslMode) -> Target {
    let host = Host {
        address: Address::Tcp {
            name: "localhost".into(),
            addr: Some("127.0.0.1".parse().expect("an address")),
        },
        port: server.port(),
        password: Some(Secret::new(password)),
    };
    let mut target = Target::new(host, user, "postgres");
    target.tls.mode = mode;
    target
}

/// Logs in, looks around and says goodbye. `Err` is the error as people read it.
fn visit(target: &Target) -> Result<(), String> {
    block_on(async {
        let mut session: Session = connect(target, "dwsload")
            .await
            .map_err(|error| dwsload::error::render(&error))?;
        let rows = session.rows("SELECT 1").await.expect("a statement");
        assert_eq!(rows[0].text(0).as_deref(), Some("1"));
        assert!(session.parameter("server_version").is_some());
        session.close().await;
        Ok(())
    })
}

/// How many connections the server has had from `127.0.0.1`.
fn connections(server: &Server) -> usize {
    server
        .log()
        .matches("connection received: host=127.0.0.1")
        .count()
}

#[test]
fn every_method_of_postgresql_works_with_one_connection_each() {
    let server = server();
    for mode in [SslMode::Disable, SslMode::Require] {
        for user in ["u_trust", "u_password", "u_md5", "u_scram_sha_256"] {
            let before = connections(&server);
            visit(&target(&server, user, "hunter2", mode)).expect(user);
            assert_eq!(connections(&server) - before, 1, "{user} {mode:?}");
        }
    }
}

#[test]
fn scram_is_bound_to_the_tls_connection_where_that_is_asked_for() {
    let server = server();
    let mut bound = target(&server, "u_scram_sha_256", "hunter2", SslMode::Require);
    bound.channel_binding = ChannelBinding::Require;
    visit(&bound).expect("SCRAM-SHA-256-PLUS");
    for user in ["u_password", "u_md5"] {
        bound.user = user.into();
        let error = visit(&bound).expect_err(user);
        assert!(error.contains("without channel binding"), "{error}");
    }
}

#[test]
fn a_wrong_password_is_sent_once() {
    let server = server();
    for user in ["u_password", "u_md5", "u_scram_sha_256"] {
        let before = connections(&server);
        let wrong = target(&server, user, "hunter3", SslMode::Prefer);
        let error = visit(&wrong).expect_err(user);
        assert!(error.contains("SQLSTATE 28P01"), "{error}");
        assert!(!error.contains("hunter3"), "{error}");
        assert_eq!(connections(&server) - before, 1, "{user}");
    }
}

#[test]
fn a_login_that_the_rules_reject_is_asked_once_more_without_tls() {
    let server = server();
    let before = connections(&server);
    let rejected = target(&server, "u_reject", "hunter2", SslMode::Prefer);
    let error = visit(&rejected).expect_err("no admission");
    assert!(error.contains("SQLSTATE 28000"), "{error}");
    assert_eq!(connections(&server) - before, 2);
}

#[test]
fn a_statement_is_cancelled_by_the_key_of_the_login() {
    let server = server();
    let target = target(&server, "u_md5", "hunter2", SslMode::Disable);
    block_on(async {
        let mut session = connect(&target, "dwsload").await.expect("a session");
        let canceller = session.canceller();
        let sleep = session.run("SELECT pg_sleep(60)");
        let cancel = async {
            // The statement may not have begun: ask until it is over.
            loop {
                canceller.cancel().await.expect("a cancel");
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = sleep => {
                let error = outcome.expect_err("cancelled");
                assert_eq!(error.server().expect("a refusal").code, "57014");
            }
            () = cancel => {}
        }
    });
}
