//! Conditions that bound an index: which key columns they fix, and to what; and which way to a scan's rows costs least.

use super::estimate;
use super::implies::implies;
use super::selectivity::{self, like_prefix, of_scan};
use crate::bind::is_relabel;
use crate::expr::{Expr, ExprKind};
use crate::functions;
use crate::plan::{Access, KeyBounds, Plan, Scan, visit};
use crate::types::{Datum, Type};
use std::sync::Arc;

/// The name of a call's operator.
pub(crate) fn operator(expr: &Expr) -> Option<(&'static str, &[Expr])> {
    match &expr.kind {
        ExprKind::Call { function, args } if args.len() == 2 => {
            Some((functions::operator_of(function)?.name, args))
        }
        _ => None,
    }
}

/// A comparison of what `is_key` says is the key with something that is the same for every row: operator with the key on the
/// left, and value.
pub(super) fn comparison<'e>(
    condition: &'e Expr,
    is_key: &dyn Fn(&Expr) -> bool,
) -> Option<(&'static str, &'e Expr)> {
    let (name, args) = operator(condition)?;
    let [left, right] = args else { return None };
    if is_key(left) && visit::is_row_independent(right) {
        return Some((name, right));
    }
    if is_key(right) && visit::is_row_independent(left) {
        let turned = match name {
            "=" => "=",
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            _ => return None,
        };
        return Some((turned, left));
    }
    None
}

/// `value` as a key of type `ty`, where every value compares as it does in its own type.
fn as_key(value: &Expr, ty: Type) -> Option<Expr> {
    if visit::is_volatile(value) || visit::has_subquery(value) {
        return None;
    }
    if value.ty == ty || is_relabel(value.ty, ty) || is_relabel(ty, value.ty) {
        return Some(value.clone().relabelled(ty, -1));
    }
    let size = |t: Type| match t {
        Type::INT2 => Some(2),
        Type::INT4 => Some(4),
        Type::INT8 => Some(8),
        _ => None,
    };
    let (from, to) = (size(value.ty)?, size(ty)?);
    let constant = match &value.kind {
        ExprKind::Const(Datum::Int2(n)) => Some(i64::from(*n)),
        ExprKind::Const(Datum::Int4(n)) => Some(i64::from(*n)),
        ExprKind::Const(Datum::Int8(n)) => Some(*n),
        _ => None,
    };
    if let Some(n) = constant {
        let datum = match ty {
            Type::INT2 => Datum::Int2(i16::try_from(n).ok()?),
            Type::INT4 => Datum::Int4(i32::try_from(n).ok()?),
            _ => Datum::Int8(n),
        };
        return Some(Expr::constant(datum, ty));
    }
    (from < to).then(|| Expr {
        kind: ExprKind::Cast { arg: Box::new(value.clone()), explicit: false },
        ty,
        typmod: -1,
    })
}

/// The value a condition says `column` (of type `ty`) is equal to; it reads no columns.
pub(crate) fn equal_to(condition: &Expr, column: usize, ty: Type) -> Option<Expr> {
    equals(condition, &|e| matches!(e.kind, ExprKind::Column(c) if c == column), ty)
}

fn equals(condition: &Expr, is_key: &dyn Fn(&Expr) -> bool, ty: Type) -> Option<Expr> {
    match comparison(condition, is_key)? {
        ("=", value) => as_key(value, ty),
        _ => None,
    }
}

/// The array of values a condition says the key is one of.
fn any_of(condition: &Expr, is_key: &dyn Fn(&Expr) -> bool, ty: Type) -> Option<Expr> {
    match &condition.kind {
        ExprKind::InList { arg, list, .. } if is_key(arg) => {
            let items = list
                .iter()
                .map(|i| if visit::is_row_independent(i) { as_key(i, ty) } else { None })
                .collect::<Option<Vec<_>>>()?;
            Some(Expr { kind: ExprKind::Array(items), ty: ty.array()?, typmod: -1 })
        }
        ExprKind::ArrayCompare { left, array, function, all: false } if is_key(left) => {
            let equal = functions::operator_of(function)?.name == "=";
            let element = array.ty.element()?;
            let fits = element == ty || is_relabel(element, ty);
            let fixed =
                visit::is_row_independent(array) && !visit::is_volatile(array) && !visit::has_subquery(array);
            (equal && fits && fixed && array.ty.array().is_none()).then(|| (**array).clone())
        }
        _ => None,
    }
}

/// What a key of an index is, over the scan's output.
#[derive(Clone, Copy)]
enum KeyValue<'s> {
    Column(usize),
    Expression(&'s Expr),
}

/// A key of an index as the scan sees it.
#[derive(Clone, Copy)]
struct Key<'s> {
    value: KeyValue<'s>,
    ty: Type,
    not_null: bool,
    descending: bool,
}

impl Key<'_> {
    fn is(&self, expr: &Expr) -> bool {
        match self.value {
            KeyValue::Column(column) => matches!(expr.kind, ExprKind::Column(c) if c == column),
            KeyValue::Expression(key) => visit::same(expr, key),
        }
    }
}

/// What conditions make of an index.
struct Match {
    bounds: KeyBounds,
    /// Conditions that the bounds make certain.
    used: Vec<usize>,
    /// All conditions that the bounds come from.
    bounding: Vec<usize>,
    /// Equal columns, and whether there is a range behind them.
    equal: usize,
    range: bool,
}

fn matched(conditions: &[Expr], keys: &[Key<'_>]) -> Option<Match> {
    let mut found = Match {
        bounds: KeyBounds::default(),
        used: Vec::new(),
        bounding: Vec::new(),
        equal: 0,
        range: false,
    };
    let mut keys = keys.iter();
    let mut next = keys.next();
    while let Some(key) = next {
        let value =
            conditions.iter().enumerate().find_map(|(i, c)| Some((i, equals(c, &|e| key.is(e), key.ty)?)));
        let Some((i, value)) = value else { break };
        found.bounds.equal.push(value);
        found.used.push(i);
        found.bounding.push(i);
        found.equal += 1;
        next = keys.next();
    }
    if let Some(key) = next {
        let is_key = |e: &Expr| key.is(e);
        let any = conditions.iter().enumerate().find_map(|(i, c)| Some((i, any_of(c, &is_key, key.ty)?)));
        if let Some((i, array)) = any {
            found.bounds.any = Some(array);
            found.used.push(i);
            found.bounding.push(i);
            found.equal += 1;
            return Some(found);
        }
        if !key.descending {
            for (i, condition) in conditions.iter().enumerate() {
                range(&mut found, i, condition, key);
            }
        }
    }
    (found.equal > 0 || found.range).then_some(found)
}

/// Narrows the range of the key behind the equal ones by a condition.
fn range(found: &mut Match, at: usize, condition: &Expr, key: &Key<'_>) {
    let Some((op, value)) = comparison(condition, &|e| key.is(e)) else { return };
    let slot = match op {
        ">" | ">=" if found.bounds.lower.is_none() => &mut found.bounds.lower,
        "<" | "<=" if found.bounds.upper.is_none() => &mut found.bounds.upper,
        "~~" => return pattern(found, at, value, key),
        _ => return,
    };
    let Some(value) = as_key(value, key.ty) else { return };
    *slot = Some((value, op.len() == 2));
    found.range = true;
    found.bounding.push(at);
    // Nulls sort behind everything; the condition itself leaves them out.
    if key.not_null {
        found.used.push(at);
    }
}

/// A LIKE pattern with a fixed beginning is a range of text, which sorts by its bytes.
fn pattern(found: &mut Match, at: usize, value: &Expr, key: &Key<'_>) {
    let ExprKind::Const(Datum::Text(pattern)) = &value.kind else { return };
    let text = matches!(key.ty, Type::TEXT | Type::VARCHAR);
    if !text || found.bounds.lower.is_some() || found.bounds.upper.is_some() {
        return;
    }
    let Some(prefix) = like_prefix(pattern) else { return };
    let bound = |text: &str| Expr::constant(Datum::text(text), key.ty);
    found.bounds.upper = prefix.successor().map(|next| (bound(&next), false));
    found.bounds.lower = Some((bound(&prefix.text), true));
    found.range = true;
    found.bounding.push(at);
    if prefix.exact && key.not_null && found.bounds.upper.is_some() {
        found.used.push(at);
    }
}

fn column_key(scan: &Scan, position: usize, descending: bool) -> Option<Key<'_>> {
    let output = scan.columns.iter().position(|c| *c == position)?;
    let column = scan.table.columns.get(position)?;
    Some(Key { value: KeyValue::Column(output), ty: column.ty.ty, not_null: column.not_null, descending })
}

fn primary_keys(scan: &Scan) -> Vec<Key<'_>> {
    scan.table.primary_key.iter().map_while(|p| column_key(scan, *p, false)).collect()
}

/// The keys of the table's index `number`, as far as the scan's output has them.
fn index_keys(scan: &Scan, number: usize) -> Vec<Key<'_>> {
    let Some(index) = scan.table.indexes.get(number) else { return Vec::new() };
    let bound = scan.bound.as_ref().and_then(|b| b.indexes.get(number));
    let key = |(at, key): (usize, &crate::catalog::IndexKey)| match key.column {
        Some(position) => column_key(scan, position, key.descending),
        None => {
            let expr = bound?.0.get(at)?;
            Some(Key {
                value: KeyValue::Expression(expr),
                ty: expr.ty,
                not_null: false,
                descending: key.descending,
            })
        }
    };
    index.keys.iter().enumerate().map_while(key).collect()
}

/// Whether all rows that pass the conditions are in the table's index `number`.
pub(super) fn covers(scan: &Scan, number: usize, conditions: &[Expr]) -> bool {
    let Some(index) = scan.table.indexes.get(number).filter(|i| i.is_readable(scan.snapshot)) else {
        return false;
    };
    if index.predicate.is_none() {
        return true;
    }
    let bound = scan.bound.as_ref().and_then(|b| b.indexes.get(number));
    bound.and_then(|(_, predicate)| predicate.as_ref()).is_some_and(|p| implies(conditions, p))
}

/// A way to reach the rows.
struct Candidate {
    found: Match,
    /// Which index; none for the primary key.
    index: Option<usize>,
    /// It gives one row at most.
    one: bool,
    /// Which part of the rows is in the range.
    part: f64,
    cost: f64,
}

/// The part of the table's rows in the range of a match, and whether that is a guess. A partial index has just the rows of its
/// predicate.
fn range_part(scan: &Scan, conditions: &[Expr], found: &Match, index: Option<usize>) -> (f64, bool) {
    let of = |output: usize| of_scan(scan, output);
    let mut bounding: Vec<&Expr> = found.bounding.iter().filter_map(|i| conditions.get(*i)).collect();
    let guessed = found.range && bounding.iter().any(|c| selectivity::is_guess(c, &of));
    let bound = index.and_then(|at| scan.bound.as_ref()?.indexes.get(at));
    if let Some(predicate) = bound.and_then(|(_, predicate)| predicate.as_ref())
        && !bounding.iter().any(|c| visit::same(c, predicate))
    {
        bounding.push(predicate);
    }
    (selectivity::all(bounding.into_iter(), &of), guessed)
}

/// The most that a range which is not known is taken for when an index is chosen: whoever asks for one seldom wants a third of the
/// table, and an index read for too much costs less than a table read for little.
const UNKNOWN_RANGE: f64 = 0.005;

/// Chooses how a scan reaches its rows, by its filter's conditions.
pub(crate) fn choose_access(mut scan: Scan) -> Scan {
    let Some(filter) = scan.filter.take() else { return scan };
    let mut conditions = Vec::new();
    visit::conjuncts(filter, &mut conditions);
    if !matches!(scan.access, Access::Full) {
        scan.filter = visit::conjunction(conditions);
        return scan;
    }
    let table_rows = scan.estimate.table_rows;
    let part = selectivity::all(conditions.iter(), &|output| of_scan(&scan, output));
    scan.estimate.rows = (table_rows * part).max(1.0);
    scan.estimate.depends_on_values = depends_on_values(&scan, &conditions);
    let table = Arc::clone(&scan.table);
    // What each row that is reached has to be put to.
    scan.filter = visit::conjunction(conditions.clone());
    let full = estimate::full_scan(&scan);
    let candidate = |found: Match, index: Option<usize>| {
        let width = match index.and_then(|i| table.indexes.get(i)) {
            Some(index) => index.unique.then_some(index.keys.len()),
            None => Some(table.primary_key.len()),
        };
        let one = width.is_some_and(|w| found.equal >= w) && found.bounds.any.is_none();
        let (part, guessed) = range_part(&scan, &conditions, &found, index);
        let rows = match (one, guessed) {
            (true, _) => 1.0,
            (false, true) => (table_rows * part.min(UNKNOWN_RANGE)).max(1.0),
            (false, false) => (table_rows * part).max(1.0),
        };
        let cost = estimate::key_scan(&scan, &found.bounds, rows, index.is_some());
        Candidate { found, index, one, part, cost }
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    candidates.extend(matched(&conditions, &primary_keys(&scan)).map(|found| candidate(found, None)));
    for at in 0..table.indexes.len() {
        if covers(&scan, at, &conditions) {
            candidates
                .extend(matched(&conditions, &index_keys(&scan, at)).map(|found| candidate(found, Some(at))));
        }
    }
    // A range of the table's own order is never worse than all of it.
    let best = candidates
        .into_iter()
        .filter(|c| c.index.is_none() || c.cost < full)
        .min_by(|a, b| a.cost.total_cmp(&b.cost));
    let Some(best) = best else { return scan };
    scan.estimate.rows = if best.one { 1.0 } else { scan.estimate.rows };
    scan.estimate.range_rows = if best.one { 1.0 } else { (table_rows * best.part).max(1.0) };
    let mut at = 0;
    conditions.retain(|_| {
        at += 1;
        !best.found.used.contains(&(at - 1))
    });
    scan.access = match best.index.and_then(|i| table.indexes.get(i)) {
        Some(index) => Access::Index(Arc::clone(index), best.found.bounds),
        None => Access::PrimaryKey(best.found.bounds),
    };
    scan.filter = visit::conjunction(conditions);
    scan
}

/// Whether other values of the parameters in a scan's conditions could make another plan better: the part of the rows that passes
/// depends on them, or a partial index waits for a value.
fn depends_on_values(scan: &Scan, conditions: &[Expr]) -> bool {
    // Tables with fewer rows are read in no time either way.
    if scan.estimate.table_rows < VALUES_ROWS_MIN {
        return false;
    }
    let partial = scan.table.indexes.iter().any(|i| i.predicate.is_some());
    conditions.iter().any(|condition| {
        (partial && visit::any(condition, &mut |e| matches!(e.kind, ExprKind::Param(_))))
            || selectivity::depends_on_value(condition, &|output| of_scan(scan, output))
    })
}

/// See [`depends_on_values`].
const VALUES_ROWS_MIN: f64 = 1000.0;

/// Whether a plan is worth making anew for other values of its parameters: some scan's rows depend on them, and there is a choice
/// of indexes or joins.
pub(crate) fn wants_values(plan: &Plan) -> bool {
    let mut scans: Vec<&Scan> = Vec::new();
    collect_scans(plan, &mut scans);
    let joins = scans.len() > 1;
    scans.iter().any(|s| s.estimate.depends_on_values && (joins || !s.table.indexes.is_empty()))
}

fn collect_scans<'p>(plan: &'p Plan, scans: &mut Vec<&'p Scan>) {
    if let Plan::Scan(scan) = plan {
        scans.push(scan);
    }
    super::walk::children(plan, &mut |child| collect_scans(child, scans));
}

/// Whether the scan would be reached by an index if it had these conditions too: full key, or a leading column.
pub(crate) fn has_index_on(scan: &Scan, outputs: &[usize]) -> bool {
    let leads = |position: Option<usize>| {
        position.is_some_and(|p| outputs.iter().any(|o| scan.columns.get(*o) == Some(&p)))
    };
    leads(scan.table.primary_key.first().copied())
        || scan
            .table
            .indexes
            .iter()
            .any(|i| i.is_readable(scan.snapshot) && leads(i.keys.first().and_then(|k| k.column)))
}
