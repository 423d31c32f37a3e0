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

fn open_operator<'p>(plan: &'p Plan, ctx: &mut ExecContext<'_>) -> Result<BoxOperator<'p>> {
    Ok(match plan {
        Plan::Values { rows, types } => Box::new(values::Values::new(rows, types)),
        Plan::Empty { .. } => Box::new(values::Empty),
        Plan::Scan(scan) => Box::new(scan::Scan::new(scan)),
        Plan::SystemScan { relation, columns, filter } => {
            Box::new(system_scan::SystemScan::new(relation, columns, filter.as_ref()))
        }
        Plan::FunctionScan { calls, ordinality, types } => {
            Box::new(function_scan::FunctionScan::new(calls, *ordinality, types))
        }
        Plan::Filter { input, predicate } => Box::new(filter::Filter { input: open(input, ctx)?, predicate }),
        Plan::Project { input, exprs } => Box::new(project::Project { input: open(input, ctx)?, exprs }),
        Plan::ProjectSet { input, exprs } => Box::new(project_set::ProjectSet::new(open(input, ctx)?, exprs)),
        Plan::NestedLoop { kind, left, right, on } => {
            let sides = (open(left, ctx)?, open(right, ctx)?);
            Box::new(nested_loop::NestedLoop::new(*kind, sides, (left, right), on.as_ref(), ctx))
        }
        Plan::HashJoin { kind, left, right, left_keys, right_keys, residual } => {
            let sides = (open(left, ctx)?, open(right, ctx)?);
            let keys = (left_keys.as_slice(), right_keys.as_slice());
            Box::new(hash_join::HashJoin::new(*kind, sides, (left, right), keys, residual.as_ref(), ctx))
        }
        Plan::Apply { kind, left, right, on } => {
            Box::new(apply::Apply::new(*kind, open(left, ctx)?, right, on.as_ref())?)
        }
        Plan::Aggregate { input, groups, sets, aggregates } => {
            Box::new(aggregate::Aggregation::new(open(input, ctx)?, groups, sets, aggregates, ctx)?)
        }
        Plan::Sort { input, keys, limit } => {
            Box::new(sort::Sort::new(open(input, ctx)?, input, keys, limit.as_ref(), ctx))
        }
        Plan::Limit { input, limit, offset } => {
            Box::new(limit::Limit::new(open(input, ctx)?, limit.as_ref(), offset.as_ref()))
        }
        Plan::Distinct { input, columns } => {
            Box::new(distinct::Distinct::new(open(input, ctx)?, input, columns, ctx))
        }
        Plan::SetOperation { op, all, left, right } => {
            let sides = (open(left, ctx)?, open(right, ctx)?);
            Box::new(set_operation::SetOperation::new(*op, *all, sides, left, ctx))
        }
        Plan::With { ctes, body } => Box::new(cte::With::new(ctes, open(body, ctx)?)),
        Plan::CteScan { id, .. } => Box::new(cte::CteScan::new(*id)),
        Plan::Recursive { id, base, step, all } => {
            Box::new(recursive::Recursive::new(*id, open(base, ctx)?, base, step, *all, ctx))
        }
        Plan::LockRows { input, targets, recheck, share, wait } => Box::new(lock_rows::LockRows {
            input: open(input, ctx)?,
            pending: None,
            targets,
            recheck: recheck.as_ref(),
            share: *share,
            wait: *wait,
        }),
        Plan::Insert(plan) => Box::new(insert::Insert::new(plan, open(&plan.input, ctx)?)),
        Plan::Update(plan) => Box::new(update::Update::new(plan, open(&plan.input, ctx)?)),
        Plan::Delete(plan) => Box::new(delete::Delete::new(plan, open(&plan.input, ctx)?)),
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
