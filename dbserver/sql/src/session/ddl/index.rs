//! CREATE INDEX.

use crate::bind;
use crate::catalog::{Index, IndexKey, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::session::client::Session;
use crate::session::statement::CreateIndex;
use crate::types::{Oid, Physical, Type};
use std::sync::Arc;

/// Whether values of a type have an order that an index can keep.
pub(crate) fn has_order(ty: Type) -> bool {
    !matches!(ty, Type::JSON | Type::RECORD | Type::VOID) && !matches!(ty.physical(), Physical::Void)
}

/// 42704
pub(super) fn no_operator_class(ty: Type) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_OBJECT,
        format!("data type {} has no default operator class for access method \"btree\"", ty.sql_name()),
    )
    .with_hint(
        "You must specify an operator class for the index or define a default operator class for the data type.",
    )
}

impl Session {
    /// CREATE INDEX with its table locked against writers.
    pub(super) fn create_index(&mut self, create: &CreateIndex, query: &QueryContext) -> Result<()> {
        let oid = self.require_table(&create.table)?.oid;
        self.lock_for_ddl(oid, query)?;
        match self.register_index(oid, create, true)? {
            Some(_) => self.build_last_index(oid, query),
            None => Ok(()),
        }
    }

    /// Puts an index without entries into the catalog; gives its OID, none with IF NOT EXISTS where the name is taken.
    pub(super) fn register_index(
        &mut self,
        oid: Oid,
        create: &CreateIndex,
        valid: bool,
    ) -> Result<Option<Oid>> {
        let table = self.table(oid)?;
        if let Some(name) = &create.name
            && self.already_exists(table.schema, name, create.if_not_exists)?
        {
            return Ok(None);
        }
        let keys = self.index_keys(&table, create)?;
        if let Some(predicate) = &create.predicate {
            let catalog = self.catalog();
            self.with_bind_context(&catalog, &[], |context| {
                bind::bind_table_expr_as(predicate, &table, Type::BOOL.into(), "WHERE", context)
            })?;
        }
        let name = match &create.name {
            Some(name) => name.clone(),
            None => {
                let parts: Vec<&str> =
                    create.keys.iter().map(|k| k.column.as_deref().unwrap_or("expr")).collect();
                // PostgreSQL numbers repeated parts, and so do we for expressions.
                let mut seen: Vec<String> = Vec::new();
                for part in parts {
                    let mut name = part.to_owned();
                    let mut number = 1;
                    while seen.contains(&name) {
                        name = format!("{part}{number}");
                        number += 1;
                    }
                    seen.push(name);
                }
                self.catalog().choose_relation_name(table.schema, &table.name, &seen.join("_"), "idx")
            }
        };
        let tree = self.database.engine().allocate_tree()?;
        self.change_catalog(|catalog| {
            let number = catalog.allocate_oid();
            let index = Index {
                oid: number,
                name,
                table: oid,
                tree,
                keys,
                unique: create.unique,
                constraint: false,
                predicate: create.predicate.clone(),
                valid,
                readable_from: 0,
            };
            catalog.insert_index(table.schema, index)?;
            Ok(Some(number))
        })
    }

    fn index_keys(&self, table: &Arc<Table>, create: &CreateIndex) -> Result<Vec<IndexKey>> {
        let catalog = self.catalog();
        let mut keys = Vec::new();
        for key in &create.keys {
            let (column, ty) = match (&key.column, &key.expression) {
                (Some(name), _) => {
                    let position = table.column_position(name).ok_or_else(|| {
                        SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
                    })?;
                    (Some(position), table.columns.get(position).map_or(Type::UNKNOWN, |c| c.ty.ty))
                }
                (None, Some(text)) => {
                    let expr = self.with_bind_context(&catalog, &[], |context| {
                        bind::bind_table_expr(text, table, context)
                    })?;
                    if crate::plan::visit::any(&expr, &mut |e| {
                        matches!(&e.kind, crate::expr::ExprKind::Call { function, .. }
                            if function.volatility != crate::functions::Volatility::Immutable)
                    }) {
                        return Err(SqlError::new(
                            sqlstate::INVALID_OBJECT_DEFINITION,
                            "functions in index expression must be marked IMMUTABLE",
                        ));
                    }
                    (None, expr.ty)
                }
                (None, None) => return Err(SqlError::internal("an index key of nothing")),
            };
            if !has_order(ty) {
                return Err(no_operator_class(ty));
            }
            keys.push(IndexKey {
                column,
                expression: key.expression.clone().filter(|_| column.is_none()),
                descending: key.descending,
                nulls_first: key.nulls_first,
            });
        }
        Ok(keys)
    }
}
