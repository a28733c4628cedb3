//! One session, and the file that fills it: blocks from the feed into one COPY.

use super::compatibility::Inspector;
use crate::error::Error;
use crate::progress::{Event, Observer};
use crate::record::binary;
use crate::record::dialect::Format;
use crate::record::oddities::Oddities;
use crate::record::position::Positions;
use crate::record::splitter::LineEnd;
use crate::run::{Reason, Stop};
use crate::source::{Begin, Block, CutShort, End, EndMarker, Fed, Feed};
use crate::wire::error::WireError;
use crate::wire::session::Exchange;

/// Why a COPY did not get to its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The input cannot be read or used.
    Input(Error),
    /// The server said no, or the connection fell.
    Wire(WireError),
    /// The data has an end-of-data marker where rows would vanish.
    Marker(EndMarker),
    /// A binary file without its trailer: cut short.
    NoTrailer,
    /// A signal or a timeout.
    Asked(Reason),
}

impl From<WireError> for Stopped {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// What has gone through.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Where the records came from.
    pub(crate) positions: Positions,
    /// Bytes sent.
    pub(crate) bytes: u64,
    /// Bytes of the same file that other COPYs have sent.
    before: u64,
    /// How the input ended, once it has.
    pub(crate) end: End,
    /// Who looks at the values, where the server may change some.
    inspector: Option<Inspector>,
    /// The encoding that the data is in, where that is plainly not UTF-8.
    pub(super) utf16: Option<&'static str>,
    /// The COPY is the user's own, and so are its bytes, whatever they are.
    by_hand: bool,
    /// What ends records, as far as that is known.
    pub(super) line_end: LineEnd,
    /// What is in the data that the server takes without a word.
    pub(super) oddities: Option<Oddities>,
}

impl Lane {
    /// A lane for the file that begins so.
    pub(crate) fn new(begin: &Begin) -> Self {
        Self {
            positions: Positions::new(begin.offset, begin.lines).behind(begin.records),
            bytes: 0,
            before: 0,
            end: End::default(),
            inspector: None,
            utf16: begin.utf16,
            by_hand: false,
            line_end: begin.line_end,
            oddities: None,
        }
    }

    /// The same for a COPY that was written by hand.
    pub(crate) fn by_hand(mut self) -> Self {
        self.by_hand = true;
        self
    }

    /// The same, where what is odd in the data is to be noted.
    pub(super) fn noting(mut self, oddities: Option<Oddities>) -> Self {
        self.oddities = oddities;
        self
    }

    /// The same, where other COPYs have sent so many bytes of the file.
    pub(super) fn after(mut self, bytes: u64) -> Self {
        self.before = bytes;
        self
    }

    /// The same, with somebody to look at the values that are sent.
    pub(super) fn inspected(mut self, inspector: Option<Inspector>) -> Self {
        self.inspector = inspector;
        self
    }

    /// Who has looked at the values.
    pub(super) fn into_inspector(self) -> Option<Inspector> {
        self.inspector
    }

    /// Sends the whole input into the COPY that `exchange` has begun, up to and including the end
    /// of the data. On an error other than the server's the COPY is failed, so that nothing of it
    /// is loaded and the connection is usable.
    pub(crate) async fn fill(
        &mut self,
        exchange: &mut Exchange<'_>,
        feed: &mut Feed,
        format: Format,
        observer: &dyn Observer,
        stop: &mut Stop,
    ) -> Result<(), Stopped> {
        let outcome = match self.pump(exchange, feed, observer, stop).await {
            Ok(()) => self.check_end(),
            stopped => stopped,
        };
        match outcome {
            Ok(()) => {
                // An empty file is a binary file of no records; a server misses its signature.
                if format == Format::Binary && self.bytes == 0 && !self.by_hand {
                    exchange.send(binary::EMPTY).await?;
                }
                Ok(exchange.end_data().await?)
            }
            Err(Stopped::Wire(error)) => Err(Stopped::Wire(error)),
            Err(stopped) => {
                exchange.fail_data(stopped.reason()).await?;
                Err(stopped)
            }
        }
    }

    async fn pump(
        &mut self,
        exchange: &mut Exchange<'_>,
        feed: &mut Feed,
        observer: &dyn Observer,
        stop: &mut Stop,
    ) -> Result<(), Stopped> {
        loop {
            let fed = tokio::select! {
                biased;
                reason = stop.wait() => return Err(Stopped::Asked(reason)),
                fed = feed.next() => fed,
                // The server may give up while the input has nothing for it.
                error = exchange.refused() => return Err(error.into()),
            };
            match fed {
                Some(Ok(Fed::Block(block))) => self.send(block, exchange, feed).await?,
                Some(Ok(Fed::End(end))) => {
                    self.end = end;
                    if end.open_record {
                        self.positions.end_last();
                    }
                    if let Some(inspector) = &mut self.inspector {
                        inspector.finish();
                    }
                    return Ok(());
                }
                Some(Ok(Fed::Begin(_))) => {}
                Some(Err(error)) => return Err(Stopped::Input(error)),
                None => return Err(Stopped::Input(input_thread_died())),
            }
            let (disk, records) = (feed.taken(), self.positions.records());
            observer.observe(Event::Moved {
                disk,
                bytes: self.before + self.bytes,
                records,
            });
        }
    }

    async fn send(
        &mut self,
        mut block: Block,
        exchange: &mut Exchange<'_>,
        feed: &mut Feed,
    ) -> Result<(), Stopped> {
        self.line_end = block.found.line_end;
        // Before it is sent: the server may complain of it while it is on its way.
        let old = self
            .positions
            .push(block.bytes().len(), std::mem::take(&mut block.found));
        if let Some(oddities) = &mut self.oddities {
            oddities.look(block.bytes());
        }
        exchange.send(block.bytes()).await?;
        if let Some(inspector) = &mut self.inspector {
            inspector.look(block.bytes());
        }
        self.bytes += block.bytes().len() as u64;
        block.found = old.unwrap_or_default();
        feed.give_back(block);
        Ok(())
    }

    fn check_end(&self) -> Result<(), Stopped> {
        match self.end.cut_short {
            // Of the rest, the server speaks to those who send bytes of their own.
            Some(CutShort::Inside) if self.by_hand => {}
            Some(_) if self.bytes > 0 => return Err(Stopped::NoTrailer),
            _ => {}
        }
        match self.end.marker {
            Some(marker) if marker.followed || !marker.alone => Err(Stopped::Marker(marker)),
            _ => Ok(()),
        }
    }
}

impl Stopped {
    /// What the server is told of a COPY that is failed.
    fn reason(&self) -> &'static str {
        match self {
            Self::Input(_) => "the input cannot be read",
            Self::Marker(_) => "data follows an end-of-data marker",
            Self::NoTrailer => "the binary data is cut short",
            Self::Asked(_) | Self::Wire(_) => "the load was stopped",
        }
    }
}

pub(crate) fn input_thread_died() -> Error {
    Error::new(
        crate::error::ErrorKind::Data,
        "the reading thread ended without a word",
    )
}
