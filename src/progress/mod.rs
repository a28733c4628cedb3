//! What people see. The engine reports [`Event`]s, numbers without wording, to an [`Observer`]:
//! bars on a terminal, plain lines elsewhere.

mod bars;
mod event;
mod json;
mod plain;
mod pulse;
mod reload;
mod table;
pub(crate) mod wording;

use std::io::IsTerminal;

pub use bars::Bars;
pub use event::{Changes, Event, Observer, Outcome, Table};
pub use json::JsonLines;
pub use plain::{Lines, Plain};
pub use pulse::Pulse;

use crate::secret::Secrets;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bars on a terminal, plain lines elsewhere.
    Auto,
    /// Bars.
    Bar,
    /// A line per step.
    Plain,
    /// Problems only.
    None,
}

/// A table as people see it.
pub(crate) fn drawn(table: &Table) -> String {
    table::draw(table)
}

/// Whether the terminal cannot move its cursor, as it says.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Which events are worth a line.
pub(crate) fn lines(style: Style, verbose: bool, secrets: Secrets) -> Lines {
    Lines {
        success: style != Style::None,
        verbose,
        secrets,
        program: std::env::args().next().unwrap_or_else(|| "dwsload".into()),
    }
}

/// The observer for `style`, by what stderr is. `verbose` adds notices and every tag.
pub fn observer(style: Style, verbose: bool, secrets: Secrets) -> Box<dyn Observer> {
    let lines = lines(style, verbose, secrets);
    match style {
        Style::Auto if std::io::stderr().is_terminal() && !is_dumb() => Box::new(Bars::new(lines)),
        Style::Bar => Box::new(Bars::new(lines)),
        Style::Auto | Style::Plain | Style::None => Box::new(Plain::new(lines)),
    }
}
