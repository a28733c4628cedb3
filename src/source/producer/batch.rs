//! Batches of an input: each ends with the first record that ends at a multiple of its size or behind,
//! so that where they begin depends on nothing else.

use super::{Block, End, Fed, Producer, State, unreadable};
use crate::error::Result;
use crate::record::splitter::{LineEnd, Splitter};
use crate::source::Source;

impl Producer {
    /// What comes next begins at `offset`, and a batch with it.
    pub(super) fn go_to(&mut self, offset: u64) {
        self.offset = offset;
        let batch = self.reading.batch;
        self.limit = batch.map(|batch| (offset / batch + 1).saturating_mul(batch));
    }

    /// Cuts a block into records. Where a batch ends in it, what is behind is taken off it: the rest.
    pub(super) fn cut(&mut self, block: &mut Block) -> Option<Vec<u8>> {
        let splitter = self.splitter.as_mut()?;
        let bytes = &block.room[..block.length];
        let behind = self.offset + block.length as u64;
        let Some(limit) = self.limit.filter(|limit| behind >= *limit) else {
            splitter.push(bytes, &mut block.found);
            return None;
        };
        splitter.list(bytes, &mut block.found);
        let mut ends = block.found.ends.iter().copied();
        let end = ends.find(|end| self.offset + u64::from(*end) >= limit)?;
        let rest = bytes[end as usize..].to_vec();
        block.length = end as usize;
        block.found.cut_off(end);
        self.limit = None;
        // Between two records nothing else is remembered.
        let line_end = splitter.line_end();
        self.splitter = self.unused.clone().map(|unused| unused.joining(line_end));
        Some(rest)
    }

    /// Behind the last record of a batch: its end, or where nothing follows that of the input.
    pub(super) fn edge(&mut self, mut rest: Vec<u8>) -> Result<Fed> {
        if rest.is_empty() && !self.read_on(&mut rest, self.block_size())? {
            return Ok(Fed::End(self.end()));
        }
        self.go_to(self.offset);
        self.state = State::Data(rest);
        Ok(Fed::End(End {
            more: true,
            ..End::default()
        }))
    }

    /// Goes on with the record that begins at `offset` of a plain file, and with a batch. What ends
    /// records there.
    pub(in crate::source) fn seek(&mut self, offset: u64) -> Result<LineEnd> {
        let Source::File(path) = self.source.clone() else {
            return Ok(LineEnd::Unknown);
        };
        // The first line end of the file decides what ends all others.
        while self.splitter.as_ref().is_some_and(|it| !it.is_settled()) {
            let State::Data(first) = std::mem::replace(&mut self.state, State::Over) else {
                break;
            };
            self.data(first, Block::default())?;
        }
        let moved = self.input.seek(&path, offset);
        moved.map_err(|cause| unreadable(cause, &self.source, false))?;
        let line_end = self
            .splitter
            .as_ref()
            .map_or(LineEnd::Unknown, Splitter::line_end);
        self.splitter = self.unused.clone().map(|unused| unused.joining(line_end));
        self.go_to(offset);
        self.state = State::Data(Vec::new());
        Ok(line_end)
    }
}
