//! The table: what was measured beside what is promised.

use crate::Pair;
use crate::client::Cost;

/// One measure of both clients.
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    values: Pair<f64>,
    bound: Bound,
}

/// What dwsload promises.
#[derive(Clone, Copy)]
enum Bound {
    /// At most this many times psql's.
    Ratio(f64),
    /// At most this much.
    Most(f64),
}

impl Row {
    /// A measure that is bound by psql's.
    pub(crate) fn ratio(what: &str, unit: &'static str, values: Pair<f64>, most: f64) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            values,
            bound: Bound::Ratio(most),
        }
    }

    /// A measure with a bound of its own.
    pub(crate) fn most(what: &str, unit: &'static str, values: Pair<f64>, most: f64) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            values,
            bound: Bound::Most(most),
        }
    }

    fn line(&self) -> String {
        let Pair { psql, dwsload } = self.values;
        let ratio = dwsload / psql;
        let (bound, reached) = match self.bound {
            Bound::Ratio(most) => (format!("ratio ≤ {most:.1}"), ratio <= most),
            Bound::Most(most) => (format!("≤ {most:.0} {}", self.unit), dwsload <= most),
        };
        format!(
            "| {} | {} {unit} | {} {unit} | {ratio:.2} | {bound} | {} |\n",
            self.what,
            short(psql),
            short(dwsload),
            if reached { "yes" } else { "no" },
            unit = self.unit,
        )
    }
}

/// Three digits.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The medians of what `measure` tells of each run.
pub(crate) fn median(costs: &Pair<Vec<Cost>>, measure: impl Fn(&Cost) -> f64) -> Pair<f64> {
    let middle = |costs: &[Cost]| {
        let mut values: Vec<f64> = costs.iter().map(&measure).collect();
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        if values.len() % 2 == 0 {
            f64::midpoint(values[half - 1], values[half])
        } else {
            values[half]
        }
    };
    Pair {
        psql: middle(&costs.psql),
        dwsload: middle(&costs.dwsload),
    }
}

/// All rows as a Markdown table, under its caption.
pub(crate) fn table(caption: &str, rows: &[Row]) -> String {
    let lines: String = rows.iter().map(Row::line).collect();
    format!(
        "{caption}\n\n| | psql | dwsload | ratio | bound | reached |\n| --- | ---: | ---: | ---: | --- | --- |\n{lines}"
    )
}
