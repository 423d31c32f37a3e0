//! Mathematical functions of floats, numerics and integers, and the numeric operators.

use super::Function;
use super::arithmetic::{overflow, underflow};
use super::kernel::{division_by_zero, functions, out_of_range};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::compare::compare;
use crate::types::{Datum, Numeric, Type};
use std::cmp::Ordering;

fn input_out_of_range() -> SqlError {
    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

/// A result that is infinite only where an argument was.
fn bounded(result: f64, args: &[f64]) -> Result<f64> {
    if result.is_infinite() && args.iter().all(|a| a.is_finite()) { Err(overflow()) } else { Ok(result) }
}

fn power(base: f64, exponent: f64) -> Result<f64> {
    let wrong = |message: &str| SqlError::new(sqlstate::INVALID_ARGUMENT_FOR_POWER, message.to_owned());
    if base == 0.0 && exponent < 0.0 {
        return Err(wrong("zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.is_finite() && exponent.floor() != exponent {
        return Err(wrong("a negative number raised to a non-integer power yields a complex result"));
    }
    let result = base.powf(exponent);
    if result == 0.0 && base != 0.0 && base.is_finite() && exponent.is_finite() {
        return Err(underflow());
    }
    bounded(result, &[base, exponent])
}

fn square_root(a: f64) -> Result<f64> {
    if a < 0.0 {
        return Err(SqlError::new(
            sqlstate::INVALID_ARGUMENT_FOR_POWER,
            "cannot take square root of a negative number",
        ));
    }
    Ok(a.sqrt())
}

fn logarithm(a: f64, of: fn(f64) -> f64) -> Result<f64> {
    let wrong = |message: &str| Err(SqlError::new(sqlstate::INVALID_ARGUMENT_FOR_LOG, message.to_owned()));
    if a == 0.0 {
        return wrong("cannot take logarithm of zero");
    }
    if a < 0.0 {
        return wrong("cannot take logarithm of a negative number");
    }
    Ok(of(a))
}

fn exponential(a: f64) -> Result<f64> {
    let result = a.exp();
    if result == 0.0 && a.is_finite() {
        return Err(underflow());
    }
    bounded(result, &[a])
}

/// Trigonometry of an infinity is an error.
fn finite(a: f64, of: fn(f64) -> f64) -> Result<f64> {
    if a.is_infinite() { Err(input_out_of_range()) } else { bounded(of(a), &[]) }
}

fn unit(a: f64, of: fn(f64) -> f64) -> Result<f64> {
    if (-1.0..=1.0).contains(&a) || a.is_nan() { Ok(of(a)) } else { Err(input_out_of_range()) }
}

fn cotangent(a: f64) -> f64 {
    1.0 / a.tan()
}

/// Sine of degrees, exact at multiples of 30.
fn sine_degrees(a: f64) -> f64 {
    let a = a % 360.0;
    let (sign, a) = if a < 0.0 { (-1.0, -a) } else { (1.0, a) };
    let (sign, a) = if a > 180.0 { (-sign, a - 180.0) } else { (sign, a) };
    let a = if a > 90.0 { 180.0 - a } else { a };
    sign * if a == 30.0 {
        0.5
    } else if a == 90.0 {
        1.0
    } else {
        a.to_radians().sin()
    }
}
fn cosine_degrees(a: f64) -> f64 {
    let a = (a % 360.0).abs();
    let a = if a > 180.0 { 360.0 - a } else { a };
    let (sign, a) = if a > 90.0 { (-1.0, 180.0 - a) } else { (1.0, a) };
    sign * if a == 60.0 {
        0.5
    } else if a == 90.0 {
        0.0
    } else {
        a.to_radians().cos()
    }
}
fn tangent_degrees(a: f64) -> f64 {
    match a % 180.0 {
        0.0 => 0.0,
        45.0 | -135.0 => 1.0,
        -45.0 | 135.0 => -1.0,
        90.0 => f64::INFINITY,
        -90.0 => f64::NEG_INFINITY,
        _ => sine_degrees(a) / cosine_degrees(a),
    }
}
/// Inverse functions in degrees, by what is exact: asin 0.5 is 30, acos 0.5 is 60, atan 1 is 45.
fn arc_sine_degrees(a: f64) -> f64 {
    let first_quadrant = |a: f64| {
        if a <= 0.5 { a.asin() / 0.5f64.asin() * 30.0 } else { 90.0 - a.acos() / 0.5f64.acos() * 60.0 }
    };
    if a < 0.0 { -first_quadrant(-a) } else { first_quadrant(a) }
}
fn arc_cosine_degrees(a: f64) -> f64 {
    if a < 0.0 {
        90.0 + arc_sine_degrees(-a)
    } else if a <= 0.5 {
        90.0 - arc_sine_degrees(a)
    } else {
        a.acos() / 0.5f64.acos() * 60.0
    }
}
fn arc_tangent_degrees(a: f64) -> f64 {
    a / 1f64.atan() * 45.0
}

/// Euclid's algorithm on magnitudes; `None` where the result does not fit.
fn gcd(a: i64, b: i64) -> Option<i64> {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i64::try_from(a).ok()
}

fn lcm(a: i64, b: i64) -> Option<i64> {
    if a == 0 || b == 0 {
        return Some(0);
    }
    (a / gcd(a, b)?).checked_mul(b)?.checked_abs()
}

fn narrow(value: Option<i64>) -> Result<i32> {
    value.and_then(|v| i32::try_from(v).ok()).ok_or_else(|| out_of_range("integer"))
}

fn numeric_gcd(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    if !a.is_finite() || !b.is_finite() {
        return Ok(Numeric::NAN);
    }
    let scale = i32::from(a.scale().unwrap_or(0).max(b.scale().unwrap_or(0)));
    let (mut a, mut b) = (a.abs(), b.abs());
    while !b.is_zero() {
        (a, b) = (b.clone(), a.rem(&b)?);
    }
    Ok(a.round(scale))
}

fn numeric_lcm(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    let divisor = numeric_gcd(a, b)?;
    let scale = i32::from(a.scale().unwrap_or(0).max(b.scale().unwrap_or(0)));
    if divisor.is_zero() || a.is_zero() || b.is_zero() {
        return Ok(Numeric::ZERO.round(scale));
    }
    if divisor.is_nan() {
        return Ok(divisor);
    }
    Ok(a.div_trunc(&divisor)?.mul(b)?.abs().round(scale))
}

fn factorial(n: i64) -> Result<Numeric> {
    if n < 0 {
        return Err(SqlError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            "factorial of a negative number is undefined",
        ));
    }
    if n > 32_177 {
        return Err(SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format"));
    }
    (2..=n).try_fold(Numeric::from(1i64), |product, i| product.mul(&Numeric::from(i)))
}

fn bucket_error(message: &str) -> SqlError {
    SqlError::new("2201G", message.to_owned())
}

/// The bucket of `value` among `count` equal ones from `low` to `high`.
fn width_bucket(value: f64, low: f64, high: f64, count: i32) -> Result<i32> {
    if count <= 0 {
        return Err(bucket_error("count must be greater than zero"));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    let over = || count.checked_add(1).ok_or_else(|| out_of_range("integer"));
    let inside = |from: f64, to: f64, at: f64| {
        let bucket = (f64::from(count) * ((at - from) / (to - from))).floor() as i32;
        bucket.min(count.saturating_sub(1)).saturating_add(1)
    };
    match low.partial_cmp(&high) {
        Some(Ordering::Less) if value < low => Ok(0),
        Some(Ordering::Less) if value >= high => over(),
        Some(Ordering::Less) => Ok(inside(low, high, value)),
        Some(Ordering::Greater) if value > low => Ok(0),
        Some(Ordering::Greater) if value <= high => over(),
        Some(Ordering::Greater) => Ok(inside(low, high, value)),
        _ => Err(bucket_error("lower bound cannot equal upper bound")),
    }
}

fn numeric_width_bucket(value: &Numeric, low: &Numeric, high: &Numeric, count: i32) -> Result<i32> {
    if count <= 0 {
        return Err(bucket_error("count must be greater than zero"));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if !low.is_finite() || !high.is_finite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    let over = || count.checked_add(1).ok_or_else(|| out_of_range("integer"));
    let order = low.cmp(high);
    if order.is_eq() {
        return Err(bucket_error("lower bound cannot equal upper bound"));
    }
    if value.cmp(low) == order {
        return Ok(0);
    }
    if value.cmp(high) != order {
        return over();
    }
    let part = value.sub(low)?.mul(&Numeric::from(i64::from(count)))?.div_trunc(&high.sub(low)?)?;
    let bucket = i32::try_from(part.to_i64()?).unwrap_or(i32::MAX);
    Ok(bucket.min(count.saturating_sub(1)).saturating_add(1))
}

/// How many of the sorted `thresholds` are not above `value`.
fn threshold_bucket(value: &Datum, thresholds: &crate::types::Array) -> Result<i32> {
    if thresholds.dims.len() > 1 {
        return Err(SqlError::new(
            sqlstate::ARRAY_SUBSCRIPT_ERROR,
            "thresholds must be one-dimensional array",
        ));
    }
    if thresholds.values.iter().any(Datum::is_null) {
        return Err(SqlError::new(
            sqlstate::NULL_VALUE_NOT_ALLOWED,
            "thresholds array must not contain NULLs",
        ));
    }
    let bucket = thresholds.values.partition_point(|t| compare(t, value).is_le());
    Ok(i32::try_from(bucket).unwrap_or(i32::MAX))
}

fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else {
        // NaN too, as in PostgreSQL.
        0.0
    }
}

functions! { MATH:
    1395 abs(a: FLOAT8) -> FLOAT8 |_| { a.abs() }
    1394 abs(a: FLOAT4) -> FLOAT4 |_| { a.abs() }
    1396 abs(a: INT8) -> INT8 |_| { a.checked_abs().ok_or_else(|| out_of_range("bigint"))? }
    1397 abs(a: INT4) -> INT4 |_| { a.checked_abs().ok_or_else(|| out_of_range("integer"))? }
    1398 abs(a: INT2) -> INT2 |_| { a.checked_abs().ok_or_else(|| out_of_range("smallint"))? }
    1705 abs(a: NUMERIC) -> NUMERIC |_| { a.abs() }
    1601 acos(a: FLOAT8) -> FLOAT8 |_| { unit(a, f64::acos)? }
    1600 asin(a: FLOAT8) -> FLOAT8 |_| { unit(a, f64::asin)? }
    2732 acosd(a: FLOAT8) -> FLOAT8 |_| { unit(a, arc_cosine_degrees)? }
    2731 asind(a: FLOAT8) -> FLOAT8 |_| { unit(a, arc_sine_degrees)? }
    2466 acosh(a: FLOAT8) -> FLOAT8 |_| { if a < 1.0 { return Err(input_out_of_range()); } a.acosh() }
    2465 asinh(a: FLOAT8) -> FLOAT8 |_| { a.asinh() }
    2467 atanh(a: FLOAT8) -> FLOAT8 |_| { if !(-1.0..=1.0).contains(&a) && !a.is_nan() { return Err(input_out_of_range()); } a.atanh() }
    1602 atan(a: FLOAT8) -> FLOAT8 |_| { a.atan() }
    2734 atan2d(a: FLOAT8, b: FLOAT8) -> FLOAT8 |_| { arc_tangent_degrees(a.atan2(b)) }
    2733 atand(a: FLOAT8) -> FLOAT8 |_| { arc_tangent_degrees(a.atan()) }
    1603 atan2(a: FLOAT8, b: FLOAT8) -> FLOAT8 |_| { a.atan2(b) }
    1605 cos(a: FLOAT8) -> FLOAT8 |_| { finite(a, f64::cos)? }
    1604 sin(a: FLOAT8) -> FLOAT8 |_| { finite(a, f64::sin)? }
    1606 tan(a: FLOAT8) -> FLOAT8 |_| { finite(a, f64::tan)? }
    1607 cot(a: FLOAT8) -> FLOAT8 |_| { if a.is_infinite() { return Err(input_out_of_range()); } cotangent(a) }
    2736 cosd(a: FLOAT8) -> FLOAT8 |_| { finite(a, cosine_degrees)? }
    2735 sind(a: FLOAT8) -> FLOAT8 |_| { finite(a, sine_degrees)? }
    2737 tand(a: FLOAT8) -> FLOAT8 |_| { if a.is_infinite() { return Err(input_out_of_range()); } tangent_degrees(a) }
    2463 cosh(a: FLOAT8) -> FLOAT8 |_| { a.cosh() }
    2462 sinh(a: FLOAT8) -> FLOAT8 |_| { a.sinh() }
    2464 tanh(a: FLOAT8) -> FLOAT8 |_| { a.tanh() }
    1345 cbrt(a: FLOAT8) -> FLOAT8 |_| { a.cbrt() }
    231 dcbrt(a: FLOAT8) -> FLOAT8 |_| { a.cbrt() }
    2308 ceil(a: FLOAT8) -> FLOAT8 |_| { a.ceil() }
    2320 ceiling(a: FLOAT8) -> FLOAT8 |_| { a.ceil() }
    2309 floor(a: FLOAT8) -> FLOAT8 |_| { a.floor() }
    1342 round(a: FLOAT8) -> FLOAT8 |_| { a.round_ties_even() }
    1343 trunc(a: FLOAT8) -> FLOAT8 |_| { a.trunc() }
    2310 sign(a: FLOAT8) -> FLOAT8 |_| { sign(a) }
    1344 sqrt(a: FLOAT8) -> FLOAT8 |_| { square_root(a)? }
    230 dsqrt(a: FLOAT8) -> FLOAT8 |_| { square_root(a)? }
    232 dpow(a: FLOAT8, b: FLOAT8) -> FLOAT8 |_| { power(a, b)? }
    1346 pow(a: FLOAT8, b: FLOAT8) -> FLOAT8 |_| { power(a, b)? }
    1368 power(a: FLOAT8, b: FLOAT8) -> FLOAT8 |_| { power(a, b)? }
    1347 exp(a: FLOAT8) -> FLOAT8 |_| { exponential(a)? }
    1341 ln(a: FLOAT8) -> FLOAT8 |_| { logarithm(a, f64::ln)? }
    1340 log(a: FLOAT8) -> FLOAT8 |_| { logarithm(a, f64::log10)? }
    1194 log10(a: FLOAT8) -> FLOAT8 |_| { logarithm(a, f64::log10)? }
    1608 degrees(a: FLOAT8) -> FLOAT8 |_| { bounded(a / (std::f64::consts::PI / 180.0), &[a])? }
    1609 radians(a: FLOAT8) -> FLOAT8 |_| { a * (std::f64::consts::PI / 180.0) }
    1610 pi() -> FLOAT8 |_| { std::f64::consts::PI }
    1598 random() -> FLOAT8 [volatile] |_| { rand::random::<f64>() }
    5044 gcd(a: INT4, b: INT4) -> INT4 |_| { narrow(gcd(a.into(), b.into()))? }
    5045 gcd(a: INT8, b: INT8) -> INT8 |_| { gcd(a, b).ok_or_else(|| out_of_range("bigint"))? }
    5046 lcm(a: INT4, b: INT4) -> INT4 |_| { narrow(lcm(a.into(), b.into()))? }
    5047 lcm(a: INT8, b: INT8) -> INT8 |_| { lcm(a, b).ok_or_else(|| out_of_range("bigint"))? }
    1376 factorial(n: INT8) -> NUMERIC |_| { factorial(n)? }
    320 width_bucket(a: FLOAT8, low: FLOAT8, high: FLOAT8, n: INT4) -> INT4 |_| { width_bucket(a, low, high, n)? }
    2170 width_bucket(a: NUMERIC, low: NUMERIC, high: NUMERIC, n: INT4) -> INT4 |_| { numeric_width_bucket(a, low, high, n)? }
    3218 width_bucket(a: ANYCOMPATIBLE, t: ANYCOMPATIBLEARRAY) -> INT4 |_| { threshold_bucket(a, t)? }
}

functions! { NUMERICS:
    1724 numeric_add(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.add(b)? }
    1725 numeric_sub(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.sub(b)? }
    1726 numeric_mul(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.mul(b)? }
    1727 numeric_div(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.div(b)? }
    1729 numeric_mod(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.rem(b)? }
    1728 mod(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.rem(b)? }
    1973 div(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { if b.is_zero() && !a.is_nan() { return Err(division_by_zero()); } a.div_trunc(b)? }
    1771 numeric_uminus(a: NUMERIC) -> NUMERIC |_| { a.neg() }
    1915 numeric_uplus(a: NUMERIC) -> NUMERIC |_| { a.clone() }
    1704 numeric_abs(a: NUMERIC) -> NUMERIC |_| { a.abs() }
    1711 ceil(a: NUMERIC) -> NUMERIC |_| { a.ceil() }
    2167 ceiling(a: NUMERIC) -> NUMERIC |_| { a.ceil() }
    1712 floor(a: NUMERIC) -> NUMERIC |_| { a.floor() }
    1707 round(a: NUMERIC, n: INT4) -> NUMERIC |_| { a.round(n) }
    1708 round(a: NUMERIC) -> NUMERIC |_| { a.round(0) }
    1709 trunc(a: NUMERIC, n: INT4) -> NUMERIC |_| { a.trunc(n) }
    1710 trunc(a: NUMERIC) -> NUMERIC |_| { a.trunc(0) }
    1706 sign(a: NUMERIC) -> NUMERIC |_| { if a.is_nan() { a.clone() } else { Numeric::from(i64::from(a.signum())) } }
    1730 sqrt(a: NUMERIC) -> NUMERIC |_| { a.sqrt()? }
    1731 numeric_sqrt(a: NUMERIC) -> NUMERIC |_| { a.sqrt()? }
    1732 exp(a: NUMERIC) -> NUMERIC |_| { a.exp()? }
    1733 numeric_exp(a: NUMERIC) -> NUMERIC |_| { a.exp()? }
    1734 ln(a: NUMERIC) -> NUMERIC |_| { a.ln()? }
    1735 numeric_ln(a: NUMERIC) -> NUMERIC |_| { a.ln()? }
    1736 log(base: NUMERIC, a: NUMERIC) -> NUMERIC |_| { a.log(base)? }
    1737 numeric_log(base: NUMERIC, a: NUMERIC) -> NUMERIC |_| { a.log(base)? }
    1741 log(a: NUMERIC) -> NUMERIC |_| { a.log(&Numeric::from(10i64))? }
    1481 log10(a: NUMERIC) -> NUMERIC |_| { a.log(&Numeric::from(10i64))? }
    1738 pow(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.power(b)? }
    2169 power(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.power(b)? }
    1739 numeric_power(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { a.power(b)? }
    3281 scale(a: NUMERIC) -> INT4 |_| { a.scale().map(i32::from) }
    5042 min_scale(a: NUMERIC) -> INT4 |_| { a.min_scale().map(i32::from) }
    5043 trim_scale(a: NUMERIC) -> NUMERIC |_| { a.trim_scale() }
    5048 gcd(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { numeric_gcd(a, b)? }
    5049 lcm(a: NUMERIC, b: NUMERIC) -> NUMERIC |_| { numeric_lcm(a, b)? }
}

fn setseed(_: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    Err(SqlError::unsupported("setseed()"))
}

/// Declared so that it is named when refused.
pub(super) static SEED: &[Function] =
    &[Function::scalar(1599, "setseed", &[Type::FLOAT8], Type::VOID, setseed).volatile()];
