//! Reading: which version of a row a snapshot sees.

use std::sync::Arc;

use super::scan::Scan;
use super::serializable::Span;
use super::slots::TxnState;
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::key::{Direction, KeyRange, TreeId, Value};
use crate::lsm::FileView;
use crate::memtable::{Cell, Tree, Version};
use crate::sync::atomic::Ordering;

/// A timestamp that is kept from being pruned while this lives.
pub(crate) struct Pin {
    pub shared: Arc<Shared>,
    pub timestamp: u64,
    /// Whether it may not be ended for the memory that it takes.
    held: bool,
}

impl Pin {
    /// Of a transaction.
    pub fn new(shared: &Arc<Shared>) -> Arc<Pin> {
        let timestamp = shared.snapshots.take(false);
        Arc::new(Pin { shared: Arc::clone(shared), timestamp, held: false })
    }

    /// Of the engine itself, for a short time.
    pub fn held(shared: &Arc<Shared>) -> Pin {
        let timestamp = shared.snapshots.take(true);
        Pin { shared: Arc::clone(shared), timestamp, held: true }
    }

    /// To be called after reading by it: [`Error::SnapshotTooOld`] where something may have been missing.
    pub fn check(&self) -> Result<()> {
        if self.shared.snapshots.is_ended(self.timestamp) { Err(Error::SnapshotTooOld) } else { Ok(()) }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.snapshots.release(self.timestamp, self.held);
        if shared.files.is_released(shared.snapshots.oldest()) {
            shared.ask_to_compact();
        }
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

/// Everything that decides which version in memory is seen.
pub(super) struct View<'a> {
    shared: &'a Shared,
    timestamp: u64,
    /// Slot and command.
    own: Option<(u32, u64)>,
}

impl View<'_> {
    /// What the view sees of a row: its value, or that it does not exist. `None`: nothing in memory is visible to it, so that an
    /// older version in the files counts, if there is one.
    pub fn of<'v>(&self, head: &'v Version) -> Option<Option<&'v Value>> {
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
                Cell::Lock | Cell::InFiles => {}
                Cell::Tombstone => return Some(None),
                Cell::Live(value) => return Some(Some(value)),
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

    /// It sees what its own transaction's statements before this one wrote.
    pub(super) fn command(&self) -> u64 {
        self.txn.as_ref().map_or(0, |(_, command)| *command)
    }

    /// To be called under the tree's latch: whoever owns a slot in a row then keeps it until the latch is given back.
    pub(super) fn view(&self) -> View<'_> {
        let own = self.txn.as_ref().and_then(|(txn, command)| Some((txn.slot()?, *command, txn.is_active())));
        View {
            shared: &self.pin.shared,
            timestamp: self.pin.timestamp,
            own: own.filter(|(.., active)| *active).map(|(slot, command, _)| (slot, command)),
        }
    }

    /// What decides which version in the files is seen.
    pub(super) fn file_view(&self) -> FileView<'_> {
        let own = self.txn.as_ref().filter(|(txn, _)| txn.is_active()).map(|(txn, command)| (txn, *command));
        FileView { timestamp: self.pin.timestamp, own }
    }

    /// The engine.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.pin.shared
    }

    /// A tree, unless it had been dropped by then.
    fn tree(&self, tree: TreeId) -> Option<Arc<Tree>> {
        self.pin.shared.trees.get(tree).filter(|tree| {
            let dropped = tree.dropped.load(Ordering::Acquire);
            dropped == 0 || dropped > self.pin.timestamp
        })
    }

    pub(super) fn is_tracked(&self) -> bool {
        self.txn.as_ref().is_some_and(|(txn, _)| txn.standing.is_tracked())
    }

    /// In SERIALIZABLE, what is read is remembered.
    pub(super) fn mark(&self, tree: TreeId, span: impl FnOnce() -> Span) -> Result<()> {
        let Some((txn, _)) = &self.txn else { return Ok(()) };
        self.pin.shared.serializable.read(txn, tree, span)
    }

    /// The value of a row.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`]; [`Error::Fatal`], [`Error::ReadWriteConflict`]; [`Error::Corruption`] and [`Error::Io`] where it
    /// lies in a file that cannot be read.
    pub fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value>> {
        let seen = self.look_up(tree, key, true)?;
        // Also where it was not found: it may be gone because of that.
        self.check().map(|()| seen.flatten())
    }

    /// [`Snapshot::get`] for a caller that must not wait for the disk: nothing where the answer is not in memory.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub fn get_cached(&self, tree: TreeId, key: &[u8]) -> Result<Option<Option<Value>>> {
        let seen = self.look_up(tree, key, false)?;
        self.check().map(|()| seen)
    }

    fn look_up(&self, tree: TreeId, key: &[u8], may_read: bool) -> Result<Option<Option<Value>>> {
        let shared = &self.pin.shared;
        shared.log.check()?;
        self.mark(tree, || Span::key(key))?;
        let Some(tree) = self.tree(tree) else { return Ok(Some(None)) };
        {
            let rows = tree.rows.read();
            let seen = rows.get(key).and_then(|row| self.view().of(&row.head));
            if seen.is_some() || !tree.is_partial() {
                return Ok(Some(seen.flatten().cloned()));
            }
        }
        Ok(shared.files.get(tree.id, key, &self.file_view(), may_read)?.map(|(value, _)| value))
    }

    /// See [`Pin::check`].
    pub(super) fn check(&self) -> Result<()> {
        self.pin.check()
    }

    /// The rows of a range, in order.
    #[must_use]
    pub fn scan(&self, tree: TreeId, range: KeyRange, direction: Direction) -> Scan {
        Scan::new(self.clone(), tree, self.tree(tree), range, direction)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("timestamp", &self.timestamp()).finish()
    }
}
