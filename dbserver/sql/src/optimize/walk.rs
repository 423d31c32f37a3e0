//! Children and expressions of plan nodes.

use crate::error::Result;
use crate::expr::Expr;
use crate::plan::{Access, KeyBounds, Plan, SetExpr, SortKey};
use std::sync::Arc;

/// Calls `visit` on each input of a node (not on plans inside expressions).
pub(crate) fn children<'p>(plan: &'p Plan, visit: &mut dyn FnMut(&'p Plan)) {
    match plan {
        Plan::Values { .. }
        | Plan::Empty { .. }
        | Plan::Scan(_)
        | Plan::SystemScan { .. }
        | Plan::FunctionScan { .. }
        | Plan::CteScan { .. } => {}
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::ProjectSet { input, .. }
        | Plan::Aggregate { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::LockRows { input, .. } => visit(input),
        Plan::NestedLoop { left, right, .. }
        | Plan::HashJoin { left, right, .. }
        | Plan::SetOperation { left, right, .. } => {
            visit(left);
            visit(right);
        }
        Plan::Apply { left, right, .. } => {
            visit(left);
            visit(&right.plan);
        }
        Plan::With { ctes, body } => {
            ctes.iter().for_each(|(_, p)| visit(p));
            visit(body);
        }
        Plan::Recursive { base, step, .. } => {
            visit(base);
            visit(step);
        }
        Plan::Insert(insert) => visit(&insert.input),
        Plan::Update(update) => visit(&update.input),
        Plan::Delete(delete) => visit(&delete.input),
    }
}

/// Replaces each input of a node.
pub(crate) fn map_children(plan: Plan, map: &mut dyn FnMut(Plan) -> Result<Plan>) -> Result<Plan> {
    let mut plan = plan;
    let mut replace = |slot: &mut Plan| -> Result<()> {
        let old = std::mem::replace(slot, Plan::Empty { types: Vec::new() });
        *slot = map(old)?;
        Ok(())
    };
    match &mut plan {
        Plan::Values { .. }
        | Plan::Empty { .. }
        | Plan::Scan(_)
        | Plan::SystemScan { .. }
        | Plan::FunctionScan { .. }
        | Plan::CteScan { .. } => {}
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::ProjectSet { input, .. }
        | Plan::Aggregate { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::LockRows { input, .. } => replace(input)?,
        Plan::NestedLoop { left, right, .. }
        | Plan::HashJoin { left, right, .. }
        | Plan::SetOperation { left, right, .. } => {
            replace(left)?;
            replace(right)?;
        }
        Plan::Apply { left, right, .. } => {
            replace(left)?;
            replace(&mut Arc::make_mut(right).plan)?;
        }
        Plan::With { ctes, body } => {
            for (_, plan) in ctes {
                replace(plan)?;
            }
            replace(body)?;
        }
        Plan::Recursive { base, step, .. } => {
            replace(base)?;
            replace(step)?;
        }
        Plan::Insert(insert) => replace(&mut insert.input)?,
        Plan::Update(update) => replace(&mut update.input)?,
        Plan::Delete(delete) => replace(&mut delete.input)?,
    }
    Ok(plan)
}

fn sort_keys<'e>(keys: &'e [SortKey], visit: &mut dyn FnMut(&'e Expr)) {
    keys.iter().for_each(|k| visit(&k.expr));
}

fn bounds<'e>(bounds: &'e KeyBounds, visit: &mut dyn FnMut(&'e Expr)) {
    bounds.equal.iter().for_each(&mut *visit);
    bounds.any.iter().for_each(&mut *visit);
    bounds.lower.iter().chain(&bounds.upper).for_each(|(e, _)| visit(e));
}

/// Calls `visit` on each expression of a node itself.
pub(crate) fn exprs<'p>(plan: &'p Plan, visit: &mut dyn FnMut(&'p Expr)) {
    match plan {
        Plan::Values { rows, .. } => rows.iter().flatten().for_each(visit),
        Plan::Scan(scan) => {
            scan.filter.iter().for_each(&mut *visit);
            match &scan.access {
                Access::Full => {}
                Access::PrimaryKey(b) | Access::Index(_, b) => bounds(b, visit),
            }
        }
        Plan::SystemScan { filter, .. } => filter.iter().for_each(visit),
        Plan::FunctionScan { calls, .. } => calls.iter().flat_map(|(_, a)| a).for_each(visit),
        Plan::Filter { predicate, .. } => visit(predicate),
        Plan::Project { exprs, .. } => exprs.iter().for_each(visit),
        Plan::ProjectSet { exprs, .. } => exprs.iter().for_each(|e| match e {
            SetExpr::Scalar(e) => visit(e),
            SetExpr::Set(_, args) => args.iter().for_each(&mut *visit),
        }),
        Plan::NestedLoop { on, .. } => on.iter().for_each(visit),
        Plan::HashJoin { left_keys, right_keys, residual, .. } => {
            left_keys.iter().chain(right_keys).chain(residual).for_each(visit)
        }
        Plan::Apply { right, on, .. } => right.args.iter().chain(on).for_each(visit),
        Plan::Aggregate { groups, aggregates, .. } => {
            groups.iter().for_each(&mut *visit);
            for aggregate in aggregates {
                aggregate.args.iter().chain(&aggregate.filter).for_each(&mut *visit);
                sort_keys(&aggregate.order, visit);
            }
        }
        Plan::Sort { keys, limit, .. } => {
            sort_keys(keys, visit);
            limit.iter().for_each(visit);
        }
        Plan::Limit { limit, offset, .. } => limit.iter().chain(offset).for_each(visit),
        Plan::LockRows { recheck, .. } => recheck.iter().for_each(visit),
        Plan::Insert(insert) => {
            insert.returning.iter().for_each(&mut *visit);
            if let Some((assignments, filter)) = insert.conflict.as_ref().and_then(|c| c.update.as_ref()) {
                assignments.iter().map(|(_, e)| e).chain(filter).for_each(visit);
            }
        }
        Plan::Update(update) => {
            let assigned = update.assignments.iter().map(|(_, e)| e);
            assigned.chain(&update.recheck).chain(&update.returning).for_each(visit);
        }
        Plan::Delete(delete) => delete.recheck.iter().chain(&delete.returning).for_each(visit),
        Plan::Empty { .. }
        | Plan::CteScan { .. }
        | Plan::Distinct { .. }
        | Plan::SetOperation { .. }
        | Plan::With { .. }
        | Plan::Recursive { .. } => {}
    }
}

/// Calls `visit` on each expression of a node itself, to change it.
pub(crate) fn exprs_mut(plan: &mut Plan, visit: &mut dyn FnMut(&mut Expr) -> Result<()>) -> Result<()> {
    match plan {
        Plan::Values { rows, .. } => rows.iter_mut().flatten().try_for_each(visit),
        Plan::Scan(scan) => {
            scan.filter.iter_mut().try_for_each(&mut *visit)?;
            match &mut scan.access {
                Access::Full => Ok(()),
                Access::PrimaryKey(b) | Access::Index(_, b) => {
                    b.equal.iter_mut().try_for_each(&mut *visit)?;
                    b.any.iter_mut().try_for_each(&mut *visit)?;
                    b.lower.iter_mut().chain(&mut b.upper).try_for_each(|(e, _)| visit(e))
                }
            }
        }
        Plan::SystemScan { filter, .. } => filter.iter_mut().try_for_each(visit),
        Plan::FunctionScan { calls, .. } => calls.iter_mut().flat_map(|(_, a)| a).try_for_each(visit),
        Plan::Filter { predicate, .. } => visit(predicate),
        Plan::Project { exprs, .. } => exprs.iter_mut().try_for_each(visit),
        Plan::ProjectSet { exprs, .. } => exprs.iter_mut().try_for_each(|e| match e {
            SetExpr::Scalar(e) => visit(e),
            SetExpr::Set(_, args) => args.iter_mut().try_for_each(&mut *visit),
        }),
        Plan::NestedLoop { on, .. } => on.iter_mut().try_for_each(visit),
        Plan::HashJoin { left_keys, right_keys, residual, .. } => {
            left_keys.iter_mut().chain(right_keys).chain(residual).try_for_each(visit)
        }
        Plan::Apply { right, on, .. } => {
            Arc::make_mut(right).args.iter_mut().try_for_each(&mut *visit)?;
            on.iter_mut().try_for_each(visit)
        }
        Plan::Aggregate { groups, aggregates, .. } => {
            groups.iter_mut().try_for_each(&mut *visit)?;
            for aggregate in aggregates {
                aggregate.args.iter_mut().chain(&mut aggregate.filter).try_for_each(&mut *visit)?;
                aggregate.order.iter_mut().try_for_each(|k| visit(&mut k.expr))?;
            }
            Ok(())
        }
        Plan::Sort { keys, limit, .. } => {
            keys.iter_mut().try_for_each(|k| visit(&mut k.expr))?;
            limit.iter_mut().try_for_each(visit)
        }
        Plan::Limit { limit, offset, .. } => limit.iter_mut().chain(offset).try_for_each(visit),
        Plan::LockRows { recheck, .. } => recheck.iter_mut().try_for_each(visit),
        Plan::Insert(insert) => {
            insert.returning.iter_mut().try_for_each(&mut *visit)?;
            if let Some((assignments, filter)) = insert.conflict.as_mut().and_then(|c| c.update.as_mut()) {
                assignments.iter_mut().map(|(_, e)| e).chain(filter).try_for_each(visit)?;
            }
            Ok(())
        }
        Plan::Update(update) => {
            let update = &mut **update;
            let assigned = update.assignments.iter_mut().map(|(_, e)| e);
            assigned.chain(&mut update.recheck).chain(&mut update.returning).try_for_each(visit)
        }
        Plan::Delete(delete) => {
            let delete = &mut **delete;
            delete.recheck.iter_mut().chain(&mut delete.returning).try_for_each(visit)
        }
        Plan::Empty { .. }
        | Plan::CteScan { .. }
        | Plan::Distinct { .. }
        | Plan::SetOperation { .. }
        | Plan::With { .. }
        | Plan::Recursive { .. } => Ok(()),
    }
}
