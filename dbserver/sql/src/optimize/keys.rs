//! Conditions that bound an index: which key columns they fix, and to what.

use super::estimate;
use crate::bind::is_relabel;
use crate::expr::{Expr, ExprKind};
use crate::functions;
use crate::plan::{Access, KeyBounds, Scan, visit};
use crate::types::{Datum, Type};
use std::sync::Arc;

/// The name of a call's operator.
pub(crate) fn operator(expr: &Expr) -> Option<(&'static str, &[Expr])> {
    match &expr.kind {
        ExprKind::Call { function, args } if args.len() == 2 => {
            Some((functions::operator_of(function)?.name, args))
        }
        _ => None,
    }
}

/// A comparison of `column` with something that is the same for every row: operator with the column on the left, and value.
fn comparison(condition: &Expr, column: usize) -> Option<(&'static str, &Expr)> {
    let (name, args) = operator(condition)?;
    let [left, right] = args else { return None };
    let is_column = |e: &Expr| matches!(e.kind, ExprKind::Column(c) if c == column);
    if is_column(left) && visit::is_row_independent(right) {
        return Some((name, right));
    }
    if is_column(right) && visit::is_row_independent(left) {
        let turned = match name {
            "=" => "=",
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            _ => return None,
        };
        return Some((turned, left));
    }
    None
}

/// `value` as a key of type `ty`, where every value compares as it does in its own type.
fn as_key(value: &Expr, ty: Type) -> Option<Expr> {
    if visit::is_volatile(value) || visit::has_subquery(value) {
        return None;
    }
    if value.ty == ty || is_relabel(value.ty, ty) || is_relabel(ty, value.ty) {
        return Some(value.clone().relabelled(ty, -1));
    }
    let size = |t: Type| match t {
        Type::INT2 => Some(2),
        Type::INT4 => Some(4),
        Type::INT8 => Some(8),
        _ => None,
    };
    let (from, to) = (size(value.ty)?, size(ty)?);
    let constant = match &value.kind {
        ExprKind::Const(Datum::Int2(n)) => Some(i64::from(*n)),
        ExprKind::Const(Datum::Int4(n)) => Some(i64::from(*n)),
        ExprKind::Const(Datum::Int8(n)) => Some(*n),
        _ => None,
    };
    if let Some(n) = constant {
        let datum = match ty {
            Type::INT2 => Datum::Int2(i16::try_from(n).ok()?),
            Type::INT4 => Datum::Int4(i32::try_from(n).ok()?),
            _ => Datum::Int8(n),
        };
        return Some(Expr::constant(datum, ty));
    }
    (from < to).then(|| Expr {
        kind: ExprKind::Cast { arg: Box::new(value.clone()), explicit: false },
        ty,
        typmod: -1,
    })
}

/// The value a condition says `column` (of type `ty`) is equal to; it reads no columns.
pub(crate) fn equal_to(condition: &Expr, column: usize, ty: Type) -> Option<Expr> {
    match comparison(condition, column)? {
        ("=", value) => as_key(value, ty),
        _ => None,
    }
}

/// The array of values a condition says `column` is one of.
fn any_of(condition: &Expr, column: usize, ty: Type) -> Option<Expr> {
    let is_column = |e: &Expr| matches!(e.kind, ExprKind::Column(c) if c == column);
    match &condition.kind {
        ExprKind::InList { arg, list, .. } if is_column(arg) => {
            let items = list
                .iter()
                .map(|i| if visit::is_row_independent(i) { as_key(i, ty) } else { None })
                .collect::<Option<Vec<_>>>()?;
            Some(Expr { kind: ExprKind::Array(items), ty: ty.array()?, typmod: -1 })
        }
        ExprKind::ArrayCompare { left, array, function, all: false } if is_column(left) => {
            let equal = functions::operator_of(function)?.name == "=";
            let element = array.ty.element()?;
            let fits = element == ty || is_relabel(element, ty);
            let fixed =
                visit::is_row_independent(array) && !visit::is_volatile(array) && !visit::has_subquery(array);
            (equal && fits && fixed && array.ty.array().is_none()).then(|| (**array).clone())
        }
        _ => None,
    }
}

/// A key column of an index as the scan's output column sees it.
#[derive(Clone, Copy)]
struct KeyColumn {
    output: usize,
    ty: Type,
    not_null: bool,
    descending: bool,
}

/// What conditions make of an index.
struct Match {
    bounds: KeyBounds,
    /// Conditions that the bounds make certain.
    used: Vec<usize>,
    /// Equal columns, and whether there is a range behind them.
    equal: usize,
    range: bool,
}

fn matched(conditions: &[Expr], keys: &[KeyColumn]) -> Option<Match> {
    let mut found = Match { bounds: KeyBounds::default(), used: Vec::new(), equal: 0, range: false };
    let mut keys = keys.iter();
    let mut next = keys.next();
    while let Some(key) = next {
        let value =
            conditions.iter().enumerate().find_map(|(i, c)| Some((i, equal_to(c, key.output, key.ty)?)));
        let Some((i, value)) = value else { break };
        found.bounds.equal.push(value);
        found.used.push(i);
        found.equal += 1;
        next = keys.next();
    }
    if let Some(key) = next {
        let any = conditions.iter().enumerate().find_map(|(i, c)| Some((i, any_of(c, key.output, key.ty)?)));
        if let Some((i, array)) = any {
            found.bounds.any = Some(array);
            found.used.push(i);
            found.equal += 1;
            return Some(found);
        }
        if !key.descending {
            for (i, condition) in conditions.iter().enumerate() {
                let Some((op, value)) = comparison(condition, key.output) else { continue };
                let slot = match op {
                    ">" | ">=" if found.bounds.lower.is_none() => &mut found.bounds.lower,
                    "<" | "<=" if found.bounds.upper.is_none() => &mut found.bounds.upper,
                    _ => continue,
                };
                let Some(value) = as_key(value, key.ty) else { continue };
                *slot = Some((value, op.len() == 2));
                found.range = true;
                // Nulls sort behind everything; the condition itself leaves them out.
                if key.not_null {
                    found.used.push(i);
                }
            }
        }
    }
    (found.equal > 0 || found.range).then_some(found)
}

fn key_columns(scan: &Scan, positions: impl Iterator<Item = (Option<usize>, bool)>) -> Vec<KeyColumn> {
    let mut keys = Vec::new();
    for (position, descending) in positions {
        let Some(position) = position else { break };
        let Some(output) = scan.columns.iter().position(|c| *c == position) else { break };
        let Some(column) = scan.table.columns.get(position) else { break };
        keys.push(KeyColumn { output, ty: column.ty.ty, not_null: column.not_null, descending });
    }
    keys
}

/// Chooses how a scan reaches its rows, by its filter's conditions.
pub(crate) fn choose_access(mut scan: Scan) -> Scan {
    let Some(filter) = scan.filter.take() else { return scan };
    let mut conditions = Vec::new();
    visit::conjuncts(filter, &mut conditions);
    if !matches!(scan.access, Access::Full) {
        scan.filter = visit::conjunction(conditions);
        return scan;
    }
    let rows = scan.estimated_rows;
    let table = Arc::clone(&scan.table);
    // (score, unique, match, index)
    let mut best: Option<(usize, Match, Option<usize>)> = None;
    let primary = key_columns(&scan, table.primary_key.iter().map(|p| (Some(*p), false)));
    let mut consider =
        |score_bonus: usize, unique_width: Option<usize>, found: Match, index: Option<usize>| {
            let unique = unique_width.is_some_and(|w| found.equal >= w && found.bounds.any.is_none());
            let score =
                usize::from(unique) * 1000 + found.equal * 10 + usize::from(found.range) * 3 + score_bonus;
            if best.as_ref().is_none_or(|(b, ..)| score > *b) {
                best = Some((score, found, index));
            }
        };
    if let Some(found) = matched(&conditions, &primary) {
        // The rows are there at once: no second look-up.
        consider(2, Some(table.primary_key.len()), found, None);
    }
    for (at, index) in table.indexes.iter().enumerate() {
        if index.predicate.is_some() {
            continue;
        }
        let keys = key_columns(&scan, index.keys.iter().map(|k| (k.column, k.descending)));
        if let Some(found) = matched(&conditions, &keys) {
            consider(0, index.unique.then_some(index.keys.len()), found, Some(at));
        }
    }
    let selectivity: f64 = conditions.iter().map(estimate::selectivity).product();
    scan.estimated_rows = (rows * selectivity).max(1.0);
    if let Some((score, found, index)) = best {
        let whole = match index.and_then(|i| table.indexes.get(i)) {
            Some(index) => index.unique && found.equal == index.keys.len(),
            None => found.equal == table.primary_key.len(),
        };
        if score >= 1000 {
            scan.estimated_rows = 1.0;
        } else if whole {
            scan.estimated_rows = match found.bounds.any.as_ref().map(|a| &a.kind) {
                Some(ExprKind::Array(items)) => items.len() as f64,
                _ => 10.0,
            }
            .min(rows);
        }
        let mut at = 0;
        conditions.retain(|_| {
            at += 1;
            !found.used.contains(&(at - 1))
        });
        scan.access = match index.and_then(|i| table.indexes.get(i)) {
            Some(index) => Access::Index(Arc::clone(index), found.bounds),
            None => Access::PrimaryKey(found.bounds),
        };
    }
    scan.filter = visit::conjunction(conditions);
    scan
}

/// Whether the scan would be reached by an index if it had these conditions too: full key, or a leading column.
pub(crate) fn has_index_on(scan: &Scan, outputs: &[usize]) -> bool {
    let leads = |position: Option<usize>| {
        position.is_some_and(|p| outputs.iter().any(|o| scan.columns.get(*o) == Some(&p)))
    };
    leads(scan.table.primary_key.first().copied())
        || scan
            .table
            .indexes
            .iter()
            .any(|i| i.predicate.is_none() && leads(i.keys.first().and_then(|k| k.column)))
}
