use super::*;
use proptest::prelude::*;

fn csv() -> Dialect {
    Dialect::new(Format::Csv)
}

fn text() -> Dialect {
    Dialect::new(Format::Text)
}

/// Absolute record ends, extra lines by record, the marker, and whether a last record is open.
type Found = (
    Vec<usize>,
    Vec<(usize, u32, u32)>,
    Option<(usize, bool)>,
    bool,
);

/// What is found in `input`, cut into blocks.
fn split(dialect: &Dialect, input: &[u8], block: usize) -> Found {
    let mut splitter = Splitter::new(dialect);
    let (mut ends, mut tall, mut found) =
        (Vec::new(), Vec::<(usize, u32, u32)>::new(), Ends::default());
    for (index, part) in input.chunks(block).enumerate() {
        let before = ends.len();
        splitter.push(part, &mut found);
        ends.extend(found.ends.iter().map(|&end| index * block + end as usize));
        for &(record, lines, server) in &found.tall {
            let record = before + record as usize;
            match tall.last_mut() {
                Some(last) if last.0 == record => {
                    last.1 += lines;
                    last.2 += server;
                }
                _ => tall.push((record, lines, server)),
            }
        }
        if let Some(marker) = found.marker {
            return (
                ends,
                tall,
                Some((index * block + marker.end, marker.alone)),
                false,
            );
        }
    }
    let last = splitter.finish();
    (ends, tall, None, last)
}

fn ends(dialect: &Dialect, input: &str) -> Vec<usize> {
    split(dialect, input.as_bytes(), usize::MAX).0
}

#[test]
fn a_line_end_inside_quotes_is_data() {
    assert_eq!(ends(&csv(), "a,\"b\nc\"\nd,e\n"), [8, 12]);
    assert_eq!(ends(&csv(), "a,\"b\"\"\nc\"\nd\n"), [10, 12]);
}

#[test]
fn a_line_end_after_a_backslash_is_data_in_text_only() {
    assert_eq!(ends(&text(), "a\\\nb\nc\n"), [5, 7]);
    assert_eq!(ends(&csv(), "a\\\nb\n"), [3, 5]);
}

#[test]
fn the_first_line_end_decides_for_the_file() {
    assert_eq!(ends(&text(), "a\r\nb\r\n"), [3, 6]);
    assert_eq!(
        split(&text(), b"a\rb\rc", 100),
        (vec![2, 4], vec![], None, true)
    );
    assert_eq!(ends(&csv(), "\"a\r\nb\"\r\nc\r\n"), [8, 11]);
}

#[test]
fn an_escape_of_its_own_keeps_the_quote_inside() {
    let mut dialect = csv();
    dialect.escape = Some("\\".into());
    assert_eq!(ends(&dialect, "\"a\\\"\nb\"\nc\n"), [8, 10]);
    // Outside quotes the escape means nothing.
    assert_eq!(ends(&dialect, "\\\"a\nb\"\nc\n"), [7, 9]);
}

#[test]
fn a_marker_is_found_wherever_the_server_would_stop() {
    let marker = |dialect: &Dialect, input: &str| split(dialect, input.as_bytes(), usize::MAX).2;
    assert_eq!(marker(&text(), "a\n\\.\nb\n"), Some((5, true)));
    assert_eq!(marker(&text(), "\\.\nb\n"), Some((3, true)));
    assert_eq!(marker(&text(), "a\r\n\\.\r\nb"), Some((7, true)));
    assert_eq!(marker(&text(), "a\nabc\\.\nb\n"), Some((8, false)));
    assert_eq!(marker(&text(), "a\n\\\\.\nb\n"), None);
    assert_eq!(marker(&text(), "a\n\\.x\nb\n"), None);
    assert_eq!(marker(&csv(), "a\n\\.\nb\n"), Some((5, true)));
    assert_eq!(marker(&csv(), "a\n\"\\.\"\nb\n"), None);
    assert_eq!(marker(&csv(), "a\nb\\.\nb\n"), None);
    assert_eq!(marker(&csv(), "a\n\"b\n\\.\n\"\n"), None);
}

#[test]
fn a_marker_without_its_line_end_is_data() {
    for input in ["\\.", "a\n\\.", "a\r\n\\."] {
        let (_, _, marker, last) = split(&csv(), input.as_bytes(), 100);
        assert_eq!((marker, last), (None, true), "{input:?}");
    }
}

#[test]
fn lines_inside_a_record_are_counted_for_people_and_for_the_server() {
    // Nor is it known here what ends a line, until the first record has ended.
    let (_, tall, ..) = split(&csv(), b"\"a\rb\n\"\rc\r", 100);
    assert_eq!(tall, [(0, 1, 1)]);
    let (_, tall, ..) = split(&text(), b"a\\\rb\rc\r", 100);
    assert_eq!(tall, [(0, 1, 0)]);
    // The server does not know the line end while it reads the first record, and then counts CRs.
    let (_, tall, ..) = split(&csv(), b"\"a\nb\"\n\"c\nd\n\"\n", 100);
    assert_eq!(tall, [(0, 1, 0), (1, 2, 2)]);
    let (_, tall, ..) = split(&csv(), b"x\r\n\"c\nd\r\n\"\r\n", 100);
    assert_eq!(tall, [(1, 2, 1)]);
    let mut escaped = csv();
    escaped.escape = Some("\\".into());
    let (_, tall, ..) = split(&escaped, b"x\r\n\"c\r\nd\"\r\n", 100);
    assert_eq!(tall, [(1, 1, 1)]);
}

/// The records of `input` by the letter of `CopyReadLineText` (PostgreSQL 17): their ends and the
/// server's line counter at each, up to what the server would refuse.
fn read_as_the_server_does(dialect: &Dialect, input: &[u8]) -> Vec<(usize, u64)> {
    let csv = dialect.format == Format::Csv;
    let escape = dialect.escape_byte().filter(|&escape| escape != b'"');
    let (mut eol, mut at, mut line, mut records) = (None, 0, 0, Vec::new());
    while at < input.len() {
        let (mut in_quote, mut last_was_escape, mut first) = (false, false, true);
        line += 1;
        loop {
            let Some(&byte) = input.get(at) else {
                return records;
            };
            at += 1;
            let next = input.get(at).copied();
            if csv {
                if in_quote && Some(byte) == escape {
                    last_was_escape = !last_was_escape;
                }
                if byte == b'"' && !last_was_escape {
                    in_quote = !in_quote;
                }
                if Some(byte) != escape {
                    last_was_escape = false;
                }
                let counted = if eol == Some(LineEnd::Lf) {
                    b'\n'
                } else {
                    b'\r'
                };
                line += u64::from(in_quote && byte == counted);
            }
            match (byte, eol) {
                (b'\r', None | Some(LineEnd::CrLf)) if !in_quote && next == Some(b'\n') => {
                    (at, eol) = (at + 1, Some(LineEnd::CrLf));
                    break;
                }
                (b'\r', None | Some(LineEnd::Cr)) if !in_quote => {
                    eol = Some(LineEnd::Cr);
                    break;
                }
                (b'\n', None | Some(LineEnd::Lf)) if !in_quote => {
                    eol = Some(LineEnd::Lf);
                    break;
                }
                (b'\r' | b'\n', _) if !in_quote => return records,
                (b'\\', _) if !csv || first => match next {
                    // A marker, or what looks like one: other tests look at these.
                    Some(b'.') => return records,
                    Some(_) if !csv => at += 1,
                    _ => {}
                },
                _ => {}
            }
            first = false;
        }
        records.push((at, line));
    }
    records
}

proptest! {
    #[test]
    fn records_and_lines_are_those_of_the_server(
        parts in proptest::collection::vec("a|b|,|\"|\\\\|\\.|\n|\r|\r\n|\"a\r\nb\"", 0..25),
        line_end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        block in 1usize..9,
        escape in any::<bool>(),
        csv_format in any::<bool>(),
    ) {
        let mut dialect = if csv_format { csv() } else { text() };
        if csv_format && escape {
            dialect.escape = Some("\\".into());
        }
        // The line end of the file comes first, so that most inputs are more than one record.
        let input = format!("x{line_end}{}{line_end}", parts.concat());
        let expected = read_as_the_server_does(&dialect, input.as_bytes());
        let (ends, tall, ..) = split(&dialect, input.as_bytes(), block);
        let mut line = 0;
        for (index, &(end, server_line)) in expected.iter().enumerate() {
            let extra = tall.iter().find(|tall| tall.0 == index).map_or(0, |tall| tall.2);
            line += 1 + u64::from(extra);
            prop_assert_eq!((ends.get(index), line), (Some(&end), server_line), "{:?}", input);
        }
    }

    #[test]
    fn blocks_never_change_the_records(input in "[a,\"\\\\.\r\n]{0,60}", block in 1usize..9, escape in any::<bool>()) {
        let mut dialect = csv();
        if escape {
            dialect.escape = Some("\\".into());
        }
        for dialect in [dialect, text()] {
            prop_assert_eq!(split(&dialect, input.as_bytes(), block), split(&dialect, input.as_bytes(), 1000));
        }
    }
}
