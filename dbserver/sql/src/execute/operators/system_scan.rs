//! Catalog relations: their rows are made once per statement, as columns, and shared by all scans of it.
//!
//! Catalog queries ask for the rows of one relation again and again (`attrelid = c.oid` in a subquery per table), so a
//! scan whose filter has such an equality looks its rows up in a hash table, which is kept for the statement too.

use super::Operator;
use crate::error::Result;
use crate::execute::columns::{self, NONE};
use crate::execute::context::{ExecContext, SystemColumns};
use crate::execute::eval::{eval_row, eval_vector, is_constant, is_plain_equality};
use crate::execute::groups::Groups;
use crate::expr::{Expr, ExprKind};
use crate::plan::SystemRelation;
use crate::types::Datum;
use crate::vector::{BATCH_ROWS_MAX, Batch};
use std::sync::Arc;

/// Relations with fewer rows are read from end to end.
const LOOKUP_ROWS_MIN: usize = 64;

/// Rows of a `pg_catalog` or `information_schema` relation.
pub struct SystemScan<'p> {
    relation: &'static SystemRelation,
    columns: &'p [usize],
    filter: Option<&'p Expr>,
    rows: Option<Rows>,
    position: usize,
}

/// The wanted columns, and which rows of them; all of them where none is said.
struct Rows {
    batch: Batch,
    chosen: Option<Vec<u32>>,
}

/// Rows of a relation by the value of one column.
pub struct Lookup {
    groups: Groups,
    rows: Vec<Vec<u32>>,
}

/// Equalities of a column with a value that is the same for all rows, among the terms of an AND.
fn equalities<'e>(expr: &'e Expr, found: &mut Vec<(usize, &'e Expr)>) {
    match &expr.kind {
        ExprKind::And(terms) => terms.iter().for_each(|t| equalities(t, found)),
        ExprKind::Call { function, args } if is_plain_equality(function) => match args.as_slice() {
            [Expr { kind: ExprKind::Column(i), .. }, value] if is_constant(value) => found.push((*i, value)),
            [value, Expr { kind: ExprKind::Column(i), .. }] if is_constant(value) => found.push((*i, value)),
            _ => {}
        },
        _ => {}
    }
}

impl<'p> SystemScan<'p> {
    pub fn new(relation: &'static SystemRelation, columns: &'p [usize], filter: Option<&'p Expr>) -> Self {
        Self { relation, columns, filter, rows: None, position: 0 }
    }

    /// All columns of the relation.
    fn load(&self, ctx: &mut ExecContext<'_>) -> Result<Arc<SystemColumns>> {
        if let Some(all) = ctx.state.system.get(&self.relation.oid) {
            return Ok(Arc::clone(all));
        }
        let rows = (self.relation.rows)(&ctx.eval)?;
        let types: Vec<_> = self.relation.columns.iter().map(|c| c.1).collect();
        let batch = columns::from_rows(&types, rows.iter().map(Vec::as_slice))?;
        let mut memory = ctx.reservation();
        memory.grow(columns::batch_memory(&batch))?;
        let all = Arc::new(SystemColumns { batch, _memory: memory });
        ctx.state.system.insert(self.relation.oid, Arc::clone(&all));
        Ok(all)
    }

    /// The rows in question.
    fn begin(&self, ctx: &mut ExecContext<'_>) -> Result<Rows> {
        let all = self.load(ctx)?;
        let wanted = self.columns.iter().filter_map(|c| all.batch.columns.get(*c).cloned()).collect();
        let batch = Batch { rows: all.batch.rows, columns: wanted };
        let mut found = Vec::new();
        if let Some(filter) = self.filter.filter(|_| batch.rows >= LOOKUP_ROWS_MIN) {
            equalities(filter, &mut found);
        }
        for (output, expr) in found {
            let Some(column) = self.columns.get(output) else { continue };
            let value = eval_row(expr, &[], ctx)?;
            if let Some(chosen) = self.look_up(*column, &value, &all, ctx)? {
                return Ok(Rows { batch, chosen: Some(chosen) });
            }
        }
        Ok(Rows { batch, chosen: None })
    }

    /// The rows with a value in a column; none where the value is of another form than the column.
    fn look_up(
        &self,
        column: usize,
        value: &Datum,
        all: &SystemColumns,
        ctx: &mut ExecContext<'_>,
    ) -> Result<Option<Vec<u32>>> {
        let Some(vector) = all.batch.columns.get(column) else { return Ok(None) };
        let Ok(key) = columns::repeat(vector.ty, value, 1) else { return Ok(None) };
        let lookup = match ctx.state.system_lookups.get(&(self.relation.oid, column)) {
            Some(lookup) => Arc::clone(lookup),
            None => {
                let mut groups = Groups::new(vec![vector.ty], true, ctx.reservation());
                let mut assigned = Vec::new();
                groups.assign(std::slice::from_ref(vector), all.batch.rows, &mut assigned)?;
                let mut rows = vec![Vec::new(); groups.len()];
                for (row, group) in (0u32..).zip(assigned) {
                    if let Some(rows) = rows.get_mut(group as usize) {
                        rows.push(row);
                    }
                }
                let lookup = Arc::new(Lookup { groups, rows });
                ctx.state.system_lookups.insert((self.relation.oid, column), Arc::clone(&lookup));
                lookup
            }
        };
        let mut group = Vec::new();
        lookup.groups.find(&[Arc::new(key)], 1, &mut group);
        let group = group.first().copied().unwrap_or(NONE);
        Ok(Some(lookup.rows.get(group as usize).cloned().unwrap_or_default()))
    }
}

impl Rows {
    /// The next part of the rows.
    fn part(&self, position: usize) -> Result<Batch> {
        match &self.chosen {
            None => columns::slice_batch(&self.batch, position, BATCH_ROWS_MAX),
            Some(rows) => {
                let part: Vec<u32> = rows.iter().skip(position).take(BATCH_ROWS_MAX).copied().collect();
                columns::take_batch(&self.batch, &part)
            }
        }
    }
}

impl Operator for SystemScan<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => self.begin(ctx)?,
        };
        let mut found = None;
        while found.is_none() {
            ctx.check()?;
            let part = rows.part(self.position)?;
            if part.rows == 0 {
                break;
            }
            self.position = self.position.saturating_add(part.rows);
            found = match self.filter {
                Some(filter) => {
                    let keep = eval_vector(filter, &part, ctx)?;
                    columns::filter_batch(part, &keep)?
                }
                None => Some(part),
            };
        }
        self.rows = Some(rows);
        Ok(found)
    }
}
