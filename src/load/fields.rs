//! The fields of records as text, in a temporary table, from which SQL makes the rows: where
//! expressions or a condition are to be computed, and where a server does not survive a COPY that
//! fails, but an INSERT.

use super::catalog::Table;
use super::mapping::Mapping;
use super::origin::{Numbering, Origin};
use crate::job::Shaping;
use crate::name::{TableName, column_list};
use crate::record::dialect::{Dialect, Format};
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};
use crate::wire::session::Session;

/// Its name. It lives no longer than its file, so that one name is enough.
pub(super) const NAME: &str = "dwsload_fields";
/// The column that numbers the records.
const RECORD: &str = "dwsload_record";

/// The table, and the statements around it.
#[derive(Debug)]
pub(super) struct FieldsTable {
    create: String,
    /// A query that gives a row of its columns.
    row: String,
    copy: String,
    /// `INSERT INTO ... SELECT ... FROM` it.
    insert: String,
    /// The condition of the records that are wanted.
    filter: Option<String>,
    /// What computes rows may change nothing but temporary tables.
    guarded: bool,
}

/// What became of records in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Inserted {
    /// Rows, by the server's count.
    pub(super) rows: u64,
    /// Records that the condition leaves out.
    pub(super) filtered: u64,
}

impl FieldsTable {
    /// For a file with this mapping, on its way into a table of these columns.
    pub(super) fn new(
        shaping: &Shaping,
        mapping: &Mapping,
        numbering: Option<&Numbering>,
        (into, table): (&TableName, &Table),
        server: &Server,
    ) -> Self {
        let text = mapping
            .sent
            .iter()
            .map(|sent| format!(", {} text", sent.name));
        let text: String = text.collect();
        let nulls = mapping
            .sent
            .iter()
            .map(|sent| format!(", CAST(NULL AS text) AS {}", sent.name));
        let nulls: String = nulls.collect();
        let distributed = server
            .answer(Ability::DistributeBy)
            .how()
            .unwrap_or_default();
        let behind = if distributed.starts_with("DISTRIBUTE BY HASH") {
            format!(" DISTRIBUTE BY HASH ({RECORD})")
        } else if distributed.starts_with("DISTRIBUTED BY") {
            format!(" DISTRIBUTED BY ({RECORD})")
        } else {
            String::new()
        };
        let options = Dialect::new(Format::Text).copy_options(true);
        let direct = mapping.sent.iter().filter(|sent| sent.direct).map(|sent| {
            let column = table.columns.iter().find(|column| column.name == sent.name);
            match column.and_then(|column| column.cast.as_ref()) {
                Some(cast) => format!("CAST({} AS {cast})", sent.name),
                None => sent.name.to_string(),
            }
        });
        let computed = shaping.select.iter().map(|(_, sql)| format!("({sql}\n)"));
        let number = numbering.map(|Numbering { file, .. }| {
            let before = Origin::new(*file, 0).number();
            format!("{RECORD} + {before}")
        });
        let values: Vec<String> = direct.chain(computed).chain(number).collect();
        let mut columns = mapping.columns.clone();
        columns.extend(numbering.map(|numbering| numbering.column.clone()));
        Self {
            create: format!("CREATE TEMP TABLE {NAME} ({RECORD} bigint{text}){behind}"),
            row: format!("SELECT CAST(NULL AS bigint) AS {RECORD}{nulls}"),
            copy: format!("COPY {NAME} FROM stdin {options}"),
            insert: format!(
                "INSERT INTO {into}{} SELECT {} FROM {NAME}",
                column_list(&columns),
                values.join(", ")
            ),
            filter: shaping.filter.clone(),
            guarded: false,
        }
    }

    /// The same, where nothing else is to be changed by what computes rows.
    pub(super) fn guarded(self, guarded: bool) -> Self {
        Self { guarded, ..self }
    }

    /// Makes the table, and has the server look at the statements that will use it.
    ///
    /// # Errors
    /// The server refuses one of them.
    pub(super) async fn make(&self, session: &mut Session) -> Result<(), WireError> {
        session.run(&format!("DROP TABLE IF EXISTS {NAME}")).await?;
        session.run(&self.create).await?;
        if let Some(delete) = self.delete("false") {
            session.run(&delete).await?;
        }
        session.run(&format!("{} WHERE false", self.insert)).await?;
        Ok(())
    }

    /// A statement that makes a row as it would from the table, which need not be there.
    pub(super) fn rehearsal(&self) -> String {
        let condition = self
            .filter
            .as_ref()
            .map(|filter| format!(" WHERE ({filter}\n) IS TRUE"));
        let from = format!("({}) AS {NAME}{}", self.row, condition.unwrap_or_default());
        let insert = self.insert.strip_suffix(NAME).unwrap_or(&self.insert);
        format!("{insert}{from}")
    }

    /// The COPY that fills it.
    pub(super) fn copy(&self) -> &str {
        &self.copy
    }

    /// Makes rows of the records from `first` to `last`, which are in it; inside a transaction that
    /// is to go on after a failure, `behind` a savepoint.
    ///
    /// # Errors
    /// The server refuses one of them; then none of them is in.
    pub(super) async fn insert_behind(
        &self,
        behind: bool,
        first: u64,
        last: u64,
        session: &mut Session,
    ) -> Result<Inserted, WireError> {
        if !behind {
            return self.insert(first, last, session).await;
        }
        session.run("SAVEPOINT dwsload_batch").await?;
        if self.guarded {
            // It ends with the savepoint.
            session.run("SET TRANSACTION READ ONLY").await?;
        }
        match self.insert(first, last, session).await {
            Ok(inserted) => {
                session.run("RELEASE SAVEPOINT dwsload_batch").await?;
                Ok(inserted)
            }
            Err(WireError::Refused(said)) => {
                // The next COPY must not stand behind it.
                session
                    .run("ROLLBACK TO SAVEPOINT dwsload_batch; RELEASE SAVEPOINT dwsload_batch")
                    .await?;
                Err(WireError::Refused(said))
            }
            Err(error) => Err(error),
        }
    }

    async fn insert(
        &self,
        first: u64,
        last: u64,
        session: &mut Session,
    ) -> Result<Inserted, WireError> {
        let range = format!("{RECORD} BETWEEN {first} AND {last}");
        let filtered = match self.delete(&range) {
            Some(delete) => affected(&session.run(&delete).await?),
            None => 0,
        };
        let insert = format!("{} WHERE {range} ORDER BY {RECORD}", self.insert);
        let rows = affected(&session.run(&insert).await?);
        Ok(Inserted { rows, filtered })
    }

    /// Takes the records out that are not wanted.
    fn delete(&self, range: &str) -> Option<String> {
        let filter = self.filter.as_ref()?;
        Some(format!(
            "DELETE FROM {NAME} WHERE {range} AND ({filter}\n) IS NOT TRUE"
        ))
    }

    /// Makes room for other records.
    ///
    /// # Errors
    /// The server refuses.
    pub(super) async fn clear(&self, session: &mut Session) -> Result<(), WireError> {
        session.run(&format!("TRUNCATE TABLE {NAME}")).await?;
        Ok(())
    }

    /// Drops it.
    ///
    /// # Errors
    /// The server refuses.
    pub(super) async fn remove(&self, session: &mut Session) -> Result<(), WireError> {
        session.run(&format!("DROP TABLE {NAME}")).await?;
        Ok(())
    }
}

/// The count in the last command tag: `INSERT 0 3`, `DELETE 3`.
fn affected(tags: &[String]) -> u64 {
    let count = tags
        .last()
        .and_then(|tag| tag.rsplit(' ').next()?.parse().ok());
    count.unwrap_or(0)
}
