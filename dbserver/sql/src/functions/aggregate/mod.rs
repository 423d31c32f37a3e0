//! Aggregates: states of many groups at once, updated a batch at a time.
//!
//! An accumulator holds one state per group in plain vectors; `update` walks the rows that count and indexes them by
//! group number. Results have PostgreSQL's types: the sum of integers is a bigint, of bigints a numeric.

mod collect;
mod extreme;
mod statistics;
mod sum;

pub(super) use collect::COLLECT;
pub(super) use extreme::EXTREMES;
pub(super) use statistics::STATISTICS;
pub(super) use sum::SUMS;

use super::{Accumulator, Function, Kernel};
use crate::error::{Result, SqlError};
use crate::types::{Datum, Oid, Type};
use crate::vector::Vector;

/// Declares an aggregate. Aggregates see null arguments.
pub(super) const fn aggregate(
    oid: Oid,
    name: &'static str,
    args: &'static [Type],
    result: Type,
    new: fn(&[Type]) -> Box<dyn Accumulator>,
) -> Function {
    Function::of(oid, name, args, result, Kernel::Aggregate { new }).lax()
}

/// (row, group) of the rows that are neither skipped nor null.
fn live<'a>(
    groups: &'a [u32],
    skip: &'a [bool],
    nulls: &'a [bool],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let off = |list: &[bool], row: usize| list.get(row).copied().unwrap_or(false);
    groups
        .iter()
        .enumerate()
        .filter(move |(row, _)| !off(skip, *row) && !off(nulls, *row))
        .map(|(row, group)| (row, *group as usize))
}

fn first<'v>(args: &[&'v Vector]) -> Result<&'v Vector> {
    args.first().copied().ok_or_else(|| SqlError::internal("aggregate without its argument"))
}

fn wrong_form() -> SqlError {
    SqlError::internal("aggregate got values of the wrong form")
}

/// The state of a group; 54000 is impossible here: groups are numbered densely below what `resize` said.
fn state<S>(states: &mut [S], group: usize) -> Result<&mut S> {
    states.get_mut(group).ok_or_else(|| SqlError::internal("group number out of range"))
}

/// A result vector of one datum per group.
fn results(ty: Type, values: impl IntoIterator<Item = Datum>) -> Vector {
    let mut vector = Vector::empty(ty);
    for value in values {
        vector.push(&value);
    }
    vector
}

/// Heap bytes of a datum beyond its own size, roughly.
fn heap_bytes(value: &Datum) -> u64 {
    match value {
        Datum::Text(v) => v.len() as u64 + 16,
        Datum::Bytea(v) => v.len() as u64 + 16,
        Datum::Array(v) => 64 + v.values.iter().map(|v| 40 + heap_bytes(v)).sum::<u64>(),
        Datum::Record(v) => 64 + v.values.iter().map(|v| 64 + heap_bytes(v)).sum::<u64>(),
        Datum::Numeric(_) => 16,
        _ => 0,
    }
}
