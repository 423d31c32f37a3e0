//! The executor: runs plans over the storage engine.
//!
//! ```text
//! PlannedKind::Tree  ── Execution::open ── operators pull batches from each other ── Execution::next
//!                         eval::eval_vector: one expression over a batch
//! PlannedKind::Point ── run_point: one row, no batch; eval::eval_row
//! bulk::TableWriter  ── many rows into one table: COPY, INSERT … SELECT, rewrites
//! ```
//!
//! Operators are synchronous: they run on a worker thread, wait for locks by blocking it, and look at the statement's
//! deadline at each batch and inside their long loops. Batches start with one row and grow, so that `LIMIT 1` reads
//! little.

pub(crate) mod access;
pub mod bulk;
pub(crate) mod columns;
mod constraints;
pub mod context;
mod entries;
pub mod eval;
mod execution;
pub(crate) mod groups;
pub(crate) mod key_events;
pub mod operators;
pub mod point;
mod row_numbers;
mod row_writer;
pub(crate) mod shape;
pub(crate) mod sorter;

pub(crate) use access::Access;
pub use bulk::TableWriter;
pub use context::{ExecContext, ExecState, WaitHook};
pub use eval::{eval_row, eval_vector, with_names};
pub use execution::Execution;
pub use operators::{BoxOperator, Operator, open};
pub use point::{PointStep, run_point};
pub use row_numbers::RowNumbers;
pub(crate) use row_writer::{RowWriter, Stop};

#[cfg(test)]
mod tests;
