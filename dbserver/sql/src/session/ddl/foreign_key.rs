//! Foreign keys in CREATE and ALTER TABLE, and what depends on them.

use crate::catalog::edit::quote_identifier;
use crate::catalog::system::describe;
use crate::catalog::{ForeignKey, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::functions;
use crate::session::client::Session;
use crate::session::foreign_keys::not_present;
use crate::session::statement::ForeignKeySpec;
use crate::types::Oid;
use std::sync::Arc;

fn positions(table: &Table, columns: &[String]) -> Result<Vec<usize>> {
    let position = |name: &String| {
        table.column_position(name).ok_or_else(|| {
            SqlError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{name}\" referenced in foreign key constraint does not exist"),
            )
        })
    };
    columns.iter().map(position).collect()
}

/// The unique index over just these columns, in any order.
fn unique_index(table: &Table, columns: &[usize]) -> Option<Oid> {
    let same = |keys: &[usize]| keys.len() == columns.len() && columns.iter().all(|c| keys.contains(c));
    if let Some((oid, _)) = table.primary_key_index.as_ref().filter(|_| same(&table.primary_key)) {
        return Some(*oid);
    }
    let index = table.indexes.iter().find(|i| {
        let keys: Vec<usize> = i.keys.iter().filter_map(|k| k.column).collect();
        i.valid && i.unique && i.predicate.is_none() && keys.len() == i.keys.len() && same(&keys)
    });
    index.map(|i| i.oid)
}

fn column_name(table: &Table, position: usize) -> &str {
    table.columns.get(position).map_or("", |c| c.name.as_str())
}

/// Each pair of columns must have an equality.
fn check_types(table: &Table, referenced: &Table, key: &ForeignKey) -> Result<()> {
    for (from, to) in key.columns.iter().zip(&key.referenced) {
        let (Some(a), Some(b)) = (table.columns.get(*from), referenced.columns.get(*to)) else { continue };
        if functions::resolve_operator("=", Some(b.ty.ty), a.ty.ty).is_err() {
            return Err(SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("foreign key constraint \"{}\" cannot be implemented", key.name),
            )
            .with_detail(format!(
                "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                a.name,
                b.name,
                a.ty.ty.sql_name(),
                b.ty.ty.sql_name()
            )));
        }
    }
    Ok(())
}

impl Session {
    /// Adds a foreign key; `validate` looks at the rows that are there.
    pub(super) fn add_foreign_key(
        &mut self,
        oid: Oid,
        name: Option<&str>,
        spec: &ForeignKeySpec,
        validate: bool,
        query: &QueryContext,
    ) -> Result<()> {
        let references = self.require_table(&spec.table)?.oid;
        // Writers who do not know of the key yet have to be done.
        self.lock_for_ddl(references, query)?;
        let (table, referenced) = (self.table(oid)?, self.table(references)?);
        let columns = positions(&table, &spec.columns)?;
        let referenced_columns = match &spec.referenced {
            Some(names) => positions(&referenced, names)?,
            None if referenced.primary_key.is_empty() => {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{}\"", referenced.name),
                ));
            }
            None => referenced.primary_key.clone(),
        };
        if columns.len() != referenced_columns.len() {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let index = unique_index(&referenced, &referenced_columns).ok_or_else(|| {
            SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    referenced.name
                ),
            )
        })?;
        let name = match name {
            Some(name) if crate::catalog::edit::constraint_names(&table).any(|n| n == name) => {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_OBJECT,
                    format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
                ));
            }
            Some(name) => name.to_owned(),
            None => {
                let names: Vec<&str> = columns.iter().map(|p| column_name(&table, *p)).collect();
                self.catalog().choose_foreign_key_name(&table, &names)
            }
        };
        let key = ForeignKey {
            oid: self.change_catalog(|catalog| Ok(catalog.allocate_oid()))?,
            name,
            columns,
            references,
            referenced: referenced_columns,
            index,
            on_update: spec.on_update,
            on_delete: spec.on_delete,
            match_full: spec.match_full,
            deferrable: spec.deferrable,
            deferred: spec.deferred,
            validated: validate,
        };
        check_types(&table, &referenced, &key)?;
        if validate {
            self.validate_foreign_key(&table, &referenced, &key, query)?;
        }
        self.change_catalog(|catalog| catalog.insert_foreign_key(oid, key))
    }

    /// Looks for a row that refers to what is not there.
    pub(super) fn validate_foreign_key(
        &mut self,
        table: &Arc<Table>,
        referenced: &Table,
        key: &ForeignKey,
        query: &QueryContext,
    ) -> Result<()> {
        let catalog = self.catalog();
        let names = |alias: &str, table: &Table, positions: &[usize]| -> Vec<String> {
            let name = |p: &usize| format!("{alias}.{}", quote_identifier(column_name(table, *p)));
            positions.iter().map(name).collect()
        };
        let (from, to) = (names("fk", table, &key.columns), names("pk", referenced, &key.referenced));
        let join: Vec<String> = from.iter().zip(&to).map(|(a, b)| format!("{b} = {a}")).collect();
        let each =
            |word: &str| from.iter().map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(word);
        let text = format!(
            "SELECT {} FROM {} fk LEFT JOIN {} pk ON {} WHERE {} IS NULL AND ({}) LIMIT 1",
            from.join(", "),
            describe::qualified_name(&catalog, table.oid).unwrap_or_default(),
            describe::qualified_name(&catalog, referenced.oid).unwrap_or_default(),
            join.join(" AND "),
            to.first().map_or("", String::as_str),
            each(if key.match_full { " OR " } else { " AND " }),
        );
        match self.run_for_keys(&text, &[], Vec::new(), query)?.first() {
            Some(row) => Err(not_present(&catalog, table, key, row, &self.eval)),
            None => Ok(()),
        }
    }

    /// VALIDATE CONSTRAINT of a foreign key.
    pub(super) fn validate_key_constraint(
        &mut self,
        table: &Arc<Table>,
        key: &ForeignKey,
        query: &QueryContext,
    ) -> Result<()> {
        let referenced = self.table(key.references)?;
        self.validate_foreign_key(table, &referenced, key, query)?;
        self.change_catalog(|catalog| {
            catalog.update_table(table.oid, |t| {
                t.foreign_keys.iter_mut().filter(|k| k.oid == key.oid).for_each(|k| k.validated = true);
            })
        })
    }

    /// Foreign keys of any table that stand on an index or on columns of a table: refused without CASCADE, dropped with it. `what` is
    /// what is to be dropped, `on` what they depend on.
    pub(super) fn drop_dependent_keys(
        &mut self,
        table: Oid,
        what: &str,
        on: &str,
        cascade: bool,
        depends: impl Fn(&ForeignKey) -> bool,
    ) -> Result<()> {
        let catalog = self.catalog();
        let dependent: Vec<_> =
            catalog.references_to(table).into_iter().filter(|(_, k)| depends(k)).collect();
        if dependent.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = dependent.iter().map(|(t, k)| constraint_shown(t, k)).collect();
        if !cascade {
            let reasons: Vec<String> = names.iter().map(|n| format!("{n} depends on {on}")).collect();
            return Err(super::drop::depended_on(what, &reasons));
        }
        self.cascade_notice(&names);
        self.change_catalog(|catalog| {
            dependent
                .iter()
                .try_for_each(|(t, k)| catalog.remove_foreign_keys(t.oid, |other| other.oid == k.oid))
        })
    }

    /// The tables to truncate: all that refer to one of them must be among them, or come along with CASCADE.
    pub(super) fn truncated_together(&mut self, mut oids: Vec<Oid>, cascade: bool) -> Result<Vec<Oid>> {
        let catalog = self.catalog();
        let mut at = 0;
        while let Some(oid) = oids.get(at).copied() {
            at += 1;
            for (child, _) in catalog.references_to(oid) {
                if oids.contains(&child.oid) {
                    continue;
                }
                if !cascade {
                    let name = catalog.table(oid).map_or("", |t| t.name.as_str());
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "cannot truncate a table referenced in a foreign key constraint",
                    )
                    .with_detail(format!("Table \"{}\" references \"{name}\".", child.name))
                    .with_hint(format!(
                        "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                        child.name
                    )));
                }
                self.notice("00000", format!("truncate cascades to table \"{}\"", child.name));
                oids.push(child.oid);
            }
        }
        Ok(oids)
    }

    /// 55006 where rows of a table wait for their foreign keys: they must not move.
    pub(super) fn check_no_pending_keys(&self, table: &Table, what: &str) -> Result<()> {
        let waits = self.transaction.as_ref().is_some_and(|t| t.key_events.any_of(table.oid));
        if waits {
            return Err(SqlError::new(
                sqlstate::OBJECT_IN_USE,
                format!("cannot {what} \"{}\" because it has pending trigger events", table.name),
            ));
        }
        Ok(())
    }
}

/// `constraint b_a_fkey on table b`
pub(super) fn constraint_shown(table: &Table, key: &ForeignKey) -> String {
    format!("constraint {} on table {}", key.name, table.name)
}

/// The foreign key of a name.
pub(super) fn by_name<'a>(table: &'a Table, name: &str) -> Option<&'a ForeignKey> {
    table.foreign_keys.iter().find(|k| k.name == name)
}
