//! What plans and expressions look like from outside: output types, columns read.

use crate::expr::{Expr, ExprKind, SubqueryKind};
use crate::functions::{Function, Kernel, Volatility};
use crate::plan::{JoinKind, Plan, SetExpr};
use crate::types::Type;

/// Types of a set-returning (or, in FROM, scalar) call's columns.
pub fn call_types(function: &Function, args: &[Expr], result: Type) -> Vec<Type> {
    match &function.kernel {
        Kernel::Set { columns, .. } => {
            let arg_types: Vec<Type> = args.iter().map(|a| a.ty).collect();
            columns(&arg_types).into_iter().map(|(_, ty)| ty).collect()
        }
        _ => vec![result],
    }
}

/// The type of a set-returning call in a select list: its column's, or a record of several.
pub fn set_type(function: &Function, args: &[Expr]) -> Type {
    match call_types(function, args, function.result).as_slice() {
        [one] => *one,
        _ => Type::RECORD,
    }
}

/// Types of a plan's output columns.
pub fn plan_types(plan: &Plan) -> Vec<Type> {
    match plan {
        Plan::Values { types, .. }
        | Plan::Empty { types }
        | Plan::FunctionScan { types, .. }
        | Plan::CteScan { types, .. } => types.iter().map(|t| t.ty).collect(),
        Plan::Scan(scan) => {
            let columns = scan.columns.iter();
            let mut types: Vec<Type> =
                columns.map(|c| scan.table.columns.get(*c).map_or(Type::TEXT, |c| c.ty.ty)).collect();
            if scan.row_key {
                types.push(Type::BYTEA);
            }
            types
        }
        Plan::SystemScan { relation, columns, .. } => {
            columns.iter().map(|c| relation.columns.get(*c).map_or(Type::TEXT, |c| c.1)).collect()
        }
        Plan::Filter { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::LockRows { input, .. } => plan_types(input),
        Plan::Project { exprs, .. } => exprs.iter().map(|e| e.ty).collect(),
        Plan::ProjectSet { exprs, .. } => exprs
            .iter()
            .map(|e| match e {
                SetExpr::Scalar(e) => e.ty,
                SetExpr::Set(function, args) => set_type(function, args),
            })
            .collect(),
        Plan::NestedLoop { kind, left, right, .. } | Plan::HashJoin { kind, left, right, .. } => {
            join_types(*kind, plan_types(left), || plan_types(right))
        }
        Plan::Apply { kind, left, right, .. } => {
            join_types(*kind, plan_types(left), || plan_types(&right.plan))
        }
        Plan::Aggregate { groups, aggregates, .. } => {
            groups.iter().map(|g| g.ty).chain(aggregates.iter().map(|a| a.ty.ty)).collect()
        }
        Plan::SetOperation { left, .. } => plan_types(left),
        Plan::With { body, .. } => plan_types(body),
        Plan::Recursive { base, .. } => plan_types(base),
        Plan::Insert(insert) => insert.returning.iter().map(|e| e.ty).collect(),
        Plan::Update(update) => update.returning.iter().map(|e| e.ty).collect(),
        Plan::Delete(delete) => delete.returning.iter().map(|e| e.ty).collect(),
    }
}

fn join_types(kind: JoinKind, mut left: Vec<Type>, right: impl FnOnce() -> Vec<Type>) -> Vec<Type> {
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        left.extend(right());
    }
    left
}

/// Whether the plan itself writes.
pub fn is_modifying(plan: &Plan) -> bool {
    match plan {
        Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) => true,
        Plan::With { body, .. } => is_modifying(body),
        _ => false,
    }
}

/// Calls `f` with each direct part of an expression. Of a subquery those are its arguments and left sides, not its plan.
pub fn for_each_child<'e>(expr: &'e Expr, f: &mut dyn FnMut(&'e Expr)) {
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Outer(_) | ExprKind::Const(_) | ExprKind::Param(_) => {}
        ExprKind::Call { args, .. }
        | ExprKind::And(args)
        | ExprKind::Or(args)
        | ExprKind::Coalesce(args)
        | ExprKind::MinMax { args, .. }
        | ExprKind::Array(args)
        | ExprKind::Row { args, .. } => args.iter().for_each(f),
        ExprKind::Cast { arg, .. }
        | ExprKind::Not(arg)
        | ExprKind::IsNull { arg, .. }
        | ExprKind::IsBool { arg, .. }
        | ExprKind::Field { arg, .. } => f(arg),
        ExprKind::IsDistinct { left, right, .. } => {
            f(left);
            f(right);
        }
        ExprKind::Case { whens, otherwise } => {
            for (when, then) in whens {
                f(when);
                f(then);
            }
            if let Some(otherwise) = otherwise {
                f(otherwise);
            }
        }
        ExprKind::InList { arg, list, .. } => {
            f(arg);
            list.iter().for_each(f);
        }
        ExprKind::ArrayCompare { left, array, .. } => {
            f(left);
            f(array);
        }
        ExprKind::Subscript { array, indexes } => {
            f(array);
            indexes.iter().for_each(f);
        }
        ExprKind::Subquery { kind, plan } => {
            plan.args.iter().for_each(&mut *f);
            if let SubqueryKind::Compare { left, .. } = kind {
                left.iter().for_each(f);
            }
        }
    }
}

/// Marks the input columns that an expression reads; `used` grows as needed.
pub fn columns_used(expr: &Expr, used: &mut Vec<bool>) {
    if let ExprKind::Column(i) = &expr.kind {
        if used.len() <= *i {
            used.resize(i.saturating_add(1), false);
        }
        if let Some(flag) = used.get_mut(*i) {
            *flag = true;
        }
    }
    for_each_child(expr, &mut |child| columns_used(child, used));
}

/// Whether two runs of an expression on the same row may differ, or do something.
fn is_volatile_expr(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, .. } if function.volatility == Volatility::Volatile => return true,
        ExprKind::Subquery { plan, .. } if is_volatile(&plan.plan) => return true,
        _ => {}
    }
    let mut any = false;
    for_each_child(expr, &mut |child| any = any || is_volatile_expr(child));
    any
}

/// Whether two runs of a plan in one statement may differ, or do something.
pub fn is_volatile(plan: &Plan) -> bool {
    let exprs = |exprs: &[Expr]| exprs.iter().any(is_volatile_expr);
    let maybe = |expr: &Option<Expr>| expr.as_ref().is_some_and(is_volatile_expr);
    let function = |f: &Function| f.volatility == Volatility::Volatile;
    match plan {
        Plan::Values { rows, .. } => rows.iter().any(|row| exprs(row)),
        Plan::Empty { .. } | Plan::CteScan { .. } => false,
        Plan::Scan(scan) => maybe(&scan.filter),
        Plan::SystemScan { filter, .. } => maybe(filter),
        Plan::FunctionScan { calls, .. } => calls.iter().any(|(f, args)| function(f) || exprs(args)),
        Plan::Filter { input, predicate } => is_volatile_expr(predicate) || is_volatile(input),
        Plan::Project { input, exprs: columns } => exprs(columns) || is_volatile(input),
        Plan::ProjectSet { input, exprs: columns } => {
            is_volatile(input)
                || columns.iter().any(|column| match column {
                    SetExpr::Scalar(expr) => is_volatile_expr(expr),
                    SetExpr::Set(f, args) => function(f) || exprs(args),
                })
        }
        Plan::NestedLoop { left, right, on, .. } => maybe(on) || is_volatile(left) || is_volatile(right),
        Plan::HashJoin { left, right, left_keys, right_keys, residual, .. } => {
            exprs(left_keys)
                || exprs(right_keys)
                || maybe(residual)
                || is_volatile(left)
                || is_volatile(right)
        }
        Plan::Apply { left, right, on, .. } => maybe(on) || is_volatile(left) || is_volatile(&right.plan),
        Plan::Aggregate { input, groups, aggregates, .. } => {
            exprs(groups)
                || is_volatile(input)
                || aggregates.iter().any(|a| {
                    exprs(&a.args)
                        || maybe(&a.filter)
                        || a.order.iter().any(|key| is_volatile_expr(&key.expr))
                })
        }
        Plan::Sort { input, keys, .. } => {
            keys.iter().any(|key| is_volatile_expr(&key.expr)) || is_volatile(input)
        }
        Plan::Limit { input, .. } | Plan::Distinct { input, .. } => is_volatile(input),
        Plan::SetOperation { left, right, .. } => is_volatile(left) || is_volatile(right),
        Plan::With { ctes, body } => ctes.iter().any(|(_, cte)| is_volatile(cte)) || is_volatile(body),
        Plan::Recursive { base, step, .. } => is_volatile(base) || is_volatile(step),
        Plan::LockRows { .. } | Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) => true,
    }
}
