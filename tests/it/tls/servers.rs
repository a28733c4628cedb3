//! Which server passes for ours, and whether the connection is encrypted.

use std::path::Path;
use std::sync::Arc;

use dwsload::error::{ErrorKind, Result, render};

use super::{Authority, Shared, is_encrypted, text};
use crate::support::Workplace;
use crate::support::proxy::{Manner, Proxy};
use crate::support::server::{Options, Server};

const MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// What came of a login: `tls`, `plain`, or the kind of its failure.
fn came_to(outcome: Result<bool>) -> String {
    match outcome {
        Ok(true) => "tls".into(),
        Ok(false) => "plain".into(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn each_sslmode_checks_as_much_of_the_server_as_libpq_does() {
    let shared = Shared::server();
    let place = Workplace::new();
    let right = place.file("right.crt", &shared.ours.root);
    let wrong = place.file("wrong.crt", Authority::new().root);
    let both = place.file(
        "both.crt",
        std::fs::read_to_string(&wrong).unwrap() + &shared.ours.root,
    );
    let port = shared.server.port().to_string();
    // With a root certificate, `require` is `verify-ca`: as in libpq.
    for (root, host, expected) in [
        (None, "127.0.0.1", "plain tls tls Usage Usage"),
        (Some(&right), "127.0.0.1", "plain tls tls tls tls"),
        (Some(&both), "127.0.0.1", "plain tls tls tls tls"),
        (Some(&right), "dw.example.com", "plain tls tls tls tls"),
        (Some(&right), "example.com", "plain tls tls tls Connect"),
        (
            Some(&wrong),
            "127.0.0.1",
            "plain tls Connect Connect Connect",
        ),
        (
            Some(&wrong),
            "example.com",
            "plain tls Connect Connect Connect",
        ),
    ] {
        let found = MODES.map(|mode| {
            let mut settings = vec![
                ("host", host),
                ("hostaddr", "127.0.0.1"),
                ("port", &port),
                ("user", "test"),
                ("dbname", "postgres"),
                ("sslmode", mode),
            ];
            settings.extend(root.map(|path| ("sslrootcert", text(path))));
            came_to(is_encrypted(&settings, &place.path("")))
        });
        assert_eq!(found.join(" "), expected, "{host}, root {root:?}");
    }
}

#[test]
fn a_root_certificate_in_the_home_folder_is_found() {
    let shared = Shared::server();
    let (place, stranger) = (Workplace::new(), Workplace::new());
    place.file(".postgresql/root.crt", &shared.ours.root);
    stranger.file(".postgresql/root.crt", Authority::new().root);
    let login = |home: &Path| shared.log_in("test", &[("sslmode", "verify-full")], home);
    assert!(login(&place.path("")).unwrap());
    let error = login(&stranger.path("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(render(&error).contains("certificate"), "{}", render(&error));
}

#[test]
fn a_name_in_the_subject_alone_counts() {
    let ours = Authority::new();
    let identity = ours.certify("dw.example.com", &[]);
    let server = Arc::new(Server::start(&Options::tls(
        identity.certificate,
        identity.key,
    )));
    let place = Workplace::new();
    let root = place.file("root.crt", &ours.root);
    let port = server.port().to_string();
    for (host, expected) in [
        ("dw.example.com", "tls tls"),
        ("DW.example.com", "tls tls"),
        ("other.example.com", "tls Connect"),
        ("127.0.0.1", "tls Connect"),
    ] {
        let found = ["verify-ca", "verify-full"].map(|mode| {
            let settings = [
                ("host", host),
                ("hostaddr", "127.0.0.1"),
                ("port", &port),
                ("user", "test"),
                ("dbname", "postgres"),
                ("sslmode", mode),
                ("sslrootcert", text(&root)),
            ];
            came_to(is_encrypted(&settings, &place.path("")))
        });
        assert_eq!(found.join(" "), expected, "{host}");
    }
}

#[test]
fn a_server_without_tls_is_taken_only_where_the_mode_allows() {
    let database = Server::shared().database();
    let proxy = Proxy::new(&database, Manner::Straight);
    let port = proxy.port().to_string();
    let place = Workplace::new();
    let root = place.file("root.crt", Authority::new().root);
    for (mode, expected) in MODES
        .into_iter()
        .zip(["plain", "plain", "Connect", "Connect", "Connect"])
    {
        let settings = [
            ("host", "127.0.0.1"),
            ("port", &port),
            ("user", database.server().user()),
            ("dbname", database.name()),
            ("sslmode", mode),
            ("sslrootcert", text(&root)),
        ];
        let outcome = is_encrypted(&settings, &place.path(""));
        if let Err(error) = &outcome {
            let said = render(error);
            assert!(
                said.contains("the server does not offer TLS"),
                "{mode}: {said}"
            );
        }
        assert_eq!(came_to(outcome), expected, "{mode}");
    }
}

#[test]
fn the_servers_rules_on_encryption_are_met_where_the_mode_allows() {
    let shared = Shared::server();
    let place = Workplace::new();
    for (group, expected) in [
        ("tls_only", ["Login", "tls", "tls"]),
        ("plain_only", ["plain", "plain", "Login"]),
    ] {
        let role = shared.role(group);
        let found = ["disable", "prefer", "require"]
            .map(|mode| came_to(shared.log_in(&role, &[("sslmode", mode)], &place.path(""))));
        assert_eq!(found, expected, "{group}");
    }
}
