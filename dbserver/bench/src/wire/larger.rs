//! Random reads of a data set ten times the memory limit, the system's file cache counted.

use super::copy::{ROW_BYTES, fill};
use super::pgbench::pgbench;
use super::server::Kind;
use super::start;
use crate::measure::medians;
use crate::table::{Better, Goal, Table};
use anyhow::Result;
use std::path::Path;

/// How much to read.
#[derive(clap::Args)]
pub struct Amount {
    /// Memory limit of each server; the data set is ten times as large.
    #[arg(long, default_value_t = 256)]
    larger_limit_mib: u64,
}

const CLIENTS: u32 = 8;

/// Loads one server after the other, then reads in turn.
pub fn run(
    amount: &Amount,
    kinds: &[Kind],
    rounds: usize,
    seconds: u32,
    data: &Path,
    table: &mut Table,
) -> Result<()> {
    let limit_bytes = amount.larger_limit_mib << 20;
    let rows = limit_bytes * 10 / ROW_BYTES;
    let mut servers = start(kinds, data, Some(limit_bytes))?;
    let loads = medians(1, &mut servers, |server| {
        let begun = std::time::Instant::now();
        fill(server, rows)?;
        std::fs::write(
            server.folder().join("read.sql"),
            format!("\\set k random(1, {rows})\nselect v from kv where k = :k;\n"),
        )?;
        Ok(rows as f64 / begun.elapsed().as_secs_f64())
    });
    let under = format!("{rows} rows, 10 × the limit of {} MiB", amount.larger_limit_mib);
    table.add(&format!("COPY of {under}, rows/s"), Better::Higher, loads, &[]);
    let seconds = seconds.to_string();
    let arguments = ["-M", "prepared", "-f", "read.sql", "-T", &seconds];
    let reads = medians(rounds, &mut servers, |server| {
        Ok(pgbench(server, CLIENTS, &arguments)?.transactions_per_second)
    });
    let what = format!("random reads of {under}, {CLIENTS} clients, reads/s");
    table.add(&what, Better::Higher, reads, &Goal::each_postgresql(1.0));
    let disk = medians(1, &mut servers, |server| Ok(server.disk_bytes()?.0 as f64 / f64::from(1 << 20)));
    table.add("their bytes on disk, MiB", Better::Lower, disk, &[]);
    Ok(())
}
