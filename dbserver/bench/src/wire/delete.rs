//! A DELETE of half of a table, and what scans cost after it: what was deleted must not slow them for ever.

use super::copy::fill;
use super::server::Kind;
use super::start;
use crate::measure::medians;
use crate::table::{Better, Goal, Table};
use anyhow::{Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

/// How much to delete.
#[derive(clap::Args)]
pub struct Amount {
    /// Rows of the table, half of which one statement deletes.
    #[arg(long, default_value_t = 2_000_000)]
    delete_rows: u64,
}

/// Until vacuum, flush and compaction have done what they do by themselves.
const SETTLE: Duration = Duration::from_secs(15);

/// Times the DELETE, then a search for the first row and a count: at once, and when the servers have had time.
pub fn run(amount: &Amount, kinds: &[Kind], data: &Path, table: &mut Table) -> Result<()> {
    let rows = amount.delete_rows;
    let mut servers = start(kinds, data, None)?;
    for server in &servers {
        fill(server, rows)?;
    }
    let half = rows / 2;
    let deleted = medians(1, &mut servers, |server| {
        timed(|| server.sql(&format!("delete from kv where k <= {half}")).map(drop))
    });
    table.add(
        &format!("DELETE of {half} of {rows} rows, s"),
        Better::Lower,
        deleted,
        &Goal::each_postgresql(1.0),
    );
    for when in ["right after it", "15 s later"] {
        let first = medians(1, &mut servers, |server| {
            timed(|| {
                let found = server.sql("select min(k) from kv")?;
                ensure!(found == (half + 1).to_string(), "the first is {found}");
                Ok(())
            })
        });
        table.add(&format!("min(k), {when}, s"), Better::Lower, first, &[]);
        let count = medians(1, &mut servers, |server| {
            timed(|| {
                let found = server.sql("select count(*) from kv")?;
                ensure!(found == (rows - half).to_string(), "{found} rows");
                Ok(())
            })
        });
        table.add(&format!("count(*), {when}, s"), Better::Lower, count, &[]);
        std::thread::sleep(SETTLE);
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}
