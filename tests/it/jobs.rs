//! Every job in jobs/ runs as it is, twice, on an embedded server, and on servers like DWS.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests; the lint spares test functions only"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::gate::{Gate, Product};
use crate::support::server::Server;
use crate::support::{Ran, Workplace, quoted};

/// A copy of jobs/, so that its output does not end up in the repository.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "out" {
                copy(&entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn jobs_of(folder: &Path) -> Vec<PathBuf> {
    let mut jobs: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    jobs.sort();
    jobs
}

#[test]
fn every_job_runs_as_it_is_and_again() {
    let workplace = Workplace::new();
    let folder = workplace.path("jobs");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs"), &folder);
    let embedded = tempfile::Builder::new()
        .prefix("dwsload-jobs-")
        .tempdir_in("/tmp")
        .unwrap();
    let input = workplace.file("input", "eins\nzwei\n");
    let jobs = jobs_of(&folder);
    assert!(jobs.len() >= 5, "{jobs:?}");
    for job in &jobs {
        for _ in 0..2 {
            let run = workplace
                .dwsload()
                .env("DWSLOAD_EMBEDDED_DIR", embedded.path().join("server"))
                .arg(job)
                .stdin(Stdio::from(fs::File::open(&input).unwrap()))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(0), "{}: {said}", job.display());
            assert!(!said.contains("warning"), "{}: {said}", job.display());
        }
    }
    let daily = fs::read_to_string(folder.join("out/daily-orders.csv")).unwrap();
    let mut lines = daily.lines();
    assert_eq!(lines.next(), Some("day,currency,orders,items,amount"));
    assert_eq!(lines.count(), 900);
    let left: Vec<_> = fs::read_dir(folder.join("out")).unwrap().collect();
    assert!(
        left.iter().all(|entry| !entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".part")),
        "{left:?}"
    );
}

/// Runs a copy of `job` on the server at `url`, in this transaction mode.
fn run_on(workplace: &Workplace, job: &Path, url: &str, transaction: &str, input: &Path) -> Ran {
    let text = fs::read_to_string(job).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("transaction:"));
    let lines: Vec<String> = lines
        .map(|line| {
            if line.starts_with("connection:") {
                format!("connection: {}\ntransaction: {transaction}", quoted(url))
            } else {
                line.to_owned()
            }
        })
        .collect();
    let copy = job.with_extension("there.yml");
    fs::write(&copy, lines.join("\n")).unwrap();
    let output = workplace
        .dwsload()
        .arg(&copy)
        .stdin(Stdio::from(fs::File::open(input).unwrap()))
        .output();
    Ran::of(output.unwrap())
}

/// What is said of a job that the server, or the mode, does not allow.
fn cannot(job: &Path, product: Product, transaction: &str) -> Option<&'static str> {
    let is = |called: &str| job.file_name().is_some_and(|name| name == called);
    let (merges, shapes, hands_over) = (is("upsert.yaml"), is("shaping.yaml"), is("handover.yaml"));
    match transaction {
        "none" if merges || shapes || hands_over => Some("transaction"),
        // It reads what it writes.
        "job" if hands_over => Some("use `transaction: step`"),
        _ if !merges => None,
        _ if product.is_dws() => Some("does not keep the order of the records"),
        _ => None,
    }
}

#[test]
fn no_job_sends_a_gauss_server_what_it_refuses() {
    let workplace = Workplace::new();
    let folder = workplace.path("jobs");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs"), &folder);
    let input = workplace.file("input", "eins\nzwei\n");
    for product in [Product::Dws, Product::OpenGauss] {
        for transaction in ["job", "step", "none"] {
            let database = Server::shared().database();
            let gate = Gate::before(&database).playing(product).open();
            let jobs = jobs_of(&folder);
            for job in &jobs {
                let ran = run_on(&workplace, job, &gate.url(), transaction, &input);
                if let Some(why) = cannot(job, product, transaction) {
                    assert!(ran.stderr.contains(why), "{}", ran.stderr);
                    continue;
                }
                let job = job.display();
                assert_eq!(ran.code, Some(0), "{job}, {product:?}: {}", ran.stderr);
            }
            assert_eq!(gate.refused(), [] as [&str; 0], "{product:?} {transaction}");
            assert!(gate.sessions() as usize >= jobs.len() - 3);
            assert!(gate.statements().len() > 50, "{:?}", gate.statements());
        }
    }
}
