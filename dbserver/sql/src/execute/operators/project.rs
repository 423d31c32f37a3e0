//! Computed columns.

use super::{BoxOperator, Gaps, Operator, pull};
use crate::error::Result;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_all;
use crate::expr::Expr;
use crate::vector::Batch;

/// Computes columns; those that are input columns are shared, not copied.
pub struct Project<'p> {
    pub input: BoxOperator<'p>,
    pub exprs: &'p [Expr],
}

impl Operator for Project<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let Some(batch) = pull(&mut self.input, ctx)? else { return Ok(None) };
        let columns = eval_all(self.exprs, &batch, ctx)?;
        Ok(Some(Batch { rows: batch.rows, columns }))
    }

    fn gaps(&self) -> Gaps {
        self.input.gaps()
    }
}
