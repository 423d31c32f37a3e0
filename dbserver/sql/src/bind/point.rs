//! Finds statements on one row by its primary key, which need no operators at all.

use crate::catalog::Table;
use crate::expr::{Expr, ExprKind};
use crate::optimize::keys;
use crate::plan::{Access, Plan, PointPlan, Scan, TableChecks, visit};
use crate::types::Type;
use std::sync::Arc;

/// The point plan of a bound statement; none where it is anything else.
pub(super) fn detect(plan: &Plan) -> Option<PointPlan> {
    // What foreign keys ask for after a write takes statements of its own, which a connection's task does not run.
    let written = match plan {
        Plan::Update(update) => Some(&update.table),
        Plan::Delete(delete) => Some(&delete.table),
        Plan::Insert(insert) => Some(&insert.table),
        _ => None,
    };
    if written.is_some_and(|table| table.has_key_relations()) {
        return None;
    }
    match plan {
        Plan::Project { input, exprs } => {
            let (table, key, filter) = row(input, false)?;
            let exprs = plain(exprs)?.to_vec();
            Some(PointPlan::Get { table, key, filter, exprs })
        }
        Plan::Update(update) => {
            let (table, key, filter) = row(&update.input, true)?;
            let live: Vec<usize> = table.live_columns().map(|(p, _)| p).collect();
            let assigns_key = update
                .assignments
                .iter()
                .any(|(at, _)| live.get(*at).is_none_or(|p| table.primary_key.contains(p)));
            let values: Vec<&Expr> = update.assignments.iter().map(|(_, e)| e).collect();
            if assigns_key || values.iter().any(|e| visit::has_subquery(e)) {
                return None;
            }
            Some(PointPlan::Update {
                table,
                key,
                filter,
                assignments: update.assignments.clone(),
                checks: update.checks.clone(),
                returning: plain(&update.returning)?.to_vec(),
            })
        }
        Plan::Delete(delete) => {
            let (table, key, filter) = row(&delete.input, true)?;
            Some(PointPlan::Delete {
                table,
                key,
                filter,
                checks: delete.checks.clone(),
                returning: plain(&delete.returning)?.to_vec(),
            })
        }
        Plan::Insert(insert) => {
            let Plan::Values { rows, .. } = &insert.input else { return None };
            let ([values], None) = (rows.as_slice(), &insert.conflict) else { return None };
            Some(PointPlan::Insert {
                table: Arc::clone(&insert.table),
                values: plain(values)?.to_vec(),
                checks: TableChecks::clone(&insert.checks),
                returning: plain(&insert.returning)?.to_vec(),
            })
        }
        _ => None,
    }
}

/// Expressions without subqueries, and without OIDs that are sent as names, which takes the catalog.
fn plain(exprs: &[Expr]) -> Option<&[Expr]> {
    let named = |e: &Expr| e.ty.is_reg() || e.ty.element().is_some_and(Type::is_reg);
    (!exprs.iter().any(|e| visit::has_subquery(e) || named(e))).then_some(exprs)
}

/// The row that `WHERE key = value AND …` over a table means: table, key, rest of the condition.
fn row(plan: &Plan, row_key: bool) -> Option<(Arc<Table>, Vec<Expr>, Option<Expr>)> {
    let Plan::Filter { input, predicate } = plan else { return None };
    let Plan::Scan(Scan { table, row_key: with_key, access: Access::Full, filter: None, .. }) = &**input
    else {
        return None;
    };
    if table.primary_key.is_empty() || *with_key != row_key || visit::has_subquery(predicate) {
        return None;
    }
    let mut rest = Vec::new();
    visit::conjuncts(predicate.clone(), &mut rest);
    let live: Vec<usize> = table.live_columns().map(|(p, _)| p).collect();
    let mut key = Vec::with_capacity(table.primary_key.len());
    for position in &table.primary_key {
        let column = live.iter().position(|p| p == position)?;
        let ty = table.columns.get(*position)?.ty.ty;
        let (at, value) = rest.iter().enumerate().find_map(|(i, c)| {
            let value = keys::equal_to(c, column, ty)?;
            let fixed =
                !visit::any(&value, &mut |e| matches!(e.kind, ExprKind::Column(_) | ExprKind::Outer(_)));
            (fixed && !visit::is_volatile(&value)).then_some((i, value))
        })?;
        rest.remove(at);
        key.push(value);
    }
    Some((Arc::clone(table), key, visit::conjunction(rest)))
}
