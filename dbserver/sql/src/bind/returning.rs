//! RETURNING.

use super::Binder;
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::ResultColumn;
use crate::types::ColumnType;
use sqlparser::ast::SelectItem;

impl Binder<'_> {
    /// The expressions over the frame's row, and the result's columns (none without RETURNING).
    pub(super) fn returning(
        &mut self,
        items: Option<&[SelectItem]>,
    ) -> Result<(Vec<Expr>, Option<Vec<ResultColumn>>)> {
        let Some(items) = items else { return Ok((Vec::new(), None)) };
        let targets = self.without_aggregates("RETURNING", |b| b.select_list(items))?;
        let mut exprs = Vec::with_capacity(targets.len());
        let mut columns = Vec::with_capacity(targets.len());
        for target in targets {
            let expr = self.resolve_unknown(target.expr)?;
            columns.push(ResultColumn {
                name: target.name,
                ty: ColumnType { ty: expr.ty, typmod: expr.typmod },
                table: target.origin.0,
                attnum: target.origin.1,
            });
            exprs.push(expr);
        }
        Ok((exprs, Some(columns)))
    }
}
