//! The steps of a job file.

use std::path::{Path, PathBuf};

use super::amount;
use super::arrival::arrival;
use super::bytes::{BINARY_TEXT, bytes, charset};
use super::mode::{Mode, mode};
use super::reader::{At, Fields, Keys};
use super::resolve::Folder;
use super::shaping::{FORMATS, Source, shaping};
use super::{
    Action, Compression, CopyExpert, CopyFrom, CopyTo, Expect, Header, InputPattern, MostRejects,
    Output, Policy, Rejecting, Sql, Step, Unload,
};
use crate::name::{Identifier, TableName};
use crate::record::dialect::{Dialect, ForceQuote, Format};

const ACTIONS: [&str; 5] = ["sql", "expect", "copy_from", "copy_to", "copy_expert"];

const STEP: Keys = Keys {
    known: &[
        "name",
        "sql",
        "show",
        "expect",
        "copy_from",
        "copy_to",
        "copy_expert",
    ],
    reserved: &[],
};

const SQL_FILE: Keys = Keys {
    known: &["file"],
    reserved: &[],
};

const COPY_FROM: Keys = Keys {
    known: &[
        "file",
        "table",
        "columns",
        "sep",
        "null",
        "size",
        "format",
        "header",
        "quote",
        "escape",
        "force_null",
        "force_not_null",
        "compression",
        "positions",
        "positions_in",
        "trim",
        "date_format",
        "set",
        "select",
        "where",
        "on_extra_column",
        "on_missing_column",
        "mode",
        "key",
        "duplicates",
        "swap",
        "on_missing",
        "on_empty",
        "on_error",
        "max_rejects",
        "rejects",
        "encoding",
        "nul",
        "skip_lines",
        "eol",
        "source_id",
        "batch",
        "ready",
        "expect_files",
        "wait",
        "after",
    ],
    reserved: &["connections", "wire"],
};

const COPY_TO: Keys = Keys {
    known: &[
        "table",
        "query",
        "file",
        "columns",
        "sep",
        "null",
        "format",
        "header",
        "quote",
        "escape",
        "force_quote",
        "compression",
        "encoding",
        "manifest",
    ],
    reserved: &["split"],
};

const COPY_EXPERT: Keys = Keys {
    known: &["sql", "file", "size"],
    reserved: &[],
};

/// Keys that only csv has.
const CSV_ONLY: [&str; 5] = [
    "quote",
    "escape",
    "force_null",
    "force_not_null",
    "force_quote",
];

/// Reads one step.
pub(super) fn step(at: &At<'_>, number: usize, folder: &Folder) -> Option<Step> {
    if !at.is_map() {
        return at.expected(&format!("a mapping with one of {}", ACTIONS.join(", ")));
    }
    let fields = at.fields_where(STEP, misplaced)?;
    let name = fields.get("name").and_then(At::text);
    let action = action(&fields, folder)?;
    if !matches!(action, Action::Sql(_)) {
        fields.refuse(&["show"], "`show` goes with `sql`");
    }
    Some(Step {
        number,
        name,
        action,
    })
}

/// What to say of a key that stands beside an action and belongs into it.
fn misplaced(key: &str) -> Option<String> {
    let homes: Vec<&str> = [
        ("copy_from", COPY_FROM),
        ("copy_to", COPY_TO),
        ("copy_expert", COPY_EXPERT),
    ]
    .iter()
    .filter(|(_, keys)| keys.known.contains(&key) || keys.reserved.contains(&key))
    .map(|(action, _)| *action)
    .collect();
    if homes.is_empty() {
        return None;
    }
    let homes = homes.join("` or `");
    Some(format!(
        "`{key}` is no key of a step; it belongs under `{homes}`: indent it further"
    ))
}

fn action(fields: &Fields<'_>, folder: &Folder) -> Option<Action> {
    let present = fields.present(&ACTIONS);
    let [action] = present.as_slice() else {
        let found = match present.as_slice() {
            [] => "none".to_owned(),
            several => format!("`{}`", several.join("` and `")),
        };
        fields.whole.wrong(format!(
            "a step has exactly one of {}; this one has {found}",
            ACTIONS.join(", ")
        ));
        return None;
    };
    let at = fields.get(action)?;
    match *action {
        "sql" => sql(at, fields.get("show"), folder).map(Action::Sql),
        "expect" => at.text().map(|query| Action::Expect(Expect { query })),
        "copy_from" => copy_from(at, folder).map(Action::CopyFrom),
        "copy_to" => copy_to(at, folder).map(Action::CopyTo),
        _ => copy_expert(at, folder).map(Action::CopyExpert),
    }
}

fn sql(at: &At<'_>, show: Option<&At<'_>>, folder: &Folder) -> Option<Sql> {
    let show = show.map_or(Some(false), At::flag);
    let (statements, file) = if at.is_map() {
        let (statement, file) = sql_file(at, folder)?;
        (vec![statement], Some(file))
    } else {
        let items = at.one_or_more();
        if items.is_empty() {
            at.wrong("the list is empty");
        }
        let statements: Vec<_> = items.iter().map(At::text).collect();
        (statements.into_iter().collect::<Option<_>>()?, None)
    };
    Some(Sql {
        statements,
        file,
        show: show?,
    })
}

/// SQL in a file of its own: read with the job file, as a part of it, expressions left alone.
fn sql_file(at: &At<'_>, folder: &Folder) -> Option<(String, PathBuf)> {
    let fields = at.fields(SQL_FILE)?;
    let at = fields.require("file")?;
    let path = folder.path(&at.text()?);
    match std::fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Some((text.trim_start_matches('\u{feff}').to_owned(), path)),
            Err(_) => at.expected("a file of UTF-8 text"),
        },
        Err(error) => {
            at.wrong(format!("cannot read `{}`: {error}", path.display()));
            None
        }
    }
}

fn copy_from(at: &At<'_>, folder: &Folder) -> Option<CopyFrom> {
    let fields = at.fields(COPY_FROM)?;
    let input = fields
        .require("file")
        .and_then(|at| inputs(&at.one_or_more(), at, folder));
    let source_id = source_id(&fields, input.as_deref(), folder);
    let arrival = arrival(&fields, input.as_deref(), folder);
    let table = fields.require("table").and_then(table);
    let columns = optional(&fields, "columns", columns);
    let source = or(&fields, "format", Source::Copy(Format::Text), |at| {
        at.choice(&FORMATS, &[])
    });
    let nulls = nulls(&fields);
    let dialect = source.and_then(|source| source_dialect(&fields, source, nulls.is_some()));
    let bytes = bytes(&fields, dialect.as_ref());
    let header = or(&fields, "header", Header::None, header);
    let compression = or(&fields, "compression", Compression::Auto, compression);
    let size = optional(&fields, "size", size);
    let on_missing = or(&fields, "on_missing", Policy::Fail, policy);
    let named = columns.as_ref().and_then(Option::as_deref);
    let mode = mode(&fields, named, header, folder);
    let batch = batch(&fields, folder);
    // An empty file would empty the table.
    let cautious = match &mode {
        Some(Mode::Replace { .. }) => Policy::Fail,
        _ => Policy::Warn,
    };
    let on_empty = or(&fields, "on_empty", cautious, policy);
    let rejecting = rejecting(&fields, folder);
    if header == Some(Header::Map) {
        fields.refuse(
            &["columns"],
            "with `header: map` the file's header names the columns; leave `columns` out",
        );
    }
    let (source, dialect) = (source?, dialect?);
    if dialect.format == Format::Binary && header.is_some_and(|header| header != Header::None) {
        fields.refuse(&["header"], "binary data has no header line");
    }
    let bytes = bytes?;
    let shaping = shaping(&fields, source, &dialect, &bytes, nulls, folder.alone);
    if dialect.format == Format::Binary && rejecting.is_some() {
        fields.refuse(
            &["on_error"],
            "records of binary data cannot be told apart where one is wrong; leave it out",
        );
    }
    Some(CopyFrom {
        input: input?,
        table: table?,
        columns: columns?,
        bytes,
        dialect,
        header: header?,
        compression: compression?,
        size: size?.flatten(),
        mode: mode?,
        batch: batch?,
        source_id,
        on_missing: on_missing?,
        on_empty: on_empty?,
        rejecting,
        shaping: shaping?,
        arrival,
    })
}

/// What identifies the input. Needed where it cannot be read twice, and of use with a ledger alone.
fn source_id(
    fields: &Fields<'_>,
    input: Option<&[InputPattern]>,
    folder: &Folder,
) -> Option<String> {
    let id = fields.get("source_id").and_then(|at| {
        at.parse(|text| {
            if text.is_empty() || text.chars().any(char::is_control) {
                return Err("it must not be empty or hold control characters".into());
            }
            Ok(text.to_owned())
        })
    });
    match (&id, input) {
        (Some(_), _) if !folder.exactly_once => {
            fields.refuse(
                &["source_id"],
                "nothing asks for it without `exactly_once: true`",
            );
        }
        (Some(_), Some([_, _, ..])) => {
            fields.refuse(
                &["source_id"],
                "it identifies one input, and `file` names several",
            );
        }
        (None, Some(input)) if folder.exactly_once && input.contains(&InputPattern::Stdin) => {
            fields.refuse(
                &["file"],
                "standard input cannot be told from what was loaded before: with `exactly_once`, `source_id: ...` says what it is",
            );
        }
        _ => {}
    }
    id
}

/// Bytes of a batch, where the job does not say it: some seconds of work for most servers.
const BATCH: u64 = 256 * 1024 * 1024;

/// Bytes of a batch.
fn batch(fields: &Fields<'_>, folder: &Folder) -> Option<u64> {
    if !folder.batches {
        fields.refuse(
            &["batch"],
            "a file is cut into batches with `transaction: batch`",
        );
    }
    or(fields, "batch", BATCH, |at| at.parse(amount::bytes))
}

/// `on_error: reject`, and the keys that only make sense with it; `None` without it, or where there
/// is a mistake.
fn rejecting(fields: &Fields<'_>, folder: &Folder) -> Option<Rejecting> {
    let rejects = or(fields, "on_error", false, |at| {
        at.choice(&[("stop", false), ("reject", true)], &[])
    })?;
    if !rejects {
        fields.refuse(
            &["max_rejects", "rejects"],
            "nothing is rejected without `on_error: reject`",
        );
        return None;
    }
    let most = or(fields, "max_rejects", MostRejects::Any, |at| {
        at.parse(most_rejects)
    });
    let place = or(fields, "rejects", folder.path("rejects"), |at| {
        Some(folder.path(&at.text()?))
    });
    Some(Rejecting {
        most: most?,
        folder: place?,
    })
}

/// `100` or `0.1%`.
fn most_rejects(text: &str) -> Result<MostRejects, String> {
    let wrong =
        || format!("expected a number of records, or a share such as `0.1%`, found `{text}`");
    match text.strip_suffix('%') {
        None => text.parse().map(MostRejects::Count).map_err(|_| wrong()),
        Some(share) => match share.trim().parse() {
            Ok(share) if (0.0..=100.0).contains(&share) => Ok(MostRejects::Percent(share)),
            _ => Err(wrong()),
        },
    }
}

fn copy_to(at: &At<'_>, folder: &Folder) -> Option<CopyTo> {
    let fields = at.fields(COPY_TO)?;
    let output = fields.require("file").and_then(|at| output(at, folder));
    let manifest = manifest(&fields, output.as_ref(), folder);
    let what = unload(&fields);
    let dialect = format(&fields).and_then(|format| dialect(&fields, format, false));
    let header = or(&fields, "header", false, At::flag);
    let charset = charset(&fields);
    let compression = or(&fields, "compression", Compression::Auto, compression);
    let dialect = dialect?;
    if dialect.format == Format::Binary {
        if header == Some(true) {
            fields.refuse(&["header"], "binary data has no header line");
        }
        fields.refuse(&["encoding"], BINARY_TEXT);
    }
    Some(CopyTo {
        what: what?,
        output: output?,
        dialect,
        header: header?,
        charset: charset?,
        compression: compression?,
        manifest,
    })
}

fn output(at: &At<'_>, folder: &Folder) -> Option<Output> {
    let text = at.text()?;
    if text == "-" {
        return Some(Output::Stdout);
    }
    if text.is_empty() {
        at.wrong("expected a file or `-`, found the empty text");
        return None;
    }
    written(at, &folder.path(&text), folder).map(Output::Path)
}

/// The path of a file that the step writes, and no other.
fn written(at: &At<'_>, path: &Path, folder: &Folder) -> Option<PathBuf> {
    // `.` parts say nothing.
    let path: PathBuf = path.components().collect();
    if !folder.outputs.borrow_mut().insert(path.clone()) {
        at.wrong("an earlier step writes this file");
        return None;
    }
    Some(path)
}

/// `manifest: true`, or its path. `None` where there is none, or a mistake.
fn manifest(fields: &Fields<'_>, output: Option<&Output>, folder: &Folder) -> Option<PathBuf> {
    let at = fields.get("manifest")?;
    let text = at.text()?;
    let data = match output? {
        Output::Path(path) => path,
        Output::Stdout if text == "false" => return None,
        Output::Stdout => {
            at.wrong_key("standard output is no file, so there is nothing to list");
            return None;
        }
    };
    let path = match text.as_str() {
        "false" => return None,
        "true" => {
            let mut path = data.clone().into_os_string();
            path.push(".manifest.json");
            path.into()
        }
        "" => return at.expected("`true` or a path"),
        text => folder.path(text),
    };
    written(at, &path, folder)
}

fn unload(fields: &Fields<'_>) -> Option<Unload> {
    match (fields.get("table"), fields.get("query")) {
        (Some(at), None) => {
            let columns = optional(fields, "columns", columns);
            Some(Unload::Table(table(at)?, columns?))
        }
        (None, Some(at)) => {
            fields.refuse(
                &["columns"],
                "`columns` goes with `table`; name them in the query",
            );
            at.text().map(Unload::Query)
        }
        (Some(_), Some(at)) => {
            at.wrong_key("`table` and `query` exclude each other");
            None
        }
        (None, None) => {
            fields.whole.wrong("`table` or `query` is missing");
            None
        }
    }
}

fn copy_expert(at: &At<'_>, folder: &Folder) -> Option<CopyExpert> {
    let fields = at.fields(COPY_EXPERT)?;
    let sql = fields.require("sql").and_then(At::text);
    let file = optional(&fields, "file", |at| input(at, folder));
    let size = optional(&fields, "size", size);
    Some(CopyExpert {
        sql: sql?,
        file: file?,
        size: size?.flatten(),
    })
}

/// `None` is a mistake; `Some(None)` a key that is not there.
#[expect(
    clippy::option_option,
    reason = "a mistake and an absent key are different things"
)]
fn optional<'a, T>(
    fields: &Fields<'a>,
    key: &str,
    read: impl FnOnce(&At<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match fields.get(key) {
        Some(at) => read(at).map(Some),
        None => Some(None),
    }
}

/// The value of `key`, or `default` where it is not there; `None` is a mistake.
fn or<'a, T>(
    fields: &Fields<'a>,
    key: &str,
    default: T,
    read: impl FnOnce(&At<'a>) -> Option<T>,
) -> Option<T> {
    match fields.get(key) {
        Some(at) => read(at),
        None => Some(default),
    }
}

fn inputs(items: &[At<'_>], whole: &At<'_>, folder: &Folder) -> Option<Vec<InputPattern>> {
    if items.is_empty() {
        whole.wrong("the list is empty");
    }
    let inputs: Vec<_> = items.iter().map(|at| input(at, folder)).collect();
    inputs.into_iter().collect()
}

fn input(at: &At<'_>, folder: &Folder) -> Option<InputPattern> {
    let text = at.text()?;
    if text == "-" {
        if folder.stdin_taken.replace(true) {
            at.wrong("standard input is read before in this job; it can be read once");
        }
        return Some(InputPattern::Stdin);
    }
    if let Some((scheme, _)) = text.split_once("://") {
        at.wrong(format!(
            "a `{scheme}` address is not supported yet; name a file"
        ));
        return None;
    }
    if text.is_empty() {
        at.wrong("expected a file, a pattern or `-`, found the empty text");
        return None;
    }
    Some(InputPattern::Path(folder.path(&text)))
}

fn table(at: &At<'_>) -> Option<TableName> {
    at.parse(TableName::parse)
}

fn columns(at: &At<'_>) -> Option<Vec<Identifier>> {
    let items = at.list()?;
    if items.is_empty() {
        at.wrong("the list is empty; leave it out to take all columns");
        return None;
    }
    let names: Vec<_> = items
        .iter()
        .map(|item| item.parse(|name| Identifier::new(name)))
        .collect();
    names.into_iter().collect()
}

/// The list of texts that are NULL, where `null` is a list.
fn nulls(fields: &Fields<'_>) -> Option<Vec<String>> {
    let at = fields.get("null").filter(|at| at.is_list())?;
    let items = at.list()?;
    if items.is_empty() {
        at.wrong("the list is empty; leave it out for the format's own null marker");
    }
    items.iter().map(At::text_or_null).collect()
}

/// How the records of a `copy_from` are cut. `listed`: `null` is a list, which is read elsewhere.
fn source_dialect(fields: &Fields<'_>, source: Source, listed: bool) -> Option<Dialect> {
    let (format, what) = match source {
        Source::Copy(format) => {
            let dialect = dialect(fields, format, listed)?;
            check_separator(fields, &dialect);
            return Some(dialect);
        }
        Source::Fixed => ("fixed", "records of places"),
        Source::Ndjson => ("ndjson", "JSON"),
    };
    fields.refuse(&["sep"], &format!("{what} has no separators"));
    fields.refuse(
        &CSV_ONLY,
        &format!("this key needs `format: csv`, and this is {format}"),
    );
    if source == Source::Ndjson {
        fields.refuse(&["null"], "JSON has a null of its own");
        fields.refuse(&["header"], "JSON objects name their values themselves");
    }
    let null = match fields.get("null") {
        Some(at) if !listed => Some(at.text_or_null()?),
        _ => None,
    };
    Some(Dialect {
        null,
        ..Dialect::new(Format::Text)
    })
}

/// Refuses a separator of several characters that is meant to be another, and one that records or
/// quotes are cut by.
fn check_separator(fields: &Fields<'_>, dialect: &Dialect) {
    let (Some(at), Some(sep)) = (fields.get("sep"), dialect.sep.as_deref()) else {
        return;
    };
    if sep.len() < 2 {
        return;
    }
    let escapes = ["\\t", "\\x", "\\u", "\\0", "\\1", "\\3"];
    if sep.eq_ignore_ascii_case("tab") || sep == "\\t" {
        at.wrong("a tab is written `sep: \"\\t\"`, in double quotes; text format has it by itself");
    } else if escapes.iter().any(|escape| sep.starts_with(escape)) {
        at.wrong("YAML reads an escape such as `\"\\x1f\"` in double quotes only; this is the text itself");
    } else if sep.contains(['\n', '\r']) {
        at.wrong("a separator cannot hold a line end, which ends the record");
    } else if dialect.format == Format::Text && sep.contains('\\') {
        at.wrong("in text format, a separator cannot hold a backslash, which begins an escape");
    } else if dialect.format == Format::Csv
        && sep.contains(dialect.quote.as_deref().unwrap_or("\""))
    {
        at.wrong("the separator cannot hold the quote");
    }
}

fn format(fields: &Fields<'_>) -> Option<Format> {
    let formats = [
        ("text", Format::Text),
        ("csv", Format::Csv),
        ("binary", Format::Binary),
    ];
    or(fields, "format", Format::Text, |at| {
        at.choice(&formats, &[])
    })
}

/// `listed`: `null` is a list, which is read elsewhere.
fn dialect(fields: &Fields<'_>, format: Format, listed: bool) -> Option<Dialect> {
    match format {
        Format::Csv => {}
        Format::Text => fields.refuse(
            &CSV_ONLY,
            "text format has no quotes; this key needs `format: csv`",
        ),
        Format::Binary => {
            fields.refuse(
                &["sep", "null"],
                "binary data has no separators and no null marker",
            );
            fields.refuse(&CSV_ONLY, "this key needs `format: csv`");
        }
    }
    let sep = optional(fields, "sep", At::text);
    let null = if listed {
        Some(None)
    } else {
        optional(fields, "null", At::text_or_null)
    };
    let quote = optional(fields, "quote", At::text);
    let escape = optional(fields, "escape", At::text);
    let force_null = or(fields, "force_null", Vec::new(), columns);
    let force_not_null = or(fields, "force_not_null", Vec::new(), columns);
    let force_quote = or(fields, "force_quote", ForceQuote::None, force_quote);
    Some(Dialect {
        format,
        sep: sep?,
        null: null?,
        quote: quote?,
        escape: escape?,
        force_null: force_null?,
        force_not_null: force_not_null?,
        force_quote: force_quote?,
    })
}

fn force_quote(at: &At<'_>) -> Option<ForceQuote> {
    if at.scalar().is_some_and(|scalar| scalar.text == "*") {
        return Some(ForceQuote::All);
    }
    columns(at).map(ForceQuote::Columns)
}

fn header(at: &At<'_>) -> Option<Header> {
    at.choice(
        &[
            ("true", Header::Skip),
            ("false", Header::None),
            ("match", Header::Match),
            ("map", Header::Map),
        ],
        &[],
    )
}

fn compression(at: &At<'_>) -> Option<Compression> {
    at.choice(
        &[
            ("auto", Compression::Auto),
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ],
        &[],
    )
}

pub(super) fn policy(at: &At<'_>) -> Option<Policy> {
    at.choice(
        &[
            ("fail", Policy::Fail),
            ("warn", Policy::Warn),
            ("ok", Policy::Ok),
        ],
        &[],
    )
}

/// psycopg2's `size`: bytes in a read. It reads everything at once for a negative one; dwsload then
/// takes its own choice, which gives the same rows.
#[expect(
    clippy::option_option,
    reason = "a mistake and dwsload's own choice are different things"
)]
fn size(at: &At<'_>) -> Option<Option<usize>> {
    at.parse(|text| match text.parse::<i64>() {
        Ok(0) => Err(
            "a `size` of 0 would load nothing and call it success; leave it out, or give bytes"
                .into(),
        ),
        Ok(bytes) => Ok(usize::try_from(bytes).ok()),
        Err(_) => Err(format!("expected a number of bytes, found `{text}`")),
    })
}
