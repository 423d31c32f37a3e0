//! EXISTS and IN become semi joins, NOT EXISTS anti joins, where the subquery looks out only through its top conditions.

use super::walk;
use crate::error::Result;
use crate::expr::{Expr, ExprKind, SubPlan, SubqueryKind};
use crate::plan::{JoinKind, Plan, visit};
use crate::types::Type;

/// Rewrites all filters of a plan.
pub(super) fn unnest(plan: Plan) -> Result<Plan> {
    let plan = walk::map_children(plan, &mut unnest)?;
    let Plan::Filter { input, predicate } = plan else { return Ok(plan) };
    let mut conditions = Vec::new();
    visit::conjuncts(predicate, &mut conditions);
    let mut input = *input;
    let mut rest = Vec::new();
    for condition in conditions {
        let width = visit::width(&input);
        match join_of(&condition, width) {
            Some((kind, right, on)) => {
                input = Plan::NestedLoop { kind, left: Box::new(input), right: Box::new(unnest(right)?), on };
            }
            None => rest.push(condition),
        }
    }
    Ok(super::pushdown::filter(input, rest))
}

fn join_of(condition: &Expr, width: usize) -> Option<(JoinKind, Plan, Option<Expr>)> {
    let (negated, condition) = match &condition.kind {
        ExprKind::Not(inner) => (true, &**inner),
        _ => (false, condition),
    };
    let ExprKind::Subquery { kind, plan } = &condition.kind else { return None };
    // The arguments must be plain values of the row at hand: what comes from further out is not the join's to give.
    if plan
        .args
        .iter()
        .any(|a| visit::any(a, &mut |e| matches!(e.kind, ExprKind::Outer(_) | ExprKind::Subquery { .. })))
    {
        return None;
    }
    match kind {
        SubqueryKind::Exists => {
            let (right, on) = lift(plan, width, &mut |_| Some(Vec::new()))?;
            let kind = if negated { JoinKind::Anti } else { JoinKind::Semi };
            Some((kind, right, visit::conjunction(on)))
        }
        // NOT IN is no anti join: a null makes it unknown.
        SubqueryKind::Compare { left, functions, all: false, .. } if !negated => {
            if left.iter().any(visit::has_subquery) {
                return None;
            }
            let (right, on) = lift(plan, width, &mut |outputs| {
                if outputs.len() != left.len() {
                    return None;
                }
                let pairs = left.iter().zip(outputs).zip(functions);
                Some(
                    pairs
                        .map(|((l, r), function)| Expr {
                            kind: ExprKind::Call { function, args: vec![l.clone(), r.clone()] },
                            ty: Type::BOOL,
                            typmod: -1,
                        })
                        .collect(),
                )
            })?;
            Some((JoinKind::Semi, right, visit::conjunction(on)))
        }
        _ => None,
    }
}

/// Takes the subquery's outer conditions up into a join condition. `compare` makes more of it from the subquery's outputs as seen in
/// the joined row. None where the subquery looks out from deeper down.
fn lift(
    sub: &SubPlan,
    width: usize,
    compare: &mut dyn FnMut(&[Expr]) -> Option<Vec<Expr>>,
) -> Option<(Plan, Vec<Expr>)> {
    // Project(Filter(rows)), where either may be missing.
    let (outputs, below) = match &sub.plan {
        Plan::Project { input, exprs } => (Some(exprs.as_slice()), &**input),
        other => (None, other),
    };
    let mut conditions = Vec::new();
    let rows = match below {
        Plan::Filter { input, predicate } => {
            visit::conjuncts(predicate.clone(), &mut conditions);
            &**input
        }
        other => other,
    };
    if sub.args.is_empty() {
        // Looks out nowhere: any shape will do.
        let types = visit::types(&sub.plan);
        let all: Vec<Expr> =
            types.iter().enumerate().map(|(i, t)| Expr::column(width + i, t.ty, t.typmod)).collect();
        return Some((sub.plan.clone(), compare(&all)?));
    }
    if looks_out(rows) {
        return None;
    }
    let in_join = |expr: &Expr| {
        let mut expr = expr.clone();
        visit::shift(&mut expr, width);
        with_args(&mut expr, &sub.args);
        expr
    };
    let is_outer = |e: &Expr| visit::any(e, &mut |e| matches!(e.kind, ExprKind::Outer(_)));
    if conditions.iter().any(|c| is_outer(c) && visit::has_subquery(c)) {
        return None;
    }
    let (outer, inner): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(|c| is_outer(c));
    // The outputs are computed from the rows as they come, so that conditions and outputs share their columns.
    let outputs: Vec<Expr> = match outputs {
        Some(exprs) => {
            if exprs.iter().any(|e| visit::has_subquery(e) || visit::is_volatile(e)) {
                return None;
            }
            exprs.iter().map(&in_join).collect()
        }
        None => visit::types(rows)
            .iter()
            .enumerate()
            .map(|(i, t)| Expr::column(width + i, t.ty, t.typmod))
            .collect(),
    };
    let mut on: Vec<Expr> = outer.iter().map(&in_join).collect();
    on.extend(compare(&outputs)?);
    Some((super::pushdown::filter(rows.clone(), inner), on))
}

fn with_args(expr: &mut Expr, args: &[Expr]) {
    if let ExprKind::Outer(at) = expr.kind {
        if let Some(arg) = args.get(at) {
            let (ty, typmod) = (expr.ty, expr.typmod);
            *expr = arg.clone().relabelled(ty, typmod);
        }
        return;
    }
    let Ok(()) = visit::children_mut::<std::convert::Infallible>(expr, &mut |child| {
        with_args(child, args);
        Ok(())
    });
}

/// Whether anything in a plan reads an outer value, or keeps or counts rows so that conditions may not be lifted past it.
fn looks_out(plan: &Plan) -> bool {
    let mut found = matches!(plan, Plan::Limit { .. } | Plan::Aggregate { .. } | Plan::With { .. });
    walk::exprs(plan, &mut |expr| {
        found = found || visit::any(expr, &mut |e| matches!(e.kind, ExprKind::Outer(_)));
    });
    // The plan of an Apply has Outer numbers of its own.
    match plan {
        Plan::Apply { left, .. } => found = found || looks_out(left),
        other => walk::children(other, &mut |child| found = found || looks_out(child)),
    }
    found
}
