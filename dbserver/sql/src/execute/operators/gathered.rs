//! Rows of a DELETE, put together until they are worth a file of their own.

use super::Gaps;
use super::target::row_key;
use crate::context::Reservation;
use crate::execute::context::ExecContext;
use crate::vector::{BATCH_ROWS_MAX, Batch};
use plimsoll_storage::{BulkDelete, RowBuffer};

/// Fewer rows are deleted sooner than their file is written and synced.
pub const IN_FILE_ROWS_MIN: usize = 8 << 10;
/// Rows that are gathered for the first files, and their bytes; twice as many after each further few, so that files stay few.
const ROWS_FIRST: usize = 128 << 10;
const BYTES_FIRST: u64 = 8 << 20;
const BYTES_MAX: u64 = 64 << 20;
const FILES_BEFORE_TWICE: usize = 4;

/// Batches, and the keys of all their rows.
#[derive(Default)]
pub struct Gathered {
    pub batches: Vec<Batch>,
    pub keys: RowBuffer,
    /// No other row of the table lies between the first and the last.
    pub no_gaps: bool,
    /// The memory of both.
    pub reservation: Option<Reservation>,
}

impl Gathered {
    /// Takes the input's next batch, whose rows' keys are in this column. It is given back where it cannot be had with the others: a key
    /// is missing, or it is too much for the statement's memory.
    pub fn take(&mut self, batch: Batch, gaps: Gaps, column: usize, ctx: &ExecContext<'_>) -> Option<Batch> {
        let lengths = (0..batch.rows).map(|row| row_key(&batch, column, row).map(<[u8]>::len));
        let Some(bytes) = lengths.sum::<Option<usize>>() else { return Some(batch) };
        let bytes = batch.memory().saturating_add(bytes as u64);
        let reservation = self.reservation.get_or_insert_with(|| ctx.reservation());
        if reservation.grow(bytes).is_err() {
            return Some(batch);
        }
        let mut keys = (0..batch.rows).filter_map(|row| row_key(&batch, column, row));
        if !keys.all(|key| self.keys.push(key, &[])) {
            return Some(batch);
        }
        let follows = self.batches.is_empty() || (self.no_gaps && gaps.none_before);
        self.no_gaps = follows && gaps.none_within;
        self.batches.push(batch);
        None
    }

    /// Whether it is time to delete them, after so many files.
    pub fn is_full(&self, files: usize) -> bool {
        let Some(reservation) = &self.reservation else { return false };
        let times = 1 << (files / FILES_BEFORE_TWICE).min(3);
        let rows = ROWS_FIRST.saturating_mul(times).min(BulkDelete::ROWS_MAX);
        let bytes = BYTES_FIRST.saturating_mul(times as u64).min(BYTES_MAX);
        reservation.is_scarce()
            || reservation.bytes() >= bytes
            || self.keys.len() > rows.saturating_sub(BATCH_ROWS_MAX)
    }
}
