//! Statements that PostgreSQL takes and a Gauss server does not.
//!
//! Words and SQLSTATE are those that openGauss 3.0.6 was recorded with, except where a comment says
//! that they only stand in the DWS manual: what the manual calls unsupported is refused in the
//! manner of the others.

use super::error::ServerError;
use super::product::Product;
use super::settings;
use super::statements::{Kind, Statement};

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: ServerError,
    /// The parser says so: nothing of the text that the statement stands in is done.
    pub(super) is_syntax: bool,
}

impl Refusal {
    fn later(error: ServerError) -> Self {
        Self {
            error,
            is_syntax: false,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) product: Product,
    pub(super) administrator: bool,
}

type Rule = fn(&Statement<'_>, Asker) -> Option<Refusal>;

/// Why this server refuses a statement, if it does.
pub(super) fn refusal(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    const RULES: &[Rule] = &[
        messaging,
        cursor,
        definition,
        copy,
        copy_options,
        write,
        merge,
        function,
        setting,
    ];
    RULES.iter().find_map(|rule| rule(statement, asker))
}

fn unsupported(what: &str, number: u32) -> Refusal {
    let message = format!("{what} is not yet supported.");
    Refusal::later(ServerError::new("0A000", message).number(number))
}

fn syntax(statement: &Statement<'_>, at: usize) -> Refusal {
    let word = &statement.words[at];
    let text = String::from_utf8_lossy(&statement.text[word.start..word.end]);
    let message = format!("syntax error at or near \"{text}\"");
    Refusal {
        error: ServerError::new("42601", message).position(statement.position(at)),
        is_syntax: true,
    }
}

/// DISCARD, LISTEN and the like, LOAD, PREPARE TRANSACTION.
fn messaging(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    let first = statement.word(0)?;
    match first.text.as_str() {
        // From 8.2.0 on DWS has it, its manual says.
        "discard" if asker.product != Product::Dws => Some(unsupported("DISCARD statement", 14851)),
        "listen" => Some(unsupported("LISTEN statement", 14847)),
        "unlisten" => Some(unsupported("UNLISTEN statement", 0)),
        // Sic.
        "notify" => Some(unsupported("NOFITY statement", 14846)),
        // By the manual.
        "load" => Some(unsupported("LOAD statement", 0)),
        // By the manual, in these words.
        "prepare" if asker.product.is_dws() && statement.begins(&["prepare", "transaction"]) => {
            let message = "Explicit prepare transaction is not supported.";
            Some(Refusal::later(ServerError::new("0A000", message)))
        }
        _ => None,
    }
}

fn cursor(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    if !statement.begins(&["declare"]) {
        return None;
    }
    let scroll = statement.find(&["scroll"]);
    if scroll.is_some() && statement.find(&["no", "scroll"]).is_none() {
        return Some(unsupported("SCROLL CURSOR", 0));
    }
    // By the manual.
    let holds = asker.product.is_dws() && statement.find(&["with", "hold"]).is_some();
    holds.then(|| unsupported("WITH HOLD CURSOR", 0))
}

fn definition(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    if statement.begins(&["truncate"]) && statement.find(&["restart", "identity"]).is_some() {
        let message = "PGXC does not support RESTART IDENTITY yet";
        let error = ServerError::new("0A000", message);
        return Some(Refusal::later(
            error.detail("The feature is not supported currently"),
        ));
    }
    if !statement.begins(&["create"]) {
        return None;
    }
    if statement.find(&["on", "commit", "drop"]).is_some() {
        let message = "ON COMMIT only support PRESERVE ROWS or DELETE ROWS option";
        return Some(Refusal::later(ServerError::new("42P16", message)));
    }
    if let Some(at) = statement.find(&["generated", "by", "default", "as", "identity"]) {
        return Some(syntax(statement, at + 1));
    }
    if !asker.product.is_dws() {
        return None;
    }
    // By the manual.
    let outside = |word: &&str| {
        let found = statement.find(&[*word]);
        found.is_some_and(|at| statement.words[at].depth == 0)
    };
    if outside(&"inherits") {
        return Some(unsupported("CREATE TABLE ... INHERITS", 0));
    }
    let kind = statement
        .words
        .iter()
        .skip(1)
        .find(|word| !word.is("or") && !word.is("replace"))?;
    let kind = kind.text.to_ascii_uppercase();
    let unknown = ["DOMAIN", "RULE", "AGGREGATE", "CAST"];
    unknown
        .contains(&kind.as_str())
        .then(|| unsupported(&format!("CREATE {kind}"), 0))
}

/// COPY of files of the server, and programs.
fn copy(statement: &Statement<'_>, _: Asker) -> Option<Refusal> {
    let at = statement.copy_source()?;
    let source = &statement.words[at];
    if source.is("program") {
        return Some(syntax(statement, at));
    }
    if source.kind == Kind::Text {
        let message = "COPY to or from a file is prohibited for security concerns";
        let hint =
            "Anyone can COPY to stdout or from stdin. gsql's \\copy command also works for anyone.";
        return Some(Refusal::later(
            ServerError::new("42501", message).hint(hint),
        ));
    }
    let filter = statement
        .words
        .iter()
        .skip(at)
        .position(|word| word.is("where") && word.depth == 0);
    filter.map(|behind| syntax(statement, at + behind))
}

/// The options in parentheses.
fn copy_options(statement: &Statement<'_>, _: Asker) -> Option<Refusal> {
    let source = statement.copy_source()?;
    let inside = (source..statement.words.len()).filter(|at| statement.words[*at].depth == 1);
    let mut begins = true;
    for at in inside {
        let word = &statement.words[at];
        let begins_option = std::mem::replace(&mut begins, word.is(","));
        if !begins_option || word.kind != Kind::Word {
            continue;
        }
        let value = statement.word(at + 1);
        match word.text.as_str() {
            // `binary` is a keyword; the name of the format has to be quoted.
            "format" if value.is_some_and(|value| value.is("binary")) => {
                return Some(syntax(statement, at + 1));
            }
            "header" if value.is_some_and(|value| value.text.eq_ignore_ascii_case("match")) => {
                let message = "header requires a Boolean value";
                return Some(Refusal::later(
                    ServerError::new("42601", message).number(12667),
                ));
            }
            "log_verbosity" if value.is_some_and(|value| value.is("verbose")) => {
                return Some(syntax(statement, at + 1));
            }
            "on_error" | "force_null" | "default" | "log_verbosity" => {
                let message = format!("option \"{}\" not recognized", word.text);
                return Some(Refusal::later(
                    ServerError::new("42601", message).number(11072),
                ));
            }
            "reject_limit" => {
                let message = "Reject Limit must be used with LOG ERRORS or LOG ERRORS DATA.";
                return Some(Refusal::later(ServerError::new("42601", message)));
            }
            _ => {}
        }
    }
    None
}

fn write(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    if asker.product.is_dws() {
        return None;
    }
    if let Some(at) = statement.find(&["on", "conflict"]) {
        return Some(syntax(statement, at + 1));
    }
    let at = statement.find(&[")", "filter", "("])?;
    Some(syntax(statement, at + 1))
}

fn merge(statement: &Statement<'_>, _: Asker) -> Option<Refusal> {
    if !statement.begins(&["merge"]) {
        return None;
    }
    for (words, wrong) in [
        (["matched", "and"], 1),
        (["then", "delete"], 1),
        (["then", "do"], 1),
    ] {
        if let Some(at) = statement.find(&words) {
            return Some(syntax(statement, at + wrong));
        }
    }
    None
}

/// Functions that are not there.
fn function(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    const MISSING: &[&str] = &["to_regclass", "gen_random_uuid", "txid_current_if_assigned"];
    let calls = |at: &usize| statement.word(at + 1).is_some_and(|next| next.is("("));
    for at in (0..statement.words.len()).filter(calls) {
        let word = &statement.words[at];
        if MISSING.iter().any(|name| word.names(name)) {
            let message = format!("function {}(unknown) does not exist", word.text);
            let hint = "No function matches the given name and argument types. \
                        You might need to add explicit type casts.";
            let error = ServerError::new("42883", message).hint(hint);
            return Some(Refusal::later(error.position(statement.position(at))));
        }
        let is_large_object = matches!(word.kind, Kind::Word | Kind::Name)
            && (word.text.starts_with("lo_") || matches!(word.text.as_str(), "loread" | "lowrite"));
        if is_large_object && asker.product.is_dws() && !statement.begins(&["create"]) {
            // By the manual.
            let message = "PGXC does not support large object yet";
            let error = ServerError::new("0A000", message);
            return Some(Refusal::later(
                error.detail("The feature is not supported currently"),
            ));
        }
    }
    None
}

/// SET, RESET, SHOW and `set_config` of settings that are not there, or not for everybody.
fn setting(statement: &Statement<'_>, asker: Asker) -> Option<Refusal> {
    let use_ = settings::used(statement)?;
    let name = use_.name.as_str();
    if settings::is_missing(name) {
        let message = format!("unrecognized configuration parameter \"{name}\"");
        return Some(Refusal::later(ServerError::new("42704", message)));
    }
    if !use_.changes {
        return None;
    }
    match name {
        // By the manual.
        "default_transaction_read_only" if asker.product.is_dws() => {
            Some(unsupported("SET default_transaction_read_only", 0))
        }
        "sql_compatibility" | "enable_copy_server_files" => {
            let message = format!("parameter \"{name}\" cannot be changed now");
            Some(Refusal::later(ServerError::new("55P02", message)))
        }
        "lockwait_timeout" | "update_lockwait_timeout" if !asker.administrator => {
            let message = format!("permission denied to set parameter \"{name}\"");
            Some(Refusal::later(ServerError::new("42501", message)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements, the SQLSTATE with which openGauss and DWS refuse each, and its position.
    const CASES: &[(&str, &str, &str, usize)] = &[
        ("discard all", "0A000", "", 0),
        ("LISTEN ch", "0A000", "0A000", 0),
        ("prepare transaction 'x'", "", "0A000", 0),
        ("PREPARE p AS SELECT 1", "", "", 0),
        ("declare c scroll cursor for select 1", "0A000", "0A000", 0),
        ("declare c no scroll cursor for select 1", "", "", 0),
        ("declare c cursor with hold for select 1", "", "0A000", 0),
        ("truncate t restart identity", "0A000", "0A000", 0),
        ("TRUNCATE TABLE t", "", "", 0),
        (
            "create temp table a(i int) on commit drop",
            "42P16",
            "42P16",
            0,
        ),
        ("create table a () inherits (b)", "", "0A000", 0),
        ("create domain d as int", "", "0A000", 0),
        (
            "create or replace rule r as on insert to t do nothing",
            "",
            "0A000",
            0,
        ),
        ("create table domain (a int)", "", "", 0),
        (
            "COPY bt FROM STDIN WITH (FORMAT binary)",
            "42601",
            "42601",
            33,
        ),
        ("COPY bt FROM STDIN WITH (FORMAT 'binary')", "", "", 0),
        (
            "COPY \"agc\" FROM STDIN (FORMAT binary) ",
            "42601",
            "42601",
            31,
        ),
        ("COPY t FROM STDIN BINARY", "", "", 0),
        ("copy t (format, header) from stdin csv header", "", "", 0),
        (
            "COPY ct FROM STDIN WITH (FORMAT csv, HEADER match)",
            "42601",
            "42601",
            0,
        ),
        (
            "COPY ct FROM STDIN WITH (FORMAT csv, HEADER true)",
            "",
            "",
            0,
        ),
        (
            "COPY ct FROM STDIN WITH (ON_ERROR ignore)",
            "42601",
            "42601",
            0,
        ),
        (
            "COPY ct FROM STDIN WITH (NULL 'x', DEFAULT 'y')",
            "42601",
            "42601",
            0,
        ),
        ("COPY ct FROM STDIN WHERE id = 1", "42601", "42601", 20),
        ("COPY (SELECT 1 WHERE true) TO STDOUT", "", "", 0),
        ("COPY ct FROM PROGRAM 'cat'", "42601", "42601", 14),
        ("COPY ct TO '/some/file.txt'", "42501", "42501", 0),
        (
            "insert into t values (1,'x',1) on conflict do nothing",
            "42601",
            "",
            35,
        ),
        (
            "select count(*) filter (where id=2) from s",
            "42601",
            "",
            17,
        ),
        (
            "merge into t using s on (t.id=s.id) when matched then delete",
            "42601",
            "42601",
            55,
        ),
        (
            "merge into t using s on (t.id=s.id) when matched and t.id=2 then update set name='q'",
            "42601",
            "42601",
            50,
        ),
        (
            "merge into t using s on (t.id=s.id) when matched then do nothing",
            "42601",
            "42601",
            55,
        ),
        (
            "merge into t using s on t.id=s.id when not matched then insert values (s.id)",
            "",
            "",
            0,
        ),
        ("select to_regclass('s')", "42883", "42883", 8),
        ("select lo_create(0)", "", "0A000", 0),
        ("set lock_timeout=1000", "42704", "42704", 0),
        (
            "SELECT set_config('lock_timeout', '1s', false)",
            "42704",
            "42704",
            0,
        ),
        (
            "SET LOCAL default_transaction_read_only = on",
            "",
            "0A000",
            0,
        ),
        (
            "select pg_catalog.set_config('default_transaction_read_only', 'on', false)",
            "",
            "0A000",
            0,
        ),
        ("SHOW default_transaction_read_only", "", "", 0),
        ("set lockwait_timeout = 1000", "42501", "42501", 0),
        ("set session_timeout = 0", "", "", 0),
        ("SELECT 'LISTEN x; DISCARD ALL'", "", "", 0),
        ("SELECT 1; LISTEN x", "0A000", "0A000", 0),
    ];

    fn said(text: &str, product: Product) -> Option<(String, usize)> {
        let asker = Asker {
            product,
            administrator: false,
        };
        let statements = Statement::of(text.as_bytes());
        let refusal = statements
            .iter()
            .find_map(|statement| refusal(statement, asker))?;
        let shown = format!("{:?}", refusal.error);
        let code = shown.split('"').nth(1).expect("a code").to_owned();
        let position = shown.split("position: Some(").nth(1);
        let position = position.map_or(0, |rest| {
            rest.split(')')
                .next()
                .map_or(0, |n| n.parse().expect("a number"))
        });
        Some((code, position))
    }

    #[test]
    fn what_is_refused_and_where() {
        for (text, open_gauss, dws, position) in CASES.iter().copied() {
            for (product, expected) in [(Product::OpenGauss, open_gauss), (Product::Dws, dws)] {
                let expected = (!expected.is_empty()).then(|| (expected.to_owned(), position));
                assert_eq!(said(text, product), expected, "{product:?}: {text}");
            }
        }
        assert!(said("DISCARD ALL", Product::Dws81).is_some());
    }
}
