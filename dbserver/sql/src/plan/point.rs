//! Point plans: statements on one row by its primary key, with everything resolved. They run inline on the
//! connection's task, a row at a time, with no batch and no thread hop.

use crate::catalog::Table;
use crate::expr::Expr;
use crate::plan::TableChecks;
use std::sync::Arc;

/// A statement on one row. `key` has an expression of constants and params for each primary key column.
#[derive(Clone, Debug)]
pub enum PointPlan {
    /// `SELECT exprs FROM t WHERE key = … [AND filter]`
    Get {
        /// The table.
        table: Arc<Table>,
        /// The key.
        key: Vec<Expr>,
        /// Over the table's live columns.
        filter: Option<Expr>,
        /// Over the table's live columns.
        exprs: Vec<Expr>,
    },
    /// `UPDATE t SET … WHERE key = … [AND filter] [RETURNING …]`; the key's columns are not assigned.
    Update {
        /// The table.
        table: Arc<Table>,
        /// The key.
        key: Vec<Expr>,
        /// Over the table's live columns.
        filter: Option<Expr>,
        /// (live column number, expression over the live columns).
        assignments: Vec<(usize, Expr)>,
        /// Bound checks and index keys.
        checks: TableChecks,
        /// Over the new row.
        returning: Vec<Expr>,
    },
    /// `DELETE FROM t WHERE key = … [AND filter] [RETURNING …]`
    Delete {
        /// The table.
        table: Arc<Table>,
        /// The key.
        key: Vec<Expr>,
        /// Over the table's live columns.
        filter: Option<Expr>,
        /// Bound index keys.
        checks: TableChecks,
        /// Over the old row.
        returning: Vec<Expr>,
    },
    /// `INSERT INTO t VALUES (…) [RETURNING …]` of one row without ON CONFLICT.
    Insert {
        /// The table.
        table: Arc<Table>,
        /// One per live column, cast, defaults filled in; without subqueries.
        values: Vec<Expr>,
        /// Bound checks and index keys.
        checks: TableChecks,
        /// Over the new row.
        returning: Vec<Expr>,
    },
}
