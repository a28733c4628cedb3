//! Which setting wins, defaults, and lists of hosts.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::error::render;
use crate::wire::target::{RootCerts, SslMode};

/// A home folder with files, and an environment around it that touches nothing else.
struct World {
    home: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl World {
    fn new(files: &[(&str, &str)], variables: &[(&'static str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        Self { home, variables }
    }

    fn environment(&self) -> Environment {
        let mut environment = Environment::new(
            self.variables
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
            Some(self.home.path().to_owned()),
            Some("me".into()),
        );
        environment.socket_folders =
            vec![self.home.path().join("run"), self.home.path().join("tmp")];
        environment.system_folder = self.home.path().join("system");
        environment
    }

    fn try_resolve(&self, pairs: &[(&str, &str)]) -> Result<Target> {
        resolve(&settings(pairs), &self.environment())
    }

    fn resolve(&self, pairs: &[(&str, &str)]) -> Target {
        self.try_resolve(pairs)
            .unwrap_or_else(|error| panic!("{}", render(&error)))
    }

    fn refusal(&self, pairs: &[(&str, &str)]) -> String {
        let error = self.try_resolve(pairs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        self.anonymous(&render(&error))
    }

    fn anonymous(&self, text: &str) -> String {
        text.replace(self.home.path().to_str().unwrap(), "HOME")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (keyword, value) in pairs {
        settings.set(keyword, *value).unwrap();
    }
    settings
}

fn hosts(target: &Target) -> Vec<String> {
    target.hosts.iter().map(ToString::to_string).collect()
}

fn passwords(target: &Target) -> Vec<Option<&str>> {
    let passwords = target.hosts.iter().map(|host| host.password.as_ref());
    passwords.map(|secret| secret.map(Secret::reveal)).collect()
}

#[test]
fn without_any_setting_it_is_the_local_server_as_oneself() {
    let world = World::new(&[], &[]);
    let target = world.resolve(&[]);
    assert_eq!(
        world.anonymous(&target.describe(&target.hosts[0])),
        "HOME/run:5432 as me, database me"
    );
    assert_eq!(target.tls.mode, SslMode::Prefer);
    assert_eq!(target.tls.root, RootCerts::None);
    assert_eq!(target.tls.client, None);
    assert_eq!(target.channel_binding, ChannelBinding::Prefer);
    assert_eq!(target.order, HostOrder::Random);
    assert_eq!(target.connect_timeout, None);
    assert_eq!(target.keepalive, Some(Duration::from_secs(50)));
    assert_eq!(target.application_name, None);
    assert_eq!(target.options, None);
    assert_eq!(target.warnings, Vec::<String>::new());
}

#[test]
fn the_default_folder_is_the_first_that_has_the_socket_of_the_port() {
    let world = World::new(&[("tmp/.s.PGSQL.5433", ""), ("run/.s.PGSQL.5434", "")], &[]);
    for (port, folder) in [("5432", "run"), ("5433", "tmp"), ("5434", "run")] {
        let target = world.resolve(&[("port", port)]);
        assert_eq!(
            target.hosts[0].address,
            Address::Unix(world.path(folder)),
            "{port}"
        );
    }
}

#[test]
fn a_setting_wins_over_the_service_and_the_service_over_the_variable() {
    let service = "[s]\nhost=service\nuser=service\ndbname=service\n";
    let world = World::new(
        &[(".pg_service.conf", service)],
        &[
            ("PGHOST", "variable"),
            ("PGUSER", "variable"),
            ("PGPORT", "8000"),
        ],
    );
    let target = world.resolve(&[("service", "s"), ("host", "setting")]);
    assert_eq!(
        target.describe(&target.hosts[0]),
        "setting:8000 as service, database service"
    );
    let target = world.resolve(&[("host", "setting")]);
    assert_eq!(
        target.describe(&target.hosts[0]),
        "setting:8000 as variable, database variable"
    );
}

#[test]
fn the_service_may_come_from_a_variable_and_be_switched_off() {
    let world = World::new(
        &[(".pg_service.conf", "[s]\nhost=service\n[t]\nhost=other\n")],
        &[("PGSERVICE", "s")],
    );
    assert_eq!(hosts(&world.resolve(&[])), ["service:5432"]);
    assert_eq!(hosts(&world.resolve(&[("service", "t")])), ["other:5432"]);
    let target = world.resolve(&[("service", "")]);
    assert!(matches!(target.hosts[0].address, Address::Unix(_)));
    assert!(
        world
            .refusal(&[("service", "u")])
            .contains("no connection service `u`")
    );
}

#[test]
fn every_variable_is_heard() {
    let world = World::new(
        &[("pass", "*:*:*:*:filed"), ("r", ""), ("c", ""), ("k", "")],
        &[],
    );
    let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let world = World {
        variables: vec![
            ("PGHOST", "dw".into()),
            ("PGHOSTADDR", "10.0.0.5".into()),
            ("PGPORT", "8000".into()),
            ("PGUSER", "loader".into()),
            ("PGDATABASE", "sales".into()),
            ("PGPASSFILE", path("pass")),
            ("PGSSLMODE", "verify-full".into()),
            ("PGSSLROOTCERT", path("r")),
            ("PGSSLCERT", path("c")),
            ("PGSSLKEY", path("k")),
            ("PGCHANNELBINDING", "require".into()),
            ("PGLOADBALANCEHOSTS", "disable".into()),
            ("PGCONNECT_TIMEOUT", "7".into()),
            ("PGAPPNAME", "app".into()),
            ("PGOPTIONS", "-c x=1".into()),
        ],
        ..world
    };
    let target = world.resolve(&[]);
    assert_eq!(
        target.describe(&target.hosts[0]),
        "dw:8000 (10.0.0.5) as loader, database sales"
    );
    assert_eq!(passwords(&target), [Some("filed")]);
    assert_eq!(target.tls.mode, SslMode::VerifyFull);
    assert_eq!(target.tls.root, RootCerts::File(world.path("r")));
    assert_eq!(target.tls.client, Some((world.path("c"), world.path("k"))));
    assert_eq!(target.channel_binding, ChannelBinding::Require);
    assert_eq!(target.order, HostOrder::Given);
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(target.application_name.as_deref(), Some("app"));
    assert_eq!(target.options.as_deref(), Some("-c x=1"));
}

#[test]
fn a_bad_variable_is_named_and_counts_only_where_it_is_needed() {
    let world = World::new(&[], &[("PGPORT", "http"), ("PGSSLMODE", "")]);
    insta::assert_snapshot!(world.refusal(&[]), @"error: the environment variable `PGPORT` cannot be used: `port` must be a number from 1 to 65535, not `http`");
    let target = world.resolve(&[("port", "1"), ("host", "h")]);
    assert_eq!(hosts(&target), ["h:1"]);
    assert_eq!(target.tls.mode, SslMode::Prefer);
}

#[test]
fn an_empty_setting_is_the_default_whatever_the_variable_says() {
    let world = World::new(&[], &[("PGUSER", "variable"), ("PGHOST", "variable")]);
    let target = world.resolve(&[("user", ""), ("host", "")]);
    assert_eq!(
        world.anonymous(&target.describe(&target.hosts[0])),
        "HOME/run:5432 as me, database me"
    );
}

#[test]
fn lists_of_hosts_addresses_and_ports_go_side_by_side() {
    let world = World::new(&[], &[]);
    for (pairs, expected) in [
        (
            vec![("host", "a,b,c"), ("port", "8000")],
            vec!["a:8000", "b:8000", "c:8000"],
        ),
        (vec![("host", "a,b"), ("port", "1,2")], vec!["a:1", "b:2"]),
        (vec![("host", "a,b"), ("port", ",2")], vec!["a:5432", "b:2"]),
        (
            vec![("hostaddr", "10.0.0.1,::1")],
            vec!["10.0.0.1:5432", "[::1]:5432"],
        ),
        (
            vec![("host", "a,b"), ("hostaddr", "10.0.0.1,")],
            vec!["a:5432 (10.0.0.1)", "b:5432"],
        ),
        (
            vec![("host", "/run/pg,,a")],
            vec!["/run/pg:5432", "HOME/run:5432", "a:5432"],
        ),
        // As libpq, an address makes a name of what would be a folder.
        (
            vec![("host", "/run/pg"), ("hostaddr", "::1")],
            vec!["/run/pg:5432 (::1)"],
        ),
    ] {
        let shown: Vec<String> = hosts(&world.resolve(&pairs))
            .iter()
            .map(|host| world.anonymous(host))
            .collect();
        assert_eq!(shown, expected, "{pairs:?}");
    }
}

#[test]
fn lists_of_different_lengths_are_refused() {
    let world = World::new(&[], &[]);
    insta::assert_snapshot!(world.refusal(&[("host", "a,b"), ("port", "1,2,3")]), @r"
    error: the number of entries in `port` (3) is not the number of hosts (2)
      hint: write one port for all hosts, or one for each
    ");
    insta::assert_snapshot!(world.refusal(&[("host", "a"), ("hostaddr", "::1,::2")]), @"error: the number of entries in `hostaddr` (2) is not the number of hosts (1)");
}

#[test]
fn the_password_file_gives_each_host_its_own_password() {
    let file = "a:8000:sales:loader:pa\nb:*:*:loader:pb\n10.0.0.9:*:*:*:pc\n*:*:*:nobody:x\n";
    let world = World::new(&[(".pgpass", file)], &[]);
    let pairs = [
        ("host", "a,b,c,d"),
        ("hostaddr", ",,,10.0.0.9"),
        ("port", "8000"),
        ("user", "loader"),
        ("dbname", "sales"),
    ];
    let target = world.resolve(&pairs);
    assert_eq!(passwords(&target), [Some("pa"), Some("pb"), None, None]);
    let target = world.resolve(&[("hostaddr", "10.0.0.9")]);
    assert_eq!(passwords(&target), [Some("pc")]);
}

#[test]
fn localhost_in_the_password_file_is_also_the_default_socket() {
    let world = World::new(
        &[(".pgpass", "localhost:*:*:*:local\n/run/pg:*:*:*:other")],
        &[],
    );
    for (host, expected) in [
        ("", Some("local")),
        ("localhost", Some("local")),
        (world.path("tmp").to_str().unwrap(), Some("local")),
        ("/run/pg", Some("other")),
        ("127.0.0.1", None),
    ] {
        assert_eq!(
            passwords(&world.resolve(&[("host", host)])),
            [expected],
            "{host}"
        );
    }
}

#[test]
fn a_set_password_wins_over_the_file_and_an_empty_one_does_not() {
    let world = World::new(
        &[(".pgpass", "*:*:*:*:filed")],
        &[("PGPASSWORD", "variable")],
    );
    for (pairs, expected) in [
        (vec![], "variable"),
        (vec![("password", "set")], "set"),
        (vec![("password", "")], "filed"),
    ] {
        let target = world.resolve(&pairs);
        assert_eq!(passwords(&target), [Some(expected)]);
        assert!(!format!("{target:?}").contains(expected));
    }
}

#[test]
fn a_password_file_that_others_may_read_is_a_warning_of_the_target() {
    let world = World::new(&[(".pgpass", "*:*:*:*:filed")], &[]);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(world.path(".pgpass"), open).unwrap();
    let target = world.resolve(&[]);
    assert_eq!(passwords(&target), [None]);
    assert_eq!(target.warnings.len(), 1, "{:?}", target.warnings);
    let other = world.resolve(&[("passfile", "~/none")]);
    assert!(
        other.warnings[0].contains("cannot be read"),
        "{:?}",
        other.warnings
    );
}

#[test]
fn nobody_without_a_name_can_still_name_a_user() {
    let nobody = Environment::new([], None, None);
    let error = resolve(&settings(&[("host", "h")]), &nobody).unwrap_err();
    insta::assert_snapshot!(render(&error), @r"
    error: there is no user to log in as, and the system has no name for the user this runs as
      hint: set `user` in the job's `connection`, or PGUSER
    ");
    let target = resolve(&settings(&[("host", "h"), ("user", "u")]), &nobody).unwrap();
    assert_eq!(target.place(&target.hosts[0]), "h:5432/u");
}

#[test]
fn times_are_seconds_and_zero_is_the_default() {
    let world = World::new(&[], &[]);
    let times = |pairs: &[(&str, &str)]| {
        let target = world.resolve(pairs);
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        (seconds(target.connect_timeout), seconds(target.keepalive))
    };
    assert_eq!(times(&[("connect_timeout", "0")]), (None, Some(50)));
    assert_eq!(times(&[("connect_timeout", "-1")]), (None, Some(50)));
    assert_eq!(times(&[("connect_timeout", "3")]), (Some(3), Some(50)));
    assert_eq!(times(&[("keepalives", "0")]), (None, None));
    assert_eq!(times(&[("keepalives", "1")]), (None, Some(50)));
    assert_eq!(times(&[("keepalives_idle", "20")]), (None, Some(20)));
    assert_eq!(times(&[("keepalives_idle", "0")]), (None, Some(50)));
    let both = [("keepalives", "0"), ("keepalives_idle", "20")];
    assert_eq!(times(&both), (None, None));
}

#[test]
fn a_target_knows_where_its_settings_come_from() {
    let world = World::new(
        &[
            (".pg_service.conf", "[s]\ndbname=d\n"),
            (".pgpass", "h:*:*:*:filed"),
        ],
        &[("PGHOST", "elsewhere"), ("PGUSER", "u"), ("PGSERVICE", "s")],
    );
    let found = world.resolve(&[("host", "h"), ("sslmode", "disable")]);
    assert_eq!(
        found.origins,
        Origins {
            given: vec!["host".into(), "sslmode".into()],
            service: Some("s".into()),
            environment: vec!["PGUSER".into()],
            passfile: Some(world.path(".pgpass")),
        }
    );
    let none = World::new(&[], &[]).resolve(&[]).origins;
    assert_eq!(none, Origins::default());
}
