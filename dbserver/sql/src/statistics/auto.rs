//! ANALYZE: asked for, or in the background where a table has changed enough.

use super::{TableStatistics, collect};
use crate::catalog::{Catalog, Table, store};
use crate::context::{QueryContext, Reservation};
use crate::error::Result;
use crate::session::{CATALOG_OBJECT, Database, now_us};
use crate::types::Oid;
use plimsoll_storage::{Isolation, ObjectLock, Snapshot};
use std::sync::Arc;

/// Changed rows that make a table due (`autovacuum_analyze_threshold`), and that part of its rows
/// (`autovacuum_analyze_scale_factor`) beyond them.
const CHANGES_MIN: u64 = 50;
const CHANGED_PART: f64 = 0.1;

/// Whether a table with this many changed rows since it was analyzed is to be looked at again.
fn is_due(table: &Table, changed: u64) -> bool {
    let rows = table.statistics.as_ref().map_or(0, |s| s.rows);
    changed as f64 > CHANGES_MIN as f64 + CHANGED_PART * rows as f64
}

/// Puts statistics into a catalog, unless the table is gone or keeps its rows elsewhere by now.
pub(crate) fn store_in(catalog: &mut Catalog, table: &Table, found: &Arc<TableStatistics>) -> Result<bool> {
    if catalog.table(table.oid).is_none_or(|t| t.tree != table.tree) {
        return Ok(false);
    }
    catalog.update_table(table.oid, |t| t.statistics = Some(Arc::clone(found)))?;
    Ok(true)
}

impl Database {
    /// Statistics of a table at a snapshot, and how many of its changes they know.
    pub(crate) fn collect_statistics(
        &self,
        table: &Arc<Table>,
        positions: &[usize],
        snapshot: &Snapshot,
        query: &QueryContext,
        pause: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Arc<TableStatistics>> {
        let mut memory = Reservation::new(&query.memory);
        let bytes = self.engine().tree_bytes(table.tree);
        collect(table, positions, snapshot, bytes, &mut memory, pause).map(Arc::new)
    }

    /// Analyzes the tables that changed by more than 50 rows and a tenth since they were analyzed, one after the other. Blocks: for a
    /// worker. `pause` is called between small pieces of work; it may take its time, and end the work by an error. No table is
    /// locked; where DDL is going on, the table waits for the next call. Gives the number of tables analyzed.
    ///
    /// # Errors
    /// What `pause` fails with, and what reading and committing fail with.
    pub fn analyze_changed(
        &self,
        query: &QueryContext,
        pause: &mut dyn FnMut() -> Result<()>,
    ) -> Result<usize> {
        let catalog = self.catalog();
        self.activity.retain(|oid| catalog.table(oid).is_some());
        let mut analyzed = 0;
        for (oid, changed) in self.activity.changed() {
            let Some(table) = catalog.table(oid).filter(|t| is_due(t, changed)) else { continue };
            let reader = self.engine().begin(Isolation::ReadCommitted);
            let positions: Vec<usize> = table.live_columns().map(|(p, _)| p).collect();
            let found = self.collect_statistics(table, &positions, &reader.snapshot(), query, pause)?;
            drop(reader);
            if self.publish_statistics(table, &found)? {
                self.activity.analyzed(oid, changed, true, now_us());
                analyzed += 1;
            }
        }
        Ok(analyzed)
    }

    /// Commits statistics in a transaction of their own; false where the catalog is being changed.
    fn publish_statistics(&self, table: &Table, found: &Arc<TableStatistics>) -> Result<bool> {
        let transaction = self.engine().begin(Isolation::ReadCommitted);
        if transaction.lock_object(CATALOG_OBJECT, ObjectLock::Exclusive)?.is_some() {
            return Ok(false);
        }
        let base = self.catalog();
        let mut catalog = Catalog::clone(&base);
        catalog.version = self.next_version();
        if !store_in(&mut catalog, table, found)? {
            return Ok(false);
        }
        store::write(&transaction, &base, &catalog)?;
        self.publish(&transaction, Arc::new(catalog))?;
        Ok(true)
    }

    /// What happened to a table since the process began.
    pub fn table_activity(&self, table: Oid) -> super::TableActivity {
        self.activity.get(table)
    }
}
