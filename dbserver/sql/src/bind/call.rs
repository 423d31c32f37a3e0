//! Function calls: scalar, aggregate and set-returning ones, and the calls that have a syntax of their own.

use super::Binder;
use super::aggregate::{AGGREGATE_BASE, SET_BASE};
use super::expr::boolean;
use super::types::name_parts;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::functions;
use crate::plan::{Aggregate, SortKey, visit};
use crate::types::{ColumnType, Type};
use sqlparser::ast::{
    self, CeilFloorKind, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, TrimWhereField,
};

/// The arguments of a call as written.
#[derive(Default)]
struct Written<'e> {
    args: Vec<&'e ast::Expr>,
    star: bool,
    spread: bool,
    distinct: bool,
    order: &'e [ast::OrderByExpr],
}

fn written(function: &ast::Function) -> Result<Written<'_>> {
    let mut out = Written::default();
    let FunctionArguments::List(list) = &function.args else { return Ok(out) };
    out.distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => out.args.push(e),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_)) => {
                out.star = true
            }
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. }
                if name.value.eq_ignore_ascii_case("variadic") =>
            {
                out.spread = true;
                out.args.push(e);
            }
            FunctionArg::ExprNamed {
                name: ast::Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(e),
                ..
            } if name.value.eq_ignore_ascii_case("variadic") => {
                out.spread = true;
                out.args.push(e);
            }
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                return Err(SqlError::unsupported("calling functions with named arguments"));
            }
            FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)) => {
                return Err(SqlError::unsupported("row expansion in function arguments"));
            }
        }
    }
    for clause in &list.clauses {
        match clause {
            FunctionArgumentClause::OrderBy(order) => out.order = order,
            other => return Err(SqlError::unsupported(format!("{other} in a function call"))),
        }
    }
    Ok(out)
}

/// The plain name of a call, and whether it was written without arguments.
pub(super) fn function_name(name: &ast::ObjectName) -> Result<String> {
    let mut parts = name_parts(name)?;
    let last = parts.pop().unwrap_or_default();
    match parts.as_slice() {
        [] => Ok(last),
        [schema] if schema == "pg_catalog" || schema == "information_schema" || schema == "public" => {
            Ok(last)
        }
        _ => Err(SqlError::new(
            sqlstate::UNDEFINED_FUNCTION,
            format!("function {}.{last}() does not exist", parts.join(".")),
        )),
    }
}

impl Binder<'_> {
    #[inline(never)]
    pub(super) fn function(&mut self, function: &ast::Function) -> Result<Expr> {
        let name = function_name(&function.name)?;
        let qualified = function.name.0.len() > 1;
        if let FunctionArguments::Subquery(query) = &function.args {
            return match name.as_str() {
                "array" => self.array_subquery(query),
                "exists" => Err(SqlError::internal("EXISTS as a function")),
                _ => {
                    let arg = self.scalar_subquery(query)?;
                    self.call(&name, vec![arg], false)
                }
            };
        }
        if function.over.is_some() {
            return Err(SqlError::unsupported("OVER (a window function)"));
        }
        if !function.within_group.is_empty() {
            return Err(SqlError::unsupported("ordered-set aggregates"));
        }
        if matches!(function.args, FunctionArguments::None)
            && !qualified
            && let Some(expr) = self.niladic(&name)?
        {
            return Ok(expr);
        }
        let written = written(function)?;
        if !qualified && let Some(expr) = self.keyword_call(&name, &written)? {
            return Ok(expr);
        }
        self.plain_call(&name, &written, function.filter.as_deref()).map_err(|error| {
            let span = function.name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span);
            match span {
                Some(span) if error.fields().message.starts_with(&format!("function {name}(")) => {
                    self.locate(error, span)
                }
                _ => error,
            }
        })
    }
    /// What has a keyword for a name.
    fn keyword_call(&mut self, name: &str, written: &Written<'_>) -> Result<Option<Expr>> {
        let args = |b: &mut Self| b.exprs(written.args.iter().copied());
        Ok(Some(match name {
            "coalesce" => {
                let args = args(self)?;
                let (args, ty) = self.unify(args, "COALESCE")?;
                Expr { kind: ExprKind::Coalesce(args), ty, typmod: -1 }
            }
            "greatest" | "least" => {
                let args = args(self)?;
                let what = if name == "greatest" { "GREATEST" } else { "LEAST" };
                let (args, ty) = self.unify(args, what)?;
                let Some(less) = functions::less(ty) else {
                    return Err(SqlError::new(
                        sqlstate::UNDEFINED_FUNCTION,
                        format!("could not identify a comparison function for type {}", ty.sql_name()),
                    ));
                };
                Expr { kind: ExprKind::MinMax { args, less, greatest: name == "greatest" }, ty, typmod: -1 }
            }
            "nullif" => {
                let mut args = args(self)?;
                let (Some(right), Some(left)) = (args.pop(), args.pop()) else {
                    return Err(SqlError::syntax("syntax error at or near \")\""));
                };
                let equal = self.operator("=", left.clone(), right)?;
                // What is returned is the first operand of the comparison, promoted as the comparison wants it.
                let left = match &equal.kind {
                    ExprKind::Call { args, .. } => args.first().cloned().unwrap_or(left),
                    _ => left,
                };
                let (ty, typmod) = (left.ty, left.typmod);
                let null = Expr::constant(crate::types::Datum::Null, ty);
                Expr {
                    kind: ExprKind::Case { whens: vec![(equal, null)], otherwise: Some(Box::new(left)) },
                    ty,
                    typmod,
                }
            }
            "row" => {
                let args = args(self)?;
                let names = (1..=args.len()).map(|i| format!("f{i}")).collect();
                Expr { kind: ExprKind::Row { names, args }, ty: Type::RECORD, typmod: -1 }
            }
            "grouping" => return Err(SqlError::unsupported("GROUPING")),
            _ => return Ok(None),
        }))
    }
    fn plain_call(&mut self, name: &str, written: &Written<'_>, filter: Option<&ast::Expr>) -> Result<Expr> {
        let named = functions::named(name);
        if named.iter().any(|f| f.is_aggregate()) {
            return self.aggregate(name, written, filter);
        }
        if written.star || written.distinct || !written.order.is_empty() || filter.is_some() {
            if named.is_empty() {
                functions::resolve(name, &[], false)?;
            }
            let what = if filter.is_some() {
                "FILTER"
            } else if written.distinct {
                "DISTINCT"
            } else {
                "ORDER BY"
            };
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                if written.star {
                    format!("{name}(*) specified, but {name} is not an aggregate function")
                } else {
                    format!("{what} specified, but {name} is not an aggregate function")
                },
            ));
        }
        let args = self.exprs(written.args.iter().copied())?;
        let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
        let resolved = match functions::resolve(name, &types, written.spread) {
            Ok(resolved) => resolved,
            Err(error) => {
                // `int4('1')`, `text(x)`: a type's name casts.
                if let ([_], Some(ty)) = (types.as_slice(), functions::cast_by_name(name))
                    && let Some(arg) = args.into_iter().next()
                {
                    return self.cast(arg, ty.into());
                }
                return Err(error);
            }
        };
        let args = self.call_args(&resolved, args)?;
        if resolved.function.is_set() {
            return self.set_call(name, resolved.function, args);
        }
        Ok(Expr {
            kind: ExprKind::Call { function: resolved.function, args },
            ty: resolved.result,
            typmod: -1,
        })
    }
    /// A set-returning function in a select list is computed below it; here stands its column.
    fn set_call(
        &mut self,
        name: &str,
        function: &'static functions::Function,
        args: Vec<Expr>,
    ) -> Result<Expr> {
        let what = self.no_aggregates;
        let frame = self.frame_mut()?;
        if !frame.collect.sets_allowed {
            let place = what.unwrap_or("this context");
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("set-returning functions are not allowed in {place}"),
            ));
        }
        if args.iter().any(|a| visit::any(a, &mut |e| matches!(e.kind, ExprKind::Column(c) if c >= SET_BASE)))
        {
            return Err(SqlError::unsupported(format!("a set-returning argument of {name}")));
        }
        let ty = visit::set_type(function, &args);
        let at = frame.collect.sets.len();
        frame.collect.sets.push((function, args));
        Ok(Expr::column(SET_BASE + at, ty, -1))
    }
    fn aggregate(&mut self, name: &str, written: &Written<'_>, filter: Option<&ast::Expr>) -> Result<Expr> {
        if let Some(place) = self.no_aggregates {
            return Err(SqlError::new(
                sqlstate::GROUPING_ERROR,
                format!("aggregate functions are not allowed in {place}"),
            ));
        }
        if std::mem::replace(&mut self.frame_mut()?.collect.in_aggregate, true) {
            return Err(SqlError::new(sqlstate::GROUPING_ERROR, "aggregate function calls cannot be nested"));
        }
        let sets = std::mem::take(&mut self.frame_mut()?.collect.sets_allowed);
        let bound = self.aggregate_parts(name, written, filter);
        let collect = &mut self.frame_mut()?.collect;
        collect.in_aggregate = false;
        collect.sets_allowed = sets;
        let aggregate = bound?;
        let ty = aggregate.ty;
        let at = collect.aggregates.iter().position(|a| same_aggregate(a, &aggregate)).unwrap_or_else(|| {
            collect.aggregates.push(aggregate);
            collect.aggregates.len() - 1
        });
        Ok(Expr::column(AGGREGATE_BASE + at, ty.ty, ty.typmod))
    }
    fn aggregate_parts(
        &mut self,
        name: &str,
        written: &Written<'_>,
        filter: Option<&ast::Expr>,
    ) -> Result<Aggregate> {
        if written.star && name != "count" {
            return Err(SqlError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}() does not exist"))
                .with_hint("No function matches the given name and argument types. You might need to add explicit type casts."));
        }
        let args = self.exprs(written.args.iter().copied())?;
        if args.is_empty() && !written.star && name == "count" {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                "count(*) must be used to call a parameterless aggregate function",
            ));
        }
        let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
        let resolved = functions::resolve(name, &types, written.spread)?;
        let args = self.call_args(&resolved, args)?;
        let mut order = Vec::with_capacity(written.order.len());
        for key in written.order {
            let expr = self.expr(&key.expr)?;
            let expr = self.resolve_unknown(expr)?;
            order.push(sort_key(expr, &key.options)?);
        }
        let filter = match filter {
            Some(filter) => {
                let filter = self.expr(filter)?;
                Some(self.boolean(filter, "FILTER")?)
            }
            None => None,
        };
        if written.distinct && args.is_empty() {
            return Err(SqlError::syntax("DISTINCT specified without arguments"));
        }
        Ok(Aggregate {
            function: resolved.function,
            args,
            distinct: written.distinct,
            filter,
            order,
            ty: ColumnType::from(resolved.result),
        })
    }
    /// `CURRENT_DATE` and other functions written without parentheses.
    pub(super) fn niladic(&mut self, name: &str) -> Result<Option<Expr>> {
        let now = |b: &mut Self, ty: Type| {
            let now = b.call("now", Vec::new(), false)?;
            b.cast(now, ty.into())
        };
        Ok(Some(match name {
            "current_timestamp" => now(self, Type::TIMESTAMPTZ)?,
            "localtimestamp" => now(self, Type::TIMESTAMP)?,
            "current_date" => now(self, Type::DATE)?,
            "localtime" => now(self, Type::TIME)?,
            "current_time" => return Err(SqlError::unsupported("type time with time zone")),
            "current_user" | "user" | "current_role" => self.call("current_user", Vec::new(), false)?,
            "session_user" => self.call("session_user", Vec::new(), false)?,
            "current_catalog" => {
                let database = self.call("current_database", Vec::new(), false)?;
                self.cast(database, Type::NAME.into())?
            }
            "current_schema" => self.call("current_schema", Vec::new(), false)?,
            _ => return Ok(None),
        }))
    }
    /// Calls with keywords between their arguments.
    #[inline(never)]
    pub(super) fn special(&mut self, expr: &ast::Expr) -> Result<Expr> {
        use ast::Expr as A;
        match expr {
            A::AtTimeZone { timestamp, time_zone } => {
                let args = vec![self.expr(time_zone)?, self.expr(timestamp)?];
                self.call("timezone", args, false)
            }
            A::Extract { field, expr, .. } => {
                let text = field.to_string().trim_matches('\'').to_ascii_lowercase();
                let args = vec![self.text_arg(&text)?, self.expr(expr)?];
                self.call("extract", args, false)
            }
            A::Ceil { expr, field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                let arg = self.expr(expr)?;
                self.call("ceil", vec![arg], false)
            }
            A::Floor { expr, field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                let arg = self.expr(expr)?;
                self.call("floor", vec![arg], false)
            }
            A::Position { expr, r#in } => {
                let args = vec![self.expr(r#in)?, self.expr(expr)?];
                self.call("position", args, false)
            }
            A::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![self.expr(expr)?];
                match (substring_from, substring_for) {
                    (Some(from), for_) => {
                        args.push(self.expr(from)?);
                        if let Some(for_) = for_ {
                            args.push(self.expr(for_)?);
                        }
                    }
                    (None, Some(for_)) => {
                        args.push(Expr::constant(crate::types::Datum::Int4(1), Type::INT4));
                        args.push(self.expr(for_)?);
                    }
                    (None, None) => {}
                }
                self.call("substring", args, false)
            }
            A::Trim { trim_where, trim_what, expr, trim_characters } => {
                let mut args = vec![self.expr(expr)?];
                if let Some(what) = trim_what {
                    args.push(self.expr(what)?);
                }
                args.extend(self.exprs(trim_characters.iter().flatten())?);
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                self.call(name, args, false)
            }
            A::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args = vec![self.expr(expr)?, self.expr(overlay_what)?, self.expr(overlay_from)?];
                if let Some(for_) = overlay_for {
                    args.push(self.expr(for_)?);
                }
                self.call("overlay", args, false)
            }
            A::GroupingSets(_) | A::Cube(_) | A::Rollup(_) => {
                Err(SqlError::syntax("GROUPING SETS, CUBE and ROLLUP are only allowed in GROUP BY"))
            }
            A::IsNormalized { .. } => Err(SqlError::unsupported("IS NORMALIZED")),
            other => {
                let text = other.to_string();
                let short: String = text.chars().take(60).collect();
                Err(SqlError::unsupported(format!("the expression {short}")))
            }
        }
    }
    /// Whether an expression is a constant true, to drop conditions that say nothing.
    pub(super) fn is_true(expr: &Expr) -> bool {
        matches!(expr.kind, ExprKind::Const(crate::types::Datum::Bool(true)))
    }
    /// The AND of two conditions.
    pub(super) fn and(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
        match (left, right) {
            (Some(l), Some(r)) => {
                let mut parts = Vec::new();
                visit::conjuncts(l, &mut parts);
                visit::conjuncts(r, &mut parts);
                Some(boolean(ExprKind::And(parts)))
            }
            (l, r) => l.or(r),
        }
    }
}

fn same_aggregate(a: &Aggregate, b: &Aggregate) -> bool {
    std::ptr::eq(a.function, b.function)
        && a.distinct == b.distinct
        && a.order.is_empty()
        && b.order.is_empty()
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|(a, b)| visit::same(a, b) && !visit::is_volatile(a))
        && match (&a.filter, &b.filter) {
            (None, None) => true,
            (Some(a), Some(b)) => visit::same(a, b),
            _ => false,
        }
}

/// A sort key with PostgreSQL's default place of nulls: last when ascending, first when descending.
pub(super) fn sort_key(expr: Expr, options: &ast::OrderByOptions) -> Result<SortKey> {
    let descending = match &options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(op)) => match op.to_string().rsplit('.').next() {
            Some("<") => false,
            Some(">") => true,
            _ => {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("operator {op} is not a valid ordering operator"),
                ));
            }
        },
    };
    if functions::less(expr.ty).is_none() && expr.ty != Type::RECORD && expr.ty.element().is_none() {
        return Err(SqlError::new(
            sqlstate::UNDEFINED_FUNCTION,
            format!("could not identify an ordering operator for type {}", expr.ty.sql_name()),
        )
        .with_hint("Use an explicit ordering operator or modify the query."));
    }
    Ok(SortKey { expr, descending, nulls_first: options.nulls_first.unwrap_or(descending) })
}
