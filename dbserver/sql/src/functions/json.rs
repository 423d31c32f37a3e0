//! JSON: values made from SQL values, and parts taken out of JSON.
//!
//! `json` keeps its text and `jsonb` is held as its normalized text, so a part of either is a slice of the whole: the
//! scanner below finds members and elements without building a tree.

use super::Function;
use super::compose::text_of;
use super::kernel::{IntoDatum, functions, invalid_parameter, take};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::json::{self, Json, write_string};
use crate::types::{Array, Datum, Record, Type};

/// Deepest nesting of arrays and records that is written.
const DEPTH_MAX: usize = 500;

/// Appends the JSON form of a value.
pub(crate) fn write(value: &Datum, ty: Type, ctx: &EvalContext<'_>, out: &mut String) -> Result<()> {
    write_nested(value, ty, ctx, out, DEPTH_MAX)
}

fn write_nested(
    value: &Datum,
    ty: Type,
    ctx: &EvalContext<'_>,
    out: &mut String,
    depth: usize,
) -> Result<()> {
    let deeper = || {
        depth
            .checked_sub(1)
            .ok_or_else(|| SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"))
    };
    match value {
        Datum::Null => out.push_str("null"),
        Datum::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
        Datum::Array(array) => {
            write_array(array, array.dims.as_slice(), &mut array.values.iter(), ctx, out, deeper()?)?
        }
        Datum::Record(record) => write_record(record, ctx, out, deeper()?)?,
        Datum::Text(text) if ty == Type::JSON || ty == Type::JSONB => out.push_str(text),
        Datum::Text(text) => write_string(text, out),
        Datum::Int2(_) | Datum::Int8(_) | Datum::Int4(_)
            if matches!(ty, Type::INT2 | Type::INT4 | Type::INT8) =>
        {
            out.push_str(&text_of(value, ty, ctx)?.unwrap_or_default());
        }
        Datum::Float4(_) | Datum::Float8(_) | Datum::Numeric(_) => {
            let text = text_of(value, ty, ctx)?.unwrap_or_default();
            // NaN and the infinities are no JSON numbers.
            if text.ends_with(|c: char| c.is_ascii_digit()) {
                out.push_str(&text)
            } else {
                write_string(&text, out)
            }
        }
        value => {
            let mut text = text_of(value, ty, ctx)?.unwrap_or_default();
            // ISO 8601 has a T between date and time, and minutes in the offset.
            if matches!(ty, Type::TIMESTAMP | Type::TIMESTAMPTZ)
                && let Some(at) = text.find(' ')
            {
                text.replace_range(at..=at, "T");
                let offset =
                    text.get(at..).unwrap_or_default().rfind(['+', '-']).map(|i| text.len() - at - i);
                if ty == Type::TIMESTAMPTZ && offset == Some(3) {
                    text.push_str(":00");
                }
            }
            write_string(&text, out);
        }
    }
    Ok(())
}

fn write_array(
    array: &Array,
    dims: &[(i32, i32)],
    values: &mut std::slice::Iter<'_, Datum>,
    ctx: &EvalContext<'_>,
    out: &mut String,
    depth: usize,
) -> Result<()> {
    out.push('[');
    if let Some(((length, _), inner)) = dims.split_first() {
        for i in 0..*length {
            if i > 0 {
                out.push(',');
            }
            if inner.is_empty() {
                write_nested(values.next().unwrap_or(&Datum::Null), array.element, ctx, out, depth)?;
            } else {
                write_array(array, inner, values, ctx, out, depth)?;
            }
        }
    }
    out.push(']');
    Ok(())
}

fn write_record(record: &Record, ctx: &EvalContext<'_>, out: &mut String, depth: usize) -> Result<()> {
    out.push('{');
    for (i, ((name, ty), value)) in record.fields.iter().zip(&record.values).enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_nested(value, *ty, ctx, out, depth)?;
    }
    out.push('}');
    Ok(())
}

/// Appends a value as a key: its text, quoted.
pub(crate) fn write_key(value: &Datum, ty: Type, ctx: &EvalContext<'_>, out: &mut String) -> Result<()> {
    match (value, text_of(value, ty, ctx)?) {
        (_, None) => Err(invalid_parameter("field name must not be null")),
        (Datum::Array(_) | Datum::Record(_), _) => {
            Err(invalid_parameter("key value must be scalar, not array, composite, or json"))
        }
        (_, Some(text)) => {
            write_string(&text, out);
            Ok(())
        }
    }
}

/// The normalized text that a `jsonb` is held as.
pub(crate) fn normalized(text: &str) -> Result<Datum> {
    Ok(Datum::text(json::normalize(text)?))
}

/// What kind of JSON a (valid) text begins with.
fn kind(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// Reads parts of valid JSON text.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }
    /// Passes a byte if it comes next.
    fn pass(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }
    /// The text of the next value, without space around it.
    fn value(&mut self) -> &'a str {
        self.peek();
        let start = self.at;
        let bytes = self.text.as_bytes();
        let (mut depth, mut quoted) = (0usize, false);
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\\' if quoted => self.at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                b',' | b'}' | b']' | b':' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default().trim_end()
    }
}

/// Elements of an array; none for other kinds.
fn elements(text: &str) -> Option<Vec<&str>> {
    let mut scanner = Scanner::new(text);
    if !scanner.pass(b'[') {
        return None;
    }
    let mut found = Vec::new();
    while !scanner.pass(b']') && scanner.peek().is_some() {
        found.push(scanner.value());
        scanner.pass(b',');
    }
    Some(found)
}

/// Members of an object: unescaped key, text of the value.
fn members(text: &str) -> Result<Option<Vec<(String, &str)>>> {
    let mut scanner = Scanner::new(text);
    if !scanner.pass(b'{') {
        return Ok(None);
    }
    let mut found = Vec::new();
    while !scanner.pass(b'}') && scanner.peek().is_some() {
        let key = unescaped(scanner.value())?;
        scanner.pass(b':');
        found.push((key, scanner.value()));
        scanner.pass(b',');
    }
    Ok(Some(found))
}

/// The characters of a JSON string.
fn unescaped(text: &str) -> Result<String> {
    match Json::parse(text)? {
        Json::String(s) => Ok(s),
        other => Ok(other.to_string()),
    }
}

/// A part as text: strings without their quotes, `null` as null.
fn as_text(part: &str) -> Result<Option<String>> {
    match kind(part) {
        "null" => Ok(None),
        "string" => unescaped(part).map(Some),
        _ => Ok(Some(part.to_owned())),
    }
}

fn element(text: &str, index: i32) -> Option<&str> {
    let all = elements(text)?;
    let index =
        if index < 0 { all.len().checked_sub(index.unsigned_abs() as usize)? } else { index as usize };
    all.get(index).copied()
}

/// The last member of a name.
fn member<'a>(text: &'a str, name: &str) -> Result<Option<&'a str>> {
    let found = members(text)?.unwrap_or_default();
    Ok(found.into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value))
}

fn path<'a>(text: &'a str, steps: &Array) -> Result<Option<&'a str>> {
    let mut part = text.trim();
    for step in &steps.values {
        let Datum::Text(step) = step else { return Ok(None) };
        let next = if kind(part) == "array" {
            step.trim().parse().ok().and_then(|index| element(part, index))
        } else {
            member(part, step)?
        };
        match next {
            Some(next) => part = next,
            None => return Ok(None),
        }
    }
    Ok(Some(part))
}

fn text_part(part: Option<&str>) -> Result<Option<String>> {
    part.map_or(Ok(None), as_text)
}

fn array_length(text: &str, what: &str) -> Result<i32> {
    let wrong = || {
        let of = if kind(text) == "object" { "non-array" } else { "scalar" };
        invalid_parameter(if of == "scalar" {
            "cannot get array length of a scalar".to_owned()
        } else {
            format!("cannot get array length of a {of}")
        })
    };
    let _ = what;
    Ok(elements(text).ok_or_else(wrong)?.len() as i32)
}

fn has_key(text: &str, key: &str) -> Result<bool> {
    if let Some(found) = members(text)? {
        return Ok(found.iter().any(|(k, _)| k == key));
    }
    match elements(text) {
        Some(all) => {
            for part in all {
                if kind(part) == "string" && unescaped(part)? == key {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        None => Ok(kind(text) == "string" && unescaped(text)? == key),
    }
}

/// Whether `whole` contains `part` (manual, section 8.14.3).
fn contains(whole: &Json, part: &Json, top: bool) -> bool {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            part.iter().all(|(key, value)| whole.iter().any(|(k, v)| k == key && contains(v, value, false)))
        }
        (Json::Array(whole), Json::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|v| contains(v, value, false)))
        }
        // An array contains a primitive, but only at the top.
        (Json::Array(whole), part) if top && !matches!(part, Json::Object(_)) => whole.contains(part),
        (whole, part) => whole == part,
    }
}

fn concat(a: &str, b: &str) -> Result<String> {
    let joined = match (Json::parse(a)?, Json::parse(b)?) {
        (Json::Object(mut a), Json::Object(b)) => {
            a.extend(b);
            Json::object(a)
        }
        (a, b) => {
            let list = |value: Json| match value {
                Json::Array(items) => items,
                other => vec![other],
            };
            let mut items = list(a);
            items.extend(list(b));
            Json::Array(items)
        }
    };
    Ok(joined.to_string())
}

/// With each member and element on a line of its own, indented by four.
fn pretty(text: &str, indent: usize, out: &mut String) -> Result<()> {
    let line = |out: &mut String, indent: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * 4));
    };
    if indent > DEPTH_MAX {
        return Err(SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
    }
    if let Some(all) = elements(text) {
        out.push('[');
        for (i, part) in all.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            line(out, indent + 1);
            pretty(part, indent + 1, out)?;
        }
        line(out, indent);
        out.push(']');
    } else if let Some(all) = members(text)? {
        out.push('{');
        for (i, (key, part)) in all.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            line(out, indent + 1);
            write_string(key, out);
            out.push_str(": ");
            pretty(part, indent + 1, out)?;
        }
        line(out, indent);
        out.push('}');
    } else {
        out.push_str(text.trim());
    }
    Ok(())
}

functions! { JSONS:
    3949 json_array_element(j: JSON, i: INT4) -> JSON |_| { element(j, i) }
    3950 json_array_element_text(j: JSON, i: INT4) -> TEXT |_| { text_part(element(j, i))? }
    3947 json_object_field(j: JSON, k: TEXT) -> JSON |_| { member(j, k)? }
    3948 json_object_field_text(j: JSON, k: TEXT) -> TEXT |_| { text_part(member(j, k)?)? }
    3215 jsonb_array_element(j: JSONB, i: INT4) -> JSONB |_| { element(j, i) }
    3216 jsonb_array_element_text(j: JSONB, i: INT4) -> TEXT |_| { text_part(element(j, i))? }
    3478 jsonb_object_field(j: JSONB, k: TEXT) -> JSONB |_| { member(j, k)? }
    3214 jsonb_object_field_text(j: JSONB, k: TEXT) -> TEXT |_| { text_part(member(j, k)?)? }
    3951 json_extract_path(j: JSON, p: TEXT_ARRAY) -> JSON [path] |_| { path(j, p)? }
    3953 json_extract_path_text(j: JSON, p: TEXT_ARRAY) -> TEXT [path] |_| { text_part(path(j, p)?)? }
    3217 jsonb_extract_path(j: JSONB, p: TEXT_ARRAY) -> JSONB [path] |_| { path(j, p)? }
    3940 jsonb_extract_path_text(j: JSONB, p: TEXT_ARRAY) -> TEXT [path] |_| { text_part(path(j, p)?)? }
    3956 json_array_length(j: JSON) -> INT4 |_| { array_length(j, "json")? }
    3207 jsonb_array_length(j: JSONB) -> INT4 |_| { array_length(j, "jsonb")? }
    3968 json_typeof(j: JSON) -> TEXT |_| { kind(j) }
    3210 jsonb_typeof(j: JSONB) -> TEXT |_| { kind(j) }
    3306 jsonb_pretty(j: JSONB) -> TEXT |_| { let mut out = String::new(); pretty(j, 0, &mut out)?; out }
    4047 jsonb_exists(j: JSONB, k: TEXT) -> BOOL |_| { has_key(j, k)? }
    4048 jsonb_exists_any(j: JSONB, keys: TEXT_ARRAY) -> BOOL |_| {
        let mut found = false;
        for key in &keys.values { if let Datum::Text(key) = key { found |= has_key(j, key)?; } }
        found
    }
    4049 jsonb_exists_all(j: JSONB, keys: TEXT_ARRAY) -> BOOL |_| {
        let mut found = true;
        for key in &keys.values { if let Datum::Text(key) = key { found &= has_key(j, key)?; } }
        found
    }
    4046 jsonb_contains(a: JSONB, b: JSONB) -> BOOL |_| { contains(&Json::parse(a)?, &Json::parse(b)?, true) }
    4050 jsonb_contained(a: JSONB, b: JSONB) -> BOOL |_| { contains(&Json::parse(b)?, &Json::parse(a)?, true) }
    3301 jsonb_concat(a: JSONB, b: JSONB) -> JSONB |_| { concat(a, b)? }
    3302 jsonb_delete(j: JSONB, key: TEXT) -> JSONB |_| {
        match Json::parse(j)? {
            Json::Object(fields) => Json::Object(fields.into_iter().filter(|(k, _)| k != key).collect()).to_string(),
            Json::Array(items) => Json::Array(items.into_iter().filter(|v| *v != Json::String(key.to_owned())).collect()).to_string(),
            _ => return Err(invalid_parameter("cannot delete from scalar")),
        }
    }
    3343 jsonb_delete(j: JSONB, keys: TEXT_ARRAY) -> JSONB |_| {
        let listed = |key: &str| keys.values.iter().any(|k| matches!(k, Datum::Text(k) if **k == *key));
        match Json::parse(j)? {
            Json::Object(fields) => Json::Object(fields.into_iter().filter(|(k, _)| !listed(k)).collect()).to_string(),
            Json::Array(items) => Json::Array(items.into_iter().filter(|v| !matches!(v, Json::String(s) if listed(s))).collect()).to_string(),
            _ => return Err(invalid_parameter("cannot delete from scalar")),
        }
    }
    3303 jsonb_delete(j: JSONB, index: INT4) -> JSONB |_| {
        match Json::parse(j)? {
            Json::Array(mut items) => {
                let at = if index < 0 { items.len().checked_sub(index.unsigned_abs() as usize) } else { usize::try_from(index).ok() };
                if let Some(at) = at.filter(|at| *at < items.len()) { items.remove(at); }
                Json::Array(items).to_string()
            }
            Json::Object(_) => return Err(invalid_parameter("cannot delete from object using integer index")),
            _ => return Err(invalid_parameter("cannot delete from scalar")),
        }
    }
    3155 row_to_json(r: ANYELEMENT) -> JSON [record, stable] |ctx| { let mut out = String::new(); write(r, Type::RECORD, ctx, &mut out)?; out }
    3153 array_to_json(a: ANYARRAY) -> JSON [stable] |ctx| { let mut out = String::new(); write(&Datum::Array(a.clone()), Type::TEXT_ARRAY, ctx, &mut out)?; out }
}

impl Function {
    /// `VARIADIC text[]`.
    const fn path(self) -> Self {
        self.variadic(Type::TEXT)
    }
    /// Takes a record.
    const fn record(mut self) -> Self {
        self.args = &[Type::RECORD];
        self
    }
}

/// The alternating keys and values, or the values, in brackets.
fn build(args: &[Datum], types: &[Type], object: bool, ctx: &EvalContext<'_>) -> Result<String> {
    if object && !args.len().is_multiple_of(2) {
        return Err(invalid_parameter("argument list must have even number of elements")
            .with_hint("The arguments of json_build_object() must consist of alternating keys and values."));
    }
    let mut out = String::from(if object { "{" } else { "[" });
    for (i, (value, ty)) in args.iter().zip(types).enumerate() {
        if object && i % 2 == 0 {
            out.push_str(if i > 0 { ", " } else { "" });
            if value.is_null() {
                return Err(invalid_parameter(format!("argument {} cannot be null", i + 1))
                    .with_hint("Object keys should be text."));
            }
            write_key(value, *ty, ctx, &mut out)?;
            out.push_str(" : ");
        } else {
            out.push_str(if i > 0 && !object { ", " } else { "" });
            write(value, *ty, ctx, &mut out)?;
        }
    }
    out.push(if object { '}' } else { ']' });
    Ok(out)
}

fn build_object(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    Ok(build(args, types, true, ctx)?.into_datum())
}
fn build_array(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    Ok(build(args, types, false, ctx)?.into_datum())
}
fn build_object_b(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    normalized(&build(args, types, true, ctx)?)
}
fn build_array_b(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    normalized(&build(args, types, false, ctx)?)
}
fn one(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<String> {
    let (Some(value), Some(ty)) = (args.first(), types.first()) else {
        return Err(SqlError::internal("to_json without its argument"));
    };
    let mut out = String::new();
    write(value, *ty, ctx, &mut out)?;
    Ok(out)
}
fn to_json(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    Ok(one(args, types, ctx)?.into_datum())
}
fn to_jsonb(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
    normalized(&one(args, types, ctx)?)
}

const ANY: Type = Type::ANY;

/// Those over any type.
pub(super) static JSON_OF_ANY: &[Function] = &[
    Function::typed(3176, "to_json", &[Type::ANYELEMENT], Type::JSON, to_json).strict(),
    Function::typed(3787, "to_jsonb", &[Type::ANYELEMENT], Type::JSONB, to_jsonb).strict(),
    Function::typed(3200, "json_build_object", &[ANY], Type::JSON, build_object).variadic(ANY),
    Function::typed(3201, "json_build_object", &[], Type::JSON, build_object),
    Function::typed(3198, "json_build_array", &[ANY], Type::JSON, build_array).variadic(ANY),
    Function::typed(3199, "json_build_array", &[], Type::JSON, build_array),
    Function::typed(3273, "jsonb_build_object", &[ANY], Type::JSONB, build_object_b).variadic(ANY),
    Function::typed(3274, "jsonb_build_object", &[], Type::JSONB, build_object_b),
    Function::typed(3271, "jsonb_build_array", &[ANY], Type::JSONB, build_array_b).variadic(ANY),
    Function::typed(3272, "jsonb_build_array", &[], Type::JSONB, build_array_b),
];

fn json_arg(args: &[Datum]) -> Result<&str> {
    take::JSON(args.first())
}

fn wrong_kind(what: &str, wanted: &str, text: &str) -> SqlError {
    let message = match (wanted, kind(text)) {
        ("array", "object") => format!("cannot call {what} on a non-array"),
        ("object", "array") => format!("cannot call {what} on an array"),
        _ => format!("cannot call {what} on a scalar"),
    };
    invalid_parameter(message)
}

/// Rows of `json_array_elements`.
pub(super) fn element_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let text = json_arg(args)?;
    let all = elements(text).ok_or_else(|| wrong_kind("json_array_elements", "array", text))?;
    Ok(all.into_iter().map(|part| vec![Datum::text(part)]).collect())
}
/// Rows of `json_array_elements_text`.
pub(super) fn element_text_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let text = json_arg(args)?;
    let all = elements(text).ok_or_else(|| wrong_kind("json_array_elements_text", "array", text))?;
    all.into_iter().map(|part| Ok(vec![as_text(part)?.into_datum()])).collect()
}
/// Rows of `json_object_keys`.
pub(super) fn key_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let text = json_arg(args)?;
    let all = members(text)?.ok_or_else(|| wrong_kind("json_object_keys", "object", text))?;
    Ok(all.into_iter().map(|(key, _)| vec![Datum::text(key)]).collect())
}
/// Rows of `json_each`.
pub(super) fn each_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let text = json_arg(args)?;
    let all = members(text)?.ok_or_else(|| wrong_kind("json_each", "object", text))?;
    Ok(all.into_iter().map(|(key, part)| vec![Datum::text(key), Datum::text(part)]).collect())
}
/// Rows of `json_each_text`.
pub(super) fn each_text_rows(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let text = json_arg(args)?;
    let all = members(text)?.ok_or_else(|| wrong_kind("json_each_text", "object", text))?;
    all.into_iter().map(|(key, part)| Ok(vec![Datum::text(key), as_text(part)?.into_datum()])).collect()
}
