//! Conversions between types: which exist and when they apply (`pg_cast`), and how values convert.

use super::json::Json;
use super::{Array, ColumnType, Datum, Numeric, Physical, Type, datetime, interval, io, json, numeric};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalSettings;
use crate::vector::{Values, Vector};
use std::sync::Arc;

/// `castcontext`: where a conversion may be used. Ordered from the freest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CastContext {
    /// Anywhere.
    Implicit,
    /// In assignments to columns, and where written.
    Assignment,
    /// Only where written.
    Explicit,
}

fn is_string(ty: Type) -> bool {
    matches!(ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME)
}

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::INT2 | Type::INT4 | Type::INT8)
}

/// The entry of `pg_cast`.
pub(crate) fn listed(from: Type, to: Type) -> Option<CastContext> {
    use CastContext::{Assignment, Explicit, Implicit};
    const NUMBERS: [Type; 6] =
        [Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC, Type::FLOAT4, Type::FLOAT8];
    let rank = |ty: Type| NUMBERS.iter().position(|t| *t == ty);
    if let (Some(a), Some(b)) = (rank(from), rank(to)) {
        // Up the row is implicit, down an assignment.
        return Some(if a < b { Implicit } else { Assignment });
    }
    Some(match (from, to) {
        (f, t) if is_integer(f) && (t == Type::OID || t.is_reg()) => Implicit,
        (f, Type::INT4 | Type::INT8) if f == Type::OID || f.is_reg() => Assignment,
        (Type::OID, t) if t.is_reg() => Implicit,
        (f, Type::OID) if f.is_reg() => Implicit,
        (Type::REGPROC, Type::REGPROCEDURE) | (Type::REGPROCEDURE, Type::REGPROC) => Implicit,
        (Type::REGOPER, Type::REGOPERATOR) | (Type::REGOPERATOR, Type::REGOPER) => Implicit,
        (Type::TEXT | Type::VARCHAR, Type::REGCLASS) => Implicit,
        (Type::NAME, Type::BPCHAR | Type::VARCHAR) => Assignment,
        (f, t) if is_string(f) && is_string(t) => Implicit,
        (Type::CHAR, Type::TEXT) | (Type::PG_NODE_TREE, Type::TEXT) => Implicit,
        (Type::CHAR, Type::BPCHAR | Type::VARCHAR) => Assignment,
        (Type::TEXT | Type::BPCHAR | Type::VARCHAR, Type::CHAR) => Assignment,
        (Type::CHAR, Type::INT4) | (Type::INT4, Type::CHAR) => Explicit,
        (Type::BOOL, Type::INT4) | (Type::INT4, Type::BOOL) => Explicit,
        (Type::BOOL, Type::TEXT | Type::BPCHAR | Type::VARCHAR) => Assignment,
        (Type::JSON, Type::JSONB) | (Type::JSONB, Type::JSON) => Assignment,
        (Type::JSONB, t) if rank(t).is_some() || t == Type::BOOL => Explicit,
        (Type::DATE, Type::TIMESTAMP | Type::TIMESTAMPTZ) | (Type::TIMESTAMP, Type::TIMESTAMPTZ) => Implicit,
        (Type::TIMESTAMP, Type::DATE | Type::TIME) => Assignment,
        (Type::TIMESTAMPTZ, Type::DATE | Type::TIME | Type::TIMESTAMP) => Assignment,
        (Type::TIME, Type::INTERVAL) => Implicit,
        (Type::INTERVAL, Type::TIME) => Assignment,
        (Type::INT2VECTOR, Type::INT2_ARRAY) | (Type::OIDVECTOR, Type::OID_ARRAY) => Implicit,
        _ => return None,
    })
}

/// When `from` converts to `to`; none where it never does. PostgreSQL's `find_coercion_pathway`, with the
/// conversions through text that every type has.
pub fn pathway(from: Type, to: Type) -> Option<CastContext> {
    use CastContext::{Assignment, Explicit, Implicit};
    if from == to || from == Type::UNKNOWN {
        return Some(Implicit);
    }
    match to {
        Type::ANY | Type::ANYELEMENT | Type::ANYCOMPATIBLE => return Some(Implicit),
        Type::ANYNONARRAY => return from.element().is_none().then_some(Implicit),
        Type::ANYARRAY | Type::ANYCOMPATIBLEARRAY => return from.element().map(|_| Implicit),
        _ => {}
    }
    if let Some(context) = listed(from, to) {
        return Some(context);
    }
    let vector = |ty: Type| matches!(ty, Type::INT2VECTOR | Type::OIDVECTOR);
    if let (Some(a), Some(b)) = (from.element(), to.element())
        && !vector(to)
    {
        // Arrays convert as their elements do, but not through text implicitly.
        return pathway(a, b);
    }
    let pseudo = |ty: Type| ty.info().is_some_and(|t| t.category == 'P') && ty != Type::RECORD;
    if pseudo(from) || pseudo(to) {
        return None;
    }
    if is_string(to) {
        Some(Assignment)
    } else if is_string(from) && to != Type::RECORD {
        Some(Explicit)
    } else {
        None
    }
}

/// 22003: `integer out of range`
fn out_of_range(ty: Type) -> SqlError {
    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("{} out of range", ty.sql_name()))
}

fn cannot(from: Type, to: Type) -> SqlError {
    SqlError::new(
        sqlstate::CANNOT_COERCE,
        format!("cannot cast type {} to {}", from.sql_name(), to.sql_name()),
    )
}

fn integer(value: i64, to: Type) -> Result<Datum> {
    let error = || out_of_range(to);
    Ok(match to {
        Type::INT2 => Datum::Int2(i16::try_from(value).map_err(|_| error())?),
        Type::INT4 => Datum::Int4(i32::try_from(value).map_err(|_| error())?),
        Type::INT8 => Datum::Int8(value),
        Type::FLOAT4 => Datum::Float4(value as f32),
        Type::FLOAT8 => Datum::Float8(value as f64),
        Type::NUMERIC => Datum::Numeric(Numeric::from(value)),
        Type::BOOL => Datum::Bool(value != 0),
        Type::CHAR => {
            let byte = i8::try_from(value)
                .map_err(|_| SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range"))?;
            let c = char::from(byte as u8);
            Datum::text(if c == '\0' { String::new() } else { c.to_string() })
        }
        Type::OID => Datum::Oid(
            u32::try_from(value)
                .or_else(|_| i32::try_from(value).map(|v| v as u32))
                .map_err(|_| SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "OID out of range"))?,
        ),
        t if t.is_reg() => return integer(value, Type::OID),
        _ => return Err(SqlError::internal("no such integer conversion")),
    })
}

/// A float as an integer: to the nearest, ties to even.
fn float_to_integer(value: f64, to: Type) -> Result<Datum> {
    let rounded = value.round_ties_even();
    // Exact powers of two, so that the comparison is exact.
    if rounded.is_nan() || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return Err(out_of_range(to));
    }
    integer(rounded as i64, to)
}

fn to_f32(value: f64) -> Result<f32> {
    let narrow = value as f32;
    let lost = |what| {
        Err(SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("value out of range: {what}")))
    };
    if narrow.is_infinite() && !value.is_infinite() {
        lost("overflow")
    } else if narrow == 0.0 && value != 0.0 {
        lost("underflow")
    } else {
        Ok(narrow)
    }
}

fn numeric_to_float(value: &Numeric, to: Type) -> Result<f64> {
    let float = value.to_f64();
    let lost = (float.is_infinite() && value.is_finite())
        || (float == 0.0 && !value.is_zero())
        || (to == Type::FLOAT4 && float.is_finite() && (float as f32).is_infinite());
    if lost {
        return Err(SqlError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{value}\" is out of range for type {}", to.sql_name()),
        ));
    }
    Ok(float)
}

fn jsonb_to(text: &str, to: ColumnType, explicit: bool, s: &EvalSettings) -> Result<Datum> {
    let kind = match Json::parse(text)? {
        Json::Number(n) if to.ty != Type::BOOL => {
            return cast(Datum::Numeric(n), Type::NUMERIC, to, explicit, s);
        }
        Json::Bool(b) if to.ty == Type::BOOL => return Ok(Datum::Bool(b)),
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "numeric",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    Err(SqlError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("cannot cast jsonb {kind} to type {}", to.ty.sql_name()),
    ))
}

/// Fits a value of its own type to a modifier: rounds, cuts (when `explicit`) or complains (22001, 22003).
fn fit(value: Datum, to: ColumnType, explicit: bool) -> Result<Datum> {
    if to.typmod < 0 {
        return Ok(value);
    }
    Ok(match (to.ty, value) {
        (Type::VARCHAR | Type::BPCHAR, Datum::Text(x)) => io::fit_text(&x, to.ty, to.typmod, explicit)?,
        (Type::NUMERIC, Datum::Numeric(x)) => Datum::Numeric(numeric::apply_typmod(x, to.typmod)?),
        (Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::TIME, Datum::Int8(x)) => {
            Datum::Int8(datetime::apply_precision(x, to.typmod))
        }
        (Type::INTERVAL, Datum::Interval(x)) => Datum::Interval(interval::apply_typmod(x, to.typmod)?),
        (_, Datum::Array(x)) => match to.ty.element() {
            Some(ty) if !matches!(ty, Type::INT2 | Type::OID) => {
                let to = ColumnType { ty, typmod: to.typmod };
                let values = x.values.iter().map(|v| fit(v.clone(), to, explicit)).collect::<Result<_>>()?;
                Datum::Array(Arc::new(Array { element: x.element, dims: x.dims.clone(), values }))
            }
            _ => Datum::Array(x),
        },
        (_, value) => value,
    })
}

/// Converts a value; nulls stay null. `explicit` cuts what is too long for `varchar(n)` where an assignment complains (22001).
/// Names for reg* types need the catalog and are not resolved here: only numbers convert.
pub fn cast(value: Datum, from: Type, to: ColumnType, explicit: bool, s: &EvalSettings) -> Result<Datum> {
    if value.is_null() || (from == to.ty && to.typmod < 0) {
        return Ok(value);
    }
    let converted = if from == to.ty { value } else { convert(value, from, to, explicit, s)? };
    fit(converted, to, explicit)
}

fn convert(value: Datum, from: Type, to: ColumnType, explicit: bool, s: &EvalSettings) -> Result<Datum> {
    let zone = s.time_zone;
    Ok(match (value, to.ty) {
        (value, Type::ANY | Type::ANYELEMENT | Type::ANYARRAY | Type::ANYNONARRAY) => value,
        (value, Type::ANYCOMPATIBLE | Type::ANYCOMPATIBLEARRAY) => value,
        (Datum::Int2(x), t) if t.physical() != Physical::Text || t == Type::CHAR => {
            integer_or(i64::from(x), from, t)?
        }
        (Datum::Int4(x), t) if from == Type::INT4 && (t.physical() != Physical::Text || t == Type::CHAR) => {
            integer_or(i64::from(x), from, t)?
        }
        (Datum::Int8(x), t) if from == Type::INT8 && t.physical() != Physical::Text => {
            integer_or(x, from, t)?
        }
        (Datum::Float4(x), Type::FLOAT8) => Datum::Float8(f64::from(x)),
        (Datum::Float4(x), Type::NUMERIC) => Datum::Numeric(Numeric::from_f32(x)),
        (Datum::Float4(x), t) if is_integer(t) => float_to_integer(f64::from(x), t)?,
        (Datum::Float8(x), Type::FLOAT4) => Datum::Float4(to_f32(x)?),
        (Datum::Float8(x), Type::NUMERIC) => Datum::Numeric(Numeric::from_f64(x)),
        (Datum::Float8(x), t) if is_integer(t) => float_to_integer(x, t)?,
        (Datum::Numeric(x), Type::FLOAT8) => Datum::Float8(numeric_to_float(&x, Type::FLOAT8)?),
        (Datum::Numeric(x), Type::FLOAT4) => Datum::Float4(numeric_to_float(&x, Type::FLOAT4)? as f32),
        (Datum::Numeric(x), t) if is_integer(t) => integer(x.to_integer(t.sql_name())?, t)?,
        (Datum::Bool(x), Type::INT4) => Datum::Int4(i32::from(x)),
        (Datum::Bool(x), Type::TEXT | Type::VARCHAR | Type::BPCHAR) => {
            Datum::text(if x { "true" } else { "false" })
        }
        (Datum::Oid(x), t) if t.physical() == Physical::Oid => Datum::Oid(x),
        (Datum::Oid(x), Type::INT8) => Datum::Int8(i64::from(x)),
        (Datum::Oid(x), Type::INT4) => Datum::Int4(x as i32),
        (Datum::Int4(x), Type::TIMESTAMP) => Datum::Int8(datetime::date_to_timestamp(x)?),
        (Datum::Int4(x), Type::TIMESTAMPTZ) => {
            Datum::Int8(datetime::local_to_utc(datetime::date_to_timestamp(x)?, zone))
        }
        (Datum::Int8(x), t) if from == Type::TIMESTAMP && t != Type::TIMESTAMP && !is_string(t) => {
            timestamp_to(x, t).ok_or_else(|| cannot(from, t)).map(|x| match x {
                Datum::Int8(x) if t == Type::TIMESTAMPTZ => Datum::Int8(datetime::local_to_utc(x, zone)),
                x => x,
            })?
        }
        (Datum::Int8(x), t) if from == Type::TIMESTAMPTZ && !is_string(t) => {
            timestamp_to(datetime::utc_to_local(x, zone), t).ok_or_else(|| cannot(from, t))?
        }
        (Datum::Int8(x), Type::INTERVAL) => {
            Datum::Interval(super::Interval { months: 0, days: 0, micros: x })
        }
        (Datum::Interval(x), Type::TIME) => Datum::Int8(x.micros.rem_euclid(datetime::DAY_US)),
        (Datum::Text(x), Type::INT4) if from == Type::CHAR => {
            let code = x.chars().next().map_or(0, u32::from);
            Datum::Int4(i32::from(code as u8 as i8))
        }
        (Datum::Text(x), Type::JSON) if from == Type::JSONB => Datum::Text(x),
        (Datum::Text(x), Type::JSONB) if from == Type::JSON => Datum::text(json::normalize(&x)?),
        (Datum::Text(x), _) if from == Type::JSONB && !is_string(to.ty) => {
            return jsonb_to(&x, to, explicit, s);
        }
        // Lengths are fitted afterwards, by the caller.
        (Datum::Text(x), Type::TEXT) => Datum::Text(x),
        (Datum::Text(x), Type::VARCHAR | Type::BPCHAR) => io::input(to.ty, -1, &x, s)?,
        (Datum::Text(x), t) => io::input(t, to.typmod, &x, s)?,
        (Datum::Array(x), t) => match t.element() {
            Some(ty) => cast_array(&x, from, ColumnType { ty, typmod: to.typmod }, explicit, s)?,
            None if is_string(t) => Datum::text(io::to_text(&Datum::Array(x), from, -1, s)),
            None => return Err(cannot(from, t)),
        },
        (value, t) if t.physical() == Physical::Text => {
            let text = io::to_text(&value, from, -1, s);
            io::input(t, -1, &text, s)?
        }
        (_, t) => return Err(cannot(from, t)),
    })
}

fn integer_or(value: i64, from: Type, to: Type) -> Result<Datum> {
    if listed(from, to).is_some() { integer(value, to) } else { Err(cannot(from, to)) }
}

fn timestamp_to(local: i64, to: Type) -> Option<Datum> {
    Some(match to {
        Type::DATE => Datum::Int4(datetime::timestamp_to_date(local)),
        Type::TIME if datetime::is_infinite(local) => Datum::Null,
        Type::TIME => Datum::Int8(local.rem_euclid(datetime::DAY_US)),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Datum::Int8(local),
        _ => return None,
    })
}

fn cast_array(array: &Array, from: Type, to: ColumnType, explicit: bool, s: &EvalSettings) -> Result<Datum> {
    let element = from.element().unwrap_or(array.element);
    let values =
        array.values.iter().map(|v| cast(v.clone(), element, to, explicit, s)).collect::<Result<_>>()?;
    Ok(Datum::Array(Arc::new(Array { element: to.ty, dims: array.dims.clone(), values })))
}

/// Whether values of the two types are held alike and mean the same: conversion is a change of name.
fn is_relabel(from: Type, to: Type) -> bool {
    let text = |ty: Type| matches!(ty, Type::TEXT | Type::VARCHAR);
    from == to
        || (text(to) && (text(from) || matches!(from, Type::BPCHAR | Type::NAME)))
        || (from.physical() == Physical::Oid && to.physical() == Physical::Oid)
}

/// Converts every row of a vector; as [`cast`] for each.
pub fn cast_vector(vector: &Vector, to: ColumnType, explicit: bool, s: &EvalSettings) -> Result<Vector> {
    if to.typmod < 0 && is_relabel(vector.ty, to.ty) {
        return Ok(Vector { ty: to.ty, values: vector.values.clone(), nulls: vector.nulls.clone() });
    }
    macro_rules! map {
        ($v:expr, $form:ident, $f:expr) => {
            Some(Values::$form($v.iter().map($f).collect()))
        };
    }
    let widened = match (&vector.values, to.ty) {
        _ if to.typmod >= 0 => None,
        (Values::Int2(v), Type::INT4) => map!(v, Int4, |x| i32::from(*x)),
        (Values::Int2(v), Type::INT8) => map!(v, Int8, |x| i64::from(*x)),
        (Values::Int2(v), Type::FLOAT8) => map!(v, Float8, |x| f64::from(*x)),
        (Values::Int4(v), Type::INT8) if vector.ty == Type::INT4 => map!(v, Int8, |x| i64::from(*x)),
        (Values::Int4(v), Type::FLOAT8) if vector.ty == Type::INT4 => map!(v, Float8, |x| f64::from(*x)),
        (Values::Int8(v), Type::FLOAT8) if vector.ty == Type::INT8 => map!(v, Float8, |x| *x as f64),
        (Values::Float4(v), Type::FLOAT8) => map!(v, Float8, |x| f64::from(*x)),
        (Values::Int2(v), Type::NUMERIC) => map!(v, Numeric, |x| Numeric::new(i64::from(*x), 0)),
        (Values::Int4(v), Type::NUMERIC) if vector.ty == Type::INT4 => {
            map!(v, Numeric, |x| Numeric::new(i64::from(*x), 0))
        }
        (Values::Int8(v), Type::NUMERIC) if vector.ty == Type::INT8 => {
            map!(v, Numeric, |x| Numeric::new(*x, 0))
        }
        _ => None,
    };
    if let Some(values) = widened {
        return Ok(Vector { ty: to.ty, values, nulls: vector.nulls.clone() });
    }
    let mut out = Vector::with_capacity(to.ty, vector.len());
    for row in 0..vector.len() {
        out.push(&cast(vector.get(row), vector.ty, to, explicit, s)?);
    }
    Ok(out)
}
