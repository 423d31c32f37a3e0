//! LIMIT and OFFSET.

use super::{BoxOperator, Operator, misuse, pull};
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_row;
use crate::expr::Expr;
use crate::types::Datum;
use crate::vector::Batch;

/// Passes `limit` rows on after `offset` others.
pub struct Limit<'p> {
    input: BoxOperator<'p>,
    limit: Option<&'p Expr>,
    offset: Option<&'p Expr>,
    /// Rows still to skip and to pass on, once evaluated.
    left: Option<(u64, Option<u64>)>,
}

/// The value of a LIMIT (or, in a Sort, LIMIT + OFFSET); none for null.
///
/// # Errors
/// `negative` where it is.
pub fn row_count(expr: &Expr, negative: SqlError, ctx: &mut ExecContext<'_>) -> Result<Option<u64>> {
    let count = match eval_row(expr, &[], ctx)? {
        Datum::Null => return Ok(None),
        Datum::Int8(n) => n,
        Datum::Int4(n) => i64::from(n),
        Datum::Int2(n) => i64::from(n),
        _ => return Err(misuse("a row count is not an integer")),
    };
    u64::try_from(count).map(Some).map_err(|_| negative)
}

/// 2201W
pub fn negative_limit() -> SqlError {
    SqlError::new(sqlstate::INVALID_ROW_COUNT_IN_LIMIT, "LIMIT must not be negative")
}

impl<'p> Limit<'p> {
    pub fn new(input: BoxOperator<'p>, limit: Option<&'p Expr>, offset: Option<&'p Expr>) -> Self {
        Self { input, limit, offset, left: None }
    }
}

impl Operator for Limit<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let (mut skip, pass) = match self.left {
            Some(left) => left,
            None => {
                let negative =
                    SqlError::new(sqlstate::INVALID_ROW_COUNT_IN_OFFSET, "OFFSET must not be negative");
                let offset = self.offset.map_or(Ok(None), |e| row_count(e, negative, ctx))?;
                let limit = self.limit.map_or(Ok(None), |e| row_count(e, negative_limit(), ctx))?;
                (offset.unwrap_or(0), limit)
            }
        };
        loop {
            self.left = Some((skip, pass));
            if pass == Some(0) {
                return Ok(None);
            }
            let Some(batch) = pull(&mut self.input, ctx)? else { return Ok(None) };
            let rows = batch.rows as u64;
            if rows <= skip {
                skip = skip.saturating_sub(rows);
                continue;
            }
            let wanted = rows.saturating_sub(skip).min(pass.unwrap_or(u64::MAX));
            let from = usize::try_from(skip).unwrap_or(usize::MAX);
            let batch = columns::slice_batch(&batch, from, usize::try_from(wanted).unwrap_or(usize::MAX))?;
            self.left = Some((0, pass.map(|p| p.saturating_sub(wanted))));
            return Ok(Some(batch));
        }
    }
}
