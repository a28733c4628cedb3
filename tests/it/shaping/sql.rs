//! What the server computes from the fields.

use super::{gives, refused};
use crate::gate::{Gate, Product};
use crate::support::quoted;
use crate::support::scene::Scene;

const ORDERS: &str =
    "CREATE TABLE t (id int PRIMARY KEY, total numeric(8,2) CHECK (total < 1000), name varchar(5))";

#[test]
fn columns_are_computed_from_fields() {
    gives(
        ORDERS,
        "id,price,qty,name\n1,2.50,4, ann \n2,3,1,bob\n",
        "format: csv, header: map, select: {total: 'price::numeric * qty::int', name: upper(trim(name))}",
        "1|10.00|ANN\n2|3.00|BOB",
    );
    gives(
        ORDERS,
        "1,x\n2,y\n",
        "format: csv, columns: [id, name], select: {total: 'row_number() OVER ()'}",
        "1|1.00|x\n2|2.00|y",
    );
}

#[test]
fn records_that_are_not_wanted_are_counted() {
    let ran = gives(
        ORDERS,
        "id,total,name,kind\n1,1,a,A\nx,2,b,B\n3,3,c,A\n4,4,d,\n",
        "format: csv, header: map, where: kind = 'A'",
        "1|1.00|a\n3|3.00|c",
    );
    assert!(ran.stderr.contains("2 rows"), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 filtered"), "{}", ran.stderr);
}

#[test]
fn an_expression_is_looked_at_before_the_first_record() {
    let load = |keys: &str, says: &str| {
        let keys = format!("format: csv, columns: [id, name], {keys}");
        refused(ORDERS, "1,x\n", &keys, 1, says);
    };
    load(
        "select: {total: nope + 1}",
        "column \"nope\" does not exist",
    );
    load("where: nope", "column \"nope\" does not exist");
    load("where: '1'", "SQLSTATE");
    load("select: {total: 'now()'}", "SQLSTATE 42804");
    refused(
        ORDERS,
        "1,x\n",
        "select: {total: 1}, set: {total: 2}",
        2,
        "fills `total` as well",
    );
    refused(
        ORDERS,
        "a,b\n1,x\n",
        "format: csv, header: map, select: {id: a::int}",
        1,
        "no column for: b",
    );
}

#[test]
fn the_record_that_fails_is_found() {
    let good = "1||\"two\nlines\"\n";
    let content: String = (0..3000)
        .map(|index| match index {
            2000 => "0||x\n".to_owned(),
            _ => good.to_owned(),
        })
        .collect();
    refused(
        "CREATE TABLE t (a numeric, b text)",
        content,
        "format: csv, sep: '||', columns: [n, b], select: {a: 1 / n::int}",
        1,
        "record 2001, line 4001",
    );
}

const DIRTY: &str = "id,total,name\n\
    1,5,ann\n2,x,bob\n3,2000,cy\n4,7,toolong\n,8,dan\n1,9,eve\n5,0,fay\n6,1,gus,more\n7,6,hal\n";

/// `record code` of each reason.
fn reasons(scene: &Scene) -> Vec<String> {
    let rejects = crate::rejects::rejects(scene);
    let reasons = rejects.iter().flat_map(|(.., reasons)| reasons);
    reasons
        .map(|reason| format!("{} {}", reason["record"], reason["code"].as_str().unwrap()))
        .collect()
}

#[test]
fn records_that_fail_in_sql_are_rejected_one_by_one() {
    let scene = Scene::new(ORDERS);
    scene.file("f.csv", DIRTY);
    let ran = scene.load(
        "file: f.csv, table: t, format: csv, header: map, on_error: reject, select: {total: 100 / total::numeric}, where: \"name <> 'hal'\"",
    );
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(
        scene.psql("SELECT * FROM t ORDER BY 1"),
        "1|20.00|ann\n3|0.05|cy"
    );
    assert_eq!(
        reasons(&scene),
        [
            "2 22P02", "4 22001", "5 23502", "6 23505", "7 22012", "8 22P04"
        ]
    );
    assert!(ran.stderr.contains("1 filtered"), "{}", ran.stderr);
}

/// A server that loses its transaction with a COPY that fails rejects the same records.
#[test]
fn what_only_a_gauss_server_can_say_is_rejected_too() {
    for product in [Product::Dws, Product::Dws81, Product::OpenGauss] {
        for (transaction, format) in [("job", "csv"), ("step", "csv"), ("none", "csv")] {
            let scene = Scene::new(ORDERS);
            scene.file("f.csv", DIRTY);
            let gate = Gate::before(&scene.database).playing(product).open();
            let job = format!(
                "connection: {}\ntransaction: {transaction}\nretry: none\nsteps:\n- copy_from: {{file: f.csv, table: t, format: {format}, header: true, on_error: reject}}\n",
                quoted(&gate.url())
            );
            let ran = scene.place.run(&job);
            assert_eq!(
                ran.code,
                Some(3),
                "{product:?} {transaction}: {}",
                ran.stderr
            );
            assert_eq!(
                scene.psql("SELECT * FROM t ORDER BY 1"),
                "1|5.00|ann\n5|0.00|fay\n7|6.00|hal"
            );
            assert_eq!(
                reasons(&scene),
                [
                    "2 22P02", "3 23514", "4 22001", "5 23502", "6 23505", "8 22P04"
                ],
                "{product:?} {transaction}"
            );
            assert_eq!(gate.refused(), Vec::<String>::new());
        }
    }
}

#[test]
fn shaping_goes_with_every_mode() {
    for (mode, rows) in [
        ("append", "9|1.00|old\n1|10.00|ANN"),
        ("replace", "1|10.00|ANN"),
        ("{mode: replace, swap: true}", "1|10.00|ANN"),
        ("upsert", "9|1.00|old\n1|10.00|ANN"),
        ("insert_new", "9|1.00|old\n1|10.00|ANN"),
    ] {
        let keys = match mode {
            "{mode: replace, swap: true}" => "mode: replace, swap: true".to_owned(),
            mode => format!("mode: {mode}"),
        };
        let tables = format!("{ORDERS}; INSERT INTO t VALUES (9, 1, 'old')");
        let mut rows: Vec<&str> = rows.lines().collect();
        rows.sort_unstable();
        gives(
            &tables,
            "1,2.50,4,ann\n",
            &format!(
                "format: csv, columns: [id, price, qty, name], select: {{total: 'price::numeric * qty::int', name: upper(name)}}, {keys}"
            ),
            &rows.join("\n"),
        );
    }
}
