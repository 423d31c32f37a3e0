//! A damaged block: who needs it is told where it is, everyone else goes on, and files are merged around it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

use std::path::{Path, PathBuf};

use plimsoll_storage::inspect::{check, print};
use plimsoll_storage::io::RealIo;
use plimsoll_storage::{Direction, Engine, Error, Isolation, KeyRange, Options, RowBuffer, TreeId, Write};

const TREE: TreeId = TreeId(1);
const KEYS: u32 = 6_000;

fn open(dir: &Path) -> Engine {
    let options = Options {
        memtable_bytes: 4 << 20,
        // Nothing is found in memory that lies in files.
        cache_bytes: 1,
        file_bytes: 32 << 10,
        level_bytes: 1 << 20,
        wal_segment_size: 64 << 10,
        background: false,
        ..Options::default()
    };
    Engine::open(RealIo::shared(), dir, options).unwrap()
}

/// A value that does not compress.
fn value(key: u32, round: u32) -> Vec<u8> {
    let mut state = u64::from(key) << 32 | u64::from(round) << 1 | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..60).map(|_| next()).collect()
}

/// Writes every `step`th key, and leaves none of it in memory.
fn write(engine: &Engine, step: usize, round: u32) {
    let txn = engine.begin(Isolation::ReadCommitted);
    for key in (0..KEYS).step_by(step) {
        let written = txn.insert_or_replace(key, round);
        assert!(matches!(written, Ok(Write::Done) | Err(Error::Corruption { .. })), "{written:?}");
    }
    let ticket = txn.commit().unwrap();
    engine.flush().unwrap();
    ticket.wait().unwrap();
    engine.shrink_memory(0).unwrap();
}

trait Put {
    fn insert_or_replace(&self, key: u32, round: u32) -> Result<Write, Error>;
}

impl Put for plimsoll_storage::Transaction {
    fn insert_or_replace(&self, key: u32, round: u32) -> Result<Write, Error> {
        self.put(TREE, &key.to_be_bytes(), &value(key, round))
    }
}

fn get(engine: &Engine, key: u32) -> Result<Option<Vec<u8>>, Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let value = txn.snapshot().get(TREE, &key.to_be_bytes())?;
    Ok(value.map(|value| value.to_vec()))
}

fn scan(engine: &Engine, range: KeyRange) -> Result<usize, Error> {
    let txn = engine.begin(Isolation::ReadCommitted);
    let mut buffer = RowBuffer::new();
    let mut scan = txn.snapshot().scan(TREE, range, Direction::Forward);
    while scan.next_batch(1_000, &mut buffer)? {}
    Ok(buffer.iter().count())
}

/// Flips a bit in a block in the middle of a file of L1 in the middle of the keys.
fn damage(dir: &Path) -> PathBuf {
    let mut out = Vec::new();
    print(&RealIo::shared(), &dir.join("MANIFEST"), false, &mut out).unwrap();
    let manifest = String::from_utf8(out).unwrap();
    let files: Vec<_> = manifest.lines().filter(|line| line.starts_with("level 1 ")).collect();
    let line = files[files.len() / 2];
    let name = line.split_whitespace().nth(2).unwrap().trim_end_matches(':');
    let path = dir.join("sst").join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    path
}

#[test]
fn a_damaged_block_is_named_and_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    write(&engine, 1, 0);
    while engine.compact().unwrap() {}
    for round in 1..=4 {
        write(&engine, 7, round);
    }
    while engine.compact().unwrap() {}
    assert!(engine.stats().files[1] > 5, "{:?}", engine.stats().files);
    let file = damage(dir.path());
    let named = |error: &Error| matches!(error, Error::Corruption { file: of, .. } if *of == file);

    // Point reads: those of one block fail, and say where it is.
    let lost: Vec<u32> =
        (0..KEYS).filter(|key| get(&engine, *key).inspect_err(|e| assert!(named(e))).is_err()).collect();
    assert!((20..500).contains(&lost.len()), "{}", lost.len());
    assert_eq!(lost.len() as u32, lost[lost.len() - 1] - lost[0] + 1, "one block: neighbours");
    let stats = engine.stats();
    assert_eq!((stats.damaged_files, stats.corruptions), (vec![file.clone()], lost.len() as u64));
    // Scans: over the block, and beside it.
    assert!(named(&scan(&engine, KeyRange::all()).unwrap_err()));
    // A scan reads on to the block after its last row.
    let before = lost[0] - 1;
    assert_eq!(scan(&engine, KeyRange::half_open(&[], &before.to_be_bytes())).unwrap(), before as usize);
    let txn = engine.begin(Isolation::ReadCommitted);
    assert!(named(&txn.insert_or_replace(lost[0], 9).unwrap_err()));
    txn.rollback();

    // Many flushes later: L0 has not piled up, the levels have no more than before, and nothing more is lost.
    for reopened in [false, true] {
        let engine = if reopened {
            engine.close().unwrap();
            open(dir.path())
        } else {
            engine.clone()
        };
        for round in 10..30 {
            write(&engine, 7, round);
            let mut units = 0;
            loop {
                match engine.compact() {
                    Ok(true) => units += 1,
                    Ok(false) => break,
                    // Once: after that the file is known.
                    Err(error) => assert!(named(&error) && round == 10 && reopened),
                }
                assert!(units < 100, "compaction comes to an end");
            }
        }
        let files = engine.stats().files;
        assert!(files[0] <= 8, "{files:?}");
        for key in 0..KEYS {
            let newest = if key % 7 == 0 { 29 } else { 0 };
            match get(&engine, key) {
                Ok(found) => assert_eq!(found, Some(value(key, newest)), "{key}"),
                Err(error) => assert!(named(&error) && lost.contains(&key)),
            }
        }
        let report = check(&RealIo::shared(), dir.path());
        assert!(matches!(report, Err(Error::DirectoryLocked { .. })));
        if reopened {
            engine.close().unwrap();
        }
    }
    let report = check(&RealIo::shared(), dir.path()).unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert_eq!(report.problems[0].file, file);
}
