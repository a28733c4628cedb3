//! Values that several kinds of steps have.

use crate::job::reader::{At, Fields};
use crate::job::resolve::Folder;
use crate::job::{Compression, Header, InputPattern, Policy};
use crate::name::{Identifier, TableName};

/// `None` is a mistake; `Some(None)` a key that is not there.
#[expect(
    clippy::option_option,
    reason = "a mistake and an absent key are different things"
)]
pub(super) fn optional<'a, T>(
    fields: &Fields<'a>,
    key: &str,
    read: impl FnOnce(&At<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match fields.get(key) {
        Some(at) => read(at).map(Some),
        None => Some(None),
    }
}

/// The value of `key`, or `default` where it is not there; `None` is a mistake.
pub(super) fn or<'a, T>(
    fields: &Fields<'a>,
    key: &str,
    default: T,
    read: impl FnOnce(&At<'a>) -> Option<T>,
) -> Option<T> {
    match fields.get(key) {
        Some(at) => read(at),
        None => Some(default),
    }
}

pub(super) fn inputs(
    items: &[At<'_>],
    whole: &At<'_>,
    folder: &Folder,
) -> Option<Vec<InputPattern>> {
    if items.is_empty() {
        whole.wrong("the list is empty");
    }
    let inputs: Vec<_> = items.iter().map(|at| input(at, folder)).collect();
    inputs.into_iter().collect()
}

pub(super) fn input(at: &At<'_>, folder: &Folder) -> Option<InputPattern> {
    let text = at.text()?;
    if text == "-" {
        if folder.stdin_taken.replace(true) {
            at.wrong("standard input is read before in this job; it can be read once");
        }
        return Some(InputPattern::Stdin);
    }
    if let Some((scheme, _)) = text.split_once("://") {
        at.wrong(format!(
            "a `{scheme}` address is not supported yet; name a file"
        ));
        return None;
    }
    if text.is_empty() {
        at.wrong("expected a file, a pattern or `-`, found the empty text");
        return None;
    }
    Some(InputPattern::Path(folder.path(&text)))
}

pub(super) fn table(at: &At<'_>) -> Option<TableName> {
    at.parse(TableName::parse)
}

pub(super) fn columns(at: &At<'_>) -> Option<Vec<Identifier>> {
    let items = at.list()?;
    if items.is_empty() {
        at.wrong("the list is empty; leave it out to take all columns");
        return None;
    }
    let names: Vec<_> = items
        .iter()
        .map(|item| item.parse(|name| Identifier::new(name)))
        .collect();
    names.into_iter().collect()
}

pub(super) fn header(at: &At<'_>) -> Option<Header> {
    at.choice(
        &[
            ("true", Header::Skip),
            ("false", Header::None),
            ("match", Header::Match),
            ("map", Header::Map),
        ],
        &[],
    )
}

pub(super) fn compression(at: &At<'_>) -> Option<Compression> {
    at.choice(
        &[
            ("auto", Compression::Auto),
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ],
        &[],
    )
}

pub(in crate::job) fn policy(at: &At<'_>) -> Option<Policy> {
    at.choice(
        &[
            ("fail", Policy::Fail),
            ("warn", Policy::Warn),
            ("ok", Policy::Ok),
        ],
        &[],
    )
}

/// psycopg2's `size`: bytes in a read. It reads everything at once for a negative one; dwsload then
/// takes its own choice, which gives the same rows.
#[expect(
    clippy::option_option,
    reason = "a mistake and dwsload's own choice are different things"
)]
pub(super) fn size(at: &At<'_>) -> Option<Option<usize>> {
    at.parse(|text| match text.parse::<i64>() {
        Ok(0) => Err(
            "a `size` of 0 would load nothing and call it success; leave it out, or give bytes"
                .into(),
        ),
        Ok(bytes) => Ok(usize::try_from(bytes).ok()),
        Err(_) => Err(format!("expected a number of bytes, found `{text}`")),
    })
}
