//! Whatever is checked, the database and the folder are what they were.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::gate::{Gate, Product};
use crate::support::scene::Scene;
use crate::support::server::{Database, Server};
use crate::support::{Ran, Workplace, quoted};

/// Everything that a dump of a database would hold, and the names of all relations.
fn contents(database: &Database) -> String {
    let mut text = database.psql(
        "SELECT n.nspname, c.relname, c.relkind, c.relnatts, c.relchecks, c.relhastriggers \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'gauss') AND n.nspname !~ '^pg_(toast_)?temp_' ORDER BY 1, 2",
    );
    for (kinds, read) in [
        ("'r'", "SELECT t::text FROM $ t ORDER BY 1"),
        ("'S'", "SELECT * FROM $"),
    ] {
        let names = database.psql(&format!(
            "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'gauss') AND n.nspname !~ '^pg_(toast_)?temp_' AND c.relkind IN ({kinds}) ORDER BY 1"
        ));
        for name in names.lines() {
            text += &format!("\n{name}\n{}", database.psql(&read.replace('$', name)));
        }
    }
    text
}

/// The files of a folder and of those in it, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Checks `job` in every way, and whether that has changed anything. Returns what the checks said.
fn checked(place: &Workplace, job: &Path, database: &Database, input: &Path) -> Vec<Ran> {
    let before = (contents(database), files(&place.path("")));
    let ways: [&[&str]; 2] = [&[], &["--load"]];
    let runs = ways.map(|arguments| {
        let mut command = place.dwsload();
        command.arg("check").arg(job).args(arguments);
        let stdin = fs::File::open(input).unwrap();
        Ran::of(command.stdin(Stdio::from(stdin)).output().unwrap())
    });
    let said: Vec<&str> = runs.iter().map(|ran| ran.stderr.as_str()).collect();
    assert_eq!(contents(database), before.0, "{}: {said:?}", job.display());
    assert!(
        files(&place.path("")) == before.1,
        "{}: {said:?}",
        job.display()
    );
    runs.into()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "out" {
                copy(&entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The jobs of jobs/, each for the server at `url`.
fn jobs(place: &Workplace, url: &str) -> Vec<PathBuf> {
    let folder = place.path("jobs");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs"), &folder);
    let mut jobs = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let here = format!("connection: {}", quoted(url));
            fs::write(&path, text.replace("connection: embedded", &here)).unwrap();
            jobs.push(path);
        }
    }
    jobs.sort();
    assert!(jobs.len() >= 5, "{jobs:?}");
    jobs
}

#[test]
fn every_job_of_the_repository_is_fine_and_leaves_no_trace() {
    for product in [None, Some(Product::Dws), Some(Product::OpenGauss)] {
        let database = Server::shared().database();
        let gate = product.map(|product| Gate::before(&database).playing(product).open());
        let url = gate.as_ref().map_or_else(|| database.url(), Gate::url);
        let place = Workplace::new();
        let input = place.file("input", "eins\nzwei\n");
        for job in jobs(&place, &url) {
            // A server that keeps no order has no first record.
            let cannot = product == Some(Product::Dws)
                && job.file_name().is_some_and(|name| name == "upsert.yaml");
            for round in ["before", "behind"] {
                for ran in checked(&place, &job, &database, &input) {
                    let page = String::from_utf8_lossy(&ran.stdout).into_owned();
                    let what = format!(
                        "{round} {}, {product:?}: {page}{}",
                        job.display(),
                        ran.stderr
                    );
                    if cannot {
                        // Not before its table is there.
                        assert!(matches!(ran.code, Some(0 | 1)), "{what}");
                        continue;
                    }
                    assert_eq!(ran.code, Some(0), "{what}");
                    assert!(page.contains("nothing is wrong"), "{what}");
                    assert!(product.is_some() || ran.stderr.is_empty(), "{what}");
                }
                let mut run = place.dwsload();
                let stdin = fs::File::open(&input).unwrap();
                let ran = Ran::of(run.arg(&job).stdin(Stdio::from(stdin)).output().unwrap());
                assert!(cannot || ran.code == Some(0), "{}", ran.stderr);
            }
        }
        if let Some(gate) = gate {
            assert_eq!(gate.refused(), [] as [&str; 0], "{product:?}");
        }
    }
}

/// Tables that writing would be seen in.
const TABLES: &str = "
    CREATE TABLE seen (what text);
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO seen VALUES (TG_OP); RETURN NEW; END $$;
    CREATE FUNCTION next() RETURNS int LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO seen VALUES ('next'); RETURN nextval('own'); END $$;
    CREATE SEQUENCE own;
    CREATE TABLE parent (id serial PRIMARY KEY); INSERT INTO parent DEFAULT VALUES;
    CREATE TABLE t (
      id int PRIMARY KEY, n serial, i int GENERATED BY DEFAULT AS IDENTITY, w int DEFAULT next(),
      twice int GENERATED ALWAYS AS (id * 2) STORED, at timestamptz DEFAULT clock_timestamp(),
      parent int DEFAULT 1 REFERENCES parent, note text CHECK (note <> 'bad'));
    INSERT INTO t (id, note) VALUES (1, 'one'), (2, 'two');
    CREATE TRIGGER each BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION see();
    CREATE TRIGGER once AFTER INSERT OR TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION see();
    CREATE TABLE plain (id int PRIMARY KEY, n serial NOT NULL, note text);
    INSERT INTO plain VALUES (1, 1, 'one')";

#[test]
fn no_mode_leaves_a_trace() {
    for product in [None, Some(Product::Dws), Some(Product::OpenGauss)] {
        let scene = Scene::new(TABLES);
        let gate = product.map(|product| Gate::before(&scene.database).playing(product).open());
        let url = gate
            .as_ref()
            .map_or_else(|| scene.database.url(), Gate::url);
        let input = scene.file(
            "in.csv",
            "id,note\n1,uno\n3,tre\nx,no\n4,\"four\nlines\"\n5\n",
        );
        for table in ["t", "plain"] {
            for mode in [
                "append",
                "replace",
                "replace, swap: true",
                "upsert",
                "insert_new",
                "delete",
            ] {
                for more in ["", ", on_error: reject"] {
                    let job = scene.file(
                        "job.yaml",
                        format!(
                            "connection: {}\nsteps:\n- copy_from: {{file: in.csv, table: {table}, format: csv, header: map, mode: {mode}{more}}}\n",
                            quoted(&url)
                        ),
                    );
                    let runs = checked(&scene.place, &job, &scene.database, &input);
                    for (loaded, ran) in [false, true].into_iter().zip(runs) {
                        let page = String::from_utf8_lossy(&ran.stdout).into_owned();
                        let what = format!("{url} {table} {mode}{more}: {page}{}", ran.stderr);
                        // An appended record has the key of a row.
                        let bad = if loaded && mode == "append" {
                            "3 bad"
                        } else {
                            "2 bad"
                        };
                        let swapped = mode.contains("swap") && (table == "t" || product.is_some());
                        let code = if more.is_empty() || swapped { 1 } else { 3 };
                        assert_eq!(ran.code, Some(code), "{what}");
                        assert!(page.contains(bad), "{what}");
                    }
                }
            }
        }
        if let Some(gate) = gate {
            assert_eq!(gate.refused(), [] as [&str; 0], "{product:?}");
        }
    }
}
