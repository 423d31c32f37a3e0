//! Functions and operators of arrays.

use super::Function;
use super::kernel::{array_of, functions, out_of_range, take};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::compare::equal;
use crate::types::{Array, Datum, Type};
use std::sync::Arc;

/// The most elements an array may have, as in PostgreSQL.
const ELEMENTS_MAX: usize = 0x07ff_ffff;

fn dimension(array: &Array, n: i32) -> Option<(i32, i32)> {
    array.dims.get(usize::try_from(n.checked_sub(1)?).ok()?).copied()
}

fn multi_dimensional(what: &str) -> SqlError {
    SqlError::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("{what} is not supported for multidimensional arrays"),
    )
}

fn check_elements(count: usize) -> Result<()> {
    if count > ELEMENTS_MAX {
        return Err(SqlError::new(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})"),
        ));
    }
    Ok(())
}

/// `[1:2][3:4]`
fn dims_text(array: &Array) -> Option<String> {
    if array.dims.is_empty() {
        return None;
    }
    let bounds = array.dims.iter().map(|(n, low)| format!("[{low}:{}]", i64::from(*low) + i64::from(*n) - 1));
    Some(bounds.collect())
}

functions! { ARRAYS:
    747 array_dims(a: ANYARRAY) -> TEXT |_| { dims_text(a) }
    748 array_ndims(a: ANYARRAY) -> INT4 |_| { (!a.dims.is_empty()).then_some(a.dims.len() as i32) }
    2176 array_length(a: ANYARRAY, n: INT4) -> INT4 |_| { dimension(a, n).map(|(length, _)| length) }
    2091 array_lower(a: ANYARRAY, n: INT4) -> INT4 |_| { dimension(a, n).map(|(_, low)| low) }
    2092 array_upper(a: ANYARRAY, n: INT4) -> INT4 |_| { dimension(a, n).map(|(length, low)| low.saturating_add(length).saturating_sub(1)) }
    3179 cardinality(a: ANYARRAY) -> INT4 |_| { i32::try_from(a.values.len()).map_err(|_| out_of_range("integer"))? }
    2748 arraycontains(a: ANYARRAY, b: ANYARRAY) -> BOOL |_| { contains(a, b) }
    2749 arraycontained(a: ANYARRAY, b: ANYARRAY) -> BOOL |_| { contains(b, a) }
    2747 arrayoverlap(a: ANYARRAY, b: ANYARRAY) -> BOOL |_| { b.values.iter().any(|v| has(a, v)) }
    6172 trim_array(a: ANYARRAY, n: INT4) -> ANYARRAY |_| { trim(a, n)? }
}

/// Nulls equal nothing here.
fn has(array: &Array, value: &Datum) -> bool {
    !value.is_null() && array.values.iter().any(|v| !v.is_null() && equal(v, value))
}

fn contains(array: &Array, part: &Array) -> bool {
    part.values.iter().all(|v| has(array, v))
}

fn trim(array: &Arc<Array>, n: i32) -> Result<Array> {
    let (length, low) = array.dims.first().copied().unwrap_or((0, 1));
    if n < 0 || n > length {
        return Err(SqlError::new(
            sqlstate::ARRAY_SUBSCRIPT_ERROR,
            format!("number of elements to trim must be between 0 and {length}"),
        ));
    }
    let kept = length.saturating_sub(n);
    if kept == 0 {
        return Ok(Array { element: array.element, dims: Vec::new(), values: Vec::new() });
    }
    let rest = array.dims.iter().skip(1);
    let row: usize = rest.clone().map(|(n, _)| *n as usize).product();
    let dims = std::iter::once((kept, low)).chain(rest.copied()).collect();
    let values = array.values.iter().take(row.saturating_mul(kept as usize)).cloned().collect();
    Ok(Array { element: array.element, dims, values })
}

fn array_arg(value: Option<&Datum>) -> Option<&Arc<Array>> {
    match value {
        Some(Datum::Array(array)) => Some(array),
        _ => None,
    }
}

fn element_type(types: &[Type], array_at: usize, element_at: usize) -> Type {
    let of_array = types.get(array_at).and_then(|t| t.element());
    of_array.or_else(|| types.get(element_at).copied()).unwrap_or(Type::TEXT)
}

/// Adds one element at an end; a null array is an empty one.
fn add(array: Option<&Arc<Array>>, value: Datum, element: Type, at_end: bool) -> Result<Datum> {
    let Some(array) = array.filter(|a| !a.dims.is_empty()) else {
        return Ok(Datum::Array(Arc::new(array_of(element, vec![value]))));
    };
    let [(length, low)] = array.dims.as_slice() else {
        return Err(SqlError::new("22000", "argument must be empty or one-dimensional array"));
    };
    check_elements(array.values.len() + 1)?;
    let mut values = Vec::with_capacity(array.values.len() + 1);
    if at_end {
        values.extend(array.values.iter().cloned());
        values.push(value);
    } else {
        values.push(value);
        values.extend(array.values.iter().cloned());
    }
    let dims = vec![(length.checked_add(1).ok_or_else(|| out_of_range("integer"))?, *low)];
    Ok(Datum::Array(Arc::new(Array { element: array.element, dims, values })))
}

fn array_append(args: &[Datum], types: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let value = args.get(1).cloned().unwrap_or_default();
    add(array_arg(args.first()), value, element_type(types, 0, 1), true)
}

fn array_prepend(args: &[Datum], types: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let value = args.first().cloned().unwrap_or_default();
    add(array_arg(args.get(1)), value, element_type(types, 1, 0), false)
}

/// Two arrays of one shape beyond the first dimension, or an array and a row of it.
fn array_cat(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let (a, b) = match (array_arg(args.first()), array_arg(args.get(1))) {
        (None, None) => return Ok(Datum::Null),
        (Some(a), None) | (None, Some(a)) => return Ok(Datum::Array(Arc::clone(a))),
        (Some(a), Some(b)) if b.dims.is_empty() => {
            let _ = b;
            return Ok(Datum::Array(Arc::clone(a)));
        }
        (Some(a), Some(b)) if a.dims.is_empty() => return Ok(Datum::Array(Arc::clone(b))),
        (Some(a), Some(b)) => (a, b),
    };
    let incompatible = |detail: String| {
        SqlError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "cannot concatenate incompatible arrays")
            .with_detail(detail)
    };
    let lengths = |dims: &[(i32, i32)]| dims.iter().map(|d| d.0).collect::<Vec<_>>();
    let (ra, rb) = (a.dims.len(), b.dims.len());
    let first = |dims: &[(i32, i32)]| dims.first().copied().unwrap_or((0, 1));
    let tail = |dims: &[(i32, i32)]| lengths(dims.get(1..).unwrap_or_default());
    let dims = if ra == rb {
        if tail(&a.dims) != tail(&b.dims) {
            return Err(incompatible(
                "Arrays with differing element dimensions are not compatible for concatenation.".to_owned(),
            ));
        }
        let (n, low) = first(&a.dims);
        let mut dims = a.dims.clone();
        if let Some(outer) = dims.first_mut() {
            *outer = (n.checked_add(first(&b.dims).0).ok_or_else(|| out_of_range("integer"))?, low);
        }
        dims
    } else if ra == rb + 1 || rb == ra + 1 {
        let (whole, row) = if ra > rb { (a, b) } else { (b, a) };
        if tail(&whole.dims) != lengths(&row.dims) {
            return Err(incompatible(
                "Arrays with differing dimensions are not compatible for concatenation.".to_owned(),
            ));
        }
        let mut dims = whole.dims.clone();
        if let Some(outer) = dims.first_mut() {
            outer.0 = outer.0.checked_add(1).ok_or_else(|| out_of_range("integer"))?;
        }
        dims
    } else {
        return Err(incompatible(format!(
            "Arrays of {ra} and {rb} dimensions are not compatible for concatenation."
        )));
    };
    check_elements(a.values.len() + b.values.len())?;
    let values = a.values.iter().chain(&b.values).cloned().collect();
    Ok(Datum::Array(Arc::new(Array { element: a.element, dims, values })))
}

/// Whether two elements are the same; nulls are.
fn same(a: &Datum, b: &Datum) -> bool {
    match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => equal(a, b),
        _ => false,
    }
}

fn one_dimension<'a>(args: &'a [Datum], what: &str) -> Result<Option<&'a Arc<Array>>> {
    match array_arg(args.first()) {
        Some(array) if array.dims.len() > 1 => Err(multi_dimensional(what)),
        found => Ok(found),
    }
}

/// The subscripts of the elements that equal the second argument.
fn positions<'a>(array: &'a Array, value: &'a Datum) -> impl Iterator<Item = i32> + 'a {
    let low = array.dims.first().map_or(1, |d| d.1);
    array.values.iter().zip(low..).filter(|(v, _)| same(v, value)).map(|(_, i)| i)
}

fn array_position(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let what = "searching for elements in multidimensional arrays";
    let array = match array_arg(args.first()) {
        None => return Ok(Datum::Null),
        Some(array) if array.dims.len() > 1 => return Err(SqlError::unsupported(what)),
        Some(array) => array,
    };
    let from = match args.get(2) {
        None => i32::MIN,
        Some(Datum::Int4(from)) => *from,
        Some(_) => {
            return Err(SqlError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "initial position must not be null"));
        }
    };
    let value = args.get(1).unwrap_or(&Datum::Null);
    Ok(positions(array, value).find(|i| *i >= from).map_or(Datum::Null, Datum::Int4))
}

fn array_positions(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let Some(array) = one_dimension(args, "searching for elements")? else { return Ok(Datum::Null) };
    let found = positions(array, args.get(1).unwrap_or(&Datum::Null)).map(Datum::Int4).collect();
    Ok(Datum::Array(Arc::new(array_of(Type::INT4, found))))
}

fn array_remove(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let array = match array_arg(args.first()) {
        None => return Ok(Datum::Null),
        Some(array) if array.dims.len() > 1 => {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "removing elements from multidimensional arrays is not supported",
            ));
        }
        Some(array) => array,
    };
    let value = args.get(1).unwrap_or(&Datum::Null);
    let values: Vec<Datum> = array.values.iter().filter(|v| !same(v, value)).cloned().collect();
    let low = array.dims.first().map_or(1, |d| d.1);
    let dims = if values.is_empty() { Vec::new() } else { vec![(values.len() as i32, low)] };
    Ok(Datum::Array(Arc::new(Array { element: array.element, dims, values })))
}

fn array_replace(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let [Datum::Array(array), from, to] = args else { return Ok(Datum::Null) };
    let values = array.values.iter().map(|v| if same(v, from) { to } else { v }).cloned().collect();
    Ok(Datum::Array(Arc::new(Array { element: array.element, dims: array.dims.clone(), values })))
}

fn array_fill(args: &[Datum], types: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let null = |what: &str| SqlError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, format!("{what} cannot be null"));
    let numbers = |value: Option<&Datum>, what: &str| -> Result<Vec<i32>> {
        let array = array_arg(value).ok_or_else(|| null("dimension array or low bound array"))?;
        if array.dims.len() > 1 {
            return Err(SqlError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
                .with_detail("Dimension array must be one dimensional."));
        }
        array.values.iter().map(|v| take::INT4(Some(v)).map_err(|_| null(what))).collect()
    };
    let lengths = numbers(args.get(1), "dimension values")?;
    let lows = match args.get(2) {
        None => vec![1; lengths.len()],
        bounds => numbers(bounds, "dimension values")?,
    };
    if lows.len() != lengths.len() {
        return Err(SqlError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
            .with_detail("Low bound array has different size than dimensions array."));
    }
    if lengths.len() > 6 {
        return Err(SqlError::new(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("number of array dimensions ({}) exceeds the maximum allowed (6)", lengths.len()),
        ));
    }
    let mut count = 1usize;
    for length in &lengths {
        count = count.saturating_mul(usize::try_from(*length).unwrap_or(usize::MAX));
    }
    check_elements(count)?;
    let element = types.first().copied().unwrap_or(Type::TEXT);
    if count == 0 || lengths.is_empty() {
        return Ok(Datum::Array(Arc::new(array_of(element, Vec::new()))));
    }
    let values = vec![args.first().cloned().unwrap_or_default(); count];
    let dims = lengths.into_iter().zip(lows).collect();
    Ok(Datum::Array(Arc::new(Array { element, dims, values })))
}

const ARRAY: Type = Type::ANYCOMPATIBLEARRAY;
const ELEMENT: Type = Type::ANYCOMPATIBLE;

macro_rules! immutable {
    ($($oid:literal $row:ident [$($arg:expr),*] $result:expr;)*) => {
        &[ $( Function::typed($oid, stringify!($row), &[$($arg),*], $result, $row).immutable() ),* ]
    };
}
/// Those that take nulls.
pub(super) static ARRAYS_WITH_NULLS: &[Function] = immutable! {
    378 array_append [ARRAY, ELEMENT] ARRAY;
    379 array_prepend [ELEMENT, ARRAY] ARRAY;
    383 array_cat [ARRAY, ARRAY] ARRAY;
    3277 array_position [ARRAY, ELEMENT] Type::INT4;
    3278 array_position [ARRAY, ELEMENT, Type::INT4] Type::INT4;
    3279 array_positions [ARRAY, ELEMENT] Type::INT4_ARRAY;
    3167 array_remove [ARRAY, ELEMENT] ARRAY;
    3168 array_replace [ARRAY, ELEMENT, ELEMENT] ARRAY;
    1193 array_fill [Type::ANYELEMENT, Type::INT4_ARRAY] Type::ANYARRAY;
    1286 array_fill [Type::ANYELEMENT, Type::INT4_ARRAY, Type::INT4_ARRAY] Type::ANYARRAY;
};
