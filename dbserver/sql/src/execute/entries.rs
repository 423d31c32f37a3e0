//! An index's entries for the rows of a batch.

use super::access::{index_entry_from, index_parts};
use super::columns;
use super::context::ExecContext;
use super::eval::{eval_all, eval_vector};
use crate::catalog::Index;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::Expr;
use crate::vector::{Batch, Vector};
use plimsoll_storage::RowBuffer;
use std::sync::Arc;

/// What entries are of.
pub struct Entries {
    /// The index's keys, one value per entry.
    pub values: Vec<Arc<Vector>>,
    /// Each entry's row in the batch; none where every row has one.
    rows: Option<Vec<u32>>,
}

impl Entries {
    /// The row of an entry.
    pub fn row(&self, entry: usize) -> Option<usize> {
        match &self.rows {
            None => Some(entry),
            Some(rows) => rows.get(entry).map(|row| *row as usize),
        }
    }
}

/// Writes to `out`, which is emptied first, the entries of a batch of a table's live columns, whose rows' keys are those of `rows`:
/// the entry's key, and the row's as its value.
///
/// # Errors
/// Those of evaluation; 54000 for a batch beyond 4 GiB.
pub fn index_entries(
    index: &Index,
    keys: &[Expr],
    predicate: Option<&Expr>,
    batch: &Batch,
    rows: &RowBuffer,
    out: &mut RowBuffer,
    ctx: &mut ExecContext<'_>,
) -> Result<Entries> {
    let parts = index_parts(index, keys);
    // A partial index's keys are evaluated on its rows alone.
    let chosen = match predicate {
        Some(predicate) => Some(columns::true_rows(&*eval_vector(predicate, batch, ctx)?)),
        None => None,
    };
    let subset;
    let source = match &chosen {
        Some(rows) => {
            subset = columns::take_batch(batch, rows)?;
            &subset
        }
        None => batch,
    };
    let entries = Entries { values: eval_all(keys, source, ctx)?, rows: chosen };
    out.clear();
    let mut key = Vec::new();
    for entry in 0..source.rows {
        let row = entries.row(entry).and_then(|row| rows.get(row));
        let row_key = row.map(|(key, _)| key).unwrap_or_default();
        key.clear();
        index_entry_from(index, &parts, &entries.values, entry, row_key, &mut key);
        if !out.push(&key, row_key) {
            return Err(too_large());
        }
    }
    Ok(entries)
}

/// A batch does not fit into a buffer.
pub fn too_large() -> SqlError {
    SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "a batch of rows exceeds 4 GiB")
}
