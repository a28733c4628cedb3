//! `dwsload schedule`: lines of crontab and units of systemd.

use std::process::Command;

use crate::support::{Ran, Workplace};

fn schedule(place: &Workplace, arguments: &[&str]) -> Ran {
    let mut command = place.dwsload();
    command.arg("schedule").args(arguments);
    Ran::of(command.output().expect("the binary runs"))
}

#[test]
fn what_to_paste_is_printed_with_whole_paths() {
    let place = Workplace::new();
    place.file(
        "jobs/orders.yaml",
        "vars: {region: eu}\nsteps: [{sql: 'SELECT ${{ vars.region | sql_literal }}'}]",
    );
    let ran = schedule(
        &place,
        &[
            "jobs/orders.yaml",
            "--at",
            "*/20 8-18 1 * mon",
            "--jitter",
            "2m",
            "--var",
            "region=100%",
        ],
    )
    .ok();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let file = place.path("jobs/orders.yaml").display().to_string();
    let program = env!("CARGO_BIN_EXE_dwsload");
    for line in [
        format!("*/20 8-18 1 * 1 {program} {file} --var region=100\\% --quiet --jitter 2m\n"),
        format!("ExecStart={program} {file} --var region=100%% --quiet\n"),
        "OnCalendar=*-*-01 08..18:00/20:00\nOnCalendar=Mon *-*-* 08..18:00/20:00\n".into(),
        "RandomizedDelaySec=120\n".into(),
        "# /etc/systemd/system/dwsload-orders.timer\n# Both days are restricted".into(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[test]
fn a_wrong_time_and_a_wrong_job_are_refused() {
    let place = Workplace::new();
    place.file("orders.yaml", "steps: [{sql: SELECT 1}]");
    let ran = schedule(&place, &["orders.yaml", "--at", "5 25 * * *"]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(ran.stderr, @r"
    error: `--at`, character 3: expected an hour from 0 to 23, found `25`
      at: 
        5 25 * * *
          ^
    ");
    place.file("wrong.yaml", "steps: x");
    let ran = schedule(&place, &["wrong.yaml", "--at", "5 2 * * *"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let ran = schedule(&place, &["orders.yaml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

/// Where systemd is installed, it reads what is printed for it.
#[test]
fn systemd_takes_the_units() {
    let place = Workplace::new();
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    place.file("it's 100%/a$b.yaml", "job: j\nsteps: [{sql: SELECT 1}]");
    let ran = schedule(
        &place,
        &[
            "it's 100%/a$b.yaml",
            "--at",
            "*/7 0-23/5 */2 1,7 sun,wed-fri",
            "--jitter",
            "90s",
        ],
    )
    .ok();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let part = |name: &str| {
        let (_, after) = text.split_once(&format!("/{name}\n")).expect("the unit");
        after.split("\n#").next().unwrap_or_default().to_owned()
    };
    let mut units = Vec::new();
    for name in ["dwsload-j.service", "dwsload-j.timer"] {
        units.push(place.file(name, part(name)));
    }
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .args(&units)
        .output();
    let verified = Ran::of(verified.expect("it runs"));
    let complaints = verified
        .stderr
        .lines()
        .filter(|line| line.contains("dwsload-j"));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new());
}
