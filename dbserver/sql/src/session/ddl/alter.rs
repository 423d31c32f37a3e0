//! ALTER TABLE and its like.

use super::constraint::no_constraint;
use super::drop::depended_on;
use super::rewrite::check_not_null;
use super::{no_column, no_schema};
use crate::bind;
use crate::catalog::edit::{quote_identifier, relation_mentions, rename_in_expression};
use crate::catalog::{Catalog, Index, Relation, RelationKind, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::eval_row;
use crate::expr::Expr;
use crate::parse::lexer::{Kind, Lexer};
use crate::plan::visit;
use crate::session::client::Session;
use crate::session::statement::{AlterAction, ColumnSpec, DropKind, Name, SequenceOptions};
use crate::types::{ColumnType, Datum, Oid, Type};
use std::sync::Arc;

/// Whether an expression's text names a column.
fn mentions(sql: &str, column: &str) -> bool {
    let mut lexer = Lexer::new(sql);
    while let Ok(Some(token)) = lexer.next() {
        let text = sql.get(token.start..token.end).unwrap_or_default();
        let found = match token.kind {
            Kind::Word => text.eq_ignore_ascii_case(column) && text.to_ascii_lowercase() == column,
            Kind::QuotedIdentifier => text.trim_matches('"').replace("\"\"", "\"") == column,
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Whether an index has anything to do with a column.
fn involves(index: &Index, position: usize, name: &str) -> bool {
    index
        .keys
        .iter()
        .any(|k| k.column == Some(position) || k.expression.as_deref().is_some_and(|e| mentions(e, name)))
        || index.predicate.as_deref().is_some_and(|p| mentions(p, name))
}

impl Session {
    pub(super) fn alter_relation(
        &mut self,
        kind: DropKind,
        name: &Name,
        if_exists: bool,
        actions: &[AlterAction],
        query: &QueryContext,
    ) -> Result<()> {
        if kind == DropKind::Schema {
            return self.alter_schema(name, actions);
        }
        let relation = match self.relation_to_alter(kind, name) {
            Err(error) if if_exists && error.sqlstate() == sqlstate::UNDEFINED_TABLE => {
                self.notice("00000", format!("relation \"{}\" does not exist, skipping", name.name));
                return Ok(());
            }
            other => other?,
        };
        self.lock_for_ddl(relation.oid, query)?;
        if let Some(table) = relation.table() {
            self.check_no_pending_keys(table, "ALTER TABLE")?;
        }
        for action in actions {
            match action {
                AlterAction::Nothing => {}
                AlterAction::RenameTo(to) => self.rename_relation(relation.oid, to)?,
                AlterAction::SetSchema(schema) => self.set_schema(relation.oid, schema)?,
                action => match &relation.kind {
                    RelationKind::Table(_) => self.alter_table(relation.oid, action, query)?,
                    RelationKind::View(_) => self.alter_view(relation.oid, action)?,
                    _ => {
                        return Err(SqlError::new(
                            sqlstate::WRONG_OBJECT_TYPE,
                            format!("\"{}\" is not a table", relation.name),
                        ));
                    }
                },
            }
        }
        Ok(())
    }
    /// ALTER TABLE takes any relation where PostgreSQL does.
    fn relation_to_alter(&self, kind: DropKind, name: &Name) -> Result<Arc<Relation>> {
        let catalog = self.catalog();
        if let Some(schema) = &name.schema
            && catalog.schema_oid(schema).is_none()
        {
            return Err(no_schema(schema));
        }
        let found = catalog.find_relation(&self.eval.search_path, name.schema.as_deref(), &name.name);
        let relation =
            found.ok_or_else(|| Catalog::undefined_relation(name.schema.as_deref(), &name.name))?;
        if kind != DropKind::Table && relation.kind_name() != kind.word() {
            let article = if kind == DropKind::Index { "an" } else { "a" };
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not {article} {}", relation.name, kind.word()),
            ));
        }
        Ok(Arc::clone(relation))
    }
    fn alter_schema(&mut self, name: &Name, actions: &[AlterAction]) -> Result<()> {
        let catalog = self.catalog();
        if !catalog.schemas.contains_key(&name.name) {
            return Err(no_schema(&name.name));
        }
        for action in actions {
            let AlterAction::RenameTo(to) = action else { continue };
            if catalog.schema_oid(to).is_some() {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_SCHEMA,
                    format!("schema \"{to}\" already exists"),
                ));
            }
            if catalog.relations.values().any(|r| r.view().is_some()) {
                return Err(SqlError::unsupported("renaming a schema while there are views"));
            }
            self.change_catalog(|catalog| {
                if let Some(mut schema) = catalog.schemas.remove(&name.name) {
                    schema.name.clone_from(to);
                    catalog.schemas.insert(to.clone(), schema);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
    fn rename_relation(&mut self, oid: Oid, to: &str) -> Result<()> {
        let views = self.catalog().views_on(oid);
        let catalog = self.catalog();
        let old = catalog.relation(oid).map(|r| r.name.clone()).unwrap_or_default();
        self.change_catalog(|catalog| {
            catalog.rename_relation(oid, to)?;
            for view in &views {
                let Some(definition) = view.view() else { continue };
                let mut query = definition.query.clone();
                // From the end, so that places stay.
                for mention in
                    relation_mentions(&definition.query).into_iter().rev().filter(|m| m.name == old)
                {
                    let schema = mention
                        .schema
                        .as_deref()
                        .map_or(String::new(), |s| format!("{}.", quote_identifier(s)));
                    let follows = definition.query.get(mention.end..).unwrap_or_default();
                    let alias = if has_alias(follows) {
                        String::new()
                    } else {
                        format!(" {}", quote_identifier(&old))
                    };
                    let new = format!("{schema}{}{alias}", quote_identifier(to));
                    query.replace_range(mention.start..mention.end, &new);
                }
                catalog.update_relation(view.oid, |relation| {
                    if let RelationKind::View(view) = &mut relation.kind {
                        Arc::make_mut(view).query = query;
                    }
                })?;
            }
            Ok(())
        })
    }
    fn set_schema(&mut self, oid: Oid, schema: &str) -> Result<()> {
        let catalog = self.catalog();
        let to = catalog.schemas.get(schema).map(|s| s.oid).ok_or_else(|| no_schema(schema))?;
        if !catalog.views_on(oid).is_empty() {
            return Err(SqlError::unsupported("SET SCHEMA of a relation that views use"));
        }
        let mut oids = vec![oid];
        if let Some(table) = catalog.table(oid) {
            oids.extend(table.indexes.iter().map(|i| i.oid));
            oids.extend(table.primary_key_index.iter().map(|(oid, _)| *oid));
            oids.extend(table.live_columns().filter_map(|(_, c)| c.sequence));
        }
        self.change_catalog(|catalog| {
            for oid in oids {
                let Some(relation) = catalog.relation(oid).cloned() else { continue };
                if catalog.relation_in(to, &relation.name).is_some() {
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_TABLE,
                        format!("relation \"{}\" already exists in schema \"{schema}\"", relation.name),
                    ));
                }
                catalog.names.remove(&(relation.schema, relation.name.clone()));
                catalog.names.insert((to, relation.name.clone()), oid);
                catalog.update_relation(oid, |relation| {
                    relation.schema = to;
                    if let RelationKind::Table(table) = &mut relation.kind {
                        Arc::make_mut(table).schema = to;
                    }
                })?;
            }
            Ok(())
        })
    }
    fn alter_view(&mut self, oid: Oid, action: &AlterAction) -> Result<()> {
        let AlterAction::RenameColumn { from, to } = action else {
            return Err(SqlError::unsupported("this form of ALTER VIEW"));
        };
        if !self.catalog().views_on(oid).is_empty() {
            return Err(SqlError::unsupported("renaming a column of a view that views use"));
        }
        self.change_catalog(|catalog| {
            catalog.update_relation(oid, |relation| {
                let name = relation.name.clone();
                let RelationKind::View(view) = &mut relation.kind else { return Ok(()) };
                let view = Arc::make_mut(view);
                let column = view.columns.iter_mut().find(|(n, _)| n == from);
                column.ok_or_else(|| no_column(from, &name))?.0.clone_from(to);
                Ok(())
            })?
        })
    }

    fn alter_table(&mut self, oid: Oid, action: &AlterAction, query: &QueryContext) -> Result<()> {
        let table = self.table(oid)?;
        match action {
            AlterAction::AddColumn { column, if_not_exists } => {
                self.add_column(&table, column, *if_not_exists, query)
            }
            AlterAction::DropColumn { name, if_exists, cascade } => {
                self.drop_column(&table, name, *if_exists, *cascade, query)
            }
            AlterAction::RenameColumn { from, to } => self.rename_column(&table, from, to),
            AlterAction::RenameConstraint { from, to } => self.rename_constraint(&table, from, to),
            AlterAction::SetDefault { column, default } => {
                let position = Self::column_position(&table, column)?;
                let Some(old) = table.columns.get(position) else { return Ok(()) };
                if old.identity.is_some() {
                    return Err(SqlError::syntax(format!(
                        "column \"{column}\" of relation \"{}\" is an identity column",
                        table.name
                    )));
                }
                let mut new = old.clone();
                new.default = default
                    .as_ref()
                    .filter(|d| !super::create::is_null_literal(d))
                    .map(|d| super::create::default_text(d, old.ty));
                self.check_default(&table, &new)?;
                self.change_column(oid, position, |column| column.default = new.default)
            }
            AlterAction::SetNotNull { column, not_null } => {
                let position = Self::column_position(&table, column)?;
                if !not_null && table.primary_key.contains(&position) {
                    return Err(SqlError::new(
                        sqlstate::INVALID_TABLE_DEFINITION,
                        format!("column \"{column}\" is in a primary key"),
                    ));
                }
                if !not_null && table.columns.get(position).is_some_and(|c| c.identity.is_some()) {
                    return Err(SqlError::syntax(format!(
                        "column \"{column}\" of relation \"{}\" is an identity column",
                        table.name
                    )));
                }
                self.change_column(oid, position, |column| column.not_null = *not_null)?;
                if *not_null {
                    let table = self.table(oid)?;
                    self.for_each_batch(&table.clone(), query, |batch, _| check_not_null(&table, batch))?;
                }
                Ok(())
            }
            AlterAction::SetType { column, ty, using } => {
                self.set_type(&table, column, *ty, using.as_deref(), query)
            }
            AlterAction::AddConstraint { constraint, not_valid } => {
                self.add_constraint(&table, constraint, *not_valid, query)
            }
            AlterAction::DropConstraint { name, if_exists, cascade } => {
                self.drop_constraint(&table, name, *if_exists, *cascade, query)
            }
            AlterAction::ValidateConstraint(name) => {
                if let Some(key) = super::foreign_key::by_name(&table, name).cloned() {
                    return self.validate_key_constraint(&table, &key, query);
                }
                if table.checks.iter().any(|c| c.name == *name) {
                    Ok(())
                } else {
                    Err(no_constraint(name, &table))
                }
            }
            AlterAction::AddIdentity { column, kind, options } => {
                let position = Self::column_position(&table, column)?;
                let Some(found) = table.columns.get(position) else { return Ok(()) };
                if !found.not_null {
                    return Err(SqlError::new(
                        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!(
                            "column \"{column}\" of relation \"{}\" must be declared NOT NULL before identity can be added",
                            table.name
                        ),
                    ));
                }
                if found.identity.is_some() || found.default.is_some() {
                    let what = if found.identity.is_some() {
                        "is already an identity column"
                    } else {
                        "already has a default value"
                    };
                    return Err(SqlError::new(
                        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!("column \"{column}\" of relation \"{}\" {what}", table.name),
                    ));
                }
                self.add_identity(oid, position, *kind, options)
            }
            AlterAction::DropIdentity { column, if_exists } => self.drop_identity(&table, column, *if_exists),
            AlterAction::SetIdentity { column, kind, options } => {
                self.set_identity(&table, column, *kind, options)
            }
            AlterAction::RenameTo(_) | AlterAction::SetSchema(_) | AlterAction::Nothing => Ok(()),
        }
    }
    fn change_column(
        &mut self,
        oid: Oid,
        position: usize,
        f: impl FnOnce(&mut crate::catalog::Column),
    ) -> Result<()> {
        self.change_catalog(|catalog| {
            catalog.update_table(oid, |table| {
                if let Some(column) = table.columns.get_mut(position) {
                    f(column);
                }
            })
        })
    }
    fn drop_identity(&mut self, table: &Table, column: &str, if_exists: bool) -> Result<()> {
        let position = Self::column_position(table, column)?;
        let Some(found) = table.columns.get(position).filter(|c| c.identity.is_some()) else {
            let message =
                format!("column \"{column}\" of relation \"{}\" is not an identity column", table.name);
            if !if_exists {
                return Err(SqlError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
            }
            self.notice("00000", format!("{message}, skipping"));
            return Ok(());
        };
        let sequence = found.sequence;
        self.change_column(table.oid, position, |column| {
            column.identity = None;
            column.default = None;
            column.sequence = None;
        })?;
        sequence.map_or(Ok(()), |sequence| self.remove(sequence))
    }
    fn set_identity(
        &mut self,
        table: &Table,
        column: &str,
        kind: Option<char>,
        options: &SequenceOptions,
    ) -> Result<()> {
        let position = Self::column_position(table, column)?;
        let found = table.columns.get(position).filter(|c| c.identity.is_some());
        let Some(sequence) = found.and_then(|c| c.sequence) else {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("column \"{column}\" of relation \"{}\" is not an identity column", table.name),
            ));
        };
        if let Some(kind) = kind {
            self.change_column(table.oid, position, |column| column.identity = Some(kind))?;
        }
        self.change_sequence(sequence, options)
    }

    fn add_column(
        &mut self,
        table: &Arc<Table>,
        spec: &ColumnSpec,
        if_not_exists: bool,
        query: &QueryContext,
    ) -> Result<()> {
        let oid = table.oid;
        if table.column_position(&spec.name).is_some() {
            let message = format!("column \"{}\" of relation \"{}\" already exists", spec.name, table.name);
            if !if_not_exists {
                return Err(SqlError::new(sqlstate::DUPLICATE_COLUMN, message));
            }
            self.notice(sqlstate::DUPLICATE_COLUMN, format!("{message}, skipping"));
            return Ok(());
        }
        let (mut column, sequence) = self.column(table, spec, table.schema)?;
        self.check_default(table, &column)?;
        if let Some(sequence) = sequence {
            self.change_catalog(|catalog| {
                let (oid, name) = (sequence.oid, sequence.name.clone());
                catalog.insert_relation(oid, table.schema, &name, RelationKind::Sequence(Arc::new(sequence)));
                Ok(())
            })?;
        }
        // A default that is the same for every row is kept once; any other is written into each row.
        let mut fill = None;
        if let Some(default) = &column.default {
            let catalog = self.catalog();
            let expr = self.with_bind_context(&catalog, &[], |context| {
                bind::bind_table_expr_as(default, table, column.ty, &column.name, context)
            })?;
            if visit::is_volatile(&expr) {
                fill = Some(expr);
            } else {
                column.missing = self.with_execution(query, |ctx| eval_row(&expr, &[], ctx))?;
            }
        }
        let not_null = column.not_null;
        let has_value = fill.is_some() || !column.missing.is_null();
        let name = column.name.clone();
        self.change_catalog(|catalog| catalog.update_table(oid, |t| t.columns.push(column)))?;
        if let Some(fill) = fill {
            let mut exprs = live_exprs(table);
            exprs.push(fill);
            let now = self.table(oid)?;
            self.move_to_new_trees(&now)?;
            self.rewrite(table, &exprs, query)?;
        } else if not_null && !has_value {
            let mut rows = 0;
            self.for_each_batch(table, query, |batch, _| {
                rows += batch.rows;
                Ok(())
            })?;
            if rows > 0 {
                return Err(SqlError::new(
                    sqlstate::NOT_NULL_VIOLATION,
                    format!("column \"{name}\" of relation \"{}\" contains null values", table.name),
                )
                .with_table(&table.name)
                .with_column(name));
            }
        }
        for constraint in &spec.constraints {
            let table = self.table(oid)?;
            self.add_constraint(&table, constraint, false, query)?;
        }
        Ok(())
    }

    fn drop_column(
        &mut self,
        table: &Arc<Table>,
        name: &str,
        if_exists: bool,
        cascade: bool,
        query: &QueryContext,
    ) -> Result<()> {
        let oid = table.oid;
        let Some(position) = table.column_position(name) else {
            if !if_exists {
                return Err(no_column(name, &table.name));
            }
            self.notice(
                "00000",
                format!("column \"{name}\" of relation \"{}\" does not exist, skipping", table.name),
            );
            return Ok(());
        };
        let views: Vec<_> = self
            .catalog()
            .views_on(oid)
            .into_iter()
            .filter(|v| v.view().is_some_and(|v| mentions(&v.query, name) || v.query.contains('*')))
            .collect();
        if !views.is_empty() {
            let reasons: Vec<String> = views
                .iter()
                .map(|v| format!("view {} depends on column {name} of table {}", v.name, table.name))
                .collect();
            if !cascade {
                return Err(depended_on(&format!("column {name} of table {}", table.name), &reasons));
            }
            let names: Vec<String> = views.iter().map(|v| format!("view {}", v.name)).collect();
            self.cascade_notice(&names);
            for view in &views {
                self.remove(view.oid)?;
            }
        }
        let what = format!("column {name} of table {}", table.name);
        self.drop_dependent_keys(oid, &what, &what, cascade, |k| k.referenced.contains(&position))?;
        self.change_catalog(|catalog| catalog.remove_foreign_keys(oid, |k| k.columns.contains(&position)))?;
        if table.primary_key.contains(&position)
            && let Some((_, key)) = &table.primary_key_index
        {
            self.drop_constraint(table, key, false, cascade, query)?;
        }
        for index in table.indexes.iter().filter(|i| involves(i, position, name)) {
            self.remove(index.oid)?;
        }
        let sequence = table.columns.get(position).and_then(|c| c.sequence);
        self.change_catalog(|catalog| {
            catalog.update_table(oid, |t| {
                t.checks.retain(|c| !mentions(&c.expression, name));
                if let Some(column) = t.columns.get_mut(position) {
                    column.name = format!("........pg.dropped.{}........", position + 1);
                    column.dropped = true;
                    column.default = None;
                    column.identity = None;
                    column.sequence = None;
                    column.not_null = false;
                }
            })
        })?;
        sequence.map_or(Ok(()), |sequence| self.remove(sequence))
    }

    fn rename_column(&mut self, table: &Table, from: &str, to: &str) -> Result<()> {
        let oid = table.oid;
        let position = table.column_position(from).ok_or_else(|| {
            SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{from}\" does not exist"))
        })?;
        if table.column_position(to).is_some() {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{to}\" of relation \"{}\" already exists", table.name),
            ));
        }
        let used =
            |v: &Arc<Relation>| v.view().is_some_and(|v| mentions(&v.query, from) || v.query.contains('*'));
        if self.catalog().views_on(oid).iter().any(used) {
            return Err(SqlError::unsupported("renaming a column that a view uses"));
        }
        let indexes: Vec<Oid> = table.indexes.iter().map(|i| i.oid).collect();
        self.change_catalog(|catalog| {
            for index in indexes {
                catalog.update_index(index, |index| {
                    for key in &mut index.keys {
                        key.expression = key.expression.as_deref().map(|e| rename_in_expression(e, from, to));
                    }
                    index.predicate = index.predicate.as_deref().map(|p| rename_in_expression(p, from, to));
                })?;
            }
            catalog.update_table(oid, |t| {
                for check in &mut t.checks {
                    check.expression = rename_in_expression(&check.expression, from, to);
                }
                if let Some(column) = t.columns.get_mut(position) {
                    to.clone_into(&mut column.name);
                }
            })
        })
    }

    fn set_type(
        &mut self,
        table: &Arc<Table>,
        column: &str,
        ty: ColumnType,
        using: Option<&str>,
        query: &QueryContext,
    ) -> Result<()> {
        let oid = table.oid;
        let position = Self::column_position(table, column)?;
        let Some(old) = table.columns.get(position).cloned() else { return Ok(()) };
        let used =
            |v: &Arc<Relation>| v.view().is_some_and(|v| mentions(&v.query, column) || v.query.contains('*'));
        if let Some(view) = self.catalog().views_on(oid).iter().find(|v| used(v)) {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cannot alter type of a column used by a view or rule",
            )
            .with_detail(format!("rule _RETURN on view {} depends on column \"{column}\"", view.name)));
        }
        let quoted = quote_identifier(column);
        let target = crate::types::name::format_type(ty);
        let catalog = self.catalog();
        let expr = self
            .with_bind_context(&catalog, &[], |context| {
                bind::bind_table_expr_as(using.unwrap_or(&quoted), table, ty, column, context)
            })
            .map_err(|error| {
                if error.sqlstate() != sqlstate::DATATYPE_MISMATCH {
                    return error;
                }
                match using {
                    None => SqlError::new(
                        sqlstate::DATATYPE_MISMATCH,
                        format!("column \"{column}\" cannot be cast automatically to type {target}"),
                    )
                    .with_hint(format!("You might need to specify \"USING {quoted}::{target}\".")),
                    Some(_) => SqlError::new(
                        sqlstate::DATATYPE_MISMATCH,
                        format!("result of USING clause for column \"{column}\" cannot be cast automatically to type {target}"),
                    )
                    .with_hint("You might need to add an explicit cast."),
                }
            })?;
        let mut exprs = live_exprs(table);
        let live = table.live_columns().position(|(p, _)| p == position).unwrap_or(0);
        if let Some(slot) = exprs.get_mut(live) {
            *slot = expr;
        }
        let mut new = old.clone();
        new.ty = ty;
        if let Some(sequence) = old.sequence.filter(|_| old.default.is_some()) {
            if matches!(ty.ty, Type::INT2 | Type::INT4 | Type::INT8) && old.identity.is_some() {
                self.change_sequence(
                    sequence,
                    &SequenceOptions { ty: Some(ty.ty), ..SequenceOptions::default() },
                )?;
            }
        } else if self.check_default(table, &new).is_err() {
            return Err(SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("default for column \"{column}\" cannot be cast automatically to type {target}"),
            ));
        }
        self.change_catalog(|catalog| {
            catalog.update_table(oid, |t| {
                for column in &mut t.columns {
                    // Every row is written anew, with all of its columns.
                    if !column.dropped {
                        column.missing = Datum::Null;
                    }
                }
                if let Some(column) = t.columns.get_mut(position) {
                    column.ty = ty;
                }
            })
        })?;
        let now = self.table(oid)?;
        self.move_to_new_trees(&now)?;
        self.rewrite(table, &exprs, query)
    }
}

/// Each live column as it is.
pub(super) fn live_exprs(table: &Table) -> Vec<Expr> {
    table.live_columns().enumerate().map(|(at, (_, c))| Expr::column(at, c.ty.ty, c.ty.typmod)).collect()
}

/// Whether what follows a relation's name in FROM gives it another one.
fn has_alias(follows: &str) -> bool {
    const NOT_ALIASES: &[&str] = &[
        "join",
        "inner",
        "left",
        "right",
        "full",
        "cross",
        "natural",
        "on",
        "using",
        "where",
        "group",
        "order",
        "having",
        "limit",
        "offset",
        "fetch",
        "union",
        "intersect",
        "except",
        "window",
        "for",
        "tablesample",
    ];
    let mut lexer = Lexer::new(follows);
    match lexer.next() {
        Ok(Some(token)) => {
            let text = follows.get(token.start..token.end).unwrap_or_default().to_ascii_lowercase();
            match token.kind {
                Kind::Word => !NOT_ALIASES.contains(&text.as_str()),
                Kind::QuotedIdentifier => true,
                _ => false,
            }
        }
        _ => false,
    }
}
