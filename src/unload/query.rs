//! A query as it goes into the parentheses of a COPY.

/// `sql` without what may stand behind a statement and not inside parentheses: semicolons, and the
/// comments and blanks around them.
///
/// Text in quotes, in dollar quotes and in comments is told apart by PostgreSQL's rules (manual,
/// "Lexical Structure"). SQL that breaks them is left for the server to refuse.
pub(crate) fn bare(sql: &str) -> &str {
    let (mut rest, mut end) = (sql, 0);
    while let Some(first) = rest.chars().next() {
        let (length, counts) = match first {
            ';' => (1, false),
            c if c.is_whitespace() => (c.len_utf8(), false),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (comment(rest), false),
            '\'' => (
                quoted(rest, '\'', escapes(&sql[..sql.len() - rest.len()])),
                true,
            ),
            '"' => (quoted(rest, '"', false), true),
            '$' => (dollar_quoted(rest), true),
            c if is_word(c) => (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), true),
            c => (c.len_utf8(), true),
        };
        rest = &rest[length..];
        if counts {
            end = sql.len() - rest.len();
        }
    }
    &sql[..end]
}

/// Letters, digits, `_`, and `$`, which may stand inside a name.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether a quote behind `before` opens a string with backslash escapes: `E'...'`.
fn escapes(before: &str) -> bool {
    before
        .strip_suffix(['e', 'E'])
        .is_some_and(|before| !before.ends_with(is_word))
}

/// The length of the comment at the start of `text`; comments nest.
fn comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if text[at..].starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the quoted text at the start of `text`. A doubled quote, which is data, reads as
/// two texts side by side.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + 1;
        }
        if escapes && c == '\\' {
            chars.next();
        }
    }
    text.len()
}

/// The length of the dollar-quoted text at the start of `text`, or 1 for a dollar alone.
fn dollar_quoted(text: &str) -> usize {
    let Some(length) = text[1..].find('$').map(|at| at + 2) else {
        return 1;
    };
    let tag = &text[..length];
    let named = &tag[1..length - 1];
    if named.starts_with(|c: char| c.is_ascii_digit()) || !named.chars().all(is_word) {
        return 1;
    }
    text[length..]
        .find(tag)
        .map_or(text.len(), |at| 2 * length + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_statement_is_taken_off() {
        for (sql, expected) in [
            ("SELECT 1", "SELECT 1"),
            (" SELECT 1 ; \n", " SELECT 1"),
            ("SELECT 1; -- the end; really", "SELECT 1"),
            ("SELECT 1 /* a /* nested; */ ü */ ;;", "SELECT 1"),
            ("SELECT 1 -- one\n + 1 -- two", "SELECT 1 -- one\n + 1"),
            ("SELECT '--;'", "SELECT '--;'"),
            ("SELECT 'it''s -- ' ;", "SELECT 'it''s -- '"),
            (r"SELECT E'\' -- ' ;", r"SELECT E'\' -- '"),
            (r"SELECT '\' ; -- '", r"SELECT '\'"),
            (r#"SELECT ";" ;"#, r#"SELECT ";""#),
            ("SELECT $a$ ; -- $ $b$ $a$ ;", "SELECT $a$ ; -- $ $b$ $a$"),
            ("SELECT $$;$$;", "SELECT $$;$$"),
            ("SELECT a$b FROM t;", "SELECT a$b FROM t"),
            ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
            ("SELECT 'open ;", "SELECT 'open ;"),
            ("-- nothing", ""),
        ] {
            assert_eq!(bare(sql), expected, "{sql}");
        }
    }
}
