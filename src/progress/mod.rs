//! What people see. The engine reports [`Event`]s, numbers without wording, to an [`Observer`]:
//! bars on a terminal, plain lines elsewhere.

mod bars;
mod event;
mod plain;
mod table;
mod wording;

use std::io::IsTerminal;

pub use bars::Bars;
pub use event::{Event, Observer, Outcome, Table};
pub use plain::Plain;

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

/// Whether the terminal cannot move its cursor, as it says.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The observer for `style`, by what stderr is.
pub fn observer(style: Style, verbose: bool) -> Box<dyn Observer> {
    match style {
        Style::Auto if std::io::stderr().is_terminal() && !is_dumb() => {
            Box::new(Bars::new(verbose))
        }
        Style::Bar => Box::new(Bars::new(verbose)),
        Style::Auto | Style::Plain => Box::new(Plain::new(true, verbose)),
        Style::None => Box::new(Plain::new(false, verbose)),
    }
}
