//! Deleting very many rows that a statement has just read: the deletions go straight to staged files (see [`super::stage`]), as the
//! rows of a bulk load do, with no search, no version in memory and no log record for any of them.
//!
//! Others may be writing to the same rows. So a file comes into force first, that whoever asks the files meets it; then memory and
//! the other files are asked, under the tree's latch, whether every row is still as the statement has read it. Where one is not, the
//! file goes again and nothing has been done.
//!
//! What memory has of a row counts before all files, and newer files before older ones. So a row has to leave memory, and may, where it
//! is there as a cache only: where files have it that are older than the one with its deletion. No flush may have put a file in front of
//! that one before the row has left: it could have written what memory had of the row.

use std::ops::Bound;
use std::sync::Arc;

use super::slots::TxnState;
use super::snapshot::Snapshot;
use super::staged_file::StagedFile;
use super::transaction::Transaction;
use super::types::Isolation;
use crate::engine::Shared;
use crate::error::Result;
use crate::key::{Direction, Key, RowBuffer, TreeId};
use crate::memtable::{BTree, Cell, Change, Row, Tree};
use crate::sst::Table;
use crate::sync::atomic::Ordering;

/// Rows looked up in memory under one acquisition of the tree's latch.
const LATCH_ROWS: usize = 1024;
/// Refusals after which no more is tried: others are at the same rows. What was written in vain counts for several.
const REFUSALS_MAX: u32 = 8;
const REFUSALS_OF_A_FILE: u32 = 4;

/// The deletions of one statement in one tree that went to files.
#[derive(Debug)]
pub struct BulkDelete {
    tree: TreeId,
    /// Their numbers.
    files: Vec<u64>,
    /// Since the last file.
    refusals: u32,
}

/// Rows that one statement is about to delete.
struct Rows<'a> {
    shared: &'a Shared,
    state: &'a Arc<TxnState>,
    tree: &'a Tree,
    keys: &'a [&'a [u8]],
    snapshot: &'a Snapshot,
    /// What files held when this began.
    flushed: u64,
}

impl BulkDelete {
    /// Most rows that are deleted at once: where memory has any row between them, all are looked up there under one acquisition of the
    /// tree's latch.
    pub const ROWS_MAX: usize = 512 << 10;

    /// Of rows of this tree.
    #[must_use]
    pub fn new(tree: TreeId) -> BulkDelete {
        BulkDelete { tree, files: Vec::new(), refusals: 0 }
    }

    /// How many files there are: with many, more rows should go to each.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Whether it is of no use to try again.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.refusals >= REFUSALS_MAX
    }
}

impl Transaction {
    /// Deletes the buffer's rows (their values do not matter), which a statement of this transaction has read by the snapshot and has not
    /// given to this before, all at once. Answers whether they are deleted: where nothing has been done, because they do not
    /// ascend, are more than [`BulkDelete::ROWS_MAX`] or not in files, or something else has to do with one of them, they can be deleted
    /// by [`Transaction::delete_batch`]. Never at SERIALIZABLE. Worth its file from some thousand rows on.
    ///
    /// `no_gaps`: the snapshot sees no other row of the tree between the first and the last. Then the file has a range tombstone, and
    /// who reads the range later passes it by.
    ///
    /// # Errors
    /// [`crate::Error::SnapshotTooOld`], [`crate::Error::TransactionEnded`]; as reading and writing files. Nothing is deleted then.
    pub fn delete_in_file(
        &self,
        bulk: &mut BulkDelete,
        keys: &RowBuffer,
        no_gaps: bool,
        snapshot: &Snapshot,
    ) -> Result<bool> {
        let keys: Vec<&[u8]> = keys.iter().map(|(key, _)| key).collect();
        let fits = keys.len() <= BulkDelete::ROWS_MAX && keys.is_sorted_by(|before, after| before < after);
        // What is read and written at SERIALIZABLE is marked row by row, and a conflict has to be found before the mark.
        let serializable = self.isolation() == Isolation::Serializable;
        if serializable || !fits || keys.is_empty() || bulk.has_given_up() {
            return Ok(false);
        }
        let mut work = self.work()?;
        // It has a slot, as every writer has.
        let writer = self.writer(&mut work, bulk.tree)?;
        let (shared, state, tree) =
            (Arc::clone(writer.shared), Arc::clone(writer.state), Arc::clone(&writer.tree));
        let flushed = shared.files.flushed();
        let rows = Rows { shared: &shared, state: &state, tree: &tree, keys: &keys, snapshot, flushed };
        if rows.are_shared() || !rows.have_no_news_in_files(bulk) || !rows.evict() {
            bulk.refusals += 1;
            return Ok(false);
        }
        let mut file = StagedFile::create(&shared, bulk.tree, work.command)?;
        keys.iter().try_for_each(|key| file.add(key, None))?;
        if no_gaps {
            file.set_range_tombstone(snapshot.timestamp());
        }
        let Some((table, in_front_of)) = file.finish(&state, &work)? else { return Ok(false) };
        bulk.files.push(table.meta.number);
        let outcome = rows.leave(bulk, in_front_of);
        if !matches!(outcome, Ok(true)) {
            bulk.files.pop();
            bulk.refusals += REFUSALS_OF_A_FILE;
            shared.files.unstage(|staged| Arc::ptr_eq(staged, &table));
            // Some may have queued for what they met in it.
            shared.locks.some_rows_released(&state);
            return outcome;
        }
        bulk.refusals = 0;
        work.staged.push(table);
        // A savepoint from before has to be told that there are files.
        work.stagings += 1;
        work.write_bytes += keys.iter().map(|key| key.len() as u64).sum::<u64>();
        work.rows.add(&tree, -i64::try_from(keys.len()).unwrap_or(i64::MAX));
        shared.files.counters.deleted_in_files.fetch_add(keys.len() as u64, Ordering::Relaxed);
        Ok(true)
    }
}

impl Rows<'_> {
    fn are_shared(&self) -> bool {
        self.tree.shares.load(Ordering::SeqCst) > 0
    }

    /// The transaction's own deletions are of other rows where the statement would not have read these, or has deleted others.
    fn have_no_news_in_files(&self, bulk: &BulkDelete) -> bool {
        let others = |table: &Table| {
            let own = table.staged.as_ref().is_some_and(|staged| Arc::ptr_eq(&staged.state, self.state));
            let deletions = table.meta.tombstones == table.meta.entries;
            let seen = table.meta.newest < self.snapshot.command();
            own && deletions && (seen || bulk.files.contains(&table.meta.number))
        };
        let (Some(first), Some(last)) = (self.keys.first(), self.keys.last()) else { return true };
        self.shared.files.nothing_after(self.tree.id, first, last, self.snapshot.timestamp(), &others)
    }

    /// Takes the rows from memory that are there as a cache. False where one is not.
    fn evict(&self) -> bool {
        self.keys.chunks(LATCH_ROWS).all(|keys| {
            let found = self.cached(&self.tree.rows.read(), keys);
            let Some(cached) = found else { return false };
            if cached.is_empty() {
                return true;
            }
            let mut rows = self.tree.rows.write();
            let still = |key: &&Key| rows.get(key).is_some_and(|row| self.is_cached(row));
            let gone: Vec<&Key> = cached.iter().filter(still).collect();
            self.forget(&mut rows, &gone);
            true
        })
    }

    /// The file is in force: the rows leave memory, and with that its deletions count. False where something has happened to one
    /// of them. `in_front_of`: what files held when it came into force.
    fn leave(&self, bulk: &BulkDelete, in_front_of: u64) -> Result<bool> {
        let mut rows = self.tree.rows.write();
        let cached = if self.are_none_near(&rows) { Some(Vec::new()) } else { self.cached(&rows, self.keys) };
        let none_in_front = self.shared.files.flushed() == in_front_of;
        let Some(cached) = cached.filter(|_| none_in_front) else { return Ok(false) };
        if self.are_shared() || !self.have_no_news_in_files(bulk) {
            return Ok(false);
        }
        // At last: one that was ended keeps no deletions, so that a row that is nowhere may have had one.
        self.snapshot.check()?;
        self.forget(&mut rows, &cached.iter().collect::<Vec<_>>());
        Ok(true)
    }

    /// Whether memory has no row from the first to the last: mostly so where the statement goes by their order.
    fn are_none_near(&self, rows: &BTree) -> bool {
        let (Some(first), Some(last)) = (self.keys.first(), self.keys.last()) else { return true };
        let mut none = true;
        rows.visit(Bound::Included(first), Bound::Included(last), Direction::Forward, &mut |_| {
            none = false;
            false
        });
        none
    }

    /// Those of these rows that memory has, as a cache. `None` where one is there as something else.
    fn cached(&self, rows: &BTree, keys: &[&[u8]]) -> Option<Vec<Key>> {
        let mut cached = Some(Vec::new());
        rows.get_all(keys, &mut |_, row| match &mut cached {
            Some(cached) if self.is_cached(row) => cached.push(row.key.clone()),
            _ => cached = None,
        });
        cached
    }

    /// Whether the row in memory says what the statement has read, and what older files say.
    fn is_cached(&self, row: &Row) -> bool {
        let known = |timestamp: u64| timestamp <= self.flushed && timestamp <= self.snapshot.timestamp();
        matches!(row.head.cell, Cell::Live(_)) && row.head.stamp.timestamp().is_some_and(known)
    }

    /// Takes rows from memory, which files have.
    fn forget(&self, rows: &mut BTree, keys: &[&Key]) {
        // Also where none is: what others have read of the files is void.
        self.tree.leaves_memory();
        let mut change = Change::default();
        rows.remove_all(keys, &mut |row| change.row(row, -1));
        self.shared.trees.account(self.tree, &change);
    }
}
