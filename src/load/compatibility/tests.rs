use super::*;
use crate::job::{Bytes, Compression, Header, Policy};
use crate::name::TableName;
use crate::record::dialect::Format;
use crate::wire::server::Kind;

fn server(kind: Kind, mode: Option<Mode>) -> Server {
    Server::example(kind, mode)
}

fn column(name: &str, type_name: &str, type_modifier: i32) -> Column {
    Column {
        name: Identifier::new(name).unwrap(),
        type_name: type_name.into(),
        type_modifier,
        builtin: true,
        not_null: false,
        generated: false,
        cast: None,
    }
}

fn step(format: Format) -> CopyFrom {
    CopyFrom {
        bytes: Bytes::default(),
        input: Vec::new(),
        table: TableName::parse("t").unwrap(),
        columns: None,
        dialect: Dialect::new(format),
        header: Header::None,
        compression: Compression::Auto,
        size: None,
        batch: 1,
        source_id: None,
        on_missing: Policy::Fail,
        on_empty: Policy::Fail,
        rejecting: None,
        shaping: None,
        arrival: None,
        mode: crate::job::Mode::Append,
    }
}

fn table() -> Table {
    let mut generated = column("twice", "int4", -1);
    generated.generated = true;
    Table::example(vec![
        column("id", "int4", -1),
        generated,
        column("note", "varchar", 14),
        column("amount", "numeric", 655_366),
        column("day", "timestamp", 0),
    ])
}

/// The warnings for `data`, sent in blocks of a few bytes.
fn warnings(server: &Server, step: &CopyFrom, columns: &[Identifier], data: &str) -> Vec<String> {
    let Some(mut findings) = Findings::new(&table(), server) else {
        return Vec::new();
    };
    let begin = Begin {
        lines: 1,
        ..Begin::default()
    };
    let Some(mut inspector) = findings.inspector(step, columns, true, &begin) else {
        return Vec::new();
    };
    for block in data.as_bytes().chunks(7) {
        inspector.look(block);
    }
    inspector.finish();
    findings.take(inspector, &Source::File("orders.csv".into()));
    findings.warnings(true).collect()
}

#[test]
fn empty_strings_of_an_oracle_database_are_told_by_column() {
    let data = "1,a,1.5,2024-01-01\n2,,,\n3,\"\",1,\n4,\"x\ny\",1,\n5,\"\",1,";
    let dws = server(Kind::Dws, Some(Mode::Ora));
    assert_eq!(
        warnings(&dws, &step(Format::Csv), &[], data),
        [
            "2 empty strings in column \"note\" were stored as NULL (the database is ORA-compatible), the first in record 3, line 4 of orders.csv"
        ]
    );
    let mut strict = step(Format::Csv);
    strict.dialect.force_not_null = vec![Identifier::new("note").unwrap()];
    assert!(warnings(&dws, &strict, &[], data)[0].starts_with("3 empty strings"));
    let opengauss = server(Kind::OpenGauss, Some(Mode::Ora));
    assert_eq!(
        warnings(
            &opengauss,
            &step(Format::Text),
            &[],
            "1\t\t\\N\t\\N\n2\t\\N\t\\N\t\\N\n"
        ),
        [
            "1 empty string in column \"note\" was stored as NULL (the database is A-compatible), in record 1, line 2 of orders.csv"
        ]
    );
    for other in [
        server(Kind::OpenGauss, Some(Mode::Pg)),
        server(Kind::Dws, None),
        server(Kind::PostgreSql, None),
    ] {
        assert!(warnings(&other, &step(Format::Csv), &[], data).is_empty());
    }
}

#[test]
fn empty_strings_in_numbers_are_null_or_zero_by_the_mode() {
    let data = "1,,\"\",\n\"\",\"\",1,\n\"\",x,\"\",\n";
    let told = |mode| {
        warnings(
            &server(Kind::Dws, Some(mode)),
            &step(Format::Csv),
            &[],
            data,
        )
    };
    assert_eq!(
        told(Mode::Td),
        [
            "2 empty strings in column \"id\" may have been stored as 0 (the database is TD-compatible), the first in record 2, line 3 of orders.csv",
            "2 empty strings in column \"amount\" may have been stored as 0 (the database is TD-compatible), the first in record 1, line 2 of orders.csv",
        ]
    );
    let ora = told(Mode::Ora);
    assert_eq!(ora.len(), 3, "{ora:?}");
    assert!(ora[0].starts_with("2 empty strings in column \"id\" were stored as NULL"));
}

#[test]
fn bad_numbers_of_a_mysql_database_are_told_by_column() {
    let data = "1,,1.5,\n1.7,\"\",abc,\n12abc,x,\"\",\n1.0, 7 ,\" -1.5e3\",\n,,,\n";
    let dws = server(Kind::Dws, Some(Mode::MySql));
    let expected = [
        "2 values in column \"id\" are no whole numbers, and the server may have stored 0 or a cut number for them (the database is MYSQL-compatible): the first, \"1.7\", in record 2, line 3 of orders.csv",
        "2 values in column \"amount\" are no numbers, and the server may have stored 0 or a cut number for them (the database is MYSQL-compatible): the first, \"abc\", in record 2, line 3 of orders.csv",
    ];
    assert_eq!(warnings(&dws, &step(Format::Csv), &[], data), expected);
    // By the columns of the file.
    let columns = ["note", "amount", "day", "id"].map(|name| Identifier::new(name).unwrap());
    let opengauss = server(Kind::OpenGauss, Some(Mode::MySql));
    assert_eq!(
        warnings(
            &opengauss,
            &step(Format::Csv),
            &columns,
            "x,1,y,1\n7,z\u{7},x,-3\n"
        ),
        [
            "1 value in column \"amount\" is no number, and the server may have stored 0 or a cut number for it (the database is B-compatible): \"z\\u{7}\", in record 2, line 3 of orders.csv"
        ]
    );
    let harmless = [Identifier::new("note").unwrap()];
    assert!(warnings(&dws, &step(Format::Csv), &harmless, "x\n").is_empty());
}

#[test]
fn binary_data_is_not_looked_at() {
    let dws = server(Kind::Dws, Some(Mode::Ora));
    assert!(warnings(&dws, &step(Format::Binary), &[], "PGCOPY\n").is_empty());
}

#[test]
fn what_every_server_takes_for_a_number_is_one() {
    for value in ["0", " 12 ", "-7", "+7", "1.", "1.00", "\t1\n"] {
        assert!(is_whole_number(value.as_bytes()), "{value:?}");
        assert!(is_number(value.as_bytes()), "{value:?}");
    }
    for value in [
        "1.5",
        ".5",
        "-.5e-3",
        "1e10",
        "NaN",
        "-Infinity",
        "inf",
        "0x1F",
        "1E+2",
    ] {
        assert!(is_number(value.as_bytes()), "{value:?}");
        assert!(!is_whole_number(value.as_bytes()), "{value:?}");
    }
    for value in [
        "", " ", "-", "+", ".", "x", "12x", "1 2", "1,5", "--1", "1e", "e5", "1.5.2", "１",
    ] {
        assert!(!is_number(value.as_bytes()), "{value:?}");
        assert!(!is_whole_number(value.as_bytes()), "{value:?}");
    }
}

#[test]
fn the_dangers_of_a_table_are_sentences() {
    let mut table = table();
    table.columns[2].not_null = true;
    let sentences = |mode| risks(table.filled(), &server(Kind::OpenGauss, mode)).join("\n");
    insta::assert_snapshot!(sentences(Some(Mode::Ora)), @r#"
    an empty string becomes NULL in column "id" (the database is A-compatible)
    an empty string is NULL to column "note", which is NOT NULL and refuses it (the database is A-compatible)
    column "note" holds 10 bytes, not characters: a Chinese character takes 3 of them (the database is A-compatible)
    an empty string becomes NULL in column "amount" (the database is A-compatible)
    "#);
    insta::assert_snapshot!(sentences(Some(Mode::Td)), @r#"
    an empty string may become 0 in column "id" (the database is C-compatible)
    an empty string may become 0 in column "amount" (the database is C-compatible)
    "#);
    insta::assert_snapshot!(sentences(Some(Mode::MySql)), @r#"
    text that is no number may become 0 or a cut number in column "id", without an error (the database is B-compatible)
    text that is no number may become 0 or a cut number in column "amount", without an error (the database is B-compatible)
    "#);
    assert_eq!(sentences(Some(Mode::Pg)), "");
    assert_eq!(sentences(None), "");
}
