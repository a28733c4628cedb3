//! Runs the dwsload binary on job files, in a world of its own.

pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod running;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub(crate) stderr: String,
}

impl Ran {
    /// The outcome of a run by hand.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The SQLSTATE of the error it printed.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        let (_, after) = self.stderr.rsplit_once("(SQLSTATE ")?;
        after.get(..5)
    }

    /// The same run, known to have succeeded.
    ///
    /// # Panics
    /// It failed.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }
}

/// A folder with a job file and its data, thrown away at the end.
#[derive(Debug)]
pub(crate) struct Workplace {
    dir: TempDir,
}

impl Workplace {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::Builder::new()
                .prefix("dwsload-it-")
                .tempdir()
                .expect("a temporary folder"),
        }
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into it, folders included.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder in our folder");
        }
        fs::write(&path, content).expect("a file in our folder");
        path
    }

    /// Reads a file of it.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Puts a copy of the binary into it, for those who may not enter the folder it was built in.
    pub(crate) fn copy_dwsload(&self, name: &str) {
        // By another process: a file that this one holds open for writing, and any child forked
        // meanwhile, cannot be run.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_dwsload"))
            .arg(self.path(name))
            .status();
        assert!(copied.expect("cp runs").success(), "{name} is copied");
    }

    /// The binary, with arguments still to come: run in this folder, with an environment that has
    /// PATH and HOME (this folder) and nothing else.
    pub(crate) fn dwsload(&self) -> Command {
        self.at_home(Path::new(env!("CARGO_BIN_EXE_dwsload")))
    }

    /// A program, run as [`Self::dwsload`] is.
    pub(crate) fn at_home(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Writes `yaml` as `job.yaml` and runs it.
    pub(crate) fn run(&self, yaml: &str) -> Ran {
        let job = self.file("job.yaml", yaml);
        self.run_file(&job, &[])
    }

    /// Runs a job file with more arguments.
    pub(crate) fn run_file(&self, job: &Path, arguments: &[&str]) -> Ran {
        let output = self.dwsload().arg(job).args(arguments).output();
        Ran::of(output.expect("the binary runs"))
    }
}

/// A job on the server at `url`: `steps` are the items of the list, as [`step`] writes them.
pub(crate) fn job(url: &str, steps: &[String]) -> String {
    let mut yaml = format!("connection: {}\nsteps:\n", quoted(url));
    yaml.extend(steps.iter().map(String::as_str));
    yaml
}

/// One step: its kind and its keys, each value as YAML (see [`quoted`] and [`list`]).
pub(crate) fn step(kind: &str, keys: &[(&str, String)]) -> String {
    let mut yaml = format!("  - {kind}:\n");
    for (key, value) in keys {
        yaml.push_str(&format!("      {key}: {value}\n"));
    }
    yaml
}

/// A YAML string in double quotes: any text comes back as it was, `${{` of an expression too.
pub(crate) fn quoted(text: &str) -> String {
    let mut yaml = String::from("\"");
    for c in text.replace("${{", "${{ '${{' }}").chars() {
        match c {
            '"' | '\\' => yaml.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                yaml.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            c => yaml.push(c),
        }
    }
    yaml.push('"');
    yaml
}

/// A YAML list of strings.
pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let items: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", items.join(", "))
}
