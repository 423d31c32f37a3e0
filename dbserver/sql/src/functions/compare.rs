//! Comparison operators: `=`, `<>`, `<`, `<=`, `>`, `>=` of every type that has them, also across widths.
//!
//! One row form and one vector form per test serve all types, because the physical form of the values says how to
//! compare them. Only dates against timestamps need more: there the declared types count.

use super::kernel::{merge_nulls, two};
use super::{Function, datetime};
use crate::error::{Result, SqlError};
use crate::session::EvalContext;
use crate::types::compare::{self, float_cmp};
use crate::types::{Datum, Type};
use crate::vector::{Values, VarValues, Vector};
use std::cmp::Ordering;

/// One of the six tests.
trait Test {
    /// Whether an ordering satisfies it.
    fn holds(order: Ordering) -> bool;
    /// The test itself, for values with a total order.
    fn of<T: PartialOrd>(a: T, b: T) -> bool;
}
macro_rules! tests {
    ($($name:ident $op:tt |$o:ident| $holds:expr;)*) => { $(
        struct $name;
        impl Test for $name {
            fn holds($o: Ordering) -> bool { $holds }
            #[inline(always)]
            fn of<T: PartialOrd>(a: T, b: T) -> bool { a $op b }
        }
    )* };
}
tests! {
    Eq == |o| o.is_eq();
    Ne != |o| o.is_ne();
    Lt < |o| o.is_lt();
    Le <= |o| o.is_le();
    Gt > |o| o.is_gt();
    Ge >= |o| o.is_ge();
}

fn row<T: Test>(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    match args {
        [a, b] => Ok(Datum::Bool(T::holds(compare::compare(a, b)))),
        _ => Err(SqlError::internal("comparison without two arguments")),
    }
}

/// The bytes of each value in turn.
pub(super) fn slices(values: &VarValues) -> impl Iterator<Item = &[u8]> {
    values.offsets.windows(2).map(|pair| match pair {
        [from, to] => values.bytes.get(*from as usize..*to as usize).unwrap_or_default(),
        _ => &[],
    })
}

fn pairs<A: Copy, B: Copy>(a: &[A], b: &[B], test: impl Fn(A, B) -> bool) -> Vec<bool> {
    a.iter().zip(b).map(|(a, b)| test(*a, *b)).collect()
}

fn vector<T: Test>(args: &[&Vector], rows: usize, _: &EvalContext<'_>) -> Result<Vector> {
    let (a, b) = two(args)?;
    let wide = |a: i64, b: i64| T::of(a, b);
    let values = match (&a.values, &b.values) {
        (Values::Int4(a), Values::Int4(b)) => pairs(a, b, T::of::<i32>),
        (Values::Int8(a), Values::Int8(b)) => pairs(a, b, T::of::<i64>),
        (Values::Int2(a), Values::Int2(b)) => pairs(a, b, T::of::<i16>),
        (Values::Oid(a), Values::Oid(b)) => pairs(a, b, T::of::<u32>),
        (Values::Int4(a), Values::Int8(b)) => pairs(a, b, |a: i32, b| wide(a.into(), b)),
        (Values::Int8(a), Values::Int4(b)) => pairs(a, b, |a, b: i32| wide(a, b.into())),
        (Values::Int2(a), Values::Int4(b)) => pairs(a, b, |a: i16, b: i32| wide(a.into(), b.into())),
        (Values::Int4(a), Values::Int2(b)) => pairs(a, b, |a: i32, b: i16| wide(a.into(), b.into())),
        (Values::Int2(a), Values::Int8(b)) => pairs(a, b, |a: i16, b| wide(a.into(), b)),
        (Values::Int8(a), Values::Int2(b)) => pairs(a, b, |a, b: i16| wide(a, b.into())),
        (Values::Bool(a), Values::Bool(b)) => pairs(a, b, T::of::<bool>),
        (Values::Uuid(a), Values::Uuid(b)) => pairs(a, b, T::of::<[u8; 16]>),
        (Values::Float8(a), Values::Float8(b)) => pairs(a, b, |a, b| T::holds(float_cmp(a, b))),
        (Values::Float4(a), Values::Float4(b)) => {
            pairs(a, b, |a: f32, b: f32| T::holds(float_cmp(a.into(), b.into())))
        }
        (Values::Text(a), Values::Text(b)) | (Values::Bytea(a), Values::Bytea(b)) => {
            slices(a).zip(slices(b)).map(|(a, b)| T::of(a, b)).collect()
        }
        _ => (0..rows).map(|i| T::holds(compare::compare(&a.get(i), &b.get(i)))).collect(),
    };
    Ok(Vector { ty: Type::BOOL, values: Values::Bool(values), nulls: merge_nulls(args) })
}

/// A date, timestamp or timestamptz (by OID) as an instant: local µs, or UTC µs when either side is a timestamptz.
fn instant(value: &Datum, ty: u32, zoned: bool, ctx: &EvalContext<'_>) -> Result<i64> {
    let local = match value {
        Datum::Int4(days) => datetime::date_to_timestamp_saturating(*days),
        Datum::Int8(micros) => *micros,
        _ => return Err(SqlError::internal("date comparison of something else")),
    };
    if zoned && ty != Type::TIMESTAMPTZ.0 {
        return Ok(datetime::local_to_utc_saturating(local, ctx.settings.time_zone));
    }
    Ok(local)
}

fn mixed<T: Test, const A: u32, const B: u32>(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let [a, b] = args else { return Err(SqlError::internal("comparison without two arguments")) };
    let zoned = A == Type::TIMESTAMPTZ.0 || B == Type::TIMESTAMPTZ.0;
    Ok(Datum::Bool(T::holds(instant(a, A, zoned, ctx)?.cmp(&instant(b, B, zoned, ctx)?))))
}

const fn plain<T: Test>(oid: u32, name: &'static str, args: &'static [Type]) -> Function {
    Function::scalar(oid, name, args, Type::BOOL, row::<T>).with_vector(vector::<T>)
}

macro_rules! comparisons {
    (@one plain $test:ident $oid:literal $name:ident $a:ident $b:ident) => {
        plain::<$test>($oid, stringify!($name), &[Type::$a, Type::$b])
    };
    (@one mixed $test:ident $oid:literal $name:ident $a:ident $b:ident) => {
        Function::scalar($oid, stringify!($name), &[Type::$a, Type::$b], Type::BOOL, mixed::<$test, { Type::$a.0 }, { Type::$b.0 }>).stable()
    };
    ($($how:ident $a:ident $b:ident: $($test:ident $oid:literal $name:ident),*;)*) => {
        pub(super) static COMPARISONS: &[Function] = &[ $($( comparisons!(@one $how $test $oid $name $a $b) ),*),* ];
    };
}
comparisons! {
    plain RECORD RECORD: Eq 3181 record_image_eq, Ne 3182 record_image_ne, Lt 3183 record_image_lt, Le 3185 record_image_le, Gt 3184 record_image_gt, Ge 3186 record_image_ge;
    plain BOOL BOOL: Eq 60 booleq, Ne 84 boolne, Lt 56 boollt, Le 1691 boolle, Gt 57 boolgt, Ge 1692 boolge;
    plain BYTEA BYTEA: Eq 1948 byteaeq, Ne 1953 byteane, Lt 1949 bytealt, Le 1950 byteale, Gt 1951 byteagt, Ge 1952 byteage;
    plain CHAR CHAR: Eq 61 chareq, Ne 70 charne, Lt 1246 charlt, Le 72 charle, Gt 73 chargt, Ge 74 charge;
    plain NAME NAME: Eq 62 nameeq, Ne 659 namene, Lt 655 namelt, Le 656 namele, Gt 657 namegt, Ge 658 namege;
    plain NAME TEXT: Eq 240 nameeqtext, Ne 245 namenetext, Lt 241 namelttext, Le 242 nameletext, Gt 244 namegttext, Ge 243 namegetext;
    plain INT8 INT8: Eq 467 int8eq, Ne 468 int8ne, Lt 469 int8lt, Le 471 int8le, Gt 470 int8gt, Ge 472 int8ge;
    plain INT8 INT2: Eq 1856 int82eq, Ne 1857 int82ne, Lt 1858 int82lt, Le 1860 int82le, Gt 1859 int82gt, Ge 1861 int82ge;
    plain INT8 INT4: Eq 474 int84eq, Ne 475 int84ne, Lt 476 int84lt, Le 478 int84le, Gt 477 int84gt, Ge 479 int84ge;
    plain INT2 INT8: Eq 1850 int28eq, Ne 1851 int28ne, Lt 1852 int28lt, Le 1854 int28le, Gt 1853 int28gt, Ge 1855 int28ge;
    plain INT2 INT2: Eq 63 int2eq, Ne 145 int2ne, Lt 64 int2lt, Le 148 int2le, Gt 146 int2gt, Ge 151 int2ge;
    plain INT2 INT4: Eq 158 int24eq, Ne 164 int24ne, Lt 160 int24lt, Le 166 int24le, Gt 162 int24gt, Ge 168 int24ge;
    plain INT4 INT8: Eq 852 int48eq, Ne 853 int48ne, Lt 854 int48lt, Le 856 int48le, Gt 855 int48gt, Ge 857 int48ge;
    plain INT4 INT2: Eq 159 int42eq, Ne 165 int42ne, Lt 161 int42lt, Le 167 int42le, Gt 163 int42gt, Ge 169 int42ge;
    plain INT4 INT4: Eq 65 int4eq, Ne 144 int4ne, Lt 66 int4lt, Le 149 int4le, Gt 147 int4gt, Ge 150 int4ge;
    plain TEXT NAME: Eq 247 texteqname, Ne 252 textnename, Lt 248 textltname, Le 249 textlename, Gt 251 textgtname, Ge 250 textgename;
    plain TEXT TEXT: Eq 67 texteq, Ne 157 textne, Lt 740 text_lt, Le 741 text_le, Gt 742 text_gt, Ge 743 text_ge;
    plain OID OID: Eq 184 oideq, Ne 185 oidne, Lt 716 oidlt, Le 717 oidle, Gt 1638 oidgt, Ge 1639 oidge;
    plain TID TID: Eq 1292 tideq, Ne 1265 tidne, Lt 2791 tidlt, Le 2793 tidle, Gt 2790 tidgt, Ge 2792 tidge;
    plain OIDVECTOR OIDVECTOR: Eq 679 oidvectoreq, Ne 619 oidvectorne, Lt 677 oidvectorlt, Le 678 oidvectorle, Gt 681 oidvectorgt, Ge 680 oidvectorge;
    plain FLOAT4 FLOAT4: Eq 287 float4eq, Ne 288 float4ne, Lt 289 float4lt, Le 290 float4le, Gt 291 float4gt, Ge 292 float4ge;
    plain FLOAT4 FLOAT8: Eq 299 float48eq, Ne 300 float48ne, Lt 301 float48lt, Le 302 float48le, Gt 303 float48gt, Ge 304 float48ge;
    plain FLOAT8 FLOAT4: Eq 305 float84eq, Ne 306 float84ne, Lt 307 float84lt, Le 308 float84le, Gt 309 float84gt, Ge 310 float84ge;
    plain FLOAT8 FLOAT8: Eq 293 float8eq, Ne 294 float8ne, Lt 295 float8lt, Le 296 float8le, Gt 297 float8gt, Ge 298 float8ge;
    plain BPCHAR BPCHAR: Eq 1048 bpchareq, Ne 1053 bpcharne, Lt 1049 bpcharlt, Le 1050 bpcharle, Gt 1051 bpchargt, Ge 1052 bpcharge;
    plain DATE DATE: Eq 1086 date_eq, Ne 1091 date_ne, Lt 1087 date_lt, Le 1088 date_le, Gt 1089 date_gt, Ge 1090 date_ge;
    mixed DATE TIMESTAMP: Eq 2340 date_eq_timestamp, Ne 2343 date_ne_timestamp, Lt 2338 date_lt_timestamp, Le 2339 date_le_timestamp, Gt 2341 date_gt_timestamp, Ge 2342 date_ge_timestamp;
    mixed DATE TIMESTAMPTZ: Eq 2353 date_eq_timestamptz, Ne 2356 date_ne_timestamptz, Lt 2351 date_lt_timestamptz, Le 2352 date_le_timestamptz, Gt 2354 date_gt_timestamptz, Ge 2355 date_ge_timestamptz;
    plain TIME TIME: Eq 1145 time_eq, Ne 1106 time_ne, Lt 1102 time_lt, Le 1103 time_le, Gt 1104 time_gt, Ge 1105 time_ge;
    mixed TIMESTAMP DATE: Eq 2366 timestamp_eq_date, Ne 2369 timestamp_ne_date, Lt 2364 timestamp_lt_date, Le 2365 timestamp_le_date, Gt 2367 timestamp_gt_date, Ge 2368 timestamp_ge_date;
    plain TIMESTAMP TIMESTAMP: Eq 2052 timestamp_eq, Ne 2053 timestamp_ne, Lt 2054 timestamp_lt, Le 2055 timestamp_le, Gt 2057 timestamp_gt, Ge 2056 timestamp_ge;
    mixed TIMESTAMP TIMESTAMPTZ: Eq 2522 timestamp_eq_timestamptz, Ne 2525 timestamp_ne_timestamptz, Lt 2520 timestamp_lt_timestamptz, Le 2521 timestamp_le_timestamptz, Gt 2523 timestamp_gt_timestamptz, Ge 2524 timestamp_ge_timestamptz;
    mixed TIMESTAMPTZ DATE: Eq 2379 timestamptz_eq_date, Ne 2382 timestamptz_ne_date, Lt 2377 timestamptz_lt_date, Le 2378 timestamptz_le_date, Gt 2380 timestamptz_gt_date, Ge 2381 timestamptz_ge_date;
    mixed TIMESTAMPTZ TIMESTAMP: Eq 2529 timestamptz_eq_timestamp, Ne 2532 timestamptz_ne_timestamp, Lt 2527 timestamptz_lt_timestamp, Le 2528 timestamptz_le_timestamp, Gt 2530 timestamptz_gt_timestamp, Ge 2531 timestamptz_ge_timestamp;
    plain TIMESTAMPTZ TIMESTAMPTZ: Eq 1152 timestamptz_eq, Ne 1153 timestamptz_ne, Lt 1154 timestamptz_lt, Le 1155 timestamptz_le, Gt 1157 timestamptz_gt, Ge 1156 timestamptz_ge;
    plain INTERVAL INTERVAL: Eq 1162 interval_eq, Ne 1163 interval_ne, Lt 1164 interval_lt, Le 1165 interval_le, Gt 1167 interval_gt, Ge 1166 interval_ge;
    plain NUMERIC NUMERIC: Eq 1718 numeric_eq, Ne 1719 numeric_ne, Lt 1722 numeric_lt, Le 1723 numeric_le, Gt 1720 numeric_gt, Ge 1721 numeric_ge;
    plain RECORD RECORD: Eq 2981 record_eq, Ne 2982 record_ne, Lt 2983 record_lt, Le 2985 record_le, Gt 2984 record_gt, Ge 2986 record_ge;
    plain ANYARRAY ANYARRAY: Eq 744 array_eq, Ne 390 array_ne, Lt 391 array_lt, Le 393 array_le, Gt 392 array_gt, Ge 396 array_ge;
    plain UUID UUID: Eq 2956 uuid_eq, Ne 2959 uuid_ne, Lt 2954 uuid_lt, Le 2955 uuid_le, Gt 2958 uuid_gt, Ge 2957 uuid_ge;
    plain PG_LSN PG_LSN: Eq 3233 pg_lsn_eq, Ne 3236 pg_lsn_ne, Lt 3231 pg_lsn_lt, Le 3232 pg_lsn_le, Gt 3235 pg_lsn_gt, Ge 3234 pg_lsn_ge;
    plain JSONB JSONB: Eq 4043 jsonb_eq, Ne 4038 jsonb_ne, Lt 4039 jsonb_lt, Le 4041 jsonb_le, Gt 4040 jsonb_gt, Ge 4042 jsonb_ge;
    plain XID INT4: Eq 1319 xideqint4, Ne 3309 xidneqint4;
    plain XID XID: Eq 68 xideq, Ne 3308 xidneq;
    plain CID CID: Eq 69 cideq;
    plain TEXT TEXT: Lt 2160 text_pattern_lt, Le 2161 text_pattern_le, Gt 2164 text_pattern_gt, Ge 2163 text_pattern_ge;
    plain BPCHAR BPCHAR: Lt 2174 bpchar_pattern_lt, Le 2175 bpchar_pattern_le, Gt 2178 bpchar_pattern_gt, Ge 2177 bpchar_pattern_ge;
}
