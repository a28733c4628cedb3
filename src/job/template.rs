//! `${{ }}` expressions: what a job file may refer to, and how that is formatted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Span, Timestamp, Zoned};
use minijinja::value::{Object, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, syntax};

use crate::name::{Identifier, literal};
use crate::secret::Secrets;

/// What an expression begins with.
pub(super) const OPEN: &str = "${{";

/// What expressions of one job file can refer to.
#[derive(Debug)]
pub(super) struct Scope {
    environment: Environment<'static>,
    names: BTreeMap<&'static str, Value>,
    /// `--var`, which win over the file's own.
    overrides: BTreeMap<String, String>,
    vars: RefCell<BTreeMap<String, String>>,
    used: RefCell<BTreeSet<String>>,
    secrets: RefCell<Secrets>,
}

impl Scope {
    /// A scope at the moment `now`, with the variables of the command line.
    pub(super) fn new(now: &Zoned, overrides: BTreeMap<String, String>) -> Self {
        let mut environment = Environment::new();
        if let Ok(delimiters) = syntax::SyntaxConfig::builder()
            .variable_delimiters(OPEN, "}}")
            // Statements and comments are no part of a job file: nobody types these.
            .block_delimiters("\u{F0001}%", "%\u{F0001}")
            .comment_delimiters("\u{F0001}#", "#\u{F0001}")
            .build()
        {
            environment.set_syntax(delimiters);
        }
        environment.set_keep_trailing_newline(true);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("date", date);
        environment.add_filter("days", days);
        environment.add_filter("sql_literal", |text: &Value| sql_literal(text));
        environment.add_filter("sql_ident", |text: &Value| sql_ident(text));
        let names = BTreeMap::from([
            ("now", Value::from_object(Moment(now.clone()))),
            ("today", Value::from_object(Day(now.date()))),
            ("run_id", Value::from(run_id(now.timestamp()))),
            ("env", Value::from_object(Env)),
        ]);
        Self {
            environment,
            names,
            vars: RefCell::new(overrides.clone()),
            overrides,
            used: RefCell::default(),
            secrets: RefCell::default(),
        }
    }

    /// What tells this run from others.
    pub(super) fn run_id(&self) -> String {
        self.names["run_id"].to_string()
    }

    /// Makes the job's name known.
    pub(super) fn set_job(&mut self, name: &str) {
        self.names.insert("job", Value::from(name));
    }

    /// Sets a variable of the job file, where the command line has not.
    pub(super) fn set_var(&self, name: &str, value: String) {
        self.vars
            .borrow_mut()
            .entry(name.to_owned())
            .or_insert(value);
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// Whether the command line sets this variable.
    pub(super) fn is_overridden(&self, name: &str) -> bool {
        self.overrides.contains_key(name)
    }

    /// Variables of the command line that the job file neither sets nor uses.
    pub(super) fn unused_overrides(&self) -> Vec<String> {
        let used = self.used.borrow();
        self.overrides
            .keys()
            .filter(|name| !used.contains(*name))
            .cloned()
            .collect()
    }

    /// The values of variables whose names say that they are secret.
    pub(super) fn secrets(&self) -> Secrets {
        self.secrets.borrow().clone()
    }

    /// Remembers the secrets that an expression with these names may have put into a text.
    fn note_secrets(&self, wanted: &BTreeSet<String>) {
        let mut secrets = self.secrets.borrow_mut();
        let vars = self.vars.borrow();
        for name in wanted {
            if let Some(name) = name.strip_prefix("vars.") {
                let value = vars.get(name).filter(|_| Secrets::is_name_of_one(name));
                if let Some(value) = value {
                    secrets.add(value);
                }
            } else if name == "env" || name.starts_with("env.") {
                // `env` alone: by a name that only the expression knows.
                let wanted = name.strip_prefix("env.");
                for (name, value) in std::env::vars_os() {
                    let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                        continue;
                    };
                    let is_wanted = wanted.is_none_or(|wanted| wanted == name);
                    if is_wanted && Secrets::is_name_of_one(name) {
                        secrets.add(value);
                    }
                }
            }
        }
    }

    /// The names of the job's variables.
    pub(super) fn var_names(&self) -> Vec<String> {
        self.used.borrow().iter().cloned().collect()
    }

    /// `text` with its expressions replaced by their values.
    ///
    /// # Errors
    /// Says what is wrong with an expression.
    pub(super) fn render(&self, text: &str) -> Result<String, String> {
        if !text.contains(OPEN) {
            return Ok(text.to_owned());
        }
        let template = self
            .environment
            .template_from_str(text)
            .map_err(|error| explained(&error))?;
        let wanted: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
        self.note_secrets(&wanted);
        self.used.borrow_mut().extend(
            wanted
                .iter()
                .filter_map(|name| Some(name.strip_prefix("vars.")?.to_owned())),
        );
        let mut context = self.names.clone();
        context.insert("vars", Value::from_iter(self.vars.borrow().clone()));
        template.render(context).map_err(|error| {
            if error.kind() == ErrorKind::UndefinedError {
                self.undefined(&wanted).unwrap_or_else(|| explained(&error))
            } else {
                explained(&error)
            }
        })
    }

    /// Which of the names an expression wants is not there.
    fn undefined(&self, wanted: &BTreeSet<String>) -> Option<String> {
        let vars = self.vars.borrow();
        for name in wanted {
            if let Some(var) = name.strip_prefix("vars.") {
                if !vars.contains_key(var) {
                    let near = super::diagnose::nearest(var, vars.keys().map(String::as_str));
                    let near =
                        near.map_or(String::new(), |near| format!(" (is it `vars.{near}`?)"));
                    return Some(format!(
                        "`{name}` is not set{near}: set it under `vars`, with `--var {var}=...`, or give `| default('...')`"
                    ));
                }
            } else if let Some(var) = name.strip_prefix("env.") {
                if std::env::var_os(var).is_none() {
                    return Some(format!("the environment variable `{var}` is not set"));
                }
            } else if !self.names.contains_key(name.as_str()) && name != "vars" {
                let known = self.names.keys().copied().chain(["vars"]);
                let near = super::diagnose::nearest(name, known)
                    .map_or(String::new(), |near| format!(", did you mean `{near}`?"));
                return Some(format!(
                    "nothing is called `{name}` here{near} There are `env.NAME`, `vars.NAME`, `today`, `now`, `job`, `run_id`"
                ));
            }
        }
        None
    }
}

/// What minijinja says, without its position in a text that people see as part of a file.
fn explained(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("the expression cannot be used: {}: {detail}", error.kind()),
        None => format!("the expression cannot be used: {}", error.kind()),
    }
}

/// Unique among runs: the second it began, and a random number.
fn run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// Environment variables, looked up when an expression asks for one.
#[derive(Debug)]
struct Env;

impl Object for Env {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        std::env::var(key.as_str()?).ok().map(Value::from)
    }
}

/// `today`: prints as 2026-01-31.
#[derive(Debug)]
struct Day(Date);

/// `now`: prints as 2026-01-31T04:05:06+08:00.
#[derive(Debug)]
struct Moment(Zoned);

impl Object for Day {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }
}

fn unusable(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// The day that a value names: `today`, `now`, or a text such as 2026-01-31.
fn as_day(value: &Value) -> Result<Date, Error> {
    if let Some(day) = value.downcast_object_ref::<Day>() {
        return Ok(day.0);
    }
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return Ok(moment.0.date());
    }
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| unusable(format!("`{value}` is no date such as 2026-01-31")))
}

/// `| date('%Y%m%d')`: strftime.
fn date(value: &Value, format: &str) -> Result<String, Error> {
    let formatted = match value.downcast_object_ref::<Moment>() {
        Some(moment) => jiff::fmt::strtime::format(format, &moment.0),
        None => jiff::fmt::strtime::format(format, as_day(value)?),
    };
    formatted.map_err(|cause| unusable(format!("date('{format}'): {cause}")))
}

/// `| days(-1)`: so many days later.
fn days(value: &Value, number: i64) -> Result<Value, Error> {
    let far = |_| unusable(format!("days({number}) leads out of the calendar"));
    let span = Span::new().try_days(number).map_err(far)?;
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        let moved = moment.0.checked_add(span).map_err(far)?;
        return Ok(Value::from_object(Moment(moved)));
    }
    let moved = as_day(value)?.checked_add(span).map_err(far)?;
    Ok(Value::from_object(Day(moved)))
}

/// `| sql_literal`: a string literal, quotes included.
fn sql_literal(value: &Value) -> Result<String, Error> {
    defined(value)?;
    // The server's setting is not known yet; this form means the same under both.
    Ok(literal(&value.to_string(), false))
}

/// `| sql_ident`: a quoted name.
fn sql_ident(value: &Value) -> Result<String, Error> {
    defined(value)?;
    let name = Identifier::new(value.to_string()).map_err(unusable)?;
    Ok(name.to_string())
}

fn defined(value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Undefined {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let now = "2026-03-01T04:05:06+08:00[Asia/Shanghai]".parse().unwrap();
        let overrides = [("region".to_owned(), "u's".to_owned())].into();
        let mut scope = Scope::new(&now, overrides);
        scope.set_job("orders");
        scope.set_var("day", "2026-01-31".into());
        scope.set_var("region", "eu".into());
        scope
    }

    fn render(text: &str) -> String {
        scope().render(text).unwrap_or_else(|error| error)
    }

    #[test]
    fn expressions_become_their_values() {
        for (text, expected) in [
            ("no expression {{ }} $", "no expression {{ }} $"),
            (
                "${{ today }}|${{ now }}",
                "2026-03-01|2026-03-01T04:05:06+08:00",
            ),
            ("${{ today | days(-1) | date('%Y%m%d') }}\n", "20260228\n"),
            ("${{ now | days(1) | date('%m-%d %H:%M') }}", "03-02 04:05"),
            ("${{ vars.day | days(1) }}", "2026-02-01"),
            ("${{ job }}-${{ vars.region }}", "orders-u's"),
            ("${{ vars.region | sql_literal }}", "'u''s'"),
            ("${{ 'a\\\\b' | sql_literal }}", "E'a\\\\b'"),
            ("${{ 'say \"hi\"' | sql_ident }}", "\"say \"\"hi\"\"\""),
            ("${{ vars.none | default('x') }}", "x"),
            ("${{ env.DWSLOAD_NONE | default('y') }}", "y"),
            ("a ${{ '${{' }} b", "a ${{ b"),
        ] {
            assert_eq!(render(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_expression_says_what_is_wrong() {
        for (text, part) in [
            (
                "${{ vars.regoin }}",
                "`vars.regoin` is not set (is it `vars.region`?)",
            ),
            (
                "${{ vars.regoin | sql_literal }}",
                "`vars.regoin` is not set",
            ),
            (
                "${{ env.DWSLOAD_NONE }}",
                "environment variable `DWSLOAD_NONE` is not set",
            ),
            ("${{ toady }}", "did you mean `today`?"),
            ("${{ today | dats('x') }}", "dats"),
            ("${{ today | date('%Q') }}", "%Q"),
            ("${{ 'x' | date('%Y') }}", "no date"),
            ("${{ today | days(99999999999) }}", "out of the calendar"),
            ("${{ today", "the expression cannot be used"),
        ] {
            let error = scope().render(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn each_run_has_an_id_of_its_own() {
        let ids = [render("${{ run_id }}"), render("${{ run_id }}")];
        assert_ne!(ids[0], ids[1]);
        assert!(ids[0].starts_with("20260228T200506Z-"), "{}", ids[0]);
    }
}
