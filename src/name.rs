//! Names and literals in SQL, quoted by type and only here.

use std::fmt;

/// One SQL identifier, as the server stores it. `Display` writes it quoted; there is no other
/// way for a name to enter a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

impl Identifier {
    /// Takes `name` as it is: case kept, blanks kept.
    ///
    /// # Errors
    /// Says what is wrong with an empty name or one with a NUL byte. Length is left to the
    /// server, which cuts names at 63 bytes with a notice.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        if name.is_empty() {
            return Err("a name must not be empty".into());
        }
        if name.contains('\0') {
            return Err("a name must not hold a NUL byte".into());
        }
        Ok(Self(name))
    }

    /// The name as stored, without quotes. For messages and comparisons, never for SQL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A table's name, with its schema where one was given. `Display` writes it quoted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    schema: Option<Identifier>,
    name: Identifier,
}

impl TableName {
    /// Reads `orders`, `sales.orders`, `"odd.name"` or `sales."odd ""name"""`.
    ///
    /// A bare part is taken as typed, upper case included, as psycopg2 2.9 takes it; the first
    /// dot outside double quotes divides schema from table.
    ///
    /// # Errors
    /// Says what is wrong: an empty part, a third part, an open quote, text after a closing quote.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = split_parts(text)?;
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if !parts.is_empty() {
            return Err(format!(
                "`{text}` has more than two parts; write schema.table, and put a name that holds a dot in double quotes"
            ));
        }
        let schema = schema.map(Identifier::new).transpose()?;
        Ok(Self {
            schema,
            name: Identifier::new(name)?,
        })
    }

    /// The table's own name, without the schema.
    pub fn name(&self) -> &Identifier {
        &self.name
    }

    /// The name for people: quoted only where a bare name would read differently.
    pub fn plain(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", schema.as_str(), self.name.as_str()),
            None => self.name.as_str().to_owned(),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}", self.name)
    }
}

fn split_parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(text, quoted)?,
            None => match rest.find('.') {
                Some(dot) => (rest[..dot].to_owned(), &rest[dot..]),
                None => (rest.to_owned(), ""),
            },
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(parts),
            None => {
                return Err(format!(
                    "in `{text}`, only a dot may follow a closing quote"
                ));
            }
        }
    }
}

/// The quoted name that begins `quoted`, and what follows its closing quote.
fn take_quoted<'a>(whole: &str, quoted: &'a str) -> Result<(String, &'a str), String> {
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let Some(end) = rest.find('"') else {
            return Err(format!("in `{whole}`, a double quote is not closed"));
        };
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Ok((name, rest)),
        }
    }
}

/// A parenthesised column list, `("a","b")`, or nothing where there are none.
pub fn column_list(columns: &[Identifier]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = columns.iter().map(Identifier::to_string).collect();
    format!("({})", quoted.join(","))
}

/// A string literal. With `standard_conforming_strings` off, a backslash is an escape, so the
/// `E'...'` form is written, which means the same under both settings.
pub fn literal(text: &str, standard_conforming_strings: bool) -> String {
    let doubled = text.replace('\'', "''");
    if standard_conforming_strings || !text.contains('\\') {
        format!("'{doubled}'")
    } else {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        TableName::parse(text).unwrap().to_string()
    }

    #[test]
    fn a_table_name_is_quoted_part_by_part() {
        assert_eq!(quoted("orders"), r#""orders""#);
        assert_eq!(quoted("Sales.Orders"), r#""Sales"."Orders""#);
        assert_eq!(quoted(r#""a.b""#), r#""a.b""#);
        assert_eq!(quoted(r#"s."say ""hi""""#), r#""s"."say ""hi""""#);
        assert_eq!(
            quoted(r#"my table"; DROP TABLE t; --"#),
            r#""my table""; DROP TABLE t; --""#
        );
    }

    #[test]
    fn a_broken_table_name_says_what_is_wrong() {
        for (text, part) in [
            ("", "empty"),
            ("a.", "empty"),
            ("a.b.c", "two parts"),
            ("\"a", "not closed"),
            ("\"a\"b", "closing quote"),
            ("a\0b", "NUL"),
        ] {
            let error = TableName::parse(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_literal_is_written_as_psycopg2_writes_it() {
        assert_eq!(literal("\\N", true), r"'\N'");
        assert_eq!(literal("'", true), "''''");
        assert_eq!(literal("\\N", false), r"E'\\N'");
        assert_eq!(literal("'", false), "''''");
    }
}
