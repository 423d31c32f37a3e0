//! Flushing: what was committed since the last flush goes from the memtable to files of L0, so that the log before can be used
//! again, and the memory where it is needed.
//!
//! Order of the steps: the log is made durable up to a timestamp; the files are written and synced; their directory is synced; the
//! manifest that names them replaces the old one; only then go the old log, and rows from memory. A crash before the manifest
//! leaves files that no one names, which are removed when opening.
//!
//! Commits and reads go on meanwhile. Rows stay in the memtable as a cache of what is in the files, until there is too little memory.

use std::ops::Bound;
use std::sync::Arc;

use super::output::Output;
use crate::engine::Shared;
use crate::error::Result;
use crate::key::{Direction, Key};
use crate::memtable::{Cell, Row, Tree};
use crate::mvcc::{Item, Pin, forget, walk};
use crate::sst::{Codec, user_key};
use crate::sync::atomic::Ordering;

/// Rows copied out under one acquisition of a tree's latch.
const CHUNK_ROWS: usize = 256;

impl Shared {
    /// Flushes the memtable; one flush at a time.
    pub fn flush_memtable(self: &Arc<Self>) -> Result<()> {
        let files = &self.files;
        let _one = files.flushing.lock();
        let start = self.io.now();
        let (position, rows) = self.log.position(|| self.trees.committed());
        let log_bytes = self.log.counters.bytes.load(Ordering::Relaxed);
        self.log.flush()?;
        // Everything committed before the position is visible now, so it is in the files; what comes later is in the log
        // behind it. Commits in between are in both: their writes are skipped by their timestamp, their rows are counted from the log.
        // So an asynchronous one of them has to be in the durable log before it is in the files.
        let pin = Pin::held(self);
        let upto = pin.timestamp;
        self.log.flush()?;
        let mut flush = Flush {
            shared: self,
            after: files.flushed(),
            upto,
            output: Output::new(files, Codec::Lz4),
            deleted: Vec::new(),
        };
        flush.write_all()?;
        let Flush { output, deleted, .. } = flush;
        let tables = output.finish()?;
        let bytes: u64 = tables.iter().map(|table| table.meta.bytes).sum();
        files.install(|set, manifest| {
            set.l0.splice(0..0, tables);
            manifest.timestamp = upto;
            manifest.replay_from = position.end;
            manifest.replay_epoch = manifest.epoch;
            manifest.next_tree = position.next_tree;
            manifest.dropped = self.trees.dropped(upto);
            manifest.live = rows;
            manifest.live.retain(|(tree, _)| manifest.dropped.binary_search(tree).is_err());
        })?;
        drop(pin);
        let set = files.set();
        self.trees.forget_dropped(upto, |tree| set.all().any(|(_, table)| table.meta.has_tree(tree)));
        self.garbage.add(upto, deleted);
        let segments = &self.log.segments;
        segments.release_before(segments.size.segment_of(position.end))?;
        let counters = &self.counters;
        counters.log_at_checkpoint.store(log_bytes, Ordering::Relaxed);
        counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        counters.checkpoint_bytes.store(bytes, Ordering::Relaxed);
        files.counters.flush_bytes.fetch_add(bytes, Ordering::Relaxed);
        let nanos = self.io.now().saturating_duration_since(start).as_nanos();
        counters.checkpoint_nanos.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }

    /// Takes rows from memory that are in files, the largest trees first, until no more than this is left or nothing more can go.
    pub fn evict(&self, target_bytes: u64) {
        let mut trees = self.trees.all();
        trees.sort_by_key(|tree| std::cmp::Reverse(tree.bytes.load(Ordering::Relaxed)));
        let flushed = self.files.flushed();
        let in_files = |row: &Row| row.head.stamp.timestamp().is_some_and(|timestamp| timestamp <= flushed);
        for tree in trees {
            if self.trees.memory_bytes() <= target_bytes {
                return;
            }
            walk(
                &tree,
                in_files,
                |rows, key, change| {
                    // Before the row goes, so that nobody misses it in both places.
                    tree.leaves_memory();
                    if rows.get(key).is_some_and(in_files) {
                        forget(rows, key, change);
                    }
                },
                |change| self.trees.account(&tree, change),
            );
        }
    }
}

/// One flush: versions of commits after `after` and up to `upto`.
struct Flush<'a> {
    shared: &'a Shared,
    after: u64,
    upto: u64,
    output: Output<'a>,
    /// Rows whose deletion was written.
    deleted: Vec<Item>,
}

/// Versions to be written, each with its row's key and timestamp; cells hold what they share.
type Versions = Vec<(Key, u64, Cell)>;

impl Flush<'_> {
    fn write_all(&mut self) -> Result<()> {
        for tree in self.shared.trees.all() {
            // A tree that was dropped is written as long as a snapshot may read it: its rows, too, may leave memory after this.
            let dropped = tree.dropped.load(Ordering::Acquire);
            if dropped == 0 || dropped > self.shared.snapshots.oldest() {
                self.write_tree(&tree)?;
            }
        }
        Ok(())
    }

    fn write_tree(&mut self, tree: &Tree) -> Result<()> {
        let mut from: Option<Key> = None;
        loop {
            self.shared.log.check()?;
            let (versions, last) = self.chunk(tree, from.as_ref());
            // Everyone sees these deletions soon: then, and not before they were in a file, the rows can go.
            let deleted = versions.iter().filter(|(.., cell)| matches!(cell, Cell::Tombstone));
            self.deleted.extend(deleted.map(|(key, ..)| Item::Row(tree.id, key.clone())));
            for (key, timestamp, cell) in versions {
                let value = if let Cell::Live(value) = &cell { Some(&**value) } else { None };
                self.output.add(&user_key(tree.id, &key), timestamp, value)?;
            }
            match last {
                Some(_) => from = last,
                None => return Ok(()),
            }
        }
    }

    /// The next rows' versions; and the key to go on after, unless the tree has ended.
    fn chunk(&self, tree: &Tree, from: Option<&Key>) -> (Versions, Option<Key>) {
        let mut versions = Vec::new();
        let mut last = None;
        let mut passed = 0;
        let lower = from.map_or(Bound::Unbounded, |key| Bound::Excluded(&**key));
        tree.rows.read().visit(lower, Bound::Unbounded, Direction::Forward, &mut |row| {
            self.versions(row, &mut versions);
            passed += 1;
            if passed >= CHUNK_ROWS {
                last = Some(row.key.clone());
            }
            passed < CHUNK_ROWS
        });
        (versions, last)
    }

    /// A row's versions that are not in the files yet and that somebody sees: the newest, and what snapshots need.
    fn versions(&self, row: &Row, out: &mut Versions) {
        let mut newer = None;
        let begun = out.len();
        for version in row.head.iter() {
            let owner = || version.stamp.owner().and_then(|owner| self.shared.slots.committed(owner));
            let Some(timestamp) = version.stamp.timestamp().or_else(owner) else { continue };
            if timestamp <= self.after {
                break;
            }
            if timestamp > self.upto || matches!(version.cell, Cell::Lock) {
                continue;
            }
            let needed = newer.is_none_or(|newer| {
                self.shared.snapshots.horizon().snapshots().any_between(timestamp, newer)
            });
            if needed {
                out.push((row.key.clone(), timestamp, version.cell.clone()));
                newer = Some(timestamp);
            }
        }
        // A deletion of what never was in a file says nothing.
        let nothing = !row.in_files.load(Ordering::Acquire)
            && matches!(out.get(begun..), Some([(.., Cell::Tombstone)]));
        if nothing {
            out.truncate(begun);
        } else if out.len() > begun {
            row.in_files.store(true, Ordering::Release);
        }
    }
}
