//! From what a job file says to a [`Job`]: expressions, defaults, cross-checks.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;

use super::diagnose::nearest;
use super::given::replace_input;
use super::raw::{Document, Node};
use super::reader::{At, Fields, Keys, Reader};
use super::template::{OPEN, Scope};
use super::{Connection, Job, Lock, Overrides, Retry, Step, Transaction, shard, step};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Identifier, TableName, setting_list};
use crate::secret::Secrets;
use crate::wire::server::Kind;
use crate::wire::settings::Settings;

/// The longest job file, in bytes. People write them; what is longer is something else.
const LIMIT: u64 = 1024 * 1024;

const JOB: Keys = Keys {
    known: &[
        "job",
        "connection",
        "server",
        "session",
        "vars",
        "transaction",
        "exactly_once",
        "ledger",
        "lock",
        "retry",
        "timeout",
        "idle_timeout",
        "steps",
    ],
    reserved: &[],
};

/// What the steps of a job share. First of all the job file's folder, which its paths are relative to,
/// so that the caller's does not matter.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Some step reads standard input.
    pub(super) stdin_taken: Cell<bool>,
    /// Files that steps write.
    pub(super) outputs: RefCell<BTreeSet<PathBuf>>,
    /// Each statement of a step commits by itself.
    pub(super) alone: bool,
    /// What is loaded is kept in a ledger.
    pub(super) exactly_once: bool,
    /// Each batch of a file commits by itself.
    pub(super) batches: bool,
}

impl Folder {
    /// `text` as a path, from this folder where it is relative.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.path.join(text)
    }
}

/// Reads and checks a job file.
///
/// # Errors
/// [`ErrorKind::Job`] with every mistake of the file, each with its place;
/// [`ErrorKind::Usage`] for overrides that do not fit the job.
pub fn load(file: &Path, overrides: &Overrides) -> Result<Job> {
    let text = read(file)?;
    let document = parse(file, &text)?;
    let scope = Scope::new(&Zoned::now(), overrides.vars.clone());
    let mut reader = Reader::new(&document, scope);
    let job = resolve(file, &mut reader);
    let unused = reader.scope.unused_overrides();
    let unknown = unused_override(&reader.scope);
    let mut secrets = reader.scope.secrets();
    let (mistakes, warnings) = reader.finish();
    let Some(mut job) = job.filter(|_| mistakes.is_empty()) else {
        return Err(mistakes.into_error(file).without(&secrets));
    };
    if let Connection::Server(settings) = &job.connection {
        if let Some(password) = settings.get("password") {
            secrets.add(password);
        }
    }
    job.secrets = secrets;
    if let Some(error) = unknown.filter(|_| !overrides.shared) {
        return Err(error);
    }
    job.warnings = warnings;
    job.steps = chosen(job.steps, &overrides.only)?;
    replace_input(&mut job, &overrides.inputs)?;
    job.again = again(&job, overrides)?;
    job.shard = shard::shard(&job, overrides)?;
    job.given.clone_from(&overrides.vars);
    job.given.retain(|name, _| !unused.contains(name));
    job.unused = unused;
    Ok(job)
}

fn read(file: &Path) -> Result<String> {
    let failed = |what: String| {
        Error::new(
            ErrorKind::Job,
            format!("cannot read the job file `{}`", file.display()),
        )
        .because(what)
    };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|cause| failed(cause.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        return Err(failed("it is longer than 1 MiB".into())
            .hint("is it a data file? A job file names data files, it does not hold data"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', valid).count() + 1;
        failed(format!("line {line} is not UTF-8 text"))
            .hint("a job file is YAML; is this a data file?")
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

fn parse(file: &Path, text: &str) -> Result<Document> {
    let document = Document::parse(text).map_err(|syntax| {
        let mut place = file.display().to_string();
        if let Some(at) = syntax.place {
            place.push_str(&format!(":{}:{}", at.line, at.column));
        }
        let error = Error::new(ErrorKind::Job, format!("{place}: {}", syntax.what))
            .line("state", "nothing was opened");
        match syntax_hint(&syntax.what) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    match &document.root {
        Node::Map(_) => Ok(document),
        _ => Err(Error::new(
            ErrorKind::Job,
            format!(
                "`{}` is no job: it holds no mapping with `steps`",
                file.display()
            ),
        )
        .hint("a job file begins like `steps:`, with a list below; see `dwsload --help`")),
    }
}

/// What to do about the YAML parser's `what`.
fn syntax_hint(what: &str) -> Option<&'static str> {
    let hints = [
        (
            "limit exceeded",
            "an anchor that holds itself, or anchors that multiply, are no job",
        ),
        (
            "tab",
            "YAML is indented with blanks, never with tabs; a text that begins with one of `@%*&!|>{[,` and the like needs quotes",
        ),
        (
            "did not find expected key",
            "check the indentation, and quote texts that hold `: ` or ` #`",
        ),
        (
            "mapping values are not allowed",
            "check the indentation, and quote texts that hold `: ` or ` #`",
        ),
        (
            "block sequence entries are not allowed",
            "a `-` alone needs quotes, `\"-\"`; else check the indentation",
        ),
        (
            "did not find expected alphabetic",
            "a text that begins with `*` or `&` needs quotes, such as `\"*.csv\"`",
        ),
        (
            "did not find expected node content",
            "is a quote missing? A text that begins with one of `,]}` and the like needs quotes",
        ),
    ];
    let what = what.replace("start any token", "tab");
    hints
        .into_iter()
        .find(|(words, _)| what.contains(words))
        .map(|(_, hint)| hint)
}

fn resolve(file: &Path, reader: &mut Reader<'_>) -> Option<Job> {
    let name = name(file, reader);
    reader.scope.set_job(name.as_deref().unwrap_or_default());
    let reader = &*reader;
    let fields = reader.root().fields(JOB)?;
    if let Some(at) = fields.get("vars") {
        vars(at);
    }
    let transaction = fields
        .get("transaction")
        .map_or(Some(Transaction::Job), transaction);
    let exactly_once = fields.get("exactly_once").map_or(Some(false), At::flag);
    let folder = Folder {
        path: file.parent().unwrap_or(Path::new("")).to_owned(),
        stdin_taken: Cell::new(false),
        outputs: RefCell::default(),
        alone: transaction == Some(Transaction::None),
        exactly_once: exactly_once == Some(true),
        batches: transaction == Some(Transaction::Batch),
    };
    if folder.batches && !folder.exactly_once {
        fields.refuse(
            &["transaction"],
            "`batch` commits a part of a file at a time, and only a ledger knows which parts are in: it needs `exactly_once: true`",
        );
    }
    let ledger = ledger(&fields, &folder);
    let connection = connection(fields.get("connection"), &folder);
    let server = match fields.get("server") {
        Some(at) => server(at).map(Some),
        None => Some(None),
    };
    let session = fields.get("session").map_or(Some(Vec::new()), session);
    let retry = fields.get("retry").map_or(Some(Retry::default()), retry);
    let lock = Lock::read(
        fields.get("lock"),
        file,
        (
            name.as_deref().unwrap_or_default(),
            fields.get("job").is_some(),
        ),
        folder.exactly_once,
    );
    let limit = |key| match fields.get(key) {
        Some(at) => at.parse(duration).map(Some),
        None => Some(None),
    };
    let (timeout, idle_timeout) = (limit("timeout"), limit("idle_timeout"));
    let steps = steps(&fields, &folder);
    Some(Job {
        name: name?,
        run_id: reader.scope.run_id(),
        file: file.to_owned(),
        connection: connection?,
        server: server?,
        session: session?,
        transaction: transaction?,
        exactly_once: exactly_once?,
        ledger,
        again: false,
        lock: lock?,
        shard: None,
        retry: retry?,
        timeout: timeout?,
        idle_timeout: idle_timeout?,
        step_count: steps.as_ref().map_or(0, Vec::len),
        steps: steps?,
        secrets: Secrets::default(),
        warnings: Vec::new(),
        given: BTreeMap::new(),
        unused: Vec::new(),
        lines: fields.get("steps")?.lines(),
    })
}

/// The job's name comes first: expressions elsewhere may refer to it.
fn name(file: &Path, reader: &Reader<'_>) -> Option<String> {
    let Some(at) = reader.root().entry("job") else {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        return Some(stem.into_owned());
    };
    let name = at.text()?;
    if name.is_empty() || name.chars().any(char::is_control) {
        at.wrong("a name must not be empty or hold control characters");
        return None;
    }
    Some(name)
}

/// Variables, in the order of the file: one may refer to those before it.
fn vars(at: &At<'_>) {
    for (name, at) in at.entries().unwrap_or_default() {
        let scope = &at.reader.scope;
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name || name.is_empty() {
            at.wrong_key(
                "a variable's name is made of letters, digits and `_`, and begins with no digit",
            );
        } else if scope.is_overridden(name) {
            // Its own value is not looked at: it may need what is not there today.
            scope.set_var(name, String::new());
        } else if let Some(value) = at.text() {
            scope.set_var(name, value);
        }
    }
}

fn unused_override(scope: &Scope) -> Option<Error> {
    let unused = scope.unused_overrides();
    let name = unused.first()?;
    let known = scope.var_names();
    let error = Error::new(
        ErrorKind::Usage,
        format!("`--var {name}=...`: the job has no variable `{name}`"),
    );
    let near = nearest(name, known.iter().map(String::as_str));
    Some(match (near, known.as_slice()) {
        (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
        (None, []) => error.hint("it uses no variables"),
        (None, known) => error.hint(format!("it has: {}", known.join(", "))),
    })
}

fn connection(at: Option<&At<'_>>, folder: &Folder) -> Option<Connection> {
    let Some(at) = at else {
        return Some(Connection::Server(Settings::default()));
    };
    let mut settings = if at.is_map() {
        mapping(at)?
    } else {
        let text = at.text()?;
        if text == "embedded" {
            return Some(Connection::Embedded);
        }
        if !text.contains("://") {
            if text.contains('=') {
                at.wrong("a string of `key=value` pairs is written as a mapping: `{host: ..., port: ..., dbname: ..., user: ...}`");
                return None;
            }
            at.wrong("expected `embedded`, a URL such as `postgresql://user@host:5432/dbname`, or a mapping with host, port, user, dbname");
            return None;
        }
        let settings = Settings::from_url(&text);
        let settings = settings.map_err(|what| at.wrong(what)).ok()?;
        let written = at
            .scalar()
            .is_some_and(|scalar| !scalar.text.contains(OPEN));
        if written && settings.holds_password() {
            warn_of_password(at);
        }
        settings
    };
    settings.relative_to(&folder.path);
    Some(Connection::Server(settings))
}

const CONNECTION: Keys = Keys {
    known: Settings::KEYWORDS,
    reserved: &[],
};

fn mapping(at: &At<'_>) -> Option<Settings> {
    let mut settings = Settings::default();
    for (keyword, at) in at.entries()? {
        // psycopg2's name of `dbname`.
        if !Settings::KEYWORDS.contains(&keyword) && keyword != "database" {
            at.wrong_key(CONNECTION.unknown(keyword));
            continue;
        }
        let Some(value) = at.text() else { continue };
        if let Err(what) = settings.set(keyword, value) {
            at.wrong(what);
        }
        let written = at
            .scalar()
            .is_some_and(|scalar| !scalar.text.contains(OPEN));
        if keyword == "password" && written {
            warn_of_password(&at);
        }
    }
    Some(settings)
}

fn warn_of_password(at: &At<'_>) {
    at.warn("the password is written in the job file; PGPASSWORD, ~/.pgpass or `${{ env.NAME }}` keep it out");
}

/// The kind of server.
fn server(at: &At<'_>) -> Option<Kind> {
    let meant = Kind::from_word(&at.text()?);
    meant.or_else(|| at.choice(&Kind::WORDS, &[]))
}

fn session(at: &At<'_>) -> Option<Vec<(Identifier, String)>> {
    let mut settings = Vec::new();
    for (name, at) in at.entries()? {
        if name.eq_ignore_ascii_case("client_encoding") {
            at.wrong_key("dwsload and the server talk in UTF-8; for a file of another encoding, give ENCODING to a `copy_expert`");
            continue;
        }
        match (Identifier::new(name), at.text()) {
            (Ok(name), Some(value)) => match setting_list(name.as_str(), &value) {
                Ok(_) => settings.push((name, value)),
                Err(what) => at.wrong(what),
            },
            (Ok(_), None) => {}
            (Err(what), _) => at.wrong_key(what),
        }
    }
    Some(settings)
}

fn transaction(at: &At<'_>) -> Option<Transaction> {
    at.choice(
        &[
            ("job", Transaction::Job),
            ("step", Transaction::Step),
            ("batch", Transaction::Batch),
            ("none", Transaction::None),
        ],
        &[],
    )
}

/// The ledger's table, where the job names it. Sees that there can be one.
fn ledger(fields: &Fields<'_>, folder: &Folder) -> Option<TableName> {
    if folder.exactly_once && folder.alone {
        fields.refuse(
            &["exactly_once"],
            "with `transaction: none` each COPY commits by itself, without the row that says that its file is in; use `job`, `step` or `batch`",
        );
    }
    let at = fields.get("ledger")?;
    if !folder.exactly_once {
        fields.refuse(
            &["ledger"],
            "there is no ledger without `exactly_once: true`",
        );
    }
    at.parse(TableName::parse)
}

const RETRY: Keys = Keys {
    known: &["attempts", "within", "wait"],
    reserved: &[],
};

/// `{attempts: n, within: time, wait: time}`, or `none`.
fn retry(at: &At<'_>) -> Option<Retry> {
    let mut retry = Retry {
        is_explicit: true,
        ..Retry::default()
    };
    if !at.is_map() {
        at.parse(|text| match text {
            "none" => Ok(()),
            _ => Err(format!(
                "expected `{{attempts: 5, within: 10m}}` or `none`, found `{text}`"
            )),
        })?;
        retry.attempts = 1;
        return Some(retry);
    }
    let fields = at.fields(RETRY)?;
    let attempts = fields.get("attempts").map(|at| {
        at.parse(|text| match text.parse() {
            Ok(0) => Err("the first attempt counts: 1 is the least".into()),
            Ok(attempts) => Ok(attempts),
            Err(_) => Err(format!("expected a number of attempts, found `{text}`")),
        })
    });
    let within = fields.get("within").map(|at| at.parse(duration));
    let wait = fields.get("wait").map(|at| at.parse(duration));
    retry.attempts = attempts.unwrap_or(Some(retry.attempts))?;
    retry.within = within.unwrap_or(Some(retry.within))?;
    retry.wait = wait.unwrap_or(Some(retry.wait))?;
    Some(retry)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("a time of 0 would be over at once".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!(
            "expected a time with its unit, such as `90s`, `30m` or `2h`, found `{text}`"
        )),
    }
}

fn steps(fields: &Fields<'_>, folder: &Folder) -> Option<Vec<Step>> {
    let at = fields.require("steps")?;
    let items = at.list()?;
    if items.is_empty() {
        at.wrong("the list is empty");
    }
    let steps: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(index, at)| step::step(at, index + 1, folder))
        .collect();
    steps.into_iter().collect()
}

/// Whether `--again` is asked for, which is of use with a ledger alone.
fn again(job: &Job, overrides: &Overrides) -> Result<bool> {
    if overrides.again && !job.exactly_once {
        return Err(Error::new(
            ErrorKind::Usage,
            "`--again`: the job is not `exactly_once`, so it loads every file each time",
        ));
    }
    Ok(overrides.again)
}

/// The steps that `--only` asks for; all of them where it is not used.
fn chosen(steps: Vec<Step>, only: &[String]) -> Result<Vec<Step>> {
    if only.is_empty() {
        return Ok(steps);
    }
    let is = |step: &Step, wanted: &str| {
        step.name.as_deref() == Some(wanted) || step.number.to_string() == wanted
    };
    if let Some(wanted) = only
        .iter()
        .find(|wanted| !steps.iter().any(|step| is(step, wanted)))
    {
        let known: Vec<String> = steps
            .iter()
            .map(|step| format!("{} ({})", step.number, step.title()))
            .collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`--only {wanted}`: the job has no such step"),
        )
        .hint(format!("its steps: {}", known.join(", "))));
    }
    Ok(steps
        .into_iter()
        .filter(|step| only.iter().any(|wanted| is(step, wanted)))
        .collect())
}

#[cfg(test)]
mod tests;
