//! The place of a record in a file that has been read before.

use crate::record::position::{Position, Positions};
use crate::source::{self, Fed, Reading, Source};

/// The place of record `number` (1 is the first) of `source`, which is read again up to there. `None`
/// where it cannot be, or has changed.
pub(super) async fn record(source: &Source, reading: Reading, number: u64) -> Option<Position> {
    if !source.can_be_read_again() {
        return None;
    }
    let mut feed = source::feed(source.clone(), reading).ok()?;
    let mut positions = Positions::new(0, 0);
    while positions.records() < number {
        match feed.next().await? {
            Ok(Fed::Begin(begin)) => positions = Positions::new(begin.offset, begin.lines),
            Ok(Fed::Block(mut block)) => {
                let found = std::mem::take(&mut block.found);
                block.found = positions
                    .push(block.bytes().len(), found)
                    .unwrap_or_default();
                feed.give_back(block);
            }
            Ok(Fed::End(end)) => {
                if end.open_record {
                    positions.end_last();
                }
                break;
            }
            Err(_) => return None,
        }
    }
    (positions.records() >= number).then(|| last_block(&positions, source, number))?
}

/// The most lines that are looked at: no record has so many.
const LINES: u64 = 1 << 40;

/// A record that ends in the last block. The server's lines, which `positions` go by, are as many as
/// the records or more.
fn last_block(positions: &Positions, source: &Source, number: u64) -> Option<Position> {
    let place = |line| positions.find(line, |offset, length| source.reread(offset, length));
    // What is too long ago is before it.
    let is_before = |line| place(line).is_none_or(|at| at.record < number);
    // Doubling finds a line behind the record, halving its own.
    let mut low = number;
    let mut step = 1;
    while is_before(low + step) {
        low += step;
        step *= 2;
        if step > LINES {
            return None;
        }
    }
    let mut high = low + step;
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    place(high).filter(|at| at.record == number)
}
