//! A row's versions, newest first.
//!
//! ```text
//! row head            older                older
//! [pending txn 7] --> [committed 41] -->   [committed 12]
//! ```
//!
//! The head lies in the leaf, the others on the heap. A pending head is the row's exclusive lock; a pending version
//! without data ([`Cell::Lock`]) is a lock and nothing else. All pending versions of a chain belong to one transaction
//! and stand on top of it.
//!
//! A version is superfluous when no snapshot, alive or to come, sees it. Chains are cut when they are written to, by a
//! length that doubles, so that the cost per write stays constant however many versions an old snapshot pins.

use super::{Change, Row};
use crate::key::{Key, Value};
use crate::mvcc::{Horizon, Stamp};

/// Estimated bytes of a row in a leaf, with the leaf's empty places, beyond those of its first version.
const ROW_BYTES: i64 = 32;
/// Bytes of a version: its fields and the allocator's share.
const OLDER_BYTES: i64 = 56;
/// Chain length at which a chain is first cut.
const PRUNE_MIN: u32 = 4;

/// What a version holds.
#[derive(Clone)]
pub(crate) enum Cell {
    /// The row does not exist.
    Tombstone,
    /// Nothing: the row is locked, look behind.
    Lock,
    /// The row.
    Live(Value),
    /// The row as the files have it: deleted unread. Only the lowest version of a chain, always below another, and visible to all.
    InFiles,
}

/// One version of a row.
pub(crate) struct Version {
    /// When it was committed, or who is about to.
    pub stamp: Stamp,
    /// What it says.
    pub cell: Cell,
    /// The versions before.
    pub older: Option<Box<Older>>,
}

/// A version behind the head.
pub(crate) struct Older {
    /// The version.
    pub version: Version,
    /// Number of versions from here down.
    depth: u32,
    /// The depth at which to cut the chain next.
    prune_at: u32,
}

// Chains can be long; the derived drop would recurse.
impl Drop for Older {
    fn drop(&mut self) {
        let mut next = self.version.older.take();
        while let Some(mut older) = next {
            next = older.version.older.take();
        }
    }
}

impl Cell {
    fn heap_bytes(&self) -> i64 {
        match self {
            Cell::Live(value) => value.heap_bytes() as i64,
            Cell::Tombstone | Cell::Lock | Cell::InFiles => 0,
        }
    }
}

impl Version {
    /// A version with nothing behind it.
    pub fn committed(timestamp: u64, cell: Cell) -> Version {
        Version { stamp: Stamp::committed(timestamp), cell, older: None }
    }

    /// What a row without any version would say.
    pub fn absent() -> Version {
        Version::committed(0, Cell::Tombstone)
    }

    /// A row that is in the files, of which nothing else is known.
    pub fn in_files() -> Version {
        Version::committed(0, Cell::InFiles)
    }

    /// Whether this is the same as no row at all.
    pub fn is_absent(&self) -> bool {
        matches!(self.cell, Cell::Tombstone) && self.stamp == Stamp::committed(0) && self.older.is_none()
    }

    /// Whether memory without the row would say the same.
    pub fn says_nothing(&self) -> bool {
        self.is_absent() || matches!(self.cell, Cell::InFiles)
    }

    /// The versions from this one on, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Version> {
        std::iter::successors(Some(self), |version| version.older.as_ref().map(|older| &older.version))
    }

    /// Estimated bytes of the versions behind this one.
    pub fn older_bytes(&self) -> u64 {
        let older = self.older.as_ref().map(|older| &older.version);
        u64::try_from(chain_bytes(older)).unwrap_or(0)
    }

    /// Puts a version on top. Does not cut the chain.
    pub fn push(&mut self, stamp: Stamp, cell: Cell, change: &mut Change) {
        change.bytes += OLDER_BYTES + cell.heap_bytes();
        let old = std::mem::replace(self, Version { stamp, cell, older: None });
        if !old.is_absent() {
            let (depth, prune_at) = match &old.older {
                Some(older) => (older.depth + 1, older.prune_at),
                None => (1, PRUNE_MIN),
            };
            self.older = Some(Box::new(Older { version: old, depth, prune_at }));
        }
    }

    /// Replaces the data of the head.
    pub fn replace(&mut self, cell: Cell, change: &mut Change) {
        change.bytes += cell.heap_bytes() - self.cell.heap_bytes();
        self.cell = cell;
    }

    /// Takes the head off; the version behind it becomes the head, or an absent one.
    pub fn pop(&mut self, change: &mut Change) {
        change.bytes -= OLDER_BYTES + self.cell.heap_bytes();
        *self = match self.older.take() {
            Some(mut older) => std::mem::replace(&mut older.version, Version::absent()),
            None => Version::absent(),
        };
    }

    /// The owner of the pending versions on top has committed: one committed version stays of them, without locks.
    pub fn settle(&mut self, owner: u32, timestamp: u64, change: &mut Change) {
        while self.stamp.owner() == Some(owner) && matches!(self.cell, Cell::Lock) {
            self.pop(change);
        }
        if self.stamp.owner() != Some(owner) {
            return;
        }
        self.stamp = Stamp::committed(timestamp);
        while let Some(mut older) = self.older.take() {
            if older.version.stamp.owner() != Some(owner) {
                self.older = Some(older);
                break;
            }
            change.bytes -= OLDER_BYTES + older.version.cell.heap_bytes();
            self.older = older.version.older.take();
        }
    }

    /// Cuts the chain where that is due; cheap otherwise. To be called after a push.
    pub fn prune_if_due(&mut self, horizon: &Horizon, change: &mut Change) {
        let Some(second) = &mut self.older else { return };
        // The usual case: everyone sees the version just replaced, so nobody what is behind it.
        if second.version.stamp.timestamp().is_some_and(|timestamp| timestamp <= horizon.oldest()) {
            let dropped = second.version.older.take();
            second.depth = 1;
            second.prune_at = PRUNE_MIN;
            change.bytes -= chain_bytes(dropped.as_deref().map(|older| &older.version));
        } else if second.depth >= second.prune_at {
            self.prune(horizon, change);
        }
    }

    /// Removes every version behind the head that no snapshot, alive or to come, sees.
    pub fn prune(&mut self, horizon: &Horizon, change: &mut Change) {
        if self.older.is_none() {
            return;
        }
        let snapshots = horizon.snapshots();
        let mut newer = self.stamp.timestamp();
        let mut kept = 0;
        let mut link = &mut self.older;
        while let Some(mut older) = link.take() {
            let timestamp = older.version.stamp.timestamp();
            let needed = match (timestamp, newer) {
                (Some(timestamp), Some(newer)) => snapshots.any_between(timestamp, newer),
                // Below a pending version, or pending itself.
                _ => true,
            };
            if needed {
                newer = timestamp;
                kept += 1;
                link = &mut link.insert(older).version.older;
            } else {
                change.bytes -= OLDER_BYTES + older.version.cell.heap_bytes();
                *link = older.version.older.take();
            }
        }
        let (mut depth, prune_at) = (kept, (kept * 2).max(PRUNE_MIN));
        let mut next = &mut self.older;
        while let Some(older) = next {
            older.depth = depth;
            older.prune_at = prune_at;
            depth -= 1;
            next = &mut older.version.older;
        }
    }
}

/// Estimated bytes of a row beside its versions.
fn row_bytes(key: &Key) -> i64 {
    ROW_BYTES + key.heap_bytes() as i64
}

impl Change {
    /// A row and its versions have come, `sign` 1, or gone, -1, in memory.
    pub fn row(&mut self, row: &Row, sign: i64) {
        let versions = if row.head.is_absent() { None } else { Some(&row.head) };
        self.bytes += sign * (row_bytes(&row.key) + chain_bytes(versions));
    }
}

fn chain_bytes(chain: Option<&Version>) -> i64 {
    let Some(chain) = chain else { return 0 };
    chain.iter().map(|version| OLDER_BYTES + version.cell.heap_bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mvcc::Snapshots;

    fn timestamps(version: &Version) -> Vec<u64> {
        version.iter().filter_map(|version| version.stamp.timestamp()).collect()
    }

    #[test]
    fn prune_keeps_what_snapshots_see_and_what_new_ones_will() {
        let snapshots = Snapshots::new(15);
        let pin = snapshots.take(false);
        snapshots.publish(35);
        let mut head = Version::committed(10, Cell::Tombstone);
        let mut change = Change::default();
        for timestamp in [20, 30, 40, 50] {
            head.push(Stamp::committed(timestamp), Cell::Tombstone, &mut change);
        }
        head.prune(&snapshots.horizon(), &mut change);
        // 10 is pinned at 15; a snapshot taken now, at 35, sees 30; 40 will be seen before 50 is visible.
        assert_eq!(timestamps(&head), [50, 40, 30, 10]);
        snapshots.release(pin, false);
        snapshots.publish(50);
        head.prune(&snapshots.horizon(), &mut change);
        assert_eq!(timestamps(&head), [50]);
        assert_eq!(change.bytes, 0, "what was pushed was pruned");
    }

    #[test]
    fn a_hot_row_under_an_old_snapshot_stays_short() {
        let snapshots = Snapshots::new(1);
        let _pin = snapshots.take(false);
        let mut head = Version::committed(1, Cell::Tombstone);
        let mut change = Change::default();
        for timestamp in 2..10_000 {
            head.push(Stamp::committed(timestamp), Cell::Tombstone, &mut change);
            snapshots.publish(timestamp - 1);
            head.prune_if_due(&snapshots.horizon(), &mut change);
            assert!(head.iter().count() < 10);
        }
    }

    #[test]
    fn a_long_chain_is_dropped_without_recursion() {
        let mut head = Version::committed(1, Cell::Tombstone);
        for timestamp in 2..200_000 {
            head.push(Stamp::committed(timestamp), Cell::Tombstone, &mut Change::default());
        }
        drop(head);
    }

    #[test]
    fn settle_leaves_one_version_and_no_locks() {
        let mut change = Change::default();
        let mut head = Version::committed(5, Cell::Live(Value::new(b"old")));
        head.push(Stamp::pending(3, 1), Cell::Lock, &mut change);
        head.push(Stamp::pending(3, 2), Cell::Tombstone, &mut change);
        head.push(Stamp::pending(3, 4), Cell::Live(Value::new(b"new")), &mut change);
        head.push(Stamp::pending(3, 5), Cell::Lock, &mut change);
        head.settle(3, 9, &mut change);
        assert_eq!(timestamps(&head), [9, 5]);
        assert!(matches!(head.cell, Cell::Live(_)));
        assert_eq!(change.bytes, OLDER_BYTES);
    }
}
