//! Deleting many rows that a statement has just read.
//!
//! The statement's snapshot says that they exist and what is in them, so that nothing of them is read again: it is enough that
//! nothing newer is there. A row that is not in memory stays in the files as it is; what comes to memory is the deletion alone
//! (on [`Cell::InFiles`]). Wherever something else has happened to a row, it is left to the caller, who locks it and looks again.

use std::sync::Arc;

use super::snapshot::Snapshot;
use super::transaction::Transaction;
use super::types::Isolation;
use super::write::{Below, Writer};
use crate::error::Result;
use crate::key::{RowBuffer, TreeId};
use crate::lsm::Newest;
use crate::memtable::{BTree, Cell, Change, Row, Version};

/// Rows deleted under one acquisition of the tree's latch.
const LATCH_ROWS: usize = 128;

/// Up to where the statement knows the rows.
#[derive(Clone, Copy)]
struct Seen {
    timestamp: u64,
    /// Its own transaction's statements before this one.
    command: u64,
}

/// What the files say of the rows of a batch that they may have news of.
enum Told {
    /// Nothing that the statement does not know.
    Nothing,
    /// This, row for row; nothing of those in memory.
    Rows(Vec<Option<Below>>),
}

impl Transaction {
    /// Deletes the buffer's rows (their values do not matter) from index `from` on, which a statement of this transaction has read
    /// by the snapshot, with few latch acquisitions. Fastest when they come in key order. Answers the index of the first that is
    /// not as the snapshot has it, or that another transaction has a lock on: nothing has been done to that one, nor to those after
    /// it. The length of the buffer where all are deleted. At SERIALIZABLE none is.
    ///
    /// # Errors
    /// [`crate::Error::SnapshotTooOld`], [`crate::Error::OutOfMemory`], [`crate::Error::TransactionEnded`]; as reading and writing files. The rows before the one at hand are deleted.
    pub fn delete_batch(
        &self,
        tree: TreeId,
        rows: &RowBuffer,
        from: usize,
        snapshot: &Snapshot,
    ) -> Result<usize> {
        let key = |index: usize| rows.get(index).map(|(key, _)| key).unwrap_or_default();
        let seen = Seen { timestamp: snapshot.timestamp(), command: snapshot.command() };
        if self.isolation() == Isolation::Serializable {
            // What is read and written is marked row by row, and a conflict has to be found before the mark.
            return Ok(from);
        }
        let mut work = self.work()?;
        let mut index = from;
        while index < rows.len() {
            let mut writer = self.writer(&mut work, tree)?;
            let end = rows.len().min(index + LATCH_ROWS);
            writer.shared.check_memory((index..end).map(|index| key(index).len()).sum())?;
            let target = Arc::clone(&writer.tree);
            // First the count: see `Writer::below`.
            let departures = target.departures();
            let told = writer.ask(&(index..end).map(key).collect::<Vec<_>>(), seen)?;
            let mut change = Change::default();
            let mut latched = target.rows.write();
            // One that was ended keeps no deletions: a row that is not in memory may have had one.
            snapshot.check()?;
            let begun = index;
            while index < end {
                let below = match &told {
                    Told::Nothing => target.departures() == departures,
                    Told::Rows(rows) => {
                        let asked = rows.get(index - begun).and_then(Option::as_ref);
                        asked.is_some_and(|(then, newest)| *then == target.departures() && seen.is(newest))
                    }
                };
                if !writer.delete_seen(&mut latched, key(index), below, seen, &mut change) {
                    break;
                }
                index += 1;
            }
            drop(latched);
            writer.account(&change);
            self.stage_if_due(&mut work)?;
            if index < end {
                break;
            }
        }
        Ok(index)
    }
}

impl Seen {
    /// Whether what the files say of a row is what the statement knows.
    fn is(self, newest: &Newest) -> bool {
        match newest {
            Newest::None => true,
            Newest::Committed(timestamp, cell) => {
                matches!(cell, Cell::Live(_)) && *timestamp <= self.timestamp
            }
            Newest::Own(..) | Newest::Foreign(_) => false,
        }
    }
    /// Whether the newest version of a row in memory is a row, and what the statement sees.
    fn is_newest(self, slot: u32, head: &Version) -> bool {
        let mut versions = head.iter();
        let newest = versions.find(|version| {
            // A lock of its own says nothing about the row.
            !(matches!(version.cell, Cell::Lock) && version.stamp.owner() == Some(slot))
        });
        newest.is_some_and(|version| {
            let known = match (version.stamp.timestamp(), version.stamp.owner()) {
                (Some(timestamp), _) => timestamp <= self.timestamp,
                (None, owner) => owner == Some(slot) && version.stamp.command() < self.command,
            };
            known && matches!(version.cell, Cell::Live(_))
        })
    }
}

impl Writer<'_> {
    /// Asks the files for what the statement does not know.
    fn ask(&self, keys: &[&[u8]], seen: Seen) -> Result<Told> {
        let (files, tree) = (&self.shared.files, self.tree.id);
        let (Some(first), Some(last)) = (keys.iter().min(), keys.iter().max()) else {
            return Ok(Told::Nothing);
        };
        if !self.tree.is_partial() || files.nothing_after(tree, first, last, seen.timestamp, &|_| false) {
            return Ok(Told::Nothing);
        }
        let missing: Vec<bool> = {
            let latched = self.tree.rows.read();
            keys.iter().map(|key| latched.get(key).is_none()).collect()
        };
        let ask = |key: &&[u8]| -> Result<Below> {
            let departures = self.tree.departures();
            Ok((departures, files.newest(tree, key, self.state, seen.timestamp)?))
        };
        let asked = keys.iter().zip(missing).map(|(key, missing)| missing.then(|| ask(key)).transpose());
        asked.collect::<Result<_>>().map(Told::Rows)
    }

    /// Deletes a row; false where it is not as the statement has seen it. `below`: whether it is in the files, if it is not in memory.
    fn delete_seen(
        &mut self,
        rows: &mut BTree,
        key: &[u8],
        below: bool,
        seen: Seen,
        change: &mut Change,
    ) -> bool {
        if self.is_shared(key) {
            return false;
        }
        let mut deleted = false;
        rows.insert_or(key, &mut |row| match row {
            Some(row) => {
                deleted = seen.is_newest(self.slot, &row.head);
                if deleted {
                    self.push(row, Cell::Tombstone, change);
                }
                None
            }
            None => {
                deleted = below && self.tree.is_partial();
                deleted.then(|| {
                    let mut row = Row::new(key, Version::in_files(), true);
                    change.row(&row, 1);
                    self.push(&mut row, Cell::Tombstone, change);
                    row
                })
            }
        });
        if deleted {
            self.log_delete(key, change);
        }
        deleted
    }
}
