//! The names in a file's first record.

use super::dialect::{Dialect, Format};
use super::escapes::single;
use super::fields::Nulls;
use super::layout::Delimited;
use super::values::Values;

/// Reads the field values of `record`, one whole record without what ends it.
///
/// # Errors
/// Says what is wrong: bytes that are not UTF-8, a quote that is not one byte or left open, a
/// separator that cannot be told from data.
pub fn names(record: &[u8], dialect: &Dialect) -> Result<Vec<String>, String> {
    let fields = match (dialect.format, dialect.sep_byte()) {
        (_, None) => delimited_fields(record, dialect)?,
        (Format::Csv, Some(sep)) => csv_fields(record, dialect, sep)?,
        (Format::Text | Format::Binary, Some(sep)) => text_fields(record, sep),
    };
    fields
        .into_iter()
        .map(|field| String::from_utf8(field).map_err(|_| "the header is not UTF-8".to_owned()))
        .collect()
}

/// With a separator of more than one byte.
fn delimited_fields(record: &[u8], dialect: &Dialect) -> Result<Vec<Vec<u8>>, String> {
    quotes(dialect)?;
    // No name is NULL, and there are no more names than bytes and one.
    let nulls = vec![Nulls::Never; record.len() + 1];
    let delimited = Delimited::new(dialect, &[], nulls)
        .ok_or("`sep` cannot be told from data, so the header cannot be read")?;
    let mut values = Values::default();
    let read = delimited.read(record, &mut values);
    read.map_err(|fault| format!("the header cannot be read: {}", fault.reason))?;
    let names = values.iter().map(Option::unwrap_or_default);
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// csv: the quote and the escape.
fn quotes(dialect: &Dialect) -> Result<(u8, u8), String> {
    let quote = dialect
        .quote_byte()
        .ok_or("`quote` must be one byte to read a header")?;
    let escape = dialect
        .escape_byte()
        .ok_or("`escape` must be one byte to read a header")?;
    Ok((quote, escape))
}

fn csv_fields(record: &[u8], dialect: &Dialect, sep: u8) -> Result<Vec<Vec<u8>>, String> {
    let (quote, escape) = quotes(dialect)?;
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

fn text_fields(record: &[u8], sep: u8) -> Vec<Vec<u8>> {
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
    fields
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
    fn names_may_stand_between_longer_separators() {
        let dialect = |format, sep: &str| Dialect {
            sep: Some(sep.into()),
            ..Dialect::new(format)
        };
        let csv = dialect(Format::Csv, "~|~");
        assert_eq!(
            names(b"id~|~~|~\"a~|~\"\"b\"\"\"~|~d|", &csv).unwrap(),
            ["id", "", "a~|~\"b\"", "d|"]
        );
        let text = dialect(Format::Text, "||");
        assert_eq!(
            names(b"id||a|b||\\N||x\\ty", &text).unwrap(),
            ["id", "a|b", "N", "x\ty"]
        );
        for (header, sep, fault) in [
            ("a||\"b", "||", "unterminated"),
            ("a||b", "|\"|", "cannot be told from data"),
            ("a||b", "", "cannot be told from data"),
        ] {
            let error = names(header.as_bytes(), &dialect(Format::Csv, sep)).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
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
