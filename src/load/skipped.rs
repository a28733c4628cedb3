//! Whether the header that `header: true` skips unread is a record in truth: the first one of a file
//! without a header.

use super::catalog;
use super::sieve::facts;
use crate::error::Result;
use crate::job::CopyFrom;
use crate::name::Identifier;
use crate::record::check::{Check, Verdict};
use crate::run::Stage;
use crate::source::{Begin, Source};

/// Characters of the line that a warning shows.
const SHOWN: usize = 64;

/// Words that are no number, no date and nothing else but text.
const WORD: &[u8] = b"a word";

/// Warns where a skipped header names no column, and each of its fields would be taken for a value.
///
/// The catalog is asked only where a field looks like a value at first sight.
///
/// # Errors
/// The connection fell.
pub(super) async fn warn(
    step: &CopyFrom,
    source: &Source,
    begin: &Begin,
    stage: &mut Stage<'_>,
) -> Result<()> {
    // It is said once of a file.
    let Some(fields) = begin.header.as_ref().filter(|_| begin.records == 0) else {
        return Ok(());
    };
    if !fields.iter().any(|field| looks_like_a_value(field)) {
        return Ok(());
    }
    let Some(table) = catalog::look_up(&step.table, stage.session).await? else {
        return Ok(());
    };
    let names = || table.columns.iter().map(|column| &column.name);
    let names_one = |field: &String| names().any(|name| is_meant(field, name));
    let columns: Vec<_> = match &step.columns {
        None => table.filled().collect(),
        Some(listed) => {
            let known =
                |name: &Identifier| table.columns.iter().find(|column| column.name == *name);
            listed.iter().filter_map(known).collect()
        }
    };
    if fields.iter().any(names_one) || fields.len() != columns.len() {
        return Ok(());
    }
    let facts = facts(stage.session);
    let mut tells = false;
    for (field, column) in fields.iter().zip(columns) {
        if field.is_empty() || !column.builtin {
            continue;
        }
        let check = Check::new(&column.type_name, column.type_modifier, &facts);
        match check.judge(field.as_bytes()) {
            Verdict::Bad(_) => return Ok(()),
            Verdict::Fine => tells |= matches!(check.judge(WORD), Verdict::Bad(_)),
            Verdict::Unsure => {}
        }
    }
    if tells {
        let line = String::from_utf8_lossy(&begin.header_bytes);
        let shown: String = line.trim_end().chars().take(SHOWN).collect();
        stage.warn(&format!(
            "the first line of `{source}` is skipped as its header, and looks like a record: {shown:?} names no column of {}; leave `header` out where the file has none",
            step.table.plain()
        ));
    }
    Ok(())
}

/// Whether `field` begins as a number or a date does, or may be a UUID.
fn looks_like_a_value(field: &str) -> bool {
    let first = field.trim_start().bytes().next();
    first.is_some_and(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) || field.len() == 36
}

/// Whether `field` is the name of a column, or what people write for it.
fn is_meant(field: &str, name: &Identifier) -> bool {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    letters(field) == letters(name.as_str())
}
