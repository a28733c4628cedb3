use super::*;

const OPENGAUSS: &str =
    "(openGauss 3.0.6 build ) compiled at 2026-11-23 07:55:18 commit 0 last mr  release";
const DWS: &str = "PostgreSQL 9.2.4 (GaussDB 8.2.1 build 39137c2d) compiled at 2022-09-23 15:01:48 commit 3629 last mr 5138 release";

/// A server as its login reports it.
fn reported(version: &str, role: &str) -> Server {
    let parameters = [("server_version", version), (role, "off")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Server::reported(&BTreeMap::from(parameters))
}

/// The same, once it has said its version.
fn asked_of(version: &str, role: &str, said: &str, declared: Option<Kind>) -> Server {
    let mut server = reported(version, role);
    server.read_version(said);
    if let Some(kind) = declared {
        server.declare(kind);
    }
    server
}

#[test]
fn a_gauss_server_is_known_by_what_it_calls_itself() {
    let version = |major, minor, patch| Some(Version::new(major, minor, patch));
    for (said, kind, product, number) in [
        (
            OPENGAUSS,
            Kind::OpenGauss,
            "openGauss 3.0.6",
            version(3, 0, 6),
        ),
        (
            "(openGauss 6.0.0-RC1 build ed7f8e37) compiled at 2024-03-31",
            Kind::OpenGauss,
            "openGauss 6.0.0-RC1",
            version(6, 0, 0),
        ),
        (DWS, Kind::Dws, "GaussDB(DWS) 8.2.1", version(8, 2, 1)),
        (
            "PostgreSQL 9.2.4 (GaussDB 8.1.3.320 build x) compiled at 2023-01-01 on x86_64-unknown-linux-gnu, compiled by g++ (GCC) 5.4.0, 64-bit",
            Kind::Dws,
            "GaussDB(DWS) 8.1.3.320",
            version(8, 1, 3),
        ),
        // What a newer manual shows: nothing but the base.
        ("PostgreSQL 9.2.4", Kind::Dws, "GaussDB(DWS)", None),
        (
            "PostgreSQL 9.2.4 on x86_64-unknown-linux-gnu, compiled by g++ (GCC) 5.4.0, 64-bit",
            Kind::Dws,
            "GaussDB(DWS)",
            None,
        ),
        ("", Kind::Dws, "GaussDB(DWS)", None),
        ("( build x)", Kind::Dws, "GaussDB(DWS)", None),
        (
            "gaussdb (GaussDB Kernel 505.2.1 build 159cea95) compiled at 2024-12-27",
            Kind::GaussDb,
            "GaussDB Kernel 505.2.1",
            version(505, 2, 1),
        ),
        (
            "PostgreSQL 9.2.4 (GaussDB Kernel V500R002C10 build 1) compiled at 2022-01-01",
            Kind::GaussDb,
            "GaussDB Kernel V500R002C10",
            None,
        ),
        (
            "PostgreSQL 9.2.4 (Gauss200 OLAP V100R007C10 build 1) compiled at 2019-01-01",
            Kind::Dws,
            "Gauss200 OLAP V100R007C10",
            None,
        ),
        (
            "(MogDB 5.0.8 build 1) compiled at 2024-01-01",
            Kind::OpenGauss,
            "MogDB 5.0.8",
            version(5, 0, 8),
        ),
    ] {
        let server = asked_of("9.2.4", "is_sysadmin", said, None);
        assert_eq!(server.kind, kind, "{said}");
        assert_eq!(server.to_string(), product, "{said}");
        assert_eq!(server.version, number, "{said}");
        assert_eq!(server.base, version(9, 2, 4));
    }
}

#[test]
fn greenplum_and_its_relatives_are_told_from_a_postgresql_of_their_version() {
    for (base, said, kind, product) in [
        (
            "9.4.26",
            "PostgreSQL 9.4.26 (Greenplum Database 6.26.1 build commit:a1) on x86_64-unknown-linux-gnu, compiled by gcc (GCC) 6.4.0",
            Kind::Greenplum,
            "Greenplum Database 6.26.1",
        ),
        (
            "14.4",
            "PostgreSQL 14.4 (Apache Cloudberry 2.0.0-incubating build 1) on x86_64-pc-linux-gnu",
            Kind::Greenplum,
            "Apache Cloudberry 2.0.0-incubating",
        ),
        (
            "14.13 (Debian 14.13-1.pgdg120+1)",
            "PostgreSQL 14.13 (Debian 14.13-1.pgdg120+1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14) 12.2.0, 64-bit",
            Kind::PostgreSql,
            "PostgreSQL 14.13 (Debian 14.13-1.pgdg120+1)",
        ),
        (
            "9.2.24",
            "PostgreSQL 9.2.24 on x86_64-redhat-linux-gnu, compiled by gcc (GCC) 4.8.5, 64-bit",
            Kind::PostgreSql,
            "PostgreSQL 9.2.24",
        ),
    ] {
        assert!(reported(base, "is_superuser").must_be_asked(), "{base}");
        let server = asked_of(base, "is_superuser", said, None);
        assert_eq!(server.kind, kind, "{said}");
        assert_eq!(server.to_string(), product, "{said}");
        assert_eq!(server.base, Version::read(base));
    }
}

#[test]
fn a_postgresql_that_no_greenplum_is_made_from_is_not_asked() {
    for version in ["15.18 (Debian 15.18-0+deb12u1)", "18.1", "19devel"] {
        let server = reported(version, "is_superuser");
        assert!(!server.must_be_asked(), "{version}");
        assert_eq!(server.kind, Kind::PostgreSql);
        assert_eq!(server.to_string(), format!("PostgreSQL {version}"));
        assert_eq!(server.version, Version::read(version));
    }
    assert!(reported("nobody knows", "is_superuser").must_be_asked());
}

#[test]
fn a_declared_kind_wins_and_the_product_keeps_its_name() {
    let server = asked_of("9.2.4", "is_sysadmin", OPENGAUSS, Some(Kind::Dws));
    assert_eq!(
        (server.kind, server.to_string().as_str()),
        (Kind::Dws, "openGauss 3.0.6")
    );
    let server = asked_of(
        "9.2.4",
        "is_sysadmin",
        "PostgreSQL 9.2.4",
        Some(Kind::GaussDb),
    );
    assert_eq!(
        (server.kind, server.to_string().as_str()),
        (Kind::GaussDb, "GaussDB")
    );
    let debian = "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu";
    let server = asked_of("15.18", "is_superuser", debian, Some(Kind::Dws));
    assert_eq!(
        (server.kind, server.to_string().as_str()),
        (Kind::Dws, "PostgreSQL 15.18")
    );
}

#[test]
fn a_server_is_described_in_a_line() {
    let mut server = asked_of("9.2.4", "is_sysadmin", DWS, None);
    assert_eq!(server.described(), "GaussDB(DWS) 8.2.1");
    server.mode = Mode::read("ORA");
    server.nodes = Some(Nodes {
        coordinators: 1,
        data_nodes: 6,
    });
    assert_eq!(
        server.described(),
        "GaussDB(DWS) 8.2.1, ORA-compatible, 1 coordinator, 6 data nodes"
    );
    let mut server = asked_of("9.2.4", "is_sysadmin", OPENGAUSS, None);
    server.mode = Mode::read("B");
    assert_eq!(server.described(), "openGauss 3.0.6, B-compatible");
}

#[test]
fn modes_are_read_in_the_words_of_every_kind() {
    for (word, mode) in [
        ("A", Some(Mode::Ora)),
        ("ORA", Some(Mode::Ora)),
        ("B", Some(Mode::MySql)),
        ("MYSQL", Some(Mode::MySql)),
        ("C", Some(Mode::Td)),
        ("TD", Some(Mode::Td)),
        ("PG", Some(Mode::Pg)),
        ("M", None),
    ] {
        assert_eq!(Mode::read(word), mode, "{word}");
    }
}

#[test]
fn a_server_older_than_9_2_is_too_old() {
    assert!(reported("9.1.24", "is_superuser").is_too_old());
    assert!(!reported("9.2.0", "is_superuser").is_too_old());
    assert!(!reported("?", "is_superuser").is_too_old());
}

#[test]
fn every_kind_has_a_word_and_its_other_names() {
    for (word, kind) in Kind::WORDS {
        assert_eq!(Kind::from_word(word), Some(kind));
    }
    for (word, kind) in [
        ("GaussDB(DWS)", Some(Kind::Dws)),
        ("Postgres", Some(Kind::PostgreSql)),
        ("cloudberry", Some(Kind::Greenplum)),
        ("oracle", None),
    ] {
        assert_eq!(Kind::from_word(word), kind, "{word}");
    }
}
