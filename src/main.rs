//! The dwsload binary: parses, runs, prints the error, exits.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use dwsload::cli::Cli;
use dwsload::{command, error};

fn main() -> ExitCode {
    match command::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // A stderr that has gone cannot be told so.
            let _ = std::io::stderr().write_all(error::render(&error).as_bytes());
            error.exit_code()
        }
    }
}
