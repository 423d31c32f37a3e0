//! ORDER BY. With a known limit only the best rows are kept.

use super::limit::{negative_limit, row_count};
use super::{BoxOperator, Operator, pull};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns::{self, Accumulated, NONE};
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_vector;
use crate::execute::shape::plan_types;
use crate::execute::sorter::{Direction, compare_key, sorted_rows};
use crate::expr::Expr;
use crate::plan::{Plan, SortKey};
use crate::types::Type;
use crate::vector::{BATCH_ROWS_MAX, Batch, Vector};
use std::cmp::Ordering;
use std::sync::Arc;

/// Sorts its input.
pub struct Sort<'p> {
    input: Option<BoxOperator<'p>>,
    types: Vec<Type>,
    keys: &'p [SortKey],
    limit: Option<&'p Expr>,
    memory: Reservation,
    output: Option<Output>,
}

struct Output {
    rows: Batch,
    /// Row numbers in order.
    order: Vec<u32>,
    position: usize,
}

/// Input columns, then key columns, of the rows kept so far.
struct Kept {
    rows: Accumulated,
    width: usize,
    directions: Vec<Direction>,
}

impl Kept {
    fn keys(&self) -> Vec<&Vector> {
        self.rows.columns.iter().skip(self.width).collect()
    }
    /// Keeps the first `limit` rows in order.
    fn truncate(&mut self, limit: usize, ctx: &mut ExecContext<'_>) -> Result<()> {
        let mut order = sorted_rows(&self.keys(), &self.directions, self.rows.rows, ctx)?;
        order.truncate(limit);
        let columns: Result<Vec<Vector>> =
            self.rows.columns.iter().map(|c| columns::take(c, &order)).collect();
        self.rows = Accumulated { columns: columns?, rows: order.len() };
        Ok(())
    }
    /// Which rows of a batch come before the last row kept (which is in place `last`).
    fn better(&self, keys: &[Arc<Vector>], rows: usize, last: usize) -> Vec<u32> {
        let kept = self.keys();
        (0u32..)
            .take(rows)
            .filter(|row| {
                let mut order = Ordering::Equal;
                for ((key, kept), direction) in keys.iter().zip(&kept).zip(&self.directions) {
                    order = compare_key(key, *row as usize, kept, last, *direction);
                    if order.is_ne() {
                        break;
                    }
                }
                order.is_lt()
            })
            .collect()
    }
}

impl<'p> Sort<'p> {
    pub fn new(
        input: BoxOperator<'p>,
        plan: &'p Plan,
        keys: &'p [SortKey],
        limit: Option<&'p Expr>,
        ctx: &mut ExecContext<'_>,
    ) -> Self {
        let (types, memory) = (plan_types(plan), ctx.reservation());
        Self { input: Some(input), types, keys, limit, memory, output: None }
    }

    fn sort(&mut self, mut input: BoxOperator<'p>, ctx: &mut ExecContext<'_>) -> Result<Output> {
        let limit = match self.limit {
            Some(limit) => row_count(limit, negative_limit(), ctx)?,
            None => None,
        };
        // More than this and keeping only the best costs more than it saves.
        let limit = limit.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 100_000);
        let width = self.types.len();
        let mut types = self.types.clone();
        types.extend(self.keys.iter().map(|k| k.expr.ty));
        let directions =
            self.keys.iter().map(|k| Direction { descending: k.descending, nulls_first: k.nulls_first });
        let mut kept = Kept { rows: Accumulated::new(&types), width, directions: directions.collect() };
        // Whether the rows kept are in order, and as many as are wanted.
        let mut full = false;
        while let Some(mut batch) = pull(&mut input, ctx)? {
            for key in self.keys {
                let values = eval_vector(&key.expr, &batch, ctx)?;
                batch.columns.push(values);
            }
            if let Some(limit) = limit {
                if full {
                    let keys = batch.columns.get(width..).unwrap_or_default();
                    let better = kept.better(keys, batch.rows, limit.saturating_sub(1));
                    if better.is_empty() {
                        continue;
                    }
                    batch = columns::take_batch(&batch, &better)?;
                }
                kept.rows.add(&batch)?;
                let most = limit.saturating_mul(2).saturating_add(BATCH_ROWS_MAX);
                if kept.rows.rows > most {
                    kept.truncate(limit, ctx)?;
                    full = kept.rows.rows == limit && limit > 0;
                    self.memory.resize(kept.rows.memory())?;
                } else {
                    self.memory.grow(columns::batch_memory(&batch))?;
                }
            } else {
                self.memory.grow(columns::batch_memory(&batch))?;
                kept.rows.add(&batch)?;
            }
        }
        let mut order = sorted_rows(&kept.keys(), &kept.directions, kept.rows.rows, ctx)?;
        if let Some(limit) = limit {
            order.truncate(limit);
        }
        let Accumulated { mut columns, rows } = kept.rows;
        columns.truncate(width);
        Ok(Output { rows: columns::batch(rows, columns), order, position: 0 })
    }
}

impl Operator for Sort<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        if let Some(input) = self.input.take() {
            self.output = Some(self.sort(input, ctx)?);
        }
        ctx.check()?;
        let Some(output) = &mut self.output else { return Ok(None) };
        let part: Vec<u32> =
            output.order.iter().skip(output.position).take(BATCH_ROWS_MAX).copied().collect();
        output.position = output.position.saturating_add(part.len());
        if part.is_empty() {
            self.output = None;
            self.memory.clear();
            return Ok(None);
        }
        debug_assert!(!part.contains(&NONE));
        columns::take_batch(&output.rows, &part).map(Some)
    }
}
