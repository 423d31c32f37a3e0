//! Numeric arithmetic. The result scales follow PostgreSQL's `numeric.c`.

use super::{
    DISPLAY_SCALE_MAX, Numeric, NumericRepr, SIGNIFICANT_DIGITS_MIN, digit_count, pow10, pow10_i128,
};
use crate::error::{Result, SqlError, sqlstate};
use num_bigint::BigInt;
use num_traits::{Signed, Zero};

/// 22012
pub(crate) fn division_by_zero() -> SqlError {
    SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero")
}

/// `a / b` rounded half away from zero; `b` must not be 0.
pub(super) fn div_round(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b;
    let remainder = a - &quotient * b;
    if remainder.abs() * 2u8 >= b.abs() {
        if a.is_negative() == b.is_negative() { quotient + 1 } else { quotient - 1 }
    } else {
        quotient
    }
}

fn div_round_i128(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let remainder = a.checked_rem(b)?;
    if remainder.unsigned_abs() >= b.unsigned_abs().checked_sub(remainder.unsigned_abs())? {
        quotient.checked_add(if (a < 0) == (b < 0) { 1 } else { -1 })
    } else {
        Some(quotient)
    }
}

/// Both coefficients at the larger of the two scales, where they fit.
#[inline]
fn align_small(a: &Numeric, b: &Numeric) -> Option<(i128, i128, u16)> {
    let NumericRepr::Small { coefficient: ca, scale: sa } = a.0 else { return None };
    let NumericRepr::Small { coefficient: cb, scale: sb } = b.0 else { return None };
    let (ca, cb) = (i128::from(ca), i128::from(cb));
    if sa == sb {
        Some((ca, cb, sa))
    } else if sa < sb {
        Some((ca.checked_mul(pow10_i128(u32::from(sb - sa))?)?, cb, sb))
    } else {
        Some((ca, cb.checked_mul(pow10_i128(u32::from(sa - sb))?)?, sa))
    }
}

fn align_big(a: &Numeric, b: &Numeric) -> Option<(BigInt, BigInt, u16)> {
    let ((mut ca, sa), (mut cb, sb)) = (a.big()?, b.big()?);
    if sa < sb {
        ca *= pow10(u32::from(sb - sa));
    } else if sb < sa {
        cb *= pow10(u32::from(sa - sb));
    }
    Some((ca, cb, sa.max(sb)))
}

fn infinity(sign: i32) -> Numeric {
    match sign {
        0 => Numeric::NAN,
        1.. => Numeric::INFINITY,
        _ => Numeric::NEG_INFINITY,
    }
}

impl Numeric {
    /// `self + other`; 22003 over the type's limits.
    pub fn add(&self, other: &Self) -> Result<Self> {
        if let Some((a, b, scale)) = align_small(self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Ok(Self::from_i128(sum, scale));
        }
        match align_big(self, other) {
            Some((a, b, scale)) => Self::from_big_checked(a + b, u32::from(scale)),
            None if self.is_nan() || other.is_nan() => Ok(Self::NAN),
            None if self.is_infinite() && other.is_infinite() => {
                Ok(if self.signum() == other.signum() { self.clone() } else { Self::NAN })
            }
            None => Ok(if self.is_infinite() { self.clone() } else { other.clone() }),
        }
    }
    /// `self - other`; 22003 over the type's limits.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.add(&other.neg())
    }
    /// `self * other`; 22003 over the type's limits.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        if let (
            NumericRepr::Small { coefficient: a, scale: sa },
            NumericRepr::Small { coefficient: b, scale: sb },
        ) = (&self.0, &other.0)
        {
            let scale = u32::from(*sa) + u32::from(*sb);
            if scale <= super::SCALE_MAX {
                return Ok(Self::from_i128(i128::from(*a) * i128::from(*b), scale as u16));
            }
        }
        match (self.big(), other.big()) {
            (Some((a, sa)), Some((b, sb))) => Self::from_big_checked(a * b, u32::from(sa) + u32::from(sb)),
            _ if self.is_nan() || other.is_nan() => Ok(Self::NAN),
            _ => Ok(infinity(self.signum() * other.signum())),
        }
    }
    /// `self / other` to PostgreSQL's scale; 22012.
    pub fn div(&self, other: &Self) -> Result<Self> {
        if self.is_nan() || other.is_nan() {
            return Ok(Self::NAN);
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if !self.is_finite() {
            return Ok(if other.is_finite() { infinity(self.signum() * other.signum()) } else { Self::NAN });
        }
        if !other.is_finite() {
            return Ok(Self::ZERO);
        }
        self.div_scale(other, self.quotient_scale(other))
    }
    /// `self / other` of finite numbers, `other` not 0, rounded to `scale`.
    pub(super) fn div_scale(&self, other: &Self, scale: u16) -> Result<Self> {
        if let (
            NumericRepr::Small { coefficient: a, scale: sa },
            NumericRepr::Small { coefficient: b, scale: sb },
        ) = (&self.0, &other.0)
            && let Some(up) = (u32::from(scale) + u32::from(*sb)).checked_sub(u32::from(*sa))
            && let Some(a) = pow10_i128(up).and_then(|p| p.checked_mul(i128::from(*a)))
            && let Some(quotient) = div_round_i128(a, i128::from(*b))
        {
            return Ok(Self::from_i128(quotient, scale));
        }
        let (Some((a, sa)), Some((b, sb))) = (self.big(), other.big()) else { return Ok(Self::NAN) };
        let up = i64::from(scale) + i64::from(sb) - i64::from(sa);
        let power = pow10(up.unsigned_abs() as u32);
        let quotient = if up >= 0 { div_round(&(a * power), &b) } else { div_round(&a, &(b * power)) };
        Self::from_big_checked(quotient, u32::from(scale))
    }
    /// PostgreSQL's `select_div_scale`.
    fn quotient_scale(&self, other: &Self) -> u16 {
        let (weight_a, first_a) = self.base_10000();
        let (weight_b, first_b) = other.base_10000();
        let mut weight = weight_a - weight_b;
        if first_a <= first_b {
            weight -= 1;
        }
        let scales = self.scale().unwrap_or(0).max(other.scale().unwrap_or(0));
        (SIGNIFICANT_DIGITS_MIN - weight * 4).max(i64::from(scales)).clamp(0, DISPLAY_SCALE_MAX) as u16
    }
    /// The power of 10000 of the first base-10000 digit, and that digit; (0, 0) for 0. PostgreSQL's scales depend on it.
    pub(super) fn base_10000(&self) -> (i64, i64) {
        let (digits, scale, first) = match &self.0 {
            NumericRepr::Small { coefficient: 0, .. } => return (0, 0),
            NumericRepr::Small { coefficient, scale } => {
                let magnitude = coefficient.unsigned_abs();
                let digits = i64::from(magnitude.ilog10()) + 1;
                let leading = magnitude / 10u64.pow((digits - 4).max(0) as u32);
                (digits, *scale, leading as i64 * 10i64.pow((4 - digits).max(0) as u32))
            }
            NumericRepr::Big(b) => {
                let digits = digit_count(&b.0) as i64;
                let leading = b.0.magnitude() / pow10((digits - 4).max(0) as u32).magnitude();
                (digits, b.1, i64::try_from(leading).unwrap_or(0))
            }
            _ => return (0, 0),
        };
        let exponent = digits - 1 - i64::from(scale);
        // `first` has four digits; the base-10000 digit has the first (exponent mod 4) + 1 of them.
        let drop = 3 - exponent.rem_euclid(4);
        (exponent.div_euclid(4), first / 10i64.pow(drop as u32))
    }
    /// `self % other`, with the sign of `self`; 22012.
    pub fn rem(&self, other: &Self) -> Result<Self> {
        if self.is_nan() || other.is_nan() {
            return Ok(Self::NAN);
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if let Some((a, b, scale)) = align_small(self, other)
            && let Some(remainder) = a.checked_rem(b)
        {
            return Ok(Self::from_i128(remainder, scale));
        }
        Ok(match align_big(self, other) {
            Some((a, b, scale)) => Self::from_big(a % b, scale),
            None if self.is_infinite() => Self::NAN,
            None => self.clone(),
        })
    }
    /// The integer quotient, truncated: SQL's `div(a, b)`; 22012.
    pub fn div_trunc(&self, other: &Self) -> Result<Self> {
        if !self.is_finite() || !other.is_finite() || other.is_zero() {
            return self.div(other);
        }
        Ok(match align_big(self, other) {
            Some((a, b, _)) => Self::from_big(a / b, 0),
            None => Self::NAN,
        })
    }
    /// `-self`.
    #[must_use]
    pub fn neg(&self) -> Self {
        match &self.0 {
            NumericRepr::Small { coefficient, scale } => Self::from_i128(-i128::from(*coefficient), *scale),
            NumericRepr::Big(b) => Self::from_big(-b.0.clone(), b.1),
            NumericRepr::NaN => Self::NAN,
            NumericRepr::Infinity => Self::NEG_INFINITY,
            NumericRepr::NegInfinity => Self::INFINITY,
        }
    }
    /// `|self|`.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.signum() < 0 { self.neg() } else { self.clone() }
    }
    /// Rounded half away from zero to `scale` digits after the point; negative: before it.
    #[must_use]
    pub fn round(&self, scale: i32) -> Self {
        self.rescale(scale, true)
    }
    /// Truncated to `scale` digits after the point; negative: before it.
    #[must_use]
    pub fn trunc(&self, scale: i32) -> Self {
        self.rescale(scale, false)
    }
    fn rescale(&self, scale: i32, round: bool) -> Self {
        let Some(now) = self.scale() else { return self.clone() };
        let scale = scale.clamp(-(super::INTEGER_DIGITS_MAX as i32) - 1, super::SCALE_MAX as i32);
        let shown = scale.max(0) as u16;
        let drop = i32::from(now) - scale;
        if drop == 0 {
            return self.clone();
        }
        let power = drop.unsigned_abs();
        if let NumericRepr::Small { coefficient, .. } = self.0
            && let Some(factor) = pow10_i128(power)
        {
            let coefficient = i128::from(coefficient);
            let result = if drop < 0 {
                coefficient.checked_mul(factor)
            } else {
                let kept =
                    if round { div_round_i128(coefficient, factor) } else { coefficient.checked_div(factor) };
                // A negative scale puts zeroes back before the point.
                kept.and_then(|k| pow10_i128((-scale).max(0) as u32)?.checked_mul(k))
            };
            if let Some(result) = result {
                return Self::from_i128(result, shown);
            }
        }
        let Some((coefficient, _)) = self.big() else { return self.clone() };
        // Far beyond the digits there are, nothing is left; don't compute the power for it.
        if drop > 0 && u64::from(power) > digit_count(&coefficient) + 1 {
            return Self::new(0, shown);
        }
        let factor = pow10(power);
        Self::from_big(
            if drop < 0 {
                coefficient * factor
            } else {
                let kept = if round { div_round(&coefficient, &factor) } else { coefficient / factor };
                if scale < 0 { kept * pow10(scale.unsigned_abs()) } else { kept }
            },
            shown,
        )
    }
    /// The least integer that is not less.
    #[must_use]
    pub fn ceil(&self) -> Self {
        let whole = self.trunc(0);
        if self.signum() > 0 && *self > whole {
            whole.add(&Self::new(1, 0)).unwrap_or(Self::NAN)
        } else {
            whole
        }
    }
    /// The greatest integer that is not greater.
    #[must_use]
    pub fn floor(&self) -> Self {
        let whole = self.trunc(0);
        if self.signum() < 0 && *self < whole {
            whole.sub(&Self::new(1, 0)).unwrap_or(Self::NAN)
        } else {
            whole
        }
    }
}

/// A running sum: as fast as integer additions while the numbers are small and of one scale.
#[derive(Clone, Debug, Default)]
pub struct NumericSum {
    small: i128,
    scale: u16,
    big: Option<Box<Numeric>>,
    /// How many -Infinity, Infinity and NaN were added.
    special: [u64; 3],
}

impl NumericSum {
    /// Adds a number; 22003 over the type's limits.
    #[inline]
    pub fn add(&mut self, value: &Numeric) -> Result<()> {
        if let NumericRepr::Small { coefficient, scale } = value.0
            && scale == self.scale
            && let Some(sum) = self.small.checked_add(i128::from(coefficient))
        {
            self.small = sum;
            return Ok(());
        }
        self.add_slow(value)
    }
    fn add_slow(&mut self, value: &Numeric) -> Result<()> {
        let [negative, positive, nan] = &mut self.special;
        let counter = match value.0 {
            NumericRepr::NegInfinity => negative,
            NumericRepr::Infinity => positive,
            NumericRepr::NaN => nan,
            _ => {
                let rest = self.big.take().map_or(Numeric::ZERO, |b| *b);
                let small = Numeric::from_i128(self.small, self.scale);
                let sum = rest.add(&small)?.add(value)?;
                self.small = 0;
                if let NumericRepr::Small { coefficient, scale } = sum.0 {
                    self.small = i128::from(coefficient);
                    self.scale = scale;
                } else {
                    self.scale = sum.scale().unwrap_or(self.scale);
                    self.big = Some(Box::new(sum));
                }
                return Ok(());
            }
        };
        *counter = counter.saturating_add(1);
        Ok(())
    }
    /// Adds an integer.
    pub fn add_i64(&mut self, value: i64) -> Result<()> {
        self.add(&Numeric::new(value, 0))
    }
    /// Takes in another sum.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.add(&Numeric::from_i128(other.small, other.scale))?;
        if let Some(big) = &other.big {
            self.add(big)?;
        }
        self.special.iter_mut().zip(other.special).for_each(|(a, b)| *a = a.saturating_add(b));
        Ok(())
    }
    /// The sum so far.
    pub fn finish(&self) -> Result<Numeric> {
        match self.special.map(|n| n > 0) {
            [_, _, true] | [true, true, _] => Ok(Numeric::NAN),
            [true, _, _] => Ok(Numeric::NEG_INFINITY),
            [_, true, _] => Ok(Numeric::INFINITY),
            _ => {
                let small = Numeric::from_i128(self.small, self.scale);
                self.big.as_ref().map_or(Ok(small.clone()), |b| b.add(&small))
            }
        }
    }
    /// Whether nothing but zeroes was added.
    pub fn is_zero(&self) -> bool {
        self.small.is_zero() && self.big.is_none() && self.special == [0; 3]
    }
}
