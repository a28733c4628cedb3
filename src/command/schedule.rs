//! `dwsload schedule JOB --at "5 2 * * *"`

use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Schedule;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{self, Overrides};
use crate::schedule::{Expression, Plan, Wrong, crontab, service, timer};
use crate::wire::environment::Environment;

/// Prints what to paste into a crontab, or to write as units of systemd.
///
/// # Errors
/// The time is none, the job file makes no sense, or a path cannot be written there.
pub fn run(args: &Schedule) -> Result<ExitCode> {
    let at = Expression::parse(&args.at).map_err(|wrong| mistake(&args.at, &wrong))?;
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        ..Overrides::default()
    };
    let job = job::load(&args.job, &overrides)?;
    let program = std::env::current_exe().map_err(|cause| {
        Error::new(ErrorKind::Usage, "this program cannot tell where it is").because(cause)
    })?;
    let mut arguments = Vec::new();
    for (name, value) in &args.vars {
        arguments.extend(["--var".to_owned(), format!("{name}={value}")]);
    }
    arguments.push("--quiet".into());
    let plan = Plan {
        job: job.name,
        program,
        file: absolute(&args.job)?,
        arguments,
        at,
        jitter: args.jitter,
        user: user(),
    };
    let text = page(&plan).map_err(|what| Error::new(ErrorKind::Usage, what))?;
    let _ = stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn page(plan: &Plan) -> Result<String, String> {
    let unit = plan.unit();
    let note = if plan.at.is_either() {
        "# Both days are restricted, so cron takes a day that fits either: two OnCalendar lines.\n"
    } else {
        ""
    };
    Ok(format!(
        "# crontab -e{}\n{}\n\
         # or, in the place of that, with systemd:\n\
         # /etc/systemd/system/{unit}.service\n{}\n\
         # /etc/systemd/system/{unit}.timer\n{note}{}\n\
         # systemctl daemon-reload && systemctl enable --now {unit}.timer\n",
        plan.user
            .as_ref()
            .map_or_else(String::new, |user| format!(", as {user}")),
        crontab(plan)?,
        service(plan)?,
        timer(plan)
    ))
}

/// Without `..`, but with links, which may be there to be changed.
fn absolute(file: &Path) -> Result<std::path::PathBuf> {
    let failed = |cause: std::io::Error| {
        Error::new(
            ErrorKind::Usage,
            format!("cannot tell where `{}` is", file.display()),
        )
        .because(cause)
    };
    let name = file.file_name().unwrap_or_default();
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if folder
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        return Ok(std::fs::canonicalize(folder).map_err(failed)?.join(name));
    }
    std::path::absolute(folder.join(name)).map_err(failed)
}

/// Who runs this; `None` for root.
fn user() -> Option<String> {
    if rustix::process::geteuid().is_root() {
        return None;
    }
    Environment::of_process().user().map(str::to_owned)
}

/// The expression with a mark below the place.
fn mistake(text: &str, wrong: &Wrong) -> Error {
    let shown: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    Error::new(
        ErrorKind::Usage,
        format!("`--at`, character {}: {}", wrong.at + 1, wrong.what),
    )
    .line("at", format!("\n{shown}\n{}^", " ".repeat(wrong.at)))
}
