//! Opening a data directory: the manifest's files, then the log after them.
//!
//! Files are opened, not read. The log after them is replayed into the memtable, in its order: row locks make that the right one
//! for each row. Where it ends it is checked that this is an end and not damage, before anything is believed.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::{Direction, TreeId, Value};
use crate::lsm::{FileSet, FileView, Files};
use crate::manifest::{MANIFEST, Manifest};
use crate::memtable::{BTree, Cell, Change, Row, Tree, Trees, Version};
use crate::mvcc::{TxnState, forget};
use crate::options::Options;
use crate::sst::{BlockCache, FileMeta, Staged, Table, file_name, file_number, hash, tree_of, user_key};
use crate::sync::RwLock;
use crate::sync::atomic::Ordering;
use crate::wal::{Commit, Kind, LogStart, Reader, Record, RowWrite, SegmentSize, Segments, ops, take_u64};

/// Directory of the sorted files.
pub(crate) const SST_DIR: &str = "sst";
/// Directory of the log.
pub(crate) const WAL_DIR: &str = "wal";

/// A directory read back.
pub(crate) struct Recovered {
    pub trees: Trees,
    pub files: Files,
    pub segments: Segments,
    pub start: LogStart,
    /// Log records replayed.
    pub records: u64,
    /// Where the replay began.
    pub replayed_from: u64,
}

/// Reads a locked directory, or makes a new one of it.
pub(crate) fn recover(io: &Arc<dyn Io>, dir: &Path, options: &Options) -> Result<Recovered> {
    let (sst_dir, wal_dir) = (dir.join(SST_DIR), dir.join(WAL_DIR));
    for dir in [&sst_dir, &wal_dir] {
        io.create_dir_all(dir).map_err(|error| Error::io("create", dir, error))?;
    }
    let loaded = Manifest::load(&**io, dir)?;
    let size =
        SegmentSize::new(loaded.as_ref().map_or(options.wal_segment_size, |manifest| manifest.segment_size));
    let segments = Segments::new(Arc::clone(io), wal_dir, size);
    let mut manifest = match loaded {
        Some(manifest) => manifest,
        None => create(&**io, dir, &sst_dir, &segments)?,
    };

    let cache = Arc::new(BlockCache::new(options.cache_bytes));
    let open = |meta: &FileMeta| {
        let staged = meta.committed.map(|timestamp| {
            let state = TxnState::new(0);
            state.commit(timestamp);
            Staged { state: Arc::new(state), discards: Arc::new(RwLock::new(meta.discards.clone())) }
        });
        let path = sst_dir.join(file_name(meta.number));
        Table::open(io, &path, &cache, meta.clone(), staged).map(Arc::new)
    };
    let mut set = FileSet::default();
    for (level, meta) in &manifest.files {
        set.add(*level, open(meta)?);
    }
    let in_files =
        set.all().map(|(_, table)| tree_of(&table.meta.max).0.saturating_add(1)).max().unwrap_or(0);
    let trees = Trees::opened(manifest.next_tree.max(in_files), &manifest.dropped);
    for (id, rows) in &manifest.live {
        if let Some(tree) = trees.get(*id) {
            tree.committed.store(*rows, Ordering::Relaxed);
        }
    }
    let mut replay = Replay {
        segments: &segments,
        manifest: &manifest,
        trees: &trees,
        staged: Vec::new(),
        outcome: Outcome::default(),
    };
    replay.run()?;
    let Replay { staged, outcome, .. } = replay;
    for meta in &staged {
        set.l0.insert(0, open(meta)?);
    }
    forget_outdated(&trees, &set, &staged)?;
    for tree in trees.all() {
        tree.live.store(tree.committed.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    // What was read may be in the page cache only (the process was killed, not the machine): it is shown to readers
    // from here on, so it must be durable now. After a sync that failed, the page cache takes the last batch for written although
    // the disk does not have it: it is written again.
    if outcome.end > manifest.replay_from {
        segments.write_again(outcome.batch, outcome.end)?;
        segments.sync(manifest.replay_from, outcome.end)?;
    }
    let (highest, orphans) = orphans(&**io, &sst_dir, &set)?;
    manifest.next_file = manifest.next_file.max(highest + 1);
    manifest.epoch += 1;
    manifest.store(&**io, dir)?;
    // The manifest may not have been durable before; now no other one can come to light that names what goes here.
    for name in orphans {
        let path = sst_dir.join(name);
        io.remove(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    let capacity = tidy_segments(&segments, manifest.replay_from, outcome.end)?;
    let start = LogStart {
        lsn: outcome.end,
        timestamp: outcome.timestamp.max(manifest.timestamp),
        next_tree: outcome.next_tree.max(manifest.next_tree).max(in_files),
        epoch: manifest.epoch,
        capacity,
    };
    let replayed_from = manifest.replay_from;
    let files = Files::new(Arc::clone(io), dir.to_path_buf(), cache, set, manifest, options.file_bytes);
    Ok(Recovered { trees, files, segments, start, records: outcome.records, replayed_from })
}

/// A new directory: its first log segment, then its first manifest. Before that is durable, nothing was promised.
fn create(io: &dyn Io, dir: &Path, sst_dir: &Path, segments: &Segments) -> Result<Manifest> {
    let first = segments.size.start_of(1);
    let orphaned = || {
        let got = "files of a database without it";
        Error::corrupt(&dir.join(MANIFEST), 0, "a manifest", got)
    };
    let names = io.list(sst_dir).map_err(|error| Error::io("list", sst_dir, error))?;
    if names.iter().any(|name| file_number(name).is_some()) {
        return Err(orphaned());
    }
    for segment in segments.numbers()? {
        // A first segment without a record is what a crash during the creation leaves behind.
        if segment != 1 || Reader::new(segments, first, 0).next()?.is_some() {
            return Err(orphaned());
        }
        segments.remove(segment)?;
    }
    // Before there is a manifest: who finds one does not come here again.
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        io.sync_dir(parent).map_err(|error| Error::io("sync", parent, error))?;
    }
    segments.prepare(1)?;
    let manifest = Manifest {
        segment_size: segments.size.file_bytes(),
        replay_from: first,
        next_tree: 1,
        next_file: 1,
        ..Manifest::default()
    };
    manifest.store(io, dir)?;
    Ok(manifest)
}

/// What the log says.
#[derive(Default)]
struct Outcome {
    end: u64,
    /// Where the last batch begins.
    batch: u64,
    timestamp: u64,
    next_tree: u64,
    records: u64,
}

struct Replay<'a> {
    segments: &'a Segments,
    manifest: &'a Manifest,
    trees: &'a Trees,
    /// Staged files of the commits, oldest first.
    staged: Vec<FileMeta>,
    outcome: Outcome,
}

impl Replay<'_> {
    /// Where a record is that cannot be understood although its checksum is right.
    fn nonsense(&self, lsn: u64) -> Error {
        let path = self.segments.path(self.segments.size.segment_of(lsn));
        Error::corrupt(&path, lsn, "a log record of a known form", "an unknown one")
    }

    fn run(&mut self) -> Result<()> {
        let mut reader = Reader::new(self.segments, self.manifest.replay_from, self.manifest.replay_epoch);
        if !self.segments.is_present(self.segments.size.segment_of(self.manifest.replay_from))? {
            let path = self.segments.path(self.segments.size.segment_of(self.manifest.replay_from));
            return Err(Error::corrupt(&path, 0, "the log segment that the manifest names", "none"));
        }
        while let Some(Record { kind, lsn, mut payload, .. }) = reader.next()? {
            self.outcome.records += 1;
            match kind {
                Kind::Trees => {
                    let below = take_u64(&mut payload).ok_or_else(|| self.nonsense(lsn))?;
                    self.outcome.next_tree = self.outcome.next_tree.max(below);
                }
                Kind::Commit => {
                    let (commit, writes) = Commit::decode(payload).ok_or_else(|| self.nonsense(lsn))?;
                    self.outcome.timestamp = self.outcome.timestamp.max(commit.timestamp);
                    self.count(lsn, &commit, writes)?;
                    // What is in the files already is not done again.
                    if commit.timestamp > self.manifest.timestamp {
                        self.commit(lsn, &commit, writes)?;
                    }
                    commit.drops.iter().for_each(|tree| self.trees.remove(*tree, commit.timestamp));
                }
            }
        }
        reader.check_end()?;
        (self.outcome.batch, self.outcome.end) = (reader.batch, reader.lsn);
        Ok(())
    }

    /// Counts the rows that a commit made, less those that it deleted. The manifest's counts are those of the log's position.
    fn count(&self, lsn: u64, commit: &Commit, writes: &[u8]) -> Result<()> {
        let mut tree: Option<Arc<Tree>> = None;
        for op in ops(writes) {
            let op = op.ok_or_else(|| self.nonsense(lsn))?;
            // One with staged files says it in all.
            if op.write.is_some() != commit.staged.is_empty() || self.trees.is_dropped(op.tree) {
                continue;
            }
            if tree.as_ref().is_none_or(|tree| tree.id != op.tree) {
                tree = Some(self.trees.get_or_create(op.tree).ok_or_else(|| self.nonsense(lsn))?);
            }
            if let Some(tree) = &tree {
                tree.committed.fetch_add(op.rows, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn commit(&mut self, lsn: u64, commit: &Commit, writes: &[u8]) -> Result<()> {
        for meta in &commit.staged {
            // Any tree in between may be in it, but those that were dropped before.
            let between = (tree_of(&meta.min).0..=tree_of(&meta.max).0).map(TreeId);
            for tree in between.filter(|tree| !self.trees.is_dropped(*tree)) {
                self.trees.get_or_create(tree).ok_or_else(|| self.nonsense(lsn))?.leaves_memory();
            }
        }
        let mut ops = ops(writes).peekable();
        while let Some(first) = ops.next() {
            let first = first.ok_or_else(|| self.nonsense(lsn))?;
            let tree = self.trees.get_or_create(first.tree).ok_or_else(|| self.nonsense(lsn))?;
            // All that follows in the same tree is done under one latch.
            let mut change = Change::default();
            let mut rows = tree.rows.write();
            let mut next = Some(first);
            while let Some(op) = next {
                if let Some(row) = op.write {
                    write(&mut rows, tree.is_partial(), row, commit.timestamp, &mut change);
                }
                next = ops.next_if(|op| op.is_some_and(|op| op.tree == tree.id)).flatten();
            }
            drop(rows);
            self.trees.account(&tree, &change);
        }
        let staged = commit.staged.iter().cloned();
        self.staged.extend(staged.map(|meta| FileMeta { committed: Some(commit.timestamp), ..meta }));
        Ok(())
    }
}

/// The row as the write leaves it; there are no snapshots yet that could need what it was.
fn write(rows: &mut BTree, partial: bool, written: RowWrite<'_>, timestamp: u64, change: &mut Change) {
    let cell = match written.value {
        Some(value) => Cell::Live(Value::new(value)),
        // Nothing in any file needs to be hidden.
        None if !partial => return forget(rows, written.key, change),
        None => Cell::Tombstone,
    };
    let head = Version::committed(timestamp, cell);
    match rows.get_mut(written.key) {
        Some(row) => {
            change.row(row, -1);
            row.head = head;
            change.row(row, 1);
        }
        None => {
            let row = Row::new(written.key, head, partial);
            change.row(&row, 1);
            rows.insert(row);
        }
    }
}

/// Takes deletions from memory that staged files have newer versions of: what memory says would count. While the process lived they were
/// gone from there, as ones that everyone saw and no file had to be told of, when the row was written anew and staged; the replay
/// has brought them back.
fn forget_outdated(trees: &Trees, set: &FileSet, staged: &[FileMeta]) -> Result<()> {
    if staged.is_empty() {
        return Ok(());
    }
    let view = FileView { timestamp: u64::MAX - 1, own: None };
    for tree in trees.all() {
        let mut deleted = Vec::new();
        tree.rows.read().visit(Bound::Unbounded, Bound::Unbounded, Direction::Forward, &mut |row| {
            if let (Cell::Tombstone, Some(timestamp)) = (&row.head.cell, row.head.stamp.timestamp()) {
                deleted.push((row.key.clone(), timestamp));
            }
            true
        });
        let mut change = Change::default();
        for (key, timestamp) in deleted {
            let user = user_key(tree.id, &key);
            let newest = || set.get(&user, hash(&user), &view, true);
            if staged.iter().any(|meta| meta.spans(&user))
                && newest()?.is_some_and(|(_, newer)| newer > timestamp)
            {
                forget(&mut tree.rows.write(), &key, &mut change);
            }
        }
        trees.account(&tree, &change);
    }
    Ok(())
}

/// Removes log files that are neither replayed nor prepared; answers up to where the log is prepared.
fn tidy_segments(segments: &Segments, replay_from: u64, end: u64) -> Result<u64> {
    let size = segments.size;
    segments.release_before(size.segment_of(replay_from))?;
    let mut prepared = size.segment_of(end);
    if segments.is_present(prepared)? {
        segments.prepare_again(prepared)?;
    } else {
        segments.prepare(prepared)?;
    }
    for segment in segments.numbers()?.into_iter().filter(|segment| *segment > size.segment_of(end)) {
        if segment == prepared + 1 && segments.is_present(segment)? {
            segments.prepare_again(segment)?;
            prepared = segment;
        } else {
            segments.remove(segment)?;
        }
    }
    Ok(size.start_of(prepared + 1))
}

/// The highest number of a sorted file, and the files that nothing names: unfinished ones, those of transactions that did not
/// commit, those that were merged into others.
fn orphans(io: &dyn Io, sst_dir: &Path, set: &FileSet) -> Result<(u64, Vec<String>)> {
    let mut highest = 0;
    let mut names = io.list(sst_dir).map_err(|error| Error::io("list", sst_dir, error))?;
    names.retain(|name| {
        let number = file_number(name);
        highest = highest.max(number.unwrap_or(0));
        number.is_some_and(|number| set.all().all(|(_, table)| table.meta.number != number))
    });
    Ok((highest, names))
}
