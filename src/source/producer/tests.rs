use super::*;
use crate::record::dialect::{Dialect, Format};
use std::io::Write;
use std::path::Path;

fn reading(format: Format, header: Header) -> Reading {
    Reading {
        cut: Some(Cut::Server(Dialect::new(format))),
        header,
        skip_lines: 0,
        compression: Compression::Auto,
        charset: Charset::UTF8,
        on_malformed: OnMalformed::Stop,
        nul: Nul::Error,
        size: None,
        strip_bom: true,
        markers: true,
        listed: false,
        content: None,
        stamp: None,
        batch: None,
        utf8: true,
    }
}

fn read(path: &Path, reading: Reading) -> Result<(Begin, Vec<u8>, End)> {
    let mut producer = Producer::open(Source::File(path.to_owned()), reading, Arc::default())?;
    let (mut begin, mut data, mut free) = (None, Vec::new(), None);
    while let Some(fed) = producer.next(free.take()) {
        match fed? {
            Fed::Begin(it) => begin = Some(it),
            Fed::Block(block) => {
                data.extend_from_slice(block.bytes());
                free = Some(block);
            }
            Fed::End(end) => return Ok((begin.unwrap(), data, end)),
        }
    }
    panic!("the input ended without an end")
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

#[test]
fn a_header_and_a_byte_order_mark_are_taken_off() {
    let file = file(b"\xEF\xBB\xBFid,\"na\nme\"\r\n1,x\r\n2,y");
    let (begin, data, end) = read(file.path(), reading(Format::Csv, Header::Map)).unwrap();
    assert_eq!(begin.header.unwrap(), ["id", "na\nme"]);
    assert_eq!((begin.offset, begin.lines), (15, 2));
    assert_eq!(data, b"1,x\r\n2,y");
    assert!(end.open_record);
}

#[test]
fn a_header_ends_where_every_record_ends() {
    let csv = Dialect::new(Format::Csv);
    for (cut, names, header) in [
        (
            Cut::Exact(csv.clone(), b"|\n".into()),
            vec!["a|b\nc"],
            "a|b\nc|\n",
        ),
        (Cut::Exact(csv, b"\n".into()), vec!["a|b"], "a|b\n"),
        (Cut::Lines(None), vec!["a|b"], "a|b\n"),
    ] {
        let file = file(b"a|b\nc|\nd|\ne|\n");
        let mut reading = reading(Format::Csv, Header::Skip);
        reading.cut = Some(cut);
        let (begin, data, end) = read(file.path(), reading).unwrap();
        assert_eq!(begin.header.unwrap(), names);
        assert_eq!(begin.header_bytes, header.as_bytes());
        let newlines = header.matches('\n').count();
        assert_eq!(
            (begin.offset, begin.lines),
            (header.len() as u64, newlines as u64)
        );
        assert_eq!(data.len() + header.len(), 13);
        assert!(!end.open_record && end.marker.is_none());
    }
}

#[test]
fn a_header_may_stand_behind_lines_to_skip() {
    let file = file(b"\xEF\xBB\xBFExport of \"today\r\n\r\nid,\"a\nb\"\r\n1,x\r\n");
    let mut reading = reading(Format::Csv, Header::Map);
    reading.skip_lines = 2;
    let (begin, data, _) = read(file.path(), reading.clone()).unwrap();
    assert_eq!(begin.header.unwrap(), ["id", "a\nb"]);
    assert_eq!(
        begin.header_bytes,
        b"Export of \"today\r\n\r\nid,\"a\nb\"\r\n"
    );
    assert_eq!((begin.offset, begin.lines), (33, 4));
    assert_eq!(data, b"1,x\r\n");
    reading.skip_lines = 6;
    let (begin, data, _) = read(file.path(), reading).unwrap();
    assert_eq!((begin.header, begin.lines, data.len()), (None, 5, 0));
}

#[test]
fn compressed_files_are_known_by_their_first_bytes() {
    let plain: Vec<u8> = (0..100_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    // Members and frames one after another are one file.
    for packed in [
        [&gzip[..], &gzip[..]].concat(),
        [&zstd[..], &zstd[..]].concat(),
    ] {
        let file = file(&packed);
        let (_, data, _) = read(file.path(), reading(Format::Text, Header::None)).unwrap();
        assert!(data == [&plain[..], &plain[..]].concat());
    }
    for packed in [&gzip, &zstd] {
        let file = file(&packed[..packed.len() / 2]);
        let error = read(file.path(), reading(Format::Text, Header::None)).unwrap_err();
        assert!(
            crate::error::render(&error).contains("ends in the middle"),
            "{}",
            crate::error::render(&error)
        );
    }
}

#[test]
fn nothing_is_read_past_a_marker_but_what_follows_is_noticed() {
    for (input, data, followed) in [
        ("a\n\\.\n \n\n", "a\n\\.\n", false),
        ("a\n\\.\nb\n", "a\n\\.\n", true),
    ] {
        let file = file(input.as_bytes());
        let (_, sent, end) = read(file.path(), reading(Format::Text, Header::None)).unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), data);
        assert_eq!(
            end.marker,
            Some(EndMarker {
                alone: true,
                followed
            })
        );
    }
}

#[test]
fn a_file_that_is_not_what_it_was_ends_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("n");
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let lines: Vec<String> = (0..100_000).map(|n| format!("{n}\n")).collect();
    let lines = lines.concat();
    let marked = format!("{lines}\\.\n\n\n");
    for (before, after) in [
        (
            lines.clone().into_bytes(),
            lines.replace("77", "78").into_bytes(),
        ),
        (
            marked.clone().into_bytes(),
            format!("{marked}\n").into_bytes(),
        ),
        (gzip(lines.as_bytes()), gzip(marked.as_bytes())),
        (zstd(lines.as_bytes()), zstd(marked.as_bytes())),
        (Vec::new(), b"1\n".to_vec()),
    ] {
        std::fs::write(&path, &before).unwrap();
        let reading = Reading {
            content: Some(crate::source::content(&path).unwrap()),
            ..reading(Format::Text, Header::None)
        };
        assert!(read(&path, reading.clone()).is_ok());
        std::fs::write(&path, &after).unwrap();
        let error = read(&path, reading).unwrap_err();
        assert!(error.to_string().ends_with("changed while it was loaded"));
    }
}

/// The batches of an input, each with where it begins; those that end before `from` are sought past.
fn batches(path: &Path, reading: &Reading, from: u64) -> Vec<(u64, Vec<u8>)> {
    let mut producer = Producer::open(
        Source::File(path.to_owned()),
        reading.clone(),
        Arc::default(),
    )
    .unwrap();
    let Some(Ok(Fed::Begin(begin))) = producer.next(None) else {
        panic!("it does not begin");
    };
    let mut start = begin.offset;
    if from > start {
        producer.seek(from).unwrap();
        start = from;
    }
    let (mut batches, mut data) = (Vec::new(), Vec::new());
    while let Some(fed) = producer.next(None) {
        match fed.unwrap() {
            Fed::Begin(_) => panic!("it begins twice"),
            Fed::Block(block) => {
                let last = block.found.ends.last();
                assert!(last.is_none_or(|end| *end as usize <= block.bytes().len()));
                data.extend_from_slice(block.bytes());
            }
            Fed::End(end) => {
                let length = data.len() as u64;
                batches.push((start, std::mem::take(&mut data)));
                start += length;
                assert_eq!(end.more, start < std::fs::metadata(path).unwrap().len());
            }
        }
    }
    batches
}

#[test]
fn batches_begin_where_their_size_says_however_they_are_come_to() {
    let records: Vec<String> = (0..3000)
        .map(|n| format!("{n},\"{}\"", "x\n".repeat(n % 40)))
        .collect();
    for line_end in ["\n", "\r\n", "\r"] {
        let text = format!("a,b{line_end}{}{line_end}", records.join(line_end));
        let file = file(text.as_bytes());
        for listed in [false, true] {
            for size in [1, 10, 4096, 5000, 70_000, 1_000_000] {
                let reading = Reading {
                    batch: Some(size),
                    size: Some(4096),
                    listed,
                    ..reading(Format::Csv, Header::Skip)
                };
                let whole = batches(file.path(), &reading, 0);
                let data: Vec<u8> = whole.iter().flat_map(|(_, data)| data.clone()).collect();
                assert_eq!(data, &text.as_bytes()[3 + line_end.len()..]);
                for pair in whole.windows(2) {
                    let [(first, data), (second, _)] = pair else {
                        continue;
                    };
                    assert!(data.ends_with(line_end.as_bytes()));
                    assert!(second / size > first / size, "{first} {second} {size}");
                }
                let from = whole.len() / 2;
                assert_eq!(
                    batches(file.path(), &reading, whole[from].0),
                    &whole[from..]
                );
            }
        }
    }
}
