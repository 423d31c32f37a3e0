//! From syntax trees to plans: names, types, casts.
//!
//! Binding gives a logical plan in which every expression is typed and reads its input by column number. Subqueries in
//! expressions become plans with arguments ([`crate::expr::SubPlan`]); see [`scope`] for how names of outer queries reach them.
//! Aggregates and set-returning functions are collected while the select list is bound and computed below it (see [`aggregate`]).
//! What is an untyped literal or parameter stays `UNKNOWN` until something around it says what it is.

mod aggregate;
mod call;
mod coerce;
mod cte;
mod expr;
mod from;
mod insert;
mod literal;
mod modify;
mod names;
mod point;
mod returning;
mod scope;
mod select;
mod types;
mod with_query;

pub(crate) use coerce::{cast_is_immutable, is_relabel};
pub use types::{bind_type, type_name};

use crate::catalog::{Catalog, Table};
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::Expr;
use crate::parse;
use crate::plan::{Plan, PlannedKind, PlannedStatement, ResultColumn, TableChecks, visit};
use crate::session::EvalSettings;
use crate::types::Type;
use plimsoll_storage::TreeId;
use scope::{Frame, Scope, ScopeColumn, ScopeRelation};
use sqlparser::ast;
use std::sync::Arc;

/// Stack for planning one statement: that many bytes are left, or a stack of twice as many is made for it.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 32 << 20 } else { 8 << 20 };
/// How deep queries and views may nest.
const NESTING_MAX: usize = 200;

/// What binding and planning depend on. A plan is stale when any of it but `rows` changes.
pub struct BindContext<'a> {
    /// The statement's catalog.
    pub catalog: &'a Arc<Catalog>,
    /// Search path, time zone and order of dates: literals of date types become values when bound.
    pub settings: &'a EvalSettings,
    /// Types the client declared for `$1`, …; `Type::UNKNOWN` (or missing) to have them inferred.
    pub param_types: &'a [Type],
    /// About how many rows a tree holds.
    pub rows: &'a dyn Fn(TreeId) -> u64,
    /// The timestamp of the snapshot that will read, where some index is younger than it; `u64::MAX` where none is.
    pub snapshot: u64,
}

/// Binds and plans SELECT, VALUES, INSERT, UPDATE, DELETE (also under WITH).
///
/// # Errors
/// PostgreSQL's for names and types; 0A000 for what is not supported. Positions are within the statement's own text.
pub fn plan_statement(statement: &ast::Statement, context: &BindContext<'_>) -> Result<PlannedStatement> {
    plan_statement_of(statement, "", context)
}

/// [`plan_statement`], with the statement's own text: errors on any line then know their position.
///
/// # Errors
/// As [`plan_statement`].
pub fn plan_statement_of<'a>(
    statement: &ast::Statement,
    text: &'a str,
    context: &'a BindContext<'a>,
) -> Result<PlannedStatement> {
    // Statements may nest as deep as the parser lets them; each level takes some kilobytes here.
    stacker::maybe_grow(STACK_BYTES, STACK_BYTES * 2, || plan_on_stack(statement, text, context))
}

fn plan_on_stack<'a>(
    statement: &ast::Statement,
    text: &'a str,
    context: &'a BindContext<'a>,
) -> Result<PlannedStatement> {
    let mut binder = Binder::new(context);
    binder.text = text;
    let bound = binder.statement(statement)?;
    let params = binder.final_params()?;
    let read_only = !writes(&bound.plan);
    let columns = bound.columns;
    let kind = match point::detect(&bound.plan) {
        Some(plan) => PlannedKind::Point(plan),
        None => PlannedKind::Tree(crate::optimize::optimize(bound.plan, context)?),
    };
    let wants_values = matches!(&kind, PlannedKind::Tree(plan) if crate::optimize::wants_values(plan));
    Ok(PlannedStatement {
        kind,
        wants_values,
        params,
        columns,
        read_only,
        tag: bound.tag,
        catalog_version: context.catalog.version,
    })
}

/// Binds SQL text of an expression over a table's live columns: defaults (which see no columns), checks, index keys.
///
/// # Errors
/// As [`plan_statement`]; 0A000 for subqueries, 42803 for aggregates.
pub fn bind_table_expr(sql: &str, table: &Arc<Table>, context: &BindContext<'_>) -> Result<Expr> {
    let ast = parse::parse_expression(sql)?;
    let mut binder = Binder::new(context);
    binder.frame_mut()?.scope = table_scope(table, &table.name);
    binder.no_subqueries = true;
    let expr = binder.expr(&ast)?;
    crate::optimize::fold::fold(binder.resolve_unknown(expr)?, context.settings)
}

/// [`bind_table_expr`], converted to `target` as an assignment would (for DEFAULT) or to boolean (for CHECK).
///
/// # Errors
/// As [`bind_table_expr`], and 42804 where the types do not fit.
pub fn bind_table_expr_as(
    sql: &str,
    table: &Arc<Table>,
    target: crate::types::ColumnType,
    what: &str,
    context: &BindContext<'_>,
) -> Result<Expr> {
    let ast = parse::parse_expression(sql)?;
    let mut binder = Binder::new(context);
    binder.frame_mut()?.scope = table_scope(table, &table.name);
    binder.no_subqueries = true;
    let expr = binder.expr(&ast)?;
    let expr = binder.assign(expr, target, what)?;
    crate::optimize::fold::fold(expr, context.settings)
}

/// Checks and index keys of a table, bound over its live columns.
///
/// # Errors
/// As [`bind_table_expr`].
pub fn table_checks(table: &Arc<Table>, context: &BindContext<'_>) -> Result<TableChecks> {
    Binder::new(context).table_checks(table, true)
}

/// The names of one table's live columns, numbered from 0.
fn table_scope(table: &Arc<Table>, alias: &str) -> Scope {
    let columns: Vec<ScopeColumn> = table
        .live_columns()
        .enumerate()
        .map(|(at, (position, c))| ScopeColumn {
            name: c.name.clone(),
            expr: Expr::column(at, c.ty.ty, c.ty.typmod),
            origin: (table.oid, i16::try_from(position + 1).unwrap_or(0)),
        })
        .collect();
    let width = columns.len();
    let relation = ScopeRelation {
        alias: alias.to_owned(),
        schema: None,
        columns,
        table: Some(Arc::clone(table)),
        oid: table.oid,
        key: None,
        hidden: false,
    };
    Scope::of(relation, width)
}

/// A bound statement.
struct Bound {
    plan: Plan,
    columns: Option<Vec<ResultColumn>>,
    tag: &'static str,
}

/// A bound query: its rows and their names.
#[derive(Debug)]
struct Query {
    plan: Plan,
    columns: Vec<ResultColumn>,
}

/// The state of binding one statement.
struct Binder<'a> {
    context: &'a BindContext<'a>,
    frames: Vec<Frame>,
    ctes: Vec<cte::Cte>,
    cte_ids: usize,
    /// Types of parameters; none until something says what they are.
    params: Vec<Option<Type>>,
    nesting: usize,
    /// What is being bound allows no aggregates, and why ("WHERE").
    no_aggregates: Option<&'static str>,
    no_subqueries: bool,
    /// The statement's own text, or nothing.
    text: &'a str,
}

impl<'a> Binder<'a> {
    fn new(context: &'a BindContext<'a>) -> Self {
        let params =
            context.param_types.iter().map(|t| (*t != Type::UNKNOWN && t.0 != 0).then_some(*t)).collect();
        Self {
            context,
            frames: vec![Frame::default()],
            ctes: Vec::new(),
            cte_ids: 0,
            params,
            nesting: 0,
            no_aggregates: None,
            no_subqueries: false,
            text: "",
        }
    }
    fn frame(&self) -> Result<&Frame> {
        self.frames.last().ok_or_else(|| SqlError::internal("no frame to bind in"))
    }
    fn frame_mut(&mut self) -> Result<&mut Frame> {
        self.frames.last_mut().ok_or_else(|| SqlError::internal("no frame to bind in"))
    }
    /// Runs `bind` one level deeper; 54001 when that is too deep.
    fn nested<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            return Err(parse::too_deep());
        }
        self.nesting += 1;
        let result = bind(self);
        self.nesting -= 1;
        result
    }
    /// Binds in a frame of its own and gives its arguments too.
    fn in_frame<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Vec<Expr>)> {
        self.frames.push(Frame::default());
        let outer = std::mem::take(&mut self.no_aggregates);
        let result = self.nested(bind);
        self.no_aggregates = outer;
        let frame = self.frames.pop().unwrap_or_default();
        Ok((result?, frame.args))
    }
    /// Binds in this frame, without the names of the items beside.
    fn in_scope<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let frame = self.frame_mut()?;
        let scope = std::mem::take(&mut frame.scope);
        let collect = std::mem::take(&mut frame.collect);
        let outer = std::mem::take(&mut self.no_aggregates);
        let result = self.nested(bind);
        self.no_aggregates = outer;
        let frame = self.frame_mut()?;
        frame.scope = scope;
        frame.collect = collect;
        result
    }
    /// Points an error at a place of the statement's text.
    fn locate(&self, error: SqlError, span: sqlparser::tokenizer::Span) -> SqlError {
        if error.fields().position != 0
            || span.start.line == 0
            || (span.start.line > 1 && self.text.is_empty())
        {
            return error;
        }
        let mut before: usize = 0;
        let mut lines = self.text.split_inclusive('\n');
        for _ in 1..span.start.line {
            before += lines.next().map_or(0, |l| l.chars().count());
        }
        let column = usize::try_from(span.start.column).unwrap_or(0);
        error.with_position(u32::try_from(before + column).unwrap_or(0))
    }
    fn statement(&mut self, statement: &ast::Statement) -> Result<Bound> {
        match statement {
            ast::Statement::Query(query) => self.query_statement(query),
            ast::Statement::Insert(insert) => self.insert(insert),
            ast::Statement::Update(update) => self.update(update),
            ast::Statement::Delete(delete) => self.delete(delete),
            other => {
                let text = other.to_string();
                let verb = text.split_ascii_whitespace().next().unwrap_or_default().to_owned();
                Err(SqlError::unsupported(verb))
            }
        }
    }
    fn final_params(&self) -> Result<Vec<Type>> {
        self.params
            .iter()
            .enumerate()
            .map(|(i, ty)| {
                ty.ok_or_else(|| {
                    SqlError::new(
                        sqlstate::INDETERMINATE_DATATYPE,
                        format!("could not determine data type of parameter ${}", i + 1),
                    )
                })
            })
            .collect()
    }
    /// Checks and index keys of a table, bound once per plan.
    pub(super) fn table_checks(&self, table: &Arc<Table>, with_checks: bool) -> Result<TableChecks> {
        let mut bound = TableChecks::default();
        if with_checks {
            for check in &table.checks {
                let expr =
                    bind_table_expr_as(&check.expression, table, Type::BOOL.into(), "CHECK", self.context)?;
                bound.checks.push((check.name.clone(), expr));
            }
        }
        for index in &table.indexes {
            let mut keys = Vec::with_capacity(index.keys.len());
            for key in &index.keys {
                keys.push(match (key.column, &key.expression) {
                    (Some(position), _) => live_column(table, position)?,
                    (None, Some(text)) => bind_table_expr(text, table, self.context)?,
                    (None, None) => {
                        return Err(SqlError::internal("an index key without column or expression"));
                    }
                });
            }
            let predicate = match &index.predicate {
                Some(text) => Some(bind_table_expr(text, table, self.context)?),
                None => None,
            };
            bound.indexes.push((keys, predicate));
        }
        Ok(bound)
    }
}

/// The expression, over the live columns, of the column at a position in `columns`.
pub(crate) fn live_column(table: &Table, position: usize) -> Result<Expr> {
    table
        .live_columns()
        .enumerate()
        .find(|(_, (p, _))| *p == position)
        .map(|(at, (_, c))| Expr::column(at, c.ty.ty, c.ty.typmod))
        .ok_or_else(|| SqlError::internal("an index on a column that is not there"))
}

/// Whether running the plan changes anything: data, locks or sequences.
fn writes(plan: &Plan) -> bool {
    let mut found =
        matches!(plan, Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) | Plan::LockRows { .. });
    crate::optimize::walk::exprs(plan, &mut |expr| {
        found = found
            || visit::is_volatile(expr)
            || visit::any(expr, &mut |e| match &e.kind {
                crate::expr::ExprKind::Subquery { plan, .. } => writes(&plan.plan),
                _ => false,
            });
    });
    crate::optimize::walk::children(plan, &mut |child| found = found || writes(child));
    found
}
