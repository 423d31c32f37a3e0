//! DISTINCT and DISTINCT ON.

use super::{BoxOperator, Operator, pull};
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::groups::Groups;
use crate::execute::shape::plan_types;
use crate::plan::Plan;
use crate::types::Type;
use crate::vector::Batch;

/// Keeps the first row of each combination of values in some columns.
pub struct Distinct<'p> {
    input: BoxOperator<'p>,
    columns: &'p [usize],
    groups: Groups,
}

impl<'p> Distinct<'p> {
    pub fn new(
        input: BoxOperator<'p>,
        plan: &'p Plan,
        columns: &'p [usize],
        ctx: &mut ExecContext<'_>,
    ) -> Self {
        let types = plan_types(plan);
        let keys = columns.iter().map(|c| types.get(*c).copied().unwrap_or(Type::TEXT)).collect();
        Self { input, columns, groups: Groups::new(keys, false, ctx.reservation()) }
    }
}

/// The rows that are the first of their group, of which `before` were known.
pub fn first_rows(assigned: &[u32], before: usize) -> Vec<u32> {
    let mut next = before;
    let mut rows = Vec::new();
    for (i, group) in (0u32..).zip(assigned) {
        // Groups are numbered in order of appearance.
        if *group as usize == next {
            rows.push(i);
            next = next.saturating_add(1);
        }
    }
    rows
}

impl Operator for Distinct<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        let mut assigned = Vec::new();
        while let Some(batch) = pull(&mut self.input, ctx)? {
            let keys: Vec<_> = self.columns.iter().filter_map(|c| batch.columns.get(*c).cloned()).collect();
            let before = self.groups.len();
            self.groups.assign(&keys, batch.rows, &mut assigned)?;
            let rows = first_rows(&assigned, before);
            if rows.len() == batch.rows {
                return Ok(Some(batch));
            }
            if !rows.is_empty() {
                return columns::take_batch(&batch, &rows).map(Some);
            }
        }
        Ok(None)
    }
}
