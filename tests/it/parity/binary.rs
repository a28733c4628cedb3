//! `copy_expert` of binary data.

use super::case::Case;

pub(super) fn cases() -> Vec<Case> {
    let two = "CREATE TABLE t (a int, b text)";
    let sql = "COPY t FROM STDIN WITH BINARY";
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let rows = b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x03x\xc3\xa9\0\x02\xff\xff\xff\xff\0\0\0\0";
    let file = |parts: &[&[u8]]| parts.concat();
    let good = file(&[header, rows, b"\xff\xff"]);
    vec![
        Case::expert_in("binary: two rows", two, sql, &good),
        Case::expert_in("binary: two rows, a byte at a time", two, sql, &good).size(1),
        Case::expert_in("binary: no rows", two, sql, file(&[header, b"\xff\xff"])),
        Case::expert_in("binary: no signature", two, sql, "1\tx\n").fails("22P04"),
        Case::expert_in("binary: nothing", two, sql, "").fails("22P04"),
        Case::expert_in(
            "binary: cut in the length of a field",
            two,
            sql,
            file(&[header, &rows[..4]]),
        )
        .fails("22P04"),
        Case::expert_in(
            "binary: an integer of three bytes",
            two,
            sql,
            file(&[header, b"\0\x02\0\0\0\x03\0\0\0\xff\xff\xff\xff\xff\xff"]),
        )
        .refused(),
        Case::expert_in(
            "binary: an integer of eight bytes",
            two,
            sql,
            file(&[
                header,
                b"\0\x02\0\0\0\x08\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
            ]),
        )
        .refused(),
        Case::expert_in(
            "binary: a field too few",
            two,
            sql,
            file(&[header, b"\0\x01\xff\xff\xff\xff\xff\xff"]),
        )
        .fails("22P04"),
        Case::expert_in(
            "binary: more after the trailer",
            two,
            sql,
            file(&[&good, b"x"]),
        )
        .fails("22P04"),
        Case::expert_in(
            "binary: cut inside a field",
            two,
            sql,
            file(&[header, &rows[..12]]),
        )
        .fails("22P04"),
        Case::expert_in(
            "binary: bytes that are no text",
            two,
            sql,
            file(&[header, b"\0\x02\xff\xff\xff\xff\0\0\0\x01\xff\xff\xff"]),
        )
        .fails("22021"),
        Case::expert_in(
            "binary: a critical flag",
            two,
            sql,
            file(&[b"PGCOPY\n\xff\r\n\0\0\x01\0\0\0\0\0\0\xff\xff"]),
        )
        .fails("22P04"),
    ]
}
