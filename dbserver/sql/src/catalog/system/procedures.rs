//! `pg_proc`, `pg_operator`, `pg_aggregate` and `pg_cast`: what the function registry holds.

use super::{bool, ch, int2, int4, oid, oidvector, text};
use crate::Result;
use crate::catalog::{OWNER_OID, PG_CATALOG_OID};
use crate::functions::{self, Function, Kernel, Volatility};
use crate::session::EvalContext;
use crate::types::{BUILTIN_TYPES, Datum, Type, cast};

/// `prokind`: `f` function, `a` aggregate.
pub(super) fn procedure_kind(function: &Function) -> char {
    if function.is_aggregate() { 'a' } else { 'f' }
}

/// Rows of `pg_proc`.
pub(super) fn pg_proc(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    Ok(functions::all().iter().map(|f| procedure_row(f)).collect())
}

fn procedure_row(f: &Function) -> Vec<Datum> {
    let volatility = match f.volatility {
        Volatility::Immutable => 'i',
        Volatility::Stable => 's',
        Volatility::Volatile => 'v',
    };
    let set = matches!(f.kernel, Kernel::Set { .. });
    vec![
        oid(f.oid),
        text(f.name),
        oid(PG_CATALOG_OID),
        oid(OWNER_OID),
        oid(12),
        Datum::Float4(1.0),
        Datum::Float4(if set { 1000.0 } else { 0.0 }),
        oid(f.variadic.map_or(0, |t| t.0)),
        oid(0),
        ch(procedure_kind(f)),
        bool(false),
        bool(false),
        bool(f.strict),
        bool(set),
        ch(volatility),
        ch('s'),
        int2(i16::try_from(f.args.len()).unwrap_or(i16::MAX)),
        int2(0),
        oid(f.result.0),
        oidvector(f.args.iter().map(|t| t.0)),
        Datum::Null,
        Datum::Null,
        Datum::Null,
        Datum::Null,
        Datum::Null,
        text(f.name),
        Datum::Null,
        Datum::Null,
        Datum::Null,
        Datum::Null,
    ]
}

/// Rows of `pg_operator`.
pub(super) fn pg_operator(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let rows = functions::operators().iter().map(|o| {
        vec![
            oid(o.oid),
            text(o.name),
            oid(PG_CATALOG_OID),
            oid(OWNER_OID),
            ch(if o.left.is_some() { 'b' } else { 'l' }),
            bool(o.name == "="),
            bool(o.name == "="),
            oid(o.left.map_or(0, |t| t.0)),
            oid(o.right.0),
            oid(o.function.result.0),
            oid(0),
            oid(0),
            oid(o.function.oid),
            oid(0),
            oid(0),
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_aggregate`.
pub(super) fn pg_aggregate(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let rows = functions::all().iter().filter(|f| f.is_aggregate()).map(|f| {
        let mut row = vec![oid(f.oid), ch('n'), int2(0)];
        row.extend(std::iter::repeat_with(|| oid(0)).take(8));
        row.extend([bool(false), bool(false), ch('r'), ch('r'), oid(0), oid(0), int4(0), oid(0), int4(0)]);
        row.extend([Datum::Null, Datum::Null]);
        row
    });
    Ok(rows.collect())
}

/// Rows of `pg_cast`, from the conversions there are.
pub(super) fn pg_cast(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut rows = Vec::new();
    let plain =
        || BUILTIN_TYPES.iter().filter(|t| t.category != 'P' && t.category != 'X' && t.category != 'A');
    for (number, from, to) in
        plain().flat_map(|f| plain().map(move |t| (f, t))).enumerate().map(|(n, (f, t))| (n, f, t))
    {
        if from.oid == to.oid {
            continue;
        }
        if let Some(context) = cast::pathway(Type(from.oid), Type(to.oid)) {
            let context = match context {
                cast::CastContext::Implicit => 'i',
                cast::CastContext::Assignment => 'a',
                cast::CastContext::Explicit => 'e',
            };
            let number = u32::try_from(number).unwrap_or(0).saturating_add(8000);
            rows.push(vec![oid(number), oid(from.oid), oid(to.oid), oid(0), ch(context), ch('f')]);
        }
    }
    Ok(rows)
}
