//! What all joins share: candidate pairs of a left and a right row become output rows, and rows without a partner
//! are remembered.

use crate::error::Result;
use crate::execute::columns::{self, NONE};
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_vector;
use crate::execute::shape::columns_used;
use crate::expr::Expr;
use crate::plan::JoinKind;
use crate::vector::{BATCH_ROWS_MAX, Batch, Vector};
use std::sync::Arc;

/// The right side of a join and the condition over pairs of rows.
pub struct Pairs<'p> {
    pub kind: JoinKind,
    on: Option<&'p Expr>,
    /// Columns that `on` reads, left then right.
    used: Vec<bool>,
    /// The right side's columns.
    pub right: Vec<Arc<Vector>>,
    /// Its rows.
    pub right_rows: usize,
    right_matched: Vec<bool>,
    right_position: usize,
}

/// Left rows being joined, and which of them met a partner.
pub struct LeftRows {
    pub batch: Batch,
    pub matched: Vec<bool>,
}

impl LeftRows {
    pub fn new(batch: Batch) -> Self {
        let matched = vec![false; batch.rows];
        Self { batch, matched }
    }
}

fn set(flags: &mut [bool], i: u32) {
    if let Some(flag) = flags.get_mut(i as usize) {
        *flag = true;
    }
}

impl<'p> Pairs<'p> {
    pub fn new(kind: JoinKind, on: Option<&'p Expr>) -> Self {
        let mut used = Vec::new();
        if let Some(on) = on {
            columns_used(on, &mut used);
        }
        Self {
            kind,
            on,
            used,
            right: Vec::new(),
            right_rows: 0,
            right_matched: Vec::new(),
            right_position: 0,
        }
    }

    /// Whether there is a condition besides what made the pairs.
    pub fn has_condition(&self) -> bool {
        self.on.is_some()
    }

    /// Only the left side's columns come out.
    pub fn left_only(&self) -> bool {
        matches!(self.kind, JoinKind::Semi | JoinKind::Anti)
    }

    /// Sets the right side.
    pub fn set_right(&mut self, columns: Vec<Arc<Vector>>, rows: usize) {
        self.right = columns;
        self.right_rows = rows;
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            self.right_matched = vec![false; rows];
        }
    }

    /// Joins candidate pairs: keeps those where the condition is true, marks both rows, gives the output rows. A right row
    /// [`NONE`] stands for no partner (and there must be no condition then).
    pub fn join(
        &mut self,
        left: &mut LeftRows,
        mut l: Vec<u32>,
        mut r: Vec<u32>,
        ctx: &mut ExecContext<'_>,
    ) -> Result<Option<Batch>> {
        if let Some(on) = self.on {
            let width = left.batch.columns.len();
            let mut columns = Vec::with_capacity(self.used.len());
            for (i, used) in self.used.iter().enumerate() {
                let (side, rows, at) =
                    if i < width { (&left.batch.columns, &l, i) } else { (&self.right, &r, i - width) };
                let Some(column) = side.get(at) else { break };
                // What is not read may stay as it is, of another length.
                columns.push(if *used { Arc::new(columns::take(column, rows)?) } else { Arc::clone(column) });
            }
            let keep = eval_vector(on, &Batch { rows: l.len(), columns }, ctx)?;
            let rows = columns::true_rows(&keep);
            if rows.len() < l.len() {
                l = rows.iter().filter_map(|i| l.get(*i as usize).copied()).collect();
                r = rows.iter().filter_map(|i| r.get(*i as usize).copied()).collect();
            }
        }
        l.iter().for_each(|i| set(&mut left.matched, *i));
        if !self.right_matched.is_empty() {
            r.iter().for_each(|i| set(&mut self.right_matched, *i));
        }
        if self.left_only() || l.is_empty() {
            return Ok(None);
        }
        self.output(&left.batch, &l, &r).map(Some)
    }

    fn output(&self, left: &Batch, l: &[u32], r: &[u32]) -> Result<Batch> {
        let mut columns = Vec::with_capacity(left.columns.len().saturating_add(self.right.len()));
        let same = l.len() == left.rows && (0u32..).zip(l).all(|(i, row)| i == *row);
        for column in &left.columns {
            columns.push(if same { Arc::clone(column) } else { Arc::new(columns::take(column, l)?) });
        }
        for column in &self.right {
            columns.push(Arc::new(columns::take(column, r)?));
        }
        Ok(Batch { rows: l.len(), columns })
    }

    /// The rows of the left side that come out because of their having a partner (semi) or none (anti, outer), when all
    /// their pairs have been joined.
    pub fn left_rest(&self, left: &LeftRows) -> Result<Option<Batch>> {
        let wanted = match self.kind {
            JoinKind::Inner | JoinKind::Right => return Ok(None),
            JoinKind::Semi => true,
            JoinKind::Left | JoinKind::Full | JoinKind::Anti => false,
        };
        let flags = (0u32..).zip(&left.matched).filter(|(_, m)| **m == wanted);
        let rows: Vec<u32> = flags.map(|(i, _)| i).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        if !self.left_only() {
            return self.output(&left.batch, &rows, &vec![NONE; rows.len()]).map(Some);
        }
        if rows.len() == left.batch.rows {
            return Ok(Some(left.batch.clone()));
        }
        columns::take_batch(&left.batch, &rows).map(Some)
    }

    /// Rows of the right side without a partner, some at a time; `left` are empty columns of the left side's types.
    pub fn right_rest(&mut self, left: &Batch) -> Result<Option<Batch>> {
        let mut rows = Vec::new();
        while let Some(matched) = self.right_matched.get(self.right_position) {
            if !matched {
                rows.push(u32::try_from(self.right_position).unwrap_or(NONE));
            }
            self.right_position = self.right_position.saturating_add(1);
            if rows.len() == BATCH_ROWS_MAX {
                break;
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        self.output(left, &vec![NONE; rows.len()], &rows).map(Some)
    }
}
