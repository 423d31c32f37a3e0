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
        let snapshot = self.planning_snapshot(catalog);
        f(&BindContext { catalog, settings: &self.eval, param_types, rows: &rows, snapshot })
    }
    /// The snapshot that plans are made for: the transaction's where some index is younger than it, else any (`u64::MAX`).
    pub(crate) fn planning_snapshot(&self, catalog: &Catalog) -> u64 {
        let fixed = self.transaction.as_ref().and_then(|t| t.storage.fixed_snapshot());
        fixed.filter(|snapshot| *snapshot < catalog.newest_index).unwrap_or(u64::MAX)
    }
    /// Calls `f` with the catalog that a statement is planned under now.
    pub(crate) fn with_planning_catalog<T>(&self, f: impl FnOnce(&Catalog) -> T) -> T {
        match &self.transaction {
            Some(transaction) if transaction.ddl_base.is_some() => f(&transaction.catalog),
            _ => self.database().with_catalog(|catalog| f(catalog)),
        }
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
            snapshot: self.planning_snapshot(&catalog),
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
            settings: key.settings,
            snapshot: key.snapshot,
        });
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
        let (version, snapshot) = self.with_planning_catalog(|c| (c.version, self.planning_snapshot(c)));
        let fits = plan.statement.catalog_version == version
            && plan.settings == self.settings_print
            && plan.snapshot == snapshot;
        if fits {
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
