//! What every kernel needs: taking arguments out of datums, giving results back, and the macro that declares a
//! function together with its body.
//!
//! ```text
//! functions! { MATH:
//!     1251 abs(a: INT4) -> INT4 |_| { a.checked_abs().ok_or_else(integer_out_of_range)? }
//! }
//! ```
//! The number is PostgreSQL's OID; argument types are the constants of [`Type`]; the names before the colon hold the
//! values, unwrapped. Flags go in brackets after the result type: `[stable]`, `[volatile]`.

use super::{Function, Kernel, RowFn, TypedRowFn, VectorFn, Volatility};
use crate::error::{Result, SqlError, sqlstate};
use crate::types::{Array, Datum, Interval, Numeric, Oid, Type};
use crate::vector::Vector;
use std::borrow::Cow;
use std::sync::Arc;

impl Function {
    /// A strict, immutable scalar function.
    pub(crate) const fn scalar(
        oid: Oid,
        name: &'static str,
        args: &'static [Type],
        result: Type,
        row: RowFn,
    ) -> Self {
        let kernel = Kernel::Scalar { row, vector: None };
        Self {
            oid,
            name,
            args,
            variadic: None,
            result,
            strict: true,
            volatility: Volatility::Immutable,
            kernel,
        }
    }
    /// A function over `"any"`, not strict, stable (text forms depend on settings).
    pub(crate) const fn typed(
        oid: Oid,
        name: &'static str,
        args: &'static [Type],
        result: Type,
        row: TypedRowFn,
    ) -> Self {
        let kernel = Kernel::Typed { row };
        Self {
            oid,
            name,
            args,
            variadic: None,
            result,
            strict: false,
            volatility: Volatility::Stable,
            kernel,
        }
    }
    /// Any other kind, strict and immutable.
    pub(crate) const fn of(
        oid: Oid,
        name: &'static str,
        args: &'static [Type],
        result: Type,
        kernel: Kernel,
    ) -> Self {
        Self {
            oid,
            name,
            args,
            variadic: None,
            result,
            strict: true,
            volatility: Volatility::Immutable,
            kernel,
        }
    }
    /// Gives it a vector form.
    pub(crate) const fn with_vector(mut self, form: VectorFn) -> Self {
        if let Kernel::Scalar { row, .. } = self.kernel {
            self.kernel = Kernel::Scalar { row, vector: Some(form) };
        }
        self
    }
    /// The same within a statement only.
    pub(crate) const fn stable(mut self) -> Self {
        self.volatility = Volatility::Stable;
        self
    }
    /// The same for ever.
    pub(crate) const fn immutable(mut self) -> Self {
        self.volatility = Volatility::Immutable;
        self
    }
    /// Different every time.
    pub(crate) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }
    /// Called with null arguments too.
    pub(crate) const fn lax(mut self) -> Self {
        self.strict = false;
        self
    }
    /// Null in, null out.
    pub(crate) const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
    /// The last argument repeats.
    pub(crate) const fn variadic(mut self, element: Type) -> Self {
        self.variadic = Some(element);
        self
    }
}

/// Declares a list of scalar functions with their bodies; see the module's text.
macro_rules! functions {
    ($list:ident: $( $oid:literal $name:ident ( $($arg:ident : $ty:ident),* ) -> $res:ident $([$($flag:ident),*])? |$ctx:tt| $body:block )*) => {
        pub(in crate::functions) static $list: &[$crate::functions::Function] = &[ $( {
            fn row(args: &[$crate::types::Datum], $ctx: &$crate::session::EvalContext<'_>) -> $crate::error::Result<$crate::types::Datum> {
                #[allow(unused_mut, unused_variables, reason = "functions without arguments")]
                let mut values = args.iter();
                $( let $arg = $crate::functions::kernel::take::$ty(values.next())?; )*
                Ok($crate::functions::kernel::IntoDatum::into_datum($body))
            }
            $crate::functions::Function::scalar($oid, stringify!($name), &[$($crate::types::Type::$ty),*], $crate::types::Type::$res, row) $($(.$flag())*)?
        } ),* ];
    };
}
pub(super) use functions;

/// Arguments out of datums, by type.
#[allow(non_snake_case, reason = "named like the types")]
pub(super) mod take {
    use super::*;

    fn wrong<T>(value: Option<&Datum>) -> Result<T> {
        Err(SqlError::internal(format!("function got an argument of the wrong form: {value:?}")))
    }
    macro_rules! copies {
        ($($variant:ident $ty:ty: $($name:ident)*;)*) => { $($(
            pub fn $name(value: Option<&Datum>) -> Result<$ty> {
                match value { Some(Datum::$variant(v)) => Ok(*v), other => wrong(other) }
            }
        )*)* };
    }
    macro_rules! borrows {
        ($($variant:ident $ty:ty: $($name:ident)*;)*) => { $($(
            pub fn $name(value: Option<&Datum>) -> Result<&$ty> {
                match value { Some(Datum::$variant(v)) => Ok(v), other => wrong(other) }
            }
        )*)* };
    }
    copies! {
        Bool bool: BOOL;
        Int2 i16: INT2;
        Int4 i32: INT4 DATE;
        Int8 i64: INT8 TIME TIMESTAMP TIMESTAMPTZ PG_LSN;
        Float4 f32: FLOAT4;
        Float8 f64: FLOAT8;
        Interval Interval: INTERVAL;
        Oid u32: OID REGCLASS;
    }
    borrows! {
        Numeric Numeric: NUMERIC;
        Text str: TEXT PG_NODE_TREE NAME CHAR BPCHAR JSON JSONB;
        Bytea [u8]: BYTEA;
        Array Arc<Array>: ANYARRAY ANYCOMPATIBLEARRAY TEXT_ARRAY;
    }
    pub fn ANYELEMENT(value: Option<&Datum>) -> Result<&Datum> {
        value.map_or_else(|| wrong(None), Ok)
    }
    pub use ANYELEMENT as ANYCOMPATIBLE;
}

/// What a body may end in.
pub(super) trait IntoDatum {
    fn into_datum(self) -> Datum;
}
macro_rules! into_datum {
    ($($ty:ty: |$v:ident| $datum:expr;)*) => { $( impl IntoDatum for $ty { fn into_datum(self) -> Datum { let $v = self; $datum } } )* };
}
into_datum! {
    Datum: |v| v;
    bool: |v| Datum::Bool(v);
    i16: |v| Datum::Int2(v);
    i32: |v| Datum::Int4(v);
    i64: |v| Datum::Int8(v);
    u32: |v| Datum::Oid(v);
    f32: |v| Datum::Float4(v);
    f64: |v| Datum::Float8(v);
    Numeric: |v| Datum::Numeric(v);
    String: |v| Datum::Text(v.into());
    Box<str>: |v| Datum::Text(v);
    &str: |v| Datum::Text(v.into());
    Cow<'_, str>: |v| Datum::Text(v.into());
    Vec<u8>: |v| Datum::Bytea(v.into());
    Interval: |v| Datum::Interval(v);
    [u8; 16]: |v| Datum::Uuid(v);
    Array: |v| Datum::Array(Arc::new(v));
    Arc<Array>: |v| Datum::Array(v);
    (): |v| { let () = v; Datum::Null };
}
impl<T: IntoDatum> IntoDatum for Option<T> {
    fn into_datum(self) -> Datum {
        self.map_or(Datum::Null, T::into_datum)
    }
}

/// A one-dimensional array that counts from 1 (or an empty one).
pub(super) fn array_of(element: Type, values: Vec<Datum>) -> Array {
    let dims = match i32::try_from(values.len()) {
        Ok(0) | Err(_) => Vec::new(),
        Ok(length) => vec![(length, 1)],
    };
    Array { element, dims, values }
}

/// Rows where an argument is null; empty when none is.
pub(super) fn merge_nulls(args: &[&Vector]) -> Vec<bool> {
    let mut nulls = Vec::new();
    for arg in args.iter().filter(|a| !a.nulls.is_empty()) {
        if nulls.is_empty() {
            nulls.clone_from(&arg.nulls);
        } else {
            nulls.iter_mut().zip(&arg.nulls).for_each(|(n, other)| *n |= other);
        }
    }
    nulls
}

/// Both arguments of an operator's vector form.
pub(super) fn two<'v>(args: &[&'v Vector]) -> Result<(&'v Vector, &'v Vector)> {
    match args {
        [a, b] => Ok((a, b)),
        _ => Err(SqlError::internal("operator without two arguments")),
    }
}

/// 22003 for a type's range.
pub(super) fn out_of_range(ty: &str) -> SqlError {
    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("{ty} out of range"))
}

/// 22012
pub(super) fn division_by_zero() -> SqlError {
    SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero")
}

/// 22023
pub(super) fn invalid_parameter(message: impl Into<String>) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

/// The most bytes one text or bytea result may have, as in PostgreSQL (1 GB), less its header.
pub(super) const VALUE_BYTES_MAX: usize = 0x3fff_fffb;

/// 54000 where a result of `bytes` would be larger than a value may be.
pub(super) fn check_length(bytes: usize) -> Result<()> {
    if bytes > VALUE_BYTES_MAX {
        return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "requested length too large"));
    }
    Ok(())
}
