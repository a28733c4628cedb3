use proptest::prelude::*;

use super::*;

/// A field as a test sees it: record, line, index, value, `None` for NULL.
type Seen = (u64, u64, usize, Option<Vec<u8>>);

fn dialect(format: Format) -> Dialect {
    Dialect::new(format)
}

/// Every field of `input`, cut into blocks of these lengths, again and again.
fn fields(dialect: &Dialect, input: &[u8], blocks: &[usize], markers: bool) -> Vec<Seen> {
    fields_of(
        vec![Some(Nulls::Plain); 40],
        dialect,
        input,
        blocks,
        markers,
    )
}

fn fields_of(
    columns: Vec<Option<Nulls>>,
    dialect: &Dialect,
    input: &[u8],
    blocks: &[usize],
    markers: bool,
) -> Vec<Seen> {
    let mut fields = Fields::new(dialect, columns, markers, 0).unwrap();
    let mut seen = Vec::new();
    let mut see = |field: &Field<'_>| {
        let value = (!field.is_null()).then(|| field.value().into_owned());
        assert!(!field.is_empty() || value.as_deref() == Some(b""));
        assert!(field.is_empty() || value.as_deref() != Some(b""));
        seen.push((field.record, field.line, field.index, value));
    };
    let mut rest = input;
    for &length in blocks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (block, after) = rest.split_at(length.min(rest.len()));
        fields.push(block, &mut see);
        rest = after;
    }
    fields.finish(&mut see);
    seen
}

fn seen(record: u64, line: u64, index: usize, value: &str) -> Seen {
    (record, line, index, Some(value.as_bytes().to_vec()))
}

fn null(record: u64, line: u64, index: usize) -> Seen {
    (record, line, index, None)
}

#[test]
fn csv_fields_are_cut_whatever_the_blocks() {
    let input = b"1,\"a \"\"b\"\"\",\n2,\"x\ny\",\"\"\n3,p\"q,r\"s,\\N\n";
    let expected = [
        seen(1, 1, 0, "1"),
        seen(1, 1, 1, "a \"b\""),
        null(1, 1, 2),
        seen(2, 2, 0, "2"),
        seen(2, 2, 1, "x\ny"),
        seen(2, 2, 2, ""),
        seen(3, 4, 0, "3"),
        seen(3, 4, 1, "pq,rs"),
        seen(3, 4, 2, "\\N"),
    ];
    for block in 1..=input.len() {
        let found = fields(&dialect(Format::Csv), input, &[block], true);
        assert_eq!(found, expected, "{block}");
    }
}

#[test]
fn text_fields_are_cut_whatever_the_blocks() {
    let input = b"1\t\\N\ta\\tb\\\n\\\tc\r\n\\\\N\t\\\\\t\\101\\x4a\\x\\q\r\n\t\\\r\n";
    // What ends a line of the first record is not known before it has ended.
    let expected = [
        seen(1, 1, 0, "1"),
        null(1, 1, 1),
        seen(1, 1, 2, "a\tb\n\tc"),
        seen(2, 3, 0, "\\N"),
        seen(2, 3, 1, "\\"),
        seen(2, 3, 2, "AJxq"),
    ];
    for block in 1..=input.len() {
        let found = fields(&dialect(Format::Text), input, &[block], true);
        assert_eq!(found[..6], expected, "{block}");
        assert_eq!(found[6], seen(3, 4, 0, ""));
    }
}

#[test]
fn every_line_end_is_known_and_data_between_quotes_counts_as_lines() {
    for end in ["\n", "\r", "\r\n"] {
        let input = "a,\"1\n\r\"\nb,2\nc,\"\n\"\nd,3".replace('\n', end);
        let lines = |text: &str| {
            let newline = if end == "\r" { '\r' } else { '\n' };
            text.matches(newline).count() as u64 + 1
        };
        for block in 1..12 {
            let found = fields(&dialect(Format::Csv), input.as_bytes(), &[block], true);
            let firsts: Vec<_> = found.iter().filter(|seen| seen.2 == 0).collect();
            assert_eq!(firsts.len(), 4, "{end:?} {block}");
            for (first, name) in firsts.iter().zip(["a", "b", "c", "d"]) {
                let before = &input[..input.find(&format!("{name},")).unwrap()];
                assert_eq!(first.1, lines(before), "{end:?} {block} {name}");
            }
            assert_eq!(found[7].3.as_deref(), Some(&b"3"[..]));
            assert_eq!(found[3].3.as_deref(), Some(&b"2"[..]));
        }
    }
}

#[test]
fn columns_say_what_is_null_and_what_is_shown() {
    let columns = vec![
        Some(Nulls::Quoted),
        None,
        Some(Nulls::Never),
        Some(Nulls::Plain),
    ];
    let mut csv = dialect(Format::Csv);
    csv.null = Some("x".into());
    let found = fields_of(columns, &csv, b"\"x\",x,x,\"x\",x\nx,,,x\n", &[7], true);
    assert_eq!(
        found,
        [
            null(1, 1, 0),
            seen(1, 1, 2, "x"),
            seen(1, 1, 3, "x"),
            null(2, 2, 0),
            seen(2, 2, 2, ""),
            null(2, 2, 3),
        ]
    );
}

#[test]
fn an_end_of_data_marker_is_no_record_where_it_is_one() {
    for (format, input) in [
        (Format::Csv, "a\n\\.\nb\n"),
        (Format::Text, "a\r\n\\.\r\nb\r\n"),
    ] {
        for block in 1..9 {
            let found = fields(&dialect(format), input.as_bytes(), &[block], true);
            assert_eq!(found, [seen(1, 1, 0, "a")], "{input:?} {block}");
        }
    }
    let found = fields(&dialect(Format::Csv), b"\\.\nb\n", &[2], false);
    assert_eq!(found, [seen(1, 1, 0, "\\."), seen(2, 2, 0, "b")]);
}

#[test]
fn a_long_field_is_kept_in_part_and_costs_no_memory() {
    let long = vec![b'7'; 3 * KEPT];
    let mut fields =
        Fields::new(&dialect(Format::Csv), vec![Some(Nulls::Plain); 2], true, 0).unwrap();
    let mut lengths = Vec::new();
    let mut see = |field: &Field<'_>| {
        lengths.push((field.value().len(), field.is_whole()));
    };
    for part in [&long[..], &long[..], b",1\n", &long[..], b",2\n"] {
        fields.push(part, &mut see);
        assert!(fields.carry.capacity() <= KEPT);
    }
    // One that ends in the block it began in is there as it is.
    fields.push(&[&long[..], b",3\n"].concat(), &mut see);
    assert_eq!(
        lengths,
        [
            (KEPT, false),
            (1, true),
            (KEPT, false),
            (1, true),
            (3 * KEPT, true),
            (1, true)
        ]
    );
}

#[test]
fn what_is_not_one_byte_is_left_alone() {
    let mut wide = dialect(Format::Csv);
    wide.sep = Some("||".into());
    assert!(Fields::new(&wide, vec![], true, 0).is_none());
    assert!(Fields::new(&dialect(Format::Binary), vec![], true, 0).is_none());
}

/// Fields as the csv crate reads them.
fn by_csv_crate(input: &[u8], escape: Option<u8>) -> Vec<(u64, usize, Vec<u8>)> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true);
    if escape.is_some() {
        reader.double_quote(false).escape(escape);
    }
    let mut fields = Vec::new();
    for (number, record) in reader.from_reader(input).byte_records().enumerate() {
        for (index, field) in record.unwrap().iter().enumerate() {
            fields.push((number as u64 + 1, index, field.to_vec()));
        }
    }
    fields
}

proptest! {
    #[test]
    fn csv_reads_as_the_csv_crate_reads_it(
        records in prop::collection::vec(
            prop::collection::vec("[a-c,\"\n\\\\ ]{0,6}", 1..5), 0..12),
        blocks in prop::collection::vec(1usize..90, 1..5),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        backslash in any::<bool>(),
    ) {
        let mut input = String::new();
        for record in &records {
            let fields: Vec<String> = record.iter().map(|field| {
                let special = |c: char| ",\"\n\\".contains(c);
                if !field.contains(special) && !field.is_empty() {
                    return field.clone();
                }
                let escaped = if backslash {
                    field.replace('\\', "\\\\").replace('"', "\\\"")
                } else {
                    field.replace('"', "\"\"")
                };
                format!("\"{escaped}\"")
            }).collect();
            input.push_str(&fields.join(","));
            input.push_str(end);
        }
        let mut csv = dialect(Format::Csv);
        csv.escape = backslash.then(|| "\\".into());
        let found: Vec<_> = fields(&csv, input.as_bytes(), &blocks, false)
            .into_iter()
            .map(|(record, _, index, value)| (record, index, value.unwrap()))
            .collect();
        prop_assert_eq!(found, by_csv_crate(input.as_bytes(), backslash.then_some(b'\\')));
    }

    #[test]
    fn blocks_never_change_the_fields(
        input in "(a|b|,|\"|\t|\\\\|\\.|\n|\r|\r\n|7){0,200}",
        blocks in prop::collection::vec(1usize..70, 1..5),
        csv in any::<bool>(),
        escape in any::<bool>(),
        markers in any::<bool>(),
    ) {
        let mut dialect = dialect(if csv { Format::Csv } else { Format::Text });
        dialect.escape = (csv && escape).then(|| "\\".into());
        let whole = fields(&dialect, input.as_bytes(), &[usize::MAX], markers);
        prop_assert_eq!(fields(&dialect, input.as_bytes(), &blocks, markers), whole);
    }
}
