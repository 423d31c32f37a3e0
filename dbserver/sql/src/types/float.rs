//! Text forms of floats: the shortest digits that read back the same (`extra_float_digits` above 0, the default), or
//! as many as that setting says, laid out as PostgreSQL does (an exponent below 1e-4 and from 1e15, or 1e6 for `real`).

use super::Type;
use crate::error::{Result, SqlError, sqlstate};
use std::io::Write;

/// Writes a `float8`.
pub fn write_f64(value: f64, extra_digits: i32, out: &mut Vec<u8>) {
    if !write_special(value, out) {
        if extra_digits > 0 {
            let magnitude = value.abs();
            let ulp = f64::from_bits(magnitude.to_bits().saturating_add(1)) - magnitude;
            let shortest = format!("{value:e}");
            let text = shortest_open(value, ulp, (1u64 << 52) as f64, 16, shortest, |digits| {
                let text = format!("{value:.digits$e}");
                (text.parse() == Ok(value)).then_some(text)
            });
            layout(&text, 15, out);
        } else {
            let digits = 15i32.saturating_add(extra_digits).clamp(1, 17);
            layout(&format!("{value:.*e}", digits.saturating_sub(1) as usize), digits, out);
        }
    }
}

/// Writes a `float4`.
pub fn write_f32(value: f32, extra_digits: i32, out: &mut Vec<u8>) {
    if !write_special(f64::from(value), out) {
        if extra_digits > 0 {
            let magnitude = value.abs();
            let ulp = f64::from(f32::from_bits(magnitude.to_bits().saturating_add(1))) - f64::from(magnitude);
            let shortest = format!("{value:e}");
            let text = shortest_open(f64::from(value), ulp, (1u64 << 23) as f64, 7, shortest, |digits| {
                let text = format!("{value:.digits$e}");
                (text.parse() == Ok(value)).then_some(text)
            });
            layout(&text, 6, out);
        } else {
            let digits = 6i32.saturating_add(extra_digits).clamp(1, 9);
            layout(&format!("{value:.*e}", digits.saturating_sub(1) as usize), digits, out);
        }
    }
}

fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    let text = if value.is_nan() {
        "NaN"
    } else if value == f64::INFINITY {
        "Infinity"
    } else if value == f64::NEG_INFINITY {
        "-Infinity"
    } else if value == 0.0 {
        if value.is_sign_negative() { "-0" } else { "0" }
    } else {
        return false;
    };
    out.extend_from_slice(text.as_bytes());
    true
}

/// PostgreSQL's choice of digits: the fewest that lie strictly nearer to the value than to any other float (Rust also takes
/// the halfway points, which read back right only where ties go to even), and of these the nearest, ties to even.
///
/// `shortest` are Rust's digits; only from `integers` on (where floats are integers) can a halfway point be that short, and
/// only from `digits_min` digits on a value lie between two candidates. `format` gives the value with so many
/// decimals, if that reads back.
fn shortest_open(
    value: f64,
    ulp: f64,
    integers: f64,
    digits_min: usize,
    shortest: String,
    format: impl Fn(usize) -> Option<String>,
) -> String {
    let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
    // Beyond 2^28 times that, no halfway point has few enough digits.
    let large = value.abs() >= integers && value.abs() < integers * (1u64 << 28) as f64;
    if !large && digits < digits_min {
        return shortest;
    }
    let is_halfway = |text: &str| large && halfway(text, value.abs(), ulp);
    for decimals in digits.saturating_sub(1)..digits.saturating_add(3) {
        match format(decimals) {
            Some(text) if !is_halfway(&text) => return text,
            _ if decimals.saturating_add(1) == digits && !is_halfway(&shortest) => return shortest,
            _ => {}
        }
    }
    shortest
}

/// Whether the decimal is exactly between the value and the next float.
fn halfway(text: &str, magnitude: f64, ulp: f64) -> bool {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let decimals = digits.len() as i32 - 1 - exponent.parse::<i32>().unwrap_or(0);
    let Ok(number) = digits.parse::<i128>() else { return false };
    // In quarters, so that the smaller gap below a power of two is whole as well.
    let quarters = match 10i128.checked_pow(decimals.unsigned_abs()) {
        Some(power) if decimals <= 0 => number.checked_mul(power).and_then(|n| n.checked_mul(4)),
        Some(power) => number.checked_mul(4).filter(|n| n % power == 0).map(|n| n / power),
        None => None,
    };
    let Some(quarters) = quarters else { return false };
    let distance = quarters - magnitude as i128 * 4;
    let gap = (ulp * 4.0) as i128;
    let is_power = magnitude.to_bits() & ((1 << 52) - 1) == 0;
    distance * 2 == gap || distance * 2 == -gap || (is_power && distance * 4 == -gap)
}

/// From `d.ddde-n` to the layout of C's `%g` with `precision`.
fn layout(scientific: &str, precision: i32, out: &mut Vec<u8>) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.push(b'-');
            rest
        }
        None => mantissa,
    };
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    let zeroes = |n: i32| std::iter::repeat_n(b'0', n.max(0) as usize);
    if exponent < -4 || exponent >= precision {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, &[]));
        out.extend_from_slice(first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a Vec cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(zeroes(-exponent - 1));
        out.extend_from_slice(&digits);
    } else {
        let integer = exponent as usize + 1;
        match digits.split_at_checked(integer) {
            Some((whole, fraction)) => {
                out.extend_from_slice(whole);
                if !fraction.is_empty() {
                    out.push(b'.');
                    out.extend_from_slice(fraction);
                }
            }
            None => {
                out.extend_from_slice(&digits);
                out.extend(zeroes(integer as i32 - digits.len() as i32));
            }
        }
    }
}

trait Float: std::str::FromStr + Copy {
    fn lost(self, nonzero: bool) -> bool;
}
impl Float for f64 {
    fn lost(self, nonzero: bool) -> bool {
        self.is_infinite() || (nonzero && self == 0.0)
    }
}
impl Float for f32 {
    fn lost(self, nonzero: bool) -> bool {
        self.is_infinite() || (nonzero && self == 0.0)
    }
}

fn parse<F: Float>(text: &str, ty: Type, special: fn(f64) -> F) -> Result<F> {
    let trimmed = super::io::trim(text);
    let syntax = || super::io::invalid_syntax(ty, text);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let sign = if trimmed.starts_with('-') { -1.0 } else { 1.0 };
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return match unsigned.to_ascii_lowercase().as_str() {
            "nan" => Ok(special(f64::NAN)),
            "inf" | "infinity" => Ok(special(f64::INFINITY * sign)),
            _ => Err(syntax()),
        };
    }
    let value: F = trimmed.parse().map_err(|_| syntax())?;
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    if value.lost(mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b))) {
        return Err(SqlError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{trimmed}\" is out of range for type {}", ty.sql_name()),
        ));
    }
    Ok(value)
}

/// Reads a `float8`: 22P02, 22003 (also where a number other than 0 would become 0).
pub fn parse_f64(text: &str) -> Result<f64> {
    parse(text, Type::FLOAT8, |x| x)
}

/// Reads a `float4`.
pub fn parse_f32(text: &str) -> Result<f32> {
    parse(text, Type::FLOAT4, |x| x as f32)
}
