//! Several hosts: which one is asked first, and when the next one is.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use dwsload::error::{ErrorKind, Result, render};
use dwsload::wire::session::Session;
use dwsload::wire::settings::Settings;

use crate::support::proxy::{Manner, Proxy};
use crate::support::server::{Database, Options, Server};
use crate::support::session::{block_on, log_in};

/// Logins in a row. Of two hosts in random order, one does not come first once in 10^9 times.
const LOGINS: usize = 31;

/// Two ways to one database, as to two coordinators of a cluster.
struct Coordinators {
    database: Database,
    ports: [u16; 2],
}

impl Coordinators {
    fn of(server: &Arc<Server>) -> Self {
        let database = server.database();
        let ports = [(); 2].map(|()| Proxy::new(&database, Manner::Straight).port());
        Self { database, ports }
    }

    /// Settings for these ports of 127.0.0.1, with more parameters.
    fn settings(&self, ports: &[u16], parameters: &str) -> Settings {
        let hosts: Vec<String> = ports.iter().map(|p| format!("127.0.0.1:{p}")).collect();
        let url = format!(
            "postgresql://{}@{}/{}?{parameters}",
            self.database.server().user(),
            hosts.join(","),
            self.database.name()
        );
        Settings::from_url(&url).expect("a URL")
    }
}

fn visit(settings: &Settings) -> Result<String> {
    block_on(async {
        let session: Session = log_in(settings, Path::new("/nonexistent")).await?;
        let place = session.place().to_owned();
        session.close().await;
        Ok(place)
    })
}

/// How often each place was reached.
fn visits(settings: &Settings) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..LOGINS {
        let place = visit(settings).unwrap_or_else(|error| panic!("{}", render(&error)));
        *seen.entry(place).or_default() += 1;
    }
    seen
}

/// A port where nobody listens.
fn dead_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound port").port()
}

#[test]
fn logins_spread_over_the_hosts_unless_their_order_is_to_be_kept() {
    let coordinators = Coordinators::of(&Server::shared());
    let [first, second] = coordinators.ports;
    for (parameters, places) in [
        ("", 2),
        ("load_balance_hosts=random", 2),
        ("load_balance_hosts=disable", 1),
    ] {
        let seen = visits(&coordinators.settings(&[first, second], parameters));
        assert_eq!(seen.len(), places, "{parameters}: {seen:?}");
        if places == 1 {
            let place = format!("127.0.0.1:{first}/{}", coordinators.database.name());
            assert!(seen.contains_key(&place), "{seen:?}");
        }
    }
}

#[test]
fn a_dead_host_is_passed_over_in_any_order() {
    let coordinators = Coordinators::of(&Server::shared());
    let [alive, _] = coordinators.ports;
    let dead = dead_port();
    for (parameters, ports) in [
        ("", [dead, alive]),
        ("load_balance_hosts=disable", [dead, alive]),
        ("load_balance_hosts=disable", [alive, dead]),
    ] {
        let seen = visits(&coordinators.settings(&ports, parameters));
        let place = format!("127.0.0.1:{alive}/{}", coordinators.database.name());
        assert_eq!(seen, BTreeMap::from([(place, LOGINS)]), "{parameters}");
    }
    let error = visit(&coordinators.settings(&[dead, dead_port()], "")).expect_err("nobody there");
    assert_eq!(error.kind(), ErrorKind::Connect);
    let said = render(&error);
    assert!(said.contains("also: cannot connect"), "{said}");
}

#[test]
fn a_refused_login_is_not_tried_on_another_host() {
    let server = Arc::new(Server::start(&Options {
        hba: vec!["local all guarded scram-sha-256".into()],
        ..Options::default()
    }));
    server.psql("postgres", "CREATE ROLE guarded LOGIN PASSWORD 'right'");
    let coordinators = Coordinators::of(&server);
    let mut settings = coordinators.settings(&coordinators.ports, "");
    settings.set("user", "guarded").expect("a user");
    settings.set("password", "wrong").expect("a password");
    let logins = 8;
    for _ in 0..logins {
        let error = visit(&settings).expect_err("a wrong password");
        assert_eq!(error.kind(), ErrorKind::Login);
    }
    let refusals = server
        .log()
        .matches("FATAL:  password authentication failed")
        .count();
    assert_eq!(refusals, logins);
}
