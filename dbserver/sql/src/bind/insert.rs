//! INSERT: columns, defaults, casts, ON CONFLICT.

use super::scope::{Scope, ScopeRelation};
use super::types::{fold, name_parts};
use super::{Binder, Bound, Query, from::Found, table_scope};
use crate::catalog::{Catalog, Column, RelationKind, Table};
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::plan::{Insert, OnConflict, Plan};
use crate::types::{Datum, Type};
use sqlparser::ast::{self, ConflictTarget, OnConflictAction, OnInsert, SetExpr, TableObject};
use std::sync::Arc;

/// What a column is given.
enum Source<'e> {
    Default,
    Expr(&'e ast::Expr),
}

impl Binder<'_> {
    /// A table to write to.
    pub(super) fn target_table(&self, name: &ast::ObjectName) -> Result<Arc<Table>> {
        let parts = name_parts(name)?;
        let (schema, bare) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] | [_, schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return Err(SqlError::syntax("improper qualified name (too many dotted names)")),
        };
        let span = match name.0.first() {
            Some(ast::ObjectNamePart::Identifier(i)) => i.span,
            _ => sqlparser::tokenizer::Span::empty(),
        };
        match self.find_relation(schema, bare) {
            Some(Found::User(relation)) => match &relation.kind {
                RelationKind::Table(table) => Ok(Arc::clone(table)),
                RelationKind::View(_) => Err(SqlError::new(
                    sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("cannot change view \"{bare}\""),
                )
                .with_hint("Change the tables that the view reads.")),
                RelationKind::Sequence(_) => Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot change sequence \"{bare}\""),
                )),
                RelationKind::Index(_) => {
                    Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{bare}\" is an index")))
                }
            },
            Some(Found::System(_)) => Err(SqlError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{bare}\" is a system catalog"),
            )),
            None => Err(self.locate(Catalog::undefined_relation(schema, bare), span)),
        }
    }
    pub(super) fn insert(&mut self, insert: &ast::Insert) -> Result<Bound> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported("INSERT into anything but a table"));
        };
        if insert.or.is_some()
            || insert.ignore
            || insert.overwrite
            || !insert.assignments.is_empty()
            || insert.partitioned.is_some()
        {
            return Err(SqlError::syntax("syntax error in INSERT"));
        }
        let table = self.target_table(name)?;
        let live: Vec<(usize, &Column)> = table.live_columns().collect();
        let positions = self.insert_columns(&table, &live, &insert.columns)?;
        let overriding = insert.overriding.as_ref();
        let input = match &insert.source {
            None => self.insert_values(&table, &live, &positions, &[Vec::new()], overriding)?,
            Some(query) => match &*query.body {
                SetExpr::Values(values)
                    if query.with.is_none()
                        && query.order_by.is_none()
                        && query.limit_clause.is_none()
                        && query.fetch.is_none() =>
                {
                    let rows: Vec<Vec<Source<'_>>> =
                        values.rows.iter().map(|row| row.content.iter().map(source).collect()).collect();
                    self.insert_values(&table, &live, &positions, &rows, overriding)?
                }
                _ => self.insert_query(&table, &live, &positions, query, overriding)?,
            },
        };
        let conflict = match &insert.on {
            None => None,
            Some(OnInsert::OnConflict(on)) => Some(self.on_conflict(&table, on, insert)?),
            Some(_) => return Err(SqlError::syntax("syntax error at or near \"duplicate\"")),
        };
        let alias = insert_alias(insert, &table);
        self.frame_mut()?.scope = table_scope(&table, &alias);
        let (returning, columns) = self.returning(insert.returning.as_deref())?;
        let checks = Arc::new(self.table_checks(&table, true)?);
        let plan =
            Plan::Insert(Box::new(Insert { table: Arc::clone(&table), input, checks, conflict, returning }));
        Ok(Bound { plan, columns, tag: "INSERT 0" })
    }
    /// Live column numbers in the order of the statement's column list.
    fn insert_columns(
        &self,
        table: &Table,
        live: &[(usize, &Column)],
        names: &[ast::ObjectName],
    ) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok((0..live.len()).collect());
        }
        let mut positions = Vec::with_capacity(names.len());
        for name in names {
            let column = name_parts(name)?.pop().unwrap_or_default();
            let Some(at) = live.iter().position(|(_, c)| c.name == column) else {
                let span = match name.0.first() {
                    Some(ast::ObjectNamePart::Identifier(i)) => i.span,
                    _ => sqlparser::tokenizer::Span::empty(),
                };
                return Err(self.locate(no_column(&column, &table.name), span));
            };
            if positions.contains(&at) {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{column}\" specified more than once"),
                ));
            }
            positions.push(at);
        }
        Ok(positions)
    }
    /// A column's default, cast; null without one.
    pub(super) fn default(&self, table: &Arc<Table>, column: &Column) -> Result<Expr> {
        match &column.default {
            Some(text) => super::bind_table_expr_as(text, table, column.ty, &column.name, self.context),
            None => match column.sequence {
                Some(sequence) if column.identity.is_some() => self.next_value(sequence, column),
                _ => Ok(Expr {
                    kind: ExprKind::Const(Datum::Null),
                    ty: column.ty.ty,
                    typmod: column.ty.typmod,
                }),
            },
        }
    }
    fn next_value(&self, sequence: u32, column: &Column) -> Result<Expr> {
        let mut binder = Binder::new(self.context);
        let sequence = Expr::constant(Datum::Oid(sequence), Type::REGCLASS);
        let next = binder.call("nextval", vec![sequence], false)?;
        binder.assign(next, column.ty, &column.name)
    }
    fn insert_values(
        &mut self,
        table: &Arc<Table>,
        live: &[(usize, &Column)],
        positions: &[usize],
        rows: &[Vec<Source<'_>>],
        overriding: Option<&ast::InsertOverriding>,
    ) -> Result<Plan> {
        let defaults = live.iter().map(|(_, c)| self.default(table, c)).collect::<Result<Vec<_>>>()?;
        let mut out = Vec::with_capacity(rows.len());
        let width = rows.first().map_or(0, Vec::len);
        for row in rows {
            if row.len() != width {
                return Err(SqlError::syntax("VALUES lists must all be the same length"));
            }
            if row.len() > positions.len() {
                return Err(SqlError::syntax("INSERT has more expressions than target columns"));
            }
            // Without a column list the rest of the columns get their defaults.
            if row.len() < positions.len() && positions.len() != live.len() {
                return Err(SqlError::syntax("INSERT has more target columns than expressions"));
            }
            let mut exprs = defaults.clone();
            for (source, at) in row.iter().zip(positions) {
                let Source::Expr(expr) = source else { continue };
                let Some((_, column)) = live.get(*at) else { continue };
                let bound = self.without_aggregates("VALUES", |b| b.expr(expr))?;
                let bound = self.assign(bound, column.ty, &column.name)?;
                if !identity_allows(column, overriding)? {
                    continue;
                }
                if let Some(slot) = exprs.get_mut(*at) {
                    *slot = bound;
                }
            }
            out.push(exprs);
        }
        Ok(Plan::Values { rows: out, types: live.iter().map(|(_, c)| c.ty).collect() })
    }
    fn insert_query(
        &mut self,
        table: &Arc<Table>,
        live: &[(usize, &Column)],
        positions: &[usize],
        query: &ast::Query,
        overriding: Option<&ast::InsertOverriding>,
    ) -> Result<Plan> {
        let mut bound: Query = self.in_scope(|b| b.query_as(query, false))?;
        if bound.columns.len() > positions.len() {
            return Err(SqlError::syntax("INSERT has more expressions than target columns"));
        }
        if bound.columns.len() < positions.len() && positions.len() != live.len() {
            return Err(SqlError::syntax("INSERT has more target columns than expressions"));
        }
        // Untyped outputs take the columns' types.
        let targets: Vec<Type> = bound
            .columns
            .iter()
            .zip(positions)
            .map(|(c, at)| match live.get(*at) {
                Some((_, column)) if c.ty.ty == Type::UNKNOWN => column.ty.ty,
                _ => c.ty.ty,
            })
            .collect();
        self.convert_columns(&mut bound, &targets, "INSERT")?;
        let mut exprs = live.iter().map(|(_, c)| self.default(table, c)).collect::<Result<Vec<_>>>()?;
        for ((from, column), at) in bound.columns.iter().enumerate().zip(positions) {
            let Some((_, target)) = live.get(*at) else { continue };
            let expr =
                self.assign(Expr::column(from, column.ty.ty, column.ty.typmod), target.ty, &target.name)?;
            if !identity_allows(target, overriding)? {
                continue;
            }
            if let Some(slot) = exprs.get_mut(*at) {
                *slot = expr;
            }
        }
        Ok(Plan::Project { input: Box::new(bound.plan), exprs })
    }
    fn on_conflict(
        &mut self,
        table: &Arc<Table>,
        on: &ast::OnConflict,
        insert: &ast::Insert,
    ) -> Result<OnConflict> {
        let target = match &on.conflict_target {
            None => None,
            Some(ConflictTarget::OnConstraint(name)) => {
                let name = name_parts(name)?.pop().unwrap_or_default();
                Some(constraint_target(table, &name)?)
            }
            Some(ConflictTarget::Columns { columns, predicate }) => {
                let _ = predicate;
                let names: Vec<String> = columns.iter().map(fold).collect();
                Some(column_target(table, &names)?)
            }
        };
        let update = match &on.action {
            OnConflictAction::DoNothing => None,
            OnConflictAction::DoUpdate(update) => {
                if target.is_none() {
                    return Err(SqlError::syntax(
                        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    )
                    .with_hint("For example, ON CONFLICT (column_name)."));
                }
                // The old row, then the row that was to be inserted.
                let alias = insert_alias(insert, table);
                let mut scope = table_scope(table, &alias);
                let width = scope.width;
                let mut excluded = table_scope(table, "excluded");
                excluded.shift(width);
                let relation: Vec<ScopeRelation> = excluded.relations;
                scope.relations.extend(relation);
                scope.width = width * 2;
                self.frame_mut()?.scope = scope;
                let assignments = self.assignments(table, &update.assignments)?;
                let filter = match &update.selection {
                    Some(selection) => {
                        let bound = self.without_aggregates("WHERE", |b| b.expr(selection))?;
                        Some(self.boolean(bound, "WHERE")?)
                    }
                    None => None,
                };
                self.frame_mut()?.scope = Scope::default();
                Some((assignments, filter))
            }
        };
        Ok(OnConflict { target, update })
    }
    /// SET of UPDATE and ON CONFLICT: (live column number, value).
    pub(super) fn assignments(
        &mut self,
        table: &Arc<Table>,
        list: &[ast::Assignment],
    ) -> Result<Vec<(usize, Expr)>> {
        let mut out: Vec<(usize, Expr)> = Vec::with_capacity(list.len());
        for assignment in list {
            match &assignment.target {
                ast::AssignmentTarget::ColumnName(name) => {
                    self.assignment(table, name, AssignedValue::Written(&assignment.value), &mut out)?;
                }
                ast::AssignmentTarget::Tuple(names) => {
                    let mut value = &assignment.value;
                    while let ast::Expr::Nested(inner) = value {
                        value = inner;
                    }
                    let one;
                    let values: Vec<&ast::Expr> = match value {
                        ast::Expr::Tuple(items) => items.iter().collect(),
                        ast::Expr::Function(f)
                            if super::call::function_name(&f.name).is_ok_and(|n| n == "row") =>
                        {
                            one = row_items(f);
                            one.iter().collect()
                        }
                        ast::Expr::Subquery(query) => {
                            self.assign_subquery(table, names, query, &mut out)?;
                            continue;
                        }
                        single => vec![single],
                    };
                    if values.len() != names.len() {
                        return Err(SqlError::syntax("number of columns does not match number of values"));
                    }
                    for (name, value) in names.iter().zip(values) {
                        self.assignment(table, name, AssignedValue::Written(value), &mut out)?;
                    }
                }
            }
        }
        Ok(out)
    }
    /// `(a, b) = (SELECT …)`: the subquery once for each column.
    fn assign_subquery(
        &mut self,
        table: &Arc<Table>,
        names: &[ast::ObjectName],
        query: &ast::Query,
        out: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let (bound, args) = self.in_frame(|b| b.query(query))?;
        if bound.columns.len() != names.len() {
            return Err(SqlError::syntax("number of columns does not match number of values"));
        }
        for (at, (name, column)) in names.iter().zip(&bound.columns).enumerate() {
            let exprs = vec![Expr::column(at, column.ty.ty, column.ty.typmod)];
            let plan = Plan::Project { input: Box::new(bound.plan.clone()), exprs };
            let plan = Arc::new(crate::expr::SubPlan { plan, args: args.clone() });
            let kind = ExprKind::Subquery { kind: crate::expr::SubqueryKind::Scalar, plan };
            let expr = Expr { kind, ty: column.ty.ty, typmod: column.ty.typmod };
            self.assignment(table, name, AssignedValue::Bound(expr), out)?;
        }
        Ok(())
    }
    fn assignment(
        &mut self,
        table: &Arc<Table>,
        name: &ast::ObjectName,
        value: AssignedValue<'_>,
        out: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let parts = name_parts(name)?;
        let [column_name] = parts.as_slice() else {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{}\" of relation \"{}\" does not exist", parts.join("."), table.name),
            ));
        };
        let found = table.live_columns().enumerate().find(|(_, (_, c))| &c.name == column_name);
        let Some((at, (_, column))) = found else {
            let span = match name.0.first() {
                Some(ast::ObjectNamePart::Identifier(i)) => i.span,
                _ => sqlparser::tokenizer::Span::empty(),
            };
            return Err(self.locate(no_column(column_name, &table.name), span));
        };
        if out.iter().any(|(other, _)| *other == at) {
            return Err(SqlError::syntax(format!("multiple assignments to same column \"{column_name}\"")));
        }
        let value = match value {
            AssignedValue::Bound(expr) => Some(expr),
            AssignedValue::Written(expr) if is_default(expr) => None,
            AssignedValue::Written(expr) => Some(self.without_aggregates("UPDATE", |b| b.expr(expr))?),
        };
        let value = match value {
            None => self.default(table, column)?,
            Some(_) if column.identity == Some('a') => {
                return Err(SqlError::new(
                    "428C9",
                    format!("column \"{column_name}\" can only be updated to DEFAULT"),
                )
                .with_detail(format!(
                    "Column \"{column_name}\" is an identity column defined as GENERATED ALWAYS."
                )));
            }
            Some(value) => self.assign(value, column.ty, column_name)?,
        };
        out.push((at, value));
        Ok(())
    }
}

enum AssignedValue<'e> {
    Written(&'e ast::Expr),
    Bound(Expr),
}

fn row_items(function: &ast::Function) -> Vec<ast::Expr> {
    match &function.args {
        ast::FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|a| match a {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => Some(e.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn insert_alias(insert: &ast::Insert, table: &Table) -> String {
    insert.table_alias.as_ref().map_or_else(|| table.name.clone(), |a| fold(&a.alias))
}

fn is_default(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

fn source(expr: &ast::Expr) -> Source<'_> {
    if is_default(expr) { Source::Default } else { Source::Expr(expr) }
}

fn no_column(column: &str, table: &str) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_COLUMN,
        format!("column \"{column}\" of relation \"{table}\" does not exist"),
    )
}

/// Whether an explicit value is used for a column: not for an identity column under OVERRIDING USER VALUE; 428C9 for one that is
/// generated always.
fn identity_allows(column: &Column, overriding: Option<&ast::InsertOverriding>) -> Result<bool> {
    match (column.identity, overriding) {
        (None, _) | (Some(_), Some(ast::InsertOverriding::System)) => Ok(true),
        (Some(_), Some(ast::InsertOverriding::User)) => Ok(false),
        (Some('a'), None) => Err(SqlError::new(
            "428C9",
            format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name),
        )
        .with_detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name))
        .with_hint("Use OVERRIDING SYSTEM VALUE to override.")),
        (Some(_), None) => Ok(true),
    }
}

fn constraint_target(table: &Table, name: &str) -> Result<Option<usize>> {
    if table.primary_key_index.as_ref().is_some_and(|(_, n)| n == name) {
        return Ok(None);
    }
    match table.indexes.iter().position(|i| i.constraint && i.unique && i.name == name) {
        Some(at) => Ok(Some(at)),
        None => Err(SqlError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("constraint \"{name}\" for table \"{}\" does not exist", table.name),
        )),
    }
}

/// The unique index over just these columns, in any order.
fn column_target(table: &Table, names: &[String]) -> Result<Option<usize>> {
    let mut wanted = Vec::with_capacity(names.len());
    for name in names {
        wanted.push(table.column_position(name).ok_or_else(|| super::scope::undefined_column(name))?);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let matches = |mut columns: Vec<usize>| {
        columns.sort_unstable();
        columns == wanted
    };
    if !table.primary_key.is_empty() && matches(table.primary_key.clone()) {
        return Ok(None);
    }
    let found = table.indexes.iter().position(|i| {
        i.valid
            && i.unique
            && i.keys.iter().all(|k| k.column.is_some())
            && matches(i.keys.iter().filter_map(|k| k.column).collect())
    });
    found.map(Some).ok_or_else(|| {
        SqlError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        )
    })
}
