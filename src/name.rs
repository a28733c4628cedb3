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

    /// The schema, where one was given.
    pub fn schema(&self) -> Option<&Identifier> {
        self.schema.as_ref()
    }

    /// The table `name` of `schema`, or the one that the search path finds.
    pub fn new(schema: Option<Identifier>, name: Identifier) -> Self {
        Self { schema, name }
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

/// Settings whose value is a list of names, each of which SET takes by itself: `search_path`, which
/// openGauss and DWS also call `current_schema`, and `temp_tablespaces`.
const NAME_LISTS: [&str; 3] = ["search_path", "current_schema", "temp_tablespaces"];

/// The names in the value of `setting`, where that is a list of names or of libraries; else `None`.
///
/// As PostgreSQL reads it (`varlena.c`, `SplitIdentifierString`): commas between the names, blanks
/// around them, double quotes around a name that has any of these in it; a name without quotes is
/// folded to lower case. Libraries are not folded.
///
/// # Errors
/// Says what is wrong: a name that is missing, a quote that is not closed, a blank in a name.
pub fn setting_list(setting: &str, value: &str) -> Result<Option<Vec<String>>, String> {
    let setting = setting.to_ascii_lowercase();
    let libraries = setting.ends_with("_preload_libraries");
    if !libraries && !NAME_LISTS.contains(&setting.as_str()) {
        return Ok(None);
    }
    let mut names = Vec::new();
    let mut rest = value.trim_ascii();
    while !rest.is_empty() || !names.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix('"') {
            take_quoted(value, quoted)?
        } else {
            let end = rest.find(|c: char| c == ',' || c.is_ascii_whitespace());
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            if name.is_empty() {
                return Err(format!("in `{value}`, a name is missing beside a comma"));
            }
            let folded = if libraries {
                name.to_owned()
            } else {
                name.to_ascii_lowercase()
            };
            (folded, after)
        };
        names.push(name);
        let after = after.trim_ascii_start();
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_ascii_start(),
            None if after.is_empty() => break,
            None => {
                return Err(format!(
                    "in `{value}`, a comma is missing before `{after}`; a name that holds a blank is written in double quotes"
                ));
            }
        }
    }
    Ok(Some(names))
}

/// A SET of `name`, for the session: `SET "work_mem" TO '64MB'`, and for a list of names
/// `SET "search_path" TO 'sales', 'public'`.
pub fn setting(name: &Identifier, value: &str, standard_conforming_strings: bool) -> String {
    let quoted = |text: &str| literal(text, standard_conforming_strings);
    let values = match setting_list(name.as_str(), value) {
        Ok(Some(names)) if !names.is_empty() => {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            names.join(", ")
        }
        _ => quoted(value),
    };
    format!("SET {name} TO {values}")
}

/// Whether `word` stands in `sql` by itself. Names without quotes are folded by the server, so case does
/// not count.
pub(crate) fn holds_word(sql: &str, word: &str) -> bool {
    let (sql, word) = (sql.to_lowercase(), word.to_lowercase());
    let of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(&word).any(|(at, found)| {
        !sql[..at].ends_with(of_name) && !sql[at + found.len()..].starts_with(of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_one_literal_and_a_list_of_names_several() {
        let set = |name: &str, value| setting(&Identifier::new(name).unwrap(), value, true);
        for (name, value, sql) in [
            ("work_mem", "64MB", r#"SET "work_mem" TO '64MB'"#),
            ("my.setting", "it's, a", r#"SET "my.setting" TO 'it''s, a'"#),
            ("DateStyle", "SQL, DMY", r#"SET "DateStyle" TO 'SQL, DMY'"#),
            ("search_path", "sales", r#"SET "search_path" TO 'sales'"#),
            (
                "Search_Path",
                r#" Sales ,"My ""S"", x" , "$user",public"#,
                r#"SET "Search_Path" TO 'sales', 'My "S", x', '$user', 'public'"#,
            ),
            ("search_path", "it's", r#"SET "search_path" TO 'it''s'"#),
            (
                "current_schema",
                "a,b",
                r#"SET "current_schema" TO 'a', 'b'"#,
            ),
            ("search_path", " ", r#"SET "search_path" TO ' '"#),
            (
                "session_preload_libraries",
                "$libdir/My-Lib, b",
                r#"SET "session_preload_libraries" TO '$libdir/My-Lib', 'b'"#,
            ),
        ] {
            assert_eq!(set(name, value), sql);
        }
        assert_eq!(
            setting(&Identifier::new("search_path").unwrap(), "a\\b, c", false),
            r#"SET "search_path" TO E'a\\b', 'c'"#
        );
    }

    #[test]
    fn a_broken_list_of_names_says_what_is_wrong() {
        for (value, part) in [
            ("a,", "missing beside a comma"),
            (",a", "missing beside a comma"),
            ("a,,b", "missing beside a comma"),
            ("a b", "comma is missing before `b`"),
            ("\"a\"b", "comma is missing before `b`"),
            ("\"a", "not closed"),
        ] {
            let error = setting_list("search_path", value).unwrap_err();
            assert!(error.contains(part), "{value}: {error}");
            assert_eq!(setting_list("work_mem", value), Ok(None));
        }
    }

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

    #[test]
    fn a_name_is_found_in_sql_as_a_word() {
        for (sql, word, expected) in [
            ("CREATE TABLE t (a int)", "t", true),
            ("create table tt (a int)", "t", false),
            ("CREATE TABLE sales.\"Orders\" ()", "orders", true),
            ("CREATE TABLE größe ()", "gr", false),
            ("upper(Name) || '!'", "name", true),
            ("surname || name_2 || $name", "name", false),
            ("\"Größe\" > 3", "größe", true),
        ] {
            assert_eq!(holds_word(sql, word), expected, "{sql} {word}");
        }
    }
}
