-- Several gates may stand before one database, as coordinators do.
CREATE SCHEMA IF NOT EXISTS gauss;
GRANT USAGE ON SCHEMA gauss TO public;

CREATE OR REPLACE FUNCTION gauss.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $version::text$$;

-- What a test says of tables; the name is as ::regclass takes it.
CREATE TABLE IF NOT EXISTS gauss.placement (name text PRIMARY KEY, column_store bool, locator "char", columns text[]);

CREATE OR REPLACE VIEW gauss.pg_database AS
    SELECT *, $compatibility::name AS datcompatibility FROM pg_catalog.pg_database;

CREATE OR REPLACE VIEW gauss.pgxc_node AS
    SELECT (16384 + row_number() OVER ())::oid AS oid, node_name::name COLLATE "C" AS node_name, node_type::"char", node_port,
        'localhost'::name AS node_host, node_port + 1 AS node_port1, 'localhost'::name AS node_host1,
        true AS hostis_primary, node_type = 'C' AND row_number() OVER () = 1 AS nodeis_primary,
        false AS nodeis_preferred, hashtext(node_name::text) AS node_id, 0 AS sctp_port,
        0 AS control_port, 0 AS sctp_port1, 0 AS control_port1, false AS nodeis_central,
        true AS nodeis_active
    FROM ($nodes) AS node (node_name, node_type, node_port);

-- Tables of users. One that nobody has said anything of is distributed by the first column of its
-- primary key, or else by its first column.
CREATE OR REPLACE VIEW gauss.tables AS
    SELECT c.oid, coalesce(p.column_store, false) AS column_store, coalesce(p.locator, 'H') AS locator,
        coalesce(p.columns, '{}') AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN gauss.placement p ON to_regclass(p.name) = c.oid
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gauss', 'pg_toast');

CREATE OR REPLACE VIEW gauss.pgxc_class AS
    SELECT t.oid AS pcrelid, t.locator AS pclocatortype,
        CASE t.locator WHEN 'H' THEN 1 ELSE 0 END::smallint AS pchashalgorithm,
        CASE t.locator WHEN 'H' THEN 1024 ELSE 0 END::smallint AS pchashbuckets,
        'group_version1'::name AS pgroup, 'n'::"char" AS redistributed, 0 AS redis_order,
        CASE WHEN t.locator <> 'H' THEN ''::int2vector
            WHEN t.columns <> '{}' THEN (
                SELECT string_agg(a.attnum::text, ' ' ORDER BY wanted.place)::int2vector
                FROM unnest(t.columns) WITH ORDINALITY AS wanted (name, place)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = wanted.name)
            ELSE coalesce((SELECT i.indkey[0] FROM pg_catalog.pg_index i
                WHERE i.indrelid = t.oid AND i.indisprimary), 1)::text::int2vector
        END AS pcattnum
    FROM gauss.tables t WHERE $distributed;

DO $$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(CASE attname
            WHEN 'reloptions' THEN 'CASE WHEN t.oid IS NULL THEN c.reloptions ELSE coalesce(c.reloptions, ''{}'')
                || CASE WHEN t.column_store THEN ''{orientation=column,compression=low}''
                ELSE ''{orientation=row,compression=no}'' END::text[] END AS reloptions'
            ELSE 'c.' || quote_ident(attname) END, ', ' ORDER BY attnum) INTO columns
    FROM pg_catalog.pg_attribute
    WHERE attrelid = 'pg_catalog.pg_class'::regclass AND NOT attisdropped AND (attnum > 0 OR attname = 'oid');
    EXECUTE 'CREATE OR REPLACE VIEW gauss.pg_class AS SELECT ' || columns
        || ' FROM pg_catalog.pg_class c LEFT JOIN gauss.tables t ON t.oid = c.oid';
END $$;

GRANT SELECT ON ALL TABLES IN SCHEMA gauss TO public;
