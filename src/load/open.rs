//! A file that is open, at its start or at the start of a batch.

use super::file::{begin, reading};
use super::lane::input_thread_died;
use super::once::Input;
use crate::error::Result;
use crate::job::CopyFrom;
use crate::progress::Event;
use crate::record::position::{Position, Positions};
use crate::record::splitter::LineEnd;
use crate::run::{Stage, Stop};
use crate::source::{self, Begin, Fed, Feed, Reading};
use crate::wire::server::Ability;

/// A file under way.
pub(super) struct Open {
    pub(super) feed: Feed,
    /// Where what comes next begins.
    pub(super) begin: Begin,
    /// The server ends the data at a line `\.`.
    pub(super) markers: bool,
    /// Bytes of it that have been sent.
    pub(super) sent: u64,
}

/// Where reading has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// The record that comes next, or where that would be.
    pub(super) next: Position,
    /// What ends records, as far as that is known.
    pub(super) line_end: LineEnd,
    /// Another batch follows.
    pub(super) more: bool,
}

impl Open {
    /// Opens a file, to be cut into batches of so many bytes, where it is.
    ///
    /// # Errors
    /// It cannot be opened, or does not begin as the step says.
    pub(super) async fn new(
        step: &CopyFrom,
        input: &Input,
        batch: Option<u64>,
        stage: &mut Stage<'_>,
    ) -> Result<Self> {
        let csv_markers = stage.session.server().can(Ability::CsvEndMarker);
        let reading = Reading {
            content: input.content(),
            stamp: stage.stamp_of(&input.source),
            batch,
            ..reading(step, csv_markers)
        };
        let markers = reading.markers;
        let mut feed = source::feed(input.source.clone(), reading)?;
        let begin = begin(&mut feed, &mut stage.stop).await?;
        stage.observer.observe(Event::FileStarted {
            name: &input.source.to_string(),
            size: begin.size,
        });
        Ok(Self {
            feed,
            begin,
            markers,
            sent: 0,
        })
    }

    /// Goes on behind a batch that has been read.
    pub(super) fn go_on(&mut self, reached: Reached) {
        self.begin = self.begin.behind(reached.next, reached.line_end);
    }

    /// Reads to the end of a batch, which is none of ours.
    ///
    /// # Errors
    /// The file cannot be read, or the run is to stop.
    pub(super) async fn pass(&mut self, stop: &mut Stop) -> Result<Reached> {
        let begin = &self.begin;
        let mut positions = Positions::new(begin.offset, begin.lines).behind(begin.records);
        let mut line_end = begin.line_end;
        loop {
            let fed = tokio::select! {
                biased;
                reason = stop.wait() => return Err(reason.error()),
                fed = self.feed.next() => fed.unwrap_or_else(|| Err(input_thread_died()))?,
            };
            match fed {
                Fed::Begin(_) => {}
                Fed::Block(mut block) => {
                    line_end = block.found.line_end;
                    let found = std::mem::take(&mut block.found);
                    block.found = positions
                        .push(block.bytes().len(), found)
                        .unwrap_or_default();
                    self.feed.give_back(block);
                }
                Fed::End(end) => {
                    if end.open_record {
                        positions.end_last();
                    }
                    return Ok(Reached {
                        next: positions.open_record(),
                        line_end,
                        more: end.more,
                    });
                }
            }
        }
    }

    /// Goes to the record at `next` without reading what is before it; `false` where that cannot be.
    ///
    /// # Errors
    /// The file cannot be read there.
    pub(super) fn seek(&mut self, next: Position) -> Result<bool> {
        let Some(line_end) = self.feed.seek(next.offset)? else {
            return Ok(false);
        };
        self.begin = self.begin.behind(next, line_end);
        Ok(true)
    }
}
