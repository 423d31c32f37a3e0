//! Functions of text and bytea. Lengths and positions of text are in characters.

use super::kernel::{check_length, functions, invalid_parameter};
use super::quote::{parse_ident, quote_ident, quote_literal};
use crate::error::{Result, SqlError, sqlstate};

/// Characters.
pub(super) fn count(text: &str) -> i32 {
    let chars = if text.is_ascii() { text.len() } else { text.chars().count() };
    i32::try_from(chars).unwrap_or(i32::MAX)
}

/// The text from the `from`-th character to before the `to`-th (0-based).
fn slice(text: &str, from: usize, to: usize) -> &str {
    let offset = |n: usize| {
        if text.is_ascii() {
            n.min(text.len())
        } else {
            text.char_indices().nth(n).map_or(text.len(), |(i, _)| i)
        }
    };
    let start = offset(from);
    let end = if to == usize::MAX { text.len() } else { offset(to) };
    text.get(start..end.max(start)).unwrap_or_default()
}

/// 0-based half-open range of `substring(… from start for length)`, cut to what is there.
fn window(start: i32, length: Option<i32>) -> Result<(usize, usize)> {
    let from = i64::from(start) - 1;
    let to = match length {
        None => i64::MAX,
        Some(length) if length < 0 => {
            return Err(SqlError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        Some(length) => from + i64::from(length),
    };
    let clamp = |n: i64| usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    Ok((clamp(from), if to == i64::MAX { usize::MAX } else { clamp(to) }))
}

fn substring(text: &str, start: i32, length: Option<i32>) -> Result<&str> {
    let (from, to) = window(start, length)?;
    Ok(slice(text, from, to))
}

fn substring_bytes(bytes: &[u8], start: i32, length: Option<i32>) -> Result<Vec<u8>> {
    let (from, to) = window(start, length)?;
    let to = to.min(bytes.len());
    Ok(bytes.get(from.min(to)..to).unwrap_or_default().to_vec())
}

fn left(text: &str, n: i32) -> &str {
    match usize::try_from(n) {
        Ok(n) => slice(text, 0, n),
        Err(_) => slice(text, 0, (count(text).saturating_add(n)).max(0) as usize),
    }
}

fn right(text: &str, n: i32) -> &str {
    let skip = if n >= 0 { count(text).saturating_sub(n).max(0) } else { n.saturating_neg() };
    slice(text, skip as usize, usize::MAX)
}

/// Pads to `length` characters by repeating `fill`, or cuts to them.
fn pad(text: &str, length: i32, fill: &str, at_left: bool) -> Result<String> {
    let length = usize::try_from(length.max(0)).unwrap_or(0);
    check_length(length.saturating_mul(4))?;
    let have = count(text) as usize;
    if have >= length || fill.is_empty() {
        return Ok(slice(text, 0, length).to_owned());
    }
    let padding: String = fill.chars().cycle().take(length - have).collect();
    Ok(if at_left { padding + text } else { text.to_owned() + &padding })
}

fn repeat(text: &str, times: i32) -> Result<String> {
    let times = usize::try_from(times).unwrap_or(0);
    check_length(text.len().saturating_mul(times))?;
    Ok(text.repeat(times))
}

fn replace(text: &str, from: &str, to: &str) -> Result<String> {
    if from.is_empty() {
        return Ok(text.to_owned());
    }
    if to.len() > from.len() {
        let found = text.matches(from).count();
        check_length(text.len() + found.saturating_mul(to.len() - from.len()))?;
    }
    Ok(text.replace(from, to))
}

/// The 1-based character position of `part`, 0 for none.
fn position(text: &str, part: &str) -> i32 {
    text.find(part).and_then(|i| text.get(..i)).map_or(0, |before| count(before).saturating_add(1))
}

fn bytes_position(bytes: &[u8], part: &[u8]) -> i32 {
    if part.is_empty() {
        return 1;
    }
    let found = bytes.windows(part.len()).position(|w| w == part);
    found.and_then(|i| i32::try_from(i + 1).ok()).unwrap_or(0)
}

/// One character for one, as C's `towupper`: `ß` stays.
fn upper_char(c: char) -> char {
    let mut mapped = c.to_uppercase();
    mapped.next().filter(|_| mapped.next().is_none()).unwrap_or(c)
}

fn lower_char(c: char) -> char {
    let mut mapped = c.to_lowercase();
    mapped.next().filter(|_| mapped.next().is_none()).unwrap_or(c)
}

fn upper(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_uppercase() } else { text.chars().map(upper_char).collect() }
}

fn lower(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(lower_char).collect() }
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let case = |c: char| {
        let cased = if inside { lower_char(c) } else { upper_char(c) };
        inside = c.is_alphanumeric();
        cased
    };
    text.chars().map(case).collect()
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    let map = |c: char| match from.chars().position(|f| f == c) {
        None => Some(c),
        Some(i) => to.get(i).copied(),
    };
    text.chars().filter_map(map).collect()
}

fn split_part(text: &str, delimiter: &str, n: i32) -> Result<String> {
    if n == 0 {
        return Err(invalid_parameter("field position must not be zero"));
    }
    if delimiter.is_empty() {
        return Ok(if n == 1 || n == -1 { text.to_owned() } else { String::new() });
    }
    let index = n.unsigned_abs() as usize - 1;
    let part = if n > 0 { text.split(delimiter).nth(index) } else { text.rsplit(delimiter).nth(index) };
    Ok(part.unwrap_or_default().to_owned())
}

fn trim_bytes<'a>(bytes: &'a [u8], set: &[u8], at_start: bool, at_end: bool) -> &'a [u8] {
    let mut rest = bytes;
    while at_start
        && let Some((first, tail)) = rest.split_first()
        && set.contains(first)
    {
        rest = tail;
    }
    while at_end
        && let Some((last, head)) = rest.split_last()
        && set.contains(last)
    {
        rest = head;
    }
    rest
}

fn chr(code: i32) -> Result<String> {
    if code == 0 {
        return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "null character not permitted"));
    }
    if code < 0 {
        return Err(invalid_parameter("character number must be positive"));
    }
    u32::try_from(code).ok().and_then(char::from_u32).map(String::from).ok_or_else(|| {
        let message = if code > 0x10_ffff {
            format!("requested character too large for encoding: {code}")
        } else {
            format!("requested character not valid for encoding: {code}")
        };
        SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message)
    })
}

/// Bytes as `hex`, `base64` or `escape` text.
fn encode(bytes: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(super::digest::hex(bytes)),
        "base64" => Ok(super::digest::base64(bytes)),
        "escape" => {
            let mut out = String::new();
            for &byte in bytes {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
                    byte => out.push(char::from(byte)),
                }
            }
            Ok(out)
        }
        _ => Err(unknown_encoding(format)),
    }
}

fn unknown_encoding(format: &str) -> SqlError {
    invalid_parameter(format!("unrecognized encoding: \"{format}\""))
}

fn decode(text: &str, format: &str) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => super::digest::from_hex(text),
        "base64" => super::digest::from_base64(text),
        "escape" => {
            let invalid = || {
                SqlError::new(sqlstate::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea")
            };
            let mut out = Vec::with_capacity(text.len());
            let mut bytes = text.bytes();
            while let Some(byte) = bytes.next() {
                if byte != b'\\' {
                    out.push(byte);
                    continue;
                }
                match bytes.next() {
                    Some(b'\\') => out.push(b'\\'),
                    Some(a @ b'0'..=b'3') => {
                        let digit = |b: Option<u8>| b.filter(|b| (b'0'..=b'7').contains(b)).map(|b| b - b'0');
                        let b = digit(bytes.next()).ok_or_else(invalid)?;
                        let c = digit(bytes.next()).ok_or_else(invalid)?;
                        out.push((a - b'0') * 64 + b * 8 + c);
                    }
                    _ => return Err(invalid()),
                }
            }
            Ok(out)
        }
        _ => Err(unknown_encoding(format)),
    }
}

fn overlay(text: &str, new: &str, start: i32, length: i32) -> Result<String> {
    if start <= 0 {
        return Err(SqlError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let after = start.checked_add(length).ok_or_else(|| super::kernel::out_of_range("integer"))?;
    let head = substring(text, 1, Some(start - 1))?;
    let tail = substring(text, after, None)?;
    Ok(format!("{head}{new}{tail}"))
}

fn is_utf8(name: &str) -> Result<()> {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        _ => Err(SqlError::unsupported(format!("the encoding \"{name}\""))),
    }
}

fn byte_index(bytes: &[u8], index: i32) -> Result<usize> {
    usize::try_from(index).ok().filter(|i| *i < bytes.len()).ok_or_else(|| {
        let last = bytes.len().saturating_sub(1);
        SqlError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, format!("index {index} out of valid range, 0..{last}"))
    })
}

functions! { STRINGS:
    1257 textlen(t: TEXT) -> INT4 |_| { count(t) }
    1317 length(t: TEXT) -> INT4 |_| { count(t) }
    1318 length(t: BPCHAR) -> INT4 |_| { count(t) }
    2010 length(b: BYTEA) -> INT4 |_| { b.len() as i32 }
    1381 char_length(t: TEXT) -> INT4 |_| { count(t) }
    1372 char_length(t: BPCHAR) -> INT4 |_| { count(t) }
    1369 character_length(t: TEXT) -> INT4 |_| { count(t) }
    1367 character_length(t: BPCHAR) -> INT4 |_| { count(t) }
    1374 octet_length(t: TEXT) -> INT4 |_| { t.len() as i32 }
    1375 octet_length(t: BPCHAR) -> INT4 |_| { t.len() as i32 }
    720 octet_length(b: BYTEA) -> INT4 |_| { b.len() as i32 }
    1811 bit_length(t: TEXT) -> INT4 |_| { (t.len() as i32).saturating_mul(8) }
    1810 bit_length(b: BYTEA) -> INT4 |_| { (b.len() as i32).saturating_mul(8) }
    6163 bit_count(b: BYTEA) -> INT8 |_| { b.iter().map(|b| i64::from(b.count_ones())).sum::<i64>() }
    870 lower(t: TEXT) -> TEXT |_| { lower(t) }
    871 upper(t: TEXT) -> TEXT |_| { upper(t) }
    872 initcap(t: TEXT) -> TEXT |_| { initcap(t) }
    884 btrim(t: TEXT, set: TEXT) -> TEXT |_| { t.trim_matches(|c| set.contains(c)) }
    885 btrim(t: TEXT) -> TEXT |_| { t.trim_matches(' ') }
    2015 btrim(b: BYTEA, set: BYTEA) -> BYTEA |_| { trim_bytes(b, set, true, true).to_vec() }
    875 ltrim(t: TEXT, set: TEXT) -> TEXT |_| { t.trim_start_matches(|c| set.contains(c)) }
    881 ltrim(t: TEXT) -> TEXT |_| { t.trim_start_matches(' ') }
    6195 ltrim(b: BYTEA, set: BYTEA) -> BYTEA |_| { trim_bytes(b, set, true, false).to_vec() }
    876 rtrim(t: TEXT, set: TEXT) -> TEXT |_| { t.trim_end_matches(|c| set.contains(c)) }
    882 rtrim(t: TEXT) -> TEXT |_| { t.trim_end_matches(' ') }
    6196 rtrim(b: BYTEA, set: BYTEA) -> BYTEA |_| { trim_bytes(b, set, false, true).to_vec() }
    936 substring(t: TEXT, from: INT4, n: INT4) -> TEXT |_| { substring(t, from, Some(n))? }
    937 substring(t: TEXT, from: INT4) -> TEXT |_| { substring(t, from, None)? }
    877 substr(t: TEXT, from: INT4, n: INT4) -> TEXT |_| { substring(t, from, Some(n))? }
    883 substr(t: TEXT, from: INT4) -> TEXT |_| { substring(t, from, None)? }
    2012 substring(b: BYTEA, from: INT4, n: INT4) -> BYTEA |_| { substring_bytes(b, from, Some(n))? }
    2013 substring(b: BYTEA, from: INT4) -> BYTEA |_| { substring_bytes(b, from, None)? }
    2085 substr(b: BYTEA, from: INT4, n: INT4) -> BYTEA |_| { substring_bytes(b, from, Some(n))? }
    2086 substr(b: BYTEA, from: INT4) -> BYTEA |_| { substring_bytes(b, from, None)? }
    3060 left(t: TEXT, n: INT4) -> TEXT |_| { left(t, n) }
    3061 right(t: TEXT, n: INT4) -> TEXT |_| { right(t, n) }
    873 lpad(t: TEXT, n: INT4, fill: TEXT) -> TEXT |_| { pad(t, n, fill, true)? }
    879 lpad(t: TEXT, n: INT4) -> TEXT |_| { pad(t, n, " ", true)? }
    874 rpad(t: TEXT, n: INT4, fill: TEXT) -> TEXT |_| { pad(t, n, fill, false)? }
    880 rpad(t: TEXT, n: INT4) -> TEXT |_| { pad(t, n, " ", false)? }
    1622 repeat(t: TEXT, n: INT4) -> TEXT |_| { repeat(t, n)? }
    2087 replace(t: TEXT, from: TEXT, to: TEXT) -> TEXT |_| { replace(t, from, to)? }
    878 translate(t: TEXT, from: TEXT, to: TEXT) -> TEXT |_| { translate(t, from, to) }
    849 position(t: TEXT, part: TEXT) -> INT4 |_| { position(t, part) }
    868 strpos(t: TEXT, part: TEXT) -> INT4 |_| { position(t, part) }
    2014 position(b: BYTEA, part: BYTEA) -> INT4 |_| { bytes_position(b, part) }
    3062 reverse(t: TEXT) -> TEXT |_| { t.chars().rev().collect::<String>() }
    2088 split_part(t: TEXT, d: TEXT, n: INT4) -> TEXT |_| { split_part(t, d, n)? }
    1282 quote_ident(t: TEXT) -> TEXT |_| { quote_ident(t) }
    1283 quote_literal(t: TEXT) -> TEXT |_| { quote_literal(t) }
    1621 chr(n: INT4) -> TEXT |_| { chr(n)? }
    1620 ascii(t: TEXT) -> INT4 |_| { t.chars().next().map_or(0, |c| c as i32) }
    2311 md5(t: TEXT) -> TEXT |_| { super::digest::md5(t.as_bytes()) }
    2321 md5(b: BYTEA) -> TEXT |_| { super::digest::md5(b) }
    3420 sha256(b: BYTEA) -> BYTEA |_| { super::digest::sha256(b) }
    1268 parse_ident(t: TEXT, strict: BOOL) -> TEXT_ARRAY |_| { parse_ident(t, strict)? }
    1268 parse_ident(t: TEXT) -> TEXT_ARRAY |_| { parse_ident(t, true)? }
    1946 encode(b: BYTEA, format: TEXT) -> TEXT |_| { encode(b, format)? }
    1947 decode(t: TEXT, format: TEXT) -> BYTEA |_| { decode(t, format)? }
    2089 to_hex(n: INT4) -> TEXT |_| { format!("{n:x}") }
    2090 to_hex(n: INT8) -> TEXT |_| { format!("{n:x}") }
    3696 starts_with(t: TEXT, p: TEXT) -> BOOL |_| { t.starts_with(p) }
    1404 overlay(t: TEXT, new: TEXT, start: INT4, n: INT4) -> TEXT |_| { overlay(t, new, start, n)? }
    1405 overlay(t: TEXT, new: TEXT, start: INT4) -> TEXT |_| { overlay(t, new, start, count(new))? }
    1258 textcat(a: TEXT, b: TEXT) -> TEXT |_| {
        check_length(a.len() + b.len())?;
        let mut out = String::with_capacity(a.len() + b.len());
        out.push_str(a);
        out.push_str(b);
        out
    }
    2011 byteacat(a: BYTEA, b: BYTEA) -> BYTEA |_| {
        check_length(a.len() + b.len())?;
        [a, b].concat()
    }
    721 get_byte(b: BYTEA, i: INT4) -> INT4 |_| { let i = byte_index(b, i)?; b.get(i).map_or(0, |b| i32::from(*b)) }
    722 set_byte(b: BYTEA, i: INT4, value: INT4) -> BYTEA |_| {
        let i = byte_index(b, i)?;
        let mut out = b.to_vec();
        if let Some(byte) = out.get_mut(i) { *byte = value as u8; }
        out
    }
    1714 convert_from(b: BYTEA, encoding: NAME) -> TEXT [stable] |_| {
        is_utf8(encoding)?;
        std::str::from_utf8(b).map_err(|e| {
            let bad = b.get(e.valid_up_to()).copied().unwrap_or(0);
            SqlError::new(sqlstate::CHARACTER_NOT_IN_REPERTOIRE, format!("invalid byte sequence for encoding \"UTF8\": 0x{bad:02x}"))
        })?
    }
    1717 convert_to(t: TEXT, encoding: NAME) -> BYTEA [stable] |_| { is_utf8(encoding)?; t.as_bytes().to_vec() }
}
