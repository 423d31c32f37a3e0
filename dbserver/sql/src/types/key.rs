//! The order-preserving encoding of index keys: bytes compare (as `memcmp`) as the values do under
//! [`super::compare`], with each column's direction and place of nulls.
//!
//! ```text
//! column   := tag (0 null first, 1 value, 2 null last) value
//! integers    big-endian, sign bit flipped                    bool 1 byte, oid 4, uuid 16
//! floats      IEEE bits, ordered; -0 as 0, one NaN            interval: its length in µs, 16 bytes
//! text, bytea bytes with 00 as 00 FF, ended by 00 01
//! numeric     class, decimal exponent, digits in base 100, end (complemented when negative): ignores the scale
//! arrays      01 element, 02 null element, … 00, then dimensions
//! ```
//! A descending column's value has its bytes complemented. No encoding is a prefix of another of the same column,
//! so that columns follow each other without separators. Types whose equal values may look unlike (numeric,
//! floats, interval, arrays) cannot be read back: see [`is_reversible`].

use super::compare::interval_micros;
use super::datum::NumericRepr;
use super::{Datum, Interval, Numeric, Physical, Type};
use crate::error::{Result, SqlError, sqlstate};
use crate::vector::{Values, Vector};

/// A column of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPart {
    /// Its type.
    pub ty: Type,
    /// Greatest first.
    pub descending: bool,
    /// Nulls before all values (in the order of the key, also when descending).
    pub nulls_first: bool,
}

impl KeyPart {
    /// Ascending, nulls last.
    pub fn ascending(ty: Type) -> Self {
        Self { ty, descending: false, nulls_first: false }
    }
}

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// Whether a key column of this type gives its value back exactly. Others are kept in the row's value too.
pub fn is_reversible(ty: Type) -> bool {
    matches!(
        ty.physical(),
        Physical::Bool
            | Physical::Int2
            | Physical::Int4
            | Physical::Int8
            | Physical::Text
            | Physical::Bytea
            | Physical::Uuid
            | Physical::Oid
    )
}

/// Appends the key of `values`, one per part.
pub fn encode(values: &[Datum], parts: &[KeyPart], out: &mut Vec<u8>) {
    values.iter().zip(parts).for_each(|(value, part)| encode_part(value, *part, out));
}

/// Appends one column.
pub fn encode_part(value: &Datum, part: KeyPart, out: &mut Vec<u8>) {
    if value.is_null() {
        return encode_null(part, out);
    }
    out.push(VALUE);
    let start = out.len();
    encode_value(value, out);
    finish_part(part, start, out);
}

fn encode_null(part: KeyPart, out: &mut Vec<u8>) {
    out.push(if part.nulls_first { NULL_FIRST } else { NULL_LAST });
}

fn finish_part(part: KeyPart, start: usize, out: &mut [u8]) {
    if part.descending {
        out.iter_mut().skip(start).for_each(|b| *b = !*b);
    }
}

/// Appends one column from a row of a vector.
pub fn encode_from(vector: &Vector, row: usize, part: KeyPart, out: &mut Vec<u8>) {
    if vector.is_null(row) {
        return encode_null(part, out);
    }
    out.push(VALUE);
    let start = out.len();
    match &vector.values {
        Values::Int4(v) => put_i32(v.get(row).copied().unwrap_or_default(), out),
        Values::Int8(v) => put_i64(v.get(row).copied().unwrap_or_default(), out),
        Values::Text(v) | Values::Bytea(v) => put_bytes(v.get(row), out),
        _ => encode_value(&vector.get(row), out),
    }
    finish_part(part, start, out);
}

fn put_i32(x: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&((x as u32) ^ (1 << 31)).to_be_bytes());
}

fn put_i64(x: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&((x as u64) ^ (1 << 63)).to_be_bytes());
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.contains(&0) {
        for b in bytes {
            out.push(*b);
            if *b == 0 {
                out.push(0xff);
            }
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&[0, 1]);
}

fn put_f64(x: f64, out: &mut Vec<u8>) {
    let x = if x.is_nan() {
        f64::NAN.abs()
    } else if x == 0.0 {
        0.0
    } else {
        x
    };
    let bits = x.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    out.extend_from_slice(&ordered.to_be_bytes());
}

fn put_interval(x: &Interval, out: &mut Vec<u8>) {
    out.extend_from_slice(&((interval_micros(x) as u128) ^ (1 << 127)).to_be_bytes());
}

fn put_numeric(x: &Numeric, out: &mut Vec<u8>) {
    let class = match &x.0 {
        NumericRepr::NegInfinity => 1,
        NumericRepr::Infinity => 5,
        NumericRepr::NaN => 6,
        _ => match x.signum() {
            -1 => 2,
            0 => 3,
            _ => 4,
        },
    };
    out.push(class);
    let Some((exponent, digits)) = x.digits() else { return };
    let start = out.len();
    // Exponents are between -16383 and 131071.
    let biased = (exponent + (1 << 20)).clamp(0, (1 << 24) - 1) as u32;
    out.extend(biased.to_be_bytes().iter().skip(1));
    for pair in digits.as_bytes().chunks(2) {
        let digit = |i: usize| pair.get(i).map_or(0, |b| b.wrapping_sub(b'0'));
        out.push(digit(0).wrapping_mul(10).wrapping_add(digit(1)).wrapping_add(1));
    }
    out.push(0);
    if class == 2 {
        out.iter_mut().skip(start).for_each(|b| *b = !*b);
    }
}

fn put_list(values: &[Datum], out: &mut Vec<u8>) {
    for value in values {
        if value.is_null() {
            out.push(2);
        } else {
            out.push(1);
            encode_value(value, out);
        }
    }
    out.push(0);
}

fn encode_value(value: &Datum, out: &mut Vec<u8>) {
    match value {
        Datum::Null => {}
        Datum::Bool(x) => out.push(u8::from(*x)),
        Datum::Int2(x) => out.extend_from_slice(&((*x as u16) ^ (1 << 15)).to_be_bytes()),
        Datum::Int4(x) => put_i32(*x, out),
        Datum::Int8(x) => put_i64(*x, out),
        Datum::Float4(x) => put_f64(f64::from(*x), out),
        Datum::Float8(x) => put_f64(*x, out),
        Datum::Numeric(x) => put_numeric(x, out),
        Datum::Text(x) => put_bytes(x.as_bytes(), out),
        Datum::Bytea(x) => put_bytes(x, out),
        Datum::Interval(x) => put_interval(x, out),
        Datum::Uuid(x) => out.extend_from_slice(x),
        Datum::Oid(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Array(x) => {
            put_list(&x.values, out);
            out.push(x.dims.len() as u8);
            x.dims.iter().for_each(|d| put_i32(d.0, out));
            x.dims.iter().for_each(|d| put_i32(d.1, out));
        }
        Datum::Record(x) => put_list(&x.values, out),
    }
}

/// Reads a key's columns one after the other.
#[derive(Clone, Copy, Debug)]
pub struct KeyReader<'a> {
    rest: &'a [u8],
}

fn corrupt() -> SqlError {
    SqlError::new(sqlstate::DATA_CORRUPTED, "index key is corrupted")
}

impl<'a> KeyReader<'a> {
    /// Reads from the start of `key`.
    pub fn new(key: &'a [u8]) -> Self {
        Self { rest: key }
    }
    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
    #[inline]
    fn bytes<const N: usize>(&mut self, mask: u8) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(corrupt)?;
        self.rest = rest;
        let mut head = *head;
        if mask != 0 {
            head.iter_mut().for_each(|b| *b ^= mask);
        }
        Ok(head)
    }
    fn escaped(&mut self, mask: u8) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let (run, tail) = match self.rest.iter().position(|b| *b == mask) {
                Some(at) => self.rest.split_at_checked(at).ok_or_else(corrupt)?,
                None => return Err(corrupt()),
            };
            out.extend(run.iter().map(|b| b ^ mask));
            self.rest = tail;
            match self.bytes::<2>(mask)? {
                [0, 1] => return Ok(out),
                [0, 0xff] => out.push(0),
                _ => return Err(corrupt()),
            }
        }
    }
    /// The next column: its value where the type is reversible, null for null, and none (skipped) otherwise.
    pub fn next(&mut self, part: KeyPart) -> Result<Option<Datum>> {
        let mask = if part.descending { 0xff } else { 0 };
        if self.bytes::<1>(0)? != [VALUE] {
            return Ok(Some(Datum::Null));
        }
        Ok(Some(match part.ty.physical() {
            Physical::Int4 => Datum::Int4((u32::from_be_bytes(self.bytes(mask)?) ^ (1 << 31)) as i32),
            Physical::Int8 => Datum::Int8((u64::from_be_bytes(self.bytes(mask)?) ^ (1 << 63)) as i64),
            Physical::Text => {
                Datum::Text(String::from_utf8(self.escaped(mask)?).map_err(|_| corrupt())?.into())
            }
            Physical::Bytea => Datum::Bytea(self.escaped(mask)?.into()),
            Physical::Bool => Datum::Bool(self.bytes::<1>(mask)? != [0]),
            Physical::Int2 => Datum::Int2((u16::from_be_bytes(self.bytes(mask)?) ^ (1 << 15)) as i16),
            Physical::Uuid => Datum::Uuid(self.bytes(mask)?),
            Physical::Oid => Datum::Oid(u32::from_be_bytes(self.bytes(mask)?)),
            other => {
                self.skip_value(other, part.ty, mask)?;
                return Ok(None);
            }
        }))
    }
    fn skip_value(&mut self, physical: Physical, ty: Type, mask: u8) -> Result<()> {
        match physical {
            Physical::Float4 | Physical::Float8 => self.bytes::<8>(mask).map(drop),
            Physical::Interval => self.bytes::<16>(mask).map(drop),
            Physical::Numeric => {
                let [class] = self.bytes::<1>(mask)?;
                let mask = if class == 2 { !mask } else { mask };
                if class == 2 || class == 4 {
                    self.bytes::<3>(mask)?;
                    while self.bytes::<1>(mask)? != [0] {}
                }
                Ok(())
            }
            Physical::Array => {
                let element = ty.element().ok_or_else(corrupt)?;
                loop {
                    match self.bytes::<1>(mask)? {
                        [0] => break,
                        [2] => {}
                        _ => self.skip_element(element, mask)?,
                    }
                }
                let [dims] = self.bytes::<1>(mask)?;
                (0..dims).try_for_each(|_| self.bytes::<8>(mask).map(drop))
            }
            _ => Err(corrupt()),
        }
    }
    fn skip_element(&mut self, ty: Type, mask: u8) -> Result<()> {
        match ty.physical() {
            Physical::Bool => self.bytes::<1>(mask).map(drop),
            Physical::Int2 => self.bytes::<2>(mask).map(drop),
            Physical::Int4 | Physical::Oid => self.bytes::<4>(mask).map(drop),
            Physical::Int8 => self.bytes::<8>(mask).map(drop),
            Physical::Uuid => self.bytes::<16>(mask).map(drop),
            Physical::Text | Physical::Bytea => self.escaped(mask).map(drop),
            other => self.skip_value(other, ty, mask),
        }
    }
}

/// The values of a key; null for columns whose type is not reversible. XX001 when the bytes are no such key.
pub fn decode(key: &[u8], parts: &[KeyPart]) -> Result<Vec<Datum>> {
    let mut reader = KeyReader::new(key);
    parts.iter().map(|part| Ok(reader.next(*part)?.unwrap_or_default())).collect()
}

/// The least key that is greater than every key that begins with `prefix`; none when there is no such key.
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut next = prefix.get(..=keep)?.to_vec();
    let last = next.last_mut()?;
    *last = last.wrapping_add(1);
    Some(next)
}

/// The range `[start, end)` of all keys that begin with `prefix` and whose next column is not null; an end of none is
/// the end of the index. For `prefix AND next > …` scans, which nulls never match.
pub fn not_null_range(prefix: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut start = prefix.to_vec();
    start.push(VALUE);
    let end = successor(&start);
    (start, end)
}

#[cfg(test)]
pub(crate) mod tests;
