//! Where bytes come from: [`expand`] finds the files of a pattern, [`open`] opens and decompresses
//! one, [`feed`] reads it on a thread of its own and cuts it into blocks.

mod expand;
mod feed;
mod open;

pub use expand::{Source, expand};
pub use feed::{Begin, Block, End, EndMarker, Fed, Feed, Reading, feed};
