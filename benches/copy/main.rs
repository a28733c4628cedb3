//! dwsload beside psql, on one PostgreSQL that this program starts: `cargo bench --bench copy`.
//!
//! It prints a table and never fails for being slow: a machine that is busy with other things
//! would make a liar of any limit. What must be true for the figures to mean anything is checked:
//! both clients load the same rows, and both fail where they should.
//!
//! ```text
//! cargo bench --bench copy                            # lineitem of TPC-H at scale 0.5, 5 rounds
//! cargo bench --bench copy -- --rounds 9 --scale 0.1
//! cargo bench --bench copy -- --memory                # peak memory with a small and a large file
//! ```

mod bed;
mod client;
mod data;
mod proxy;
mod report;
#[path = "../../tests/it/support/server.rs"]
mod server;

use std::error::Error;
use std::io::Write;

use clap::Parser;

use bed::{Bed, Side};
use client::Cost;
use report::{Row, median};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Files of `--memory`: their sizes in bytes.
const SIZES: [u64; 2] = [100_000_000, 2_000_000_000];

/// Measures dwsload against psql.
#[derive(Parser)]
struct Arguments {
    /// How often each load is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Scale of the TPC-H data; 1 is 6 million rows, 760 MB
    #[arg(long, default_value_t = 0.5)]
    scale: f64,
    /// How often the one-row job is measured
    #[arg(long, default_value_t = 41)]
    small_rounds: usize,
    /// Measure peak memory with a 100 MB and a 2 GB file, and nothing else
    #[arg(long)]
    memory: bool,
    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    if let Some(order) = client::Order::of_this_process() {
        return order.carry_out();
    }
    let arguments = Arguments::parse();
    let (caption, rows) = if arguments.memory {
        memory()?
    } else {
        speed(&arguments)?
    };
    let table = report::table(&caption, &rows);
    std::io::stdout().write_all(table.as_bytes())?;
    Ok(())
}

/// Time, CPU, bytes after an error, and a job of one row.
fn speed(arguments: &Arguments) -> Result<(String, Vec<Row>)> {
    let file = data::lineitem(arguments.scale)?;
    let bed = Bed::new()?;
    let loads = rounds(arguments.rounds, |side| bed.load(side, &file.path))?;
    let records = bed.check_equal()?;
    let bad = data::first_record_broken(&file)?;
    let after_error = both(|side| bed.bytes_after_error(side, &bad.path))?;
    let small = rounds(arguments.small_rounds, |side| bed.one_row(side))?;

    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let gigabytes = file.bytes as f64 / 1e9;
    let wall = |cost: &Cost| cost.wall.as_secs_f64();
    let cpu_per_gb = |cost: &Cost| cost.cpu.as_secs_f64() / gigabytes;
    let rows = vec![
        Row::ratio("load, start to exit", "s", median(&loads, wall), 1.0),
        Row::ratio("client CPU per GB", "s", median(&loads, cpu_per_gb), 0.5),
        Row::most(
            "sent after an error in record 1",
            "MiB",
            mebibytes(&after_error),
            8.0,
        ),
        Row::most("peak memory", "MiB", median(&loads, Cost::mebibytes), 32.0),
        Row::ratio(
            "one-row job, start to exit",
            "ms",
            median(&small, |cost| wall(cost) * 1e3),
            1.5,
        ),
    ];
    let caption = format!(
        "TPC-H lineitem at scale {}: {records} rows, {:.0} MB of csv. {}, medians of {} rounds \
         (one row: {}), the clients in turn.",
        arguments.scale,
        gigabytes * 1e3,
        bed.describe(),
        arguments.rounds,
        arguments.small_rounds
    );
    Ok((caption, rows))
}

/// Peak memory, which must not depend on the size of the file.
fn memory() -> Result<(String, Vec<Row>)> {
    let bed = Bed::new()?;
    let mut rows = Vec::new();
    for size in SIZES {
        let file = data::lineitem_of(size)?;
        let loads = rounds(1, |side| bed.load(side, &file.path))?;
        bed.check_equal()?;
        let what = format!("peak memory, {} MB of csv", size / 1_000_000);
        rows.push(Row::most(
            &what,
            "MiB",
            median(&loads, Cost::mebibytes),
            32.0,
        ));
    }
    Ok((format!("TPC-H lineitem. {}.", bed.describe()), rows))
}

/// psql's and dwsload's.
struct Pair<T> {
    psql: T,
    dwsload: T,
}

fn both<T>(mut measure: impl FnMut(Side) -> Result<T>) -> Result<Pair<T>> {
    Ok(Pair {
        psql: measure(Side::Psql)?,
        dwsload: measure(Side::Dwsload)?,
    })
}

/// Measures both in turn; who is first changes from round to round.
fn rounds(number: usize, mut measure: impl FnMut(Side) -> Result<Cost>) -> Result<Pair<Vec<Cost>>> {
    let mut costs = Pair {
        psql: Vec::new(),
        dwsload: Vec::new(),
    };
    for round in 0..number.max(1) {
        let mut turn = [Side::Psql, Side::Dwsload];
        turn.rotate_left(round % 2);
        for side in turn {
            let cost = measure(side)?;
            match side {
                Side::Psql => costs.psql.push(cost),
                Side::Dwsload => costs.dwsload.push(cost),
            }
        }
    }
    Ok(costs)
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn mebibytes(bytes: &Pair<u64>) -> Pair<f64> {
    let of = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Pair {
        psql: of(bytes.psql),
        dwsload: of(bytes.dwsload),
    }
}
