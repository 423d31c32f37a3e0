//! UPDATE and DELETE.

use super::types::fold;
use super::{Binder, Bound};
use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::expr::Expr;
use crate::plan::{Delete, LockTarget, Plan, Update, visit};
use sqlparser::ast::{self, FromTable, TableFactor, TableWithJoins, UpdateTableFromKind};
use std::sync::Arc;

/// The rows of an UPDATE or DELETE.
struct Rows {
    table: Arc<Table>,
    input: Plan,
    target: LockTarget,
    condition: Option<Expr>,
}

impl Binder<'_> {
    pub(super) fn update(&mut self, update: &ast::Update) -> Result<Bound> {
        if !update.table.joins.is_empty()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
        {
            return Err(SqlError::syntax("syntax error in UPDATE"));
        }
        let from: &[TableWithJoins] = match &update.from {
            None => &[],
            Some(UpdateTableFromKind::AfterSet(from)) => from,
            Some(UpdateTableFromKind::BeforeSet(_)) => {
                return Err(SqlError::syntax("syntax error at or near \"from\""));
            }
        };
        let rows = self.rows(&update.table.relation, from, update.selection.as_ref())?;
        let assignments = self.assignments(&rows.table, &update.assignments)?;
        let (returning, columns) = self.returning(update.returning.as_deref())?;
        let checks = self.table_checks(&rows.table, true)?;
        let plan = Plan::Update(Box::new(Update {
            table: rows.table,
            input: rows.input,
            target: rows.target,
            assignments,
            recheck: rows.condition,
            checks,
            returning,
        }));
        Ok(Bound { plan, columns, tag: "UPDATE" })
    }
    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Result<Bound> {
        if !delete.tables.is_empty() || !delete.order_by.is_empty() || delete.limit.is_some() {
            return Err(SqlError::syntax("syntax error in DELETE"));
        }
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [TableWithJoins { relation, joins }] = tables.as_slice() else {
            return Err(SqlError::syntax("syntax error in DELETE"));
        };
        if !joins.is_empty() {
            return Err(SqlError::syntax("syntax error in DELETE"));
        }
        let using = delete.using.as_deref().unwrap_or_default();
        let rows = self.rows(relation, using, delete.selection.as_ref())?;
        let (returning, columns) = self.returning(delete.returning.as_deref())?;
        let checks = self.table_checks(&rows.table, false)?;
        let plan = Plan::Delete(Box::new(Delete {
            table: rows.table,
            input: rows.input,
            target: rows.target,
            recheck: rows.condition,
            checks,
            returning,
        }));
        Ok(Bound { plan, columns, tag: "DELETE" })
    }
    /// The target's rows with their keys, joined with other items and filtered; their names are left in the frame.
    fn rows(
        &mut self,
        relation: &TableFactor,
        others: &[TableWithJoins],
        selection: Option<&ast::Expr>,
    ) -> Result<Rows> {
        let TableFactor::Table { name, alias, args: None, .. } = relation else {
            return Err(SqlError::syntax("syntax error in the target of UPDATE or DELETE"));
        };
        let table = self.target_table(name)?;
        let shown = alias.as_ref().map_or_else(|| table.name.clone(), |a| fold(&a.name));
        let scope = self.table_item(&table, &shown, true);
        let key = scope.width.saturating_sub(1);
        let mut plan = Plan::Scan(self.scan(&table, true));
        let mut all = scope;
        for item in others {
            (plan, all) = self.add_item(Some((plan, all)), item, None)?;
        }
        self.frame_mut()?.scope = all;
        let mut condition = None;
        if let Some(selection) = selection {
            let bound = self.without_aggregates("WHERE", |b| b.expr(selection))?;
            let bound = self.boolean(bound, "WHERE")?;
            if !Self::is_true(&bound) {
                plan = Plan::Filter { input: Box::new(plan), predicate: bound.clone() };
                condition = Some(bound);
            }
        }
        // Conditions of inner joins count too when a row is looked at again.
        condition = Self::and(condition, join_conditions(&plan));
        let target = LockTarget { table: Arc::clone(&table), first: 0, key };
        Ok(Rows { table, input: plan, target, condition })
    }
}

/// Conditions of inner joins along the left side, whose columns count from the row's start.
fn join_conditions(plan: &Plan) -> Option<Expr> {
    let mut conditions = Vec::new();
    let mut rest = plan;
    loop {
        match rest {
            Plan::Filter { input, .. } => rest = input,
            Plan::NestedLoop { kind: crate::plan::JoinKind::Inner, left, on, .. } => {
                conditions.extend(on.clone());
                rest = left;
            }
            Plan::NestedLoop { kind: crate::plan::JoinKind::Left, left, .. } => rest = left,
            _ => break,
        }
    }
    visit::conjunction(conditions)
}
