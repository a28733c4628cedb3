//! The end-of-data marker `\.`, where rows behind it would vanish.

use super::*;

#[test]
fn alone_with_data_behind_it_fails_the_load() {
    for (table, keys, content) in [
        ("one", "format: text", "x\n\\.\ny\n"),
        ("one", "format: csv", "x\n\\.\ny\n"),
        ("one", "format: csv", "\"x\"\r\n\\.\r\n\"y\"\r\n"),
        ("one", "format: text", "x\r\\.\ry\r"),
        ("one", "format: text, header: true", "b\n\\.\ny\n"),
        ("two", "format: csv", "1,x\n\\.\n2,y\n"),
        ("two", "format: text", "1\tx\n\\.\n2\ty"),
    ] {
        refused(
            table,
            content,
            keys,
            "goes on after the end-of-data marker `\\.` on line 2",
        );
    }
    // Nothing but blanks is nothing.
    gives("one", "x\n\\.\n \n\t\r\n", "format: text", "x", &[]);
    refused("one", "x\n\\.\n\\.\n", "format: text", "on line 2");
}

#[test]
fn at_the_end_of_a_longer_line_fails_the_load() {
    for content in ["x\ny\\.\nz\n", "x\ny\\.\n"] {
        refused(
            "one",
            content,
            "format: text",
            "line 2 of `f` ends with `\\.` after its data",
        );
    }
    // In csv it is a part of the value.
    gives("one", "x\ny\\.\nz\n", "format: csv", "x\ny\\.\nz", &[]);
}

#[test]
fn as_the_last_line_without_a_line_end_is_no_silent_end() {
    bad("one", "x\n\\.", "format: text", "22P04", (2, 2, 2), "x");
    bad("one", "x\ny\\.", "format: text", "22P04", (2, 2, 2), "x");
    // For the server it is a value then.
    gives("one", "x\n\\.", "format: csv", "x\n\"\\.\"", &[]);
}

#[test]
fn with_more_on_its_line_is_a_bad_record() {
    bad(
        "one",
        "x\n\\.y\nz\n",
        "format: text",
        "22P04",
        (2, 2, 2),
        "x\nz",
    );
    gives("one", "x\n\\.y\nz\n", "format: csv", "x\n\\.y\nz", &[]);
}

#[test]
fn is_found_wherever_blocks_end() {
    // The smallest block is 4096 bytes; the marker and its line end lie around its end.
    for before in 4088..=4098_usize {
        for (format, end) in [("text", "\n"), ("csv", "\n"), ("csv", "\r\n")] {
            let fill = before - end.len();
            let content = format!("{}{end}\\.{end}y{end}", "x".repeat(fill));
            let keys = format!("format: {format}, size: 4096");
            refused("one", content, &keys, "marker `\\.` on line 2");
        }
    }
    let content = format!("{}\\.\ny\n", "x".repeat(4095));
    refused(
        "one",
        content,
        "format: text, size: 4096",
        "line 1 of `f` ends with",
    );
}

#[test]
fn in_quotes_is_data_wherever_blocks_end() {
    for before in [4090, 4093, 4094, 4095, 4096] {
        let fill = "x".repeat(before - 3);
        let content = format!("{fill}\n\"\n\\.\n\"\ny\n");
        let keys = "format: csv, size: 4096";
        gives("one", &content, keys, content.trim_end(), &[]);
    }
}

#[test]
fn in_a_copy_by_hand_is_found_too() {
    let scene = Scene::new("CREATE TABLE one (b text)");
    let run = |options: &str, content: &str| {
        scene.psql("TRUNCATE one");
        scene.file("f", content);
        let ran = scene.run(&format!(
            "- copy_expert: {{sql: 'COPY one FROM STDIN {options}', file: f}}"
        ));
        steady(&scene, ran)
    };
    for (options, content, part) in [
        (
            "",
            "x\n\\.\ny\n",
            "goes on after the end-of-data marker `\\.` on line 2",
        ),
        (
            "CSV",
            "x\n\\.\ny\n",
            "goes on after the end-of-data marker `\\.` on line 2",
        ),
        (
            "",
            "x\ny\\.\nz\n",
            "line 2 of `f` ends with `\\.` after its data",
        ),
    ] {
        let ran = run(options, content);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
        assert_eq!(rows(&scene, "one"), "");
    }
    let ran = run("CSV", "x\n\\.\n").ok();
    assert_eq!(
        told(&ran),
        ["`f` ends with a line `\\.`, taken as the end of the data"]
    );
    let ran = run("", "x\n\\.\n").ok();
    assert_eq!(told(&ran), [] as [&str; 0]);
    assert_eq!(rows(&scene, "one"), "x");
}
