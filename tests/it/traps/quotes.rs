//! Quotes that are left open: what they swallow, and where they stand.

use super::*;

#[test]
fn never_closed_is_placed() {
    for (content, keys, place, hint) in [
        (
            "1,x\n2,\"y\n3,z\n4,z\n",
            "format: csv",
            (2, 2, 4),
            "the quote that is opened on line 2 is never closed: all to the end of the file, line 4, is one value",
        ),
        (
            "a,b\r\n1,\"x\r\ny\"\r\n2,\"y\r\n3,z",
            "format: csv, header: true",
            (2, 4, 15),
            "the quote that is opened on line 4 is never closed: all to the end of the file, line 5, is one value",
        ),
        // The record begins above the quote.
        (
            "1,\"x\ny\" and \"z\n2,w\n",
            "format: csv",
            (1, 1, 0),
            "the quote that is opened on line 2 is never closed: all to the end of the file, line 3, is one value",
        ),
    ] {
        let (_, ran) = load("two", content, keys, "stop");
        assert_eq!(ran.sqlstate(), Some("22P04"), "{}", ran.stderr);
        assert_eq!(said(&ran), Some(place), "{}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        // Nobody means to reject the rest of a file.
        let (scene, ran) = load("two", content, keys, "reject");
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let (record, line, byte) = place;
        let part = format!(
            "ends inside a quote that is opened in record {record}, line {line}\n    byte: {byte}\n"
        );
        assert!(ran.stderr.contains(&part), "{}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        assert_eq!(rows(&scene, "two"), "");
    }
}

#[test]
fn never_closed_is_placed_far_above_the_end() {
    let rest = "2,y\n".repeat(100_000);
    let content = format!("1,x\n1,\"x\n{rest}");
    let (_, ran) = load("two", content, "format: csv", "stop");
    assert_eq!(said(&ran), Some((2, 2, 4)), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("on line 2 is never closed: all to the end of the file, line 100002"),
        "{}",
        ran.stderr
    );
}

#[test]
fn closed_by_another_one_is_told() {
    let told = "in `f`, the quote that is opened on line 2 seems to have been left open: it is closed by one on line 4, and all between is one value";
    // The server takes all of them: in the middle of a field, and at its start.
    gives(
        "two",
        "1,x\n2,5\" disk\n3,z\n4,3\" disk\n5,w\n",
        "format: csv",
        "1,x\n2,\"5 disk\n3,z\n4,3 disk\"\n5,w",
        &[told],
    );
    gives(
        "two",
        "1,x\n2,\"y\n3,z\n4,\"w\n5,v\n",
        "format: csv",
        "1,x\n2,\"y\n3,z\n4,w\"\n5,v",
        &[told],
    );
    // Far apart, in blocks of their own, and again.
    let between = "3,z\n".repeat(5000);
    let content = format!("1,x\n2,5\"\n{between}4,6\"\n5,7\"\n6,8\"\n");
    let told = "in `f`, the quote that is opened on line 2 seems to have been left open: it is closed by one on line 5003, and all between is one value; there is 1 more";
    for (on_error, size) in [("stop", 4096), ("reject", 65536)] {
        let keys = format!("format: csv, size: {size}");
        let (scene, ran) = load("two", &content, &keys, on_error);
        assert_eq!(super::told(&ran.ok()), [told]);
        assert_eq!(scene.psql("SELECT count(*) FROM two"), "3");
    }
    // As programs write csv, values of many lines are no matter.
    gives(
        "two",
        "1,\"x\n\"\"y\"\",\n\"\n\"2\",\"\n\"\"\"\n",
        "format: csv",
        "1,\"x\n\"\"y\"\",\n\"\n2,\"\n\"\"\"",
        &[],
    );
}

#[test]
fn closed_by_another_one_is_the_hint_of_an_error() {
    // The record that swallows others has no number in front.
    let between = "3,z\n".repeat(5000);
    let content = format!("1,x\n\"2,y\n{between}4,w\",\"v\"\n5,v\n");
    let (_, ran) = load("two", &content, "format: csv", "stop");
    assert_eq!(ran.sqlstate(), Some("22P02"), "{}", ran.stderr);
    assert_eq!(said(&ran), Some((2, 2, 4)), "{}", ran.stderr);
    // Both quotes are where quotes may be.
    let hint = "hint: this record reaches from line 2 to line 5003; is a quote left open in it?";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    // Nobody reads thousands of lines.
    assert!(ran.stderr.lines().count() < 60, "{}", ran.stderr);
    let content = format!("1,x\n2 \"y\n{between}4,w\",\"v\"\n5,v\n");
    let (_, ran) = load("two", &content, "format: csv", "stop");
    assert_eq!(ran.sqlstate(), Some("22P02"), "{}", ran.stderr);
    assert_eq!(said(&ran), Some((2, 2, 4)), "{}", ran.stderr);
    let hint = "hint: the quote that is opened on line 2 seems to have been left open: it is closed by one on line 5003, and all between is one value";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
}
