//! dwsload: bulk loads and unloads for PostgreSQL-wire warehouses, from declarative job files.
//!
//! ```text
//! job file ─ job ─▶ Job ─ run ─▶ steps, in transactions ─▶ progress ─▶ people, cron
//!
//! load:    source: bytes ─ decompress ─ splitter ─▶ Block ─▶ lane: COPY on a Session ─▶ COMMIT
//! unload:  Session: COPY ─▶ block ─▶ sink: compress ─ write ─▶ COMMIT ─▶ final name
//! ```
//!
//! Follow one record from file to commit: [`job`], [`run`], `load`, [`source`], [`record`], [`wire`].

mod arrival;
pub mod check;
pub mod cli;
pub mod command;
pub mod doctor;
pub mod embedded;
pub mod error;
pub mod job;
mod ledger;
mod load;
mod lock;
pub mod name;
pub mod progress;
pub mod record;
pub mod report;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod sink;
pub mod source;
mod unload;
pub mod wire;
