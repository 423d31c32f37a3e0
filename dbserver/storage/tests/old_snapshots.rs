//! Snapshots that are kept for long: what they see goes to files with everything else; where that does not help, the oldest is
//! ended, so that neither memory nor writers suffer.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;

use plimsoll_storage::io::Io;
use plimsoll_storage::{
    Direction, Engine, Error, Insert, Isolation, KeyRange, LockMode, Options, RowBuffer, Snapshot,
    Transaction, TreeId, WaitPolicy, Write,
};
use support::{Faults, SimIo};

const TREE: TreeId = TreeId(1);
const MEMORY: u64 = 1 << 20;

fn open(io: &SimIo) -> Engine {
    let io: Arc<dyn Io> = Arc::new(io.clone());
    let options = Options { background: false, memtable_bytes: MEMORY, ..Options::default() };
    Engine::open(io, Path::new("/data"), options).unwrap()
}

fn begin(engine: &Engine) -> Transaction {
    engine.begin(Isolation::RepeatableRead)
}

fn key(row: u32) -> [u8; 4] {
    row.to_be_bytes()
}

/// Gives each of the rows a value, in a transaction of its own.
fn put(engine: &Engine, rows: impl Iterator<Item = u32>, value: &[u8]) -> Result<(), Error> {
    for row in rows {
        let txn = begin(engine);
        assert!(matches!(txn.put(TREE, &key(row), value)?, Write::Done));
        txn.commit()?.wait()?;
    }
    Ok(())
}

fn scan(snapshot: &Snapshot) -> Result<RowBuffer, Error> {
    let mut rows = RowBuffer::new();
    let mut scan = snapshot.scan(TREE, KeyRange::all(), Direction::Forward);
    while scan.next_batch(1000, &mut rows)? {}
    Ok(rows)
}

#[test]
fn a_row_that_is_written_over_and_over_takes_no_memory_under_an_old_snapshot() {
    let engine = open(&SimIo::new(1));
    put(&engine, 0..1, b"old").unwrap();
    let old = begin(&engine);
    let snapshot = old.snapshot();
    for _ in 0..30 {
        put(&engine, std::iter::repeat_n(0, 1_000), b"new").unwrap();
        let stats = engine.stats();
        assert!(stats.garbage_bytes <= MEMORY / 4, "{} bytes wait", stats.garbage_bytes);
    }
    assert_eq!(snapshot.get(TREE, &key(0)).unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(engine.stats().snapshots_ended, 0);
}

#[test]
fn what_an_old_snapshot_sees_goes_to_files() {
    const ROWS: u32 = 6_000;
    let engine = open(&SimIo::new(1));
    put(&engine, 0..ROWS, b"old").unwrap();
    let old = begin(&engine);
    let snapshot = old.snapshot();
    put(&engine, (0..ROWS).chain(0..ROWS), &[7; 200]).unwrap();
    assert!(engine.stats().memory_bytes <= MEMORY);
    assert_eq!(engine.stats().snapshots_ended, 0);
    let rows = scan(&snapshot).unwrap();
    assert_eq!(rows.len(), ROWS as usize);
    assert!(rows.iter().all(|(_, value)| value == b"old"));
}

#[test]
fn where_no_file_can_be_written_the_oldest_snapshot_goes_before_a_writer_does() {
    const ROWS: u32 = 400;
    let io = SimIo::new(1);
    let engine = open(&io);
    put(&engine, 0..ROWS, &[1; 1000]).unwrap();
    let old = begin(&engine);
    let oldest = old.snapshot();
    assert!(oldest.get(TREE, &key(0)).unwrap().is_some());
    put(&engine, 0..ROWS, &[2; 1000]).unwrap();
    io.set_faults(Faults { capacity: Some(io.used()), ..Faults::default() });
    let young = begin(&engine);
    let youngest = young.snapshot();
    put(&engine, ROWS..ROWS + 300, &[3; 1000]).unwrap();
    assert_eq!(engine.stats().snapshots_ended, 1);
    assert!(matches!(oldest.get(TREE, &key(0)), Err(Error::SnapshotTooOld)));
    assert_eq!(scan(&youngest).unwrap().len(), ROWS as usize);
    // What is left is needed: now it is the writers' turn, and the disk that is told of.
    let error = put(&engine, 0..10_000, &[4; 1000]).unwrap_err();
    assert!(matches!(error, Error::DiskFull), "{error:?}");
    assert!(scan(&begin(&engine).snapshot()).unwrap().len() >= ROWS as usize + 300);
    io.set_faults(Faults::default());
    put(&engine, 0..2_000, &[4; 1000]).unwrap();
}

#[test]
fn a_snapshot_that_was_ended_answers_nothing_any_more() {
    let engine = open(&SimIo::new(1));
    put(&engine, 0..100, b"1").unwrap();
    let old = begin(&engine);
    let snapshot = old.snapshot();
    let mut running = snapshot.scan(TREE, KeyRange::all(), Direction::Forward);
    let mut rows = RowBuffer::new();
    assert!(running.next_batch(10, &mut rows).unwrap());
    assert_eq!(engine.end_oldest_snapshot(), None, "it keeps nothing alive");
    put(&engine, 0..100, b"2").unwrap();
    let young = begin(&engine);
    let youngest = young.snapshot();
    put(&engine, 0..100, b"3").unwrap();

    assert_eq!(engine.end_oldest_snapshot(), Some(snapshot.timestamp()));
    assert!(matches!(snapshot.get(TREE, &key(0)), Err(Error::SnapshotTooOld)));
    assert!(matches!(running.next_batch(10, &mut rows), Err(Error::SnapshotTooOld)));
    // Also where nothing was ever there: it might have been.
    assert!(matches!(snapshot.get(TREE, b"none"), Err(Error::SnapshotTooOld)));
    assert!(matches!(snapshot.get(TreeId(9), b"none"), Err(Error::SnapshotTooOld)));
    let mut of_none = snapshot.scan(TreeId(9), KeyRange::all(), Direction::Forward);
    assert!(matches!(of_none.next_batch(10, &mut rows), Err(Error::SnapshotTooOld)));
    old.new_statement();
    assert!(matches!(old.snapshot().get(TREE, &key(0)), Err(Error::SnapshotTooOld)), "the same transaction");
    assert_eq!(youngest.get(TREE, &key(0)).unwrap().as_deref(), Some(&b"2"[..]));
    // Giving it back later is no matter.
    drop((snapshot, running, old));
    assert_eq!(youngest.get(TREE, &key(0)).unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(begin(&engine).snapshot().get(TREE, &key(0)).unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(Error::SnapshotTooOld.sqlstate(), "72000");
}

#[test]
fn who_cannot_know_whether_a_row_was_deleted_since_does_not_write_it() {
    let engine = open(&SimIo::new(1));
    put(&engine, 0..2, b"old").unwrap();
    for isolation in [Isolation::RepeatableRead, Isolation::Serializable] {
        put(&engine, 0..1, b"old").unwrap();
        let txn = engine.begin(isolation);
        assert!(txn.snapshot().get(TREE, &key(0)).unwrap().is_some());
        let other = begin(&engine);
        assert!(matches!(other.delete(TREE, &key(0)), Ok(Write::Done)));
        other.commit().unwrap().wait().unwrap();
        assert!(matches!(txn.put(TREE, &key(0), b"new"), Err(Error::WriteConflict)));
        // The deletion is forgotten, and with it that there was a conflict.
        engine.end_oldest_snapshot().unwrap();
        put(&engine, 1..2, b"next").unwrap();
        assert!(matches!(txn.put(TREE, &key(0), b"new"), Err(Error::SnapshotTooOld)));
        assert!(matches!(txn.delete(TREE, &key(0)), Err(Error::SnapshotTooOld)));
        let locked = txn.lock_row(TREE, &key(0), LockMode::Update, WaitPolicy::Wait);
        assert!(matches!(locked, Err(Error::SnapshotTooOld)));
        let mut rows = RowBuffer::new();
        rows.push(&key(0), &[]);
        let deleted = txn.delete_batch(TREE, &rows, 0, &txn.snapshot());
        match isolation {
            Isolation::Serializable => assert!(matches!(deleted, Ok(0))),
            _ => assert!(matches!(deleted, Err(Error::SnapshotTooOld))),
        }
        // An insert asks for the newest row, whatever it was before.
        assert!(matches!(txn.insert_unique(TREE, &key(0), b"new"), Ok(Insert::Inserted)));
    }
    let txn = engine.begin(Isolation::ReadCommitted);
    drop(txn.snapshot());
    assert!(matches!(txn.put(TREE, &key(0), b"new"), Ok(Write::Done)));
}
