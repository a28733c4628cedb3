//! What a check has found out about a step.

use std::cell::RefCell;

use crate::error::Error;
use crate::job::{Action, CopyFrom, MostRejects, Step, Unload};
use crate::load::Inspected;
use crate::progress::{Event, Observer};

/// What came of one step.
#[derive(Debug)]
pub(super) struct Looked {
    /// What it does.
    pub(super) what: String,
    /// Facts about it, each with the name of its kind.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Its files, in their order.
    pub(super) files: Vec<File>,
    /// What people should know, though a run goes on.
    pub(super) warnings: Vec<String>,
    /// What would stop a run.
    pub(super) errors: Vec<Error>,
}

/// One file of a step.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// It was read.
    Read(Inspected),
    /// It cannot be loaded as a whole; the errors say why.
    Failed,
    /// It was not read, for this reason.
    Unread(String),
}

impl Looked {
    pub(super) fn new(step: &Step) -> Self {
        Self {
            what: what(&step.action),
            facts: Vec::new(),
            files: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn fact(&mut self, kind: &'static str, text: impl Into<String>) {
        self.facts.push((kind, text.into()));
    }

    /// What was read of all files.
    pub(super) fn total(&self) -> Inspected {
        let mut total = Inspected {
            size: Some(0),
            ..Inspected::default()
        };
        for file in &self.files {
            if let State::Read(read) = &file.state {
                total.size = total.size.zip(read.size).map(|(sum, size)| sum + size);
                total.bytes += read.bytes;
                total.records += read.records;
                total.rejected += read.rejected;
            }
        }
        total
    }
}

fn what(action: &Action) -> String {
    match action {
        Action::Sql(sql) => match sql.statements.len() {
            1 => "sql, not run".into(),
            several => format!("sql, {several} statements, not run"),
        },
        Action::Expect(_) => "expect, not run".into(),
        Action::CopyExpert(_) => "copy_expert, not run".into(),
        Action::CopyFrom(load) => format!("copy_from into {}", load.table.plain()),
        Action::CopyTo(unload) => {
            let from = match &unload.what {
                Unload::Table(table, _) => table.plain(),
                Unload::Query(_) => "a query".into(),
            };
            format!("copy_to {} from {from}, not run", unload.output)
        }
    }
}

/// `append; the first bad record stops the job`.
pub(super) fn mode(load: &CopyFrom) -> String {
    let mode = load.mode.word();
    match &load.rejecting {
        None => format!("{mode}; the first bad record stops the job"),
        Some(rejecting) => {
            let most = match rejecting.most {
                MostRejects::Any => "any number but not all".into(),
                most => format!("at most {most}"),
            };
            let folder = rejecting.folder.display();
            format!("{mode}; bad records are set aside, {most}, in {folder}")
        }
    }
}

/// Shows how far the reading of a file is, and keeps what is to be warned of.
pub(super) struct Listener<'a> {
    observer: &'a dyn Observer,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Listener<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            warnings: RefCell::default(),
        }
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }
}

impl Observer for Listener<'_> {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Warning(text) => self.warnings.borrow_mut().push(text.to_owned()),
            // The page says so.
            Event::Connected { .. } => {}
            event => self.observer.observe(event),
        }
    }
}
