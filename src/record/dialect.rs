//! How a file's bytes are cut into records and fields, and how that is said to COPY.

use crate::name::{Identifier, column_list, literal};

/// The data formats of COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line per record, backslash escapes; psycopg2's only format.
    Text,
    /// Comma-separated values with quotes.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
}

/// A format with its settings, as written in the job file.
///
/// `sep`, `null`, `quote` and `escape` are passed to the server as they are: it alone says which
/// are allowed, with the same SQLSTATE psycopg2's users see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The format.
    pub format: Format,
    /// The field separator; `None` for the format's own (tab, comma).
    pub sep: Option<String>,
    /// The null marker; `None` for the format's own (`\N`, nothing).
    pub null: Option<String>,
    /// csv: the quote character; `None` for `"`.
    pub quote: Option<String>,
    /// csv: the escape character inside quotes; `None` for the quote itself.
    pub escape: Option<String>,
    /// csv, reading: columns in which a quoted null marker is NULL too.
    pub force_null: Vec<Identifier>,
    /// csv, reading: columns in which the null marker is plain text.
    pub force_not_null: Vec<Identifier>,
    /// csv, writing: columns that are always quoted.
    pub force_quote: ForceQuote,
}

/// csv output: which columns are quoted even where they need not be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForceQuote {
    /// Only where needed.
    #[default]
    None,
    /// Every column (`*`).
    All,
    /// These columns.
    Columns(Vec<Identifier>),
}

impl Dialect {
    /// `format` with its own defaults.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            sep: None,
            null: None,
            quote: None,
            escape: None,
            force_null: Vec::new(),
            force_not_null: Vec::new(),
            force_quote: ForceQuote::None,
        }
    }

    /// The options of a COPY statement, in the keyword syntax that psycopg2 writes and every
    /// PostgreSQL-wire server still reads (PostgreSQL `COPY`, section "Compatibility").
    ///
    /// For text it is byte for byte what psycopg2 2.9 sends. There is no HEADER: the client owns it.
    pub fn copy_options(&self, standard_conforming_strings: bool) -> String {
        let quoted = |text: &str| literal(text, standard_conforming_strings);
        let (format, sep, null) = match self.format {
            Format::Binary => return "WITH BINARY".into(),
            Format::Text => ("WITH", "\t", "\\N"),
            Format::Csv => ("WITH CSV", ",", ""),
        };
        let mut options = format!(
            "{format} DELIMITER AS {} NULL AS {}",
            quoted(self.sep.as_deref().unwrap_or(sep)),
            quoted(self.null.as_deref().unwrap_or(null))
        );
        if self.format == Format::Csv {
            options.push_str(&self.csv_options(&quoted));
        }
        options
    }

    fn csv_options(&self, quoted: &dyn Fn(&str) -> String) -> String {
        let mut options = String::new();
        if let Some(quote) = &self.quote {
            options.push_str(&format!(" QUOTE AS {}", quoted(quote)));
        }
        if let Some(escape) = &self.escape {
            options.push_str(&format!(" ESCAPE AS {}", quoted(escape)));
        }
        let mut columns = |keyword: &str, names: &[Identifier]| {
            if !names.is_empty() {
                let list = column_list(names);
                options.push_str(&format!(" {keyword} {}", &list[1..list.len() - 1]));
            }
        };
        columns("FORCE NOT NULL", &self.force_not_null);
        columns("FORCE NULL", &self.force_null);
        match &self.force_quote {
            ForceQuote::None => {}
            ForceQuote::All => options.push_str(" FORCE QUOTE *"),
            ForceQuote::Columns(names) => columns("FORCE QUOTE", names),
        }
        options
    }

    /// The separator as one byte, where it is one.
    pub fn sep_byte(&self) -> Option<u8> {
        let default = if self.format == Format::Csv {
            b','
        } else {
            b'\t'
        };
        one_byte(self.sep.as_deref(), default)
    }

    /// csv: the quote as one byte, where it is one.
    pub fn quote_byte(&self) -> Option<u8> {
        one_byte(self.quote.as_deref(), b'"')
    }

    /// csv: the escape as one byte, where it is one; the quote by default.
    pub fn escape_byte(&self) -> Option<u8> {
        match &self.escape {
            None => self.quote_byte(),
            Some(_) => one_byte(self.escape.as_deref(), b'"'),
        }
    }
}

fn one_byte(text: Option<&str>, default: u8) -> Option<u8> {
    match text.map(str::as_bytes) {
        None => Some(default),
        Some([byte]) => Some(*byte),
        Some(_) => None,
    }
}

/// What a COPY statement written by hand says of its data, as far as tracing an error back to a
/// record needs it. A statement that cannot be understood traces nothing and runs all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStatement {
    /// How records are cut.
    pub dialect: Dialect,
    /// The first record is a header.
    pub header: bool,
    /// A backslash in text is a backslash, or records have no fields to be cut (Gauss servers): who
    /// knows what `\.` is then.
    pub odd: bool,
    /// The table as the server calls it, without its schema; `None` where there is none.
    pub table: Option<String>,
}

impl CopyStatement {
    /// Reads the table and the options of the last COPY in `sql`, old and new syntax alike.
    pub fn read(sql: &str) -> Self {
        let tokens = tokens(sql);
        let copy = tokens
            .iter()
            .rposition(|token| token.is("copy"))
            .unwrap_or(0);
        let whole = &tokens[copy..];
        // Columns may be called as options are.
        let from = whole.iter().position(|token| token.is("from"));
        let options = &whole[from.unwrap_or(0)..];
        let oldest = whole.get(1).is_some_and(|token| token.is("binary"));
        let has = |word: &str| options.iter().any(|token| token.is(word));
        let value = |word: &str| {
            let at = options.iter().position(|token| token.is(word))?;
            options[at + 1..]
                .iter()
                .find(|token| !token.is("as"))
                .and_then(Token::literal)
        };
        let format = if oldest || has("binary") {
            Format::Binary
        } else if has("csv") {
            Format::Csv
        } else {
            Format::Text
        };
        let off = |token: &Token| token.is("false") || token.is("off") || token.is("0");
        let header = options
            .iter()
            .position(|token| token.is("header"))
            .is_some_and(|at| !options.get(at + 1).is_some_and(off));
        let dialect = Dialect {
            quote: value("quote"),
            escape: value("escape"),
            ..Dialect::new(format)
        };
        Self {
            dialect,
            header,
            odd: ["noescaping", "escaping", "fixed"].into_iter().any(has),
            table: table(whole.get(1..).unwrap_or_default()),
        }
    }
}

/// The last part of the name at the start of `tokens`, which follow COPY.
fn table(tokens: &[Token]) -> Option<String> {
    let mut rest = match tokens {
        // The oldest syntax.
        [binary, rest @ ..] if binary.is("binary") => rest,
        all => all,
    };
    while let [_, Token::Dot, after @ ..] = rest {
        rest = after;
    }
    match rest.first()? {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        Token::Name(name) => Some(name.clone()),
        Token::Literal(_) | Token::Dot => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A word without quotes: a key word or a name.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A string literal.
    Literal(String),
    /// What stands between the parts of a name.
    Dot,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        match self {
            Self::Word(text) => text.eq_ignore_ascii_case(word),
            // FORMAT 'csv' is as good as FORMAT csv; anything longer is data.
            Self::Literal(text) => {
                matches!(word, "csv" | "binary" | "fixed") && text.eq_ignore_ascii_case(word)
            }
            Self::Name(_) | Self::Dot => false,
        }
    }

    fn literal(&self) -> Option<String> {
        match self {
            Self::Literal(text) => Some(text.clone()),
            Self::Word(_) | Self::Name(_) | Self::Dot => None,
        }
    }
}

/// Words, names and string literals of `sql`; comments and other punctuation are left out.
fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        rest = if let Some(after) = rest.strip_prefix("--") {
            after.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(after) = rest.strip_prefix("/*") {
            after.split_once("*/").map_or("", |(_, after)| after)
        } else if first == '\'' || first == '"' {
            let (text, after) = quoted(&rest[1..], first);
            tokens.push(if first == '"' {
                Token::Name(text)
            } else {
                Token::Literal(text)
            });
            after
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
                .unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            &rest[end..]
        } else {
            if first == '.' {
                tokens.push(Token::Dot);
            }
            &rest[first.len_utf8()..]
        };
    }
    tokens
}

/// The text up to the closing `quote`, doubled ones undone, and what follows.
fn quoted(rest: &str, quote: char) -> (String, &str) {
    let mut text = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|&(_, next)| next == quote).is_some() {
            text.push(quote);
        } else {
            return (text, &rest[at + 1..]);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_options_are_those_of_psycopg2() {
        let options = Dialect::new(Format::Text).copy_options(true);
        assert_eq!(options, "WITH DELIMITER AS '\t' NULL AS '\\N'");
    }

    #[test]
    fn csv_options_follow_copys_own_defaults() {
        let mut dialect = Dialect::new(Format::Csv);
        assert_eq!(
            dialect.copy_options(true),
            "WITH CSV DELIMITER AS ',' NULL AS ''"
        );
        dialect.quote = Some("'".into());
        dialect.force_null = vec![Identifier::new("a").unwrap(), Identifier::new("b").unwrap()];
        dialect.force_quote = ForceQuote::All;
        assert_eq!(
            dialect.copy_options(true),
            r#"WITH CSV DELIMITER AS ',' NULL AS '' QUOTE AS '''' FORCE NULL "a","b" FORCE QUOTE *"#
        );
    }

    #[test]
    fn a_statement_by_hand_is_understood_in_both_syntaxes() {
        let read = |sql: &str| CopyStatement::read(sql);
        let csv = read("COPY t FROM STDIN WITH (FORMAT csv, HEADER, QUOTE '''')");
        assert_eq!(csv.dialect.format, Format::Csv);
        assert!(csv.header);
        let old = read("copy \"binary\" from stdin with csv header quote as '|' escape as '\\'");
        let dialect = &old.dialect;
        assert_eq!(
            (dialect.quote.as_deref(), dialect.escape.as_deref()),
            (Some("|"), Some("\\"))
        );
        assert!(old.header);
        let text = read(
            "/* csv */ SELECT 'csv header'; COPY t FROM STDIN (HEADER off, DELIMITER ',') -- csv",
        );
        assert_eq!(text.dialect.format, Format::Text);
        assert!(!text.header && !text.odd);
        let columns = read("COPY t (a, csv, header, fixed) FROM STDIN");
        assert_eq!(columns.dialect.format, Format::Text);
        assert!(!columns.header && !columns.odd);
        for sql in [
            "COPY t FROM STDIN WITH BINARY",
            "COPY BINARY t FROM STDIN",
            "COPY t FROM STDIN (FORMAT 'binary')",
        ] {
            assert_eq!(read(sql).dialect.format, Format::Binary, "{sql}");
        }
        for sql in [
            "COPY t FROM STDIN WITHOUT ESCAPING",
            "COPY t FROM STDIN WITH (NOESCAPING 'true')",
            "COPY t FROM STDIN WITH (FORMAT 'fixed')",
        ] {
            assert!(read(sql).odd, "{sql}");
        }
        for (sql, table) in [
            ("COPY T FROM STDIN", Some("t")),
            ("copy s.T$1 (a) from stdin", Some("t$1")),
            ("COPY \"S.x\" . \"a,b \"\"1\" FROM STDIN", Some("a,b \"1")),
            ("COPY BINARY \"T\" FROM STDIN", Some("T")),
            ("SELECT 1; COPY /* x */ d.s.t FROM STDIN", Some("t")),
            ("COPY", None),
        ] {
            assert_eq!(read(sql).table.as_deref(), table, "{sql}");
        }
    }
}
