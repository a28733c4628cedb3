//! A closer look at what a Gauss server makes of a load. Other servers are asked nothing.

use super::catalog;
use super::compatibility::Findings;
use crate::error::Result;
use crate::name::TableName;
use crate::run::Stage;
use crate::wire::session::Session;

/// What is looked at in a step, over all its files.
pub(super) struct Scrutiny {
    /// Values that the server turns into others.
    pub(super) findings: Option<Findings>,
}

impl Scrutiny {
    /// Looks up the table `name`, where that matters.
    pub(super) async fn new(name: &TableName, session: &mut Session) -> Result<Self> {
        let table = if session.server().kind.is_gauss() {
            // Without one, the COPY is refused in the server's own words.
            catalog::look_up(name, session).await?
        } else {
            None
        };
        let findings = table.as_ref();
        Ok(Self {
            findings: findings.and_then(|table| Findings::new(table, session.server())),
        })
    }

    /// Says what there is to say when every file is in.
    pub(super) fn report(&self, stage: &Stage<'_>) {
        for warning in self.findings.iter().flat_map(Findings::warnings) {
            stage.warn(&warning);
        }
    }
}
