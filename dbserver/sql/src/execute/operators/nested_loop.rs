//! Nested loops: the right side is read once, every pair is a candidate.

use super::pairs::{LeftRows, Pairs};
use super::{BoxOperator, Operator, pull};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns::{self, Accumulated, batch_memory};
use crate::execute::context::ExecContext;
use crate::execute::shape::plan_types;
use crate::expr::Expr;
use crate::plan::{JoinKind, Plan};
use crate::vector::{BATCH_ROWS_MAX, Batch};

/// A join by nested loops.
pub struct NestedLoop<'p> {
    left: BoxOperator<'p>,
    right: Option<BoxOperator<'p>>,
    plans: (&'p Plan, &'p Plan),
    pairs: Pairs<'p>,
    /// The left rows at hand, and the pair to go on with.
    current: Option<(LeftRows, usize, usize)>,
    left_done: bool,
    memory: Reservation,
}

impl<'p> NestedLoop<'p> {
    pub fn new(
        kind: JoinKind,
        (left, right): (BoxOperator<'p>, BoxOperator<'p>),
        plans: (&'p Plan, &'p Plan),
        on: Option<&'p Expr>,
        ctx: &mut ExecContext<'_>,
    ) -> Self {
        let (pairs, memory) = (Pairs::new(kind, on), ctx.reservation());
        Self { left, right: Some(right), plans, pairs, current: None, left_done: false, memory }
    }

    fn read_right(&mut self, ctx: &mut ExecContext<'_>) -> Result<()> {
        let Some(mut right) = self.right.take() else { return Ok(()) };
        let mut rows = Accumulated::new(&plan_types(self.plans.1));
        while let Some(batch) = pull(&mut right, ctx)? {
            self.memory.grow(batch_memory(&batch))?;
            rows.add(&batch)?;
            if self.pairs.left_only() && !self.pairs.has_condition() {
                break; // One row tells as much as many.
            }
        }
        let Batch { rows, columns } = rows.into_batch();
        self.pairs.set_right(columns, rows);
        Ok(())
    }
}

impl Operator for NestedLoop<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        self.read_right(ctx)?;
        // With one row on the right, a pair per left row says all about semi and anti joins without a condition.
        let right_rows = if self.pairs.left_only() && !self.pairs.has_condition() {
            self.pairs.right_rows.min(1)
        } else {
            self.pairs.right_rows
        };
        if right_rows == 0 && matches!(self.pairs.kind, JoinKind::Inner | JoinKind::Right | JoinKind::Semi) {
            return Ok(None);
        }
        loop {
            ctx.check()?;
            if self.current.is_none() {
                if self.left_done {
                    let types = plan_types(self.plans.0);
                    let empty = columns::batch(0, types.into_iter().map(columns::empty).collect());
                    return self.pairs.right_rest(&empty);
                }
                match pull(&mut self.left, ctx)? {
                    Some(batch) => self.current = Some((LeftRows::new(batch), 0, 0)),
                    None => self.left_done = true,
                }
                continue;
            }
            let Some((rows, i, j)) = &mut self.current else { continue };
            let (mut l, mut r) = (Vec::new(), Vec::new());
            while l.len() < BATCH_ROWS_MAX && *i < rows.batch.rows {
                let settled = self.pairs.left_only() && rows.matched.get(*i).copied().unwrap_or(false);
                if *j >= right_rows || settled {
                    *i = i.saturating_add(1);
                    *j = 0;
                    continue;
                }
                let room = BATCH_ROWS_MAX.saturating_sub(l.len()).min(right_rows.saturating_sub(*j));
                l.resize(l.len().saturating_add(room), *i as u32);
                r.extend((0u32..).skip(*j).take(room));
                *j = j.saturating_add(room);
            }
            if l.is_empty() {
                let rest = self.pairs.left_rest(rows)?;
                self.current = None;
                if rest.is_some() {
                    return Ok(rest);
                }
            } else if let Some(batch) = self.pairs.join(rows, l, r, ctx)? {
                return Ok(Some(batch));
            }
        }
    }
}
