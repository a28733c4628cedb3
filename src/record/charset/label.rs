//! The names of encodings.

use encoding_rs::Encoding;

use super::{Charset, Kind};

/// Names that the standard does not have, or has for something else, without what is between their
/// letters: PostgreSQL's, Oracle's and Windows'.
const OTHERS: &[(&str, &str)] = &[
    ("ascii", "utf-8"),
    ("usascii", "utf-8"),
    ("sqlascii", "utf-8"),
    ("us7ascii", "utf-8"),
    ("al32utf8", "utf-8"),
    ("utf16", "utf-16"),
    ("ucs2", "utf-16"),
    ("utf16le", "utf-16le"),
    ("utf16be", "utf-16be"),
    ("al16utf16", "utf-16be"),
    ("al16utf16le", "utf-16le"),
    ("euccn", "gbk"),
    ("cp936", "gbk"),
    ("ms936", "gbk"),
    ("windows936", "gbk"),
    ("zhs16gbk", "gbk"),
    ("zhs16cgb231280", "gbk"),
    ("cp54936", "gb18030"),
    ("zhs32gb18030", "gb18030"),
    ("cp950", "big5"),
    ("ms950", "big5"),
    ("windows950", "big5"),
    ("zht16big5", "big5"),
    ("zht16mswin950", "big5"),
    ("zht16hkscs", "big5"),
    ("uhc", "euc-kr"),
    ("cp949", "euc-kr"),
    ("ms949", "euc-kr"),
    ("euckr", "euc-kr"),
    ("ko16ksc5601", "euc-kr"),
    ("ko16mswin949", "euc-kr"),
    ("mskanji", "shift_jis"),
    ("shiftjis", "shift_jis"),
    ("cp932", "shift_jis"),
    ("windows932", "shift_jis"),
    ("ja16sjis", "shift_jis"),
    ("ja16sjistilde", "shift_jis"),
    ("eucjp", "euc-jp"),
    ("ja16euc", "euc-jp"),
    ("ja16euctilde", "euc-jp"),
    ("alt", "ibm866"),
    ("win866", "ibm866"),
    ("ru8pc866", "ibm866"),
    ("koi8r", "koi8-r"),
    ("koi8u", "koi8-u"),
    ("cl8koi8r", "koi8-r"),
    ("cl8koi8u", "koi8-u"),
    ("win", "windows-1251"),
    ("win874", "windows-874"),
    ("cp874", "windows-874"),
    ("dos874", "windows-874"),
    ("th8tisascii", "iso-8859-11"),
    ("latin1", "iso-8859-1"),
    ("latin2", "iso-8859-2"),
    ("latin3", "iso-8859-3"),
    ("latin4", "iso-8859-4"),
    ("latin5", "iso-8859-9"),
    ("latin6", "iso-8859-10"),
    ("latin7", "iso-8859-13"),
    ("latin8", "iso-8859-14"),
    ("latin9", "iso-8859-15"),
    ("latin10", "iso-8859-16"),
];

/// The usual names, to find what a slip was meant to be.
pub const COMMON: &[&str] = &[
    "utf-8",
    "utf-16",
    "utf-16le",
    "utf-16be",
    "gb18030",
    "gbk",
    "gb2312",
    "euc_cn",
    "zhs16gbk",
    "big5",
    "shift_jis",
    "sjis",
    "euc-jp",
    "euc-kr",
    "uhc",
    "latin1",
    "latin9",
    "iso-8859-1",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "win1252",
    "koi8-r",
];

pub(super) fn find(name: &str) -> Option<Charset> {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        // UTF-8 to PostgreSQL, UTF-16 to the standard.
        "unicode" => None,
        _ => known(&plain).or_else(|| of_standard(name.trim())),
    }
}

/// One of [`OTHERS`], an ISO 8859 or a code page of Windows.
fn known(plain: &str) -> Option<Charset> {
    if let Some((_, label)) = OTHERS.iter().find(|(other, _)| *other == plain) {
        return of_standard(label);
    }
    // Oracle puts the languages in front: WE8ISO8859P15, EE8MSWIN1250.
    let behind = |word: &str| plain.split_once(word).map(|(_, number)| number);
    if let Some(part) = behind("iso8859") {
        return of_standard(&format!("iso-8859-{}", part.trim_start_matches('p')));
    }
    let page = ["windows", "win", "cp"].into_iter().find_map(behind)?;
    of_standard(&format!("windows-{page}"))
}

/// By a label of the standard, with ISO 8859 for what it is.
fn of_standard(label: &str) -> Option<Charset> {
    let encoding = Encoding::for_label(label.as_bytes())?;
    let label = label.to_ascii_lowercase();
    let windows = ["1252", "1254", "874"];
    Some(Charset(match encoding.name() {
        "UTF-8" => Kind::Utf8,
        "UTF-16LE" if matches!(label.as_str(), "utf-16le" | "unicodefeff") => Kind::Utf16Le,
        "UTF-16LE" => Kind::Utf16,
        "UTF-16BE" => Kind::Utf16Be,
        "replacement" | "x-user-defined" | "ISO-2022-JP" => return None,
        "windows-1252" | "windows-1254" | "windows-874"
            if !windows.iter().any(|page| label.contains(page)) =>
        {
            Kind::Iso(encoding)
        }
        _ => Kind::Standard(encoding),
    }))
}
