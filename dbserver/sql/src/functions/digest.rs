//! MD5 (RFC 1321), hexadecimal and Base64 (RFC 4648) text.

use super::kernel::invalid_parameter;
use crate::error::{Result, SqlError};

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// The bytes of hexadecimal text; white space between digit pairs is skipped.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u32> = None;
    for c in text.chars() {
        if high.is_none() && c.is_ascii_whitespace() {
            continue;
        }
        let digit =
            c.to_digit(16).ok_or_else(|| invalid_parameter(format!("invalid hexadecimal digit: \"{c}\"")))?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.push((high * 16 + digit) as u8),
        }
    }
    if high.is_some() {
        return Err(invalid_parameter("invalid hexadecimal data: odd number of digits"));
    }
    Ok(out)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as Base64, broken after every 76 characters as PostgreSQL does.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    let mut line = 0;
    for chunk in bytes.chunks(3) {
        if line == 76 {
            out.push('\n');
            line = 0;
        }
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4u32 {
            if i as usize > chunk.len() {
                out.push('=');
            } else {
                let index = (word >> (18 - 6 * i)) & 63;
                out.push(BASE64.get(index as usize).map_or('=', |b| char::from(*b)));
            }
        }
        line += 4;
    }
    out
}

/// The bytes of Base64 text; white space is skipped.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>> {
    let end = || -> SqlError {
        invalid_parameter("invalid base64 end sequence")
            .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut digits, mut padding) = (0u32, 0u32, 0u32);
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        let value = if c == '=' {
            if padding == 0 && digits < 2 {
                return Err(invalid_parameter("unexpected \"=\" while decoding base64 sequence"));
            }
            padding += 1;
            0
        } else {
            let found = BASE64.iter().position(|b| char::from(*b) == c).filter(|_| padding == 0);
            found.ok_or_else(|| {
                invalid_parameter(format!("invalid symbol \"{c}\" found while decoding base64 sequence"))
            })? as u32
        };
        word = word << 6 | value;
        digits += 1;
        if digits == 4 {
            if padding > 2 {
                return Err(end());
            }
            let bytes = [(word >> 16) as u8, (word >> 8) as u8, word as u8];
            out.extend(bytes.iter().take(3 - padding as usize));
            (word, digits) = (0, 0);
        }
    }
    if digits != 0 {
        return Err(end());
    }
    Ok(out)
}

/// The first `count` primes.
fn primes(count: usize) -> impl Iterator<Item = f64> {
    (2u32..).filter(|n| (2..*n).all(|d| n % d != 0)).take(count).map(f64::from)
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    // The constants are the first 32 bits of the fractions of square and cube roots of primes.
    let fraction = |root: f64| (root.fract() * 4_294_967_296.0) as u32;
    let constants: Vec<u32> = primes(64).map(|p| fraction(p.cbrt())).collect();
    let mut state: Vec<u32> = primes(8).map(|p| fraction(p.sqrt())).collect();
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&(bytes.len() as u64).wrapping_mul(8).to_be_bytes());
    for block in message.chunks(64) {
        let mut words: Vec<u32> =
            block.chunks(4).map(|w| w.iter().fold(0, |word, b| word << 8 | u32::from(*b))).collect();
        for i in 16..64usize {
            let word = |back: usize| words.get(i - back).copied().unwrap_or(0);
            let (a, b) = (word(15), word(2));
            let small = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
            let large = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
            words.push(word(16).wrapping_add(small).wrapping_add(word(7)).wrapping_add(large));
        }
        let &[mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state.as_slice() else { break };
        for (word, constant) in words.iter().zip(&constants) {
            let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let first = h.wrapping_add(sum).wrapping_add(choice).wrapping_add(*constant).wrapping_add(*word);
            let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let second = sum.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e) = (g, f, e, d.wrapping_add(first));
            (d, c, b, a) = (c, b, a, first.wrapping_add(second));
        }
        state.iter_mut().zip([a, b, c, d, e, f, g, h]).for_each(|(s, v)| *s = s.wrapping_add(v));
    }
    state.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// MD5's digest as 32 hexadecimal digits.
pub(crate) fn md5(bytes: &[u8]) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&(bytes.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in message.chunks(64) {
        let words: Vec<u32> =
            block.chunks(4).map(|w| w.iter().rev().fold(0, |word, b| word << 8 | u32::from(*b))).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64usize {
            let (mixed, index) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            // The constants are the first 32 bits of |sin(i + 1)|.
            let constant = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let word = words.get(index).copied().unwrap_or(0);
            let shift = SHIFTS.get(i / 16).and_then(|s| s.get(i % 4)).copied().unwrap_or(0);
            let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(word);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(shift)));
        }
        let [w, x, y, z] = state;
        state = [w.wrapping_add(a), x.wrapping_add(b), y.wrapping_add(c), z.wrapping_add(d)];
    }
    hex(&state.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>())
}
