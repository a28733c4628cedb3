//! What becomes of records between their file and the table: the keys of `copy_from` that go beyond
//! what COPY does by itself. Without any of them the bytes are sent as they are.

use super::reader::{At, Fields};
use super::{Bytes, Eol, Policy, nearest};
use crate::name::{Identifier, holds_word};
use crate::record::dialect::{Dialect, Format};
use crate::record::layout::{Span, Unit};
use crate::record::mask::Mask;

/// How records are made into others, which are sent.
#[derive(Debug, Clone)]
pub struct Shaping {
    /// How a record is cut into fields.
    pub layout: Layout,
    /// The texts that are NULL; none for what the format says.
    pub nulls: Vec<String>,
    /// Fields that are dates or times, written in some other way.
    pub masks: Vec<(Identifier, Mask)>,
    /// Columns that are filled from elsewhere.
    pub set: Vec<(Identifier, Fill)>,
    /// Columns that the server computes from fields, by an SQL expression each.
    pub select: Vec<(Identifier, String)>,
    /// The SQL condition of the records that are wanted.
    pub filter: Option<String>,
    /// A name in the header, or a key of a JSON object, that is no column.
    pub on_extra_column: Policy,
    /// A column that the header, or a JSON object, does not name.
    pub on_missing_column: Policy,
}

impl Shaping {
    /// Records as they are, cut as their dialect says.
    pub(crate) fn none() -> Self {
        Self {
            layout: Layout::Delimited,
            nulls: Vec::new(),
            masks: Vec::new(),
            set: Vec::new(),
            select: Vec::new(),
            filter: None,
            on_extra_column: Policy::Fail,
            on_missing_column: Policy::Ok,
        }
    }

    /// Whether the server computes something from the fields.
    pub(crate) fn needs_sql(&self) -> bool {
        !self.select.is_empty() || self.filter.is_some()
    }

    /// Whether an SQL expression of the step speaks of `field`, as far as its words tell.
    pub(crate) fn mentions(&self, field: &Identifier) -> bool {
        let expressions = self.select.iter().map(|(_, sql)| sql.as_str());
        expressions
            .chain(self.filter.as_deref())
            .any(|sql| holds_word(sql, field.as_str()))
    }

    /// The columns that get their value from elsewhere than a field of their name.
    pub(crate) fn filled(&self) -> impl Iterator<Item = &Identifier> {
        let set = self.set.iter().map(|(name, _)| name);
        set.chain(self.select.iter().map(|(name, _)| name))
    }

    /// Whether `column` is one of them.
    pub(crate) fn fills(&self, column: &Identifier) -> bool {
        self.filled().any(|name| name == column)
    }
}

/// How a record is cut into fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// By the step's dialect.
    Delimited,
    /// By the places of characters.
    Fixed {
        /// Fields: name and place.
        fields: Vec<(Identifier, Span)>,
        /// What is counted.
        unit: Unit,
        /// Blanks around a value are none of it.
        trim: bool,
    },
    /// A JSON object on a line of its own, its keys the names of columns.
    Ndjson,
}

/// Where the value of a column comes from that is in no field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// A constant; `None` for NULL.
    Text(Option<String>),
    /// The source's name, as messages have it.
    File,
    /// The number of the record, 1 for the first of its file.
    Record,
    /// The line on which the record begins, 1 for the first of its file.
    Line,
}

/// The names that `set` knows, each behind a `$`.
const FILLS: [&str; 4] = ["file", "record", "line", "run_id"];

/// What a step's format is, before its other keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// One of COPY's.
    Copy(Format),
    Fixed,
    Ndjson,
}

/// The words of `format`.
pub(super) const FORMATS: [(&str, Source); 5] = [
    ("text", Source::Copy(Format::Text)),
    ("csv", Source::Copy(Format::Csv)),
    ("binary", Source::Copy(Format::Binary)),
    ("fixed", Source::Fixed),
    ("ndjson", Source::Ndjson),
];

const KEYS: [&str; 8] = [
    "positions",
    "positions_in",
    "trim",
    "date_format",
    "set",
    "select",
    "where",
    "on_extra_column",
];

/// Reads the keys of shaping. `Some(None)`: the bytes are sent as they are; `None`: a mistake.
#[expect(
    clippy::option_option,
    reason = "a mistake and a step without shaping are different things"
)]
pub(super) fn shaping(
    fields: &Fields<'_>,
    source: Source,
    dialect: &Dialect,
    bytes: &Bytes,
    nulls: Option<Vec<String>>,
    alone: bool,
) -> Option<Option<Box<Shaping>>> {
    if source == Source::Copy(Format::Binary) {
        fields.refuse(&KEYS, "binary data goes to the server as it is");
        fields.refuse(&["on_missing_column"], "binary data has no names");
        return Some(None);
    }
    let layout = layout(fields, source);
    let masks = pairs(fields, "date_format", |at| at.parse(Mask::parse));
    let run_id = fields.whole.run_id();
    let set = pairs(fields, "set", |at| fill(at, &run_id));
    let select = pairs(fields, "select", expression);
    let filter = match fields.get("where") {
        Some(at) => Some(expression(at)?),
        None => None,
    };
    let on_extra_column = policy(fields, "on_extra_column", Policy::Fail, source);
    let on_missing_column = policy(fields, "on_missing_column", Policy::Ok, source);
    let (set, select) = (set?, select?);
    if let Some(at) = fields.get("select") {
        let both = select
            .iter()
            .filter(|(name, _)| set.iter().any(|(other, _)| other == name));
        for (name, _) in both {
            at.wrong(format!("`set` fills `{}` as well", name.as_str()));
        }
    }
    if alone {
        fields.refuse(
            &["select", "where"],
            "takes several statements that must commit together, and with `transaction: none` each commits by itself; use `transaction: step` or `job`",
        );
    }
    let shaping = Shaping {
        layout: layout?,
        nulls: nulls.unwrap_or_default(),
        masks: masks?,
        set,
        select,
        filter,
        on_extra_column: on_extra_column?,
        on_missing_column: on_missing_column?,
    };
    // What COPY does not know.
    let wide = dialect.sep.as_ref().is_some_and(|sep| sep.len() > 1);
    let strange = wide || bytes.eol != Eol::Auto;
    Some((shaping.changes_something() || strange).then_some(Box::new(shaping)))
}

impl Shaping {
    fn changes_something(&self) -> bool {
        self.layout != Layout::Delimited
            || !(self.nulls.is_empty() && self.masks.is_empty() && self.set.is_empty())
            || self.needs_sql()
            || self.on_extra_column != Policy::Fail
            || self.on_missing_column != Policy::Ok
    }
}

fn layout(fields: &Fields<'_>, source: Source) -> Option<Layout> {
    if source != Source::Fixed {
        fields.refuse(
            &["positions", "positions_in", "trim"],
            "this key goes with `format: fixed`",
        );
        return Some(match source {
            Source::Ndjson => Layout::Ndjson,
            _ => Layout::Delimited,
        });
    }
    fields.refuse(
        &["columns"],
        "with `format: fixed`, `positions` names the columns; leave it out",
    );
    let at = fields.require("positions");
    let spans = at.and_then(|at| named(at, |at| at.parse(span)));
    if let (Some(at), Some([])) = (at, spans.as_deref()) {
        at.wrong("expected a name and its place for each field, such as `id: 1-10`");
    }
    let unit = match fields.get("positions_in") {
        Some(at) => at.choice(
            &[("characters", Unit::Characters), ("bytes", Unit::Bytes)],
            &[],
        ),
        None => Some(Unit::Characters),
    };
    let trim = fields.get("trim").map_or(Some(true), At::flag);
    Some(Layout::Fixed {
        fields: spans?,
        unit: unit?,
        trim: trim?,
    })
}

/// `1-10`, `11`, or `12-` for the rest: the first place is 1, and the last belongs to the field.
fn span(text: &str) -> Result<Span, String> {
    let wrong =
        || format!("expected places such as `1-10`, `11` or `12-` (to the end), found `{text}`");
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|place| *place > 0);
    let (start, end) = match text.split_once('-') {
        None => (text, Some(text)),
        Some((start, end)) if end.trim().is_empty() => (start, None),
        Some((start, end)) => (start, Some(end)),
    };
    let start = number(start).ok_or_else(wrong)? - 1;
    let end = match end {
        Some(end) => Some(number(end).ok_or_else(wrong)?),
        None => None,
    };
    if end.is_some_and(|end| end <= start) {
        return Err(wrong());
    }
    Ok(Span { start, end })
}

/// The entries of the mapping under `key`, by column; none where it is not there.
fn pairs<T>(
    fields: &Fields<'_>,
    key: &str,
    read: impl Fn(&At<'_>) -> Option<T>,
) -> Option<Vec<(Identifier, T)>> {
    match fields.get(key) {
        Some(at) => named(at, read),
        None => Some(Vec::new()),
    }
}

fn named<T>(at: &At<'_>, read: impl Fn(&At<'_>) -> Option<T>) -> Option<Vec<(Identifier, T)>> {
    let entries = at.entries()?;
    let read = entries.iter().map(|(name, at)| {
        let name = Identifier::new(*name).map_err(|what| at.wrong_key(what));
        let value = read(at);
        Some((name.ok()?, value?))
    });
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

/// What a column is set to: a constant, or `$` and a name. `$$` is a dollar sign of a constant.
fn fill(at: &At<'_>, run_id: &str) -> Option<Fill> {
    if at.is_null() {
        return Some(Fill::Text(None));
    }
    let text = at.text()?;
    let Some(name) = text.strip_prefix('$') else {
        return Some(Fill::Text(Some(text)));
    };
    match name {
        "file" => Some(Fill::File),
        "record" => Some(Fill::Record),
        "line" => Some(Fill::Line),
        "run_id" => Some(Fill::Text(Some(run_id.to_owned()))),
        _ if name.starts_with('$') => Some(Fill::Text(Some(name.to_owned()))),
        _ => {
            let near = nearest(name, FILLS)
                .map_or(String::new(), |near| format!("; did you mean `${near}`?"));
            at.wrong(format!(
                "`{text}` is none of $file, $record, $line and $run_id{near} A text that begins with `$` is written with two: `${text}`"
            ));
            None
        }
    }
}

fn expression(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    if text.trim().is_empty() {
        return at.expected("an SQL expression");
    }
    Some(text)
}

fn policy(fields: &Fields<'_>, key: &str, default: Policy, source: Source) -> Option<Policy> {
    let Some(at) = fields.get(key) else {
        return Some(default);
    };
    let chosen = super::step::policy(at)?;
    if source == Source::Fixed {
        fields.refuse(&[key], "fixed records have no names");
    }
    if source == Source::Ndjson && chosen == Policy::Warn {
        at.wrong("expected fail or ok: with ndjson each record has names of its own");
        return None;
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_are_counted_from_one_and_include_the_last() {
        let span = |text| super::span(text).map(|span| (span.start, span.end));
        assert_eq!(span("1-10"), Ok((0, Some(10))));
        assert_eq!(span("11"), Ok((10, Some(11))));
        assert_eq!(span(" 12 - "), Ok((11, None)));
        for wrong in ["", "0-3", "5-4", "a-b", "1-2-3", "-3"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
