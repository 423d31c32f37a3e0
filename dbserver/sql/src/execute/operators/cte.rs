//! WITH: common table expressions are pulled as far as someone reads them, once for all readers.

use super::{BoxOperator, Operator, misuse, pull};
use crate::error::Result;
use crate::execute::Execution;
use crate::execute::columns::batch_memory;
use crate::execute::context::{Cte, ExecContext};
use crate::execute::shape::is_modifying;
use crate::plan::Plan;
use crate::vector::Batch;
use std::sync::Arc;

/// Makes its CTEs known, then gives the rows of its query. Data-modifying CTEs run to their end in any case.
pub struct With<'p> {
    ctes: &'p [(usize, Plan)],
    body: BoxOperator<'p>,
    begun: bool,
}

impl<'p> With<'p> {
    pub fn new(ctes: &'p [(usize, Plan)], body: BoxOperator<'p>) -> Self {
        Self { ctes, body, begun: false }
    }

    fn begin(&mut self, ctx: &mut ExecContext<'_>) -> Result<()> {
        for (id, plan) in self.ctes {
            let source = Some(Box::new(Execution::open_plan(Arc::new(plan.clone()), ctx)?));
            let (outer, memory) = (ctx.state.outer.clone(), ctx.reservation());
            let again = ctx.state.ctes.insert(*id, Cte { rows: Vec::new(), source, outer, memory }).is_some();
            if again {
                // Run anew for another outer row: what was kept of subqueries may have read the old rows.
                ctx.state.subqueries.clear();
            }
        }
        Ok(())
    }
}

/// Pulls one more batch of a CTE; false at its end.
fn advance(id: usize, ctx: &mut ExecContext<'_>) -> Result<bool> {
    let Some(cte) = ctx.state.ctes.get_mut(&id) else { return Err(misuse("no such CTE")) };
    // Out of the map while it runs, in the frame where its WITH stands.
    let Some(mut source) = cte.source.take() else { return Ok(false) };
    let outer = cte.outer.clone();
    let outside = std::mem::replace(&mut ctx.state.outer, outer);
    let result = source.next_shared(ctx);
    ctx.state.outer = outside;
    let Some(batch) = result? else { return Ok(false) };
    let Some(cte) = ctx.state.ctes.get_mut(&id) else { return Err(misuse("no such CTE")) };
    cte.memory.grow(batch_memory(&batch))?;
    cte.rows.push(batch);
    cte.source = Some(source);
    Ok(true)
}

impl Operator for With<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        if !self.begun {
            self.begun = true;
            self.begin(ctx)?;
        }
        if let Some(batch) = pull(&mut self.body, ctx)? {
            return Ok(Some(batch));
        }
        for (id, plan) in self.ctes {
            if is_modifying(plan) {
                while advance(*id, ctx)? {
                    ctx.check()?;
                }
            }
        }
        Ok(None)
    }

    fn affected(&self) -> u64 {
        self.body.affected()
    }
}

/// Rows of a CTE, or of the working table of the recursion that is making a round.
pub struct CteScan {
    id: usize,
    position: usize,
    working: Option<Arc<Vec<Batch>>>,
    begun: bool,
}

impl CteScan {
    pub fn new(id: usize) -> Self {
        Self { id, position: 0, working: None, begun: false }
    }
}

impl Operator for CteScan {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        ctx.check()?;
        if !self.begun {
            self.begun = true;
            self.working = ctx.state.working.get(&self.id).cloned();
        }
        let at = self.position;
        self.position = at.saturating_add(1);
        if let Some(working) = &self.working {
            return Ok(working.get(at).cloned());
        }
        loop {
            let Some(cte) = ctx.state.ctes.get(&self.id) else { return Err(misuse("no such CTE")) };
            if let Some(batch) = cte.rows.get(at) {
                return Ok(Some(batch.clone()));
            }
            if !advance(self.id, ctx)? {
                return Ok(None);
            }
        }
    }
}
