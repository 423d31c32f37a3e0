//! Sinks conditions towards the scans.

use super::{join, walk};
use crate::error::Result;
use crate::expr::{Expr, ExprKind};
use crate::plan::{JoinKind, Plan, SetExpr, visit};
use std::sync::Arc;

/// `plan` with `conditions` (over its output) applied as deep as possible.
pub(super) fn push(plan: Plan, mut conditions: Vec<Expr>) -> Result<Plan> {
    match plan {
        Plan::Filter { input, predicate } => {
            let mut all = Vec::new();
            visit::conjuncts(predicate, &mut all);
            all.append(&mut conditions);
            push(*input, all)
        }
        Plan::Project { input, exprs } => {
            let (down, stay) = partition(conditions, |c| {
                columns_all(c, |at| {
                    exprs.get(at).is_some_and(|e| !visit::is_volatile(e) && !visit::has_subquery(e))
                })
            });
            let down = down.into_iter().map(|c| substitute(c, &exprs)).collect();
            let input = Box::new(push(*input, down)?);
            Ok(filter(Plan::Project { input, exprs }, stay))
        }
        Plan::ProjectSet { input, exprs } => {
            let (down, stay) = partition(conditions, |c| {
                columns_all(
                    c,
                    |at| matches!(exprs.get(at), Some(SetExpr::Scalar(e)) if !visit::is_volatile(e)),
                )
            });
            let scalars: Vec<Expr> = exprs
                .iter()
                .map(|e| match e {
                    SetExpr::Scalar(e) => e.clone(),
                    SetExpr::Set(..) => {
                        Expr::constant(crate::types::Datum::Null, crate::types::Type::UNKNOWN)
                    }
                })
                .collect();
            let down = down.into_iter().map(|c| substitute(c, &scalars)).collect();
            let input = Box::new(push(*input, down)?);
            Ok(filter(Plan::ProjectSet { input, exprs }, stay))
        }
        Plan::Sort { input, keys, limit: None } => {
            let input = Box::new(push(*input, conditions)?);
            Ok(Plan::Sort { input, keys, limit: None })
        }
        Plan::NestedLoop { .. } => push_join(plan, conditions),
        Plan::Apply { kind, left, right, on } => {
            let width = visit::width(&left);
            let movable = |c: &Expr| !visit::is_volatile(c);
            let (mut to_left, stay) =
                partition(conditions, |c| movable(c) && columns_all(c, |at| at < width));
            let mut right = right;
            let mut on_rest = Vec::new();
            if let Some(on) = on {
                visit::conjuncts(on, &mut on_rest);
            }
            let (inner, above) =
                if kind == JoinKind::Inner { (stay, Vec::new()) } else { (Vec::new(), stay) };
            on_rest.extend(inner);
            if kind == JoinKind::Inner {
                let (more, rest) = partition(on_rest, |c| movable(c) && columns_all(c, |at| at < width));
                to_left.extend(more);
                on_rest = rest;
            }
            let (to_right, on_rest) = partition(on_rest, |c| {
                movable(c) && !visit::has_subquery(c) && columns_all(c, |at| at >= width)
                    // Outer values are numbered differently inside.
                    && !visit::any(c, &mut |e| matches!(e.kind, ExprKind::Outer(_)))
            });
            let to_right = to_right.into_iter().map(|c| shifted_down(c, width)).collect();
            let left = Box::new(push(*left, to_left)?);
            let sub = Arc::make_mut(&mut right);
            let inner = std::mem::replace(&mut sub.plan, Plan::Empty { types: Vec::new() });
            sub.plan = push(inner, to_right)?;
            Ok(filter(Plan::Apply { kind, left, right, on: visit::conjunction(on_rest) }, above))
        }
        Plan::Aggregate { input, groups, sets, aggregates } => {
            let movable = sets.len() == 1 && !groups.is_empty();
            let (down, stay) = partition(conditions, |c| {
                movable
                    && !visit::is_volatile(c)
                    && columns_all(c, |at| groups.get(at).is_some_and(|g| !visit::is_volatile(g)))
            });
            let down = down.into_iter().map(|c| substitute(c, &groups)).collect();
            let input = Box::new(push(*input, down)?);
            Ok(filter(Plan::Aggregate { input, groups, sets, aggregates }, stay))
        }
        Plan::Distinct { input, columns } => {
            let (down, stay) = partition(conditions, |c| {
                !visit::is_volatile(c) && columns_all(c, |at| columns.contains(&at))
            });
            let input = Box::new(push(*input, down)?);
            Ok(filter(Plan::Distinct { input, columns }, stay))
        }
        Plan::SetOperation { op, all, left, right } => {
            let (down, stay) = partition(conditions, |c| !visit::is_volatile(c) && !visit::has_subquery(c));
            let left = Box::new(push(*left, down.clone())?);
            let right = Box::new(push(*right, down)?);
            Ok(filter(Plan::SetOperation { op, all, left, right }, stay))
        }
        Plan::With { ctes, body } => {
            let ctes =
                ctes.into_iter().map(|(id, p)| Ok((id, push(p, Vec::new())?))).collect::<Result<Vec<_>>>()?;
            Ok(Plan::With { ctes, body: Box::new(push(*body, conditions)?) })
        }
        Plan::Scan(mut scan) => {
            conditions.extend(scan.filter.take());
            scan.filter = visit::conjunction(conditions);
            Ok(Plan::Scan(scan))
        }
        Plan::SystemScan { relation, columns, filter } => {
            conditions.extend(filter);
            Ok(Plan::SystemScan { relation, columns, filter: visit::conjunction(conditions) })
        }
        other => Ok(filter(walk::map_children(other, &mut |child| push(child, Vec::new()))?, conditions)),
    }
}

fn push_join(plan: Plan, conditions: Vec<Expr>) -> Result<Plan> {
    let Plan::NestedLoop { kind, left, right, on } = plan else { return Ok(filter(plan, conditions)) };
    let width = visit::width(&left);
    let mut on_parts = Vec::new();
    if let Some(on) = on {
        visit::conjuncts(on, &mut on_parts);
    }
    // A condition that is never true for a null-extended row makes the outer join an inner one.
    let rejects =
        |side: fn(usize, usize) -> bool| conditions.iter().any(|c| rejects_nulls(c, &|at| side(at, width)));
    let on_right = |at: usize, width: usize| at >= width;
    let on_left = |at: usize, width: usize| at < width;
    let kind = match kind {
        JoinKind::Left if rejects(on_right) => JoinKind::Inner,
        JoinKind::Right if rejects(on_left) => JoinKind::Inner,
        JoinKind::Full => match (rejects(on_left), rejects(on_right)) {
            (true, true) => JoinKind::Inner,
            (true, false) => JoinKind::Left,
            (false, true) => JoinKind::Right,
            (false, false) => JoinKind::Full,
        },
        kind => kind,
    };
    if kind == JoinKind::Inner {
        return join::inner(
            Plan::NestedLoop { kind, left, right, on: visit::conjunction(on_parts) },
            conditions,
        );
    }
    let movable = |c: &Expr| !visit::is_volatile(c);
    let left_only = |c: &Expr| movable(c) && columns_all(c, |at| at < width);
    let right_only = |c: &Expr| movable(c) && columns_all(c, |at| at >= width) && has_columns(c);
    let (mut to_left, mut to_right, mut stay) = (Vec::new(), Vec::new(), conditions);
    let mut on_stay = on_parts;
    match kind {
        JoinKind::Left => {
            (to_left, stay) = partition(stay, left_only);
            (to_right, on_stay) = partition(on_stay, right_only);
        }
        JoinKind::Right => {
            (to_right, stay) = partition(stay, right_only);
            (to_left, on_stay) = partition(on_stay, left_only);
        }
        JoinKind::Semi | JoinKind::Anti => {
            (to_left, stay) = partition(stay, left_only);
            (to_right, on_stay) = partition(on_stay, right_only);
        }
        JoinKind::Full | JoinKind::Inner => {}
    }
    let to_right = to_right.into_iter().map(|c| shifted_down(c, width)).collect();
    let left = push(*left, to_left)?;
    let right = push(*right, to_right)?;
    Ok(filter(join::outer(kind, left, right, on_stay), stay))
}

/// Whether the condition cannot be true when all columns of a side are null.
fn rejects_nulls(condition: &Expr, side: &dyn Fn(usize) -> bool) -> bool {
    // Strict all the way from the column to the top.
    fn strict(expr: &Expr, side: &dyn Fn(usize) -> bool) -> bool {
        match &expr.kind {
            ExprKind::Column(at) => side(*at),
            ExprKind::Call { function, args } => function.strict && args.iter().any(|a| strict(a, side)),
            ExprKind::Cast { arg, .. } => strict(arg, side),
            ExprKind::InList { arg, .. } => strict(arg, side),
            _ => false,
        }
    }
    match &condition.kind {
        ExprKind::And(parts) => parts.iter().any(|p| rejects_nulls(p, side)),
        ExprKind::Or(parts) => parts.iter().all(|p| rejects_nulls(p, side)),
        ExprKind::IsNull { arg, negated: true } if arg.ty != crate::types::Type::RECORD => strict(arg, side),
        ExprKind::IsBool { arg, value: Some(_), negated: false } => strict(arg, side),
        ExprKind::Not(inner) => strict(inner, side),
        // Never true for null, but false and not null when the array is empty; ALL is true then.
        ExprKind::ArrayCompare { left, all: false, .. } => strict(left, side),
        _ => strict(condition, side),
    }
}

pub(super) fn partition(conditions: Vec<Expr>, test: impl Fn(&Expr) -> bool) -> (Vec<Expr>, Vec<Expr>) {
    conditions.into_iter().partition(|c| test(c))
}

/// Whether `test` holds for all columns used.
pub(super) fn columns_all(expr: &Expr, mut test: impl FnMut(usize) -> bool) -> bool {
    let mut all = true;
    visit::columns(expr, &mut |at| all = all && test(at));
    all
}

fn has_columns(expr: &Expr) -> bool {
    !visit::is_row_independent(expr)
}

pub(super) fn shifted_down(mut expr: Expr, by: usize) -> Expr {
    visit::map_columns(&mut expr, &mut |c| c.saturating_sub(by));
    expr
}

/// The filter above a plan; the plan itself without conditions.
pub(super) fn filter(plan: Plan, conditions: Vec<Expr>) -> Plan {
    match visit::conjunction(conditions) {
        Some(predicate) => Plan::Filter { input: Box::new(plan), predicate },
        None => plan,
    }
}

/// Replaces each column by the expression that computes it.
pub(super) fn substitute(mut expr: Expr, by: &[Expr]) -> Expr {
    fn replace(expr: &mut Expr, by: &[Expr]) {
        if let ExprKind::Column(at) = expr.kind {
            if let Some(with) = by.get(at) {
                // The type as it is seen from above, where it was relabelled.
                let (ty, typmod) = (expr.ty, expr.typmod);
                *expr = with.clone().relabelled(ty, typmod);
            }
            return;
        }
        let Ok(()) = visit::children_mut::<std::convert::Infallible>(expr, &mut |child| {
            replace(child, by);
            Ok(())
        });
    }
    replace(&mut expr, by);
    expr
}
