//! Constant folding: immutable calls on constants, and logic with constants.

use crate::bind::cast_is_immutable;
use crate::error::Result;
use crate::expr::{Expr, ExprKind};
use crate::functions::Volatility;
use crate::plan::visit;
use crate::session::EvalSettings;
use crate::types::{ColumnType, Datum, Type, cast};

/// Folds what is constant. A fold that would fail is left for the executor, which may never reach it.
pub(crate) fn fold(mut expr: Expr, settings: &EvalSettings) -> Result<Expr> {
    fold_in_place(&mut expr, settings);
    Ok(expr)
}

fn is_const(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Const(_))
}

fn bool_const(expr: &Expr) -> Option<Option<bool>> {
    match expr.kind {
        ExprKind::Const(Datum::Bool(b)) => Some(Some(b)),
        ExprKind::Const(Datum::Null) => Some(None),
        _ => None,
    }
}

/// [`fold`], in place.
pub(crate) fn fold_in_place(expr: &mut Expr, settings: &EvalSettings) {
    let Ok(()) = visit::children_mut::<std::convert::Infallible>(expr, &mut |child| {
        fold_in_place(child, settings);
        Ok(())
    });
    let folded = match &mut expr.kind {
        ExprKind::Call { function, args }
            if function.volatility == Volatility::Immutable && args.iter().all(is_const) =>
        {
            if function.strict && args.iter().any(|a| matches!(a.kind, ExprKind::Const(Datum::Null))) {
                Some(ExprKind::Const(Datum::Null))
            } else {
                super::evaluate::call(function, args, settings).map(ExprKind::Const)
            }
        }
        ExprKind::Cast { arg, explicit } if cast_is_immutable(arg.ty, expr.ty) => match &arg.kind {
            ExprKind::Const(value) => {
                let to = ColumnType { ty: expr.ty, typmod: expr.typmod };
                cast::cast(value.clone(), arg.ty, to, *explicit, settings).ok().map(ExprKind::Const)
            }
            _ => None,
        },
        ExprKind::And(parts) => logic(parts, true),
        ExprKind::Or(parts) => logic(parts, false),
        ExprKind::Not(inner) => {
            bool_const(inner).map(|b| ExprKind::Const(b.map_or(Datum::Null, |b| Datum::Bool(!b))))
        }
        ExprKind::IsNull { arg, negated } => match &arg.kind {
            ExprKind::Const(value) if arg.ty != Type::RECORD => {
                Some(ExprKind::Const(Datum::Bool(value.is_null() != *negated)))
            }
            _ => None,
        },
        ExprKind::Array(items) if items.iter().all(|i| is_const(i) && i.ty.element().is_none()) => {
            let values: Vec<Datum> = items
                .iter()
                .filter_map(|i| match &i.kind {
                    ExprKind::Const(v) => Some(v.clone()),
                    _ => None,
                })
                .collect();
            expr.ty.element().filter(|_| expr.ty.array().is_none()).and_then(|element| {
                let len = i32::try_from(values.len()).ok()?;
                let dims = if values.is_empty() { Vec::new() } else { vec![(len, 1)] };
                Some(ExprKind::Const(Datum::Array(std::sync::Arc::new(crate::types::Array {
                    element,
                    dims,
                    values,
                }))))
            })
        }
        ExprKind::Case { whens, otherwise } => {
            // Leading conditions that are known decide or drop out.
            while let Some(known) = whens.first().and_then(|(w, _)| bool_const(w)) {
                let (_, then) = whens.remove(0);
                if known == Some(true) {
                    *whens = Vec::new();
                    *otherwise = Some(Box::new(then));
                }
            }
            match (whens.is_empty(), otherwise.take()) {
                (true, Some(otherwise)) if otherwise.ty == expr.ty => {
                    Some(otherwise.relabelled(expr.ty, expr.typmod).kind)
                }
                (true, None) => Some(ExprKind::Const(Datum::Null)),
                (_, kept) => {
                    *otherwise = kept;
                    None
                }
            }
        }
        ExprKind::Coalesce(args) => {
            args.retain(|a| !matches!(a.kind, ExprKind::Const(Datum::Null)));
            match args.first() {
                None => Some(ExprKind::Const(Datum::Null)),
                Some(first) if is_const(first) => Some(args.swap_remove(0).kind),
                Some(_) => None,
            }
        }
        _ => None,
    };
    if let Some(kind) = folded {
        expr.kind = kind;
    }
}

fn logic(parts: &mut Vec<Expr>, and: bool) -> Option<ExprKind> {
    // `true AND x` is x, `false AND x` is false.
    if parts.iter().any(|p| bool_const(p) == Some(Some(!and))) {
        return Some(ExprKind::Const(Datum::Bool(!and)));
    }
    parts.retain(|p| bool_const(p) != Some(Some(and)));
    match parts.len() {
        0 => Some(ExprKind::Const(Datum::Bool(and))),
        1 => parts.pop().map(|p| p.kind),
        _ => None,
    }
}
