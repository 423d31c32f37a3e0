//! How many rows a transaction has made, less those that it has deleted, tree by tree.
//!
//! A tree counts its rows twice. [`Tree::live`] has what open transactions did, and is what plans are made with: a transaction that has
//! loaded a table is about to read it. [`Tree::committed`] is changed inside the log's critical section alone, so that a flush, which
//! asks there how far the log has come, gets counts that are exact at that position, and the replay from it goes on exactly.

use std::sync::Arc;

use crate::key::TreeId;
use crate::memtable::Tree;
use crate::sync::atomic::Ordering;

/// See the module.
#[derive(Default)]
pub(super) struct RowCounts(Vec<(Arc<Tree>, i64)>);

/// As they were at a savepoint.
pub(super) type Mark = Vec<(TreeId, i64)>;

impl RowCounts {
    /// The tree has so many rows more.
    pub fn add(&mut self, tree: &Arc<Tree>, rows: i64) {
        if rows == 0 {
            return;
        }
        tree.live.fetch_add(rows, Ordering::Relaxed);
        // Those written to last are asked for next.
        match self.0.iter_mut().rev().find(|(of, _)| Arc::ptr_eq(of, tree)) {
            Some((_, count)) => *count += rows,
            None => self.0.push((Arc::clone(tree), rows)),
        }
    }

    pub fn mark(&self) -> Mark {
        self.0.iter().map(|(tree, rows)| (tree.id, *rows)).collect()
    }

    /// Takes back what was counted since.
    pub fn rollback_to(&mut self, mark: &Mark) {
        for (tree, rows) in &mut self.0 {
            let then = mark.iter().find(|(of, _)| *of == tree.id).map_or(0, |(_, then)| *then);
            tree.live.fetch_sub(*rows - then, Ordering::Relaxed);
            *rows = then;
        }
    }

    /// They count. To be called in the log's critical section.
    pub fn commit(&self) {
        for (tree, rows) in &self.0 {
            tree.committed.fetch_add(*rows, Ordering::Relaxed);
        }
    }

    /// By tree, without those that have as many as before.
    pub fn iter(&self) -> impl Iterator<Item = (TreeId, i64)> {
        self.0.iter().map(|(tree, rows)| (tree.id, *rows)).filter(|(_, rows)| *rows != 0)
    }
}
