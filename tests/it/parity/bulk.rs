//! Sizes: of reads, of fields, of rows, of files.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a int, b text)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = sizes();
    cases.extend(large());
    cases
}

fn sizes() -> Vec<Case> {
    let data = "1\té\\\tx\r\n2\t😀\\\\\r\n3\t\\N\r\n";
    let mut cases: Vec<Case> = [-1, 1, 2, 3, 7, 8191, 8192, 1_000_000]
        .into_iter()
        .map(|size| Case::from(format!("size: {size}"), TABLE, data).size(size))
        .collect();
    cases.push(Case::from("size: 1 and a marker at the end", TABLE, "1\tx\n\\.\n").size(1));
    cases.push(
        Case::from("size: 1 and a bad row", TABLE, "1\tx\nb\ty\n")
            .size(1)
            .fails("22P02"),
    );
    cases.push(
        Case::expert_in(
            "size: 2 of copy_expert",
            TABLE,
            "COPY t FROM STDIN WITH CSV",
            "1,\"x\ny\"\n2,z\n",
        )
        .size(2),
    );
    cases
}

fn large() -> Vec<Case> {
    let many = rows(100_000);
    let mut bad_end = many.clone();
    bad_end.push_str("x\tlast\n");
    let bad_start = format!("x\tfirst\n{many}");
    let big = "é".repeat(512 * 1024);
    let escaped = "\\\\".repeat(512 * 1024);
    let columns: Vec<String> = (0..500).map(|n| format!("c{n} int")).collect();
    let wide: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let wide = wide.join("\t") + "\n";
    let mut cases = vec![
        Case::from("bulk: 100,000 rows", TABLE, &many),
        Case::from("bulk: the last of 100,001 rows is bad", TABLE, bad_end).fails("22P02"),
        Case::from("bulk: the first of 100,001 rows is bad", TABLE, bad_start).fails("22P02"),
        Case::from("bulk: a field of 1 MiB", TABLE, format!("1\t{big}\n2\tx\n")),
        Case::from(
            "bulk: a field of 1 MiB of backslashes",
            TABLE,
            format!("1\t{escaped}\n"),
        ),
        Case::from(
            "bulk: 500 columns",
            &format!("CREATE TABLE t ({})", columns.join(", ")),
            wide.repeat(20),
        ),
        Case::from(
            "bulk: 200,000 empty rows",
            "CREATE TABLE t (a text)",
            "\n".repeat(200_000),
        ),
    ];
    // Records that end just before, at and after the edges of the blocks they are read in.
    for edge in [8192, 65_536, 262_144, 1_048_576] {
        for length in [edge - 1, edge, edge + 1] {
            let data = format!("1\t{}\n2\té\n", "x".repeat(length - 3));
            cases.push(Case::from(
                format!("bulk: a record of {length} bytes"),
                TABLE,
                data,
            ));
        }
    }
    cases
}

fn rows(count: usize) -> String {
    (0..count).fold(String::new(), |mut data, n| {
        data.push_str(&format!("{n}\trow {n} of many\n"));
        data
    })
}
