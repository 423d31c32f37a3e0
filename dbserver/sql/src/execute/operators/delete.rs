//! DELETE.

use super::target::{Locking, lock_batch, may_repeat, row_key};
use super::{BoxOperator, Operator, pull};
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_all;
use crate::execute::row_writer::{RowWriter, Stop};
use crate::plan;
use crate::types::Datum;
use crate::vector::Batch;
use hashbrown::HashSet;
use std::sync::Arc;

/// Locks the input's rows and deletes them.
pub struct Delete<'p> {
    plan: &'p plan::Delete,
    input: BoxOperator<'p>,
    writer: RowWriter<'p>,
    done: Option<HashSet<Box<[u8]>>>,
    affected: u64,
}

impl<'p> Delete<'p> {
    pub fn new(plan: &'p plan::Delete, input: BoxOperator<'p>) -> Self {
        let writer = RowWriter::new(&plan.table, &plan.checks, true);
        let done = may_repeat(&plan.input).then(HashSet::new);
        Self { plan, input, writer, done, affected: 0 }
    }

    fn delete(&mut self, batch: Batch, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let target = &self.plan.target;
        let targets = [(target, Arc::clone(&self.writer.access))];
        let recheck = self.plan.recheck.as_ref();
        let locked = lock_batch(batch, &targets, recheck, Locking::WRITE, self.done.as_mut(), ctx)?;
        let Some(batch) = locked else { return Ok(None) };
        let width = self.writer.access.live.len();
        for row in 0..batch.rows {
            if row % 64 == 0 {
                ctx.check()?;
            }
            let Some(key) = row_key(&batch, target.key, row) else { continue };
            let old: Vec<Datum> = if self.writer.needs_old() {
                let columns = batch.columns.iter().skip(target.first).take(width);
                columns.map(|c| columns::get(c, row)).collect()
            } else {
                Vec::new()
            };
            self.writer.delete(key, &old, ctx).map_err(Stop::into_error)?;
            self.affected = self.affected.saturating_add(1);
        }
        Ok(Some(batch))
    }
}

impl Operator for Delete<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        while let Some(batch) = pull(&mut self.input, ctx)? {
            if let Some(batch) = self.delete(batch, ctx)?
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
