//! LIKE and ILIKE: `%` any run, `_` one character, a backslash takes the next one literally.
//!
//! Greedy matching with one point to go back to: where a match after a `%` fails, only the last `%` takes one
//! character more. An earlier one never needs to, so the time is at most text length times pattern length.

use super::compare::slices;
use super::kernel::{IntoDatum, functions, invalid_parameter, merge_nulls, take, two};
use super::{Function, VectorFn};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Datum, Type};
use crate::vector::{Values, Vector};

/// The error of a pattern that ends in its escape character.
fn dangling_escape() -> SqlError {
    SqlError::new(sqlstate::INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character")
}

/// Bytes of the UTF-8 character that begins with `lead`.
fn width(lead: u8) -> usize {
    match lead {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    }
}

/// Whether `text` is like `pattern`; 22025 where the pattern ends in a backslash that is reached.
/// With `fold`, ASCII letters match in either case; `chars` says that `_` takes a whole UTF-8 character.
fn matches(text: &[u8], pattern: &[u8], chars: bool, fold: bool) -> Result<bool> {
    let (mut t, mut p) = (0usize, 0usize);
    let mut retry: Option<(usize, usize)> = None;
    let same = |a: u8, b: u8| if fold { a.eq_ignore_ascii_case(&b) } else { a == b };
    loop {
        let here = text.get(t).copied();
        let step = match pattern.get(p) {
            Some(b'%') => {
                p += 1;
                if p == pattern.len() {
                    return Ok(true);
                }
                retry = Some((p, t));
                continue;
            }
            Some(b'_') => here.map(|lead| (if chars { width(lead) } else { 1 }, 1)),
            Some(b'\\') => {
                // At the end of the text nothing can match, whatever follows.
                match (here, pattern.get(p + 1)) {
                    (Some(_), None) => return Err(dangling_escape()),
                    (here, literal) => {
                        here.filter(|byte| literal.is_some_and(|l| same(*byte, *l))).map(|_| (1, 2))
                    }
                }
            }
            Some(&literal) => here.filter(|byte| same(*byte, literal)).map(|_| (1, 1)),
            None if here.is_none() => return Ok(true),
            None => None,
        };
        match (step, &mut retry) {
            (Some((text_step, pattern_step)), _) => {
                t += text_step;
                p += pattern_step;
            }
            (None, Some((after, from))) if *from < text.len() => {
                *from += text.get(*from).map_or(1, |lead| if chars { width(*lead) } else { 1 });
                (p, t) = (*after, *from);
            }
            (None, _) => return Ok(false),
        }
    }
}

/// LIKE over text.
pub fn like(text: &str, pattern: &str) -> Result<bool> {
    matches(text.as_bytes(), pattern.as_bytes(), true, false)
}

/// ILIKE over text.
pub fn ilike(text: &str, pattern: &str) -> Result<bool> {
    if text.is_ascii() && pattern.is_ascii() {
        return matches(text.as_bytes(), pattern.as_bytes(), true, true);
    }
    like(&text.to_lowercase(), &pattern.to_lowercase())
}

/// A pattern without special characters but a `%` at either end: the common ones need no matcher.
enum Shape<'p> {
    Equal(&'p [u8]),
    Prefix(&'p [u8]),
    Suffix(&'p [u8]),
    Contains(&'p [u8]),
    General,
}

fn shape(pattern: &[u8]) -> Shape<'_> {
    let (head, rest) = match pattern.strip_prefix(b"%") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (tail, middle) = match rest.strip_suffix(b"%") {
        Some(middle) => (true, middle),
        None => (false, rest),
    };
    if middle.iter().any(|b| matches!(b, b'%' | b'_' | b'\\')) {
        return Shape::General;
    }
    match (head, tail) {
        (false, false) => Shape::Equal(middle),
        (false, true) => Shape::Prefix(middle),
        (true, false) => Shape::Suffix(middle),
        (true, true) => Shape::Contains(middle),
    }
}

/// Whether `text` contains `part`, by its rarest point: the first byte.
fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, _)) = part.split_first() else { return true };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| b == first) {
        let Some(found) = rest.get(at..) else { return false };
        if found.starts_with(part) {
            return true;
        }
        if found.len() < part.len() {
            return false;
        }
        rest = found.get(1..).unwrap_or_default();
    }
    false
}

/// LIKE (or NOT LIKE) of columns; a run of one pattern is looked at once.
fn like_vector(args: &[&Vector], negated: bool) -> Result<Vector> {
    let (text, pattern) = two(args)?;
    let nulls = merge_nulls(args);
    let (Values::Text(texts), Values::Text(patterns)) = (&text.values, &pattern.values) else {
        return Err(SqlError::internal("LIKE of something else than text"));
    };
    let mut values = Vec::with_capacity(texts.len());
    let mut last: Option<(&[u8], Shape<'_>)> = None;
    for (i, (text, pattern)) in slices(texts).zip(slices(patterns)).enumerate() {
        if nulls.get(i).copied().unwrap_or(false) {
            values.push(false);
            continue;
        }
        if last.as_ref().is_none_or(|(seen, _)| *seen != pattern) {
            last = Some((pattern, shape(pattern)));
        }
        let like = match last.as_ref().map(|(_, shape)| shape) {
            Some(Shape::Equal(part)) => text == *part,
            Some(Shape::Prefix(part)) => text.starts_with(part),
            Some(Shape::Suffix(part)) => text.ends_with(part),
            Some(Shape::Contains(part)) => contains(text, part),
            _ => matches(text, pattern, true, false)?,
        };
        values.push(like != negated);
    }
    Ok(Vector { ty: Type::BOOL, values: Values::Bool(values), nulls })
}

fn textlike_vector(args: &[&Vector], _: usize, _: &EvalContext<'_>) -> Result<Vector> {
    like_vector(args, false)
}
fn textnlike_vector(args: &[&Vector], _: usize, _: &EvalContext<'_>) -> Result<Vector> {
    like_vector(args, true)
}

fn pattern_of<T>(args: &[Datum], test: impl Fn(&str, &str) -> Result<T>) -> Result<Datum>
where
    T: IntoDatum,
{
    let [text, pattern] = args else { return Err(SqlError::internal("LIKE without two arguments")) };
    Ok(test(take::TEXT(Some(text))?, take::TEXT(Some(pattern))?)?.into_datum())
}
fn row_like(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    pattern_of(args, like)
}
fn row_not_like(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    pattern_of(args, |t, p| Ok(!like(t, p)?))
}
fn row_ilike(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    pattern_of(args, ilike)
}
fn row_not_ilike(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    pattern_of(args, |t, p| Ok(!ilike(t, p)?))
}

const LIKE_VECTOR: VectorFn = textlike_vector;
const NOT_LIKE_VECTOR: VectorFn = textnlike_vector;
const T: Type = Type::TEXT;
const B: Type = Type::BOOL;

/// `~~`, `!~~`, `~~*`, `!~~*` of the text types.
pub(super) static LIKES: &[Function] = &[
    Function::scalar(850, "textlike", &[T, T], B, row_like).with_vector(LIKE_VECTOR),
    Function::scalar(851, "textnlike", &[T, T], B, row_not_like).with_vector(NOT_LIKE_VECTOR),
    Function::scalar(1631, "bpcharlike", &[Type::BPCHAR, T], B, row_like).with_vector(LIKE_VECTOR),
    Function::scalar(1632, "bpcharnlike", &[Type::BPCHAR, T], B, row_not_like).with_vector(NOT_LIKE_VECTOR),
    Function::scalar(858, "namelike", &[Type::NAME, T], B, row_like).with_vector(LIKE_VECTOR),
    Function::scalar(859, "namenlike", &[Type::NAME, T], B, row_not_like).with_vector(NOT_LIKE_VECTOR),
    Function::scalar(1633, "texticlike", &[T, T], B, row_ilike),
    Function::scalar(1634, "texticnlike", &[T, T], B, row_not_ilike),
    Function::scalar(1660, "bpchariclike", &[Type::BPCHAR, T], B, row_ilike),
    Function::scalar(1661, "bpcharicnlike", &[Type::BPCHAR, T], B, row_not_ilike),
    Function::scalar(1635, "nameiclike", &[Type::NAME, T], B, row_ilike),
    Function::scalar(1636, "nameicnlike", &[Type::NAME, T], B, row_not_ilike),
    Function::scalar(1569, "like", &[T, T], B, row_like).with_vector(LIKE_VECTOR),
    Function::scalar(1570, "notlike", &[T, T], B, row_not_like).with_vector(NOT_LIKE_VECTOR),
];

functions! { ESCAPES:
    2005 bytealike(a: BYTEA, p: BYTEA) -> BOOL |_| { matches(a, p, false, false)? }
    2006 byteanlike(a: BYTEA, p: BYTEA) -> BOOL |_| { !matches(a, p, false, false)? }
    1637 like_escape(pattern: TEXT, escape: TEXT) -> TEXT |_| { like_escape(pattern, escape)? }
    1986 similar_to_escape(pattern: TEXT, escape: TEXT) -> TEXT |_| { similar_to_regex(pattern, Some(escape))? }
    1987 similar_to_escape(pattern: TEXT) -> TEXT |_| { similar_to_regex(pattern, Some("\\"))? }
}

/// A LIKE pattern with another escape character, written with backslashes.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut chars = escape.chars();
    let escape = chars.next();
    if chars.next().is_some() {
        return Err(SqlError::new(sqlstate::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    let mut out = String::with_capacity(pattern.len());
    let mut taken = false;
    for c in pattern.chars() {
        if taken {
            out.push(c);
            taken = false;
        } else if Some(c) == escape {
            out.push('\\');
            taken = true;
        } else if c == '\\' {
            // With another escape character the backslash is an ordinary one.
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// A `SIMILAR TO` pattern as a regular expression, anchored at both ends.
fn similar_to_regex(pattern: &str, escape: Option<&str>) -> Result<String> {
    let mut chars = escape.unwrap_or_default().chars();
    let escape = chars.next();
    if chars.next().is_some() {
        return Err(SqlError::new(sqlstate::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    let mut out = String::from("^(?:");
    let (mut escaped, mut bracket, mut separators) = (false, false, 0u8);
    for c in pattern.chars() {
        if escaped {
            escaped = false;
            if c == '"' && !bracket {
                // escape-double-quote marks the part that SUBSTRING takes.
                match separators {
                    0 => out.push_str("){1,1}?("),
                    1 => out.push_str("){1,1}(?:"),
                    _ => {
                        return Err(invalid_parameter(
                            "SQL regular expression may not contain more than two escape-double-quote separators",
                        ));
                    }
                }
                separators += 1;
            } else {
                if !(c.is_alphanumeric()) {
                    out.push('\\');
                }
                out.push(c);
            }
        } else if Some(c) == escape {
            escaped = true;
        } else if bracket {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            bracket = c != ']';
        } else {
            match c {
                '[' => {
                    out.push('[');
                    bracket = true;
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}
