//! Records of a file that has been read before: where they are, and their bytes.

use crate::error::Result;
use crate::load::file::begin;
use crate::load::lane::input_thread_died;
use crate::load::sieve::LONGEST;
use crate::record::position::{Position, Record, Records};
use crate::run::Stop;
use crate::source::{self, Begin, Fed, Feed, Reading, Source};

/// The place of record `number` (1 is the first) of `source`, which is read again up to there. `None`
/// where it cannot be, or has changed.
pub(super) async fn place(
    source: &Source,
    reading: Reading,
    number: u64,
    stop: &mut Stop,
) -> Option<Position> {
    if !source.can_be_read_again() {
        return None;
    }
    let mut place = None;
    let take = |_: &Begin, record: Record<'_>| {
        place = Some(record.at);
        Ok(())
    };
    records(source, reading, &[number], stop, take).await.ok()?;
    place
}

/// Reads `source` again, and gives the records of these numbers to `each`. `numbers` are in order;
/// nothing is read behind the last of them. Returns how many were there.
///
/// # Errors
/// The source cannot be read, or `each` does not go on.
pub(super) async fn records(
    source: &Source,
    reading: Reading,
    numbers: &[u64],
    stop: &mut Stop,
    mut each: impl FnMut(&Begin, Record<'_>) -> Result<()>,
) -> Result<usize> {
    let reading = Reading {
        listed: true,
        ..reading
    };
    let mut feed = source::feed(source.clone(), reading)?;
    let begin = begin(&mut feed, stop).await?;
    let mut records = Records::new(begin.offset, begin.lines);
    let mut found = 0;
    let mut outcome = Ok(());
    let mut take = |record: Record<'_>| {
        if outcome.is_ok() && numbers.get(found) == Some(&record.at.record) {
            found += 1;
            outcome = each(&begin, record);
        }
    };
    let last = numbers.last().copied().unwrap_or(0);
    // No record that has been loaded is longer.
    while records.count() < last && records.open_bytes() <= LONGEST {
        match next(&mut feed, stop).await? {
            Fed::Block(block) => {
                records.push(block.bytes(), &block.found, &mut take);
                feed.give_back(block);
            }
            Fed::End(end) => {
                if end.open_record {
                    records.finish(&mut take);
                }
                break;
            }
            Fed::Begin(_) => {}
        }
    }
    outcome.map(|()| found)
}

async fn next(feed: &mut Feed, stop: &mut Stop) -> Result<Fed> {
    tokio::select! {
        biased;
        reason = stop.wait() => Err(reason.error()),
        fed = feed.next() => fed.unwrap_or_else(|| Err(input_thread_died())),
    }
}
