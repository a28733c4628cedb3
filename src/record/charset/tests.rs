use super::*;
use proptest::prelude::*;

/// `raw` decoded in parts of so many bytes, malformed ones as escapes; and what was malformed.
fn decode(charset: Charset, raw: &[u8], part: usize) -> (Vec<u8>, Vec<Malformed>) {
    let mut decoder = charset.decoder();
    let (mut text, mut malformed) = (Vec::new(), Vec::new());
    let mut parts = raw.chunks(part).peekable();
    let mut now = parts.next().unwrap_or_default();
    loop {
        let mut out = [0; 16];
        let progress = decoder.decode(now, &mut out, parts.peek().is_none());
        text.extend(&out[..progress.written]);
        now = &now[progress.read..];
        match progress.halt {
            Halt::Malformed(it) => {
                escape(&it.bytes, &mut text);
                malformed.push(it);
            }
            Halt::Output => {}
            Halt::Input => match parts.next() {
                Some(next) => now = next,
                None => return (text, malformed),
            },
        }
    }
}

fn named(name: &str) -> Charset {
    Charset::named(name).unwrap_or_else(|| panic!("{name}"))
}

const ALL: [&str; 39] = [
    "gbk",
    "gb18030",
    "big5",
    "euc-jp",
    "euc-kr",
    "shift_jis",
    "utf-16le",
    "utf-16be",
    "latin1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-11",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
    "ibm866",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "x-mac-cyrillic",
    "utf-16",
];

#[test]
fn encodings_have_the_names_of_the_standard_of_postgresql_and_of_oracle() {
    for (name, expected) in [
        ("utf8", "UTF-8"),
        ("UTF-8", "UTF-8"),
        ("SQL_ASCII", "UTF-8"),
        ("AL32UTF8", "UTF-8"),
        ("GBK", "GBK"),
        ("EUC_CN", "GBK"),
        ("gb2312", "GBK"),
        ("cp936", "GBK"),
        ("ZHS16GBK", "GBK"),
        ("GB18030", "gb18030"),
        ("ZHS32GB18030", "gb18030"),
        ("BIG5", "Big5"),
        ("Big5-HKSCS", "Big5"),
        ("SJIS", "Shift_JIS"),
        ("Shift-JIS", "Shift_JIS"),
        ("cp932", "Shift_JIS"),
        ("EUC_JP", "EUC-JP"),
        ("EUC_KR", "EUC-KR"),
        ("UHC", "EUC-KR"),
        ("latin1", "ISO-8859-1"),
        ("ISO_8859-1", "ISO-8859-1"),
        ("iso88591", "ISO-8859-1"),
        ("l1", "ISO-8859-1"),
        ("WE8ISO8859P1", "ISO-8859-1"),
        ("LATIN5", "ISO-8859-9"),
        ("iso-8859-9", "ISO-8859-9"),
        ("LATIN9", "ISO-8859-15"),
        ("WE8ISO8859P15", "ISO-8859-15"),
        ("LATIN10", "ISO-8859-16"),
        ("ISO_8859_5", "ISO-8859-5"),
        ("tis-620", "ISO-8859-11"),
        ("WIN874", "windows-874"),
        ("WIN1252", "windows-1252"),
        ("cp1252", "windows-1252"),
        ("x-cp1252", "windows-1252"),
        ("WE8MSWIN1252", "windows-1252"),
        ("windows-1254", "windows-1254"),
        ("WIN866", "IBM866"),
        ("KOI8R", "KOI8-R"),
        ("utf-16", "UTF-16"),
        ("UTF16", "UTF-16"),
        ("utf_16_le", "UTF-16LE"),
        ("UTF-16BE", "UTF-16BE"),
        ("AL16UTF16", "UTF-16BE"),
    ] {
        assert_eq!(named(name).name(), expected, "{name}");
    }
    for name in [
        "",
        "unicode",
        "iso-2022-jp",
        "hz-gb-2312",
        "x-user-defined",
        "utf-7",
        "johab",
        "iso-8859-12",
        "windows-99",
    ] {
        assert_eq!(Charset::named(name), None, "{name}");
    }
    for name in COMMON_NAMES {
        named(name);
    }
}

#[test]
fn latin1_is_not_its_relative_of_windows() {
    let all: Vec<u8> = (0..=255).collect();
    let expected: String = (0..=255_u8).map(char::from).collect();
    for part in [1, 2, 100, 1000] {
        let (text, malformed) = decode(named("latin1"), &all, part);
        assert_eq!((text.as_slice(), malformed.len()), (expected.as_bytes(), 0));
    }
    assert_eq!(decode(named("windows-1252"), b"\x80", 9).0, "€".as_bytes());
    assert_eq!(
        decode(named("latin5"), b"\x80\xfd", 9).0,
        "\u{80}ı".as_bytes()
    );
    assert_eq!(
        named("latin1").encode_back("é\u{80}".as_bytes()).unwrap(),
        &b"\xe9\x80"[..]
    );
    assert_eq!(named("latin1").encode_back("€".as_bytes()), Err('€'));
    assert_eq!(named("latin5").encode_back("€".as_bytes()), Err('€'));
    assert_eq!(
        named("latin5").encode_back("ı\u{80}".as_bytes()).unwrap(),
        &b"\xfd\x80"[..]
    );
}

#[test]
fn a_byte_order_mark_is_taken_off_once() {
    for (name, raw) in [
        ("utf-16le", &b"\xff\xfea\0\xff\xfe"[..]),
        ("utf-16be", b"\xfe\xff\0a\xfe\xff"),
        ("gb18030", b"\x84\x31\x95\x33a\x84\x31\x95\x33"),
    ] {
        for part in 1..9 {
            let (text, malformed) = decode(named(name), raw, part);
            assert_eq!(
                (text.as_slice(), malformed.len()),
                ("a\u{feff}".as_bytes(), 0),
                "{name}"
            );
        }
    }
    let utf16 = named("utf-16");
    assert_eq!(utf16.of_file(*b"\xfe\xff").name(), "UTF-16BE");
    assert_eq!(utf16.of_file(*b"a\0").name(), "UTF-16LE");
    assert_eq!(named("utf-16be").of_file(*b"\xff\xfe").name(), "UTF-16BE");
}

#[test]
fn malformed_bytes_are_told_with_their_place_and_given_back() {
    for (name, raw, offset, words) in [
        ("gbk", &b"ab\x81 c"[..], 2, "\"GBK\": 0x81 0x20"),
        ("gbk", b"\xd6\xd0\xff\n", 2, "\"GBK\": 0xff"),
        ("gbk", b"a\x81", 1, "\"GBK\": 0x81"),
        ("gb18030", b"\xd6\xd0\x81\x30x", 2, "\"gb18030\": 0x81 0x30"),
        ("big5", b"\xa4\xa4\xa4\x20", 2, "\"Big5\": 0xa4 0x20"),
        ("shift_jis", b"a\x82,b", 1, "\"Shift_JIS\": 0x82 0x2c"),
        ("euc-kr", b"a\xa1\xffb", 1, "\"EUC-KR\": 0xa1 0xff"),
        ("windows-874", b"a\xdbb", 1, "\"windows-874\": 0xdb"),
        ("tis-620", b"\x80\xdbb", 1, "\"ISO-8859-11\": 0xdb"),
        ("utf-16le", b"a\0\x3d\xd8b\0", 2, "\"UTF-16LE\": 0x3d 0xd8"),
        ("utf-16be", b"\0a\0", 2, "\"UTF-16BE\": 0x00"),
    ] {
        let charset = named(name);
        for part in 1..raw.len() {
            let (text, malformed) = decode(charset, raw, part);
            let words = format!("invalid byte sequence for encoding {words}");
            assert_eq!(malformed[0].offset, offset, "{name}, {part}");
            assert_eq!(charset.fault(&text), Some(words.clone()), "{name}, {part}");
            assert!(std::str::from_utf8(&text).is_err());
            assert_eq!(charset.encode_back(&text).unwrap(), raw, "{name}, {part}");
            let told = malformed[0].to_string();
            assert!(words.starts_with(&told), "{told}, {words}");
        }
        assert_eq!(
            decode(charset, raw, 99).1[0].to_string().len(),
            charset.fault(&decode(charset, raw, 99).0).unwrap().len()
        );
    }
    assert_eq!(named("gbk").fault("中".as_bytes()), None);
}

#[test]
fn every_character_that_is_read_can_be_written_so_that_it_is_read_again() {
    let one = (0..=255).map(|byte: u8| vec![byte]);
    let two = (0..=255).flat_map(|one: u8| (0..=255).map(move |two: u8| vec![one, two]));
    let three =
        (0xa1..=0xfe).flat_map(|two| (0xa1..=0xfe).map(move |three| vec![0x8f, two, three]));
    let four =
        (0x81..=0xfe).flat_map(|one| (0x30..=0x39).map(move |four| vec![one, 0x32, 0xa7, four]));
    let all: Vec<Vec<u8>> = one.chain(two).chain(three).chain(four).collect();
    for name in ALL {
        let charset = named(name);
        let all = if charset.shown() == 1 {
            &all[..256]
        } else {
            &all
        };
        let mut same = 0;
        for raw in all {
            let (text, _) = decode(charset, raw, 9);
            let again = charset
                .encode_back(&text)
                .unwrap_or_else(|c| panic!("{name}: {raw:x?} is {c:?}"));
            same += usize::from(again == raw.as_slice());
            assert_eq!(
                decode(charset, &again, 9).0,
                text,
                "{name}: {raw:x?}, {again:x?}"
            );
        }
        // Few characters have several codes.
        assert!(
            same * 100 > all.len() * 97,
            "{name}: {same} of {}",
            all.len()
        );
    }
}

#[test]
fn what_everybody_reads_is_written_and_nothing_else() {
    for (name, text, missing) in [
        ("gbk", "中€𠀀", Some(('𠀀', 6))),
        ("big5", "中䏰", Some(('䏰', 3))),
        ("latin1", "é\u{80}€", Some(('€', 4))),
        ("windows-1252", "é€中", Some(('中', 5))),
        ("gb18030", "中€𠀀é", None),
        ("utf-16", "中𠀀", None),
    ] {
        let mut out = Vec::new();
        let result = named(name).encode(text, &mut out);
        let found = result.err().map(|it| (it.character, it.offset));
        assert_eq!(found, missing, "{name}");
        let written = missing.map_or(text, |(_, offset)| &text[..offset]);
        assert_eq!(
            decode(named(name), &out, 99).0,
            written.as_bytes(),
            "{name}"
        );
    }
}

#[test]
fn characters_are_as_wide_as_in_the_file() {
    for (name, widths) in [
        ("utf-8", [1, 2, 3, 4]),
        ("utf-16", [2, 2, 2, 4]),
        ("gb18030", [1, 2, 2, 4]),
        ("gbk", [1, 2, 2, 4]),
    ] {
        assert_eq!(
            ['a', 'é', '中', '𠀀'].map(|c| named(name).width(c)),
            widths,
            "{name}"
        );
    }
    assert_eq!(named("latin1").width('é'), 1);
    assert_eq!(named("windows-1252").width('€'), 1);
    assert_eq!(['ｱ', '表'].map(|c| named("sjis").width(c)), [1, 2]);
    assert_eq!(
        ['ｱ', '表', '丂'].map(|c| named("euc-jp").width(c)),
        [2, 2, 3]
    );
    assert_eq!(['中', '䏰', 'Ê'].map(|c| named("big5").width(c)), [2, 2, 2]);
}

proptest! {
    #[test]
    fn parts_never_change_what_is_read(
        raw in prop::collection::vec(prop_oneof![any::<u8>(), 0x30..0x80_u8, 0x81..=0xfe_u8], 0..60),
        part in 1usize..9,
        name in prop::sample::select(ALL.to_vec()),
    ) {
        let charset = named(name).of_file(*b"  ");
        let whole = decode(charset, &raw, 1000);
        let offsets = |malformed: &[Malformed]| malformed.iter().map(|it| (it.offset, it.bytes.clone())).collect::<Vec<_>>();
        let parted = decode(charset, &raw, part);
        prop_assert_eq!(&parted.0, &whole.0);
        prop_assert_eq!(offsets(&parted.1), offsets(&whole.1));
        for (offset, bytes) in offsets(&whole.1) {
            let offset = usize::try_from(offset).unwrap();
            prop_assert_eq!(&raw[offset..offset + bytes.len()], bytes.as_slice());
        }
        // What is written for it is read as the same.
        let again = charset.encode_back(&whole.0).unwrap();
        if !whole.0.starts_with("\u{feff}".as_bytes()) {
            prop_assert_eq!(decode(charset, &again, 1000).0, whole.0);
        }
    }
}
