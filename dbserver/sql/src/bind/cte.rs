//! WITH: common table expressions, also recursive and data-modifying ones.

use super::types::fold;
use super::{Binder, Query};
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::{Plan, ResultColumn};
use crate::types::ColumnType;
use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};

/// Names and types of columns.
type Columns = Vec<(String, ColumnType)>;

/// A name that WITH has given.
#[derive(Debug)]
pub(super) struct Cte {
    name: String,
    id: usize,
    columns: Vec<(String, ColumnType)>,
}

impl Binder<'_> {
    /// Binds the CTEs of a WITH, runs `bind`, and puts the one over the other.
    pub(super) fn with<T>(
        &mut self,
        with: Option<&ast::With>,
        bind: impl FnOnce(&mut Self) -> Result<T>,
        plan_of: impl FnOnce(&mut T) -> &mut Plan,
    ) -> Result<T> {
        let Some(with) = with else { return bind(self) };
        let visible = self.ctes.len();
        let result = self.with_plans(with).and_then(|plans| Ok((plans, bind(self)?)));
        self.ctes.truncate(visible);
        let (ctes, mut bound) = result?;
        let plan = plan_of(&mut bound);
        let body = std::mem::replace(plan, Plan::Empty { types: Vec::new() });
        *plan = Plan::With { ctes, body: Box::new(body) };
        Ok(bound)
    }
    fn with_plans(&mut self, with: &ast::With) -> Result<Vec<(usize, Plan)>> {
        let mut plans: Vec<(usize, Plan)> = Vec::with_capacity(with.cte_tables.len());
        let first = self.ctes.len();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if self.ctes.iter().skip(first).any(|c| c.name == name) {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                ));
            }
            let id = self.cte_ids;
            self.cte_ids += 1;
            let query = if with.recursive && mentions(&cte.query, &name) {
                self.recursive(id, &name, &cte.query, &cte.alias)?
            } else {
                self.in_scope(|b| b.cte_query(&cte.query))?
            };
            let columns = named(&query.columns, &cte.alias)?;
            self.ctes.push(Cte { name, id, columns });
            plans.push((id, query.plan));
        }
        Ok(plans)
    }
    /// A query, or a data-modifying statement with RETURNING.
    fn cte_query(&mut self, query: &ast::Query) -> Result<Query> {
        match &*query.body {
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                let bound =
                    self.with(query.with.as_ref(), |b| b.statement(statement), |bound| &mut bound.plan)?;
                Ok(Query { plan: bound.plan, columns: bound.columns.unwrap_or_default() })
            }
            _ => self.query(query),
        }
    }
    fn recursive(
        &mut self,
        id: usize,
        name: &str,
        query: &ast::Query,
        alias: &ast::TableAlias,
    ) -> Result<Query> {
        let shape = || {
            SqlError::new(
                sqlstate::INVALID_RECURSION,
                format!(
                    "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
                ),
            )
        };
        if query.order_by.is_some()
            || query.limit_clause.is_some()
            || query.fetch.is_some()
            || !query.locks.is_empty()
        {
            return Err(SqlError::unsupported("ORDER BY, LIMIT or FOR UPDATE in a recursive query"));
        }
        let mut body = &*query.body;
        while let SetExpr::Query(inner) = body {
            body = &inner.body;
        }
        let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = body else {
            return Err(shape());
        };
        let all = matches!(set_quantifier, SetQuantifier::All);
        self.with(
            query.with.as_ref(),
            |b| {
                let base = b.in_scope(|b| {
                    let mut base = b.set_expr(left, true)?;
                    b.resolve_columns(&mut base)?;
                    Ok(base)
                })?;
                let columns = named(&base.columns, alias)?;
                let working = b.cte_ids;
                b.cte_ids += 1;
                let visible = b.ctes.len();
                b.ctes.push(Cte { name: name.to_owned(), id: working, columns });
                let step = b.in_scope(|b| b.set_expr(right, true));
                b.ctes.truncate(visible);
                let mut step = step?;
                if step.columns.len() != base.columns.len() {
                    return Err(SqlError::syntax("each UNION query must have the same number of columns"));
                }
                for (at, (s, c)) in step.columns.iter().zip(&base.columns).enumerate() {
                    if s.ty.ty != c.ty.ty && crate::functions::common_type([s.ty.ty, c.ty.ty]) != Some(c.ty.ty) {
                        return Err(SqlError::new(
                            sqlstate::DATATYPE_MISMATCH,
                            format!(
                                "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                                at + 1,
                                c.ty.ty.sql_name(),
                                s.ty.ty.sql_name()
                            ),
                        )
                        .with_hint("Cast the output of the non-recursive term to the correct type."));
                    }
                }
                let targets: Vec<_> = base.columns.iter().map(|c| c.ty.ty).collect();
                b.convert_columns(&mut step, &targets, "UNION")?;
                let _ = id;
                let plan =
                    Plan::Recursive { id: working, base: Box::new(base.plan), step: Box::new(step.plan), all };
                Ok(Query { plan, columns: base.columns })
            },
            |q| &mut q.plan,
        )
    }
    /// The rows of a CTE of this name.
    pub(super) fn cte_scan(&self, name: &str) -> Result<Option<(Plan, Columns)>> {
        let Some(cte) = self.ctes.iter().rev().find(|c| c.name == name) else { return Ok(None) };
        let types = cte.columns.iter().map(|c| c.1).collect();
        Ok(Some((Plan::CteScan { id: cte.id, types }, cte.columns.clone())))
    }
}

fn named(columns: &[ResultColumn], alias: &ast::TableAlias) -> Result<Vec<(String, ColumnType)>> {
    if alias.columns.len() > columns.len() {
        return Err(SqlError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            format!(
                "WITH query \"{}\" has {} columns available but {} columns specified",
                fold(&alias.name),
                columns.len(),
                alias.columns.len()
            ),
        ));
    }
    let mut named: Vec<_> = columns.iter().map(|c| (c.name.clone(), c.ty)).collect();
    for (column, name) in named.iter_mut().zip(&alias.columns) {
        column.0 = fold(&name.name);
    }
    Ok(named)
}

/// Whether a query's text names a relation of this name, so that it may be recursive.
fn mentions(query: &ast::Query, name: &str) -> bool {
    let text = query.to_string();
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.split(|c: char| !is_part(c)).any(|word| word.eq_ignore_ascii_case(name))
}
