//! Fields as they are cut here and as PostgreSQL cuts them.

use dwsload::name::Identifier;
use dwsload::record::dialect::{Dialect, Format};
use dwsload::record::fields::{Field, Fields, Nulls};

use crate::support::scene::Scene;
use crate::support::session::{block_on, session};

/// Fields in a record.
const WIDTH: usize = 3;
/// Records of a file.
const RECORDS: usize = 3000;

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    /// A field of up to four parts.
    fn field(&mut self, parts: &[&str]) -> String {
        (0..self.roll(5))
            .map(|_| parts[self.roll(parts.len())])
            .collect()
    }
}

/// A file of records with fields of these parts.
fn file(dice: &mut Dice, parts: &[&str], sep: &str, end: &str) -> String {
    let mut text = String::new();
    for _ in 0..RECORDS {
        let fields: Vec<String> = (0..WIDTH).map(|_| dice.field(parts)).collect();
        text.push_str(&fields.join(sep));
        text.push_str(end);
    }
    text
}

/// The values of a record, `None` for NULL.
type Record = Vec<Option<Vec<u8>>>;

/// What is in the table after a COPY of `data`.
fn by_the_server(scene: &Scene, options: &str, data: &str) -> Vec<Record> {
    block_on(async {
        let mut session = session(&scene.database.url()).await;
        session
            .run("TRUNCATE t RESTART IDENTITY")
            .await
            .expect("it is empty");
        let sql = format!("COPY t (a, b, c) FROM STDIN {options}");
        let mut copy = session.copy_in(&sql).await.expect("a COPY");
        copy.send(data.as_bytes()).await.expect("data is taken");
        copy.end_data().await.expect("its end, too");
        let rows = copy.finish().await.expect("every record is good");
        assert_eq!(rows, RECORDS as u64);
        let rows = session
            .rows("SELECT a, b, c FROM t ORDER BY n")
            .await
            .expect("rows");
        rows.iter()
            .map(|row| {
                (0..WIDTH)
                    .map(|index| row.bytes(index).map(<[u8]>::to_vec))
                    .collect()
            })
            .collect()
    })
}

/// The same by our own rules, from blocks of many sizes.
fn by_us(dice: &mut Dice, dialect: &Dialect, nulls: [Nulls; WIDTH], data: &str) -> Vec<Record> {
    let columns = nulls.map(Some).to_vec();
    let mut fields = Fields::new(dialect, columns, true, 0).expect("one byte each");
    let mut records: Vec<Record> = Vec::new();
    let mut see = |field: &Field<'_>| {
        if field.index == 0 {
            records.push(Vec::new());
        }
        assert_eq!(field.record, records.len() as u64);
        let value = (!field.is_null()).then(|| field.value().into_owned());
        records.last_mut().expect("one").push(value);
    };
    let mut rest = data.as_bytes();
    while !rest.is_empty() {
        let (block, after) = rest.split_at((dice.roll(200) + 1).min(rest.len()));
        fields.push(block, &mut see);
        rest = after;
    }
    fields.finish(&mut see);
    records
}

const TABLE: &str = "CREATE TABLE t (n serial, a text, b text, c text)";

#[test]
fn text_is_cut_and_read_as_postgresql_does() {
    let scene = Scene::new(TABLE);
    let mut dice = Dice(7);
    let parts = [
        "a", "é", " ", ",", "\"", "8", "\\N", "N", "\\\\", "\\t", "\\n", "\\r", "\\b", "\\f",
        "\\v", "\\101", "\\60", "\\7", "\\x41", "\\x4", "\\xg", "\\q", "\\\t", "\\|", "\\\n",
        "\\\"",
    ];
    for (sep, null) in [(None, None), (Some("|"), Some("")), (Some(","), Some("a"))] {
        let mut dialect = Dialect::new(Format::Text);
        dialect.sep = sep.map(str::to_owned);
        dialect.null = null.map(str::to_owned);
        let separator = sep.unwrap_or("\t");
        // A separator is data only behind a backslash.
        let parts: Vec<&str> = parts
            .iter()
            .copied()
            .filter(|part| *part != separator)
            .collect();
        let data = file(&mut dice, &parts, separator, "\n");
        let expected = by_the_server(&scene, &dialect.copy_options(true), &data);
        let found = by_us(&mut dice, &dialect, [Nulls::Plain; WIDTH], &data);
        assert_eq!(found, expected, "{sep:?} {null:?}");
    }
}

#[test]
fn csv_is_cut_and_read_as_postgresql_does() {
    let scene = Scene::new(TABLE);
    let mut dice = Dice(11);
    let parts = [
        "a",
        "é",
        " ",
        "\t",
        "\\",
        "\\N",
        "\"\"",
        "\"x,y\"",
        "\"\"\"\"",
        "\"a\"\"b\"",
        "\"\\.\"",
        "\"1\n2\"",
        "\"\\N\"",
        "\"a\"",
    ];
    for null in [None, Some("\\N"), Some("a")] {
        let mut dialect = Dialect::new(Format::Csv);
        dialect.null = null.map(str::to_owned);
        dialect.force_null = vec![Identifier::new("b").expect("a name")];
        dialect.force_not_null = vec![Identifier::new("c").expect("a name")];
        let data = file(&mut dice, &parts, ",", "\n");
        let expected = by_the_server(&scene, &dialect.copy_options(true), &data);
        let nulls = [Nulls::Plain, Nulls::Quoted, Nulls::Never];
        let found = by_us(&mut dice, &dialect, nulls, &data);
        assert_eq!(found, expected, "{null:?}");
    }
    // With an escape of its own, and other line ends.
    let parts = [
        "a", " ", "''", "'x;y'", "'a\\'b'", "'\\\\'", "'a\\b'", "b'c'd",
    ];
    for end in ["\n", "\r", "\r\n"] {
        let mut dialect = Dialect::new(Format::Csv);
        (dialect.sep, dialect.quote, dialect.escape) =
            (Some(";".into()), Some("'".into()), Some("\\".into()));
        let data = file(&mut dice, &parts, ";", end);
        let expected = by_the_server(&scene, &dialect.copy_options(true), &data);
        let found = by_us(&mut dice, &dialect, [Nulls::Plain; WIDTH], &data);
        assert_eq!(found, expected, "{end:?}");
    }
}
