//! GROUP BY, grouping sets and aggregates, by hashing.
//!
//! Every grouping set has groups and accumulators of its own, and all of them take in each batch. FILTER takes rows out
//! before the arguments are evaluated; DISTINCT passes the first row of each group and argument values; ORDER BY
//! inside an aggregate keeps its arguments until the end, and feeds them in order.

use super::distinct::first_rows;
use super::{BoxOperator, Operator, misuse, pull};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns::{self, Accumulated, batch_memory};
use crate::execute::context::ExecContext;
use crate::execute::eval::{eval_all, eval_vector};
use crate::execute::groups::Groups;
use crate::execute::sorter::{Direction, sorted_rows};
use crate::expr::Expr;
use crate::functions::{Accumulator, Kernel};
use crate::plan::Aggregate;
use crate::types::Type;
use crate::vector::{BATCH_ROWS_MAX, Batch, Values, Vector};
use std::sync::Arc;

/// Batches between two looks at how much memory accumulators hold.
const BATCHES_PER_MEASURE: u64 = 8;

/// Grouping and aggregates.
pub struct Aggregation<'p> {
    input: Option<BoxOperator<'p>>,
    groups: &'p [Expr],
    sets: Vec<Set<'p>>,
    memory: Reservation,
    output: std::vec::IntoIter<Batch>,
    position: usize,
    emitting: Option<Batch>,
}

/// One grouping set.
struct Set<'p> {
    /// Positions of its keys; those of the others are null in its rows.
    positions: Vec<usize>,
    /// None where there are no keys: everything is one group.
    groups: Option<Groups>,
    /// The keys of each group, as first met.
    keys: Vec<Vector>,
    states: Vec<State<'p>>,
}

/// One aggregate of a grouping set.
struct State<'p> {
    plan: &'p Aggregate,
    accumulator: Box<dyn Accumulator>,
    distinct: Option<Groups>,
    ordered: Option<Ordered>,
}

/// Rows kept to be fed in order: group, arguments, sort keys.
struct Ordered {
    rows: Accumulated,
    args: usize,
    directions: Vec<Direction>,
}

/// Aggregates whose result does not depend on the order of their input, whatever it is.
fn is_order_free(name: &str) -> bool {
    ["count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or"].contains(&name)
        || name.starts_with("std")
        || name.starts_with("var")
}

impl<'p> State<'p> {
    fn new(plan: &'p Aggregate, ctx: &mut ExecContext<'_>) -> Result<Self> {
        let Kernel::Aggregate { new } = &plan.function.kernel else {
            return Err(misuse("not an aggregate"));
        };
        let arg_types: Vec<Type> = plan.args.iter().map(|a| a.ty).collect();
        let distinct = plan.distinct.then(|| {
            let types = std::iter::once(Type::OID).chain(arg_types.iter().copied());
            Groups::new(types.collect(), false, ctx.reservation())
        });
        let mut directions: Vec<Direction> = plan
            .order
            .iter()
            .map(|k| Direction { descending: k.descending, nulls_first: k.nulls_first })
            .collect();
        let mut types: Vec<Type> = std::iter::once(Type::OID).chain(arg_types.iter().copied()).collect();
        if plan.distinct && plan.order.is_empty() && !is_order_free(plan.function.name) {
            // PostgreSQL finds duplicates by sorting, so its result is in order; people rely on it.
            directions = vec![Direction { descending: false, nulls_first: false }; arg_types.len()];
            types.extend(arg_types.iter().copied());
        } else {
            types.extend(plan.order.iter().map(|k| k.expr.ty));
        }
        let ordered = (!directions.is_empty()).then(|| Ordered {
            rows: Accumulated::new(&types),
            args: arg_types.len(),
            directions,
        });
        Ok(Self { plan, accumulator: new(&arg_types), distinct, ordered })
    }

    /// Takes in a batch whose rows belong to `groups`, of which there are `count` by now.
    fn update(
        &mut self,
        batch: &Batch,
        groups: &[u32],
        count: usize,
        memory: &mut Reservation,
        ctx: &mut ExecContext<'_>,
    ) -> Result<()> {
        self.accumulator.resize(count);
        let filtered;
        let kept_groups;
        let (mut batch, mut groups) = (batch, groups);
        if let Some(filter) = &self.plan.filter {
            let rows = columns::true_rows(&*eval_vector(filter, batch, ctx)?);
            if rows.is_empty() {
                return Ok(());
            }
            kept_groups = rows.iter().filter_map(|i| groups.get(*i as usize).copied()).collect::<Vec<u32>>();
            filtered = columns::take_batch(batch, &rows)?;
            (batch, groups) = (&filtered, &kept_groups);
        }
        let mut args = eval_all(&self.plan.args, batch, ctx)?;
        let distinct_groups;
        let mut selected: Option<Vec<u32>> = None;
        if let Some(distinct) = &mut self.distinct {
            let mut keys = vec![Arc::new(group_vector(groups))];
            keys.extend(args.iter().cloned());
            let (before, mut assigned) = (distinct.len(), Vec::new());
            distinct.assign(&keys, batch.rows, &mut assigned)?;
            let rows = first_rows(&assigned, before);
            let taken: Result<Vec<Arc<Vector>>> =
                args.iter().map(|a| columns::take(a, &rows).map(Arc::new)).collect();
            args = taken?;
            distinct_groups =
                rows.iter().filter_map(|i| groups.get(*i as usize).copied()).collect::<Vec<u32>>();
            groups = &distinct_groups;
            selected = Some(rows);
        }
        if groups.is_empty() {
            return Ok(());
        }
        if let Some(ordered) = &mut self.ordered {
            let mut row_columns = vec![Arc::new(group_vector(groups))];
            row_columns.extend(args.iter().cloned());
            if self.plan.order.is_empty() {
                row_columns.extend(args.iter().cloned());
            }
            for key in &self.plan.order {
                let values = eval_vector(&key.expr, batch, ctx)?;
                row_columns.push(match &selected {
                    Some(rows) => Arc::new(columns::take(&values, rows)?),
                    None => values,
                });
            }
            let kept = Batch { rows: groups.len(), columns: row_columns };
            memory.grow(batch_memory(&kept))?;
            return ordered.rows.add(&kept);
        }
        let refs: Vec<&Vector> = args.iter().map(AsRef::as_ref).collect();
        self.accumulator.update(groups, &[], &refs, &ctx.eval)
    }

    /// The results, in order of the groups.
    fn finish(mut self, count: usize, ctx: &mut ExecContext<'_>) -> Result<Vector> {
        self.accumulator.resize(count);
        if let Some(ordered) = self.ordered.take() {
            let Ordered { rows, args, directions } = ordered;
            let keys: Vec<&Vector> = rows.columns.iter().skip(args.saturating_add(1)).collect();
            let order = sorted_rows(&keys, &directions, rows.rows, ctx)?;
            for part in order.chunks(BATCH_ROWS_MAX) {
                ctx.check()?;
                let taken: Result<Vec<Vector>> = rows
                    .columns
                    .iter()
                    .take(args.saturating_add(1))
                    .map(|c| columns::take(c, part))
                    .collect();
                let taken = taken?;
                let mut taken = taken.iter();
                let Some(Vector { values: Values::Oid(groups), .. }) = taken.next() else {
                    return Err(misuse("no groups to aggregate by"));
                };
                let refs: Vec<&Vector> = taken.collect();
                self.accumulator.update(groups, &[], &refs, &ctx.eval)?;
            }
        }
        let mut out = self.accumulator.finish(&ctx.eval)?;
        out.ty = self.plan.ty.ty;
        Ok(out)
    }
}

/// Group numbers as a column.
fn group_vector(groups: &[u32]) -> Vector {
    Vector { ty: Type::OID, values: Values::Oid(groups.to_vec()), nulls: Vec::new() }
}

impl Set<'_> {
    fn count(&self) -> usize {
        self.groups.as_ref().map_or(1, Groups::len)
    }

    fn update(
        &mut self,
        batch: &Batch,
        keys: &[Arc<Vector>],
        memory: &mut Reservation,
        ctx: &mut ExecContext<'_>,
    ) -> Result<()> {
        let mut assigned = Vec::new();
        match &mut self.groups {
            None => assigned.resize(batch.rows, 0),
            Some(groups) => {
                let keys: Vec<Arc<Vector>> =
                    self.positions.iter().filter_map(|p| keys.get(*p).cloned()).collect();
                let before = groups.len();
                groups.assign(&keys, batch.rows, &mut assigned)?;
                if groups.len() > before {
                    let fresh = first_rows(&assigned, before);
                    for (known, key) in self.keys.iter_mut().zip(&keys) {
                        let new = columns::take(key, &fresh)?;
                        memory.grow(columns::memory(&new))?;
                        columns::append(known, &new)?;
                    }
                }
            }
        }
        let count = self.count();
        for state in &mut self.states {
            state.update(batch, &assigned, count, memory, ctx)?;
        }
        Ok(())
    }

    /// Its rows: all group columns, then the results.
    fn finish(mut self, groups: &[Expr], ctx: &mut ExecContext<'_>) -> Result<Batch> {
        let count = self.count();
        let mut columns = Vec::with_capacity(groups.len().saturating_add(self.states.len()));
        for (i, group) in groups.iter().enumerate() {
            let at = self.positions.iter().position(|p| *p == i);
            let key = at.and_then(|at| self.keys.get_mut(at));
            columns.push(match key {
                Some(key) => std::mem::replace(key, columns::empty(group.ty)),
                None => columns::repeat(group.ty, &crate::types::Datum::Null, count)?,
            });
        }
        for state in self.states {
            columns.push(state.finish(count, ctx)?);
        }
        Ok(columns::batch(count, columns))
    }
}

impl<'p> Aggregation<'p> {
    pub fn new(
        input: BoxOperator<'p>,
        groups: &'p [Expr],
        sets: &'p [Vec<usize>],
        aggregates: &'p [Aggregate],
        ctx: &mut ExecContext<'_>,
    ) -> Result<Self> {
        let none = [Vec::new()];
        let sets = if sets.is_empty() { none.as_slice() } else { sets };
        let mut made = Vec::with_capacity(sets.len());
        for positions in sets {
            let types: Vec<Type> = positions.iter().filter_map(|p| groups.get(*p)).map(|g| g.ty).collect();
            let states: Result<Vec<State<'p>>> = aggregates.iter().map(|a| State::new(a, ctx)).collect();
            made.push(Set {
                positions: positions.clone(),
                keys: types.iter().map(|ty| columns::empty(*ty)).collect(),
                groups: (!positions.is_empty()).then(|| Groups::new(types, false, ctx.reservation())),
                states: states?,
            });
        }
        Ok(Self {
            input: Some(input),
            groups,
            sets: made,
            memory: ctx.reservation(),
            output: Vec::new().into_iter(),
            position: 0,
            emitting: None,
        })
    }

    fn run(&mut self, mut input: BoxOperator<'p>, ctx: &mut ExecContext<'_>) -> Result<()> {
        let mut accumulators = ctx.reservation();
        let mut batches = 0u64;
        while let Some(batch) = pull(&mut input, ctx)? {
            let keys = eval_all(self.groups, &batch, ctx)?;
            for set in &mut self.sets {
                set.update(&batch, &keys, &mut self.memory, ctx)?;
            }
            batches = batches.saturating_add(1);
            if batches.is_multiple_of(BATCHES_PER_MEASURE) {
                let states = self.sets.iter().flat_map(|s| &s.states);
                accumulators.resize(states.map(|s| s.accumulator.memory()).sum())?;
            }
        }
        drop(input);
        let sets = std::mem::take(&mut self.sets);
        let rows: Result<Vec<Batch>> = sets.into_iter().map(|s| s.finish(self.groups, ctx)).collect();
        self.output = rows?.into_iter();
        Ok(())
    }
}

impl Operator for Aggregation<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        if let Some(input) = self.input.take() {
            self.run(input, ctx)?;
        }
        ctx.check()?;
        loop {
            if let Some(batch) = &self.emitting
                && self.position < batch.rows
            {
                let part = columns::slice_batch(batch, self.position, BATCH_ROWS_MAX)?;
                self.position = self.position.saturating_add(part.rows);
                return Ok(Some(part));
            }
            self.position = 0;
            self.emitting = self.output.next();
            if self.emitting.is_none() {
                return Ok(None);
            }
        }
    }
}
