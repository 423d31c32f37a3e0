//! What a transaction has done so far, to be settled when it commits or undone when it does not.

use std::collections::HashMap;
use std::sync::Arc;

use super::Stamp;
use super::garbage::{Item, forget};
use super::row_counts::{self, RowCounts};
use super::slots::TxnState;
use super::snapshot::Pin;
use super::types::ObjectLock;
use crate::engine::Shared;
use crate::key::{Key, TreeId};
use crate::memtable::{BTree, Cell, Change, Version};
use crate::sst::Table;
use crate::sync::RwLock;
use crate::sync::atomic::Ordering;
use crate::wal::{Redo, RedoMark};

/// Rows handled under one acquisition of a tree's latch.
const LATCH_ROWS: usize = 64;
/// Bytes that remembering a touched row takes.
const TOUCH_BYTES: usize = size_of::<(TreeId, Key)>();

/// What is done to a row of a tree whose latch is held.
type EachRow<'a> = dyn FnMut(TreeId, &mut BTree, &[u8], &mut Change) + 'a;

/// A point inside a transaction; see [`crate::Transaction::savepoint`].
#[derive(Debug, Clone)]
pub struct Savepoint {
    /// Versions of this command and later ones came after it.
    command: u64,
    touched: usize,
    stagings: u64,
    redo: RedoMark,
    drops: usize,
    write_bytes: u64,
    rows: row_counts::Mark,
}

/// Behind the transaction's mutex.
#[derive(Default)]
pub(crate) struct Work {
    /// Number of the current statement.
    pub command: u64,
    pub pin: Option<Arc<Pin>>,
    pub ended: bool,
    /// Rows with pending versions of this transaction in memory, with repetitions.
    pub touched: Vec<(TreeId, Key)>,
    /// Bytes of values that cannot leave memory because of versions of this transaction on top, since the last staging.
    pub kept_bytes: usize,
    /// Files with pending versions of this transaction, oldest first.
    pub staged: Vec<Arc<Table>>,
    /// Commands rolled back to a savepoint, first and last: what they wrote to staged files does not count.
    pub discards: Arc<RwLock<Vec<(u64, u64)>>>,
    /// How many times `touched` was emptied into a staged file.
    pub stagings: u64,
    pub redo: Redo,
    pub drops: Vec<TreeId>,
    /// Objects locked, each in the strongest mode that it was asked for.
    pub objects: HashMap<u64, ObjectLock>,
    /// Newest commit this transaction has met that was not visible then.
    pub depends_on: u64,
    pub write_bytes: u64,
    pub rows: RowCounts,
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
        self.touched.push((tree, Key::new(key)));
    }

    /// A version cannot leave memory.
    pub fn keeps(&mut self, cell: &Cell) {
        if let Cell::Live(value) = cell {
            self.kept_bytes += value.len();
        }
    }

    /// Bytes kept for the transaction's end, beside the versions themselves.
    pub fn memory_bytes(&self) -> usize {
        self.redo.bytes.len() + self.touched.len() * TOUCH_BYTES
    }

    /// Whether the transaction has left nothing for others to see.
    pub fn is_read_only(&self) -> bool {
        self.redo.is_empty() && self.drops.is_empty() && self.staged.is_empty()
    }

    pub fn savepoint(&mut self) -> Savepoint {
        self.command += 1;
        Savepoint {
            command: self.command,
            touched: self.touched.len(),
            stagings: self.stagings,
            redo: self.redo.mark(),
            drops: self.drops.len(),
            write_bytes: self.write_bytes,
            rows: self.rows.mark(),
        }
    }

    pub fn rollback_to(&mut self, shared: &Shared, state: &TxnState, savepoint: &Savepoint) {
        // What is still here of rows touched before a staging came after the savepoint, or has a command that tells.
        let from = if self.stagings == savepoint.stagings { savepoint.touched } else { 0 };
        let left = self.undo(shared, state, savepoint.command, from);
        if self.stagings == savepoint.stagings {
            self.touched.truncate(savepoint.touched);
            self.touched.extend(left);
        } else {
            self.discards.write().push((savepoint.command, self.command));
        }
        self.redo.rollback_to(savepoint.redo);
        self.drops.truncate(savepoint.drops);
        self.write_bytes = savepoint.write_bytes;
        self.rows.rollback_to(&savepoint.rows);
        self.command += 1;
    }

    /// Removes all pending versions, and their locks.
    pub fn undo_all(&mut self, shared: &Shared, state: &TxnState) {
        self.undo(shared, state, 0, 0);
        self.touched = Vec::new();
        self.rows.rollback_to(&row_counts::Mark::new());
    }

    /// Takes off the pending versions of the command and later ones; `from`: the first of `touched` to look at. Answers the rows
    /// that keep one which came up from a staged file: they may have been touched for that alone.
    fn undo(&self, shared: &Shared, state: &TxnState, command: u64, from: usize) -> Vec<(TreeId, Key)> {
        let mut left = Vec::new();
        let Some(slot) = state.slot() else { return left };
        self.each_row(shared, from, &mut |tree, rows, key, change| {
            let Some(row) = rows.get_mut(key) else { return };
            let ours = |head: &Version| head.stamp.owner() == Some(slot) && head.stamp.command() >= command;
            while ours(&row.head) {
                row.head.pop(change);
            }
            if row.head.says_nothing() {
                forget(rows, key, change);
            } else if row.head.stamp.owner() == Some(slot) && row.in_files.load(Ordering::Relaxed) {
                left.push((tree, row.key.clone()));
            }
        });
        left
    }

    /// After the commit: gives the rows their timestamp, and queues what they replaced to be cleaned.
    pub fn settle_all(&mut self, shared: &Shared, state: &TxnState, timestamp: u64) {
        let mut garbage = Vec::new();
        // None where it has only dropped trees; then no row carries it.
        let slot = state.slot();
        self.each_row(shared, 0, &mut |tree, rows, key, change| {
            let Some(row) = rows.get_mut(key) else { return };
            if let Some(slot) = slot {
                row.head.settle(slot, timestamp, change);
            }
            if row.head.says_nothing() {
                forget(rows, key, change);
            } else if row.head.stamp == Stamp::committed(timestamp)
                && (row.head.older.is_some() || matches!(row.head.cell, Cell::Tombstone))
            {
                garbage.push(Item::Row(tree, row.key.clone()));
            }
        });
        garbage.extend(self.drops.iter().map(|tree| Item::Drop(*tree)));
        shared.garbage.add(timestamp, garbage);
        self.touched = Vec::new();
    }

    /// Calls `each` for every row that may have pending versions of this transaction, under its tree's latch.
    fn each_row(&self, shared: &Shared, from: usize, each: &mut EachRow<'_>) {
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
    }
}
