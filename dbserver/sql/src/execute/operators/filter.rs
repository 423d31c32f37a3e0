//! WHERE and HAVING.

use super::{BoxOperator, Operator, pull};
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_vector;
use crate::expr::Expr;
use crate::vector::Batch;

/// Keeps rows whose predicate is true.
pub struct Filter<'p> {
    pub input: BoxOperator<'p>,
    pub predicate: &'p Expr,
}

impl Operator for Filter<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = pull(&mut self.input, ctx)? {
            let keep = eval_vector(self.predicate, &batch, ctx)?;
            if let Some(batch) = columns::filter_batch(batch, &keep)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}
