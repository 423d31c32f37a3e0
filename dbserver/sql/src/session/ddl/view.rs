//! CREATE VIEW.

use crate::catalog::edit::{quote_identifier, relation_mentions};
use crate::catalog::{RelationKind, View};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::client::Session;
use crate::session::statement::Name;
use crate::types::{ColumnType, Type};
use std::sync::Arc;

impl Session {
    /// The query with the names of relations qualified, so that it means the same under any search path.
    fn qualified(&self, text: &str) -> String {
        let catalog = self.catalog();
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for mention in relation_mentions(text) {
            if mention.schema.is_some() {
                continue;
            }
            let found = catalog.find_relation(&self.eval.search_path, None, &mention.name);
            let Some(schema) = found.and_then(|r| catalog.schema_name(r.schema)) else { continue };
            out.push_str(text.get(copied..mention.start).unwrap_or_default());
            out.push_str(&quote_identifier(schema));
            out.push('.');
            copied = mention.start;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    pub(super) fn create_view(
        &mut self,
        name: &Name,
        or_replace: bool,
        names: Option<&[String]>,
        text: &str,
    ) -> Result<()> {
        let schema = self.creation_schema(name)?;
        let text = self.qualified(text.trim_end_matches(';').trim());
        let source = self.query_portal(&text)?;
        if source.plan.as_ref().is_some_and(|p| !p.statement.params.is_empty()) {
            return Err(SqlError::new(sqlstate::UNDEFINED_PARAMETER, "there is no parameter $1"));
        }
        let mut columns: Vec<(String, ColumnType)> = Vec::new();
        for (i, result) in source.columns.iter().enumerate() {
            let name = names.and_then(|n| n.get(i)).unwrap_or(&result.name).clone();
            if columns.iter().any(|(n, _)| *n == name) {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            columns.push((name, if result.ty.ty == Type::UNKNOWN { Type::TEXT.into() } else { result.ty }));
        }
        if names.is_some_and(|n| n.len() > columns.len()) {
            return Err(SqlError::syntax("CREATE VIEW specifies more column names than columns"));
        }
        let catalog = self.catalog();
        if let Some(existing) = catalog.relation_in(schema, &name.name) {
            if !or_replace {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_TABLE,
                    format!("relation \"{}\" already exists", name.name),
                ));
            }
            let Some(old) = existing.view() else {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a view", name.name),
                ));
            };
            replaceable(old, &columns)?;
            let view = View { oid: existing.oid, name: name.name.clone(), query: text, columns };
            let oid = existing.oid;
            return self.change_catalog(|catalog| {
                catalog.update_relation(oid, |relation| relation.kind = RelationKind::View(Arc::new(view)))
            });
        }
        self.change_catalog(|catalog| {
            let oid = catalog.allocate_oid();
            let view = View { oid, name: name.name.clone(), query: text, columns };
            catalog.insert_relation(oid, schema, &name.name, RelationKind::View(Arc::new(view)));
            Ok(())
        })
    }
}

/// 42P16 where a view would lose or change columns.
fn replaceable(old: &View, columns: &[(String, ColumnType)]) -> Result<()> {
    let refuse = |message: String| Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, message));
    if columns.len() < old.columns.len() {
        return refuse("cannot drop columns from view".to_owned());
    }
    for ((old_name, old_type), (name, ty)) in old.columns.iter().zip(columns) {
        if old_name != name {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("cannot change name of view column \"{old_name}\" to \"{name}\""),
            )
            .with_hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
        }
        if old_type != ty {
            return refuse(format!(
                "cannot change data type of view column \"{name}\" from {} to {}",
                crate::types::name::format_type(*old_type),
                crate::types::name::format_type(*ty)
            ));
        }
    }
    Ok(())
}
