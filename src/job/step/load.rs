//! The keys of `copy_from`.

use super::dialect::{nulls, source_dialect};
use super::value::{columns, compression, header, inputs, optional, or, policy, size, table};
use crate::job::amount;
use crate::job::arrival::arrival;
use crate::job::bytes::bytes;
use crate::job::mode::{Mode, mode};
use crate::job::reader::{At, Fields, Keys};
use crate::job::resolve::Folder;
use crate::job::shaping::{FORMATS, Source, shaping};
use crate::job::{Compression, CopyFrom, Header, InputPattern, MostRejects, Policy, Rejecting};
use crate::record::dialect::Format;

pub(super) const COPY_FROM: Keys = Keys {
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

pub(super) fn copy_from(at: &At<'_>, folder: &Folder) -> Option<CopyFrom> {
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
