//! What to do about refusals of the server that people meet often.

use super::compatibility::counts_bytes;
use crate::job::{CopyFrom, Header};
use crate::record::dialect::Format;
use crate::source::Source;
use crate::wire::error::ServerMessage;
use crate::wire::server::Server;

/// Characters that separate fields, beside the one that the format has by itself, and how many of
/// them say so: a single comma may be a decimal one.
const SEPARATORS: [(char, usize); 4] = [(';', 1), ('\t', 1), ('|', 1), (',', 2)];

/// What is known of the place that the server refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    /// It is in the first record of its file.
    pub(super) first_record: bool,
    /// A quote is open at the end of what was sent.
    pub(super) in_quote: bool,
}

/// A hint for `said` of `server`, about `source` as `step` loads it.
pub(super) fn advice(
    step: &CopyFrom,
    source: &Source,
    server: &Server,
    said: &ServerMessage,
    spot: Spot,
) -> Option<String> {
    match said.code.as_str() {
        // `nvarchar2` counts characters everywhere.
        "22001" if counts_bytes(server) && !said.message.contains("nvarchar2") => {
            let compatible = server.compatible().unwrap_or_default();
            Some(format!(
                "the length of a column is one of bytes here, not of characters (the database is {compatible}): a Chinese character takes 3 of them"
            ))
        }
        "22P04" if spot.in_quote => {
            Some("a quote is opened in this record and never closed".into())
        }
        // Text format knows octal escapes, too.
        "22021" if said.message.ends_with(": 0x00") => Some(
            "no server takes NUL bytes: `nul: strip` takes those of the file out, `nul: replace` puts blanks in their place"
                .into(),
        ),
        "22021" => Some(
            "the file is not in UTF-8; `encoding` says what it is in, such as `gb18030` or `latin1`"
                .into(),
        ),
        _ if said.class() == "22" => values(step, source, said, spot.first_record),
        "42P01" | "3F000" => Some(format!(
            "the job names the table {}; a name with a dot in it is written `\"a.b\"`, and upper case counts",
            step.table
        )),
        "42703" if step.header == Header::Map => separator(step, &said.message).or_else(|| {
            Some(
                "with `header: map`, each name in the file's header must be a column of the table"
                    .into(),
            )
        }),
        "42501" => Some(format!(
            "loading needs `GRANT INSERT ON {} TO ...`, and `header: match` SELECT too",
            step.table
        )),
        _ => None,
    }
}

/// For values and records that do not fit.
fn values(
    step: &CopyFrom,
    source: &Source,
    said: &ServerMessage,
    first_record: bool,
) -> Option<String> {
    let (before, shown) = shown(said.context.as_deref()?)?;
    let tab_is_meant = step.dialect.sep.is_none();
    if step.dialect.format == Format::Text
        && is_named_csv(source)
        && (tab_is_meant && first_record || holds_quotes(shown, step.dialect.sep.as_deref()))
    {
        return Some(
            "the file looks like csv, and the job reads it as text: add `format: csv`".into(),
        );
    }
    if !first_record {
        return None;
    }
    separator(step, shown).or_else(|| {
        (step.header == Header::None && ends_with_word(before, shown)).then(|| {
            "the first line looks like a header: `header: true` skips it, `header: map` loads by its names".into()
        })
    })
}

fn is_named_csv(source: &Source) -> bool {
    matches!(source, Source::File(path) if path.to_string_lossy().contains(".csv"))
}

/// Whether csv's quotes are around what is `shown`, or around one of its fields.
fn holds_quotes(shown: &str, sep: Option<&str>) -> bool {
    shown.trim_start().starts_with('"')
        || sep.is_some_and(|sep| shown.contains(&format!("{sep}\"")))
}

/// The value or the record that a COPY's CONTEXT shows, and what stands before it:
/// `COPY t, line 1, column id` and `x` of `COPY t, line 1, column id: "x"`. The words and the
/// quotes are translated, their order is not.
fn shown(context: &str) -> Option<(&str, &str)> {
    let (before, shown) = context.split_once(": ")?;
    let mut inner = shown.chars();
    inner.next();
    inner.next_back();
    Some((before.trim_end(), inner.as_str()))
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.trim().to_lowercase());
    !word.is_empty()
        && text
            .strip_suffix(&word)
            .is_some_and(|rest| rest.ends_with(' '))
}

/// For `text` of a record that seems to have another separator than the one in force.
fn separator(step: &CopyFrom, text: &str) -> Option<String> {
    let ours = match step.dialect.format {
        _ if step.dialect.sep.is_some() => return None,
        Format::Text => '\t',
        Format::Csv => ',',
        Format::Binary => return None,
    };
    let count = |separator: char| text.matches(separator).count();
    let (meant, _) = SEPARATORS
        .into_iter()
        .filter(|(separator, enough)| count(*separator) >= *enough.max(&(count(ours) + 1)))
        .max_by_key(|(separator, _)| count(*separator))?;
    Some(match meant {
        ',' => "`,` seems to separate the fields: add `format: csv`".into(),
        '\t' => "a tab seems to separate the fields: add `sep: \"\\t\"`".into(),
        other => format!("`{other}` seems to separate the fields: add `sep: \"{other}\"`"),
    })
}
