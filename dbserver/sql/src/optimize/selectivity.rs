//! Which part of the rows passes a condition, by the statistics of the columns it reads (PostgreSQL's manual, "Row Estimation
//! Examples"). Where there are none, or a value is not known yet, its rules of thumb.

use super::keys::operator;
use crate::catalog::Table;
use crate::expr::{Expr, ExprKind};
use crate::functions::like::like;
use crate::plan::{Plan, Scan, visit};
use crate::statistics::ColumnStatistics;
use crate::types::{Datum, compare};
use std::cmp::Ordering;

/// Distinct values of what has no statistics.
const DISTINCT: f64 = 200.0;
/// The part of rows equal to a value.
const EQUAL: f64 = 0.005;
/// The part of rows on one side of a value.
const ONE_SIDE: f64 = 1.0 / 3.0;
/// The part of rows between two values.
const BETWEEN: f64 = 0.005;
/// The part of rows that match a pattern.
const MATCH: f64 = 0.005;

/// A column of a table, as a column of a plan's output goes back to it.
#[derive(Clone, Copy)]
pub(super) struct Source<'p> {
    table: &'p Table,
    position: usize,
    /// Rows of the table.
    rows: f64,
}

/// Where the columns that conditions read come from.
pub(super) type Columns<'c, 'p> = &'c dyn Fn(usize) -> Option<Source<'p>>;

/// The column of a scan's output.
pub(super) fn of_scan(scan: &Scan, output: usize) -> Option<Source<'_>> {
    let position = *scan.columns.get(output)?;
    Some(Source { table: &scan.table, position, rows: scan.estimate.table_rows })
}

/// The table's column behind a column of a plan's output, if its values come through unchanged.
pub(super) fn source(plan: &Plan, output: usize) -> Option<Source<'_>> {
    match plan {
        Plan::Scan(scan) => of_scan(scan, output),
        Plan::Filter { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::LockRows { input, .. } => source(input, output),
        Plan::Project { input, exprs } => column_of(exprs.get(output)?, &|at| source(input, at)),
        Plan::Aggregate { input, groups, .. } => column_of(groups.get(output)?, &|at| source(input, at)),
        Plan::NestedLoop { left, right, .. } | Plan::HashJoin { left, right, .. } => {
            either(left, right, output)
        }
        Plan::Apply { left, right, .. } => either(left, &right.plan, output),
        Plan::With { body, .. } => source(body, output),
        _ => None,
    }
}

/// The same for a column of two plans side by side.
pub(super) fn either<'p>(left: &'p Plan, right: &'p Plan, output: usize) -> Option<Source<'p>> {
    let width = visit::width(left);
    if output < width { source(left, output) } else { source(right, output - width) }
}

/// The column an expression is, perhaps as another type.
fn column_of<'p>(expr: &Expr, columns: Columns<'_, 'p>) -> Option<Source<'p>> {
    match &expr.kind {
        ExprKind::Column(at) => columns(*at),
        ExprKind::Cast { arg, .. } => column_of(arg, columns),
        _ => None,
    }
}

impl<'p> Source<'p> {
    fn statistics(&self) -> Option<&'p ColumnStatistics> {
        self.table.statistics_of(self.position)
    }
    /// Average bytes of a value, where that is known.
    pub(super) fn width(&self) -> Option<i32> {
        Some(self.statistics()?.width)
    }
    fn is_unique(&self) -> bool {
        let alone = |key: Option<usize>| key == Some(self.position);
        (self.table.primary_key.len() == 1 && alone(self.table.primary_key.first().copied()))
            || self.table.indexes.iter().any(|i| {
                i.valid
                    && i.unique
                    && i.predicate.is_none()
                    && i.keys.len() == 1
                    && i.keys.iter().all(|k| alone(k.column))
            })
    }
    fn null_fraction(&self) -> f64 {
        match self.statistics() {
            Some(found) => found.null_fraction,
            None => 0.0,
        }
    }
    /// How many values the column has in the whole table.
    fn distinct(&self) -> f64 {
        let rows = self.rows.max(1.0);
        if self.is_unique() {
            return (rows * (1.0 - self.null_fraction())).max(1.0);
        }
        let known = self.statistics().and_then(|s| s.distinct_in(rows));
        let boolean =
            self.table.columns.get(self.position).is_some_and(|c| c.ty.ty == crate::types::Type::BOOL);
        known.unwrap_or(if boolean { 2.0 } else { DISTINCT.min(rows) })
    }
    /// The part of the rows equal to a value; to any one, where it is not known.
    fn equal(&self, value: Option<&Datum>) -> f64 {
        if self.is_unique() {
            return 1.0 / self.rows.max(1.0);
        }
        let distinct = self.distinct();
        let Some(found) = self.statistics() else { return (1.0 / distinct).min(1.0) };
        let rest = 1.0 - found.null_fraction - found.common_part();
        let most = found.common.first().map_or(1.0, |(_, part)| *part);
        match value.filter(|v| is_like(found, v)) {
            None => ((1.0 - found.null_fraction) / distinct).min(most),
            Some(value) => match found.common.iter().find(|(v, _)| compare::equal(v, value)) {
                Some((_, part)) => *part,
                None => {
                    let least = found.common.last().map_or(1.0, |(_, part)| *part);
                    let others = (distinct - found.common.len() as f64).max(1.0);
                    (rest / others).max(0.0).min(least)
                }
            },
        }
    }
    /// The part of the rows whose value passes a test that splits the order at `value` (values below it when `below`, it itself
    /// when `inclusive`).
    fn side(&self, value: &Datum, below: bool, inclusive: bool) -> Option<f64> {
        let found = self.statistics().filter(|s| is_like(s, value))?;
        let passes = |v: &Datum| match compare::compare(v, value) {
            Ordering::Equal => inclusive,
            Ordering::Less => below,
            Ordering::Greater => !below,
        };
        let common: f64 = found.common.iter().filter(|(v, _)| passes(v)).map(|(_, part)| part).sum();
        let rest = (1.0 - found.null_fraction - found.common_part()).max(0.0);
        let under = match found.histogram.is_empty() {
            true if found.common.is_empty() => return None,
            true => 0.5,
            false => fraction_below(&found.histogram, value),
        };
        let part = if below { under } else { 1.0 - under };
        Some((common + rest * part).clamp(0.0, 1.0))
    }
    /// The part of the rows that match a LIKE pattern: tried on what the statistics list.
    fn like(&self, pattern: &str) -> Option<f64> {
        let found = self.statistics()?;
        let matches = |v: &Datum| matches!(v, Datum::Text(text) if like(text, pattern).unwrap_or(false));
        let common: f64 = found.common.iter().filter(|(v, _)| matches(v)).map(|(_, part)| part).sum();
        let rest = (1.0 - found.null_fraction - found.common_part()).max(0.0);
        let listed = found.histogram.len();
        let tried = if listed < 10 {
            None
        } else {
            Some(found.histogram.iter().filter(|v| matches(v)).count() as f64 / listed as f64)
        };
        let by_prefix = self.prefix(found, pattern);
        let part = match (tried, by_prefix) {
            // A prefix that falls between two bounds matches none of them, but is seen in their order.
            (Some(tried), Some(prefix)) => tried.max(prefix),
            (Some(part), None) | (None, Some(part)) => part,
            (None, None) => MATCH,
        };
        Some((common + rest * part).clamp(0.0, 1.0))
    }
    /// The part of the histogram's values that begin as the pattern does.
    fn prefix(&self, found: &ColumnStatistics, pattern: &str) -> Option<f64> {
        let prefix = like_prefix(pattern)?;
        if found.histogram.is_empty() {
            return None;
        }
        let from = fraction_below(&found.histogram, &Datum::text(prefix.text.as_str()));
        let to = match prefix.successor() {
            Some(next) => fraction_below(&found.histogram, &Datum::text(next)),
            None => 1.0,
        };
        Some((to - from).max(1.0 / self.rows.max(1.0)))
    }
}

/// Whether a value can be compared with the ones of the statistics.
fn is_like(found: &ColumnStatistics, value: &Datum) -> bool {
    let listed = found.common.first().map(|(v, _)| v).or(found.histogram.first());
    !value.is_null() && listed.is_none_or(|v| compare::comparable(v, value))
}

/// The part of a histogram below a value.
fn fraction_below(bounds: &[Datum], value: &Datum) -> f64 {
    let buckets = bounds.len().saturating_sub(1).max(1) as f64;
    let at = bounds.partition_point(|b| compare::compare(b, value).is_lt());
    let inside = match (at.checked_sub(1).and_then(|i| bounds.get(i)), bounds.get(at)) {
        (None, _) => return 0.0,
        (_, None) => return 1.0,
        (Some(low), Some(high)) => between(low, high, value),
    };
    // Never quite none and never quite all: the extremes of a sample are not those of the table.
    let least = 0.01 / buckets;
    (((at - 1) as f64 + inside) / buckets).clamp(least, 1.0 - least)
}

/// How far a value is from one bound to the other, 0 to 1.
fn between(low: &Datum, high: &Datum, value: &Datum) -> f64 {
    let (low, high, value) = match (low, high, value) {
        (Datum::Text(l), Datum::Text(h), Datum::Text(v)) => {
            // What all three begin with says nothing.
            let same =
                l.bytes().zip(h.bytes()).zip(v.bytes()).take_while(|((a, b), c)| a == b && b == c).count();
            let number = |text: &str| {
                text.bytes()
                    .skip(same)
                    .take(8)
                    .enumerate()
                    .map(|(i, b)| f64::from(b) / 256f64.powi(i as i32 + 1))
                    .sum()
            };
            (number(l), number(h), number(v))
        }
        _ => match (number(low), number(high), number(value)) {
            (Some(l), Some(h), Some(v)) => (l, h, v),
            _ => return 0.5,
        },
    };
    let part = (value - low) / (high - low);
    // Infinities and NaN have no place between others.
    if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.5 }
}

/// A value on a line; none for types that have no distance.
fn number(value: &Datum) -> Option<f64> {
    Some(match value {
        Datum::Bool(b) => f64::from(u8::from(*b)),
        Datum::Int2(n) => f64::from(*n),
        Datum::Int4(n) => f64::from(*n),
        Datum::Int8(n) => *n as f64,
        Datum::Oid(n) => f64::from(*n),
        Datum::Float4(x) => f64::from(*x),
        Datum::Float8(x) => *x,
        Datum::Numeric(n) => n.to_f64(),
        Datum::Interval(i) => compare::interval_micros(i) as f64,
        _ => return None,
    })
}

/// What every text that matches a LIKE pattern begins with.
pub(super) struct Prefix {
    pub text: String,
    /// Nothing but a `%` follows: whatever begins so matches.
    pub exact: bool,
}

impl Prefix {
    /// The first text that comes after all that begin with the prefix.
    pub fn successor(&self) -> Option<String> {
        let mut text = self.text.clone();
        while let Some(last) = text.pop() {
            let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
            if let Some(next) = next {
                text.push(next);
                return Some(text);
            }
        }
        None
    }
}

/// The fixed beginning of a pattern; none where it begins with a wildcard, or has none (an equality in disguise is left alone).
pub(super) fn like_prefix(pattern: &str) -> Option<Prefix> {
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' if text.is_empty() => return None,
            '_' if text.is_empty() => return None,
            '%' => return Some(Prefix { text, exact: chars.as_str().is_empty() }),
            '_' => return Some(Prefix { text, exact: false }),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
    None
}

/// A condition that compares a column with something that is the same for every row.
struct Comparison<'e, 'p> {
    operator: &'static str,
    column: Source<'p>,
    value: &'e Expr,
}

fn comparison<'e, 'p>(condition: &'e Expr, columns: Columns<'_, 'p>) -> Option<Comparison<'e, 'p>> {
    let (name, [left, right]) = operator(condition)? else { return None };
    if let Some(column) = column_of(left, columns).filter(|_| visit::is_row_independent(right)) {
        return Some(Comparison { operator: name, column, value: right });
    }
    let column = column_of(right, columns).filter(|_| visit::is_row_independent(left))?;
    let turned = match name {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "=" | "<>" => name,
        _ => return None,
    };
    Some(Comparison { operator: turned, column, value: left })
}

fn constant(expr: &Expr) -> Option<&Datum> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        ExprKind::Cast { arg, .. } if compare_unchanged(arg.ty, expr.ty) => constant(arg),
        _ => None,
    }
}

/// Casts that leave a constant as it is where it is compared.
fn compare_unchanged(from: crate::types::Type, to: crate::types::Type) -> bool {
    crate::bind::is_relabel(from, to)
}

/// The part of rows on one side of a value; none where that is a guess.
fn side_of(comparison: &Comparison<'_, '_>) -> Option<f64> {
    let below = comparison.operator.starts_with('<');
    let inclusive = comparison.operator.len() == 2;
    comparison.column.side(constant(comparison.value)?, below, inclusive)
}

/// The part of the rows that pass a condition.
pub(super) fn selectivity(condition: &Expr, columns: Columns<'_, '_>) -> f64 {
    let part = match &condition.kind {
        ExprKind::Const(Datum::Bool(true)) => 1.0,
        ExprKind::Const(_) => 0.0,
        ExprKind::And(parts) => all(parts.iter(), columns),
        ExprKind::Or(parts) => 1.0 - parts.iter().map(|p| 1.0 - selectivity(p, columns)).product::<f64>(),
        ExprKind::Not(inner) => 1.0 - selectivity(inner, columns),
        ExprKind::IsNull { arg, negated } => {
            let nulls = column_of(arg, columns).map_or(EQUAL, |c| match c.statistics() {
                Some(found) => found.null_fraction,
                None if c.table.columns.get(c.position).is_some_and(|c| c.not_null) => 0.0,
                None => EQUAL,
            });
            if *negated { 1.0 - nulls } else { nulls }
        }
        ExprKind::Column(_) => {
            column_of(condition, columns).map_or(0.5, |c| c.equal(Some(&Datum::Bool(true))))
        }
        ExprKind::IsBool { arg, value: Some(value), negated } => {
            let part = column_of(arg, columns).map_or(0.5, |c| c.equal(Some(&Datum::Bool(*value))));
            if *negated { 1.0 - part } else { part }
        }
        ExprKind::InList { arg, list, .. } => {
            let column = column_of(arg, columns);
            let each = list.iter().map(|i| column.map_or(EQUAL, |c| c.equal(constant(i))));
            each.sum::<f64>()
        }
        ExprKind::ArrayCompare { left, array, function, all: false }
            if crate::functions::operator_of(function).is_some_and(|o| o.name == "=") =>
        {
            let column = column_of(left, columns);
            match &array.kind {
                ExprKind::Const(Datum::Array(values)) => {
                    values.values.iter().map(|v| column.map_or(EQUAL, |c| c.equal(Some(v)))).sum()
                }
                ExprKind::Array(items) => {
                    items.iter().map(|i| column.map_or(EQUAL, |c| c.equal(constant(i)))).sum()
                }
                // As many as PostgreSQL takes an unknown array to have.
                _ => 10.0 * column.map_or(EQUAL, |c| c.equal(None)),
            }
        }
        _ => operator_selectivity(condition, columns),
    };
    part.clamp(0.0, 1.0)
}

fn operator_selectivity(condition: &Expr, columns: Columns<'_, '_>) -> f64 {
    let Some((name, args)) = operator(condition) else { return 0.5 };
    let compared = comparison(condition, columns);
    let equal = || match (&compared, args) {
        (Some(c), _) => c.column.equal(constant(c.value)),
        (None, [left, right]) => match (column_of(left, columns), column_of(right, columns)) {
            (Some(a), Some(b)) => equal_join(&a, &b),
            (Some(c), None) | (None, Some(c)) => 1.0 / c.distinct(),
            (None, None) => EQUAL,
        },
        _ => EQUAL,
    };
    let pattern = || {
        let c = compared.as_ref()?;
        match constant(c.value)? {
            Datum::Text(pattern) => c.column.like(pattern),
            _ => None,
        }
    };
    match name {
        "=" => equal(),
        "<>" => {
            let nulls = compared.as_ref().map_or(0.0, |c| c.column.null_fraction());
            1.0 - nulls - equal()
        }
        "<" | "<=" | ">" | ">=" => compared.as_ref().and_then(side_of).unwrap_or(ONE_SIDE),
        "~~" => pattern().unwrap_or(MATCH),
        "!~~" => 1.0 - pattern().unwrap_or(MATCH),
        "~" | "~*" | "~~*" => MATCH,
        "!~" | "!~*" | "!~~*" => 1.0 - MATCH,
        _ => 0.5,
    }
}

/// The part of all pairs of rows whose columns are equal: by the most common values of both, and beyond them as if each value of
/// the column with fewer were among those of the other.
fn equal_join(a: &Source<'_>, b: &Source<'_>) -> f64 {
    let (distinct_a, distinct_b) = (a.distinct(), b.distinct());
    let present = |s: &Source<'_>| 1.0 - s.null_fraction();
    let plain = present(a) * present(b) / distinct_a.max(distinct_b).max(1.0);
    let (Some(x), Some(y)) = (a.statistics(), b.statistics()) else { return plain };
    if x.common.is_empty() || y.common.is_empty() {
        return plain;
    }
    let comparable =
        x.common.first().zip(y.common.first()).is_some_and(|((v, _), (w, _))| compare::comparable(v, w));
    if !comparable {
        return plain;
    }
    let mut matched = 0.0;
    let (mut matched_a, mut matched_b) = (0.0, 0.0);
    let mut count = 0.0;
    for (value, part) in &x.common {
        if let Some((_, other)) = y.common.iter().find(|(v, _)| compare::equal(v, value)) {
            matched += part * other;
            matched_a += part;
            matched_b += other;
            count += 1.0;
        }
    }
    let rest = |s: &Source<'_>, found: &ColumnStatistics| (present(s) - found.common_part()).max(0.0);
    let (rest_a, rest_b) = (rest(a, x), rest(b, y));
    let (alone_a, alone_b) = (x.common_part() - matched_a, y.common_part() - matched_b);
    let others = |distinct: f64, listed: usize| (distinct - listed as f64).max(1.0);
    // Common values of one side meet the uncommon ones of the other; those meet each other.
    let from_a = alone_a * rest_b / others(distinct_b, y.common.len())
        + rest_a * (rest_b + alone_b) / (distinct_b - count).max(1.0);
    let from_b = alone_b * rest_a / others(distinct_a, x.common.len())
        + rest_b * (rest_a + alone_a) / (distinct_a - count).max(1.0);
    let complete = |found: &ColumnStatistics| found.histogram.is_empty();
    let unmatched = if complete(x) && complete(y) { 0.0 } else { from_a.min(from_b) };
    (matched + unmatched).clamp(0.0, 1.0)
}

/// The part of the left rows that have a match on the right, by one pair of equal keys.
pub(super) fn semi_join(left: Option<Source<'_>>, right: Option<Source<'_>>, right_rows: f64) -> f64 {
    let (Some(left), Some(right)) = (left, right) else { return 0.5 };
    let (mut a, mut b) = (left.distinct(), right.distinct().min(right_rows.max(1.0)));
    let mut present = 1.0 - left.null_fraction();
    // Common values of the left that are common on the right surely have a match.
    let mut matched = 0.0;
    if let (Some(x), Some(y)) = (left.statistics(), right.statistics()) {
        for (_, part) in x
            .common
            .iter()
            .filter(|(v, _)| is_like(y, v) && y.common.iter().any(|(w, _)| compare::equal(v, w)))
        {
            matched += part;
            (a, b) = ((a - 1.0).max(1.0), (b - 1.0).max(1.0));
        }
        present = (present - matched).max(0.0);
    }
    matched + if a <= b { present } else { present * b / a }
}

/// The part of the rows that pass all conditions. Two bounds on a column are taken together.
pub(super) fn all<'e>(conditions: impl Iterator<Item = &'e Expr>, columns: Columns<'_, '_>) -> f64 {
    struct Bounds<'p> {
        column: Source<'p>,
        /// From below, from above: the part that passes, none where it is a guess.
        lower: Option<Option<f64>>,
        upper: Option<Option<f64>>,
    }
    let mut bounds: Vec<Bounds<'_>> = Vec::new();
    let mut product = 1.0;
    for condition in conditions {
        let compared =
            comparison(condition, columns).filter(|c| matches!(c.operator, "<" | "<=" | ">" | ">="));
        let Some(compared) = compared else {
            product *= selectivity(condition, columns);
            continue;
        };
        let same = |b: &Bounds<'_>| {
            std::ptr::eq(b.column.table, compared.column.table)
                && b.column.position == compared.column.position
        };
        let at = bounds.iter().position(same).unwrap_or_else(|| {
            bounds.push(Bounds { column: compared.column, lower: None, upper: None });
            bounds.len() - 1
        });
        let Some(found) = bounds.get_mut(at) else { continue };
        let part = side_of(&compared);
        let slot = if compared.operator.starts_with('<') { &mut found.upper } else { &mut found.lower };
        *slot = Some(match (slot.take().flatten(), part) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        });
    }
    for found in bounds {
        product *= match (found.lower, found.upper) {
            (Some(lower), Some(upper)) => match (lower, upper) {
                (Some(a), Some(b)) => {
                    (a + b - 1.0 + found.column.null_fraction()).max(1.0 / found.column.rows.max(1.0))
                }
                _ => BETWEEN,
            },
            (one, other) => one.or(other).flatten().unwrap_or(ONE_SIDE),
        };
    }
    product.clamp(0.0, 1.0)
}

/// Whether the part of rows that passes a condition is just guessed, because a value is not known or a column was never looked at.
pub(super) fn is_guess(condition: &Expr, columns: Columns<'_, '_>) -> bool {
    match comparison(condition, columns) {
        Some(c) if matches!(c.operator, "<" | "<=" | ">" | ">=") => side_of(&c).is_none(),
        Some(c) => constant(c.value).is_none() || c.column.statistics().is_none(),
        None => true,
    }
}

/// Whether the values that a condition compares a column with, which are parameters, make a difference for the part of rows that
/// passes: ranges and patterns do, equality where some values are far more common than others.
pub(super) fn depends_on_value(condition: &Expr, columns: Columns<'_, '_>) -> bool {
    let Some(c) = comparison(condition, columns) else { return false };
    if !matches!(c.value.kind, ExprKind::Param(_)) {
        return false;
    }
    let Some(found) = c.column.statistics() else { return false };
    match c.operator {
        "=" => {
            found.common.first().is_some_and(|(_, most)| *most > 0.02 && *most > 5.0 / c.column.distinct())
        }
        "<" | "<=" | ">" | ">=" | "~~" => true,
        _ => false,
    }
}

/// How many groups `rows` rows of a plan fall into by these keys: the product of the columns' distinct values, for each table no
/// more than its rows that are left, and as many of them as a random choice of those rows would have.
pub(super) fn groups(keys: &[&Expr], rows: f64, columns: Columns<'_, '_>) -> f64 {
    let mut tables: Vec<(Source<'_>, f64, usize)> = Vec::new();
    let mut unknown = 1.0;
    for key in keys {
        let mut any = false;
        let mut seen: Vec<usize> = Vec::new();
        visit::columns(key, &mut |at| {
            any = true;
            if seen.contains(&at) {
                return;
            }
            seen.push(at);
            match columns(at) {
                None => unknown *= DISTINCT,
                Some(source) => {
                    let distinct = source.distinct() + f64::from(u8::from(source.null_fraction() > 0.0));
                    match tables.iter_mut().find(|(s, ..)| std::ptr::eq(s.table, source.table)) {
                        Some((_, product, count)) => {
                            *product *= distinct;
                            *count += 1;
                        }
                        None => tables.push((source, distinct, 1)),
                    }
                }
            }
        });
        if !any {
            continue;
        }
    }
    let mut groups = unknown;
    for (source, product, count) in tables {
        let total = source.rows.max(1.0);
        // Columns of one table seldom come in all combinations.
        let product = product.min(if count > 1 { (total * 0.1).max(1.0) } else { total });
        let kept = rows.min(total);
        // Yao's formula as PostgreSQL has it: distinct values in a random part of the rows.
        let seen = if kept < total {
            product * (1.0 - ((total - kept) / total).powf(total / product))
        } else {
            product
        };
        groups *= seen.max(1.0);
    }
    groups.clamp(1.0, rows.max(1.0))
}
