//! dwsload: bulk loads and unloads for PostgreSQL-wire warehouses, from declarative job files.

pub mod error;
pub mod job;
pub mod name;
pub mod record;
pub mod secret;
pub mod wire;
