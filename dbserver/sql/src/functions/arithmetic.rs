//! Arithmetic operators: integers of all widths and mixes with overflow checked, floats, numerics, bits, and dates
//! with integers. Integers, floats and dates have vector forms.

use super::Function;
use super::kernel::{division_by_zero, functions, merge_nulls, out_of_range, two};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Datum, Numeric, Type};
use crate::vector::{Values, Vector};

/// Applies `op`, which says whether it overflowed, to rows of both sides. Branch-free per row, so that it
/// vectorizes; only where something overflowed are the nulls looked at.
fn overflowing<A: Copy, B: Copy, T: Copy>(
    a: &[A],
    b: &[B],
    nulls: &[bool],
    op: impl Fn(A, B) -> (T, bool),
    error: impl Fn() -> SqlError,
) -> Result<Vec<T>> {
    let mut any = false;
    let out = a
        .iter()
        .zip(b)
        .map(|(a, b)| {
            let (value, overflow) = op(*a, *b);
            any |= overflow;
            value
        })
        .collect();
    let is_null = |i: usize| nulls.get(i).copied().unwrap_or(false);
    if any && a.iter().zip(b).enumerate().any(|(i, (a, b))| op(*a, *b).1 && !is_null(i)) {
        return Err(error());
    }
    Ok(out)
}

/// Applies an operator that may fail, to rows that are not null.
fn checked<A: Copy, B: Copy, T: Copy + Default>(
    a: &[A],
    b: &[B],
    nulls: &[bool],
    op: impl Fn(A, B) -> Result<T>,
) -> Result<Vec<T>> {
    let is_null = |i: usize| nulls.get(i).copied().unwrap_or(false);
    let rows = a.iter().zip(b).enumerate();
    rows.map(|(i, (a, b))| if is_null(i) { Ok(T::default()) } else { op(*a, *b) }).collect()
}

fn wrong_form() -> SqlError {
    SqlError::internal("operator got values of the wrong form")
}

/// Division that truncates.
trait Divide: Sized {
    fn divide(self, by: Self, error: &'static str) -> Result<Self>;
    fn remainder(self, by: Self) -> Result<Self>;
}
macro_rules! divide {
    ($($ty:ty)*) => { $( impl Divide for $ty {
        fn divide(self, by: Self, ty: &'static str) -> Result<Self> {
            if by == 0 { Err(division_by_zero()) } else { self.checked_div(by).ok_or_else(|| out_of_range(ty)) }
        }
        fn remainder(self, by: Self) -> Result<Self> {
            // The smallest value modulo -1 is 0, where the processor would trap.
            if by == 0 { Err(division_by_zero()) } else { Ok(self.checked_rem(by).unwrap_or(0)) }
        }
    } )* };
}
divide!(i16 i32 i64);

/// A binary operator over physical forms: row and vector form of one closure.
macro_rules! binary {
    ($oid:literal $name:ident $a:ident $av:ident, $b:ident $bv:ident -> $res:ident $rv:ident, $how:ident $op:expr $(, $error:expr)?) => {{
        fn row(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
            match args {
                [Datum::$av(a), Datum::$bv(b)] => Ok(Datum::$rv(binary!(@row $how *a, *b, $op $(, $error)?))),
                _ => Err(wrong_form()),
            }
        }
        fn vector(args: &[&Vector], _: usize, _: &EvalContext<'_>) -> Result<Vector> {
            let (a, b) = two(args)?;
            let nulls = merge_nulls(args);
            let (Values::$av(a), Values::$bv(b)) = (&a.values, &b.values) else { return Err(wrong_form()) };
            let values = $how(a, b, &nulls, $op $(, $error)?)?;
            Ok(Vector { ty: Type::$res, values: Values::$rv(values), nulls })
        }
        Function::scalar($oid, stringify!($name), &[Type::$a, Type::$b], Type::$res, row).with_vector(vector)
    }};
    (@row overflowing $a:expr, $b:expr, $op:expr, $error:expr) => {{
        let op = $op;
        let (value, overflow) = op($a, $b);
        if overflow { return Err($error()); }
        value
    }};
    (@row checked $a:expr, $b:expr, $op:expr) => {{
        let op = $op;
        op($a, $b)?
    }};
}

/// `+ - * /` of two integer types: their OIDs, and the type they are computed in.
macro_rules! integers {
    ($($a:ident $av:ident $b:ident $bv:ident -> $res:ident $rv:ident $ty:ty, $error:literal: $add:literal $addn:ident $sub:literal $subn:ident $mul:literal $muln:ident $div:literal $divn:ident;)*) => {
        &[ $(
            binary!($add $addn $a $av, $b $bv -> $res $rv, overflowing |a, b| <$ty>::from(a).overflowing_add(<$ty>::from(b)), || out_of_range($error)),
            binary!($sub $subn $a $av, $b $bv -> $res $rv, overflowing |a, b| <$ty>::from(a).overflowing_sub(<$ty>::from(b)), || out_of_range($error)),
            binary!($mul $muln $a $av, $b $bv -> $res $rv, overflowing |a, b| <$ty>::from(a).overflowing_mul(<$ty>::from(b)), || out_of_range($error)),
            binary!($div $divn $a $av, $b $bv -> $res $rv, checked |a, b| <$ty>::from(a).divide(<$ty>::from(b), $error)),
        )* ]
    };
}

/// Integer `+ - * /`.
pub(super) static INTEGERS: &[Function] = integers! {
    INT2 Int2 INT2 Int2 -> INT2 Int2 i16, "smallint": 176 int2pl 180 int2mi 152 int2mul 153 int2div;
    INT4 Int4 INT4 Int4 -> INT4 Int4 i32, "integer": 177 int4pl 181 int4mi 141 int4mul 154 int4div;
    INT8 Int8 INT8 Int8 -> INT8 Int8 i64, "bigint": 463 int8pl 464 int8mi 465 int8mul 466 int8div;
    INT2 Int2 INT4 Int4 -> INT4 Int4 i32, "integer": 178 int24pl 182 int24mi 170 int24mul 172 int24div;
    INT4 Int4 INT2 Int2 -> INT4 Int4 i32, "integer": 179 int42pl 183 int42mi 171 int42mul 173 int42div;
    INT2 Int2 INT8 Int8 -> INT8 Int8 i64, "bigint": 841 int28pl 942 int28mi 943 int28mul 948 int28div;
    INT8 Int8 INT2 Int2 -> INT8 Int8 i64, "bigint": 837 int82pl 838 int82mi 839 int82mul 840 int82div;
    INT4 Int4 INT8 Int8 -> INT8 Int8 i64, "bigint": 1278 int48pl 1279 int48mi 1280 int48mul 1281 int48div;
    INT8 Int8 INT4 Int4 -> INT8 Int8 i64, "bigint": 1274 int84pl 1275 int84mi 1276 int84mul 1277 int84div;
};

pub(super) fn overflow() -> SqlError {
    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}
pub(super) fn underflow() -> SqlError {
    SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

/// What floats have in common here.
pub(super) trait Float: Copy + PartialEq + Default {
    const ZERO: Self;
    fn infinite(self) -> bool;
    fn nan(self) -> bool;
}
macro_rules! float { ($($ty:ty)*) => { $( impl Float for $ty {
    const ZERO: Self = 0.0;
    fn infinite(self) -> bool { self.is_infinite() }
    fn nan(self) -> bool { self.is_nan() }
} )* } }
float!(f32 f64);

/// A sum or difference: infinite only when an operand was.
fn sum<T: Float>(value: T, a: T, b: T) -> Result<T> {
    if value.infinite() && !a.infinite() && !b.infinite() { Err(overflow()) } else { Ok(value) }
}
fn product<T: Float>(value: T, a: T, b: T) -> Result<T> {
    if value == T::ZERO && a != T::ZERO && b != T::ZERO {
        return Err(underflow());
    }
    sum(value, a, b)
}
fn quotient<T: Float + std::ops::Div<Output = T>>(a: T, b: T) -> Result<T> {
    if b == T::ZERO && !a.nan() {
        return Err(division_by_zero());
    }
    let value = a / b;
    if value == T::ZERO && a != T::ZERO && !b.infinite() {
        return Err(underflow());
    }
    if value.infinite() && !a.infinite() { Err(overflow()) } else { Ok(value) }
}

macro_rules! floats {
    ($($a:ident $av:ident $b:ident $bv:ident -> $res:ident $rv:ident $ty:ty: $add:literal $addn:ident $sub:literal $subn:ident $mul:literal $muln:ident $div:literal $divn:ident;)*) => {
        &[ $(
            binary!($add $addn $a $av, $b $bv -> $res $rv, checked |a, b| { let (a, b) = (<$ty>::from(a), <$ty>::from(b)); sum(a + b, a, b) }),
            binary!($sub $subn $a $av, $b $bv -> $res $rv, checked |a, b| { let (a, b) = (<$ty>::from(a), <$ty>::from(b)); sum(a - b, a, b) }),
            binary!($mul $muln $a $av, $b $bv -> $res $rv, checked |a, b| { let (a, b) = (<$ty>::from(a), <$ty>::from(b)); product(a * b, a, b) }),
            binary!($div $divn $a $av, $b $bv -> $res $rv, checked |a, b| quotient(<$ty>::from(a), <$ty>::from(b))),
        )* ]
    };
}

/// Float `+ - * /`.
pub(super) static FLOATS: &[Function] = floats! {
    FLOAT4 Float4 FLOAT4 Float4 -> FLOAT4 Float4 f32: 204 float4pl 205 float4mi 202 float4mul 203 float4div;
    FLOAT8 Float8 FLOAT8 Float8 -> FLOAT8 Float8 f64: 218 float8pl 219 float8mi 216 float8mul 217 float8div;
    FLOAT4 Float4 FLOAT8 Float8 -> FLOAT8 Float8 f64: 281 float48pl 282 float48mi 279 float48mul 280 float48div;
    FLOAT8 Float8 FLOAT4 Float4 -> FLOAT8 Float8 f64: 285 float84pl 286 float84mi 283 float84mul 284 float84div;
};

/// A date plus days; the infinities stay.
fn date_plus(date: i32, days: i32) -> Result<i32> {
    if date == i32::MIN || date == i32::MAX {
        return Ok(date);
    }
    // PostgreSQL's dates: 4714-11-24 BC to 5874897-12-31.
    match date.checked_add(days) {
        Some(sum) if (-2_451_545..2_145_031_949).contains(&sum) => Ok(sum),
        _ => Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range")),
    }
}

fn date_minus(a: i32, b: i32) -> Result<i32> {
    let infinite = |d: i32| d == i32::MIN || d == i32::MAX;
    if infinite(a) || infinite(b) {
        return Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite dates"));
    }
    Ok(a.wrapping_sub(b))
}

/// `%`, and dates with days.
pub(super) static MIXED: &[Function] = &[
    binary!(155 int2mod INT2 Int2, INT2 Int2 -> INT2 Int2, checked |a: i16, b: i16| a.remainder(b)),
    binary!(156 int4mod INT4 Int4, INT4 Int4 -> INT4 Int4, checked |a: i32, b: i32| a.remainder(b)),
    binary!(945 int8mod INT8 Int8, INT8 Int8 -> INT8 Int8, checked |a: i64, b: i64| a.remainder(b)),
    binary!(940 mod INT2 Int2, INT2 Int2 -> INT2 Int2, checked |a: i16, b: i16| a.remainder(b)),
    binary!(941 mod INT4 Int4, INT4 Int4 -> INT4 Int4, checked |a: i32, b: i32| a.remainder(b)),
    binary!(947 mod INT8 Int8, INT8 Int8 -> INT8 Int8, checked |a: i64, b: i64| a.remainder(b)),
    binary!(1141 date_pli DATE Int4, INT4 Int4 -> DATE Int4, checked date_plus),
    binary!(2550 integer_pl_date INT4 Int4, DATE Int4 -> DATE Int4, checked |n: i32, d: i32| date_plus(d, n)),
    binary!(1142 date_mii DATE Int4, INT4 Int4 -> DATE Int4, checked |d: i32, n: i32| match n.checked_neg() {
        Some(n) => date_plus(d, n),
        None => Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range")),
    }),
    binary!(1140 date_mi DATE Int4, DATE Int4 -> INT4 Int4, checked date_minus),
];

functions! { SIGNS:
    1910 int8up(a: INT8) -> INT8 |_| { a }
    1911 int2up(a: INT2) -> INT2 |_| { a }
    1912 int4up(a: INT4) -> INT4 |_| { a }
    1913 float4up(a: FLOAT4) -> FLOAT4 |_| { a }
    1914 float8up(a: FLOAT8) -> FLOAT8 |_| { a }
    462 int8um(a: INT8) -> INT8 |_| { a.checked_neg().ok_or_else(|| out_of_range("bigint"))? }
    213 int2um(a: INT2) -> INT2 |_| { a.checked_neg().ok_or_else(|| out_of_range("smallint"))? }
    212 int4um(a: INT4) -> INT4 |_| { a.checked_neg().ok_or_else(|| out_of_range("integer"))? }
    206 float4um(a: FLOAT4) -> FLOAT4 |_| { -a }
    220 float8um(a: FLOAT8) -> FLOAT8 |_| { -a }
    1230 int8abs(a: INT8) -> INT8 |_| { a.checked_abs().ok_or_else(|| out_of_range("bigint"))? }
    1253 int2abs(a: INT2) -> INT2 |_| { a.checked_abs().ok_or_else(|| out_of_range("smallint"))? }
    1251 int4abs(a: INT4) -> INT4 |_| { a.checked_abs().ok_or_else(|| out_of_range("integer"))? }
    207 float4abs(a: FLOAT4) -> FLOAT4 |_| { a.abs() }
    221 float8abs(a: FLOAT8) -> FLOAT8 |_| { a.abs() }
}

/// Shifts take the count modulo the width, as the processors do that PostgreSQL runs on.
fn width(count: i32, bits: i32) -> u32 {
    count.rem_euclid(bits).unsigned_abs()
}

functions! { BITS:
    3237 pg_lsn_mi(a: PG_LSN, b: PG_LSN) -> NUMERIC |_| { Numeric::from_i128(i128::from(a as u64) - i128::from(b as u64), 0) }
    1904 int8and(a: INT8, b: INT8) -> INT8 |_| { a & b }
    1892 int2and(a: INT2, b: INT2) -> INT2 |_| { a & b }
    1898 int4and(a: INT4, b: INT4) -> INT4 |_| { a & b }
    1905 int8or(a: INT8, b: INT8) -> INT8 |_| { a | b }
    1893 int2or(a: INT2, b: INT2) -> INT2 |_| { a | b }
    1899 int4or(a: INT4, b: INT4) -> INT4 |_| { a | b }
    1906 int8xor(a: INT8, b: INT8) -> INT8 |_| { a ^ b }
    1894 int2xor(a: INT2, b: INT2) -> INT2 |_| { a ^ b }
    1900 int4xor(a: INT4, b: INT4) -> INT4 |_| { a ^ b }
    1907 int8not(a: INT8) -> INT8 |_| { !a }
    1895 int2not(a: INT2) -> INT2 |_| { !a }
    1901 int4not(a: INT4) -> INT4 |_| { !a }
    1908 int8shl(a: INT8, n: INT4) -> INT8 |_| { a.wrapping_shl(width(n, 64)) }
    1902 int4shl(a: INT4, n: INT4) -> INT4 |_| { a.wrapping_shl(width(n, 32)) }
    1896 int2shl(a: INT2, n: INT4) -> INT2 |_| { i32::from(a).wrapping_shl(width(n, 32)) as i16 }
    1909 int8shr(a: INT8, n: INT4) -> INT8 |_| { a.wrapping_shr(width(n, 64)) }
    1903 int4shr(a: INT4, n: INT4) -> INT4 |_| { a.wrapping_shr(width(n, 32)) }
    1897 int2shr(a: INT2, n: INT4) -> INT2 |_| { i32::from(a).wrapping_shr(width(n, 32)) as i16 }
}
