//! From a query's text to a plan, through the plan cache.

use crate::bind::{self, BindContext};
use crate::catalog::Catalog;
use crate::error::{Result, SqlError, sqlstate};
use crate::parse;
use crate::plan::{Plan, PlannedKind, PlannedStatement, PointPlan};
use crate::session::StatementKind;
use crate::session::client::Session;
use crate::session::plan_cache::{CachedPlan, PlanKey};
use crate::types::{Oid, Type};
use plimsoll_storage::TreeId;
use sqlparser::ast;
use std::sync::Arc;

/// Parses one query.
pub(crate) fn parse_query(text: &str) -> Result<Box<ast::Statement>> {
    let mut statements = parse::parse(text)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(parsed), true) => match parsed.statement {
            parse::Statement::Query(query) => Ok(query),
            _ => Err(SqlError::syntax("a query is expected here")),
        },
        (None, _) => Err(SqlError::syntax("syntax error at end of input")),
        _ => Err(SqlError::new(
            sqlstate::SYNTAX_ERROR,
            "cannot insert multiple commands into a prepared statement",
        )),
    }
}

/// Tables that a plan writes to or locks rows of.
pub(crate) fn written_tables(statement: &PlannedStatement) -> Box<[Oid]> {
    let mut tables = Vec::new();
    match &statement.kind {
        PlannedKind::Point(
            PointPlan::Update { table, .. }
            | PointPlan::Delete { table, .. }
            | PointPlan::Insert { table, .. },
        ) => tables.push(table.oid),
        PlannedKind::Point(PointPlan::Get { .. }) => {}
        PlannedKind::Tree(plan) => collect(plan, &mut tables),
    }
    tables.sort_unstable();
    tables.dedup();
    tables.into()
}

fn collect(plan: &Plan, tables: &mut Vec<Oid>) {
    match plan {
        Plan::Insert(insert) => tables.push(insert.table.oid),
        Plan::Update(update) => tables.push(update.table.oid),
        Plan::Delete(delete) => tables.push(delete.table.oid),
        Plan::LockRows { targets, .. } => tables.extend(targets.iter().map(|t| t.table.oid)),
        _ => {}
    }
    crate::optimize::walk::children(plan, &mut |child| collect(child, tables));
}

impl Session {
    /// Calls `f` with what binding depends on, under a catalog.
    pub(crate) fn with_bind_context<T>(
        &self,
        catalog: &Arc<Catalog>,
        param_types: &[Type],
        f: impl FnOnce(&BindContext<'_>) -> Result<T>,
    ) -> Result<T> {
        let engine = self.database().engine();
        let rows = |tree: TreeId| engine.tree_len(tree);
        f(&BindContext { catalog, settings: &self.eval, param_types, rows: &rows })
    }
    /// The plan of a query, from the cache or made now.
    pub(crate) fn plan(
        &mut self,
        text: &str,
        param_types: &[Type],
        kind: StatementKind,
    ) -> Result<Arc<CachedPlan>> {
        self.refresh_settings();
        let catalog = self.catalog();
        let key = PlanKey {
            text,
            params: param_types,
            search_path: &self.eval.search_path,
            version: catalog.version,
            settings: self.settings_print,
        };
        if let Some(plan) = self.database().plans.get(key) {
            return Ok(plan);
        }
        let ast = parse_query(text)?;
        let statement =
            self.with_bind_context(&catalog, param_types, |context| bind::plan_statement(&ast, context))?;
        let writes = written_tables(&statement);
        let plan = Arc::new(CachedPlan {
            statement: Arc::new(statement),
            writes,
            kind,
            settings: self.settings_print,
        });
        let key = PlanKey {
            text,
            params: param_types,
            search_path: &self.eval.search_path,
            version: catalog.version,
            settings: self.settings_print,
        };
        self.database().plans.put(key, Arc::clone(&plan));
        Ok(plan)
    }
    /// A plan that fits the catalog now: the same one, or one made anew. 0A000 where its result has other columns than before.
    pub(crate) fn revalidate(
        &mut self,
        plan: Arc<CachedPlan>,
        text: &str,
        param_types: &[Type],
    ) -> Result<Arc<CachedPlan>> {
        self.refresh_settings();
        let version = match &self.transaction {
            Some(transaction) if transaction.ddl_base.is_some() => transaction.catalog.version,
            _ => self.database().with_catalog(|c| c.version),
        };
        if plan.statement.catalog_version == version && plan.settings == self.settings_print {
            return Ok(plan);
        }
        let fresh = self.plan(text, param_types, plan.kind)?;
        let same = match (&plan.statement.columns, &fresh.statement.columns) {
            (Some(a), Some(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.ty == b.ty && a.name == b.name)
            }
            (a, b) => a.is_none() == b.is_none(),
        };
        if !same {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cached plan must not change result type",
            ));
        }
        Ok(fresh)
    }
}
