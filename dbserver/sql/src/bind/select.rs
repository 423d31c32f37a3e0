//! SELECT: select list, WHERE, GROUP BY, HAVING, DISTINCT, ORDER BY, LIMIT and row locks.

use super::aggregate::{AGGREGATE_BASE, Grouping};
use super::call::sort_key;
use super::from::Locking;
use super::names::column_name;
use super::types::{fold, name_parts};
use super::{Binder, Query};
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::plan::{LockTarget, Plan, ResultColumn, SortKey, visit};
use crate::types::{ColumnType, Datum, Type};
use sqlparser::ast::{
    self, Distinct, GroupByExpr, GroupByWithModifier, SelectItem, SelectItemQualifiedWildcardKind,
};

/// The most columns of a select list, as in PostgreSQL.
const COLUMNS_MAX: usize = 1664;
/// The most grouping sets, as in PostgreSQL.
const GROUPING_SETS_MAX: usize = 4096;

/// An item of the select list.
pub(super) struct Target {
    pub expr: Expr,
    pub name: String,
    pub origin: (u32, i16),
}

/// What stands around a SELECT in its query.
#[derive(Default, Clone, Copy)]
pub(super) struct Tail<'q> {
    pub order: &'q [ast::OrderByExpr],
    pub limit: Option<&'q ast::Expr>,
    pub offset: Option<&'q ast::Expr>,
    pub locks: &'q [ast::LockClause],
}

impl Binder<'_> {
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        tail: Tail<'_>,
        resolve_unknown: bool,
    ) -> Result<Query> {
        self.refuse(select)?;
        let locking = if tail.locks.is_empty() { None } else { Some(Locking::of(tail.locks)?) };
        let mut plan = self.bind_from(&select.from, locking.as_ref())?;
        let mut condition = None;
        if let Some(selection) = &select.selection {
            let bound = self.without_aggregates("WHERE", |b| b.expr(selection))?;
            let bound = self.boolean(bound, "WHERE")?;
            if !Self::is_true(&bound) {
                plan = Plan::Filter { input: Box::new(plan), predicate: bound.clone() };
                condition = Some(bound);
            }
        }
        self.frame_mut()?.collect.sets_allowed = true;
        let mut targets = self.select_list(&select.projection)?;
        self.frame_mut()?.collect.sets_allowed = false;
        let (mut grouping, grouped) = self.group_by(&select.group_by, &targets, &select.projection)?;
        let mut having = match &select.having {
            Some(having) => {
                let bound = self.expr(having)?;
                Some(self.boolean(bound, "HAVING")?)
            }
            None => None,
        };
        for target in &mut targets {
            if resolve_unknown || !matches!(target.expr.kind, ExprKind::Const(_) | ExprKind::Param(_)) {
                let expr = std::mem::replace(&mut target.expr, Expr::constant(Datum::Null, Type::UNKNOWN));
                target.expr = self.resolve_unknown(expr)?;
            }
        }
        let mut order = self.order_by(tail.order, &targets, &select.projection)?;
        let mut distinct = self.distinct_keys(select.distinct.as_ref(), &targets, &order)?;
        let aggregated = grouped || having.is_some() || !self.frame()?.collect.aggregates.is_empty();
        if aggregated {
            if let Some(locking) = &locking {
                return Err(locking.refused(match (grouped, &having) {
                    (true, _) => "GROUP BY clause",
                    (false, Some(_)) => "HAVING clause",
                    (false, None) => "aggregate functions",
                }));
            }
            if grouping.sets.is_empty() {
                grouping.sets.push(Vec::new());
            }
            let mut exprs = expressions(&mut targets, &mut order, &mut distinct);
            exprs.extend(having.as_mut());
            plan = self.group(plan, grouping, &mut exprs)?;
            if let Some(having) = having {
                plan = Plan::Filter { input: Box::new(plan), predicate: having };
            }
        }
        let sets = !self.frame()?.collect.sets.is_empty();
        {
            let mut exprs = expressions(&mut targets, &mut order, &mut distinct);
            plan = self.expand_sets(plan, &mut exprs)?;
        }
        let (limit, offset) = (self.limit(tail.limit, "LIMIT")?, self.limit(tail.offset, "OFFSET")?);
        let columns = targets
            .iter()
            .map(|t| ResultColumn {
                name: t.name.clone(),
                ty: ColumnType { ty: t.expr.ty, typmod: t.expr.typmod },
                table: t.origin.0,
                attnum: t.origin.1,
            })
            .collect();
        if let Some(locking) = locking {
            if distinct.is_some() {
                return Err(locking.refused("DISTINCT clause"));
            }
            if sets {
                return Err(locking.refused("set-returning functions in the target list"));
            }
            let keys = order.into_iter().map(|o| o.over_input(&targets)).collect::<Result<Vec<_>>>()?;
            plan = sorted(plan, keys, &limit, &offset, true);
            plan = self.lock_rows(plan, &locking, condition)?;
            plan = limited(plan, limit, offset);
            let exprs = targets.into_iter().map(|t| t.expr).collect();
            return Ok(Query { plan: Plan::Project { input: Box::new(plan), exprs }, columns });
        }
        // Sorting before projecting computes outputs only for rows that are kept, unless an output must not be computed twice.
        let early = distinct.is_none()
            && order.iter().all(|o| match o {
                Order::Target(at, ..) => targets.get(*at).is_some_and(|t| {
                    matches!(t.expr.kind, ExprKind::Column(_))
                        || (!visit::is_volatile(&t.expr) && !visit::has_subquery(&t.expr))
                }),
                Order::Expr(key) => !visit::is_volatile(&key.expr),
            });
        if early {
            let keys = order.into_iter().map(|o| o.over_input(&targets)).collect::<Result<Vec<_>>>()?;
            plan = sorted(plan, keys, &limit, &offset, false);
            plan = limited(plan, limit, offset);
            let exprs = targets.into_iter().map(|t| t.expr).collect();
            return Ok(Query { plan: Plan::Project { input: Box::new(plan), exprs }, columns });
        }
        self.project_then_sort(plan, targets, order, distinct, (limit, offset), columns)
    }
    /// Projects first: DISTINCT, set-returning or volatile outputs. Sort keys that are no outputs are projected beside them and
    /// dropped in the end.
    fn project_then_sort(
        &mut self,
        plan: Plan,
        targets: Vec<Target>,
        order: Vec<Order>,
        distinct: Option<DistinctKeys>,
        (limit, offset): (Option<Expr>, Option<Expr>),
        columns: Vec<ResultColumn>,
    ) -> Result<Query> {
        let visible = targets.len();
        let mut exprs: Vec<Expr> = targets.into_iter().map(|t| t.expr).collect();
        let mut position = |item: Order| match item {
            Order::Target(at, ..) => at,
            Order::Expr(key) => exprs.iter().position(|e| visit::same(e, &key.expr)).unwrap_or_else(|| {
                exprs.push(key.expr);
                exprs.len() - 1
            }),
        };
        let sort: Vec<(usize, bool, bool)> = order
            .into_iter()
            .map(|item| {
                let (descending, nulls_first) = item.direction();
                (position(item), descending, nulls_first)
            })
            .collect();
        let (all, distinct_on): (bool, Option<Vec<usize>>) = match distinct {
            Some(DistinctKeys::On(keys)) => (false, Some(keys.into_iter().map(&mut position).collect())),
            Some(DistinctKeys::All) => (true, None),
            None => (false, None),
        };
        let column = |at: usize, exprs: &[Expr]| {
            exprs
                .get(at)
                .map(|e| Expr::column(at, e.ty, e.typmod))
                .ok_or_else(|| SqlError::internal("a key beyond the list"))
        };
        let keys = sort
            .into_iter()
            .map(|(at, descending, nulls_first)| {
                Ok(SortKey { expr: column(at, &exprs)?, descending, nulls_first })
            })
            .collect::<Result<Vec<_>>>()?;
        let trim = (0..visible).map(|at| column(at, &exprs)).collect::<Result<Vec<_>>>()?;
        let extra = exprs.len() > visible;
        let mut plan = Plan::Project { input: Box::new(plan), exprs };
        match (all, distinct_on) {
            (_, Some(on)) => {
                // The first row of each in sort order, so the sort comes first and keeps all.
                plan = sorted(plan, keys, &None, &None, true);
                plan = Plan::Distinct { input: Box::new(plan), columns: on };
            }
            (true, None) => {
                plan = Plan::Distinct { input: Box::new(plan), columns: (0..visible).collect() };
                plan = sorted(plan, keys, &limit, &offset, false);
            }
            (false, None) => plan = sorted(plan, keys, &limit, &offset, false),
        }
        plan = limited(plan, limit, offset);
        if extra {
            plan = Plan::Project { input: Box::new(plan), exprs: trim };
        }
        Ok(Query { plan, columns })
    }
    pub(super) fn without_aggregates<T>(
        &mut self,
        place: &'static str,
        bind: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let outer = self.no_aggregates.replace(place);
        let result = bind(self);
        self.no_aggregates = outer;
        result
    }
    /// Clauses of other dialects that the parser lets through.
    fn refuse(&self, select: &ast::Select) -> Result<()> {
        let foreign = [
            (select.top.is_some(), "top"),
            (select.into.is_some(), "SELECT INTO"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (select.prewhere.is_some(), "prewhere"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (
                !select.cluster_by.is_empty()
                    || !select.distribute_by.is_empty()
                    || !select.sort_by.is_empty(),
                "CLUSTER BY",
            ),
            (select.qualify.is_some(), "qualify"),
            (select.value_table_mode.is_some(), "AS STRUCT"),
        ];
        match foreign.iter().find(|(there, _)| *there) {
            Some((_, what)) => Err(SqlError::unsupported(what)),
            None => Ok(()),
        }
    }
    pub(super) fn select_list(&mut self, items: &[SelectItem]) -> Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let bound = self.expr(expr)?;
                    let origin = self.origin(&bound)?;
                    targets.push(Target { expr: bound, name: column_name(expr), origin });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let bound = self.expr(expr)?;
                    let origin = self.origin(&bound)?;
                    targets.push(Target { expr: bound, name: fold(alias), origin });
                }
                SelectItem::Wildcard(_) => {
                    let scope = &self.frame()?.scope;
                    if scope.relations.is_empty() {
                        return Err(SqlError::syntax("SELECT * with no tables specified is not valid"));
                    }
                    targets.extend(scope.columns.iter().map(|(_, c)| Target {
                        expr: c.expr.clone(),
                        name: c.name.clone(),
                        origin: c.origin,
                    }));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let parts = name_parts(name)?;
                    let (schema, alias) = match parts.as_slice() {
                        [alias] => (None, alias.as_str()),
                        [schema, alias] | [_, schema, alias] => (Some(schema.as_str()), alias.as_str()),
                        _ => return Err(SqlError::syntax("improper qualified name (too many dotted names)")),
                    };
                    let columns = self
                        .relation_columns(schema, alias)?
                        .ok_or_else(|| super::scope::missing_from(alias))?;
                    targets.extend(columns.into_iter().map(|c| Target {
                        expr: c.expr,
                        name: c.name,
                        origin: c.origin,
                    }));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                    let record = self.expr(expr)?;
                    for (name, _) in self.record_fields(&record) {
                        let expr = self.field(record.clone(), &name)?;
                        targets.push(Target { expr, name, origin: (0, 0) });
                    }
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(SqlError::syntax("syntax error in an alias"));
                }
            }
            if targets.len() > COLUMNS_MAX {
                return Err(SqlError::new(
                    sqlstate::TOO_MANY_COLUMNS,
                    format!("target lists can have at most {COLUMNS_MAX} entries"),
                ));
            }
        }
        Ok(targets)
    }
    fn origin(&self, expr: &Expr) -> Result<(u32, i16)> {
        let ExprKind::Column(at) = expr.kind else { return Ok((0, 0)) };
        let found =
            self.frame()?.scope.relations.iter().flat_map(|r| &r.columns).find(|c| match c.expr.kind {
                ExprKind::Column(c) => c == at,
                _ => false,
            });
        Ok(found.map_or((0, 0), |c| c.origin))
    }
    /// The target an integer constant or an output name in ORDER BY, GROUP BY or DISTINCT ON means.
    fn by_position(expr: &ast::Expr, targets: &[Target], what: &str) -> Result<Option<usize>> {
        let ast::Expr::Value(value) = expr else { return Ok(None) };
        match &value.value {
            ast::Value::Number(text, _) => match text.parse::<usize>() {
                Ok(n) if n >= 1 && n <= targets.len() => Ok(Some(n - 1)),
                Ok(_) => Err(SqlError::new(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    format!("{what} position {text} is not in select list"),
                )),
                Err(_) => Err(SqlError::syntax(format!("non-integer constant in {what}"))),
            },
            ast::Value::Null | ast::Value::Placeholder(_) => Ok(None),
            _ => Err(SqlError::syntax(format!("non-integer constant in {what}"))),
        }
    }
    fn by_name(name: &str, targets: &[Target], what: &str) -> Result<Option<usize>> {
        let mut found: Option<usize> = None;
        for (at, target) in targets.iter().enumerate().filter(|(_, t)| t.name == name) {
            match found.and_then(|f| targets.get(f)) {
                None => found = Some(at),
                Some(other) if visit::same(&other.expr, &target.expr) => {}
                Some(_) => {
                    return Err(SqlError::new(
                        sqlstate::AMBIGUOUS_COLUMN,
                        format!("{what} \"{name}\" is ambiguous"),
                    ));
                }
            }
        }
        Ok(found)
    }
    fn order_item(&mut self, expr: &ast::Expr, targets: &[Target], what: &str) -> Result<Found> {
        let mut plain = expr;
        while let ast::Expr::Nested(inner) = plain {
            plain = inner;
        }
        if let Some(at) = Self::by_position(plain, targets, what)? {
            return Ok(Found::Target(at));
        }
        if let ast::Expr::Identifier(ident) = plain
            && let Some(at) = Self::by_name(&fold(ident), targets, what)?
        {
            return Ok(Found::Target(at));
        }
        let bound = self.expr(expr)?;
        let bound = self.resolve_unknown(bound)?;
        Ok(match targets.iter().position(|t| visit::same(&t.expr, &bound)) {
            Some(at) => Found::Target(at),
            None => Found::Expr(bound),
        })
    }
    fn order_by(
        &mut self,
        keys: &[ast::OrderByExpr],
        targets: &[Target],
        _list: &[SelectItem],
    ) -> Result<Vec<Order>> {
        let mut order = Vec::with_capacity(keys.len());
        for key in keys {
            order.push(match self.order_item(&key.expr, targets, "ORDER BY")? {
                Found::Target(at) => {
                    let expr = targets.get(at).map(|t| t.expr.clone());
                    let expr = expr.ok_or_else(|| SqlError::internal("a sort key beyond the select list"))?;
                    let key = sort_key(expr, &key.options)?;
                    Order::Target(at, key.descending, key.nulls_first)
                }
                Found::Expr(expr) => Order::Expr(sort_key(expr, &key.options)?),
            });
        }
        Ok(order)
    }
    fn distinct_keys(
        &mut self,
        distinct: Option<&Distinct>,
        targets: &[Target],
        order: &[Order],
    ) -> Result<Option<DistinctKeys>> {
        match distinct {
            None | Some(Distinct::All) => Ok(None),
            Some(Distinct::Distinct) => {
                if order.iter().any(|o| matches!(o, Order::Expr(_))) {
                    return Err(SqlError::new(
                        sqlstate::INVALID_COLUMN_REFERENCE,
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                    ));
                }
                Ok(Some(DistinctKeys::All))
            }
            Some(Distinct::On(exprs)) => {
                let mut keys = Vec::with_capacity(exprs.len());
                for expr in exprs {
                    keys.push(match self.order_item(expr, targets, "SELECT DISTINCT ON")? {
                        Found::Target(at) => Order::Target(at, false, false),
                        Found::Expr(expr) => {
                            Order::Expr(SortKey { expr, descending: false, nulls_first: false })
                        }
                    });
                }
                let matches = |o: &Order| keys.iter().any(|k| k.same(o));
                if !order.iter().take(keys.len()).all(matches) {
                    return Err(SqlError::new(
                        sqlstate::INVALID_COLUMN_REFERENCE,
                        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    ));
                }
                Ok(Some(DistinctKeys::On(keys)))
            }
        }
    }
    /// LIMIT or OFFSET: a bigint that sees no columns.
    pub(super) fn limit(&mut self, expr: Option<&ast::Expr>, what: &'static str) -> Result<Option<Expr>> {
        let Some(expr) = expr else { return Ok(None) };
        let scope = std::mem::take(&mut self.frame_mut()?.scope);
        let bound = self.without_aggregates(what, |b| b.expr(expr));
        self.frame_mut()?.scope = scope;
        let bound = bound.map_err(|e| {
            if e.sqlstate() == sqlstate::UNDEFINED_COLUMN {
                SqlError::new(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    format!("argument of {what} must not contain variables"),
                )
            } else {
                e
            }
        })?;
        let from = bound.ty;
        let bound = self
            .try_coerce(bound, Type::INT8.into(), crate::types::cast::CastContext::Assignment)?
            .ok_or_else(|| {
            SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("argument of {what} must be type bigint, not type {}", from.sql_name()),
            )
        })?;
        Ok(if matches!(bound.kind, ExprKind::Const(Datum::Null)) { None } else { Some(bound) })
    }
    /// GROUP BY: keys, grouping sets, and whether there is any at all.
    fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        targets: &[Target],
        _list: &[SelectItem],
    ) -> Result<(Grouping, bool)> {
        let GroupByExpr::Expressions(exprs, modifiers) = group_by else {
            return Err(SqlError::unsupported("GROUP BY ALL"));
        };
        let mut grouping = Grouping { keys: Vec::new(), sets: vec![Vec::new()] };
        for expr in exprs {
            let sets = self.grouping_sets(expr, targets, &mut grouping)?;
            grouping.sets = cross(&grouping.sets, &sets)?;
        }
        for modifier in modifiers {
            let sets = match modifier {
                GroupByWithModifier::GroupingSets(expr) => {
                    self.grouping_sets(expr, targets, &mut grouping)?
                }
                other => return Err(SqlError::syntax(format!("syntax error at or near \"{other}\""))),
            };
            grouping.sets = cross(&grouping.sets, &sets)?;
        }
        Ok((grouping, !exprs.is_empty() || !modifiers.is_empty()))
    }
    fn grouping_sets(
        &mut self,
        expr: &ast::Expr,
        targets: &[Target],
        grouping: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        Ok(match expr {
            ast::Expr::GroupingSets(sets) => {
                let mut all = Vec::new();
                for set in sets {
                    // A set of one ROLLUP or CUBE stands for all of that one's sets.
                    if let [
                        nested @ (ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_)),
                    ] = set.as_slice()
                    {
                        all.extend(self.nested(|b| b.grouping_sets(nested, targets, grouping))?);
                    } else {
                        all.extend(self.key_lists(std::slice::from_ref(set), targets, grouping)?);
                    }
                }
                all
            }
            ast::Expr::Rollup(items) => {
                let items = self.key_lists(items, targets, grouping)?;
                (0..=items.len()).rev().map(|n| items.iter().take(n).flatten().copied().collect()).collect()
            }
            ast::Expr::Cube(items) => {
                let items = self.key_lists(items, targets, grouping)?;
                if items.len() > 12 {
                    return Err(SqlError::new(sqlstate::TOO_MANY_COLUMNS, "CUBE is limited to 12 elements"));
                }
                let n = items.len();
                (0..1_usize << n)
                    .rev()
                    .map(|mask| {
                        let chosen = items.iter().enumerate().filter(|(i, _)| mask & (1 << (n - 1 - i)) != 0);
                        chosen.flat_map(|(_, item)| item.iter().copied()).collect()
                    })
                    .collect()
            }
            ast::Expr::Tuple(items) if items.is_empty() => vec![Vec::new()],
            ast::Expr::Tuple(items) => {
                let mut set = Vec::new();
                for item in items {
                    set.extend(self.group_key(item, targets, grouping)?);
                }
                vec![set]
            }
            other => vec![self.group_key(other, targets, grouping)?],
        })
    }
    fn key_lists(
        &mut self,
        lists: &[Vec<ast::Expr>],
        targets: &[Target],
        grouping: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        let mut all = Vec::with_capacity(lists.len());
        for list in lists {
            let mut keys = Vec::with_capacity(list.len());
            for expr in list {
                keys.extend(self.group_key(expr, targets, grouping)?);
            }
            all.push(keys);
        }
        Ok(all)
    }
    /// The key (or keys of a row) of one expression.
    fn group_key(
        &mut self,
        expr: &ast::Expr,
        targets: &[Target],
        grouping: &mut Grouping,
    ) -> Result<Vec<usize>> {
        let mut plain = expr;
        while let ast::Expr::Nested(inner) = plain {
            plain = inner;
        }
        let bound = if let Some(at) = Self::by_position(plain, targets, "GROUP BY")? {
            targets.get(at).map(|t| t.expr.clone())
        } else if let ast::Expr::Identifier(ident) = plain {
            // A column of the input comes before an output name, as the standard has it.
            let name = fold(ident);
            match self.frame()?.scope.find(&name)? {
                Some(column) => Some(column.expr.clone()),
                None => Self::by_name(&name, targets, "GROUP BY")?
                    .and_then(|at| targets.get(at))
                    .map(|t| t.expr.clone()),
            }
        } else {
            None
        };
        let bound = match bound {
            Some(bound) => bound,
            None => self.without_aggregates("GROUP BY", |b| b.expr(expr))?,
        };
        let has_aggregate =
            visit::any(&bound, &mut |e| matches!(e.kind, ExprKind::Column(c) if c >= AGGREGATE_BASE));
        if has_aggregate {
            return Err(SqlError::new(
                sqlstate::GROUPING_ERROR,
                "aggregate functions are not allowed in GROUP BY",
            ));
        }
        let parts = match bound.kind {
            ExprKind::Row { args, .. } if matches!(plain, ast::Expr::Tuple(_)) => args,
            kind => vec![Expr { kind, ..bound }],
        };
        let mut positions = Vec::with_capacity(parts.len());
        for part in parts {
            let part = self.resolve_unknown(part)?;
            positions.push(grouping.keys.iter().position(|k| visit::same(k, &part)).unwrap_or_else(|| {
                grouping.keys.push(part);
                grouping.keys.len() - 1
            }));
        }
        Ok(positions)
    }
    fn lock_rows(&mut self, plan: Plan, locking: &Locking, condition: Option<Expr>) -> Result<Plan> {
        let scope = &self.frame()?.scope;
        locking.check(scope)?;
        let targets: Vec<LockTarget> = scope
            .relations
            .iter()
            .filter_map(|r| {
                let key = r.key?;
                let first = match r.columns.first()?.expr.kind {
                    ExprKind::Column(c) => c,
                    _ => return None,
                };
                Some(LockTarget { table: r.table.clone()?, first, key })
            })
            .collect();
        if targets.is_empty() {
            return Ok(plan);
        }
        Ok(Plan::LockRows {
            input: Box::new(plan),
            targets,
            recheck: condition,
            share: locking.share,
            wait: locking.wait,
        })
    }
}

enum Found {
    Target(usize),
    Expr(Expr),
}

/// A sort key: an output (position, descending, nulls first) or an expression over the input.
pub(super) enum Order {
    Target(usize, bool, bool),
    Expr(SortKey),
}

impl Order {
    fn direction(&self) -> (bool, bool) {
        match self {
            Order::Target(_, descending, nulls_first) => (*descending, *nulls_first),
            Order::Expr(key) => (key.descending, key.nulls_first),
        }
    }
    fn same(&self, other: &Order) -> bool {
        match (self, other) {
            (Order::Target(a, ..), Order::Target(b, ..)) => a == b,
            (Order::Expr(a), Order::Expr(b)) => visit::same(&a.expr, &b.expr),
            _ => false,
        }
    }
    fn over_input(self, targets: &[Target]) -> Result<SortKey> {
        match self {
            Order::Target(at, descending, nulls_first) => {
                let expr = targets.get(at).map(|t| t.expr.clone());
                let expr = expr.ok_or_else(|| SqlError::internal("a sort key beyond the select list"))?;
                Ok(SortKey { expr, descending, nulls_first })
            }
            Order::Expr(key) => Ok(key),
        }
    }
    fn expr_mut(&mut self) -> Option<&mut Expr> {
        match self {
            Order::Expr(key) => Some(&mut key.expr),
            Order::Target(..) => None,
        }
    }
}

/// All expressions over the row below the projection.
fn expressions<'e>(
    targets: &'e mut [Target],
    order: &'e mut [Order],
    distinct: &'e mut Option<DistinctKeys>,
) -> Vec<&'e mut Expr> {
    let mut exprs: Vec<&mut Expr> = targets.iter_mut().map(|t| &mut t.expr).collect();
    exprs.extend(order.iter_mut().filter_map(Order::expr_mut));
    if let Some(DistinctKeys::On(keys)) = distinct {
        exprs.extend(keys.iter_mut().filter_map(Order::expr_mut));
    }
    exprs
}

enum DistinctKeys {
    All,
    On(Vec<Order>),
}

fn cross(left: &[Vec<usize>], right: &[Vec<usize>]) -> Result<Vec<Vec<usize>>> {
    if left.len().saturating_mul(right.len()) > GROUPING_SETS_MAX {
        return Err(SqlError::new(
            sqlstate::STATEMENT_TOO_COMPLEX,
            format!("too many grouping sets present (maximum {GROUPING_SETS_MAX})"),
        ));
    }
    let both = |l: &Vec<usize>, r: &Vec<usize>| {
        let mut set = l.clone();
        set.extend(r.iter().filter(|k| !l.contains(k)));
        set
    };
    Ok(left.iter().flat_map(|l| right.iter().map(move |r| both(l, r))).collect())
}

/// A sort of `plan`; `all` where something between it and LIMIT may drop rows.
pub(super) fn sorted(
    plan: Plan,
    keys: Vec<SortKey>,
    limit: &Option<Expr>,
    offset: &Option<Expr>,
    all: bool,
) -> Plan {
    // A constant sorts nothing.
    let keys: Vec<SortKey> =
        keys.into_iter().filter(|k| !matches!(k.expr.kind, ExprKind::Const(_))).collect();
    if keys.is_empty() {
        return plan;
    }
    let limit = match (limit, offset) {
        (Some(limit), None) if !all => Some(limit.clone()),
        (
            Some(Expr { kind: ExprKind::Const(Datum::Int8(l)), .. }),
            Some(Expr { kind: ExprKind::Const(Datum::Int8(o)), .. }),
        ) if !all => l.checked_add(*o).map(|n| Expr::constant(Datum::Int8(n), Type::INT8)),
        _ => None,
    };
    Plan::Sort { input: Box::new(plan), keys, limit }
}

pub(super) fn limited(plan: Plan, limit: Option<Expr>, offset: Option<Expr>) -> Plan {
    if limit.is_none() && offset.is_none() {
        return plan;
    }
    Plan::Limit { input: Box::new(plan), limit, offset }
}
