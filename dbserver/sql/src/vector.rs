//! Columns of values and batches of rows: what the vectorized executor passes between operators.
//!
//! These are our own rather than Arrow's: PostgreSQL's `numeric` keeps a scale per value, its `interval` has three
//! fields over a range Arrow's does not cover, floats compare with -0 = 0 and NaN last, arrays and records nest, and
//! every kernel must return an SQLSTATE per row. With those set apart, few Arrow kernels would be left to use, so one
//! plain representation serves all types and the binary stays small.

mod batch;
mod compare;
pub mod select;

pub use select::NO_ROW;

use crate::types::{Datum, Interval, Numeric, Physical, Type};

/// Does the same to the values of every form.
macro_rules! each {
    ($values:expr, $v:ident => $body:expr) => {
        match $values {
            Values::Bool($v) => $body,
            Values::Int2($v) => $body,
            Values::Int4($v) => $body,
            Values::Int8($v) => $body,
            Values::Float4($v) => $body,
            Values::Float8($v) => $body,
            Values::Numeric($v) => $body,
            Values::Text($v) => $body,
            Values::Bytea($v) => $body,
            Values::Interval($v) => $body,
            Values::Uuid($v) => $body,
            Values::Oid($v) => $body,
            Values::Datum($v) => $body,
        }
    };
}
/// The most rows a batch holds; batches grow from 1 towards this.
pub const BATCH_ROWS_MAX: usize = 1024;

/// Text or bytes of variable length: value `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct VarValues {
    /// One more than there are values; the first is 0.
    pub offsets: Vec<u32>,
    /// All values, one after the other. UTF-8 where the type is a text type.
    pub bytes: Vec<u8>,
}

impl Default for VarValues {
    fn default() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }
}

/// The values of a vector, by physical form. Null rows hold a default value.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// `bool`
    Bool(Vec<bool>),
    /// `int2`
    Int2(Vec<i16>),
    /// `int4`, `date`
    Int4(Vec<i32>),
    /// `int8`, `time`, `timestamp`, `timestamptz`
    Int8(Vec<i64>),
    /// `float4`
    Float4(Vec<f32>),
    /// `float8`
    Float8(Vec<f64>),
    /// `numeric`
    Numeric(Vec<Numeric>),
    /// All text types.
    Text(VarValues),
    /// `bytea`
    Bytea(VarValues),
    /// `interval`
    Interval(Vec<Interval>),
    /// `uuid`
    Uuid(Vec<[u8; 16]>),
    /// `oid` and its aliases
    Oid(Vec<u32>),
    /// Arrays, records, void: one datum each.
    Datum(Vec<Datum>),
}

/// A column of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector {
    /// The type of every value.
    pub ty: Type,
    /// The values.
    pub values: Values,
    /// `nulls[i]` says that row i is null; empty when no row is.
    pub nulls: Vec<bool>,
}

/// Rows in columns. Columns are shared, so that a projection copies nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows in every column (also when there are no columns).
    pub rows: usize,
    /// The columns.
    pub columns: Vec<std::sync::Arc<Vector>>,
}

impl VarValues {
    /// No values, with room for `rows` of about `bytes` in total.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows.saturating_add(1));
        offsets.push(0);
        Self { offsets, bytes: Vec::with_capacity(bytes) }
    }
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Value `row`; empty where there is none.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        match self.offsets.get(row..row.saturating_add(2)) {
            Some(&[start, end]) => self.bytes.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        }
    }
    /// Value `row` as text.
    #[inline]
    pub fn text(&self, row: usize) -> &str {
        std::str::from_utf8(self.get(row)).unwrap_or_default()
    }
    /// Adds a value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end_value();
    }
    /// Ends a value whose bytes were appended to `bytes`.
    #[inline]
    pub fn end_value(&mut self) {
        self.offsets.push(self.bytes.len() as u32);
    }
    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.offsets.windows(2).map(|w| match w {
            &[start, end] => self.bytes.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        })
    }
}

impl Values {
    /// No values, of a physical form.
    pub fn empty(physical: Physical) -> Self {
        Self::with_capacity(physical, 0)
    }
    /// No values, of a physical form, with room for `rows`.
    pub fn with_capacity(physical: Physical, rows: usize) -> Self {
        match physical {
            Physical::Bool => Values::Bool(Vec::with_capacity(rows)),
            Physical::Int2 => Values::Int2(Vec::with_capacity(rows)),
            Physical::Int4 => Values::Int4(Vec::with_capacity(rows)),
            Physical::Int8 => Values::Int8(Vec::with_capacity(rows)),
            Physical::Float4 => Values::Float4(Vec::with_capacity(rows)),
            Physical::Float8 => Values::Float8(Vec::with_capacity(rows)),
            Physical::Numeric => Values::Numeric(Vec::with_capacity(rows)),
            Physical::Text => Values::Text(VarValues::with_capacity(rows, rows.saturating_mul(8))),
            Physical::Bytea => Values::Bytea(VarValues::with_capacity(rows, rows.saturating_mul(8))),
            Physical::Interval => Values::Interval(Vec::with_capacity(rows)),
            Physical::Uuid => Values::Uuid(Vec::with_capacity(rows)),
            Physical::Oid => Values::Oid(Vec::with_capacity(rows)),
            Physical::Array | Physical::Record | Physical::Void => Values::Datum(Vec::with_capacity(rows)),
        }
    }
    /// How many values there are.
    pub fn len(&self) -> usize {
        each!(self, v => v.len())
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Adds what a null row holds.
    pub(crate) fn push_default(&mut self) {
        match self {
            Values::Bool(v) => v.push(false),
            Values::Int2(v) => v.push(0),
            Values::Int4(v) => v.push(0),
            Values::Int8(v) => v.push(0),
            Values::Float4(v) => v.push(0.0),
            Values::Float8(v) => v.push(0.0),
            Values::Numeric(v) => v.push(Numeric::default()),
            Values::Text(v) | Values::Bytea(v) => v.end_value(),
            Values::Interval(v) => v.push(Interval::default()),
            Values::Uuid(v) => v.push([0; 16]),
            Values::Oid(v) => v.push(0),
            Values::Datum(v) => v.push(Datum::Null),
        }
    }
    /// Adds a value of this physical form; a datum of another form is a bug of the caller, and stored as the default.
    fn push(&mut self, value: &Datum) -> bool {
        match (&mut *self, value) {
            (Values::Bool(v), Datum::Bool(x)) => v.push(*x),
            (Values::Int2(v), Datum::Int2(x)) => v.push(*x),
            (Values::Int4(v), Datum::Int4(x)) => v.push(*x),
            (Values::Int8(v), Datum::Int8(x)) => v.push(*x),
            (Values::Float4(v), Datum::Float4(x)) => v.push(*x),
            (Values::Float8(v), Datum::Float8(x)) => v.push(*x),
            (Values::Numeric(v), Datum::Numeric(x)) => v.push(x.clone()),
            (Values::Text(v), Datum::Text(x)) => v.push(x.as_bytes()),
            (Values::Bytea(v), Datum::Bytea(x)) => v.push(x),
            (Values::Interval(v), Datum::Interval(x)) => v.push(*x),
            (Values::Uuid(v), Datum::Uuid(x)) => v.push(*x),
            (Values::Oid(v), Datum::Oid(x)) => v.push(*x),
            (Values::Datum(v), x) => v.push(x.clone()),
            _ => {
                debug_assert!(false, "{value:?} pushed into a vector of another form");
                self.push_default();
                return false;
            }
        }
        true
    }
    /// The value of a row that is not null.
    fn get(&self, row: usize) -> Option<Datum> {
        Some(match self {
            Values::Bool(v) => Datum::Bool(*v.get(row)?),
            Values::Int2(v) => Datum::Int2(*v.get(row)?),
            Values::Int4(v) => Datum::Int4(*v.get(row)?),
            Values::Int8(v) => Datum::Int8(*v.get(row)?),
            Values::Float4(v) => Datum::Float4(*v.get(row)?),
            Values::Float8(v) => Datum::Float8(*v.get(row)?),
            Values::Numeric(v) => Datum::Numeric(v.get(row)?.clone()),
            Values::Text(v) => Datum::Text(v.text(row).into()),
            Values::Bytea(v) => Datum::Bytea(v.get(row).into()),
            Values::Interval(v) => Datum::Interval(*v.get(row)?),
            Values::Uuid(v) => Datum::Uuid(*v.get(row)?),
            Values::Oid(v) => Datum::Oid(*v.get(row)?),
            Values::Datum(v) => v.get(row)?.clone(),
        })
    }
}

impl Vector {
    /// No rows, of a type.
    pub fn empty(ty: Type) -> Self {
        Self::with_capacity(ty, 0)
    }
    /// No rows, of a type, with room for `rows`.
    pub fn with_capacity(ty: Type, rows: usize) -> Self {
        Self { ty, values: Values::with_capacity(ty.physical(), rows), nulls: Vec::new() }
    }
    /// Values without nulls.
    pub fn new(ty: Type, values: Values) -> Self {
        Self { ty, values, nulls: Vec::new() }
    }
    /// Values with nulls; `nulls` may be empty.
    pub fn with_nulls(ty: Type, values: Values, nulls: Vec<bool>) -> Self {
        debug_assert!(nulls.is_empty() || nulls.len() == values.len());
        Self { ty, values, nulls }
    }
    /// `rows` times the same value.
    pub fn constant(value: &Datum, ty: Type, rows: usize) -> Self {
        let nulls = if value.is_null() { vec![true; rows] } else { Vec::new() };
        let values = match value {
            Datum::Bool(x) => Values::Bool(vec![*x; rows]),
            Datum::Int2(x) => Values::Int2(vec![*x; rows]),
            Datum::Int4(x) => Values::Int4(vec![*x; rows]),
            Datum::Int8(x) => Values::Int8(vec![*x; rows]),
            Datum::Float4(x) => Values::Float4(vec![*x; rows]),
            Datum::Float8(x) => Values::Float8(vec![*x; rows]),
            Datum::Numeric(x) => Values::Numeric(vec![x.clone(); rows]),
            Datum::Interval(x) => Values::Interval(vec![*x; rows]),
            Datum::Uuid(x) => Values::Uuid(vec![*x; rows]),
            Datum::Oid(x) => Values::Oid(vec![*x; rows]),
            Datum::Null => {
                let mut values = Values::with_capacity(ty.physical(), rows);
                (0..rows).for_each(|_| values.push_default());
                values
            }
            Datum::Text(_) | Datum::Bytea(_) | Datum::Array(_) | Datum::Record(_) => {
                let mut values = Values::with_capacity(ty.physical(), rows);
                (0..rows).for_each(|_| {
                    values.push(value);
                });
                values
            }
        };
        Self { ty, values, nulls }
    }
    /// From datums.
    pub fn from_datums<'a>(ty: Type, values: impl IntoIterator<Item = &'a Datum>) -> Self {
        let values = values.into_iter();
        let mut vector = Self::with_capacity(ty, values.size_hint().0);
        values.for_each(|v| vector.push(v));
        vector
    }
    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }
    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether a row is null.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row).copied().unwrap_or(false)
    }
    /// Whether any row is null.
    pub fn has_nulls(&self) -> bool {
        self.nulls.contains(&true)
    }
    /// The value of a row; null beyond the end.
    pub fn get(&self, row: usize) -> Datum {
        if self.is_null(row) || row >= self.len() {
            return Datum::Null;
        }
        self.values.get(row).unwrap_or_default()
    }
    /// The text of a row of a text type without a copy; empty for nulls and other types.
    pub fn text(&self, row: usize) -> &str {
        match &self.values {
            Values::Text(v) => v.text(row),
            _ => "",
        }
    }
    /// Adds a row.
    pub fn push(&mut self, value: &Datum) {
        if value.is_null() {
            self.push_null();
        } else {
            self.values.push(value);
            if !self.nulls.is_empty() {
                self.nulls.push(false);
            }
        }
    }
    /// Adds a null row.
    pub fn push_null(&mut self) {
        let rows = self.len();
        self.nulls.resize(rows, false);
        self.nulls.push(true);
        self.values.push_default();
    }
    /// Bytes held, for the memory account.
    pub fn memory(&self) -> u64 {
        fn of<T>(v: &[T]) -> usize {
            std::mem::size_of_val(v)
        }
        let values = match &self.values {
            Values::Bool(v) => of(v),
            Values::Int2(v) => of(v),
            Values::Int4(v) => of(v),
            Values::Int8(v) => of(v),
            Values::Float4(v) => of(v),
            Values::Float8(v) => of(v),
            Values::Numeric(v) => of(v) + v.iter().map(Numeric::heap_bytes).sum::<usize>(),
            Values::Text(v) | Values::Bytea(v) => of(&v.offsets) + v.bytes.len(),
            Values::Interval(v) => of(v),
            Values::Uuid(v) => of(v),
            Values::Oid(v) => of(v),
            Values::Datum(v) => v.iter().map(Datum::memory).sum(),
        };
        (values + self.nulls.len() + size_of::<Self>()) as u64
    }
}

#[cfg(test)]
mod tests;
