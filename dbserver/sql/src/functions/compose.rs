//! Text made of values of any type: concat, format, arrays to text and back.

use super::Function;
use super::kernel::{array_of, check_length, invalid_parameter};
use super::quote::{quote_ident, quote_literal};
use super::string::count;
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Array, Datum, Type, io};

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
