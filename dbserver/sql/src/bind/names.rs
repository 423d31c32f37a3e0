//! What a result column without an alias is called (PostgreSQL's `FigureColname`).

use super::types::{fold, name_parts};
use sqlparser::ast::{self, AccessExpr, DataType, Expr, SelectItem, SetExpr, TrimWhereField};

const UNNAMED: &str = "?column?";

/// The name of an expression's column.
pub(super) fn column_name(expr: &Expr) -> String {
    figure(expr).unwrap_or_else(|| UNNAMED.to_owned())
}

fn figure(expr: &Expr) -> Option<String> {
    let fixed = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::CompoundFieldAccess { root, access_chain } => access_chain
            .iter()
            .rev()
            .find_map(|step| match step {
                AccessExpr::Dot(Expr::Identifier(name)) => Some(fold(name)),
                _ => None,
            })
            .or_else(|| figure(root)),
        Expr::Cast { expr, data_type, .. } => {
            figure(expr).filter(|n| n != "bool").or_else(|| type_name(data_type))
        }
        Expr::TypedString(typed) => type_name(&typed.data_type),
        Expr::Interval(_) => fixed("interval"),
        Expr::Function(function) => {
            let name = name_parts(&function.name).ok()?.pop()?;
            match name.as_str() {
                "current_time" | "current_timestamp" | "localtime" | "localtimestamp" | "current_date" => {
                    Some(name)
                }
                "user" => fixed("user"),
                _ => Some(name),
            }
        }
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(figure).or_else(|| fixed("case")),
        Expr::Exists { negated: false, .. } => fixed("exists"),
        Expr::Subquery(query) => subquery_name(&query.body),
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
        Expr::Value(v) if matches!(v.value, ast::Value::Boolean(_)) => fixed("bool"),
        _ => None,
    }
}

fn subquery_name(body: &SetExpr) -> Option<String> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => figure(expr),
            SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
            _ => None,
        },
        SetExpr::Query(query) => subquery_name(&query.body),
        SetExpr::SetOperation { left, .. } => subquery_name(left),
        SetExpr::Values(_) => Some("column1".to_owned()),
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
