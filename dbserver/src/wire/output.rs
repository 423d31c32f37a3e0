//! A value's bytes in a DataRow: its length, then text or PostgreSQL's binary form.
//!
//! Integers and texts, which most results are made of, are written here without a detour; all other types' forms are the
//! SQL layer's.

use bytes::BufMut;
use plimsoll_sql::SqlError;
use plimsoll_sql::error::Result;
use plimsoll_sql::session::EvalSettings;
use plimsoll_sql::types::{ColumnType, Datum, Type};
use plimsoll_sql::vector::{Values, VarValues, Vector};

/// Appends a value.
pub(super) fn datum(
    out: &mut Vec<u8>,
    value: &Datum,
    ty: ColumnType,
    format: i16,
    settings: &EvalSettings,
) -> Result<()> {
    match (value, ty.ty) {
        (Datum::Null, _) => out.put_i32(-1),
        (Datum::Int2(value), _) => integer(out, (*value).into(), &value.to_be_bytes(), format),
        (Datum::Int4(value), Type::INT4) => integer(out, (*value).into(), &value.to_be_bytes(), format),
        (Datum::Int8(value), Type::INT8) => integer(out, *value, &value.to_be_bytes(), format),
        (Datum::Bool(value), _) => boolean(out, *value, format),
        (Datum::Text(value), Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN) => {
            bytes(out, value.as_bytes());
        }
        (value, _) => return other(out, value, ty, format, settings),
    }
    Ok(())
}

/// Appends row `number` of a column.
pub(super) fn element(
    out: &mut Vec<u8>,
    column: &Vector,
    number: usize,
    ty: ColumnType,
    format: i16,
    settings: &EvalSettings,
) -> Result<()> {
    if column.nulls.get(number).copied().unwrap_or(false) {
        out.put_i32(-1);
        return Ok(());
    }
    let lacking = || SqlError::internal("a column is shorter than its batch");
    match (&column.values, ty.ty) {
        (Values::Int2(values), _) => {
            let value = values.get(number).ok_or_else(lacking)?;
            integer(out, (*value).into(), &value.to_be_bytes(), format);
        }
        (Values::Int4(values), Type::INT4) => {
            let value = values.get(number).ok_or_else(lacking)?;
            integer(out, (*value).into(), &value.to_be_bytes(), format);
        }
        (Values::Int8(values), Type::INT8) => {
            let value = values.get(number).ok_or_else(lacking)?;
            integer(out, *value, &value.to_be_bytes(), format);
        }
        (Values::Bool(values), _) => boolean(out, *values.get(number).ok_or_else(lacking)?, format),
        (Values::Text(values), Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN) => {
            bytes(out, slice(values, number).ok_or_else(lacking)?);
        }
        _ => return Err(SqlError::unsupported(format!("output of {}", ty.ty.sql_name()))),
    }
    Ok(())
}

fn slice(values: &VarValues, number: usize) -> Option<&[u8]> {
    let (start, end) = (*values.offsets.get(number)?, *values.offsets.get(number + 1)?);
    values.bytes.get(start as usize..end as usize)
}

fn integer(out: &mut Vec<u8>, value: i64, binary: &[u8], format: i16) {
    if format == 1 {
        return bytes(out, binary);
    }
    // Digits from the last to the first.
    let mut text = [0u8; 20];
    let mut rest = value.unsigned_abs();
    let mut length = 0;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        length += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let negative = usize::from(value < 0);
    out.put_i32((length + negative) as i32);
    if negative == 1 {
        out.put_u8(b'-');
    }
    out.put_slice(text.get(text.len() - length..).unwrap_or_default());
}

fn boolean(out: &mut Vec<u8>, value: bool, format: i16) {
    let byte = match (format, value) {
        (1, value) => u8::from(value),
        (_, true) => b't',
        (_, false) => b'f',
    };
    bytes(out, &[byte]);
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

/// Appends a value by the SQL layer's own forms.
fn other(
    out: &mut Vec<u8>,
    value: &Datum,
    ty: ColumnType,
    format: i16,
    settings: &EvalSettings,
) -> Result<()> {
    let _ = (out, value, format, settings);
    Err(SqlError::unsupported(format!("output of {}", ty.ty.sql_name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        integer(&mut out, value, &value.to_be_bytes(), 0);
        out
    }

    #[test]
    fn integers_as_text() {
        assert_eq!(text(0), b"\0\0\0\x010");
        assert_eq!(text(-42), b"\0\0\0\x03-42");
        for value in [1, 9, 10, 12_345, i64::MAX, i64::MIN] {
            let expected = value.to_string();
            let mut with_length = (expected.len() as i32).to_be_bytes().to_vec();
            with_length.extend(expected.as_bytes());
            assert_eq!(text(value), with_length);
        }
    }

    #[test]
    fn integers_as_binary() {
        let mut out = Vec::new();
        integer(&mut out, -2, &(-2i32).to_be_bytes(), 1);
        assert_eq!(&out[..], b"\0\0\0\x04\xff\xff\xff\xfe");
    }
}
