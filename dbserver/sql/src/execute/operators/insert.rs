//! INSERT, with and without ON CONFLICT.

use super::{BoxOperator, Operator, misuse, pull};
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::bulk::TableWriter;
use crate::execute::columns;
use crate::execute::constraints::check_row;
use crate::execute::context::ExecContext;
use crate::execute::eval::{eval_all, eval_row};
use crate::execute::row_writer::{Inserted, RowWriter, Stop};
use crate::plan::{self, OnConflict};
use crate::types::Datum;
use crate::vector::Batch;
use hashbrown::HashSet;
use plimsoll_storage::{Isolation, LockMode, LockOutcome, TreeId, WaitPolicy};
use std::sync::Arc;

/// Inserts the input's rows.
pub struct Insert<'p> {
    plan: &'p plan::Insert,
    input: BoxOperator<'p>,
    how: How<'p>,
    affected: u64,
}

enum How<'p> {
    /// Any conflict is an error: whole batches. None when it is finished.
    Plain(Option<Box<TableWriter>>),
    /// ON CONFLICT: row by row. The keys of rows inserted or updated so far, which DO UPDATE must not meet again.
    Conflict(&'p OnConflict, Box<RowWriter<'p>>, HashSet<Box<[u8]>>),
}

impl<'p> Insert<'p> {
    pub fn new(plan: &'p plan::Insert, input: BoxOperator<'p>) -> Self {
        let how = match &plan.conflict {
            None => How::Plain(Some(Box::new(TableWriter::new(&plan.table, Arc::clone(&plan.checks))))),
            Some(conflict) => {
                let writer = RowWriter::new(&plan.table, &plan.checks, true);
                How::Conflict(conflict, Box::new(writer), HashSet::new())
            }
        };
        Self { plan, input, how, affected: 0 }
    }
}

/// 21000
fn second_time() -> SqlError {
    SqlError::new(
        sqlstate::CARDINALITY_VIOLATION,
        "ON CONFLICT DO UPDATE command cannot affect row a second time",
    )
    .with_hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}

/// Inserts a row or does what ON CONFLICT says; answers the row as it is then, none where nothing was done.
fn insert_or(
    conflict: &OnConflict,
    writer: &mut RowWriter<'_>,
    touched: &mut HashSet<Box<[u8]>>,
    row: Vec<Datum>,
    ctx: &mut ExecContext<'_>,
) -> Result<Option<Vec<Datum>>> {
    check_row(&writer.access, writer.checks, &row, ctx)?;
    let is_arbiter = |index: Option<usize>| conflict.target.is_none_or(|target| target == index);
    loop {
        ctx.check()?;
        // Conflicts that can be seen are found before anything is written.
        let seen = match (&conflict.target, writer.has_indexes()) {
            (Some(None), false) => None,
            (target, _) => writer.find_conflict(&row, *target, ctx)?,
        };
        let row_key = match seen {
            Some(row_key) => row_key,
            None => {
                let transaction = ctx.transaction()?;
                // Only with other indexes may a conflict come after the first write.
                let savepoint = writer.has_indexes().then(|| transaction.savepoint());
                let inserted = writer.try_insert(&row, ctx).map_err(Stop::into_error)?;
                let conflict_at = match inserted {
                    Inserted::Done => None,
                    Inserted::Conflict { index, row_key } => Some((index, row_key)),
                };
                if let Some(savepoint) = savepoint {
                    if conflict_at.is_some() {
                        transaction.rollback_to(&savepoint);
                    }
                    transaction.release(savepoint);
                }
                match conflict_at {
                    None => {
                        touched.insert(writer.last_key().into());
                        return Ok(Some(row));
                    }
                    Some((index, row_key)) if is_arbiter(index) => row_key,
                    Some((index, _)) => return Err(writer.violation(index, &row, ctx)),
                }
            }
        };
        let Some((assignments, condition)) = &conflict.update else {
            check_seen(writer.access.table.tree, &row_key, touched, ctx)?;
            return Ok(None);
        };
        if touched.contains(row_key.as_slice()) {
            return Err(second_time());
        }
        let tree = writer.access.table.tree;
        let current = loop {
            match ctx.transaction()?.lock_row(tree, &row_key, LockMode::Update, WaitPolicy::Wait)? {
                LockOutcome::Locked { current, .. } => break current,
                LockOutcome::Blocked(wait) => ctx.wait(wait)?,
                LockOutcome::Skipped => return Err(misuse("a lock was skipped")),
            }
        };
        // Deleted meanwhile: now the insert may succeed.
        let Some(current) = current else { continue };
        let old = writer.access.read(&row_key, &current)?;
        let both: Vec<Datum> = old.iter().chain(&row).cloned().collect();
        if let Some(condition) = condition
            && eval_row(condition, &both, ctx)? != Datum::Bool(true)
        {
            return Ok(None);
        }
        let mut new = old.clone();
        for (column, expr) in assignments {
            let value = eval_row(expr, &both, ctx)?;
            if let Some(place) = new.get_mut(*column) {
                *place = value;
            }
        }
        check_row(&writer.access, writer.checks, &new, ctx)?;
        writer.update(&row_key, &old, &new, ctx).map_err(Stop::into_error)?;
        touched.insert(row_key.into());
        touched.insert(writer.last_key().into());
        return Ok(Some(new));
    }
}

/// DO NOTHING may not be for a row that the transaction's snapshot does not see: above READ COMMITTED that is a conflict.
fn check_seen(
    tree: TreeId,
    row_key: &[u8],
    touched: &HashSet<Box<[u8]>>,
    ctx: &mut ExecContext<'_>,
) -> Result<()> {
    let transaction = ctx.transaction()?;
    if transaction.isolation() == Isolation::ReadCommitted || touched.contains(row_key) {
        return Ok(());
    }
    match transaction.snapshot().get(tree, row_key)? {
        Some(_) => Ok(()),
        None => Err(plimsoll_storage::Error::WriteConflict.into()),
    }
}

impl Operator for Insert<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = pull(&mut self.input, ctx)? {
            let batch = match &mut self.how {
                How::Plain(writer) => {
                    writer.as_mut().ok_or_else(|| misuse("an insert after its end"))?.write(&batch, ctx)?;
                    batch
                }
                How::Conflict(conflict, writer, touched) => {
                    let types = Arc::clone(&writer.access).types();
                    let mut rows = Vec::new();
                    for i in 0..batch.rows {
                        rows.extend(insert_or(conflict, writer, touched, columns::row(&batch, i), ctx)?);
                    }
                    columns::from_rows(&types, rows.iter().map(Vec::as_slice))?
                }
            };
            self.affected = self.affected.saturating_add(batch.rows as u64);
            if !self.plan.returning.is_empty() && batch.rows > 0 {
                let columns = eval_all(&self.plan.returning, &batch, ctx)?;
                return Ok(Some(Batch { rows: batch.rows, columns }));
            }
        }
        if let How::Plain(writer) = &mut self.how
            && let Some(writer) = writer.take()
        {
            writer.finish(ctx)?;
        }
        Ok(None)
    }

    fn affected(&self) -> u64 {
        self.affected
    }
}
