//! AND, OR, CASE and COALESCE over a batch: each part sees only the rows that still need it.

use super::{eval_subset, eval_vector, not_boolean};
use crate::error::Result;
use crate::execute::columns::{self, NONE};
use crate::execute::context::ExecContext;
use crate::expr::{Expr, ExprKind};
use crate::functions;
use crate::types::Type;
use crate::vector::{Batch, Values, Vector};
use std::sync::Arc;

/// Whether evaluating on a row that does not need it can neither fail nor be noticed, so that gathering rows is not
/// worth it.
fn is_harmless(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Outer(_) | ExprKind::Const(_) | ExprKind::Param(_) => true,
        ExprKind::Not(arg) | ExprKind::IsNull { arg, .. } | ExprKind::IsBool { arg, .. } => is_harmless(arg),
        // Comparisons: int4lt, texteq, date_ge, timestamptz_ne …
        ExprKind::Call { function, args } => {
            functions::comparison_of(function).is_some() && args.iter().all(is_harmless)
        }
        _ => false,
    }
}

/// AND (`and`) or OR: rows whose answer is settled (false, or true) are left out of the later terms.
pub fn and_or(terms: &[Expr], and: bool, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<Arc<Vector>> {
    if let [one] = terms {
        return eval_vector(one, batch, ctx);
    }
    let rows = batch.rows;
    let mut values = vec![and; rows];
    let mut nulls = vec![false; rows];
    let mut any_null = false;
    let mut open: Vec<u32> = (0u32..).take(rows).collect();
    for term in terms {
        if open.is_empty() {
            break;
        }
        let whole = open.len() == rows || is_harmless(term);
        let part = if whole { eval_vector(term, batch, ctx)? } else { eval_subset(term, batch, &open, ctx)? };
        let Values::Bool(flags) = &part.values else { return Err(not_boolean()) };
        let mut still = Vec::with_capacity(open.len());
        for (k, &row) in open.iter().enumerate() {
            let (i, at) = (row as usize, if whole { row as usize } else { k });
            if columns::is_null(&part, at) {
                any_null = true;
                if let Some(null) = nulls.get_mut(i) {
                    *null = true;
                }
                still.push(row);
            } else if flags.get(at).copied().unwrap_or(false) == and {
                still.push(row);
            } else {
                if let Some(value) = values.get_mut(i) {
                    *value = !and;
                }
                if let Some(null) = nulls.get_mut(i) {
                    *null = false;
                }
            }
        }
        open = still;
    }
    if !any_null {
        nulls.clear();
    } else {
        // A null row holds the default value.
        for (value, null) in values.iter_mut().zip(&nulls) {
            *value = *value && !*null;
        }
    }
    Ok(Arc::new(Vector { ty: Type::BOOL, values: Values::Bool(values), nulls }))
}

/// A vector put together from pieces, each for some of the rows; rows without a piece are null.
struct Pieces {
    all: Vector,
    positions: Vec<u32>,
    whole: Option<Arc<Vector>>,
}

impl Pieces {
    fn new(ty: Type, rows: usize) -> Self {
        Self { all: columns::empty(ty), positions: vec![NONE; rows], whole: None }
    }
    /// `piece` has a value for each of `rows`; those at `NONE`-marked `keep` false are passed over.
    fn place(&mut self, rows: &[u32], piece: &Arc<Vector>) -> Result<()> {
        if rows.len() == self.positions.len() {
            self.whole = Some(Arc::clone(piece));
            return Ok(());
        }
        let base = columns::len(&self.all);
        columns::append(&mut self.all, piece)?;
        for (k, row) in rows.iter().enumerate() {
            if let Some(position) = self.positions.get_mut(*row as usize) {
                *position = u32::try_from(base.saturating_add(k)).unwrap_or(NONE);
            }
        }
        Ok(())
    }
    fn finish(self) -> Result<Arc<Vector>> {
        match self.whole {
            Some(whole) => Ok(whole),
            None => columns::take(&self.all, &self.positions).map(Arc::new),
        }
    }
}

/// CASE.
pub fn case(
    whens: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    ty: Type,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<Arc<Vector>> {
    let mut pieces = Pieces::new(ty, batch.rows);
    let mut open: Vec<u32> = (0u32..).take(batch.rows).collect();
    for (when, then) in whens {
        if open.is_empty() {
            break;
        }
        let condition = eval_subset(when, batch, &open, ctx)?;
        let (mut hit, mut still) = (Vec::new(), Vec::new());
        for (k, row) in open.iter().enumerate() {
            if columns::is_true(&condition, k) { hit.push(*row) } else { still.push(*row) }
        }
        if !hit.is_empty() {
            let piece = eval_subset(then, batch, &hit, ctx)?;
            pieces.place(&hit, &piece)?;
        }
        open = still;
    }
    if let Some(expr) = otherwise
        && !open.is_empty()
    {
        let piece = eval_subset(expr, batch, &open, ctx)?;
        pieces.place(&open, &piece)?;
    }
    pieces.finish()
}

/// COALESCE.
pub fn coalesce(args: &[Expr], ty: Type, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<Arc<Vector>> {
    let mut pieces = Pieces::new(ty, batch.rows);
    let mut open: Vec<u32> = (0u32..).take(batch.rows).collect();
    for arg in args {
        if open.is_empty() {
            break;
        }
        let piece = eval_subset(arg, batch, &open, ctx)?;
        if piece.nulls.is_empty() && open.len() == batch.rows {
            return Ok(piece);
        }
        let (mut hit, mut at, mut still) = (Vec::new(), Vec::new(), Vec::new());
        for (k, row) in (0u32..).zip(&open) {
            if columns::is_null(&piece, k as usize) {
                still.push(*row);
            } else {
                hit.push(*row);
                at.push(k);
            }
        }
        if !hit.is_empty() {
            let chosen = Arc::new(columns::take(&piece, &at)?);
            pieces.place(&hit, &chosen)?;
        }
        open = still;
    }
    pieces.finish()
}
