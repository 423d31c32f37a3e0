//! Synchronous and asynchronous commits: who waits for the disk, and what others see meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;

use plimsoll_storage::io::{Io, RealIo};
use plimsoll_storage::{CommitTicket, Durability, Engine, Isolation, Options, TreeId, Write};
use support::SimIo;

const TREE: TreeId = TreeId(1);

/// An engine whose log is made durable only when the test says so.
fn open(io: &SimIo) -> Engine {
    let io: Arc<dyn Io> = Arc::new(io.clone());
    Engine::open(io, Path::new("/data"), Options { background: false, ..Options::default() }).unwrap()
}

fn commit(engine: &Engine, key: &[u8], durability: Durability) -> CommitTicket {
    let txn = engine.begin(Isolation::ReadCommitted);
    assert!(matches!(txn.put(TREE, key, b"value").unwrap(), Write::Done));
    txn.commit_with(durability).unwrap()
}

fn sees(engine: &Engine, key: &[u8]) -> bool {
    engine.begin(Isolation::ReadCommitted).snapshot().get(TREE, key).unwrap().is_some()
}

#[test]
fn an_asynchronous_commit_is_visible_at_once_and_lost_in_a_crash() {
    let io = SimIo::new(1);
    let engine = open(&io);
    engine.allocate_tree().unwrap();
    engine.flush().unwrap();
    assert!(commit(&engine, b"a", Durability::Asynchronous).is_resolved());
    assert!(sees(&engine, b"a"));
    engine.flush().unwrap();
    assert!(commit(&engine, b"b", Durability::Asynchronous).is_resolved());
    assert!(sees(&engine, b"b"));
    std::mem::forget(engine);
    io.power_cut();
    let engine = open(&io);
    assert!(sees(&engine, b"a"), "the log was made durable");
    assert!(!sees(&engine, b"b"));
}

#[test]
fn a_synchronous_commit_waits_for_the_disk_also_when_a_later_one_has_made_it_visible() {
    let io = SimIo::new(1);
    let engine = open(&io);
    let first = commit(&engine, b"a", Durability::Synchronous);
    assert!(!sees(&engine, b"a"), "a reader sees what a crash could undo");
    let second = commit(&engine, b"b", Durability::Asynchronous);
    assert!(sees(&engine, b"a") && sees(&engine, b"b"));
    assert!(second.is_resolved());
    assert!(!first.is_resolved(), "told before it is durable");
    engine.flush().unwrap();
    assert!(first.is_resolved());
}

#[test]
fn whoever_only_read_what_is_not_durable_waits_for_it_by_its_own_durability() {
    let io = SimIo::new(1);
    let engine = open(&io);
    for (durability, resolves) in [(Durability::Synchronous, false), (Durability::Asynchronous, true)] {
        drop(commit(&engine, b"a", Durability::Asynchronous));
        let reader = engine.begin(Isolation::ReadCommitted);
        assert!(reader.get_latest(TREE, b"a").unwrap().is_some());
        assert_eq!(reader.commit_with(durability).unwrap().is_resolved(), resolves, "{durability:?}");
        engine.flush().unwrap();
    }
}

#[test]
fn dropping_a_tree_is_durable_before_anyone_is_told() {
    let io = SimIo::new(1);
    let engine = open(&io);
    commit(&engine, b"a", Durability::Synchronous).wait().unwrap();
    let txn = engine.begin(Isolation::ReadCommitted);
    txn.drop_tree(TREE);
    let ticket = txn.commit_with(Durability::Asynchronous).unwrap();
    assert!(!ticket.is_resolved());
    assert!(sees(&engine, b"a"));
    ticket.wait().unwrap();
    assert!(!sees(&engine, b"a"));
}

#[test]
fn the_log_is_made_durable_behind_an_asynchronous_commit_though_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(RealIo::shared(), dir.path(), Options::default()).unwrap();
    for key in [b"a", b"b"] {
        drop(commit(&engine, key, Durability::Asynchronous));
        let is_durable = || engine.stats().durable_lsn == engine.stats().last_lsn;
        // Long enough for any machine.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !is_durable() {
            assert!(std::time::Instant::now() < until, "nothing syncs the log");
            std::thread::yield_now();
        }
    }
}
