//! What a plan gives and costs: rows, their width, and work in PostgreSQL's unit (reading a page in order). Sizes of tables are known
//! when a statement is planned; what passes conditions and joins is estimated by [`selectivity`].

use super::selectivity::{self, all, either, of_scan, source};
use crate::expr::{Expr, ExprKind};
use crate::plan::{Access, JoinKind, KeyBounds, Plan, Scan, SetOp, visit};
use crate::statistics::default_width;
use crate::types::Datum;

/// A page, and what a row takes in one besides its columns.
const PAGE_BYTES: f64 = 8192.0;
const ROW_BYTES: f64 = 28.0;
/// Handling a row (`cpu_tuple_cost`), an index entry (`cpu_index_tuple_cost`), an operator (`cpu_operator_cost`).
pub(super) const ROW: f64 = 0.01;
const ENTRY: f64 = 0.005;
pub(super) const OPERATOR: f64 = 0.0025;
/// Finding a key in a tree. As much as reading about this many rows in order takes: 10.
pub(super) const LOOKUP: f64 = 0.2;
/// Running a plan anew for a row: what is opened and closed for it.
pub(super) const RERUN: f64 = 0.5;
/// What a row takes to be kept for later, in a hash table or a list.
pub(super) const KEEP: f64 = 0.015;

/// What is expected of a plan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    /// Rows.
    pub rows: f64,
    /// Bytes of a row.
    pub width: f64,
    /// Cost until the first row.
    pub startup: f64,
    /// Cost until the last.
    pub total: f64,
}

fn constant(expr: &Option<Expr>) -> Option<f64> {
    match expr.as_ref()?.kind {
        ExprKind::Const(Datum::Int8(n)) => Some(n.max(0) as f64),
        _ => None,
    }
}

fn width_of(plan: &Plan) -> f64 {
    visit::types(plan).into_iter().map(|ty| f64::from(default_width(ty))).sum()
}

fn conjuncts(expr: Option<&Expr>) -> f64 {
    match expr.map(|e| &e.kind) {
        None => 0.0,
        Some(ExprKind::And(parts)) => parts.len() as f64,
        Some(_) => 1.0,
    }
}

/// Reading a whole table.
pub(super) fn full_scan(scan: &Scan) -> f64 {
    let bytes: f64 = (0..scan.table.columns.len()).map(|at| column_width(scan, at)).sum();
    let pages = (scan.estimate.table_rows * (bytes + ROW_BYTES) / PAGE_BYTES).ceil().max(1.0);
    pages + scan.estimate.table_rows * (ROW + OPERATOR * conjuncts(scan.filter.as_ref()))
}

fn column_width(scan: &Scan, position: usize) -> f64 {
    let Some(column) = scan.table.columns.get(position).filter(|c| !c.dropped) else { return 0.0 };
    let known = scan.table.statistics_of(position).map(|s| s.width);
    f64::from(known.unwrap_or_else(|| default_width(column.ty)))
}

/// Reading `rows` rows by ranges of a key: of the table's own, or of an index whose entries lead to them.
pub(super) fn key_scan(scan: &Scan, bounds: &KeyBounds, rows: f64, by_index: bool) -> f64 {
    let ranges = match bounds.any.as_ref().map(|a| &a.kind) {
        None => 1.0,
        Some(ExprKind::Array(items)) => items.len() as f64,
        Some(ExprKind::Const(Datum::Array(values))) => values.values.len() as f64,
        Some(_) => 10.0,
    };
    let filter = OPERATOR * conjuncts(scan.filter.as_ref());
    let each = if by_index {
        ENTRY + LOOKUP + ROW + filter
    } else {
        full_scan(scan) / scan.estimate.table_rows.max(1.0)
    };
    ranges * LOOKUP + rows * each
}

fn scan(scan: &Scan) -> Estimate {
    let width = scan.columns.iter().map(|at| column_width(scan, *at)).sum();
    let of = |output: usize| of_scan(scan, output);
    let (rows, total) = match &scan.access {
        // One that `keys::choose_access` has not looked at yet may have any filter.
        Access::Full => {
            let part = scan.filter.iter().map(|f| selectivity::selectivity(f, &of)).product::<f64>();
            ((scan.estimate.table_rows * part).max(1.0), full_scan(scan))
        }
        Access::PrimaryKey(bounds) => {
            (scan.estimate.rows, key_scan(scan, bounds, scan.estimate.range_rows, false))
        }
        Access::Index(_, bounds) => {
            (scan.estimate.rows, key_scan(scan, bounds, scan.estimate.range_rows, true))
        }
    };
    let startup = if matches!(scan.access, Access::Full) { 0.0 } else { LOOKUP };
    Estimate { rows, width, startup, total }
}

/// A join's rows from those of its sides.
pub(super) fn joined(kind: JoinKind, left: f64, right: f64, selectivity: f64) -> f64 {
    let inner = (left * right * selectivity).max(1.0);
    match kind {
        JoinKind::Inner => inner,
        JoinKind::Left => inner.max(left),
        JoinKind::Right => inner.max(right),
        JoinKind::Full => inner.max(left).max(right),
        JoinKind::Semi => (left * selectivity).max(1.0),
        JoinKind::Anti => (left * (1.0 - selectivity)).max(1.0),
    }
}

/// The part of the left rows with a match, where a join asks just that: by its first pair of keys, and half for each more.
fn matched(left: &Plan, right: &Plan, keys: &[(&Expr, &Expr)], rest: usize, right_rows: f64) -> f64 {
    let column = |plan, e: &Expr| match e.kind {
        ExprKind::Column(at) => source(plan, at),
        _ => None,
    };
    let by_keys =
        keys.iter().map(|(l, r)| selectivity::semi_join(column(left, l), column(right, r), right_rows));
    let part = by_keys.fold(f64::INFINITY, f64::min);
    (if part.is_finite() { part } else { 1.0 }) * 0.5f64.powi(i32::try_from(rest).unwrap_or(i32::MAX))
}

fn hash_join(plan: &Plan) -> Option<Estimate> {
    let Plan::HashJoin { kind, left, right, left_keys, right_keys, residual } = plan else { return None };
    let (l, r) = (of(left), of(right));
    let pairs: Vec<(&Expr, &Expr)> = left_keys.iter().zip(right_keys).collect();
    let rest = conjuncts(residual.as_ref());
    let selectivity = if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        matched(left, right, &pairs, rest as usize, r.rows)
    } else {
        let keys = pairs.iter().map(|(a, b)| equal_keys(left, a, right, b)).product::<f64>();
        let of = |at| either(left, right, at);
        keys * all(residual.iter(), &of)
    };
    let rows = joined(*kind, l.rows, r.rows, selectivity);
    let startup = r.total + r.rows * KEEP + l.startup;
    let probes = l.rows * (ROW + OPERATOR * left_keys.len() as f64) + rows * (ROW + OPERATOR * rest);
    Some(Estimate {
        rows,
        width: beside(*kind, &l, &r),
        startup,
        total: startup - l.startup + l.total + probes,
    })
}

/// The part of all pairs whose keys are equal.
fn equal_keys(left: &Plan, left_key: &Expr, right: &Plan, right_key: &Expr) -> f64 {
    let width = visit::width(left);
    let mut other = right_key.clone();
    visit::shift(&mut other, width);
    let equal = crate::functions::equality(left_key.ty);
    let of = |at| either(left, right, at);
    match equal {
        Some(function) => {
            let kind = ExprKind::Call { function, args: vec![left_key.clone(), other] };
            selectivity::selectivity(&Expr { kind, ty: crate::types::Type::BOOL, typmod: -1 }, &of)
        }
        None => 0.005,
    }
}

fn beside(kind: JoinKind, left: &Estimate, right: &Estimate) -> f64 {
    match kind {
        JoinKind::Semi | JoinKind::Anti => left.width,
        _ => left.width + right.width,
    }
}

/// What is expected of a plan whose scan has not got its way to the rows yet: of the one that it will get.
pub(super) fn of_leaf(plan: &Plan) -> Estimate {
    match plan {
        Plan::Scan(scan) => of(&Plan::Scan(super::keys::choose_access(scan.clone()))),
        other => of(other),
    }
}

/// What is expected of a plan.
pub(crate) fn of(plan: &Plan) -> Estimate {
    match plan {
        Plan::Values { rows, .. } => {
            let count = rows.len() as f64;
            Estimate { rows: count, width: width_of(plan), startup: 0.0, total: count * ROW }
        }
        Plan::Empty { .. } => Estimate { width: width_of(plan), ..Estimate::default() },
        Plan::Scan(found) => scan(found),
        Plan::SystemScan { filter, .. } => {
            let part = filter.as_ref().map_or(1.0, |f| selectivity::selectivity(f, &|_| None));
            Estimate {
                rows: (200.0 * part).max(1.0),
                width: width_of(plan),
                startup: 0.0,
                total: 200.0 * ROW,
            }
        }
        Plan::FunctionScan { .. } => guess(plan, 10.0),
        Plan::CteScan { .. } => guess(plan, 100.0),
        Plan::Filter { input, predicate } => {
            let below = of(input);
            let part = selectivity::selectivity(predicate, &|at| source(input, at));
            let total = below.total + below.rows * OPERATOR * conjuncts(Some(predicate));
            Estimate { rows: (below.rows * part).max(1.0), total, ..below }
        }
        Plan::Project { input, exprs } => {
            let below = of(input);
            let width = exprs.iter().map(|e| expr_width(e, input)).sum();
            Estimate { width, total: below.total + below.rows * OPERATOR, ..below }
        }
        Plan::ProjectSet { input, .. } => {
            let below = of(input);
            let rows = below.rows * 10.0;
            Estimate { rows, width: width_of(plan), total: below.total + rows * ROW, ..below }
        }
        Plan::LockRows { input, .. } => {
            let below = of(input);
            Estimate { total: below.total + below.rows * LOOKUP, ..below }
        }
        Plan::Sort { input, limit, .. } => {
            let below = of(input);
            let kept = constant(limit).unwrap_or(below.rows).clamp(2.0, below.rows.max(2.0));
            let startup = below.total + below.rows * kept.log2() * OPERATOR * 2.0;
            Estimate { startup, total: startup + below.rows * OPERATOR, ..below }
        }
        Plan::NestedLoop { kind, left, right, on } => {
            let (l, r) = (of(left), of(right));
            let columns = |at| either(left, right, at);
            let part = if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                matched(left, right, &[], conjuncts(on.as_ref()) as usize, r.rows)
            } else {
                on.as_ref().map_or(1.0, |on| selectivity::selectivity(on, &columns))
            };
            let rows = joined(*kind, l.rows, r.rows, part);
            let pairs = l.rows * r.rows * (ROW + OPERATOR * conjuncts(on.as_ref()));
            let total = l.total + r.total + r.rows * KEEP + pairs;
            Estimate { rows, width: beside(*kind, &l, &r), startup: l.startup + r.startup, total }
        }
        Plan::HashJoin { .. } => hash_join(plan).unwrap_or_default(),
        Plan::Apply { kind, left, right, on } => {
            let (l, r) = (of(left), of(&right.plan));
            let part = match kind {
                JoinKind::Semi | JoinKind::Anti => r.rows.min(1.0) * 0.5,
                _ => on
                    .as_ref()
                    .map_or(1.0, |on| selectivity::selectivity(on, &|at| either(left, &right.plan, at))),
            };
            let rows = joined(*kind, l.rows, r.rows, part);
            let total = l.total + l.rows * (r.total + RERUN);
            Estimate { rows, width: beside(*kind, &l, &r), startup: l.startup + r.startup, total }
        }
        Plan::Aggregate { input, groups, sets, aggregates } => {
            let below = of(input);
            let columns = |at| source(input, at);
            let rows = if groups.is_empty() {
                sets.len() as f64
            } else {
                let of_set = |set: &Vec<usize>| {
                    let keys: Vec<&Expr> = set.iter().filter_map(|i| groups.get(*i)).collect();
                    selectivity::groups(&keys, below.rows, &columns)
                };
                sets.iter().map(of_set).sum()
            };
            let work = below.rows * (OPERATOR * (groups.len() + aggregates.len()) as f64) * sets.len() as f64;
            let startup = below.total + work;
            Estimate { rows, width: width_of(plan), startup, total: startup + rows * ROW }
        }
        Plan::Limit { input, limit, .. } => {
            let below = of(input);
            let rows = constant(limit).map_or(below.rows, |l| l.min(below.rows));
            let part = if below.rows > 0.0 { rows / below.rows } else { 1.0 };
            Estimate { rows, total: below.startup + (below.total - below.startup) * part, ..below }
        }
        Plan::Distinct { input, columns } => {
            let below = of(input);
            let types = visit::types(input);
            let keys: Vec<Expr> = columns
                .iter()
                .filter_map(|at| types.get(*at).map(|ty| Expr::column(*at, ty.ty, ty.typmod)))
                .collect();
            let keys: Vec<&Expr> = keys.iter().collect();
            let rows = selectivity::groups(&keys, below.rows, &|at| source(input, at));
            Estimate { rows, total: below.total + below.rows * OPERATOR * keys.len() as f64, ..below }
        }
        Plan::SetOperation { op, all, left, right } => {
            let (l, r) = (of(left), of(right));
            let rows = match op {
                SetOp::Union => l.rows + r.rows,
                SetOp::Intersect => l.rows.min(r.rows),
                SetOp::Except => l.rows,
            };
            let work = if *op == SetOp::Union && *all { 0.0 } else { (l.rows + r.rows) * KEEP };
            let startup = if work > 0.0 { l.total + r.total + work } else { l.startup };
            Estimate { rows, width: l.width, startup, total: l.total + r.total + work + rows * OPERATOR }
        }
        Plan::With { ctes, body } => {
            let first: f64 = ctes.iter().map(|(_, cte)| of(cte).total).sum();
            let below = of(body);
            Estimate { startup: below.startup + first, total: below.total + first, ..below }
        }
        Plan::Recursive { base, step, .. } => {
            let (b, s) = (of(base), of(step));
            let total = b.total + 10.0 * s.total;
            Estimate { rows: b.rows * 10.0, total, ..b }
        }
        Plan::Insert(insert) => written(of(&insert.input), insert.table.indexes.len(), &insert.returning),
        Plan::Update(update) => written(of(&update.input), 0, &update.returning),
        Plan::Delete(delete) => written(of(&delete.input), delete.table.indexes.len(), &delete.returning),
    }
}

fn guess(plan: &Plan, rows: f64) -> Estimate {
    Estimate { rows, width: width_of(plan), startup: 0.0, total: rows * ROW }
}

/// A column's width as the table's statistics have it, where it is one.
fn expr_width(expr: &Expr, input: &Plan) -> f64 {
    let known = match expr.kind {
        ExprKind::Column(at) => source(input, at).and_then(|s| s.width()),
        _ => None,
    };
    f64::from(
        known.unwrap_or_else(|| default_width(crate::types::ColumnType { ty: expr.ty, typmod: expr.typmod })),
    )
}

/// Rows that are written, each with its index entries; without RETURNING nothing comes out.
fn written(input: Estimate, indexes: usize, returning: &[Expr]) -> Estimate {
    let total = input.total + input.rows * LOOKUP * (1 + indexes) as f64;
    let (rows, width) = if returning.is_empty() { (0.0, 0.0) } else { (input.rows, input.width) };
    Estimate { rows, width, startup: input.startup, total }
}

/// One row of a table by its key.
pub(crate) fn row(table: &crate::catalog::Table) -> Estimate {
    let width = |(position, column): (usize, &crate::catalog::Column)| {
        let known = table.statistics_of(position).map(|s| s.width);
        f64::from(known.unwrap_or_else(|| default_width(column.ty)))
    };
    let width = table.live_columns().map(width).sum();
    Estimate { rows: 1.0, width, startup: LOOKUP, total: LOOKUP + ROW }
}
