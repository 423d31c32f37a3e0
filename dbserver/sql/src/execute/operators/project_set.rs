//! Set-returning functions in a select list: they run side by side, the shorter ones padded with nulls.

use super::{BoxOperator, Operator, pull};
use crate::error::{Result, SqlError};
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::{eval_all, eval_vector};
use crate::execute::shape::set_type;
use crate::expr::Expr;
use crate::functions::{Function, Kernel};
use crate::plan::SetExpr;
use crate::types::{Datum, Record, Type};
use crate::vector::{BATCH_ROWS_MAX, Batch, Vector};
use std::sync::Arc;

/// Computes columns of which some give a set per row.
pub struct ProjectSet<'p> {
    input: BoxOperator<'p>,
    exprs: &'p [SetExpr],
    current: Option<Current>,
}

/// The input rows at hand.
struct Current {
    rows: usize,
    /// Per column: a scalar's values, or a set-returning call's arguments.
    values: Vec<Vec<Arc<Vector>>>,
    position: usize,
    /// The sets of the row at `position`, how long the longest is and how far it has come.
    sets: Option<(Vec<Vec<Datum>>, usize, usize)>,
}

/// All rows of a set-returning call. Strict ones give none for a null argument.
pub fn call_set(function: &Function, args: &[Datum], ctx: &ExecContext<'_>) -> Result<Vec<Vec<Datum>>> {
    if function.strict && args.iter().any(Datum::is_null) {
        return Ok(Vec::new());
    }
    match &function.kernel {
        Kernel::Set { rows, .. } => rows(args, &ctx.eval),
        _ => Err(SqlError::internal(format!("{} does not return a set", function.name))),
    }
}

/// All values of a set-returning call as one column: a row of several becomes a record.
fn one_column(
    function: &Function,
    exprs: &[Expr],
    args: &[Datum],
    ctx: &ExecContext<'_>,
) -> Result<Vec<Datum>> {
    let rows = call_set(function, args, ctx)?;
    if set_type(function, exprs) != Type::RECORD {
        return Ok(rows.into_iter().map(|row| row.into_iter().next().unwrap_or_default()).collect());
    }
    let types: Vec<Type> = exprs.iter().map(|e| e.ty).collect();
    let Kernel::Set { columns, .. } = &function.kernel else { return Ok(Vec::new()) };
    let fields: Vec<(String, Type)> =
        columns(&types).into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
    if fields.len() == 1 {
        return Ok(rows.into_iter().map(|row| row.into_iter().next().unwrap_or_default()).collect());
    }
    Ok(rows
        .into_iter()
        .map(|values| Datum::Record(Arc::new(Record { fields: fields.clone(), values })))
        .collect())
}

impl<'p> ProjectSet<'p> {
    pub fn new(input: BoxOperator<'p>, exprs: &'p [SetExpr]) -> Self {
        Self { input, exprs, current: None }
    }

    fn load(&mut self, ctx: &mut ExecContext<'_>) -> Result<bool> {
        let Some(batch) = pull(&mut self.input, ctx)? else { return Ok(false) };
        let mut values = Vec::with_capacity(self.exprs.len());
        for expr in self.exprs {
            values.push(match expr {
                SetExpr::Scalar(expr) => vec![eval_vector(expr, &batch, ctx)?],
                SetExpr::Set(_, args) => eval_all(args, &batch, ctx)?,
            });
        }
        self.current = Some(Current { rows: batch.rows, values, position: 0, sets: None });
        Ok(true)
    }

    /// The sets of the row at hand.
    fn sets(
        exprs: &[SetExpr],
        current: &Current,
        ctx: &mut ExecContext<'_>,
    ) -> Result<(Vec<Vec<Datum>>, usize, usize)> {
        let mut sets = Vec::with_capacity(exprs.len());
        let mut longest = 0;
        for (expr, values) in exprs.iter().zip(&current.values) {
            let args: Vec<Datum> = values.iter().map(|v| columns::get(v, current.position)).collect();
            sets.push(match expr {
                SetExpr::Scalar(_) => args,
                SetExpr::Set(function, exprs) => {
                    let set = one_column(function, exprs, &args, ctx)?;
                    longest = longest.max(set.len());
                    set
                }
            });
        }
        Ok((sets, longest, 0))
    }
}

impl Operator for ProjectSet<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let types = self.exprs.iter().map(|e| match e {
            SetExpr::Scalar(expr) => expr.ty,
            SetExpr::Set(function, args) => set_type(function, args),
        });
        let mut out: Vec<Vector> = types.map(columns::empty).collect();
        let mut count = 0usize;
        while count < BATCH_ROWS_MAX {
            let Some(current) = &mut self.current else {
                // What there is may go out before more is read.
                if count > 0 || !self.load(ctx)? {
                    break;
                }
                continue;
            };
            if current.position >= current.rows {
                self.current = None;
                continue;
            }
            if current.sets.is_none() {
                ctx.check()?;
                current.sets = Some(Self::sets(self.exprs, current, ctx)?);
            }
            let Some((sets, longest, at)) = &mut current.sets else { continue };
            while *at < *longest && count < BATCH_ROWS_MAX {
                for ((column, set), expr) in out.iter_mut().zip(sets.iter()).zip(self.exprs) {
                    let i = if matches!(expr, SetExpr::Scalar(_)) { 0 } else { *at };
                    columns::push(column, set.get(i).unwrap_or(&Datum::Null))?;
                }
                *at = at.saturating_add(1);
                count = count.saturating_add(1);
            }
            if *at >= *longest {
                current.sets = None;
                current.position = current.position.saturating_add(1);
            }
        }
        Ok((count > 0).then(|| columns::batch(count, out)))
    }
}
