//! Reading: which version of a row a snapshot sees, one row or a range.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::serializable::Span;
use super::slots::TxnState;
use crate::engine::Shared;
use crate::error::Result;
use crate::key::{Direction, Key, KeyRange, RowBuffer, TreeId, Value};
use crate::memtable::{Cell, Tree, Version};

/// Rows passed in one go, dead ones included: bounds how long a scan holds a tree's latch.
const CHUNK_ROWS: usize = 512;
/// Bytes after which a call of [`Scan::next_batch`] returns.
const BATCH_BYTES: usize = 1 << 20;

/// A timestamp that is kept from being pruned while this lives.
pub(crate) struct Pin {
    pub shared: Arc<Shared>,
    pub timestamp: u64,
}

impl Pin {
    pub fn new(shared: &Arc<Shared>) -> Arc<Pin> {
        let timestamp = shared.snapshots.take();
        Arc::new(Pin { shared: Arc::clone(shared), timestamp })
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.snapshots.release(self.timestamp);
    }
}

/// A consistent view of all trees; see [`crate::Transaction::snapshot`]. What its own transaction has written is seen
/// only until that ends.
#[derive(Clone)]
pub struct Snapshot {
    pin: Arc<Pin>,
    /// The transaction whose own writes it sees, if before this command.
    txn: Option<(Arc<TxnState>, u64)>,
}

/// Everything that decides which version is seen.
struct View<'a> {
    shared: &'a Shared,
    timestamp: u64,
    /// Slot and command.
    own: Option<(u32, u64)>,
}

impl View<'_> {
    /// The value that the view sees of a row.
    fn of<'v>(&self, head: &'v Version) -> Option<&'v Value> {
        for version in head.iter() {
            let visible = match (version.stamp.timestamp(), version.stamp.owner()) {
                (Some(timestamp), _) => timestamp <= self.timestamp,
                (None, Some(owner)) => match self.own {
                    Some((slot, command)) if slot == owner => version.stamp.command() < command,
                    _ => self
                        .shared
                        .slots
                        .committed(owner)
                        .is_some_and(|timestamp| timestamp <= self.timestamp),
                },
                (None, None) => false,
            };
            if !visible {
                continue;
            }
            match &version.cell {
                Cell::Lock => {}
                Cell::Tombstone => return None,
                Cell::Live(value) => return Some(value),
            }
        }
        None
    }
}

impl Snapshot {
    pub(crate) fn new(pin: Arc<Pin>, txn: Option<(Arc<TxnState>, u64)>) -> Snapshot {
        Snapshot { pin, txn }
    }

    /// It sees the commits up to this one.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.pin.timestamp
    }

    /// To be called under the tree's latch: whoever owns a slot in a row then keeps it until the latch is given back.
    fn view(&self) -> View<'_> {
        let own = self.txn.as_ref().and_then(|(txn, command)| Some((txn.slot()?, *command, txn.is_active())));
        View {
            shared: &self.pin.shared,
            timestamp: self.pin.timestamp,
            own: own.filter(|(.., active)| *active).map(|(slot, command, _)| (slot, command)),
        }
    }

    /// A tree, unless it had been dropped by then.
    fn tree(&self, tree: TreeId) -> Option<Arc<Tree>> {
        self.pin.shared.trees.get(tree).filter(|tree| {
            let dropped = tree.dropped.load(Ordering::Acquire);
            dropped == 0 || dropped > self.pin.timestamp
        })
    }

    fn is_tracked(&self) -> bool {
        self.txn.as_ref().is_some_and(|(txn, _)| txn.standing.is_tracked())
    }

    /// In SERIALIZABLE, what is read is remembered.
    fn mark(&self, tree: TreeId, span: impl FnOnce() -> Span) -> Result<()> {
        let Some((txn, _)) = &self.txn else { return Ok(()) };
        self.pin.shared.serializable.read(txn, tree, span)
    }

    /// The value of a row.
    ///
    /// # Errors
    /// [`crate::Error::Fatal`], [`crate::Error::ReadWriteConflict`].
    pub fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value>> {
        let shared = &self.pin.shared;
        shared.log.check()?;
        self.mark(tree, || Span::key(key))?;
        let Some(tree) = self.tree(tree) else { return Ok(None) };
        let rows = tree.rows.read();
        let view = self.view();
        Ok(rows.get(key).and_then(|row| view.of(&row.head)).cloned())
    }

    /// The rows of a range, in order.
    #[must_use]
    pub fn scan(&self, tree: TreeId, range: KeyRange, direction: Direction) -> Scan {
        let (id, tree) = (tree, self.tree(tree));
        Scan { snapshot: self.clone(), id, done: tree.is_none(), tree, range, direction }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("timestamp", &self.timestamp()).finish()
    }
}

/// A scan in progress. Holds no latch between calls: it goes on after the last key.
pub struct Scan {
    snapshot: Snapshot,
    id: TreeId,
    tree: Option<Arc<Tree>>,
    range: KeyRange,
    direction: Direction,
    done: bool,
}

impl Scan {
    /// Appends up to `limit` rows to the buffer (fewer where they are long: it stops after 1 MiB); false when the range
    /// has ended. A call may append nothing and still answer true, after it has passed many dead rows.
    ///
    /// # Errors
    /// [`crate::Error::Fatal`], [`crate::Error::ReadWriteConflict`].
    pub fn next_batch(&mut self, limit: usize, out: &mut RowBuffer) -> Result<bool> {
        self.snapshot.pin.shared.log.check()?;
        let before = self.snapshot.is_tracked().then(|| Span::range(&self.range));
        let mut left = limit;
        let bytes_max = (out.bytes() + BATCH_BYTES).min(RowBuffer::BYTES_MAX / 2);
        let mut chunks = 0;
        while left > 0 && !self.done && chunks < 64 && out.bytes() < bytes_max {
            left -= self.chunk(left, bytes_max, out);
            chunks += 1;
        }
        if let Some(before) = before {
            let passed = if self.done { before } else { before.passed(&self.range, self.direction) };
            self.snapshot.mark(self.id, || passed)?;
        }
        Ok(!self.done)
    }

    /// Goes over a chunk under the tree's latch; answers how many rows it appended.
    fn chunk(&mut self, limit: usize, bytes_max: usize, out: &mut RowBuffer) -> usize {
        let Some(tree) = &self.tree else { return 0 };
        let (mut passed, mut appended) = (0, 0);
        let mut last = None;
        let lower = self.range.lower.as_ref().map(|key| &**key);
        let upper = self.range.upper.as_ref().map(|key| &**key);
        let rows = tree.rows.read();
        let view = self.snapshot.view();
        rows.visit(lower, upper, self.direction, &mut |row| {
            if let Some(value) = view.of(&row.head) {
                // Always fits: a batch ends long before the buffer does, and values have a limit.
                out.push(&row.key, value);
                appended += 1;
            }
            passed += 1;
            let full = appended >= limit || passed >= CHUNK_ROWS || out.bytes() >= bytes_max;
            if full {
                last = Some(row.key.clone());
            }
            !full
        });
        drop(rows);
        match last {
            Some(key) => self.seek_after(&key),
            None => self.done = true,
        }
        appended
    }

    /// Goes on after this key (in the direction of the scan), for a caller that consumed only a part of the last batch.
    pub fn seek_after(&mut self, key: &Key) {
        let bound = Bound::Excluded(key.clone());
        match self.direction {
            Direction::Forward => self.range.lower = bound,
            Direction::Backward => self.range.upper = bound,
        }
        self.done = self.tree.is_none();
    }
}
