//! Functions of text and bytea. Lengths and positions of text are in characters.

use super::Function;
use super::kernel::{array_of, check_length, functions, invalid_parameter};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Array, Datum, Type, io};

fn count(text: &str) -> i32 {
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

/// Words that PostgreSQL 15 does not take as plain names, so that `quote_ident` quotes them (sorted).
static QUOTED_WORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// A name as it has to be written in SQL: quoted unless it is plain lower case and no reserved word.
pub fn quote_ident(name: &str) -> String {
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let plain = starts && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && QUOTED_WORDS.binary_search(&name).is_err() {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, with `E` where it has backslashes.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// The text form of any value, as its output function gives it; `None` for null.
pub(super) fn text_of(value: &Datum, ty: Type, ctx: &EvalContext<'_>) -> Result<Option<String>> {
    match value {
        Datum::Null => Ok(None),
        Datum::Text(text) => Ok(Some(text.to_string())),
        value => {
            let mut out = Vec::new();
            io::output(value, ty, -1, ctx.settings, &mut out);
            String::from_utf8(out).map(Some).map_err(|_| SqlError::internal("a text form that is not UTF-8"))
        }
    }
}

/// In `concat` and `format` booleans are `t` and `f`, as their output function writes them.
fn append(out: &mut String, value: &Datum, ty: Type, ctx: &EvalContext<'_>) -> Result<bool> {
    let Some(text) = text_of(value, ty, ctx)? else { return Ok(false) };
    check_length(out.len() + text.len())?;
    out.push_str(&text);
    Ok(true)
}

fn concat(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    let mut out = String::new();
    for (value, ty) in args.iter().zip(types) {
        append(&mut out, value, *ty, ctx)?;
    }
    Ok(Datum::text(out))
}

fn concat_ws(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    let Some((Datum::Text(separator), rest)) = args.split_first() else { return Ok(Datum::Null) };
    let mut out = String::new();
    let mut first = true;
    for (value, ty) in rest.iter().zip(types.iter().skip(1)).filter(|(v, _)| !v.is_null()) {
        if !first {
            out.push_str(separator);
        }
        first = false;
        append(&mut out, value, *ty, ctx)?;
    }
    Ok(Datum::text(out))
}

/// `textanycat` and `anytextcat`: as by a cast to text, so booleans are words.
fn any_cat(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    let word = |value: &Datum| match value {
        Datum::Bool(true) => Datum::text("true"),
        Datum::Bool(false) => Datum::text("false"),
        other => other.clone(),
    };
    concat(&args.iter().map(word).collect::<Vec<_>>(), types, ctx)
}

/// `format(…)`: `%s`, `%I`, `%L`, with position, width and `-` (manual, section 9.4.1).
fn format(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    let Some(Datum::Text(pattern)) = args.first() else { return Ok(Datum::Null) };
    let few = || invalid_parameter("too few arguments for format()");
    let unterminated = || {
        invalid_parameter("unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".")
    };
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut next = 1usize;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<Option<usize>> {
            let mut value: Option<usize> = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                let grown = value.unwrap_or(0).checked_mul(10).and_then(|v| v.checked_add(digit as usize));
                value = Some(grown.filter(|v| *v <= i32::MAX as usize).ok_or_else(|| {
                    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range")
                })?);
            }
            Ok(value)
        };
        let mut position = None;
        let mut width = None;
        let leading = number(&mut chars)?;
        if leading.is_some() && chars.next_if_eq(&'$').is_some() {
            if leading == Some(0) {
                return Err(invalid_parameter(
                    "format specifies argument 0, but arguments are numbered from 1",
                ));
            }
            position = leading;
        } else {
            width = leading;
        }
        let mut flush_left = false;
        if width.is_none() {
            while chars.next_if_eq(&'-').is_some() {
                flush_left = true;
            }
            if chars.next_if_eq(&'*').is_some() {
                let at = match number(&mut chars)? {
                    Some(at) => {
                        if chars.next_if_eq(&'$').is_none() {
                            return Err(invalid_parameter("width argument position must be ended by \"$\""));
                        }
                        at
                    }
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                let value = args.get(at).ok_or_else(few)?;
                let given = match value {
                    Datum::Null => 0,
                    Datum::Int2(v) => i64::from(*v),
                    Datum::Int4(v) => i64::from(*v),
                    other => {
                        let ty = types.get(at).copied().unwrap_or(Type::TEXT);
                        let text = text_of(other, ty, ctx)?.unwrap_or_default();
                        text.trim().parse().map_err(|_| {
                            SqlError::new(
                                sqlstate::INVALID_TEXT_REPRESENTATION,
                                format!("invalid input syntax for type integer: \"{text}\""),
                            )
                        })?
                    }
                };
                flush_left |= given < 0;
                width = Some(usize::try_from(given.unsigned_abs()).unwrap_or(usize::MAX));
            } else {
                width = number(&mut chars)?;
            }
        }
        let kind = chars.next().ok_or_else(unterminated)?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(invalid_parameter(format!("unrecognized format() type specifier \"{kind}\""))
                .with_hint("For a single \"%\" use \"%%\"."));
        }
        let at = position.unwrap_or(next);
        next = at + 1;
        let (value, ty) = (args.get(at).ok_or_else(few)?, types.get(at).copied().unwrap_or(Type::TEXT));
        let text = text_of(value, ty, ctx)?;
        let piece = match (kind, text) {
            ('I', None) => {
                return Err(SqlError::new(
                    sqlstate::NULL_VALUE_NOT_ALLOWED,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('I', Some(text)) => quote_ident(&text),
            ('L', Some(text)) => quote_literal(&text),
            ('L', None) => "NULL".to_owned(),
            (_, text) => text.unwrap_or_default(),
        };
        let missing = width.unwrap_or(0).saturating_sub(count(&piece) as usize);
        check_length(out.len().saturating_add(piece.len()).saturating_add(missing))?;
        if !flush_left {
            out.extend(std::iter::repeat_n(' ', missing));
        }
        out.push_str(&piece);
        if flush_left {
            out.extend(std::iter::repeat_n(' ', missing));
        }
    }
    Ok(Datum::text(out))
}

fn quote_any(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    match (args.first(), types.first()) {
        (Some(value), Some(ty)) => Ok(match text_of(value, *ty, ctx)? {
            Some(text) => Datum::text(quote_literal(&text)),
            None => Datum::text("NULL"),
        }),
        _ => Err(SqlError::internal("quote_literal without its argument")),
    }
}

fn quote_nullable(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    Ok(match args.first() {
        Some(Datum::Text(text)) => Datum::text(quote_literal(text)),
        _ => Datum::text("NULL"),
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

/// The parts of a qualified name: plain ones folded to lower case, quoted ones as they are.
fn parse_ident(text: &str, strict: bool) -> Result<Array> {
    let invalid = || invalid_parameter(format!("string is not a valid identifier: \"{text}\""));
    let mut parts = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let mut part = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => part.push('"'),
                    Some('"') => break,
                    Some(c) => part.push(c),
                    None => {
                        return Err(invalid().with_detail("String has unclosed double quotes."));
                    }
                }
            }
            if part.is_empty() {
                return Err(invalid().with_detail("Quoted identifier must not be empty."));
            }
        } else {
            while let Some(c) = chars.next_if(|c| {
                let letter = c.is_ascii_alphabetic() || *c == '_' || !c.is_ascii();
                letter || (!part.is_empty() && (c.is_ascii_digit() || *c == '$'))
            }) {
                part.push(c.to_ascii_lowercase());
            }
            if part.is_empty() {
                let detail = if parts.is_empty() { "" } else { "No valid identifier after \".\"." };
                return Err(invalid().with_detail(detail));
            }
        }
        parts.push(Datum::text(part));
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        if chars.next_if_eq(&'.').is_none() {
            break;
        }
    }
    if strict && chars.next().is_some() {
        return Err(invalid());
    }
    Ok(array_of(Type::TEXT, parts))
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

/// Parts of a text between delimiters; a null delimiter splits into characters.
pub(super) fn parts(text: &str, delimiter: Option<&str>, null: Option<&str>) -> Vec<Datum> {
    let datum = |part: &str| if Some(part) == null { Datum::Null } else { Datum::text(part) };
    match delimiter {
        _ if text.is_empty() => Vec::new(),
        None => text.chars().map(|c| datum(c.encode_utf8(&mut [0; 4]))).collect(),
        Some("") => vec![datum(text)],
        Some(delimiter) => text.split(delimiter).map(datum).collect(),
    }
}

fn string_to_array(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    let Some(parts) = string_to_parts(args) else { return Ok(Datum::Null) };
    Ok(Datum::Array(array_of(Type::TEXT, parts).into()))
}

/// The parts that `string_to_array` and `string_to_table` give; none for a null text.
pub(super) fn string_to_parts(args: &[Datum]) -> Option<Vec<Datum>> {
    let text = |d: Option<&'_ Datum>| match d {
        Some(Datum::Text(t)) => Some(t.to_string()),
        _ => None,
    };
    let whole = text(args.first())?;
    Some(parts(&whole, text(args.get(1)).as_deref(), text(args.get(2)).as_deref()))
}

/// `array_to_string`: nulls are left out or written as `null`.
fn array_to_string(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    let _ = types;
    let (Some(Datum::Array(array)), Some(Datum::Text(delimiter))) = (args.first(), args.get(1)) else {
        return Ok(Datum::Null);
    };
    let null = match args.get(2) {
        Some(Datum::Text(null)) => Some(null.as_ref()),
        _ => None,
    };
    join(array, delimiter, null, ctx).map(Datum::text)
}

fn join(array: &Array, delimiter: &str, null: Option<&str>, ctx: &EvalContext<'_>) -> Result<String> {
    let mut out = String::new();
    let mut first = true;
    for value in &array.values {
        let text = text_of(value, array.element, ctx)?;
        let Some(piece) = text.as_deref().or(null) else { continue };
        if !first {
            out.push_str(delimiter);
        }
        first = false;
        check_length(out.len() + piece.len())?;
        out.push_str(piece);
    }
    Ok(out)
}

const ANY: Type = Type::ANY;
const TEXT: Type = Type::TEXT;

/// Those over any type, or that take nulls.
pub(super) static TEXT_OF_ANY: &[Function] = &[
    Function::typed(3058, "concat", &[ANY], TEXT, concat).variadic(ANY),
    Function::typed(3059, "concat_ws", &[TEXT, ANY], TEXT, concat_ws).variadic(ANY),
    Function::typed(3539, "format", &[TEXT, ANY], TEXT, format).variadic(ANY),
    Function::typed(3540, "format", &[TEXT], TEXT, format),
    Function::typed(2003, "textanycat", &[TEXT, Type::ANYNONARRAY], TEXT, any_cat).strict(),
    Function::typed(2004, "anytextcat", &[Type::ANYNONARRAY, TEXT], TEXT, any_cat).strict(),
    Function::typed(1285, "quote_literal", &[Type::ANYELEMENT], TEXT, quote_any).strict(),
    Function::typed(1290, "quote_nullable", &[Type::ANYELEMENT], TEXT, quote_any),
    Function::scalar(1289, "quote_nullable", &[TEXT], TEXT, quote_nullable).lax(),
    Function::scalar(394, "string_to_array", &[TEXT, TEXT], Type::TEXT_ARRAY, string_to_array).lax(),
    Function::scalar(376, "string_to_array", &[TEXT, TEXT, TEXT], Type::TEXT_ARRAY, string_to_array).lax(),
    Function::typed(395, "array_to_string", &[Type::ANYARRAY, TEXT], TEXT, array_to_string).strict(),
    Function::typed(384, "array_to_string", &[Type::ANYARRAY, TEXT, TEXT], TEXT, array_to_string),
];
