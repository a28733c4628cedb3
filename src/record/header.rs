//! The names in a file's first record.

use super::dialect::{Dialect, Format};
use super::escapes::single;

/// The UTF-8 byte-order mark.
pub const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads the field values of `record`, one whole record without what ends it.
///
/// # Errors
/// Says what is wrong: bytes that are not UTF-8, a separator or quote that is not one byte.
pub fn names(record: &[u8], dialect: &Dialect) -> Result<Vec<String>, String> {
    let fields = match dialect.format {
        Format::Csv => csv_fields(record, dialect)?,
        Format::Text | Format::Binary => text_fields(record, dialect)?,
    };
    fields
        .into_iter()
        .map(|field| String::from_utf8(field).map_err(|_| "the header is not UTF-8".to_owned()))
        .collect()
}

fn csv_fields(record: &[u8], dialect: &Dialect) -> Result<Vec<Vec<u8>>, String> {
    let sep = dialect
        .sep_byte()
        .ok_or("`sep` must be one byte to read a header")?;
    let quote = dialect
        .quote_byte()
        .ok_or("`quote` must be one byte to read a header")?;
    let escape = dialect
        .escape_byte()
        .ok_or("`escape` must be one byte to read a header")?;
    let mut reader = csv::ReaderBuilder::new();
    reader
        .has_headers(false)
        .flexible(true)
        .delimiter(sep)
        .quote(quote)
        .terminator(csv::Terminator::Any(absent(record)));
    if escape != quote {
        reader.double_quote(false).escape(Some(escape));
    }
    let mut fields = csv::ByteRecord::new();
    let read = reader.from_reader(record).read_byte_record(&mut fields);
    read.map_err(|error| format!("the header cannot be read: {error}"))?;
    Ok(fields.iter().map(<[u8]>::to_vec).collect())
}

/// A byte that is not in `record`, which therefore ends nowhere but at its end.
fn absent(record: &[u8]) -> u8 {
    let mut absent = (0..=u8::MAX).filter(|byte| !record.contains(byte));
    absent.next().unwrap_or(b'\n')
}

fn text_fields(record: &[u8], dialect: &Dialect) -> Result<Vec<Vec<u8>>, String> {
    let sep = dialect
        .sep_byte()
        .ok_or("`sep` must be one byte to read a header")?;
    let mut fields = vec![Vec::new()];
    let mut bytes = record.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == sep {
            fields.push(Vec::new());
        } else if let Some(field) = fields.last_mut() {
            let byte = if byte == b'\\' {
                // Octal and hexadecimal are left to data.
                bytes.next().map_or(b'\\', single)
            } else {
                byte
            };
            field.push(byte);
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_the_rules_of_the_format() {
        let csv = Dialect::new(Format::Csv);
        assert_eq!(
            names(b"id,\"a \"\"b\"\"\",\"c\nd\"", &csv).unwrap(),
            ["id", "a \"b\"", "c\nd"]
        );
        assert_eq!(names(b"a\rb,c\nd", &csv).unwrap(), ["a\rb", "c\nd"]);
        assert!(names(b"", &csv).unwrap().is_empty());
        let mut text = Dialect::new(Format::Text);
        assert_eq!(names(b"id\ta\\tb", &text).unwrap(), ["id", "a\tb"]);
        text.sep = Some("|".into());
        assert_eq!(names(b"id|x\\|y", &text).unwrap(), ["id", "x|y"]);
    }

    #[test]
    fn a_header_that_is_not_utf8_is_refused() {
        assert!(
            names(b"caf\xe9", &Dialect::new(Format::Csv))
                .unwrap_err()
                .contains("UTF-8")
        );
    }
}
