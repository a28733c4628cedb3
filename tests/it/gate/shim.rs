//! What identifies a Gauss server, put into the PostgreSQL behind the gate: objects in a schema
//! `gauss`, and the names in statements turned to them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::lock;
use super::product::Product;
use super::settings;
use super::statements::Statement;
use crate::support::server::Server;

/// Relations of the system catalog that a Gauss server has, or has more columns of.
const RELATIONS: &[&str] = &["pg_class", "pg_database", "pgxc_class", "pgxc_node"];

/// What was made in each database, by its name, and how many gates stand before it.
static INSTALLED: Mutex<BTreeMap<String, (String, usize)>> = Mutex::new(BTreeMap::new());

/// What a server says of itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) product: Product,
    pub(super) version: String,
    pub(super) compatibility: String,
    pub(super) coordinators: u32,
    pub(super) data_nodes: u32,
}

/// A gate before `database` is closed.
pub(super) fn closed(database: &str) {
    if let Some((_, gates)) = lock(&INSTALLED).get_mut(database) {
        *gates -= 1;
    }
}

impl Identity {
    /// Makes the objects in a database.
    pub(super) fn install(&self, server: &Server, database: &str) {
        let nodes: Vec<String> = self
            .nodes()
            .iter()
            .map(|(name, kind, port)| format!("('{name}', '{kind}', {port})"))
            .collect();
        let nodes = if nodes.is_empty() {
            "SELECT NULL::name, NULL::\"char\", NULL::int WHERE false".to_owned()
        } else {
            format!("VALUES {}", nodes.join(", "))
        };
        let sql = include_str!("shim.sql")
            .replace("$version", &literal(&self.version))
            .replace("$compatibility", &literal(&self.compatibility))
            .replace("$nodes", &nodes)
            .replace(
                "$distributed",
                if self.product.is_dws() {
                    "true"
                } else {
                    "false"
                },
            );
        let mut installed = lock(&INSTALLED);
        let (known, gates) = installed.entry(database.to_owned()).or_default();
        if *known != sql {
            assert!(
                *gates == 0,
                "a gate of another kind stands before {database}: what it says of itself would change"
            );
            server.psql(database, &sql);
            *known = sql;
        }
        *gates += 1;
    }

    /// The nodes of the cluster: name, kind (C is a coordinator, D a data node), port.
    fn nodes(&self) -> Vec<(String, char, u32)> {
        if !self.product.is_dws() {
            return Vec::new();
        }
        let coordinators = (1..=self.coordinators).map(|n| (format!("cn_500{n}"), 'C', 8000));
        let data_nodes = (1..=self.data_nodes).map(|n| {
            let own = 6000 + 2 * n - 1;
            (format!("dn_{own}_{}", own + 1), 'D', 40_000 + 2 * n)
        });
        coordinators.chain(data_nodes).collect()
    }
}

/// How a table is kept; `None` leaves what the server would choose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placement<'a> {
    /// It is a column store.
    pub(crate) column_store: bool,
    /// The columns that it is distributed by, in order.
    pub(crate) hash: Option<&'a [&'a str]>,
    /// Every data node has all of it.
    pub(crate) replicated: bool,
}

/// Registers how a table is kept; it may be made later. The name is as `::regclass` takes it.
pub(super) fn place(server: &Server, database: &str, table: &str, placement: &Placement<'_>) {
    let columns: Vec<String> = placement
        .hash
        .unwrap_or_default()
        .iter()
        .map(|name| literal(name))
        .collect();
    let locator = match (placement.replicated, placement.hash) {
        (true, _) => "'R'",
        (false, Some(_)) => "'H'",
        (false, None) => "NULL",
    };
    let sql = format!(
        "DELETE FROM gauss.placement WHERE name = {name};
         INSERT INTO gauss.placement VALUES ({name}, {}, {locator}, ARRAY[{}]::text[])",
        placement.column_store,
        columns.join(", "),
        name = literal(table),
    );
    server.psql(database, &sql);
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A change of a text: a range of bytes, and what comes in its place.
pub(super) type Edit = (std::ops::Range<usize>, String);

/// What has to change in a statement for it to find the objects of the gate.
pub(super) fn edits(statement: &Statement<'_>) -> Vec<Edit> {
    let mut edits = names(statement);
    edits.extend(setting(statement));
    edits.extend(distribution(statement));
    edits.extend(orientation(statement));
    edits
}

/// PostgreSQL has one node: where the rows of a new table go is nothing to it.
fn distribution(statement: &Statement<'_>) -> Option<Edit> {
    if !statement.begins(&["create"]) {
        return None;
    }
    let first = statement.find(&["distribute", "by", "hash", "("])?;
    let words = &statement.words;
    let last = (first..words.len()).find(|at| words[*at].is(")"))?;
    Some((words[first].start..words[last].end, String::new()))
}

/// It stores every table by rows, and has no word for it.
fn orientation(statement: &Statement<'_>) -> Option<Edit> {
    const CLAUSE: [&str; 6] = ["with", "(", "orientation", "=", "row", ")"];
    if !statement.begins(&["create"]) {
        return None;
    }
    let first = statement.find(&CLAUSE)?;
    let words = &statement.words[first..first + CLAUSE.len()];
    Some((words[0].start..words[CLAUSE.len() - 1].end, String::new()))
}

fn names(statement: &Statement<'_>) -> Vec<Edit> {
    let words = &statement.words;
    let is = |at: Option<usize>, text: &str| {
        at.and_then(|at| words.get(at))
            .is_some_and(|word| word.is(text))
    };
    let mut edits = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_relation =
            RELATIONS.iter().any(|name| word.names(name)) && !is(at.checked_sub(1), "as");
        let is_version = word.names("version") && is(Some(at + 1), "(") && is(Some(at + 2), ")");
        if !is_relation && !is_version {
            continue;
        }
        let start = if is(at.checked_sub(1), ".") {
            match at.checked_sub(2).map(|schema| &words[schema]) {
                Some(schema) if schema.names("pg_catalog") => schema.start,
                _ => continue,
            }
        } else {
            word.start
        };
        edits.push((start..word.end, format!("gauss.{}", word.text)));
    }
    edits
}

/// A setting that PostgreSQL does not have is kept in one of its own name.
fn setting(statement: &Statement<'_>) -> Option<Edit> {
    let used = settings::used(statement).filter(|used| settings::is_gauss(&used.name))?;
    let name = format!("gauss.{}", used.name);
    if statement.begins(&["show"]) {
        let sql = format!(
            "SELECT pg_catalog.current_setting('{name}') AS {}",
            used.name
        );
        return Some((statement.range(), sql));
    }
    let word = &statement.words[used.at];
    let text = match word.kind {
        super::statements::Kind::Text => literal(&name),
        _ => name,
    };
    Some((word.start..word.end, text))
}

/// The text with its changes, which do not overlap.
pub(super) fn edited(text: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for (range, replacement) in edits {
        out.extend(&text[at..range.start]);
        out.extend(replacement.bytes());
        at = range.end;
    }
    out.extend(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_catalog_are_turned_to_the_gates() {
        for (text, expected) in [
            ("SELECT version()", "SELECT gauss.version()"),
            (
                "select pg_catalog.version ( ) , x.version()",
                "select gauss.version ( ) , x.version()",
            ),
            ("SELECT version FROM t", "SELECT version FROM t"),
            (
                "SELECT datcompatibility FROM pg_database d JOIN \"pg_catalog\".\"pg_class\" ON true",
                "SELECT datcompatibility FROM gauss.pg_database d JOIN gauss.pg_class ON true",
            ),
            (
                "SELECT 'pg_class', pg_class.oid FROM pg_class AS pg_class",
                "SELECT 'pg_class', gauss.pg_class.oid FROM gauss.pg_class AS pg_class",
            ),
            (
                "CREATE TABLE a (b int) WITH (ORIENTATION = ROW) DISTRIBUTE BY HASH (b)",
                "CREATE TABLE a (b int)  ",
            ),
            (
                "CREATE TABLE a DISTRIBUTE BY HASH (\"b)\", c) AS SELECT 1",
                "CREATE TABLE a  AS SELECT 1",
            ),
            ("SET session_timeout = 0", "SET gauss.session_timeout = 0"),
            (
                "SELECT set_config('session_timeout', '0', false)",
                "SELECT set_config('gauss.session_timeout', '0', false)",
            ),
            (
                "SHOW sql_compatibility",
                "SELECT pg_catalog.current_setting('gauss.sql_compatibility') AS sql_compatibility",
            ),
        ] {
            let edits = edits(&Statement::of(text.as_bytes())[0]);
            let found = String::from_utf8(edited(text.as_bytes(), edits)).expect("text");
            assert_eq!(found, expected);
        }
    }
}
