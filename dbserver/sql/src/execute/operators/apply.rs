//! LATERAL joins and index nested loops: the right side runs anew for each left row, with values of it as outer values.

use super::pairs::{LeftRows, Pairs};
use super::{BoxOperator, Operator, misuse, open, pull};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns::{self, Accumulated, batch_memory};
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_all;
use crate::execute::shape::plan_types;
use crate::expr::{Expr, SubPlan};
use crate::plan::JoinKind;
use crate::types::{Datum, Type};
use crate::vector::{BATCH_ROWS_MAX, Batch, Vector};
use std::sync::Arc;

/// A join whose right side depends on the left row.
pub struct Apply<'p> {
    left: BoxOperator<'p>,
    right: &'p SubPlan,
    right_types: Vec<Type>,
    pairs: Pairs<'p>,
    current: Option<Current<'p>>,
}

/// The left rows at hand.
struct Current<'p> {
    rows: LeftRows,
    /// The right side's arguments.
    args: Vec<Arc<Vector>>,
    /// Which left row runs.
    position: usize,
    /// Its right side.
    running: Option<(BoxOperator<'p>, Vec<Datum>)>,
    /// Right rows that have not been joined yet, and the left row of each.
    pending: Accumulated,
    pending_left: Vec<u32>,
    memory: Reservation,
}

impl<'p> Apply<'p> {
    pub fn new(
        kind: JoinKind,
        left: BoxOperator<'p>,
        right: &'p SubPlan,
        on: Option<&'p Expr>,
    ) -> Result<Self> {
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            return Err(misuse("a lateral join that keeps unmatched right rows"));
        }
        let right_types = plan_types(&right.plan);
        Ok(Self { left, right, right_types, pairs: Pairs::new(kind, on), current: None })
    }

    /// Joins what is pending.
    fn flush(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let pending = std::mem::replace(&mut current.pending, Accumulated::new(&self.right_types));
        let l = std::mem::take(&mut current.pending_left);
        current.memory.clear();
        let Batch { rows, columns } = pending.into_batch();
        self.pairs.set_right(columns, rows);
        let r = (0u32..).take(rows).collect();
        self.pairs.join(&mut current.rows, l, r, ctx)
    }
}

impl Operator for Apply<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        // One right row settles a semi or anti join without a condition.
        let first_only = self.pairs.left_only() && !self.pairs.has_condition();
        loop {
            let Some(current) = &mut self.current else {
                let Some(batch) = pull(&mut self.left, ctx)? else { return Ok(None) };
                let args = eval_all(&self.right.args, &batch, ctx)?;
                self.current = Some(Current {
                    rows: LeftRows::new(batch),
                    args,
                    position: 0,
                    running: None,
                    pending: Accumulated::new(&self.right_types),
                    pending_left: Vec::new(),
                    memory: ctx.reservation(),
                });
                continue;
            };
            ctx.check()?;
            if current.pending.rows >= BATCH_ROWS_MAX
                || (current.position >= current.rows.batch.rows && !current.pending_left.is_empty())
            {
                if let Some(batch) = self.flush(ctx)? {
                    return Ok(Some(batch));
                }
                continue;
            }
            if current.position >= current.rows.batch.rows {
                if self.pairs.right.len() != self.right_types.len() {
                    let none = self.right_types.iter().map(|ty| Arc::new(columns::empty(*ty))).collect();
                    self.pairs.set_right(none, 0);
                }
                let rest = self.pairs.left_rest(&current.rows)?;
                self.current = None;
                if rest.is_some() {
                    return Ok(rest);
                }
                continue;
            }
            let (mut operator, args) = match current.running.take() {
                Some(running) => running,
                None => {
                    let at = current.position;
                    let args: Vec<Datum> = current.args.iter().map(|v| columns::get(v, at)).collect();
                    (open(&self.right.plan, ctx)?, args)
                }
            };
            let outside = std::mem::replace(&mut ctx.state.outer, args);
            let result = operator.next(ctx);
            let args = std::mem::replace(&mut ctx.state.outer, outside);
            match result? {
                None => current.position = current.position.saturating_add(1),
                Some(batch) => {
                    let row = u32::try_from(current.position).unwrap_or(u32::MAX);
                    current.memory.grow(batch_memory(&batch))?;
                    if first_only {
                        current.pending.add(&columns::slice_batch(&batch, 0, 1)?)?;
                        current.pending_left.push(row);
                        current.position = current.position.saturating_add(1);
                    } else {
                        current.pending.add(&batch)?;
                        current.pending_left.resize(current.pending.rows, row);
                        current.running = Some((operator, args));
                    }
                }
            }
        }
    }
}
