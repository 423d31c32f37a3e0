//! Columns of values and batches of rows: what the vectorized executor passes between operators.
//!
//! These are our own rather than Arrow's: PostgreSQL's `numeric` keeps a scale per value, its `interval` has three
//! fields over a range Arrow's does not cover, floats compare with -0 = 0 and NaN last, arrays and records nest, and
//! every kernel must return an SQLSTATE per row. With those set apart, few Arrow kernels would be left to use, so one
//! plain representation serves all types and the binary stays small.

use crate::types::{Datum, Interval, Numeric, Physical, Type};

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

impl Values {
    /// No values, of a physical form.
    pub fn empty(physical: Physical) -> Self {
        match physical {
            Physical::Bool => Values::Bool(Vec::new()),
            Physical::Int2 => Values::Int2(Vec::new()),
            Physical::Int4 => Values::Int4(Vec::new()),
            Physical::Int8 => Values::Int8(Vec::new()),
            Physical::Float4 => Values::Float4(Vec::new()),
            Physical::Float8 => Values::Float8(Vec::new()),
            Physical::Numeric => Values::Numeric(Vec::new()),
            Physical::Text => Values::Text(VarValues::default()),
            Physical::Bytea => Values::Bytea(VarValues::default()),
            Physical::Interval => Values::Interval(Vec::new()),
            Physical::Uuid => Values::Uuid(Vec::new()),
            Physical::Oid => Values::Oid(Vec::new()),
            Physical::Array | Physical::Record | Physical::Void => Values::Datum(Vec::new()),
        }
    }
}
