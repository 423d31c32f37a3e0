//! Aggregates that keep every value: array_agg, string_agg, json_agg, json_object_agg.

use super::{Accumulator, Function, aggregate, first, heap_bytes, live, results, state};
use crate::error::{Result, SqlError, sqlstate};
use crate::functions::json;
use crate::functions::kernel::{array_of, check_length};
use crate::session::EvalContext;
use crate::types::{Array, Datum, Type};
use crate::vector::{Values, Vector};
use std::sync::Arc;

/// `array_agg`: nulls are elements too; no rows give null.
struct ArrayAgg {
    states: Vec<Vec<Datum>>,
    heap: u64,
    arg: Type,
}

impl Accumulator for ArrayAgg {
    fn resize(&mut self, groups: usize) {
        self.states.resize_with(groups, Vec::new);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        for (row, group) in live(groups, skip, &[]) {
            let value = arg.get(row);
            self.heap = self.heap.saturating_add(heap_bytes(&value) + size_of::<Datum>() as u64);
            state(&mut self.states, group)?.push(value);
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let of_arrays = self.arg.element().is_some();
        let ty = if of_arrays { Some(self.arg) } else { self.arg.array() };
        let ty = ty.ok_or_else(|| {
            let name = self.arg.sql_name();
            SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("could not find array type for data type {name}"),
            )
        })?;
        let mut vector = Vector::empty(ty);
        for values in std::mem::take(&mut self.states) {
            if values.is_empty() {
                vector.push_null();
            } else if of_arrays {
                vector.push(&Datum::Array(Arc::new(stack(values)?)));
            } else {
                vector.push(&Datum::Array(Arc::new(array_of(self.arg, values))));
            }
        }
        Ok(vector)
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<Vec<Datum>>()) as u64 + self.heap
    }
}

/// Arrays of one shape as the rows of an array of one dimension more.
pub(crate) fn stack(arrays: Vec<Datum>) -> Result<Array> {
    let wrong = |message: &str| SqlError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, message.to_owned());
    let mut shape: Option<Vec<(i32, i32)>> = None;
    let mut element = Type::TEXT;
    let count = i32::try_from(arrays.len()).unwrap_or(i32::MAX);
    let mut values = Vec::new();
    for array in arrays {
        let Datum::Array(array) = array else {
            return Err(SqlError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays"));
        };
        if array.dims.is_empty() {
            return Err(wrong("cannot accumulate empty arrays"));
        }
        match &shape {
            None => {
                shape = Some(array.dims.clone());
                element = array.element;
            }
            Some(dims) if *dims == array.dims => {}
            Some(_) => return Err(wrong("cannot accumulate arrays of different dimensionality")),
        }
        values.extend(array.values.iter().cloned());
    }
    let mut dims = vec![(count, 1)];
    dims.extend(shape.unwrap_or_default());
    Ok(Array { element, dims, values })
}

/// `string_agg` of text or bytea: the delimiter of a group's first value is not used.
struct StringAgg {
    states: Vec<Option<Vec<u8>>>,
    bytes: u64,
    ty: Type,
}

fn bytes_of(vector: &Vector, row: usize) -> &[u8] {
    match &vector.values {
        _ if vector.is_null(row) => &[],
        Values::Text(v) | Values::Bytea(v) => v.get(row),
        _ => &[],
    }
}

impl Accumulator for StringAgg {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, None);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let [value, delimiter] = args else {
            return Err(SqlError::internal("string_agg without two arguments"));
        };
        for (row, group) in live(groups, skip, &value.nulls) {
            let added = bytes_of(value, row);
            let state = state(&mut self.states, group)?;
            match state {
                None => *state = Some(added.to_vec()),
                Some(text) => {
                    let delimiter = bytes_of(delimiter, row);
                    check_length(text.len() + delimiter.len() + added.len())?;
                    text.extend_from_slice(delimiter);
                    text.extend_from_slice(added);
                    self.bytes = self.bytes.saturating_add(delimiter.len() as u64);
                }
            }
            self.bytes = self.bytes.saturating_add(added.len() as u64);
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let text = self.ty == Type::TEXT;
        let datum = |bytes: Vec<u8>| match (text, String::from_utf8(bytes)) {
            (true, Ok(text)) => Datum::Text(text.into()),
            (_, Ok(text)) => Datum::Bytea(text.into_bytes().into()),
            (_, Err(error)) => Datum::Bytea(error.into_bytes().into()),
        };
        let states = std::mem::take(&mut self.states);
        Ok(results(self.ty, states.into_iter().map(|s| s.map_or(Datum::Null, datum))))
    }
    fn memory(&self) -> u64 {
        // Growing doubles a buffer.
        (self.states.capacity() * size_of::<Option<Vec<u8>>>()) as u64 + self.bytes.saturating_mul(2)
    }
}

/// `json_agg` and `json_object_agg`: the text so far, without the closing bracket.
struct JsonAgg {
    states: Vec<String>,
    types: Vec<Type>,
    object: bool,
    binary: bool,
}

impl Accumulator for JsonAgg {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, String::new());
    }
    fn update(
        &mut self,
        groups: &[u32],
        skip: &[bool],
        args: &[&Vector],
        ctx: &EvalContext<'_>,
    ) -> Result<()> {
        let ty = |i: usize| self.types.get(i).copied().unwrap_or(Type::TEXT);
        for (row, group) in live(groups, skip, &[]) {
            let text = state(&mut self.states, group)?;
            check_length(text.len())?;
            let empty = text.is_empty();
            match args {
                [key, value] if self.object => {
                    text.push_str(if empty { "{ " } else { ", " });
                    json::write_key(&key.get(row), ty(0), ctx, text)?;
                    text.push_str(" : ");
                    json::write(&value.get(row), ty(1), ctx, text)?;
                }
                [value, ..] => {
                    let record = ty(0).physical() == crate::types::Physical::Record;
                    text.push_str(match (empty, record) {
                        (true, _) => "[",
                        (_, true) => ", \n ",
                        (_, false) => ", ",
                    });
                    json::write(&value.get(row), ty(0), ctx, text)?;
                }
                [] => return Err(SqlError::internal("aggregate without its argument")),
            }
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let close = if self.object { " }" } else { "]" };
        let mut vector = Vector::empty(if self.binary { Type::JSONB } else { Type::JSON });
        for text in std::mem::take(&mut self.states) {
            vector.push(&match text {
                text if text.is_empty() => Datum::Null,
                text if self.binary => json::normalized(&(text + close))?,
                text => Datum::Text((text + close).into()),
            });
        }
        Ok(vector)
    }
    fn memory(&self) -> u64 {
        let text: usize = self.states.iter().map(String::capacity).sum();
        (self.states.capacity() * size_of::<String>() + text) as u64
    }
}

macro_rules! json_agg {
    ($oid:literal $name:literal [$($arg:ident)*] $result:ident $object:literal $binary:literal) => {
        aggregate($oid, $name, &[$(Type::$arg),*], Type::$result, |types| {
            Box::new(JsonAgg { states: Vec::new(), types: types.to_vec(), object: $object, binary: $binary })
        })
    };
}

fn new_array_agg(types: &[Type]) -> Box<dyn Accumulator> {
    let arg = types.first().copied().unwrap_or(Type::TEXT);
    Box::new(ArrayAgg { states: Vec::new(), heap: 0, arg })
}

/// array_agg, string_agg, json aggregates.
pub(in crate::functions) static COLLECT: &[Function] = &[
    aggregate(2335, "array_agg", &[Type::ANYNONARRAY], Type::ANYARRAY, new_array_agg),
    aggregate(4053, "array_agg", &[Type::ANYARRAY], Type::ANYARRAY, new_array_agg),
    aggregate(3538, "string_agg", &[Type::TEXT, Type::TEXT], Type::TEXT, |_| {
        Box::new(StringAgg { states: Vec::new(), bytes: 0, ty: Type::TEXT })
    }),
    aggregate(3545, "string_agg", &[Type::BYTEA, Type::BYTEA], Type::BYTEA, |_| {
        Box::new(StringAgg { states: Vec::new(), bytes: 0, ty: Type::BYTEA })
    }),
    json_agg!(3175 "json_agg" [ANYELEMENT] JSON false false).stable(),
    json_agg!(3267 "jsonb_agg" [ANYELEMENT] JSONB false true).stable(),
    json_agg!(3197 "json_object_agg" [ANY ANY] JSON true false).stable(),
    json_agg!(3270 "jsonb_object_agg" [ANY ANY] JSONB true true),
];
