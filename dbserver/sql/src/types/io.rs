//! Text forms: what `::text` shows and what literals and text parameters are read from, for every type but those that
//! need the catalog (names of reg* types are resolved by functions; here they are numbers).

use super::{Datum, Interval, Numeric, Type, array, datetime, float, interval, json, numeric};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalSettings;
use crate::vector::{Values, Vector};

/// 22P02: `invalid input syntax for type …`
pub(crate) fn invalid_syntax(ty: Type, text: &str) -> SqlError {
    SqlError::new(
        sqlstate::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {}: \"{text}\"", ty.sql_name()),
    )
}

/// Without what C's `isspace` takes for space.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c'))
}

/// Reads a value of `ty` from its text, as an assignment does (a text too long for `varchar(n)` is an error unless
/// blanks are all that is lost).
pub fn input(ty: Type, typmod: i32, text: &str, s: &EvalSettings) -> Result<Datum> {
    Ok(match ty {
        Type::BOOL => Datum::Bool(parse_bool(text)?),
        Type::INT2 => Datum::Int2(parse_int(text, ty)?),
        Type::INT4 => Datum::Int4(parse_int(text, ty)?),
        Type::INT8 => Datum::Int8(parse_int(text, ty)?),
        Type::FLOAT4 => Datum::Float4(float::parse_f32(text)?),
        Type::FLOAT8 => Datum::Float8(float::parse_f64(text)?),
        Type::NUMERIC => Datum::Numeric(numeric::apply_typmod(Numeric::input(text)?, typmod)?),
        Type::VARCHAR | Type::BPCHAR => fit_text(text, ty, typmod, false)?,
        Type::NAME => Datum::text(truncate_name(text)),
        Type::CHAR => Datum::text(parse_char(text)),
        Type::BYTEA => Datum::Bytea(parse_bytea(text)?.into()),
        Type::DATE => Datum::Int4(datetime::parse_date(text, s)?),
        Type::TIME => Datum::Int8(datetime::parse_time(text, typmod, s)?),
        Type::TIMESTAMP => Datum::Int8(datetime::parse_timestamp(text, typmod, s)?),
        Type::TIMESTAMPTZ => Datum::Int8(datetime::parse_timestamptz(text, typmod, s)?),
        Type::INTERVAL => Datum::Interval(interval::parse(text, typmod)?),
        Type::UUID => Datum::Uuid(parse_uuid(text)?),
        Type::JSON => {
            json::check(text)?;
            Datum::text(text)
        }
        Type::JSONB => Datum::text(json::normalize(text)?),
        Type::PG_LSN => Datum::Int8(parse_lsn(text)? as i64),
        Type::INT2VECTOR | Type::OIDVECTOR => array::parse_vector(ty, text)?,
        Type::RECORD => {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "input of anonymous composite types is not implemented",
            ));
        }
        Type::VOID => Datum::text(""),
        Type::ANY | Type::ANYARRAY | Type::ANYELEMENT | Type::ANYNONARRAY => {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot accept a value of type {}", ty.name()),
            ));
        }
        _ => match ty.physical() {
            super::Physical::Oid => Datum::Oid(parse_oid(text, ty)?),
            super::Physical::Array => array::parse(ty, typmod, text, s)?,
            _ => Datum::text(text),
        },
    })
}

fn parse_bool(text: &str) -> Result<bool> {
    let word = trim(text).to_ascii_lowercase();
    let starts = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    match word.as_str() {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if starts("true", 1) || starts("yes", 1) || word == "on" => Ok(true),
        _ if starts("false", 1) || starts("no", 1) || starts("off", 2) => Ok(false),
        _ => Err(invalid_syntax(Type::BOOL, text)),
    }
}

/// Reads an integer of any width: 22P02, 22003.
pub(crate) fn parse_int<T: TryFrom<i64>>(text: &str, ty: Type) -> Result<T> {
    let trimmed = trim(text);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid_syntax(ty, text));
    }
    trimmed.parse::<i64>().ok().and_then(|v| T::try_from(v).ok()).ok_or_else(|| {
        SqlError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type {}", ty.sql_name()),
        )
    })
}

fn parse_oid(text: &str, ty: Type) -> Result<u32> {
    let value: i64 = match trim(text) {
        "-" if ty != Type::OID => return Ok(0),
        _ => parse_int::<i64>(text, Type::OID)?,
    };
    // A negative number is taken for the unsigned one of the same bits, as PostgreSQL does.
    u32::try_from(value).or_else(|_| i32::try_from(value).map(|v| v as u32)).map_err(|_| {
        SqlError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type oid"),
        )
    })
}

/// Fits a text to `varchar(n)` or `char(n)`: 22001 where more than blanks would be lost, unless `explicit`.
pub(crate) fn fit_text(text: &str, ty: Type, typmod: i32, explicit: bool) -> Result<Datum> {
    let mut kept = text;
    if let Some(chars_max) = typmod.checked_sub(4).filter(|n| *n >= 0).map(|n| n as usize)
        && text.len() > chars_max
        && let Some((end, _)) = text.char_indices().nth(chars_max)
    {
        let (head, tail) = text.split_at_checked(end).unwrap_or((text, ""));
        if !explicit && tail.bytes().any(|b| b != b' ') {
            return Err(SqlError::new(
                sqlstate::STRING_DATA_RIGHT_TRUNCATION,
                format!("value too long for type {}({chars_max})", ty.sql_name()),
            ));
        }
        kept = head;
    }
    Ok(Datum::text(if ty == Type::BPCHAR { kept.trim_end_matches(' ') } else { kept }))
}

/// At most 63 bytes, whole characters.
pub(crate) fn truncate_name(text: &str) -> &str {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

/// The first byte as a text. PostgreSQL's `"char"` holds any byte; what is not ASCII we hold as its character.
pub(crate) fn parse_char(text: &str) -> String {
    if let [b'\\', digits @ ..] = text.as_bytes()
        && digits.len() == 3
        && digits.iter().all(|d| (b'0'..=b'7').contains(d))
    {
        let value = digits.iter().fold(0u32, |v, d| v * 8 + u32::from(d - b'0'));
        return char::from(value as u8).to_string();
    }
    text.chars().next().filter(|c| *c != '\0').map(String::from).unwrap_or_default()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

/// Reads a `bytea` in hexadecimal or escape form.
pub fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let mut out = Vec::with_capacity(digits.len() / 2);
        let mut high = None;
        let bad = |message: String| SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message);
        for (i, byte) in digits.bytes().enumerate() {
            if high.is_none() && matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                continue;
            }
            let Some(value) = hex(byte) else {
                let c = digits.get(i..).and_then(|d| d.chars().next()).unwrap_or('?');
                return Err(bad(format!("invalid hexadecimal digit: \"{c}\"")));
            };
            match high.take() {
                None => high = Some(value),
                Some(high) => out.push((high << 4) | value),
            }
        }
        return if high.is_some() {
            Err(bad("invalid hexadecimal data: odd number of digits".to_owned()))
        } else {
            Ok(out)
        };
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(out),
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(SqlError::new(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

fn parse_uuid(text: &str) -> Result<[u8; 16]> {
    let invalid = || invalid_syntax(Type::UUID, text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut out = [0u8; 16];
    let mut digits = 0usize;
    let mut dash_allowed = false;
    for byte in inner.bytes() {
        if byte == b'-' && dash_allowed {
            dash_allowed = false;
            continue;
        }
        let value = hex(byte).ok_or_else(invalid)?;
        let place = out.get_mut(digits / 2).ok_or_else(invalid)?;
        *place = (*place << 4) | value;
        digits = digits.saturating_add(1);
        dash_allowed = digits.is_multiple_of(4) && digits < 32;
    }
    if digits == 32 { Ok(out) } else { Err(invalid()) }
}

fn parse_lsn(text: &str) -> Result<u64> {
    let part = |s: &str| {
        let ok = (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| u64::from_str_radix(s, 16).ok()).flatten()
    };
    text.split_once('/')
        .and_then(|(high, low)| Some(part(high)? << 32 | part(low)?))
        .ok_or_else(|| invalid_syntax(Type::PG_LSN, text))
}

/// Writes an integer.
pub fn write_int(value: i64, out: &mut Vec<u8>) {
    let mut buffer = [0u8; 20];
    let mut rest = value.unsigned_abs();
    let mut length = 0usize;
    for place in buffer.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        length = length.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(buffer.get(buffer.len().saturating_sub(length)..).unwrap_or_default());
}

fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { b't' } else { b'f' });
}

fn write_int4(value: i32, ty: Type, out: &mut Vec<u8>) {
    match ty {
        Type::DATE => datetime::write_date(value, out),
        _ => write_int(i64::from(value), out),
    }
}

fn write_int8(value: i64, ty: Type, s: &EvalSettings, out: &mut Vec<u8>) {
    match ty {
        Type::TIMESTAMP => datetime::write_timestamp(value, out),
        Type::TIMESTAMPTZ => datetime::write_timestamptz(value, s.time_zone, out),
        Type::TIME => datetime::write_time(value, out),
        Type::PG_LSN => {
            let text = format!("{:X}/{:X}", value as u64 >> 32, value as u64 & 0xffff_ffff);
            out.extend_from_slice(text.as_bytes());
        }
        _ => write_int(value, out),
    }
}

fn write_text(value: &[u8], ty: Type, typmod: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(value);
    if ty == Type::BPCHAR && typmod >= 4 {
        // Characters, not bytes: continuation bytes don't count.
        let chars = value.iter().filter(|b| **b & 0xc0 != 0x80).count();
        let pad = (typmod as usize).saturating_sub(4).saturating_sub(chars);
        out.resize(out.len().saturating_add(pad), b' ');
    }
}

/// Writes a `bytea`, in hexadecimal or (`bytea_output`) escape form.
pub fn write_bytea(value: &[u8], escape: bool, out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |d: u8| DIGITS.get(usize::from(d & 15)).copied().unwrap_or(b'0');
    if escape {
        for &b in value {
            match b {
                b'\\' => out.extend_from_slice(b"\\\\"),
                0x20..=0x7e => out.push(b),
                _ => out.extend_from_slice(&[b'\\', b'0' + (b >> 6), b'0' + ((b >> 3) & 7), b'0' + (b & 7)]),
            }
        }
    } else {
        out.reserve(value.len().saturating_mul(2).saturating_add(2));
        out.extend_from_slice(b"\\x");
        value.iter().for_each(|b| out.extend_from_slice(&[digit(b >> 4), digit(*b)]));
    }
}

fn write_uuid(value: &[u8; 16], out: &mut Vec<u8>) {
    let mut hex = Vec::with_capacity(34);
    write_bytea(value, false, &mut hex);
    for (i, b) in hex.iter().skip(2).enumerate() {
        if matches!(i, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(*b);
    }
}

fn write_numeric(value: &Numeric, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
}

fn write_oid(value: u32, ty: Type, out: &mut Vec<u8>) {
    if value == 0 && !matches!(ty, Type::OID | Type::XID | Type::CID) {
        out.push(b'-');
    } else {
        write_int(i64::from(value), out);
    }
}

fn write_interval(value: &Interval, out: &mut Vec<u8>) {
    interval::write(value, out);
}

/// Appends the text of a value that is not null.
pub fn output(value: &Datum, ty: Type, typmod: i32, s: &EvalSettings, out: &mut Vec<u8>) {
    match value {
        Datum::Null => {}
        Datum::Bool(x) => write_bool(*x, out),
        Datum::Int2(x) => write_int(i64::from(*x), out),
        Datum::Int4(x) => write_int4(*x, ty, out),
        Datum::Int8(x) => write_int8(*x, ty, s, out),
        Datum::Float4(x) => float::write_f32(*x, s.extra_float_digits, out),
        Datum::Float8(x) => float::write_f64(*x, s.extra_float_digits, out),
        Datum::Numeric(x) => write_numeric(x, out),
        Datum::Text(x) => write_text(x.as_bytes(), ty, typmod, out),
        Datum::Bytea(x) => write_bytea(x, s.bytea_escape, out),
        Datum::Interval(x) => write_interval(x, out),
        Datum::Uuid(x) => write_uuid(x, out),
        Datum::Oid(x) => write_oid(*x, ty, out),
        Datum::Array(x) if matches!(ty, Type::INT2VECTOR | Type::OIDVECTOR) => array::write_vector(x, s, out),
        Datum::Array(x) => array::write(x, typmod, s, out),
        Datum::Record(x) => array::write_record(x, s, out),
    }
}

/// The text of a value that is not null.
pub fn to_text(value: &Datum, ty: Type, typmod: i32, s: &EvalSettings) -> String {
    let mut out = Vec::new();
    output(value, ty, typmod, s, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends the text of a row that is not null.
pub fn output_vector(vector: &Vector, row: usize, typmod: i32, s: &EvalSettings, out: &mut Vec<u8>) {
    let ty = vector.ty;
    macro_rules! with {
        ($v:expr, $x:ident => $write:expr) => {
            if let Some($x) = $v.get(row) {
                $write
            }
        };
    }
    match &vector.values {
        Values::Bool(v) => with!(v, x => write_bool(*x, out)),
        Values::Int2(v) => with!(v, x => write_int(i64::from(*x), out)),
        Values::Int4(v) => with!(v, x => write_int4(*x, ty, out)),
        Values::Int8(v) => with!(v, x => write_int8(*x, ty, s, out)),
        Values::Float4(v) => with!(v, x => float::write_f32(*x, s.extra_float_digits, out)),
        Values::Float8(v) => with!(v, x => float::write_f64(*x, s.extra_float_digits, out)),
        Values::Numeric(v) => with!(v, x => write_numeric(x, out)),
        Values::Text(v) => write_text(v.get(row), ty, typmod, out),
        Values::Bytea(v) => write_bytea(v.get(row), s.bytea_escape, out),
        Values::Interval(v) => with!(v, x => write_interval(x, out)),
        Values::Uuid(v) => with!(v, x => write_uuid(x, out)),
        Values::Oid(v) => with!(v, x => write_oid(*x, ty, out)),
        Values::Datum(v) => with!(v, x => output(x, ty, typmod, s, out)),
    }
}
