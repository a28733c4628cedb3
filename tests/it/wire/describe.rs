//! Statements that are looked over and not run.

use super::{code, one, tables};
use crate::gate::{Gate, Product};
use crate::support::session::{block_on, session};

#[test]
fn a_statement_is_described_and_not_run() {
    let database = tables();
    let gate = Gate::before(&database).playing(Product::OpenGauss).open();
    for url in [database.url(), gate.url()] {
        block_on(async {
            let mut session = session(&url).await;
            let columns = session.describe("SELECT n, n > 1 AS more FROM t;").await;
            let columns: Vec<(String, u32)> = columns
                .unwrap()
                .into_iter()
                .map(|column| (column.name, column.type_oid))
                .collect();
            assert_eq!(columns, [("n".into(), 23), ("more".into(), 16)]);
            for sql in ["INSERT INTO t VALUES (1)", "CREATE TABLE made (a int)", ""] {
                assert_eq!(session.describe(sql).await.unwrap(), []);
            }
            for (sql, expected) in [
                ("SELECT 1; DELETE FROM t", "42601"),
                ("SELECT n FROM none", "42P01"),
                ("SELEC 1", "42601"),
            ] {
                let error = session.describe(sql).await.unwrap_err();
                assert_eq!(code(&error), expected, "{sql}");
            }
            let made = "SELECT count(*) FROM pg_class WHERE relname = 'made'";
            assert_eq!(one(&mut session, made).await, "0");
            assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
        });
    }
}
