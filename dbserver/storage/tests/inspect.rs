//! Checking a data directory, and printing its files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plimsoll_storage::inspect::{Report, check, print};
use plimsoll_storage::io::RealIo;
use plimsoll_storage::{
    BatchWrite, Engine, Error, Isolation, Options, RowBuffer, Transaction, TreeId, Write,
};

fn options() -> Options {
    Options {
        memtable_bytes: 1 << 20,
        stage_bytes_min: 16 << 10,
        file_bytes: 16 << 10,
        level_bytes: 64 << 10,
        wal_segment_size: 64 << 10,
        background: false,
        ..Options::default()
    }
}

fn put(txn: &Transaction, tree: TreeId, key: &[u8], value: &[u8]) {
    assert!(matches!(txn.put(tree, key, value).unwrap(), Write::Done));
}

fn commit(engine: &Engine, txn: Transaction) {
    let ticket = txn.commit().unwrap();
    engine.flush().unwrap();
    ticket.wait().unwrap();
}

/// Files of several levels, some of a staged transaction and named by the log only, a dropped tree, log in two segments.
fn fill(dir: &Path) {
    let engine = Engine::open(RealIo::shared(), dir, options()).unwrap();
    for round in 0..6u32 {
        let txn = engine.begin(Isolation::ReadCommitted);
        for row in 0..400u32 {
            put(&txn, TreeId(1), &(row * 7919 % 4001).to_be_bytes(), &[round as u8; 30]);
            put(&txn, TreeId(2), format!("key{row}").as_bytes(), b"v");
        }
        txn.delete(TreeId(2), b"key7").unwrap();
        commit(&engine, txn);
        engine.checkpoint().unwrap();
        if round == 4 {
            while engine.compact().unwrap() {}
        }
    }
    let txn = engine.begin(Isolation::ReadCommitted);
    txn.drop_tree(TreeId(2));
    commit(&engine, txn);
    for round in 0..2u32 {
        let txn = engine.begin(Isolation::ReadCommitted);
        let mut rows = RowBuffer::new();
        for row in 0..1_500u32 {
            rows.push(&(row + round).to_be_bytes(), &[9; 30]);
        }
        assert!(matches!(txn.put_batch(TreeId(3 + u64::from(round)), &rows, 0).unwrap(), BatchWrite::Done));
        commit(&engine, txn);
    }
    for row in 0..40u32 {
        let txn = engine.begin(Isolation::ReadCommitted);
        put(&txn, TreeId(1), &row.to_be_bytes(), &[row as u8; 2_000]);
        commit(&engine, txn);
    }
    engine.close().unwrap();
}

fn look(dir: &Path) -> Report {
    check(&RealIo::shared(), dir).unwrap()
}

/// Every file with its bytes.
fn image(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [dir.to_path_buf(), dir.join("sst"), dir.join("wal")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn text(path: &Path, entries: bool) -> String {
    let mut out = Vec::new();
    print(&RealIo::shared(), path, entries, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_sound_directory_passes_and_is_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = look(dir.path());
    assert!(nothing.is_sound() && nothing.notes.len() == 1, "{nothing}");
    fill(dir.path());
    let before = image(dir.path());
    let report = look(dir.path());
    assert!(report.is_sound() && report.notes.is_empty(), "{report}");
    assert!(report.files > 3 && report.entries > 3_000 && report.records > 40, "{report}");
    assert!(before == image(dir.path()), "a check changes nothing");
    std::fs::remove_file(dir.path().join("LOCK")).unwrap();
    assert!(look(dir.path()).is_sound());
    assert!(!dir.path().join("LOCK").exists());

    let engine = Engine::open(RealIo::shared(), dir.path(), options()).unwrap();
    let refused = check(&RealIo::shared(), dir.path());
    assert!(matches!(refused, Err(Error::DirectoryLocked { .. })));
    drop(engine);
    let none = check(&RealIo::shared(), &dir.path().join("none"));
    assert!(matches!(none, Err(Error::Io { .. })));
}

#[test]
fn any_flipped_bit_of_a_file_in_use_is_found_and_the_file_named() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let files = image(dir.path());
    let manifest = text(&dir.path().join("MANIFEST"), false);
    let replayed = manifest.lines().find(|line| line.starts_with("log ")).unwrap();
    let replayed = replayed.split([' ', ':']).find(|word| word.ends_with(".log")).unwrap().to_owned();
    let mut tried = 0;
    for (path, good) in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        // Every part of the ends, and places in between. Of the log only what is replayed has a meaning.
        let (ends, step) = match name.rsplit('.').next().unwrap() {
            "MANIFEST" => (good.len(), 1),
            "sst" => (24, good.len() / 20),
            "log" if name == replayed => (0, 997),
            _ => continue,
        };
        let places = (0..ends).chain((ends..good.len()).step_by(step));
        for at in places.chain(good.len() - ends.min(80)..good.len()) {
            let in_log = name.ends_with(".log");
            let byte_before = manifest.split(&*replayed).nth(1).unwrap().split(|c: char| !c.is_ascii_digit());
            let first: usize = byte_before.filter_map(|word| word.parse().ok()).next().unwrap();
            if in_log && at < first {
                continue;
            }
            let mut damaged = good.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(path, &damaged).unwrap();
            let report = look(dir.path());
            let named = report.problems.iter().any(|problem| problem.file == *path);
            // Padding of a log record carries nothing: a record is 40 bytes, then its payload, then up to 7 zeros.
            assert!(named || in_log, "{name} byte {at}: {report}");
            if in_log && !named {
                assert!(damaged[at].count_ones() == 1, "{name} byte {at}: {report}");
            }
            tried += 1;
        }
        std::fs::write(path, good).unwrap();
    }
    assert!(tried > 300, "{tried}");
    assert!(look(dir.path()).is_sound());
}

#[test]
fn missing_extra_and_truncated_files_are_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let files = image(dir.path());
    for (path, good) in files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "sst")) {
        for cut in [Some(good.len() - 1), Some(good.len() / 2), Some(0), None] {
            match cut {
                Some(cut) => std::fs::write(path, &good[..cut]).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
            let report = look(dir.path());
            assert!(report.problems.iter().any(|problem| problem.file == *path), "{cut:?}: {report}");
        }
        std::fs::write(path, good).unwrap();
    }
    for extra in ["sst/00000000000000ff.sst", "wal/00000000000000ff.log", "sst/core", "MANIFEST.new"] {
        let path = dir.path().join(extra);
        std::fs::write(&path, b"what is this").unwrap();
        let report = look(dir.path());
        assert!(report.is_sound() && report.notes.len() == 1, "{report}");
        assert!(report.notes[0].contains(path.to_str().unwrap()), "{report}");
        std::fs::remove_file(&path).unwrap();
    }
    let manifest = dir.path().join("MANIFEST");
    std::fs::write(&manifest, &files[&manifest][..50]).unwrap();
    assert_eq!(look(dir.path()).problems[0].file, manifest);
    std::fs::remove_file(&manifest).unwrap();
    assert_eq!(look(dir.path()).problems[0].file, manifest);
}

/// The segment in which the log ends is cut short, or its header is damaged: it was whole before a record was written to it.
#[test]
fn a_log_whose_last_segment_is_damaged_is_not_taken_for_a_shorter_one() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let last = image(dir.path()).into_iter().rev().find(|(path, bytes)| {
        path.extension().is_some_and(|end| end == "log") && bytes[64 + 8..].iter().any(|byte| *byte != 0)
    });
    let (path, good) = last.unwrap();
    let (short, mut header) = (good[..good.len() - 1].to_vec(), good.clone());
    header[20] ^= 1;
    for damaged in [short, header] {
        std::fs::write(&path, &damaged).unwrap();
        let report = look(dir.path());
        assert!(report.problems.iter().any(|problem| problem.file == path), "{report}");
        let opened = Engine::open(RealIo::shared(), dir.path(), options());
        assert!(matches!(&opened, Err(Error::Corruption { file, .. }) if *file == path), "{opened:?}");
    }
    std::fs::write(&path, &good).unwrap();
    Engine::open(RealIo::shared(), dir.path(), options()).unwrap();
}

#[test]
fn every_kind_of_file_is_printed_for_a_person() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let manifest = text(&dir.path().join("MANIFEST"), false);
    for part in ["opened            1 times", "tree 1 ", "level 1 ", "tree 1 key \"\\x00\\x00\\x00\\x00\""] {
        assert!(manifest.contains(part), "{part} in\n{manifest}");
    }
    let mut log = String::new();
    let mut entries = 0;
    for path in image(dir.path()).into_keys() {
        match path.extension().and_then(|end| end.to_str()) {
            Some("log") => log.push_str(&text(&path, false)),
            Some("sst") => {
                let short = text(&path, false);
                assert!(
                    short.contains("block 0 at byte 24, ") && short.contains("index at byte "),
                    "{short}"
                );
                entries += text(&path, true).lines().filter(|line| line.starts_with("  tree ")).count();
            }
            _ => {}
        }
    }
    for part in ["commit: timestamp 1, ", "drops tree 2", "staged 00", "epoch 1, 20", "1 writes"] {
        assert!(log.contains(part), "{part} in\n{log}");
    }
    assert_eq!(entries as u64, look(dir.path()).entries);
    let path = dir.path().join("LOCK");
    let refused = print(&RealIo::shared(), &path, false, &mut Vec::new());
    assert!(matches!(refused, Err(Error::Corruption { .. })));
}
