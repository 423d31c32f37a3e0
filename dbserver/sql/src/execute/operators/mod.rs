//! The operators: one file each. [`open`] makes the tree for a plan; pulling its root runs it.

use super::context::ExecContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::Plan;
use crate::vector::Batch;

mod aggregate;
mod apply;
mod cte;
mod delete;
mod distinct;
mod filter;
mod function_scan;
mod gathered;
mod hash_join;
mod insert;
mod limit;
mod lock_rows;
mod nested_loop;
mod pairs;
mod project;
mod project_set;
mod recursive;
mod scan;
mod set_operation;
mod sort;
mod system_scan;
mod target;
mod update;
mod values;

pub(super) use gathered::IN_FILE_ROWS_MIN;
pub(crate) use system_scan::Lookup;

/// Operators above each other: each is a call deeper into the stack.
const PLAN_DEPTH_MAX: usize = 256;

/// Gives batches of rows until there are no more.
pub trait Operator: Send {
    /// The next rows, at least one; none at the end. Not to be called again after the end or an error.
    ///
    /// # Errors
    /// Whatever the operator fails with; 57014 when the statement has to stop; 53200 over its memory.
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>>;

    /// Rows inserted, updated or deleted so far, where that is what the operator does.
    fn affected(&self) -> u64 {
        0
    }

    /// What is known of the batch given last.
    fn gaps(&self) -> Gaps {
        Gaps::default()
    }
}

/// Where it is known that rows of a table come one after the other in the order of their keys, with no other row that the snapshot
/// sees between them.
#[derive(Clone, Copy, Default)]
pub struct Gaps {
    /// There is none between the rows of a batch.
    pub none_within: bool,
    /// There is none between the batch before and this one.
    pub none_before: bool,
}

impl Gaps {
    /// Of the rows that a filter leaves of a batch, which ascend. `passed`: whether it has left out rows since the last that it has left.
    fn filtered(self, keep: &[u32], rows: usize, passed: &mut bool) -> Gaps {
        let (Some(first), Some(last)) = (keep.first(), keep.last()) else {
            *passed = true;
            return Gaps::default();
        };
        let (first, last) = (*first as usize, *last as usize);
        let follows = !std::mem::replace(passed, last.saturating_add(1) < rows);
        Gaps {
            none_within: self.none_within && last.saturating_sub(first) < keep.len(),
            none_before: self.none_before && follows && first == 0,
        }
    }
}

/// An operator that borrows from its plan.
pub type BoxOperator<'p> = Box<dyn Operator + 'p>;

/// Makes the operators of a plan. Nothing runs before the first `next`.
///
/// # Errors
/// XX000 for a plan that makes no sense, 54001 for one that is too deep.
pub fn open<'p>(plan: &'p Plan, ctx: &mut ExecContext<'_>) -> Result<BoxOperator<'p>> {
    if ctx.state.depth >= PLAN_DEPTH_MAX {
        return Err(SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
    }
    ctx.state.depth = ctx.state.depth.saturating_add(1);
    let operator = open_operator(plan, ctx);
    ctx.state.depth = ctx.state.depth.saturating_sub(1);
    operator
}

/// Boxes an operator in a frame of its own, so that opening a deep plan needs little stack per level.
#[inline(never)]
fn boxed<'p, O: Operator + 'p>(make: impl FnOnce() -> O) -> BoxOperator<'p> {
    Box::new(make())
}

fn open_operator<'p>(plan: &'p Plan, ctx: &mut ExecContext<'_>) -> Result<BoxOperator<'p>> {
    match plan {
        Plan::NestedLoop { left, right, .. }
        | Plan::HashJoin { left, right, .. }
        | Plan::SetOperation { left, right, .. } => {
            let sides = (open(left, ctx)?, open(right, ctx)?);
            open_binary(plan, sides, (left, right), ctx)
        }
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::ProjectSet { input, .. }
        | Plan::Apply { left: input, .. }
        | Plan::Aggregate { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::With { body: input, .. }
        | Plan::Recursive { base: input, .. }
        | Plan::LockRows { input, .. } => {
            let opened = open(input, ctx)?;
            open_unary(plan, opened, input, ctx)
        }
        Plan::Insert(plan) => {
            let input = open(&plan.input, ctx)?;
            Ok(boxed(|| insert::Insert::new(plan, input)))
        }
        Plan::Update(plan) => {
            let input = open(&plan.input, ctx)?;
            Ok(boxed(|| update::Update::new(plan, input)))
        }
        Plan::Delete(plan) => {
            let input = open(&plan.input, ctx)?;
            Ok(boxed(|| delete::Delete::new(plan, input)))
        }
        _ => open_leaf(plan),
    }
}

/// Operators without an input.
#[inline(never)]
fn open_leaf(plan: &Plan) -> Result<BoxOperator<'_>> {
    Ok(match plan {
        Plan::Values { rows, types } => boxed(|| values::Values::new(rows, types)),
        Plan::Empty { .. } => boxed(|| values::Empty),
        Plan::Scan(scan) => boxed(|| scan::Scan::new(scan)),
        Plan::SystemScan { relation, columns, filter } => {
            boxed(|| system_scan::SystemScan::new(relation, columns, filter.as_ref()))
        }
        Plan::FunctionScan { calls, ordinality, types } => {
            boxed(|| function_scan::FunctionScan::new(calls, *ordinality, types))
        }
        Plan::CteScan { id, .. } => boxed(|| cte::CteScan::new(*id)),
        _ => return Err(misuse("an operator without its input")),
    })
}

/// Operators with one input.
#[inline(never)]
fn open_unary<'p>(
    plan: &'p Plan,
    opened: BoxOperator<'p>,
    from: &'p Plan,
    ctx: &mut ExecContext<'_>,
) -> Result<BoxOperator<'p>> {
    Ok(match plan {
        Plan::Filter { predicate, .. } => boxed(|| filter::Filter::new(opened, predicate)),
        Plan::Project { exprs, .. } => boxed(|| project::Project { input: opened, exprs }),
        Plan::ProjectSet { exprs, .. } => boxed(|| project_set::ProjectSet::new(opened, exprs)),
        Plan::Apply { kind, right, on, .. } => {
            let apply = apply::Apply::new(*kind, opened, right, on.as_ref())?;
            boxed(|| apply)
        }
        Plan::Aggregate { groups, sets, aggregates, .. } => {
            let aggregation = aggregate::Aggregation::new(opened, groups, sets, aggregates, ctx)?;
            boxed(|| aggregation)
        }
        Plan::Sort { keys, limit, .. } => boxed(|| sort::Sort::new(opened, from, keys, limit.as_ref(), ctx)),
        Plan::Limit { limit, offset, .. } => {
            boxed(|| limit::Limit::new(opened, limit.as_ref(), offset.as_ref()))
        }
        Plan::Distinct { columns, .. } => boxed(|| distinct::Distinct::new(opened, from, columns, ctx)),
        Plan::With { ctes, .. } => boxed(|| cte::With::new(ctes, opened)),
        Plan::Recursive { id, step, all, .. } => {
            boxed(|| recursive::Recursive::new(*id, opened, from, step, *all, ctx))
        }
        Plan::LockRows { targets, recheck, share, wait, .. } => boxed(|| lock_rows::LockRows {
            input: opened,
            pending: None,
            targets,
            recheck: recheck.as_ref(),
            share: *share,
            wait: *wait,
        }),
        _ => return Err(misuse("an operator with one input")),
    })
}

/// Operators with two inputs.
#[inline(never)]
fn open_binary<'p>(
    plan: &'p Plan,
    sides: (BoxOperator<'p>, BoxOperator<'p>),
    from: (&'p Plan, &'p Plan),
    ctx: &mut ExecContext<'_>,
) -> Result<BoxOperator<'p>> {
    Ok(match plan {
        Plan::NestedLoop { kind, on, .. } => {
            boxed(|| nested_loop::NestedLoop::new(*kind, sides, from, on.as_ref(), ctx))
        }
        Plan::HashJoin { kind, left_keys, right_keys, residual, .. } => boxed(|| {
            let keys = (left_keys.as_slice(), right_keys.as_slice());
            hash_join::HashJoin::new(*kind, sides, from, keys, residual.as_ref(), ctx)
        }),
        Plan::SetOperation { op, all, .. } => {
            boxed(|| set_operation::SetOperation::new(*op, *all, sides, from.0, ctx))
        }
        _ => return Err(misuse("an operator with two inputs")),
    })
}

/// Reads one batch after the other, giving up when the statement has to stop.
pub(crate) fn pull(input: &mut BoxOperator<'_>, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
    ctx.check()?;
    input.next(ctx)
}

/// An operator was used in a way its plan does not allow.
pub(crate) fn misuse(what: &str) -> SqlError {
    SqlError::internal(format!("malformed plan: {what}"))
}
