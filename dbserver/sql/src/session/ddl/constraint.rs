//! Constraints of tables that exist: ADD, DROP and RENAME CONSTRAINT.

use super::alter::live_exprs;
use super::foreign_key;
use crate::bind;
use crate::catalog::{Index, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::eval_vector;
use crate::session::client::Session;
use crate::session::statement::{Constraint, ConstraintKind};
use crate::types::Type;
use crate::vector::Values;
use std::sync::Arc;

impl Session {
    pub(super) fn rename_constraint(&mut self, table: &Table, from: &str, to: &str) -> Result<()> {
        if crate::catalog::edit::constraint_names(table).any(|n| n == to) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("constraint \"{to}\" for relation \"{}\" already exists", table.name),
            ));
        }
        let index = table
            .primary_key_index
            .iter()
            .map(|(oid, name)| (*oid, name.as_str()))
            .chain(table.indexes.iter().filter(|i| i.constraint).map(|i| (i.oid, i.name.as_str())))
            .find(|(_, name)| *name == from);
        if let Some((index, _)) = index {
            return self.change_catalog(|catalog| catalog.rename_relation(index, to));
        }
        if let Some(key) = foreign_key::by_name(table, from) {
            return self.change_catalog(|catalog| {
                catalog.update_table(table.oid, |t| {
                    let keys = t.foreign_keys.iter_mut().filter(|k| k.oid == key.oid);
                    keys.for_each(|k| to.clone_into(&mut k.name));
                })
            });
        }
        if !table.checks.iter().any(|c| c.name == from) {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{from}\" for table \"{}\" does not exist", table.name),
            ));
        }
        self.change_catalog(|catalog| {
            catalog.update_table(table.oid, |t| {
                if let Some(check) = t.checks.iter_mut().find(|c| c.name == from) {
                    to.clone_into(&mut check.name);
                }
            })
        })
    }

    pub(super) fn add_constraint(
        &mut self,
        table: &Arc<Table>,
        constraint: &Constraint,
        not_valid: bool,
        query: &QueryContext,
    ) -> Result<()> {
        let oid = table.oid;
        match &constraint.kind {
            ConstraintKind::Check(expression) => {
                let check = self.check(table, constraint.name.as_deref(), expression)?;
                let catalog = self.catalog();
                let expr = self.with_bind_context(&catalog, &[], |context| {
                    bind::bind_table_expr_as(expression, table, Type::BOOL.into(), "CHECK", context)
                })?;
                if !not_valid {
                    let name = check.name.clone();
                    self.for_each_batch(table, query, |batch, ctx| {
                        let result = eval_vector(&expr, batch, ctx)?;
                        let Values::Bool(values) = &result.values else { return Ok(()) };
                        let violated =
                            values.iter().enumerate().any(|(row, holds)| !holds && !result.is_null(row));
                        if violated {
                            return Err(SqlError::new(
                                sqlstate::CHECK_VIOLATION,
                                format!(
                                    "check constraint \"{name}\" of relation \"{}\" is violated by some row",
                                    table.name
                                ),
                            )
                            .with_table(&table.name)
                            .with_constraint(&name));
                        }
                        Ok(())
                    })?;
                }
                self.change_catalog(|catalog| catalog.update_table(oid, |t| t.checks.push(check)))
            }
            ConstraintKind::Unique(columns) => {
                let keys = Self::key_columns(table, columns, false)?;
                let name = self.key_name(table, constraint.name.as_deref(), &columns.join("_"), "key")?;
                let index = self.unique_index(table, &name, &keys)?;
                self.change_catalog(|catalog| {
                    let oid = catalog.allocate_oid();
                    catalog.insert_index(table.schema, Index { oid, ..index })
                })?;
                self.build_last_index(oid, query)
            }
            ConstraintKind::ForeignKey(spec) => {
                self.add_foreign_key(oid, constraint.name.as_deref(), spec, !not_valid, query)
            }
            ConstraintKind::PrimaryKey(columns) => {
                let key = Self::key_columns(table, columns, true)?;
                self.add_primary_key(table, key, constraint.name.as_deref(), query)
            }
            ConstraintKind::UsingIndex { index, primary } => {
                let found = table.indexes.iter().find(|i| i.name == *index).cloned().ok_or_else(|| {
                    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("index \"{index}\" does not exist"))
                })?;
                if !found.valid {
                    return Err(SqlError::new(
                        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!("index \"{index}\" is not valid"),
                    ));
                }
                let columns: Vec<usize> = found.keys.iter().filter_map(|k| k.column).collect();
                if !found.unique || found.predicate.is_some() || columns.len() != found.keys.len() {
                    return Err(SqlError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("\"{index}\" is not a unique index"),
                    ));
                }
                let name = constraint.name.as_deref().unwrap_or(index).to_owned();
                if *primary {
                    self.remove(found.oid)?;
                    let table = self.table(oid)?;
                    return self.add_primary_key(&table, columns, Some(&name), query);
                }
                self.change_catalog(|catalog| {
                    catalog.update_index(found.oid, |index| index.constraint = true)?;
                    if name != *index { catalog.rename_relation(found.oid, &name) } else { Ok(()) }
                })
            }
        }
    }
    fn add_primary_key(
        &mut self,
        table: &Arc<Table>,
        key: Vec<usize>,
        name: Option<&str>,
        query: &QueryContext,
    ) -> Result<()> {
        let name = self.key_name(table, name, "", "pkey")?;
        self.set_primary_key(table, key, &name)?;
        let now = self.table(table.oid)?;
        self.move_to_new_trees(&now)?;
        self.rewrite(table, &live_exprs(table), query)
    }

    pub(super) fn drop_constraint(
        &mut self,
        table: &Arc<Table>,
        name: &str,
        if_exists: bool,
        cascade: bool,
        query: &QueryContext,
    ) -> Result<()> {
        let oid = table.oid;
        if let Some(key) = foreign_key::by_name(table, name) {
            return self.change_catalog(|catalog| catalog.remove_foreign_keys(oid, |k| k.oid == key.oid));
        }
        let index = table.primary_key_index.iter().find(|(_, n)| n == name).map(|(oid, _)| *oid);
        let index = index.or_else(|| table.indexes.iter().find(|i| i.name == name).map(|i| i.oid));
        if let Some(index) = index {
            let what = format!("constraint {name} on table {}", table.name);
            self.drop_dependent_keys(oid, &what, &format!("index {name}"), cascade, |k| k.index == index)?;
        }
        if table.checks.iter().any(|c| c.name == name) {
            return self.change_catalog(|catalog| {
                catalog.update_table(oid, |t| t.checks.retain(|c| c.name != name))
            });
        }
        if let Some(index) = table.indexes.iter().find(|i| i.constraint && i.name == name) {
            return self.remove(index.oid);
        }
        if let Some((index, _)) = table.primary_key_index.as_ref().filter(|(_, n)| n == name) {
            // The rows go back under hidden numbers.
            self.change_catalog(|catalog| {
                catalog.remove_relation(*index);
                Ok(())
            })?;
            let now = self.table(oid)?;
            self.move_to_new_trees(&now)?;
            return self.rewrite(table, &live_exprs(table), query);
        }
        if if_exists {
            self.notice(
                "00000",
                format!("constraint \"{name}\" of relation \"{}\" does not exist, skipping", table.name),
            );
            return Ok(());
        }
        Err(no_constraint(name, table))
    }
}

pub(super) fn no_constraint(name: &str, table: &Table) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_OBJECT,
        format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name),
    )
}
