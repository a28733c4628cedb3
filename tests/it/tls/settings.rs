//! Settings from everywhere, end to end: a URL, a mapping, PG* variables, a service.

use std::process::Command;

use super::Shared;
use crate::support::server::Database;
use crate::support::{Workplace, quoted};

/// Runs the job, which must find its way to `database` and be encrypted.
fn assert_arrives(mut command: Command, place: &Workplace, connection: &str, database: &Database) {
    let query = format!(
        "SELECT ssl AND current_database() = '{}' FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        database.name()
    );
    let yaml = format!("{connection}steps:\n  - expect: {}\n", quoted(&query));
    let output = command.arg(place.file("job.yaml", yaml)).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{connection}: {stderr}");
}

#[test]
fn every_place_for_settings_leads_to_the_server() {
    let shared = Shared::server();
    let database = shared.server.database();
    let place = Workplace::new();
    place.file("certs/root.crt", &shared.ours.root);
    let port = shared.server.port().to_string();
    let name = database.name();
    let verified = "sslmode=verify-full&sslrootcert=certs/root.crt";

    let url = shared.url(&database, "test", verified);
    let connection = format!("connection: {}\n", quoted(&url));
    assert_arrives(place.dwsload(), &place, &connection, &database);

    let connection = format!(
        "connection: {{host: dw.example.com, hostaddr: 127.0.0.1, port: {port}, user: test, \
         dbname: {name}, sslmode: verify-full, sslrootcert: certs/root.crt}}\n"
    );
    assert_arrives(place.dwsload(), &place, &connection, &database);

    let mut command = place.dwsload();
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", &port)
        .env("PGUSER", "test")
        .env("PGDATABASE", name)
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", place.path("certs/root.crt"));
    assert_arrives(command, &place, "", &database);

    let root = place.path("certs/root.crt");
    let service = format!(
        "# ours\n[dw]\nhost=127.0.0.1\nport={port}\nuser=test\ndbname={name}\n\
         sslmode=verify-full\nsslrootcert={}\n",
        root.display()
    );
    place.file(".pg_service.conf", service);
    assert_arrives(
        place.dwsload(),
        &place,
        "connection: {service: dw}\n",
        &database,
    );
    let mut command = place.dwsload();
    command.env("PGSERVICE", "dw");
    assert_arrives(command, &place, "", &database);
}
