//! Arrays and records as values: building them and reaching into them.

use crate::error::{Result, SqlError, sqlstate};
use crate::expr::Expr;
use crate::types::{Array, Datum, Record, Type};
use std::sync::Arc;

/// `ARRAY[…]` of type `ty`; arguments that are arrays of that very type become a further dimension.
pub fn construct(values: Vec<Datum>, ty: Type, arg: Option<Type>) -> Result<Datum> {
    let element = ty.element().unwrap_or(Type::TEXT);
    let nested = arg.is_some_and(|a| a.element().is_some() && a.element() == ty.element());
    if !nested {
        return Ok(flat(values, element));
    }
    let count = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let mut dims: Option<Vec<(i32, i32)>> = None;
    let mut elements = Vec::new();
    for value in values {
        let inner = match value {
            Datum::Array(inner) => inner,
            _ => Arc::new(Array { element, dims: Vec::new(), values: Vec::new() }),
        };
        if dims.as_ref().is_some_and(|d| *d != inner.dims) {
            return Err(SqlError::new(
                sqlstate::ARRAY_SUBSCRIPT_ERROR,
                "multidimensional arrays must have array expressions with matching dimensions",
            ));
        }
        dims.get_or_insert_with(|| inner.dims.clone());
        elements.extend_from_slice(&inner.values);
    }
    let inner = dims.unwrap_or_default();
    let dims = if inner.is_empty() { Vec::new() } else { std::iter::once((count, 1)).chain(inner).collect() };
    Ok(Datum::Array(Arc::new(Array { element, dims, values: elements })))
}

/// A one-dimensional array.
pub fn flat(values: Vec<Datum>, element: Type) -> Datum {
    let dims = match i32::try_from(values.len()).unwrap_or(i32::MAX) {
        0 => Vec::new(),
        n => vec![(n, 1)],
    };
    Datum::Array(Arc::new(Array { element, dims, values }))
}

/// `array[i][j]`: null outside the bounds, for a null, or with another number of dimensions.
pub fn subscript(array: &Datum, indexes: &[Datum]) -> Datum {
    let Datum::Array(array) = array else { return Datum::Null };
    if indexes.len() != array.dims.len() {
        return Datum::Null;
    }
    let mut at = 0usize;
    for (index, (length, lower)) in indexes.iter().zip(&array.dims) {
        let index = match index {
            Datum::Int4(i) => i64::from(*i),
            Datum::Int2(i) => i64::from(*i),
            Datum::Int8(i) => *i,
            _ => return Datum::Null,
        };
        let offset = index.saturating_sub(i64::from(*lower));
        if offset < 0 || offset >= i64::from(*length) {
            return Datum::Null;
        }
        at = at
            .saturating_mul(usize::try_from(*length).unwrap_or(0))
            .saturating_add(usize::try_from(offset).unwrap_or(0));
    }
    array.values.get(at).cloned().unwrap_or_default()
}

/// `ROW(…)`.
pub fn record(names: &[String], args: &[Expr], values: Vec<Datum>) -> Datum {
    let names = names.iter().cloned().chain(std::iter::repeat_with(String::new));
    let fields = args
        .iter()
        .zip(names)
        .enumerate()
        .map(|(i, (arg, name))| {
            let name = if name.is_empty() { format!("f{}", i.saturating_add(1)) } else { name };
            (name, arg.ty)
        })
        .collect();
    Datum::Record(Arc::new(Record { fields, values }))
}

/// `(record).field`.
pub fn field(record: Datum, index: usize) -> Datum {
    match record {
        Datum::Record(record) => record.values.get(index).cloned().unwrap_or_default(),
        _ => Datum::Null,
    }
}
