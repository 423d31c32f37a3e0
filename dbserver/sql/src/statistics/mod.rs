//! What ANALYZE knows of tables: how the values of each column are spread, from a sample of the rows.
//!
//! ```text
//! snapshot ──sample──> rows ──column──> ColumnStatistics ──catalog──> pg_stats, optimize::selectivity
//!                                                             ▲
//! commits ──changes──> Activity ──auto──> tables to look at ──┘
//! ```
//!
//! The numbers are PostgreSQL's (manual, "Planner Statistics" and "Row Estimation Examples"), kept per column in the catalog's
//! tree ([`row`]) and changed there by transactions like any definition. How many rows a table has is not taken from here
//! but asked of the engine when a statement is planned.

mod auto;
mod changes;
mod column;
pub(crate) mod row;
mod sample;

pub(crate) use auto::store_in;
pub use changes::TableActivity;
pub(crate) use changes::{Activity, Change, Changes};
pub(crate) use column::default_width;
use sample::collect;

use crate::catalog::Table;
use crate::types::{Datum, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many most common values and histogram buckets are kept of a column (`default_statistics_target`).
pub(crate) const TARGET: usize = 100;
/// Rows in a sample. A histogram of `k` buckets is within 50 % of the truth with 99 % certainty from 300 k rows (Chaudhuri,
/// Motwani and Narasayya, "Random sampling for histogram construction", 1998).
pub(crate) const SAMPLE_ROWS: usize = 300 * TARGET;

/// What ANALYZE found of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableStatistics {
    /// Live rows (`reltuples`).
    pub rows: u64,
    /// Bytes that the table took, in pages (`relpages`).
    pub pages: u64,
    /// By position in the table's columns. One that has changed its type since has none: see [`Table::statistics_of`].
    pub columns: BTreeMap<usize, Arc<ColumnStatistics>>,
}

/// What ANALYZE found of a column, or of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnStatistics {
    /// The type the values had.
    pub ty: Type,
    /// Which part of the rows is null (`null_frac`).
    pub null_fraction: f64,
    /// Average bytes of a value that is not null (`avg_width`).
    pub width: i32,
    /// Distinct values as `stadistinct` has them: how many, or, negative, how many for each row; 0 where that is not known.
    pub distinct: f64,
    /// The most common values, the most common first, each with the part of the rows that has it.
    pub common: Vec<(Datum, f64)>,
    /// Bounds of buckets that hold equally many of the other values, ascending; empty where there are fewer than two.
    pub histogram: Vec<Datum>,
    /// Correlation of the values' order with that of the rows, -1 to 1.
    pub correlation: Option<f64>,
}

impl ColumnStatistics {
    /// Distinct values among `rows` rows; none where that is not known.
    pub(crate) fn distinct_in(&self, rows: f64) -> Option<f64> {
        match self.distinct {
            d if d > 0.0 => Some(d.min(rows.max(1.0))),
            d if d < 0.0 => Some((-d * rows).max(1.0)),
            _ => None,
        }
    }
    /// The part of the rows that the most common values make together.
    pub(crate) fn common_part(&self) -> f64 {
        self.common.iter().map(|(_, part)| part).sum()
    }
}

impl Table {
    /// What is known of the column at a position, as long as it is of the type that was looked at.
    pub(crate) fn statistics_of(&self, position: usize) -> Option<&ColumnStatistics> {
        let column = self.columns.get(position).filter(|c| !c.dropped)?;
        let found = self.statistics.as_ref()?.columns.get(&position)?;
        (found.ty == column.ty.ty).then_some(found)
    }
}
