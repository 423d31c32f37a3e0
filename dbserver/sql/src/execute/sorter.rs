//! Sorting of rows by keys, in steps short enough that a statement stops in time.
//!
//! Each row is a pair of the first key's leading 64 bits, mapped so that they order as the key does, and the row number. Most comparisons end
//! there; ties go to the columns, then to the row number, which makes the sort stable. Runs of a few thousand rows are
//! sorted at once, then merged two by two, with a look at the deadline between.

use super::columns;
use super::context::ExecContext;
use crate::error::Result;
use crate::types::{Numeric, compare};
use crate::vector::{Values, Vector};
use std::cmp::Ordering;

/// Rows sorted, or merged, between two looks at the deadline.
const RUN_ROWS: usize = 8192;

/// Leading bits of a row's first key, and the row.
type Item = (u64, u32);

/// How one key orders.
#[derive(Clone, Copy, Debug)]
pub struct Direction {
    /// DESC.
    pub descending: bool,
    /// Nulls come first, whatever the direction.
    pub nulls_first: bool,
}

/// Compares row `i` of one vector with row `j` of another of the same type; neither is null.
pub fn compare_values(a: &Vector, i: usize, b: &Vector, j: usize) -> Ordering {
    fn each<T>(a: &[T], i: usize, b: &[T], j: usize, order: impl Fn(&T, &T) -> Ordering) -> Ordering {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => order(x, y),
            _ => Ordering::Equal,
        }
    }
    match (&a.values, &b.values) {
        (Values::Bool(x), Values::Bool(y)) => each(x, i, y, j, Ord::cmp),
        (Values::Int2(x), Values::Int2(y)) => each(x, i, y, j, Ord::cmp),
        (Values::Int4(x), Values::Int4(y)) => each(x, i, y, j, Ord::cmp),
        (Values::Int8(x), Values::Int8(y)) => each(x, i, y, j, Ord::cmp),
        (Values::Oid(x), Values::Oid(y)) => each(x, i, y, j, Ord::cmp),
        (Values::Uuid(x), Values::Uuid(y)) => each(x, i, y, j, Ord::cmp),
        (Values::Float4(x), Values::Float4(y)) => {
            each(x, i, y, j, |x, y| compare::float_cmp(f64::from(*x), f64::from(*y)))
        }
        (Values::Float8(x), Values::Float8(y)) => each(x, i, y, j, |x, y| compare::float_cmp(*x, *y)),
        (Values::Numeric(x), Values::Numeric(y)) => each(x, i, y, j, Numeric::cmp),
        (Values::Interval(x), Values::Interval(y)) => each(x, i, y, j, compare::interval_cmp),
        (Values::Text(x), Values::Text(y)) | (Values::Bytea(x), Values::Bytea(y)) => {
            columns::var(x, i).cmp(columns::var(y, j))
        }
        (Values::Datum(x), Values::Datum(y)) => each(x, i, y, j, compare::compare),
        _ => Ordering::Equal,
    }
}

/// Compares rows by one key.
pub fn compare_key(a: &Vector, i: usize, b: &Vector, j: usize, direction: Direction) -> Ordering {
    match (columns::is_null(a, i), columns::is_null(b, j)) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if direction.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if direction.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let order = compare_values(a, i, b, j);
            if direction.descending { order.reverse() } else { order }
        }
    }
}

/// Leading bits of each row's first key: unequal ones order as the keys do. The flag: equal ones mean equal keys.
fn leading(key: &Vector, direction: Direction, rows: usize) -> (Vec<u64>, bool) {
    fn signed(v: i64) -> u64 {
        v.cast_unsigned() ^ (1 << 63)
    }
    fn float(v: f64) -> u64 {
        let v = if v == 0.0 { 0.0 } else { v };
        let bits = v.to_bits();
        if v.is_nan() {
            u64::MAX
        } else if bits >> 63 == 1 {
            !bits
        } else {
            bits | (1 << 63)
        }
    }
    fn bytes(value: &[u8]) -> u64 {
        let mut head = [0u8; 8];
        for (h, v) in head.iter_mut().zip(value) {
            *h = *v;
        }
        u64::from_be_bytes(head)
    }
    let (mut bits, mut exact): (Vec<u64>, bool) = match &key.values {
        Values::Bool(v) => (v.iter().map(|x| u64::from(*x)).collect(), true),
        Values::Int2(v) => (v.iter().map(|x| signed(i64::from(*x))).collect(), true),
        Values::Int4(v) => (v.iter().map(|x| signed(i64::from(*x))).collect(), true),
        Values::Int8(v) => (v.iter().map(|x| signed(*x)).collect(), true),
        Values::Oid(v) => (v.iter().map(|x| u64::from(*x)).collect(), true),
        Values::Float4(v) => (v.iter().map(|x| float(f64::from(*x))).collect(), true),
        Values::Float8(v) => (v.iter().map(|x| float(*x)).collect(), true),
        Values::Text(v) | Values::Bytea(v) => ((0..rows).map(|i| bytes(columns::var(v, i))).collect(), false),
        Values::Uuid(v) => (v.iter().map(|x| bytes(x)).collect(), false),
        Values::Numeric(_) | Values::Interval(_) | Values::Datum(_) => (vec![0; rows], false),
    };
    if direction.descending {
        bits.iter_mut().for_each(|b| *b = !*b);
    }
    if !key.nulls.is_empty() {
        // Nulls take the end; where a value is there too, the columns decide.
        let null = if direction.nulls_first { 0 } else { u64::MAX };
        for (b, is_null) in bits.iter_mut().zip(&key.nulls) {
            if *is_null {
                *b = null;
            }
        }
        exact = false;
    }
    (bits, exact)
}

/// The row numbers in order of the keys; equal rows stay in their order.
///
/// # Errors
/// 57014 when the statement has to stop; 53200 over its memory.
pub fn sorted_rows(
    keys: &[&Vector],
    directions: &[Direction],
    rows: usize,
    ctx: &mut ExecContext<'_>,
) -> Result<Vec<u32>> {
    let (Some(first), Some(direction)) = (keys.first(), directions.first()) else {
        return Ok((0u32..).take(rows).collect());
    };
    let mut memory = ctx.reservation();
    memory.grow((rows as u64).saturating_mul(40))?;
    let (bits, exact) = leading(first, *direction, rows);
    let rest: Vec<(&Vector, Direction)> =
        keys.iter().copied().zip(directions.iter().copied()).skip(usize::from(exact)).collect();
    let compare = |a: &Item, b: &Item| -> Ordering {
        let mut order = a.0.cmp(&b.0);
        if order.is_eq() {
            for (key, direction) in &rest {
                order = compare_key(key, a.1 as usize, key, b.1 as usize, *direction);
                if order.is_ne() {
                    break;
                }
            }
        }
        order.then(a.1.cmp(&b.1))
    };
    let mut items: Vec<Item> = bits.into_iter().zip(0u32..).collect();
    for run in items.chunks_mut(RUN_ROWS) {
        ctx.check()?;
        run.sort_unstable_by(&compare);
    }
    let mut width = RUN_ROWS;
    let mut merged = Vec::with_capacity(if rows > width { rows } else { 0 });
    while width < rows {
        merged.clear();
        for pair in items.chunks(width.saturating_mul(2)) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, &compare, &mut merged, ctx)?;
        }
        std::mem::swap(&mut items, &mut merged);
        width = width.saturating_mul(2);
    }
    Ok(items.into_iter().map(|(_, row)| row).collect())
}

/// Merges two sorted runs.
fn merge(
    left: &[Item],
    right: &[Item],
    compare: &impl Fn(&Item, &Item) -> Ordering,
    out: &mut Vec<Item>,
    ctx: &mut ExecContext<'_>,
) -> Result<()> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut since_check = 0usize;
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => compare(l, r).is_le(),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return Ok(()),
        };
        out.extend(if take_left { left.next() } else { right.next() });
        since_check = since_check.saturating_add(1);
        if since_check == RUN_ROWS {
            since_check = 0;
            ctx.check()?;
        }
    }
}
