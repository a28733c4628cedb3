//! Manifests: what they list is loaded, as they say it is, and nothing else.

use super::{assert_says, count, scene};

const KEYS: &str = "file: 'in/*.txt', table: t, ready: {manifest: in/manifest.json}";

/// What `sha256sum` says of no bytes but `1\n`.
const ONE: &str = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

#[test]
fn only_what_is_listed_is_loaded_and_all_of_it() {
    let scene = scene();
    scene.file("in/a.txt", "1\n");
    scene.file("in/b.txt", "2\n3\n");
    scene.file("in/old.txt", "4\n");
    let ran = scene.load(KEYS);
    assert_says(&ran, 6, &["the manifest is not there"]);
    let manifest = |text: &str| scene.file("in/manifest.json", text);
    manifest(r#"{"files": [{"file": "a.txt""#);
    assert_says(&scene.load(KEYS), 6, &["no manifest that can be used: EOF"]);
    manifest(r#"[{"file": "a.txt", "size": 2}, {"file": "c.txt", "size": 9}]"#);
    assert_says(
        &scene.load(KEYS),
        6,
        &["c.txt: it is not there, and the manifest lists it"],
    );
    manifest(r#"[{"file": "a.txt", "size": 3}]"#);
    assert_says(
        &scene.load(KEYS),
        6,
        &["it has 2 bytes, and its manifest says 3"],
    );
    manifest(&format!(
        r#"[{{"file": "a.txt", "size": 2, "sha256": "{}"}}]"#,
        ONE.replace('4', "5")
    ));
    assert_says(
        &scene.load(KEYS),
        6,
        &[
            "its hash is sha256:4355a46b",
            "and its manifest says sha256:5355a56b",
        ],
    );
    manifest(r#"[{"file": "x.csv", "size": 3}]"#);
    assert_says(&scene.load(KEYS), 6, &["lists no file that `file` names"]);
    assert_eq!(count(&scene), "0");
    manifest(&format!(
        r#"{{"files": [{{"file": "b.txt", "size": 4, "rows": 2}}, {{"file": "a.txt", "size": 2, "sha256": "{ONE}"}}, {{"file": "x.csv", "size": 3}}]}}"#
    ));
    let ran = scene.load(KEYS);
    assert_says(
        &ran,
        0,
        &[
            "3 rows",
            "from 2 files",
            "lists 1 file that `file` of the step does not name",
        ],
    );
    assert_eq!(
        scene.psql("SELECT min(n), max(n), count(*) FROM t"),
        "1|3|3"
    );
}

#[test]
fn rows_are_compared_before_the_commit() {
    let scene = scene();
    scene.file("in/a.txt", "1\n2\nx\n");
    scene.file(
        "in/manifest.json",
        r#"[{"file": "a.txt", "size": 6, "rows": 2}]"#,
    );
    let keys = format!("{KEYS}, on_error: reject");
    let ran = scene.load(&keys);
    assert_says(
        &ran,
        1,
        &["a.txt` holds 3 records, and its manifest says 2"],
    );
    assert_eq!(count(&scene), "0");
    scene.file(
        "in/manifest.json",
        r#"[{"file": "a.txt", "size": 6, "rows": 3}]"#,
    );
    assert_says(&scene.load(&keys), 3, &["2 rows"]);
    assert_eq!(count(&scene), "2");
}

#[test]
fn what_an_unload_lists_a_load_believes() {
    let scene = scene();
    scene.psql("INSERT INTO t SELECT generate_series(1, 5000)");
    for (file, format) in [
        ("x.csv.gz", "csv, header: true"),
        ("x.txt", "text"),
        ("x.bin", "binary"),
    ] {
        scene
            .run(&format!(
                "- copy_to: {{table: t, file: out/{file}, format: {format}, manifest: true}}"
            ))
            .ok();
        let manifest = format!("out/{file}.manifest.json");
        let text = String::from_utf8(scene.place.read(&manifest)).unwrap();
        let size = scene.place.read(&format!("out/{file}")).len();
        for part in [
            format!("\"file\": \"{file}\""),
            format!("\"size\": {size}"),
            "\"rows\": 5000".into(),
            "\"hash\": \"xxh3-128:".into(),
        ] {
            assert!(text.contains(&part), "{part}\n{text}");
        }
        scene.psql("CREATE TABLE u (n int)");
        let keys = format!(
            "file: out/{file}, table: u, format: {format}, ready: {{manifest: {manifest}}}"
        );
        scene.load(&keys).ok();
        assert_eq!(
            scene.psql("SELECT count(*), sum(n) FROM u"),
            "5000|12502500"
        );
        // One bit is another.
        let mut bytes = scene.place.read(&format!("out/{file}"));
        bytes[size / 2] ^= 1;
        scene.file(&format!("out/{file}"), bytes);
        assert_says(&scene.load(&keys), 6, &["its hash is xxh3-128:"]);
        scene.psql("DROP TABLE u");
    }
    // A path of its own; and none where the job fails.
    scene
        .run("- copy_to: {table: t, file: out/y.txt, manifest: lists/y.json}")
        .ok();
    let text = String::from_utf8(scene.place.read("lists/y.json")).unwrap();
    assert!(text.contains("out/y.txt\""), "{text}");
    let steps = "- copy_to: {table: t, file: out/z.txt, manifest: true}\n- expect: SELECT false";
    assert_eq!(scene.run(steps).code, Some(1));
    let names: Vec<_> = std::fs::read_dir(scene.place.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains('z'))
        .filter(|name| !name.to_string_lossy().contains(".gz"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
}
