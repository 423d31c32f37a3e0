//! Rows of vectors compared, matched and hashed without a datum in between. The order is that of
//! [`crate::types::compare`]; two rows that are equal there have one hash, over all widths of integers too.

use super::{Values, Vector};
use crate::types::compare::{
    compare as compare_datums, float_cmp, hash as hash_datum, hash_bytes, hash_f64, hash_int, hash_interval,
    interval_cmp,
};
use std::cmp::Ordering;

impl Vector {
    /// Compares two rows that are not null, of vectors of one physical form.
    pub fn compare_values(&self, row: usize, other: &Vector, other_row: usize) -> Ordering {
        macro_rules! ord {
            ($a:expr, $b:expr) => {
                $a.get(row).cmp(&$b.get(other_row))
            };
        }
        match (&self.values, &other.values) {
            (Values::Int4(a), Values::Int4(b)) => ord!(a, b),
            (Values::Int8(a), Values::Int8(b)) => ord!(a, b),
            (Values::Text(a), Values::Text(b)) | (Values::Bytea(a), Values::Bytea(b)) => {
                a.get(row).cmp(b.get(other_row))
            }
            (Values::Bool(a), Values::Bool(b)) => ord!(a, b),
            (Values::Int2(a), Values::Int2(b)) => ord!(a, b),
            (Values::Float4(a), Values::Float4(b)) => match (a.get(row), b.get(other_row)) {
                (Some(a), Some(b)) => float_cmp(f64::from(*a), f64::from(*b)),
                _ => Ordering::Equal,
            },
            (Values::Float8(a), Values::Float8(b)) => match (a.get(row), b.get(other_row)) {
                (Some(a), Some(b)) => float_cmp(*a, *b),
                _ => Ordering::Equal,
            },
            (Values::Numeric(a), Values::Numeric(b)) => ord!(a, b),
            (Values::Interval(a), Values::Interval(b)) => match (a.get(row), b.get(other_row)) {
                (Some(a), Some(b)) => interval_cmp(a, b),
                _ => Ordering::Equal,
            },
            (Values::Uuid(a), Values::Uuid(b)) => ord!(a, b),
            (Values::Oid(a), Values::Oid(b)) => ord!(a, b),
            (Values::Datum(a), Values::Datum(b)) => match (a.get(row), b.get(other_row)) {
                (Some(a), Some(b)) => compare_datums(a, b),
                _ => Ordering::Equal,
            },
            _ => compare_datums(&self.get(row), &other.get(other_row)),
        }
    }
    /// Compares two rows as ORDER BY does.
    pub fn compare_rows(
        &self,
        row: usize,
        other: &Vector,
        other_row: usize,
        descending: bool,
        nulls_first: bool,
    ) -> Ordering {
        match (self.is_null(row), other.is_null(other_row)) {
            (false, false) => {
                let order = self.compare_values(row, other, other_row);
                if descending { order.reverse() } else { order }
            }
            (true, true) => Ordering::Equal,
            (true, false) if nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
        }
    }
    /// Whether two rows are in one group: `IS NOT DISTINCT FROM`.
    pub fn same_group(&self, row: usize, other: &Vector, other_row: usize) -> bool {
        match (self.is_null(row), other.is_null(other_row)) {
            (false, false) => self.compare_values(row, other, other_row) == Ordering::Equal,
            (a, b) => a == b,
        }
    }
    /// Combines the hash of each row into `hashes` (one per row). Nulls hash alike.
    pub fn hash_rows(&self, hashes: &mut [u64]) {
        fn combine(hash: &mut u64, value: u64) {
            *hash = hash_int(hash.rotate_left(23) ^ value);
        }
        const NULL: u64 = 0x9e37_79b9_7f4a_7c15;
        macro_rules! all {
            ($v:expr, $x:ident => $hash:expr) => {
                if self.nulls.is_empty() {
                    hashes.iter_mut().zip($v.iter()).for_each(|(h, $x)| combine(h, $hash));
                } else {
                    for ((h, $x), null) in hashes.iter_mut().zip($v.iter()).zip(&self.nulls) {
                        combine(h, if *null { NULL } else { $hash });
                    }
                }
            };
        }
        match &self.values {
            Values::Bool(v) => all!(v, x => hash_int(u64::from(*x))),
            Values::Int2(v) => all!(v, x => hash_int(i64::from(*x) as u64)),
            Values::Int4(v) => all!(v, x => hash_int(i64::from(*x) as u64)),
            Values::Int8(v) => all!(v, x => hash_int(*x as u64)),
            Values::Float4(v) => all!(v, x => hash_f64(f64::from(*x))),
            Values::Float8(v) => all!(v, x => hash_f64(*x)),
            Values::Numeric(v) => all!(v, x => x.hash64()),
            Values::Text(v) | Values::Bytea(v) => all!(v, x => hash_bytes(x)),
            Values::Interval(v) => all!(v, x => hash_interval(x)),
            Values::Uuid(v) => all!(v, x => hash_bytes(x)),
            Values::Oid(v) => all!(v, x => hash_int(u64::from(*x))),
            Values::Datum(v) => all!(v, x => hash_datum(x)),
        }
    }
}
