//! Data definition: changes of the catalog, and the work on rows that goes with some of them.
//!
//! The first DDL of a transaction takes the catalog's lock and makes the catalog its own; each statement then locks the relations
//! it changes, so that it waits for running writers and they wait for it.

mod alter;
mod concurrent_index;
mod constraint;
mod create;
mod drop;
mod foreign_key;
mod index;
mod rewrite;
mod sequence;
mod view;

pub(crate) use index::has_order;

use crate::catalog::{Catalog, Relation, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::ExecContext;
use crate::session::client::Session;
use crate::session::statement::{CommentOn, Ddl, DropKind, Name};
use crate::types::Oid;
use std::sync::Arc;

impl Session {
    /// Runs a statement in the open transaction; gives its command tag.
    pub(crate) fn run_ddl(&mut self, ddl: &Ddl, query: &QueryContext) -> Result<String> {
        self.begin_ddl(query)?;
        let tag = ddl.tag();
        match ddl {
            Ddl::CreateTable(create) => self.create_table(create, query)?,
            Ddl::CreateTableAs { name, if_not_exists, columns, query: text, with_data, .. } => {
                return self.create_table_as(
                    name,
                    *if_not_exists,
                    columns.as_deref(),
                    text,
                    *with_data,
                    query,
                );
            }
            Ddl::CreateIndex(create) => self.create_index(create, query)?,
            Ddl::CreateSequence { name, if_not_exists, options } => {
                self.create_sequence(name, *if_not_exists, options)?
            }
            Ddl::AlterSequence { name, if_exists, options } => {
                self.alter_sequence(name, *if_exists, options, query)?
            }
            Ddl::CreateView { name, or_replace, columns, query: text } => {
                self.create_view(name, *or_replace, columns.as_deref(), text)?;
            }
            Ddl::CreateSchema { name, if_not_exists } => self.create_schema(name, *if_not_exists)?,
            Ddl::CreateExtension { name, if_not_exists } => {
                if name != "plpgsql" {
                    return Err(SqlError::unsupported(format!("extension \"{name}\"")));
                }
                if !*if_not_exists {
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!("extension \"{name}\" already exists"),
                    ));
                }
                self.notice(
                    sqlstate::DUPLICATE_OBJECT,
                    format!("extension \"{name}\" already exists, skipping"),
                );
            }
            Ddl::Drop { kind, names, if_exists, cascade } => {
                self.drop_objects(*kind, names, *if_exists, *cascade, query)?;
            }
            Ddl::Alter { kind, name, if_exists, actions } => {
                self.alter_relation(*kind, name, *if_exists, actions, query)?;
            }
            Ddl::Truncate { tables, restart, cascade } => self.truncate(tables, *restart, *cascade, query)?,
            Ddl::Comment { on, text } => self.comment(on, text.as_deref())?,
        }
        Ok(tag)
    }

    /// The schema that a new object goes to.
    pub(crate) fn creation_schema(&self, name: &Name) -> Result<Oid> {
        let catalog = self.catalog();
        match &name.schema {
            Some(schema) => {
                if matches!(schema.as_str(), "pg_catalog" | "information_schema") {
                    return Err(SqlError::new(
                        sqlstate::INSUFFICIENT_PRIVILEGE,
                        format!("permission denied to create \"{schema}.{}\"", name.name),
                    )
                    .with_detail("System catalog modifications are currently disallowed."));
                }
                catalog.schema_oid(schema).ok_or_else(|| no_schema(schema))
            }
            None => self
                .eval
                .search_path
                .iter()
                .filter(|s| *s != "pg_catalog" && *s != "information_schema")
                .find_map(|s| catalog.schema_oid(s))
                .ok_or_else(|| {
                    SqlError::new(sqlstate::INVALID_SCHEMA_NAME, "no schema has been selected to create in")
                        .with_position(name.position)
                }),
        }
    }
    /// Whether a relation of the name is there: 42P07, or a notice and true with IF NOT EXISTS.
    pub(crate) fn already_exists(&mut self, schema: Oid, name: &str, if_not_exists: bool) -> Result<bool> {
        if self.catalog().relation_in(schema, name).is_none() {
            return Ok(false);
        }
        let message = format!("relation \"{name}\" already exists");
        if !if_not_exists {
            return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, message));
        }
        self.notice(sqlstate::DUPLICATE_TABLE, format!("{message}, skipping"));
        Ok(true)
    }
    /// A relation by name: 42P01, or 42809 where it is of another kind.
    pub(crate) fn require(&self, name: &Name, kind: DropKind) -> Result<Arc<Relation>> {
        let catalog = self.catalog();
        if let Some(schema) = &name.schema
            && catalog.schema_oid(schema).is_none()
        {
            return Err(no_schema(schema));
        }
        let found = catalog.find_relation(&self.eval.search_path, name.schema.as_deref(), &name.name);
        let relation =
            found.ok_or_else(|| Catalog::undefined_relation(name.schema.as_deref(), &name.name))?;
        if relation.kind_name() != kind.word() {
            return Err(wrong_kind(relation, kind));
        }
        Ok(Arc::clone(relation))
    }
    pub(crate) fn require_table(&self, name: &Name) -> Result<Arc<Table>> {
        let relation = self.require(name, DropKind::Table)?;
        relation.table().cloned().ok_or_else(|| wrong_kind(&relation, DropKind::Table))
    }
    /// Locks a table against writers and takes a snapshot that has everything they committed.
    pub(crate) fn lock_for_ddl(&mut self, oid: Oid, query: &QueryContext) -> Result<()> {
        self.lock_relation(oid, true, query)?;
        if let Some(transaction) = &self.transaction {
            transaction.storage.committed_so_far().wait()?;
        }
        self.begin_statement()
    }
    /// The table as it is now in the transaction's catalog.
    pub(crate) fn table(&self, oid: Oid) -> Result<Arc<Table>> {
        self.catalog().table(oid).cloned().ok_or_else(|| SqlError::internal("a table is gone"))
    }
    /// Calls `f` with a context to run plans and write rows in.
    pub(crate) fn with_execution<T>(
        &self,
        query: &QueryContext,
        f: impl FnOnce(&mut ExecContext<'_>) -> Result<T>,
    ) -> Result<T> {
        let transaction = self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
        let mut ctx = transaction.context(&self.environment, &self.eval, &[], query, self.lock_timeout());
        f(&mut ctx)
    }

    fn create_schema(&mut self, name: &str, if_not_exists: bool) -> Result<()> {
        if name.starts_with("pg_") {
            return Err(SqlError::new("42939", format!("unacceptable schema name \"{name}\""))
                .with_detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.catalog().schema_oid(name).is_some() {
            let message = format!("schema \"{name}\" already exists");
            if !if_not_exists {
                return Err(SqlError::new(sqlstate::DUPLICATE_SCHEMA, message));
            }
            self.notice(sqlstate::DUPLICATE_SCHEMA, format!("{message}, skipping"));
            return Ok(());
        }
        self.change_catalog(|catalog| {
            catalog.insert_schema(name);
            Ok(())
        })
    }

    fn comment(&mut self, on: &CommentOn, text: Option<&str>) -> Result<()> {
        let (oid, number) = match on {
            CommentOn::Other => return Ok(()),
            CommentOn::Relation(kind, name) => (self.require(name, *kind)?.oid, 0),
            CommentOn::Column(name, column) => {
                let catalog = self.catalog();
                let relation = catalog
                    .find_relation(&self.eval.search_path, name.schema.as_deref(), &name.name)
                    .ok_or_else(|| Catalog::undefined_relation(name.schema.as_deref(), &name.name))?;
                let position = match (relation.table(), relation.view()) {
                    (Some(table), _) => table.column_position(column),
                    (_, Some(view)) => view.columns.iter().position(|(n, _)| n == column),
                    _ => None,
                };
                let position = position.ok_or_else(|| no_column(column, &relation.name))?;
                (relation.oid, i16::try_from(position + 1).unwrap_or(i16::MAX))
            }
        };
        self.change_catalog(|catalog| {
            catalog.update_relation(oid, |relation| match text {
                Some(text) if !text.is_empty() => {
                    relation.comments.insert(number, text.to_owned());
                }
                _ => {
                    relation.comments.remove(&number);
                }
            })
        })
    }

    /// TRUNCATE: the tables go on in new, empty trees.
    fn truncate(&mut self, names: &[Name], restart: bool, cascade: bool, query: &QueryContext) -> Result<()> {
        let named: Vec<Oid> =
            names.iter().map(|name| Ok(self.require_table(name)?.oid)).collect::<Result<_>>()?;
        for oid in self.truncated_together(named, cascade)? {
            self.lock_for_ddl(oid, query)?;
            let table = self.table(oid)?;
            self.check_no_pending_keys(&table, "TRUNCATE")?;
            self.move_to_new_trees(&table)?;
            if restart {
                for sequence in table.live_columns().filter_map(|(_, c)| c.sequence) {
                    self.restart_sequence(sequence, None)?;
                }
            }
        }
        Ok(())
    }
}

/// 3F000
pub(super) fn no_schema(name: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
}

/// 42703
pub(super) fn no_column(column: &str, relation: &str) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_COLUMN,
        format!("column \"{column}\" of relation \"{relation}\" does not exist"),
    )
}

/// 42809
pub(super) fn wrong_kind(relation: &Relation, wanted: DropKind) -> SqlError {
    let article = if wanted == DropKind::Index { "an" } else { "a" };
    let error = SqlError::new(
        sqlstate::WRONG_OBJECT_TYPE,
        format!("\"{}\" is not {article} {}", relation.name, wanted.word()),
    );
    let is = relation.kind_name();
    let article = if is == "index" { "an" } else { "a" };
    error.with_hint(format!("Use DROP {} to remove {article} {is}.", is.to_ascii_uppercase()))
}
