//! The database server's process: command line, start, signals, end.

use std::process::ExitCode;

use clap::Parser;
use plimsoll_dbserver::cli::Args;
use plimsoll_dbserver::{offline, process};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's `mi_option_t`.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // Memory that is freed goes back to the system at once: under a pod's limit, what the allocator would keep of it for each
    // thread gets the pod killed. It costs no time that could be measured.
    // SAFETY: the function sets one integer of the allocator, and no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
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
