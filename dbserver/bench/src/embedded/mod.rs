//! The engine beside embedded peers: random 8-byte keys, 100-byte rows of random bytes.
//!
//! Inserts are made durable once, at their end, and that sync is part of their time: between, all four may lose the newest
//! commits in a crash of the machine but never half of one. Durable commits wait for the disk one by one.

#[cfg(feature = "peers")]
mod fjall;
mod plimsoll;
#[cfg(feature = "peers")]
mod redb;
#[cfg(feature = "peers")]
mod sqlite;

use crate::measure::{disk_bytes, median, medians, one_sync};
use crate::table::{Better, Goal, Table};
use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A key; its order as an integer and as bytes is the same.
pub type Key = [u8; 8];
/// A row's bytes.
pub type Value = [u8; 100];

/// Memory that each competitor may use as its cache: all of the rows fit.
pub const CACHE_BYTES: usize = 4 << 30;
/// Rows in a transaction of the load.
const TRANSACTION_ROWS: usize = 1000;
/// Rows of a range read.
pub const RANGE_ROWS: usize = 10;
/// Reads in one measurement.
const READS: usize = 500_000;

/// A key-value store under measurement.
pub trait Store: Sync {
    /// Inserts new rows in one transaction, which a crash of the machine may lose.
    fn insert(&self, rows: &[(Key, Value)]) -> Result<()>;
    /// Makes all earlier transactions durable.
    fn sync(&self) -> Result<()>;
    /// Reads rows one by one in one snapshot; answers how many there are.
    fn get(&self, keys: &[Key]) -> Result<usize>;
    /// Reads the [`RANGE_ROWS`] rows from each key on in one snapshot; answers how many rows there are.
    fn ranges(&self, keys: &[Key]) -> Result<usize>;
    /// Commits one row and returns when it is durable; from many threads at a time.
    fn commit(&self, key: Key, value: &Value) -> Result<()>;
}

/// How much to measure.
#[derive(clap::Args)]
pub struct Amount {
    /// Rows of the embedded load.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Durable commits, all threads together.
    #[arg(long, default_value_t = 4_000)]
    commits: u64,
}

/// Opens a store in an empty folder.
type Open = fn(&Path) -> Result<Box<dyn Store>>;

const STORES: &[(&str, Open)] = &[
    ("Plimsoll", plimsoll::open),
    #[cfg(feature = "peers")]
    ("SQLite", sqlite::open),
    #[cfg(feature = "peers")]
    ("fjall", fjall::open),
    #[cfg(feature = "peers")]
    ("redb", redb::open),
];

/// A competitor with its newest store.
struct Competitor {
    open: Open,
    opened: Option<(Box<dyn Store>, tempfile::TempDir)>,
}

impl Competitor {
    fn fresh(&mut self, data: &Path) -> Result<&dyn Store> {
        // The old one closes before the next begins to work.
        self.opened = None;
        let folder = tempfile::tempdir_in(data)?;
        let store = (self.open)(folder.path())?;
        Ok(&*self.opened.insert((store, folder)).0)
    }

    fn store(&self) -> Result<&dyn Store> {
        self.opened.as_ref().map(|(store, _)| &**store).ok_or_else(|| anyhow::anyhow!("no store"))
    }
}

/// Measures all stores whose names are wanted.
pub fn run(amount: &Amount, rounds: usize, data: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Table> {
    let chosen: Vec<_> = STORES.iter().filter(|(name, _)| wanted(name)).collect();
    let mut table = Table::new(chosen.iter().map(|(name, _)| (*name).to_owned()).collect());
    let mut competitors: Vec<Competitor> =
        chosen.iter().map(|(_, open)| Competitor { open: *open, opened: None }).collect();
    let rows = amount.rows;
    let size = if rows >= 1_000_000 { format!("{}M", rows / 1_000_000) } else { format!("{}k", rows / 1000) };

    let inserts = medians(rounds, &mut competitors, |c| load(c.fresh(data)?, rows));
    let goals = [Goal::Ratio("SQLite", 5.0), Goal::Ratio("fjall", 1.0), Goal::Ratio("redb", 1.0)];
    table.add(&format!("{size} random inserts, rows/s"), Better::Higher, inserts, &goals);

    let disk = medians(1, &mut competitors, |c| {
        let (_, folder) = c.opened.as_ref().ok_or_else(|| anyhow::anyhow!("no store"))?;
        Ok(disk_bytes(folder.path())? as f64 / rows as f64)
    });
    table.add("bytes on disk per row of 108", Better::Lower, disk, &[]);

    let gets = medians(rounds, &mut competitors, |c| {
        let keys = some_keys(rows);
        let store = c.store()?;
        micros_each(keys.len(), || store.get(&keys))
    });
    let goals = [
        Goal::AtMost(1.2),
        Goal::Ratio("SQLite", 4.0),
        Goal::Ratio("fjall", 1.0),
        Goal::Ratio("redb", 1.0 / 1.3),
    ];
    table.add(&format!("point read of {size}, µs"), Better::Lower, gets, &goals);

    let ranges = medians(rounds, &mut competitors, |c| {
        let keys = some_keys(rows);
        let store = c.store()?;
        // The last few keys have less than ten rows after them.
        let least = keys.len() * RANGE_ROWS * 99 / 100;
        micros_each(least, || store.ranges(&keys))
    });
    let goals = [Goal::AtMost(3.0), Goal::Ratio("SQLite", 1.0), Goal::Ratio("fjall", 1.0)];
    table.add(&format!("{RANGE_ROWS}-row range read of {size}, µs"), Better::Lower, ranges, &goals);

    let next = AtomicU64::new(u64::MAX);
    let commits =
        |store: &dyn Store, threads| durable_commits(store, threads, amount.commits / threads, &next);
    let mut syncs = Vec::new();
    let ratios = medians(rounds, &mut competitors, |c| {
        // Just before: a disk's speed changes from minute to minute.
        let sync = one_sync(data)?.as_secs_f64() * 1e6;
        syncs.push(sync);
        Ok(commits(c.store()?, 1)? / sync)
    });
    let what = format!("durable commit, 1 writer, in fdatasyncs of {:.0} µs", median(syncs));
    table.add(&what, Better::Lower, ratios, &[Goal::AtMost(1.2), Goal::Ratio("SQLite", 1.0)]);
    for (threads, goals) in [(1, &[][..]), (32, &[Goal::Ratio("SQLite", 8.0)][..])] {
        let rates = medians(rounds, &mut competitors, |c| Ok(1e6 / commits(c.store()?, threads)?));
        table.add(&format!("durable commits, {threads} writers, commits/s"), Better::Higher, rates, goals);
    }
    Ok(table)
}

/// The number's key: all over the range, never twice.
fn key(number: u64) -> Key {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// Keys of rows that are there, in random order.
fn some_keys(rows: usize) -> Vec<Key> {
    let mut random = SmallRng::seed_from_u64(7);
    (0..READS).map(|_| key(random.random_range(0..rows as u64))).collect()
}

/// The time of each of the reads, which must find at least so many rows.
fn micros_each(least: usize, reads: impl FnOnce() -> Result<usize>) -> Result<f64> {
    let begun = Instant::now();
    let found = reads()?;
    ensure!(found >= least, "{found} rows of {least}");
    Ok(begun.elapsed().as_secs_f64() * 1e6 / READS as f64)
}

/// Inserts all rows; answers rows per second. Making rows up is not part of the time.
fn load(store: &dyn Store, rows: usize) -> Result<f64> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut seconds = 0.0;
    let mut batch = Vec::with_capacity(TRANSACTION_ROWS);
    for first in (0..rows).step_by(TRANSACTION_ROWS) {
        batch.clear();
        for number in first..(first + TRANSACTION_ROWS).min(rows) {
            let mut value = [0; 100];
            random.fill(&mut value[..]);
            batch.push((key(number as u64), value));
        }
        let begun = Instant::now();
        store.insert(&batch)?;
        seconds += begun.elapsed().as_secs_f64();
    }
    let begun = Instant::now();
    store.sync()?;
    Ok(rows as f64 / (seconds + begun.elapsed().as_secs_f64()))
}

/// Commits by many threads; answers µs per commit.
fn durable_commits(store: &dyn Store, threads: u64, each: u64, next: &AtomicU64) -> Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..each {
                        store.commit(key(next.fetch_sub(1, Ordering::Relaxed)), &[7; 100])?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(begun.elapsed().as_secs_f64() * 1e6 / (each * threads) as f64)
}
