//! UNION, INTERSECT and EXCEPT, with and without ALL.

use super::distinct::first_rows;
use super::{BoxOperator, Operator, pull};
use crate::error::Result;
use crate::execute::columns::{self, NONE};
use crate::execute::context::ExecContext;
use crate::execute::groups::Groups;
use crate::execute::shape::plan_types;
use crate::plan::{Plan, SetOp};
use crate::vector::Batch;

/// A set operation: UNION streams both sides; the others count the right side's rows first.
pub struct SetOperation<'p> {
    op: SetOp,
    all: bool,
    left: Option<BoxOperator<'p>>,
    right: Option<BoxOperator<'p>>,
    groups: Groups,
    /// By group: how often the right side has it; without ALL, whether it is still to be answered.
    counts: Vec<u64>,
}

impl<'p> SetOperation<'p> {
    pub fn new(
        op: SetOp,
        all: bool,
        (left, right): (BoxOperator<'p>, BoxOperator<'p>),
        plan: &'p Plan,
        ctx: &mut ExecContext<'_>,
    ) -> Self {
        let groups = Groups::new(plan_types(plan), false, ctx.reservation());
        Self { op, all, left: Some(left), right: Some(right), groups, counts: Vec::new() }
    }

    fn union(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        loop {
            let Some(side) = self.left.as_mut().or(self.right.as_mut()) else { return Ok(None) };
            let Some(batch) = pull(side, ctx)? else {
                if self.left.take().is_none() {
                    self.right = None;
                }
                continue;
            };
            if self.all {
                return Ok(Some(batch));
            }
            let (before, mut assigned) = (self.groups.len(), Vec::new());
            self.groups.assign(&batch.columns, batch.rows, &mut assigned)?;
            let rows = first_rows(&assigned, before);
            if !rows.is_empty() {
                return columns::take_batch(&batch, &rows).map(Some);
            }
        }
    }

    fn count_right(&mut self, ctx: &mut ExecContext<'_>) -> Result<()> {
        let Some(mut right) = self.right.take() else { return Ok(()) };
        let mut assigned = Vec::new();
        while let Some(batch) = pull(&mut right, ctx)? {
            self.groups.assign(&batch.columns, batch.rows, &mut assigned)?;
            self.counts.resize(self.groups.len(), 0);
            for group in &assigned {
                if let Some(count) = self.counts.get_mut(*group as usize) {
                    *count = count.saturating_add(1);
                }
            }
        }
        Ok(())
    }
}

impl Operator for SetOperation<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        if self.op == SetOp::Union {
            return self.union(ctx);
        }
        self.count_right(ctx)?;
        let Some(left) = self.left.as_mut() else { return Ok(None) };
        let mut assigned = Vec::new();
        while let Some(batch) = pull(left, ctx)? {
            if self.op == SetOp::Intersect {
                self.groups.find(&batch.columns, batch.rows, &mut assigned);
            } else {
                self.groups.assign(&batch.columns, batch.rows, &mut assigned)?;
                // New to both sides: not yet answered. The count 0 says so.
                self.counts.resize(self.groups.len(), 0);
            }
            let mut rows = Vec::new();
            for (i, group) in (0u32..).zip(&assigned) {
                let Some(count) = self.counts.get_mut(*group as usize).filter(|_| *group != NONE) else {
                    continue;
                };
                let keep = match (self.op, self.all) {
                    (SetOp::Intersect, true) => {
                        let keep = *count > 0;
                        *count = count.saturating_sub(1);
                        keep
                    }
                    (SetOp::Intersect, false) => std::mem::take(count) > 0,
                    (_, true) => {
                        let keep = *count == 0;
                        *count = count.saturating_sub(1);
                        keep
                    }
                    (_, false) => {
                        let keep = *count == 0;
                        *count = 1;
                        keep
                    }
                };
                if keep {
                    rows.push(i);
                }
            }
            if !rows.is_empty() {
                return columns::take_batch(&batch, &rows).map(Some);
            }
        }
        Ok(None)
    }
}
