//! Walking expressions and plans: children, columns used, structural equality, output types.

use crate::expr::{Expr, ExprKind, SubPlan, SubqueryKind};
use crate::functions::Volatility;
use crate::plan::{Plan, SetExpr};
use crate::types::{ColumnType, Type};
use std::sync::Arc;

/// Calls `visit` on each direct child of `expr`. For a subquery these are the outer side and the plan's arguments, not the plan.
pub fn children<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Outer(_) | ExprKind::Const(_) | ExprKind::Param(_) => {}
        ExprKind::Call { args, .. }
        | ExprKind::Array(args)
        | ExprKind::And(args)
        | ExprKind::Or(args)
        | ExprKind::Coalesce(args) => {
            args.iter().for_each(visit);
        }
        ExprKind::MinMax { args, .. } | ExprKind::Row { args, .. } => args.iter().for_each(visit),
        ExprKind::Cast { arg, .. }
        | ExprKind::IsNull { arg, .. }
        | ExprKind::IsBool { arg, .. }
        | ExprKind::Field { arg, .. } => visit(arg),
        ExprKind::Not(arg) => visit(arg),
        ExprKind::IsDistinct { left, right, .. } => {
            visit(left);
            visit(right);
        }
        ExprKind::Case { whens, otherwise } => {
            for (when, then) in whens {
                visit(when);
                visit(then);
            }
            if let Some(otherwise) = otherwise {
                visit(otherwise);
            }
        }
        ExprKind::InList { arg, list, .. } => {
            visit(arg);
            list.iter().for_each(visit);
        }
        ExprKind::ArrayCompare { left, array, .. } => {
            visit(left);
            visit(array);
        }
        ExprKind::Subscript { array, indexes } => {
            visit(array);
            indexes.iter().for_each(visit);
        }
        ExprKind::Subquery { kind, plan } => {
            if let SubqueryKind::Compare { left, .. } = kind {
                left.iter().for_each(&mut *visit);
            }
            plan.args.iter().for_each(visit);
        }
    }
}

/// [`children`], to change them. Stops at the first error.
pub fn children_mut<E>(expr: &mut Expr, visit: &mut dyn FnMut(&mut Expr) -> Result<(), E>) -> Result<(), E> {
    match &mut expr.kind {
        ExprKind::Column(_) | ExprKind::Outer(_) | ExprKind::Const(_) | ExprKind::Param(_) => Ok(()),
        ExprKind::Call { args, .. }
        | ExprKind::Array(args)
        | ExprKind::And(args)
        | ExprKind::Or(args)
        | ExprKind::Coalesce(args) => args.iter_mut().try_for_each(visit),
        ExprKind::MinMax { args, .. } | ExprKind::Row { args, .. } => args.iter_mut().try_for_each(visit),
        ExprKind::Cast { arg, .. }
        | ExprKind::IsNull { arg, .. }
        | ExprKind::IsBool { arg, .. }
        | ExprKind::Field { arg, .. } => visit(arg),
        ExprKind::Not(arg) => visit(arg),
        ExprKind::IsDistinct { left, right, .. } => {
            visit(left)?;
            visit(right)
        }
        ExprKind::Case { whens, otherwise } => {
            for (when, then) in whens {
                visit(when)?;
                visit(then)?;
            }
            otherwise.as_mut().map_or(Ok(()), |o| visit(o))
        }
        ExprKind::InList { arg, list, .. } => {
            visit(arg)?;
            list.iter_mut().try_for_each(visit)
        }
        ExprKind::ArrayCompare { left, array, .. } => {
            visit(left)?;
            visit(array)
        }
        ExprKind::Subscript { array, indexes } => {
            visit(array)?;
            indexes.iter_mut().try_for_each(visit)
        }
        ExprKind::Subquery { kind, plan } => {
            if let SubqueryKind::Compare { left, .. } = kind {
                left.iter_mut().try_for_each(&mut *visit)?;
            }
            if plan.args.is_empty() {
                return Ok(());
            }
            Arc::make_mut(plan).args.iter_mut().try_for_each(visit)
        }
    }
}

/// Replaces each column number by `map` of it, everywhere in `expr`.
pub fn map_columns(expr: &mut Expr, map: &mut dyn FnMut(usize) -> usize) {
    if let ExprKind::Column(column) = &mut expr.kind {
        *column = map(*column);
        return;
    }
    let Ok(()) = children_mut::<std::convert::Infallible>(expr, &mut |child| {
        map_columns(child, map);
        Ok(())
    });
}

/// Moves all column numbers up by `by`.
pub fn shift(expr: &mut Expr, by: usize) {
    if by > 0 {
        map_columns(expr, &mut |c| c + by);
    }
}

/// Whether `test` holds for `expr` or anything below it (arguments of subqueries included, their plans not).
pub fn any(expr: &Expr, test: &mut dyn FnMut(&Expr) -> bool) -> bool {
    if test(expr) {
        return true;
    }
    let mut found = false;
    children(expr, &mut |child| found = found || any(child, test));
    found
}

/// Calls `visit` with each column number used.
pub fn columns(expr: &Expr, visit: &mut dyn FnMut(usize)) {
    if let ExprKind::Column(column) = expr.kind {
        visit(column);
    }
    children(expr, &mut |child| columns(child, visit));
}

/// Whether the value may differ between two evaluations on the same row. Subqueries are taken to be stable.
pub fn is_volatile(expr: &Expr) -> bool {
    any(
        expr,
        &mut |e| matches!(&e.kind, ExprKind::Call { function, .. } if function.volatility == Volatility::Volatile),
    )
}

/// Whether there is a subquery in it.
pub fn has_subquery(expr: &Expr) -> bool {
    any(expr, &mut |e| matches!(e.kind, ExprKind::Subquery { .. }))
}

/// Whether its value is the same for every row: no columns.
pub fn is_row_independent(expr: &Expr) -> bool {
    !any(expr, &mut |e| matches!(e.kind, ExprKind::Column(_)))
}

/// Whether two expressions are the same computation.
pub fn same(a: &Expr, b: &Expr) -> bool {
    use ExprKind as K;
    let all = |x: &[Expr], y: &[Expr]| x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y));
    match (&a.kind, &b.kind) {
        (K::Column(x), K::Column(y)) | (K::Outer(x), K::Outer(y)) | (K::Param(x), K::Param(y)) => x == y,
        (K::Const(x), K::Const(y)) => x == y && a.ty == b.ty,
        (K::Call { function: f, args: x }, K::Call { function: g, args: y }) => {
            std::ptr::eq(*f, *g) && all(x, y)
        }
        (K::Cast { arg: x, explicit: e }, K::Cast { arg: y, explicit: f }) => {
            e == f && a.ty == b.ty && a.typmod == b.typmod && same(x, y)
        }
        (K::And(x), K::And(y))
        | (K::Or(x), K::Or(y))
        | (K::Coalesce(x), K::Coalesce(y))
        | (K::Array(x), K::Array(y)) => all(x, y),
        (K::Not(x), K::Not(y)) => same(x, y),
        (K::IsNull { arg: x, negated: n }, K::IsNull { arg: y, negated: m }) => n == m && same(x, y),
        (K::IsBool { arg: x, value: v, negated: n }, K::IsBool { arg: y, value: w, negated: m }) => {
            n == m && v == w && same(x, y)
        }
        (
            K::IsDistinct { left: l, right: r, negated: n, .. },
            K::IsDistinct { left: k, right: q, negated: m, .. },
        ) => n == m && same(l, k) && same(r, q),
        (K::Case { whens: x, otherwise: o }, K::Case { whens: y, otherwise: p }) => {
            x.len() == y.len()
                && x.iter().zip(y).all(|((a, b), (c, d))| same(a, c) && same(b, d))
                && match (o, p) {
                    (Some(o), Some(p)) => same(o, p),
                    (None, None) => true,
                    _ => false,
                }
        }
        (K::MinMax { args: x, greatest: g, .. }, K::MinMax { args: y, greatest: h, .. }) => {
            g == h && all(x, y)
        }
        (K::InList { arg: x, list: l, .. }, K::InList { arg: y, list: m, .. }) => same(x, y) && all(l, m),
        (
            K::ArrayCompare { left: l, array: x, function: f, all: a },
            K::ArrayCompare { left: m, array: y, function: g, all: b },
        ) => a == b && std::ptr::eq(*f, *g) && same(l, m) && same(x, y),
        (K::Row { args: x, .. }, K::Row { args: y, .. }) => all(x, y),
        (K::Subscript { array: x, indexes: i }, K::Subscript { array: y, indexes: j }) => {
            same(x, y) && all(i, j)
        }
        (K::Field { arg: x, index: i }, K::Field { arg: y, index: j }) => i == j && same(x, y),
        (K::Subquery { plan: x, .. }, K::Subquery { plan: y, .. }) => Arc::ptr_eq(x, y),
        _ => false,
    }
}

/// The conjuncts of a condition.
pub fn conjuncts(expr: Expr, out: &mut Vec<Expr>) {
    match expr.kind {
        ExprKind::And(args) => args.into_iter().for_each(|a| conjuncts(a, out)),
        kind => out.push(Expr { kind, ..expr }),
    }
}

/// The AND of conditions; none for none of them.
pub fn conjunction(mut conditions: Vec<Expr>) -> Option<Expr> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(Expr { kind: ExprKind::And(conditions), ty: Type::BOOL, typmod: -1 }),
    }
}

fn expr_types(exprs: &[Expr]) -> Vec<ColumnType> {
    exprs.iter().map(|e| ColumnType { ty: e.ty, typmod: e.typmod }).collect()
}

/// Types of a plan's output columns.
pub fn types(plan: &Plan) -> Vec<ColumnType> {
    use crate::plan::JoinKind;
    match plan {
        Plan::Values { types, .. }
        | Plan::Empty { types }
        | Plan::FunctionScan { types, .. }
        | Plan::CteScan { types, .. } => types.clone(),
        Plan::Scan(scan) => {
            let mut types: Vec<ColumnType> =
                scan.columns.iter().filter_map(|c| scan.table.columns.get(*c)).map(|c| c.ty).collect();
            if scan.row_key {
                types.push(Type::BYTEA.into());
            }
            types
        }
        Plan::SystemScan { relation, columns, .. } => columns
            .iter()
            .filter_map(|c| relation.columns.get(*c))
            .map(|(_, ty)| ColumnType::from(*ty))
            .collect(),
        Plan::Filter { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::LockRows { input, .. } => types(input),
        Plan::Project { exprs, .. } => expr_types(exprs),
        Plan::ProjectSet { exprs, .. } => exprs
            .iter()
            .map(|e| match e {
                SetExpr::Scalar(e) => ColumnType { ty: e.ty, typmod: e.typmod },
                SetExpr::Set(function, args) => set_type(function, args).into(),
            })
            .collect(),
        Plan::NestedLoop { kind, left, right, .. } | Plan::HashJoin { kind, left, right, .. } => {
            let mut all = types(left);
            if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                all.extend(types(right));
            }
            all
        }
        Plan::Apply { kind, left, right, .. } => {
            let mut all = types(left);
            if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                all.extend(types(&right.plan));
            }
            all
        }
        Plan::Aggregate { groups, aggregates, .. } => {
            let mut all = expr_types(groups);
            all.extend(aggregates.iter().map(|a| a.ty));
            all
        }
        Plan::SetOperation { left, .. } => types(left),
        Plan::With { body, .. } => types(body),
        Plan::Recursive { base, .. } => types(base),
        Plan::Insert(insert) => expr_types(&insert.returning),
        Plan::Update(update) => expr_types(&update.returning),
        Plan::Delete(delete) => expr_types(&delete.returning),
    }
}

/// The type of a set-returning call's column: its one column's, or a record of several.
pub fn set_type(function: &crate::functions::Function, args: &[Expr]) -> Type {
    match &function.kernel {
        crate::functions::Kernel::Set { columns, .. } => {
            let arg_types: Vec<Type> = args.iter().map(|a| a.ty).collect();
            match columns(&arg_types).as_slice() {
                [(_, ty)] => *ty,
                _ => Type::RECORD,
            }
        }
        _ => function.result,
    }
}

/// Number of a plan's output columns.
pub fn width(plan: &Plan) -> usize {
    match plan {
        Plan::Project { exprs, .. } => exprs.len(),
        Plan::Scan(scan) => scan.columns.len() + usize::from(scan.row_key),
        Plan::Filter { input, .. } | Plan::Sort { input, .. } | Plan::Limit { input, .. } => width(input),
        other => types(other).len(),
    }
}

/// A subplan without arguments.
pub fn uncorrelated(plan: Plan) -> SubPlan {
    SubPlan { plan, args: Vec::new() }
}
