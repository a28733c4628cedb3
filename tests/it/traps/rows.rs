//! Rows that are counted, and rows that go elsewhere.

use super::*;
use crate::gate::Product;
use crate::support::proxy::{Manner, Proxy};

/// Swallows even numbers.
const SWALLOW: &str = "CREATE TABLE two (a int, b text); \
    CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN IF NEW.a % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$; \
    CREATE TRIGGER odd BEFORE INSERT ON two FOR EACH ROW EXECUTE FUNCTION odd();";

#[test]
fn swallowed_by_a_trigger_are_told() {
    for on_error in BOTH {
        let scene = Scene::new(SWALLOW);
        scene.file("f", "1,x\n2,y\n3,z\n4,w\n5,v\n");
        let ran = scene
            .load(&format!(
                "file: f, table: two, format: csv, on_error: {on_error}"
            ))
            .ok();
        let ran = steady(&scene, ran);
        assert_eq!(
            told(&ran),
            ["`f` has 5 records, and the server counts 3 rows"],
            "{on_error}"
        );
        assert_eq!(rows(&scene, "two"), "1,x\n3,z\n5,v");
    }
}

#[test]
fn that_nothing_accounts_for_undo_the_load() {
    for on_error in BOTH {
        let scene = Scene::new("CREATE TABLE two (a int, b text)");
        scene.file("f", "1,x\n2,y\n3,z\n");
        let proxy = Proxy::new(&scene.database, Manner::Misquote(b"COPY 3\0", b"COPY 2\0"));
        let ran = scene.place.run(&format!(
            "connection: {}\nsteps:\n- copy_from: {{file: f, table: two, format: csv, on_error: {on_error}}}\n",
            quoted(&proxy.url(&scene.database))
        ));
        let ran = steady(&scene, ran);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(
            ran.stderr
                .contains("`f` has 3 records, and the server counts 2 rows"),
            "{}",
            ran.stderr
        );
        assert_eq!(rows(&scene, "two"), "");
    }
}

#[test]
fn routed_elsewhere_are_all_there() {
    for on_error in BOTH {
        // By partitions, into another than the table's own storage.
        let scene = Scene::new(
            "CREATE TABLE two (a int, b text) PARTITION BY RANGE (a); \
             CREATE TABLE low PARTITION OF two FOR VALUES FROM (0) TO (10); \
             CREATE TABLE high PARTITION OF two FOR VALUES FROM (10) TO (20)",
        );
        scene.file("f", "1,x\n11,y\n2,z\n");
        let keys = format!("file: f, table: two, format: csv, on_error: {on_error}");
        assert_eq!(
            told(&steady(&scene, scene.load(&keys)).ok()),
            [] as [&str; 0]
        );
        assert_eq!(
            scene.psql("SELECT (SELECT count(*) FROM low), (SELECT count(*) FROM high)"),
            "2|1"
        );
        // Where there is none for a row, it is placed.
        scene.psql("TRUNCATE two");
        scene.file("f", "1,x\n99,y\n2,z\n");
        let ran = scene.load(&keys);
        if on_error == "stop" {
            assert_eq!(ran.sqlstate(), Some("23514"), "{}", ran.stderr);
            assert_eq!(said(&ran), Some((2, 2, 4)), "{}", ran.stderr);
        } else {
            assert_eq!(ran.code, Some(3), "{}", ran.stderr);
            assert_eq!(reasons(&scene)[0]["record"], 2);
        }
        // By a trigger, as before there were partitions: the server counts none.
        let scene = Scene::new(
            "CREATE TABLE two (a int, b text); CREATE TABLE child () INHERITS (two); \
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN INSERT INTO child VALUES (NEW.*); RETURN NULL; END $$; \
             CREATE TRIGGER f BEFORE INSERT ON two FOR EACH ROW EXECUTE FUNCTION f()",
        );
        scene.file("f", "1,x\n11,y\n2,z\n");
        let ran = steady(&scene, scene.load(&keys)).ok();
        assert_eq!(
            told(&ran),
            ["`f` has 3 records, and the server counts 0 rows"]
        );
        assert_eq!(scene.psql("SELECT count(*) FROM ONLY two"), "0");
        assert_eq!(scene.psql("SELECT count(*) FROM two"), "3");
    }
}

#[test]
fn rules_do_not_come_between() {
    for on_error in BOTH {
        let scene = Scene::new(
            "CREATE TABLE two (a int, b text); \
             CREATE RULE nothing AS ON INSERT TO two DO INSTEAD NOTHING",
        );
        scene.file("f", "1,x\n2,y\n");
        let keys = format!("file: f, table: two, format: csv, on_error: {on_error}");
        scene.load(&keys).ok();
        assert_eq!(rows(&scene, "two"), "1,x\n2,y");
    }
}

#[test]
fn options_that_change_records_are_never_sent() {
    for product in [Product::Dws, Product::OpenGauss] {
        let scene = Scene::new("CREATE TABLE two (a int, b text)");
        let gate = Gate::before(&scene.database).playing(product).open();
        let url = quoted(&gate.url());
        for (content, on_error) in [
            ("1,x,extra\n", "stop"),
            ("1\n", "stop"),
            ("1,x\u{0}\n", "stop"),
            ("1,x\n2,y\n", "stop"),
            ("3,x\n4\n5,z,extra\n6,caf\u{0}\n7,w\n", "reject"),
        ] {
            scene.file("f", content);
            scene.place.run(&format!(
                "connection: {url}\nsteps:\n- copy_from: {{file: f, table: two, format: csv, on_error: {on_error}}}\n"
            ));
        }
        assert_eq!(rows(&scene, "two"), "1,x\n2,y\n3,x\n7,w");
        for statement in gate.statements() {
            let upper = statement.to_uppercase();
            for option in [
                "IGNORE_EXTRA_DATA",
                "FILL_MISSING_FIELDS",
                "COMPATIBLE_ILLEGAL_CHARS",
                "LOG ERRORS",
                "REJECT LIMIT",
                "HEADER",
            ] {
                assert!(!upper.contains(option), "{statement}");
            }
        }
    }
}

#[test]
fn an_empty_source_is_told() {
    for (content, keys) in [
        (&b""[..], "format: csv"),
        (b"", "format: text"),
        (b"\xef\xbb\xbf", "format: csv"),
        (b"a,b\n", "format: csv, header: true"),
        (b"\\.\n", "format: text"),
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
            "format: csv",
        ),
    ] {
        for on_error in BOTH {
            let (scene, ran) = load("two", content, keys, on_error);
            let ran = ran.ok();
            assert_eq!(told(&ran), ["`f` holds no record"], "{content:?}");
            assert_eq!(rows(&scene, "two"), "");
        }
    }
}
