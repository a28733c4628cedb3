//! What hangs on a table and would not go over to another one exactly as it is.

use crate::wire::error::WireError;
use crate::wire::session::{Row, Session};

/// What stands against another table in the place of the table `oid`, in words.
pub(super) async fn obstacles(oid: &str, session: &mut Session) -> Result<Vec<String>, WireError> {
    let rows = session.rows(&sql(oid)).await?;
    let text = |row: &Row| Some(row.text(0)?.into_owned());
    Ok(rows.iter().filter_map(text).collect())
}

/// Catalogs of PostgreSQL 12 and later. What follows a table by itself (constraints, defaults, indexes,
/// owned sequences) is no obstacle unless it is of a kind that is not copied.
fn sql(oid: &str) -> String {
    format!(
        "WITH t AS (SELECT * FROM pg_catalog.pg_class WHERE oid = {oid}), \
         types AS (SELECT reltype AS oid FROM t UNION ALL \
            SELECT y.typarray FROM t JOIN pg_catalog.pg_type y ON y.oid = t.reltype WHERE y.typarray <> 0), \
         dependents AS (SELECT d.classid, d.objid FROM pg_catalog.pg_depend d, t WHERE d.deptype = 'n' AND \
            (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = t.oid \
            OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (SELECT oid FROM types))), \
         foreign_ones AS (SELECT * FROM dependents d, t WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint c \
            WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND c.oid = d.objid AND c.conrelid = t.oid AND c.confrelid <> t.oid) \
            AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef a \
            WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.oid = d.objid AND a.adrelid = t.oid) \
            AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index i \
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid AND i.indrelid = t.oid) \
            AND d.classid NOT IN ('pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass, \
                'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_publication_rel'::pg_catalog.regclass)), \
         found AS ( \
         SELECT coalesce((SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0) \
            FROM pg_catalog.pg_rewrite r WHERE f.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = f.objid), \
            pg_catalog.pg_describe_object(f.classid, f.objid, 0)) AS what FROM foreign_ones f \
         UNION SELECT 'trigger ' || g.tgname FROM pg_catalog.pg_trigger g, t WHERE g.tgrelid = t.oid AND NOT g.tgisinternal \
         UNION SELECT 'policy ' || p.polname FROM pg_catalog.pg_policy p, t WHERE p.polrelid = t.oid \
         UNION SELECT 'row level security' FROM t WHERE relrowsecurity OR relforcerowsecurity \
         UNION SELECT 'its parent ' || h.inhparent::pg_catalog.regclass FROM pg_catalog.pg_inherits h, t WHERE h.inhrelid = t.oid \
         UNION SELECT 'its child ' || h.inhrelid::pg_catalog.regclass FROM pg_catalog.pg_inherits h, t WHERE h.inhparent = t.oid \
         UNION SELECT 'its partitions' FROM t WHERE relkind = 'p' \
         UNION SELECT 'it is a temporary table' FROM t WHERE relpersistence = 't' \
         UNION SELECT 'its type ' || reloftype::pg_catalog.regtype FROM t WHERE reloftype <> 0 \
         UNION SELECT 'publication ' || p.pubname FROM pg_catalog.pg_publication_tables p, t \
            JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE p.schemaname = n.nspname AND p.tablename = t.relname \
         UNION SELECT 'constraint ' || c.conname || ', which is not valid' FROM pg_catalog.pg_constraint c, t \
            WHERE c.conrelid = t.oid AND NOT c.convalidated \
         UNION SELECT 'index ' || x.relname || ', which is not valid' FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid, t \
            WHERE i.indrelid = t.oid AND NOT (i.indisvalid AND i.indisready) \
         UNION SELECT 'the tablespace of index ' || x.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid, t \
            WHERE i.indrelid = t.oid AND x.reltablespace <> 0 \
         UNION SELECT 'the statistics target of index ' || x.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
            JOIN pg_catalog.pg_attribute a ON a.attrelid = x.oid, t WHERE i.indrelid = t.oid AND coalesce(a.attstattarget, -1) >= 0 AND a.attnum > 0 \
         UNION SELECT 'security labels' FROM pg_catalog.pg_seclabel l, t WHERE l.objoid = t.oid AND l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass \
         UNION SELECT 'extension ' || e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid, t \
            WHERE d.objid = t.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e' \
         UNION SELECT 'rights granted by ' || pg_catalog.pg_get_userbyid(x.grantor) FROM t, pg_catalog.aclexplode(t.relacl) x WHERE x.grantor <> t.relowner \
         UNION SELECT 'rights granted by ' || pg_catalog.pg_get_userbyid(x.grantor) FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid, \
            pg_catalog.aclexplode(a.attacl) x WHERE x.grantor <> t.relowner \
         UNION SELECT 'rights and comments of sequence ' || s.relname FROM t JOIN pg_catalog.pg_depend d ON d.refobjid = t.oid \
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'i' \
            JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
            WHERE s.relacl IS NOT NULL OR pg_catalog.obj_description(s.oid, 'pg_class') IS NOT NULL \
         UNION SELECT 'the statistics object ' || s.stxname || ' with more than a definition' FROM pg_catalog.pg_statistic_ext s, t \
            WHERE s.stxrelid = t.oid AND (s.stxowner <> t.relowner OR coalesce((pg_catalog.to_json(s) ->> 'stxstattarget')::int, -1) >= 0 \
            OR pg_catalog.obj_description(s.oid, 'pg_statistic_ext') IS NOT NULL)) \
         SELECT what FROM found ORDER BY 1"
    )
}
