//! Batches from rows and back, and picking rows of all columns at once.

use super::select::selected;
use super::{Batch, Vector};
use crate::types::{Datum, Type};
use std::sync::Arc;

impl Batch {
    /// Columns of one length; `rows` counts where there are no columns.
    pub fn new(rows: usize, columns: Vec<Vector>) -> Self {
        debug_assert!(columns.iter().all(|c| c.len() == rows));
        Self { rows, columns: columns.into_iter().map(Arc::new).collect() }
    }
    /// No rows, of column types.
    pub fn empty(types: &[Type]) -> Self {
        Self::new(0, types.iter().map(|t| Vector::empty(*t)).collect())
    }
    /// From rows of datums; a short row gets nulls.
    pub fn from_rows<R: AsRef<[Datum]>>(types: &[Type], rows: &[R]) -> Self {
        let column = |(i, ty): (usize, &Type)| {
            Vector::from_datums(*ty, rows.iter().map(|r| r.as_ref().get(i).unwrap_or(&Datum::Null)))
        };
        Self::new(rows.len(), types.iter().enumerate().map(column).collect())
    }
    /// One row as datums.
    pub fn row(&self, row: usize) -> Vec<Datum> {
        self.columns.iter().map(|c| c.get(row)).collect()
    }
    /// All rows as datums.
    pub fn to_rows(&self) -> Vec<Vec<Datum>> {
        (0..self.rows).map(|r| self.row(r)).collect()
    }
    fn map(&self, rows: usize, f: impl Fn(&Vector) -> Vector) -> Self {
        Self { rows, columns: self.columns.iter().map(|c| Arc::new(f(c))).collect() }
    }
    /// The rows at `indices`.
    pub fn take(&self, indices: &[u32]) -> Self {
        self.map(indices.len(), |c| c.take(indices))
    }
    /// As `take`; an index beyond the end gives a row of nulls.
    pub fn take_optional(&self, indices: &[u32]) -> Self {
        self.map(indices.len(), |c| c.take_optional(indices))
    }
    /// The rows where `selection` is true; shares the columns where that is all.
    pub fn filter(&self, selection: &[bool]) -> Self {
        let indices = selected(selection);
        if indices.len() == self.rows { self.clone() } else { self.take(&indices) }
    }
    /// `rows` rows from `start` on, or as many as there are.
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let rows = rows.min(self.rows.saturating_sub(start));
        if rows == self.rows { self.clone() } else { self.map(rows, |c| c.slice(start, rows)) }
    }
    /// All rows of several batches of the same columns.
    pub fn concat(types: &[Type], batches: &[Batch]) -> Self {
        if let [only] = batches {
            return only.clone();
        }
        let column = |(i, ty): (usize, &Type)| {
            Arc::new(Vector::concat(*ty, batches.iter().filter_map(|b| b.columns.get(i)).map(Arc::as_ref)))
        };
        Self {
            rows: batches.iter().map(|b| b.rows).sum(),
            columns: types.iter().enumerate().map(column).collect(),
        }
    }
    /// Bytes held by all columns; a shared column counts each time.
    pub fn memory(&self) -> u64 {
        self.columns.iter().map(|c| c.memory()).sum()
    }
}
