//! Writes COPY's text format: fields between tabs, `\N` for NULL, LF behind each record.
//!
//! This is what a COPY without options reads, on every server.

/// Writes the value of a field.
///
/// A backslash, tab, LF or CR in it goes with a backslash before it; no other byte needs that
/// (PostgreSQL, `CopyAttributeOutText`). So no value reads as NULL or as the end of the data.
pub fn value(out: &mut Vec<u8>, value: &[u8]) {
    // Without an early end, so that it compares many bytes at once.
    if !value
        .iter()
        .fold(false, |any, byte| any | is_special(*byte))
    {
        return out.extend_from_slice(value);
    }
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        out.extend_from_slice(&rest[..at]);
        let letter = match rest[at] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            byte => byte,
        };
        out.extend_from_slice(&[b'\\', letter]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Writes a NULL as the value of a field.
pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\N");
}

/// Writes what stands between two fields.
pub fn separator(out: &mut Vec<u8>) {
    out.push(b'\t');
}

/// Ends the record.
pub fn end(out: &mut Vec<u8>) {
    out.push(b'\n');
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::dialect::{Dialect, Format};
    use crate::record::fields::{Field, Fields, Nulls};

    type Record = Vec<Option<Vec<u8>>>;

    fn written(records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records {
            for (index, field) in record.iter().enumerate() {
                if index > 0 {
                    separator(&mut out);
                }
                match field {
                    Some(text) => value(&mut out, text),
                    None => null(&mut out),
                }
            }
            end(&mut out);
        }
        out
    }

    fn read(data: &[u8]) -> Vec<Record> {
        let dialect = Dialect::new(Format::Text);
        let mut fields = Fields::new(&dialect, vec![Some(Nulls::Plain); 20], true, 0).unwrap();
        let mut records: Vec<Record> = Vec::new();
        let mut see = |field: &Field<'_>| {
            if field.index == 0 {
                records.push(Vec::new());
            }
            assert!(field.is_whole());
            let value = (!field.is_null()).then(|| field.value().into_owned());
            records.last_mut().unwrap().push(value);
        };
        fields.push(data, &mut see);
        fields.finish(&mut see);
        records
    }

    #[test]
    fn only_what_would_be_misread_is_escaped() {
        let mut out = Vec::new();
        value(&mut out, b"\\.\t\r\n\x08\x0b\x0c\"\\N");
        assert_eq!(out, b"\\\\.\\t\\r\\n\x08\x0b\x0c\"\\\\N");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            records in prop::collection::vec(
                prop::collection::vec(
                    prop::option::of(prop_oneof![
                        3 => prop::collection::vec(1..=255_u8, 0..40),
                        3 => "[a\\\\\t\n\rN.]{0,6}".prop_map(String::into_bytes),
                        1 => Just(b"\\.".to_vec()),
                        1 => Just(b"\\N".to_vec()),
                        1 => Just(Vec::new()),
                    ]),
                    1..6,
                ),
                1..6,
            ),
        ) {
            prop_assert_eq!(read(&written(&records)), records);
        }
    }
}
