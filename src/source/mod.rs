//! Where bytes come from: [`expand()`] finds the files of a pattern, `open` opens and decompresses
//! one, `decode` makes UTF-8 of it, `nul` takes zero bytes out, `preamble` reads what comes before the data, `producer` cuts the
//! rest into blocks, [`feed()`] hands them over without blocking.

mod content;
mod decode;
mod expand;
mod feed;
mod gzip;
mod nul;
mod open;
mod preamble;
mod producer;

pub use content::{Content, content, number_of};
pub(crate) use content::{Hasher, Sum};
pub use decode::OnMalformed;
pub use expand::{Source, Stamp, expand};
pub(crate) use expand::{could_name, name_in};
pub use feed::{Feed, feed};
pub use producer::{Begin, Block, CutShort, End, EndMarker, Fed, Reading};
