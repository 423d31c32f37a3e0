//! Crashes, by the seed: transactions run on a simulated machine whose power is cut at any operation, whose syncs and reads fail
//! and whose disk fills up. After each crash every acknowledged transaction is there, none is half there, and what is
//! there is a prefix of the history of commits. Until then everyone sees what a model says: snapshots held through flushes,
//! compactions and evictions, scans that go on meanwhile, whoever asks for the newest row, whoever finds it locked. Nobody waits in
//! vain, and the serializable transactions could have come one after the other.
//!
//! Seeds share nothing, so they run on as many threads as there are processors.
//!
//! `PLIMSOLL_SIM_SEEDS=100000` runs more seeds, `PLIMSOLL_SIM_SEEDS=100000..200000` others, `PLIMSOLL_SIM_SEED=42` just one,
//! with an account of what happens.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

#[path = "../support/cycles.rs"]
mod cycles;
mod history;
mod life;
mod lock;
mod read;
mod serial;
#[path = "../support/mod.rs"]
mod support;
mod write;

use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use life::{Counts, simulate};
use parking_lot::Mutex;

/// Seeds that run without being asked for.
const SEEDS: u64 = 10_000;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("PLIMSOLL_SIM_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("PLIMSOLL_SIM_SEEDS is {text:?}"));
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

#[test]
fn every_acknowledged_transaction_survives_and_none_is_half_there() {
    if let Ok(seed) = std::env::var("PLIMSOLL_SIM_SEED") {
        println!("trace {:?}", simulate(seed.parse().unwrap(), true));
        return;
    }
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let counts = Mutex::new(Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while failed.lock().is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match catch_unwind(|| simulate(seed, false)) {
                        Ok((.., found)) => counts.lock().add(found),
                        Err(_) => failed.lock().push(seed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "failed seeds {failed:?}: PLIMSOLL_SIM_SEED runs one of them alone");
    let counts = counts.into_inner();
    println!("{counts:?}");
    if seeds.end - seeds.start >= 1_000 {
        assert_that_it_could_fail(&counts);
    }
}

/// What never comes about cannot be found wrong; and who refuses everything is always right.
fn assert_that_it_could_fail(counts: &Counts) {
    let Counts {
        serializable,
        refused,
        unseen,
        safe,
        shared,
        shared_by_several,
        woken,
        deadlocks,
        in_file,
        ranges,
    } = counts;
    let seldom = [refused, unseen, safe, shared, shared_by_several, woken, deadlocks, in_file, ranges];
    assert!(seldom.iter().all(|count| **count > 0), "{counts:?}");
    assert!(serializable > refused, "{counts:?}");
}

/// Otherwise a seed that fails would be of no use.
#[test]
fn a_seed_replays_exactly_whatever_runs_beside_it() {
    let run = || (0..60).map(|seed| simulate(seed, false)).collect::<Vec<_>>();
    let alone = run();
    let beside: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (seed, trace) in alone.iter().enumerate() {
        assert!(beside.iter().all(|traces| traces[seed] == *trace), "seed {seed} takes another course");
    }
}
