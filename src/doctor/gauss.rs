//! What a Gauss server makes of a load without a word: values that turn into others, and loads that
//! are too small for a column store.

use tokio::time::timeout;

use super::input::Inputs;
use super::report::Report;
use super::server::{Patient, no_answer};
use crate::error::Result;
use crate::job::{CopyFrom, Header};
use crate::load::{self, catalog, column_store, compatibility};
use crate::name::Identifier;

/// Sentences that are shown without `--verbose`.
const SHOWN: usize = 3;

/// Looks at a step whose table is there. Other servers are asked nothing.
///
/// # Errors
/// The server refuses, the connection falls, or there is no answer.
pub(super) async fn look(
    step: &CopyFrom,
    inputs: &Inputs,
    patient: &mut Patient<'_>,
    topic: &str,
    report: &mut Report,
) -> Result<()> {
    if !patient.session.server().kind.is_gauss() {
        return Ok(());
    }
    let patience = patient.patience;
    let found = timeout(patience, catalog::look_up(&step.table, patient.session)).await;
    let Some(table) = found.map_err(|_| no_answer(patience))?? else {
        return Ok(());
    };
    let columns = filled(step, inputs, &table);
    let risks = compatibility::risks(columns, patient.session.server());
    say(&risks, topic, report);
    let Some(rows) = inputs
        .fewest()
        .filter(|rows| *rows > 0 && table.column_store)
    else {
        return Ok(());
    };
    let partitions = timeout(patience, catalog::partitions(&table, patient.session)).await;
    let partitions = partitions.map_err(|_| no_answer(patience))??;
    let nodes = patient.session.server().nodes;
    let data_nodes = nodes.map_or(1, |nodes| nodes.data_nodes.into());
    let advice = column_store::advice(&step.table.plain(), rows, data_nodes, partitions);
    if let Some(advice) = advice {
        report.warn(
            topic,
            &format!("by the sizes of the files: {advice}"),
            "each file is a COPY by itself: join small ones",
        );
    }
    Ok(())
}

/// The columns that the fields of the files go to.
fn filled<'a>(
    step: &CopyFrom,
    inputs: &Inputs,
    table: &'a catalog::Table,
) -> Vec<&'a catalog::Column> {
    let header = inputs.sample.as_ref().and_then(|sample| {
        let names = sample.begin.header.as_ref()?;
        load::mapped(names, &sample.source).ok()
    });
    let named: Option<Vec<Identifier>> = match step.header {
        Header::Map => header,
        _ => step.columns.clone(),
    };
    match named {
        Some(named) => table
            .columns
            .iter()
            .filter(|column| named.contains(&column.name))
            .collect(),
        None => table.filled().collect(),
    }
}

fn say(risks: &[String], topic: &str, report: &mut Report) {
    if risks.is_empty() {
        return;
    }
    let shown = if report.is_verbose() {
        risks.len()
    } else {
        risks.len().min(SHOWN)
    };
    report.warn(topic, "values may change on their way into the table", "");
    for risk in &risks[..shown] {
        report.below(risk);
    }
    if shown < risks.len() {
        let more = risks.len() - shown;
        report.below(&format!("and {more} more (--verbose)"));
    }
}
