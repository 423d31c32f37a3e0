//! One SQL value. Rows on the point path are slices of these; batches hold [`crate::vector::Vector`]s instead.

use super::Type;
use std::sync::Arc;

/// A value, or null. The variant is the type's [`super::Physical`] form; the type itself travels beside it.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Datum {
    /// SQL null, of any type.
    #[default]
    Null,
    /// See [`super::Physical`] for what each variant holds.
    Bool(bool),
    /// `int2`
    Int2(i16),
    /// `int4`, `date`
    Int4(i32),
    /// `int8`, `time`, `timestamp`, `timestamptz`
    Int8(i64),
    /// `float4`
    Float4(f32),
    /// `float8`
    Float8(f64),
    /// `numeric`
    Numeric(Numeric),
    /// All text types.
    Text(Box<str>),
    /// `bytea`
    Bytea(Box<[u8]>),
    /// `interval`
    Interval(Interval),
    /// `uuid`
    Uuid([u8; 16]),
    /// `oid` and its aliases
    Oid(u32),
    /// Arrays, `int2vector`, `oidvector`
    Array(Arc<Array>),
    /// Composites
    Record(Arc<Record>),
}

impl Datum {
    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }
    /// Bytes held, for the memory account.
    pub fn memory(&self) -> usize {
        let outside = match self {
            Datum::Text(x) => x.len(),
            Datum::Bytea(x) => x.len(),
            Datum::Numeric(x) => x.heap_bytes(),
            Datum::Array(x) => size_of::<Array>() + x.values.iter().map(Datum::memory).sum::<usize>(),
            Datum::Record(x) => {
                size_of::<Record>()
                    + x.fields.iter().map(|f| size_of_val(f) + f.0.len()).sum::<usize>()
                    + x.values.iter().map(Datum::memory).sum::<usize>()
            }
            _ => 0,
        };
        size_of::<Self>() + outside
    }
    /// A text value.
    pub fn text(s: impl Into<Box<str>>) -> Self {
        Datum::Text(s.into())
    }
}

/// PostgreSQL's interval: three fields that do not convert into each other except when compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

/// An array value: elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The element type.
    pub element: Type,
    /// (length, lower bound) of each dimension; none for an empty array.
    pub dims: Vec<(i32, i32)>,
    /// The elements.
    pub values: Vec<Datum>,
}

/// A composite value.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Field names and types.
    pub fields: Vec<(String, Type)>,
    /// One value per field.
    pub values: Vec<Datum>,
}

/// Arbitrary-precision decimal that keeps its display scale, with NaN and the infinities.
/// (PostgreSQL manual, section 8.1.2.) `==` also compares scales; `cmp` compares values as SQL does.
#[derive(Clone, Debug, PartialEq)]
pub struct Numeric(pub(crate) NumericRepr);

/// How a numeric is held: small ones inline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NumericRepr {
    /// `coefficient * 10^-scale`
    Small {
        coefficient: i64,
        scale: u16,
    },
    /// The same, where the coefficient does not fit.
    Big(Box<(num_bigint::BigInt, u16)>),
    NaN,
    Infinity,
    NegInfinity,
}
