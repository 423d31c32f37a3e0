//! Constants of the syntax tree.

use super::Binder;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::types::{ColumnType, Datum, Type, io};
use sqlparser::ast::{self, DateTimeField, Value};

/// The most parameters a statement may have, as in PostgreSQL's protocol.
const PARAMS_MAX: usize = 65_535;

impl Binder<'_> {
    pub(super) fn value(&mut self, value: &Value) -> Result<Expr> {
        Ok(match value {
            Value::Number(text, _) => self.number(text)?,
            Value::SingleQuotedString(s)
            | Value::EscapedStringLiteral(s)
            | Value::UnicodeStringLiteral(s)
            | Value::NationalStringLiteral(s) => unknown(s),
            Value::DollarQuotedString(s) => unknown(&s.value),
            Value::Boolean(b) => Expr::constant(Datum::Bool(*b), Type::BOOL),
            Value::Null => Expr::constant(Datum::Null, Type::UNKNOWN),
            Value::Placeholder(p) => self.param(p)?,
            Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_) => {
                return Err(SqlError::unsupported("type bit"));
            }
            other => return Err(SqlError::syntax(format!("syntax error at or near \"{other}\""))),
        })
    }
    /// The text of a string constant.
    pub(super) fn string_of(value: &Value) -> Option<&str> {
        match value {
            Value::SingleQuotedString(s)
            | Value::EscapedStringLiteral(s)
            | Value::UnicodeStringLiteral(s)
            | Value::NationalStringLiteral(s) => Some(s),
            Value::DollarQuotedString(s) => Some(&s.value),
            _ => None,
        }
    }
    /// An integer is the smallest of int4, int8 and numeric that holds it; anything with a point or exponent is numeric.
    pub(super) fn number(&self, text: &str) -> Result<Expr> {
        if let Ok(n) = text.parse::<i32>() {
            return Ok(Expr::constant(Datum::Int4(n), Type::INT4));
        }
        if let Ok(n) = text.parse::<i64>() {
            return Ok(Expr::constant(Datum::Int8(n), Type::INT8));
        }
        let value = io::input(Type::NUMERIC, -1, text, self.context.settings)?;
        Ok(Expr::constant(value, Type::NUMERIC))
    }
    fn param(&mut self, placeholder: &str) -> Result<Expr> {
        let number: usize = placeholder.strip_prefix('$').and_then(|n| n.parse().ok()).unwrap_or(0);
        if number == 0 || number > PARAMS_MAX {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_PARAMETER,
                format!("there is no parameter {placeholder}"),
            ));
        }
        if self.params.len() < number {
            self.params.resize(number, None);
        }
        let ty = self.params.get(number - 1).copied().flatten().unwrap_or(Type::UNKNOWN);
        Ok(Expr { kind: ExprKind::Param(number - 1), ty, typmod: -1 })
    }
    /// `INTERVAL '1' DAY`: the unit is part of the text for PostgreSQL's input.
    pub(super) fn interval(&mut self, interval: &ast::Interval) -> Result<Expr> {
        let text = match &*interval.value {
            ast::Expr::Value(v) => Self::string_of(&v.value),
            _ => None,
        };
        let Some(text) = text else {
            return Err(SqlError::syntax("syntax error in an interval literal"));
        };
        let text = match (&interval.leading_field, &interval.last_field) {
            (None, _) => text.to_owned(),
            (Some(field), None) if text.trim().parse::<f64>().is_ok() => format!("{text} {}", unit(field)),
            (Some(DateTimeField::Year), Some(DateTimeField::Month)) => year_to_month(text),
            _ => text.to_owned(),
        };
        self.cast(unknown(&text), Type::INTERVAL.into())
    }
    /// `type 'text'`.
    pub(super) fn typed_string(&mut self, typed: &ast::TypedString) -> Result<Expr> {
        let ty: ColumnType = self.type_of(&typed.data_type)?;
        let Some(text) = Self::string_of(&typed.value.value) else {
            return Err(SqlError::syntax(format!("syntax error at or near \"{}\"", typed.value.value)));
        };
        self.cast(unknown(text), ty)
    }
}

/// `1-2` is a year and two months.
fn year_to_month(text: &str) -> String {
    match text.trim().split_once('-') {
        Some((years, months)) if !years.is_empty() => format!("{years} years {months} months"),
        _ => text.to_owned(),
    }
}

fn unit(field: &DateTimeField) -> String {
    field.to_string().to_ascii_lowercase()
}

/// A literal without a type yet.
pub(super) fn unknown(text: &str) -> Expr {
    Expr::constant(Datum::text(text), Type::UNKNOWN)
}
