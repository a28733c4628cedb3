//! Records as bytes: no I/O, no tasks.
//!
//! [`charset`] makes UTF-8 of what a file is in, [`dialect`] says how a format is cut and [`cut`] where
//! its records end, [`splitter`] and [`binary`] cut (`lines` counts where that is enough),
//! [`position`] remembers where each record came from, [`header`] reads the names in a first record,
//! [`fields`] cuts records into values and [`check`] tells what the server will say of them,
//! [`oddities`] tells what it will not say, and [`utf16`] is no text at all.
//!
//! What no server reads is read here: a [`layout`] makes [`values`] of a record, and [`encode`]
//! writes them as COPY wants them. A [`mask`] rewrites dates.

pub mod binary;
pub mod charset;
pub mod check;
pub mod cut;
pub mod dialect;
pub mod encode;
mod escapes;
pub mod fields;
pub mod header;
pub mod layout;
mod lines;
pub mod mask;
pub mod oddities;
pub mod position;
pub mod splitter;
pub mod utf16;
pub mod values;
