//! Whether the expression of a default may be computed, though nothing is to come of it.

/// Words that stand for themselves or for what the session is.
const WORDS: [&str; 14] = [
    "true",
    "false",
    "null",
    "array",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "current_user",
    "session_user",
    "user",
    "current_role",
    "current_catalog",
];
/// Functions that do nothing but tell the time of the transaction.
const FUNCTIONS: [&str; 2] = ["now", "transaction_timestamp"];
/// Words behind the first of a type's name.
const OF_TYPES: [&str; 6] = ["varying", "precision", "without", "with", "time", "zone"];

/// Whether `expression`, as the server writes it, is made of constants, casts and the time alone. What
/// is not known here (any other function, `nextval` among them) is not harmless.
pub(super) fn is_harmless(expression: &str) -> bool {
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted(rest, '\''),
            _ if rest.starts_with("::") => type_name(&rest[2..]).map(|length| length + 2),
            '(' | ')' | '[' | ']' | ',' | '+' | '-' => Some(1),
            c if c.is_whitespace() => Some(c.len_utf8()),
            c if c.is_ascii_digit() => Some(number(rest)),
            c if is_part(c) => known(rest),
            _ => None,
        };
        match length {
            Some(length) => rest = &rest[length..],
            None => return false,
        }
    }
    true
}

/// The length of a word that is known, and of the parentheses that make it a call.
fn known(text: &str) -> Option<usize> {
    let length = word(text);
    let (name, behind) = (text[..length].to_lowercase(), &text[length..]);
    if name == "e" && behind.starts_with('\'') {
        return Some(length);
    }
    if FUNCTIONS.contains(&name.as_str()) {
        return behind.starts_with("()").then_some(length + 2);
    }
    // With a number of digits.
    let may_be_called = name.contains("time");
    let is_called = behind.trim_start().starts_with('(');
    (WORDS.contains(&name.as_str()) && (may_be_called || !is_called)).then_some(length)
}

/// The length of the type's name that begins `text`.
fn type_name(text: &str) -> Option<usize> {
    let mut rest = text;
    loop {
        let length = match rest.chars().next()? {
            '"' => quoted(rest, '"')?,
            c if is_part(c) => word(rest),
            _ => return None,
        };
        rest = &rest[length..];
        match rest.strip_prefix('.') {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    while let Some(behind) = rest.strip_prefix(' ') {
        let length = word(behind);
        if !OF_TYPES.contains(&&behind[..length]) {
            break;
        }
        rest = &behind[length..];
    }
    Some(text.len() - rest.len())
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of what begins with a quote, up to and with its end.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            c if c == quote => match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return Some(at + 1),
            },
            _ => {}
        }
    }
    None
}

fn word(text: &str) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Digits, and what makes them a number.
fn number(text: &str) -> usize {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E');
    text.find(|c| !part(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_the_time_are_harmless_and_nothing_else() {
        for expression in [
            "0",
            "'-1'::integer",
            "(-1.5e3)::numeric(10,2)",
            "'it''s'::character varying(10)",
            "NULL::timestamp without time zone",
            "ARRAY['a'::text, 'b'::text]",
            "'{}'::text[]",
            "CURRENT_TIMESTAMP(3)",
            "now()",
            "('now'::text)::date",
            "E'\\\\x'::bytea",
            "'red'::\"Colours\".\"kind\"",
            "true",
        ] {
            assert!(is_harmless(expression), "{expression}");
        }
        for expression in [
            "nextval('s'::regclass)",
            "(1 + nextval('s'::regclass))",
            "'a'::text || f()",
            "f()",
            "\"f\"()",
            "pg_catalog.now()",
            "clock_timestamp()",
            "gen_random_uuid()",
            "random()",
            "now(1)",
            "now",
            "(SELECT 1)",
            "'open",
            "1; DROP TABLE t",
            "user(1)",
            "'1'::integer + g('x'::text)",
            "'x'::text LIKE f()",
            "'x'::text COLLATE \"C\"",
            "CASE WHEN true THEN 1 END",
        ] {
            assert!(!is_harmless(expression), "{expression}");
        }
    }
}
