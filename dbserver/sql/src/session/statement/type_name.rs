//! Type names: `varchar(10)`, `double precision`, `timestamp(3) with time zone`, `int[]`.

use super::cursor::Cursor;
use crate::error::{Result, SqlError, sqlstate};
use crate::parse::lexer::Kind;
use crate::types::{BUILTIN_TYPES, ColumnType, Type};

/// What a column may be declared as besides a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeclaredType {
    pub ty: ColumnType,
    /// `serial`, `bigserial`, `smallserial`.
    pub serial: bool,
}

fn limit_error(what: String) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, what)
}

/// A type with its modifier.
pub(crate) fn type_name(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    let declared = declared_type(cursor)?;
    if declared.serial {
        return Err(SqlError::new(sqlstate::UNDEFINED_OBJECT, "type \"serial\" does not exist"));
    }
    Ok(declared.ty)
}

/// A column's declared type: a type, or one of the serials.
pub(crate) fn declared_type(cursor: &mut Cursor<'_>) -> Result<DeclaredType> {
    let position = cursor.position();
    let quoted = cursor.kind() == Some(Kind::QuotedIdentifier);
    let mut name = cursor.label()?;
    let mut schema = None;
    while cursor.eat(b'.') {
        schema = Some(std::mem::replace(&mut name, cursor.label()?));
    }
    let missing = |shown: &str| {
        SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{shown}\" does not exist"))
            .with_position(position)
    };
    let special = schema.is_none() && !quoted;
    let serial = |ty: Type| Ok(DeclaredType { ty: ty.into(), serial: true });
    let ty = match name.as_str() {
        "serial" | "serial4" if special => return serial(Type::INT4),
        "bigserial" | "serial8" if special => return serial(Type::INT8),
        "smallserial" | "serial2" if special => return serial(Type::INT2),
        "int" | "integer" if special => Type::INT4,
        "bigint" if special => Type::INT8,
        "smallint" if special => Type::INT2,
        "real" if special => Type::FLOAT4,
        "float" if special => float(cursor)?,
        "double" if special => {
            cursor.expect_kw("precision")?;
            Type::FLOAT8
        }
        "decimal" | "dec" if special => Type::NUMERIC,
        "boolean" if special => Type::BOOL,
        "char" | "character" | "nchar" if special => {
            if cursor.eat_kw("varying") {
                Type::VARCHAR
            } else {
                Type::BPCHAR
            }
        }
        "national" if special => {
            if !cursor.eat_kw("character") {
                cursor.expect_kw("char")?;
            }
            if cursor.eat_kw("varying") { Type::VARCHAR } else { Type::BPCHAR }
        }
        _ => {
            if schema.as_deref().is_some_and(|s| s != "pg_catalog") {
                return Err(missing(&format!("{}.{name}", schema.unwrap_or_default())));
            }
            match BUILTIN_TYPES.iter().find(|t| t.name == name && t.category != 'P') {
                Some(info) => Type(info.oid),
                None => return Err(missing(&name)),
            }
        }
    };
    let bare_char = ty == Type::BPCHAR && special && name != "bpchar";
    let (ty, typmod) = modifier(cursor, ty, bare_char)?;
    let mut ty = ColumnType { ty, typmod };
    let mut array = false;
    while cursor.eat(b'[') {
        cursor.eat_number();
        cursor.expect(b']')?;
        array = true;
    }
    if cursor.eat_kw("array") {
        if cursor.eat(b'[') {
            cursor.eat_number();
            cursor.expect(b']')?;
        }
        array = true;
    }
    if array {
        ty.ty = ty
            .ty
            .array()
            .ok_or_else(|| SqlError::unsupported(format!("an array of {}", ty.ty.sql_name())))?;
    }
    Ok(DeclaredType { ty, serial: false })
}

fn float(cursor: &mut Cursor<'_>) -> Result<Type> {
    if !cursor.eat(b'(') {
        return Ok(Type::FLOAT8);
    }
    let precision = cursor.integer()?;
    cursor.expect(b')')?;
    match precision {
        ..=0 => Err(limit_error("precision for type float must be at least 1 bit".to_owned())),
        1..=24 => Ok(Type::FLOAT4),
        25..=53 => Ok(Type::FLOAT8),
        _ => Err(limit_error("precision for type float must be less than 54 bits".to_owned())),
    }
}

/// `(n)` and what goes with it, e.g. `with time zone`.
fn modifier(cursor: &mut Cursor<'_>, ty: Type, bare_char: bool) -> Result<(Type, i32)> {
    if ty == Type::INTERVAL {
        return Ok((ty, interval(cursor)?));
    }
    let mut args = Vec::new();
    if cursor.is_punct(b'(') {
        cursor.advance();
        args.push(cursor.integer()?);
        while cursor.eat(b',') {
            args.push(cursor.integer()?);
        }
        cursor.expect(b')')?;
    }
    match ty {
        Type::VARCHAR | Type::BPCHAR => {
            let shown = if ty == Type::VARCHAR { "varchar" } else { "char" };
            match args.as_slice() {
                [] => Ok((ty, if bare_char { 5 } else { -1 })),
                [n @ 1..=10_485_760] => Ok((ty, i32::try_from(*n).unwrap_or(0) + 4)),
                [n] if *n <= 0 => Err(limit_error(format!("length for type {shown} must be at least 1"))),
                [_] => Err(limit_error(format!("length for type {shown} cannot exceed 10485760"))),
                _ => Err(cursor.error()),
            }
        }
        Type::NUMERIC => {
            let (precision, scale) = match args.as_slice() {
                [] => return Ok((ty, -1)),
                [p] => (*p, 0),
                [p, s] => (*p, *s),
                _ => return Err(limit_error("invalid NUMERIC type modifier".to_owned())),
            };
            if !(1..=1000).contains(&precision) {
                return Err(limit_error(format!("NUMERIC precision {precision} must be between 1 and 1000")));
            }
            if !(-1000..=1000).contains(&scale) {
                return Err(limit_error(format!("NUMERIC scale {scale} must be between -1000 and 1000")));
            }
            let typmod = (precision << 16) | (scale & 0x7ff);
            Ok((ty, i32::try_from(typmod).unwrap_or(0) + 4))
        }
        Type::TIMESTAMP | Type::TIME | Type::TIMESTAMPTZ => {
            let typmod = match args.as_slice() {
                [] => -1,
                [p @ 0..=6] => i32::try_from(*p).unwrap_or(6),
                [p] if *p > 6 => 6,
                _ => {
                    return Err(limit_error(format!(
                        "{}({}) precision must not be negative",
                        ty.name().to_ascii_uppercase(),
                        args.first().copied().unwrap_or(0)
                    )));
                }
            };
            let zoned = if cursor.eat_kws(&["with", "time", "zone"]) {
                true
            } else {
                cursor.eat_kws(&["without", "time", "zone"]);
                ty == Type::TIMESTAMPTZ
            };
            match (ty, zoned) {
                (Type::TIME, true) => Err(SqlError::unsupported("type time with time zone")),
                (Type::TIMESTAMP, true) => Ok((Type::TIMESTAMPTZ, typmod)),
                _ => Ok((ty, typmod)),
            }
        }
        _ if args.is_empty() => Ok((ty, -1)),
        _ => Err(SqlError::syntax(format!("type modifier is not allowed for type \"{}\"", ty.name()))),
    }
}

/// Fields and precision of an interval (`INTERVAL_TYPMOD`: field mask in the high half, precision in the low one).
fn interval(cursor: &mut Cursor<'_>) -> Result<i32> {
    const YEAR: i32 = 1 << 2;
    const MONTH: i32 = 1 << 1;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    const FULL_RANGE: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;
    let order = [
        ("year", YEAR),
        ("month", MONTH),
        ("day", DAY),
        ("hour", HOUR),
        ("minute", MINUTE),
        ("second", SECOND),
    ];
    let precision = |cursor: &mut Cursor<'_>| -> Result<Option<i32>> {
        if !cursor.eat(b'(') {
            return Ok(None);
        }
        let p = cursor.integer()?;
        cursor.expect(b')')?;
        if p < 0 {
            return Err(limit_error(format!("INTERVAL({p}) precision must not be negative")));
        }
        Ok(Some(i32::try_from(p.min(6)).unwrap_or(6)))
    };
    if let Some(p) = precision(cursor)? {
        return Ok((FULL_RANGE << 16) | p);
    }
    let Some(first) = order.iter().position(|(word, _)| cursor.is_kw(word)) else { return Ok(-1) };
    cursor.advance();
    let mut last = first;
    if cursor.eat_kw("to") {
        last = order
            .iter()
            .position(|(word, _)| cursor.is_kw(word))
            .filter(|l| *l > first && (first >= 2 || *l == 1))
            .ok_or_else(|| cursor.error())?;
        cursor.advance();
    }
    let mask = order.iter().skip(first).take(last - first + 1).fold(0, |mask, (_, bit)| mask | bit);
    let seconds = if last == 5 { precision(cursor)? } else { None };
    Ok((mask << 16) | seconds.unwrap_or(FULL_PRECISION))
}
