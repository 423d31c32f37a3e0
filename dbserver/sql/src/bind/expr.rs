//! Scalar expressions.

use super::Binder;
use super::literal::unknown;
use super::scope::undefined_column;
use super::types::{fold, name_parts};
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind, SubPlan, SubqueryKind};
use crate::functions::{self, Function};
use crate::types::{Datum, Type};
use sqlparser::ast::{self, AccessExpr, BinaryOperator, InTarget, Subscript, UnaryOperator};
use std::sync::Arc;

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

pub(super) fn boolean(kind: ExprKind) -> Expr {
    Expr { kind, ty: Type::BOOL, typmod: -1 }
}

impl Binder<'_> {
    /// Binds an expression. Its type is `UNKNOWN` where nothing has said what a literal or parameter is.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Result<Expr> {
        // Each kind in a function of its own keeps the stack frame of this recursive one small.
        match expr {
            ast::Expr::Identifier(ident) => self.identifier(ident),
            ast::Expr::CompoundIdentifier(parts) => self.compound(parts),
            ast::Expr::Value(v) => self.value(&v.value),
            ast::Expr::Nested(inner) => self.expr(inner),
            ast::Expr::BinaryOp { left, op, right } => self.binary(expr, left, op, right),
            ast::Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            ast::Expr::Function(function) => self.function(function),
            ast::Expr::Cast { expr, data_type, .. } => self.cast_expr(expr, data_type),
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            _ => self.expr_more(expr),
        }
    }
    #[inline(never)]
    fn expr_more(&mut self, expr: &ast::Expr) -> Result<Expr> {
        use ast::Expr as A;
        match expr {
            A::IsNull(e) => self.is_null(e, false),
            A::IsNotNull(e) => self.is_null(e, true),
            A::IsTrue(e) => self.is_bool(e, Some(true), false, "IS TRUE"),
            A::IsNotTrue(e) => self.is_bool(e, Some(true), true, "IS NOT TRUE"),
            A::IsFalse(e) => self.is_bool(e, Some(false), false, "IS FALSE"),
            A::IsNotFalse(e) => self.is_bool(e, Some(false), true, "IS NOT FALSE"),
            A::IsUnknown(e) => self.is_bool(e, None, false, "IS UNKNOWN"),
            A::IsNotUnknown(e) => self.is_bool(e, None, true, "IS NOT UNKNOWN"),
            A::IsDistinctFrom(l, r) => self.is_distinct(l, r, false),
            A::IsNotDistinctFrom(l, r) => self.is_distinct(l, r, true),
            A::In { expr, target, negated, .. } => self.in_target(expr, target, *negated),
            A::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            A::Like { negated, expr, pattern, escape_char, .. } => {
                self.like(expr, pattern, escape_char.as_deref(), if *negated { "!~~" } else { "~~" })
            }
            A::ILike { negated, expr, pattern, escape_char, .. } => {
                self.like(expr, pattern, escape_char.as_deref(), if *negated { "!~~*" } else { "~~*" })
            }
            A::SimilarTo { negated, expr, pattern, escape_char } => {
                self.similar(expr, pattern, escape_char.as_deref(), *negated)
            }
            A::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, false),
            A::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true),
            A::Exists { subquery, negated } => {
                let exists = self.subquery(subquery, |_, _| Ok((SubqueryKind::Exists, Type::BOOL, -1)))?;
                Ok(if *negated { boolean(ExprKind::Not(boxed(exists))) } else { exists })
            }
            A::Subquery(query) => self.scalar_subquery(query),
            A::Tuple(items) => self.row(items),
            A::Array(array) => self.array(&array.elem, None),
            A::Interval(interval) => self.interval(interval),
            A::TypedString(typed) => self.typed_string(typed),
            A::Collate { expr, collation } => self.collate(expr, collation),
            A::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            A::Wildcard(_) | A::QualifiedWildcard(..) => {
                Err(SqlError::syntax("row expansion via \"*\" is not supported here"))
            }
            other => self.special(other),
        }
    }
    pub(super) fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e ast::Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|e| self.expr(e)).collect()
    }
    #[inline(never)]
    fn identifier(&mut self, ident: &ast::Ident) -> Result<Expr> {
        let name = fold(ident);
        let found = self.resolve_bare(&name).map_err(|e| self.locate(e, ident.span))?;
        if let Some(expr) = found {
            return Ok(expr);
        }
        // Words that are functions without parentheses, where the parser leaves them as names.
        if ident.quote_style.is_none()
            && let Some(expr) = self.niladic(&name)?
        {
            return Ok(expr);
        }
        Err(self.locate(undefined_column(&name), ident.span))
    }
    #[inline(never)]
    fn compound(&mut self, parts: &[ast::Ident]) -> Result<Expr> {
        let names: Vec<String> = parts.iter().map(fold).collect();
        let span = parts.first().map_or_else(sqlparser::tokenizer::Span::empty, |p| p.span);
        let found = match names.as_slice() {
            [table, column] => self.resolve_qualified(None, table, column),
            [schema, table, column] => self.resolve_qualified(Some(schema), table, column),
            [_, schema, table, column] => self.resolve_qualified(Some(schema), table, column),
            _ => Err(SqlError::syntax("improper qualified name (too many dotted names)")),
        };
        match found.map_err(|e| self.locate(e, span))? {
            Some(expr) => Ok(expr),
            None => {
                let alias = names.get(names.len().saturating_sub(2)).map_or("", String::as_str);
                // `column.field` of a composite column.
                if let [column, field] = names.as_slice()
                    && let Some(record) = self.resolve_bare(column)?
                    && record.ty == Type::RECORD
                {
                    return self.field(record, field);
                }
                Err(self.locate(self.missing_alias(alias), span))
            }
        }
    }
    #[inline(never)]
    fn binary(
        &mut self,
        whole: &ast::Expr,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<Expr> {
        match op {
            BinaryOperator::And | BinaryOperator::Or => self.chain(whole, op),
            _ => {
                let (l, r) = (self.expr(left)?, self.expr(right)?);
                let name = operator_name(op)?;
                self.operator(&name, l, r)
            }
        }
    }
    /// Flattens `a AND b AND c`, whose tree leans to the left.
    fn chain(&mut self, whole: &ast::Expr, op: &BinaryOperator) -> Result<Expr> {
        let mut parts = Vec::new();
        let mut rest = whole;
        loop {
            match rest {
                ast::Expr::BinaryOp { left, op: o, right } if o == op => {
                    parts.push(&**right);
                    rest = left;
                }
                other => {
                    parts.push(other);
                    break;
                }
            }
        }
        let is_and = matches!(op, BinaryOperator::And);
        let mut args = Vec::with_capacity(parts.len());
        for part in parts.into_iter().rev() {
            let arg = self.expr(part)?;
            let arg = self.boolean(arg, if is_and { "AND" } else { "OR" })?;
            match (arg.kind, is_and) {
                (ExprKind::And(inner), true) | (ExprKind::Or(inner), false) => args.extend(inner),
                (kind, _) => args.push(boolean(kind)),
            }
        }
        Ok(boolean(if is_and { ExprKind::And(args) } else { ExprKind::Or(args) }))
    }
    /// `left op right` for values or rows.
    pub(super) fn operator(&mut self, op: &str, left: Expr, right: Expr) -> Result<Expr> {
        if let (ExprKind::Row { args: l, .. }, ExprKind::Row { args: r, .. }) = (&left.kind, &right.kind)
            && matches!(op, "=" | "<>" | "<" | "<=" | ">" | ">=")
        {
            let (l, r) = (l.clone(), r.clone());
            return self.compare_rows(op, l, r);
        }
        let resolved = functions::resolve_operator(op, Some(left.ty), right.ty)?;
        let mut types = resolved.arg_types.iter().copied();
        let (lt, rt) = (types.next().unwrap_or(left.ty), types.next().unwrap_or(right.ty));
        let args = vec![self.coerce(left, lt)?, self.coerce(right, rt)?];
        Ok(Expr {
            kind: ExprKind::Call { function: resolved.function, args },
            ty: resolved.result,
            typmod: -1,
        })
    }
    fn prefix(&mut self, op: &str, arg: Expr) -> Result<Expr> {
        let resolved = functions::resolve_operator(op, None, arg.ty)?;
        let ty = resolved.arg_types.first().copied().unwrap_or(arg.ty);
        let args = vec![self.coerce(arg, ty)?];
        Ok(Expr {
            kind: ExprKind::Call { function: resolved.function, args },
            ty: resolved.result,
            typmod: -1,
        })
    }
    /// `(a, b) < (c, d)` compares the first that differs.
    fn compare_rows(&mut self, op: &str, left: Vec<Expr>, right: Vec<Expr>) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(SqlError::syntax("unequal number of entries in row expressions"));
        }
        if left.is_empty() {
            return Err(SqlError::unsupported("comparison of zero-length rows"));
        }
        if matches!(op, "=" | "<>") {
            let parts = left
                .into_iter()
                .zip(right)
                .map(|(l, r)| self.operator(op, l, r))
                .collect::<Result<Vec<_>>>()?;
            return Ok(boolean(if op == "=" { ExprKind::And(parts) } else { ExprKind::Or(parts) }));
        }
        let strict = op.trim_end_matches('=').to_owned();
        let mut pairs = left.into_iter().zip(right).rev();
        let Some((l, r)) = pairs.next() else { return Err(SqlError::internal("rows of no columns")) };
        let mut result = self.operator(op, l, r)?;
        for (l, r) in pairs {
            let less = self.operator(&strict, l.clone(), r.clone())?;
            let equal = self.operator("=", l, r)?;
            result = boolean(ExprKind::Or(vec![less, boolean(ExprKind::And(vec![equal, result]))]));
        }
        Ok(result)
    }
    #[inline(never)]
    fn unary(&mut self, op: UnaryOperator, expr: &ast::Expr) -> Result<Expr> {
        match op {
            UnaryOperator::Not => {
                let arg = self.expr(expr)?;
                let arg = self.boolean(arg, "NOT")?;
                Ok(boolean(ExprKind::Not(boxed(arg))))
            }
            UnaryOperator::Minus => {
                // A signed literal is one constant, so that the smallest integer has its type.
                if let ast::Expr::Value(v) = expr
                    && let ast::Value::Number(text, _) = &v.value
                {
                    return self.number(&format!("-{text}"));
                }
                let arg = self.expr(expr)?;
                self.prefix("-", arg)
            }
            other => {
                let name = match other {
                    UnaryOperator::Plus => "+",
                    UnaryOperator::PGAbs => "@",
                    UnaryOperator::PGSquareRoot => "|/",
                    UnaryOperator::PGCubeRoot => "||/",
                    UnaryOperator::BitwiseNot => "~",
                    _ => return Err(SqlError::unsupported(format!("operator {other}"))),
                };
                let arg = self.expr(expr)?;
                self.prefix(name, arg)
            }
        }
    }
    #[inline(never)]
    fn cast_expr(&mut self, expr: &ast::Expr, data_type: &ast::DataType) -> Result<Expr> {
        let ty = self.type_of(data_type)?;
        let arg = match (expr, ty.ty.element()) {
            // ARRAY[] takes its type from the cast around it.
            (ast::Expr::Array(array), Some(element)) => self.array(&array.elem, Some(element))?,
            _ => self.expr(expr)?,
        };
        self.cast(arg, ty)
    }
    #[inline(never)]
    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let operand = match operand {
            Some(operand) => {
                let bound = self.expr(operand)?;
                Some(self.resolve_unknown(bound)?)
            }
            None => None,
        };
        let mut whens = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            let condition = self.expr(&when.condition)?;
            whens.push(match &operand {
                Some(operand) => self.operator("=", operand.clone(), condition)?,
                None => self.boolean(condition, "CASE/WHEN")?,
            });
            results.push(self.expr(&when.result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expr(otherwise)?,
            None => Expr::constant(Datum::Null, Type::UNKNOWN),
        });
        // The ELSE is looked at first when the type is chosen.
        results.rotate_right(1);
        let (mut results, ty) = self.unify(results, "CASE")?;
        let otherwise_expr = if results.is_empty() { None } else { Some(results.remove(0)) };
        Ok(Expr {
            kind: ExprKind::Case {
                whens: whens.into_iter().zip(results).collect(),
                otherwise: otherwise.and(otherwise_expr).map(Box::new),
            },
            ty,
            typmod: -1,
        })
    }
    fn is_null(&mut self, expr: &ast::Expr, negated: bool) -> Result<Expr> {
        let arg = self.expr(expr)?;
        if matches!(arg.kind, ExprKind::Const(_)) && arg.ty == Type::UNKNOWN {
            let arg = self.resolve_unknown(arg)?;
            return Ok(boolean(ExprKind::IsNull { arg: boxed(arg), negated }));
        }
        Ok(boolean(ExprKind::IsNull { arg: boxed(arg), negated }))
    }
    fn is_bool(&mut self, expr: &ast::Expr, value: Option<bool>, negated: bool, what: &str) -> Result<Expr> {
        let arg = self.expr(expr)?;
        let arg = self.boolean(arg, what)?;
        Ok(boolean(ExprKind::IsBool { arg: boxed(arg), value, negated }))
    }
    fn is_distinct(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Result<Expr> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        if let (ExprKind::Row { args: l, .. }, ExprKind::Row { args: r, .. }) = (&left.kind, &right.kind)
            && l.len() == r.len()
        {
            let (l, r) = (l.clone(), r.clone());
            let parts = l
                .into_iter()
                .zip(r)
                .map(|(l, r)| self.distinct(l, r, negated))
                .collect::<Result<Vec<_>>>()?;
            return Ok(boolean(if negated { ExprKind::And(parts) } else { ExprKind::Or(parts) }));
        }
        self.distinct(left, right, negated)
    }
    pub(super) fn distinct(&mut self, left: Expr, right: Expr, negated: bool) -> Result<Expr> {
        let equal = self.operator("=", left, right)?;
        let ExprKind::Call { function, args } = equal.kind else {
            return Err(SqlError::unsupported("IS DISTINCT FROM of rows"));
        };
        let mut args = args.into_iter();
        let (Some(left), Some(right)) = (args.next(), args.next()) else {
            return Err(SqlError::internal("an equality of one argument"));
        };
        Ok(boolean(ExprKind::IsDistinct { left: boxed(left), right: boxed(right), equal: function, negated }))
    }
    #[inline(never)]
    fn between(
        &mut self,
        expr: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
    ) -> Result<Expr> {
        let (value, low, high) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
        let parts = if negated {
            ExprKind::Or(vec![self.operator("<", value.clone(), low)?, self.operator(">", value, high)?])
        } else {
            ExprKind::And(vec![self.operator(">=", value.clone(), low)?, self.operator("<=", value, high)?])
        };
        Ok(boolean(parts))
    }
    #[inline(never)]
    fn like(
        &mut self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        op: &str,
    ) -> Result<Expr> {
        let (value, mut pattern) = (self.expr(expr)?, self.expr(pattern)?);
        if let Some(escape) = escape {
            let escape = self.expr(escape)?;
            pattern = self.call("like_escape", vec![pattern, escape], false)?;
        }
        self.operator(op, value, pattern)
    }
    fn similar(
        &mut self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
    ) -> Result<Expr> {
        let (value, pattern) = (self.expr(expr)?, self.expr(pattern)?);
        let mut args = vec![pattern];
        if let Some(escape) = escape {
            args.push(self.expr(escape)?);
        }
        let pattern = self.call("similar_to_escape", args, false)?;
        self.operator(if negated { "!~" } else { "~" }, value, pattern)
    }
    #[inline(never)]
    fn in_target(&mut self, expr: &ast::Expr, target: &InTarget, negated: bool) -> Result<Expr> {
        let found = match target {
            InTarget::List(list) => self.in_list(expr, list)?,
            InTarget::Subquery(query) => self.compare_subquery(expr, "=", query, false)?,
            _ => return Err(SqlError::syntax("syntax error in IN")),
        };
        Ok(if negated { boolean(ExprKind::Not(boxed(found))) } else { found })
    }
    fn in_list(&mut self, expr: &ast::Expr, list: &[ast::Expr]) -> Result<Expr> {
        let left = self.expr(expr)?;
        let items = self.exprs(list)?;
        let rows = matches!(left.kind, ExprKind::Row { .. });
        // One common type lets the executor hash the list; else each is compared on its own, as PostgreSQL does.
        let common = if rows {
            None
        } else {
            functions::common_type(std::iter::once(left.ty).chain(items.iter().map(|i| i.ty)))
        };
        if let Some(ty) = common {
            let equal = functions::resolve_operator("=", Some(ty), ty)?;
            let arg_ty = equal.arg_types.first().copied().unwrap_or(ty);
            if equal.arg_types.iter().all(|t| *t == arg_ty) {
                let arg = self.coerce(left, arg_ty)?;
                let list = items.into_iter().map(|i| self.coerce(i, arg_ty)).collect::<Result<Vec<_>>>()?;
                if list.len() == 1 {
                    let args = std::iter::once(arg).chain(list).collect();
                    return Ok(boolean(ExprKind::Call { function: equal.function, args }));
                }
                return Ok(boolean(ExprKind::InList { arg: boxed(arg), list, equal: equal.function }));
            }
        }
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            parts.push(self.operator("=", left.clone(), item)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { boolean(ExprKind::Or(parts)) })
    }
    #[inline(never)]
    fn quantified(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        all: bool,
    ) -> Result<Expr> {
        let op = operator_name(op)?;
        let mut inner = right;
        while let ast::Expr::Nested(nested) = inner {
            inner = nested;
        }
        if let ast::Expr::Subquery(query) = inner {
            return self.compare_subquery(left, &op, query, all);
        }
        let left = self.expr(left)?;
        let array = self.expr(right)?;
        let array = match array.ty {
            // `= ANY('{1,2}')` and `= ANY($1)`: an array of the left side's type.
            Type::UNKNOWN => {
                let element = if left.ty == Type::UNKNOWN { Type::TEXT } else { left.ty };
                let ty = array_of(element)?;
                self.coerce(array, ty)?
            }
            _ => array,
        };
        let element = match array.ty {
            Type::INT2VECTOR => Type::INT2,
            Type::OIDVECTOR => Type::OID,
            ty => ty.element().ok_or_else(|| {
                SqlError::new(sqlstate::WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side")
            })?,
        };
        let resolved = functions::resolve_operator(&op, Some(left.ty), element)?;
        if resolved.result != Type::BOOL {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                "op ANY/ALL (array) requires operator to yield boolean",
            ));
        }
        let mut types = resolved.arg_types.iter().copied();
        let (lt, rt) = (types.next().unwrap_or(left.ty), types.next().unwrap_or(element));
        let left = self.coerce(left, lt)?;
        let array = if rt == element || super::coerce::is_relabel(element, rt) {
            array
        } else {
            let ty = array_of(rt)?;
            self.cast(array, ty.into())?
        };
        Ok(boolean(ExprKind::ArrayCompare {
            left: boxed(left),
            array: boxed(array),
            function: resolved.function,
            all,
        }))
    }
    /// `left op ANY/ALL (SELECT …)`, and IN.
    fn compare_subquery(
        &mut self,
        left: &ast::Expr,
        op: &str,
        query: &ast::Query,
        all: bool,
    ) -> Result<Expr> {
        let left = self.expr(left)?;
        let left = match left.kind {
            ExprKind::Row { args, .. } => args,
            kind => vec![Expr { kind, ..left }],
        };
        self.check_subquery()?;
        let (mut bound, args) = self.in_frame(|b| b.query(query))?;
        if bound.columns.len() != left.len() {
            return Err(SqlError::syntax(if bound.columns.len() < left.len() {
                "subquery has too few columns"
            } else {
                "subquery has too many columns"
            }));
        }
        let (mut lefts, mut calls) = (Vec::new(), Vec::new());
        let mut targets = Vec::new();
        for (expr, column) in left.into_iter().zip(&bound.columns) {
            let resolved = functions::resolve_operator(op, Some(expr.ty), column.ty.ty)?;
            let mut types = resolved.arg_types.iter().copied();
            let (lt, rt) = (types.next().unwrap_or(expr.ty), types.next().unwrap_or(column.ty.ty));
            lefts.push(self.coerce(expr, lt)?);
            targets.push(if super::coerce::is_relabel(column.ty.ty, rt) { column.ty.ty } else { rt });
            calls.push(resolved.function);
        }
        self.convert_columns(&mut bound, &targets, "subquery")?;
        let hashable =
            op == "=" && !all && lefts.iter().zip(&targets).all(|(l, t)| l.ty.physical() == t.physical());
        Ok(boolean(ExprKind::Subquery {
            kind: SubqueryKind::Compare { left: lefts, functions: calls, all, hashable },
            plan: Arc::new(SubPlan { plan: bound.plan, args }),
        }))
    }
    fn check_subquery(&self) -> Result<()> {
        if self.no_subqueries {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cannot use subquery in this expression",
            ));
        }
        Ok(())
    }
    /// A subquery expression; `finish` says of what kind and type it is.
    fn subquery(
        &mut self,
        query: &ast::Query,
        finish: impl FnOnce(&mut Self, &mut super::Query) -> Result<(SubqueryKind, Type, i32)>,
    ) -> Result<Expr> {
        self.check_subquery()?;
        let (mut bound, args) = self.in_frame(|b| b.query(query))?;
        let (kind, ty, typmod) = finish(self, &mut bound)?;
        Ok(Expr {
            kind: ExprKind::Subquery { kind, plan: Arc::new(SubPlan { plan: bound.plan, args }) },
            ty,
            typmod,
        })
    }
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query) -> Result<Expr> {
        self.subquery(query, |_, bound| match bound.columns.as_slice() {
            [column] => Ok((SubqueryKind::Scalar, column.ty.ty, column.ty.typmod)),
            _ => Err(SqlError::syntax("subquery must return only one column")),
        })
    }
    /// `ARRAY(SELECT …)`
    pub(super) fn array_subquery(&mut self, query: &ast::Query) -> Result<Expr> {
        self.subquery(query, |_, bound| match bound.columns.as_slice() {
            [column] => {
                let ty =
                    if column.ty.ty.element().is_some() { column.ty.ty } else { array_of(column.ty.ty)? };
                Ok((SubqueryKind::Array, ty, -1))
            }
            _ => Err(SqlError::syntax("subquery must return only one column")),
        })
    }
    pub(super) fn row(&mut self, items: &[ast::Expr]) -> Result<Expr> {
        let mut args = Vec::with_capacity(items.len());
        for item in items {
            args.push(self.expr(item)?);
        }
        let names = (1..=args.len()).map(|i| format!("f{i}")).collect();
        Ok(Expr { kind: ExprKind::Row { names, args }, ty: Type::RECORD, typmod: -1 })
    }
    /// `ARRAY[…]`; `element` where a cast around it says what it holds.
    pub(super) fn array(&mut self, items: &[ast::Expr], element: Option<Type>) -> Result<Expr> {
        let mut args = Vec::with_capacity(items.len());
        for item in items {
            args.push(match (item, element) {
                (ast::Expr::Array(inner), element) => self.array(&inner.elem, element)?,
                (item, _) => self.expr(item)?,
            });
        }
        if args.is_empty() {
            let Some(element) = element else {
                return Err(SqlError::new(
                    sqlstate::INDETERMINATE_DATATYPE,
                    "cannot determine type of empty array",
                )
                .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
            };
            return Ok(Expr { kind: ExprKind::Array(args), ty: array_of(element)?, typmod: -1 });
        }
        let nested = args.iter().any(|a| a.ty.element().is_some() && a.ty.array().is_none());
        let (args, ty) = match element {
            Some(element) if !nested => {
                let args =
                    args.into_iter().map(|a| self.cast(a, element.into())).collect::<Result<Vec<_>>>()?;
                (args, element)
            }
            _ => self.unify(args, "ARRAY")?,
        };
        let ty = if nested { ty } else { array_of(ty)? };
        Ok(Expr { kind: ExprKind::Array(args), ty, typmod: -1 })
    }
    fn collate(&mut self, expr: &ast::Expr, collation: &ast::ObjectName) -> Result<Expr> {
        let parts = name_parts(collation)?;
        let name = parts.last().map_or("", String::as_str);
        // There is one collation, the order of bytes, under the names that mean no other.
        if !matches!(name, "default" | "C" | "POSIX" | "ucs_basic") {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
            ));
        }
        let arg = self.expr(expr)?;
        if arg.ty == Type::UNKNOWN { self.resolve_unknown(arg) } else { Ok(arg) }
    }
    /// `a[1]`, `(f(x)).n`, `a[1].b`.
    #[inline(never)]
    fn access(&mut self, root: &ast::Expr, chain: &[AccessExpr]) -> Result<Expr> {
        // `t.a[1]` may come as root `t` and a first step `.a`.
        let mut steps = chain.iter().peekable();
        let mut value = match (root, steps.peek()) {
            (ast::Expr::Identifier(table), Some(AccessExpr::Dot(ast::Expr::Identifier(column)))) => {
                let parts = [table.clone(), column.clone()];
                match self.resolve_qualified(None, &fold(table), &fold(column))? {
                    Some(expr) => {
                        steps.next();
                        expr
                    }
                    None => match self.resolve_bare(&fold(table))? {
                        Some(expr) => expr,
                        None => return self.compound(&parts),
                    },
                }
            }
            _ => self.expr(root)?,
        };
        while let Some(step) = steps.next() {
            match step {
                AccessExpr::Dot(ast::Expr::Identifier(name)) => value = self.field(value, &fold(name))?,
                AccessExpr::Dot(other) => {
                    return Err(SqlError::syntax(format!("syntax error at or near \"{other}\"")));
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let mut indexes = vec![self.subscript_index(index)?];
                    while let Some(AccessExpr::Subscript(Subscript::Index { index })) = steps.peek() {
                        indexes.push(self.subscript_index(index)?);
                        steps.next();
                    }
                    value = subscript(value, indexes)?;
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
                    value = self.slice(value, lower_bound.as_ref(), upper_bound.as_ref())?;
                }
            }
        }
        Ok(value)
    }
    fn subscript_index(&mut self, index: &ast::Expr) -> Result<Expr> {
        let index = self.expr(index)?;
        self.try_coerce(index, Type::INT4.into(), crate::types::cast::CastContext::Assignment)?.ok_or_else(
            || SqlError::new(sqlstate::DATATYPE_MISMATCH, "array subscript must have type integer"),
        )
    }
    fn slice(&mut self, array: Expr, lower: Option<&ast::Expr>, upper: Option<&ast::Expr>) -> Result<Expr> {
        let null = Expr::constant(Datum::Null, Type::INT4);
        let bound =
            |b: &mut Self, e: Option<&ast::Expr>| e.map_or(Ok(null.clone()), |e| b.subscript_index(e));
        let (lower, upper) = (bound(self, lower)?, bound(self, upper)?);
        match functions::resolve("array_slice", &[array.ty, Type::INT4, Type::INT4], false) {
            Ok(resolved) => {
                let ty = array.ty;
                Ok(Expr {
                    kind: ExprKind::Call { function: resolved.function, args: vec![array, lower, upper] },
                    ty,
                    typmod: -1,
                })
            }
            Err(_) => Err(SqlError::unsupported("array slices")),
        }
    }
    /// `(record).name`.
    pub(super) fn field(&mut self, record: Expr, name: &str) -> Result<Expr> {
        let fields = self.record_fields(&record);
        let found = fields.iter().position(|(field, _)| field == name);
        match found.and_then(|index| fields.get(index).map(|(_, ty)| (index, *ty))) {
            Some((index, ty)) => {
                if let ExprKind::Row { mut args, .. } = record.kind {
                    return Ok(args.swap_remove(index));
                }
                Ok(Expr { kind: ExprKind::Field { arg: boxed(record), index }, ty, typmod: -1 })
            }
            None if record.ty == Type::RECORD => Err(SqlError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("could not identify column \"{name}\" in record data type"),
            )),
            None => Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!(
                    "column notation .{name} applied to type {}, which is not a composite type",
                    record.ty.sql_name()
                ),
            )),
        }
    }
    /// Names and types of a record's fields, where they are known.
    pub(super) fn record_fields(&self, record: &Expr) -> Vec<(String, Type)> {
        match &record.kind {
            ExprKind::Row { names, args } => names.iter().cloned().zip(args.iter().map(|a| a.ty)).collect(),
            ExprKind::Column(at) => self
                .frames
                .last()
                .and_then(|f| f.collect.set_at(*at))
                .map(|(function, args)| {
                    let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
                    set_columns(function, &types)
                })
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }
    /// A call of a function by its plain name.
    pub(super) fn call(&mut self, name: &str, args: Vec<Expr>, spread: bool) -> Result<Expr> {
        let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
        let resolved = functions::resolve(name, &types, spread)?;
        let args = self.call_args(&resolved, args)?;
        Ok(Expr {
            kind: ExprKind::Call { function: resolved.function, args },
            ty: resolved.result,
            typmod: -1,
        })
    }
    /// Converts arguments to what the function takes and packs a variadic tail.
    pub(super) fn call_args(&mut self, resolved: &functions::Resolved, args: Vec<Expr>) -> Result<Vec<Expr>> {
        let mut cast = Vec::with_capacity(args.len());
        for (i, (arg, ty)) in args.into_iter().zip(&resolved.arg_types).enumerate() {
            let declared = resolved.function.args.get(i).copied().or(resolved.function.variadic);
            let is_padded = declared == Some(Type::ANY) && arg.ty == Type::BPCHAR;
            let arg = if is_padded { self.padded(arg)? } else { arg };
            // An untyped literal for "any" is text.
            let ty = if *ty == Type::UNKNOWN || is_padded { Type::TEXT } else { *ty };
            cast.push(self.coerce(arg, ty)?);
        }
        if let Some(first) = resolved.variadic {
            let tail = cast.split_off(first.min(cast.len()));
            let element =
                resolved.arg_types.get(first).copied().or(resolved.function.variadic).unwrap_or(Type::TEXT);
            cast.push(Expr { kind: ExprKind::Array(tail), ty: array_of(element)?, typmod: -1 });
        }
        Ok(cast)
    }
    /// A char(n) as long as it is declared, where its text is wanted as it is: values are held without their padding.
    fn padded(&mut self, arg: Expr) -> Result<Expr> {
        let length = arg.typmod - 4;
        if length <= 0 {
            return Ok(arg);
        }
        let resolved = functions::resolve("rpad", &[Type::TEXT, Type::INT4], false)?;
        let args = vec![self.coerce(arg, Type::TEXT)?, Expr::constant(Datum::Int4(length), Type::INT4)];
        let kind = ExprKind::Call { function: resolved.function, args };
        Ok(Expr { kind, ty: resolved.result, typmod: -1 })
    }
    pub(super) fn text_arg(&mut self, text: &str) -> Result<Expr> {
        self.resolve_unknown(unknown(text))
    }
}

/// Names and types of a set-returning function's columns.
pub(super) fn set_columns(function: &Function, types: &[Type]) -> Vec<(String, Type)> {
    match &function.kernel {
        functions::Kernel::Set { columns, .. } => {
            columns(types).into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect()
        }
        _ => Vec::new(),
    }
}

fn subscript(array: Expr, indexes: Vec<Expr>) -> Result<Expr> {
    let ty = match array.ty {
        Type::INT2VECTOR => Type::INT2,
        Type::OIDVECTOR => Type::OID,
        ty => ty.element().ok_or_else(|| {
            SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("cannot subscript type {} because it does not support subscripting", ty.sql_name()),
            )
        })?,
    };
    Ok(Expr { kind: ExprKind::Subscript { array: boxed(array), indexes }, ty, typmod: -1 })
}

/// The array type over an element type.
pub(super) fn array_of(element: Type) -> Result<Type> {
    let element = if element == Type::UNKNOWN { Type::TEXT } else { element };
    element.array().ok_or_else(|| {
        SqlError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("could not find array type for data type {}", element.sql_name()),
        )
    })
}

/// PostgreSQL's name of an operator.
fn operator_name(op: &BinaryOperator) -> Result<String> {
    Ok(match op {
        BinaryOperator::NotEq => "<>".to_owned(),
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last().cloned().unwrap_or_default(),
        BinaryOperator::Custom(name) => name.clone(),
        BinaryOperator::Overlaps => return Err(SqlError::unsupported("OVERLAPS")),
        BinaryOperator::Xor => return Err(SqlError::syntax("syntax error at or near \"xor\"")),
        other => other.to_string(),
    })
}
