//! Versions that will be superfluous once no snapshot is older than a commit.
//!
//! A commit leaves behind the versions it replaced and the rows it deleted. They queue here with its timestamp; when the
//! horizon has passed it, they are removed: a few by each later commit, so that cleaning keeps pace with writing, the
//! large ones (dropping a whole tree) by the engine's clean-up thread.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::engine::Shared;
use crate::key::{Direction, Key, TreeId};
use crate::memtable::{BTree, Cell, Change, Row, Tree};

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
}

/// What is to be cleaned.
pub(crate) enum Item {
    /// One row.
    Row(TreeId, Key),
    /// The tree itself.
    Drop(TreeId),
}

impl Garbage {
    pub fn add(&self, timestamp: u64, items: impl IntoIterator<Item = Item>) {
        self.queue.lock().extend(items.into_iter().map(|item| (timestamp, item)));
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
                    Some(_) => queue.pop_front(),
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
