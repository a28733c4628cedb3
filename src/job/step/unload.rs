//! The keys of `copy_to`.

use std::path::{Path, PathBuf};

use super::dialect::{dialect, format};
use super::value::{columns, compression, optional, or, table};
use crate::job::bytes::{BINARY_TEXT, charset};
use crate::job::reader::{At, Fields, Keys};
use crate::job::resolve::Folder;
use crate::job::{Compression, CopyTo, Output, Unload};
use crate::record::dialect::Format;

pub(super) const COPY_TO: Keys = Keys {
    known: &[
        "table",
        "query",
        "file",
        "columns",
        "sep",
        "null",
        "format",
        "header",
        "quote",
        "escape",
        "force_quote",
        "compression",
        "encoding",
        "manifest",
    ],
    reserved: &["split"],
};

pub(super) fn copy_to(at: &At<'_>, folder: &Folder) -> Option<CopyTo> {
    let fields = at.fields(COPY_TO)?;
    let output = fields.require("file").and_then(|at| output(at, folder));
    let manifest = manifest(&fields, output.as_ref(), folder);
    let what = unload(&fields);
    let dialect = format(&fields).and_then(|format| dialect(&fields, format, false));
    let header = or(&fields, "header", false, At::flag);
    let charset = charset(&fields);
    let compression = or(&fields, "compression", Compression::Auto, compression);
    let dialect = dialect?;
    if dialect.format == Format::Binary {
        if header == Some(true) {
            fields.refuse(&["header"], "binary data has no header line");
        }
        fields.refuse(&["encoding"], BINARY_TEXT);
    }
    Some(CopyTo {
        what: what?,
        output: output?,
        dialect,
        header: header?,
        charset: charset?,
        compression: compression?,
        manifest,
    })
}

fn output(at: &At<'_>, folder: &Folder) -> Option<Output> {
    let text = at.text()?;
    if text == "-" {
        return Some(Output::Stdout);
    }
    if text.is_empty() {
        at.wrong("expected a file or `-`, found the empty text");
        return None;
    }
    written(at, &folder.path(&text), folder).map(Output::Path)
}

/// The path of a file that the step writes, and no other.
fn written(at: &At<'_>, path: &Path, folder: &Folder) -> Option<PathBuf> {
    // `.` parts say nothing.
    let path: PathBuf = path.components().collect();
    if !folder.outputs.borrow_mut().insert(path.clone()) {
        at.wrong("an earlier step writes this file");
        return None;
    }
    Some(path)
}

/// `manifest: true`, or its path. `None` where there is none, or a mistake.
fn manifest(fields: &Fields<'_>, output: Option<&Output>, folder: &Folder) -> Option<PathBuf> {
    let at = fields.get("manifest")?;
    let text = at.text()?;
    let data = match output? {
        Output::Path(path) => path,
        Output::Stdout if text == "false" => return None,
        Output::Stdout => {
            at.wrong_key("standard output is no file, so there is nothing to list");
            return None;
        }
    };
    let path = match text.as_str() {
        "false" => return None,
        "true" => {
            let mut path = data.clone().into_os_string();
            path.push(".manifest.json");
            path.into()
        }
        "" => return at.expected("`true` or a path"),
        text => folder.path(text),
    };
    written(at, &path, folder)
}

fn unload(fields: &Fields<'_>) -> Option<Unload> {
    match (fields.get("table"), fields.get("query")) {
        (Some(at), None) => {
            let columns = optional(fields, "columns", columns);
            Some(Unload::Table(table(at)?, columns?))
        }
        (None, Some(at)) => {
            fields.refuse(
                &["columns"],
                "`columns` goes with `table`; name them in the query",
            );
            at.text().map(Unload::Query)
        }
        (Some(_), Some(at)) => {
            at.wrong_key("`table` and `query` exclude each other");
            None
        }
        (None, None) => {
            fields.whole.wrong("`table` or `query` is missing");
            None
        }
    }
}
