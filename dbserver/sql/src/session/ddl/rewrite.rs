//! Work on the rows of a table: building an index, moving to other trees, checking what a new constraint asks.

use crate::bind;
use crate::catalog::Table;
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::bulk::TableWriter;
use crate::execute::{ExecContext, Execution, eval_vector};
use crate::expr::Expr;
use crate::plan::{Access, Plan, Scan, TableChecks};
use crate::session::client::Session;
use crate::session::statement::IsolationLevel;
use crate::types::Oid;
use crate::vector::Batch;
use plimsoll_storage::TreeId;
use std::sync::Arc;

/// Reads all live columns of a table, with the rows' keys as one more column where wanted.
pub(super) fn scan(table: &Arc<Table>, row_key: bool) -> Arc<Plan> {
    Arc::new(Plan::Scan(Scan {
        table: Arc::clone(table),
        columns: table.live_columns().map(|(position, _)| position).collect(),
        row_key,
        access: Access::Full,
        snapshot: u64::MAX,
        filter: None,
        estimate: crate::plan::ScanEstimate::default(),
        bound: None,
    }))
}

impl Session {
    pub(super) fn table_checks(&self, table: &Arc<Table>) -> Result<Arc<TableChecks>> {
        let catalog = self.catalog();
        self.with_bind_context(&catalog, &[], |context| bind::table_checks(table, context)).map(Arc::new)
    }
    /// A snapshot that does not move would miss rows.
    pub(super) fn check_can_read_all(&self, oid: Oid) -> Result<()> {
        let Some(transaction) = &self.transaction else { return Ok(()) };
        let own = transaction.ddl_base.as_ref().is_none_or(|base| base.table(oid).is_none());
        let moves =
            matches!(transaction.isolation, IsolationLevel::ReadUncommitted | IsolationLevel::ReadCommitted);
        if !moves && !own {
            return Err(SqlError::unsupported(
                "reading a table's rows for DDL in a REPEATABLE READ or SERIALIZABLE transaction",
            ));
        }
        Ok(())
    }
    /// Builds the table's last index from its rows.
    pub(super) fn build_last_index(&mut self, oid: Oid, query: &QueryContext) -> Result<()> {
        self.check_can_read_all(oid)?;
        let table = self.table(oid)?;
        let Some(number) = table.indexes.len().checked_sub(1) else { return Ok(()) };
        let checks = self.table_checks(&table)?;
        let plan = scan(&table, true);
        self.with_execution(query, |ctx| {
            // The rows stay what they are to foreign keys.
            ctx.key_events = None;
            let mut writer = TableWriter::new(&table, checks);
            let mut execution = Execution::open_plan(plan, ctx)?;
            while let Some(mut batch) = execution.next(ctx)? {
                let keys =
                    batch.columns.pop().ok_or_else(|| SqlError::internal("a scan without row keys"))?;
                writer.build_index(number, &batch, &keys, ctx)?;
            }
            Ok(())
        })
    }
    /// Gives a table and its indexes new trees; the old ones go when the transaction commits.
    pub(super) fn move_to_new_trees(&mut self, table: &Table) -> Result<()> {
        let engine = self.database.engine().clone();
        let mut old = vec![table.tree];
        let tree = engine.allocate_tree()?;
        let mut indexes: Vec<(Oid, TreeId)> = Vec::new();
        for index in &table.indexes {
            old.push(index.tree);
            indexes.push((index.oid, engine.allocate_tree()?));
        }
        self.change_catalog(|catalog| {
            let primary = catalog.update_table(table.oid, |t| {
                t.tree = tree;
                t.primary_key_index.as_ref().map(|(oid, _)| *oid)
            })?;
            indexes.extend(primary.map(|oid| (oid, tree)));
            for (oid, tree) in indexes {
                catalog.update_index(oid, |index| index.tree = tree)?;
            }
            Ok(())
        })?;
        if let Some(transaction) = &self.transaction {
            for tree in old {
                transaction.storage.drop_tree(tree);
            }
        }
        Ok(())
    }
    /// Writes the rows of `before` into the trees that the table has now, through one expression (over the old live columns) for each
    /// live column.
    pub(super) fn rewrite(
        &mut self,
        before: &Arc<Table>,
        exprs: &[Expr],
        query: &QueryContext,
    ) -> Result<()> {
        self.check_can_read_all(before.oid)?;
        let table = self.table(before.oid)?;
        let checks = self.table_checks(&table)?;
        let plan = scan(before, false);
        self.with_execution(query, |ctx| {
            // The rows stay what they are to foreign keys.
            ctx.key_events = None;
            let mut writer = TableWriter::of_new_tree(&table, checks);
            let mut execution = Execution::open_plan(plan, ctx)?;
            while let Some(batch) = execution.next(ctx)? {
                let mut columns = Vec::with_capacity(exprs.len());
                for expr in exprs {
                    columns.push(eval_vector(expr, &batch, ctx)?);
                }
                let moved = Batch { rows: batch.rows, columns };
                check_not_null(&table, &moved)?;
                writer.write(&moved, ctx).map_err(|e| index_error(&table, e))?;
            }
            writer.finish(ctx)?;
            Ok(())
        })?;
        // What was written is read by the next action of the same statement.
        self.begin_statement()
    }
    /// Calls `f` with each batch of a table's live columns.
    pub(super) fn for_each_batch(
        &mut self,
        table: &Arc<Table>,
        query: &QueryContext,
        mut f: impl FnMut(&Batch, &mut ExecContext<'_>) -> Result<()>,
    ) -> Result<()> {
        self.check_can_read_all(table.oid)?;
        let plan = scan(table, false);
        self.with_execution(query, |ctx| {
            let mut execution = Execution::open_plan(plan, ctx)?;
            while let Some(batch) = execution.next(ctx)? {
                f(&batch, ctx)?;
            }
            Ok(())
        })
    }
}

/// 23502 as ALTER TABLE words it.
pub(super) fn check_not_null(table: &Table, batch: &Batch) -> Result<()> {
    for ((_, column), vector) in table.live_columns().zip(&batch.columns) {
        if column.not_null && vector.has_nulls() {
            return Err(SqlError::new(
                sqlstate::NOT_NULL_VIOLATION,
                format!("column \"{}\" of relation \"{}\" contains null values", column.name, table.name),
            )
            .with_table(&table.name)
            .with_column(&column.name));
        }
    }
    Ok(())
}

/// A violation met while an index is built, as PostgreSQL words it then.
fn index_error(table: &Table, error: SqlError) -> SqlError {
    let fields = error.fields();
    match fields.sqlstate {
        sqlstate::UNIQUE_VIOLATION => SqlError::new(
            sqlstate::UNIQUE_VIOLATION,
            format!("could not create unique index \"{}\"", fields.constraint),
        )
        .with_detail(fields.detail.replace("already exists", "is duplicated"))
        .with_schema(&fields.schema)
        .with_table(&fields.table)
        .with_constraint(&fields.constraint),
        sqlstate::CHECK_VIOLATION => SqlError::new(
            sqlstate::CHECK_VIOLATION,
            format!(
                "check constraint \"{}\" of relation \"{}\" is violated by some row",
                fields.constraint, table.name
            ),
        )
        .with_schema(&fields.schema)
        .with_table(&fields.table)
        .with_constraint(&fields.constraint),
        _ => error,
    }
}
