//! How many rows a plan gives, roughly: table sizes are known, the rest is rules of thumb as PostgreSQL has without statistics.

use super::keys;
use crate::expr::{Expr, ExprKind};
use crate::plan::{Access, JoinKind, Plan, SetOp};
use crate::types::Datum;

/// The part of rows that pass a condition.
pub(crate) fn selectivity(condition: &Expr) -> f64 {
    match &condition.kind {
        ExprKind::Const(Datum::Bool(true)) => 1.0,
        ExprKind::Const(_) => 0.0,
        ExprKind::And(parts) => parts.iter().map(selectivity).product(),
        ExprKind::Or(parts) => 1.0 - parts.iter().map(|p| 1.0 - selectivity(p)).product::<f64>(),
        ExprKind::Not(inner) => 1.0 - selectivity(inner),
        ExprKind::IsNull { negated, .. } => {
            if *negated {
                0.995
            } else {
                0.005
            }
        }
        ExprKind::InList { list, .. } => (0.005 * list.len() as f64).min(0.5),
        ExprKind::ArrayCompare { all: false, .. } => 0.05,
        _ => match keys::operator(condition).map(|(name, _)| name) {
            Some("=") => 0.005,
            Some("<>") => 0.995,
            Some("<" | "<=" | ">" | ">=") => 1.0 / 3.0,
            Some("~~" | "~" | "~~*" | "~*") => 0.05,
            _ => 0.5,
        },
    }
}

fn constant(expr: &Option<Expr>) -> Option<f64> {
    match expr.as_ref()?.kind {
        ExprKind::Const(Datum::Int8(n)) => Some(n.max(0) as f64),
        _ => None,
    }
}

/// Rows of a plan.
pub(crate) fn rows(plan: &Plan) -> f64 {
    match plan {
        Plan::Values { rows, .. } => rows.len() as f64,
        Plan::Empty { .. } => 0.0,
        Plan::Scan(scan) => match (&scan.access, &scan.filter) {
            // Not looked at by `keys::choose_access` yet.
            (Access::Full, Some(filter)) => (scan.estimated_rows * selectivity(filter)).max(1.0),
            _ => scan.estimated_rows,
        },
        Plan::SystemScan { filter, .. } => (200.0 * filter.as_ref().map_or(1.0, selectivity)).max(1.0),
        Plan::FunctionScan { .. } => 10.0,
        Plan::CteScan { .. } => 100.0,
        Plan::Filter { input, predicate } => (rows(input) * selectivity(predicate)).max(1.0),
        Plan::Project { input, .. } | Plan::LockRows { input, .. } | Plan::Sort { input, .. } => rows(input),
        Plan::ProjectSet { input, .. } => rows(input) * 10.0,
        Plan::NestedLoop { kind, left, right, on } => {
            joined(*kind, rows(left), rows(right), on.as_ref().map_or(1.0, selectivity))
        }
        Plan::HashJoin { kind, left, right, residual, .. } => {
            let (l, r) = (rows(left), rows(right));
            joined(*kind, l, r, residual.as_ref().map_or(1.0, selectivity) / l.max(r).max(1.0))
        }
        Plan::Apply { kind, left, right, on } => {
            joined(*kind, rows(left), rows(&right.plan), on.as_ref().map_or(1.0, selectivity))
        }
        Plan::Aggregate { input, groups, sets, .. } => {
            if groups.is_empty() {
                sets.len() as f64
            } else {
                (rows(input) / 10.0).max(1.0) * sets.len() as f64
            }
        }
        Plan::Limit { input, limit, .. } => {
            constant(limit).map_or_else(|| rows(input), |l| l.min(rows(input)))
        }
        Plan::Distinct { input, .. } => (rows(input) / 5.0).max(1.0),
        Plan::SetOperation { op, left, right, .. } => match op {
            SetOp::Union => rows(left) + rows(right),
            SetOp::Intersect => rows(left).min(rows(right)),
            SetOp::Except => rows(left),
        },
        Plan::With { body, .. } => rows(body),
        Plan::Recursive { base, .. } => rows(base) * 10.0,
        Plan::Insert(insert) => rows(&insert.input),
        Plan::Update(update) => rows(&update.input),
        Plan::Delete(delete) => rows(&delete.input),
    }
}

fn joined(kind: JoinKind, left: f64, right: f64, selectivity: f64) -> f64 {
    let inner = (left * right * selectivity).max(1.0);
    match kind {
        JoinKind::Inner => inner,
        JoinKind::Left => inner.max(left),
        JoinKind::Right => inner.max(right),
        JoinKind::Full => inner.max(left + right),
        JoinKind::Semi | JoinKind::Anti => (left * 0.5).max(1.0),
    }
}
