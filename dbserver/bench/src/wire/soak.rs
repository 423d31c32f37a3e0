//! Mixed load for a long time under a small memory limit: is memory flat, does anything stall, how much of the disk is waste.

use super::copy::{ROW_BYTES, fill};
use super::pgbench::pgbench;
use super::server::{Kind, Server};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long and how hard.
#[derive(clap::Args)]
pub struct Amount {
    /// Minutes of load.
    #[arg(long, default_value_t = 30)]
    soak_minutes: u32,
    /// The server's memory limit.
    #[arg(long, default_value_t = 256)]
    soak_limit_mib: u64,
    /// Rows to begin with; their number stays about the same.
    #[arg(long, default_value_t = 2_000_000)]
    soak_rows: u64,
    /// Transactions per second that clients ask for; 0: as many as they can.
    #[arg(long, default_value_t = 2000)]
    soak_rate: u32,
}

/// A stall: a transaction that takes longer.
const STALL_MICROS: u64 = 100_000;
const CLIENTS: u32 = 8;
/// Seconds in which the load before it may still be merged, and nothing is in memory.
const WARM_UP: u64 = 10;

/// Runs dbserver alone and prints what it found; a line every minute meanwhile.
pub fn run(amount: &Amount, kind: &Kind, data: &Path) -> Result<()> {
    let server = Server::start(kind, data, Some(amount.soak_limit_mib << 20))?;
    fill(&server, amount.soak_rows)?;
    scripts(&server, amount.soak_rows)?;
    let (done, begun) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&server, &done, begun));
        let seconds = (amount.soak_minutes * 60).to_string();
        let rate = amount.soak_rate.to_string();
        let mut arguments = vec!["-M", "prepared", "-T", &seconds, "-l", "--aggregate-interval=1"];
        for script in
            ["read.sql@50", "range.sql@10", "update.sql@25", "insert.sql@7", "delete.sql@7", "sum.sql@1"]
        {
            arguments.extend(["-f", script]);
        }
        if amount.soak_rate > 0 {
            arguments.extend(["-R", &rate]);
        }
        let report = pgbench(&server, CLIENTS, &arguments);
        done.store(true, Ordering::Relaxed);
        let report = report?;
        println!(
            "{:.0} transactions/s, {:.1} µs of CPU each",
            report.transactions_per_second, report.cpu_micros
        );
        anyhow::Ok(())
    })?;
    latencies(&server)?;
    space(&server)
}

/// The statements of the mix. Keys of the load are dense: half of the random ones are there after a while of inserts and
/// deletes over twice the range.
fn scripts(server: &Server, rows: u64) -> Result<()> {
    let set = format!("\\set k random(1, {})\n", rows * 2);
    for (name, statement) in [
        ("read.sql", "select v from kv where k = :k;"),
        ("range.sql", "select k, v from kv where k >= :k order by k limit 10;"),
        ("update.sql", "update kv set v = md5(:k::text) || md5(v) || md5(v || 'x') where k = :k;"),
        (
            "insert.sql",
            "insert into kv values (:k, md5(:k::text) || md5(:k::text || 'x') || md5(:k::text || 'y')) on conflict do nothing;",
        ),
        ("delete.sql", "delete from kv where k = :k;"),
        ("sum.sql", "select count(*), min(v) from kv where k between :k and :k + 1000;"),
    ] {
        std::fs::write(server.folder().join(name), format!("{set}{statement}\n"))?;
    }
    Ok(())
}

/// Prints memory and disk every minute, and the most memory at the end.
fn watch(server: &Server, done: &AtomicBool, begun: Instant) {
    let mib = |bytes: u64| bytes >> 20;
    let (mut next, mut most) = (Duration::from_secs(10), 0);
    println!("| minute | processes, MiB | control group, MiB | on disk, MiB |\n|---|---|---|---|");
    while !done.load(Ordering::Relaxed) {
        let own = server.cgroup().process_bytes().unwrap_or(0);
        most = most.max(own);
        if begun.elapsed() >= next {
            let group = server.cgroup().memory_bytes().unwrap_or(0);
            let disk = server.disk_bytes().map_or(0, |(all, _)| all);
            let minute = begun.elapsed().as_secs_f64() / 60.0;
            println!("| {minute:.1} | {} | {} | {} |", mib(own), mib(group), mib(disk));
            next += Duration::from_secs(60);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    println!("\nmost memory of the processes: {} MiB", mib(most));
}

/// pgbench's log of latencies: a line a second and thread with, among others, the maximum.
fn latencies(server: &Server) -> Result<()> {
    // The second of the clock and the longest transaction that ended in it, for each client thread.
    let mut longest: Vec<(u64, u64)> = Vec::new();
    for entry in std::fs::read_dir(server.folder())? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pgbench_log")) {
            continue;
        }
        for line in std::fs::read_to_string(path)?.lines() {
            // Second, transactions, sum and sum of squares of latencies, minimum, maximum; µs.
            let field = |index| line.split(' ').nth(index).context("pgbench's log");
            longest.push((field(0)?.parse()?, field(5)?.parse()?));
        }
    }
    let first = longest.iter().map(|(second, _)| *second).min().unwrap_or(0);
    let stalls: Vec<u64> =
        longest.iter().filter(|(_, most)| *most > STALL_MICROS).map(|(second, _)| second - first).collect();
    let worst = |from: u64| {
        let after = longest.iter().filter(|(second, _)| second - first >= from);
        after.map(|(_, most)| *most).max().unwrap_or(0) as f64 / 1e3
    };
    println!(
        "longest transaction: {:.1} ms, {:.1} ms after the first {WARM_UP} s; {} of {} seconds (of each client thread) have one over \
         {} ms: {stalls:?}",
        worst(0),
        worst(WARM_UP),
        stalls.len(),
        longest.len(),
        STALL_MICROS / 1000
    );
    Ok(())
}

/// Bytes on disk for each byte of live rows, some time after the load has ended.
fn space(server: &Server) -> Result<()> {
    const SETTLE: Duration = Duration::from_secs(30);
    std::thread::sleep(SETTLE);
    let rows: u64 = server.sql("select count(*) from kv")?.parse()?;
    let (all, log) = server.disk_bytes()?;
    let live = (rows * ROW_BYTES) as f64;
    println!(
        "{rows} rows of {ROW_BYTES} bytes; on disk {:.2} bytes for each of theirs, {:.2} without the log",
        all as f64 / live,
        (all - log) as f64 / live
    );
    Ok(())
}
