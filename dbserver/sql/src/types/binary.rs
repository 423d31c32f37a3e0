//! Binary forms: PostgreSQL's send and receive functions.

use super::{Array, Datum, Interval, Numeric, Physical, Record, Type, io, json, numeric};
use crate::error::{Result, SqlError, sqlstate};
use crate::vector::{Values, Vector};
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::sync::Arc;

/// Deepest nesting of arrays and records that is read.
const DEPTH_MAX: u32 = 16;

const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xc000;
const NUMERIC_INFINITY: u16 = 0xd000;
const NUMERIC_NEG_INFINITY: u16 = 0xf000;

/// Appends the binary form of a value that is not null. `typmod` pads `char(n)`.
pub fn send(value: &Datum, ty: Type, typmod: i32, out: &mut Vec<u8>) {
    match value {
        Datum::Null => {}
        Datum::Bool(x) => out.push(u8::from(*x)),
        Datum::Int2(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Int4(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Int8(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Float4(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Float8(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Numeric(x) => send_numeric(x, out),
        Datum::Text(x) => send_text(x.as_bytes(), ty, typmod, out),
        Datum::Bytea(x) => out.extend_from_slice(x),
        Datum::Interval(x) => send_interval(x, out),
        Datum::Uuid(x) => out.extend_from_slice(x),
        Datum::Oid(x) => out.extend_from_slice(&x.to_be_bytes()),
        Datum::Array(x) => send_array(x, typmod, out),
        Datum::Record(x) => send_record(x, out),
    }
}

/// Appends the binary form of a row that is not null.
pub fn send_vector(vector: &Vector, row: usize, typmod: i32, out: &mut Vec<u8>) {
    macro_rules! be {
        ($v:expr) => {
            if let Some(x) = $v.get(row) {
                out.extend_from_slice(&x.to_be_bytes());
            }
        };
    }
    match &vector.values {
        Values::Int2(v) => be!(v),
        Values::Int4(v) => be!(v),
        Values::Int8(v) => be!(v),
        Values::Float4(v) => be!(v),
        Values::Float8(v) => be!(v),
        Values::Oid(v) => be!(v),
        Values::Bool(v) => out.push(v.get(row).map_or(0, |x| u8::from(*x))),
        Values::Text(v) => send_text(v.get(row), vector.ty, typmod, out),
        Values::Bytea(v) => out.extend_from_slice(v.get(row)),
        Values::Numeric(v) => {
            if let Some(x) = v.get(row) {
                send_numeric(x, out);
            }
        }
        _ => send(&vector.get(row), vector.ty, typmod, out),
    }
}

fn send_text(text: &[u8], ty: Type, typmod: i32, out: &mut Vec<u8>) {
    match ty {
        Type::JSONB => {
            out.push(1);
            out.extend_from_slice(text);
        }
        Type::CHAR => {
            // Held as a character; one byte on the wire.
            let c = std::str::from_utf8(text).ok().and_then(|t| t.chars().next()).unwrap_or('\0');
            out.push(u8::try_from(u32::from(c)).unwrap_or(b'?'));
        }
        _ => {
            out.extend_from_slice(text);
            if ty == Type::BPCHAR && typmod >= 4 {
                let chars = text.iter().filter(|b| **b & 0xc0 != 0x80).count();
                let pad = (typmod as usize).saturating_sub(4).saturating_sub(chars);
                out.resize(out.len().saturating_add(pad), b' ');
            }
        }
    }
}

fn send_interval(x: &Interval, out: &mut Vec<u8>) {
    out.extend_from_slice(&x.micros.to_be_bytes());
    out.extend_from_slice(&x.days.to_be_bytes());
    out.extend_from_slice(&x.months.to_be_bytes());
}

fn send_numeric(x: &Numeric, out: &mut Vec<u8>) {
    let mut put = |v: u16| out.extend_from_slice(&v.to_be_bytes());
    let special = if x.is_nan() {
        Some(NUMERIC_NAN)
    } else if x.is_infinite() {
        Some(if x.signum() > 0 { NUMERIC_INFINITY } else { NUMERIC_NEG_INFINITY })
    } else {
        None
    };
    if let Some(sign) = special {
        // PostgreSQL's infinities show a scale of 32 here, its NaN none.
        let scale = if x.is_infinite() { 32 } else { 0 };
        [0, 0, sign, scale].into_iter().for_each(put);
        return;
    }
    let scale = x.scale().unwrap_or(0);
    let sign = if x.signum() < 0 { NUMERIC_NEGATIVE } else { 0 };
    let Some((exponent, digits)) = x.digits() else {
        [0, 0, sign, scale].into_iter().for_each(put);
        return;
    };
    // Digits in base 10000, aligned to the point.
    let weight = exponent.div_euclid(4);
    let lead = 3 - exponent.rem_euclid(4) as usize;
    let padded: Vec<u8> = std::iter::repeat_n(0, lead).chain(digits.bytes().map(|b| b - b'0')).collect();
    let groups = padded
        .chunks(4)
        .map(|group| (0..4).fold(0u16, |v, i| v * 10 + group.get(i).map_or(0, |d| u16::from(*d))));
    put(padded.len().div_ceil(4) as u16);
    put(weight as i16 as u16);
    put(sign);
    put(scale);
    groups.for_each(put);
}

fn send_sized(value: &Datum, ty: Type, typmod: i32, out: &mut Vec<u8>) {
    if value.is_null() {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return;
    }
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    send(value, ty, typmod, out);
    let length = out.len().saturating_sub(at).saturating_sub(4) as i32;
    if let Some(place) = out.get_mut(at..at.saturating_add(4)) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn send_array(x: &Array, typmod: i32, out: &mut Vec<u8>) {
    let mut put = |v: i32| out.extend_from_slice(&v.to_be_bytes());
    put(x.dims.len() as i32);
    put(i32::from(x.values.iter().any(Datum::is_null)));
    put(x.element.0 as i32);
    for (length, lower) in &x.dims {
        put(*length);
        put(*lower);
    }
    x.values.iter().for_each(|v| send_sized(v, x.element, typmod, out));
}

fn send_record(x: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(&(x.values.len() as i32).to_be_bytes());
    for ((_, ty), value) in x.fields.iter().zip(&x.values) {
        out.extend_from_slice(&ty.0.to_be_bytes());
        send_sized(value, *ty, -1, out);
    }
}

fn short() -> SqlError {
    SqlError::new(sqlstate::PROTOCOL_VIOLATION, "insufficient data left in message")
}

fn bad(message: impl Into<String>) -> SqlError {
    SqlError::new(sqlstate::INVALID_BINARY_REPRESENTATION, message)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(short)?;
        self.0 = rest;
        Ok(*head)
    }
    fn i32(&mut self) -> Result<i32> {
        self.bytes().map(i32::from_be_bytes)
    }
    fn u16(&mut self) -> Result<u16> {
        self.bytes().map(u16::from_be_bytes)
    }
    /// A length and as many bytes; none for null.
    fn sized(&mut self) -> Result<Option<&'a [u8]>> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| short())?;
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(Some(head))
    }
}

/// UTF-8 without NUL: 22021.
pub fn check_text(bytes: &[u8]) -> Result<&str> {
    let at = match std::str::from_utf8(bytes) {
        Ok(text) => match bytes.iter().position(|b| *b == 0) {
            None => return Ok(text),
            Some(at) => at,
        },
        Err(error) => error.valid_up_to(),
    };
    let rest = bytes.get(at..).unwrap_or_default();
    let length = match rest.first() {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    let shown: Vec<String> = rest.iter().take(length).map(|b| format!("0x{b:02x}")).collect();
    Err(SqlError::new(
        sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    ))
}

/// Reads the binary form of a value: 22P03, 08P01, 22021.
pub fn receive(ty: Type, typmod: i32, bytes: &[u8]) -> Result<Datum> {
    receive_nested(ty, typmod, bytes, DEPTH_MAX)
}

fn receive_nested(ty: Type, typmod: i32, bytes: &[u8], depth: u32) -> Result<Datum> {
    let mut r = Reader(bytes);
    let value = match ty.physical() {
        Physical::Bool => Datum::Bool(r.bytes::<1>()? != [0]),
        Physical::Int2 => Datum::Int2(r.bytes().map(i16::from_be_bytes)?),
        Physical::Int4 => Datum::Int4(r.i32()?),
        Physical::Int8 => {
            let value = r.bytes().map(i64::from_be_bytes)?;
            Datum::Int8(check_int8(value, ty, typmod)?)
        }
        Physical::Float4 => Datum::Float4(r.bytes().map(f32::from_be_bytes)?),
        Physical::Float8 => Datum::Float8(r.bytes().map(f64::from_be_bytes)?),
        Physical::Numeric => Datum::Numeric(numeric::apply_typmod(receive_numeric(&mut r)?, typmod)?),
        Physical::Text => {
            r.0 = &[];
            receive_text(ty, typmod, bytes)?
        }
        Physical::Bytea => {
            r.0 = &[];
            Datum::Bytea(bytes.into())
        }
        Physical::Interval => {
            let micros = r.bytes().map(i64::from_be_bytes)?;
            let (days, months) = (r.i32()?, r.i32()?);
            Datum::Interval(super::interval::apply_typmod(Interval { months, days, micros }, typmod)?)
        }
        Physical::Uuid => Datum::Uuid(r.bytes()?),
        Physical::Oid => Datum::Oid(r.bytes().map(u32::from_be_bytes)?),
        Physical::Array => receive_array(&mut r, ty, typmod, depth)?,
        Physical::Record => receive_record(&mut r, depth)?,
        Physical::Void => Datum::Null,
    };
    if r.0.is_empty() { Ok(value) } else { Err(bad("incorrect binary data format")) }
}

fn check_int8(value: i64, ty: Type, typmod: i32) -> Result<i64> {
    use super::datetime;
    Ok(match ty {
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            if !datetime::is_infinite(value) {
                datetime::check_timestamp(value)?;
            }
            datetime::apply_precision(value, typmod)
        }
        Type::TIME if !(0..=datetime::DAY_US).contains(&value) => {
            return Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "time out of range"));
        }
        Type::TIME => datetime::apply_precision(value, typmod),
        _ => value,
    })
}

fn receive_text(ty: Type, typmod: i32, bytes: &[u8]) -> Result<Datum> {
    if ty == Type::CHAR {
        return match bytes {
            [0] => Ok(Datum::text("")),
            [b] => Ok(Datum::text(char::from(*b).to_string())),
            _ => Err(bad("incorrect binary data format")),
        };
    }
    let body = match (ty, bytes.split_first()) {
        (Type::JSONB, Some((1, rest))) => rest,
        (Type::JSONB, version) => {
            let version = version.map_or(0, |v| *v.0);
            return Err(SqlError::internal(format!("unsupported jsonb version number {version}")));
        }
        _ => bytes,
    };
    let text = check_text(body)?;
    match ty {
        Type::VARCHAR | Type::BPCHAR => io::fit_text(text, ty, typmod, false),
        Type::JSONB => Ok(Datum::text(json::normalize(text)?)),
        Type::JSON => {
            json::check(text)?;
            Ok(Datum::text(text))
        }
        Type::NAME => Ok(Datum::text(io::truncate_name(text))),
        _ => Ok(Datum::text(text)),
    }
}

fn receive_numeric(r: &mut Reader<'_>) -> Result<Numeric> {
    let (count, weight, sign, scale) = (r.u16()?, r.u16()? as i16, r.u16()?, r.u16()?);
    let negative = match sign {
        NUMERIC_NAN => return Ok(Numeric::NAN),
        NUMERIC_INFINITY => return Ok(Numeric::INFINITY),
        NUMERIC_NEG_INFINITY => return Ok(Numeric::NEG_INFINITY),
        NUMERIC_NEGATIVE => true,
        0 => false,
        _ => return Err(bad("invalid sign in external \"numeric\" value")),
    };
    if scale > 0x3fff {
        return Err(bad("invalid scale in external \"numeric\" value"));
    }
    let mut digits = Vec::with_capacity(usize::from(count).min(4096).saturating_mul(4));
    for _ in 0..count {
        let digit = r.u16()?;
        if digit > 9999 {
            return Err(bad("invalid digit in external \"numeric\" value"));
        }
        digits.extend_from_slice(format!("{digit:04}").as_bytes());
    }
    let Some(mut value) = BigInt::parse_bytes(&digits, 10) else { return Ok(Numeric::new(0, scale)) };
    if negative {
        value = -value;
    }
    // The last base-10000 digit is worth 10000^(weight - count + 1).
    let exponent = (i64::from(weight) - i64::from(count) + 1) * 4;
    if exponent >= 0 {
        value *= numeric::pow10(exponent.to_u32().unwrap_or(0));
    }
    let value = Numeric::from_big_checked(value, (-exponent).max(0) as u32)?;
    // Digits beyond the scale are cut off, as PostgreSQL does.
    Ok(value.trunc(i32::from(scale)))
}

fn receive_array(r: &mut Reader<'_>, ty: Type, typmod: i32, depth: u32) -> Result<Datum> {
    let depth = depth.checked_sub(1).ok_or_else(|| bad("array is nested too deep"))?;
    let (dimensions, flags, element) = (r.i32()?, r.i32()?, Type(r.i32()? as u32));
    if !(0..=6).contains(&dimensions) {
        return Err(bad(format!("invalid number of dimensions: {dimensions}")));
    }
    if !(0..=1).contains(&flags) {
        return Err(bad("invalid array flags"));
    }
    if ty.element().is_some_and(|e| e != element) {
        return Err(SqlError::new(
            sqlstate::DATATYPE_MISMATCH,
            format!(
                "binary data has array element type {} ({}) instead of expected {} ({})",
                element.0,
                element.sql_name(),
                ty.element().map_or(0, |e| e.0),
                ty.element().map_or("???", Type::sql_name),
            ),
        ));
    }
    let mut count = if dimensions == 0 { 0usize } else { 1 };
    let mut dims = Vec::new();
    for _ in 0..dimensions {
        let (length, lower) = (r.i32()?, r.i32()?);
        let length_checked = usize::try_from(length).map_err(|_| bad("invalid array length"))?;
        count = count.saturating_mul(length_checked);
        dims.push((length, lower));
    }
    // Each element takes four bytes at least: no allocation before the data is seen to be there.
    if count > r.0.len() / 4 {
        return Err(short());
    }
    let values = (0..count)
        .map(|_| r.sized()?.map_or(Ok(Datum::Null), |b| receive_nested(element, typmod, b, depth)))
        .collect::<Result<Vec<_>>>()?;
    if values.is_empty() && !matches!(ty, Type::INT2VECTOR | Type::OIDVECTOR) {
        dims.clear();
    }
    Ok(Datum::Array(Arc::new(Array { element, dims, values })))
}

fn receive_record(r: &mut Reader<'_>, depth: u32) -> Result<Datum> {
    let depth = depth.checked_sub(1).ok_or_else(|| bad("record is nested too deep"))?;
    let count = r.i32()?;
    let mut record = Record { fields: Vec::new(), values: Vec::new() };
    for i in 0..count {
        let ty = Type(r.i32()? as u32);
        let value = r.sized()?.map_or(Ok(Datum::Null), |b| receive_nested(ty, -1, b, depth))?;
        record.fields.push((format!("f{}", i.saturating_add(1)), ty));
        record.values.push(value);
    }
    Ok(Datum::Record(Arc::new(record)))
}
