//! Checkpoints: all rows as of one timestamp, written to immutable files, so that the log before can be used again.
//!
//! Order of the steps: the log is made durable up to the timestamp; the files are written and synced; their directory is
//! synced; the manifest that names them replaces the old one; only then go the old files and the old log. A crash before
//! the manifest leaves files that no one names, one after it old files that no one names: both are removed when opening.
//!
//! Commits and reads go on meanwhile. The snapshot that the checkpoint reads from pins versions while it lasts; memory
//! is bounded by one chunk of rows, one block and one index.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::key::{Direction, Key, TreeId, Value};
use crate::manifest::FileEntry;
use crate::memtable::{Cell, Tree};
use crate::mvcc::Pin;
use crate::recovery::SST_DIR;
use crate::sst::{SstWriter, file_name};

/// A file is ended when it has grown to this.
const FILE_BYTES: u64 = 256 << 20;
/// Rows copied out under one acquisition of a tree's latch.
const CHUNK_ROWS: usize = 256;

/// Takes a checkpoint; one at a time.
pub(crate) fn checkpoint(shared: &Arc<Shared>) -> Result<()> {
    let mut manifest = shared.manifest.lock();
    let start = shared.io.now();
    let position = shared.log.position();
    let log_bytes = shared.log.counters.bytes.load(Ordering::Relaxed);
    shared.log.flush()?;
    // Everything committed before the position is visible now, so it is in the files; what comes later is in the log
    // behind it. Commits in between are in both, and skipped by their timestamp.
    let pin = Pin::new(shared);
    let timestamp = pin.timestamp;
    let mut files = Files { shared, next: manifest.next_file, current: None, done: Vec::new() };
    let written = files.write_all(timestamp);
    drop(pin);
    let Files { next: next_file, current, done, .. } = files;
    drop(current);
    let mut next = manifest.clone();
    next.timestamp = timestamp;
    next.replay_from = position.replay_from;
    next.next_tree = position.next_tree;
    next.next_file = next_file;
    next.files = done;
    let dir = shared.dir.join(SST_DIR);
    let stored = written
        .and_then(|()| shared.io.sync_dir(&dir).map_err(|error| Error::io("sync", &dir, error)))
        .and_then(|()| next.store(&*shared.io, &shared.dir));
    if let Err(error) = stored {
        // Numbers are not used twice. Whether the new manifest is in force is unknown if storing it failed, so the
        // files stay: whichever are not named are removed when the directory is opened.
        manifest.next_file = next_file;
        return Err(error);
    }
    let old = std::mem::replace(&mut *manifest, next);
    for file in &old.files {
        let path = dir.join(file_name(file.number));
        shared.io.remove(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    shared.log.segments.release_before(shared.log.segments.size.segment_of(position.replay_from))?;
    let counters = &shared.counters;
    counters.log_at_checkpoint.store(log_bytes, Ordering::Relaxed);
    counters.checkpoints.fetch_add(1, Ordering::Relaxed);
    counters.checkpoint_bytes.store(manifest.files.iter().map(|file| file.bytes).sum(), Ordering::Relaxed);
    let nanos = shared.io.now().saturating_duration_since(start).as_nanos();
    counters.checkpoint_nanos.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    Ok(())
}

/// The files of one checkpoint.
struct Files<'a> {
    shared: &'a Shared,
    next: u64,
    current: Option<(u64, SstWriter)>,
    done: Vec<FileEntry>,
}

impl Files<'_> {
    fn write_all(&mut self, timestamp: u64) -> Result<()> {
        for tree in self.shared.trees.all() {
            let dropped = tree.dropped.load(Ordering::Acquire);
            if dropped == 0 || dropped > timestamp {
                self.write_tree(&tree, timestamp)?;
            }
        }
        self.finish_file()
    }

    fn write_tree(&mut self, tree: &Tree, timestamp: u64) -> Result<()> {
        let mut after: Option<Key> = None;
        loop {
            self.shared.log.check()?;
            let (rows, last) = chunk(self.shared, tree, after.as_ref(), timestamp);
            for (key, committed, value) in rows {
                self.add(tree.id, &key, committed, &value)?;
            }
            match last {
                Some(_) => after = last,
                None => return Ok(()),
            }
        }
    }

    fn add(&mut self, tree: TreeId, key: &[u8], timestamp: u64, value: &[u8]) -> Result<()> {
        if self.current.as_ref().is_some_and(|(_, writer)| writer.bytes() >= FILE_BYTES) {
            self.finish_file()?;
        }
        if self.current.is_none() {
            let number = self.next;
            self.next += 1;
            let path = self.shared.dir.join(SST_DIR).join(file_name(number));
            self.current = Some((number, SstWriter::create(&*self.shared.io, &path, number)?));
        }
        match &mut self.current {
            Some((_, writer)) => writer.add(tree, key, timestamp, value),
            None => Ok(()),
        }
    }

    fn finish_file(&mut self) -> Result<()> {
        if let Some((number, writer)) = self.current.take() {
            let (bytes, rows) = writer.finish()?;
            self.done.push(FileEntry { number, bytes, rows });
        }
        Ok(())
    }
}

/// The next rows of a tree as of the timestamp; and the key to go on after, unless the tree has ended.
fn chunk(
    shared: &Shared,
    tree: &Tree,
    after: Option<&Key>,
    timestamp: u64,
) -> (Vec<(Key, u64, Value)>, Option<Key>) {
    let mut rows = Vec::new();
    let mut last = None;
    let mut passed = 0;
    let lower = after.map_or(Bound::Unbounded, |key| Bound::Excluded(&**key));
    tree.rows.read().visit(lower, Bound::Unbounded, Direction::Forward, &mut |row| {
        let committed = |stamp: crate::mvcc::Stamp| {
            stamp.timestamp().or_else(|| stamp.owner().and_then(|owner| shared.slots.committed(owner)))
        };
        let seen = row.head.iter().find_map(|version| {
            let at = committed(version.stamp).filter(|at| *at <= timestamp)?;
            (!matches!(version.cell, Cell::Lock)).then_some((at, &version.cell))
        });
        if let Some((at, Cell::Live(value))) = seen {
            rows.push((row.key.clone(), at, value.clone()));
        }
        passed += 1;
        if passed >= CHUNK_ROWS {
            last = Some(row.key.clone());
        }
        passed < CHUNK_ROWS
    });
    (rows, last)
}
