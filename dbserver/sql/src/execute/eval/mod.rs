//! Evaluation of expressions, over a row or over a batch.
//!
//! [`eval_row`] and [`eval_vector`] mean the same: a value per row, computed for no row that does not need it (the arms of
//! a CASE, the rest of an AND after a false). Over a batch that is done with selections: the rows still in question
//! are gathered and the next part is evaluated over those alone.

pub(crate) mod array;
pub(crate) mod cast;
mod compare;
mod logic;
mod row;
pub(crate) mod subquery;

use super::columns;
use super::context::ExecContext;
use super::shape::columns_used;
use crate::error::{Result, SqlError};
use crate::expr::{Expr, ExprKind};
use crate::functions::{Function, Kernel, Volatility};
use crate::session::EvalContext;
use crate::types::{Datum, Type};
use crate::vector::{Batch, Values, Vector};
use std::sync::Arc;

pub use cast::with_names;
pub(crate) use compare::is_plain_equality;
pub use row::eval_row;

/// Evaluates an expression without columns, parameters' values aside, outside of any statement: to fold constants.
///
/// # Errors
/// Whatever the expression fails with; XX000 where it has a subquery that reads a table.
pub fn fold(expr: &Expr, eval: &EvalContext<'_>) -> Result<Datum> {
    eval_row(expr, &[], &mut ExecContext::without_transaction(*eval))
}

/// Evaluates an expression over the rows of a batch: a vector of as many rows.
///
/// # Errors
/// Whatever a function or cast fails with on a row that needs it.
pub fn eval_vector(expr: &Expr, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<Arc<Vector>> {
    if let ExprKind::Column(i) = &expr.kind {
        return batch
            .columns
            .get(*i)
            .cloned()
            .ok_or_else(|| SqlError::internal(format!("no column {i} among {}", batch.columns.len())));
    }
    if batch.rows == 0 {
        return Ok(Arc::new(columns::empty(expr.ty)));
    }
    if is_constant(expr) {
        let value = eval_row(expr, &[], ctx)?;
        return columns::repeat(expr.ty, &value, batch.rows).map(Arc::new);
    }
    let rows = batch.rows;
    let vector = match &expr.kind {
        ExprKind::Column(_) | ExprKind::Outer(_) | ExprKind::Const(_) | ExprKind::Param(_) => {
            let value = eval_row(expr, &[], ctx)?;
            columns::repeat(expr.ty, &value, rows)?
        }
        ExprKind::Call { function, args } => call(function, args, expr.ty, batch, ctx)?,
        ExprKind::Cast { arg, explicit } => {
            let input = eval_vector(arg, batch, ctx)?;
            return cast::cast_vector(&input, arg.ty, expr, *explicit, ctx);
        }
        ExprKind::And(terms) => return logic::and_or(terms, true, batch, ctx),
        ExprKind::Or(terms) => return logic::and_or(terms, false, batch, ctx),
        ExprKind::Not(arg) => {
            let input = eval_vector(arg, batch, ctx)?;
            let Values::Bool(values) = &input.values else { return Err(not_boolean()) };
            Vector {
                ty: Type::BOOL,
                values: Values::Bool(values.iter().map(|v| !v).collect()),
                nulls: input.nulls.clone(),
            }
        }
        ExprKind::IsNull { arg, negated } => {
            let input = eval_vector(arg, batch, ctx)?;
            let flags = match &input.values {
                Values::Datum(values) => {
                    let each = (0..rows).zip(values);
                    each.map(|(i, v)| {
                        let null = columns::is_null(&input, i);
                        if null { !negated } else { compare::null_test(v, *negated) }
                    })
                    .collect()
                }
                _ if input.nulls.is_empty() => vec![*negated; rows],
                _ => input.nulls.iter().map(|null| null != negated).collect(),
            };
            bools(flags)
        }
        ExprKind::IsBool { arg, value, negated } => {
            let input = eval_vector(arg, batch, ctx)?;
            let Values::Bool(values) = &input.values else { return Err(not_boolean()) };
            let each = values.iter().enumerate();
            bools(
                each.map(|(i, v)| {
                    let actual = (!columns::is_null(&input, i)).then_some(*v);
                    (actual == *value) != *negated
                })
                .collect(),
            )
        }
        ExprKind::IsDistinct { left, right, equal, negated } => {
            compare::distinct_vector(left, right, equal, *negated, batch, ctx)?
        }
        ExprKind::Case { whens, otherwise } => {
            return logic::case(whens, otherwise.as_deref(), expr.ty, batch, ctx);
        }
        ExprKind::Coalesce(args) => return logic::coalesce(args, expr.ty, batch, ctx),
        ExprKind::MinMax { args, less, greatest } => by_row(args, expr.ty, batch, ctx, |values, ctx| {
            compare::min_max(values, args, less, *greatest, ctx)
        })?,
        ExprKind::InList { arg, list, equal } => compare::in_list_vector(arg, list, equal, batch, ctx)?,
        ExprKind::ArrayCompare { left, array, function, all } => {
            compare::array_compare_vector(left, array, function, *all, batch, ctx)?
        }
        ExprKind::Array(args) => by_row(args, expr.ty, batch, ctx, |values, _| {
            array::construct(values.to_vec(), expr.ty, args.first().map(|a| a.ty))
        })?,
        ExprKind::Row { names, args } => {
            by_row(args, expr.ty, batch, ctx, |values, _| Ok(array::record(names, args, values.to_vec())))?
        }
        ExprKind::Subscript { array: inner, indexes } => {
            let base = eval_vector(inner, batch, ctx)?;
            let index_vectors = eval_all(indexes, batch, ctx)?;
            let mut out = columns::empty(expr.ty);
            for i in 0..rows {
                let at: Vec<Datum> = index_vectors.iter().map(|v| columns::get(v, i)).collect();
                columns::push(&mut out, &array::subscript(&columns::get(&base, i), &at))?;
            }
            out
        }
        ExprKind::Field { arg, index } => {
            let input = eval_vector(arg, batch, ctx)?;
            let mut out = columns::empty(expr.ty);
            for i in 0..rows {
                columns::push(&mut out, &array::field(columns::get(&input, i), *index))?;
            }
            out
        }
        ExprKind::Subquery { kind, plan } => subquery::vector(kind, plan, expr.ty, batch, ctx)?,
    };
    Ok(Arc::new(vector))
}

/// Evaluates several expressions over a batch.
pub(crate) fn eval_all(exprs: &[Expr], batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<Vec<Arc<Vector>>> {
    exprs.iter().map(|e| eval_vector(e, batch, ctx)).collect()
}

/// Evaluates expressions that see no columns to a row of datums.
pub(crate) fn eval_constants(exprs: &[Expr], ctx: &mut ExecContext<'_>) -> Result<Vec<Datum>> {
    exprs.iter().map(|e| eval_row(e, &[], ctx)).collect()
}

fn not_boolean() -> SqlError {
    SqlError::internal("a condition is not boolean")
}

/// Booleans without nulls.
fn bools(values: Vec<bool>) -> Vector {
    Vector { ty: Type::BOOL, values: Values::Bool(values), nulls: Vec::new() }
}

/// A boolean vector of three-valued results.
fn three_valued(values: impl Iterator<Item = Option<bool>>) -> Vector {
    let mut out = Vec::new();
    let mut nulls = Vec::new();
    let mut any_null = false;
    for value in values {
        any_null |= value.is_none();
        out.push(value.unwrap_or(false));
        nulls.push(value.is_none());
    }
    if !any_null {
        nulls.clear();
    }
    Vector { ty: Type::BOOL, values: Values::Bool(out), nulls }
}

/// Whether the value is the same for all rows of a statement (in one frame of outer values): no column, nothing
/// volatile, no subquery.
pub(crate) fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Const(_) | ExprKind::Param(_) | ExprKind::Outer(_) => true,
        ExprKind::Call { function, args } => {
            function.volatility != Volatility::Volatile && args.iter().all(is_constant)
        }
        ExprKind::Cast { arg, .. } => is_constant(arg),
        ExprKind::Array(args) => args.iter().all(is_constant),
        _ => false,
    }
}

/// Evaluates over some rows of a batch, which come in ascending order.
fn eval_subset(expr: &Expr, batch: &Batch, rows: &[u32], ctx: &mut ExecContext<'_>) -> Result<Arc<Vector>> {
    if rows.len() == batch.rows {
        return eval_vector(expr, batch, ctx);
    }
    let mut used = Vec::new();
    columns_used(expr, &mut used);
    let mut columns = Vec::with_capacity(batch.columns.len());
    for (i, column) in batch.columns.iter().enumerate() {
        // What is not read may stay as it is, of another length.
        columns.push(if used.get(i).copied().unwrap_or(false) {
            Arc::new(columns::take(column, rows)?)
        } else {
            Arc::clone(column)
        });
    }
    eval_vector(expr, &Batch { rows: rows.len(), columns }, ctx)
}

/// Calls a function over a batch: its vector form, or its row form in a loop.
fn call(
    function: &Function,
    args: &[Expr],
    ty: Type,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<Vector> {
    let vectors = eval_all(args, batch, ctx)?;
    call_vectors(function, &vectors, ty, batch.rows, ctx)
}

/// Calls a function on evaluated arguments.
pub(crate) fn call_vectors(
    function: &Function,
    vectors: &[Arc<Vector>],
    ty: Type,
    rows: usize,
    ctx: &mut ExecContext<'_>,
) -> Result<Vector> {
    if let Kernel::Scalar { vector: Some(kernel), .. } = &function.kernel {
        let refs: Vec<&Vector> = vectors.iter().map(AsRef::as_ref).collect();
        let mut out = kernel(&refs, rows, &ctx.eval)?;
        out.ty = ty;
        return Ok(out);
    }
    let types: Vec<Type> = vectors.iter().map(|v| v.ty).collect();
    let mut out = columns::empty(ty);
    let mut values = vec![Datum::Null; vectors.len()];
    for i in 0..rows {
        if function.strict && vectors.iter().any(|v| columns::is_null(v, i)) {
            columns::push_null(&mut out);
            continue;
        }
        for (value, vector) in values.iter_mut().zip(vectors) {
            *value = columns::get(vector, i);
        }
        columns::push(&mut out, &function.call(&values, &types, &ctx.eval)?)?;
    }
    Ok(out)
}

/// Evaluates the arguments over the batch, then a function of each row's values.
fn by_row(
    args: &[Expr],
    ty: Type,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
    f: impl Fn(&[Datum], &mut ExecContext<'_>) -> Result<Datum>,
) -> Result<Vector> {
    let vectors = eval_all(args, batch, ctx)?;
    let mut out = columns::empty(ty);
    let mut values = vec![Datum::Null; vectors.len()];
    for i in 0..batch.rows {
        for (value, vector) in values.iter_mut().zip(&vectors) {
            *value = columns::get(vector, i);
        }
        columns::push(&mut out, &f(&values, ctx)?)?;
    }
    Ok(out)
}
