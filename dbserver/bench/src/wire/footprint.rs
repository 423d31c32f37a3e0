//! What a number of TPC-B transactions leaves on the disk, and what was written there on the way.
//!
//! The server is closed and opened between the load and the run, and closed after it: so that all that the run changed is in
//! the files, and nothing that the load did is counted.

use super::pgbench::{initialize, pgbench};
use super::server::Kind;
use super::start;
use crate::table::{Better, Goal, Table};
use anyhow::Result;
use std::path::Path;

/// How much to do.
#[derive(clap::Args)]
pub struct Amount {
    /// pgbench's scale.
    #[arg(long, default_value_t = 50)]
    footprint_scale: u32,
    /// Transactions of TPC-B.
    #[arg(long, default_value_t = 200_000)]
    footprint_transactions: u32,
}

/// Bytes of the rows that one transaction changes or inserts, in PostgreSQL's types: an account (three integers, char(84)), a
/// teller (three integers), a branch (two), an entry of the history (four, timestamp).
const CHANGED_BYTES: f64 = 96.0 + 12.0 + 8.0 + 24.0;
const CLIENTS: u32 = 8;

/// One run on each server, one after the other.
pub fn run(amount: &Amount, kinds: &[Kind], data: &Path, table: &mut Table) -> Result<()> {
    let (mut total, mut files, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for kind in kinds {
        let mut servers = start(std::slice::from_ref(kind), data, None)?;
        for server in &mut servers {
            initialize(server, amount.footprint_scale)?;
            server.close()?;
            server.open()?;
            let before = server.cgroup().written_bytes()?;
            let each = (amount.footprint_transactions / CLIENTS).to_string();
            let report = pgbench(server, CLIENTS, &["-M", "prepared", "-t", &each])?;
            server.close()?;
            let bytes = server.cgroup().written_bytes()? - before;
            let (all, log) = server.disk_bytes()?;
            let mib = |bytes: u64| Some(bytes as f64 / f64::from(1 << 20));
            total.push(mib(all));
            files.push(mib(all - log));
            written.push(Some(bytes as f64 / (report.transactions * CHANGED_BYTES)));
        }
    }
    let goals = Goal::each_postgresql(2.0);
    let after = format!("after {} TPC-B at scale {}", amount.footprint_transactions, amount.footprint_scale);
    table.add(&format!("on disk {after}, MiB"), Better::Lower, total, &goals);
    table.add(&format!("on disk {after}, MiB: without the log"), Better::Lower, files, &[]);
    table.add("bytes written per byte changed by them", Better::Lower, written, &goals);
    Ok(())
}
