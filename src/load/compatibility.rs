//! What a Gauss database makes of values without a word, because it follows the rules of another
//! product.
//!
//! Seen on openGauss 3.0.6: a database that is compatible with Oracle (`A`, on DWS `ORA`) stores
//! the empty string as NULL; one that is compatible with `MySQL` (`B`, on DWS `MYSQL`) stores 0, or
//! the digits at its start, for text that is no number, by COPY as by INSERT. The DWS manual ("Syntax
//! Compatibility Differences") has the empty string for a number: NULL with Oracle, 0 with `MySQL`
//! and Teradata. Such values are looked for in what is sent, and told when they are in.

use super::catalog::{Column, Table};
use crate::job::CopyFrom;
use crate::name::Identifier;
use crate::record::dialect::Dialect;
use crate::record::fields::{Field, Fields, Nulls};
use crate::record::position::Position;
use crate::source::{Begin, Source};
use crate::wire::server::{Mode, Server};

/// Bytes of a value that a warning shows.
const SHOWN: usize = 64;

/// What a column may silently turn a value into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Danger {
    /// The empty string into NULL.
    EmptyIsNull,
    /// The empty string into 0.
    EmptyIsZero,
    /// What is no whole number into 0 or another one.
    NoWholeNumber,
    /// What is no number into 0 or another one.
    NoNumber,
}

impl Danger {
    /// The danger of a column on this server.
    fn of(column: &Column, server: &Server) -> Option<Self> {
        let is_whole = matches!(
            column.type_name.as_str(),
            "int1" | "int2" | "int4" | "int8" | "int16"
        );
        let is_number =
            is_whole || matches!(column.type_name.as_str(), "numeric" | "float4" | "float8");
        let is_text = matches!(
            column.type_name.as_str(),
            "text" | "varchar" | "bpchar" | "nvarchar2" | "clob"
        );
        match server.mode? {
            Mode::Ora if is_text || is_number => Some(Self::EmptyIsNull),
            Mode::Td if is_number => Some(Self::EmptyIsZero),
            Mode::MySql if is_whole => Some(Self::NoWholeNumber),
            Mode::MySql if is_number => Some(Self::NoNumber),
            Mode::Ora | Mode::Td | Mode::MySql | Mode::Pg => None,
        }
    }

    /// Whether it befalls this value.
    fn befalls(self, field: &Field<'_>) -> bool {
        match self {
            Self::EmptyIsNull | Self::EmptyIsZero => field.is_empty(),
            // A number of more than 4096 digits is left to the server.
            _ if field.is_null() || !field.is_whole() => false,
            Self::NoWholeNumber | Self::NoNumber => self.befalls_value(&field.value()),
        }
    }

    /// Whether it befalls this value, which is not NULL.
    fn befalls_value(self, value: &[u8]) -> bool {
        match self {
            Self::EmptyIsNull | Self::EmptyIsZero => value.is_empty(),
            Self::NoWholeNumber => !is_whole_number(value),
            Self::NoNumber => !is_number(value),
        }
    }
}

/// The number without the blanks around it and its sign. Blanks are those of C's `isspace`.
fn unsigned(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 11;
    let start = value.iter().position(|byte| !blank(byte));
    let value = &value[start.unwrap_or(value.len())..];
    let end = value.iter().rposition(|byte| !blank(byte));
    let value = &value[..end.map_or(0, |end| end + 1)];
    match value {
        [b'+' | b'-', rest @ ..] => rest,
        _ => value,
    }
}

/// The digits at the start, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether every server takes it for the whole number that it is: `1.00` is meant to be one.
fn is_whole_number(value: &[u8]) -> bool {
    let (whole, rest) = digits(unsigned(value));
    let fraction = match rest {
        [] => rest,
        [b'.', fraction @ ..] => fraction,
        _ => return false,
    };
    !whole.is_empty() && fraction.iter().all(|byte| *byte == b'0')
}

/// Whether every server takes it for the number that it is. Words such as `NaN` and numbers to
/// another base are taken by some.
fn is_number(value: &[u8]) -> bool {
    let value = unsigned(value);
    let (whole, rest) = digits(value);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest),
        _ => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        let words: [&[u8]; 3] = [b"nan", b"inf", b"infinity"];
        return words.iter().any(|word| value.eq_ignore_ascii_case(word));
    }
    match rest {
        [] => true,
        [b'e' | b'E', rest @ ..] => {
            let exponent = match rest {
                [b'+' | b'-', rest @ ..] => rest,
                _ => rest,
            };
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        [b'x' | b'X', ..] => whole == b"0",
        _ => false,
    }
}

/// The dangers of loading these columns on this server, a sentence for each.
pub(crate) fn risks<'a>(
    columns: impl IntoIterator<Item = &'a Column>,
    server: &Server,
) -> Vec<String> {
    let Some(compatible) = server.compatible() else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    for column in columns {
        let name = &column.name;
        match Danger::of(column, server) {
            Some(Danger::EmptyIsNull) if column.not_null => sentences.push(format!(
                "an empty string is NULL to column {name}, which is NOT NULL and refuses it (the database is {compatible})"
            )),
            Some(Danger::EmptyIsNull) => sentences.push(format!(
                "an empty string becomes NULL in column {name} (the database is {compatible})"
            )),
            Some(Danger::EmptyIsZero) => sentences.push(format!(
                "an empty string may become 0 in column {name} (the database is {compatible})"
            )),
            Some(Danger::NoWholeNumber | Danger::NoNumber) => sentences.push(format!(
                "text that is no number may become 0 or a cut number in column {name}, without an error (the database is {compatible})"
            )),
            None => {}
        }
        if let Some(length) = length_in_bytes(column, server) {
            sentences.push(format!(
                "column {name} holds {length} bytes, not characters: a Chinese character takes 3 of them (the database is {compatible})"
            ));
        }
    }
    sentences
}

/// The length of a column that counts bytes where its type says characters elsewhere.
fn length_in_bytes(column: &Column, server: &Server) -> Option<i32> {
    let is_character = matches!(column.type_name.as_str(), "varchar" | "bpchar");
    let length = column.type_modifier - 4;
    (counts_bytes(server) && is_character && length > 0).then_some(length)
}

/// Whether the `n` of `varchar(n)` is one of bytes (seen on openGauss 3.0.6).
pub(super) fn counts_bytes(server: &Server) -> bool {
    server.mode == Some(Mode::Ora)
}

/// Values of a step that the server turned into something else.
#[derive(Debug)]
pub(super) struct Findings {
    compatible: String,
    suspects: Vec<Suspect>,
    /// All columns that COPY fills without a list, in order.
    filled: Vec<Identifier>,
}

/// A column in which such values are looked for, and what was found.
#[derive(Debug)]
struct Suspect {
    name: Identifier,
    danger: Danger,
    count: u64,
    first: Option<(First, String)>,
}

/// The first value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct First {
    record: u64,
    line: u64,
    value: String,
}

impl Findings {
    /// `None` where no column of the table is in danger on this server.
    pub(super) fn new(table: &Table, server: &Server) -> Option<Self> {
        let suspect = |column: &Column| {
            Some(Suspect {
                name: column.name.clone(),
                danger: Danger::of(column, server)?,
                count: 0,
                first: None,
            })
        };
        let suspects: Vec<_> = table.filled().filter_map(suspect).collect();
        (!suspects.is_empty()).then_some(Self {
            compatible: server.compatible()?,
            suspects,
            filled: table.filled().map(|column| column.name.clone()).collect(),
        })
    }

    /// Looks at a file whose fields go to `columns`, or to all of them where there are none, behind
    /// `lines` lines of header. `None` where none of its columns is in danger.
    pub(super) fn inspector(
        &self,
        step: &CopyFrom,
        columns: &[Identifier],
        markers: bool,
        begin: &Begin,
    ) -> Option<Inspector> {
        let inspector = self.values_inspector(columns)?;
        let columns = if columns.is_empty() {
            &self.filled
        } else {
            columns
        };
        let shown = columns
            .iter()
            .zip(&inspector.suspects)
            .map(|(column, suspect)| suspect.map(|_| nulls(column, &step.dialect)))
            .collect();
        Some(Inspector {
            fields: Some(
                Fields::new(&step.dialect, shown, markers, begin.lines)?
                    .behind(begin.records, begin.line_end),
            ),
            ..inspector
        })
    }

    /// The same where the values of `columns` are shown one by one.
    pub(super) fn values_inspector(&self, columns: &[Identifier]) -> Option<Inspector> {
        let columns = if columns.is_empty() {
            &self.filled
        } else {
            columns
        };
        let suspects: Vec<_> = columns
            .iter()
            .map(|column| {
                let found = self.suspects.iter().position(|one| one.name == *column);
                found.map(|index| (index, self.suspects[index].danger))
            })
            .collect();
        if suspects.iter().all(Option::is_none) {
            return None;
        }
        Some(Inspector {
            fields: None,
            suspects,
            found: vec![(0, None); self.suspects.len()],
        })
    }

    /// Takes note of what was found in a file that is loaded.
    pub(super) fn take(&mut self, inspector: Inspector, source: &Source) {
        for (suspect, (count, first)) in self.suspects.iter_mut().zip(inspector.found) {
            suspect.count += count;
            if suspect.first.is_none() {
                suspect.first = first.map(|first| (first, source.to_string()));
            }
        }
    }

    /// A sentence for each column in which something was found. `stored`: it is in the table.
    pub(super) fn warnings(&self, stored: bool) -> impl Iterator<Item = String> {
        self.suspects.iter().filter_map(move |suspect| {
            let (first, source) = suspect.first.as_ref()?;
            let place = format!("record {}, line {} of {source}", first.record, first.line);
            let (name, compatible) = (&suspect.name, &self.compatible);
            let one = suspect.count == 1;
            Some(match suspect.danger {
                Danger::EmptyIsNull | Danger::EmptyIsZero => {
                    let (strings, the_first) = if one {
                        ("1 empty string", "")
                    } else {
                        (&*format!("{} empty strings", suspect.count), "the first ")
                    };
                    let became = match suspect.danger {
                        Danger::EmptyIsZero if stored => "may have been stored as 0",
                        Danger::EmptyIsZero => "may be stored as 0",
                        _ if !stored => "would be stored as NULL",
                        _ if one => "was stored as NULL",
                        _ => "were stored as NULL",
                    };
                    format!(
                        "{strings} in column {name} {became} (the database is {compatible}), {the_first}in {place}"
                    )
                }
                danger => {
                    let whole = if danger == Danger::NoWholeNumber { "whole " } else { "" };
                    let what = if one {
                        format!("1 value in column {name} is no {whole}number")
                    } else {
                        format!(
                            "{} values in column {name} are no {whole}numbers",
                            suspect.count
                        )
                    };
                    let may = if stored { "may have stored" } else { "may store" };
                    let (it, the_first) = if one { ("it", "") } else { ("them", "the first, ") };
                    format!(
                        "{what}, and the server {may} 0 or a cut number for {it} (the database is {compatible}): {the_first}{}, in {place}",
                        first.value
                    )
                }
            })
        })
    }
}

/// When the null marker is NULL in `column`.
pub(super) fn nulls(column: &Identifier, dialect: &Dialect) -> Nulls {
    if dialect.force_not_null.contains(column) {
        Nulls::Never
    } else if dialect.force_null.contains(column) {
        Nulls::Quoted
    } else {
        Nulls::Plain
    }
}

/// Looks at the values of one file as they are sent.
#[derive(Debug)]
pub(crate) struct Inspector {
    /// Cuts blocks into fields, where it is shown blocks.
    fields: Option<Fields>,
    /// For each field of a record, the suspect that its column is.
    suspects: Vec<Option<(usize, Danger)>>,
    /// For each suspect, how many values were found, and the first.
    found: Vec<(u64, Option<First>)>,
}

impl Inspector {
    /// Takes the next block.
    pub(super) fn look(&mut self, block: &[u8]) {
        let (suspects, found) = (&self.suspects, &mut self.found);
        if let Some(fields) = &mut self.fields {
            fields.push(block, |field| note(field, suspects, found));
        }
    }

    /// Looks at a value that goes to the column of this number, in the record at `at`.
    pub(super) fn see(&mut self, index: usize, value: &[u8], at: Position) {
        let suspect = self.suspects.get(index).copied().flatten();
        if let Some((index, _)) = suspect.filter(|(_, danger)| danger.befalls_value(value)) {
            count(&mut self.found[index], value, at.record, at.line);
        }
    }

    /// The input is over.
    pub(super) fn finish(&mut self) {
        let (suspects, found) = (&self.suspects, &mut self.found);
        if let Some(fields) = &mut self.fields {
            fields.finish(|field| note(field, suspects, found));
        }
    }
}

fn note(
    field: &Field<'_>,
    suspects: &[Option<(usize, Danger)>],
    found: &mut [(u64, Option<First>)],
) {
    let Some(Some((index, danger))) = suspects.get(field.index).copied() else {
        return;
    };
    if danger.befalls(field) {
        count(&mut found[index], &field.value(), field.record, field.line);
    }
}

fn count((count, first): &mut (u64, Option<First>), value: &[u8], record: u64, line: u64) {
    *count += 1;
    if first.is_none() {
        let shown = String::from_utf8_lossy(&value[..value.len().min(SHOWN)]).into_owned();
        *first = Some(First {
            record,
            line,
            value: format!("{shown:?}"),
        });
    }
}

#[cfg(test)]
mod tests;
