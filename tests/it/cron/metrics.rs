//! `--metrics`: figures for the textfile collector of node exporter.

use crate::support::scene::Scene;

/// The samples, without those that are about time.
fn samples(scene: &Scene) -> String {
    let text = String::from_utf8(scene.place.read("dwsload.prom")).expect("it is text");
    let text = scene.steady(&text);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.filter(|line| !line.contains("_seconds")).collect();
    lines.join("\n")
}

/// The value of the sample that begins so.
fn value(scene: &Scene, start: &str) -> f64 {
    let text = String::from_utf8(scene.place.read("dwsload.prom")).expect("it is text");
    let line = text.lines().find(|line| line.starts_with(start));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no {start} in {text}"))
}

#[test]
fn the_last_success_survives_a_failure() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    scene.file("f", "1\n2\n");
    let job = scene.job("- {name: 'the \"load\"', copy_from: {file: f, table: t}}\n- copy_to: {table: t, file: out}\nretry: none");
    let run = || {
        scene
            .place
            .run_file(&job, &["--quiet", "--metrics", "dwsload.prom"])
    };
    run().ok();
    insta::assert_snapshot!(samples(&scene), @r#"
    dwsload_exit_code{job="job",file="job.yaml"} 0
    dwsload_retries{job="job",file="job.yaml"} 0
    dwsload_step_rows{job="job",file="job.yaml",step="1",name="the \"load\""} 2
    dwsload_step_rows{job="job",file="job.yaml",step="2"} 2
    dwsload_step_rejected{job="job",file="job.yaml",step="1",name="the \"load\""} 0
    dwsload_step_filtered{job="job",file="job.yaml",step="1",name="the \"load\""} 0
    dwsload_step_bytes{job="job",file="job.yaml",step="1",name="the \"load\""} 4
    dwsload_step_bytes{job="job",file="job.yaml",step="2"} 4
    dwsload_step_files{job="job",file="job.yaml",step="1",name="the \"load\""} 1
    "#);
    let (last_run, last_success) = (
        "dwsload_last_run_timestamp_seconds{",
        "dwsload_last_success_timestamp_seconds{",
    );
    let first = value(&scene, last_success);
    assert!((value(&scene, last_run) - first).abs() < 0.001);
    scene.file("f", "1\nx\n");
    assert_eq!(run().code, Some(1));
    assert!((value(&scene, last_success) - first).abs() < 0.001);
    assert!(value(&scene, last_run) > first);
    assert!((value(&scene, "dwsload_exit_code") - 1.0).abs() < 0.1);
    assert!(value(&scene, "dwsload_step_rows").abs() < 0.1);
    // A job file that is broken meanwhile is still the same job.
    scene.file("job.yaml", "steps: x");
    assert_eq!(run().code, Some(2));
    assert!((value(&scene, "dwsload_exit_code") - 2.0).abs() < 0.1);
    assert!((value(&scene, last_success) - first).abs() < 0.001);
    let folder = std::fs::read_dir(scene.place.path("")).expect("our folder");
    assert!(
        folder
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().contains(".part"))
    );
}
