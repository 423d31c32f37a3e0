//! Many threads, the engine's own threads, and a machine that fails under them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use plimsoll_storage::io::Io;
use plimsoll_storage::{
    BulkDelete, Direction, Engine, Error, Isolation, KeyRange, LockMode, LockOutcome, Options, RowBuffer,
    Transaction, TreeId, WaitPolicy, Write,
};
use rand::prelude::*;
use support::{Faults, SimIo};

const ACCOUNTS: TreeId = TreeId(1);
const LEDGER: TreeId = TreeId(2);
const COUNT: u32 = 20;

fn open(io: &SimIo, options: Options) -> Engine {
    let io: Arc<dyn Io> = Arc::new(io.clone());
    Engine::open(io, Path::new("/data"), options).unwrap()
}

fn options(fatal: &Arc<AtomicU64>) -> Options {
    let fatal = Arc::clone(fatal);
    Options {
        wal_segment_size: 32 << 10,
        wal_bytes_max: 100 << 10,
        fatal: Arc::new(move |_| {
            fatal.fetch_add(1, Ordering::SeqCst);
        }),
        ..Options::default()
    }
}

fn number(value: Option<&[u8]>) -> i64 {
    value.map_or(0, |value| i64::from_le_bytes(value.try_into().unwrap()))
}

/// Locks an account and answers its balance.
fn lock(txn: &Transaction, account: u32) -> Result<i64, Error> {
    loop {
        match txn.lock_row(ACCOUNTS, &account.to_be_bytes(), LockMode::Update, WaitPolicy::Wait)? {
            LockOutcome::Locked { current, .. } => return Ok(number(current.as_deref())),
            LockOutcome::Blocked(wait) => wait.wait(None, &|| false)?,
            LockOutcome::Skipped => panic!("asked to wait"),
        }
    }
}

fn transfer(engine: &Engine, rng: &mut StdRng, entry: u64) -> Result<(), Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let (from, to) = (rng.random_range(0..COUNT), rng.random_range(0..COUNT));
    let amount = rng.random_range(1..100);
    for (account, change) in [(from, -amount), (to, amount)] {
        txn.new_statement();
        let balance = lock(&txn, account)?;
        let Write::Done = txn.put(ACCOUNTS, &account.to_be_bytes(), &(balance + change).to_le_bytes())?
        else {
            panic!("the row is locked")
        };
    }
    let Write::Done = txn.put(LEDGER, &entry.to_be_bytes(), &amount.to_le_bytes())? else {
        panic!("nobody else has this key")
    };
    if rng.random_bool(0.1) {
        txn.rollback();
        return Err(Error::Cancelled);
    }
    txn.commit()?.wait()
}

/// The sum of all accounts, in one snapshot, and the ledger's entries.
fn audit(engine: &Engine) -> (i64, Vec<u64>) {
    let txn = engine.begin(Isolation::RepeatableRead);
    let snapshot = txn.snapshot();
    let rows = |tree| {
        let mut rows = RowBuffer::new();
        let mut scan = snapshot.scan(tree, KeyRange::all(), Direction::Forward);
        while scan.next_batch(3, &mut rows).unwrap() {}
        rows
    };
    let sum = rows(ACCOUNTS).iter().map(|(_, value)| number(Some(value))).sum();
    let entries = rows(LEDGER).iter().map(|(key, _)| u64::from_be_bytes(key.try_into().unwrap())).collect();
    (sum, entries)
}

#[test]
fn transfers_keep_the_sum_through_deadlocks_checkpoints_and_power_cuts() {
    let io = SimIo::new(7);
    let fatal = Arc::new(AtomicU64::new(0));
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..6u64 {
        let engine = open(&io, options(&fatal));
        let (sum, entries) = audit(&engine);
        assert_eq!(sum, 0);
        assert!(
            acknowledged.lock().iter().all(|entry| entries.contains(entry)),
            "an acknowledged transfer is gone"
        );
        if round % 2 == 1 {
            io.set_faults(Faults { power_cut_after: Some(200 + 150 * round), ..Faults::default() });
        }
        std::thread::scope(|scope| {
            for thread in 0..6u64 {
                let (engine, acknowledged) = (&engine, &acknowledged);
                scope.spawn(move || {
                    let mut rng = StdRng::seed_from_u64(round * 100 + thread);
                    for i in 0..150 {
                        let entry = round << 32 | thread << 16 | i;
                        match transfer(engine, &mut rng, entry) {
                            Ok(()) => acknowledged.lock().push(entry),
                            Err(Error::Deadlock { cycle }) => assert!(cycle.len() > 1),
                            Err(Error::Cancelled) => {}
                            Err(Error::Fatal(_) | Error::Io { .. }) if round % 2 == 1 => return,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                });
            }
            let engine = &engine;
            scope.spawn(move || {
                for _ in 0..20 {
                    if engine.stats().fatal {
                        return;
                    }
                    // A snapshot sees whole transfers only, while they go on.
                    let txn = engine.begin(Isolation::ReadCommitted);
                    let snapshot = txn.snapshot();
                    let mut rows = RowBuffer::new();
                    let mut scan = snapshot.scan(ACCOUNTS, KeyRange::all(), Direction::Backward);
                    loop {
                        match scan.next_batch(2, &mut rows) {
                            Ok(true) => {}
                            Ok(false) => break,
                            // The power goes also while a file is read.
                            Err(Error::Fatal(_) | Error::Io { .. }) if round % 2 == 1 => return,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                    assert_eq!(rows.iter().map(|(_, value)| number(Some(value))).sum::<i64>(), 0);
                    if let Err(error) = engine.checkpoint() {
                        assert!(round % 2 == 1, "{error}");
                    }
                }
            });
        });
        if round % 2 == 0 {
            let stats = engine.stats();
            assert_eq!((stats.transactions_live, stats.fatal), (0, false));
            engine.close().unwrap();
        } else {
            io.set_faults(Faults { power_cut_after: Some(0), ..Faults::default() });
        }
        drop(engine);
        io.power_cut();
    }
}

/// Adds one to a row, if it is there; answers whether it was.
fn add_one(engine: &Engine, key: &[u8]) -> Result<bool, Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let current = loop {
        match txn.lock_row(ACCOUNTS, key, LockMode::Update, WaitPolicy::Wait)? {
            LockOutcome::Locked { current, .. } => break current,
            LockOutcome::Blocked(wait) => {
                wait.wait(None, &|| false)?;
                txn.new_statement();
            }
            LockOutcome::Skipped => panic!("asked to wait"),
        }
    };
    let Some(current) = current else { return Ok(false) };
    let Write::Done = txn.put(ACCOUNTS, key, &(number(Some(&current)) + 1).to_le_bytes())? else {
        panic!("the row is locked")
    };
    txn.commit()?.wait()?;
    Ok(true)
}

/// Deletes every row of the range, as its snapshot has them, or none; answers what they held.
fn delete_all(engine: &Engine, range: &KeyRange) -> Result<HashMap<Vec<u8>, i64>, Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let snapshot = txn.snapshot();
    let (mut rows, mut keys) = (RowBuffer::new(), RowBuffer::new());
    let mut scan = snapshot.scan(ACCOUNTS, range.clone(), Direction::Forward);
    while scan.next_batch(1_000, &mut rows)? {}
    rows.iter().for_each(|(key, _)| assert!(keys.push(key, &[])));
    if !txn.delete_in_file(&mut BulkDelete::new(ACCOUNTS), &keys, true, &snapshot)? {
        return Ok(HashMap::new());
    }
    txn.commit()?.wait()?;
    Ok(rows.iter().map(|(key, value)| (key.to_vec(), number(Some(value)))).collect())
}

#[test]
fn what_is_deleted_in_a_file_is_what_the_statement_has_read() {
    let io = SimIo::new(9);
    let engine = open(&io, options(&Arc::default()));
    assert_eq!(engine.allocate_tree().unwrap(), ACCOUNTS);
    const ROWS: u32 = 300;
    let mut deletions = 0;
    for round in 0..200u32 {
        let key = |row: u32| [round.to_be_bytes(), row.to_be_bytes()].concat();
        let txn = engine.begin(Isolation::ReadCommitted);
        for row in 0..ROWS {
            assert!(matches!(txn.put(ACCOUNTS, &key(row), &0i64.to_le_bytes()), Ok(Write::Done)));
        }
        txn.commit().unwrap().wait().unwrap();
        engine.checkpoint().unwrap();
        if round % 2 == 0 {
            engine.shrink_memory(0).unwrap();
        }
        let added = Mutex::new(HashMap::<Vec<u8>, i64>::new());
        let range = KeyRange::prefix(&round.to_be_bytes());
        let deleted = std::thread::scope(|scope| {
            for seed in 0..2 {
                let (engine, added) = (&engine, &added);
                scope.spawn(move || {
                    let mut rng = StdRng::seed_from_u64(u64::from(round) * 2 + seed);
                    for _ in 0..rng.random_range(0..6) {
                        let key = key(rng.random_range(0..ROWS));
                        if add_one(engine, &key).unwrap() {
                            *added.lock().entry(key).or_default() += 1;
                        }
                    }
                });
            }
            scope.spawn(|| {
                engine.checkpoint().unwrap();
                engine.shrink_memory(0).unwrap();
            });
            delete_all(&engine, &range).unwrap()
        });
        deletions += usize::from(!deleted.is_empty());
        let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
        for row in 0..ROWS {
            let (key, added) = (key(row), added.lock());
            let found = snapshot.get(ACCOUNTS, &key).unwrap();
            assert_eq!(found.is_none(), deleted.contains_key(&key), "round {round}, row {row}");
            let held = found.map(|value| number(Some(&value))).or(deleted.get(&key).copied());
            assert_eq!(held, Some(added.get(&key).copied().unwrap_or(0)), "round {round}, row {row}");
        }
    }
    assert!((20..200).contains(&deletions), "{deletions} times all rows were deleted");
}

/// Who was offered a row finds that another was quicker. With that it becomes known whom the others in the queue wait for: two of
/// them for each other. That has to end, even where the one who finds out could be taken for a part of it.
#[test]
fn a_deadlock_that_comes_to_light_behind_an_offered_lock_is_broken() {
    let engine = open(&SimIo::new(5), options(&Arc::default()));
    let begin = || engine.begin(Isolation::ReadCommitted);
    let ask = |txn: &Transaction, row: &[u8]| txn.lock_row(ACCOUNTS, row, LockMode::Update, WaitPolicy::Wait);
    let blocked = |outcome: Result<LockOutcome, Error>| match outcome.unwrap() {
        LockOutcome::Blocked(wait) => wait,
        LockOutcome::Locked { .. } | LockOutcome::Skipped => panic!("somebody has the row"),
    };
    let locked =
        |outcome: Result<LockOutcome, Error>| assert!(matches!(outcome, Ok(LockOutcome::Locked { .. })));
    let (first, offered, queued, quick) = (begin(), begin(), begin(), begin());
    locked(ask(&first, b"x"));
    locked(ask(&queued, b"y"));
    let offer = blocked(ask(&offered, b"x"));
    let waits = blocked(ask(&queued, b"x"));
    first.rollback();
    offer.wait(None, &|| false).unwrap();
    locked(ask(&quick, b"x"));
    let circle = blocked(ask(&quick, b"y"));
    let again = ask(&offered, b"x");
    let ended = [waits.wait(None, &|| true), circle.wait(None, &|| true)];
    let deadlocks = ended.iter().filter(|end| matches!(end, Err(Error::Deadlock { .. }))).count();
    assert_eq!(deadlocks, 1, "{ended:?}");
    assert!(matches!(again, Ok(LockOutcome::Blocked(_))), "it only waits for the two");
}

/// A sharer queues behind a writer that waits for sharers. Where that gives up, nothing is in the way any more.
#[test]
fn a_sharer_goes_on_when_the_writer_ahead_of_it_gives_up() {
    let engine = open(&SimIo::new(6), options(&Arc::default()));
    let begin = || engine.begin(Isolation::ReadCommitted);
    let ask = |txn: &Transaction, mode| txn.lock_row(ACCOUNTS, b"x", mode, WaitPolicy::Wait).unwrap();
    let blocked = |outcome: LockOutcome| match outcome {
        LockOutcome::Blocked(wait) => wait,
        LockOutcome::Locked { .. } | LockOutcome::Skipped => panic!("somebody has the row"),
    };
    let row = begin();
    assert!(matches!(row.put(ACCOUNTS, b"x", b"1"), Ok(Write::Done)));
    row.commit().unwrap().wait().unwrap();
    let (holder, writer, other, sharers) = (begin(), begin(), begin(), [begin(), begin()]);
    assert!(matches!(ask(&holder, LockMode::Share), LockOutcome::Locked { .. }));
    let writes = blocked(ask(&writer, LockMode::Update));
    let writes_too = blocked(ask(&other, LockMode::Update));
    let mut waits = sharers.each_ref().map(|sharer| Some(blocked(ask(sharer, LockMode::Share))));
    drop(writes);
    // Not yet: there is the other writer.
    assert!(matches!(waits[0].take().unwrap().wait(None, &|| true), Err(Error::Cancelled)));
    waits[0] = Some(blocked(ask(&sharers[0], LockMode::Share)));
    drop(writes_too);
    for (sharer, wait) in sharers.iter().zip(waits) {
        wait.unwrap().wait(None, &|| true).unwrap();
        assert!(matches!(ask(sharer, LockMode::Share), LockOutcome::Locked { .. }));
    }
    // A writer still waits for all of them.
    let wait = blocked(ask(&writer, LockMode::Update));
    drop((holder, sharers));
    wait.wait(None, &|| true).unwrap();
}

#[test]
fn a_full_disk_refuses_writers_lets_readers_on_and_goes_away() {
    let io = SimIo::new(1);
    let fatal = Arc::new(AtomicU64::new(0));
    let engine = open(&io, options(&fatal));
    let mut next = 0u32;
    let mut put = |engine: &Engine| {
        let txn = engine.begin(Isolation::ReadCommitted);
        let Write::Done = txn.put(LEDGER, &u64::from(next).to_be_bytes(), &[7; 1000])? else {
            panic!("nobody else writes")
        };
        txn.commit()?.wait()?;
        next += 1;
        Ok::<u32, Error>(next)
    };
    put(&engine).unwrap();
    io.set_faults(Faults { capacity: Some(io.used() + 50_000), ..Faults::default() });
    let error = loop {
        if let Err(error) = put(&engine) {
            break error;
        }
    };
    assert!(matches!(error, Error::DiskFull) && error.sqlstate() == "53100", "{error:?}");
    let rows = audit(&engine).1.len();
    assert!(rows > 1, "readers go on");
    assert!(put(&engine).is_err());
    io.set_faults(Faults::default());
    let stored = put(&engine).unwrap();
    drop(engine);
    io.power_cut();
    let engine = open(&io, options(&fatal));
    assert_eq!(audit(&engine).1.len(), stored as usize);
    assert_eq!(fatal.load(Ordering::SeqCst), 0);
}

#[test]
fn memory_of_deleted_rows_comes_back_by_itself() {
    let io = SimIo::new(4);
    let engine = open(&io, Options { memtable_bytes: 2_000_000, ..options(&Arc::default()) });
    for round in 0..3 {
        let txn = engine.begin(Isolation::ReadCommitted);
        for row in 0..10_000u64 {
            // What the round before has deleted may still be on its way out.
            loop {
                match txn.put(LEDGER, &row.to_be_bytes(), &[1; 60]) {
                    Ok(Write::Done) => break,
                    Err(Error::OutOfMemory { .. }) if round > 0 => std::thread::yield_now(),
                    other => panic!("{other:?}"),
                }
            }
        }
        txn.commit().unwrap().wait().unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        for row in 0..10_000u64 {
            let _ = txn.delete(LEDGER, &row.to_be_bytes()).unwrap();
        }
        txn.commit().unwrap().wait().unwrap();
    }
}

#[test]
fn a_failed_sync_of_the_log_stops_everything_once() {
    let io = SimIo::new(2);
    let fatal = Arc::new(AtomicU64::new(0));
    let engine = open(&io, options(&fatal));
    let txn = engine.begin(Isolation::ReadCommitted);
    let _ = txn.put(LEDGER, &1u64.to_be_bytes(), b"durable").unwrap();
    txn.commit().unwrap().wait().unwrap();
    let mut last = 1u64;
    let outcome = loop {
        // The one that fails may be that of a segment prepared in the background; then the log goes on.
        io.set_faults(Faults { sync_fails_after: Some(0), ..Faults::default() });
        last += 1;
        let txn = engine.begin(Isolation::ReadCommitted);
        let _ = txn.put(LEDGER, &last.to_be_bytes(), b"unknown").unwrap();
        if let Err(error) = txn.commit().unwrap().wait() {
            break error;
        }
    };
    assert!(matches!(outcome, Error::Fatal(_)), "{outcome:?}");
    let txn = engine.begin(Isolation::ReadCommitted);
    assert!(matches!(txn.put(LEDGER, b"k", b"v"), Err(Error::Fatal(_))));
    assert!(matches!(txn.snapshot().get(LEDGER, b"k"), Err(Error::Fatal(_))));
    assert!(engine.checkpoint().is_err());
    assert_eq!(fatal.load(Ordering::SeqCst), 1);
    drop((txn, engine));
    io.power_cut();
    let entries = audit(&open(&io, options(&fatal))).1;
    let acknowledged: Vec<u64> = (1..last).collect();
    assert!(entries == acknowledged || entries == [acknowledged, vec![last]].concat(), "{entries:?}");
}

#[test]
fn waits_end_at_their_deadline_and_when_cancelled() {
    let io = SimIo::new(3);
    let engine = open(&io, options(&Arc::default()));
    let holder = engine.begin(Isolation::ReadCommitted);
    lock(&holder, 1).unwrap();
    let waiter = engine.begin(Isolation::ReadCommitted);
    let block = || match waiter.lock_row(ACCOUNTS, &1u32.to_be_bytes(), LockMode::Update, WaitPolicy::Wait) {
        Ok(LockOutcome::Blocked(wait)) => wait,
        other => panic!("{other:?}"),
    };
    assert!(matches!(block().wait(Some(io.now()), &|| false), Err(Error::LockTimeout)));
    assert!(matches!(block().wait(None, &|| true), Err(Error::Cancelled)));
    drop(holder);
    assert_eq!(lock(&waiter, 1).unwrap(), 0, "who gave up left the queue");
}
