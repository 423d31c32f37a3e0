//! What a transaction has done so far, to be settled when it commits or undone when it does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Stamp;
use super::garbage::{Item, remove, walk};
use super::slots::TxnState;
use super::snapshot::Pin;
use super::types::ObjectLock;
use crate::engine::Shared;
use crate::key::{Key, TreeId};
use crate::memtable::{BTree, Cell, Change, Version};
use crate::wal::{Redo, RedoMark};

/// Rows remembered one by one; a transaction that touches more remembers only the trees, and walks them at its end.
const TOUCHED_MAX: usize = 65_536;
/// Rows handled under one acquisition of a tree's latch.
const LATCH_ROWS: usize = 64;

/// What is done to a row of a tree whose latch is held.
type EachRow<'a> = dyn FnMut(TreeId, &mut BTree, &[u8], &mut Change) + 'a;

/// A point inside a transaction; see [`crate::Transaction::savepoint`].
#[derive(Debug, Clone)]
pub struct Savepoint {
    /// Versions of this command and later ones came after it.
    command: u64,
    touched: usize,
    collapses: u64,
    redo: RedoMark,
    drops: usize,
    write_bytes: u64,
}

/// Behind the transaction's mutex.
#[derive(Default)]
pub(crate) struct Work {
    /// Number of the current statement.
    pub command: u64,
    pub pin: Option<Arc<Pin>>,
    pub ended: bool,
    /// Rows with pending versions of this transaction, with repetitions.
    touched: Vec<(TreeId, Key)>,
    /// Trees any of whose rows may have some.
    walks: BTreeSet<TreeId>,
    /// How many times `touched` was given up for `walks`.
    collapses: u64,
    pub redo: Redo,
    pub drops: Vec<TreeId>,
    pub objects: Vec<(u64, ObjectLock)>,
    /// Newest commit this transaction has met that was not visible then.
    pub depends_on: u64,
    pub write_bytes: u64,
}

impl Work {
    /// Of a transaction that begins.
    pub fn new() -> Work {
        Work { command: 1, ..Work::default() }
    }

    /// Forgets everything but how much there was.
    pub fn end(&mut self) {
        *self = Work { ended: true, write_bytes: self.write_bytes, ..Work::default() };
    }

    /// Remembers a row with a new pending version.
    pub fn touch(&mut self, tree: TreeId, key: &[u8]) {
        if self.walks.contains(&tree) {
            return;
        }
        if self.touched.len() >= TOUCHED_MAX {
            self.walks.extend(self.touched.drain(..).map(|(tree, _)| tree));
            self.walks.insert(tree);
            self.collapses += 1;
            return;
        }
        self.touched.push((tree, Key::new(key)));
    }

    /// Whether the transaction has left nothing for others to see.
    pub fn is_read_only(&self) -> bool {
        self.redo.is_empty() && self.drops.is_empty()
    }

    pub fn savepoint(&mut self) -> Savepoint {
        self.command += 1;
        Savepoint {
            command: self.command,
            touched: self.touched.len(),
            collapses: self.collapses,
            redo: self.redo.mark(),
            drops: self.drops.len(),
            write_bytes: self.write_bytes,
        }
    }

    pub fn rollback_to(&mut self, shared: &Shared, state: &TxnState, savepoint: &Savepoint) {
        let from = if self.collapses == savepoint.collapses { savepoint.touched } else { 0 };
        self.undo(shared, state, savepoint.command, from);
        if self.collapses == savepoint.collapses {
            self.touched.truncate(savepoint.touched);
        }
        self.redo.rollback_to(savepoint.redo);
        self.drops.truncate(savepoint.drops);
        self.write_bytes = savepoint.write_bytes;
        self.command += 1;
    }

    /// Removes all pending versions, and their locks.
    pub fn undo_all(&mut self, shared: &Shared, state: &TxnState) {
        self.undo(shared, state, 0, 0);
        self.touched = Vec::new();
    }

    /// Takes off the pending versions of the command and later ones; `from`: the first of `touched` to look at.
    fn undo(&self, shared: &Shared, state: &TxnState, command: u64, from: usize) {
        let Some(slot) = state.slot() else { return };
        self.each_row(shared, Some(slot), from, &mut |_, rows, key, change| {
            let Some(row) = rows.get_mut(key) else { return };
            let ours = |head: &Version| head.stamp.owner() == Some(slot) && head.stamp.command() >= command;
            while ours(&row.head) {
                row.head.pop(change);
            }
            if row.head.is_absent() {
                remove(rows, key, change);
            }
        });
    }

    /// After the commit: gives the rows their timestamp, and queues what they replaced to be cleaned.
    pub fn settle_all(&mut self, shared: &Shared, state: &TxnState, timestamp: u64) {
        let mut garbage = Vec::new();
        // None where it has only dropped trees; then no row carries it.
        let slot = state.slot();
        self.each_row(shared, slot, 0, &mut |tree, rows, key, change| {
            let Some(row) = rows.get_mut(key) else { return };
            if let Some(slot) = slot {
                row.head.settle(slot, timestamp, change);
            }
            if row.head.is_absent() {
                remove(rows, key, change);
            } else if !self.walks.contains(&tree)
                && row.head.stamp == Stamp::committed(timestamp)
                && (row.head.older.is_some() || matches!(row.head.cell, Cell::Tombstone))
            {
                garbage.push(Item::Row(tree, row.key.clone()));
            }
        });
        garbage.extend(self.walks.iter().map(|tree| Item::Walk(*tree)));
        garbage.extend(self.drops.iter().map(|tree| Item::Drop(*tree)));
        shared.garbage.add(timestamp, garbage);
        self.touched = Vec::new();
    }

    /// Calls `each` for every row that may have pending versions of this transaction, under its tree's latch.
    fn each_row(&self, shared: &Shared, slot: Option<u32>, from: usize, each: &mut EachRow<'_>) {
        let mut rest = self.touched.get(from..).unwrap_or_default();
        while let Some((id, _)) = rest.first() {
            let same = rest.iter().take(LATCH_ROWS).take_while(|(tree, _)| tree == id).count();
            let (group, after) = rest.split_at(same);
            rest = after;
            let Some(tree) = shared.trees.get(*id) else { continue };
            let mut change = Change::default();
            let mut rows = tree.rows.write();
            for (_, key) in group {
                each(*id, &mut rows, key, &mut change);
            }
            drop(rows);
            shared.trees.account(&tree, &change);
        }
        for id in &self.walks {
            let Some(tree) = shared.trees.get(*id) else { continue };
            walk(
                &tree,
                |row| row.head.iter().any(|version| slot.is_some() && version.stamp.owner() == slot),
                |rows, key, change| each(*id, rows, key, change),
                |change| shared.trees.account(&tree, change),
            );
        }
    }
}
