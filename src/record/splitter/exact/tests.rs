use super::*;
use crate::record::splitter::Splitter;
use proptest::prelude::*;

/// Record ends with the extra lines of each, and of what comes behind the last.
#[derive(Debug, PartialEq, Eq, Default)]
struct Found {
    records: Vec<(usize, u32)>,
    rest: Option<u32>,
    in_quote: bool,
}

/// What a splitter finds in `input`, cut into blocks.
fn split(mut splitter: Splitter, input: &[u8], block: usize) -> Found {
    let (mut all, mut ends, mut open) = (Found::default(), Ends::default(), 0);
    for (number, part) in input.chunks(block).enumerate() {
        splitter.push(part, &mut ends);
        let mut tall = ends.tall.iter().peekable();
        for (index, end) in ends.ends.iter().enumerate() {
            let more = tall.next_if(|tall| tall.0 as usize == index);
            let lines = std::mem::take(&mut open) + more.map_or(0, |tall| tall.1);
            all.records.push((number * block + *end as usize, lines));
        }
        open += tall.map(|tall| tall.1).sum::<u32>();
        assert!(ends.counted.is_none() && ends.marker.is_none());
        assert!(ends.tall.iter().all(|tall| tall.2 == 0));
    }
    all.in_quote = splitter.in_quote();
    all.rest = splitter.finish().then_some(open);
    all
}

/// The same, by the letter of the rules.
fn naive(dialect: Option<&Dialect>, eol: &[u8], input: &[u8]) -> Found {
    let format = dialect.map(|dialect| dialect.format);
    let escape = dialect.and_then(Dialect::escape_byte).unwrap_or(b'"');
    let newline = if eol == b"\r" { b'\r' } else { b'\n' };
    let lines = |bytes: &[u8]| memchr::memchr_iter(newline, bytes).count();
    let (mut all, mut from, mut at) = (Found::default(), 0, 0);
    while at < input.len() {
        let (byte, next) = (input[at], input.get(at + 1));
        if all.in_quote {
            // Outside quotes, a doubled quote opens and closes: that is the same.
            let escapes = escape != b'"' && byte == escape && next.is_some();
            all.in_quote = escapes || byte != b'"';
            at += 1 + usize::from(escapes);
        } else if input[at..].starts_with(eol) {
            at += eol.len();
            let more = lines(&input[from..at]) - lines(eol).min(1);
            all.records.push((at, u32::try_from(more).unwrap()));
            from = at;
        } else {
            all.in_quote = format == Some(Format::Csv) && byte == b'"';
            at += 1 + usize::from(format == Some(Format::Text) && byte == b'\\');
        }
    }
    let rest = &input[from..];
    if !rest.is_empty() {
        // The beginning of an end is not counted.
        let held = (0..eol.len())
            .rev()
            .find(|held| rest.ends_with(&eol[..*held]));
        let counted = &rest[..rest.len() - held.unwrap_or(0)];
        all.rest = Some(u32::try_from(lines(counted)).unwrap());
    }
    all
}

fn dialects() -> impl Strategy<Value = Option<Dialect>> {
    let mut escaped = Dialect::new(Format::Csv);
    escaped.escape = Some("\\".into());
    prop::sample::select(vec![
        None,
        Some(Dialect::new(Format::Text)),
        Some(Dialect::new(Format::Csv)),
        Some(escaped),
    ])
}

proptest! {
    #[test]
    fn records_end_where_the_rules_say_whatever_the_blocks(
        dialect in dialects(),
        eol in "[ab|\r\n]{1,6}|\n|\r|\r\n|\\|\n|aab|a{16}",
        parts in prop::collection::vec("E|E|a|b|aa|ab|\\||\"|\\\\|\r|\n|\r\n", 0..40),
        block in 1usize..20,
    ) {
        let input = parts.concat().replace('E', &eol).into_bytes();
        let splitter = || match &dialect {
            Some(dialect) => Splitter::exact(dialect, eol.as_bytes()),
            None => Splitter::lines(Some(eol.as_bytes())),
        };
        let whole = split(splitter(), &input, 1 << 20);
        prop_assert_eq!(&split(splitter(), &input, block), &whole);
        let mut expected = naive(dialect.as_ref(), eol.as_bytes(), &input);
        if expected.rest.is_some() {
            // How many lines of an unfinished end are told is of no account: no record follows.
            expected.rest = whole.rest;
        }
        prop_assert_eq!(whole, expected);
    }

    #[test]
    fn lines_are_what_ends_with_a_line_feed(input in "[a\"\\\\.\r\n]{0,60}", block in 1usize..9) {
        let found = split(Splitter::lines(None), input.as_bytes(), block);
        let ends: Vec<_> = input.match_indices('\n').map(|(at, _)| (at + 1, 0)).collect();
        prop_assert_eq!(found.records, ends);
        let open = !input.is_empty() && !input.ends_with('\n');
        prop_assert_eq!(found.rest.is_some(), open);
    }
}

#[test]
fn an_end_that_lies_across_blocks_is_found_and_its_beginnings_are_data() {
    let splitter = || Splitter::lines(Some(b"aab"));
    for block in 1..8 {
        let found = split(splitter(), b"aaab-aabaa", block);
        assert_eq!(found.records, [(4, 0), (8, 0)], "{block}");
        assert_eq!(found.rest, Some(0));
    }
}

#[test]
fn lines_of_a_record_are_counted_but_not_those_of_its_end() {
    let csv = Dialect::new(Format::Csv);
    for block in 1..20 {
        // Its end, too, is two lines.
        let found = split(
            Splitter::exact(&csv, b"\n|\n"),
            b"a\n\"\n|\n\"\nb\n|\nc\n|\n",
            block,
        );
        assert_eq!(found.records, [(12, 5), (16, 1)], "{block}");
        let found = split(Splitter::exact(&csv, b"\r"), b"a\n\"\r\n\"\rb\r", block);
        assert_eq!(found.records, [(7, 1), (9, 0)], "{block}");
        let found = split(Splitter::exact(&csv, b"|"), b"a\nb|c|", block);
        assert_eq!(found.records, [(4, 1), (6, 0)], "{block}");
    }
}
