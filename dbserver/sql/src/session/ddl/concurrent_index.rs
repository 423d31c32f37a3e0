//! CREATE INDEX CONCURRENTLY: an index built while others write.
//!
//! ```text
//! 1  the index is in the catalog, not valid: writers keep it up from now on, no query reads it
//! 2  transactions that wrote to the table without knowing it end
//! 3  the rows of a snapshot get their entries, some hundred rows a transaction
//! 4  the index is valid: snapshots that are taken from now on read by it (see `Index::readable_from`)
//! ```
//!
//! A row gets the entry of its newest committed version, while it is locked in share mode: who changes it afterwards meets that entry
//! and takes it away, who changed it before has written its own. Rows that are locked by others come later, one by one and with no
//! other row held, so that the build can be no part of a deadlock with writers.
//!
//! An error or a crash on the way leaves an index that is not valid: writers go on keeping it up, nobody reads it, and DROP INDEX
//! takes it away (as in PostgreSQL).

use crate::catalog::Table;
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::bulk::build_error;
use crate::execute::{Access, RowWriter, Stop};
use crate::plan::TableChecks;
use crate::session::Mode;
use crate::session::client::Session;
use crate::session::statement::{CreateIndex, IsolationLevel};
use crate::types::Oid;
use plimsoll_storage::{Direction, Key, KeyRange, LockMode, LockOutcome, RowBuffer, WaitPolicy};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Rows locked and indexed in one transaction.
const BATCH_ROWS: usize = 512;
/// From one look for a locked index entry to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The index that is being built, as the catalog has it now.
struct Building {
    table: Arc<Table>,
    number: usize,
    checks: Arc<TableChecks>,
}

impl Session {
    /// Runs the statement in transactions of its own; none is open afterwards.
    pub(crate) fn create_index_concurrently(
        &mut self,
        create: &CreateIndex,
        query: &QueryContext,
    ) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.explicit || t.used) {
            return Err(SqlError::new(
                sqlstate::ACTIVE_SQL_TRANSACTION,
                "CREATE INDEX CONCURRENTLY cannot run inside a transaction block",
            ));
        }
        self.begin_read_committed()?;
        self.check_writable("CREATE INDEX")?;
        // Whoever does DDL has the catalog: the table stays as it is without a lock of its own.
        self.begin_ddl(query)?;
        let table = self.require_table(&create.table)?.oid;
        let Some(index) = self.register_index(table, create, false)? else {
            return self.end_step();
        };
        self.end_step()?;
        let database = Arc::clone(self.database());
        database.writers.wait_for(u64::from(table), query)?;
        self.fill_index(index, query)?;
        self.begin_read_committed()?;
        self.begin_ddl(query)?;
        self.building(index)?;
        self.change_catalog(|catalog| catalog.update_index(index, |index| index.valid = true))?;
        self.end_step()
    }

    /// Begins a transaction that sees what is committed when its statements begin, whatever the session's default is.
    fn begin_read_committed(&mut self) -> Result<()> {
        self.begin_implicit(IsolationLevel::ReadCommitted)?;
        self.begin_statement()
    }

    /// Commits, durably.
    fn end_step(&mut self) -> Result<()> {
        self.commit_transaction(String::new(), Mode::Worker).map(drop)
    }

    /// The index and its table in the statement's catalog: either may have changed between two transactions.
    fn building(&self, index: Oid) -> Result<Building> {
        let catalog = self.catalog();
        let found = catalog.relations.get(&index).and_then(|r| r.index()).cloned();
        let table = found.as_ref().and_then(|i| catalog.table(i.table)).cloned();
        let (Some(_), Some(table)) = (found, table) else {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the index was dropped while it was being built",
            ));
        };
        let number = table.indexes.iter().position(|i| i.oid == index);
        let number = number.ok_or_else(|| SqlError::internal("an index is not its table's"))?;
        let checks = self.table_checks(&table)?;
        Ok(Building { table, number, checks })
    }

    /// Writes the entries of all rows that are there now; again from the start where the table moved to other trees meanwhile.
    fn fill_index(&mut self, index: Oid, query: &QueryContext) -> Result<()> {
        let mut trees = None;
        let mut after: Option<Key> = None;
        let mut locked: Vec<Key> = Vec::new();
        loop {
            query.check()?;
            let building = self.begin_step(index, query)?;
            let now = (building.table.tree, building.table.indexes.get(building.number).map(|i| i.tree));
            if trees.replace(now).is_some_and(|before| before != now) {
                after = None;
                locked.clear();
            }
            let last = self.fill_batch(&building, after.as_ref(), &mut locked, query)?;
            self.end_step()?;
            match last {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        for key in locked {
            self.fill_row(index, &key, query)?;
        }
        Ok(())
    }

    /// A transaction that keeps definitions off the table, as a writer's does.
    fn begin_step(&mut self, index: Oid, query: &QueryContext) -> Result<Building> {
        self.begin_read_committed()?;
        let table = self.building(index)?.table.oid;
        self.lock_relation(table, false, query)?;
        // Writers end before what they committed is visible.
        if let Some(transaction) = &self.transaction {
            transaction.storage.committed_so_far().wait()?;
        }
        self.begin_statement()?;
        self.building(index)
    }

    /// Indexes the rows after a key; gives the last one, none at the end. Rows that others have locked go to `locked`.
    fn fill_batch(
        &mut self,
        building: &Building,
        after: Option<&Key>,
        locked: &mut Vec<Key>,
        query: &QueryContext,
    ) -> Result<Option<Key>> {
        let Building { table, number, checks } = building;
        let access = Access::of(table);
        self.with_execution(query, |ctx| {
            let transaction = ctx.transaction()?;
            let lower = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
            let range = KeyRange { lower, upper: Bound::Unbounded };
            let mut scan = ctx.snapshot()?.scan(table.tree, range, Direction::Forward);
            let mut rows = RowBuffer::new();
            while rows.is_empty() && scan.next_batch(BATCH_ROWS, &mut rows)? {
                ctx.check()?;
            }
            let mut writer = RowWriter::new(table, checks, false);
            let mut last = None;
            for (key, _) in rows.iter() {
                last = Some(Key::new(key));
                match transaction.lock_row(table.tree, key, LockMode::Share, WaitPolicy::Skip)? {
                    LockOutcome::Locked { current: Some(value), .. } => {
                        let row = access.read(key, &value)?;
                        match writer.add_entry(*number, key, &row, ctx) {
                            Ok(()) => {}
                            Err(Stop::Wait(_)) => locked.push(Key::new(key)),
                            Err(Stop::Error(error)) => return Err(build_error(table, *number, error)),
                        }
                    }
                    LockOutcome::Locked { current: None, .. } => {}
                    LockOutcome::Skipped | LockOutcome::Blocked(_) => locked.push(Key::new(key)),
                }
            }
            Ok(last)
        })
    }

    /// Indexes one row, waiting for whoever has locked it.
    fn fill_row(&mut self, index: Oid, key: &[u8], query: &QueryContext) -> Result<()> {
        loop {
            query.check()?;
            let Building { table, number, checks } = self.begin_step(index, query)?;
            let access = Access::of(&table);
            let done = self.with_execution(query, |ctx| {
                let transaction = ctx.transaction()?;
                let value = loop {
                    match transaction.lock_row(table.tree, key, LockMode::Share, WaitPolicy::Wait)? {
                        LockOutcome::Locked { current, .. } => break current,
                        LockOutcome::Blocked(wait) => ctx.wait(wait)?,
                        LockOutcome::Skipped => return Err(SqlError::internal("a lock was skipped")),
                    }
                };
                let Some(value) = value else { return Ok(true) };
                let row = access.read(key, &value)?;
                match RowWriter::new(&table, &checks, false).add_entry(number, key, &row, ctx) {
                    Ok(()) => Ok(true),
                    // Whoever has the entry may want the row: not to be waited for with the row held.
                    Err(Stop::Wait(_)) => Ok(false),
                    Err(Stop::Error(error)) => Err(build_error(&table, number, error)),
                }
            })?;
            self.end_step()?;
            if done {
                return Ok(());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
