//! Converting expressions to the types their surroundings want (PostgreSQL manual, chapter 10).

use super::Binder;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::functions;
use crate::types::cast::{self, CastContext};
use crate::types::{ColumnType, Datum, Type, io};

/// Whether values of one type are held and behave as values of the other, so that no conversion is needed.
pub(crate) fn is_relabel(from: Type, to: Type) -> bool {
    let text = |t: Type| matches!(t, Type::TEXT | Type::VARCHAR);
    let oid = |t: Type| t == Type::OID || t.is_reg();
    (text(from) && text(to))
        || (matches!(from, Type::BPCHAR | Type::NAME) && text(to))
        || (oid(from) && oid(to))
}

/// Whether a date literal's meaning depends on when it is read.
fn names_a_moment(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    ["now", "today", "tomorrow", "yesterday"].iter().any(|w| text.contains(w))
}

impl Binder<'_> {
    /// Gives an untyped literal or parameter its type.
    fn type_unknown(&mut self, expr: Expr, target: ColumnType, explicit: bool) -> Result<Expr> {
        match expr.kind {
            ExprKind::Const(Datum::Null) => {
                Ok(Expr { kind: ExprKind::Const(Datum::Null), ty: target.ty, typmod: target.typmod })
            }
            ExprKind::Const(Datum::Text(text)) => {
                let moment =
                    matches!(target.ty, Type::DATE | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ)
                        && names_a_moment(&text);
                if target.ty.is_reg() {
                    return self.reg_constant(&text, target.ty);
                }
                // An explicit cast to varchar(n) truncates, so the length is applied by a cast of its own.
                let input_typmod = if explicit && matches!(target.ty, Type::VARCHAR | Type::BPCHAR) {
                    -1
                } else {
                    target.typmod
                };
                let value = io::input(target.ty, input_typmod, &text, self.context.settings)?;
                if moment {
                    let text = Expr::constant(Datum::Text(text), Type::TEXT);
                    return Ok(cast_node(text, target, true));
                }
                let typed = Expr { kind: ExprKind::Const(value), ty: target.ty, typmod: input_typmod };
                Ok(if input_typmod == target.typmod { typed } else { cast_node(typed, target, explicit) })
            }
            ExprKind::Param(index) => {
                self.set_param(index, target.ty)?;
                let typed = Expr { kind: ExprKind::Param(index), ty: target.ty, typmod: -1 };
                Ok(if target.typmod >= 0 { cast_node(typed, target, explicit) } else { typed })
            }
            // A subquery's column of unknown type is text.
            kind => {
                let typed = Expr { kind, ty: Type::TEXT, typmod: -1 };
                if target.ty == Type::TEXT { Ok(typed) } else { Ok(cast_node(typed, target, explicit)) }
            }
        }
    }
    fn set_param(&mut self, index: usize, ty: Type) -> Result<()> {
        let Some(slot) = self.params.get_mut(index) else {
            return Err(SqlError::internal("a parameter that was not counted"));
        };
        match *slot {
            None => *slot = Some(ty),
            Some(known) if known == ty => {}
            Some(known) => {
                return Err(SqlError::new(
                    sqlstate::AMBIGUOUS_PARAMETER,
                    format!("inconsistent types deduced for parameter ${}", index + 1),
                )
                .with_detail(format!("{} versus {}", known.sql_name(), ty.sql_name())));
            }
        }
        Ok(())
    }
    /// Converts to `target` in a context at least this permissive; none where there is no way.
    pub(super) fn try_coerce(
        &mut self,
        expr: Expr,
        target: ColumnType,
        context: CastContext,
    ) -> Result<Option<Expr>> {
        let explicit = context == CastContext::Explicit;
        if expr.ty == target.ty || functions::is_polymorphic(target.ty) || matches!(target.ty, Type::ANY) {
            if target.typmod >= 0 && expr.ty == target.ty && expr.typmod != target.typmod {
                return Ok(Some(cast_node(expr, target, explicit)));
            }
            // `x::numeric(5,2)::numeric` has no modifier any more.
            let bare = explicit && expr.ty == target.ty && expr.typmod >= 0;
            return Ok(Some(if bare { expr.relabelled(target.ty, -1) } else { expr }));
        }
        if expr.ty == Type::UNKNOWN {
            return self.type_unknown(expr, target, explicit).map(Some);
        }
        if is_relabel(expr.ty, target.ty) {
            let typmod = if target.typmod < 0 { -1 } else { expr.typmod };
            let longer = expr.relabelled(target.ty, typmod);
            return Ok(Some(if target.typmod >= 0 && longer.typmod != target.typmod {
                cast_node(longer, target, explicit)
            } else {
                longer
            }));
        }
        if expr.ty == Type::RECORD && target.ty == Type::RECORD {
            return Ok(Some(expr));
        }
        let allowed = match (cast::pathway(expr.ty, target.ty), context) {
            (None, _) => false,
            (Some(CastContext::Implicit), _) | (Some(_), CastContext::Explicit) => true,
            (Some(CastContext::Assignment), CastContext::Assignment) => true,
            (Some(_), _) => false,
        };
        if !allowed {
            return Ok(None);
        }
        // Widened constants stay constants, so that they can bound an index.
        if let (ExprKind::Const(value), true) = (&expr.kind, target.typmod < 0)
            && cast_is_immutable(expr.ty, target.ty)
        {
            let value = cast::cast(value.clone(), expr.ty, target, explicit, self.context.settings)?;
            return Ok(Some(Expr { kind: ExprKind::Const(value), ty: target.ty, typmod: target.typmod }));
        }
        if target.ty.is_reg()
            && matches!(expr.ty, Type::TEXT | Type::VARCHAR)
            && let ExprKind::Const(Datum::Text(text)) = &expr.kind
        {
            return self.reg_constant(text, target.ty).map(Some);
        }
        Ok(Some(cast_node(expr, target, explicit)))
    }
    /// An implicit conversion that must exist.
    pub(super) fn coerce(&mut self, expr: Expr, target: Type) -> Result<Expr> {
        let from = expr.ty;
        self.try_coerce(expr, target.into(), CastContext::Implicit)?.ok_or_else(|| {
            SqlError::new(
                sqlstate::CANNOT_COERCE,
                format!("cannot convert type {} to {}", from.sql_name(), target.sql_name()),
            )
        })
    }
    /// `CAST(expr AS target)`.
    pub(super) fn cast(&mut self, expr: Expr, target: ColumnType) -> Result<Expr> {
        let from = expr.ty;
        self.try_coerce(expr, target, CastContext::Explicit)?.ok_or_else(|| {
            SqlError::new(
                sqlstate::CANNOT_COERCE,
                format!("cannot cast type {} to {}", from.sql_name(), target.ty.sql_name()),
            )
        })
    }
    /// Converts to a column's type as INSERT and UPDATE do.
    pub(super) fn assign(&mut self, expr: Expr, target: ColumnType, column: &str) -> Result<Expr> {
        let from = expr.ty;
        let array_like = (from, target);
        let _ = array_like;
        self.try_coerce(expr, target, CastContext::Assignment)?.ok_or_else(|| {
            SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "column \"{column}\" is of type {} but expression is of type {}",
                    target.ty.sql_name(),
                    from.sql_name()
                ),
            )
            .with_hint("You will need to rewrite or cast the expression.")
        })
    }
    /// A condition; `what` is WHERE, HAVING, …
    pub(super) fn boolean(&mut self, expr: Expr, what: &str) -> Result<Expr> {
        let from = expr.ty;
        self.try_coerce(expr, Type::BOOL.into(), CastContext::Implicit)?.ok_or_else(|| {
            SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("argument of {what} must be type boolean, not type {}", from.sql_name()),
            )
        })
    }
    /// What is still untyped becomes text.
    pub(super) fn resolve_unknown(&mut self, expr: Expr) -> Result<Expr> {
        if expr.ty == Type::UNKNOWN { self.type_unknown(expr, Type::TEXT.into(), false) } else { Ok(expr) }
    }
    /// Converts all to one type; `what` is CASE, UNION, VALUES, …
    pub(super) fn unify(&mut self, exprs: Vec<Expr>, what: &str) -> Result<(Vec<Expr>, Type)> {
        let ty = self.common(exprs.iter().map(|e| e.ty), what)?;
        let exprs = exprs.into_iter().map(|e| self.coerce_common(e, ty, what)).collect::<Result<Vec<_>>>()?;
        Ok((exprs, ty))
    }
    pub(super) fn coerce_common(&mut self, expr: Expr, ty: Type, what: &str) -> Result<Expr> {
        let from = expr.ty;
        self.try_coerce(expr, ty.into(), CastContext::Implicit)?.ok_or_else(|| {
            SqlError::new(
                sqlstate::CANNOT_COERCE,
                format!("{what} could not convert type {} to {}", from.sql_name(), ty.sql_name()),
            )
        })
    }
    /// The common type, or 42804.
    pub(super) fn common(&self, types: impl Iterator<Item = Type> + Clone, what: &str) -> Result<Type> {
        functions::common_type(types.clone()).ok_or_else(|| {
            let mut known = types.filter(|t| *t != Type::UNKNOWN);
            let first = known.next().unwrap_or(Type::UNKNOWN);
            let other = known.find(|t| functions::common_type([first, *t]).is_none()).unwrap_or(first);
            SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("{what} types {} and {} cannot be matched", first.sql_name(), other.sql_name()),
            )
        })
    }
    /// `'name'::regclass` and the like, looked up now: the plan is stale when the catalog changes.
    fn reg_constant(&mut self, text: &str, ty: Type) -> Result<Expr> {
        if let Ok(oid) = text.trim().parse::<u32>() {
            return Ok(Expr::constant(Datum::Oid(oid), ty));
        }
        if text.trim() == "-" {
            return Ok(Expr::constant(Datum::Oid(0), ty));
        }
        let oid = match ty {
            Type::REGCLASS => self.relation_oid(text)?,
            Type::REGTYPE => {
                let found = crate::parse::parse_type(text).ok().and_then(|t| super::bind_type(&t).ok());
                found.map(|t| t.ty.0).ok_or_else(|| super::types::undefined_type(text))?
            }
            Type::REGNAMESPACE => self.context.catalog.schema_oid(&unquote(text)).ok_or_else(|| {
                SqlError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{text}\" does not exist"))
            })?,
            Type::REGPROC | Type::REGPROCEDURE => {
                let bare =
                    text.split('(').next().unwrap_or_default().trim().rsplit('.').next().unwrap_or_default();
                match functions::named(&unquote(bare)) {
                    [] => {
                        return Err(SqlError::new(
                            sqlstate::UNDEFINED_FUNCTION,
                            format!("function \"{text}\" does not exist"),
                        ));
                    }
                    [one, ..] => one.oid,
                }
            }
            // Roles, operators and collations by name: the session's own functions know them.
            _ => return Ok(cast_node(Expr::constant(Datum::text(text), Type::TEXT), ty.into(), true)),
        };
        Ok(Expr::constant(Datum::Oid(oid), ty))
    }
    fn relation_oid(&self, text: &str) -> Result<u32> {
        let parts = split_name(text);
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] | [_, schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return Err(SqlError::new(sqlstate::INVALID_NAME, "invalid name syntax")),
        };
        match self.find_relation(schema, name) {
            Some(super::from::Found::User(relation)) => Ok(relation.oid),
            Some(super::from::Found::System(relation)) => Ok(relation.oid),
            None => Err(crate::catalog::Catalog::undefined_relation(schema, name)),
        }
    }
}

fn unquote(text: &str) -> String {
    split_name(text).pop().unwrap_or_default()
}

/// `a."B".c` in its parts, folded.
pub(super) fn split_name(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                if let Some(last) = parts.last_mut() {
                    last.push('"');
                }
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => {
                if let Some(last) = parts.last_mut() {
                    if quoted { last.push(c) } else { last.extend(c.to_lowercase()) }
                }
            }
        }
    }
    parts
}

/// Whether a cast gives the same at any time and in any session.
pub(crate) fn cast_is_immutable(from: Type, to: Type) -> bool {
    let time = |t: Type| matches!(t, Type::DATE | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ);
    if from.is_reg() || to.is_reg() {
        return false;
    }
    match (from, to) {
        (Type::DATE, Type::TIMESTAMP) | (Type::TIMESTAMP, Type::DATE | Type::TIME) => true,
        (f, t) => !time(f) && !time(t),
    }
}

fn cast_node(arg: Expr, target: ColumnType, explicit: bool) -> Expr {
    Expr { kind: ExprKind::Cast { arg: Box::new(arg), explicit }, ty: target.ty, typmod: target.typmod }
}
