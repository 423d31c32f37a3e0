//! Sorts that the order of an index makes needless.

use super::walk;
use crate::error::Result;
use crate::expr::ExprKind;
use crate::plan::{Access, KeyBounds, Plan, Scan, SortKey};
use std::sync::Arc;

/// Takes away sorts over scans that give their rows in order already, or can.
pub(super) fn use_indexes(plan: Plan) -> Result<Plan> {
    let plan = walk::map_children(plan, &mut use_indexes)?;
    let Plan::Sort { mut input, keys, limit } = plan else { return Ok(plan) };
    if let Some(scan) = scan_below(&mut input)
        && let Some(access) = ordered(scan, &keys, limit.is_some())
    {
        if matches!(scan.access, Access::Full) {
            scan.estimate.range_rows = scan.estimate.table_rows;
        }
        scan.access = access;
        return Ok(*input);
    }
    Ok(Plan::Sort { input, keys, limit })
}

/// The scan whose rows come by in their order.
fn scan_below(plan: &mut Plan) -> Option<&mut Scan> {
    match plan {
        Plan::Scan(scan) => Some(scan),
        Plan::Filter { input, .. } => scan_below(input),
        _ => None,
    }
}

struct KeyPart {
    output: Option<usize>,
    not_null: bool,
    descending: bool,
    nulls_first: bool,
}

/// The access that gives the order of `keys`.
fn ordered(scan: &Scan, keys: &[SortKey], limited: bool) -> Option<Access> {
    let part = |position: Option<usize>, descending: bool, nulls_first: bool| KeyPart {
        output: position.and_then(|p| scan.columns.iter().position(|c| *c == p)),
        not_null: position.and_then(|p| scan.table.columns.get(p)).is_some_and(|c| c.not_null),
        descending,
        nulls_first,
    };
    let primary = || scan.table.primary_key.iter().map(|p| part(Some(*p), false, false)).collect::<Vec<_>>();
    let of_index = |index: &crate::catalog::Index| {
        index.keys.iter().map(|k| part(k.column, k.descending, k.nulls_first)).collect::<Vec<_>>()
    };
    let with = |bounds: &KeyBounds, reverse: bool| KeyBounds { reverse, ..bounds.clone() };
    match &scan.access {
        Access::PrimaryKey(bounds) if bounds.any.is_none() => {
            let reverse = follows(&primary(), bounds.equal.len(), keys)?;
            Some(Access::PrimaryKey(with(bounds, reverse)))
        }
        Access::Index(index, bounds) if bounds.any.is_none() => {
            let reverse = follows(&of_index(index), bounds.equal.len(), keys)?;
            Some(Access::Index(Arc::clone(index), with(bounds, reverse)))
        }
        Access::Full => {
            if !scan.table.primary_key.is_empty()
                && let Some(reverse) = follows(&primary(), 0, keys)
            {
                return Some(Access::PrimaryKey(KeyBounds { reverse, ..KeyBounds::default() }));
            }
            // A look-up per row is worth it only when few rows are wanted.
            if !limited {
                return None;
            }
            let readable =
                |i: &&Arc<crate::catalog::Index>| i.is_readable(scan.snapshot) && i.predicate.is_none();
            scan.table.indexes.iter().filter(readable).find_map(|index| {
                let reverse = follows(&of_index(index), 0, keys)?;
                Some(Access::Index(Arc::clone(index), KeyBounds { reverse, ..KeyBounds::default() }))
            })
        }
        _ => None,
    }
}

/// Whether rows in the order of `parts`, of which the first `equal` are fixed, are in the order of `keys`; and whether backwards.
fn follows(parts: &[KeyPart], equal: usize, keys: &[SortKey]) -> Option<bool> {
    let mut reverse: Option<bool> = None;
    let fixed = |column: usize| parts.iter().take(equal).any(|p| p.output == Some(column));
    let mut rest = parts.iter().skip(equal);
    for key in keys {
        let ExprKind::Column(column) = key.expr.kind else { return None };
        if fixed(column) {
            continue;
        }
        let part = rest.next()?;
        if part.output != Some(column) {
            return None;
        }
        let backwards = key.descending != part.descending;
        if !part.not_null && key.nulls_first != (part.nulls_first != backwards) {
            return None;
        }
        if *reverse.get_or_insert(backwards) != backwards {
            return None;
        }
    }
    Some(reverse.unwrap_or(false))
}
