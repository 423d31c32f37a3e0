//! Join order and method.
//!
//! A chain of inner joins is taken apart into its relations and conditions, and built again in the order that costs least
//! ([`join_order`]). A join on equal values hashes its smaller side; where the
//! left side has few rows and the right one an index on the joined columns, each left row looks up its own (an `Apply`).

use super::join_order;
use super::pushdown::{columns_all, filter, partition, push, shifted_down};
use super::{estimate, keys};
use crate::error::{Result, SqlError};
use crate::expr::{Expr, ExprKind, SubPlan};
use crate::functions;
use crate::plan::{Access, JoinKind, Plan, Scan, visit};
use std::sync::Arc;

/// A relation of a chain, and the columns of the whole row it gives.
pub(super) struct Leaf {
    pub plan: Plan,
    pub first: usize,
    pub width: usize,
}

fn flatten(plan: Plan, first: usize, leaves: &mut Vec<Leaf>, conditions: &mut Vec<Expr>) {
    match plan {
        Plan::NestedLoop { kind: JoinKind::Inner, left, right, on } => {
            let width = visit::width(&left);
            flatten(*left, first, leaves, conditions);
            flatten(*right, first + width, leaves, conditions);
            if let Some(mut on) = on {
                visit::shift(&mut on, first);
                visit::conjuncts(on, conditions);
            }
        }
        Plan::Filter { input, predicate }
            if matches!(*input, Plan::NestedLoop { kind: JoinKind::Inner, .. }) =>
        {
            flatten(*input, first, leaves, conditions);
            let mut predicate = predicate;
            visit::shift(&mut predicate, first);
            visit::conjuncts(predicate, conditions);
        }
        plan => {
            let width = visit::width(&plan);
            leaves.push(Leaf { plan, first, width });
        }
    }
}

/// A chain of inner joins with conditions over its whole row.
pub(super) fn inner(plan: Plan, mut conditions: Vec<Expr>) -> Result<Plan> {
    let total = visit::width(&plan);
    let mut leaves = Vec::new();
    flatten(plan, 0, &mut leaves, &mut conditions);
    // Conditions that must stay where they are: above all.
    let (mut conditions, above) = partition(conditions, |c| !visit::is_volatile(c));
    let mut pushed = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let own = |c: &Expr| {
            columns_all(c, |at| at >= leaf.first && at < leaf.first + leaf.width)
                && !visit::is_row_independent(c)
        };
        let (mine, rest) = partition(conditions, own);
        conditions = rest;
        let mine = mine.into_iter().map(|c| shifted_down(c, leaf.first)).collect();
        pushed.push(Leaf { plan: push(leaf.plan, mine)?, ..leaf });
    }
    let (fixed, mut conditions) = partition(conditions, visit::is_row_independent);
    // `columns[i]` is the column of the whole row that stands at i now.
    let mut order = join_order::order(&pushed, &conditions).into_iter();
    let mut leaves: Vec<Option<Leaf>> = pushed.into_iter().map(Some).collect();
    let mut take = |at: Option<usize>| at.and_then(|at| leaves.get_mut(at)?.take());
    let first = take(order.next()).ok_or_else(|| SqlError::internal("a join of nothing"))?;
    let mut columns: Vec<usize> = (first.first..first.first + first.width).collect();
    let mut current = filter(first.plan, fixed);
    while let Some(leaf) = take(order.next()) {
        let leaf_columns = leaf.first..leaf.first + leaf.width;
        let (mine, rest) = partition(conditions, |c| {
            columns_all(c, |at| columns.contains(&at) || leaf_columns.contains(&at))
        });
        conditions = rest;
        (current, columns) = join_leaf(current, columns, leaf, mine)?;
    }
    current = filter(current, conditions.into_iter().map(|c| placed(c, &columns)).collect());
    // Back to the order that is expected above.
    if columns.iter().enumerate().any(|(at, c)| at != *c) {
        let types = visit::types(&current);
        let mut exprs = Vec::with_capacity(total);
        for column in 0..total {
            let at = columns
                .iter()
                .position(|c| *c == column)
                .ok_or_else(|| SqlError::internal("a column was lost in a join"))?;
            let ty = types.get(at).ok_or_else(|| SqlError::internal("a column beyond a join's row"))?;
            exprs.push(Expr::column(at, ty.ty, ty.typmod));
        }
        current = Plan::Project { input: Box::new(current), exprs };
    }
    Ok(filter(current, above))
}

/// A condition over the whole row, as the columns stand now.
fn placed(mut condition: Expr, columns: &[usize]) -> Expr {
    visit::map_columns(&mut condition, &mut |c| columns.iter().position(|x| *x == c).unwrap_or(c));
    condition
}

pub(super) fn is_equality(condition: &Expr) -> bool {
    keys::operator(condition).is_some_and(|(name, _)| name == "=")
}

/// Equal keys of a join: conditions `left = right` with a side each. Over left columns `0..width` and right columns from `width`.
struct Equi {
    left: Vec<Expr>,
    right: Vec<Expr>,
    rest: Vec<Expr>,
}

fn equi(conditions: Vec<Expr>, width: usize) -> Equi {
    let mut found = Equi { left: Vec::new(), right: Vec::new(), rest: Vec::new() };
    for condition in conditions {
        let sides = match &condition.kind {
            ExprKind::Call { function, args }
                if is_equality(&condition) && !visit::has_subquery(&condition) =>
            {
                match args.as_slice() {
                    [a, b] => {
                        let hashable = functions::equality(a.ty).is_some_and(|f| std::ptr::eq(f, *function))
                            && a.ty == b.ty;
                        let on_left =
                            |e: &Expr| columns_all(e, |c| c < width) && !visit::is_row_independent(e);
                        let on_right =
                            |e: &Expr| columns_all(e, |c| c >= width) && !visit::is_row_independent(e);
                        if !hashable {
                            widened(a, b).and_then(|(a, b)| {
                                if on_left(&a) && on_right(&b) {
                                    Some((a, b))
                                } else if on_left(&b) && on_right(&a) {
                                    Some((b, a))
                                } else {
                                    None
                                }
                            })
                        } else if on_left(a) && on_right(b) {
                            Some((a.clone(), b.clone()))
                        } else if on_left(b) && on_right(a) {
                            Some((b.clone(), a.clone()))
                        } else {
                            None
                        }
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        match sides {
            Some((l, r)) => {
                found.left.push(l);
                found.right.push(shifted_down(r, width));
            }
            None => found.rest.push(condition),
        }
    }
    found
}

/// Integers of different widths are equal as the wider one.
fn widened(a: &Expr, b: &Expr) -> Option<(Expr, Expr)> {
    use crate::types::Type;
    let rank = |t: Type| match t {
        Type::INT2 => Some(0),
        Type::INT4 => Some(1),
        Type::INT8 => Some(2),
        _ => None,
    };
    let to = if rank(a.ty)? > rank(b.ty)? { a.ty } else { b.ty };
    let cast = |e: &Expr| {
        if e.ty == to {
            e.clone()
        } else {
            Expr { kind: ExprKind::Cast { arg: Box::new(e.clone()), explicit: false }, ty: to, typmod: -1 }
        }
    };
    Some((cast(a), cast(b)))
}

/// Adds a relation to what is joined; conditions are over the whole row.
fn join_leaf(
    current: Plan,
    columns: Vec<usize>,
    leaf: Leaf,
    conditions: Vec<Expr>,
) -> Result<(Plan, Vec<usize>)> {
    let width = columns.len();
    let mut both = columns.clone();
    both.extend(leaf.first..leaf.first + leaf.width);
    let conditions: Vec<Expr> = conditions.into_iter().map(|c| placed(c, &both)).collect();
    let (left_rows, right_rows) = (estimate::of_leaf(&current).rows, estimate::of_leaf(&leaf.plan).rows);
    if let Some(plan) = lookup(JoinKind::Inner, &current, &leaf.plan, &conditions, width) {
        return Ok((plan, both));
    }
    let keyed = equi(conditions, width);
    if keyed.left.is_empty() {
        let on = visit::conjunction(keyed.rest);
        let plan = Plan::NestedLoop {
            kind: JoinKind::Inner,
            left: Box::new(current),
            right: Box::new(leaf.plan),
            on,
        };
        return Ok((plan, both));
    }
    if right_rows <= left_rows {
        let plan = Plan::HashJoin {
            kind: JoinKind::Inner,
            left: Box::new(current),
            right: Box::new(leaf.plan),
            left_keys: keyed.left,
            right_keys: keyed.right,
            residual: visit::conjunction(keyed.rest),
        };
        return Ok((plan, both));
    }
    // The smaller side is hashed: it goes right.
    let mut turned: Vec<usize> = (leaf.first..leaf.first + leaf.width).collect();
    turned.extend(columns);
    let leaf_width = leaf.width;
    let residual = keyed
        .rest
        .into_iter()
        .map(|mut c| {
            visit::map_columns(&mut c, &mut |at| if at < width { at + leaf_width } else { at - width });
            c
        })
        .collect();
    let plan = Plan::HashJoin {
        kind: JoinKind::Inner,
        left: Box::new(leaf.plan),
        right: Box::new(current),
        left_keys: keyed.right,
        right_keys: keyed.left,
        residual: visit::conjunction(residual),
    };
    Ok((plan, turned))
}

/// A join of another kind than inner; conditions are over left then right columns.
pub(super) fn outer(kind: JoinKind, left: Plan, right: Plan, conditions: Vec<Expr>) -> Plan {
    let width = visit::width(&left);
    if matches!(kind, JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
        && let Some(plan) = lookup(kind, &left, &right, &conditions, width)
    {
        return plan;
    }
    let keyed = equi(conditions, width);
    if keyed.left.is_empty() {
        let on = visit::conjunction(keyed.rest);
        return Plan::NestedLoop { kind, left: Box::new(left), right: Box::new(right), on };
    }
    Plan::HashJoin {
        kind,
        left: Box::new(left),
        right: Box::new(right),
        left_keys: keyed.left,
        right_keys: keyed.right,
        residual: visit::conjunction(keyed.rest),
    }
}

/// An index look-up per left row, where that costs less than reading the right side once.
fn lookup(kind: JoinKind, left: &Plan, right: &Plan, conditions: &[Expr], width: usize) -> Option<Plan> {
    let Plan::Scan(scan) = right else { return None };
    if !matches!(scan.access, Access::Full) {
        return None;
    }
    if conditions.iter().any(visit::has_subquery) {
        return None;
    }
    let columns: Vec<usize> = conditions
        .iter()
        .filter(|c| is_equality(c))
        .flat_map(|c| match &c.kind {
            ExprKind::Call { args, .. } => args.iter().collect::<Vec<_>>(),
            _ => Vec::new(),
        })
        .filter_map(|e| match e.kind {
            ExprKind::Column(c) if c >= width => Some(c - width),
            _ => None,
        })
        .collect();
    if !keys::has_index_on(scan, &columns) {
        return None;
    }
    // Arguments of an enclosing subquery are numbered by its frame, not by the one made here.
    let mut args: Vec<Expr> = Vec::new();
    let own_filter = scan.filter.iter().cloned().map(|f| outer_values(f, None, &mut args));
    let mut filters: Vec<Expr> = own_filter.collect();
    for condition in conditions {
        filters.push(outer_values(condition.clone(), Some(width), &mut args));
    }
    let mut parts = Vec::new();
    filters.into_iter().for_each(|f| visit::conjuncts(f, &mut parts));
    let inner = keys::choose_access(Scan { filter: visit::conjunction(parts), ..scan.clone() });
    if matches!(inner.access, Access::Full) {
        return None;
    }
    // A range that no left row has a part in is read once, not for each.
    let mut by_left = false;
    super::walk::exprs(&Plan::Scan(Scan { filter: None, ..inner.clone() }), &mut |bound| {
        by_left |= visit::any(bound, &mut |e| match e.kind {
            ExprKind::Outer(at) => args.get(at).is_some_and(|a| !visit::is_row_independent(a)),
            _ => false,
        });
    });
    if !by_left {
        return None;
    }
    let inner = Plan::Scan(inner);
    let (left_rows, once) = (estimate::of_leaf(left).rows, estimate::of_leaf(right));
    let by_lookup = left_rows * (estimate::of(&inner).total + estimate::RERUN);
    let by_hash = once.total + once.rows * estimate::KEEP + left_rows * estimate::ROW;
    if by_lookup > by_hash {
        return None;
    }
    let right = Arc::new(SubPlan { plan: inner, args });
    Some(Plan::Apply { kind, left: Box::new(left.clone()), right, on: None })
}

/// Makes left columns and outer values arguments; right columns count from 0. Without a width all columns are the right's.
fn outer_values(mut expr: Expr, width: Option<usize>, args: &mut Vec<Expr>) -> Expr {
    let is_left = |e: &Expr| match (&e.kind, width) {
        (ExprKind::Column(c), Some(width)) => *c < width,
        (ExprKind::Outer(_), _) => true,
        _ => false,
    };
    if is_left(&expr) {
        let at = args.iter().position(|a| visit::same(a, &expr)).unwrap_or_else(|| {
            args.push(expr.clone());
            args.len() - 1
        });
        return Expr { kind: ExprKind::Outer(at), ..expr };
    }
    if let (ExprKind::Column(c), Some(width)) = (&mut expr.kind, width) {
        *c -= width;
        return expr;
    }
    let Ok(()) = visit::children_mut::<std::convert::Infallible>(&mut expr, &mut |child| {
        let taken =
            std::mem::replace(child, Expr::constant(crate::types::Datum::Null, crate::types::Type::UNKNOWN));
        *child = outer_values(taken, width, args);
        Ok(())
    });
    expr
}
