//! Point plans: statements on one row by its key, run inline on the connection's task: no batch, no operator, no
//! blocking. A row that has to be read from the disk is read by a worker, which runs the plan again. Where a lock is held by
//! another, the answer is the wait; afterwards the plan is run again from its start, which is safe because what it wrote has
//! been undone.

use super::access::Access;
use super::constraints::check_row;
use super::context::ExecContext;
use super::eval::eval_row;
use super::row_writer::{RowWriter, Stop};
use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::expr::Expr;
use crate::plan::PointPlan;
use crate::session::Sink;
use crate::types::Datum;
use plimsoll_storage::{LockMode, LockOutcome, LockWait, Savepoint, TreeId, Value, WaitPolicy};
use std::sync::Arc;

/// How far a point plan came.
#[derive(Debug)]
pub enum PointStep {
    /// Done.
    Done {
        /// Rows found, or written.
        rows: u64,
    },
    /// Nothing done: wait, then run it again.
    Wait(LockWait),
}

/// Runs a point plan. Rows (of a SELECT, or of RETURNING) go to the sink.
///
/// # Errors
/// Whatever the statement fails with.
pub fn run_point(plan: &PointPlan, ctx: &mut ExecContext<'_>, sink: &mut dyn Sink) -> Result<PointStep> {
    ctx.check()?;
    let outcome = match plan {
        PointPlan::Get { table, key, filter, exprs } => {
            let rows = get(table, key, filter.as_ref(), exprs, ctx, sink)?;
            return Ok(PointStep::Done { rows });
        }
        PointPlan::Update { .. } => update(plan, ctx, sink),
        PointPlan::Delete { .. } => delete(plan, ctx, sink),
        PointPlan::Insert { .. } => insert(plan, ctx, sink),
    };
    match outcome {
        Ok(rows) => Ok(PointStep::Done { rows }),
        Err(Stop::Wait(wait)) => Ok(PointStep::Wait(wait)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// The key of the row; none where a part of it is null, which no row's is.
fn row_key(access: &Access, key: &[Expr], ctx: &mut ExecContext<'_>) -> Result<Option<Vec<u8>>> {
    let mut out = Vec::with_capacity(24);
    for (expr, part) in key.iter().zip(access.layout.key_parts()) {
        let value = eval_row(expr, &[], ctx)?;
        if value.is_null() {
            return Ok(None);
        }
        crate::types::key::encode_part(&value, *part, &mut out);
    }
    Ok(Some(out))
}

fn passes(filter: Option<&Expr>, row: &[Datum], ctx: &mut ExecContext<'_>) -> Result<bool> {
    match filter {
        None => Ok(true),
        Some(filter) => Ok(eval_row(filter, row, ctx)? == Datum::Bool(true)),
    }
}

fn emit(exprs: &[Expr], row: &[Datum], ctx: &mut ExecContext<'_>, sink: &mut dyn Sink) -> Result<()> {
    if exprs.is_empty() {
        return Ok(());
    }
    let values: Result<Vec<Datum>> = exprs.iter().map(|e| eval_row(e, row, ctx)).collect();
    ctx.eval.query.count_rows(1)?;
    sink.row(&values?)
}

/// A row that the snapshot has. A connection's task does not wait for the disk; a worker gives its slot back meanwhile.
fn read(tree: TreeId, key: &[u8], ctx: &mut ExecContext<'_>) -> Result<Option<Value>> {
    let snapshot = ctx.snapshot()?;
    if let Some(found) = snapshot.get_cached(tree, key)? {
        return Ok(found);
    }
    ctx.eval.session.wait_begin("IO", "DataFileRead")?;
    let found = snapshot.get(tree, key);
    ctx.eval.session.wait_end();
    Ok(found?)
}

fn get(
    table: &Arc<Table>,
    key: &[Expr],
    filter: Option<&Expr>,
    exprs: &[Expr],
    ctx: &mut ExecContext<'_>,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let access = Access::of(table);
    let Some(key) = row_key(&access, key, ctx)? else { return Ok(0) };
    let Some(value) = read(table.tree, &key, ctx)? else { return Ok(0) };
    let row = access.read(&key, &value)?;
    if !passes(filter, &row, ctx)? {
        return Ok(0);
    }
    if exprs.is_empty() {
        // SELECT of no columns still has its row.
        ctx.eval.query.count_rows(1)?;
        sink.row(&[])?;
    } else {
        emit(exprs, &row, ctx, sink)?;
    }
    Ok(1)
}

/// The row that the snapshot has, locked, in its newest version; none where it is not there, or is gone.
fn lock(access: &Access, key: &[u8], ctx: &mut ExecContext<'_>) -> Result<Option<Vec<Datum>>, Stop> {
    let tree = access.table.tree;
    // A row that is not there must not be locked: another may insert it.
    if read(tree, key, ctx)?.is_none() {
        return Ok(None);
    }
    match ctx.transaction()?.lock_row(tree, key, LockMode::Update, WaitPolicy::Wait)? {
        LockOutcome::Locked { current: Some(value), .. } => Ok(Some(access.read(key, &value)?)),
        LockOutcome::Locked { current: None, .. } => Ok(None),
        LockOutcome::Blocked(wait) => Err(Stop::Wait(wait)),
        LockOutcome::Skipped => Err(SqlError::internal("a lock was skipped").into()),
    }
}

/// Runs writes to several trees so that a wait in between, for a lock or for the disk, leaves nothing behind.
fn all_or_nothing(
    several: bool,
    ctx: &mut ExecContext<'_>,
    write: impl FnOnce(&mut ExecContext<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if !several {
        return write(ctx);
    }
    let transaction = ctx.transaction()?;
    let savepoint: Savepoint = transaction.savepoint();
    let result = write(ctx);
    if result.is_err() {
        transaction.rollback_to(&savepoint);
    }
    transaction.release(savepoint);
    result
}

fn update(plan: &PointPlan, ctx: &mut ExecContext<'_>, sink: &mut dyn Sink) -> Result<u64, Stop> {
    let PointPlan::Update { table, key, filter, assignments, checks, returning } = plan else { return Ok(0) };
    let mut writer = RowWriter::new(table, checks, false);
    let access = Arc::clone(&writer.access);
    let Some(key) = row_key(&access, key, ctx)? else { return Ok(0) };
    let Some(old) = lock(&access, &key, ctx)? else { return Ok(0) };
    if !passes(filter.as_ref(), &old, ctx)? {
        return Ok(0);
    }
    let mut new = old.clone();
    for (column, expr) in assignments {
        let value = eval_row(expr, &old, ctx)?;
        if let Some(place) = new.get_mut(*column) {
            *place = value;
        }
    }
    check_row(&access, checks, &new, ctx)?;
    all_or_nothing(writer.has_indexes(), ctx, |ctx| writer.update(&key, &old, &new, ctx))?;
    emit(returning, &new, ctx, sink)?;
    Ok(1)
}

fn delete(plan: &PointPlan, ctx: &mut ExecContext<'_>, sink: &mut dyn Sink) -> Result<u64, Stop> {
    let PointPlan::Delete { table, key, filter, checks, returning } = plan else { return Ok(0) };
    let mut writer = RowWriter::new(table, checks, false);
    let access = Arc::clone(&writer.access);
    let Some(key) = row_key(&access, key, ctx)? else { return Ok(0) };
    let Some(old) = lock(&access, &key, ctx)? else { return Ok(0) };
    if !passes(filter.as_ref(), &old, ctx)? {
        return Ok(0);
    }
    all_or_nothing(writer.has_indexes(), ctx, |ctx| writer.delete(&key, &old, ctx))?;
    emit(returning, &old, ctx, sink)?;
    Ok(1)
}

fn insert(plan: &PointPlan, ctx: &mut ExecContext<'_>, sink: &mut dyn Sink) -> Result<u64, Stop> {
    let PointPlan::Insert { table, values, checks, returning } = plan else { return Ok(0) };
    let mut writer = RowWriter::new(table, checks, false);
    let row: Result<Vec<Datum>> = values.iter().map(|e| eval_row(e, &[], ctx)).collect();
    let row = row?;
    check_row(&writer.access, checks, &row, ctx)?;
    all_or_nothing(writer.has_indexes(), ctx, |ctx| writer.insert(&row, ctx))?;
    emit(returning, &row, ctx, sink)?;
    Ok(1)
}
