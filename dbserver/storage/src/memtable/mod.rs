//! The memtable: one ordered map of rows per tree, each row with its newest-first chain of versions.
//!
//! A tree is a B+-tree behind one short read-write latch. Readers hold it for one lookup or one chunk of a scan, writers
//! for one row or one chunk of a batch; nobody waits for a transaction, the disk or a lock while holding it.

mod btree;
mod chain;
mod heads;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::key::TreeId;

pub(crate) use btree::{BTree, Row};
pub(crate) use chain::{Cell, Version, row_bytes};

/// One tree.
pub(crate) struct Tree {
    /// Its name.
    pub id: TreeId,
    /// The rows, behind the latch.
    pub rows: RwLock<BTree>,
    /// Rows whose newest version is not a deletion, committed or not.
    pub live: AtomicI64,
    /// Estimated memory.
    pub bytes: AtomicI64,
    /// How many share locks its rows may have: writers ask the lock manager only where this is not zero.
    pub shares: AtomicUsize,
    /// Timestamp of the commit that dropped it, or 0.
    pub dropped: AtomicU64,
}

impl Tree {
    fn new(id: TreeId) -> Tree {
        Tree {
            id,
            rows: RwLock::new(BTree::default()),
            live: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            shares: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }
    }
}

/// All trees. Their numbers are handed out one by one, so that a vector is the map.
#[derive(Default)]
pub(crate) struct Trees {
    list: RwLock<Vec<Option<Arc<Tree>>>>,
    /// Sum of the trees' bytes.
    memory: AtomicI64,
}

impl Trees {
    /// The tree, if it has ever been written to.
    pub fn get(&self, id: TreeId) -> Option<Arc<Tree>> {
        self.list.read().get(usize::try_from(id.0).ok()?)?.clone()
    }

    /// The tree, created where it does not exist. `None` where the number cannot be one of ours.
    pub fn get_or_create(&self, id: TreeId) -> Option<Arc<Tree>> {
        if let Some(tree) = self.get(id) {
            return Some(tree);
        }
        let index = usize::try_from(id.0).ok().filter(|index| *index < 1 << 28)?;
        let mut list = self.list.write();
        if list.len() <= index {
            list.resize(index + 1, None);
        }
        let place = list.get_mut(index)?;
        Some(Arc::clone(place.get_or_insert_with(|| Arc::new(Tree::new(id)))))
    }

    /// Forgets the tree and its rows.
    pub fn remove(&self, id: TreeId) {
        let removed = usize::try_from(id.0).ok().and_then(|index| self.list.write().get_mut(index)?.take());
        if let Some(tree) = removed {
            // A snapshot may hold the tree a little longer; its memory is as good as gone.
            self.memory.fetch_sub(tree.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Every tree, by ascending number.
    pub fn all(&self) -> Vec<Arc<Tree>> {
        self.list.read().iter().flatten().cloned().collect()
    }

    /// Accounts memory that a tree gained (or lost, where negative), and live rows.
    pub fn account(&self, tree: &Tree, change: &Change) {
        if change.bytes != 0 {
            tree.bytes.fetch_add(change.bytes, Ordering::Relaxed);
            self.memory.fetch_add(change.bytes, Ordering::Relaxed);
        }
        if change.live != 0 {
            tree.live.fetch_add(change.live, Ordering::Relaxed);
        }
    }

    /// Estimated bytes of all trees.
    pub fn memory_bytes(&self) -> u64 {
        u64::try_from(self.memory.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// What an operation did to a tree's size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Bytes gained.
    pub bytes: i64,
    /// Live rows gained.
    pub live: i64,
}
