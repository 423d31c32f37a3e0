//! The database server's process: command line, start, signals, end.

use std::process::ExitCode;

use clap::Parser;
use plimsoll_dbserver::cli::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match plimsoll_dbserver::process::run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dbserver: {error}");
            ExitCode::FAILURE
        }
    }
}
