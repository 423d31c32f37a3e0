//! What a result column without an alias is called (PostgreSQL's `FigureColname`).

use super::types::{fold, name_parts};
use sqlparser::ast::{self, AccessExpr, DataType, Expr, SelectItem, SetExpr, TrimWhereField};

const UNNAMED: &str = "?column?";

/// The name of an expression's column.
pub(super) fn column_name(expr: &Expr) -> String {
    figure(expr).map_or_else(|| UNNAMED.to_owned(), |(name, _)| name)
}

/// How good a name is: that of a cast's type or of CASE gives way to a better one around or inside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

/// The name of what is strong, and of its type or construct otherwise.
fn strong_or(inner: Option<(String, Strength)>, weak: Option<String>) -> Option<(String, Strength)> {
    match inner {
        Some((name, Strength::Strong)) => Some((name, Strength::Strong)),
        inner => weak.map(|name| (name, Strength::Weak)).or(inner),
    }
}

fn figure(expr: &Expr) -> Option<(String, Strength)> {
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Cast { expr, data_type, .. } => strong_or(figure(expr), type_name(data_type)),
        Expr::TypedString(typed) => strong_or(None, type_name(&typed.data_type)),
        Expr::Interval(_) => strong_or(None, Some("interval".to_owned())),
        Expr::Value(v) if matches!(v.value, ast::Value::Boolean(_)) => {
            strong_or(None, Some("bool".to_owned()))
        }
        Expr::Case { else_result, .. } => {
            strong_or(else_result.as_deref().and_then(figure), Some("case".to_owned()))
        }
        Expr::Subquery(query) => subquery_name(&query.body),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|step| match step {
                AccessExpr::Dot(Expr::Identifier(name)) => Some((fold(name), Strength::Strong)),
                _ => None,
            });
            field.or_else(|| figure(root))
        }
        other => strong(other).map(|name| (name, Strength::Strong)),
    }
}

/// The names that no cast around them replaces.
fn strong(expr: &Expr) -> Option<String> {
    let fixed = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Function(function) => name_parts(&function.name).ok()?.pop(),
        Expr::Exists { negated: false, .. } => fixed("exists"),
        Expr::Array(_) => fixed("array"),
        Expr::Tuple(_) => fixed("row"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Position { .. } => fixed("position"),
        Expr::Substring { shorthand, .. } => fixed(if *shorthand { "substr" } else { "substring" }),
        Expr::Overlay { .. } => fixed("overlay"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::Trim { trim_where, .. } => fixed(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        _ => None,
    }
}

fn subquery_name(body: &SetExpr) -> Option<(String, Strength)> {
    let strong = |name| Some((name, Strength::Strong));
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => figure(expr),
            SelectItem::ExprWithAlias { alias, .. } => strong(fold(alias)),
            _ => None,
        },
        SetExpr::Query(query) => subquery_name(&query.body),
        SetExpr::SetOperation { left, .. } => subquery_name(left),
        SetExpr::Values(_) => strong("column1".to_owned()),
        _ => None,
    }
}

fn type_name(ty: &DataType) -> Option<String> {
    match ty {
        DataType::Array(
            ast::ArrayElemTypeDef::SquareBracket(inner, _)
            | ast::ArrayElemTypeDef::Qualified(inner, _)
            | ast::ArrayElemTypeDef::AngleBracket(inner),
        ) => type_name(inner),
        other => super::bind_type(other).ok().map(|t| t.ty.name().to_owned()),
    }
}
