//! What only the server can say of records, and is not asked.

use crate::error::Result;
use crate::job::{Change, CopyFrom, Mode};
use crate::load::{self, catalog};
use crate::name::{Identifier, literal};
use crate::progress::wording;
use crate::wire::session::Session;

/// What stands in the way of records of a step that no check has looked at, in words; `None` where
/// there is nothing. `doubts` are columns with values that were looked at in vain, and how many.
pub(super) async fn unchecked(
    load: &CopyFrom,
    table: &catalog::Table,
    doubts: &[(Identifier, u64)],
    session: &mut Session,
) -> Result<Option<String>> {
    let mut parts = Vec::new();
    let odd: Vec<String> = load::unjudged(table, session)
        .map(|column| format!("{} ({})", column.name.as_str(), column.type_name))
        .collect();
    if !odd.is_empty() {
        parts.push(format!("values of {}", odd.join(", ")));
    }
    for (name, count) in doubts {
        let s = if *count == 1 { "" } else { "s" };
        let count = wording::count(*count);
        parts.push(format!("{count} value{s} of {}", name.as_str()));
    }
    let name = literal(
        &load.table.to_string(),
        session.standard_conforming_strings(),
    );
    let rows = session.rows(&obstacles(&name)).await?;
    let deletes = matches!(&load.mode, Mode::ByKey(by_key) if by_key.change == Change::Delete);
    for group in rows.chunk_by(|a, b| a.bytes(0) == b.bytes(0)) {
        let kind = group[0].text(0).unwrap_or_default();
        // What is deleted need not fulfil anything.
        let (word, counts) = match kind.as_ref() {
            "c" => ("CHECK", !deletes),
            "u" => ("unique", !deletes),
            "x" => ("exclusion", !deletes),
            "f" => ("foreign key", !deletes),
            _ => ("trigger", true),
        };
        let names = group.iter().filter_map(|row| row.text(1));
        let names: Vec<String> = names.map(std::borrow::Cow::into_owned).collect();
        if counts {
            parts.push(format!("{word} {}", names.join(", ")));
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("; ")))
}

/// Constraints, unique indexes and triggers of a table, by their kinds.
fn obstacles(name: &str) -> String {
    format!(
        "SELECT kind, name FROM (\
         SELECT CASE contype WHEN 'p' THEN 'u' ELSE contype::text END AS kind, conname::text AS name FROM pg_catalog.pg_constraint \
         WHERE conrelid = {name}::pg_catalog.regclass AND contype IN ('c', 'p', 'u', 'x', 'f') \
         UNION ALL SELECT 'u', x.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
         WHERE i.indrelid = {name}::pg_catalog.regclass AND i.indisunique \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid) \
         UNION ALL SELECT 'z', tgname::text FROM pg_catalog.pg_trigger \
         WHERE tgrelid = {name}::pg_catalog.regclass AND NOT tgisinternal AND tgenabled <> 'D') o ORDER BY 1, 2"
    )
}
