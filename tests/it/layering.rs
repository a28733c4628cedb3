//! Who may talk to whom: each outside crate with one owner is named by its owner alone.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates, and the files and folders of src/ that may name them.
const OWNERS: &[(&[&str], &[&str])] = &[
    (&["clap"], &["cli.rs", "main.rs"]),
    (
        &[
            "tokio_postgres",
            "postgres_protocol",
            "fallible_iterator",
            "socket2",
            "percent_encoding",
        ],
        &["wire/"],
    ),
    (
        &["rustls", "tokio_rustls", "rustls_native_certs", "x509_cert"],
        &[
            "wire/tls.rs",
            "wire/tls/",
            "wire/verify.rs",
            "wire/socket.rs",
        ],
    ),
    // The hash of a certificate, a short name for a long path, and the keys of a file and a job.
    (
        &["sha2"],
        &[
            "wire/tls.rs",
            "embedded/folder.rs",
            "wire/auth/",
            "ledger/",
            "lock/",
            "source/content.rs",
        ],
    ),
    (&["sha1", "hmac", "md5", "sm3", "zeroize"], &["wire/auth/"]),
    (&["serde_yaml", "minijinja", "strsim"], &["job/"]),
    // The shape of a job file; keys of a JSON record that stand twice.
    (&["serde"], &["job/", "record/layout/ndjson.rs"]),
    (&["serde_yaml"], &["job/raw.rs"]),
    (&["minijinja"], &["job/template.rs"]),
    (&["indicatif"], &["progress/bars.rs"]),
    (&["comfy_table"], &["progress/table.rs"]),
    (&["flate2", "zstd"], &["source/", "sink/"]),
    (&["twox_hash"], &["source/content.rs"]),
    (&["glob"], &["source/expand.rs", "embedded/binaries.rs"]),
    (&["csv"], &["record/"]),
    (&["encoding_rs"], &["record/charset.rs", "record/charset/"]),
];

/// Modules that are pure: no files, no sockets, no clock, no tasks.
const PURE: &[&str] = &["record/", "name.rs", "error.rs", "secret.rs"];

#[test]
fn every_outside_crate_is_named_by_its_owner_alone() {
    let files = sources();
    let mut wrong = Vec::new();
    for (crates, owners) in OWNERS {
        for name in *crates {
            let users: Vec<&String> = files
                .iter()
                .filter(|(_, code)| names(code, name))
                .map(|(path, _)| path)
                .collect();
            assert!(
                !users.is_empty(),
                "nobody uses {name}: take it out of this list and of Cargo.toml"
            );
            wrong.extend(
                users
                    .into_iter()
                    .filter(|path| !owned(path, owners))
                    .map(|path| {
                        format!(
                            "src/{path} names {name}, which belongs to {}",
                            owners.join(", ")
                        )
                    }),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_reads_records_does_no_input_or_output() {
    for (path, code) in sources() {
        if owned(&path, PURE) {
            for outside in ["tokio", "std::fs", "std::net", "std::thread", "std::time"] {
                assert!(!names(&code, outside), "src/{path} names {outside}");
            }
        }
    }
}

fn owned(path: &str, owners: &[&str]) -> bool {
    owners
        .iter()
        .any(|owner| path == *owner || owner.ends_with('/') && path.starts_with(owner))
}

/// Whether `code` uses the crate or module: `name::`, or `use name;`.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            && (after.starts_with("::") || after.starts_with(';'))
    })
}

/// Every file of src/ by its path in there: its code, without comments and unit tests, which may
/// use what they like.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of src") {
            let path: PathBuf = entry.expect("an entry of src").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("source is text");
                let name = path.strip_prefix(&src).expect("it is below src");
                found.push((name.display().to_string(), code(&text)));
            }
        }
    }
    assert!(found.len() > 30, "only {} files", found.len());
    found
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect()
}
