//! Catalog relations: their rows are made once per statement, as columns, and shared by all scans of it.

use super::Operator;
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_vector;
use crate::expr::Expr;
use crate::plan::SystemRelation;
use crate::vector::{BATCH_ROWS_MAX, Batch, Vector};
use std::sync::Arc;

/// Rows of a `pg_catalog` or `information_schema` relation.
pub struct SystemScan<'p> {
    relation: &'static SystemRelation,
    columns: &'p [usize],
    filter: Option<&'p Expr>,
    rows: Option<Batch>,
    position: usize,
    _memory: Option<Reservation>,
}

impl<'p> SystemScan<'p> {
    pub fn new(relation: &'static SystemRelation, columns: &'p [usize], filter: Option<&'p Expr>) -> Self {
        Self { relation, columns, filter, rows: None, position: 0, _memory: None }
    }

    /// The wanted columns of the whole relation.
    fn load(&mut self, ctx: &mut ExecContext<'_>) -> Result<Batch> {
        let all = match ctx.state.system.get(&self.relation.oid) {
            Some(all) => Arc::clone(all),
            None => {
                let rows = (self.relation.rows)(&ctx.eval)?;
                let types: Vec<_> = self.relation.columns.iter().map(|c| c.1).collect();
                let batch = columns::from_rows(&types, rows.iter().map(Vec::as_slice))?;
                let mut memory = ctx.reservation();
                memory.grow(columns::batch_memory(&batch))?;
                self._memory = Some(memory);
                let made: Arc<Vec<Arc<Vector>>> = Arc::new(batch.columns);
                ctx.state.system.insert(self.relation.oid, Arc::clone(&made));
                made
            }
        };
        let rows = all.first().map_or(0, |c| columns::len(c));
        let wanted = self.columns.iter().filter_map(|c| all.get(*c).cloned()).collect();
        Ok(Batch { rows, columns: wanted })
    }
}

impl Operator for SystemScan<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let all = match self.rows.take() {
            Some(rows) => rows,
            None => self.load(ctx)?,
        };
        let mut found = None;
        while self.position < all.rows && found.is_none() {
            ctx.check()?;
            let part = columns::slice_batch(&all, self.position, BATCH_ROWS_MAX)?;
            self.position = self.position.saturating_add(part.rows);
            found = match self.filter {
                Some(filter) => {
                    let keep = eval_vector(filter, &part, ctx)?;
                    columns::filter_batch(part, &keep)?
                }
                None => Some(part),
            };
        }
        self.rows = Some(all);
        Ok(found)
    }
}
