//! From the logical plan to the one that runs.
//!
//! 1. Constants are folded ([`fold`]); subqueries in expressions are optimized on their own.
//! 2. EXISTS and IN whose subquery looks out only through equalities become semi and anti joins ([`unnest`]).
//! 3. Conditions sink as deep as they can, and chains of inner joins are put in an order ([`pushdown`], [`join`]).
//! 4. Scans choose an index by what their filters say ([`keys`]); min and max read the first row of an index's order
//!    ([`extreme`]), and sorts that an index gives already go ([`order`]).
//! 5. Columns nobody reads are dropped ([`prune`]).
//!
//! What costs least is worked out by [`estimate`] from the tables' sizes and the statistics of their columns ([`selectivity`]).

mod estimate;
mod evaluate;
mod extreme;
pub(crate) mod fold;
mod implies;
mod join;
mod join_order;
pub(crate) mod keys;
mod order;
mod prune;
mod pushdown;
mod selectivity;
mod unnest;
pub(crate) mod walk;

pub(crate) use estimate::{Estimate, of as estimate, row as estimate_row};
pub(crate) use keys::wants_values;

use crate::bind::BindContext;
use crate::error::Result;
use crate::expr::{Expr, ExprKind};
use crate::plan::{Plan, visit};
use std::sync::Arc;

/// The plan to run.
pub(crate) fn optimize(plan: Plan, context: &BindContext<'_>) -> Result<Plan> {
    let plan = expressions(plan, context)?;
    let plan = unnest::unnest(plan)?;
    let plan = pushdown::push(plan, Vec::new())?;
    let plan = access(plan)?;
    let plan = extreme::use_indexes(plan)?;
    let plan = order::use_indexes(plan)?;
    prune::prune(plan)
}

/// Folds expressions and optimizes the plans inside them.
fn expressions(plan: Plan, context: &BindContext<'_>) -> Result<Plan> {
    let mut plan = walk::map_children(plan, &mut |child| expressions(child, context))?;
    walk::exprs_mut(&mut plan, &mut |expr| {
        fold::fold_in_place(expr, context.settings);
        subqueries(expr, context)
    })?;
    Ok(plan)
}

fn subqueries(expr: &mut Expr, context: &BindContext<'_>) -> Result<()> {
    if let ExprKind::Subquery { plan, .. } = &mut expr.kind {
        let sub = Arc::make_mut(plan);
        let inner = std::mem::replace(&mut sub.plan, Plan::Empty { types: Vec::new() });
        // Its scans keep their logical form until it is known whether it becomes a join.
        sub.plan = expressions(inner, context)?;
    }
    visit::children_mut(expr, &mut |child| subqueries(child, context))
}

/// Optimizes the plans of subqueries that stay subqueries.
fn finish_subqueries(expr: &mut Expr) -> Result<()> {
    if let ExprKind::Subquery { plan, .. } = &mut expr.kind {
        let sub = Arc::make_mut(plan);
        let inner = std::mem::replace(&mut sub.plan, Plan::Empty { types: Vec::new() });
        let inner = unnest::unnest(inner)?;
        let inner = pushdown::push(inner, Vec::new())?;
        let inner = access(inner)?;
        let inner = extreme::use_indexes(inner)?;
        let inner = order::use_indexes(inner)?;
        sub.plan = prune::prune(inner)?;
    }
    visit::children_mut(expr, &mut finish_subqueries)
}

/// Chooses access paths of all scans.
fn access(plan: Plan) -> Result<Plan> {
    let mut plan = walk::map_children(plan, &mut access)?;
    walk::exprs_mut(&mut plan, &mut finish_subqueries)?;
    Ok(match plan {
        Plan::Scan(scan) => Plan::Scan(keys::choose_access(scan)),
        other => other,
    })
}

#[cfg(test)]
mod tests;
