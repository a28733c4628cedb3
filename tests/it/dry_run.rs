//! `dwsload check`: everything is found, and nothing is changed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod exact;
mod found;
mod random;
mod unchanged;

use crate::support::Ran;
use crate::support::scene::Scene;

/// Checks a job of `steps`, a YAML block list, with more arguments.
fn check(scene: &Scene, steps: &str, more: &[&str]) -> Ran {
    let job = scene.job(steps);
    check_file(scene, &job, more)
}

fn check_file(scene: &Scene, job: &std::path::Path, more: &[&str]) -> Ran {
    let mut command = scene.place.dwsload();
    command.arg("check").arg(job).args(more);
    Ran::of(command.output().unwrap())
}

/// The page, steady.
fn page(scene: &Scene, ran: &Ran) -> String {
    let server = scene.psql("SELECT 'PostgreSQL ' || current_setting('server_version')");
    let text = String::from_utf8(ran.stdout.clone()).unwrap();
    scene.steady(&text).replace(&server, "SERVER")
}
