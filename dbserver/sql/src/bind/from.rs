//! FROM: relations, views, functions, subqueries and joins.

use super::expr::set_columns;
use super::scope::{Scope, ScopeColumn, ScopeRelation};
use super::types::{fold, name_parts};
use super::{Binder, table_scope};
use crate::catalog::{Catalog, Relation, RelationKind, Table, View, system};
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind, SubPlan};
use crate::functions::{self, Function};
use crate::parse;
use crate::plan::{Access, JoinKind, LockWaitPolicy, Plan, Scan, ScanEstimate, SystemRelation, visit};
use crate::types::{ColumnType, Type};
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, TableFactor};
use std::sync::Arc;

/// A relation found by name.
pub(super) enum Found {
    User(Arc<Relation>),
    System(&'static SystemRelation),
}

/// FOR UPDATE and FOR SHARE.
pub(super) struct Locking {
    /// OF these; empty for all.
    of: Vec<String>,
    pub share: bool,
    pub wait: LockWaitPolicy,
}

impl Locking {
    pub(super) fn of(clauses: &[ast::LockClause]) -> Result<Self> {
        let mut locking = Self { of: Vec::new(), share: true, wait: LockWaitPolicy::Block };
        for clause in clauses {
            if let Some(name) = &clause.of {
                locking.of.extend(name_parts(name)?.pop());
            }
            locking.share &= matches!(clause.lock_type, ast::LockType::Share);
            locking.wait = match clause.nonblock {
                Some(ast::NonBlock::Nowait) => LockWaitPolicy::NoWait,
                Some(ast::NonBlock::SkipLocked) => LockWaitPolicy::SkipLocked,
                None => locking.wait,
            };
        }
        Ok(locking)
    }
    /// The clause's name, for errors: the strongest of several.
    pub(super) fn clause(&self) -> &'static str {
        if self.share { "FOR SHARE" } else { "FOR UPDATE" }
    }
    /// 0A000 for what a query with such a clause may not have.
    pub(super) fn refused(&self, with: &str) -> SqlError {
        SqlError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("{} is not allowed with {with}", self.clause()),
        )
    }
    /// 0A000 where a table to lock may be left out by an outer join.
    fn check_join(&self, kind: JoinKind, left: &Scope, right: &Scope) -> Result<()> {
        let locks = |scope: &Scope| scope.relations.iter().any(|r| r.key.is_some());
        let nullable = match kind {
            JoinKind::Left => locks(right),
            JoinKind::Right => locks(left),
            JoinKind::Full => locks(left) || locks(right),
            _ => false,
        };
        if nullable {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("{} cannot be applied to the nullable side of an outer join", self.clause()),
            ));
        }
        Ok(())
    }
    fn wants(&self, alias: &str) -> bool {
        self.of.is_empty() || self.of.iter().any(|n| n == alias)
    }
    /// 42P01 for a name in OF that is no FROM item.
    pub(super) fn check(&self, scope: &Scope) -> Result<()> {
        match self.of.iter().find(|n| !scope.relations.iter().any(|r| &r.alias == *n)) {
            Some(name) => Err(SqlError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{name}\" in {} clause not found in FROM clause", self.clause()),
            )),
            None => Ok(()),
        }
    }
}

/// A bound FROM item: its plan and names; arguments over the left side where it is LATERAL.
struct Item {
    plan: Plan,
    scope: Scope,
    args: Vec<Expr>,
}

impl Binder<'_> {
    pub(super) fn find_relation(&self, schema: Option<&str>, name: &str) -> Option<Found> {
        let catalog: &Catalog = self.context.catalog;
        let in_schema = |schema: &str| {
            system::lookup(schema, name).map(Found::System).or_else(|| {
                catalog.relation_in(catalog.schema_oid(schema)?, name).map(|r| Found::User(Arc::clone(r)))
            })
        };
        match schema {
            Some(schema) => in_schema(schema),
            None => {
                let path = &self.context.settings.search_path;
                // pg_catalog comes first unless the path names it elsewhere.
                let implicit = (!path.iter().any(|s| s == "pg_catalog")).then_some("pg_catalog");
                implicit.into_iter().chain(path.iter().map(String::as_str)).find_map(in_schema)
            }
        }
    }
    /// Binds FROM and leaves its names in the frame.
    pub(super) fn bind_from(
        &mut self,
        items: &[ast::TableWithJoins],
        locking: Option<&Locking>,
    ) -> Result<Plan> {
        self.frame_mut()?.scope = Scope::default();
        let mut whole: Option<(Plan, Scope)> = None;
        for item in items {
            whole = Some(self.add_item(whole, item, locking)?);
        }
        let (plan, scope) = match whole {
            Some(whole) => whole,
            None => (Plan::Values { rows: vec![Vec::new()], types: Vec::new() }, Scope::default()),
        };
        self.frame_mut()?.scope = scope;
        Ok(plan)
    }
    /// Adds an item of the comma list, with its joins, to what stands left of it.
    pub(super) fn add_item(
        &mut self,
        left: Option<(Plan, Scope)>,
        item: &ast::TableWithJoins,
        locking: Option<&Locking>,
    ) -> Result<(Plan, Scope)> {
        // Joins that only look to the left may stand over all items so far, so that LATERAL in them sees those too.
        let flat = item
            .joins
            .iter()
            .all(|j| matches!(join_kind(&j.join_operator), Ok((JoinKind::Inner | JoinKind::Left, _))));
        let Some((left_plan, left_scope)) = left else {
            return self.joins(item, Scope::default(), None, locking);
        };
        if flat {
            return self.joins(item, left_scope, Some(left_plan), locking);
        }
        let (plan, scope) = self.joins(item, Scope::default(), None, locking)?;
        let mut all = left_scope;
        for relation in &scope.relations {
            all.check_alias(relation)?;
        }
        all.append(scope);
        Ok((cross(left_plan, plan), all))
    }
    /// `a JOIN b … JOIN c …`, over `before` where there are earlier items; the names of ON are just the item's own.
    fn joins(
        &mut self,
        item: &ast::TableWithJoins,
        mut before: Scope,
        left: Option<Plan>,
        locking: Option<&Locking>,
    ) -> Result<(Plan, Scope)> {
        let first = self.factor(&item.relation, &before, locking)?;
        for relation in &first.scope.relations {
            before.check_alias(relation)?;
        }
        let base = before.width;
        let (mut plan, mut own) = match left {
            None => {
                if first.args.is_empty() {
                    (first.plan, first.scope)
                } else {
                    // LATERAL to outer queries only: they are arguments of the frame, so that a row of nothing is its left.
                    let one = Plan::Values { rows: vec![Vec::new()], types: Vec::new() };
                    (apply(JoinKind::Inner, one, first.plan, first.args, None), first.scope)
                }
            }
            Some(left) => {
                let mut scope = first.scope;
                scope.shift(base);
                let plan = if first.args.is_empty() {
                    cross(left, first.plan)
                } else {
                    apply(JoinKind::Inner, left, first.plan, first.args, None)
                };
                (plan, scope)
            }
        };
        for join in &item.joins {
            let (kind, constraint) = join_kind(&join.join_operator)?;
            // What LATERAL on the right sees.
            let mut seen = before.clone();
            append_absolute(&mut seen, &own);
            seen.width = own.width;
            let right = self.factor(&join.relation, &seen, locking)?;
            for relation in &right.scope.relations {
                own.check_alias(relation)?;
                before.check_alias(relation)?;
            }
            if let Some(locking) = locking {
                locking.check_join(kind, &own, &right.scope)?;
            }
            (plan, own) = self.join(plan, own, right, kind, constraint)?;
        }
        append_absolute(&mut before, &own);
        before.width = own.width;
        Ok((plan, before))
    }
    fn join(
        &mut self,
        left_plan: Plan,
        left: Scope,
        right: Item,
        kind: JoinKind,
        constraint: &JoinConstraint,
    ) -> Result<(Plan, Scope)> {
        let using: Vec<String> = match constraint {
            JoinConstraint::Using(names) | JoinConstraint::UsingAlias(names, _) => names
                .iter()
                .map(|n| Ok(name_parts(n)?.pop().unwrap_or_default()))
                .collect::<Result<Vec<_>>>()?,
            JoinConstraint::Natural => {
                let common = left.columns.iter().map(|(_, c)| &c.name);
                common.filter(|n| right.scope.columns.iter().any(|(_, c)| c.name == **n)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let width = left.width;
        let left_columns = left.columns.len();
        let mut scope = left;
        let right_width = right.scope.width;
        scope.append(right.scope);
        scope.width = width + right_width;
        let mut on = None;
        if let JoinConstraint::On(condition) = constraint {
            let outer = std::mem::replace(&mut self.frame_mut()?.scope, scope);
            let bound = self.without_aggregates("JOIN conditions", |b| b.expr(condition));
            scope = std::mem::replace(&mut self.frame_mut()?.scope, outer);
            let bound = self.boolean(bound?, "JOIN/ON")?;
            on = (!Self::is_true(&bound)).then_some(bound);
        }
        if !using.is_empty() {
            let merged = self.merge(&mut scope, left_columns, &using, kind)?;
            on = visit::conjunction(merged);
        }
        if let JoinConstraint::UsingAlias(_, alias) = constraint {
            let columns: Vec<ScopeColumn> =
                scope.columns.iter().take(using.len()).map(|(_, c)| c.clone()).collect();
            let alias = fold(alias);
            scope.relations.push(ScopeRelation {
                alias,
                schema: None,
                columns,
                table: None,
                oid: 0,
                key: None,
                hidden: false,
            });
        }
        let plan = if right.args.is_empty() {
            Plan::NestedLoop { kind, left: Box::new(left_plan), right: Box::new(right.plan), on }
        } else {
            if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
                return Err(SqlError::new(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    "invalid reference to FROM-clause entry: the combining JOIN type must be INNER or LEFT for a LATERAL reference",
                ));
            }
            apply(kind, left_plan, right.plan, right.args, on)
        };
        Ok((plan, scope))
    }
    /// Merges the columns of USING: they come first, once, and bare names mean the merged ones.
    fn merge(
        &mut self,
        scope: &mut Scope,
        left_columns: usize,
        using: &[String],
        kind: JoinKind,
    ) -> Result<Vec<Expr>> {
        let mut conditions = Vec::with_capacity(using.len());
        let mut merged = Vec::with_capacity(using.len());
        for name in using {
            let find = |columns: &[(Option<usize>, ScopeColumn)], side: &str| {
                let mut found = columns.iter().filter(|(_, c)| &c.name == name);
                match (found.next(), found.next()) {
                    (Some((_, column)), None) => Ok(column.clone()),
                    (None, _) => Err(SqlError::new(
                        sqlstate::UNDEFINED_COLUMN,
                        format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
                    )),
                    (Some(_), Some(_)) => Err(SqlError::new(
                        sqlstate::AMBIGUOUS_COLUMN,
                        format!("common column name \"{name}\" appears more than once in {side} table"),
                    )),
                }
            };
            let (l, r) = scope.columns.split_at_checked(left_columns).unwrap_or((&[], &[]));
            let (left, right) = (find(l, "left")?, find(r, "right")?);
            conditions.push(self.operator("=", left.expr.clone(), right.expr.clone())?);
            let ty = self.common([left.expr.ty, right.expr.ty].into_iter(), "JOIN/USING")?;
            let expr = match kind {
                JoinKind::Right => self.coerce_common(right.expr, ty, "JOIN/USING")?,
                JoinKind::Full => {
                    let args = vec![
                        self.coerce_common(left.expr, ty, "JOIN/USING")?,
                        self.coerce_common(right.expr, ty, "JOIN/USING")?,
                    ];
                    Expr { kind: ExprKind::Coalesce(args), ty, typmod: -1 }
                }
                _ => self.coerce_common(left.expr, ty, "JOIN/USING")?,
            };
            let origin = if kind == JoinKind::Right { right.origin } else { left.origin };
            merged.push((None, ScopeColumn { name: name.clone(), expr, origin }));
        }
        let rest = scope.columns.drain(..).filter(|(_, c)| !using.contains(&c.name));
        merged.extend(rest);
        scope.columns = merged;
        Ok(conditions)
    }
    /// One item; `seen` is what LATERAL may refer to.
    fn factor(&mut self, factor: &TableFactor, seen: &Scope, locking: Option<&Locking>) -> Result<Item> {
        match factor {
            TableFactor::Table { name, alias, args: None, sample, version, .. } => {
                if sample.is_some() || version.is_some() {
                    return Err(SqlError::unsupported("TABLESAMPLE"));
                }
                let (plan, scope) = self.relation_item(name, alias.as_ref(), locking)?;
                Ok(Item { plan, scope, args: Vec::new() })
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.function_item(name, &args.args, *with_ordinality, alias.as_ref(), seen)
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.function_item(name, args, *with_ordinality, alias.as_ref(), seen)
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, with_offset, .. } => {
                if *with_offset {
                    return Err(SqlError::syntax("syntax error at or near \"offset\""));
                }
                let args: Vec<FunctionArg> = array_exprs
                    .iter()
                    .map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e.clone())))
                    .collect();
                let name = ast::ObjectName::from(vec![ast::Ident::new("unnest")]);
                self.function_item(&name, &args, *with_ordinality, alias.as_ref(), seen)
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let Some(alias) = alias else {
                    return Err(SqlError::syntax("subquery in FROM must have an alias")
                        .with_hint("For example, FROM (SELECT ...) [AS] foo."));
                };
                let (query, args) = if *lateral {
                    self.lateral(seen, |b| b.query(subquery))?
                } else {
                    (self.in_scope(|b| b.query(subquery))?, Vec::new())
                };
                let columns: Vec<(String, ColumnType, (u32, i16))> =
                    query.columns.into_iter().map(|c| (c.name, c.ty, (c.table, c.attnum))).collect();
                let scope = named_scope(&fold(&alias.name), None, columns, Some(alias))?;
                Ok(Item { plan: query.plan, scope, args })
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let (plan, mut scope) =
                    self.nested(|b| b.joins(table_with_joins, Scope::default(), None, locking))?;
                if let Some(alias) = alias {
                    let columns: Vec<ScopeColumn> = scope.columns.iter().map(|(_, c)| c.clone()).collect();
                    scope.relations.iter_mut().for_each(|r| r.hidden = true);
                    let mut relation = ScopeRelation {
                        alias: fold(&alias.name),
                        schema: None,
                        columns,
                        table: None,
                        oid: 0,
                        key: None,
                        hidden: false,
                    };
                    rename(&mut relation, alias)?;
                    scope.columns = relation.columns.iter().map(|c| (None, c.clone())).collect();
                    scope.relations.push(relation);
                }
                Ok(Item { plan, scope, args: Vec::new() })
            }
            other => {
                let text = other.to_string();
                let word = text.split([' ', '(']).next().unwrap_or_default().to_owned();
                Err(SqlError::unsupported(format!("{word} in FROM")))
            }
        }
    }
    /// Binds in a frame whose outer one shows `seen`.
    fn lateral<T>(
        &mut self,
        seen: &Scope,
        bind: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, Vec<Expr>)> {
        let frame = self.frame_mut()?;
        let outer = std::mem::replace(&mut frame.scope, seen.clone());
        let collect = std::mem::take(&mut frame.collect);
        let result = self.in_frame(bind);
        let frame = self.frame_mut()?;
        frame.scope = outer;
        frame.collect = collect;
        result
    }
    /// A table, view, system relation or CTE.
    pub(super) fn relation_item(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        locking: Option<&Locking>,
    ) -> Result<(Plan, Scope)> {
        let parts = name_parts(name)?;
        let (schema, bare) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] | [_, schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return Err(SqlError::syntax("improper qualified name (too many dotted names)")),
        };
        let shown = alias.map_or_else(|| bare.to_owned(), |a| fold(&a.name));
        if schema.is_none()
            && let Some((plan, columns)) = self.cte_scan(bare)?
        {
            let columns = columns.into_iter().map(|(n, t)| (n, t, (0, 0))).collect();
            return Ok((plan, named_scope(&shown, None, columns, alias)?));
        }
        // Without an alias, `schema.table.column` names it too.
        let relation_schema = match (alias, schema) {
            (None, Some(schema)) => Some(schema.to_owned()),
            _ => None,
        };
        let span = match name.0.first() {
            Some(ast::ObjectNamePart::Identifier(i)) => i.span,
            _ => sqlparser::tokenizer::Span::empty(),
        };
        match self.find_relation(schema, bare) {
            Some(Found::System(relation)) => {
                let columns = relation
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(i, (n, t))| {
                        (
                            (*n).to_owned(),
                            ColumnType::from(*t),
                            (relation.oid, i16::try_from(i + 1).unwrap_or(0)),
                        )
                    })
                    .collect();
                let plan = Plan::SystemScan {
                    relation,
                    columns: (0..relation.columns.len()).collect(),
                    filter: None,
                };
                let mut scope = named_scope(&shown, relation_schema, columns, alias)?;
                if let Some(named) = scope.relations.first_mut() {
                    named.oid = relation.oid;
                }
                Ok((plan, scope))
            }
            Some(Found::User(relation)) => match &relation.kind {
                RelationKind::Table(table) => {
                    let row_key = locking.is_some_and(|l| l.wants(&shown));
                    let mut scope = self.table_item(table, &shown, row_key);
                    if let Some(relation) = scope.relations.first_mut() {
                        relation.schema = relation_schema.or_else(|| {
                            alias
                                .is_none()
                                .then(|| self.context.catalog.schema_name(table.schema).map(str::to_owned))
                                .flatten()
                        });
                        if let Some(alias) = alias {
                            rename(relation, alias)?;
                        }
                        scope.columns = relation.columns.iter().map(|c| (Some(0), c.clone())).collect();
                    }
                    Ok((Plan::Scan(self.scan(table, row_key)), scope))
                }
                RelationKind::View(view) => {
                    let plan = self.view(view)?;
                    let columns =
                        view.columns.iter().map(|(n, t)| (n.clone(), *t, (relation.oid, 0))).collect();
                    Ok((plan, named_scope(&shown, relation_schema, columns, alias)?))
                }
                RelationKind::Sequence(_) => Err(SqlError::unsupported("reading a sequence as a table")),
                RelationKind::Index(_) => Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot open relation \"{bare}\""),
                )
                .with_detail("This operation is not supported for indexes.")),
            },
            None => Err(self.locate(Catalog::undefined_relation(schema, bare), span)),
        }
    }
    /// The names of a table's scan; with the row's key behind the columns where asked.
    pub(super) fn table_item(&self, table: &Arc<Table>, alias: &str, row_key: bool) -> Scope {
        let mut scope = table_scope(table, alias);
        if row_key {
            let key = scope.width;
            if let Some(relation) = scope.relations.first_mut() {
                relation.key = Some(key);
            }
            scope.width += 1;
        }
        scope
    }
    pub(super) fn scan(&self, table: &Arc<Table>, row_key: bool) -> Scan {
        let rows = (self.context.rows)(table.tree) as f64;
        let special = |i: &crate::catalog::Index| {
            i.predicate.is_some() || i.keys.iter().any(|k| k.expression.is_some())
        };
        let bound = table.indexes.iter().any(|i| special(i)).then(|| self.table_checks(table, false));
        Scan {
            table: Arc::clone(table),
            columns: table.live_columns().map(|(i, _)| i).collect(),
            row_key,
            access: Access::Full,
            snapshot: self.context.snapshot,
            filter: None,
            estimate: ScanEstimate { table_rows: rows, range_rows: rows, rows, depends_on_values: false },
            // What cannot be bound any more helps no query; who writes to the table is told.
            bound: bound.and_then(Result::ok).map(Arc::new),
        }
    }
    /// A view's query, bound where it sees nothing of what is around it.
    fn view(&mut self, view: &View) -> Result<Plan> {
        let statements = parse::parse(&view.query)?;
        let [statement] = statements.as_slice() else {
            return Err(SqlError::internal(format!("the text of view \"{}\" is not one query", view.name)));
        };
        let parse::Statement::Query(statement) = &statement.statement else {
            return Err(SqlError::internal(format!("the text of view \"{}\" is no query", view.name)));
        };
        let ast::Statement::Query(query) = &**statement else {
            return Err(SqlError::internal(format!("the text of view \"{}\" is no query", view.name)));
        };
        let frames = std::mem::replace(&mut self.frames, vec![super::Frame::default()]);
        let ctes = std::mem::take(&mut self.ctes);
        let outer = self.no_aggregates.take();
        let bound = self.nested(|b| b.query(query));
        self.no_aggregates = outer;
        self.frames = frames;
        self.ctes = ctes;
        Ok(bound?.plan)
    }
    /// `f(…)`, `unnest(a, b)`, `ROWS FROM (…)`: arguments may look to the left.
    fn function_item(
        &mut self,
        name: &ast::ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        seen: &Scope,
    ) -> Result<Item> {
        let function = super::call::function_name(name)?;
        let (calls, outer) = self
            .lateral(seen, |b| b.without_aggregates("functions in FROM", |b| b.calls_of(&function, args)))?;
        let shown = alias.map_or_else(|| function.clone(), |a| fold(&a.name));
        let single = calls.len() == 1;
        let mut columns: Vec<(String, ColumnType, (u32, i16))> = Vec::new();
        for (call, args) in &calls {
            let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
            let own = set_columns(call, &types);
            match own.as_slice() {
                // A function of one column that is no record is named by the alias.
                [] => columns.push((call.name.to_owned(), call_type(call, args).into(), (0, 0))),
                [(own, ty)] => {
                    // A column with a name of its own (`value` of json_array_elements) keeps it.
                    let named = own != call.name;
                    let name = if single && !named { shown.clone() } else { own.clone() };
                    columns.push((name, (*ty).into(), (0, 0)));
                }
                own => columns.extend(own.iter().map(|(n, t)| (n.clone(), ColumnType::from(*t), (0, 0)))),
            }
        }
        if let ([(call, _)], [column]) = (calls.as_slice(), columns.as_mut_slice())
            && !call.is_set()
        {
            column.0.clone_from(&shown);
        }
        if ordinality {
            columns.push(("ordinality".to_owned(), Type::INT8.into(), (0, 0)));
        }
        let types = columns.iter().map(|c| c.1).collect();
        let plan = Plan::FunctionScan { calls, ordinality, types };
        Ok(Item { plan, scope: named_scope(&shown, None, columns, alias)?, args: outer })
    }
    fn calls_of(&mut self, name: &str, args: &[FunctionArg]) -> Result<Vec<(&'static Function, Vec<Expr>)>> {
        if name == parse::ROWS_FROM {
            let mut calls = Vec::with_capacity(args.len());
            for arg in args {
                let FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Function(call))) = arg else {
                    return Err(SqlError::syntax("syntax error in ROWS FROM"));
                };
                let ast::FunctionArguments::List(list) = &call.args else {
                    return Err(SqlError::syntax("syntax error in ROWS FROM"));
                };
                let inner = super::call::function_name(&call.name)?;
                calls.extend(self.nested(|b| b.calls_of(&inner, &list.args))?);
            }
            return Ok(calls);
        }
        let mut bound = Vec::with_capacity(args.len());
        let mut spread = false;
        for arg in args {
            let (FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
            | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }) = arg
            else {
                return Err(SqlError::unsupported("this kind of argument of a function in FROM"));
            };
            if let FunctionArg::Named { name, .. } = arg {
                if !name.value.eq_ignore_ascii_case("variadic") {
                    return Err(SqlError::unsupported("calling functions with named arguments"));
                }
                spread = true;
            }
            bound.push(self.expr(expr)?);
        }
        // Several arrays are unnested side by side.
        if name == "unnest" && bound.len() > 1 {
            let mut calls = Vec::with_capacity(bound.len());
            for arg in bound {
                calls.push(self.call_of(name, vec![arg], false)?);
            }
            return Ok(calls);
        }
        Ok(vec![self.call_of(name, bound, spread)?])
    }
    fn call_of(
        &mut self,
        name: &str,
        args: Vec<Expr>,
        spread: bool,
    ) -> Result<(&'static Function, Vec<Expr>)> {
        let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
        // current_date and the like in FROM are rare enough to be left out.
        let resolved = functions::resolve(name, &types, spread)?;
        if resolved.function.is_aggregate() {
            return Err(SqlError::new(
                sqlstate::GROUPING_ERROR,
                "aggregate functions are not allowed in functions in FROM",
            ));
        }
        let args = self.call_args(&resolved, args)?;
        Ok((resolved.function, args))
    }
}

/// The result type of a scalar call, polymorphic ones by their arguments.
fn call_type(function: &Function, args: &[Expr]) -> Type {
    let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
    functions::resolve(function.name, &types, false).map_or(function.result, |r| r.result)
}

fn cross(left: Plan, right: Plan) -> Plan {
    Plan::NestedLoop { kind: JoinKind::Inner, left: Box::new(left), right: Box::new(right), on: None }
}

fn apply(kind: JoinKind, left: Plan, right: Plan, args: Vec<Expr>, on: Option<Expr>) -> Plan {
    Plan::Apply { kind, left: Box::new(left), right: Arc::new(SubPlan { plan: right, args }), on }
}

/// Adds names that already count from the row's start.
fn append_absolute(scope: &mut Scope, other: &Scope) {
    let first = scope.relations.len();
    scope.relations.extend(other.relations.iter().cloned());
    scope.columns.extend(other.columns.iter().map(|(r, c)| (r.map(|r| r + first), c.clone())));
}

/// A scope of one relation with columns numbered from 0, renamed by its alias.
fn named_scope(
    alias: &str,
    schema: Option<String>,
    columns: Vec<(String, ColumnType, (u32, i16))>,
    rename_by: Option<&ast::TableAlias>,
) -> Result<Scope> {
    let width = columns.len();
    let columns = columns
        .into_iter()
        .enumerate()
        .map(|(at, (name, ty, origin))| ScopeColumn {
            name,
            expr: Expr::column(at, ty.ty, ty.typmod),
            origin,
        })
        .collect();
    let mut relation = ScopeRelation {
        alias: alias.to_owned(),
        schema,
        columns,
        table: None,
        oid: 0,
        key: None,
        hidden: false,
    };
    if let Some(by) = rename_by {
        rename(&mut relation, by)?;
    }
    Ok(Scope::of(relation, width))
}

fn rename(relation: &mut ScopeRelation, alias: &ast::TableAlias) -> Result<()> {
    if alias.columns.len() > relation.columns.len() {
        return Err(SqlError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            format!(
                "table \"{}\" has {} columns available but {} columns specified",
                relation.alias,
                relation.columns.len(),
                alias.columns.len()
            ),
        ));
    }
    for (column, name) in relation.columns.iter_mut().zip(&alias.columns) {
        if name.data_type.is_some() {
            return Err(SqlError::unsupported("a column definition list"));
        }
        column.name = fold(&name.name);
    }
    Ok(())
}

fn join_kind(operator: &JoinOperator) -> Result<(JoinKind, &JoinConstraint)> {
    Ok(match operator {
        JoinOperator::Join(c) | JoinOperator::Inner(c) | JoinOperator::CrossJoin(c) => (JoinKind::Inner, c),
        JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinKind::Left, c),
        JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinKind::Right, c),
        JoinOperator::FullOuter(c) => (JoinKind::Full, c),
        _ => return Err(SqlError::syntax("syntax error in a join")),
    })
}
