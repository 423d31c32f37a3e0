//! Reading a table: all of it, a range of its primary key, or a range of an index.
//!
//! Rows come from the snapshot in chunks that grow from one row, and go from their bytes straight into vectors, only the
//! columns that are wanted.

use super::{Gaps, Operator};
use crate::error::Result;
use crate::execute::access::{Access, index_parts_of};
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::execute::eval::{eval_row, eval_vector};
use crate::plan::{self, KeyBounds};
use crate::types::key::{self, KeyPart};
use crate::types::table_row::TableReader;
use crate::types::{Datum, Type, compare};
use crate::vector::{BATCH_ROWS_MAX, Batch, Values};
use plimsoll_storage::{Direction, Key, KeyRange, RowBuffer, Snapshot};
use std::ops::Bound;
use std::sync::Arc;

/// Each chunk is this many times the one before.
const CHUNK_GROWTH: usize = 4;

/// A table scan.
pub struct Scan<'p> {
    plan: &'p plan::Scan,
    state: Option<State>,
    gaps: Gaps,
    /// Whether rows were left out since the last one that was given.
    passed: bool,
}

struct State {
    access: Arc<Access>,
    reader: TableReader,
    snapshot: Snapshot,
    ranges: std::vec::IntoIter<KeyRange>,
    current: Option<plimsoll_storage::Scan>,
    direction: Direction,
    buffer: RowBuffer,
    chunk: usize,
    /// Whether all rows come in the order of the table's keys, and from one range of them.
    in_order: bool,
}

impl<'p> Scan<'p> {
    pub fn new(plan: &'p plan::Scan) -> Self {
        Self { plan, state: None, gaps: Gaps::default(), passed: false }
    }

    fn begin(&self, ctx: &mut ExecContext<'_>) -> Result<State> {
        let access = Access::of(&self.plan.table);
        let (ranges, reverse) = match &self.plan.access {
            plan::Access::Full => (vec![KeyRange::all()], false),
            plan::Access::PrimaryKey(bounds) => {
                (ranges(bounds, access.layout.key_parts(), ctx)?, bounds.reverse)
            }
            plan::Access::Index(index, bounds) => {
                let types: Vec<Type> = bounds
                    .equal
                    .iter()
                    .map(|e| e.ty)
                    .chain(bounds.any.iter().map(|e| e.ty.element().unwrap_or(e.ty)))
                    .chain(bounds.lower.iter().chain(&bounds.upper).map(|(e, _)| e.ty).take(1))
                    .collect();
                let parts = index_parts_of(&self.plan.table, index, &types);
                (ranges(bounds, &parts, ctx)?, bounds.reverse)
            }
        };
        let by_index = matches!(self.plan.access, plan::Access::Index(..));
        Ok(State {
            in_order: !by_index && !reverse && ranges.len() == 1,
            reader: access.layout.reader(&self.plan.columns),
            access,
            snapshot: ctx.snapshot()?.clone(),
            ranges: ranges.into_iter(),
            current: None,
            direction: if reverse { Direction::Backward } else { Direction::Forward },
            buffer: RowBuffer::new(),
            chunk: 1,
        })
    }
}

impl Operator for Scan<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        if self.state.is_none() {
            self.state = Some(self.begin(ctx)?);
        }
        let Some(state) = &mut self.state else { return Ok(None) };
        loop {
            ctx.check()?;
            if !state.fill(self.plan)? {
                return Ok(None);
            }
            if state.buffer.is_empty() {
                continue;
            }
            let batch = state.decode(self.plan)?;
            if batch.rows == 0 {
                continue;
            }
            self.gaps = Gaps { none_within: state.in_order, none_before: state.in_order };
            let Some(filter) = &self.plan.filter else { return Ok(Some(batch)) };
            let keep = columns::true_rows(&*eval_vector(filter, &batch, ctx)?);
            self.gaps = self.gaps.filtered(&keep, batch.rows, &mut self.passed);
            if !keep.is_empty() {
                return columns::keep_rows(batch, &keep).map(Some);
            }
        }
    }

    fn gaps(&self) -> Gaps {
        self.gaps
    }
}

impl State {
    /// Reads the next chunk into the buffer (perhaps of no rows); false at the end.
    fn fill(&mut self, plan: &plan::Scan) -> Result<bool> {
        self.buffer.clear();
        let tree = match &plan.access {
            plan::Access::Index(index, _) => index.tree,
            _ => plan.table.tree,
        };
        while self.buffer.len() < self.chunk {
            let scan = match &mut self.current {
                Some(scan) => scan,
                None => {
                    let Some(range) = self.ranges.next() else { break };
                    self.current.insert(self.snapshot.scan(tree, range, self.direction))
                }
            };
            let room = self.chunk.saturating_sub(self.buffer.len());
            if scan.next_batch(room, &mut self.buffer)? {
                break;
            }
            self.current = None;
        }
        if self.buffer.is_empty() && self.current.is_none() && self.ranges.len() == 0 {
            return Ok(false);
        }
        self.chunk = self.chunk.saturating_mul(CHUNK_GROWTH).min(BATCH_ROWS_MAX);
        Ok(true)
    }

    /// The wanted columns of the rows in the buffer.
    fn decode(&mut self, plan: &plan::Scan) -> Result<Batch> {
        let mut vectors = self.reader.vectors(self.buffer.len());
        if plan.row_key {
            vectors.push(columns::empty(Type::BYTEA));
        }
        let mut rows = 0usize;
        let by_index = matches!(plan.access, plan::Access::Index(..));
        for (key, value) in self.buffer.iter() {
            let row_key = if by_index {
                // The entry's value is the row's key.
                let Some(row) = self.snapshot.get(plan.table.tree, value)? else { continue };
                self.reader.read_into(value, &row, &mut vectors)?;
                value
            } else {
                self.reader.read_into(key, value, &mut vectors)?;
                key
            };
            if plan.row_key
                && let Some(Values::Bytea(keys)) = vectors.last_mut().map(|v| &mut v.values)
            {
                columns::push_var(keys, row_key)?;
            }
            rows = rows.saturating_add(1);
        }
        debug_assert!(!self.access.table.columns.is_empty() || plan.columns.is_empty());
        Ok(columns::batch(rows, vectors))
    }
}

/// The key ranges of bounds, in the order in which they are to be read.
fn ranges(bounds: &KeyBounds, parts: &[KeyPart], ctx: &mut ExecContext<'_>) -> Result<Vec<KeyRange>> {
    let mut prefix = Vec::new();
    let mut next = parts.iter().copied();
    for expr in &bounds.equal {
        let value = eval_row(expr, &[], ctx)?;
        let Some(part) = next.next().filter(|_| !value.is_null()) else { return Ok(Vec::new()) };
        key::encode_part(&value, part, &mut prefix);
    }
    let mut prefixes = Vec::new();
    match &bounds.any {
        None => prefixes.push(prefix),
        Some(expr) => {
            let (Datum::Array(array), Some(part)) = (eval_row(expr, &[], ctx)?, next.next()) else {
                return Ok(Vec::new());
            };
            let mut values: Vec<&Datum> = array.values.iter().filter(|v| !v.is_null()).collect();
            values.sort_by(|a, b| compare::compare(a, b));
            for value in values {
                let mut with = prefix.clone();
                key::encode_part(value, part, &mut with);
                prefixes.push(with);
            }
            // In the key's order, each once.
            prefixes.sort();
            prefixes.dedup();
            if bounds.reverse {
                prefixes.reverse();
            }
        }
    }
    let mut limits = [None, None];
    if bounds.lower.is_some() || bounds.upper.is_some() || bounds.not_null {
        let Some(part) = next.next() else { return Ok(Vec::new()) };
        let sides = [&bounds.lower, &bounds.upper];
        for (limit, side) in limits.iter_mut().zip(sides) {
            let Some((expr, inclusive)) = side else { continue };
            let value = eval_row(expr, &[], ctx)?;
            if value.is_null() {
                return Ok(Vec::new());
            }
            let mut bytes = Vec::new();
            key::encode_part(&value, part, &mut bytes);
            *limit = Some((bytes, *inclusive));
        }
        if part.descending {
            limits.reverse();
        }
    } else {
        return Ok(prefixes.into_iter().map(|p| KeyRange::prefix(&p)).collect());
    }
    let [lower, upper] = limits;
    let ranges = prefixes.into_iter().map(|prefix| bounded(&prefix, lower.as_ref(), upper.as_ref()));
    Ok(ranges.filter(|range| !is_empty(range)).collect())
}

/// Whether the bounds cross, as in `x > 5 AND x < 3`.
fn is_empty(range: &KeyRange) -> bool {
    match (&range.lower, &range.upper) {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}

/// Keys that begin with `prefix` and go on with a value between the limits; nulls are not.
fn bounded(prefix: &[u8], lower: Option<&(Vec<u8>, bool)>, upper: Option<&(Vec<u8>, bool)>) -> KeyRange {
    let (start, end) = key::not_null_range(prefix);
    let with = |bytes: &[u8]| [prefix, bytes].concat();
    // More columns may follow the value, so "after it" is after all keys that begin with it.
    let after = |bytes: &[u8]| key::successor(&with(bytes)).map(|k| Key::new(&k));
    let excluded = |key: Option<Key>| key.map_or(Bound::Unbounded, Bound::Excluded);
    let lower = match lower {
        None => Bound::Included(Key::new(&start)),
        Some((bytes, true)) => Bound::Included(Key::new(&with(bytes))),
        Some((bytes, false)) => after(bytes).map_or(Bound::Excluded(Key::new(&with(bytes))), Bound::Included),
    };
    let upper = match upper {
        None => excluded(end.map(|e| Key::new(&e))),
        Some((bytes, true)) => excluded(after(bytes)),
        Some((bytes, false)) => Bound::Excluded(Key::new(&with(bytes))),
    };
    KeyRange { lower, upper }
}
