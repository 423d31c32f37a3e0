//! Whether all rows that pass a query's conditions are in a partial index: its predicate follows from them.

use super::keys::comparison;
use crate::expr::{Expr, ExprKind};
use crate::plan::visit;
use crate::types::{Datum, Type, compare};
use std::cmp::Ordering;

/// Whether the predicate is true for each row for which all conditions are.
pub(super) fn implies(conditions: &[Expr], predicate: &Expr) -> bool {
    match &predicate.kind {
        ExprKind::And(parts) => parts.iter().all(|p| implies(conditions, p)),
        ExprKind::Or(parts) if parts.iter().any(|p| implies(conditions, p)) => true,
        _ => conditions.iter().any(|c| one_implies(c, predicate)),
    }
}

fn one_implies(condition: &Expr, predicate: &Expr) -> bool {
    if visit::same(condition, predicate) {
        return true;
    }
    match &condition.kind {
        ExprKind::Or(parts) => return parts.iter().all(|p| implies(std::slice::from_ref(p), predicate)),
        ExprKind::And(parts) => return implies(parts, predicate),
        _ => {}
    }
    match &predicate.kind {
        // A row is not null only where none of its fields is.
        ExprKind::IsNull { arg, negated: true } if arg.ty != Type::RECORD => fails_for_null(condition, arg),
        _ => narrower(condition, predicate),
    }
}

/// Whether the condition lets no row pass where `arg` is null.
fn fails_for_null(condition: &Expr, arg: &Expr) -> bool {
    match &condition.kind {
        // False for an empty array, else null.
        ExprKind::ArrayCompare { left, all: false, .. } => is_null_for_null(left, arg),
        _ => is_null_for_null(condition, arg),
    }
}

/// Whether an expression is null where `arg` is.
fn is_null_for_null(expr: &Expr, arg: &Expr) -> bool {
    if visit::same(expr, arg) {
        return true;
    }
    match &expr.kind {
        ExprKind::Call { function, args } => function.strict && args.iter().any(|a| is_null_for_null(a, arg)),
        ExprKind::Cast { arg: inner, .. } | ExprKind::Not(inner) => is_null_for_null(inner, arg),
        ExprKind::InList { arg: inner, .. } => is_null_for_null(inner, arg),
        _ => false,
    }
}

fn constant(expr: &Expr) -> Option<&Datum> {
    match &expr.kind {
        ExprKind::Const(value) if !value.is_null() => Some(value),
        _ => None,
    }
}

/// Whether a value passes a comparison with another.
fn passes(value: &Datum, operator: &str, with: &Datum) -> bool {
    let order = compare::compare(value, with);
    match operator {
        "=" => order == Ordering::Equal,
        "<>" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        _ => false,
    }
}

/// Whether the condition compares what the predicate compares, with constants that leave no row outside of it.
fn narrower(condition: &Expr, predicate: &Expr) -> bool {
    // What the predicate compares with a constant.
    let ExprKind::Call { args, .. } = &predicate.kind else { return false };
    let Some(key) = args.iter().find(|a| constant(a).is_none()) else { return false };
    let is_key = |e: &Expr| visit::same(e, key);
    let Some((wanted, limit)) = comparison(predicate, &is_key) else { return false };
    let Some(limit) = constant(limit) else { return false };
    let within = |value: &Datum| compare::comparable(value, limit) && passes(value, wanted, limit);
    match &condition.kind {
        ExprKind::InList { arg, list, .. } if is_key(arg) => {
            return list.iter().all(|item| constant(item).is_some_and(within));
        }
        ExprKind::ArrayCompare { left, array, function, all: false }
            if is_key(left) && crate::functions::operator_of(function).is_some_and(|o| o.name == "=") =>
        {
            // A null among them matches nothing.
            return matches!(&array.kind, ExprKind::Const(Datum::Array(values))
                if values.values.iter().all(|v| v.is_null() || within(v)));
        }
        _ => {}
    }
    let Some((operator, value)) = comparison(condition, &is_key) else { return false };
    let Some(value) = constant(value).filter(|v| compare::comparable(v, limit)) else { return false };
    let order = compare::compare(value, limit);
    match (operator, wanted) {
        ("=", _) => within(value),
        ("<", "<" | "<=" | "<>") => order != Ordering::Greater,
        ("<=", "<=") => order != Ordering::Greater,
        ("<=", "<" | "<>") => order == Ordering::Less,
        (">", ">" | ">=" | "<>") => order != Ordering::Less,
        (">=", ">=") => order != Ordering::Less,
        (">=", ">" | "<>") => order == Ordering::Greater,
        _ => false,
    }
}
