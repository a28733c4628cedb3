//! The modes on servers that can less than PostgreSQL.

use crate::gate::{Fault, Gate, Placement, Point, Product, ServerError};
use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

const TABLE: &str =
    "CREATE TABLE orders (day int, id int, name varchar(10), price numeric, PRIMARY KEY (id, day));
     INSERT INTO orders VALUES (1, 1, 'one', 1.0), (1, 2, 'two', 2), (2, 1, 'three', 3)";

fn run(scene: &Scene, gate: &Gate, keys: &str) -> Ran {
    scene.place.run(&format!(
        "connection: {}\nsteps:\n- copy_from: {{file: in.txt, table: orders, {keys}}}\n",
        quoted(&gate.url())
    ))
}

fn rows(scene: &Scene) -> String {
    scene
        .psql("SELECT * FROM orders ORDER BY id, day")
        .replace('\n', " ")
}

/// Statements that write or lock, shortened.
fn writes(gate: &Gate) -> Vec<String> {
    let words = [
        "CREATE", "LOCK", "INSERT", "UPDATE", "DELETE", "MERGE", "DROP",
    ];
    gate.statements()
        .into_iter()
        .filter(|sql| words.iter().any(|word| sql.starts_with(word)))
        .map(|sql| sql.split_whitespace().take(4).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn a_gauss_server_is_merged_under_a_lock() {
    for (product, made) in [
        (
            Product::Dws,
            "CREATE TEMP TABLE dwsload_staging DISTRIBUTE BY HASH (\"id\") AS SELECT",
        ),
        (
            Product::OpenGauss,
            "CREATE TEMP TABLE dwsload_staging AS SELECT",
        ),
    ] {
        let scene = Scene::new(TABLE);
        let gate = Gate::before(&scene.database).playing(product).open();
        gate.place(
            "orders",
            &Placement {
                hash: Some(&["id"]),
                ..Placement::default()
            },
        );
        scene.file(
            "in.txt",
            "1\t1\tone\t1.0\n1\t2\tzwei\t2\n2\t1\tthree\t3.00\n9\t9\tnine\t9\n",
        );
        let ran = run(&scene, &gate, "mode: upsert").ok();
        assert!(
            ran.stderr
                .contains(": 1 inserted, 2 updated, 1 unchanged ("),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("unique index"), "{}", ran.stderr);
        assert_eq!(
            rows(&scene),
            "1|1|one|1.0 2|1|three|3.00 1|2|zwei|2 9|9|nine|9"
        );
        assert!(
            gate.statements().iter().any(|sql| sql.starts_with(made)),
            "{:?}",
            gate.statements()
        );
        assert_eq!(
            writes(&gate)[1..],
            [
                "LOCK TABLE \"public\".\"orders\" IN",
                "UPDATE \"public\".\"orders\" AS t",
                "INSERT INTO \"public\".\"orders\" (\"day\",\"id\",\"name\",\"price\")",
                "DROP TABLE \"dwsload_staging\"",
            ]
        );
        scene.file("in.txt", "9\t9\n8\t8\n");
        let ran = run(&scene, &gate, "mode: delete, columns: [id, day]").ok();
        assert!(
            ran.stderr.contains(": 1 deleted, 1 not there ("),
            "{}",
            ran.stderr
        );
        assert_eq!(gate.refused(), [] as [&str; 0]);
    }
}

#[test]
fn a_distribution_column_is_never_updated_and_no_change_of_it_is_lost() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).open();
    gate.place(
        "orders",
        &Placement {
            hash: Some(&["name"]),
            ..Placement::default()
        },
    );
    scene.file("in.txt", "1\t1\tone\t7\n3\t3\tnew\t8\n");
    run(&scene, &gate, "mode: upsert").ok();
    let before = "1|1|one|7 2|1|three|3 1|2|two|2 3|3|new|8";
    assert_eq!(rows(&scene), before);
    assert!(
        gate.statements()
            .iter()
            .all(|sql| !sql.contains("SET \"name\""))
    );
    scene.file("in.txt", "1\t1\tONE\t7\n");
    let ran = run(&scene, &gate, "mode: upsert");
    let said = scene.said(&ran);
    assert!(
        said.contains("the record with id = 1, day = 1 changes name, by which the server distributes the rows and which it cannot update"),
        "{said}"
    );
    assert_eq!(rows(&scene), before);
}

#[test]
fn a_server_that_keeps_no_order_names_the_key_that_stands_twice() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).open();
    scene.file("in.txt", "1\t1\tone\t7\n3\t3\tnew\t8\n1\t1\tx\t7\n");
    let said = scene.said(&run(&scene, &gate, "mode: upsert"));
    assert!(
        said.contains("2 records have the same key\n    key: id = 1, day = 1\n"),
        "{said}"
    );
    let said = scene.said(&run(&scene, &gate, "mode: upsert, duplicates: last"));
    assert!(
        said.contains("does not keep the order of the records"),
        "{said}"
    );
}

#[test]
fn a_table_is_swapped_on_postgresql_alone() {
    let scene = Scene::new(TABLE);
    let gate = Gate::before(&scene.database).open();
    scene.file("in.txt", "7\t7\tseven\t7\n");
    let said = scene.said(&run(&scene, &gate, "mode: replace, swap: true"));
    assert!(
        said.contains("a table cannot be swapped on GaussDB(DWS) "),
        "{said}"
    );
    run(&scene, &gate, "mode: replace").ok();
    assert_eq!(rows(&scene), "7|7|seven|7");
}

#[test]
fn a_merge_that_fails_for_a_reason_that_passes_is_run_again() {
    let scene = Scene::new(TABLE);
    let lost = ServerError::new("YY001", "TCP/IP connection reset by peer");
    let gate = Gate::before(&scene.database)
        .fault(Fault::error(Point::OnStatement("UPDATE"), lost))
        .fault(Fault::cut(Point::AfterStatement("INSERT")))
        .open();
    scene.file("in.txt", "1\t1\tuno\t1\n4\t4\tfour\t4\n");
    let ran = run(&scene, &gate, "mode: upsert").ok();
    assert!(
        ran.stderr
            .contains(": 1 inserted, 1 updated, 0 unchanged ("),
        "{}",
        ran.stderr
    );
    assert_eq!(gate.faults_fired(), 2);
    assert_eq!(rows(&scene), "1|1|uno|1 2|1|three|3 1|2|two|2 4|4|four|4");
}
