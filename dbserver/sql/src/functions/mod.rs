//! The functions and operators of SQL: what `pg_proc` and `pg_operator` list.
//!
//! An operator is a function with an operator name, as in PostgreSQL (`int4pl` is `+`). Scalar functions have a row
//! form and may have a vector form; where the vector form is missing the executor loops over the row form.

mod advisory;
mod aggregate;
mod arithmetic;
mod array;
mod compare;
mod compose;
mod datetime;
mod digest;
mod format;
mod json;
mod kernel;
pub(crate) mod like;
mod math;
mod operator_table;
mod operators;
mod quote;
mod regex;
mod registry;
mod resolve;
mod session;
mod set;
mod string;
mod system;

pub use like::{ilike, like};
pub use operators::Operator;
pub use quote::{quote_ident, quote_literal};
pub use registry::{
    all, by_oid, comparison_of, equality, greater, less, named, operator_by_oid, operator_of, operators,
    operators_named,
};
pub use resolve::{
    ARGUMENTS_MAX, Resolved, ResolvedOperator, cast_by_name, common_type, converts_implicitly,
    is_polymorphic, resolve, resolve_operator,
};
pub use session::{VERSION, server_start};

use crate::error::{Result, SqlError};
use crate::session::EvalContext;
use crate::types::{Datum, Oid, Type};
use crate::vector::Vector;

/// A function, aggregate or operator implementation.
pub struct Function {
    /// Its OID, PostgreSQL's where PostgreSQL has it.
    pub oid: Oid,
    /// `proname`, e.g. `int4pl`, `lower`.
    pub name: &'static str,
    /// Declared argument types; `ANYELEMENT`, `ANYARRAY`, `ANY` are polymorphic.
    pub args: &'static [Type],
    /// Whether the last argument type repeats: `Some(element type)`.
    pub variadic: Option<Type>,
    /// Declared result type.
    pub result: Type,
    /// Null in, null out.
    pub strict: bool,
    /// What it depends on.
    pub volatility: Volatility,
    /// How it runs.
    pub kernel: Kernel,
}

impl Function {
    /// Calls a scalar function on one row. `types` are those of the actual arguments.
    pub fn call(&self, args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum> {
        if self.strict && args.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        match &self.kernel {
            Kernel::Scalar { row, .. } => row(args, ctx),
            Kernel::Typed { row } => row(args, types, ctx),
            Kernel::Aggregate { .. } | Kernel::Set { .. } => {
                Err(SqlError::internal(format!("{} is not a scalar function", self.name)))
            }
        }
    }
    /// Whether it is an aggregate.
    pub fn is_aggregate(&self) -> bool {
        matches!(self.kernel, Kernel::Aggregate { .. })
    }
    /// Whether it returns a set.
    pub fn is_set(&self) -> bool {
        matches!(self.kernel, Kernel::Set { .. })
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.args)
    }
}

/// `provolatile`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Volatility {
    /// Same arguments, same result, for ever: may be folded when planned.
    Immutable,
    /// The same within a statement.
    Stable,
    /// Anything, e.g. `nextval`, `random`.
    Volatile,
}

/// The row form of a scalar function. `args` has as many values as the call has arguments.
pub type RowFn = fn(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum>;

/// The row form of a function over `"any"` that must know what its arguments are (`concat`, `to_json`, `pg_typeof`):
/// `types` are the types of the actual arguments.
pub type TypedRowFn = fn(args: &[Datum], types: &[Type], ctx: &EvalContext<'_>) -> Result<Datum>;

/// The vector form: every argument has `rows` values (a constant argument is repeated). Gives `rows` values. Must
/// give null for a null argument when the function is strict, and must not fail on the value of a null row.
pub type VectorFn = fn(args: &[&Vector], rows: usize, ctx: &EvalContext<'_>) -> Result<Vector>;

/// All rows of a set-returning function.
pub type RowsFn = fn(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>>;

/// How a function runs.
pub enum Kernel {
    /// One value per row.
    Scalar {
        /// Row form.
        row: RowFn,
        /// Vector form, where speed matters.
        vector: Option<VectorFn>,
    },
    /// One value per row, of a function that must know the types of its arguments.
    Typed {
        /// Row form.
        row: TypedRowFn,
    },
    /// One value per group.
    Aggregate {
        /// A fresh accumulator; `arg_types` are the types of the actual arguments.
        new: fn(arg_types: &[Type]) -> Box<dyn Accumulator>,
    },
    /// Rows (a set-returning function), each of one value, or of several where the result is `RECORD`.
    Set {
        /// Column names and types of a row.
        columns: fn(arg_types: &[Type]) -> Vec<(&'static str, Type)>,
        /// Gives all rows; strict ones give none for a null argument.
        rows: RowsFn,
    },
}

/// The state of an aggregate over many groups at once: group `g` is a number from 0.
pub trait Accumulator: Send {
    /// Makes room for groups below `groups`.
    fn resize(&mut self, groups: usize);
    /// Takes in a batch: row `i` belongs to `groups[i]`; rows with `skip[i]` (FILTER, DISTINCT) don't count
    /// (`skip` empty: none skipped). Aggregates ignore null arguments themselves where PostgreSQL's do.
    fn update(
        &mut self,
        groups: &[u32],
        skip: &[bool],
        args: &[&Vector],
        ctx: &EvalContext<'_>,
    ) -> Result<()>;
    /// The result of every group, in order.
    fn finish(&mut self, ctx: &EvalContext<'_>) -> Result<Vector>;
    /// Bytes held, for the memory account.
    fn memory(&self) -> u64;
}

#[cfg(test)]
mod tests;
