//! How long a server takes to answer again after `kill -9` with as much log to replay as it lets become.

use super::pgbench::{initialize, pgbench};
use super::server::{Kind, Server};
use super::start;
use crate::measure::medians;
use crate::table::{Better, Goal, Table};
use anyhow::{Result, ensure};
use std::path::Path;

/// What counts as full.
#[derive(clap::Args)]
pub struct Amount {
    /// dbserver's log at which it is killed: just under its cap.
    #[arg(long, default_value_t = 120)]
    plimsoll_log_mib: u64,
    /// PostgreSQL's: by default a checkpoint begins at 1 GiB / 1.9 (max_wal_size, checkpoint_completion_target).
    #[arg(long, default_value_t = 512)]
    postgres_log_mib: u64,
}

const SCALE: u32 = 10;

/// Fills the log with updates of a thousand rows each, then kills and opens.
pub fn run(amount: &Amount, kinds: &[Kind], rounds: usize, data: &Path, table: &mut Table) -> Result<()> {
    let mut servers = start(kinds, data, None)?;
    for server in &servers {
        initialize(server, SCALE)?;
        std::fs::write(
            server.folder().join("update.sql"),
            format!(
                "\\set a random(1, {})\nupdate pgbench_accounts set abalance = abalance + 1 where aid between :a and :a + 999;\n",
                SCALE * 100_000 - 1000
            ),
        )?;
    }
    let times = medians(rounds, &mut servers, |server| {
        let cap = match server.kind() {
            Kind::Plimsoll { .. } => amount.plimsoll_log_mib,
            Kind::PostgreSql { .. } => amount.postgres_log_mib,
        };
        let log = fill_log(server, cap << 20)?;
        server.kill()?;
        let took = server.open()?;
        eprintln!("{}: {} MiB of log, open after {took:?}", server.name(), log >> 20);
        Ok(took.as_secs_f64())
    });
    let goals = [&[Goal::AtMost(2.0)][..], &Goal::each_postgresql(1.0)].concat();
    table.add("first answer after kill -9 with the log at its cap, s", Better::Lower, times, &goals);
    Ok(())
}

/// Answers the bytes of log that are there to replay.
fn fill_log(server: &Server, wanted_bytes: u64) -> Result<u64> {
    const TRIES: usize = 3000;
    for _ in 0..TRIES {
        let log = server.log_to_replay_bytes()?;
        if log >= wanted_bytes {
            return Ok(log);
        }
        // One client and few transactions: the next look must come before the cap is passed.
        pgbench(server, 1, &["-f", "update.sql", "-t", "20"])?;
    }
    ensure!(false, "{}: the log never had {wanted_bytes} bytes since a checkpoint", server.name());
    Ok(0)
}
