//! The characters that a database can hold, found out by asking it, where it is not in UTF-8.
//!
//! A COPY into a table of text fails at a character that the database's encoding lacks, and takes the
//! transaction along where no savepoint saves it. So each character is asked for before a record with
//! it is sent: once, with all that are new in a block, behind a savepoint of its own. The server's own
//! tables decide, since those of others differ from them in some places.

use std::fmt::Write as _;

use super::sieve::Fault;
use crate::error::{Error, Result};
use crate::run::Stage;
use crate::wire::error::WireError;
use crate::wire::session::Session;

/// Characters that are asked for at once.
const ASKED: usize = 2048;
/// Code points of Unicode.
const ALL: usize = 0x11_0000;

/// The sign that makes an unvoiced sound half voiced, and the kana that are one character with it.
const HALF_VOICED: char = '\u{309a}';
const HALF_VOICED_KANA: [char; 14] = [
    'か', 'き', 'く', 'け', 'こ', 'カ', 'キ', 'ク', 'ケ', 'コ', 'セ', 'ツ', 'ト', 'ㇷ',
];

/// What is known of a database's characters. Its size is that of Unicode, whatever is loaded.
#[derive(Debug)]
pub(super) struct Repertoire {
    /// The server's name of the encoding.
    encoding: String,
    asked: Set,
    lacking: Set,
    /// The server cannot be asked: what it lacks comes out when it is sent.
    is_silent: bool,
}

/// What is to be said of the characters of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// The database has all of them.
    All,
    /// It lacks this one, the first of those that it lacks.
    Lacks(char),
    /// Some are still to be asked for.
    Unknown,
}

impl Repertoire {
    /// That of the session's database. `None` where it holds every character: it is in UTF-8, or takes
    /// bytes for what they are.
    pub(super) fn of(session: &Session) -> Option<Self> {
        let encoding = session.parameter("server_encoding")?;
        (!matches!(encoding, "UTF8" | "SQL_ASCII")).then(|| Self {
            encoding: encoding.to_owned(),
            asked: Set::default(),
            lacking: Set::default(),
            is_silent: false,
        })
    }

    /// Looks at the characters of a record. Bytes that are no UTF-8 are for others to tell.
    pub(super) fn judge(&self, record: &[u8]) -> Holding {
        if self.is_silent {
            return Holding::All;
        }
        let mut before = None;
        for one in characters(record) {
            if !self.asked.has(one) {
                return Holding::Unknown;
            }
            if self.lacking.has(one) && !self.joins(before, one) {
                return Holding::Lacks(one);
            }
            before = Some(one);
        }
        Holding::All
    }

    /// Whether the encoding has this character only together with the one before it: one encoding of all
    /// that a server knows has such a character (PostgreSQL, `euc-jis-2004.txt`).
    fn joins(&self, before: Option<char>, one: char) -> bool {
        one == HALF_VOICED
            && before.is_some_and(|before| HALF_VOICED_KANA.contains(&before))
            && self.encoding == "EUC_JIS_2004"
    }

    /// Asks for all characters of `records` that are new.
    ///
    /// # Errors
    /// The server does not tell, the connection fell, or the run is to stop.
    pub(super) async fn learn<'a>(
        &mut self,
        records: impl Iterator<Item = &'a [u8]>,
        stage: &mut Stage<'_>,
    ) -> Result<()> {
        let mut new = Vec::new();
        for one in records.flat_map(characters) {
            if self.asked.add(one) {
                new.push(one);
            }
        }
        let mut open: Vec<&[char]> = new.chunks(ASKED).collect();
        while let Some(some) = open.pop() {
            if let Some(reason) = stage.stop.reason() {
                return Err(reason.error());
            }
            let behind = !stage.is_alone();
            match holds(some, behind, stage.session).await.map_err(failed)? {
                Some(true) => continue,
                Some(false) => {}
                None => {
                    self.is_silent = true;
                    return Ok(());
                }
            }
            if let [one] = some {
                self.lacking.add(*one);
            } else {
                let (first, rest) = some.split_at(some.len() / 2);
                open.extend([rest, first]);
            }
        }
        Ok(())
    }

    /// What a server says of a character that its database lacks.
    pub(super) fn fault(&self, lacking: char) -> Fault {
        let mut bytes = String::new();
        for byte in lacking.encode_utf8(&mut [0; 4]).bytes() {
            // A String takes everything.
            let _ = write!(bytes, " 0x{byte:02x}");
        }
        Fault::new(
            "22P05",
            format!(
                "character with byte sequence{bytes} in encoding \"UTF8\" has no equivalent in encoding \"{}\"",
                self.encoding
            ),
        )
    }
}

/// Whether the database has all of `characters`. `None` where the server has no way to tell.
async fn holds(
    characters: &[char],
    behind: bool,
    session: &mut Session,
) -> Result<Option<bool>, WireError> {
    let mut hex = String::new();
    for one in characters {
        for byte in one.encode_utf8(&mut [0; 4]).bytes() {
            let _ = write!(hex, "{byte:02x}");
        }
    }
    let ask = format!(
        "SELECT pg_catalog.length(pg_catalog.convert_from(pg_catalog.decode('{hex}', 'hex'), 'UTF8'))"
    );
    if behind {
        session.run("SAVEPOINT dwsload_characters").await?;
    }
    let answer = match session.rows(&ask).await {
        Ok(_) => Some(true),
        // It lacks one, or takes one for no character.
        Err(WireError::Refused(said)) if said.class() == "22" => Some(false),
        Err(WireError::Refused(said)) if said.class() == "42" => None,
        Err(error) => return Err(error),
    };
    if behind {
        let end = match answer {
            Some(true) => "RELEASE SAVEPOINT dwsload_characters",
            _ => "ROLLBACK TO SAVEPOINT dwsload_characters; RELEASE SAVEPOINT dwsload_characters",
        };
        session.run(end).await?;
    }
    Ok(answer)
}

fn failed(error: WireError) -> Error {
    Error::from(error).within("cannot find out which characters the database has")
}

/// The characters of `text` that are not ASCII, which every encoding has.
fn characters(text: &[u8]) -> impl Iterator<Item = char> {
    let text = if text.is_ascii() { &[] } else { text };
    text.utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .filter(|one| !one.is_ascii())
}

/// A set of characters.
#[derive(Debug)]
struct Set(Box<[u64]>);

impl Default for Set {
    fn default() -> Self {
        Self(vec![0; ALL / 64].into())
    }
}

impl Set {
    fn has(&self, one: char) -> bool {
        let at = one as usize;
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    /// Adds it; `false` where it was there.
    fn add(&mut self, one: char) -> bool {
        let is_new = !self.has(one);
        let at = one as usize;
        self.0[at / 64] |= 1 << (at % 64);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_once_its_characters_are() {
        let mut known = Repertoire {
            encoding: "LATIN1".into(),
            asked: Set::default(),
            lacking: Set::default(),
            is_silent: false,
        };
        assert_eq!(known.judge(b"1\tabc\n"), Holding::All);
        assert_eq!(known.judge("1\té\n".as_bytes()), Holding::Unknown);
        for one in ['é', '€', '\u{10ffff}'] {
            assert!(known.asked.add(one));
            assert!(!known.asked.add(one));
        }
        known.lacking.add('€');
        assert_eq!(known.judge("é\u{10ffff}".as_bytes()), Holding::All);
        assert_eq!(known.judge("é€".as_bytes()), Holding::Lacks('€'));
        assert_eq!(known.judge("€ü".as_bytes()), Holding::Lacks('€'));
        assert_eq!(known.judge("ü€".as_bytes()), Holding::Unknown);
        assert_eq!(known.judge(b"\xc3\xa9\xff\xe2\x82"), Holding::All);
        assert_eq!(
            known.fault('€').reason,
            "character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\""
        );
    }
}
