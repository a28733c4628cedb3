//! Tests of the dwsload binary as a whole, against real PostgreSQL servers.

mod checks;
mod doctor;
mod embedded;
mod failover;
mod failures;
mod fields;
mod formats;
mod gate;
mod gauss;
mod hosts;
mod jobs;
mod layering;
mod licences;
mod login;
mod parity;
mod places;
mod readme;
mod rejects;
mod retry;
mod server;
mod signals;
mod support;
mod terminal;
mod tls;
mod transactions;
mod wire;
