//! Rows grouped by equal keys: the one hash table under GROUP BY, DISTINCT, set operations, hash joins and hashed
//! subqueries.
//!
//! Equal means SQL's "not distinct": nulls are one value (or, for joins, match nothing), 1.0 equals 1.00, -0 equals 0,
//! NaN equals NaN. Keys are reduced to a form whose bits are equal exactly when the values are:
//!
//! ```text
//! one or more keys of fixed width, 15 bytes together   u128: values side by side, a null bit each in the top byte
//! anything else                                        bytes: per key a tag, then the value (texts with their length)
//! ```

use super::columns::{self, NONE};
use crate::context::Reservation;
use crate::error::{Result, SqlError, sqlstate};
use crate::types::datum::NumericRepr;
use crate::types::{Datum, Interval, Numeric, Physical, Type};
use crate::vector::{Values, Vector};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use num_bigint::BigInt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Groups of rows with equal keys, numbered from 0 in order of appearance.
pub struct Groups {
    types: Vec<Type>,
    /// Nulls match nothing: rows with one get no group.
    nulls_apart: bool,
    hasher: RandomState,
    table: HashTable<u32>,
    store: Store,
    count: u32,
    memory: Reservation,
}

/// The reduced keys, by group.
enum Store {
    Fixed(Vec<u128>),
    Bytes { ends: Vec<usize>, bytes: Vec<u8>, hashes: Vec<u64> },
}

/// Reduced keys of a batch.
enum Reduced {
    Fixed(Vec<u128>),
    Bytes { ends: Vec<usize>, bytes: Vec<u8> },
}

/// Bytes of a type in the fixed form.
fn width(ty: Type) -> Option<u32> {
    Some(match ty.physical() {
        Physical::Bool => 1,
        Physical::Int2 => 2,
        Physical::Int4 | Physical::Oid | Physical::Float4 => 4,
        Physical::Int8 | Physical::Float8 => 8,
        _ => return None,
    })
}

impl Groups {
    /// For keys of these types. With `nulls_apart`, a row with a null key belongs to no group.
    pub fn new(types: Vec<Type>, nulls_apart: bool, memory: Reservation) -> Self {
        let fixed = types.len() <= 8
            && types
                .iter()
                .map(|ty| width(*ty))
                .try_fold(0u32, |sum, w| w.map(|w| sum.saturating_add(w)))
                .is_some_and(|w| w <= 15);
        let store = if fixed {
            Store::Fixed(Vec::new())
        } else {
            Store::Bytes { ends: Vec::new(), bytes: Vec::new(), hashes: Vec::new() }
        };
        Self {
            types,
            nulls_apart,
            hasher: RandomState::default(),
            table: HashTable::new(),
            store,
            count: 0,
            memory,
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Bytes held.
    fn bytes(&self) -> u64 {
        let store = match &self.store {
            Store::Fixed(keys) => keys.capacity().saturating_mul(16),
            Store::Bytes { ends, bytes, hashes } => bytes
                .capacity()
                .saturating_add(ends.capacity().saturating_add(hashes.capacity()).saturating_mul(8)),
        };
        store.saturating_add(self.table.capacity().saturating_mul(6)) as u64
    }

    /// Finds or makes the group of each row; [`NONE`] where a null keeps it apart.
    ///
    /// # Errors
    /// 53200 over the memory limit.
    pub fn assign(&mut self, keys: &[Arc<Vector>], rows: usize, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let reduced = self.reduce(keys, rows);
        let apart = self.apart(keys, rows);
        let hasher = &self.hasher;
        match (&reduced, &mut self.store) {
            (Reduced::Fixed(new), Store::Fixed(known)) => {
                for (i, key) in new.iter().enumerate() {
                    if apart.get(i).copied().unwrap_or(false) {
                        out.push(NONE);
                        continue;
                    }
                    let hash = hasher.hash_one(key);
                    let entry = self.table.entry(
                        hash,
                        |g| known.get(*g as usize) == Some(key),
                        |g| hasher.hash_one(known.get(*g as usize).unwrap_or(&0)),
                    );
                    let group = match entry {
                        hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
                        hashbrown::hash_table::Entry::Vacant(entry) => {
                            let group = self.count;
                            entry.insert(group);
                            known.push(*key);
                            self.count = group.saturating_add(1);
                            group
                        }
                    };
                    out.push(group);
                }
            }
            (Reduced::Bytes { ends, bytes }, Store::Bytes { ends: known_ends, bytes: known, hashes }) => {
                for i in 0..rows {
                    if apart.get(i).copied().unwrap_or(false) {
                        out.push(NONE);
                        continue;
                    }
                    let key = part(ends, bytes, i);
                    let hash = hasher.hash_one(key);
                    let entry = self.table.entry(
                        hash,
                        |g| {
                            hashes.get(*g as usize) == Some(&hash)
                                && part(known_ends, known, *g as usize) == key
                        },
                        |g| hashes.get(*g as usize).copied().unwrap_or(0),
                    );
                    let group = match entry {
                        hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
                        hashbrown::hash_table::Entry::Vacant(entry) => {
                            let group = self.count;
                            entry.insert(group);
                            known.extend_from_slice(key);
                            known_ends.push(known.len());
                            hashes.push(hash);
                            self.count = group.saturating_add(1);
                            group
                        }
                    };
                    out.push(group);
                }
            }
            _ => return Err(SqlError::internal("group keys changed their form")),
        }
        if self.count >= NONE - (1 << 16) {
            return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "too many groups"));
        }
        let bytes = self.bytes();
        self.memory.resize(bytes)
    }

    /// Finds the group of each row; [`NONE`] where there is none.
    pub fn find(&self, keys: &[Arc<Vector>], rows: usize, out: &mut Vec<u32>) {
        out.clear();
        let reduced = self.reduce(keys, rows);
        let apart = self.apart(keys, rows);
        let hasher = &self.hasher;
        for i in 0..rows {
            if apart.get(i).copied().unwrap_or(false) {
                out.push(NONE);
                continue;
            }
            let found = match (&reduced, &self.store) {
                (Reduced::Fixed(new), Store::Fixed(known)) => new.get(i).and_then(|key| {
                    self.table.find(hasher.hash_one(key), |g| known.get(*g as usize) == Some(key))
                }),
                (Reduced::Bytes { ends, bytes }, Store::Bytes { ends: known_ends, bytes: known, hashes }) => {
                    let key = part(ends, bytes, i);
                    let hash = hasher.hash_one(key);
                    self.table.find(hash, |g| {
                        hashes.get(*g as usize) == Some(&hash) && part(known_ends, known, *g as usize) == key
                    })
                }
                _ => None,
            };
            out.push(found.copied().unwrap_or(NONE));
        }
    }

    /// Which rows have a null that keeps them apart; empty for none.
    fn apart(&self, keys: &[Arc<Vector>], rows: usize) -> Vec<bool> {
        let mut apart = Vec::new();
        if self.nulls_apart {
            for key in keys.iter().filter(|k| !k.nulls.is_empty()) {
                apart.resize(rows, false);
                for (flag, null) in apart.iter_mut().zip(&key.nulls) {
                    *flag |= *null;
                }
            }
        }
        apart
    }

    fn reduce(&self, keys: &[Arc<Vector>], rows: usize) -> Reduced {
        match &self.store {
            Store::Fixed(_) => Reduced::Fixed(reduce_fixed(keys, &self.types, rows)),
            Store::Bytes { .. } => {
                let (mut ends, mut bytes) = (Vec::with_capacity(rows), Vec::new());
                for i in 0..rows {
                    for key in keys {
                        reduce_value(key, i, &mut bytes);
                    }
                    ends.push(bytes.len());
                }
                Reduced::Bytes { ends, bytes }
            }
        }
    }
}

/// Key `i` of keys laid end to end.
fn part<'b>(ends: &[usize], bytes: &'b [u8], i: usize) -> &'b [u8] {
    let from = i.checked_sub(1).and_then(|b| ends.get(b)).copied().unwrap_or(0);
    bytes.get(from..ends.get(i).copied().unwrap_or(0)).unwrap_or_default()
}

fn canonical64(x: f64) -> u64 {
    if x.is_nan() {
        f64::NAN.to_bits()
    } else if x == 0.0 {
        0
    } else {
        x.to_bits()
    }
}

fn canonical32(x: f32) -> u32 {
    if x.is_nan() {
        f32::NAN.to_bits()
    } else if x == 0.0 {
        0
    } else {
        x.to_bits()
    }
}

fn reduce_fixed(keys: &[Arc<Vector>], types: &[Type], rows: usize) -> Vec<u128> {
    let mut out = vec![0u128; rows];
    let mut shift = 0u32;
    for (n, (key, ty)) in keys.iter().zip(types).enumerate() {
        fn or<T: Copy>(out: &mut [u128], values: &[T], shift: u32, bits: impl Fn(T) -> u128) {
            for (o, v) in out.iter_mut().zip(values) {
                *o |= bits(*v) << shift;
            }
        }
        match &key.values {
            Values::Bool(v) => or(&mut out, v, shift, u128::from),
            Values::Int2(v) => or(&mut out, v, shift, |x| u128::from(x.cast_unsigned())),
            Values::Int4(v) => or(&mut out, v, shift, |x| u128::from(x.cast_unsigned())),
            Values::Int8(v) => or(&mut out, v, shift, |x| u128::from(x.cast_unsigned())),
            Values::Float4(v) => or(&mut out, v, shift, |x| u128::from(canonical32(x))),
            Values::Float8(v) => or(&mut out, v, shift, |x| u128::from(canonical64(x))),
            Values::Oid(v) => or(&mut out, v, shift, u128::from),
            _ => {}
        }
        let bits = width(*ty).unwrap_or(0).saturating_mul(8);
        if !key.nulls.is_empty() {
            let mask = ((1u128 << bits) - 1) << shift;
            for (o, null) in out.iter_mut().zip(&key.nulls) {
                if *null {
                    *o = (*o & !mask) | (1 << (120 + n.min(7)));
                }
            }
        }
        shift = shift.saturating_add(bits);
    }
    out
}

fn push_len(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends the reduced form of row `i`: a tag (0 null), then the value.
fn reduce_value(vector: &Vector, i: usize, out: &mut Vec<u8>) {
    if columns::is_null(vector, i) {
        out.push(0);
        return;
    }
    out.push(1);
    match &vector.values {
        Values::Bool(v) => out.push(u8::from(v.get(i).copied().unwrap_or_default())),
        Values::Int2(v) => out.extend_from_slice(&v.get(i).copied().unwrap_or_default().to_le_bytes()),
        Values::Int4(v) => out.extend_from_slice(&v.get(i).copied().unwrap_or_default().to_le_bytes()),
        Values::Int8(v) => out.extend_from_slice(&v.get(i).copied().unwrap_or_default().to_le_bytes()),
        Values::Oid(v) => out.extend_from_slice(&v.get(i).copied().unwrap_or_default().to_le_bytes()),
        Values::Float4(v) => {
            out.extend_from_slice(&canonical32(v.get(i).copied().unwrap_or_default()).to_le_bytes());
        }
        Values::Float8(v) => {
            out.extend_from_slice(&canonical64(v.get(i).copied().unwrap_or_default()).to_le_bytes());
        }
        Values::Text(v) | Values::Bytea(v) => push_len(columns::var(v, i), out),
        Values::Uuid(v) => out.extend_from_slice(&v.get(i).copied().unwrap_or_default()),
        Values::Numeric(v) => {
            if let Some(n) = v.get(i) {
                reduce_numeric(n, out);
            }
        }
        Values::Interval(v) => reduce_interval(v.get(i).copied().unwrap_or_default(), out),
        Values::Datum(v) => reduce_datum(v.get(i).unwrap_or(&Datum::Null), out),
    }
}

/// Without trailing zeros, 1.0 and 1.00 are the same coefficient and scale.
fn reduce_numeric(value: &Numeric, out: &mut Vec<u8>) {
    match &value.0 {
        NumericRepr::NaN => out.push(3),
        NumericRepr::Infinity => out.push(4),
        NumericRepr::NegInfinity => out.push(5),
        NumericRepr::Small { coefficient, scale } => {
            let (mut c, mut s) = (*coefficient, *scale);
            while s > 0 && c % 10 == 0 {
                c /= 10;
                s -= 1;
            }
            out.push(1);
            out.extend_from_slice(&s.to_le_bytes());
            push_len(&BigIntBytes::of(c), out);
        }
        NumericRepr::Big(big) => {
            let (mut c, mut s) = (big.0.clone(), big.1);
            let ten = BigInt::from(10);
            while s > 0 && (&c % &ten) == BigInt::ZERO {
                c /= &ten;
                s -= 1;
            }
            out.push(1);
            out.extend_from_slice(&s.to_le_bytes());
            push_len(&c.to_signed_bytes_le(), out);
        }
    }
}

/// The shortest little-endian two's complement, as `BigInt::to_signed_bytes_le` gives.
struct BigIntBytes {
    bytes: [u8; 8],
    len: usize,
}

impl BigIntBytes {
    fn of(value: i64) -> Self {
        let bytes = value.to_le_bytes();
        let sign = if value < 0 { 0xff } else { 0 };
        let mut len = 8;
        while let Some((last, rest)) = bytes.get(..len).and_then(<[u8]>::split_last) {
            let next = rest.last().copied().unwrap_or(0);
            if rest.is_empty() || *last != sign || (next & 0x80) != (sign & 0x80) {
                break;
            }
            len = rest.len();
        }
        Self { bytes, len }
    }
}

impl std::ops::Deref for BigIntBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Intervals compare by their length with months of 30 days and days of 24 hours.
fn reduce_interval(value: Interval, out: &mut Vec<u8>) {
    let days = i128::from(value.months) * 30 + i128::from(value.days);
    let micros = days * 86_400_000_000 + i128::from(value.micros);
    out.extend_from_slice(&micros.to_le_bytes());
}

/// Appends the reduced form of a datum, with its kind, so that arrays and records of it are prefix-free.
fn reduce_datum(value: &Datum, out: &mut Vec<u8>) {
    match value {
        Datum::Null => out.push(0),
        Datum::Bool(x) => out.extend_from_slice(&[1, u8::from(*x)]),
        // Integers of all widths compare equal inside records.
        Datum::Int2(x) => reduce_int(i64::from(*x), out),
        Datum::Int4(x) => reduce_int(i64::from(*x), out),
        Datum::Int8(x) => reduce_int(*x, out),
        Datum::Oid(x) => reduce_int(i64::from(*x), out),
        Datum::Float4(x) => {
            out.push(3);
            out.extend_from_slice(&canonical64(f64::from(*x)).to_le_bytes());
        }
        Datum::Float8(x) => {
            out.push(3);
            out.extend_from_slice(&canonical64(*x).to_le_bytes());
        }
        Datum::Numeric(x) => {
            out.push(4);
            reduce_numeric(x, out);
        }
        Datum::Text(x) => {
            out.push(5);
            push_len(x.as_bytes(), out);
        }
        Datum::Bytea(x) => {
            out.push(6);
            push_len(x, out);
        }
        Datum::Interval(x) => {
            out.push(7);
            reduce_interval(*x, out);
        }
        Datum::Uuid(x) => {
            out.push(8);
            out.extend_from_slice(x);
        }
        Datum::Array(x) => {
            out.push(9);
            out.extend_from_slice(&(x.dims.len() as u64).to_le_bytes());
            for (length, lower) in &x.dims {
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(&lower.to_le_bytes());
            }
            x.values.iter().for_each(|v| reduce_datum(v, out));
        }
        Datum::Record(x) => {
            out.push(10);
            out.extend_from_slice(&(x.values.len() as u64).to_le_bytes());
            x.values.iter().for_each(|v| reduce_datum(v, out));
        }
    }
}

fn reduce_int(value: i64, out: &mut Vec<u8>) {
    out.push(2);
    out.extend_from_slice(&value.to_le_bytes());
}
