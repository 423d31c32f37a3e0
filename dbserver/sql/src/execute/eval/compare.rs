//! Comparisons that are more than one call: IS DISTINCT FROM, IN, ANY/ALL over arrays, GREATEST/LEAST, IS NULL of
//! records.

use super::row::truth;
use super::{bools, call_vectors, eval_all, eval_vector, is_constant, three_valued};
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::expr::Expr;
use crate::functions::{self, Function};
use crate::types::{Datum, Type};
use crate::vector::{Batch, Values, Vector};
use hashbrown::HashSet;

/// `IS [NOT] NULL`: a record passes where all its fields do.
pub fn null_test(value: &Datum, negated: bool) -> bool {
    match value {
        Datum::Record(record) => record.values.iter().all(|v| v.is_null() != negated),
        other => other.is_null() != negated,
    }
}

/// `IS DISTINCT FROM`.
pub fn distinct(
    left: Datum,
    right: Datum,
    types: [Type; 2],
    equal: &'static Function,
    ctx: &mut ExecContext<'_>,
) -> Result<bool> {
    match (left.is_null(), right.is_null()) {
        (true, true) => Ok(false),
        (false, false) => Ok(truth(&equal.call(&[left, right], &types, &ctx.eval)?)? != Some(true)),
        _ => Ok(true),
    }
}

/// `IS [NOT] DISTINCT FROM` over a batch.
pub fn distinct_vector(
    left: &Expr,
    right: &Expr,
    equal: &'static Function,
    negated: bool,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<Vector> {
    let (l, r) = (eval_vector(left, batch, ctx)?, eval_vector(right, batch, ctx)?);
    let sides = [l, r];
    let same = call_vectors(equal, &sides, Type::BOOL, batch.rows, ctx)?;
    let [l, r] = &sides;
    let flags = (0..batch.rows).map(|i| {
        let distinct = match (columns::is_null(l, i), columns::is_null(r, i)) {
            (true, true) => false,
            (false, false) => !columns::is_true(&same, i),
            _ => true,
        };
        distinct != negated
    });
    Ok(bools(flags.collect()))
}

/// GREATEST or LEAST of the values that are not null.
pub fn min_max(
    values: &[Datum],
    args: &[Expr],
    less: &'static Function,
    greatest: bool,
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    let ty = args.first().map_or(Type::TEXT, |a| a.ty);
    let mut best = Datum::Null;
    for value in values.iter().filter(|v| !v.is_null()) {
        if best.is_null() {
            best = value.clone();
            continue;
        }
        let pair = if greatest { [best.clone(), value.clone()] } else { [value.clone(), best.clone()] };
        if truth(&less.call(&pair, &[ty, ty], &ctx.eval)?)? == Some(true) {
            best = value.clone();
        }
    }
    Ok(best)
}

/// `value op ANY/ALL (candidates)`.
pub fn any_all(
    value: &Datum,
    candidates: &[Datum],
    types: [Type; 2],
    function: &'static Function,
    all: bool,
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    let mut unknown = false;
    for candidate in candidates {
        let answer = function.call(&[value.clone(), candidate.clone()], &types, &ctx.eval)?;
        match truth(&answer)? {
            Some(answer) if answer != all => return Ok(Datum::Bool(answer)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(all) })
}

/// `left op ANY/ALL (array)`: null for a null array.
pub fn array_compare(
    left: &Datum,
    array: &Datum,
    left_type: Type,
    function: &'static Function,
    all: bool,
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    let Datum::Array(array) = array else { return Ok(Datum::Null) };
    any_all(left, &array.values, [left_type, array.element], function, all, ctx)
}

/// A set of constants that a vector's values can be looked up in; none for types whose equality is not that of
/// their bytes.
enum Lookup<'v> {
    Ints(HashSet<i64>),
    Bytes(HashSet<&'v [u8]>),
}

/// The value as the integer or bytes that it equals by.
fn as_int(value: &Datum) -> Option<i64> {
    Some(match value {
        Datum::Int2(i) => i64::from(*i),
        Datum::Int4(i) => i64::from(*i),
        Datum::Int8(i) => *i,
        Datum::Oid(o) => i64::from(*o),
        _ => return None,
    })
}

impl<'v> Lookup<'v> {
    fn new(values: &'v [Datum]) -> Option<Self> {
        let present = || values.iter().filter(|v| !v.is_null());
        let ints: HashSet<i64> = present().filter_map(as_int).collect();
        let texts: HashSet<&[u8]> = present()
            .filter_map(|v| match v {
                Datum::Text(t) => Some(t.as_bytes()),
                _ => None,
            })
            .collect();
        let count = present().count();
        if present().filter_map(as_int).count() == count {
            Some(Lookup::Ints(ints))
        } else if present().all(|v| matches!(v, Datum::Text(_))) {
            Some(Lookup::Bytes(texts))
        } else {
            None
        }
    }
    /// Whether each value is among the set; none where the vector is of another form.
    fn probe(&self, vector: &Vector) -> Option<Vec<bool>> {
        Some(match (self, &vector.values) {
            (Lookup::Ints(set), Values::Int2(v)) => v.iter().map(|x| set.contains(&i64::from(*x))).collect(),
            (Lookup::Ints(set), Values::Int4(v)) => v.iter().map(|x| set.contains(&i64::from(*x))).collect(),
            (Lookup::Ints(set), Values::Int8(v)) => v.iter().map(|x| set.contains(x)).collect(),
            (Lookup::Ints(set), Values::Oid(v)) => v.iter().map(|x| set.contains(&i64::from(*x))).collect(),
            (Lookup::Bytes(set), Values::Text(v)) => {
                (0..columns::len(vector)).map(|i| set.contains(columns::var(v, i))).collect()
            }
            _ => return None,
        })
    }
}

/// Whether a function is the plain equality of a type whose values equal by their integer or bytes.
pub fn is_plain_equality(function: &Function) -> bool {
    functions::comparison_of(function) == Some("=")
        && function.args.len() == 2
        && function.args.iter().all(|t| {
            matches!(
                *t,
                Type::INT2
                    | Type::INT4
                    | Type::INT8
                    | Type::OID
                    | Type::TEXT
                    | Type::NAME
                    | Type::BPCHAR
                    | Type::VARCHAR
                    | Type::DATE
            )
        })
}

/// `vector = ANY (values)` by hashing, where the types allow.
fn hashed(vector: &Vector, values: &[Datum], function: &Function) -> Option<Vector> {
    if !is_plain_equality(function) {
        return None;
    }
    let found = Lookup::new(values)?.probe(vector)?;
    let has_null = values.iter().any(Datum::is_null);
    let empty = values.is_empty();
    Some(three_valued(found.into_iter().enumerate().map(|(i, hit)| {
        if empty {
            Some(false)
        } else if columns::is_null(vector, i) {
            None
        } else if hit {
            Some(true)
        } else if has_null {
            None
        } else {
            Some(false)
        }
    })))
}

/// `arg IN (list)` over a batch.
pub fn in_list_vector(
    arg: &Expr,
    list: &[Expr],
    equal: &'static Function,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<Vector> {
    let input = eval_vector(arg, batch, ctx)?;
    if list.iter().all(is_constant) {
        let values = super::eval_constants(list, ctx)?;
        if let Some(answer) = hashed(&input, &values, equal) {
            return Ok(answer);
        }
    }
    let candidates = eval_all(list, batch, ctx)?;
    let mut hit = vec![false; batch.rows];
    let mut unknown = vec![false; batch.rows];
    for candidate in candidates {
        let pair = [input.clone(), candidate];
        let same = call_vectors(equal, &pair, Type::BOOL, batch.rows, ctx)?;
        for (i, (hit, unknown)) in hit.iter_mut().zip(&mut unknown).enumerate() {
            *unknown |= columns::is_null(&same, i);
            *hit |= columns::is_true(&same, i);
        }
    }
    let both = hit.into_iter().zip(unknown);
    Ok(three_valued(both.map(|(hit, unknown)| {
        if hit {
            Some(true)
        } else if unknown {
            None
        } else {
            Some(false)
        }
    })))
}

/// `left op ANY/ALL (array)` over a batch.
pub fn array_compare_vector(
    left: &Expr,
    array: &Expr,
    function: &'static Function,
    all: bool,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<Vector> {
    let input = eval_vector(left, batch, ctx)?;
    if !all && is_constant(array) {
        match super::eval_row(array, &[], ctx)? {
            Datum::Array(list) => {
                if let Some(answer) = hashed(&input, &list.values, function) {
                    return Ok(answer);
                }
            }
            _ => return columns::repeat(Type::BOOL, &Datum::Null, batch.rows),
        }
    }
    let arrays = eval_vector(array, batch, ctx)?;
    let mut out = columns::empty(Type::BOOL);
    for i in 0..batch.rows {
        let (value, list) = (columns::get(&input, i), columns::get(&arrays, i));
        columns::push(&mut out, &array_compare(&value, &list, left.ty, function, all, ctx)?)?;
    }
    Ok(out)
}
