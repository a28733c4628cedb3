//! Tests of the dwsload binary as a whole, against real PostgreSQL servers.

mod embedded;
mod jobs;
mod layering;
mod licences;
mod parity;
mod readme;
mod support;
mod tls;
mod transactions;
mod wire;
