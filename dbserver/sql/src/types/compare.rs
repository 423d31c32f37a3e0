//! Order, equality and hashes of values, as PostgreSQL's default btree and hash operator classes have them:
//! floats have NaN last and equal to itself and -0 = 0, numerics ignore their scale, intervals compare by their
//! length with 30-day months, text compares by bytes (collation C), arrays element by element.

use super::{Array, Datum, Interval};
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};

/// PostgreSQL's order of floats.
#[inline]
pub fn float_cmp(a: f64, b: f64) -> Ordering {
    match a.partial_cmp(&b) {
        Some(order) => order,
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

/// An interval's length in µs, with 24-hour days and 30-day months.
#[inline]
pub fn interval_micros(i: &Interval) -> i128 {
    const DAY_US: i128 = 86_400_000_000;
    i128::from(i.micros) + (i128::from(i.days) + i128::from(i.months) * 30) * DAY_US
}

/// PostgreSQL's order of intervals.
#[inline]
pub fn interval_cmp(a: &Interval, b: &Interval) -> Ordering {
    interval_micros(a).cmp(&interval_micros(b))
}

fn as_int(value: &Datum) -> Option<i64> {
    Some(match value {
        Datum::Int2(x) => i64::from(*x),
        Datum::Int4(x) => i64::from(*x),
        Datum::Int8(x) => *x,
        Datum::Oid(x) => i64::from(*x),
        _ => return None,
    })
}

fn as_float(value: &Datum) -> Option<f64> {
    match value {
        Datum::Float4(x) => Some(f64::from(*x)),
        Datum::Float8(x) => Some(*x),
        _ => None,
    }
}

/// Compares two values of one type (integers of any width, floats of any width). Nulls come last and equal each
/// other; values of unlike forms have an arbitrary but total order.
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Null, _) => Ordering::Greater,
        (_, Datum::Null) => Ordering::Less,
        (Datum::Int4(x), Datum::Int4(y)) => x.cmp(y),
        (Datum::Int8(x), Datum::Int8(y)) => x.cmp(y),
        (Datum::Text(x), Datum::Text(y)) => x.as_bytes().cmp(y.as_bytes()),
        (Datum::Bool(x), Datum::Bool(y)) => x.cmp(y),
        (Datum::Numeric(x), Datum::Numeric(y)) => x.cmp(y),
        (Datum::Bytea(x), Datum::Bytea(y)) => x.cmp(y),
        (Datum::Interval(x), Datum::Interval(y)) => interval_cmp(x, y),
        (Datum::Uuid(x), Datum::Uuid(y)) => x.cmp(y),
        (Datum::Array(x), Datum::Array(y)) => compare_arrays(x, y),
        (Datum::Record(x), Datum::Record(y)) => compare_lists(&x.values, &y.values),
        _ => match (as_int(a), as_int(b), as_float(a), as_float(b)) {
            (Some(x), Some(y), _, _) => x.cmp(&y),
            (_, _, Some(x), Some(y)) => float_cmp(x, y),
            _ => form(a).cmp(&form(b)),
        },
    }
}

/// Whether [`compare`] orders the two by what they are, not by their forms.
pub(crate) fn comparable(a: &Datum, b: &Datum) -> bool {
    form(a) == form(b)
}

fn form(value: &Datum) -> u8 {
    match value {
        Datum::Bool(_) => 0,
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_) => 1,
        Datum::Float4(_) | Datum::Float8(_) => 2,
        Datum::Numeric(_) => 3,
        Datum::Text(_) => 4,
        Datum::Bytea(_) => 5,
        Datum::Interval(_) => 6,
        Datum::Uuid(_) => 7,
        Datum::Array(_) => 8,
        Datum::Record(_) => 9,
        Datum::Null => 10,
    }
}

fn compare_lists(a: &[Datum], b: &[Datum]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(x, y)| compare(x, y)).find(|o| o.is_ne());
    unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// As PostgreSQL's `array_cmp`: elements, then their number, then dimensions, lengths and lower bounds.
pub fn compare_arrays(a: &Array, b: &Array) -> Ordering {
    compare_lists(&a.values, &b.values)
        .then_with(|| a.dims.len().cmp(&b.dims.len()))
        .then_with(|| a.dims.iter().map(|d| d.0).cmp(b.dims.iter().map(|d| d.0)))
        .then_with(|| a.dims.iter().map(|d| d.1).cmp(b.dims.iter().map(|d| d.1)))
}

/// Whether two values are equal; nulls are equal to each other here.
pub fn equal(a: &Datum, b: &Datum) -> bool {
    compare(a, b).is_eq()
}

/// Mixes 64 bits (the finalizer of MurmurHash3, public domain).
#[inline]
pub fn hash_int(value: u64) -> u64 {
    let mut h = value ^ (value >> 33);
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// Hashes bytes.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Hashes a float: -0 as 0, every NaN alike.
#[inline]
pub fn hash_f64(value: f64) -> u64 {
    let canonical = if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN
    } else {
        value
    };
    hash_int(canonical.to_bits())
}

/// Hashes an interval by its length.
#[inline]
pub fn hash_interval(value: &Interval) -> u64 {
    let length = interval_micros(value);
    hash_int(length as u64 ^ ((length >> 64) as u64).rotate_left(32))
}

/// A hash that equal values share.
pub fn hash(value: &Datum) -> u64 {
    match value {
        Datum::Null => 0,
        Datum::Bool(x) => hash_int(u64::from(*x)),
        Datum::Int2(x) => hash_int(i64::from(*x) as u64),
        Datum::Int4(x) => hash_int(i64::from(*x) as u64),
        Datum::Int8(x) => hash_int(*x as u64),
        Datum::Oid(x) => hash_int(u64::from(*x)),
        Datum::Float4(x) => hash_f64(f64::from(*x)),
        Datum::Float8(x) => hash_f64(*x),
        Datum::Numeric(x) => x.hash64(),
        Datum::Text(x) => hash_bytes(x.as_bytes()),
        Datum::Bytea(x) => hash_bytes(x),
        Datum::Interval(x) => hash_interval(x),
        Datum::Uuid(x) => hash_bytes(x),
        Datum::Array(x) => hash_list(&x.values),
        Datum::Record(x) => hash_list(&x.values),
    }
}

fn hash_list(values: &[Datum]) -> u64 {
    values.iter().fold(values.len() as u64, |h, v| hash_int(h.rotate_left(23) ^ hash(v)))
}
