//! Drops columns that nothing above reads, down to the scans.

use super::walk;
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::{Delete, JoinKind, Plan, visit};
use crate::types::Datum;
use std::sync::Arc;

/// Where each old column stands now; none where it is gone.
type Moved = Vec<Option<usize>>;

/// Prunes a whole plan: all of its own outputs stay.
pub(super) fn prune(plan: Plan) -> Result<Plan> {
    let width = visit::width(&plan);
    let (plan, moved) = narrow(plan, &vec![true; width])?;
    debug_assert!(moved.iter().enumerate().all(|(i, m)| *m == Some(i)), "outputs stay");
    Ok(plan)
}

fn use_columns<'e>(needed: &mut [bool], exprs: impl IntoIterator<Item = &'e Expr>) {
    for expr in exprs {
        visit::columns(expr, &mut |c| {
            if let Some(slot) = needed.get_mut(c) {
                *slot = true;
            }
        });
    }
}

fn place(expr: &mut Expr, moved: &[Option<usize>]) {
    visit::map_columns(expr, &mut |c| moved.get(c).copied().flatten().unwrap_or(c));
}

fn identity(width: usize) -> Moved {
    (0..width).map(Some).collect()
}

/// Keeps at least the `needed` output columns.
fn narrow(plan: Plan, needed: &[bool]) -> Result<(Plan, Moved)> {
    match plan {
        Plan::Project { input, mut exprs } => {
            let keep = |i: usize| needed.get(i).copied().unwrap_or(true);
            let mut moved = Moved::with_capacity(exprs.len());
            let mut kept = Vec::new();
            for (i, expr) in exprs.drain(..).enumerate() {
                // What may have an effect is computed all the same.
                if keep(i) || visit::is_volatile(&expr) {
                    moved.push(Some(kept.len()));
                    kept.push(expr);
                } else {
                    moved.push(None);
                }
            }
            let mut below = vec![false; visit::width(&input)];
            use_columns(&mut below, &kept);
            let (input, places) = narrow(*input, &below)?;
            kept.iter_mut().for_each(|e| place(e, &places));
            Ok((Plan::Project { input: Box::new(input), exprs: kept }, moved))
        }
        Plan::Filter { input, mut predicate } => {
            let mut below = needed.to_vec();
            use_columns(&mut below, [&predicate]);
            let (input, moved) = narrow(*input, &below)?;
            place(&mut predicate, &moved);
            Ok((Plan::Filter { input: Box::new(input), predicate }, moved))
        }
        Plan::Sort { input, mut keys, limit } => {
            let mut below = needed.to_vec();
            use_columns(&mut below, keys.iter().map(|k| &k.expr));
            let (input, moved) = narrow(*input, &below)?;
            keys.iter_mut().for_each(|k| place(&mut k.expr, &moved));
            Ok((Plan::Sort { input: Box::new(input), keys, limit }, moved))
        }
        Plan::Limit { input, limit, offset } => {
            let (input, moved) = narrow(*input, needed)?;
            Ok((Plan::Limit { input: Box::new(input), limit, offset }, moved))
        }
        Plan::Scan(mut scan) => {
            // The key is the last column, where there is one.
            let mut used = needed.to_vec();
            use_columns(&mut used, &scan.filter);
            let mut moved = Moved::with_capacity(used.len());
            let mut columns = Vec::new();
            for (i, position) in scan.columns.iter().enumerate() {
                if used.get(i).copied().unwrap_or(true) {
                    moved.push(Some(columns.len()));
                    columns.push(*position);
                } else {
                    moved.push(None);
                }
            }
            if scan.row_key {
                if used.last().copied().unwrap_or(true) {
                    moved.push(Some(columns.len()));
                } else {
                    scan.row_key = false;
                    moved.push(None);
                }
            }
            scan.columns = columns;
            if let Some(filter) = &mut scan.filter {
                place(filter, &moved);
            }
            Ok((Plan::Scan(scan), moved))
        }
        Plan::SystemScan { relation, columns, mut filter } => {
            let mut used = needed.to_vec();
            use_columns(&mut used, &filter);
            let mut moved = Moved::with_capacity(columns.len());
            let mut kept = Vec::new();
            for (i, position) in columns.into_iter().enumerate() {
                if used.get(i).copied().unwrap_or(true) {
                    moved.push(Some(kept.len()));
                    kept.push(position);
                } else {
                    moved.push(None);
                }
            }
            if let Some(filter) = &mut filter {
                place(filter, &moved);
            }
            Ok((Plan::SystemScan { relation, columns: kept, filter }, moved))
        }
        Plan::NestedLoop { kind, left, right, mut on } => {
            let (l, r) = split(needed, visit::width(&left), visit::width(&right), kind, &on, &[]);
            let (left, lm) = narrow(*left, &l)?;
            let (right, rm) = narrow(*right, &r)?;
            let both = combined(&lm, &rm, visit::width(&left));
            if let Some(on) = &mut on {
                place(on, &both);
            }
            let moved = outputs(kind, lm, both);
            Ok((Plan::NestedLoop { kind, left: Box::new(left), right: Box::new(right), on }, moved))
        }
        Plan::HashJoin { kind, left, right, mut left_keys, mut right_keys, mut residual } => {
            let (mut l, mut r) =
                split(needed, visit::width(&left), visit::width(&right), kind, &residual, &[]);
            use_columns(&mut l, &left_keys);
            use_columns(&mut r, &right_keys);
            let (left, lm) = narrow(*left, &l)?;
            let (right, rm) = narrow(*right, &r)?;
            left_keys.iter_mut().for_each(|e| place(e, &lm));
            right_keys.iter_mut().for_each(|e| place(e, &rm));
            let both = combined(&lm, &rm, visit::width(&left));
            if let Some(residual) = &mut residual {
                place(residual, &both);
            }
            let moved = outputs(kind, lm, both);
            Ok((
                Plan::HashJoin {
                    kind,
                    left: Box::new(left),
                    right: Box::new(right),
                    left_keys,
                    right_keys,
                    residual,
                },
                moved,
            ))
        }
        Plan::Apply { kind, left, mut right, mut on } => {
            let (l, r) =
                split(needed, visit::width(&left), visit::width(&right.plan), kind, &on, &right.args);
            let (left, lm) = narrow(*left, &l)?;
            let sub = Arc::make_mut(&mut right);
            let inner = std::mem::replace(&mut sub.plan, Plan::Empty { types: Vec::new() });
            let (inner, rm) = narrow(inner, &r)?;
            sub.plan = inner;
            sub.args.iter_mut().for_each(|a| place(a, &lm));
            let both = combined(&lm, &rm, visit::width(&left));
            if let Some(on) = &mut on {
                place(on, &both);
            }
            let moved = outputs(kind, lm, both);
            Ok((Plan::Apply { kind, left: Box::new(left), right, on }, moved))
        }
        Plan::Aggregate { input, mut groups, sets, mut aggregates } => {
            let count = groups.len();
            let mut moved = identity(count);
            let mut kept = Vec::with_capacity(aggregates.len());
            for (i, aggregate) in aggregates.drain(..).enumerate() {
                if needed.get(count + i).copied().unwrap_or(true) {
                    moved.push(Some(count + kept.len()));
                    kept.push(aggregate);
                } else {
                    moved.push(None);
                }
            }
            let mut below = vec![false; visit::width(&input)];
            use_columns(&mut below, &groups);
            for a in &kept {
                use_columns(
                    &mut below,
                    a.args.iter().chain(&a.filter).chain(a.order.iter().map(|k| &k.expr)),
                );
            }
            let (input, places) = narrow(*input, &below)?;
            groups.iter_mut().for_each(|g| place(g, &places));
            for a in &mut kept {
                a.args.iter_mut().chain(&mut a.filter).for_each(|e| place(e, &places));
                a.order.iter_mut().for_each(|k| place(&mut k.expr, &places));
            }
            Ok((Plan::Aggregate { input: Box::new(input), groups, sets, aggregates: kept }, moved))
        }
        Plan::Delete(mut delete) => {
            let outputs = delete.returning.len();
            let input = std::mem::replace(&mut delete.input, Plan::Empty { types: Vec::new() });
            let types = visit::types(&input);
            let (input, moved) = narrow(input, &read_by_delete(&delete, types.len()))?;
            delete.input = if moved.iter().all(Option::is_some) {
                input
            } else {
                // The others keep their places, and are null.
                let exprs = moved.iter().zip(&types).map(|(place, ty)| match place {
                    Some(place) => Expr::column(*place, ty.ty, ty.typmod),
                    None => Expr::constant(Datum::Null, ty.ty),
                });
                Plan::Project { exprs: exprs.collect(), input: Box::new(input) }
            };
            Ok((Plan::Delete(delete), identity(outputs)))
        }
        other => {
            // All columns of its inputs stay.
            let width = visit::width(&other);
            let plan = walk::map_children(other, &mut prune)?;
            Ok((plan, identity(width)))
        }
    }
}

/// The columns of its input that a DELETE reads: a row that has changed meanwhile is read anew as a whole.
fn read_by_delete(delete: &Delete, width: usize) -> Vec<bool> {
    let target = &delete.target;
    if delete.table.has_key_relations() {
        return vec![true; width];
    }
    let mut needed = vec![false; width];
    use_columns(&mut needed, delete.recheck.iter().chain(&delete.returning));
    let live = needed.get_mut(target.first..).unwrap_or_default();
    use_columns(
        live,
        delete.checks.indexes.iter().flat_map(|(keys, predicate)| keys.iter().chain(predicate)),
    );
    if let Some(key) = needed.get_mut(target.key) {
        *key = true;
    }
    needed
}

fn split(
    needed: &[bool],
    left: usize,
    right: usize,
    kind: JoinKind,
    on: &Option<Expr>,
    args: &[Expr],
) -> (Vec<bool>, Vec<bool>) {
    let mut both = needed.to_vec();
    both.resize(left + right, !matches!(kind, JoinKind::Semi | JoinKind::Anti));
    use_columns(&mut both, on.iter().chain(args));
    let right_part = both.split_off(left.min(both.len()));
    (both, right_part)
}

fn combined(left: &[Option<usize>], right: &[Option<usize>], left_width: usize) -> Moved {
    left.iter().copied().chain(right.iter().map(|m| m.map(|m| m + left_width))).collect()
}

fn outputs(kind: JoinKind, left: Moved, both: Moved) -> Moved {
    if matches!(kind, JoinKind::Semi | JoinKind::Anti) { left } else { both }
}
