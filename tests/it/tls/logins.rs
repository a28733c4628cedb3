//! Who we are: passwords, client certificates, channel binding.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dwsload::error::{ErrorKind, render};

use super::{Authority, PASSWORD, Shared, private, text};
use crate::support::{Workplace, quoted};

#[test]
fn a_client_certificate_logs_its_user_in_and_nobody_else() {
    let shared = Shared::server();
    let place = Workplace::new();
    let (role, other) = (shared.role("by_certificate"), shared.role("by_certificate"));
    let mine = shared.ours.certify(&role, &[]);
    let forged = Authority::new().certify(&role, &[]);
    let certificate = place.file("mine.crt", &mine.certificate);
    let key = private(&place, "mine.key", &mine.key);
    let forged_certificate = place.file("forged.crt", &forged.certificate);
    let forged_key = private(&place, "forged.key", &forged.key);
    let log_in = |user: &str, identity: Option<(&str, &str)>| {
        let mut settings = vec![("sslmode", "require")];
        if let Some((certificate, key)) = identity {
            settings.extend([("sslcert", certificate), ("sslkey", key)]);
        }
        let outcome = shared.log_in(user, &settings, &place.path(""));
        outcome.map_err(|error| (error.kind(), render(&error)))
    };
    let mine = (text(&certificate), text(&key));
    assert_eq!(log_in(&role, Some(mine)), Ok(true));
    for (user, identity, kind, part) in [
        (&other, Some(mine), ErrorKind::Login, "SQLSTATE 28000"),
        (
            &role,
            None,
            ErrorKind::Login,
            "requires a valid client certificate",
        ),
        (
            &role,
            Some((mine.0, text(&forged_key))),
            ErrorKind::Connect,
            "do not fit",
        ),
        (
            &role,
            Some((text(&forged_certificate), text(&forged_key))),
            ErrorKind::Login,
            "hint: check sslcert and sslkey",
        ),
    ] {
        let (found, said) = log_in(user, identity).unwrap_err();
        assert_eq!(found, kind, "{said}");
        assert!(said.contains(part), "{said}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (kind, said) = log_in(&role, Some(mine)).unwrap_err();
    assert_eq!(kind, ErrorKind::Usage, "{said}");
    assert!(said.contains("can be read by others"), "{said}");
}

#[test]
fn a_client_certificate_in_the_home_folder_is_found() {
    let shared = Shared::server();
    let place = Workplace::new();
    let role = shared.role("by_certificate");
    let identity = shared.ours.certify(&role, &[]);
    place.file(".postgresql/postgresql.crt", &identity.certificate);
    private(&place, ".postgresql/postgresql.key", &identity.key);
    assert!(shared.log_in(&role, &[], &place.path("")).unwrap());
}

#[test]
fn a_login_is_bound_to_its_channel_or_refused() {
    let shared = Shared::server();
    let place = Workplace::new();
    for (group, mode, binding, expected) in [
        ("by_scram", "require", "require", Ok(true)),
        ("by_scram", "require", "prefer", Ok(true)),
        ("by_scram", "require", "disable", Ok(true)),
        ("by_scram", "disable", "prefer", Ok(false)),
        ("by_scram", "disable", "require", Err(ErrorKind::Login)),
        ("by_md5", "require", "prefer", Ok(true)),
        ("by_md5", "require", "require", Err(ErrorKind::Login)),
        ("tls_only", "require", "require", Err(ErrorKind::Login)),
        ("plain_only", "disable", "require", Err(ErrorKind::Login)),
    ] {
        let role = shared.role(group);
        let settings = [
            ("sslmode", mode),
            ("channel_binding", binding),
            ("password", PASSWORD),
        ];
        let outcome = shared.log_in(&role, &settings, &place.path(""));
        let outcome = outcome.map_err(|error| {
            let said = render(&error);
            assert!(said.contains("channel binding"), "{said}");
            error.kind()
        });
        assert_eq!(
            outcome, expected,
            "{group}, sslmode {mode}, channel_binding {binding}"
        );
        assert_eq!(shared.wrong_passwords(&role), 0, "{group} {mode} {binding}");
    }
}

#[test]
fn a_password_is_found_wherever_libpq_finds_it() {
    let shared = Shared::server();
    let port = shared.server.port();
    for (group, mode) in [
        ("by_scram", "require"),
        ("by_md5", "disable"),
        ("by_scram", "prefer"),
    ] {
        let role = shared.role(group);
        let mapping = |more: &str| {
            format!(
                "connection: {{host: 127.0.0.1, port: {port}, user: {role}, dbname: postgres, \
                 sslmode: {mode}{more}}}\nsteps:\n  - sql: SELECT 1\n"
            )
        };
        let place = Workplace::new();
        let ran = place
            .run(&mapping(&format!(", password: {}", quoted(PASSWORD))))
            .ok();
        assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);

        let job = place.file("job.yaml", mapping(""));
        let output = place
            .dwsload()
            .env("PGPASSWORD", PASSWORD)
            .arg(&job)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");

        let ran = place.run_file(&job, &[]);
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        assert!(ran.stderr.contains("asks for a password"), "{}", ran.stderr);

        private(
            &place,
            ".pgpass",
            &format!("127.0.0.1:{port}:*:{role}:{PASSWORD}\n"),
        );
        place.run_file(&job, &[]).ok();
        assert_eq!(shared.wrong_passwords(&role), 0, "{group} {mode}");
    }
}

#[test]
fn a_wrong_password_is_tried_once_and_never_shown() {
    let shared = Shared::server();
    let port = shared.server.port();
    for group in ["by_scram", "by_md5"] {
        for mode in ["disable", "prefer", "require"] {
            let role = shared.role(group);
            let place = Workplace::new();
            // `localhost` may have several addresses, and the second host is a server too.
            let ran = place.run(&format!(
                "connection: {{host: 'localhost,127.0.0.1', port: {port}, user: {role}, \
                 dbname: postgres, sslmode: {mode}, password: hunter2}}\nsteps:\n  - sql: SELECT 1\n"
            ));
            assert_eq!(ran.code, Some(5), "{}", ran.stderr);
            assert_eq!(ran.sqlstate(), Some("28P01"), "{}", ran.stderr);
            assert!(ran.stderr.contains(&role), "{}", ran.stderr);
            assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
            assert_eq!(shared.wrong_passwords(&role), 1, "{group} {mode}");
        }
    }
}

#[test]
fn an_unknown_database_is_said_with_what_to_do() {
    let shared = Shared::server();
    let error = shared
        .log_in("test", &[("dbname", "nowhere")], &Workplace::new().path(""))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Login);
    let said = render(&error);
    assert!(
        said.contains("SQLSTATE 3D000") && said.contains("hint: check the database name"),
        "{said}"
    );
}
