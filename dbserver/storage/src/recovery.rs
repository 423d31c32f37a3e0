//! Opening a data directory: the manifest's files, then the log after them.
//!
//! The log is read twice. The first pass finds its end, checks that it is an end and not damage, and learns which
//! transactions committed; the second applies their writes in the order of the log. Row locks make that order the right
//! one for each row, so a part of a large transaction can be applied where it stands, before its commit.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::{Key, TreeId, Value};
use crate::manifest::Manifest;
use crate::memtable::{BTree, Cell, Change, Row, Tree, Trees, Version, row_bytes};
use crate::options::Options;
use crate::sst::{SstReader, file_name, file_number};
use crate::wal::{Commit, Kind, LogStart, Op, Reader, Record, SegmentSize, Segments, ops, take_u64};

/// Directory of the sorted files.
pub(crate) const SST_DIR: &str = "sst";
/// Directory of the log.
pub(crate) const WAL_DIR: &str = "wal";

/// A directory read back.
pub(crate) struct Recovered {
    pub trees: Trees,
    pub manifest: Manifest,
    pub segments: Segments,
    pub start: LogStart,
    pub records: u64,
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

    let trees = Trees::default();
    load_files(&**io, &sst_dir, &manifest, &trees)?;
    let mut replay =
        Replay { segments: &segments, manifest: &manifest, trees: &trees, outcome: Outcome::default() };
    replay.first_pass()?;
    replay.second_pass()?;
    let outcome = replay.outcome;

    // What was read may be in the page cache only (the process was killed, not the machine): it is shown to readers
    // from here on, so it must be durable now.
    if outcome.end > manifest.replay_from {
        segments.sync(manifest.replay_from, outcome.end)?;
    }
    let capacity = tidy_segments(&segments, manifest.replay_from, outcome.end)?;
    remove_orphans(&**io, &sst_dir, &manifest)?;
    manifest.epoch += 1;
    manifest.store(&**io, dir)?;
    let start = LogStart {
        lsn: outcome.end,
        timestamp: outcome.timestamp.max(manifest.timestamp),
        next_tree: outcome.next_tree.max(manifest.next_tree),
        epoch: manifest.epoch,
        capacity,
    };
    Ok(Recovered { trees, manifest, segments, start, records: outcome.records })
}

/// A new directory: its first log segment, then its first manifest. Before that is durable, nothing was promised.
fn create(io: &dyn Io, dir: &Path, sst_dir: &Path, segments: &Segments) -> Result<Manifest> {
    let first = segments.size.start_of(1);
    let orphaned = || {
        let got = "files of a database without it";
        Error::corrupt(&dir.join("MANIFEST"), 0, "a manifest", got)
    };
    let names = io.list(sst_dir).map_err(|error| Error::io("list", sst_dir, error))?;
    if names.iter().any(|name| file_number(name).is_some()) {
        return Err(orphaned());
    }
    for segment in segments.numbers()? {
        // A first segment without a record is what a crash during the creation leaves behind.
        if segment != 1 || Reader::new(segments, first).next()?.is_some() {
            return Err(orphaned());
        }
        segments.remove(segment)?;
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
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        io.sync_dir(parent).map_err(|error| Error::io("sync", parent, error))?;
    }
    Ok(manifest)
}

/// Loads the checkpoint's rows, which come in order, into trees.
fn load_files(io: &dyn Io, sst_dir: &Path, manifest: &Manifest, trees: &Trees) -> Result<()> {
    let mut current: Option<(Arc<Tree>, BTree, Change)> = None;
    let finish = |current: &mut Option<(Arc<Tree>, BTree, Change)>| {
        if let Some((tree, rows, change)) = current.take() {
            *tree.rows.write() = rows;
            trees.account(&tree, &change);
        }
    };
    for file in &manifest.files {
        let path = sst_dir.join(file_name(file.number));
        let reader = SstReader::open(io, &path, file.number, file.bytes)?;
        if reader.rows != file.rows {
            return Err(Error::corrupt(&path, 0, format!("{} rows", file.rows), reader.rows));
        }
        reader.for_each(|id, key, timestamp, value| {
            if current.as_ref().is_none_or(|(tree, ..)| tree.id != id) {
                finish(&mut current);
                let tree = tree_of(trees, id, &path)?;
                let rows = std::mem::take(&mut *tree.rows.write());
                current = Some((tree, rows, Change::default()));
            }
            if let Some((_, rows, change)) = &mut current {
                let row = Row {
                    key: Key::new(key),
                    head: Version::committed(timestamp, Cell::Live(Value::new(value))),
                };
                change.bytes += row_bytes(&row.key);
                change.row_versions(&row, 1);
                rows.insert(row);
            }
            Ok(())
        })?;
    }
    finish(&mut current);
    Ok(())
}

fn tree_of(trees: &Trees, id: TreeId, file: &Path) -> Result<Arc<Tree>> {
    trees.get_or_create(id).ok_or_else(|| Error::corrupt(file, 0, "a tree number", id.0))
}

/// What the log says.
#[derive(Default)]
struct Outcome {
    end: u64,
    timestamp: u64,
    next_tree: u64,
    records: u64,
    /// Transactions that logged more than one record, by epoch and number: numbers begin again when the process does.
    committed: HashMap<(u32, u64), Commit>,
}

struct Replay<'a> {
    segments: &'a Segments,
    manifest: &'a Manifest,
    trees: &'a Trees,
    outcome: Outcome,
}

impl Replay<'_> {
    /// Where a record is that cannot be understood although its checksum is right.
    fn nonsense(&self, lsn: u64) -> Error {
        let path = self.segments.path(self.segments.size.segment_of(lsn));
        Error::corrupt(&path, lsn, "a log record of a known form", "an unknown one")
    }

    fn first_pass(&mut self) -> Result<()> {
        let mut reader = Reader::new(self.segments, self.manifest.replay_from);
        if !self.segments.is_present(self.segments.size.segment_of(self.manifest.replay_from))? {
            let path = self.segments.path(self.segments.size.segment_of(self.manifest.replay_from));
            return Err(Error::corrupt(&path, 0, "the log segment that the manifest names", "none"));
        }
        while let Some(Record { kind, epoch, lsn, mut payload }) = reader.next()? {
            self.outcome.records += 1;
            match kind {
                Kind::Chunk => {}
                Kind::Trees => {
                    let below = take_u64(&mut payload).ok_or_else(|| self.nonsense(lsn))?;
                    self.outcome.next_tree = self.outcome.next_tree.max(below);
                }
                Kind::Commit => {
                    let (commit, _) = Commit::decode(payload).ok_or_else(|| self.nonsense(lsn))?;
                    self.outcome.timestamp = self.outcome.timestamp.max(commit.timestamp);
                    if commit.first > 0 {
                        self.outcome.committed.insert((epoch, commit.txn), commit);
                    }
                }
            }
        }
        reader.check_end()?;
        self.outcome.end = reader.lsn;
        Ok(())
    }

    fn second_pass(&mut self) -> Result<()> {
        let mut reader = Reader::new(self.segments, self.manifest.replay_from);
        while reader.lsn < self.outcome.end {
            let Some(Record { kind, epoch, lsn, mut payload }) = reader.next()? else {
                return Err(self.nonsense(reader.lsn));
            };
            match kind {
                Kind::Trees => {}
                Kind::Chunk => {
                    let fields = (take_u64(&mut payload), take_u64(&mut payload));
                    let (Some(txn), Some(first)) = fields else { return Err(self.nonsense(lsn)) };
                    if let Some(commit) = self.outcome.committed.get(&(epoch, txn)) {
                        self.apply(lsn, commit, first, payload)?;
                    }
                }
                Kind::Commit => {
                    let (commit, writes) = Commit::decode(payload).ok_or_else(|| self.nonsense(lsn))?;
                    self.apply(lsn, &commit, commit.first, writes)?;
                    if commit.timestamp > self.manifest.timestamp {
                        commit.drops.iter().for_each(|tree| self.trees.remove(*tree));
                    }
                }
            }
        }
        Ok(())
    }

    fn apply(&self, lsn: u64, commit: &Commit, first: u64, writes: &[u8]) -> Result<()> {
        if commit.timestamp <= self.manifest.timestamp {
            return Ok(());
        }
        for (index, op) in (first..).zip(ops(writes)) {
            let op = op.ok_or_else(|| self.nonsense(lsn))?;
            if commit.discards.iter().any(|(from, to)| (*from..*to).contains(&index)) {
                continue;
            }
            let tree = self.trees.get_or_create(op.tree).ok_or_else(|| self.nonsense(lsn))?;
            let mut change = Change::default();
            write(&mut tree.rows.write(), op, commit.timestamp, &mut change);
            self.trees.account(&tree, &change);
        }
        Ok(())
    }
}

/// The row as the write leaves it; there are no snapshots yet that could need what it was.
fn write(rows: &mut BTree, op: Op<'_>, timestamp: u64, change: &mut Change) {
    match (rows.get_mut(op.key), op.value) {
        (Some(row), Some(value)) => {
            change.row_versions(row, -1);
            row.head = Version::committed(timestamp, Cell::Live(Value::new(value)));
            change.row_versions(row, 1);
        }
        (None, Some(value)) => {
            let head = Version::committed(timestamp, Cell::Live(Value::new(value)));
            let row = Row { key: Key::new(op.key), head };
            change.bytes += row_bytes(&row.key);
            change.row_versions(&row, 1);
            rows.insert(row);
        }
        (Some(_), None) => {
            if let Some(row) = rows.remove(op.key) {
                change.bytes -= row_bytes(&row.key);
                change.row_versions(&row, -1);
            }
        }
        (None, None) => {}
    }
}

/// Removes log files that are neither replayed nor prepared; answers up to where the log is prepared.
fn tidy_segments(segments: &Segments, replay_from: u64, end: u64) -> Result<u64> {
    let size = segments.size;
    segments.release_before(size.segment_of(replay_from))?;
    let mut prepared = size.segment_of(end);
    if !segments.is_present(prepared)? {
        segments.prepare(prepared)?;
    }
    for segment in segments.numbers()?.into_iter().filter(|segment| *segment > size.segment_of(end)) {
        if segment == prepared + 1 && segments.is_present(segment)? {
            prepared = segment;
        } else {
            segments.remove(segment)?;
        }
    }
    Ok(size.start_of(prepared + 1))
}

/// Removes files of a checkpoint that was not finished, or that has been replaced.
fn remove_orphans(io: &dyn Io, sst_dir: &Path, manifest: &Manifest) -> Result<()> {
    for name in io.list(sst_dir).map_err(|error| Error::io("list", sst_dir, error))? {
        let Some(number) = file_number(&name) else { continue };
        if manifest.files.iter().all(|file| file.number != number) {
            let path = sst_dir.join(name);
            io.remove(&path).map_err(|error| Error::io("remove", &path, error))?;
        }
    }
    Ok(())
}
