//! What is there after the engine is opened again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

use std::path::Path;

use plimsoll_storage::io::RealIo;
use plimsoll_storage::{
    BatchWrite, Direction, Durability, Engine, Error, Insert, Isolation, KeyRange, Options, RowBuffer,
    Transaction, TreeId, Write,
};

fn options() -> Options {
    Options { wal_segment_size: 64 << 10, ..Options::default() }
}

fn open(dir: &Path) -> Engine {
    Engine::open(RealIo::shared(), dir, options()).unwrap()
}

fn put(txn: &Transaction, tree: TreeId, key: &[u8], value: &[u8]) {
    assert!(matches!(txn.put(tree, key, value).unwrap(), Write::Done));
}

fn rows(engine: &Engine, tree: TreeId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let mut buffer = RowBuffer::new();
    let mut scan = txn.snapshot().scan(tree, KeyRange::all(), Direction::Forward);
    while scan.next_batch(1000, &mut buffer).unwrap() {}
    buffer.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn a_row_that_was_deleted_and_then_staged_anew_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        || Options { background: false, memtable_bytes: 600_000, stage_bytes_min: 4_000, ..options() };
    let tree;
    {
        let engine = Engine::open(RealIo::shared(), dir.path(), options()).unwrap();
        tree = engine.allocate_tree().unwrap();
        let commit = |change: &dyn Fn(&Transaction)| {
            let txn = engine.begin(Isolation::ReadCommitted);
            change(&txn);
            txn.commit().unwrap().wait().unwrap();
        };
        // After the restart the tree counts as one that has rows in files.
        commit(&|txn| put(txn, tree, b"other", b"1"));
        engine.checkpoint().unwrap();
        commit(&|txn| put(txn, tree, b"k", b"old"));
        commit(&|txn| drop(txn.delete(tree, b"k").unwrap()));
        // Cleans up: the deletion leaves memory, no file has to be told.
        commit(&|txn| put(txn, tree, b"other", b"2"));
        commit(&|txn| {
            put(txn, tree, b"k", b"new");
            (0..100).for_each(|row| put(txn, tree, &[row], &[0; 100]));
        });
        // The log alone names what came after the checkpoint.
        assert!(engine.stats().staged_bytes > 0 && engine.stats().checkpoints == 1);
    }
    for _ in 0..2 {
        let engine = Engine::open(RealIo::shared(), dir.path(), options()).unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        assert_eq!(txn.snapshot().get(tree, b"k").unwrap().as_deref(), Some(&b"new"[..]));
        drop(txn);
        engine.checkpoint().unwrap();
    }
}

#[test]
fn commits_are_there_after_a_restart_and_the_rest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let tree;
    {
        let engine = open(dir.path());
        tree = engine.allocate_tree().unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"a", b"1");
        put(&txn, tree, b"b", b"2");
        txn.commit().unwrap().wait().unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"a", b"3");
        txn.delete(tree, b"b").unwrap();
        put(&txn, tree, b"c", &[7; 100_000]);
        txn.commit().unwrap().wait().unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"d", b"never committed");
        // Neither closed nor ended: as after a kill.
        std::mem::forget(txn);
    }
    for _ in 0..3 {
        let engine = open(dir.path());
        assert_eq!(rows(&engine, tree), [(b"a".to_vec(), b"3".to_vec()), (b"c".to_vec(), vec![7; 100_000])]);
        assert_eq!(engine.tree_len(tree), 2);
        assert_ne!(engine.allocate_tree().unwrap(), tree);
        engine.close().unwrap();
    }
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let second = Engine::open(RealIo::shared(), dir.path(), options());
    assert!(matches!(second, Err(Error::DirectoryLocked { .. })));
}

#[test]
fn a_checkpoint_bounds_the_log_and_keeps_every_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    {
        let engine = open(dir.path());
        for i in 0..3_000u32 {
            let txn = engine.begin(Isolation::ReadCommitted);
            put(&txn, TreeId(1 + u64::from(i % 3)), &i.to_be_bytes(), &[i as u8; 50]);
            let ticket = txn.commit().unwrap();
            if i % 1000 == 999 {
                ticket.wait().unwrap();
                engine.checkpoint().unwrap();
            }
            if i % 3 == 0 {
                expected.push((i.to_be_bytes().to_vec(), vec![i as u8; 50]));
            }
        }
        assert_eq!(engine.stats().checkpoints, 3);
        engine.close().unwrap();
    }
    let logs = std::fs::read_dir(dir.path().join("wal")).unwrap().count();
    assert!(logs < 10, "used segments are used again or removed, there are {logs}");
    let engine = open(dir.path());
    assert_eq!(engine.stats().recovery_records, 0);
    assert_eq!(rows(&engine, TreeId(1)), expected);
    assert_eq!(engine.stats().rows, 3_000);
}

#[test]
fn a_large_transaction_is_logged_in_parts_and_replayed_whole() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        let txn = engine.begin(Isolation::ReadCommitted);
        let aborted = engine.begin(Isolation::ReadCommitted);
        let mut buffer = RowBuffer::new();
        for i in 0..20_000u32 {
            buffer.push(&i.to_be_bytes(), &[1; 40]);
        }
        assert!(matches!(txn.insert_batch(TreeId(1), &buffer, 0).unwrap(), BatchWrite::Done));
        assert!(matches!(aborted.put_batch(TreeId(2), &buffer, 0).unwrap(), BatchWrite::Done));
        // The parts logged so far belong to a transaction that commits after the checkpoint.
        engine.checkpoint().unwrap();
        let savepoint = txn.savepoint();
        let mut more = RowBuffer::new();
        for i in 20_000..40_000u32 {
            more.push(&i.to_be_bytes(), &[2; 40]);
        }
        assert!(matches!(txn.insert_batch(TreeId(1), &more, 0).unwrap(), BatchWrite::Done));
        txn.rollback_to(&savepoint);
        put(&txn, TreeId(1), &50_000u32.to_be_bytes(), b"last");
        txn.commit().unwrap().wait().unwrap();
        aborted.rollback();
        assert_eq!(engine.tree_len(TreeId(1)), 20_001);
        assert_eq!(engine.tree_len(TreeId(2)), 0);
    }
    let engine = open(dir.path());
    let rows = rows(&engine, TreeId(1));
    assert_eq!(rows.len(), 20_001);
    assert!(rows[..20_000].iter().all(|(_, value)| value == &[1; 40]));
    assert_eq!(engine.tree_len(TreeId(2)), 0);
}

#[test]
fn parts_of_a_lost_transaction_do_not_join_a_later_one_of_the_same_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut numbers = Vec::new();
    for (life, commits) in [(1, false), (2, true)] {
        let engine = open(dir.path());
        let txn = engine.begin(Isolation::ReadCommitted);
        numbers.push(txn.id());
        let mut buffer = RowBuffer::new();
        for i in 0..20_000u32 {
            buffer.push(&(life * 100_000 + i).to_be_bytes(), &[1; 40]);
        }
        assert!(matches!(txn.put_batch(TreeId(1), &buffer, 0).unwrap(), BatchWrite::Done));
        engine.flush().unwrap();
        if commits {
            txn.commit().unwrap().wait().unwrap();
        }
    }
    assert_eq!(numbers[0], numbers[1], "numbers begin again with the process");
    let rows = rows(&open(dir.path()), TreeId(1));
    assert_eq!(rows.len(), 20_000);
    assert_eq!(rows[0].0, 200_000u32.to_be_bytes());
}

#[test]
fn a_record_of_a_lost_batch_stays_lost_where_the_log_was_written_up_to_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { background: false, ..options() };
    let open = || Engine::open(RealIo::shared(), dir.path(), options()).unwrap();
    let tree;
    {
        let engine = open();
        tree = engine.allocate_tree().unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"kept", b"1");
        txn.commit().unwrap().wait().unwrap();
        // One batch of two records.
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"torn", b"1");
        let _unheeded = txn.commit_with(Durability::Asynchronous).unwrap();
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"lost", b"1");
        txn.commit().unwrap().wait().unwrap();
    }
    // A power cut leaves of it the second one alone.
    let log = dir.path().join("wal/0000000000000001.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(4).position(|window| window == b"torn").unwrap();
    bytes[at] = b'?';
    std::fs::write(&log, bytes).unwrap();
    {
        let engine = open();
        assert_eq!(rows(&engine, tree), [(b"kept".to_vec(), b"1".to_vec())]);
        // As long as the first: the log ends where the second begins, and from there on it is replayed the next time.
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, tree, b"anew", b"1");
        txn.commit().unwrap().wait().unwrap();
        engine.checkpoint().unwrap();
    }
    let expected = [(b"anew".to_vec(), b"1".to_vec()), (b"kept".to_vec(), b"1".to_vec())];
    for _ in 0..2 {
        let report = plimsoll_storage::inspect::check(&RealIo::shared(), dir.path()).unwrap();
        assert_eq!((report.records, report.problems.len()), (0, 0), "{report:?}");
        assert_eq!(rows(&open(), tree), expected);
    }
}

#[test]
fn a_dropped_tree_stays_dropped_and_orphans_go() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        for tree in 1..=3 {
            let txn = engine.begin(Isolation::ReadCommitted);
            put(&txn, TreeId(tree), b"k", b"v");
            txn.commit().unwrap().wait().unwrap();
        }
        let old = engine.begin(Isolation::RepeatableRead);
        let snapshot = old.snapshot();
        let txn = engine.begin(Isolation::ReadCommitted);
        txn.drop_tree(TreeId(2));
        txn.commit().unwrap().wait().unwrap();
        engine.checkpoint().unwrap();
        assert!(snapshot.get(TreeId(2), b"k").unwrap().is_some(), "older snapshots go on reading");
        drop((snapshot, old));
        engine.checkpoint().unwrap();
        assert_eq!(engine.tree_bytes(TreeId(2)), 0);
    }
    let engine = open(dir.path());
    assert_eq!(engine.tree_len(TreeId(2)), 0);
    assert_eq!(engine.orphan_trees(&|tree| tree == TreeId(1)).unwrap(), 1);
    drop(engine);
    let engine = open(dir.path());
    assert_eq!((engine.tree_len(TreeId(1)), engine.tree_len(TreeId(3))), (1, 0));
}

#[test]
fn data_grows_far_beyond_its_memory_and_reads_back_from_files() {
    let dir = tempfile::tempdir().unwrap();
    for background in [false, true] {
        let options = Options { memtable_bytes: 200_000, cache_bytes: 100_000, background, ..options() };
        let engine = Engine::open(RealIo::shared(), dir.path(), options).unwrap();
        let tree = engine.allocate_tree().unwrap();
        for block in 0..100u32 {
            let txn = engine.begin(Isolation::ReadCommitted);
            for row in 0..100 {
                let key = (block * 100 + row).reverse_bits().to_be_bytes();
                assert!(matches!(txn.insert_unique(tree, &key, &[block as u8; 100]), Ok(Insert::Inserted)));
            }
            let ticket = txn.commit().unwrap();
            engine.flush().unwrap();
            ticket.wait().unwrap();
        }
        assert!(engine.stats().memory_bytes < 200_000, "{}", engine.stats().memory_bytes);
        while engine.compact().unwrap() {}
        assert_eq!(rows(&engine, tree).len(), 10_000);
        let txn = engine.begin(Isolation::ReadCommitted);
        let snapshot = txn.snapshot();
        for row in 0..10_000u32 {
            let value = snapshot.get(tree, &row.reverse_bits().to_be_bytes()).unwrap().unwrap();
            assert_eq!(value[0], (row / 100) as u8);
        }
        assert!(snapshot.get(tree, b"none").unwrap().is_none());
        engine.close().unwrap();
    }
}

#[test]
fn writes_that_no_file_can_take_yet_are_refused_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    // Transactions stay too small to be staged, and none of them commits.
    let options = Options { memtable_bytes: 100_000, background: false, ..options() };
    let engine = Engine::open(RealIo::shared(), dir.path(), options).unwrap();
    let mut open = Vec::new();
    let error = loop {
        let txn = engine.begin(Isolation::ReadCommitted);
        match txn.insert_unique(TreeId(1), &(open.len() as u32).to_be_bytes(), &[0; 100]) {
            Ok(Insert::Inserted) => open.push(txn),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfMemory { .. }) && error.sqlstate() == "53200");
    let stored = open.len();
    open.into_iter().for_each(|txn| drop(txn.commit().unwrap()));
    engine.flush().unwrap();
    assert_eq!(rows(&engine, TreeId(1)).len(), stored);
    let txn = engine.begin(Isolation::ReadCommitted);
    put(&txn, TreeId(1), b"k", &[0; 100]);
    drop(txn.commit().unwrap());
    // Deleted rows leave no memory behind.
    let txn = engine.begin(Isolation::ReadCommitted);
    for key in 0..stored as u32 {
        txn.delete(TreeId(1), &key.to_be_bytes()).unwrap();
    }
    txn.delete(TreeId(1), b"k").unwrap();
    drop(txn.commit().unwrap());
    engine.checkpoint().unwrap();
    engine.checkpoint().unwrap();
    assert_eq!(engine.stats().memory_bytes, 0, "what was added has been taken off again");
}

#[test]
fn damage_inside_the_log_refuses_to_start_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        for i in 0..20u32 {
            let txn = engine.begin(Isolation::ReadCommitted);
            put(&txn, TreeId(1), &i.to_be_bytes(), b"value");
            txn.commit().unwrap().wait().unwrap();
        }
    }
    let log = dir.path().join("wal/0000000000000001.log");
    let mut bytes = std::fs::read(&log).unwrap();
    // In the middle: valid records follow that were written when this was durable.
    bytes[64 + 96 * 5 + 50] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    match Engine::open(RealIo::shared(), dir.path(), options()) {
        Err(Error::Corruption { file, offset, .. }) => {
            assert_eq!(file, log);
            assert!((64..64 + 96 * 7).contains(&offset), "{offset}");
        }
        other => panic!("{other:?}"),
    }
    bytes[64 + 96 * 5 + 50] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    assert_eq!(rows(&open(dir.path()), TreeId(1)).len(), 20);
}

#[test]
fn an_unknown_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let manifest = dir.path().join("MANIFEST");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[8] = 99;
    std::fs::write(&manifest, &bytes).unwrap();
    let error = Engine::open(RealIo::shared(), dir.path(), options()).unwrap_err();
    assert!(matches!(error, Error::UnknownFormat { version: 99, .. }));
}

#[test]
fn a_missing_manifest_or_file_is_damage_not_an_empty_database() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, TreeId(1), b"k", b"v");
        txn.commit().unwrap().wait().unwrap();
        engine.checkpoint().unwrap();
    }
    let manifest = std::fs::read(dir.path().join("MANIFEST")).unwrap();
    std::fs::remove_file(dir.path().join("MANIFEST")).unwrap();
    assert!(matches!(Engine::open(RealIo::shared(), dir.path(), options()), Err(Error::Corruption { .. })));
    std::fs::write(dir.path().join("MANIFEST"), manifest).unwrap();
    assert_eq!(rows(&open(dir.path()), TreeId(1)).len(), 1);
    for file in std::fs::read_dir(dir.path().join("sst")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert!(Engine::open(RealIo::shared(), dir.path(), options()).is_err());
}

#[test]
fn concurrent_commits_share_syncs_and_all_survive() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        std::thread::scope(|scope| {
            for thread in 0..8u32 {
                let engine = engine.clone();
                scope.spawn(move || {
                    for i in 0..50u32 {
                        let txn = engine.begin(Isolation::ReadCommitted);
                        put(&txn, TreeId(1), &(thread * 1000 + i).to_be_bytes(), b"v");
                        txn.commit().unwrap().wait().unwrap();
                        let txn = engine.begin(Isolation::ReadCommitted);
                        let seen = txn.snapshot().get(TreeId(1), &(thread * 1000 + i).to_be_bytes()).unwrap();
                        assert!(seen.is_some(), "what was acknowledged is visible");
                    }
                });
            }
        });
        let stats = engine.stats();
        assert_eq!((stats.commits, stats.rollbacks), (400, 400));
        assert!(stats.wal_syncs < 400, "{} syncs", stats.wal_syncs);
    }
    assert_eq!(rows(&open(dir.path()), TreeId(1)).len(), 400);
}
