//! DELETE.

use super::gathered::{Gathered, IN_FILE_ROWS_MIN};
use super::target::{Locking, lock_batch, may_repeat, row_key};
use super::{BoxOperator, Operator, pull};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_all;
use crate::execute::row_writer::{RowWriter, Stop};
use crate::plan;
use crate::types::Datum;
use crate::vector::Batch;
use hashbrown::HashSet;
use plimsoll_storage::{BulkDelete, RowBuffer};
use std::collections::VecDeque;
use std::sync::Arc;

/// Deletes the input's rows. Those that nobody has touched since they were read go in batches, or, where they are very many, in files;
/// each of the others is locked and looked at again first.
pub struct Delete<'p> {
    plan: &'p plan::Delete,
    input: BoxOperator<'p>,
    writer: RowWriter<'p>,
    done: Option<HashSet<Box<[u8]>>>,
    /// Read, but not deleted yet.
    gathered: Gathered,
    bulk: BulkDelete,
    /// Keys of a batch's rows.
    keys: RowBuffer,
    /// Rows deleted, to be returned.
    gone: VecDeque<Batch>,
    /// Their memory.
    gone_memory: Option<Reservation>,
    affected: u64,
}

impl<'p> Delete<'p> {
    pub fn new(plan: &'p plan::Delete, input: BoxOperator<'p>) -> Self {
        let writer = RowWriter::new(&plan.table, &plan.checks, true);
        let done = may_repeat(&plan.input).then(HashSet::new);
        Self {
            plan,
            input,
            writer,
            done,
            gathered: Gathered::default(),
            bulk: BulkDelete::new(plan.table.tree),
            keys: RowBuffer::new(),
            gone: VecDeque::new(),
            gone_memory: None,
            affected: 0,
        }
    }

    /// Deletes the rows of a batch, or keeps them to delete them with others.
    fn take(&mut self, batch: Batch, ctx: &mut ExecContext<'_>) -> Result<()> {
        if self.done.is_some() {
            return self.delete(batch, ctx);
        }
        let alone = self.gathered.take(batch, self.input.gaps(), self.plan.target.key, ctx);
        if alone.is_some() || self.gathered.is_full(self.bulk.files()) {
            self.delete_gathered(ctx)?;
        }
        alone.map_or(Ok(()), |batch| self.delete(batch, ctx))
    }

    /// Deletes what has been gathered; what has gone is ready to be returned.
    fn delete_gathered(&mut self, ctx: &mut ExecContext<'_>) -> Result<()> {
        let Gathered { batches, keys, no_gaps, mut reservation } = std::mem::take(&mut self.gathered);
        // Batches and their entries need the keys again.
        let again = if self.writer.needs_old() { keys.bytes() as u64 } else { 0 };
        let fits = reservation.as_mut().is_none_or(|reservation| reservation.grow(again).is_ok());
        self.gone_memory = reservation;
        let rows: usize = batches.iter().map(|batch| batch.rows).sum();
        let many = fits && rows >= IN_FILE_ROWS_MIN && rows == keys.len();
        let transaction = ctx.transaction()?;
        if !many || !transaction.delete_in_file(&mut self.bulk, &keys, no_gaps, ctx.snapshot()?)? {
            return batches.into_iter().try_for_each(|batch| self.delete(batch, ctx));
        }
        self.delete_rest(&batches, ctx)?;
        batches.into_iter().for_each(|batch| self.deleted(Some(batch)));
        Ok(())
    }

    /// Deletes the rows of a batch; what has gone is ready to be returned.
    fn delete(&mut self, batch: Batch, ctx: &mut ExecContext<'_>) -> Result<()> {
        let key = self.plan.target.key;
        if self.done.is_some() || !keys_of(&batch, key, &mut self.keys) {
            let locked = self.delete_locked(batch, ctx)?;
            self.deleted(locked);
            return Ok(());
        }
        let tree = self.writer.access.table.tree;
        let mut from = 0;
        while from < batch.rows {
            ctx.check()?;
            let until = ctx.transaction()?.delete_batch(tree, &self.keys, from, ctx.snapshot()?)?;
            if until > from {
                let gone = columns::slice_batch(&batch, from, until.saturating_sub(from))?;
                self.delete_rest(std::slice::from_ref(&gone), ctx)?;
                self.deleted(Some(gone));
            }
            // One that has changed is mostly alone; where it is not, or nothing can go in batches, the others follow it.
            let count = if until > from { 1 } else { batch.rows.saturating_sub(until) };
            if until < batch.rows {
                let locked = self.delete_locked(columns::slice_batch(&batch, until, count)?, ctx)?;
                self.deleted(locked);
            }
            from = until.saturating_add(count);
        }
        Ok(())
    }

    /// The entries and so on of rows that are gone.
    fn delete_rest(&mut self, gone: &[Batch], ctx: &mut ExecContext<'_>) -> Result<()> {
        let (target, width) = (&self.plan.target, self.writer.access.live.len());
        let needs_old = self.writer.needs_old();
        let parts = gone.iter().map(|gone| {
            let live = gone.columns.iter().skip(target.first).take(width).cloned().collect();
            let mut keys = RowBuffer::new();
            if needs_old {
                keys_of(gone, target.key, &mut keys);
            }
            (Batch { rows: gone.rows, columns: live }, keys)
        });
        let parts: Vec<_> = parts.collect();
        self.writer.delete_batches_rest(&parts, ctx).map_err(Stop::into_error)
    }

    fn deleted(&mut self, batch: Option<Batch>) {
        let Some(batch) = batch else { return };
        self.affected = self.affected.saturating_add(batch.rows as u64);
        if !self.plan.returning.is_empty() {
            self.gone.push_back(batch);
        }
    }

    /// Locks the rows of a batch and deletes those that are still there and still wanted.
    fn delete_locked(&mut self, batch: Batch, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
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
        }
        Ok(Some(batch))
    }
}

/// The keys in a column of keys; false where one is null, or where they are too long together.
fn keys_of(batch: &Batch, column: usize, keys: &mut RowBuffer) -> bool {
    keys.clear();
    (0..batch.rows).all(|row| row_key(batch, column, row).is_some_and(|key| keys.push(key, &[])))
}

impl Operator for Delete<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.gone.pop_front() {
                if let Some(memory) = &mut self.gone_memory {
                    memory.resize(memory.bytes().saturating_sub(batch.memory()))?;
                }
                let columns = eval_all(&self.plan.returning, &batch, ctx)?;
                return Ok(Some(Batch { rows: batch.rows, columns }));
            }
            self.gone_memory = None;
            match pull(&mut self.input, ctx)? {
                Some(batch) => self.take(batch, ctx)?,
                None if self.gathered.batches.is_empty() => return Ok(None),
                None => self.delete_gathered(ctx)?,
            }
        }
    }

    fn affected(&self) -> u64 {
        self.affected
    }
}
