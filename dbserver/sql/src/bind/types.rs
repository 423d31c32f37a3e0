//! Type names of the syntax tree to types.

use super::Binder;
use crate::error::{Result, SqlError, sqlstate};
use crate::types::{BUILTIN_TYPES, ColumnType, Type};
use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, ObjectNamePart, TimezoneInfo,
};

/// An identifier as PostgreSQL folds it: lower case unless quoted.
pub(super) fn fold(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

/// The parts of a qualified name.
pub(super) fn name_parts(name: &ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
            ObjectNamePart::Function(_) => Err(SqlError::syntax("syntax error in a name")),
        })
        .collect()
}

fn length(length: &Option<CharacterLength>, what: &str) -> Result<Option<i32>> {
    match length {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => match i32::try_from(*length) {
            Ok(0) => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("length for type {what} must be at least 1"),
            )),
            Ok(n) if n <= 10_485_760 => Ok(Some(n + 4)),
            _ => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("length for type {what} cannot exceed 10485760"),
            )),
        },
        Some(CharacterLength::Max) => Err(SqlError::unsupported("character length MAX")),
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<i32> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(-1),
        ExactNumberInfo::Precision(p) => (*p, 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
    };
    numeric_typmod(i64::try_from(precision).unwrap_or(i64::MAX), scale)
}

fn numeric_typmod(precision: i64, scale: i64) -> Result<i32> {
    if !(1..=1000).contains(&precision) {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("NUMERIC scale {scale} must be between -1000 and 1000"),
        ));
    }
    // Eleven bits of scale, as PostgreSQL 15 packs them.
    let packed = (precision << 16) | (scale & 0x7ff);
    i32::try_from(packed + 4).map_err(|_| SqlError::internal("numeric typmod out of range"))
}

fn time_precision(precision: Option<u64>) -> i32 {
    precision.map_or(-1, |p| i32::try_from(p.min(6)).unwrap_or(6))
}

fn plain(ty: Type) -> Result<ColumnType> {
    Ok(ty.into())
}

/// The error of a type name nothing has.
pub(super) fn undefined_type(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
}

/// A type by `typname` (`int4`, `_text`), as a quoted or internal name; no SQL spellings.
pub fn type_name(name: &str) -> Option<Type> {
    BUILTIN_TYPES.iter().find(|t| t.name == name).map(|t| Type(t.oid))
}

/// The type of a type name with its modifier.
///
/// # Errors
/// 42704 for an unknown type, 22023 for a bad modifier, 0A000 for a type that is not supported.
pub fn bind_type(ty: &DataType) -> Result<ColumnType> {
    let with = |ty: Type, typmod: i32| Ok(ColumnType { ty, typmod });
    match ty {
        DataType::Character(n) | DataType::Char(n) => with(Type::BPCHAR, length(n, "char")?.unwrap_or(5)),
        DataType::CharacterVarying(n) | DataType::CharVarying(n) | DataType::Varchar(n) => {
            with(Type::VARCHAR, length(n, "varchar")?.unwrap_or(-1))
        }
        DataType::Uuid => plain(Type::UUID),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            with(Type::NUMERIC, numeric(info)?)
        }
        DataType::Float(info) => match info {
            ExactNumberInfo::None => plain(Type::FLOAT8),
            ExactNumberInfo::Precision(p @ 1..=24) => {
                let _ = p;
                plain(Type::FLOAT4)
            }
            ExactNumberInfo::Precision(25..=53) => plain(Type::FLOAT8),
            ExactNumberInfo::Precision(0) => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "precision for type float must be at least 1 bit",
            )),
            _ => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "precision for type float must be less than 54 bits",
            )),
        },
        DataType::SmallInt(None) | DataType::Int2(None) => plain(Type::INT2),
        DataType::Int(None) | DataType::Int4(None) | DataType::Integer(None) => plain(Type::INT4),
        DataType::BigInt(None) | DataType::Int8(None) => plain(Type::INT8),
        DataType::Real | DataType::Float4 => plain(Type::FLOAT4),
        DataType::Float8 | DataType::DoublePrecision => plain(Type::FLOAT8),
        DataType::Bool | DataType::Boolean => plain(Type::BOOL),
        DataType::Date => plain(Type::DATE),
        DataType::Time(p, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            with(Type::TIME, time_precision(*p))
        }
        DataType::Time(..) => Err(SqlError::unsupported("type time with time zone")),
        DataType::Timestamp(p, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            with(Type::TIMESTAMP, time_precision(*p))
        }
        DataType::Timestamp(p, _) => with(Type::TIMESTAMPTZ, time_precision(*p)),
        DataType::Interval { .. } => plain(Type::INTERVAL),
        DataType::JSON => plain(Type::JSON),
        DataType::JSONB => plain(Type::JSONB),
        DataType::Regclass => plain(Type::REGCLASS),
        DataType::Text => plain(Type::TEXT),
        DataType::Bytea => plain(Type::BYTEA),
        DataType::Collate(inner, _) => bind_type(inner),
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(inner, _)
            | ArrayElemTypeDef::Qualified(inner, _)
            | ArrayElemTypeDef::AngleBracket(inner),
        ) => {
            let inner = bind_type(inner)?;
            // int[][] is int[]: dimensions are no part of the type.
            let ty = if inner.ty.element().is_some() && inner.ty.array().is_none() {
                Some(inner.ty)
            } else {
                inner.ty.array()
            };
            match ty {
                Some(ty) => with(ty, inner.typmod),
                None => Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("could not find array type for data type {}", inner.ty.sql_name()),
                )),
            }
        }
        DataType::Custom(name, modifiers) => custom(name, modifiers),
        other => Err(undefined_type(&other.to_string().to_ascii_lowercase())),
    }
}

fn custom(name: &ObjectName, modifiers: &[sqlparser::ast::TypeModifier]) -> Result<ColumnType> {
    let parts = name_parts(name)?;
    let quoted = matches!(name.0.last(), Some(ObjectNamePart::Identifier(i)) if i.quote_style.is_some());
    let Some(last) = parts.last() else { return Err(undefined_type("")) };
    let full = parts.join(".");
    if parts.len() > 2
        || (parts.len() == 2 && parts.first().is_some_and(|s| s != "pg_catalog" && s != "information_schema"))
    {
        return Err(undefined_type(&full));
    }
    let found = match last.as_str() {
        // Without quotes CHAR is a keyword; the parser leaves it to us where it is qualified.
        "char" if !quoted && parts.len() == 1 => Some(Type::BPCHAR),
        // Domains of information_schema are the types under them.
        "sql_identifier" | "cardinal_number" | "character_data" | "yes_or_no" if parts.len() == 2 => {
            Some(if last == "cardinal_number" {
                Type::INT4
            } else if last == "sql_identifier" {
                Type::NAME
            } else {
                Type::VARCHAR
            })
        }
        "int" | "integer" if !quoted => Some(Type::INT4),
        "bigint" if !quoted => Some(Type::INT8),
        "smallint" if !quoted => Some(Type::INT2),
        "boolean" if !quoted => Some(Type::BOOL),
        "real" if !quoted => Some(Type::FLOAT4),
        "decimal" | "dec" if !quoted => Some(Type::NUMERIC),
        "serial" | "serial4" | "bigserial" | "serial8" | "smallserial" | "serial2" => None,
        _ => type_name(last),
    };
    let Some(ty) = found else { return Err(undefined_type(&full)) };
    let numbers: Vec<i64> = modifiers.iter().map(|m| m.to_string().parse().unwrap_or(-1)).collect();
    let typmod = match (ty, numbers.as_slice()) {
        (_, []) => {
            if ty == Type::BPCHAR && last == "char" {
                5
            } else {
                -1
            }
        }
        (Type::VARCHAR | Type::BPCHAR, [n]) => {
            let n = u64::try_from(*n).unwrap_or(0);
            let what = if ty == Type::VARCHAR { "varchar" } else { "char" };
            length(&Some(CharacterLength::IntegerLength { length: n, unit: None }), what)?.unwrap_or(-1)
        }
        (Type::NUMERIC, [p]) => numeric_typmod(*p, 0)?,
        (Type::NUMERIC, [p, s]) => numeric_typmod(*p, *s)?,
        (Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::INTERVAL, [p]) => {
            time_precision(u64::try_from(*p).ok())
        }
        _ => return Err(SqlError::syntax(format!("type modifier is not allowed for type \"{last}\""))),
    };
    Ok(ColumnType { ty, typmod })
}

impl Binder<'_> {
    /// A type name; a table's name is the type of its rows.
    pub(super) fn type_of(&self, ty: &DataType) -> Result<ColumnType> {
        bind_type(ty)
    }
}
