//! A case: the tables, the call, and how it must end.

/// One call to compare.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Unique in the suite.
    pub(crate) name: String,
    /// SQL that makes the tables, in an empty schema `public`. `{database}` stands for the
    /// database's name.
    pub(crate) setup: String,
    /// Settings of the session.
    pub(crate) session: Vec<(&'static str, &'static str)>,
    /// Log in as this user instead of the one who owns everything.
    pub(crate) user: Option<&'static str>,
    /// What is called.
    pub(crate) call: Call,
    /// How it must end on both sides.
    pub(crate) expected: Expected,
}

/// The call, with the arguments that are given.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    /// The content of the file; `None` when the call writes one.
    pub(crate) data: Option<Vec<u8>>,
    /// The table, as psycopg2 takes it: no quotes, no schema.
    pub(crate) table: String,
    /// The job file names the table in the same words, without quotes around a dot.
    pub(crate) table_as_written: bool,
    /// The SQL of `copy_expert`.
    pub(crate) sql: String,
    pub(crate) sep: Option<String>,
    pub(crate) null: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) columns: Option<Vec<String>>,
}

/// psycopg2's three COPY methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    From,
    To,
    Expert,
}

impl Verb {
    /// The method's name, which is also the step's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::From => "copy_from",
            Self::To => "copy_to",
            Self::Expert => "copy_expert",
        }
    }
}

/// How a call must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It succeeds.
    Ok,
    /// The server refuses it with this SQLSTATE.
    Fails(&'static str),
    /// The server refuses it; with what depends on its version.
    Refused,
}

impl Case {
    /// `copy_from` of `data` into `t`.
    pub(crate) fn from(name: impl Into<String>, setup: &str, data: impl AsRef<[u8]>) -> Self {
        Self::new(Verb::From, name, setup, Some(data.as_ref().to_vec()))
    }

    /// `copy_to` from `t`.
    pub(crate) fn to(name: impl Into<String>, setup: &str) -> Self {
        Self::new(Verb::To, name, setup, None)
    }

    /// `copy_expert` that reads `data`, or has no use for a file.
    pub(crate) fn expert_in(
        name: impl Into<String>,
        setup: &str,
        sql: &str,
        data: impl AsRef<[u8]>,
    ) -> Self {
        let mut case = Self::new(Verb::Expert, name, setup, Some(data.as_ref().to_vec()));
        case.call.sql = sql.into();
        case
    }

    /// `copy_expert` that writes.
    pub(crate) fn expert_out(name: impl Into<String>, setup: &str, sql: &str) -> Self {
        let mut case = Self::new(Verb::Expert, name, setup, None);
        case.call.sql = sql.into();
        case
    }

    fn new(verb: Verb, name: impl Into<String>, setup: &str, data: Option<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            setup: setup.into(),
            session: Vec::new(),
            user: None,
            call: Call {
                verb,
                data,
                table: "t".into(),
                table_as_written: false,
                sql: String::new(),
                sep: None,
                null: None,
                size: None,
                columns: None,
            },
            expected: Expected::Ok,
        }
    }

    pub(crate) fn table(mut self, table: &str) -> Self {
        self.call.table = table.into();
        self
    }

    pub(crate) fn table_as_written(mut self, table: &str) -> Self {
        self.call.table_as_written = true;
        self.table(table)
    }

    pub(crate) fn sep(mut self, sep: &str) -> Self {
        self.call.sep = Some(sep.into());
        self
    }

    pub(crate) fn null(mut self, null: &str) -> Self {
        self.call.null = Some(null.into());
        self
    }

    pub(crate) fn size(mut self, size: i64) -> Self {
        self.call.size = Some(size);
        self
    }

    pub(crate) fn columns(mut self, columns: &[&str]) -> Self {
        self.call.columns = Some(columns.iter().map(|&column| column.into()).collect());
        self
    }

    pub(crate) fn session(mut self, name: &'static str, value: &'static str) -> Self {
        self.session.push((name, value));
        self
    }

    pub(crate) fn user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    pub(crate) fn fails(mut self, sqlstate: &'static str) -> Self {
        self.expected = Expected::Fails(sqlstate);
        self
    }

    pub(crate) fn refused(mut self) -> Self {
        self.expected = Expected::Refused;
        self
    }
}
