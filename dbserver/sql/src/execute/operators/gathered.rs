//! Rows of a DELETE, put together until they are worth a file of their own.

use super::target::row_key;
use crate::context::Reservation;
use crate::execute::context::ExecContext;
use crate::vector::{BATCH_ROWS_MAX, Batch};
use plimsoll_storage::{BulkDelete, RowBuffer};

/// Fewer rows are deleted sooner than their file is written and synced.
pub const IN_FILE_ROWS_MIN: usize = 8 << 10;
/// Bytes of rows that are gathered for the first files; twice as many for each further few, so that files stay few.
const BYTES_FIRST: u64 = 8 << 20;
const BYTES_MAX: u64 = 64 << 20;
const FILES_BEFORE_TWICE: usize = 4;

/// Batches, and the keys of all their rows.
#[derive(Default)]
pub struct Gathered {
    pub batches: Vec<Batch>,
    pub keys: RowBuffer,
    /// The memory of both.
    pub reservation: Option<Reservation>,
}

impl Gathered {
    /// Takes a batch, whose rows' keys are in this column. It is given back where it cannot be had with the others: a key is missing, or it is
    /// too much for the statement's memory.
    pub fn take(&mut self, batch: Batch, column: usize, ctx: &ExecContext<'_>) -> Option<Batch> {
        let lengths = (0..batch.rows).map(|row| row_key(&batch, column, row).map(<[u8]>::len));
        let Some(bytes) = lengths.sum::<Option<usize>>() else { return Some(batch) };
        let bytes = batch.memory().saturating_add(bytes as u64);
        let reservation = self.reservation.get_or_insert_with(|| ctx.reservation());
        if reservation.grow(bytes).is_err() {
            return Some(batch);
        }
        for key in (0..batch.rows).filter_map(|row| row_key(&batch, column, row)) {
            self.keys.push(key, &[]);
        }
        self.batches.push(batch);
        None
    }

    /// Whether it is time to delete them, after so many files.
    pub fn is_full(&self, files: usize) -> bool {
        let bytes = self.reservation.as_ref().map_or(0, Reservation::bytes);
        let twice = u32::try_from(files / FILES_BEFORE_TWICE).unwrap_or(u32::MAX);
        let most =
            BYTES_FIRST.checked_shl(twice).map_or(BYTES_MAX, |bytes| bytes.clamp(BYTES_FIRST, BYTES_MAX));
        bytes >= most || self.keys.len() > BulkDelete::ROWS_MAX.saturating_sub(BATCH_ROWS_MAX)
    }
}
