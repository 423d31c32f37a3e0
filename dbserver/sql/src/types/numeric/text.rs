//! Numeric's text form and type modifier.

use super::{INTEGER_DIGITS_MAX, Numeric, NumericRepr, SCALE_MAX, digit_count, overflow, pow10};
use crate::error::{Result, SqlError, sqlstate};
use num_bigint::BigInt;
use num_traits::Zero;
use std::fmt::{self, Write};
use std::str::FromStr;

/// Why a text is no numeric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumericParseError {
    /// Not a number.
    Syntax,
    /// Too large.
    Overflow,
}

impl Numeric {
    /// PostgreSQL's `numeric_in` without a modifier: 22P02, 22003.
    pub fn input(text: &str) -> Result<Self> {
        text.parse().map_err(|e| match e {
            NumericParseError::Overflow => overflow(),
            NumericParseError::Syntax => SqlError::new(
                sqlstate::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type numeric: \"{text}\""),
            ),
        })
    }
}

impl FromStr for Numeric {
    type Err = NumericParseError;

    fn from_str(text: &str) -> Result<Self, NumericParseError> {
        use NumericParseError::{Overflow, Syntax};
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return match rest.to_ascii_lowercase().as_str() {
                "nan" if rest.len() == text.len() => Ok(Self::NAN),
                "inf" | "infinity" => Ok(if negative { Self::NEG_INFINITY } else { Self::INFINITY }),
                _ => Err(Syntax),
            };
        }
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            None => (rest, 0i64),
            Some((mantissa, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Syntax);
                }
                (mantissa, exponent.parse::<i32>().map_err(|_| Overflow)?.into())
            }
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if integer.len() + fraction.len() == 0 || !all_digits(integer) || !all_digits(fraction) {
            return Err(Syntax);
        }
        let scale = fraction.len() as i64 - exponent;
        if scale > i64::from(SCALE_MAX) {
            return Err(Overflow);
        }
        let count = integer.len() + fraction.len();
        if count <= 18 && (0..=18).contains(&scale) {
            let digits = integer.bytes().chain(fraction.bytes());
            let value = digits.fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
            return Ok(Self::new(if negative { -value } else { value }, scale as u16));
        }
        let digits: String = integer.chars().chain(fraction.chars()).collect();
        let digits = digits.trim_start_matches('0');
        if digits.len() as i64 - scale > INTEGER_DIGITS_MAX as i64 && !digits.is_empty() {
            return Err(Overflow);
        }
        let mut value = if digits.is_empty() {
            BigInt::zero()
        } else {
            BigInt::parse_bytes(digits.as_bytes(), 10).ok_or(Syntax)?
        };
        if scale < 0 && !value.is_zero() {
            value *= pow10(u32::try_from(-scale).map_err(|_| Overflow)?);
        }
        Ok(Self::from_big(if negative { -value } else { value }, scale.max(0) as u16))
    }
}

fn write_decimal(out: &mut impl Write, negative: bool, digits: &str, scale: usize) -> fmt::Result {
    if negative {
        out.write_char('-')?;
    }
    if scale == 0 {
        return out.write_str(digits);
    }
    match digits.len().checked_sub(scale).filter(|n| *n > 0) {
        Some(point) => {
            let (integer, fraction) = digits.split_at_checked(point).unwrap_or((digits, ""));
            write!(out, "{integer}.{fraction}")
        }
        None => write!(out, "0.{digits:0>scale$}"),
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            NumericRepr::NaN => f.write_str("NaN"),
            NumericRepr::Infinity => f.write_str("Infinity"),
            NumericRepr::NegInfinity => f.write_str("-Infinity"),
            NumericRepr::Small { coefficient, scale: 0 } => write!(f, "{coefficient}"),
            NumericRepr::Small { coefficient, scale } => {
                let digits = coefficient.unsigned_abs().to_string();
                write_decimal(f, *coefficient < 0, &digits, usize::from(*scale))
            }
            NumericRepr::Big(b) => {
                let digits = b.0.magnitude().to_string();
                write_decimal(f, b.0.sign() == num_bigint::Sign::Minus, &digits, usize::from(b.1))
            }
        }
    }
}

/// Precision and scale of a type modifier; the scale may be negative.
pub fn typmod_parts(typmod: i32) -> Option<(i32, i32)> {
    let typmod = typmod.checked_sub(4).filter(|t| *t >= 0)?;
    Some(((typmod >> 16) & 0xffff, ((typmod & 0x7ff) ^ 1024) - 1024))
}

/// Rounds to the modifier's scale; 22003 where the precision does not hold the result.
pub fn apply_typmod(value: Numeric, typmod: i32) -> Result<Numeric> {
    let Some((precision, scale)) = typmod_parts(typmod) else { return Ok(value) };
    let field_overflow = |detail: String| {
        SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").with_detail(detail)
    };
    if value.is_nan() {
        return Ok(value);
    }
    if value.is_infinite() {
        return Err(field_overflow(format!(
            "A field with precision {precision}, scale {scale} cannot hold an infinite value."
        )));
    }
    let rounded = value.round(scale);
    // Digits before the point may be at most precision - scale (which may be negative).
    let digits = match &rounded.0 {
        NumericRepr::Small { coefficient: 0, .. } => None,
        NumericRepr::Small { coefficient, scale } => {
            Some(i64::from(coefficient.unsigned_abs().ilog10()) + 1 - i64::from(*scale))
        }
        NumericRepr::Big(b) => Some(digit_count(&b.0) as i64 - i64::from(b.1)),
        _ => None,
    };
    let digits_max = precision.saturating_sub(scale);
    if digits.is_some_and(|d| d > i64::from(digits_max)) {
        let (prefix, bound) = if digits_max != 0 { ("10^", digits_max) } else { ("", 1) };
        return Err(field_overflow(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {prefix}{bound}."
        )));
    }
    Ok(rounded)
}
