//! What the server will say of a value, told before it is sent.
//!
//! [`Check::judge`] follows the input functions of PostgreSQL 9.2 to 18 where all of them agree: it
//! never refuses a value that one of them takes, never praises one that one of them refuses, and
//! gives the SQLSTATE they give. Whatever is beyond doubt for one version alone (`0x1F` as an
//! integer), depends on what is not known here (names of time zones) or has no rule here (arrays,
//! enums, domains) is [`Verdict::Unsure`]: the server decides.
//!
//! Gauss servers have rules of their own. What is known of those was seen on openGauss 3.0.6; a
//! refusal is foretold there only where it was seen.

mod moment;
mod number;
mod text;
mod word;

use super::charset::Charset;
use crate::name::{Identifier, TableName};

use moment::Moment;
use number::{Float, Integer, Limits};
use text::Length;

/// A value that is longer is left to the server, unless its column holds text or bytes: the
/// reasons of a fault stay short, and no number or date is that long.
const LONGEST: usize = 4096;

/// What the server will say of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It takes it.
    Fine,
    /// Only the server can say.
    Unsure,
    /// It refuses it.
    Bad(Fault),
}

/// Why the server refuses a value or a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The SQLSTATE, the same on every version.
    pub code: &'static str,
    /// The message, in the words of PostgreSQL 13 to 18. Older ones word some of them otherwise.
    pub reason: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, reason }
    }

    /// The text of `value` is none of this type.
    fn syntax(code: &'static str, type_name: &str, value: &[u8]) -> Self {
        let value = String::from_utf8_lossy(value);
        Self::new(
            code,
            format!("invalid input syntax for type {type_name}: \"{value}\""),
        )
    }

    /// Bytes that are no UTF-8 text, which a server looks for before anything else (PostgreSQL,
    /// `report_invalid_encoding`). `None` where they are.
    pub fn of_encoding(bytes: &[u8]) -> Option<Self> {
        match text::encoding(bytes, true) {
            Verdict::Bad(fault) => Some(fault),
            Verdict::Fine | Verdict::Unsure => None,
        }
    }

    /// The same of bytes that were in `charset`, and have been decoded.
    pub fn of_source(bytes: &[u8], charset: Charset) -> Option<Self> {
        let fault = Self::of_encoding(bytes)?;
        Some(match charset.fault(bytes) {
            Some(reason) => Self::new(fault.code, reason),
            None => fault,
        })
    }

    /// A record has `found` fields, and the COPY fills `columns`. `None` where that fits.
    ///
    /// A server tells of too many fields before it looks at any value, and of a missing one when it
    /// comes to it, behind the faults of the values before.
    pub fn of_shape(found: usize, columns: &[Identifier]) -> Option<Self> {
        if found > columns.len() {
            return Some(Self::new("22P04", "extra data after last expected column"));
        }
        let missing = columns.get(found)?.as_str();
        Some(Self::new(
            "22P04",
            format!("missing data for column \"{missing}\""),
        ))
    }

    /// A CR or LF that is the end of no record, and no data: `byte`, in csv or else in text.
    pub fn of_line_end(byte: u8, csv: bool) -> Self {
        let kind = if csv { "unquoted" } else { "literal" };
        let name = if byte == b'\r' {
            "carriage return"
        } else {
            "newline"
        };
        Self::new("22P04", format!("{kind} {name} found in data"))
    }

    /// An end-of-data marker of text with data on its line.
    pub fn of_marker() -> Self {
        Self::new("22P04", "end-of-copy marker corrupt")
    }

    /// A NULL in a column that is NOT NULL, where no trigger fills it.
    pub fn not_null(table: &TableName, column: &Identifier) -> Self {
        let (column, table) = (column.as_str(), table.name().as_str());
        Self::new(
            "23502",
            format!(
                "null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"
            ),
        )
    }
}

/// Whose rules the server follows when it reads a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// PostgreSQL's, from 9.2 on.
    PostgreSql,
    /// Those of a Gauss database compatible with PostgreSQL (`PG`).
    GaussPostgreSql,
    /// Those of a Gauss database compatible with Oracle (`A`, `ORA`): an empty string is NULL, and
    /// the `n` of `varchar(n)` counts bytes.
    GaussOracle,
    /// Any others (a Gauss database of another mode, a server that is not known): no value but one
    /// in another encoding is foretold to be refused.
    Other,
}

/// In which order a date without a year in front is read: the second word of `DateStyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// Month, day, year.
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

impl DateOrder {
    /// Of a `DateStyle` as a server reports it: `ISO, MDY`.
    pub fn of_date_style(style: &str) -> Option<Self> {
        match style.rsplit(',').next()?.trim() {
            "MDY" => Some(Self::Mdy),
            "DMY" => Some(Self::Dmy),
            "YMD" => Some(Self::Ymd),
            _ => None,
        }
    }
}

/// What of a session decides over values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFacts {
    /// The data and the database are both in UTF-8.
    pub utf8: bool,
    /// The order of `DateStyle`; `None` where it is not known.
    pub date_order: Option<DateOrder>,
    /// Whose rules hold.
    pub rules: Rules,
}

/// The check of one column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    kind: Kind,
    facts: SessionFacts,
}

/// The types that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Integer(Integer),
    Numeric(Option<Limits>),
    Float(Float),
    Oid,
    Moment(Moment),
    Interval,
    Uuid,
    Text(Length),
    Bytea,
    Json,
    Unknown,
}

impl Check {
    /// Of a column. `type_name` is `pg_type.typname` of a type in `pg_catalog`, `type_modifier` is
    /// `pg_attribute.atttypmod`.
    pub fn new(type_name: &str, type_modifier: i32, facts: &SessionFacts) -> Self {
        let kind = match type_name {
            "bool" => Kind::Bool,
            "int2" => Kind::Integer(Integer::SMALL),
            "int4" => Kind::Integer(Integer::NORMAL),
            "int8" => Kind::Integer(Integer::BIG),
            "numeric" if type_modifier < 0 => Kind::Numeric(None),
            "numeric" => match Limits::of_modifier(type_modifier) {
                Some(limits) => Kind::Numeric(Some(limits)),
                None => Kind::Unknown,
            },
            "float4" => Kind::Float(Float::REAL),
            "float8" => Kind::Float(Float::DOUBLE),
            "oid" => Kind::Oid,
            "date" => Kind::Moment(Moment::Date),
            "time" => Kind::Moment(Moment::Time),
            "timetz" => Kind::Moment(Moment::TimeTz),
            "timestamp" => Kind::Moment(Moment::Timestamp),
            "timestamptz" => Kind::Moment(Moment::TimestampTz),
            "interval" => Kind::Interval,
            "uuid" => Kind::Uuid,
            "text" => Kind::Text(Length::ANY),
            "varchar" => Kind::Text(Length::new("character varying", type_modifier)),
            "bpchar" => Kind::Text(Length::new("character", type_modifier)),
            "bytea" => Kind::Bytea,
            "json" | "jsonb" => Kind::Json,
            _ => Kind::Unknown,
        };
        let facts = *facts;
        Self { kind, facts }
    }

    /// What the server will say of `value`: the bytes of a field that is not NULL, its quotes and
    /// escapes undone.
    ///
    /// Where a character is cut off at the end of a value, the message shows what there is of it;
    /// a server shows the bytes behind the field as well.
    pub fn judge(&self, value: &[u8]) -> Verdict {
        if self.is_plain(value) {
            return Verdict::Fine;
        }
        self.look_closely(value)
    }

    /// Whether there are values of which it is known that they are refused, beside those in another
    /// encoding.
    pub fn foretells(&self) -> bool {
        self.kind != Kind::Unknown && self.facts.rules != Rules::Other
    }

    /// Whether it is of the usual form, which every server takes. Plain values are ASCII, and not
    /// empty.
    #[inline]
    fn is_plain(&self, value: &[u8]) -> bool {
        match &self.kind {
            Kind::Integer(integer) => integer.is_plain(value),
            Kind::Numeric(limits) => number::is_plain(limits.as_ref(), value),
            Kind::Text(length) => length.is_plain(value),
            Kind::Float(_) => number::is_plain_float(value),
            Kind::Moment(moment) => moment.is_plain(value),
            _ => false,
        }
    }

    fn look_closely(&self, value: &[u8]) -> Verdict {
        match text::encoding(value, self.facts.utf8) {
            Verdict::Fine => {}
            other => return other,
        }
        match self.by_type(value) {
            Verdict::Fine if self.praise_is_doubtful(value) => Verdict::Unsure,
            Verdict::Bad(fault) if !self.is_foretold(&fault, value) => Verdict::Unsure,
            verdict => verdict,
        }
    }

    /// What PostgreSQL says of characters of its encoding.
    fn by_type(&self, value: &[u8]) -> Verdict {
        match &self.kind {
            Kind::Unknown => Verdict::Unsure,
            Kind::Text(length) => length.judge(value),
            Kind::Bytea => word::bytea(value),
            _ if value.len() > LONGEST => Verdict::Unsure,
            Kind::Bool => word::boolean(value),
            Kind::Integer(integer) => integer.judge(value),
            Kind::Numeric(limits) => number::numeric(limits.as_ref(), value),
            Kind::Float(float) => float.judge(value),
            Kind::Oid => number::oid(value),
            Kind::Moment(moment) => moment.judge(value, self.facts.date_order),
            Kind::Interval => moment::interval(value),
            Kind::Uuid => word::uuid(value),
            Kind::Json => word::json(value),
        }
    }

    /// Whether these rules may refuse what PostgreSQL takes.
    fn praise_is_doubtful(&self, value: &[u8]) -> bool {
        match (self.facts.rules, &self.kind) {
            (Rules::PostgreSql, _) => false,
            // It may be NULL, and the column NOT NULL.
            (Rules::GaussOracle | Rules::Other, _) if value.is_empty() => true,
            (Rules::GaussOracle | Rules::Other, Kind::Text(length)) => !length.fits_bytes(value),
            (_, Kind::Moment(moment)) => !moment.is_iso(value),
            _ => false,
        }
    }

    /// Whether these rules, too, make it a fault of `value`, with the same SQLSTATE.
    fn is_foretold(&self, fault: &Fault, value: &[u8]) -> bool {
        match self.facts.rules {
            Rules::PostgreSql => true,
            Rules::Other => false,
            // To Oracle it is NULL; of blanks nothing is known.
            rules if trimmed(value).is_empty() => {
                rules == Rules::GaussPostgreSql && value.is_empty() && self.is_number()
            }
            Rules::GaussPostgreSql | Rules::GaussOracle => match &self.kind {
                Kind::Float(_) => fault.code == "22P02",
                Kind::Text(_) => true,
                Kind::Moment(Moment::Date | Moment::Timestamp) => fault.code == "22008",
                _ => self.is_number(),
            },
        }
    }

    fn is_number(&self) -> bool {
        matches!(
            self.kind,
            Kind::Integer(_) | Kind::Numeric(_) | Kind::Float(_)
        )
    }
}

/// A byte that C's `isspace` calls blank.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 11
}

/// The value without the blanks around it.
fn trimmed(value: &[u8]) -> &[u8] {
    let inner = |byte: &u8| !is_blank(*byte);
    let Some(start) = value.iter().position(inner) else {
        return &[];
    };
    let end = value.iter().rposition(inner).map_or(start, |last| last + 1);
    &value[start..end]
}

#[cfg(test)]
mod tests;
