//! Square root, exponential, logarithms and powers of numerics.
//!
//! Results are computed in fixed point with guard digits, and rounded to the scale that PostgreSQL's `numeric.c` picks
//! for them (at least 16 significant digits, at least the arguments' scales).

use super::arith::{div_round, division_by_zero};
use super::{
    DISPLAY_SCALE_MAX, INTEGER_DIGITS_MAX, Numeric, SIGNIFICANT_DIGITS_MIN, digit_count, overflow, pow10,
};
use crate::error::{Result, SqlError, sqlstate};
use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

/// Digits computed beyond those that are kept.
const GUARD_DIGITS: u32 = 20;
const LOG10_E: f64 = std::f64::consts::LOG10_E;

fn result_scale(significant: i64, scales: &[Option<u16>]) -> u32 {
    let least = scales.iter().map(|s| i64::from(s.unwrap_or(0))).max().unwrap_or(0);
    significant.max(least).clamp(0, DISPLAY_SCALE_MAX) as u32
}

/// A number in fixed point: `value * 10^digits`, truncated.
fn fixed(value: &Numeric, digits: u32) -> BigInt {
    let Some((coefficient, scale)) = value.big() else { return BigInt::zero() };
    let scale = u32::from(scale);
    match digits.checked_sub(scale) {
        Some(up) => coefficient * pow10(up),
        None => coefficient / pow10(scale.saturating_sub(digits)),
    }
}

fn unfixed(value: &BigInt, digits: u32, scale: u32) -> Result<Numeric> {
    match digits.checked_sub(scale) {
        Some(down) => Numeric::from_big_checked(div_round(value, &pow10(down)), scale),
        None => Numeric::from_big_checked(value * pow10(scale.saturating_sub(digits)), scale),
    }
}

/// 2 * atanh(y) by its series, for |y| well below 1.
fn double_atanh(y: &BigInt, one: &BigInt) -> BigInt {
    let square = y * y / one;
    let (mut term, mut sum, mut n) = (y.clone(), y.clone(), 1u32);
    loop {
        term = term * &square / one;
        n = n.saturating_add(2);
        let part = &term / n;
        if part.is_zero() {
            return sum * 2u8;
        }
        sum += part;
    }
}

/// ln of a positive number, in fixed point.
fn ln_fixed(value: &Numeric, digits: u32) -> BigInt {
    let Some((coefficient, scale)) = value.big() else { return BigInt::zero() };
    // value = m * 10^exponent with m in [0.3, 3.2), except near 1, where m = value.
    let mut exponent = digit_count(&coefficient) as i64 - i64::from(scale);
    let work = digits.saturating_add(GUARD_DIGITS);
    let one = pow10(work);
    let scaled = |exponent: i64| {
        let up = i64::from(work) - i64::from(scale) - exponent;
        let power = pow10(up.unsigned_abs().min(1 << 20) as u32);
        if up >= 0 { &coefficient * power } else { &coefficient / power }
    };
    let mut m = scaled(exponent);
    if &m * 10u8 < &one * 4u8 {
        exponent -= 1;
        m = scaled(exponent);
    }
    // Roots bring it near 1: each doubles the result's error, which the guard digits hold.
    let mut doublings = 0u32;
    while (&m - &one).abs() * 32u8 > one {
        m = (&m * &one).sqrt();
        doublings = doublings.saturating_add(1);
    }
    let y = (&m - &one) * &one / (&m + &one);
    let mut ln = double_atanh(&y, &one) << doublings;
    if exponent != 0 {
        // ln 10 = 3 ln 2 + ln 1.25; ln 2 = 2 atanh(1/3), ln 1.25 = 2 atanh(1/9).
        let third: BigInt = &one / 3u8;
        let ninth: BigInt = &one / 9u8;
        ln += (double_atanh(&third, &one) * 3u8 + double_atanh(&ninth, &one)) * exponent;
    }
    ln / pow10(GUARD_DIGITS)
}

/// exp of a number in fixed point of `digits`, rounded to `scale`; about `weight` digits stand before the point.
fn exp_fixed(value: &BigInt, digits: u32, weight: u32, scale: u32) -> Result<Numeric> {
    let work = scale.saturating_add(weight).saturating_add(GUARD_DIGITS);
    let one = pow10(work);
    let magnitude = value.abs();
    let mut x = match work.checked_sub(digits) {
        Some(up) => magnitude * pow10(up),
        None => magnitude / pow10(digits.saturating_sub(work)),
    };
    let halvings = (x.bits().saturating_sub(one.bits()) as u32).saturating_add(9);
    // More digits for what the squarings lose.
    let extra = pow10(halvings / 3 + 2);
    x = (x * &extra) >> halvings;
    let wide_one = &one * &extra;
    let (mut term, mut sum, mut n) = (wide_one.clone(), wide_one.clone(), 0u32);
    loop {
        n = n.saturating_add(1);
        term = term * &x / (&wide_one * n);
        if term.is_zero() {
            break;
        }
        sum += &term;
    }
    for _ in 0..halvings {
        sum = &sum * &sum / &wide_one;
    }
    if value.is_negative() {
        sum = &wide_one * &wide_one / sum;
    }
    unfixed(&(sum / extra), work, scale)
}

/// PostgreSQL's `estimate_ln_dweight`: the decimal exponent of ln(value), about.
fn ln_weight(value: &Numeric) -> i64 {
    let near = |c: i64| value.cmp(&Numeric::new(c, 1));
    if near(9).is_ge() && near(11).is_le() {
        let Ok(x) = value.sub(&Numeric::new(1, 0)) else { return 0 };
        if x.is_zero() {
            return 0;
        }
        let (weight, first) = x.base_10000();
        return weight * 4 + (first as f64).log10() as i64;
    }
    let Some((coefficient, scale)) = value.big() else { return 0 };
    let digits = digit_count(&coefficient) as i64;
    let drop = (digits - 8).max(0);
    let leading = (coefficient / pow10(drop as u32)).to_f64().unwrap_or(1.0);
    let ln = leading.ln() + (drop - i64::from(scale)) as f64 * std::f64::consts::LN_10;
    ln.abs().log10() as i64
}

fn log_of_nonpositive(value: &Numeric) -> Option<SqlError> {
    let message = match value.signum() {
        _ if value.is_nan() => return None,
        0 => "cannot take logarithm of zero",
        1.. => return None,
        _ => "cannot take logarithm of a negative number",
    };
    Some(SqlError::new(sqlstate::INVALID_ARGUMENT_FOR_LOG, message))
}

impl Numeric {
    /// Square root; 2201F for negative numbers.
    pub fn sqrt(&self) -> Result<Self> {
        if self.signum() < 0 {
            return Err(SqlError::new(
                sqlstate::INVALID_ARGUMENT_FOR_POWER,
                "cannot take square root of a negative number",
            ));
        }
        if !self.is_finite() {
            return Ok(self.clone());
        }
        let (weight, _) = self.base_10000();
        let scale = result_scale(SIGNIFICANT_DIGITS_MIN - ((weight + 1) * 2 - 1), &[self.scale()]);
        // The root of value * 10^(2 * (scale + 1)), truncated, rounds right: its last digit decides.
        let digits = scale.saturating_add(1);
        unfixed(&fixed(self, digits.saturating_mul(2)).sqrt(), digits, scale)
    }
    /// e to the power of it; 22003 when too large.
    pub fn exp(&self) -> Result<Self> {
        if !self.is_finite() {
            return Ok(if self.signum() < 0 { Self::ZERO } else { self.clone() });
        }
        let x = self.to_f64();
        let weight = (x * LOG10_E).clamp(-2000.0, 2000.0);
        let scale = result_scale(SIGNIFICANT_DIGITS_MIN - weight as i64, &[self.scale()]);
        if x.abs() >= 6000.0 {
            return if x > 0.0 { Err(overflow()) } else { Ok(Self::new(0, scale as u16)) };
        }
        let before = (x.max(0.0) * LOG10_E) as u32 + 1;
        let digits = scale.saturating_add(before).saturating_add(GUARD_DIGITS);
        exp_fixed(&fixed(self, digits), digits, before, scale)
    }
    /// Natural logarithm; 2201E for zero and negative numbers.
    pub fn ln(&self) -> Result<Self> {
        if let Some(error) = log_of_nonpositive(self) {
            return Err(error);
        }
        if !self.is_finite() {
            return Ok(self.clone());
        }
        let scale = result_scale(SIGNIFICANT_DIGITS_MIN - ln_weight(self), &[self.scale()]);
        let digits = scale.saturating_add(GUARD_DIGITS);
        unfixed(&ln_fixed(self, digits), digits, scale)
    }
    /// Logarithm to base 10.
    pub fn log10(&self) -> Result<Self> {
        self.log(&Self::new(10, 0))
    }
    /// Logarithm to `base`; 2201E for zero and negative numbers, 22012 for base 1.
    pub fn log(&self, base: &Self) -> Result<Self> {
        if self.is_nan() || base.is_nan() {
            return Ok(Self::NAN);
        }
        if let Some(error) = log_of_nonpositive(base).or_else(|| log_of_nonpositive(self)) {
            return Err(error);
        }
        match (self.is_finite(), base.is_finite()) {
            (true, true) => {}
            (false, true) => return Ok(Self::INFINITY),
            (true, false) => return Ok(Self::ZERO),
            (false, false) => return Ok(Self::NAN),
        }
        let significant = SIGNIFICANT_DIGITS_MIN - (ln_weight(self) - ln_weight(base));
        let scale = result_scale(significant, &[self.scale(), base.scale()]);
        // A base near 1 has a small logarithm: as many digits more.
        let digits = scale
            .saturating_add(GUARD_DIGITS)
            .saturating_add(ln_weight(base).unsigned_abs() as u32)
            .saturating_add(ln_weight(self).unsigned_abs() as u32);
        let divisor = ln_fixed(base, digits);
        if divisor.is_zero() {
            return Err(division_by_zero());
        }
        unfixed(&(ln_fixed(self, digits) * pow10(digits) / divisor), digits, scale)
    }
    /// `self` to the power of `exponent`; 2201F, 22012, 22003.
    pub fn power(&self, exponent: &Self) -> Result<Self> {
        let one = Self::new(1, 0);
        let domain = |message| SqlError::new(sqlstate::INVALID_ARGUMENT_FOR_POWER, message);
        if self.is_nan() || exponent.is_nan() {
            // NaN ^ 0 and 1 ^ NaN are 1.
            let is_one = exponent.is_zero() || (!self.is_nan() && self.cmp(&one).is_eq());
            return Ok(if is_one { one } else { Self::NAN });
        }
        if self.is_zero() && exponent.signum() < 0 {
            return Err(domain("zero raised to a negative power is undefined"));
        }
        let integral = exponent.is_finite() && exponent.trunc(0).cmp(exponent).is_eq();
        if self.signum() < 0 && !integral && exponent.is_finite() {
            return Err(domain("a negative number raised to a non-integer power yields a complex result"));
        }
        if !self.is_finite() || !exponent.is_finite() {
            return Ok(self.power_infinite(exponent));
        }
        if integral
            && let Ok(n) = exponent.to_i64()
            && let Ok(n) = i32::try_from(n)
        {
            return self.power_int(n);
        }
        if self.is_zero() {
            return Ok(Self::new(0, SIGNIFICANT_DIGITS_MIN as u16));
        }
        let odd = integral && !exponent.rem(&Self::new(2, 0))?.is_zero();
        let base = self.abs();
        let result = base.power_real(exponent, None)?;
        Ok(if odd && self.signum() < 0 { result.neg() } else { result })
    }
    fn power_infinite(&self, exponent: &Self) -> Self {
        let one = Self::new(1, 0);
        if exponent.is_zero() || self.cmp(&one).is_eq() {
            return one;
        }
        if exponent.is_infinite() {
            let size = self.abs().cmp(&one);
            return match (size, exponent.signum() > 0) {
                (std::cmp::Ordering::Equal, _) => one,
                (std::cmp::Ordering::Greater, true) | (std::cmp::Ordering::Less, false) => Self::INFINITY,
                _ => Self::ZERO,
            };
        }
        if exponent.signum() < 0 {
            return Self::ZERO;
        }
        let odd = exponent.rem(&Self::new(2, 0)).is_ok_and(|r| r.abs().cmp(&one).is_eq());
        if self.signum() < 0 && odd { Self::NEG_INFINITY } else { Self::INFINITY }
    }
    fn power_int(&self, n: i32) -> Result<Self> {
        let scale = result_scale(SIGNIFICANT_DIGITS_MIN, &[self.scale()]);
        let Some((coefficient, own_scale)) = self.trim_scale().big() else { return Ok(Self::NAN) };
        let count = n.unsigned_abs();
        let digits = digit_count(&coefficient).saturating_mul(u64::from(count));
        let before = digits as i64 - i64::from(own_scale) * i64::from(count);
        if n > 0 && before > INTEGER_DIGITS_MAX as i64 + i64::from(count) && !coefficient.is_zero() {
            return Err(overflow());
        }
        if digits > 20_000 && !(own_scale == 0 && n > 0) {
            let result = self.abs().power_real(&Self::from(i64::from(n)), Some(scale))?;
            return Ok(if n % 2 != 0 && self.signum() < 0 { result.neg() } else { result });
        }
        let power = coefficient.pow(count);
        let places = u32::from(own_scale).saturating_mul(count);
        if n >= 0 {
            unfixed(&power, places, scale)
        } else {
            let up = pow10(scale.saturating_add(places));
            Self::from_big_checked(div_round(&up, &power), scale)
        }
    }
    /// exp(exponent * ln(self)) of a positive number.
    fn power_real(&self, exponent: &Self, scale: Option<u32>) -> Result<Self> {
        let estimate = {
            let ln = ln_fixed(self, 40).to_f64().unwrap_or(0.0) / 1e40;
            exponent.to_f64() * ln
        };
        if estimate.abs() > 2000.0 * 3.01 && scale.is_none() || estimate > 310_000.0 {
            return if estimate > 0.0 { Err(overflow()) } else { Ok(Self::new(0, DISPLAY_SCALE_MAX as u16)) };
        }
        let weight = estimate * LOG10_E;
        let scale = scale.unwrap_or_else(|| {
            result_scale(SIGNIFICANT_DIGITS_MIN - weight as i64, &[self.scale(), exponent.scale()])
        });
        if weight < -f64::from(scale) - 2.0 {
            return Ok(Self::new(0, scale as u16));
        }
        let before = weight.max(0.0) as u32 + 1;
        let digits = scale.saturating_add(before).saturating_add(GUARD_DIGITS);
        // The product's integer digits cost as many of the logarithm's.
        let spare = exponent.digits().map_or(0, |(e, _)| e.max(0)) as u32 + 1;
        let work = digits.saturating_add(spare);
        let product = ln_fixed(self, work) * fixed(exponent, work) / pow10(work);
        exp_fixed(&product, work, before, scale)
    }
}
