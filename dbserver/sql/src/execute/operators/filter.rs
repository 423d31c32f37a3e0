//! WHERE and HAVING.

use super::{BoxOperator, Gaps, Operator, pull};
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
    gaps: Gaps,
    /// Whether rows were left out since the last one that was given.
    passed: bool,
}

impl<'p> Filter<'p> {
    pub fn new(input: BoxOperator<'p>, predicate: &'p Expr) -> Self {
        Self { input, predicate, gaps: Gaps::default(), passed: false }
    }
}

impl Operator for Filter<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = pull(&mut self.input, ctx)? {
            let keep = columns::true_rows(&*eval_vector(self.predicate, &batch, ctx)?);
            self.gaps = self.input.gaps().filtered(&keep, batch.rows, &mut self.passed);
            if !keep.is_empty() {
                return columns::keep_rows(batch, &keep).map(Some);
            }
        }
        Ok(None)
    }

    fn gaps(&self) -> Gaps {
        self.gaps
    }
}
