//! The README shows what is true: its job and its commands are run, its output is compared.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests; the lint spares test functions only"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Workplace;

/// The data behind the README's example, and what is wrong with it in the second run.
const NORTH: &str = "day,region,amount\n2026-01-31,north,10.5\n2026-01-31,\"so\nuth\",7\n";
const SOUTH: &str = "amount,day,region\n1,2026-01-31,north\n2.25,2026-01-30,\"so\nuth\"\n";
const WRONG: &str = "amount,day,region\n1,2026-01-31,\"no\nrth\"\n1O.5,2026-01-30,south\n";

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The contents of the code blocks in `language`, in their order.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("```{language}\n");
    readme
        .split(&fence)
        .skip(1)
        .map(|after| after.split("```").next().unwrap().to_owned())
        .collect()
}

/// Times are the machine's; everything else is ours.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '(', ')']) {
        let number = word.trim_end_matches([' ', '\n', '(', ')']);
        if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.') {
            out.push_str(&word.replace(number, "N"));
        } else {
            out.push_str(word);
        }
    }
    out.replace("N s", "N ms")
}

fn compress(workplace: &Workplace, name: &str, text: &str) {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    workplace.file(name, packed.finish().unwrap());
}

#[test]
fn the_example_job_and_its_output_are_true() {
    let workplace = Workplace::new();
    let embedded = tempfile::Builder::new()
        .prefix("dwsload-readme-")
        .tempdir_in("/tmp")
        .unwrap();
    workplace.file("sales.yaml", &blocks("yaml")[0]);
    compress(&workplace, "sales-1.csv.gz", NORTH);
    compress(&workplace, "sales-2.csv.gz", SOUTH);
    let shown = blocks("console");
    for (index, (code, second_file)) in [(0, SOUTH), (1, WRONG)].into_iter().enumerate() {
        compress(&workplace, "sales-2.csv.gz", second_file);
        let (prompt, expected) = shown[index].split_once('\n').unwrap();
        let arguments = prompt.strip_prefix("$ dwsload ").unwrap().split(' ');
        let run = workplace
            .dwsload()
            .env("DWSLOAD_EMBEDDED_DIR", embedded.path().join("server"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        // The first run sets the server up, and says so.
        let said: String = said
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("setting up"))
            .collect();
        assert_eq!(run.status.code(), Some(code), "{said}");
        assert_eq!(without_times(&said), without_times(expected));
    }
}

#[test]
fn every_make_target_of_the_readme_exists() {
    let readme = readme();
    let mut targets: Vec<&str> = readme
        .split("make ")
        .skip(1)
        .filter_map(|after| after.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .collect();
    targets.sort_unstable();
    targets.dedup();
    assert!(
        targets.contains(&"demo") && targets.contains(&"test"),
        "{targets:?}"
    );
    for target in targets {
        let known = Command::new("make")
            .args(["--dry-run", target])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(known.status.success(), "make {target}");
    }
}

#[test]
fn every_option_and_exit_code_of_the_readme_is_in_the_help() {
    let workplace = Workplace::new();
    let help = workplace.dwsload().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = readme();
    for option in [
        "--var",
        "--only",
        "--input",
        "--jitter",
        "--report",
        "--metrics",
        "--log-format",
        "--fail-fast",
        "--quiet",
        "--verbose",
        "--progress",
        "--dry-run",
    ] {
        assert!(
            readme.contains(&format!("`{option}")) && help.contains(option),
            "{option}"
        );
    }
    for code in [0, 1, 2, 3, 4, 5, 6, 7] {
        assert!(readme.contains(&format!("| {code} |")), "{code}");
        assert!(help.contains(&format!("{code}  ")), "{code}");
    }
}
