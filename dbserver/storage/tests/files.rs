//! Rows on their way between memory and files: whoever reads, writes or locks them meanwhile sees them where they are.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use plimsoll_storage::io::{Io, RealIo};
use plimsoll_storage::{
    BulkDelete, Direction, Engine, Error, Isolation, KeyRange, Load, LockMode, LockOutcome, Options,
    RowBuffer, Snapshot, Transaction, TreeId, WaitPolicy, Write,
};
use rand::prelude::*;
use support::{Faults, SimIo};

const TREE: TreeId = TreeId(1);

fn open(io: &SimIo, memtable_bytes: u64) -> Engine {
    let options = Options {
        wal_segment_size: 1 << 20,
        memtable_bytes,
        stage_bytes_min: 4_000,
        background: false,
        ..Options::default()
    };
    let engine = Engine::open(Arc::new(io.clone()), Path::new("/data"), options).unwrap();
    assert_eq!(engine.allocate_tree().unwrap(), TREE);
    engine
}

fn put(txn: &Transaction, key: u32, value: &[u8]) {
    assert!(matches!(txn.put(TREE, &key.to_be_bytes(), value), Ok(Write::Done)));
}

fn commit(engine: &Engine, txn: &Transaction) {
    drop(txn.commit().unwrap());
    engine.flush().unwrap();
}

/// Rows 0 to `count`, in files only.
fn fill(engine: &Engine, count: u32, value: &[u8]) {
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..count).for_each(|key| put(&txn, key, value));
    commit(engine, &txn);
    engine.shrink_memory(0).unwrap();
    assert_eq!(engine.stats().memory_bytes, 0);
}

/// Writes rows from 1000 on until they have gone to a staged file.
fn write_much(engine: &Engine, txn: &Transaction) {
    let before = engine.stats().staged_bytes;
    let mut key = 1000;
    while engine.stats().staged_bytes == before {
        put(txn, key, &[7; 500]);
        key += 1;
    }
}

fn keys(snapshot: &Snapshot) -> usize {
    let mut rows = RowBuffer::new();
    let mut scan = snapshot.scan(TREE, KeyRange::all(), Direction::Forward);
    while scan.next_batch(100, &mut rows).unwrap() {}
    rows.len()
}

/// Rows of a load, of keys 0, 1, 2 …
fn ascending(count: u32, value: &[u8]) -> RowBuffer {
    let mut rows = RowBuffer::new();
    (0..count).for_each(|key| assert!(rows.push(&key.to_be_bytes(), value)));
    rows
}

#[test]
fn a_load_is_seen_by_the_next_statement_and_by_others_after_the_commit() {
    let engine = open(&SimIo::new(1), 1 << 20);
    let txn = engine.begin(Isolation::ReadCommitted);
    let mut load = Load::new(TREE);
    let rows = ascending(1000, &[7; 100]);
    assert_eq!(txn.load(&mut load, &rows, 0).unwrap(), 1000);
    assert_eq!(txn.load(&mut load, &rows, 0).unwrap(), 0, "what does not ascend is not taken");
    assert!(txn.finish_load(load).unwrap().is_empty());
    assert_eq!(keys(&txn.snapshot()), 0, "not by its own statement");
    txn.new_statement();
    assert_eq!(keys(&txn.snapshot()), 1000);
    assert!(engine.stats().wal_bytes_since_checkpoint < 1000, "the log has none of them");
    // Its rows are its own until then.
    let other = engine.begin(Isolation::ReadCommitted);
    assert!(matches!(other.put(TREE, &5u32.to_be_bytes(), b"x"), Ok(Write::Blocked(_))));
    assert_eq!(keys(&other.snapshot()), 0);
    commit(&engine, &txn);
    other.new_statement();
    assert_eq!(keys(&other.snapshot()), 1000);
    assert!(matches!(other.put(TREE, &5u32.to_be_bytes(), b"x"), Ok(Write::Done)));
}

#[test]
fn a_small_load_is_given_back_and_an_abandoned_one_leaves_no_file() {
    let io = SimIo::new(1);
    let engine = open(&io, 1 << 20);
    let files = || io.list(Path::new("/data/sst")).unwrap().len();
    let txn = engine.begin(Isolation::ReadCommitted);
    let mut load = Load::new(TREE);
    assert_eq!(txn.load(&mut load, &ascending(3, b"v"), 0).unwrap(), 3);
    let few = txn.finish_load(load).unwrap();
    assert_eq!((few.len(), files()), (3, 0));
    let mut load = Load::new(TREE);
    assert_eq!(txn.load(&mut load, &ascending(1000, &[7; 100]), 0).unwrap(), 1000);
    assert_eq!(files(), 1);
    drop(load);
    assert_eq!(files(), 0);
    txn.new_statement();
    assert_eq!(keys(&txn.snapshot()), 0);
}

#[test]
fn a_load_goes_with_its_savepoint() {
    let engine = open(&SimIo::new(1), 1 << 20);
    let txn = engine.begin(Isolation::ReadCommitted);
    put(&txn, 5000, b"stays");
    let savepoint = txn.savepoint();
    let mut load = Load::new(TREE);
    assert_eq!(txn.load(&mut load, &ascending(1000, &[7; 100]), 0).unwrap(), 1000);
    assert!(txn.finish_load(load).unwrap().is_empty());
    txn.rollback_to(&savepoint);
    txn.new_statement();
    assert_eq!(keys(&txn.snapshot()), 1);
    commit(&engine, &txn);
    assert_eq!(keys(&engine.begin(Isolation::ReadCommitted).snapshot()), 1);
}

#[test]
fn a_deletion_that_leaves_memory_under_a_scan_stays_a_deletion() {
    for direction in [Direction::Forward, Direction::Backward] {
        let engine = open(&SimIo::new(1), 1 << 20);
        fill(&engine, 200, b"v");
        let txn = engine.begin(Isolation::ReadCommitted);
        // Rows in memory, so that the scan does not come to the deleted ones at once.
        (50..150).for_each(|key| put(&txn, key, b"w"));
        for key in [0u32, 199] {
            txn.delete(TREE, &key.to_be_bytes()).unwrap();
        }
        commit(&engine, &txn);
        let reader = engine.begin(Isolation::RepeatableRead);
        let mut scan = reader.snapshot().scan(TREE, KeyRange::all(), direction);
        let mut rows = RowBuffer::new();
        scan.next_batch(10, &mut rows).unwrap();
        engine.checkpoint().unwrap();
        while scan.next_batch(10, &mut rows).unwrap() {}
        assert_eq!(rows.len(), 198);
    }
}

/// Its slot is the next writer's, who would take a version left behind for its own.
#[test]
fn a_staged_row_that_came_up_after_a_savepoint_goes_with_its_transaction() {
    let engine = open(&SimIo::new(1), 400_000);
    let writer = engine.begin(Isolation::ReadCommitted);
    put(&writer, 5, b"never committed");
    write_much(&engine, &writer);
    let savepoint = writer.savepoint();
    assert!(matches!(writer.delete(TREE, &5u32.to_be_bytes()), Ok(Write::Done)));
    writer.rollback_to(&savepoint);
    drop(writer);
    let other = engine.begin(Isolation::ReadCommitted);
    put(&other, 6, b"committed");
    assert_eq!(other.get_latest(TREE, &5u32.to_be_bytes()).unwrap(), None);
    commit(&engine, &other);
    assert_eq!(keys(&engine.begin(Isolation::ReadCommitted).snapshot()), 1);
}

#[test]
fn the_newest_row_is_found_below_one_that_was_staged_and_written_again() {
    let engine = open(&SimIo::new(1), 400_000);
    fill(&engine, 10, b"old");
    let writer = engine.begin(Isolation::ReadCommitted);
    put(&writer, 5, b"new");
    write_much(&engine, &writer);
    writer.new_statement();
    put(&writer, 5, b"newer");
    let other = engine.begin(Isolation::ReadCommitted);
    let newest = |txn: &Transaction| txn.get_latest(TREE, &5u32.to_be_bytes()).unwrap().unwrap().to_vec();
    assert_eq!(newest(&other), b"old");
    assert_eq!(newest(&writer), b"newer");
    drop(writer.commit().unwrap());
    assert_eq!(newest(&other), b"newer");
}

#[test]
fn a_row_deleted_since_the_snapshot_is_a_conflict_wherever_it_is() {
    let engine = open(&SimIo::new(1), 1 << 20);
    fill(&engine, 10, b"v");
    let late = engine.begin(Isolation::RepeatableRead);
    assert_eq!(keys(&late.snapshot()), 10);
    let txn = engine.begin(Isolation::ReadCommitted);
    txn.delete(TREE, &5u32.to_be_bytes()).unwrap();
    commit(&engine, &txn);
    engine.shrink_memory(0).unwrap();
    assert!(matches!(late.delete(TREE, &5u32.to_be_bytes()), Err(Error::WriteConflict)));
}

#[test]
fn a_dropped_tree_is_read_by_older_snapshots_when_its_rows_had_to_leave_memory() {
    let engine = open(&SimIo::new(1), 1 << 20);
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..10).for_each(|key| put(&txn, key, b"v"));
    commit(&engine, &txn);
    let reader = engine.begin(Isolation::RepeatableRead);
    let snapshot = reader.snapshot();
    let txn = engine.begin(Isolation::ReadCommitted);
    txn.drop_tree(TREE);
    commit(&engine, &txn);
    engine.shrink_memory(0).unwrap();
    while engine.compact().unwrap() {}
    assert_eq!(keys(&snapshot), 10);
}

#[test]
fn a_lock_from_before_a_savepoint_survives_the_staging_of_what_came_after() {
    for exists in [true, false] {
        let engine = open(&SimIo::new(1), 400_000);
        fill(&engine, if exists { 10 } else { 5 }, b"v");
        let key = 5u32.to_be_bytes();
        let txn = engine.begin(Isolation::ReadCommitted);
        let locked = txn.lock_row(TREE, &key, LockMode::Update, WaitPolicy::Wait);
        assert!(matches!(locked, Ok(LockOutcome::Locked { .. })));
        let savepoint = txn.savepoint();
        put(&txn, 5, b"w");
        write_much(&engine, &txn);
        txn.rollback_to(&savepoint);
        let other = engine.begin(Isolation::ReadCommitted);
        assert!(matches!(other.put(TREE, &key, b"x"), Ok(Write::Blocked(_))));
        commit(&engine, &txn);
        let reader = engine.begin(Isolation::ReadCommitted).snapshot();
        let value = reader.get(TREE, &key).unwrap();
        assert_eq!(value.as_deref(), exists.then_some(&b"v"[..]));
        assert_eq!(keys(&reader), if exists { 10 } else { 5 });
    }
}

#[test]
fn locking_and_deleting_long_rows_of_files_stays_within_memory() {
    let limit = 1_000_000;
    let engine = open(&SimIo::new(1), limit);
    let value = [1; 50_000];
    (0..10).for_each(|block| {
        let txn = engine.begin(Isolation::ReadCommitted);
        (block * 10..block * 10 + 10).for_each(|key| put(&txn, key, &value));
        commit(&engine, &txn);
    });
    engine.shrink_memory(0).unwrap();
    let txn = engine.begin(Isolation::ReadCommitted);
    let refused = (0..100u32)
        .find_map(|key| txn.lock_row(TREE, &key.to_be_bytes(), LockMode::Update, WaitPolicy::Wait).err());
    assert!(matches!(refused, Some(Error::OutOfMemory { .. })));
    assert!(engine.stats().memory_bytes <= limit);
    txn.rollback();
    let txn = engine.begin(Isolation::ReadCommitted);
    for key in 0..100u32 {
        assert!(matches!(txn.delete(TREE, &key.to_be_bytes()), Ok(Write::Done)));
        assert!(engine.stats().memory_bytes <= limit);
    }
    commit(&engine, &txn);
    assert_eq!(keys(&engine.begin(Isolation::ReadCommitted).snapshot()), 0);
}

#[test]
fn rows_make_room_for_a_long_one() {
    let engine = open(&SimIo::new(1), 1_000_000);
    let txn = engine.begin(Isolation::ReadCommitted);
    put(&txn, 1, &[1; 450_000]);
    commit(&engine, &txn);
    let txn = engine.begin(Isolation::ReadCommitted);
    put(&txn, 2, &[2; 700_000]);
    commit(&engine, &txn);
    assert_eq!(keys(&engine.begin(Isolation::ReadCommitted).snapshot()), 2);
}

#[test]
fn a_transaction_that_outlives_its_engine_leaves_the_directory_alone() {
    let io = SimIo::new(1);
    let engine = open(&io, 400_000);
    let txn = engine.begin(Isolation::ReadCommitted);
    put(&txn, 1, b"v");
    engine.close().unwrap();
    let before = io.list(Path::new("/data/sst")).unwrap();
    let refused = (0..1000u32).find_map(|key| txn.put(TREE, &key.to_be_bytes(), &[1; 500]).err());
    assert!(matches!(refused, Some(Error::Closed)));
    assert!(matches!(engine.checkpoint(), Err(Error::Closed)));
    assert_eq!(io.list(Path::new("/data/sst")).unwrap(), before);
}

/// They would slow scans until enough else is written.
#[test]
fn deletions_meet_what_they_delete_when_nothing_else_is_due() {
    let engine = open(&SimIo::new(6), 1 << 20);
    fill(&engine, 30, &[7; 50]);
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..30u32).for_each(|key| assert!(matches!(txn.delete(TREE, &key.to_be_bytes()), Ok(Write::Done))));
    commit(&engine, &txn);
    drop(txn);
    engine.shrink_memory(0).unwrap();
    assert_eq!(engine.stats().files.iter().sum::<u64>(), 2);
    while engine.compact().unwrap() {}
    assert_eq!(engine.stats().files.iter().sum::<u64>(), 0);
}

/// A merge keeps them, and the rows, as long as a snapshot sees those.
#[test]
fn deletions_go_from_the_last_level() {
    let engine = open(&SimIo::new(6), 1 << 20);
    let mut random = StdRng::seed_from_u64(1);
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..30).for_each(|key| put(&txn, key, &random.random::<[u8; 200]>()));
    commit(&engine, &txn);
    engine.shrink_memory(0).unwrap();
    let reader = engine.begin(Isolation::RepeatableRead);
    drop(reader.snapshot());
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..30u32).for_each(|key| assert!(matches!(txn.delete(TREE, &key.to_be_bytes()), Ok(Write::Done))));
    commit(&engine, &txn);
    engine.shrink_memory(0).unwrap();
    // Four files make a merge, in which the snapshot keeps rows and deletions.
    for key in 100..102 {
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, key, b"v");
        commit(&engine, &txn);
        engine.checkpoint().unwrap();
    }
    while engine.compact().unwrap() {}
    assert_eq!(keys(&reader.snapshot()), 30);
    let bytes = || engine.stats().file_bytes.iter().sum::<u64>();
    let before = bytes();
    assert!(before > 30 * 200, "{before}");
    drop(reader);
    while engine.compact().unwrap() {}
    assert!(bytes() < before / 4, "{} of {before}", bytes());
    assert_eq!(keys(&engine.begin(Isolation::ReadCommitted).snapshot()), 2);
}

#[test]
fn deletions_that_a_snapshot_held_back_go_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(RealIo::shared(), dir.path(), Options::default()).unwrap();
    assert_eq!(engine.allocate_tree().unwrap(), TREE);
    fill(&engine, 30, &[7; 50]);
    let reader = engine.begin(Isolation::RepeatableRead);
    assert_eq!(keys(&reader.snapshot()), 30);
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..30u32).for_each(|key| assert!(matches!(txn.delete(TREE, &key.to_be_bytes()), Ok(Write::Done))));
    commit(&engine, &txn);
    engine.checkpoint().unwrap();
    let files = || engine.stats().files.iter().sum::<u64>();
    // What there is to do with them now is soon done.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(files() > 0);
    assert_eq!(keys(&reader.snapshot()), 30);
    drop(reader);
    let begun = std::time::Instant::now();
    while files() > 0 {
        assert!(begun.elapsed().as_secs() < 60, "nobody merges them");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_scan_opens_no_file_before_its_first_row_is_due() {
    let engine = open(&SimIo::new(3), 1 << 20);
    for first in [1_000, 0] {
        let txn = engine.begin(Isolation::ReadCommitted);
        (first..first + 100).for_each(|key| put(&txn, key, b"v"));
        commit(&engine, &txn);
        drop(txn);
        if first > 0 {
            engine.checkpoint().unwrap();
            engine.shrink_memory(0).unwrap();
        }
    }
    let asked = || engine.stats().cache_hits + engine.stats().cache_misses;
    let before = asked();
    let mut rows = RowBuffer::new();
    let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
    let mut scan = snapshot.scan(TREE, KeyRange::all(), Direction::Forward);
    assert!(scan.next_batch(10, &mut rows).unwrap());
    assert_eq!((rows.len(), asked() - before), (10, 0));
    assert_eq!(keys(&snapshot), 200);
    assert!(asked() > before);
}

/// An engine with rows 0 to 8,000 in the last of two levels, but for a few in the first.
fn leveled() -> Engine {
    let options = Options {
        wal_segment_size: 1 << 20,
        memtable_bytes: 4 << 20,
        file_bytes: 32 << 10,
        level_bytes: 64 << 10,
        background: false,
        ..Options::default()
    };
    let engine = Engine::open(Arc::new(SimIo::new(5)), Path::new("/data"), options).unwrap();
    assert_eq!(engine.allocate_tree().unwrap(), TREE);
    let mut random = StdRng::seed_from_u64(1);
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..8_000).for_each(|key| put(&txn, key, &random.random::<[u8; 50]>()));
    commit(&engine, &txn);
    engine.shrink_memory(0).unwrap();
    while engine.compact().unwrap() {}
    let levels = engine.stats().files;
    assert!(levels.len() == 3 && levels[1] > 0, "{levels:?}");
    engine
}

/// Deletes neighbouring rows, each part in a file.
fn delete_ranges(engine: &Engine, parts: impl Iterator<Item = std::ops::Range<u32>>) {
    let txn = engine.begin(Isolation::ReadCommitted);
    let snapshot = txn.snapshot();
    let mut bulk = BulkDelete::new(TREE);
    for part in parts {
        let mut gone = RowBuffer::new();
        part.for_each(|key| assert!(gone.push(&key.to_be_bytes(), &[])));
        assert!(txn.delete_in_file(&mut bulk, &gone, true, &snapshot).unwrap());
    }
    commit(engine, &txn);
    drop((txn, snapshot));
    engine.checkpoint().unwrap();
}

/// Nor do the files forget it that compactions make of the deletions, while they meet what they delete.
#[test]
fn a_scan_passes_by_what_a_large_delete_has_deleted() {
    let engine = leveled();
    // Blocks that a scan reads, and the rows that it finds.
    let scan = || {
        let asked = |engine: &Engine| engine.stats().cache_hits + engine.stats().cache_misses;
        let before = asked(&engine);
        let rows = keys(&engine.begin(Isolation::ReadCommitted).snapshot());
        (asked(&engine) - before, rows)
    };
    let (whole, rows) = scan();
    assert_eq!(rows, 8_000);
    let reader = engine.begin(Isolation::RepeatableRead);
    assert_eq!(keys(&reader.snapshot()), 8_000);
    delete_ranges(&engine, std::iter::once(1_000..7_000));
    assert_eq!(keys(&reader.snapshot()), 8_000);
    drop(reader);
    let mut compactions = 0;
    loop {
        let (blocks, rows) = scan();
        assert_eq!(rows, 2_000);
        assert!(blocks * 2 < whole, "{blocks} of {whole} after {compactions}: {:?}", engine.stats().files);
        if !engine.compact().unwrap() {
            break;
        }
        compactions += 1;
    }
    assert!(compactions > 2, "{compactions}");
}

#[test]
fn a_snapshot_from_before_a_large_delete_keeps_its_rows() {
    let engine = leveled();
    let reader = engine.begin(Isolation::RepeatableRead);
    drop(reader.snapshot());
    delete_ranges(&engine, std::iter::once(1_000..7_000));
    // Enough files for a merge.
    for key in 0..3 {
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, key, &[7; 50]);
        commit(&engine, &txn);
        engine.checkpoint().unwrap();
    }
    let before = engine.stats().compactions;
    while engine.compact().unwrap() {}
    assert!(engine.stats().compactions > before);
    engine.shrink_memory(0).unwrap();
    let snapshot = reader.snapshot();
    assert_eq!(keys(&snapshot), 8_000);
    assert!((0..8_000u32).all(|key| snapshot.get(TREE, &key.to_be_bytes()).unwrap().is_some()));
    drop((snapshot, reader));
    compact_and_find(&engine, |key| !(1_000..7_000).contains(&key));
}

/// Goes on until there is nothing more to compact, and looks each time what scans and searches find.
fn compact_and_find(engine: &Engine, is_there: impl Fn(u32) -> bool) {
    let rows: Vec<u32> = (0..8_000).filter(|key| is_there(*key)).collect();
    let mut compactions = 0;
    loop {
        let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
        let levels = engine.stats().files;
        assert_eq!(keys(&snapshot), rows.len(), "after {compactions}: {levels:?}");
        let found = (0..8_000u32).filter(|key| snapshot.get(TREE, &key.to_be_bytes()).unwrap().is_some());
        assert!(found.eq(rows.iter().copied()), "after {compactions}: {levels:?}");
        drop(snapshot);
        if !engine.compact().unwrap() {
            break;
        }
        compactions += 1;
    }
    assert!(compactions > 2, "{compactions}");
}

#[test]
fn a_range_that_was_taken_back_deletes_nothing() {
    let engine = leveled();
    let txn = engine.begin(Isolation::ReadCommitted);
    let savepoint = txn.savepoint();
    let delete = |no_gaps: bool, keys: &mut dyn Iterator<Item = u32>| {
        let mut gone = RowBuffer::new();
        keys.for_each(|key| assert!(gone.push(&key.to_be_bytes(), &[])));
        let snapshot = txn.snapshot();
        assert!(txn.delete_in_file(&mut BulkDelete::new(TREE), &gone, no_gaps, &snapshot).unwrap());
    };
    delete(true, &mut (1_000..7_000));
    txn.rollback_to(&savepoint);
    txn.new_statement();
    delete(false, &mut (2_000..3_000).step_by(10));
    commit(&engine, &txn);
    drop(txn);
    engine.checkpoint().unwrap();
    compact_and_find(&engine, |key| !((2_000..3_000).contains(&key) && key % 10 == 0));
}

/// Of what was deleted before, a range has no deletion of its own: the older ones have to hide it as long as it is in any file.
#[test]
fn older_deletions_in_a_range_stay() {
    let engine = leveled();
    delete_ranges(&engine, [1_000..1_100, 6_500..6_501].into_iter());
    let txn = engine.begin(Isolation::ReadCommitted);
    for key in (3_000..5_000u32).step_by(7) {
        assert!(matches!(txn.delete(TREE, &key.to_be_bytes()), Ok(Write::Done)));
    }
    commit(&engine, &txn);
    drop(txn);
    engine.checkpoint().unwrap();
    engine.shrink_memory(0).unwrap();
    let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
    let mut gone = RowBuffer::new();
    let range = KeyRange::half_open(&500u32.to_be_bytes(), &7_000u32.to_be_bytes());
    let mut scan = snapshot.scan(TREE, range, Direction::Forward);
    while scan.next_batch(1_000, &mut gone).unwrap() {}
    drop((scan, snapshot));
    let txn = engine.begin(Isolation::ReadCommitted);
    let snapshot = txn.snapshot();
    assert!(txn.delete_in_file(&mut BulkDelete::new(TREE), &gone, true, &snapshot).unwrap());
    commit(&engine, &txn);
    drop((txn, snapshot));
    engine.checkpoint().unwrap();
    compact_and_find(&engine, |key| !(500..7_000).contains(&key));
}

#[test]
fn rows_between_ranges_that_were_deleted_stay() {
    let engine = leveled();
    delete_ranges(&engine, (0..40).map(|part| part * 200..part * 200 + 100));
    // One more behind each range.
    let txn = engine.begin(Isolation::ReadCommitted);
    for part in 0..40u32 {
        let key = (part * 200 + 150).to_be_bytes();
        assert!(matches!(txn.delete(TREE, &key), Ok(Write::Done)));
    }
    commit(&engine, &txn);
    engine.checkpoint().unwrap();
    engine.shrink_memory(0).unwrap();
    drop(txn);
    compact_and_find(&engine, |key| key % 200 >= 100 && key % 200 != 150);
}

#[test]
fn a_full_disk_does_not_fill_with_files_that_nothing_names() {
    let io = SimIo::new(1);
    let engine = open(&io, 1 << 20);
    fill(&engine, 10, b"v");
    let txn = engine.begin(Isolation::ReadCommitted);
    (0..100).for_each(|key| put(&txn, key, b"w"));
    commit(&engine, &txn);
    let files = || io.list(Path::new("/data/sst")).unwrap();
    let (before, used) = (files(), io.used());
    let mut refused = 0;
    for room in (0..20_000).step_by(64) {
        io.set_faults(Faults { capacity: Some(used + room), ..Faults::default() });
        match engine.checkpoint() {
            Err(Error::DiskFull) => assert_eq!(files(), before, "room for {room} bytes"),
            result => {
                result.unwrap();
                break;
            }
        }
        refused += 1;
    }
    assert!(refused > 1);
    assert_eq!(files().len(), before.len() + 1);
    assert_eq!(keys(&engine.begin(Isolation::ReadCommitted).snapshot()), 100);
}

#[test]
fn a_compaction_that_failed_says_why_until_one_succeeds() {
    let io = SimIo::new(1);
    let engine = open(&io, 1 << 20);
    for round in 0..8 {
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, 1, &[round; 100]);
        commit(&engine, &txn);
        engine.checkpoint().unwrap();
    }
    io.set_faults(Faults { read_fails_after: Some(0), ..Faults::default() });
    assert!(matches!(engine.compact(), Err(Error::Io { action: "read", .. })));
    let stats = engine.stats();
    assert!(stats.compaction_error.is_some_and(|error| error.contains("read failed")));
    assert_eq!(stats.compactions_failed, 1);
    assert!(engine.compact().unwrap());
    assert_eq!(engine.stats().compaction_error, None);
}
