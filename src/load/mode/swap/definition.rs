//! What makes a table what it is beside its columns and CHECKs, as statements that make another one the
//! same.

use crate::error::{Error, Result};
use crate::name::{Identifier, TableName, column_list, literal};
use crate::wire::error::WireError;
use crate::wire::session::{Row, Session};

/// How the new table comes to be like the old one.
#[derive(Debug, Default)]
pub(super) struct Definition {
    /// Make it, empty.
    pub(super) create: Vec<String>,
    /// Once it is filled.
    pub(super) complete: Vec<String>,
    /// While nobody reads the old one: what can belong to one table only is handed over.
    pub(super) hand_over: Vec<String>,
    /// Once the old one is gone: names.
    pub(super) rename: Vec<String>,
    /// Our names and theirs, long ones first.
    pub(super) names: Vec<(String, String)>,
}

/// Where statements are made from the catalog.
pub(super) struct Maker<'a> {
    pub(super) session: &'a mut Session,
    /// The old table, its name and its OID.
    pub(super) old: &'a TableName,
    pub(super) oid: &'a str,
    pub(super) schema: &'a Identifier,
    pub(super) new: &'a TableName,
}

impl Maker<'_> {
    /// Reads the catalog.
    pub(super) async fn definition(mut self) -> Result<Definition> {
        let mut made = Definition::default();
        self.table(&mut made).await?;
        self.columns(&mut made).await?;
        self.indexes(&mut made).await?;
        self.foreign_keys(&mut made).await?;
        let old = self.old.name().as_str().to_owned();
        made.rename.insert(
            0,
            format!("ALTER TABLE {} RENAME TO {}", self.new, self.old.name()),
        );
        self.sequences(&mut made).await?;
        self.statistics(&mut made).await?;
        made.names.push((self.new.name().as_str().to_owned(), old));
        made.names
            .sort_by_key(|(ours, _)| std::cmp::Reverse(ours.len()));
        Ok(made)
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Row>> {
        let rows = self.session.rows(sql).await;
        rows.map_err(|error: WireError| {
            Error::from(error).within(format!(
                "cannot read the definition of {}",
                self.old.plain()
            ))
        })
    }

    fn literal(&self, text: &str) -> String {
        literal(text, self.session.standard_conforming_strings())
    }

    /// `SET ("fillfactor" = '70', toast."autovacuum_enabled" = 'off')` of `{fillfactor=70}`, as rows of
    /// one option each; `None` for no rows.
    fn options(&self, rows: &[Row], prefix: usize, option: usize) -> Result<Option<String>> {
        let mut set = Vec::new();
        for row in rows {
            let text = field(row, option);
            let (name, value) = text.split_once('=').unwrap_or((&text, "true"));
            set.push(format!(
                "{}{} = {}",
                field(row, prefix),
                identifier(name)?,
                self.literal(value)
            ));
        }
        Ok((!set.is_empty()).then(|| format!("SET ({})", set.join(", "))))
    }

    async fn table(&mut self, made: &mut Definition) -> Result<()> {
        let sql = format!(
            "SELECT c.relpersistence = 'u', m.amname, s.spcname, pg_catalog.pg_get_userbyid(c.relowner), \
             c.relowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user), \
             c.relreplident, pg_catalog.obj_description(c.oid, 'pg_class') \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am m ON m.oid = c.relam \
             LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = {}",
            self.oid
        );
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        let unlogged = if yes(row, 0) { "UNLOGGED " } else { "" };
        let place = match row.text(2) {
            Some(name) => format!(" TABLESPACE {}", identifier(&name)?),
            None => String::new(),
        };
        made.create.push(format!(
            "CREATE {unlogged}TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS) USING {}{place}",
            self.new,
            self.old,
            identifier(&field(row, 1))?
        ));
        if !yes(row, 4) {
            let owner = identifier(&field(row, 3))?;
            made.create
                .push(format!("ALTER TABLE {} OWNER TO {owner}", self.new));
        }
        let identity = match field(row, 5).as_str() {
            "f" => "FULL",
            "n" => "NOTHING",
            _ => "",
        };
        if !identity.is_empty() {
            made.complete.push(format!(
                "ALTER TABLE {} REPLICA IDENTITY {identity}",
                self.new
            ));
        }
        if let Some(comment) = row.text(6) {
            let comment = self.literal(&comment);
            made.complete
                .push(format!("COMMENT ON TABLE {} IS {comment}", self.new));
        }
        let sql = format!(
            "SELECT CASE WHEN x.oid = c.oid THEN '' ELSE 'toast.' END, o FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_class x ON x.oid IN (c.oid, c.reltoastrelid), pg_catalog.unnest(x.reloptions) o WHERE c.oid = {}",
            self.oid
        );
        let rows = self.rows(&sql).await?;
        if let Some(set) = self.options(&rows, 0, 1)? {
            made.create.push(format!("ALTER TABLE {} {set}", self.new));
        }
        Ok(())
    }

    /// Statistics targets and options of columns.
    async fn columns(&mut self, made: &mut Definition) -> Result<()> {
        let sql = format!(
            "SELECT attname, attstattarget FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 \
             AND NOT attisdropped AND coalesce(attstattarget, -1) >= 0",
            self.oid
        );
        for row in self.rows(&sql).await? {
            made.create.push(format!(
                "ALTER TABLE {} ALTER COLUMN {} SET STATISTICS {}",
                self.new,
                identifier(&field(&row, 0))?,
                field(&row, 1)
            ));
        }
        let sql = format!(
            "SELECT attname, '', o FROM pg_catalog.pg_attribute, pg_catalog.unnest(attoptions) o \
             WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
            self.oid
        );
        for row in self.rows(&sql).await? {
            let name = identifier(&field(&row, 0))?;
            if let Some(set) = self.options(std::slice::from_ref(&row), 1, 2)? {
                made.create.push(format!(
                    "ALTER TABLE {} ALTER COLUMN {name} {set}",
                    self.new
                ));
            }
        }
        Ok(())
    }

    /// Indexes, those of constraints too. The unique ones are there before the records, so that a key
    /// that stands twice is refused at its record; the others are built at the end, which is faster.
    async fn indexes(&mut self, made: &mut Definition) -> Result<()> {
        let sql = format!(
            "SELECT x.relname, i.indisunique OR i.indisexclusion, i.indisclustered, i.indisreplident, \
             pg_catalog.pg_get_constraintdef(k.oid), \
             pg_catalog.substr(pg_catalog.pg_get_indexdef(x.oid), 1 + pg_catalog.length(pg_catalog.concat('CREATE ', \
                CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ', pg_catalog.quote_ident(x.relname), ' ON ', \
                pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname), ' '))), \
             pg_catalog.obj_description(x.oid, 'pg_class'), pg_catalog.obj_description(k.oid, 'pg_constraint'), i.indisunique, x.oid \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
             JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x') \
             WHERE i.indrelid = {} ORDER BY x.oid",
            self.oid
        );
        for (number, row) in self.rows(&sql).await?.iter().enumerate() {
            self.index(row, number, made).await?;
        }
        Ok(())
    }

    async fn index(&mut self, row: &Row, number: usize, made: &mut Definition) -> Result<()> {
        let name = identifier(&field(row, 0))?;
        let ours = identifier(&format!("{}_{number}", self.new.name().as_str()))?;
        let qualified = TableName::new(Some(self.schema.clone()), ours.clone());
        let table = self.new;
        let statement = match row.text(4) {
            Some(definition) => format!("ALTER TABLE {table} ADD CONSTRAINT {ours} {definition}"),
            None => format!(
                "CREATE {}INDEX {ours} ON {table} {}",
                if yes(row, 8) { "UNIQUE " } else { "" },
                field(row, 5)
            ),
        };
        if yes(row, 1) {
            made.create.push(statement);
        } else {
            made.complete.push(statement);
        }
        // CREATE INDEX has its options in its text, ADD CONSTRAINT has not.
        if row.text(4).is_some() {
            let sql = format!(
                "SELECT '', o FROM pg_catalog.pg_class x, pg_catalog.unnest(x.reloptions) o WHERE x.oid = {}",
                field(row, 9)
            );
            let rows = self.rows(&sql).await?;
            if let Some(set) = self.options(&rows, 0, 1)? {
                made.create.push(format!("ALTER INDEX {qualified} {set}"));
            }
        }
        if yes(row, 2) {
            made.complete
                .push(format!("ALTER TABLE {table} CLUSTER ON {ours}"));
        }
        if yes(row, 3) {
            made.complete.push(format!(
                "ALTER TABLE {table} REPLICA IDENTITY USING INDEX {ours}"
            ));
        }
        if let Some(comment) = row.text(6) {
            let comment = self.literal(&comment);
            made.complete
                .push(format!("COMMENT ON INDEX {qualified} IS {comment}"));
        }
        if let Some(comment) = row.text(7) {
            let comment = self.literal(&comment);
            made.complete.push(format!(
                "COMMENT ON CONSTRAINT {ours} ON {table} IS {comment}"
            ));
        }
        // The name of a constraint goes with that of its index.
        made.rename
            .push(format!("ALTER INDEX {qualified} RENAME TO {name}"));
        made.names
            .push((ours.as_str().to_owned(), name.as_str().to_owned()));
        Ok(())
    }

    async fn foreign_keys(&mut self, made: &mut Definition) -> Result<()> {
        let sql = format!(
            "SELECT conname, pg_catalog.pg_get_constraintdef(oid), pg_catalog.obj_description(oid, 'pg_constraint') \
             FROM pg_catalog.pg_constraint WHERE conrelid = {} AND contype = 'f' ORDER BY oid",
            self.oid
        );
        for row in self.rows(&sql).await? {
            let (name, table) = (identifier(&field(&row, 0))?, self.new);
            made.complete.push(format!(
                "ALTER TABLE {table} ADD CONSTRAINT {name} {}",
                field(&row, 1)
            ));
            if let Some(comment) = row.text(2) {
                let comment = self.literal(&comment);
                made.complete.push(format!(
                    "COMMENT ON CONSTRAINT {name} ON {table} IS {comment}"
                ));
            }
        }
        Ok(())
    }

    /// An owned sequence changes its owner; an identity column has got another sequence, which begins
    /// where the old one stands, and does not end before it.
    async fn sequences(&mut self, made: &mut Definition) -> Result<()> {
        let sql = format!(
            "SELECT n.nspname, s.relname, a.attname, d.deptype = 'i', pg_catalog.format_type(q.seqtypid, NULL) FROM pg_catalog.pg_depend d \
             JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
             JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
             WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             AND d.refobjid = {} AND d.deptype IN ('a', 'i') ORDER BY s.oid",
            self.oid
        );
        for row in self.rows(&sql).await? {
            let name = identifier(&field(&row, 1))?;
            let sequence = TableName::new(Some(identifier(&field(&row, 0))?), name.clone());
            let column = identifier(&field(&row, 2))?;
            if !yes(&row, 3) {
                made.hand_over.push(format!(
                    "ALTER SEQUENCE {sequence} OWNED BY {}.{column}",
                    self.new
                ));
                continue;
            }
            // The name that the server has given to the new sequence is asked for by its column.
            let table = self.literal(&self.new.to_string());
            let found = format!(
                "pg_catalog.pg_get_serial_sequence({table}, {})",
                self.literal(column.as_str())
            );
            let set = format!(
                "SELECT pg_catalog.setval({found}::pg_catalog.regclass, o.last_value, o.is_called) FROM {sequence} o"
            );
            // Others may have drawn from the old one since.
            made.hand_over.push(format!(
                "{set}, pg_catalog.pg_sequence q, pg_catalog.pg_sequence_last_value({found}::pg_catalog.regclass) AS n (last) \
                 WHERE q.seqrelid = {found}::pg_catalog.regclass AND (n.last IS NULL OR \
                 CASE WHEN q.seqincrement > 0 THEN o.last_value > n.last ELSE o.last_value < n.last END)"
            ));
            made.create.push(set);
            // LIKE makes it a bigint, whatever the column is.
            let changes = [
                format!("AS {}", field(&row, 4)),
                format!("RENAME TO {name}"),
            ];
            let changes = changes.map(|change| {
                let change =
                    self.literal(&format!("ALTER SEQUENCE %s {}", change.replace('%', "%%")));
                format!("EXECUTE pg_catalog.format({change}, {found});")
            });
            let block = self.literal(&format!("BEGIN {} END", changes.concat()));
            // Before the table has its old name; the old sequence is gone by then.
            made.rename
                .insert(0, format!("DO LANGUAGE plpgsql {block}"));
        }
        Ok(())
    }

    /// Their definitions name the table as it will be called.
    async fn statistics(&mut self, made: &mut Definition) -> Result<()> {
        let sql = format!(
            "SELECT pg_catalog.pg_get_statisticsobjdef(oid) FROM pg_catalog.pg_statistic_ext WHERE stxrelid = {} ORDER BY oid",
            self.oid
        );
        let rows = self.rows(&sql).await?;
        made.rename.extend(rows.iter().map(|row| field(row, 0)));
        Ok(())
    }
}

/// The statements that give `new` the rights of the table `oid`: read last, as a GRANT waits for no lock.
pub(super) async fn rights(
    oid: &str,
    new: &TableName,
    session: &mut Session,
) -> Result<Vec<String>, WireError> {
    let name = literal(&new.to_string(), session.standard_conforming_strings());
    let acl = "coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))";
    let of = |table: &str| {
        format!("(SELECT {acl}::text FROM pg_catalog.pg_class c WHERE c.oid = {table})")
    };
    let new_oid = format!("{name}::pg_catalog.regclass");
    let mut statements = Vec::new();
    let same = session
        .rows(&format!("SELECT {} = {}", of(oid), of(&new_oid)))
        .await?;
    if !same.first().is_some_and(|row| yes(row, 0)) {
        let has = format!(
            "SELECT DISTINCT CASE WHEN x.grantee <> 0 THEN pg_catalog.pg_get_userbyid(x.grantee) END \
             FROM pg_catalog.pg_class c, pg_catalog.aclexplode({acl}) x WHERE c.oid = {new_oid}"
        );
        for row in session.rows(&has).await? {
            statements.push(format!("REVOKE ALL ON {new} FROM {}", role(&row, 0)));
        }
        let wanted = format!(
            "SELECT CASE WHEN x.grantee <> 0 THEN pg_catalog.pg_get_userbyid(x.grantee) END, x.privilege_type, x.is_grantable \
             FROM pg_catalog.pg_class c, pg_catalog.aclexplode({acl}) WITH ORDINALITY x WHERE c.oid = {oid} ORDER BY x.ordinality"
        );
        for row in session.rows(&wanted).await? {
            statements.push(grant(&row, "", new));
        }
    }
    let columns = format!(
        "SELECT CASE WHEN x.grantee <> 0 THEN pg_catalog.pg_get_userbyid(x.grantee) END, x.privilege_type, x.is_grantable, a.attname \
         FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) WITH ORDINALITY x \
         WHERE a.attrelid = {oid} AND NOT a.attisdropped ORDER BY a.attnum, x.ordinality"
    );
    for row in session.rows(&columns).await? {
        if let Ok(column) = Identifier::new(field(&row, 3)) {
            statements.push(grant(&row, &column_list(&[column]), new));
        }
    }
    Ok(statements)
}

fn grant(row: &Row, columns: &str, new: &TableName) -> String {
    format!(
        "GRANT {}{columns} ON {new} TO {}{}",
        field(row, 1),
        role(row, 0),
        if yes(row, 2) {
            " WITH GRANT OPTION"
        } else {
            ""
        }
    )
}

/// A role, quoted; everybody where there is none.
fn role(row: &Row, index: usize) -> String {
    let name = row.text(index).and_then(|name| Identifier::new(name).ok());
    name.map_or("PUBLIC".into(), |name| name.to_string())
}

fn field(row: &Row, index: usize) -> String {
    row.text(index).unwrap_or_default().into_owned()
}

fn yes(row: &Row, index: usize) -> bool {
    row.bytes(index) == Some(b"t")
}

fn identifier(name: &str) -> Result<Identifier> {
    Identifier::new(name).map_err(|what| {
        Error::new(
            crate::error::ErrorKind::Server,
            format!("the catalog of the server: {what}"),
        )
    })
}
