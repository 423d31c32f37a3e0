//! Real threads append to a few lists and read them, at each isolation level; what they have seen is searched for anomalies.
//!
//! `PLIMSOLL_HISTORIES` is the number of histories at each level.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

#[path = "support/history.rs"]
mod history;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use history::{Anomaly, Op, Outcome, Txn, check};
use plimsoll_storage::io::Io;
use plimsoll_storage::{
    Direction, Engine, Error, Isolation, KeyRange, LockMode, LockOutcome, Options, RowBuffer, Transaction,
    TreeId, WaitPolicy, Write,
};
use rand::prelude::*;
use support::SimIo;

const THREADS: u64 = 5;
const TRANSACTIONS: u64 = 12;
const KEYS: u32 = 4;

fn list(value: Option<&[u8]>) -> Vec<u64> {
    value.unwrap_or_default().as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()
}

fn append(txn: &Transaction, tree: TreeId, key: u32, value: u64) -> Result<(), Error> {
    let row = key.to_be_bytes();
    loop {
        match txn.lock_row(tree, &row, LockMode::Update, WaitPolicy::Wait)? {
            LockOutcome::Locked { current, .. } => {
                let mut bytes = current.as_deref().unwrap_or_default().to_vec();
                bytes.extend(value.to_be_bytes());
                let Write::Done = txn.put(tree, &row, &bytes)? else { panic!("the row is locked") };
                return Ok(());
            }
            LockOutcome::Blocked(wait) => wait.wait(None, &|| false)?,
            LockOutcome::Skipped => panic!("asked to wait"),
        }
    }
}

/// All lists in one scan.
fn read_all(txn: &Transaction, tree: TreeId) -> Result<BTreeMap<u32, Vec<u64>>, Error> {
    let mut lists: BTreeMap<u32, Vec<u64>> = (0..KEYS).map(|key| (key, Vec::new())).collect();
    let mut rows = RowBuffer::new();
    let mut scan = txn.snapshot().scan(tree, KeyRange::all(), Direction::Forward);
    while scan.next_batch(2, &mut rows)? {}
    for (key, value) in rows.iter() {
        lists.insert(u32::from_be_bytes(key.try_into().unwrap()), list(Some(value)));
    }
    Ok(lists)
}

/// One random transaction up to its end; what it did is in `ops`, also where it fails.
fn run(
    txn: &Transaction,
    tree: TreeId,
    rng: &mut StdRng,
    next: &mut u64,
    ops: &mut Vec<Op>,
) -> Result<(), Error> {
    for _ in 0..rng.random_range(1..5) {
        txn.new_statement();
        let key = rng.random_range(0..KEYS);
        match rng.random_range(0..8) {
            0..4 => {
                *next += 1;
                append(txn, tree, key, *next)?;
                ops.push(Op::Append(key, *next));
            }
            4..7 => {
                let value = txn.snapshot().get(tree, &key.to_be_bytes())?;
                ops.push(Op::Read(key, list(value.as_deref())));
            }
            _ => ops.extend(read_all(txn, tree)?.into_iter().map(|(key, list)| Op::Read(key, list))),
        }
        if rng.random_bool(0.5) {
            std::thread::yield_now();
        }
    }
    if rng.random_bool(0.1) {
        return Err(Error::Cancelled);
    }
    txn.commit()?.wait()
}

/// What one thread did.
fn live(engine: &Engine, tree: TreeId, isolation: Isolation, thread: u64, seed: u64) -> Vec<Txn> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut next = thread << 32;
    let transactions = (0..TRANSACTIONS).map(|_| {
        let txn = engine.begin(isolation);
        if rng.random_bool(0.1) {
            txn.declare_read_only();
            let lists = read_all(&txn, tree);
            let ops = lists.iter().flatten().map(|(key, list)| Op::Read(*key, list.clone())).collect();
            let done = lists.and_then(|_| txn.commit()?.wait());
            return Txn { ops, outcome: if done.is_ok() { Outcome::Committed } else { Outcome::Aborted } };
        }
        let mut ops = Vec::new();
        let done = run(&txn, tree, &mut rng, &mut next, &mut ops);
        Txn { ops, outcome: if done.is_ok() { Outcome::Committed } else { Outcome::Aborted } }
    });
    transactions.collect()
}

/// Runs many histories and answers how many of them show each anomaly; panics at one that is not allowed.
fn search(isolation: Isolation, allowed: &[Anomaly]) -> BTreeMap<Anomaly, u64> {
    let histories = std::env::var("PLIMSOLL_HISTORIES").map_or(40, |count| count.parse().unwrap());
    let io: Arc<dyn Io> = Arc::new(SimIo::new(1));
    let options = Options { wal_segment_size: 1 << 20, ..Options::default() };
    let engine = Engine::open(io, Path::new("/data"), options).unwrap();
    let (mut seen, committed) = (BTreeMap::new(), AtomicU64::new(0));
    for round in 0..histories {
        let tree = engine.allocate_tree().unwrap();
        let history: Vec<Txn> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=THREADS)
                .map(|thread| {
                    let (engine, seed) = (&engine, round * THREADS + thread);
                    scope.spawn(move || live(engine, tree, isolation, thread, seed))
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        committed.fetch_add(
            history.iter().filter(|txn| txn.outcome == Outcome::Committed).count() as u64,
            Ordering::Relaxed,
        );
        let txn = engine.begin(Isolation::RepeatableRead);
        let last = read_all(&txn, tree).unwrap();
        let found = check(&history, Some(&last));
        for (anomaly, example) in &found {
            let example: Vec<&Txn> = example.iter().map(|index| &history[*index]).collect();
            assert!(allowed.contains(anomaly), "history {round}: {anomaly:?} by {example:#?}");
            *seen.entry(*anomaly).or_insert(0) += 1;
        }
    }
    let committed = committed.into_inner();
    println!("{isolation:?}: {histories} histories, {committed} transactions committed, anomalies: {seen:?}");
    assert!(committed > histories * THREADS * TRANSACTIONS / 5, "most of what is tried has to succeed");
    assert_eq!(engine.stats().transactions_live, 0);
    seen
}

#[test]
fn serializable_shows_no_anomaly() {
    search(Isolation::Serializable, &[]);
}

#[test]
fn repeatable_read_shows_write_skew_at_most() {
    let seen = search(Isolation::RepeatableRead, &[Anomaly::G2]);
    assert!(seen.contains_key(&Anomaly::G2), "the search would find it");
}

#[test]
fn read_committed_shows_skew_at_most() {
    let seen = search(Isolation::ReadCommitted, &[Anomaly::GSingle, Anomaly::G2]);
    let kinds: BTreeSet<Anomaly> = seen.into_keys().collect();
    assert!(kinds.contains(&Anomaly::GSingle), "the search would find it");
}
