//! Versions that will be superfluous once no snapshot is older than a commit.
//!
//! A commit leaves behind the versions it replaced and the rows it deleted. They queue here with its timestamp; when the
//! horizon has passed it, they are removed: a few by each later commit, so that cleaning keeps pace with writing, the
//! large ones (dropping a whole tree) by the engine's clean-up thread.
//!
//! Under an old snapshot the queue grows. It counts as memory of the rows; when it has a large share of that it is gone through:
//! rows that stand in it twice, or have left memory for files with all that snapshots see of them, need not wait.

use std::collections::{HashSet, VecDeque};
use std::ops::Bound;

use crate::engine::Shared;
use crate::key::{Direction, Key, TreeId};
use crate::memtable::{BTree, Cell, Change, Row, Tree};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Rows collected in one go while walking a tree.
const WALK_CHUNK: usize = 1024;
/// Rows that may wait before the clean-up thread is asked to help.
const QUEUE_MAX: usize = 20_000;

/// Rows that may wait when nothing is committed any more.
const QUEUE_SHORT: usize = 1_000;

/// The queue, ordered by timestamp, nearly.
#[derive(Default)]
pub(crate) struct Garbage {
    queue: Mutex<VecDeque<(u64, Item)>>,
    /// Estimated bytes of the queue.
    bytes: AtomicU64,
}

/// What is to be cleaned.
pub(crate) enum Item {
    /// One row.
    Row(TreeId, Key),
    /// The tree itself.
    Drop(TreeId),
}

impl Item {
    fn bytes(&self) -> u64 {
        let key = match self {
            Item::Row(_, key) => key.heap_bytes(),
            Item::Drop(_) => 0,
        };
        (size_of::<(u64, Item)>() + key) as u64
    }
}

impl Garbage {
    pub fn add(&self, timestamp: u64, items: impl IntoIterator<Item = Item>) {
        let mut queue = self.queue.lock();
        for item in items {
            self.bytes.fetch_add(item.bytes(), Ordering::Relaxed);
            queue.push_back((timestamp, item));
        }
    }

    /// Estimated bytes of what waits.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Forgets what need not wait. Answers how much memory the rest keeps: the queue itself, and the old versions of its rows.
    pub fn condense(&self, shared: &Shared) -> u64 {
        // What is added meanwhile goes behind it.
        let mut all = std::mem::take(&mut *self.queue.lock());
        let mut kept = VecDeque::new();
        let mut seen = HashSet::new();
        let (mut forgotten, mut versions) = (0, 0);
        // The newest of each row: when that may be cleaned up, all before it may.
        while let Some((timestamp, item)) = all.pop_back() {
            let needed = match &item {
                Item::Drop(_) => true,
                Item::Row(tree, key) => {
                    let bytes = seen.insert((*tree, key.clone())).then(|| kept_bytes(shared, *tree, key));
                    versions += bytes.flatten().unwrap_or(0);
                    bytes.flatten().is_some()
                }
            };
            if needed {
                kept.push_front((timestamp, item));
            } else {
                forgotten += item.bytes();
            }
        }
        let mut queue = self.queue.lock();
        kept.append(&mut queue);
        *queue = kept;
        drop(queue);
        self.bytes.fetch_sub(forgotten, Ordering::Relaxed);
        self.bytes() + versions
    }

    /// Whether more can be cleaned now than commits will do on the way.
    pub fn is_much(&self, shared: &Shared) -> bool {
        let oldest = shared.snapshots.oldest();
        let queue = self.queue.lock();
        match queue.front() {
            Some((timestamp, item)) if *timestamp <= oldest => {
                !matches!(item, Item::Row(..)) || queue.len() > QUEUE_SHORT
            }
            _ => false,
        }
    }

    /// Cleans up to `limit` rows that nobody sees any more. Answers whether there is more to do that is too large for
    /// this caller.
    pub fn collect(&self, shared: &Shared, limit: usize, heavy: bool) -> bool {
        let oldest = shared.snapshots.oldest();
        for _ in 0..limit {
            let item = {
                let mut queue = self.queue.lock();
                match queue.front() {
                    Some((timestamp, _)) if *timestamp > oldest => return false,
                    Some((_, Item::Drop(_))) if !heavy => return true,
                    Some((_, item)) => {
                        self.bytes.fetch_sub(item.bytes(), Ordering::Relaxed);
                        queue.pop_front()
                    }
                    None => return false,
                }
            };
            match item {
                Some((_, Item::Row(tree, key))) => {
                    if let Some(tree) = shared.trees.get(tree) {
                        let mut change = Change::default();
                        clean(shared, &tree, &key, &mut change);
                        shared.trees.account(&tree, &change);
                    }
                }
                Some((timestamp, Item::Drop(tree))) => {
                    shared.trees.remove(tree, timestamp);
                    shared.ask_to_compact();
                }
                None => return false,
            }
        }
        !heavy && self.queue.lock().len() > QUEUE_MAX
    }
}

/// Bytes of a row's versions that cleaning up would free, beside a deletion's own; `None` where there is nothing to clean up in memory.
fn kept_bytes(shared: &Shared, tree: TreeId, key: &[u8]) -> Option<u64> {
    let tree = shared.trees.get(tree)?;
    let rows = tree.rows.read();
    let head = &rows.get(key)?.head;
    (head.older.is_some() || matches!(head.cell, Cell::Tombstone)).then(|| head.older_bytes())
}

/// Cuts a row's chain, and removes the row where it is a deletion that everyone sees and that no file has to be told of.
fn clean(shared: &Shared, tree: &Tree, key: &[u8], change: &mut Change) {
    let mut rows = tree.rows.write();
    let Some(row) = rows.get_mut(key) else { return };
    let horizon = shared.snapshots.horizon();
    row.head.prune(&horizon, change);
    let settled = |timestamp: u64| {
        timestamp <= horizon.oldest()
            && (!row.in_files.load(Ordering::Acquire) || timestamp <= shared.files.flushed())
    };
    let gone = matches!(row.head.cell, Cell::Tombstone)
        && row.head.older.is_none()
        && row.head.stamp.timestamp().is_some_and(settled);
    if gone {
        if row.in_files.load(Ordering::Acquire) {
            tree.departs();
        }
        forget(&mut rows, key, change);
    }
}

/// Takes a row out of memory that says nothing, or nothing that files do not say.
pub(crate) fn forget(rows: &mut BTree, key: &[u8], change: &mut Change) {
    if let Some(row) = rows.remove(key) {
        change.row(&row, -1);
    }
}

/// Visits the rows of a tree that `wanted` picks, a chunk at a time, without holding the latch in between.
pub(crate) fn walk(
    tree: &Tree,
    wanted: impl Fn(&Row) -> bool,
    mut each: impl FnMut(&mut BTree, &[u8], &mut Change),
    mut account: impl FnMut(&Change),
) {
    let mut from: Option<Key> = None;
    loop {
        let mut keys = Vec::new();
        let mut visited = 0;
        let mut last = None;
        let lower = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        tree.rows.read().visit(lower, Bound::Unbounded, Direction::Forward, &mut |row| {
            if wanted(row) {
                keys.push(row.key.clone());
            }
            visited += 1;
            if visited >= WALK_CHUNK {
                last = Some(row.key.clone());
            }
            visited < WALK_CHUNK
        });
        if !keys.is_empty() {
            let mut change = Change::default();
            let mut rows = tree.rows.write();
            for key in &keys {
                each(&mut rows, key, &mut change);
            }
            drop(rows);
            account(&change);
        }
        match last {
            Some(_) => from = last,
            None => return,
        }
    }
}
