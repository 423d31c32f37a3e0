//! FOR UPDATE and FOR SHARE.

use super::target::{Locking, lock_batch};
use super::{BoxOperator, Operator, pull};
use crate::error::Result;
use crate::execute::access::Access;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::expr::Expr;
use crate::plan::{LockTarget, LockWaitPolicy};
use crate::vector::Batch;
use plimsoll_storage::LockMode;

/// Locks the rows that come by and passes them on in their newest versions. One at a time: a LIMIT above must not find
/// more rows locked than it took.
pub struct LockRows<'p> {
    pub input: BoxOperator<'p>,
    /// Rows that wait to be locked, and how many of them are done.
    pub pending: Option<(Batch, usize)>,
    pub targets: &'p [LockTarget],
    pub recheck: Option<&'p Expr>,
    pub share: bool,
    pub wait: LockWaitPolicy,
}

impl Operator for LockRows<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let targets: Vec<_> = self.targets.iter().map(|t| (t, Access::of(&t.table))).collect();
        let mode = if self.share { LockMode::Share } else { LockMode::Update };
        let locking = Locking { mode, wait: self.wait };
        loop {
            let Some((batch, row)) = &mut self.pending else {
                let Some(batch) = pull(&mut self.input, ctx)? else { return Ok(None) };
                self.pending = Some((batch, 0));
                continue;
            };
            if *row >= batch.rows {
                self.pending = None;
                continue;
            }
            ctx.check()?;
            let one = columns::slice_batch(batch, *row, 1)?;
            *row = row.saturating_add(1);
            let locked = lock_batch(one, &targets, self.recheck, locking, None, ctx)?;
            if locked.is_some() {
                return Ok(locked);
            }
        }
    }
}
