//! Interleavings of commits, row locks, flush, eviction and snapshots, by shuttle's schedulers: at random, and by PCT ("A
//! Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", Burckhardt et al., ASPLOS 2010).
//!
//! A schedule that fails is printed; `shuttle::replay` runs it again. `PLIMSOLL_SCHEDULES` is the number of schedules of each kind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

extern crate plimsoll_interleavings as plimsoll_storage;

#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_storage::io::{File, Io, OpenMode};
use plimsoll_storage::{
    BulkDelete, Direction, Durability, Engine, Error, Insert, Isolation, KeyRange, Load, LockMode,
    LockOutcome, Options, RowBuffer, Snapshot, Transaction, TreeId, WaitPolicy, Write,
};
use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::{JoinHandle, spawn};
use shuttle::{Config, MaxSteps, Runner};
use support::{Faults, SimIo};

const TREE: TreeId = TreeId(1);

/// The simulated machine, whose threads shuttle drives.
struct Driven(SimIo);

impl Io for Driven {
    fn create_dir_all(&self, dir: &Path) -> std::io::Result<()> {
        self.0.create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn File>> {
        self.0.open(path, mode)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn lock_dir(&self, dir: &Path) -> std::io::Result<Option<Box<dyn Send + Sync>>> {
        self.0.lock_dir(dir)
    }
    fn wall_clock_us(&self) -> u64 {
        self.0.wall_clock_us()
    }
    fn now(&self) -> Instant {
        self.0.now()
    }
    fn random(&self) -> u64 {
        self.0.random()
    }
    fn sleep(&self, _duration: Duration) {
        shuttle::thread::yield_now();
    }
    fn park(&self, _at_most: Option<Duration>) {
        shuttle::thread::park();
    }
}

fn check(test: fn()) {
    let schedules = std::env::var("PLIMSOLL_SCHEDULES").map_or(100, |count| count.parse().unwrap());
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(2_000_000);
    config.silence_warnings = true;
    Runner::new(RandomScheduler::new(schedules), config.clone()).run(test);
    Runner::new(PctScheduler::new(3, schedules), config).run(test);
}

fn options(background: bool) -> Options {
    Options { wal_segment_size: 8192, background, fatal: Arc::new(|_| {}), ..Options::default() }
}

fn open(io: &SimIo, background: bool) -> Engine {
    open_with(io, options(background))
}

fn open_with(io: &SimIo, options: Options) -> Engine {
    Engine::open(Arc::new(Driven(io.process())), Path::new("/data"), options).unwrap()
}

/// Runs beside others.
fn beside(engine: &Engine, life: impl FnOnce(&Engine) + Send + 'static) -> JoinHandle<()> {
    let engine = engine.clone();
    spawn(move || life(&engine))
}

fn join(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn number(value: Option<&[u8]>) -> i64 {
    value.map_or(0, |value| i64::from_le_bytes(value.try_into().unwrap()))
}

/// Locks a row and answers its newest value.
fn lock(txn: &Transaction, row: u8) -> Result<i64, Error> {
    loop {
        match txn.lock_row(TREE, &[row], LockMode::Update, WaitPolicy::Wait)? {
            LockOutcome::Locked { current, .. } => return Ok(number(current.as_deref())),
            LockOutcome::Blocked(wait) => wait.wait(None, &|| false)?,
            LockOutcome::Skipped => panic!("asked to wait"),
        }
    }
}

fn put(txn: &Transaction, row: u8, value: i64) -> Result<(), Error> {
    let Write::Done = txn.put(TREE, &[row], &value.to_le_bytes())? else { panic!("the row is locked") };
    Ok(())
}

/// Adds to rows in one transaction, and answers what the first became.
fn add(engine: &Engine, rows: &[(u8, i64)]) -> Result<i64, Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let mut first = None;
    for (row, change) in rows {
        txn.new_statement();
        let value = lock(&txn, *row)? + change;
        put(&txn, *row, value)?;
        first.get_or_insert(value);
    }
    txn.commit()?.wait()?;
    Ok(first.unwrap_or(0))
}

fn get(snapshot: &Snapshot, row: u8) -> Result<i64, Error> {
    Ok(number(snapshot.get(TREE, &[row])?.as_deref()))
}

/// The rows of the tree, read in small steps.
fn scan(snapshot: &Snapshot, direction: Direction) -> Vec<(u8, i64)> {
    let mut rows = RowBuffer::new();
    let mut scan = snapshot.scan(TREE, KeyRange::all(), direction);
    while scan.next_batch(2, &mut rows).unwrap() {}
    let mut rows: Vec<_> = rows.iter().map(|(key, value)| (key[0], number(Some(value)))).collect();
    rows.sort_unstable();
    rows
}

fn newest(engine: &Engine) -> Snapshot {
    engine.begin(Isolation::ReadCommitted).snapshot()
}

/// Whoever has waited for a commit sees it, nobody sees one go away again, and no crash takes one that was seen.
#[test]
fn a_commit_is_seen_when_it_is_durable_and_not_before() {
    check(|| {
        let mut rng = shuttle::rand::thread_rng();
        let io = SimIo::new(rng.r#gen());
        let engine = open(&io, true);
        let seen = Arc::new(std::sync::atomic::AtomicI64::new(0));
        if rng.gen_bool(0.5) {
            let power_cut_after = Some(rng.gen_range(0..30));
            io.set_faults(Faults { power_cut_after, ..Faults::default() });
        }
        let saw = {
            let seen = Arc::clone(&seen);
            move |value| seen.fetch_max(value, std::sync::atomic::Ordering::SeqCst)
        };
        let mut threads = Vec::new();
        for _ in 0..3 {
            let saw = saw.clone();
            threads.push(beside(&engine, move |engine| {
                for _ in 0..2 {
                    let Ok(value) = add(engine, &[(1, 1)]) else { return };
                    saw(value);
                    let Ok(visible) = get(&newest(engine), 1) else { return };
                    assert!(visible >= value, "{visible} after {value} was acknowledged");
                }
            }));
        }
        threads.push(beside(&engine, move |engine| {
            let mut last = 0;
            for _ in 0..4 {
                let Ok(value) = get(&newest(engine), 1) else { return };
                assert!(value >= last, "{value} after {last}");
                last = value;
                saw(value);
            }
        }));
        join(threads);
        if io.is_off() {
            io.power_cut();
        } else {
            engine.close().unwrap();
            io.power_cut();
        }
        drop(engine);
        let after = get(&newest(&open(&io, false)), 1).unwrap();
        let seen = seen.load(std::sync::atomic::Ordering::SeqCst);
        assert!(after >= seen, "{after} after the crash, {seen} was seen before");
    });
}

/// Every wait ends, by the lock or by the deadlock it would be.
#[test]
fn waits_for_rows_end_and_nothing_is_lost() {
    check(|| {
        let engine = open(&SimIo::new(1), true);
        let transfers = [[(1, -1), (2, 1)], [(2, -5), (1, 5)], [(3, -7), (2, 7)], [(1, -9), (3, 9)]];
        let threads = transfers.map(|rows| {
            beside(&engine, move |engine| {
                while let Err(error) = add(engine, &rows) {
                    assert!(matches!(error, Error::Deadlock { .. }), "{error:?}");
                    // Otherwise a schedule may run this one for ever, and never those it has made way for.
                    shuttle::thread::yield_now();
                }
            })
        });
        join(threads.into());
        assert_eq!(scan(&newest(&engine), Direction::Forward), [(1, -5), (2, 3), (3, 2)]);
        assert_eq!(engine.stats().transactions_live, 0);
    });
}

/// Rows on their way between memory and files: each reader sees all rows as one commit left them, and goes on seeing that.
#[test]
fn snapshots_stay_whole_while_rows_leave_memory() {
    check(|| {
        let engine = open(&SimIo::new(1), true);
        add(&engine, &[(1, 1), (2, 1), (3, 1)]).unwrap();
        engine.shrink_memory(0).unwrap();
        let mut threads = vec![
            beside(&engine, |engine| {
                for _ in 0..3 {
                    add(engine, &[(1, 1), (2, 1), (3, 1)]).unwrap();
                }
            }),
            beside(&engine, |engine| {
                for _ in 0..2 {
                    engine.shrink_memory(0).unwrap();
                    engine.compact().unwrap();
                }
            }),
        ];
        for direction in [Direction::Forward, Direction::Backward] {
            threads.push(beside(&engine, move |engine| {
                let snapshot = newest(engine);
                let rows = scan(&snapshot, direction);
                let value = rows.first().map_or(0, |(_, value)| *value);
                assert_eq!(rows, [(1, value), (2, value), (3, value)]);
                for row in [2, 3, 1] {
                    assert_eq!(get(&snapshot, row).unwrap(), value);
                }
                assert_eq!(scan(&snapshot, direction), rows);
            }));
        }
        join(threads);
        assert_eq!(scan(&newest(&engine), Direction::Forward), [(1, 4), (2, 4), (3, 4)]);
    });
}

/// The newest row is found wherever it is, and by whoever writes it.
#[test]
fn the_newest_row_is_found_while_rows_leave_memory() {
    check(|| {
        let engine = open(&SimIo::new(1), true);
        let taken = |engine: &Engine, value: i64| {
            let txn = engine.begin(Isolation::ReadCommitted);
            let outcome = loop {
                match txn.insert_unique(TREE, &[9], &value.to_le_bytes()).unwrap() {
                    Insert::Blocked(wait) => wait.wait(None, &|| false).unwrap(),
                    other => break other,
                }
            };
            txn.commit().unwrap().wait().unwrap();
            matches!(outcome, Insert::Exists(_))
        };
        assert!(!taken(&engine, 1));
        let threads = vec![
            beside(&engine, move |engine| assert!(taken(engine, 2), "a row that exists was inserted")),
            beside(&engine, |engine| {
                let txn = engine.begin(Isolation::ReadCommitted);
                for _ in 0..2 {
                    let found = txn.get_latest(TREE, &[9]).unwrap();
                    assert_eq!(number(found.as_deref()), 1);
                }
                // Three writes, one of them to a row that may be in files only.
                add(engine, &[(1, 1), (9, 0), (2, 1)]).unwrap();
            }),
            beside(&engine, |engine| {
                for _ in 0..2 {
                    engine.shrink_memory(0).unwrap();
                }
            }),
        ];
        join(threads);
        assert_eq!(scan(&newest(&engine), Direction::Forward), [(1, 1), (2, 1), (9, 1)]);
    });
}

/// Deletions in a file beside one who writes to a row of them, or has, and rows on their way to files.
#[test]
fn what_is_deleted_in_a_file_is_what_the_statement_has_read() {
    check(|| {
        let io = SimIo::new(shuttle::rand::thread_rng().r#gen());
        let engine = open(&io, true);
        assert_eq!(engine.allocate_tree().unwrap(), TREE);
        add(&engine, &[(1, 1), (2, 1), (3, 1)]).unwrap();
        engine.checkpoint().unwrap();
        engine.shrink_memory(0).unwrap();
        let adds = beside(&engine, |engine| {
            // Where the row has gone, it is one.
            add(engine, &[(2, 10)]).unwrap();
        });
        let moves = beside(&engine, |engine| {
            engine.checkpoint().unwrap();
            engine.shrink_memory(0).unwrap();
        });
        let txn = engine.begin(Isolation::ReadCommitted);
        let snapshot = txn.snapshot();
        let seen = get(&snapshot, 2).unwrap();
        let mut keys = RowBuffer::new();
        (1..=3).for_each(|row| assert!(keys.push(&[row], &[])));
        let deleted = txn.delete_in_file(&mut BulkDelete::new(TREE), &keys, true, &snapshot).unwrap();
        txn.commit().unwrap().wait().unwrap();
        drop(snapshot);
        join(vec![adds, moves]);
        let rows = scan(&newest(&engine), Direction::Forward);
        let expected = match (deleted, seen) {
            // The addition has waited, or come first.
            (true, 1) => vec![(2, 10)],
            (true, _) => vec![],
            (false, _) => vec![(1, 1), (2, 11), (3, 1)],
        };
        assert_eq!(rows, expected, "deleted: {deleted}, of {seen}");
        assert_eq!(engine.tree_len(TREE), rows.len() as u64);
    });
}

/// As the one before, where a row comes to memory from a file that no flush knows of: no flush may write it in front of its deletion.
#[test]
fn no_flush_comes_in_front_of_a_deletion_in_a_file() {
    check(|| {
        let io = SimIo::new(shuttle::rand::thread_rng().r#gen());
        let options = Options { stage_bytes_min: 1, memtable_bytes: 64 << 10, ..options(false) };
        let engine = open_with(&io, options);
        assert_eq!(engine.allocate_tree().unwrap(), TREE);
        let (txn, mut load) = (engine.begin(Isolation::ReadCommitted), Load::new(TREE));
        let (mut rows, mut keys) = (RowBuffer::new(), RowBuffer::new());
        for row in 1..=3 {
            assert!(rows.push(&[row], &[0; 1_000]) && keys.push(&[row], &[]));
        }
        assert_eq!(txn.load(&mut load, &rows, 0).unwrap(), 3);
        assert!(txn.finish_load(load).unwrap().is_empty(), "it is in a file");
        txn.commit().unwrap().wait().unwrap();
        let locks = beside(&engine, |engine| {
            let txn = engine.begin(Isolation::ReadCommitted);
            let asked = txn.lock_row(TREE, &[2], LockMode::Update, WaitPolicy::Skip).unwrap();
            txn.rollback();
            assert!(matches!(asked, LockOutcome::Locked { .. } | LockOutcome::Skipped));
            engine.checkpoint().unwrap();
            engine.shrink_memory(0).unwrap();
        });
        let txn = engine.begin(Isolation::ReadCommitted);
        let snapshot = txn.snapshot();
        let deleted = txn.delete_in_file(&mut BulkDelete::new(TREE), &keys, true, &snapshot).unwrap();
        join(vec![locks]);
        txn.commit().unwrap().wait().unwrap();
        drop(snapshot);
        let left = if deleted { 0 } else { 3 };
        let mut rows = RowBuffer::new();
        let mut scan = newest(&engine).scan(TREE, KeyRange::all(), Direction::Forward);
        while scan.next_batch(10, &mut rows).unwrap() {}
        assert_eq!((rows.len(), engine.tree_len(TREE)), (left, left as u64), "deleted: {deleted}");
    });
}

/// What a checkpoint counts and what the log counts on from there is what is there.
#[test]
fn rows_are_counted_once_whenever_the_power_is_cut() {
    check(|| {
        let mut rng = shuttle::rand::thread_rng();
        let io = SimIo::new(rng.r#gen());
        let engine = open(&io, false);
        assert_eq!(engine.allocate_tree().unwrap(), TREE);
        add(&engine, &[(1, 1)]).unwrap();
        if rng.gen_bool(0.8) {
            let power_cut_after = Some(rng.gen_range(0..30));
            io.set_faults(Faults { power_cut_after, ..Faults::default() });
        }
        let writes = beside(&engine, |engine| {
            for row in 2..6 {
                let txn = engine.begin(Isolation::ReadCommitted);
                if put(&txn, row, 1).is_err() || txn.commit_with(Durability::Asynchronous).is_err() {
                    return;
                }
            }
        });
        let checkpoint = engine.checkpoint();
        assert!(checkpoint.is_ok() || io.is_off());
        join(vec![writes]);
        io.power_cut();
        drop(engine);
        let engine = open(&io, false);
        let rows = scan(&newest(&engine), Direction::Forward).len() as u64;
        assert_eq!(engine.tree_len(TREE), rows);
    });
}

/// Slots go from writer to writer: what was rolled back is seen by nobody, and an old snapshot sees no newer version.
#[test]
fn versions_are_taken_for_their_own_writers_only() {
    check(|| {
        let engine = open(&SimIo::new(1), true);
        add(&engine, &[(1, 1), (2, 1)]).unwrap();
        let mut threads: Vec<_> = (0..2)
            .map(|_| {
                beside(&engine, |engine| {
                    for round in 0..3 {
                        let txn = engine.begin(Isolation::ReadCommitted);
                        let value = lock(&txn, 1).unwrap();
                        if round == 1 {
                            put(&txn, 1, -100).unwrap();
                            put(&txn, 7, -100).unwrap();
                            txn.rollback();
                            continue;
                        }
                        put(&txn, 1, value + 1).unwrap();
                        txn.new_statement();
                        assert_eq!(get(&txn.snapshot(), 1).unwrap(), value + 1);
                        txn.commit().unwrap().wait().unwrap();
                    }
                })
            })
            .collect();
        threads.push(beside(&engine, |engine| {
            let old = engine.begin(Isolation::RepeatableRead).snapshot();
            let first = get(&old, 1).unwrap();
            let mut last = first;
            for _ in 0..4 {
                let rows = scan(&newest(engine), Direction::Forward);
                assert!(rows.len() == 2 && rows[0].1 >= last, "{rows:?} after {last}");
                last = rows[0].1;
                assert_eq!(get(&old, 1).unwrap(), first);
            }
        }));
        join(threads);
        assert_eq!(scan(&newest(&engine), Direction::Forward), [(1, 5), (2, 1)]);
    });
}
