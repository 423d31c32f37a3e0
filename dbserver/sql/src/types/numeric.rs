//! PostgreSQL's `numeric`: a decimal coefficient with a display scale that is kept, NaN and the infinities.
//!
//! A coefficient that fits an `i64` is held inline, any other as a `BigInt`; so two equal numbers of one scale have
//! one representation. The result scales are PostgreSQL's (`numeric.c`: `select_div_scale` and friends), for they show.
//!
//! - `text`: input and output, the type modifier
//! - `arith`: + - * / %, rounding, sums
//! - `math`: sqrt, exp, ln, log, power

mod arith;
mod math;
mod text;

pub use arith::NumericSum;
pub use text::{apply_typmod, typmod_parts};

use super::compare::{hash_bytes, hash_int};
use super::datum::NumericRepr;
use super::{Datum, Numeric};
use crate::error::{Result, SqlError, sqlstate};
use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};
use std::cmp::Ordering;

/// Most digits after the point of a value.
pub const SCALE_MAX: u32 = 16383;
/// Most digits before the point of a value.
pub const INTEGER_DIGITS_MAX: u64 = 131_072;
/// Most digits after the point that division and the mathematical functions give.
const DISPLAY_SCALE_MAX: i64 = 1000;
/// Significant digits that division and the mathematical functions give at least.
const SIGNIFICANT_DIGITS_MIN: i64 = 16;

/// 22003
pub(crate) fn overflow() -> SqlError {
    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

/// 10^n.
pub(crate) fn pow10(n: u32) -> BigInt {
    BigInt::from(10u8).pow(n)
}

/// 10^n where it fits.
#[inline]
pub(crate) fn pow10_i128(n: u32) -> Option<i128> {
    10i128.checked_pow(n)
}

/// Decimal digits of |value|; 0 for 0.
pub(crate) fn digit_count(value: &BigInt) -> u64 {
    if value.is_zero() {
        return 0;
    }
    if let Some(small) = value.magnitude().to_u128() {
        return u64::from(small.ilog10()) + 1;
    }
    // log10(2) is 0.30103: the estimate is at most one off.
    let estimate = (value.bits() as f64 * std::f64::consts::LOG10_2).floor() as u32;
    let reaches = |n: u32| *value.magnitude() >= *pow10(n).magnitude();
    let mut digits = estimate.saturating_sub(1);
    while reaches(digits) {
        digits = digits.saturating_add(1);
    }
    u64::from(digits)
}

impl Default for Numeric {
    fn default() -> Self {
        Self(NumericRepr::Small { coefficient: 0, scale: 0 })
    }
}

impl Numeric {
    /// Not a number.
    pub const NAN: Numeric = Numeric(NumericRepr::NaN);
    /// Infinity.
    pub const INFINITY: Numeric = Numeric(NumericRepr::Infinity);
    /// -Infinity.
    pub const NEG_INFINITY: Numeric = Numeric(NumericRepr::NegInfinity);
    /// 0.
    pub const ZERO: Numeric = Numeric(NumericRepr::Small { coefficient: 0, scale: 0 });

    /// `coefficient * 10^-scale`.
    #[inline]
    pub fn new(coefficient: i64, scale: u16) -> Self {
        Self(NumericRepr::Small { coefficient, scale })
    }
    /// `coefficient * 10^-scale`.
    #[inline]
    pub fn from_i128(coefficient: i128, scale: u16) -> Self {
        match i64::try_from(coefficient) {
            Ok(coefficient) => Self::new(coefficient, scale),
            Err(_) => Self(NumericRepr::Big(Box::new((BigInt::from(coefficient), scale)))),
        }
    }
    /// `coefficient * 10^-scale`; the size is not checked.
    pub(crate) fn from_big(coefficient: BigInt, scale: u16) -> Self {
        match coefficient.to_i64() {
            Some(coefficient) => Self::new(coefficient, scale),
            None => Self(NumericRepr::Big(Box::new((coefficient, scale)))),
        }
    }
    /// `coefficient * 10^-scale`; 22003 over the type's limits. A scale over the limit is rounded to it.
    pub(crate) fn from_big_checked(coefficient: BigInt, scale: u32) -> Result<Self> {
        let (coefficient, scale) = if scale > SCALE_MAX {
            (arith::div_round(&coefficient, &pow10(scale.saturating_sub(SCALE_MAX))), SCALE_MAX)
        } else {
            (coefficient, scale)
        };
        if coefficient.bits() > 400_000
            && digit_count(&coefficient).saturating_sub(u64::from(scale)) > INTEGER_DIGITS_MAX
        {
            return Err(overflow());
        }
        Ok(Self::from_big(coefficient, u16::try_from(scale).unwrap_or(u16::MAX)))
    }
    /// A float's value to 15 significant digits, as PostgreSQL's `float8_numeric`.
    pub fn from_f64(value: f64) -> Self {
        Self::from_float(value, 14)
    }
    /// A float's value to 6 significant digits, as PostgreSQL's `float4_numeric`.
    pub fn from_f32(value: f32) -> Self {
        Self::from_float(f64::from(value), 5)
    }
    fn from_float(value: f64, decimals: usize) -> Self {
        if value.is_nan() {
            return Self::NAN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Self::INFINITY } else { Self::NEG_INFINITY };
        }
        let text = format!("{value:.decimals$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        format!("{mantissa}e{exponent}").parse().unwrap_or(Self::NAN)
    }
    /// As a float, correctly rounded; infinite when too large.
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            NumericRepr::NaN => f64::NAN,
            NumericRepr::Infinity => f64::INFINITY,
            NumericRepr::NegInfinity => f64::NEG_INFINITY,
            NumericRepr::Small { coefficient, scale }
                if *scale <= 22 && coefficient.unsigned_abs() < (1 << 53) =>
            {
                *coefficient as f64 / 10f64.powi(i32::from(*scale))
            }
            _ => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }
    /// As an integer, rounded half away from zero; 22003 (`bigint out of range`) outside, 0A000 for NaN and infinities.
    pub fn to_i64(&self) -> Result<i64> {
        self.to_integer("bigint")
    }
    /// As an integer type called `name`.
    pub(crate) fn to_integer(&self, name: &str) -> Result<i64> {
        let cannot =
            |what| SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to {name}"));
        let out_of_range =
            || SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range"));
        match &self.0 {
            NumericRepr::NaN => Err(cannot("NaN")),
            NumericRepr::Infinity | NumericRepr::NegInfinity => Err(cannot("infinity")),
            NumericRepr::Small { coefficient, scale: 0 } => Ok(*coefficient),
            _ => match self.round(0).0 {
                NumericRepr::Small { coefficient, .. } => Ok(coefficient),
                _ => Err(out_of_range()),
            },
        }
    }
    /// Whether it is NaN.
    pub fn is_nan(&self) -> bool {
        matches!(self.0, NumericRepr::NaN)
    }
    /// Whether it is one of the infinities.
    pub fn is_infinite(&self) -> bool {
        matches!(self.0, NumericRepr::Infinity | NumericRepr::NegInfinity)
    }
    /// Whether it is neither NaN nor infinite.
    pub fn is_finite(&self) -> bool {
        matches!(self.0, NumericRepr::Small { .. } | NumericRepr::Big(_))
    }
    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        matches!(self.0, NumericRepr::Small { coefficient: 0, .. })
    }
    /// -1, 0 or 1; 0 for NaN.
    pub fn signum(&self) -> i32 {
        match &self.0 {
            NumericRepr::Small { coefficient, .. } => coefficient.signum() as i32,
            NumericRepr::Big(b) => {
                if b.0.is_negative() {
                    -1
                } else {
                    1
                }
            }
            NumericRepr::NaN => 0,
            NumericRepr::Infinity => 1,
            NumericRepr::NegInfinity => -1,
        }
    }
    /// Digits after the point that it shows; none for NaN and infinities.
    pub fn scale(&self) -> Option<u16> {
        match &self.0 {
            NumericRepr::Small { scale, .. } => Some(*scale),
            NumericRepr::Big(b) => Some(b.1),
            _ => None,
        }
    }
    /// Without trailing zeroes after the point: SQL's `trim_scale`.
    #[must_use]
    pub fn trim_scale(&self) -> Self {
        let Some(scale) = self.scale() else { return self.clone() };
        let min = self.min_scale().unwrap_or(scale);
        self.round(i32::from(min))
    }
    /// The fewest digits after the point that lose nothing: SQL's `min_scale`.
    pub fn min_scale(&self) -> Option<u16> {
        let scale = self.scale()?;
        if self.is_zero() {
            return Some(0);
        }
        let digits = self.big().map(|(c, _)| c.magnitude().to_string())?;
        let zeroes = digits.len().saturating_sub(digits.trim_end_matches('0').len());
        Some(scale.saturating_sub(u16::try_from(zeroes).unwrap_or(u16::MAX)))
    }
    /// Coefficient and scale; none for NaN and infinities.
    pub(crate) fn big(&self) -> Option<(BigInt, u16)> {
        match &self.0 {
            NumericRepr::Small { coefficient, scale } => Some((BigInt::from(*coefficient), *scale)),
            NumericRepr::Big(b) => Some((b.0.clone(), b.1)),
            _ => None,
        }
    }
    /// Bytes held outside the value itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            NumericRepr::Big(b) => size_of::<(BigInt, u16)>() + (b.0.bits() / 8) as usize,
            _ => 0,
        }
    }
    /// A hash that equal numbers of any scale share.
    pub fn hash64(&self) -> u64 {
        fn small(mut coefficient: i64, scale: i64) -> u64 {
            if coefficient == 0 {
                return hash_int(0);
            }
            let mut exponent = -scale;
            while coefficient % 10 == 0 {
                coefficient /= 10;
                exponent += 1;
            }
            hash_int(coefficient as u64 ^ hash_int(exponent as u64))
        }
        match &self.0 {
            NumericRepr::Small { coefficient, scale } => small(*coefficient, i64::from(*scale)),
            NumericRepr::Big(b) => {
                let digits = b.0.to_string();
                let stripped = digits.trim_end_matches('0');
                let exponent = digits.len().saturating_sub(stripped.len()) as i64 - i64::from(b.1);
                match stripped.parse() {
                    Ok(coefficient) => small(coefficient, -exponent),
                    Err(_) => hash_int(hash_bytes(stripped.as_bytes()) ^ hash_int(exponent as u64)),
                }
            }
            NumericRepr::NaN => 1,
            NumericRepr::Infinity => 2,
            NumericRepr::NegInfinity => 3,
        }
    }
    /// The exponent of the first digit (0 for 5, 2 for 123, -1 for 0.1) and the digits without leading and trailing
    /// zeroes; none for 0, NaN and infinities.
    pub(crate) fn digits(&self) -> Option<(i64, String)> {
        let (coefficient, scale) = self.big()?;
        if coefficient.is_zero() {
            return None;
        }
        let digits = coefficient.magnitude().to_string();
        let exponent = digits.len() as i64 - 1 - i64::from(scale);
        Some((exponent, digits.trim_end_matches('0').to_owned()))
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Self::new(value, 0)
    }
}

impl From<i32> for Numeric {
    fn from(value: i32) -> Self {
        Self::new(i64::from(value), 0)
    }
}

impl From<Numeric> for Datum {
    fn from(value: Numeric) -> Self {
        Datum::Numeric(value)
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value: -Infinity, numbers, Infinity, NaN. Unlike `==`, which also compares scales.
impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        fn class(n: &Numeric) -> i8 {
            match n.0 {
                NumericRepr::NegInfinity => -1,
                NumericRepr::Infinity => 1,
                NumericRepr::NaN => 2,
                _ => 0,
            }
        }
        if let (
            NumericRepr::Small { coefficient: a, scale: sa },
            NumericRepr::Small { coefficient: b, scale: sb },
        ) = (&self.0, &other.0)
        {
            if sa == sb {
                return a.cmp(b);
            }
            let scaled = |c: i64, up: u16| pow10_i128(u32::from(up))?.checked_mul(i128::from(c));
            let pair = if sa < sb {
                (scaled(*a, sb.saturating_sub(*sa)), Some(i128::from(*b)))
            } else {
                (Some(i128::from(*a)), scaled(*b, sa.saturating_sub(*sb)))
            };
            if let (Some(a), Some(b)) = pair {
                return a.cmp(&b);
            }
        }
        let (Some((a, sa)), Some((b, sb))) = (self.big(), other.big()) else {
            return class(self).cmp(&class(other));
        };
        let rank = |s: Sign| match s {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        };
        rank(a.sign()).cmp(&rank(b.sign())).then_with(|| match sa.cmp(&sb) {
            Ordering::Equal => a.cmp(&b),
            Ordering::Less => (a * pow10(u32::from(sb.saturating_sub(sa)))).cmp(&b),
            Ordering::Greater => a.cmp(&(b * pow10(u32::from(sa.saturating_sub(sb))))),
        })
    }
}

#[cfg(test)]
mod tests;
