//! What is done with a data directory while no server runs on it: `dbserver check` and `dbserver inspect`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use plimsoll_storage::inspect;
use plimsoll_storage::io::RealIo;

use crate::cli::Command;

/// Does it, and writes the answer to standard output. The error is a line for a person.
pub fn run(command: &Command, data: &Path) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match command {
        Command::Check => {
            let checked = inspect::check(&RealIo::shared(), data);
            checked.map_err(|error| error.to_string()).and_then(|report| {
                writeln!(out, "{report}").map_err(|error| error.to_string())?;
                if report.is_sound() { Ok(()) } else { Err(format!("{} is damaged", data.display())) }
            })
        }
        Command::Inspect { file, entries } => {
            let printed = inspect::print(&RealIo::shared(), file, *entries, &mut out);
            printed.map_err(|error| error.to_string())
        }
    };
    let flushed = out.flush().map_err(|error| error.to_string());
    result.and(flushed)
}
