//! Grouping: expressions of a grouped query are bound over the ungrouped row first, with a column from [`AGGREGATE_BASE`] on for
//! each aggregate, and then rewritten to read the [`Plan::Aggregate`] below.

use super::Binder;
use super::scope::Scope;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::functions::Function;
use crate::plan::{Aggregate, Plan, SetExpr, visit};

/// Aggregate `i` is this column plus `i` until the number of groups is known.
pub(super) const AGGREGATE_BASE: usize = 1 << 40;
/// Set-returning call `i` is this column plus `i` until the width below is known.
pub(super) const SET_BASE: usize = 1 << 41;

/// What is collected while a query's expressions are bound.
#[derive(Debug, Default)]
pub(super) struct Collect {
    pub aggregates: Vec<Aggregate>,
    pub sets: Vec<(&'static Function, Vec<Expr>)>,
    pub sets_allowed: bool,
    pub in_aggregate: bool,
}

impl Collect {
    /// The set-returning call whose column this is.
    pub(super) fn set_at(&self, column: usize) -> Option<(&'static Function, &[Expr])> {
        let (function, args) = self.sets.get(column.checked_sub(SET_BASE)?)?;
        Some((function, args))
    }
}

/// GROUP BY, bound.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    pub keys: Vec<Expr>,
    pub sets: Vec<Vec<usize>>,
}

impl Grouping {
    /// Rewrites an expression over the ungrouped row to one over groups and aggregates.
    fn rewrite(&mut self, expr: &mut Expr, scope: &Scope, in_subquery: bool) -> Result<()> {
        if let ExprKind::Column(c) = expr.kind
            && c >= AGGREGATE_BASE
        {
            return Ok(());
        }
        let is_value = matches!(expr.kind, ExprKind::Const(_) | ExprKind::Param(_) | ExprKind::Outer(_));
        if let Some(at) = self.keys.iter().position(|k| visit::same(k, expr)) {
            if !is_value {
                expr.kind = ExprKind::Column(at);
            }
            return Ok(());
        }
        if let ExprKind::Column(c) = expr.kind {
            let at = self.dependent(c, expr, scope).ok_or_else(|| ungrouped(c, scope, in_subquery))?;
            expr.kind = ExprKind::Column(at);
            return Ok(());
        }
        let in_subquery = in_subquery || matches!(expr.kind, ExprKind::Subquery { .. });
        visit::children_mut(expr, &mut |child| self.rewrite(child, scope, in_subquery))
    }
    /// A column of a table whose primary key is grouped by depends on it, so that it may become a group key too.
    fn dependent(&mut self, column: usize, expr: &Expr, scope: &Scope) -> Option<usize> {
        let is = |e: &Expr, c: usize| matches!(e.kind, ExprKind::Column(x) if x == c);
        let relation = scope.relations.iter().find(|r| r.columns.iter().any(|c| is(&c.expr, column)))?;
        let table = relation.table.as_ref()?;
        if table.primary_key.is_empty() || self.sets.len() != 1 {
            return None;
        }
        let grouped = |position: &usize| {
            let attnum = i16::try_from(*position + 1).unwrap_or(0);
            relation
                .columns
                .iter()
                .any(|c| c.origin == (table.oid, attnum) && self.keys.iter().any(|k| visit::same(k, &c.expr)))
        };
        if !table.primary_key.iter().all(grouped) {
            return None;
        }
        self.keys.push(Expr { kind: ExprKind::Column(column), ..expr.clone() });
        let at = self.keys.len() - 1;
        self.sets.iter_mut().for_each(|s| s.push(at));
        Some(at)
    }
}

fn ungrouped(column: usize, scope: &Scope, in_subquery: bool) -> SqlError {
    let name = scope
        .relations
        .iter()
        .find_map(|r| {
            let c = r.columns.iter().find(|c| matches!(c.expr.kind, ExprKind::Column(x) if x == column))?;
            Some(format!("{}.{}", r.alias, c.name))
        })
        .unwrap_or_else(|| "?column?".to_owned());
    SqlError::new(
        sqlstate::GROUPING_ERROR,
        if in_subquery {
            format!("subquery uses ungrouped column \"{name}\" from outer query")
        } else {
            format!(
                "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
            )
        },
    )
}

impl Binder<'_> {
    /// Puts the aggregation over `plan` and rewrites `exprs` to read it.
    pub(super) fn group(
        &mut self,
        plan: Plan,
        mut grouping: Grouping,
        exprs: &mut [&mut Expr],
    ) -> Result<Plan> {
        let frame = self.frame_mut()?;
        let aggregates = std::mem::take(&mut frame.collect.aggregates);
        let scope = std::mem::take(&mut frame.scope);
        let mut sets = std::mem::take(&mut frame.collect.sets);
        let mut result = Ok(());
        for expr in exprs.iter_mut() {
            result = result.and_then(|()| grouping.rewrite(expr, &scope, false));
        }
        for (_, args) in &mut sets {
            for arg in args {
                result = result.and_then(|()| grouping.rewrite(arg, &scope, false));
            }
        }
        let keys = grouping.keys.len();
        let place =
            |c: usize| if (AGGREGATE_BASE..SET_BASE).contains(&c) { keys + (c - AGGREGATE_BASE) } else { c };
        for expr in exprs.iter_mut() {
            visit::map_columns(expr, &mut |c| place(c));
        }
        for (_, args) in &mut sets {
            args.iter_mut().for_each(|a| visit::map_columns(a, &mut |c| place(c)));
        }
        let frame = self.frame_mut()?;
        frame.scope = scope;
        frame.collect.sets = sets;
        result?;
        Ok(Plan::Aggregate { input: Box::new(plan), groups: grouping.keys, sets: grouping.sets, aggregates })
    }
    /// Puts the set-returning calls over `plan` and points `exprs` at their columns.
    pub(super) fn expand_sets(&mut self, plan: Plan, exprs: &mut [&mut Expr]) -> Result<Plan> {
        let sets = std::mem::take(&mut self.frame_mut()?.collect.sets);
        if sets.is_empty() {
            return Ok(plan);
        }
        // Only what is used above is carried along.
        let mut used: Vec<usize> = Vec::new();
        for expr in exprs.iter() {
            visit::columns(expr, &mut |c| {
                if c < AGGREGATE_BASE && !used.contains(&c) {
                    used.push(c);
                }
            });
        }
        used.sort_unstable();
        let types = visit::types(&plan);
        let mut columns = Vec::with_capacity(used.len() + sets.len());
        for c in &used {
            let ty = types.get(*c).ok_or_else(|| SqlError::internal("a column beyond the row"))?;
            columns.push(SetExpr::Scalar(Expr::column(*c, ty.ty, ty.typmod)));
        }
        columns.extend(sets.into_iter().map(|(function, args)| SetExpr::Set(function, args)));
        for expr in exprs.iter_mut() {
            visit::map_columns(expr, &mut |c| {
                if c >= SET_BASE { used.len() + (c - SET_BASE) } else { used.binary_search(&c).unwrap_or(c) }
            });
        }
        Ok(Plan::ProjectSet { input: Box::new(plan), exprs: columns })
    }
}
