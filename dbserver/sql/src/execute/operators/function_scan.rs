//! Functions in FROM: `generate_series(1, 10)`, `unnest(a, b) WITH ORDINALITY`, `ROWS FROM (…)`.

use super::Operator;
use super::project_set::call_set;
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_constants;
use crate::execute::shape::call_types;
use crate::expr::Expr;
use crate::functions::{Function, Kernel};
use crate::types::{ColumnType, Datum, Type};
use crate::vector::{BATCH_ROWS_MAX, Batch, Values, Vector};

/// A call in FROM: the function and its arguments.
type Call<'p> = &'p (&'static Function, Vec<Expr>);

/// Functions that run side by side, padded with nulls.
pub struct FunctionScan<'p> {
    calls: &'p [(&'static Function, Vec<Expr>)],
    ordinality: bool,
    types: &'p [ColumnType],
    sources: Option<Vec<Source>>,
    position: i64,
    memory: Option<Reservation>,
}

/// Where a call's rows come from.
enum Source {
    /// All rows, and how many columns they have.
    Rows(std::vec::IntoIter<Vec<Datum>>, usize),
    /// `generate_series` of integers, made as it is read: next, last, step.
    Series(Option<i64>, i64, i64),
}

impl Source {
    fn width(&self) -> usize {
        match self {
            Source::Rows(_, width) => *width,
            Source::Series(..) => 1,
        }
    }
}

fn integer(value: &Datum) -> Option<i64> {
    match value {
        Datum::Int4(i) => Some(i64::from(*i)),
        Datum::Int8(i) => Some(*i),
        _ => None,
    }
}

/// A series of integers that need not be made in advance; a step of zero is left to the function to refuse.
fn series(function: &Function, args: &[Datum]) -> Option<Source> {
    if function.name != "generate_series"
        || !function.args.iter().all(|t| [Type::INT4, Type::INT8].contains(t))
    {
        return None;
    }
    let mut values = args.iter().map(integer);
    let (start, stop) = (values.next()??, values.next()??);
    let step = match values.next() {
        Some(step) => step?,
        None => 1,
    };
    (step != 0).then_some(Source::Series(Some(start), stop, step))
}

impl<'p> FunctionScan<'p> {
    pub fn new(
        calls: &'p [(&'static Function, Vec<Expr>)],
        ordinality: bool,
        types: &'p [ColumnType],
    ) -> Self {
        Self { calls, ordinality, types, sources: None, position: 0, memory: None }
    }

    fn call(
        &self,
        (function, exprs): Call<'p>,
        memory: &mut Reservation,
        ctx: &mut ExecContext<'_>,
    ) -> Result<Source> {
        let args = eval_constants(exprs, ctx)?;
        if let Some(source) = series(function, &args) {
            return Ok(source);
        }
        let width = match &function.kernel {
            Kernel::Set { .. } => call_types(function, exprs, function.result).len(),
            _ => 1,
        };
        let rows = if matches!(function.kernel, Kernel::Set { .. }) {
            call_set(function, &args, ctx)?
        } else {
            let types: Vec<Type> = exprs.iter().map(|e| e.ty).collect();
            vec![vec![function.call(&args, &types, &ctx.eval)?]]
        };
        let bytes = std::mem::size_of::<Datum>().saturating_mul(width).saturating_add(24);
        memory.grow((rows.len() as u64).saturating_mul(bytes as u64))?;
        Ok(Source::Rows(rows.into_iter(), width))
    }

    /// A batch of a lone series of integers, without a datum per row.
    fn series_batch(&mut self) -> Option<Batch> {
        let [Source::Series(next, last, step)] = self.sources.as_deref_mut()? else { return None };
        if self.ordinality {
            return None;
        }
        let mut out: Vec<i64> = Vec::with_capacity(BATCH_ROWS_MAX);
        while out.len() < BATCH_ROWS_MAX {
            let Some(value) = next.filter(|n| if *step > 0 { *n <= *last } else { *n >= *last }) else {
                break;
            };
            out.push(value);
            *next = value.checked_add(*step);
        }
        let ty = self.types.first()?.ty;
        let rows = out.len();
        let values = if ty == Type::INT8 {
            Values::Int8(out)
        } else {
            Values::Int4(out.into_iter().map(|v| i32::try_from(v).unwrap_or_default()).collect())
        };
        Some(columns::batch(rows, vec![Vector { ty, values, nulls: Vec::new() }]))
    }
}

impl Operator for FunctionScan<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        ctx.check()?;
        if self.sources.is_none() {
            let mut memory = ctx.reservation();
            let sources: Result<Vec<Source>> =
                self.calls.iter().map(|call| self.call(call, &mut memory, ctx)).collect();
            self.sources = Some(sources?);
            self.memory = Some(memory);
        }
        if let Some(batch) = self.series_batch() {
            return Ok((batch.rows > 0).then_some(batch));
        }
        let Some(sources) = &mut self.sources else { return Ok(None) };
        let mut out: Vec<Vector> = self.types.iter().map(|t| columns::empty(t.ty)).collect();
        let mut count = 0usize;
        while count < BATCH_ROWS_MAX {
            let mut any = false;
            let mut row = Vec::with_capacity(out.len());
            for source in sources.iter_mut() {
                let width = source.width();
                let values = match source {
                    Source::Rows(rows, _) => rows.next(),
                    Source::Series(next, last, step) => {
                        let value = next.filter(|n| if *step > 0 { *n <= *last } else { *n >= *last });
                        *next = value.and_then(|v| v.checked_add(*step));
                        value.map(|v| vec![Datum::Int8(v)])
                    }
                };
                any |= values.is_some();
                let mut values = values.unwrap_or_default();
                values.resize(width, Datum::Null);
                row.append(&mut values);
            }
            if !any {
                break;
            }
            self.position = self.position.saturating_add(1);
            if self.ordinality {
                row.push(Datum::Int8(self.position));
            }
            for (column, value) in out.iter_mut().zip(&row) {
                match (column.ty, value) {
                    (Type::INT4, Datum::Int8(v)) => {
                        columns::push(column, &Datum::Int4(i32::try_from(*v).unwrap_or_default()))?;
                    }
                    _ => columns::push(column, value)?,
                }
            }
            count = count.saturating_add(1);
        }
        Ok((count > 0).then(|| columns::batch(count, out)))
    }
}
