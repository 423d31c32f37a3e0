//! How much tables change: counted by a transaction while it writes, added up when it commits. As PostgreSQL's cumulative statistics
//! these live in memory and begin anew with the process.

use crate::types::Oid;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// What was done to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Insert,
    Update,
    Delete,
}

/// Rows of one table that a transaction has written.
#[derive(Clone, Copy, Default)]
struct Counts {
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// What an open transaction has written so far, by table.
#[derive(Default)]
pub(crate) struct Changes {
    tables: Mutex<Vec<(Oid, Counts)>>,
}

impl Changes {
    /// Counts rows.
    pub(crate) fn add(&self, table: Oid, change: Change, rows: u64) {
        let mut tables = self.tables.lock();
        let at = tables.iter().position(|(oid, _)| *oid == table).unwrap_or_else(|| {
            tables.push((table, Counts::default()));
            tables.len() - 1
        });
        if let Some((_, counts)) = tables.get_mut(at) {
            let count = match change {
                Change::Insert => &mut counts.inserted,
                Change::Update => &mut counts.updated,
                Change::Delete => &mut counts.deleted,
            };
            *count = count.saturating_add(rows);
        }
    }
}

/// What happened to a table since the process began; `pg_stat_user_tables` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableActivity {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Rows changed since the last ANALYZE.
    pub changed: u64,
    /// When ANALYZE last looked at it, µs since 2000-01-01 UTC.
    pub analyzed: Option<i64>,
    /// The same, in the background.
    pub auto_analyzed: Option<i64>,
    /// How often ANALYZE did.
    pub analyze_count: u64,
    /// The same, in the background.
    pub auto_analyze_count: u64,
}

/// The activity of all tables.
#[derive(Default)]
pub(crate) struct Activity {
    tables: RwLock<HashMap<Oid, Arc<Mutex<TableActivity>>>>,
}

impl Activity {
    fn of(&self, table: Oid) -> Arc<Mutex<TableActivity>> {
        if let Some(found) = self.tables.read().get(&table) {
            return Arc::clone(found);
        }
        Arc::clone(self.tables.write().entry(table).or_default())
    }
    /// Adds what a transaction that committed has changed.
    pub(crate) fn commit(&self, changes: &Changes) {
        for (table, counts) in changes.tables.lock().drain(..) {
            let activity = self.of(table);
            let mut activity = activity.lock();
            activity.inserted += counts.inserted;
            activity.updated += counts.updated;
            activity.deleted += counts.deleted;
            activity.changed += counts.inserted + counts.updated + counts.deleted;
        }
    }
    /// What happened to a table.
    pub(crate) fn get(&self, table: Oid) -> TableActivity {
        self.tables.read().get(&table).map(|a| *a.lock()).unwrap_or_default()
    }
    /// A table was analyzed, when `changed` of its changes were there already.
    pub(crate) fn analyzed(&self, table: Oid, changed: u64, automatic: bool, now: i64) {
        let activity = self.of(table);
        let mut activity = activity.lock();
        activity.changed = activity.changed.saturating_sub(changed);
        if automatic {
            activity.auto_analyzed = Some(now);
            activity.auto_analyze_count += 1;
        } else {
            activity.analyzed = Some(now);
            activity.analyze_count += 1;
        }
    }
    /// Tables that changed.
    pub(crate) fn changed(&self) -> Vec<(Oid, u64)> {
        let tables = self.tables.read();
        tables.iter().map(|(oid, a)| (*oid, a.lock().changed)).filter(|(_, changed)| *changed > 0).collect()
    }
    /// Forgets tables that are gone.
    pub(crate) fn retain(&self, is_there: impl Fn(Oid) -> bool) {
        self.tables.write().retain(|oid, _| is_there(*oid));
    }
}
