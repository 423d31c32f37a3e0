//! Reading a range: the rows in memory, and where some are in files only, merged with those.
//!
//! A scan holds no latch between calls. It takes a piece of the memtable, under the latch, then goes over the files up to where the
//! piece ends: what memory says of a row counts before what the files say. The files are those of after the piece was
//! taken, or earlier ones from which no row of the tree has come in between: no row is missed on its way from memory to a file.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use super::serializable::Span as Read;
use super::snapshot::Snapshot;
use crate::error::Result;
use crate::key::{Direction, Key, KeyRange, RowBuffer, TreeId, Value};
use crate::lsm::{Merge, Span};
use crate::memtable::{BTree, Tree};
use crate::sst::user_key;

/// Rows passed in one go, dead ones included: bounds how long a scan holds a tree's latch.
const CHUNK_ROWS: usize = 512;
/// Pieces in one call.
const CHUNKS: usize = 64;
/// Bytes after which a call of [`Scan::next_batch`] returns.
const BATCH_BYTES: usize = 1 << 20;

/// A scan in progress. Holds no latch between calls: it goes on after the last key.
pub struct Scan {
    snapshot: Snapshot,
    id: TreeId,
    tree: Option<Arc<Tree>>,
    range: KeyRange,
    direction: Direction,
    files: Option<Files>,
    done: bool,
}

/// The part of a scan that goes over files as well.
struct Files {
    merge: Merge,
    /// The tree's departures when the files were taken.
    departures: u64,
    piece: Piece,
}

/// What memory says of the next rows.
struct Piece {
    /// Keys with their row: `None` where it does not exist, nothing inside where an older version in the files counts.
    rows: VecDeque<(Key, Option<Option<Value>>)>,
    /// The last key that it covers; none: all that are left.
    end: Option<Key>,
}

impl Scan {
    pub(super) fn new(
        snapshot: Snapshot,
        id: TreeId,
        tree: Option<Arc<Tree>>,
        range: KeyRange,
        direction: Direction,
    ) -> Scan {
        Scan { snapshot, id, done: tree.is_none(), tree, range, direction, files: None }
    }

    /// Appends up to `limit` rows to the buffer (fewer where they are long: it stops after 1 MiB); false when the range
    /// has ended. A call may append nothing and still answer true, after it has passed many dead rows.
    ///
    /// # Errors
    /// [`crate::Error::SnapshotTooOld`]; [`crate::Error::Fatal`], [`crate::Error::ReadWriteConflict`];
    /// [`crate::Error::Corruption`] and [`crate::Error::Io`] where a file cannot be read.
    pub fn next_batch(&mut self, limit: usize, out: &mut RowBuffer) -> Result<bool> {
        let shared = Arc::clone(self.snapshot.shared());
        shared.log.check()?;
        let before = self.snapshot.is_tracked().then(|| Read::range(&self.range));
        if let Some(tree) = self.tree.clone() {
            self.read(&tree, limit, out)?;
        }
        self.snapshot.check()?;
        if let Some(before) = before {
            let passed = if self.done { before } else { before.passed(&self.range, self.direction) };
            self.snapshot.mark(self.id, || passed)?;
        }
        Ok(!self.done)
    }

    fn read(&mut self, tree: &Tree, limit: usize, out: &mut RowBuffer) -> Result<()> {
        let bytes_max = (out.bytes() + BATCH_BYTES).min(RowBuffer::BYTES_MAX / 2);
        let end = out.len() + limit;
        for _ in 0..CHUNKS {
            if self.done || out.len() >= end || out.bytes() >= bytes_max {
                break;
            }
            if !self.memory_chunk(tree, end, bytes_max, out) {
                self.files_chunk(tree, end, bytes_max, out)?;
            }
        }
        Ok(())
    }

    /// A chunk of a tree that is wholly in memory; false where it is not.
    fn memory_chunk(&mut self, tree: &Tree, end: usize, bytes_max: usize, out: &mut RowBuffer) -> bool {
        let mut passed = 0;
        let mut last = None;
        let rows = tree.rows.read();
        if tree.is_partial() {
            return false;
        }
        let view = self.snapshot.view();
        visit(&rows, &self.range, self.direction, &mut |key, head| {
            if let Some(Some(value)) = view.of(head) {
                // Always fits: a batch ends long before the buffer does, and values have a limit.
                out.push(key, value);
            }
            passed += 1;
            let full = out.len() >= end || passed >= CHUNK_ROWS || out.bytes() >= bytes_max;
            if full {
                last = Some(key.clone());
            }
            !full
        });
        drop(rows);
        match last {
            Some(key) => self.set_position(&key),
            None => self.done = true,
        }
        true
    }

    /// A chunk of a tree that has rows in files only.
    fn files_chunk(&mut self, tree: &Tree, end: usize, bytes_max: usize, out: &mut RowBuffer) -> Result<()> {
        let mut files = match self.files.take() {
            Some(files) => files,
            None => {
                let (piece, departures) = self.piece(tree, end - out.len());
                Files { merge: self.merge(tree)?, departures, piece }
            }
        };
        let snapshot = self.snapshot.clone();
        let view = snapshot.file_view();
        let forward = self.direction == Direction::Forward;
        // The last key: one of memory, or the one that the files are at.
        let mut last: Option<Option<Key>> = None;
        let is_full = |out: &RowBuffer| out.len() >= end || out.bytes() >= bytes_max;
        let mut passed = 0;
        while passed < CHUNK_ROWS {
            if forward {
                // Mostly many keys in a row are in one file alone.
                let piece = &files.piece;
                let ends = |key: &[u8], keys: usize, out: &RowBuffer| {
                    let covered = match (piece.rows.front(), &piece.end) {
                        (Some((front, _)), _) => *key < **front,
                        (None, Some(end)) => *key <= **end,
                        (None, None) => true,
                    };
                    !covered || passed + keys >= CHUNK_ROWS || is_full(out)
                };
                let keys = files.merge.rows_of_one(&view, ends, out)?;
                if keys > 0 {
                    passed += keys;
                    last = Some(None);
                    if is_full(out) {
                        break;
                    }
                    continue;
                }
            }
            passed += 1;
            let above = files.merge.peek().and_then(|user| user.get(8..));
            let front = files.piece.rows.front();
            // Whether the next key is in memory, in the files, or both.
            let (in_memory, in_files) = match (front, above) {
                (None, None) => (false, false),
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some((key, _)), Some(user)) => {
                    let order = if forward { (**key).cmp(user) } else { user.cmp(&**key) };
                    (order.is_le(), order.is_ge())
                }
            };
            if !in_memory {
                let covered = |user: &[u8]| {
                    let last = files.piece.end.as_ref();
                    last.is_none_or(|last| if forward { *user <= **last } else { *user >= **last })
                };
                if !above.is_some_and(covered) {
                    // The piece is used up.
                    let Some(last) = files.piece.end.take() else {
                        self.done = true;
                        return Ok(());
                    };
                    self.set_position(&last);
                    let (piece, departures) = self.piece(tree, end - out.len());
                    if departures != files.departures {
                        files.merge = self.merge(tree)?;
                    }
                    files.departures = departures;
                    files.piece = piece;
                    continue;
                }
            }
            let memory = if in_memory { files.piece.rows.pop_front() } else { None };
            if let Some((key, _)) = &memory {
                last = Some(Some(key.clone()));
            }
            let below = if in_files { files.merge.next(&view)? == Some(true) } else { false };
            if memory.is_none() {
                last = Some(None);
            }
            match memory {
                Some((key, Some(Some(value)))) => {
                    out.push(&key, &value);
                }
                Some((_, None)) | None if below => {
                    out.push(files.merge.key().get(8..).unwrap_or_default(), files.merge.value());
                }
                _ => {}
            }
            if is_full(out) {
                break;
            }
        }
        if let Some(last) = last {
            let from_files = || Key::new(files.merge.key().get(8..).unwrap_or_default());
            self.set_position(&last.unwrap_or_else(from_files));
        }
        self.files = Some(files);
        Ok(())
    }

    /// What memory has of the next rows, and the tree's departures then.
    fn piece(&self, tree: &Tree, wanted: usize) -> (Piece, u64) {
        let most = wanted.clamp(16, CHUNK_ROWS);
        let mut piece = Piece { rows: VecDeque::new(), end: None };
        let rows = tree.rows.read();
        let view = self.snapshot.view();
        visit(&rows, &self.range, self.direction, &mut |key, head| {
            piece.rows.push_back((key.clone(), view.of(head).map(|value| value.cloned())));
            let full = piece.rows.len() >= most;
            if full {
                piece.end = Some(key.clone());
            }
            !full
        });
        (piece, tree.departures())
    }

    /// The files from the scan's position on. To be called after the piece was taken.
    fn merge(&self, tree: &Tree) -> Result<Merge> {
        let bound = |bound: &Bound<Key>, open: (Vec<u8>, bool)| match bound {
            Bound::Unbounded => open,
            Bound::Included(key) => (user_key(tree.id, key), false),
            Bound::Excluded(key) => (user_key(tree.id, key), true),
        };
        let next = crate::TreeId(tree.id.0 + 1);
        let span = Span {
            lower: bound(&self.range.lower, (user_key(tree.id, &[]), false)),
            upper: bound(&self.range.upper, (user_key(next, &[]), true)),
            direction: self.direction,
        };
        Merge::new(&self.snapshot.shared().files.set(), span, &self.snapshot.file_view())
    }

    fn set_position(&mut self, key: &Key) {
        let bound = Bound::Excluded(key.clone());
        match self.direction {
            Direction::Forward => self.range.lower = bound,
            Direction::Backward => self.range.upper = bound,
        }
    }

    /// Goes on after this key (in the direction of the scan), for a caller that consumed only a part of the last batch.
    pub fn seek_after(&mut self, key: &Key) {
        self.set_position(key);
        self.files = None;
        self.done = self.tree.is_none();
    }
}

fn visit(
    rows: &BTree,
    range: &KeyRange,
    direction: Direction,
    each: &mut impl FnMut(&Key, &crate::memtable::Version) -> bool,
) {
    let lower = range.lower.as_ref().map(|key| &**key);
    let upper = range.upper.as_ref().map(|key| &**key);
    rows.visit(lower, upper, direction, &mut |row| each(&row.key, &row.head));
}
