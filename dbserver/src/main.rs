//! The database server's process: command line, start, signals, end.

use std::process::ExitCode;

use clap::Parser;
use plimsoll_dbserver::cli::Args;
use plimsoll_dbserver::{offline, process};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.command {
        None => process::run(&args).map_err(|error| error.to_string()),
        Some(command) => offline::run(command, &args.data_dir),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dbserver: {error}");
            ExitCode::FAILURE
        }
    }
}
