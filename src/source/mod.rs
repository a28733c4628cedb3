//! Where bytes come from: [`expand()`] finds the files of a pattern, `open` opens and decompresses
//! one, `producer` reads it and cuts it into blocks, [`feed()`] hands them over without blocking.

mod expand;
mod feed;
mod gzip;
mod open;
mod producer;

pub use expand::{Source, expand};
pub use feed::{Feed, feed};
pub use producer::{Begin, Block, End, EndMarker, Fed, Reading};
