//! Keys of rows in tables without a primary key: numbers that go up, one counter a tree.

use crate::error::Result;
use hashbrown::HashMap;
use parking_lot::Mutex;
use plimsoll_storage::{Direction, KeyRange, RowBuffer, Snapshot, TreeId};

/// The counters of one database; shared by all its sessions.
#[derive(Debug, Default)]
pub struct RowNumbers {
    next: Mutex<HashMap<TreeId, u64>>,
}

impl RowNumbers {
    /// The first of `count` numbers that no row of the tree has or will have. A counter begins after the tree's last
    /// row: whoever wrote later than the snapshot has gone through here before.
    ///
    /// # Errors
    /// What reading the tree fails with.
    pub fn take(&self, tree: TreeId, count: u64, snapshot: &Snapshot) -> Result<u64> {
        let mut counters = self.next.lock();
        let next = match counters.get_mut(&tree) {
            Some(next) => next,
            None => {
                let last = Self::last(tree, snapshot)?;
                counters.entry(tree).or_insert(last.map_or(1, |n| n.saturating_add(1)))
            }
        };
        let first = *next;
        *next = first.saturating_add(count);
        Ok(first)
    }

    /// The number of the tree's last row.
    fn last(tree: TreeId, snapshot: &Snapshot) -> Result<Option<u64>> {
        let mut scan = snapshot.scan(tree, KeyRange::all(), Direction::Backward);
        let mut rows = RowBuffer::new();
        while scan.next_batch(1, &mut rows)? && rows.is_empty() {}
        let key = rows.get(0).and_then(|(key, _)| <[u8; 8]>::try_from(key).ok());
        Ok(key.map(u64::from_be_bytes))
    }
}
