//! What `dwsload doctor` says of TLS and of logins.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{Authority, PASSWORD, Shared, text};
use crate::support::proxy::{Manner, Proxy};
use crate::support::server::{Options, Server};
use crate::support::{Ran, Workplace};

/// The doctor's lines for a URL without a password, which comes from the environment; and its exit
/// code.
fn doctor(place: &Workplace, url: &str, password: &str) -> (String, Option<i32>) {
    let mut command = place.dwsload();
    command.args(["doctor", url]).env("PGPASSWORD", password);
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.stderr, "");
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(!said.contains(password), "{said}");
    (said, ran.code)
}

#[test]
fn a_certificate_is_shown_with_how_it_was_checked() {
    let shared = Shared::server();
    let database = shared.server.database();
    let place = Workplace::new();
    let root = place.file("root.crt", &shared.ours.root);
    let stranger = place.file("stranger.crt", Authority::new().root);
    let role = shared.role("by_scram");
    let shown = "dw.example.com, 127.0.0.1; signed by rcgen self signed cert; ECDSA P-256; until 4096-01-01 (";
    for (parameters, code, parts) in [
        (
            format!("sslmode=verify-full&sslrootcert={}", text(&root)),
            0,
            vec![
                format!("ok    tls         TLS 1.3, AES_256_GCM_SHA384, verified by {}, name included, ", text(&root)),
                format!("ok    certificate {shown}"),
                "ok    login       SCRAM-SHA-256-PLUS; protocol 3.".into(),
            ],
        ),
        (
            format!("sslmode=verify-ca&sslrootcert={}", text(&root)),
            0,
            vec![", without the name, ".into()],
        ),
        (
            "sslmode=require&channel_binding=disable".into(),
            0,
            vec![
                "not verified (sslmode=require), ".into(),
                "ok    login       SCRAM-SHA-256; protocol 3.".into(),
            ],
        ),
        (
            "sslmode=disable".into(),
            0,
            vec![
                "skip  tls         not used (sslmode=disable)".into(),
                "ok    login       SCRAM-SHA-256; protocol 3.".into(),
            ],
        ),
        (
            format!("sslmode=verify-full&sslrootcert={}", text(&stranger)),
            5,
            vec![
                "fail  tls         TLS with `127.0.0.1` failed: nobody whom we trust has signed the server's certificate\n".into(),
                format!("certificate: {shown}"),
                format!("hint: sslrootcert `{}` must hold", text(&stranger)),
            ],
        ),
        (
            format!("sslmode=prefer&sslrootcert={}", text(&stranger)),
            0,
            vec!["not verified (sslmode=prefer), ".into()],
        ),
    ] {
        let (said, found) = doctor(&place, &shared.url(&database, &role, &parameters), PASSWORD);
        assert_eq!(found, Some(code), "{parameters}: {said}");
        for part in parts {
            assert!(said.contains(&part), "{parameters}: no {part}: {said}");
        }
    }
    assert_eq!(shared.wrong_passwords(&role), 0);
}

#[test]
fn a_name_that_is_not_the_certificates_is_said_with_those_that_are() {
    let shared = Shared::server();
    let place = Workplace::new();
    let root = place.file("root.crt", &shared.ours.root);
    let url = format!(
        "postgresql://test@example.com:{}/postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}",
        shared.server.port(),
        text(&root)
    );
    let (said, code) = doctor(&place, &url, PASSWORD);
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("the server's certificate is for another name"),
        "{said}"
    );
    assert!(
        said.contains("certificate: dw.example.com, 127.0.0.1; "),
        "{said}"
    );
    assert!(
        said.contains("hint: connect by a name of the certificate"),
        "{said}"
    );
}

#[test]
fn a_wrong_password_is_one_attempt_and_said_with_the_method() {
    let shared = Shared::server();
    let database = shared.server.database();
    for (group, method) in [("by_scram", "SCRAM-SHA-256-PLUS"), ("by_md5", "MD5")] {
        let role = shared.role(group);
        // A second host, which must not be asked.
        let url = shared.url(&database, &role, "sslmode=prefer").replace(
            "@127.0.0.1",
            &format!("@127.0.0.1:{},127.0.0.1", shared.server.port()),
        );
        let (said, code) = doctor(&Workplace::new(), &url, "wrong-password");
        assert_eq!(code, Some(5), "{said}");
        assert!(
            said.contains("fail  login       password authentication failed"),
            "{said}"
        );
        assert!(said.contains(&format!("asked for: {method}\n")), "{said}");
        assert!(
            said.contains("hint: check the user and the password"),
            "{said}"
        );
        assert_eq!(shared.wrong_passwords(&role), 1, "{said}");
    }
}

#[test]
fn no_password_an_unknown_database_and_no_admission_are_told_apart() {
    let shared = Shared::server();
    let database = shared.server.database();
    let place = Workplace::new();
    let (scram, tls_only) = (shared.role("by_scram"), shared.role("tls_only"));
    let nowhere = format!(
        "postgresql://test@127.0.0.1:{}/nowhere",
        shared.server.port()
    );
    for (url, password, part) in [
        (
            shared.url(&database, &scram, ""),
            "",
            "the server asks for a password, and there is none",
        ),
        (nowhere, "x y z", "hint: check the database name"),
        (
            shared.url(&database, &tls_only, "sslmode=disable"),
            "x y z",
            "(pg_hba.conf) do not admit",
        ),
    ] {
        let mut command = place.dwsload();
        command.args(["doctor", &url]);
        if !password.is_empty() {
            command.env("PGPASSWORD", password);
        }
        let ran = Ran::of(command.output().unwrap());
        let said = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.code, Some(5), "{said}");
        assert!(said.contains("fail  login "), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_server_without_tls_is_said_to_have_none() {
    let database = Server::shared().database();
    let proxy = Proxy::new(&database, Manner::Straight);
    let place = Workplace::new();
    let url = proxy.url(&database);
    let (said, code) = doctor(&place, &format!("{url}?sslmode=require"), "x y z");
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("fail  tls         the server does not offer TLS"),
        "{said}"
    );
    let (said, code) = doctor(&place, &url, "x y z");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("skip  tls         the server has none (sslmode=prefer)"),
        "{said}"
    );
}

#[test]
fn an_expired_certificate_fails_where_it_is_checked_and_is_a_warning_elsewhere() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_after = date_time_ymd(2020, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    let server = Server::start(&Options::tls(certificate.clone(), key.serialize_pem()));
    let place = Workplace::new();
    let root = place.file("root.crt", certificate);
    let url = |parameters: &str| {
        format!(
            "postgresql://test@127.0.0.1:{}/postgres?{parameters}",
            server.port()
        )
    };
    let checked = format!("sslmode=verify-ca&sslrootcert={}", text(&root));
    let (said, code) = doctor(&place, &url(&checked), "x y z");
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("the server's certificate has expired"),
        "{said}"
    );
    assert!(said.contains("expired on 2020-01-01"), "{said}");
    let (said, code) = doctor(&place, &url("sslmode=require"), "x y z");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(
            "warn  certificate localhost; self-signed; ECDSA P-256; expired on 2020-01-01"
        ),
        "{said}"
    );
}
