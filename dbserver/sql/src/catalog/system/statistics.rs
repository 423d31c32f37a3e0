//! What ANALYZE found, and how much tables change: `pg_statistic`, `pg_stats`, `pg_stat_user_tables`. Arrays of values, whose element
//! type differs from row to row in PostgreSQL, are arrays of their text forms.

use super::{array, attnum, bool, collation, int2, int4, int8, oid, optional, text};
use crate::Result;
use crate::catalog::{RelationKind, Table};
use crate::functions;
use crate::session::EvalContext;
use crate::statistics::ColumnStatistics;
use crate::types::{Datum, Type, io};

type Rows = Result<Vec<Vec<Datum>>>;

/// Number of slots (`stakind1` …) of a row of `pg_statistic`.
const SLOTS: usize = 5;

fn columns<'a>(
    ctx: &'a EvalContext<'_>,
) -> impl Iterator<Item = (&'a Table, usize, &'a ColumnStatistics)> + 'a {
    ctx.catalog.relations.values().filter_map(|r| r.table()).flat_map(|table| {
        table.live_columns().filter_map(|(at, _)| Some((&**table, at, table.statistics_of(at)?)))
    })
}

fn float4(value: f64) -> Datum {
    Datum::Float4(value as f32)
}

fn values<'v>(ctx: &EvalContext<'_>, ty: Type, values: impl Iterator<Item = &'v Datum>) -> Datum {
    array(Type::TEXT, 1, values.map(|v| text(io::to_text(v, ty, -1, ctx.settings))).collect())
}

fn numbers(numbers: impl Iterator<Item = f64>) -> Datum {
    array(Type::FLOAT4, 1, numbers.map(float4).collect())
}

/// A list, or null where it is empty.
fn some(list: Datum, is_empty: std::primitive::bool) -> Datum {
    if is_empty { Datum::Null } else { list }
}

/// Rows of `pg_stats`.
pub(super) fn pg_stats(ctx: &EvalContext<'_>) -> Rows {
    let row = |(table, at, found): (&Table, usize, &ColumnStatistics)| {
        vec![
            optional(ctx.catalog.schema_name(table.schema), text),
            text(table.name.as_str()),
            optional(table.columns.get(at), |c| text(c.name.as_str())),
            bool(false),
            float4(found.null_fraction),
            int4(found.width),
            float4(found.distinct),
            some(values(ctx, found.ty, found.common.iter().map(|(v, _)| v)), found.common.is_empty()),
            some(numbers(found.common.iter().map(|(_, part)| *part)), found.common.is_empty()),
            some(values(ctx, found.ty, found.histogram.iter()), found.histogram.is_empty()),
            optional(found.correlation, float4),
            Datum::Null,
            Datum::Null,
            Datum::Null,
        ]
    };
    Ok(columns(ctx).map(row).collect())
}

/// One kind of statistics in a row of `pg_statistic`: kind, operator, numbers, values.
type Slot = (i16, u32, Datum, Datum);

/// Rows of `pg_statistic`: most common values (kind 1), histogram (2) and correlation (3).
pub(super) fn pg_statistic(ctx: &EvalContext<'_>) -> Rows {
    let operator = |function: Option<&'static functions::Function>| {
        function.and_then(functions::operator_of).map_or(0, |o| o.oid)
    };
    let row = |(table, at, found): (&Table, usize, &ColumnStatistics)| {
        let mut slots: Vec<Slot> = Vec::new();
        let (equal, less) = (operator(functions::equality(found.ty)), operator(functions::less(found.ty)));
        if !found.common.is_empty() {
            let parts = numbers(found.common.iter().map(|(_, part)| *part));
            slots.push((1, equal, parts, values(ctx, found.ty, found.common.iter().map(|(v, _)| v))));
        }
        if !found.histogram.is_empty() {
            slots.push((2, less, Datum::Null, values(ctx, found.ty, found.histogram.iter())));
        }
        if let Some(correlation) = found.correlation {
            slots.push((3, less, numbers(std::iter::once(correlation)), Datum::Null));
        }
        slots.resize(SLOTS, (0, 0, Datum::Null, Datum::Null));
        let mut row = vec![
            oid(table.oid),
            int2(attnum(at)),
            bool(false),
            float4(found.null_fraction),
            int4(found.width),
            float4(found.distinct),
        ];
        row.extend(slots.iter().map(|s| int2(s.0)));
        row.extend(slots.iter().map(|s| oid(s.1)));
        row.extend(slots.iter().map(|s| oid(if s.0 == 0 { 0 } else { collation(found.ty) })));
        row.extend(slots.iter().map(|s| s.2.clone()));
        row.extend(slots.into_iter().map(|s| s.3));
        row
    };
    Ok(columns(ctx).map(row).collect())
}

/// Rows of `pg_stat_user_tables`. Scans are not counted by table, and no row is dead for long: there is no VACUUM to wait for.
pub(super) fn pg_stat_user_tables(ctx: &EvalContext<'_>) -> Rows {
    let columns = super::lookup("pg_catalog", "pg_stat_user_tables").map_or(&[][..], |r| r.columns);
    let count = |n: u64| int8(i64::try_from(n).unwrap_or(i64::MAX));
    let rows = ctx.catalog.relations.values().filter_map(|r| {
        let RelationKind::Table(table) = &r.kind else { return None };
        let activity = ctx.session.table_activity(r.oid);
        let row = columns.iter().map(|(name, ty)| match *name {
            "relid" => oid(r.oid),
            "schemaname" => optional(ctx.catalog.schema_name(r.schema), text),
            "relname" => text(r.name.as_str()),
            "n_tup_ins" => count(activity.inserted),
            "n_tup_upd" => count(activity.updated),
            "n_tup_del" => count(activity.deleted),
            "n_live_tup" => count(ctx.session.tree_size(table.tree).0),
            "n_mod_since_analyze" => count(activity.changed),
            "last_analyze" => optional(activity.analyzed, Datum::Int8),
            "last_autoanalyze" => optional(activity.auto_analyzed, Datum::Int8),
            "analyze_count" => count(activity.analyze_count),
            "autoanalyze_count" => count(activity.auto_analyze_count),
            _ if *ty == Type::INT8 => int8(0),
            _ => Datum::Null,
        });
        Some(row.collect())
    });
    Ok(rows.collect())
}
