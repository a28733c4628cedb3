//! The text of a Query or Parse, cut into statements and words.

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes, in small letters.
    Word,
    /// A name in double quotes, which are taken off.
    Name,
    /// A string constant; its content.
    Text,
    /// Anything else: a number, or one character.
    Sign,
}

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Where it stands in the text, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many parentheses are open around it.
    pub(super) depth: usize,
}

impl Word {
    /// Whether it is this keyword or sign.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text == text
    }

    /// Whether it is this name, quoted or not.
    pub(super) fn names(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Name) && self.text == name
    }
}

/// One statement of a text.
#[derive(Debug, Clone)]
pub(super) struct Statement<'a> {
    /// The whole text that it stands in; the words' places are places in it.
    pub(super) text: &'a [u8],
    pub(super) words: Vec<Word>,
}

impl<'a> Statement<'a> {
    /// The statements of a text, in order; none of them is empty.
    pub(super) fn of(text: &'a [u8]) -> Vec<Self> {
        let mut statements = Vec::new();
        let mut words = Vec::new();
        for word in self::words(text) {
            if word.is(";") && word.depth == 0 {
                statements.push(std::mem::take(&mut words));
            } else {
                words.push(word);
            }
        }
        statements.push(words);
        let found = statements.into_iter().filter(|words| !words.is_empty());
        found.map(|words| Self { text, words }).collect()
    }

    /// Where it begins and ends in the text.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        let first = self.words.first().map_or(0, |word| word.start);
        first..self.words.last().map_or(first, |word| word.end)
    }

    /// Its own text.
    pub(super) fn own(&self) -> String {
        String::from_utf8_lossy(&self.text[self.range()]).into_owned()
    }

    /// Whether it begins with these keywords.
    pub(super) fn begins(&self, words: &[&str]) -> bool {
        self.stands(0, words)
    }

    /// Whether these keywords and signs stand from `at` on.
    pub(super) fn stands(&self, at: usize, words: &[&str]) -> bool {
        let found = self.words.iter().skip(at);
        self.words.len() >= at + words.len() && found.zip(words).all(|(word, text)| word.is(text))
    }

    /// Where these keywords and signs first stand, one behind the other.
    pub(super) fn find(&self, words: &[&str]) -> Option<usize> {
        (0..self.words.len()).find(|at| self.stands(*at, words))
    }

    /// The word at `at`.
    pub(super) fn word(&self, at: usize) -> Option<&Word> {
        self.words.get(at)
    }

    /// The place of a word as the server counts it: characters, from 1.
    pub(super) fn position(&self, at: usize) -> usize {
        let before = &self.text[..self.words[at].start];
        String::from_utf8_lossy(before).chars().count() + 1
    }

    /// Whether it is a COPY from the client.
    pub(super) fn is_copy_from_client(&self) -> bool {
        self.copy_source()
            .is_some_and(|at| self.words[at].is("stdin"))
    }

    /// In a COPY FROM or COPY TO, the word behind FROM or TO.
    pub(super) fn copy_source(&self) -> Option<usize> {
        let outside = |word: &Word| word.depth == 0 && (word.is("from") || word.is("to"));
        let at = self.words.iter().position(outside)?;
        (self.begins(&["copy"]) && at + 1 < self.words.len()).then_some(at + 1)
    }

    /// Whether it ends a transaction with a COMMIT.
    pub(super) fn is_commit(&self) -> bool {
        (self.begins(&["commit"]) || self.begins(&["end"])) && !self.begins(&["commit", "prepared"])
    }

    /// Whether it ends a transaction with a ROLLBACK.
    pub(super) fn is_rollback(&self) -> bool {
        let begins = self.begins(&["rollback"]) || self.begins(&["abort"]);
        begins && !self.begins(&["rollback", "prepared"]) && self.find(&["to"]).is_none()
    }
}

/// The words of a text, comments left out. What is not closed reaches to the end.
fn words(text: &[u8]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut at, mut depth) = (0, 0usize);
    while at < text.len() {
        let start = at;
        let rest = &text[start..];
        let (kind, content) = if rest[0].is_ascii_whitespace() {
            at += 1;
            continue;
        } else if rest.starts_with(b"--") {
            at = after(text, start, b"\n");
            continue;
        } else if rest.starts_with(b"/*") {
            at = after_comment(text, start);
            continue;
        } else if rest[0] == b'"' {
            at = after_quote(text, start + 1, b'"', false);
            (Kind::Name, unquoted(&text[start + 1..at], '"'))
        } else if let Some(escapes) = string_start(rest) {
            let opening = start + rest.iter().position(|byte| *byte == b'\'').unwrap_or(0);
            at = after_quote(text, opening + 1, b'\'', escapes);
            (Kind::Text, unquoted(&text[opening + 1..at], '\''))
        } else if let Some(tag) = dollar_tag(rest) {
            at = after(text, start + tag.len(), tag);
            (Kind::Text, String::new())
        } else if is_name_start(rest[0]) {
            at = start + rest.iter().take_while(|byte| is_name(**byte)).count();
            let word = String::from_utf8_lossy(&text[start..at]).to_ascii_lowercase();
            (Kind::Word, word)
        } else if rest[0].is_ascii_digit() {
            let number = |byte: &&u8| is_name(**byte) || **byte == b'.';
            at = start + rest.iter().take_while(number).count();
            (
                Kind::Sign,
                String::from_utf8_lossy(&text[start..at]).into_owned(),
            )
        } else {
            at = start + 1;
            (Kind::Sign, char::from(rest[0]).to_string())
        };
        if content == ")" && kind == Kind::Sign {
            depth = depth.saturating_sub(1);
        }
        words.push(Word {
            kind,
            text: content,
            start,
            end: at,
            depth,
        });
        if words.last().is_some_and(|word| word.is("(")) {
            depth += 1;
        }
    }
    words
}

/// Whether a string constant begins here, and if so whether backslashes are escapes in it.
fn string_start(rest: &[u8]) -> Option<bool> {
    match rest {
        [b'e' | b'E', b'\'', ..] => Some(true),
        [b'\'', ..] | [b'n' | b'N' | b'b' | b'B' | b'x' | b'X', b'\'', ..] => Some(false),
        _ => None,
    }
}

/// The `$tag$` that begins here.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let inner = rest.strip_prefix(b"$")?;
    let length = inner
        .iter()
        .take_while(|byte| is_name(**byte) && **byte != b'$')
        .count();
    let is_tag = inner.get(length) == Some(&b'$') && !inner[0].is_ascii_digit();
    is_tag.then(|| &rest[..length + 2])
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The place behind the next `mark`.
fn after(text: &[u8], from: usize, mark: &[u8]) -> usize {
    let found = memchr::memmem::find(&text[from..], mark);
    found.map_or(text.len(), |at| from + at + mark.len())
}

fn after_comment(text: &[u8], from: usize) -> usize {
    let (mut at, mut open) = (from, 0);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            open += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The place behind the closing quote.
fn after_quote(text: &[u8], from: usize, quote: u8, escapes: bool) -> usize {
    let mut at = from;
    while at < text.len() {
        if escapes && text[at] == b'\\' {
            at += 1;
        } else if text[at] == quote {
            if text.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    text.len()
}

fn unquoted(content: &[u8], quote: char) -> String {
    let text = String::from_utf8_lossy(content);
    let text = text.strip_suffix(quote).unwrap_or(&text);
    text.replace(&format!("{quote}{quote}"), &quote.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        Statement::of(text.as_bytes())
            .iter()
            .map(Statement::own)
            .collect()
    }

    #[test]
    fn a_text_is_cut_at_its_own_semicolons_alone() {
        for (text, expected) in [
            ("", &[][..]),
            (" ; -- x;\n", &[]),
            ("BEGIN; COPY t FROM STDIN;", &["BEGIN", "COPY t FROM STDIN"]),
            (
                "SELECT ';', \";\", $a$;$a$, E'\\';' /* ; /* */ ; */ + 1",
                &["SELECT ';', \";\", $a$;$a$, E'\\';' /* ; /* */ ; */ + 1"],
            ),
            (
                "SELECT $1;SELECT 'it''s;'",
                &["SELECT $1", "SELECT 'it''s;'"],
            ),
            ("SELECT 'open;", &["SELECT 'open;"]),
        ] {
            assert_eq!(cut(text), expected, "{text}");
        }
    }

    #[test]
    fn statements_are_known_by_their_words() {
        let is = |text: &'static str, ask: fn(&Statement<'static>) -> bool| {
            ask(&Statement::of(text.as_bytes())[0])
        };
        assert!(is(
            "copy /* to */ \"from\" (a, b) from stdin csv",
            Statement::is_copy_from_client
        ));
        assert!(!is(
            "COPY (SELECT * FROM stdin) TO STDOUT",
            Statement::is_copy_from_client
        ));
        assert!(!is("COPY t TO STDOUT", Statement::is_copy_from_client));
        assert!(is("END", Statement::is_commit));
        assert!(!is("COMMIT PREPARED 'x'", Statement::is_commit));
        assert!(is("rollback work", Statement::is_rollback));
        assert!(!is("ROLLBACK TO SAVEPOINT a", Statement::is_rollback));
        let text = "ü COPY t";
        assert_eq!(Statement::of(text.as_bytes())[0].position(1), 3);
    }
}
