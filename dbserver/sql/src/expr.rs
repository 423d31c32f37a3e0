//! Bound expressions: names resolved to positions, operators to functions, every node typed.
//!
//! An expression reads a row (or a batch) by column position. Subqueries are plans with parameters: the outer
//! values they need are listed in [`SubPlan::args`], and inside the plan they are [`ExprKind::Outer`] numbers. So
//! no expression ever looks up through more than one level.

use crate::functions::Function;
use crate::plan::Plan;
use crate::types::{Datum, Type};
use std::sync::Arc;

/// A typed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// The type of its value.
    pub ty: Type,
    /// The modifier of its value, -1 for none.
    pub typmod: i32,
}

/// What an expression computes.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// Column of the input row.
    Column(usize),
    /// Argument of the enclosing [`SubPlan`] (or lateral join).
    Outer(usize),
    /// A constant.
    Const(Datum),
    /// `$1` is 0. Its value has type `ty` already.
    Param(usize),
    /// A function or operator. Strict ones give null for a null argument without being called.
    Call {
        /// What to call.
        function: &'static Function,
        /// Its arguments, already cast to the declared types. A variadic call has its tail in one array.
        args: Vec<Expr>,
    },
    /// Conversion to `ty`/`typmod` by [`crate::types::cast`]; explicit casts truncate where assignments complain.
    Cast {
        /// What to convert.
        arg: Box<Expr>,
        /// How strictly.
        explicit: bool,
    },
    /// Three-valued AND; evaluation stops at the first false.
    And(Vec<Expr>),
    /// Three-valued OR; evaluation stops at the first true.
    Or(Vec<Expr>),
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// `IS [NOT] NULL` (a record is null when all its fields are).
    IsNull {
        /// What to test.
        arg: Box<Expr>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `IS [NOT] TRUE/FALSE/UNKNOWN`: never null.
    IsBool {
        /// What to test.
        arg: Box<Expr>,
        /// true, false or unknown.
        value: Option<bool>,
        /// With NOT.
        negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`; `equal` is the `=` of both sides' type.
    IsDistinct {
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
        /// The equality.
        equal: &'static Function,
        /// `IS NOT DISTINCT FROM`.
        negated: bool,
    },
    /// Searched CASE (a simple one is bound to comparisons); evaluates only what it needs.
    Case {
        /// Conditions and results.
        whens: Vec<(Expr, Expr)>,
        /// ELSE; null when absent.
        otherwise: Option<Box<Expr>>,
    },
    /// COALESCE; evaluates only what it needs.
    Coalesce(Vec<Expr>),
    /// GREATEST or LEAST; `less` is the `<` of the type. Nulls are ignored.
    MinMax {
        /// The candidates.
        args: Vec<Expr>,
        /// The ordering.
        less: &'static Function,
        /// GREATEST.
        greatest: bool,
    },
    /// `arg IN (list)` of constants or expressions of one type; `NOT IN` is under a Not.
    InList {
        /// What to look for.
        arg: Box<Expr>,
        /// Where.
        list: Vec<Expr>,
        /// The equality.
        equal: &'static Function,
    },
    /// `left op ANY/ALL (array)`.
    ArrayCompare {
        /// Left side.
        left: Box<Expr>,
        /// The array.
        array: Box<Expr>,
        /// `op`, over the element type.
        function: &'static Function,
        /// ALL instead of ANY.
        all: bool,
    },
    /// `ARRAY[…]`; elements that are arrays of the same type nest.
    Array(Vec<Expr>),
    /// `ROW(…)`, or a whole-row reference; field names beside.
    Row {
        /// Field names.
        names: Vec<String>,
        /// Fields.
        args: Vec<Expr>,
    },
    /// `array[i]`, `array[i][j]`.
    Subscript {
        /// The array.
        array: Box<Expr>,
        /// One per dimension.
        indexes: Vec<Expr>,
    },
    /// `(record).field`, by position.
    Field {
        /// The record.
        arg: Box<Expr>,
        /// 0-based.
        index: usize,
    },
    /// A subquery in an expression.
    Subquery {
        /// What of its rows is wanted.
        kind: SubqueryKind,
        /// The subquery.
        plan: Arc<SubPlan>,
    },
}

/// What a subquery expression gives.
#[derive(Clone, Debug)]
pub enum SubqueryKind {
    /// The one column of at most one row; 21000 when there are more.
    Scalar,
    /// Whether there is a row.
    Exists,
    /// `ARRAY(SELECT …)`.
    Array,
    /// `left op ANY/ALL (SELECT …)`, also IN; several columns compare with AND.
    Compare {
        /// One per column.
        left: Vec<Expr>,
        /// One per column, over both sides' type.
        functions: Vec<&'static Function>,
        /// ALL instead of ANY.
        all: bool,
        /// All functions are `=` of hashable types, so that the rows may be hashed once when `args` is empty.
        hashable: bool,
    },
}

/// A plan with arguments from the row outside. Without arguments it is run once per statement.
#[derive(Clone, Debug)]
pub struct SubPlan {
    /// The plan.
    pub plan: Plan,
    /// Values for its `Outer(0)`, `Outer(1)`, …, computed on the outer row.
    pub args: Vec<Expr>,
}

impl Expr {
    /// A column of the input.
    pub fn column(index: usize, ty: Type, typmod: i32) -> Self {
        Self { kind: ExprKind::Column(index), ty, typmod }
    }
    /// The same value under another label, where values need no conversion. A cast whose type or modifier is what it does keeps
    /// its own node below the new label.
    #[must_use]
    pub fn relabelled(self, ty: Type, typmod: i32) -> Self {
        let is_length_cast =
            matches!(self.kind, ExprKind::Cast { .. }) && (self.typmod >= 0 || self.ty == Type::BPCHAR);
        if is_length_cast && (self.ty, self.typmod) != (ty, typmod) {
            let kind = ExprKind::Cast { arg: Box::new(self), explicit: false };
            // The label's modifier is not applied: the value has it already.
            return Self { kind, ty, typmod: -1 };
        }
        Self { ty, typmod, ..self }
    }
    /// A constant.
    pub fn constant(value: Datum, ty: Type) -> Self {
        Self { kind: ExprKind::Const(value), ty, typmod: -1 }
    }
}
