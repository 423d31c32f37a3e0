//! The compact encoding of a row's value: the columns that its key does not hold.
//!
//! ```text
//! row     := varint(columns * 2 + has nulls) [null bitmap, a bit a column] value…      (no bytes for a null)
//! int2/4/8, date, oid   varint (integers in zigzag)       bool 1 byte, float4 4, float8 8, uuid 16
//! time, timestamp(tz)   8 bytes, little-endian            interval: three zigzag varints
//! text, bytea, …        varint(length) bytes
//! numeric               varint(kind: 0 NaN, 1 -Infinity, 2 Infinity, else 3 + scale * 2 + big) then a zigzag varint, or
//!                       (big) varint(length) and the coefficient in two's complement
//! array, record         varint(length) and a form that names its types
//! ```
//! A row of pgbench_accounts (bid, abalance, filler without its blanks) takes four bytes. A row may have fewer
//! columns than its table (columns were added since): the others have their `missing` value.

use super::datum::NumericRepr;
use super::{Array, Datum, Interval, Numeric, Physical, Record, Type};
use crate::error::{Result, SqlError, sqlstate};
use crate::vector::{Values, Vector};
use num_bigint::BigInt;
use std::sync::Arc;

/// Deepest nesting of arrays in records in arrays that is read.
const DEPTH_MAX: u32 = 64;

fn corrupt() -> SqlError {
    SqlError::new(sqlstate::DATA_CORRUPTED, "row is corrupted")
}

/// How values of a type are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Bool,
    Int2,
    Int4,
    Int8,
    Fixed8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Interval,
    Uuid,
    Oid,
    Nested,
}

fn codec(ty: Type) -> Codec {
    match ty {
        Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::PG_LSN => return Codec::Fixed8,
        _ => {}
    }
    match ty.physical() {
        Physical::Bool => Codec::Bool,
        Physical::Int2 => Codec::Int2,
        Physical::Int4 => Codec::Int4,
        Physical::Int8 => Codec::Int8,
        Physical::Float4 => Codec::Float4,
        Physical::Float8 => Codec::Float8,
        Physical::Numeric => Codec::Numeric,
        Physical::Text => Codec::Text,
        Physical::Bytea => Codec::Bytea,
        Physical::Interval => Codec::Interval,
        Physical::Uuid => Codec::Uuid,
        Physical::Oid => Codec::Oid,
        Physical::Array | Physical::Record | Physical::Void => Codec::Nested,
    }
}

fn put_varint(mut x: u64, out: &mut Vec<u8>) {
    while x >= 0x80 {
        out.push(x as u8 | 0x80);
        x >>= 7;
    }
    out.push(x as u8);
}

fn put_zigzag(x: i64, out: &mut Vec<u8>) {
    put_varint(((x << 1) ^ (x >> 63)) as u64, out);
}

fn unzigzag(x: u64) -> i64 {
    (x >> 1) as i64 ^ -((x & 1) as i64)
}

fn put_var(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends the row of `values`, of `types`.
pub fn encode_row<'a>(types: &[Type], values: impl Iterator<Item = &'a Datum> + Clone, out: &mut Vec<u8>) {
    let has_nulls = values.clone().any(Datum::is_null);
    put_varint((types.len() as u64) << 1 | u64::from(has_nulls), out);
    if has_nulls {
        let start = out.len();
        out.resize(start.saturating_add(types.len().div_ceil(8)), 0);
        for (i, value) in values.clone().enumerate() {
            if let Some(byte) = out.get_mut(start.saturating_add(i / 8)).filter(|_| value.is_null()) {
                *byte |= 1 << (i % 8);
            }
        }
    }
    for (ty, value) in types.iter().zip(values) {
        put_value(codec(*ty), value, out);
    }
}

/// [`encode_row`] of row `row` of vectors, without datums; a column of none is null.
pub fn encode_row_from<'a>(
    types: &[Type],
    columns: impl Iterator<Item = Option<&'a Vector>> + Clone,
    row: usize,
    out: &mut Vec<u8>,
) {
    let is_null = |column: Option<&Vector>| column.is_none_or(|c| c.is_null(row));
    let has_nulls = columns.clone().any(is_null);
    put_varint((types.len() as u64) << 1 | u64::from(has_nulls), out);
    if has_nulls {
        let start = out.len();
        out.resize(start.saturating_add(types.len().div_ceil(8)), 0);
        for (i, column) in columns.clone().enumerate() {
            if let Some(byte) = out.get_mut(start.saturating_add(i / 8)).filter(|_| is_null(column)) {
                *byte |= 1 << (i % 8);
            }
        }
    }
    for (ty, column) in types.iter().zip(columns) {
        let Some(column) = column.filter(|c| !c.is_null(row)) else { continue };
        match &column.values {
            Values::Bool(v) => out.push(u8::from(v.get(row).copied().unwrap_or_default())),
            Values::Int2(v) => put_zigzag(i64::from(v.get(row).copied().unwrap_or_default()), out),
            Values::Int4(v) => put_zigzag(i64::from(v.get(row).copied().unwrap_or_default()), out),
            Values::Int8(v) if codec(*ty) != Codec::Fixed8 => {
                put_zigzag(v.get(row).copied().unwrap_or_default(), out);
            }
            Values::Float8(v) => {
                out.extend_from_slice(&v.get(row).copied().unwrap_or_default().to_le_bytes());
            }
            Values::Text(v) | Values::Bytea(v) => put_var(v.get(row), out),
            _ => put_value(codec(*ty), &column.get(row), out),
        }
    }
}

fn put_value(codec: Codec, value: &Datum, out: &mut Vec<u8>) {
    match value {
        Datum::Null => {}
        Datum::Bool(x) => out.push(u8::from(*x)),
        Datum::Int2(x) => put_zigzag(i64::from(*x), out),
        Datum::Int4(x) => put_zigzag(i64::from(*x), out),
        Datum::Int8(x) if codec == Codec::Fixed8 => out.extend_from_slice(&x.to_le_bytes()),
        Datum::Int8(x) => put_zigzag(*x, out),
        Datum::Float4(x) => out.extend_from_slice(&x.to_le_bytes()),
        Datum::Float8(x) => out.extend_from_slice(&x.to_le_bytes()),
        Datum::Numeric(x) => put_numeric(x, out),
        Datum::Text(x) => put_var(x.as_bytes(), out),
        Datum::Bytea(x) => put_var(x, out),
        Datum::Interval(x) => {
            put_zigzag(i64::from(x.months), out);
            put_zigzag(i64::from(x.days), out);
            put_zigzag(x.micros, out);
        }
        Datum::Uuid(x) => out.extend_from_slice(x),
        Datum::Oid(x) => put_varint(u64::from(*x), out),
        Datum::Array(_) | Datum::Record(_) => {
            let mut nested = Vec::new();
            put_nested(value, &mut nested);
            put_var(&nested, out);
        }
    }
}

fn put_numeric(x: &Numeric, out: &mut Vec<u8>) {
    match &x.0 {
        NumericRepr::NaN => out.push(0),
        NumericRepr::NegInfinity => out.push(1),
        NumericRepr::Infinity => out.push(2),
        NumericRepr::Small { coefficient, scale } => {
            put_varint(3 + u64::from(*scale) * 2, out);
            put_zigzag(*coefficient, out);
        }
        NumericRepr::Big(b) => {
            put_varint(4 + u64::from(b.1) * 2, out);
            put_var(&b.0.to_signed_bytes_le(), out);
        }
    }
}

fn put_nested(value: &Datum, out: &mut Vec<u8>) {
    let put_list = |items: &mut dyn Iterator<Item = (Type, &Datum)>, out: &mut Vec<u8>| {
        for (ty, value) in items {
            out.push(u8::from(!value.is_null()));
            put_value(codec(ty), value, out);
        }
    };
    match value {
        Datum::Array(a) => {
            out.push(0);
            put_varint(u64::from(a.element.0), out);
            put_varint(a.dims.len() as u64, out);
            for (length, lower) in &a.dims {
                put_zigzag(i64::from(*length), out);
                put_zigzag(i64::from(*lower), out);
            }
            put_varint(a.values.len() as u64, out);
            put_list(&mut a.values.iter().map(|v| (a.element, v)), out);
        }
        Datum::Record(r) => {
            out.push(1);
            put_varint(r.fields.len() as u64, out);
            for (name, ty) in &r.fields {
                put_var(name.as_bytes(), out);
                put_varint(u64::from(ty.0), out);
            }
            put_list(&mut r.fields.iter().map(|f| f.1).zip(&r.values), out);
        }
        _ => {}
    }
}

/// What is left of a row's bytes.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    fn varint(&mut self) -> Result<u64> {
        let Some((&first, rest)) = self.0.split_first() else { return Err(corrupt()) };
        if first < 0x80 {
            self.0 = rest;
            return Ok(u64::from(first));
        }
        let mut value = 0u64;
        for (i, &byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.0 = self.0.get(i.saturating_add(1)..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(corrupt())
    }
    #[inline]
    fn zigzag(&mut self) -> Result<i64> {
        self.varint().map(unzigzag)
    }
    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(corrupt)?;
        self.0 = rest;
        Ok(*head)
    }
    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| corrupt())?;
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(corrupt)?;
        self.0 = rest;
        Ok(head)
    }
    #[inline]
    fn var(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }
    fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.var()?).map_err(|_| corrupt())
    }
    fn int4(&mut self) -> Result<i32> {
        Ok(self.zigzag()? as i32)
    }
    fn interval(&mut self) -> Result<Interval> {
        Ok(Interval { months: self.int4()?, days: self.int4()?, micros: self.zigzag()? })
    }
    fn numeric(&mut self) -> Result<Numeric> {
        let kind = self.varint()?;
        Ok(match kind {
            0 => Numeric::NAN,
            1 => Numeric::NEG_INFINITY,
            2 => Numeric::INFINITY,
            _ => {
                let scale = u16::try_from((kind - 3) >> 1).map_err(|_| corrupt())?;
                if kind & 1 == 1 {
                    Numeric::new(self.zigzag()?, scale)
                } else {
                    Numeric::from_big(BigInt::from_signed_bytes_le(self.var()?), scale)
                }
            }
        })
    }
    #[inline]
    fn skip(&mut self, codec: Codec) -> Result<()> {
        match codec {
            Codec::Int2 | Codec::Int4 | Codec::Int8 | Codec::Oid => {
                let at = self.0.iter().position(|b| *b < 0x80).ok_or_else(corrupt)?;
                self.0 = self.0.get(at.saturating_add(1)..).unwrap_or_default();
            }
            Codec::Text | Codec::Bytea | Codec::Nested => {
                self.var()?;
            }
            Codec::Bool => {
                self.take(1)?;
            }
            Codec::Float4 => {
                self.take(4)?;
            }
            Codec::Fixed8 | Codec::Float8 => {
                self.take(8)?;
            }
            Codec::Uuid => {
                self.take(16)?;
            }
            Codec::Interval => {
                self.interval()?;
            }
            Codec::Numeric => {
                let kind = self.varint()?;
                if kind >= 3 {
                    self.skip(if kind & 1 == 1 { Codec::Int8 } else { Codec::Bytea })?;
                }
            }
        }
        Ok(())
    }
    fn value(&mut self, codec: Codec, depth: u32) -> Result<Datum> {
        Ok(match codec {
            Codec::Bool => Datum::Bool(self.fixed::<1>()? != [0]),
            Codec::Int2 => Datum::Int2(self.zigzag()? as i16),
            Codec::Int4 => Datum::Int4(self.int4()?),
            Codec::Int8 => Datum::Int8(self.zigzag()?),
            Codec::Fixed8 => Datum::Int8(i64::from_le_bytes(self.fixed()?)),
            Codec::Float4 => Datum::Float4(f32::from_le_bytes(self.fixed()?)),
            Codec::Float8 => Datum::Float8(f64::from_le_bytes(self.fixed()?)),
            Codec::Numeric => Datum::Numeric(self.numeric()?),
            Codec::Text => Datum::Text(self.text()?.into()),
            Codec::Bytea => Datum::Bytea(self.var()?.into()),
            Codec::Interval => Datum::Interval(self.interval()?),
            Codec::Uuid => Datum::Uuid(self.fixed()?),
            Codec::Oid => Datum::Oid(self.varint()? as u32),
            Codec::Nested => Cursor(self.var()?).nested(depth)?,
        })
    }
    fn element(&mut self, ty: Type, depth: u32) -> Result<Datum> {
        if self.fixed::<1>()? == [0] { Ok(Datum::Null) } else { self.value(codec(ty), depth) }
    }
    fn nested(&mut self, depth: u32) -> Result<Datum> {
        let depth = depth.checked_sub(1).ok_or_else(corrupt)?;
        if self.fixed::<1>()? == [0] {
            let element = Type(self.varint()? as u32);
            let dims = self.varint()?;
            let dims = (0..dims).map(|_| Ok((self.int4()?, self.int4()?))).collect::<Result<Vec<_>>>()?;
            let count = self.varint()?;
            let values = (0..count).map(|_| self.element(element, depth)).collect::<Result<Vec<_>>>()?;
            return Ok(Datum::Array(Arc::new(Array { element, dims, values })));
        }
        let count = self.varint()?;
        let fields = (0..count)
            .map(|_| Ok((self.text()?.to_owned(), Type(self.varint()? as u32))))
            .collect::<Result<Vec<_>>>()?;
        let values = fields.iter().map(|f| self.element(f.1, depth)).collect::<Result<Vec<_>>>()?;
        Ok(Datum::Record(Arc::new(Record { fields, values })))
    }
    /// Appends the next value to a vector of its type.
    #[inline]
    fn value_into(&mut self, codec: Codec, vector: &mut Vector) -> Result<()> {
        match (codec, &mut vector.values) {
            (Codec::Int4, Values::Int4(v)) => v.push(self.int4()?),
            (Codec::Int8, Values::Int8(v)) => v.push(self.zigzag()?),
            (Codec::Fixed8, Values::Int8(v)) => v.push(i64::from_le_bytes(self.fixed()?)),
            (Codec::Text, Values::Text(v)) | (Codec::Bytea, Values::Bytea(v)) => v.push(self.var()?),
            (Codec::Int2, Values::Int2(v)) => v.push(self.zigzag()? as i16),
            (Codec::Bool, Values::Bool(v)) => v.push(self.fixed::<1>()? != [0]),
            (Codec::Float4, Values::Float4(v)) => v.push(f32::from_le_bytes(self.fixed()?)),
            (Codec::Float8, Values::Float8(v)) => v.push(f64::from_le_bytes(self.fixed()?)),
            (Codec::Numeric, Values::Numeric(v)) => v.push(self.numeric()?),
            (Codec::Interval, Values::Interval(v)) => v.push(self.interval()?),
            (Codec::Uuid, Values::Uuid(v)) => v.push(self.fixed()?),
            (Codec::Oid, Values::Oid(v)) => v.push(self.varint()? as u32),
            (Codec::Nested, Values::Datum(v)) => v.push(self.value(codec, DEPTH_MAX)?),
            _ => return Err(SqlError::internal("row decoded into a vector of another form")),
        }
        if !vector.nulls.is_empty() {
            vector.nulls.push(false);
        }
        Ok(())
    }
}

/// Reads some columns of rows.
#[derive(Clone, Debug)]
pub struct RowReader {
    /// Each stored column up to the last wanted one: its codec, and where it goes.
    columns: Vec<(Codec, Option<usize>)>,
    /// Values of columns that a row is too short for, by wanted number.
    missing: Vec<Datum>,
}

impl RowReader {
    /// A reader of the stored columns at `wanted`, of a row of `types`. `missing[i]` is the value of `wanted[i]` where a row is too
    /// short for it. Each column may be wanted once.
    pub fn new(types: &[Type], wanted: &[usize], missing: Vec<Datum>) -> Self {
        let last = wanted.iter().copied().max().map_or(0, |m| m.saturating_add(1));
        let mut columns: Vec<_> = types.iter().take(last).map(|ty| (codec(*ty), None)).collect();
        for (slot, column) in wanted.iter().enumerate() {
            if let Some(entry) = columns.get_mut(*column) {
                entry.1 = Some(slot);
            }
        }
        Self { columns, missing }
    }
    #[inline]
    fn header<'a>(row: &'a [u8]) -> Result<(usize, &'a [u8], Cursor<'a>)> {
        let mut cursor = Cursor(row);
        let header = cursor.varint()?;
        let count = (header >> 1) as usize;
        let nulls = if header & 1 == 1 { cursor.take(count.div_ceil(8) as u64)? } else { &[] };
        Ok((count, nulls, cursor))
    }
    /// The wanted columns of a row, in the order they were wanted.
    pub fn read(&self, row: &[u8]) -> Result<Vec<Datum>> {
        let mut out = vec![Datum::Null; self.missing.len()];
        self.read_into(row, &mut out)?;
        Ok(out)
    }
    /// As `read`, into one datum per wanted column.
    pub fn read_into(&self, row: &[u8], out: &mut [Datum]) -> Result<()> {
        let (count, nulls, mut cursor) = Self::header(row)?;
        for (i, (codec, slot)) in self.columns.iter().enumerate() {
            let is_null = nulls.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
            let value = if i >= count {
                slot.and_then(|s| self.missing.get(s)).cloned().unwrap_or_default()
            } else if is_null {
                Datum::Null
            } else if slot.is_none() {
                cursor.skip(*codec)?;
                continue;
            } else {
                cursor.value(*codec, DEPTH_MAX)?
            };
            if let Some(place) = slot.and_then(|s| out.get_mut(s)) {
                *place = value;
            }
        }
        Ok(())
    }
    /// Appends the wanted columns of a row to vectors: wanted column `i` goes to `vectors[targets[i]]`.
    #[inline]
    pub fn read_vectors(&self, row: &[u8], targets: &[usize], vectors: &mut [Vector]) -> Result<()> {
        let (count, nulls, mut cursor) = Self::header(row)?;
        for (i, (codec, slot)) in self.columns.iter().enumerate() {
            let is_null = !nulls.is_empty() && nulls.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
            let target = slot.and_then(|s| targets.get(s)).and_then(|t| vectors.get_mut(*t));
            match target {
                Some(vector) if i >= count => {
                    vector.push(slot.and_then(|s| self.missing.get(s)).unwrap_or(&Datum::Null));
                }
                Some(vector) if is_null => vector.push_null(),
                Some(vector) => cursor.value_into(*codec, vector)?,
                None if i >= count => {}
                None if is_null => {}
                None => cursor.skip(*codec)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
