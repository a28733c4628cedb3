//! Constraints of a table that other rows have a say in, read from the catalog.

use super::definition::text;
use crate::load::sieve::Fault;
use crate::name::{Identifier, TableName};
use crate::wire::session::Row;

/// An index that keeps rows apart: a unique one, or that of an exclusion constraint.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    /// What it compares.
    parts: Vec<Part>,
    /// The columns that it looks at; `None` where none is named, as for whole rows.
    pub(super) columns: Option<Vec<Identifier>>,
    /// The condition of the rows that it is about.
    predicate: Option<String>,
    /// NULL is a value like others.
    nulls_are_equal: bool,
    is_exclusion: bool,
    /// It is looked at with the COMMIT.
    pub(super) is_deferred: bool,
    /// `USING ...`, or `EXCLUDE ...`.
    definition: String,
}

/// A column or an expression, and the operator by which rows exclude each other.
#[derive(Debug)]
struct Part {
    sql: String,
    operator: String,
}

/// A foreign key.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalog, independent of the others"
)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) columns: Vec<Identifier>,
    pub(super) table: TableName,
    referenced: Vec<Identifier>,
    /// NULL is either in all of its columns or in none.
    is_full: bool,
    /// It refers to rows of the same table.
    pub(super) is_own: bool,
    pub(super) may_look: bool,
    /// It is looked at with the COMMIT.
    pub(super) is_deferred: bool,
}

impl Key {
    /// The unique and the excluding indexes of a table, a row for each thing that they compare.
    pub(super) fn query(table: &str, has_include: bool) -> String {
        let keys = if has_include {
            "indnkeyatts"
        } else {
            "indnatts"
        };
        format!(
            "SELECT x.relname, pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid), a.attname, \
             pg_catalog.pg_get_indexdef(i.indexrelid, i.n + 1, false), i.indisexclusion, k.condeferred, \
             pg_catalog.pg_get_constraintdef(k.oid), o.oprname, s.nspname FROM \
             (SELECT indexrelid, indrelid, indkey, indpred, indisexclusion, {keys} AS keys, pg_catalog.generate_subscripts(indkey, 1) AS n \
             FROM pg_catalog.pg_index WHERE indrelid = {table} AND (indisunique OR indisexclusion) AND indisvalid) i \
             JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.n] \
             LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x') \
             LEFT JOIN pg_catalog.pg_operator o ON o.oid = k.conexclop[i.n + 1] LEFT JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace \
             WHERE i.n < i.keys ORDER BY i.indexrelid, i.n"
        )
    }

    /// The columns that expressions and conditions of the indexes of a table look at.
    pub(super) fn query_looks(table: &str) -> String {
        format!(
            "SELECT x.relname, a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
             JOIN pg_catalog.pg_depend d ON d.objid = i.indexrelid AND d.refobjid = i.indrelid \
             AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0 \
             WHERE i.indrelid = {table} AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)"
        )
    }

    /// From the rows of [`query`](Self::query) and of [`query_looks`](Self::query_looks).
    pub(super) fn read(rows: &[Row], looks: &[Row]) -> Vec<Self> {
        let groups = rows.chunk_by(|a, b| a.bytes(0) == b.bytes(0));
        groups.filter_map(|rows| Self::of(rows, looks)).collect()
    }

    fn of(rows: &[Row], looks: &[Row]) -> Option<Self> {
        let first = rows.first()?;
        let yes = |index| first.bytes(index) == Some(b"t");
        let is_exclusion = yes(5);
        let index = text(first, 1)?;
        let nulls_are_equal = !is_exclusion && index.contains(" NULLS NOT DISTINCT");
        let definition = if is_exclusion {
            immediate(&text(first, 7)?).to_owned()
        } else {
            using(&index)?
        };
        let looks = looks
            .iter()
            .filter(|look| look.bytes(0) == first.bytes(0))
            .filter_map(|look| Identifier::new(text(look, 1)?).ok());
        let columns: Vec<Identifier> = names(rows, 3).into_iter().chain(looks).collect();
        let columns = Some(columns).filter(|columns| !columns.is_empty());
        Some(Self {
            name: text(first, 0)?,
            parts: rows.iter().filter_map(Part::of).collect(),
            columns,
            predicate: text(first, 2),
            nulls_are_equal,
            is_exclusion,
            is_deferred: yes(6),
            definition,
        })
    }

    /// A statement that gives `table`, which has the columns of the target, such an index.
    pub(super) fn make(&self, table: &str) -> String {
        if self.is_exclusion {
            format!("ALTER TABLE {table} ADD {}", self.definition)
        } else {
            format!("CREATE UNIQUE INDEX ON {table} {}", self.definition)
        }
    }

    /// Whether equal rows are kept apart, and no others.
    pub(super) fn is_by_equality(&self) -> bool {
        !self.is_exclusion
    }

    /// Row `d`, whose columns have no other rivals of their names, shares the key with a row of
    /// `table`; `more` holds of its columns `kept`, which are those of `x`.
    pub(super) fn is_taken_in(&self, table: &str, kept: &[&Identifier], more: &str) -> String {
        let part = |(n, part): (usize, &Part)| format!("{} AS dwsload_{n}", part.sql);
        let parts = self.parts.iter().enumerate().map(part);
        let kept = kept.iter().map(ToString::to_string);
        let columns: Vec<String> = parts.chain(kept).collect();
        let of_those = self.predicate.as_ref();
        let of_those = of_those.map_or(String::new(), |only| format!(" WHERE {only}"));
        let same = |(n, part): (usize, &Part)| {
            let Part { sql, operator } = part;
            if self.nulls_are_equal {
                format!("x.dwsload_{n} IS NOT DISTINCT FROM ({sql})")
            } else {
                format!("x.dwsload_{n} {operator} ({sql})")
            }
        };
        let same: Vec<String> = self.parts.iter().enumerate().map(same).collect();
        let exists = format!(
            "EXISTS (SELECT 1 FROM (SELECT {} FROM {table}{of_those}) AS x WHERE {}{more})",
            columns.join(", "),
            same.join(" AND ")
        );
        match &self.predicate {
            Some(only) => format!("({only}) AND {exists}"),
            None => exists,
        }
    }

    /// The numbers of the rows of `table` that have the key and fulfil `condition`, as `number`, and of
    /// each the first that has the same, as `first`.
    pub(super) fn firsts(&self, table: &str, number: &Identifier, condition: &str) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.sql.as_str()).collect();
        let filled = parts.iter().map(|sql| format!(" AND ({sql}) IS NOT NULL"));
        let filled: String = filled.filter(|_| !self.nulls_are_equal).collect();
        let only = self.predicate.as_ref();
        let only = only.map_or(String::new(), |only| format!(" AND ({only})"));
        format!(
            "(SELECT {number} AS number, pg_catalog.min({number}) OVER (PARTITION BY {}) AS first \
             FROM {table} WHERE {condition}{filled}{only})",
            parts.join(", ")
        )
    }

    /// What a server says of a key that is there.
    pub(super) fn fault(&self) -> Fault {
        let name = &self.name;
        let (code, reason) = if self.is_exclusion {
            let what = "conflicting key value violates exclusion constraint";
            ("23P01", format!("{what} \"{name}\""))
        } else {
            let what = "duplicate key value violates unique constraint";
            ("23505", format!("{what} \"{name}\""))
        };
        Fault {
            code: code.into(),
            reason,
            column: None,
            detail: None,
            constraint: Some(name.clone()),
        }
    }
}

impl Part {
    fn of(row: &Row) -> Option<Self> {
        let operator = match (text(row, 8), text(row, 9)) {
            (Some(name), Some(schema)) => {
                format!("OPERATOR({}.{name})", Identifier::new(schema).ok()?)
            }
            _ => "=".to_owned(),
        };
        Some(Self {
            sql: text(row, 4)?,
            operator,
        })
    }
}

impl Reference {
    /// The foreign keys of a table, a row for each of their columns.
    pub(super) fn query(table: &str) -> String {
        Self::query_of("confrelid", &format!("conrelid = {table}"))
    }

    /// Those that lead to a table, of which the rows that are referred to cannot be deleted.
    pub(super) fn query_pointing(table: &str) -> String {
        Self::query_of(
            "conrelid",
            &format!("confrelid = {table} AND confdeltype IN ('a', 'r')"),
        )
    }

    /// `other` is the column of the table that is not known.
    fn query_of(other: &str, condition: &str) -> String {
        // A key that leads to a table with partitions is there once more for each of these.
        format!(
            "SELECT k.conname, n.nspname, c.relname, a.attname, f.attname, k.confmatchtype = 'f', k.confrelid = k.conrelid, \
             pg_catalog.has_table_privilege(k.{other}, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), k.condeferred, k.oid FROM \
             (SELECT oid, conname, conrelid, confrelid, conkey, confkey, confmatchtype, condeferred, pg_catalog.generate_subscripts(conkey, 1) AS n \
             FROM pg_catalog.pg_constraint k WHERE {condition} AND contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h \
             JOIN pg_catalog.pg_constraint p ON p.confrelid = h.inhparent AND p.conrelid = k.conrelid AND p.conkey = k.conkey AND p.contype = 'f' \
             WHERE h.inhrelid = k.confrelid)) k \
             JOIN pg_catalog.pg_class c ON c.oid = k.{other} JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[k.n] \
             JOIN pg_catalog.pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[k.n] ORDER BY k.oid, k.n"
        )
    }

    pub(super) fn read(rows: &[Row]) -> Vec<Self> {
        let groups = rows.chunk_by(|a, b| a.bytes(9) == b.bytes(9));
        let references = groups.filter_map(|group| {
            let first = &group[0];
            let yes = |index| first.bytes(index) == Some(b"t");
            let name = |index| Identifier::new(text(first, index)?).ok();
            Some(Self {
                name: text(first, 0)?,
                columns: names(group, 3),
                table: TableName::new(Some(name(1)?), name(2)?),
                referenced: names(group, 4),
                is_full: yes(5),
                is_own: yes(6),
                may_look: yes(7),
                is_deferred: yes(8),
            })
        });
        references.collect()
    }

    /// Row `d` refers to a row, or to none where it must not have some of its columns alone.
    pub(super) fn refers(&self) -> String {
        let columns = self.columns.iter();
        let columns: Vec<String> = columns
            .map(|name| format!("d.{name} IS NOT NULL"))
            .collect();
        let by = if self.is_full { " OR " } else { " AND " };
        format!("({})", columns.join(by))
    }

    /// There is no such row in `table`, of those of which `more` holds.
    pub(super) fn is_missing_in(&self, table: &str, more: &str) -> String {
        let same = equal(&self.referenced, "r", &self.columns, "d");
        format!("NOT EXISTS (SELECT 1 FROM {table} AS r WHERE {same}{more})")
    }

    /// A row of its table, which is not the target, refers to one of the rows `t`, as FROM has them.
    pub(super) fn is_pointed_at(&self, rows: &str) -> String {
        let same = equal(&self.columns, "r", &self.referenced, "t");
        format!(
            "EXISTS (SELECT 1 FROM {rows} AND EXISTS (SELECT 1 FROM {} AS r WHERE {same}))",
            self.table
        )
    }

    /// What a server says of a row of `target` that is deleted and referred to.
    pub(super) fn fault_of_referenced(&self, target: &TableName) -> Fault {
        let (name, target) = (&self.name, target.name().as_str());
        let other = self.table.name().as_str();
        Fault {
            code: "23503".into(),
            reason: format!(
                "update or delete on table \"{target}\" violates foreign key constraint \"{name}\" on table \"{other}\""
            ),
            column: None,
            detail: None,
            constraint: Some(name.clone()),
        }
    }

    /// What a server says of a row that `target` refers to in vain.
    pub(super) fn fault(&self, target: &TableName) -> Fault {
        let (name, target) = (&self.name, target.name().as_str());
        Fault {
            code: "23503".into(),
            reason: format!(
                "insert or update on table \"{target}\" violates foreign key constraint \"{name}\""
            ),
            column: None,
            detail: None,
            constraint: Some(name.clone()),
        }
    }
}

/// `a.x = b.y AND ...`
fn equal(left: &[Identifier], a: &str, right: &[Identifier], b: &str) -> String {
    let pairs = left.iter().zip(right);
    let pairs: Vec<String> = pairs.map(|(x, y)| format!("{a}.{x} = {b}.{y}")).collect();
    pairs.join(" AND ")
}

fn names(rows: &[Row], index: usize) -> Vec<Identifier> {
    rows.iter()
        .filter_map(|row| Identifier::new(text(row, index)?).ok())
        .collect()
}

/// The definition of a constraint without what puts it off.
fn immediate(definition: &str) -> &str {
    let mut rest = definition;
    for suffix in [" INITIALLY DEFERRED", " DEFERRABLE"] {
        rest = rest.strip_suffix(suffix).unwrap_or(rest);
    }
    rest
}

/// What follows the names in the definition of an index: `USING btree (id)`.
fn using(definition: &str) -> Option<String> {
    let mut in_quotes = false;
    let at = definition.char_indices().find(|(at, c)| {
        in_quotes ^= *c == '"';
        !in_quotes && definition[*at..].starts_with(" USING ")
    });
    at.map(|(at, _)| definition[at + 1..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_used_without_its_names() {
        for (definition, expected) in [
            (
                "CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)",
                "USING btree (id)",
            ),
            (
                "CREATE UNIQUE INDEX \"a USING \"\" b\" ON ONLY \"c USING d\" USING btree (lower(x)) WHERE (y > 0)",
                "USING btree (lower(x)) WHERE (y > 0)",
            ),
        ] {
            assert_eq!(using(definition).as_deref(), Some(expected));
        }
    }
}
