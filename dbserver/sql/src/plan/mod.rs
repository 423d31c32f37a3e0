//! Plans: trees of operators that the executor runs. Each operator's output columns are numbered from 0, and the
//! expressions of an operator read its input by those numbers (a join's input is left columns, then right columns).

pub mod explain;
pub mod point;
pub mod visit;

use crate::catalog::{Index, Table};
use crate::expr::{Expr, SubPlan};
use crate::functions::Function;
use crate::types::ColumnType;
use std::sync::Arc;

pub use point::PointPlan;

/// A bound, planned statement, as the plan cache keeps it.
#[derive(Debug)]
pub struct PlannedStatement {
    /// What to run.
    pub kind: PlannedKind,
    /// Types of `$1`, `$2`, …
    pub params: Vec<crate::types::Type>,
    /// Result columns; none for a statement without rows.
    pub columns: Option<Vec<ResultColumn>>,
    /// Writes nothing (a SELECT without locking or volatile writes such as nextval).
    pub read_only: bool,
    /// Command tag verb: `SELECT`, `INSERT 0`, `UPDATE`, `DELETE`; the count follows.
    pub tag: &'static str,
    /// Its parameters' values would make for a better plan: see [`crate::optimize::wants_values`].
    pub wants_values: bool,
    /// The catalog version it was planned under.
    pub catalog_version: u64,
}

/// A query that runs inline, or a tree for the vectorized executor.
#[allow(clippy::large_enum_variant, reason = "statements are few and shared")]
#[derive(Debug)]
pub enum PlannedKind {
    /// Everything resolved; runs on the connection's task.
    Point(PointPlan),
    /// A tree.
    Tree(Plan),
}

/// A column of a result, as RowDescription has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultColumn {
    /// Name.
    pub name: String,
    /// Type and modifier.
    pub ty: ColumnType,
    /// OID of the table it comes from, or 0.
    pub table: u32,
    /// attnum in that table, or 0.
    pub attnum: i16,
}

/// An operator.
#[allow(clippy::large_enum_variant, reason = "plans are few and boxed in their parents")]
#[derive(Clone, Debug)]
pub enum Plan {
    /// Rows of expressions; `VALUES`, and a SELECT without FROM (one row of no columns).
    Values {
        /// Each of `types.len()` expressions (which see no input).
        rows: Vec<Vec<Expr>>,
        /// Column types.
        types: Vec<ColumnType>,
    },
    /// No rows.
    Empty {
        /// Column types.
        types: Vec<ColumnType>,
    },
    /// Rows of a table or of an index range of it.
    Scan(Scan),
    /// Rows of a `pg_catalog` or `information_schema` relation, made from the catalog when scanned.
    SystemScan {
        /// Which.
        relation: &'static SystemRelation,
        /// Positions of the columns wanted.
        columns: Vec<usize>,
        /// Over the output columns.
        filter: Option<Expr>,
    },
    /// `FROM f(…) [WITH ORDINALITY]`, `ROWS FROM (f(…), g(…))`, multi-argument unnest. Several functions run side by side, padded with nulls.
    FunctionScan {
        /// Set-returning (or scalar: one row) functions and their arguments.
        calls: Vec<(&'static Function, Vec<Expr>)>,
        /// Adds a bigint column that counts from 1.
        ordinality: bool,
        /// Column types, ordinality included.
        types: Vec<ColumnType>,
    },
    /// Keeps rows whose predicate is true.
    Filter {
        /// From.
        input: Box<Plan>,
        /// Predicate.
        predicate: Expr,
    },
    /// Computes columns.
    Project {
        /// From.
        input: Box<Plan>,
        /// The columns.
        exprs: Vec<Expr>,
    },
    /// Computes columns of which some are set-returning: a row for each element, padded with nulls.
    ProjectSet {
        /// From.
        input: Box<Plan>,
        /// The columns.
        exprs: Vec<SetExpr>,
    },
    /// Nested loops: the right side is read once and kept.
    NestedLoop {
        /// Kind.
        kind: JoinKind,
        /// Left side.
        left: Box<Plan>,
        /// Right side.
        right: Box<Plan>,
        /// Over left and right columns.
        on: Option<Expr>,
    },
    /// Hash join on equal keys: the right side is hashed.
    HashJoin {
        /// Kind.
        kind: JoinKind,
        /// Left (probe) side.
        left: Box<Plan>,
        /// Right (build) side.
        right: Box<Plan>,
        /// Over the left's columns.
        left_keys: Vec<Expr>,
        /// Over the right's columns, of the same types.
        right_keys: Vec<Expr>,
        /// Rest of the condition, over left and right columns.
        residual: Option<Expr>,
    },
    /// LATERAL, and index nested loops: the right side is run anew for each left row.
    Apply {
        /// Inner, Left, Semi or Anti.
        kind: JoinKind,
        /// Left side.
        left: Box<Plan>,
        /// Right side; its args are over the left's columns.
        right: Arc<SubPlan>,
        /// Over left and right columns.
        on: Option<Expr>,
    },
    /// Grouping and aggregates. Output: group keys, then aggregates. Without groups: exactly one row.
    Aggregate {
        /// From.
        input: Box<Plan>,
        /// Group keys.
        groups: Vec<Expr>,
        /// Positions into `groups` of each grouping set; one with all of them for a plain GROUP BY.
        sets: Vec<Vec<usize>>,
        /// Aggregates.
        aggregates: Vec<Aggregate>,
    },
    /// Sorts; with `limit` keeps just the first rows (LIMIT + OFFSET).
    Sort {
        /// From.
        input: Box<Plan>,
        /// Keys.
        keys: Vec<SortKey>,
        /// How many rows are wanted, where known.
        limit: Option<Expr>,
    },
    /// LIMIT/OFFSET; a null is no limit.
    Limit {
        /// From.
        input: Box<Plan>,
        /// bigint.
        limit: Option<Expr>,
        /// bigint.
        offset: Option<Expr>,
    },
    /// DISTINCT over the first `columns` columns (or all); DISTINCT ON keeps the first row of each, in input order.
    Distinct {
        /// From.
        input: Box<Plan>,
        /// Positions to compare.
        columns: Vec<usize>,
    },
    /// UNION [ALL], INTERSECT [ALL], EXCEPT [ALL] of sides with equal types.
    SetOperation {
        /// Kind.
        op: SetOp,
        /// Keep duplicates.
        all: bool,
        /// Left side.
        left: Box<Plan>,
        /// Right side.
        right: Box<Plan>,
    },
    /// `WITH`: each CTE is run at most once (a data-modifying one to its end), its rows kept for [`Plan::CteScan`]s.
    With {
        /// Ids (unique in the statement) and plans, in order.
        ctes: Vec<(usize, Plan)>,
        /// The query.
        body: Box<Plan>,
    },
    /// Rows of a CTE, or of the working table of a recursive one.
    CteScan {
        /// Which.
        id: usize,
        /// Column types.
        types: Vec<ColumnType>,
    },
    /// WITH RECURSIVE: `step` reads the rows of the round before as `CteScan { id }`.
    Recursive {
        /// Id of the working table.
        id: usize,
        /// First rows.
        base: Box<Plan>,
        /// Next rows.
        step: Box<Plan>,
        /// UNION ALL.
        all: bool,
    },
    /// Locks the rows that come by (FOR UPDATE/SHARE), re-evaluating `recheck` on changed ones.
    LockRows {
        /// From; for each target a full row and its key are among its columns.
        input: Box<Plan>,
        /// What to lock.
        targets: Vec<LockTarget>,
        /// The query's whole condition over the input's columns.
        recheck: Option<Expr>,
        /// Share instead of update.
        share: bool,
        /// NOWAIT or SKIP LOCKED.
        wait: LockWaitPolicy,
    },
    /// INSERT. Output: `returning` over the new row's columns.
    Insert(Box<Insert>),
    /// UPDATE. Output: `returning` over the input's columns with the target's new values.
    Update(Box<Update>),
    /// DELETE. Output: `returning` over the input's columns.
    Delete(Box<Delete>),
}

/// Reading a table.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Arc<Table>,
    /// Positions (into the table's columns) of the output columns.
    pub columns: Vec<usize>,
    /// Adds the row's storage key as one last column (bytea): for UPDATE, DELETE, FOR UPDATE.
    pub row_key: bool,
    /// How to reach the rows.
    pub access: Access,
    /// [`crate::bind::BindContext::snapshot`]: which indexes may be read.
    pub snapshot: u64,
    /// Over the output columns.
    pub filter: Option<Expr>,
    /// What the optimizer expects.
    pub estimate: ScanEstimate,
    /// Keys and predicates of the table's indexes over its live columns, where any index has an expression or a predicate: for the
    /// optimizer, which looks at them while the output columns are all the live ones.
    pub bound: Option<Arc<TableChecks>>,
}

/// What the optimizer expects of a scan.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanEstimate {
    /// Rows of the table.
    pub table_rows: f64,
    /// Rows in the range that is read.
    pub range_rows: f64,
    /// Rows that come out.
    pub rows: f64,
    /// Other values of the parameters would let another part of the rows pass.
    pub depends_on_values: bool,
}

/// How a scan reaches its rows.
#[derive(Clone, Debug)]
pub enum Access {
    /// All of them.
    Full,
    /// A range of the primary key's order.
    PrimaryKey(KeyBounds),
    /// A range of a secondary index.
    Index(Arc<Index>, KeyBounds),
}

/// A range of an index: equal on the first columns, then a range on the next. The expressions see no input
/// columns, just constants, params and Outer. A null bound matches nothing.
#[derive(Clone, Debug, Default)]
pub struct KeyBounds {
    /// Values of the leading key columns.
    pub equal: Vec<Expr>,
    /// Several values (`IN`, `= ANY`) for one more column, the one after those of `equal`: an array-typed expression. Rows
    /// come in the order of the key, those of equal values once.
    pub any: Option<Expr>,
    /// Lower bound of the column after those, and whether it is inclusive.
    pub lower: Option<(Expr, bool)>,
    /// Upper bound of the next column, and whether it is inclusive.
    pub upper: Option<(Expr, bool)>,
    /// Leaves out rows in which that column is null; a lower or an upper bound does so anyway.
    pub not_null: bool,
    /// Read backwards.
    pub reverse: bool,
}

/// A column of a [`Plan::ProjectSet`].
#[derive(Clone, Debug)]
pub enum SetExpr {
    /// The same for every row of the set.
    Scalar(Expr),
    /// A set-returning call.
    Set(&'static Function, Vec<Expr>),
}

/// How rows of two sides meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinKind {
    /// Also CROSS.
    Inner,
    /// LEFT OUTER
    Left,
    /// RIGHT OUTER
    Right,
    /// FULL OUTER
    Full,
    /// Left rows with a match; output is the left's columns.
    Semi,
    /// Left rows without a match; output is the left's columns.
    Anti,
}

/// A set operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetOp {
    /// UNION
    Union,
    /// INTERSECT
    Intersect,
    /// EXCEPT
    Except,
}

/// One aggregate of a [`Plan::Aggregate`].
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Which.
    pub function: &'static Function,
    /// Over the input; none for `count(*)`.
    pub args: Vec<Expr>,
    /// DISTINCT.
    pub distinct: bool,
    /// FILTER (WHERE …).
    pub filter: Option<Expr>,
    /// ORDER BY inside the call.
    pub order: Vec<SortKey>,
    /// Result type.
    pub ty: ColumnType,
}

/// A sort key.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// What to sort by.
    pub expr: Expr,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST (the default of DESC).
    pub nulls_first: bool,
}

/// A table of a FOR UPDATE query.
#[derive(Clone, Debug)]
pub struct LockTarget {
    /// The table.
    pub table: Arc<Table>,
    /// Input columns where the whole row (all columns that are not dropped, in order) starts.
    pub first: usize,
    /// Input column of the row's key.
    pub key: usize,
}

/// NOWAIT and SKIP LOCKED.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockWaitPolicy {
    /// Wait.
    Block,
    /// 55P03 at once.
    NoWait,
    /// Leave the row out.
    SkipLocked,
}

/// What checks and indexes need bound: made once per plan. All expressions are over the table's live columns in order.
#[derive(Clone, Debug, Default)]
pub struct TableChecks {
    /// Name and condition of each CHECK.
    pub checks: Vec<(String, Expr)>,
    /// For each of the table's indexes: its key expressions (plain columns too) and its predicate.
    pub indexes: Vec<(Vec<Expr>, Option<Expr>)>,
}

/// INSERT.
#[derive(Clone, Debug)]
pub struct Insert {
    /// Into.
    pub table: Arc<Table>,
    /// Gives one column per live column of the table, in order, with defaults filled in and cast.
    pub input: Plan,
    /// Bound checks and index keys.
    pub checks: Arc<TableChecks>,
    /// ON CONFLICT.
    pub conflict: Option<OnConflict>,
    /// Over the new row.
    pub returning: Vec<Expr>,
}

/// ON CONFLICT.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// Which unique index: `None` any; `Some(None)` the primary key; `Some(Some(i))` the table's index i.
    pub target: Option<Option<usize>>,
    /// DO UPDATE: assignments (live column number, expression over old row then `excluded` row) and its WHERE; none for DO NOTHING.
    #[allow(clippy::type_complexity, reason = "assignments and their condition, used in few places")]
    pub update: Option<(Vec<(usize, Expr)>, Option<Expr>)>,
}

/// UPDATE.
#[derive(Clone, Debug)]
pub struct Update {
    /// The table.
    pub table: Arc<Table>,
    /// Rows to change: the target's whole row and key are among its columns.
    pub input: Plan,
    /// Where they are.
    pub target: LockTarget,
    /// (live column number, expression over the input's columns).
    pub assignments: Vec<(usize, Expr)>,
    /// The whole condition over the input's columns, evaluated again on a row that changed while we waited.
    pub recheck: Option<Expr>,
    /// Bound checks and index keys.
    pub checks: TableChecks,
    /// Over the input's columns, the target's replaced by its new values.
    pub returning: Vec<Expr>,
}

/// DELETE.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The table.
    pub table: Arc<Table>,
    /// Rows to delete: the target's whole row and key are among its columns.
    pub input: Plan,
    /// Where they are.
    pub target: LockTarget,
    /// The whole condition over the input's columns, evaluated again on a row that changed while we waited.
    pub recheck: Option<Expr>,
    /// Bound index keys (to delete entries).
    pub checks: TableChecks,
    /// Over the input's columns.
    pub returning: Vec<Expr>,
}

/// A relation of `pg_catalog` or `information_schema` whose rows are made when it is scanned.
pub struct SystemRelation {
    /// PostgreSQL's OID (pg_class is 1259).
    pub oid: u32,
    /// `pg_catalog` or `information_schema`.
    pub schema: &'static str,
    /// Name.
    pub name: &'static str,
    /// `v` for PostgreSQL's views, else `r`.
    pub kind: char,
    /// Column names and types.
    pub columns: &'static [(&'static str, crate::types::Type)],
    /// Makes the rows.
    pub rows: fn(&crate::session::EvalContext<'_>) -> crate::Result<Vec<Vec<crate::types::Datum>>>,
}

impl std::fmt::Debug for SystemRelation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}
