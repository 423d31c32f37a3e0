//! One column's statistics from its values in a sample.

use super::{ColumnStatistics, TARGET};
use crate::types::{Datum, Physical, Type, compare};
use std::cmp::Ordering;

/// Values wider than this count, but are not kept: a few of them would outweigh all other statistics.
const KEPT_BYTES_MAX: usize = 1024;

/// A run of equal values in the sorted sample.
struct Run {
    /// Where it begins.
    first: usize,
    count: usize,
}

/// Statistics of `values`, in the order of their rows in the table, which has `rows` rows. Types without an order have just the
/// part of nulls and the width.
pub(super) fn statistics(ty: Type, values: Vec<Datum>, rows: u64) -> ColumnStatistics {
    let sampled = values.len();
    let nulls = values.iter().filter(|v| v.is_null()).count();
    let mut found = ColumnStatistics {
        ty,
        null_fraction: part(nulls, sampled),
        width: 0,
        distinct: 0.0,
        common: Vec::new(),
        histogram: Vec::new(),
        correlation: None,
    };
    let present = sampled - nulls;
    if present == 0 {
        found.width = fixed_width(ty).unwrap_or(0);
        return found;
    }
    let bytes: usize = values.iter().filter(|v| !v.is_null()).map(stored_bytes).sum();
    let average = i32::try_from(bytes / present).unwrap_or(i32::MAX);
    found.width = fixed_width(ty).unwrap_or(average);
    if !crate::session::has_order(ty) {
        return found;
    }
    let kept =
        values.into_iter().enumerate().filter(|(_, v)| !v.is_null() && stored_bytes(v) <= KEPT_BYTES_MAX);
    let mut sorted: Vec<(usize, Datum)> = kept.collect();
    // What is too wide to be kept is taken to be different from everything else.
    let wide = present - sorted.len();
    sorted.sort_by(|(i, a), (j, b)| compare::compare(a, b).then(i.cmp(j)));
    let runs = runs(&sorted);
    let once = runs.iter().filter(|r| r.count == 1).count() + wide;
    let seen = runs.len() + wide;
    let sample = Sample { rows: rows as f64, sampled: sampled as f64, nulls: nulls as f64 };
    let distinct = sample.distinct(seen as f64, once as f64, present as f64);
    found.distinct = if distinct > 0.1 * sample.rows { -distinct / sample.rows } else { distinct };
    found.correlation = correlation(&sorted);
    let complete = wide == 0 && distinct.round() as usize == runs.len();
    let mut common = common_runs(&runs, &sample, distinct, complete);
    common.sort_by_key(|r| std::cmp::Reverse(r.count));
    found.histogram = histogram(&sorted, &common, &runs);
    found.common = common
        .iter()
        .filter_map(|run| Some((sorted.get(run.first)?.1.clone(), part(run.count, sampled))))
        .collect();
    found
}

fn part(count: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

fn runs(sorted: &[(usize, Datum)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, (_, value)) in sorted.iter().enumerate() {
        match runs.last_mut() {
            Some(run)
                if sorted
                    .get(run.first)
                    .is_some_and(|(_, v)| compare::compare(v, value) == Ordering::Equal) =>
            {
                run.count += 1;
            }
            _ => runs.push(Run { first: at, count: 1 }),
        }
    }
    runs
}

/// The sizes of table and sample, in rows.
struct Sample {
    rows: f64,
    sampled: f64,
    nulls: f64,
}

impl Sample {
    /// Distinct values in the table, of which the sample has `seen`, `once` of them just once, among `present` that are not null:
    /// the estimator Duj1 of Haas and Stokes ("Estimating the number of classes in a finite population", 1998), as in PostgreSQL.
    fn distinct(&self, seen: f64, once: f64, present: f64) -> f64 {
        let not_null = (self.rows * present / self.sampled).max(present);
        if once == 0.0 {
            return seen;
        }
        if once == present {
            // Each value came just once: they are taken to be different throughout.
            return not_null;
        }
        let estimate = present * seen / (present - once + once * present / not_null);
        estimate.clamp(seen, not_null).round()
    }

    /// Whether a value that the sample has `count` times is common enough to be told from one of average frequency, in a table that
    /// has `rest` other values with this part of the rows: more than two standard deviations (hypergeometric) above it.
    fn stands_out(&self, count: f64, average: f64) -> bool {
        let (n, total) = (self.sampled, self.rows);
        let all = total * count / n;
        let variance = n * all * (total - all) * (total - n) / (total * total * (total - 1.0).max(1.0));
        count > average * n + 2.0 * variance.max(0.0).sqrt() + 0.5
    }
}

/// Which runs are most common values. All of them where they are few and the sample has all values of the table.
fn common_runs(runs: &[Run], sample: &Sample, distinct: f64, complete: bool) -> Vec<Run> {
    let again = |r: &&Run| r.count > 1;
    let copy = |r: &Run| Run { first: r.first, count: r.count };
    if complete && runs.len() <= TARGET && runs.iter().all(|r| r.count > 1) {
        return runs.iter().map(copy).collect();
    }
    let mut common: Vec<Run> = runs.iter().filter(again).map(copy).collect();
    common.sort_by_key(|r| std::cmp::Reverse(r.count));
    common.truncate(TARGET);
    if sample.sampled >= sample.rows {
        return common;
    }
    // From the least common one on: those that do not stand out from what the list leaves over go.
    let mut listed: f64 = common.iter().map(|r| r.count as f64).sum();
    while let Some(last) = common.last() {
        listed -= last.count as f64;
        let left = (1.0 - (listed + sample.nulls) / sample.sampled).clamp(0.0, 1.0);
        let others = (distinct - (common.len() - 1) as f64).max(1.0);
        if sample.stands_out(last.count as f64, left / others) {
            break;
        }
        common.pop();
    }
    common
}

/// Bounds of buckets with equally many values, of those that are not listed as common.
fn histogram(sorted: &[(usize, Datum)], common: &[Run], runs: &[Run]) -> Vec<Datum> {
    let rest: Vec<&Run> = runs.iter().filter(|r| !common.iter().any(|c| c.first == r.first)).collect();
    let bounds = rest.len().min(TARGET + 1);
    let total: usize = rest.iter().map(|r| r.count).sum();
    if bounds < 2 {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(bounds);
    let mut run = rest.iter();
    let mut current = run.next();
    let mut passed = 0;
    for bound in 0..bounds {
        let at = bound * (total - 1) / (bounds - 1);
        while let Some(r) = current
            && passed + r.count <= at
        {
            passed += r.count;
            current = run.next();
        }
        if let Some((_, value)) = current.and_then(|r| sorted.get(r.first)) {
            out.push(value.clone());
        }
    }
    out
}

/// Correlation of the values' ranks with the places of their rows; none for fewer than two values, or one only.
fn correlation(sorted: &[(usize, Datum)]) -> Option<f64> {
    if sorted.len() < 2 {
        return None;
    }
    // Places count without the rows that are left out, so that both series are 0, 1, 2, …
    let mut order: Vec<usize> = (0..sorted.len()).collect();
    order.sort_by_key(|rank| sorted.get(*rank).map_or(0, |(place, _)| *place));
    let n = sorted.len() as f64;
    let product: f64 = order.iter().enumerate().map(|(place, rank)| place as f64 * *rank as f64).sum();
    let sum = n * (n - 1.0) / 2.0;
    let squares = n * (n - 1.0) * (2.0 * n - 1.0) / 6.0;
    Some((n * product - sum * sum) / (n * squares - sum * sum))
}

/// Bytes of values of a type that has one size (`typlen`).
fn fixed_width(ty: Type) -> Option<i32> {
    ty.info().map(|i| i32::from(i.len)).filter(|len| *len > 0)
}

/// Bytes of a value as PostgreSQL stores one: a header of one byte (four from 127 bytes on), then the value.
fn stored_bytes(value: &Datum) -> usize {
    let variable = |bytes: usize| bytes + if bytes < 127 { 1 } else { 4 };
    match value {
        Datum::Null => 0,
        Datum::Bool(_) => 1,
        Datum::Int2(_) => 2,
        Datum::Int4(_) | Datum::Float4(_) | Datum::Oid(_) => 4,
        Datum::Int8(_) | Datum::Float8(_) => 8,
        Datum::Interval(_) | Datum::Uuid(_) => 16,
        Datum::Text(text) => variable(text.len()),
        Datum::Bytea(bytes) => variable(bytes.len()),
        // Two bytes of sign and scale, then two for every four digits.
        Datum::Numeric(number) => variable(2 + number.to_string().len().div_ceil(4) * 2),
        Datum::Array(array) => variable(20 + array.values.iter().map(stored_bytes).sum::<usize>()),
        Datum::Record(record) => variable(24 + record.values.iter().map(stored_bytes).sum::<usize>()),
    }
}

/// A guess of the width of a type's values without statistics, as PostgreSQL has it.
pub(crate) fn default_width(ty: crate::types::ColumnType) -> i32 {
    match (fixed_width(ty.ty), ty.ty.physical()) {
        (Some(width), _) => width,
        // `varchar(n)`: n characters and the header, half of it where it is long.
        (None, Physical::Text) if ty.typmod > 4 => match ty.typmod {
            short if short <= 36 => short,
            long => (32 + (long - 32) / 2).min(1024),
        },
        _ => 32,
    }
}
