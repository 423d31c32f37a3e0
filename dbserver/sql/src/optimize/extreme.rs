//! min and max of a column whose order an index has: the first row in that order instead of all rows.

use super::{order, walk};
use crate::error::Result;
use crate::expr::{Expr, ExprKind};
use crate::plan::{Access, Aggregate, JoinKind, Plan, Scan, SortKey, visit};
use crate::types::{Datum, Type};

/// Each row of an index leads to one look-up: where a filter leaves fewer rows than this, it may be many before the first one passes.
const ROWS_MIN: f64 = 100.0;

/// Looks for them everywhere in a plan whose scans have their access paths.
pub(super) fn use_indexes(plan: Plan) -> Result<Plan> {
    let plan = walk::map_children(plan, &mut use_indexes)?;
    if let Plan::Aggregate { input, groups, sets, aggregates } = &plan
        && let Plan::Scan(scan) = &**input
        && groups.is_empty()
        && sets.len() <= 1
    {
        let mut whole: Option<Plan> = None;
        for aggregate in aggregates {
            let Some(first) = first_row(scan, aggregate)? else { return Ok(plan) };
            let one = Plan::Aggregate {
                input: Box::new(first),
                groups: Vec::new(),
                sets: vec![Vec::new()],
                aggregates: vec![aggregate.clone()],
            };
            // Side by side: each gives exactly one row.
            whole = Some(match whole {
                None => one,
                Some(left) => Plan::NestedLoop {
                    kind: JoinKind::Inner,
                    left: Box::new(left),
                    right: Box::new(one),
                    on: None,
                },
            });
        }
        if let Some(whole) = whole {
            return Ok(whole);
        }
    }
    Ok(plan)
}

/// The one row of the scan that a min or max is of, where an index leads to it.
fn first_row(scan: &Scan, aggregate: &Aggregate) -> Result<Option<Plan>> {
    let descending = match aggregate.function.name {
        "max" => true,
        "min" => false,
        _ => return Ok(None),
    };
    let [arg] = aggregate.args.as_slice() else { return Ok(None) };
    let ExprKind::Column(column) = arg.kind else { return Ok(None) };
    let volatile = scan.filter.as_ref().is_some_and(visit::is_volatile);
    if aggregate.filter.is_some() || volatile || visit::is_volatile(arg) {
        return Ok(None);
    }
    let mut scan = scan.clone();
    let position = scan.columns.get(column).copied();
    if !position.and_then(|at| scan.table.columns.get(at)).is_some_and(|c| c.not_null) {
        let not_null = ExprKind::IsNull { arg: Box::new(arg.clone()), negated: true };
        let not_null = Expr { kind: not_null, ty: Type::BOOL, typmod: -1 };
        scan.filter = visit::conjunction(scan.filter.into_iter().chain([not_null]).collect());
    }
    let filtered = scan.filter.is_some();
    let rows = scan.estimate.rows;
    let key = SortKey { expr: arg.clone(), descending, nulls_first: descending };
    let one = || Expr::constant(Datum::Int8(1), Type::INT8);
    let sort = Plan::Sort { input: Box::new(Plan::Scan(scan)), keys: vec![key], limit: Some(one()) };
    let Plan::Scan(mut scan) = order::use_indexes(sort)? else { return Ok(None) };
    match &mut scan.access {
        Access::Index(..) if filtered && rows < ROWS_MIN => return Ok(None),
        // Nulls are passed over at once.
        Access::Index(index, bounds) if bounds.lower.is_none() && bounds.upper.is_none() => {
            bounds.not_null = index.keys.get(bounds.equal.len()).is_some_and(|key| key.column == position);
        }
        _ => {}
    }
    Ok(Some(Plan::Limit { input: Box::new(Plan::Scan(scan)), limit: Some(one()), offset: None }))
}
