//! VALUES, a SELECT without FROM, and no rows at all.

use super::Operator;
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_row;
use crate::expr::Expr;
use crate::types::{ColumnType, Datum};
use crate::vector::{BATCH_ROWS_MAX, Batch};

/// Rows of expressions.
pub struct Values<'p> {
    rows: std::slice::Iter<'p, Vec<Expr>>,
    types: &'p [ColumnType],
}

impl<'p> Values<'p> {
    pub fn new(rows: &'p [Vec<Expr>], types: &'p [ColumnType]) -> Self {
        Self { rows: rows.iter(), types }
    }
}

impl Operator for Values<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        ctx.check()?;
        let mut out: Vec<_> = self.types.iter().map(|t| columns::empty(t.ty)).collect();
        let mut count = 0usize;
        for row in self.rows.by_ref().take(BATCH_ROWS_MAX) {
            let mut exprs = row.iter();
            for column in &mut out {
                let value = exprs.next().map_or(Ok(Datum::Null), |e| eval_row(e, &[], ctx))?;
                columns::push(column, &value)?;
            }
            count = count.saturating_add(1);
        }
        Ok((count > 0).then(|| columns::batch(count, out)))
    }
}

/// No rows.
pub struct Empty;

impl Operator for Empty {
    fn next(&mut self, _: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        Ok(None)
    }
}
