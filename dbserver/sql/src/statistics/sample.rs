//! A random sample of a table's rows.

use super::{ColumnStatistics, SAMPLE_ROWS, TableStatistics, column};
use crate::catalog::Table;
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::Access;
use crate::types::Datum;
use plimsoll_storage::{Direction, KeyRange, RowBuffer, Snapshot};
use rand::{RngCore, SeedableRng, rngs::SmallRng};
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// Rows read between two calls of the caller's `pause`.
const CHUNK_ROWS: usize = 1024;
/// Bytes of sampled rows, beyond which the sample is halved: wide rows make a smaller sample.
const SAMPLE_BYTES_MAX: usize = 32 << 20;

/// A sampled row. The ones with the smallest draws are the sample.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    draw: u64,
    place: u64,
    key: Box<[u8]>,
    value: Box<[u8]>,
}

impl Row {
    fn bytes(&self) -> usize {
        self.key.len().saturating_add(self.value.len())
    }
}

/// The rows with the smallest of as many random numbers as there are rows: a uniform sample without replacement, and so is any
/// prefix of it, which is why it may be made smaller on the way.
struct Sample {
    rows: BinaryHeap<Row>,
    rows_max: usize,
    bytes: usize,
    random: SmallRng,
    /// Rows that came by.
    passed: u64,
}

impl Sample {
    fn new(rows_max: usize, seed: u64) -> Self {
        Self { rows: BinaryHeap::new(), rows_max, bytes: 0, random: SmallRng::seed_from_u64(seed), passed: 0 }
    }

    fn offer(&mut self, key: &[u8], value: &[u8]) {
        let place = self.passed;
        self.passed = place.saturating_add(1);
        let draw = self.random.next_u64();
        let full = self.rows.len() >= self.rows_max;
        if full && self.rows.peek().is_some_and(|most| draw >= most.draw) {
            return;
        }
        if full {
            self.drop_one();
        }
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.rows.push(Row { draw, place, key: key.into(), value: value.into() });
        while self.bytes > SAMPLE_BYTES_MAX && self.rows.len() > 1 {
            self.rows_max = self.rows.len() / 2;
            while self.rows.len() > self.rows_max {
                self.drop_one();
            }
        }
    }

    fn drop_one(&mut self) {
        if let Some(row) = self.rows.pop() {
            self.bytes = self.bytes.saturating_sub(row.bytes());
        }
    }

    /// The rows in the order of their places.
    fn into_rows(self) -> Vec<Row> {
        let mut rows = self.rows.into_vec();
        rows.sort_unstable_by_key(|r| r.place);
        rows
    }
}

/// Statistics of a table's columns at the positions given, as the snapshot sees it, with those of the other columns as they were.
///
/// The table is read once from end to end, but just the sampled rows are decoded. `pause` is called about every thousand rows: it
/// may end the work by an error, or take its time.
///
/// # Errors
/// What `pause` and reading fail with; 53200 where the sample does not fit the memory.
pub(crate) fn collect(
    table: &Arc<Table>,
    positions: &[usize],
    snapshot: &Snapshot,
    bytes: u64,
    memory: &mut Reservation,
    pause: &mut dyn FnMut() -> Result<()>,
) -> Result<TableStatistics> {
    // The same table gives the same sample: plans do not change for no reason.
    let mut sample = Sample::new(SAMPLE_ROWS, u64::from(table.oid));
    let mut scan = snapshot.scan(table.tree, KeyRange::all(), Direction::Forward);
    let mut buffer = RowBuffer::new();
    loop {
        buffer.clear();
        let more = scan.next_batch(CHUNK_ROWS, &mut buffer)?;
        buffer.iter().for_each(|(key, value)| sample.offer(key, value));
        memory.resize(sample.bytes as u64)?;
        pause()?;
        if !more {
            break;
        }
    }
    let rows = sample.passed;
    let sampled = sample.into_rows();
    let access = Access::of(table);
    let mut columns: BTreeMap<usize, Arc<ColumnStatistics>> =
        table.statistics.as_ref().map(|s| s.columns.clone()).unwrap_or_default();
    columns.retain(|position, _| table.statistics_of(*position).is_some());
    // A column at a time: one column's values fit where all of them might not.
    for position in positions {
        let Some(column) = table.columns.get(*position).filter(|c| !c.dropped) else { continue };
        let reader = access.layout.reader(&[*position]);
        let mut values: Vec<Datum> = Vec::with_capacity(sampled.len());
        for row in &sampled {
            values.push(reader.read(&row.key, &row.value)?.pop().unwrap_or_default());
        }
        let size: usize = values.iter().map(Datum::memory).sum();
        memory.grow(size as u64)?;
        if !values.is_empty() {
            columns.insert(*position, Arc::new(column::statistics(column.ty.ty, values, rows)));
        }
        memory.resize(memory.bytes().saturating_sub(size as u64))?;
        pause()?;
    }
    let pages = bytes.div_ceil(crate::catalog::system::PAGE_BYTES);
    Ok(TableStatistics { rows, pages, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(rows: u64, rows_max: usize, value: &[u8]) -> Vec<u64> {
        let mut sample = Sample::new(rows_max, 1);
        (0..rows).for_each(|i| sample.offer(&i.to_be_bytes(), value));
        sample.into_rows().iter().map(|r| r.place).collect()
    }

    #[test]
    fn a_small_table_is_its_own_sample() {
        assert_eq!(sampled(100, 300, b"v"), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_sample_is_spread_evenly() {
        let places = sampled(100_000, 3000, b"v");
        assert_eq!(places.len(), 3000);
        for tenth in 0..10 {
            let inside = places.iter().filter(|p| **p / 10_000 == tenth).count();
            // 300 are expected; six standard deviations are 100.
            assert!((200..400).contains(&inside), "{inside} of tenth {tenth}");
        }
    }

    #[test]
    fn wide_rows_make_a_smaller_sample() {
        let places = sampled(200, 1000, &vec![0; 1 << 20]);
        assert!((8..=32).contains(&places.len()), "{}", places.len());
        assert!(places.iter().any(|p| *p > 100), "the last rows have their chance: {places:?}");
    }
}
