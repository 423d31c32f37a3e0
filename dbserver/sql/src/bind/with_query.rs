//! Queries around SELECT: set operations, VALUES, and ORDER BY and LIMIT over those.

use super::call::sort_key;
use super::from::Locking;
use super::select::{Tail, limited, sorted};
use super::types::fold;
use super::{Binder, Bound, Query};
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::plan::{Plan, ResultColumn, SetOp, visit};
use crate::types::cast::CastContext;
use crate::types::{ColumnType, Datum, Type};
use sqlparser::ast::{self, LimitClause, OrderByKind, SetExpr, SetOperator, SetQuantifier};

/// The most set operations in a row, but for UNION ALL, whose order of evaluation is free.
const SET_OPERATIONS_MAX: usize = 100;

impl Binder<'_> {
    pub(super) fn query_statement(&mut self, query: &ast::Query) -> Result<Bound> {
        if let SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) =
            &*query.body
        {
            return self.with(query.with.as_ref(), |b| b.statement(statement), |bound| &mut bound.plan);
        }
        let bound = self.query(query)?;
        Ok(Bound { plan: bound.plan, columns: Some(bound.columns), tag: "SELECT" })
    }
    /// A query whose untyped outputs are text.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<Query> {
        let mut bound = self.nested(|b| b.query_as(query, true))?;
        self.resolve_columns(&mut bound)?;
        Ok(bound)
    }
    /// A query whose untyped outputs stay so where `resolve_unknown` is off.
    pub(super) fn query_as(&mut self, query: &ast::Query, resolve_unknown: bool) -> Result<Query> {
        self.with(query.with.as_ref(), |b| b.query_body(query, resolve_unknown), |q| &mut q.plan)
    }
    fn query_body(&mut self, query: &ast::Query, resolve_unknown: bool) -> Result<Query> {
        let order: &[ast::OrderByExpr] = match &query.order_by {
            None => &[],
            Some(ast::OrderBy { kind: OrderByKind::Expressions(keys), .. }) => keys,
            Some(_) => return Err(SqlError::unsupported("ORDER BY ALL")),
        };
        let one = ast::Expr::value(ast::Value::Number("1".into(), false));
        let (mut limit, mut offset) = (None, None);
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit: l, offset: o, .. }) => {
                limit = l.as_ref();
                offset = o.as_ref().map(|o| &o.value);
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => {
                return Err(SqlError::syntax("LIMIT #,# syntax is not supported")
                    .with_hint("Use separate LIMIT and OFFSET clauses."));
            }
        }
        if let Some(fetch) = &query.fetch {
            if fetch.with_ties || fetch.percent {
                return Err(SqlError::unsupported("FETCH FIRST … WITH TIES"));
            }
            limit = Some(fetch.quantity.as_ref().unwrap_or(&one));
        }
        let tail = Tail { order, limit, offset, locks: &query.locks };
        let bare = order.is_empty() && limit.is_none() && offset.is_none() && query.locks.is_empty();
        match &*query.body {
            SetExpr::Select(select) => self.select(select, tail, resolve_unknown),
            SetExpr::Query(inner) if bare => self.nested(|b| b.query_as(inner, resolve_unknown)),
            body => {
                if !query.locks.is_empty() {
                    return Err(Locking::of(&query.locks)?.refused("UNION/INTERSECT/EXCEPT"));
                }
                let bound = self.set_expr(body, resolve_unknown)?;
                self.order_output(bound, tail)
            }
        }
    }
    /// ORDER BY and LIMIT over output columns.
    fn order_output(&mut self, mut bound: Query, tail: Tail<'_>) -> Result<Query> {
        let mut keys = Vec::with_capacity(tail.order.len());
        if !tail.order.is_empty() {
            self.resolve_columns(&mut bound)?;
        }
        for key in tail.order {
            let mut plain = &key.expr;
            while let ast::Expr::Nested(inner) = plain {
                plain = inner;
            }
            let at = match plain {
                ast::Expr::Identifier(ident) => {
                    let name = fold(ident);
                    let found = bound.columns.iter().position(|c| c.name == name);
                    found.ok_or_else(|| self.locate(super::scope::undefined_column(&name), ident.span))?
                }
                ast::Expr::Value(v) => match &v.value {
                    ast::Value::Number(text, _) => {
                        let n = text.parse::<usize>().unwrap_or(0);
                        if n == 0 || n > bound.columns.len() {
                            return Err(SqlError::new(
                                sqlstate::INVALID_COLUMN_REFERENCE,
                                format!("ORDER BY position {text} is not in select list"),
                            ));
                        }
                        n - 1
                    }
                    _ => return Err(SqlError::syntax("non-integer constant in ORDER BY")),
                },
                _ => {
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                    )
                    .with_detail("Only result column names can be used, not expressions or functions.")
                    .with_hint(
                        "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                    ));
                }
            };
            let ty = bound.columns.get(at).map_or(Type::TEXT.into(), |c| c.ty);
            keys.push(sort_key(Expr::column(at, ty.ty, ty.typmod), &key.options)?);
        }
        let (limit, offset) = (self.limit(tail.limit, "LIMIT")?, self.limit(tail.offset, "OFFSET")?);
        bound.plan = sorted(bound.plan, keys, &limit, &offset, false);
        bound.plan = limited(bound.plan, limit, offset);
        Ok(bound)
    }
    pub(super) fn set_expr(&mut self, body: &SetExpr, resolve_unknown: bool) -> Result<Query> {
        match body {
            // A SELECT of its own: its aggregates and names are not those of what is around.
            SetExpr::Select(select) => self.in_scope(|b| b.select(select, Tail::default(), resolve_unknown)),
            SetExpr::Query(query) => self.in_scope(|b| b.query_as(query, resolve_unknown)),
            SetExpr::Values(values) => self.values(values),
            SetExpr::SetOperation { .. } => self.set_operations(body),
            SetExpr::Table(_) => Err(SqlError::unsupported("TABLE in a set operation")),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "WITH clause containing a data-modifying statement must be at the top level",
                ))
            }
        }
    }
    /// The tree of a chain leans to the left: walked, not recursed into.
    fn set_operations(&mut self, body: &SetExpr) -> Result<Query> {
        let mut spine = Vec::new();
        let mut rest = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = rest {
            spine.push((op, set_quantifier, right));
            rest = left;
        }
        let free = spine
            .iter()
            .all(|(op, quantifier, _)| matches!((op, quantifier), (SetOperator::Union, SetQuantifier::All)));
        if free && spine.len() > 2 {
            let mut queries = vec![self.nested(|b| b.set_expr(rest, false))?];
            for (.., right) in spine.into_iter().rev() {
                queries.push(self.nested(|b| b.set_expr(right, false))?);
            }
            return self.union_all(queries);
        }
        if spine.len() > SET_OPERATIONS_MAX {
            return Err(crate::parse::too_deep());
        }
        let mut query = self.nested(|b| b.set_expr(rest, false))?;
        for (op, quantifier, right) in spine.into_iter().rev() {
            let right = self.nested(|b| b.set_expr(right, false))?;
            query = self.set_operation(query, *op, *quantifier, right)?;
        }
        Ok(query)
    }
    /// A balanced tree, so that hundreds of branches are no deep one.
    fn union_all(&mut self, mut queries: Vec<Query>) -> Result<Query> {
        while queries.len() > 1 {
            let mut paired = Vec::with_capacity(queries.len().div_ceil(2));
            let mut rest = queries.into_iter();
            while let Some(left) = rest.next() {
                paired.push(match rest.next() {
                    Some(right) => self.set_operation(left, SetOperator::Union, SetQuantifier::All, right)?,
                    None => left,
                });
            }
            queries = paired;
        }
        queries.pop().ok_or_else(|| SqlError::internal("a union of nothing"))
    }
    fn set_operation(
        &mut self,
        mut left: Query,
        op: SetOperator,
        quantifier: SetQuantifier,
        mut right: Query,
    ) -> Result<Query> {
        let (op, what) = match op {
            SetOperator::Union => (SetOp::Union, "UNION"),
            SetOperator::Intersect => (SetOp::Intersect, "INTERSECT"),
            SetOperator::Except => (SetOp::Except, "EXCEPT"),
            SetOperator::Minus => return Err(SqlError::syntax("syntax error at or near \"minus\"")),
        };
        if left.columns.len() != right.columns.len() {
            return Err(SqlError::syntax(format!("each {what} query must have the same number of columns")));
        }
        let mut targets = Vec::with_capacity(left.columns.len());
        for (l, r) in left.columns.iter().zip(&right.columns) {
            targets.push(self.common([l.ty.ty, r.ty.ty].into_iter(), what)?);
        }
        self.convert_columns(&mut left, &targets, what)?;
        self.convert_columns(&mut right, &targets, what)?;
        let columns = left
            .columns
            .into_iter()
            .zip(&right.columns)
            .map(|(l, r)| {
                let typmod = if l.ty.typmod == r.ty.typmod && l.ty.ty == r.ty.ty { l.ty.typmod } else { -1 };
                ResultColumn { name: l.name, ty: ColumnType { ty: l.ty.ty, typmod }, table: 0, attnum: 0 }
            })
            .collect();
        let all = matches!(quantifier, SetQuantifier::All);
        let plan = Plan::SetOperation { op, all, left: Box::new(left.plan), right: Box::new(right.plan) };
        Ok(Query { plan, columns })
    }
    fn values(&mut self, values: &ast::Values) -> Result<Query> {
        let mut rows: Vec<Vec<Expr>> = Vec::with_capacity(values.rows.len());
        let width = values.rows.first().map_or(0, |r| r.content.len());
        for row in &values.rows {
            if row.content.len() != width {
                return Err(SqlError::syntax("VALUES lists must all be the same length"));
            }
            rows.push(self.without_aggregates("VALUES", |b| b.exprs(&row.content))?);
        }
        let mut types = Vec::with_capacity(width);
        for at in 0..width {
            let column = rows.iter().filter_map(|r| r.get(at));
            // All untyped: stays so, for INSERT and set operations to decide.
            let ty = if column.clone().all(|e| e.ty == Type::UNKNOWN) {
                Type::UNKNOWN
            } else {
                self.common(column.clone().map(|e| e.ty), "VALUES")?
            };
            let first = column.clone().next().map_or(-1, |e| e.typmod);
            let typmod = if column.clone().all(|e| e.ty == ty && e.typmod == first) { first } else { -1 };
            if ty != Type::UNKNOWN {
                for row in &mut rows {
                    if let Some(slot) = row.get_mut(at) {
                        let expr = std::mem::replace(slot, Expr::constant(Datum::Null, Type::UNKNOWN));
                        *slot = self.coerce_common(expr, ty, "VALUES")?;
                    }
                }
            }
            types.push(ColumnType { ty, typmod });
        }
        let columns = types
            .iter()
            .enumerate()
            .map(|(i, ty)| ResultColumn { name: format!("column{}", i + 1), ty: *ty, table: 0, attnum: 0 })
            .collect();
        Ok(Query { plan: Plan::Values { rows, types }, columns })
    }
    /// Untyped outputs become text.
    pub(super) fn resolve_columns(&mut self, query: &mut Query) -> Result<()> {
        if query.columns.iter().all(|c| c.ty.ty != Type::UNKNOWN) {
            return Ok(());
        }
        let targets: Vec<Type> = query
            .columns
            .iter()
            .map(|c| if c.ty.ty == Type::UNKNOWN { Type::TEXT } else { c.ty.ty })
            .collect();
        self.convert_columns(query, &targets, "SELECT")
    }
    /// Converts a query's outputs. Untyped ones get their type where they are computed, others a cast on top.
    pub(super) fn convert_columns(&mut self, query: &mut Query, targets: &[Type], what: &str) -> Result<()> {
        let mut project = false;
        for (at, target) in targets.iter().enumerate() {
            let Some(from) = query.columns.get(at).map(|c| c.ty.ty) else { continue };
            if from == *target {
                continue;
            }
            if from == Type::UNKNOWN {
                self.type_output(&mut query.plan, at, *target)?;
                if let Some(column) = query.columns.get_mut(at) {
                    column.ty = (*target).into();
                }
            } else {
                project = true;
            }
        }
        if !project {
            return Ok(());
        }
        let mut exprs = Vec::with_capacity(targets.len());
        for (at, column) in query.columns.iter_mut().enumerate() {
            let expr = Expr::column(at, column.ty.ty, column.ty.typmod);
            let target = targets.get(at).copied().unwrap_or(column.ty.ty);
            if target != column.ty.ty {
                column.ty = target.into();
                column.table = 0;
                column.attnum = 0;
            }
            exprs.push(self.coerce_common(expr, target, what)?);
        }
        let input = std::mem::replace(&mut query.plan, Plan::Empty { types: Vec::new() });
        query.plan = Plan::Project { input: Box::new(input), exprs };
        Ok(())
    }
    /// Gives an untyped output column its type, down where it is computed.
    fn type_output(&mut self, plan: &mut Plan, at: usize, target: Type) -> Result<()> {
        match plan {
            Plan::Project { input, exprs } => {
                let Some(slot) = exprs.get_mut(at) else { return Ok(()) };
                if let ExprKind::Column(below) = slot.kind {
                    slot.ty = target;
                    return self.type_output(input, below, target);
                }
                let expr = std::mem::replace(slot, Expr::constant(Datum::Null, Type::UNKNOWN));
                *slot = self
                    .try_coerce(expr, target.into(), CastContext::Assignment)?
                    .ok_or_else(|| SqlError::internal("an untyped value without a type"))?;
                Ok(())
            }
            Plan::Values { rows, types } => {
                for row in rows {
                    if let Some(slot) = row.get_mut(at) {
                        let expr = std::mem::replace(slot, Expr::constant(Datum::Null, Type::UNKNOWN));
                        *slot = self.coerce(expr, target)?;
                    }
                }
                if let Some(ty) = types.get_mut(at) {
                    *ty = target.into();
                }
                Ok(())
            }
            Plan::Sort { input, keys, .. } => {
                for key in keys {
                    set_column_type(&mut key.expr, at, target);
                }
                self.type_output(input, at, target)
            }
            Plan::Limit { input, .. } | Plan::Distinct { input, .. } | Plan::Filter { input, .. } => {
                self.type_output(input, at, target)
            }
            Plan::With { body, .. } => self.type_output(body, at, target),
            Plan::SetOperation { left, right, .. } => {
                self.type_output(left, at, target)?;
                self.type_output(right, at, target)
            }
            _ => Ok(()),
        }
    }
}

fn set_column_type(expr: &mut Expr, at: usize, target: Type) {
    if matches!(expr.kind, ExprKind::Column(c) if c == at) {
        expr.ty = target;
    }
    let Ok(()) = visit::children_mut::<std::convert::Infallible>(expr, &mut |child| {
        set_column_type(child, at, target);
        Ok(())
    });
}
