//! The memtable: one ordered map of rows per tree, each row with its newest-first chain of versions.
//!
//! A tree is a B+-tree behind one short read-write latch. Readers hold it for one lookup or one chunk of a scan, writers
//! for one row or one chunk of a batch; nobody waits for a transaction, the disk or a lock while holding it.
//!
//! A tree is *partial* once rows of it are in files only. Whoever misses a row in a partial tree asks the files. Rows leave memory
//! in this order: the files with them come into force; under the latch the tree is marked and its count of departures raised;
//! the rows go. So what is missing under the latch is in the files as they are after it, and a count that has not changed says
//! that files looked at before are still right.

mod btree;
mod chain;
mod heads;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::key::TreeId;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

pub(crate) use btree::{BTree, Row};
pub(crate) use chain::{Cell, Version};

/// One tree.
pub(crate) struct Tree {
    /// Its name.
    pub id: TreeId,
    /// The rows, behind the latch.
    pub rows: RwLock<BTree>,
    /// Rows whose newest version is not a deletion, committed or not.
    pub live: AtomicI64,
    /// The same, of the commits in the log.
    pub committed: AtomicI64,
    /// Estimated memory.
    pub bytes: AtomicI64,
    /// How many share locks its rows may have: writers ask the lock manager only where this is not zero.
    pub shares: AtomicUsize,
    /// Timestamp of the commit that dropped it, or 0.
    pub dropped: AtomicU64,
    /// Whether rows of it may be in files only. Read under the latch.
    partial: AtomicBool,
    /// How many times rows have left memory. Read under the latch.
    departures: AtomicU64,
}

impl Tree {
    fn new(id: TreeId, partial: bool) -> Tree {
        Tree {
            id,
            rows: RwLock::new(BTree::default()),
            live: AtomicI64::new(0),
            committed: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            shares: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            partial: AtomicBool::new(partial),
            departures: AtomicU64::new(0),
        }
    }

    /// Whether a row that is not here may be in a file.
    pub fn is_partial(&self) -> bool {
        self.partial.load(Ordering::Acquire)
    }

    /// Changes whenever rows leave memory.
    pub fn departures(&self) -> u64 {
        self.departures.load(Ordering::Acquire)
    }

    /// To be called with the latch taken for writing, before a row leaves that is in the files.
    pub fn leaves_memory(&self) {
        self.partial.store(true, Ordering::Release);
        self.departs();
    }

    /// The same for a deletion that everyone sees: whoever misses the row need not ask the files, but what was read of them before
    /// may be what it deleted.
    pub fn departs(&self) {
        self.departures.fetch_add(1, Ordering::AcqRel);
    }
}

/// All trees. Their numbers are handed out one by one, so that a vector is the map.
#[derive(Default)]
pub(crate) struct Trees {
    list: RwLock<Vec<Option<Arc<Tree>>>>,
    /// Sum of the trees' bytes.
    memory: AtomicI64,
    /// Trees below this number were there when the directory was opened: their rows are in files.
    opened_below: AtomicU64,
    /// Trees that are gone, of which files may still have rows; with the timestamp of the commit that dropped them.
    dropped: RwLock<BTreeMap<TreeId, u64>>,
}

impl Trees {
    /// Of a directory with files of trees below this number, without those that were dropped.
    pub fn opened(below: u64, dropped: &[TreeId]) -> Trees {
        Trees {
            opened_below: AtomicU64::new(below),
            dropped: RwLock::new(dropped.iter().map(|tree| (*tree, 0)).collect()),
            ..Trees::default()
        }
    }

    /// The tree, if it has rows, here or in files.
    pub fn get(&self, id: TreeId) -> Option<Arc<Tree>> {
        let index = usize::try_from(id.0).ok()?;
        if let Some(tree) = self.list.read().get(index).and_then(Option::as_ref) {
            return Some(Arc::clone(tree));
        }
        let in_files = id.0 < self.opened_below.load(Ordering::Relaxed) && !self.is_dropped(id);
        if in_files { self.get_or_create(id) } else { None }
    }

    /// The tree, created where it does not exist. `None` where the number cannot be one of ours.
    pub fn get_or_create(&self, id: TreeId) -> Option<Arc<Tree>> {
        let index = usize::try_from(id.0).ok().filter(|index| *index < 1 << 28)?;
        if let Some(tree) = self.list.read().get(index).and_then(Option::as_ref) {
            return Some(Arc::clone(tree));
        }
        let mut list = self.list.write();
        if list.len() <= index {
            list.resize(index + 1, None);
        }
        let place = list.get_mut(index)?;
        let partial = id.0 < self.opened_below.load(Ordering::Relaxed);
        Some(Arc::clone(place.get_or_insert_with(|| Arc::new(Tree::new(id, partial)))))
    }

    /// Forgets the tree and its rows, which a commit of this timestamp has dropped.
    pub fn remove(&self, id: TreeId, timestamp: u64) {
        self.dropped.write().insert(id, timestamp);
        let removed = usize::try_from(id.0).ok().and_then(|index| self.list.write().get_mut(index)?.take());
        if let Some(tree) = removed {
            // A snapshot may hold the tree a little longer; its memory is as good as gone.
            self.memory.fetch_sub(tree.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Whether the tree is gone.
    pub fn is_dropped(&self, id: TreeId) -> bool {
        self.dropped.read().contains_key(&id)
    }

    /// Trees dropped by commits up to the timestamp, ascending.
    pub fn dropped(&self, upto: u64) -> Vec<TreeId> {
        let gone = self.dropped.read();
        let mut trees: Vec<_> = gone.iter().filter(|(_, at)| **at <= upto).map(|(tree, _)| *tree).collect();
        drop(gone);
        trees.extend(self.all().iter().filter_map(|tree| {
            let at = tree.dropped.load(Ordering::Acquire);
            (at != 0 && at <= upto).then_some(tree.id)
        }));
        trees.sort_unstable();
        trees.dedup();
        trees
    }

    /// Forgets trees dropped by commits up to the timestamp of which no file has rows.
    pub fn forget_dropped(&self, upto: u64, in_files: impl Fn(TreeId) -> bool) {
        self.dropped.write().retain(|tree, at| *at > upto || in_files(*tree));
    }

    /// Every tree in memory, by ascending number.
    pub fn all(&self) -> Vec<Arc<Tree>> {
        self.list.read().iter().flatten().cloned().collect()
    }

    /// How many rows each tree has by the commits in the log. To be called in the log's critical section.
    pub fn committed(&self) -> Vec<(TreeId, i64)> {
        let list = self.list.read();
        let rows = list.iter().flatten().map(|tree| (tree.id, tree.committed.load(Ordering::Relaxed)));
        rows.filter(|(_, rows)| *rows != 0).collect()
    }

    /// Accounts memory that a tree gained (or lost, where negative).
    pub fn account(&self, tree: &Tree, change: &Change) {
        if change.bytes != 0 {
            tree.bytes.fetch_add(change.bytes, Ordering::Relaxed);
            self.memory.fetch_add(change.bytes, Ordering::Relaxed);
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
    /// Rows gained.
    pub live: i64,
}
