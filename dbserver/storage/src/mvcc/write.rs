//! Changing a row: who may, and what it does to the row's chain.

use std::sync::Arc;

use super::Stamp;
use super::garbage::forget;
use super::locks::LockWait;
use super::slots::TxnState;
use super::types::WaitPolicy;
use super::work::Work;
use crate::engine::Shared;
use crate::error::{Error, LockName, Result};
use crate::key::{Key, Value};
use crate::lsm::Newest;
use crate::memtable::{BTree, Cell, Change, Row, Tree, Version};
use crate::sync::atomic::Ordering;

/// What to do to a row.
#[derive(Clone, Copy)]
pub(crate) enum Want<'a> {
    /// Write it.
    Put(&'a [u8]),
    /// Write it if it does not exist.
    Insert(&'a [u8]),
    /// Delete it if it exists.
    Delete,
    /// The same, also where it is newer than the snapshot.
    DeleteNewest,
    /// Lock it alone.
    Lock,
    /// Lock it in share mode.
    Share(WaitPolicy),
}

/// What came of it.
pub(crate) enum Applied {
    Done,
    Exists(Value),
    Locked {
        current: Option<Value>,
        changed: bool,
        by_statement: bool,
    },
    /// This transaction has the row. Found out under the latch, where its slot cannot have been given to another.
    Foreign(Arc<TxnState>),
    /// Others share it, and a writer may wait for it already.
    Shared,
    /// Queued behind a writer that waits for sharers.
    Queued(LockWait),
    /// The row is not in memory: ask the files ([`Writer::below`]), and come again with their answer.
    Below,
}

/// What the files said of a row that is not in memory, and the tree's departures before they were asked.
pub(crate) type Below = (u64, Newest);

/// One transaction's hand on one tree.
pub(crate) struct Writer<'a> {
    pub shared: &'a Arc<Shared>,
    pub state: &'a Arc<TxnState>,
    pub slot: u32,
    pub tree: Arc<Tree>,
    /// Timestamp of the statement's snapshot.
    pub snapshot: u64,
    /// REPEATABLE READ and above: a row changed after the snapshot is a conflict.
    pub first_updater_wins: bool,
    pub work: &'a mut Work,
}

impl Writer<'_> {
    /// Applies to one row, with the tree's latch for itself.
    pub fn one(&mut self, key: &[u8], want: Want<'_>) -> Result<Applied> {
        let tree = Arc::clone(&self.tree);
        let mut below = None;
        loop {
            let mut change = Change::default();
            let applied = self.apply(&mut tree.rows.write(), key, want, below.take(), &mut change);
            self.account(&change);
            match applied? {
                Applied::Below => below = Some(self.below(key)?),
                applied => return Ok(applied),
            }
        }
    }

    /// What the files say of a row, which there is memory for. Not to be called under the latch: it may read the disk, and wait.
    pub fn below(&self, key: &[u8]) -> Result<Below> {
        // First the count: rows that leave later make the answer void.
        let departures = self.tree.departures();
        let newest = self.shared.files.newest(self.tree.id, key, self.state, 0)?;
        if let Newest::Committed(_, Cell::Live(value)) | Newest::Own(_, Cell::Live(value)) = &newest {
            self.shared.check_memory(key.len() + value.len())?;
        }
        Ok((departures, newest))
    }

    /// Applies to one row of a tree whose latch the caller has.
    pub fn apply(
        &mut self,
        rows: &mut BTree,
        key: &[u8],
        want: Want<'_>,
        below: Option<Below>,
        change: &mut Change,
    ) -> Result<Applied> {
        // The usual insert: one descent finds that there is no such row and where it belongs.
        if let Want::Insert(value) = want
            && !self.tree.is_partial()
            && rows.insert_missing(key, || self.new_row(key, Cell::Live(Value::new(value)), change))
        {
            self.log_put(key, value, true, change);
            return Ok(Applied::Done);
        }
        let Some(row) = rows.get_mut(key) else {
            return self.apply_to_missing(rows, key, want, below, change);
        };
        // Whoever committed but has not come by yet to stamp the row: done on the way.
        if let Some(owner) = row.head.stamp.owner().filter(|owner| *owner != self.slot) {
            if let Some(holder) = self.shared.slots.get(owner) {
                let Some(timestamp) = holder.committed() else { return Ok(Applied::Foreign(holder)) };
                row.head.settle(owner, timestamp, change);
            }
            if row.head.says_nothing() {
                forget(rows, key, change);
                return self.apply_to_missing(rows, key, want, below, change);
            }
        }
        let own = row.head.stamp.owner() == Some(self.slot);
        if !own {
            self.meet(row.head.stamp.timestamp().unwrap_or(0), want)?;
        }
        if !matches!(want, Want::Share(_)) && !own && self.is_shared(key) {
            return Ok(Applied::Shared);
        }
        self.apply_to_row(row, want, own, change)
    }

    /// The newest commit of the row: what comes of it is durable only after it, and in REPEATABLE READ it must be in the snapshot.
    fn meet(&mut self, timestamp: u64, want: Want<'_>) -> Result<()> {
        self.work.depends_on = self.work.depends_on.max(timestamp);
        if self.must_have_seen(want) && timestamp > self.snapshot {
            return Err(Error::WriteConflict);
        }
        Ok(())
    }

    /// The row is nowhere: nobody can tell any more whether it was deleted after a snapshot that was ended. To be called
    /// after looking for it.
    fn miss(&self, want: Want<'_>) -> Result<()> {
        if self.must_have_seen(want) && self.shared.snapshots.is_ended(self.snapshot) {
            return Err(Error::SnapshotTooOld);
        }
        Ok(())
    }

    /// Whether the newest commit of the row has to be in the snapshot.
    fn must_have_seen(&self, want: Want<'_>) -> bool {
        self.first_updater_wins && !matches!(want, Want::Insert(_) | Want::DeleteNewest)
    }

    /// The row is ours to change.
    fn apply_to_row(
        &mut self,
        row: &mut Row,
        want: Want<'_>,
        own: bool,
        change: &mut Change,
    ) -> Result<Applied> {
        match want {
            Want::Insert(value) => {
                if let Some(existing) = live(&row.head) {
                    return Ok(Applied::Exists(existing.clone()));
                }
                self.push(row, Cell::Live(Value::new(value)), change);
                self.log_put(&row.key, value, true, change);
            }
            Want::Put(value) => {
                let new = live(&row.head).is_none();
                self.push(row, Cell::Live(Value::new(value)), change);
                self.log_put(&row.key, value, new, change);
            }
            Want::Delete | Want::DeleteNewest => {
                if live(&row.head).is_some() {
                    self.push(row, Cell::Tombstone, change);
                    self.log_delete(&row.key, change);
                }
            }
            Want::Lock | Want::Share(_) => {
                let current = live(&row.head).cloned();
                let (changed, by_statement) = self.is_news(&row.head);
                if let Want::Share(policy) = want
                    && !own
                {
                    let name = LockName::Row(self.tree.id, row.key.clone());
                    match self.shared.locks.share(&self.shared.io, self.state, name, policy)? {
                        Ok(true) => {
                            self.tree.shares.fetch_add(1, Ordering::SeqCst);
                        }
                        Ok(false) => {}
                        Err(Some(wait)) => return Ok(Applied::Queued(wait)),
                        Err(None) => return Ok(Applied::Shared),
                    }
                } else if !own {
                    self.push(row, Cell::Lock, change);
                }
                return Ok(Applied::Locked { current, changed, by_statement });
            }
        }
        Ok(Applied::Done)
    }

    /// The row is not in memory.
    fn apply_to_missing(
        &mut self,
        rows: &mut BTree,
        key: &[u8],
        want: Want<'_>,
        below: Option<Below>,
        change: &mut Change,
    ) -> Result<Applied> {
        if !self.tree.is_partial() {
            return self.apply_to_new(rows, key, want, change);
        }
        let answer = below.filter(|(departures, _)| *departures == self.tree.departures());
        let head = match answer {
            None => return Ok(Applied::Below),
            Some((_, Newest::None)) => return self.apply_to_new(rows, key, want, change),
            Some((_, Newest::Foreign(holder))) => return Ok(Applied::Foreign(holder)),
            Some((_, Newest::Committed(timestamp, cell))) => {
                self.meet(timestamp, want)?;
                match (want, cell) {
                    (Want::Insert(_), Cell::Live(value)) => return Ok(Applied::Exists(value)),
                    (Want::Delete | Want::DeleteNewest, Cell::Tombstone) => return Ok(Applied::Done),
                    (_, cell) => Version::committed(timestamp, cell),
                }
            }
            Some((_, Newest::Own(command, cell))) => {
                self.work.touch(self.tree.id, key);
                self.work.keeps(&cell);
                Version { stamp: Stamp::pending(self.slot, command), cell, older: None }
            }
        };
        // The newest version comes up from the files, and what is wanted is done to it.
        let row = Row::new(key, head, true);
        change.row(&row, 1);
        rows.insert(row);
        self.apply(rows, key, want, None, change)
    }

    /// There is no such row anywhere.
    fn apply_to_new(
        &mut self,
        rows: &mut BTree,
        key: &[u8],
        want: Want<'_>,
        change: &mut Change,
    ) -> Result<Applied> {
        self.miss(want)?;
        let cell = match want {
            Want::Put(value) | Want::Insert(value) => {
                self.log_put(key, value, true, change);
                Cell::Live(Value::new(value))
            }
            Want::Delete | Want::DeleteNewest => return Ok(Applied::Done),
            // There is nothing to share.
            Want::Share(_) => {
                return Ok(Applied::Locked { current: None, changed: false, by_statement: false });
            }
            Want::Lock => Cell::Lock,
        };
        let locked = matches!(cell, Cell::Lock);
        let row = self.new_row(key, cell, change);
        rows.insert(row);
        Ok(if locked {
            Applied::Locked { current: None, changed: false, by_statement: false }
        } else {
            Applied::Done
        })
    }

    /// A row with nothing but our version.
    fn new_row(&mut self, key: &[u8], cell: Cell, change: &mut Change) -> Row {
        let mut row = Row::new(key, Version::absent(), false);
        change.row(&row, 1);
        row.head.push(Stamp::pending(self.slot, self.work.command), cell, change);
        self.work.touch(self.tree.id, key);
        row
    }

    /// Puts our version on top, in place of an earlier one of the same statement.
    pub(super) fn push(&mut self, row: &mut Row, cell: Cell, change: &mut Change) {
        let stamp = Stamp::pending(self.slot, self.work.command);
        if row.head.stamp == stamp {
            row.head.replace(cell, change);
            return;
        }
        if row.head.stamp.owner() != Some(self.slot) {
            self.work.keeps(&row.head.cell);
        }
        row.head.push(stamp, cell, change);
        row.head.prune_if_due(&self.shared.snapshots.horizon(), change);
        self.work.touch(self.tree.id, &row.key);
    }

    fn log_put(&mut self, key: &[u8], value: &[u8], new: bool, change: &mut Change) {
        self.work.redo.put(self.tree.id, key, value, new);
        change.live += i64::from(new);
        self.work.write_bytes += (key.len() + value.len()) as u64;
    }

    pub(super) fn log_delete(&mut self, key: &[u8], change: &mut Change) {
        self.work.redo.delete(self.tree.id, key);
        change.live -= 1;
        self.work.write_bytes += key.len() as u64;
    }

    /// Accounts what was done under the tree's latch.
    pub fn account(&mut self, change: &Change) {
        self.shared.trees.account(&self.tree, change);
        self.work.rows.add(&self.tree, change.live);
    }

    pub(super) fn is_shared(&self, key: &[u8]) -> bool {
        self.tree.shares.load(Ordering::SeqCst) > 0
            && self.shared.locks.shared_by_others(self.state.id, &LockName::Row(self.tree.id, Key::new(key)))
    }

    /// Whether the newest version is not what the statement's snapshot sees, and whether the statement has written it itself.
    fn is_news(&self, head: &Version) -> (bool, bool) {
        let newest = head.iter().find(|version| !matches!(version.cell, Cell::Lock));
        let own = newest.is_some_and(|version| {
            version.stamp.owner().is_some() && version.stamp.command() >= self.work.command
        });
        let timestamp = newest.and_then(|version| version.stamp.timestamp());
        (own || timestamp.is_some_and(|timestamp| timestamp > self.snapshot), own)
    }
}

/// The value of the newest version with data.
fn live(head: &Version) -> Option<&Value> {
    let newest = head.iter().find(|version| !matches!(version.cell, Cell::Lock))?;
    match &newest.cell {
        Cell::Live(value) => Some(value),
        Cell::Tombstone | Cell::Lock | Cell::InFiles => None,
    }
}

/// The newest value in memory that is committed or the transaction's own, and the timestamp where committed. `None`: there is
/// neither, so that the files have to be asked.
pub(crate) fn newest<'v>(
    shared: &Shared,
    own: Option<u32>,
    head: &'v Version,
) -> Option<(Option<&'v Value>, u64)> {
    for version in head.iter() {
        let timestamp = match (version.stamp.timestamp(), version.stamp.owner()) {
            (Some(timestamp), _) => timestamp,
            (None, owner) if owner == own => 0,
            (None, owner) => match owner.and_then(|owner| shared.slots.committed(owner)) {
                Some(timestamp) => timestamp,
                None => continue,
            },
        };
        match &version.cell {
            Cell::Lock | Cell::InFiles => {}
            Cell::Tombstone => return Some((None, timestamp)),
            Cell::Live(value) => return Some((Some(value), timestamp)),
        }
    }
    None
}
