//! ANALYZE and VACUUM. There is nothing to vacuum: storage frees old versions by itself.

use crate::catalog::Table;
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::session::client::Session;
use crate::session::now_us;
use crate::session::statement::Name;
use crate::statistics::{TableStatistics, store_in};
use std::sync::Arc;

/// A table that was looked at: its statistics, and how many of its changes they know.
struct Found {
    table: Arc<Table>,
    statistics: Arc<TableStatistics>,
    changed: u64,
}

impl Session {
    /// Looks at the tables named, or at all there are, and changes the catalog at the end: DDL waits just for that.
    pub(super) fn analyze(
        &mut self,
        names: &[(Name, Vec<String>)],
        analyze: bool,
        verb: &str,
        query: &QueryContext,
    ) -> Result<()> {
        let mut tables: Vec<(Arc<Table>, Vec<usize>)> = Vec::new();
        let catalog = self.catalog();
        for (name, columns) in names {
            let relation =
                catalog.require_relation(&self.eval.search_path, name.schema.as_deref(), &name.name)?;
            match relation.table() {
                Some(table) => tables.push((Arc::clone(table), positions(table, columns)?)),
                None => {
                    let what = if verb == "VACUUM" { "vacuum" } else { "analyze" };
                    let message = format!(
                        "skipping \"{}\" --- cannot {what} non-tables or special system tables",
                        name.name
                    );
                    self.warn("01000", message);
                }
            }
        }
        if names.is_empty() {
            for table in catalog.relations.values().filter_map(|r| r.table()) {
                tables.push((Arc::clone(table), positions(table, &[])?));
            }
        }
        if !analyze || tables.is_empty() {
            return Ok(());
        }
        let mut found = Vec::with_capacity(tables.len());
        for (table, positions) in tables {
            let changed = self.database().table_activity(table.oid).changed;
            let transaction =
                self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
            let snapshot = transaction.storage.snapshot();
            let statistics =
                self.database()
                    .collect_statistics(&table, &positions, &snapshot, query, &mut || query.check())?;
            found.push(Found { table, statistics, changed });
        }
        self.begin_ddl(query)?;
        self.change_catalog(|catalog| {
            found.iter().try_for_each(|f| store_in(catalog, &f.table, &f.statistics).map(drop))
        })?;
        for Found { table, changed, .. } in &found {
            self.database().activity.analyzed(table.oid, *changed, false, now_us());
        }
        Ok(())
    }
}

/// Positions of the columns named, or of all.
fn positions(table: &Table, columns: &[String]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok(table.live_columns().map(|(position, _)| position).collect());
    }
    let mut out: Vec<usize> = Vec::with_capacity(columns.len());
    for name in columns {
        let position = table.column_position(name).ok_or_else(|| {
            SqlError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
            )
        })?;
        if out.contains(&position) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" of relation \"{}\" appears more than once", table.name),
            ));
        }
        out.push(position);
    }
    Ok(out)
}
