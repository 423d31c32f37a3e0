//! Evaluation over one row of datums: point plans, constants, ON CONFLICT, rechecks.

use super::{array, cast, compare, not_boolean, subquery};
use crate::error::{Result, SqlError};
use crate::execute::context::ExecContext;
use crate::expr::{Expr, ExprKind};
use crate::functions::{Function, Kernel};
use crate::types::{Datum, Type};

/// Evaluates an expression over one row: the values of its input columns.
///
/// # Errors
/// Whatever a function or cast fails with.
pub fn eval_row(expr: &Expr, row: &[Datum], ctx: &mut ExecContext<'_>) -> Result<Datum> {
    Ok(match &expr.kind {
        ExprKind::Column(i) => row
            .get(*i)
            .cloned()
            .ok_or_else(|| SqlError::internal(format!("no column {i} among {}", row.len())))?,
        ExprKind::Outer(i) => ctx
            .state
            .outer
            .get(*i)
            .cloned()
            .ok_or_else(|| SqlError::internal(format!("no outer value {i}")))?,
        ExprKind::Const(value) => value.clone(),
        ExprKind::Param(i) => {
            ctx.eval.params.get(*i).cloned().ok_or_else(|| {
                SqlError::internal(format!("no value for parameter ${}", i.saturating_add(1)))
            })?
        }
        ExprKind::Call { function, args } => return call(function, args, row, ctx),
        ExprKind::Cast { arg, explicit } => {
            let value = eval_row(arg, row, ctx)?;
            cast::cast_datum(value, arg.ty, expr, *explicit, ctx)?
        }
        ExprKind::And(terms) => return and_or(terms, true, row, ctx),
        ExprKind::Or(terms) => return and_or(terms, false, row, ctx),
        ExprKind::Not(arg) => match eval_row(arg, row, ctx)? {
            Datum::Bool(b) => Datum::Bool(!b),
            Datum::Null => Datum::Null,
            _ => return Err(not_boolean()),
        },
        ExprKind::IsNull { arg, negated } => {
            Datum::Bool(compare::null_test(&eval_row(arg, row, ctx)?, *negated))
        }
        ExprKind::IsBool { arg, value, negated } => {
            let actual = truth(&eval_row(arg, row, ctx)?)?;
            Datum::Bool((actual == *value) != *negated)
        }
        ExprKind::IsDistinct { left, right, equal, negated } => {
            let (l, r) = (eval_row(left, row, ctx)?, eval_row(right, row, ctx)?);
            Datum::Bool(compare::distinct(l, r, [left.ty, right.ty], equal, ctx)? != *negated)
        }
        ExprKind::Case { whens, otherwise } => {
            for (when, then) in whens {
                if eval_row(when, row, ctx)? == Datum::Bool(true) {
                    return eval_row(then, row, ctx);
                }
            }
            match otherwise {
                Some(expr) => return eval_row(expr, row, ctx),
                None => Datum::Null,
            }
        }
        ExprKind::Coalesce(args) => {
            for arg in args {
                let value = eval_row(arg, row, ctx)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Datum::Null
        }
        ExprKind::MinMax { args, less, greatest } => {
            let values = all(args, row, ctx)?;
            compare::min_max(&values, args, less, *greatest, ctx)?
        }
        ExprKind::InList { arg, list, equal } => {
            let value = eval_row(arg, row, ctx)?;
            let candidates = all(list, row, ctx)?;
            let types = [arg.ty, list.first().map_or(arg.ty, |e| e.ty)];
            compare::any_all(&value, &candidates, types, equal, false, ctx)?
        }
        ExprKind::ArrayCompare { left, array, function, all } => {
            let value = eval_row(left, row, ctx)?;
            let list = eval_row(array, row, ctx)?;
            compare::array_compare(&value, &list, left.ty, function, *all, ctx)?
        }
        ExprKind::Array(args) => array::construct(all(args, row, ctx)?, expr.ty, args.first().map(|a| a.ty))?,
        ExprKind::Row { names, args } => array::record(names, args, all(args, row, ctx)?),
        ExprKind::Subscript { array, indexes } => {
            let base = eval_row(array, row, ctx)?;
            array::subscript(&base, &all(indexes, row, ctx)?)
        }
        ExprKind::Field { arg, index } => array::field(eval_row(arg, row, ctx)?, *index),
        ExprKind::Subquery { kind, plan } => subquery::row(kind, plan, expr.ty, row, ctx)?,
    })
}

/// A boolean datum as three values.
pub(crate) fn truth(value: &Datum) -> Result<Option<bool>> {
    match value {
        Datum::Bool(b) => Ok(Some(*b)),
        Datum::Null => Ok(None),
        _ => Err(not_boolean()),
    }
}

fn all(exprs: &[Expr], row: &[Datum], ctx: &mut ExecContext<'_>) -> Result<Vec<Datum>> {
    exprs.iter().map(|e| eval_row(e, row, ctx)).collect()
}

fn and_or(terms: &[Expr], and: bool, row: &[Datum], ctx: &mut ExecContext<'_>) -> Result<Datum> {
    let mut unknown = false;
    for term in terms {
        match truth(&eval_row(term, row, ctx)?)? {
            Some(value) if value != and => return Ok(Datum::Bool(value)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(and) })
}

/// Calls without a heap allocation for the usual one or two arguments.
fn call(
    function: &'static Function,
    args: &[Expr],
    row: &[Datum],
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    match args {
        [a] => {
            let values = [eval_row(a, row, ctx)?];
            apply(function, &values, args, ctx)
        }
        [a, b] => {
            let values = [eval_row(a, row, ctx)?, eval_row(b, row, ctx)?];
            apply(function, &values, args, ctx)
        }
        _ => {
            let values = all(args, row, ctx)?;
            apply(function, &values, args, ctx)
        }
    }
}

fn apply(
    function: &'static Function,
    values: &[Datum],
    args: &[Expr],
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    if function.strict && values.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    if let Kernel::Scalar { row, .. } = &function.kernel {
        return row(values, &ctx.eval);
    }
    let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
    function.call(values, &types, &ctx.eval)
}
