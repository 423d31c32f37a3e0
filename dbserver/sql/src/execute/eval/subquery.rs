//! Subqueries in expressions. Without arguments they run once per statement and their result is kept; with arguments
//! they run per row, and the results of the argument values met so far are kept.

use super::row::truth;
use super::{array, eval_all, eval_row};
use crate::context::Reservation;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::columns::{self, Accumulated, NONE};
use crate::execute::context::ExecContext;
use crate::execute::groups::Groups;
use crate::execute::operators;
use crate::execute::shape::{is_volatile, plan_types};
use crate::expr::{SubPlan, SubqueryKind};
use crate::functions::Function;
use crate::types::{Datum, Type};
use crate::vector::{Batch, Vector};
use hashbrown::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many results of one subquery with arguments are kept.
const MEMO_MAX: usize = 4096;

/// What is kept of a subquery. Holds its plan, because it is found by the plan's address.
pub(crate) struct Cached {
    _plan: Arc<SubPlan>,
    result: Kept,
}

enum Kept {
    /// The one value of a subquery without arguments.
    Value(Datum),
    /// All its rows, to compare with.
    Rows(Arc<Rows>),
    /// Values by argument values.
    Memo(Box<Memo>),
    /// Volatile: nothing.
    Nothing,
}

struct Memo {
    args: Groups,
    values: HashMap<u32, Datum>,
}

/// The rows of an `IN (SELECT …)` without arguments.
struct Rows {
    rows: Accumulated,
    /// Hashed, where that answers.
    groups: Option<Groups>,
    /// Numbers of the rows with a null: they answer "unknown" at best.
    with_null: Vec<u32>,
    _memory: Reservation,
}

/// The value of a subquery for one row.
pub fn row(
    kind: &SubqueryKind,
    plan: &Arc<SubPlan>,
    ty: Type,
    row: &[Datum],
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    let args: Result<Vec<Datum>> = plan.args.iter().map(|a| eval_row(a, row, ctx)).collect();
    let left: Result<Vec<Datum>> = match kind {
        SubqueryKind::Compare { left, .. } => left.iter().map(|e| eval_row(e, row, ctx)).collect(),
        _ => Ok(Vec::new()),
    };
    value(kind, plan, ty, args?, left?, ctx)
}

/// The values of a subquery for the rows of a batch.
pub fn vector(
    kind: &SubqueryKind,
    plan: &Arc<SubPlan>,
    ty: Type,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<Vector> {
    let args = eval_all(&plan.args, batch, ctx)?;
    let left = match kind {
        SubqueryKind::Compare { left, .. } => eval_all(left, batch, ctx)?,
        _ => Vec::new(),
    };
    if plan.args.is_empty() && left.is_empty() && kept(plan, ctx) {
        let value = value(kind, plan, ty, Vec::new(), Vec::new(), ctx)?;
        return columns::repeat(ty, &value, batch.rows);
    }
    if plan.args.is_empty()
        && let SubqueryKind::Compare { functions, all: false, hashable: true, .. } = kind
        && kept(plan, ctx)
    {
        let rows = rows_of(plan, true, ctx)?;
        if let Some(answer) = look_up(&rows, &left, functions, batch.rows, ctx)? {
            return Ok(answer);
        }
    }
    let mut out = columns::empty(ty);
    for i in 0..batch.rows {
        ctx.check()?;
        let args = args.iter().map(|v| columns::get(v, i)).collect();
        let left = left.iter().map(|v| columns::get(v, i)).collect();
        columns::push(&mut out, &value(kind, plan, ty, args, left, ctx)?)?;
    }
    Ok(out)
}

/// Whether results of the subquery may be kept: the first time, looks for volatile functions in it.
fn kept(plan: &Arc<SubPlan>, ctx: &mut ExecContext<'_>) -> bool {
    let key = Arc::as_ptr(plan) as usize;
    if let Some(cached) = ctx.state.subqueries.get(&key) {
        return !matches!(cached.result, Kept::Nothing);
    }
    // Without arguments even a volatile one runs once, as PostgreSQL's initplans do.
    if !plan.args.is_empty() && is_volatile(&plan.plan) {
        ctx.state.subqueries.insert(key, Cached { _plan: Arc::clone(plan), result: Kept::Nothing });
        return false;
    }
    true
}

fn value(
    kind: &SubqueryKind,
    plan: &Arc<SubPlan>,
    ty: Type,
    args: Vec<Datum>,
    left: Vec<Datum>,
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    if !kept(plan, ctx) {
        return compute(kind, plan, ty, args, &left, ctx);
    }
    let key = Arc::as_ptr(plan) as usize;
    if plan.args.is_empty() {
        if let SubqueryKind::Compare { functions, all, hashable, .. } = kind {
            let rows = rows_of(plan, *hashable && !all, ctx)?;
            return compare_rows(&rows, &left, kind_types(kind), functions, *all, ctx);
        }
        if let Some(Cached { result: Kept::Value(value), .. }) = ctx.state.subqueries.get(&key) {
            return Ok(value.clone());
        }
        let value = compute(kind, plan, ty, args, &left, ctx)?;
        let result = Kept::Value(value.clone());
        ctx.state.subqueries.insert(key, Cached { _plan: Arc::clone(plan), result });
        return Ok(value);
    }
    let mut arg_types: Vec<Type> = plan.args.iter().map(|a| a.ty).collect();
    arg_types.extend(kind_types(kind));
    let mut memo = match ctx.state.subqueries.remove(&key) {
        Some(Cached { result: Kept::Memo(memo), .. }) if memo.values.len() < MEMO_MAX => memo,
        _ => Box::new(Memo {
            args: Groups::new(arg_types.clone(), false, ctx.reservation()),
            values: HashMap::new(),
        }),
    };
    let looked_up: Result<Vec<Arc<Vector>>> = args
        .iter()
        .chain(&left)
        .zip(&arg_types)
        .map(|(value, ty)| columns::repeat(*ty, value, 1).map(Arc::new))
        .collect();
    let mut group = Vec::new();
    memo.args.assign(&looked_up?, 1, &mut group)?;
    let group = group.first().copied().unwrap_or(NONE);
    let value = match memo.values.get(&group) {
        Some(value) => value.clone(),
        None => {
            // The memo is out of the map meanwhile, in case the subquery meets itself.
            let value = compute(kind, plan, ty, args, &left, ctx)?;
            memo.values.insert(group, value.clone());
            value
        }
    };
    ctx.state.subqueries.insert(key, Cached { _plan: Arc::clone(plan), result: Kept::Memo(memo) });
    Ok(value)
}

fn kind_types(kind: &SubqueryKind) -> Vec<Type> {
    match kind {
        SubqueryKind::Compare { left, .. } => left.iter().map(|e| e.ty).collect(),
        _ => Vec::new(),
    }
}

/// Runs the subquery for some argument values.
fn compute(
    kind: &SubqueryKind,
    plan: &Arc<SubPlan>,
    ty: Type,
    args: Vec<Datum>,
    left: &[Datum],
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    match kind {
        SubqueryKind::Scalar => {
            let mut result = None;
            run(plan, args, ctx, &mut |batch, _| {
                if result.is_some() || batch.rows > 1 {
                    return Err(SqlError::new(
                        sqlstate::CARDINALITY_VIOLATION,
                        "more than one row returned by a subquery used as an expression",
                    ));
                }
                result = batch.columns.first().map(|c| columns::get(c, 0));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(result.unwrap_or_default())
        }
        SubqueryKind::Exists => {
            let mut any = false;
            run(plan, args, ctx, &mut |_, _| {
                any = true;
                Ok(ControlFlow::Break(()))
            })?;
            Ok(Datum::Bool(any))
        }
        SubqueryKind::Array => {
            let mut values = Vec::new();
            let mut memory = ctx.reservation();
            run(plan, args, ctx, &mut |batch, _| {
                memory.grow(columns::batch_memory(batch))?;
                if let Some(column) = batch.columns.first() {
                    values.extend((0..batch.rows).map(|i| columns::get(column, i)));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let inner = plan_types(&plan.plan).first().copied();
            array::construct(values, ty, inner)
        }
        SubqueryKind::Compare { functions, all, .. } => {
            let types = kind_types(kind);
            let mut answer = Some(*all);
            run(plan, args, ctx, &mut |batch, ctx| {
                for i in 0..batch.rows {
                    match compare_row(batch, i, left, &types, functions, ctx)? {
                        Some(hit) if hit != *all => {
                            answer = Some(hit);
                            return Ok(ControlFlow::Break(()));
                        }
                        Some(_) => {}
                        None => answer = None,
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(answer.map_or(Datum::Null, Datum::Bool))
        }
    }
}

/// `left op row i` over all columns, with AND.
fn compare_row(
    batch: &Batch,
    i: usize,
    left: &[Datum],
    types: &[Type],
    functions: &[&'static Function],
    ctx: &mut ExecContext<'_>,
) -> Result<Option<bool>> {
    let mut unknown = false;
    for (((value, ty), function), column) in left.iter().zip(types).zip(functions).zip(&batch.columns) {
        let pair = [value.clone(), columns::get(column, i)];
        match truth(&function.call(&pair, &[*ty, column.ty], &ctx.eval)?)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(true) })
}

/// Opens the plan with its arguments as outer values, and gives each batch to `each` until it breaks off.
fn run(
    plan: &Arc<SubPlan>,
    args: Vec<Datum>,
    ctx: &mut ExecContext<'_>,
    each: &mut dyn FnMut(&Batch, &mut ExecContext<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let outside = std::mem::replace(&mut ctx.state.outer, args);
    let result = (|| {
        let mut operator = operators::open(&plan.plan, ctx)?;
        while let Some(batch) = operator.next(ctx)? {
            ctx.check()?;
            if each(&batch, ctx)?.is_break() {
                break;
            }
        }
        Ok(())
    })();
    ctx.state.outer = outside;
    result
}

/// The rows of a subquery without arguments, read the first time.
fn rows_of(plan: &Arc<SubPlan>, hash: bool, ctx: &mut ExecContext<'_>) -> Result<Arc<Rows>> {
    let key = Arc::as_ptr(plan) as usize;
    if let Some(Cached { result: Kept::Rows(rows), .. }) = ctx.state.subqueries.get(&key) {
        return Ok(Arc::clone(rows));
    }
    let rows = Arc::new(read_rows(plan, hash, ctx)?);
    let result = Kept::Rows(Arc::clone(&rows));
    ctx.state.subqueries.insert(key, Cached { _plan: Arc::clone(plan), result });
    Ok(rows)
}

/// `IN` for a whole batch: most rows are settled by the hash table. None where there is no such, or its types differ.
fn look_up(
    rows: &Rows,
    left: &[Arc<Vector>],
    functions: &[&'static Function],
    count: usize,
    ctx: &mut ExecContext<'_>,
) -> Result<Option<Vector>> {
    let Some(groups) = &rows.groups else { return Ok(None) };
    if !left.iter().zip(&rows.rows.columns).all(|(l, c)| l.ty.physical() == c.ty.physical()) {
        return Ok(None);
    }
    let mut found = Vec::new();
    groups.find(left, count, &mut found);
    let mut out = columns::empty(Type::BOOL);
    for (i, group) in found.iter().enumerate() {
        let value = if *group != NONE {
            Datum::Bool(true)
        } else if rows.rows.rows == 0
            || (rows.with_null.is_empty() && !left.iter().any(|l| columns::is_null(l, i)))
        {
            Datum::Bool(false)
        } else {
            let values: Vec<Datum> = left.iter().map(|l| columns::get(l, i)).collect();
            compare_rows(rows, &values, left.iter().map(|l| l.ty).collect(), functions, false, ctx)?
        };
        columns::push(&mut out, &value)?;
    }
    Ok(Some(out))
}

fn read_rows(plan: &Arc<SubPlan>, hash: bool, ctx: &mut ExecContext<'_>) -> Result<Rows> {
    let types = plan_types(&plan.plan);
    let mut rows = Accumulated::new(&types);
    let mut memory = ctx.reservation();
    let mut groups = hash.then(|| Groups::new(types.clone(), true, ctx.reservation()));
    let mut with_null = Vec::new();
    let mut found = Vec::new();
    run(plan, Vec::new(), ctx, &mut |batch, _| {
        if let Some(groups) = &mut groups {
            groups.assign(&batch.columns, batch.rows, &mut found)?;
            let base = u32::try_from(rows.rows).unwrap_or(NONE);
            let apart = (0u32..).zip(&found).filter(|(_, g)| **g == NONE);
            with_null.extend(apart.map(|(i, _)| base.saturating_add(i)));
        }
        memory.grow(columns::batch_memory(batch))?;
        rows.add(batch)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Rows { rows, groups, with_null, _memory: memory })
}

fn compare_rows(
    rows: &Rows,
    left: &[Datum],
    types: Vec<Type>,
    functions: &[&'static Function],
    all: bool,
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    let count = rows.rows.rows;
    let compare = |i: usize, ctx: &mut ExecContext<'_>| -> Result<Option<bool>> {
        let mut unknown = false;
        for (((value, ty), function), column) in
            left.iter().zip(&types).zip(functions).zip(&rows.rows.columns)
        {
            let pair = [value.clone(), columns::get(column, i)];
            match truth(&function.call(&pair, &[*ty, column.ty], &ctx.eval)?)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => unknown = true,
            }
        }
        Ok(if unknown { None } else { Some(true) })
    };
    let same_types = types.iter().zip(&rows.rows.columns).all(|(ty, c)| ty.physical() == c.ty.physical());
    if let Some(groups) = &rows.groups
        && same_types
        && !left.iter().any(Datum::is_null)
    {
        let keys: Result<Vec<Arc<Vector>>> =
            left.iter().zip(&types).map(|(v, ty)| columns::repeat(*ty, v, 1).map(Arc::new)).collect();
        let mut found = Vec::new();
        groups.find(&keys?, 1, &mut found);
        if found.first().is_some_and(|g| *g != NONE) {
            return Ok(Datum::Bool(true));
        }
        // Only rows with a null are left to make it unknown.
        for i in &rows.with_null {
            if compare(*i as usize, ctx)?.is_none() {
                return Ok(Datum::Null);
            }
        }
        return Ok(Datum::Bool(false));
    }
    let mut answer = Some(all);
    for i in 0..count {
        if i % 1024 == 0 {
            ctx.check()?;
        }
        match compare(i, ctx)? {
            Some(hit) if hit != all => return Ok(Datum::Bool(hit)),
            Some(_) => {}
            None => answer = None,
        }
    }
    Ok(answer.map_or(Datum::Null, Datum::Bool))
}
