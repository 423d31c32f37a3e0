//! UPDATE.

use super::target::{Locking, lock_batch, may_repeat, row_key};
use super::{BoxOperator, Operator, misuse, pull};
use crate::error::Result;
use crate::execute::columns;
use crate::execute::constraints::check_batch;
use crate::execute::context::ExecContext;
use crate::execute::eval::{eval_all, eval_vector};
use crate::execute::row_writer::{RowWriter, Stop};
use crate::plan;
use crate::vector::Batch;
use hashbrown::HashSet;
use std::sync::Arc;

/// Locks the input's rows, computes their new values on the newest versions, checks and writes them.
pub struct Update<'p> {
    plan: &'p plan::Update,
    input: BoxOperator<'p>,
    writer: RowWriter<'p>,
    /// Keys of rows updated so far, where the input may give one twice: the first time counts.
    done: Option<HashSet<Box<[u8]>>>,
    affected: u64,
}

impl<'p> Update<'p> {
    pub fn new(plan: &'p plan::Update, input: BoxOperator<'p>) -> Self {
        let writer = RowWriter::new(&plan.table, &plan.checks, true);
        let done = may_repeat(&plan.input).then(HashSet::new);
        Self { plan, input, writer, done, affected: 0 }
    }

    /// Updates the rows of a batch; answers the input's columns with the new values in place.
    fn update(&mut self, batch: Batch, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let target = &self.plan.target;
        let targets = [(target, Arc::clone(&self.writer.access))];
        let recheck = self.plan.recheck.as_ref();
        let locked = lock_batch(batch, &targets, recheck, Locking::WRITE, self.done.as_mut(), ctx)?;
        let Some(batch) = locked else { return Ok(None) };
        let width = self.writer.access.live.len();
        let old = Batch {
            rows: batch.rows,
            columns: batch.columns.iter().skip(target.first).take(width).cloned().collect(),
        };
        if old.columns.len() != width {
            return Err(misuse("an UPDATE without its target's columns"));
        }
        let mut new = old.clone();
        for (column, expr) in &self.plan.assignments {
            let values = eval_vector(expr, &batch, ctx)?;
            if let Some(place) = new.columns.get_mut(*column) {
                *place = values;
            }
        }
        check_batch(&self.writer.access, self.writer.checks, &new, ctx)?;
        for row in 0..batch.rows {
            if row % 64 == 0 {
                ctx.check()?;
            }
            let Some(key) = row_key(&batch, target.key, row) else { continue };
            let (before, after) = (columns::row(&old, row), columns::row(&new, row));
            self.writer.update(key, &before, &after, ctx).map_err(Stop::into_error)?;
            self.affected = self.affected.saturating_add(1);
        }
        let mut out = batch;
        for (place, column) in out.columns.iter_mut().skip(target.first).zip(new.columns) {
            *place = column;
        }
        Ok(Some(out))
    }
}

impl Operator for Update<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = pull(&mut self.input, ctx)? {
            if let Some(batch) = self.update(batch, ctx)?
                && !self.plan.returning.is_empty()
            {
                let columns = eval_all(&self.plan.returning, &batch, ctx)?;
                return Ok(Some(Batch { rows: batch.rows, columns }));
            }
        }
        Ok(None)
    }

    fn affected(&self) -> u64 {
        self.affected
    }
}
