//! Durable commits of one small row, through the wire.

use super::pgbench::pgbench;
use super::server::Kind;
use super::start;
use crate::measure::medians;
use crate::table::{Better, Goal, Table};
use anyhow::Result;
use std::path::Path;

/// Single-row inserts by 1 and 32 clients.
pub fn run(kinds: &[Kind], rounds: usize, seconds: u32, data: &Path, table: &mut Table) -> Result<()> {
    let mut servers = start(kinds, data, None)?;
    for server in &servers {
        server.sql("create table commits (k bigint primary key, v text not null)")?;
        std::fs::write(
            server.folder().join("commit.sql"),
            "\\set k random(1, 9000000000000000000)\n\
             insert into commits values (:k, '0123456789012345678901234567890123456789') on conflict do nothing;\n",
        )?;
    }
    let seconds = seconds.to_string();
    let arguments = ["-M", "prepared", "-f", "commit.sql", "-T", &seconds];
    for (clients, goals) in [(1, Vec::new()), (32, Goal::each_postgresql(2.0).to_vec())] {
        let rates = medians(rounds, &mut servers, |server| {
            Ok(pgbench(server, clients, &arguments)?.transactions_per_second)
        });
        let what = format!("single-row inserts, prepared, {clients} clients, commits/s");
        table.add(&what, Better::Higher, rates, &goals);
    }
    Ok(())
}
