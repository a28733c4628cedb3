//! The CONTEXT of an error, from which its record is known: what other things are in it, in which
//! language it is, and what to do where the record is not.

use std::sync::Arc;

use super::*;
use crate::support::Workplace;
use crate::support::server::{Options, Server};

/// A scene on a server that speaks `language`, where its messages are installed.
fn scene_in(language: &str) -> Scene {
    let server = Arc::new(Server::start(&Options {
        // A locale that is everywhere. The language is looked for in another place.
        config: vec!["lc_messages = 'C.UTF-8'".into()],
        environment: vec![("LANGUAGE".into(), language.into())],
        ..Options::default()
    }));
    let scene = Scene {
        database: server.database(),
        place: Workplace::new(),
    };
    scene.psql("CREATE TABLE two (a int, b text); CREATE TABLE j (a int, b json NOT NULL)");
    scene
}

fn place(scene: &Scene, table: &str, content: &str) -> (String, Option<(u64, u64, u64)>) {
    scene.file("f", content);
    let ran = scene.load(&format!("file: f, table: {table}, format: csv"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    (ran.stderr.clone(), said(&ran))
}

#[test]
fn are_understood_in_every_language() {
    for language in ["ja", "ko", "zh_CN", "de"] {
        let scene = scene_in(language);
        for (table, content) in [
            ("two", "1,x\nz9,y\n"),
            ("two", "1,x\n2,y,z\n"),
            ("two", "1,x\n2,y\r3,z\n"),
            ("j", "1,{}\n2,\"{\"\"line 5\"\": [}\"\n"),
            ("j", "1,{}\n2,\n"),
        ] {
            let (stderr, place) = place(&scene, table, content);
            let byte = content.find('\n').unwrap() as u64 + 1;
            assert_eq!(place, Some((2, 2, byte)), "{language}: {stderr}");
        }
        let (stderr, place) = place(&scene, "two", "1,x\n2,\"y\n");
        assert_eq!(place, Some((2, 2, 4)), "{language}: {stderr}");
    }
}

#[test]
fn of_triggers_and_domains_stand_before_the_record() {
    let scene = Scene::new(
        "CREATE TABLE log (line int CHECK (line < 1));
         CREATE FUNCTION inner_one(line int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
           -- line 2
           INSERT INTO log VALUES (line);
         END $$;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.b = 'raise' THEN RAISE 'COPY two, line 7'; END IF;
           IF NEW.b = 'sql' THEN EXECUTE E'SELECT inner_one(5)\\nCOPY two'; END IF;
           IF NEW.b = 'call' THEN PERFORM inner_one(5); END IF;
           RETURN NEW; END $$;
         CREATE FUNCTION small(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
           IF i > 100 THEN RAISE 'line 4' USING ERRCODE = '22023'; END IF; RETURN true; END $$;
         CREATE DOMAIN less AS int CHECK (small(VALUE));
         CREATE TABLE two (a less, b text);
         CREATE TRIGGER refuse BEFORE INSERT ON two FOR EACH ROW EXECUTE FUNCTION refuse();",
    );
    for bad in ["2,raise", "2,sql", "2,call", "101,x", "z,x"] {
        let content = format!("1,\"x\ny\"\n{bad}\n3,z\n");
        let (stderr, place) = place(&scene, "two", &content);
        assert_eq!(place, Some((2, 3, 8)), "{bad}: {stderr}");
    }
}

#[test]
fn name_the_table_whatever_it_is_called() {
    let scene = Scene::new("");
    for name in [
        "COPY x, line 5",
        "two\nlines, line 3",
        "q\"uote",
        "订单, 行 9",
        "x 복사, 9번째 줄",
        "のCOPY、行 9",
        "line 3: ",
    ] {
        let identifier = format!("\"{}\"", name.replace('"', "\"\""));
        scene.psql(&format!("CREATE TABLE {identifier} (a int, b text)"));
        let table = crate::support::quoted(&identifier);
        let (stderr, place) = place(&scene, &table, "1,\"x\ny\"\nz,\"COPY x, line 5\"\n");
        assert_eq!(place, Some((2, 3, 8)), "{name}: {stderr}");
    }
    // The server cuts a name that is too long for it.
    let long = "é".repeat(40);
    scene.psql(&format!("CREATE TABLE \"{long}\" (a int, b text)"));
    let (stderr, place) = place(&scene, &long, "1,x\nz,y\n");
    assert_eq!(place, Some((2, 2, 4)), "{stderr}");
}

#[test]
fn without_a_record_say_how_to_find_it() {
    let hint = "hint: the server looks at this when all records are in, and does not say which one it is; `on_error: reject` finds it";
    let scene = Scene::new(
        "CREATE TABLE parent (a int PRIMARY KEY); INSERT INTO parent VALUES (1), (3);
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.a = 2 THEN RAISE 'not this one'; END IF; RETURN NULL; END $$;
         CREATE TABLE child (a int REFERENCES parent, b text);
         CREATE TABLE after_all (a int, b text);
         CREATE TRIGGER refuse AFTER INSERT ON after_all FOR EACH ROW EXECUTE FUNCTION refuse();",
    );
    for (table, sqlstate) in [("child", "23503"), ("after_all", "P0001")] {
        scene.file("f", "1,\"x\ny\"\n2,y\n3,z\n");
        let ran = scene.load(&format!("file: f, table: {table}, format: csv"));
        assert_eq!(ran.sqlstate(), Some(sqlstate), "{}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        let _ = fs::remove_dir_all(scene.place.path("rejects"));
        let ran = scene.load(&format!(
            "file: f, table: {table}, format: csv, on_error: reject"
        ));
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        let reason = &reasons(&scene)[0];
        assert_eq!(reason["code"], sqlstate);
        let number = |key: &str| reason[key].as_u64().unwrap();
        assert_eq!(
            (number("record"), number("line"), number("offset")),
            (2, 3, 8)
        );
    }
}
