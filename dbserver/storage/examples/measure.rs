//! Measures the engine: `cargo run --release -p plimsoll-storage --example measure [rows]`. Uses `./measure-data`, which
//! it empties first.

use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll_storage::io::RealIo;
use plimsoll_storage::{
    BatchWrite, Direction, Engine, Error, Insert, Isolation, KeyRange, LockMode, LockOutcome, Options,
    RowBuffer, TreeId, WaitPolicy, Write,
};

const BULK: TreeId = TreeId(1);
const RANDOM: TreeId = TreeId(2);
const HOT: TreeId = TreeId(3);

fn main() -> Result<(), Error> {
    let rows: u64 = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let dir = Path::new("measure-data");
    if let Err(error) = std::fs::remove_dir_all(dir) {
        println!("nothing to empty: {error}");
    }
    let options = Options { memtable_bytes: 8 << 30, wal_bytes_max: 1 << 30, ..Options::default() };
    let engine = Engine::open(RealIo::shared(), dir, options.clone())?;
    println!("{:40} {:>12}", "resident memory before", resident());

    bulk_load(&engine, rows)?;
    println!("{:40} {:>12}", "resident memory after bulk load", resident());
    println!("{:40} {:>12}", "accounted", engine.stats().memory_bytes);
    let start = Instant::now();
    engine.checkpoint()?;
    report("checkpoint, rows", rows, start.elapsed());
    random_inserts(&engine, rows / 4)?;
    point_reads(&engine, rows)?;
    scans(&engine, rows)?;
    updates(&engine, rows)?;
    for threads in [1, 8, 32] {
        durable_commits(&engine, threads)?;
    }
    hot_row(&engine)?;
    println!("{:#?}", engine.stats());
    drop(engine);

    let start = Instant::now();
    let engine = Engine::open(RealIo::shared(), dir, options)?;
    report("open: checkpoint and log, rows", engine.stats().rows, start.elapsed());
    println!("{:40} {:>12}", "resident memory after opening", resident());
    engine.close()
}

fn report(what: &str, operations: u64, took: Duration) {
    let nanos = took.as_nanos() as f64 / operations.max(1) as f64;
    let rate = operations as f64 / took.as_secs_f64();
    println!("{what:40} {nanos:>10.0} ns each {rate:>12.0}/s");
}

/// A sequence that looks random and never repeats.
fn scatter(number: u64) -> [u8; 9] {
    let mut key = [1; 9];
    key.iter_mut()
        .skip(1)
        .zip(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .for_each(|(a, b)| *a = b);
    key
}

fn in_order(number: u64) -> [u8; 9] {
    let mut key = [1; 9];
    key.iter_mut().skip(1).zip(number.to_be_bytes()).for_each(|(a, b)| *a = b);
    key
}

fn bulk_load(engine: &Engine, rows: u64) -> Result<(), Error> {
    let start = Instant::now();
    let txn = engine.begin(Isolation::ReadCommitted);
    let mut buffer = RowBuffer::new();
    for number in 0..rows {
        buffer.push(&in_order(number), &[b'v'; 20]);
        if buffer.len() == 1000 || number + 1 == rows {
            let BatchWrite::Done = txn.insert_batch(BULK, &buffer, 0)? else { return Ok(()) };
            buffer.clear();
        }
    }
    report("bulk load in order, rows", rows, start.elapsed());
    let commit = Instant::now();
    txn.commit()?.wait()?;
    report("  its commit", 1, commit.elapsed());
    Ok(())
}

fn random_inserts(engine: &Engine, rows: u64) -> Result<(), Error> {
    let start = Instant::now();
    let mut ticket = None;
    for group in 0..rows / 1000 {
        let txn = engine.begin(Isolation::ReadCommitted);
        for number in 0..1000 {
            let Insert::Inserted =
                txn.insert_unique(RANDOM, &scatter(group * 1000 + number), &[b'v'; 100])?
            else {
                return Ok(());
            };
        }
        ticket = Some(txn.commit()?);
    }
    if let Some(ticket) = ticket {
        ticket.wait()?;
    }
    report("random inserts, 1000 a commit, rows", rows, start.elapsed());
    Ok(())
}

fn point_reads(engine: &Engine, rows: u64) -> Result<(), Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let snapshot = txn.snapshot();
    let start = Instant::now();
    let reads = 1_000_000u64;
    let mut found = 0;
    for number in 0..reads {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows;
        found += u64::from(snapshot.get(BULK, &in_order(key))?.is_some());
    }
    report("random reads, one snapshot", found, start.elapsed());
    let start = Instant::now();
    for number in 0..reads {
        let txn = engine.begin(Isolation::ReadCommitted);
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows;
        txn.snapshot().get(BULK, &in_order(key))?;
        txn.commit()?.wait()?;
    }
    report("random reads, a transaction each", reads, start.elapsed());
    Ok(())
}

fn scans(engine: &Engine, rows: u64) -> Result<(), Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let snapshot = txn.snapshot();
    let start = Instant::now();
    let mut buffer = RowBuffer::new();
    let mut scan = snapshot.scan(BULK, KeyRange::all(), Direction::Forward);
    let mut seen = 0;
    loop {
        buffer.clear();
        let more = scan.next_batch(1000, &mut buffer)?;
        seen += buffer.len() as u64;
        if !more {
            break;
        }
    }
    report("full scan, rows", seen, start.elapsed());
    let start = Instant::now();
    for number in 0..100_000u64 {
        buffer.clear();
        let from = in_order(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows);
        let range =
            KeyRange { lower: std::ops::Bound::Included(from[..].into()), upper: std::ops::Bound::Unbounded };
        snapshot.scan(BULK, range, Direction::Forward).next_batch(10, &mut buffer)?;
    }
    report("scans of 10 rows", 100_000, start.elapsed());
    Ok(())
}

fn updates(engine: &Engine, rows: u64) -> Result<(), Error> {
    let start = Instant::now();
    let mut ticket = None;
    let count = 500_000u64;
    for number in 0..count {
        let txn = engine.begin(Isolation::ReadCommitted);
        let key = in_order(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows);
        let snapshot = txn.snapshot();
        snapshot.get(BULK, &key)?;
        txn.lock_row(BULK, &key, LockMode::Update, WaitPolicy::Wait)?;
        txn.put(BULK, &key, &[b'w'; 20])?;
        ticket = Some(txn.commit()?);
    }
    if let Some(ticket) = ticket {
        ticket.wait()?;
    }
    report("updates, a transaction each, not waited", count, start.elapsed());
    Ok(())
}

fn durable_commits(engine: &Engine, threads: u64) -> Result<(), Error> {
    let before = engine.stats();
    let start = Instant::now();
    let each = 2000 / threads.min(4);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for number in 0..each {
                    let txn = engine.begin(Isolation::ReadCommitted);
                    txn.put(RANDOM, &scatter((1 << 40) | (thread << 20) | number), &[b'v'; 100])?;
                    txn.commit()?.wait()?;
                }
                Ok::<(), Error>(())
            });
        }
    });
    report(&format!("durable commits, {threads} threads"), each * threads, start.elapsed());
    let after = engine.stats();
    let syncs = after.wal_syncs - before.wal_syncs;
    report("  of which syncs", syncs, after.wal_sync_time - before.wal_sync_time);
    Ok(())
}

/// Eight threads add to one row.
fn hot_row(engine: &Engine) -> Result<(), Error> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let txn = engine.begin(Isolation::ReadCommitted);
                    let current = loop {
                        match txn.lock_row(HOT, b"row", LockMode::Update, WaitPolicy::Wait)? {
                            LockOutcome::Locked { current, .. } => break current,
                            LockOutcome::Blocked(wait) => wait.wait(None, &|| false)?,
                            LockOutcome::Skipped => return Ok(()),
                        }
                    };
                    let bytes =
                        current.and_then(|value| value.first_chunk::<8>().copied()).unwrap_or_default();
                    let next = u64::from_le_bytes(bytes) + 1;
                    let Write::Done = txn.put(HOT, b"row", &next.to_le_bytes())? else { return Ok(()) };
                    txn.commit()?.wait()?;
                }
                Ok::<(), Error>(())
            });
        }
    });
    report("hot row, 8 threads", 4000, start.elapsed());
    let txn = engine.begin(Isolation::ReadCommitted);
    let value = txn.snapshot().get(HOT, b"row")?;
    println!(
        "{:40} {:>12?}",
        "  its value",
        value.and_then(|value| value.first_chunk().map(|b| u64::from_le_bytes(*b)))
    );
    Ok(())
}

/// Resident memory of this process, as Linux has it.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim().to_owned()
}
