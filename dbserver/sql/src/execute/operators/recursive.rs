//! WITH RECURSIVE: rounds of the step over the rows of the round before, until a round gives none.

use super::distinct::first_rows;
use super::{BoxOperator, Operator, open};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns::{self, batch_memory};
use crate::execute::context::ExecContext;
use crate::execute::groups::Groups;
use crate::execute::shape::plan_types;
use crate::plan::Plan;
use crate::vector::Batch;
use std::sync::Arc;

/// Gives rows as they come, so that a LIMIT outside ends even an endless recursion.
pub struct Recursive<'p> {
    id: usize,
    step: &'p Plan,
    /// What runs now: first the base, then the step of a round.
    running: Option<BoxOperator<'p>>,
    /// Rows of the round before.
    working: Arc<Vec<Batch>>,
    /// Rows of this round.
    fresh: Vec<Batch>,
    /// Rows given so far, for UNION without ALL.
    seen: Option<Groups>,
    memory: Reservation,
}

impl<'p> Recursive<'p> {
    pub fn new(
        id: usize,
        base: BoxOperator<'p>,
        base_plan: &'p Plan,
        step: &'p Plan,
        all: bool,
        ctx: &mut ExecContext<'_>,
    ) -> Self {
        let seen = (!all).then(|| Groups::new(plan_types(base_plan), false, ctx.reservation()));
        Self {
            id,
            step,
            running: Some(base),
            working: Arc::default(),
            fresh: Vec::new(),
            seen,
            memory: ctx.reservation(),
        }
    }

    /// Pulls with our working table in place (and whatever was there before back in its place afterwards).
    fn pull(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        ctx.check()?;
        let before = ctx.state.working.insert(self.id, Arc::clone(&self.working));
        let result = match &mut self.running {
            Some(operator) => operator.next(ctx),
            None => Ok(None),
        };
        match before {
            Some(before) => ctx.state.working.insert(self.id, before),
            None => ctx.state.working.remove(&self.id),
        };
        result
    }
}

impl Operator for Recursive<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        loop {
            let Some(batch) = self.pull(ctx)? else {
                if self.fresh.is_empty() {
                    return Ok(None);
                }
                self.working = Arc::new(std::mem::take(&mut self.fresh));
                self.memory.resize(self.working.iter().map(batch_memory).sum())?;
                self.running = Some(open(self.step, ctx)?);
                continue;
            };
            let batch = match &mut self.seen {
                None => batch,
                Some(seen) => {
                    let (before, mut assigned) = (seen.len(), Vec::new());
                    seen.assign(&batch.columns, batch.rows, &mut assigned)?;
                    let rows = first_rows(&assigned, before);
                    if rows.is_empty() {
                        continue;
                    }
                    columns::take_batch(&batch, &rows)?
                }
            };
            self.memory.grow(batch_memory(&batch))?;
            self.fresh.push(batch.clone());
            return Ok(Some(batch));
        }
    }
}
