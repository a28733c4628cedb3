//! The keys that say how records are cut into fields.

use super::value::{columns, optional, or};
use crate::job::reader::{At, Fields};
use crate::job::shaping::Source;
use crate::record::dialect::{Dialect, ForceQuote, Format};

/// Keys that only csv has.
const CSV_ONLY: [&str; 5] = [
    "quote",
    "escape",
    "force_null",
    "force_not_null",
    "force_quote",
];

/// The list of texts that are NULL, where `null` is a list.
pub(super) fn nulls(fields: &Fields<'_>) -> Option<Vec<String>> {
    let at = fields.get("null").filter(|at| at.is_list())?;
    let items = at.list()?;
    if items.is_empty() {
        at.wrong("the list is empty; leave it out for the format's own null marker");
    }
    items.iter().map(At::text_or_null).collect()
}

/// How the records of a `copy_from` are cut. `listed`: `null` is a list, which is read elsewhere.
pub(super) fn source_dialect(fields: &Fields<'_>, source: Source, listed: bool) -> Option<Dialect> {
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

pub(super) fn format(fields: &Fields<'_>) -> Option<Format> {
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
pub(super) fn dialect(fields: &Fields<'_>, format: Format, listed: bool) -> Option<Dialect> {
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
