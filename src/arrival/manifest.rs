//! Manifests: which files belong together, how long each is, and what it holds.
//!
//! `{"files": [{"file": "a.csv", "size": 88, "hash": "xxh3-128:...", "rows": 4}]}`, as an unload writes it.
//! Of others, the list itself is read, too, `name` or `path` as the file, `bytes` as its size, and
//! `sha256` or `xxh3` with the digits as its hash. Names are relative to the manifest's folder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::sink::Pending;
use crate::source::{Content, Sum, name_in};

/// The longest manifest, in bytes: some hundred thousand files.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Hashes that a manifest may have and that are not checked.
const UNKNOWN: [&str; 8] = [
    "md5", "sha1", "sha512", "sha384", "sha224", "crc32", "crc32c", "xxh64",
];

/// A file that a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Bytes on disk.
    pub(super) size: u64,
    /// Its hashes; any of them may be wrong, and then the file is.
    pub(super) sums: Vec<Sum>,
    /// Records in it.
    pub(super) rows: Option<u64>,
}

/// Why a manifest cannot be used: it may be there later.
pub(super) type Unusable = String;

/// Reads a manifest.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Unusable> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("the manifest is not there".into());
        }
        Err(error) => return Err(format!("cannot read the manifest: {error}")),
        Ok(_) if bytes.len() as u64 > LIMIT => {
            return Err("the manifest is longer than 64 MiB".into());
        }
        Ok(_) => {}
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&bytes, folder).map_err(|what| format!("no manifest that can be used: {what}"))
}

fn parse(bytes: &[u8], folder: &Path) -> Result<Vec<Entry>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let list = match &value {
        Value::Array(list) => list,
        Value::Object(map) => match map.get("files") {
            Some(Value::Array(list)) => list,
            _ => return Err("it has no list `files`".into()),
        },
        _ => return Err("it has no list `files`".into()),
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(list.len());
    let mut names = std::collections::HashSet::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let wrong = |what: String| format!("files[{index}]: {what}");
        let map = item
            .as_object()
            .ok_or_else(|| wrong("it is no object".into()))?;
        let entry = entry(map, folder).map_err(wrong)?;
        if !names.insert(entry.path.clone()) {
            return Err(wrong(format!("`{}` stands twice", entry.path.display())));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(map: &Map<String, Value>, folder: &Path) -> Result<Entry, String> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| map.get(*key));
    let number = |keys: &[&str]| match first(keys) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("`{}` is no number: {value}", keys[0])),
        },
    };
    let name = first(&["file", "name", "path"]).and_then(Value::as_str);
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or("it has no `file`")?;
    let size = number(&["size", "bytes"])?.ok_or_else(|| format!("`{name}` has no `size`"))?;
    let mut sums = Vec::new();
    for (key, prefix) in [("hash", ""), ("sha256", "sha256:"), ("xxh3", "xxh3-128:")] {
        match map.get(key) {
            None | Some(Value::Null) => {}
            Some(value) => {
                let text = format!("{prefix}{}", value.as_str().unwrap_or_default());
                let sum = Sum::parse(&text.to_ascii_lowercase());
                sums.push(sum.ok_or_else(|| {
                    format!("`{key}` of `{name}` is no hash that can be checked: {value}")
                })?);
            }
        }
    }
    let unknown = UNKNOWN.iter().find(|key| map.contains_key(**key));
    if let (Some(key), true) = (unknown, sums.is_empty()) {
        return Err(format!(
            "`{key}` of `{name}` cannot be checked; `sha256` and `xxh3` can"
        ));
    }
    Ok(Entry {
        path: folder.join(name),
        size,
        sums,
        rows: number(&["rows"])?,
    })
}

/// What an unload has written.
#[derive(Debug)]
pub(crate) struct Unloaded<'a> {
    pub(crate) path: &'a Path,
    pub(crate) content: Content,
    pub(crate) rows: u64,
}

/// Writes the manifest `path` of a file. It has its working name still, and is to be published behind
/// the file.
///
/// # Errors
/// [`ErrorKind::Output`] when it cannot be written.
pub(crate) fn write(path: &Path, file: &Unloaded<'_>) -> Result<Pending> {
    let failed = |cause: io::Error| {
        Error::new(
            ErrorKind::Output,
            format!("cannot write the manifest `{}`", path.display()),
        )
        .because(cause)
    };
    let name = name_from(path, file.path).ok_or_else(|| {
        failed(io::Error::other(format!(
            "the name of `{}` is no UTF-8",
            file.path.display()
        )))
    })?;
    let manifest = json!({"files": [{
        "file": name,
        "size": file.content.size,
        "hash": file.content.to_string(),
        "rows": file.rows,
    }]});
    let (pending, written) = Pending::create(path)?;
    let Some(mut written) = written else {
        return Err(failed(io::Error::other("it is no file")));
    };
    serde_json::to_writer_pretty(&mut written, &manifest)
        .map_err(io::Error::from)
        .and_then(|()| written.write_all(b"\n"))
        .and_then(|()| written.sync_all())
        .map_err(failed)?;
    Ok(pending)
}

/// The name of `file` from the folder of `manifest`, where it is below it; else its whole path.
fn name_from(manifest: &Path, file: &Path) -> Option<String> {
    let manifest = std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
    let below = name_in(manifest.parent()?, file);
    below.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_others_are_read() {
        let sum = "99aa06d3014798d86001c324468d497f";
        for text in [
            format!(
                r#"{{"files": [{{"file": "a", "size": 1, "hash": "xxh3-128:{sum}", "rows": 2}}]}}"#
            ),
            format!(
                r#"[{{"name": "a", "bytes": 1, "xxh3": "{}", "rows": 2}}]"#,
                sum.to_uppercase()
            ),
            format!(
                r#"{{"by": "x", "files": [{{"path": "a", "size": 1, "xxh3": "{sum}", "md5": "x", "rows": 2}}]}}"#
            ),
        ] {
            let entries = parse(text.as_bytes(), Path::new("in")).unwrap();
            let expected = Entry {
                path: "in/a".into(),
                size: 1,
                sums: vec![Sum::parse(&format!("xxh3-128:{sum}")).unwrap()],
                rows: Some(2),
            };
            assert_eq!(entries, [expected], "{text}");
        }
        assert_eq!(parse(b"[]", Path::new("")), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_manifest_is_told() {
        let wrong: Vec<String> = [
            r#"{"files": [{"file": "#,
            r#"{"file": "a"}"#,
            "[1]",
            r#"[{"size": 1}]"#,
            r#"[{"file": "a"}]"#,
            r#"[{"file": "a", "size": -1}]"#,
            r#"[{"file": "a", "size": 1, "rows": "2"}]"#,
            r#"[{"file": "a", "size": 1, "sha256": "00"}]"#,
            r#"[{"file": "a", "size": 1, "md5": "00"}]"#,
            r#"[{"file": "a", "size": 1}, {"file": "a", "size": 1}]"#,
        ]
        .into_iter()
        .map(|text| parse(text.as_bytes(), Path::new("")).unwrap_err())
        .collect();
        insta::assert_snapshot!(wrong.join("\n"), @r#"
        EOF while parsing a value at line 1 column 20
        it has no list `files`
        files[0]: it is no object
        files[0]: it has no `file`
        files[0]: `a` has no `size`
        files[0]: `size` is no number: -1
        files[0]: `rows` is no number: "2"
        files[0]: `sha256` of `a` is no hash that can be checked: "00"
        files[0]: `md5` of `a` cannot be checked; `sha256` and `xxh3` can
        files[1]: `a` stands twice
        "#);
    }
}
